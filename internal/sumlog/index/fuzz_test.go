package index

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/godown-dev/godown"
)

// FuzzSegment opens what is no segment. With reseal set the checksums are made
// right, as by one who means harm: it may be believed, but must not confuse.
func FuzzSegment(f *testing.F) {
	p := plan{prefix, 512}
	l := newLabel(p, place{0, 3}, []byte("bind"))
	keys := make([]Key, 512)
	for i := range keys {
		keys[i] = Key(i / 3 * 5)
	}
	good, err := io.ReadAll(newEncoder(l, each(sorted(keys))))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, false, uint64(5))
	f.Add(good, true, uint64(600))
	f.Add(good[:blockSize], true, uint64(6))
	f.Add([]byte{}, false, uint64(7))
	order := bytes.Clone(good)
	copy(order[blockSize:], order[blockSize+100*entrySize:blockSize+200*entrySize])
	f.Add(order, true, uint64(0))
	f.Fuzz(func(t *testing.T, data []byte, reseal bool, key uint64) {
		data = bytes.Clone(data)
		if reseal {
			for i := 0; (i+1)*blockSize <= len(data); i++ {
				l.seal(data[i*blockSize:(i+1)*blockSize], int64(i))
			}
		}
		s, err := openSegment(godown.NewFile(data), l)
		if err != nil {
			if bytes.Equal(data, good) {
				t.Fatal(err)
			}
			return
		}
		numbers, err := s.find(Key(key), nil)
		for _, n := range numbers {
			if n < 3*512 || n >= 4*512 {
				t.Errorf("number %d is out of range", n)
			}
		}
		if !reseal && err == nil {
			var want []int64
			for i, k := range keys {
				if k == Key(key) {
					want = append(want, 3*512+int64(i))
				}
			}
			if !slices.Equal(numbers, want) {
				t.Errorf("%d is found as %v, want %v", key, numbers, want)
			}
		}
		if s.verify() == nil && err != nil {
			t.Errorf("what can be read to its end gives error %v", err)
		}
	})
}
