package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// fakeGo puts a shell script into PATH as the only program named go.
func fakeGo(t *testing.T, script string) machine {
	if runtime.GOOS == "windows" {
		t.Skip("the fake go command is a shell script")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+script), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	m := bareMachine(t)
	m.environ = []string{"GODOWN_DATA=" + t.TempDir()}
	m.lookPath = exec.LookPath
	return m
}

func TestGoEnvOfCommand(t *testing.T) {
	m := fakeGo(t, `
[ "$1 $2 $3" = "env -json GOPROXY" ] || exit 3
[ "$GOTOOLCHAIN" = local ] || exit 4
pwd > "$GODOWN_DATA/asked"
echo '{"GOPROXY":"https://p.example,off","GOSUMDB":"off","GOPRIVATE":"a.example","GONOPROXY":"b.example","GONOSUMDB":"a.example"}'
`)
	c, err := load(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"upstream": "https://p.example,off # go env GOPROXY",
		"sumdb":    "off # go env GOSUMDB",
		"private":  "a.example # go env GOPRIVATE",
		"noproxy":  "b.example # go env GONOPROXY",
		"nosumdb":  "a.example # go env GONOSUMDB",
	} {
		o, _ := optionByKey(key)
		if got := o.Text(c) + " # " + c.Origin(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	if dir, err := os.ReadFile(filepath.Join(c.Data, "asked")); err != nil || strings.TrimSpace(string(dir)) != "/" {
		t.Errorf("go env ran in %q, %v; want the root", dir, err)
	}
}

func TestGoEnvIsLazy(t *testing.T) {
	m := fakeGo(t, `touch "$GODOWN_DATA/asked"; exit 1`)
	c, err := load(t.Context(), m, flagsOf("upstream", "off", "private", "", "sumdb", "off", "insecure", "", "govcs", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(c.Data, "asked")); err == nil {
		t.Error("the go command was asked, though nothing of it is needed")
	}
}

func TestGoEnvFailure(t *testing.T) {
	for _, script := range []string{`echo "go: broken: https://u:secret@a.example" >&2; exit 1`, `echo no json`, `echo '{}'`} {
		m := fakeGo(t, script)
		m.environ = append(m.environ, "GOROOT="+t.TempDir(), "GOPROXY=https://p.example")
		c, err := load(t.Context(), m, nil)
		if err != nil || c.Upstream != "https://p.example" {
			t.Errorf("%s: with GOPROXY set: %v", script, err)
		}
		g := goSettings{machine: m}
		if _, err := g.ask(t.Context()); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: ask gave the error %v", script, err)
		}
	}
}

func TestGoEnvCancelled(t *testing.T) {
	m := fakeGo(t, `exec sleep 60`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := goSettings{machine: m}
	if _, err := g.ask(ctx); err == nil {
		t.Error("no error")
	}
}

func TestGoEnvWithoutCommand(t *testing.T) {
	write := func(name, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	root, m := t.TempDir(), bareMachine(t)
	config, _ := m.userConfigDir()
	user, other := filepath.Join(config, "go", "env"), filepath.Join(t.TempDir(), "env")
	write(filepath.Join(root, "go.env"), "# GOPROXY=no\nGOPROXY=https://root.example\r\nGOSUMDB=root.example\nbad line\nGOPRIVATE=\n")
	write(user, "GOPROXY=https://user.example\nGOPRIVATE=u.example\n")
	write(other, "GOPROXY=https://other.example\n")

	tests := []struct {
		name    string
		environ []string
		want    map[string]string // "value # origin" by name
	}{
		{"user over root", []string{"GOROOT=" + root}, map[string]string{
			"GOPROXY":   "https://user.example # " + user,
			"GOSUMDB":   "root.example # " + filepath.Join(root, "go.env"),
			"GONOPROXY": "u.example # " + user,
			"GONOSUMDB": "u.example # " + user,
		}},
		{"environment over user", []string{"GOROOT=" + root, "GOPROXY=https://env.example", "GONOSUMDB=n.example"}, map[string]string{
			"GOPROXY":   "https://env.example # environment GOPROXY",
			"GONOPROXY": "u.example # " + user,
			"GONOSUMDB": "n.example # environment GONOSUMDB",
		}},
		{"GOENV=off", []string{"GOROOT=" + root, "GOENV=off"}, map[string]string{
			"GOPROXY":   "https://root.example # " + filepath.Join(root, "go.env"),
			"GOPRIVATE": " # default of the go command",
			"GONOPROXY": " # default of the go command",
		}},
		{"GOENV=file", []string{"GOROOT=" + root, "GOENV=" + other}, map[string]string{
			"GOPROXY": "https://other.example # " + other,
		}},
		{"environment alone", []string{"GOROOT=" + t.TempDir(), "GOENV=off", "GOPROXY=off"}, map[string]string{
			"GOPROXY": "off # environment GOPROXY",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m.environ = tt.environ
			g := goSettings{machine: m}
			for name, want := range tt.want {
				s, err := g.lookup(t.Context(), name)
				if got := s.text + " # " + s.origin; err != nil || got != want {
					t.Errorf("%s: %s, %v; want %s", name, got, err, want)
				}
			}
		})
	}
}

func TestGoProxyUnknown(t *testing.T) {
	g := goSettings{read: true, failure: exec.ErrNotFound}
	m := bareMachine(t)
	upstream, _ := optionByKey("upstream")
	_, err := defaultOf(t.Context(), upstream, nil, m, &g)
	if err == nil || !strings.Contains(err.Error(), "give it with --upstream or GODOWN_UPSTREAM") {
		t.Errorf("got %v", err)
	}
}

// What "go env -w" has set counts for what a command will want, and the
// environment before that.
func TestGoEnviron(t *testing.T) {
	c := &Config{environ: []string{"A=b", "GOFLAGS=-mod=mod"}, goEnv: settings{"GOFLAGS": {text: "-mod=vendor"}, "GO111MODULE": {text: "off"}}}
	if got, want := c.goEnviron(), []string{"A=b", "GOFLAGS=-mod=mod", "GO111MODULE=off"}; !slices.Equal(got, want) {
		t.Errorf("the environment is %q, want %q", got, want)
	}
}
