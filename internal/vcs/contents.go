package vcs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/godown-dev/godown"
)

// A contentsFetcher brings whole trees of single commits, without their
// history. All that is wanted while a fetch is under way comes in the next one:
// many commits of a repository at once cost little more than one.
type contentsFetcher struct {
	mu   sync.Mutex        // guards the fields below
	have map[string]string // by commit: the repository that has it, contents or full; nil: not looked yet
	next *contentsBatch    // what the next fetch will bring; nil: nothing is wanted
	now  *contentsBatch    // what is being fetched; nil: nothing is
	busy bool              // a goroutine fetches
}

// A contentsBatch is what one fetch brings.
type contentsBatch struct {
	wants map[string]string // by commit: a reference that names it, or ""
	done  chan struct{}     // closed when errs is set
	errs  map[string]error  // by commit
}

// forget makes the fetcher look anew for what is there.
func (c *contentsFetcher) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.have = nil
}

// where returns the repository that has a commit whole, or "". made is its
// generation, no newer than the answer: who finds nothing there, as it was dropped
// in this moment, does not drop what others have fetched since.
func (r *remote) where(ctx context.Context, commit string) (dir string, made int, err error) {
	c := &r.contents
	c.mu.Lock()
	defer c.mu.Unlock()
	contents, full := r.generation("contents"), r.generation("full")
	if c.have == nil {
		if err := r.loadHave(ctx); err != nil {
			return "", 0, err
		}
	}
	dir, made = c.have[commit], contents
	if repoName(dir) == "full" {
		made = full
	}
	return dir, made, nil
}

// loadHave asks git which commits are there.
func (r *remote) loadHave(ctx context.Context) error {
	have := make(map[string]string)
	dir := filepath.Join(r.dir, "contents")
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
		out, err := r.o.run(ctx, gitRun{dir: dir, args: []string{"for-each-ref", "--format=%(refname)", "refs/godown/c"}})
		if _, ok := unknown(err); ok {
			err = os.RemoveAll(dir) // it cannot be read
		}
		if err != nil {
			return err
		}
		for name := range strings.FieldsSeq(string(out)) {
			if hash := strings.TrimPrefix(name, "refs/godown/c/"); isHash(hash) {
				have[hash] = dir
			}
		}
	}
	r.contents.have = have
	return nil
}

// need returns the repository that has the commit whole, once it is there, as where does.
// others are commits that are likely to be wanted, too.
func (r *remote) need(ctx context.Context, commit, ref string, others map[string]string) (dir string, made int, err error) {
	if dir, made, err = r.where(ctx, commit); dir != "" || err != nil {
		return dir, made, err
	}
	batch := r.enlist(commit, ref, others)
	select {
	case <-batch.done:
	case <-ctx.Done():
		return "", 0, context.Cause(ctx)
	}
	if err := batch.errs[commit]; err != nil {
		return "", 0, err
	}
	if dir, made, err = r.where(ctx, commit); dir == "" && err == nil {
		err = errChanged // it was cleared away in this moment
	}
	return dir, made, err
}

// errChanged says that what was found is no longer so, and is to be looked for anew.
var errChanged = errors.New("the repository has changed meanwhile")

// enlist returns the fetch that will bring the commit: that under way, or the next.
func (r *remote) enlist(commit, ref string, others map[string]string) *contentsBatch {
	c := &r.contents
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil {
		if _, ok := c.now.wants[commit]; ok {
			return c.now
		}
	}
	if c.next == nil {
		c.next = &contentsBatch{wants: make(map[string]string), done: make(chan struct{})}
	}
	c.next.wants[commit] = ref
	for hash, ref := range others {
		if _, ok := c.next.wants[hash]; !ok && c.have[hash] == "" {
			c.next.wants[hash] = ref
		}
	}
	if !c.busy {
		c.busy = true
		r.o.working.Go(r.fetchBatches)
	}
	return c.next
}

// fetchBatches fetches as long as something is wanted.
func (r *remote) fetchBatches() {
	c := &r.contents
	for {
		c.mu.Lock()
		batch := c.next
		c.next, c.now = nil, batch
		c.busy = batch != nil
		c.mu.Unlock()
		if batch == nil {
			return
		}
		batch.errs = r.fetchContents(r.o.closing, batch.wants)
		c.mu.Lock()
		c.now = nil // what tidy drops must come anew
		c.mu.Unlock()
		close(batch.done)
		r.o.tidy(r)
	}
}

// fetchContents brings the wanted commits, and says of those that did not come why.
func (r *remote) fetchContents(ctx context.Context, wants map[string]string) map[string]error {
	errs := make(map[string]error)
	// To ask by hash saves asking for the references once more.
	byRef := r.canFilter() != "yes"
	made := r.generation("contents")
	missing, err := r.fetchShallow(ctx, wants, byRef)
	if f, ok := unknown(err); ok && f.broken {
		if err = r.drop(ctx, "contents", made); err == nil {
			missing, err = r.fetchShallow(ctx, wants, byRef)
		}
	}
	if err != nil && len(wants) > 1 && mayBeOne(err) {
		// One of them spoils it for all: it is too large, or not there.
		for hash, ref := range wants {
			errs[hash] = r.fetchContents(ctx, map[string]string{hash: ref})[hash]
		}
		return errs
	} else if _, ok := unknown(err); ok || err != nil && isAbsent(err) {
		missing, err = nil, nil
		for hash := range wants {
			missing = append(missing, hash)
		}
	}
	if err != nil {
		for hash := range wants {
			errs[hash] = err
		}
		return errs
	}
	for _, hash := range missing {
		errs[hash] = r.fetchStubborn(ctx, hash, wants[hash], !byRef)
	}
	return errs
}

// mayBeOne reports whether what failed for many may succeed for some of them.
func mayBeOne(err error) bool {
	if _, ok := errors.AsType[*godown.Denied](err); ok {
		return false
	}
	if _, ok := errors.AsType[*godown.BadStatus](err); ok {
		return false
	}
	return !errors.Is(err, context.Canceled)
}

// fetchStubborn brings a commit that its reference no longer names, or that
// the remote does not give on its own: in the other way, else with everything.
func (r *remote) fetchStubborn(ctx context.Context, hash, ref string, byRef bool) error {
	lost, err := r.fetchShallow(ctx, map[string]string{hash: ref}, byRef)
	if err == nil && len(lost) == 0 {
		return nil
	}
	if _, ok := unknown(err); err != nil && !ok && !isAbsent(err) {
		return err
	}
	if err := r.update(ctx, "full"); err != nil {
		return err
	}
	dir := filepath.Join(r.dir, "full")
	out, err := r.o.run(ctx, gitRun{dir: dir, args: []string{"cat-file", "-t", hash}})
	if _, ok := unknown(err); ok {
		r.forgetRefs() // the tag may have moved since we looked
		return &godown.NotFound{Text: "unknown revision " + hash + ": it is no longer in the repository"}
	}
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(out)) != "commit" {
		return &godown.NotFound{Text: fmt.Sprintf("unknown revision: %s is not a commit", hash)}
	}
	r.contents.mu.Lock()
	defer r.contents.mu.Unlock()
	if r.contents.have != nil {
		r.contents.have[hash] = dir
	}
	return nil
}

// fetchShallow fetches commits without their history, and returns those that
// did not come. byRef: by the references that name them, which some remotes insist on.
func (r *remote) fetchShallow(ctx context.Context, wants map[string]string, byRef bool) (missing []string, err error) {
	var specs, check strings.Builder
	for hash, ref := range wants {
		from := hash
		if byRef && ref != "" {
			from = ref
		}
		fmt.Fprintf(&specs, "+%s:refs/godown/c/%s\n", from, hash)
		fmt.Fprintf(&check, "%s^{commit}\n", hash)
	}
	err = r.write(ctx, func() error {
		dir, err := r.repo("contents", "")
		if err != nil {
			return err
		}
		if err := r.fetch(ctx, dir, specs.String(), false, "--depth=1"); err != nil {
			return err
		}
		out, err := r.o.run(ctx, gitRun{dir: dir, args: []string{"cat-file", "--batch-check=%(objectname) %(objecttype)"}, stdin: strings.NewReader(check.String())})
		if err != nil {
			return err
		}
		found := make(map[string]bool)
		for line := range strings.Lines(string(out)) {
			if hash, ok := strings.CutSuffix(strings.TrimSpace(line), " commit"); ok {
				found[hash] = true
			}
		}
		for hash := range wants {
			if !found[hash] {
				missing = append(missing, hash)
				// The reference names something else by now.
				if _, err := r.o.run(ctx, gitRun{dir: dir, args: []string{"update-ref", "-d", "refs/godown/c/" + hash}}); err != nil {
					return err
				}
			}
		}
		r.contents.mu.Lock()
		defer r.contents.mu.Unlock()
		if r.contents.have == nil {
			r.contents.have = make(map[string]string)
		}
		for hash := range found {
			r.contents.have[hash] = dir
		}
		return nil
	})
	return missing, err
}

// fetch fetches what refspecs, a line each, say into a repository.
func (r *remote) fetch(ctx context.Context, dir, specs string, alone bool, options ...string) error {
	args := []string{"fetch", "-q", "-f", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--stdin"}
	args = append(append(args, options...), "origin")
	_, err := r.o.run(ctx, gitRun{dir: dir, args: args, stdin: strings.NewReader(specs), remote: r, alone: alone})
	return err
}

// update brings all branches and tags into the repository called full, with
// all files, or history, without, if it is not as new as what is known of the remote.
func (r *remote) update(ctx context.Context, name string) error {
	list, err := r.refs(ctx, r.o.TTL)
	if err != nil {
		return err
	}
	_, err = r.repoRuns.do(ctx, r.o.closing, &r.o.working, name, func(ctx context.Context) (struct{}, error) {
		made := r.generation(name)
		err := r.updateAll(ctx, name, list)
		if f, ok := unknown(err); ok && f.broken {
			if err = r.drop(ctx, name, made); err == nil {
				err = r.updateAll(ctx, name, list)
			}
		}
		if err == nil {
			r.o.tidy(r)
		}
		return struct{}{}, err
	})
	return err
}

func (r *remote) updateAll(ctx context.Context, name string, list *refList) error {
	return r.write(ctx, func() error {
		partial := ""
		var options []string
		if name == "history" {
			partial = "tree:0"
			options = []string{"--filter=" + partial}
		}
		dir, err := r.repo(name, partial)
		if err != nil {
			return err
		}
		mark := filepath.Join(dir, "godown-sum")
		if data, err := os.ReadFile(mark); err == nil && string(data) == list.sum {
			return nil
		}
		specs := "+refs/heads/*:refs/heads/*\n+refs/tags/*:refs/tags/*\n"
		if list.names["HEAD"] != "" {
			specs += "+HEAD:refs/godown/head\n"
		}
		if err := r.fetch(ctx, dir, specs, false, append(options, "--prune", "--update-shallow")...); err != nil {
			return err
		}
		return os.WriteFile(mark, []byte(list.sum), 0o600)
	})
}
