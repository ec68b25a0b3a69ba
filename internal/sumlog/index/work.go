package index

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A repair is a damaged run that is to be replaced.
type repair struct {
	cause error         // what was found
	done  chan struct{} // closed when err is set and the run replaced, if err is nil
	err   error
}

// work writes what is in memory, merges, and makes damaged runs anew, until ctx ends.
func (x *Index) work(ctx context.Context) {
	for ctx.Err() == nil {
		again, err := false, x.mend(ctx)
		if err == nil {
			again, err = x.step(ctx)
		}
		x.mu.Lock()
		x.stuck = err != nil
		x.advance()
		x.mu.Unlock()
		if again {
			continue
		}
		var retry <-chan time.Time
		if err != nil {
			retry = time.After(x.opts.Retry)
		}
		select {
		case <-x.kick:
		case <-retry:
		case <-ctx.Done():
		}
	}
}

// step writes a run or merges four, and reports whether to go on at once.
func (x *Index) step(ctx context.Context) (again bool, err error) {
	x.mu.RLock()
	old, to := x.next()
	x.mu.RUnlock()
	if old == nil {
		return false, nil
	}
	r, err := x.write(ctx, to, func() source {
		if old[0].mem != nil {
			return each(old[0].mem)
		}
		return merged(old)
	})
	if bad, ok := errors.AsType[*broken](err); ok {
		x.repairOf(bad.run, bad.err)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	filed := old[0].seg != nil
	x.replace(old, []*run{r})
	for i := int64(0); filed && i < fan; i++ {
		x.remove(ctx, to.child(i))
	}
	return true, nil
}

// next returns what to write next, and where to: a run in memory, else four
// neighbours of a level. Caller holds x.mu.
func (x *Index) next() ([]*run, place) {
	for i, r := range x.runs {
		if r.mem != nil {
			return x.runs[i : i+1], r.place
		}
	}
	for level := range x.plan.top() {
		for i, r := range x.runs {
			if r.level != level || r.n%fan != 0 || i+fan > len(x.runs) {
				continue
			}
			four := x.runs[i : i+fan]
			if !slices.ContainsFunc(four, func(r *run) bool { return r.level != level }) {
				return four, r.parent()
			}
		}
	}
	return nil, place{}
}

// replace puts runs in the place of those that cover the same range. The old
// ones are no more to be used by the caller.
func (x *Index) replace(old, runs []*run) {
	x.mu.Lock()
	i := slices.Index(x.runs, old[0])
	x.runs = slices.Concat(x.runs[:i], runs, x.runs[i+len(old):])
	x.mu.Unlock()
	drop(old)
}

// advance wakes who waits for the worker. Caller holds x.mu.
func (x *Index) advance() {
	close(x.progress)
	x.progress = make(chan struct{})
}

// write makes a segment durable and opens it. A failure that is not ctx's or a
// *broken is reported, if the last write did not fail as well.
func (x *Index) write(ctx context.Context, at place, from func() source) (*run, error) {
	r, err := x.tryWrite(ctx, at, from())
	for try := 0; try < 3 && errors.Is(err, errVanished); try++ {
		// Another process was faster, and has merged it already.
		r, err = x.tryWrite(ctx, at, from())
	}
	if _, ok := errors.AsType[*broken](err); ok || err != nil && ctx.Err() != nil {
		return nil, err
	}
	x.mu.Lock()
	first := err != nil && !x.failing
	x.failing = err != nil
	x.mu.Unlock()
	if first {
		x.report(fmt.Errorf("index: segment %s cannot be written, and so is in memory or unmerged until it can: %w", x.plan.name(at), err))
	}
	return r, err
}

func (x *Index) tryWrite(ctx context.Context, at place, next source) (*run, error) {
	l, err := x.label(ctx, at)
	if err != nil {
		return nil, err
	}
	enc := newEncoder(l, next)
	err = x.store.Put(ctx, x.plan.name(at), enc)
	if bad, ok := errors.AsType[*broken](enc.err); ok {
		return nil, bad
	}
	if err != nil {
		return nil, err
	}
	return x.open(ctx, at, false)
}

// remove deletes the file of a segment that is not needed. If that fails, the
// next Open tries again.
func (x *Index) remove(ctx context.Context, at place) {
	_ = x.store.Delete(ctx, x.plan.name(at))
}

func (x *Index) report(err error) {
	if x.opts.Failed != nil {
		x.opts.Failed(err)
	}
}

// repairOf returns the repair of a run that could not be read, for that cause,
// or nil if the run is not in use any more. The worker does it.
func (x *Index) repairOf(r *run, cause error) *repair {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !slices.Contains(x.runs, r) {
		return nil
	}
	p := x.repairs[r]
	if p == nil {
		p = &repair{cause: cause, done: make(chan struct{})}
		x.repairs[r] = p
	}
	return p
}

// mended waits until a run that could not be read is replaced.
func (x *Index) mended(ctx context.Context, r *run, cause error) error {
	p := x.repairOf(r, cause)
	if p == nil {
		return nil
	}
	x.nudge()
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("%w; and it cannot be made anew: %w", cause, p.err)
		}
		return nil
	case <-x.done:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("%w; while it is made anew: %w", cause, ctx.Err())
	}
}

// mend replaces the damaged runs that are known. The error is of one that could
// not be; it stays as it is until it is found again.
func (x *Index) mend(ctx context.Context) (err error) {
	for {
		var r *run
		var p *repair
		x.mu.RLock()
		for r, p = range x.repairs {
			break
		}
		used := slices.Contains(x.runs, r) // only the worker replaces runs
		x.mu.RUnlock()
		if p == nil {
			return err
		}
		var failed error
		if used {
			x.report(fmt.Errorf("index: %w; it is made anew", p.cause))
			if failed = x.remake(ctx, r); failed != nil {
				err = failed
			}
		}
		x.mu.Lock()
		delete(x.repairs, r)
		p.err = failed
		close(p.done)
		x.mu.Unlock()
	}
}

// remake replaces a run that cannot be read: by files, if there are any that
// can be read to their end, else by the log's records.
func (x *Index) remake(ctx context.Context, r *run) error {
	have, err := x.list(ctx)
	if err != nil {
		have = nil
	}
	runs, err := x.cover(ctx, r.place, have, true)
	if errors.Is(err, errVanished) {
		drop(runs)
		runs, err = x.cover(ctx, r.place, nil, true)
	}
	if err != nil {
		drop(runs)
		return err
	}
	if !slices.ContainsFunc(runs, func(n *run) bool { return n.mem != nil || n.place == r.place }) {
		x.remove(ctx, r.place) // or the next Open would believe it
	}
	x.replace([]*run{r}, runs)
	return nil
}
