package vcs

import (
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A branch that was force-pushed meanwhile (nothing was removed at the remote):
// it has a version, and history is not fetched anew for each question.
func TestForcePushedHistory(t *testing.T) {
	h := godowntest.NewGitHost(t)
	repo := h.RepoText(t, "", script+"branch dev\nput d.go \"package tool // dev\\n\"\ncommit Dev\nbranch main\n")
	o := newOrigin(t, h)
	o.TTL = time.Hour
	mustAsk(t, o, godown.Info, tool, "v1.0.0")
	repo.Git(t, "branch", "-f", "dev", "v1.0.0")
	h.Reset()
	for range 5 {
		if _, err := ask(t, o, godown.Info, tool, "dev"); err != nil {
			t.Errorf("%v", err)
		}
	}
	if n := h.Count(` fetch`); n > 4 {
		t.Errorf("%d fetches", n)
	}
}
