package vcs

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
)

// newOrigin returns an Origin that sees the internet of h.
func newOrigin(t *testing.T, h *godowntest.GitHost) *Origin {
	t.Helper()
	o := &Origin{
		Dir:       t.TempDir(),
		Env:       append(os.Environ(), h.Env()...),
		Transport: func(bool) *http.Transport { return h.Transport() },
	}
	t.Cleanup(o.Close)
	return o
}

func ask(t *testing.T, o *Origin, kind godown.Kind, path, version string) (string, error) {
	t.Helper()
	f, err := o.Fetch(t.Context(), godown.Request{Kind: kind, Path: path, Version: version})
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(f.Reader())
	return string(data), err
}

// zipSum fetches a zip, and returns its hash and its file.
func zipSum(t *testing.T, o *Origin, path, version string) (sum, file string, err error) {
	t.Helper()
	f, err := o.Fetch(t.Context(), godown.Request{Kind: godown.Zip, Path: path, Version: version})
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	data, err := io.ReadAll(f.Reader())
	if err != nil {
		return "", "", err
	}
	file = filepath.Join(t.TempDir(), "module.zip")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	sum, err = dirhash.HashZip(file, dirhash.Hash1)
	if err != nil {
		t.Errorf("%s@%s: the zip cannot be read: %v", path, version, err)
	}
	if f.Made != nil && (f.Made.H1 != sum || f.Made.SHA256 != sha256.Sum256(data)) {
		t.Errorf("%s@%s: made as %+v, but has %s", path, version, f.Made, sum)
	}
	return sum, file, nil
}

// Every repository gives the same answers as the go command gets from it: list,
// what queries stand for, .info, .mod, and the hash of the zip.
func TestOriginLikeGo(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join("testdata", "repos", "*.txt"))
	if err != nil || len(scripts) < 40 {
		t.Fatalf("%d scripts: %v", len(scripts), err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txt"), func(t *testing.T) {
			t.Parallel()
			h := godowntest.NewGitHost(t)
			repo := h.Repo(t, "", script)
			for {
				d := h.Direct(t)
				o := newOrigin(t, h)
				for _, want := range d.AskAll(t, repo) {
					likeGo(t, o, want)
				}
				if !repo.Next(t) {
					break
				}
			}
		})
	}
}

func likeGo(t *testing.T, o *Origin, want godowntest.DirectAnswer) {
	t.Helper()
	list, err := ask(t, o, godown.List, want.Path, "")
	if (err != nil) != (want.Err != "") {
		t.Errorf("%s: list: %v; go says %q", want.Path, err, want.Err)
	}
	if got := strings.Fields(list); err == nil && !slices.Equal(got, want.Versions) {
		t.Errorf("%s: list is %q; go says %q", want.Path, got, want.Versions)
	}
	for _, q := range want.Queries {
		asked := godown.Request{Kind: godown.Info, Path: want.Path, Version: q.Query}
		if parsed, err := godown.ParseRequest(asked.Name()); err != nil || parsed != asked {
			continue // no proxy can be asked for it
		}
		name := want.Path + "@" + q.Query
		kind := godown.Info
		if q.Query == "latest" {
			kind = godown.Latest
		}
		query := q.Query
		if kind == godown.Latest {
			query = ""
		}
		info, err := ask(t, o, kind, want.Path, query)
		if (err != nil) != (q.Info == "") {
			t.Errorf("%s: .info: %v; go says %q %q", name, err, q.Info, q.Err)
			continue
		}
		if err != nil {
			if !isAbsent(err) {
				t.Errorf("%s: .info: %v, which is not a not-found; go says %q", name, err, q.Err)
			}
			continue
		}
		sameInfo(t, name, info, q.Info)
		var i struct{ Version string }
		if err := json.Unmarshal([]byte(info), &i); err != nil {
			t.Fatal(err)
		}
		mod, err := ask(t, o, godown.Mod, want.Path, i.Version)
		if mod != q.Mod {
			t.Errorf("%s: .mod is %q (%v); go says %q", name, mod, err, q.Mod)
		}
		sum, file, err := zipSum(t, o, want.Path, i.Version)
		if sum != q.Sum {
			if strings.Contains(q.Err, "requires go >=") && err == nil {
				continue // an old go command cannot say what it is
			}
			t.Errorf("%s: the zip has %q (%v); go says %q %q", name, sum, err, q.Sum, q.Err)
		}
		if sum != "" && q.Zip != "" {
			sameFiles(t, name, file, q.Zip)
		}
	}
}

// sameInfo compares two .info files. That of the go command is one of a version:
// what would say when the answer to a query is out of date is not in it.
func sameInfo(t *testing.T, name, got, want string) {
	t.Helper()
	var g, w infoFile
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: .info is %q: %v", name, got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, "@"+g.Version) && !module.IsPseudoVersion(g.Version) {
		if tag := "refs/tags/" + strings.TrimSuffix(g.Version, "+incompatible"); g.Origin.Subdir == "" && g.Origin.Ref != tag {
			t.Errorf("%s: .info has %q, not %s", name, g.Origin.Ref, tag)
		}
	}
	g.Origin.settle(g.Version)
	g.Origin.Ref, w.Origin.Ref = "", "" // it may be that of another query for the same version
	if g != w {
		t.Errorf("%s: .info is\n%s\ngo says\n%s", name, got, want)
	}
}

// sameFiles compares the names in two zips, in their order; that what they
// hold is the same, their hashes say.
func sameFiles(t *testing.T, name, got, want string) {
	t.Helper()
	if a, b := contents(t, got), contents(t, want); a != b {
		t.Errorf("%s: the zip has %s, go's has %s", name, a, b)
	}
}

func contents(t *testing.T, file string) string {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		return err.Error()
	}
	defer z.Close()
	var b strings.Builder
	for _, f := range z.File {
		h := f.FileHeader
		h.Name = h.Name[strings.IndexByte(h.Name, '@')+1:]
		b.WriteString(h.Name + " ")
	}
	return b.String()
}
