package vcs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A repository that has lost the files of a commit, but not the commit, is made anew, too.
func TestLostPackIsMadeAnew(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", `# Two.
# repo: github.com/acme/tool
at 2024-01-01T00:00:00Z
put go.mod "module github.com/acme/tool\n"
put same.go "package tool\n"
commit One
tag v1.0.0
put go.mod "module github.com/acme/tool\n\ngo 1.20\n"
commit Two
tag v1.1.0
`)
	o := newOrigin(t, h)
	mustAsk(t, o, godown.Zip, tool, "v1.0.0")
	first, _ := filepath.Glob(filepath.Join(o.Dir, "repos", "*", "contents", "objects", "pack", "*"))
	mustAsk(t, o, godown.Zip, tool, "v1.1.0")
	for _, f := range first {
		os.Remove(f)
	}
	dir := o.Dir
	for range 3 {
		o = newOrigin(t, h)
		o.Dir = dir
		if _, _, err := zipSum(t, o, tool, "v1.1.0"); err != nil {
			t.Error(err)
		}
	}
}
