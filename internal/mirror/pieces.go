package mirror

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

const (
	// leastPiece is the least that is asked for as a piece of its own.
	leastPiece = 256 << 10
	// mostPiece is the most: pieces are wanted in their order, by those who wait for the first.
	mostPiece = 8 << 20
	// stealTime is what must be gained by taking over a part of another's piece: what
	// is on its way of that part already is lost.
	stealTime = 300 * time.Millisecond
	// pieceTime is how long a piece should take, and pieceWaits how many times
	// as long as the wait for its first byte: the longer of the two. Pieces that take
	// longer have others take over parts of them.
	pieceTime  = 400 * time.Millisecond
	pieceWaits = 4
)

// pieces is a big zip, which can arrive in several pieces at once.
type pieces struct{ *stream }

// A piece is a stretch of the zip that somebody fetches.
type piece struct {
	off, end int64 // what is still to come; end shrinks when another takes a part of it over
	m        *member
	begun    time.Time
	from     int64 // where it began
}

// A plan says who fetches what. It deals out pieces in the order of the file;
// when none is left, it halves those that take longest.
type plan struct {
	mu     sync.Mutex // guards the fields below
	share  int64      // what a piece may have while there is a connection for each
	next   int64      // what lies behind has not been dealt out
	total  int64
	back   []*piece // given back by those who failed
	active []*piece
	rates  []float64 // bytes per second of the pieces that were done last
	err    error     // what last went wrong

	waiting context.Context // of those who wait for a connection, until there is nothing left to deal out
	over    context.CancelFunc
}

// Scatter writes the zip to w, from several mirrors and connections at once.
func (s *pieces) Scatter(w io.WriterAt) error {
	lead := s.flow
	s.flow = nil
	p := &plan{total: s.total, next: lead.Size}
	p.waiting, p.over = context.WithCancel(s.ctx)
	defer p.over()
	first := &piece{end: lead.Size, m: lead.m, begun: lead.start}
	p.active = append(p.active, first)

	var working sync.WaitGroup
	helpers := s.helpers(lead.m)
	p.share = (s.total-lead.Size)/int64(len(helpers)+1) + 1
	working.Go(func() {
		if s.fetch(w, p, lead, first) {
			s.work(w, p, lead.m)
		}
	})
	for _, m := range helpers {
		working.Go(func() { s.work(w, p, m) })
	}
	working.Wait()
	if e, ok := errors.AsType[*writeError](p.err); ok {
		return e.err
	}
	return s.fillGaps(w, p)
}

// helpers returns who fetches pieces besides the lead: each mirror that may, as
// often as it has connections for one file; but no more than there are pieces.
func (s *pieces) helpers(lead *member) []*member {
	most := int(s.total/leastPiece) - 1
	order := s.pool.rank(s.req.Path, s.total, s.except, 0, false).order
	var list []*member
	for i := range s.pool.Streams {
		for _, m := range order {
			if m == lead && i == 0 || len(list) >= most || !m.mixes() || m.Connections > 0 && i >= m.Connections {
				continue
			}
			list = append(list, m)
		}
	}
	return list
}

// work fetches pieces from m until none is left, or m has failed.
func (s *pieces) work(w io.WriterAt, p *plan, m *member) {
	for {
		if m.acquire(p.waiting, true) != nil {
			return
		}
		pc := p.take(m)
		if pc == nil {
			m.release(true)
			return
		}
		start, tag := time.Now(), s.tag(m)
		var patience time.Duration
		if better := s.better(m); better != nil {
			if _, ok := better(0); ok { // else nobody is there to take it over
				_, patience = m.patience()
			}
		}
		f, err := openFlow(s.ctx, m, s.req, pc.off, p.left(pc), tag, patience)
		if err != nil {
			if s.ctx.Err() == nil {
				m.failed(err, time.Since(start))
			}
			p.giveBack(pc, err)
			return
		}
		m.answered(time.Since(start))
		if !s.fits(f) || !f.Range {
			if !f.Range {
				f.ignored(tag)
			}
			f.Close()
			p.giveBack(pc, errors.New("upstream "+m.name+" has other content under this name"))
			return
		}
		s.gives(f)
		if !s.fetch(w, p, f, pc) {
			return
		}
	}
}

// fetch writes what f gives of a piece, and closes f. It reports whether all went well.
func (s *pieces) fetch(w io.WriterAt, p *plan, f *flow, pc *piece) bool {
	defer f.Close()
	if better := s.better(f.m); better != nil {
		f.better = func(n int64) (time.Duration, bool) {
			d, ok := better(n)
			if rate := p.usual(pc); ok && rate > 0 {
				// Connections share what a mirror, or the line, gives: the others tell what can be had.
				d = time.Duration(float64(n) / rate * float64(time.Second))
			}
			return d, ok
		}
	}
	buf := pieceBuffers.Get().(*[64 << 10]byte)
	defer pieceBuffers.Put(buf)
	for {
		want := p.left(pc)
		if want <= 0 {
			p.done(pc)
			return true
		}
		n, err := f.Read(buf[:min(want, int64(len(buf)))])
		if n > 0 {
			if _, err := w.WriteAt(buf[:n], f.at-int64(n)); err != nil {
				p.giveBack(pc, &writeError{err})
				return false
			}
			p.got(pc, n)
		}
		if err != nil && p.left(pc) > 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			if s.ctx.Err() == nil {
				f.broken(err)
			}
			p.giveBack(pc, err)
			return false
		}
	}
}

// pieceBuffers are for one piece each.
var pieceBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// fillGaps fetches what the workers have left, one piece after the other.
func (s *pieces) fillGaps(w io.WriterAt, p *plan) error {
	if p.next < p.total {
		p.back = append(p.back, &piece{off: p.next, end: p.total})
	}
	buf := make([]byte, 64<<10)
	for _, pc := range p.back {
		rest := &stream{transfer: s.transfer, off: pc.off, end: pc.end}
		for rest.off < rest.end {
			n, err := rest.Read(buf)
			if err != nil {
				rest.Close()
				return err
			}
			if _, err := w.WriteAt(buf[:n], rest.off-int64(n)); err != nil {
				rest.Close()
				return err
			}
		}
		rest.Close()
	}
	return nil
}

// A writeError is a failure of who takes the bytes.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// take deals out a piece to m; nil if there is none worth it.
func (p *plan) take(m *member) *piece {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := errors.AsType[*writeError](p.err); ok {
		return nil
	}
	now := time.Now()
	rate, wait := m.speed()
	var pc *piece
	switch {
	case len(p.back) > 0:
		pc, p.back = p.back[0], p.back[1:]
		pc.m, pc.begun, pc.from = m, now, pc.off
	case p.next < p.total:
		least := int64(leastPiece)
		if m.Facts.Redirects {
			least *= 8
		}
		size := min(int64(rate*max(pieceTime, pieceWaits*wait).Seconds()), mostPiece)
		if _, _, waiting := m.bulk.State(); waiting == 0 {
			size = min(size, p.share)
		}
		size = max(size, least)
		end := min(p.next+size, p.total)
		if p.total-end < leastPiece {
			end = p.total
		}
		pc = &piece{off: p.next, end: end, m: m, begun: now, from: p.next}
		p.next = end
	default:
		if pc = p.steal(rate, wait, now); pc == nil {
			return nil
		}
		pc.m, pc.begun = m, now
	}
	p.active = append(p.active, pc)
	return pc
}

// steal takes over a part of the piece that will take longest, in proportion to
// the speeds; nil if nothing is gained by that. Caller holds p.mu.
func (p *plan) steal(rate float64, wait time.Duration, now time.Time) *piece {
	var victim *piece
	var longest time.Duration
	for _, a := range p.active {
		if d := a.remaining(now); a.end-a.off > leastPiece && d > longest {
			victim, longest = a, d
		}
	}
	if victim == nil || longest < 2*wait+stealTime {
		return nil
	}
	left := victim.end - victim.off
	theirs := victim.rate(now)
	share := int64(float64(left) * rate / (rate + theirs))
	share = min(max(share, leastPiece/2), left-leastPiece/4)
	pc := &piece{off: victim.end - share, end: victim.end, from: victim.end - share}
	victim.end -= share
	return pc
}

// rate returns the bytes per second that a piece arrives with: what is usual
// for its mirror, until it is clear what this connection gives.
func (pc *piece) rate(now time.Time) float64 {
	usual, wait := pc.m.speed()
	if took := now.Sub(pc.begun) - 2*wait; took > settleTime {
		return float64(pc.off-pc.from+1) / took.Seconds()
	}
	return usual
}

// settleTime is how long a piece must have arrived before its rate is told from that.
const settleTime = 500 * time.Millisecond

// recentRates is how many pieces that are done tell what is usual.
const recentRates = 8

// usual returns the bytes per second that a quarter of the pieces other than pc
// arrive with, or more, or 0 if that is not known.
func (p *plan) usual(pc *piece) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	rates := slices.Clone(p.rates)
	now := time.Now()
	for _, a := range p.active {
		if took := now.Sub(a.begun); a != pc && took > settleTime {
			rates = append(rates, float64(a.off-a.from)/took.Seconds())
		}
	}
	if len(rates) == 0 {
		return 0
	}
	slices.Sort(rates)
	return rates[len(rates)*3/4]
}

// remaining returns the time that the rest of a piece will take.
func (pc *piece) remaining(now time.Time) time.Duration {
	return time.Duration(float64(pc.end-pc.off) / pc.rate(now) * float64(time.Second))
}

func (p *plan) left(pc *piece) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pc.end - pc.off
}

func (p *plan) got(pc *piece, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pc.off += int64(n)
}

func (p *plan) done(pc *piece) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(pc)
	took := max(time.Since(pc.begun), time.Millisecond)
	p.rates = append(p.rates, float64(pc.off-pc.from)/took.Seconds())
	p.rates = p.rates[max(0, len(p.rates)-recentRates):]
	if len(p.active) == 0 && len(p.back) == 0 && p.next >= p.total {
		p.over()
	}
}

// remove takes pc off the list of those that are fetched. Caller holds p.mu.
func (p *plan) remove(pc *piece) {
	p.active = slices.DeleteFunc(p.active, func(a *piece) bool { return a == pc })
}

// giveBack returns a piece that could not be fetched whole.
func (p *plan) giveBack(pc *piece, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(pc)
	p.back = append(p.back, pc)
	if _, ok := errors.AsType[*writeError](p.err); !ok {
		p.err = err
	}
}

// speed returns what is expected of a connection to m.
func (m *member) speed() (rate float64, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.learnt.rate == 0 {
		return unknownRate, m.learnt.first
	}
	return m.learnt.rate, m.learnt.first
}

var _ godown.Scatterer = (*pieces)(nil)
