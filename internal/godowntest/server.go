package godowntest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Server is the part that [Upstream] and [SumDB] share: an HTTP server on
// loopback that keeps a record of its requests, can be broken by [Fault]s, and
// can vanish and come back. All methods are safe for concurrent use.
type Server struct {
	URL string // http://127.0.0.1:PORT, without a slash at the end; the same for life

	handler http.Handler

	mu       sync.Mutex // guards what follows
	addr     string     // where it listens, also while it has vanished
	server   *http.Server
	done     chan struct{} // closed when server no longer accepts
	requests []Request
	breaks   []*breakage
}

// A Request is one that a [Server] has received.
type Request struct {
	Method string
	Name   string // the URL's path without its leading slash, percent-decoded
	Header http.Header
}

// A breakage is a fault that is switched on.
type breakage struct {
	match *regexp.Regexp
	fault Fault
	left  int // for how many requests more; negative: for all
}

// start makes s serve h on a free port of loopback.
func (s *Server) start(h http.Handler) error {
	s.handler, s.addr = h, "127.0.0.1:0"
	err := s.Return()
	s.URL = "http://" + s.addr
	return err
}

// Vanish closes the listener and all connections: new ones are refused.
// It does nothing if the server has vanished already.
func (s *Server) Vanish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return
	}
	s.server.Close()
	<-s.done
	s.server = nil
}

// Return undoes [Server.Vanish], on the same port. It fails if somebody else
// has taken the port meanwhile, and does nothing if the server is there.
func (s *Server) Return() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("fake server: %w", err)
	}
	server := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	s.addr = l.Addr().String()
	s.server, s.done = server, done
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	return nil
}

// Close ends the server. Those of NewUpstream and NewSumDB are closed with their test.
func (s *Server) Close() { s.Vanish() }

// Break switches a fault on for all requests whose [Request.Name] matches a
// regular expression, until the returned function is called. Of several faults
// that match, a later one wraps the earlier. It panics if match is malformed.
func (s *Server) Break(match string, f Fault) (heal func()) {
	return s.BreakTimes(-1, match, f)
}

// BreakTimes is like [Server.Break], but for the next n matching requests only.
func (s *Server) BreakTimes(n int, match string, f Fault) (heal func()) {
	b := &breakage{regexp.MustCompile(match), f, n}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks = append(s.breaks, b)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.breaks = slices.DeleteFunc(s.breaks, func(x *breakage) bool { return x == b })
	}
}

// Heal switches all faults off. Requests under way keep theirs.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks = nil
}

// Requests returns the names of all requests in the order of their arrival.
func (s *Server) Requests() []string {
	var names []string
	for _, r := range s.Log() {
		names = append(names, r.Name)
	}
	return names
}

// Log returns all requests in the order of their arrival. They are not to be changed.
func (s *Server) Log() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count returns how often a name was asked for, by whatever method and whether
// or not it was answered.
func (s *Server) Count(name string) int {
	n := 0
	for _, r := range s.Log() {
		if r.Name == name {
			n++
		}
	}
	return n
}

// Reset forgets the requests seen so far.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// ServeHTTP records the request and answers it, through the faults that match.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := s.handler
	for _, f := range s.record(r) {
		h = f(h)
	}
	h.ServeHTTP(w, r)
}

// record notes the request and returns the faults for it.
func (s *Server) record(r *http.Request) []Fault {
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.Method, name, r.Header.Clone()})
	var faults []Fault
	for _, b := range s.breaks {
		if b.left != 0 && b.match.MatchString(name) {
			b.left--
			faults = append(faults, b.fault)
		}
	}
	return faults
}

// serve answers with data as a good mirror does: with a length, an entity tag
// and byte ranges.
func serve(w http.ResponseWriter, r *http.Request, contentType, etag string, data []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// etagOf returns an entity tag that depends on the content alone.
func etagOf(data []byte) string { return fmt.Sprintf(`"%x"`, sha256.Sum256(data)) }

// owned fails the test on err, and else closes s when the test ends.
func owned(tb testing.TB, s *Server, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
}
