package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

// A member is a mirror of a pool, with what was learnt of it.
type member struct {
	Mirror
	index   int
	name    string
	options *Options
	small   *godown.Places // one for each request for a small file under way
	bulk    *godown.Places // one for each request for a zip or a piece of it; where connections are limited, the same as small
	limit   *limiter       // nil: no limit

	mu       sync.Mutex // guards the fields below
	circuit  circuit
	learnt   learnt
	busy     time.Time            // it asked us to wait until then
	busied   time.Time            // when it did; zero: it has answered since
	noRanges time.Time            // until then it is not asked for ranges, as it gets them wrong
	benched  map[string]time.Time // module paths that it gave wrong files of, and until when it is not asked for them
	lies     float64              // wrong files of late
	lied     time.Time            // when lies was last reckoned
	noMix    time.Time            // until then nothing of it is mixed with what others give
	sumdb    map[string]sumState  // by name of the database
	underWay int
	width    width     // of bulk, where connections are not limited
	first    time.Time // it was first asked
	last     time.Time // and last
	counts   counts
}

// counts are for people and metrics.
type counts struct {
	requests, bytes       int64
	resumes               int64
	failures              map[string]int64
	hedgesWon, hedgesLost int64
	lastError             string
	lastFailed            time.Time
}

const (
	// benchTime is how long a mirror that lied is not asked for that module.
	benchTime = 10 * time.Minute
	// liesHalve is the time in which the memory of lies fades by half.
	liesHalve = 10 * time.Minute
	// maxBenched bounds the memory of benched modules.
	maxBenched = 1000
)

func newMember(m Mirror, index int, o *Options) *member {
	m.Weight = max(m.Weight, 1)
	m.Upstream.Retries = -1 // the pool retries, and continues what breaks off
	m.Upstream.Stall = o.Stall
	x := &member{Mirror: m, index: index, name: cmp.Or(m.Name, m.Upstream.Name()), options: o, benched: make(map[string]time.Time), sumdb: make(map[string]sumState)}
	x.counts.failures = make(map[string]int64)
	x.circuit.since = time.Now()
	if n := m.Connections; n > 0 {
		x.small = godown.NewPlaces(n, n/8)
		x.bulk = x.small
	} else {
		x.width = newWidth(o.Connections, x.circuit.since)
		x.small = godown.NewPlaces(maxSmallRequests, maxSmallRequests/8)
		x.bulk = godown.NewPlaces(x.width.n, x.width.n/8)
	}
	if m.Bandwidth > 0 {
		x.limit = &limiter{perSecond: float64(m.Bandwidth)}
	}
	return x
}

// serves reports whether m may be asked for a module at all.
func (m *member) serves(path string) bool {
	return (m.Only == "" || module.MatchPrefixPatterns(m.Only, path)) && !module.MatchPrefixPatterns(m.Never, path)
}

// maxSmallRequests is how many small files are asked of one mirror at once, where
// no limit is set: as many as HTTP/2 servers allow on one connection, and most
// others do.
const maxSmallRequests = 64

// places returns those for requests for a zip, or for small files.
func (m *member) places(bulk bool) *godown.Places {
	if bulk {
		return m.bulk
	}
	return m.small
}

// acquire takes a place for a request, waiting for one if it must.
func (m *member) acquire(ctx context.Context, bulk bool) error {
	places := m.places(bulk)
	if err := places.Take(ctx, 0); err != nil {
		size, _, _ := places.State()
		return fmt.Errorf("upstream %s: all of its %d connections are in use: %w", m.name, size, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.underWay++
	m.counts.requests++
	m.last = time.Now()
	if m.first.IsZero() {
		m.first = m.last
	}
	return nil
}

func (m *member) release(bulk bool) {
	m.mu.Lock()
	m.underWay--
	m.mu.Unlock()
	m.places(bulk).Leave()
}

// full reports whether a request would have to wait for a place.
func (m *member) full(bulk bool) bool {
	size, taken, _ := m.places(bulk).State()
	return taken >= size
}

// answered notes that m answered a request after d.
func (m *member) answered(d time.Duration) {
	m.mu.Lock()
	m.learnt.answered(d)
	now := time.Now()
	from, change := stateDown, m.circuit.success(now, m.options)
	if !m.busied.IsZero() && now.After(m.busy) {
		m.busied = time.Time{}
		if change == "" && !m.circuit.down {
			from, change = stateBusy, stateUp
		}
	}
	m.mu.Unlock()
	m.tell(from, change, "it answers again")
}

// moved notes that m gave n bytes of a body in d.
func (m *member) moved(n int64, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.bytes += n
	m.learnt.moved(n, d)
}

// flowed notes that n bytes of a zip have just come, and opens more connections
// where that pays.
func (m *member) flowed(n int) {
	if m.bulk == m.small {
		return
	}
	_, _, waiting := m.bulk.State()
	m.mu.Lock()
	changed := m.width.flowed(n, waiting > 0, m.learnt.first, time.Now())
	size := m.width.n
	m.mu.Unlock()
	if changed {
		m.bulk.Resize(size, size/8)
	}
}

// failed notes an error of a request to m. Absence and refusal are answers.
func (m *member) failed(err error, took time.Duration) {
	kind := kindOf(err)
	switch kind {
	case "":
		m.answered(took)
		return
	case "canceled":
		return
	}
	now := time.Now()
	m.mu.Lock()
	m.note(kind, err, now)
	after, asked := asksToWait(err)
	change := ""
	if asked {
		if m.busied.IsZero() {
			m.busied, change = now, stateBusy
		}
		m.busy = now.Add(after)
	}
	if kind != "busy" {
		m.learnt.failed(1)
		if down := m.circuit.failure(now, m.options); down != "" {
			change = down
		}
	}
	narrower := m.bulk != m.small && m.width.failed(now)
	size := m.width.n
	m.mu.Unlock()
	if narrower {
		m.bulk.Resize(size, size/8)
	}
	m.tell(stateUp, change, err.Error())
}

// note counts a failure. Caller holds m.mu.
func (m *member) note(kind string, err error, now time.Time) {
	m.counts.failures[kind]++
	m.counts.lastError, m.counts.lastFailed = err.Error(), now
}

// late notes that another mirror had answered before m did, which was asked
// earlier. From one that is overdue, or never gave anything since it was first
// asked, no answer is expected any more.
func (m *member) late(took time.Duration) {
	_, overdue := m.patience()
	now := time.Now()
	err := fmt.Errorf("no answer within %v, and another mirror was faster", took.Round(time.Millisecond))
	m.mu.Lock()
	change := ""
	switch unheard := m.learnt.n == 0; {
	case took >= overdue || unheard && now.Sub(m.first) >= coldTime:
		m.note("timeout", err, now)
		m.learnt.failed(1)
		change = m.circuit.failure(now, m.options)
	case unheard:
		m.note("slow", err, now)
		m.learnt.failed(0.5)
		m.learnt.first = max(m.learnt.first, took) // it takes no less
	default:
		m.note("slow", err, now)
		m.learnt.failed(0.5)
		m.learnt.answered(took)
	}
	m.mu.Unlock()
	m.tell(stateUp, change, err.Error())
}

// slow notes that a body was given up because another mirror is much faster.
func (m *member) slow(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.learnt.failed(0.5)
	m.note("slow", err, time.Now())
}

// patience returns after which time without an answer another mirror may be
// asked besides, and after which it must be, as something is wrong with m. The
// first is m's own 95th percentile; but where one answer in ten is late, that is
// late itself, and a few times the median tells better.
func (m *member) patience() (late, overdue time.Duration) {
	m.mu.Lock()
	p95, median := m.learnt.percentiles()
	m.mu.Unlock()
	if p95 == 0 {
		return min(firstPatience, m.options.Stall), min(4*firstPatience, m.options.Stall)
	}
	late = max(min(p95, 4*median), leastPatience)
	return min(late, m.options.Stall), min(max(10*median, time.Second), m.options.Stall)
}

const (
	firstPatience = 300 * time.Millisecond // with a mirror of which little is known
	leastPatience = 10 * time.Millisecond  // with any
	coldTime      = time.Second            // in which one that was never asked before may be late: it connects first
)

// hedged notes how a second request to m ended.
func (m *member) hedged(won bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if won {
		m.counts.hedgesWon++
	} else {
		m.counts.hedgesLost++
	}
}

// resumed notes that m went on with a body that had broken off.
func (m *member) resumed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.resumes++
}

// lagged notes that m said "not found" of what another mirror has.
func (m *member) lagged(req godown.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.learnt.failed(1)
	m.note("lag", fmt.Errorf("it does not have %v, which another mirror has", req), time.Now())
}

// lie notes that m gave a wrong file.
func (m *member) lie(req godown.Request, why error) {
	now := time.Now()
	m.mu.Lock()
	m.note("lie", why, now)
	m.learnt.failed(1)
	m.lies, m.lied = m.liesAt(now)+1, now
	if len(m.benched) >= maxBenched {
		for path, until := range m.benched {
			if len(m.benched) >= maxBenched/2 || now.After(until) {
				delete(m.benched, path)
			}
		}
	}
	m.benched[req.Path] = now.Add(benchTime)
	change := ""
	if m.lies > float64(m.options.Fall)-0.5 {
		change = m.circuit.open(now, time.Minute)
	}
	m.mu.Unlock()
	m.options.Changed(Change{Mirror: m.name, From: "up", To: "lied", Why: fmt.Sprintf("it is not asked for %s for %v: %v", req.Path, benchTime, why)})
	m.tell(stateUp, change, "it gave several wrong files")
}

// liesAt returns how much of m's lies is remembered. Caller holds m.mu.
func (m *member) liesAt(now time.Time) float64 { return fade(m.lies, now.Sub(m.lied), liesHalve) }

// doubtful reports whether m gave wrong files of late.
func (m *member) doubtful() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.liesAt(time.Now()) > 0.5
}

// suspect keeps what m gives from being mixed with what others give.
func (m *member) suspect() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noMix = time.Now().Add(benchTime)
}

// down reports whether m is down.
func (m *member) down() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.circuit.down
}

// tell tells of a change of state, if there is one.
func (m *member) tell(from, to, why string) {
	if to != "" {
		m.options.Changed(Change{Mirror: m.name, From: from, To: to, Why: why})
	}
}

// kindOf returns which of godown.FailureKinds err is; "" if it is an answer
// that means something, "canceled" if it is our own doing.
func kindOf(err error) string {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNoSum) {
		return ""
	}
	if _, ok := errors.AsType[*godown.Denied](err); ok {
		return ""
	}
	if _, ok := errors.AsType[*godown.Busy](err); ok {
		return "busy"
	}
	if _, ok := errors.AsType[*godown.BadStatus](err); ok {
		return "status"
	}
	return kindOfConnection(err)
}

// asksToWait returns for how long the mirror wants not to be asked.
func asksToWait(err error) (time.Duration, bool) {
	if b, ok := errors.AsType[*godown.Busy](err); ok {
		return min(max(b.After, time.Second), maxBusy), true
	}
	if s, ok := errors.AsType[*godown.BadStatus](err); ok && s.After > 0 {
		return min(s.After, maxBusy), true
	}
	return 0, false
}

// maxBusy is the longest that a mirror is left alone because it asks for it.
const maxBusy = 10 * time.Minute
