package vcs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	maxPacks    = 60          // fetches after which a repository is made anew: git searches all packs for each object
	tidyTimeout = time.Minute // waiting for another process to let go of a repository
	oldTemp     = time.Minute // age beyond that of the longest command, from which on a file in tmp is a leftover
)

// tidy bounds what is kept, after something was fetched for r: a repository of
// many packs is dropped, and so are the remotes that were used least recently,
// until all together are no more than MaxSize.
func (o *Origin) tidy(r *remote) {
	o.sweepTemp()
	ctx, cancel := context.WithTimeout(o.closing, tidyTimeout)
	defer cancel()
	for _, name := range subfolders(r.dir) {
		packs, _ := filepath.Glob(filepath.Join(r.dir, name, "objects", "pack", "*.pack"))
		if len(packs) > maxPacks {
			_ = r.drop(ctx, name, r.generation(name)) // as good as before, but for the time to fetch it
		}
	}
	type kept struct {
		dir  string
		size int64
		used time.Time
	}
	var all []kept
	var total int64
	repos := filepath.Join(o.Dir, "repos")
	for _, name := range subfolders(repos) {
		dir := filepath.Join(repos, name)
		k := kept{dir: dir, size: o.sizeOf(dir, dir == r.dir)}
		if info, err := os.Stat(dir); err == nil {
			k.used = info.ModTime()
		}
		total += k.size
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b kept) int { return cmp.Compare(a.used.UnixNano(), b.used.UnixNano()) })
	for _, k := range all {
		if total <= o.MaxSize {
			return
		}
		if o.evict(ctx, k.dir) {
			total -= k.size
		}
	}
}

// sizeOf returns how many bytes a remote's repositories take: as they were when
// last counted, unless they are to be counted anew.
func (o *Origin) sizeOf(dir string, anew bool) int64 {
	o.mu.Lock()
	n, ok := o.sizes[dir]
	o.mu.Unlock()
	if ok && !anew {
		return n
	}
	n = folderSize(dir)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sizes[dir] = n
	return n
}

// evict removes all that is kept of a remote, unless somebody uses it now.
func (o *Origin) evict(ctx context.Context, dir string) bool {
	var in []*remote // there is one for each way in which it is reached
	o.mu.Lock()
	for _, r := range o.remotes {
		if r.dir == dir {
			in = append(in, r)
		}
	}
	o.mu.Unlock()
	if mark, err := os.OpenFile(filepath.Join(dir, usedMark), os.O_RDWR|os.O_CREATE, 0o600); err == nil {
		defer mark.Close()
		if !tryLock(mark) {
			return false
		}
	}
	if in == nil { // of an earlier process, or of another
		in = []*remote{{o: o, dir: dir, writing: make(chan struct{}, 1), seen: make(map[string]*snapshot)}}
	}
	for _, r := range in {
		r.mu.Lock()
		busy := r.users > 0
		r.mu.Unlock()
		if busy {
			return false
		}
	}
	ok := true
	for _, name := range subfolders(dir) {
		for _, r := range in {
			ok = r.drop(ctx, name, r.generation(name)) == nil && ok
		}
	}
	o.sizeOf(dir, true)
	return ok
}

// sweepTemp removes the temporary files of processes that are no more.
func (o *Origin) sweepTemp() {
	dir := filepath.Join(o.Dir, "tmp")
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && time.Since(info.ModTime()) > oldTemp+o.Timeout {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

// subfolders returns the names of the folders in dir.
func subfolders(dir string) []string {
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// folderSize returns how many bytes the files in dir have.
func folderSize(dir string) int64 {
	var n int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}
