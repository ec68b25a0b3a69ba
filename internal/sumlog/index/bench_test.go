package index

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/godown-dev/godown"
)

// spread returns keys that are spread as those of real modules are.
func spread(_ context.Context, first int64, n int) ([]Key, error) {
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = spreadKey(first + int64(i))
	}
	return keys, nil
}

func spreadKey(i int64) Key {
	x := uint64(i) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return Key(x ^ x>>31)
}

func bindSize(_ context.Context, first, n int64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, uint64(first+n)), nil
}

func benchIndex(b *testing.B, size int64) *Index {
	dir, err := godown.OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	x, err := Open(context.Background(), dir, prefix, size, spread, Options{Bind: bindSize, Failed: func(err error) { b.Error(err) }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.Close(context.Background()); dir.Close() })
	(&stand{Index: x}).settle(b)
	return x
}

// BenchmarkFind looks up keys that are there and keys that are not, as a
// growing log's size goes up a hundredfold.
func BenchmarkFind(b *testing.B) {
	for _, size := range []int64{1e4, 1e5, 1e6} {
		for what, offset := range map[string]int64{"present": 0, "absent": 1 << 40} {
			b.Run(fmt.Sprintf("%d/%s", size, what), func(b *testing.B) {
				x := benchIndex(b, size)
				i := int64(0)
				for b.Loop() {
					i = (i + 7919) % size
					numbers, err := x.Find(b.Context(), spreadKey(offset+i))
					if err != nil || (len(numbers) == 1) != (offset == 0) {
						b.Fatal(numbers, err)
					}
				}
			})
		}
	}
}

// BenchmarkAdd adds batches of 256 records; writing and merging segments of
// the ranges in use is in its time.
func BenchmarkAdd(b *testing.B) {
	x := benchIndex(b, 0)
	b.ReportAllocs()
	for b.Loop() {
		keys, _ := spread(b.Context(), x.Size(), 256)
		if err := x.Add(b.Context(), keys); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(256*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
