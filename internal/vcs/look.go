package vcs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godown-dev/godown"
)

// A snapshot is what is known of the files of one commit. It is guarded by the
// mutex of its remote.
type snapshot struct {
	time  time.Time
	files map[string][]byte // by path; nil: there is no such file
}

// A thrift says how much may be fetched to learn something of a commit.
type thrift int

const (
	little   thrift = iota // it is one of many, whose zips nobody has asked for
	probably               // its zip will probably be wanted
	whole                  // its zip is wanted
)

// looked is an answer of look.
type looked struct {
	time  time.Time
	files map[string][]byte // by path; nil: there is no such file
}

// look returns when a commit was made, and what its files at the given paths
// hold. ref is a reference that names the commit, or "".
func (r *remote) look(ctx context.Context, commit, ref string, how thrift, paths ...string) (looked, error) {
	if l, ok := r.recall(commit, paths); ok {
		return l, nil
	}
	dir, _, err := r.where(ctx, commit)
	if err != nil {
		return looked{}, err
	}
	if dir == "" && how != whole && r.thrifty(how, commit) && r.isVersionTag(ref) {
		l, err := r.lookAtTips(ctx, commit, ref, paths)
		if err == nil {
			return l, nil
		}
		if _, odd := unknown(err); !odd && !errors.Is(err, errMissing) {
			return looked{}, err
		}
		// What cannot be had cheaply is had dearly.
	}
	for attempt := 0; ; attempt++ {
		var others map[string]string
		if how == whole {
			others = r.takeHints(commit)
		}
		var made int
		if dir, made, err = r.need(ctx, commit, ref, others); errors.Is(err, errChanged) && attempt < maxAttempts {
			continue
		}
		if err != nil {
			return looked{}, err
		}
		l, err := r.lookInto(ctx, dir, commit, paths)
		_, odd := unknown(err)
		if err == nil || attempt >= maxAttempts || !odd && !errors.Is(err, errMissing) && !errors.Is(err, errChanged) {
			return l, err
		}
		if err := r.drop(ctx, repoName(dir), made); err != nil {
			return looked{}, err
		}
	}
}

// thrifty reports whether all tags should be looked at rather than this commit
// fetched whole: if that is all that is wanted; if nothing was fetched yet, as
// many versions at once cost a remote less than one and then the others; or if
// other versions wait for their zips, too. The remote must be able to leave things out.
func (r *remote) thrifty(how thrift, commit string) bool {
	if r.canFilter() != "yes" {
		return false
	}
	r.contents.mu.Lock()
	cold := len(r.contents.have) == 0 && !r.contents.busy
	r.contents.mu.Unlock()
	if how == little || cold {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for hash, h := range r.hints {
		if hash != commit && time.Since(h.when) < hintTTL {
			return true
		}
	}
	return false
}

// recall returns what was looked at before.
func (r *remote) recall(commit string, paths []string) (looked, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.seen[commit]
	if !ok {
		return looked{}, false
	}
	l := looked{time: s.time, files: make(map[string][]byte)}
	for _, p := range paths {
		data, ok := s.files[p]
		if !ok {
			return looked{}, false
		}
		l.files[p] = data
	}
	return l, true
}

// keep remembers what was looked at.
func (r *remote) keep(commit string, l looked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.seen[commit]
	if !ok {
		if len(r.seen) >= maxSeen {
			clear(r.seen)
		}
		s = &snapshot{time: l.time, files: make(map[string][]byte)}
		r.seen[commit] = s
	}
	for p, data := range l.files {
		if len(data) <= maxKept {
			s.files[p] = data
		}
	}
}

// maxAttempts is how often what is here is made anew for one request, as it is
// broken or was cleared away meanwhile.
const maxAttempts = 3

// maxKept is how large a file may be to be remembered, in bytes.
const maxKept = 64 << 10

// lookInto reads in a repository that has the commit whole.
func (r *remote) lookInto(ctx context.Context, dir, commit string, paths []string) (looked, error) {
	r.reading.RLock()
	defer r.reading.RUnlock()
	b, err := r.objects(ctx, dir)
	if err != nil {
		return looked{}, err
	}
	defer b.close()
	l, missing, err := r.lookWith(b, commit, paths, make(map[string]map[string]treeEntry), func(string) bool { return true })
	if err != nil {
		return l, err
	}
	if len(missing) > 0 {
		return l, errMissing
	}
	r.keep(commit, l)
	return l, nil
}

// lookWith reads with b the files of which have reports that they are there,
// and returns the names of the others by their paths.
func (r *remote) lookWith(b *objects, commit string, paths []string, known map[string]map[string]treeEntry, have func(id string) bool) (l looked, missing map[string]string, err error) {
	c, err := b.commit(commit)
	if errors.Is(err, errNotCommit) {
		return l, nil, &godown.NotFound{Text: "unknown revision: " + err.Error()}
	}
	if err != nil {
		return l, nil, err
	}
	l = looked{time: c.time, files: make(map[string][]byte)}
	missing = make(map[string]string)
	for _, p := range paths {
		e, ok, err := b.walk(c.tree, p, known)
		if err != nil {
			return l, nil, err
		}
		if !ok || !e.isFile() {
			l.files[p] = nil
			continue
		}
		if !have(e.id) {
			missing[p] = e.id
			continue
		}
		_, data, err := b.read(e.id, maxFile)
		if large, ok := errors.AsType[*tooLarge](err); ok {
			return l, nil, &godown.NotFound{Text: fmt.Sprintf("at revision %.12s, %s: %v", commit, p, large)}
		}
		if err != nil {
			return l, nil, err
		}
		l.files[p] = data // never nil: an empty file is one
	}
	return l, missing, nil
}
