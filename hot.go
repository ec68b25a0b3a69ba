package godown

import (
	"sync"
	"sync/atomic"
)

// A hot keeps values in memory, within a bound of bytes, for readers on many
// cores: a read takes a shared lock and sets one bit. The values that make room
// are those that were not read since the clock's hand last passed them.
type hot[K comparable, V any] struct {
	max int64

	mu    sync.RWMutex // guards the fields below
	slots map[K]*hotSlot[K, V]
	ring  []*hotSlot[K, V] // all slots, in no order
	hand  int              // index in ring
	bytes int64
}

type hotSlot[K comparable, V any] struct {
	key   K
	value V
	bytes int64
	index int // in ring
	used  atomic.Bool
}

// slotBytes is about what a slot costs besides its value.
const slotBytes = 200

func newHot[K comparable, V any](max int64) *hot[K, V] {
	return &hot[K, V]{max: max, slots: make(map[K]*hotSlot[K, V])}
}

func (h *hot[K, V]) get(key K) (V, bool) {
	h.mu.RLock()
	s, ok := h.slots[key]
	h.mu.RUnlock()
	if !ok {
		var none V
		return none, false
	}
	if !s.used.Load() { // a store by every reader would bounce the line between cores
		s.used.Store(true)
	}
	return s.value, true
}

// put keeps value, which takes the given number of bytes.
func (h *hot[K, V]) put(key K, value V, bytes int64) {
	bytes += slotBytes
	h.mu.Lock()
	defer h.mu.Unlock()
	if old, ok := h.slots[key]; ok {
		h.remove(old)
	}
	if bytes > h.max/4 {
		return
	}
	for h.bytes+bytes > h.max {
		h.evict()
	}
	s := &hotSlot[K, V]{key: key, value: value, bytes: bytes, index: len(h.ring)}
	h.slots[key] = s
	h.ring = append(h.ring, s)
	h.bytes += bytes
}

func (h *hot[K, V]) delete(key K) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.slots[key]; ok {
		h.remove(s)
	}
}

// evict removes the next slot that was not used lately. Caller holds h.mu.
func (h *hot[K, V]) evict() {
	for {
		if h.hand >= len(h.ring) {
			h.hand = 0
		}
		s := h.ring[h.hand]
		h.hand++ // also over the newest, which takes the place of the one removed
		if !s.used.Swap(false) {
			h.remove(s)
			return
		}
	}
}

// remove takes a slot out; the last one takes its place. Caller holds h.mu.
func (h *hot[K, V]) remove(s *hotSlot[K, V]) {
	delete(h.slots, s.key)
	last := h.ring[len(h.ring)-1]
	h.ring[s.index], last.index = last, s.index
	h.ring[len(h.ring)-1] = nil
	h.ring = h.ring[:len(h.ring)-1]
	h.bytes -= s.bytes
}
