package vcs

import "time"

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
