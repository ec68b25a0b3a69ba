package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// midZip is fetched in one piece.
var midZip = godown.Request{Kind: godown.Zip, Path: "example.com/mid", Version: "v1.0.0"}

// newMidField has a zip of 600 KiB.
func newMidField(t *testing.T, n int, change func(*Options, []Mirror)) *field {
	t.Helper()
	f := newField(t, n, change)
	if err := f.mods.AddBig(midZip.Path, midZip.Version, 600<<10); err != nil {
		t.Fatal(err)
	}
	return f
}

// within returns a context that lasts far longer than what is tested should.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// wants fetches through src and compares with the truth.
func (f *field) wants(t *testing.T, src godown.Source, req godown.Request) {
	t.Helper()
	data, err := godown.ReadAll(within(t), src, req, 1<<30)
	if err != nil || !bytes.Equal(data, f.mods.Data(req.Name())) {
		t.Errorf("%v: %d bytes, %v", req, len(data), err)
	}
}

// What breaks off once is continued, whatever the others are like.
func TestBrokenStream(t *testing.T) {
	no := godowntest.Status(404, "no")
	for name, test := range map[string]struct {
		others []godowntest.Fault
		change func(*Options, []Mirror)
	}{
		"alone, one connection": {nil, func(_ *Options, l []Mirror) { l[0].Connections = 1 }},
		"others do not have it": {[]godowntest.Fault{no, no}, nil},
		"other shows a login":   {[]godowntest.Fault{wholeLogin}, nil},
		"other is ill":          {[]godowntest.Fault{godowntest.Status(500, "ill")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newMidField(t, 1+len(test.others), test.change)
			f.mirrors[0].BreakTimes(1, "[.]zip$", godowntest.Cut(200_000))
			for i, fault := range test.others {
				f.mirrors[1+i].Break("[.]zip$", fault)
			}
			f.wants(t, f.cached(t), midZip)
		})
	}
}

// wholeLogin shows a login page, whatever range is asked for.
func wholeLogin(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<html><body>please log in</body></html>")
	})
}

// The only mirror may want to be left alone for a moment before it goes on.
func TestOnlyMirrorIsBusyInBetween(t *testing.T) {
	for _, code := range []int{429, 503} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			f := newMidField(t, 1, nil)
			var n atomic.Int32
			f.mirrors[0].Break("[.]zip$", func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch n.Add(1) {
					case 1:
						next = godowntest.Cut(200_000)(next)
					case 2:
						next = godowntest.Status(code, "", "Retry-After: 1")(next)
					}
					next.ServeHTTP(w, r)
				})
			})
			f.wants(t, f.cached(t), midZip)
		})
	}
}

// Of a body that did not say how long it is, another mirror knows the rest.
func TestChunkedIsContinued(t *testing.T) {
	for name, second := range map[string]godowntest.Fault{
		"by a range":   func(next http.Handler) http.Handler { return next },
		"by the whole": godowntest.NoRanges(),
		"by another that does not say": func(next http.Handler) http.Handler {
			return godowntest.Chunked()(godowntest.NoRanges()(next))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newMidField(t, 2, nil)
			f.mirrors[0].Break("[.]zip$", func(next http.Handler) http.Handler {
				return godowntest.Chunked()(godowntest.NoRanges()(godowntest.Cut(200_000)(next)))
			})
			f.mirrors[1].Break("[.]zip$", second)
			got, err := f.Fetch(t.Context(), midZip)
			if err != nil {
				t.Fatal(err)
			}
			if got.Size != -1 {
				t.Errorf("its size is said to be %d", got.Size)
			}
			if data, err := take(got); err != nil || !bytes.Equal(data, f.mods.Data(midZip.Name())) {
				t.Errorf("%d bytes, %v", len(data), err)
			}
		})
	}
}

// A body of unknown size that dribbles is given up where another mirror is at hand.
func TestDribble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(bytesPerSecond int64, other bool) bool {
			f := &flow{Part: &godown.Part{File: &godown.File{Size: -1}, Total: -1}, start: time.Now()}
			f.better = func(int64) (time.Duration, bool) { return time.Second, other }
			f.n = 10 << 20 // however much came at first
			f.mark, f.marked = f.start, f.n
			for range 10 {
				<-time.After(time.Second)
				f.n += bytesPerSecond
				if f.crawls() {
					return true
				}
			}
			return false
		}
		if !at(2000, true) {
			t.Error("2 kB/s is not given up")
		}
		if at(2000, false) {
			t.Error("it is given up for nobody")
		}
		if at(100_000, true) {
			t.Error("100 kB/s is given up")
		}
	})
}

// What gives next to nothing each time is asked again ever more slowly, and not for ever.
func TestLittleAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &Pool{members: make([]*member, 2)}
		s := &stream{transfer: &transfer{pool: f, ctx: t.Context()}}
		start, n := time.Now(), 0
		for s.breathe(1, io.ErrUnexpectedEOF) == nil {
			if n++; n == 2 && time.Since(start) > 0 {
				t.Error("the second mirror has to wait")
			}
			if n == 30 && time.Since(start) < 5*time.Second {
				t.Errorf("30 requests in %v", time.Since(start))
			}
			if n > maxLittle {
				t.Fatal("it never ends")
			}
		}
		s.breathe(littleBytes, io.ErrUnexpectedEOF)
		if s.little != 0 {
			t.Error("what moves on is held up")
		}
	})
	f := newMidField(t, 1, nil)
	f.mirrors[0].Break("[.]zip$", godowntest.Cut(1))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	godown.ReadAll(ctx, f, midZip, 1<<30)
	if n := len(f.mirrors[0].Requests()); n > 10 {
		t.Errorf("it was asked %d times in less than a second", n)
	}
}

// Where bytes may be passed on unverified, none of a mirror that lied of late
// follow those of others, unless nobody else has any.
func TestDoubtfulDoesNotContinue(t *testing.T) {
	for name, doubt := range map[string]func(*member){
		"lied": func(m *member) { m.lie(hello, mismatch) }, "suspect": (*member).suspect,
	} {
		t.Run(name, func(t *testing.T) {
			f := newMidField(t, 2, nil)
			doubt(f.members[1])
			f.mirrors[0].BreakTimes(1, "[.]zip$", godowntest.Cut(200_000))
			got, err := f.Fetch(t.Context(), midZip)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := take(got); err != nil || !bytes.Equal(data, f.mods.Data(midZip.Name())) || got.Hold {
				t.Errorf("%d bytes, %v; on hold: %v", len(data), err, got.Hold)
			}
			if n := f.mirrors[1].Count(midZip.Name()); n > 0 {
				t.Error("the other one was asked for the rest")
			}
			f.mirrors[0].Break("[.]zip$", func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					n := int64(0)
					if r.Header.Get("Range") == "" {
						n = 200_000
					}
					godowntest.Cut(n)(next).ServeHTTP(w, r)
				})
			})
			f.Split = -1
			f.mustGive(t, midZip)
			if n := f.mirrors[1].Count(midZip.Name()); n != 1 {
				t.Errorf("when nobody else can, it was asked %d times", n)
			}
		})
	}
	f := newMidField(t, 2, nil)
	for _, m := range f.members {
		m.lie(godown.Request{Kind: godown.Mod, Path: "other.example", Version: "v1.0.0"}, mismatch)
	}
	f.mirrors[0].BreakTimes(1, "[.]zip$", godowntest.Cut(200_000))
	got, err := f.Fetch(t.Context(), midZip)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := take(got); err != nil || !bytes.Equal(data, f.mods.Data(midZip.Name())) || !got.Hold {
		t.Errorf("%d bytes, %v; on hold: %v", len(data), err, got.Hold)
	}
	if n := f.mirrors[1].Count(midZip.Name()); n != 1 {
		t.Errorf("what is on hold anyway was continued by the other %d times", n)
	}
}

// A mirror that lied is asked for other modules, but nothing of it is passed on unverified.
func TestDoubtfulIsHeld(t *testing.T) {
	f := newField(t, 2, nil)
	f.members[0].lie(godown.Request{Kind: godown.Mod, Path: "other.example", Version: "v1.0.0"}, mismatch)
	for _, split := range []int64{-1, 4 << 20} {
		f.Split = split
		got, err := f.Fetch(t.Context(), helloZip)
		if err != nil {
			t.Fatal(err)
		}
		got.Close()
		if !got.Hold || got.Origin != f.members[0].name {
			t.Errorf("on hold: %v, given by %s", got.Hold, got.Origin)
		}
	}
}

// Who has read all may need the connection to verify it, and takes his time.
func TestEndGivesPlaceBack(t *testing.T) {
	f := newMidField(t, 1, nil)
	got, err := f.Fetch(t.Context(), midZip)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if _, err := io.Copy(io.Discard, got.Reader()); err != nil {
		t.Fatal(err)
	}
	if n := f.Status()[0].UnderWay; n != 0 {
		t.Errorf("%d requests are under way after the last byte", n)
	}
}

// A checksum database that is reached through the mirror needs the mirror's only connection.
func TestVerificationNeedsThePlace(t *testing.T) {
	f := newMidField(t, 1, func(_ *Options, l []Mirror) { l[0].Connections = 1 })
	db := godowntest.NewSumDB(t, "sum.test", f.mods)
	f.mirrors[0].Attach(db)
	spec, err := godown.ParseSumDB(db.Spec())
	if err != nil {
		t.Fatal(err)
	}
	direct, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	store, err := godown.OpenDir(filepath.Join(t.TempDir(), "modules"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	route := &godown.SumRoute{Name: "sum.test", Via: []godown.SumStep{{Upstream: f.Pool}}, Direct: &godown.Upstream{URL: direct}}
	sums := &godown.Sums{Spec: spec, Store: store, Remote: route.Fetch}
	c := &godown.Cache{Store: store, Source: f.Pool, Verifier: &godown.Trust{Database: sums}}
	defer func() {
		c.Close(within(t))
		sums.Close(within(t))
	}()
	var wg sync.WaitGroup
	for _, req := range []godown.Request{midZip, helloZip, {Kind: godown.Zip, Path: hello.Path, Version: "v1.1.0"}} {
		wg.Go(func() { f.wants(t, c, req) })
	}
	wg.Wait()
}

// Clients that hang up at any time leave nothing behind.
func TestHangingUp(t *testing.T) {
	f := newBigField(t, 3, func(_ *Options, l []Mirror) {
		for i := range l {
			l[i].Connections = 3
		}
	})
	for i, m := range f.mirrors {
		m.Break("[.]zip$", godowntest.Rate((i+1)*4<<20))
		m.Break("[.](mod|info)$", godowntest.Latency(time.Duration(i*20)*time.Millisecond))
	}
	f.mirrors[0].Break("[.]zip$", godowntest.Cut(300_000))
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() {
			for i := range 8 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(13*n+i*31%200)*time.Millisecond)
				req := []godown.Request{hello, bigZip, helloZip, list, latest}[(n+i)%5]
				if got, err := f.Fetch(ctx, req); err == nil {
					switch i % 3 {
					case 0:
						got.Close()
					case 1:
						io.CopyN(io.Discard, got.Reader(), 100_000)
						got.Close()
					default:
						take(got)
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
	f.Close()
	for i, m := range f.members {
		if _, taken, waiting := m.small.State(); m.underWay != 0 || taken != 0 || waiting != 0 {
			t.Errorf("mirror %d: %d requests under way, %d places taken, %d wait for one", i, m.underWay, taken, waiting)
		}
	}
}

// With another mirror at hand nobody waits until a body has stalled for as long as it may.
func TestStallWithAnotherAtHand(t *testing.T) {
	t.Parallel()
	f := newMidField(t, 2, func(o *Options, _ []Mirror) { o.Stall = time.Hour })
	f.warm(t)
	f.mirrors[0].Break("[.]zip$", godowntest.Stall(200_000))
	f.wants(t, f.Pool, midZip)
}

// Nobody is faster than the only mirror, nor does one count that is suspected.
func TestOnlyMirrorMayCrawl(t *testing.T) {
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			f := newMidField(t, n, nil)
			for _, m := range f.members[1:] {
				m.suspect()
			}
			f.mirrors[0].Break("[.]zip$", godowntest.Rate(200_000))
			f.wants(t, f.Pool, midZip)
			if n := f.mirrors[0].Count(midZip.Name()); n != 1 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}

// A badSink takes nothing.
type badSink struct{}

var errDisk = errors.New("the disk is full")

func (badSink) WriteAt([]byte, int64) (int, error) { return 0, errDisk }

func TestDiskIsFull(t *testing.T) {
	f := newBigField(t, 2, nil)
	got, err := f.Fetch(t.Context(), bigZip)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if err := got.Body.(godown.Scatterer).Scatter(badSink{}); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	f.blameless(t)
}
