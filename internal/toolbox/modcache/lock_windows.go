package modcache

import (
	"os"
	"syscall"
	"unsafe"
)

const (
	lockExclusively = 0x2
	lockOrFail      = 0x1
	allBytes        = ^uintptr(0) & 0xffffffff

	// lockViolation is what Windows says of a file that another has locked.
	lockViolation syscall.Errno = 33
)

// flock takes the lock that the go command takes on this system, if it is free.
func flock(f *os.File) error {
	ok, _, err := lockProc("LockFileEx").Call(f.Fd(), lockOrFail|lockExclusively, 0, allBytes, allBytes, uintptr(unsafe.Pointer(new(syscall.Overlapped))))
	switch {
	case ok != 0:
		return nil
	case err == lockViolation, err == syscall.ERROR_IO_PENDING:
		return errBusy
	}
	return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
}

// funlock gives it back; so does closing f, but later.
func funlock(f *os.File) {
	_, _, _ = lockProc("UnlockFileEx").Call(f.Fd(), 0, allBytes, allBytes, uintptr(unsafe.Pointer(new(syscall.Overlapped))))
}

func lockProc(name string) *syscall.LazyProc {
	return syscall.NewLazyDLL("kernel32.dll").NewProc(name)
}
