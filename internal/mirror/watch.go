package mirror

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// inUse is how long after its last request a pool counts as used: the mirrors
// of one that nobody uses are left alone.
const inUse = 10 * time.Minute

// Watch probes mirrors that are down, and those of a pool in use that have had
// no request for a while, until ctx ends. It asks for a small file that some
// mirror has given of late.
func (p *Pool) Watch(ctx context.Context) {
	if p.Every <= 0 {
		return
	}
	ticker := time.NewTicker(p.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		p.mu.Lock()
		req, used := p.known, time.Since(p.active) < inUse
		p.mu.Unlock()
		if req.Path == "" { // nothing is known yet
			req = godown.Request{Kind: godown.List, Path: "golang.org/x/mod"}
		}
		var probing sync.WaitGroup
		for _, m := range p.members {
			if m.wantsProbe(req, used, p.Every) {
				probing.Go(func() { p.ask(ctx, m, req) })
			}
		}
		probing.Wait()
	}
}

// wantsProbe reports whether m should be probed with req.
func (m *member) wantsProbe(req godown.Request, used bool, every time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if !used || now.Before(m.busy) || !m.serves(req.Path) {
		return false
	}
	if m.circuit.down {
		// Probes are not verified: they tell nothing of one that lied.
		return m.liesAt(now) < 0.5 || !now.Before(m.circuit.until)
	}
	return now.Sub(m.last) >= every
}

// ask probes m.
func (p *Pool) ask(watching context.Context, m *member, req godown.Request) {
	ctx, cancel := context.WithTimeout(watching, p.Timeout)
	defer cancel()
	if m.acquire(ctx, false) != nil {
		return
	}
	defer m.release(false)
	start := time.Now()
	f, err := m.Upstream.Fetch(ctx, req)
	if err == nil {
		_, err = io.Copy(io.Discard, f.Reader())
		f.Close()
	}
	switch {
	case err == nil:
		m.answered(time.Since(start))
	case errors.Is(err, fs.ErrNotExist) && req.Fixed():
		m.answered(time.Since(start))
		m.lagged(req)
	case watching.Err() == nil:
		m.failed(err, time.Since(start))
	}
}
