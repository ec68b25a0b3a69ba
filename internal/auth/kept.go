package auth

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	patience = 30 * time.Second // a command or a call may take so long
	rest     = 5 * time.Second  // what has failed is not tried again before
	refusals = 10 * time.Second // what was read anew because it was refused is not, before, for another refusal
	forever  = 100 * 365 * 24 * time.Hour
	maxKept  = 4096 // entries
)

var (
	errSlow   = errors.New("it took longer than 30 seconds")
	errClosed = errors.New("the server is about to end")
)

// A made is what a maker returns: a value, and how long it may be kept; or an
// error, and how long that stands for an answer.
type made[V any] struct {
	value V
	keep  time.Duration
	err   error
}

// A maker makes a value; it is given the value before, if there is one, of which it may return a part.
type maker[V any] func(ctx context.Context, old V, had bool) made[V]

// kept keeps values as long as their makers say. A maker runs once for all who
// wait, in a goroutine which close waits for. The zero kept is ready for use.
type kept[K comparable, V any] struct {
	mu      sync.Mutex // guards the fields below, and all entries
	entries map[K]*entry[V]
	flights map[*flight[V]]bool
	closed  bool
	running sync.WaitGroup
}

type entry[V any] struct {
	value  V
	had    bool // there is a value
	err    error
	until  time.Time
	forced time.Time // when a refusal last made it forget
	flight *flight[V]
}

// A flight is a maker that runs.
type flight[V any] struct {
	cancel func()
	done   chan struct{} // closed when made is set
	made   made[V]
}

// get returns the value of key, and has it made where it is not there or too old.
func (k *kept[K, V]) get(ctx context.Context, key K, mk maker[V]) (V, error) {
	k.mu.Lock()
	e := k.entries[key]
	if e == nil {
		e = k.add(key)
	}
	if time.Now().Before(e.until) {
		defer k.mu.Unlock()
		return e.value, e.err
	}
	f := e.flight
	if f == nil {
		if k.closed {
			defer k.mu.Unlock()
			return e.value, errClosed
		}
		f = k.start(ctx, e, mk)
	}
	k.mu.Unlock()
	select {
	case <-f.done:
		return f.made.value, f.made.err
	case <-ctx.Done():
		var none V
		return none, context.Cause(ctx)
	}
}

// add makes an entry, and drops others if there are too many. Caller holds k.mu.
func (k *kept[K, V]) add(key K) *entry[V] {
	if k.entries == nil {
		k.entries, k.flights = make(map[K]*entry[V]), make(map[*flight[V]]bool)
	}
	for other, e := range k.entries {
		if len(k.entries) < maxKept {
			break
		}
		if e.flight == nil {
			delete(k.entries, other)
		}
	}
	e := new(entry[V])
	k.entries[key] = e
	return e
}

// start runs the maker. Caller holds k.mu.
func (k *kept[K, V]) start(ctx context.Context, e *entry[V], mk maker[V]) *flight[V] {
	shared, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), patience, errSlow)
	f := &flight[V]{cancel: cancel, done: make(chan struct{})}
	e.flight = f
	k.flights[f] = true
	old, had := e.value, e.had
	k.running.Go(func() {
		defer cancel()
		f.made = mk(shared, old, had)
		k.settle(e, f)
		close(f.done)
	})
	return f
}

func (k *kept[K, V]) settle(e *entry[V], f *flight[V]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.flights, f)
	if e.flight != f { // it was begun before the value was to be forgotten
		return
	}
	e.flight = nil
	e.value, e.err, e.had = f.made.value, f.made.err, f.made.err == nil
	e.until = time.Now().Add(f.made.keep)
}

// forget has the value of key made anew when it is asked for next.
func (k *kept[K, V]) forget(key K) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.entries[key]; e != nil {
		var none V
		e.value, e.err, e.had, e.until, e.flight = none, nil, false, time.Time{}, nil
	}
}

// refused is forget for a value that somebody refused, if that is the one which
// is kept now. When a value is refused that was only just made anew, to make
// another would not help, and would cost a command or a call with every request.
func (k *kept[K, V]) refused(key K, is func(V) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	e := k.entries[key]
	if e == nil || !e.had || !is(e.value) || !e.forced.IsZero() && now.Sub(e.forced) < refusals {
		return
	}
	var none V
	e.value, e.err, e.had, e.until, e.forced = none, nil, false, time.Time{}, now
}

// peek returns the last value of key, if there is one.
func (k *kept[K, V]) peek(key K) (value V, err error, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.entries[key]; e != nil {
		return e.value, e.err, e.had || e.err != nil
	}
	return value, nil, false
}

// close stops the makers that run, and waits for them.
func (k *kept[K, V]) close() {
	k.mu.Lock()
	k.closed = true
	for f := range k.flights {
		f.cancel()
	}
	k.mu.Unlock()
	k.running.Wait()
}
