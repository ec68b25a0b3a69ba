package vcs

import (
	"context"
	"sync"
)

// A shared runs functions, at most one for each key at a time, and gives its
// result to all who ask meanwhile.
type shared[K comparable, V any] struct {
	mu   sync.Mutex // guards runs
	runs map[K]*run[V]
}

// A run is one call of a function.
type run[V any] struct {
	done  chan struct{} // closed when value and err are set
	value V
	err   error
}

// do returns what f returns for key. f outlives a caller who leaves; it gets
// the context base, and counts as work in working.
func (s *shared[K, V]) do(ctx, base context.Context, working *sync.WaitGroup, key K, f func(context.Context) (V, error)) (V, error) {
	s.mu.Lock()
	r, ok := s.runs[key]
	if !ok {
		r = &run[V]{done: make(chan struct{})}
		if s.runs == nil {
			s.runs = make(map[K]*run[V])
		}
		s.runs[key] = r
		working.Go(func() {
			r.value, r.err = f(base)
			s.mu.Lock()
			delete(s.runs, key)
			s.mu.Unlock()
			close(r.done)
		})
	}
	s.mu.Unlock()
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		var none V
		return none, context.Cause(ctx)
	}
}
