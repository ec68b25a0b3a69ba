// Package paced makes the connections of a fake mirror those of a line: with a
// delay when they are opened, and so many bytes a second.
package paced

import (
	"net"
	"sync"
	"time"
)

// A Link carries so many bytes a second. What was sent late because the
// machine is busy is made up for, up to slack; what was not used is lost.
type Link struct {
	rate int // bytes/s

	mu  sync.Mutex // guards due
	due time.Time  // when all bytes so far have left
}

const (
	slack = 10 * time.Millisecond
	piece = 8 << 10 // that is sent at once, bytes
)

// New returns a Link of so many bytes a second.
func New(rate int) *Link { return &Link{rate: rate} }

// wait waits until n bytes more have left.
func (l *Link) wait(n int) {
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

// A Listener makes connections of a line.
type Listener struct {
	net.Listener
	Opening  time.Duration // a new connection waits for so long
	Rate     int           // bytes/s of each connection; 0: no limit
	Shared   *Link         // of all connections together, in place of Rate; may be nil
	Accepted func()        // is told of each connection; may be nil
}

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.Accepted != nil {
		l.Accepted()
	}
	own := l.Shared
	if own == nil && l.Rate > 0 {
		own = New(l.Rate)
	}
	return &conn{Conn: c, opening: l.Opening, link: own}, nil
}

// A conn is paced below HTTP, so that what counts is the connection and not
// the request.
type conn struct {
	net.Conn
	opening time.Duration
	once    sync.Once
	link    *Link // nil: as fast as it can
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

// SetLinger is what a fault needs that resets a connection.
func (c *conn) SetLinger(seconds int) error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.SetLinger(seconds)
	}
	return nil
}
