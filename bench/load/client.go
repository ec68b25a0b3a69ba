package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"time"
)

// A client is one keep-alive connection. It does as little as it can: it
// shares the machine with the server that it loads.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	host    []byte // the Host line and the end of the header
	out     []byte
	expires time.Time // of the whole connection
}

// dial connects to a server, HOST:PORT, for at most the given time.
func dial(ctx context.Context, address string, buffer int, d time.Duration) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, buffer), host: []byte("Host: " + address + "\r\n\r\n"), expires: time.Now().Add(d)}
	return c, conn.SetDeadline(c.expires)
}

func (c *client) close() { c.conn.Close() }

// send asks for t.
func (c *client) send(t *target) error {
	c.out = append(append(c.out[:0], t.request...), c.host...)
	_, err := c.conn.Write(c.out)
	return err
}

// head reads a header, checks the status, and returns the body.
func (c *client) head(t *target) (chunked bool, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return false, fmt.Errorf("%s: %w", t.name, err)
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return false, fmt.Errorf("%s: %s", t.name, bytes.TrimSpace(line))
	}
	length := int64(-1)
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return false, fmt.Errorf("%s: %w", t.name, err)
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := headerValue(line, "content-length:"); ok {
			if length, err = strconv.ParseInt(v, 10, 64); err != nil {
				return false, err
			}
		} else if v, ok := headerValue(line, "transfer-encoding:"); ok && v == "chunked" {
			chunked = true
		}
	}
	if !chunked && length != t.size {
		return false, fmt.Errorf("%s: the length is %d, not %d", t.name, length, t.size)
	}
	return chunked, nil
}

// headerValue returns the value of a header line whose lower-case key ends in a colon.
func headerValue(line []byte, key string) (string, bool) {
	if len(line) < len(key) || line[0]|0x20 != key[0] || !bytes.EqualFold(line[:len(key)], []byte(key)) {
		return "", false
	}
	return string(bytes.TrimSpace(line[len(key):])), true
}

// get asks for t, and reads and drops the answer.
func (c *client) get(t *target) error {
	if err := c.send(t); err != nil {
		return err
	}
	chunked, err := c.head(t)
	if err != nil {
		return err
	}
	if chunked {
		return c.chunks(t, io.Discard)
	}
	if n, err := c.in.Discard(int(t.size)); err != nil {
		return fmt.Errorf("%s: broke off after %d of %d bytes: %w", t.name, n, t.size, err)
	}
	return nil
}

// check asks for t and compares every byte, by a checksum.
func (c *client) check(t *target) error {
	_, err := c.checkFrom(t, time.Time{})
	return err
}

// checkFrom is check, and returns how long after start the first byte of the body was there.
func (c *client) checkFrom(t *target, start time.Time) (first time.Duration, err error) {
	if err := c.send(t); err != nil {
		return 0, err
	}
	chunked, err := c.head(t)
	if err != nil {
		return 0, err
	}
	if _, err := c.in.Peek(min(1, int(t.size))); err != nil {
		return 0, fmt.Errorf("%s: %w", t.name, err)
	}
	first = time.Since(start)
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if chunked {
		err = c.chunks(t, sum)
	} else {
		err = c.body(t.size, sum)
	}
	if err == nil && sum.Sum32() != t.sum {
		err = errors.New("wrong bytes")
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", t.name, err)
	}
	return first, nil
}

// body gives w the next n bytes, without copying them once more.
func (c *client) body(n int64, w io.Writer) error {
	for n > 0 {
		if _, err := c.in.Peek(1); err != nil {
			return fmt.Errorf("broke off %d bytes before its end: %w", n, err)
		}
		p, err := c.in.Peek(int(min(n, int64(c.in.Buffered()))))
		if err != nil {
			return err
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		c.in.Discard(len(p)) // all of it is buffered
		n -= int64(len(p))
	}
	return nil
}

// chunks copies a chunked body to w.
func (c *client) chunks(t *target, w io.Writer) error {
	n, err := io.Copy(w, httputil.NewChunkedReader(c.in))
	if err == nil && n != t.size {
		err = fmt.Errorf("%s: the body has %d bytes, not %d", t.name, n, t.size)
	}
	if err == nil {
		_, err = c.in.Discard(2) // the empty line behind the last chunk
	}
	return err
}
