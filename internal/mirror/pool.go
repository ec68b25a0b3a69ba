// Package mirror makes any number of mirrors behave as one that is better than
// the best of them: it learns which is fast, goes around those that fail, lag
// or lie, asks a second one when the first is late, and fetches big files from
// several at once. What a mirror gives is not verified here: a wrong file comes
// back through its Reject.
package mirror

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// A Mirror is one upstream of a Pool, with what is known of it beforehand.
type Mirror struct {
	Name     string           // what it is called in messages and metrics; default: the Upstream's name
	Upstream *godown.Upstream // whose Retries and Stall the Pool sets

	Weight      int    // share in round-robin, and how much it is preferred among equals; default 1
	Bandwidth   int64  // bytes per second that it is asked for at most; 0: no limit
	Connections int    // requests under way at most; 0: no limit of its own
	Only        string // module path patterns: it is asked for no others; empty: for all
	Never       string // module path patterns that it is not asked for
	Facts       Facts  // what does not work with it
}

// Options are what is set for a Pool as a whole; fields that are 0 have defaults.
type Options struct {
	Choose  Strategy      // default Fastest
	Stall   time.Duration // a mirror that gives nothing for so long is given up; default 5 s
	Retries int           // how often all mirrors are asked again when all have failed in ways that may pass; default 2, below 0: never
	Hedge   float64       // second requests to another mirror, as a share of all; default 0.1, below 0: none
	Split   int64         // zips of more bytes are fetched in pieces; default 4 MiB, below 0: never
	Streams int           // pieces of one file that are fetched at once from one mirror; default 16

	Connections int // for zips to one mirror at most, where it sets no limit; as many are used as bring more bytes; default 64

	Every   time.Duration // between probes of a mirror that is down or idle; default 30 s, below 0: none
	Timeout time.Duration // of a probe; default 1 s
	Rise    int           // successes in a row that bring a mirror back; default 2
	Fall    int           // failures in a row that take it out; default 3

	Changed func(Change) // is told when a mirror changes its state; may be nil; must not block
}

// A Change is one of a mirror's state.
type Change struct {
	Mirror string
	From   string // a state as in [godown.MirrorStatus]
	To     string // one, too, or "lied" when a wrong file was had from it
	Why    string
}

// A Pool is a Source, and a Getter of the files of checksum databases.
type Pool struct {
	Options
	members []*member
	budget  budget
	working sync.WaitGroup // requests, with those whose answer nobody waits for any more

	mu     sync.Mutex     // guards the fields below
	turn   uint64         // requests so far: what round-robin and exploring go by
	known  godown.Request // a small file that was had of late: what probes ask for
	active time.Time      // of the last request
}

// New returns a Pool of mirrors, of which there must be one or more.
func New(mirrors []Mirror, o Options) *Pool {
	setDefault(&o.Stall, 5*time.Second)
	setDefault(&o.Retries, 2)
	setDefault(&o.Hedge, 0.1)
	setDefault(&o.Split, 1<<20)
	setDefault(&o.Streams, 16)
	setDefault(&o.Connections, 64)
	setDefault(&o.Every, 30*time.Second)
	setDefault(&o.Timeout, time.Second)
	setDefault(&o.Rise, 2)
	setDefault(&o.Fall, 3)
	if o.Changed == nil {
		o.Changed = func(Change) {}
	}
	p := &Pool{Options: o}
	p.budget.saved = maxSaved / 2
	for i, m := range mirrors {
		x := newMember(m, i, &p.Options)
		for _, o := range p.members {
			if o.name == x.name { // such as the same host with other credentials
				x.name = fmt.Sprintf("%s#%d", m.Upstream.Name(), i+1)
			}
		}
		p.members = append(p.members, x)
	}
	return p
}

// Close waits for requests whose answers are not needed any more, and were
// canceled. It is called when no Fetch and no Get is under way.
func (p *Pool) Close() { p.working.Wait() }

func setDefault[T ~int | ~int64 | ~float64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Name returns the mirrors' names, which is safe to show.
func (p *Pool) Name() string {
	var names []string
	for _, m := range p.members {
		names = append(names, m.name)
	}
	return strings.Join(names, "|")
}

// Fetch asks the mirrors.
func (p *Pool) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	switch req.Kind {
	case godown.List:
		return p.list(ctx, req)
	case godown.Latest:
		return p.latest(ctx, req)
	case godown.Zip:
		return p.zip(ctx, req, nil)
	}
	return p.small(ctx, req, nil)
}
