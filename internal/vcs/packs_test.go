package vcs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// That a repository of many packs is dropped, once, disturbs none of the
// requests that wait for, or read, what was fetched into it.
func TestDropDisturbsNobody(t *testing.T) {
	h := godowntest.NewGitHost(t)
	text := "# Many.\n# repo: " + tool + "\nat 2024-01-01T00:00:00Z\nput go.mod \"module " + tool + "\\n\"\nmkbig data.bin 300000 1\n"
	const n = 9
	for i := range n {
		text += fmt.Sprintf("put a.go \"package tool // %d\\n\"\ncommit C%d\ntag v1.0.%d\n", i, i, i)
	}
	h.RepoText(t, "", text)
	for round := range 5 {
		o := newOrigin(t, h)
		mustAsk(t, o, godown.Zip, tool, "v1.0.0")
		dirs, _ := filepath.Glob(filepath.Join(o.Dir, "repos", "*", "contents", "objects", "pack"))
		if len(dirs) != 1 {
			t.Fatal(dirs)
		}
		for j := range maxPacks - 1 { // as if so many fetches had been
			os.WriteFile(filepath.Join(dirs[0], fmt.Sprintf("pack-%d.pack", j)), nil, 0o600)
		}
		var wg sync.WaitGroup
		for i := 1; i < n; i++ {
			wg.Go(func() {
				if _, _, err := zipSum(t, o, tool, fmt.Sprintf("v1.0.%d", i)); err != nil {
					t.Errorf("round %d, v1.0.%d: %v", round, i, strings.ReplaceAll(err.Error(), "\n", " / "))
				}
			})
		}
		wg.Wait()
	}
}
