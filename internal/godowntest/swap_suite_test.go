package godowntest_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

func TestSwapperSuite(t *testing.T) {
	godowntest.TestSwapper(t, func(*testing.T) godown.Store { return newMemory("") })
}

// Swap makes memory the simplest Swapper.
func (m *memory) Swap(ctx context.Context, name string, old, data []byte) error {
	if m.flaw != "takes any name" {
		if err := check(name); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	same := ok == (old != nil) && string(f.data) == string(old)
	switch m.flaw {
	case "empty is absent":
		same = string(f.data) == string(old)
	case "compares sizes":
		same = ok == (old != nil) && len(f.data) == len(old)
	case "creates only":
		same = !ok && old == nil
	case "looks too early":
		m.mu.Unlock()
		for range 100 {
			runtime.Gosched() // lets others in
		}
		m.mu.Lock()
	}
	if !same {
		return godown.ErrChanged
	}
	if m.flaw != "keeps the buffer" {
		data = append([]byte{}, data...)
	}
	m.files[name] = stored{data, time.Now()}
	return nil
}
