package explain

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A Report is what an output means.
type Report struct {
	Failures []Failure // in the order of their first messages; empty: nothing was recognised
	Suspects []Line    // if nothing was: what looks like the failure
	Messages int       // how many messages the output has
}

// A Line is a line of the input.
type Line struct {
	Number int // from 1
	Text   string
}

// A Failure is one thing that went wrong.
type Failure struct {
	ID    string // of the catalogue's entry
	Topic string // network, certificate, proxy, origin, sums, versions, project, toolchain, settings, machine or godown

	// Elsewhere says that it did not happen in the environment that Here is
	// about: the output is a CI job's or a container's, or may be.
	Elsewhere bool

	Line    int      // where its first message begins, from 1
	Message string   // that message, as the command wrote it
	Count   int      // how many messages say it
	Modules []string // which modules they are about

	What   lang.Text
	Why    lang.Text
	Here   []lang.Text // what was found on this machine
	Causes []Cause     // most likely first
}

// A Cause is what may be behind a failure, and what to do then.
type Cause struct {
	Text lang.Text
	Run  []string // commands to copy
}

// maxFailures is how many different failures are explained: after that many, nobody reads on.
const maxFailures = 12

// Explain says what an output means. It asks the machine and the network as far as around lets it.
// The output is UTF-8 or UTF-16.
func Explain(ctx context.Context, output []byte, around Around) *Report {
	return newMatcher().explain(ctx, decode(output), around)
}

func (m *matcher) explain(ctx context.Context, output string, around Around) *Report {
	type found struct {
		entry  *entry
		fields map[string]string
		at     int // in r.Failures
	}
	r := &Report{}
	all := messages(output)
	r.Messages = len(all)
	known := make(map[string]*found)
	var order []*found
	for _, msg := range all {
		e, fields := m.find(msg.text)
		if e == nil {
			continue
		}
		key := e.id
		if e.key != "" {
			key += "\x00" + fields[e.key]
		}
		f, ok := known[key]
		if !ok {
			if len(order) == maxFailures {
				continue
			}
			f = &found{e, fields, len(r.Failures)}
			known[key] = f
			order = append(order, f)
			r.Failures = append(r.Failures, Failure{ID: e.id, Topic: e.topic, Elsewhere: around.Elsewhere || msg.wrapped, Line: msg.line, Message: mask(msg.text)})
		}
		failure := &r.Failures[f.at]
		failure.Count++
		if path := fields["module"]; path != "" {
			if v := fields["version"]; v != "" {
				path += "@" + v
			}
			if !slices.Contains(failure.Modules, path) {
				failure.Modules = append(failure.Modules, path)
			}
		}
	}
	var asking sync.WaitGroup // all at once: together they take no longer than the slowest
	for _, f := range order {
		asking.Go(func() {
			around := around
			around.Elsewhere = r.Failures[f.at].Elsewhere
			f.entry.tell(ctx, &r.Failures[f.at], f.fields, &around)
		})
	}
	asking.Wait()
	if len(r.Failures) == 0 {
		r.Suspects = suspects(all)
	}
	return r
}

// tell fills in what a failure means.
func (e *entry) tell(ctx context.Context, f *Failure, fields map[string]string, around *Around) {
	s := &scene{around: around, fields: fields, message: f.Message, failure: f}
	s.patterns()
	if e.live != nil {
		e.live(ctx, s)
	}
	shown := masked(s.fields)
	f.What, f.Why = fillText(e.what, shown), fillText(e.why, shown)
	if !s.what.IsZero() {
		f.What = fillText(s.what, shown)
	}
	if !s.why.IsZero() {
		f.Why = fillText(s.why, shown)
	}
	for _, t := range s.here {
		f.Here = append(f.Here, fillText(t, shown))
	}
	causes := append(slices.Clone(s.first), e.causes...)
	slices.SortStableFunc(causes, func(a, b cause) int { return s.rank(a.id) - s.rank(b.id) })
	for _, c := range causes {
		if c.when != nil && !c.when(s) || slices.Contains(s.not, c.id) && c.id != "" {
			continue
		}
		told := Cause{Text: fillText(c.text, shown)}
		for _, line := range c.run {
			if line = fillCommand(line, shown); line != "" {
				told.Run = append(told.Run, line)
			}
		}
		f.Causes = append(f.Causes, told)
	}
}

// suspects returns what looks like the failure in an output that nothing of the catalogue fits.
func suspects(all []message) []Line {
	var found []Line
	for _, msg := range all {
		lower := strings.ToLower(msg.text)
		for _, word := range []string{"error", "fatal", "fail", "cannot", "could not", "unable to", "panic", "not found", "denied", "timeout", "timed out", "invalid", "refused", "go: "} {
			if strings.Contains(lower, word) && !strings.HasPrefix(lower, "go: downloading ") && !strings.HasPrefix(lower, "go: finding ") && !strings.HasPrefix(lower, "go: added ") {
				first, _, _ := strings.Cut(msg.text, "\n")
				found = append(found, Line{msg.line, mask(first)})
				break
			}
		}
	}
	if len(found) == 0 {
		for _, msg := range all[max(0, len(all)-3):] {
			first, _, _ := strings.Cut(msg.text, "\n")
			found = append(found, Line{msg.line, mask(first)})
		}
	}
	const most = 8
	if len(found) > most { // the first says what it was, the last what became of it
		found = append(found[:most-2:most-2], found[len(found)-2:]...)
	}
	return found
}
