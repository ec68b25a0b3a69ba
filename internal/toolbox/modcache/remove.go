package modcache

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path"
	"path/filepath"
	"strconv"
	"time"
)

// A removing is a version on its way out of a GoCache.
//
// A go command looks at a version without a lock, in this order: is the folder
// there, with a .ziphash and without a .partial? Then it reads the .ziphash, and
// the folder's files. Else: is the zip there, with a .ziphash? Else it takes the
// lock and fetches it. If not for all it takes the lock and unpacks the zip.
//
// So the steps are, each under the lock, for all versions before the next step,
// and with a pause between them in which who has seen the old state is through:
//
//  1. The zip goes. Who uses the folder does not need it; who wants it fetches it.
//  2. The folder is moved aside as a whole. Who wants it now finds no zip, and
//     fetches it; the .ziphash is still there for who has seen the folder.
//  3. The .ziphash goes, and what is left.
//
// Whoever fetches the version between the steps wants it: it is left to him, as
// whole as he has made it.
type removing struct {
	index int // in the results
	*Result
	lock  string
	aside string // where the folder is now
	done  bool   // nothing is left to do, or to be done
}

// Remove removes versions, clones and leftovers.
func (c *GoCache) Remove(ctx context.Context, what []Removal, tell func(done int)) []Result {
	if c.root == nil {
		return nil
	}
	results := make([]Result, len(what))
	ended := make([]bool, len(what))
	var versions []*removing
	done := 0
	end := func(i int) {
		ended[i] = true
		done++
		tell(done)
	}
	for i, r := range what {
		results[i].Removal = r
		if r.Version != nil {
			lock, err := downloadName(r.Version.Path, r.Version.Version, "lock")
			results[i].Err = err
			versions = append(versions, &removing{index: i, Result: &results[i], lock: lock, done: err != nil})
		}
	}
	for _, step := range []func(context.Context, *removing) error{c.removeZip, c.moveAside, c.removeRest} {
		var last time.Time
		for _, v := range versions {
			if v.done || ctx.Err() != nil {
				continue
			}
			if err := step(ctx, v); err != nil && !(ctx.Err() != nil && errors.Is(err, ctx.Err())) {
				v.Err, v.done = err, true
			}
			last = time.Now()
			c.removeAside(v)
			if v.done {
				end(v.index)
			}
		}
		if !last.IsZero() {
			c.settle(ctx, last)
		}
	}
	lists := make(map[string]bool)
	for _, v := range versions {
		if v.Err == nil && v.done && !v.Back && !v.KeepMod && v.Version.mod {
			lists[v.Version.Path] = true
		}
	}
	c.rewriteLists(ctx, lists, versions)
	for i, r := range what {
		if r.Version == nil && ctx.Err() == nil {
			results[i].Err = c.removeOther(ctx, r)
			end(i)
		}
	}
	var all []Result
	for i, r := range results {
		if ended[i] || r.Err != nil {
			all = append(all, r)
		}
	}
	return all
}

func settle(ctx context.Context, last time.Time) {
	timer := time.NewTimer(grace - time.Since(last)) // at once if that is over
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// removeZip is the first step.
func (c *GoCache) removeZip(ctx context.Context, v *removing) error {
	if !v.Version.zip {
		return nil
	}
	return c.locked(ctx, v.lock, func() error {
		if c.isNewer(v.Version) {
			v.Back, v.done = true, true
			return nil
		}
		return c.remove(v.Version, "zip")
	})
}

// isNewer reports whether the zip or the folder was made after the scan: somebody
// wants the version, and as long as a question waits for its answer that may be.
func (c *GoCache) isNewer(v *Version) bool {
	zip, err1 := downloadName(v.Path, v.Version, "zip")
	folder, err2 := folderName(v.Path, v.Version)
	if err1 != nil || err2 != nil {
		return false
	}
	for _, name := range []string{zip, folder} {
		if info, err := c.root.Lstat(filepath.FromSlash(name)); err == nil && info.ModTime().After(v.Fetched) {
			return true
		}
	}
	return false
}

// moveAside is the second step.
func (c *GoCache) moveAside(ctx context.Context, v *removing) error {
	if !v.Version.folder && !v.Version.partial {
		return nil
	}
	return c.locked(ctx, v.lock, func() (err error) {
		if c.has(v.Version, "zip") || c.isNewer(v.Version) {
			v.Back, v.done = true, true
			return nil
		}
		folder, err := folderName(v.Version.Path, v.Version.Version)
		if err != nil {
			return err
		}
		if v.aside, err = c.aside(folder); err == nil {
			// Not before: without it, what is not whole would be used.
			err = c.remove(v.Version, "partial")
		}
		return err
	})
}

// removeRest is the last step.
func (c *GoCache) removeRest(ctx context.Context, v *removing) error {
	v.done = true
	exts := []string{"ziphash"}
	if !v.KeepMod {
		exts = append(exts, "info", "mod")
	}
	work := func() error {
		folder, err := folderName(v.Version.Path, v.Version.Version)
		if err != nil {
			return err
		}
		if _, err := c.root.Lstat(filepath.FromSlash(folder)); err == nil || c.has(v.Version, "zip") {
			v.Back = true
			return nil
		}
		for _, ext := range exts {
			if err := c.remove(v.Version, ext); err != nil {
				return err
			}
		}
		return nil
	}
	if !v.Version.whole() && !v.Version.partial {
		return work() // .info and .mod are written without a lock
	}
	err := c.locked(ctx, v.lock, work)
	if err == nil && !v.Back {
		// How long ago it was decides when the lock file itself may go.
		now := time.Now()
		_ = c.root.Chtimes(filepath.FromSlash(v.lock), now, now)
	}
	return err
}

// locked does work under a lock.
func (c *GoCache) locked(ctx context.Context, lock string, work func() error) error {
	unlock, err := c.lock(ctx, lock)
	if err != nil {
		return err
	}
	defer unlock()
	return work()
}

// has reports whether a file of a version is there.
func (c *GoCache) has(v *Version, ext string) bool {
	name, err := downloadName(v.Path, v.Version, ext)
	if err == nil {
		_, err = c.root.Lstat(filepath.FromSlash(name))
	}
	return err == nil
}

// remove removes a file of a version.
func (c *GoCache) remove(v *Version, ext string) error {
	name, err := downloadName(v.Path, v.Version, ext)
	if err == nil {
		err = c.root.Remove(filepath.FromSlash(name))
	}
	return present(err)
}

// present drops the error that something is not there.
func present(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// aside moves a folder to where nobody looks for it, and returns the name.
func (c *GoCache) aside(folder string) (string, error) {
	if err := c.mounted(folder); err != nil {
		return "", err
	}
	to := folder + asideMark + strconv.FormatUint(uint64(rand.Uint32()), 10)
	from := filepath.FromSlash(folder)
	err := c.root.Rename(from, filepath.FromSlash(to))
	if errors.Is(err, fs.ErrPermission) && c.root.Chmod(from, 0o755) == nil {
		// Some systems want to write into what they move.
		err = c.root.Rename(from, filepath.FromSlash(to))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return to, nil
}

// removeAside removes what was moved aside; that may take a while, and needs no lock.
func (c *GoCache) removeAside(v *removing) {
	if v.aside == "" {
		return
	}
	if err := c.removeTree(v.aside); err != nil && v.Err == nil {
		v.Err = err
	}
	v.aside = ""
}

// removeTree removes a folder whose folders may be read-only, as the go command makes them.
func (c *GoCache) removeTree(name string) error {
	if err := c.mounted(name); err != nil {
		return err
	}
	name = filepath.FromSlash(name)
	_ = fs.WalkDir(c.root.FS(), filepath.ToSlash(name), func(p string, e fs.DirEntry, err error) error {
		if e == nil || !e.IsDir() {
			return nil
		}
		if err != nil {
			return fs.SkipDir // it could not be read even after it was made so
		}
		// The walk reads a folder after this.
		if info, err := e.Info(); err == nil && info.Mode()&0o700 != 0o700 {
			_ = c.root.Chmod(filepath.FromSlash(p), info.Mode().Perm()|0o700)
		}
		return nil
	})
	return present(c.root.RemoveAll(name))
}

// parents removes the folders above name that are empty now.
func (c *GoCache) parents(name string) {
	for dir := path.Dir(name); dir != "." && dir != downloads && dir != clones; dir = path.Dir(dir) {
		if c.root.Remove(filepath.FromSlash(dir)) != nil {
			return
		}
	}
}
