package mirror

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/godown-dev/godown"
)

// A lineup is who may be asked for something, best first.
type lineup struct {
	order []*member     // those that are well
	last  []*member     // those that are down or lied: when all else has failed
	busy  time.Duration // until the first of those that asked us to wait may be asked; 0: there are none
	who   string        // which that is
}

// lineup returns who may be asked for a file of about size bytes of the module
// at path (empty: for something of no module), and not those in except.
func (p *Pool) lineup(path string, size int64, except []*member) lineup {
	p.mu.Lock()
	turn := p.turn
	p.turn++
	p.active = time.Now()
	p.mu.Unlock()
	p.budget.earn(max(p.Hedge, 0))
	explore := size <= exploreSize && p.budget.enough()
	if !explore && p.Choose == Fastest {
		turn = 0 // nothing is explored
	}
	return p.rank(path, size, except, turn, explore)
}

// rank is lineup without its consequences, but for trials.
func (p *Pool) rank(path string, size int64, except []*member, turn uint64, try bool) lineup {
	var l lineup
	var up []candidate
	var trials []*member
	now := time.Now()
	for _, m := range p.members {
		if slices.Contains(except, m) || path != "" && !m.serves(path) {
			continue
		}
		m.mu.Lock()
		switch {
		case now.Before(m.busy):
			if wait := m.busy.Sub(now); l.busy == 0 || wait < l.busy {
				l.busy, l.who = wait, m.name
			}
		case now.Before(m.benched[path]):
			l.last = append(l.last, m)
		case m.circuit.down:
			if try && m.circuit.trial(now) {
				trials = append(trials, m)
			} else {
				l.last = append(l.last, m)
			}
		default:
			up = append(up, m.candidate(now))
		}
		m.mu.Unlock()
	}
	for _, i := range p.Choose.order(up, size, turn) {
		l.order = append(l.order, p.members[i])
	}
	// One whose places are all taken is asked when the others have failed.
	slices.SortStableFunc(l.order, func(a, b *member) int { return compareBool(a.full(size > 0), b.full(size > 0)) })
	l.order = slices.Concat(trials, l.order)
	slices.SortStableFunc(l.last, func(a, b *member) int { return cmp.Compare(a.badness(now), b.badness(now)) })
	return l
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// candidate returns m as a strategy sees it. Caller holds m.mu.
func (m *member) candidate(now time.Time) candidate {
	return candidate{
		index: m.index, weight: m.Weight, underWay: m.underWay, tried: m.learnt.tried,
		first: m.learnt.first, rate: m.learnt.rate, failing: min(1, m.learnt.failingNow(now)+m.liesAt(now)/4),
		idle: now.Sub(m.last),
	}
}

// badness orders those that are not well: the least bad first.
func (m *member) badness(now time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return 10*m.liesAt(now) + m.learnt.failingNow(now)
}

// nobody returns the error for a lineup that is empty.
func (l *lineup) nobody(req godown.Request) error {
	if l.busy > 0 {
		return &godown.Busy{Who: l.who, After: l.busy.Round(time.Millisecond), Text: fmt.Sprintf("it asked to be left alone for %v more", l.busy.Round(time.Second))}
	}
	return &godown.NotFound{Text: fmt.Sprintf("not found: no mirror is set up to serve %s", req.Path), Unasked: true}
}
