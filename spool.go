package godown

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// spoolMemory is how much of a body a spool keeps in memory before it
	// takes a temporary file.
	spoolMemory = 128 << 10
	// heldTail is how much of a body readers don't get before it is verified.
	// Without its last bytes nobody can mistake a zip for a whole one.
	heldTail = 64 << 10
	// overflowChunk is the unit of what is kept in memory when the disk fails.
	overflowChunk = 256 << 10
)

// A spool takes a body from one writer and gives it to any number of readers
// while it arrives, but for its tail, which it holds back until release.
//
// It lives in memory while it is small, then in a temporary file. When the disk
// fails, what does not get there stays in memory, within a bound that all
// spools share: readers notice nothing.
type spool struct {
	size     int64                    // of the whole body; -1 if not known, then readers get nothing before release
	stage    func() (*os.File, error) // makes a temporary file
	overflow *budget                  // for what the disk does not take
	refs     atomic.Int32             // the writer and the readers; the last one removes the temporary file

	mu      sync.Mutex    // guards the fields below; not held during I/O
	wake    chan struct{} // closed, and replaced, whenever readers may go on
	n       int64         // written
	mem     []byte        // all of it, while file is nil
	file    *os.File      // the first inFile bytes, once mem is too small
	inFile  int64
	gaps    []extent // what lies in file behind the first gap, in order: bodies that arrive in pieces
	over    [][]byte // what comes behind inFile, or mem, in chunks of one size: the disk has failed
	inOver  int64    // bytes in over; of the writer alone
	diskErr error    // why
	open    bool     // released: readers get everything
	err     error    // failed: readers get this
}

func newSpool(size int64, stage func() (*os.File, error), overflow *budget) *spool {
	s := &spool{size: size, stage: stage, overflow: overflow, wake: make(chan struct{})}
	s.refs.Store(1)
	return s
}

// Write appends p. There is only one writer. Its errors mean that neither disk
// nor memory takes more.
func (s *spool) Write(p []byte) (int, error) {
	if err := s.keep(p); err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.n += int64(len(p))
	s.broadcast()
	s.mu.Unlock()
	return len(p), nil
}

// keep puts p on the disk or in memory. Only the writer changes these fields,
// so it may read them without the lock.
func (s *spool) keep(p []byte) error {
	if s.file == nil && s.diskErr == nil && len(s.mem)+len(p) <= spoolMemory {
		s.mu.Lock()
		s.mem = append(s.mem, p...)
		s.mu.Unlock()
		return nil
	}
	if s.file == nil && s.diskErr == nil {
		s.spill()
	}
	if s.diskErr == nil {
		n, err := s.file.Write(p)
		s.mu.Lock()
		s.inFile += int64(n)
		s.diskErr = err
		s.mu.Unlock()
		p = p[n:]
	}
	return s.keepOver(p)
}

// An extent is a stretch of a body.
type extent struct{ off, end int64 }

// scattered prepares the spool for WriteAt, in place of Write, and reports
// whether that is possible: pieces need a disk.
func (s *spool) scattered() bool {
	if s.file == nil && s.diskErr == nil {
		s.spill()
	}
	return s.diskErr == nil && s.size > 0
}

// WriteAt writes p at off. Many may write at once, each in his own place.
// Readers get what has no gap before it.
func (s *spool) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > s.size {
		return 0, errors.New("a piece of the body lies outside of it")
	}
	n, err := s.file.WriteAt(p, off)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.diskErr = err
		return n, &diskError{err}
	}
	s.gaps = addExtent(s.gaps, extent{off, off + int64(n)})
	if first := s.gaps[0]; first.off <= s.n {
		if first.end > s.n {
			s.n, s.inFile = first.end, first.end
			s.broadcast()
		}
		s.gaps = s.gaps[1:]
	}
	return n, nil
}

// addExtent puts e into the ordered list, joining what touches.
func addExtent(list []extent, e extent) []extent {
	i, _ := slices.BinarySearchFunc(list, e, func(a, b extent) int { return cmp.Compare(a.off, b.off) })
	list = slices.Insert(list, i, e)
	if i > 0 && list[i-1].end >= e.off {
		list[i-1].end = max(list[i-1].end, e.end)
		list = slices.Delete(list, i, i+1)
		i--
	}
	for i+1 < len(list) && list[i].end >= list[i+1].off {
		list[i].end = max(list[i].end, list[i+1].end)
		list = slices.Delete(list, i+1, i+2)
	}
	return list
}

// spill moves what is in memory to a new temporary file.
func (s *spool) spill() {
	file, err := s.stage()
	if err == nil {
		if _, err = file.Write(s.mem); err != nil {
			file.Close()
			os.Remove(file.Name())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.diskErr = err
		return
	}
	s.file, s.inFile, s.mem = file, int64(len(s.mem)), nil
}

// keepOver keeps p in memory, in place of the failed disk.
func (s *spool) keepOver(p []byte) error {
	for len(p) > 0 {
		at := s.inOver % overflowChunk
		if at == 0 {
			if !s.overflow.take(overflowChunk) {
				return fmt.Errorf("the disk takes no more, and neither does memory: %w", s.diskErr)
			}
			s.mu.Lock()
			s.over = append(s.over, make([]byte, overflowChunk))
			s.mu.Unlock()
		}
		// Readers stay below s.n, which does not count these bytes yet.
		n := copy(s.over[len(s.over)-1][at:], p)
		s.inOver += int64(n)
		p = p[n:]
	}
	return nil
}

// broadcast wakes all who wait. Caller holds s.mu.
func (s *spool) broadcast() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// release gives readers everything: the content is complete and verified.
func (s *spool) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = true
	s.broadcast()
}

// fail ends all readers that want more than they have with err.
func (s *spool) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.broadcast()
}

// readable returns how many bytes readers may have now. Caller holds s.mu.
func (s *spool) readable() int64 {
	switch {
	case s.open:
		return s.n
	case s.size < 0 || s.err != nil:
		return 0
	}
	return max(0, min(s.n, s.size-heldTail))
}

// wait waits until more than off bytes are readable, and returns how many are.
// When the spool is released and has no more it returns io.EOF.
func (s *spool) wait(ctx context.Context, off int64) (int64, error) {
	for {
		s.mu.Lock()
		avail, open, err, wake := s.readable(), s.open, s.err, s.wake
		s.mu.Unlock()
		switch {
		case avail > off:
			return avail, nil
		case err != nil:
			return 0, err
		case open:
			return avail, io.EOF
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// written returns the number of bytes written.
func (s *spool) written() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// ReadAt reads what was written, whether or not it was released.
func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	n, mem, file, inFile, over := s.n, s.mem, s.file, s.inFile, s.over
	s.mu.Unlock()
	if off >= n {
		return 0, io.EOF
	}
	short := int64(len(p)) > n-off
	if short {
		p = p[:n-off]
	}
	read := 0
	if file != nil && off < inFile {
		got, err := file.ReadAt(p[:min(int64(len(p)), inFile-off)], off)
		if read += got; err != nil && err != io.EOF || got == 0 {
			return read, errors.Join(err, errShortSpool)
		}
	} else if off < int64(len(mem)) {
		read += copy(p, mem[off:])
	}
	base := max(inFile, int64(len(mem)))
	for read < len(p) {
		at := off + int64(read) - base
		if at < 0 || at/overflowChunk >= int64(len(over)) {
			return read, errShortSpool
		}
		read += copy(p[read:], over[at/overflowChunk][at%overflowChunk:])
	}
	if short {
		return read, io.EOF
	}
	return read, nil
}

var errShortSpool = errors.New("a temporary file has become shorter than it was written")

// store puts the whole content into the store; readers can go on reading.
func (s *spool) store(ctx context.Context, to Store, name string) error {
	switch {
	case s.diskErr != nil:
		return s.diskErr
	case s.file == nil:
		return to.Put(ctx, name, bytes.NewReader(s.mem))
	}
	if st, ok := to.(stager); !ok || st == nil {
		return to.Put(ctx, name, io.NewSectionReader(s.file, 0, s.n))
	}
	return to.Put(ctx, name, s.file)
}

// reopen returns the temporary file with a position of its own, or nil.
func (s *spool) reopen() *os.File {
	s.mu.Lock()
	file := s.file
	s.mu.Unlock()
	if file == nil {
		return nil
	}
	f, err := os.Open(file.Name())
	if err != nil { // it has been moved into the store
		return nil
	}
	return f
}

// onDisk returns how many of the first bytes are in the temporary file.
func (s *spool) onDisk() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inFile
}

func (s *spool) retain() { s.refs.Add(1) }

// drop gives up a reference.
func (s *spool) drop() {
	if s.refs.Add(-1) > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overflow.give(int64(len(s.over)) * overflowChunk)
	s.over = nil
	if s.file == nil {
		return
	}
	s.file.Close()
	os.Remove(s.file.Name()) // no longer there if it was moved into the store
}

// A budget is a number of bytes that may be in use at once.
type budget struct{ left atomic.Int64 }

func newBudget(n int64) *budget {
	b := new(budget)
	b.left.Store(n)
	return b
}

func (b *budget) take(n int64) bool {
	if b.left.Add(-n) < 0 {
		b.left.Add(n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.left.Add(n) }
