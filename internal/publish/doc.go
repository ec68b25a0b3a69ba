// Package publish keeps versions of modules that were handed in as zips, for
// those who hold modules without a repository that could be reached. A [Shelf]
// takes such a version once and for ever, and serves it as a
// [github.com/godown-dev/godown.Source].
package publish
