package godown_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/godown-dev/godown"
)

// TestWatchFork has one view show another history.
func TestWatchFork(t *testing.T) {
	for name, test := range map[string]struct {
		known, size, other int // records known before; then main has 600, and the fork these, of which one is other
	}{
		"larger, in what was known":    {300, 700, 5},
		"larger, after it":             {300, 700, 400},
		"smaller, in what was known":   {300, 280, 5},
		"smaller, after it":            {300, 500, 400},
		"as large, in what was known":  {300, 300, 299},
		"as large as what is new":      {300, 600, 0},
		"nothing was known":            {0, 280, 5},
		"nothing was known, as large":  {0, 600, 599},
		"nothing was known, one other": {0, 601, 599},
	} {
		for _, first := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, first %v", name, first), func(t *testing.T) {
				watchTest(t, func(t *testing.T, r *watchRig) {
					fork := newHistory(r.signer, test.other).grow(t, test.size)
					if test.known > 0 {
						s, close := r.open(t)
						if err := lookup(t, s, 7); err != nil {
							t.Fatal(err)
						}
						close()
					}
					r.main.grow(t, 600)
					views := []getter{r.main.get, fork.get}
					if first {
						slices.Reverse(views)
					}
					s, close := r.open(t, views...)
					round()
					round()
					r.wantAlarms(t, "fork", 1)
					st := s.Status()
					if st.Size != int64(test.known) || st.Stopped == "" || st.Evidence != "sumdb/sum.test/fork" || st.Fork == nil {
						t.Errorf("the status is %+v", st)
					} else if err := st.Fork.Check(r.spec.Key); err != nil {
						t.Errorf("the evidence proves nothing: %v", err)
					}
					wantSecurity(t, lookup(t, s, 8))
					if test.known > 0 {
						r.wantServed(t, s)
					}
					r.wantStillStopped(t, close)
				})
			})
		}
	}
}

// TestWatchForkAsLarge: two heads of one size need no tiles to prove a fork.
func TestWatchForkAsLarge(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		fork := getter(newHistory(r.signer, 2).grow(t, 300).get)
		s, close := r.open(t, r.main.get, fork.with("tile/", func([]byte) ([]byte, error) { return nil, errors.New("503") }))
		round()
		if st := s.Status(); st.Fork == nil || st.Fork.Check(r.spec.Key) != nil {
			t.Errorf("the status is %+v", st)
		}
		r.wantAlarms(t, "fork", 1)
		r.wantStillStopped(t, close)
	})
}

// wantServed checks that all that was proven before is served: a record, its
// tiles and the head.
func (r *watchRig) wantServed(t *testing.T, s *godown.Sums) {
	t.Helper()
	asked := r.main.count()
	if err := lookup(t, s, 7); err != nil {
		t.Errorf("a record that is at hand: %v", err)
	}
	for _, name := range []string{"supported", "lookup/example.com/m@v1.0.7", "tile/8/0/000", "tile/8/0/001.p/44", "tile/8/1/000.p/1", "latest"} {
		if _, err := readSum(t.Context(), s, "sum.test/"+name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := r.main.count() - asked; n > 0 {
		t.Errorf("the database was asked %d times for that", n)
	}
}

// wantStillStopped starts another process, and then has an operator remove the evidence.
func (r *watchRig) wantStillStopped(t *testing.T, close func()) {
	t.Helper()
	close()
	_, err := os.Stat(r.file("lookup/example.com/m@v1.0.7"))
	known := err == nil
	s, close := r.open(t, r.main.get)
	defer close()
	wantSecurity(t, lookup(t, s, 9))
	wantSecurity(t, s.Verify(t.Context(), godown.Request{Kind: godown.Zip, Path: "example.com/m", Version: "v1.0.9"}, "h1:"))
	r.wantAlarms(t, "fork", 2)
	if known {
		r.wantServed(t, s)
	}
	round()
	if st := s.Status(); st.Stopped == "" || st.Fork == nil || known != (st.Size > 0) {
		t.Errorf("after a restart the status is %+v", st)
	}
	r.wantAlarms(t, "fork", 2)
	if err := os.Remove(r.file("fork")); err != nil {
		t.Fatal(err)
	}
	if err := lookup(t, s, 9); err != nil {
		t.Errorf("after the evidence was removed: %v", err)
	}
	if st := s.Status(); st.Stopped != "" || st.Fork != nil || st.Evidence != "" {
		t.Errorf("the status is %+v", st)
	}
	r.wantAlarms(t, "fork", 2)
}

// TestWatchEvidence: whatever is in the place of the evidence stops trust, also
// if the disk has damaged it or a person has put it there.
func TestWatchEvidence(t *testing.T) {
	for name, edit := range map[string]func([]byte) []byte{
		"empty":   func([]byte) []byte { return nil },
		"note":    func([]byte) []byte { return []byte("stop, says the boss\n") },
		"half":    func(data []byte) []byte { return data[:len(data)/2] },
		"flipped": func(data []byte) []byte { return bytes.Replace(data, []byte(`"hash": "`), []byte(`"hash": "AAAA`), 1) },
		"no proof": func(data []byte) []byte {
			return append(data[:bytes.Index(data, []byte(`"proof"`))], `"proof": []}`...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			watchTest(t, func(t *testing.T, r *watchRig) {
				fork := newHistory(r.signer, 5).grow(t, 400)
				_, close := r.open(t, r.main.get, fork.get)
				round()
				r.wantAlarms(t, "fork", 1)
				close()
				data, err := os.ReadFile(r.file("fork"))
				if err == nil {
					err = os.WriteFile(r.file("fork"), edit(data), 0o666)
				}
				if err != nil {
					t.Fatal(err)
				}
				s, _ := r.open(t)
				wantSecurity(t, lookup(t, s, 1))
				r.wantAlarms(t, "fork", 2)
			})
		})
	}
}

// TestWatchTwoProcesses has one process find a fork, and another on the same store hear of it.
func TestWatchTwoProcesses(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		fork := newHistory(r.signer, 2).grow(t, 320)
		a, _ := r.open(t, r.main.get, fork.get)
		b, _ := r.open(t, func(context.Context, string) ([]byte, error) { return nil, errors.New("no route to host") })
		for _, s := range []*godown.Sums{a, b} {
			if err := lookup(t, s, 7); err != nil {
				t.Fatal(err)
			}
		}
		round()
		for _, s := range []*godown.Sums{a, b} {
			wantSecurity(t, lookup(t, s, 100))
			if st := s.Status(); st.Stopped == "" || st.Fork.Check(r.spec.Key) != nil {
				t.Errorf("the status is %+v", st)
			}
			r.wantServed(t, s)
		}
		r.wantAlarms(t, "fork", 2)
		if err := os.Remove(r.file("fork")); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(lookup(t, a, 100), lookup(t, b, 100)); err != nil {
			t.Error(err)
		}
	})
}

// TestWatchTwoSides has two processes on one store of which each sees one side of a fork.
func TestWatchTwoSides(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		fork := newHistory(r.signer, 2).grow(t, 320)
		a, _ := r.open(t, r.main.get)
		r.remote = fork.get
		b, _ := r.open(t, fork.get)
		b.Recall(t.Context(), godown.Request{Kind: godown.Mod, Path: "example.com/m", Version: "v1.0.0"}) // nothing is stored yet
		for i, s := range []*godown.Sums{a, b} {
			if err := lookup(t, s, 7+i); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if sizes := [2]int64{a.Status().Size, b.Status().Size}; sizes != [2]int64{300, 320} {
			t.Fatalf("the sizes are %v", sizes)
		}
		round() // the one who sees it tells the other
		for _, s := range []*godown.Sums{a, b} {
			wantSecurity(t, lookup(t, s, 100))
			if st := s.Status(); st.Stopped == "" || st.Fork.Check(r.spec.Key) != nil {
				t.Errorf("the status is %+v", st)
			}
		}
		r.wantAlarms(t, "fork", 2)
	})
}

// TestWatchBrokenStore: evidence that cannot be stored stops trust all the
// same, and is stored when that is possible again.
func TestWatchBrokenStore(t *testing.T) {
	ill := errors.New("input/output error")
	watchTest(t, func(t *testing.T, r *watchRig) {
		fork := newHistory(r.signer, 2).grow(t, 320)
		store := new(brokenStore)
		store.put.Store(&ill)
		r.wrap = func(s godown.Store) godown.Store { store.Store = s; return store }
		s, close := r.open(t, r.main.get, fork.get)
		r.wrap = nil
		round()
		if st := s.Status(); st.Stopped == "" {
			t.Errorf("the status is %+v", st)
		}
		wantSecurity(t, lookup(t, s, 100))
		if r.alarms.count("store") == 0 {
			t.Error("there is no alarm that the evidence cannot be stored")
		}
		store.put.Store(nil)
		wantSecurity(t, lookup(t, s, 100))
		if _, err := os.Stat(r.file("fork")); err != nil {
			t.Errorf("when the store is well again: %v", err)
		}
		r.wantAlarms(t, "fork", 1)
		r.wantStillStopped(t, close)
	})
	watchTest(t, func(t *testing.T, r *watchRig) {
		store := new(brokenStore)
		r.wrap = func(s godown.Store) godown.Store { store.Store = s; return store }
		s, _ := r.open(t, r.main.get)
		if err := lookup(t, s, 1); err != nil {
			t.Fatal(err)
		}
		store.open.Store(&ill) // nobody can tell whether it is to be trusted
		if err := lookup(t, s, 2); !errors.Is(err, ill) {
			t.Errorf("error is %v", err)
		}
		r.main.grow(t, 400)
		round()
		if st := s.Status(); st.Size != 300 || st.Views[0].Error == "" || st.Stopped != "" {
			t.Errorf("the status is %+v", st)
		}
		store.open.Store(nil)
		if err := lookup(t, s, 2); err != nil {
			t.Error(err)
		}
		round()
		if st := s.Status(); st.Size != 400 || st.Views[0].Error != "" {
			t.Errorf("the status is %+v", st)
		}
		r.wantAlarms(t, "fork", 0)
	})
}

// TestWatchForkMeanwhile finds a fork out while a newer head is being proven: it
// is not believed any more.
func TestWatchForkMeanwhile(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		fork := newHistory(r.signer, 2).grow(t, 500)
		var s *godown.Sums
		var other bool // lookups are shown the other history
		r.remote = func(ctx context.Context, path string) ([]byte, error) {
			if path == "tile/8/0/001.p/45" && !other {
				other = true
				wantSecurity(t, lookup(t, s, 400))
				other = false
			}
			if other {
				return fork.get(ctx, path)
			}
			return r.main.get(ctx, path)
		}
		s, _ = r.open(t)
		if err := lookup(t, s, 7); err != nil {
			t.Fatal(err)
		}
		r.main.grow(t, 301)
		wantSecurity(t, lookup(t, s, 300))
		if st := s.Status(); st.Size != 300 || st.Stopped == "" {
			t.Errorf("the status is %+v", st)
		}
		r.wantAlarms(t, "fork", 1)
	})
}
