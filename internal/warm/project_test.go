package warm

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// extract writes the files of a txtar archive below dir. In them DIR stands for dir.
func extract(t *testing.T, dir, archive string) {
	t.Helper()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		writeFile(t, filepath.Join(dir, filepath.FromSlash(f.Name)), strings.ReplaceAll(string(f.Data), "DIR", filepath.ToSlash(dir)))
	}
}

// shortNames returns requests as words: example.com/a@v1.0.0 zip is a1.0.0.zip.
func shortNames(files []godown.Request) string {
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimPrefix(f.Path, "example.com/")+strings.TrimPrefix(f.Version, "v")+"."+f.Kind.String())
	}
	return strings.Join(names, " ")
}

// projects has folders, each with a kind of project.
const projects = `
-- new/go.mod --
module example.com/new
go 1.24
require (
	example.com/a v1.0.0
	example.com/nosum v1.0.0 // indirect
)
tool example.com/a/cmd/thing/v2
godebug default=go1.21
-- new/go.sum --
example.com/a v0.9.0 h1:x
example.com/a v0.9.0/go.mod h1:x
example.com/a v1.0.0 h1:x
example.com/a v1.0.0/go.mod h1:x
example.com/test v1.0.0 h1:x
example.com/test v1.1.0 h1:x
example.com/test v1.1.0/go.mod h1:x
example.com/top v1.2.0/go.mod h1:x
-- new/sub/deep/x.go --
package deep
-- new/alt.mod --
module example.com/new
go 1.24
require example.com/alt v1.0.0
-- new/alt.sum --
example.com/alt v1.0.0 h1:x
-- old/go.mod --
module example.com/old
go 1.16
require example.com/a v1.0.0
-- old/go.sum --
example.com/a v1.0.0 h1:x
example.com/a v1.0.0/go.mod h1:x
example.com/a v1.1.0/go.mod h1:x
example.com/b v1.0.0 h1:x
example.com/b v1.2.0 h1:x
example.com/b v1.3.0/go.mod h1:x
example.com/old v0.1.0 h1:x
-- nogo/go.mod --
module example.com/nogo
require example.com/a v1.0.0
-- nogo/go.sum --
example.com/b v1.0.0 h1:x
-- vendored/go.mod --
module example.com/vendored
go 1.14
require example.com/a v1.0.0
-- vendored/go.sum --
example.com/a v1.0.0 h1:x
-- vendored/vendor/modules.txt --
# example.com/a v1.0.0
-- vendored13/go.mod --
module example.com/vendored
go 1.13
require example.com/a v1.0.0
-- vendored13/go.sum --
example.com/a v1.0.0 h1:x
-- vendored13/vendor/modules.txt --
# example.com/a v1.0.0
-- replaced/go.mod --
module example.com/replaced
go 1.24
require (
	example.com/a v1.0.0
	example.com/b v1.0.0
	example.com/c v1.0.0
	example.com/d v1.0.0
	example.com/x v1.0.0
)
replace example.com/a => ../local
replace example.com/b v1.0.0 => example.com/fork v1.5.0
replace example.com/c v1.9.9 => ../local
replace example.com/d => DIR/local
exclude example.com/x v1.0.0
-- replaced/go.sum --
example.com/a v1.0.0 h1:x
example.com/a v1.0.0/go.mod h1:x
example.com/b v1.0.0 h1:x
example.com/b v1.0.0/go.mod h1:x
example.com/fork v1.5.0 h1:x
example.com/fork v1.5.0/go.mod h1:x
example.com/c v1.0.0 h1:x
example.com/d v1.0.0 h1:x
example.com/x v1.0.0 h1:x
-- nosums/go.mod --
module example.com/nosums
go 1.24
require example.com/a v1.0.0
-- broken/go.mod --
module example.com/broken
go 1.24
future directive
-- broken/go.sum --
<<<<<<< HEAD
example.com/a v1.0.0 h1:x
example.com/a v1.1.0 h1:x
=======
-- space/go.work --
go 1.24
use (
	./one
	./two
)
replace example.com/r => example.com/r v1.7.0
-- space/go.work.sum --
example.com/shared v1.5.0 h1:x
example.com/only v1.0.0 h1:x
example.com/only v1.0.0/go.mod h1:x
-- space/one/go.mod --
module example.com/one
go 1.24
require (
	example.com/a v1.0.0
	example.com/shared v1.3.0
	example.com/two v1.0.0
	example.com/r v1.0.0
)
replace example.com/r => ../nowhere
-- space/one/go.sum --
example.com/a v1.0.0 h1:x
example.com/shared v1.3.0 h1:x
example.com/r v1.7.0 h1:x
example.com/two v1.0.0 h1:x
-- space/two/go.mod --
module example.com/two
go 1.24
require example.com/a v1.1.0
-- space/two/go.sum --
example.com/a v1.1.0 h1:x
-- space/alone/go.mod --
module example.com/alone
go 1.24
require example.com/alone/dep v1.0.0
-- space/alone/go.sum --
example.com/alone/dep v1.0.0 h1:x
-- workvendor/go.work --
go 1.22
use .
-- workvendor/go.mod --
module example.com/workvendor
go 1.22
require example.com/a v1.0.0
-- workvendor/go.sum --
example.com/a v1.0.0 h1:x
-- workvendor/vendor/modules.txt --
## workspace
# example.com/a v1.0.0
-- brokenwork/go.work --
what
-- brokenwork/go.work.sum --
example.com/a v1.0.0 h1:x
-- empty/x --
`

// A projectTest says what a command in a folder of projects wants. In env DIR stands for their parent.
type projectTest struct{ dir, command, env, want string }

// The files that are wanted in some of the projects, for most commands.
const (
	newMods  = "a1.0.0.mod a0.9.0.mod test1.1.0.mod top1.2.0.mod"
	newBuild = newMods + " a1.0.0.info a1.0.0.zip"
	vendored = "a1.0.0.mod a1.0.0.info a1.0.0.zip"
	workMods = "a1.1.0.mod r1.7.0.mod shared1.5.0.mod only1.0.0.mod "
	workZips = "a1.1.0.info a1.1.0.zip r1.7.0.info r1.7.0.zip shared1.5.0.info shared1.5.0.zip"
)

func testProjects(t *testing.T, tests []projectTest) {
	dir := t.TempDir()
	extract(t, dir, projects)
	for _, test := range tests {
		t.Run(test.dir+" "+test.env+" "+test.command, func(t *testing.T) {
			env := []string{"GOFLAGS=-x", "GOWORK=", strings.ReplaceAll(test.env, "DIR", dir)}
			p, err := ReadProject(Command{Dir: filepath.Join(dir, test.dir), Args: strings.Fields(test.command), Environ: env})
			if got := shortNames(p.Files); got != test.want {
				t.Errorf("wanted is, with error %v,\n%s\nwant\n%s", err, got, test.want)
			}
			if wantErr := test.env == "GOFLAGS='-v"; (err != nil) != wantErr {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestReadProject(t *testing.T) {
	testProjects(t, []projectTest{
		{"new", "go build ./...", "", newBuild},
		{"new", "go test ./...", "", newBuild},
		{"new/sub/deep", "make test", "", newBuild},
		{"new", "go1.25.3 vet", "", newBuild},
		{"new", "/usr/bin/go.exe run .", "", newBuild},
		{"new", "gofumpt -w .", "", newBuild},
		{"new", "gocat version", "", newBuild},
		{"new", "gotip version", "", ""},
		{"empty", "go -C ../new build", "", newBuild},
		{"empty", "go build -C ../new -v", "", newBuild},
		{"empty", "go mod -C=../new download", "", newMods[:11] + "nosum1.0.0.mod " + newMods[11:] + " a1.0.0.info a1.0.0.zip nosum1.0.0.info nosum1.0.0.zip"},
		{"empty", "go build -v -C ../new", "", ""}, // an error: -C is not the first
		{"empty", "go build -C ../nowhere", "", ""},
		{"new", "go mod graph", "", "a0.9.0.mod a1.0.0.mod test1.1.0.mod top1.2.0.mod"},
		{"new", "go list -m all", "", "a1.0.0.mod nosum1.0.0.mod test1.1.0.mod top1.2.0.mod a0.9.0.mod a1.0.0.info nosum1.0.0.info test1.1.0.info top1.2.0.info"},
		{"new", "go list -m", "", ""},
		{"new", "go list -m -versions example.com/a@latest", "", ""},
		{"new", "go list -deps -f {{.Dir}} ./...", "", newBuild},
		{"new", "go mod tidy", "", "a1.0.0.mod test1.1.0.mod a0.9.0.mod top1.2.0.mod a1.0.0.zip test1.1.0.zip"},
		{"new", "go get ./...", "", newBuild},
		{"new", "go get example.com/z", "", "a0.9.0.mod a1.0.0.mod test1.1.0.mod top1.2.0.mod"},
		{"new", "go tool thing -v", "", newBuild},
		{"new", "go tool example.com/a/cmd/thing/v2", "", newBuild},
		{"new", "go tool pprof x", "", ""},
		{"new", "go tool", "", ""},
		{"new", "go build -modfile=alt.mod", "", "alt1.0.0.mod alt1.0.0.info alt1.0.0.zip"},
		{"new/sub", "go build --modfile ../alt.mod -o x", "", "alt1.0.0.mod alt1.0.0.info alt1.0.0.zip"},
		{"new", "go build -modfile=alt.txt", "", ""},
		{"new", "make", "GOFLAGS=-v '-modfile=DIR/new/alt.mod'", "alt1.0.0.mod alt1.0.0.info alt1.0.0.zip"},
		{"new", "go build -ldflags -modfile=alt.mod", "", newBuild},
		{"new", "go run . -modfile=alt.mod", "", newBuild},
		{"new", "go test . -modfile=alt.mod", "", "alt1.0.0.mod alt1.0.0.info alt1.0.0.zip"},
		{"new", "go test . -args -modfile=alt.mod", "", newBuild},
		{"new", "go build", "GO111MODULE=off", ""},
		{"new", "go build", "GOFLAGS='-v", ""},
		{"new", "go mod download example.com/a", "", "a1.0.0.mod a0.9.0.mod test1.1.0.mod top1.2.0.mod a1.0.0.info a1.0.0.zip"},
		{"new", "go mod download -x example.com/q@v1.0.0 example.com/q@v1.0.0 example.com/p@latest", "", "q1.0.0.mod q1.0.0.info q1.0.0.zip"},
	})
}

// TestReadProjectNothing has commands that need nothing of the project.
func TestReadProjectNothing(t *testing.T) {
	testProjects(t, []projectTest{
		{"new", "go version", "", ""},
		{"new", "go env -json", "", ""},
		{"new", "go help build", "", ""},
		{"new", "go fmt ./...", "", ""},
		{"new", "go clean -modcache", "", ""},
		{"new", "go bug", "", ""},
		{"new", "go telemetry off", "", ""},
		{"new", "go mod init", "", ""},
		{"new", "go mod edit -go=1.25", "", ""},
		{"new", "go work init", "", ""},
		{"new", "go install example.com/z@latest", "", ""},
		{"new", "go install -v ./...", "", newBuild},
		{"new", "go run -v example.com/z@v1.0.0 -x", "", ""},
		{"new", "go run . x@y", "", newBuild},
		{"new", "go", "", ""},
		{"new", "go -v", "", ""},
		{"new", "go mod", "", ""},
		{"new", "", "", ""},
		{"empty", "go build", "", ""},
		{"empty", "go mod tidy", "", ""},
	})
}

func TestReadProjectKinds(t *testing.T) {
	testProjects(t, []projectTest{
		{"old", "go build", "", "a1.0.0.mod b1.2.0.mod a1.1.0.mod b1.3.0.mod a1.0.0.info a1.0.0.zip b1.2.0.info b1.2.0.zip"},
		{"old", "go mod download", "", "a1.0.0.mod b1.3.0.mod a1.1.0.mod a1.0.0.info a1.0.0.zip b1.3.0.info b1.3.0.zip"},
		{"nogo", "go build", "", "b1.0.0.mod b1.0.0.info b1.0.0.zip"},

		{"vendored", "go build", "", ""},
		{"vendored", "make", "", ""},
		{"vendored", "go build -mod=mod", "", vendored},
		{"vendored", "go build -mod readonly", "", vendored},
		{"vendored", "make", "GOFLAGS=-mod=mod", vendored},
		{"vendored", "go build -mod=vendor", "GOFLAGS=-mod=mod", ""},
		{"vendored", "go mod download", "", vendored},
		{"vendored", "go mod download", "GOFLAGS=-mod=vendor", vendored},
		{"vendored", "go mod tidy", "", "a1.0.0.mod a1.0.0.zip"},
		{"vendored", "go mod vendor", "", vendored},
		{"vendored", "go get .", "", vendored},
		{"vendored13", "go build", "", vendored},
		{"vendored13", "go build -mod=vendor", "", ""},

		{"replaced", "go build", "", "fork1.5.0.mod c1.0.0.mod fork1.5.0.info fork1.5.0.zip c1.0.0.info c1.0.0.zip"},
		{"replaced", "go mod download", "", "fork1.5.0.mod c1.0.0.mod fork1.5.0.info fork1.5.0.zip c1.0.0.info c1.0.0.zip"},

		{"nosums", "go build", "", ""},
		{"nosums", "go build -mod=mod", "", vendored},
		{"nosums", "go mod tidy", "", "a1.0.0.mod a1.0.0.zip"},
		{"nosums", "go mod download", "", vendored},
	})
}

func TestReadProjectWorkspace(t *testing.T) {
	testProjects(t, []projectTest{
		{"space", "go build ./one", "", workMods + workZips},
		{"space/one", "make", "", workMods + workZips},
		{"space/one", "go build", "GOWORK=auto", workMods + workZips},
		{"empty", "go build", "GOWORK=DIR/space/go.work", workMods + workZips},
		{"space/two", "go build", "GOWORK=off", "a1.1.0.mod a1.1.0.info a1.1.0.zip"},
		{"space/alone", "go mod tidy", "", "alone/dep1.0.0.mod alone/dep1.0.0.zip"},
		{"space", "go mod tidy", "", ""},
		{"space", "go mod vendor", "", ""},
		{"space", "go build -modfile=x.mod", "", ""},
		{"space", "go mod download", "", "a1.1.0.mod r1.7.0.mod shared1.5.0.mod only1.0.0.mod " + workZips + " only1.0.0.info only1.0.0.zip"},
		{"workvendor", "go build", "", ""},
		{"workvendor", "go build", "GOWORK=off", vendored},
		{"workvendor", "go build -mod=readonly", "", vendored},
		{"workvendor", "go work vendor", "", vendored},
		{"workvendor", "go work sync", "", vendored},
	})
}

// TestReadProjectBroken checks that what is good counts, and what is not is told.
func TestReadProjectBroken(t *testing.T) {
	dir := t.TempDir()
	extract(t, dir, projects)
	extract(t, dir, "-- gone/go.work --\ngo 1.24\nuse (\n\t./nowhere\n\t../space/two\n)\n")
	for _, test := range []struct {
		dir, want string
		errors    []string
	}{
		{"broken", "a1.1.0.mod a1.1.0.info a1.1.0.zip", []string{"go.mod:3: unknown directive: future", "go.sum:1: ", "go.sum:4: "}},
		{"brokenwork", "a1.0.0.mod a1.0.0.info a1.0.0.zip", []string{"go.work:1: "}},
		{"gone", "a1.1.0.mod a1.1.0.info a1.1.0.zip", []string{"nowhere"}},
	} {
		p, err := ReadProject(Command{Dir: filepath.Join(dir, test.dir), Args: []string{"make"}})
		if got := shortNames(p.Files); got != test.want {
			t.Errorf("%s: wanted is %s, want %s", test.dir, got, test.want)
		}
		for _, want := range test.errors {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is %v, want %s", test.dir, err, want)
			}
		}
		if p.Main != nil {
			t.Errorf("%s: there is a go.mod", test.dir)
		}
	}
}

// TestReadProjectMain checks that a project without sums can go on with BuildList.
func TestReadProjectMain(t *testing.T) {
	dir := t.TempDir()
	extract(t, dir, projects)
	p, err := ReadProject(Command{Dir: filepath.Join(dir, "nosums"), Args: []string{"go", "build"}})
	if err != nil || p.Main == nil || p.Main.Module.Mod.Path != "example.com/nosums" || p.Dir != filepath.Join(dir, "nosums") {
		t.Errorf("project is %+v with error %v, want the go.mod and its folder", p, err)
	}
}

// library is what the projects of TestReadProjectGoCommand need.
const library = `
-- example.com/direct@v1.0.0/go.mod --
module example.com/direct
go 1.20
require (
	example.com/indirect v1.0.0
	example.com/testing v1.0.0
)
-- example.com/direct@v1.0.0/direct.go --
package direct
import _ "example.com/indirect"
-- example.com/direct@v1.0.0/direct_test.go --
package direct
import _ "example.com/testing"
-- example.com/indirect@v1.0.0/go.mod --
module example.com/indirect
go 1.16
require example.com/deep v1.0.0
-- example.com/indirect@v1.0.0/indirect.go --
package indirect
-- example.com/deep@v1.0.0/go.mod --
module example.com/deep
-- example.com/deep@v1.0.0/deep.go --
package deep
-- example.com/testing@v1.0.0/go.mod --
module example.com/testing
go 1.20
-- example.com/testing@v1.0.0/testing.go --
package testing
-- example.com/big@v1.0.0/go.mod --
module example.com/big
go 1.20
require example.com/indirect v1.0.0
-- example.com/big@v1.0.0/big.go --
package big
`

// TestReadProjectGoCommand compares the .zip files that are wanted with those
// that the real go command fetches. A project is tidied first.
func TestReadProjectGoCommand(t *testing.T) {
	mods := godowntest.NewModules(t, library)
	const source = "-- p.go --\npackage p\nimport _ \"example.com/direct\"\n-- p_test.go --\npackage p\nimport _ \"example.com/big\"\n"
	trees := map[string]string{
		"new":       "-- go.mod --\nmodule example.com/p\ngo 1.24\n" + source,
		"old":       "-- go.mod --\nmodule example.com/p\ngo 1.16\n" + source,
		"workspace": "-- go.mod --\nmodule example.com/p\ngo 1.24\n" + source + "-- go.work --\ngo 1.24\nuse .\n",
	}
	for _, test := range []struct {
		tree, command string
		more          []string // the versions that are wanted and not fetched
	}{
		{"new", "go mod download", nil},
		{"new", "go test ./...", nil},
		{"new", "go vet ./...", nil},
		{"new", "go build ./...", []string{"example.com/big"}}, // for tests only, which no file tells
		{"new", "go mod tidy", nil},
		{"new", "go mod vendor", nil},
		{"new", "go mod why example.com/testing", nil},
		{"new", "go mod graph", nil},
		{"new", "go get ./...", []string{"example.com/big"}},
		{"new", "go generate ./...", []string{"example.com/big"}},
		{"new", "go list -deps ./...", []string{"example.com/big"}},
		{"new", "go list ./...", []string{"example.com/big"}},
		{"new", "go doc .", nil},
		{"new", "go list -m all", nil},
		{"old", "go mod download", nil},
		{"old", "go test ./...", []string{"example.com/testing"}}, // a go.mod of go 1.16 does not tell it from the others
		{"old", "go mod tidy", nil},
		{"workspace", "go test ./...", nil},
		{"workspace", "go mod download", nil},
	} {
		t.Run(test.tree+" "+test.command, func(t *testing.T) {
			t.Parallel()
			up := godowntest.NewUpstream(t, mods)
			dir := t.TempDir()
			extract(t, dir, trees[test.tree])
			goCommand(t, dir, up.URL, "mod", "tidy")
			env := append(goEnv(t, up.URL), "GOFLAGS=-modcacherw", "GOWORK=")
			p, err := ReadProject(Command{Dir: dir, Args: strings.Fields(test.command), Environ: env})
			if err != nil {
				t.Fatal(err)
			}
			up.Reset()
			args := strings.Fields(test.command)[1:]
			if slices.Contains([]string{"build", "generate", "test", "vet"}, args[0]) {
				args = slices.Insert(args, 1, "-n") // load packages, but compile nothing
			}
			runGo(t, dir, env, args...)
			var wanted []string
			for _, f := range p.Files {
				wanted = append(wanted, f.Name())
			}
			fetched := up.Requests()
			for _, name := range fetched {
				// go get looks into lists, to tell of retractions.
				if !slices.Contains(wanted, name) && !strings.HasPrefix(name, "sumdb/") && !strings.HasSuffix(name, "/list") {
					t.Errorf("%s is fetched and not wanted", name)
				}
			}
			for _, name := range wanted {
				// Not each .mod that a go.sum names is read each time; they are small.
				path, file, _ := strings.Cut(name, "/@v/")
				if !strings.HasSuffix(file, ".mod") && slices.Contains(fetched, name) == slices.Contains(test.more, path) {
					t.Errorf("%s is wanted, and fetched: %t", name, slices.Contains(fetched, name))
				}
			}
		})
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add("go\x00-C\x00sub\x00build\x00-modfile=alt.mod\x00./...", "-mod=mod '-ldflags=-s -w'")
	f.Add("go\x00mod\x00-C=\x00download", "\"")
	f.Add("go1.26\x00test\x00--\x00-args\x00-", "-mod\t--modfile=x")
	f.Fuzz(func(t *testing.T, args, flags string) {
		inv, err := parseCommand(Command{Dir: t.Name(), Args: strings.Split(args, "\x00"), Environ: []string{"GOFLAGS=" + flags}})
		if err == nil && !filepath.IsAbs(inv.dir) {
			t.Errorf("folder %q is not absolute", inv.dir)
		}
	})
}
