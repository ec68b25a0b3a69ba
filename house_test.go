package godown_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// home is the module's path.
const home = "github.com/godown-dev/godown"

// rules are the house rules of CONTRIBUTING.md that a machine can check: what
// they look for is in house_rules_test.go, and a fixture for each, which shows
// that it can fail, in house_fixtures_test.go.
var rules = []struct {
	name  string
	law   string // what is told to one who breaks it
	check func(*tree)
}{
	{"ground", "the root package imports the standard library and golang.org/x/mod only", ground},
	{"rooms", "a room knows no other room and not the roof; only tests import internal/godowntest", rooms},
	{"process", "only a command reads flags and the environment, or ends the process", process},
	{"status", "in the root package only handler.go responds to HTTP requests", status},
	{"names", "a package is named after a noun of the field, not after what is left over", names},
	{"init", "nothing happens before main: there are no init functions", inits},
	{"globals", "a package-level variable is an error, a pattern, a pool or a table, and nobody changes it", globals},
	{"tags", "a build constraint names operating systems and architectures, never a feature", tags},
	{"sleep", "a test waits for an event, or for the clock of testing/synctest; it does not sleep", sleep},
	{"context", `a struct holds a context only where its field's comment says whose it is: "// of …"`, contexts},
	{"sizes", "a file has at most 600 lines, a function 100, an interface 4 methods", sizes},
	{"documented", "every package and every exported identifier is documented", documented},
	{"dependencies", "each third-party module is imported by one room", dependencies},
	{"earned", "each direct dependency and each tool has its line in docs/dependencies.md, and each line there a dependency", earned},
	{"places", "no file names the go command's default module proxy, or a folder of the machine that it was written on", places},
}

func TestHouse(t *testing.T) {
	house := readTree(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			house.found = nil
			r.check(house)
			for _, f := range house.found {
				t.Errorf("%s:%d: %s: %s", f.file, f.line, r.law, f.what)
			}
		})
	}
}

// A tree is the files that rules look at: the repository's or a fixture's.
type tree struct {
	fset  *token.FileSet
	files []*file
	info  types.Info // Uses is resolved within packages; imported ones are known by their paths only
	proxy string     // the host name of the go command's default module proxy
	found []finding
}

type finding struct {
	file string
	line int
	what string
}

// A file is one text file.
type file struct {
	name string // from the top of the tree, with slashes
	text string
	ast  *ast.File // nil if it is no Go of our module
}

func (f *file) dir() string  { return path.Dir(f.name) }
func (f *file) test() bool   { return strings.HasSuffix(f.name, "_test.go") }
func (f *file) ground() bool { return f.dir() == "." }

// room returns which room the file stands in: "internal/obs", "cmd/godown",
// or "." for the ground.
func (f *file) room() string {
	parts := strings.Split(f.dir(), "/")
	return strings.Join(parts[:min(len(parts), 2)], "/")
}

// at notes a finding in a Go file.
func (t *tree) at(n ast.Node, format string, args ...any) {
	p := t.fset.Position(n.Pos())
	t.found = append(t.found, finding{p.Filename, p.Line, fmt.Sprintf(format, args...)})
}

// line notes a finding in any file.
func (t *tree) line(f *file, line int, format string, args ...any) {
	t.found = append(t.found, finding{f.name, line, fmt.Sprintf(format, args...)})
}

// code yields the Go files; with tests or without.
func (t *tree) code(tests bool) func(yield func(*file) bool) {
	return func(yield func(*file) bool) {
		for _, f := range t.files {
			if f.ast != nil && (tests || !f.test()) && !yield(f) {
				return
			}
		}
	}
}

// file returns the file of that name, or nil.
func (t *tree) file(name string) *file {
	i := slices.IndexFunc(t.files, func(f *file) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return t.files[i]
}

// readTree reads the text files below the current folder.
func readTree(t *testing.T) *tree {
	var files []*file
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git" || name == "dist": // .git is a file in a worktree
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if utf8.Valid(data) {
				files = append(files, &file{name: filepath.ToSlash(name), text: string(data)})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	house, err := newTree(files)
	if err != nil {
		t.Fatal(err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("go env GOROOT: %v", err)
	}
	env, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "go.env"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^GOPROXY=https?://([^/,|\s]+)`).FindSubmatch(env)
	if m == nil {
		t.Fatal("GOROOT/go.env names no default proxy")
	}
	house.proxy = string(m[1])
	return house
}

// newTree parses what is Go, except below testdata and in nested modules.
func newTree(files []*file) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), files: files, info: types.Info{Uses: make(map[*ast.Ident]types.Object)}}
	packages := make(map[string][]*ast.File)
	for _, f := range files {
		if path.Ext(f.name) != ".go" || strings.Contains("/"+f.name, "/testdata/") || slices.ContainsFunc(files, func(m *file) bool {
			return m.name != "go.mod" && path.Base(m.name) == "go.mod" && strings.HasPrefix(f.name, m.dir()+"/")
		}) {
			continue
		}
		parsed, err := parser.ParseFile(t.fset, f.name, f.text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		f.ast = parsed
		key := path.Join(home, f.dir())
		if strings.HasSuffix(parsed.Name.Name, "_test") {
			key += "_test"
		}
		packages[key] = append(packages[key], parsed)
	}
	for key, parsed := range packages {
		conf := types.Config{Importer: strangers{}, Error: func(error) {}} // of course it does not compile like this
		conf.Check(key, t.fset, parsed, &t.info)
	}
	return t, nil
}

// strangers imports every package as one without content.
type strangers struct{}

var major = regexp.MustCompile(`/v[0-9]+$`)

func (strangers) Import(name string) (*types.Package, error) {
	p := types.NewPackage(name, path.Base(major.ReplaceAllString(name, "")))
	p.MarkComplete()
	return p, nil
}

// imported returns what a selector like os.Exit names, as "os.Exit", or "".
func (t *tree) imported(n ast.Node) string {
	if s, ok := n.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			if p, ok := t.info.Uses[x].(*types.PkgName); ok {
				return p.Imported().Path() + "." + s.Sel.Name
			}
		}
	}
	return ""
}
