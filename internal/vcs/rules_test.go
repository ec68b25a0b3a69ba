package vcs

import (
	"errors"
	"io/fs"
	"net/url"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/godowntest"
)

func TestRules(t *testing.T) {
	o := &Origin{Rules: []Rule{
		{Match: "corp.example/mono", Repo: "https://git.corp.example/mono.git", Subdir: "go"},
		{Match: "corp.example/*/lib-*", Repo: "ssh://git@git.corp.example/{1}/{2}.git"},
		{Match: "corp.example/*", Repo: "https://git.corp.example/{1}.git"},
	}}
	o.once.Do(o.init)
	t.Cleanup(o.Close)
	for path, want := range map[string]string{
		"corp.example/mono":         "https://git.corp.example/mono.git go",
		"corp.example/mono/x/v2":    "https://git.corp.example/mono.git go/x",
		"corp.example/team/lib-a/b": "ssh://git@git.corp.example/team/a.git b",
		"corp.example/team/lib-/b":  "https://git.corp.example/team.git lib-/b",
		"corp.example/tool":         "https://git.corp.example/tool.git ",
	} {
		root, err := o.find(t.Context(), path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		m, err := newMod(o.remote(path, root.urls[0]), path, root)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := root.urls[0].String() + " " + m.dir; got != want {
			t.Errorf("%s is at %q, want %q", path, got, want)
		}
	}
	// What the go command asks for on the way to a module.
	if _, err := o.find(t.Context(), "corp.example"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("corp.example: %v; want not found", err)
	}
	for _, r := range []Rule{
		{"", "https://x.example/a", ""}, {"a/", "https://x.example/a", ""}, {"a.example/[x]", "https://x.example/a", ""},
		{"a.example/*", "https://x.example/{2}", ""}, {"a.example/**", "https://x.example/{1}", ""}, {"a.example/*", "file:///{1}", ""}, {"a.example/*", "ext::sh -c {1}", ""},
		{"a.example/*", "git@x.example:{1}", ""}, {"a.example/*", "https://u:p@x.example/{1}", ""}, {"a.example", "https://x.example/a", "../b"},
		{"a.example", "https://x.example/a", "-b"}, {"a.example", "https://x.example/a", "/b"},
	} {
		if r.Check() == nil {
			t.Errorf("%+v passes", r)
		}
	}
}

// Over ssh, what strangers name is not shown the keys of the account.
func TestSSHShowsNoKeysToStrangers(t *testing.T) {
	o := newOrigin(t, godowntest.NewGitHost(t))
	o.Private = "git.corp.example"
	o.once.Do(o.init)
	u := &url.URL{Scheme: "ssh", User: url.User("git"), Host: "git.corp.example", Path: "/team/tool"}
	for path, want := range map[string]bool{"git.corp.example/team/tool": false, "evil.example/mod": true} {
		way := new(passage)
		if err := o.openSSH(t.Context(), o.remote(path, u), way); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(way.env, " "), "PubkeyAuthentication=no"); got != want {
			t.Errorf("%s: %q", path, way.env)
		}
	}
}
