package vcs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/godown-dev/godown"
)

// The history of a repository, for pseudo-versions: which commit a short hash
// means, and which tags are ancestors of a commit. Only commits are fetched, where the
// remote can leave out the rest.

// historyName is the repository that has all commits.
func (r *remote) historyName() string {
	r.mu.Lock()
	odd := r.oddHistory
	r.mu.Unlock()
	if r.canFilter() == "yes" && !odd {
		return "history"
	}
	return "full"
}

// fromHistory runs a git command on the history: at first as it is here, and
// if that does not settle it, again once all is here that the remote has. code
// is that with which the command ended; err says that it could not be run.
func (r *remote) fromHistory(ctx context.Context, settled func(out string) bool, args ...string) (out string, code int, err error) {
	if _, err := r.refs(ctx, r.o.TTL); err != nil { // tells whether the remote can filter
		return "", 0, err
	}
	name := r.historyName()
	if _, err := os.Stat(filepath.Join(r.dir, name, "godown-sum")); err == nil && settled != nil {
		if out, code, err := r.inHistory(ctx, name, args); err == nil && code == 0 && settled(out) {
			return out, 0, nil
		}
	}
	err = r.update(ctx, name)
	if _, odd := unknown(err); odd && name == "history" {
		// Such as a tag of a tree, which cannot be without the tree.
		r.mu.Lock()
		r.oddHistory = true
		r.mu.Unlock()
		name = "full"
		err = r.update(ctx, name)
	}
	if err != nil {
		return "", 0, err
	}
	made := r.generation(name)
	out, code, err = r.inHistory(ctx, name, args)
	if _, odd := unknown(err); !odd {
		return out, code, err
	}
	if changed, refsErr := r.hasChanged(ctx); changed || refsErr != nil {
		return "", 0, errors.Join(refsErr, errChanged) // what was asked for may be no more
	}
	if err = r.drop(ctx, name, made); err == nil {
		if err = r.update(ctx, name); err == nil {
			out, code, err = r.inHistory(ctx, name, args)
		}
	}
	return out, code, err
}

// hasChanged asks the remote, and reports whether it has other references than were known.
func (r *remote) hasChanged(ctx context.Context) (bool, error) {
	before, err := r.refs(ctx, r.o.TTL)
	if err != nil {
		return false, err
	}
	after, err := r.refs(ctx, 0)
	return err == nil && after.sum != before.sum, err
}

// inHistory runs a git command on the history as it is here.
func (r *remote) inHistory(ctx context.Context, name string, args []string) (out string, code int, err error) {
	r.reading.RLock()
	defer r.reading.RUnlock()
	data, err := r.o.run(ctx, gitRun{dir: filepath.Join(r.dir, name), args: args})
	if f, ok := unknown(err); ok && !f.broken && f.code == 1 { // its answer; others are failures
		return "", f.code, nil
	}
	return string(data), 0, err
}

// expand returns the commit that a prefix of its hash means, among those of
// branches and tags. Others, such as of pull requests, are not the project's.
func (r *remote) expand(ctx context.Context, prefix string) (string, error) {
	found := func(out string) bool {
		hash := strings.TrimSpace(out)
		return isHash(hash) && strings.HasPrefix(hash, prefix)
	}
	out, _, err := r.fromHistory(ctx, found, "rev-parse", "--verify", "--quiet", prefix+"^{commit}")
	if err != nil {
		return "", err
	}
	if !found(out) {
		return "", &godown.NotFound{Text: "unknown revision " + prefix}
	}
	return strings.TrimSpace(out), nil
}

// descends reports whether the commit has the other for an ancestor, or is it.
func (r *remote) descends(ctx context.Context, commit, ancestor string) (bool, error) {
	_, code, err := r.fromHistory(ctx, func(string) bool { return true }, "merge-base", "--is-ancestor", ancestor, commit)
	return err == nil && code == 0, err
}

// merged returns the tags, without refs/tags/, that name a commit or an ancestor of it.
func (r *remote) merged(ctx context.Context, commit string) ([]string, error) {
	out, code, err := r.fromHistory(ctx, nil, "for-each-ref", "--merged="+commit, "--format=%(refname)", "refs/tags")
	if err == nil && code != 0 {
		err = fmt.Errorf("git for-each-ref ended with %d", code)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the tags before %s: %w", commit, err)
	}
	var tags []string
	for name := range strings.Lines(out) {
		tags = append(tags, strings.TrimPrefix(strings.TrimSpace(name), "refs/tags/"))
	}
	return tags, nil
}
