//go:build !unix && !windows

package modcache

import (
	"errors"
	"os"
)

// flock gives an error: it is better to remove nothing than to remove without a lock.
func flock(f *os.File) error {
	return &os.PathError{Op: "lock", Path: f.Name(), Err: errors.ErrUnsupported}
}

func funlock(*os.File) {}
