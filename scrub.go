package godown

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// ScrubStats are what [Cache.Scrub] has counted in this process's life, and where it is.
type ScrubStats struct {
	Good, Unproven, Bad, Unreadable int64 // files, by verdict

	Bytes    int64     // that were read
	Repaired int64     // files that were bad, and had others take their place
	Complete time.Time // when it had last been through all files, also before a restart; zero: never
	Position float64   // the share of the files that this pass is through with, from 0 to 1
}

// scrubbing is what a Cache knows of its Scrub.
type scrubbing struct {
	mu    sync.Mutex // guards stats
	stats ScrubStats
}

// ScrubStats returns the counts of this moment.
func (c *Cache) ScrubStats() ScrubStats {
	c.scrubbing.mu.Lock()
	defer c.scrubbing.mu.Unlock()
	return c.scrubbing.stats
}

func (s *scrubbing) change(f func(*ScrubStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

const (
	scrubName   = "scrub/position"      // in Answers
	scrubBatch  = 16 << 10              // names kept in memory at most
	scrubWalk   = 24 * time.Hour        // the store is looked through so often at least, for what is new
	scrubSave   = time.Minute           // the position is written so often at most
	scrubWork   = 20 * time.Millisecond // work before a rest
	scrubShare  = 9                     // a rest is so many times as long as the work before it
	scrubRest   = 30 * time.Second      // the longest rest
	wholeCircle = 1 << 64               // of keys
)

// Scrub checks every stored file once in a period, again and again, until ctx
// ends; a period of 0 is never. What is bad is set aside and fetched anew. The
// files of others are checked, too, but nothing is changed there: what is bad
// is told by an alarm.
//
// It takes a tenth of a core and of the disk at most; where that is not enough,
// a pass takes longer than the period. Where it is, is kept in Answers, so
// that the next process goes on from there. Memory does not grow with the store.
func (c *Cache) Scrub(ctx context.Context, period time.Duration, others ...Store) {
	c.once.Do(c.init)
	if period <= 0 {
		return
	}
	s := &scrubber{cache: c, stores: append([]Store{c.Store}, others...), period: period}
	s.load(ctx)
	for ctx.Err() == nil {
		s.stretch(ctx)
	}
	s.save(context.WithoutCancel(ctx))
}

// A scrubber goes round a circle: each file's place on it is a hash of its
// name, so that files are spread evenly over it whatever they are called, and a
// place on it stands for a moment of the period. It needs to know neither how
// many files there are nor in which order a store lists them.
type scrubber struct {
	cache  *Cache
	stores []Store
	period time.Duration
	pace   pace

	scrubPosition
	holes   bool // some files could not be listed in this pass
	saved   time.Time
	unsaved bool // the position could not be written; that was told
}

// A scrubPosition is what outlives the process.
type scrubPosition struct {
	Began    time.Time // when this pass would have begun, had it been on time ever since
	At       uint64    `json:",string"` // all files up to here were checked
	Complete time.Time // the end of the last complete pass
}

// A scrubFile is a file that is to be checked.
type scrubFile struct {
	key   uint64
	store int // index in stores
	req   Request
}

func scrubKey(store int, name string) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", store, name))
	return binary.BigEndian.Uint64(sum[:])
}

// due returns when a place on the circle has its turn.
func (s *scrubber) due(key uint64) time.Time {
	return s.Began.Add(time.Duration(float64(key) / wholeCircle * float64(s.period)))
}

// load reads the position of this process's predecessor.
func (s *scrubber) load(ctx context.Context) {
	now := time.Now()
	s.scrubPosition = scrubPosition{Began: now}
	if s.cache.Answers == nil {
		return
	}
	f, err := s.cache.Answers.Open(ctx, scrubName)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil {
			s.cache.storeFailed(Request{}, err)
		}
		return
	}
	defer f.Close()
	var p scrubPosition
	data, err := readLimited(f, 1<<10)
	if err != nil || json.Unmarshal(data, &p) != nil {
		return // begun anew
	}
	s.scrubPosition, s.saved = p, now
	if early := s.due(s.At).Sub(now); early > 0 {
		s.Began = s.Began.Add(-early) // the period, or the clock, is another now
	}
	s.tell()
}

// save writes the position.
func (s *scrubber) save(ctx context.Context) {
	s.saved = time.Now()
	data, err := json.Marshal(s.scrubPosition)
	if err == nil && s.cache.Answers != nil {
		err = putString(ctx, s.cache.Answers, scrubName, string(data)+"\n")
	}
	if err != nil && !s.unsaved {
		s.cache.storeFailed(Request{}, fmt.Errorf("the next process will not know which files were checked: %w", err))
	}
	s.unsaved = err != nil
}

// tell shows the position to those who ask for it.
func (s *scrubber) tell() {
	s.cache.scrubbing.change(func(st *ScrubStats) {
		st.Complete, st.Position = s.Complete, float64(s.At)/wholeCircle
	})
}

// reached notes that all up to a place was checked.
func (s *scrubber) reached(ctx context.Context, at uint64) {
	s.At = at
	s.tell()
	if time.Since(s.saved) >= scrubSave {
		s.save(context.WithoutCancel(ctx))
	}
}

// stretch goes on by as many files as one look through the stores gives, or by
// those of a day. At the circle's end it begins the next pass.
func (s *scrubber) stretch(ctx context.Context) {
	end := uint64(math.MaxUint64)
	if part := float64(scrubWalk) / float64(s.period) * wholeCircle; part < float64(math.MaxUint64-s.At) {
		end = s.At + min(uint64(part), end-s.At)
	}
	files, end := s.next(ctx, end)
	for _, f := range files {
		if !s.wait(ctx, f.key) {
			return
		}
		if !s.check(ctx, f) {
			return
		}
		s.reached(ctx, f.key)
	}
	if !s.wait(ctx, end) {
		return
	}
	if end < math.MaxUint64 {
		s.reached(ctx, end)
		return
	}
	now := time.Now()
	if !s.holes {
		s.Complete = now
	}
	s.Began, s.At, s.holes = now, 0, false
	s.tell()
	s.save(context.WithoutCancel(ctx))
}

// wait waits until a place has its turn. It reports whether ctx still lasts.
func (s *scrubber) wait(ctx context.Context, key uint64) bool {
	err := waitFor(ctx, time.Until(s.due(key)))
	s.pace.begin()
	return err == nil
}

// next returns the files whose places come next, up to end, in their order; and
// to where these are all. It keeps to the pace.
func (s *scrubber) next(ctx context.Context, end uint64) ([]scrubFile, uint64) {
	s.pace.begin()
	var nearest farthestFirst
	for i, store := range s.stores {
		for e, err := range ListAll(ctx, store) {
			s.pace.rest(ctx)
			if ctx.Err() != nil {
				return nil, s.At
			}
			if err != nil {
				s.holes = true
				s.cache.storeFailed(Request{}, fmt.Errorf("some files cannot be listed, and so not be checked: %w", err))
				continue
			}
			req, err := ParseRequest(e.Name)
			if err != nil || !req.Fixed() {
				continue
			}
			key := scrubKey(i, e.Name)
			if key <= s.At || key > end {
				continue
			}
			heap.Push(&nearest, scrubFile{key, i, req})
			if len(nearest) > scrubBatch {
				heap.Pop(&nearest)
				end = nearest[0].key // what lies beyond comes with the next look
			}
		}
	}
	slices.SortFunc(nearest, func(a, b scrubFile) int { return cmp.Compare(a.key, b.key) })
	return nearest, end
}

// farthestFirst is a heap of files.
type farthestFirst []scrubFile

func (h farthestFirst) Len() int           { return len(h) }
func (h farthestFirst) Less(i, j int) bool { return h[i].key > h[j].key }
func (h farthestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is for package heap.
func (h *farthestFirst) Push(x any) { *h = append(*h, x.(scrubFile)) }

// Pop is for package heap.
func (h *farthestFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// check checks one file, and rests. It reports whether ctx still lasts.
func (s *scrubber) check(ctx context.Context, f scrubFile) bool {
	how := Checking{Ask: true, Repair: f.store == 0, pace: &s.pace}
	var found Finding
	if f.store == 0 {
		found = s.cache.Check(ctx, f.req, how)
	} else {
		found = s.cache.CheckIn(ctx, s.stores[f.store], f.req, how)
		if found.Verdict == Bad {
			s.cache.Alarm(Alarm{Kind: "store", Request: f.req, Err: fmt.Errorf("it is damaged, and left as it is, as there may be no other; restore it from a backup: %w", found.Err)})
		}
	}
	s.pace.rest(ctx)
	if found.Verdict == "" {
		return false
	}
	s.cache.scrubbing.change(func(st *ScrubStats) { st.count(found) })
	return ctx.Err() == nil
}

func (st *ScrubStats) count(found Finding) {
	switch found.Verdict {
	case Good:
		st.Good++
	case Unproven:
		st.Unproven++
	case Bad:
		st.Bad++
	case Unreadable:
		st.Unreadable++
	case Gone:
		return // since the look through the store
	}
	st.Bytes += found.Size
	if found.Repaired {
		st.Repaired++
	}
}

// A pace has work that nobody waits for rest for most of the time.
type pace struct {
	mu    sync.Mutex // guards since, and is held during a rest: all of the work rests
	since time.Time  // the beginning of what was done without a rest
}

// begin is called when the work begins, or goes on.
func (p *pace) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Now()
}

// rest is called often while the work is done. It rests if it is time to.
func (p *pace) rest(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	worked := time.Since(p.since)
	if worked < scrubWork {
		return
	}
	_ = waitFor(ctx, min(scrubShare*worked, scrubRest)) // who calls it looks at ctx
	p.since = time.Now()
}

// A pacedReader rests while it reads, if it has a pace, and ends with its context.
type pacedReader struct {
	ctx  context.Context // of the one check that reads
	r    io.ReaderAt
	pace *pace
}

func (r *pacedReader) ReadAt(p []byte, off int64) (int, error) {
	if r.pace != nil {
		r.pace.rest(r.ctx)
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.ReadAt(p, off)
}

// ListAll lists all files of a store. Where a part of the store cannot be
// listed it yields the error, and goes on with the rest, if the store can do that.
func ListAll(ctx context.Context, store Store) iter.Seq2[Entry, error] {
	if s, ok := store.(interface {
		ListAll(context.Context) iter.Seq2[Entry, error]
	}); ok {
		return s.ListAll(ctx)
	}
	return store.List(ctx, "")
}

// ListAll yields all stored files, also those that are links to others. A folder
// that cannot be read, or is a link, yields an error; the walk goes on behind it.
func (d *Dir) ListAll(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		stop := errors.New("stop")
		_ = fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				yield(Entry{}, ctx.Err())
				return stop
			}
			hidden := name != "." && e != nil && e.Name()[0] == '.'
			if err == nil && !hidden && e.Type()&fs.ModeSymlink != 0 {
				if !d.listLink(name, yield) {
					return stop
				}
				return nil
			}
			switch {
			case err != nil && !errors.Is(err, fs.ErrNotExist) && !yield(Entry{}, err):
				return stop
			case err != nil:
				return nil
			case hidden && e.IsDir():
				return fs.SkipDir
			case hidden || !e.Type().IsRegular():
				return nil
			}
			info, err := e.Info()
			if err != nil {
				return nil // removed meanwhile
			}
			if !yield(Entry{Name: name, Size: info.Size(), Time: info.ModTime()}, nil) {
				return stop
			}
			return nil
		})
	}
}

// listLink yields a link as the file that Open gives for its name, if it gives
// one. One that Open fails on is yielded, too, so that this is noticed.
func (d *Dir) listLink(name string, yield func(Entry, error) bool) bool {
	info, err := d.root.Stat(filepath.FromSlash(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true
	case err != nil:
		return yield(Entry{Name: name}, nil)
	case info.IsDir():
		return yield(Entry{}, &fs.PathError{Op: "list", Path: name, Err: errors.New("it is a link to a folder, whose files are served by its name but listed only by their own")})
	case !info.Mode().IsRegular():
		return true
	}
	return yield(Entry{Name: name, Size: info.Size(), Time: info.ModTime()}, nil)
}
