package main

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/gauge"
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
