//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package vcs

import (
	"os"
	"os/exec"
	"time"
)

// canLock is false: age alone tells whether scratch is a leftover.
const canLock = false

func tryLock(*os.File) bool { return true }

// share does nothing where files cannot be locked.
func share(*os.File) {}

// ownGroup leaves cmd as it is: on cancellation the go command alone is
// killed, and what it started ends by itself.
func ownGroup(*exec.Cmd) {}

func endGroup(*exec.Cmd, time.Duration) {}
