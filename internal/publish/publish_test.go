package publish_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/publish"
)

func timeOf(t *testing.T, info []byte) time.Time {
	t.Helper()
	var v struct{ Time time.Time }
	if err := json.Unmarshal(info, &v); err != nil {
		t.Fatal(err)
	}
	return v.Time
}

func TestRefusedNames(t *testing.T) {
	tests := []struct{ path, version, text string }{
		{"example.com/m", "1.2.3", "did you mean v1.2.3?"},
		{"example.com/m", "V1.2", "did you mean v1.2.0?"},
		{"example.com/m", "v1", "did you mean v1.0.0?"},
		{"example.com/m", "v1.2.3+meta", "did you mean v1.2.3?"},
		{"example.com/m", "v1.02.3", `"v1.02.3" is not a version such as v1.2.3`},
		{"example.com/m", "", `"" is not a version`},
		{"example.com/m", "latest", `"latest" is not a version`},
		{"example.com/m", "v1.0.0/../v2", "is not a version"},
		{"example.com/m", "v2.0.0", "example.com/m has versions v0 or v1, and v2.0.0 belongs to a module whose go.mod file has the line: module example.com/m/v2"},
		{"example.com/m/v2", "v1.0.0", "example.com/m/v2 has versions v2, and v1.0.0 belongs to example.com/m"},
		{"example.com/m/v2", "v3.0.0", "module example.com/m/v3"},
		{"gopkg.in/y.v2", "v3.0.0", "gopkg.in/y.v2 has versions v2, and v3.0.0 belongs to gopkg.in/y.v3"},
		{"example.com/m", "v2.0.0+incompatible", "+incompatible stands for a module without a go.mod file"},
		{"example.com/m", "v1.0.0+incompatible", "example.com/m has versions v0 or v1"},
		{"example.com/m", "v0.0.0-20200102030405-0123456789ab", "pseudo-version"},
		{"example.com/m", "v1.2.4-0.20200102030405-0123456789ab", "pseudo-version"},
		{"example.com/m", "v1.2.4-rc.0.20200102030405-0123456789ab", "pseudo-version"},
		{"example", "v1.0.0", "malformed module path"},
		{"example.com/../m", "v1.0.0", "malformed module path"},
		{"", "v1.0.0", "malformed module path"},
		{"golang.org/toolchain", "v0.0.1-go1.26.0.linux-amd64", "toolchains"},
	}
	s, dir := newShelf(t)
	s.Prefixes = "*"
	for _, tt := range tests {
		_, err := put(t, s, tt.path, tt.version, pack(tt.path, tt.version, ""))
		if _, ok := errors.AsType[*publish.Unfit](err); !ok || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s@%s: error is %v, want an Unfit with %q", tt.path, tt.version, err, tt.text)
		}
	}
	wantEmpty(t, dir)
}

func wantEmpty(t *testing.T, store godown.Store) {
	t.Helper()
	for e, err := range store.List(t.Context(), "") {
		t.Errorf("the store has %s (error %v)", e.Name, err)
	}
}

func TestPrefixes(t *testing.T) {
	s, dir := newShelf(t)
	tests := []struct {
		prefixes, path string
		ok             bool
	}{
		{"", "example.com/m", false},
		{"example.com", "example.com/m", true},
		{"example.com/m", "example.com/m", true},
		{"example.com/m", "example.com/mm", false},
		{"example.com/m", "example.com/M", false},
		{"example.org,*.corp.example/team", "git.corp.example/team/m", true},
		{"example.org,*.corp.example/team", "git.corp.example/other/m", false},
		{"example.com/m/sub", "example.com/m", false},
	}
	for _, tt := range tests {
		s.Prefixes = tt.prefixes
		if err := s.Check(tt.path, "v1.0.0"); (err == nil) != tt.ok {
			t.Errorf("Check(%s) with %q: %v", tt.path, tt.prefixes, err)
		}
		if tt.ok {
			continue
		}
		_, err := put(t, s, tt.path, "v1.0.0", pack(tt.path, "v1.0.0", ""))
		if denied, ok := errors.AsType[*godown.Denied](err); !ok || !strings.Contains(denied.Reason, tt.prefixes) {
			t.Errorf("%s with %q: error is %v, want a Denied", tt.path, tt.prefixes, err)
		}
	}
	s.Prefixes = ""
	if err := s.Check("example.com/m", "v1.0.0"); !strings.Contains(fmt.Sprint(err), "no prefixes of modules are configured") {
		t.Errorf("without prefixes: %v", err)
	}
	wantEmpty(t, dir)
	// What is there stays there.
	s.Prefixes = everything
	mustPut(t, s, "example.com/m", "v1.0.0", "")
	s.Prefixes = "example.org"
	if _, err := fetch(t.Context(), s, godown.Request{Kind: godown.Zip, Path: "example.com/m", Version: "v1.0.0"}); err != nil {
		t.Error(err)
	}
}

func TestRefusedZips(t *testing.T) {
	const path, version = "example.com/m", "v1.0.0"
	s, dir := newShelf(t)
	mod := func(text string) []byte { return godowntest.Zip(entry(path, version, "go.mod", text)) }
	x := entry(path, version, "x.go", "package x\n")
	type test struct {
		zip  []byte
		text string
	}
	tests := map[string]test{
		"no go.mod":       {godowntest.Zip(x), "no entry example.com/m@v1.0.0/go.mod"},
		"GO.MOD":          {godowntest.Zip(x, entry(path, version, "GO.MOD", "module example.com/m\n")), "GO.MOD"},
		"other module":    {mod("module example.com/other\n"), `of module "example.com/other"`},
		"other case":      {mod("module example.com/M\n"), `of module "example.com/M"`},
		"no module line":  {mod("go 1.26\n"), "no module line"},
		"empty go.mod":    {mod(""), "no module line"},
		"broken go.mod":   {mod("module example.com/m\nrequire (\n"), "go.mod:3"},
		"branch required": {mod("module example.com/m\nrequire example.com/a master\n"), "go.mod:2"},
		"two modules":     {mod("module example.com/m\nmodule example.com/m\n"), "go.mod:2"},
	}
	for name, zip := range godowntest.EvilZips(path, version) {
		tests["evil: "+name] = test{zip, "the zip breaks a rule of module zips: "}
	}
	good := pack(path, version, strings.Repeat("a line that compresses\n", 100))
	for i := range 8 {
		tests[fmt.Sprint("cut ", i)] = test{good[:len(good)*i/8], ""}
	}
	for name, tt := range tests {
		_, err := put(t, s, path, version, tt.zip)
		if _, ok := errors.AsType[*publish.Unfit](err); !ok || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: error is %v, want an Unfit with %q", name, err, tt.text)
		}
	}
	large := io.NewSectionReader(zeros{}, 0, 500<<20+1)
	if _, err := s.Publish(t.Context(), path, version, large, large.Size()); !strings.Contains(fmt.Sprint(err), "more than the 524288000") {
		t.Errorf("more than 500 MiB: %v", err)
	}
	wantEmpty(t, dir)
	if _, err := put(t, s, path, version, good); err != nil {
		t.Error(err)
	}
	// A reader that fails is not the zip's fault.
	broken := errors.New("bad sector")
	_, err := s.Publish(t.Context(), path, "v1.0.1", failingReader{broken}, 1000)
	if _, ok := errors.AsType[*publish.Unfit](err); ok || !errors.Is(err, broken) {
		t.Errorf("error is %v, want %v", err, broken)
	}
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

type failingReader struct{ err error }

func (r failingReader) ReadAt([]byte, int64) (int, error) { return 0, r.err }

func TestOnceAndForEver(t *testing.T) {
	const path, version = "example.com/m", "v1.0.0"
	for _, kind := range []string{"files", "streams"} { // what the store gives
		s, dir := newShelf(t)
		if kind == "streams" {
			s.Store = streams{dir}
		}
		var told []string
		s.Published = func(path, version string) { told = append(told, path+"@"+version) }
		first := mustPut(t, s, path, version, "one")
		before := snapshot(t, dir)
		if first.There || len(before) != 4 || before["example.com/m/@v/list"] != "v1.0.0\n" {
			t.Errorf("%s: %+v, %q", kind, first, before)
		}
		repacked := []godowntest.Entry{entry(path, version, "x.go", "one"), entry(path, version, "go.mod", "module "+path+"\n")}
		repacked[0].Store = true
		for _, zip := range [][]byte{pack(path, version, "one"), godowntest.Zip(repacked...)} {
			if got, err := put(t, s, path, version, zip); err != nil || got != (publish.Receipt{H1: first.H1, There: true}) {
				t.Errorf("%s: the same content again: %+v, %v", kind, got, err)
			}
		}
		_, err := put(t, s, path, version, pack(path, version, "two"))
		if c, ok := errors.AsType[*publish.Conflict](err); !ok || c.Have != first.H1 || c.Got == first.H1 || !strings.Contains(c.Error(), "choose a higher version") {
			t.Errorf("%s: other content: error is %v, want a Conflict", kind, err)
		}
		if after := snapshot(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("%s: it has changed: %q, then %q", kind, before, after)
		}
		if len(told) != 3 || told[0] != path+"@"+version {
			t.Errorf("%s: Published was told of %q", kind, told)
		}
	}
}

// snapshot returns the content of all files.
func snapshot(t *testing.T, store godown.Store) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for e, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		f, err := store.Open(t.Context(), e.Name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(f.Reader())
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name] = string(data)
	}
	return files
}

// streams is a Store whose files can only be read from their beginning.
type streams struct{ godown.Store }

func (s streams) Open(ctx context.Context, name string) (*godown.File, error) {
	f, err := s.Store.Open(ctx, name)
	if err == nil {
		f.Body = struct{ io.ReadCloser }{f.Body}
	}
	return f, err
}

// An ailing Store fails in its Put number at: before anything is stored, or,
// late, after all is.
type ailing struct {
	godown.Store
	at    int
	late  bool
	count int
}

var errFull = errors.New("no space left on device")

func (a *ailing) Put(ctx context.Context, name string, r io.Reader) error {
	a.count++
	if a.count != a.at {
		return a.Store.Put(ctx, name, r)
	}
	if a.late {
		if err := a.Store.Put(ctx, name, r); err != nil {
			return err
		}
	}
	return errFull
}

// Whatever Put publishing fails in, nothing of it is seen, and it can be done
// again, with other content as well.
func TestFailingPuts(t *testing.T) {
	const path, version = "example.com/m", "v1.0.0"
	requests := []godown.Request{
		{Kind: godown.List, Path: path}, {Kind: godown.Latest, Path: path},
		{Kind: godown.Info, Path: path, Version: "v1"}, {Kind: godown.Info, Path: path, Version: version},
		{Kind: godown.Mod, Path: path, Version: version}, {Kind: godown.Zip, Path: path, Version: version},
	}
	for at := 1; at <= 3; at++ {
		for _, late := range []bool{false, true} {
			for _, again := range []string{"one", "two"} {
				name := fmt.Sprintf("Put %d, late %v, then %s", at, late, again)
				s, dir := newShelf(t)
				store := &ailing{Store: dir, at: at, late: late}
				s.Store = store
				s.Published = func(string, string) { t.Errorf("%s: Published was told", name) }
				if _, err := put(t, s, path, version, pack(path, version, "one")); !errors.Is(err, errFull) {
					t.Errorf("%s: error is %v", name, err)
				}
				visible := at == 3 && late // nobody can tell, but it is whole
				for _, req := range requests {
					_, err := fetch(t.Context(), s, req)
					if visible && err != nil || !visible && !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s: %v: error is %v", name, req, err)
					}
				}
				if !visible {
					for kind := range snapshot(t, dir) {
						if strings.HasSuffix(kind, ".info") || strings.HasSuffix(kind, "/list") {
							t.Errorf("%s: there is %s", name, kind)
						}
					}
				}
				s.Published = nil
				_, err := put(t, s, path, version, pack(path, version, again))
				if _, conflict := errors.AsType[*publish.Conflict](err); conflict != (visible && again == "two") || !conflict && err != nil {
					t.Errorf("%s: again: %v", name, err)
				}
				want := pack(path, version, again)
				if visible {
					want = pack(path, version, "one")
				}
				if got, err := fetch(t.Context(), s, requests[5]); err != nil || got != string(want) {
					t.Errorf("%s: the zip is %d bytes, error %v", name, len(got), err)
				}
			}
		}
	}
}

// Of many at the same time one wins; those with its content succeed, too. No
// reader ever sees a mixture.
func TestAtTheSameTime(t *testing.T) {
	const path, version = "example.com/m", "v1.0.0"
	s, _ := newShelf(t)
	var mu sync.Mutex // guards first and there
	first, there := make(map[string]int), make(map[string]int)
	var wg sync.WaitGroup
	for i := range 12 {
		content := fmt.Sprint("content ", i%3)
		zip := godowntest.Zip(entry(path, version, "go.mod", "module "+path+"\n// "+content+"\n"), entry(path, version, "x.go", content))
		wg.Go(func() {
			got, err := s.Publish(t.Context(), path, version, bytes.NewReader(zip), int64(len(zip)))
			if _, conflict := errors.AsType[*publish.Conflict](err); conflict {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if got.There {
				there[content]++
			} else {
				first[content]++
			}
		})
		wg.Go(func() {
			for range 20 {
				mod, err := fetch(t.Context(), s, godown.Request{Kind: godown.Mod, Path: path, Version: version})
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				zip, zipErr := fetch(t.Context(), s, godown.Request{Kind: godown.Zip, Path: path, Version: version})
				content := strings.TrimSpace(mod[strings.Index(mod, "//")+2:])
				want := godowntest.Zip(entry(path, version, "go.mod", mod), entry(path, version, "x.go", content))
				if err != nil || zipErr != nil || zip != string(want) {
					t.Errorf("a mixture: %q, %v, %v", mod, err, zipErr)
				}
			}
		})
	}
	wg.Wait()
	if len(first) != 1 || len(there) > 1 {
		t.Fatalf("first: %v, there: %v", first, there)
	}
	for content, n := range first {
		if n != 1 || there[content] != 3 {
			t.Errorf("first: %v, there: %v", first, there)
		}
	}
}

// A Store whose Put of v1.0.0.zip waits until it is let go.
type waiting struct {
	godown.Store
	begun, goOn chan struct{}
}

func (w *waiting) Put(ctx context.Context, name string, r io.Reader) error {
	if strings.HasSuffix(name, "/v1.0.0.zip") {
		close(w.begun)
		<-w.goOn
	}
	return w.Store.Put(ctx, name, r)
}

// One waits for another of the same version, but not longer than his context;
// other versions need not wait.
func TestWaitsForAnother(t *testing.T) {
	s, dir := newShelf(t)
	w := &waiting{Store: dir, begun: make(chan struct{}), goOn: make(chan struct{})}
	s.Store = w
	done := make(chan error, 1)
	one := pack("example.com/m", "v1.0.0", "one")
	go func() {
		_, err := s.Publish(t.Context(), "example.com/m", "v1.0.0", bytes.NewReader(one), int64(len(one)))
		done <- err
	}()
	<-w.begun
	mustPut(t, s, "example.com/m", "v1.0.1", "")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the client has left")
	ended := make(chan error, 1)
	go func() {
		_, err := s.Publish(&tripwire{ctx, func() { cancel(why) }}, "example.com/m", "v1.0.0", bytes.NewReader(one), int64(len(one)))
		ended <- err
	}()
	if err := <-ended; !errors.Is(err, why) {
		t.Errorf("error is %v, want %v", err, why)
	}
	close(w.goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A tripwire calls trip when somebody begins to wait for its end.
type tripwire struct {
	context.Context // of the test
	trip            func()
}

func (c *tripwire) Done() <-chan struct{} { c.trip(); return c.Context.Done() }

// A file that the store has staged is moved, and not copied.
func TestStagedFile(t *testing.T) {
	s, dir := newShelf(t)
	f, err := dir.Stage()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip := pack("example.com/m", "v1.0.0", "")
	if _, err := f.Write(zip); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Publish(t.Context(), "example.com/m", "v1.0.0", f, int64(len(zip))); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	// A file of anybody else is copied, wherever its reader stood.
	other, err := os.Create(t.TempDir() + "/m.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	zip = pack("example.com/m", "v1.0.1", "")
	if _, err := other.Write(zip); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Publish(t.Context(), "example.com/m", "v1.0.1", other, int64(len(zip))); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(other.Name()); err != nil {
		t.Error(err)
	}
	for _, v := range []string{"v1.0.0", "v1.0.1"} {
		got, err := fetch(t.Context(), s, godown.Request{Kind: godown.Zip, Path: "example.com/m", Version: v})
		if err != nil || got != string(pack("example.com/m", v, "")) {
			t.Errorf("%s: %d bytes, error %v", v, len(got), err)
		}
	}
}
