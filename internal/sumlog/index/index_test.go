package index

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
)

func TestKeyOf(t *testing.T) {
	// printf example.com/hello@v1.0.0 | sha256sum
	if got, want := KeyOf("example.com/hello", "v1.0.0"), Key(0xb106f077ccaf6138); got != want {
		t.Errorf("KeyOf = %#x, want %#x", got, want)
	}
}

// TestModel does at random what may be done, and compares with a plain list.
func TestModel(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 6))
		store, b := newMemory(), new(book)
		store.lean = seed%5 == 0
		opts := b.small()
		opts.Range = 4 << r.IntN(3)
		opts.direct = opts.Range << (2 * r.IntN(3))
		b.fill(r.IntN(600), 200, seed)
		s := open(t, store, b, opts)
		for range 40 {
			switch r.IntN(5) {
			case 0:
				s.shut(t)
				s = open(t, store, b, opts)
			case 1:
				s.settle(t)
			case 2: // somebody deletes a file
				names := slices.Sorted(maps.Keys(store.all()))
				if len(names) > 0 {
					store.Delete(t.Context(), names[r.IntN(len(names))])
				}
			case 3:
				s.add(t, b.fill(r.IntN(300), 200, r.Uint64()))
			}
			if s.Size() != b.size() {
				t.Fatalf("Size is %d, want %d", s.Size(), b.size())
			}
			for range 10 {
				s.want(t, KeyOf("example.com/m", fmt.Sprint("v1.0.", r.IntN(250))))
			}
		}
		s.wantAll(t)
		s.settle(t)
		s.wantAll(t)
		if failed := s.fails(); len(failed) > 0 {
			t.Fatal(failed)
		}
		s.shut(t)
		if store.opened != 0 {
			t.Fatalf("%d files are left open", store.opened)
		}
	}
}

// TestSegments checks which files there are in the end, and that they are the same however they came about.
func TestSegments(t *testing.T) {
	b := new(book)
	grown, made := newMemory(), newMemory()
	opts := b.small()
	s := open(t, grown, b, opts)
	for i := range 30 {
		s.add(t, b.fill(i, 1000, uint64(i))) // 435 in all
		if i%7 == 0 {
			s.settle(t)
		}
	}
	s.settle(t)
	open(t, made, b, opts).settle(t)
	var want []string // 435 = 256 + 2*64 + 3*16 + 0*4 + 3
	for _, name := range []string{"1/24", "1/25", "1/26", "2/4", "2/5", "3/0"} {
		want = append(want, prefix+name)
	}
	if got := slices.Sorted(maps.Keys(grown.all())); !slices.Equal(got, want) {
		t.Errorf("grown, there are %q, want %q", got, want)
	}
	if !maps.EqualFunc(grown.all(), made.all(), func(a, b []byte) bool { return string(a) == string(b) }) {
		t.Error("made anew, the files are others than grown")
	}
	b.fetched = 0
	s = open(t, grown, b, opts)
	if s.wantAll(t); b.fetched != 3 {
		t.Errorf("with all segments there, %d records were read, want the last 3", b.fetched)
	}
}

// TestEqualKeys has more records of one key than fit into a block.
func TestEqualKeys(t *testing.T) {
	for _, kinds := range []uint64{1, 2, 3, 7} {
		b := new(book)
		opts := b.small()
		opts.Range, opts.direct = 1024, 1024
		store := newMemory()
		b.fill(5000, kinds, 1)
		s := open(t, store, b, opts)
		s.wantAll(t)
		s.add(t, b.fill(4000, kinds, 2))
		s.wantAll(t)
		s.settle(t)
		s.wantAll(t)
		for _, k := range b.keys[:3] { // beside those there are
			s.want(t, k-1)
			s.want(t, k+1)
		}
	}
}

// TestBlockBorders checks each key of segments with several blocks, and its neighbours.
func TestBlockBorders(t *testing.T) {
	b := new(book)
	opts := b.small()
	opts.Range, opts.direct = 1<<10, 1<<10
	for i := range 4 << 10 {
		b.keys = append(b.keys, Key(i*2+10))
	}
	s := open(t, newMemory(), b, opts)
	for range 2 {
		for i := range Key(8<<10 + 30) {
			s.want(t, i)
		}
		s.settle(t)
	}
}

// TestDefault has the ranges that are in use, made from more records than are asked for at once.
func TestDefault(t *testing.T) {
	const size = 1<<18 + 1<<16 + 5
	s, err := Open(t.Context(), newMemory(), prefix, size, spread, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	for i := int64(0); i < size; i += 1009 {
		if got, err := s.Find(t.Context(), spreadKey(i)); err != nil || !slices.Equal(got, []int64{i}) {
			t.Fatalf("record %d is found as %v, error %v", i, got, err)
		}
	}
}

// TestTwo has two processes on one store, while others look things up.
func TestTwo(t *testing.T) {
	dir, err := godown.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	b := new(book)
	all := b.fill(1500, 1<<40, 3)
	opts := b.small()
	opts.Range, opts.direct = 16, 64
	var wg, readers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 2 {
		s, err := tryOpen(t, dir, b, 0, opts)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for at := 0; at < len(all); {
				n := min(len(all)-at, r.IntN(20))
				s.Add(t.Context(), all[at:at+n])
				at += n
				if r.IntN(40) == 0 { // begin again
					old := s
					next, err := tryOpen(t, dir, b, int64(at), opts)
					if err != nil {
						t.Error(err)
						return
					}
					s = next
					if err := old.Close(t.Context()); err != nil {
						t.Error(err)
					}
				}
				for range 5 {
					j := r.IntN(at + 1)
					if got, err := s.Find(t.Context(), all[min(j, at-1)]); at > 0 && (err != nil || len(got) != 1 || got[0] != int64(min(j, at-1))) {
						t.Errorf("of %d, record %d is found as %v, error %v", at, min(j, at-1), got, err)
						return
					}
				}
			}
			s.settle(t)
			for _, err := range s.fails() {
				t.Error(err)
			}
			s.shut(t)
		})
	}
	steady := open(t, newMemory(), b, opts)
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					steady.want(t, all[7])
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	one := open(t, dir, b, opts)
	one.settle(t)
	one.wantAll(t)
	if failed := one.fails(); len(failed) > 0 {
		t.Error(failed)
	}
}

// TestFindWhileAdding looks up, all the time, what was added before.
func TestFindWhileAdding(t *testing.T) {
	b := new(book)
	all := b.fill(4000, 1<<40, 9)
	store := newMemory()
	opts := b.small()
	opts.Range = 16
	s, err := tryOpen(t, store, b, 0, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.shut(t)
	var readers sync.WaitGroup
	for i := range 3 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 2))
			for size := int64(0); size < int64(len(all)); {
				if size = s.Size(); size == 0 {
					continue
				}
				n := r.Int64N(size)
				if got, err := s.Find(t.Context(), all[n]); err != nil || !slices.Equal(got, []int64{n}) {
					t.Errorf("of %d, record %d is found as %v, error %v", size, n, got, err)
					return
				}
				if got, err := s.Find(t.Context(), all[n]+1); err != nil || len(got) > 0 {
					t.Errorf("a key that is absent is found as %v, error %v", got, err)
					return
				}
			}
		})
	}
	for at := 0; at < len(all); at += 8 {
		s.add(t, all[at:at+8])
	}
	readers.Wait()
}

func TestClose(t *testing.T) {
	b := new(book)
	b.fill(100, 1000, 1)
	store := newMemory()
	s := open(t, store, b, b.small())
	s.shut(t)
	s.shut(t) // again
	if _, err := s.Find(t.Context(), 1); !errors.Is(err, ErrClosed) {
		t.Errorf("Find: %v", err)
	}
	if err := s.Add(t.Context(), []Key{1}); !errors.Is(err, ErrClosed) {
		t.Errorf("Add: %v", err)
	}
	if store.opened != 0 {
		t.Errorf("%d files are left open", store.opened)
	}
}

// TestCloseWhileRepairing closes while a Find waits for a repair that hangs.
func TestCloseWhileRepairing(t *testing.T) {
	b := new(book)
	b.fill(16, 1000, 1)
	store := newMemory()
	s := open(t, store, b, b.small())
	s.settle(t)
	s.shut(t)
	store.files[prefix+"1/0"][blockSize+3] ^= 1
	s = open(t, store, b, b.small())
	begun, end := make(chan struct{}), make(chan struct{})
	b.mu.Lock()
	b.asked = sync.OnceFunc(func() { close(begun); <-end })
	b.mu.Unlock()
	found := make(chan error, 2)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, err := s.Find(ctx, b.keys[0]); found <- err }()
	<-begun
	cancel()
	if err := <-found; !errors.Is(err, context.Canceled) {
		t.Errorf("Find, given up: %v", err)
	}
	if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close while the log is read: %v", err)
	}
	close(end)
	s.shut(t)
	if store.opened != 0 {
		t.Errorf("%d files are left open", store.opened)
	}
}

func TestBadOptions(t *testing.T) {
	b := new(book)
	for _, n := range []int64{-4, 1, 2, 5, 100, 1 << 21} {
		if _, err := tryOpen(t, newMemory(), b, 0, Options{Range: n}); err == nil {
			t.Errorf("a Range of %d is not refused", n)
		}
	}
	if _, err := tryOpen(t, newMemory(), b, -1, Options{}); err == nil {
		t.Error("a negative size is not refused")
	}
	if _, err := Open(t.Context(), newMemory(), "sum.corp.example/index", 0, b.read, Options{}); err == nil {
		t.Error("a prefix without slash is not refused")
	}
	b.fill(10, 10, 1)
	short := func(context.Context, int64, int) ([]Key, error) { return make([]Key, 1), nil }
	if _, err := Open(t.Context(), newMemory(), prefix, 10, short, Options{Range: 4}); err == nil {
		t.Error("too few keys are not refused")
	}
	// What stands in the folder besides is left alone.
	store := newMemory()
	for _, name := range []string{"0", "0/", "0/x", "0/-1", "0/00", "99/0", "0/1/2", "notes", "0/9223372036854775807"} {
		store.files[prefix+name] = []byte("x")
	}
	n := len(store.files)
	b.fill(30, 10, 1)
	s := open(t, store, b, Options{Range: 4, Retry: time.Hour})
	s.settle(t)
	s.wantAll(t)
	if failed := s.fails(); len(failed) > 0 || len(store.files) != n+4 {
		t.Errorf("there are %v, reported %v", slices.Sorted(maps.Keys(store.files)), failed)
	}
}
