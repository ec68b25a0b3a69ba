package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/godown-dev/godown"
)

// A flow is a stretch of a zip as it comes from one mirror. It watches how fast
// that is, and holds the place that was acquired until it is closed.
type flow struct {
	*godown.Part
	m      *member
	ctx    context.Context // of the exchange
	cancel context.CancelCauseFunc
	start  time.Time
	n      int64 // bytes read
	marked int64 // of these, before mark
	mark   time.Time
	at     int64 // where the next byte belongs
	closed bool

	// better returns the time in which another mirror would give so many
	// bytes, if there is one that could.
	better func(n int64) (time.Duration, bool)
}

// errSlow says that a body was given up because another mirror is much faster.
var errSlow = errors.New("it is much slower than another mirror would be")

// openFlow asks m, in a place that was acquired, for n bytes of a file from off
// on; 0: for all of it. It gives up after patience; 0: m's own limits alone count.
func openFlow(ctx context.Context, m *member, req godown.Request, off, n int64, tag string, patience time.Duration) (*flow, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	if patience > 0 {
		defer time.AfterFunc(patience, func() { cancel(godown.ErrStalled) }).Stop()
	}
	part, err := m.Upstream.Part(ctx, req, off, n, tag)
	if err != nil {
		cancel(nil)
		m.release(true)
		return nil, err
	}
	return &flow{Part: part, m: m, ctx: ctx, cancel: cancel, start: time.Now(), at: part.Off}, nil
}

// Read reads on. It fails when nothing comes for too long, or too little while
// another mirror is faster.
func (f *flow) Read(p []byte) (int, error) {
	var timer *time.Timer
	if f.better != nil {
		if _, ok := f.better(0); ok {
			// With another at hand there is no need to wait as long as the upstream itself would.
			_, overdue := f.m.patience()
			timer = time.AfterFunc(overdue, func() { f.cancel(godown.ErrStalled) })
		}
	}
	n, err := f.Reader().Read(p)
	if timer != nil && !timer.Stop() && err != nil {
		err = fmt.Errorf("upstream %s: %w", f.m.name, godown.ErrStalled)
	}
	f.n += int64(n)
	f.at += int64(n)
	if n > 0 {
		f.m.flowed(n)
		if waitErr := f.m.limit.wait(f.ctx, n); waitErr != nil && err == nil {
			err = waitErr
		}
		if err == nil && f.crawls() {
			err = fmt.Errorf("upstream %s: %d bytes in %v: %w", f.m.name, f.n, time.Since(f.start).Round(time.Millisecond), errSlow)
		}
	}
	return n, err
}

// crawls reports whether going on elsewhere would be much faster.
func (f *flow) crawls() bool {
	if f.Size < 0 {
		return f.dribbles()
	}
	took := time.Since(f.start)
	left := f.Size - f.n
	if f.better == nil || left <= 0 || took < time.Second {
		return false
	}
	expected := time.Duration(float64(took) * float64(left) / float64(f.n))
	other, ok := f.better(left)
	return ok && expected > time.Second+3*other
}

const (
	// dribbleTime is how long a body whose size nobody knows may give next to nothing.
	dribbleTime = 3 * time.Second
	// dribbleRate is next to nothing, in bytes per second.
	dribbleRate = 8 << 10
)

// dribbles reports whether a body of which nobody knows how much is left gives
// so little that another mirror had better be asked.
func (f *flow) dribbles() bool {
	now := time.Now()
	if f.mark.IsZero() {
		f.mark = f.start
	}
	took := now.Sub(f.mark)
	if f.better == nil || took < dribbleTime {
		return false
	}
	rate := float64(f.n-f.marked) / took.Seconds()
	f.mark, f.marked = now, f.n
	_, ok := f.better(0)
	return ok && rate < dribbleRate
}

// skip reads up to off, where the mirror took no notice of the range.
func (f *flow) skip(off int64) error {
	if f.at > off {
		return fmt.Errorf("upstream %s gives what comes behind what was asked for", f.m.name)
	}
	_, err := io.CopyN(io.Discard, f, off-f.at)
	return err
}

// Close ends the exchange.
func (f *flow) Close() {
	if f.closed {
		return
	}
	f.closed = true
	f.m.moved(f.n, time.Since(f.start))
	f.Part.Close()
	f.cancel(nil)
	f.m.release(true)
}

// broken notes why the flow ended before its time.
func (f *flow) broken(err error) {
	if errors.Is(err, errSlow) {
		f.m.slow(err)
		return
	}
	f.m.failed(err, 0)
}

// expects returns the time that n bytes are expected to take from m.
func (m *member) expects(n int64) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.candidate(time.Now())
	return c.cost(n)
}

// ranges reports whether m may be asked for ranges.
func (m *member) ranges() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rangesAt(time.Now())
}

// rangesAt is ranges. Caller holds m.mu.
func (m *member) rangesAt(now time.Time) bool { return !m.Facts.NoRanges && now.After(m.noRanges) }

// noRangesTime is how long a mirror that got ranges wrong is not asked for any.
const noRangesTime = 10 * time.Minute

// ignoresRanges notes that m gives the whole, whatever range is asked for.
func (m *member) ignoresRanges() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noRanges = time.Now().Add(noRangesTime)
}

// mixes reports whether what m gives may be mixed with what others give.
func (m *member) mixes() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	return m.rangesAt(now) && !m.suspectAt(now) && !m.circuit.down && now.After(m.busy)
}

// suspectAt reports whether m gave wrong files of late, or had part in one. Caller holds m.mu.
func (m *member) suspectAt(now time.Time) bool { return !now.After(m.noMix) || m.liesAt(now) >= 0.5 }

// suspected reports whether bytes of m had better not follow those of others, unverified.
func (m *member) suspected() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.suspectAt(time.Now())
}
