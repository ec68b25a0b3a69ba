package sumlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/sumlog"
)

// spoilings are what can become of a file.
func spoilings() map[string]func(string) error {
	rewrite := func(change func([]byte) []byte) func(string) error {
		return func(name string) error {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			return os.WriteFile(name, change(data), 0o666)
		}
	}
	return map[string]func(string) error{
		"missing": os.Remove,
		"emptied": rewrite(func([]byte) []byte { return nil }),
		"cut":     rewrite(func(b []byte) []byte { return b[:len(b)/2] }),
		"flipped": rewrite(func(b []byte) []byte { b[len(b)/2] ^= 1; return b }),
	}
}

// oneFile returns the path of the file that a pattern below the log's folder is of.
func oneFile(t *testing.T, folder, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, dbName, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return found[0]
}

// forkOf returns the archive of another log of the same name and key, of n records.
func forkOf(t *testing.T, k keys, n int) []byte {
	t.Helper()
	dir := openDir(t, t.TempDir())
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	o := options(dir, k)
	o.Origin = origin("fork")
	l := openLog(t, o)
	fill(t, l, 0, n)
	return writeTar(t, l.Snapshot())
}

// TestImportOlderMends puts full tiles right from an archive that the log has outgrown.
func TestImportOlderMends(t *testing.T) {
	base, l, k := newFilled(t, 530)
	older := writeTar(t, l.Snapshot())
	fill(t, l, 530, 780)
	fill(t, l, 780, 781) // so that the third tile is not in the tail
	l.Close(t.Context())
	forked := forkOf(t, k, 530)
	for _, test := range []struct {
		names []string
		whole bool // all can be mended
	}{
		{[]string{"tile/8/data/000"}, true},
		{[]string{"tile/8/0/001"}, true},
		{[]string{"tile/8/0/001", "tile/8/data/001", "tile/8/data/000"}, true},
		{[]string{"tile/8/0/000", "tile/8/data/000", "tile/8/0/002", "tile/8/data/002"}, false},
	} {
		for what, how := range spoilings() {
			folder := copyLog(t, base)
			for _, name := range test.names {
				if err := how(filepath.Join(folder, dbName, name)); err != nil {
					t.Fatal(err)
				}
			}
			before := filesOf(t, folder)
			_, err := importTar(t, openDir(t, folder), k, forked)
			if _, ok := errors.AsType[*godown.SecurityError](err); test.whole && !ok {
				t.Errorf("%q %s: another history: %v", test.names, what, err)
			}
			done, err := importTar(t, openDir(t, folder), k, older)
			want := len(test.names)
			if !test.whole {
				want = 2
				if err == nil || !strings.Contains(err.Error(), "2 damaged files were put right, but for the others a newer export is needed") {
					t.Errorf("%q %s: %v", test.names, what, err)
				}
			} else if err != nil {
				t.Errorf("%q %s: %v", test.names, what, err)
			}
			if done.Mended != want || done.Came != 530 || done.Tree.N != 781 {
				t.Errorf("%q %s: %+v", test.names, what, done)
			}
			after := filesOf(t, folder)
			for name, text := range before {
				if !strings.Contains(name, "tile/") && after[name] != text {
					t.Errorf("%q %s: %s was changed", test.names, what, name)
				}
			}
			if test.whole {
				if fmt.Sprint(after) != fmt.Sprint(filesOf(t, base)) {
					t.Errorf("%q %s: it is not as it was before the damage", test.names, what)
				}
				if _, err := importTar(t, openDir(t, folder), k, older); !errors.Is(err, sumlog.ErrOlder) {
					t.Errorf("%q %s: where nothing is damaged: %v", test.names, what, err)
				}
				goesOn(t, openDir(t, folder), k, 781)
			}
		}
	}
}

// TestImportUnreadable replaces a tree, a tail or a head that cannot be read by
// an archive that is as new or newer; one that is older or of another history changes nothing.
func TestImportUnreadable(t *testing.T) {
	base, l, k := newFilled(t, 290)
	older := writeTar(t, l.Snapshot())
	fill(t, l, 290, 300)
	l.Close(t.Context())
	small := copyLog(t, base)
	equal := tarOf(t, base, k)
	l = openLog(t, options(openDir(t, base), k))
	fill(t, l, 300, 600)
	newer := writeTar(t, l.Snapshot())
	forked := forkOf(t, k, 320)
	for _, pattern := range []string{"commit", "latest", "tail/*"} {
		for what, how := range spoilings() {
			for size, data := range map[int][]byte{300: equal, 600: newer} {
				folder := copyLog(t, small)
				name := oneFile(t, folder, pattern)
				if err := how(name); err != nil {
					t.Fatal(err)
				}
				dir := openDir(t, folder)
				before := filesOf(t, folder)
				if _, err := importTar(t, dir, k, older); !errors.Is(err, sumlog.ErrOlder) {
					t.Errorf("%s %s: an older archive: %v", pattern, what, err)
				}
				_, err := importTar(t, dir, k, forked)
				if _, ok := errors.AsType[*godown.SecurityError](err); !ok && !strings.Contains(fmt.Sprint(err), "of another history") {
					t.Errorf("%s %s: another history: %v", pattern, what, err)
				}
				for name, text := range before {
					if now := filesOf(t, folder); now[name] != text {
						t.Errorf("%s %s: %s was changed by a refused import", pattern, what, name)
					}
				}
				done, err := importTar(t, dir, k, data)
				if err != nil || done.Tree.N != int64(size) {
					t.Errorf("%s %s, from %d: %+v, %v", pattern, what, size, done, err)
					continue
				}
				if what != "missing" && done.Mended != 1 {
					t.Errorf("%s %s, from %d: %+v", pattern, what, size, done)
				}
				if !bytes.Equal(tarOf(t, folder, k), data) {
					t.Errorf("%s %s, from %d: exported again it is different", pattern, what, size)
				}
				goesOn(t, dir, k, size)
			}
		}
	}
}

// TestImportUnreadableTiles has damage of tiles besides: it is told from another history by the head.
func TestImportUnreadableTiles(t *testing.T) {
	base, l, k := newFilled(t, 600)
	l.Close(t.Context())
	data := tarOf(t, base, k)
	for _, headToo := range []bool{false, true} {
		folder := copyLog(t, base)
		names := []string{"commit", "tile/8/0/001", "tile/8/data/000"}
		if headToo {
			names = append(names, "latest")
		}
		for _, name := range names {
			if err := spoilings()["cut"](filepath.Join(folder, dbName, name)); err != nil {
				t.Fatal(err)
			}
		}
		before := filesOf(t, folder)
		done, err := importTar(t, openDir(t, folder), k, data)
		if headToo {
			if err == nil || !strings.Contains(err.Error(), "cannot be told") || !strings.Contains(err.Error(), "move "+dbName+"/tile/8/") {
				t.Errorf("without any head: %v", err)
			}
			if fmt.Sprint(before) != fmt.Sprint(filesOf(t, folder)) {
				t.Error("without any head it was changed")
			}
			continue
		}
		if err != nil || done.Mended != 3 {
			t.Errorf("%+v, %v", done, err)
		}
		goesOn(t, openDir(t, folder), k, 600)
	}
}

// TestImportUnreadableAhead has a tail that is newer than the head that was
// stored, as a crash leaves it: what was signed last is not known, so nothing is replaced by less.
func TestImportUnreadableAhead(t *testing.T) {
	base, l, k := newFilled(t, 300)
	l.Close(t.Context())
	data := tarOf(t, base, k)
	head, err := os.ReadFile(filepath.Join(base, dbName, "latest"))
	if err != nil {
		t.Fatal(err)
	}
	l = openLog(t, options(openDir(t, base), k))
	fill(t, l, 300, 310)
	l.Close(t.Context())
	for _, err := range []error{
		os.WriteFile(filepath.Join(base, dbName, "latest"), head, 0o666),
		os.WriteFile(filepath.Join(base, dbName, "commit"), nil, 0o666),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before := filesOf(t, base)
	_, err = importTar(t, openDir(t, base), k, data)
	if !errors.Is(err, sumlog.ErrOlder) || !strings.Contains(err.Error(), "/tail/310-") || !strings.Contains(err.Error(), "security error") {
		t.Error(err)
	}
	if fmt.Sprint(before) != fmt.Sprint(filesOf(t, base)) {
		t.Error("it was changed")
	}
	os.Remove(oneFile(t, base, "tail/*"))
	if _, err := importTar(t, openDir(t, base), k, data); err != nil {
		t.Error(err)
	}
	goesOn(t, openDir(t, base), k, 300)
}

// TestImportUnreadableCrash ends such an import at each of its writes, and does it again.
func TestImportUnreadableCrash(t *testing.T) {
	base, l, k := newFilled(t, 254)
	l.Close(t.Context())
	small := copyLog(t, base)
	l = openLog(t, options(openDir(t, base), k))
	fill(t, l, 254, 300)
	data := writeTar(t, l.Snapshot())
	for _, pattern := range []string{"commit", "latest", "tail/*"} {
		for write := 1; ; write++ {
			folder := copyLog(t, small)
			if err := os.WriteFile(oneFile(t, folder, pattern), nil, 0o666); err != nil {
				t.Fatal(err)
			}
			dir := openDir(t, folder)
			store := godowntest.NewFaultStore(dir)
			store.Plan(godowntest.FaultAt(write, godowntest.WriteFault{At: godowntest.After, Crash: true}))
			_, err := importTar(t, store, k, data)
			done := store.Writes() < write
			if done && err != nil {
				t.Fatalf("%s: without a fault: %v", pattern, err)
			}
			store.Plan(nil)
			store.Restart()
			if l, err := sumlog.Open(t.Context(), options(openDir(t, copyLog(t, folder)), k)); err == nil {
				if s, err := l.Status(t.Context(), 1); err != nil || s.Size != 300 && s.Size != 254 {
					t.Errorf("%s: after a fault at write %d it has %d records, %v", pattern, write, s.Size, err)
				}
				l.Close(t.Context())
			} else if errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: after a fault at write %d: %v", pattern, write, err)
			}
			if _, err := importTar(t, store, k, data); err != nil {
				t.Fatalf("%s: again after a fault at write %d: %v", pattern, write, err)
			}
			goesOn(t, dir, k, 300)
			if done {
				break
			}
		}
	}
}

// TestImportUnreadableClaims has neither a head nor a log that can be read, but a
// tree that is not of what comes, or a head that another key has signed: nothing is replaced.
func TestImportUnreadableClaims(t *testing.T) {
	base, l, k := newFilled(t, 200)
	l.Close(t.Context())
	data := tarOf(t, base, k)
	forked := forkOf(t, k, 250)
	stranger := newKeys(t, dbName)
	o := options(openDir(t, t.TempDir()), stranger)
	if err := sumlog.Create(t.Context(), o.Store, dbName, stranger.signer); err != nil {
		t.Fatal(err)
	}
	other := openLog(t, o)
	fill(t, other, 0, 150)
	head := fetch(t, other, "latest")

	folder := copyLog(t, base)
	os.Remove(filepath.Join(folder, dbName, "latest"))
	tail := oneFile(t, folder, "tail/*")
	if err := os.WriteFile(tail, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	strange := copyLog(t, base)
	if err := os.WriteFile(filepath.Join(strange, dbName, "latest"), []byte(head), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		folder, file string
		data         []byte
	}{{folder, "commit", forked}, {strange, "latest", data}} {
		before := filesOf(t, test.folder)
		_, err := importTar(t, openDir(t, test.folder), k, test.data)
		if _, ok := errors.AsType[*godown.SecurityError](err); !ok || !strings.Contains(err.Error(), "move "+dbName+"/"+test.file+" away") {
			t.Errorf("%s: %v", test.file, err)
		}
		if fmt.Sprint(before) != fmt.Sprint(filesOf(t, test.folder)) {
			t.Errorf("%s: it was changed", test.file)
		}
	}
	if _, err := importTar(t, openDir(t, folder), k, data); err != nil {
		t.Error(err)
	}
	goesOn(t, openDir(t, folder), k, 200)
}
