package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
	"sync"

	"github.com/godown-dev/godown"
)

const (
	magic     = "gdindex1"
	blockSize = 4096
	entrySize = 12
	perBlock  = 341           // entries of a data block
	perFence  = 511           // keys of a block of fences
	payload   = blockSize - 4 // what the checksum at a block's end is of
	identSize = sha256.Size
	readAhead = 64 // blocks that are read at once where all are read
)

// blocks are buffers for one block each.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// A label is what a segment's bytes depend on besides its entries.
type label struct {
	plan  plan
	at    place
	ident [identSize]byte
}

// newLabel returns the label of a segment; bind is what identifies its records.
func newLabel(p plan, at place, bind []byte) label {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%q %d %d %d\n", magic, p.name(at), p.base, at.level, at.n)
	h.Write(bind)
	l := label{plan: p, at: at}
	h.Sum(l.ident[:0])
	return l
}

// count returns how many entries the segment has.
func (l *label) count() int64 { return l.plan.width(l.at.level) }

// layout returns how many data blocks and how many blocks of fences a segment
// of count entries has, and its length in bytes.
func layout(count int64) (data, fences, size int64) {
	data = (count + perBlock - 1) / perBlock
	fences = (data + perFence - 1) / perFence
	return data, fences, (1 + data + fences) * blockSize
}

// header fills a block with the header, all but the checksum.
func (l *label) header(block []byte) {
	b := append(block[:0], magic...)
	for _, v := range []int64{int64(l.at.level), l.at.n, l.plan.base, l.count()} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	b = append(b, l.ident[:]...)
	clear(block[len(b):])
}

// sum returns the checksum of the segment's block number no.
func (l *label) sum(block []byte, no int64) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	var start [identSize + 8]byte
	copy(start[:], l.ident[:])
	binary.BigEndian.PutUint64(start[identSize:], uint64(no))
	return crc32.Update(crc32.Checksum(start[:], table), table, block[:payload])
}

// seal sets the block's checksum.
func (l *label) seal(block []byte, no int64) {
	binary.BigEndian.PutUint32(block[payload:], l.sum(block, no))
}

// check reports what is wrong with a block.
func (l *label) check(block []byte, no int64) error {
	if l.sum(block, no) != binary.BigEndian.Uint32(block[payload:]) {
		return l.damage("block %d has a wrong checksum", no)
	}
	return nil
}

// damage says that a segment is not what was written, or not what its name says.
func (l *label) damage(format string, args ...any) error {
	return fmt.Errorf("segment %s is damaged or another log's: %s", l.plan.name(l.at), fmt.Sprintf(format, args...))
}

// entries returns how many entries data block i has.
func (l *label) entries(i int64) int { return int(min(perBlock, l.count()-i*perBlock)) }

// entryAt returns an entry of a data block.
func entryAt(block []byte, i int) entry {
	return entry{keyAt(block, i), binary.BigEndian.Uint32(block[i*entrySize+8:])}
}

func keyAt(block []byte, i int) Key { return Key(binary.BigEndian.Uint64(block[i*entrySize:])) }

// A segment is a file of sorted entries. Its blocks are checked as they are read.
type segment struct {
	label
	file   *godown.File
	r      io.ReaderAt
	fences []Key // the first of each data block
}

// openSegment reads header and fences. It owns the file, also when it fails. A
// file that cannot be read at any place is read whole, and kept in memory.
func openSegment(file *godown.File, l label) (_ *segment, err error) {
	s := &segment{label: l, file: file}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	data, _, size := layout(l.count())
	if file.Size >= 0 && file.Size != size {
		return nil, l.damage("it has %d bytes, not %d", file.Size, size)
	}
	if s.r, err = readerAt(file, size); err != nil {
		return nil, err
	}
	head, block := make([]byte, blockSize), make([]byte, blockSize)
	if err := s.read(block, 0); err != nil {
		return nil, err
	}
	if l.header(head); !bytes.Equal(head[:payload], block[:payload]) {
		return nil, l.damage("its header is not that of this segment")
	}
	s.fences = make([]Key, 0, data)
	for no := 1 + data; int64(len(s.fences)) < data; no++ {
		if err := s.read(block, no); err != nil {
			return nil, err
		}
		for i := 0; i < perFence && int64(len(s.fences)) < data; i++ {
			s.fences = append(s.fences, Key(binary.BigEndian.Uint64(block[i*8:])))
		}
	}
	for i := 1; i < len(s.fences); i++ {
		if s.fences[i-1] > s.fences[i] {
			return nil, l.damage("its blocks are not in order")
		}
	}
	return s, nil
}

// readerAt returns a reader of the file, which has size bytes.
func readerAt(file *godown.File, size int64) (io.ReaderAt, error) {
	if r, ok := file.Body.(io.ReaderAt); ok {
		return r, nil
	}
	if file.Body == nil {
		return bytes.NewReader(file.Data), nil
	}
	data, err := io.ReadAll(io.LimitReader(file.Body, size+1))
	if err == nil && int64(len(data)) != size {
		err = fmt.Errorf("%d bytes or more, not %d", len(data), size)
	}
	return bytes.NewReader(data), err
}

func (s *segment) close() { s.file.Close() }

// read reads whole blocks from number no on, and checks them.
func (s *segment) read(buf []byte, no int64) error {
	if n, err := s.r.ReadAt(buf, no*blockSize); n < len(buf) { // with all bytes there may be an io.EOF
		return s.damage("block %d: %v", no, err)
	}
	for ; len(buf) > 0; no++ {
		if err := s.check(buf[:blockSize], no); err != nil {
			return err
		}
		buf = buf[blockSize:]
	}
	return nil
}

// find appends the numbers of the records with that key.
func (s *segment) find(key Key, numbers []int64) ([]int64, error) {
	// The key's first entry is in the last block that begins below it, or
	// begins the next one.
	i := max(0, sort.Search(len(s.fences), func(i int) bool { return s.fences[i] >= key })-1)
	buf := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(buf)
	block := buf[:]
	first := s.at.n * s.count()
	for ; i < len(s.fences) && s.fences[i] <= key; i++ {
		if err := s.read(block, 1+int64(i)); err != nil {
			return nil, err
		}
		n := s.entries(int64(i))
		if keyAt(block, 0) != s.fences[i] {
			return nil, s.damage("block %d does not begin as its fence says", 1+i)
		}
		for j := sort.Search(n, func(j int) bool { return keyAt(block, j) >= key }); j < n; j++ {
			e := entryAt(block, j)
			if e.key != key {
				return numbers, nil
			}
			if int64(e.number) >= s.count() {
				return nil, s.damage("block %d has number %d of %d", 1+i, e.number, s.count())
			}
			numbers = append(numbers, first+int64(e.number))
		}
	}
	return numbers, nil
}

// A cursor reads all entries of a segment in order.
type cursor struct {
	seg  *segment
	buf  []byte // the blocks that are left of what was read
	room []byte
	no   int64 // the data block behind buf
	i    int   // the next entry in the first block of buf
	at   int64 // entries read
	last entry
}

func newCursor(s *segment) *cursor {
	data, _, _ := layout(s.count())
	return &cursor{seg: s, room: make([]byte, min(data, readAhead)*blockSize)}
}

// next returns the next entry, and io.EOF behind the last one.
func (c *cursor) next() (entry, error) {
	if c.at == c.seg.count() {
		return entry{}, io.EOF
	}
	if c.i == perBlock {
		c.buf, c.i = c.buf[blockSize:], 0
	}
	if len(c.buf) == 0 {
		data := int64(len(c.seg.fences))
		c.buf = c.room[:min(data-c.no, readAhead)*blockSize]
		if err := c.seg.read(c.buf, 1+c.no); err != nil {
			return entry{}, err
		}
		c.no += int64(len(c.buf)) / blockSize
	}
	e := entryAt(c.buf, c.i)
	if c.i == 0 && e.key != c.seg.fences[c.at/perBlock] {
		return e, c.seg.damage("block %d does not begin as its fence says", 1+c.at/perBlock)
	}
	if int64(e.number) >= c.seg.count() || c.at > 0 && compare(c.last, e) >= 0 {
		return e, c.seg.damage("entry %d is out of order or range", c.at)
	}
	c.last = e
	c.at++
	c.i++
	return e, nil
}

// verify reads all of a segment.
func (s *segment) verify() error {
	c := newCursor(s)
	for {
		if _, err := c.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
