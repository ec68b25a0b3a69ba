package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/module"
)

const corpSum = "sum.corp.example"

// fill appends records to the database of the data folder, which then has n.
func (w *sumDBWorld) fill(n int) {
	w.t.Helper()
	w.grow(0, n-1)
	w.grow(n-1, n) // by itself, so that no full tile is in the tail
}

// openLog opens the log of the data folder, with its private key.
func (w *sumDBWorld) openLog() (l *sumlog.Log, end func()) {
	w.t.Helper()
	db := w.mustOpen()
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "h1:" + base64.StdEncoding.EncodeToString(sum[:])
	}
	l, err := sumlog.Open(w.t.Context(), sumlog.Options{
		Name: db.name, Store: db.store, Signers: db.signers, Verifiers: db.verifiers,
		Origin: func(_ context.Context, m module.Version) ([]byte, error) {
			return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, hash(m.Path), m.Path, m.Version, hash("mod")), nil
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return l, func() {
		if err := errors.Join(l.Close(w.t.Context()), db.Close()); err != nil {
			w.t.Error(err)
		}
	}
}

// grow appends the records from number first on; the order of those is any.
func (w *sumDBWorld) grow(first, last int) {
	w.t.Helper()
	l, end := w.openLog()
	defer end()
	var wait sync.WaitGroup
	for i := first; i < last; i++ {
		wait.Go(func() {
			if _, _, err := l.Lookup(w.t.Context(), module.Version{Path: fmt.Sprintf("example.com/m%d", i), Version: "v1.0.0"}); err != nil {
				w.t.Error(err)
			}
		})
	}
	wait.Wait()
}

// newCorpSum returns a world with a database, and its public key.
func newCorpSum(t *testing.T) (w *sumDBWorld, key string) {
	w = newSumDBWorld(t, "GODOWN_RETRIES=0")
	key = strings.TrimSpace(w.do(exitOK, "", "init", "--quiet", corpSum))
	return w, key
}

// TestSumDBVerifyDamage damages files of a log in the data folder, which its tail does not have.
func TestSumDBVerifyDamage(t *testing.T) {
	w, _ := newCorpSum(t)
	w.fill(600)
	if said := w.do(exitOK, "", "verify"); !strings.Contains(said, "all is right: 600 of 600 records; 0 stored files") {
		t.Error(said)
	}
	for name, want := range map[string]string{
		"tile/8/0/001":    "tile: tile/8/0/001: its hashes are not those of the tree that is signed\n",
		"tile/8/data/000": "record: tile/8/data/000: record ",
	} {
		file := filepath.Join(w.data, "sumdb", corpSum, filepath.FromSlash(name))
		good := textOf(t, file)
		at := strings.Index(good, "h1:") + 10 // in a record this is a character of base64; tiles of hashes have none
		bad := []byte(good)
		if bad[at]++; bad[at] == '{' || bad[at] == '[' || bad[at] == ':' {
			bad[at] -= 2
		}
		writeText(t, file, string(bad))
		if said := w.do(exitFailed, "", "verify", "--json"); !strings.Contains(said, `"ok":false`) {
			t.Errorf("%s: %s", name, said)
		}
		if said := w.do(exitFailed, "", "verify"); !strings.Contains(said, want) || !strings.Contains(said, "1 thing is wrong") {
			t.Errorf("%s: %s", name, said)
		}
		if now := textOf(t, file); now != string(bad) {
			t.Errorf("%s was changed by being read", name)
		}
		writeText(t, file, good)
	}
	if err := os.Remove(filepath.Join(w.data, "sumdb", corpSum, "tile/8/0/000")); err != nil {
		t.Fatal(err)
	}
	if said := w.do(exitFailed, "", "verify"); !strings.Contains(said, "missing: tile/8/0/000: the file is missing\n") {
		t.Error(said)
	}
}

// TestSumDBVerifyResumes has the server of a log fail in the midst of an audit, which goes on from there.
func TestSumDBVerifyResumes(t *testing.T) {
	w, key := newCorpSum(t)
	w.fill(1500)
	static := t.TempDir()
	w.do(exitOK, "", "export", static)
	files := http.FileServer(http.Dir(static))
	var left atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if left.Add(-1) < 0 {
			http.Error(rw, "out of order", http.StatusInternalServerError)
			return
		}
		files.ServeHTTP(rw, r)
	}))
	defer s.Close()
	other := newSumDBWorld(t, "GODOWN_RETRIES=0")
	var read int64
	for try := 0; ; try++ {
		left.Store(14)
		args := []string{"verify", "--data", other.data, "--json", "--jobs", "1", "--since", key, s.URL}
		code, stdout, stderr := call(t, other.m, append([]string{"sumdb"}, args...)...)
		var r sumVerified
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatalf("%v: %s%s", err, stdout, stderr)
		}
		read += r.Audit.Records
		if code == exitOK {
			if try == 0 || r.Audit.From == 0 || read < 1500 || !r.OK {
				t.Errorf("it ended after %d tries, with %d records: %s", try, read, stdout)
			}
			break
		}
		if code != exitUnfinished || r.OK || !strings.Contains(stderr, "500 Internal Server Error") || try == 10 {
			t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
		}
	}
}

// TestSumDBVerifyTiles audits what serves a log only as c2sp.org/tlog-tiles has it.
func TestSumDBVerifyTiles(t *testing.T) {
	w, key := newCorpSum(t)
	w.fill(300)
	l, end := w.openLog()
	defer end()
	damaged := ""
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		f, err := l.FetchSum(r.Context(), corpSum+r.URL.Path)
		if err != nil || r.URL.Path == "/latest" || strings.HasPrefix(r.URL.Path, "/tile/8/") {
			http.NotFound(rw, r)
			return
		}
		data, _ := io.ReadAll(f.Reader())
		if r.URL.Path == damaged {
			data[len(data)-3]++
		}
		rw.Write(data)
	}))
	defer s.Close()
	if said := w.do(exitOK, "", "verify", key, s.URL); !strings.Contains(said, "all is right: 300 of 300 records\n") {
		t.Error(said)
	}
	damaged = "/tile/entries/000"
	if said := w.do(exitFailed, "", "verify", s.URL); !strings.Contains(said, "record: tile/entries/000: record 255: ") {
		t.Error(said)
	}
}

// TestParseSumPlace reads arguments of sumdb verify.
func TestParseSumPlace(t *testing.T) {
	_, key := newKey(t, corpSum+"/team")
	folder := t.TempDir()
	for _, test := range []struct{ args, want string }{ // the arguments with | between them; the place, or the error
		{"", ""},
		{"sum.golang.org", "https://sum.golang.org"},
		{"sum.golang.google.cn", "https://sum.golang.google.cn"},
		{key, "https://" + corpSum + "/team"},
		{key + " http://127.0.0.1:8080/sumdb/x", "http://127.0.0.1:8080/sumdb/x"},
		{key + "|http://127.0.0.1:8080/sumdb/x", "http://127.0.0.1:8080/sumdb/x"},
		{"https://user:s3cr3t@sum.example", "https://sum.example"},
		{folder, folder},
		{key + "|" + folder, folder},
		{key + "|" + folder + "/absent", "is neither the URL"},
		{"ftp://sum.example", "is neither the URL"},
		{"https://sum.example?x=1", "is neither the URL"},
		{"PRIVATE+KEY+s3cr3t", "is a private key"},
		{key + "|PRIVATE+KEY+s3cr3t", "is a private key"},
		{"sum.example", "whose key is known"},
		{"http://sum.example|" + key, "whose key is known"},
	} {
		var args []string
		if test.args != "" {
			args = strings.Split(test.args, "|")
		}
		p, err := parseSumPlace(args)
		got := p.String()
		if err != nil {
			got = err.Error()
		}
		if got != test.want && (err == nil || !strings.Contains(got, test.want)) || strings.Contains(got, "s3cr3t") {
			t.Errorf("%q: %s, want %s", test.args, got, test.want)
		}
	}
}

// TestSumDBSeen keeps heads that were seen, of several at once the first.
func TestSumDBSeen(t *testing.T) {
	dir, err := godown.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	heads := &seenHeads{dir}
	none, err := heads.get(t.Context(), corpSum)
	if err != nil || none.Size != 0 {
		t.Fatal(none, err)
	}
	first, second := none, none
	first.Signed, first.Size = []byte("one"), 1
	second.Signed, second.Size = []byte("two"), 2
	if err := heads.put(t.Context(), corpSum, none, first); err != nil {
		t.Error(err)
	}
	if err := heads.put(t.Context(), corpSum, none, second); err == nil {
		t.Error("one that came meanwhile was replaced")
	}
	if err := heads.put(t.Context(), corpSum, first, second); err != nil {
		t.Error(err)
	}
	if got, err := heads.get(t.Context(), corpSum); err != nil || got.Size != 2 || string(got.Signed) != "two" {
		t.Error(got, err)
	}
	writeText(t, filepath.Join(dir.Path(), corpSum, "seen"), "{")
	if _, err := heads.get(t.Context(), corpSum); err == nil || !strings.Contains(err.Error(), filepath.Join(corpSum, "seen")) {
		t.Error(err)
	}
}
