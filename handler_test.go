package godown_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// give is a Source that always gives the same.
func give(f *godown.File, err error) godown.Source {
	return godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) { return f, err })
}

// timeoutError is a net.Error.
type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// TestHandlerStatuses has a Source fail in all ways.
func TestHandlerStatuses(t *testing.T) {
	req := hello(godown.Zip, "v1.0.0")
	for _, test := range []struct {
		err        error
		code       int
		text       string // what the text contains
		retryAfter string
	}{
		{fs.ErrNotExist, 404, "file does not exist", ""},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, 404, "open x", ""},
		{&godown.NotFound{}, 404, "not found", ""},
		{&godown.NotFound{Text: "unknown revision v1.0.0"}, 404, "unknown revision v1.0.0\n", ""},
		{&godown.NotFound{Text: "it was removed", Gone: true}, 410, "it was removed\n", ""},
		{fmt.Errorf("mirror x: %w", &godown.NotFound{Text: "gone", Gone: true}), 410, "mirror x: gone", ""},
		{&godown.Denied{Rule: "licences", Reason: "the AGPL is not allowed"}, 403, "the AGPL is not allowed\n(refused by licences)\n", ""},
		{fmt.Errorf("mirror x: %w", &godown.Denied{Rule: "a", Reason: "b"}), 403, "b\n(refused by a)", ""},
		{&godown.Busy{Who: "goproxy.test", Text: "slow down"}, 429, "goproxy.test limits the rate of requests: slow down", "1"},
		{&godown.Busy{Who: "goproxy.test", After: time.Hour}, 429, "goproxy.test", "3600"},
		{&godown.Busy{Who: "goproxy.test", After: 1001 * time.Millisecond}, 429, "goproxy.test", "2"},
		{&godown.Busy{After: 5 * time.Second, Text: "no place"}, 503, "too many fetches under way: no place", "5"},
		{&godown.Unverified{Request: req, By: "sum.test", Err: &godown.Denied{Rule: "upstream a.test", Reason: "no"}}, 503, "no answer that can be used (refused by upstream a.test: no)", ""},
		{&godown.Unverified{Request: req, By: "sum.test", Err: errors.New("connection refused")}, 503, "sum.test gives no answer that can be used (connection refused)", ""},
		{&godown.Unverified{Request: req, By: "sum.test", Absent: true, Err: fs.ErrNotExist}, 503, "has no record of it", ""},
		{&godown.Mismatch{Request: req, Reason: "its hash is h1:x"}, 502, "is not what it should be: its hash is h1:x", ""},
		{&godown.SecurityError{Database: "sum.test", Detail: "two histories"}, 502, "SECURITY ERROR: checksum database sum.test", ""},
		{errors.New("the disk is full"), 502, "the disk is full", ""},
		{io.ErrUnexpectedEOF, 502, "unexpected EOF", ""},
		{fs.ErrPermission, 502, "permission denied", ""},
		{context.DeadlineExceeded, 504, "deadline exceeded", ""},
		{fmt.Errorf("upstream x: %w", context.DeadlineExceeded), 504, "upstream x", ""},
		{fmt.Errorf("upstream x: %w", timeoutError{}), 504, "i/o timeout", ""},
		{os.ErrDeadlineExceeded, 504, "timeout", ""},
		{fmt.Errorf("upstream x: %w", context.Canceled), 502, "upstream x", ""}, // not our client's context
		{errors.Join(errors.New("first"), &godown.NotFound{Text: "second"}), 404, "first\nsecond\n", ""},
	} {
		var ev godown.Event
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/"+req.Name(), nil)
		(&godown.Handler{Source: give(nil, test.err)}).ServeHTTP(w, r.WithContext(godown.WithEvent(r.Context(), &ev)))
		if w.Code != test.code || !strings.Contains(w.Body.String(), test.text) || w.Header().Get("Retry-After") != test.retryAfter {
			t.Errorf("%#v: %d %q, Retry-After %q, want %d with %q, %q", test.err, w.Code, w.Body, w.Header().Get("Retry-After"), test.code, test.text, test.retryAfter)
		}
		if h := w.Header(); h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("Cache-Control") != "no-store" || h.Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
			t.Errorf("%#v: headers %v, want those of a plain text that is not kept", test.err, h)
		}
		if ev.Err != test.err || ev.Request != req {
			t.Errorf("%#v: the event has %+v", test.err, ev)
		}
	}
}

func TestHandlerBadRequests(t *testing.T) {
	h := &godown.Handler{Source: give(nil, errors.New("it was asked"))}
	for _, path := range []string{"/", "/index.html", "/example.com/hello", "/example.com/hello/@v/../x.info", "/example.com/hello/@v/v1.zip", "/sumdb/", "/sumdb/sum.test/latest", "/cached-only/", "/cached-only/x", "/@v/list", "/%00/@v/list"} {
		if w := serveGet(h, path); w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/example.com/hello/@v/list", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" || !strings.Contains(w.Body.String(), method) {
			t.Errorf("%s: %d, Allow %q, %s", method, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
}

// shownByGo returns of a text what the go command shows of it, as its
// cmd/go/internal/web has it: the first paragraph, if there is nothing in all
// of the text that could move the cursor, and no more than 8 lines and 648 bytes.
func shownByGo(text string) string {
	funny := func(r rune) bool { return !unicode.IsGraphic(r) && !unicode.IsSpace(r) }
	if !utf8.ValidString(text) || strings.ContainsFunc(text, funny) {
		return ""
	}
	var shown []string
	size := 0
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) == "" {
			break
		}
		if size += len(line); len(shown) == 8 || size > 648 {
			return strings.Join(append(shown, "[Truncated]"), "\n")
		}
		shown = append(shown, line)
		size += 2
	}
	return strings.Join(shown, "\n")
}

// handlerText returns what a client gets for an error with a text.
func handlerText(text string) string {
	return serveGet(&godown.Handler{Source: give(nil, errors.New(text))}, "/"+hello(godown.Info, "v1.0.0").Name()).Body.String()
}

// TestHandlerErrorText checks that the go command shows all that we send.
func TestHandlerErrorText(t *testing.T) {
	for in, want := range map[string]string{
		"one":                              "one",
		"one\ntwo":                         "one\ntwo",
		"one\n\n\ntwo\r\n\r\nthree\n":      "one\ntwo\nthree",
		"\n\none":                          "one",
		"日本語":                              "日本語",
		"not UTF-8: \xff.":                 "not UTF-8: ?.",
		strings.Repeat("x\n", 20):          strings.TrimSpace(strings.Repeat("x\n", 8)),
		strings.Repeat("x", 640):           strings.Repeat("x", 640),
		strings.Repeat("x", 641):           strings.Repeat("x", 637) + "…",
		strings.Repeat("語", 300):           strings.Repeat("語", 212) + "…",
		strings.Repeat("é", 1000):          strings.Repeat("é", 318) + "…",
		"x" + strings.Repeat("é", 1000):    "x" + strings.Repeat("é", 318) + "…",
		strings.Repeat("line, long\n", 99): strings.TrimSpace(strings.Repeat("line, long\n", 8)),
		strings.Repeat(strings.Repeat("y", 100)+"\n", 9): strings.Repeat(strings.Repeat("y", 100)+"\n", 6) + strings.Repeat("y", 31) + "…",
	} {
		got := handlerText(in)
		if got != want+"\n" {
			t.Errorf("%.50q is sent as %q, want %q", in, got, want)
		}
		if shown := shownByGo(got); shown != want {
			t.Errorf("of %.50q the go command shows %q", in, shown)
		}
	}
}

// An upstream's text may hold anything; the go command would show nothing at all.
func TestHandlerErrorTextFunny(t *testing.T) {
	for in, want := range map[string]string{
		"red: \x1b[31mtext": "red: ", "bell\a": "bell", "a\x00b": "a", "one\n \t \ntwo": "two", " \none": "one", "a\u202eb": "a", "a\u200bb": "a",
	} {
		if shown := shownByGo(handlerText(in)); !strings.Contains(shown, want) {
			t.Errorf("of %q the go command shows %q", in, shown)
		}
	}
}

// A served is an answer over a real connection.
type served struct {
	code   int
	header http.Header
	body   string
	err    error // of reading the body
}

// ask sends a request to a server; headers are lines such as "Range: bytes=0-1".
func ask(t *testing.T, client *http.Client, method, url string, headers ...string) served {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		key, value, _ := strings.Cut(line, ": ")
		r.Header.Set(key, value)
	}
	resp, err := client.Do(r)
	if err != nil {
		return served{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	resp.Header.Del("Date")
	return served{resp.StatusCode, resp.Header, string(body), err}
}

const servedContent = "0123456789"

// contents are the forms in which a Source may give servedContent.
func contents(t *testing.T) map[string]func() *godown.File {
	name := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(name, []byte(servedContent), 0o666); err != nil {
		t.Fatal(err)
	}
	file := func(body io.ReadCloser) *godown.File {
		return &godown.File{Body: body, Size: int64(len(servedContent))}
	}
	return map[string]func() *godown.File{
		"data": func() *godown.File { return godown.NewFile([]byte(servedContent)) },
		"os.File": func() *godown.File {
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
			}
			return file(f)
		},
		"seeker": func() *godown.File { return file(seekCloser{strings.NewReader(servedContent)}) },
		"stream": func() *godown.File { return file(io.NopCloser(strings.NewReader(servedContent))) },
	}
}

type seekCloser struct{ io.ReadSeeker }

func (seekCloser) Close() error { return nil }

func TestHandlerHeaders(t *testing.T) {
	const never, minute = "public, max-age=31536000, immutable", "public, max-age=60"
	const text, json, zip = "text/plain; charset=utf-8", "application/json", "application/zip"
	for form, open := range contents(t) {
		source := godown.SourceFunc(func(_ context.Context, req godown.Request) (*godown.File, error) {
			f := open()
			f.ETag, f.Cache, f.MaxAge, f.Origin = `"tag"`, godown.Revalidated, time.Minute, "goproxy.test"
			if req.Path == "example.com/stale" {
				f.ETag, f.Cache, f.MaxAge = "", godown.Stale, 999*time.Millisecond
			}
			return f, nil
		})
		server := httptest.NewServer(&godown.Handler{Source: source})
		t.Cleanup(server.Close)
		for path, want := range map[string][4]string{
			"example.com/m/@v/list":                      {text, minute, `"tag"`, "REVALIDATED"},
			"example.com/m/@latest":                      {json, minute, `"tag"`, "REVALIDATED"},
			"example.com/m/@v/master.info":               {json, minute, `"tag"`, "REVALIDATED"},
			"example.com/m/@v/v2.0.0.info":               {json, minute, `"tag"`, "REVALIDATED"}, // stands for v2.0.0+incompatible
			"example.com/m/@v/v1.0.0.info":               {json, never, `"tag"`, "REVALIDATED"},
			"example.com/m/@v/v1.0.0.mod":                {text, never, `"tag"`, "REVALIDATED"},
			"example.com/m/@v/v1.0.0.zip":                {zip, never, `"tag"`, "REVALIDATED"},
			"example.com/!b!i!g/@v/v1.0.0.zip":           {zip, never, `"tag"`, "REVALIDATED"},
			"example.com/stale/@v/list":                  {text, "no-cache", "", "STALE"},
			"example.com/stale/@v/v1.0.0.mod":            {text, never, "", "STALE"},
			"cached-only/example.com/m/@v/v1.0.0.zip":    {zip, never, `"tag"`, "REVALIDATED"},
			"example.com/m/@v/v2.0.0+incompatible.info":  {json, never, `"tag"`, "REVALIDATED"},
			"example.com/m/@v/v2.0.0%2bincompatible.zip": {zip, never, `"tag"`, "REVALIDATED"},
		} {
			get := ask(t, server.Client(), "GET", server.URL+"/"+path)
			h := get.header
			if got := [4]string{h.Get("Content-Type"), h.Get("Cache-Control"), h.Get("ETag"), h.Get("X-Cache-Status")}; got != want || get.code != 200 || get.body != servedContent || get.err != nil {
				t.Errorf("%s, %s: %d %q, error %v, headers %q, want %q", form, path, get.code, get.body, get.err, got, want)
			}
			if h.Get("Content-Length") != "10" {
				t.Errorf("%s, %s: Content-Length is %q", form, path, h.Get("Content-Length"))
			}
			head := ask(t, server.Client(), "HEAD", server.URL+"/"+path)
			if head.code != 200 || head.body != "" || head.err != nil || !maps.EqualFunc(head.header, h, func(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }) {
				t.Errorf("%s, %s: HEAD has\n%v, GET\n%v", form, path, head.header, h)
			}
		}
	}
}

func TestHandlerHeadOfErrors(t *testing.T) {
	server := httptest.NewServer(&godown.Handler{Source: give(nil, &godown.NotFound{Text: "unknown"})})
	t.Cleanup(server.Close)
	url := server.URL + "/example.com/m/@v/list"
	get, head := ask(t, server.Client(), "GET", url), ask(t, server.Client(), "HEAD", url)
	if head.code != 404 || head.body != "" || fmt.Sprint(head.header) != fmt.Sprint(get.header) {
		t.Errorf("HEAD: %+v, GET: %+v", head, get)
	}
}

// TestHandlerConditional asks for parts, and for what has changed only.
func TestHandlerConditional(t *testing.T) {
	for form, open := range contents(t) {
		if form == "stream" {
			continue // it can be read once, and is sent whole
		}
		source := godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) {
			f := open()
			f.ETag = `"tag"`
			return f, nil
		})
		server := httptest.NewServer(&godown.Handler{Source: source})
		t.Cleanup(server.Close)
		for _, path := range []string{"/example.com/m/@v/v1.0.0.zip", "/example.com/m/@v/list"} {
			for headers, want := range map[string]struct {
				code   int
				body   string
				ranged string
			}{
				"Range: bytes=2-4":                                 {206, "234", "bytes 2-4/10"},
				"Range: bytes=7-":                                  {206, "789", "bytes 7-9/10"},
				"Range: bytes=-3":                                  {206, "789", "bytes 7-9/10"},
				"Range: bytes=0-99":                                {206, servedContent, "bytes 0-9/10"},
				"Range: bytes=10-":                                 {416, "", "bytes */10"},
				"Range: lines=1-2":                                 {416, "", ""},
				"Range: bytes=2-4|If-Range: \"tag\"":               {206, "234", "bytes 2-4/10"},
				"Range: bytes=2-4|If-Range: \"other\"":             {200, servedContent, ""},
				"Range: bytes=2-4|If-Range: W/\"tag\"":             {200, servedContent, ""},
				"If-None-Match: \"tag\"":                           {304, "", ""},
				"If-None-Match: W/\"tag\"":                         {304, "", ""},
				"If-None-Match: \"x\", \"tag\"":                    {304, "", ""},
				"If-None-Match: *":                                 {304, "", ""},
				"If-None-Match: \"other\"":                         {200, servedContent, ""},
				"If-Match: \"other\"":                              {412, "", ""},
				"If-Match: \"tag\"":                                {200, servedContent, ""},
				"If-None-Match: \"tag\"|Range: bytes=2-4":          {304, "", ""},
				"If-Modified-Since: Mon, 02 Jan 2006 15:04:05 GMT": {200, servedContent, ""},
			} {
				get := ask(t, server.Client(), "GET", server.URL+path, strings.Split(headers, "|")...)
				if get.code != want.code || want.code < 400 && get.body != want.body || get.header.Get("Content-Range") != want.ranged || get.err != nil {
					t.Errorf("%s, %s: %d %q, Content-Range %q, error %v, want %+v", form, headers, get.code, get.body, get.header.Get("Content-Range"), get.err, want)
				}
				if want.code < 400 && get.header.Get("ETag") != `"tag"` {
					t.Errorf("%s, %s: ETag is %q", form, headers, get.header.Get("ETag"))
				}
			}
		}
	}
}

// A breakingBody gives half of what it should, and then fails.
type breakingBody struct{ io.Reader }

var errBody = errors.New("input/output error")

func newBreakingBody(size int) *breakingBody {
	return &breakingBody{io.MultiReader(bytes.NewReader(make([]byte, size/2)), failingReader{errBody})}
}

func (breakingBody) Close() error { return nil }

// A breakingSeeker is one that can seek to its ends, as http.ServeContent does.
type breakingSeeker struct {
	*breakingBody
	size int64
}

func (s breakingSeeker) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		return s.size + offset, nil
	}
	return offset, nil
}

// TestHandlerBrokenBody has a body fail in its middle, or end too early: the
// client must not take the part for the whole.
func TestHandlerBrokenBody(t *testing.T) {
	for _, size := range []int{10, 1 << 20} {
		short := func() io.ReadCloser { return io.NopCloser(bytes.NewReader(make([]byte, size/2))) }
		for name, file := range map[string]func() *godown.File{
			"stream":          func() *godown.File { return &godown.File{Body: newBreakingBody(size), Size: int64(size)} },
			"stream, no size": func() *godown.File { return &godown.File{Body: newBreakingBody(size), Size: -1} },
			"seeker": func() *godown.File {
				return &godown.File{Body: breakingSeeker{newBreakingBody(size), int64(size)}, Size: int64(size)}
			},
			"stream ends early": func() *godown.File { return &godown.File{Body: short(), Size: int64(size)} },
			"stream, fails first": func() *godown.File {
				return &godown.File{Body: io.NopCloser(failingReader{errBody}), Size: int64(size)}
			},
		} {
			source := godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) { return file(), nil })
			for _, http2 := range []bool{false, true} {
				server := httptest.NewUnstartedServer(&godown.Handler{Source: source})
				server.Config.ErrorLog = quiet()
				server.EnableHTTP2 = http2
				if http2 {
					server.StartTLS()
				} else {
					server.Start()
				}
				got := ask(t, server.Client(), "GET", server.URL+"/example.com/m/@v/v1.0.0.zip")
				if got.err == nil {
					t.Errorf("%s of %d bytes, HTTP/2 %v: the client got %d bytes and no error", name, size, http2, len(got.body))
				}
				server.Close()
			}
		}
	}
}

// TestHandlerBlames: who reads the log must not look for the fault at the client.
func TestHandlerBlames(t *testing.T) {
	for name, body := range map[string]io.ReadCloser{"stream": newBreakingBody(10), "seeker": breakingSeeker{newBreakingBody(10), 10}} {
		var ev godown.Event
		done := make(chan struct{})
		h := &godown.Handler{Source: give(&godown.File{Body: body, Size: 10}, nil)}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(done)
			h.ServeHTTP(w, r.WithContext(godown.WithEvent(r.Context(), &ev)))
		}))
		server.Config.ErrorLog = quiet()
		ask(t, server.Client(), "GET", server.URL+"/example.com/m/@v/v1.0.0.zip")
		<-done
		server.Close()
		if !errors.Is(ev.Err, errBody) || strings.Contains(ev.Err.Error(), "client") {
			t.Errorf("%s: the event has the error %v, want the body's", name, ev.Err)
		}
	}
}

// TestHandlerClosesBodies counts what is open after each kind of request.
func TestHandlerClosesBodies(t *testing.T) {
	var open atomic.Int32
	source := godown.SourceFunc(func(_ context.Context, req godown.Request) (*godown.File, error) {
		open.Add(1)
		body := io.ReadCloser(counted{seekCloser{strings.NewReader(servedContent)}, &open})
		if req.Kind == godown.Mod {
			body = struct{ io.ReadCloser }{body} // cannot seek
		} else if req.Kind == godown.Info {
			body = counted{breakingSeeker{newBreakingBody(10), 10}, &open}
		}
		return &godown.File{Body: body, Size: 10, ETag: `"tag"`}, nil
	})
	server := httptest.NewUnstartedServer(&godown.Handler{Source: source})
	server.Config.ErrorLog = quiet()
	server.Start()
	for _, ext := range []string{".zip", ".mod", ".info"} {
		url := server.URL + "/example.com/m/@v/v1.0.0" + ext
		for _, method := range []string{"GET", "HEAD"} {
			ask(t, server.Client(), method, url)
			ask(t, server.Client(), method, url, "Range: bytes=1-2")
			ask(t, server.Client(), method, url, "Range: bytes=99-")
			ask(t, server.Client(), method, url, `If-None-Match: "tag"`)
		}
	}
	server.Close() // waits for the handlers
	if n := open.Load(); n != 0 {
		t.Errorf("%d bodies are still open", n)
	}
}

type counted struct {
	io.ReadSeeker
	open *atomic.Int32
}

func (c counted) Close() error { c.open.Add(-1); return nil }

// TestHandlerClientLeft: nobody is told what nobody listens to, and the connection is cut.
func TestHandlerClientLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	source := godown.SourceFunc(func(ctx context.Context, _ godown.Request) (*godown.File, error) {
		cancel()
		return nil, ctx.Err()
	})
	w := httptest.NewRecorder()
	defer func() {
		if got := recover(); got != http.ErrAbortHandler || w.Body.Len() > 0 {
			t.Errorf("panics with %v, %q was written", got, w.Body)
		}
	}()
	(&godown.Handler{Source: source}).ServeHTTP(w, httptest.NewRequest("GET", "/example.com/m/@v/list", nil).WithContext(ctx))
}

// TestHandlerCachedOnly asks with the path and with the header: upstream must not be asked.
func TestHandlerCachedOnly(t *testing.T) {
	var asked atomic.Int32
	r := newRig(t, func(r *rig) {
		source := r.Source
		r.Source = godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
			asked.Add(1)
			return source.Fetch(ctx, req)
		})
	})
	const path, header = "/example.com/hello/@v/v1.0.0.mod", "Disable-Module-Fetch: "
	check := func(cache *godown.Cache, code int) {
		t.Helper()
		server := httptest.NewServer(&godown.Handler{Source: cache})
		t.Cleanup(server.Close)
		for _, only := range []served{
			ask(t, server.Client(), "GET", server.URL+"/cached-only"+path), ask(t, server.Client(), "GET", server.URL+"/cached-only"+path, header+"false"),
			ask(t, server.Client(), "GET", server.URL+path, header+"true"), ask(t, server.Client(), "HEAD", server.URL+path, header+"TRUE"),
		} {
			if only.code != code {
				t.Errorf("%+v, want %d", only, code)
			}
		}
		if n := asked.Swap(0); n > 0 {
			t.Errorf("upstream was asked %d times", n)
		}
		if got := ask(t, server.Client(), "GET", server.URL+path, header+"false"); got.code != 200 {
			t.Errorf("not only cached: %+v", got)
		}
	}
	check(r.Cache, 404)
	if n := asked.Swap(0); n != 1 {
		t.Errorf("upstream was asked %d times", n)
	}
	if err := r.Close(t.Context()); err != nil { // now it is stored
		t.Error(err)
	}
	again := &godown.Cache{Store: r.Store, Source: r.Source, Verifier: r.Verifier}
	t.Cleanup(func() { again.Close(context.Background()) })
	check(again, 200)
}

// TestHandlerEvent checks what is written into the Event of a request that went well.
func TestHandlerEvent(t *testing.T) {
	why := errors.New("upstream is ill")
	f := godown.NewFile([]byte("x"))
	f.Cache, f.Origin, f.StaleBy = godown.Stale, "goproxy.test", why
	h := &godown.Handler{Source: give(f, nil), Sums: sumSource{f}}
	for path, want := range map[string]godown.Event{
		"/example.com/hello/@v/list":             {Request: hello(godown.List, ""), Cache: godown.Stale, Origin: "goproxy.test", Err: why},
		"/cached-only/example.com/hello/@v/list": {Request: hello(godown.List, ""), Cache: godown.Stale, Origin: "goproxy.test", Err: why},
		"/sumdb/sum.test/latest":                 {Database: "sum.test", Cache: godown.Stale, Origin: "goproxy.test", Err: why},
	} {
		var ev godown.Event
		r := httptest.NewRequest("GET", path, nil)
		h.ServeHTTP(httptest.NewRecorder(), r.WithContext(godown.WithEvent(r.Context(), &ev)))
		if ev != want {
			t.Errorf("%s: %+v, want %+v", path, ev, want)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("HEAD", path, nil))
		if w.Body.Len() > 0 {
			t.Errorf("%s: HEAD writes %q", path, w.Body)
		}
	}
}

// A sumSource gives the same for each file of a checksum database.
type sumSource struct{ file *godown.File }

func (s sumSource) FetchSum(context.Context, string) (*godown.File, error) { return s.file, nil }

// TestHandlerWholeHouse asks for everything there is through a Handler on a
// Cache, with an Upstream as its client.
func TestHandlerWholeHouse(t *testing.T) {
	r := newRig(t, nil)
	server := httptest.NewServer(&godown.Handler{Source: r})
	t.Cleanup(server.Close)
	godowntest.TestSource(t, upstreamAt(t, server.URL), r.mods)
}

// TestHandlerManyRanges: a client that leaves while net/http puts several ranges
// of an arriving body together must not take the process with it.
func TestHandlerManyRanges(t *testing.T) {
	mods, zip := big(t, 1<<20)
	src, w := pipe(len(zip))
	r := newRig(t, func(r *rig) { r.Verifier = oracle{mods} }, godown.Step{Source: src})
	server := httptest.NewServer(&godown.Handler{Source: r})
	defer server.Close()
	server.Config.ErrorLog = quiet()
	go w.Write(zip[:900_000])
	for range 5 {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: x\r\nRange: bytes=0-500000,500001-1000000\r\n\r\n", bigZip.Name())
		io.ReadFull(conn, make([]byte, 100_000))
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	go func() {
		w.Write(zip[900_000:])
		w.Close()
	}()
	got := ask(t, server.Client(), "GET", server.URL+"/"+bigZip.Name(), "Range: bytes=0-9,20-29")
	if got.code != 200 || got.body != string(zip) {
		t.Errorf("several ranges: %d, %d bytes, %v; want the whole", got.code, len(got.body), got.err)
	}
}
