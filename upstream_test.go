package godown_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
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

const infoName = "example.com/hello/@v/v1.0.0.info"

// upstreamAt returns an Upstream with connections of its own.
func upstreamAt(tb testing.TB, rawURL string) *godown.Upstream {
	tb.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		tb.Fatal(err)
	}
	transport := godown.NewTransport(godown.Timeouts{}, nil)
	tb.Cleanup(transport.CloseIdleConnections)
	return &godown.Upstream{URL: u, Transport: transport}
}

// newMirror starts a mirror and returns it with an Upstream that asks it.
func newMirror(tb testing.TB) (*godowntest.Modules, *godowntest.Upstream, *godown.Upstream) {
	tb.Helper()
	mods := godowntest.NewModules(tb, helloModules)
	mirror := godowntest.NewUpstream(tb, mods)
	return mods, mirror, upstreamAt(tb, mirror.URL)
}

// observed keeps the calls that an Upstream tells of.
type observed struct {
	mu    sync.Mutex // guards calls
	calls []godown.Call
}

func (o *observed) add(c godown.Call) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, c)
}

func (o *observed) only(t *testing.T) godown.Call {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.calls) != 1 {
		t.Fatalf("%d calls were observed, want 1: %+v", len(o.calls), o.calls)
	}
	return o.calls[0]
}

// fetchAll fetches and reads; the error is of either.
func fetchAll(ctx context.Context, src godown.Source, req godown.Request) ([]byte, error) {
	return godown.ReadAll(ctx, src, req, 1<<30)
}

func TestUpstreamIsASource(t *testing.T) {
	mods, _, up := newMirror(t)
	godowntest.TestSource(t, up, mods)
	t.Run("Below", func(t *testing.T) { // a mirror below a path of its host
		mirror := godowntest.NewUpstream(t, mods)
		server := httptest.NewServer(http.StripPrefix("/go/mods", mirror))
		t.Cleanup(server.Close)
		godowntest.TestSource(t, upstreamAt(t, server.URL+"/go/mods/"), mods)
	})
	t.Run("File", func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "my %41 modules")
		for _, req := range mods.Requests() {
			name := filepath.Join(folder, filepath.FromSlash(req.Name()))
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, mods.Data(req.Name()), 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		u := url.URL{Scheme: "file", Path: filepath.ToSlash(folder)}
		up := upstreamAt(t, u.String())
		godowntest.TestSource(t, up, mods)
		for _, name := range []string{"example.com/hello/@v", "example.com/hello/@v/list/x", "none"} {
			if data, err := up.Get(t.Context(), name); err == nil {
				t.Errorf("Get(%s) gives %q", name, data)
			}
		}
	})
}

// TestUpstreamRetries switches each passing fault on twice: the third try succeeds.
func TestUpstreamRetries(t *testing.T) {
	for name, fault := range map[string]godowntest.Fault{
		"500":                        godowntest.Status(500, "oops"),
		"502":                        godowntest.Status(502, ""),
		"503":                        godowntest.Status(503, "", "Retry-After: 0"),
		"503, date":                  godowntest.Status(503, "", "Retry-After: Sat, 02 Jan 1999 15:04:05 GMT"),
		"503, nonsense":              godowntest.Status(503, "", "Retry-After: soon"),
		"429 with Retry-After":       godowntest.Status(429, "", "Retry-After: 0"),
		"429 with Retry-After, date": godowntest.Status(429, "", "Retry-After: Sat, 02 Jan 1999 15:04:05 GMT"),
		"closed":                     godowntest.Cut(-1),
		"reset":                      godowntest.Reset(-1),
	} {
		t.Run(name, func(t *testing.T) {
			mods, mirror, up := newMirror(t)
			check := func(t *testing.T, up *godown.Upstream) {
				var calls observed
				up.Observe = calls.add
				mirror.BreakTimes(2, "", fault)
				got, err := fetchAll(t.Context(), up, hello(godown.Info, "v1.0.0"))
				if err != nil || string(got) != string(mods.Data(infoName)) {
					t.Fatalf("%q, error %v", got, err)
				}
				if n := mirror.Count(infoName); n != 3 {
					t.Errorf("%d requests, want 3", n)
				}
				if call := calls.only(t); call.Retries != 2 || call.Result != "ok" {
					t.Errorf("observed %+v", call)
				}
			}
			if name == "reset" {
				check(t, up)
			} else {
				inBubble(t, mirror, check)
			}
		})
	}
}

// A tripper is a function as an http.RoundTripper.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestUpstreamRefusedConnection has the upstream vanish, and come back between two tries.
func TestUpstreamRefusedConnection(t *testing.T) {
	_, mirror, up := newMirror(t)
	mirror.Vanish()
	var calls observed
	up.Observe = calls.add
	transport, tries := up.Transport, 0
	up.Transport = tripper(func(r *http.Request) (*http.Response, error) {
		if tries++; tries == 3 {
			if err := mirror.Return(); err != nil {
				t.Error(err)
			}
		}
		return transport.RoundTrip(r)
	})
	if _, err := fetchAll(t.Context(), up, hello(godown.Info, "v1.0.0")); err != nil {
		t.Fatal(err)
	}
	if call := calls.only(t); tries != 3 || call.Retries != 2 {
		t.Errorf("%d tries, observed %+v", tries, call)
	}
}

// TestUpstreamGivesUp checks what stays broken: how often it is asked for, and what is said.
func TestUpstreamGivesUp(t *testing.T) {
	for name, test := range map[string]struct {
		fault   godowntest.Fault
		retries int
		asked   int
		want    string // in the error
	}{
		"500":            {godowntest.Status(500, "the disk\nis full"), 0, 3, "500 Internal Server Error for " + infoName + ": the disk\nis full"},
		"500, once":      {godowntest.Status(500, ""), 1, 2, "500"},
		"500, never":     {godowntest.Status(500, ""), -1, 1, "500"},
		"closed":         {godowntest.Cut(-1), 0, 3, "EOF"},
		"401":            {godowntest.Status(401, ""), 0, 1, "credentials"},
		"400":            {godowntest.Status(400, ""), 0, 1, "400"},
		"204":            {godowntest.Status(204, ""), 0, 1, "204"},
		"206":            {godowntest.Status(206, "x"), 0, 1, "206"},
		"304":            {godowntest.Status(304, ""), 0, 1, "304"},
		"418":            {godowntest.Status(418, ""), 0, 1, "418"},
		"301 to nowhere": {godowntest.Status(301, ""), 0, 1, "301"},
		"301, endless":   {godowntest.Status(301, "", "Location: /again"), 0, 1, "redirects more than 10 times"},
		"301, odd":       {godowntest.Status(302, "", "Location: gopher://a.test/"), 0, 1, "gopher"},
		"503, busy":      {godowntest.Status(503, "", "Retry-After: 6"), 0, 1, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			_, mirror, _ := newMirror(t)
			mirror.Break("", test.fault)
			inBubble(t, mirror, func(t *testing.T, up *godown.Upstream) {
				up.Retries = test.retries
				var calls observed
				up.Observe = calls.add
				_, err := fetchAll(t.Context(), up, hello(godown.Info, "v1.0.0"))
				if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error is %v, want one with %q that is no fs.ErrNotExist", err, test.want)
				} else if !strings.Contains(err.Error(), "upstream mirror.test") || strings.Contains(err.Error(), "http://mirror.test") {
					t.Errorf("error does not name the upstream, or shows its URL: %v", err)
				}
				if call := calls.only(t); call.Result != "failed" || call.Retries != test.asked-1 {
					t.Errorf("observed %+v", call)
				}
			})
			if n := mirror.Count(infoName); n != test.asked {
				t.Errorf("asked %d times, want %d", n, test.asked)
			}
		})
	}
}

// TestUpstreamMeanings checks the answers that are answers, and their text.
func TestUpstreamMeanings(t *testing.T) {
	long := strings.Repeat("long ", 1000)
	for name, test := range map[string]struct {
		fault  godowntest.Fault
		result string
		want   string // the text
	}{
		"404":             {godowntest.Status(404, "not found: example.com/hello@v1.0.0: invalid version\n"), "absent", "not found: example.com/hello@v1.0.0: invalid version"},
		"404, many lines": {godowntest.Status(404, " a\nb\n\nc\n\n"), "absent", "a\nb\n\nc"},
		"404, none":       {godowntest.Status(404, ""), "absent", "not found: UPSTREAM has no " + infoName},
		"404, long":       {godowntest.Status(404, long), "absent", strings.TrimSpace(long[:1024])},
		"404, binary":     {godowntest.Status(404, "a\xff\xfeb"), "absent", "a?b"},
		"404, page":       {page(404), "absent", "not found: UPSTREAM has no " + infoName},
		"410":             {godowntest.Status(410, "gone: secure.test"), "gone", "gone: secure.test"},
		"410, page":       {page(410), "gone", "not found: UPSTREAM has no " + infoName},
		"403":             {godowntest.Status(403, "a licence forbids it"), "denied", "a licence forbids it"},
		"403, none":       {godowntest.Status(403, ""), "denied", "403 Forbidden for " + infoName},
		"403, page":       {page(403), "denied", "403 Forbidden for " + infoName},
		"429":             {godowntest.Status(429, "slow down"), "busy", "slow down"},
		"429, hour":       {godowntest.Status(429, "slow down", "Retry-After: 3600"), "busy", "slow down"},
		"429, page":       {page(429), "busy", "429 Too Many Requests"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, mirror, up := newMirror(t)
			var calls observed
			up.Observe = calls.add
			mirror.Break("", test.fault)
			_, err := up.Fetch(t.Context(), hello(godown.Info, "v1.0.0"))
			result, text := meaning(err)
			want := strings.ReplaceAll(test.want, "UPSTREAM", up.Name())
			if result != test.result || text != want {
				t.Errorf("error %v means %s with the text %q, want %s with %q", err, result, text, test.result, want)
			}
			if n := mirror.Count(infoName); n != 1 {
				t.Errorf("asked %d times", n)
			}
			observed := strings.Replace(test.result, "gone", "absent", 1)
			if call := calls.only(t); call.Result != observed || call.Upstream != up.Name() || call.Kind != "info" || call.Retries != 0 {
				t.Errorf("observed %+v", call)
			}
		})
	}
}

// page answers with a status and an HTML page.
func page(code int) godowntest.Fault {
	return godowntest.Status(code, "<html><script>document.cookie</script></html>", "Content-Type: text/html; charset=utf-8")
}

// meaning returns what an error means, and its text.
func meaning(err error) (result, text string) {
	if absent, ok := errors.AsType[*godown.NotFound](err); ok && absent.Gone {
		return "gone", absent.Text
	} else if ok {
		return "absent", absent.Text
	}
	if denied, ok := errors.AsType[*godown.Denied](err); ok {
		return "denied", denied.Reason
	}
	if busy, ok := errors.AsType[*godown.Busy](err); ok {
		return "busy", busy.Text
	}
	return "failed", err.Error()
}

// TestUpstreamRetryAfter runs on the clock of a bubble, with an upstream that
// is busy until a moment.
func TestUpstreamRetryAfter(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		header string
		waits  bool
		after  time.Duration
	}{
		"3 s":         {429, "3", true, 0},
		"date in 4 s": {429, "date", true, 0},
		"503, 5 s":    {503, "5", true, 0},
		"6 s":         {429, "6", false, 6 * time.Second},
		"an hour":     {429, "3600", false, 10 * time.Minute},
		"for ever":    {429, "2147483647", false, 10 * time.Minute},
		"too large":   {429, "99999999999999999999", false, 10 * time.Minute},
		"negative":    {429, "-1", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, asked := time.Now(), 0
				header, until := test.header, start.Add(4*time.Second)
				if header == "date" {
					header = until.UTC().Format(http.TimeFormat)
				} else if header == "5" {
					until = start.Add(5 * time.Second)
				} else if header == "3" {
					until = start.Add(3 * time.Second)
				}
				up := upstreamAt(t, "http://a.test")
				up.Transport = tripper(func(r *http.Request) (*http.Response, error) {
					rec := httptest.NewRecorder()
					if asked++; time.Now().Before(until) {
						rec.Header().Set("Retry-After", header)
						rec.WriteHeader(test.status)
					}
					return rec.Result(), nil
				})
				_, err := fetchAll(t.Context(), up, hello(godown.Info, "v1.0.0"))
				if test.waits {
					if err != nil || asked != 2 {
						t.Errorf("asked %d times, error %v", asked, err)
					}
					return
				}
				busy, ok := errors.AsType[*godown.Busy](err)
				if !ok || busy.After != test.after || asked != 1 || !time.Now().Equal(start) {
					t.Errorf("asked %d times in %v, error %#v, want a *Busy for %v at once", asked, time.Since(start), err, test.after)
				}
			})
		})
	}
}

// TestUpstreamTLS: a certificate that is not good will not get better.
func TestUpstreamTLS(t *testing.T) {
	var handshakes atomic.Int32
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = quiet()
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		handshakes.Add(1)
		return nil, nil
	}}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := fetchAll(t.Context(), upstreamAt(t, server.URL), hello(godown.Info, "v1.0.0"))
	if err == nil || errors.Is(err, fs.ErrNotExist) || handshakes.Load() != 1 {
		t.Errorf("error %v after %d handshakes", err, handshakes.Load())
	}
}

// signalled is a fault that tells of a request, and then never answers.
func signalled(arrived chan<- string) godowntest.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrived <- r.URL.Path
			<-r.Context().Done()
		})
	}
}

func TestUpstreamCancelled(t *testing.T) {
	_, mirror, up := newMirror(t)
	if _, err := up.Fetch(canceled(), hello(godown.Info, "v1.0.0")); !errors.Is(err, context.Canceled) {
		t.Errorf("before: error is %v", err)
	}
	arrived := make(chan string)
	heal := mirror.Break("", signalled(arrived))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the client has left")
	go func() { <-arrived; cancel(why) }()
	if _, err := up.Fetch(ctx, hello(godown.Info, "v1.0.0")); !errors.Is(err, context.Canceled) && !errors.Is(err, why) {
		t.Errorf("while it waits for the header: error is %v", err)
	}
	if n := mirror.Count(infoName); n > 1 {
		t.Errorf("asked %d times", n)
	}
	heal()

	mirror.Break("", godowntest.Stall(10))
	ctx, cancel2 := context.WithCancel(t.Context())
	f, err := up.Fetch(ctx, hello(godown.Info, "v1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mirror.Reset()
	if _, err := io.ReadFull(f.Reader(), make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel2()
	if _, err := io.ReadAll(f.Reader()); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in the body: error is %v", err)
	}
	if n := len(mirror.Requests()); n != 0 {
		t.Errorf("for one who has left it was resumed %d times", n)
	}
}

// TestUpstreamFirstByte has an upstream that never answers.
func TestUpstreamFirstByte(t *testing.T) {
	_, mirror, up := newMirror(t)
	mirror.Break("", godowntest.Hang())
	up.Transport = godown.NewTransport(godown.Timeouts{FirstByte: 50 * time.Millisecond}, nil)
	_, err := up.Fetch(t.Context(), hello(godown.Info, "v1.0.0"))
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("error is %v, want a timeout", err)
	}
	if n := mirror.Count(infoName); n != 1 {
		t.Errorf("asked %d times: what timed out has cost enough", n)
	}
}

// TestUpstreamStalledRefusal: the text of a refusal may stall as any other body.
func TestUpstreamStalledRefusal(t *testing.T) {
	for _, code := range []int{404, 500} {
		_, mirror, up := newMirror(t)
		up.Stall, up.Retries = 50*time.Millisecond, -1
		mirror.Break("", both(godowntest.Status(code, "not found, because of what follows"), godowntest.Stall(10)))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := up.Fetch(ctx, hello(godown.Info, "v1.0.0"))
		if ctx.Err() != nil || err == nil || errors.Is(err, fs.ErrNotExist) != (code == 404) {
			t.Errorf("%d: error %v, waited for ever: %v", code, err, ctx.Err() != nil)
		}
	}
}

func TestUpstreamGet(t *testing.T) {
	_, mirror, up := newMirror(t)
	mirror.Break("small", godowntest.Replace("text/plain", make([]byte, 1<<20)))
	mirror.Break("large", godowntest.Huge(1<<20+1))
	if data, err := up.Get(t.Context(), "sumdb/small"); err != nil || len(data) != 1<<20 {
		t.Errorf("%d bytes, error %v", len(data), err)
	}
	if data, err := up.Get(t.Context(), "sumdb/large"); err == nil || len(data) > 0 {
		t.Errorf("%d bytes, error %v", len(data), err)
	}
	if _, err := up.Get(t.Context(), "sumdb/none/latest"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v, want an fs.ErrNotExist", err)
	}
}

// TestUpstreamNames checks that what is asked for arrives as it is, however odd.
func TestUpstreamNames(t *testing.T) {
	_, mirror, up := newMirror(t)
	for _, version := range []string{"a%2fb", "a b", "a#b", "a&b=c+d", "HEAD", "v2.0.0+incompatible", "@~{}[]", "50%"} {
		req := godown.Request{Kind: godown.Info, Path: "example.com/BIG", Version: version}
		mirror.Reset()
		if _, err := up.Fetch(t.Context(), req); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: error is %v", req, err)
		}
		if got := mirror.Requests(); len(got) != 1 || got[0] != req.Name() {
			t.Errorf("%v: asked for %q, want %q", req, got, req.Name())
		}
	}
}

// As in the go command, an escaped slash in the mirror's own path stays one.
func TestUpstreamEscapedBase(t *testing.T) {
	var got atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got.Store(r.RequestURI) }))
	t.Cleanup(server.Close)
	up := upstreamAt(t, server.URL+"/team%2Fa/go")
	if _, err := fetchAll(t.Context(), up, hello(godown.List, "")); err != nil {
		t.Fatal(err)
	}
	if want := "/team%2Fa/go/example.com/hello/@v/list"; got.Load() != want {
		t.Errorf("asked for %v, want %s", got.Load(), want)
	}
}

// The status says it: nobody waits for a text that never ends.
func TestUpstreamRefusalWithoutEnd(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()
	up := upstreamAt(t, srv.URL)
	up.Stall = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := fetchAll(ctx, up, hello(godown.Info, "v1.0.0")); !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
		t.Errorf("got %v; waited for the end: %v", err, ctx.Err() != nil)
	}
}
