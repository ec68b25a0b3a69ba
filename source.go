package godown

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// A Source answers requests. Mirrors, repositories, caches and gates are
// Sources, and so is whatever wraps one. Fetch must be safe for concurrent use.
// An error that is an [fs.ErrNotExist] means that the file does not exist; the
// other errors with a meaning are in errors.go.
// The caller closes the File.
type Source interface {
	Fetch(ctx context.Context, req Request) (*File, error)
}

// SourceFunc makes a function a Source.
type SourceFunc func(ctx context.Context, req Request) (*File, error)

// Fetch calls f.
func (f SourceFunc) Fetch(ctx context.Context, req Request) (*File, error) { return f(ctx, req) }

// A CacheStatus says how a cache came by an answer, in nginx's words.
type CacheStatus string

// The states of a cached answer.
const (
	Hit         CacheStatus = "HIT"         // from the store, still fresh
	Miss        CacheStatus = "MISS"        // not in the store, fetched
	Expired     CacheStatus = "EXPIRED"     // was in the store, too old, fetched anew
	Revalidated CacheStatus = "REVALIDATED" // was in the store, too old, and found unchanged
	Stale       CacheStatus = "STALE"       // too old, served because upstream could not be asked
)

// A File is an answer to a [Request], or a stored file. One of Data and Body is
// set. A File may be shared by many callers: none may change it, nor Data.
type File struct {
	Data []byte        // the whole content, where it is in memory
	Body io.ReadCloser // else a stream of it; may also be an io.Seeker, io.ReaderAt, io.WriterTo or [Scatterer]
	Size int64         // in bytes; -1 if not known beforehand

	ETag    string        // a strong entity tag with its quotes, or empty
	Time    time.Time     // when the content was last modified or learnt; may be zero
	Cache   CacheStatus   // how the cache came by it; empty below the cache
	MaxAge  time.Duration // how long a changeable answer may be reused; below 1 s: not at all
	Origin  string        // who gave it, without secrets; may be empty
	StaleBy error         // why a Stale answer could not be renewed
	Hold    bool          // who gave it has been wrong lately: nobody should see a byte that is not verified
	Made    *Made         // of a zip that its Source has made itself: what is in it; else nil
	headers *headers      // ready for the handler, on files that are served often

	// Reject, if not nil, is called by one who found the content wrong: it
	// tells the giver, and asks for another's answer to the same request.
	Reject func(ctx context.Context, why error) (*File, error)
}

// Made is what a Source knows of a zip that it made itself, of files that it has
// read and hashed on the way. Who gets exactly these bytes need not unpack them
// to know what they are. It must never be what somebody else has said.
type Made struct {
	H1     string            // as go.sum has it
	SHA256 [sha256.Size]byte // of the zip's own bytes
}

// A Scatterer is a Body that can arrive in several pieces at once, each in its
// place. Scatter is called instead of Read; it returns when all is written, or cannot be.
type Scatterer interface {
	Scatter(w io.WriterAt) error
}

// Reader returns the content as a stream. It is to be read once.
func (f *File) Reader() io.Reader {
	if f.Body != nil {
		return f.Body
	}
	return bytes.NewReader(f.Data)
}

// Close closes the Body, if there is one.
func (f *File) Close() error {
	if f.Body == nil {
		return nil
	}
	return f.Body.Close()
}

// NewFile returns a File that holds data.
func NewFile(data []byte) *File { return &File{Data: data, Size: int64(len(data))} }

// ReadAll fetches req from src and returns the whole content, at most limit bytes.
func ReadAll(ctx context.Context, src Source, req Request, limit int64) ([]byte, error) {
	f, err := src.Fetch(ctx, req)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readLimited(f, limit)
	if err != nil {
		return nil, fmt.Errorf("reading %v: %w", req, err)
	}
	return data, nil
}

// readLimited returns the content of f, or an error if it is longer than limit bytes.
func readLimited(f *File, limit int64) ([]byte, error) {
	if f.Body == nil && int64(len(f.Data)) <= limit {
		return f.Data, nil
	}
	data, err := io.ReadAll(io.LimitReader(f.Reader(), limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return data, err
}

// A Step is one entry of a GOPROXY list.
type Step struct {
	Source Source
	Any    bool // followed by "|": after any error the next is asked; else only when the file does not exist
}

// First asks the steps in order until one answers, with the go command's
// meaning of a GOPROXY list. Of several errors it returns the most telling: the
// last that is not an [fs.ErrNotExist], before the last that is. A file that
// is rejected as wrong is an error of its step.
func First(steps ...Step) Source { return first(steps) }

type first []Step

func (l first) Fetch(ctx context.Context, req Request) (*File, error) {
	return l.from(ctx, req, 0, nil)
}

// from asks the steps from number i on; best is the best error of those before.
func (l first) from(ctx context.Context, req Request, i int, best error) (*File, error) {
	for ; i < len(l); i++ {
		f, err := l[i].Source.Fetch(ctx, req)
		if err == nil {
			return l.rejectable(f, req, i, best), nil
		}
		best = better(best, err)
		if ctx.Err() != nil || !l[i].Any && !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if best == nil {
		best = &NotFound{Text: "no upstream is configured"}
	}
	return nil, best
}

// rejectable returns f with a Reject that goes on behind step i.
func (l first) rejectable(f *File, req Request, i int, best error) *File {
	inner := f.Reject
	if inner == nil && (!l[i].Any || i+1 >= len(l)) {
		return f
	}
	g := *f
	g.Reject = func(ctx context.Context, why error) (*File, error) {
		if inner != nil {
			next, err := inner(ctx, why)
			if err == nil {
				return l.rejectable(next, req, i, best), nil
			}
			why = err
		}
		if !l[i].Any || i+1 >= len(l) {
			return nil, better(best, why)
		}
		return l.from(ctx, req, i+1, better(best, why))
	}
	return &g
}

// better returns the error that tells more of two in a row: a later one wins
// over an earlier, but "not found" never over another.
func better(old, err error) error {
	if old == nil || !errors.Is(err, fs.ErrNotExist) || errors.Is(old, fs.ErrNotExist) {
		return err
	}
	return old
}

// Split sends requests whose module path is private to one Source, all others to another.
func Split(private func(path string) bool, yes, no Source) Source {
	return SourceFunc(func(ctx context.Context, req Request) (*File, error) {
		if private(req.Path) {
			return yes.Fetch(ctx, req)
		}
		return no.Fetch(ctx, req)
	})
}
