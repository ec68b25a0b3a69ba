package gauge

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// biggest returns the module whose zip arrived whole and is the largest.
func (m *meter) biggest() (mod Module, z zipped, ok bool) {
	for _, candidate := range m.plan.Modules {
		if one, have := m.zips[candidate]; have && len(one.bytes) >= len(z.bytes) {
			mod, z, ok = candidate, one, true
		}
	}
	return mod, z, ok
}

// ranges asks for a piece out of a zip that is at hand, and compares.
func (m *meter) ranges(ctx context.Context) {
	mod, z, ok := m.biggest()
	if !ok || len(z.bytes) < 4 {
		return
	}
	from := int64(len(z.bytes) / 2)
	n := min(int64(len(z.bytes))-from, 4<<10)
	e := m.ask(ctx, m.client, File{Name: "range", Module: mod.String()}, probe.Ask{URL: m.at(name(godown.Zip, mod)), From: from, Size: n, Keep: true, Limit: n + 1}, true)
	switch {
	case e == nil:
	case e.Status == http.StatusPartialContent && e.OK() && e.ContentRange == contentRange(from, n, int64(len(z.bytes))) && bytes.Equal(e.Body, z.bytes[from:from+n]):
		m.result.Range = Yes
	case e.Status == http.StatusPartialContent:
		m.result.Range = Bad
		m.spoil("it is another range than was asked for")
	case e.Status != 0:
		m.result.Range = No
	}
}

// several measures the throughput of some connections at a time: of ranges of the
// largest zip where the mirror takes ranges, else of all zips at once.
func (m *meter) several(ctx context.Context) {
	mod, z, ok := m.biggest()
	if !ok || len(z.bytes) < leastBulk {
		return
	}
	var asks []probe.Ask
	if m.result.Range == Yes {
		piece := int64(len(z.bytes)+lanes-1) / lanes
		for i := range int64(lanes) {
			asks = append(asks, probe.Ask{URL: m.at(name(godown.Zip, mod)), From: i * piece, Size: min(piece, int64(len(z.bytes))-i*piece), Limit: piece + 1})
		}
	} else {
		for other, have := range m.zips {
			if len(have.bytes) >= leastBulk {
				asks = append(asks, probe.Ask{URL: m.at(name(godown.Zip, other)), Limit: int64(len(have.bytes)) + 1})
			}
		}
	}
	for i := range asks {
		if !m.mayAsk(ctx) {
			asks = asks[:i]
			break
		}
	}
	if len(asks) < 2 {
		return
	}
	step, cancel := context.WithTimeout(ctx, min(laneTime, MaxTime-m.spent))
	defer cancel()
	var all sync.WaitGroup
	exchanges := make([]probe.Exchange, len(asks))
	began := make([]time.Duration, len(asks))
	start := time.Now()
	for i, ask := range asks {
		all.Go(func() {
			began[i] = time.Since(start)
			exchanges[i] = m.apart.Get(step, ask)
		})
	}
	all.Wait()
	whole := time.Since(start)
	var n int64
	var busy []stretch
	for i, e := range exchanges {
		e.Total = 0 // of all together it is taken below
		m.took(&e)
		m.result.Requests++
		slow := !e.OK() && e.Failure.Kind == probe.Timeout && e.Bytes > 0
		if !e.OK() && e.Failure.Kind != probe.Canceled && !slow {
			m.result.Failures++
		}
		if e.OK() || slow {
			n += e.Bytes
			busy = append(busy, stretch{began[i] + e.Header, began[i] + exchanges[i].Total})
		}
	}
	m.mu.Lock()
	m.spent += whole
	m.mu.Unlock()
	if n >= leastBulk && ctx.Err() == nil {
		m.result.Several, m.result.Lanes = rate(n, together(busy)), len(asks)
	}
}

// A stretch of time, from and to since some start.
type stretch struct{ from, to time.Duration }

// together returns for how long at least one of the stretches lasted: connections
// are made at different speeds, and that is no throughput.
func together(all []stretch) time.Duration {
	slices.SortFunc(all, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
	var sum, end time.Duration
	for _, s := range all {
		if from := max(s.from, end); s.to > from {
			sum += s.to - from
			end = s.to
		}
	}
	return sum
}
