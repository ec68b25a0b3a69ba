//go:build unix

package modcache

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// hand gives a file that was made to the owner of its folder: in the cache of a user,
// a file of root would be in the way of the go commands to come.
func (c *GoCache) hand(file string) {
	if os.Geteuid() != 0 {
		return
	}
	info, err := c.root.Lstat(filepath.Dir(file))
	if err != nil {
		return
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = c.root.Lchown(file, int(owner.Uid), int(owner.Gid)) // it works for root, and where it does not nothing is lost
	}
}

// readOnly reports whether an error says that a file system takes no changes.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
