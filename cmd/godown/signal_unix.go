//go:build unix

package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that a command under run is sent on.
func forwarded() []os.Signal {
	return []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}
}

// sentByTerminal reports whether the terminal has sent the signal, as by
// Ctrl-C: then the command, which is in our process group, has it already.
func sentByTerminal(sig os.Signal) bool {
	if sig != syscall.SIGINT && sig != syscall.SIGQUIT {
		return false
	}
	for _, f := range []*os.File{os.Stdin, os.Stderr, os.Stdout} {
		if group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP); err == nil {
			return group == unix.Getpgrp()
		}
	}
	return false
}

// signalNumber returns the number of the signal that ended a process.
func signalNumber(p *os.ProcessState) int {
	if status, ok := p.Sys().(syscall.WaitStatus); ok {
		return int(status.Signal())
	}
	return 0
}
