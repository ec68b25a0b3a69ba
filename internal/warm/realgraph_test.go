package warm

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/godowntest"
	"golang.org/x/mod/module"
)

// realGraph reads the module graph of a real application from testdata: its
// go.mod, and those of all that is in the graph as a txtar archive.
func realGraph(t *testing.T, name string) (main, archive string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "graphs", name))
	if err != nil {
		t.Fatal(err)
	}
	table, graph, _ := strings.Cut(string(data), "\n\n")
	var versions []module.Version
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); f[0] == strconv.Itoa(len(versions)) {
			versions = append(versions, module.Version{Path: f[1], Version: f[2]})
		}
	}
	version := func(number string) module.Version {
		i, err := strconv.Atoi(number)
		if err != nil || i >= len(versions) {
			t.Fatalf("%s: there is no version %q", name, number)
		}
		return versions[i]
	}
	var b strings.Builder
	for _, m := range versions {
		// Whose own go.mod does not come below is of no account: what it requires must not be seen.
		fmt.Fprintf(&b, "-- %s/go.mod --\nmodule %s\nrequire unseen.test v1.0.0\n", m, m.Path)
	}
	b.WriteString("-- unseen.test@v1.0.0/go.mod --\nmodule unseen.test\n")
	for line := range strings.Lines(graph) {
		f := strings.Fields(line)
		path, text := "main.test", ""
		if f[0] != "main" {
			path = version(f[0]).Path
		}
		text = "module " + path + "\n"
		if f[1] != "-" {
			text += "go " + f[1] + "\n"
		}
		for _, number := range f[2:] {
			if old, by, ok := strings.Cut(number, "="); ok {
				text += fmt.Sprintf("replace %s %s => %s %s\n", version(old).Path, version(old).Version, version(by).Path, version(by).Version)
			} else if excluded, ok := strings.CutPrefix(number, "-"); ok {
				text += fmt.Sprintf("exclude %s %s\n", version(excluded).Path, version(excluded).Version)
			} else {
				text += fmt.Sprintf("require %s %s\n", version(number).Path, version(number).Version)
			}
		}
		if f[0] == "main" {
			main = text
		} else {
			fmt.Fprintf(&b, "-- %s/go.mod --\n%s", version(f[0]), text)
		}
	}
	return main, b.String()
}

// The build lists of real applications are those of the go command.
func TestBuildListOfRealGraphs(t *testing.T) {
	for _, name := range []string{"gin.txt", "prometheus.txt"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			main, archive := realGraph(t, name)
			mods := godowntest.NewModules(t, archive)
			up := godowntest.NewUpstream(t, mods)
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "go.mod"), main)
			g, err := BuildList(t.Context(), mods, dir, parseMain(t, main), nil)
			if err != nil {
				t.Fatal(err)
			}
			want := goCommand(t, dir, up.URL, "list", "-m", "-f", "{{if not .Main}}{{.Path}}@{{.Version}}{{end}}", "all")
			if got := joinVersions(g.List); got != strings.TrimLeft(want, "\n") || len(g.List) < 40 {
				t.Errorf("the build list of %d is\n%s\nwant\n%s", len(g.List), got, want)
			}
		})
	}
}
