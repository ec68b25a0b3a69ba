package warm

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/godown-dev/godown"
)

// A Prefetcher fetches files ahead of those who will want them, some at a time,
// for each client in the order in which they were added, for several in turn;
// small files and zips do not wait for each other. What passes through a cache on the way is kept there. Whatever
// somebody waits for goes first, here and further down (see [godown.Ahead]).
type Prefetcher struct {
	Source godown.Source
	Small  int // small files at once; default 96
	Zips   int // zips at once; default 48

	working sync.WaitGroup
	mu      sync.Mutex // guards the fields below
	closed  bool
	lanes   [2]lane // of small files and of zips
}

// A task is one file to be fetched.
type task struct {
	ctx  context.Context // of whoever wants it ahead: when it ends, nothing is fetched any more
	req  godown.Request
	may  func() bool // whether it is to be fetched, asked when its turn has come; nil: yes
	done func(Outcome)
}

// An Outcome says what came of fetching one file ahead.
type Outcome struct {
	Request godown.Request
	Data    []byte // of a small file
	Size    int64
	Cached  bool // it was here before
	Err     error
}

// errNotAny is why a file is not fetched any more.
var errNotAny = errors.New("it is not to be fetched any more")

// Add queues a file. done is called, once, when it is here or has failed; also
// when ctx ends before its turn, or the Prefetcher is closed. It may call Add.
func (p *Prefetcher) Add(ctx context.Context, req godown.Request, done func(Outcome)) {
	p.add("", task{ctx: ctx, req: req, done: done})
}

// add queues a task of a client. No client with a name has more than three
// quarters of those who work, lest others wait for what hangs.
func (p *Prefetcher) add(client string, t task) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		t.done(Outcome{Request: t.req, Err: context.Canceled})
		return
	}
	l, most := p.lane(t.req.Kind)
	l.put(client, t)
	if l.workers < most {
		l.workers++
		p.working.Go(func() { p.work(l, most) })
	}
	p.mu.Unlock()
}

// lane returns that of a kind of file, and how many may work on it.
func (p *Prefetcher) lane(kind godown.Kind) (l *lane, most int) {
	if kind == godown.Zip {
		return &p.lanes[1], cmp.Or(p.Zips, 48)
	}
	return &p.lanes[0], cmp.Or(p.Small, 96)
}

// work does tasks of a lane until there are none that it may do.
func (p *Prefetcher) work(l *lane, most int) {
	for {
		p.mu.Lock()
		client, t, ok := l.take(func(client string) int {
			if client == "" {
				return most
			}
			return max(most*3/4, 1)
		})
		if !ok {
			l.workers--
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		o := Outcome{Request: t.req, Err: errNotAny}
		if t.may == nil || t.may() {
			o = p.fetch(t.ctx, t.req)
		}
		p.mu.Lock()
		l.done(client)
		p.mu.Unlock()
		t.done(o)
	}
}

// fetch fetches one file, and waits until it is here as a whole.
func (p *Prefetcher) fetch(ctx context.Context, req godown.Request) Outcome {
	o := Outcome{Request: req}
	if o.Err = ctx.Err(); o.Err != nil {
		return o
	}
	f, err := p.Source.Fetch(godown.Ahead(ctx), req)
	if err != nil {
		o.Err = err
		return o
	}
	defer f.Close()
	o.Data, o.Size, o.Cached = f.Data, f.Size, f.Cache == godown.Hit
	if body, ok := f.Body.(interface{ Wait(context.Context) error }); ok {
		o.Err = body.Wait(ctx)
	} else if f.Body != nil && f.Cache == "" {
		o.Size, o.Err = io.Copy(io.Discard, f.Body) // nobody below keeps it: reading is fetching
	}
	return o
}

// Close ends all fetching that has not begun, and waits for what has: its
// contexts should have ended.
func (p *Prefetcher) Close() {
	p.mu.Lock()
	p.closed = true
	var left []task
	for i := range p.lanes {
		left = append(left, p.lanes[i].clear()...)
	}
	p.mu.Unlock()
	for _, t := range left {
		t.done(Outcome{Request: t.req, Err: context.Canceled})
	}
	p.working.Wait()
}
