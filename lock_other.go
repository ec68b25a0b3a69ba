//go:build !unix || solaris || illumos || aix

package godown

import "os"

// tryLock reports whether f's folder may be removed. Without flock nothing can
// be told; Windows refuses to remove what another process has open, which
// serves the same end.
func tryLock(*os.File) bool { return true }
