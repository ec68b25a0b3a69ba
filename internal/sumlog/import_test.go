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
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/sumdb/tlog"
)

func importTar(t testing.TB, store godown.Store, k keys, data []byte) (sumlog.Imported, error) {
	t.Helper()
	return sumlog.Import(t.Context(), store, dbName, k.list(), sumlog.TarSource(bytes.NewReader(data)))
}

// goesOn checks that a log has n records of origin(""), and lets it grow by one.
func goesOn(t *testing.T, store godown.Store, k keys, n int) {
	t.Helper()
	o := options(store, k)
	l := openLog(t, o)
	defer l.Close(t.Context())
	status, err := l.Status(t.Context(), 1)
	if err != nil || status.Size != int64(n) {
		t.Fatalf("it has %d records, not %d: %v", status.Size, n, err)
	}
	for i := 0; i < n; i += 37 { // each takes the hashes of a tile
		if _, text, err := l.Recall(t.Context(), version(i)); err != nil || !bytes.Equal(text, sums(version(i), "")) {
			t.Fatalf("record of %v: %q, %v", version(i), text, err)
		}
	}
	id, _, err := l.Lookup(t.Context(), version(n))
	if err != nil || id != int64(n) {
		t.Errorf("one more is number %d, %v", id, err)
	}
}

// TestImport imports logs of all manner of sizes where none is, where a
// beginning of it is, and where all of it is.
func TestImport(t *testing.T) {
	sizes := []int{0, 1, 10, 255, 256, 257, 300, 511, 512, 600}
	base := t.TempDir()
	l, k := newLog(t, base)
	var archives [][]byte
	folders := map[int]string{}
	last := 0
	for _, n := range sizes {
		fill(t, l, last, n)
		last = n
		archives = append(archives, writeTar(t, l.Snapshot()))
		l.Close(t.Context()) // its head is stored then
		folders[n] = copyLog(t, base)
		l = openLog(t, options(openDir(t, base), k))
	}
	for i, n := range sizes {
		dir := openDir(t, t.TempDir())
		done, err := importTar(t, dir, k, archives[i])
		if err != nil || done.Tree.N != int64(n) || done.Before != 0 {
			t.Fatalf("%d into nothing: %+v, %v", n, done, err)
		}
		// Without the private key it can be read, and exported with the same bytes.
		o := options(dir, k)
		o.Signers = nil
		reader := openLog(t, o)
		if status, err := reader.Status(t.Context(), 1); err != nil || status.Size != int64(n) || !status.ReadOnly {
			t.Errorf("%d: opened without a key: %+v, %v", n, status, err)
		}
		reader.Close(t.Context())
		if again := tarOf(t, dir.Path(), k); !bytes.Equal(again, archives[i]) {
			t.Errorf("%d: exported again it is different", n)
		}
		goesOn(t, dir, k, n)

		for _, m := range sizes {
			dir := openDir(t, copyLog(t, folders[m]))
			done, err := importTar(t, dir, k, archives[i])
			switch {
			case m > n && !errors.Is(err, sumlog.ErrOlder):
				t.Errorf("%d over %d: %v", n, m, err)
			case m <= n && (err != nil || done.Before != int64(m) || done.Tree.N != int64(n) || done.Mended != 0):
				t.Errorf("%d over %d: %+v, %v", n, m, done, err)
			}
			if tree, _ := snapshot(t, dir, k).Head(); tree.N != int64(max(n, m)) {
				t.Errorf("%d over %d: without a key its head has %d records", n, m, tree.N)
			}
			goesOn(t, dir, k, max(n, m))
		}
	}
}

// TestImportFork refuses what is of another history, and what is signed by another key, and changes nothing.
func TestImportFork(t *testing.T) {
	base, l, k := newFilled(t, 200)
	beginnings := map[int][]byte{200: writeTar(t, l.Snapshot())}
	fill(t, l, 200, 299)
	beginnings[299] = writeTar(t, l.Snapshot())
	fill(t, l, 299, 300)
	l.Close(t.Context())
	for _, at := range []int{0, 200, 299} { // the first record that is another
		for _, n := range []int{300, 301, 513, 290} {
			if n <= at {
				continue
			}
			other := openDir(t, t.TempDir())
			err := sumlog.Create(t.Context(), other, dbName, k.signer)
			if begin := beginnings[at]; begin != nil && err == nil {
				_, err = importTar(t, other, k, begin)
			}
			if err != nil {
				t.Fatal(err)
			}
			o := options(other, k)
			o.Origin = origin("fork")
			log := openLog(t, o)
			fill(t, log, 1000, 1000+n-at)
			data := writeTar(t, log.Snapshot())

			folder := copyLog(t, base)
			before := filesOf(t, folder)
			_, err = importTar(t, openDir(t, folder), k, data)
			if _, ok := errors.AsType[*godown.SecurityError](err); !ok || strings.Count(fmt.Sprint(err), "— "+dbName) < 2 {
				t.Errorf("a fork at %d of %d records: %v", at, n, err)
			}
			if fmt.Sprint(before) != fmt.Sprint(filesOf(t, folder)) {
				t.Errorf("a fork at %d of %d records has changed the log", at, n)
			}
		}
	}
	data := tarOf(t, base, k)
	stranger := newKeys(t, dbName)
	for what, try := range map[string]func() error{
		"another key": func() error { _, err := importTar(t, openDir(t, t.TempDir()), stranger, data); return err },
		"another name": func() error {
			_, err := importTar(t, openDir(t, t.TempDir()), newKeys(t, "other.example"), data)
			return err
		},
		"a witness's key": func() error {
			_, err := sumlog.Import(t.Context(), openDir(t, t.TempDir()), "other.example", k.list(), sumlog.TarSource(bytes.NewReader(data)))
			return err
		},
	} {
		if err := try(); err == nil {
			t.Errorf("%s was accepted", what)
		} else {
			t.Log(err)
		}
	}
}

// TestImportMends puts right what is damaged of a log from an export of it.
func TestImportMends(t *testing.T) {
	base, l, k := newFilled(t, 600)
	l.Close(t.Context())
	data := tarOf(t, base, k)
	for _, names := range [][]string{
		{"tile/8/data/000"}, {"tile/8/0/001"}, {"tile/8/0/000", "tile/8/data/000"},
		{"tile/8/0/000", "tile/8/0/001", "tile/8/data/000", "tile/8/data/001"},
	} {
		for _, how := range []func(string) error{os.Remove, func(f string) error { return os.WriteFile(f, []byte("damaged"), 0o666) }} {
			folder := copyLog(t, base)
			for _, name := range names {
				if err := how(filepath.Join(folder, dbName, name)); err != nil {
					t.Fatal(err)
				}
			}
			done, err := importTar(t, openDir(t, folder), k, data)
			if err != nil || done.Mended != len(names) {
				t.Errorf("%q: %+v, %v", names, done, err)
			}
			goesOn(t, openDir(t, folder), k, 600)
		}
	}
}

// TestImportWithoutCommit imports where the log is gone, but not the head that was signed.
func TestImportWithoutCommit(t *testing.T) {
	base, l, k := newFilled(t, 300)
	l.Close(t.Context())
	data := tarOf(t, base, k)
	other := openDir(t, t.TempDir())
	if err := sumlog.Create(t.Context(), other, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	o := options(other, k)
	o.Origin = origin("fork")
	fork := openLog(t, o)
	fill(t, fork, 0, 200)
	older := writeTar(t, fork.Snapshot())
	fill(t, fork, 200, 400)
	newer := writeTar(t, fork.Snapshot())

	folder := copyLog(t, base)
	os.Remove(filepath.Join(folder, dbName, "commit"))
	dir := openDir(t, folder)
	_, err := importTar(t, dir, k, newer)
	if _, ok := errors.AsType[*godown.SecurityError](err); !ok {
		t.Errorf("another history: %v", err)
	}
	if _, err := importTar(t, dir, k, older); !errors.Is(err, sumlog.ErrOlder) {
		t.Errorf("fewer records: %v", err)
	}
	if _, err := importTar(t, dir, k, data); err != nil {
		t.Error(err)
	}
	goesOn(t, dir, k, 300)
}

// TestImportKeepsTail imports into a log that was ended before its newest full
// tiles were where they are to be: they are in its tail only.
func TestImportKeepsTail(t *testing.T) {
	base, l, k := newFilled(t, 256)
	l.Close(t.Context())
	small := copyLog(t, base)
	l = openLog(t, options(openDir(t, base), k))
	fill(t, l, 256, 300)
	data := writeTar(t, l.Snapshot())
	os.RemoveAll(filepath.Join(small, dbName, "tile"))
	if _, err := importTar(t, openDir(t, small), k, data); err != nil {
		t.Fatal(err)
	}
	goesOn(t, openDir(t, small), k, 300)
}

// TestImportCrash ends an import at each of its writes, and does it again. In
// between the log is what it was before, or all of what has come.
func TestImportCrash(t *testing.T) {
	base, l, k := newFilled(t, 254)
	l.Close(t.Context())
	small := copyLog(t, base)
	l = openLog(t, options(openDir(t, base), k))
	fill(t, l, 254, 520)
	l.Close(t.Context())
	data := tarOf(t, base, k)
	for _, before := range []int{0, 254} {
		for _, fault := range []godowntest.WriteFault{
			{At: godowntest.Before, Crash: true}, {At: godowntest.Half, Crash: true}, {At: godowntest.After, Crash: true},
			{At: godowntest.Before}, {At: godowntest.After},
		} {
			t.Run(fmt.Sprintf("%d,%v,%v", before, fault.At, fault.Crash), func(t *testing.T) {
				t.Parallel()
				for write := 1; ; write++ {
					folder := t.TempDir()
					if before > 0 {
						folder = copyLog(t, small)
					}
					dir := openDir(t, folder)
					store := godowntest.NewFaultStore(dir)
					store.Plan(godowntest.FaultAt(write, fault))
					_, err := importTar(t, store, k, data)
					done := store.Writes() < write
					if done && err != nil {
						t.Fatalf("without a fault: %v", err)
					}
					store.Plan(nil)
					store.Restart()
					between(t, dir, k, before, write)
					if _, err := importTar(t, store, k, data); err != nil {
						t.Fatalf("again after a fault at write %d: %v", write, err)
					}
					goesOn(t, dir, k, 520)
					dir.Close()
					os.RemoveAll(folder)
					if done {
						break
					}
				}
			})
		}
	}
}

// between checks what is there after a cut-off import: nothing that could be
// signed, what was there before, or all.
func between(t *testing.T, dir *godown.Dir, k keys, before, write int) {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(dir.Path())); err != nil {
		t.Fatal(err)
	}
	at := openDir(t, folder)
	l, err := sumlog.Open(t.Context(), options(at, k))
	if err != nil {
		if before > 0 || !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("after a fault at write %d the log cannot be opened: %v", write, err)
		}
		return
	}
	status, err := l.Status(t.Context(), 1)
	l.Close(t.Context())
	if err != nil || status.Size != 520 && (before == 0 || status.Size != int64(before)) {
		t.Fatalf("after a fault at write %d the log has %d records: %v", write, status.Size, err)
	}
	goesOn(t, at, k, int(status.Size))
}

// A tarFile is a file of an archive.
type tarFile struct {
	tar.Header
	data []byte
}

func untar(data []byte) (files []tarFile) {
	in := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := in.Next()
		if err != nil {
			return files
		}
		b, _ := io.ReadAll(in)
		files = append(files, tarFile{*h, b})
	}
}

func archive(t *testing.T, files []tarFile) []byte {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, f := range files {
		f.Size = int64(len(f.data))
		if err := out.WriteHeader(&f.Header); err != nil {
			t.Fatal(err)
		}
		out.Write(f.data)
	}
	out.Close()
	return b.Bytes()
}

// TestImportForged changes a record into another that is well-formed, alone and
// together with its hash, where its tile is full and where it is not.
func TestImportForged(t *testing.T) {
	base, l, k := newFilled(t, 300)
	l.Close(t.Context())
	data := tarOf(t, base, k)
	for _, tile := range []string{"000", "001.p/44"} {
		for _, hashToo := range []bool{false, true} {
			files := untar(data)
			for i := range files {
				f := &files[i]
				if f.Name == "tile/8/data/"+tile {
					fields := strings.Fields(string(f.data))
					m := version(0)
					m.Path, m.Version = fields[0], fields[1]
					forged := sums(m, "forged")
					hash := tlog.RecordHash(forged)
					copy(f.data, forged)
					for j := range files {
						if hashToo && files[j].Name == "tile/8/0/"+tile {
							copy(files[j].data, hash[:])
						}
					}
				}
			}
			dir := openDir(t, t.TempDir())
			_, err := importTar(t, dir, k, archive(t, files))
			if _, open := dir.Open(t.Context(), dbName+"/commit"); err == nil || open == nil {
				t.Errorf("a forged record in %s, its hash too: %v: %v", tile, hashToo, err)
			}
			if _, err := dir.Open(t.Context(), dbName+"/tile/8/0/000"); err == nil && hashToo && tile == "000" {
				t.Error("a forged tile was stored")
			}
		}
	}
}

// TestImportHostile changes an archive in every way that keeps it an archive.
func TestImportHostile(t *testing.T) {
	base, l, k := newFilled(t, 300)
	l.Close(t.Context())
	data := tarOf(t, base, k)
	count := len(untar(data))
	for i := range count {
		for what, change := range map[string]func([]tarFile) []tarFile{
			"absent":  func(f []tarFile) []tarFile { return append(f[:i:i], f[i+1:]...) },
			"twice":   func(f []tarFile) []tarFile { return append(f[:i+1:i+1], f[i:]...) },
			"renamed": func(f []tarFile) []tarFile { f[i].Name = "../" + f[i].Name; return f },
			"rooted":  func(f []tarFile) []tarFile { f[i].Name = "/" + f[i].Name; return f },
			"link": func(f []tarFile) []tarFile {
				f[i].Typeflag, f[i].Linkname, f[i].data = tar.TypeSymlink, "/etc/passwd", nil
				return f
			},
			"hard link": func(f []tarFile) []tarFile {
				f[i].Typeflag, f[i].Linkname, f[i].data = tar.TypeLink, "latest", nil
				return f
			},
			"folder":  func(f []tarFile) []tarFile { f[i].Typeflag, f[i].data = tar.TypeDir, nil; return f },
			"device":  func(f []tarFile) []tarFile { f[i].Typeflag, f[i].data = tar.TypeChar, nil; return f },
			"longer":  func(f []tarFile) []tarFile { f[i].data = append(f[i].data, 0); return f },
			"shorter": func(f []tarFile) []tarFile { f[i].data = f[i].data[1:]; return f },
			"huge":    func(f []tarFile) []tarFile { f[i].data = make([]byte, 17<<20); return f },
			"changed": func(f []tarFile) []tarFile { f[i].data[len(f[i].data)/2] ^= 1; return f },
			"last":    func(f []tarFile) []tarFile { return append(append(f[:i:i], f[i+1:]...), f[i]) },
		} {
			changed := archive(t, change(untar(data)))
			same := what == "last" && i == count-1
			dir := openDir(t, t.TempDir())
			_, err := importTar(t, dir, k, changed)
			special := slices.Contains([]string{"link", "hard link", "folder", "device"}, what)
			if (err == nil) != same || special && !strings.Contains(err.Error(), "which is not a file") {
				t.Errorf("file %d %s: %v", i, what, err)
			}
			if _, err := dir.Open(t.Context(), dbName+"/commit"); (err == nil) != same {
				t.Errorf("file %d %s: is there a log? %v", i, what, err)
			}
		}
	}
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "latest", Typeflag: tar.TypeReg, Size: 1 << 50}); err != nil {
		t.Fatal(err)
	}
	if _, err := importTar(t, openDir(t, t.TempDir()), k, b.Bytes()); err == nil || !strings.Contains(err.Error(), "more than the") {
		t.Errorf("a file that is said to have 2^50 bytes: %v", err)
	}
	for n := 0; n < len(data)-1536; n += 300 {
		if _, err := importTar(t, openDir(t, t.TempDir()), k, data[:n]); err == nil {
			t.Errorf("cut off at %d of %d it was accepted", n, len(data))
		}
	}
}

// TestImportFolder imports from a folder, also one that has more than one export, and sees damage in it.
func TestImportFolder(t *testing.T) {
	_, l, k := newFilled(t, 300)
	static := t.TempDir()
	for n := 300; n <= 600; n += 100 {
		if _, err := l.Snapshot().WriteFolder(t.Context(), openDir(t, static)); err != nil {
			t.Fatal(err)
		}
		fill(t, l, n, n+100)
	}
	try := func(store godown.Store) error {
		_, err := sumlog.Import(t.Context(), store, dbName, k.list(), sumlog.FolderSource(os.DirFS(static)))
		return err
	}
	dir := openDir(t, t.TempDir())
	if err := try(dir); err != nil {
		t.Fatal(err)
	}
	goesOn(t, dir, k, 600)
	for name := range filesOf(t, static) {
		at := filepath.Join(static, name)
		good, _ := os.ReadFile(at)
		bad := bytes.Clone(good)
		bad[len(bad)/2] ^= 1
		os.WriteFile(at, bad, 0o666)
		err := try(openDir(t, t.TempDir()))
		used := name != "checkpoint" && !strings.Contains(name, ".p/") || strings.HasSuffix(name, "002.p/88") || name == "tile/8/1/000.p/2"
		if (err != nil) != used {
			t.Errorf("with %s changed: %v", name, err)
		}
		os.WriteFile(at, good, 0o666)
	}
}

// TestImportHooked commits to the log in the midst of an import, which then does not.
func TestImportHooked(t *testing.T) {
	base, l, k := newFilled(t, 250)
	small := copyLog(t, base)
	fill(t, l, 250, 520)
	data := writeTar(t, l.Snapshot())
	dir := openDir(t, small)
	other := openLog(t, options(dir, k))
	store := godowntest.NewFaultStore(dir)
	store.Hook(func(op godowntest.Op) {
		if op.Kind == "swap" {
			if _, _, err := other.Lookup(context.Background(), version(5000)); err != nil {
				t.Error(err)
			}
		}
	})
	if _, err := importTar(t, store, k, data); !errors.Is(err, godown.ErrChanged) {
		t.Errorf("with another process: %v", err)
	}
	store.Hook(nil)
	_, err := importTar(t, store, k, data)
	if _, ok := errors.AsType[*godown.SecurityError](err); !ok {
		t.Errorf("again: %v", err)
	}
	if _, _, err := other.Lookup(t.Context(), version(5001)); err != nil {
		t.Error(err)
	}
}

// FuzzImport imports anything: it is refused, or it is the log that was signed.
func FuzzImport(f *testing.F) {
	folder, l, k := newFilled(f, 300)
	l.Close(f.Context())
	data := tarOf(f, folder, k)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := openDir(t, t.TempDir())
		done, err := importTar(t, dir, k, data)
		if err == nil && done.Tree.N != 300 {
			t.Errorf("%+v was never signed", done)
		}
		_, errCommit := dir.Open(t.Context(), dbName+"/commit")
		if (err == nil) != (errCommit == nil) {
			t.Errorf("%v, but the commit: %v", err, errCommit)
		}
	})
}
