package vcs

import (
	"archive/zip"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"
)

// version returns the version in an .info file.
func version(t *testing.T, info string) string {
	t.Helper()
	var v struct {
		Version string
		Time    string
		Origin  struct{ Hash string }
	}
	if err := json.Unmarshal([]byte(info), &v); err != nil || v.Time == "" || v.Origin.Hash == "" {
		t.Errorf(".info is %q: %v", info, err)
	}
	return v.Version
}

func TestFetch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	commits := w.standard()
	dev := "v1.2.1-0.20240506070809-" + commits[3][:12]
	one := "v1.0.1-0.20240506070809-" + commits[1][:12]

	for _, tt := range []struct {
		kind          godown.Kind
		path, version string
		want          string // content, or the version in an .info
	}{
		{godown.List, repo, "", "v1.0.0\nv1.1.0\nv1.2.0\n"}, // with the retracted one
		{godown.List, repo + "/sub", "", "v0.1.0\n"},
		{godown.List, "git.example.test/untagged.git", "", ""},
		{godown.Latest, repo, "", "v1.2.0"},
		{godown.Latest, repo + "/sub", "", "v0.1.0"},
		{godown.Info, repo, "v1.0.0", "v1.0.0"},
		{godown.Info, repo, "v1.1.0", "v1.1.0"}, // though retracted
		{godown.Info, repo, "v1.0", "v1.0.0"},
		{godown.Info, repo, "v1", "v1.2.0"},
		{godown.Info, repo, "latest", "v1.2.0"},
		{godown.Info, repo, "main", "v1.2.0"},
		{godown.Info, repo, "dev", dev},
		{godown.Info, repo, commits[3], dev},
		{godown.Info, repo, commits[3][:8], dev},
		{godown.Info, repo, dev, dev},
		{godown.Info, repo, one, one},
		{godown.Info, repo + "/sub", "v0.1.0", "v0.1.0"},
		{godown.Mod, repo, "v1.0.0", "module " + repo + "\n\ngo 1.20\n"},
		{godown.Mod, repo, dev, "module " + repo + "\n\ngo 1.20\n\nretract v1.1.0 // wrong\n"},
		{godown.Mod, repo + "/sub", "v0.1.0", "module " + repo + "/sub\n"},
	} {
		got := w.want(tt.kind, tt.path, tt.version)
		if tt.kind == godown.Latest || tt.kind == godown.Info {
			got = version(t, got)
		}
		if got != tt.want {
			t.Errorf("%v %s@%s: got %q, want %q", tt.kind, tt.path, tt.version, got, tt.want)
		}
	}
	pseudo := version(t, w.want(godown.Latest, "git.example.test/untagged.git", ""))
	if !module.IsPseudoVersion(pseudo) || !strings.HasPrefix(pseudo, "v0.0.0-20240506070809-") {
		t.Errorf("latest of a repository without tags is %s", pseudo)
	}
	w.clean()
}

func TestZip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.standard()
	for _, tt := range []struct {
		path, version string
		files         map[string]string
	}{
		{repo, "v1.0.0", map[string]string{"go.mod": "module " + repo + "\n\ngo 1.20\n", "r.go": "package r\n", "LICENSE": "free\n"}},
		{repo + "/sub", "v0.1.0", map[string]string{"go.mod": "module " + repo + "/sub\n", "s.go": "package s\n", "LICENSE": "free\n"}},
	} {
		m := module.Version{Path: tt.path, Version: tt.version}
		f, err := w.g.Fetch(context.Background(), godown.Request{Kind: godown.Zip, Path: m.Path, Version: m.Version})
		if err != nil {
			t.Fatal(err)
		}
		r, err := zip.NewReader(f.Body.(io.ReaderAt), f.Size)
		if err != nil || len(r.File) != len(tt.files) {
			t.Fatalf("%v: %v, %d files", m, err, len(r.File))
		}
		got := filepath.Join(t.TempDir(), "got.zip")
		data, _ := io.ReadAll(f.Reader())
		os.WriteFile(got, data, 0o600)
		if err := f.Close(); err != nil {
			t.Error(err)
		}

		dir := t.TempDir()
		for name, text := range tt.files {
			os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
		}
		want, err := os.Create(filepath.Join(t.TempDir(), "want.zip"))
		if err != nil {
			t.Fatal(err)
		}
		if err := modzip.CreateFromDir(want, m, dir); err != nil {
			t.Fatal(err)
		}
		want.Close()
		h1, err1 := dirhash.HashZip(got, dirhash.Hash1)
		h2, err2 := dirhash.HashZip(want.Name(), dirhash.Hash1)
		if err1 != nil || err2 != nil || h1 != h2 {
			t.Errorf("%v: hash %s (%v), want %s (%v)", m, h1, err1, h2, err2)
		}
	}
	w.clean()
}

// TestLazy checks that only a zip makes a zip, and what the go command gets to see of our environment.
func TestLazy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.standard()
	at := filepath.Join(w.home, "report.json")
	w.fake(fake{Report: at})
	for _, req := range []godown.Request{
		{Kind: godown.List, Path: repo},
		{Kind: godown.Latest, Path: repo},
		{Kind: godown.Info, Path: repo, Version: "dev"},
		{Kind: godown.Mod, Path: repo, Version: "v1.0.0"},
		{Kind: godown.Zip, Path: repo, Version: "v1.0.0"},
	} {
		w.want(req.Kind, req.Path, req.Version)
		data, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		var r report
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
		zips := slices.ContainsFunc(r.Files, func(f string) bool { return strings.HasSuffix(f, ".zip") })
		extracted := slices.ContainsFunc(r.Files, func(f string) bool { return strings.HasSuffix(f, ".go") })
		if want := req.Kind == godown.Zip; zips != want || extracted && !want {
			t.Errorf("%v left in the module cache: %q", req, r.Files)
		}
	}
}

// TestIsolated checks that nothing of the caller's Go settings counts, and that
// nothing is written to its caches; nor does a go.mod or go.work around Dir count.
func TestIsolated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.standard()
	around := t.TempDir()
	os.WriteFile(filepath.Join(around, "go.mod"), []byte("this is no go.mod\n"), 0o600)
	os.WriteFile(filepath.Join(around, "go.work"), []byte("this is no go.work\n"), 0o600)
	for _, dir := range []string{"", ".config/go", "Library/Application Support/go", "AppData/Roaming/go"} { // where systems have it
		dir = filepath.Join(w.home, filepath.FromSlash(dir))
		os.MkdirAll(dir, 0o700)
		os.WriteFile(filepath.Join(dir, "env"), []byte("GOPROXY=off\nGOVCS=*:off\nGOAUTH=nosuchcommand\n"), 0o600)
	}
	callers := t.TempDir()
	w.g.Dir = filepath.Join(around, "direct")
	w.g.Env = append(w.g.Env, "GOENV="+filepath.Join(w.home, "env"), "GOFLAGS=-nosuchflag", "GOPROXY=off", "GOTOOLCHAIN=go1.99.0", "GOWORK="+around,
		"GOMODCACHE="+filepath.Join(callers, "mod"), "GOPATH="+filepath.Join(callers, "path"), "GOCACHE="+filepath.Join(callers, "build"),
		"TMPDIR="+filepath.Join(callers, "tmp"), "GO111MODULE=off", "GOSUMDB=nowhere.example.test",
		"GIT_DIR="+callers, "GIT_WORK_TREE="+callers, "GIT_TRACE=1", "GIT_ASKPASS=nowhere")
	at := filepath.Join(w.home, "report.json")
	w.fake(fake{Report: at})
	w.want(godown.Zip, repo, "v1.0.0")
	w.want(godown.List, repo, "")
	if entries, err := os.ReadDir(callers); err != nil || len(entries) != 0 {
		t.Errorf("the caller's folders have %v (%v)", entries, err)
	}
	data, _ := os.ReadFile(at)
	for _, word := range []string{"nosuchflag", callers, "go1.99", "GIT_TRACE", "nowhere"} {
		if strings.Contains(string(data), word) {
			t.Errorf("the go command got to see %q", word)
		}
	}
	w.clean()
}

// TestAgain checks that a second version needs no second clone, even of a repository that has gone.
func TestAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.standard()
	count := func() (n int) {
		entries, err := os.ReadDir(filepath.Join(w.g.Dir, "vcs"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() {
				n++
			}
		}
		return n
	}
	w.want(godown.Mod, repo, "v1.0.0")
	w.want(godown.Zip, repo, "v1.1.0")
	w.want(godown.Zip, repo+"/sub", "v0.1.0")
	if n := count(); n != 1 {
		t.Errorf("%d clones of one repository", n)
	}
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.standard()
	var wg sync.WaitGroup
	for _, req := range []godown.Request{
		{Kind: godown.List, Path: repo}, {Kind: godown.Latest, Path: repo},
		{Kind: godown.Zip, Path: repo, Version: "v1.0.0"}, {Kind: godown.Zip, Path: repo, Version: "v1.1.0"},
		{Kind: godown.Zip, Path: repo, Version: "v1.2.0"}, {Kind: godown.Mod, Path: repo, Version: "v1.0.0"},
		{Kind: godown.Info, Path: repo, Version: "dev"}, {Kind: godown.Zip, Path: repo + "/sub", Version: "v0.1.0"},
	} {
		wg.Go(func() {
			if _, err := w.fetch(req.Kind, req.Path, req.Version); err != nil {
				t.Errorf("%v: %v", req, err)
			}
		})
	}
	wg.Wait()
	w.clean()
}
