package godown

import (
	"context"
	"io"
	"iter"
	"os"
	"time"
)

// A Store keeps files by name. Names are those of [Request.Name] and others of
// the same form: slash-separated, as [io/fs.ValidPath] has it, no element
// starting with a dot. A file is there whole or not at all, and what Put has
// returned for survives a crash. All methods are safe for concurrent use, and
// so are several processes on one Store.
type Store interface {
	// Open returns the file, or an error that is an fs.ErrNotExist.
	// Its Time is when it was put.
	Open(ctx context.Context, name string) (*File, error)
	// Put stores all that r gives under name, in place of what was there. A
	// file of the store's own Stage is moved rather than copied; r is not closed.
	Put(ctx context.Context, name string, r io.Reader) error
	// Delete removes the file; that it does not exist is no error.
	Delete(ctx context.Context, name string) error
	// List yields the files whose names begin with prefix, which is empty or
	// ends with a slash, in no particular order.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
}

// An Entry describes a stored file.
type Entry struct {
	Name string
	Size int64
	Time time.Time // when it was put
}

// A stager is a Store that offers temporary files that Put can move into place.
type stager interface {
	Stage() (*os.File, error)
}

// An asider is a Store that can put a bad file where an operator may look at
// it but nobody is served it.
type asider interface {
	SetAside(ctx context.Context, name string) error
}
