package vcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godown-dev/godown"
)

// TestMain makes the test binary a go command, too: called as "list" or
// "mod", it does what HOME/fake.json says and then, mostly, runs the real one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "list" || os.Args[1] == "mod") {
		os.Exit(fakeGo())
	}
	os.Exit(m.Run())
}

type fake struct {
	Real     string // the go command to run
	Addr     string // connect there, wait for a byte, and stay connected until the end
	Stubborn bool   // ignore SIGTERM, start a child that does so, too, and wait for ever
	Count    bool   // leave HOME/count-N, with the number of those that run now
	Report   string // write there what is in the module cache at the end, and the environment
}

type report struct {
	Files []string
	Env   []string
}

func fakeGo() int {
	home := os.Getenv("HOME")
	data, err := os.ReadFile(filepath.Join(home, "fake.json"))
	if err != nil {
		panic(err)
	}
	var f fake
	if err := json.Unmarshal(data, &f); err != nil {
		panic(err)
	}
	if f.Stubborn {
		signal.Ignore(syscall.SIGTERM)
		if os.Args[2] != "child" {
			if err := exec.Command(os.Args[0], "list", "child").Start(); err != nil {
				panic(err)
			}
		}
	}
	if f.Count {
		me, err := os.CreateTemp(home, "run-*")
		if err != nil {
			panic(err)
		}
		me.Close()
		defer os.Remove(me.Name())
		all, _ := filepath.Glob(filepath.Join(home, "run-*"))
		os.WriteFile(filepath.Join(home, fmt.Sprintf("count-%d", len(all))), nil, 0o600)
	}
	if f.Addr != "" {
		c, err := net.Dial("tcp", f.Addr)
		if err != nil {
			panic(err)
		}
		defer c.Close()
		c.Read(make([]byte, 1))
	}
	cmd := exec.Command(f.Real, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	if f.Report != "" {
		r := report{Env: os.Environ()}
		cache := os.Getenv("GOMODCACHE")
		filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				rel, _ := filepath.Rel(cache, path)
				r.Files = append(r.Files, filepath.ToSlash(rel))
			}
			return nil
		})
		data, _ := json.Marshal(r)
		os.WriteFile(f.Report, data, 0o600)
	}
	if err != nil {
		return 1
	}
	return 0
}

// A world is a GoCommand whose git finds https://git.example.test/ in a folder of bare repositories.
type world struct {
	*testing.T
	g     *GoCommand
	home  string
	repos string
}

const repo = "git.example.test/repo.git"

func newWorld(t *testing.T) *world {
	t.Helper()
	for _, tool := range []string{"go", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("these tests need the %s command: %v", tool, err)
		}
	}
	w := &world{T: t, home: t.TempDir(), repos: t.TempDir()}
	w.g = &GoCommand{
		Dir: filepath.Join(t.TempDir(), "direct"),
		Env: append(os.Environ(), "HOME="+w.home, "USERPROFILE="+w.home, "XDG_CONFIG_HOME=",
			"GIT_CONFIG_GLOBAL="+filepath.Join(w.home, "gitconfig"), "GIT_CONFIG_NOSYSTEM=1", "GIT_ALLOW_PROTOCOL=https:http:file",
			"HTTP_PROXY=", "HTTPS_PROXY=", "http_proxy=", "https_proxy=", "ALL_PROXY=", "all_proxy="),
		Timeout: time.Minute,
	}
	w.instead("git.example.test/", "file:///"+strings.TrimPrefix(filepath.ToSlash(w.repos), "/")+"/")
	return w
}

// instead makes git go to another URL in place of https://from, and of
// http://from, which the go command tries, too, where GIT_ALLOW_PROTOCOL has http.
func (w *world) instead(from, to string) {
	for _, scheme := range []string{"https://", "http://"} {
		w.git(w.home, "config", "--file", filepath.Join(w.home, "gitconfig"), "--add", "url."+to+".insteadOf", scheme+from)
	}
}

func (w *world) git(dir string, args ...string) string {
	w.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GIT_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.test", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.test",
		"GIT_AUTHOR_DATE=2024-05-06T07:08:09Z", "GIT_COMMITTER_DATE=2024-05-06T07:08:09Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// build makes the bare repository NAME.git from a list of steps: "tag NAME",
// "branch NAME", or a map of files to commit. It returns the hash of each commit.
func (w *world) build(name string, steps ...any) (commits []string) {
	w.Helper()
	src := w.TempDir()
	w.git(src, "init", "-q", "-b", "main")
	for _, step := range steps {
		switch step := step.(type) {
		case map[string]string:
			for file, text := range step {
				file = filepath.Join(src, filepath.FromSlash(file))
				os.MkdirAll(filepath.Dir(file), 0o777)
				if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
					w.Fatal(err)
				}
			}
			w.git(src, "add", "-A")
			w.git(src, "commit", "-q", "-m", "step")
			commits = append(commits, w.git(src, "rev-parse", "HEAD"))
		case string:
			word, arg, _ := strings.Cut(step, " ")
			if word == "branch" {
				w.git(src, "checkout", "-q", "-b", arg)
			} else {
				w.git(src, "tag", arg)
			}
		}
	}
	w.git(src, "checkout", "-q", "main")
	w.git(w.repos, "clone", "-q", "--bare", src, name+".git")
	return commits
}

// standard builds the repository most tests use, and one without tags.
func (w *world) standard() (commits []string) {
	w.Helper()
	w.build("untagged", map[string]string{"go.mod": "module git.example.test/untagged.git\n", "u.go": "package u\n"})
	return w.build("repo",
		map[string]string{"go.mod": "module " + repo + "\n\ngo 1.20\n", "r.go": "package r\n", "LICENSE": "free\n"}, "tag v1.0.0",
		map[string]string{"sub/go.mod": "module " + repo + "/sub\n", "sub/s.go": "package s\n"}, "tag v1.1.0", "tag sub/v0.1.0",
		map[string]string{"go.mod": "module " + repo + "\n\ngo 1.20\n\nretract v1.1.0 // wrong\n"}, "tag v1.2.0",
		"branch dev", map[string]string{"r.go": "package r // dev\n"})
}

// fake makes the GoCommand run the test binary in place of the go command.
func (w *world) fake(f fake) {
	w.Helper()
	real, err := exec.LookPath("go")
	if err != nil {
		w.Fatal(err)
	}
	f.Real = real
	data, _ := json.Marshal(f)
	if err := os.WriteFile(filepath.Join(w.home, "fake.json"), data, 0o600); err != nil {
		w.Fatal(err)
	}
	if w.g.Go, err = os.Executable(); err != nil {
		w.Fatal(err)
	}
}

func (w *world) fetch(kind godown.Kind, path, version string) (string, error) {
	w.Helper()
	f, err := w.g.Fetch(context.Background(), godown.Request{Kind: kind, Path: path, Version: version})
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(f.Reader())
	if err != nil {
		w.Errorf("reading: %v", err)
	}
	if f.Size != int64(len(data)) || f.Origin != "direct" || (f.Data == nil) == (f.Body == nil) {
		w.Errorf("File has size %d, origin %q, data %v, body %v; content has %d bytes", f.Size, f.Origin, f.Data != nil, f.Body != nil, len(data))
	}
	if err := f.Close(); err != nil {
		w.Errorf("closing: %v", err)
	}
	return string(data), nil
}

func (w *world) want(kind godown.Kind, path, version string) string {
	w.Helper()
	got, err := w.fetch(kind, path, version)
	if err != nil {
		w.Fatalf("%v %s@%s: %v", kind, path, version, err)
	}
	return got
}

// fails checks that a request fails, by absence or not, with words in its text.
func (w *world) fails(absent bool, kind godown.Kind, path, version string, words ...string) error {
	w.Helper()
	_, err := w.fetch(kind, path, version)
	if err == nil || errors.Is(err, fs.ErrNotExist) != absent {
		w.Errorf("%v %s@%s: error %v; want absent=%v", kind, path, version, err, absent)
		return err
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			w.Errorf("%v %s@%s: error %q; want %q in it", kind, path, version, err, word)
		}
	}
	return err
}

// clean checks that nothing but the clones is left in Dir.
func (w *world) clean() {
	w.Helper()
	entries, err := os.ReadDir(w.g.Dir)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "vcs" {
			w.Errorf("%s is left in Dir", e.Name())
		}
	}
}
