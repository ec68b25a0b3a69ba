package index

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

const (
	fan      = 4       // segments that are merged into one
	maxCount = 1 << 32 // records of a segment: numbers in it have 4 bytes
)

// A place says which range a run or a segment covers.
type place struct {
	level int
	n     int64 // of that level
}

// parent returns the place of which p is a part.
func (p place) parent() place { return place{p.level + 1, p.n / fan} }

// child returns the i-th of the parts of p.
func (p place) child(i int64) place { return place{p.level - 1, p.n*fan + i} }

// A plan says where the segments of an Index are.
type plan struct {
	prefix string
	base   int64 // records of a range of level 0
}

// width returns how many records a range of a level has.
func (p plan) width(level int) int64 { return p.base << (2 * level) }

// top returns the widest level.
func (p plan) top() int {
	level := 0
	for p.width(level+1) <= maxCount {
		level++
	}
	return level
}

func (p plan) name(at place) string {
	return p.prefix + strconv.Itoa(at.level) + "/" + strconv.FormatInt(at.n, 10)
}

// parse is the reverse of name.
func (p plan) parse(name string) (at place, ok bool) {
	rest, ok := strings.CutPrefix(name, p.prefix)
	level, n, cut := strings.Cut(rest, "/")
	if !ok || !cut {
		return at, false
	}
	var err1, err2 error
	at.level, err1 = strconv.Atoi(level)
	at.n, err2 = strconv.ParseInt(n, 10, 64)
	ok = err1 == nil && err2 == nil && 0 <= at.level && at.level <= p.top() && 0 <= at.n &&
		at.n < 1<<62/p.width(at.level) && p.name(at) == name
	return at, ok
}

// An entry is a key and the number of its record, from the range's first on.
type entry struct {
	key    Key
	number uint32
}

func compare(a, b entry) int {
	switch {
	case a.key < b.key || a.key == b.key && a.number < b.number:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// sorted returns the entries of a range with these keys.
func sorted(keys []Key) []entry {
	entries := make([]entry, len(keys))
	for i, k := range keys {
		entries[i] = entry{k, uint32(i)}
	}
	slices.SortFunc(entries, compare)
	return entries
}

// A run holds the entries of one range, in memory or in a file.
type run struct {
	place
	first, count int64
	mem          []entry  // sorted; or else
	seg          *segment // which it owns

	refs atomic.Int32 // the Index and whoever reads; the last one closes the file
}

func newRun(p plan, at place, mem []entry) *run {
	width := p.width(at.level)
	r := &run{place: at, first: at.n * width, count: width, mem: mem}
	r.refs.Store(1)
	return r
}

// release gives up one reference.
func (r *run) release() {
	if r.refs.Add(-1) == 0 && r.seg != nil {
		r.seg.close()
	}
}

// find appends the numbers of the records with that key.
func (r *run) find(key Key, numbers []int64) ([]int64, error) {
	if r.seg != nil {
		return r.seg.find(key, numbers)
	}
	i, _ := slices.BinarySearchFunc(r.mem, entry{key: key}, compare)
	for ; i < len(r.mem) && r.mem[i].key == key; i++ {
		numbers = append(numbers, r.first+int64(r.mem[i].number))
	}
	return numbers, nil
}

func (r *run) String() string {
	return fmt.Sprintf("the segment of records %d to %d", r.first, r.first+r.count-1)
}

// A tail holds the records behind the last whole range.
type tail struct {
	first int64
	keys  []Key
	last  map[Key]int32 // the last of keys that is this one
	prev  []int32       // the one before that is the same; -1 if none
}

func newTail(first int64) tail { return tail{first: first, last: make(map[Key]int32)} }

func (t *tail) end() int64 { return t.first + int64(len(t.keys)) }

func (t *tail) add(keys []Key) {
	for _, k := range keys {
		before, ok := t.last[k]
		if !ok {
			before = -1
		}
		t.last[k] = int32(len(t.keys))
		t.keys = append(t.keys, k)
		t.prev = append(t.prev, before)
	}
}

func (t *tail) find(key Key) []int64 {
	var numbers []int64
	if i, ok := t.last[key]; ok {
		for ; i >= 0; i = t.prev[i] {
			numbers = append(numbers, t.first+int64(i))
		}
	}
	slices.Reverse(numbers)
	return numbers
}
