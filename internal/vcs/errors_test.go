package vcs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
)

func TestAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	commits := w.standard()
	w.build("wrong", map[string]string{"go.mod": "module example.com/other/v3\n"}, "tag v1.0.0", "tag v3.0.0")
	w.build("old", map[string]string{"old.go": "package old\n"}, "tag v2.0.0")
	for _, tt := range []struct {
		kind          godown.Kind
		path, version string
		words         string
	}{
		{godown.Info, repo, "v9.0.0", "unknown revision v9.0.0"},
		{godown.Mod, repo, "v9.0.0", "unknown revision v9.0.0"},
		{godown.Zip, repo, "v9.0.0", "unknown revision v9.0.0"},
		{godown.Info, repo, "nosuchbranch", "unknown revision"},
		{godown.Info, repo, "deadbeef", "unknown revision"},
		{godown.Info, repo, "v9", "no matching versions"},
		{godown.Info, repo, "v1.0.1-0.20200101000000-" + commits[1][:12], "timestamp"},
		{godown.Info, repo, "v1.9.1-0.20240506070809-" + commits[1][:12], "preceding tag"},
		{godown.Mod, repo, "v0.0.0-20240506070809-0123456789ab", "unknown revision"},
		{godown.Info, repo + "/sub", "v0.2.0", "unknown revision"},
		{godown.Latest, repo + "/none", "", "no matching versions"},
		{godown.Info, repo + "/none", "main", "missing"},
		{godown.Info, repo + "/v2", "main", "has non-.../v2 module path"},
		{godown.Info, "git.example.test/wrong.git", "v1.0.0", "has post-v1 module path"},
		{godown.Mod, "git.example.test/old.git", "v2.0.0", "invalid version"},
		{godown.List, "git.example.test/nosuch.git", "", "does not appear to be a git repository"},
		{godown.Latest, "git.example.test/nosuch.git", "", "does not appear to be a git repository"},
		{godown.Info, "git.example.test/nosuch.git", "v1.0.0", "does not appear to be a git repository"},
		{godown.List, "github.com/justone", "", "invalid github.com import path"},
		{godown.List, "example.test/a...b", "", "ellipsis"},
		{godown.List, "nodot/x", "", "is not a module"},
		{godown.List, "-x.example.test/x", "", "is not a module"},
		{godown.Info, repo, "-x", "cannot name a version"},
		{godown.Info, repo, "feature/x", "not a version"},
		{godown.Info, repo, "--upload-pack=x", "cannot name a version"},
		{godown.Info, repo, "x\n", "not a version"},
		{godown.Info, repo, "upgrade", "names no version"},
		{godown.Info, repo, "", "not a version"},
		{godown.Mod, repo, "main", "not a version"},
		{godown.Zip, repo, "-x", "not a version"},
	} {
		w.fails(true, tt.kind, tt.path, tt.version, tt.words)
	}
	w.want(godown.Mod, "git.example.test/old.git", "v2.0.0+incompatible")
	w.clean()
}

// TestTrouble checks that an origin that is ill, or wants to know who asks, is never taken for one that has nothing.
func TestTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const closed = "127.0.0.1:1" // tcpmux, which nobody serves
	w.instead("closed.example.test/", "http://"+closed+"/")
	for _, status := range []int{401, 403, 404, 500} {
		srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if status == http.StatusUnauthorized {
				rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			}
			rw.WriteHeader(status)
		}))
		defer srv.Close()
		w.instead(fmt.Sprintf("status%d.example.test/", status), strings.Replace(srv.URL, "://", "://user:geheim@", 1)+"/")
		w.instead(fmt.Sprintf("anon%d.example.test/", status), srv.URL+"/")
	}
	for _, kind := range []godown.Kind{godown.List, godown.Latest, godown.Info, godown.Mod, godown.Zip} {
		v := map[godown.Kind]string{godown.Info: "main", godown.Mod: "v1.0.0", godown.Zip: "v1.0.0"}[kind]
		w.fails(false, kind, "closed.example.test/x.git", v, "direct: ")
	}
	w.fails(false, godown.List, "closed.example.test/x.git", "", "HTTPS_PROXY")
	w.fails(false, godown.List, "anon401.example.test/x.git", "", "terminal prompts disabled", "credential")
	w.fails(false, godown.List, "anon403.example.test/x.git", "", "403", "credential")
	w.fails(false, godown.List, "anon500.example.test/x.git", "", "500")
	w.fails(true, godown.List, "anon404.example.test/x.git", "", "not found")
	for _, status := range []int{401, 403, 404, 500} {
		err := w.fails(status == 404, godown.List, fmt.Sprintf("status%d.example.test/x.git", status), "")
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("the password is in %q", err)
		}
	}
	// Found once, then ill: the clone does not hide it, nor does it make an absence of it.
	w.standard()
	w.want(godown.Info, repo, "v1.0.0")
	w.instead("git.example.test/repo", "http://"+closed+"/repo")
	w.fails(false, godown.List, repo, "")
	w.clean()
}

// TestMeta checks ?go-get=1, over http because no certificate of a test is trusted everywhere.
func TestMeta(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.standard()
	meta := func(rw http.ResponseWriter, content string) {
		fmt.Fprintf(rw, `<html><head><meta name="go-import" content="%s"></head></html>`, content)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.Host + r.URL.Path {
		case "vanity.test/good":
			meta(rw, "vanity.test/good git https://git.example.test/vanity.git")
		case "vanity.test/blank":
			fmt.Fprint(rw, "<html><body>Welcome!</body></html>")
		case "vanity.test/login":
			http.Error(rw, "who are you?", http.StatusUnauthorized)
		case "vanity.test/ill":
			http.Error(rw, "not found: database", http.StatusInternalServerError)
		case "golang.org/toolchain":
			meta(rw, "golang.org/toolchain mod http://dl.test/mod")
		case "dl.test/mod/golang.org/toolchain/@v/v0.0.1-go1.99.0.linux-amd64.info":
			fmt.Fprint(rw, `{"Version":"v0.0.1-go1.99.0.linux-amd64","Time":"2024-05-06T07:08:09Z"}`)
		case "dl.test/mod/golang.org/toolchain/@v/v0.0.1-go1.99.0.linux-amd64.mod":
			fmt.Fprint(rw, "module golang.org/toolchain\n")
		default: // CONNECT, too: https is tried first
			http.NotFound(rw, r)
		}
	}))
	defer proxy.Close()
	w.g.Env = append(w.g.Env, "HTTP_PROXY="+proxy.URL, "HTTPS_PROXY="+proxy.URL, "NO_PROXY=", "no_proxy=", "GOINSECURE=vanity.test,golang.org")
	w.build("vanity", map[string]string{"go.mod": "module vanity.test/good\n"}, "tag v1.0.0")
	if got := w.want(godown.List, "vanity.test/good", ""); got != "v1.0.0\n" {
		t.Errorf("list is %q", got)
	}
	w.fails(true, godown.List, "vanity.test/nothing", "", "404 Not Found")
	w.fails(true, godown.Latest, "vanity.test/blank", "", "no go-import meta tags")
	w.fails(false, godown.Info, "vanity.test/login", "main", "401", "credentials")
	w.fails(false, godown.List, "vanity.test/ill", "", "500")
	w.fails(false, godown.List, "secure.test/nothing", "", "https fetch") // 404 by the proxy is no word of the origin's
	if got := w.want(godown.Mod, "golang.org/toolchain", "v0.0.1-go1.99.0.linux-amd64"); got != "module golang.org/toolchain\n" {
		t.Errorf("go.mod of a toolchain is %q", got)
	}
}

func TestMissingTools(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.standard()
	empty := t.TempDir()
	path := getenv(w.g.Env, "PATH")
	w.g.Env = append(w.g.Env, "PATH="+empty)
	w.fails(false, godown.List, repo, "", "go command", "--upstream", "install Go")
	w.g.Go = filepath.Join(empty, "go")
	w.fails(false, godown.List, repo, "", "--upstream", w.g.Go)

	w.g.Env = append(w.g.Env, "PATH="+path)
	w.g.Go = ""
	found, err := w.g.lookPath()
	if err != nil {
		t.Fatal(err)
	}
	w.g.Go = found
	w.g.Env = append(w.g.Env, "PATH="+empty)
	for _, kind := range []godown.Kind{godown.List, godown.Zip} {
		w.fails(false, kind, repo, map[godown.Kind]string{godown.Zip: "v1.0.0"}[kind], "missing Git command", "install the version control command")
	}
	w.fails(false, godown.List, "github.com/example/x", "", `"git": executable file not found`)
}

// TestTooNew checks a limit that the go command sets: no zip of a module for a newer Go.
func TestTooNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.build("new", map[string]string{"go.mod": "module git.example.test/new.git\n\ngo 1.999\n"}, "tag v1.0.0")
	w.want(godown.Mod, "git.example.test/new.git", "v1.0.0")
	w.fails(false, godown.Zip, "git.example.test/new.git", "v1.0.0", "requires go >= 1.999", "install a newer Go")
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stuck()
	w.g.Timeout = 500 * time.Millisecond
	w.fails(false, godown.List, "stuck.example.test/x.git", "", "stopped after 500ms")
	w.clean()
}

func TestJudge(t *testing.T) {
	t.Parallel()
	const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, tt := range []struct {
		text, detail string
		absent       bool
	}{
		{"x.test/m@v1: invalid version: unknown revision v1", "", true},
		{"x.test/timeout@v1: invalid version: unknown revision v1", "go: downloading x.test/timeout v1", true},
		{"m: git ls-remote -q: exit status 128:\n\tfatal: could not read Username for 'https://github.com': terminal prompts disabled", "", false},
		{"m: git ls-remote -q: exit status 128:\n\tremote: Repository not found.\n\tfatal: repository 'https://github.com/a/b/' not found", "", true},
		{"m: git ls-remote -q: exit status 128:\n\tERROR: Repository not found.\n\tfatal: Could not read from remote repository.", "", false},
		{"m: no secure protocol found for repository", "fatal: repository 'https://h/r' not found\ngit@h: Permission denied (publickey).", false},
		{"m: no secure protocol found for repository", "fatal: repository 'https://h/r' not found", true},
		{"m: no secure protocol found for repository", "", false},
		{`unrecognized import path "x.test/m": reading https://x.test/m?go-get=1: 404 Not Found`, "", true},
		{`unrecognized import path "x.test/m": reading https://x.test/m?go-get=1: 502 Bad Gateway`, "", false},
		{`unrecognized import path "x.test/m": https fetch: Get "https://x.test/m?go-get=1": dial tcp: lookup x.test: no such host`, "", false},
		{"something new", "", false},
	} {
		if err := judge(tt.text, tt.detail); errors.Is(err, fs.ErrNotExist) != tt.absent {
			t.Errorf("%q, %q: absent is %v", tt.text, tt.detail, !tt.absent)
		}
	}
	var broken *brokenClone
	err := judge("m: git fetch in mod/cache/vcs/"+hash+": exit status 128:\n\tfatal: Unable to create 'mod/cache/vcs/"+hash+"/shallow.lock': File exists.", "")
	if !errors.As(err, &broken) || broken.name != hash {
		t.Errorf("a stale lock is %v", err)
	}
	if err := judge(strings.Repeat("é", 1<<20), ""); len(err.Error()) > maxText+10 {
		t.Errorf("a message has %d bytes", len(err.Error()))
	}
	for in, want := range map[string]string{
		"at https://u:p@h/x":             "at https://xxxxx@h/x",
		"at https://token@h/x and":       "at https://xxxxx@h/x and",
		"'http://u:p@ss@h/' and ssh://h": "'http://xxxxx@h/' and ssh://h",
		"https://h/x@v1.0.0":             "https://h/x@v1.0.0",
	} {
		if got := redact(in); got != want {
			t.Errorf("redact(%q) = %q", in, got)
		}
	}
}
