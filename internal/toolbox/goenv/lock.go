package goenv

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/godown-dev/godown"
)

// lockPatience is how long an edit waits for others; each takes some 50 ms.
const lockPatience = 20 * time.Second

// lock waits until nobody else edits, and returns what ends that.
func (e *Editor) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(e.folder, 0o700); err != nil {
		return nil, unnoted(err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	root, err := os.OpenRoot(e.folder)
	if err != nil {
		return nil, unnoted(err)
	}
	defer root.Close()
	for {
		f, err := godown.OpenLocked(root, "lock")
		if err != nil {
			return nil, unnoted(err)
		}
		if f != nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			return nil, explain("another godown holds %[1]s, so nothing was changed: %[2]v", "另一个 godown 正占用 %[1]s，没有做任何改动：%[2]v", filepath.Join(e.folder, "lock"), ctx.Err())
		case <-tick.C:
		}
	}
}
