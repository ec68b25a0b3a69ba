//go:build unix

package goenv

import (
	"os"
	"syscall"
)

// keepOwner gives a file the owner of the one whose place it is to take: under
// sudo it would be root's, and the user could not write it any more. Best effort.
func keepOwner(to *os.File, place string) {
	info, err := os.Stat(place)
	if err != nil {
		return
	}
	if was, ok := info.Sys().(*syscall.Stat_t); ok && (int(was.Uid) != os.Geteuid() || int(was.Gid) != os.Getegid()) {
		_ = to.Chown(int(was.Uid), int(was.Gid))
	}
}
