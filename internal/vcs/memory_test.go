package vcs

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A large file is not held in memory to make a zip of it.
func TestLargeFileIsStreamed(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script+fmt.Sprintf("mkbig data.bin %d 7\ncommit Big\ntag v1.3.0\n", 60<<20))
	o := newOrigin(t, h)
	mustAsk(t, o, godown.List, tool, "")
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base := m.HeapAlloc
	var peak atomic.Uint64
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				if m.HeapAlloc > peak.Load() {
					peak.Store(m.HeapAlloc)
				}
			}
		}
	}()
	f, err := o.Fetch(t.Context(), godown.Request{Kind: godown.Zip, Path: tool, Version: "v1.3.0"})
	close(stop)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if n := peak.Load() - base; n > 40<<20 {
		t.Errorf("%d MiB of memory for a file of 60 MiB", n>>20)
	}
}
