package audit_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"

	"github.com/godown-dev/godown/internal/sumlog/audit"
)

var sizes = []int{0, 1, 2, 255, 256, 257, 511, 512, 513, 70000}

// TestServer audits x/mod's own server.
func TestServer(t *testing.T) {
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	log := sumdb.NewTestServer(private, func(path, version string) ([]byte, error) {
		return []byte(textOf(path, version)), nil
	})
	server := httptest.NewServer(sumdb.NewServer(log))
	defer server.Close()
	a := &audit.Auditor{
		Name: name, Verifiers: note.VerifierList(v), Lookups: 20,
		Get: func(ctx context.Context, name string) ([]byte, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/"+name, nil)
			if err != nil {
				return nil, err
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			switch resp.StatusCode {
			case http.StatusOK:
				return io.ReadAll(resp.Body)
			case http.StatusNotFound:
				return nil, fs.ErrNotExist
			}
			return nil, errors.New(resp.Status)
		},
	}
	var last audit.Seen
	done := 0
	for _, size := range sizes {
		for ; done < size; done++ {
			m := module.Version{Path: fmt.Sprintf("example.com/Module%d", done%7), Version: fmt.Sprintf("v1.%d.0", done)}
			if _, err := log.Lookup(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		r := run(t, a, last)
		if !r.OK() || r.Head.Size != int64(size) || r.Records != int64(size) || r.From != 0 || r.Lookups != min(20, size) || r.Seen.Size != int64(size) {
			t.Errorf("%d records: %+v", size, r)
		}
		last = r.Seen
	}
}

// TestFolder audits folders of both formats.
func TestFolder(t *testing.T) {
	log, k, _ := newLog(t, 300)
	dir := t.TempDir()
	for name, data := range log.write(t, k, 300) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for format, f := range formats {
		a := newAuditor(k, nil, f)
		a.Get = audit.Folder(os.DirFS(dir))
		if r := run(t, a, audit.Seen{}); !r.OK() || r.Records != 300 {
			t.Errorf("%s: %+v", format, r)
		}
	}
	get := audit.Folder(os.DirFS(dir))
	if _, err := get(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for _, name := range []string{"../x", "tile"} {
		if _, err := get(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	large := audit.Folder(fstest.MapFS{"latest": {Data: make([]byte, 1<<24+513)}})
	if _, err := large(t.Context(), "latest"); err == nil {
		t.Error("a file of any size is read")
	}
}

// TestRecords checks what is passed on, and in which order.
func TestRecords(t *testing.T) {
	for format, f := range formats {
		for _, size := range sizes[:9] {
			_, k, log := newLog(t, size)
			a := newAuditor(k, log, f)
			next := int64(0)
			a.Record = func(r audit.Record) error {
				if r.ID != next || string(r.Text) != text(int(next)) || r.Path+" "+r.Version+" "+r.Zip+"\n"+r.Path+" "+r.Version+"/go.mod "+r.Mod+"\n" != string(r.Text) {
					t.Errorf("%s: record %d is %+v", format, next, r)
				}
				next++
				return nil
			}
			done := int64(0)
			a.Progress = func(d, s int64) {
				if d <= done || s != int64(size) {
					t.Errorf("progress: %d of %d after %d", d, s, done)
				}
				done = d
			}
			if r := run(t, a, audit.Seen{}); !r.OK() || next != int64(size) || done != int64(size) {
				t.Errorf("%s: %d of %d records, progress %d: %+v", format, next, size, done, r)
			}
		}
	}
}

// TestSince reads only what is new of a log that grows.
func TestSince(t *testing.T) {
	grown := []int{0, 1, 2, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65791, 65792, 70000}
	log, k, _ := newLog(t, 70000)
	logs := make(map[int]files)
	for _, n := range grown {
		logs[n] = log.write(t, k, n)
	}
	for format, f := range formats {
		for i, from := range grown {
			seen := audit.Seen{Signed: k.sign(t, log.head(t, from))["latest"], Size: int64(from)} // of either format
			for _, to := range slices.Compact([]int{from, grown[min(i+1, len(grown)-1)], grown[min(i+2, len(grown)-1)]}) {
				read := &counter{files: logs[to]}
				a := newAuditor(k, nil, f)
				a.Since, a.Get = true, read.get
				next := int64(from)
				a.Record = func(r audit.Record) error {
					if r.ID != next {
						t.Errorf("record %d, want %d", r.ID, next)
					}
					next++
					return nil
				}
				r := run(t, a, seen)
				if !r.OK() || r.From != int64(from) || r.Records != int64(to-from) || next != int64(to) || r.Seen.Size != int64(to) {
					t.Fatalf("%s: from %d to %d: %+v", format, from, to, r)
				}
				if limit := 2*(to/256-from/256) + 40; int(read.n.Load()) > limit {
					t.Errorf("%s: from %d to %d: %d files were read, more than %d", format, from, to, read.n.Load(), limit)
				}
			}
		}
	}
}

// A counter counts the files that are read, and at once.
type counter struct {
	files  files
	n      atomic.Int64
	now    atomic.Int64
	atMost atomic.Int64
}

func (c *counter) get(ctx context.Context, name string) ([]byte, error) {
	c.n.Add(1)
	now := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.atMost.Load(); now > most && !c.atMost.CompareAndSwap(most, now); most = c.atMost.Load() {
	}
	return c.files.get(ctx, name)
}

// TestPartialGone audits a log that has only the full tiles of what has become full.
func TestPartialGone(t *testing.T) {
	log, k, _ := newLog(t, 512)
	for format, f := range formats {
		later := log.write(t, k, 512)
		for name, data := range k.sign(t, log.head(t, 300)) {
			later[name] = data
		}
		if r := run(t, newAuditor(k, later, f), audit.Seen{}); r.Total() != 1 || r.Counts[audit.KindMissing] != 1 {
			// tile/1/000.p/1 is gone for tile/1/000.p/2: such a log has to keep the former
			t.Errorf("%s: %+v", format, r)
		}
		later["tile/8/1/000.p/1"] = later["tile/8/1/000.p/2"][:32]
		later["tile/1/000.p/1"] = later["tile/1/000.p/2"][:32]
		if r := run(t, newAuditor(k, later, f), audit.Seen{}); !r.OK() || r.Records != 300 {
			t.Errorf("%s: %+v", format, r)
		}
	}
}

func TestJobs(t *testing.T) {
	_, k, log := newLog(t, 5000)
	for _, jobs := range []int{1, 3} {
		c := &counter{files: log}
		a := newAuditor(k, nil, audit.GoFormat)
		a.Get, a.Jobs = c.get, jobs
		if r := run(t, a, audit.Seen{}); !r.OK() || c.atMost.Load() > int64(jobs) {
			t.Errorf("%d files were read at once, want %d: %+v", c.atMost.Load(), jobs, r)
		}
	}
}

// TestCancel ends an audit in the middle.
func TestCancel(t *testing.T) {
	_, k, log := newLog(t, 5000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := newAuditor(k, nil, audit.GoFormat)
	a.Get = func(ctx context.Context, name string) ([]byte, error) {
		if name != "tile/8/data/007" {
			return log.get(ctx, name)
		}
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r, err := a.Run(ctx, audit.Seen{})
	if !errors.Is(err, context.Canceled) || r.OK() || r.Complete || r.Seen.Size != 0 {
		t.Errorf("%v\n%+v", err, r)
	}
}

// TestErrors checks what ends an audit.
func TestErrors(t *testing.T) {
	history, k, log := newLog(t, 600)
	seen := audit.Seen{Signed: k.sign(t, history.head(t, 300))["latest"]}
	oops := errors.New("oops")
	for _, fail := range []string{"latest", "tile/8/1/000.p/2", "tile/8/0/002.p/88", "tile/8/0/001", "tile/8/data/000", "tile/8/data/002.p/88", lookupName(3)} {
		a := newAuditor(k, nil, audit.GoFormat)
		a.Lookups = 600
		log.answer(t, 600)
		a.Get = func(ctx context.Context, name string) ([]byte, error) {
			if name == fail {
				return nil, oops
			}
			return log.get(ctx, name)
		}
		if r, err := a.Run(t.Context(), seen); !errors.Is(err, oops) || r.OK() || r.Total() > 0 || r.Seen.Size != 0 {
			t.Errorf("%s: error %v, %+v", fail, err, r)
		}
	}
	a := newAuditor(k, log, audit.GoFormat)
	a.Record = func(r audit.Record) error {
		if r.ID == 300 {
			return oops
		}
		return nil
	}
	if r, err := a.Run(t.Context(), audit.Seen{}); !errors.Is(err, oops) || r.OK() || r.Records != 301 {
		t.Errorf("error %v, %+v", err, r)
	}
	a = newAuditor(k, files{}, audit.GoFormat)
	if r, err := a.Run(t.Context(), audit.Seen{}); !errors.Is(err, fs.ErrNotExist) || r.OK() {
		t.Errorf("no log: error %v, %+v", err, r)
	}
	good := run(t, newAuditor(k, log, audit.GoFormat), audit.Seen{}).Seen
	for _, bad := range []audit.Seen{
		{Signed: []byte("x")}, {Size: 1}, {Signed: good.Signed, Size: 601}, {Signed: good.Signed, Size: -1},
		{Signed: newKey(t, name).sign(t, (&tree{}).head(t, 0))["latest"]},
	} {
		if r, err := newAuditor(k, log, audit.GoFormat).Run(t.Context(), bad); err == nil || r.OK() {
			t.Errorf("seen %+v: %+v", bad, r)
		}
	}
}
