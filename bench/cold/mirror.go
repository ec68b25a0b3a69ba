package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/bench/paced"
)

// conditions are what is between a mirror and its clients.
type conditions struct {
	latency time.Duration // of a round trip: each answer waits for one, a new connection for openingTrips more
	rate    int           // bytes/s of each connection; 0: no limit
}

// allows returns the least time in which the line can carry what was sent with
// the connections that were used: the bytes evenly over all of them, after the
// round trips until the first answer. It is 0 if nothing limits the line.
func (c conditions) allows(t traffic) time.Duration {
	if c.rate == 0 || t.AtOnce == 0 {
		return 0
	}
	carried := float64(t.Bytes) / float64(t.AtOnce) / float64(c.rate)
	return time.Duration(carried*float64(time.Second)) + (openingTrips+1)*c.latency
}

// traffic is what a mirror has seen.
type traffic struct {
	Requests    int
	SumDB       int   // of these for the checksum database
	Connections int   // opened
	AtOnce      int   // requests under way at once, at most: each had a connection of its own
	Bytes       int64 // of bodies
}

// A mirror serves a corpus and its checksum database under conditions.
type mirror struct {
	conditions
	url    string
	corpus *corpus
	db     *sumDB
	server *http.Server
	done   chan struct{} // closed when server no longer accepts

	mu       sync.Mutex // guards what follows
	seen     traffic
	underWay int
	busy     time.Time               // when a request was last seen to begin or end
	absent   map[godown.Request]bool // zips of known versions that were asked for, but the corpus lacks
}

// openingTrips is how many round trips a new connection costs before the first
// request can go out: one for TCP, one for TLS 1.3.
const openingTrips = 2

// startMirror starts a mirror. The caller closes it.
func startMirror(c *corpus, db *sumDB, cond conditions) (*mirror, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	m := &mirror{conditions: cond, url: "http://" + l.Addr().String(), corpus: c, db: db,
		done: make(chan struct{}), absent: make(map[godown.Request]bool)}
	m.server = &http.Server{Handler: m, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		defer close(m.done)
		m.server.Serve(&paced.Listener{Listener: l, Opening: openingTrips * m.latency, Rate: m.rate, Accepted: m.accepted})
	}()
	return m, nil
}

func (m *mirror) close() {
	m.server.Close()
	<-m.done
}

// traffic returns what the mirror has seen so far.
func (m *mirror) traffic() traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen
}

// lacking returns the zips that were asked for in vain.
func (m *mirror) lacking() (list []godown.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for req := range m.absent {
		list = append(list, req)
	}
	return list
}

func (m *mirror) accepted() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.Connections++
}

// ServeHTTP answers after a round trip, and counts what it does.
func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	database, isDatabase := strings.CutPrefix(r.URL.Path, "/sumdb/")
	m.mu.Lock()
	m.seen.Requests++
	if isDatabase {
		m.seen.SumDB++
	}
	m.underWay++
	m.busy = time.Now()
	m.seen.AtOnce = max(m.seen.AtOnce, m.underWay)
	m.mu.Unlock()
	counted := &answer{w, m}
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.underWay--
		m.busy = time.Now()
	}()
	if m.latency > 0 {
		timer := time.NewTimer(m.latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	if isDatabase {
		m.serveSumDB(counted, r, database)
		return
	}
	m.serveModule(counted, r)
}

// serveSumDB answers a request for rest, which is NAME/FILE.
func (m *mirror) serveSumDB(w http.ResponseWriter, r *http.Request, rest string) {
	file, ok := strings.CutPrefix(rest, dbName+"/")
	switch {
	case !ok:
		http.Error(w, "not found: no such checksum database", http.StatusNotFound)
	case file == "supported": // 200
	default:
		http.StripPrefix("/sumdb/"+dbName, m.db.server()).ServeHTTP(w, r)
	}
}

// serveModule answers as a good mirror does: with a length, an entity tag and byte ranges.
func (m *mirror) serveModule(w http.ResponseWriter, r *http.Request) {
	req, err := godown.ParseRequest(r.URL.Path)
	if err == nil {
		err = m.send(w, r, req)
	}
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, godown.ErrRequest):
		if req.Kind == godown.Zip && m.corpus.knows(req.Path, req.Version) {
			m.mu.Lock()
			m.absent[req] = true
			m.mu.Unlock()
		}
		http.Error(w, "not found: "+r.URL.Path, http.StatusNotFound)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// send sends a file of the corpus. With an error it has sent nothing.
func (m *mirror) send(w http.ResponseWriter, r *http.Request, req godown.Request) error {
	var content io.ReadSeeker
	var tag, kind string
	if req.Kind == godown.Zip {
		sum, err := m.corpus.zipSum(req)
		if err != nil {
			return err
		}
		f, err := os.Open(m.corpus.file(req.Name()))
		if err != nil {
			return err
		}
		defer f.Close()
		content, tag, kind = f, sum, "application/zip"
	} else {
		data, err := m.corpus.read(req)
		if err != nil {
			return err
		}
		content, tag, kind = bytes.NewReader(data), fmt.Sprintf("%x", sha256.Sum256(data)), "text/plain; charset=utf-8"
		if req.Kind == godown.Info || req.Kind == godown.Latest {
			kind = "application/json"
		}
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, content)
	return nil
}

// settle waits until no request has been under way for a while: a proxy may go
// on fetching when its client has what it wants. It gives up after patience.
func (m *mirror) settle(ctx context.Context, quiet time.Duration) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		m.mu.Lock()
		still := m.underWay == 0 && time.Since(m.busy) >= quiet
		m.mu.Unlock()
		if still {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// An answer counts the body's bytes.
type answer struct {
	http.ResponseWriter
	mirror *mirror
}

// Write writes a piece of the body.
func (a *answer) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	a.mirror.mu.Lock()
	defer a.mirror.mu.Unlock()
	a.mirror.seen.Bytes += int64(n)
	return n, err
}
