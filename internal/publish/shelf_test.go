package publish_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/publish"
)

const everything = "example.com,example.org,gopkg.in"

// newShelf returns a shelf in a folder of the test.
func newShelf(t *testing.T) (*publish.Shelf, *godown.Dir) {
	t.Helper()
	dir, err := godown.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return &publish.Shelf{Store: dir, Prefixes: everything}, dir
}

// entry is a file below path@version/.
func entry(path, version, name, content string) godowntest.Entry {
	return godowntest.Entry{Name: path + "@" + version + "/" + name, Data: []byte(content)}
}

// pack returns a module zip with a go.mod and a file of this content.
func pack(path, version, content string) []byte {
	return godowntest.Zip(entry(path, version, "go.mod", "module "+path+"\n"), entry(path, version, "x.go", content))
}

func put(t *testing.T, s *publish.Shelf, path, version string, zip []byte) (publish.Receipt, error) {
	t.Helper()
	return s.Publish(t.Context(), path, version, bytes.NewReader(zip), int64(len(zip)))
}

func mustPut(t *testing.T, s *publish.Shelf, path, version, content string) publish.Receipt {
	t.Helper()
	got, err := put(t, s, path, version, pack(path, version, content))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func fetch(ctx context.Context, src godown.Source, req godown.Request) (string, error) {
	f, err := src.Fetch(ctx, req)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(f.Reader())
	return string(data), err
}

const archive = `
-- example.com/hello@v0.1.0/go.mod --
module example.com/hello
-- example.com/hello@v1.0.0/go.mod --
module example.com/hello

go 1.26
-- example.com/hello@v1.0.0/hello.go --
package hello
-- example.com/hello@v1.1.0-rc.1/go.mod --
module example.com/hello
-- example.com/Hello/v2@v2.0.0-Beta/go.mod --
module example.com/Hello/v2
-- example.com/Hello/v2@v2.0.0-Beta/LICENSE --
none
-- gopkg.in/old.v3@v3.0.1/go.mod --
module gopkg.in/old.v3
`

// What was published is a Source like any other.
func TestShelfIsASource(t *testing.T) {
	mods := godowntest.NewModules(t, archive)
	s, _ := newShelf(t)
	synctest.Test(t, func(t *testing.T) {
		for _, v := range mods.Versions() {
			info := mods.Data(godown.Request{Kind: godown.Info, Path: v.Path, Version: v.Version}.Name())
			<-time.After(time.Until(timeOf(t, info)) + time.Second/2) // the .info has whole seconds
			zip := mods.Data(godown.Request{Kind: godown.Zip, Path: v.Path, Version: v.Version}.Name())
			got, err := put(t, s, v.Path, v.Version, zip)
			sums, _ := mods.Sums(v.Path, v.Version)
			if err != nil || got != (publish.Receipt{H1: sums.Zip}) {
				t.Errorf("Publish(%v) = %+v, %v, want hash %s", v, got, err, sums.Zip)
			}
		}
	})
	godowntest.TestSource(t, s, mods)
}

func TestQueries(t *testing.T) {
	s, _ := newShelf(t)
	const m, pre, v2 = "example.com/m", "example.com/pre", "example.com/m/v2"
	for _, v := range []string{"v1.2.0", "v1.10.0", "v1.2.10-rc.1", "v1.2.9", "v0.9.0", "v1.20.0-rc.1", "v1.3.0-rc.1"} {
		mustPut(t, s, m, v, v)
	}
	for _, v := range []string{"v1.0.0-rc.2", "v1.0.0-rc.10"} {
		mustPut(t, s, pre, v, v)
	}
	mustPut(t, s, v2, "v2.0.0", "")
	tests := []struct {
		path, query string // @latest if empty
		want        string // empty: does not exist
	}{
		{m, "", "v1.10.0"},
		{m, "latest", "v1.10.0"},
		{m, "v1", "v1.10.0"},
		{m, "v1.2", "v1.2.9"},
		{m, "v1.3", ""}, // v1.3.0-rc.1 is less than v1.3.0
		{m, "v0", "v0.9.0"},
		{m, "v2", ""},
		{m, "v1.1", ""},
		{m, "v1.2.0", "v1.2.0"},
		{m, "v1.2.0+meta", ""},
		{m, "v2.0.0", ""},
		{m, "v1.2.1", ""},
		{m, "main", ""},
		{m, "upgrade", ""},
		{pre, "", "v1.0.0-rc.10"},
		{pre, "latest", "v1.0.0-rc.10"},
		{pre, "v1", ""},
		{v2, "v2", "v2.0.0"},
		{v2, "v1", ""},
		{"example.com", "", ""},
		{"bad path", "latest", ""},
	}
	for _, tt := range tests {
		req := godown.Request{Kind: godown.Info, Path: tt.path, Version: tt.query}
		if tt.query == "" {
			req.Kind = godown.Latest
		}
		got, err := fetch(t.Context(), s, req)
		switch {
		case tt.want == "" && !errors.Is(err, fs.ErrNotExist):
			t.Errorf("%v: %s, error %v, want an fs.ErrNotExist", req, got, err)
		case tt.want != "" && (err != nil || !strings.HasPrefix(got, `{"Version":"`+tt.want+`","Time":"`)):
			t.Errorf("%v: %s, error %v, want %s", req, got, err, tt.want)
		}
	}
	for _, req := range []godown.Request{
		{Kind: godown.List, Path: "bad path"}, {Kind: godown.Latest, Path: ""}, {Kind: godown.Mod, Path: m, Version: "../v1.2.0"},
		{Kind: godown.Zip, Path: "Bad!/x", Version: "v1.0.0"}, {Kind: godown.Info, Path: ".x", Version: "v1.0.0"}, {Path: m},
	} {
		if got, err := fetch(t.Context(), s, req); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: %s, error %v, want an fs.ErrNotExist", req, got, err)
		}
	}
	list, err := fetch(t.Context(), s, godown.Request{Kind: godown.List, Path: m})
	if want := "v0.9.0\nv1.2.0\nv1.2.9\nv1.2.10-rc.1\nv1.3.0-rc.1\nv1.10.0\nv1.20.0-rc.1\n"; list != want || err != nil {
		t.Errorf("list is %q, error %v, want %q", list, err, want)
	}
}

// A store that cannot be read is not one that has nothing.
func TestStoreFails(t *testing.T) {
	s, dir := newShelf(t)
	mustPut(t, s, "example.com/m", "v1.0.0", "")
	dir.Close()
	for _, req := range []godown.Request{
		{Kind: godown.List, Path: "example.com/m"},
		{Kind: godown.Latest, Path: "example.com/m"},
		{Kind: godown.Info, Path: "example.com/m", Version: "v1"},
		{Kind: godown.Info, Path: "example.com/m", Version: "v1.0.0"},
		{Kind: godown.Mod, Path: "example.com/m", Version: "v1.0.0"},
		{Kind: godown.Zip, Path: "example.com/m", Version: "v1.0.0"},
	} {
		if got, err := fetch(t.Context(), s, req); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: %q, error %v, want one that is no fs.ErrNotExist", req, got, err)
		}
	}
	if _, err := put(t, s, "example.com/m", "v1.0.0", pack("example.com/m", "v1.0.0", "")); err == nil {
		t.Error("published to a store that is closed")
	}
}

// Where a file was removed by hand nothing is served wrongly, nor replaced.
func TestDamaged(t *testing.T) {
	const path, version = "example.com/m", "v1.0.0"
	for _, kind := range []godown.Kind{godown.Mod, godown.Zip} {
		for _, bad := range []string{"", "bad"} {
			if kind == godown.Mod && bad != "" {
				continue // the zip tells what is on the shelf
			}
			s, dir := newShelf(t)
			mustPut(t, s, path, version, "old")
			req := godown.Request{Kind: kind, Path: path, Version: version}
			err := dir.Delete(t.Context(), req.Name())
			if bad != "" {
				err = dir.Put(t.Context(), req.Name(), strings.NewReader(bad))
			}
			if err != nil {
				t.Fatal(err)
			}
			if bad == "" {
				if _, err := fetch(t.Context(), s, req); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "missing") {
					t.Errorf("%v that is missing: error %v", req, err)
				}
			}
			for _, content := range []string{"old", "new"} {
				_, err := put(t, s, path, version, pack(path, version, content))
				if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "is damaged: its ."+kind.String()+" is ") {
					t.Errorf("publishing over a damaged %v: %v", kind, err)
				}
			}
			// As the message says.
			for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
				if err := dir.Delete(t.Context(), godown.Request{Kind: kind, Path: path, Version: version}.Name()); err != nil {
					t.Fatal(err)
				}
			}
			mustPut(t, s, path, version, "new")
		}
	}
}
