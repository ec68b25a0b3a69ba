package vcs

import (
	"context"
	"time"
)

// hint notes that a version's .info was asked for: the go command does so for
// versions whose zips it will want, and for them alone. They are fetched along
// with the first of them that is.
func (r *remote) hint(c commit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.hints) >= maxHints {
		for hash, h := range r.hints {
			if time.Since(h.when) > hintTTL {
				delete(r.hints, hash)
			}
		}
	}
	if len(r.hints) < maxHints && c.ref != "" {
		r.hints[c.hash] = hint{c.ref, time.Now()}
	}
}

// takeHints returns the references, by their commits, that will probably be
// wanted soon, for one who wants the given commit.
func (r *remote) takeHints(commit string) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	wants := make(map[string]string)
	for hash, h := range r.hints {
		if hash != commit && time.Since(h.when) <= hintTTL {
			wants[hash] = h.ref
		}
	}
	clear(r.hints)
	return wants
}

// fetchHinted begins to fetch what will probably be wanted of other remotes than
// one of which a zip is wanted now: who has asked for versions and begins to
// take their zips goes on to the others.
func (o *Origin) fetchHinted(ctx context.Context, than *remote) {
	var others []*remote
	o.mu.Lock()
	for _, r := range o.remotes {
		if r != than && r.hinted() {
			others = append(others, r)
		}
	}
	o.mu.Unlock()
	for _, r := range others {
		wants := r.takeHints("")
		for hash, ref := range wants {
			if dir, err := r.where(ctx, hash); err != nil || dir != "" {
				delete(wants, hash)
				continue
			}
			r.enlist(hash, ref, wants)
			break
		}
	}
}

// hinted reports whether something will probably be wanted.
func (r *remote) hinted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.hints) > 0
}
