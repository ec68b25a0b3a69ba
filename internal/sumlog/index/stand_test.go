package index

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
)

const prefix = "sum.corp.example/index/"

var errBroken = errors.New("the disk is broken")

// A memory is a Store in memory. It may fail, and counts the files that are open.
type memory struct {
	mu     sync.Mutex // guards the fields below
	files  map[string][]byte
	opened int
	writes int // Puts and Deletes so far

	// fail is asked before each write, with its number; after an error nothing
	// is changed, unless late is set.
	fail func(n int, name string) error
	late bool
	lean bool                  // bodies are streams only, of unknown size
	hook func(op, name string) // called before each Open, and before and after a List looks; without mu
}

func newMemory() *memory { return &memory{files: make(map[string][]byte)} }

func (m *memory) before(op, name string) {
	m.mu.Lock()
	hook := m.hook
	m.mu.Unlock()
	if hook != nil {
		hook(op, name)
	}
}

type memoryBody struct {
	*bytes.Reader
	once  sync.Once
	close func()
}

func (b *memoryBody) Close() error {
	b.once.Do(b.close)
	return nil
}

func (m *memory) Open(_ context.Context, name string) (*godown.File, error) {
	m.before("open", name)
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	m.opened++
	body := &memoryBody{Reader: bytes.NewReader(bytes.Clone(data)), close: func() {
		m.mu.Lock()
		m.opened--
		m.mu.Unlock()
	}}
	if m.lean {
		return &godown.File{Body: struct{ io.ReadCloser }{body}, Size: -1}, nil
	}
	return &godown.File{Body: body, Size: int64(len(data))}, nil
}

// write does a change, or fails.
func (m *memory) write(name string, change func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.fail != nil {
		if err := m.fail(m.writes, name); err != nil {
			if m.late {
				change()
			}
			return err
		}
	}
	change()
	return nil
}

func (m *memory) Put(_ context.Context, name string, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return errors.New("some text of the store's own") // stores need not wrap
	}
	return m.write(name, func() { m.files[name] = data })
}

func (m *memory) Delete(_ context.Context, name string) error {
	return m.write(name, func() { delete(m.files, name) })
}

func (m *memory) List(_ context.Context, prefix string) iter.Seq2[godown.Entry, error] {
	return func(yield func(godown.Entry, error) bool) {
		m.before("listing", prefix)
		names := slices.Sorted(maps.Keys(m.all()))
		m.before("list", prefix)
		for _, name := range names {
			if strings.HasPrefix(name, prefix) && !yield(godown.Entry{Name: name}, nil) {
				return
			}
		}
	}
}

// all returns a copy of the files.
func (m *memory) all() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.files)
}

// set changes what the store does.
func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// A book is a log: the keys of its records.
type book struct {
	mu      sync.Mutex // guards the fields below
	keys    []Key
	numbers map[Key][]int64 // of the first known of keys
	known   int
	err     error // of Keys
	fetched int   // keys
	asked   func()
}

// fill appends n keys of a small set, so that there are equal ones.
func (b *book) fill(n int, kinds uint64, seed uint64) []Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	begin := len(b.keys)
	for range n {
		seed = seed*6364136223846793005 + 1442695040888963407
		kind := seed >> 33 % kinds
		b.keys = append(b.keys, KeyOf("example.com/m", fmt.Sprint("v1.0.", kind)))
	}
	return b.keys[begin:len(b.keys):len(b.keys)]
}

func (b *book) size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(len(b.keys))
}

func (b *book) read(_ context.Context, first int64, n int) ([]Key, error) {
	b.mu.Lock()
	asked := b.asked
	b.mu.Unlock()
	if asked != nil {
		asked()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return nil, b.err
	}
	b.fetched += n
	return slices.Clone(b.keys[first : first+int64(n)]), nil
}

// fails makes the log unreadable, or readable again.
func (b *book) fails(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *book) bind(_ context.Context, first, n int64) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := sha256.New()
	for _, k := range b.keys[first : first+n] {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(k)))
	}
	return h.Sum(nil), nil
}

// find is what Find should return of the first size records.
func (b *book) find(key Key, size int64) []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.numbers == nil || b.known > len(b.keys) {
		b.numbers, b.known = make(map[Key][]int64), 0
	}
	for ; b.known < len(b.keys); b.known++ {
		k := b.keys[b.known]
		b.numbers[k] = append(b.numbers[k], int64(b.known))
	}
	all := b.numbers[key]
	n, _ := slices.BinarySearch(all, size)
	return slices.Clone(all[:n])
}

// A stand is an Index with its log and its store.
type stand struct {
	*Index
	book *book

	mu     sync.Mutex // guards failed
	failed []error
}

func (s *stand) fails() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.failed)
}

// small are options for small tests: segments of 4, 16, … records, made from
// the log up to 16.
func (b *book) small() Options {
	return Options{Range: 4, direct: 16, Bind: b.bind, Retry: time.Hour}
}

func tryOpen(t testing.TB, store godown.Store, b *book, size int64, opts Options) (*stand, error) {
	s := &stand{book: b}
	opts.Failed = func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = append(s.failed, err)
	}
	x, err := Open(context.WithoutCancel(t.Context()), store, prefix, size, b.read, opts)
	s.Index = x
	return s, err
}

func open(t testing.TB, store godown.Store, b *book, opts Options) *stand {
	t.Helper()
	s, err := tryOpen(t, store, b, b.size(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.shut(t) })
	return s
}

func (s *stand) shut(t testing.TB) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// settle waits until the worker has nothing more that it can do.
func (s *stand) settle(t testing.TB) {
	t.Helper()
	for {
		s.Index.mu.RLock()
		what, _ := s.next()
		over := what == nil && len(s.repairs) == 0
		progress := s.progress
		s.Index.mu.RUnlock()
		if over {
			return
		}
		select {
		case <-progress:
		case <-time.After(time.Minute):
			t.Fatal("the worker does nothing, but has something to do")
		}
	}
}

func (s *stand) add(t testing.TB, keys []Key) {
	t.Helper()
	if err := s.Add(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
}

// want checks one key.
func (s *stand) want(t testing.TB, key Key) {
	t.Helper()
	got, err := s.Find(t.Context(), key)
	if want := s.book.find(key, s.Size()); err != nil || !slices.Equal(got, want) {
		t.Fatalf("Find(%x) of %d records = %v, error %v, want %v", key, s.Size(), got, err, want)
	}
}

// wantAll checks every key of the log, and keys that it does not have.
func (s *stand) wantAll(t testing.TB) {
	t.Helper()
	seen := make(map[Key]bool)
	for _, k := range s.book.keys[:s.Size()] {
		if !seen[k] {
			s.want(t, k)
		}
		seen[k] = true
	}
	for _, k := range []Key{0, 1, ^Key(0), KeyOf("example.com/absent", "v1.0.0")} {
		s.want(t, k)
	}
}
