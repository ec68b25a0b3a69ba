package mirror

import (
	"fmt"
	"maps"
	"time"

	"github.com/godown-dev/godown"
)

// Status tells how the mirrors are, in the order of the configuration. Group is left to the caller.
func (p *Pool) Status() []godown.MirrorStatus {
	l := p.rank("", 0, nil, 0, false)
	ranks := make(map[*member]int)
	for i, m := range append(l.order, l.last...) {
		ranks[m] = i + 1
	}
	list := make([]godown.MirrorStatus, len(p.members))
	for i, m := range p.members {
		list[i] = m.status(ranks[m], p.Choose, len(p.members))
	}
	return list
}

func (m *member) status(rank int, choose Strategy, of int) godown.MirrorStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	p95, _ := m.learnt.percentiles()
	s := godown.MirrorStatus{
		Name: m.name, State: stateUp, Since: m.circuit.since, Rank: rank,
		FirstByteMS: float64(m.learnt.first.Microseconds()) / 1000, P95MS: float64(p95.Microseconds()) / 1000,
		BytesPerSec: m.learnt.rate, FailureRate: m.learnt.failingNow(now),
		UnderWay: m.underWay, Requests: m.counts.requests, Failures: maps.Clone(m.counts.failures), Bytes: m.counts.bytes,
		Resumes: m.counts.resumes, HedgesWon: m.counts.hedgesWon, HedgesLost: m.counts.hedgesLost,
		LastError: m.counts.lastError, LastFailed: m.counts.lastFailed,
	}
	for _, until := range m.benched {
		if now.Before(until) {
			s.Benched++
		}
	}
	switch {
	case now.Before(m.busy):
		s.State, s.Since = stateBusy, m.busied
		s.Reason = fmt.Sprintf("it asked to be left alone for %v more", m.busy.Sub(now).Round(time.Second))
	case m.circuit.down:
		s.State = stateDown
		s.Reason = fmt.Sprintf("%d failures in a row; next trial in %v", m.circuit.fails, max(0, m.circuit.until.Sub(now)).Round(100*time.Millisecond))
		if m.liesAt(now) > 0.5 {
			s.Reason = "it gave wrong files; " + s.Reason
		}
	case of == 1:
		s.Reason = "the only one"
	case choose == Fastest && !m.learnt.tried:
		s.Reason = "not known yet: it will be tried next"
	case choose == Fastest:
		c := m.candidate(now)
		s.Reason = fmt.Sprintf("number %d of %d by expected time: %v for a small file", rank, of, c.cost(1).Round(time.Millisecond))
		if c.rate > 0 {
			s.Reason += fmt.Sprintf(", %v for 10 MB", c.cost(10_000_000).Round(10*time.Millisecond))
		}
	default:
		s.Reason = choose.String()
	}
	if now.Before(m.noMix) {
		s.Reason += fmt.Sprintf("; for %v it gives no pieces, since a zip that was partly its was wrong", m.noMix.Sub(now).Round(time.Second))
	}
	return s
}
