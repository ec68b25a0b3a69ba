package godown_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A sumsRig is a checksum database and those who use it.
type sumsRig struct {
	mods   *godowntest.Modules
	db     *godowntest.SumDB
	folder string // of the store
	last   *godown.Sums
	alarms alarms
}

func newSumsRig(t *testing.T) *sumsRig {
	t.Helper()
	mods := godowntest.NewModules(t, verifyModules)
	return &sumsRig{mods: mods, db: godowntest.NewSumDB(t, "sum.test", mods), folder: t.TempDir()}
}

// open ends the last Sums and returns a new one on the same folder, as a
// process that is started again.
func (r *sumsRig) open(t *testing.T) *godown.Sums {
	t.Helper()
	r.close(t)
	spec, err := godown.ParseSumDB(r.db.SpecURL())
	if err != nil {
		t.Fatal(err)
	}
	up := upstreamAt(t, spec.URL.String())
	up.Retries = -1
	r.last = &godown.Sums{Spec: spec, Store: openDir(t, r.folder), Remote: up.Get, Alarm: r.alarms.add}
	t.Cleanup(func() { r.close(t) })
	return r.last
}

// close has everything stored.
func (r *sumsRig) close(t *testing.T) {
	t.Helper()
	if r.last == nil {
		return
	}
	if err := r.last.Close(context.Background()); err != nil {
		t.Error(err)
	}
	r.last = nil
}

// The modules of the rig.
var (
	sumsHello = godown.Request{Kind: godown.Zip, Path: "example.com/hello", Version: "v1.0.0"}
	sumsToml  = godown.Request{Kind: godown.Zip, Path: "github.com/BurntSushi/Toml", Version: "v0.1.0-Beta"}
	sumsOld   = godown.Request{Kind: godown.Mod, Path: "example.com/old", Version: "v2.0.0+incompatible"}
)

const helloLookup, tomlLookup = "lookup/example.com/hello@v1.0.0", "lookup/github.com/!burnt!sushi/!toml@v0.1.0-!beta"

// hash returns the true hash of a file.
func (r *sumsRig) hash(req godown.Request) string {
	sums, _ := r.mods.Sums(req.Path, req.Version)
	if req.Kind == godown.Mod {
		return sums.Mod
	}
	return sums.Zip
}

func (r *sumsRig) wantVerified(t *testing.T, s *godown.Sums, reqs ...godown.Request) {
	t.Helper()
	for _, req := range reqs {
		if err := s.Verify(t.Context(), req, r.hash(req)); err != nil {
			t.Errorf("Verify(%v): %v", req, err)
		}
	}
}

// wantUnverified checks that the database is to blame for nothing worse than being ill.
func (r *sumsRig) wantUnverified(t *testing.T, s *godown.Sums, req godown.Request) {
	t.Helper()
	err := s.Verify(t.Context(), req, r.hash(req))
	if u, ok := errors.AsType[*godown.Unverified](err); !ok || u.Absent {
		t.Errorf("Verify(%v): error is %v, want an *Unverified that is not Absent", req, err)
	}
	if n := r.alarms.count("fork"); n > 0 {
		t.Errorf("%d alarms of a fork", n)
	}
}

func (r *sumsRig) grow(t *testing.T, n int) {
	t.Helper()
	if err := r.db.Grow(n); err != nil {
		t.Fatal(err)
	}
}

// storedFile returns the path of a file of the database in the rig's store.
func (r *sumsRig) storedFile(name string) string {
	return filepath.Join(r.folder, "sumdb", "sum.test", filepath.FromSlash(name))
}

// damage edits a stored file.
func (r *sumsRig) damage(t *testing.T, name string, edit func([]byte) []byte) {
	t.Helper()
	file := r.storedFile(name)
	data, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, edit(data), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// forge changes the hashes in a record, and nothing else.
func forge(data []byte) []byte {
	lines := bytes.SplitAfter(data, []byte("\n"))
	for i, line := range lines {
		if at := bytes.Index(line, []byte("h1:")); at >= 0 && i < 3 {
			line[at+5] ^= 'A' ^ 'B'
		}
	}
	return bytes.Join(lines, nil)
}

func TestSumsIsAVerifier(t *testing.T) {
	for _, size := range []int{0, 1, 300} {
		r := newSumsRig(t)
		r.grow(t, size)
		godowntest.TestVerifier(t, r.open(t), r.mods, true)
		if n := len(r.alarms.list); n > 0 {
			t.Errorf("%d alarms: %v", n, r.alarms.list)
		}
	}
}

func TestSumsKeepsWhatItProved(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 300)
	s := r.open(t)
	mod := godown.Request{Kind: godown.Mod, Path: sumsHello.Path, Version: sumsHello.Version}
	r.wantVerified(t, s, sumsHello, mod, sumsHello)
	if n := r.db.Count(helloLookup); n != 1 {
		t.Errorf("asked %d times for one record", n)
	}
	r.db.Vanish()
	r.wantVerified(t, s, sumsHello, mod)
	r.wantUnverified(t, s, sumsToml)

	s = r.open(t) // a restart
	if got := s.Recall(t.Context(), sumsHello); got != r.hash(sumsHello) {
		t.Errorf("Recall after a restart = %q, want %q", got, r.hash(sumsHello))
	}
	r.wantVerified(t, s, sumsHello, mod)
	r.wantUnverified(t, s, sumsToml)
	if err := r.db.Return(); err != nil {
		t.Fatal(err)
	}
	r.wantVerified(t, s, sumsToml) // errors are not remembered
}

// What a lookup proves it keeps in the layout of GOMODCACHE/cache/download.
func TestSumsLayout(t *testing.T) {
	r := newSumsRig(t)
	r.wantVerified(t, r.open(t), sumsHello, sumsToml)
	r.close(t)
	for _, name := range []string{helloLookup, tomlLookup, "latest", "tile/8/0/000.p/2"} {
		if _, err := os.Stat(r.storedFile(name)); err != nil {
			t.Error(err)
		}
	}
}

// TestSumsIllness switches each fault on, and off again.
func TestSumsIllness(t *testing.T) {
	for name, fault := range map[string]struct {
		match string
		fault godowntest.Fault
	}{
		"500":                {"", godowntest.Status(500, "")},
		"lookup 500":         {"lookup/", godowntest.Status(500, "")},
		"tile 500":           {"tile/", godowntest.Status(500, "")},
		"page":               {"", godowntest.LoginPage()},
		"page for tiles":     {"tile/", godowntest.LoginPage()},
		"bad signature":      {"", godowntest.BadSignature()},
		"corrupt tile":       {"tile/", godowntest.Flip(0)},
		"corrupt tile's end": {"tile/", godowntest.Flip(-1)},
		"short tile":         {"tile/", godowntest.Shorten(31)},
		"empty tile":         {"tile/", godowntest.Shorten(0)},
		"long tile":          {"tile/", godowntest.Change(func(data []byte) []byte { return append(data, data...) })},
		"cut lookup":         {"lookup/", godowntest.Shorten(40)},
		"empty lookup":       {"lookup/", godowntest.Shorten(0)},
		"forged record":      {"lookup/", godowntest.Change(forge)},
		"other number":       {"lookup/", godowntest.Change(func(data []byte) []byte { data[0]++; return data })},
		"number beyond":      {"lookup/", godowntest.Change(func(data []byte) []byte { return append([]byte("9"), data...) })},
		"huge":               {"lookup/", godowntest.Huge(2 << 20)},
		"connection reset":   {"", godowntest.Reset(-1)},
		"cut in the body":    {"", godowntest.Cut(10)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSumsRig(t)
			r.grow(t, 300)
			s := r.open(t)
			heal := r.db.Break(fault.match, fault.fault)
			r.wantUnverified(t, s, sumsHello)
			if _, err := os.Stat(r.storedFile(helloLookup)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a record that was not proven is stored (%v)", err)
			}
			if got := s.Recall(t.Context(), sumsHello); got != "" {
				t.Errorf("Recall of what was not proven: %s", got)
			}
			heal()
			r.wantVerified(t, s, sumsHello, sumsToml, sumsOld)

			r.db.Break(fault.match, fault.fault) // now with a head that is known
			r.grow(t, 300)
			req := godown.Request{Kind: godown.Zip, Path: "golang.org/toolchain", Version: "v0.0.1-go1.99.0.linux-amd64"}
			r.wantUnverified(t, s, req)
			r.db.Heal()
			r.wantVerified(t, s, req, sumsHello)
		})
	}
}

// TestSumsAbsentTile: that a tile is not there does not mean that there is no record.
func TestSumsAbsentTile(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 300)
	heal := r.db.Break("tile/", godowntest.Status(404, "not found"))
	s := r.open(t)
	r.wantUnverified(t, s, sumsHello)
	heal()
	r.wantVerified(t, s, sumsHello)
}

// TestSumsBadHeadOnKnownRecord: a record of which the tree is known already
// comes with a head that was forged on the way. It must not be kept, as clients check it.
func TestSumsBadHeadOnKnownRecord(t *testing.T) {
	r := newSumsRig(t)
	if _, err := r.open(t).Lookup(t.Context(), sumsHello.Path, sumsHello.Version); err != nil {
		t.Fatal(err)
	}
	r.close(t)
	r.grow(t, 10)
	r.wantVerified(t, r.open(t), sumsToml) // now the head is beyond hello
	r.close(t)
	if err := os.Remove(r.storedFile(helloLookup)); err != nil {
		t.Fatal(err)
	}
	s := r.open(t)
	r.db.Break("lookup/", godowntest.BadSignature())
	served, err := readSum(t.Context(), s, "sum.test/"+helloLookup)
	r.db.Heal()
	if err != nil {
		served, err = readSum(t.Context(), s, "sum.test/"+helloLookup)
	}
	good, err2 := s.Remote(t.Context(), helloLookup)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(served, good) {
		t.Errorf("served is\n%s\nwhich no client accepts, want\n%s", served, good)
	}
}

func TestSumsMismatch(t *testing.T) {
	r := newSumsRig(t)
	r.db.Lie(sumsHello.Path, sumsHello.Version, godowntest.Sums{Zip: hashOf(1), Mod: hashOf(2)})
	err := r.open(t).Verify(t.Context(), sumsHello, r.hash(sumsHello))
	m, ok := errors.AsType[*godown.Mismatch](err)
	if !ok || m.Request != sumsHello || !strings.Contains(m.Reason, hashOf(1)) || !strings.Contains(m.Reason, r.hash(sumsHello)) || !strings.Contains(m.Reason, "sum.test") {
		t.Errorf("error is %v, want a *Mismatch with both hashes and the database", err)
	}
}

// wantFork checks that the database is found out, with so many alarms in all.
func (r *sumsRig) wantFork(t *testing.T, s *godown.Sums, req godown.Request, alarms int) {
	t.Helper()
	err := s.Verify(t.Context(), req, r.hash(req))
	security, ok := errors.AsType[*godown.SecurityError](err)
	if !ok || security.Database != "sum.test" {
		t.Fatalf("Verify(%v): error is %v, want a *SecurityError", req, err)
	}
	// The evidence are the two heads, which the database cannot deny.
	if n := strings.Count(security.Detail, "— sum.test "); n != 2 {
		t.Errorf("the evidence has %d signatures:\n%s", n, security.Detail)
	}
	if n := r.alarms.count("fork"); n != alarms {
		t.Errorf("%d alarms of a fork, want %d", n, alarms)
	}
}

func TestSumsFork(t *testing.T) {
	for _, size := range []int{2, 300} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d records, restart %v", size, restart), func(t *testing.T) {
				r := newSumsRig(t)
				r.grow(t, size)
				s := r.open(t)
				r.wantVerified(t, s, sumsHello)
				if err := r.db.Fork(); err != nil {
					t.Fatal(err)
				}
				if restart {
					s = r.open(t)
				}
				r.wantFork(t, s, sumsToml, 1)
				r.wantFork(t, s, sumsToml, 1) // and again
				if s.Recall(t.Context(), sumsToml) != "" {
					t.Error("a record of the fork is kept")
				}
				if !restart {
					r.wantVerified(t, s, sumsHello)
				}
			})
		}
	}
}

// TestSumsForkKeepsTiles: what was proven before a fork stays proven after it.
func TestSumsForkKeepsTiles(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 300)
	r.wantVerified(t, r.open(t), sumsHello)
	if err := r.db.Fork(); err != nil {
		t.Fatal(err)
	}
	s := r.open(t)
	r.wantFork(t, s, sumsToml, 1)
	r.wantVerified(t, s, sumsHello)
}

// TestSumsOlderHead: a database that for once answers from an older replica does not misbehave.
func TestSumsOlderHead(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 5)
	s := r.open(t)
	r.wantVerified(t, s, sumsHello)
	old, err := s.Lookup(t.Context(), sumsHello.Path, sumsHello.Version)
	if err != nil {
		t.Fatal(err)
	}
	r.grow(t, 500)
	r.wantVerified(t, s, sumsToml)
	r.close(t)
	s = r.open(t)
	if err := os.Remove(r.storedFile(helloLookup)); err != nil {
		t.Fatal(err)
	}
	r.db.Break("lookup/", godowntest.Replace("text/plain", old))
	r.wantVerified(t, s, sumsHello, sumsToml)
	r.db.Heal()
	r.wantVerified(t, s, sumsOld)
}

// TestSumsDamagedStore damages what is stored: it is proven anew, fetched and healed.
func TestSumsDamagedStore(t *testing.T) {
	flip := func(data []byte) []byte { data[0] ^= 1; return data }
	empty := func([]byte) []byte { return nil }
	half := func(data []byte) []byte { return data[:len(data)/2] }
	for name, test := range map[string]struct {
		file string
		edit func([]byte) []byte
	}{
		"forged record":    {helloLookup, forge},
		"flipped record":   {helloLookup, flip},
		"half a record":    {helloLookup, half},
		"empty record":     {helloLookup, empty},
		"flipped tile":     {"tile/8/0/001.p/45", flip},
		"half a tile":      {"tile/8/0/001.p/45", half},
		"empty tile":       {"tile/8/0/001.p/45", empty},
		"flipped top tile": {"tile/8/1/000.p/1", flip},
		"flipped head":     {"latest", flip},
		"half a head":      {"latest", half},
		"empty head":       {"latest", empty},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSumsRig(t)
			r.grow(t, 300)
			r.wantVerified(t, r.open(t), sumsHello)
			r.close(t)
			r.damage(t, test.file, test.edit)
			s := r.open(t)
			r.wantVerified(t, s, sumsHello)
			r.wantVerified(t, s, sumsToml, sumsHello)
			if n := r.alarms.count("fork"); n > 0 {
				t.Errorf("%d alarms of a fork", n)
			}
			lost := test.file == "latest" && name != "empty head"
			if n := r.alarms.count("rot"); (n > 0) != lost {
				t.Errorf("%d alarms of rot", n)
			}
			r.db.Vanish()
			r.wantVerified(t, r.open(t), sumsHello, sumsToml) // healed on the disk
		})
	}
}

// TestSumsForgedRecordFirst asks for the forged record by the other ways first, as a Cache does.
func TestSumsForgedRecordFirst(t *testing.T) {
	for name, first := range map[string]func(*godown.Sums){
		"Recall":   func(s *godown.Sums) { s.Recall(context.Background(), sumsHello) },
		"FetchSum": func(s *godown.Sums) { s.FetchSum(context.Background(), "sum.test/"+helloLookup) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newSumsRig(t)
			r.grow(t, 300)
			r.wantVerified(t, r.open(t), sumsHello)
			r.close(t)
			r.damage(t, helloLookup, forge)
			s := r.open(t)
			first(s)
			r.wantVerified(t, s, sumsHello)
			if got := s.Recall(t.Context(), sumsHello); got != r.hash(sumsHello) {
				t.Errorf("Recall = %s, want %s", got, r.hash(sumsHello))
			}
		})
	}
}

// TestSumsBrokenStore: without a store it still verifies, and says that it cannot keep anything.
func TestSumsBrokenStore(t *testing.T) {
	ill := errors.New("input/output error")
	r := newSumsRig(t)
	r.grow(t, 300)
	s := r.open(t)
	store := &brokenStore{Store: s.Store}
	store.put.Store(&ill)
	s.Store = store
	r.wantVerified(t, s, sumsHello, sumsToml, sumsHello)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if r.alarms.count("store") == 0 {
		t.Error("there is no alarm that nothing could be stored")
	}

	s = r.open(t) // without knowing the old head nothing new may be believed
	store = &brokenStore{Store: s.Store}
	store.open.Store(&ill)
	s.Store = store
	r.wantUnverified(t, s, sumsHello)
	store.open.Store(nil)
	r.wantVerified(t, s, sumsHello)
}

func TestSumsConcurrent(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 300)
	var archive strings.Builder
	for i := range 20 {
		fmt.Fprintf(&archive, "-- example.com/many@v1.%d.0/x.go --\npackage x // %d\n", i, i)
	}
	if err := r.mods.Add(archive.String()); err != nil {
		t.Fatal(err)
	}
	s := r.open(t)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { r.wantVerified(t, s, sumsHello) })
	}
	for i := range 100 { // each new record is in a tree of its own
		req := godown.Request{Kind: godown.Zip, Path: "example.com/many", Version: fmt.Sprintf("v1.%d.0", i%20)}
		wg.Go(func() { r.wantVerified(t, s, req) })
	}
	wg.Wait()
	for _, name := range r.db.Requests() {
		if n := r.db.Count(name); strings.HasPrefix(name, "lookup/") && n != 1 {
			t.Errorf("%s was asked for %d times", name, n)
		}
	}
	if n := len(r.alarms.list); n > 0 {
		t.Errorf("alarms: %v", r.alarms.list)
	}
	// The head that was kept is the newest.
	r.close(t)
	size, err := r.db.Size()
	if err != nil {
		t.Fatal(err)
	}
	if head, err := os.ReadFile(r.storedFile("latest")); err != nil || !strings.Contains(string(head), fmt.Sprintf("\n%d\n", size)) {
		t.Errorf("the stored head is %q, error %v, want one of %d records", head, err, size)
	}
}

// TestSumsCallerLeaves checks that a lookup goes on for the others when the one who began it leaves.
func TestSumsCallerLeaves(t *testing.T) {
	r := newSumsRig(t)
	arrived, answer := make(chan struct{}), make(chan struct{})
	s := r.open(t)
	remote := s.Remote
	s.Remote = func(ctx context.Context, path string) ([]byte, error) {
		if strings.HasPrefix(path, "lookup/") {
			close(arrived)
			<-answer
		}
		return remote(ctx, path)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() { first <- s.Verify(ctx, sumsHello, r.hash(sumsHello)) }()
	<-arrived
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who left gets %v", err)
	}
	second := make(chan error)
	go func() { second <- s.Verify(t.Context(), sumsHello, r.hash(sumsHello)) }()
	close(answer)
	if err := <-second; err != nil {
		t.Error(err)
	}
	if n := r.db.Count(helloLookup); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestSumsPrivate: what is private is not asked about on behalf of clients.
func TestSumsPrivate(t *testing.T) {
	r := newSumsRig(t)
	s := r.open(t)
	s.Private = "github.com/BurntSushi,golang.org/*"
	if f, err := s.FetchSum(t.Context(), "sum.test/"+tomlLookup); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, error %v, want an fs.ErrNotExist", f, err)
	}
	for _, name := range r.db.Requests() {
		if strings.Contains(name, "!burnt") {
			t.Errorf("the database was asked for %s", name)
		}
	}
	for _, name := range []string{helloLookup, "lookup/golang.org/toolchain@v0.0.1-go1.99.0.linux-amd64"} {
		if _, err := s.FetchSum(t.Context(), "sum.test/"+name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// readSum returns the content of a file of the database.
func readSum(ctx context.Context, s godown.SumSource, name string) ([]byte, error) {
	f, err := s.FetchSum(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f.Reader())
}
