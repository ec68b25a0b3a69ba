package godown

import (
	"context"
	"fmt"
	"io"
	"io/fs"
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

// A Swapper is a Store whose files can be replaced by who knows what they hold:
// compare-and-swap, on which several processes can agree. A [Dir] is one.
type Swapper interface {
	// Swap stores data under name if the file holds exactly old; a nil old means
	// that there is no such file, an empty one that it is empty. Where the file
	// holds something else the error is an [ErrChanged], and nothing was changed.
	// After any other error it is open whether the file was changed.
	//
	// Swap is atomic between goroutines and between processes, and durable when
	// it returns nil; to swap what was read for itself makes it so. It is atomic
	// towards other Swaps only: Put and Delete do not wait for it, and a file
	// that several writers contend for is changed by Swap alone.
	Swap(ctx context.Context, name string, old, data []byte) error
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

// A mender is a Store that keeps something beside its files, and can make it
// right when one of them is first used.
type mender interface {
	Mend(ctx context.Context, name string) error
}

// Unwritable returns a Store that holds nothing and takes nothing, for why.
func Unwritable(why error) Store { return unwritable{why} }

type unwritable struct{ why error }

func (u unwritable) Open(_ context.Context, name string) (*File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (u unwritable) Put(_ context.Context, name string, _ io.Reader) error {
	return fmt.Errorf("storing %s: %w", name, u.why)
}

func (u unwritable) Delete(context.Context, string) error { return nil }

func (u unwritable) List(context.Context, string) iter.Seq2[Entry, error] {
	return func(func(Entry, error) bool) {}
}
