//go:build !windows && (!unix || solaris || illumos || aix)

package goenv

import "os"

// openLocked opens a file. There is no lock here that would end with its
// process; that the file is replaced only if it is what it was has to do.
func openLocked(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
}
