package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown/bench/paced"
	"github.com/godown-dev/godown/internal/godowntest"
)

// conditions are what is between a mirror and its clients, and wrong with it.
type conditions struct {
	latency time.Duration    // before each answer, and once more for a new connection
	rate    int              // bytes/s of each connection; 0: no limit
	single  bool             // all connections share that rate: a second one gains nothing
	fault   godowntest.Fault // nil: none
}

// A mirror serves an origin under conditions. Unlike a [godowntest.Server] it
// knows its connections, and has entity tags of its own, as mirrors do.
type mirror struct {
	conditions
	URL     string // the same for life
	handler http.Handler
	tag     string      // with which its entity tags begin
	shared  *paced.Link // of all connections; nil: each has its own

	mu       sync.Mutex // guards what follows
	addr     string     // where it listens, also while it has vanished
	server   *http.Server
	done     chan struct{} // closed when server no longer accepts
	asked    map[string]int
	sent     map[string]int64 // bytes of bodies, by the name of what was asked for
	underWay int
	most     int    // requests under way at once, at most
	longest  waited // of all requests that have ended
}

// A waited is a request and how long it took.
type waited struct {
	Name    string
	Seconds float64
}

// startMirror starts mirror number n of an origin. The caller closes it.
func startMirror(n int, o http.Handler, c conditions) (*mirror, error) {
	m := &mirror{conditions: c, addr: "127.0.0.1:0", tag: fmt.Sprintf("%d-", n), asked: make(map[string]int), sent: make(map[string]int64)}
	if c.rate > 0 && c.single {
		m.shared = paced.New(c.rate)
	}
	m.handler = o
	if c.fault != nil {
		m.handler = c.fault(o)
	}
	m.handler = godowntest.Latency(c.latency)(m.handler)
	err := m.appear()
	m.URL = "http://" + m.addr
	return m, err
}

// startMirrors starts a mirror for each of the conditions.
func startMirrors(o http.Handler, all ...conditions) (list mirrors, err error) {
	for i, c := range all {
		m, err := startMirror(i+1, o, c)
		if err != nil {
			list.close()
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

type mirrors []*mirror

func (l mirrors) close() {
	for _, m := range l {
		m.vanish()
	}
}

// proxies returns a GOPROXY list in which each mirror is asked when the one before has failed.
func (l mirrors) proxies() string {
	var urls []string
	for _, m := range l {
		urls = append(urls, m.URL)
	}
	return strings.Join(urls, "|")
}

// appear undoes vanish, on the same port.
func (m *mirror) appear() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.server != nil {
		return nil
	}
	l, err := net.Listen("tcp", m.addr)
	if err != nil {
		return fmt.Errorf("mirror: %w", err)
	}
	m.addr = l.Addr().String()
	server, done := &http.Server{Handler: m, ErrorLog: log.New(io.Discard, "", 0)}, make(chan struct{})
	m.server, m.done = server, done
	go func() {
		defer close(done)
		server.Serve(&paced.Listener{Listener: l, Opening: m.latency, Rate: m.rate, Shared: m.shared})
	}()
	return nil
}

// vanish cuts all connections, and new ones are refused.
func (m *mirror) vanish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.server != nil {
		m.server.Close()
		<-m.done
		m.server = nil
	}
}

const (
	flapFirst = 500 * time.Millisecond // so that even a fast run meets it
	flapEvery = 2 * time.Second
)

// flap makes the mirror go and come back in turns, until ctx ends.
func (m *mirror) flap(ctx context.Context) error {
	for d, there := flapFirst, true; pause(ctx, d) == nil; d = flapEvery {
		if there {
			m.vanish()
		} else if err := m.appear(); err != nil {
			return err
		}
		there = !there
	}
	return nil
}

// ServeHTTP answers, and counts what it does.
func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	m.mu.Lock()
	m.asked[name]++
	m.underWay++
	m.most = max(m.most, m.underWay)
	m.mu.Unlock()
	answer, start := &answer{ResponseWriter: w, tag: m.tag}, time.Now()
	defer func() { // most faults end in a panic
		m.mu.Lock()
		defer m.mu.Unlock()
		m.underWay--
		m.sent[name] += answer.n
		if s := time.Since(start).Seconds(); s > m.longest.Seconds {
			m.longest = waited{name, s}
		}
	}()
	for _, key := range []string{"If-Range", "If-None-Match"} {
		if v := r.Header.Get(key); v != "" {
			r.Header.Set(key, strings.ReplaceAll(v, `"`+m.tag, `"`))
		}
	}
	m.handler.ServeHTTP(answer, r)
}

// requests returns how often files whose names have the suffix were asked for.
func (m *mirror) requests(suffix string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, k := range m.asked {
		if strings.HasSuffix(name, suffix) {
			n += k
		}
	}
	return n
}

// bytes returns how many bytes were sent of a file.
func (m *mirror) bytes(name string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent[name]
}

// peak returns how many requests were under way at once, at most.
func (m *mirror) peak() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.most
}

// An answer counts the body's bytes and makes the entity tag the mirror's own.
type answer struct {
	http.ResponseWriter
	tag  string
	n    int64
	done bool // the header is written
}

// WriteHeader writes the header.
func (a *answer) WriteHeader(code int) {
	if !a.done {
		a.done = true
		if v := a.Header().Get("ETag"); v != "" {
			a.Header().Set("ETag", strings.Replace(v, `"`, `"`+a.tag, 1))
		}
	}
	a.ResponseWriter.WriteHeader(code)
}

// Write writes a piece of the body.
func (a *answer) Write(p []byte) (int, error) {
	if !a.done {
		a.WriteHeader(http.StatusOK)
	}
	n, err := a.ResponseWriter.Write(p)
	a.n += int64(n)
	return n, err
}

// Unwrap lets faults flush and take over the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// slowest returns the request that took longest, of those that have ended.
func (m *mirror) slowest() waited {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.longest
}

// pause waits for d.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
