package godown

import (
	"os"
	"path/filepath"
	"syscall"
)

// tryLock reports whether f's folder may be removed. Windows refuses to remove
// what another process has open, which is all that is needed.
func tryLock(*os.File) bool { return true }

// sharingViolation is what Windows says of a file that somebody has open and does not share.
const sharingViolation syscall.Errno = 32

// OpenLocked opens a file, which it makes where there is none, so that nobody
// else can until it is closed or the process ends; it returns nil and no error
// while another has it open.
func OpenLocked(root *os.Root, name string) (*os.File, error) {
	full := filepath.Join(root.Name(), name)
	p, err := syscall.UTF16PtrFromString(full)
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: full, Err: err}
	}
	const shared = 0
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ|syscall.GENERIC_WRITE, shared, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err == sharingViolation {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: full, Err: err}
	}
	return os.NewFile(uintptr(h), full), nil
}
