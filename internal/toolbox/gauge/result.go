package gauge

import (
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// A Verdict says what a mirror is.
type Verdict string

// The verdicts. The first two can be used.
const (
	Good       Verdict = "good"       // it gave all that it was asked for, and nothing wrong
	Flaky      Verdict = "flaky"      // it gave most of it
	Broken     Verdict = "broken"     // it answers, but most requests failed
	Empty      Verdict = "empty"      // it knows nothing: 404 or 410 for what exists
	Refuses    Verdict = "refuses"    // it wants a login, or lets nobody in
	Portal     Verdict = "portal"     // pages for people where a module should be: a login page, or no mirror at all
	Dead       Verdict = "dead"       // it cannot be reached
	Unmeasured Verdict = "unmeasured" // no mirror on the network, or the measurement was stopped before it was its turn
	Lies       Verdict = "lies"       // it gave other bytes than the module has
)

// Verdicts returns all of them, in the order in which mirrors are ranked that cannot be used.
func Verdicts() []Verdict {
	return []Verdict{Good, Flaky, Broken, Empty, Refuses, Portal, Dead, Unmeasured, Lies}
}

// A Proof says what is known of a file's bytes.
type Proof string

// The proofs.
const (
	Proven   Proof = "database" // the checksum database has this hash
	Known    Proof = "table"    // the database could not be asked, but the hash is the one that godown knows
	Wrong    Proof = "wrong"    // it is another hash, or no module at all
	Unproven Proof = "unproven" // nobody could be asked
	Unread   Proof = "unread"   // the file did not arrive whole
)

// A File is one request for a file, and what came of it.
type File struct {
	Name      string        // such as "zip", "info", "list", "latest"
	Module    string        // path, or path@version
	Size      string        // of a zip: "small", "middling", "large"
	Cold      bool          // it was the first request, which had to connect
	Status    int           // 0: no answer
	FirstByte time.Duration // from the start to the answer's header
	Total     time.Duration
	Bytes     int64
	Failed    bool // as a request of a go command it would have failed
	Partial   bool // it was slow, and read no further after its time
	Failure   *probe.Failure
	Proof     Proof  // of a .mod or .zip; "" for others
	Hash      string // as go.sum has it
	Want      string // that it should be; "" if nobody knows
	Detail    string // what was wrong with it, in English
}

// An Answer says whether a mirror can do something.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Bad     Answer = "wrong" // it does it, but wrongly
	Unknown Answer = "unknown"
)

// Freshness is how a mirror's lists of versions compare with those of all mirrors.
type Freshness struct {
	Lists    int           // that it gave
	Behind   int           // versions that others list and it does not
	Lag      time.Duration // how long ago the oldest of these was released, as far as that is known
	Alone    bool          // no other mirror gave a list: there is nothing to compare with
	Module   string        // the newest version that any mirror knows, and whose time is known
	Version  string
	Released time.Time
	Has      Answer // whether the mirror gives its .info
}

// A Result is what is known of one mirror.
type Result struct {
	target  Target
	Mirror  string // its URL without credentials
	Groups  []string
	Note    lang.Text
	Verdict Verdict
	Why     lang.Text // the verdict in words
	Rank    int       // 1 is the best

	Estimate  time.Duration // of a typical build; 0: it cannot be used
	NoRate    bool          // the estimate is without the time for bytes, as no zip was large enough to tell
	Via       string        // the outbound proxy
	Remote    string        // address and port
	Proto     string        // of the first answer
	Issuer    string        // of its certificate
	DNS       time.Duration
	Connect   time.Duration
	TLS       time.Duration
	FirstByte time.Duration // median of small files over a connection that is there; 0: none arrived
	ZipFirst  time.Duration // the same of zips

	One     float64 // bytes a second over one connection; 0: not known
	Several float64 // over some at a time; 0: not known
	Lanes   int     // how many these are

	Requests int
	Failures int
	Bytes    int64
	Took     time.Duration
	Capped   bool // it was asked for no more, as it had taken its share

	SumDB     Answer // /sumdb/ is passed on, and rightly
	Range     Answer
	Latest    Answer
	Absent    Answer // what does not exist is answered by 404 or 410
	Stranded  bool   // it passes no checksum database on, and that cannot be reached otherwise
	Redirects []string
	Proof     Proof // the worst of its files'
	Fresh     Freshness
	Files     []File
}

// Usable reports whether a go command could use the mirror.
func (r *Result) Usable() bool { return r.Verdict == Good || r.Verdict == Flaky }

// Success returns the share of requests that succeeded.
func (r *Result) Success() float64 {
	if r.Requests == 0 {
		return 0
	}
	return 1 - float64(r.Failures)/float64(r.Requests)
}

// SumDBReport says how the checksum database was reached.
type SumDBReport struct {
	Name     string
	Off      bool           // nobody may be asked
	Through  string         // who passed its records on, as a URL without credentials; "": nobody did
	Straight Answer         // whether it answers itself
	Failure  *probe.Failure // why it does not
	Instead  string         // a value of GOSUMDB by which the same database answers, where it does not itself
	Records  int            // that it has proven
	Requests int            // by which its files were fetched from mirrors, beyond what these were measured by
}

// A Report is what a measurement found.
type Report struct {
	Started     time.Time
	Took        time.Duration
	Light       bool
	Interrupted bool // it was stopped before its end
	Modules     []Module
	Build       Build
	SumDB       SumDBReport
	Results     []*Result // the best first

	own []string // as in the plan
}

// Best returns the result that comes first, or nil if no mirror can be used.
func (r *Report) Best() *Result {
	if len(r.Results) > 0 && r.Results[0].Usable() {
		return r.Results[0]
	}
	return nil
}
