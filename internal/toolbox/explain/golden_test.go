//go:build unix

package explain

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

var update = flag.Bool("update", false, "write testdata/explained.*.txt")

// golden is the go version whose recordings are explained in testdata/explained.*.txt.
const golden = "go1.26.8"

// TestGolden compares the explanation of one recording of each entry, in both languages.
func TestGolden(t *testing.T) {
	m := newMatcher()
	said := recorded(t, golden)
	for _, l := range []lang.Language{lang.English, lang.Chinese} {
		var b bytes.Buffer
		p := &term.Printer{W: &b, Lang: l, Width: 100}
		shown := make(map[string]bool)
		for _, c := range provocations() {
			if shown[c.want] || said[c.name] == "" {
				continue
			}
			shown[c.want] = true
			fmt.Fprintf(&b, "==== %s (%s)\n", c.want, c.name)
			m.explain(t.Context(), ported(said[c.name]), Around{}).Print(p)
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "==== nothing recognised\n")
		m.explain(t.Context(), "# example.com/p\n./p.go:3:2: undefined: x\nmake: *** [Makefile:2: build] Error 1\n", Around{}).Print(p)
		file := "testdata/explained." + l.String() + ".txt"
		if *update {
			if err := os.WriteFile(file, b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s is not what is printed; if that is meant: go test -run TestGolden -update", file)
		}
	}
}
