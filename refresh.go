package godown

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/module"
)

// Refresh makes everything changeable that is remembered of a module count as
// expired: its list, its latest version, what its branches and other queries
// stand for, and which of its files do not exist. The next request for any of
// that asks the Source. What is stored is kept for when the Source fails, and
// what cannot change is as good as before. A fetch under way may carry an old
// answer: those who wait for it get it, nobody who comes later does.
func (c *Cache) Refresh(path string) {
	c.once.Do(c.init)
	at := c.refreshed.note(path)
	c.mu.Lock()
	for req, fl := range c.flights {
		if req.Path == path && !(fl.carries() && req.Fixed()) {
			delete(c.flights, req) // who comes now begins another
		}
	}
	c.mu.Unlock()
	c.markRefreshed(path, at)
}

// maxRefreshed bounds how many modules' refreshes are remembered one by one.
const maxRefreshed = 10_000

// refreshes remember when which module was last refreshed. The zero value is ready.
type refreshes struct {
	any atomic.Bool // something was refreshed, or is about to be

	mu    sync.RWMutex         // guards the fields below
	times map[string]time.Time // by module path
	floor time.Time            // when all modules count as refreshed
}

// note notes that a module is refreshed now, and returns the time. When there
// are too many to remember, all modules count as refreshed instead.
func (r *refreshes) note(path string) time.Time {
	r.any.Store(true) // first, so that who finds it unset has looked at the clock before now
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if _, known := r.times[path]; !known && len(r.times) >= maxRefreshed {
		clear(r.times)
		r.floor = now
	}
	if r.times == nil {
		r.times = make(map[string]time.Time)
	}
	r.times[path] = now
	return now
}

// since reports whether the module was refreshed at t or later. Whoever is to
// keep something until the next refresh takes t before he asks: no refresh can
// then come between unnoticed.
func (r *refreshes) since(path string, t time.Time) bool {
	if !r.any.Load() {
		return false
	}
	r.mu.RLock()
	at, ok := r.times[path]
	if !ok {
		at = r.floor
	}
	r.mu.RUnlock()
	return !at.IsZero() && !at.Before(t)
}

// outdated reports whether an answer in memory counts no longer, although it is
// young. Every hit of a list asks this, so it is done in one look where nothing
// was ever refreshed.
func (c *Cache) outdated(req *Request, learnt time.Time) bool {
	return c.refreshed.any.Load() && c.overtaken(req, learnt)
}

func (c *Cache) overtaken(req *Request, learnt time.Time) bool {
	return c.refreshed.since(req.Path, learnt) && !req.Fixed()
}

// carries reports whether some of the content is here already: then the Source
// has it, and no other fetch need begin.
func (fl *flight) carries() bool {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.spool != nil || fl.file != nil
}

// storeOutdated keeps an answer that a refresh has overtaken. It is better than
// an older one when the Source fails, and is never fresh.
func (c *Cache) storeOutdated(ctx context.Context, req Request, data []byte, asked time.Time) {
	if last := c.loadAnswer(ctx, req); last == nil || last.learnt.Before(asked) {
		c.storeAnswer(ctx, req, &answer{data: data})
	}
}

// refreshName returns the name in Answers of the file that tells when a module
// was last refreshed, for the time after a restart. No Request has such a name.
func refreshName(path string) string {
	escaped, err := module.EscapePath(path)
	if err != nil {
		return ""
	}
	return escaped + "/@refreshed"
}

// markRefreshed notes in the store that a module was refreshed. Where no answer
// is stored there is nothing to outdate, so that made-up paths leave nothing.
func (c *Cache) markRefreshed(path string, at time.Time) {
	name := refreshName(path)
	ctx := c.base
	if c.Answers == nil || name == "" || !c.hasAnswers(ctx, path) {
		return
	}
	head, err := json.Marshal(answerHead{Learnt: at.UTC()})
	if err == nil {
		err = c.Answers.Put(ctx, name, bytes.NewReader(head))
	}
	if err != nil && ctx.Err() == nil {
		c.storeFailed(Request{Path: path}, err)
	}
}

// hasAnswers reports whether an answer of a module is stored.
func (c *Cache) hasAnswers(ctx context.Context, path string) bool {
	latest := Request{Kind: Latest, Path: path}.Name()
	if f, err := c.Answers.Open(ctx, latest); err == nil {
		f.Close()
		return true
	}
	list := Request{Kind: List, Path: path}.Name()
	for range c.Answers.List(ctx, list[:len(list)-len("list")]) {
		return true // also where the store cannot tell
	}
	return false
}

// markedRefreshed reports whether the store has a note that the module was
// refreshed at t or later. One from the future, by a clock that was set back,
// does not count.
func (c *Cache) markedRefreshed(ctx context.Context, path string, t time.Time) bool {
	f, err := c.Answers.Open(ctx, refreshName(path))
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
			c.storeFailed(Request{Path: path}, err)
		}
		return false
	}
	defer f.Close()
	data, err := readLimited(f, 1024)
	var mark answerHead
	if err != nil || json.Unmarshal(data, &mark) != nil {
		return false // written by something else
	}
	return !mark.Learnt.Before(t.Round(0)) && time.Until(mark.Learnt) < time.Minute
}
