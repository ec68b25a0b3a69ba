package godown_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
)

// again returns a rig on the folders of another, as after a restart.
func (r *rig) again(t *testing.T, change func(*rig)) *rig {
	t.Helper()
	r.Close(t.Context())
	return newRig(t, func(next *rig) {
		next.dir, next.mods, next.Store, next.Answers, next.Pending = r.dir, r.mods, r.Store, r.Answers, r.Pending
		if next.Verifier = (oracle{r.mods}); change != nil {
			change(next)
		}
	}, godown.Step{Source: r.mods})
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, "modules", name) }

// damage edits a stored file.
func (r *rig) damage(t *testing.T, name string, edit func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(r.path(name))
	if err == nil {
		err = os.WriteFile(r.path(name), edit(data), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// flipContent flips a bit of the first entry's content in a zip.
func flipContent(data []byte) []byte {
	data = bytes.Clone(data)
	data[30+int(data[26])+3] ^= 1 // behind the local header and the name
	return data
}

// set aside are the files that an operator may look at.
func (r *rig) aside(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(r.path(".aside/example.com/hello/@v/*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestRotIsHealed damages a zip whose hash stands beside it: that is found in
// the background, and the zip fetched anew.
func TestRotIsHealed(t *testing.T) {
	r := newRig(t, nil)
	req := hello(godown.Zip, "v1.0.0")
	mustFetch(t, r, req)
	r = r.again(t, nil)
	r.damage(t, req.Name(), flipContent)
	mustFetch(t, r, req) // whoever is first may be unlucky
	for len(r.aside(t)) < 2 || r.Stats().Fetches == 0 || r.Stats().Fetching > 0 {
		pass(time.Millisecond)
	}
	if _, data := mustFetch(t, r, req); !bytes.Equal(data, r.mods.Data(req.Name())) {
		t.Error("the rotten zip is still served")
	}
	if got := r.aside(t); len(got) != 2 {
		t.Errorf("set aside are %q, want the zip and its hash", got)
	}
	if r.alarms.count("rot") != 1 {
		t.Errorf("%d alarms", r.alarms.count("rot"))
	}
}

// TestBadZipIsNeverServed: what can be seen at once is, before anybody is served.
func TestBadZipIsNeverServed(t *testing.T) {
	req := hello(godown.Zip, "v1.0.0")
	for name, damage := range map[string]func(*rig){
		"empty":                     func(r *rig) { r.damage(t, req.Name(), func([]byte) []byte { return nil }) },
		"truncated":                 func(r *rig) { r.damage(t, req.Name(), func(b []byte) []byte { return b[:len(b)-10] }) },
		"a page":                    func(r *rig) { r.damage(t, req.Name(), func([]byte) []byte { return []byte("<html>") }) },
		"flipped, without .ziphash": func(r *rig) { os.Remove(r.path(req.Name() + "hash")); r.damage(t, req.Name(), flipContent) },
		"another, without .ziphash": func(r *rig) {
			os.Remove(r.path(req.Name() + "hash"))
			r.damage(t, req.Name(), func([]byte) []byte { return r.mods.Data(hello(godown.Zip, "v1.1.0").Name()) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			mustFetch(t, r, req)
			r = r.again(t, nil)
			damage(r)
			wantFetch(t, r, req, r.mods.Data(req.Name()), godown.Miss)
			if r.Stats().Rotten != 1 || len(r.aside(t)) == 0 {
				t.Errorf("%d rotten, set aside are %q", r.Stats().Rotten, r.aside(t))
			}
			// Damaged under our feet, it is noticed by its size.
			for r.Stats().Fetching > 0 {
				pass(time.Millisecond)
			}
			r.damage(t, req.Name(), func(b []byte) []byte { return b[:len(b)-1] })
			wantFetch(t, r, req, r.mods.Data(req.Name()), godown.Miss)
		})
	}
}

// TestSeed: a good file that an operator has put there is served, hashed and verified.
func TestSeed(t *testing.T) {
	r := newRig(t, nil)
	for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
		req := hello(kind, "v1.0.0")
		if err := os.MkdirAll(filepath.Dir(r.path(req.Name())), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.path(req.Name()), r.mods.Data(req.Name()), 0o666); err != nil {
			t.Fatal(err)
		}
		wantFetch(t, r, req, r.mods.Data(req.Name()), godown.Hit)
	}
	if _, err := os.Stat(r.path("example.com/hello/@v/v1.0.0.ziphash")); err != nil {
		t.Errorf("its hash is not kept: %v", err)
	}
	if list, err := os.ReadFile(r.path("example.com/hello/@v/list")); string(list) != "v1.0.0\n" {
		t.Errorf("the list is %q, %v", list, err)
	}
	if n := r.Stats().Fetches; n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// A shaky is a Verifier whose database can be away.
type shaky struct {
	oracle
	away *atomic.Bool
}

func (s shaky) Verify(ctx context.Context, req godown.Request, h1 string) error {
	if s.away.Load() {
		return &godown.Unverified{Request: req, By: "the oracle", Err: errors.New("gone fishing")}
	}
	return s.oracle.Verify(ctx, req, h1)
}

func TestRequireVerification(t *testing.T) {
	var away atomic.Bool
	r := newRig(t, func(r *rig) { r.Verifier = shaky{oracle{r.mods}, &away} })
	mustFetch(t, r, hello(godown.Mod, "v1.0.0"))
	away.Store(true)
	for _, kind := range []godown.Kind{godown.Mod, godown.Zip} {
		_, err := r.Fetch(t.Context(), hello(kind, "v1.1.0"))
		if _, ok := errors.AsType[*godown.Unverified](err); !ok {
			t.Errorf("%v: %v, want *Unverified", kind, err)
		}
	}
	mustFetch(t, r, hello(godown.Mod, "v1.0.0")) // what was verified is served
	away.Store(false)
	mustFetch(t, r, hello(godown.Mod, "v1.1.0")) // and the failure is not remembered
}

// TestPreferVerification: unverified files are served, marked, and verified
// when the database is back; a lie among them is found then.
func TestPreferVerification(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	r := newRig(t, nil)
	good, lie := hello(godown.Zip, "v1.0.0"), hello(godown.Mod, "v1.1.0")
	truth := r.mods
	r.Verifier, r.Prefer = shaky{oracle{truth}, &away}, true
	r.Source = godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		if req == lie && away.Load() {
			return godown.NewFile([]byte("module example.com/evil\n")), nil
		}
		return truth.Fetch(ctx, req)
	})
	mustFetch(t, r, good)
	mustFetch(t, r, lie)
	source := r.Source
	strict := r.again(t, func(next *rig) { next.Verifier, next.Source = shaky{oracle{truth}, &away}, source })
	if _, err := strict.Fetch(t.Context(), lie); err == nil {
		t.Error("without Prefer, what nobody has verified is served")
	}
	synctest.Test(t, func(t *testing.T) {
		next := newRig(t, func(next *rig) {
			next.dir, next.Store, next.Pending = r.dir, r.Store, r.Pending
			next.Verifier, next.Source, next.Prefer = shaky{oracle{truth}, &away}, source, true
		})
		ctx, cancel := context.WithCancel(t.Context())
		go next.VerifyPending(ctx, time.Minute)
		synctest.Wait()
		if n := next.Stats().Pending; n != 2 {
			t.Errorf("%d files are pending, want 2", n)
		}
		away.Store(false)
		pass(time.Minute)
		synctest.Wait()
		if n := next.Stats().Pending; n != 0 || next.Stats().Rotten != 1 {
			t.Errorf("afterwards %d are pending, %d were bad", n, next.Stats().Rotten)
		}
		_, data := mustFetch(t, next, lie)
		if !bytes.Equal(data, truth.Data(lie.Name())) {
			t.Error("the lie is still served")
		}
		cancel()
		next.Close(t.Context())
	})
}

// TestInfoIsInferred: what the go command never asked for is there offline.
func TestInfoIsInferred(t *testing.T) {
	r := newRig(t, nil)
	mustFetch(t, r, hello(godown.Info, "master")) // which is v1.1.0
	mustFetch(t, r, hello(godown.Mod, "v1.0.0"))
	off := godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) {
		return nil, &godown.NotFound{Text: "off", Unasked: true}
	})
	mods := r.mods
	offline := r.again(t, func(next *rig) { next.Source = off })
	wantFetch(t, offline, hello(godown.Info, "v1.1.0"), mods.Data(hello(godown.Info, "v1.1.0").Name()), godown.Stale)
	wantFetch(t, offline, hello(godown.Info, "v1.0.0"), []byte(`{"Version":"v1.0.0"}`), godown.Stale)
	if _, err := offline.Fetch(t.Context(), hello(godown.Info, "v1.2.0")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a version that nobody knows: %v", err)
	}
	online := offline.again(t, func(next *rig) { next.Source = mods })
	wantFetch(t, online, hello(godown.Info, "v1.1.0"), mods.Data(hello(godown.Info, "v1.1.0").Name()), godown.Miss)
	online = online.again(t, nil)
	wantFetch(t, online, hello(godown.Info, "v1.1.0"), mods.Data(hello(godown.Info, "v1.1.0").Name()), godown.Hit)
}
