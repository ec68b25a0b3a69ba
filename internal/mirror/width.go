package mirror

import "time"

// A width is how many connections to a mirror are used for zips at once. Over a
// long or lossy line one connection fills only a part of it; how many fill all is
// found out: as long as twice as many bring clearly more bytes, twice as many are
// used. It does not tell what limits the line, only that more would be of no use.
type width struct {
	n    int // connections
	most int

	settle time.Time // until then new connections may not give anything yet
	begun  time.Time // of the window that is measured
	bytes  int64     // that came in it
	idle   bool      // nobody waited for a connection at some time in it
	before float64   // bytes per second with half as many; 0: not known
	rest   time.Time // until then it stays as it is
}

const (
	firstWidth = 16                     // connections to begin with
	leastTime  = 200 * time.Millisecond // that is measured
	// settleFirsts is after how many times the usual wait for an answer a new
	// connection gives all that it can.
	settleFirsts = 4
	widthPays    = 1.2              // with twice as many connections, so many times the bytes must come
	widthRest    = 15 * time.Second // after which it is tried again whether more pays
)

func newWidth(most int, now time.Time) width {
	return width{n: min(firstWidth, most), most: most, begun: now}
}

// flowed notes n bytes. wanted says that somebody waits for a connection; first
// is the usual time to an answer. It reports whether w.n has changed.
func (w *width) flowed(n int, wanted bool, first time.Duration, now time.Time) bool {
	if now.Before(w.settle) {
		w.begun, w.bytes, w.idle = now, 0, false
		return false
	}
	w.bytes += int64(n)
	w.idle = w.idle || !wanted
	took := now.Sub(w.begun)
	if took < max(leastTime, 2*first) {
		return false
	}
	rate, idle := float64(w.bytes)/took.Seconds(), w.idle
	w.begun, w.bytes, w.idle = now, 0, false
	if took > 10*max(leastTime, 2*first) {
		idle = true // there was a pause in it
	}
	switch {
	case now.Before(w.rest):
		return false
	case idle:
		w.before = 0
		return false
	case w.before > 0 && rate < widthPays*w.before:
		// That was no use.
		w.n, w.before, w.rest = max(w.n/2, 1), 0, now.Add(widthRest)
		return true
	case w.n >= w.most:
		w.before = 0
		return false
	}
	w.before = rate
	w.n = min(2*w.n, w.most)
	w.settle = now.Add(max(leastTime, settleFirsts*first))
	return true
}

// failed notes that a request failed, perhaps because there are too many. It
// reports whether w.n has changed.
func (w *width) failed(now time.Time) bool {
	w.before, w.rest = 0, now.Add(widthRest)
	if w.n <= min(firstWidth, w.most) {
		return false
	}
	w.n = max(w.n/2, min(firstWidth, w.most))
	return true
}
