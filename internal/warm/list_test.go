package warm

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/mod/module"

	"github.com/godown-dev/godown"
)

const sumText = `# what we need
example.com/a v1.0.0 h1:OfKt8HFw0kh2rj8N0F6C/qPGRESq0BbaNZgcNXXzQQs=
example.com/a v1.0.0/go.mod h1:WoEbx8WTcFJfzCe0hbmyTGrfjt8PzNEBdxlNUO24NhA=
example.com/a v1.0.0/go.mod h1:WoEbx8WTcFJfzCe0hbmyTGrfjt8PzNEBdxlNUO24NhA=

example.com/B/v2 v2.0.1-0.20200101000000-0123456789ab/go.mod h1:WoEbx8WTcFJfzCe0hbmyTGrfjt8PzNEBdxlNUO24NhA=
example.com/old v2.0.0+incompatible/go.mod h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=
example.com/c@latest	# a root
example.com/c@latest
golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64
`

func TestParseList(t *testing.T) {
	files := []string{"example.com/a@v1.0.0 info", "example.com/a@v1.0.0 zip", "example.com/a@v1.0.0 mod", "example.com/B/v2@v2.0.1-0.20200101000000-0123456789ab mod"}
	roots := []string{"example.com/c@latest", "golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64"}
	for name, text := range map[string]string{
		"unix":           sumText,
		"windows":        strings.ReplaceAll(sumText, "\n", "\r\n"),
		"no end of line": strings.TrimSuffix(sumText, "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			list, err := ParseList(strings.NewReader(text), "go.sum")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range list.Files {
				got = append(got, f.String())
			}
			if !slices.Equal(got, files) {
				t.Errorf("files are %q, want %q", got, files)
			}
			got = nil
			for _, m := range list.Roots {
				got = append(got, m.String())
			}
			if !slices.Equal(got, roots) {
				t.Errorf("roots are %q, want %q", got, roots)
			}
		})
	}
}

func TestParseListErrors(t *testing.T) {
	const good = "example.com/a v1.0.0/go.mod h1:x\n"
	for name, test := range map[string]struct{ line, want string }{
		"two words":      {"example.com/a v1.0.0", `f:2: "example.com/a v1.0.0" has 2 words; expected PATH VERSION h1:SUM, as in a go.sum file, or PATH@VERSION`},
		"no sum":         {"example.com/a v1.0.0 what", `f:2: "what" is no sum; expected PATH VERSION h1:SUM`},
		"query":          {"example.com/a v1 h1:x", `f:2: "v1" is no whole version; expected one as in a go.sum file, such as v1.2.3`},
		"branch":         {"example.com/a master/go.mod h1:x", `f:2: "master" is no whole version; `},
		"other major":    {"example.com/a v2.0.0 h1:x", `f:2: example.com/a@v2.0.0: invalid version: `},
		"bad path":       {"example.com/!a v1.0.0 h1:x", `f:2: malformed module path "example.com/!a": `},
		"no version":     {"example.com/a", `f:2: "example.com/a" has no version; expected PATH@VERSION, such as example.com/a@latest`},
		"empty version":  {"example.com/a@", `f:2: "" can be no version (`},
		"bad version":    {"example.com/a@a/b", `f:2: "a/b" can be no version (`},
		"bad root":       {"/etc/passwd@latest", `f:2: malformed module path "/etc/passwd": `},
		"not text":       {"\x00\xff@\xfe", `f:2: malformed module path `},
		"conflict":       {"<<<<<<< HEAD", `f:2: "<<<<<<< HEAD" has 2 words; `},
		"too long":       {strings.Repeat("x", maxListLine), `f:2: a line of more than 65536 bytes; expected `},
		"much too long":  {strings.Repeat("x", 5*maxListLine), `f:2: a line of more than 65536 bytes; expected `},
		"long and a end": {strings.Repeat("x ", maxListLine/2-10), `f:2: "x x x `},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := ParseList(strings.NewReader(good+test.line+"\nexample.com/b@v1\n"), "f")
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
				t.Errorf("error is %v, want %s", err, test.want)
			}
			if len(list.Files) != 1 || len(list.Roots) != 1 {
				t.Errorf("the list is %v, want what stands before and behind the bad line", list)
			}
		})
	}
}

func TestParseListBounds(t *testing.T) {
	list, err := ParseList(strings.NewReader(strings.Repeat("bad line here now\n", 30)), "f")
	if want := "\nf:10: "; err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "f:11:") || !strings.HasSuffix(err.Error(), "\nand 20 errors more") {
		t.Errorf("error is %v, want ten lines and the number of the others", err)
	}
	if len(list.Files)+len(list.Roots) != 0 {
		t.Errorf("the list is %v, want nothing", list)
	}
	list, err = ParseList(strings.NewReader(strings.Repeat("example.com/a@v1\n", maxListLines)+"example.com/b@v1\n"), "f")
	if want := "f:200001: more than 200000 lines; split the list"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	if len(list.Roots) != 1 {
		t.Errorf("roots are %v, want one", list.Roots)
	}
	if _, err := ParseList(strings.NewReader(strings.Repeat("\n", maxListLines)), "f"); err != nil {
		t.Errorf("as many lines as are allowed: error is %v", err)
	}
}

func TestParseListReadError(t *testing.T) {
	for _, text := range []string{"", sumText, strings.Repeat("x", 2*maxListLine)} {
		broken := errors.New("broken")
		_, err := ParseList(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), "f")
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "reading f: broken") {
			t.Errorf("error is %v, want reading f: broken", err)
		}
	}
}

func FuzzParseList(f *testing.F) {
	f.Add(sumText)
	f.Add("example.com/a v1.0.0 h1:x # comment\nexample.com/a@master\nexample.com/a\n\r\n#")
	f.Add("example.com/a v1.0.0+incompatible/go.mod h1:x\nexample.com/a@<v1.2\n<<<<<<<\n\xff\xfe@\x00")
	f.Add("gopkg.in/yaml.v3 v3.0.1 h1:x\ngopkg.in/yaml.v3@v3\n@\n@@ h1: h1:")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseList(strings.NewReader(text), "f")
		var again strings.Builder
		seen := make(map[godown.Request]bool)
		for _, file := range list.Files {
			if got, err := godown.ParseRequest(file.Name()); err != nil || got != file || !file.Fixed() || seen[file] {
				t.Errorf("%v is parsed as %v, error %v, seen before: %t", file, got, err, seen[file])
			}
			seen[file] = true
			switch file.Kind {
			case godown.Mod:
				again.WriteString(file.Path + " " + file.Version + "/go.mod h1:x\n")
			case godown.Zip:
				again.WriteString(file.Path + " " + file.Version + " h1:x\n")
			}
		}
		rooted := make(map[module.Version]bool)
		for _, m := range list.Roots {
			if (godown.Request{Kind: godown.Info, Path: m.Path, Version: m.Version}).Name() == "" || rooted[m] {
				t.Errorf("root %v has no .info, or comes twice", m)
			}
			rooted[m] = true
			again.WriteString(m.String() + "\n")
		}
		if err != nil && !strings.Contains(err.Error(), "f") {
			t.Errorf("error %v does not name the file", err)
		}
		same, err := ParseList(strings.NewReader(again.String()), "f")
		if err != nil || len(same.Files) != len(list.Files) || !slices.Equal(same.Roots, list.Roots) {
			t.Errorf("parsed again it is %v with error %v, want %v", same, err, list)
		}
	})
}
