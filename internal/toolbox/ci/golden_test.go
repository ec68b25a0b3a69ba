package ci_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/ci"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files")

// A sample is one way to call the command.
type sample struct {
	name    string
	archive string
	o       ci.Options
	only    string // targets, or ""
}

const server = "https://goproxy.corp.example"

// samples are what the golden files show, and the parsers of each format read.
func samples() []sample {
	private, none := "git.corp.example,*.inner.example/team", ""
	own := "sum.corp.example+5f5b63b8+AUWUiAFlT6qyNcMkFcN0rIYFaVyQhG2nD7tJpmE4V0i5"
	return []sample{
		{"run", shop, ci.Options{Private: &none}, ""},
		{"run private token", shop, ci.Options{Private: &private, Auth: "token"}, ""},
		{"run private netrc", shop, ci.Options{Setting: "git.corp.example,github.com/stranger", Auth: "netrc"}, ""},
		{"run private ssh", shop, ci.Options{Private: &private, Auth: "ssh"}, ""},
		{"run workspace", space, ci.Options{}, ""},
		{"run release", shop, ci.Options{Private: &none, Release: "v1.2.3", Go: "1.26.1"}, ""},
		{"server", shop, ci.Options{Private: &none, Server: server}, ""},
		{"server private", shop, ci.Options{Private: &private, Server: server}, ""},
		{"server sumdb", shop, ci.Options{Private: &private, Server: server, SumDB: own}, ""},
		{"server token", shop, ci.Options{Private: &none, Server: server, Auth: "token"}, ""},
		{"server netrc", shop, ci.Options{Private: &none, Server: server, Auth: "netrc"}, ""},
		{"server oidc", shop, ci.Options{Private: &private, Server: server, Auth: "oidc"}, "github gitlab"},
		{"server workspace", space, ci.Options{Server: server}, ""},
		{"run alpine", shop, ci.Options{Private: &private, Variant: "alpine", Auth: "ssh"}, "gitlab jenkins docker"},
		{"server alpine cgo", native, ci.Options{Server: server, Variant: "alpine"}, "gitlab jenkins docker"},
		{"server cgo", native, ci.Options{Server: server}, "docker"},
		{"server distroless", shop, ci.Options{Private: &none, Server: server, Variant: "distroless", Package: "./cmd/worker"}, "docker"},
		{"server scratch", shop, ci.Options{Private: &none, Server: server, Variant: "scratch"}, "docker"},
		{"vendor", shop + "-- vendor/modules.txt --\n", ci.Options{Private: &none}, ""},
		{"old", strings.Replace(shop, "go 1.25.3", "go 1.17", 1), ci.Options{Private: &none}, "github docker"},
	}
}

// each calls f for each target and sample, in both languages.
func each(t *testing.T, f func(target string, l lang.Language, name string, s *ci.Snippet)) {
	t.Helper()
	for _, sample := range samples() {
		p := detect(t, sample.archive)
		for _, target := range ci.Targets() {
			if sample.only != "" && !strings.Contains(sample.only, target) {
				continue
			}
			for _, l := range []lang.Language{lang.English, lang.Chinese} {
				o := sample.o
				o.Lang = l
				f(target, l, sample.name, makes(t, target, p, o))
			}
		}
	}
}

// TestGolden compares all that is printed with testdata, a file for each target and language.
func TestGolden(t *testing.T) {
	golden := make(map[string]*txtar.Archive)
	each(t, func(target string, l lang.Language, name string, s *ci.Snippet) {
		file := filepath.Join("testdata", target+"."+l.String()+".txt")
		if golden[file] == nil {
			golden[file] = &txtar.Archive{Comment: []byte("What 'godown ci " + target + "' prints. Written by: go test ./internal/toolbox/ci -run TestGolden -update\n\n")}
		}
		for _, f := range s.Files {
			golden[file].Files = append(golden[file].Files, txtar.File{Name: name + ": " + f.Name, Data: []byte(f.Text())})
		}
		var notes strings.Builder
		for _, n := range s.Notes {
			notes.WriteString(n.In(l) + "\n")
		}
		golden[file].Files = append(golden[file].Files, txtar.File{Name: name + ": notes", Data: []byte(notes.String())})
	})
	for file, a := range golden {
		got := txtar.Format(a)
		if *update {
			if err := os.WriteFile(file, got, 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			change := ci.Change{Name: file, Exists: true, Before: want, After: got}
			t.Errorf("if that is meant: go test ./internal/toolbox/ci -run TestGolden -update\n%s", change.Diff())
		}
	}
}

// TestChineseIsChinese finds comments and notes that were left in English.
func TestChineseIsChinese(t *testing.T) {
	english := make(map[string]string)
	each(t, func(target string, l lang.Language, name string, s *ci.Snippet) {
		for _, n := range s.Notes {
			if n.Zh == "" || n.En == "" || n.Zh == n.En {
				t.Errorf("%s %s: %q has no Chinese", target, name, n.En)
			}
		}
		for _, f := range s.Files {
			for line := range strings.Lines(f.Text()) {
				comment, ok := strings.CutPrefix(strings.TrimSpace(line), f.Mark+" ")
				if !ok || strings.HasPrefix(comment, "godown ci:") || strings.HasPrefix(comment, "syntax=") || strings.HasPrefix(comment, "  docker build") {
					continue
				}
				if l == lang.English {
					english[comment] = target
				} else if english[comment] != "" {
					t.Errorf("%s %s: %q is English", target, name, comment)
				}
			}
		}
	})
}
