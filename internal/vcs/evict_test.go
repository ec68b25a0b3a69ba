package vcs

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// Repositories that are cleared away all the time, by two origins on one Dir,
// make no request fail.
func TestEvictionDisturbsNobody(t *testing.T) {
	h := godowntest.NewGitHost(t)
	for i := range 3 {
		h.RepoText(t, "", strings.ReplaceAll(script, "acme/tool", fmt.Sprintf("acme/t%d", i)))
	}
	a, b := newOrigin(t, h), newOrigin(t, h)
	b.Dir = a.Dir
	a.MaxSize, b.MaxSize = 1, 1
	b.Private, a.Private = "github.com/acme", ""
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			o := []*Origin{a, b}[i%2]
			for j := range 3 {
				path := fmt.Sprintf("github.com/acme/t%d", (i+j)%3)
				f, err := o.Fetch(t.Context(), godown.Request{Kind: godown.Zip, Path: path, Version: fmt.Sprintf("v1.%d.0", (i/3+j)%3)})
				if err != nil {
					t.Errorf("%s: absent %v: %v", path, isAbsent(err), strings.ReplaceAll(err.Error(), "\n", " / "))
					continue
				}
				f.Close()
			}
		})
	}
	wg.Wait()
}
