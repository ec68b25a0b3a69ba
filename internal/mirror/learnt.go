package mirror

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/godown-dev/godown"
)

// window is how many answers the 95th percentile is taken from.
const window = 64

// learnt is what traffic has taught of a mirror. Its owner guards it.
type learnt struct {
	tried    bool
	first    time.Duration // moving mean of the time to an answer
	rate     float64       // moving mean of a connection's bytes per second; 0: not known
	failing  float64       // moving share of failures
	reckoned time.Time     // when failing was last reckoned
	recent   [window]time.Duration
	n        int // answers so far
}

// failingHalves is the time in which the memory of failures fades by half, so
// that a mirror nobody asks because it failed is tried again.
const failingHalves = time.Minute

func (l *learnt) answered(d time.Duration) {
	if l.n == 0 {
		l.first = d
	} else {
		l.first += (d - l.first) / 5
	}
	l.recent[l.n%window] = d
	l.n++
	l.reckon(0, 1)
}

// failed notes a failure of a weight up to 1.
func (l *learnt) failed(weight float64) { l.reckon(1, weight) }

func (l *learnt) reckon(value, weight float64) {
	now := time.Now()
	l.failing = fade(l.failing, now.Sub(l.reckoned), failingHalves)
	l.failing += (value - l.failing) * weight / 5
	l.reckoned, l.tried = now, true
}

// failingNow returns the share of failures.
func (l *learnt) failingNow(now time.Time) float64 {
	return fade(l.failing, now.Sub(l.reckoned), failingHalves)
}

// moved notes that a body of n bytes took d. Small ones tell nothing, unless they crawl.
func (l *learnt) moved(n int64, d time.Duration) {
	if d <= 0 || n < 64<<10 && d < 200*time.Millisecond || n == 0 {
		return
	}
	rate := float64(n) / max(d, time.Millisecond).Seconds()
	if l.rate == 0 {
		l.rate = rate
	} else {
		l.rate += (rate - l.rate) * 0.3
	}
}

// percentiles returns the time in which 95 of 100 answers come, and the median; 0 if
// too few are known.
func (l *learnt) percentiles() (p95, median time.Duration) {
	n := min(l.n, window)
	if n < 5 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(l.recent[:n]))
	return sorted[min(n-1, int(math.Ceil(float64(n)*0.95))-1)], sorted[n/2]
}

// fade returns what is left of a value after a time.
func fade(value float64, age, halves time.Duration) float64 {
	if value == 0 || age <= 0 {
		return value
	}
	return value * math.Exp2(-float64(age)/float64(halves))
}

// kindOfConnection is kindOf for errors of the connection.
func kindOfConnection(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, godown.ErrStalled):
		return "stall"
	case errors.Is(err, errSlow):
		return "slow"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "other"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return "refused"
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return "reset"
	}
	return "other"
}

// passing reports whether a failure may have passed when the mirror is asked again at once.
func passing(err error) bool {
	switch kindOf(err) {
	case "refused", "reset", "stall", "slow":
		return true
	case "status":
		s, _ := errors.AsType[*godown.BadStatus](err)
		return s.Code >= 500 && s.After <= maxWait
	case "busy":
		b, _ := errors.AsType[*godown.Busy](err)
		return b.Who != "" && b.After <= maxWait
	}
	return false
}

// maxWait is how long we wait because a mirror asks for it, when no other can be asked.
const maxWait = 5 * time.Second
