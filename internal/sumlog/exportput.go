package sumlog

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/godown-dev/godown"
)

// A putter stores files, several at once, as each waits for a disk. It belongs to one goroutine.
type putter struct {
	store  godown.Store
	prefix string
	queue  []putting
}

type putting struct {
	name string
	data []byte
}

// putAtOnce is how many files are stored at once.
const putAtOnce = 8

// put stores a file, now or when there are more. An error may be of an earlier one.
func (p *putter) put(ctx context.Context, name string, data []byte) error {
	p.queue = append(p.queue, putting{name, data})
	if len(p.queue) < putAtOnce {
		return nil
	}
	return p.flush(ctx)
}

// flush stores what waits, and returns when all is durable.
func (p *putter) flush(ctx context.Context) error {
	failed := make([]error, len(p.queue))
	var wait sync.WaitGroup
	for i, f := range p.queue {
		wait.Go(func() { failed[i] = p.store.Put(ctx, p.prefix+f.name, bytes.NewReader(f.data)) })
	}
	wait.Wait()
	p.queue = p.queue[:0]
	return errors.Join(failed...)
}
