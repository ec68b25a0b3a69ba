//go:build !unix

package modcache

// hand is needed where one user can write into another's folder.
func (c *GoCache) hand(string) {}

// readOnly is told by other errors there.
func readOnly(error) bool { return false }
