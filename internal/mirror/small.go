package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/godown-dev/godown"
)

// maxSmall returns the most bytes that a file other than a zip may have.
func maxSmall(kind godown.Kind) int64 {
	if kind == godown.Info || kind == godown.Latest {
		return 1 << 20
	}
	return 16 << 20
}

// agreeing is how many mirrors must say "not found" for it to count.
const agreeing = 2

// A reply is a small file as a mirror gave it, whole.
type reply struct {
	data []byte
	etag string
}

// readSmall asks m for a small file.
func readSmall(req godown.Request) func(context.Context, *member) (reply, error) {
	return func(ctx context.Context, m *member) (reply, error) {
		defer m.release(false)
		start := time.Now()
		f, err := m.Upstream.Fetch(ctx, req)
		if err != nil {
			return reply{}, err
		}
		defer f.Close()
		most := maxSmall(req.Kind)
		data, err := io.ReadAll(io.LimitReader(f.Reader(), most+1))
		if err != nil {
			return reply{}, fmt.Errorf("reading %v: %w", req, err)
		}
		if int64(len(data)) > most {
			return reply{}, fmt.Errorf("upstream %s: %v has more than %d bytes", m.name, req, most)
		}
		if err := m.limit.wait(ctx, len(data)); err != nil {
			return reply{}, err
		}
		m.moved(int64(len(data)), time.Since(start))
		return reply{data, f.ETag}, nil
	}
}

// small fetches a small file from any mirror that is not in except.
func (p *Pool) small(ctx context.Context, req godown.Request, except []*member) (*godown.File, error) {
	r, m, err := again(ctx, p, req, except, func(l lineup) (reply, *member, error) {
		return p.newContest(req, l, readSmall(req)).run(ctx)
	})
	if err != nil {
		return nil, err
	}
	if req.Fixed() {
		p.mu.Lock()
		p.known = req
		p.mu.Unlock()
	}
	f := godown.NewFile(r.data)
	f.ETag, f.Origin = r.etag, m.name
	f.Reject = func(ctx context.Context, why error) (*godown.File, error) {
		m.blame(req, why)
		return p.instead(ctx, req, why, append(slices.Clone(except), m), p.small)
	}
	return f, nil
}

// newContest returns a contest of those in l for a small file.
func (p *Pool) newContest(req godown.Request, l lineup, ask func(context.Context, *member) (reply, error)) *contest[reply] {
	return &contest[reply]{
		pool: p, req: req, order: l.order, last: l.last,
		all: p.Choose == Race, agree: agreeing, ask: ask, discard: func(reply) {},
	}
}

// blame notes that what m gave was rejected.
func (m *member) blame(req godown.Request, why error) {
	if _, ok := errors.AsType[*godown.Mismatch](why); ok {
		m.lie(req, why)
	}
}

// instead fetches what the mirrors in except have given wrong from another, or
// returns why if there is none that has it.
func (p *Pool) instead(ctx context.Context, req godown.Request, why error, except []*member, fetch func(context.Context, godown.Request, []*member) (*godown.File, error)) (*godown.File, error) {
	if l := p.rank(req.Path, 0, except, 0, false); len(l.order)+len(l.last) == 0 {
		return nil, why
	}
	f, err := fetch(ctx, req, except)
	if err != nil {
		return nil, fmt.Errorf("%w; and another mirror does not give it: %v", why, err)
	}
	return f, nil
}

// again runs try with those who may be asked, and again while all fail in ways that may pass.
func again[T any](ctx context.Context, p *Pool, req godown.Request, except []*member, try func(lineup) (T, *member, error)) (value T, m *member, err error) {
	size := int64(0)
	if req.Kind == godown.Zip {
		size = 1 << 20
	}
	start := time.Now()
	for round := 0; ; round++ {
		l := p.lineup(req.Path, size, except)
		if len(l.order)+len(l.last) == 0 {
			err = l.nobody(req)
		} else if value, m, err = try(l); err == nil {
			return value, m, nil
		}
		doubt, doubted := errors.AsType[*unsure](err)
		after, asked := asksToWait(err)
		if doubted && (round >= p.Retries || time.Since(start)+after > maxDoubt) {
			return value, nil, doubt.absent
		}
		if round >= p.Retries || ctx.Err() != nil || !passing(err) {
			return value, nil, err
		}
		if asked && sleep(ctx, min(after, maxWait)) != nil {
			return value, nil, err
		}
		if pauseAgain(ctx, round) != nil {
			return value, nil, err
		}
	}
}

// maxDoubt is how long it may take to find out that something does not exist,
// where a mirror that might have it asks us to wait: negative answers are many.
const maxDoubt = 3 * time.Second

// pauseAgain waits before the next try, with jitter so that those who failed
// together do not come back together.
func pauseAgain(ctx context.Context, round int) error {
	step := 100 * time.Millisecond << min(round, 6)
	return sleep(ctx, step/2+rand.N(step))
}
