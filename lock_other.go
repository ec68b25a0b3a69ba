//go:build !windows && (!unix || solaris || illumos || aix)

package godown

import (
	"errors"
	"os"
)

// tryLock reports whether f's folder may be removed: without flock nothing can be told.
func tryLock(*os.File) bool { return true }

// OpenLocked gives an error: it is better to swap nothing than to swap without a lock.
func OpenLocked(root *os.Root, name string) (*os.File, error) {
	return nil, &os.PathError{Op: "lock", Path: name, Err: errors.ErrUnsupported}
}
