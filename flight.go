package godown

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// A flight is one fetch that any number of callers wait for. It belongs to no
// caller: it goes on when they leave.
type flight struct {
	req      Request
	began    time.Time
	ready    chan struct{} // closed when file or err is set
	demanded chan struct{} // closed when somebody waits for the answer now, and not only later
	once     sync.Once     // closes demanded
	cancel   func()        // ends it before its time
	unwanted func()        // is told when nobody is left of those who came ahead of a demand

	mu     sync.Mutex    // guards the fields below
	users  int           // callers who wait for the answer or follow it
	wake   chan struct{} // closed, and replaced, when spool changes
	spool  *spool        // what arrives now, retained: callers may follow it; nil before, and when it is over
	origin string        // who gives it
	file   *File         // the answer; its Body is nil: what is not in Data is in the spool or in the store
	err    error
	over   bool // the content is in the store now, or nowhere
}

func newFlight(req Request) *flight {
	return &flight{
		req: req, began: time.Now(), ready: make(chan struct{}), demanded: make(chan struct{}), wake: make(chan struct{}),
		cancel: func() {}, unwanted: func() {},
	}
}

// demand makes the flight urgent, if it is not.
func (fl *flight) demand() { fl.once.Do(func() { close(fl.demanded) }) }

// offer lets callers follow a spool from its first bytes on, in place of an
// earlier one that turned out wrong.
func (fl *flight) offer(s *spool, origin string) {
	s.retain()
	fl.mu.Lock()
	old := fl.spool
	fl.spool, fl.origin = s, origin
	close(fl.wake)
	fl.wake = make(chan struct{})
	fl.mu.Unlock()
	if old != nil {
		old.drop()
	}
}

// settle gives callers the answer.
func (fl *flight) settle(file *File, err error) {
	fl.mu.Lock()
	fl.file, fl.err = file, err
	fl.mu.Unlock()
	close(fl.ready)
}

// settled reports whether there is an answer.
func (fl *flight) settled() bool {
	select {
	case <-fl.ready:
		return true
	default:
		return false
	}
}

// enter is called for each caller who will wait for the answer, or follow it;
// leave when he is done.
func (fl *flight) enter() {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.users++
}

func (fl *flight) leave() {
	fl.mu.Lock()
	fl.users--
	fl.release()
	fl.mu.Unlock()
	if !fl.wanted() {
		fl.unwanted()
	}
}

// wanted reports whether the flight should go on: it is demanded, somebody is
// there who came ahead of a demand, or it has its answer.
func (fl *flight) wanted() bool {
	select {
	case <-fl.demanded:
		return true
	case <-fl.ready:
		return true
	default:
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.users > 0
}

// finish is called when the flight has done all it will do. Those who have
// entered can still have the spool, whether or not the store has taken it.
func (fl *flight) finish() {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.over = true
	fl.release()
}

// release gives up the spool that nobody will ask for. Caller holds fl.mu.
func (fl *flight) release() {
	if fl.over && fl.users == 0 && fl.spool != nil {
		fl.spool.drop()
		fl.spool = nil
	}
}

// current returns the spool, retained, and the channel that tells of the next one.
func (fl *flight) current() (*spool, <-chan struct{}) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.spool != nil {
		fl.spool.retain()
	}
	return fl.spool, fl.wake
}

// errLanded says that the content is in the store, where it was before.
var errLanded = errors.New("the content is in the store")

// answer waits until there is something to serve: the answer as a whole, or a
// body's first bytes. The caller has entered.
func (fl *flight) answer(ctx context.Context) (*File, error) {
	for {
		s, wake := fl.current()
		if s != nil {
			_, err := s.wait(ctx, 0)
			if err == nil || err == io.EOF {
				return fl.follow(ctx, s)
			}
			s.drop()
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			// It failed; another may follow.
			if next, _ := fl.current(); next != s {
				if next != nil {
					next.drop()
				}
				continue
			} else if next != nil {
				next.drop()
			}
		}
		select {
		case <-fl.ready:
			fl.mu.Lock()
			file, err, streams := fl.file, fl.err, fl.spool != nil
			fl.mu.Unlock()
			switch {
			case err != nil:
				return nil, err
			case file.Data != nil:
				return file, nil
			case !streams:
				return nil, errLanded
			}
		case <-wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// follow returns a File whose Body follows s, of which it takes the caller's reference.
func (fl *flight) follow(ctx context.Context, s *spool) (*File, error) {
	size := s.size
	fl.mu.Lock()
	file := File{Cache: Miss, Origin: fl.origin}
	if fl.file != nil {
		file = *fl.file
	}
	fl.users++
	fl.mu.Unlock()
	if size < 0 { // then it is complete, or nothing would be readable
		size = s.written()
	}
	file.Size = size
	file.Body = &follower{ctx: ctx, flight: fl, spool: s, size: size}
	return &file, nil
}

// next waits for a spool that replaces the failed one, and returns it
// retained, or nil if there will be none.
func (fl *flight) next(ctx context.Context, failed *spool) *spool {
	for {
		s, wake := fl.current()
		if s != nil && s != failed {
			return s
		}
		if s != nil {
			s.drop()
		}
		select {
		case <-wake:
		case <-fl.ready:
			s, _ := fl.current()
			if s == failed && s != nil {
				s.drop()
				s = nil
			}
			return s
		case <-ctx.Done():
			return nil
		}
	}
}

// A follower reads a body while it arrives. When the body turns out wrong and
// another upstream is asked, it goes on with that one's, provided that what it
// has read so far is the same.
type follower struct {
	ctx    context.Context // of the request that this Body belongs to
	flight *flight
	spool  *spool // retained
	size   int64
	off    int64
	file   *os.File // of the spool, with a position of its own; nil before it is needed
	err    error    // why the body could not be had whole; nil while it can
}

// ready waits for bytes behind f.off and returns up to where they reach.
func (f *follower) ready() (int64, error) {
	for {
		if f.off >= f.size {
			return 0, io.EOF
		}
		avail, err := f.spool.wait(f.ctx, f.off)
		switch {
		case err == nil:
			return min(avail, f.size), nil
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		case f.ctx.Err() == nil && f.change():
			continue
		}
		f.err = err
		return 0, err
	}
}

// change goes over to the spool that replaces a failed one, if that can be done.
func (f *follower) change() bool {
	next := f.flight.next(f.ctx, f.spool)
	if next == nil {
		return false
	}
	if !f.same(next) {
		next.drop()
		return false
	}
	f.spool.drop()
	f.spool = next
	f.closeFile()
	return true
}

// same reports whether next begins with the bytes that were read so far.
func (f *follower) same(next *spool) bool {
	if f.off > 0 {
		if _, err := next.wait(f.ctx, f.off-1); err != nil {
			return false
		}
	}
	if next.size >= 0 && next.size != f.size || next.size < 0 && next.written() != f.size {
		return false
	}
	a, b := make([]byte, 32<<10), make([]byte, 32<<10)
	for at := int64(0); at < f.off; at += int64(len(a)) {
		n := min(int64(len(a)), f.off-at)
		got, _ := f.spool.ReadAt(a[:n], at)
		want, _ := next.ReadAt(b[:n], at)
		if got != int(n) || want != int(n) || !bytes.Equal(a[:n], b[:n]) {
			return false
		}
	}
	return true
}

// Read reads what is there, or waits.
func (f *follower) Read(p []byte) (int, error) {
	avail, err := f.ready()
	if err != nil {
		return 0, err
	}
	n, err := f.spool.ReadAt(p[:min(int64(len(p)), avail-f.off)], f.off)
	f.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Seek sets where the next Read begins; it waits for nothing.
func (f *follower) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.off
	case io.SeekEnd:
		offset += f.size
	}
	if offset < 0 {
		return f.off, errors.New("seek before the beginning")
	}
	f.off = offset
	f.closeFile()
	return offset, nil
}

// WriteTo writes the rest to w as it arrives, without copying it through
// memory where the system can (sendfile).
func (f *follower) WriteTo(w io.Writer) (total int64, err error) {
	from, canReadFrom := w.(io.ReaderFrom)
	var buf []byte
	for f.off < f.size {
		avail, err := f.ready()
		if err != nil {
			return total, err
		}
		if canReadFrom && f.openFile() {
			n, err := from.ReadFrom(io.LimitReader(f.file, avail-f.off))
			total, f.off = total+n, f.off+n
			if err != nil {
				return total, err
			}
			if n > 0 {
				continue
			}
			f.closeFile() // the disk fails and the rest is in memory
		}
		if buf == nil {
			buf = make([]byte, 64<<10)
		}
		n, err := f.Read(buf)
		if err != nil {
			return total, err
		}
		wrote, err := w.Write(buf[:n])
		if total += int64(wrote); err != nil {
			return total, err
		}
	}
	return total, nil
}

// openFile reports whether f.file stands at f.off.
func (f *follower) openFile() bool {
	if f.file != nil {
		return true
	}
	if f.off >= f.spool.onDisk() {
		return false
	}
	if f.file = f.spool.reopen(); f.file == nil {
		return false
	}
	if _, err := f.file.Seek(f.off, io.SeekStart); err != nil {
		f.closeFile()
		return false
	}
	return true
}

// Wait waits until the whole body is here.
func (f *follower) Wait(ctx context.Context) error {
	for {
		_, err := f.spool.wait(ctx, max(f.size-1, 0))
		switch {
		case err == nil || err == io.EOF:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !f.change():
			f.err = err
			return err
		}
	}
}

// failure returns why the body could not be had whole.
func (f *follower) failure() error { return f.err }

func (f *follower) closeFile() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}

// Close ends the following.
func (f *follower) Close() error {
	f.closeFile()
	if f.spool != nil {
		f.spool.drop()
		f.spool = nil
		f.flight.leave()
	}
	return nil
}
