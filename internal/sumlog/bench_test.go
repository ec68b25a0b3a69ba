package sumlog_test

import (
	"fmt"
	"sync"
	"testing"
)

// BenchmarkAppend appends records that many ask for at once.
func BenchmarkAppend(b *testing.B) {
	l, _ := newLog(b, b.TempDir())
	b.ResetTimer()
	var wait sync.WaitGroup
	const clients = 1024
	for c := range clients {
		wait.Go(func() {
			for i := c; i < b.N; i += clients {
				if _, _, err := l.Lookup(b.Context(), version(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
}

// BenchmarkLookup looks up records that are there, in logs of several sizes.
func BenchmarkLookup(b *testing.B) {
	for _, size := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l, _ := newLog(b, b.TempDir())
			fill(b, l, 0, size)
			for i := 0; b.Loop(); i++ {
				if _, err := l.FetchSum(b.Context(), fmt.Sprintf("%s/lookup/example.com/!m%d@v1.%d.0", dbName, i*31%size/7, i*31%size%7)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
