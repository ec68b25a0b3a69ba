package godown_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"

	"github.com/godown-dev/godown"
)

// A history is what a checksum database shows to one side: records
// example.com/m v1.0.0, v1.0.1 and so on.
type history struct {
	*sumdb.TestServer

	mu    sync.Mutex // guards asked
	asked []string
}

// newHistory returns a history that is the same for the same signer, but for
// the record numbered other.
func newHistory(signer string, other int) *history {
	return &history{TestServer: sumdb.NewTestServer(signer, func(path, version string) ([]byte, error) {
		if path != "example.com/m" {
			return nil, fs.ErrNotExist
		}
		hash := "h1:"
		if version == fmt.Sprintf("v1.0.%d", other) {
			hash += "other"
		}
		return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod h1:\n", path, version, hash, path, version), nil
	})}
}

// grow makes it n records long.
func (h *history) grow(t *testing.T, n int) *history {
	t.Helper()
	for i := range n {
		if _, err := h.Lookup(t.Context(), module.Version{Path: "example.com/m", Version: fmt.Sprintf("v1.0.%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *history) get(_ context.Context, path string) (data []byte, err error) {
	h.mu.Lock()
	h.asked = append(h.asked, path)
	h.mu.Unlock()
	defer func() {
		if recover() != nil { // a tile beyond the tree
			err = fs.ErrNotExist
		}
	}()
	w := httptest.NewRecorder()
	sumdb.NewServer(h).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+path, nil))
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("%d %s: %w", w.Code, w.Body, fs.ErrNotExist)
	}
	return w.Body.Bytes(), nil
}

// count returns how often it was asked for something.
func (h *history) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.asked)
}

// head returns its signed head.
func (h *history) head(t *testing.T) []byte {
	t.Helper()
	signed, err := h.Signed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// A getter is a way to a history.
type getter func(context.Context, string) ([]byte, error)

// with returns g with a change to the answers whose path begins with prefix.
func (g getter) with(prefix string, edit func([]byte) ([]byte, error)) getter {
	return func(ctx context.Context, path string) ([]byte, error) {
		data, err := g(ctx, path)
		if err != nil || !strings.HasPrefix(path, prefix) {
			return data, err
		}
		return edit(data)
	}
}

// flipped changes one bit of each answer.
func flipped(data []byte) ([]byte, error) {
	data = bytes.Clone(data)
	data[0] ^= 1
	return data, nil
}

// A watchRig is a watched database in a bubble of synctest.
type watchRig struct {
	signer string
	main   *history // what lookups see
	remote getter   // how; nil: straight
	wrap   func(godown.Store) godown.Store
	folder string
	spec   godown.SumDBSpec
	alarms alarms
}

const watchEvery = 20 * time.Minute

// watchTest runs test in a bubble, with a main history of 300 records.
func watchTest(t *testing.T, test func(*testing.T, *watchRig)) {
	t.Helper()
	signer, key, err := note.GenerateKey(rand.Reader, "sum.test")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &watchRig{signer: signer, main: newHistory(signer, -1).grow(t, 300), folder: t.TempDir()}
		if r.spec, err = godown.ParseSumDB(key); err != nil {
			t.Fatal(err)
		}
		test(t, r)
	})
}

// open returns a Sums as of a new process, which is watched; close ends it.
func (r *watchRig) open(t *testing.T, views ...getter) (s *godown.Sums, close func()) {
	t.Helper()
	s = &godown.Sums{Spec: r.spec, Store: openDir(t, r.folder), Remote: r.main.get, Alarm: r.alarms.add}
	if r.remote != nil {
		s.Remote = r.remote
	}
	if r.wrap != nil {
		s.Store = r.wrap(s.Store)
	}
	for i, g := range views {
		s.Views = append(s.Views, godown.SumView{Name: fmt.Sprintf("view%d", i), Get: g})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { s.Watch(ctx, watchEvery) })
	close = sync.OnceFunc(func() {
		cancel()
		watching.Wait()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(close)
	return s, close
}

// round waits until all was asked once more.
func round() {
	pass(watchEvery*11/10 + time.Second)
	synctest.Wait()
}

// file returns the path of a stored file.
func (r *watchRig) file(name string) string {
	return filepath.Join(r.folder, "sumdb", "sum.test", filepath.FromSlash(name))
}

// lookup returns the error of a lookup of record i.
func lookup(t *testing.T, s *godown.Sums, i int) error {
	t.Helper()
	_, err := s.Lookup(t.Context(), "example.com/m", fmt.Sprintf("v1.0.%d", i))
	return err
}

func wantSecurity(t *testing.T, err error) {
	t.Helper()
	if security, ok := errors.AsType[*godown.SecurityError](err); !ok || !strings.Contains(security.Detail, "the file sumdb/sum.test/fork in the store of modules (DATA/modules of godown)") {
		t.Errorf("error is %v, want a *SecurityError that names the evidence", err)
	}
}

func (r *watchRig) wantAlarms(t *testing.T, kind string, n int) {
	t.Helper()
	if got := r.alarms.count(kind); got != n {
		t.Errorf("%d alarms of kind %s, want %d: %v", got, kind, n, r.alarms.list)
	}
}

func TestWatchFollows(t *testing.T) {
	watchTest(t, func(t *testing.T, r *watchRig) {
		old := r.main.head(t)
		lagging := getter(r.main.get).with("latest", func([]byte) ([]byte, error) { return old, nil })
		s, close := r.open(t, r.main.get, lagging, func(context.Context, string) ([]byte, error) { return nil, errors.New("no route to host") })
		round()
		r.main.grow(t, 700)
		round()
		st := s.Status()
		if st.Name != "sum.test" || st.Key != r.spec.Key || st.Size != 700 || st.Head != string(r.main.head(t)) || st.Stopped != "" || st.Pairs != 2 ||
			time.Since(st.Asked) > 2*watchEvery || st.Changed.IsZero() || st.Changed.After(st.Asked) || len(st.Views) != 3 {
			t.Errorf("the status is %+v", st)
		}
		for i, want := range []godown.SumViewStatus{{Name: "view0", Size: 700}, {Name: "view1", Size: 300, Behind: 400}, {Name: "view2", Error: "no route to host"}} {
			got := st.Views[i]
			if shown := got.Error == ""; got.Shown.IsZero() == shown || got.Asked.IsZero() {
				t.Errorf("%s: times are %v and %v", got.Name, got.Shown, got.Asked)
			}
			got.Shown, got.Asked = time.Time{}, time.Time{}
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		if n := len(r.alarms.list); n > 0 {
			t.Errorf("alarms: %v", r.alarms.list)
		}
		for _, name := range r.main.asked {
			if name != "latest" && !strings.HasPrefix(name, "tile/8/") {
				t.Errorf("asked was for %s", name)
			}
		}
		close()
		if head, err := os.ReadFile(r.file("latest")); err != nil || !bytes.Equal(head, r.main.head(t)) {
			t.Errorf("stored is %q, error %v", head, err)
		}
		if _, err := os.Stat(r.file("tile/8/0/002.p/188")); err != nil { // that lookups will need
			t.Error(err)
		}
		asked := r.main.count()
		round()
		if r.main.count() != asked {
			t.Error("it goes on after its end")
		}
	})
}

// TestWatchUnsigned has a view show what is no head.
func TestWatchUnsigned(t *testing.T) {
	other, _, err := note.GenerateKey(rand.Reader, "sum.test")
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func([]byte) ([]byte, error){
		"flipped":   flipped,
		"size":      func(data []byte) ([]byte, error) { return bytes.Replace(data, []byte("400"), []byte("401"), 1), nil },
		"page":      func([]byte) ([]byte, error) { return []byte("<html>please log in</html>"), nil },
		"empty":     func([]byte) ([]byte, error) { return nil, nil },
		"cut":       func(data []byte) ([]byte, error) { return data[:len(data)-2], nil },
		"other key": func([]byte) ([]byte, error) { return newHistory(other, 3).grow(t, 400).Signed(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			watchTest(t, func(t *testing.T, r *watchRig) {
				newer := newHistory(r.signer, -1).grow(t, 400)
				var ill atomic.Bool
				ill.Store(true)
				s, _ := r.open(t, r.main.get, getter(newer.get).with("latest", func(data []byte) ([]byte, error) {
					if ill.Load() {
						return edit(data)
					}
					return data, nil
				}))
				round()
				round()
				r.wantAlarms(t, "mismatch", 1)
				if a := r.alarms.list[0]; a.Origin != "view1" {
					t.Errorf("the alarm is about %s", a.Origin)
				}
				if st := s.Status(); st.Size != 300 || st.Stopped != "" || st.Views[1].Error == "" || st.Views[1].Size != 0 || st.Views[0].Error != "" {
					t.Errorf("the status is %+v", st)
				}
				ill.Store(false)
				round()
				if st := s.Status(); st.Size != 400 || st.Views[1].Error != "" || st.Views[1].Size != 400 {
					t.Errorf("when it is well again the status is %+v", st)
				}
				ill.Store(true)
				round()
				r.wantAlarms(t, "mismatch", 2)
				r.wantAlarms(t, "fork", 0)

				ill.Store(true)
				alone, _ := r.open(t, s.Views[1].Get)
				round()
				if st := alone.Status(); !st.Asked.IsZero() {
					t.Errorf("alone the status is %+v", st)
				}
			})
		})
	}
}

// TestWatchLiesInTiles has heads that are good, and tiles that are not.
func TestWatchLiesInTiles(t *testing.T) {
	for name, edit := range map[string]func([]byte) ([]byte, error){
		"flipped": flipped,
		"short":   func(data []byte) ([]byte, error) { return data[:len(data)-1], nil },
		"long":    func(data []byte) ([]byte, error) { return append(data, data...), nil },
		"none":    func([]byte) ([]byte, error) { return nil, errors.New("503") },
		"absent":  func([]byte) ([]byte, error) { return nil, fs.ErrNotExist },
	} {
		for _, size := range []int{250, 256, 300, 301, 700} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				watchTest(t, func(t *testing.T, r *watchRig) {
					newer := newHistory(r.signer, -1).grow(t, size)
					lying := getter(newer.get).with("tile/", edit)
					s, close := r.open(t, lying, r.main.get)
					round()
					round()
					// Lookups go to main, which has no tiles of a larger tree.
					st := s.Status()
					if want := int64(300); st.Size != want || (st.Views[0].Error != "") != (size > 300) || st.Views[1].Error != "" {
						t.Errorf("the status is %+v", st)
					}
					r.main.grow(t, size)
					round()
					if st := s.Status(); st.Size != int64(max(300, size)) || st.Views[0].Error != "" {
						t.Errorf("with other tiles at hand the status is %+v", st)
					}
					close()
					// A fork that is not proven is none.
					fork := newHistory(r.signer, 2).grow(t, 800)
					s, _ = r.open(t, getter(fork.get).with("tile/", edit), r.main.get)
					round()
					if st := s.Status(); st.Size != int64(max(300, size)) || st.Stopped != "" || st.Views[0].Error == "" {
						t.Errorf("with the head of a fork alone the status is %+v", st)
					}
					r.wantAlarms(t, "fork", 0)
				})
			})
		}
	}
}

// TestWatchDamagedStore: what the disk does is not the database's fault.
func TestWatchDamagedStore(t *testing.T) {
	for _, size := range []int{300, 700} {
		for _, name := range []string{"latest", "tile/8/0/000", "tile/8/0/001.p/44", "tile/8/1/000.p/1", "lookup/example.com/m@v1.0.7"} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				watchTest(t, func(t *testing.T, r *watchRig) {
					s, close := r.open(t)
					if err := lookup(t, s, 7); err != nil {
						t.Fatal(err)
					}
					close()
					data, err := os.ReadFile(r.file(name))
					if err != nil {
						t.Fatal(err)
					}
					data[10] ^= 1
					if err := os.WriteFile(r.file(name), data, 0o666); err != nil {
						t.Fatal(err)
					}
					lagging := newHistory(r.signer, -1).grow(t, 290)
					r.main.grow(t, size)
					s, _ = r.open(t, lagging.get, r.main.get)
					round()
					if st := s.Status(); st.Size != int64(size) || st.Stopped != "" || st.Views[0].Error != "" || st.Views[1].Error != "" {
						t.Errorf("the status is %+v", st)
					}
					if err := errors.Join(lookup(t, s, 7), lookup(t, s, 299)); err != nil {
						t.Error(err)
					}
					r.wantAlarms(t, "fork", 0)
				})
			})
		}
	}
}
