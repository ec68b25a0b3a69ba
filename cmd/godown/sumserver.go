package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/obs"
	"github.com/godown-dev/godown/internal/sumlog"
)

// listenForSums listens where our checksum database is served at the root, if that is wanted.
func (s *server) listenForSums(cfg *Config, log *slog.Logger) error {
	if cfg.SumDBListen == "" {
		return nil
	}
	if cfg.SumDBOwn == ownOff {
		log.Warn("there is no checksum database of our own, and so no listener for it", "origin", cfg.Origin("sumdb-own"))
		return nil
	}
	if s.own == nil {
		return &misconfigured{fmt.Errorf("sumdb-listen (%s) is set, but there is no checksum database of our own; 'godown sumdb init' makes one", cfg.Origin("sumdb-listen"))}
	}
	l, err := net.Listen("tcp", cfg.SumDBListen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; choose another with --sumdb-listen", cfg.SumDBListen, err)
	}
	s.sumURL = localURL(l.Addr())
	s.sumHTTP = newHTTPServer(http.HandlerFunc(s.routeSums), log)
	s.serve(s.sumHTTP, l)
	return nil
}

// routeSums serves our checksum database at the root.
func (s *server) routeSums(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		dropBody(w)
		defer dropBody(w)
	}
	if page := r.URL.Path; (page == "/" || page == "/-/healthz") && r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are allowed here", http.StatusMethodNotAllowed)
		return
	}
	switch r.URL.Path {
	case "/":
		say(w, "This is the checksum database "+s.own.name+", kept by godown. To use it:\n\n\tgo env -w GOSUMDB=\""+s.own.newestKey()+" URL\"\n\nwhere URL is the one of this page.\n")
		return
	case "/-/healthz":
		say(w, "ok\n")
		return
	}
	below := *r
	below.URL = &url.URL{Path: "/sumdb/" + s.own.name + r.URL.Path}
	s.handler.ServeHTTP(w, &below)
}

// clientLine returns what clients of our checksum database set; empty if there is none.
func (s *server) clientLine() string {
	if s.own == nil {
		return ""
	}
	line := fmt.Sprintf("With its checksum database, for all modules, also private ones: GOPROXY=%s GOSUMDB=%s", s.url, s.own.newestKey())
	if s.sumURL != "" {
		line += fmt.Sprintf("\n  or, whatever GOPROXY is: GOSUMDB=%q", s.own.newestKey()+" "+s.sumURL)
	}
	return line
}

// sumsPage is where the server tells of checksum databases.
const sumsPage = "/-/sumdb"

// A sumsStatus is what that page holds.
type sumsStatus struct {
	Own      *ownStatus         `json:"own,omitempty"`      // the database of our own, if there is one
	Upstream *godown.SumsStatus `json:"upstream,omitempty"` // the one that public modules are proven by, if there is one
	Alarms   []obs.Alarmed      `json:"alarms"`             // the last alarms of files and databases, newest first
}

type ownStatus struct {
	sumlog.Status
	Keys []string `json:"keys"`          // the public keys that sign, for GOSUMDB
	URL  string   `json:"url,omitempty"` // of the listener that serves it at its root, on this machine
}

// lastAppends is how many records that page shows.
const lastAppends = 20

// saySums answers with JSON.
func (s *server) saySums(w http.ResponseWriter, r *http.Request) {
	status := sumsStatus{Alarms: s.observer.Alarms()}
	if s.own != nil {
		own, err := s.own.log.Status(r.Context(), lastAppends)
		if err != nil && own.Trouble == "" { // what is known is told all the same
			own.Trouble = err.Error()
		}
		status.Own = &ownStatus{own, s.own.keys, s.sumURL}
	}
	if s.sums != nil {
		upstream := s.sums.Status()
		status.Upstream = &upstream
	}
	sayJSON(w, status)
}
