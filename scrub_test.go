package godown_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A countedStore counts how often each file is opened, and lists what it is told to.
type countedStore struct {
	*godown.Dir
	mu     sync.Mutex // guards opened
	opened map[string]int
	broken error // of listing, after all files
}

func (s *countedStore) Open(ctx context.Context, name string) (*godown.File, error) {
	if req, err := godown.ParseRequest(name); err == nil && req.Fixed() {
		s.mu.Lock()
		s.opened[name]++
		s.mu.Unlock()
	}
	return s.Dir.Open(ctx, name)
}

func (s *countedStore) ListAll(ctx context.Context) iter.Seq2[godown.Entry, error] {
	return func(yield func(godown.Entry, error) bool) {
		for e, err := range s.Dir.ListAll(ctx) {
			if !yield(e, err) {
				return
			}
		}
		if s.broken != nil {
			yield(godown.Entry{}, s.broken)
		}
	}
}

func (s *countedStore) took() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.opened
	s.opened = make(map[string]int)
	return maps.Clone(taken)
}

// manyModules are n modules of one version.
func manyModules(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "-- example.com/m%d@v1.0.0/x.go --\npackage m%d\n", i, i)
	}
	return b.String()
}

// scrubRig returns a rig with all files of n modules in a store that counts.
func scrubRig(t *testing.T, n int) (*rig, *countedStore) {
	t.Helper()
	mods := godowntest.NewModules(t, manyModules(n))
	store := &countedStore{opened: make(map[string]int)}
	r := newRig(t, func(r *rig) {
		store.Dir = r.Store.(*godown.Dir)
		r.mods, r.Store, r.Verifier, r.Source = mods, store, oracle{mods}, mods
	})
	for _, req := range mods.Requests() {
		if req.Fixed() {
			if err := store.Put(t.Context(), req.Name(), strings.NewReader(string(mods.Data(req.Name())))); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r, store
}

// scrubFor lets a Scrub of r go on for so long, in a synctest bubble.
func scrubFor(t *testing.T, r *rig, period, d time.Duration, others ...godown.Store) godown.ScrubStats {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	r.Scrub(ctx, period, others...)
	return r.ScrubStats()
}

const day = 24 * time.Hour

// TestScrubEvenly: all files are read once in a period, some of them each day.
func TestScrubEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, store := scrubRig(t, 60)
		defer r.Close(t.Context())
		seen := make(map[string]int)
		for range 10 {
			st := scrubFor(t, r, 10*day, day) // as if it were restarted daily
			today := store.took()
			if len(today) < 4 || len(today) > 40 {
				t.Errorf("%d files today, of 180 in ten days", len(today))
			}
			for name, n := range today {
				seen[name] += n
			}
			if st.Bad+st.Unproven+st.Unreadable > 0 || st.Good == 0 || st.Bytes == 0 {
				t.Errorf("%+v", st)
			}
		}
		st := scrubFor(t, r, 10*day, time.Minute)
		if len(seen) != 180 || st.Good != 180 || st.Complete.IsZero() || st.Position > 0.01 {
			t.Errorf("%d of 180 files were read; %+v", len(seen), st)
		}
		for name, n := range seen {
			if n != 1 {
				t.Errorf("%s was read %d times", name, n)
			}
		}
		if _, err := os.Stat(r.dir + "/answers/scrub/position"); err != nil {
			t.Error(err)
		}
		if r.alarms.count("store")+r.alarms.count("rot") > 0 {
			t.Errorf("%v", r.alarms.list)
		}
	})
}

// TestScrubRestarts: another process goes on where this one was; when it comes
// late it makes up for that, and when the clock was set back it does not wait.
func TestScrubRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, store := scrubRig(t, 20)
		defer r.Close(t.Context())
		next := func() *rig {
			return newRig(t, func(next *rig) {
				next.Store, next.Answers, next.Source, next.mods, next.Verifier = store, r.Answers, r.mods, r.mods, r.Verifier
			})
		}
		before := scrubFor(t, r, 30*day, 15*day)
		first := store.took()
		pass(20 * day) // nobody is there
		late := next()
		after := scrubFor(t, late, 30*day, time.Minute)
		late.Close(t.Context())
		if before.Position < 0.4 || before.Position > 0.5 || len(first) < 10 || len(first)+len(store.took()) != 60 || after.Complete.IsZero() {
			t.Errorf("%d files, %+v; then %+v", len(first), before, after)
		}
		again := next()
		if st := scrubFor(t, again, 30*day, time.Minute); !st.Complete.Equal(after.Complete) || st.Good > 1 {
			t.Errorf("after that %+v", st)
		}
		again.Close(t.Context())

		future := fmt.Sprintf(`{"Began":%q,"At":"9223372036854775808","Complete":"0001-01-01T00:00:00Z"}`, time.Now().Add(1000*day).Format(time.RFC3339))
		for text, want := range map[string]float64{future: 0.5, "{": 0} {
			if err := r.Answers.Put(t.Context(), "scrub/position", strings.NewReader(text)); err != nil {
				t.Fatal(err)
			}
			other := next()
			if st := scrubFor(t, other, 30*day, 3*day); st.Position < want+0.05 || st.Position > want+0.15 {
				t.Errorf("from %s it came to %v", text, st.Position)
			}
			other.Close(t.Context())
		}
	})
}

// TestScrubMends: what is bad is set aside and fetched anew, and what is new or gone is no trouble.
func TestScrubMends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, store := scrubRig(t, 3)
		defer r.Close(t.Context())
		zip := godown.Request{Kind: godown.Zip, Path: "example.com/m1", Version: "v1.0.0"}
		r.damage(t, zip.Name(), flipContent)
		ctx, cancel := context.WithCancel(t.Context())
		var working sync.WaitGroup
		working.Go(func() { r.Scrub(ctx, 10*day) })
		pass(time.Hour)
		gone := godown.Request{Kind: godown.Mod, Path: "example.com/m2", Version: "v1.0.0"}
		if err := store.Delete(ctx, gone.Name()); err != nil {
			t.Fatal(err)
		}
		pass(11 * day)
		st := r.ScrubStats()
		if st.Bad != 1 || st.Repaired != 1 || st.Good < 7 || r.alarms.count("rot") != 1 {
			t.Errorf("%+v, %v", st, r.alarms.list)
		}
		wantFetch(t, r, zip, r.mods.Data(zip.Name()), godown.Hit)
		// What comes while a pass is under way is looked at in it, if its place is not past.
		store.took()
		if err := store.Put(ctx, gone.Name(), strings.NewReader(string(r.mods.Data(gone.Name())))); err != nil {
			t.Fatal(err)
		}
		pass(10 * day)
		if store.took()[gone.Name()] == 0 {
			t.Error("what is new was not checked")
		}
		cancel()
		working.Wait()
	})
}

// TestScrubIll: what cannot be listed or read is told, nothing is set aside, and the pass is not complete.
func TestScrubIll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, store := scrubRig(t, 3)
		defer r.Close(t.Context())
		store.broken = &fs.PathError{Op: "readdir", Path: "x", Err: fs.ErrPermission}
		st := scrubFor(t, r, day, day+time.Hour)
		if st.Good < 9 || !st.Complete.IsZero() || r.alarms.count("store") == 0 {
			t.Errorf("%+v, %v", st, r.alarms.list)
		}
		store.broken = nil
		if st = scrubFor(t, r, day, 2*day); st.Complete.IsZero() {
			t.Errorf("%+v", st)
		}
		before := st
		r.Store = sickStore{store.Dir, ".zip"}
		st = scrubFor(t, r, day, 2*day)
		if st.Unreadable < 3 || st.Bad > 0 || st.Good == before.Good || r.Stats().Rotten > 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestScrubOthers: the files of other stores are checked, and left as they are.
func TestScrubOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, store := scrubRig(t, 2)
		defer r.Close(t.Context())
		published := openDir(t, t.TempDir())
		good := godown.Request{Kind: godown.Mod, Path: "example.com/m0", Version: "v1.0.0"}
		bad := godown.Request{Kind: godown.Mod, Path: "example.com/m1", Version: "v1.0.0"}
		for _, req := range []godown.Request{good, bad} {
			if err := published.Put(t.Context(), req.Name(), strings.NewReader(string(r.mods.Data(good.Name())))); err != nil {
				t.Fatal(err)
			}
		}
		st := scrubFor(t, r, day, day+time.Minute, published)
		if st.Good != 7 || st.Bad != 1 || st.Repaired != 0 || r.alarms.count("rot") != 0 || r.alarms.count("store") != 1 {
			t.Errorf("%+v, %v", st, r.alarms.list)
		}
		if f, err := published.Open(t.Context(), bad.Name()); err != nil {
			t.Error(err)
		} else {
			f.Close()
		}
		if st = scrubFor(t, r, 0, time.Hour); st.Good != 7 || len(store.took()) != 6 {
			t.Errorf("with a period of 0: %+v", st)
		}
	})
}

// TestScrubRests: it rests also while it reads one large file.
func TestScrubRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, store := scrubRig(t, 1)
		defer r.Close(t.Context())
		noise := make([]byte, 1<<20)
		rand.NewChaCha8([32]byte{}).Read(noise)
		mods := godowntest.NewModules(t, "-- example.com/big@v1.0.0/x.txt --\n"+hex.EncodeToString(noise)+"\n")
		zip := godown.Request{Kind: godown.Zip, Path: "example.com/big", Version: "v1.0.0"}
		r.mods, r.Verifier = mods, oracle{mods}
		lazy := &lazyStore{Dir: openDir(t, t.TempDir())}
		if err := lazy.Put(t.Context(), zip.Name(), strings.NewReader(string(mods.Data(zip.Name())))); err != nil {
			t.Fatal(err)
		}
		r.Store = lazy
		scrubFor(t, r, time.Millisecond, 100*time.Second)
		if n := lazy.reads.Load(); n < 5 || n > 20 {
			t.Errorf("of 100 reads of a second each, it made %d in 100 seconds, not a tenth", n)
		}
		r.Store = store
	})
}

// A lazyStore takes a second for each read of a zip.
type lazyStore struct {
	*godown.Dir
	reads atomic.Int64
}

func (s *lazyStore) Open(ctx context.Context, name string) (*godown.File, error) {
	f, err := s.Dir.Open(ctx, name)
	if err == nil {
		f.Body = lazyFile{f.Body.(*os.File), s}
	}
	return f, err
}

type lazyFile struct {
	*os.File
	s *lazyStore
}

func (f lazyFile) ReadAt(p []byte, off int64) (int, error) {
	f.s.reads.Add(1)
	pass(time.Second)
	return f.File.ReadAt(p, off)
}

// TestScrubManyFiles: what does not fit into one look comes with the next.
func TestScrubManyFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, store := scrubRig(t, 1)
		defer r.Close(t.Context())
		list := &longStore{Dir: store.Dir, n: 40_000, opened: make(map[string]int)}
		r.Store = list
		scrubFor(t, r, day, day+time.Minute)
		if len(list.opened) < list.n {
			t.Errorf("%d of %d files were opened", len(list.opened), list.n)
		}
		for name, n := range list.opened {
			if n > 2 { // it may be the first of the second pass
				t.Fatalf("%s was opened %d times", name, n)
			}
		}
		if list.lists > 6 {
			t.Errorf("the store was listed %d times", list.lists)
		}
	})
}

// A longStore lists n files, none of which is there.
type longStore struct {
	*godown.Dir
	n, lists int
	opened   map[string]int
}

func (s *longStore) ListAll(context.Context) iter.Seq2[godown.Entry, error] {
	s.lists++
	return func(yield func(godown.Entry, error) bool) {
		for i := range s.n {
			if !yield(godown.Entry{Name: fmt.Sprintf("example.com/m/@v/v1.0.%d.mod", i)}, nil) {
				return
			}
		}
	}
}

func (s *longStore) Open(_ context.Context, name string) (*godown.File, error) {
	s.opened[name]++
	return nil, fs.ErrNotExist
}

// TestListAll: a folder that cannot be read does not hide the others.
func TestListAll(t *testing.T) {
	dir := openDir(t, t.TempDir())
	for _, name := range []string{"a.test/x/@v/v1.0.0.mod", "b.test/x/@v/v1.0.0.mod", "c.test/x/@v/v1.0.0.mod"} {
		if err := dir.Put(t.Context(), name, strings.NewReader("module x\n")); err != nil {
			t.Fatal(err)
		}
	}
	list := func() (names []string, errs int) {
		for e, err := range godown.ListAll(t.Context(), dir) {
			if err != nil {
				errs++
			} else {
				names = append(names, e.Name)
			}
		}
		return names, errs
	}
	if names, errs := list(); len(names) != 3 || errs != 0 {
		t.Errorf("%q, %d errors", names, errs)
	}
	// A folder that is a link into itself cannot be read by anybody, root too.
	bad := dir.Path() + "/b.test"
	if err := os.Rename(bad, dir.Path()+"/.hidden"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(bad, 0o000); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(bad, 0o777)
	names, errs := list()
	wantErrs := 1
	if os.Geteuid() == 0 {
		wantErrs = 0 // root reads everything
	}
	if len(names) != 2 || errs != wantErrs {
		t.Errorf("%q, %d errors", names, errs)
	}
	n := 0
	for range godown.ListAll(t.Context(), dir) {
		if n++; n == 1 {
			break
		}
	}
	if n != 1 {
		t.Errorf("%d files after a break", n)
	}
}
