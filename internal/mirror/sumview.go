package mirror

import (
	"context"
	"fmt"
	"time"

	"github.com/godown-dev/godown"
)

// Getters returns each mirror on its own that may be asked for the files of
// checksum databases, so that what they show can be compared. They are named as
// in Status. What they give is passed on as it is. One that is down is asked only
// when it is time for a trial, and one that asked to be left alone is.
func (p *Pool) Getters() []godown.Getter {
	var list []godown.Getter
	for _, m := range p.members {
		if !m.Facts.NoSumDB && m.serves("") {
			list = append(list, sumGetter{p, m})
		}
	}
	return list
}

// A sumGetter is one mirror as a Getter of the files of checksum databases.
type sumGetter struct {
	pool *Pool
	m    *member
}

func (g sumGetter) Name() string { return g.m.name }

func (g sumGetter) Get(ctx context.Context, name string) ([]byte, error) {
	m := g.m
	db, path := splitSum(name)
	if module := moduleOf(path); module != "" && !m.serves(module) {
		return nil, &godown.NotFound{Text: fmt.Sprintf("upstream %s: it is not asked for %s", m.name, module), Unasked: true}
	}
	switch m.sumSupport(db) {
	case sumNone:
		return nil, g.unsupported(db)
	case sumPassed:
		if path == "supported" {
			return nil, nil // should it have changed its mind, the next file will tell
		}
	}
	if err := m.leaveAlone(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, g.pool.Stall, godown.ErrStalled)
	defer cancel()
	if err := m.acquire(ctx, false); err != nil {
		return nil, err
	}
	defer m.release(false)
	start := time.Now()
	data, err := m.getRaw(ctx, db, path)
	switch took := time.Since(start); {
	case err == nil:
		m.answered(took)
	case ctx.Err() == nil || context.Cause(ctx) == godown.ErrStalled: // else who asks has left
		m.failed(err, took)
	}
	if err == errNoSum {
		err = g.unsupported(db)
	}
	return data, err
}

func (g sumGetter) unsupported(db string) error {
	return &godown.NotFound{Text: fmt.Sprintf("upstream %s does not pass the checksum database %s on", g.m.name, db), Unasked: true}
}

// getRaw is getSum that gives whatever the mirror gives.
func (m *member) getRaw(ctx context.Context, db, path string) ([]byte, error) {
	if err := m.passes(ctx, db); err != nil || path == "supported" {
		return nil, err
	}
	data, err := m.Upstream.Get(ctx, "sumdb/"+db+"/"+path)
	m.mu.Lock()
	m.counts.bytes += int64(len(data))
	m.mu.Unlock()
	return data, err
}

// leaveAlone returns why m is not to be asked now unless it must be.
func (m *member) leaveAlone() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Before(m.busy) {
		return &godown.Busy{Who: m.name, After: m.busy.Sub(now), Text: "it asked to be left alone"}
	}
	if m.circuit.down && !m.circuit.trial(now) {
		return fmt.Errorf("upstream %s is down, and not asked for %v more", m.name, max(0, m.circuit.until.Sub(now)).Round(100*time.Millisecond))
	}
	return nil
}
