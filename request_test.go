package godown_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
)

func TestParseRequest(t *testing.T) {
	const pseudo = "v0.0.0-20230101000000-ffffffffffff"
	long := strings.Repeat("long/", 100) + "end"
	for name, test := range map[string]struct {
		kind          godown.Kind
		path, version string
		fixed         bool
	}{
		"golang.org/x/mod/@v/list":                               {godown.List, "golang.org/x/mod", "", false},
		"golang.org/x/mod/@latest":                               {godown.Latest, "golang.org/x/mod", "", false},
		"golang.org/x/mod/@v/v0.42.0.info":                       {godown.Info, "golang.org/x/mod", "v0.42.0", true},
		"golang.org/x/mod/@v/v0.42.0.mod":                        {godown.Mod, "golang.org/x/mod", "v0.42.0", true},
		"golang.org/x/mod/@v/v0.42.0.zip":                        {godown.Zip, "golang.org/x/mod", "v0.42.0", true},
		"github.com/!burnt!sushi/toml/@v/v1.5.0.info":            {godown.Info, "github.com/BurntSushi/toml", "v1.5.0", true},
		"github.com/!burnt!sushi/toml/@v/list":                   {godown.List, "github.com/BurntSushi/toml", "", false},
		"github.com/!burnt!sushi/toml/@latest":                   {godown.Latest, "github.com/BurntSushi/toml", "", false},
		"example.com/m/@v/v1.0.0-!r!c.1.zip":                     {godown.Zip, "example.com/m", "v1.0.0-RC.1", true},
		"example.com/m/@v/v2.0.0+incompatible.zip":               {godown.Zip, "example.com/m", "v2.0.0+incompatible", true},
		"example.com/m/@v/v2.0.0+incompatible.info":              {godown.Info, "example.com/m", "v2.0.0+incompatible", true},
		"example.com/m/v2/@v/v2.0.0.info":                        {godown.Info, "example.com/m/v2", "v2.0.0", true},
		"example.com/m/@v/" + pseudo + ".info":                   {godown.Info, "example.com/m", pseudo, true},
		"example.com/m/@v/" + pseudo + ".mod":                    {godown.Mod, "example.com/m", pseudo, true},
		"gopkg.in/yaml.v3/@v/v3.0.1.info":                        {godown.Info, "gopkg.in/yaml.v3", "v3.0.1", true},
		"golang.org/toolchain/@v/v0.0.1-go1.26.0.a-b.zip":        {godown.Zip, "golang.org/toolchain", "v0.0.1-go1.26.0.a-b", true},
		"example.com/" + long + "/@v/list":                       {godown.List, "example.com/" + long, "", false},
		"example.com/m/@v/list.info":                             {godown.Info, "example.com/m", "list", false},
		"example.com/m/@v/a.mod.zip.info":                        {godown.Info, "example.com/m", "a.mod.zip", false},
		"example.com/m/@v/v1.info":                               {godown.Info, "example.com/m", "v1", false},
		"example.com/m/@v/v1.2.info":                             {godown.Info, "example.com/m", "v1.2", false},
		"example.com/m/@v/master.info":                           {godown.Info, "example.com/m", "master", false},
		"example.com/m/@v/!h!e!a!d.info":                         {godown.Info, "example.com/m", "HEAD", false},
		"example.com/m/@v/3f786850e387.info":                     {godown.Info, "example.com/m", "3f786850e387", false},
		"example.com/m/@v/v1.2.3+meta.info":                      {godown.Info, "example.com/m", "v1.2.3+meta", false},
		"example.com/m/@v/v2.0.0.info":                           {godown.Info, "example.com/m", "v2.0.0", false}, // lacks +incompatible
		"example.com/m/v2/@v/v1.0.0.info":                        {godown.Info, "example.com/m/v2", "v1.0.0", false},
		"example.com/m/v2/@v/v2.0.0+incompatible.info":           {godown.Info, "example.com/m/v2", "v2.0.0+incompatible", true}, // as the go command has it
		"gopkg.in/yaml.v3/@v/v2.0.0.info":                        {godown.Info, "gopkg.in/yaml.v3", "v2.0.0", false},
		"example.com/m/@v/release@1,2=[x] {y}#.info":             {godown.Info, "example.com/m", "release@1,2=[x] {y}#", false},
		"example.com/m/@v/a%2fb.info":                            {godown.Info, "example.com/m", "a%2fb", false}, // not decoded twice
		"example.com/m/@v/-rf.info":                              {godown.Info, "example.com/m", "-rf", false},
		"example.com/m/@v/" + strings.Repeat("x", 500) + ".info": {godown.Info, "example.com/m", strings.Repeat("x", 500), false},
	} {
		for _, in := range []string{name, "/" + name} {
			got, err := godown.ParseRequest(in)
			want := godown.Request{Kind: test.kind, Path: test.path, Version: test.version}
			if err != nil || got != want {
				t.Errorf("ParseRequest(%.100q) = %+v, error %v, want %+v", in, got, err, want)
				continue
			}
			if got.Name() != name {
				t.Errorf("ParseRequest(%.100q).Name() = %.100q", in, got.Name())
			}
			if !fs.ValidPath(got.Name()) {
				t.Errorf("%.100q is no valid name", got.Name())
			}
			if got.Fixed() != test.fixed {
				t.Errorf("ParseRequest(%.100q).Fixed() = %v", in, got.Fixed())
			}
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	for _, in := range []string{
		"", "/", "/@latest", "@latest", "/@v/list", "example.com", "example.com/m", "example.com/m/@v", "example.com/m/@v/",
		"example.com/m/@v/list/", "example.com/m/@v/lists", "example.com/m/@v/v1.0.0", "example.com/m/@v/v1.0.0.ziphash",
		"example.com/m/@v/v1.0.0.lock", "example.com/m/@v/.info", "example.com/m/@v/.zip", "example.com/m/@v/v1.0.0.ZIP", "example.com/m/@v/LIST",
		"example.com/m/@latest/", "example.com/m/@Latest", "example.com/m/@v/@latest", "example.com/m@latest", "example.com/m/@v1/list",
		// Only .info may name something other than a canonical version.
		"example.com/m/@v/master.zip", "example.com/m/@v/v1.mod", "example.com/m/@v/v1.0.zip", "example.com/m/@v/v1.2.3+meta.mod", "example.com/m/@v/1.0.0.zip",
		// Escaping.
		"github.com/BurntSushi/toml/@v/list", "github.com/BurntSushi/toml/@latest", "github.com/!Burnt/toml/@v/list", "github.com/burnt!/toml/@v/list",
		"github.com/!!b/toml/@v/list", "github.com/!1/toml/@v/list", "example.com/m/@v/HEAD.info", "example.com/m/@v/v1.0.0-RC.zip", "example.com/m/@v/a!.info",
		// Paths that lead elsewhere.
		"../example.com/m/@v/list", "example.com/../m/@v/list", "example.com/m/../@v/list", "example.com/./m/@v/list", "example.com/m/@v/...info",
		"example.com/m/@v/../list", "example.com/m/@v/../../x.info", "example.com/m/@v/a/b.info", "example.com/m/@v/a/../b.info", "example.com/m/@v//x.info",
		"//example.com/m/@v/list", "example.com//m/@v/list", "example.com/m//@v/list", "example.com/m/@v//list", "/example.com/m/@v/v1.0.0.info/",
		`example.com\m/@v/list`, `example.com/m\..\x/@v/list`, `example.com/m/@v/..\x.info`, `example.com/m/@v/C:x.info`,
		"example.com/.git/@v/list", ".hidden/m/@v/list", "example.com/m/.m/@v/list",
		// Characters.
		"example.com/m\x00/@v/list", "example.com/m/@v/x\x00.info", "example.com/m/@v/v1.0.0\n.info", "example.com/m\n/@v/list", "example.com/m/@v/\xff.info",
		"example.com/\xff/@v/list", "example.com/m%2f/@v/list", "example.com/%2e%2e/@v/list", "example.com/m?x/@v/list", "example.com/m#x/@v/list",
		"example.com/é/@v/list", "example.com/m/@v/é.info", "example.com/m x/@v/list", "example.com/m/@v/a?b.info", "example.com/m/@v/a*.info",
		// No module paths.
		"nodot/m/@v/list", "-example.com/m/@v/list", "Example.com/m/@v/list", "example.com/m/v1/@v/list", "example.com/m/v02/@v/list", "gopkg.in/yaml/@v/list",
		"example.com/con/@v/list", "example.com/m/@v/NUL.info", "example.com/m./@v/list", "example.com/a/@v/b/@v/list",
	} {
		if got, err := godown.ParseRequest(in); !errors.Is(err, godown.ErrRequest) {
			t.Errorf("ParseRequest(%q) = %+v, error %v, want an ErrRequest", in, got, err)
		}
	}
}

// A version that begins with a dot would be a hidden file, which no Store takes.
func TestParseRequestHidden(t *testing.T) {
	for _, in := range []string{"example.com/m/@v/.hidden.info", "example.com/m/@v/.git.info"} {
		if got, err := godown.ParseRequest(in); !errors.Is(err, godown.ErrRequest) {
			t.Errorf("ParseRequest(%q) = %+v, error %v, want an ErrRequest", in, got, err)
		}
	}
}

// What is refused may be long, or hold control characters; what is said of it does not.
func TestParseRequestErrorText(t *testing.T) {
	huge := strings.Repeat("\x1b[31mx", 100_000)
	for _, in := range []string{
		huge, huge + "/@latest", huge + "/@v/list", "example.com/m/@v/" + huge, "example.com/m/@v/" + huge + ".info",
		"example.com/" + strings.Repeat("é", 100_000) + "/@v/list", "example.com/m/@v/v1" + strings.Repeat("x", 100_000) + ".zip",
	} {
		_, err := godown.ParseRequest(in)
		if err == nil {
			t.Errorf("ParseRequest(%.50q…) is no error", in)
			continue
		}
		if text := err.Error(); len(text) > 1000 || strings.Contains(text, "\x1b") {
			t.Errorf("ParseRequest(%.50q…): error of %d bytes: %.200q", in, len(text), text)
		}
	}
}

func TestRequestName(t *testing.T) {
	for _, req := range []godown.Request{
		{Kind: godown.List}, {Kind: godown.Latest, Path: "no path"}, {Kind: godown.List, Path: "../x"}, {Kind: godown.List, Path: "example.com/a!b"},
		{Kind: godown.Info, Path: "example.com/m"}, {Kind: godown.Info, Path: "example.com/m", Version: "a/b"},
		{Kind: godown.Zip, Path: "example.com/m", Version: "v1.0.0!"}, {Kind: godown.Zip, Path: "example.com/m", Version: ".."},
	} {
		if got := req.Name(); got != "" {
			t.Errorf("%#v.Name() = %q, want nothing", req, got)
		}
	}
}

func TestRequestString(t *testing.T) {
	for want, req := range map[string]godown.Request{
		"golang.org/x/mod@v0.42.0 zip":         {Kind: godown.Zip, Path: "golang.org/x/mod", Version: "v0.42.0"},
		"golang.org/x/mod list":                {Kind: godown.List, Path: "golang.org/x/mod"},
		"golang.org/x/mod latest":              {Kind: godown.Latest, Path: "golang.org/x/mod"},
		"github.com/BurntSushi/toml@HEAD info": {Kind: godown.Info, Path: "github.com/BurntSushi/toml", Version: "HEAD"},
		"example.com/m@v1.0.0 mod":             {Kind: godown.Mod, Path: "example.com/m", Version: "v1.0.0"},
		" unknown":                             {},
	} {
		if got := req.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
	if got := godown.Kind(200).String(); got != "unknown" {
		t.Errorf("Kind(200) is %q", got)
	}
}
