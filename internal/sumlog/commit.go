package sumlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// An entry is a record that is to be appended.
type entry struct {
	module module.Version
	text   []byte
	noted  bool          // nobody has asked for it
	done   chan struct{} // closed when the fields below are set; nil: nobody waits
	id     int64
	have   []byte // the record that the log has now: text, or another that came first
	err    error
}

// answer lets go who waits for e: with its record, or else with err.
func (e *entry) answer(err error) {
	if e.have == nil {
		e.err = err
	}
	if e.done != nil {
		close(e.done)
		e.done = nil
	}
}

// How much is appended, and how long that may take.
const (
	maxBatch      = 4096
	commitTimeout = time.Minute
)

// append adds a record, unless the version has one by then, and returns the
// one that the log has in the end. It waits for that until ctx ends, but the record is appended all the same.
func (l *Log) append(ctx context.Context, m module.Version, text []byte) (int64, []byte, error) {
	done := make(chan struct{})
	e := &entry{module: m, text: text, done: done}
	if err := l.enqueue(e); err != nil {
		return 0, nil, err
	}
	select {
	case <-done:
		return e.id, e.have, e.err
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}

// enqueue has e appended, soon.
func (l *Log) enqueue(e *entry) error {
	if err := checkRecord(e.module, e.text); err != nil {
		return err
	}
	if len(l.Signers) == 0 {
		return ErrReadOnly
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	l.queue = append(l.queue, e)
	waits := e.done != nil
	l.waited = l.waited || waits
	if !l.busy {
		l.busy = true
		l.working.Go(l.commitAll)
	}
	l.mu.Unlock()
	if waits {
		l.rush()
	}
	return nil
}

// rush ends the waiting for more to append.
func (l *Log) rush() {
	select {
	case l.hurry <- struct{}{}:
	default:
	}
}

// commitAll appends what is queued, until that is all. Whoever comes while one
// batch is stored is in the next one.
func (l *Log) commitAll() {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.busy = false
			l.mu.Unlock()
			return
		}
		gather := !l.waited && !l.closed && len(l.queue) < maxBatch
		l.mu.Unlock()
		if gather {
			t := time.NewTimer(batchWait)
			select {
			case <-t.C:
			case <-l.hurry:
			}
			t.Stop()
		}
		l.mu.Lock()
		n := min(len(l.queue), maxBatch)
		batch := slices.Clone(l.queue[:n])
		l.queue = slices.Delete(l.queue, 0, n)
		l.waited = slices.ContainsFunc(l.queue, func(e *entry) bool { return e.done != nil })
		l.mu.Unlock()

		ctx, cancel := context.WithTimeout(l.ctx, commitTimeout)
		err := l.commit(ctx, batch)
		cancel()
		if err != nil {
			err = fmt.Errorf("checksum database %s: appending: %w", l.Name, cloak(err))
			l.Alarm(godown.Alarm{Kind: "store", Err: err})
		}
		for _, e := range batch {
			e.answer(err)
			if e.noted && e.have != nil && !bytes.Equal(e.have, e.text) {
				l.differs(e.module, e.have, e.text)
			}
		}
	}
}

// commit appends what the log does not have yet, and sets each entry's record.
// With an error, those that have none were not appended, or it is not known.
func (l *Log) commit(ctx context.Context, batch []*entry) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	raced := false
	for {
		l.mu.Lock()
		unsure := l.unsure
		l.mu.Unlock()
		if unsure {
			if err := l.reload(ctx); err != nil {
				return err
			}
		}
		s, _ := l.current()
		fresh, err := l.missing(ctx, s, batch)
		if err != nil || len(fresh) == 0 {
			if raced {
				l.sweep(ctx, s) // the tails that came to nothing, which may be another's now
			}
			return err
		}
		texts := make([][]byte, len(fresh))
		for i, e := range fresh {
			texts[i] = e.text
		}
		next, err := s.with(texts, l.putFilled(ctx, s.filled), time.Now())
		if err != nil {
			return err
		}
		data, err := next.encode()
		if err != nil {
			return err
		}
		if err := l.put(ctx, tailName(next.tree), data); err != nil {
			return err
		}
		switch err := l.Store.(godown.Swapper).Swap(ctx, l.Name+"/commit", tlog.FormatTree(s.tree), tlog.FormatTree(next.tree)); {
		case err == nil:
			if err := l.settle(ctx, s, next, batch, fresh); err != nil {
				return err
			}
		case errors.Is(err, godown.ErrChanged):
			// Another process was quicker. Its records come first.
			if err := l.reload(ctx); err != nil {
				return err
			}
			if now, _ := l.current(); now.tree == s.tree {
				return err // it has not changed: what the store says makes no sense
			}
			raced = true
		default:
			// What is committed now is not known: that is looked for before anything else is.
			l.mu.Lock()
			l.unsure = true
			l.mu.Unlock()
			if rerr := l.reload(ctx); rerr != nil {
				return errors.Join(err, rerr)
			}
			if now, _ := l.current(); now.tree == s.tree {
				return err
			}
		}
	}
}

// missing returns those entries that have no record in s yet, one
// for each version, and sets the records of the others.
func (l *Log) missing(ctx context.Context, s *state, batch []*entry) ([]*entry, error) {
	var fresh []*entry
	seen := make(map[module.Version]bool)
	for _, e := range batch {
		if e.have != nil || seen[e.module] {
			continue
		}
		id, text, err := l.find(ctx, s, e.module)
		switch {
		case err == nil:
			e.id, e.have = id, text
		case errors.Is(err, fs.ErrNotExist):
			seen[e.module] = true
			fresh = append(fresh, e)
		default:
			return nil, err
		}
	}
	return fresh, nil
}

// settle signs a state that is committed, answers batch from it, and makes of its tail what it stands for.
func (l *Log) settle(ctx context.Context, s, next *state, batch, fresh []*entry) error {
	stored := *next
	stored.filled = l.putFilled(ctx, next.filled)
	if err := l.advance(ctx, s, &stored, head{}); err != nil {
		return err
	}
	appended := make(map[module.Version]*entry)
	for i, e := range fresh {
		e.id, e.have = s.tree.N+int64(i), e.text
		appended[e.module] = e
	}
	for _, e := range batch {
		if first, ok := appended[e.module]; ok && e.have == nil {
			e.id, e.have = first.id, first.have
		}
		e.answer(nil)
	}
	// From here on nothing is lost if it fails: the next one, or the next start, makes up for it.
	_, shown := l.current()
	if err := l.put(ctx, "latest", shown.signed); err != nil {
		l.Alarm(godown.Alarm{Kind: "store", Err: fmt.Errorf("checksum database %s: %w", l.Name, err)})
	}
	if s.tree.N > 0 {
		_ = l.Store.Delete(ctx, l.Name+"/"+tailName(s.tree))
	}
	return nil
}

// putFilled stores tiles that have become full, and returns those that could
// not be stored: they stay in the tail.
func (l *Log) putFilled(ctx context.Context, tiles []filled) []filled {
	if len(l.Signers) == 0 {
		return tiles
	}
	failed := make([]error, len(tiles))
	slots := make(chan struct{}, 8)
	var wait sync.WaitGroup
	for i, f := range tiles {
		slots <- struct{}{}
		wait.Go(func() {
			failed[i] = l.put(ctx, f.tile.Path(), f.data) // also if it is there: it may not be durable
			<-slots
		})
	}
	wait.Wait()
	var left []filled
	for i, err := range failed {
		if err != nil {
			left = append(left, tiles[i])
		}
	}
	if err := errors.Join(failed...); err != nil {
		l.Alarm(godown.Alarm{Kind: "store", Err: fmt.Errorf("checksum database %s: %w", l.Name, err)})
	}
	return left
}
