package mirror

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A said is what one mirror said of something that mirrors may differ in.
type said struct {
	m        *member // nil: one or several have failed
	data     []byte
	err      error
	fleeting error // of a mirror that is well and may do better when it is asked again
}

// A survey is what several mirrors have said.
type survey struct{ given, missing, failed []said }

const (
	// leastGrace and mostGrace bound how long a second opinion is waited for when the first is there.
	leastGrace = 100 * time.Millisecond
	mostGrace  = 2 * time.Second
)

// list returns the union of what mirrors say: of two, and of all if these
// differ, as mirrors lag.
func (p *Pool) list(ctx context.Context, req godown.Request) (*godown.File, error) {
	opinions, err := p.opinions(ctx, req)
	if err != nil {
		return nil, err
	}
	var versions, names []string
	for _, o := range opinions {
		for line := range strings.Lines(string(o.data)) {
			if fields := strings.Fields(line); len(fields) > 0 {
				versions = append(versions, fields[0]) // some add the time
			}
		}
		names = append(names, o.m.name)
	}
	if len(opinions) == 1 {
		return p.opinion(ctx, req, opinions[0].data, names, opinions), nil
	}
	slices.SortFunc(versions, func(a, b string) int { return cmp.Or(semver.Compare(a, b), cmp.Compare(a, b)) })
	var b bytes.Buffer
	for _, v := range slices.Compact(versions) {
		b.WriteString(v + "\n")
	}
	return p.opinion(ctx, req, b.Bytes(), names, opinions), nil
}

// latest returns the newest of what mirrors say that is really there.
func (p *Pool) latest(ctx context.Context, req godown.Request) (*godown.File, error) {
	opinions, err := p.opinions(ctx, req)
	if err != nil {
		return nil, err
	}
	version := func(o said) string {
		var info struct{ Version string }
		if json.Unmarshal(o.data, &info) != nil {
			return ""
		}
		return info.Version
	}
	slices.SortStableFunc(opinions, func(a, b said) int { return -compareLatest(version(a), version(b)) })
	for i, o := range opinions {
		rest := opinions[i:]
		if same := !slices.ContainsFunc(rest, func(r said) bool { return version(r) != version(o) }); same || p.there(ctx, req.Path, version(o)) {
			return p.opinion(ctx, req, o.data, []string{o.m.name}, []said{o}), nil
		}
	}
	return nil, err
}

// there reports whether a version exists, unless that cannot be told.
func (p *Pool) there(ctx context.Context, path, version string) bool {
	req := godown.Request{Kind: godown.Info, Path: path, Version: version}
	if !req.Fixed() {
		return false
	}
	_, err := p.small(ctx, req, nil)
	return !errors.Is(err, fs.ErrNotExist)
}

// compareLatest orders versions as the go command's "latest" does: releases
// before pre-releases before pseudo-versions; each by age.
func compareLatest(a, b string) int {
	class := func(v string) int {
		switch {
		case !semver.IsValid(v):
			return 0
		case module.IsPseudoVersion(v):
			return 1
		case semver.Prerelease(v) != "":
			return 2
		}
		return 3
	}
	if c := cmp.Compare(class(a), class(b)); c != 0 {
		return c
	}
	if class(a) == 1 {
		ta, _ := module.PseudoVersionTime(a)
		tb, _ := module.PseudoVersionTime(b)
		if c := ta.Compare(tb); c != 0 {
			return c
		}
	}
	return semver.Compare(a, b)
}

// opinion makes a File of what was said by some.
func (p *Pool) opinion(ctx context.Context, req godown.Request, data []byte, names []string, by []said) *godown.File {
	f := godown.NewFile(data)
	f.Origin = strings.Join(names, ", ")
	f.Reject = func(ctx context.Context, why error) (*godown.File, error) {
		// Which of several was wrong is not known here; one of them will do.
		var except []*member
		for _, o := range by {
			if len(by) == 1 {
				o.m.blame(req, why)
				except = append(except, o.m)
			}
		}
		return p.instead(ctx, req, why, except, p.small)
	}
	return f
}

// opinions returns what two mirrors say, or all if these differ. It is not an
// error if some of them fail, or if only some do not know of the module.
func (p *Pool) opinions(ctx context.Context, req godown.Request) ([]said, error) {
	opinions, _, err := again(ctx, p, req, nil, func(l lineup) ([]said, *member, error) {
		return p.gather(ctx, req, l)
	})
	return opinions, err
}

// gather asks those in l: two at first.
func (p *Pool) gather(ctx context.Context, req godown.Request, l lineup) ([]said, *member, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errLost)
	want := min(2, len(l.order))
	answers := make(chan said, 2*len(p.members)+2)
	ask := func(order []*member, weak bool) {
		c := p.newContest(req, lineup{order: order}, readSmall(req))
		if weak {
			c.order, c.last = nil, order
		}
		c.agree = 1
		p.working.Go(func() {
			r, m, err := c.run(ctx)
			if len(c.missing) > 0 {
				m = c.missing[0].m
			}
			answers <- said{m, r.data, err, c.fleeting}
		})
	}
	// Whoever fails is replaced by the next, but never by the other one asked.
	first, spare := slices.Clone(l.order[:want]), l.order[want:]
	weak := len(first) == 0
	if weak {
		first, spare, l.last = l.last, nil, nil
	}
	for i, m := range first {
		var mine []*member
		for j, s := range spare {
			if j%len(first) == i {
				mine = append(mine, s)
			}
		}
		ask(append([]*member{m}, mine...), weak)
	}
	var all survey
	left := len(first) - p.collect(ctx, answers, len(first), 0, first, &all)
	if all.differs() || len(all.given) == 0 && len(all.missing) < agreeing {
		heard := func(m *member) bool {
			return slices.ContainsFunc(slices.Concat(all.given, all.missing), func(s said) bool { return s.m == m })
		}
		others, grace := slices.DeleteFunc(slices.Clone(spare), heard), mostGrace
		for _, m := range others {
			ask([]*member{m}, weak)
		}
		if len(all.given) == 0 {
			grace = 0
			if len(others) == 0 && len(all.missing) > 0 {
				grace = confirmPatience
			}
			for _, m := range l.last {
				ask([]*member{m}, true)
			}
			others = append(others, l.last...)
		}
		p.collect(ctx, answers, left+len(others), grace, others, &all)
	}
	return all.conclude()
}

// conclude makes one of all that was said, or an error.
func (s *survey) conclude() ([]said, *member, error) {
	if len(s.given) > 0 {
		return s.given, nil, nil
	}
	if len(s.missing) > 0 {
		absent := s.missing[0].err
		fleeting := func(f said) bool { return f.fleeting != nil }
		if i := slices.IndexFunc(s.failed, fleeting); i >= 0 && len(s.missing) < agreeing {
			return nil, nil, &unsure{absent, s.failed[i].fleeting}
		}
		return nil, nil, absent
	}
	var errs []error
	for _, f := range s.failed {
		errs = append(errs, f.err)
	}
	if len(errs) == 0 {
		errs = append(errs, fmt.Errorf("no mirror has answered: %w", godown.ErrStalled))
	}
	return nil, nil, joinFailures(errs)
}

// differs reports whether two mirrors do not say the same.
func (s *survey) differs() bool {
	return len(s.missing) == 1 && len(s.given) == 1 || len(s.given) == 2 && !bytes.Equal(s.given[0].data, s.given[1].data)
}

// collect waits for n answers from those who were asked, at most for a time that
// is not 0. Once there is one, it waits for the others only a little longer, but
// as long as they usually take; once one has said "not found", as long as a
// mirror may stall. It returns how many there were.
func (p *Pool) collect(ctx context.Context, answers <-chan said, n int, most time.Duration, asked []*member, all *survey) int {
	start := time.Now()
	var grace <-chan time.Time
	wait := func(d time.Duration) { grace = time.After(d) }
	if most > 0 {
		wait(most)
	}
	for i := range n {
		select {
		case s := <-answers:
			switch {
			case s.err == nil:
				all.given = append(all.given, s)
				took := time.Since(start)
				wait(min(max(2*took, leastGrace, all.usual(asked)-took), mostGrace))
			case errors.Is(s.err, fs.ErrNotExist):
				all.missing = append(all.missing, s)
				if grace == nil {
					wait(p.Stall)
				}
			default:
				all.failed = append(all.failed, s)
			}
		case <-grace:
			return i
		case <-ctx.Done():
			all.failed = append(all.failed, said{err: context.Cause(ctx)})
			return i
		}
	}
	return n
}

// usual returns the time in which those who were asked and have said nothing yet usually answer.
func (s *survey) usual(asked []*member) (most time.Duration) {
	for _, m := range asked {
		if !slices.ContainsFunc(slices.Concat(s.given, s.missing), func(o said) bool { return o.m == m }) {
			most = max(most, m.usual())
		}
	}
	return most
}

// usual returns the time in which m answers almost always.
func (m *member) usual() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p95, _ := m.learnt.percentiles(); p95 > 0 {
		return p95 + p95/2
	}
	return max(firstPatience, 2*m.learnt.first)
}
