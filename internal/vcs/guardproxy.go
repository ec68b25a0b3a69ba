package vcs

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godown-dev/godown"
)

const (
	passUser   = "godown"
	passIdle   = 2 * time.Minute
	passBuffer = 128 << 10 // bytes, from the origin
)

var errGuardClosed = errors.New("the guard of the network is closed")

// A Pass is what one git command gets: an HTTP proxy on loopback, with a secret
// of its own, through which all its HTTP and HTTPS is to go. The environment
// must not lead git past it (NO_PROXY does, and http.URL.proxy in its configuration).
type Pass struct {
	guard     *Guard
	secret    string
	free      bool
	limit     int64 // bytes; 0: none
	transport *http.Transport
	proxy     *httputil.ReverseProxy
	received  atomic.Int64
	forget    func() bool   // ends the wait for the context's end
	forgotten chan struct{} // closed if that has come

	mu       sync.Mutex // guards what follows
	err      error
	final    bool // err is a refusal or the limit, and stays
	closed   bool
	holds    map[int]func() // each ends something under way
	nextHold int
	once     sync.Once
	handlers sync.WaitGroup
}

// Open returns a Pass that lives until it is closed or ctx ends. Origins may
// send it limit bytes in all; 0: any number.
func (g *Guard) Open(ctx context.Context, free bool, limit int64) (*Pass, error) {
	p := &Pass{guard: g, secret: rand.Text(), free: free, limit: limit, holds: make(map[int]func()), forgotten: make(chan struct{})}
	p.transport = g.Transport(free)
	p.transport.ResponseHeaderTimeout = 0 // origins may think for long; Idle is the limit
	dial := p.transport.DialContext
	p.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &passConn{Conn: conn, pass: p, host: addr}, nil
	}
	p.proxy = p.reverse()
	if err := g.admit(p); err != nil {
		return nil, err
	}
	p.forget = context.AfterFunc(ctx, func() {
		defer close(p.forgotten)
		p.end()
	})
	return p, nil
}

// admit makes p a living pass, and starts the server if it is the first.
func (g *Guard) admit(p *Pass) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errGuardClosed
	}
	if g.server == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("listening for git: %w", err)
		}
		g.addr = l.Addr().String()
		g.passes = make(map[[32]byte]*Pass)
		g.server = &http.Server{
			Handler:           http.HandlerFunc(g.serve),
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          log.New(io.Discard, "", 0),

			DisableGeneralOptionsHandler: true, // it asks for no secret
		}
		g.serving.Go(func() { _ = g.server.Serve(l) })
	}
	g.passes[passKey(passUser, p.secret)] = p
	return nil
}

// passKey is what passes are found by: how long it takes to find a hash, or
// not, says nothing of a secret.
func passKey(user, secret string) [32]byte { return sha256.Sum256([]byte(user + ":" + secret)) }

// Close ends all passes and all that goes through them, and waits for that.
// After it no Pass can be opened; what is no Pass still works.
func (g *Guard) Close() error {
	g.mu.Lock()
	g.closed = true
	passes := make([]*Pass, 0, len(g.passes))
	for _, p := range g.passes {
		passes = append(passes, p)
	}
	server := g.server
	g.mu.Unlock()
	if server == nil {
		return nil
	}
	err := server.Close()
	for _, p := range passes {
		p.Close()
	}
	g.serving.Wait()
	return err
}

// serve answers git.
func (g *Guard) serve(w http.ResponseWriter, r *http.Request) {
	p := g.find(r)
	switch {
	case p == nil:
		w.Header().Set("Proxy-Authenticate", `Basic realm="godown"`)
		http.Error(w, "this proxy is for git commands that godown runs", http.StatusProxyAuthRequired)
		return
	case !p.enter():
		http.Error(w, "this git command should have ended", http.StatusForbidden)
		return
	}
	defer p.handlers.Done()
	switch {
	case r.Method == http.MethodConnect && r.ContentLength == 0 && len(r.TransferEncoding) == 0:
		p.connect(w, r)
	case r.Method != http.MethodConnect && r.URL.Scheme == "http" && r.URL.Host != "":
		p.forward(w, r)
	default:
		http.Error(w, "this proxy knows CONNECT without a body, and requests for http URLs", http.StatusBadRequest)
	}
}

// find returns the living pass that r shows the secret of, or nil.
func (g *Guard) find(r *http.Request) *Pass {
	shown := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	user, secret, ok := shown.BasicAuth()
	if !ok || len(r.Header["Proxy-Authorization"]) != 1 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passes[passKey(user, secret)]
}

// URL returns the proxy's URL, for http.proxy; it holds the secret.
func (p *Pass) URL() string { return "http://" + passUser + ":" + p.secret + "@" + p.guard.addr }

// Received returns how many bytes origins have sent so far.
func (p *Pass) Received() int64 { return p.received.Load() }

// Err returns why something could not go through: the first refusal (a
// [*godown.Denied]) or that the limit was reached; else what failed first, be it
// a connection or an outbound proxy; nil if nothing did. It says more than git, which is told a
// status only.
func (p *Pass) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// fail notes err, unless the pass has ended, which makes everything fail.
func (p *Pass) fail(err error, final bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, denied := errors.AsType[*godown.Denied](err); denied {
		final = true
	}
	if !p.closed && !p.final && (p.err == nil || final) {
		p.err, p.final = err, final
	}
}

// enter counts a handler in, unless the pass has ended.
func (p *Pass) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.handlers.Add(1)
	}
	return !p.closed
}

// hold has end called when the pass ends, at once if it has ended, until release is called.
func (p *Pass) hold(end func()) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		end()
		return func() {}
	}
	p.nextHold++
	n := p.nextHold
	p.holds[n] = end
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.holds, n)
	}
}

// end ends what is under way; it does not wait.
func (p *Pass) end() {
	p.guard.mu.Lock()
	delete(p.guard.passes, passKey(passUser, p.secret))
	p.guard.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, end := range p.holds {
		end()
	}
	clear(p.holds)
}

// Close makes the secret worthless, ends what is under way, and waits for that.
// It may be called more than once.
func (p *Pass) Close() {
	p.once.Do(func() {
		p.end()
		p.handlers.Wait()
		if !p.forget() {
			<-p.forgotten
		}
		p.transport.CloseIdleConnections()
	})
}

// refuse answers with err, and notes it unless it is that git has gone.
func (p *Pass) refuse(w http.ResponseWriter, err error) {
	if !errors.Is(err, context.Canceled) {
		p.fail(err, false)
	}
	code := http.StatusBadGateway
	if _, denied := errors.AsType[*godown.Denied](err); denied {
		code = http.StatusForbidden
	}
	http.Error(w, err.Error(), code)
}

// forward answers a request for an http URL.
func (p *Pass) forward(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	cut := func(err error) {
		cancel(err)
		client := http.NewResponseController(w) // which git may have ceased to read, or to write
		_ = client.SetReadDeadline(time.Now())
		_ = client.SetWriteDeadline(time.Now())
	}
	defer p.hold(func() { cut(errGuardClosed) })()
	touch, stop := p.watch(r.URL.Host, cut)
	defer stop()
	r = r.WithContext(ctx)
	r.URL.User = nil
	r.Header.Del("Upgrade")
	r.Header.Del("Expect")
	r.Body = &passBody{ReadCloser: r.Body, touch: touch}
	p.proxy.ServeHTTP(&passWriter{ResponseWriter: w, touch: touch}, r)
}

// reverse returns what forwards requests: it follows no redirect, and lets no
// field through that concerns one connection only (RFC 9110, section 7.6.1).
func (p *Pass) reverse() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:     p.transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.RawQuery = r.In.URL.RawQuery },
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, err error) { p.refuse(w, err) },
		ModifyResponse: func(resp *http.Response) error {
			switch resp.StatusCode {
			case http.StatusSwitchingProtocols:
				return fmt.Errorf("%s switches to a protocol that it was not asked for", resp.Request.URL.Host)
			case http.StatusProxyAuthRequired:
				return fmt.Errorf("the outbound proxy wants other credentials for %s", resp.Request.URL.Host)
			}
			return nil
		},
	}
}

type passBody struct {
	io.ReadCloser
	touch func()
}

func (b *passBody) Read(buf []byte) (int, error) {
	n, err := b.ReadCloser.Read(buf)
	b.touch()
	return n, err
}

type passWriter struct {
	http.ResponseWriter
	touch func()
}

func (w *passWriter) Write(buf []byte) (int, error) {
	w.touch()
	n, err := w.ResponseWriter.Write(buf)
	w.touch()
	return n, err
}

func (w *passWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// connect answers CONNECT.
func (p *Pass) connect(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.URL.Host)
	if err != nil {
		http.Error(w, "CONNECT needs a host and a port", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer p.hold(cancel)()
	origin, err := p.dial(ctx, host, port)
	if err != nil {
		p.refuse(w, err)
		return
	}
	defer origin.Close()
	client, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		p.refuse(w, err)
		return
	}
	defer client.Close()
	if _, err := client.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err == nil {
		p.tunnel(client, buf.Reader, origin)
	}
}

// dial connects to an origin, through the outbound proxy if there is one.
func (p *Pass) dial(ctx context.Context, host, port string) (net.Conn, error) {
	addr := net.JoinHostPort(host, port)
	via, err := p.guard.way(&url.URL{Scheme: "https", Host: addr})
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	if via == nil {
		conn, err = p.guard.DialContext(p.free)(ctx, "tcp", addr)
	} else if err = p.guard.judge(ctx, host, port, p.free); err == nil {
		conn, err = p.guard.through(ctx, via, host, port)
	}
	if err != nil {
		return nil, err
	}
	return &passConn{Conn: conn, pass: p, host: addr}, nil
}

// A passConn is a connection to an origin: it counts what is read.
type passConn struct {
	net.Conn
	pass *Pass
	host string
}

func (c *passConn) Read(buf []byte) (int, error) {
	n, err := c.Conn.Read(buf)
	p := c.pass
	if over := p.received.Add(int64(n)) - p.limit; p.limit > 0 && over > 0 {
		over = min(over, int64(n))
		p.received.Add(-over)
		n -= int(over)
		err = fmt.Errorf("%s sent more than the limit of %d bytes", c.host, p.limit)
		p.fail(err, true)
	}
	return n, err
}

// CloseWrite tells the origin that nothing more will come.
func (c *passConn) CloseWrite() error { return passCloseWrite(c.Conn) }

// passCloseWrite closes one half of conn, or the whole where it has no halves.
func passCloseWrite(conn net.Conn) error {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return conn.Close()
}

// tunnel carries bytes between client, of which some may wait in early, and
// origin, until both have ended, one has failed, or the pass ends.
func (p *Pass) tunnel(client net.Conn, early io.Reader, origin net.Conn) {
	closeBoth := func() {
		client.Close()
		origin.Close()
	}
	defer p.hold(closeBoth)()
	host := ""
	if c, ok := origin.(*passConn); ok {
		host = c.host
	}
	touch, stop := p.watch(host, func(error) { closeBoth() })
	defer stop()
	pour := func(to net.Conn, from io.Reader, size int) {
		buf := make([]byte, size)
		for {
			n, err := from.Read(buf)
			touch()
			if n > 0 {
				_, werr := to.Write(buf[:n])
				touch()
				if werr != nil {
					closeBoth()
					return
				}
			}
			if err != nil {
				if err != io.EOF || passCloseWrite(to) != nil {
					closeBoth()
				}
				return
			}
		}
	}
	var up sync.WaitGroup
	up.Go(func() { pour(origin, early, passBuffer/4) })
	pour(client, origin, passBuffer)
	up.Wait()
}

// watch calls cut when touch was not called for Idle, until stop is called.
func (p *Pass) watch(host string, cut func(error)) (touch, stop func()) {
	idle := cmp.Or(p.guard.Idle, passIdle)
	start := time.Now()
	var moved atomic.Int64 // since start, monotonic
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		timer := time.NewTimer(idle)
		defer timer.Stop()
		for {
			select {
			case <-done:
				return
			case <-timer.C:
			}
			rest := idle - (time.Since(start) - time.Duration(moved.Load()))
			if rest <= 0 {
				err := fmt.Errorf("the connection to %s moved not a byte for %v, and was cut", host, idle)
				p.fail(err, false)
				cut(err)
				return
			}
			timer.Reset(rest)
		}
	})
	return func() { moved.Store(int64(time.Since(start))) }, func() {
		close(done)
		watcher.Wait()
	}
}
