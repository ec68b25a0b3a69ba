package godown

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Upstream is one module proxy as a Source: over http or https, or a file://
// URL of a folder in a proxy's layout. URL must be set; the rest has defaults.
// What it gives is not verified.
type Upstream struct {
	URL    *url.URL    // its user information becomes an Authorization header, and is shown nowhere
	Header http.Header // more header fields for its requests; not sent to hosts that it redirects to

	// Transport makes the connections; nil: NewTransport with its defaults.
	// Connecting, the TLS handshake and the wait for an answer's header are its to limit.
	Transport http.RoundTripper
	Stall     time.Duration // a body that gives no byte for so long is cut; default 20 s
	Retries   int           // how often a request is repeated when that may help; default 2, below 0: never
	Observe   func(Call)    // is told of each exchange; may be nil

	once   sync.Once
	client *http.Client
	bulk   *http.Client // for zips
	base   url.URL      // without user information
	auth   string
	masked *strings.Replacer // hides what only the upstream may know, should it say it
	secret int               // bytes of the longest that it hides
}

// Timeouts are the limits of a transport; those that are 0 have defaults.
type Timeouts struct {
	Connect   time.Duration // default 10 s
	TLS       time.Duration // default 10 s
	FirstByte time.Duration // from the request to the answer's header; default 30 s
}

// NewTransport returns a transport for upstreams: it keeps connections alive,
// uses HTTP/2 where offered, and asks proxy (see [http.Transport]) for the
// proxy of each request, http, https or socks5.
func NewTransport(t Timeouts, proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	setDefault(&t.Connect, 10*time.Second)
	setDefault(&t.TLS, 10*time.Second)
	setDefault(&t.FirstByte, 30*time.Second)
	dialer := &net.Dialer{Timeout: t.Connect, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 proxy,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   t.TLS,
		ResponseHeaderTimeout: t.FirstByte,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true, // bytes are kept as they are, and can be resumed
		ReadBufferSize:        64 << 10,

		MaxResponseHeaderBytes: 256 << 10,
	}
}

func (u *Upstream) init() {
	setDefault(&u.Stall, 20*time.Second)
	if u.Retries == 0 {
		u.Retries = 2
	}
	if u.Transport == nil {
		u.Transport = NewTransport(Timeouts{}, nil)
	}
	u.base = *u.URL
	if user := u.URL.User; user != nil {
		u.base.User = nil
		password, _ := user.Password()
		r := http.Request{Header: make(http.Header)}
		r.SetBasicAuth(user.Username(), password)
		u.auth = r.Header.Get("Authorization")
	}
	u.mask()
	u.client = &http.Client{Transport: u.Transport, CheckRedirect: u.checkRedirect}
	u.bulk = u.client
	if t, ok := u.Transport.(*http.Transport); ok && u.URL.Scheme == "https" {
		// With HTTP/2 all zips would share one connection, which over a long line is one slow pipe.
		t = t.Clone()
		t.ForceAttemptHTTP2, t.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
		if t.TLSClientConfig != nil {
			t.TLSClientConfig.NextProtos = nil
		}
		u.bulk = &http.Client{Transport: t, CheckRedirect: u.checkRedirect}
	}
}

func (u *Upstream) checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return redirectError("it redirects more than 10 times")
	}
	if s := r.URL.Scheme; s != "https" && s != "http" {
		return redirectError(fmt.Sprintf("it redirects to a URL with the scheme %.20q", s))
	}
	if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return redirectError("it redirects from https to http")
	}
	if r.URL.Host != u.base.Host || r.URL.Scheme != u.base.Scheme {
		for name := range u.Header {
			r.Header.Del(name)
		}
		r.Header.Del("Authorization") // which net/http would send to other ports, and to subdomains
	}
	return nil
}

// mask has the texts of refusals freed of what is secret: an upstream that shows
// its requests must not put it into our logs and pages.
func (u *Upstream) mask() {
	secrets := []string{u.auth}
	if u.URL.User != nil {
		password, _ := u.URL.User.Password()
		secrets = append(secrets, password)
	}
	for _, values := range u.Header {
		secrets = append(secrets, values...)
	}
	for _, s := range secrets {
		if _, token, ok := strings.Cut(s, " "); ok { // such as Bearer TOKEN
			secrets = append(secrets, token)
		}
	}
	// The longest first, as one may be a part of another; what is very short is no secret.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range secrets {
		if u.secret = max(u.secret, len(s)); len(s) >= 4 {
			pairs = append(pairs, s, "xxxxx")
		}
	}
	u.masked = strings.NewReplacer(pairs...)
}

// A redirectError is a redirect that is not followed.
type redirectError string

func (e redirectError) Error() string { return string(e) }

// Name returns the upstream's host and path, which is safe to show.
func (u *Upstream) Name() string {
	u.once.Do(u.init)
	if u.base.Scheme == "file" {
		return u.base.String()
	}
	return u.base.Host + strings.TrimSuffix(u.base.Path, "/")
}

// Fetch asks for the file.
func (u *Upstream) Fetch(ctx context.Context, req Request) (*File, error) {
	p, err := u.get(ctx, req.Name(), req.Kind.String(), 0, 0, "")
	if err != nil {
		return nil, err
	}
	return p.File, nil
}

// A Part is a stretch of a file, as an upstream gave it: Body gives Size bytes
// from Off on. Where the upstream takes no notice of ranges, that is the whole file.
type Part struct {
	*File
	Off   int64
	Total int64 // size of the whole file; -1 if not known
	Range bool  // the upstream has answered with a range
}

// Part asks for the n bytes of the file from off on, or for fewer where it
// ends before. With tag, an ETag that this upstream gave for the file, the
// whole is given where it has changed.
func (u *Upstream) Part(ctx context.Context, req Request, off, n int64, tag string) (*Part, error) {
	return u.get(ctx, req.Name(), req.Kind.String(), off, n, tag)
}

// Get returns the content of a small file below the upstream's root, such as
// "sumdb/sum.golang.org/latest": at most 1 MiB.
func (u *Upstream) Get(ctx context.Context, name string) ([]byte, error) {
	p, err := u.get(ctx, name, "sumdb", 0, 0, "")
	if err != nil {
		return nil, err
	}
	defer p.Close()
	data, err := readLimited(p.File, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("upstream %s: %s: %w", u.Name(), name, err)
	}
	return data, nil
}

// get asks for n bytes of a file from off on, or for all of it if n is 0.
func (u *Upstream) get(ctx context.Context, name, kind string, off, n int64, tag string) (*Part, error) {
	u.once.Do(u.init)
	if u.base.Scheme == "file" {
		f, err := u.open(name)
		if err != nil {
			return nil, err
		}
		return &Part{File: f, Total: f.Size}, nil
	}
	header := http.Header{}
	if n > 0 {
		setRange(header, off, off+n, tag)
	}
	call := &Call{Upstream: u.Name(), Kind: kind}
	start := time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	resp, err := u.ask(ctx, call, name, header)
	call.FirstByte = time.Since(start)
	if err == nil && resp.StatusCode == http.StatusPartialContent && header.Get("Range") == "" {
		resp.Body.Close()
		err = fmt.Errorf("upstream %s sends a part of %s, which nobody has asked for", u.Name(), name)
	}
	if err != nil {
		u.observe(ctx, call, start, err)
		cancel(nil)
		return nil, err
	}
	p := &Part{Total: resp.ContentLength}
	size := resp.ContentLength
	if resp.StatusCode == http.StatusPartialContent {
		p.Off, p.Range = off, true
		if size, p.Total, err = u.partOf(resp, off, n); err != nil {
			resp.Body.Close()
			err = fmt.Errorf("upstream %s: %s: %w", u.Name(), name, err)
			u.observe(ctx, call, start, err)
			cancel(nil)
			return nil, err
		}
	}
	b := &body{upstream: u, name: name, ctx: ctx, cancel: cancel, resp: resp, from: p.Off, size: size, total: p.Total, call: call, start: start}
	p.File = &File{Body: b, Size: size, ETag: resp.Header.Get("Etag"), Origin: u.Name()}
	return p, nil
}

// setRange asks for the bytes from off to end, or for all the rest if end is 0,
// as long as the file has the tag.
func setRange(h http.Header, off, end int64, tag string) {
	to := ""
	if end > 0 {
		to = strconv.FormatInt(end-1, 10)
	}
	h.Set("Range", "bytes="+strconv.FormatInt(off, 10)+"-"+to)
	if tag != "" && !strings.HasPrefix(tag, "W/") {
		h.Set("If-Range", tag)
	}
}

// partOf checks the answer to a request for n bytes from off on, and returns
// its size and that of the whole file.
func (u *Upstream) partOf(resp *http.Response, off, n int64) (size, total int64, err error) {
	said := resp.Header.Get("Content-Range")
	var first, last int64
	if _, err := fmt.Sscanf(said, "bytes %d-%d/%d", &first, &last, &total); err == nil && first == off &&
		total > off && last == min(off+n, total)-1 && (resp.ContentLength < 0 || resp.ContentLength == last-first+1) {
		return last - first + 1, total, nil
	}
	return 0, 0, fmt.Errorf("%w: for %d bytes from %d on it sends %.60q", ErrRange, n, off, u.masked.Replace(said))
}

// open opens a file of a file:// upstream.
func (u *Upstream) open(name string) (*File, error) {
	path := u.base.Path
	if len(path) > 2 && path[0] == '/' && path[2] == ':' { // file:///C:/…
		path = path[1:]
	}
	f, err := os.Open(filepath.Join(filepath.FromSlash(path), filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFound{Text: "not found: " + u.Name() + " has no " + name}
	}
	if err != nil {
		return nil, fmt.Errorf("upstream %s: %w", u.Name(), err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, &NotFound{Text: "not found: " + u.Name() + " has no file " + name}
	}
	return &File{Body: f, Size: info.Size(), Time: info.ModTime(), Origin: u.Name()}, nil
}

// ask sends a GET request, again and again while that may help, and returns an
// answer with status 200 or 206.
func (u *Upstream) ask(ctx context.Context, call *Call, name string, header http.Header) (*http.Response, error) {
	target := u.base
	target.Path = strings.TrimSuffix(u.base.Path, "/") + "/" + name
	if u.base.RawPath != "" {
		target.RawPath = strings.TrimSuffix(u.base.RawPath, "/") + "/" + (&url.URL{Path: name}).EscapedPath()
	}
	for try := 0; ; try++ {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
		if err != nil {
			return nil, fmt.Errorf("upstream %s: %w", u.Name(), err)
		}
		r.Header = header.Clone()
		maps.Copy(r.Header, u.Header)
		r.Header.Set("User-Agent", "godown (+https://github.com/godown-dev/godown)")
		if u.auth != "" {
			r.Header.Set("Authorization", u.auth)
		}
		client := u.client
		if call.Kind == Zip.String() {
			client = u.bulk
		}
		resp, err := client.Do(r)
		again := time.Duration(-1) // no
		if err != nil {
			err = u.explain(ctx, err)
			if retryable(err) {
				again = 0
			}
		} else if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
			resp.Body.Close()
			err = fmt.Errorf("upstream %s sends %s encoded as %.40q, which nobody has asked for", u.Name(), name, u.masked.Replace(encoding))
		} else if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent && header.Get("Range") != "" {
			return resp, nil
		} else {
			again, err = u.refusal(resp, name)
		}
		if again < 0 || try >= u.Retries || ctx.Err() != nil {
			return nil, err
		}
		call.Retries++
		if waitErr := pause(ctx, try, again); waitErr != nil {
			return nil, err
		}
	}
}

// maxRetryAfter is how long we wait because an upstream asks for it; a caller
// is told of a longer wait instead.
const maxRetryAfter = 5 * time.Second

// pause waits before the next try: at least least, and with jitter so that
// those who failed together do not come back together.
func pause(ctx context.Context, try int, least time.Duration) error {
	step := 100 * time.Millisecond << min(try, 6)
	timer := time.NewTimer(least + step/2 + rand.N(step))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refusal turns an answer without content into an error, and says after how
// long it may help to ask again; below 0: not at all.
func (u *Upstream) refusal(resp *http.Response, name string) (again time.Duration, err error) {
	defer resp.Body.Close()
	text, status := u.refusalText(resp), u.masked.Replace(resp.Status)
	after, said := retryAfter(resp.Header)
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		if text == "" {
			text = "not found: " + u.Name() + " has no " + name
		}
		return -1, &NotFound{Text: text, Gone: code == http.StatusGone}
	case code == http.StatusForbidden:
		if text == "" {
			text = "403 Forbidden for " + name
		}
		return -1, &Denied{Rule: "upstream " + u.Name(), Reason: text}
	case code == http.StatusTooManyRequests:
		if text == "" {
			text = "429 Too Many Requests"
		}
		if !said || after > maxRetryAfter {
			return -1, &Busy{Who: u.Name(), After: after, Text: text}
		}
		return after, &Busy{Who: u.Name(), After: after, Text: text}
	case code >= 500:
		err := &BadStatus{Who: u.Name(), Code: code, After: after, Text: fmt.Sprintf("upstream %s answered %s for %s", u.Name(), status, name)}
		if text != "" {
			err.Text += ": " + text
		}
		if after > maxRetryAfter {
			return -1, err
		}
		return after, err
	case code == http.StatusUnauthorized:
		return -1, &BadStatus{Who: u.Name(), Code: code, Text: fmt.Sprintf("upstream %s wants other credentials than it was given (%s); put them into its URL in --upstream", u.Name(), status)}
	}
	return -1, &BadStatus{Who: u.Name(), Code: resp.StatusCode, Text: fmt.Sprintf("upstream %s answered %s for %s, which means nothing in the module proxy protocol", u.Name(), status, name)}
}

// refusalText returns what an answer without content says, if that is plain
// text: its first lines, without our secrets. It reads on for a while, so that
// the connection can be used again.
func (u *Upstream) refusalText(resp *http.Response) string {
	timer := time.AfterFunc(min(u.Stall, refusalWait), func() { resp.Body.Close() })
	defer timer.Stop()
	data, _ := io.ReadAll(io.LimitReader(resp.Body, int64(maxRefusalText+u.secret)))
	io.CopyN(io.Discard, resp.Body, 64<<10)
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		return ""
	}
	text := u.masked.Replace(string(data)) // before it is cut, lest a part of a secret stay
	return strings.TrimSpace(strings.ToValidUTF8(text[:min(len(text), maxRefusalText)], "?"))
}

// maxRefusalText is how many bytes of the text of an answer without content are of interest.
const maxRefusalText = 1024

// refusalWait is how long the text of an answer is waited for whose status says all that counts.
const refusalWait = 500 * time.Millisecond

// retryAfter returns how long an upstream asks us to wait, at most longestWait.
func retryAfter(h http.Header) (d time.Duration, said bool) {
	v := h.Get("Retry-After")
	if t, err := http.ParseTime(v); err == nil {
		return min(max(0, time.Until(t)), longestWait), true
	}
	if v == "" || strings.Trim(v, "0123456789") != "" {
		return 0, false
	}
	seconds, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return longestWait, true // more than that
	}
	return min(time.Duration(seconds)*time.Second, longestWait), true
}

// longestWait is the longest wait that an upstream's word is taken for.
const longestWait = 10 * time.Minute

// explain names the upstream in a failed exchange's error. It leaves out the
// URL that net/http puts there, and texts that may hold another: a Location
// may be signed.
func (u *Upstream) explain(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	// What our own Transport says is meant for people.
	if denied, ok := errors.AsType[*Denied](err); ok {
		return denied
	}
	if status, ok := errors.AsType[*BadStatus](err); ok {
		return status
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
		return fmt.Errorf("upstream %s: %w", u.Name(), err)
	}
	if _, ok := errors.AsType[redirectError](err); !ok && !plainFailure(err) {
		err = errors.New("its answer is not HTTP, has a header that is too long, or redirects to what is no URL")
	}
	return fmt.Errorf("upstream %s: %w", u.Name(), err)
}

// plainFailure reports whether err is of the connection: its text holds nothing that the upstream sent.
func plainFailure(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrStalled)
}

// retryable reports whether an exchange failed in a way that may have passed
// already: refused, reset, closed. What timed out has cost enough; a name that
// is not known or a certificate that is not good will not get better.
func retryable(err error) bool {
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return false
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsTemporary
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (u *Upstream) observe(ctx context.Context, call *Call, start time.Time, err error) {
	if u.Observe == nil {
		return
	}
	call.Duration = time.Since(start)
	call.Result = "ok"
	if err != nil {
		call.Result = "failed"
		if errors.Is(err, fs.ErrNotExist) {
			call.Result = "absent"
		} else if _, ok := errors.AsType[*Denied](err); ok {
			call.Result = "denied"
		} else if _, ok := errors.AsType[*Busy](err); ok {
			call.Result = "busy"
		} else if errors.Is(ctx.Err(), context.Canceled) {
			call.Result = "canceled"
		}
	}
	u.Observe(*call)
}
