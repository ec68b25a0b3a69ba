package godown_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
)

// live returns g as a real way is: it ends with its context.
func (g getter) live() getter {
	return func(ctx context.Context, path string) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return g(ctx, path)
	}
}

// hanging returns g, but what begins with prefix hangs.
func (g getter) hanging(prefix string) getter {
	return func(ctx context.Context, path string) ([]byte, error) {
		if strings.HasPrefix(path, prefix) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return g.live()(ctx, path)
	}
}

// known300 has the 300 records of the main history be known.
func (r *watchRig) known300(t *testing.T) {
	t.Helper()
	s, close := r.open(t)
	if err := lookup(t, s, 7); err != nil {
		t.Fatal(err)
	}
	close()
}

func (r *watchRig) wantForkFound(t *testing.T, s *godown.Sums) {
	t.Helper()
	if st := s.Status(); st.Fork == nil || st.Fork.Check(r.spec.Key) != nil {
		t.Errorf("a signed head of another history was shown, and no fork was found: size %d, views %+v", st.Size, st.Views)
	}
	r.wantAlarms(t, "fork", 1)
}

// TestWatchFlaps has a mirror that shows an unsigned head, is away, and so on:
// that is one fault, and one alarm.
func TestWatchFlaps(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		n := 0
		bad := func(ctx context.Context, path string) ([]byte, error) {
			if n++; n%2 == 0 {
				return nil, errors.New("503")
			}
			return []byte("<html>"), nil
		}
		_, close := r.open(t, r.main.get, bad)
		defer close()
		for range 6 {
			round()
		}
		r.wantAlarms(t, "mismatch", 1)
	})
}

// TestWatchForkBetween has a mirror show another history whose tiles cannot be
// had. Each head that it shows lies between what is known and the newest one,
// whose tiles prove that it is of another history.
func TestWatchForkBetween(t *testing.T) {
	for name, other := range map[string]int{"in what was known": 5, "after it": 310} {
		t.Run(name, func(t *testing.T) {
			watchTest(t, func(t *testing.T, r *watchRig) {
				r.known300(t)
				size := 300
				main := func(ctx context.Context, path string) ([]byte, error) {
					if path == "latest" {
						size += 50
						r.main.grow(t, size)
					}
					return r.main.get(ctx, path)
				}
				fork := newHistory(r.signer, other)
				forkSize := 275
				s, close := r.open(t, main, func(ctx context.Context, path string) ([]byte, error) {
					if path != "latest" {
						return nil, errors.New("503")
					}
					forkSize += 50 // 25 more than were known in the round before
					return fork.grow(t, forkSize).get(ctx, path)
				})
				defer close()
				round()
				r.wantForkFound(t, s)
			})
		})
	}
}

// TestWatchBetween is the same with a mirror that shows the one history: it is
// proven by the tiles of the newest head.
func TestWatchBetween(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		r.known300(t)
		early := getter(newHistory(r.signer, -1).grow(t, 325).get)
		r.main.grow(t, 400)
		r.remote = getter(r.main.get).with("tile/", func([]byte) ([]byte, error) { return nil, errors.New("503") })
		s, close := r.open(t, r.main.get, early.with("tile/", func([]byte) ([]byte, error) { return nil, errors.New("503") }))
		defer close()
		pass(watchEvery/10 + time.Second) // one round alone
		synctest.Wait()
		st := s.Status()
		if st.Size != 400 || st.Stopped != "" || st.Views[0].Error != "" || st.Views[1].Error != "" || st.Views[1].Behind != 75 {
			t.Errorf("the status is %+v", st)
		}
	})
}

// A sickHeads is a store of which the files of sightings cannot be read.
type sickHeads struct{ godown.Store }

func (s sickHeads) Open(ctx context.Context, name string) (*godown.File, error) {
	if strings.Contains(name, "/heads/") {
		return nil, errors.New("input/output error")
	}
	return s.Store.Open(ctx, name)
}

// TestWatchForkSickHeads: when which size was first seen is a side matter. That
// it cannot be read is no reason not to notice a fork.
func TestWatchForkSickHeads(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		r.known300(t)
		r.wrap = func(s godown.Store) godown.Store { return sickHeads{s} }
		fork := newHistory(r.signer, 5).grow(t, 320)
		s, close := r.open(t, r.main.get, fork.get)
		defer close()
		round()
		r.wantForkFound(t, s)
		n := r.alarms.count("store")
		round()
		if n == 0 || r.alarms.count("store") == n {
			t.Errorf("there are %d alarms that they cannot be read", n)
		}
	})
}

// TestWatchHangs has a mirror that hangs: the others are compared all the same.
func TestWatchHangs(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		fork := getter(newHistory(r.signer, 5).grow(t, 320).get)
		main := getter(r.main.get)
		r.remote = main.live()
		s, close := r.open(t, main.hanging(""), main.live(), fork.live())
		defer close()
		round()
		r.wantForkFound(t, s)
	})
}

// TestWatchHangsInTiles has mirrors that show good heads that are newer than the
// known one, and hang in their tiles.
func TestWatchHangsInTiles(t *testing.T) {
	for _, mirrors := range []int{1, 12} {
		t.Run(fmt.Sprint(mirrors), func(t *testing.T) {
			watchTest(t, func(t *testing.T, r *watchRig) {
				r.known300(t)
				r.main.grow(t, 400)
				main := getter(r.main.get)
				views := []getter{main.live(), getter(newHistory(r.signer, 350).grow(t, 420).get).live()}
				for i := range mirrors {
					early := getter(newHistory(r.signer, -1).grow(t, 310+i).get)
					views = append(views, early.hanging("tile/"))
				}
				r.remote = main.hanging("tile/") // lookups are no better off
				s, close := r.open(t, views...)
				defer close()
				round()
				r.wantForkFound(t, s)
			})
		})
	}
}

// TestWatchLookupMeanwhile has a lookup bring a newer head while a still newer
// one, that a view shows, is being proven.
func TestWatchLookupMeanwhile(t *testing.T) {
	for name, other := range map[string]int{"one history": -1, "another": 410} {
		t.Run(name, func(t *testing.T) {
			watchTest(t, func(t *testing.T, r *watchRig) {
				r.known300(t)
				middle := newHistory(r.signer, other).grow(t, 450)
				r.remote = func(ctx context.Context, path string) ([]byte, error) {
					if data, err := middle.get(ctx, path); err == nil {
						return data, nil
					}
					return r.main.get(ctx, path)
				}
				r.main.grow(t, 700)
				var sums atomic.Pointer[godown.Sums]
				looked := false
				s, close := r.open(t, func(ctx context.Context, path string) ([]byte, error) {
					if path == "tile/8/0/002.p/188" && !looked {
						looked = true
						if err := lookup(t, sums.Load(), 400); err != nil {
							t.Error(err)
						}
					}
					return r.main.get(ctx, path)
				})
				defer close()
				sums.Store(s)
				round()
				if !looked {
					t.Fatal("there was no lookup meanwhile")
				}
				if other >= 0 {
					r.wantForkFound(t, s)
				} else if st := s.Status(); st.Size != 700 || st.Stopped != "" || st.Views[0].Error != "" {
					t.Errorf("the status is %+v", st)
				}
			})
		})
	}
}

// TestWatchNewerStored: a head does not replace a newer one that another process has stored.
func TestWatchNewerStored(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		r.known300(t)
		r.remote = newHistory(r.signer, -1).grow(t, 350).get
		a, closeA := r.open(t)
		r.remote = nil
		a.Recall(t.Context(), godown.Request{Kind: godown.Mod, Path: "example.com/m", Version: "v1.0.7"}) // it knows the stored head
		if n := a.Status().Size; n != 300 {
			t.Fatalf("the size is %d", n)
		}
		r.main.grow(t, 700)
		b, closeB := r.open(t)
		if err := lookup(t, b, 699); err != nil {
			t.Fatal(err)
		}
		want := r.main.head(t)
		closeB()
		if head, err := os.ReadFile(r.file("latest")); err != nil || !bytes.Equal(head, want) {
			t.Fatalf("stored is %q, error %v", head, err)
		}
		if err := lookup(t, a, 349); err != nil {
			t.Fatal(err)
		}
		if n := a.Status().Size; n != 350 {
			t.Errorf("the size is %d", n)
		}
		closeA()
		if head, err := os.ReadFile(r.file("latest")); err != nil || !bytes.Equal(head, want) {
			t.Errorf("stored is %q, error %v", head, err)
		}
	})
}

// A strictStore ends with the context, and counts what is put.
type strictStore struct {
	godown.Store
	puts *atomic.Int64
}

func (s strictStore) Open(ctx context.Context, name string) (*godown.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Store.Open(ctx, name)
}

func (s strictStore) Put(ctx context.Context, name string, r io.Reader) error {
	if strings.HasSuffix(name, "tile/8/1/000.p/2") {
		s.puts.Add(1)
	}
	return s.Store.Put(ctx, name, r)
}

// TestWatchStoresOnce: a tile that is stored is not stored anew.
func TestWatchStoresOnce(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		var puts atomic.Int64
		r.wrap = func(s godown.Store) godown.Store { return strictStore{s, &puts} }
		r.known300(t)
		for size := 600; size < 602; size++ {
			r.main.grow(t, size)
			s, close := r.open(t, r.main.get)
			round()
			close()
			if n := s.Status().Size; n != int64(size) {
				t.Errorf("the size is %d", n)
			}
		}
		if n := puts.Load(); n != 1 {
			t.Errorf("a tile was stored %d times", n)
		}
	})
}

// A slowStore keeps files when it is let.
type slowStore struct {
	godown.Store
	let chan struct{}
}

func (s slowStore) Put(ctx context.Context, name string, r io.Reader) error {
	<-s.let
	return s.Store.Put(ctx, name, r)
}

// TestSumsWaitingHeads: each head that comes with a record is examined, also if
// others come before there is time for that.
func TestSumsWaitingHeads(t *testing.T) {
	for name, test := range map[string]struct {
		before, after int // lookups that bring a head of 310 records
		fork          int // records in the other history, whose head one brings between them
	}{
		"first":                {0, 1, 305},
		"last":                 {1, 0, 305},
		"first, larger":        {0, 1, 330},
		"last, larger":         {1, 0, 330},
		"after many of a head": {20, 0, 305},
	} {
		t.Run(name, func(t *testing.T) {
			watchTest(t, func(t *testing.T, r *watchRig) {
				var from atomic.Pointer[history]
				from.Store(r.main)
				r.remote = func(ctx context.Context, path string) ([]byte, error) { return from.Load().get(ctx, path) }
				store := slowStore{let: make(chan struct{})}
				r.wrap = func(s godown.Store) godown.Store { store.Store = s; return store }
				s, _ := r.open(t)
				if err := lookup(t, s, 7); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // that is being stored, and all else waits
				good, fork := newHistory(r.signer, -1).grow(t, 310), newHistory(r.signer, 302).grow(t, test.fork)
				for i := range test.before + 1 + test.after {
					from.Store(good)
					if i == test.before {
						from.Store(fork)
					}
					if err := lookup(t, s, 20+i); err != nil {
						t.Error(err)
					}
				}
				from.Store(good)
				if test.fork > 310 { // else its tiles are nowhere
					from.Store(fork)
				}
				close(store.let)
				synctest.Wait()
				r.wantForkFound(t, s)
			})
		})
	}
}
