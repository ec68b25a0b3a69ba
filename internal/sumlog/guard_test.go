package sumlog_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/sumdb/note"
)

// These pass; they notice mutants that nothing else does.

// storeLog makes a log above a FaultStore.
func storeLog(t *testing.T) (*sumlog.Log, *godowntest.FaultStore) {
	k := newKeys(t, dbName)
	dir := openDir(t, t.TempDir())
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	store := godowntest.NewFaultStore(dir)
	o := options(store, k)
	o.Alarm = func(godown.Alarm) {}
	return openLog(t, o), store
}

func count(t *testing.T, store godown.Store, prefix string) (n int) {
	for _, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// Of many who ask for one new version while another is committed there is one record.
func TestOneRecord(t *testing.T) {
	l, store := storeLog(t)
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	var once sync.Once
	store.Hook(func(op godowntest.Op) {
		if op.Kind == "swap" {
			once.Do(func() { held <- struct{}{}; <-hold })
		}
	})
	var wait sync.WaitGroup
	wait.Go(func() { l.Lookup(t.Context(), version(0)) })
	<-held
	ids := make(chan int64, 20)
	for i := range 20 {
		wait.Go(func() {
			id, text, err := l.Lookup(t.Context(), version(1+i%2))
			if err != nil || string(text) != string(sums(version(1+i%2), "")) {
				t.Errorf("%q, %v", text, err)
			}
			ids <- id
		})
	}
	for { // until all are in the queue
		if _, waiting := l.Size(); waiting == 20 {
			break
		}
	}
	close(hold)
	wait.Wait()
	if size, _ := l.Size(); size != 3 {
		t.Errorf("%d records, want 3", size)
	}
}

// A swap that was done, though it failed, is found out: who asked has his answer,
// and what was committed is made durable before it is shown.
func TestSwapDoneYetFailed(t *testing.T) {
	l, store := storeLog(t)
	fill(t, l, 0, 2)
	swaps := 0
	store.Plan(func(op godowntest.Op) (f godowntest.WriteFault) {
		if op.Kind == "swap" {
			if swaps++; swaps == 1 {
				f.At = godowntest.After
			}
		}
		return f
	})
	if id, _, err := l.Lookup(t.Context(), version(2)); err != nil || id != 2 {
		t.Errorf("Lookup = %d, %v", id, err)
	}
	if swaps != 2 {
		t.Errorf("%d swaps: the second should make the first durable", swaps)
	}
	// It fails for a while, and nothing is shown meanwhile.
	store.Plan(func(op godowntest.Op) (f godowntest.WriteFault) {
		if op.Kind == "swap" {
			f.At = godowntest.After
		}
		return f
	})
	if _, _, err := l.Lookup(t.Context(), version(3)); err == nil {
		t.Error("no error")
	}
	if size, _ := l.Size(); size != 3 {
		t.Errorf("%d records are shown, of which not all are known to be durable", size)
	}
	store.Plan(nil)
	if id, _, err := l.Lookup(t.Context(), version(3)); err != nil || id != 3 {
		t.Errorf("Lookup = %d, %v", id, err)
	}
}

// Only the committed tree has a tail.
func TestOneTail(t *testing.T) {
	l, store := storeLog(t)
	for i := range 5 {
		fill(t, l, i, i+1)
	}
	l.Close(t.Context())
	if n := count(t, store, dbName+"/tail/"); n != 1 {
		t.Errorf("%d tails", n)
	}
}

// A tile that cannot be stored stays in the tail, and the answers are given.
func TestTileCannotBePut(t *testing.T) {
	l, store := storeLog(t)
	fill(t, l, 0, 255)
	store.Plan(func(op godowntest.Op) (f godowntest.WriteFault) {
		if op.Kind == "put" && strings.Contains(op.Name, "/tile/") {
			f.At = godowntest.Before
		}
		return f
	})
	for i := 255; i < 260; i++ {
		fill(t, l, i, i+1)
	}
	if _, _, err := l.Recall(t.Context(), version(3)); err != nil {
		t.Error(err)
	}
	store.Plan(nil)
	fill(t, l, 260, 261)
	if n := count(t, store, dbName+"/tile/"); n != 2 {
		t.Errorf("%d tiles", n)
	}
	ended, cancel := context.WithCancel(context.Background())
	defer cancel()
	l.Close(ended)
}

// An older copy of the folder, or another history, is put in place of a running
// log's: nothing is appended to it, or signed, and what was known is served.
func TestReplacedWhileRunning(t *testing.T) {
	for what, make := range map[string]func(t *testing.T, l *sumlog.Log, k keys, folder string) string{
		"older": func(t *testing.T, l *sumlog.Log, k keys, folder string) string { return copyLog(t, folder) },
		"other": func(t *testing.T, l *sumlog.Log, k keys, folder string) string {
			to := t.TempDir()
			o := options(openDir(t, to), k)
			if err := sumlog.Create(t.Context(), o.Store, dbName, k.signer); err != nil {
				t.Fatal(err)
			}
			o.Origin = origin("other")
			other := openLog(t, o)
			fill(t, other, 0, 20)
			other.Close(t.Context())
			return to
		},
	} {
		t.Run(what, func(t *testing.T) {
			folder := t.TempDir()
			k := newKeys(t, dbName)
			dir := openDir(t, folder)
			if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
				t.Fatal(err)
			}
			h := newHistory(k)
			o := options(dir, k)
			o.Signers, o.Alarm = []note.Signer{h}, func(godown.Alarm) {}
			l := openLog(t, o)
			fill(t, l, 0, 5)
			replacement := make(t, l, k, folder)
			fill(t, l, 5, 10)
			signed := len(h.signed)
			err := fs.ErrExist
			for errors.Is(err, fs.ErrExist) { // the head is being stored
				for os.RemoveAll(filepath.Join(folder, dbName)) != nil {
				}
				err = os.CopyFS(filepath.Join(folder, dbName), os.DirFS(filepath.Join(replacement, dbName)))
			}
			if err != nil {
				t.Fatal(err)
			}
			if id, _, err := l.Lookup(t.Context(), version(30)); err == nil {
				t.Errorf("appended as number %d", id)
			}
			l.FetchSum(t.Context(), dbName+"/tile/8/0/000.p/99") // looks
			if _, text, err := l.Recall(t.Context(), version(7)); err != nil || string(text) != string(sums(version(7), "")) {
				t.Errorf("Recall = %q, %v", text, err)
			}
			if size, _ := l.Size(); size != 10 || len(h.signed) != signed {
				t.Errorf("%d records; %d heads were signed after that", size, len(h.signed)-signed)
			}
		})
	}
}
