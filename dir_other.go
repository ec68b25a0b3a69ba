//go:build !unix

package godown

// openAtOnce is needed where there are named pipes among the files.
const openAtOnce = 0
