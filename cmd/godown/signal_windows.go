package main

import "os"

// forwarded are the signals that a command under run is sent on. Windows
// sends Ctrl-C to the command as well as to us: catching it lets us outlive it.
func forwarded() []os.Signal { return []os.Signal{os.Interrupt} }

// whenStopped does nothing: there is no such thing here.
func whenStopped(chan<- os.Signal) {}

func stop() {}

func sentByTerminal(os.Signal) bool { return true }

func signalNumber(*os.ProcessState) int { return 0 }
