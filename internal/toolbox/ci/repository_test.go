package ci_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/ci"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// TestMissing: what only this machine has is not counted, as a checkout is without it.
func TestMissing(t *testing.T) {
	const app = "-- app/go.mod --\nmodule example.com/app\ngo 1.26\n-- app/main.go --\npackage main\n"
	const work = "go.work --\ngo 1.26\nuse ./app\n"
	for _, c := range []struct {
		name, archive string
		work, vendor  bool
		missing       []string
	}{
		{"beside clones", "-- " + work + "-- app/.git/x --\n" + app, false, false, []string{"go.work"}},
		{"no repository", "-- " + work + app, true, false, nil},
		{"in the repository", "-- .git/x --\n-- " + work + app, true, false, nil},
		{"ignored", "-- .git/x --\n-- .gitignore --\n# go.sum\n\n/go.work\n-- " + work + app, false, false, []string{"go.work"}},
		{"ignored by a wildcard", "-- .git/x --\n-- .gitignore --\n**/*.work\n-- " + work + app, false, false, []string{"go.work"}},
		{"ignored elsewhere", "-- .git/x --\n-- .gitignore --\napp/go.work\n#go.work\n-- " + work + app, true, false, nil},
		{"taken back", "-- .git/x --\n-- .gitignore --\n*.work\n!go.work\n-- " + work + app, true, false, nil},
		{"vendor", "-- .git/x --\n-- .gitignore --\nx\n-- app/vendor/modules.txt --\n" + app, false, true, nil},
		{"vendor ignored", "-- .git/x --\n-- .gitignore --\nvendor/\n-- app/vendor/modules.txt --\n" + app, false, false, []string{"vendor"}},
		{"vendor ignored here", "-- .git/x --\n-- app/.gitignore --\r\n/vendor/\r\n-- app/vendor/modules.txt --\n" + app, false, false, []string{"vendor"}},
	} {
		p, err := ci.Detect(filepath.Join(project(t, c.archive), "app"), "")
		if err != nil || p.Work != c.work || p.Vendor != c.vendor || !slices.Equal(p.Missing, c.missing) || !p.Work && filepath.Base(p.Dir) != "app" {
			t.Errorf("%s: %+v %v", c.name, p, err)
			continue
		}
		s := makes(t, "github", p, ci.Options{})
		if said := slices.ContainsFunc(s.Notes, func(n lang.Text) bool { return strings.Contains(n.En, "is here but not in the repository") }); said != (c.missing != nil) {
			t.Errorf("%s: %v", c.name, s.Notes)
		}
		if text := s.Files[0].Text(); strings.Contains(text, "go.work") != c.work {
			t.Errorf("%s:\n%s", c.name, text)
		}
	}
	dir := project(t, "-- go.work --\ngo 1.26\nuse ./a\n-- a/go.mod --\nmodule a\n-- b/go.mod --\nmodule b\n")
	if _, err := ci.Detect(filepath.Join(dir, "b"), ""); err == nil || !strings.Contains(err.Error(), "does not use the module in b") {
		t.Error(err)
	}
	if p, err := ci.Detect(filepath.Join(dir, "b"), "off"); err != nil || p.Work {
		t.Error(p, err)
	}
}

// TestNeedsC: a module that is nothing without C has the program compiled with it.
func TestNeedsC(t *testing.T) {
	archive := strings.Replace(shop, "rsc.io/quote v1.5.2", "github.com/mattn/go-sqlite3 v1.14.22", 1)
	none := ""
	s := makes(t, "docker", detect(t, archive), ci.Options{Private: &none})
	if text := s.Files[0].Text(); !strings.Contains(text, "CGO_ENABLED=1 go build") || !strings.Contains(text, "distroless/base-") || !strings.Contains(s.Notes[0].En, "go-sqlite3 needs C") {
		t.Errorf("%v\n%s", s.Notes, text)
	}
	archive = strings.Replace(archive, "v1.14.22", "v1.14.22 // indirect", 1)
	if text := makes(t, "docker", detect(t, archive), ci.Options{Private: &none}).Files[0].Text(); !strings.Contains(text, "CGO_ENABLED=0 go build") {
		t.Error(text)
	}
}

// TestNoEscapes: what go.mod says cannot speak to the terminal.
func TestNoEscapes(t *testing.T) {
	p := detect(t, strings.Replace(shop, "rsc.io/quote", `"git.\x1b[31m.example/x"`, 1))
	for _, n := range makes(t, "gitlab", p, ci.Options{}).Notes {
		if strings.Contains(n.En, "\x1b") {
			t.Errorf("%q", n.En)
		}
	}
}
