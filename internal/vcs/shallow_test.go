package vcs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/godowntest"
)

// A remote that is a shallow clone itself, one over the dumb protocol, and one
// whose references include one that cannot be had.
func TestOddServers(t *testing.T) {
	const text = script + "branch x\nput b.go \"package tool\\n\"\ncommit X\n"
	t.Run("shallow", func(t *testing.T) {
		h := godowntest.NewGitHost(t)
		repo := h.RepoText(t, "", text)
		os.WriteFile(filepath.Join(repo.Dir, "shallow"), []byte(repo.Rev(t, "v1.1.0")+"\n"), 0o600)
		repo.Git(t, "tag", "-d", "v1.0.0")
		o := newOrigin(t, h)
		likeGo(t, o, h.Direct(t).Ask(t, tool, "latest", "v1.1.0", "v1.2.0", "main", repo.Rev(t, "main")[:12], repo.Rev(t, "main~0")))
	})
	t.Run("broken tag", func(t *testing.T) {
		h := godowntest.NewGitHost(t)
		repo := h.RepoText(t, "", text)
		// The object of one tag's file is lost.
		repo.Run(t, "put lost.go \"package lost\\n\"\ncommit Lost\ntag v1.5.0\n")
		id := repo.Rev(t, "v1.5.0:lost.go")
		os.Remove(filepath.Join(repo.Dir, "objects", id[:2], id[2:]))
		if out := repo.Git(t, "tag"); !strings.Contains(out, "v1.5.0") {
			t.Fatal(out)
		}
		o := newOrigin(t, h)
		likeGo(t, o, h.Direct(t).Ask(t, tool, "v1.1.0", "v1.2.0", "main", repo.Rev(t, "main")[:12]))
	})
}
