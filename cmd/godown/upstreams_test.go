package main

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/obs"
)

// What is joined by "|" is one group; each group is a step, and so are direct and off.
func TestGroups(t *testing.T) {
	file := writeFile(t, "mirrors:\n- url: https://a.example\n  name: office\n  headers: {X-Team: go}\n- url: https://b.example\n")
	tests := []struct {
		list  string
		names string // of the groups' mirrors, with the group
		steps string // for each "any" or "-"
	}{
		{"https://x.example", "1 x.example", "-"},
		{"https://x.example,direct", "1 x.example", "- -"},
		{"https://x.example|direct", "1 x.example", "any -"},
		{"https://x.example|https://y.example,https://z.example|off", "1 x.example, 1 y.example, 2 z.example", "- any -"},
		{"https://x.example,https://y.example|https://z.example", "1 x.example, 2 y.example, 2 z.example", "- -"},
		{"mirrors,direct", "1 office, 1 b.example", "- -"},
		{"office|mirrors|office|direct", "1 office, 1 b.example", "any -"},
		{"office,mirrors", "1 office, 2 office, 2 b.example", "- -"},
		{"https://x.example|", "1 x.example", "-"},
		{"https://x.example|https://x.example/", "1 x.example", "-"},
		{"direct", "", "-"},
	}
	for _, tt := range tests {
		t.Run(tt.list, func(t *testing.T) {
			cfg, err := load(t.Context(), bareMachine(t), flagsOf("config", file, "upstream", tt.list))
			if err != nil {
				t.Fatal(err)
			}
			up, err := newUpstreams(cfg, obs.New(slog.New(slog.DiscardHandler), false), new(origin))
			if err != nil {
				t.Fatal(err)
			}
			var names, steps []string
			for _, m := range (&proxy{pools: up.pools}).mirrors() {
				names = append(names, string(rune('0'+m.Group))+" "+m.Name)
			}
			for _, s := range up.steps {
				steps = append(steps, map[bool]string{true: "any", false: "-"}[s.Any])
			}
			if got := strings.Join(names, ", "); got != tt.names {
				t.Errorf("the mirrors are %q, want %q", got, tt.names)
			}
			if got := strings.Join(steps, " "); got != tt.steps {
				t.Errorf("the steps are %q, want %q", got, tt.steps)
			}
			if len(up.via) != len(up.pools) {
				t.Errorf("a checksum database is reached through %d of %d groups", len(up.via), len(up.pools))
			}
		})
	}
}

func TestNewMirror(t *testing.T) {
	cert, key := keyPair(t)
	file := writeFile(t, "mirrors:\n- url: https://a.example\n  headers: {X-Team: go}\n  via: direct\n  ca: "+cert+"\n  cert: "+cert+"\n  key: "+key+
		"\n  weight: 3\n  bandwidth: 5MB\n  connections: 8\n  only: b.example\n  never: c.example\n")
	cfg, err := load(t.Context(), bareMachine(t), flagsOf("config", file))
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMirror(cfg, obs.New(slog.New(slog.DiscardHandler), false), cfg.upstreams[0])
	if err != nil {
		t.Fatal(err)
	}
	if m.Weight != 3 || m.Bandwidth != 5e6 || m.Connections != 8 || m.Only != "b.example" || m.Never != "c.example" || m.Upstream.Header.Get("X-Team") != "go" {
		t.Errorf("got %+v", m)
	}
	transport, ok := m.Upstream.Transport.(*http.Transport)
	if !ok || transport.Proxy != nil || transport.TLSClientConfig == nil || len(transport.TLSClientConfig.Certificates) != 1 {
		t.Errorf("the transport is %+v", m.Upstream.Transport)
	}
	if orNever(0) != -1 || orNever(0.5) != 0.5 {
		t.Error("0 does not mean never, or more does")
	}
}
