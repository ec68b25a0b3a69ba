package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// newLogger returns the log that the configuration asks for.
func newLogger(cfg *Config, level slog.Level, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// A server is a proxy that listens.
type server struct {
	*proxy
	http     *http.Server
	listener net.Listener
	sumHTTP  *http.Server // serves our checksum database at the root of another address; nil: there is none
	sumURL   string       // of that
	url      string
	leaving  atomic.Bool // it takes no new work
	warmer   *warmer     // does what clients want to be fetched ahead
	fresh    *freshener  // is told what is new
	taker    *publisher  // takes what clients publish
	failed   chan error  // why it ended, if not by stop
}

// startServer listens and serves in the background.
func startServer(p *proxy, cfg *Config, address string, log *slog.Logger) (*server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; choose another with --listen, where port 0 takes a free one", address, err)
	}
	s := &server{proxy: p, listener: l, url: localURL(l.Addr()), warmer: newWarmer(p.cache, log), failed: make(chan error, 2)}
	secret := func(ctx context.Context) (string, error) {
		if cfg.HookSecret == "" {
			return "", nil
		}
		return p.origin.secrets.Get(ctx, cfg.HookSecret)
	}
	s.fresh = newFreshener(freshness{p.origin, p.cache}, p.cache, secret, "hook-secret", log)
	s.taker = newPublisher(p.shelf, publishTokens(cfg, p.origin), p.stores.stage, log)
	s.taker.again = func() { p.origin.secrets.Forget(cfg.PublishToken) }
	s.http = newHTTPServer(http.HandlerFunc(s.route), log)
	s.http.ConnState = s.connection
	if err := s.listenForSums(cfg, log); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s.serve(s.http, l)
	return s, nil
}

// newHTTPServer returns a server of h that no client can hold up.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      30 * time.Minute, // longer than any fetch; bodies have deadlines of their own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// serve serves in the background.
func (s *server) serve(h *http.Server, l net.Listener) {
	go func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
}

// uselessBody is how long a body is waited for that nobody reads.
const uselessBody = time.Second

// dropBody is called before and after a request with a body is served: package
// http reads the rest of it before the connection is free again. That is not to take
// long. Who wants the body sets deadlines of its own.
func dropBody(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uselessBody))
}

// publishTokens returns what reads the tokens that clients may publish with; nil if none is configured.
func publishTokens(cfg *Config, origin *origin) func(context.Context) ([]string, error) {
	if cfg.PublishToken == "" {
		return nil
	}
	return func(ctx context.Context) ([]string, error) {
		text, err := origin.secrets.Get(ctx, cfg.PublishToken)
		if err != nil {
			return nil, err
		}
		return tokensOf(text)
	}
}

// leastToken is how long a token must be, so that none is guessed.
const leastToken = 8

// tokensOf returns the tokens in a text, one a line; lines that begin with # are remarks.
func tokensOf(text string) ([]string, error) {
	var tokens []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if len(line) < leastToken || strings.ContainsAny(line, " \t") {
			return nil, fmt.Errorf("line %d of what %s names is no token: a token has at least %d characters and no blanks, and stands on a line of its own", number, publishTokenKey, leastToken)
		}
		tokens = append(tokens, line)
	}
	return tokens, nil
}

// connection is told what becomes of a client's connection.
func (s *server) connection(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.ahead.Connected(c.RemoteAddr().String())
	case http.StateClosed, http.StateHijacked:
		s.ahead.Gone(c.RemoteAddr().String())
	}
}

// localURL returns a URL of the listener that works on this machine.
func localURL(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "http://" + a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// route sends what concerns the server itself to its place, everything else to the proxy.
func (s *server) route(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if r.ContentLength != 0 {
		dropBody(w)
		defer dropBody(w)
	}
	if path != "/" && path != "/metrics" && !strings.HasPrefix(path, "/-/") {
		s.handler.ServeHTTP(w, r)
		return
	}
	switch {
	case path == warmPage:
		s.warmer.ServeHTTP(w, r)
		return
	case path == refreshPage:
		s.fresh.serveRefresh(w, r)
		return
	case path == hookPage:
		s.fresh.serveHook(w, r)
		return
	case strings.HasPrefix(path, publishPage):
		s.taker.ServeHTTP(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are allowed here", http.StatusMethodNotAllowed)
		return
	}
	switch path {
	case "/metrics":
		s.observer.Metrics().ServeHTTP(w, r)
	case "/":
		say(w, "This is godown, a Go module proxy. To use it:\n\n\tgo env -w GOPROXY=http://"+r.Host+"\n")
	case "/-/healthz":
		say(w, "ok\n")
	case "/-/readyz":
		if s.leaving.Load() {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
			return
		}
		say(w, "ok\n")
	case mirrorsPage:
		s.sayMirrors(w)
	case sumsPage:
		s.saySums(w, r)
	default:
		http.Error(w, "there is no such page; there are /-/healthz, /-/readyz, /-/mirrors, /-/sumdb, /-/warm, /-/refresh, /-/hook, /-/publish/ and /metrics", http.StatusNotFound)
	}
}

func say(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, text)
}

// mirrorsPage is where the server tells how its mirrors are.
const mirrorsPage = "/-/mirrors"

// sayMirrors answers with a JSON array of godown.MirrorStatus.
func (s *server) sayMirrors(w http.ResponseWriter) {
	sayJSON(w, s.mirrors())
}

// sayJSON answers with v.
func sayJSON(w http.ResponseWriter, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(data, '\n'))
}

// stop ends the server: requests and fetches under way may end until ctx does.
func (s *server) stop(ctx context.Context) error {
	s.leaving.Store(true)
	s.warmer.close() // its requests would last as long as the jobs
	s.fresh.close()
	err := s.http.Shutdown(ctx)
	if s.sumHTTP != nil {
		if sumErr := s.sumHTTP.Shutdown(ctx); err == nil {
			err = sumErr
		}
	}
	if err != nil {
		s.http.Close()
		if s.sumHTTP != nil {
			s.sumHTTP.Close()
		}
		err = fmt.Errorf("requests were still under way: %w", err)
	}
	if closeErr := s.proxy.Close(ctx); err == nil && closeErr != nil {
		err = fmt.Errorf("fetches were still under way: %w", closeErr)
	}
	return err
}
