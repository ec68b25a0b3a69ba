package vcs

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

func page(prefix, repo string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<html><head><meta name="go-import" content="%s git %s"></head></html>`, prefix, repo)
	})
}

// Who has a page below a host does not say where the rest of the host is.
func TestPrefixMustAgree(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	h.Handle("vanity.example/guest/mod", page("vanity.example", "https://github.com/acme/tool"))
	h.Handle("vanity.example", page("vanity.example", "https://github.com/acme/other"))
	o := newOrigin(t, h)
	if _, err := ask(t, o, godown.List, "vanity.example/guest/mod", ""); err == nil || !strings.Contains(err.Error(), "disagree") {
		t.Errorf("err = %v", err)
	}
}

// A page that leads a stranger's module to a host of ours is shown no credential
// there, and what is fetched without one lies apart from what was fetched with.
func TestStrangersPagesGetNoLogin(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.Redirect("evil.example/mod", "https://git.corp.example/team/tool")
	h.Handle("git.corp.example/team/tool", page("evil.example/mod", "https://github.com/acme/tool"))
	o := newOrigin(t, h)
	o.Private = "git.corp.example"
	o.Login = func(context.Context, *url.URL) (godown.Login, error) {
		return godown.Login{User: "me", Password: "secret"}, nil
	}
	_, _ = ask(t, o, godown.List, "evil.example/mod", "")
	if h.Count(`git.corp.example/team/tool`) == 0 {
		t.Fatal("the redirect was not followed")
	}
	for _, r := range h.Log() {
		if strings.Contains(r.String(), "git.corp.example") && r.Header.Get("Authorization") != "" {
			t.Errorf("%v was shown a credential", r)
		}
	}
	u := &url.URL{Scheme: "https", Host: "git.corp.example", Path: "/team/tool"}
	ours, theirs := o.remote("git.corp.example/team/tool", u), o.remote("evil.example/mod", u)
	if ours.dir == theirs.dir || ours.served.file == theirs.served.file {
		t.Errorf("both lie in %s", ours.dir)
	}
}
