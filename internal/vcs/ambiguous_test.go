package vcs

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A short hash that means two commits is not found, and no reason to fetch all history anew.
func TestAmbiguousShortHash(t *testing.T) {
	h := godowntest.NewGitHost(t)
	repo := h.RepoText(t, "", script)
	tree := repo.Git(t, "rev-parse", "v1.0.0^{tree}")
	seen := make(map[string]string)
	prefix := ""
	for i := 0; prefix == ""; i++ {
		c := fmt.Sprintf("tree %s\nauthor a <a@example.test> %d +0000\ncommitter a <a@example.test> %d +0000\n\nx\n", tree, 1700000000+i, 1700000000+i)
		sum := sha1.Sum([]byte(fmt.Sprintf("commit %d\x00%s", len(c), c)))
		id := hex.EncodeToString(sum[:])
		if other, ok := seen[id[:7]]; ok {
			for n, text := range []string{other, c} {
				cmd := exec.Command("git", "hash-object", "-t", "commit", "-w", "--stdin")
				cmd.Dir, cmd.Stdin = repo.Dir, strings.NewReader(text)
				out, err := cmd.Output()
				if err != nil {
					t.Fatal(err)
				}
				top := repo.Git(t, "commit-tree", "-p", strings.TrimSpace(string(out)), "-m", "top", tree)
				repo.Git(t, "branch", fmt.Sprintf("b%d", n), top)
			}
			prefix = id[:7]
		}
		seen[id[:7]] = c
	}
	o := newOrigin(t, h)
	mustAsk(t, o, godown.Info, tool, repo.Rev(t, "main")[:12])
	mustAsk(t, o, godown.Info, tool, repo.Rev(t, "v1.0.0")[:12])
	h.Reset()
	for range 5 {
		if _, err := ask(t, o, godown.Info, tool, prefix); !isAbsent(err) {
			t.Errorf("%s: %v", prefix, err)
		}
	}
	if n := h.Count(` fetch`); n > 1 {
		t.Errorf("history was fetched %d times", n)
	}
}
