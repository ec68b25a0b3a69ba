package mirror

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
)

// blameless checks that no mirror has failed in any way.
func (f *field) blameless(t *testing.T) {
	t.Helper()
	f.Close()
	for i, s := range f.Status() {
		if len(s.Failures) > 0 || s.State != stateUp {
			t.Errorf("mirror %d is %s, with failures %v, the last: %s", i, s.State, s.Failures, s.LastError)
		}
	}
}

// That we allow a mirror no more connections is not its fault.
func TestOwnLimitIsNoFailure(t *testing.T) {
	f := newField(t, 1, func(_ *Options, l []Mirror) { l[0].Connections = 1 })
	if err := f.members[0].acquire(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if _, err := f.Fetch(ctx, hello); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		cancel()
	}
	f.blameless(t)
}

// Nor is a caller's deadline, a caller's leaving, or that another was faster.
func TestCallersLeavingIsNoFailure(t *testing.T) {
	f := newField(t, 2, func(o *Options, _ []Mirror) { o.Choose = Race })
	f.mirrors[1].Break(everything, godowntest.Hang())
	for range 4 {
		f.mustGive(t, hello)
	}
	f.Choose = Ordered
	f.mirrors[0].Break(everything, godowntest.Hang())
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		f.Fetch(ctx, hello)
		cancel()
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	f.Fetch(ctx, hello)
	f.blameless(t)
}

// One that was never asked before connects first: its first answers may be late.
func TestColdStart(t *testing.T) {
	f := newField(t, 2, nil)
	f.mirrors[0].Break(everything, godowntest.Latency(450*time.Millisecond))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { f.mustGive(t, hello) })
	}
	wg.Wait()
	f.Close()
	if s := f.Status()[0]; s.State != stateUp || s.Failures["timeout"] > 0 {
		t.Errorf("it is %s, with failures %v", s.State, s.Failures)
	}
}

func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &Options{Fall: 3, Rise: 2, Stall: 5 * time.Second, Changed: func(Change) {}}
		m := newMember(mirrorAt(t, "http://127.0.0.1:1"), 0, o)
		if err := m.acquire(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			m.late(firstPatience)
		}
		if m.down() || m.counts.failures["slow"] != 3 {
			t.Errorf("after a cold start it has the failures %v", m.counts.failures)
		}
		<-time.After(coldTime)
		for range 3 {
			m.late(firstPatience)
		}
		if !m.down() || m.counts.failures["timeout"] != 3 {
			t.Errorf("one that never answers has the failures %v", m.counts.failures)
		}
	})
}

// Lies are forgotten.
func TestDoubtFades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &Options{Fall: 3, Rise: 2, Changed: func(Change) {}}
		m := newMember(mirrorAt(t, "http://127.0.0.1:1"), 0, o)
		m.lie(hello, mismatch)
		if !m.doubtful() || m.mixes() {
			t.Error("it is not doubted")
		}
		<-time.After(liesHalve + time.Minute)
		if m.doubtful() || !m.mixes() {
			t.Error("it is doubted for ever")
		}
	})
}
