package goenv_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

func TestReadPlaces(t *testing.T) {
	d := newDesk(t, "GOPROXY=https://env.example", "GONOPROXY=")
	d.write(d.file(), "GOPROXY=https://file.example\nGOSUMDB=\nGOPRIVATE=x.example\n")
	s := d.read()
	v := s.Values["GOPROXY"]
	if v.Text != "https://env.example" || v.Place() != goenv.Environment || len(v.Said) != 3 ||
		v.Said[1] != (goenv.Said{Place: goenv.User, File: d.file(), Text: "https://file.example"}) || v.Said[2].Place != goenv.Installation {
		t.Errorf("GOPROXY: %+v", v)
	}
	// The go command: an empty line in the file hides what the installation says.
	if v := s.Values["GOSUMDB"]; v.Text != "" || v.Place() != goenv.User {
		t.Errorf("GOSUMDB: %+v", v)
	}
	if v := s.Values["GONOPROXY"]; v.Text != "x.example" || v.Place() != goenv.BuiltIn {
		t.Errorf("GONOPROXY: %+v", v)
	}
	if s.File != d.file() || s.Trouble != "" || !strings.HasPrefix(s.Version, "go1.") {
		t.Errorf("%+v", s)
	}
}

// Whatever a project or the settings say, there is an answer.
func TestReadInTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		env           []string
		file, project string // NAME of the file, and what it holds
		trouble       string
		setting, text string
		place         goenv.Place
	}{
		"newer go":     {project: "go.mod\nmodule x\n\ngo 1.99\n", setting: "GOTOOLCHAIN", text: "local", place: goenv.Environment},
		"toolchain":    {env: []string{"GOTOOLCHAIN="}, file: "GOTOOLCHAIN=go1.99.1+auto\n", setting: "GOTOOLCHAIN", text: "go1.99.1+auto", place: goenv.User},
		"broken mod":   {project: "go.mod\n}garbage{\n", setting: "GOSUMDB", text: "sum.golang.org", place: goenv.Installation},
		"broken work":  {project: "go.work\n}garbage{\n", setting: "GOSUMDB", text: "sum.golang.org", place: goenv.Installation},
		"GOFLAGS":      {env: []string{"GOFLAGS=-nosuch"}, setting: "GOFLAGS", text: "-nosuch", place: goenv.Environment},
		"GO111MODULE":  {env: []string{"GO111MODULE=yes"}, trouble: "GO111MODULE=yes", setting: "GO111MODULE", text: "yes", place: goenv.Environment},
		"in the file":  {file: "GO111MODULE=yes\nGOFLAGS=-x\n", trouble: "GO111MODULE=yes", setting: "GOFLAGS", text: "-x", place: goenv.User},
		"GOWORK":       {env: []string{"GOWORK=go.work"}, trouble: "GOWORK", setting: "GOWORK", text: "go.work", place: goenv.Environment},
		"GOEXPERIMENT": {env: []string{"GOEXPERIMENT=nosuch"}, trouble: "GOEXPERIMENT", setting: "GOEXPERIMENT", text: "nosuch", place: goenv.Environment},
		"GOENV=off":    {env: []string{"GOENV=off"}, file: "GOSUMDB=x\n", setting: "GOSUMDB", text: "sum.golang.org", place: goenv.Installation},
		"relative":     {env: []string{"GOENV=here"}, project: "here\nGOSUMDB=off\n", setting: "GOSUMDB", text: "off", place: goenv.User},
		"a folder":     {env: []string{"GOENV=/"}, setting: "GOSUMDB", text: "sum.golang.org", place: goenv.Installation},
		"a quote":      {file: "GOPROXY=\"https://a.example\"\n", setting: "GOPROXY", text: `"https://a.example"`, place: goenv.User},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, c.env...)
			if c.file != "" {
				d.write(d.file(), c.file)
			}
			if file, text, ok := strings.Cut(c.project, "\n"); ok {
				d.write(filepath.Join(d.Dir, file), text)
			}
			s := d.read()
			if v := s.Values[c.setting]; v.Text != c.text || v.Place() != c.place {
				t.Errorf("%+v", v)
			}
			if (s.Unread != nil) != (name == "a folder") {
				t.Errorf("the file was not read: %v", s.Unread)
			}
			if (s.Trouble == "") != (c.trouble == "") || !strings.Contains(s.Trouble, c.trouble) {
				t.Errorf("the trouble is %q", s.Trouble)
			}
		})
	}
}

// An installation without its go.env has nothing built in.
func TestReadBareInstallation(t *testing.T) {
	d := newDesk(t, "GOTOOLCHAIN=")
	root := filepath.Join(d.home, "goroot")
	if err := os.MkdirAll(filepath.Join(root, "pkg", "tool"), 0o777); err != nil {
		t.Fatal(err)
	}
	d.Environ = append(d.Environ, "GOROOT="+root)
	s := d.read()
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GOTOOLCHAIN"} {
		if v := s.Values[name]; v.Text != "" || v.Place() != goenv.BuiltIn {
			t.Errorf("%+v", v)
		}
	}
}

// One from before Go 1.21 knows neither GOTOOLCHAIN nor go.env.
func TestReadOldGo(t *testing.T) {
	d := newDesk(t, "GOTOOLCHAIN=")
	d.write("bin/go", "#!/bin/sh\necho '{\"GOPROXY\":\"https://old.example\",\"GOROOT\":\""+d.home+"\",\"GOVERSION\":\"go1.18\",\"GOENV\":\"\"}'\n")
	if err := os.Chmod(filepath.Join(d.home, "bin/go"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.LookPath = func(string) (string, error) { return filepath.Join(d.home, "bin/go"), nil }
	s := d.read()
	if v := s.Values["GOPROXY"]; v.Text != "https://old.example" || v.Place() != goenv.BuiltIn {
		t.Errorf("%+v", v)
	}
	if _, ok := s.Values["GOTOOLCHAIN"]; ok {
		t.Error("it has a GOTOOLCHAIN")
	}
}

func TestReadFails(t *testing.T) {
	d := newDesk(t)
	d.LookPath = func(string) (string, error) { return "", exec.ErrNotFound }
	if _, err := goenv.Read(t.Context(), d.Machine); !goenv.NoGo(err) {
		t.Errorf("without a go command: %v", err)
	}
	d.write("bin/go", "#!/bin/sh\necho 'it is broken' >&2\nexit 3\n")
	if err := os.Chmod(filepath.Join(d.home, "bin/go"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.LookPath = func(string) (string, error) { return filepath.Join(d.home, "bin/go"), nil }
	if _, err := goenv.Read(t.Context(), d.Machine); err == nil || goenv.NoGo(err) || !strings.Contains(err.Error(), "it is broken") {
		t.Errorf("with a broken one: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := goenv.Read(ctx, newDesk(t).Machine); err == nil {
		t.Error("an answer after all was called off")
	}
}
