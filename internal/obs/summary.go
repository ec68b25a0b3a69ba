package obs

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

// A tally sums up what was served, for people.
type tally struct {
	mu       sync.Mutex // guards the fields below
	modules  map[module.Version]struct{}
	bytes    int64
	requests int
	hits     int
	ahead    int // of the requests, those for what was fetched ahead
}

// maxModules bounds the memory of a tally: a server may run for ever.
const maxModules = 100_000

func (t *tally) add(ev *godown.Event) {
	if ev.Status != http.StatusOK || ev.Request.Kind == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	t.bytes += ev.Bytes
	switch {
	case ev.Ahead:
		t.ahead++
	case ev.Cache == godown.Hit:
		t.hits++
	}
	if len(t.modules) < maxModules && (ev.Request.Kind == godown.Mod || ev.Request.Kind == godown.Zip) {
		t.modules[module.Version{Path: ev.Request.Path, Version: ev.Request.Version}] = struct{}{}
	}
}

// Summary says in a line what was served.
func (o *Observer) Summary() string {
	t := o.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	text := fmt.Sprintf("%d modules, %s, %d of %d files from the cache", len(t.modules), size(t.bytes), t.hits, t.requests)
	if t.ahead > 0 {
		text += fmt.Sprintf(", %d fetched ahead", t.ahead)
	}
	return text
}

func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1_000_000)
}
