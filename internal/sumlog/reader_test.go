package sumlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/sumdb/note"
)

// A reader without the key answers a lookup of what the log has by now.
func TestReaderLookup(t *testing.T) {
	l, k := newLog(t, t.TempDir())
	fill(t, l, 0, 3)
	l.Close(t.Context())
	o := options(l.Store, k)
	l = openLog(t, o)
	o.Signers, o.Origin = nil, nil
	reader := openLog(t, o)
	fill(t, l, 3, 5)
	l.Close(t.Context()) // all is stored
	for range 2 {
		if _, err := reader.FetchSum(t.Context(), dbName+"/lookup/example.com/!m0@v1.4.0"); err != nil {
			t.Errorf("the log has had that record for a while: %v", err)
		}
		reader.FetchSum(t.Context(), dbName+"/lookup/example.com/!m0@v1.3.0")
	}
}

// c2sp.org/tlog-tiles says which type the files have.
func TestContentType(t *testing.T) {
	l, _ := newLog(t, t.TempDir())
	fill(t, l, 0, 3)
	server := serveLog(t, l)
	for path, want := range map[string]string{"tile/0/000.p/3": "application/octet-stream", "tile/entries/000.p/3": "application/octet-stream", "tile/8/0/000.p/3": "application/octet-stream", "checkpoint": "text/plain; charset=utf-8"} {
		resp, err := http.Get(server.URL + "/sumdb/" + dbName + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); got != want || resp.StatusCode != 200 {
			t.Errorf("%s: %d %s, want %s", path, resp.StatusCode, got, want)
		}
	}
}

// Opening fails, again and again: nothing is left open.
func TestOpenFailsLeak(t *testing.T) {
	l, k := newLog(t, t.TempDir())
	fill(t, l, 0, 600)
	l.Close(t.Context())
	store := godowntest.NewFaultStore(l.Store.(godowntest.SwapStore))
	o := options(store, k)
	o.Alarm = func(godown.Alarm) {}
	count := func() (int, int) {
		e, _ := os.ReadDir("/proc/self/fd")
		return len(e), runtime.NumGoroutine()
	}
	fd, g := count()
	for i := range 60 {
		store.Plan(func(op godowntest.Op) godowntest.WriteFault {
			if op.Write%7 == i%7 {
				return godowntest.WriteFault{At: godowntest.Before, Crash: true}
			}
			return godowntest.WriteFault{}
		})
		if l, err := sumlog.Open(t.Context(), o); err == nil {
			l.Close(t.Context())
		}
		store.Restart()
	}
	if fd2, g2 := count(); fd2 > fd+2 || g2 > g+2 {
		t.Errorf("fds %d, then %d; goroutines %d, then %d", fd, fd2, g, g2)
	}
}

// Three processes with random faults and crashes, again and again, on one store.
func TestSoak(t *testing.T) {
	for round := range 8 {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 1))
		k := newKeys(t, dbName)
		dir := openDir(t, t.TempDir())
		if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
			t.Fatal(err)
		}
		h := newHistory(k)
		{
			o := options(dir, k)
			o.Signers = []note.Signer{h}
			l := openLog(t, o)
			fill(t, l, 0, 200)
			l.Close(t.Context())
		}
		var mu sync.Mutex
		pick := func(n int) int {
			mu.Lock()
			defer mu.Unlock()
			return rng.IntN(n)
		}
		var wait sync.WaitGroup
		for p := range 3 {
			wait.Go(func() {
				store := godowntest.NewFaultStore(dir)
				for range 6 {
					store.Plan(func(godowntest.Op) godowntest.WriteFault {
						switch n := pick(60); {
						case n < 4:
							return godowntest.WriteFault{At: godowntest.Moment(1 + pick(3))}
						case n == 4:
							return godowntest.WriteFault{At: godowntest.Moment(1 + pick(3)), Crash: true}
						}
						return godowntest.WriteFault{}
					})
					o := options(store, k)
					o.Signers, o.Origin, o.Alarm = []note.Signer{h}, origin(fmt.Sprint(p)), func(godown.Alarm) {}
					l, err := sumlog.Open(t.Context(), o)
					if err == nil {
						var w sync.WaitGroup
						for range 40 {
							i := 200 + pick(200)
							w.Go(func() { h.lookup(t.Context(), l, i) })
							if pick(3) == 0 {
								w.Wait()
							}
							if pick(5) == 0 {
								l.Note(version(200 + pick(200)))
								l.FetchSum(t.Context(), dbName+"/latest")
							}
						}
						w.Wait()
						l.Close(context.Background())
					}
					store.Restart()
				}
			})
		}
		wait.Wait()
		h.check(t, dir, k)
		if t.Failed() {
			t.Fatalf("round %d, seed %d", round, seed)
		}
	}
}
