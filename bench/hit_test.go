// Package bench measures godown against floors: what a Go program could do at
// best. Its README says how.
package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/obs"
)

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct{ header http.Header }

func (w nowhere) Header() http.Header         { return w.header }
func (w nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (w nowhere) WriteHeader(int)             {}

// BenchmarkHit measures all that we do for a small file from the cache, without
// the HTTP server: parse, look up, respond, event, metrics.
func BenchmarkHit(b *testing.B) {
	mods := godowntest.NewModules(b, "")
	if err := mods.AddBig("example.com/a/b/c", "v1.2.3", 1000); err != nil {
		b.Fatal(err)
	}
	store, err := godown.OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	cache := &godown.Cache{Store: store, Source: mods, Verifier: &godown.FirstSeen{Store: store}}
	defer cache.Close(context.Background())
	h := obs.New(slog.New(slog.NewTextHandler(io.Discard, nil)), false).Handler(&godown.Handler{Source: cache})
	for _, file := range []string{"@v/v1.2.3.info", "@v/v1.2.3.mod", "@v/list"} {
		b.Run(file, func(b *testing.B) {
			r, err := http.NewRequest("GET", "/example.com/a/b/c/"+file, nil)
			if err != nil {
				b.Fatal(err)
			}
			h.ServeHTTP(nowhere{http.Header{}}, r)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				w := nowhere{make(http.Header, 8)}
				h.ServeHTTP(w, r)
				if w.header["X-Cache-Status"] == nil {
					b.Fatal(fmt.Sprint(w.header))
				}
			}
		})
	}
}
