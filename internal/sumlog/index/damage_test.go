package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
)

// full returns a store with the segments of b.
func full(t *testing.T, b *book, opts Options) *memory {
	store := newMemory()
	s := open(t, store, b, opts)
	s.settle(t)
	s.shut(t)
	return store
}

// TestFlip flips each byte of a segment: it is not opened, or what the byte
// spoils is not found.
func TestFlip(t *testing.T) {
	b := new(book)
	b.fill(16, 12, 5)
	at := place{1, 3}
	l := newLabel(plan{prefix, 4}, at, []byte("bind"))
	good, err := io.ReadAll(newEncoder(l, each(sorted(b.keys))))
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= byte(1 + i%255)
		s, err := openSegment(godown.NewFile(bad), l)
		if inData := i/blockSize == 1; (err == nil) != inData {
			t.Fatalf("byte %d: open: %v", i, err)
		} else if inData {
			if got, err := s.find(b.keys[0], nil); err == nil {
				t.Fatalf("byte %d: found %v", i, got)
			}
			if s.verify() == nil {
				t.Fatalf("byte %d: can be read to its end", i)
			}
		}
	}
}

// TestBorrowed has good blocks where they do not belong, and files of other lengths.
func TestBorrowed(t *testing.T) {
	l := newLabel(plan{prefix, 4}, place{1, 3}, []byte("bind"))
	block := make([]byte, blockSize)
	for what, other := range map[string]label{
		"range": newLabel(l.plan, place{1, 2}, []byte("bind")), "log": newLabel(l.plan, l.at, []byte("bond")),
		"folder": newLabel(plan{"x/", 4}, l.at, []byte("bind")), "level": newLabel(plan{prefix, 4}, place{2, 3}, []byte("bind")),
	} {
		if other.seal(block, 7); l.check(block, 7) == nil {
			t.Errorf("a block of another %s is taken", what)
		}
	}
	if l.seal(block, 7); l.check(block, 7) != nil || l.check(block, 8) == nil {
		t.Error("a block is refused in its place, or taken in another's")
	}
	good, err := io.ReadAll(newEncoder(l, each(sorted(make([]Key, 16)))))
	if err != nil {
		t.Fatal(err)
	}
	for n, data := range map[int][]byte{-1: good[:len(good)-1], 0: good, 1: append(bytes.Clone(good), 0)} {
		body := io.NopCloser(struct{ io.Reader }{bytes.NewReader(data)})
		if _, err := openSegment(&godown.File{Body: body, Size: -1}, l); (err == nil) != (n == 0) {
			t.Errorf("a stream of %+d bytes: %v", n, err)
		}
	}
}

// TestFlipped flips bytes of a segment of an Index: nothing is ever found
// wrongly, and afterwards the file is right again. Where the log cannot be
// read, there is an error.
func TestFlipped(t *testing.T) {
	b := new(book)
	b.fill(16, 12, 5)
	opts := b.small()
	store := full(t, b, opts)
	const name = prefix + "1/0"
	good := store.files[name]
	keys := append(slices.Clone(b.keys), 0, 77, ^Key(0))
	for i := 0; i < len(good); i += 23 {
		for _, unreadable := range []bool{true, false} {
			bad := bytes.Clone(good)
			bad[i] ^= byte(1 + i%255)
			store.files[name] = bad
			b.err = nil
			if unreadable {
				b.err = errBroken
			}
			s, err := tryOpen(t, store, b, 16, opts)
			if err != nil {
				if !errors.Is(err, errBroken) {
					t.Fatalf("byte %d: %v", i, err)
				}
				continue
			}
			errs := 0
			for _, k := range keys {
				got, err := s.Find(t.Context(), k)
				if err != nil && errors.Is(err, errBroken) && unreadable {
					errs++
				} else if want := b.find(k, 16); err != nil || !slices.Equal(got, want) {
					t.Fatalf("byte %d: Find(%x) = %v, error %v, want %v", i, k, got, err, want)
				}
			}
			if unreadable && errs == 0 {
				t.Fatalf("byte %d: nothing was noticed", i)
			}
			s.settle(t)
			if !unreadable && !bytes.Equal(store.all()[name], good) {
				t.Fatalf("byte %d: the segment was not made anew", i)
			}
			if len(s.fails()) == 0 {
				t.Fatalf("byte %d: not reported", i)
			}
			s.shut(t)
		}
	}
}

// TestDamage damages segments of all levels in other ways.
func TestDamage(t *testing.T) {
	b := new(book)
	b.fill(350, 1<<40, 5) // 256 + 64 + 16 + 3*4 + 2: levels 2 and 3 are beyond direct
	opts := b.small()
	good := full(t, b, opts).files
	other := new(book)
	other.fill(350, 1<<40, 6)
	foreign := full(t, other, other.small()).files
	wide := b.small()
	wide.Range = 16
	ranged := full(t, b, wide).files
	for name, data := range good {
		cut := func(n int) []byte { return data[:n] }
		swapped := bytes.Clone(data)
		if len(data) > 4*blockSize {
			copy(swapped[blockSize:], data[2*blockSize:3*blockSize])
			copy(swapped[2*blockSize:], data[blockSize:2*blockSize])
		} else {
			copy(swapped, data[blockSize:2*blockSize])
		}
		sameLevel := bytes.Clone(good[prefix+"0/84"])
		if name == prefix+"0/84" {
			sameLevel = good[prefix+"0/85"]
		}
		for what, bad := range map[string][]byte{
			"empty": {}, "cut to a block": cut(blockSize), "cut by a block": cut(len(data) - blockSize),
			"cut by a byte": cut(len(data) - 1), "zeros": make([]byte, len(data)), "longer": append(bytes.Clone(data), 0),
			"zero block": append(make([]byte, blockSize), data[blockSize:]...), "swapped blocks": swapped,
			"another log's": foreign[name], "of another Range": ranged[name], "another range's": sameLevel,
		} {
			store := newMemory()
			store.files = maps.Clone(good)
			store.files[name] = bad
			for round := range 2 {
				s := open(t, store, b, opts)
				s.wantAll(t)
				s.settle(t)
				s.wantAll(t)
				if failed := s.fails(); (len(failed) > 0) != (round == 0) {
					t.Errorf("%s %s, round %d: reported %v", name, what, round, failed)
				}
				s.shut(t)
			}
			if !maps.EqualFunc(store.files, good, bytes.Equal) || store.opened != 0 {
				t.Errorf("%s %s: the files were not made anew, or %d are left open", name, what, store.opened)
			}
		}
	}
}

// TestUnbelieved shows what Bind is for: after a backup was restored, the log
// went on otherwise.
func TestUnbelieved(t *testing.T) {
	b := new(book)
	b.fill(200, 1<<40, 5)
	store := full(t, b, b.small())
	s := open(t, store, b, b.small())
	s.shut(t)
	b.keys = b.keys[:100]
	s = open(t, store, b, b.small())
	s.wantAll(t)
	s.shut(t)
	b.fill(100, 1<<40, 6)
	s = open(t, store, b, b.small())
	s.wantAll(t)
}

// TestDamageWhileOpen damages what is read by an Index: in a merge and in a
// Find, with a log that can be read and one that cannot for a while.
func TestDamageWhileOpen(t *testing.T) {
	b := new(book)
	b.fill(64+3*16+12, 1<<40, 5)
	store := full(t, b, b.small())
	for _, n := range []int{0, 1, 2} { // where the next merge reads
		store.files[fmt.Sprint(prefix, "1/", 4+n)][blockSize+100] ^= 8
	}
	last := b.keys[len(b.keys)-12:] // in segments of level 0
	s := open(t, store, b, b.small())
	s.settle(t)
	b.fails(errBroken)
	s.add(t, b.fill(4, 1<<40, 7)) // makes them merge
	for range 3 {
		if _, err := s.Find(t.Context(), b.keys[70]); !errors.Is(err, errBroken) {
			t.Fatalf("Find in a damaged segment of a log that cannot be read: %v", err)
		}
	}
	if _, err := s.Find(t.Context(), last[0]); !errors.Is(err, errBroken) {
		t.Fatalf("a Find that would have to read a damaged segment: %v", err)
	}
	b.fails(nil)
	s.wantAll(t)
	s.nudge()
	s.settle(t)
	s.wantAll(t)
	s.shut(t)
	var names []string
	for name := range store.files {
		names = append(names, strings.TrimPrefix(name, prefix))
	}
	if slices.Sort(names); !slices.Equal(names, []string{"2/0", "2/1"}) {
		t.Errorf("in the end there are %q", names)
	}
	open(t, store, b, b.small()).wantAll(t)
}

// TestCrash breaks the store at each write, and opens again what it has then.
func TestCrash(t *testing.T) {
	for _, late := range []bool{false, true} {
		for crash := 1; ; crash++ {
			b, store := new(book), newMemory()
			b.fill(50, 1<<40, 1)
			store.late = late
			store.fail = func(n int, _ string) error {
				store.late = late && n == crash
				if n >= crash {
					return errBroken
				}
				return nil
			}
			s := open(t, store, b, b.small())
			for range 10 {
				s.add(t, b.fill(13, 1<<40, uint64(b.size())))
				s.want(t, b.keys[len(b.keys)/2])
			}
			s.shut(t) // after a crash nobody does even that, but it writes nothing
			whole := store.writes < crash
			store.fail = nil
			s = open(t, store, b, b.small())
			s.wantAll(t)
			s.settle(t)
			s.wantAll(t)
			s.shut(t)
			if len(store.files) != 2+3+1 { // 180 = 2*64 + 3*16 + 4
				t.Fatalf("crash at %d: in the end there are %v", crash, slices.Sorted(maps.Keys(store.files)))
			}
			if whole {
				break
			}
		}
	}
}

// TestFull has a disk that is full for a while: all is found, it is reported
// once each time, and written when there is room again.
func TestFull(t *testing.T) {
	b, store := new(book), newMemory()
	isFull := true
	store.fail = func(int, string) error {
		if isFull {
			return errBroken
		}
		return nil
	}
	opts := b.small()
	opts.Retry = time.Millisecond
	b.fill(90, 1<<40, 1)
	s := open(t, store, b, opts)
	for round := range 3 {
		store.set(func() { isFull = true })
		for range 20 {
			s.add(t, b.fill(7, 1<<40, uint64(b.size())))
		}
		s.wantAll(t)
		if failed := s.fails(); round == 0 && len(failed) != 1 || len(failed) > 2*round+1 {
			t.Fatalf("round %d: reported %v", round, failed)
		} else if !errors.Is(failed[0], errBroken) {
			t.Fatal(failed[0])
		}
		store.set(func() { isFull = false })
		s.settle(t)
		s.wantAll(t)
		if len(store.all()) == 0 {
			t.Fatal("nothing was written")
		}
	}
	s.shut(t)
	again := open(t, store, b, opts)
	again.wantAll(t)
}

// TestUnwritable has a store that takes nothing, or can not even be listed.
func TestUnwritable(t *testing.T) {
	b := new(book)
	b.fill(300, 1<<40, 1)
	opts := b.small()
	s := open(t, godown.Unwritable(errBroken), b, opts)
	for range 50 {
		s.add(t, b.fill(11, 1<<40, uint64(b.size())))
	}
	s.wantAll(t)
	if failed := s.fails(); len(failed) != 1 || !errors.Is(failed[0], errBroken) {
		t.Errorf("reported %v, want one error", failed)
	}
	// With segments that it has already, and a damaged one among them.
	store := full(t, b, opts)
	store.fail = func(int, string) error { return errBroken }
	store.files[prefix+"3/0"][blockSize] ^= 1
	s = open(t, store, b, opts)
	s.wantAll(t)
	for range 50 {
		s.add(t, b.fill(11, 1<<40, uint64(b.size())))
	}
	s.wantAll(t)
	if failed := s.fails(); len(failed) != 2 {
		t.Errorf("reported %v, want the damage and one failed write", failed)
	}
}

// TestUnreadable has a log of which keys or hashes cannot be read: there is an
// Index that answers rightly, or none.
func TestUnreadable(t *testing.T) {
	b := new(book)
	b.fill(90, 1<<40, 1)
	opts := b.small()
	store := full(t, b, opts)
	var bindErr error
	opts.Bind = func(ctx context.Context, first, n int64) ([]byte, error) {
		if bindErr != nil {
			return nil, bindErr
		}
		return b.bind(ctx, first, n)
	}
	bindErr = errBroken
	if _, err := tryOpen(t, store, b, b.size(), opts); !errors.Is(err, errBroken) {
		t.Errorf("without Bind's answer: %v", err)
	}
	bindErr = nil
	b.err = errBroken
	if _, err := tryOpen(t, store, b, b.size(), opts); !errors.Is(err, errBroken) {
		t.Errorf("without the log: %v", err)
	}
	if store.opened != 0 {
		t.Errorf("%d files are left open", store.opened)
	}
}

// TestVanished deletes segments between their listing and their opening, as
// another process does that merges.
func TestVanished(t *testing.T) {
	b := new(book)
	b.fill(64, 1<<40, 1)
	merged := full(t, b, b.small()).files
	b.keys = b.keys[:63]
	store := full(t, b, b.small())
	b.fill(1, 1<<40, 99)
	b.keys[63] = 0
	merged2 := full(t, b, b.small()).files
	if len(merged) != 1 || len(merged2) != 1 {
		t.Fatal(len(merged), len(merged2))
	}
	listed := 0
	store.hook = func(op, _ string) {
		if op == "list" {
			if listed++; listed == 1 {
				store.set(func() { store.files = maps.Clone(merged2) })
			}
		}
	}
	b.fetched = 0
	s := open(t, store, b, b.small())
	s.wantAll(t)
	if b.fetched != 0 || listed != 2 {
		t.Errorf("%d records were read and the store listed %d times, want 0 and 2", b.fetched, listed)
	}
	// A folder that never holds still.
	names := slices.Sorted(maps.Keys(merged2))
	store.hook = func(op, _ string) {
		store.set(func() {
			if delete(store.files, names[0]); op != "open" {
				store.files[names[0]] = merged2[names[0]]
			}
		})
	}
	store.set(func() { store.files[names[0]] = merged2[names[0]] })
	s = open(t, store, b, b.small())
	s.wantAll(t)
}

// TestLeftovers has segments beside the wider one that they were merged into.
func TestLeftovers(t *testing.T) {
	b := new(book)
	b.fill(63, 1<<40, 1)
	store := full(t, b, b.small())
	left := maps.Clone(store.files)
	s := open(t, store, b, b.small())
	s.add(t, b.fill(1, 1<<40, 2))
	s.settle(t)
	s.shut(t)
	half := newMemory()
	maps.Copy(half.files, left)
	b.fetched = 0
	if open(t, half, b, b.small()).wantAll(t); b.fetched != 4 {
		t.Errorf("%d records were read, want the 4 that lacked", b.fetched)
	}
	maps.Copy(store.files, left)
	s = open(t, store, b, b.small())
	s.wantAll(t)
	if got := slices.Sorted(maps.Keys(store.all())); !slices.Equal(got, []string{prefix + "2/0"}) {
		t.Errorf("there are %q", got)
	}
}
