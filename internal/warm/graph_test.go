package warm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// goCommand runs the real go command in dir, with a module cache of its own.
func goCommand(t *testing.T, dir, goproxy string, args ...string) string {
	t.Helper()
	return runGo(t, dir, goEnv(t, goproxy), args...)
}

// goEnv returns the settings of a go command with a module cache of its own. It
// has no telemetry, whose process would still write below HOME when the test
// has ended.
func goEnv(t *testing.T, goproxy string) []string {
	t.Helper()
	home := t.TempDir()
	for _, config := range []string{".config", "Library/Application Support"} { // see os.UserConfigDir
		writeFile(t, filepath.Join(home, config, "go", "telemetry", "mode"), "off")
	}
	return append(godowntest.GoEnv(home, goproxy, "off"), "XDG_CONFIG_HOME=")
}

// runGo runs the real go command in dir and returns what it prints.
func runGo(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}

// writeFile writes a file and the folders above it.
func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// parseMain parses a go.mod as that of the main module.
func parseMain(t *testing.T, data string) *modfile.File {
	t.Helper()
	f, err := modfile.Parse("go.mod", []byte(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// joinVersions returns a version a line.
func joinVersions(list []module.Version) string {
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintln(&b, m)
	}
	return b.String()
}

// A universe is a random graph of modules, a main module with it, and folders
// that replace some modules.
type universe struct {
	rand    *rand.Rand
	archive strings.Builder
	main    string
	folders map[string]string // name to go.mod
}

const (
	universePaths    = 14
	universeVersions = 5
)

// goLine returns a go directive, or none. Newer modules are rarer the older
// the one who asks is: deep chains of unpruned modules are what matters.
func (u *universe) goLine() string {
	return []string{"", "go 1.12\n", "go 1.16\n", "go 1.16\n", "go 1.17\n", "go 1.18\n", "go 1.20\n", "go 1.21.0\n", "go 1.24.0\n"}[u.rand.IntN(9)]
}

func (u *universe) path(i int) string {
	if i%5 == 4 {
		return fmt.Sprintf("example.com/m%d/v2", i)
	}
	return fmt.Sprintf("example.com/m%d", i)
}

func (u *universe) version(i int) string {
	minor := u.rand.IntN(universeVersions)
	if i%5 == 4 {
		return fmt.Sprintf("v2.%d.0", minor)
	}
	if i%7 == 3 && minor == universeVersions-1 {
		return "v1.9.0-pre.1"
	}
	return fmt.Sprintf("v1.%d.0", minor)
}

// requires returns some require lines, of which those of a chain go up.
func (u *universe) requires(self, most int) string {
	var b strings.Builder
	used := map[int]bool{self: true}
	for range u.rand.IntN(most + 1) {
		i := u.rand.IntN(universePaths)
		if u.rand.IntN(2) == 0 && self >= 0 {
			i = (self + 1) % universePaths
		}
		if used[i] {
			continue
		}
		used[i] = true
		fmt.Fprintf(&b, "require %s %s\n", u.path(i), u.version(i))
	}
	if u.rand.IntN(10) == 0 {
		fmt.Fprintf(&b, "require example.com/main v1.0.0\n")
	}
	return b.String()
}

func newUniverse(seed uint64) *universe {
	u := &universe{rand: rand.New(rand.NewPCG(seed, 1)), folders: make(map[string]string)}
	add := func(path, version, mod string) { fmt.Fprintf(&u.archive, "-- %s@%s/go.mod --\n%s", path, version, mod) }
	for i := range universePaths {
		versions := make(map[string]bool)
		for range 200 { // all of them, in effect
			versions[u.version(i)] = true
		}
		for _, v := range slices.Sorted(func(yield func(string) bool) {
			for v := range versions {
				if !yield(v) {
					return
				}
			}
		}) {
			add(u.path(i), v, "module "+u.path(i)+"\n"+u.goLine()+u.requires(i, 4))
		}
	}
	add("example.com/main", "v1.0.0", "module example.com/main\n"+u.goLine()+u.requires(-1, 3))
	for i := range 2 {
		path := fmt.Sprintf("example.com/fork%d", i)
		add(path, "v1.0.0", "module "+path+"\n"+u.goLine()+u.requires(-1, 4))
	}
	main := "module example.com/main\n" + u.goLine() + u.requires(-1, 6)
	for range u.rand.IntN(4) {
		i := u.rand.IntN(universePaths)
		main += fmt.Sprintf("exclude %s %s\n", u.path(i), u.version(i))
	}
	replaced := make(map[int]bool)
	for n := range u.rand.IntN(5) {
		i := u.rand.IntN(universePaths)
		if replaced[i] || i%5 == 4 {
			continue
		}
		replaced[i] = true
		old := u.path(i)
		if u.rand.IntN(2) == 0 {
			old += " " + u.version(i)
		}
		switch u.rand.IntN(3) {
		case 0:
			main += fmt.Sprintf("replace %s => example.com/fork%d v1.0.0\n", old, n%2)
		case 1:
			main += fmt.Sprintf("replace %s => %s %s\n", old, u.path(i), u.version(i))
		case 2:
			folder := fmt.Sprintf("folder%d", n)
			main += fmt.Sprintf("replace %s => ./%s\n", old, folder)
			u.folders[folder] = "module " + u.path(i) + "\n" + u.goLine() + u.requires(i, 4)
		}
	}
	u.main = main
	return u
}

// TestBuildListRandom compares with the real go command.
func TestBuildListRandom(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			u := newUniverse(seed)
			mods := godowntest.NewModules(t, u.archive.String())
			up := godowntest.NewUpstream(t, mods)
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "go.mod"), u.main)
			for name, mod := range u.folders {
				writeFile(t, filepath.Join(dir, name, "go.mod"), mod)
			}
			g, err := BuildList(t.Context(), mods, dir, parseMain(t, u.main), nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, u.main)
			}
			want := goCommand(t, dir, up.URL, "list", "-m", "-f", "{{if not .Main}}{{.Path}}@{{.Version}}{{end}}", "all")
			if got := joinVersions(g.List); got != strings.TrimLeft(want, "\n") {
				t.Errorf("the build list is\n%s\nwant\n%s\nof\n%s", got, want, u.main)
			}
			modName := func(m module.Version) string {
				return godown.Request{Kind: godown.Mod, Path: m.Path, Version: m.Version}.Name()
			}
			var read, listed []string
			for _, m := range g.Mods {
				read = append(read, modName(m))
			}
			for _, m := range g.List {
				if a, ok := g.actual[m]; ok {
					m = a
				}
				listed = append(listed, modName(m))
			}
			for _, name := range up.Requests() {
				// The go command reads the .mod of all in the list, to show their go versions.
				if strings.HasSuffix(name, ".mod") && !slices.Contains(read, name) && !slices.Contains(listed, name) {
					t.Errorf("the go command read %s, which is not in Mods", name)
				}
			}
			for _, name := range read {
				if up.Count(name) == 0 {
					t.Errorf("the go command did not read %s, which is in Mods", name)
				}
			}
		})
	}
}

const chain = `
-- example.com/a@v1.0.0/go.mod --
module example.com/a
go 1.16
require example.com/b v1.0.0
-- example.com/b@v1.0.0/go.mod --
module example.com/b
go 1.16
require example.com/c v1.0.0
-- example.com/c@v1.0.0/go.mod --
module example.com/c
go 1.16
require example.com/d v1.0.0
-- example.com/other@v1.0.0/go.mod --
module example.com/another
-- example.com/broken@v1.0.0/go.mod --
module example.com/broken
require what
-- example.com/nameless@v1.0.0/go.mod --
go 1.20
`

func TestBuildListErrors(t *testing.T) {
	mods := godowntest.NewModules(t, chain)
	for name, test := range map[string]struct {
		root    string
		want    string
		missing bool
	}{
		"absent":     {"example.com/a", "example.com/a@v1.0.0 requires example.com/b@v1.0.0 requires example.com/c@v1.0.0 requires example.com/d@v1.0.0: reading its go.mod: ", true},
		"other path": {"example.com/other", "example.com/other@v1.0.0: its go.mod says that it is module example.com/another", false},
		"broken":     {"example.com/broken", "example.com/broken@v1.0.0: parsing its go.mod: go.mod:2: ", false},
		"nameless":   {"example.com/nameless", "example.com/nameless@v1.0.0: its go.mod has no module line", false},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := BuildList(t.Context(), mods, "", nil, []module.Version{{Path: test.root, Version: "v1.0.0"}})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error is %v, want %s", err, test.want)
			}
			if errors.Is(err, fs.ErrNotExist) != test.missing {
				t.Errorf("%v: is fs.ErrNotExist: %t, want %t", err, !test.missing, test.missing)
			}
			if g == nil || len(g.List) == 0 || g.List[0].Path != test.root {
				t.Errorf("the graph is %v, want one with %s", g, test.root)
			}
		})
	}
}

func TestBuildListFolderAbsent(t *testing.T) {
	main := parseMain(t, "module example.com/main\nrequire example.com/a v1.0.0\nreplace example.com/a => ../nowhere\n")
	_, err := BuildList(t.Context(), godowntest.NewModules(t, chain), t.TempDir(), main, nil)
	if want := "example.com/a@v1.0.0: reading its go.mod: "; err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestBuildListCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	mods := godowntest.NewModules(t, chain)
	src := godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		if req.Path == "example.com/b" {
			cancel()
			<-ctx.Done()
		}
		return mods.Fetch(ctx, req)
	})
	g, err := BuildList(ctx, src, "", nil, []module.Version{{Path: "example.com/a", Version: "v1.0.0"}})
	if g != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("graph is %v and error %v, want none and context.Canceled", g, err)
	}
}

// TestBuildListAtOnce checks that each .mod is asked for once, 64 at a time at most.
func TestBuildListAtOnce(t *testing.T) {
	var archive strings.Builder
	var roots []module.Version
	for i := range 200 {
		path := fmt.Sprintf("example.com/m%d", i)
		fmt.Fprintf(&archive, "-- %s@v1.0.0/go.mod --\nmodule %s\nrequire example.com/m%d v1.0.0\n", path, path, (i+1)%200)
		roots = append(roots, module.Version{Path: path, Version: "v1.0.0"})
	}
	mods := godowntest.NewModules(t, archive.String())
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards what follows
		running, most, asked := 0, 0, make(map[godown.Request]int)
		free := make(chan struct{})
		src := godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
			mu.Lock()
			running++
			most = max(most, running)
			asked[req]++
			mu.Unlock()
			<-free
			mu.Lock()
			running--
			mu.Unlock()
			return mods.Fetch(ctx, req)
		})
		go func() {
			synctest.Wait()
			close(free)
		}()
		g, err := BuildList(t.Context(), src, "", nil, roots)
		if err != nil || len(g.List) != 200 || len(g.Mods) != 200 {
			t.Fatalf("error %v, graph %v", err, g)
		}
		if most != maxAtOnce {
			t.Errorf("%d fetches at once, want %d", most, maxAtOnce)
		}
		for req, n := range asked {
			if n != 1 {
				t.Errorf("%v was asked for %d times, want once", req, n)
			}
		}
	})
}

const family = `
-- example.com/app@v1.0.0/go.mod --
module example.com/app
go 1.20
require example.com/lib v1.0.0
-- example.com/app@v1.1.0/go.mod --
module example.com/app
go 1.20
require example.com/lib v1.1.0
replace example.com/lib => ./nowhere
exclude example.com/lib v1.1.0
-- example.com/app@v1.2.0-rc.1/go.mod --
module example.com/app
-- example.com/pruning@v1.0.0/go.mod --
module example.com/pruning
go 1.20
require example.com/app v1.0.0
-- example.com/unpruned@v1.0.0/go.mod --
module example.com/unpruned
go 1.16
require example.com/app v1.0.0
-- example.com/app@v1.3.0/go.mod --
module example.com/app
retract v1.3.0
-- example.com/app@v1.1.1-0.20220304050607-0123456789ab/go.mod --
module example.com/app
-- example.com/app@feature/.query --
v1.1.1-0.20220304050607-0123456789ab
-- example.com/lib@v1.0.0/go.mod --
module example.com/lib
-- example.com/lib@v1.1.0/go.mod --
module example.com/lib
-- example.com/old@v1.0.0/a.go --
package old
-- example.com/old@v2.0.0+incompatible/a.go --
package old
-- example.com/old@v2.1.0+incompatible/a.go --
package old
-- example.com/old@v2.1.0/.query --
v2.1.0+incompatible
-- example.com/moved@v1.0.0/go.mod --
module example.com/moved
go 1.20
-- example.com/moved@v2.0.0+incompatible/a.go --
package moved
-- example.com/pre@v0.1.0-alpha/go.mod --
module example.com/pre
-- example.com/pre@v0.1.0-beta/go.mod --
module example.com/pre
-- example.com/untagged@v0.0.0-20200101000000-0123456789ab/go.mod --
module example.com/untagged
-- example.com/untagged@v0.0.0-20210101000000-0123456789ab/go.mod --
module example.com/untagged
-- example.com/all/gone@v1.0.0/go.mod --
module example.com/all/gone
retract v1.0.0
`

// TestForModuleQueries compares what queries mean with the real go command.
func TestForModuleQueries(t *testing.T) {
	mods := godowntest.NewModules(t, family)
	up := godowntest.NewUpstream(t, mods)
	for query, want := range map[string]string{
		"example.com/app@v1.0.0":      "v1.0.0",
		"example.com/app@latest":      "v1.1.0",
		"example.com/app@upgrade":     "v1.1.0",
		"example.com/app@v1":          "v1.1.0",
		"example.com/app@v1.0":        "v1.0.0",
		"example.com/app@feature":     "v1.1.1-0.20220304050607-0123456789ab",
		"example.com/old@latest":      "v2.1.0+incompatible",
		"example.com/old@v1":          "v1.0.0",
		"example.com/old@v2":          "v2.1.0+incompatible",
		"example.com/old@v2.0":        "v2.0.0+incompatible",
		"example.com/old@v2.1.0":      "v2.1.0+incompatible",
		"example.com/moved@latest":    "v1.0.0",
		"example.com/moved@v2":        "v2.0.0+incompatible",
		"example.com/pre@latest":      "v0.1.0-beta",
		"example.com/untagged@latest": "v0.0.0-20210101000000-0123456789ab",
	} {
		t.Run(strings.ReplaceAll(query, "/", "_"), func(t *testing.T) {
			t.Parallel()
			path, version, _ := strings.Cut(query, "@")
			g, err := ForModule(t.Context(), mods, module.Version{Path: path, Version: version})
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(g.List, func(m module.Version) bool { return m.Path == path })
			if i < 0 || g.List[i].Version != want || !slices.Contains(g.Mods, g.List[i]) {
				t.Errorf("List is %v and Mods %v, want %s in both", g.List, g.Mods, want)
			}
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "go.mod"), "module client\ngo 1.20\n")
			goCommand(t, dir, up.URL, "get", query)
			mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
			if err != nil || !strings.Contains(string(mod), path+" "+want+" ") && !strings.Contains(string(mod), path+" "+want+"\n") {
				t.Errorf("go get has, with error %v,\n%s\nwant %s", err, mod, want)
			}
		})
	}
}

func TestForModuleErrors(t *testing.T) {
	mods := godowntest.NewModules(t, family+chain)
	for query, want := range map[string]string{
		"example.com/app@v7":          "example.com/app@v7: none of its 4 versions matches v7",
		"example.com/app@patch":       "example.com/app@patch: \"patch\" names no version by itself; ",
		"example.com/app@>v1.0.0":     "example.com/app@>v1.0.0: \">v1.0.0\" names no version by itself; ",
		"example.com/app@nobranch":    "example.com/app@nobranch: asking for example.com/app@nobranch info: ",
		"example.com/nothing@latest":  "example.com/nothing@latest: asking for example.com/nothing latest: ",
		"example.com/app@v9.9.9":      "example.com/app@v9.9.9: asking for example.com/app@v9.9.9 info: ",
		"example.com/app@v1.9.9":      "example.com/app@v1.9.9: reading its go.mod: ",
		"example.com/all/gone@latest": "example.com/all/gone@latest: none of its 1 versions matches latest",
		"example.com/other@v1.0.0":    "example.com/other@v1.0.0: its go.mod does not say that it is module example.com/other",
		"example.com/a@v1.0.0":        "example.com/a@v1.0.0: example.com/b@v1.0.0 requires example.com/c@v1.0.0 requires example.com/d@v1.0.0: reading its go.mod: ",
		"golang.org/toolchain@latest": "golang.org/toolchain@latest: a toolchain needs its whole version, such as ",
	} {
		path, version, _ := strings.Cut(query, "@")
		if _, err := ForModule(t.Context(), mods, module.Version{Path: path, Version: version}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error is %v, want %s", query, err, want)
		}
	}
}

func TestForModuleFiles(t *testing.T) {
	mods := godowntest.NewModules(t, family)
	for query, want := range map[string][]string{
		"example.com/app@v1.1.0": {
			"example.com/app@v1.1.0 mod", "example.com/lib@v1.1.0 mod", "example.com/app@v1.1.0 info",
			"example.com/app@v1.1.0 zip", "example.com/lib@v1.1.0 info", "example.com/lib@v1.1.0 zip",
		},
		"example.com/pruning@v1.0.0": { // whose packages need nothing of lib
			"example.com/app@v1.0.0 mod", "example.com/pruning@v1.0.0 mod",
			"example.com/app@v1.0.0 info", "example.com/app@v1.0.0 zip",
			"example.com/pruning@v1.0.0 info", "example.com/pruning@v1.0.0 zip",
		},
		"example.com/unpruned@v1.0.0": {
			"example.com/app@v1.0.0 mod", "example.com/lib@v1.0.0 mod", "example.com/unpruned@v1.0.0 mod",
			"example.com/app@v1.0.0 info", "example.com/app@v1.0.0 zip",
			"example.com/lib@v1.0.0 info", "example.com/lib@v1.0.0 zip",
			"example.com/unpruned@v1.0.0 info", "example.com/unpruned@v1.0.0 zip",
		},
		"golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64": {"golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64 zip"},
	} {
		path, version, _ := strings.Cut(query, "@")
		g, err := ForModule(t.Context(), mods, module.Version{Path: path, Version: version})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range g.Files() {
			got = append(got, f.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: files are\n%s\nwant\n%s", query, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestGraphFilesReplaced checks that what is replaced is fetched as that, and folders not at all.
func TestGraphFilesReplaced(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "app", "go.mod"), "module example.com/app\n")
	main := parseMain(t, `module example.com/main
go 1.20
require (
	example.com/app v1.0.0
	example.com/lib v1.0.0
	example.com/pre v0.1.0-beta
)
replace example.com/app => ./app
replace example.com/lib v1.0.0 => example.com/lib v1.1.0
`)
	g, err := BuildList(t.Context(), godowntest.NewModules(t, family), dir, main, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"example.com/lib@v1.1.0 mod", "example.com/pre@v0.1.0-beta mod", "example.com/lib@v1.1.0 info",
		"example.com/lib@v1.1.0 zip", "example.com/pre@v0.1.0-beta info", "example.com/pre@v0.1.0-beta zip",
	}
	var got []string
	for _, f := range g.Files() {
		got = append(got, f.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("files are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if list := "example.com/app@v1.0.0\nexample.com/lib@v1.0.0\nexample.com/pre@v0.1.0-beta\n"; joinVersions(g.List) != list {
		t.Errorf("the list is\n%swant\n%s", joinVersions(g.List), list)
	}
}
