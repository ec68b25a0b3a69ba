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
	end    int64 // behind the last one; -1 if not known yet
	futile int   // flows in a row that gave nothing
	little int   // flows in a row that gave less than littleBytes
	parts  int   // such flows in all
	err    error // final
	avoid  []*member
}

// maxFutile is how many mirrors in a row may give nothing before a stream fails, for each mirror there is.
const maxFutile = 3

const (
	// littleBytes are so few that it had better not go on like that without a pause.
	littleBytes = 64 << 10
	// maxLittle is how many flows may give so little before a stream fails.
	maxLittle = 100
	// unknownRest is asked for where nobody knows how much there is.
	unknownRest = 1 << 40
)

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
	if f.n == 0 {
		s.futile++
	}
	s.avoid = append(s.avoid, f.m)
	if err := s.breathe(f.n, err); err != nil {
		return err
	}
	return s.reopen(err)
}

// breathe pauses when one flow after the other gives only a little. It returns
// an error when that was so too often.
func (s *stream) breathe(n int64, cause error) error {
	if n >= littleBytes {
		s.little = 0
		return nil
	}
	s.little++
	if s.parts++; s.parts > maxLittle {
		return fmt.Errorf("%w; and that was so %d times", cause, s.parts)
	}
	if each := len(s.pool.members); s.little > each { // the first time somebody else is asked at once
		return pauseAgain(s.ctx, (s.little-1)/each-1)
	}
	return nil
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
		f, m, err := s.open(l, s.off, s.rest())
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
	if s.end < 0 && f.Total >= 0 {
		s.end = f.Total
	}
	s.flow = f
	return nil
}

// rest returns how many bytes to ask for; 0: the whole.
func (s *stream) rest() int64 {
	switch {
	case s.end >= 0:
		return s.end - s.off
	case s.off == 0:
		return 0
	}
	return unknownRest
}

// successors returns who may go on: those that have not failed here first.
func (s *stream) successors() lineup {
	if s.single != nil {
		return lineup{order: []*member{s.single}}
	}
	l := s.pool.rank(s.req.Path, max(s.end-s.off, 0), s.except, 0, false)
	other := func(m *member) bool { return s.isOther(m) }
	l.order, l.last = slices.DeleteFunc(l.order, other), slices.DeleteFunc(l.last, other)
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
	if !slices.ContainsFunc(slices.Concat(l.order, l.last), s.spoils) {
		return l
	}
	// Whom nobody should have to believe goes on when nobody else can, or did when he was asked twice.
	var able, unable []*member
	for _, m := range slices.Concat(l.order, l.last) {
		switch {
		case s.spoils(m) || failed(m) > 1:
			unable = append(unable, m)
		case slices.Contains(l.order, m):
			able = append(able, m)
		}
	}
	weak := func(m *member) bool { return slices.Contains(unable, m) }
	last := slices.DeleteFunc(l.last, weak)
	slices.SortStableFunc(unable, func(a, b *member) int { return failed(a) - failed(b) })
	return lineup{order: able, last: append(last, unable...)}
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
