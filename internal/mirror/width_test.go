package mirror

import (
	"testing"
	"time"
)

// line simulates a line on which so many connections are used: it gives each
// its rate, but all together no more than it carries.
func (w *width) line(now time.Time, each, carries float64, windows int) time.Time {
	for range windows {
		rate := min(float64(w.n)*each, carries)
		for range 10 {
			now = now.Add(20 * time.Millisecond)
			w.flowed(int(rate*0.02), true, 10*time.Millisecond, now)
		}
	}
	return now
}

func TestWidth(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	t.Run("thin connections fill a wide line", func(t *testing.T) {
		w := newWidth(64, start)
		w.line(start, 2e6, 1e9, 20)
		if w.n != 64 {
			t.Errorf("%d connections are used", w.n)
		}
	})
	t.Run("the line is full", func(t *testing.T) {
		w := newWidth(64, start)
		now := w.line(start, 2e6, 50e6, 20)
		if w.n != 32 {
			t.Errorf("with 32 it is nearly full, and %d are used", w.n)
		}
		// It is tried again, and given up again.
		most := 0
		for range 200 {
			now = w.line(now, 2e6, 50e6, 1)
			most = max(most, w.n)
		}
		if most != 64 {
			t.Errorf("at most %d were tried later", most)
		}
	})
	t.Run("it becomes wider", func(t *testing.T) {
		w := newWidth(64, start)
		now := w.line(start, 2e6, 20e6, 20)
		if w.n > 16 {
			t.Errorf("%d connections are used where 10 fill the line", w.n)
		}
		w.line(now.Add(widthRest), 2e6, 1e9, 40)
		if w.n != 64 {
			t.Errorf("%d connections are used when it is wider", w.n)
		}
	})
	t.Run("nobody wants more", func(t *testing.T) {
		w := newWidth(64, start)
		now := start
		for range 1000 {
			now = now.Add(20 * time.Millisecond)
			w.flowed(1e6, false, 10*time.Millisecond, now)
		}
		if w.n != firstWidth {
			t.Errorf("%d connections are used", w.n)
		}
	})
	t.Run("failures", func(t *testing.T) {
		w := newWidth(64, start)
		now := w.line(start, 2e6, 1e9, 20)
		for range 5 {
			w.failed(now)
		}
		if w.n != firstWidth {
			t.Errorf("after failures %d connections are used", w.n)
		}
		now = w.line(now, 2e6, 1e9, 5)
		if w.n != firstWidth {
			t.Errorf("soon after failures %d connections are used", w.n)
		}
		w.line(now.Add(widthRest), 2e6, 1e9, 20)
		if w.n != 64 {
			t.Errorf("long after failures %d connections are used", w.n)
		}
	})
	t.Run("few are allowed", func(t *testing.T) {
		w := newWidth(3, start)
		now := w.line(start, 2e6, 1e9, 20)
		if w.failed(now); w.n != 3 {
			t.Errorf("%d connections are used", w.n)
		}
	})
}
