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
	took     time.Duration // to count
	size     int64
}

// A count is made again when it is older than recount, and then only if
// counting takes less than a hundredth of the time.
const recount = 5 * time.Second

// bytes returns the last count, if there is one.
func (s *storeSize) bytes() (n int64, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.counting && time.Since(s.counted) > max(recount, 100*s.took) {
		s.counting = true
		go s.count()
	}
	return s.size, !s.counted.IsZero()
}

func (s *storeSize) count() {
	start := time.Now()
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
	s.took = time.Since(start)
	if !failed {
		s.size, s.counted = size, time.Now()
	}
}
