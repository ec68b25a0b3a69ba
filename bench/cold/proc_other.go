//go:build !linux

package main

// peakMemory is not known: there is no /proc here.
func peakMemory(int) (int64, error) { return 0, errNoProcess }
