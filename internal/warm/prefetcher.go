package warm

import (
	"context"
	"io"
	"sync"

	"github.com/godown-dev/godown"
)

// A Prefetcher fetches files ahead of those who will want them, some at a time,
// in the order in which they were added; small files and zips do not wait for
// each other. What passes through a cache on the way is kept there. Whatever
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

// A lane is a queue with those who work on it.
type lane struct {
	tasks   []task
	running int
}

// A task is one file to be fetched.
type task struct {
	ctx  context.Context // of whoever wants it ahead: when it ends, nothing is fetched any more
	req  godown.Request
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

// Add queues a file. done is called, once, when it is here or has failed; also
// when ctx ends before its turn, or the Prefetcher is closed. It may call Add.
func (p *Prefetcher) Add(ctx context.Context, req godown.Request, done func(Outcome)) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		done(Outcome{Request: req, Err: context.Canceled})
		return
	}
	l, most := &p.lanes[0], orElse(p.Small, 96)
	if req.Kind == godown.Zip {
		l, most = &p.lanes[1], orElse(p.Zips, 48)
	}
	l.tasks = append(l.tasks, task{ctx, req, done})
	if l.running < most {
		l.running++
		p.working.Go(func() { p.work(l) })
	}
	p.mu.Unlock()
}

func orElse(value, standard int) int {
	if value > 0 {
		return value
	}
	return standard
}

// work does tasks of a lane until there are none.
func (p *Prefetcher) work(l *lane) {
	for {
		p.mu.Lock()
		if len(l.tasks) == 0 {
			l.running--
			l.tasks = nil
			p.mu.Unlock()
			return
		}
		t := l.tasks[0]
		l.tasks[0] = task{}
		l.tasks = l.tasks[1:]
		p.mu.Unlock()
		t.done(p.fetch(t.ctx, t.req))
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
		left = append(left, p.lanes[i].tasks...)
		p.lanes[i].tasks = nil
	}
	p.mu.Unlock()
	for _, t := range left {
		t.done(Outcome{Request: t.req, Err: context.Canceled})
	}
	p.working.Wait()
}
