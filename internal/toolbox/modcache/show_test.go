package modcache

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// shelf is a stock of everything that texts are about.
func shelf(now time.Time) *Stock {
	const day = 24 * time.Hour
	of := func(path, version string, extracted, zip int64, age time.Duration) Version {
		return Version{Path: path, Version: version, Extracted: extracted, Zip: zip, Small: 700, Files: 40, Fetched: now.Add(-age),
			folder: extracted > 0, zip: zip > 0, mod: true, info: true}
	}
	return &Stock{
		Dir: "/home/me/go/pkg/mod",
		Versions: []Version{
			of("example.com/old", "v1.0.0", 45_000_000, 9_000_000, 400*day),
			of("example.com/graph", "v0.1.0", 1_000_000, 300_000, 40*day),
			of("example.com/only/mod", "v1.5.0", 0, 0, 3*day),
			of("github.com/acme/used", "v2.0.0+incompatible", 3_000_000, 1_000_000, 100*day),
			of("golang.org/toolchain", "v0.0.1-go1.25.0.linux-amd64", 200_000_000, 60_000_000, 65*day),
		},
		Clones: []Clone{{Name: strings.Repeat("ab", 32), Remote: "git https://git.example/one", Bytes: 7_000_000, Fetched: now.Add(-50 * day)}},
		Leftovers: []Leftover{
			{Kind: Temporary, Name: "cache/download/example.com/old/@v/v1.0.0.zip123.tmp", Bytes: 4000, Time: now.Add(-2 * day)},
			{Kind: Empty, Name: "cache/download/example.com/gone/@v", Time: now.Add(-5 * day)},
		},
		Folders: []Folder{{Kind: Checksums, Bytes: 90_000, Files: 120}, {Kind: Lists, Bytes: 500, Files: 4}},
		Unknown: []string{"a", "b", "c", "d", "e", "f\x1b[31m"},
		Unread:  []error{&fs.PathError{Op: "open", Path: "/home/me/go/pkg/mod/secret", Err: errors.New("permission denied")}},
	}
}

// Every text in both languages is in a golden file, for terminals that are narrow, too.
func TestTexts(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, l := range []lang.Language{lang.English, lang.Chinese} {
		for _, width := range []int{0, 60} {
			var out bytes.Buffer
			p := &term.Printer{W: &out, Lang: l, Width: width}
			s := shelf(now)
			needs := need("github.com/acme/used@v2.0.0+incompatible")
			needs.Add("example.com/graph", "v0.1.0", ModOnly)
			survey := &Survey{Needs: *needs, Projects: []string{"a", "b"}, Binaries: []string{"c"},
				Warnings: []lang.Text{{En: "/src/x is no valid go.mod, and was passed over", Zh: "/src/x 不是有效的 go.mod，已跳过"}}}
			fmt.Fprintln(&out, "== du")
			s.ShowSums(p, 2)
			(&Stock{Dir: "/empty"}).ShowSums(p, 2)
			fmt.Fprintln(&out, "== ls")
			ShowVersions(p, s.Versions, needs, now)
			fmt.Fprintln(&out, "== prune")
			survey.ShowWarnings(p)
			plan := s.Prune(Rule{Needs: needs, Young: 24 * time.Hour, Older: 20 * 24 * time.Hour, Clones: 30 * 24 * time.Hour, Now: now,
				KeepOnly: func(v Version) lang.Text {
					if v.Toolchain() == "" {
						return lang.Text{}
					}
					return lang.Text{En: "why", Zh: "原因"}
				}})
			ShowRemovals(p, plan.Remove, 0, now)
			ShowPlan(p, plan, survey)
			p.Say(Question(plan.Remove))
			fmt.Fprintln(&out, "== prune --max-size")
			small := s.Prune(Rule{MaxSize: 100_000_000, Young: 70 * 24 * time.Hour, Now: now})
			ShowRemovals(p, small.Remove, 1, now)
			ShowPlan(p, small, nil)
			ShowPlan(p, s.Prune(Rule{MaxSize: 1e12, Now: now}), nil)
			fmt.Fprintln(&out, "== results")
			results := []Result{{Removal: plan.Remove[0]}, {Removal: plan.Remove[1], Back: true}, {Removal: plan.Remove[2], Err: errBusy},
				{Removal: plan.Remove[3], Err: &fs.PathError{Op: "remove", Path: "x", Err: fs.ErrPermission}}}
			if ShowResults(p, p, 6, results) {
				t.Error("that all was removed is not so")
			}
			golden(t, fmt.Sprintf("texts.%s.%d", l, width), out.Bytes())
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o777), os.WriteFile(file, got, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; 'go test -update' rewrites it. Now:\n%s", file, got)
	}
}

// Every field of --json is in docs/cache.md.
func TestSchemaIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/cache.md")
	if err != nil {
		t.Fatal(err)
	}
	var look func(reflect.Type)
	n := 0
	look = func(one reflect.Type) {
		for one.Kind() == reflect.Slice || one.Kind() == reflect.Pointer {
			one = one.Elem()
		}
		if one.Kind() != reflect.Struct || one == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range one.NumField() {
			name, _, _ := strings.Cut(one.Field(i).Tag.Get("json"), ",")
			if n++; name == "" || !strings.Contains(string(page), "| `"+name+"` |") {
				t.Errorf("%s.%s is not in the page as `%s`", one.Name(), one.Field(i).Name, name)
			}
			look(one.Field(i).Type)
		}
	}
	for _, v := range []any{UsageJSON{}, ListJSON{}, RemovedJSON{}} {
		look(reflect.TypeOf(v))
	}
	if n < 20 {
		t.Errorf("%d fields", n)
	}
}
