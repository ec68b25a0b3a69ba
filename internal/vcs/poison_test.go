package vcs

import (
	"net/url"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A version that is too large does not spoil those that are asked for beside it.
func TestLargeVersionSpoilsNoOther(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script+"mkbig data.bin 3000000 7\ncommit Big\ntag v1.3.0\n")
	o := newOrigin(t, h)
	o.Guard = &Guard{Allow: allowAll(t), Outward: func(*url.URL) (*url.URL, error) { return url.Parse(h.URL) }}
	t.Cleanup(func() { o.Guard.Close() })
	o.MaxFetch = 1 << 20
	mustAsk(t, o, godown.Info, tool, "v1.3.0")
	mustAsk(t, o, godown.Info, tool, "v1.0.0")
	if _, _, err := zipSum(t, o, tool, "v1.0.0"); err != nil {
		t.Errorf("v1.0.0: %v", err)
	}
}

// The limit holds where there is no guard, too: as godown run has it.
func TestMaxFetchWithoutGuard(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script+"mkbig data.bin 3000000 7\ncommit Big\ntag v1.3.0\n")
	o := newOrigin(t, h)
	o.MaxFetch = 1 << 20
	if _, _, err := zipSum(t, o, tool, "v1.3.0"); err == nil {
		t.Error("more than MaxFetch was fetched")
	}
}
