package godown_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// A pipeListener accepts connections that never leave memory, so that a test
// with a server runs on the clock of a synctest bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "pipe"} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble runs a test in a bubble, with an Upstream that asks a server of h,
// which was made outside.
func inBubble(t *testing.T, h http.Handler, test func(t *testing.T, up *godown.Upstream)) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: h, ErrorLog: quiet()}
		go server.Serve(l)
		defer server.Close()
		transport := godown.NewTransport(godown.Timeouts{}, nil)
		transport.DialContext = l.dial
		defer transport.CloseIdleConnections()
		up := upstreamAt(t, "http://mirror.test")
		up.Transport = transport
		test(t, up)
	})
}

// newBigMirror starts a mirror that has bigZip, of a little more than size bytes.
func newBigMirror(t *testing.T, size int64) (content []byte, mirror *godowntest.Upstream) {
	t.Helper()
	mods := godowntest.NewModules(t, helloModules)
	if err := mods.AddBig(bigZip.Path, bigZip.Version, size); err != nil {
		t.Fatal(err)
	}
	return mods.Data(bigZip.Name()), godowntest.NewUpstream(t, mods)
}

// inTurn is a fault that is another one for each request; the last stays. A
// nil is none.
func inTurn(faults ...godowntest.Fault) godowntest.Fault {
	var asked atomic.Int32
	return func(next http.Handler) http.Handler {
		i := min(int(asked.Add(1)), len(faults)) - 1
		if faults[i] == nil {
			return next
		}
		return faults[i](next)
	}
}

// both is two faults at once.
func both(inner, outer godowntest.Fault) godowntest.Fault {
	return func(next http.Handler) http.Handler { return outer(inner(next)) }
}

// edit is a fault that edits the header of an answer.
func edit(key, value string) godowntest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&headerEditor{ResponseWriter: w, key: key, value: value}, r)
		})
	}
}

type headerEditor struct {
	http.ResponseWriter
	key, value string
}

func (w *headerEditor) WriteHeader(code int) {
	w.Header().Set(w.key, w.value)
	w.ResponseWriter.WriteHeader(code)
}

func (w *headerEditor) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestBodyResumes breaks a body off: it is continued, and its reader notices nothing.
func TestBodyResumes(t *testing.T) {
	const lastModified = "Mon, 02 Jan 2006 15:04:05 GMT"
	for name, test := range map[string]struct {
		faults  []godowntest.Fault // for each request
		resumes int
		ranges  string // the Range headers
		ifRange string // of the second request, if not the entity tag
	}{
		"cut":            {[]godowntest.Fault{godowntest.Cut(1000), nil}, 1, "bytes=1000-", ""},
		"cut at once":    {[]godowntest.Fault{godowntest.Cut(0), nil}, 1, "bytes=0-", ""},
		"cut twice":      {[]godowntest.Fault{godowntest.Cut(1000), godowntest.Cut(500), nil}, 2, "bytes=1000- bytes=1500-", ""},
		"stalled":        {[]godowntest.Fault{godowntest.Stall(1000), nil}, 1, "bytes=1000-", ""},
		"stalled, empty": {[]godowntest.Fault{godowntest.Stall(0), nil}, 1, "bytes=0-", ""},
		"no ranges":      {[]godowntest.Fault{both(godowntest.NoRanges(), godowntest.Cut(50_000)), godowntest.NoRanges()}, 1, "bytes=50000-", ""},
		"no ranges, stalled again": {[]godowntest.Fault{godowntest.Cut(50_000), both(godowntest.NoRanges(), godowntest.Stall(40_000)), godowntest.NoRanges()},
			2, "bytes=50000- bytes=50000-", ""},
		"no entity tag":   {[]godowntest.Fault{both(godowntest.NoETag(), godowntest.Cut(1000)), godowntest.NoETag()}, 1, "bytes=1000-", "none"},
		"weak entity tag": {[]godowntest.Fault{both(edit("ETag", `W/"x"`), godowntest.Cut(1000)), edit("ETag", `W/"x"`)}, 1, "bytes=1000-", "none"},
		"only a date": {[]godowntest.Fault{both(both(godowntest.NoETag(), edit("Last-Modified", lastModified)), godowntest.Cut(1000)), godowntest.NoRanges()},
			1, "bytes=1000-", lastModified},
		"500 in between": {[]godowntest.Fault{godowntest.Cut(1000), godowntest.Status(500, ""), godowntest.Cut(-1), nil}, 1, "bytes=1000- bytes=1000- bytes=1000-", ""},
	} {
		t.Run(name, func(t *testing.T) {
			content, mirror := newBigMirror(t, 100_000)
			mirror.Break("", inTurn(test.faults...))
			var calls observed
			inBubble(t, mirror, func(t *testing.T, up *godown.Upstream) {
				up.Observe = calls.add
				got, err := fetchAll(t.Context(), up, bigZip)
				if err != nil || !bytes.Equal(got, content) {
					t.Fatalf("%d of %d bytes, right %v, error %v", len(got), len(content), bytes.Equal(got, content), err)
				}
			})
			var ranges []string
			for _, r := range mirror.Log()[1:] {
				ranges = append(ranges, r.Header.Get("Range"))
			}
			if got := strings.Join(ranges, " "); got != test.ranges {
				t.Errorf("asked for the ranges %s, want %s", got, test.ranges)
			}
			ifRange := mirror.Log()[1].Header.Get("If-Range")
			if test.ifRange == "" && !strings.HasPrefix(ifRange, `"`) || test.ifRange == "none" && ifRange != "" || test.ifRange == lastModified && ifRange != lastModified {
				t.Errorf("If-Range is %q", ifRange)
			}
			if c := calls.only(t); c.Resumes != test.resumes || c.Result != "ok" || c.Bytes != int64(len(content)) || c.Kind != "zip" {
				t.Errorf("observed %+v", c)
			}
		})
	}
}

// TestBodyResumesOverTCP does the same with real connections, which may lose what was sent.
func TestBodyResumesOverTCP(t *testing.T) {
	for name, fault := range map[string]godowntest.Fault{"reset": godowntest.Reset(50_000), "stalled": godowntest.Stall(50_000)} {
		content, mirror := newBigMirror(t, 100_000)
		up, calls := upstreamAt(t, mirror.URL), new(observed)
		up.Observe, up.Stall = calls.add, 50*time.Millisecond
		mirror.BreakTimes(1, "", fault)
		got, err := fetchAll(t.Context(), up, bigZip)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d of %d bytes, right %v, error %v", name, len(got), len(content), bytes.Equal(got, content), err)
		}
		if c := calls.only(t); c.Resumes != 1 || mirror.Count(bigZip.Name()) != 2 {
			t.Errorf("%s: observed %+v", name, c)
		}
	}
}

// TestBodyResumesOften has each answer give a little: as long as there is progress it goes on.
func TestBodyResumesOften(t *testing.T) {
	content, mirror := newBigMirror(t, 50_000)
	mirror.Break("", godowntest.Cut(900))
	inBubble(t, mirror, func(t *testing.T, up *godown.Upstream) {
		var calls observed
		up.Observe = calls.add
		got, err := fetchAll(t.Context(), up, bigZip)
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d of %d bytes, error %v", len(got), len(content), err)
		}
		if c := calls.only(t); c.Resumes != len(content)/900 {
			t.Errorf("observed %+v", c)
		}
	})
}

// TestBodyFails checks what cannot be continued: an error, and before it only right bytes.
func TestBodyFails(t *testing.T) {
	for name, test := range map[string]struct {
		fault   godowntest.Fault
		retries int
		most    int // requests
	}{
		"always":                {inTurn(godowntest.Cut(1000), godowntest.Cut(0)), 0, 4},
		"stalls always":         {inTurn(godowntest.Stall(1000), godowntest.Stall(0)), 0, 4},
		"no retries":            {godowntest.Cut(1000), -1, 1},
		"vanished":              {inTurn(godowntest.Cut(1000), godowntest.Cut(-1)), 0, 4},
		"500":                   {inTurn(godowntest.Cut(1000), godowntest.Status(500, "")), 0, 4},
		"403":                   {inTurn(godowntest.Cut(1000), godowntest.Status(403, "")), 0, 2},
		"416":                   {inTurn(godowntest.Cut(1000), godowntest.Status(416, "")), 0, 2},
		"length not known":      {both(godowntest.Chunked(), godowntest.Cut(1000)), 0, 1},
		"other length":          {inTurn(godowntest.Cut(1000), godowntest.Shorten(50_000)), 0, 4},
		"other length, no tag":  {inTurn(both(godowntest.NoETag(), godowntest.Cut(1000)), both(godowntest.Shorten(50_000), godowntest.NoETag())), 0, 4},
		"other, no ranges":      {inTurn(godowntest.Cut(1000), both(godowntest.Shorten(50_000), godowntest.NoRanges())), 0, 4},
		"another range":         {inTurn(godowntest.Cut(1000), edit("Content-Range", "bytes 0-100/100500")), 0, 4},
		"no range, but 206":     {inTurn(godowntest.Cut(1000), edit("Content-Range", "")), 0, 4},
		"a page":                {inTurn(godowntest.Cut(1000), godowntest.LoginPage()), 0, 4},
		"longer now, no ranges": {inTurn(godowntest.Cut(1000), godowntest.Huge(1<<20)), 0, 4},
	} {
		t.Run(name, func(t *testing.T) {
			content, mirror := newBigMirror(t, 100_000)
			mirror.Break("", test.fault)
			inBubble(t, mirror, func(t *testing.T, up *godown.Upstream) {
				up.Retries = test.retries
				wantBroken(t, up, content[:1000])
			})
			if n := len(mirror.Requests()); n > test.most {
				t.Errorf("%d requests, want at most %d", n, test.most)
			}
		})
	}
}

// wantBroken fetches bigZip, of which only a beginning can be had.
func wantBroken(t *testing.T, up *godown.Upstream, beginning []byte) {
	var calls observed
	up.Observe = calls.add
	f, err := up.Fetch(t.Context(), bigZip)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f.Reader())
	if err == nil || !strings.Contains(err.Error(), up.Name()) || !strings.Contains(err.Error(), fmt.Sprintf("broke off after %d bytes", len(beginning))) {
		t.Errorf("error is %v", err)
	}
	if !bytes.Equal(got, beginning) {
		t.Errorf("%d bytes were given, want exactly the file's first %d", len(got), len(beginning))
	}
	if _, again := f.Reader().Read(make([]byte, 1)); again != err {
		t.Errorf("another Read gives %v", again)
	}
	f.Close()
	f.Close() // is told of once
	if c := calls.only(t); c.Result == "ok" || c.Bytes != int64(len(beginning)) {
		t.Errorf("observed %+v", c)
	}
}

// TestBodyChanged breaks a body off and has the file change meanwhile, of the
// same length. Where an entity tag tells, the two are not mixed.
func TestBodyChanged(t *testing.T) {
	tag := edit("ETag", `"other"`)
	for name, faults := range map[string][]godowntest.Fault{
		"with ranges":                {godowntest.Cut(1000), godowntest.Flip(60_000)},
		"no ranges":                  {godowntest.Cut(1000), both(godowntest.Flip(60_000), godowntest.NoRanges())},
		"no ranges, changed before":  {godowntest.Cut(1000), both(godowntest.Flip(10), godowntest.NoRanges())},
		"If-Range is not understood": {godowntest.Cut(1000), both(both(godowntest.Flip(60_000), tag), withoutIfRange)},
	} {
		t.Run(name, func(t *testing.T) {
			content, mirror := newBigMirror(t, 100_000)
			mirror.Break("", inTurn(faults...))
			inBubble(t, mirror, func(t *testing.T, up *godown.Upstream) {
				got, err := fetchAll(t.Context(), up, bigZip)
				if err == nil && !bytes.Equal(got, content) {
					t.Errorf("%d bytes of two files, and no error", len(got))
				}
			})
		})
	}
}

// withoutIfRange is a fault of servers that give a range of whatever they have now.
func withoutIfRange(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del("If-Range")
		next.ServeHTTP(w, r)
	})
}

// TestBodyAbsentMeanwhile: that the rest is gone does not mean that the file does not exist.
func TestBodyAbsentMeanwhile(t *testing.T) {
	_, mirror := newBigMirror(t, 100_000)
	mirror.Break("", inTurn(godowntest.Cut(1000), godowntest.Status(404, "not found")))
	inBubble(t, mirror, func(t *testing.T, up *godown.Upstream) {
		var calls observed
		up.Observe = calls.add
		if _, err := fetchAll(t.Context(), up, bigZip); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error is %v, want one that is no fs.ErrNotExist", err)
		}
		if c := calls.only(t); c.Result != "failed" {
			t.Errorf("observed %+v", c)
		}
	})
}

func TestBodyChunked(t *testing.T) {
	content, mirror := newBigMirror(t, 100_000)
	up, calls := upstreamAt(t, mirror.URL), new(observed)
	up.Observe = calls.add
	mirror.Break("", godowntest.Chunked())
	f, err := up.Fetch(t.Context(), bigZip)
	if err != nil {
		t.Fatal(err)
	}
	if f.Size != -1 {
		t.Errorf("Size is %d", f.Size)
	}
	got, err := io.ReadAll(f.Reader())
	f.Close()
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d of %d bytes, error %v", len(got), len(content), err)
	}
	if c := calls.only(t); c.Result != "ok" || c.Bytes != int64(len(content)) {
		t.Errorf("observed %+v", c)
	}
}

// A slowBody gives a byte each pause, and nothing more once it has none.
type slowBody struct {
	ctx    context.Context // of the request
	left   int
	whole  bool // it ends rather than stalls
	pause  time.Duration
	closed chan struct{}
	once   sync.Once
}

func (b *slowBody) Read(p []byte) (int, error) {
	wait := time.After(b.pause)
	switch {
	case b.left == 0 && b.whole:
		return 0, io.EOF
	case b.left == 0:
		wait = nil
	}
	select {
	case <-wait:
		b.left--
		p[0] = 'x'
		return 1, nil
	case <-b.closed:
		return 0, net.ErrClosed
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (b *slowBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// TestBodySlow runs on a bubble's clock: a body that moves is not cut however
// slow it is, one that stalls is.
func TestBodySlow(t *testing.T) {
	for name, test := range map[string]struct {
		pause time.Duration
		gives int // of 100 bytes
		cut   bool
	}{
		"moving":  {19 * time.Second, 100, false},
		"stalls":  {19 * time.Second, 50, true},
		"crawls":  {21 * time.Second, 100, true},
		"is fast": {0, 100, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up := upstreamAt(t, "http://a.test")
				up.Retries = -1
				up.Transport = tripper(func(r *http.Request) (*http.Response, error) {
					b := &slowBody{ctx: r.Context(), left: test.gives, whole: test.gives == 100, pause: test.pause, closed: make(chan struct{})}
					return &http.Response{StatusCode: 200, ContentLength: 100, Body: b, Request: r}, nil
				})
				got, err := fetchAll(t.Context(), up, bigZip)
				if (err != nil) != test.cut || err == nil && len(got) != 100 {
					t.Errorf("%d bytes, error %v", len(got), err)
				}
				if test.cut && !strings.Contains(err.Error(), "stalled") {
					t.Errorf("error %v does not say that it stalled", err)
				}
			})
		})
	}
}

// TestUpstreamReusesConnections counts the connections of many exchanges.
func TestUpstreamReusesConnections(t *testing.T) {
	_, mirror, _ := newMirror(t)
	for name, test := range map[string]struct {
		fault  godowntest.Fault
		tls    bool
		unread bool // only the first byte is read
		most   int32
	}{
		"good":         {nil, false, false, 1},
		"HTTP/2":       {nil, true, false, 1},
		"404":          {godowntest.Status(404, "not found: some text"), false, false, 1},
		"404, empty":   {godowntest.Status(404, ""), false, false, 1},
		"chunked":      {godowntest.Chunked(), false, false, 1},
		"left":         {nil, true, true, 1},
		"left, HTTP/1": {nil, false, true, 10}, // cheaper than to read to the end
	} {
		t.Run(name, func(t *testing.T) {
			var opened atomic.Int32
			server := httptest.NewUnstartedServer(mirror)
			server.Config.ErrorLog = quiet()
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					opened.Add(1)
				}
			}
			transport := godown.NewTransport(godown.Timeouts{}, nil)
			if server.EnableHTTP2 = test.tls; test.tls {
				server.StartTLS()
				transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
			} else {
				server.Start()
			}
			defer server.Close()
			defer transport.CloseIdleConnections()
			up := upstreamAt(t, server.URL)
			up.Transport = transport
			if test.fault != nil {
				defer mirror.Break("", test.fault)()
			}
			for range 10 {
				kind := godown.Zip
				if test.tls {
					kind = godown.Mod // zips have connections of HTTP/1.1
				}
				f, err := up.Fetch(t.Context(), hello(kind, "v1.0.0"))
				if err == nil && test.unread {
					io.ReadFull(f.Reader(), make([]byte, 1))
				} else if err == nil {
					_, err = io.Copy(io.Discard, f.Reader())
				}
				if err == nil {
					f.Close()
				} else if !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			}
			if got := opened.Load(); got > test.most {
				t.Errorf("%d connections for 10 exchanges, want at most %d", got, test.most)
			}
		})
	}
}

// A 404 with a page or JSON is as frequent as one with a text.
func TestUpstreamReusesConnectionsAfterPages(t *testing.T) {
	_, mirror, up := newMirror(t)
	mirror.Break("", page(404))
	var fresh int
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			fresh++
		}
	}}
	for range 10 {
		if _, err := up.Fetch(httptrace.WithClientTrace(t.Context(), trace), hello(godown.Zip, "v1.0.0")); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	if fresh != 1 {
		t.Errorf("%d connections for 10 exchanges", fresh)
	}
}

// Many at once need no more connections than there are of them, and keep them.
func TestUpstreamKeepsConnections(t *testing.T) {
	var opened atomic.Int32
	_, mirror, _ := newMirror(t)
	server := httptest.NewUnstartedServer(mirror)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	up := upstreamAt(t, server.URL)
	for range 5 {
		errs := make(chan error)
		for range 20 {
			go func() {
				_, err := fetchAll(t.Context(), up, hello(godown.Zip, "v1.0.0"))
				errs <- err
			}()
		}
		for range 20 {
			if err := <-errs; err != nil {
				t.Error(fmt.Errorf("concurrently: %w", err))
			}
		}
	}
	if got := opened.Load(); got > 40 {
		t.Errorf("%d connections for 20 at a time", got)
	}
}
