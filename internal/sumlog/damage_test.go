package sumlog_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// fill looks up versions [first, last) of a log, many at once.
func fill(t testing.TB, l *sumlog.Log, first, last int) {
	t.Helper()
	var wait sync.WaitGroup
	for i := first; i < last; i++ {
		wait.Go(func() {
			if _, _, err := l.Lookup(t.Context(), version(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// copyLog copies a log's files to a folder of its own.
func copyLog(t testing.TB, folder string) string {
	t.Helper()
	for {
		to := t.TempDir()
		err := os.CopyFS(filepath.Join(to, dbName), os.DirFS(filepath.Join(folder, dbName)))
		if err == nil {
			return to
		}
		if !errors.Is(err, fs.ErrNotExist) { // else an old tail is being removed
			t.Fatal(err)
		}
	}
}

// logFiles returns the names of a log's files.
func logFiles(t testing.TB, folder string) []string {
	t.Helper()
	var names []string
	for e, err := range openDir(t, folder).List(t.Context(), dbName+"/") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}

// TestDamage removes, cuts and changes each file of a log. What is then served
// is right or an error, no version gets a second record, and no head is signed
// that others contradict.
func TestDamage(t *testing.T) {
	base := t.TempDir()
	l, k := newLog(t, base)
	for i := 0; i < 600; i += 40 { // so that the tail of the last ones has no copies of the tiles
		fill(t, l, i, i+40)
	}
	d := &damaged{k: k, right: map[int]string{}, ids: map[int]int64{}, tiles: map[string]string{}}
	for i := range 600 {
		id, text, err := l.Recall(t.Context(), version(i))
		if err != nil {
			t.Fatal(err)
		}
		d.right[i], d.ids[i] = string(text), id
	}
	for _, level := range []int{-1, 0, 1} {
		for n, w := range []int{256, 256, 88} {
			if level == 1 {
				n, w = 0, 2
			}
			name := tlog.Tile{H: 8, L: level, N: int64(n), W: w}.Path()
			d.tiles[name] = fetch(t, l, name)
		}
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened, refused := 0, 0
	for _, name := range logFiles(t, base) {
		for what, change := range map[string]func([]byte) []byte{
			"removed": func([]byte) []byte { return nil },
			"empty":   func([]byte) []byte { return []byte{} },
			"cut":     func(b []byte) []byte { return b[:len(b)-1] },
			"longer":  func(b []byte) []byte { return append(b, b...) },
			"first":   func(b []byte) []byte { b[0] ^= 1; return b },
			"middle":  func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
			"last":    func(b []byte) []byte { b[len(b)-2] ^= 1; return b },
		} {
			folder := copyLog(t, base)
			spoilFile(t, filepath.Join(folder, filepath.FromSlash(name)), change)
			if d.try(t, folder, name, what) {
				opened++
			} else if refused++; strings.Contains(name, "/tile/") || strings.Contains(name, "/index/") {
				t.Errorf("%s %s: it was not opened, though this can be gone around", name, what)
			}
			os.RemoveAll(folder)
		}
	}
	if opened < 20 || refused < 10 {
		t.Errorf("%d were opened and %d refused", opened, refused)
	}
}

// spoilFile changes a file; a change to nil removes it.
func spoilFile(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if data = change(data); data == nil {
		err = os.Remove(file)
	} else {
		err = os.WriteFile(file, data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A damaged log is one of 600 versions, of which a file was spoilt.
type damaged struct {
	k     keys
	right map[int]string    // the records, by version
	ids   map[int]int64     // their numbers
	tiles map[string]string // all tiles, by path
}

// try opens the log in a folder, of which the file name was spoilt, and looks at
// what it serves. It reports whether it could be opened.
func (d *damaged) try(t *testing.T, folder, name, what string) bool {
	t.Helper()
	dir := openDir(t, folder)
	defer dir.Close()
	o := options(dir, d.k)
	o.Alarm = func(godown.Alarm) {}
	l, err := sumlog.Open(t.Context(), o)
	if err != nil {
		return false
	}
	defer l.Close(context.Background())
	served, want := 0, 0
	for i := 0; i < 600; i += 13 {
		want++
		id, text, err := l.Lookup(t.Context(), version(i))
		if err == nil && (string(text) != d.right[i] || id != d.ids[i]) {
			t.Errorf("%s %s: record of %v is %d, %q; was %d, %q", name, what, version(i), id, text, d.ids[i], d.right[i])
		}
		if err == nil {
			served++
		}
	}
	// A tile of records is lost with all in it; all else is made anew.
	records := strings.Contains(name, "/data/")
	if served < want && !records || served < want/2 {
		t.Errorf("%s %s: %d of %d records were served", name, what, served, want)
	}
	if _, _, err := l.Lookup(t.Context(), version(1000)); err == nil && records {
		t.Errorf("%s %s: a record was appended, though not all are known", name, what)
	} else if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s %s: %v", name, what, err)
	}
	for tile, right := range d.tiles {
		f, err := l.FetchSum(t.Context(), dbName+"/"+tile)
		if err == nil && string(f.Data) != right {
			t.Errorf("%s %s: %s is another", name, what, tile)
		}
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s %s: %s is said not to exist: %v", name, what, tile, err)
		}
	}
	if s, err := l.Status(t.Context(), 0); err != nil || s.Size != 600 && s.Size != 601 || (s.Trouble != "") != records {
		t.Errorf("%s %s: Status = %+v, %v", name, what, s, err)
	}
	return true
}

// TestRollback puts back an older copy of the log's folder, but for one file that tells of the newer one.
func TestRollback(t *testing.T) {
	base := t.TempDir()
	l, k := newLog(t, base)
	fill(t, l, 0, 300)
	before := fetch(t, l, "latest")
	old := copyLog(t, base)
	fill(t, l, 300, 310)
	signed := fetch(t, l, "latest")
	if err := os.WriteFile(filepath.Join(old, dbName, "latest"), []byte(signed), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := sumlog.Open(t.Context(), options(openDir(t, old), k))
	if err == nil || !strings.Contains(err.Error(), "a head of 310 records was signed, but 300 are committed") {
		t.Errorf("opening the older copy: %v", err)
	}

	// All of the folder is old, but a newer head is known from elsewhere.
	all := copyLog(t, old)
	if err := os.WriteFile(filepath.Join(all, dbName, "latest"), []byte(before), 0o666); err != nil {
		t.Fatal(err)
	}
	seen := options(openDir(t, all), k)
	seen.Seen = [][]byte{[]byte(before), []byte(signed)}
	if _, err := sumlog.Open(t.Context(), seen); err == nil || !strings.Contains(err.Error(), "a head of 310 records was signed, but 300 are committed") {
		t.Errorf("opening the older copy with the head that was seen: %v", err)
	}
	seen.Seen = seen.Seen[:1]
	openLog(t, seen).Close(t.Context())

	// Another history of the same length.
	o := options(openDir(t, t.TempDir()), k)
	if err := sumlog.Create(t.Context(), o.Store, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	o.Origin = origin("other")
	other := openLog(t, o)
	fill(t, other, 0, 310)
	other.Close(t.Context())
	if err := o.Store.Put(t.Context(), dbName+"/latest", strings.NewReader(signed)); err != nil {
		t.Fatal(err)
	}
	_, err = sumlog.Open(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "is of another tree") {
		t.Errorf("opening another history: %v", err)
	}
}

// TestCreate makes a log where one is, or was.
func TestCreate(t *testing.T) {
	k := newKeys(t, dbName)
	folder := t.TempDir()
	dir := openDir(t, folder)
	if err := sumlog.Create(t.Context(), dir, dbName); err == nil {
		t.Error("Create without a key: no error")
	}
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create again: %v, want an fs.ErrExist", err)
	}
	if err := os.Remove(filepath.Join(folder, dbName, "commit")); err != nil {
		t.Fatal(err)
	}
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over what is left of one: %v, want an fs.ErrExist", err)
	}
	if _, err := sumlog.Open(t.Context(), options(dir, k)); err == nil {
		t.Error("Open without the commit: no error")
	}
}

// TestReadOnly opens a log without its private key.
func TestReadOnly(t *testing.T) {
	l, k := newLog(t, t.TempDir())
	fill(t, l, 0, 10)
	want := fetch(t, l, "latest")
	if err := l.Close(t.Context()); err != nil { // the head is stored when clients have their answers
		t.Fatal(err)
	}
	o := options(l.Store, k)
	o.Signers = nil
	reader := openLog(t, o)
	if _, text, err := reader.Lookup(t.Context(), version(3)); err != nil || string(text) != string(sums(version(3), "")) {
		t.Errorf("Lookup of what there is: %q, %v", text, err)
	}
	if _, _, err := reader.Lookup(t.Context(), version(11)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Lookup of what there is not: %v", err)
	}
	if got := fetch(t, reader, "latest"); got != want {
		t.Errorf("the head is\n%s\nwant\n%s", got, want)
	}
	other := newKeys(t, dbName)
	o.Verifiers = []note.Verifier{other.verifier}
	if _, err := sumlog.Open(t.Context(), o); err == nil {
		t.Error("Open with another key: no error")
	}
}

// TestTwoKeys signs with two keys, as while one takes the other's place.
func TestTwoKeys(t *testing.T) {
	old, next := newKeys(t, dbName), newKeys(t, dbName)
	dir := openDir(t, t.TempDir())
	if err := sumlog.Create(t.Context(), dir, dbName, old.signer); err != nil {
		t.Fatal(err)
	}
	o := options(dir, old)
	o.Signers = append(o.Signers, next.signer)
	o.Verifiers = append(o.Verifiers, next.verifier)
	l := openLog(t, o)
	fill(t, l, 0, 5)
	server := serveLog(t, l)
	for name, k := range map[string]keys{"old": old, "new": next} {
		c, _ := newClient(t, server.URL+"/sumdb/"+dbName, k.public)
		if _, err := c.Lookup(version(2).Path, version(2).Version); err != nil {
			t.Errorf("a client with the %s key: %v", name, err)
		}
	}
	l.Close(t.Context())
	o.Signers = []note.Signer{next.signer}
	l = openLog(t, o)
	fill(t, l, 5, 10)
	c, _ := newClient(t, serveLog(t, l).URL+"/sumdb/"+dbName, next.public)
	if _, err := c.Lookup(version(7).Path, version(7).Version); err != nil {
		t.Errorf("a client with the new key alone: %v", err)
	}
}
