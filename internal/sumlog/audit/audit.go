// Package audit reads a whole checksum database, ours or another's, and says
// whether it is what it claims to be: that its head is signed, that the tree
// under it goes on from the one that was seen before, that every tile that
// clients may ask for is right, and every record well-formed and the only one
// of its module version.
//
// It reads the go command's format (see golang.org/x/mod/sumdb) and
// https://c2sp.org/tlog-tiles, from wherever a function can get files.
// Whatever comes from there may be forged: it is limited in size, and proven
// before it is passed on.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// An Auditor reads one log. Its fields are not changed while it runs.
type Auditor struct {
	// Name is the log's: its head must be signed under this name by one of Verifiers.
	// Of others, as witnesses, Verifiers may know keys, but they do not count.
	Name      string
	Verifiers note.Verifiers

	// Format says which files are read; Origin is the first line of a
	// checkpoint, by default Name. The go command's head has none.
	Format Format
	Origin string

	// Get returns a file below the log's root: "latest", "tile/8/0/x001/067",
	// "lookup/example.com/!m@v1.0.0" (GoFormat), "checkpoint", "tile/0/x001/067",
	// "tile/entries/x001/067" (TilesFormat). That there is none is an
	// fs.ErrNotExist; any other error ends the audit, so it is Get that tries
	// again where that may help. It is called by Jobs goroutines at once, and
	// obeys its ctx. See also Folder.
	Get  func(ctx context.Context, name string) ([]byte, error)
	Jobs int // files fetched at once; default 8

	// Since says to read only the records from Seen.Size on, and the tiles that
	// hold hashes of them. That these go on from what was seen is proven all
	// the same, but a new record of a module version that an old one has is not noticed.
	Since bool

	// Lookups is how many of the records that are read, chosen at random, are
	// asked for as a client would: in the go command's format, whatever Format is.
	Lookups int

	// Record is called in order for each record from the one on that the audit
	// begins with, if the signed head proves it. An error ends the audit. May be nil.
	Record func(Record) error

	// Progress is called now and then with how many of all records were read. May be nil.
	Progress func(done, size int64)
}

// A Record is one record of a log.
type Record struct {
	ID   int64  // its number, from 0 on
	Text []byte // without the number; not to be kept or changed

	// The rest is empty if the text is malformed, which is a finding.
	Path, Version string
	Zip, Mod      string // the hashes "h1:…" of the module's zip and go.mod
}

// Seen is what an earlier audit saw, for the caller to keep. It is zero before
// the first audit.
type Seen struct {
	Signed []byte `json:"signed"` // the signed head, in either format
	Size   int64  `json:"size"`   // how many of its records were read and found right
}

// A Format says in which files a log is kept.
type Format int

// The formats.
const (
	GoFormat    Format = iota // of golang.org/x/mod/sumdb: latest, tile/8/…
	TilesFormat               // of c2sp.org/tlog-tiles: checkpoint, tile/…
)

// maxSize is how many records a log may claim. From about 2^62 on the tlog
// package's numbers overflow; and [twice] has 40 bits for a record's number.
const maxSize = 1 << 40

// Run audits the log. That something is wrong with it is in the report. The
// error is a *Fork if the log has signed two histories; any other error says
// that the audit could not be brought to its end. The report tells in either
// case what was found until then.
func (a *Auditor) Run(ctx context.Context, last Seen) (Report, error) {
	r := &run{Auditor: *a, report: Report{Name: a.Name, Time: time.Now().UTC(), Seen: last}}
	if r.Jobs < 1 {
		r.Jobs = 8
	}
	if r.Origin == "" {
		r.Origin = r.Name
	}
	complete, err := r.run(ctx, last)
	r.report.Complete = complete && err == nil
	r.report.Seen.Size = r.read(last)
	if fork, ok := errors.AsType[*Fork](err); ok {
		r.report.Fork = fork
		r.find(Finding{Kind: KindFork, Record: -1, What: "the log has signed two histories"})
	}
	if err != nil {
		err = fmt.Errorf("audit of %s: %w", a.Name, err)
	}
	return r.report, err
}

// A run is one audit under way. It belongs to one goroutine.
type run struct {
	Auditor
	report Report
	head   Head // signed

	edge   map[tlog.Tile][]byte // the tiles at the right edge that prove the head; nil if they do not
	levels []level              // the tile that is being read of each level
	front  frontier             // of the tree of the records so far
	broken bool                 // there was a record whose hash is not known, so front is void
	absent int                  // how many files of records, the latest ones in a row, have none

	twice  twice
	sample sample
}

// run audits the log, and says whether all was read.
func (r *run) run(ctx context.Context, last Seen) (bool, error) {
	seen, err := r.openSeen(last)
	if err != nil {
		return false, err
	}
	if ok, err := r.readHead(ctx); !ok || err != nil {
		return false, err
	}
	if proven, err := r.goesOn(ctx, seen); err != nil {
		return false, err
	} else if proven {
		r.report.Seen.Signed = []byte(r.head.Signed)
	}
	if r.Since {
		r.report.From = min(last.Size, r.head.Size)
	}
	complete, err := r.walk(ctx)
	if err != nil {
		return false, err
	}
	if err := r.findTwice(ctx); err != nil {
		return false, err
	}
	return complete, r.lookups(ctx)
}

// read returns how many records of the head in Report.Seen need not be read again.
func (r *run) read(last Seen) int64 {
	switch {
	case r.report.Head == nil || r.report.RolledBack:
		return last.Size // this audit says nothing of that head
	case r.report.damaged():
		return min(last.Size, r.report.From)
	case r.report.Complete:
		return r.head.Size
	default:
		return last.Size
	}
}

// readHead reads the log's head. Without one that is signed there is nothing to audit.
func (r *run) readHead(ctx context.Context) (bool, error) {
	name, parse := "latest", tlog.ParseTree
	if r.Format == TilesFormat {
		name, parse = "checkpoint", r.parseCheckpoint
	}
	signed, err := r.Get(ctx, name)
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", name, err)
	}
	if r.head, err = r.open(signed, parse); err == nil {
		head := r.head // not the run, which is large
		r.report.Head = &head
		var empty tlog.Hash
		if empty, err = tlog.TreeHash(0, nil); err == nil && r.head.Size == 0 && r.head.Hash != empty {
			err = errors.New("its hash is not that of an empty tree")
		}
	}
	if err != nil {
		r.find(Finding{Kind: KindHead, Name: name, Record: -1, What: err.Error()})
		return false, nil
	}
	return true, nil
}

// Folder returns a function for [Auditor.Get] that reads a log kept as files in fsys.
func Folder(fsys fs.FS) func(context.Context, string) ([]byte, error) {
	return func(ctx context.Context, name string) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !fs.ValidPath(name) {
			return nil, fmt.Errorf("%q is not the name of a file", name)
		}
		info, err := fs.Stat(fsys, name)
		if err != nil {
			return nil, err
		}
		// In tlog-tiles, tile/0/000 may be a file and tile/0/000.p a folder, but
		// nothing is both.
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a file", name)
		}
		if info.Size() > maxBundle {
			return nil, fmt.Errorf("%s has %d bytes, more than any file of a log", name, info.Size())
		}
		return fs.ReadFile(fsys, name)
	}
}
