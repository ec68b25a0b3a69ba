package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A stream is a zip, or a stretch of one, as one body. What breaks off, stalls
// or crawls is continued by another mirror, or by the same one if there is none.
type stream struct {
	*transfer
	flow   *flow // where bytes come from now; nil: nowhere
	off    int64 // of the next byte
	end    int64 // behind the last one; -1 if not known: then nothing can be continued
	futile int   // flows in a row that gave nothing
	err    error // final
	avoid  []*member
}

// maxFutile is how many mirrors in a row may give nothing before a stream fails, for each mirror there is.
const maxFutile = 3

// Read reads on.
func (s *stream) Read(p []byte) (int, error) {
	for s.err == nil {
		if s.end >= 0 && s.off >= s.end {
			s.drop() // who verifies the zip may need the connection
			s.err = io.EOF
			break
		}
		if s.flow == nil {
			s.err = s.reopen(nil)
			continue
		}
		if s.end >= 0 {
			p = p[:min(int64(len(p)), s.end-s.off)]
		}
		n, err := s.flow.Read(p)
		if n > 0 {
			s.off += int64(n)
			s.futile = 0
		}
		if err != nil {
			s.err = s.ended(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, s.err
}

// ended deals with the end of a flow. It returns nil if reading can go on.
func (s *stream) ended(err error) error {
	f := s.flow
	s.flow = nil
	f.Close() // it gives its place back before another is asked for
	if err == io.EOF && (f.Size < 0 && s.end < 0 || f.Size >= 0 && f.n >= f.Size) {
		if s.end < 0 {
			return io.EOF
		}
		return nil // the range that was asked for is over
	}
	if err == io.EOF {
		err = fmt.Errorf("upstream %s: %v broke off after %d bytes: %w", f.m.name, s.req, f.n, io.ErrUnexpectedEOF)
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	f.broken(err)
	if s.end < 0 {
		return err // of a size that nobody knows, nobody knows the rest
	}
	if f.n == 0 {
		s.futile++
	}
	s.avoid = append(s.avoid, f.m)
	return s.reopen(err)
}

// reopen asks for what lies between off and end. cause is why that is needed.
func (s *stream) reopen(cause error) error {
	for ; s.futile <= maxFutile*len(s.pool.members); s.futile++ {
		if err := s.ctx.Err(); err != nil {
			return context.Cause(s.ctx)
		}
		l := s.successors()
		if len(l.order)+len(l.last) == 0 {
			break
		}
		f, m, err := s.open(l, s.off, s.end-s.off)
		if err == nil && s.fits(f) {
			if err = s.take(f); err == nil {
				if cause != nil {
					m.resumed()
				}
				return nil
			}
			f.broken(err)
		} else if err == nil {
			err = fmt.Errorf("upstream %s has other content under this name", m.name)
		}
		if f != nil {
			f.Close()
			s.avoid = append(s.avoid, f.m)
		} else if !passing(err) {
			if cause == nil {
				return err
			}
			return fmt.Errorf("%w; and could not be continued: %v", cause, err) // a 404 now does not mean that the file is absent
		}
		if cause == nil {
			cause = err
		}
		if n := len(s.pool.members); s.futile >= n { // all have been tried
			if pauseAgain(s.ctx, s.futile/n-1) != nil {
				break
			}
		}
	}
	if cause == nil {
		cause = errors.New("no mirror gives the rest")
	}
	return cause
}

// take makes f the flow that is read.
func (s *stream) take(f *flow) error {
	if err := f.skip(s.off); err != nil {
		return err
	}
	s.gives(f)
	s.flow = f
	return nil
}

// successors returns who may go on: those that have not failed here first.
func (s *stream) successors() lineup {
	if s.single != nil {
		return lineup{order: []*member{s.single}}
	}
	l := s.pool.rank(s.req.Path, max(s.end-s.off, 0), s.except, 0, false)
	have := func(m *member) bool { return s.isOther(m) }
	l.order, l.last = slices.DeleteFunc(l.order, have), slices.DeleteFunc(l.last, have)
	failed := func(m *member) int {
		n := 0
		for _, a := range s.avoid {
			if a == m {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(l.order, func(a, b *member) int { return failed(a) - failed(b) })
	return l
}

// Close ends the transfer.
func (s *stream) Close() error {
	s.drop()
	if s.err == nil {
		s.err = errors.New("read after it was closed")
	}
	return nil
}

// drop ends the flow, if there is one.
func (s *stream) drop() {
	if s.flow != nil {
		s.flow.Close()
		s.flow = nil
	}
}

var _ io.ReadCloser = (*stream)(nil)
