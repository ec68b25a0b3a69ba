package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/auth"
	"github.com/godown-dev/godown/internal/vcs"
)

func TestOriginInFile(t *testing.T) {
	const (
		out  = "auth:\n  out:\n  - match: a.example\n"
		repo = "vcs:\n- match: a.example/*\n"
	)
	tests := []struct {
		name, content string
		want          string // a part of the error; empty for none
	}{
		{"rules", repo + "  repo: ssh://git@git.example/{1}.git\n  subdir: go/x\n- {match: b.example, repo: https://git.example/b}\n", ""},
		{"no rules", "vcs: []\nauth: {}\n", ""},
		{"no credentials", "auth:\n  out: []\n", ""},
		{"vcs without value", "vcs:\n", `g.yaml:1: vcs: expected a list of entries, each of which begins like this: - match: corp.example.com/*`},
		{"vcs without dash", "vcs:\n  match: a.example\n", `g.yaml:1: vcs: expected a list of entries`},
		{"plain rule", "vcs:\n- https://u:s3cret@a.example\n", `g.yaml:2: vcs: an entry has keys of its own, such as match`},
		{"no match", "vcs:\n- repo: https://git.example/a\n", `g.yaml:2: vcs: the entry has no match`},
		{"no repo", repo, `g.yaml:2: vcs: the entry has no repo`},
		{"key of a rule", repo + "  rpeo: x\n", `g.yaml:3: there is no key "rpeo" in an entry of vcs; did you mean "repo"?`},
		{"key of another list", repo + "  bandwidth: 5MB\n", `g.yaml:3: there is no key "bandwidth" in an entry of vcs; there are match, repo, subdir`},
		{"key of the file", repo + "  ttl: 5m\n", `g.yaml:3: there is no key "ttl" in an entry of vcs; it is a key of the file`},
		{"match", "vcs:\n- match: a.example/[ab]\n  repo: https://git.example/a\n", `g.yaml:2: vcs: match knows no other wildcard than *`},
		{"too many stars", repo + "  repo: https://git.example/{2}\n", `g.yaml:2: vcs: repo has {2}, but match has 1 of *`},
		{"scheme", repo + "  repo: file:///srv/a\n", `g.yaml:2: vcs: repo has the scheme "file"`},
		{"subdir", repo + "  repo: https://git.example/a\n  subdir: ../x\n", `g.yaml:2: vcs: "../x" is no folder`},
		{"password of a repo", repo + "  repo: https://u:s3cret@git.example/a\n", `g.yaml:2: vcs: repo must hold no password, and no user but for ssh; give credentials in auth, under out`},
		{"token of a repo", repo + "  repo: https://s3cret@git.example/a\n", `repo must hold no password`},
		{"password for ssh", repo + "  repo: ssh://u:s3cret@git.example/a\n", `repo must hold no password`},
		{"password with a brace", repo + "  repo: https://u:x/{s3cret}@git.example/a\n", `repo must hold no password`},
		{"an @ in the path", repo + "  repo: https://git.example/a@b\n", ""},

		{"auth without value", "auth:\n", `g.yaml:1: auth: expected the key out, and below it a list`},
		{"auth as text", "auth: s3cret\n", `g.yaml:1: auth: expected the key out`},
		{"auth as list", "auth:\n- match: a.example\n  token: s3cret\n", `g.yaml:1: auth: expected the key out`},
		{"unknown part of auth", "auth:\n  inwards: {}\n", `g.yaml:2: there is no key "inwards" in auth; there is only out`},
		{"misspelt part of auth", "auth:\n  outt: []\n", `g.yaml:2: there is no key "outt" in auth; did you mean "out"?`},
		{"out twice", "auth:\n  out: []\n  out: []\n", `g.yaml:3: the key "out" stands here for the second time, after g.yaml:2`},
		{"out without value", "auth:\n  out:\n", `g.yaml:2: auth.out: expected a list of entries, each of which begins like this: - match: github.com`},
		{"plain credential", "auth:\n  out:\n  - s3cret\n", `g.yaml:3: auth.out: an entry has keys of its own, such as match`},
		{"key of a credential", out + "  - match: b.example\n    tokn: s3cret\n", `g.yaml:5: there is no key "tokn" in an entry of auth.out; did you mean "token"?`},
		{"credential without match", "auth:\n  out:\n  - token: s3cret\n", `g.yaml:3: auth.out: the entry has no match`},
		{"no credential", out, `g.yaml:3: auth.out: it has no credential`},
		{"token", out + "    token: s3cret\n    kind: gitlab\n", ""},
		{"token with a user", out + "    token: file:s3cret.txt\n    user: me\n", ""},
		{"password", out + "    user: me\n    password: s3cret\n    kind: basic\n", ""},
		{"password alone", out + "    password: s3cret\n", `g.yaml:3: auth.out: it has a password without a user`},
		{"two credentials", out + "    token: s3cret\n    goauth: netrc\n", `g.yaml:3: auth.out: it has more than one of`},
		{"kind", out + "    token: s3cret\n    kind: gitlob\n", `g.yaml:5: kind "gitlob": it must be one of github, gitlab, gitee, gitea, bitbucket, basic, bearer; did you mean "gitlab"?`},
		{"variable", out + "    token: env:s3cret!\n", `g.yaml:4: token "xxxxx": a secret begins with "env:", but what follows is no name`},
		{"command", out + "    token: command:say 's3cret\n", `g.yaml:4: token "xxxxx": a secret begins with "command:", but a word`},
		{"digits", out + "    token: 0x53cce7\n", `g.yaml:4: token: expected where a secret stands`},
		{"token as list", out + "    token: [s3cret]\n", `g.yaml:4: token: expected where a secret stands`},
		{"token as reference", out + "    token: *s3cret\n", `g.yaml:4: not valid YAML: unknown anchor xxxxx`},
		{"token of a wrong type", out + "    token: !!int s3cret\n", `g.yaml`},
		{"open list", out + "    token: [s3cret\n", `did not find expected ',' or ']'`},
		{"token with a tag", out + "    token: !s3cret x\n", `g.yaml:4: token: expected`},
		{"token in no YAML", out + "    token: @s3cret\n", `g.yaml:4: not valid YAML`},
		{"token in open quotes", out + "    token: \"s3cret\n", `not valid YAML`},
		{"token with an escape", out + "    token: \"\\s3cret\"\n", `not valid YAML`},
		{"match with a password", "auth:\n  out:\n  - match: https://u:s3cret@a.example\n    token: x\n", `g.yaml:3: auth.out: match has a user or a password before the host`},
		{"match of everything", "auth:\n  out:\n  - match: '*'\n    token: s3cret\n", `g.yaml:3: auth.out: match is a star only`},
		{"app", "auth:\n  out:\n  - match: github.com/acme\n    app-id: 123\n    app-installation: 7\n    app-key: file:acme.pem\n", ""},
		{"app of another host", out + "    app-id: Iv1.abc\n    app-key: file:acme.pem\n    app-api: https://a.example/api/v3\n", ""},
		{"app without api", out + "    app-id: '1'\n    app-key: s3cret\n", `g.yaml:3: auth.out: its app is of a host other than github.com`},
		{"app without key", out + "    app-id: 1\n", `g.yaml:4: app-id is given without app-key`},
		{"key without app", out + "    app-key: s3cret\n    app-api: https://u:s3cret@a.example\n", `g.yaml:5: app-api is given without app-id`},
		{"api with a password", out + "    app-id: 1\n    app-key: s3cret\n    app-api: https://u:s3cret@a.example\n", `g.yaml:3: auth.out: the api of its app is no https URL`},
		{"installation", out + "    app-id: 1\n    app-key: s3cret\n    app-installation: -1\n", `g.yaml:6: app-installation "-1": it must be at least 0`},
		{"goauth", out + "    goauth: git /srv/x; helper s3cret\n", ""},
		{"bad goauth", out + "    goauth: helper 's3cret\n", `g.yaml:3: auth.out: goauth: a word of the command has no closing '`},
		{"ssh", "auth:\n  out:\n  - match: ssh://git@a.example\n    ssh-key: id\n    known-hosts: hosts\n", ""},
		{"token for ssh", "auth:\n  out:\n  - match: ssh://git@a.example\n    token: s3cret\n", `g.yaml:3: auth.out: match is for ssh`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := parseConfig("g.yaml", []byte(tt.content))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			case err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "53cce7")):
				t.Errorf("%v tells a secret", err)
			}
		})
	}
}

const secretOrigin = `publish: a.example/*
publish-token: s3cret
hook-secret: command:hook s3cret
mirrors:
- {url: https://go.corp.example, name: office}
private-upstream: https://u:s3cret@go2.corp.example,office|direct
vcs:
- match: corp.example.com/*
  repo: ssh://git@git.corp.example/{1}.git
  subdir: go
auth:
  out:
  - match: github.com/acme
    app-id: 123
    app-key: text:s3cret
  - match: ssh://git@git.corp.example
    ssh-key: KEY
    known-hosts: KEY
  - match: git.corp.example
    token: s3cret
    kind: bearer
  - match: b.example
    user: me
    password: command:/bin/pass s3cret
  - match: c.example
    goauth: netrc; helper s3cret
  - match: d.example
    token: env:TOKEN
`

// loadOrigin loads secretOrigin with a key that is there, and returns the file's name, too.
func loadOrigin(t *testing.T) (cfg *Config, file, key string) {
	t.Helper()
	key = writeFile(t, "a key")
	file = writeFile(t, strings.ReplaceAll(secretOrigin, "KEY", key))
	cfg, err := load(t.Context(), bareMachine(t), flagsOf("config", file))
	if err != nil {
		t.Fatal(err)
	}
	return cfg, file, key
}

func TestOriginIsLoaded(t *testing.T) {
	c, file, key := loadOrigin(t)
	if got, want := c.VCS[0].rule(), (vcs.Rule{Match: "corp.example.com/*", Repo: "ssh://git@git.corp.example/{1}.git", Subdir: "go"}); got != want {
		t.Errorf("the rule is %+v, want %+v", got, want)
	}
	if got := written(c.privateUpstreams); got != "https://u:s3cret@go2.corp.example,https://go.corp.example(office)|direct" {
		t.Errorf("private modules come from %s", got)
	}
	var rules []auth.Rule
	for _, a := range c.Auth {
		rules = append(rules, a.rule())
	}
	if app := rules[0].App; app == nil || app.ID != "123" || app.Installation != 0 || app.Key != "text:s3cret" {
		t.Errorf("the first has the app %+v", app)
	}
	if r := rules[1]; r.SSHKey != key || r.KnownHosts != key || r.App != nil || r.Match != "ssh://git@git.corp.example" {
		t.Errorf("the second has the key %q, the hosts %q and is for %q", r.SSHKey, r.KnownHosts, r.Match)
	}
	if r := rules[2]; r.Name != "auth.out ("+file+":19)" || r.Token != "s3cret" || r.Kind != "bearer" {
		t.Errorf("the third is %v", r)
	}
	if r := rules[3]; r.User != "me" || r.Password != "command:/bin/pass s3cret" {
		t.Errorf("the fourth is %v", r)
	}
	if r := rules[4]; r.GOAUTH != "netrc; helper s3cret" {
		t.Errorf("the fifth is %v", r)
	}
}

// What config prints shows no secret, and loads again to the same but for those.
func TestOriginIsShown(t *testing.T) {
	_, file, key := loadOrigin(t)
	code, first, stderr := call(t, bareMachine(t), "config", "--config", file)
	if code != 0 || strings.Contains(first+stderr, "s3cret") {
		t.Fatalf("exit code %d, or a secret is shown:\n%s%s", code, first, stderr)
	}
	const note = "; secrets masked, put yours back before you use this as a file"
	for _, line := range []string{
		"publish-token: xxxxx # " + file + ":2" + note,
		"hook-secret: command:hook … # " + file + ":3" + note,
		"  repo: ssh://git@git.corp.example/{1}.git # " + file + ":9",
		"    app-id: '123' # " + file + ":14",
		"    app-key: xxxxx # " + file + ":15" + note,
		"  - match: ssh://git@git.corp.example # " + file + ":16",
		"    ssh-key: " + key + " # " + file + ":17",
		"    token: xxxxx # " + file + ":20" + note,
		"    password: command:/bin/pass … # " + file + ":24" + note,
		"    goauth: netrc; helper xxxxx # " + file + ":26" + note,
		"    token: env:TOKEN # " + file + ":28",
	} {
		if !strings.Contains(first, line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, first)
		}
	}
	c, err := load(t.Context(), bareMachine(t), flagsOf("config", writeFile(t, first)))
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, first)
	}
	if len(c.VCS) != 1 || len(c.Auth) != 6 || c.Auth[0].AppID != "123" || c.Auth[5].Token != "env:TOKEN" {
		t.Errorf("it is read again as %+v, %+v", c.VCS, c.Auth)
	}
	_, empty, _ := call(t, bareMachine(t), "config")
	for _, line := range []string{"vcs: [] # default", "auth: {} # default"} {
		if !strings.Contains(empty, line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, empty)
		}
	}
	if _, err := load(t.Context(), bareMachine(t), flagsOf("config", writeFile(t, empty))); err != nil {
		t.Errorf("%v\nin\n%s", err, empty)
	}
}

// Printing or logging a configuration shows no secret in any way.
func TestOriginIsSafeToPrint(t *testing.T) {
	c, _, _ := loadOrigin(t)
	c.environ = append(c.environ, "OTHER=s3cret")
	repo, commands := Remote("https://u:s3cret@a.example/x"), Commands("helper s3cret;'my helper' s3cret")
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", []any{c, *c, c.Auth, c.Auth[2], &c.Auth[3], c.Auth[4], c.PublishToken, c.HookSecret})
		if verb != "%#v" && verb != "%x" && verb != "%d" {
			fmt.Fprintf(&out, verb+"\n", []any{repo, commands})
		}
	}
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("x", "config", c, "value", *c, "vcs", c.VCS, "auth", c.Auth, "entry", c.Auth[2], "repo", repo,
			"commands", commands, "token", c.PublishToken, "in", struct {
				A AuthRules
				R Remote
				C Commands
			}{c.Auth, repo, commands})
	}
	data, err := json.Marshal([]any{c.Auth, repo, commands})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	if strings.Contains(out.String(), "s3cret") || strings.Contains(out.String(), fmt.Sprintf("%x", "s3cret")) {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
	if !strings.Contains(out.String(), `"ttl":"1m"`) {
		t.Errorf("the log does not tell what is configured:\n%s", out.String())
	}
}

func TestFilesOfOrigin(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "here"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	tests := []struct{ content, want string }{
		{"netrc: here\ngit-config: here\nauth: {out: [{match: a.example, ssh-key: here}]}\n", ""},
		{"auth:\n  out:\n  - match: a.example\n    ssh-key: here\n    known-hosts: gone\n", `godown.yaml:5: known-hosts "gone": there is no such file`},
		{"auth:\n  out:\n  - match: a.example\n    ssh-key: ~/id\n", `godown.yaml:4: ssh-key "~/id": only a shell knows what ~ is`},
		{"ttl: 1m\nnetrc: gone\n", `godown.yaml:2: netrc "gone": there is no such file`},
		{"git-config: gone\n", `godown.yaml:1: git-config "gone": there is no such file`},
		{"git-config: here/x\n", `godown.yaml:1: git-config "here/x": the file cannot be used`},
	}
	for _, tt := range tests {
		t.Run(tt.content, func(t *testing.T) {
			c, err := load(t.Context(), bareMachine(t), flagsOf("config", writeFile(t, tt.content)))
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{c.Netrc, c.GitConfig, c.Auth[0].SSHKey} {
				// Commands that are told of it run in other folders.
				if !filepath.IsAbs(path) || filepath.Base(path) != "here" {
					t.Errorf("the path is %q", path)
				}
			}
		})
	}
}

func TestPublishNeedsBoth(t *testing.T) {
	tests := []struct {
		environ []string
		want    string
	}{
		{nil, ""},
		{[]string{"GODOWN_PUBLISH=a.example/*", "GODOWN_PUBLISH_TOKEN=s3cret"}, ""},
		{[]string{"GODOWN_PUBLISH=a.example/*"}, "environment GODOWN_PUBLISH: publish is given without publish-token, and so nobody could publish; set publish-token to env:NAME or file:PATH"},
		{[]string{"GODOWN_PUBLISH_TOKEN=s3cret"}, "environment GODOWN_PUBLISH_TOKEN: publish-token is given without publish: nothing could be published; set publish to"},
	}
	for _, tt := range tests {
		c, err := load(t.Context(), bareMachine(t, tt.environ...), nil)
		if err != nil {
			t.Fatal(err)
		}
		err = c.checkPublish()
		code, stdout, stderr := call(t, bareMachine(t, tt.environ...), "config")
		if (err == nil) != (tt.want == "") || (code == 0) != (tt.want == "") {
			t.Errorf("%q: %v, exit code %d", tt.environ, err, code)
		}
		if err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.Contains(stderr, tt.want)) || strings.Contains(stdout+stderr, "s3cret") {
			t.Errorf("%q: %v\n%s%s\nwant %s", tt.environ, err, stdout, stderr, tt.want)
		}
	}
}

// The host that the go command has built in is public, too.
func TestPrivateUpstreamIsNotBuiltIn(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "go.env"), []byte("GOPROXY=https://built-in.example,direct\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	m := bareMachine(t, "GOROOT="+root)
	file := writeFile(t, "mirrors:\n- {url: https://built-in.example/x, name: mine}\nupstream: off\n")
	for _, list := range []string{"https://a.example,built-in.example", "https://a.example,mine"} {
		_, err := load(t.Context(), m, flagsOf("config", file, "private-upstream", list))
		if err == nil || !strings.Contains(err.Error(), "entry 2 of the list is the public mirror built-in.example") {
			t.Errorf("%s: got %v", list, err)
		}
	}
}
