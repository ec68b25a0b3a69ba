package godown

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"
)

// swapLock is the file whose lock a Swap holds. It stays for ever: were it
// removed, two processes could each hold the lock of a file of that name.
const swapLock = ".swaplock"

// Swap replaces a file that holds old; see [Swapper]. Swaps of one folder wait
// for each other, whatever the names. Every process that swaps must be able to
// write the folder's file .swaplock, on a file system whose locks work.
func (d *Dir) Swap(ctx context.Context, name string, old, data []byte) error {
	if err := checkName("swap", name); err != nil {
		return err
	}
	unlock, err := d.lockSwaps(ctx)
	if err != nil {
		return fmt.Errorf("swapping %s: %w", name, err)
	}
	defer unlock()
	same, err := d.holds(ctx, name, old)
	if err == nil && !same {
		err = ErrChanged
	}
	if err == nil {
		err = d.Put(ctx, name, bytes.NewReader(data))
	}
	if err != nil {
		return fmt.Errorf("swapping %s: %w", name, err)
	}
	return nil
}

// holds reports whether the file holds exactly want, or, where that is nil, is not there.
func (d *Dir) holds(ctx context.Context, name string, want []byte) (bool, error) {
	f, err := d.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return want == nil, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if want == nil || f.Size != int64(len(want)) {
		return false, nil
	}
	have, err := io.ReadAll(io.LimitReader(f.Body, f.Size+1))
	return bytes.Equal(have, want), err
}

// lockSwaps waits until no other Swap in this folder is under way, in this
// process or another, and holds off the next ones until unlock.
func (d *Dir) lockSwaps(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case d.swapping <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	lock, err := d.pollLock(ctx)
	if err != nil {
		<-d.swapping
		return nil, err
	}
	return func() {
		lock.Close()
		<-d.swapping
	}, nil
}

// pollLock tries again and again, as no system can wait for a lock and for a context.
func (d *Dir) pollLock(ctx context.Context) (*os.File, error) {
	for {
		lock, err := OpenLocked(d.root, swapLock)
		if lock != nil || err != nil {
			return lock, err
		}
		// At no fixed pace, lest another be always the first.
		timer := time.NewTimer(time.Millisecond + rand.N(4*time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}
