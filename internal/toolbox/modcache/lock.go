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

// tryLock takes the lock of a lock file if it is free; else the error is errBusy.
func (c *GoCache) tryLock(name string) (unlock func(), err error) {
	file := filepath.FromSlash(name)
	info, err := c.root.Lstat(file)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file, and cannot be locked", name)
	}
	f, err := c.root.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o666)
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
	return func() {
		funlock(f)
		f.Close()
	}, nil
}
