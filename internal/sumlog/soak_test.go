package sumlog_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/module"
)

// Odd requests: never a panic, never a 5xx.
func TestOddPaths(t *testing.T) {
	l, k := newLog(t, t.TempDir())
	server := serveLog(t, l)
	status := func(path string) int {
		req, err := http.NewRequest("GET", server.URL+"/sumdb/"+dbName+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("%.80s: %v", path, err)
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := status("/latest"); got != 200 {
		t.Error("latest of the empty log", got)
	}
	if got := status("/checkpoint"); got != 200 {
		t.Error("checkpoint of the empty log", got)
	}
	for _, p := range []string{"/tile/8/0/000.p/1", "/tile/8/0/000", "/tile/0/000.p/1", "/tile/entries/000.p/1", "/tile/8/data/000.p/1"} {
		if got := status(p); got != 404 {
			t.Errorf("empty log: %s: %d", p, got)
		}
	}
	fill(t, l, 0, 512)
	for p, want := range map[string]int{"/tile/8/0/002": 404, "/tile/8/0/002.p/1": 404, "/tile/8/1/000.p/3": 404, "/tile/entries/002.p/1": 404} {
		if got := status(p); got != want {
			t.Errorf("%.100s: %d, want %d", p, got, want)
		}
	}
	for p, want := range map[string]int{
		"/tile/8/0/000": 200, "/tile/8/0/001": 200, "/tile/8/0/002.p/0": 404, "/tile/8/0/001.p/256": 404, "/tile/8/0/001.p/255": 200,
		"/tile/8/1/000.p/2": 200, "/tile/8/1/000.p/1": 200, "/tile/8/1/000.p/3": 404, "/tile/8/2/000.p/1": 404, "/tile/8/1/000": 404,
		"/tile/0/001.p/256": 404, "/tile/0/001.p/01": 404, "/tile/00/001": 404, "/tile/0/001": 200, "/tile/0/x000/001": 404, "/tile/1/000.p/2": 200, "/tile/entries/001": 200, "/tile/entries/001.p/7": 200, "/tile/data/001": 404,
		"/tile/64/000.p/1": 404, "/tile/63/000.p/1": 404, "/tile/8/63/000.p/1": 404, "/tile/8/8/000.p/1": 404, "/tile/8/7/000.p/1": 404,
		"/tile/9/0/000": 404, "/tile/8/-1/000": 404, "/tile/8/0/x999/x999/x999/x999/x999/x999/999": 404, "/tile/8/0/x009/x223/x372/x036/x854/x775/807": 404, "/tile/8/0/x" + strings.Repeat("999/x", 3000) + "999/000": 404,
		"/tile/": 404, "/tile": 404, "/tile/8/0/../0/000": 404, "//latest": 404, "/latest/": 404, "/": 404, "": 404, "/supported": 200, "/supported/": 404,
		"/lookup/": 404, "/lookup/@": 404, "/lookup/example.com/m0@v1.0.0": 200 /* another module than M0 */, "/lookup/example.com/!m0@v1.0.0": 200, "/lookup/example.com/M0@v1.0.0": 404,
		"/lookup/example.com/!m0@v1.0.0/go.mod": 404, "/lookup/example.com/!m0@v1.0": 404, "/lookup/example.com/!m0@latest": 404, "/lookup/example.com/!m0": 404, "/lookup/example.com/!m0@": 404,
		"/lookup/example.com/x@v2.0.0": 404, "/lookup/example.com/x@v2.0.0+incompatible": 200, "/lookup/example.com/x@v1.0.0+meta": 404,
		"/lookup/example.com/x@v0.0.0-20200101000000-abcdefabcdef": 200, "/lookup/example.com/x@v1.0.0-!r!c.1": 200, "/lookup/golang.org/toolchain@v0.0.1-go1.22.0.linux-amd64": 200, "/lookup/gopkg.in/yaml.v3@v3.0.1": 200,
		"/lookup/example.com/x@v1.0.0%0A": 404, "/lookup/example.com/x%20y@v1.0.0": 404, "/lookup/example.com/%00@v1.0.0": 404, "/lookup/../../x@v1.0.0": 404, "/lookup/example.com/x@v1.0.0@v1.0.0": 404,
	} {
		if got := status(p); got != want {
			t.Errorf("%.100s: %d, want %d", p, got, want)
		}
	}
	_ = k
}

// Everything at once, with Close in the midst of it; twice, so that leaks show.
func TestCloseStorm(t *testing.T) {
	k := newKeys(t, dbName)
	dir := openDir(t, t.TempDir())
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	fds := func() int {
		e, _ := os.ReadDir("/proc/self/fd")
		return len(e)
	}
	next := 0
	var base, baseFD int
	for round := range 12 {
		o := options(dir, k)
		o.Alarm = func(godown.Alarm) {}
		a, err := sumlog.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := sumlog.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for i := range 120 {
			for _, l := range []*sumlog.Log{a, b} {
				wait.Go(func() {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if i%5 == 0 {
						go cancel()
					}
					m := version(next + i)
					l.Note(version(next + i + 40))
					_, text, err := l.Lookup(ctx, m)
					if err == nil && string(text) != string(sums(m, "")) {
						t.Errorf("%q", text)
					}
					if errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%v", err)
					}
					l.FetchSum(ctx, dbName+"/latest")
					l.FetchSum(ctx, fmt.Sprintf("%s/tile/8/0/000.p/%d", dbName, 1+i))
					l.Status(ctx, 3)
				})
			}
			if i == 60 {
				wait.Go(func() { a.Close(context.Background()) })
			}
			if i == 90 {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				wait.Go(func() { b.Close(ctx) })
			}
		}
		wait.Wait()
		a.Close(context.Background())
		b.Close(context.Background())
		next += 160
		runtime.GC()
		if round == 2 {
			base, baseFD = runtime.NumGoroutine(), fds()
		}
	}
	if n := runtime.NumGoroutine(); n > base+3 {
		t.Errorf("%d goroutines, at first %d", n, base)
	}
	if n := fds(); n > baseFD+3 {
		t.Errorf("%d file descriptors, at first %d", n, baseFD)
	}
	seen := map[module.Version]bool{}
	l := openLog(t, options(dir, k))
	s, err := l.Status(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Last {
		m := module.Version{Path: r.Module, Version: r.Version}
		if seen[m] {
			t.Errorf("%v twice", m)
		}
		seen[m] = true
	}
	t.Log(s.Size)
}
