package main

import (
	"errors"
	"time"
)

const (
	patience  = 30 * time.Second       // for a server to leave the mirror alone
	stillness = 500 * time.Millisecond // without a request, after which a server is thought to want nothing more
	poll      = 20 * time.Millisecond  // between looks at the memory of a process that may end any time, and at a mirror
)

var errNoProcess = errors.New("the process is not there, or this system has no /proc")

// watchMemory looks at a process's memory until it is stopped; stop returns
// its peak so far in bytes, 0 if that is not known.
func watchMemory(pid int) (stop func() int64) {
	ending, ended := make(chan struct{}), make(chan int64)
	go func() {
		ticker := time.NewTicker(poll)
		defer ticker.Stop()
		var peak int64
		for {
			if n, err := peakMemory(pid); err == nil {
				peak = n
			}
			select {
			case <-ticker.C:
			case <-ending:
				ended <- peak
				return
			}
		}
	}()
	return func() int64 {
		close(ending)
		return <-ended
	}
}
