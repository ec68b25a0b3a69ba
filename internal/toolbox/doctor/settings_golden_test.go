package doctor

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A gallery is what was found in tests, to be compared with testdata.
type gallery struct {
	mu    sync.Mutex // guards found
	found map[string]Finding
	plain *strings.Replacer // takes out what differs from one run to the next
}

// hang adds a finding.
func (g *gallery) hang(d *desk, name string, f Finding) {
	release, builtIn := "", ""
	if s := d.facts().Settings; s != nil {
		release = s.Version
		for _, said := range s.Values["GOPROXY"].Said {
			if said.Place == goenv.Installation {
				builtIn = said.Text
			}
		}
	}
	plain := func(t lang.Text) lang.Text {
		for _, s := range []*string{&t.En, &t.Zh} {
			*s = strings.ReplaceAll(g.plain.Replace(*s), d.home, "HOME")
			if release != "" {
				*s = strings.ReplaceAll(*s, release, "goX")
			}
			if builtIn != "" {
				*s = strings.ReplaceAll(*s, builtIn, "DEFAULT")
			}
			*s = regexp.MustCompile(`sums\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+`).ReplaceAllString(*s, "KEY")
			*s = regexp.MustCompile(`\S*/bin/go env`).ReplaceAllString(*s, "go env")
		}
		return t
	}
	f.Title, f.Consequence = plain(f.Title), plain(f.Consequence)
	f.Evidence, f.Fixes = slices.Clone(f.Evidence), slices.Clone(f.Fixes)
	for i := range f.Evidence {
		f.Evidence[i] = plain(f.Evidence[i])
	}
	for i := range f.Fixes {
		f.Fixes[i].Say, f.Fixes[i].Command = plain(f.Fixes[i].Say), plain(lang.Same(f.Fixes[i].Command)).En
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.found[name] = f
}

// check compares what was found with the golden files, in both languages.
func (g *gallery) check(t *testing.T) {
	if len(g.found) != len(provocations()) {
		return // some failed, or were not asked for
	}
	var list []Finding
	for _, name := range slices.Sorted(maps.Keys(g.found)) {
		list = append(list, g.found[name])
	}
	for _, l := range []lang.Language{lang.English, lang.Chinese} {
		var out bytes.Buffer
		Render(&term.Printer{W: &out, Lang: l, Width: 100}, list)
		golden(t, "findings."+l.String()+".txt", out.Bytes())
	}
}

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not as it was; go test -update rewrites it. Now it is:\n%s", file, got)
	}
}
