package vcs

import (
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// To be told of pushes meanwhile harms no request, also where objects are named by SHA-256.
func TestRefreshDuringRequests(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", strings.Replace(script, "at 2024", "init --object-format=sha256\nat 2024", 1))
	for range 3 {
		o := newOrigin(t, h)
		mustAsk(t, o, godown.List, tool, "")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					o.Refresh(tool)
				}
			}
		})
		for _, v := range []string{"v1.0.0", "v1.1.0", "v1.2.0"} {
			if _, _, err := zipSum(t, o, tool, v); err != nil {
				t.Errorf("%s: %v", v, err)
			}
		}
		close(stop)
		wg.Wait()
	}
}
