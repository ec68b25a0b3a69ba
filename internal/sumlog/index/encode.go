package index

import (
	"encoding/binary"
	"fmt"
	"io"
)

// A source gives the entries of a range in order, and io.EOF behind the last one.
type source func() (entry, error)

// An encoder is the content of a segment, made as it is read.
type encoder struct {
	label
	next   source
	block  [blockSize]byte
	rest   []byte // of block, not yet read
	no     int64  // the next block
	fences []Key
	given  int   // of fences
	err    error // of next, or io.EOF
}

func newEncoder(l label, next source) *encoder {
	return &encoder{label: l, next: next}
}

// Read reads on.
func (e *encoder) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(e.rest) == 0 {
			if e.err == nil {
				e.err = e.fill()
			}
			if e.err != nil {
				break
			}
		}
		k := copy(p[n:], e.rest)
		e.rest = e.rest[k:]
		n += k
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, e.err
}

// fill makes the next block.
func (e *encoder) fill() error {
	data, fences, _ := layout(e.count())
	block := e.block[:]
	clear(block)
	switch {
	case e.no == 0:
		e.header(block)
	case e.no <= data:
		for i := range e.entries(e.no - 1) {
			v, err := e.next()
			if err != nil {
				if err == io.EOF {
					err = fmt.Errorf("segment %s: too few entries", e.plan.name(e.at))
				}
				return err
			}
			if i == 0 {
				e.fences = append(e.fences, v.key)
			}
			binary.BigEndian.PutUint64(block[i*entrySize:], uint64(v.key))
			binary.BigEndian.PutUint32(block[i*entrySize+8:], v.number)
		}
	case e.no <= data+fences:
		for i := 0; i < perFence && e.given < len(e.fences); i++ {
			binary.BigEndian.PutUint64(block[i*8:], uint64(e.fences[e.given]))
			e.given++
		}
	default:
		return io.EOF
	}
	e.seal(block, e.no)
	e.no++
	e.rest = block
	return nil
}

// each returns a source of sorted entries.
func each(entries []entry) source {
	i := 0
	return func() (entry, error) {
		if i == len(entries) {
			return entry{}, io.EOF
		}
		i++
		return entries[i-1], nil
	}
}

// A broken error says which run could not be read.
type broken struct {
	run *run
	err error
}

func (b *broken) Error() string { return b.err.Error() }
func (b *broken) Unwrap() error { return b.err }

// merged returns a source of what neighbours hold, whose files are read as it
// goes on. Its errors are of type *broken.
func merged(runs []*run) source {
	cursors := make([]*cursor, len(runs))
	heads := make([]entry, len(runs))
	over := make([]bool, len(runs))
	advance := func(i int) error {
		e, err := cursors[i].next()
		if err == io.EOF {
			over[i] = true
			return nil
		}
		if err != nil {
			return &broken{runs[i], err}
		}
		e.number += uint32(runs[i].first - runs[0].first)
		heads[i] = e
		return nil
	}
	begun := false
	return func() (entry, error) {
		for i := 0; i < len(runs) && !begun; i++ {
			cursors[i] = newCursor(runs[i].seg)
			if err := advance(i); err != nil {
				return entry{}, err
			}
		}
		begun = true
		best := -1
		for i := range heads { // of equal keys the first run's have the lower numbers
			if !over[i] && (best < 0 || heads[i].key < heads[best].key) {
				best = i
			}
		}
		if best < 0 {
			return entry{}, io.EOF
		}
		e := heads[best]
		return e, advance(best)
	}
}
