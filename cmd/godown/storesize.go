package main

import (
	"context"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// A storeSize knows how big a store is. It counts when it is first asked, and
// again when that was long ago, in the background: starting does not wait for it.
type storeSize struct {
	store godown.Store

	mu       sync.Mutex // guards the fields below
	counting bool
	counted  time.Time
	size     int64
}

// recount is how old a count may be before it is made again.
const recount = 10 * time.Minute

// bytes returns the last count, if there is one.
func (s *storeSize) bytes() (n int64, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.counting && time.Since(s.counted) > recount {
		s.counting = true
		go s.count()
	}
	return s.size, !s.counted.IsZero()
}

func (s *storeSize) count() {
	var size int64
	var failed bool
	for e, err := range s.store.List(context.Background(), "") {
		if err != nil {
			failed = true
			break
		}
		size += e.Size
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counting = false
	if !failed {
		s.size, s.counted = size, time.Now()
	}
}
