package godown_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
)

// A moody Source answers as its test wants it to. The zero value has nothing.
type moody struct {
	mu    sync.Mutex // guards the fields below
	says  map[godown.Request]string
	fail  error         // said to all, if set
	hold  chan struct{} // if set, answers wait for it, with what was to be said when they were asked for
	asked map[godown.Request]int
}

func (m *moody) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	m.mu.Lock()
	if m.asked == nil {
		m.asked = make(map[godown.Request]int)
	}
	m.asked[req]++
	text, ok := m.says[req]
	fail, hold := m.fail, m.hold
	m.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if fail != nil {
		return nil, fail
	}
	if !ok {
		return nil, &godown.NotFound{Text: "nothing here"}
	}
	return godown.NewFile([]byte(text)), nil
}

// set says what the source does from now on; an empty text means that it has no such file.
func (m *moody) set(text string, fail error, hold chan struct{}, reqs ...godown.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.hold = fail, hold
	if m.says == nil {
		m.says = make(map[godown.Request]string)
	}
	for _, req := range reqs {
		if m.says[req] = text; text == "" {
			delete(m.says, req)
		}
	}
}

func (m *moody) count(req godown.Request) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[req]
}

// later lets a moment pass: what is learnt in the very instant of a refresh does not count.
func later() { pass(time.Millisecond) }

// changeable are requests of the one module whose answers change, with two answers each.
var changeable = []struct {
	req      godown.Request
	old, new string
}{
	{hello(godown.List, ""), "v1.0.0\n", "v1.0.0\nv1.1.0\n"},
	{hello(godown.Latest, ""), `{"Version":"v1.0.0"}`, `{"Version":"v1.1.0"}`},
	{hello(godown.Info, "master"), `{"Version":"v1.0.0"}`, `{"Version":"v1.1.0"}`},
	{hello(godown.Info, "v1"), `{"Version":"v1.0.0"}`, `{"Version":"v1.1.0"}`},
}

func TestRefresh(t *testing.T) {
	for _, test := range changeable {
		t.Run(test.req.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &moody{}
				r := newRig(t, func(r *rig) { r.TTL = 24 * time.Hour }, godown.Step{Source: src})
				src.set(test.old, nil, nil, test.req)
				wantFetch(t, r, test.req, []byte(test.old), godown.Miss)
				synctest.Wait()
				src.set(test.new, nil, nil, test.req)
				pass(time.Hour)
				r.Refresh("example.com/hello/sub")
				r.Refresh("example.com/hell")
				later()
				wantFetch(t, r, test.req, []byte(test.old), godown.Hit) // another module's refresh is nothing to it

				r.Refresh("example.com/hello")
				later()
				wantFetch(t, r, test.req, []byte(test.new), godown.Expired)
				synctest.Wait()
				wantFetch(t, r, test.req, []byte(test.new), godown.Hit)
				if n := src.count(test.req); n != 2 {
					t.Errorf("the source was asked %d times", n)
				}
				later()
				r.Refresh("example.com/hello")
				later()
				wantFetch(t, r, test.req, []byte(test.new), godown.Revalidated)
			})
		})
	}
}

// What is stored is served when the Source fails, and it is asked each time.
func TestRefreshKeepsWhatIsStored(t *testing.T) {
	for _, stored := range []bool{true, false} {
		for _, test := range changeable {
			synctest.Test(t, func(t *testing.T) {
				src := &moody{}
				r := newRig(t, func(r *rig) {
					if r.TTL = time.Hour; !stored {
						r.Answers = nil
					}
				}, godown.Step{Source: src})
				src.set(test.old, nil, nil, test.req)
				mustFetch(t, r, test.req)
				synctest.Wait()
				src.set(test.old, errors.New("502"), nil)
				later()
				r.Refresh("example.com/hello")
				for range 2 {
					later()
					wantFetch(t, r, test.req, []byte(test.old), godown.Stale)
				}
				if n := src.count(test.req); n != 3 {
					t.Errorf("%v: the source was asked %d times", test.req, n)
				}
				if _, err := r.Fetch(godown.CachedOnly(t.Context()), test.req); err != nil {
					t.Errorf("%v from the cache only: %v", test.req, err)
				}
				// That upstream has it no more is no failure.
				src.set("", nil, nil, test.req)
				later()
				if _, err := r.Fetch(t.Context(), test.req); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%v: upstream has it no more, but: %v", test.req, err)
				}
				synctest.Wait()
				src.set("", errors.New("502"), nil)
				pass(time.Minute)
				if f, err := r.Fetch(t.Context(), test.req); err == nil {
					t.Errorf("%v: what upstream has no more came back as %q", test.req, f.Data)
				}
			})
		}
	}
}

// Absences count no longer, those of fixed files included.
func TestRefreshAbsences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &moody{}
		r := newRig(t, func(r *rig) { r.NotFoundTTL = time.Hour }, godown.Step{Source: src})
		texts := map[godown.Request]string{
			hello(godown.List, ""):                                           "v1.0.0\n",
			hello(godown.Latest, ""):                                         `{"Version":"v1.0.0"}`,
			hello(godown.Info, "master"):                                     `{"Version":"v1.0.0"}`,
			hello(godown.Info, "v1.0.0"):                                     `{"Version":"v1.0.0"}`,
			hello(godown.Mod, "v1.0.0"):                                      string(r.mods.Data(hello(godown.Mod, "v1.0.0").Name())),
			hello(godown.Zip, "v1.0.0"):                                      string(r.mods.Data(hello(godown.Zip, "v1.0.0").Name())),
			{Kind: godown.Mod, Path: "example.com/other", Version: "v1.0.0"}: "module example.com/other\n",
		}
		for req := range texts {
			for range 2 {
				if _, err := r.Fetch(t.Context(), req); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%v: %v", req, err)
				}
			}
			if n := src.count(req); n != 1 {
				t.Errorf("%v: asked %d times; the absence is not remembered", req, n)
			}
		}
		for req, text := range texts {
			src.set(text, nil, nil, req)
		}
		later()
		r.Refresh("example.com/hello")
		later()
		for req, text := range texts {
			if req.Path == "example.com/other" {
				if _, err := r.Fetch(t.Context(), req); !errors.Is(err, fs.ErrNotExist) || src.count(req) != 1 {
					t.Errorf("%v was forgotten, too: %v, asked %d times", req, err, src.count(req))
				}
				continue
			}
			if _, data := mustFetch(t, r, req); string(data) != text {
				t.Errorf("%v is %d bytes, want %d", req, len(data), len(text))
			}
		}
	})
}

// What a fetch brings that was under way is for those who waited for it only.
func TestRefreshOutdatesFlights(t *testing.T) {
	for _, test := range changeable {
		for _, first := range []string{"old", "new"} { // which answer comes first
			synctest.Test(t, func(t *testing.T) {
				src := &moody{}
				r := newRig(t, func(r *rig) { r.TTL = time.Hour }, godown.Step{Source: src})
				oldGo, newGo := make(chan struct{}), make(chan struct{})
				fetch := func() chan string {
					got := make(chan string, 1)
					go func() {
						f, err := r.Fetch(t.Context(), test.req)
						if err != nil {
							got <- err.Error()
							return
						}
						got <- string(f.Data)
					}()
					synctest.Wait()
					return got
				}
				src.set(test.old, nil, oldGo, test.req)
				before := fetch()
				later()
				r.Refresh("example.com/hello")
				later()
				src.set(test.new, nil, newGo, test.req)
				after := fetch()
				if n := src.count(test.req); n != 2 {
					t.Fatalf("%v: asked %d times: who came after the refresh waits for the old answer", test.req, n)
				}
				src.set(test.new, nil, nil, test.req)
				if first == "old" {
					close(oldGo)
					synctest.Wait()
					later()
					close(newGo)
				} else {
					close(newGo)
					synctest.Wait()
					later()
					close(oldGo)
				}
				if got := <-before; got != test.old {
					t.Errorf("%v: who waited before got %q", test.req, got)
				}
				if got := <-after; got != test.new {
					t.Errorf("%v: who came after got %q", test.req, got)
				}
				synctest.Wait()
				wantFetch(t, r, test.req, []byte(test.new), godown.Hit)
				// The new one is also what is stored.
				again := newRig(t, func(again *rig) { again.Answers, again.TTL = r.Answers, time.Hour }, godown.Step{Source: src})
				wantFetch(t, again, test.req, []byte(test.new), godown.Hit)
				if n := src.count(test.req); n != 2 {
					t.Errorf("%v: asked %d times in all", test.req, n)
				}
			})
		}
	}
}

// The outdated answer alone is not fresh, but better than none.
func TestRefreshOutdatedAnswer(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, test := range changeable {
			synctest.Test(t, func(t *testing.T) {
				src := &moody{}
				r := newRig(t, func(r *rig) { r.TTL = time.Hour }, godown.Step{Source: src})
				hold := make(chan struct{})
				src.set(test.old, nil, hold, test.req)
				go r.Fetch(t.Context(), test.req)
				synctest.Wait()
				later()
				r.Refresh("example.com/hello")
				later()
				close(hold)
				synctest.Wait()
				var cache godown.Source = r
				if restart {
					cache = newRig(t, func(again *rig) { again.Answers, again.TTL = r.Answers, time.Hour }, godown.Step{Source: src})
				}
				src.set(test.old, errors.New("502"), nil)
				wantFetch(t, cache, test.req, []byte(test.old), godown.Stale)
				src.set(test.new, nil, nil, test.req)
				wantFetch(t, cache, test.req, []byte(test.new), godown.Expired)
			})
		}
	}
}

// An absence found by a fetch that was under way does not count, and nobody
// who comes later waits for it.
func TestRefreshOutdatesAbsences(t *testing.T) {
	for _, req := range []godown.Request{hello(godown.Info, "v1.0.0"), hello(godown.Mod, "v1.0.0"), hello(godown.Zip, "v1.0.0"), hello(godown.List, ""), hello(godown.Info, "master")} {
		synctest.Test(t, func(t *testing.T) {
			src := &moody{}
			r := newRig(t, func(r *rig) { r.NotFoundTTL = time.Hour }, godown.Step{Source: src})
			text := string(r.mods.Data(req.Name()))
			if text == "" {
				t.Fatalf("there is no %v", req)
			}
			hold := make(chan struct{})
			src.set("", nil, hold, req)
			result := make(chan error, 1)
			go func() {
				_, err := r.Fetch(t.Context(), req)
				result <- err
			}()
			synctest.Wait()
			later()
			r.Refresh("example.com/hello")
			later()
			src.set(text, nil, nil, req)
			if _, data := mustFetch(t, r, req); string(data) != text {
				t.Errorf("%v is %q", req, data)
			}
			synctest.Wait()
			close(hold)
			if err := <-result; err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v: %v", req, err)
			}
			synctest.Wait()
			if _, data := mustFetch(t, r, req); string(data) != text {
				t.Errorf("%v is now %q", req, data)
			}
		})
		synctest.Test(t, func(t *testing.T) { // and the same where nobody asks meanwhile
			src := &moody{}
			r := newRig(t, func(r *rig) { r.NotFoundTTL = time.Hour }, godown.Step{Source: src})
			hold := make(chan struct{})
			src.set("", nil, hold, req)
			go r.Fetch(t.Context(), req)
			synctest.Wait()
			later()
			r.Refresh("example.com/hello")
			later()
			close(hold)
			synctest.Wait()
			src.set(string(r.mods.Data(req.Name())), nil, nil, req)
			mustFetch(t, r, req)
		})
	}
}

// A download under way is not begun again.
func TestRefreshLeavesDownloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mods, zip := big(t, 300<<10)
		src, w := pipe(len(zip))
		r := newRig(t, func(r *rig) { r.Verifier = oracle{mods} }, godown.Step{Source: src})
		first := make(chan error, 1)
		go func() {
			_, err := fetchAll(t.Context(), r, bigZip)
			first <- err
		}()
		w.Write(zip[:len(zip)/2])
		pass(2 * time.Second)
		r.Refresh(bigZip.Path)
		later()
		second := make(chan error, 1)
		go func() {
			_, err := fetchAll(t.Context(), r, bigZip)
			second <- err
		}()
		synctest.Wait()
		if n := r.Stats().Fetches; n != 1 {
			t.Errorf("%d fetches", n)
		}
		w.Write(zip[len(zip)/2:])
		w.Close()
		for _, result := range []chan error{first, second} {
			if err := <-result; err != nil {
				t.Error(err)
			}
		}
	})
}

// A refresh is remembered over a restart, as are answers.
func TestRefreshSurvivesRestart(t *testing.T) {
	for _, test := range changeable {
		synctest.Test(t, func(t *testing.T) {
			src := &moody{}
			r := newRig(t, func(r *rig) { r.TTL = 24 * time.Hour }, godown.Step{Source: src})
			src.set(test.old, nil, nil, test.req)
			mustFetch(t, r, test.req)
			synctest.Wait()
			restart := func() *rig {
				return newRig(t, func(again *rig) { again.Answers, again.TTL = r.Answers, 24*time.Hour }, godown.Step{Source: src})
			}
			wantFetch(t, restart(), test.req, []byte(test.old), godown.Hit)
			src.set(test.new, nil, nil, test.req)
			later()
			r.Refresh("example.com/hello")
			later()
			again := restart()
			wantFetch(t, again, test.req, []byte(test.new), godown.Expired)
			synctest.Wait()
			wantFetch(t, restart(), test.req, []byte(test.new), godown.Hit)
		})
	}
}

// Made-up paths leave nothing in the store, and however many modules are
// refreshed, none is forgotten.
func TestRefreshOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &moody{}
		r := newRig(t, func(r *rig) { r.TTL = time.Hour }, godown.Step{Source: src})
		req := hello(godown.List, "")
		src.set("v1.0.0\n", nil, nil, req)
		mustFetch(t, r, req)
		synctest.Wait()
		later()
		r.Answers.Delete(t.Context(), req.Name()) // only memory is meant here
		r.Refresh(req.Path)
		for i := range 10_000 {
			r.Refresh(fmt.Sprintf("example.com/m%d", i))
		}
		for _, bad := range []string{"", "..", "/", "example.com/../x", "EXAMPLE.com/x y", "\x00"} {
			r.Refresh(bad)
		}
		later()
		src.set("v1.1.0\n", nil, nil, req)
		wantFetch(t, r, req, []byte("v1.1.0\n"), godown.Expired)
		synctest.Wait()
		for e, err := range r.Answers.List(t.Context(), "") {
			if err != nil || e.Name != req.Name() {
				t.Errorf("the store has %s (%v)", e.Name, err)
			}
		}
		if n := r.alarms.count("store"); n != 0 {
			t.Errorf("%d alarms of the store", n)
		}
	})
}

// TestRefreshRaces never sees an answer from before a refresh after it.
func TestRefreshRaces(t *testing.T) {
	var mu sync.Mutex
	n := 100
	src := godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		mu.Lock()
		defer mu.Unlock()
		return godown.NewFile(fmt.Appendf(nil, "v1.0.%d\n", n)), nil
	})
	r := newRig(t, func(r *rig) { r.TTL = time.Hour }, godown.Step{Source: src})
	req := hello(godown.List, "")
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := r.Fetch(t.Context(), req); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 300 {
		mu.Lock()
		n++
		want := fmt.Sprintf("v1.0.%d\n", n)
		mu.Unlock()
		r.Refresh(req.Path)
		if _, data := mustFetch(t, r, req); string(data) != want {
			t.Errorf("after a refresh: %q, want %q", data, want)
		}
	}
	close(done)
	readers.Wait()
}

// markless is a Store that takes no notes of refreshes.
type markless struct{ godown.Store }

func (m markless) Put(ctx context.Context, name string, r io.Reader) error {
	if strings.HasSuffix(name, "/@refreshed") {
		return errors.New("the disk is full")
	}
	return m.Store.Put(ctx, name, r)
}

// A store that takes nothing more does not keep a refresh from counting, and an operator hears of it.
func TestRefreshWithoutDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &moody{}
		r := newRig(t, func(r *rig) { r.Answers, r.Memory, r.TTL = markless{r.Answers}, 1, time.Hour }, godown.Step{Source: src})
		req := hello(godown.List, "")
		src.set("v1.0.0\n", nil, nil, req)
		mustFetch(t, r, req)
		synctest.Wait()
		src.set("v1.1.0\n", nil, nil, req)
		later()
		wantFetch(t, r, req, []byte("v1.0.0\n"), godown.Hit) // from the store
		r.Refresh(req.Path)
		later()
		wantFetch(t, r, req, []byte("v1.1.0\n"), godown.Expired)
		if n := r.alarms.count("store"); n != 1 {
			t.Errorf("%d alarms of the store", n)
		}
	})
}

// "Not found" from before a refresh takes nothing away from what is known since.
func TestRefreshOutlivesOldAbsence(t *testing.T) {
	for _, test := range changeable {
		synctest.Test(t, func(t *testing.T) {
			src := &moody{}
			r := newRig(t, func(r *rig) { r.TTL = time.Hour }, godown.Step{Source: src})
			src.set(test.old, nil, nil, test.req)
			mustFetch(t, r, test.req)
			synctest.Wait()
			pass(2 * time.Hour)
			hold := make(chan struct{})
			src.set("", nil, hold, test.req)
			go r.Fetch(t.Context(), test.req)
			synctest.Wait()
			r.Refresh("example.com/hello")
			later()
			src.set(test.new, nil, nil, test.req)
			mustFetch(t, r, test.req)
			synctest.Wait()
			close(hold)
			synctest.Wait()
			wantFetch(t, r, test.req, []byte(test.new), godown.Hit)
			again := newRig(t, func(again *rig) { again.Answers, again.TTL = r.Answers, time.Hour }, godown.Step{Source: src})
			wantFetch(t, again, test.req, []byte(test.new), godown.Hit)
		})
	}
}
