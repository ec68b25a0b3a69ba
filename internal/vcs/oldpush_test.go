package vcs

import (
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A branch that was force-pushed since the remote was last asked is there, also
// where a remote gives no commit by its hash, or has removed the old one.
func TestForcePushedMeanwhile(t *testing.T) {
	for _, old := range []bool{true, false} {
		h := godowntest.NewGitHost(t)
		repo := h.RepoText(t, "", script+"branch dev\nput d.go \"package tool // dev\\n\"\ncommit Dev\nbranch main\n")
		if old {
			repo.Git(t, "config", "uploadpack.allowFilter", "false")
			repo.Git(t, "config", "uploadpack.allowAnySHA1InWant", "false")
			repo.OldProtocol(true)
		}
		o := newOrigin(t, h)
		o.TTL = time.Hour
		mustAsk(t, o, godown.Info, tool, "v1.0.0")
		repo.Git(t, "branch", "-f", "dev", "v1.0.0")
		repo.Run(t, "branch dev\nput d.go \"package tool // other\\n\"\ncommit Other\n")
		repo.Git(t, "reflog", "expire", "--expire=now", "--all")
		repo.Git(t, "gc", "--prune=now", "-q")
		if _, err := ask(t, o, godown.Info, tool, "dev"); isAbsent(err) {
			t.Errorf("old %v: %v", old, err)
		}
		if _, err := ask(t, o, godown.Info, tool, "dev"); err != nil {
			t.Errorf("old %v, again: %v", old, err)
		}
	}
}
