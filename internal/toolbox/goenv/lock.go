package goenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// lockPatience is how long an edit waits for others; each takes some 50 ms.
const lockPatience = 20 * time.Second

// lock waits until nobody else edits, and returns what ends that.
func (e *Editor) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(e.folder, 0o700); err != nil {
		return nil, fmt.Errorf("the history of changes: %w; nothing was changed, as it could not be taken back", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	name := filepath.Join(e.folder, "lock")
	for {
		f, err := openLocked(name)
		if err != nil {
			return nil, fmt.Errorf("the history of changes: %w", err)
		}
		if f != nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("another godown holds %s, so nothing was changed: %w", name, ctx.Err())
		case <-tick.C:
		}
	}
}
