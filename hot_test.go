package godown

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// check says what is wrong with h. Nobody else may use it meanwhile.
func (h *hot[K, V]) check(t *testing.T) {
	t.Helper()
	var bytes int64
	for i, s := range h.ring {
		bytes += s.bytes
		if s.index != i || h.slots[s.key] != s {
			t.Fatalf("slot %d of the ring says that it is %d, and key %v leads to another: %v", i, s.index, s.key, h.slots[s.key] != s)
		}
	}
	if bytes != h.bytes || len(h.ring) != len(h.slots) {
		t.Fatalf("%d slots in the ring, %d by key; %d bytes in all, %d noted", len(h.ring), len(h.slots), bytes, h.bytes)
	}
	if h.bytes > h.max {
		t.Fatalf("%d bytes, more than %d", h.bytes, h.max)
	}
	for _, s := range h.ring[len(h.ring):cap(h.ring)] {
		if s != nil {
			t.Fatalf("a removed slot is still held in memory")
		}
	}
}

// TestHotModel does random things, and compares with a map what can be compared:
// what is there has the value that was put last.
func TestHotModel(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		h := newHot[int, int](20_000)
		model := make(map[int]int)
		kept := 0
		for step := range 3000 {
			key := random.IntN(60)
			switch random.IntN(4) {
			case 0:
				h.delete(key)
				delete(model, key)
			case 1:
				size := int64(random.IntN(6000)) // some are more than a quarter of all
				h.put(key, step, size)
				model[key] = step
				if size+slotBytes > h.max/4 {
					delete(model, key) // the old value must be gone, too
				}
			default:
				got, ok := h.get(key)
				if want, put := model[key]; ok && (!put || got != want) {
					t.Fatalf("seed %d, step %d: get(%d) = %d, put was %d (%v)", seed, step, key, got, want, put)
				}
				if ok {
					kept++
				}
			}
			h.check(t)
		}
		if kept < 100 {
			t.Errorf("seed %d: only %d reads found something", seed, kept)
		}
	}
}

func TestHotKeepsWhatIsUsed(t *testing.T) {
	const size = 1000 - slotBytes
	h := newHot[int, string](10_000) // room for 10
	h.put(0, "used", size)
	for i := 1; i <= 500; i++ {
		h.put(i, "passing by", size)
		if _, ok := h.get(0); !ok {
			t.Fatalf("what is read all the time was put out after %d others", i)
		}
		if len(h.ring) > 10 {
			t.Fatalf("%d of 1000 bytes in 10,000", len(h.ring))
		}
	}
	if len(h.ring) != 10 {
		t.Errorf("%d kept where there is room for 10", len(h.ring))
	}
	if _, ok := h.get(500); !ok {
		t.Error("the newest is not there")
	}
}

// TestHotTurnsOver fills a hot with what nobody reads again, and then reads a
// set that has room twice over, again and again: it must come to be kept.
func TestHotTurnsOver(t *testing.T) {
	const size = 1000 - slotBytes
	h := newHot[int, string](20_000) // room for 20
	for i := range 20 {
		h.put(-1-i, "old", size)
	}
	hits := 0
	for range 50 {
		for i := range 10 {
			if _, ok := h.get(i); ok {
				hits++
			} else {
				h.put(i, "new", size)
			}
		}
	}
	if hits < 400 {
		t.Errorf("%d of 500 reads hit, want nearly all", hits)
	}
}

func TestHotReplaces(t *testing.T) {
	h := newHot[string, int](10_000)
	h.put("a", 1, 100)
	h.put("a", 2, 50)
	if v, ok := h.get("a"); v != 2 || !ok || h.bytes != 50+slotBytes {
		t.Errorf("%d %v, %d bytes", v, ok, h.bytes)
	}
	h.put("a", 3, 9000) // too large: not kept, but neither is the old value
	if v, ok := h.get("a"); ok || h.bytes != 0 {
		t.Errorf("%d is there, %d bytes", v, h.bytes)
	}
	h.delete("a")
	h.check(t)
}

// Something that is given no room must not loop or panic.
func TestHotTiny(t *testing.T) {
	for _, size := range []int64{0, 1, slotBytes, 4*slotBytes - 1, 4 * slotBytes} {
		h := newHot[int, int](size)
		for i := range 10 {
			h.put(i, i, 0)
			h.check(t)
		}
		if _, ok := h.get(9); ok != (size >= 4*slotBytes) {
			t.Errorf("of %d bytes: get finds something: %v", size, ok)
		}
	}
}

func TestHotConcurrent(t *testing.T) {
	h := newHot[int, int](20_000)
	var wg sync.WaitGroup
	for worker := range uint64(8) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(worker, 2))
			for range 5000 {
				key := random.IntN(100)
				switch random.IntN(10) {
				case 0:
					h.delete(key)
				case 1, 2:
					h.put(key, key, int64(random.IntN(2000)))
				default:
					if v, ok := h.get(key); ok && v != key {
						t.Errorf("get(%d) = %d", key, v)
					}
				}
			}
		})
	}
	wg.Wait()
	h.check(t)
}

func BenchmarkHotGet(b *testing.B) {
	h := newHot[int, int](1 << 20)
	for i := range 1000 {
		h.put(i, i, 100)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			h.get(i % 1000)
		}
	})
}
