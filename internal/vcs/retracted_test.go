package vcs

import (
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A fetch that fails once must not make @latest a retracted version.
func TestLatestIsNotRetractedByTrouble(t *testing.T) {
	for n := 1; n <= 6; n++ {
		h := godowntest.NewGitHost(t)
		h.RepoText(t, "", script+"put go.mod \"module github.com/acme/tool\\nretract v1.3.0\\n\"\ncommit Five\ntag v1.3.0\n")
		o := newOrigin(t, h)
		mustAsk(t, o, godown.List, tool, "")
		h.BreakTimes(n, ` fetch`, godowntest.Status(503, "busy"))
		got, err := ask(t, o, godown.Latest, tool, "")
		if err == nil && !strings.Contains(got, `"v1.2.0"`) {
			t.Errorf("with %d failures latest is %s", n, got)
		}
		if isAbsent(err) {
			t.Errorf("with %d failures: not found: %v", n, err)
		}
	}
}
