//go:build !windows && (!unix || solaris || illumos || aix)

package token

import "os"

// openLocked opens a file: there is no lock here that ends with its process. The
// file of logins is replaced as a whole; of two at once the later stays.
func openLocked(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
}
