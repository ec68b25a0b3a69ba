package doctor

import (
	"context"
	"net/url"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// A ChainReport is the way of a module to the go command, step by step, and where it breaks.
type ChainReport struct {
	Module  string
	Version string // "" if it did not come to one
	Private bool   // no module proxy is asked for it
	Offline bool   // nothing was asked
	Works   bool   // the go command would get the module
	Links   []Link
	SumDB   string       // by which way the checksum database was asked; "" if it was not
	Also    *ChainReport // the way of a private module of the project, if it has one

	findings []Finding
	passed   bool // a mirror that answers has not got the module
}

// A Link is one entry of GOPROXY, or the module's own host.
type Link struct {
	Name   string // its URL without what is secret, "direct", "off", or "private" for GONOPROXY
	Via    string // the outbound proxy by which it is reached; "" if it is straight
	Spare  bool   // the go command did not come to it: only whether it answers was tried
	Steps  []Step
	Ending lang.Text // what the go command does after it
}

// A State says how a step went.
type State string

// The states.
const (
	StepOK     State = "ok"
	StepAbsent State = "absent" // the honest answer that it has not got it: 404 or 410
	StepFailed State = "failed"
	StepNot    State = "skipped"
)

// A Step is one of those that the go command takes.
type Step struct {
	Name   string // resolve, connect, tls, supported, list, info, mod, zip, verify, go-get or git
	State  State
	Took   time.Duration
	Detail lang.Text // an address, a version, why it failed
}

// Findings returns what was found wrong on the way, and on that of Also.
func (r *ChainReport) Findings() []Finding {
	list := r.findings
	if r.Also != nil {
		list = append(list[:len(list):len(list)], r.Also.findings...)
	}
	return unique(list)
}

// unique drops findings that say the same again.
func unique(list []Finding) []Finding {
	seen := make(map[string]bool)
	var out []Finding
	for _, f := range list {
		if key := f.ID + "\x00" + f.Title.En; !seen[key] {
			seen[key] = true
			out = append(out, f)
		}
	}
	return out
}

// wellKnown is asked for where the project has no module to ask for: it is tiny, and every mirror has it.
const wellKnown = "rsc.io/quote"

// Chain tries each step as the go command would to get a module: by default one
// that the project needs, and one of those that are private if there are such, else
// a small one that is well known. A step takes at most f.Timeout, all of them a
// few times that; nothing is written.
func Chain(ctx context.Context, f *Facts, path string) *ChainReport {
	ctx, cancel := context.WithTimeout(ctx, max(chainTimeouts*f.timeout(), leastChain))
	defer cancel()
	if path != "" {
		p, version := splitVersion(path)
		if version == "" {
			version = f.required(p)
		}
		return f.chain(ctx, p, version)
	}
	public, private := f.candidates()
	sample := public.Path == ""
	if sample {
		public.Path = wellKnown
	}
	r := f.chain(ctx, public.Path, public.Version)
	if sample {
		r.excuse()
	}
	if private.Path != "" {
		r.Also = f.chain(ctx, private.Path, private.Version)
	}
	return r
}

// chainTimeouts is how many timeouts of a step a whole chain may take.
const chainTimeouts = 3

// leastChain is what a whole chain may take, however short a step's timeout is.
const leastChain = 2 * time.Second

// defaultTimeout is that of a step where nobody says one.
const defaultTimeout = 10 * time.Second

func (f *Facts) timeout() time.Duration {
	if f.Timeout > 0 {
		return f.Timeout
	}
	return defaultTimeout
}

// chain goes the way of one module.
func (f *Facts) chain(ctx context.Context, path, version string) *ChainReport {
	leaks := f.leaks(path)
	r := &ChainReport{Module: path, Version: version, Private: leaks || f.private(path), Offline: f.Offline}
	if f.Offline {
		return r
	}
	w := &walk{facts: f, prober: f.prober(), report: r}
	if leaks {
		w.found(nil, f.wouldLeak(path))
	}
	w.openDatabase()
	entries := f.goproxy()
	if r.Private && f.setting("GOPROXY") != "direct" {
		entries = []godown.ProxyEntry{{Word: "private"}}
	}
	for i, e := range entries {
		if ctx.Err() != nil {
			break
		}
		w.rest = entries[i+1:]
		if goesOn := w.entry(ctx, e, i+1 < len(entries)); !goesOn {
			w.spares(ctx)
			break
		}
	}
	w.conclude(ctx)
	return r
}

// A walk is a chain on its way.
type walk struct {
	facts   *Facts
	prober  *probe.Prober
	report  *ChainReport
	rest    []godown.ProxyEntry // what follows the entry that is tried
	stopped bool                // by off
	last    State               // of the entry that was tried last
	dated   bool                // the clock was compared

	sums *database // nil: the checksum database is not asked for this module
}

// tell tells who watches what is waited for, and for how long at most.
func (w *walk) tell(what lang.Text) {
	if w.facts.Watch != nil {
		w.facts.Watch(text("%s (%s at most)", "%s（最多 %s）", what, w.facts.timeout()))
	}
}

// A visit is what is known of a link beside what is shown.
type visit struct {
	link    *Link
	base    *url.URL // nil: a word
	any     bool     // what follows it is asked after any failure
	outcome State
	fatal   bool // it fails whatever follows
	client  *probe.Client
}

// step notes a step.
func (v *visit) step(s Step) { v.link.Steps = append(v.link.Steps, s) }

// fail notes a step that has failed, and with it the link.
func (v *visit) fail(s Step) {
	s.State = StepFailed
	v.step(s)
	v.outcome = StepFailed
}
