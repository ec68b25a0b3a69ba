package sumlog_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A level so great that eight times it is negative, or 0, after the overflow.
func TestHugeLevel(t *testing.T) {
	l, _ := newLog(t, t.TempDir())
	fill(t, l, 0, 300)
	for _, name := range []string{"tile/8/1152921504606846976/000.p/1", "tile/8/2305843009213693952/000.p/1", "tile/8/2305843009213693952/000", "tile/8/2305843009213693953/000.p/1", "tile/8/9223372036854775807/000.p/1"} {
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("%s: panic: %v", name, r)
				}
			}()
			if _, err := l.FetchSum(t.Context(), dbName+"/"+name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", name, err)
			}
		}()
	}
}

// The full disk: the process is started anew, and nothing can be written.
func TestOpenFullDisk(t *testing.T) {
	folder := t.TempDir()
	l, k := newLog(t, folder)
	fill(t, l, 0, 300)
	l.Close(t.Context())
	store := godowntest.NewFaultStore(openDir(t, folder))
	store.Plan(func(godowntest.Op) godowntest.WriteFault { return godowntest.WriteFault{At: godowntest.Before} })
	o := options(store, k)
	o.Alarm = func(godown.Alarm) {}
	full, err := sumlog.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open on a full disk: %v", err)
	}
	defer full.Close(t.Context())
	if _, _, err := full.Recall(t.Context(), version(3)); err != nil {
		t.Error(err)
	}
}

// A client that hangs up is no rot.
func TestHangUpAlarm(t *testing.T) {
	folder := t.TempDir()
	l, k := newLog(t, folder)
	fill(t, l, 0, 600)
	l.Close(t.Context())
	o := options(openDir(t, folder), k)
	o.Alarm = func(a godown.Alarm) { t.Errorf("alarm %s: %v", a.Kind, a.Err) }
	l = openLog(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tile := range []string{"tile/8/data/000", "tile/8/0/001"} {
		l.FetchSum(ctx, dbName+"/"+tile)
	}
}

// The commit is gone: that is no 404.
func TestNo404(t *testing.T) {
	for _, lost := range []string{"commit"} {
		folder := t.TempDir()
		l, _ := newLog(t, folder)
		fill(t, l, 0, 3)
		os.Remove(filepath.Join(folder, dbName, lost))
		l.Alarm = func(godown.Alarm) {}
		_, err := l.FetchSum(t.Context(), dbName+"/lookup/example.com/new@v1.0.0")
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without %s: Lookup of a new version: %v (as if there were no such version)", lost, err)
		}
	}
}

// The commit has something behind the tree.
func TestCommitTrailer(t *testing.T) {
	folder := t.TempDir()
	l, k := newLog(t, folder)
	fill(t, l, 0, 3)
	l.Close(t.Context())
	f, _ := os.OpenFile(filepath.Join(folder, dbName, "commit"), os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString("\n")
	f.Close()
	store := godowntest.NewFaultStore(openDir(t, folder))
	o := options(store, k)
	o.Alarm = func(godown.Alarm) {}
	l, err := sumlog.Open(t.Context(), o)
	if err != nil {
		return // as well
	}
	puts := 0
	ctx, cancel := context.WithCancel(t.Context())
	store.Hook(func(op godowntest.Op) {
		if op.Kind == "put" {
			if puts++; puts == 100 {
				cancel()
			}
		}
	})
	_, _, err = l.Lookup(ctx, version(4))
	if puts >= 100 {
		t.Errorf("one lookup writes without end (%v)", err)
	}
	ended, stop := context.WithCancel(context.Background())
	stop()
	l.Close(ended)
}

// Another process has renamed the new commit, but it is not durable yet, when
// ours takes it over. Then the power fails.
func TestNotDurable(t *testing.T) {
	k := newKeys(t, dbName)
	folder := t.TempDir()
	dir := openDir(t, folder)
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	h := newHistory(k)
	first := godowntest.NewFaultStore(dir)
	o := options(first, k)
	o.Alarm = func(godown.Alarm) {}
	o.Signers = []note.Signer{h}
	a := openLog(t, o)
	fill(t, a, 0, 10)

	second := godowntest.NewFaultStore(dir)
	o.Store = second
	b := openLog(t, o)
	before, _ := os.ReadFile(filepath.Join(folder, dbName, "commit"))
	// The process dies right after the rename.
	first.Plan(func(op godowntest.Op) godowntest.WriteFault {
		if op.Kind == "swap" {
			return godowntest.WriteFault{At: godowntest.After, Crash: true}
		}
		return godowntest.WriteFault{}
	})
	a.Lookup(t.Context(), version(10))
	if !first.Crashed() {
		t.Fatal("no crash")
	}
	// b sees what was committed, as a tile beyond the tree makes it look.
	b.FetchSum(t.Context(), dbName+"/tile/8/0/000.p/11")
	confirmed := false
	for _, op := range second.Ops() {
		confirmed = confirmed || op.Kind == "swap"
	}
	s, _ := b.Status(t.Context(), 0)
	if s.Size == 11 && !confirmed {
		t.Errorf("a tree of %d records was signed and shown, though nobody made sure that its commit is durable", s.Size)
	}
	second.Restart()
	b.Close(t.Context())
	if !confirmed { // the power fails
		os.WriteFile(filepath.Join(folder, dbName, "commit"), before, 0o666)
		o.Origin = origin("other")
		o.Store = dir
		c, err := sumlog.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Lookup(t.Context(), version(10)); err != nil {
			t.Fatal(err)
		}
		c.Lookup(t.Context(), version(11))
		c.Close(t.Context())
		h.check(t, dir, k)
	}
}

// A full tile was put, but its durability failed: it has to be put again before
// the tail that also has it is removed.
func TestTileNotDurable(t *testing.T) {
	k := newKeys(t, dbName)
	dir := openDir(t, t.TempDir())
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	store := godowntest.NewFaultStore(dir)
	o := options(store, k)
	o.Alarm = func(godown.Alarm) {}
	l := openLog(t, o)
	fill(t, l, 0, 255)
	failed := map[string]bool{}
	good := map[string]bool{}
	var mu sync.Mutex
	store.Plan(func(op godowntest.Op) godowntest.WriteFault {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind == "put" && strings.Contains(op.Name, "/tile/") {
			if !failed[op.Name] {
				failed[op.Name] = true
				return godowntest.WriteFault{At: godowntest.After} // renamed; the folder could not be synced
			}
			good[op.Name] = true
		}
		return godowntest.WriteFault{}
	})
	for i := 255; i < 260; i++ {
		fill(t, l, i, i+1)
	}
	for name := range failed {
		if !good[name] {
			t.Errorf("%s was never made durable, and the tail that has it is gone", name)
		}
	}
	if len(failed) == 0 {
		t.Error("no tile")
	}
}

// A reader without the key, and a writer that commits while it looks.
func TestReaderHead(t *testing.T) {
	l, k := newLog(t, t.TempDir())
	fill(t, l, 0, 255)
	store := godowntest.NewFaultStore(l.Store.(godowntest.SwapStore))
	o := options(store, k)
	o.Signers = nil
	next := 255
	on := false
	store.Hook(func(op godowntest.Op) {
		if on && op.Kind == "open" && strings.HasSuffix(op.Name, "/latest") {
			on = false
			fill(t, l, next, next+1)
			next++
			for { // the head is stored after the answer
				f, err := l.Store.Open(t.Context(), dbName+"/latest")
				if err != nil {
					t.Fatal(err)
				}
				data, _ := io.ReadAll(f.Reader())
				f.Close()
				tree, _ := tlog.ParseTree(data)
				if tree.N == int64(next) {
					break
				}
			}
		}
	})
	reader := openLog(t, o)
	on = true
	reader.FetchSum(t.Context(), dbName+"/tile/8/0/001.p/1") // beyond: looks
	func() {
		defer func() {
			if r := recover(); r != nil {
				t.Errorf("Status: panic: %v", r)
			}
		}()
		if _, err := reader.Status(t.Context(), 3); err != nil {
			t.Errorf("Status: %v", err)
		}
	}()
	f, err := reader.FetchSum(t.Context(), dbName+"/latest")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := tlog.ParseTree(f.Data)
	if err != nil {
		t.Fatal(err)
	}
	tile := tlog.Tile{H: 8, L: 0, N: (tree.N - 1) >> 8, W: int((tree.N-1)&255) + 1}
	if _, err := reader.FetchSum(t.Context(), dbName+"/"+tile.Path()); err != nil {
		t.Errorf("the head of %d records is served, but not its tile %s: %v", tree.N, tile.Path(), err)
	}
}

// A commit hangs: what is in memory is served all the same.
func TestHungDisk(t *testing.T) {
	k := newKeys(t, dbName)
	dir := openDir(t, t.TempDir())
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	store := godowntest.NewFaultStore(dir)
	l := openLog(t, options(store, k))
	fill(t, l, 0, 3)
	hang, hung := make(chan struct{}), make(chan struct{}, 1)
	store.Hook(func(op godowntest.Op) {
		if op.Kind == "swap" {
			hung <- struct{}{}
			<-hang
		}
	})
	var wait sync.WaitGroup
	wait.Go(func() { l.Lookup(t.Context(), version(3)) })
	<-hung
	for _, name := range []string{"tile/8/0/000.p/9", "latest", "checkpoint", "lookup/example.com/absent@v1.0.0"} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		done := make(chan struct{})
		wait.Go(func() {
			l.FetchSum(ctx, dbName+"/"+name)
			close(done)
		})
		select {
		case <-done:
		case <-time.After(4 * time.Second): // even its own context does not end it
			t.Errorf("%s waits for a commit that hangs, even after its context has ended", name)
		}
		cancel()
	}
	close(hang)
	wait.Wait()
}

// The record of a module cannot be read: whatever is given for it must not pass as verified.
func TestKeeperDamaged(t *testing.T) {
	folder := t.TempDir()
	l, k := newLog(t, folder)
	for i := 0; i < 300; i += 100 {
		fill(t, l, i, i+100)
	}
	fill(t, l, 300, 301) // so that the tail has no copy
	l.Close(t.Context())
	o := options(openDir(t, folder), k)
	o.Alarm = func(godown.Alarm) {}
	l = openLog(t, o) // before the damage
	file := filepath.Join(folder, dbName, "tile/8/data/000")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	os.WriteFile(file, data, 0o666)
	var m module.Version
	for i := range 300 {
		if _, _, err := l.Recall(t.Context(), version(i)); err != nil {
			m = version(i)
			break
		}
	}
	if m.Path == "" {
		t.Fatal("nothing is damaged")
	}
	keeper := &sumlog.Keeper{Log: l, Next: &godown.FirstSeen{Store: openDir(t, t.TempDir())}, Own: func(string) bool { return true }}
	err = keeper.Verify(t.Context(), godown.Request{Kind: godown.Zip, Path: m.Path, Version: m.Version}, "h1:"+strings.Repeat("A", 43)+"=")
	if err == nil {
		t.Errorf("a zip that is not that of the record of %v, which cannot be read, is verified", m)
	}
}

// The tail has a damaged copy of a full tile that the store has whole.
func TestTailFilled(t *testing.T) {
	folder := t.TempDir()
	l, k := newLog(t, folder)
	fill(t, l, 0, 256)
	l.Close(t.Context())
	names, _ := filepath.Glob(filepath.Join(folder, dbName, "tail", "*"))
	if len(names) != 1 {
		t.Fatal(names)
	}
	data, _ := os.ReadFile(names[0])
	at := strings.Index(string(data), `"tile/8/data/000","data":"`)
	if at < 0 {
		t.Fatal("no filled tile")
	}
	if at += 100; data[at] == 'A' {
		data[at] = 'B'
	} else {
		data[at] = 'A'
	}
	os.WriteFile(names[0], data, 0o666)
	o := options(openDir(t, folder), k)
	o.Alarm = func(godown.Alarm) {}
	l, err := sumlog.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v, though the store has the tile", err)
	}
	l.Close(t.Context())
}

// What is noted, and what another process has entered otherwise meanwhile.
func TestNoteDiffers(t *testing.T) {
	k := newKeys(t, dbName)
	dir := openDir(t, t.TempDir())
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	o := options(dir, k)
	a := openLog(t, o)
	o.Origin = origin("other")
	o.Alarm = func(godown.Alarm) {}
	differs := make(chan module.Version, 1)
	o.Differs = func(_ context.Context, m module.Version) { differs <- m }
	b := openLog(t, o)
	fill(t, a, 0, 1)
	b.Note(version(0))
	for { // until it was entered
		if _, waiting := b.Size(); waiting == 0 {
			break
		}
	}
	b.Close(t.Context())
	select {
	case <-differs:
	default:
		if s, _ := b.Status(t.Context(), 0); s.Size == 1 {
			t.Error("nobody was told that the record is another")
		} else {
			t.Log("not entered", s.Size)
		}
	}
}

// One damaged tile of records, of a young log: the other records, all tiles of
// hashes and the head could still be served, and are not.
func TestOpenDamagedRecords(t *testing.T) {
	folder := t.TempDir()
	l, k := newLog(t, folder)
	for i := 0; i < 600; i += 100 {
		fill(t, l, i, i+100)
	}
	l.Close(t.Context())
	file := filepath.Join(folder, dbName, "tile/8/data/000")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	os.WriteFile(file, data, 0o666)
	o := options(openDir(t, folder), k)
	o.Alarm = func(godown.Alarm) {}
	l, err = sumlog.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	l.Close(t.Context())
}
