package sumlog_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const dbName = "sum.corp.example"

// keys are a log's.
type keys struct {
	signer   note.Signer
	verifier note.Verifier
	public   string
}

func newKeys(t testing.TB, name string) keys {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return keys{signer, verifier, public}
}

func openDir(t testing.TB, folder string) *godown.Dir {
	t.Helper()
	dir, err := godown.OpenDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// sums returns the record of a version, which depends on salt.
func sums(m module.Version, salt string) []byte {
	h := func(what string) string {
		sum := sha256.Sum256([]byte(m.String() + what + salt))
		return "h1:" + base64.StdEncoding.EncodeToString(sum[:])
	}
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, h("zip"), m.Path, m.Version, h("mod"))
}

// origin knows the versions of every module but those below example.com/absent.
func origin(salt string) func(context.Context, module.Version) ([]byte, error) {
	return func(_ context.Context, m module.Version) ([]byte, error) {
		if strings.HasPrefix(m.Path, "example.com/absent") {
			return nil, &godown.NotFound{Text: "there is no " + m.Path}
		}
		return sums(m, salt), nil
	}
}

// alarms fails the test for each alarm.
func noAlarms(t testing.TB) func(godown.Alarm) {
	return func(a godown.Alarm) { t.Errorf("alarm %s: %v", a.Kind, a.Err) }
}

func openLog(t testing.TB, o sumlog.Options) *sumlog.Log {
	t.Helper()
	if o.Alarm == nil {
		o.Alarm = noAlarms(t)
	}
	if o.Name == "" {
		o.Name = dbName
	}
	l, err := sumlog.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(context.Background()) })
	return l
}

// newLog makes and opens a log in a folder of its own.
func newLog(t testing.TB, folder string) (*sumlog.Log, keys) {
	t.Helper()
	k := newKeys(t, dbName)
	dir := openDir(t, folder)
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	return openLog(t, options(dir, k)), k
}

func options(store godown.Store, k keys) sumlog.Options {
	return sumlog.Options{Name: dbName, Store: store, Signers: []note.Signer{k.signer}, Verifiers: []note.Verifier{k.verifier}, Origin: origin("")}
}

func version(i int) module.Version {
	return module.Version{Path: fmt.Sprintf("example.com/M%d", i/7), Version: fmt.Sprintf("v1.%d.0", i%7)}
}

// serveLog serves a log over HTTP, as a handler with "/sumdb/" cut off would.
func serveLog(t testing.TB, l *sumlog.Log) *httptest.Server {
	h := &godown.Handler{Sums: l, Source: godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) {
		return nil, fs.ErrNotExist
	})}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// A client is what x/mod's client asks of its surroundings.
type client struct {
	t    testing.TB
	url  string // of the database
	key  string
	mu   sync.Mutex // guards the fields below
	conf map[string][]byte
	bad  []string // security errors
}

func newClient(t testing.TB, url, key string) (*sumdb.Client, *client) {
	c := &client{t: t, url: url, key: key, conf: map[string][]byte{}}
	return sumdb.NewClient(c), c
}

func (c *client) ReadRemote(path string) ([]byte, error) {
	return get(c.t, c.url+path)
}

func get(t testing.TB, url string) ([]byte, error) {
	resp, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var data strings.Builder
	if err := resp.Write(&data); err != nil {
		return nil, err
	}
	_, body, _ := strings.Cut(data.String(), "\r\n\r\n")
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s: %s", url, resp.Status, body)
	}
	return []byte(body), nil
}

func (c *client) ReadConfig(file string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if file == "key" {
		return []byte(c.key), nil
	}
	return c.conf[file], nil
}

func (c *client) WriteConfig(file string, old, new []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if string(c.conf[file]) != string(old) {
		return sumdb.ErrWriteConflict
	}
	c.conf[file] = new
	return nil
}

func (c *client) ReadCache(string) ([]byte, error) { return nil, fs.ErrNotExist }
func (c *client) WriteCache(string, []byte)        {}
func (c *client) Log(string)                       {}

func (c *client) SecurityError(msg string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad = append(c.bad, msg)
}

// TestClient has x/mod's client, which is the go command's, look up many
// versions while the log grows, and again after it was opened anew.
func TestClient(t *testing.T) {
	folder := t.TempDir()
	k := newKeys(t, dbName)
	dir := openDir(t, folder)
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	shared := map[string][]byte{}
	total := 0
	for _, batch := range []int{1, 254, 1, 1, 300, 43, 700} {
		l, err := sumlog.Open(t.Context(), options(dir, k))
		if err != nil {
			t.Fatal(err)
		}
		server := serveLog(t, l)
		c, ops := newClient(t, server.URL+"/sumdb/"+dbName, k.public)
		ops.conf = shared
		var wait sync.WaitGroup
		for i := range total + batch {
			if i < total && i%17 != 0 {
				continue
			}
			wait.Go(func() {
				m := version(i)
				lines, err := c.Lookup(m.Path, m.Version)
				if want := strings.SplitN(string(sums(m, "")), "\n", 2)[0]; err != nil || len(lines) != 1 || lines[0] != want {
					t.Errorf("Lookup(%v) = %q, %v, want %q", m, lines, err, want)
				}
				lines, err = c.Lookup(m.Path, m.Version+"/go.mod")
				if err != nil || len(lines) != 1 {
					t.Errorf("Lookup(%v/go.mod) = %q, %v", m, lines, err)
				}
			})
		}
		wait.Wait()
		total += batch
		status, err := l.Status(t.Context(), 3)
		if err != nil || status.Size != int64(total) {
			t.Errorf("after %d versions: Status = %+v, %v", total, status, err)
		}
		if _, err := c.Lookup("example.com/absent/x", "v1.0.0"); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("Lookup of what there is not: %v, want a 404", err)
		}
		if len(ops.bad) > 0 {
			t.Fatalf("security errors: %q", ops.bad)
		}
		server.Close()
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTiles compares what is served with what x/mod's own server has of the same records.
func TestTiles(t *testing.T) {
	l, k := newLog(t, t.TempDir())
	private, _, err := note.GenerateKey(rand.Reader, dbName)
	if err != nil {
		t.Fatal(err)
	}
	theirs := sumdb.NewTestServer(private, func(path, vers string) ([]byte, error) {
		return sums(module.Version{Path: path, Version: vers}, ""), nil
	})
	checked := 0
	for size := 0; size < 1100; {
		batch := 1 + mathrand.IntN(90)
		fill(t, l, size, size+batch)
		status, err := l.Status(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range slices.Backward(status.Last) { // they came in any order
			if _, err := theirs.Lookup(t.Context(), module.Version{Path: r.Module, Version: r.Version}); err != nil {
				t.Fatal(err)
			}
		}
		size += batch
		signed, err := theirs.Signed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.FetchSum(t.Context(), dbName+"/latest")
		if err != nil {
			t.Fatal(err)
		}
		ours, err := note.Open(f.Data, note.VerifierList(k.verifier))
		if err != nil {
			t.Fatal(err)
		}
		if text, _, _ := strings.Cut(string(signed), "\n\n"); ours.Text != text+"\n" {
			t.Fatalf("head after %d records:\n%s\nwant:\n%s", size, ours.Text, text)
		}
		for level := range 3 {
			for n := int64(0); ; n++ {
				width := min(256, int64(size)>>(8*level)-n*256)
				if width <= 0 {
					break
				}
				for _, w := range []int64{width, 1 + mathrand.Int64N(width)} {
					tile := tlog.Tile{H: 8, L: level, N: n, W: int(w)}
					want, err := theirs.ReadTileData(t.Context(), tile)
					if err != nil {
						t.Fatal(err)
					}
					if got := fetch(t, l, tile.Path()); got != string(want) {
						t.Errorf("%s differs", tile.Path())
					}
					if got := fetch(t, l, strings.Replace(tlogPath(tile), "entries", fmt.Sprint(level), 1)); got != string(want) {
						t.Errorf("%s differs", tlogPath(tile))
					}
					checked++
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d tiles were compared", checked)
	}
	if _, err := l.FetchSum(t.Context(), dbName+"/tile/8/0/005"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a tile beyond the tree: %v", err)
	}
}

// tlogPath returns the path of the bundle of entries of t.
func tlogPath(t tlog.Tile) string {
	p := tlog.Tile{H: 8, L: 0, N: t.N, W: t.W}.Path()
	return "tile/entries/" + strings.TrimPrefix(p, "tile/8/0/")
}

func fetch(t testing.TB, l *sumlog.Log, name string) string {
	t.Helper()
	f, err := l.FetchSum(t.Context(), dbName+"/"+name)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return ""
	}
	return string(f.Data)
}
