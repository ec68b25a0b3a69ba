package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A truth is a Verifier that knows the modules.
type truth struct{ mods *godowntest.Modules }

func (v truth) Verify(_ context.Context, req godown.Request, h1 string) error {
	sums, ok := v.mods.Sums(req.Path, req.Version)
	want := sums.Zip
	if req.Kind == godown.Mod {
		want = sums.Mod
	}
	if !ok || h1 != want {
		return &godown.Mismatch{Request: req, Reason: "its hash is " + h1 + ", not " + want}
	}
	return nil
}

func (v truth) Recall(context.Context, godown.Request) string { return "" }

// cached puts a cache in front of the pool, which verifies.
func (f *field) cached(t *testing.T) *godown.Cache {
	t.Helper()
	store, err := godown.OpenDir(filepath.Join(t.TempDir(), "modules"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	c := &godown.Cache{Store: store, Source: f.Pool, Verifier: truth{f.mods}, TTL: time.Nanosecond, NotFoundTTL: time.Nanosecond, StreamAfter: time.Hour}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// bad are faults of which some lie, and some fail.
var bad = map[string]godowntest.Fault{
	"404": godowntest.Status(404, "no"), "403": godowntest.Status(403, "no"), "500": godowntest.Status(500, "no"),
	"429": godowntest.Status(429, "no", "Retry-After: 1"), "reset": godowntest.Reset(20), "cut": godowntest.Cut(100_000),
	"stall": godowntest.Stall(50), "hang": godowntest.Hang(), "login": godowntest.LoginPage(), "huge": godowntest.Huge(20 << 20),
	"short": godowntest.Shorten(60), "short big": godowntest.Shorten(1 << 20), "no ranges": godowntest.NoRanges(),
	"chunked": godowntest.Chunked(), "flip": godowntest.Flip(-40), "flip big": godowntest.Flip(700_000), "bad range": rangeOf("bytes 0-7/8"),
}

// spoil switches faults on that rng picks. Of what nobody can verify, the bits
// stay; and only one may say "not found", as two that agree are believed.
func spoil(up *godowntest.Upstream, rng *rand.Rand, absent bool) (what []string) {
	names := []string{"404", "403", "500", "429", "reset", "cut", "stall", "hang", "login", "huge", "short", "short big", "no ranges", "chunked", "flip", "flip big", "bad range"}
	for _, kind := range []string{"[.]mod$", "[.]zip$", "[.]info$", "/@latest$", "/@v/list$"} {
		for range 1 + rng.IntN(2) {
			name := names[rng.IntN(len(names))]
			if kind != "[.]mod$" && kind != "[.]zip$" && (name == "flip" || name == "short") {
				name = "login"
			}
			if name == "404" && !absent {
				name = "500"
			}
			up.BreakTimes(1+rng.IntN(30), kind, bad[name])
			what = append(what, kind+" "+name)
		}
	}
	return what
}

// Whatever mix of faults there is: as long as one mirror is honest and alive,
// the right bytes are had.
func TestOneHonestMirrorIsEnough(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			f := newBigField(t, 3, func(o *Options, _ []Mirror) {
				o.Choose = []Strategy{Fastest, Ordered, RoundRobin, LeastBusy, Race}[seed%5]
				o.Stall = time.Second
			})
			honest := rng.IntN(3)
			for i, m := range f.mirrors {
				if i != honest {
					t.Logf("mirror %d: %v", i, spoil(m, rng, i == (honest+1)%3))
				}
			}
			c := f.cached(t)
			for range 2 {
				for _, req := range f.mods.Requests() {
					data, err := godown.ReadAll(t.Context(), c, req, 1<<30)
					want := f.mods.Data(req.Name())
					if err != nil {
						t.Errorf("%v: %v", req, err)
					} else if req.Kind != godown.List && !bytes.Equal(data, want) {
						t.Errorf("%v: %d wrong bytes", req, len(data))
					} else if req.Kind == godown.List && !bytes.Contains(data, []byte("v1.0.0\n")) {
						t.Errorf("%v: %q", req, data)
					}
				}
			}
		})
	}
}

// If none is honest there is an error, and never a wrong byte as good.
func TestNoHonestMirror(t *testing.T) {
	f := newBigField(t, 3, func(o *Options, _ []Mirror) { o.Retries = -1 })
	for i, m := range f.mirrors {
		m.Break("[.]zip$", []godowntest.Fault{godowntest.Flip(700_000), godowntest.Flip(900_000), godowntest.Shorten(3 << 20)}[i])
		m.Break("[.]mod$", []godowntest.Fault{godowntest.Flip(-3), godowntest.LoginPage(), godowntest.Shorten(9)}[i])
	}
	c := f.cached(t)
	for range 3 {
		for _, req := range []godown.Request{bigZip, helloZip, hello} {
			data, err := godown.ReadAll(t.Context(), c, req, 1<<30)
			if err == nil && bytes.Equal(data, f.mods.Data(req.Name())) {
				continue // pieced together from what is right in each, or too short to have the byte that is flipped
			}
			if _, lie := errors.AsType[*godown.Mismatch](err); !lie {
				t.Errorf("%v: got %d bytes, %v", req, len(data), err)
			}
		}
	}
}

// Mirrors die and return under 50 clients, and one is always there.
func TestStorm(t *testing.T) {
	f := newBigField(t, 3, func(o *Options, _ []Mirror) { o.Choose, o.Stall = Fastest, time.Second })
	for i := range 40 {
		if err := f.mods.AddBig(fmt.Sprintf("example.com/m%d", i), "v1.0.0", int64(1000+i*i*500)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(1, 2))
		for ctx.Err() == nil {
			i := 1 + rng.IntN(2)
			f.mirrors[i].Vanish()
			sleep(ctx, time.Duration(rng.IntN(300))*time.Millisecond)
			if err := f.mirrors[i].Return(); err != nil {
				t.Error(err)
			}
			f.mirrors[i].BreakTimes(5, "", godowntest.Reset(int64(rng.IntN(5000))))
			sleep(ctx, time.Duration(rng.IntN(200))*time.Millisecond)
		}
	})
	requests := f.mods.Requests()
	var mu sync.Mutex
	caches := []*godown.Cache{f.cached(t)}
	for n := range 50 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(n)))
			for ctx.Err() == nil {
				mu.Lock()
				if rng.IntN(200) == 0 && len(caches) < 20 {
					caches = append(caches, f.cached(t)) // a cold one
				}
				c := caches[len(caches)-1]
				mu.Unlock()
				req := requests[rng.IntN(len(requests))]
				got, err := c.Fetch(t.Context(), req)
				if err != nil {
					t.Errorf("%v: %v", req, err)
					return
				}
				data, err := io.ReadAll(got.Reader())
				got.Close()
				if err != nil || req.Kind != godown.List && req.Kind != godown.Latest && !bytes.Equal(data, f.mods.Data(req.Name())) {
					t.Errorf("%v: %d bytes, %v", req, len(data), err)
				}
			}
		})
	}
	wg.Wait()
}
