package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

const (
	first   = "cold.test/a/@v/v1.0.0.zip"
	modOnly = "cold.test/a@v1.1.0"
	pseudo  = "cold.test/p@v0.0.0-20240101000000-000000000000"
)

// small returns a corpus of three modules with one set, and what it was made
// of. Of one version there is only the .mod.
func small(t *testing.T) (*corpus, *godowntest.Modules) {
	t.Helper()
	mods := godowntest.NewModules(t, `
-- cold.test/a@v1.0.0/a.go --
package a
-- `+modOnly+`/a.go --
package a // newer
-- `+pseudo+`/p.go --
package p
-- cold.test/p@v0.0.0-20230101000000-ffffffffffff/p.go --
package p
`)
	if err := mods.AddBig("cold.test/Big", "v1.0.0", 100_000); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var goMod, goSum strings.Builder
	goMod.WriteString("module main.test\n\ngo 1.24.0\n")
	for _, v := range mods.Versions() {
		sums, _ := mods.Sums(v.Path, v.Version)
		for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
			if kind != godown.Mod && v.String() == modOnly {
				continue
			}
			name := godown.Request{Kind: kind, Path: v.Path, Version: v.Version}.Name()
			file := filepath.Join(dir, "cache", "download", filepath.FromSlash(name))
			files := map[string][]byte{filepath.Base(file): mods.Data(name)}
			if kind == godown.Zip && v.Path != "cold.test/p" { // without, it is computed
				files[filepath.Base(file)+"hash"] = []byte(sums.Zip)
			}
			if err := writeFiles(filepath.Dir(file), files); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasSuffix(v.Version, "v1.0.0") {
			fmt.Fprintf(&goMod, "\nrequire %s %s\n", v.Path, v.Version)
		}
		fmt.Fprintf(&goSum, "%s %s %s\n%s %s/go.mod %s\n", v.Path, v.Version, sums.Zip, v.Path, v.Version, sums.Mod)
	}
	err := writeFiles(filepath.Join(dir, "sets", "tiny"), map[string][]byte{"go.mod": []byte(goMod.String()), "go.sum": []byte(goSum.String())})
	if err != nil {
		t.Fatal(err)
	}
	c, err := openCorpus(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c, mods
}

// start starts a mirror of a corpus that ends with the test.
func start(t *testing.T, c *corpus, cond conditions) *mirror {
	t.Helper()
	db, err := newSumDB(c, 70_000) // three levels of tiles
	if err != nil {
		t.Fatal(err)
	}
	m, err := startMirror(c, db, cond)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	return m
}

// get asks a mirror for a file.
func get(t *testing.T, m *mirror, name string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.url+"/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// TestMirror asks for every kind of file, in parts too.
func TestMirror(t *testing.T) {
	c, mods := small(t)
	m := start(t, c, conditions{latency: time.Millisecond, rate: 50_000_000})
	for _, req := range mods.Requests() {
		v := req.Path + "@" + req.Version
		if v == modOnly && req.Kind != godown.Mod {
			continue
		}
		resp, body := get(t, m, req.Name())
		want := mods.Data(req.Name())
		if req.Kind == godown.Latest && req.Path == "cold.test/a" {
			continue // made, see below
		}
		if resp.StatusCode != http.StatusOK || !bytes.Equal(body, want) {
			t.Errorf("%v: %s, %.100q; want %.100q", req, resp.Status, body, want)
		}
	}
	for _, name := range []string{"cold.test/a/@v/v1.1.0.info", "cold.test/a/@latest"} {
		var info struct{ Version string }
		if _, body := get(t, m, name); json.Unmarshal(body, &info) != nil || info.Version != "v1.1.0" {
			t.Errorf("%s: %s", name, body)
		}
	}
	for _, name := range []string{"cold.test/@v/list", "cold.test/b/@latest", "cold.test/a/@v/v1.2.0.info", "cold.test/a/@v/v1.1.0.zip", "x", "sumdb/other.test/supported"} {
		if resp, _ := get(t, m, name); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	if list := m.lacking(); len(list) != 1 || list[0].Path+"@"+list[0].Version != modOnly {
		t.Errorf("lacking: %v", list)
	}

	whole, zip := get(t, m, first)
	for tag, want := range map[string]int{whole.Header.Get("ETag"): http.StatusPartialContent, `"other"`: http.StatusOK} {
		if err := m.settle(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		before := m.traffic().Bytes
		resp, body := get(t, m, first, "Range", "bytes=10-19", "If-Range", tag)
		if resp.StatusCode != want || want == http.StatusPartialContent && !bytes.Equal(body, zip[10:20]) {
			t.Errorf("a range with the tag %s: %s, %q", tag, resp.Status, body)
		}
		if err := m.settle(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if n := m.traffic().Bytes - before; n != int64(len(body)) {
			t.Errorf("%d bytes were counted of %d", n, len(body))
		}
	}
	if seen := m.traffic(); seen.Connections < 1 || seen.AtOnce < 1 || seen.SumDB != 1 {
		t.Errorf("%+v", seen)
	}
}

// A memory is what a client of a checksum database knows. It implements [sumdb.ClientOps].
type memory struct {
	t      *testing.T
	m      *mirror
	mu     sync.Mutex      // guards levels
	levels map[string]bool // of the tiles that were read
	latest []byte
}

func (c *memory) ReadRemote(path string) ([]byte, error) {
	if f := strings.Split(path, "/"); f[1] == "tile" {
		c.mu.Lock()
		c.levels[f[3]] = true
		c.mu.Unlock()
	}
	resp, body := get(c.t, c.m, "sumdb/"+dbName+path)
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return body, nil
}

func (c *memory) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(c.m.db.key), nil
	}
	return c.latest, nil
}

func (c *memory) WriteConfig(_ string, _, latest []byte) error { c.latest = latest; return nil }
func (c *memory) ReadCache(string) ([]byte, error)             { return nil, os.ErrNotExist }
func (c *memory) WriteCache(string, []byte)                    {}
func (c *memory) Log(msg string)                               { c.t.Log(msg) }
func (c *memory) SecurityError(msg string)                     { c.t.Error(msg) }

// TestSumDB has a real client verify what the database says of every version.
func TestSumDB(t *testing.T) {
	c, mods := small(t)
	m := start(t, c, conditions{})
	if resp, _ := get(t, m, "sumdb/"+dbName+"/supported"); resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	ops := &memory{t: t, m: m, levels: make(map[string]bool)}
	client := sumdb.NewClient(ops)
	for _, v := range mods.Versions() {
		sums, _ := mods.Sums(v.Path, v.Version)
		for version, sum := range map[string]string{v.Version: sums.Zip, v.Version + "/go.mod": sums.Mod} {
			if v.String() == modOnly && sum == sums.Zip {
				continue // made up
			}
			got, err := client.Lookup(v.Path, version)
			if want := v.Path + " " + version + " " + sum; err != nil || !slices.Contains(got, want) {
				t.Errorf("%q, error %v; want %s", got, err, want)
			}
		}
	}
	if len(ops.levels) != 3 {
		t.Errorf("tiles of the levels %v were read, want three levels", ops.levels)
	}
	if _, err := client.Lookup("cold.test/none", "v1.0.0"); err == nil {
		t.Error("a version that does not exist was found")
	}
	if data, err := m.db.ReadRecords(context.Background(), 7, 2); err != nil || len(data) != 2 {
		t.Errorf("%q, %v", data, err)
	}
}

// TestGoCommand has the real go command download the set, straight and from
// the folder, and sees that wrong bytes are found.
func TestGoCommand(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	c, _ := small(t)
	db, err := newSumDB(c, 10)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.set("tiny", false)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"cold.test/!big/@v/v1.0.0.zip", first}; !slices.Equal(s.zips, want) {
		t.Fatalf("the set has %q, want %q", s.zips, want)
	}
	r := row{name: "tiny", set: "tiny"}
	b := &bench{dir: t.TempDir(), corpus: c, db: db, sets: map[string]*set{"tiny": s}, wanted: make(map[godown.Request]bool)}
	b.rounds, b.candidates, b.timeout, b.rate = 1, []string{straight, atHand}, time.Minute, 50_000_000
	b.rows = []row{r}
	if err := b.measure(t.Context()); err != nil || len(b.trouble) > 0 {
		t.Fatal(err, b.trouble)
	}
	for _, res := range b.results {
		if !res.OK || res.Seconds <= 0 || (res.Requests == 0) != (res.Candidate == atHand) {
			t.Errorf("%+v", res)
		}
	}
	var out strings.Builder
	b.print(&out)
	t.Log(out.String())

	file := c.file(first)
	if err := os.WriteFile(file, []byte("other"), 0o666); err != nil {
		t.Fatal(err)
	}
	if why := s.check(c, c.dir); why != "" {
		t.Errorf("a folder differs from itself: %s", why)
	}
	copied := t.TempDir()
	target := filepath.Join(copied, "cache", "download", filepath.FromSlash(first))
	if err := writeFiles(filepath.Dir(target), map[string][]byte{filepath.Base(target): []byte("others")}); err != nil {
		t.Fatal(err)
	}
	if why := s.check(c, copied); !strings.Contains(why, "wrong bytes") {
		t.Errorf("other bytes: %q", why)
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	if why := s.check(c, copied); !strings.Contains(why, "not there") {
		t.Errorf("no zip: %q", why)
	}
}

// TestPrint prints ratios that are taken round by round, with verdicts.
func TestPrint(t *testing.T) {
	b := &bench{}
	b.rounds, b.candidates, b.latency, b.rate = 3, []string{straight, asRun}, 100*time.Millisecond, 2_000_000
	b.rows = []row{{name: "r", time: map[string]float64{asRun: 0.25}, extra: map[string]float64{asRun: 2}, memory: 100}}
	for round, s := range []float64{10, 20, 40} {
		t1, t2 := traffic{Bytes: 1_000_000, AtOnce: 2}, traffic{Bytes: 1_100_000, AtOnce: 11, Requests: 7, Connections: 12}
		line := b.conditions(b.rows[0])
		b.results = append(b.results,
			result{Row: "r", Candidate: straight, Round: round, OK: true, Seconds: s, traffic: t1, Allowed: line.allows(t1).Seconds()},
			result{Row: "r", Candidate: asRun, Round: round, OK: round < 2, Why: "because", Seconds: s / 5, traffic: t2, Allowed: line.allows(t2).Seconds(), Memory: 150e6})
	}
	var out strings.Builder
	b.print(&out)
	for _, want := range []string{"| 2/3 |", "**0.200** (0.200–0.200), target ≤ 0.25 met", "**10.0** (10.0–10.0), target ≤ 2 MISSED",
		"| 7 (0) | 12 (11) | 0.35 (", "target ≤ 100 MISSED", "- r, run, round 3: because"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

// TestFolder sees that nothing is made of a folder that is somebody else's,
// and that what was asked for in vain is noted once.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := (&filler{dir: dir}).fill(t.Context(), nil); err == nil {
		t.Error("the folder was taken")
	}
	f := &filler{dir: filepath.Join(dir, "corpus")}
	if err := f.fill(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.want(map[godown.Request]bool{{Kind: godown.Zip, Path: "cold.test/a", Version: "v1.1.0"}: true}); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(f.wanted()); err != nil || string(data) != modOnly+"\n" {
		t.Errorf("%q, %v", data, err)
	}
}
