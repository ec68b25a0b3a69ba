package godown

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Places are so many places for work of one kind. Whoever is waited for gets
// one before those who work ahead (see [Ahead]); among equals, who came first.
// Some places are kept for those who are waited for, so that they seldom wait at all.
type Places struct {
	mu      sync.Mutex // guards the fields below
	size    int
	kept    int // of these, for those who are waited for
	taken   int
	waiting []*waiter // who is waited for, before those who work ahead
}

// A waiter is somebody who waits for a place.
type waiter struct {
	ahead bool
	given chan struct{} // closed when he has it
}

// ErrNoPlace says that no place became free in time.
var ErrNoPlace = errors.New("no place became free in time")

// NewPlaces returns size places, kept of them for those who are waited for.
func NewPlaces(size, kept int) *Places { return &Places{size: size, kept: kept} }

// Take waits for a place, and takes it. patience is how long it waits since
// somebody waits for the work; 0: as long as ctx lasts.
func (p *Places) Take(ctx context.Context, patience time.Duration) error {
	ahead := isAhead(ctx)
	p.mu.Lock()
	if p.free(ahead) && !slices.ContainsFunc(p.waiting, func(w *waiter) bool { return w.ahead == ahead }) {
		p.taken++
		p.mu.Unlock()
		return nil
	}
	w := &waiter{ahead: ahead, given: make(chan struct{})}
	p.enqueue(w)
	p.mu.Unlock()

	demanded := Demanded(ctx)
	if !ahead {
		demanded = closed()
	}
	var late <-chan time.Time
	for {
		select {
		case <-w.given:
			return nil
		case <-demanded:
			demanded = nil
			p.urge(w)
			if patience > 0 {
				timer := time.NewTimer(patience)
				defer timer.Stop()
				late = timer.C
			}
		case <-late:
			return p.leave(w, ErrNoPlace)
		case <-ctx.Done():
			return p.leave(w, context.Cause(ctx))
		}
	}
}

// Leave gives a place back.
func (p *Places) Leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	p.give()
}

// Resize sets how many places there are. Nobody loses one that he has.
func (p *Places) Resize(size, kept int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size, p.kept = size, kept
	p.give()
}

// State returns how many places there are, how many are taken, and how many wait for one.
func (p *Places) State() (size, taken, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size, p.taken, len(p.waiting)
}

// free reports whether there is a place for somebody. Caller holds p.mu.
func (p *Places) free(ahead bool) bool {
	if ahead {
		return p.taken < p.size-p.kept
	}
	return p.taken < p.size
}

// enqueue puts w behind those who go before it. Caller holds p.mu.
func (p *Places) enqueue(w *waiter) {
	i := len(p.waiting)
	if !w.ahead {
		if first := slices.IndexFunc(p.waiting, func(o *waiter) bool { return o.ahead }); first >= 0 {
			i = first
		}
	}
	p.waiting = slices.Insert(p.waiting, i, w)
}

// give gives free places to those who wait. Caller holds p.mu.
func (p *Places) give() {
	for len(p.waiting) > 0 && p.free(p.waiting[0].ahead) {
		p.taken++
		close(p.waiting[0].given)
		p.waiting = p.waiting[1:]
	}
}

// urge moves w, whose work somebody waits for now, before those who work ahead.
func (p *Places) urge(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, w)
	if i < 0 || !w.ahead {
		return
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	w.ahead = false
	p.enqueue(w)
	p.give()
}

// leave takes w out of the queue, and returns why; or nil if it has got a place after all.
func (p *Places) leave(w *waiter, why error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, w)
	if i < 0 {
		return nil
	}
	p.waiting = slices.Delete(p.waiting, i, i+1) // where w found no place, nobody behind it does
	return why
}
