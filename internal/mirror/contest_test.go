package mirror

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A "not found" does not count while the one that has it fails only for a moment.
func TestAbsenceIsNotHurried(t *testing.T) {
	for name, fault := range map[string]godowntest.Fault{
		"429":   godowntest.Status(429, "", "Retry-After: 1"),
		"reset": godowntest.Reset(-1),
		"503":   godowntest.Status(503, "warming up"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newField(t, 2, nil)
			f.mirrors[0].Break(everything, godowntest.Status(404, "no"))
			f.mirrors[1].BreakTimes(1, everything, fault)
			if by := f.mustGive(t, hello); by != f.members[1].name {
				t.Errorf("it was given by %s", by)
			}
		})
	}
}

// But negative answers are many: nobody waits long for them, nor for a mirror that is down.
func TestAbsenceIsQuick(t *testing.T) {
	for name, ill := range map[string]func(*field){
		"down, refused": func(f *field) { f.mirrors[1].Vanish() },
		"down, hangs":   func(f *field) { f.mirrors[1].Break(everything, godowntest.Hang()) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newField(t, 2, func(o *Options, _ []Mirror) { o.Stall = time.Hour })
			f.members[1].circuit.open(time.Now(), time.Hour)
			f.mirrors[0].Break(everything, godowntest.Status(404, "no"))
			ill(f)
			if _, err := f.Fetch(within(t), hello); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v", err)
			}
			if n := f.mirrors[0].Count(hello.Name()); n != 1 {
				t.Errorf("the healthy one was asked %d times", n)
			}
		})
	}
	t.Run("busy for long", func(t *testing.T) {
		f := newField(t, 2, nil)
		f.mirrors[0].Break(everything, godowntest.Status(404, "no"))
		f.mirrors[1].Break(everything, godowntest.Status(429, "", "Retry-After: 4"))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := f.Fetch(ctx, hello); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
}

// When all are down, one that hangs does not keep the others from being tried.
func TestAllDownFirstHangs(t *testing.T) {
	f := newField(t, 2, func(o *Options, _ []Mirror) { o.Stall = time.Hour })
	for _, m := range f.members {
		m.circuit.open(time.Now(), time.Hour)
	}
	f.mirrors[0].Break(everything, godowntest.Hang())
	f.wants(t, f.Pool, hello)
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, code := range []int{429, 503} {
		f := newField(t, 2, nil)
		f.mirrors[0].Break(everything, godowntest.Status(code, "", "Retry-After: 2000000000"))
		for range 3 {
			f.mustGive(t, hello)
		}
		if n := len(f.mirrors[0].Requests()); n != 1 {
			t.Errorf("%d: it got %d requests", code, n)
		}
		if left := time.Until(f.members[0].busy); left > maxBusy || left < maxBusy-time.Minute {
			t.Errorf("%d: it is left alone for %v", code, left)
		}
	}
	// The only one is waited for.
	f := newField(t, 1, nil)
	f.mirrors[0].BreakTimes(1, everything, godowntest.Status(429, "", "Retry-After: 1"))
	f.mustGive(t, hello)
}

func TestFullOnesAreLast(t *testing.T) {
	f := newField(t, 2, func(_ *Options, l []Mirror) { l[0].Connections = 1 })
	first := func() *member { return f.rank(hello.Path, 0, nil, 0, false).order[0] }
	if first() != f.members[0] {
		t.Error("the order is not as configured")
	}
	if err := f.members[0].acquire(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if first() != f.members[1] {
		t.Error("one whose places are all taken comes first")
	}
	f.mustGive(t, hello)
	f.members[0].release(false)
	f.blameless(t)
}

// In a race the zips of those who were not first are closed.
func TestRaceOfZips(t *testing.T) {
	f := newField(t, 3, func(o *Options, _ []Mirror) { o.Choose = Race })
	for range 5 {
		f.mustGive(t, helloZip)
	}
	f.Close()
	for i, s := range f.Status() {
		if s.UnderWay != 0 {
			t.Errorf("mirror %d: %d requests are still under way", i, s.UnderWay)
		}
	}
}

func TestSmallFilesAreSmall(t *testing.T) {
	f := newField(t, 2, nil)
	info := godown.Request{Kind: godown.Info, Path: hello.Path, Version: hello.Version}
	f.mirrors[0].Break("[.]info$", godowntest.Huge(1<<20+1))
	f.mirrors[0].Break("[.]mod$", godowntest.Huge(16<<20+1))
	for _, req := range []godown.Request{info, hello} {
		if by := f.mustGive(t, req); by != f.members[1].name {
			t.Errorf("%v was given by %s", req, by)
		}
	}
}

// TestBandwidthIsOfAll checks that zips, pieces of them and small files wait at the limiter.
func TestBandwidthIsOfAll(t *testing.T) {
	f := newBigField(t, 1, func(_ *Options, l []Mirror) { l[0].Bandwidth = 1 << 30 })
	for _, req := range []godown.Request{hello, list, helloZip, bigZip} {
		f.members[0].limit.free = time.Time{}
		f.mustGive(t, req)
		if f.members[0].limit.free.IsZero() {
			t.Errorf("%v passed without limit", req)
		}
	}
}

// raw answers with that text, and then with more without end.
func raw(text, more string) godowntest.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, err = io.WriteString(conn, text)
			for more := strings.Repeat(more, 1000); err == nil && more != ""; {
				_, err = io.WriteString(conn, more)
			}
		})
	}
}

// What is no sound HTTP does no harm where another mirror is honest.
func TestNonsense(t *testing.T) {
	for name, fault := range map[string]godowntest.Fault{
		"length overflow": raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc", ""),
		"length max":      raw("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nabc", ""),
		"negative":        raw("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc", ""),
		"two lengths":     raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", ""),
		"endless header":  raw("HTTP/1.1 200 OK\r\n", "X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"),
		"endless 1xx":     raw("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
		"range overflow":  raw("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-18446744073709551615/18446744073709551616\r\nContent-Length: 3\r\n\r\nabc", ""),
		"range max":       raw("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-524287/9223372036854775807\r\n\r\nabc", ""),
		"range of one":    raw("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-0/1\r\nContent-Length: 1\r\n\r\na", ""),
		"endless range":   raw("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-524287/600000\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nabcde\r\n"),
		"empty":           raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
		"empty chunks":    raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
		"gzip":            raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", ""),
		"101":             raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc", ""),
		"loop":            godowntest.Status(302, "", "Location: /loop"),
		"503 far":         godowntest.Status(503, "", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newBigField(t, 2, nil)
			f.mirrors[0].Break(everything, fault)
			c := f.cached(t)
			for _, req := range []godown.Request{hello, helloZip, bigZip} {
				f.wants(t, c, req)
			}
			if s := f.Status()[1]; s.Failures["lie"] > 0 || s.State != stateUp {
				t.Errorf("the honest one is %+v", s)
			}
		})
	}
}
