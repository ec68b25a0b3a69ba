package godown

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"time"
)

// An answer is what upstream said to a request whose answer can change.
type answer struct {
	data   []byte
	learnt time.Time
}

// answerHead is the first line of a stored answer; the bytes behind it are the answer.
type answerHead struct {
	Learnt time.Time `json:"learnt"`
}

// loadAnswer returns the last answer that was stored, or nil.
func (c *Cache) loadAnswer(ctx context.Context, req Request) *answer {
	if c.Answers == nil {
		return nil
	}
	f, err := c.Answers.Open(ctx, req.Name())
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
			c.storeFailed(req, err)
		}
		return nil
	}
	defer f.Close()
	stored, err := readLimited(f, limits[req.Kind]+1024)
	if err != nil {
		c.storeFailed(req, err)
		return nil
	}
	line, data, ok := bytes.Cut(stored, []byte("\n"))
	var head answerHead
	if !ok || json.Unmarshal(line, &head) != nil {
		return nil // written by something else: it is asked for anew
	}
	if _, err := checkSmall(req, data); err != nil {
		return nil
	}
	return &answer{data: data, learnt: head.Learnt}
}

func (c *Cache) storeAnswer(ctx context.Context, req Request, a *answer) {
	if c.Answers == nil {
		return
	}
	head, err := json.Marshal(answerHead{Learnt: a.learnt.UTC()})
	if err == nil {
		err = c.Answers.Put(ctx, req.Name(), bytes.NewReader(append(append(head, '\n'), a.data...)))
	}
	if err != nil {
		c.storeFailed(req, err)
	}
}

// forget removes an answer from memory and the store.
func (c *Cache) forget(ctx context.Context, req Request) {
	c.files.delete(req)
	if c.Answers == nil {
		return
	}
	if err := c.Answers.Delete(ctx, req.Name()); err != nil {
		c.storeFailed(req, err)
	}
}

// present makes a File of an answer. A list also names the versions that are
// in the store, whatever upstream says.
func (c *Cache) present(ctx context.Context, req Request, a *answer, status CacheStatus) *File {
	data := a.data
	if req.Kind == List {
		data = formatList(parseList(a.data), storedVersions(ctx, c.Store, req.Path))
	}
	if data == nil {
		data = []byte{}
	}
	f := NewFile(data)
	f.ETag, f.Time, f.Cache = etag(data), a.learnt, status
	if age := time.Since(a.learnt); age < c.TTL {
		f.MaxAge = min(c.TTL, c.TTL-age)
	}
	return f
}

// fetchChanging answers a request for a list, a latest version or a query.
func (c *Cache) fetchChanging(ctx context.Context, req Request) (*File, error) {
	old := c.loadAnswer(ctx, req)
	if old != nil && c.fresh(ctx, req.Path, old) {
		f := c.present(ctx, req, old, Hit)
		c.keep(req, f, old.learnt.Add(c.TTL))
		return f, nil
	}
	if h, ok := c.files.get(req); ok && old == nil {
		old = &answer{h.file.Data, h.file.Time} // there is no store, or it is ill
	}
	if IsCachedOnly(ctx) {
		return c.presentStale(ctx, req, old, &NotFound{Text: "not in the cache: " + req.String()})
	}
	if err := c.knownAbsent(req); err != nil {
		return c.presentStored(ctx, req, err)
	}
	if old == nil {
		return c.await(ctx, req, nil)
	}
	waitCtx, cancel := context.WithTimeout(ctx, c.StaleWait)
	defer cancel()
	f, err := c.await(waitCtx, req, old)
	if err != nil && ctx.Err() == nil && waitCtx.Err() != nil {
		// It goes on, for those who come next.
		return c.presentStale(ctx, req, old, errors.New("upstream has not answered within "+c.StaleWait.String()))
	}
	return f, err
}

// fresh reports whether a stored answer is young enough, and the module was not
// refreshed since. One from the future, by a clock that was set back, is not.
func (c *Cache) fresh(ctx context.Context, path string, a *answer) bool {
	age := time.Since(a.learnt)
	return age < c.TTL && age > -time.Minute && !c.refreshed.since(path, a.learnt) && !c.markedRefreshed(ctx, path, a.learnt)
}

// presentStale serves the old answer although it should be revalidated, or the
// store's versions, or else fails with why.
func (c *Cache) presentStale(ctx context.Context, req Request, old *answer, why error) (*File, error) {
	if old == nil {
		return c.presentStored(ctx, req, why)
	}
	f := c.present(ctx, req, old, Stale)
	f.StaleBy = why
	return f, nil
}

// presentStored serves a list of what the store holds, or fails with why.
func (c *Cache) presentStored(ctx context.Context, req Request, why error) (*File, error) {
	if req.Kind != List || len(storedVersions(ctx, c.Store, req.Path)) == 0 {
		return nil, why
	}
	f := c.present(ctx, req, &answer{}, Stale)
	f.StaleBy = why
	return f, nil
}

// flyChanging asks upstream for an answer that changes; old is the last one, or nil.
func (c *Cache) flyChanging(ctx context.Context, fl *flight, old *answer) {
	c.fetch(ctx, fl, func(s *spool, f *File) error {
		data := make([]byte, s.n)
		if _, err := s.ReadAt(data, 0); err != nil && s.n > 0 {
			return &diskError{err}
		}
		if _, err := checkSmall(fl.req, data); err != nil {
			return c.blame(fl.req, f, err)
		}
		now := &answer{data: data, learnt: time.Now()}
		outdated := c.refreshed.since(fl.req.Path, fl.began)
		status := Miss
		if old != nil && bytes.Equal(old.data, data) {
			status = Revalidated
		} else if old != nil {
			status = Expired
		}
		file := c.present(ctx, fl.req, now, status)
		file.Origin = f.Origin
		ctx := context.WithoutCancel(ctx)
		if outdated { // only those who wait already may have it
			file.MaxAge = 0
			fl.settle(file, nil)
			c.storeOutdated(ctx, fl.req, data, fl.began)
			return nil
		}
		kept := *file
		kept.Cache, kept.Origin = Hit, ""
		c.keep(fl.req, &kept, now.learnt.Add(c.TTL))
		fl.settle(file, nil)
		c.storeAnswer(ctx, fl.req, now)
		c.adoptInfo(ctx, fl.req, data)
		return nil
	}, func(err error) (*File, error) {
		if !gone(err) {
			return c.presentStale(ctx, fl.req, old, err)
		}
		// Upstream has it no more: what it said before counts no longer.
		if old != nil && !c.refreshed.since(fl.req.Path, fl.began) {
			c.forget(context.WithoutCancel(ctx), fl.req)
		}
		return c.presentStored(ctx, fl.req, err)
	})
}
