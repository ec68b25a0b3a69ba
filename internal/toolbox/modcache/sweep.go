package modcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// removeOther removes a clone or a leftover.
func (c *GoCache) removeOther(ctx context.Context, r Removal) error {
	if r.Clone != nil {
		return c.removeClone(ctx, r.Clone)
	}
	switch l := r.Leftover; l.Kind {
	case Temporary:
		return present(c.root.Remove(filepath.FromSlash(l.Name)))
	case Removing:
		return c.removeTree(l.Name)
	case Partial:
		return c.removePartial(ctx, l)
	case Lock:
		return c.removeLock(l.Name, func() bool { return c.lonely(l.Name) })
	case Empty:
		return c.removeEmpty(l.Name)
	default:
		return fmt.Errorf("there is no way to remove a leftover of kind %q", l.Kind)
	}
}

// removeClone removes a repository. The go command fetches under the same lock.
func (c *GoCache) removeClone(ctx context.Context, r *Clone) error {
	name := path.Join(clones, r.Name)
	aside := ""
	err := c.locked(ctx, name+".lock", func() (err error) {
		if aside, err = c.aside(name); err == nil {
			err = present(c.root.Remove(filepath.FromSlash(name + ".info")))
		}
		return err
	})
	if err != nil || aside == "" {
		return err
	}
	return c.removeTree(aside)
}

// removePartial removes what was unpacked of a module and is not whole.
func (c *GoCache) removePartial(ctx context.Context, l *Leftover) error {
	lock := strings.TrimSuffix(l.Name, ".partial") + ".lock"
	aside := ""
	err := c.locked(ctx, lock, func() error {
		if _, err := c.root.Lstat(filepath.FromSlash(l.Name)); err != nil {
			return present(err) // somebody has unpacked it
		}
		folder, err := folderName(l.path, l.version)
		if err == nil {
			aside, err = c.aside(folder)
		}
		if err == nil {
			// Only now: without it, what is not whole would be used.
			err = present(c.root.Remove(filepath.FromSlash(l.Name)))
		}
		return err
	})
	if err != nil || aside == "" {
		return err
	}
	return c.removeTree(aside)
}

// removeLock removes a lock file that nobody holds, if it is lonely still. One
// that somebody holds stays, which is no error.
func (c *GoCache) removeLock(name string, lonely func() bool) error {
	unlock, err := c.openLock(name, 0)
	if errors.Is(err, errBusy) {
		return nil
	}
	if err != nil {
		return present(err)
	}
	defer unlock()
	if !lonely() {
		return nil
	}
	return present(c.root.Remove(filepath.FromSlash(name)))
}

// lonely reports whether a version has nothing but its lock file.
func (c *GoCache) lonely(lock string) bool {
	dir, err := c.root.Open(filepath.FromSlash(path.Dir(lock)))
	if err != nil {
		return false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	base := strings.TrimSuffix(path.Base(lock), "lock")
	for _, n := range names {
		if strings.HasPrefix(n, base) && n != base+"lock" {
			return false
		}
	}
	return err == nil
}

// removeEmpty removes a folder in which there is nothing but lock files and an empty
// list, and those above it that are empty then.
func (c *GoCache) removeEmpty(name string) error {
	dir, err := c.root.Open(filepath.FromSlash(name))
	if err != nil {
		return present(err)
	}
	entries, err := dir.ReadDir(-1)
	dir.Close()
	if err != nil {
		return present(err)
	}
	for _, e := range entries {
		file := path.Join(name, e.Name())
		switch {
		case strings.HasSuffix(e.Name(), ".lock") && e.Type().IsRegular():
			err = c.removeLock(file, func() bool { return c.lonely(file) })
		case e.Name() == "list" && e.Type().IsRegular():
			err = c.removeEmptyList(file)
		default:
			return nil // it is in use again
		}
		if err != nil {
			return err
		}
	}
	if err := c.root.Remove(filepath.FromSlash(name)); err == nil {
		c.parents(name)
	}
	return nil // what came into it meanwhile stays
}

func (c *GoCache) removeEmptyList(name string) error {
	return c.removeLock(name, func() bool {
		info, err := c.root.Lstat(filepath.FromSlash(name))
		return err == nil && info.Size() == 0
	})
}

// rewriteLists makes the list files of modules name what is left.
func (c *GoCache) rewriteLists(ctx context.Context, paths map[string]bool, versions []*removing) {
	for p := range paths {
		err := c.rewriteList(ctx, p)
		if err == nil {
			continue
		}
		for _, v := range versions {
			if v.Version.Path == p && v.Err == nil {
				v.Err = fmt.Errorf("it is gone, but the list of versions still names it: %w", err)
			}
		}
	}
}

// rewriteList writes a module's list as the go command does, under the same lock:
// it names the versions that have a .mod.
func (c *GoCache) rewriteList(ctx context.Context, modPath string) error {
	escaped, err := module.EscapePath(modPath)
	if err != nil {
		return err
	}
	folder := path.Join(downloads, escaped, "@v")
	name := path.Join(folder, "list")
	if _, err := c.root.Lstat(filepath.FromSlash(name)); err != nil {
		return present(err)
	}
	return c.locked(ctx, name, func() error {
		dir, err := c.root.Open(filepath.FromSlash(folder))
		if err != nil {
			return err
		}
		names, err := dir.Readdirnames(-1)
		dir.Close()
		if err != nil {
			return err
		}
		var list []string
		for _, n := range names {
			if v, ok := strings.CutSuffix(n, ".mod"); ok && v != "" && module.CanonicalVersion(v) == v {
				list = append(list, v)
			}
		}
		semver.Sort(list)
		var text bytes.Buffer
		for _, v := range list {
			text.WriteString(v + "\n")
		}
		return c.overwrite(name, text.Bytes())
	})
}

// overwrite writes into a file that others may have open: it is not replaced, as
// they lock the file itself.
func (c *GoCache) overwrite(name string, data []byte) error {
	f, err := c.root.OpenFile(filepath.FromSlash(name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	have, err := io.ReadAll(f)
	if err == nil && !bytes.Equal(have, data) {
		// As the go command does: an unfinished writing shows by zeros at the end.
		if err = f.Truncate(0); err == nil {
			err = f.Truncate(int64(len(data)))
		}
		if err == nil {
			_, err = f.WriteAt(data, 0)
		}
	}
	return errors.Join(err, f.Close())
}

// permission reports whether an error says that the cache is somebody else's, or read-only.
func permission(err error) bool { return errors.Is(err, fs.ErrPermission) || readOnly(err) }
