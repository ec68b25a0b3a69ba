package vcs

import (
	"context"
	"net/url"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// Another spelling of a private module's path, which no private pattern
// matches, does not get what the private module's credential opens.
func TestOtherSpellingOfPrivate(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	h.Login("github.com", godowntest.BasicLogin("me", "secret"))
	o := newOrigin(t, h)
	o.Private = "github.com/acme/tool"
	o.Login = func(context.Context, *url.URL) (godown.Login, error) {
		return godown.Login{User: "me", Password: "secret"}, nil
	}
	mustAsk(t, o, godown.List, "github.com/acme/tool", "")
	for _, path := range []string{"github.com/acme/tool.git"} { // and github.com/ACME/tool, on hosts that ignore case
		if o.private(path) {
			t.Fatalf("%s is private", path)
		}
		if list, err := ask(t, o, godown.List, path, ""); err == nil {
			t.Errorf("%s, which is not private, has %q", path, list)
		}
	}
}
