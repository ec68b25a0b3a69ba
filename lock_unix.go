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
