package godown

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// A sighting is that a proven head had so many records when our clock said so.
// All records below size were born before time.
type sighting struct {
	size int64
	time int64 // Unix, in s, rounded up
}

// A timeline are sightings in order: each has a greater size and a later time
// than the one before it.
type timeline []sighting

// sightingEvery is how far sightings are apart, in s; only the last two may be closer.
const sightingEvery = 10 * 60

// add adds a sighting of a size that is greater than all. A bound may be too
// late but never too early: if the clock has gone back, it was wrong before or
// is wrong now, and the later time is the one that is surely no lie.
func (l timeline) add(p sighting) timeline {
	n := len(l)
	if n == 0 {
		return append(l, p)
	}
	if p.size <= l[n-1].size {
		return l
	}
	p.time = max(p.time, l[n-1].time)
	if p.time == l[n-1].time || n > 1 && p.time-l[n-2].time < sightingEvery {
		l[n-1] = p
		return l
	}
	return append(l, p)
}

// join returns the sightings of both, of which each may be in any order.
func (l timeline) join(other []sighting) timeline {
	all := slices.Concat(l, other)
	slices.SortFunc(all, func(a, b sighting) int {
		return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.time, b.time))
	})
	var out timeline
	for _, p := range all {
		out = out.add(p)
	}
	return out
}

// bornBefore returns the time of the first sighting of record id.
func (l timeline) bornBefore(id int64) (time.Time, bool) {
	i, _ := slices.BinarySearchFunc(l, id, func(p sighting, id int64) int {
		if p.size > id {
			return 1
		}
		return -1
	})
	if i == len(l) {
		return time.Time{}, false
	}
	return time.Unix(l[i].time, 0).UTC(), true
}

// since returns the sightings from a time on.
func (l timeline) since(t int64) timeline {
	i, _ := slices.BinarySearchFunc(l, t, func(p sighting, t int64) int { return cmp.Compare(p.time, t) })
	return l[i:]
}

// month returns the name of the file for a sighting, such as heads/2026-11.
func (p sighting) month() string { return "heads/" + time.Unix(p.time, 0).UTC().Format("2006-01") }

// The stored form is a line for each sighting: size, time, and a checksum
// without which a flipped bit could make a record older than it is.

// sightingsHead begins a file of sightings, for people.
const sightingsHead = "# records in the tree, Unix time by which there were so many, checksum\n"

func (p sighting) appendTo(b []byte, database string) []byte {
	line := fmt.Sprintf("%d %d", p.size, p.time)
	return fmt.Appendf(b, "%s %08x\n", line, crc32.ChecksumIEEE([]byte(database+" "+line)))
}

func formatSightings(l timeline, database string) []byte {
	b := []byte(sightingsHead)
	for _, p := range l {
		b = p.appendTo(b, database)
	}
	return b
}

// parseSightings returns the good lines of a file, and how many are bad.
func parseSightings(data []byte, database string) (l timeline, bad int) {
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, []byte("#")) {
			continue
		}
		size, rest, _ := strings.Cut(string(line), " ")
		at, _, _ := strings.Cut(rest, " ")
		var p sighting
		var err, err2 error
		p.size, err = strconv.ParseInt(size, 10, 64)
		p.time, err2 = strconv.ParseInt(at, 10, 64)
		if err != nil || err2 != nil || p.size <= 0 || p.time <= 0 || !bytes.Equal(p.appendTo(nil, database), line) {
			bad++
			continue
		}
		l = append(l, p)
	}
	return timeline(nil).join(l), bad
}

// sightings are the timeline of a database, in memory and in its store.
type sightings struct {
	saving sync.Mutex // held while files are written

	mu     sync.Mutex // guards the fields below
	loaded bool
	list   timeline
	dirty  int64 // from that time on, sightings are not all stored; 0: they are
	saved  int64 // time of the newest when it was last decided to store them
}

// sighted notes that a head of size records has just been proven.
func (s *Sums) sighted(size int64) {
	now := time.Now()
	p := sighting{size, now.Unix()}
	if now.Nanosecond() > 0 {
		p.time++ // never too early
	}
	w := &s.seen
	w.mu.Lock()
	n := len(w.list)
	if p.time <= 0 || size <= 0 || n > 0 && size <= w.list[n-1].size {
		w.mu.Unlock()
		return
	}
	w.list = w.list.add(p)
	p = w.list[len(w.list)-1]
	if w.dirty == 0 {
		w.dirty = p.time
	}
	due := w.saved == 0 || p.time-w.saved >= sightingEvery
	if due {
		w.saved = p.time
	}
	w.mu.Unlock()
	if due {
		s.later(s.saveSightings)
	}
}

// loadSightings reads what was stored, once.
func (s *Sums) loadSightings(ctx context.Context) error {
	w := &s.seen
	w.mu.Lock()
	loaded := w.loaded
	w.mu.Unlock()
	if loaded {
		return nil
	}
	var stored timeline
	for e, err := range s.Store.List(ctx, s.storeName("heads/")) {
		var data []byte
		if err == nil {
			data, err = s.load(ctx, strings.TrimPrefix(e.Name, s.storeName("")))
		}
		if err != nil {
			return fmt.Errorf("when checksum database %s had how many records: %w", s.Spec.Name, err)
		}
		l, bad := parseSightings(data, s.Spec.Name)
		if bad > 0 {
			s.Alarm(Alarm{Kind: "rot", Origin: s.Spec.Name, Err: fmt.Errorf("%s: %d lines are damaged, and left out", e.Name, bad)})
		}
		stored = append(stored, l...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.loaded {
		w.list, w.loaded = w.list.join(stored), true
	}
	return nil
}

// saveSightings stores what is new, by months. Another process may have stored
// its own: they are joined, and should both write at once some are lost, which
// makes bounds later but not wrong.
func (s *Sums) saveSightings(ctx context.Context) {
	w := &s.seen
	w.saving.Lock()
	defer w.saving.Unlock()
	w.mu.Lock()
	dirty := w.dirty
	from := time.Unix(dirty, 0).UTC() // whole months, should what is stored of them be damaged
	from = time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC)
	fresh := slices.Clone(w.list.since(from.Unix()))
	w.dirty = 0
	w.mu.Unlock()
	if dirty == 0 {
		return
	}
	months := make(map[string]timeline)
	for _, p := range fresh {
		months[p.month()] = append(months[p.month()], p)
	}
	for name, list := range months {
		stored, err := s.load(ctx, name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			old, _ := parseSightings(stored, s.Spec.Name)
			err = s.Store.Put(ctx, s.storeName(name), bytes.NewReader(formatSightings(list.join(old), s.Spec.Name)))
		}
		if err != nil {
			s.Alarm(Alarm{Kind: "store", Err: err})
			w.mu.Lock()
			w.dirty = dirty
			w.mu.Unlock()
		}
	}
}

// BornBefore returns the earliest time at which, by our clock, a head was known
// to be the database's that covers its record of a module version. The version
// existed by then, whatever its author makes its commits say; how long before
// then, nobody can tell. The time may be too late: a record is covered when it
// is first heard of, times are kept some 10 minutes apart, and when the clock
// was set back the later time stands. It is too early only if the clock was
// slow when a head was first seen, and nothing seen earlier tells that.
//
// It returns false if there is no bound: the module is private, or ctx is of
// [CachedOnly] and the record is not at hand. That the database has no record is
// an fs.ErrNotExist.
func (s *Sums) BornBefore(ctx context.Context, path, version string) (time.Time, bool, error) {
	s.once.Do(s.init)
	if s.private(path) {
		return time.Time{}, false, nil
	}
	var record []byte
	var err error
	if IsCachedOnly(ctx) {
		name, bad := lookupName(path, version)
		if bad != nil {
			return time.Time{}, false, nil
		}
		if record, err = s.atHand(ctx, name); err != nil {
			return time.Time{}, false, nil
		}
	} else if record, err = s.Lookup(ctx, path, version); err != nil {
		return time.Time{}, false, err
	}
	id, _, _, err := tlog.ParseRecord(record)
	if err != nil {
		return time.Time{}, false, err
	}
	if err := s.loadSightings(ctx); err != nil {
		return time.Time{}, false, err
	}
	t, ok := s.seen.bornBefore(id)
	if !ok { // the head that has just proven it is being noted
		head, _ := s.latest()
		s.sighted(head.N)
		t, ok = s.seen.bornBefore(id)
	}
	return t, ok, nil
}

func (w *sightings) bornBefore(id int64) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list.bornBefore(id)
}
