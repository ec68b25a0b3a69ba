package main

import (
	"bytes"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/gauge"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// A mirror of one's own gets what netrc has for it; presets, http and URLs with a password get nothing.
func TestBenchLogins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "netrc")
	if err := os.WriteFile(file, []byte("machine proxy.example login me password hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const basic = "Basic bWU6aHVudGVyMg=="
	m := machine{environ: []string{"NETRC=" + file}}
	for _, c := range []struct {
		url, group, goauth, want string
	}{
		{"https://proxy.example/go", gauge.FromEnvironment, "netrc", basic},
		{"https://proxy.example/go", gauge.FromArgument, "", basic},
		{"https://proxy.example/go", gauge.FromEnvironment, "off", ""},
		{"https://proxy.example/go", "cn", "netrc", ""},
		{"https://you:word@proxy.example/go", gauge.FromEnvironment, "netrc", ""},
		{"http://proxy.example/go", gauge.FromEnvironment, "netrc", ""},
		{"https://other.example/go", gauge.FromEnvironment, "netrc", ""},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		targets := []gauge.Target{{URL: u, Groups: []string{c.group}}}
		m.benchLogins(t.Context(), c.goauth, targets)
		if got := targets[0].Header.Get("Authorization"); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// What is there and no file is written to, and not replaced; what cannot be written is a failure.
func TestBenchWrites(t *testing.T) {
	r := &gauge.Report{}
	a := r.Advise("")
	var errs bytes.Buffer
	console := func(w io.Writer) *term.Console {
		return &term.Console{Out: &term.Printer{W: w}, Err: &term.Printer{W: &errs}}
	}
	dir := t.TempDir()
	device := filepath.Join(dir, "device") // by a link, which is all that a fault could replace
	if err := os.Symlink(os.DevNull, device); err != nil {
		device = os.DevNull // of a system without links, which does not let it be replaced
	}
	if err := (&benchFlags{page: device}).write(console(io.Discard), r, a, nil); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(device); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s is %v now, %v", device, info, err)
	}
	closed, err := os.Create(filepath.Join(dir, "closed"))
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, f := range []benchFlags{{}, {watch: time.Minute}, {asJSON: true}, {asCSV: true}} {
		if err := f.write(console(closed), r, a, nil); err == nil {
			t.Errorf("%+v: nobody is told that nothing could be written", f)
		}
	}
	if err := (&benchFlags{page: dir}).check(machine{}); err == nil {
		t.Error("a folder is taken for a file")
	}
}

// A module that the settings keep from a GOPROXY is named to none of its mirrors, nor to presets.
func TestBenchPrivate(t *testing.T) {
	for _, c := range []struct {
		private, noproxy string
		args             []string
		refused          bool
	}{
		{"", "", []string{"environment", "cn"}, false},
		{"corp.example/*", "", nil, true},
		{"corp.example/*", "", []string{"environment"}, true},
		{"corp.example/*", "none", []string{"environment"}, false},
		{"corp.example/*", "none", []string{"environment", "cn"}, true},
		{"corp.example/*", "none", nil, true},
		{"", "corp.example/*", []string{"environment"}, true},
		{"", "corp.example/*", []string{"cn"}, true},
		{"corp.example/*", "", []string{"https://proxy.corp.example"}, false},
	} {
		none := func(string) (string, error) { return "", fs.ErrNotExist }
		m := machine{lookPath: none, userConfigDir: func() (string, error) { return none("") }, environ: []string{"GOENV=off", "GOPROXY=https://proxy.corp.example,https://goproxy.cn", "GOSUMDB=off", "GOPRIVATE=" + c.private, "GONOPROXY=" + c.noproxy}}
		plan, _, err := m.benchPlan(t.Context(), &benchFlags{modules: []string{"corp.example/x@v1.0.0"}}, c.args)
		if (err != nil) != c.refused {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && !slices.Equal(plan.Own, []string{"https://proxy.corp.example"}) {
			t.Errorf("%+v: one's own are %v", c, plan.Own)
		}
	}
}
