//go:build aix || (solaris && !illumos)

package modcache

import (
	"io"
	"os"
	"syscall"
)

// flock takes the lock that the go command takes on this system, if it is free.
// It belongs to the process: nothing here locks a file twice.
func flock(f *os.File) error {
	for {
		switch err := fcntl(f, syscall.F_WRLCK); err {
		case nil:
			return nil
		case syscall.EINTR:
		case syscall.EAGAIN, syscall.EACCES:
			return errBusy
		default:
			return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}

// funlock gives it back; so does closing f.
func funlock(f *os.File) { _ = fcntl(f, syscall.F_UNLCK) }

func fcntl(f *os.File, kind int16) error {
	return syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: kind, Whence: io.SeekStart})
}
