package warm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"golang.org/x/mod/module"
)

// A depot is a Source over fake modules that keeps what it gave, as a cache does.
type depot struct {
	mods  *godowntest.Modules
	fail  map[string]error // by name
	delay time.Duration

	mu    sync.Mutex // guards the fields below
	kept  map[string]bool
	asked []string // names, in order
}

func newDepot(t *testing.T, archive string) *depot {
	return &depot{mods: godowntest.NewModules(t, archive), fail: make(map[string]error), kept: make(map[string]bool)}
}

func (d *depot) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	name := req.Name()
	d.mu.Lock()
	d.asked = append(d.asked, name)
	kept := d.kept[name]
	d.mu.Unlock()
	if !kept && d.delay > 0 {
		timer := time.NewTimer(d.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := d.fail[name]; err != nil {
		return nil, err
	}
	data := d.mods.Data(name)
	if data == nil {
		return nil, fs.ErrNotExist
	}
	f := godown.NewFile(data)
	f.Cache = godown.Miss
	if kept {
		f.Cache = godown.Hit
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept[name] = true
	return f, nil
}

const jobModules = `
-- example.com/a@v1.0.0/go.mod --
module example.com/a
go 1.20
require example.com/b v1.1.0
-- example.com/b@v1.0.0/b.go --
package b
-- example.com/b@v1.1.0/b.go --
package b
-- example.com/c@v1.0.0/go.mod --
module example.com/c
go 1.20
require (
	example.com/b v1.0.0
	example.com/gone v1.0.0
)
-- golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64/x --
-- golang.org/toolchain@v0.0.1-go1.26.0.linux-arm64/x --
`

// filesOf returns .zip, .info and .mod of versions, in this order.
func filesOf(mods ...string) (files []godown.Request) {
	for _, m := range mods {
		path, version, _ := strings.Cut(m, "@")
		for _, k := range []godown.Kind{godown.Zip, godown.Info, godown.Mod} {
			files = append(files, godown.Request{Kind: k, Path: path, Version: version})
		}
	}
	return files
}

func TestJob(t *testing.T) {
	tests := []struct {
		name     string
		files    []godown.Request
		roots    string
		kept     string // asked for before by another job
		want     Progress
		failures string
	}{
		{name: "nothing"},
		{name: "files", files: filesOf("example.com/b@v1.0.0"), want: Progress{Modules: 1, ModulesDone: 1, Files: 3, FilesDone: 3}},
		{name: "twice", files: slices.Concat(filesOf("example.com/b@v1.0.0"), filesOf("example.com/b@v1.0.0")),
			want: Progress{Modules: 1, ModulesDone: 1, Files: 3, FilesDone: 3}},
		{name: "no zip", files: filesOf("example.com/b@v1.0.0")[2:], want: Progress{Files: 1, FilesDone: 1}},
		{name: "resumed", files: filesOf("example.com/b@v1.0.0", "example.com/b@v1.1.0"), kept: "example.com/b@v1.0.0",
			want: Progress{Modules: 2, ModulesDone: 2, Files: 6, FilesDone: 6, Cached: 3}},
		{name: "roots", roots: "example.com/a@latest example.com/b@v1 example.com/a@v1.0.0",
			want: Progress{Modules: 2, ModulesDone: 2, Files: 6, FilesDone: 6}},
		{name: "roots and files", roots: "example.com/a@v1.0.0", files: filesOf("example.com/b@v1.1.0", "example.com/b@v1.0.0"),
			want: Progress{Modules: 3, ModulesDone: 3, Files: 9, FilesDone: 9}},
		{name: "toolchain", roots: "golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64", want: Progress{Modules: 1, ModulesDone: 1, Files: 2, FilesDone: 2}},
		{name: "toolchain of another machine", roots: "golang.org/toolchain@v0.0.1-go1.26.0.linux-arm64",
			want: Progress{Modules: 1, ModulesDone: 1, Files: 3, FilesDone: 3}},
		{name: "absent", files: filesOf("example.com/b@v1.0.0", "example.com/gone@v1.0.0"),
			want:     Progress{Modules: 2, ModulesDone: 1, Files: 6, FilesDone: 3, Failed: 1},
			failures: "example.com/gone@v1.0.0 mod: file does not exist\n"},
		{name: "a lack in the graph", roots: "example.com/c@v1.0.0",
			want:     Progress{Modules: 3, ModulesDone: 2, Files: 9, FilesDone: 6, Failed: 1},
			failures: "example.com/c@v1.0.0: example.com/gone@v1.0.0: reading its go.mod: file does not exist\n"},
		{name: "no such roots", roots: "example.com/gone@latest example.com/gone@v1.0.0 golang.org/toolchain@go1.26.0",
			want: Progress{Failed: 3},
			failures: "example.com/gone@latest: asking for example.com/gone latest: file does not exist\n" +
				"example.com/gone@v1.0.0: reading its go.mod: file does not exist\n" +
				"golang.org/toolchain@go1.26.0: a toolchain needs its whole version, such as v0.0.1-go1.26.0.linux-amd64\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDepot(t, jobModules)
			if tt.kept != "" {
				if err := (&Job{Source: d, Files: filesOf(tt.kept)}).Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				d.asked = nil
			}
			j := &Job{Source: d, Files: tt.files}
			for root := range strings.FieldsSeq(tt.roots) {
				m, err := ParseRoot(root)
				if err != nil {
					t.Fatal(err)
				}
				j.Roots = append(j.Roots, m)
			}
			told := 0
			j.Failing = func() { told++ }
			if err := j.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := j.Progress()
			var size, cached int64
			for name := range d.kept {
				if tt.kept != "" && strings.Contains(name, "@v/v1.0.0.") {
					cached += int64(len(d.mods.Data(name)))
				} else if strings.Contains(name, "/@v/v") && !strings.Contains(name, "/list") {
					size += int64(len(d.mods.Data(name)))
				}
			}
			tt.want.Bytes, tt.want.CachedBytes = size, cached
			if tt.files != nil && tt.roots != "" {
				// A .mod that a graph was quicker to fetch is here already when its turn comes.
				got.Bytes, got.CachedBytes, got.Cached = got.Bytes+got.CachedBytes, 0, 0
			}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			var failures []string
			for _, f := range j.Failures(0) {
				failures = append(failures, f.File+": "+f.Error+"\n")
			}
			slices.Sort(failures)
			if text := strings.Join(failures, ""); text != tt.failures {
				t.Errorf("got failures\n%swant\n%s", text, tt.failures)
			}
			if told != got.Failed {
				t.Errorf("%d failures were told of", told)
			}
			checkOrder(t, d.asked)
		})
	}
}

// checkOrder wants no .zip or .info to be asked for twice, or before its .mod, where that is asked for.
func checkOrder(t *testing.T, asked []string) {
	t.Helper()
	for i, name := range asked {
		base, isZip := strings.CutSuffix(name, ".zip")
		if !isZip {
			continue
		}
		if slices.Contains(asked[i+1:], base+".mod") && !slices.Contains(asked[:i], base+".mod") || slices.Contains(asked[i+1:], name) {
			t.Errorf("asked for %q", asked)
		}
	}
}

func TestJobEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(t, jobModules)
		d.delay = 2 * time.Second
		stop := errors.New("stop")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, stop)
		defer cancel()
		j := &Job{Source: d, Files: filesOf("example.com/b@v1.0.0"), Roots: []module.Version{{Path: "example.com/a", Version: "v1.0.0"}}}
		if err := j.Run(ctx); !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
		p := j.Progress()
		if p.FilesDone != 2 || p.Failed != 0 || p.ModulesDone != 0 { // the two .mod files
			t.Errorf("got %+v", p)
		}
		// Another goes on from there.
		d.delay = 0
		j = &Job{Source: d, Files: filesOf("example.com/b@v1.0.0"), Roots: []module.Version{{Path: "example.com/a", Version: "v1.0.0"}}}
		if err := j.Run(t.Context()); err != nil {
			t.Error(err)
		}
		if p := j.Progress(); p.FilesDone != 9 || p.Cached != 2 {
			t.Errorf("got %+v", p)
		}
	})
}

func TestJobOfTooManyFiles(t *testing.T) {
	d := newDepot(t, jobModules)
	j := &Job{Source: d, Files: filesOf("example.com/b@v1.0.0", "example.com/b@v1.1.0"), MaxFiles: 4}
	if err := j.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 4 files") {
		t.Errorf("got %v", err)
	}
	if p := j.Progress(); p.FilesDone != 4 {
		t.Errorf("got %+v", p)
	}
	j = &Job{Source: d, Roots: []module.Version{{Path: "example.com/c", Version: "v1.0.0"}}, MaxFiles: 1}
	if err := j.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 1 files") {
		t.Errorf("got %v", err)
	}
}

func TestJobKeepsSomeFailures(t *testing.T) {
	d := newDepot(t, jobModules)
	var files []godown.Request
	for i := range maxFailures + 5 {
		r := godown.Request{Kind: godown.Mod, Path: fmt.Sprintf("example.com/m%d", i), Version: "v1.0.0"}
		files = append(files, r)
		d.fail[r.Name()] = errors.New(strings.Repeat("é", 3000))
	}
	j := &Job{Source: d, Files: files}
	if err := j.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := j.Failures(0)
	if p := j.Progress(); p.Failed != maxFailures+5 || len(all) != maxFailures || len(j.Failures(990)) != 10 || len(j.Failures(5000)) != 0 {
		t.Errorf("%+v, %d kept", p, len(all))
	}
	if n := len([]rune(all[0].Error)); n != maxErrorText {
		t.Errorf("an error of %d characters", n)
	}
}

func TestJobCheck(t *testing.T) {
	d := newDepot(t, jobModules)
	j := &Job{Source: d, Files: filesOf("example.com/b@v1.0.0", "example.com/b@v1.1.0")}
	if err := j.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Check(func(r godown.Request) bool { return r.Kind != godown.Zip || r.Version != "v1.0.0" }, "the disk is full")
	p := j.Progress()
	if p.ModulesDone != 1 || p.FilesDone != 5 || p.Failed != 1 {
		t.Errorf("got %+v", p)
	}
	if f := j.Failures(0); len(f) != 1 || f[0] != (Failure{"example.com/b@v1.0.0 zip", "the disk is full"}) {
		t.Errorf("got %v", f)
	}
}

const downloads = `
-- whole/go.mod --
module example.com/whole
go 1.24
require example.com/a v1.0.0
replace example.com/b => ../b
-- whole/go.sum --
example.com/a v1.0.0 h1:x
example.com/a v1.0.0/go.mod h1:x
-- whole/other.mod --
module example.com/whole
go 1.24
require example.com/c v1.0.0
-- lacking/go.mod --
module example.com/lacking
go 1.24
require (
	example.com/a v1.0.0
	example.com/b v1.1.0
)
-- lacking/go.sum --
example.com/a v1.0.0 h1:x
example.com/a v1.0.0/go.mod h1:x
-- old/go.mod --
module example.com/old
go 1.16
require example.com/a v1.0.0
-- old/go.sum --
example.com/a v1.0.0 h1:x
example.com/a v1.0.0/go.mod h1:x
-- bad/go.mod --
module example.com/bad
what
-- badsum/go.mod --
module example.com/badsum
-- badsum/go.sum --
example.com/a h1:x
-- empty/x --
-- work/go.work --
go 1.24
use (
	./one
	./two
)
replace example.com/b v1.0.0 => example.com/b v1.1.0
-- work/one/go.mod --
module example.com/one
go 1.24
require (
	example.com/two v1.0.0
	example.com/b v1.0.0
	example.com/local v1.0.0
	example.com/x v1.0.0
)
replace example.com/local => ../local
replace example.com/b v1.0.0 => ../nowhere
-- work/two/go.mod --
module example.com/two
go 1.24
exclude example.com/x v1.0.0
-- work/local/go.mod --
module example.com/local
require example.com/a v1.0.0
`

func TestReadDownload(t *testing.T) {
	dir := t.TempDir()
	extract(t, dir, downloads)
	d := newDepot(t, jobModules+"-- example.com/two@v1.0.0/x.go --\npackage x\n")
	const a = "example.com/a@v1.0.0 mod; example.com/a@v1.0.0 info; example.com/a@v1.0.0 zip"
	const b = "example.com/b@v1.1.0 info; example.com/b@v1.1.0 zip"
	for _, tt := range []struct {
		dir, flag, environ string
		main               string // base name of what has a graph
		want               string
	}{
		{dir: "whole", want: a},
		{dir: "whole", flag: "-modfile=other.mod", main: "other.mod", want: "example.com/c@v1.0.0 mod; example.com/c@v1.0.0 info; example.com/c@v1.0.0 zip"},
		{dir: "lacking", main: "go.mod", want: "example.com/a@v1.0.0 mod; example.com/b@v1.1.0 mod; example.com/a@v1.0.0 info; example.com/a@v1.0.0 zip; " + b},
		{dir: "old", main: "go.mod", want: "example.com/a@v1.0.0 mod; example.com/b@v1.1.0 mod; example.com/a@v1.0.0 info; example.com/a@v1.0.0 zip; " + b},
		{dir: "work", main: "go.work", want: "example.com/a@v1.0.0 mod; example.com/b@v1.1.0 mod; example.com/two@v1.0.0 mod; example.com/a@v1.0.0 info; example.com/a@v1.0.0 zip; " + b},
		{dir: "empty", want: "would find no go.mod or go.work"},
		{dir: "whole", environ: "GO111MODULE=off", want: "GO111MODULE is off"},
		{dir: "bad", want: filepath.Join("bad", "go.mod") + ":2: unknown directive: what"},
		{dir: "badsum", want: filepath.Join("badsum", "go.sum") + ":1: "},
	} {
		t.Run(tt.dir+tt.flag+tt.environ, func(t *testing.T) {
			var flags []string
			if tt.flag != "" {
				flags = append(flags, tt.flag)
			}
			files, main, err := ReadDownload(filepath.Join(dir, tt.dir), []string{tt.environ}, flags...)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) || len(files) > 0 || main != nil {
					t.Errorf("%v, %v, %v", files, main, err)
				}
				return
			}
			if (main != nil) != (tt.main != "") || main != nil && filepath.Base(main.Name) != tt.main {
				t.Fatalf("got %+v", main)
			}
			if main != nil {
				g, err := main.Graph(t.Context(), d)
				if err != nil {
					t.Fatal(err)
				}
				files = g.Files()
			}
			var names []string
			for _, f := range files {
				names = append(names, f.String())
			}
			if got := strings.Join(names, "; "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
