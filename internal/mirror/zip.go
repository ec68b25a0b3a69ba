package mirror

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// A transfer is the fetching of one zip.
type transfer struct {
	pool   *Pool
	ctx    context.Context // of the fetch
	req    godown.Request
	total  int64     // size of the zip; -1 if nobody said
	except []*member // not to be asked
	single *member   // only this one is asked, since a mixture turned out wrong; may be nil
	hold   bool      // no byte of it is passed on before it is verified

	mu    sync.Mutex         // guards the fields below
	gave  []*member          // who gave bytes of it
	tags  map[*member]string // the ETags that they gave
	other map[*member]bool   // who has other content under this name
}

// zip fetches a zip from mirrors that are not in except.
func (p *Pool) zip(ctx context.Context, req godown.Request, except []*member) (*godown.File, error) {
	return p.transfer(ctx, req, except, nil)
}

// transfer begins the fetching of a zip: from single if that is not nil.
func (p *Pool) transfer(ctx context.Context, req godown.Request, except []*member, single *member) (*godown.File, error) {
	t := &transfer{pool: p, ctx: ctx, req: req, except: except, single: single, tags: make(map[*member]string), other: make(map[*member]bool)}
	first, m, err := again(ctx, p, req, except, func(l lineup) (*flow, *member, error) {
		if single != nil {
			l.order, l.last = []*member{single}, nil
		}
		return t.open(l, 0, t.piece())
	})
	if err != nil {
		return nil, err
	}
	if first.Range && first.Off+first.Size == first.Total {
		first.Range = false // it is the whole
	}
	t.total, t.hold = first.Total, m.doubtful()
	t.gives(first)
	s := &stream{transfer: t, flow: first, end: t.total}
	f := &godown.File{Body: s, Size: t.total, ETag: first.ETag, Origin: m.name, Hold: t.hold}
	if first.Range && p.Split > 0 && single == nil && m.mixes() {
		f.Body = &pieces{stream: s}
	}
	f.Reject = t.reject
	return f, nil
}

// piece returns how many bytes are asked for first; 0: all.
func (t *transfer) piece() int64 {
	if t.pool.Split > 0 && t.single == nil {
		return t.pool.Split
	}
	return 0
}

// open asks those in l for n bytes from off on; 0: for all, from a mirror that knows no ranges too.
func (t *transfer) open(l lineup, off, n int64) (*flow, *member, error) {
	c := &contest[*flow]{
		pool: t.pool, req: t.req, order: l.order, last: l.last, all: t.pool.Choose == Race, agree: agreeing,
		ask:     func(ctx context.Context, m *member) (*flow, error) { return t.ask(ctx, m, off, n) },
		discard: func(f *flow) { f.Close() },
	}
	if len(t.givers()) > 0 {
		c.agree = len(l.order) + len(l.last) + 1 // it exists: whoever says otherwise lags
	}
	f, m, err := c.run(t.ctx)
	t.mu.Lock()
	for _, a := range c.missing {
		t.other[a.m] = true // there is no use in asking it for the rest
	}
	t.mu.Unlock()
	if f != nil {
		f.better = t.better(m)
	}
	return f, m, err
}

// ask asks m for n bytes from off on, in a place that was acquired.
func (t *transfer) ask(ctx context.Context, m *member, off, n int64) (*flow, error) {
	if off == 0 && (n == 0 || !m.ranges()) {
		return openFlow(ctx, m, t.req, 0, 0, "", 0)
	}
	tag := t.tag(m)
	f, err := openFlow(ctx, m, t.req, off, n, tag, 0)
	if err != nil {
		if off > 0 || ctx.Err() != nil || !t.refusesRanges(err) {
			return nil, err
		}
		// It may get ranges wrong.
		if err := m.acquire(ctx, true); err != nil {
			return nil, err
		}
		if f, err = openFlow(ctx, m, t.req, 0, 0, "", 0); err == nil {
			m.ignoresRanges()
		}
		return f, err
	}
	if !f.Range && f.Size > n {
		f.ignored(tag)
	}
	return f, nil
}

// refusesRanges reports whether an answer to a range says that ranges cannot be
// had. Of the only mirror there is also what else it may be that way: nobody
// else can be asked.
func (t *transfer) refusesRanges(err error) bool {
	if errors.Is(err, godown.ErrRange) {
		return true
	}
	alone := len(t.pool.members) == 1
	if status, ok := errors.AsType[*godown.BadStatus](err); ok {
		return status.Code == 416 || status.Code == 400 || alone && slices.Contains([]int{405, 500, 501}, status.Code)
	}
	return alone && kindOf(err) == "" // 403 and 404
}

// ignored notes that the whole was given where a range was asked for. That is
// as it should be if the content was to have a tag that it does not have.
func (f *flow) ignored(tag string) {
	if tag == "" || strings.HasPrefix(tag, "W/") || tag == f.ETag {
		f.m.ignoresRanges()
	}
}

// better returns what flow.better is for a flow from m.
func (t *transfer) better(m *member) func(int64) (time.Duration, bool) {
	if t.single != nil {
		return nil
	}
	return func(n int64) (best time.Duration, ok bool) {
		for _, o := range t.pool.rank(t.req.Path, 1<<30, t.except, 0, false).order {
			if o == m || t.isOther(o) || t.spoils(o) {
				continue
			}
			if d := o.expects(n); !ok || d < best {
				best, ok = d, true
			}
		}
		return best, ok
	}
}

// spoils reports whether m is suspected, and would have part in what others gave
// of a zip that may be passed on before it is verified.
func (t *transfer) spoils(m *member) bool {
	gave := t.givers()
	alone := len(gave) == 0 || len(gave) == 1 && gave[0] == m
	return !t.hold && !alone && m.suspected()
}

func (t *transfer) tag(m *member) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tags[m]
}

func (t *transfer) isOther(m *member) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.other[m]
}

// gives notes that bytes of f will be used.
func (t *transfer) gives(f *flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.gave, f.m) {
		t.gave = append(t.gave, f.m)
	}
	t.tags[f.m] = f.ETag
}

// fits reports whether f is of the content that the transfer began with, as far
// as its length and its own mirror's ETag tell.
func (t *transfer) fits(f *flow) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	tag, known := t.tags[f.m]
	if (f.Total == t.total || t.total < 0) && (!known || tag == "" || f.ETag == "" || tag == f.ETag) {
		if t.total < 0 {
			t.total = f.Total
		}
		return true
	}
	t.other[f.m] = true
	return false
}

// givers returns who gave bytes.
func (t *transfer) givers() []*member {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.gave)
}

// Origin returns their names, for the Body of a File.
func (t *transfer) Origin() string {
	var names []string
	for _, m := range t.givers() {
		names = append(names, m.name)
	}
	return strings.Join(names, ", ")
}

// reject is told that the zip is wrong, and gives another. A mixture is first
// replaced by what a single mirror gives: before that nobody can tell whose
// fault it is.
func (t *transfer) reject(ctx context.Context, why error) (*godown.File, error) {
	gave := t.givers()
	if len(gave) == 1 {
		gave[0].blame(t.req, why)
		_, wrong := errors.AsType[*godown.Mismatch](why)
		f, err := t.pool.instead(ctx, t.req, why, append(slices.Clone(t.except), gave[0]), t.pool.zip)
		if err == nil || wrong || t.single != nil || ctx.Err() != nil {
			return f, err
		}
		return t.pool.transfer(ctx, t.req, t.except, gave[0]) // it did not lie: once more, as a whole
	}
	if _, wrong := errors.AsType[*godown.Mismatch](why); !wrong {
		return t.pool.instead(ctx, t.req, why, append(slices.Clone(t.except), gave...), t.pool.zip)
	}
	slices.SortStableFunc(gave, func(a, b *member) int { return cmp.Compare(a.doubt(), b.doubt()) })
	for _, m := range gave[1:] {
		m.suspect()
	}
	for _, m := range gave {
		f, err := t.pool.transfer(ctx, t.req, t.except, m)
		if err == nil {
			f.Hold = true
			return f, nil
		}
	}
	return t.pool.instead(ctx, t.req, why, append(slices.Clone(t.except), gave...), t.pool.zip)
}

// doubt returns how much m is to be doubted.
func (m *member) doubt() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	doubt := m.liesAt(now)
	if now.Before(m.noMix) {
		doubt++
	}
	return doubt + m.learnt.failingNow(now)/10
}
