package token

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/godown-dev/godown"
)

const (
	lockWait  = 10 * time.Second // for another that changes the file; who waits for a keyring to be unlocked may hold it longer
	lockAgain = 10 * time.Millisecond
)

// lock takes the lock that a file stands for, and waits for it. The system
// releases it when the process ends, however it ends.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for {
		f, err := godown.OpenLocked(root, filepath.Base(name))
		if err != nil {
			return nil, err
		}
		if f != nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("another godown holds %s: %w", name, ctx.Err())
		case <-time.After(lockAgain):
		}
	}
}
