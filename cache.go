package godown

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Cache is a Source that keeps what another gave it: fixed files for ever, once
// verified; lists, latest versions and queries for a while. Any number of
// callers who want the same missing file cause one fetch.
//
// Store, Source and Verifier must be set; the other fields have defaults.
// They must not change after the first Fetch.
type Cache struct {
	Store    Store    // of fixed files
	Answers  Store    // of answers that change, with the time they were learnt; nil: they are forgotten with the process
	Pending  Store    // marks what was taken in unverified; nil: nothing is
	Source   Source   // what to ask for files that are not in the Store
	Verifier Verifier // what proves a .mod or .zip right

	// Prefer takes in and serves files although the checksum database cannot
	// be reached, marks them in Pending, and verifies them when it is back.
	Prefer bool

	TTL          time.Duration // how long a changeable answer is fresh; default 1 min
	NotFoundTTL  time.Duration // how long an absence is remembered; default 30 s
	StaleWait    time.Duration // how long a caller waits for upstream when an old answer is at hand; default 5 s
	MaxFetches   int           // fetches under way at most; default 64
	FetchWait    time.Duration // how long a fetch waits for its turn; default 30 s
	FetchTimeout time.Duration // how long a fetch may take; default 15 min
	StreamAfter  time.Duration // how long a zip may take to arrive before callers are given what is there of it, but for its tail; default 1 s
	Memory       int64         // bytes of small files to keep in memory; default 64 MiB

	Alarm func(Alarm) // called for what an operator should know; may be nil; must not block

	once      sync.Once
	files     *hot[Request, hotFile]  // answers that are ready to serve
	zips      *hot[Request, zipState] // zips in the store that were looked at in this process's life
	absent    *hot[Request, absence]  // what upstream does not have
	refreshed refreshes               // which modules' answers no longer count
	places    *Places                 // one for each fetch under way
	checks    chan struct{}           // one for each zip being verified
	spare     *budget                 // memory for bodies that the disk does not take
	base      context.Context         // of all flights
	cancel    context.CancelFunc
	idle      context.Context // of work that nobody waits for
	stop      context.CancelFunc
	working   sync.WaitGroup // flights and the rechecking

	mu      sync.Mutex // guards the fields below
	flights map[Request]*flight
	recheck []Request // zips to be hashed again, in this order
	busy    bool      // somebody works on recheck
	closed  bool

	databaseDown atomic.Int64 // until when, in Unix nanoseconds, seeded files are not held up by an unreachable database
	askAgain     atomic.Int64 // until when, in Unix nanoseconds, no check asks an unreachable database
	scrubbing    scrubbing
	counts       counts
}

// maxOverflow bounds what all bodies together hold in memory while the disk is
// full: one of the largest zips must fit.
const maxOverflow = 512 << 20

// A hotFile is an answer in memory.
type hotFile struct {
	file  *File
	until time.Time // when it stops being fresh; zero: never
}

// An absence is a remembered "not found".
type absence struct {
	err   error
	asked time.Time // when upstream was asked, or a little before
	until time.Time
}

func (c *Cache) init() {
	setDefault(&c.TTL, time.Minute)
	setDefault(&c.NotFoundTTL, 30*time.Second)
	setDefault(&c.StaleWait, 5*time.Second)
	setDefault(&c.MaxFetches, 64)
	setDefault(&c.FetchWait, 30*time.Second)
	setDefault(&c.FetchTimeout, 15*time.Minute)
	setDefault(&c.StreamAfter, time.Second)
	setDefault(&c.Memory, 64<<20)
	if c.Alarm == nil {
		c.Alarm = func(Alarm) {}
	}
	c.files = newHot[Request, hotFile](c.Memory)
	c.zips = newHot[Request, zipState](max(c.Memory/4, 4<<20))
	c.absent = newHot[Request, absence](max(c.Memory/16, 1<<20))
	c.places = NewPlaces(c.MaxFetches, c.MaxFetches/4)
	c.checks = make(chan struct{}, runtime.GOMAXPROCS(0))
	c.spare = newBudget(maxOverflow)
	c.base, c.cancel = context.WithCancel(context.Background())
	c.idle, c.stop = context.WithCancel(c.base)
	c.flights = make(map[Request]*flight)
}

func setDefault[T ~int | ~int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Fetch answers from memory, from the store, or by asking the Source.
func (c *Cache) Fetch(ctx context.Context, req Request) (*File, error) {
	c.once.Do(c.init)
	if h, ok := c.files.get(req); ok && (h.until.IsZero() || time.Now().Before(h.until) && !c.outdated(&req, h.file.Time)) {
		return h.file, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !req.Fixed() {
		return c.fetchChanging(ctx, req)
	}
	if f, err := c.openKnownZip(ctx, req); err == nil {
		return f, nil
	}
	if IsCachedOnly(ctx) {
		if fl := c.landing(req); fl != nil {
			defer fl.leave()
			return fl.answer(ctx)
		}
		f, err := c.stored(ctx, req, false)
		if errors.Is(err, fs.ErrNotExist) {
			return c.infer(ctx, req, &NotFound{Text: "not in the cache: " + req.String(), Unasked: true})
		}
		return f, err
	}
	if err := c.knownAbsent(req); err != nil {
		return nil, err
	}
	for attempt := range 20 {
		// On a busy machine it may take a moment until what is set aside as bad, and what
		// takes its place, is seen alike everywhere.
		if err := waitFor(ctx, time.Duration(max(0, attempt-1))*time.Millisecond); err != nil {
			return nil, err
		}
		f, err := c.await(ctx, req, nil)
		if err != errLanded {
			return f, err
		}
		// It is in the store, or was a moment ago.
		f, err = c.openKnownZip(ctx, req)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("%v vanishes from the store as soon as it is there", req)
}

// waitFor waits so long.
func waitFor(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// knownAbsent returns the remembered error for what upstream was found not to have.
func (c *Cache) knownAbsent(req Request) error {
	if a, ok := c.absent.get(req); ok {
		if time.Now().Before(a.until) && !c.refreshed.since(req.Path, a.asked) {
			return a.err
		}
		c.absent.delete(req)
	}
	return nil
}

// gone reports whether err says that upstream was asked and does not have the file.
func gone(err error) bool {
	if _, ok := errors.AsType[*Unverified](err); ok {
		return false // it is the database that lacks something
	}
	absent, ok := errors.AsType[*NotFound](err)
	return errors.Is(err, fs.ErrNotExist) && !(ok && absent.Unasked)
}

// rememberAbsent remembers err, the end of a flight, if it says that upstream does not have the file.
func (c *Cache) rememberAbsent(fl *flight, err error) {
	if req := fl.req; gone(err) {
		c.absent.put(req, absence{err, fl.began, time.Now().Add(c.NotFoundTTL)}, int64(len(err.Error())+len(req.Path)+len(req.Version)))
	}
}

// await joins the flight for req and waits for its answer.
func (c *Cache) await(ctx context.Context, req Request, old *answer) (*File, error) {
	fl := c.join(req, old, isAhead(ctx))
	defer fl.leave()
	return fl.answer(ctx)
}

// join enters the flight for req, beginning it if there is none. old is the
// answer that is to be revalidated, if any; ahead says that nobody waits for the answer.
func (c *Cache) join(req Request, old *answer, ahead bool) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	// What can change is asked for again once it has been answered, though the
	// answer may not be stored yet.
	if fl, ok := c.flights[req]; ok && (req.Fixed() || !fl.settled()) {
		c.counts.shared.Add(1)
		fl.enter()
		if !ahead {
			fl.demand()
		}
		return fl
	}
	fl := newFlight(req)
	fl.enter()
	if !ahead {
		fl.demand()
	}
	fl.unwanted = func() { c.abandon(fl) }
	if c.closed {
		fl.settle(nil, errClosed)
		return fl
	}
	c.flights[req] = fl
	ctx, cancel := context.WithTimeout(withDemand(c.base, fl.demanded), c.FetchTimeout)
	fl.cancel = cancel
	c.working.Go(func() { c.fly(ctx, fl, old) })
	return fl
}

// abandon ends a flight that went ahead for somebody who has left.
func (c *Cache) abandon(fl *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !fl.wanted() && c.flights[fl.req] == fl {
		delete(c.flights, fl.req) // who comes now begins another
		fl.cancel()
	}
}

// landing enters the flight for req if there is one that has an answer, and
// only has to store it.
func (c *Cache) landing(req Request) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	fl, ok := c.flights[req]
	if !ok || !fl.settled() {
		return nil
	}
	fl.enter()
	return fl
}

// fly does the work of a flight.
func (c *Cache) fly(ctx context.Context, fl *flight, old *answer) {
	defer fl.cancel()
	defer func() {
		c.mu.Lock()
		if c.flights[fl.req] == fl {
			delete(c.flights, fl.req)
		}
		c.mu.Unlock()
		fl.finish()
	}()
	if fl.req.Fixed() {
		c.flyFixed(ctx, fl)
	} else {
		c.flyChanging(ctx, fl, old)
	}
}

var errClosed = errors.New("the cache is shutting down")

// acquire waits for one of the places for fetches under way. The caller gives it back.
func (c *Cache) acquire(ctx context.Context) error {
	c.counts.waiting.Add(1)
	defer c.counts.waiting.Add(-1)
	err := c.places.Take(ctx, c.FetchWait)
	if errors.Is(err, ErrNoPlace) {
		return &Busy{After: 5 * time.Second, Text: "none of the places for fetches became free in " + c.FetchWait.String()}
	}
	return err
}

// keep puts a small answer in memory.
func (c *Cache) keep(req Request, f *File, until time.Time) {
	f.headers = newHeaders(req, f)
	c.files.put(req, hotFile{f, until}, int64(cap(f.Data)+len(req.Path)+len(req.Version)+400))
}

// Close waits for fetches under way and the rechecking, until ctx ends; then it ends them.
func (c *Cache) Close(ctx context.Context) error {
	c.once.Do(c.init)
	c.mu.Lock()
	c.closed = true
	c.recheck = nil
	c.mu.Unlock()
	c.stop()
	done := make(chan struct{})
	go func() {
		c.working.Wait()
		close(done)
	}()
	defer c.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		c.cancel()
		<-done
		return ctx.Err()
	}
}

type counts struct {
	fetching, waiting      atomic.Int64
	fetches, shared        atomic.Int64
	mismatches, rotten     atomic.Int64
	storeFailures, pending atomic.Int64
}

// Stats are what a Cache has counted in its life, and what it does now.
type Stats struct {
	Fetching      int64 // fetches under way
	Waiting       int64 // fetches that wait for their turn
	Fetches       int64 // fetches begun
	Shared        int64 // callers who joined a fetch of another
	Mismatches    int64 // answers of upstreams that failed verification
	Rotten        int64 // stored files that were found bad
	StoreFailures int64 // files that could not be stored or read
	Pending       int64 // files that were taken in unverified
}

// Stats returns the counts of this moment.
func (c *Cache) Stats() Stats {
	n := &c.counts
	return Stats{
		Fetching: n.fetching.Load(), Waiting: n.waiting.Load(), Fetches: n.fetches.Load(), Shared: n.shared.Load(),
		Mismatches: n.mismatches.Load(), Rotten: n.rotten.Load(), StoreFailures: n.storeFailures.Load(), Pending: n.pending.Load(),
	}
}
