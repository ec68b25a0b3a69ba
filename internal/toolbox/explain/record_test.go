//go:build unix

package explain

import (
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestMain makes the test binary the name server of a world, too.
func TestMain(m *testing.M) {
	if os.Getenv("EXPLAIN_DNS") != "" {
		serveDNS()
		return
	}
	os.Exit(m.Run())
}

// TestRecord writes testdata/go*.txt: what the go commands in EXPLAIN_RECORD, paths
// separated by commas, say when they fail. With EXPLAIN_ONLY, a regular
// expression, all provocations whose names do not match stay as they were.
func TestRecord(t *testing.T) {
	only := regexp.MustCompile(os.Getenv("EXPLAIN_ONLY"))
	for goes := range strings.SplitSeq(os.Getenv("EXPLAIN_RECORD"), ",") {
		if goes == "" {
			continue
		}
		out, err := exec.Command(goes, "env", "GOVERSION").Output()
		if err != nil {
			t.Fatalf("%s: %v", goes, err)
		}
		v := strings.TrimSpace(string(out))
		t.Run(v, func(t *testing.T) {
			old := recorded(t, v)
			var mu sync.Mutex // guards said
			said := make(map[string]string)
			t.Run("all", func(t *testing.T) {
				for _, p := range provocations() {
					if !p.fits(v) {
						continue
					}
					if !only.MatchString(p.name) {
						said[p.name] = old[p.name]
						continue
					}
					t.Run(p.name, func(t *testing.T) {
						t.Parallel()
						out := p.provoke(t, goes)
						mu.Lock()
						defer mu.Unlock()
						said[p.name] = out
					})
				}
			})
			var a txtar.Archive
			a.Comment = fmt.Appendf(nil, "What %s says; written by 'EXPLAIN_RECORD=PATH go test -run TestRecord'.\n", v)
			for _, p := range provocations() {
				if s := said[p.name]; s != "" {
					a.Files = append(a.Files, txtar.File{Name: p.name, Data: []byte(s)})
				}
			}
			if err := os.WriteFile(filepath.Join("testdata", v+".txt"), txtar.Format(&a), 0o666); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (p provocation) fits(v string) bool {
	lang := version.Lang(v)
	return (p.since == "" || version.Compare(lang, "go"+p.since) >= 0) && (p.until == "" || version.Compare(lang, "go"+p.until) < 0)
}

// recorded returns what a go version said, by the name of the provocation.
func recorded(t testing.TB, v string) map[string]string {
	said := make(map[string]string)
	data, err := os.ReadFile(filepath.Join("testdata", v+".txt"))
	if os.IsNotExist(err) {
		return said
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range txtar.Parse(data).Files {
		said[f.Name] = string(f.Data)
	}
	return said
}

// versions returns the go versions of which there are recordings.
func versions(t *testing.T) []string {
	files, err := filepath.Glob("testdata/go1.*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no recordings")
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".txt")
	}
	slices.SortFunc(files, version.Compare)
	return files
}
