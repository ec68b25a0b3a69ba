package vcs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// script is a repository of one module with some versions.
const script = `# A module.
# repo: github.com/acme/tool
at 2024-01-01T00:00:00Z
put go.mod "module github.com/acme/tool\n"
put a.go "package tool // 1\n"
commit One
tag v1.0.0
put a.go "package tool // 2\n"
commit Two
tag v1.1.0
put a.go "package tool // 3\n"
commit Three
tag v1.2.0
put a.go "package tool // 4\n"
commit Four
`

const tool = "github.com/acme/tool"

func mustAsk(t *testing.T, o *Origin, kind godown.Kind, path, version string) string {
	t.Helper()
	data, err := ask(t, o, kind, path, version)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What the remote said of its references is shared within the TTL, and asked for once by all at a time.
func TestRefsAreShared(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	o := newOrigin(t, h)
	o.TTL = time.Hour
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := ask(t, o, godown.List, tool, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mustAsk(t, o, godown.List, tool, "")
	if n := h.Count(` ls-refs$`); n != 1 {
		t.Errorf("%d look-ups of references; want 1", n)
	}
	o.Refresh(tool)
	mustAsk(t, o, godown.List, tool, "")
	if n := h.Count(` ls-refs$`); n != 2 {
		t.Errorf("%d look-ups of references after a refresh; want 2", n)
	}
}

// All files of all versions, asked for at once by many, cause a fetch a need.
func TestFetchesAreFew(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	o := newOrigin(t, h)
	o.TTL = time.Hour
	for _, v := range []string{"v1.0.0", "v1.1.0", "v1.2.0"} {
		mustAsk(t, o, godown.Info, tool, v)
	}
	var wg sync.WaitGroup
	for range 10 {
		for _, v := range []string{"v1.0.0", "v1.1.0", "v1.2.0"} {
			wg.Go(func() {
				if _, err := ask(t, o, godown.Zip, tool, v); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	// One for the first version, two for the others' small files, one for the others.
	if n := h.Count(` fetch$`); n > 4 {
		t.Errorf("%d fetches; want at most 4: %v", n, h.Log())
	}
}

// A version that is new is found though the references are fresh, once those
// are not of this moment.
func TestNewTagIsFound(t *testing.T) {
	h := godowntest.NewGitHost(t)
	repo := h.RepoText(t, "", script)
	o := newOrigin(t, h)
	o.TTL = time.Hour
	mustAsk(t, o, godown.Info, tool, "v1.2.0")
	repo.Run(t, "tag v1.3.0")
	r := o.remote(tool, &url.URL{Scheme: "https", Host: "github.com", Path: "/acme/tool"})
	r.mu.Lock()
	older := *r.list
	older.at = older.at.Add(-2 * refsSettled)
	r.list = &older
	r.mu.Unlock()
	mustAsk(t, o, godown.Info, tool, "v1.3.0")
}

// A tag that is moved after a version was made of it changes nothing, even
// when the repository here was cleared away, and is reported once.
func TestMovedTag(t *testing.T) {
	h := godowntest.NewGitHost(t)
	repo := h.RepoText(t, "", script)
	o := newOrigin(t, h)
	o.TTL = time.Nanosecond
	var drifts []Drift
	var mu sync.Mutex
	o.Moved = func(d Drift) {
		mu.Lock()
		defer mu.Unlock()
		drifts = append(drifts, d)
	}
	first := mustAsk(t, o, godown.Info, tool, "v1.0.0")
	sum, _, err := zipSum(t, o, tool, "v1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	repo.Git(t, "update-ref", "refs/tags/v1.0.0", repo.Rev(t, "v1.2.0"))
	mustAsk(t, o, godown.List, tool, "") // looks at the tags
	if again := mustAsk(t, o, godown.Info, tool, "v1.0.0"); !strings.Contains(again, first[:60]) {
		t.Errorf(".info is %s, was %s", again, first)
	}
	if again, _, err := zipSum(t, o, tool, "v1.0.0"); again != sum {
		t.Errorf("the zip has %s (%v), had %s", again, err, sum)
	}
	if err := os.RemoveAll(filepath.Join(o.Dir, "repos")); err != nil {
		t.Fatal(err)
	}
	later := newOrigin(t, h)
	later.Dir = o.Dir
	if again, _, err := zipSum(t, later, tool, "v1.0.0"); again != sum {
		t.Errorf("later the zip has %s (%v), had %s", again, err, sum)
	}
	repo.Git(t, "tag", "-d", "v1.0.0")
	mustAsk(t, o, godown.List, tool, "")
	if again, _, err := zipSum(t, o, tool, "v1.0.0"); again != sum {
		t.Errorf("without its tag the zip has %s (%v), had %s", again, err, sum)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(drifts) != 2 || drifts[0].Tag != "v1.0.0" || drifts[0].New != repo.Rev(t, "v1.2.0") || drifts[1].New != "" {
		t.Errorf("reported: %+v; want that it moved, and that it is gone", drifts)
	}
}

// A repository here that is broken in whatever way is made anew unnoticed.
func TestBrokenRepositoryIsMadeAnew(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	damages := map[string]func(dir string) error{
		"no objects": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "objects")) },
		"packs of zeros": func(dir string) error {
			return overwrite(filepath.Join(dir, "objects", "pack", "*.pack"), func(n int) []byte { return make([]byte, n) })
		},
		"packs cut short": func(dir string) error {
			return overwrite(filepath.Join(dir, "objects", "pack", "*.pack"), func(n int) []byte { return []byte("PACK") })
		},
		"indexes of zeros": func(dir string) error {
			return overwrite(filepath.Join(dir, "objects", "pack", "*.idx"), func(n int) []byte { return make([]byte, n) })
		},
		"no packs": func(dir string) error {
			return overwrite(filepath.Join(dir, "objects", "pack", "*"), nil)
		},
		"a config that is none":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "config"), []byte("\x00[["), 0o600) },
		"a shallow file of zeros": func(dir string) error { return os.WriteFile(filepath.Join(dir, "shallow"), make([]byte, 41), 0o600) },
		"a lock that was left":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "shallow.lock"), nil, 0o600) },
		"no HEAD":                 func(dir string) error { return os.Remove(filepath.Join(dir, "HEAD")) },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, h)
			mustAsk(t, o, godown.Zip, tool, "v1.0.0")
			mustAsk(t, o, godown.Info, tool, "main")
			repos, err := filepath.Glob(filepath.Join(o.Dir, "repos", "*", "*", "HEAD"))
			if err != nil || len(repos) < 2 {
				t.Fatalf("%q: %v", repos, err)
			}
			for _, head := range repos {
				if err := damage(filepath.Dir(head)); err != nil {
					t.Fatal(err)
				}
			}
			for _, who := range []string{"this process", "another"} {
				if who == "another" {
					dir := o.Dir
					o = newOrigin(t, h)
					o.Dir = dir
				}
				for _, v := range []string{"v1.0.0", "v1.1.0", "v1.2.0"} {
					if _, _, err := zipSum(t, o, tool, v); err != nil {
						t.Errorf("%s: %s: %v", who, v, err)
					}
				}
				if _, err := ask(t, o, godown.Info, tool, "main"); err != nil {
					t.Errorf("%s: main: %v", who, err)
				}
			}
		})
	}
}

// overwrite gives the files that match what content makes of their sizes, or removes them.
func overwrite(pattern string, content func(n int) []byte) error {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s: %d files: %w", pattern, len(files), err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return err
		}
		if err := os.Remove(f); err != nil { // git makes them read-only
			return err
		}
		if content == nil {
			continue
		}
		if err := os.WriteFile(f, content(int(info.Size())), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// A remote that sends too much is cut off, and what came is cleared away, also
// where no guard counts.
func TestTooLargeFetch(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", "# Big.\n# repo: github.com/acme/big\nat 2024-01-01T00:00:00Z\nput go.mod \"module github.com/acme/big\\n\"\nmkbig data.bin 3000000 1\ncommit One\ntag v1.0.0\n")
	h.Break(` fetch$`, godowntest.Latency(time.Millisecond)) // the rest of the answer comes as it comes
	o := newOrigin(t, h)
	o.MaxFetch = 1 << 20
	o.Guard = &Guard{Allow: allowAll(t), Outward: func(*url.URL) (*url.URL, error) { return url.Parse(h.URL) }}
	t.Cleanup(func() { o.Guard.Close() })
	if _, err := ask(t, o, godown.Zip, "github.com/acme/big", "v1.0.0"); err == nil || isAbsent(err) {
		t.Errorf("err = %v", err)
	}
	o.Close()
	if n := folderSize(filepath.Join(o.Dir, "repos")); n > 2<<20 {
		t.Errorf("%d bytes are left", n)
	}
}

// Over ssh nobody counts but this: what arrives on the disk.
func TestGrowthIsWatched(t *testing.T) {
	o := &Origin{MaxFetch: 1000}
	dir := t.TempDir()
	pack := filepath.Join(dir, "objects", "pack")
	if err := os.MkdirAll(pack, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, stop := o.watchGrowth(t.Context(), dir)
	defer stop()
	if err := os.WriteFile(filepath.Join(pack, "tmp_pack_x"), make([]byte, 1001), 0o600); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if err := context.Cause(ctx); !strings.Contains(err.Error(), "--git-fetch") {
		t.Errorf("cause = %v", err)
	}
}

// What is used least recently goes when there is too much; what is asked for again comes back.
func TestRepositoriesAreBounded(t *testing.T) {
	h := godowntest.NewGitHost(t)
	o := newOrigin(t, h)
	o.MaxSize = 100 << 10
	for i := range 5 {
		path := fmt.Sprintf("github.com/acme/big%d", i)
		h.RepoText(t, "", fmt.Sprintf("# Big.\n# repo: %s\nat 2024-01-01T00:00:00Z\nput go.mod \"module %s\\n\"\nmkbig data.bin 60000 %d\ncommit One\ntag v1.0.0\n", path, path, i))
		mustAsk(t, o, godown.Zip, path, "v1.0.0")
	}
	mustAsk(t, o, godown.Zip, "github.com/acme/big0", "v1.0.0")
	o.Close()
	if n := folderSize(filepath.Join(o.Dir, "repos")); n > o.MaxSize+70<<10 {
		t.Errorf("the repositories take %d bytes; %d are allowed", n, o.MaxSize)
	}
}

// A remote that is not what it should be gives an error that is not "not found".
func TestHostileRemotes(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	for name, f := range map[string]godowntest.Fault{
		"a server error": godowntest.Status(500, "broken"), "an endless answer": godowntest.Endless("application/x-git-upload-pack-advertisement", "0000"),
		"a login page": godowntest.Status(200, "<html>\n<head>\n<title>Log in</title>\n</head>\n</html>\n"), "forbidden": godowntest.Status(403, "no"), "cut off": godowntest.Cut(10),
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, h)
			o.Timeout = 20 * time.Second
			o.Guard = &Guard{Allow: allowAll(t), Outward: func(*url.URL) (*url.URL, error) { return url.Parse(h.URL) }}
			t.Cleanup(func() { o.Guard.Close() })
			o.MaxFetch = 1 << 20
			heal := h.Break(`acme/tool`, f)
			defer heal()
			_, err := ask(t, o, godown.List, tool, "")
			if err == nil || isAbsent(err) {
				t.Errorf("err = %v; want one that is not a not-found", err)
			}
		})
	}
}

func allowAll(t *testing.T) Allow {
	t.Helper()
	a, err := ParseAllow("*")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Pages that lead inwards, to files, to options, or elsewhere are not followed.
func TestHostilePages(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	inner := &http.ServeMux{}
	var reached sync.Map
	inner.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { reached.Store(r.URL.Path, true) })
	srv := &http.Server{Handler: inner}
	l := listenHere(t)
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	here := l.Addr().String()
	for _, repo := range []string{
		"http://" + here + "/x", "https://" + here + "/x", "ssh://" + here + "/x", "file:///etc/passwd", "ext::sh -c id", "--upload-pack=id", "https://-oProxyCommand=id/x",
		"ssh://-oProxyCommand=id/x", "ssh://-l@host/x", "https://169.254.169.254/latest", "https://[::1]/x", "https://localhost/x", "https://0x7f.1/x", "git://" + here + "/x",
		"https://vanity.example/-x", "https://a b/x", "https://metadata.google.internal/x",
	} {
		o := newOrigin(t, h)
		o.Guard = &Guard{}
		o.Transport = nil
		outward := func(*url.URL) (*url.URL, error) { return url.Parse(h.URL) }
		o.Guard.Outward = outward
		o.Guard.Roots = h.Transport().TLSClientConfig.RootCAs
		o.Guard.Resolver = publicResolver{}
		h.Import("vanity.example/mod", "git", repo, "")
		_, err := ask(t, o, godown.List, "vanity.example/mod", "")
		if err == nil {
			t.Errorf("%s: no error", repo)
		}
		o.Close()
		o.Guard.Close()
		h.Import("vanity.example/mod", "", "", "")
	}
	reached.Range(func(key, _ any) bool { t.Errorf("reached %v on this machine", key); return true })
}

// Module paths and versions that look like options are never given to git.
func TestOptionInjection(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	o := newOrigin(t, h)
	mark := filepath.Join(t.TempDir(), "mark")
	for _, v := range []string{"--upload-pack=touch " + mark, "-u" + mark, "--output=" + mark, "v1.0.0\nrefs/heads/main", "$(touch " + mark + ")", "v1.0.0;touch", "..", "@{-1}", "main^", "main~1", "HEAD:go.mod", ":/One"} {
		if _, err := ask(t, o, godown.Info, tool, v); !isAbsent(err) {
			t.Errorf("%q: %v; want not found", v, err)
		}
	}
	for _, p := range []string{"github.com/-acme/tool", "github.com/acme/--upload-pack=x", "-github.com/acme/tool"} {
		if _, err := ask(t, o, godown.List, p, ""); err == nil {
			t.Errorf("%q: no error", p)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a command was run")
	}
}

// A credential is shown to its host over TLS, is in no file that stays, in no
// process's arguments, and in no error; that of another host is not shown.
func TestLogins(t *testing.T) {
	const secret = "s3cr3t-0123456789"
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", strings.ReplaceAll(script, "github.com", "git.corp.example"))
	path := "git.corp.example/acme/tool"
	h.Login("git.corp.example", godowntest.BasicLogin("me", secret))
	o := newOrigin(t, h)
	o.Private = "git.corp.example"
	given := godown.Login{Name: "auth.out (test)", User: "me", Password: secret}
	wrong := false
	o.Login = func(_ context.Context, u *url.URL) (godown.Login, error) {
		if u.Host != "git.corp.example" || u.Scheme != "https" {
			return godown.Login{}, nil
		}
		l := given
		if wrong {
			l.Password = secret + "-old"
		}
		return l, nil
	}
	refused := 0
	o.Refused = func(context.Context, *url.URL, godown.Login) { refused++ }
	o.Advice = func(_ *url.URL, l godown.Login, status int) string { return fmt.Sprintf("tried %v, got %d", l, status) }
	mustAsk(t, o, godown.Zip, path, "v1.0.0")
	mustAsk(t, o, godown.Info, path, "main")
	filepath.WalkDir(o.Dir, func(file string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if data, _ := os.ReadFile(file); bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s holds the password", file)
			}
		}
		return nil
	})
	wrong = true
	o.Refresh(path)
	_, err := ask(t, o, godown.List, path, "")
	if err == nil || isAbsent(err) || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) || !strings.Contains(err.Error(), "tried auth.out (test), got 401") {
		t.Errorf("with a wrong password: %v", err)
	}
	if refused == 0 {
		t.Error("that the credential was of no use was not told")
	}
	// A bearer token, which git knows as a header only.
	h.Login("git.corp.example", godowntest.BearerLogin(secret))
	wrong, given = false, godown.Login{Name: "token", Header: http.Header{"Authorization": {"Bearer " + secret}}}
	if _, err := ask(t, o, godown.List, path, ""); err != nil {
		t.Errorf("with a bearer token: %v", err)
	}
	// A repository that moved to another host gets nothing.
	h.RepoText(t, "", strings.ReplaceAll(script, "github.com", "evil.example"))
	h.Login("git.corp.example")
	for name, l := range map[string]godown.Login{"password": {User: "me", Password: secret}, "header": given} {
		given = l
		h.Reset()
		heal := h.Break(`git.corp.example/acme/tool`, godowntest.Status(302, "", "Location: https://evil.example/acme/tool/info/refs?service=git-upload-pack"))
		o.Refresh(path)
		_, _ = ask(t, o, godown.List, path, "")
		heal()
		for _, r := range h.Log() {
			if strings.Contains(r.String(), "evil.example") && r.Header.Get("Authorization") != "" {
				t.Errorf("%s: evil.example was shown %q", name, r.Header.Get("Authorization"))
			}
		}
	}
}

// A stranger's page that names a repository which only our credentials open
// does not get it.
func TestStrangersGetNoLogin(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", strings.ReplaceAll(script, "github.com", "git.corp.example"))
	h.Login("git.corp.example", godowntest.BasicLogin("me", "secret"))
	h.Import("evil.example/mod", "git", "https://git.corp.example/acme/tool", "")
	o := newOrigin(t, h)
	o.Private = "git.corp.example"
	o.Login = func(context.Context, *url.URL) (godown.Login, error) {
		return godown.Login{User: "me", Password: "secret"}, nil
	}
	mustAsk(t, o, godown.List, "git.corp.example/acme/tool", "")
	if list, err := ask(t, o, godown.List, "evil.example/mod", ""); err == nil {
		t.Errorf("evil.example/mod has %q", list)
	}
}

// A remote that cannot leave objects out is asked for what is wanted all the same.
func TestOldRemotes(t *testing.T) {
	h := godowntest.NewGitHost(t)
	repo := h.RepoText(t, "", script)
	repo.Git(t, "config", "uploadpack.allowFilter", "false")
	repo.Git(t, "config", "uploadpack.allowAnySHA1InWant", "false")
	repo.OldProtocol(true)
	o := newOrigin(t, h)
	want := h.Direct(t).Ask(t, tool, "v1.0.0", "v1.1.0", "main", repo.Rev(t, "main~1")[:12], repo.Rev(t, "v1.0.0"))
	likeGo(t, o, want)
}

// Systems other than git go to the other source, and GOVCS is followed.
func TestOtherSystems(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.Import("hg.example/mod", "hg", "https://hg.example/mod", "")
	h.Import("svn.example/mod", "svn", "https://svn.example/mod", "")
	h.RepoText(t, "", script)
	o := newOrigin(t, h)
	var asked []string
	o.Other = godown.SourceFunc(func(_ context.Context, req godown.Request) (*godown.File, error) {
		asked = append(asked, req.Path)
		return godown.NewFile(nil), nil
	})
	mustAsk(t, o, godown.List, "hg.example/mod", "")
	var denied *godown.Denied
	if _, err := ask(t, o, godown.List, "svn.example/mod", ""); !errors.As(err, &denied) {
		t.Errorf("svn for a public module: %v", err)
	}
	o.Private = "svn.example"
	mustAsk(t, o, godown.List, "svn.example/mod", "")
	if strings.Join(asked, " ") != "hg.example/mod svn.example/mod" {
		t.Errorf("asked the other source for %q", asked)
	}
	o.GoVCS = "github.com/acme:off"
	if _, err := ask(t, o, godown.List, tool, ""); !errors.As(err, &denied) {
		t.Errorf("git, where GOVCS has off: %v", err)
	}
}

// A page may name a module proxy in the place of a repository.
func TestPageNamesProxy(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.Import("vanity.example/mod", "mod", "https://proxy.example/x", "")
	h.Handle("proxy.example/x/vanity.example/mod/@v/list", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("v1.0.0\n")) }))
	o := newOrigin(t, h)
	o.Proxy = func(u *url.URL, rt http.RoundTripper, _ godown.Login) godown.Source {
		return &godown.Upstream{URL: u, Transport: rt}
	}
	if list := mustAsk(t, o, godown.List, "vanity.example/mod", ""); list != "v1.0.0\n" {
		t.Errorf("list is %q", list)
	}
}

// Groups within groups are found: by the page where it tells, else by what is there.
func TestGroups(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "gitlab.com/group/sub/tool", strings.ReplaceAll(script, tool, "gitlab.com/group/sub/tool"))
	o := newOrigin(t, h)
	mustAsk(t, o, godown.Zip, "gitlab.com/group/sub/tool", "v1.0.0")
	// Of a private group the page says to strangers that it is a repository of two elements.
	h.Import("gitlab.com/group/sub", "git", "https://gitlab.com/group/sub.git", "")
	o = newOrigin(t, h)
	mustAsk(t, o, godown.Zip, "gitlab.com/group/sub/tool", "v1.0.0")
}

// A webhook names a repository in any of its forms.
func TestPushed(t *testing.T) {
	h := godowntest.NewGitHost(t)
	repo := h.RepoText(t, "", script)
	o := newOrigin(t, h)
	o.TTL = time.Hour
	mustAsk(t, o, godown.Info, tool, "v1.0.0")
	for _, dir := range []string{"", o.Dir} {
		if dir != "" { // a later process, which was asked for nothing yet
			o = newOrigin(t, h)
			o.Dir, o.TTL = dir, time.Hour
		}
		for _, u := range []string{"https://github.com/acme/tool.git", "git@github.com:acme/tool.git", "ssh://git@github.com/acme/tool", "https://GitHub.com/Acme/Tool"} {
			if got := o.Pushed([]string{u}); len(got) != 1 || got[0].Path != tool {
				t.Errorf("%s: %v", u, got)
			}
		}
		if got := o.Pushed([]string{"https://github.com/acme/other", "nonsense", ""}); got != nil {
			t.Errorf("another repository: %v", got)
		}
	}
	mustAsk(t, o, godown.List, tool, "")
	repo.Run(t, "tag v1.9.0")
	o.Pushed([]string{"git@github.com:acme/tool.git"})
	if list := mustAsk(t, o, godown.List, tool, ""); !strings.Contains(list, "v1.9.0") {
		t.Errorf("list after a push is %q", list)
	}
}
