package godowntest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/godown-dev/godown/internal/godowntest"
)

const toolScript = `
put go.mod "module github.com/acme/tool\n"
put LICENSE "free\n"
commit One
tag v1.0.0
put x.go "package x\n"
commit Two
tag v1.1.0 annotated
commits 20
`

// git runs git as a client of h.
func git(t *testing.T, h *godowntest.GitHost, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Environ(), h.Env()...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// visit asks h for a URL without following redirects.
func visit(t *testing.T, h *godowntest.GitHost, url string, header ...string) (int, string) {
	t.Helper()
	tr := h.Transport()
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(header) == 2 {
		req.Header.Set(header[0], header[1])
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("Location") + string(data)
}

// TestDirect lets the real go command find modules by a path that it knows, by
// .git in a path, by meta tags of ours and of others, and by a proxy's.
func TestDirect(t *testing.T) {
	t.Parallel()
	h := godowntest.NewGitHost(t)
	const repos = "../vcs/testdata/repos/"
	h.Repo(t, "", repos+"simple.txt")
	h.Repo(t, "", repos+"nested.txt")
	h.Repo(t, "", repos+"sha256.txt")
	h.Repo(t, "", repos+"majordir.txt")
	h.Repo(t, "", repos+"subdirectory.txt")
	vanity := strings.NewReplacer("github.com/acme/tool", "vanity.example/x/mod").Replace(toolScript)
	h.RepoText(t, "git.corp.example:8443/team/mod", vanity)
	h.Import("vanity.example/x/mod", "git", "https://git.corp.example:8443/team/mod.git", "")
	up := godowntest.NewUpstream(t, godowntest.NewModules(t, archive))
	h.Handle("proxy.example/", http.StripPrefix("/sub", up))
	h.Import("example.com/hello", "mod", "https://proxy.example/sub", "")
	d := h.Direct(t)
	for _, tt := range []struct{ path, versions, query, version, mod string }{
		{"github.com/acme/simple", "v0.1.0 v0.2.0 v1.0.0 v1.1.0-alpha v1.1.0-rc.1 v1.1.0 v1.2.0-pre", "latest", "v1.1.0", "module github.com/acme/simple\n\ngo 1.20\n"},
		{"github.com/acme/simple", "", "main", "v1.2.0-pre.0.20210101190705-c25da3371be5", ""},
		{"github.com/acme/nested", "v1.0.0 v1.1.0 v1.2.0", "v1.0.0", "v1.0.0", ""},
		{"github.com/acme/nested/sub", "v0.9.0 v1.0.0 v1.1.0", "v1", "v1.1.0", "module github.com/acme/nested/sub\n"},
		{"git.corp.example/team/sha256.git", "v1.0.0 v1.1.0", "v1.0", "v1.0.0", ""},
		{"git.corp.example/team/sha256.git/sub", "v1.0.0", "latest", "v1.0.0", ""},
		{"gitee.com/acme/majordir", "v1.0.0", "latest", "v1.0.0", ""}, // by the page that is there by itself
		{"gitee.com/acme/majordir/v2", "v2.0.0 v2.1.0", "latest", "v2.1.0", ""},
		{"vanity.example/lib", "v1.0.0", "latest", "v1.0.0", "module vanity.example/lib\n"},
		{"vanity.example/x/mod", "v1.0.0 v1.1.0", "latest", "v1.1.0", "module vanity.example/x/mod\n"},
		{"example.com/hello", "", "latest", "v1.1.0", ""},
	} {
		a := d.Ask(t, tt.path, tt.query)
		if got := strings.Join(a.Versions, " "); a.Err != "" || tt.versions != "" && got != tt.versions {
			t.Errorf("%s has versions %s (%s), want %s", tt.path, got, a.Err, tt.versions)
		}
		q := a.Queries[0]
		var info struct {
			Version string
			Time    time.Time
		}
		err := json.Unmarshal([]byte(q.Info), &info)
		if q.Query != tt.query || q.Version != tt.version || q.Err != "" || err != nil || info.Version != q.Version || info.Time.IsZero() {
			t.Errorf("%s@%s is %+v (%v), want %s", tt.path, tt.query, q, err, tt.version)
			continue
		}
		sum, err := dirhash.HashZip(q.Zip, dirhash.Hash1)
		if err != nil || sum != q.Sum || !strings.HasPrefix(q.ModSum, "h1:") {
			t.Errorf("%s@%s: the sum of the zip is %s (%v); %+v", tt.path, tt.query, sum, err, q)
		}
		if tt.mod != "" && q.Mod != tt.mod {
			t.Errorf("%s@%s: the .mod is %q", tt.path, tt.query, q.Mod)
		}
	}
	if n := h.Count(`GET https://vanity.example/x/mod\?go-get=1$`); n == 0 {
		t.Error("nobody asked for the meta tag")
	}
}

// TestDirectErrors checks that what the go command says against something is
// an answer, in its place, whatever else is asked at the same time.
func TestDirectErrors(t *testing.T) {
	t.Parallel()
	h := godowntest.NewGitHost(t)
	h.Repo(t, "", "../vcs/testdata/repos/casecollision.txt")
	r := h.RepoText(t, "github.com/acme/tool", "# modules: github.com/acme/tool zero v1.0.0 nosuch -d main {main:9} v1.1.0\n"+toolScript+"git branch zero v1.0.0")
	for _, alone := range []bool{false, true} {
		d := h.Direct(t)
		d.Alone = alone
		all := d.AskAll(t, r)
		if len(all) != 1 || len(all[0].Queries) != len(r.Modules[0].Queries) {
			t.Fatalf("alone=%v: the answer is %+v", alone, all)
		}
		pseudo := "v1.1.1-0.20240101002100-" + r.Rev(t, "main")[:12]
		for i, want := range []string{"v1.0.0", "v1.0.0", "unknown revision nosuch", "invalid module version", pseudo, pseudo, "v1.1.0"} {
			q := all[0].Queries[i]
			if q.Query != r.Modules[0].Queries[i] || q.Err == "" && q.Version != want || !strings.Contains(q.Version+q.Err, want) {
				t.Errorf("alone=%v: got %+v, want %s", alone, q, want)
			}
			if alone && q.Query == "v1.0.0" && !strings.Contains(q.Info, `"Ref":"refs/tags/v1.0.0"`) {
				t.Errorf("the .info of v1.0.0 has another's origin: %s", q.Info)
			}
		}
		if a := d.Ask(t, "github.com/acme/nosuch", "latest"); a.Err == "" || a.Queries[0].Err == "" {
			t.Errorf("alone=%v: a repository that does not exist has %+v", alone, a)
		}
		// No zip, and yet an .info and a .mod.
		if q := d.Ask(t, "github.com/acme/casecollision", "v1.0.0").Queries[0]; q.Zip+q.Sum != "" || q.Info == "" || q.Mod == "" || !strings.Contains(q.Err, "collision") {
			t.Errorf("alone=%v: a module whose files collide has %+v", alone, q)
		}
		if a := d.Ask(t, "unknown.example/x"); !strings.Contains(a.Err, "Bad Gateway") {
			t.Errorf("alone=%v: a host that does not exist has %+v", alone, a)
		}
	}
}

func TestGitClient(t *testing.T) {
	t.Parallel()
	h := godowntest.NewGitHost(t)
	r := h.RepoText(t, "git.example/a/tool.git", toolScript)
	tip := r.Rev(t, "main")
	for _, tt := range []struct {
		url  string
		old  bool
		want []string
	}{
		{"https://git.example/a/tool", false, []string{
			"GET https://git.example/a/tool/info/refs?service=git-upload-pack advertise",
			"POST https://git.example/a/tool/git-upload-pack ls-refs",
			"POST https://git.example/a/tool/git-upload-pack fetch",
		}},
		{"https://git.example/a/tool.git", true, []string{
			"GET https://git.example/a/tool.git/info/refs?service=git-upload-pack advertise",
			"POST https://git.example/a/tool.git/git-upload-pack fetch",
		}},
		{"http://git.example/a/tool.git/", false, []string{
			"GET http://git.example/a/tool.git/info/refs?service=git-upload-pack advertise",
			"POST http://git.example/a/tool.git/git-upload-pack ls-refs",
			"POST http://git.example/a/tool.git/git-upload-pack fetch",
		}},
	} {
		h.Reset()
		r.OldProtocol(tt.old)
		dir := filepath.Join(t.TempDir(), "clone")
		if out, err := git(t, h, "clone", "-q", "--depth=1", tt.url, dir); err != nil {
			t.Fatalf("clone %s: %v\n%s", tt.url, err, out)
		}
		if out, err := git(t, h, "-C", dir, "rev-parse", "HEAD"); err != nil || strings.TrimSpace(out) != tip {
			t.Errorf("clone %s has %s (%v), want %s", tt.url, out, err, tip)
		}
		var got []string
		for _, q := range h.Log() {
			got = append(got, q.String())
			if q.Service != "git-upload-pack" || q.Status != 200 || q.Sent == 0 {
				t.Errorf("%s: service %q, status %d, %d bytes sent", q, q.Service, q.Status, q.Sent)
			}
			if q.Command == "fetch" && !strings.Contains(string(q.Body), "deepen 1") {
				t.Errorf("%s: the body is %q", q, q.Body)
			}
		}
		got = slices.Compact(got) // the old protocol takes two turns for a shallow clone
		if !slices.Equal(got, tt.want) {
			t.Errorf("clone %s asks\n%s\nwant\n%s", tt.url, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// TestGitPowers checks what is allowed of an uncommon fetch, and that a script can forbid it.
func TestGitPowers(t *testing.T) {
	t.Parallel()
	h := godowntest.NewGitHost(t)
	r := h.RepoText(t, "git.example/tool", toolScript)
	r.OldProtocol(true) // version 2 gives any commit
	hidden := r.Rev(t, "main~5")
	for _, able := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "clone")
		h.Reset()
		if out, err := git(t, h, "clone", "-q", "--bare", "--filter=blob:none", "--depth=1", "https://git.example/tool", dir); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		filtered := slices.ContainsFunc(h.Log(), func(q godowntest.GitRequest) bool {
			return strings.Contains(string(q.Body), "filter blob:none")
		})
		out, err := git(t, h, "-C", dir, "fetch", "-q", "--depth=1", "origin", hidden)
		if filtered != able || (err == nil) != able {
			t.Errorf("allowed=%v: filter is %v, fetching a commit gives %v %s", able, filtered, err, out)
		}
		r.Run(t, "git config uploadpack.allowFilter false\ngit config uploadpack.allowAnySHA1InWant false")
	}
}

func TestGitLogin(t *testing.T) {
	t.Parallel()
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "git.example/team/secret/mod.git", strings.ReplaceAll(toolScript, "github.com/acme/tool", "git.example/team/secret/mod.git"))
	h.RepoText(t, "git.example/team/open", toolScript)
	h.RepoText(t, "other.example/open", toolScript)
	h.Login("git.example/team", godowntest.BasicLogin("ann", "pa ss"), godowntest.BearerLogin("t0ken"))
	h.Login("git.example/team/open")
	const url = "https://git.example/team/secret/mod.git"
	if out, err := git(t, h, "ls-remote", url); err == nil || !strings.Contains(out, "terminal prompts disabled") {
		t.Errorf("without a login: %v\n%s", err, out)
	}
	if a := h.Direct(t).Ask(t, "git.example/team/secret/mod.git", "latest"); a.Err == "" || a.Queries[0].Err == "" {
		t.Errorf("without a login the go command says %+v", a)
	}
	for _, login := range []string{godowntest.BasicLogin("ann", "pa ss"), godowntest.BearerLogin("t0ken")} {
		if out, err := git(t, h, "-c", "http.extraHeader=Authorization: "+login, "ls-remote", url); err != nil {
			t.Errorf("with %s: %v\n%s", login, err, out)
		}
	}
	if out, err := git(t, h, "-c", "http.extraHeader=Authorization: Bearer wrong", "ls-remote", url); err == nil {
		t.Errorf("with a wrong login: %s", out)
	}
	for _, open := range []string{"https://git.example/team/open", "https://other.example/open"} {
		if out, err := git(t, h, "ls-remote", open); err != nil {
			t.Errorf("%s: %v\n%s", open, err, out)
		}
	}
	if code, _ := visit(t, h, "https://git.example/team/secret?go-get=1"); code != 401 {
		t.Errorf("a page that wants a login answers %d", code)
	}
	h.Login("git.example/team", godowntest.BasicLogin("ann", "word"))
	if err := os.WriteFile(filepath.Join(h.Home, ".netrc"), []byte("machine git.example login ann password word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Reset()
	if a := h.Direct(t).Ask(t, "git.example/team/secret/mod.git", "latest"); a.Err != "" || a.Queries[0].Version != "v1.1.0" {
		t.Errorf("with .netrc the go command says %+v", a)
	}
	shown := func(q godowntest.GitRequest) bool {
		return q.Header.Get("Authorization") == godowntest.BasicLogin("ann", "word")
	}
	if !slices.ContainsFunc(h.Log(), shown) {
		t.Error("the log does not show the login")
	}
}

func TestGitPages(t *testing.T) {
	t.Parallel()
	h := godowntest.NewGitHost(t)
	old := h.RepoText(t, "git.example/old", toolScript)
	h.RepoText(t, "git.example/old/inner", toolScript)
	h.Import("v.example/a", "git", "https://git.example/old", "")
	h.Import("v.example/a/b", "git", "https://git.example/old", "sub/dir")
	h.Import("v.example/a/b", "hg", `ftp://x"y`, "")
	h.Handle("v.example/a/exact", http.NotFoundHandler())
	h.Handle("v.example/tree/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "tree") }))
	h.Redirect("gone.example/x", "https://git.example/old")
	const tag = `<meta name="go-import" content="`
	for _, tt := range []struct {
		url  string
		code int
		want string
	}{
		{"https://v.example/a?go-get=1", 200, tag + `v.example/a git https://git.example/old">`},
		{"https://v.example/a/x/y?go-get=1", 200, tag + `v.example/a git https://git.example/old">`},
		{"https://v.example/a/b/c?go-get=1", 200, tag + `v.example/a/b git https://git.example/old sub/dir">` + "\n" + tag + `v.example/a/b hg ftp://x&#34;y">`},
		{"http://v.example/a?go-get=1", 200, tag},
		{"https://v.example/a", 200, "<head>\n</head>"},
		{"https://v.example/ab?go-get=1", 404, ""},
		{"https://v.example/a/exact?go-get=1", 404, ""},
		{"https://v.example/a/exact/x?go-get=1", 200, tag},
		{"https://v.example/tree/x/y?go-get=1", 200, "tree"},
		{"https://git.example/old?go-get=1", 200, tag + `git.example/old git https://git.example/old.git">`},
		{"https://git.example/old/x/info/refs?go-get=1", 200, tag + `git.example/old git https://git.example/old.git">`},
		{"https://git.example/old/inner/x?go-get=1", 200, tag + `git.example/old/inner git https://git.example/old/inner.git">`},
		{"https://git.example/other?go-get=1", 404, ""},
		{"https://git.example/other/info/refs?service=git-upload-pack", 404, ""},
		{"https://gone.example/x/info/refs?service=git-upload-pack", 301, "https://git.example/old/info/refs?service=git-upload-pack"},
		{"https://unknown.example/", 0, "Bad Gateway"},
		{"http://unknown.example/", 502, "no such host"},
	} {
		if code, text := visit(t, h, tt.url); code != tt.code || !strings.Contains(text, tt.want) {
			t.Errorf("%s answers %d %s, want %d %s", tt.url, code, text, tt.code, tt.want)
		}
	}
	for range 10 { // the longest name wins, not one by chance
		if _, text := visit(t, h, "https://git.example/old/inner?go-get=1"); !strings.Contains(text, tag+"git.example/old/inner ") {
			t.Errorf("a repository in another's folder has %s", text)
		}
	}
	if out, err := git(t, h, "ls-remote", "https://gone.example/x"); err != nil || !strings.Contains(out, "refs/tags/v1.1.0") {
		t.Errorf("through a redirect: %v\n%s", err, out)
	}
	plug := h.Unplug("git.example")
	if code, text := visit(t, h, "https://git.example/old"); code != 0 {
		t.Errorf("an unplugged host answers %d %s", code, text)
	}
	plug()
	if code, text := visit(t, h, "https://git.example/old"); code != 200 {
		t.Errorf("a plugged host answers %d %s", code, text)
	}
	old.Remove()
	if out, err := git(t, h, "ls-remote", "https://git.example/old"); err == nil || !strings.Contains(out, "not found") {
		t.Errorf("a removed repository: %v\n%s", err, out)
	}
}

func TestGitFaults(t *testing.T) {
	t.Parallel()
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "git.example/tool", toolScript)
	clone := func() (string, error) {
		return git(t, h, "clone", "-q", "--bare", "https://git.example/tool", filepath.Join(t.TempDir(), "clone"))
	}
	for _, tt := range []struct {
		match string
		fault godowntest.Fault
		want  string
	}{
		{` advertise$`, godowntest.Status(500, "broken"), "error: 500"},
		{` ls-refs$`, godowntest.Status(503, "broken"), "HTTP 503"},
		{` fetch$`, godowntest.Cut(100), "fatal: "},
		{`/tool/.* advertise$`, godowntest.Status(302, "", "Location: https://git.example/nosuch/info/refs?service=git-upload-pack"), "not found"},
		{` advertise$`, godowntest.LoginPage(), "fatal: "},
	} {
		heal := h.Break(tt.match, tt.fault)
		if out, err := clone(); err == nil || !strings.Contains(out, tt.want) {
			t.Errorf("%s: %v\n%s\nwant %q", tt.match, err, out, tt.want)
		}
		heal()
		if out, err := clone(); err != nil {
			t.Errorf("healed: %v\n%s", err, out)
		}
	}
	h.Reset()
	h.BreakTimes(1, ` fetch$`, godowntest.Cut(10)) // with none at all, git tries again by itself
	if _, err := clone(); err == nil {
		t.Error("a cut fetch is a success")
	}
	if _, err := clone(); err != nil || h.Count(` fetch$`) != 2 || h.Count(`.`) != 6 {
		t.Errorf("the second one gives %v after %d requests", err, h.Count(`.`))
	}
	h.Break(`.`, godowntest.Status(418, ""))
	h.Heal()
	h.Break(` fetch$`, godowntest.Latency(time.Millisecond))
	if out, err := clone(); err != nil {
		t.Errorf("late: %v\n%s", err, out)
	}
}

// TestGitHostEnds closes a host on which requests never end of themselves.
func TestGitHostEnds(t *testing.T) {
	t.Parallel()
	h, err := godowntest.StartGitHost(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.RepoText(t, "git.example/tool", toolScript)
	h.Break(`/git-upload-pack`, godowntest.Hang())
	h.Break(`endless`, godowntest.Endless("text/html", "<!-- again and again -->"))
	started := make(chan struct{}, 3)
	h.Break(`.`, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			started <- struct{}{}
			next.ServeHTTP(w, r)
		})
	})
	tr := h.Transport()
	defer tr.CloseIdleConnections()
	var wg sync.WaitGroup
	ask := func(ctx context.Context, method, url string) {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("x"))
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := tr.RoundTrip(req)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if err == nil {
				t.Errorf("%s comes to an end", url)
			}
		})
	}
	leave, cancel := context.WithCancel(t.Context())
	ask(leave, "POST", "https://git.example/tool/git-upload-pack") // its client goes away first
	<-started
	cancel()
	wg.Wait()
	ask(t.Context(), "POST", "https://git.example/tool/git-upload-pack")
	ask(t.Context(), "GET", "https://git.example/endless")
	<-started
	<-started
	h.Close()
	wg.Wait()
	h.Close() // once more does no harm
	if code, _ := visit(t, h, "https://git.example/tool"); code != 0 {
		t.Errorf("a closed host answers %d", code)
	}
}
