package godown

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Handler serves the module proxy protocol from a Source: it parses the
// request, fetches, and responds. It alone knows which error is which status.
//
// A path below /cached-only/, or the header Disable-Module-Fetch: true, is
// answered from the store alone.
type Handler struct {
	Source Source
	Sums   SumSource // serves /sumdb/; nil: no checksum database is served

	once   sync.Once
	parsed *hot[string, Request] // parsing takes longer than all else that a hit needs
}

// A SumSource answers requests for files of checksum databases. Name is what
// follows /sumdb/: a database's name, which may contain slashes, and the file,
// as in "sum.golang.org/lookup/golang.org/x/mod@v0.42.0".
type SumSource interface {
	FetchSum(ctx context.Context, name string) (*File, error)
}

// headers are the ready values of the headers of a file that is served often.
// They are shared by responses, which only read them.
type headers struct {
	contentType, contentLength, cacheControl, etag []string
}

var (
	contentJSON  = []string{"application/json"}
	contentText  = []string{"text/plain; charset=utf-8"}
	contentZip   = []string{"application/zip"}
	contentBytes = []string{"application/octet-stream"}
	immutable    = []string{"public, max-age=31536000, immutable"}
	noStore      = []string{"no-store"}
	statusHeader = map[CacheStatus][]string{Hit: {string(Hit)}, Miss: {string(Miss)}, Expired: {string(Expired)}, Revalidated: {string(Revalidated)}, Stale: {string(Stale)}}
)

func newHeaders(req Request, f *File) *headers {
	h := &headers{cacheControl: immutable}
	switch req.Kind {
	case Info, Latest:
		h.contentType = contentJSON
	case Zip:
		h.contentType = contentZip
	default:
		h.contentType = contentText
	}
	if f.Size >= 0 {
		h.contentLength = []string{strconv.FormatInt(f.Size, 10)}
	}
	if f.ETag != "" {
		h.etag = []string{f.ETag}
	}
	if !req.Fixed() {
		h.cacheControl = maxAge(f.MaxAge)
	}
	return h
}

func maxAge(d time.Duration) []string {
	if d < time.Second {
		return []string{"no-cache"}
	}
	return []string{"public, max-age=" + strconv.FormatInt(int64(d/time.Second), 10)}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, ev := eventOf(w, r)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, ev, http.StatusMethodNotAllowed, "a module proxy is only read: the method "+strconv.Quote(r.Method)+" is not allowed")
		return
	}
	path := r.URL.Path
	if rest, ok := strings.CutPrefix(path, "/cached-only/"); ok {
		ctx, path = CachedOnly(ctx), "/"+rest
	} else if v := r.Header["Disable-Module-Fetch"]; len(v) > 0 && strings.EqualFold(v[0], "true") {
		ctx = CachedOnly(ctx)
	}
	if name, ok := strings.CutPrefix(path, "/sumdb/"); ok {
		h.serveSum(ctx, w, r, ev, name)
		return
	}
	req, err := h.parse(path)
	if err != nil {
		ev.Err = err
		fail(w, ev, http.StatusNotFound, err.Error())
		return
	}
	ev.Request = req
	f, err := h.Source.Fetch(ctx, req)
	if err != nil {
		failWith(w, r, ev, err)
		return
	}
	ready := f.headers
	if ready == nil {
		ready = newHeaders(req, f)
	}
	serve(w, r, ev, f, ready)
}

// parse is ParseRequest with a memory.
func (h *Handler) parse(path string) (Request, error) {
	h.once.Do(func() { h.parsed = newHot[string, Request](4 << 20) })
	if req, ok := h.parsed.get(path); ok {
		return req, nil
	}
	req, err := ParseRequest(path)
	if err == nil {
		// path belongs to the HTTP request, and req may be parts of it.
		path = strings.Clone(path)
		h.parsed.put(path, req, int64(2*len(path)))
	}
	return req, err
}

// eventOf returns the Event of a request, and its context with the Event in it.
// An outer handler that has made an Event may carry it in a ResponseWriter with
// the method Event, which costs less than a copy of the request.
func eventOf(w http.ResponseWriter, r *http.Request) (context.Context, *Event) {
	ctx := r.Context()
	if carrier, ok := w.(interface{ Event() *Event }); ok {
		ev := carrier.Event()
		return WithEvent(ctx, ev), ev
	}
	return ctx, EventFrom(ctx)
}

// serveSum answers a request for a file of a checksum database.
func (h *Handler) serveSum(ctx context.Context, w http.ResponseWriter, r *http.Request, ev *Event, name string) {
	ev.Database, _, _ = strings.Cut(name, "/")
	if h.Sums == nil {
		fail(w, ev, http.StatusNotFound, "no checksum database is served here")
		return
	}
	f, err := h.Sums.FetchSum(ctx, name)
	if err != nil {
		failWith(w, r, ev, err)
		return
	}
	ready := &headers{contentType: sumContent(name), cacheControl: maxAge(f.MaxAge), contentLength: []string{strconv.FormatInt(f.Size, 10)}}
	if f.ETag != "" {
		ready.etag = []string{f.ETag}
	}
	serve(w, r, ev, f, ready)
}

// sumContent returns the type of a checksum database's file: tiles are bytes, as
// https://c2sp.org/tlog-tiles wants them, but for the go command's of records.
func sumContent(name string) []string {
	if _, tile, ok := strings.Cut(name, "/tile/"); ok && !strings.Contains(tile, "/data/") {
		return contentBytes
	}
	return contentText
}

// serve sends a file.
func serve(w http.ResponseWriter, r *http.Request, ev *Event, f *File, ready *headers) {
	defer f.Close()
	ev.Cache, ev.Origin, ev.Err = f.Cache, f.Origin, f.StaleBy
	head := w.Header()
	head["Content-Type"] = ready.contentType
	head["Cache-Control"] = ready.cacheControl
	if ready.etag != nil {
		head["Etag"] = ready.etag
	}
	if status := statusHeader[f.Cache]; status != nil {
		head["X-Cache-Status"] = status
	}
	if f.Body == nil && !conditional(r) {
		head["Content-Length"] = ready.contentLength
		if r.Method == http.MethodGet {
			_, err := w.Write(f.Data)
			noteClient(ev, err)
		}
		return
	}
	content, ok := f.Body.(io.ReadSeeker)
	if f.Body == nil {
		content = bytes.NewReader(f.Data)
	} else if !ok {
		serveStream(w, r, ev, f)
		return
	}
	serveContent(w, r, ev, f, content)
}

// serveContent sends a Body, or the part of it that is asked for.
func serveContent(w http.ResponseWriter, r *http.Request, ev *Event, f *File, content io.ReadSeeker) {
	head := w.Header()
	paced := &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w)}
	defer paced.done()
	follower, follows := f.Body.(*follower)
	if follows && r.Header["Range"] != nil && !follower.flight.settled() {
		// A part would be a whole answer of bytes that nobody has verified.
		whole := *r
		whole.Header = r.Header.Clone()
		whole.Header.Del("Range")
		r = &whole
	}
	if follows && r.Method == http.MethodGet && !conditional(r) {
		head["Content-Length"] = []string{strconv.FormatInt(f.Size, 10)}
		head["Accept-Ranges"] = []string{"bytes"}
		follower.WriteTo(paced) // its error is in one of the two
		content = follower
	} else {
		if _, file := content.(*os.File); !file && !follows { // a file goes by sendfile as it is
			content = &watchedSeeker{ReadSeeker: content}
		}
		http.ServeContent(paced, withoutManyRanges(r), "", time.Time{}, content)
	}
	if c, ok := content.(interface{ failure() error }); ok && c.failure() != nil {
		// Cut the connection, so that nobody takes the part for the whole.
		ev.Err = c.failure()
		panic(http.ErrAbortHandler)
	}
	noteClient(ev, paced.err)
}

// withoutManyRanges returns a request for the whole in place of one for several
// ranges: for those net/http reads the content in a goroutine that outlives the
// response. RFC 9110 (section 14.2) allows it, and no go command asks so.
func withoutManyRanges(r *http.Request) *http.Request {
	if !strings.Contains(r.Header.Get("Range"), ",") {
		return r
	}
	whole := *r
	whole.Header = r.Header.Clone()
	whole.Header.Del("Range")
	return &whole
}

// A watchedSeeker remembers why it could not be read.
type watchedSeeker struct {
	io.ReadSeeker
	err error
}

func (s *watchedSeeker) Read(p []byte) (int, error) {
	n, err := s.ReadSeeker.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (s *watchedSeeker) failure() error { return s.err }

// cmpErr returns the first error that is not nil.
func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// serveStream sends a Body that can only be read once.
func serveStream(w http.ResponseWriter, r *http.Request, ev *Event, f *File) {
	if f.Size >= 0 {
		w.Header()["Content-Length"] = []string{strconv.FormatInt(f.Size, 10)}
	}
	if r.Method == http.MethodHead {
		return
	}
	paced := &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w)}
	defer paced.done()
	if _, err := io.Copy(paced, f.Body); err != nil {
		ev.Err = err
		panic(http.ErrAbortHandler)
	}
}

// conditional reports whether a header asks for less than the whole content.
func conditional(r *http.Request) bool {
	h := r.Header
	return h["Range"] != nil || h["If-None-Match"] != nil || h["If-Match"] != nil ||
		h["If-Range"] != nil || h["If-Modified-Since"] != nil || h["If-Unmodified-Since"] != nil
}

// noteClient notes that the client went away; nobody else is told.
func noteClient(ev *Event, err error) {
	if err != nil && ev.Err == nil {
		ev.Err = &clientGone{err}
	}
}

// clientGone says that the response could not be sent whole.
type clientGone struct{ err error }

func (e *clientGone) Error() string { return "the client went away: " + e.err.Error() }
func (e *clientGone) Unwrap() error { return e.err }

// A pacedWriter gives each write as much time as a slow client may need, and
// no more: one that reads nothing must not hold a connection for ever.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	err     error
}

// A client may be silent for patience, and slower than slowest bytes/s for longer than that.
const (
	patience = 2 * time.Minute
	slowest  = 4 << 10
)

func (w *pacedWriter) allow(n int64) {
	w.control.SetWriteDeadline(time.Now().Add(patience + time.Duration(n/slowest)*time.Second))
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	w.allow(int64(len(p)))
	n, err := w.ResponseWriter.Write(p)
	w.err = cmpErr(w.err, err)
	return n, err
}

// ReadFrom lets the server send a file without reading it (sendfile).
func (w *pacedWriter) ReadFrom(r io.Reader) (int64, error) {
	l, ok := r.(*io.LimitedReader)
	if ok {
		_, ok = l.R.(*os.File)
	}
	if !ok { // what is still arriving takes its time: only sending it is limited
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	w.allow(l.N)
	n, err := io.Copy(w.ResponseWriter, r)
	w.err = cmpErr(w.err, err)
	return n, err
}

// done takes the deadline away: the next request on the connection has its own.
func (w *pacedWriter) done() { w.control.SetWriteDeadline(time.Time{}) }

// failWith responds to a request that ended with err.
func failWith(w http.ResponseWriter, r *http.Request, ev *Event, err error) {
	ev.Err = err
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // nobody listens
	}
	status, text := statusOf(err)
	if b, ok := errors.AsType[*Busy](err); ok {
		after := max(1, int64((b.After+time.Second-1)/time.Second))
		w.Header().Set("Retry-After", strconv.FormatInt(after, 10))
	}
	fail(w, ev, status, text)
}

// statusOf is the table from errors to statuses. What upstream meant stays: absent, refused, busy;
// everything else is a fault of ours or its, and never a 404, which would
// send the go command elsewhere.
func statusOf(err error) (status int, text string) {
	// First, as it may wrap any other: what the database said of its record is
	// not said of the file.
	if _, ok := errors.AsType[*Unverified](err); ok {
		return http.StatusServiceUnavailable, err.Error()
	}
	if denied, ok := errors.AsType[*Denied](err); ok {
		return http.StatusForbidden, denied.Reason + "\n(refused by " + denied.Rule + ")"
	}
	if busy, ok := errors.AsType[*Busy](err); ok {
		if busy.Who == "" {
			return http.StatusServiceUnavailable, busy.Error()
		}
		return http.StatusTooManyRequests, busy.Error()
	}
	if absent, ok := errors.AsType[*NotFound](err); ok && absent.Gone {
		return http.StatusGone, err.Error()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return http.StatusNotFound, err.Error()
	}
	if errors.Is(err, errClosed) {
		return http.StatusServiceUnavailable, err.Error()
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusGatewayTimeout, err.Error()
	}
	return http.StatusBadGateway, err.Error()
}

// errorText returns text as the go command shows it: one paragraph of at most 8
// lines and 648 bytes, and nothing that is not printed.
func errorText(text string) string {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\r", "\n")) {
		line = strings.Map(func(r rune) rune {
			switch {
			case r == '\t':
				return ' '
			case !unicode.IsPrint(r) || r == utf8.RuneError:
				return '?'
			}
			return r
		}, strings.TrimSpace(line))
		if line != "" && len(lines) < 8 {
			lines = append(lines, line)
		}
	}
	text = strings.Join(lines, "\n")
	if len(text) > 640 {
		text = strings.ToValidUTF8(text[:637], "") + "…"
	}
	return text
}

// fail sends an error's text.
func fail(w http.ResponseWriter, ev *Event, status int, text string) {
	text = errorText(text)
	head := w.Header()
	head["Content-Type"] = contentText
	head["Cache-Control"] = noStore
	head["X-Content-Type-Options"] = []string{"nosniff"}
	head["Content-Length"] = []string{strconv.Itoa(len(text) + 1)}
	w.WriteHeader(status)
	_, err := io.WriteString(w, text+"\n")
	noteClient(ev, err)
}
