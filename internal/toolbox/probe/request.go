package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"
)

// An Ask is a request that is to be made.
type Ask struct {
	URL   *url.URL // its user information is sent, and shown nowhere
	From  int64    // with Size: the range of bytes that is wanted
	Size  int64    // 0: all
	Limit int64    // bytes after which the answer is read no further; 0: 1 MiB
	Keep  bool     // Body is wanted
}

// An Exchange is a request with its answer.
type Exchange struct {
	Via       string   // the outbound proxy's scheme, host and port; "" if it went straight
	Remote    string   // the address that it went to, with its port; the proxy's where there is one
	Reused    bool     // by a connection that there was already
	Redirects []string // the hosts to which it was redirected, in their order
	Chain     []Certificate

	Status       int    // 0: there was no answer
	Proto        string // such as "HTTP/2.0"
	ContentType  string
	ContentRange string
	Size         int64  // that the answer declares; -1: it does not
	Bytes        int64  // of the answer that were read
	Cut          bool   // it was longer than the limit
	Body         []byte // if it was to be kept
	Text         string // of a refusal in plain text: what it says, in one line
	HTML         bool   // the answer is a page for people

	DNS       time.Duration // 0: no name was resolved
	Connect   time.Duration // 0: no connection was made
	TLS       time.Duration // 0: no handshake was made
	FirstByte time.Duration // from the sent request to the answer's first byte; of the last one, if it was redirected
	Header    time.Duration // from the start to the answer's header, all before included
	Total     time.Duration // from the start to the end of the answer

	Failure *Failure // nil: a whole answer with status 200 or 206
}

// OK reports whether there is a whole answer with status 200 or 206.
func (e *Exchange) OK() bool { return e.Failure == nil }

// Get makes one request with a connection of its own.
func (p *Prober) Get(ctx context.Context, ask Ask) Exchange {
	c := p.Client(false)
	defer c.Close()
	return c.Get(ctx, ask)
}

// A Client makes requests that share connections, as those of one go command do.
type Client struct {
	prober    Prober
	transport *http.Transport
}

// Client returns one. With apart each request that is under way has a connection of
// its own, by HTTP/1.1; else they share one by HTTP/2, where that is offered.
func (p *Prober) Client(apart bool) *Client {
	c := &Client{prober: *p}
	c.prober.Timeouts = p.Timeouts.withDefaults()
	dialer := &net.Dialer{Timeout: c.prober.Timeouts.Connect, Resolver: p.Resolver}
	c.transport = &http.Transport{
		Proxy:                 p.Proxy,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       p.tlsConfig(),
		TLSHandshakeTimeout:   c.prober.Timeouts.TLS,
		ResponseHeaderTimeout: c.prober.Timeouts.FirstByte,
		ForceAttemptHTTP2:     !apart,
		MaxIdleConnsPerHost:   16,
		DisableCompression:    true,

		MaxResponseHeaderBytes: 256 << 10,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode != http.StatusOK {
				return &refusedByProxy{resp.StatusCode}
			}
			return nil
		},
	}
	if apart {
		c.transport.Protocols = new(http.Protocols)
		c.transport.Protocols.SetHTTP1(true)
	}
	return c
}

// Close closes the connections that are at rest.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// refusedByProxy says that an outbound proxy did not let a connection through.
type refusedByProxy struct{ status int }

func (e *refusedByProxy) Error() string { return fmt.Sprintf("it answers CONNECT with %d", e.status) }

// badRedirect is a redirect that is not followed.
type badRedirect string

func (e badRedirect) Error() string { return string(e) }

// Get makes one request. It follows redirects as the go command does: never from https to http.
func (c *Client) Get(ctx context.Context, ask Ask) (e Exchange) {
	start := time.Now()
	e.Size = -1
	target := *ask.URL
	target.User = nil
	req, err := http.NewRequest(http.MethodGet, target.String(), nil)
	if err != nil {
		e.Failure = &Failure{Kind: NotHTTP, Phase: PhaseFirstByte}
		return e
	}
	var via *url.URL
	if via, err = c.prober.Via(&target); err != nil {
		e.Failure = &Failure{Kind: ProxyFailed, Phase: PhaseConnect, Detail: "the setting of the outbound proxy is no URL"}
		return e
	} else if via != nil {
		e.Via = via.Scheme + "://" + via.Host
	}
	c.dress(req, ask)
	step, cancel := context.WithTimeout(ctx, c.prober.Timeouts.Total)
	defer cancel()
	t := &trace{phase: PhaseConnect}
	client := &http.Client{Transport: c.transport, CheckRedirect: c.follow(&target, &e)}
	resp, err := client.Do(req.WithContext(httptrace.WithClientTrace(step, t.hooks())))
	e.Header = time.Since(start)
	t.into(&e)
	if err != nil {
		e.Total = e.Header
		e.Failure = classify(ctx, t.now(), err)
		if refusal, ok := errors.AsType[*refusedByProxy](err); ok {
			e.Failure.Status = refusal.status
		}
		if v, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			e.Chain = certificates(v.UnverifiedCertificates)
		}
		return e
	}
	defer resp.Body.Close()
	e.take(resp)
	e.read(ctx, resp, ask)
	e.Total = time.Since(start)
	return e
}

// dress gives a request its header.
func (c *Client) dress(req *http.Request, ask Ask) {
	maps.Copy(req.Header, c.prober.Header)
	req.Header.Set("User-Agent", "godown (+https://github.com/godown-dev/godown)")
	if user := ask.URL.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	if ask.Size > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", ask.From, ask.From+ask.Size-1))
	}
}

// follow returns what decides on redirects from target.
func (c *Client) follow(target *url.URL, e *Exchange) func(*http.Request, []*http.Request) error {
	return func(r *http.Request, via []*http.Request) error {
		e.Redirects = append(e.Redirects, clean(r.URL.Host))
		last := via[len(via)-1].URL
		switch {
		case len(via) >= 10:
			return badRedirect("more than 10 times")
		case r.URL.Scheme != "https" && r.URL.Scheme != "http":
			return badRedirect("to what is neither https nor http")
		case last.Scheme == "https" && r.URL.Scheme == "http":
			return badRedirect("from https to http")
		}
		if r.URL.Host != target.Host || r.URL.Scheme != target.Scheme {
			for name := range c.prober.Header {
				r.Header.Del(name)
			}
			r.Header.Del("Authorization")
		}
		return nil
	}
}

// take notes what an answer's header says.
func (e *Exchange) take(resp *http.Response) {
	e.Status, e.Proto, e.Size = resp.StatusCode, resp.Proto, resp.ContentLength
	e.ContentType, e.ContentRange = clean(resp.Header.Get("Content-Type")), clean(resp.Header.Get("Content-Range"))
	if resp.TLS != nil {
		e.Chain = certificates(resp.TLS.PeerCertificates)
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	e.HTML = strings.EqualFold(strings.TrimSpace(kind), "text/html")
}

// read reads the answer's content, as far as it is wanted.
func (e *Exchange) read(ctx context.Context, resp *http.Response, ask Ask) {
	ok := resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent
	limit := ask.Limit
	if limit <= 0 {
		limit = 1 << 20
	}
	if !ok {
		limit = min(limit, 8<<10)
	}
	var start bytes.Buffer // what shows whether it is a page
	var kept bytes.Buffer
	into := io.MultiWriter(&first{&start, 512}, io.Discard)
	if ask.Keep || !ok {
		into = io.MultiWriter(&first{&start, 512}, &kept)
	}
	n, err := io.Copy(into, io.LimitReader(resp.Body, limit))
	e.Bytes = n
	if err == nil && n == limit {
		more, _ := resp.Body.Read(make([]byte, 1))
		e.Cut = more > 0
	}
	if page := bytes.TrimLeft(start.Bytes(), " \t\r\n\ufeff"); len(page) > 0 && page[0] == '<' {
		e.HTML = true
	}
	switch {
	case !ok:
		e.Failure = &Failure{Kind: HTTPStatus, Phase: PhaseFirstByte, Status: resp.StatusCode}
		if strings.HasPrefix(e.ContentType, "text/plain") && !e.HTML {
			e.Text = clean(hide(kept.String(), ask.URL))
			e.Failure.Detail = e.Text
		}
	case err != nil:
		e.Failure = classify(ctx, PhaseBody, err)
	}
	if ask.Keep {
		e.Body = kept.Bytes()
	}
}

// hide removes a URL's password from a text: there are servers that show their requests.
func hide(text string, u *url.URL) string {
	if u.User == nil {
		return text
	}
	r := http.Request{Header: make(http.Header)}
	password, _ := u.User.Password()
	r.SetBasicAuth(u.User.Username(), password)
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	for _, secret := range []string{token, password, u.User.Username()} {
		if len(secret) >= 4 {
			text = strings.ReplaceAll(text, secret, "xxxxx")
		}
	}
	return text
}

// first keeps the first n bytes that are written.
type first struct {
	b *bytes.Buffer
	n int
}

func (f *first) Write(p []byte) (int, error) {
	if left := f.n - f.b.Len(); left > 0 {
		f.b.Write(p[:min(left, len(p))])
	}
	return len(p), nil
}

// A trace notes when what of a request happened. Its hooks are called by goroutines of
// package http, of which some end after the request.
type trace struct {
	mu    sync.Mutex // guards what follows
	phase Phase
	shown Exchange // of which only what hooks know is set

	dns, tls, sent time.Time
	connecting     map[string]time.Time // when, by address
}

// now returns the phase that it is in.
func (t *trace) now() Phase {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phase
}

// into copies what the hooks know.
func (t *trace) into(e *Exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Remote, e.Reused = t.shown.Remote, t.shown.Reused
	e.DNS, e.Connect, e.TLS, e.FirstByte = t.shown.DNS, t.shown.Connect, t.shown.TLS, t.shown.FirstByte
}

func (t *trace) hooks() *httptrace.ClientTrace {
	at := func(phase Phase, note func(now time.Time)) {
		now := time.Now()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.phase = phase
		note(now)
	}
	return &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { at(PhaseDNS, func(now time.Time) { t.dns = now }) },
		DNSDone: func(httptrace.DNSDoneInfo) {
			at(PhaseConnect, func(now time.Time) { t.shown.DNS += now.Sub(t.dns) })
		},
		ConnectStart: func(_, addr string) {
			at(PhaseConnect, func(now time.Time) {
				if t.connecting == nil {
					t.connecting = make(map[string]time.Time)
				}
				t.connecting[addr] = now
			})
		},
		ConnectDone: func(_, addr string, err error) {
			if err != nil {
				return // perhaps another address answers
			}
			at(PhaseConnect, func(now time.Time) { t.shown.Connect += now.Sub(t.connecting[addr]) })
		},
		TLSHandshakeStart: func() { at(PhaseTLS, func(now time.Time) { t.tls = now }) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				at(PhaseTLS, func(now time.Time) { t.shown.TLS += now.Sub(t.tls) })
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			at(PhaseFirstByte, func(now time.Time) {
				t.sent = now
				t.shown.Remote, t.shown.Reused = info.Conn.RemoteAddr().String(), info.Reused
			})
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { at(PhaseFirstByte, func(now time.Time) { t.sent = now }) },
		GotFirstResponseByte: func() {
			at(PhaseFirstByte, func(now time.Time) { t.shown.FirstByte = now.Sub(t.sent) })
		},
	}
}
