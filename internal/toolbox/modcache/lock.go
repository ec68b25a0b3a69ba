package modcache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// errBusy says that another holds a lock.
var errBusy = errors.New("a go command is at work on it")

// lock takes the lock of a lock file as the go command takes it, and waits for
// who holds it, but not for ever. It makes the file where there is none.
func (c *GoCache) lock(ctx context.Context, name string) (unlock func(), err error) {
	end := time.Now().Add(c.patience)
	for {
		unlock, err := c.tryLock(name)
		if !errors.Is(err, errBusy) || time.Now().After(end) {
			return unlock, err
		}
		// No system waits for a lock and a context.
		timer := time.NewTimer(5*time.Millisecond + rand.N(10*time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// tryLock takes the lock of a lock file if it is free; else the error is errBusy. The file is
// made where there is none, and its folder, too: something may be unpacked and nothing downloaded.
func (c *GoCache) tryLock(name string) (unlock func(), err error) {
	unlock, err = c.openLock(name, os.O_CREATE)
	if !errors.Is(err, fs.ErrNotExist) {
		return unlock, err
	}
	if err := c.makeFolder(filepath.Dir(filepath.FromSlash(name))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	unlock, err = c.openLock(name, os.O_CREATE)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errBusy // another removal is removing the folder that is empty
	}
	return unlock, err
}

// openLock opens a lock file, with or without os.O_CREATE, and takes its lock as tryLock does.
func (c *GoCache) openLock(name string, create int) (unlock func(), err error) {
	file := filepath.FromSlash(name)
	info, err := c.root.Lstat(file)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file, and cannot be locked", name)
	}
	f, err := c.root.OpenFile(file, os.O_RDWR|create, 0o666)
	if err != nil {
		return nil, err
	}
	if isNew {
		c.hand(file)
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, err
	}
	// Another removal may have removed the file meanwhile: then the lock is one of nothing.
	if !c.isStill(file, f) {
		f.Close()
		return nil, errBusy
	}
	return func() {
		funlock(f)
		f.Close()
	}, nil
}

func (c *GoCache) isStill(name string, f *os.File) bool {
	is, err1 := c.root.Lstat(name)
	was, err2 := f.Stat()
	return err1 == nil && err2 == nil && os.SameFile(is, was)
}

// makeFolder makes a folder and those above it.
func (c *GoCache) makeFolder(dir string) error {
	if _, err := c.root.Lstat(dir); err == nil || dir == "." {
		return err
	}
	if err := c.makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := c.root.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	c.hand(dir)
	return nil
}
