package vcs

import (
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// What one process has served, another on the same Dir serves, too, though the tag has moved.
func TestMovedTagTwoProcesses(t *testing.T) {
	h := godowntest.NewGitHost(t)
	repo := h.RepoText(t, "", script)
	a, b := newOrigin(t, h), newOrigin(t, h)
	b.Dir = a.Dir
	a.TTL, b.TTL = time.Nanosecond, time.Nanosecond
	mustAsk(t, b, godown.Info, tool, "v1.0.0") // b has read what was served
	want, _, err := zipSum(t, a, tool, "v1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	repo.Git(t, "tag", "-f", "v1.1.0", "v1.2.0")
	if got, _, err := zipSum(t, b, tool, "v1.1.0"); got != want {
		t.Errorf("the zip has %s (%v); the other process served %s", got, err, want)
	}
}

// A tag that was served and is now a branch of that name stays what it was.
func TestServedTagBecomesBranch(t *testing.T) {
	h := godowntest.NewGitHost(t)
	repo := h.RepoText(t, "", script)
	o := newOrigin(t, h)
	o.TTL = time.Nanosecond
	want, _, err := zipSum(t, o, tool, "v1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	repo.Git(t, "tag", "-d", "v1.1.0")
	repo.Git(t, "branch", "v1.1.0", "v1.2.0")
	if got, _, err := zipSum(t, o, tool, "v1.1.0"); got != want {
		t.Errorf("the zip has %s (%v); was %s", got, err, want)
	}
}

// A query that ends at a version says of it what its .info says.
func TestQueryAgreesWithServed(t *testing.T) {
	h := godowntest.NewGitHost(t)
	repo := h.RepoText(t, "", script)
	o := newOrigin(t, h)
	o.TTL = time.Nanosecond
	mustAsk(t, o, godown.Info, tool, "v1.1.0")
	repo.Git(t, "tag", "-f", "v1.1.0", "main")
	byBranch := mustAsk(t, o, godown.Info, tool, "main")
	byVersion := mustAsk(t, o, godown.Info, tool, "v1.1.0")
	if strings.Contains(byBranch, `"v1.1.0"`) && !strings.Contains(byVersion, repo.Rev(t, "main")) {
		t.Errorf("main is\n%s\nwhich is\n%s", byBranch, byVersion)
	}
}
