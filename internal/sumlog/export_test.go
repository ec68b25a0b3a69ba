package sumlog_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog"
	"github.com/godown-dev/godown/internal/sumlog/audit"
	"golang.org/x/mod/sumdb/note"
)

// newFilled makes a log of n records, of which the last came by itself, and returns its folder.
func newFilled(t testing.TB, n int) (string, *sumlog.Log, keys) {
	t.Helper()
	folder := t.TempDir()
	l, k := newLog(t, folder)
	fill(t, l, 0, n-1)
	fill(t, l, max(0, n-1), n)
	return folder, l, k
}

func (k keys) list() []note.Verifier { return []note.Verifier{k.verifier} }

func snapshot(t testing.TB, store godown.Store, k keys) *sumlog.Snapshot {
	t.Helper()
	s, err := sumlog.OpenSnapshot(t.Context(), store, dbName, k.list(), noAlarms(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func writeTar(t testing.TB, s *sumlog.Snapshot) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.WriteTar(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tarOf returns the archive of what is in a log's folder.
func tarOf(t testing.TB, folder string, k keys) []byte {
	t.Helper()
	return writeTar(t, snapshot(t, openDir(t, folder), k))
}

// auditOf audits what get gives.
func auditOf(t testing.TB, k keys, get func(context.Context, string) ([]byte, error)) audit.Report {
	t.Helper()
	a := &audit.Auditor{Name: dbName, Verifiers: note.VerifierList(k.verifier), Get: get}
	report, err := a.Run(t.Context(), audit.Seen{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// filesOf returns all files below a folder.
func filesOf(t testing.TB, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(name, ".") {
			return err
		}
		data, err := os.ReadFile(filepath.Join(folder, name))
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestExportTar has an archive of logs of sizes about the borders of tiles be
// read as a whole by the auditor, and checks the order that an import relies on.
func TestExportTar(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 512, 600} {
		folder, l, k := newFilled(t, n)
		again := writeTar(t, l.Snapshot())
		l.Close(t.Context())
		data := tarOf(t, folder, k)
		if !bytes.Contains(again, []byte("checkpoint")) {
			t.Errorf("%d: the log with its key exports no checkpoint", n)
		}
		files := map[string][]byte{}
		var names []string
		in := tar.NewReader(bytes.NewReader(data))
		for {
			h, err := in.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, h.Name)
			files[h.Name], _ = io.ReadAll(in)
		}
		if names[0] != "latest" {
			t.Errorf("%d: the archive begins with %s", n, names[0])
		}
		r := auditOf(t, k, func(_ context.Context, name string) ([]byte, error) {
			if b, ok := files[name]; ok {
				return b, nil
			}
			return nil, fs.ErrNotExist
		})
		if !r.OK() || r.Records != int64(n) {
			t.Errorf("%d: the audit of the archive: %+v", n, r)
		}
		if want := len(names) - 1; want != tilesOf(n) {
			t.Errorf("%d: %d tiles: %q", n, want, names)
		}
	}
}

// tilesOf returns how many tiles a tree has, those of records among them.
func tilesOf(n int) int {
	count := (n + 255) / 256
	for size := n; size > 0; size >>= 8 {
		count += (size + 255) / 256
	}
	return count
}

// TestExportWhileAppending exports again and again while the log grows.
func TestExportWhileAppending(t *testing.T) {
	folder, l, k := newFilled(t, 200)
	dir := openDir(t, folder)
	static := t.TempDir()
	var grow sync.WaitGroup
	grow.Go(func() {
		for i := 200; i < 900; i += 50 {
			fill(t, l, i, i+50)
		}
	})
	sizes := map[int64]bool{}
	for range 12 {
		s := snapshot(t, dir, k)
		tree, _ := s.Head()
		sizes[tree.N] = true
		if _, err := s.WriteFolder(t.Context(), openDir(t, static)); err != nil {
			t.Error(err)
		}
		if r := auditOf(t, k, audit.Folder(os.DirFS(static))); !r.OK() || r.Records != tree.N {
			t.Errorf("the folder of %d records: %+v", tree.N, r)
		}
	}
	grow.Wait()
	t.Logf("%d different sizes", len(sizes))
}

// TestExportFolder exports into a folder what is new of a log, and leaves alone
// what is not an earlier export of it.
func TestExportFolder(t *testing.T) {
	_, l, k := newFilled(t, 300)
	folder := t.TempDir()
	export := func(s *sumlog.Snapshot) (sumlog.Exported, error) {
		return s.WriteFolder(t.Context(), openDir(t, folder))
	}
	old := l.Snapshot()
	first, err := export(old)
	if err != nil || first.New != first.Files {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := export(old); err != nil || again.New != 0 {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	tile := filepath.Join(folder, "tile/8/0/000")
	if err := os.WriteFile(tile, []byte("damaged"), 0o666); err != nil {
		t.Fatal(err)
	}
	if again, err := export(old); err != nil || again.New != 1 {
		t.Errorf("after damage: %+v, %v", again, err)
	}
	fill(t, l, 300, 600)
	more, err := export(l.Snapshot())
	if err != nil || more.New >= more.Files-1 {
		t.Errorf("more of it: %+v, %v", more, err)
	}
	if r := auditOf(t, k, audit.Folder(os.DirFS(folder))); !r.OK() || r.Records != 600 {
		t.Errorf("the folder: %+v", r)
	}
	files := filesOf(t, folder)
	for name := range files {
		if strings.Contains(name, "001.p/") {
			t.Errorf("%s is left, though that tile is full", name)
		}
	}
	if _, err := export(old); err == nil || !strings.Contains(err.Error(), "but the log only 300") {
		t.Errorf("an older one over a newer: %v", err)
	}
	_, other, _ := newFilled(t, 700)
	if _, err := export(other.Snapshot()); err == nil {
		t.Error("another log was exported over it")
	}
	forked := openDir(t, t.TempDir())
	if err := sumlog.Create(t.Context(), forked, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	o := options(forked, k)
	o.Origin = origin("fork")
	fork := openLog(t, o)
	fill(t, fork, 0, 700)
	_, err = export(fork.Snapshot())
	if _, ok := errors.AsType[*godown.SecurityError](err); !ok {
		t.Errorf("a fork over it: %v", err)
	}
	if now := filesOf(t, folder); fmt.Sprint(now) != fmt.Sprint(files) {
		t.Error("a refused export has changed the folder")
	}
	for _, name := range []string{"commit", "notes.txt"} {
		folder = t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := export(old); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a folder with %s: %v", name, err)
		}
	}
}

// TestSnapshotLeavesNothing reads a damaged log, and changes nothing of it.
func TestSnapshotLeavesNothing(t *testing.T) {
	folder, l, k := newFilled(t, 600)
	l.Close(t.Context())
	os.RemoveAll(filepath.Join(folder, dbName, "index"))
	name := filepath.Join(folder, dbName, "tile/8/0/001")
	if err := os.WriteFile(name, []byte("damaged"), 0o666); err != nil {
		t.Fatal(err)
	}
	before := filesOf(t, folder)
	var alarms []string
	s, err := sumlog.OpenSnapshot(t.Context(), openDir(t, folder), dbName, k.list(), func(a godown.Alarm) { alarms = append(alarms, a.Err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	r := auditOf(t, k, s.Raw)
	if r.OK() || !slices.ContainsFunc(r.Findings, func(f audit.Finding) bool { return f.Name == "tile/8/0/001" }) {
		t.Errorf("the audit does not find the damage: %+v", r)
	}
	if _, err := s.WriteTar(t.Context(), io.Discard); err != nil || len(alarms) == 0 {
		t.Errorf("an export: %v, alarms %q", err, alarms)
	}
	if fmt.Sprint(before) != fmt.Sprint(filesOf(t, folder)) {
		t.Error("reading has changed the log")
	}
}
