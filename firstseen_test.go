package godown_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

const verifyModules = `
-- example.com/hello@v1.0.0/go.mod --
module example.com/hello
-- example.com/hello@v1.0.0/hello.go --
package hello
-- github.com/BurntSushi/Toml@v0.1.0-Beta/toml.go --
package toml
-- example.com/old@v2.0.0+incompatible/old.go --
package old
-- golang.org/toolchain@v0.0.1-go1.99.0.linux-amd64/bin/go --
#!/bin/sh
`

func TestFirstSeenVerifier(t *testing.T) {
	v := &godown.FirstSeen{Store: openDir(t, t.TempDir())}
	godowntest.TestVerifier(t, v, godowntest.NewModules(t, verifyModules), false)
}

// A brokenStore is a Store that fails where it is told to.
type brokenStore struct {
	godown.Store
	open, put atomic.Pointer[error]
}

func (s *brokenStore) Open(ctx context.Context, name string) (*godown.File, error) {
	if err := s.open.Load(); err != nil {
		return nil, *err
	}
	return s.Store.Open(ctx, name)
}

func (s *brokenStore) Put(ctx context.Context, name string, r io.Reader) error {
	if err := s.put.Load(); err != nil {
		return *err
	}
	return s.Store.Put(ctx, name, r)
}

func (s *brokenStore) List(ctx context.Context, prefix string) iter.Seq2[godown.Entry, error] {
	return s.Store.List(ctx, prefix)
}

// hashOf makes something that looks like a hash.
func hashOf(n int) string { return fmt.Sprintf("h1:%043d=", n) }

func TestFirstSeenPersists(t *testing.T) {
	folder := t.TempDir()
	zip := godown.Request{Kind: godown.Zip, Path: "github.com/BurntSushi/x", Version: "v1.0.0-RC"}
	mod := godown.Request{Kind: godown.Mod, Path: zip.Path, Version: zip.Version}
	for range 3 { // each in a new process's life
		v := &godown.FirstSeen{Store: openDir(t, folder)}
		for i, req := range []godown.Request{zip, mod} {
			if err := v.Verify(t.Context(), req, hashOf(i)); err != nil {
				t.Error(err)
			}
			if got := v.Recall(t.Context(), req); got != hashOf(i) {
				t.Errorf("Recall(%v) = %q", req, got)
			}
			err := v.Verify(t.Context(), req, hashOf(7))
			if m, ok := errors.AsType[*godown.Mismatch](err); !ok || m.Request != req || !strings.Contains(m.Reason, hashOf(i)) || !strings.Contains(m.Reason, hashOf(7)) {
				t.Errorf("another hash for %v: error is %v", req, err)
			}
		}
	}
	// What is stored are the lines of a go.sum.
	f, err := openDir(t, folder).Open(t.Context(), "github.com/!burnt!sushi/x/@v/v1.0.0-!r!c.sum")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := "github.com/BurntSushi/x v1.0.0-RC " + hashOf(0) + "\ngithub.com/BurntSushi/x v1.0.0-RC/go.mod " + hashOf(1) + "\n"
	if got, err := io.ReadAll(f.Reader()); err != nil || string(got) != want {
		t.Errorf("stored is %q (error %v), want %q", got, err, want)
	}
}

// TestFirstSeenOnce has many come first; one of them did.
func TestFirstSeenOnce(t *testing.T) {
	v := &godown.FirstSeen{Store: openDir(t, t.TempDir())}
	req := godown.Request{Kind: godown.Zip, Path: "example.com/m", Version: "v1.0.0"}
	var good atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			switch err := v.Verify(t.Context(), req, hashOf(i)); err.(type) {
			case nil:
				good.Add(1)
			case *godown.Mismatch:
			default:
				t.Errorf("error is %v", err)
			}
		})
	}
	wg.Wait()
	if good.Load() != 1 {
		t.Errorf("%d different hashes were all the first", good.Load())
	}
}

// TestFirstSeenBrokenStore checks that without its records it neither trusts nor accuses.
func TestFirstSeenBrokenStore(t *testing.T) {
	ill := errors.New("input/output error")
	store := &brokenStore{Store: openDir(t, t.TempDir())}
	v := &godown.FirstSeen{Store: store}
	req := godown.Request{Kind: godown.Mod, Path: "example.com/m", Version: "v1.0.0"}
	wantUnverified := func(err error) {
		t.Helper()
		if u, ok := errors.AsType[*godown.Unverified](err); !ok || u.Absent || u.Request != req || !errors.Is(err, ill) {
			t.Errorf("error is %v, want an *Unverified because of %v", err, ill)
		}
	}
	store.put.Store(&ill)
	wantUnverified(v.Verify(t.Context(), req, hashOf(1)))
	if got := v.Recall(t.Context(), req); got != "" {
		t.Errorf("Recall = %q, which could not be written", got)
	}
	store.put.Store(nil)
	if err := v.Verify(t.Context(), req, hashOf(2)); err != nil {
		t.Errorf("what could not be written was kept all the same: %v", err)
	}
	store.open.Store(&ill)
	wantUnverified(v.Verify(t.Context(), req, hashOf(2)))
	wantUnverified(v.Verify(t.Context(), req, hashOf(3)))
	if got := v.Recall(t.Context(), req); got != "" {
		t.Errorf("Recall = %q, which could not be read", got)
	}
	store.open.Store(nil)
	if err := v.Verify(t.Context(), req, hashOf(2)); err != nil {
		t.Error(err)
	}
}

// A namedVerifier says who was asked.
type namedVerifier string

func (v namedVerifier) Verify(context.Context, godown.Request, string) error {
	return &godown.Unverified{By: string(v), Err: fs.ErrInvalid}
}
func (v namedVerifier) Recall(context.Context, godown.Request) string { return string(v) }

func TestTrust(t *testing.T) {
	const database, seen = namedVerifier("database"), namedVerifier("seen")
	for _, test := range []struct {
		database godown.Verifier
		path     string
		want     namedVerifier
	}{
		{database, "example.com/m", database},
		{database, "corp.test/m", seen},
		{database, "corp.test", seen},
		{database, "git.corp.test/team/m/v2", seen},
		{database, "corp.test.example.com/m", database},
		{database, "golang.org/toolchain", database}, // although golang.org/* is named
		{database, "golang.org/x", seen},
		{nil, "example.com/m", seen},
		{nil, "golang.org/toolchain", seen},
	} {
		trust := &godown.Trust{Database: test.database, NoSumDB: "corp.test,*.corp.test,golang.org/*", FirstSeen: seen}
		req := godown.Request{Kind: godown.Zip, Path: test.path, Version: "v1.0.0"}
		if got := trust.Recall(t.Context(), req); got != string(test.want) {
			t.Errorf("Recall(%s) asks %s, want %s", test.path, got, test.want)
		}
		if u, ok := trust.Verify(t.Context(), req, "").(*godown.Unverified); !ok || u.By != string(test.want) {
			t.Errorf("Verify(%s) asks %v, want %s", test.path, u, test.want)
		}
	}
}

// A Cache lets a Verifier with an Ahead look things up while a body arrives.
func TestTrustAhead(t *testing.T) {
	if _, ok := any(new(godown.Trust)).(interface {
		Ahead(ctx context.Context, req godown.Request)
	}); !ok {
		t.Error("Trust has no Ahead, so that of Sums is never called")
	}
}

// An aheadVerifier counts what it is told of ahead.
type aheadVerifier struct {
	namedVerifier
	told []string
}

func (v *aheadVerifier) Ahead(_ context.Context, req godown.Request) {
	v.told = append(v.told, req.Path)
}

// TestTrustAheadPrivate: ahead of time, too, the database is told of nothing private.
func TestTrustAheadPrivate(t *testing.T) {
	database := &aheadVerifier{namedVerifier: "database"}
	trust := &godown.Trust{Database: database, NoSumDB: "corp.test", FirstSeen: namedVerifier("seen")}
	for _, path := range []string{"corp.test/m", "example.com/m", "corp.test"} {
		trust.Ahead(t.Context(), godown.Request{Kind: godown.Zip, Path: path, Version: "v1.0.0"})
	}
	if len(database.told) != 1 || database.told[0] != "example.com/m" {
		t.Errorf("the database was told of %q", database.told)
	}
}
