package auth

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
)

func TestKinds(t *testing.T) {
	o := &Outwards{Env: Environ{"P=pass"}, Rules: []Rule{
		{Match: "github.com", Token: "tk", Name: "n"},
		{Match: "*.github.com", Token: "tk", Name: "n"},
		{Match: "gitlab.com", Token: "tk", Name: "n"},
		{Match: "gitlab.corp.example", Token: "tk", Name: "n"},
		{Match: "bitbucket.org", Token: "tk", Name: "n"},
		{Match: "gitee.com", Token: "tk", Name: "n"},
		{Match: "git.example", Token: "tk", Name: "n"},
		{Match: "git.example/hub", Token: "tk", Kind: "github", Name: "n"},
		{Match: "git.example/lab", Token: "tk", Kind: "gitlab", Name: "n"},
		{Match: "git.example/bucket", Token: "tk", Kind: "bitbucket", Name: "n"},
		{Match: "git.example/ee", Token: "tk", Kind: "gitee", Name: "n"},
		{Match: "git.example/tea", Token: "tk", Kind: "gitea", Name: "n"},
		{Match: "git.example/basic", Token: "tk", Kind: "basic", Name: "n"},
		{Match: "git.example/me", Token: "tk", Kind: "gitlab", User: "me", Name: "n"},
		{Match: "git.example/bearer", Token: "env:P", Kind: "bearer", Name: "n"},
		{Match: "git.example/pw", User: "me", Password: "env:P", Name: "n"},
		{Match: "git.example/pwbasic", User: "me", Password: "env:P", Kind: "basic", Name: "n"},
		{Match: "gitee.com/bearer", Token: "tk", Kind: "bearer", Name: "n"},
	}}
	defer o.Close()
	for u, want := range map[string]string{
		"github.com/a/b": "x-access-token:tk", "gist.github.com/a": "x-access-token:tk", "gitlab.com/x": "oauth2:tk", "gitlab.corp.example/x": "oauth2:tk", "bitbucket.org/x/y.git": "x-token-auth:tk",
		"gitee.com/x": "oauth2:tk", "git.example/x": "git:tk", "git.example/hub": "x-access-token:tk", "git.example/lab/x": "oauth2:tk", "git.example/bucket": "x-token-auth:tk",
		"git.example/ee": "oauth2:tk", "git.example/tea/x": "git:tk", "git.example/basic": "git:tk", "git.example/me/x": "me:tk", "git.example/pw": "me:pass", "git.example/pwbasic": "me:pass",
		"git.example/bearer/x": "map[Authorization:[Bearer pass]]", "gitee.com/bearer": "map[Authorization:[Bearer tk]]",
	} {
		if got := login(t, o, "https://"+u); got != "n: "+want {
			t.Errorf("%s: %s, want %s", u, got, want)
		}
		if got := login(t, o, "http://"+u); got != "none" {
			t.Errorf("%s over http: %s", u, got)
		}
		if got := login(t, o, "https://evil.example/"+u); got != "none" {
			t.Errorf("%s at another host: %s", u, got)
		}
	}
}

func TestChoice(t *testing.T) {
	dir := t.TempDir()
	key, hosts := filepath.Join(dir, "id"), filepath.Join(dir, "known_hosts")
	write(t, key, "k")
	write(t, hosts, "h")
	netrc := filepath.Join(dir, "netrc")
	write(t, netrc, "machine git.example login rc password rc\nmachine other.example login rc password rc")
	o := &Outwards{Netrc: netrc, Rules: []Rule{
		{Name: "wild", Match: "*.example", Token: "x"},
		{Name: "wilder", Match: "*.corp.example", Token: "x"},
		{Name: "host", Match: "git.corp.example", Token: "x"},
		{Name: "team", Match: "git.corp.example/team", Token: "x"},
		{Name: "again", Match: "git.corp.example/team", Token: "x"},
		{Name: "deep", Match: "git.corp.example/team/deep", Token: "x"},
		{Name: "wildpath", Match: "*.corp.example/team/deep/er", Token: "x"},
		{Name: "port", Match: "git.corp.example:8443", Token: "x"},
		{Name: "ssh", Match: "ssh://git@git.corp.example", SSHKey: key, KnownHosts: hosts},
		{Name: "both", Match: "git.corp.example/both", Token: "x", KnownHosts: hosts},
		{Name: "nokey", Match: "ssh://git.corp.example:23", SSHKey: filepath.Join(dir, "none")},
	}}
	defer o.Close()
	for u, want := range map[string]string{
		"https://a.example": "wild", "https://a.b.example": "wild", "https://a.corp.example/team/deep": "wilder", "https://git.corp.example": "host", "https://git.corp.example/teams": "host",
		"https://git.corp.example/team/x": "team", "https://git.corp.example/team/deep/er": "deep", "https://a.corp.example/team/deep/er/x": "wildpath",
		"https://git.corp.example:8443/team/deep": "port", "https://git.corp.example:8444/team": "none", "https://example": "none", "http://git.corp.example": "none",
		"ssh://git@git.corp.example/team/x": "ssh: id,known_hosts", "ssh://git.corp.example/team/x": "none", "ssh://git.corp.example/both/x": "both: .,known_hosts", "https://git.corp.example/both": "both: git:x",
		"ssh://git@git.corp.example:23/x": "error: nokey: the file of its SSH key", "ssh://git@a.example/x": "none", "https://git.example/x": "wild", "https://me@git.corp.example/x": "none",
	} {
		if got := login(t, o, u); !strings.HasPrefix(got, want) || strings.HasPrefix(want, "error") && !strings.Contains(got, "none: no such file") {
			t.Errorf("%s: %s, want %s", u, got, want)
		}
	}
	o = &Outwards{Netrc: netrc, Rules: []Rule{{Match: "git.example/a", Token: "env:NONE"}}}
	defer o.Close()
	for u, want := range map[string]string{
		"https://git.example/a": "error: auth.out of git.example/a: secret env:NONE: ", // not what the netrc file has
		"https://git.example/b": "netrc: rc:rc",
	} {
		if got := login(t, o, u); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", u, got, want)
		}
	}
}

func TestRuleForm(t *testing.T) {
	app := &App{ID: "1", Key: "file:key"}
	for _, tt := range []struct {
		rule Rule
		want string
	}{
		{Rule{}, "no valid host"},
		{Rule{Match: "h"}, "no credential"},
		{Rule{Match: "http://h", Token: "x"}, "plain http"},
		{Rule{Match: "h", Token: "x", Password: "y", User: "u"}, "more than one"},
		{Rule{Match: "github.com", Token: "x", App: app}, "more than one"},
		{Rule{Match: "h", Token: "x", GOAUTH: "netrc"}, "more than one"},
		{Rule{Match: "h", Password: "x"}, "without a user"},
		{Rule{Match: "h", User: "x", SSHKey: "k"}, "without a password or a token"},
		{Rule{Match: "h", User: "a:b", Token: "x"}, "colon"},
		{Rule{Match: "h", User: "a\nb", Token: "x"}, "line break"},
		{Rule{Match: "h", Token: "x", Kind: "gihtub"}, `"gihtub"`},
		{Rule{Match: "h", SSHKey: "x", Kind: "github"}, "no token"},
		{Rule{Match: "h", User: "u", Password: "x", Kind: "bearer"}, "no token"},
		{Rule{Match: "h", User: "u", Token: "x", Kind: "bearer"}, "without"},
		{Rule{Match: "ssh://h", Token: "x"}, "for ssh"},
		{Rule{Match: "https://h", KnownHosts: "x"}, "for https"},
		{Rule{Match: "h", Token: "env:"}, "its token"},
		{Rule{Match: "h", User: "u", Password: "command:'" + secretText}, "its password"},
		{Rule{Match: "h", GOAUTH: "off"}, "off"},
		{Rule{Match: "h", GOAUTH: "git rel"}, "absolute"},
		{Rule{Match: "h", App: app}, "api"},
		{Rule{Match: "*.github.com", App: app}, "api"},
		{Rule{Match: "github.com", App: &App{Key: "x"}}, "no id"},
		{Rule{Match: "github.com", App: &App{ID: "1"}}, "the key of its app"},
		{Rule{Match: "github.com", App: &App{ID: "1", Key: "x", Installation: -1}}, "negative"},
		{Rule{Match: "h", App: &App{ID: "1", Key: "x", API: "http://h/api"}}, "no https URL"},
		{Rule{Match: "h", App: &App{ID: "1", Key: "x", API: "https://u:" + secretText + "@h/api"}}, "no https URL"},
	} {
		tt.rule.Name = "auth.out (godown.yaml:12)"
		err := tt.rule.Check()
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), tt.rule.Name) || strings.Contains(err.Error(), secretText) {
			t.Errorf("%q: error %v", tt.want, err)
		}
		o := &Outwards{Rules: []Rule{{Match: "good", Token: "x"}, tt.rule}}
		if err := o.Check(); err == nil {
			t.Errorf("%q: Outwards finds nothing", tt.want)
		}
		if _, err := o.Login(t.Context(), address(t, "https://good")); err == nil {
			t.Errorf("%q: there is a login", tt.want)
		}
		o.Refused(t.Context(), address(t, "https://good"), godown.Login{})
		if o.Advice(address(t, "https://good"), godown.Login{}, 401) == "" {
			t.Errorf("%q: no advice", tt.want)
		}
		o.Close()
	}
	for _, r := range []Rule{
		{Match: "github.com", App: app}, {Match: "ghe.example", App: &App{ID: "Iv1.x", Key: "x", API: "https://ghe.example/api/v3"}}, {Match: "ssh://git@h", SSHKey: "k"}, {Match: "h", GOAUTH: "netrc; git /x; prog a"},
	} {
		if err := r.Check(); err != nil {
			t.Error(err)
		}
	}
}

// TestUnsendable: nothing that is configured or read may begin a line of its own.
func TestUnsendable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, secretText+"\nhost: evil\n")
	for _, kind := range []string{"", "bearer"} {
		o := &Outwards{Rules: []Rule{{Match: "h", Kind: kind, Token: Secret("file:" + path)}}}
		if got := login(t, o, "https://h/x"); !strings.HasPrefix(got, "error: auth.out of h: ") || !strings.Contains(got, "line break") || strings.Contains(got, secretText) {
			t.Errorf("kind %q: %s", kind, got)
		}
		o.Close()
	}
}

// TestRefusedToken reads a token anew that was refused, though nothing tells that its file has changed.
func TestRefusedToken(t *testing.T) {
	for _, kind := range []string{"", "bearer", "password"} {
		path := filepath.Join(t.TempDir(), "token")
		write(t, path, "one")
		r := Rule{Name: "n", Match: "h", Kind: kind, Token: Secret("file:" + path)}
		if kind == "password" {
			r = Rule{Name: "n", Match: "h", User: "u", Password: r.Token}
		}
		o := &Outwards{Rules: []Rule{r}}
		u := address(t, "https://h/x")
		old := mustLogin(t, o, u.String())
		write(t, path, "two")
		o.Refused(t.Context(), address(t, "http://h/x"), old)
		o.Refused(t.Context(), address(t, "https://other/x"), old)
		if got := mustLogin(t, o, u.String()); shown(got) != shown(old) {
			t.Errorf("%s: %s", kind, shown(got))
		}
		o.Refused(t.Context(), u, old)
		if got := mustLogin(t, o, u.String()); !strings.Contains(shown(got), "two") {
			t.Errorf("%s: %s", kind, shown(got))
		}
		o.Close()
	}
}

// TestOwnHeader: a caller may change what it was given.
func TestOwnHeader(t *testing.T) {
	o := &Outwards{Rules: []Rule{{Match: "h", Kind: "bearer", Token: "x"}}}
	defer o.Close()
	mustLogin(t, o, "https://h").Header.Set("Authorization", "y")
	if got := login(t, o, "https://h"); !strings.Contains(got, "Bearer x") {
		t.Error(got)
	}
}

func TestAdvice(t *testing.T) {
	p := newPlayer(t, "fail")
	key := filepath.Join(t.TempDir(), "key")
	write(t, key, "k")
	o := &Outwards{Netrc: filepath.Join(t.TempDir(), "netrc"), GOAUTH: "netrc; " + p.self, Env: p.env, Rules: []Rule{
		{Name: "auth.out (godown.yaml:12)", Match: "git.example/team", Token: "x"},
		{Name: "auth.out (godown.yaml:15)", Match: "git.example/pw", User: "u", Password: "x"},
		{Name: "auth.out (godown.yaml:18)", Match: "ssh.example", SSHKey: key},
		{Name: "auth.out (godown.yaml:21)", Match: "ask.example", GOAUTH: "netrc"},
	}}
	defer o.Close()
	for _, tt := range []struct {
		u      string
		status int
		want   []string
	}{
		{"https://git.example/team/x", 401, []string{"the token of auth.out (godown.yaml:12) was refused: see that it has not expired and may read this repository"}},
		{"https://git.example/team/x", 403, []string{"the token of auth.out (godown.yaml:12) is not allowed"}},
		{"https://git.example/team/x", 404, []string{"either there is no such repository", "godown.yaml:12"}},
		{"https://git.example/pw", 401, []string{"the password of auth.out (godown.yaml:15)"}},
		{"https://git.example/x", 401, []string{"no credential is set for git.example: add an entry to auth.out, or a line to the netrc file", "(auth.out (godown.yaml:12), auth.out (godown.yaml:15): another scheme, port or path)", "the GOAUTH command " + p.self, "exit status 1"}},
		{"https://new.example/x", 404, []string{"no credential is set for new.example"}},
		{"http://git.example:80/team", 401, []string{"no credential is ever sent to git.example:80", "https"}},
		{"https://u:" + url.PathEscape(secretText) + "@git.example/team", 401, []string{"the URL itself", "git.example"}},
		{"https://git.example/team/../x", 401, []string{"no credential is sent to this URL of git.example"}},
		{"ssh://git@ssh.example/x", 0, []string{"the SSH key of auth.out (godown.yaml:18)"}},
		{"ssh://git@git.example/x", 0, []string{"no SSH key is set for git.example"}},
		{"https://ask.example/x", 401, []string{"auth.out (godown.yaml:21) gave no credential"}},
	} {
		u := address(t, tt.u)
		l, err := o.Login(t.Context(), u)
		if err != nil {
			t.Errorf("%s: %v", tt.u, err)
		}
		got := o.Advice(u, l, tt.status)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s\nlacks %s", tt.u, got, want)
			}
		}
		if strings.Contains(got, "s3cr3t") {
			t.Errorf("%s: %s", tt.u, got)
		}
	}
}
