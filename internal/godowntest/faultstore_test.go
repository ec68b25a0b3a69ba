package godowntest_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

func openDir(t *testing.T) *godown.Dir {
	t.Helper()
	d, err := godown.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// stagingFaultStore offers what a FaultStore does not, so that all of the suite is run.
type stagingFaultStore struct {
	*godowntest.FaultStore
	dir *godown.Dir
}

func (s stagingFaultStore) Stage() (*os.File, error) { return s.dir.Stage() }

func (s stagingFaultStore) SetAside(ctx context.Context, name string) error {
	return s.dir.SetAside(ctx, name)
}

func TestFaultStoreIsAStore(t *testing.T) {
	open := func(t *testing.T) godown.Store {
		d := openDir(t)
		return stagingFaultStore{godowntest.NewFaultStore(d), d}
	}
	t.Run("Store", func(t *testing.T) { godowntest.TestStore(t, open) })
	t.Run("Swapper", func(t *testing.T) { godowntest.TestSwapper(t, open) })
}

// content returns what a file holds, or "(none)" if it does not exist.
func content(t *testing.T, s godown.Store, name string) string {
	t.Helper()
	f, err := s.Open(t.Context(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f.Reader())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func put(ctx context.Context, s godown.Store, name, content string) error {
	return s.Put(ctx, name, strings.NewReader(content))
}

// operations tries each operation on a file that holds "old", as the map's keys
// have it, and says what the file holds after a write.
var operations = map[string]struct {
	do  func(context.Context, *godowntest.FaultStore) error
	new string // what the file holds when it was done; empty for a read
}{
	"put":    {func(ctx context.Context, s *godowntest.FaultStore) error { return put(ctx, s, "a/file", "new") }, "new"},
	"delete": {func(ctx context.Context, s *godowntest.FaultStore) error { return s.Delete(ctx, "a/file") }, "(none)"},
	"swap": {func(ctx context.Context, s *godowntest.FaultStore) error {
		return s.Swap(ctx, "a/file", []byte("old"), []byte("new"))
	}, "new"},
	"open": {func(ctx context.Context, s *godowntest.FaultStore) error {
		f, err := s.Open(ctx, "a/file")
		if err == nil {
			f.Close()
		}
		return err
	}, ""},
	"list": {func(ctx context.Context, s *godowntest.FaultStore) error {
		for _, err := range s.List(ctx, "") {
			if err != nil {
				return err
			}
		}
		return nil
	}, ""},
}

// TestFaultStoreFaults tries each fault at each kind of write.
func TestFaultStoreFaults(t *testing.T) {
	mine := errors.New("mine")
	for kind, op := range operations {
		for _, at := range []godowntest.Moment{godowntest.Never, godowntest.Before, godowntest.Half, godowntest.After} {
			for _, crash := range []bool{false, true} {
				if op.new == "" {
					continue
				}
				d := openDir(t)
				s := godowntest.NewFaultStore(d)
				s.Plan(godowntest.FaultAt(2, godowntest.WriteFault{At: at, Crash: crash, Err: mine}))
				if err := put(t.Context(), s, "a/file", "old"); err != nil {
					t.Fatal(err)
				}
				err, want := op.do(t.Context(), s), "old"
				if at == godowntest.Never || at == godowntest.After {
					want = op.new
				}
				if got := content(t, d, "a/file"); got != want || errors.Is(err, mine) != (at != godowntest.Never) {
					t.Errorf("%s, fault at moment %d: content %q, error %v, want %q", kind, at, got, err, want)
				}
				crash := crash && at != godowntest.Never
				if s.Crashed() != crash {
					t.Errorf("%s, fault at moment %d: Crashed is %v", kind, at, !crash)
				}
				wantDead(t, s, d, crash, mine)
				s.Restart()
				if got := content(t, s, "a/file"); s.Crashed() || crash && got != want {
					t.Errorf("%s, fault at moment %d: after a restart Crashed is %v, content %q", kind, at, s.Crashed(), got)
				}
				for kind, op := range operations {
					if err := put(t.Context(), s, "a/file", "old"); err != nil {
						t.Error(err)
					}
					if err := op.do(t.Context(), s); err != nil {
						t.Errorf("%s after a restart: %v", kind, err)
					}
				}
			}
		}
	}
}

// wantDead checks that all operations fail after a crash and change nothing, or that none fails.
func wantDead(t *testing.T, s *godowntest.FaultStore, d *godown.Dir, dead bool, why error) {
	t.Helper()
	before, ops := content(t, d, "a/file"), len(s.Ops())
	for kind, op := range operations {
		if !dead && op.new != "" {
			if err := put(t.Context(), s, "a/file", "old"); err != nil {
				t.Error(err)
			}
		}
		if err := op.do(t.Context(), s); errors.Is(err, why) != dead || !dead && err != nil && op.new != "" {
			t.Errorf("%s after the fault: error is %v, want a crash: %v", kind, err, dead)
		}
	}
	if dead && (content(t, d, "a/file") != before || len(s.Ops()) != ops) {
		t.Errorf("a crashed store was used: %v, content %q, before it %q", s.Ops()[ops:], content(t, d, "a/file"), before)
	}
}

// TestFaultStoreRefused checks that a write that the store itself refuses is
// refused, whatever comes after it.
func TestFaultStoreRefused(t *testing.T) {
	s := godowntest.NewFaultStore(openDir(t))
	s.Plan(func(godowntest.Op) godowntest.WriteFault { return godowntest.WriteFault{At: godowntest.After} })
	if err := s.Swap(t.Context(), "a", []byte("old"), []byte("new")); !errors.Is(err, godown.ErrChanged) {
		t.Errorf("error is %v, want an ErrChanged", err)
	}
	if err := s.Swap(t.Context(), "a", nil, []byte("new")); !errors.Is(err, godowntest.ErrFault) {
		t.Errorf("error is %v, want an ErrFault", err)
	}
}

// journaled is a scenario: a file that is put before the head that names it, and a
// leftover that goes. A wrong one does it the other way round.
func journaled(ctx context.Context, s *godowntest.FaultStore, wrong bool) error {
	steps := []func() error{
		func() error { return put(ctx, s, "log/data", "data") },
		func() error { return s.Swap(ctx, "log/head", nil, []byte("data")) },
		func() error { return s.Delete(ctx, "log/draft") },
	}
	if wrong {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// TestFaultStoreEveryCrash is the loop that a FaultStore is for: it sees every
// state that a crash can leave, and finds the flaw of the wrong scenario.
func TestFaultStoreEveryCrash(t *testing.T) {
	for _, at := range []godowntest.Moment{godowntest.Before, godowntest.Half, godowntest.After} {
		for _, wrong := range []bool{false, true} {
			var states []string
			broken := 0
			for k := 1; ; k++ {
				s := godowntest.NewFaultStore(openDir(t))
				s.Plan(godowntest.FaultAt(k, godowntest.WriteFault{At: at, Crash: true}))
				err := journaled(t.Context(), s, wrong)
				if !s.Crashed() {
					if err != nil || s.Writes() != k-1 {
						t.Errorf("without a crash: error %v, %d writes, want %d", err, s.Writes(), k-1)
					}
					break
				}
				if !errors.Is(err, godowntest.ErrFault) {
					t.Errorf("crash %d: error is %v", k, err)
				}
				s.Restart()
				head, data := content(t, s, "log/head"), content(t, s, "log/data")
				states = append(states, head+" "+data)
				if head != "(none)" && data != head {
					broken++
				}
				if err := s.Delete(t.Context(), "x"); err != nil || s.Writes() != k+1 {
					t.Errorf("after crash %d: error %v, %d writes", k, err, s.Writes())
				}
			}
			want := []string{"(none) (none)", "(none) data", "data data"}
			if at == godowntest.After {
				want = []string{"(none) data", "data data", "data data"}
			}
			if !wrong && !slices.Equal(states, want) {
				t.Errorf("fault at moment %d: the states are %q, want %q", at, states, want)
			}
			if (broken > 0) != wrong {
				t.Errorf("fault at moment %d: %d broken states in %q", at, broken, states)
			}
		}
	}
}

func TestFaultStoreOps(t *testing.T) {
	s := godowntest.NewFaultStore(openDir(t))
	ctx := t.Context()
	fault := godowntest.WriteFault{At: godowntest.Before}
	s.Plan(godowntest.FaultAt(2, fault))
	put(ctx, s, "a", "1")
	content(t, s, "a")
	s.Swap(ctx, "b/c", nil, []byte("2"))
	s.Restart()
	for range s.List(ctx, "b/") {
	}
	s.Delete(ctx, "a")
	var got []string
	for _, op := range s.Ops() {
		got = append(got, op.String())
		if op.Write == 2 && (op.Fault.At != fault.At || op.Fault.Err != godowntest.ErrFault) || op.Write != 2 && op.Fault.At != godowntest.Never {
			t.Errorf("%v has the fault %+v", op, op.Fault)
		}
	}
	if want := []string{"1 put a", "0 open a", "2 swap b/c", "0 list b/", "3 delete a"}; !slices.Equal(got, want) {
		t.Errorf("Ops are %q, want %q", got, want)
	}
}

// TestFaultStoreTwoProcesses lets one process in between another's read and its Swap.
func TestFaultStoreTwoProcesses(t *testing.T) {
	d := openDir(t)
	one, two := godowntest.NewFaultStore(d), godowntest.NewFaultStore(d)
	ctx := t.Context()
	one.Hook(func(op godowntest.Op) {
		if op.Kind != "swap" {
			return
		}
		if err := two.Swap(ctx, op.Name, nil, []byte("two")); err != nil {
			t.Error(err)
		}
	})
	if got := content(t, one, "head"); got != "(none)" {
		t.Fatalf("the file holds %q", got)
	}
	if err := one.Swap(ctx, "head", nil, []byte("one")); !errors.Is(err, godown.ErrChanged) {
		t.Errorf("the second's error is %v, want an ErrChanged", err)
	}
	one.Hook(nil)
	one.Plan(godowntest.FaultAt(2, godowntest.WriteFault{At: godowntest.Before, Crash: true}))
	if err := one.Delete(ctx, "head"); !errors.Is(err, godowntest.ErrFault) {
		t.Error(err)
	}
	if got := content(t, two, "head"); got != "two" {
		t.Errorf("when one has crashed the other reads %q", got)
	}
}

// TestFaultStoreOldProcess has operations under way when their process crashes and
// a new one starts: in a hook, where they have no effect, and in the store
// itself, for which Restart waits.
func TestFaultStoreOldProcess(t *testing.T) {
	dir := openDir(t)
	synctest.Test(t, func(t *testing.T) {
		s := godowntest.NewFaultStore(dir)
		ctx := t.Context()
		goOn := make(chan struct{})
		s.Hook(func(op godowntest.Op) {
			if op.Name == "hooked" {
				<-goOn
			}
		})
		hooked := make(chan error, 3)
		go func() { hooked <- put(ctx, s, "hooked", "x") }()
		go func() { hooked <- s.Swap(ctx, "hooked", nil, []byte("x")) }()
		go func() {
			_, err := s.Open(ctx, "hooked")
			hooked <- err
		}()
		r, w := io.Pipe()
		busy := make(chan error, 1)
		go func() { busy <- s.Put(ctx, "busy", r) }()
		synctest.Wait()

		s.Plan(func(op godowntest.Op) godowntest.WriteFault {
			return godowntest.WriteFault{At: godowntest.Before, Crash: op.Kind == "delete"}
		})
		if err := s.Delete(ctx, "other"); !errors.Is(err, godowntest.ErrFault) || !s.Crashed() {
			t.Errorf("there is no crash: %v", err)
		}
		s.Plan(nil)
		restarted := make(chan struct{})
		go func() {
			s.Restart()
			close(restarted)
		}()
		synctest.Wait()
		select {
		case <-restarted:
			t.Error("Restart does not wait for the write that the store is busy with")
		default:
		}
		w.Close()
		if err := <-busy; !errors.Is(err, godowntest.ErrFault) {
			t.Errorf("the Put that was under way in the crash: error is %v", err)
		}
		<-restarted
		close(goOn)
		for range 3 {
			if err := <-hooked; !errors.Is(err, godowntest.ErrFault) {
				t.Errorf("an operation that outlived its process: error is %v", err)
			}
		}
		if got := content(t, dir, "hooked"); got != "(none)" {
			t.Errorf("it has written %q", got)
		}
		if err := put(ctx, s, "busy", "new"); err != nil || s.Crashed() {
			t.Errorf("the new process: error %v", err)
		}
	})
}
