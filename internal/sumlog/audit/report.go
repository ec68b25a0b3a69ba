package audit

import (
	"strings"
	"time"
	"unicode/utf8"
)

// maxFindings is how many findings are listed; the rest is counted.
const maxFindings = 1000

// A Report is what an audit found.
type Report struct {
	Name string    `json:"name"`
	Time time.Time `json:"time"` // when the audit began
	Head *Head     `json:"head"` // what was audited; nil if the log has no head that is signed

	From    int64 `json:"from"`    // the first record that was read
	Records int64 `json:"records"` // how many were read
	Lookups int   `json:"lookups"` // how many were asked for as a client does

	// Complete says that all that was to be read was read.
	Complete   bool  `json:"complete"`
	RolledBack bool  `json:"rolledBack"` // the head is older than the one seen before
	Fork       *Fork `json:"fork,omitempty"`

	Findings []Finding      `json:"findings,omitempty"` // the first 1000
	Counts   map[Kind]int64 `json:"counts,omitempty"`   // all findings, also those not listed

	// Seen is for the next audit. Its head is the newest that is proven to be of
	// the log's one history, and its size counts only records found right.
	Seen Seen `json:"seen"`
}

// OK says whether all of the log was read and nothing found.
func (r *Report) OK() bool { return r.Complete && r.Total() == 0 }

// Total is how many findings there are, also those not listed.
func (r *Report) Total() int64 {
	var n int64
	for _, c := range r.Counts {
		n += c
	}
	return n
}

// damaged says whether there are findings that may be gone when the same
// records are read again: a log cannot get rid of a malformed or a second record.
func (r *Report) damaged() bool {
	return r.Total() > r.Counts[KindMalformed]+r.Counts[KindDuplicate]
}

// A Finding is one thing that is wrong with a log.
type Finding struct {
	Kind   Kind   `json:"kind"`
	Name   string `json:"name,omitempty"` // the file, as Get was asked for it
	Record int64  `json:"record"`         // the record's number, or -1
	What   string `json:"what"`           // for people, with what came from the log quoted
}

// A Kind says what a finding is about.
type Kind string

// The kinds of findings.
const (
	KindHead      Kind = "head"      // the head is malformed, not signed, or not that of the records
	KindFork      Kind = "fork"      // the log has signed two histories: see Report.Fork
	KindRollback  Kind = "rollback"  // the head is older than the one seen before
	KindUnproven  Kind = "unproven"  // tiles do not prove that two heads are of one history
	KindTile      Kind = "tile"      // a file is not what the tree has there
	KindMissing   Kind = "missing"   // a file is absent
	KindRecord    Kind = "record"    // a record is not the one in the tree
	KindMalformed Kind = "malformed" // a record in the tree is not as it should be
	KindDuplicate Kind = "duplicate" // a record is of a module version that has one
	KindLookup    Kind = "lookup"    // a lookup does not give the record
)

// find adds a finding to the report.
func (r *run) find(f Finding) {
	if r.report.Counts == nil {
		r.report.Counts = make(map[Kind]int64)
	}
	r.report.Counts[f.Kind]++
	if len(r.report.Findings) < maxFindings {
		f.What = clip(f.What, 1000)
		r.report.Findings = append(r.report.Findings, f)
	}
}

// clip shortens a text that a log may have made long, to n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimSpace(s[:n]) + "…"
}
