package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/godown-dev/godown"
)

// The verdicts of verify beside those of a [godown.Finding].
const (
	verdictDisagree  = "disagrees"  // a line of a go.sum is not as the record or the store has it
	verdictNotStored = "not stored" // a go.sum names it
)

// A verifyLine is what is told of one file, as --json has it.
type verifyLine struct {
	Verdict  string `json:"verdict"`
	File     string `json:"file,omitempty"`     // module, version and kind
	Path     string `json:"path,omitempty"`     // where it is stored
	Found    string `json:"found,omitempty"`    // the hash of what is stored
	Expected string `json:"expected,omitempty"` // the hash that it should have
	By       string `json:"by,omitempty"`       // who says so
	GoSum    string `json:"go_sum,omitempty"`   // the line of a go.sum that is meant, as FILE:LINE
	Reason   string `json:"reason,omitempty"`
	Advice   string `json:"advice,omitempty"` // what to do, or what was done
	Repaired bool   `json:"repaired,omitempty"`

	bytes int64
	skip  bool // it is not known: the time was over
	fork  bool // the checksum database contradicts itself
}

// String returns the line for people.
func (l verifyLine) String() string {
	text := l.Verdict + ": "
	if l.File != "" {
		text += l.File
	} else {
		text += shown(l.Path)
	}
	if l.Reason != "" {
		text += ": " + line(l.Reason, 1000)
	}
	if l.File != "" && l.Path != "" && l.Verdict != string(godown.Good) {
		text += "; it is " + shown(l.Path)
	}
	if l.Advice != "" {
		text += "; " + l.Advice
	}
	return text
}

// shown returns the name of a file as a terminal may be given it: as it is, or
// quoted where it has characters that are no text.
func shown(name string) string {
	if utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return name
	}
	return strconv.Quote(name)
}

// tell counts a line, and prints it if it is to be seen.
func (v *verifying) tell(l verifyLine) {
	if l.skip {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	e := &v.end
	quiet := false
	switch l.Verdict {
	case string(godown.Good):
		e.Good++
		quiet = true
	case string(godown.Unproven):
		e.Unproven++
		quiet = !l.fork
	case string(godown.Bad):
		e.Bad++
		if l.Repaired {
			e.Repaired++
		}
	case string(godown.Unreadable):
		e.Unreadable++
	case verdictDisagree:
		e.Disagree++
	case verdictNotStored:
		e.NotStored++
		quiet = true
	case "foreign":
		e.Foreign++
		quiet = true
	}
	if l.fork {
		e.Error = "the checksum database contradicts itself, and proves nothing"
	}
	if l.File != "" && l.Verdict != verdictDisagree && l.Verdict != verdictNotStored {
		e.Files++
		e.Bytes += l.bytes
	}
	switch {
	case quiet && !v.verbose:
	case v.json:
		v.write(l)
	default:
		v.print(l.String())
	}
}

// lineOf says in words what was found of a file.
func (v *verifying) lineOf(ctx context.Context, at *shelf, f godown.Finding) verifyLine {
	l := verifyLine{
		Verdict: string(f.Verdict), File: f.Request.String(), Path: filepath.Join(at.folder, filepath.FromSlash(f.Request.Name())),
		Found: f.H1, Repaired: f.Repaired, bytes: f.Size,
		skip: f.Verdict == "" || f.Verdict == godown.Gone, // since it was listed
	}
	if f.Known != "" {
		l.Expected, l.By = f.Known, v.record(ctx, f.Request)
	}
	if f.Err != nil {
		l.Reason = f.Err.Error()
	}
	_, l.fork = errors.AsType[*godown.SecurityError](f.Err)
	if m, ok := errors.AsType[*godown.Mismatch](f.Err); ok {
		l.Reason = m.Reason // the line has the file's name
		if f.H1 == "" && f.Known != "" {
			l.Reason += ", and not what has " + f.Known + " as its hash, which is what " + l.By + " says"
		}
	}
	switch f.Verdict {
	case godown.Bad:
		l.Advice = v.advice(at, f)
	case godown.Unreadable:
		l.Advice = "whether it is bad is not known, so it was left as it is; look after the disk, or its permissions"
	}
	return l
}

// advice says what to do with a bad file, or what was done.
func (v *verifying) advice(at *shelf, f godown.Finding) string {
	switch {
	case at.published:
		return "it was published there, and this may be the only copy, so it was left as it is: restore it from a backup"
	case f.Repaired && f.Beside:
		return "repaired: the zip is good, and has its right hash beside it now"
	case f.Repaired:
		return "repaired: it was set aside, and another took its place"
	case f.RepairErr != nil:
		return "not repaired, though it is not served: " + line(f.RepairErr.Error(), 500) + "; run it again when that is mended"
	case f.Beside:
		return "the zip is good, and only the hash beside it is not: --repair puts the right one there"
	}
	return "--repair sets it aside and fetches it anew"
}

// checkNamed checks a file that go.sum files name.
func (v *verifying) checkNamed(ctx context.Context, req godown.Request) {
	at := &v.shelves[0]
	found := v.check(ctx, at, req)
	for i := range v.shelves[1:] {
		if found.Verdict == godown.Gone {
			at = &v.shelves[i+1]
			found = v.check(ctx, at, req)
		}
	}
	if found.Verdict == "" {
		return
	}
	l := v.lineOf(ctx, at, found)
	l.GoSum = v.sums[req][0].At
	known := found.Known
	if found.Verdict == godown.Gone {
		l = verifyLine{Verdict: verdictNotStored, File: req.String(), GoSum: l.GoSum, Reason: l.GoSum + " names it"}
		known = v.recall(ctx, req)
	}
	var others []verifyLine
	for _, sum := range v.sums[req] {
		other, ok := v.compare(ctx, req, found, known, sum)
		if ok && found.Verdict == godown.Unproven {
			l.Verdict, l.Reason = string(godown.Good), "as "+sum.At+" has it; "+l.Reason
		}
		if !ok {
			others = append(others, other)
		}
	}
	v.tell(l)
	for _, other := range others {
		v.tell(other)
	}
}

// compare compares a line of a go.sum with what was found in the store and with
// the record. It says who of the three stands alone.
func (v *verifying) compare(ctx context.Context, req godown.Request, found godown.Finding, known string, sum sumLine) (l verifyLine, agrees bool) {
	l = verifyLine{Verdict: verdictDisagree, File: req.String(), Found: found.H1, Expected: known, GoSum: sum.At}
	by := v.record(ctx, req)
	if known != "" {
		l.By = by
	}
	stored := found.H1 != ""
	switch {
	case known == sum.H1:
		return l, true // a bad file has its own line
	case known != "" && stored && found.H1 == known:
		l.Reason = fmt.Sprintf("%s has %s, but %s has %s, and so has the store: the go.sum is wrong", sum.At, sum.H1, by, known)
	case known != "" && stored && found.H1 == sum.H1:
		l.Reason = fmt.Sprintf("%s has %s, and so has the store, but %s has %s: both are wrong", sum.At, sum.H1, by, known)
	case known != "":
		l.Reason = fmt.Sprintf("%s has %s, but %s has %s: the go.sum is wrong", sum.At, sum.H1, by, known)
	case !stored || found.H1 == sum.H1:
		return l, true // nothing is known of a file that is not here, or broken, but by this line
	default:
		l.Reason = fmt.Sprintf("%s has %s, but what is stored has %s, and no record is at hand that says who is wrong", sum.At, sum.H1, found.H1)
		l.Advice = "find out by fetching it from its origin"
		if v.offline {
			l.Advice = "without --offline the record is asked for"
		}
		return l, false
	}
	l.Advice = "find out who changed that line, then remove it and have the go command write it anew"
	return l, false
}

// String returns the summary.
func (e verifyEnd) String() string {
	files := "files"
	if e.Files == 1 {
		files = "file"
	}
	took := time.Duration(e.Seconds * float64(time.Second))
	text := fmt.Sprintf("verified %d %s (%s) in %.1fs: ", e.Files, files, formatBytes(e.Bytes), took.Seconds())
	var parts []string
	part := func(n int, format string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf(format, n))
		}
	}
	part(e.Good, "%d good")
	part(e.Unproven, "%d unproven")
	part(e.Bad, "%d bad")
	if e.Bad > 0 && e.Repaired > 0 {
		parts[len(parts)-1] += fmt.Sprintf(" (%d repaired)", e.Repaired)
	}
	part(e.Unreadable, "%d unreadable")
	part(e.Disagree, "%d not as a go.sum says")
	part(e.NotStored, "%d not stored")
	part(e.Foreign, "%d foreign")
	if e.Error != "" {
		parts = append(parts, e.Error)
	}
	if len(parts) == 0 {
		return text + "nothing is there"
	}
	return text + strings.Join(parts, ", ")
}
