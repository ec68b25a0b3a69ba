package godown_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
)

// wantBorn checks the bound of record i.
func wantBorn(t *testing.T, s *godown.Sums, i int, want time.Time) {
	t.Helper()
	got, ok, err := s.BornBefore(t.Context(), "example.com/m", fmt.Sprintf("v1.0.%d", i))
	if err != nil || ok != !want.IsZero() || !got.Equal(want) {
		t.Errorf("BornBefore of record %d = %v, %v, error %v, want %v", i, got, ok, err, want)
	}
}

func TestBornBefore(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		start := time.Now()
		s, close := r.open(t)
		wantBorn(t, s, 0, start)
		wantBorn(t, s, 299, start)
		pass(time.Hour + time.Nanosecond) // a bound is never too early, not even by that
		r.main.grow(t, 301)
		if err := lookup(t, s, 300); err != nil {
			t.Fatal(err)
		}
		later := start.Add(time.Hour + time.Second)
		for range 2 {
			wantBorn(t, s, 299, start)
			wantBorn(t, s, 300, later)
			pass(time.Hour)
			close()
			s, close = r.open(t) // a restart changes nothing
		}
		if got, ok, err := s.BornBefore(godown.CachedOnly(t.Context()), "example.com/m", "v1.0.300"); err != nil || !ok || !got.Equal(later) {
			t.Errorf("at hand: %v, %v, error %v", got, ok, err)
		}
		if _, ok, err := s.BornBefore(godown.CachedOnly(t.Context()), "example.com/m", "v1.0.5"); ok || err != nil {
			t.Errorf("what is not at hand: %v, error %v", ok, err)
		}
		if _, ok, err := s.BornBefore(t.Context(), "example.com/none", "v1.0.0"); ok || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what does not exist: %v, error %v", ok, err)
		}
		close()
		r.remote = func(_ context.Context, path string) ([]byte, error) {
			t.Errorf("asked for %s", path)
			return nil, fs.ErrNotExist
		}
		s, _ = r.open(t)
		s.Private = "example.com"
		if _, ok, err := s.BornBefore(t.Context(), "example.com/m", "v1.0.8"); ok || err != nil {
			t.Errorf("what is private: %v, error %v", ok, err)
		}
	})
}

// TestBornBeforeWatched checks that what Watch sees counts, and that a year of it is little.
func TestBornBeforeWatched(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		s, close := r.open(t)
		seen := []time.Time{}
		for i := range 5 {
			round()
			seen = append(seen, s.Status().Changed)
			r.main.grow(t, 301+10*i)
		}
		close()
		s, _ = r.open(t)
		wantBorn(t, s, 299, seen[0].Truncate(time.Second).Add(roundUp(seen[0])))
		for i, at := range seen[1:] {
			wantBorn(t, s, 300+10*i, at.Truncate(time.Second).Add(roundUp(at)))
		}
		files, err := filepath.Glob(r.file("heads/*"))
		if err != nil || len(files) != 1 || filepath.Base(files[0]) != "2000-01" {
			t.Errorf("stored are %v, error %v", files, err)
		}
	})
}

// roundUp returns what t lacks to a whole second.
func roundUp(t time.Time) time.Duration {
	if t.Nanosecond() == 0 {
		return 0
	}
	return time.Second
}

// TestBornBeforeThins has a head every 10 s.
func TestBornBeforeThins(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		start := time.Now()
		s, close := r.open(t)
		const n = 120 // every 10 s
		for i := range n {
			if err := lookup(t, s, 300+i); err != nil {
				t.Fatal(err)
			}
			pass(10 * time.Second)
		}
		if st := s.Status(); st.Pairs < n/60 || st.Pairs > n/60+2 {
			t.Errorf("%d pairs", st.Pairs)
		}
		for range 2 {
			for i := 0; i < n; i += 7 {
				at, ok, err := s.BornBefore(t.Context(), "example.com/m", fmt.Sprintf("v1.0.%d", 300+i))
				if late := at.Sub(start.Add(time.Duration(i) * 10 * time.Second)); err != nil || !ok || late < 0 || late > 10*time.Minute {
					t.Fatalf("record %d: %v late, %v, error %v", 300+i, late, ok, err)
				}
			}
			close()
			s, close = r.open(t)
		}
	})
}

// TestBornBeforeTwoProcesses has two processes on one store learn in turns.
func TestBornBeforeTwoProcesses(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		var born []time.Time
		var sums [2]*godown.Sums
		var closes [2]func()
		for i := range sums {
			sums[i], closes[i] = r.open(t, func(context.Context, string) ([]byte, error) { return nil, errors.New("no route to host") })
		}
		for i := range 6 {
			if err := lookup(t, sums[i%2], 300+i); err != nil {
				t.Fatal(err)
			}
			born = append(born, time.Now())
			pass(20 * time.Minute)
		}
		closes[0]()
		closes[1]()
		s, _ := r.open(t)
		for i, at := range born {
			wantBorn(t, s, 300+i, at)
		}
	})
}

// TestBornBeforeDamaged flips bits of each byte of the lines stored: a bound may become
// later, never earlier.
func TestBornBeforeDamaged(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		s, close := r.open(t)
		var born []time.Time
		for i := range 3 {
			if err := lookup(t, s, 300+i); err != nil {
				t.Fatal(err)
			}
			born = append(born, time.Now())
			pass(20 * time.Minute)
		}
		close()
		file := r.file("heads/2000-01")
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for at := bytes.IndexByte(good, '\n') - 2; at < len(good); at++ {
			for bit := range 4 {
				bad := bytes.Clone(good)
				bad[at] ^= 1 << bit
				if err := os.WriteFile(file, bad, 0o666); err != nil {
					t.Fatal(err)
				}
				s := &godown.Sums{Spec: r.spec, Store: openDir(t, r.folder), Remote: r.main.get}
				for i, want := range born {
					got, ok, err := s.BornBefore(t.Context(), "example.com/m", fmt.Sprintf("v1.0.%d", 300+i))
					if err != nil || !ok || got.Before(want) {
						t.Fatalf("byte %d, bit %d: record %d: %v, %v, error %v; it was born %v", at, bit, 300+i, got, ok, err, want)
					}
				}
			}
		}
	})
}

// An unlisted store cannot be listed while it is ill.
type unlisted struct {
	godown.Store
	ill error
}

func (s *unlisted) List(ctx context.Context, prefix string) iter.Seq2[godown.Entry, error] {
	if s.ill != nil {
		return func(yield func(godown.Entry, error) bool) { yield(godown.Entry{}, s.ill) }
	}
	return s.Store.List(ctx, prefix)
}

// TestBornBeforeUnreadable: that what was seen cannot be read is said, verifying
// goes on, and nothing is lost.
func TestBornBeforeUnreadable(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		start := time.Now()
		s, close := r.open(t)
		wantBorn(t, s, 299, start)
		close()
		pass(time.Hour)
		store := &unlisted{ill: errors.New("input/output error")}
		r.wrap = func(s godown.Store) godown.Store { store.Store = s; return store }
		s, close = r.open(t)
		r.main.grow(t, 301)
		if err := lookup(t, s, 300); err != nil {
			t.Error(err)
		}
		if _, ok, err := s.BornBefore(t.Context(), "example.com/m", "v1.0.299"); ok || !errors.Is(err, store.ill) {
			t.Errorf("%v, error %v", ok, err)
		}
		if r.alarms.count("store") == 0 {
			t.Error("there is no alarm")
		}
		store.ill = nil
		r.wrap = nil
		for range 2 {
			wantBorn(t, s, 299, start)
			wantBorn(t, s, 300, start.Add(time.Hour))
			close()
			s, close = r.open(t)
		}
	})
}

// TestBornBeforeNotStored: without a store it still knows what it saw itself.
func TestBornBeforeNotStored(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		start := time.Now()
		ill := errors.New("no space left on device")
		store := new(brokenStore)
		store.put.Store(&ill)
		r.wrap = func(s godown.Store) godown.Store { store.Store = s; return store }
		s, close := r.open(t)
		r.wrap = nil
		wantBorn(t, s, 299, start)
		synctest.Wait()
		pass(time.Hour)
		wantBorn(t, s, 299, start)
		store.put.Store(nil) // what could not be stored is, in the end
		close()
		s, _ = r.open(t)
		wantBorn(t, s, 299, start)
	})
}
