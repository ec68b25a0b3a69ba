package main

import (
	"net"
	"sync"
	"time"
)

// A link carries so many bytes a second. What was sent late because the
// machine is busy is made up for, up to slack; what was not used is lost.
type link struct {
	rate int // bytes/s

	mu  sync.Mutex // guards due
	due time.Time  // when all bytes so far have left
}

const (
	slack = 10 * time.Millisecond
	piece = 8 << 10 // that is sent at once, bytes
)

// wait waits until n bytes more have left.
func (l *link) wait(n int) {
	l.mu.Lock()
	now := time.Now()
	if earliest := now.Add(-slack); l.due.Before(earliest) {
		l.due = earliest
	}
	l.due = l.due.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
	d := l.due.Sub(now)
	l.mu.Unlock()
	if d > 0 {
		<-time.After(d) // some milliseconds
	}
}

// A listener makes the connections of a mirror, and counts them.
type listener struct {
	net.Listener
	mirror *mirror
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mirror.accepted()
	paced := &conn{Conn: c, opening: openingTrips * l.mirror.latency}
	if l.mirror.rate > 0 {
		paced.link = &link{rate: l.mirror.rate}
	}
	return paced, nil
}

// openingTrips is how many round trips a new connection costs before the first
// request can go out: one for TCP, one for TLS 1.3.
const openingTrips = 2

// A conn is paced below HTTP, so that what counts is the connection and not
// the request.
type conn struct {
	net.Conn
	opening time.Duration
	once    sync.Once
	link    *link // nil: as fast as it can
}

// Read reads. The first one waits for as long as connecting would take: on
// loopback the system has done that already.
func (c *conn) Read(p []byte) (int, error) {
	c.once.Do(func() {
		if c.opening > 0 {
			<-time.After(c.opening)
		}
	})
	return c.Conn.Read(p)
}

// Write sends p, piece by piece.
func (c *conn) Write(p []byte) (written int, err error) {
	if c.link == nil {
		return c.Conn.Write(p)
	}
	for len(p) > 0 && err == nil {
		n := min(len(p), piece)
		c.link.wait(n)
		n, err = c.Conn.Write(p[:n])
		written += n
		p = p[n:]
	}
	return written, err
}
