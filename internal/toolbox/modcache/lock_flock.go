//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package modcache

import (
	"os"
	"syscall"
)

// flock takes the lock that the go command takes on this system, if it is free.
func flock(f *os.File) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
		case nil:
			return nil
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return errBusy
		default:
			return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}

// funlock gives it back; so does closing f.
func funlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
