// Package doctor finds out why a go command cannot get its modules, or will not
// be able to: in its settings, on the machine, and on the way to the mirrors.
package doctor

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// A Severity says how bad a finding is.
type Severity int

// The severities.
const (
	Hint    Severity = iota // worth to know; nothing is wrong
	Warning                 // it works now, and will not always, or is not as safe as it looks
	Fault                   // something does not work
)

// String returns the severity as --json has it.
func (s Severity) String() string { return [...]string{"hint", "warning", "fault"}[s] }

// A Finding is something that is wrong, or about to be.
type Finding struct {
	ID          string // stable, such as "goproxy-scheme"; docs/doctor.md has each
	Severity    Severity
	Title       lang.Text   // what is wrong, in a sentence
	Evidence    []lang.Text // what was seen that shows it; without secrets
	Consequence lang.Text   // what comes of it
	Fixes       []Fix       // what mends it, the best first

	by   Check  // that found it
	host string // that it is about, where that matters later
}

// A Fix is a way to mend a finding.
type Fix struct {
	Command string                      // what to type, exactly; "" if Say tells what to do
	Say     lang.Text                   // when to choose it, or what to do
	Do      func(context.Context) error // does the same as Command; nil: only a person can
}

// A Preset is a public mirror that is known.
type Preset struct {
	Group, URL, Note string
	NoSumDB          bool // it passes no checksum database on
}

// Facts are what the checks look at. Nothing else is read from the environment.
type Facts struct {
	Machine  goenv.Machine
	Settings *goenv.Settings // nil: there is no go command, or Trouble says why it gave none
	Trouble  error           // why there are no settings; nil if there are
	Home     string          // the user's; "" if there is none
	Presets  []Preset        // the mirrors that are known
	OS       string          // as GOOS
	Now      func() time.Time
	Offline  bool                                                   // nothing is asked of the network
	Client   http.RoundTripper                                      // nil: one that does as the go command's would
	Timeout  time.Duration                                          // of one step over the network
	Root     string                                                 // where the system's files are, as /etc; "" is /
	Resolver *net.Resolver                                          // nil: the system's
	Roots    *x509.CertPool                                         // the authorities that are trusted; nil: the system's
	connect  func(context.Context, netip.AddrPort) probe.Connection // a test's own; nil: really

	// Watch is told what is waited for now, as soon as that begins. Nil: nobody.
	Watch func(lang.Text)

	// Change sets a setting as "go env -w" does, or as "go env -u" for "", in such a
	// way that it can be undone. Nil: fixes have no Do.
	Change func(ctx context.Context, name, value string) error
}

// A Check looks for one kind of trouble. It never fails: what it cannot see it says nothing of.
type Check func(ctx context.Context, f *Facts) []Finding

// Examine makes all checks in their order, and returns what they found: the worst first.
func Examine(ctx context.Context, f *Facts, checks []Check) []Finding {
	var all []Finding
	for _, check := range checks {
		if ctx.Err() != nil {
			break
		}
		for _, finding := range check(ctx, f) {
			finding.by = check
			all = append(all, finding)
		}
	}
	return Together(all, nil)
}

// Together returns the findings of two lists, each once, the worst first.
func Together(a, b []Finding) []Finding {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) })
	return unique(all)
}

// Worst returns how bad the worst finding is; ok is false if there is none.
func Worst(all []Finding) (worst Severity, ok bool) {
	for _, f := range all {
		worst = max(worst, f.Severity)
	}
	return worst, len(all) > 0
}
