package vcs

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A tree of a few hundred bytes that stands for 10^9 files is given up soon, not
// when the time of a git command is over.
func TestTreeBomb(t *testing.T) {
	h := godowntest.NewGitHost(t)
	repo := h.RepoText(t, "", script)
	blob := repo.Git(t, "rev-parse", "v1.0.0:a.go")
	line := "100644 blob " + blob + "\t"
	id := ""
	for level := range 9 {
		var b strings.Builder
		for i := range 10 {
			if level > 0 {
				line = "040000 tree " + id + "\t"
			}
			fmt.Fprintf(&b, "%sf%d\n", line, i)
		}
		cmd := exec.Command("git", "mktree")
		cmd.Dir, cmd.Stdin = repo.Dir, strings.NewReader(b.String())
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		id = strings.TrimSpace(string(out))
	}
	c := repo.Git(t, "commit-tree", "-m", "bomb", strings.TrimSpace(id))
	repo.Git(t, "tag", "v1.9.0", strings.TrimSpace(c))
	o := newOrigin(t, h)
	o.Timeout = 25 * time.Second
	_, err := ask(t, o, godown.Zip, tool, "v1.9.0")
	if err == nil || strings.Contains(err.Error(), "was stopped after") {
		t.Errorf("err = %v; want one that says that there is too much", err)
	}
}
