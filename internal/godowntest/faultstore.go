package godowntest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sync"
	"testing/iotest"

	"github.com/godown-dev/godown"
)

// A FaultStore is one process's view of a store in which writes go wrong by
// plan, and in which the process can be made to crash at any of them. It shows
// what a program leaves behind however it ends:
//
//	for k := 1; ; k++ {
//		s := godowntest.NewFaultStore(empty(t))
//		s.Plan(godowntest.FaultAt(k, godowntest.WriteFault{At: godowntest.After, Crash: true}))
//		err := scenario(s) // must have ended when it returns, with all its goroutines
//		if !s.Crashed() {
//			break // it ended, with err, before it came to write k: all have been seen
//		}
//		s.Restart()
//		check(s) // open what is there, as a new process does; its writes are numbered k+1 and so on
//	}
//
// Writes are Put, Swap and Delete. They are numbered from 1 in the order in
// which they begin, over all restarts. Without a plan it is the store that it
// wraps, but that it offers neither Stage nor SetAside. Two of them around one
// store are two processes: when one crashes the other goes on.
type FaultStore struct {
	inner SwapStore
	under sync.WaitGroup // writes under way

	mu      sync.Mutex // guards what follows
	plan    func(Op) WriteFault
	hook    func(Op)
	ops     []Op
	writes  int
	life    int   // how often it was restarted
	crashed error // what every operation fails with, or nil
}

// A SwapStore is a Store that is a Swapper, too, as a [godown.Dir] is.
type SwapStore interface {
	godown.Store
	godown.Swapper
}

// An Op is an operation on a store.
type Op struct {
	Kind  string     // "open", "list", "put", "swap" or "delete"
	Name  string     // for "list" the prefix
	Write int        // the write's number, from 1; 0 for "open" and "list"
	Fault WriteFault // what was planned for it
}

// String returns the Op as a line for people, without its fault: "3 put a/b".
func (op Op) String() string { return fmt.Sprintf("%d %s %s", op.Write, op.Kind, op.Name) }

// A Moment is when a fault happens.
type Moment int

// The moments of a write. One that goes wrong Before has no effect, nor has one
// that goes wrong Half way, as a file is there whole or not at all: but what is
// put was begun to be read. One that goes wrong After has had its effect,
// unless the store itself refused it, and only the writer does not know.
const (
	Never Moment = iota
	Before
	Half
	After
)

// A WriteFault is what happens at a write. The zero WriteFault is none.
type WriteFault struct {
	At    Moment
	Crash bool  // from that moment on every operation fails, until [FaultStore.Restart]
	Err   error // what it fails with; ErrFault where it is nil
}

// ErrFault is the error of a planned fault that has none of its own.
var ErrFault = errors.New("a planned fault")

// FaultAt returns the plan that has one fault, at write k.
func FaultAt(k int, f WriteFault) func(Op) WriteFault {
	return func(op Op) WriteFault {
		if op.Write == k {
			return f
		}
		return WriteFault{}
	}
}

// NewFaultStore returns a process's view of the store, as yet without a plan.
func NewFaultStore(s SwapStore) *FaultStore { return &FaultStore{inner: s} }

// Plan sets what decides, when a write begins, what will happen at it; nil
// plans no faults. It is called for one write after the other, in the order of
// their numbers, and must not use the FaultStore.
func (s *FaultStore) Plan(plan func(Op) WriteFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = plan
}

// Hook sets what is called in each operation before it does anything, or
// nothing when it is nil. The operation waits for it, others do not. So a hook
// that lets another process act, or waits for it, makes any interleaving of two.
// If the store crashes or is restarted meanwhile the operation fails.
func (s *FaultStore) Hook(hook func(Op)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

// Ops returns the operations in the order in which they began, over all
// restarts, but for those of a crashed process.
func (s *FaultStore) Ops() []Op {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ops)
}

// Writes returns how many writes have begun.
func (s *FaultStore) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// Crashed reports whether a crash was planned, and came, since the last Restart.
func (s *FaultStore) Crashed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crashed != nil
}

// Restart makes the FaultStore that of a new process, whether the last one has
// crashed or is only now killed. It waits for the writes that the store itself
// is busy with; whatever else is under way fails and has no effect. What the
// old process's goroutines begin later is not told from the new one's: end
// them first.
func (s *FaultStore) Restart() {
	s.mu.Lock()
	s.life++
	if s.crashed == nil {
		s.crashed = ErrFault // so that no write begins
	}
	s.mu.Unlock()
	s.under.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashed = nil
}

// Open opens a file of the store. One that is open can be read after a crash.
func (s *FaultStore) Open(ctx context.Context, name string) (*godown.File, error) {
	op, life, err := s.begin("open", name)
	if err != nil {
		return nil, err
	}
	f, err := s.inner.Open(ctx, name)
	if dead := s.alive(op, life); dead != nil {
		if err == nil {
			f.Close()
		}
		return nil, dead
	}
	return f, err
}

// List lists the files of the store.
func (s *FaultStore) List(ctx context.Context, prefix string) iter.Seq2[godown.Entry, error] {
	return func(yield func(godown.Entry, error) bool) {
		op, life, err := s.begin("list", prefix)
		if err != nil {
			yield(godown.Entry{}, err)
			return
		}
		for e, err := range s.inner.List(ctx, prefix) {
			if dead := s.alive(op, life); dead != nil {
				yield(godown.Entry{}, dead)
				return
			}
			if !yield(e, err) {
				return
			}
		}
		if dead := s.alive(op, life); dead != nil {
			yield(godown.Entry{}, dead)
		}
	}
}

// Put is a write.
func (s *FaultStore) Put(ctx context.Context, name string, r io.Reader) error {
	half := func(why error) {
		data, _ := io.ReadAll(r)
		first := bytes.NewReader(data[:len(data)/2])
		_ = s.inner.Put(ctx, name, io.MultiReader(first, iotest.ErrReader(why)))
	}
	if _, ok := r.(*os.File); ok {
		half = func(error) {} // it may be staged, and would be moved, not read
	}
	return s.write("put", name, half, func() error { return s.inner.Put(ctx, name, r) })
}

// Swap is a write, also one that is refused because the file has changed.
func (s *FaultStore) Swap(ctx context.Context, name string, old, data []byte) error {
	return s.write("swap", name, nil, func() error { return s.inner.Swap(ctx, name, old, data) })
}

// Delete is a write.
func (s *FaultStore) Delete(ctx context.Context, name string) error {
	return s.write("delete", name, nil, func() error { return s.inner.Delete(ctx, name) })
}

// write does a write, or as much of it as is planned. half may be nil.
func (s *FaultStore) write(kind, name string, half func(error), do func() error) error {
	op, life, err := s.begin(kind, name)
	if err != nil {
		return err
	}
	fault := op.Fault
	early := fault.At == Before || fault.At == Half
	if err := s.enter(op, life, early && fault.Crash); err != nil {
		return err
	}
	defer s.under.Done()
	switch {
	case fault.At == Half && half != nil:
		half(fault.Err)
		fallthrough
	case early:
		return op.wrap(fault.Err)
	}
	err = do()
	s.mu.Lock()
	if fault.At == After && fault.Crash && s.life == life && s.crashed == nil {
		s.crashed = fault.Err
	}
	s.mu.Unlock()
	if dead := s.alive(op, life); dead != nil {
		return dead
	}
	if err == nil && fault.At == After {
		return op.wrap(fault.Err)
	}
	return err
}

func (op Op) wrap(err error) error { return fmt.Errorf("%s %s: %w", op.Kind, op.Name, err) }

// begin numbers an operation and calls the hook. life is for alive.
func (s *FaultStore) begin(kind, name string) (op Op, life int, err error) {
	op = Op{Kind: kind, Name: name}
	s.mu.Lock()
	if s.crashed != nil {
		defer s.mu.Unlock()
		return op, 0, op.wrap(s.crashed)
	}
	if kind != "open" && kind != "list" {
		s.writes++
		op.Write = s.writes
		if s.plan != nil {
			op.Fault = s.plan(op)
		}
		if op.Fault.Err == nil && op.Fault.At != Never {
			op.Fault.Err = ErrFault
		}
	}
	s.ops = append(s.ops, op)
	life, hook := s.life, s.hook
	s.mu.Unlock()
	if hook != nil {
		hook(op)
	}
	return op, life, nil
}

// enter makes Restart wait for a write. crash says that the process ends here.
func (s *FaultStore) enter(op Op, life int, crash bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.dead(life); err != nil {
		return op.wrap(err)
	}
	if crash {
		s.crashed = op.Fault.Err
	}
	s.under.Add(1)
	return nil
}

// alive returns an error if the process that began the operation has crashed or was restarted.
func (s *FaultStore) alive(op Op, life int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.dead(life); err != nil {
		return op.wrap(err)
	}
	return nil
}

// dead is alive's. Caller holds s.mu.
func (s *FaultStore) dead(life int) error {
	if s.crashed == nil && s.life != life {
		return ErrFault
	}
	return s.crashed
}
