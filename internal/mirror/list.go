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
	m    *member
	data []byte
	err  error
}

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
		versions = append(versions, strings.Fields(string(o.data))...)
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
	ask := func(order []*member) {
		c := p.newContest(req, lineup{order: order}, readSmall(req))
		c.agree = 1
		p.working.Go(func() {
			r, m, err := c.run(ctx)
			if len(c.missing) > 0 {
				m = c.missing[0].m
			}
			answers <- said{m, r.data, err}
		})
	}
	// Whoever fails is replaced by the next, but never by the other one asked.
	first, spare := slices.Clone(l.order[:want]), l.order[want:]
	if len(first) == 0 {
		first, spare, l.last = l.last, nil, nil
	}
	for i, m := range first {
		var mine []*member
		for j, s := range spare {
			if j%len(first) == i {
				mine = append(mine, s)
			}
		}
		ask(append([]*member{m}, mine...))
	}
	given, missing, errs := p.collect(ctx, answers, len(first), 0)
	heardOf := len(given) + len(missing) + len(errs)
	if differ(given, missing) || len(given) == 0 && len(missing) < agreeing {
		heard := func(m *member) bool {
			return slices.ContainsFunc(slices.Concat(given, missing), func(s said) bool { return s.m == m })
		}
		others, grace := slices.DeleteFunc(slices.Clone(spare), heard), mostGrace
		if len(given) == 0 {
			others, grace = append(others, l.last...), 0
			if len(others) == len(l.last) && len(missing) > 0 {
				grace = confirmPatience
			}
		}
		for _, m := range others {
			ask([]*member{m})
		}
		given2, missing2, errs2 := p.collect(ctx, answers, len(first)-heardOf+len(others), grace)
		given, missing, errs = append(given, given2...), append(missing, missing2...), append(errs, errs2...)
	}
	if len(given) > 0 {
		return given, nil, nil
	}
	if len(missing) > 0 {
		return nil, nil, missing[0].err
	}
	if len(errs) == 0 {
		errs = append(errs, fmt.Errorf("no mirror has answered: %w", godown.ErrStalled))
	}
	return nil, nil, joinFailures(errs)
}

// differ reports whether two mirrors do not say the same.
func differ(given, missing []said) bool {
	return len(missing) == 1 && len(given) == 1 || len(given) == 2 && !bytes.Equal(given[0].data, given[1].data)
}

// collect waits for n answers, at most for a time that is not 0. Once there is
// one, it waits for the others only a little longer; once one has said "not
// found", as long as a mirror may stall.
func (p *Pool) collect(ctx context.Context, answers <-chan said, n int, most time.Duration) (given, missing []said, errs []error) {
	start := time.Now()
	var grace <-chan time.Time
	wait := func(d time.Duration) { grace = time.After(d) }
	if most > 0 {
		wait(most)
	}
	for range n {
		select {
		case s := <-answers:
			switch {
			case s.err == nil:
				given = append(given, s)
				wait(min(max(2*time.Since(start), leastGrace), mostGrace))
			case errors.Is(s.err, fs.ErrNotExist):
				missing = append(missing, s)
				if grace == nil {
					wait(p.Stall)
				}
			default:
				errs = append(errs, s.err)
			}
		case <-grace:
			return given, missing, errs
		case <-ctx.Done():
			return given, missing, append(errs, context.Cause(ctx))
		}
	}
	return given, missing, errs
}
