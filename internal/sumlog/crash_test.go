package sumlog_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A history is all that several processes have ever signed or answered.
type history struct {
	note.Signer
	mu      sync.Mutex // guards the fields below
	signed  map[string]bool
	records map[string]string // the text by "NUMBER MODULE@VERSION"
}

func newHistory(k keys) *history {
	return &history{Signer: k.signer, signed: map[string]bool{}, records: map[string]string{}}
}

// Sign signs, and remembers what.
func (h *history) Sign(msg []byte) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if text := string(msg); strings.HasPrefix(text, "go.sum database tree\n") {
		h.signed[text] = true
	}
	return h.Signer.Sign(msg)
}

// lookup looks up version i, and remembers an answer.
func (h *history) lookup(ctx context.Context, l *sumlog.Log, i int) error {
	id, text, err := l.Lookup(ctx, version(i))
	if err == nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.records[fmt.Sprintf("%d %v", id, version(i))] = string(text)
	}
	return err
}

// check compares all that was signed and answered with the log as it is now,
// which has each version once.
func (h *history) check(t *testing.T, store godown.Store, k keys) {
	t.Helper()
	l := openLog(t, options(store, k))
	defer l.Close(t.Context())
	status, err := l.Status(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range status.Last {
		if key := r.Module + "@" + r.Version; seen[key] {
			t.Errorf("%s is in the log twice", key)
		} else {
			seen[key] = true
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for text := range h.signed {
		tree, err := tlog.ParseTree([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if tree.N > status.Size {
			t.Errorf("a tree of %d records was signed, but there are %d", tree.N, status.Size)
			continue
		}
		var proof tlog.TreeProof
		hash, err := tlog.ParseHash(status.Hash)
		if err == nil && tree.N > 0 {
			if proof, err = l.Prove(t.Context(), status.Size, tree.N); err == nil {
				err = tlog.CheckTree(proof, status.Size, hash, tree.N, tree.Hash)
			}
		}
		if err != nil {
			t.Errorf("a tree of %d records was signed that the log of %d does not go on from: %v", tree.N, status.Size, err)
		}
	}
	for key, text := range h.records {
		var number int64
		var name string
		fmt.Sscanf(key, "%d %s", &number, &name)
		path, vers, _ := strings.Cut(name, "@")
		m := version(0)
		m.Path, m.Version = path, vers
		if id, have, err := l.Recall(t.Context(), m); err != nil || id != number || string(have) != text {
			t.Errorf("%s was answered with %q, but is now %d, %q, %v", key, text, id, have, err)
		}
	}
}

// TestCrash ends a process at each of its writes, before, in the midst of and
// after it, or has the write fail, and goes on with a new process. No head that
// was signed, and no record that was answered, is ever contradicted.
func TestCrash(t *testing.T) {
	k := newKeys(t, dbName)
	base := t.TempDir()
	l := func() *sumlog.Log {
		dir := openDir(t, base)
		if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
			t.Fatal(err)
		}
		return openLog(t, options(dir, k))
	}()
	var wait sync.WaitGroup
	for i := range 253 {
		wait.Go(func() {
			if _, _, err := l.Lookup(t.Context(), version(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	l.Close(t.Context())

	for _, fault := range []godowntest.WriteFault{
		{At: godowntest.Before, Crash: true}, {At: godowntest.Half, Crash: true}, {At: godowntest.After, Crash: true},
		{At: godowntest.Before}, {At: godowntest.After},
	} {
		t.Run(fmt.Sprintf("%v,%v", fault.At, fault.Crash), func(t *testing.T) {
			t.Parallel()
			for write, done := 1, false; !done; write++ {
				done = crashAt(t, base, k, write, fault)
				if t.Failed() {
					t.Fatalf("with the fault at write %d", write)
				}
			}
		})
	}
}

// crashAt appends records over the border of a tile with a fault at a write, and
// reports whether there are fewer writes.
func crashAt(t *testing.T, base string, k keys, write int, fault godowntest.WriteFault) (done bool) {
	folder, err := os.MkdirTemp(t.TempDir(), "")
	if err == nil {
		err = os.CopyFS(filepath.Join(folder, dbName), os.DirFS(filepath.Join(base, dbName)))
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := openDir(t, folder)
	store := godowntest.NewFaultStore(dir)
	store.Plan(godowntest.FaultAt(write, fault))
	h := newHistory(k)
	o := options(store, k)
	o.Signers = []note.Signer{h}
	o.Alarm = func(godown.Alarm) {} // there are faults
	next := 254
	run := func(until int) {
		l, err := sumlog.Open(t.Context(), o)
		if err != nil {
			return // in the crash, or the fault
		}
		for ; next < until; next++ {
			if err := h.lookup(t.Context(), l, next); err != nil && store.Crashed() {
				break
			}
		}
		if f, err := l.FetchSum(t.Context(), dbName+"/latest"); err == nil && len(f.Data) == 0 {
			t.Error("an empty head")
		}
		l.Close(t.Context())
	}
	run(258)
	if done = store.Writes() < write; done && next < 258 {
		t.Errorf("ended at %d without a fault", next)
	}
	store.Plan(nil)
	store.Restart()
	run(260)
	run(261)
	if next != 261 {
		t.Errorf("after the fault it goes on to %d only", next)
	}
	h.check(t, dir, k)
	dir.Close()
	os.RemoveAll(folder)
	return done
}

// TestRace has two processes append to one log at the same time, which would
// make different records of the same versions.
func TestRace(t *testing.T) {
	k := newKeys(t, dbName)
	folder := t.TempDir()
	dirs := []*godown.Dir{openDir(t, folder), openDir(t, folder)}
	if err := sumlog.Create(t.Context(), dirs[0], dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	h := newHistory(k)
	var wait sync.WaitGroup
	answers := make([]map[int]string, len(dirs))
	for n, dir := range dirs {
		answers[n] = map[int]string{}
		o := options(dir, k)
		o.Signers, o.Origin = []note.Signer{h}, origin(fmt.Sprint(n))
		o.Alarm = func(a godown.Alarm) {
			if a.Kind != "mismatch" {
				t.Errorf("alarm %s: %v", a.Kind, a.Err)
			}
		}
		l := openLog(t, o)
		var mu sync.Mutex
		for i := range 600 {
			wait.Go(func() {
				_, text, err := l.Lookup(t.Context(), version(i))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				answers[n][i] = string(text)
				mu.Unlock()
				if err := h.lookup(t.Context(), l, i); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	own := 0
	for i := range 600 {
		if answers[0][i] != answers[1][i] {
			t.Errorf("version %d: one process answers %q, the other %q", i, answers[0][i], answers[1][i])
		}
		if answers[0][i] == string(sums(version(i), "0")) {
			own++
		}
	}
	t.Logf("%d of 600 records are the first process's", own)
	h.check(t, openDir(t, folder), k)
}

// TestInterleaved lets one process commit in the midst of another's commit, at each of its operations.
func TestInterleaved(t *testing.T) {
	for op := 1; ; op++ {
		k := newKeys(t, dbName)
		dir := openDir(t, t.TempDir())
		if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
			t.Fatal(err)
		}
		h := newHistory(k)
		o := options(dir, k)
		o.Signers, o.Origin = []note.Signer{h}, origin("other")
		o.Alarm = func(godown.Alarm) {}
		other := openLog(t, o)
		store := godowntest.NewFaultStore(dir)
		o.Store, o.Origin = store, origin("one")
		one := openLog(t, o)
		if err := h.lookup(t.Context(), one, 0); err != nil {
			t.Fatal(err)
		}
		count := 0
		store.Hook(func(godowntest.Op) {
			if count++; count != op {
				return
			}
			for _, i := range []int{1, 5} {
				if err := h.lookup(t.Context(), other, i); err != nil {
					t.Error(err)
				}
			}
		})
		for _, i := range []int{1, 2} {
			if err := h.lookup(t.Context(), one, i); err != nil {
				t.Error(err)
			}
		}
		if err := h.lookup(t.Context(), other, 3); err != nil {
			t.Error(err)
		}
		store.Hook(nil)
		one.Close(t.Context())
		other.Close(t.Context())
		h.check(t, dir, k)
		if count < op {
			break
		}
		if t.Failed() {
			t.Fatalf("with the other process at operation %d", op)
		}
	}
}
