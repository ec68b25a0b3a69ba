package vcs

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Tips are the commits of all version tags, with the first levels of their
// trees and no files but those that were asked for: with two small fetches
// every version of a module can be told from what is none.

const maxTips = 2000 // tags that are looked at together

// isVersionTag reports whether a reference is a tag that can be a version's.
func (r *remote) isVersionTag(ref string) bool {
	tag, ok := strings.CutPrefix(ref, "refs/tags/")
	return ok && canBeVersion(tag[strings.LastIndexByte(tag, '/')+1:])
}

// lookAtTips looks at a tag, and on the way at the others of the same module.
func (r *remote) lookAtTips(ctx context.Context, commit, ref string, paths []string) (looked, error) {
	list, err := r.refs(ctx, r.o.TTL)
	if err != nil {
		return looked{}, err
	}
	depth := 0
	for _, p := range paths {
		depth = max(depth, strings.Count(p, "/")+1)
	}
	wants := tipsBeside(list, ref)
	wants[commit] = ref
	name := fmt.Sprintf("tips-%d", depth)
	for attempt := 0; ; attempt++ {
		made := r.generation(name)
		err := r.fetchTips(ctx, name, depth, commit, wants)
		if err == nil {
			err = r.readTips(ctx, name, wants, paths)
		}
		if err == nil {
			break
		}
		if f, ok := unknown(err); !ok || !f.broken || attempt > 0 {
			return looked{}, err
		}
		if err := r.drop(ctx, name, made); err != nil {
			return looked{}, err
		}
	}
	if l, ok := r.recall(commit, paths); ok {
		return l, nil
	}
	return looked{}, errMissing
}

// tipsBeside returns the newest version tags with the same folder as ref, by their commits.
func tipsBeside(list *refList, ref string) map[string]string {
	tag := strings.TrimPrefix(ref, "refs/tags/")
	dir := tag[:strings.LastIndexByte(tag, '/')+1]
	tags, _ := list.tagsWith(dir + "v")
	tags = slices.DeleteFunc(tags, func(t string) bool { return !canBeVersion(t[len(dir):]) })
	slices.SortFunc(tags, func(a, b string) int { return semver.Compare(b[len(dir):], a[len(dir):]) })
	wants := make(map[string]string)
	for _, t := range tags[:min(len(tags), maxTips)] {
		wants["refs/tags/"+t] = list.names["refs/tags/"+t]
	}
	byCommit := make(map[string]string)
	for ref, hash := range wants {
		if other, ok := byCommit[hash]; !ok || ref < other {
			byCommit[hash] = ref
		}
	}
	return byCommit
}

// fetchTips fetches the commits of tags, with the first levels of their trees,
// unless the wanted one is there.
func (r *remote) fetchTips(ctx context.Context, name string, depth int, commit string, wants map[string]string) error {
	_, err := r.repoRuns.do(ctx, r.o.closing, &r.o.working, name+" "+commit, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.write(ctx, func() error {
			filter := fmt.Sprintf("tree:%d", depth)
			dir, err := r.repo(name, filter)
			if err != nil {
				return err
			}
			have, err := r.o.run(ctx, gitRun{dir: dir, args: []string{"for-each-ref", "--format=%(refname)", "refs/godown/c"}})
			if err != nil {
				return err
			}
			there := make(map[string]bool)
			for ref := range strings.FieldsSeq(string(have)) {
				there[strings.TrimPrefix(ref, "refs/godown/c/")] = true
			}
			if there[commit] {
				return nil
			}
			var specs strings.Builder
			for hash := range wants {
				if !there[hash] {
					fmt.Fprintf(&specs, "+%s:refs/godown/c/%s\n", hash, hash)
				}
			}
			return r.fetch(ctx, dir, specs.String(), true, "--depth=1", "--filter="+filter)
		})
	})
	return err
}

// readTips reads the files at the paths in all tips, those that are missing
// after one more fetch.
func (r *remote) readTips(ctx context.Context, name string, wants map[string]string, paths []string) error {
	_, err := r.repoRuns.do(ctx, r.o.closing, &r.o.working, name+" "+strings.Join(paths, " "), func(ctx context.Context) (struct{}, error) {
		dir := filepath.Join(r.dir, name)
		files := make(map[string][]byte) // by object
		known := make(map[string]map[string]treeEntry)
		missing, err := r.readTipsOnce(ctx, dir, wants, paths, known, files)
		if err != nil || len(missing) == 0 {
			return struct{}{}, err
		}
		// That is what git does itself where it lacks an object, one by one.
		err = r.write(ctx, func() error {
			return r.fetch(ctx, dir, strings.Join(missing, "\n")+"\n", true, "--filter=blob:none")
		})
		if err != nil {
			return struct{}{}, err
		}
		for _, id := range missing {
			files[id] = nil
		}
		_, err = r.readTipsOnce(ctx, dir, wants, paths, known, files)
		return struct{}{}, err
	})
	return err
}

// readTipsOnce keeps what can be read of the tips. files has those that are
// there, by their objects; the names of the others are returned.
func (r *remote) readTipsOnce(ctx context.Context, dir string, wants map[string]string, paths []string, known map[string]map[string]treeEntry, files map[string][]byte) (missing []string, err error) {
	r.reading.RLock()
	defer r.reading.RUnlock()
	b, err := r.objects(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer b.close()
	lacks := make(map[string]bool)
	for commit := range wants {
		if _, ok := r.recall(commit, paths); ok {
			continue
		}
		l, miss, err := r.lookWith(b, commit, paths, known, func(id string) bool { _, ok := files[id]; return ok })
		if isAbsent(err) {
			continue // a tag of something else than a commit
		}
		if err != nil {
			return nil, err
		}
		for _, id := range miss {
			lacks[id] = true
		}
		if len(miss) == 0 {
			r.keep(commit, l)
		}
	}
	for id := range lacks {
		missing = append(missing, id)
	}
	return missing, nil
}
