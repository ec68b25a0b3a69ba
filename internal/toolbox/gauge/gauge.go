// Package gauge measures mirrors as the go command would use them: how fast they
// answer and deliver, whether what they deliver is right, what of the protocol they know, and
// how far they lag behind. It is bounded: so many requests, bytes and seconds a mirror.
package gauge

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// What one mirror is asked for at most in one measurement. Connections at the same time may go
// beyond the bytes by what is on its way, and redirects to itself beyond the requests. Files of the
// checksum database that it passes on for all have a bound of their own.
const (
	MaxRequests = 32
	MaxRecords  = 40
	MaxBytes    = 16 << 20
	MaxTime     = 40 * time.Second
)

const (
	abreast    = 4                // mirrors that are asked at the same time for what is small
	lanes      = 4                // connections for the throughput of several
	zipTime    = 12 * time.Second // that one zip is read for
	laneTime   = 8 * time.Second  // that several connections are read for
	smallLimit = 1 << 20          // bytes of a list, a .mod or a .info
	leastBulk  = 64 << 10         // bytes of a zip below which it says nothing of the throughput
)

// A Target is a mirror that is to be measured.
type Target struct {
	URL    *url.URL    // with its user information, which no result shows
	Header http.Header // more header fields for its requests, such as an Authorization; shown nowhere
	Groups []string    // where it was named: "environment", "argument", or a group of presets
	Note   lang.Text   // whose it is
}

// A Plan says what is measured.
type Plan struct {
	Targets []Target
	Modules []Module // by the size of their zips; at least one
	Lists   []string // modules whose lists of versions are compared
	Own     []string // proxies of the GOPROXY in force that are in no preset, as they may be shown: none of these replaces them by itself
	Light   bool     // for measuring again and again: only the two smallest zips, and one connection

	Proxy   func(*http.Request) (*url.URL, error) // the outbound proxy; nil: none
	TLS     *probe.Prober                         // whose TLS, Resolver and Timeouts count; nil: the defaults
	SumDB   *godown.SumDBSpec                     // the checksum database; nil: it is switched off
	NoSumDB string                                // modules that it must not be asked about, as in GONOSUMDB
	Records *Records                              // what earlier measurements have proven; nil: nothing
	Now     func() time.Time                      // nil: time.Now

	// Observe is told of progress, by several goroutines at a time; may be nil.
	Observe func(Progress)
}

// A Progress is what happens to one of the targets.
type Progress struct {
	Target int // index in the plan
	Step   lang.Text
	Done   int // requests
	Bytes  int64
	Over   bool // it is measured
}

// Measure measures all targets. When ctx ends it returns what is known by then.
func Measure(ctx context.Context, p Plan) *Report {
	if p.Now == nil {
		p.Now = time.Now
	}
	r := &Report{own: p.Own, Started: p.Now(), Light: p.Light, Modules: p.Modules, Build: TypicalBuild()}
	meters := make([]*meter, len(p.Targets))
	for i, t := range p.Targets {
		meters[i] = newMeter(&p, i, t)
		defer meters[i].close()
	}
	// Small answers do not get in each other's way. Large ones would: those take turns.
	each(meters, func(m *meter) { m.small(ctx) })
	for _, m := range meters {
		m.large(ctx)
	}
	fresh := compareLists(&p, meters)
	each(meters, func(m *meter) { m.newest(ctx, fresh) })
	sums := newSums(&p, meters)
	sums.verify(ctx, meters)
	r.SumDB = sums.report(ctx)
	for _, m := range meters {
		m.lag(fresh)
		m.judge(ctx)
		m.result.Stranded = m.result.SumDB == No && r.SumDB.Straight == No && r.SumDB.Instead == ""
		m.say(lang.Text{}, true)
		r.Results = append(r.Results, m.result)
	}
	r.Took = p.Now().Sub(r.Started)
	r.Interrupted = ctx.Err() != nil
	r.rank()
	return r
}

// each lets some of the meters work at the same time, and returns when all have.
func each(meters []*meter, do func(*meter)) {
	var all sync.WaitGroup
	free := make(chan struct{}, abreast)
	for _, m := range meters {
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			do(m)
		})
	}
	all.Wait()
}
