package mirror

import (
	"context"
	"sync"
	"time"
)

// A limiter lets so many bytes pass in a second, shared by all who wait at it.
type limiter struct {
	perSecond float64

	mu   sync.Mutex // guards free
	free time.Time  // when the next byte may pass
}

// wait waits until n bytes more have been allowed to pass.
func (l *limiter) wait(ctx context.Context, n int) error {
	if l == nil || n <= 0 {
		return nil
	}
	l.mu.Lock()
	now := time.Now()
	// What was not used in the last tenth of a second may be used now.
	if earliest := now.Add(-100 * time.Millisecond); l.free.Before(earliest) {
		l.free = earliest
	}
	l.free = l.free.Add(time.Duration(float64(n) / l.perSecond * float64(time.Second)))
	pause := l.free.Sub(now)
	l.mu.Unlock()
	return sleep(ctx, pause)
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A budget allows second requests: a share of all requests, saved up to some.
type budget struct {
	mu    sync.Mutex // guards saved
	saved float64
}

// maxSaved is how many second requests may be saved up; a pool begins with half of them.
const maxSaved = 10

// earn is called for each request.
func (b *budget) earn(share float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saved = min(maxSaved, b.saved+share)
}

// spend takes what one second request costs, if it is there.
func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.saved < 1 {
		return false
	}
	b.saved--
	return true
}

// affords reports whether spend would succeed.
func (b *budget) affords() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.saved >= 1
}

// enough reports whether there is something left to risk.
func (b *budget) enough() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.saved >= 2
}
