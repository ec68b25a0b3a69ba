package godown

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"
)

// mark notes that a file was taken in although nobody could verify it.
func (c *Cache) mark(ctx context.Context, name, h1 string) error {
	if c.Pending == nil {
		return errors.New("there is no place to mark unverified files, so they are not stored")
	}
	err := putString(ctx, c.Pending, name, h1)
	if err == nil {
		c.counts.pending.Add(1)
	}
	return err
}

func (c *Cache) marked(ctx context.Context, name string) bool {
	if c.Pending == nil {
		return false
	}
	f, err := c.Pending.Open(ctx, name)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	f.Close()
	return true
}

func (c *Cache) unmark(ctx context.Context, name string) {
	if c.Pending == nil || !c.marked(ctx, name) {
		return
	}
	if err := c.Pending.Delete(ctx, name); err == nil {
		c.counts.pending.Add(-1)
	}
}

// VerifyPending verifies what was taken in unverified, and again every so
// often, until ctx ends. What turns out wrong is set aside and fetched anew.
func (c *Cache) VerifyPending(ctx context.Context, every time.Duration) {
	c.once.Do(c.init)
	if c.Pending == nil {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		c.verifyPending(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// verifyPending goes through the marks once, or until the database cannot be reached.
func (c *Cache) verifyPending(ctx context.Context) {
	var left int64
	down := false
	for e, err := range c.Pending.List(ctx, "") {
		if err != nil {
			return
		}
		if left++; down {
			continue
		}
		req, err := ParseRequest(e.Name)
		if err != nil {
			continue // not ours
		}
		switch err := c.verifyMarked(ctx, req); {
		case err == nil:
			if c.Pending.Delete(ctx, e.Name) == nil {
				left--
			}
		default:
			u, ok := errors.AsType[*Unverified](err)
			down = ok && !u.Absent
		}
	}
	c.counts.pending.Store(left)
}

// verifyMarked verifies one file; nil means that its mark has no more use.
func (c *Cache) verifyMarked(ctx context.Context, req Request) error {
	f, err := c.Store.Open(ctx, req.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var h1 string
	if req.Kind == Mod {
		data, err := readLimited(f, limits[Mod])
		if err != nil {
			return err
		}
		h1 = HashMod(data)
	} else if r, ok := f.Body.(io.ReaderAt); ok {
		h1, err = CheckZip(ctx, req, r, f.Size)
	}
	if err == nil {
		err = c.Verifier.Verify(ctx, req, h1)
	}
	if _, bad := errors.AsType[*Mismatch](err); bad {
		_ = c.rotten(ctx, req, err) // said by its alarm
		c.join(req, nil, false).leave()
		return nil
	}
	return err
}
