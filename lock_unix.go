//go:build unix && !solaris && !illumos && !aix

package godown

import (
	"os"
	"syscall"
)

// tryLock takes the lock that f stands for, and reports whether it was free.
// The system releases it when the process ends, however it ends.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// OpenLocked opens a file, which it makes where there is none, with its lock
// held until it is closed or the process ends; it returns nil and no error while
// another holds the lock, even another open file of this process.
func OpenLocked(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if err == syscall.EWOULDBLOCK || err == syscall.EINTR {
		return nil, nil
	}
	return nil, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
}
