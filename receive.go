package godown

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	modzip "golang.org/x/mod/zip"
)

// limits are the most bytes that a file of each kind may have.
var limits = [...]int64{List: 16 << 20, Latest: 1 << 20, Info: 1 << 20, Mod: modzip.MaxGoMod, Zip: modzip.MaxZipFile}

// flyFixed answers a request for a fixed file: from the store if it is there
// and good, else from upstream.
func (c *Cache) flyFixed(ctx context.Context, fl *flight) {
	f, err := c.stored(ctx, fl.req, true)
	if err == nil {
		if f.Body != nil { // a zip: each caller opens it for himself
			f.Close()
			f = &File{}
		}
		fl.settle(f, nil)
		return
	}
	if !errors.Is(err, fs.ErrNotExist) {
		fl.settle(nil, err)
		return
	}
	take := func(s *spool, f *File) error { return c.takeFixed(ctx, fl, s, f) }
	c.fetch(ctx, fl, take, func(err error) (*File, error) { return c.infer(ctx, fl.req, err) })
}

// fetch asks the Source, and its alternatives when what it gives is wrong.
// take is given each body when it is complete; it settles the flight and
// returns nil, or returns what is wrong with it. When nobody gives anything
// good, instead says what to answer.
func (c *Cache) fetch(ctx context.Context, fl *flight, take func(*spool, *File) error, instead func(error) (*File, error)) {
	if err := c.acquire(ctx); err != nil {
		fl.settle(instead(err))
		return
	}
	defer c.places.Leave()
	c.counts.fetches.Add(1)
	c.counts.fetching.Add(1)
	defer c.counts.fetching.Add(-1)

	if a, ok := c.Verifier.(ahead); ok && (fl.req.Kind == Mod || fl.req.Kind == Zip) {
		a.Ahead(ctx, fl.req) // the database's answer comes while the file does
	}
	pieces := true
	f, err := c.Source.Fetch(ctx, fl.req)
	for err == nil {
		if err = c.receive(ctx, fl, f, pieces, take); err == nil {
			return
		}
		if _, ok := errors.AsType[*diskError](err); ok && pieces && ctx.Err() == nil {
			pieces = false // in one piece it can do without a disk
			f, err = c.Source.Fetch(ctx, fl.req)
			continue
		}
		if ctx.Err() != nil || !blames(err) || f.Reject == nil {
			break
		}
		f, err = f.Reject(ctx, err)
	}
	c.rememberAbsent(fl, err)
	fl.settle(instead(err))
}

// blames reports whether err is the fault of the upstream that gave the
// content, so that another should be asked.
func blames(err error) bool {
	if _, ok := errors.AsType[*Unverified](err); ok {
		return false
	}
	if _, ok := errors.AsType[*SecurityError](err); ok {
		return false
	}
	_, disk := errors.AsType[*diskError](err)
	return !disk
}

// A diskError is a failure of our own temporary storage.
type diskError struct{ err error }

func (e *diskError) Error() string { return "temporary storage: " + e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }

var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// receive takes one body in, in several pieces at once if that is allowed and the body can do it.
func (c *Cache) receive(ctx context.Context, fl *flight, f *File, pieces bool, take func(*spool, *File) error) (err error) {
	defer f.Close()
	limit := limits[fl.req.Kind]
	if f.Size > limit {
		return c.mismatch(fl.req, f, fmt.Sprintf("it has %d bytes, more than %d", f.Size, limit))
	}
	s := newSpool(f.Size, c.tempFile, c.spare)
	defer s.drop()
	defer func() {
		if err != nil {
			s.fail(err)
		}
	}()
	if fl.req.Kind == Zip && f.Size >= 0 && !f.Hold {
		defer c.offerSlow(fl, s, f.Origin)()
	}
	body, ok := f.Body.(Scatterer)
	if ok && pieces && s.scattered() {
		if err = body.Scatter(s); err == nil && s.written() < f.Size {
			err = fmt.Errorf("the body has gaps: %d of %d bytes are there: %w", s.written(), f.Size, io.ErrUnexpectedEOF)
		}
	} else {
		err = fill(ctx, s, f, limit)
	}
	if o, ok := f.Body.(interface{ Origin() string }); ok {
		g := *f
		f, g.Origin = &g, o.Origin() // several may have given it
	}
	if err != nil {
		if s.written() > limit {
			return c.mismatch(fl.req, f, err.Error())
		}
		return err
	}
	if s.diskErr != nil {
		c.storeFailed(fl.req, s.diskErr)
	}
	return take(s, f)
}

// quickRate is how many bytes per second a body may yet arrive with whose
// first bytes were slow.
const quickRate = 20 << 20

// offerSlow lets callers follow a body that takes longer than StreamAfter, as
// soon as that is clear: at once where it is so big that it would at quickRate. Those who wait for one that is quick get it verified:
// should it be wrong, and another upstream's right, they notice nothing. The
// returned function ends the watch.
func (c *Cache) offerSlow(fl *flight, s *spool, origin string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		start := time.Now()
		tick := time.NewTicker(max(c.StreamAfter/50, time.Millisecond))
		defer tick.Stop()
		for {
			took, n := time.Since(start), s.written()
			whole := float64(took) * float64(s.size) / float64(max(n, 1)) // the time that all of it takes, at this rate
			slow := whole > 2*float64(c.StreamAfter) && float64(s.size) > quickRate*c.StreamAfter.Seconds()
			if took >= c.StreamAfter || n > 0 && took > 0 && slow {
				fl.offer(s, origin)
				return
			}
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// fill copies the body of f into s.
func fill(ctx context.Context, s *spool, f *File, limit int64) error {
	buf := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buf)
	body := f.Reader()
	for {
		n, err := body.Read(buf[:])
		if n > 0 {
			if _, err := s.Write(buf[:n]); err != nil {
				return &diskError{err}
			}
			if s.n > limit || f.Size >= 0 && s.n > f.Size {
				return fmt.Errorf("the body is longer than it should be: more than %d bytes", min(uint64(limit), uint64(f.Size)))
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if f.Size >= 0 && s.n < f.Size {
		return fmt.Errorf("the body ended after %d of %d bytes: %w", s.n, f.Size, io.ErrUnexpectedEOF)
	}
	return nil
}

// tempFile makes a temporary file: in the store, or else where the system keeps such.
func (c *Cache) tempFile() (*os.File, error) {
	st, ok := c.Store.(stager)
	if !ok {
		return os.CreateTemp("", "godown-*")
	}
	f, err := st.Stage()
	if err == nil {
		return f, nil
	}
	c.storeFailed(Request{}, err)
	if f, err := os.CreateTemp("", "godown-*"); err == nil {
		return f, nil
	}
	return nil, err
}

// takeFixed checks the complete content of a fixed file, serves it and stores it.
func (c *Cache) takeFixed(ctx context.Context, fl *flight, s *spool, f *File) error {
	file := &File{Size: s.n, Cache: Miss, Origin: f.Origin}
	var h1 string
	if fl.req.Kind == Zip {
		select {
		case c.checks <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		var err error
		h1, err = hashOf(ctx, fl.req, s, f.Made)
		<-c.checks
		if err != nil {
			return c.blame(fl.req, f, err)
		}
		if end, err := readZipEnd(s, s.n); err == nil {
			file.ETag = end.etag
		}
	} else {
		data := make([]byte, s.n)
		if _, err := s.ReadAt(data, 0); err != nil && s.n > 0 {
			return &diskError{err}
		}
		var err error
		if h1, err = checkSmall(fl.req, data); err != nil {
			return c.blame(fl.req, f, err)
		}
		file.Data, file.ETag = data, etag(data)
	}
	pending, err := c.prove(ctx, fl.req, h1)
	if err != nil {
		return c.blame(fl.req, f, err)
	}

	s.release()
	if fl.req.Kind == Zip {
		fl.offer(s, f.Origin) // if that was not done before
	} else {
		kept := *file
		kept.Cache, kept.Origin = Hit, ""
		c.keep(fl.req, &kept, c.keptUntil(pending))
	}
	fl.settle(file, nil)
	c.commit(ctx, fl.req, s, file, h1, pending)
	return nil
}

// hashOf checks a zip, and returns its hash. Of one that was made in this process
// that is known, if these are the bytes that were made.
func hashOf(ctx context.Context, req Request, s *spool, made *Made) (string, error) {
	if made != nil {
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(s, 0, s.n)); err != nil {
			return "", &diskError{err}
		}
		if [sha256.Size]byte(sum.Sum(nil)) == made.SHA256 {
			return made.H1, nil
		}
	}
	return CheckZip(ctx, req, s, s.n)
}

// prove has the content verified. pending means that it may be served although nobody could.
func (c *Cache) prove(ctx context.Context, req Request, h1 string) (pending bool, err error) {
	if req.Kind == Info {
		return false, nil
	}
	err = c.Verifier.Verify(ctx, req, h1)
	if u, ok := errors.AsType[*Unverified](err); ok && c.Prefer && !u.Absent {
		c.Alarm(Alarm{Kind: "unverified", Request: req, Err: err})
		return true, nil
	}
	return false, err
}

// commit stores what was verified. That it cannot be stored is no error of the request.
func (c *Cache) commit(ctx context.Context, req Request, s *spool, f *File, h1 string, pending bool) {
	// A body that arrived in the last moment shall not be lost to the deadline.
	ctx = context.WithoutCancel(ctx)
	name := req.Name()
	if pending {
		if err := c.mark(ctx, name, h1); err != nil {
			c.storeFailed(req, err)
			return
		}
	}
	var err error
	if req.Kind == Zip && !pending {
		err = putString(ctx, c.Store, name+"hash", h1)
	}
	if err == nil {
		err = s.store(ctx, c.Store, name)
	}
	if err != nil {
		c.storeFailed(req, err)
	} else if req.Kind == Info {
		c.ownInfo(ctx, req)
	}
	if req.Kind == Zip && err == nil {
		c.keepZip(req, s.n, f.ETag, c.keptUntil(pending))
		c.files.delete(Request{Kind: List, Path: req.Path})
	}
}

// blame notes what is wrong with an upstream's answer, and returns err.
func (c *Cache) blame(req Request, f *File, err error) error {
	if m, ok := errors.AsType[*Mismatch](err); ok {
		return c.mismatch(req, f, m.Reason)
	}
	if s, ok := errors.AsType[*SecurityError](err); ok {
		c.Alarm(Alarm{Kind: "fork", Request: req, Origin: s.Database, Err: err})
	}
	return err
}

func (c *Cache) mismatch(req Request, f *File, reason string) error {
	c.counts.mismatches.Add(1)
	err := &Mismatch{Request: req, Reason: reason}
	c.Alarm(Alarm{Kind: "mismatch", Request: req, Origin: f.Origin, Err: err})
	return err
}

func (c *Cache) storeFailed(req Request, err error) {
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return // the fault of who asks for such names; no operator need look
	}
	c.counts.storeFailures.Add(1)
	c.Alarm(Alarm{Kind: "store", Request: req, Err: err})
}
