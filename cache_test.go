package godown_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

const helloModules = `
-- example.com/hello@v1.0.0/go.mod --
module example.com/hello
-- example.com/hello@v1.0.0/hello.go --
package hello
-- example.com/hello@v1.1.0/go.mod --
module example.com/hello

go 1.24
-- example.com/hello@v1.1.0/hello.go --
package hello // newer
-- example.com/hello@master/.query --
v1.1.0
`

func hello(kind godown.Kind, version string) godown.Request {
	return godown.Request{Kind: kind, Path: "example.com/hello", Version: version}
}

// A rig is a cache with what stands around it.
type rig struct {
	*godown.Cache
	dir    string
	mods   *godowntest.Modules
	alarms alarms
}

type alarms struct {
	mu   sync.Mutex // guards list
	list []godown.Alarm
}

func (a *alarms) add(alarm godown.Alarm) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, alarm)
}

func (a *alarms) count(kind string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, alarm := range a.list {
		if alarm.Kind == kind {
			n++
		}
	}
	return n
}

// newRig returns a cache over the given sources, or over a source that gives
// the true modules; change may set more of it.
func newRig(t *testing.T, change func(*rig), sources ...godown.Step) *rig {
	t.Helper()
	r := &rig{dir: t.TempDir(), mods: godowntest.NewModules(t, helloModules)}
	if len(sources) == 0 {
		sources = []godown.Step{{Source: r.mods}}
	}
	r.Cache = &godown.Cache{
		Store:    openDir(t, filepath.Join(r.dir, "modules")),
		Answers:  openDir(t, filepath.Join(r.dir, "answers")),
		Pending:  openDir(t, filepath.Join(r.dir, "pending")),
		Source:   godown.First(sources...),
		Verifier: oracle{r.mods},
		Alarm:    r.alarms.add,
	}
	if change != nil {
		change(r)
	}
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

func openDir(t *testing.T, path string) *godown.Dir {
	t.Helper()
	d, err := godown.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// An oracle is a Verifier that knows the modules.
type oracle struct{ mods *godowntest.Modules }

func (o oracle) Verify(_ context.Context, req godown.Request, h1 string) error {
	sums, ok := o.mods.Sums(req.Path, req.Version)
	want := sums.Zip
	if req.Kind == godown.Mod {
		want = sums.Mod
	}
	if !ok {
		return &godown.Unverified{Request: req, By: "the oracle", Absent: true, Err: fs.ErrNotExist}
	}
	if h1 != want {
		return &godown.Mismatch{Request: req, Reason: h1 + " instead of " + want}
	}
	return nil
}

func (o oracle) Recall(context.Context, godown.Request) string { return "" }

// pass lets time pass: in a synctest bubble, the bubble's; elsewhere it is for polling.
func pass(d time.Duration) { <-time.After(d) }

func mustFetch(t *testing.T, src godown.Source, req godown.Request) (*godown.File, []byte) {
	t.Helper()
	f, err := src.Fetch(t.Context(), req)
	if err != nil {
		t.Fatalf("Fetch(%v): %v", req, err)
	}
	defer f.Close()
	data, err := io.ReadAll(f.Reader())
	if err != nil {
		t.Fatalf("reading %v: %v", req, err)
	}
	if f.Size != int64(len(data)) {
		t.Errorf("%v: Size is %d, but there are %d bytes", req, f.Size, len(data))
	}
	return f, data
}

func wantFetch(t *testing.T, src godown.Source, req godown.Request, want []byte, status godown.CacheStatus) {
	t.Helper()
	f, data := mustFetch(t, src, req)
	if !bytes.Equal(data, want) {
		t.Errorf("%v: wrong bytes: %d, want %d", req, len(data), len(want))
	}
	if f.Cache != status {
		t.Errorf("%v: cache status %s, want %s", req, f.Cache, status)
	}
}

func TestCacheIsASource(t *testing.T) {
	r := newRig(t, nil)
	godowntest.TestSource(t, r, r.mods)
}

func TestCacheKeepsFixedFiles(t *testing.T) {
	var calls atomic.Int64
	down := false
	mods := godowntest.NewModules(t, helloModules)
	r := newRig(t, nil, godown.Step{Source: godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		if calls.Add(1); down {
			return nil, errors.New("the line is down")
		}
		return mods.Fetch(ctx, req)
	})})
	for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
		req := hello(kind, "v1.0.0")
		wantFetch(t, r, req, mods.Data(req.Name()), godown.Miss)
	}
	before := calls.Load()
	if before != 3 {
		t.Errorf("%d calls for three files: each file is to cause one", before)
	}
	r.Close(t.Context()) // waits until everything is stored
	down = true
	again := newRig(t, func(again *rig) {
		again.Store, again.Answers = r.Store, r.Answers
	}, godown.Step{Source: r.Source})
	for range 2 { // from the disk, then from memory
		for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
			req := hello(kind, "v1.0.0")
			wantFetch(t, again, req, mods.Data(req.Name()), godown.Hit)
		}
	}
	if calls.Load() != before {
		t.Errorf("the source was asked again for what is stored")
	}
	if _, err := again.Fetch(t.Context(), hello(godown.Zip, "v1.1.0")); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what cannot be fetched is %v; it must be an error that is not an absence", err)
	}
	sum, _ := mods.Sums("example.com/hello", "v1.0.0")
	if h, err := os.ReadFile(filepath.Join(r.dir, "modules/example.com/hello/@v/v1.0.0.ziphash")); string(h) != sum.Zip {
		t.Errorf(".ziphash is %q (%v), want %s", h, err, sum.Zip)
	}
	if l, err := os.ReadFile(filepath.Join(r.dir, "modules/example.com/hello/@v/list")); string(l) != "v1.0.0\n" {
		t.Errorf("the stored list is %q (%v)", l, err)
	}
}

func TestCacheSharesOneFetch(t *testing.T) {
	const clients = 200
	mods := godowntest.NewModules(t, "")
	if err := mods.AddBig("example.com/big", "v1.0.0", 1<<20); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	begin := make(chan struct{})
	r := newRig(t, func(r *rig) { r.Verifier = oracle{mods} }, godown.Step{Source: godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		calls.Add(1)
		<-begin
		return mods.Fetch(ctx, req)
	})})
	req := godown.Request{Kind: godown.Zip, Path: "example.com/big", Version: "v1.0.0"}
	want := mods.Data(req.Name())
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			f, err := r.Fetch(t.Context(), req)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if data, err := io.ReadAll(f.Reader()); err != nil || !bytes.Equal(data, want) {
				t.Errorf("a client got %d bytes, %v", len(data), err)
			}
		})
	}
	for r.Stats().Shared < clients-1 {
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the clients do not come together")
		}
	}
	close(begin)
	wait.Wait()
	if calls.Load() != 1 {
		t.Errorf("%d fetches for %d clients", calls.Load(), clients)
	}
}

func TestCacheFetchOutlivesItsCaller(t *testing.T) {
	mods := godowntest.NewModules(t, helloModules)
	var calls atomic.Int64
	begin := make(chan struct{})
	r := newRig(t, nil, godown.Step{Source: godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		calls.Add(1)
		select {
		case <-begin:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return mods.Fetch(ctx, req)
	})})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	req := hello(godown.Zip, "v1.0.0")
	go func() {
		_, err := r.Fetch(ctx, req)
		failed <- err
	}()
	for r.Stats().Fetching == 0 {
		pass(time.Millisecond)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left got %v", err)
	}
	close(begin)
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f, err := r.Store.Open(t.Context(), req.Name()); err != nil {
		t.Errorf("the fetch ended with its caller: %v", err)
	} else {
		f.Close()
	}
	if calls.Load() != 1 {
		t.Errorf("%d calls", calls.Load())
	}
}

func TestCacheLimitsFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		r := newRig(t, func(r *rig) { r.MaxFetches, r.FetchWait = 2, 10*time.Second }, godown.Step{Source: godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
			<-stuck
			return nil, fs.ErrNotExist
		})})
		for _, v := range []string{"v1.0.0", "v1.1.0"} {
			go r.Fetch(t.Context(), hello(godown.Zip, v))
		}
		synctest.Wait()
		_, err := r.Fetch(t.Context(), hello(godown.Zip, "v1.2.0"))
		busy, ok := errors.AsType[*godown.Busy](err)
		if !ok || busy.Who != "" || busy.After <= 0 {
			t.Errorf("a third fetch got %v, want *Busy with a time", err)
		}
		close(stuck)
	})
}

func TestCacheFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		content, fail, calls := "v1.0.0\n", error(nil), 0
		r := newRig(t, nil, godown.Step{Source: godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
			mu.Lock()
			defer mu.Unlock()
			if calls++; fail != nil {
				return nil, fail
			}
			return godown.NewFile([]byte(content)), nil
		})})
		req := hello(godown.List, "")
		step := func(name string, wait time.Duration, want string, status godown.CacheStatus, wantCalls int) {
			t.Helper()
			pass(wait)
			f, data := mustFetch(t, r, req)
			synctest.Wait()
			if string(data) != want || f.Cache != status || calls != wantCalls {
				t.Errorf("%s: got %q, %s after %d calls; want %q, %s, %d", name, data, f.Cache, calls, want, status, wantCalls)
			}
		}
		step("first", 0, "v1.0.0\n", godown.Miss, 1)
		step("fresh", 59*time.Second, "v1.0.0\n", godown.Hit, 1)
		step("too old, unchanged", 2*time.Second, "v1.0.0\n", godown.Revalidated, 2)
		content = "v1.0.0\nv1.1.0\n"
		step("too old, changed", time.Minute, content, godown.Expired, 3)
		fail = errors.New("502")
		step("upstream ill", time.Hour, content, godown.Stale, 4)
		step("errors are not remembered", 0, content, godown.Stale, 5)
		fail = nil
		step("upstream well", 0, content, godown.Revalidated, 6)
		fail = fs.ErrNotExist
		pass(2 * time.Minute)
		for range 3 {
			if _, err := r.Fetch(t.Context(), req); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("upstream has it no more, but Fetch says %v", err)
			}
		}
		if calls != 7 {
			t.Errorf("an absence was not remembered: %d calls", calls)
		}
		fail = nil
		step("absence forgotten", 31*time.Second, content, godown.Miss, 8)
	})
}

func TestCacheServesStaleWithoutWaitingLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := false
		r := newRig(t, nil, godown.Step{Source: godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
			if hang {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return godown.NewFile([]byte(`{"Version":"v1.0.0"}`)), nil
		})})
		req := hello(godown.Latest, "")
		mustFetch(t, r, req)
		hang = true
		pass(2 * time.Minute)
		start := time.Now()
		wantFetch(t, r, req, []byte(`{"Version":"v1.0.0"}`), godown.Stale)
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("a stale answer came after %v of the bubble's time", waited)
		}
		r.Close(canceled())
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestCacheListNamesStoredVersions(t *testing.T) {
	list := "v1.1.0\n"
	r := newRig(t, func(r *rig) { r.TTL = 1; r.NotFoundTTL = 1 })
	mods := r.mods
	gone := false
	r.Source = godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		switch {
		case req.Kind == godown.List && gone:
			return nil, fs.ErrNotExist
		case req.Kind == godown.List:
			return godown.NewFile([]byte(list)), nil
		}
		return mods.Fetch(ctx, req)
	})
	for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
		mustFetch(t, r, hello(kind, "v1.0.0"))
	}
	mustFetch(t, r, hello(godown.Mod, "v1.1.0")) // not whole
	r.Close(t.Context())
	again := newRig(t, func(again *rig) { again.Store, again.TTL, again.NotFoundTTL = r.Store, 1, 1 }, godown.Step{Source: r.Source})
	wantFetch(t, again, hello(godown.List, ""), []byte("v1.1.0\nv1.0.0\n"), godown.Miss)
	for again.Stats().Fetching > 0 {
		pass(time.Millisecond)
	}
	gone = true
	wantFetch(t, again, hello(godown.List, ""), []byte("v1.0.0\n"), godown.Stale)
}

func TestCachedOnly(t *testing.T) {
	r := newRig(t, nil)
	only := godown.CachedOnly(t.Context())
	reqs := []godown.Request{hello(godown.List, ""), hello(godown.Latest, ""), hello(godown.Info, "master"), hello(godown.Info, "v1.0.0"), hello(godown.Mod, "v1.0.0"), hello(godown.Zip, "v1.0.0")}
	for _, req := range reqs {
		if _, err := r.Fetch(only, req); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v from an empty cache: %v", req, err)
		}
	}
	if n := r.Stats().Fetches; n != 0 {
		t.Errorf("%d fetches were made", n)
	}
	for _, req := range reqs {
		mustFetch(t, r, req)
	}
	r.Close(t.Context())
	for _, req := range reqs {
		f, err := r.Fetch(only, req)
		if err != nil {
			t.Errorf("%v: %v", req, err)
			continue
		}
		f.Close()
	}
}

func TestCacheRefusesWrongSmallFiles(t *testing.T) {
	for _, test := range []struct {
		req     godown.Request
		content string
	}{
		{hello(godown.Info, "v1.0.0"), "<!DOCTYPE html><title>Log in</title>"},
		{hello(godown.Info, "v1.0.0"), `{"Version":"v1.1.0"}`},
		{hello(godown.Info, "v1.0.0"), "not JSON"},
		{hello(godown.Info, "v1.0.0"), ""},
		{hello(godown.Info, "master"), `{"Version":"master"}`},
		{hello(godown.Latest, ""), " \n<html>"},
		{hello(godown.List, ""), "<html><body>v1.0.0</body>"},
		{hello(godown.List, ""), "Welcome to our proxy\n"},
		{hello(godown.Mod, "v1.0.0"), "<html>"},
		{hello(godown.Mod, "v1.0.0"), "module example.com/evil\n"},
		{hello(godown.Mod, "v1.0.0"), ""},
	} {
		r := newRig(t, nil, godown.Step{Source: godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) {
			return godown.NewFile([]byte(test.content)), nil
		})})
		_, err := r.Fetch(t.Context(), test.req)
		if _, ok := errors.AsType[*godown.Mismatch](err); !ok {
			t.Errorf("%v with content %q: %v, want *Mismatch", test.req, test.content, err)
		}
		if r.alarms.count("mismatch") != 1 {
			t.Errorf("%v with content %q raised %d alarms", test.req, test.content, r.alarms.count("mismatch"))
		}
		r.Close(t.Context())
		for e := range r.Store.List(t.Context(), "") {
			t.Errorf("%v with content %q left %s", test.req, test.content, e.Name)
		}
	}
}

func TestCacheRefusesEvilZips(t *testing.T) {
	for name, evil := range godowntest.EvilZips("example.com/hello", "v1.0.0") {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			r := newRig(t, nil, godown.Step{Source: godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) {
				return godown.NewFile(evil), nil
			})})
			f, err := r.Fetch(t.Context(), hello(godown.Zip, "v1.0.0"))
			if err == nil { // it is streamed, but never whole
				var n int64
				n, err = io.Copy(io.Discard, f.Reader())
				f.Close()
				if err == nil || n >= int64(len(evil)) {
					t.Errorf("all of %d bytes were served", n)
				}
			}
			if _, ok := errors.AsType[*godown.Mismatch](err); !ok {
				t.Errorf("got %v, want *Mismatch", err)
			}
			r.Close(t.Context())
			for e := range r.Store.List(t.Context(), "") {
				t.Errorf("%s was stored", e.Name)
			}
		})
	}
}
