package index

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// A Key stands for a module version: the first 64 bits of the SHA-256 of
// "path@version". Different versions may share one, so who asks looks at the records.
type Key uint64

// KeyOf returns the key of a module version.
func KeyOf(path, version string) Key {
	sum := sha256.Sum256([]byte(path + "@" + version))
	return Key(binary.BigEndian.Uint64(sum[:]))
}

// Keys returns the keys of the n records from number first on, all of which
// the log holds. It must be safe for concurrent use.
type Keys func(ctx context.Context, first int64, n int) ([]Key, error)

// Options are what an [Index] may be given besides the log.
type Options struct {
	// Bind returns what identifies the records [first, first+n): best their
	// hash in the log's tree, tlog.StoredHashIndex(log2(n), first/n), as n is
	// Range times a power of 4 and first a multiple of n. It is asked only for
	// records that the Index covers, and must be safe for concurrent use. With
	// no Bind a segment is bound to its name only, and segments of another
	// history of the log, after a backup was restored, would be believed.
	Bind func(ctx context.Context, first, n int64) ([]byte, error)

	// Failed is told of each damaged segment, and of the first of a series of
	// writes that failed; the Index goes on without. It may be called by
	// several goroutines, and must not call the Index.
	Failed func(error)

	// Range is how many records a segment of level 0 covers, and how many are
	// at least kept in memory: a power of two, 4 to 2^20; 0 means 65536. With
	// another one than before all segments are made anew.
	Range int64

	// Retry is how long to wait before what could not be written is tried
	// again, if no full range comes before; 0 means a minute.
	Retry time.Duration

	direct int64 // directRecords, if that is too many for a test
}

const (
	defaultRange = 1 << 16
	defaultRetry = time.Minute
	maxRange     = 1 << 20
	// directRecords is the largest range that is made from the log's records
	// in memory, at 16 bytes each. Wider ones are merged from such.
	directRecords = 1 << 20
	// chunk is how many keys are asked for at once.
	chunk = 1 << 16
	// maxWaiting is how many segments may wait in memory for a disk that works
	// before Add waits for it.
	maxWaiting = 4
)

// ErrClosed says that an Index was closed.
var ErrClosed = errors.New("the index is closed")

// An Index finds the numbers of a log's records by key. Its methods are safe
// for concurrent use, except that only one Add may run at a time.
type Index struct {
	store godown.Store
	plan  plan
	keys  Keys
	opts  Options
	level int // the widest that is made from records in memory

	cancel context.CancelFunc // ends the worker
	done   chan struct{}      // closed when the worker has ended
	kick   chan struct{}      // there is work; of capacity 1

	mu       sync.RWMutex // guards the fields below; not held during I/O
	runs     []*run       // in order, without gaps, from 0 to tail.first; replaced, never changed
	tail     tail
	repairs  map[*run]*repair
	progress chan struct{} // closed, and replaced, when the worker has done something
	stuck    bool          // the worker could not do what it should
	failing  bool          // the last write failed
	closed   bool
}

// Open returns an Index of the records [0, size) of a log. Its files are those
// of the store whose names begin with prefix, such as "sum.corp.example/index/".
// What lacks or is unusable is made anew from keys, and that is when Open takes
// long; it fails if that fails, but not for a store that cannot be written.
// Segments that reach behind size are not used.
func Open(ctx context.Context, store godown.Store, prefix string, size int64, keys Keys, opts Options) (*Index, error) {
	if opts.Range == 0 {
		opts.Range = defaultRange
	}
	if opts.Retry == 0 {
		opts.Retry = defaultRetry
	}
	if opts.direct == 0 {
		opts.direct = directRecords
	}
	if opts.Range < fan || opts.Range > maxRange || bits.OnesCount64(uint64(opts.Range)) != 1 {
		return nil, fmt.Errorf("index: Range is %d, but must be a power of two from %d to %d", opts.Range, fan, maxRange)
	}
	if !strings.HasSuffix(prefix, "/") {
		return nil, fmt.Errorf("index: the prefix %q must end with a slash", prefix)
	}
	if size < 0 {
		return nil, fmt.Errorf("index: a log of %d records", size)
	}
	x := &Index{
		store: store, plan: plan{prefix, opts.Range}, keys: keys, opts: opts,
		done: make(chan struct{}), kick: make(chan struct{}, 1),
		repairs: make(map[*run]*repair), progress: make(chan struct{}),
	}
	for x.level < x.plan.top() && x.plan.width(x.level+1) <= opts.direct {
		x.level++
	}
	if err := x.load(ctx, size); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	ctx, x.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(x.done)
		x.work(ctx)
	}()
	return x, nil
}

// Size returns how many records the Index covers.
func (x *Index) Size() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.tail.end()
}

// Add adds the records that follow. It never fails for what cannot be written:
// that stays in memory, is found there, and is tried again later. An error
// means that nothing was added.
func (x *Index) Add(ctx context.Context, keys []Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x.mu.RLock()
	closed := x.closed
	x.mu.RUnlock()
	if closed {
		return ErrClosed
	}
	for len(keys) > 0 {
		room := x.plan.base - int64(len(x.tail.keys)) // only Add changes the tail
		part := keys[:min(int64(len(keys)), room, 1<<10)]
		keys = keys[len(part):]
		x.mu.Lock()
		x.tail.add(part)
		x.mu.Unlock()
		if int64(len(part)) < room {
			continue
		}
		r := newRun(x.plan, place{0, x.tail.first / x.plan.base}, sorted(x.tail.keys))
		x.mu.Lock()
		if x.closed {
			x.mu.Unlock()
			return nil // nobody will ask
		}
		x.runs = append(x.runs[:len(x.runs):len(x.runs)], r)
		x.tail = newTail(r.first + r.count)
		x.mu.Unlock()
		x.nudge()
		x.pause(ctx)
	}
	return nil
}

// nudge tells the worker that there is work.
func (x *Index) nudge() {
	select {
	case x.kick <- struct{}{}:
	default:
	}
}

// pause waits while too much waits for a disk that works.
func (x *Index) pause(ctx context.Context) {
	for {
		x.mu.RLock()
		waiting := 0
		for _, r := range x.runs {
			if r.mem != nil {
				waiting++
			}
		}
		full := waiting > maxWaiting && !x.stuck && !x.closed
		progress := x.progress
		x.mu.RUnlock()
		if !full {
			return
		}
		select {
		case <-progress:
		case <-x.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Find returns the numbers of the records with that key, ascending. Where a
// segment turns out to be damaged it waits until that is made anew, or returns
// an error: that there are no numbers is certain.
func (x *Index) Find(ctx context.Context, key Key) ([]int64, error) {
	for range 10 { // each time something was repaired, and something else broken
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		numbers, broken, err := x.search(key)
		if broken == nil {
			return numbers, err
		}
		if err := x.mended(ctx, broken, err); err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
	}
	return nil, errors.New("index: segments are damaged as often as they are made anew; see to the disk")
}

// search looks the key up in what there is. An error with a run means that the
// run cannot be read.
func (x *Index) search(key Key) (numbers []int64, broken *run, err error) {
	x.mu.RLock()
	if x.closed {
		x.mu.RUnlock()
		return nil, nil, ErrClosed
	}
	runs := x.runs
	for _, r := range runs {
		r.refs.Add(1)
	}
	last := x.tail.find(key)
	x.mu.RUnlock()
	for _, r := range runs {
		if err == nil {
			if numbers, err = r.find(key, numbers); err != nil {
				broken = r
			}
		}
		r.release()
	}
	if err != nil {
		return nil, broken, err
	}
	return append(numbers, last...), nil, nil
}

// Close ends the work in the background, waits for its end and closes the
// files. What waits in memory to be written is not: the next Open makes it anew.
// If it returns the context's error the work has still to end; Close may be called again.
func (x *Index) Close(ctx context.Context) error {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	x.cancel()
	select {
	case <-x.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	x.mu.Lock()
	runs := x.runs
	x.runs = nil
	x.mu.Unlock()
	for _, r := range runs {
		r.release()
	}
	return nil
}
