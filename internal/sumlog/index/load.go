package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/godown-dev/godown"
)

// A listing is which segments there were when we looked.
type listing map[place]bool

// list looks which segments there are.
func (x *Index) list(ctx context.Context) (listing, error) {
	have := make(listing)
	for e, err := range x.store.List(ctx, x.plan.prefix) {
		if err != nil {
			return have, err
		}
		if at, ok := x.plan.parse(e.Name); ok {
			have[at] = true
		}
	}
	return have, nil
}

// below reports whether there is a segment of a part of that range.
func (l listing) below(at place) bool {
	for p := range l {
		if p.level < at.level && p.n>>(2*(at.level-p.level)) == at.n {
			return true
		}
	}
	return false
}

// errVanished says that a segment that was listed is no more there: another
// process has merged it meanwhile, and there is a wider one.
var errVanished = errors.New("segments are deleted faster than they are read")

// load makes runs and tail of a log of size records.
func (x *Index) load(ctx context.Context, size int64) error {
	var have listing
	err := errVanished
	for try := 0; errors.Is(err, errVanished) && try < 5; try++ {
		if have, err = x.list(ctx); err != nil {
			// What cannot be listed is made anew, and stays in memory.
			if ctx.Err() != nil {
				return err
			}
			x.report(fmt.Errorf("index: listing the segments: %w", err))
			have = nil
		}
		if try == 4 {
			have = nil // make anew what does not hold still
		}
		drop(x.runs)
		x.runs = nil
		err = x.loadRuns(ctx, have, size)
	}
	if err == nil {
		err = x.loadTail(ctx, size)
	}
	if err != nil {
		drop(x.runs)
		return err
	}
	// What a crash, or another process's, has left of segments that are merged.
	for at := range have {
		for _, r := range x.runs {
			if r.seg != nil && r.level > at.level && r.first <= at.n*x.plan.width(at.level) && at.n*x.plan.width(at.level) < r.first+r.count {
				x.remove(ctx, at)
			}
		}
	}
	return nil
}

// loadRuns covers all whole ranges of level 0, from the left by the widest that fit.
func (x *Index) loadRuns(ctx context.Context, have listing, size int64) error {
	for first := int64(0); size-first >= x.plan.base; {
		level := 0
		for level < x.plan.top() && first%x.plan.width(level+1) == 0 && first+x.plan.width(level+1) <= size {
			level++
		}
		width := x.plan.width(level)
		runs, err := x.cover(ctx, place{level, first / width}, have, false)
		x.runs = append(x.runs, runs...)
		if err != nil {
			return err
		}
		first += width
	}
	return nil
}

func (x *Index) loadTail(ctx context.Context, size int64) error {
	first := size - size%x.plan.base
	x.tail = newTail(first)
	keys, err := x.fetch(ctx, first, size-first)
	x.tail.add(keys)
	return err
}

// cover returns runs of the range, in order: of the widest segments there are,
// and where there are none, made anew. With whole set segments are read to
// their end before they are trusted. After an error the runs are the caller's too.
func (x *Index) cover(ctx context.Context, at place, have listing, whole bool) ([]*run, error) {
	if have[at] {
		r, err := x.open(ctx, at, whole)
		if err == nil {
			return []*run{r}, nil
		}
		if errors.Is(err, errVanished) || errors.Is(err, errUnbound) || ctx.Err() != nil {
			return nil, err
		}
		if !whole { // else it is known already
			x.report(fmt.Errorf("index: %w; it is made anew", err))
		}
	}
	if at.level == 0 || at.level <= x.level && !have.below(at) {
		r, err := x.build(ctx, at)
		if err != nil {
			return nil, err
		}
		return []*run{r}, nil
	}
	var runs []*run
	for i := range int64(fan) {
		part, err := x.cover(ctx, at.child(i), have, whole)
		if runs = append(runs, part...); err != nil {
			return runs, err
		}
	}
	return runs, nil
}

// errUnbound is a failure of Options.Bind: then no segment can be judged.
var errUnbound = errors.New("learning what identifies the log's records")

// label returns the label of the segment of a range that the log fills.
func (x *Index) label(ctx context.Context, at place) (label, error) {
	var bind []byte
	if x.opts.Bind != nil {
		var err error
		width := x.plan.width(at.level)
		if bind, err = x.opts.Bind(ctx, at.n*width, width); err != nil {
			return label{}, fmt.Errorf("%w from %d on: %w", errUnbound, at.n*width, err)
		}
	}
	return newLabel(x.plan, at, bind), nil
}

// open opens a segment that should be there.
func (x *Index) open(ctx context.Context, at place, whole bool) (*run, error) {
	l, err := x.label(ctx, at)
	if err != nil {
		return nil, err
	}
	f, err := x.store.Open(ctx, x.plan.name(at))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", errVanished, x.plan.name(at))
	}
	if err != nil {
		return nil, err
	}
	return x.use(f, l, whole)
}

// use makes a run of a segment's file.
func (x *Index) use(f *godown.File, l label, whole bool) (*run, error) {
	s, err := openSegment(f, l)
	if err != nil {
		return nil, err
	}
	if whole {
		if err := s.verify(); err != nil {
			s.close()
			return nil, err
		}
	}
	r := newRun(x.plan, l.at, nil)
	r.seg = s
	return r, nil
}

// build makes a run from the log's records, and its file if that can be written.
func (x *Index) build(ctx context.Context, at place) (*run, error) {
	width := x.plan.width(at.level)
	entries := make([]entry, 0, width)
	for int64(len(entries)) < width {
		n := int64(len(entries))
		keys, err := x.fetch(ctx, at.n*width+n, min(width-n, chunk))
		if err != nil {
			return nil, err
		}
		for i, k := range keys {
			entries = append(entries, entry{k, uint32(n) + uint32(i)})
		}
	}
	slices.SortFunc(entries, compare)
	r := newRun(x.plan, at, entries)
	filed, err := x.write(ctx, at, func() source { return each(entries) })
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return r, nil // from memory, then
	}
	return filed, nil
}

// fetch returns keys of the log.
func (x *Index) fetch(ctx context.Context, first, n int64) ([]Key, error) {
	if n == 0 {
		return nil, nil
	}
	keys, err := x.keys(ctx, first, int(n))
	if err == nil && int64(len(keys)) != n {
		err = fmt.Errorf("there are %d of them", len(keys))
	}
	if err != nil {
		return nil, fmt.Errorf("the keys of %d records from number %d on: %w", n, first, err)
	}
	return keys, nil
}

// drop releases runs.
func drop(runs []*run) {
	for _, r := range runs {
		r.release()
	}
}
