package godown

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A body may break off maxFutile times in a row without giving anything in
// between, and maxResumes times in all.
const (
	maxFutile  = 3
	maxResumes = 100
)

// A body is the content of an upstream's answer. When it breaks off or stalls
// it is continued with a Range request, so that its reader notices nothing.
type body struct {
	upstream *Upstream
	name     string
	ctx      context.Context // of the exchange
	cancel   context.CancelCauseFunc
	resp     *http.Response
	from     int64 // where in the file it begins
	size     int64 // -1 if the upstream did not say: then it cannot be continued
	total    int64 // size of the whole file
	off      int64 // given so far
	futile   int   // continuations that gave nothing, in a row
	call     *Call
	start    time.Time
	err      error // final
	closed   bool
}

// Read reads on.
func (b *body) Read(p []byte) (int, error) {
	for b.err == nil {
		n, err := b.read(p)
		if n > 0 {
			b.off += int64(n)
			b.futile = 0
			return n, nil
		}
		switch {
		case err == nil:
			continue
		case err == io.EOF && (b.size < 0 || b.off >= b.size):
			b.err = io.EOF
		default:
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			b.err = b.resume(err)
		}
	}
	return 0, b.err
}

// read reads from the present answer, and cuts it when it stalls.
func (b *body) read(p []byte) (int, error) {
	body := b.resp.Body
	timer := time.AfterFunc(b.upstream.Stall, func() { body.Close() })
	n, err := body.Read(p)
	if !timer.Stop() && err != nil {
		err = fmt.Errorf("%w: not a byte in %v", ErrStalled, b.upstream.Stall)
	}
	return n, err
}

// resume asks for the rest of a body that broke off with cause. It returns nil
// if reading can go on.
func (b *body) resume(cause error) error {
	b.resp.Body.Close()
	broke := fmt.Errorf("upstream %s: %s broke off after %d bytes: %w", b.upstream.Name(), b.name, b.off, cause)
	for b.size >= 0 && b.futile < maxFutile && b.call.Resumes < maxResumes && b.upstream.Retries > 0 && b.ctx.Err() == nil {
		b.futile++
		b.call.Resumes++
		if err := pause(b.ctx, b.futile, 0); err != nil {
			break
		}
		header := http.Header{}
		end := b.from + b.size
		if end == b.total {
			end = 0
		}
		setRange(header, b.from+b.off, end, b.resp.Header.Get("Etag"))
		if date := b.resp.Header.Get("Last-Modified"); header.Get("If-Range") == "" && date != "" {
			header.Set("If-Range", date)
		}
		resp, err := b.upstream.ask(b.ctx, b.call, b.name, header)
		if err != nil {
			return fmt.Errorf("%w; and could not be continued: %v", broke, err) // a 404 now does not mean that the file is absent
		}
		before := b.resp
		b.resp = resp
		if b.skip(before) == nil {
			return nil
		}
		resp.Body.Close()
		b.resp = before
	}
	return broke
}

// skip makes the present answer give what comes behind the bytes that were
// given already, if it is of the same content as far as its length tells. The
// verification will tell for sure.
func (b *body) skip(before *http.Response) error {
	if old, now := before.Header.Get("Etag"), b.resp.Header.Get("Etag"); old != "" && now != "" && old != now {
		return errors.New("it has other content now")
	}
	if b.resp.StatusCode == http.StatusPartialContent {
		_, total, err := b.upstream.partOf(b.resp, b.from+b.off, b.size-b.off)
		if err == nil && total != b.total {
			err = errors.New("it has another length now")
		}
		return err
	}
	if b.resp.ContentLength != b.total {
		return errors.New("it has another length now")
	}
	// The upstream knows no ranges: read again what is known.
	buf := make([]byte, 32<<10)
	for left := b.from + b.off; left > 0; {
		n, err := b.read(buf[:min(left, int64(len(buf)))])
		if left -= int64(n); err != nil && left > 0 {
			return err
		}
	}
	return nil
}

// Close ends the exchange.
func (b *body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	err := b.resp.Body.Close()
	b.call.Bytes = b.off
	failure := b.err
	if failure == io.EOF {
		failure = nil
	}
	b.upstream.observe(b.ctx, b.call, b.start, failure)
	b.cancel(nil)
	return err
}
