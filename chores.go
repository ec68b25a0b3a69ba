package godown

import (
	"context"
	"sync"
)

// chores are small pieces of work that nobody waits for, done one after the
// other. There is a goroutine for them only while there are some.
type chores struct {
	mu     sync.Mutex // guards the fields below
	queue  []func(context.Context)
	busy   bool
	closed bool
	ctx    context.Context // of all chores
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// maxChores bounds the memory of what waits to be done; what comes beyond is
// done by who brings it. What comes after close is not done.
const maxChores = 1000

// add has f called, soon.
func (c *chores) add(f func(context.Context)) {
	c.mu.Lock()
	if c.ctx == nil {
		c.ctx, c.cancel = context.WithCancel(context.Background())
	}
	if c.closed {
		c.mu.Unlock()
		return
	}
	if len(c.queue) >= maxChores {
		c.mu.Unlock()
		f(c.ctx)
		return
	}
	c.queue = append(c.queue, f)
	if !c.busy {
		c.busy = true
		c.done.Go(c.work)
	}
	c.mu.Unlock()
}

func (c *chores) work() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.busy = false
			c.mu.Unlock()
			return
		}
		f := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		f(c.ctx)
	}
}

// close waits until all is done, or ctx ends; then it ends what is under way.
func (c *chores) close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	cancel := c.cancel
	c.mu.Unlock()
	if cancel == nil {
		return nil
	}
	done := make(chan struct{})
	go func() {
		c.done.Wait()
		close(done)
	}()
	defer cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		cancel()
		<-done
		return ctx.Err()
	}
}
