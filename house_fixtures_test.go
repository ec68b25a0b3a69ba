package godown_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// fixtures are, for each rule, the files of a small tree. The rule must find
// the lines marked WANT, as often as they are, and no other.
var fixtures = map[string]string{
	"ground": `
-- a.go --
package godown
import "net/http"
import "golang.org/x/mod/semver"
import "golang.org/x/mode" // WANT
import x "github.com/spf13/cobra" // WANT
import _ "github.com/godown-dev/godown/internal/obs" // WANT
-- a_test.go --
package godown_test
import "golang.org/x/tools/txtar"
-- internal/obs/a.go --
package obs
import "github.com/prometheus/client_golang/prometheus"
`,
	"rooms": `
-- internal/obs/a.go --
package obs
import "github.com/godown-dev/godown"
import "github.com/godown-dev/godown/internal/obs/wire"
import "github.com/godown-dev/godown/internal/observer" // WANT
import "github.com/godown-dev/godown/internal/vcs" // WANT
import "github.com/godown-dev/godown/cmd/godown" // WANT
import "github.com/godown-dev/godown/internal/godowntest" // WANT
-- internal/obs/a_test.go --
package obs
import "github.com/godown-dev/godown/internal/godowntest"
import "github.com/godown-dev/godown/internal/vcs" // WANT
-- cmd/godown/a.go --
package main
import "github.com/godown-dev/godown/internal/obs"
import "github.com/godown-dev/godown/internal/godowntest" // WANT
-- bench/load/a.go --
package main
import "github.com/godown-dev/godown/internal/godowntest"
-- a_test.go --
package godown_test
import "github.com/godown-dev/godown/internal/godowntest"
import "github.com/godown-dev/godown/internal/obs" // WANT
`,
	"process": `
-- a.go --
package godown
import (
	"flag"
	"log"
	system "os"
)
func a() {
	system.Exit(1) // WANT
	e, ok := system.LookupEnv("HOME") // WANT
	f := system.Environ // WANT
	flag.Parse() // WANT
	log.Fatalf("no") // WANT
	log.Print(system.ErrNotExist)
}
func b(os interface{ Exit(int) }) { os.Exit(1) }
-- cmd/godown/a.go --
package main
import "os"
func main() { os.Exit(len(os.Getenv("HOME"))) }
-- a_test.go --
package godown_test
import "os"
func a() { os.Exit(1) }
`,
	"status": `
-- a.go --
package godown
import "net/http"
func a(w http.ResponseWriter) { // WANT
	w.WriteHeader(http.StatusTeapot) // WANT
	http.Error(w, "no", 418) // WANT
}
func b(r *http.Response) bool { return r.StatusCode == http.StatusOK }
-- handler.go --
package godown
import "net/http"
func c(w http.ResponseWriter) { w.WriteHeader(418) }
-- internal/obs/a.go --
package obs
import "net/http"
func d(w http.ResponseWriter) { w.WriteHeader(418) }
`,
	"names": `
-- internal/util/a.go --
package strutil // WANT
-- internal/names/a_test.go --
package helpers_test // WANT
-- internal/vcs/a.go --
package vcs
`,
	"init": `
-- a_test.go --
package godown
func init() { // WANT
}
func (u *upstream) init() {}
`,
	"globals": `
-- a.go --
package godown
import (
	"errors"
	"regexp"
	"slices"
	"sync"
)
var errA = errors.New("a")
var (
	ErrB = errors.New("b")
	pattern, pool = regexp.MustCompile("a"), sync.Pool{New: nil}
	table = []string{"a"}
	count int // WANT
	mu sync.Mutex // WANT
	zero = sync.Mutex{} // WANT
	cache = map[string]int{} // WANT
	made = make(chan int) // WANT
	list = []struct{ n int }{{1}}
	letter = []byte("a")
	pointer = &T{1} // WANT
)
var _ error = (*T)(nil)
var update = flag.Bool("update", false, "") // WANT
func change() {
	table[0] = "b" // WANT
	(list[1]).n++ // WANT
	*table = nil // WANT
	errA = nil // WANT
	slices.Sort(table) // WANT
	clear(table) // WANT
	use(&list[0]) // WANT
	for table[0] = range table { // WANT
	}
	letter := table
	letter[0] = "c"
	table := append(table, "d")
	table[0] = "e"
	for i, pattern := range table {
		pattern = use(i)
	}
}
-- b.go --
package godown
func alsoHere() { list = nil } // WANT
-- a_test.go --
package godown_test
import (
	"flag"
	"github.com/godown-dev/godown"
)
var update = flag.Bool("update", false, "")
var client = &http.Client{}
var other = flag.Bool("other", false, "") // WANT
func change() {
	godown.ErrB = nil // WANT
	client.Timeout = 1 // WANT
	godown.Change().Field = nil
}
`,
	"tags": `
-- a.go --
//go:build unix && !aix || (windows && arm64)
package godown
-- b.go --
//go:build linux && (race || enterprise) // WANT WANT
package godown
-- c.go --
// +build ignore // WANT
package godown
`,
	"sleep": `
-- a_test.go --
package godown
import "time"
func a() {
	time.Sleep(time.Second) // WANT
	time.After(time.Second)
}
-- a.go --
package godown
import "time"
func b() { time.Sleep(time.Second) }
`,
	"context": `
-- a.go --
package godown
import "context"
type a struct {
	one context.Context // of the request
	// of all flights
	two context.Context
	three context.Context // WANT
	context.Context // WANT
	// the context
	four, five context.Context // WANT
	six func(context.Context)
}
func b() {
	var _ struct { ctx context.Context } // WANT
}
`,
	"sizes": "\n-- long.go --\npackage godown\n" + strings.Repeat("\n", 599) + "// WANT\n" +
		"-- full.go --\npackage godown\n" + strings.Repeat("\n", 599) +
		"-- functions.go --\npackage godown\n" +
		"func a() { // WANT\n" + strings.Repeat("\n", 99) + "}\n" +
		"func b() {\n" + strings.Repeat("\n", 98) + "}\n" +
		"type four interface { A(); B(); C(); io.Closer }\n" +
		"type five interface { A(); B(); C(); D(); io.Closer } // WANT\n",
	"documented": `
-- a.go --
// Package godown has a comment.
package godown
func Bare() {} // WANT
// Dressed has one.
func Dressed() {}
type T struct { // WANT
	Field int
}
func (t *T) Method() {} // WANT
func (t T[K, V]) Method() {} // WANT
func (t *T) Error() string
func (t *t) Method() {}
type t int
var A, b, C = 1, 2, 3 // WANT WANT
// These are grouped.
const (
	D = 1
	E = 2
)
const (
	F = 1 // is explained
	G = 2 // WANT
)
func Example() {} // WANT
-- a_test.go --
package godown
func Helper() {}
-- internal/obs/a.go --
package obs // WANT
`,
	"dependencies": `
-- go.mod --
module github.com/godown-dev/godown
require (
	example.com/a v1.0.0
	example.com/a/sub v1.0.0
	golang.org/x/mod v0.1.0
)
-- cmd/godown/a.go --
package main
import "example.com/a/b"
import "golang.org/x/mod/semver"
-- internal/obs/a.go --
package obs
import "example.com/a/sub/c"
import "golang.org/x/mod/module"
import "example.com/a" // WANT
import "os/exec"
-- internal/obs/a_test.go --
package obs
import "example.com/a"
-- internal/obs/inner/a.go --
package inner
import "example.com/a/sub"
`,
	"earned": `
-- go.mod --
module github.com/godown-dev/godown
require (
	example.com/a v1.0.0
	example.com/b v1.0.0 // WANT
	example.com/c v1.0.0 // indirect
)
-- .ci/go.mod --
module tools
tool (
	example.com/d/cmd/d
	example.com/e/cmd/e // WANT
)
require (
	example.com/d v1.0.0 // indirect
	example.com/e v1.0.0 // indirect
)
-- docs/dependencies.md --
| module | used by |
|---|---|
| ${example.com/a}$ | all, with ${example.com/b}$ |
| ${example.com/d}$ | nobody |
| ${example.com/c}$ | nobody | // WANT
`,
	"places": `
-- a.go --
package godown
const a = "https://proxy.example/" // WANT
const b = "https://elsewhere.example/wo" + "rk/a"
-- .ci/run --
cd ~/root/a
ls -l /rooted/ c/root/d
ls "$w/ork/a" // WANT
ls $r/oot/ // WANT
-- go.mod --
module example.com/nested // see proxy.example // WANT
`,
}

func TestHouseRulesCanFail(t *testing.T) {
	// What may stand in no file of ours, and the mark of code in markdown.
	spell := strings.NewReplacer("${", "`", "}$", "`", "$w/", "/w", "$r/", "/r")
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			var files []*file
			var want, got []finding
			for _, f := range txtar.Parse([]byte(spell.Replace(fixtures[r.name]))).Files {
				lines := strings.SplitAfter(string(f.Data), "\n")
				for i, line := range lines {
					before, mark, ok := strings.Cut(line, "// WANT")
					for range strings.Count(mark, "WANT") {
						want = append(want, finding{file: f.Name, line: i + 1})
					}
					if ok {
						want = append(want, finding{file: f.Name, line: i + 1})
						lines[i] = before + "\n"
					}
				}
				files = append(files, &file{name: f.Name, text: strings.Join(lines, "")})
			}
			if len(want) == 0 {
				t.Fatal("nothing shows that this rule can fail")
			}
			small, err := newTree(files)
			if err != nil {
				t.Fatal(err)
			}
			small.proxy = "proxy.example"
			r.check(small)
			for _, f := range small.found {
				got = append(got, finding{file: f.file, line: f.line})
				if !slices.Contains(want, got[len(got)-1]) {
					t.Errorf("%s:%d: found for no reason: %s", f.file, f.line, f.what)
				}
			}
			for _, f := range want {
				if !slices.Contains(got, f) {
					t.Errorf("%s:%d: not found", f.file, f.line)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d findings, want %d", len(got), len(want))
			}
		})
	}
}
