// Package warm fetches modules before they are asked for: it copies a set of
// versions from a Source to the Store behind it. What is in the set is said by
// a list, read from a project's go.sum, found by minimal version selection, or
// predicted from what a client has asked for so far.
package warm
