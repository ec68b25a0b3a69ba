package mirror

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// warm has a pool learn that its mirrors are quick.
func (f *field) warm(t *testing.T) {
	t.Helper()
	for _, m := range f.members {
		for range 20 {
			m.answered(2 * time.Millisecond)
		}
	}
}

func TestHedge(t *testing.T) {
	f := newField(t, 3, nil)
	f.warm(t)
	f.mirrors[0].BreakTimes(1, everything, godowntest.Hang())
	if by := f.mustGive(t, hello); by != f.members[1].name {
		t.Errorf("it was given by %s", by)
	}
	f.Close() // and so the canceled request has ended
	list := f.Status()
	if s := list[1]; s.HedgesWon != 1 || s.HedgesLost != 0 {
		t.Errorf("the second won %d and lost %d", s.HedgesWon, s.HedgesLost)
	}
	if s := list[0]; s.Failures["slow"] != 1 || s.State != stateUp || s.UnderWay != 0 {
		t.Errorf("the first is %+v", s)
	}
	if n := len(f.mirrors[2].Requests()); n > 0 {
		t.Errorf("the third was asked %d times", n)
	}
}

// When everything is slow, the budget keeps hedging from doubling the load.
func TestHedgesAreFew(t *testing.T) {
	for _, share := range []float64{0.1, -1} {
		f := newField(t, 2, func(o *Options, _ []Mirror) { o.Hedge, o.Stall = share, time.Minute })
		f.warm(t)
		for _, m := range f.mirrors {
			m.Break(everything, godowntest.Latency(60*time.Millisecond))
		}
		const n = 200
		for i := range n {
			if err := f.mods.AddBig(fmt.Sprintf("example.com/m%d", i), "v1.0.0", 10); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for c := range 10 {
			wg.Go(func() {
				for i := c; i < n; i += 10 {
					f.mustGive(t, godown.Request{Kind: godown.Mod, Path: fmt.Sprintf("example.com/m%d", i), Version: "v1.0.0"})
				}
			})
		}
		wg.Wait()
		extra := len(f.mirrors[0].Requests()) + len(f.mirrors[1].Requests()) - n
		if most := int(max(share, 0)*n) + maxSaved; share > 0 && (extra == 0 || extra > most) || share < 0 && extra > 0 {
			t.Errorf("with a share of %v, %d requests cost %d more", share, n, extra)
		}
	}
}

// A hang costs a hedge even without a budget: it is no doubt of the mirror that it has failed.
func TestOverdueIsFailed(t *testing.T) {
	t.Parallel()
	f := newField(t, 2, func(o *Options, _ []Mirror) { o.Hedge = -1 })
	f.warm(t)
	f.mirrors[0].Break(everything, godowntest.Hang())
	for range 3 {
		f.mustGive(t, hello)
	}
	f.Close()
	if s := f.Status()[0]; s.Failures["timeout"] != 3 || s.State != stateDown {
		t.Errorf("it is %+v", s)
	}
}

func TestRaceAsksAll(t *testing.T) {
	f := newField(t, 3, func(o *Options, _ []Mirror) { o.Choose = Race })
	f.mirrors[0].Break(everything, godowntest.Hang())
	f.mirrors[1].Break(everything, godowntest.Status(500, "ill"))
	f.mirrors[2].Break(everything, godowntest.Latency(100*time.Millisecond))
	if by := f.mustGive(t, hello); by != f.members[2].name {
		t.Errorf("it was given by %s", by)
	}
	f.Close()
	for i, m := range f.mirrors {
		if n := len(m.Requests()); n != 1 {
			t.Errorf("mirror %d was asked %d times", i, n)
		}
	}
}
