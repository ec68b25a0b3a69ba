package godowntest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godown-dev/godown"
)

// TestSwapper checks the contract of a [godown.Store] that is a
// [godown.Swapper], too. open returns an empty one.
func TestSwapper(t *testing.T, open func(t *testing.T) godown.Store) {
	for name, test := range map[string]func(*testing.T, swapTest){
		"New":       testSwapNew,
		"Existing":  testSwapExisting,
		"Empty":     testSwapEmpty,
		"Names":     testSwapNames,
		"BadNames":  testSwapBadNames,
		"Put":       testSwapPut,
		"Buffers":   testSwapBuffers,
		"Cancelled": testSwapCancelled,
		"Race":      testSwapRace,
		"Counter":   testSwapCounter,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			swapper, ok := s.(godown.Swapper)
			if !ok {
				t.Fatalf("a %T is no Swapper", s)
			}
			test(t, swapTest{storeTest{s}, swapper})
		})
	}
}

// A swapTest is a Swapper with the usual steps of a test.
type swapTest struct {
	storeTest
	godown.Swapper
}

// A name of what is swapped.
const swapName = "sum.example.com/commit"

func (s swapTest) swap(t *testing.T, name string, old []byte, data string) {
	t.Helper()
	if err := s.Swap(t.Context(), name, old, []byte(data)); err != nil {
		t.Fatalf("Swap(%q) of %.100q (absent: %v) for %.100q: %v", name, old, old == nil, data, err)
	}
	s.want(t, name, data)
}

func (s swapTest) wantChanged(t *testing.T, name string, old []byte, data string) {
	t.Helper()
	if err := s.Swap(t.Context(), name, old, []byte(data)); !errors.Is(err, godown.ErrChanged) {
		t.Errorf("Swap(%q) of %.100q (absent: %v) for %.100q: error is %v, want an ErrChanged", name, old, old == nil, data, err)
	}
}

func testSwapNew(t *testing.T, s swapTest) {
	s.wantChanged(t, swapName, []byte("something"), "new")
	s.wantChanged(t, swapName, []byte{}, "new")
	s.wantAbsent(t, swapName)
	s.wantNames(t, "")
	s.swap(t, swapName, nil, "new")
	s.wantNames(t, "", swapName)
	if err := s.Delete(t.Context(), swapName); err != nil {
		t.Fatal(err)
	}
	s.wantChanged(t, swapName, []byte("new"), "newer")
	s.wantAbsent(t, swapName)
	s.swap(t, swapName, nil, "new again")
}

func testSwapExisting(t *testing.T, s swapTest) {
	const first, second = "the first", "the second, which is longer"
	s.swap(t, swapName, nil, first)
	for _, wrong := range []string{"", "the First", "the firs", "the first ", "the first\n", second} {
		s.wantChanged(t, swapName, []byte(wrong), second)
	}
	s.wantChanged(t, swapName, nil, second)
	s.want(t, swapName, first)
	s.swap(t, swapName, []byte(first), second)
	s.wantChanged(t, swapName, []byte(first), second)
	s.swap(t, swapName, []byte(second), first) // back, to something shorter
	s.swap(t, swapName, []byte(first), first)
	s.wantNames(t, "", swapName)
}

// testSwapEmpty checks that an empty file is not an absent one.
func testSwapEmpty(t *testing.T, s swapTest) {
	s.swap(t, swapName, nil, "")
	s.wantNames(t, "", swapName)
	s.wantChanged(t, swapName, nil, "x")
	s.swap(t, swapName, []byte{}, "x")
	if err := s.Swap(t.Context(), swapName, []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	s.want(t, swapName, "")
	s.wantChanged(t, swapName, nil, "x")
}

// testSwapNames checks that a file is compared with itself and no other.
func testSwapNames(t *testing.T, s swapTest) {
	names := []string{
		swapName, "sum.example.com/deep/er/commit", "single", "example.com/hello/@v/v1.0.0.mod",
		"sum.example.com/" + strings.Repeat("long/", 40) + strings.Repeat("x", 190),
	}
	for _, name := range names {
		s.swap(t, name, nil, "content of "+name)
	}
	for _, name := range names {
		s.want(t, name, "content of "+name)
		s.wantChanged(t, name, nil, "x")
		s.swap(t, name, []byte("content of "+name), "new content of "+name)
	}
	s.wantNames(t, "", names...)
}

func testSwapBadNames(t *testing.T, s swapTest) {
	for _, name := range []string{
		"", ".", "..", "../a", "a/..", "a/../b", "/abs", "a//b", "a/", "./a", "a/./b", ".hidden/x", "a/.b", "a/.b/c", ".x",
	} {
		for _, old := range [][]byte{nil, []byte("x")} {
			if err := s.Swap(t.Context(), name, old, []byte("x")); err == nil || errors.Is(err, godown.ErrChanged) {
				t.Errorf("Swap(%q): error is %v, want one that it is no name", name, err)
			}
		}
	}
	s.wantNames(t, "")
}

// testSwapPut checks that what is put is swapped like what was swapped, and the other way round.
func testSwapPut(t *testing.T, s swapTest) {
	s.put(t, swapName, "put")
	s.wantChanged(t, swapName, nil, "swapped")
	s.swap(t, swapName, []byte("put"), "swapped")
	s.put(t, swapName, "put again")
	s.wantChanged(t, swapName, []byte("swapped"), "x")
	s.swap(t, swapName, []byte("put again"), "swapped again")
	s.wantNames(t, "", swapName)
}

// testSwapBuffers checks that the caller may use its buffers for something else.
func testSwapBuffers(t *testing.T, s swapTest) {
	data := []byte("one")
	s.swap(t, swapName, nil, string(data))
	old := []byte("one")
	data = []byte("two")
	if err := s.Swap(t.Context(), swapName, old, data); err != nil {
		t.Fatal(err)
	}
	if string(old) != "one" || string(data) != "two" {
		t.Errorf("Swap left its arguments as %q and %q", old, data)
	}
	copy(data, "xxx")
	s.want(t, swapName, "two")
}

// testSwapCancelled checks that with a cancelled context there is the old file
// and an error that is no ErrChanged, or the new one and none.
func testSwapCancelled(t *testing.T, s swapTest) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.swap(t, swapName, nil, "old")
	want := "new"
	if err := s.Swap(ctx, swapName, []byte("old"), []byte(want)); errors.Is(err, godown.ErrChanged) {
		t.Errorf("Swap, cancelled: %v", err)
	} else if err != nil {
		want = "old"
	}
	s.want(t, swapName, want)
	s.swap(t, swapName, []byte(want), "newer") // nothing is left locked
}

// testSwapRace lets many swap the same content for their own: one wins each time.
func testSwapRace(t *testing.T, s swapTest) {
	const racers, rounds = 8, 10
	var old []byte
	for round := range rounds {
		var won atomic.Int32
		var winner atomic.Value
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range racers {
			mine := strconv.Itoa(round) + " goes to " + strconv.Itoa(i)
			wg.Go(func() {
				<-start
				err := s.Swap(t.Context(), swapName, old, []byte(mine))
				if err == nil {
					won.Add(1)
					winner.Store(mine)
				} else if !errors.Is(err, godown.ErrChanged) {
					t.Errorf("a loser's error is %v, want an ErrChanged", err)
				}
			})
		}
		close(start)
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d was won by %d, want 1", round, won.Load())
		}
		s.want(t, swapName, winner.Load().(string))
		old = []byte(winner.Load().(string))
	}
}

// testSwapCounter lets many count in one file: no step is lost.
func testSwapCounter(t *testing.T, s swapTest) {
	const counters, steps = 4, 10
	var wg sync.WaitGroup
	for range counters {
		wg.Go(func() {
			if err := CountUp(t.Context(), s.Store, swapName, steps); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.want(t, swapName, strconv.Itoa(counters*steps))
}

// CountUp adds 1 to the decimal number in a file, 0 where there is none, steps
// times, each by a read and a Swap that are repeated while others are faster.
// Where all do so with one file it ends with the sum of their steps.
func CountUp(ctx context.Context, s godown.Store, name string, steps int) error {
	swapper, ok := s.(godown.Swapper)
	if !ok {
		return errors.New("the store swaps nothing")
	}
	refused := -1 // the number that a Swap was refused for
	for done := 0; done < steps; {
		var old []byte
		n := 0
		f, err := s.Open(ctx, name)
		if err == nil {
			if old, err = readFile(f); err == nil {
				n, err = strconv.Atoi(string(old))
			}
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err == nil && n == refused {
			err = fmt.Errorf("a Swap for %d was refused, but that is what the file still holds", n)
		}
		if err != nil {
			return err
		}
		switch err := swapper.Swap(ctx, name, old, []byte(strconv.Itoa(n+1))); {
		case err == nil:
			done++
		case errors.Is(err, godown.ErrChanged):
			refused = n
		default:
			return err
		}
	}
	return nil
}
