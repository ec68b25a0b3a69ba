//go:build unix

package main

import (
	"os"
	"os/signal"
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

// whenStopped has c told when the terminal asks the process to stop, as by
// Ctrl-Z, which it then does not do by itself: stop does.
func whenStopped(c chan<- os.Signal) { signal.Notify(c, syscall.SIGTSTP) }

// stop stops the process, until somebody has it go on.
func stop() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) // one may always stop oneself
}

// signalNumber returns the number of the signal that ended a process.
func signalNumber(p *os.ProcessState) int {
	if status, ok := p.Sys().(syscall.WaitStatus); ok {
		return int(status.Signal())
	}
	return 0
}
