package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/godown-dev/godown"
)

// A contest asks mirrors for one thing until one has given it: the next when
// one has failed, a second one besides when the first is late.
type contest[T any] struct {
	pool    *Pool
	req     godown.Request                            // what it is about; for messages, and for who lags
	order   []*member                                 // who is asked, in this order
	last    []*member                                 // those that are not well: they are asked when all of order have failed
	all     bool                                      // all are asked at once
	agree   int                                       // so many must say "not found" for it to count, or all that can be asked
	ask     func(context.Context, *member) (T, error) // in a place that was acquired, which it releases
	discard func(T)                                   // what is to be done with an answer that nobody wants

	weak     []*member // last, as it was
	results  chan entry[T]
	begun    chan struct{} // somebody has got his place
	asked    []*member
	running  []*attempt
	missing  []*attempt // who said "not found"
	hopeless int        // so many of asked are not waited for: something is missing, and they hang
	unable   int        // so many do not pass on what was asked for
	errs     []error    // of the others
	fleeting error      // one of errs, of a mirror that is well and may do better when it is asked again
}

// An attempt is a request to one mirror.
type attempt struct {
	m      *member
	start  atomic.Pointer[time.Time] // when it got its place; nil: it waits for it
	took   time.Duration
	cancel context.CancelCauseFunc
	hedge  bool // asked besides another that was late
	err    error
}

type entry[T any] struct {
	*attempt
	value T
}

// errLost is why an attempt is canceled whose answer is not needed any more.
var errLost = fmt.Errorf("another mirror was faster: %w", context.Canceled)

// run returns the first good answer, and who gave it.
func (c *contest[T]) run(ctx context.Context) (value T, m *member, err error) {
	c.results = make(chan entry[T], len(c.order)+len(c.last))
	c.begun = make(chan struct{}, len(c.order)+len(c.last))
	defer c.leave()
	if c.weak = c.last; len(c.order) == 0 {
		c.order, c.last = c.last, nil // all are alike, then
	}
	c.next(ctx, false)
	for c.all && len(c.asked) < len(c.order) {
		c.next(ctx, false)
	}
	for {
		timer := time.NewTimer(c.patience())
		select {
		case <-c.begun:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return value, nil, c.outOfTime(ctx)
		case <-timer.C:
			switch {
			case c.confirming():
				return value, nil, c.conclude() // they have failed, as was expected
			case c.lacking():
				for _, a := range c.running {
					a.m.late(a.since())
				}
				c.hopeless = len(c.asked)
				if !c.next(ctx, false) {
					return value, nil, c.conclude()
				}
			case c.running[len(c.running)-1].start.Load() == nil && c.order[len(c.asked)].full(c.req.Kind == godown.Zip):
				// No other has a place yet.
			case c.mayHedge():
				c.next(ctx, true)
			}
		case r := <-c.results:
			timer.Stop()
			c.running = slices.DeleteFunc(c.running, func(a *attempt) bool { return a == r.attempt })
			switch {
			case r.err == nil:
				c.won(r.attempt)
				return r.value, r.m, nil
			case ctx.Err() != nil:
				return value, nil, c.outOfTime(ctx)
			case errors.Is(r.err, fs.ErrNotExist):
				c.missing = append(c.missing, r.attempt)
			default:
				c.failed(r.attempt)
			}
			if len(c.missing) >= c.agree {
				return value, nil, c.conclude()
			}
			if len(c.running) == 0 && !c.next(ctx, false) {
				return value, nil, c.conclude()
			}
		}
	}
}

// failed notes a failure.
func (c *contest[T]) failed(a *attempt) {
	if errors.Is(a.err, errNoSum) {
		c.unable++
		return
	}
	c.errs = append(c.errs, a.err)
	if passing(a.err) && !slices.Contains(c.weak, a.m) && !a.m.down() {
		c.fleeting = a.err
	}
}

// next asks the next mirror, and reports whether there was one.
func (c *contest[T]) next(ctx context.Context, hedge bool) bool {
	list := c.order
	// Those that are not well are asked when nobody else can be.
	if len(c.asked) >= len(c.order) && !hedge {
		list = slices.Concat(c.order, c.last)
	}
	if len(c.asked) >= len(list) {
		return false
	}
	m, whole := list[len(c.asked)], ctx
	ctx, cancel := context.WithCancelCause(ctx)
	a := &attempt{m: m, cancel: cancel, hedge: hedge}
	c.asked, c.running = append(c.asked, m), append(c.running, a)
	c.pool.working.Go(func() {
		var value T
		if a.err = m.acquire(ctx, c.req.Kind == godown.Zip); a.err == nil {
			start := time.Now()
			a.start.Store(&start)
			c.begun <- struct{}{}
			value, a.err = c.ask(ctx, m)
			a.took = time.Since(start)
		}
		if a.err != nil {
			// Our own limits are no fault of the mirror's: that it got no place, and whose time is over.
			if a.start.Load() != nil && whole.Err() == nil && !errors.Is(context.Cause(ctx), errLost) {
				m.failed(a.err, a.took)
			}
			cancel(nil)
		}
		c.results <- entry[T]{a, value}
	})
	return true
}

// patience is how long to wait for those who were asked before another is asked besides.
func (c *contest[T]) patience() time.Duration {
	const forever = 24 * time.Hour
	if len(c.running) == 0 {
		return forever
	}
	a := c.running[len(c.running)-1]
	if c.confirming() {
		return max(confirmPatience-a.since(), 0)
	}
	if c.lacking() {
		_, overdue := a.m.patience()
		return max(min(2*overdue, c.pool.Stall)-a.since(), 0)
	}
	if len(c.asked) >= len(c.order) || c.all {
		return forever
	}
	late, overdue := a.m.patience()
	wait := late
	if c.pool.Hedge <= 0 || !c.pool.budget.affords() {
		wait = overdue
	}
	if a.start.Load() != nil {
		return max(wait-a.since(), 0)
	}
	return leastPatience // it is not late, but another may have a place
}

// since returns the time since a got its place; 0: it has none.
func (a *attempt) since() time.Duration {
	if start := a.start.Load(); start != nil {
		return time.Since(*start)
	}
	return 0
}

// confirmPatience is how long one that is not well is waited for, to confirm
// that something does not exist.
const confirmPatience = 500 * time.Millisecond

// confirming reports whether all that is waited for are mirrors that are not
// well, about something that a healthy one does not have.
func (c *contest[T]) confirming() bool {
	return len(c.missing) > 0 && len(c.running) > 0 &&
		!slices.ContainsFunc(c.running, func(a *attempt) bool {
			return !slices.Contains(c.weak, a.m) && !slices.Contains(c.asked[:c.hopeless], a.m)
		})
}

// lacking reports whether a mirror has said "not found", and only the others'
// word is waited for: nobody else can be asked.
func (c *contest[T]) lacking() bool {
	return len(c.missing) > 0 && len(c.running) > 0 && len(c.asked) >= len(c.order)
}

// mayHedge reports whether the last one asked is so late that another may be
// asked, and takes that from the budget; one that is overdue costs nothing, nor
// one that still waits for its place.
func (c *contest[T]) mayHedge() bool {
	a := c.running[len(c.running)-1]
	if _, overdue := a.m.patience(); a.since() >= overdue || a.start.Load() == nil {
		return true
	}
	return c.pool.Hedge > 0 && c.pool.budget.spend()
}

// won notes who was first, and what that says of the others.
func (c *contest[T]) won(winner *attempt) {
	winner.m.answered(winner.took)
	if winner.hedge {
		winner.m.hedged(true)
	}
	for _, a := range c.missing {
		a.m.lagged(c.req)
	}
	for _, a := range c.running {
		if a.hedge {
			a.m.hedged(false)
		} else if winner.hedge && !c.all && a.start.Load() != nil {
			a.m.late(a.since())
		}
	}
}

// leave cancels those that are still running, and throws away what they give.
func (c *contest[T]) leave() {
	n := len(c.running)
	for _, a := range c.running {
		a.cancel(errLost)
	}
	if n == 0 {
		return
	}
	c.pool.working.Go(func() {
		for range n {
			r := <-c.results
			if r.err == nil {
				c.discard(r.value)
				r.cancel(nil)
			}
		}
	})
}

// outOfTime says who was waited for when the time was over.
func (c *contest[T]) outOfTime(ctx context.Context) error {
	var names []string
	for _, a := range c.running {
		names = append(names, a.m.name)
	}
	if len(names) == 0 {
		return context.Cause(ctx)
	}
	return fmt.Errorf("waiting for %s: %w", strings.Join(names, " and "), context.Cause(ctx))
}

// conclude makes one error of what all have said.
func (c *contest[T]) conclude() error {
	if len(c.missing) > 0 && (len(c.errs) == 0 || c.agree <= len(c.order)+len(c.last)) {
		denied := slices.IndexFunc(c.errs, func(err error) bool {
			_, ok := errors.AsType[*godown.Denied](err)
			return ok
		})
		if denied >= 0 && len(c.missing) < c.agree {
			return c.errs[denied]
		}
		if c.fleeting != nil && len(c.missing) < c.agree {
			return &unsure{c.missing[0].err, c.fleeting}
		}
		return c.missing[0].err
	}
	if len(c.errs) == 0 && c.unable > 0 {
		return errNoSum
	}
	return joinFailures(c.errs)
}

// An unsure error says that one mirror does not have what was asked for, and
// that another, which might have it, failed in a way that may pass. When it has
// not passed after some tries, the first one's word counts.
type unsure struct{ absent, failed error }

func (u *unsure) Error() string { return u.failed.Error() }
func (u *unsure) Unwrap() error { return u.failed }

// failures is what went wrong with each of several mirrors. To code it is the
// most telling of them.
type failures struct {
	list []error
	best error
}

func (f *failures) Error() string {
	texts := make([]string, len(f.list))
	for i, err := range f.list {
		texts[i] = err.Error()
	}
	return fmt.Sprintf("all %d mirrors failed: %s", len(f.list), strings.Join(texts, "; "))
}

func (f *failures) Unwrap() error { return f.best }

// joinFailures makes one error of several: being busy tells less than failing,
// and nothing tells more than a refusal.
func joinFailures(errs []error) error {
	if len(errs) == 0 {
		return errors.New("there is no mirror that could be asked")
	}
	if len(errs) == 1 {
		return errs[0]
	}
	rank := func(err error) int {
		if _, ok := errors.AsType[*godown.Denied](err); ok {
			return 0
		}
		if _, ok := errors.AsType[*godown.Busy](err); ok {
			return 2
		}
		return 1
	}
	best := slices.MinFunc(errs, func(a, b error) int { return rank(a) - rank(b) })
	return &failures{errs, best}
}
