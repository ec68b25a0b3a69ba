package vcs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// A scratch is the temporary directory of one call, below Dir:
//
//	call-N.lock      locked (where the system can) as long as the call lives
//	call-N/work      the current directory, with a go.mod so that none further up counts
//	call-N/mod       GOMODCACHE
//	call-N/mod/cache/vcs → Dir/vcs
//	call-N/tmp, …    TMPDIR and the like
//
// The lock tells the leftovers of a crashed process from the scratch of a living one.
type scratch struct {
	dir  string
	lock *os.File
	once sync.Once
}

const (
	callPrefix = "call-"
	lockSuffix = ".lock"
	oldScratch = 24 * time.Hour // where files cannot be locked, older scratch is taken for a leftover
)

// newScratch makes a scratch directory, and Dir and Dir/vcs if they are missing.
func (g *GoCommand) newScratch() (_ *scratch, err error) {
	if g.Dir == "" {
		return nil, errors.New("no directory is configured for version control")
	}
	root, err := filepath.Abs(g.Dir)
	if err != nil {
		return nil, err
	}
	vcs := filepath.Join(root, "vcs")
	if err := os.MkdirAll(vcs, 0o700); err != nil {
		return nil, err
	}
	lock, err := newLock(root)
	if err != nil {
		return nil, err
	}
	s := &scratch{dir: strings.TrimSuffix(lock.Name(), lockSuffix), lock: lock}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	for _, dir := range []string{s.work(), s.sub("tmp"), s.sub("mod", "cache")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(s.work(), "go.mod"), []byte("module scratch\n\ngo 1.17\n"), 0o600); err != nil {
		return nil, err
	}
	// Where the system has no symbolic links (Windows without the privilege),
	// the go command makes a directory of its own there, and clones each time.
	_ = os.Symlink(vcs, s.sub("mod", "cache", "vcs"))
	return s, nil
}

// newLock makes a lock file in root and locks it. Between the two a sweep may
// take the file away; then another is made.
func newLock(root string) (*os.File, error) {
	for range 100 {
		f, err := os.CreateTemp(root, callPrefix+"*"+lockSuffix)
		if err != nil {
			return nil, err
		}
		held, err := f.Stat()
		if err == nil && tryLock(f) {
			if now, err := os.Stat(f.Name()); err == nil && os.SameFile(held, now) {
				return f, nil
			}
		}
		f.Close()
		os.Remove(f.Name())
	}
	return nil, fmt.Errorf("no lock file can be made in %s", root)
}

func (s *scratch) sub(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

func (s *scratch) work() string { return s.sub("work") }

// cached returns where the go command keeps the file that req asks for.
func (s *scratch) cached(req godown.Request) string {
	return s.sub("mod", "cache", "download", filepath.FromSlash(req.Name()))
}

// remove removes the directory; it may be called more than once.
func (s *scratch) remove() {
	s.once.Do(func() {
		removeAll(s.dir)
		s.lock.Close()
		os.Remove(s.lock.Name())
	})
}

// removeAll removes dir, even if the go command made folders of it read-only.
// What cannot be removed is left for a later sweep.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}

// sweep removes the scratch of processes that are no more.
func (g *GoCommand) sweep() {
	entries, _ := os.ReadDir(g.Dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), callPrefix) || !strings.HasSuffix(e.Name(), lockSuffix) {
			continue
		}
		name := filepath.Join(g.Dir, e.Name())
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		info, err := f.Stat()
		dead := err == nil && tryLock(f) && (canLock || time.Since(info.ModTime()) > oldScratch)
		if dead {
			removeAll(strings.TrimSuffix(name, lockSuffix))
		}
		f.Close()
		if dead {
			os.Remove(name)
		}
	}
}

// discard removes a clone that git cannot use any more, if nobody uses it now.
// The go command locks a clone by the file beside it while it changes it.
func (g *GoCommand) discard(name string) bool {
	dir := filepath.Join(g.Dir, "vcs", name)
	f, err := os.OpenFile(dir+lockSuffix, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return canLock && tryLock(f) && os.RemoveAll(dir) == nil
}
