package warm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// A Mode says what a Predictor fetches ahead.
type Mode int

// The modes, from nothing to everything.
const (
	Off  Mode = iota // nothing
	Mods             // small files: .mod, .info, lists
	All              // zips, too
)

// ParseMode returns the mode that is called off, mods or all.
func ParseMode(name string) (Mode, error) {
	switch name {
	case "off":
		return Off, nil
	case "mods":
		return Mods, nil
	case "all":
		return All, nil
	}
	return Off, fmt.Errorf("%q is none of off, mods and all", name)
}

// A Predictor is a Source that answers from another, and fetches ahead from it
// what a client will ask for next, going by what it has asked for (rules.go).
// It knows a client by its address, and forgets one that asks for nothing.
//
// What was fetched ahead and not asked for yet is bounded, for each client and
// in all, so nobody can make it fetch without end.
type Predictor struct {
	Source   godown.Source          // what answers, and what is fetched from
	Mode     Mode                   // what is fetched ahead
	Skip     func(path string) bool // modules that are never fetched ahead; nil: none
	Requests int                    // files fetched ahead for one client that it has not asked for yet, at most; default 5,000
	Bytes    int64                  // bytes of these, at most; default 1 GiB

	prefetcher Prefetcher
	once       sync.Once

	mu          sync.Mutex // guards the fields below, and all clients
	clients     map[string]*client
	connections map[string]int // by host
	requests    int            // of all clients: what was not asked for yet
	bytes       int64
	stats       godown.AheadStats
}

const (
	// forgetAfter is how long a client is remembered that asks for nothing.
	forgetAfter = 2 * time.Minute
	// goneAfter is how long one is that has closed its last connection: it may
	// make a new one for each request.
	goneAfter = 2 * time.Second
	// maxClients bounds how many are remembered.
	maxClients = 500
	// allTogether is how many times as much as one client all may cause.
	allTogether = 4
	// maxSeen bounds how many files that a client asked for are remembered.
	maxSeen = 10_000
	// unknownSize is what a zip counts before its size is known.
	unknownSize = 1 << 20
)

// Stats returns the counts so far.
func (p *Predictor) Stats() godown.AheadStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// A client is what is remembered of one. Its Predictor's mutex guards it.
type client struct {
	host   string
	last   time.Time       // it asked for something
	silent *time.Timer     // looks whether it has asked for nothing in a while
	gone   bool            // its last connection is closed
	told   bool            // somebody has said what it will ask for: it is waited for, however long that takes
	ctx    context.Context // of what is fetched ahead for it: ends when it has gone
	cancel context.CancelFunc

	memory
	forecasts map[godown.Request]*forecast
	requests  int // forecasts that it has not asked for yet
	bytes     int64
}

// A forecast is a file that was, or will be, fetched ahead.
type forecast struct {
	size int64
	root bool // the .mod of a module that is added: all that it requires will be wanted
	told bool // somebody knew that it will be asked for: nothing need be concluded from that
	here bool // it was fetched
	over bool // it was asked for, or given up
	used bool // it was asked for
}

func (p *Predictor) init() {
	p.prefetcher.Source = p.Source
	if p.Requests == 0 {
		p.Requests = 5000
	}
	if p.Bytes == 0 {
		p.Bytes = 1 << 30
	}
	p.clients, p.connections = make(map[string]*client), make(map[string]int)
}

// Fetch answers from the Source.
func (p *Predictor) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	ev := godown.EventFrom(ctx)
	host := hostOf(ev.Client)
	if p.Mode == Off || host == "" || godown.IsCachedOnly(ctx) {
		return p.Source.Fetch(ctx, req)
	}
	p.once.Do(p.init)
	foreseen, news := p.asked(host, req)
	ev.Ahead = foreseen
	f, err := p.Source.Fetch(ctx, req)
	if news && err == nil && (f.Cache != godown.Hit || foreseen) {
		next, _ := follows(req, f.Data)
		p.answered(host, next)
	}
	return f, err
}

func hostOf(address string) string {
	i := strings.LastIndexByte(address, ':')
	return strings.Trim(address[:max(i, 0)], "[]")
}

// asked notes that a client asks for a file. foreseen says that it was fetched
// ahead, or is about to be; news, that something may follow from it.
func (p *Predictor) asked(host string, req godown.Request) (foreseen, news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.client(host)
	if c.seen[req] {
		return false, false // it says nothing new
	}
	f := c.forecasts[req]
	if f != nil && !f.over {
		foreseen, f.used = true, true
		p.settle(c, f, &p.stats.Used, &p.stats.UsedBytes)
	}
	if f != nil && f.told {
		return foreseen, false
	}
	c.note(req, func(r godown.Request, root bool) { p.ahead(c, r, root) })
	return foreseen, true
}

// Expect has files fetched that the client at host is going to ask for, as long
// as ctx lasts; no bound is set to them. done is called for each.
func (p *Predictor) Expect(ctx context.Context, host string, files []godown.Request, done func(Outcome)) {
	p.once.Do(p.init)
	for _, req := range files {
		p.mu.Lock()
		c := p.client(host)
		c.told = true
		f := c.forecasts[req]
		if f == nil {
			f = p.forecast(c, req)
			f.told = true
		}
		p.mu.Unlock()
		p.prefetcher.add("", task{ctx: ctx, req: req, done: func(o Outcome) {
			p.arrived(c, f, o)
			done(o)
		}})
	}
}

// answered has fetched what follows from an answer that a client was given.
func (p *Predictor) answered(host string, next []godown.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.aheadAll(p.client(host), next)
}

// client returns the client at host. Caller holds p.mu.
func (p *Predictor) client(host string) *client {
	now := time.Now()
	c := p.clients[host]
	if c == nil {
		if len(p.clients) >= maxClients {
			p.dropOldest()
		}
		c = &client{host: host, memory: newMemory(), forecasts: make(map[godown.Request]*forecast)}
		c.ctx, c.cancel = context.WithCancel(context.Background())
		c.silent = time.AfterFunc(forgetAfter, func() { p.forget(c) })
		p.clients[host] = c
	}
	c.last = now
	return c
}

// forget forgets a client that was silent for long, or has gone.
func (p *Predictor) forget(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	silent := time.Since(c.last)
	switch {
	case p.clients[c.host] != c || c.told:
	case silent >= forgetAfter, silent >= goneAfter && c.gone:
		p.drop(c)
	case c.gone:
		c.silent.Reset(goneAfter)
	default:
		c.silent.Reset(forgetAfter - silent)
	}
}

// dropOldest forgets the client that was silent longest. Caller holds p.mu.
func (p *Predictor) dropOldest() {
	var oldest *client
	for _, c := range p.clients {
		if oldest == nil || c.last.Before(oldest.last) {
			oldest = c
		}
	}
	p.drop(oldest)
}

// drop forgets a client. Caller holds p.mu.
func (p *Predictor) drop(c *client) {
	c.silent.Stop()
	c.cancel()
	for _, f := range c.forecasts {
		if !f.over {
			p.settle(c, f, &p.stats.Wasted, &p.stats.WastedBytes)
		}
	}
	delete(p.clients, c.host)
}

// settle takes f from what has not been asked for yet, and counts it if it is here. Caller holds p.mu.
func (p *Predictor) settle(c *client, f *forecast, files, bytes *int64) {
	f.over = true
	c.requests--
	p.requests--
	p.resize(c, f, 0, bytes)
	if f.here {
		*files++
	}
}

// resize sets what f counts, and adds what it no longer counts to bytes if it is here. Caller holds p.mu.
func (p *Predictor) resize(c *client, f *forecast, size int64, bytes *int64) {
	c.bytes += size - f.size
	p.bytes += size - f.size
	if f.here && bytes != nil {
		*bytes += f.size - size
	}
	f.size = size
}

func (p *Predictor) aheadAll(c *client, list []godown.Request) {
	for _, r := range list {
		p.ahead(c, r, false)
	}
}

// ahead has a file fetched for c, unless that would be too much. Caller holds p.mu.
func (p *Predictor) ahead(c *client, req godown.Request, root bool) {
	if req.Kind == godown.Zip && p.Mode < All || p.Skip != nil && p.Skip(req.Path) || c.forecasts[req] != nil {
		return
	}
	if c.requests >= p.Requests || p.requests >= allTogether*p.Requests || c.bytes >= p.Bytes || p.bytes >= allTogether*p.Bytes {
		p.stats.Refused++
		return
	}
	f := p.forecast(c, req)
	f.root = root
	p.prefetcher.add(c.host, task{
		ctx: c.ctx, req: req,
		may:  func() bool { return p.allows(c, f) },
		done: func(o Outcome) { p.arrived(c, f, o) },
	})
}

// allows reports whether a file, whose turn has come, may still be fetched: the
// zips before it may have been larger than they counted.
func (p *Predictor) allows(c *client, f *forecast) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.over || c.bytes-f.size < p.Bytes && p.bytes-f.size < allTogether*p.Bytes {
		return true
	}
	p.stats.Refused++
	return false
}

// forecast notes that a file is going to be fetched for c. Caller holds p.mu.
func (p *Predictor) forecast(c *client, req godown.Request) *forecast {
	if len(c.forecasts) >= 4*p.Requests {
		maps.DeleteFunc(c.forecasts, func(_ godown.Request, f *forecast) bool { return f.over })
	}
	f := new(forecast)
	c.forecasts[req] = f
	c.requests++
	p.requests++
	if req.Kind == godown.Zip {
		p.resize(c, f, unknownSize, nil)
	}
	return f
}

// arrived notes what came of a forecast.
func (p *Predictor) arrived(c *client, f *forecast, o Outcome) {
	next, deep := follows(o.Request, o.Data)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case o.Err != nil || o.Cached:
		if o.Err != nil && !errors.Is(o.Err, errNotAny) && c.ctx.Err() == nil {
			p.stats.Failed++
		}
		if !f.over {
			p.settle(c, f, nil, nil)
		}
		if o.Err != nil {
			delete(c.forecasts, o.Request)
		}
	case f.over:
		f.here = true
		p.stats.Fetched++
		p.stats.FetchedBytes += o.Size
		if f.used {
			p.stats.Used++
			p.stats.UsedBytes += o.Size
		} else {
			p.stats.Wasted++
			p.stats.WastedBytes += o.Size
		}
	default:
		f.here = true
		p.stats.Fetched++
		p.stats.FetchedBytes += o.Size
		p.resize(c, f, o.Size, nil)
	}
	if o.Err != nil || c.ctx.Err() != nil {
		return
	}
	switch {
	case f.told:
	case f.root:
		p.aheadAll(c, ofRoot(o.Request, next))
	case deep:
		p.aheadAll(c, next)
	}
}

// Connected and Gone are told of a client's connections, by address and port.
// Soon after the last one is closed nothing more is fetched for that client.
func (p *Predictor) Connected(address string) {
	host := hostOf(address)
	p.once.Do(p.init)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connections[host]++
	if c := p.clients[host]; c != nil {
		c.gone = false
	}
}

// Gone is told of a connection's end.
func (p *Predictor) Gone(address string) {
	host := hostOf(address)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.connections[host]--; p.connections[host] > 0 {
		return
	}
	delete(p.connections, host)
	if c := p.clients[host]; c != nil {
		c.gone = true
		c.silent.Reset(goneAfter)
	}
}

// Close ends all fetching ahead, and waits for its end.
func (p *Predictor) Close() {
	p.once.Do(p.init)
	p.mu.Lock()
	for _, c := range p.clients {
		p.drop(c)
	}
	p.mu.Unlock()
	p.prefetcher.Close()
}
