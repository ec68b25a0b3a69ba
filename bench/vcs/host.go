package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown/bench/paced"
)

// openingTrips is how many round trips a new connection costs before the first
// request can go out: one for TCP, one for TLS 1.3. CONNECT costs none: nobody
// has a proxy before a real host.
const openingTrips = 2

// traffic is what a host has seen.
type traffic struct {
	Connections int
	Discover    int   // GET info/refs: the first request of each git command
	LsRefs      int   // POST with command=ls-refs
	Fetch       int   // POST with command=fetch, or what an older protocol has in its place
	Bytes       int64 // sent, of bodies
	PackBytes   int64 // of these, answers to Fetch
}

// A host serves the repositories in a folder over smart HTTP: as
// https://domain/, to whoever has it as HTTPS_PROXY and trusts its authority.
type host struct {
	url     string        // of the proxy
	rtt     time.Duration // each answer waits so long, a connection openingTrips times that
	backend cgi.Handler
	cert    tls.Certificate
	log     *os.File
	tunnel  *tunnel
	outer   *http.Server // of CONNECT
	inner   *http.Server // of git
	serving sync.WaitGroup

	mu       sync.Mutex // guards what follows
	seen     traffic
	underWay int
	busy     time.Time // when a request was last seen to begin or end
	record   bool      // packs
	answers  [][]byte  // to Fetch, while record is set
}

// startHost serves the repositories below root. The caller closes it.
func startHost(ctx context.Context, g git, root, address string, cert tls.Certificate, rtt time.Duration) (*host, error) {
	path, err := g.run(ctx, root, "--exec-path")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("git host: %w", err)
	}
	// What its processes say, for whoever looks for a mistake while it runs.
	out, err := os.Create(filepath.Join(g.home, "host.log"))
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	h := &host{url: "http://" + l.Addr().String(), rtt: rtt, cert: cert, log: out, tunnel: newTunnel(l.Addr())}
	h.backend = cgi.Handler{
		Path:   filepath.Join(path, "git-http-backend"),
		Env:    []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + g.home, "GIT_CONFIG_NOSYSTEM=1"},
		Stderr: out,
		Logger: log.New(out, "", 0),
	}
	silent := log.New(io.Discard, "", 0)
	h.outer = &http.Server{Handler: http.HandlerFunc(h.connect), ErrorLog: silent}
	h.inner = &http.Server{Handler: http.HandlerFunc(h.serve), ErrorLog: silent}
	h.serving.Go(func() {
		h.outer.Serve(&paced.Listener{Listener: l, Opening: openingTrips * rtt, Accepted: h.accepted})
	})
	h.serving.Go(func() { h.inner.Serve(h.tunnel) })
	return h, nil
}

func (h *host) close() {
	h.outer.Close()
	h.inner.Close()
	h.serving.Wait()
	h.log.Close()
}

func (h *host) accepted() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen.Connections++
}

// connect answers what a client asks of its proxy.
func (h *host) connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Host != domain+":443" {
		http.Error(w, "this proxy knows https://"+domain+"/ only", http.StatusForbidden)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		conn.Close()
		return
	}
	h.tunnel.give(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{h.cert}}))
}

// serve answers a git client after a round trip, and counts what it does.
func (h *host) serve(w http.ResponseWriter, r *http.Request) {
	const most = 64 << 20 // of a request: a hundred times what any needs here
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	kind := kindOf(r, body)
	h.mu.Lock()
	h.underWay++
	h.busy = time.Now()
	switch kind {
	case discover:
		h.seen.Discover++
	case lsRefs:
		h.seen.LsRefs++
	case fetch:
		h.seen.Fetch++
	}
	answer := &answer{ResponseWriter: w, keep: h.record && kind == fetch}
	h.mu.Unlock()
	if h.rtt > 0 {
		select {
		case <-time.After(h.rtt):
		case <-r.Context().Done():
		}
	}
	// With its length, as a CGI program cannot read chunks.
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	backend := h.backend
	if p := r.Header.Get("Git-Protocol"); p != "" {
		backend.Env = append(backend.Env[:len(backend.Env):len(backend.Env)], "GIT_PROTOCOL="+p)
	}
	backend.ServeHTTP(answer, r)

	h.mu.Lock()
	defer h.mu.Unlock()
	h.underWay--
	h.busy = time.Now()
	h.seen.Bytes += answer.sent
	if kind == fetch {
		h.seen.PackBytes += answer.sent
	}
	if answer.keep {
		h.answers = append(h.answers, answer.kept)
	}
}

// An answer counts, and if it is to, keeps what is sent.
type answer struct {
	http.ResponseWriter
	sent int64
	keep bool
	kept []byte
}

func (a *answer) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	a.sent += int64(n)
	if a.keep {
		a.kept = append(a.kept, p[:n]...)
	}
	return n, err
}

// Kinds of requests.
const (
	other = iota
	discover
	lsRefs
	fetch
)

// kindOf says what a request is for. body may be compressed.
func kindOf(r *http.Request, body []byte) int {
	if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/info/refs") {
		return discover
	}
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/git-upload-pack") {
		return other
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, _ = io.ReadAll(io.LimitReader(z, 1<<10)) // the command comes first
		}
	}
	if len(body) > 4 && bytes.HasPrefix(body[4:], []byte("command=ls-refs")) {
		return lsRefs
	}
	return fetch
}

// reset forgets what was seen, and begins to record or not.
func (h *host) reset(record bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen, h.record, h.answers = traffic{}, record, nil
}

// take returns what was seen since reset.
func (h *host) take() (traffic, [][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen, h.answers
}

// settle waits until nobody has asked for a while.
func (h *host) settle(ctx context.Context) error {
	return until(ctx, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.underWay == 0 && time.Since(h.busy) > stillness
	})
}
