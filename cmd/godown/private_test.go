package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/obs"
)

// A private module is never asked of a public mirror, whatever noproxy says,
// and of one of somebody's own only where noproxy says so.
func TestPrivateModulesGoNowherePublic(t *testing.T) {
	for _, tt := range []struct {
		upstream string
		more     []string
		private  bool // it comes from where private modules do
	}{
		{"cn,direct", nil, true},
		{"cn,direct", []string{"noproxy", "none"}, true},
		{"https://go.corp.example,direct", []string{"noproxy", "none"}, false},
		{"https://go.corp.example|cn,direct", []string{"noproxy", "none"}, false},
		{"https://go.corp.example|cn,direct", []string{"noproxy", "none", "private-upstream", "https://go2.corp.example"}, true},
		{"off", []string{"noproxy", "none"}, true},
		{"cn,direct", []string{"private", "", "noproxy", "", "publish", "corp.example", "publish-token", "env:X"}, true},
	} {
		given := append([]string{"upstream", tt.upstream, "private", "corp.example", "sumdb", "off"}, tt.more...)
		cfg, err := load(t.Context(), bareMachine(t), flagsOf(given...))
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.isPrivate("corp.example/mod"); got != tt.private {
			t.Errorf("%q: private is %v", given, got)
		}
		if cfg.isPrivate("example.com/mod") {
			t.Errorf("%q: all is private", given)
		}
		for _, e := range cfg.upstreams {
			if e.URL == nil {
				continue
			}
			m, err := newMirror(cfg, obs.New(slog.New(slog.DiscardHandler), false), e)
			if err != nil {
				t.Fatal(err)
			}
			if own := strings.HasSuffix(e.URL.Host, "corp.example"); own == strings.Contains(m.Never, "corp.example") {
				t.Errorf("%q: %s is never asked for %q", given, e.URL.Host, m.Never)
			}
		}
	}
}
