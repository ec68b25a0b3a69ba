package godown_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A sumClient are the operations of a real client of a checksum database that
// knows of nothing but our handler.
type sumClient struct {
	handler http.Handler
	key     string

	mu       sync.Mutex // guards the fields below
	config   map[string][]byte
	cache    map[string][]byte
	remote   []string
	security []string
}

func newSumClient(h http.Handler, key string) *sumClient {
	return &sumClient{handler: h, key: key, config: make(map[string][]byte), cache: make(map[string][]byte)}
}

func (c *sumClient) ReadRemote(path string) ([]byte, error) {
	c.mu.Lock()
	c.remote = append(c.remote, path)
	c.mu.Unlock()
	w := serveGet(c.handler, "/sumdb/sum.test"+path)
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.Bytes(), nil
}

func (c *sumClient) ReadConfig(file string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if file == "key" {
		return []byte(c.key), nil
	}
	return c.config[file], nil
}

func (c *sumClient) WriteConfig(file string, old, new []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if string(c.config[file]) != string(old) {
		return sumdb.ErrWriteConflict
	}
	c.config[file] = new
	return nil
}

func (c *sumClient) ReadCache(file string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if data, ok := c.cache[file]; ok {
		return data, nil
	}
	return nil, fs.ErrNotExist
}

func (c *sumClient) WriteCache(file string, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cache[file] = data
}

func (c *sumClient) Log(string) {}

func (c *sumClient) SecurityError(msg string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.security = append(c.security, msg)
}

// serveGet asks a handler.
func serveGet(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// wantSums has a real client look versions up.
func (r *sumsRig) wantSums(t *testing.T, client *sumdb.Client, ops *sumClient, versions ...module.Version) {
	t.Helper()
	for _, v := range versions {
		sums, _ := r.mods.Sums(v.Path, v.Version)
		for suffix, want := range map[string]string{"": sums.Zip, "/go.mod": sums.Mod} {
			lines, err := client.Lookup(v.Path, v.Version+suffix)
			if got := strings.Join(lines, "\n"); err != nil || got != v.Path+" "+v.Version+suffix+" "+want {
				t.Errorf("client.Lookup(%v%s) = %q, error %v, want %s", v, suffix, got, err, want)
			}
		}
	}
	if len(ops.security) > 0 {
		t.Errorf("security errors: %q", ops.security)
	}
}

// manyVersions adds n versions, and returns all there are.
func (r *sumsRig) manyVersions(t *testing.T, n int) []module.Version {
	t.Helper()
	var archive strings.Builder
	for i := range n {
		fmt.Fprintf(&archive, "-- example.com/many@v1.%d.0/x.go --\npackage x // %d\n", i, i)
	}
	if err := r.mods.Add(archive.String()); err != nil {
		t.Fatal(err)
	}
	return r.mods.Versions()
}

// TestSumServeClient lets real clients, old ones and new ones, look things up
// while the tree grows, and again in any order after the database has vanished.
func TestSumServeClient(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			r := newSumsRig(t)
			versions := r.manyVersions(t, 12)
			h := &godown.Handler{Sums: r.open(t)}
			old := newSumClient(h, r.db.Spec())
			oldClient := sumdb.NewClient(old)
			shuffle := func() {
				random.Shuffle(len(versions), func(i, j int) { versions[i], versions[j] = versions[j], versions[i] })
			}
			shuffle()
			for _, v := range versions {
				r.grow(t, []int{0, 1, 10, 250, 300}[random.IntN(5)])
				r.wantSums(t, oldClient, old, v)
				if random.IntN(3) == 0 { // one who has seen nothing
					fresh := newSumClient(h, r.db.Spec())
					r.wantSums(t, sumdb.NewClient(fresh), fresh, v)
				}
				if random.IntN(4) == 0 {
					h = &godown.Handler{Sums: r.open(t)} // a restart
					old.mu.Lock()
					old.handler = h
					old.mu.Unlock()
				}
			}
			r.db.Vanish()
			asked := len(r.db.Requests())
			for _, restart := range []bool{false, true} {
				if restart {
					h = &godown.Handler{Sums: r.open(t)}
				}
				for range 3 {
					shuffle()
					fresh := newSumClient(h, r.db.Spec())
					r.wantSums(t, sumdb.NewClient(fresh), fresh, versions[:8]...)
				}
			}
			if n := len(r.db.Requests()); n != asked {
				t.Errorf("the vanished database was asked %d times", n-asked)
			}
			if n := len(r.alarms.list); n > 0 {
				t.Errorf("alarms: %v", r.alarms.list)
			}
		})
	}
}

// TestSumServeEveryWidth asks for each partial tile while the tree grows, and
// compares with what the database says of it.
func TestSumServeEveryWidth(t *testing.T) {
	r := newSumsRig(t)
	s := r.open(t)
	for size := 1; size <= 600; size += 37 {
		have, err := r.db.Size()
		if err != nil {
			t.Fatal(err)
		}
		r.grow(t, size-int(have))
		for _, path := range []string{
			fmt.Sprintf("tile/8/0/000.p/%d", min(size, 255)), fmt.Sprintf("tile/8/0/00%d.p/%d", size/256, max(1, size%256)), "tile/8/0/000", "tile/8/0/001", "tile/8/1/000.p/1", "tile/8/1/000.p/2",
		} {
			want, wantErr := s.Remote(t.Context(), path)
			if wantErr != nil && path == "tile/8/0/002.p/1" {
				continue
			}
			got, err := readSum(t.Context(), s, "sum.test/"+path)
			if wantErr == nil && (err != nil || string(got) != string(want)) {
				t.Errorf("%s of %d records: %d bytes, error %v, want %d bytes", path, size, len(got), err, len(want))
			}
			if wantErr != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s of %d records: %d bytes, error %v, want an fs.ErrNotExist", path, size, len(got), err)
			}
		}
	}
}

// TestSumServeDataTiles asks for tiles of records, which mirrors of the whole database use.
func TestSumServeDataTiles(t *testing.T) {
	r := newSumsRig(t)
	s := r.open(t)
	r.wantVerified(t, s, sumsHello)
	r.grow(t, 300)
	for _, path := range []string{"tile/8/data/000.p/1", "tile/8/data/000.p/7", "tile/8/data/000", "tile/8/data/001.p/45"} {
		want, err := s.Remote(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readSum(t.Context(), s, "sum.test/"+path)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: %d bytes, error %v, want %d bytes", path, len(got), err, len(want))
		}
	}
	for name, change := range map[string]func([]byte) []byte{
		"forged":      func(data []byte) []byte { data[len(data)/2] ^= 1; return data },
		"more":        func(data []byte) []byte { return append(data, data[:len(data)/2]...) },
		"less":        func(data []byte) []byte { return data[:len(data)/2] },
		"no last gap": func(data []byte) []byte { return data[:len(data)-1] },
	} {
		heal := r.db.Break("tile/8/data/", godowntest.Change(change))
		if got, err := readSum(t.Context(), s, "sum.test/tile/8/data/000.p/9"); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %d bytes, error %v", name, len(got), err)
		}
		heal()
	}
	r.db.Vanish()
	if _, err := readSum(t.Context(), r.open(t), "sum.test/tile/8/data/000"); err != nil {
		t.Errorf("after the database has vanished: %v", err)
	}
}

func TestSumServeAbsent(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 300)
	s := r.open(t)
	for _, name := range []string{
		"", "sum.test", "sum.test/", "other.test/latest", "sum.tes/latest", "sum.test/latest/", "sum.test/lookup", "sum.test/lookup/", "sum.test/supported/x", "sum.test/../latest",
		"sum.test/tile/8/0/001.p/46", "sum.test/tile/8/0/001", "sum.test/tile/8/0/002.p/1", "sum.test/tile/8/0/x001/000", "sum.test/tile/8/1/000.p/2", "sum.test/tile/8/1/000", "sum.test/tile/8/2/000.p/1",
		"sum.test/tile/8/7/000.p/1", "sum.test/tile/8/63/000.p/1", "sum.test/tile/8/data/002.p/1", "sum.test/tile/7/0/000.p/1", "sum.test/tile/9/0/000.p/1", "sum.test/tile/8/0/0", "sum.test/tile/8/0/000.p/0",
		"sum.test/tile/8/0/000.p/256", "sum.test/tile/8/0/000.p/-1", "sum.test/tile/8/-1/000", "sum.test/tile/8/0/../0/000", "sum.test/tile/", "sum.test/tile/8/data/x",
		"sum.test/lookup/example.com/hello", "sum.test/lookup/example.com/hello@", "sum.test/lookup/@v1.0.0", "sum.test/lookup/example.com/hello@master", "sum.test/lookup/example.com/hello@v1.0",
		"sum.test/lookup/example.com/hello@v1.0.0/go.mod", "sum.test/lookup/example.com/hello@v1.0.0@v1.0.0", "sum.test/lookup/github.com/BurntSushi/Toml@v0.1.0-!beta", "sum.test/lookup/example.com/../hello@v1.0.0",
		"sum.test/lookup/example.com/none@v1.0.0", "sum.test/lookup/example.com/hello@v1.2.3", "sum.test/lookup/example.com/hello@v1.0.0+meta",
	} {
		if data, err := readSum(t.Context(), s, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %d bytes, error %v, want an fs.ErrNotExist", name, len(data), err)
		} else if len(err.Error()) > 500 {
			t.Errorf("%s: error of %d bytes", name, len(err.Error()))
		}
	}
}

// The number of a tile may be so large that the numbers of its hashes are no numbers any more.
func TestSumServeOverflow(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 300)
	s := r.open(t)
	for _, name := range []string{"tile/8/0/x072/x057/x594/x037/x927/936", "tile/8/0/x036/x028/x797/x018/x963/968", "tile/8/data/x072/x057/x594/x037/x927/936"} {
		if data, err := readSum(t.Context(), s, "sum.test/"+name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %d bytes, error %v, want an fs.ErrNotExist", name, len(data), err)
		}
	}
}

// TestSumServeCachedOnly asks for nothing that is not at hand.
func TestSumServeCachedOnly(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 300)
	ctx := godown.CachedOnly(t.Context())
	s := r.open(t)
	names := []string{"latest", helloLookup, "tile/8/0/001.p/45", "tile/8/1/000.p/1"}
	for _, name := range append(names, "tile/8/0/000") {
		if data, err := readSum(ctx, s, "sum.test/"+name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, at first: %d bytes, error %v", name, len(data), err)
		}
	}
	if got := r.db.Requests(); len(got) > 0 {
		t.Errorf("the database was asked for %q", got)
	}
	r.wantVerified(t, s, sumsHello)
	r.db.Reset()
	for range 2 {
		for _, name := range names {
			if _, err := readSum(ctx, s, "sum.test/"+name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		s = r.open(t)
	}
	if got := r.db.Requests(); len(got) > 0 {
		t.Errorf("the database was asked for %q", got)
	}
	if _, err := readSum(ctx, s, "sum.test/supported"); err != nil {
		t.Error(err)
	}
}

// TestSumServeLatest checks the one file of a database that changes.
func TestSumServeLatest(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 5)
	s := r.open(t)
	s.TTL = time.Hour
	want := func(records int, status godown.CacheStatus, stale bool) {
		t.Helper()
		f, err := s.FetchSum(t.Context(), "sum.test/latest")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(f.Data), fmt.Sprintf("go.sum database tree\n%d\n", records)) || f.Cache != status || (f.StaleBy != nil) != stale || (f.MaxAge == 0) != stale {
			t.Errorf("latest is %q, %s, for %v, stale by %v; want %d records, %s", f.Data, f.Cache, f.MaxAge, f.StaleBy, records, status)
		}
	}
	want(5, godown.Miss, false)
	r.grow(t, 5)
	want(5, godown.Hit, false) // still fresh
	s = r.open(t)
	s.TTL = time.Nanosecond
	f, err := s.FetchSum(t.Context(), "sum.test/latest")
	if err != nil || f.Cache != godown.Expired || !strings.Contains(string(f.Data), "\n10\n") {
		t.Errorf("%+v, %v", f, err)
	}
	r.db.Vanish()
	want(10, godown.Stale, true)
	if err := errors.Join(r.db.Return(), r.db.Fork()); err != nil {
		t.Fatal(err)
	}
	want(10, godown.Stale, true) // what is known of a fork is as good as before
	f, err = s.FetchSum(t.Context(), "sum.test/latest")
	if err != nil || r.alarms.count("fork") != 1 {
		t.Fatalf("of a fork: error %v, %d alarms", err, r.alarms.count("fork"))
	}
	if _, ok := errors.AsType[*godown.SecurityError](f.StaleBy); !ok {
		t.Errorf("of a fork it is stale by %v", f.StaleBy)
	}
}

// A newMirrorWith starts a mirror that may serve a checksum database.
func newMirrorWith(t *testing.T, r *sumsRig, attach bool) (*godowntest.Upstream, *godown.Upstream) {
	t.Helper()
	mirror := godowntest.NewUpstream(t, r.mods)
	if attach {
		mirror.Attach(r.db)
	}
	up := upstreamAt(t, mirror.URL)
	up.Retries = -1
	return mirror, up
}

// TestSumRoute chooses among two mirrors and the database itself, as the go
// command does for a list that ends with direct.
func TestSumRoute(t *testing.T) {
	for name, test := range map[string]struct {
		first, second godowntest.Fault // of /supported
		any           bool             // "|" after the first
		want          string           // who is asked for the rest, or nobody
	}{
		"both":                  {nil, nil, false, "first"},
		"second only":           {godowntest.Status(404, ""), nil, false, "second"},
		"second only, 410":      {godowntest.Status(410, ""), nil, false, "second"},
		"none":                  {godowntest.Status(404, ""), godowntest.Status(404, ""), false, "direct"},
		"first is ill":          {godowntest.Status(500, ""), nil, false, "nobody"},
		"first is ill, |":       {godowntest.Status(500, ""), nil, true, "second"},
		"first refuses":         {godowntest.Status(403, ""), nil, false, "nobody"},
		"first refuses, |":      {godowntest.Status(403, ""), nil, true, "second"},
		"first is ill, then no": {godowntest.Status(500, ""), godowntest.Status(404, ""), true, "direct"},
		"second is ill":         {godowntest.Status(404, ""), godowntest.Status(500, ""), true, "nobody"},
		"first cuts":            {godowntest.Cut(-1), nil, false, "nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSumsRig(t)
			first, firstUp := newMirrorWith(t, r, true)
			second, secondUp := newMirrorWith(t, r, true)
			direct := upstreamAt(t, r.db.URL)
			route := &godown.SumRoute{Name: "sum.test", Via: []godown.SumStep{{Upstream: firstUp, Any: test.any}, {Upstream: secondUp}}, Direct: direct}
			if test.first != nil {
				first.Break("/supported$", test.first)
			}
			if test.second != nil {
				second.Break("/supported$", test.second)
			}
			for range 3 {
				data, err := route.Fetch(t.Context(), "latest")
				if (err == nil) != (test.want != "nobody") || err == nil && !strings.Contains(string(data), "go.sum database tree") {
					t.Errorf("%q, error %v", data, err)
				}
			}
			got := []string{}
			for who, n := range map[string]int{"first": first.Count("sumdb/sum.test/latest"), "second": second.Count("sumdb/sum.test/latest"), "direct": r.db.Count("latest") - first.Count("sumdb/sum.test/latest") - second.Count("sumdb/sum.test/latest")} {
				if n > 0 {
					got = append(got, who)
				}
			}
			if want := strings.Replace(test.want, "nobody", "", 1); strings.Join(got, " ") != want {
				t.Errorf("asked are %q, want %q", got, test.want)
			}
			if n := first.Count("sumdb/sum.test/supported"); test.want != "nobody" && n != 1 {
				t.Errorf("the first was asked %d times what it supports", n)
			}
		})
	}
}

// TestSumRouteChangesItsMind has the chosen mirror fail.
func TestSumRouteChangesItsMind(t *testing.T) {
	r := newSumsRig(t)
	first, firstUp := newMirrorWith(t, r, true)
	second, secondUp := newMirrorWith(t, r, true)
	route := &godown.SumRoute{Name: "sum.test", Via: []godown.SumStep{{Upstream: firstUp, Any: true}, {Upstream: secondUp, Any: true}}, Direct: upstreamAt(t, r.db.URL)}
	fetch := func() error { _, err := route.Fetch(t.Context(), "latest"); return err }
	if err := fetch(); err != nil {
		t.Fatal(err)
	}
	if _, err := route.Fetch(t.Context(), "lookup/example.com/none@v1.0.0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	if n := first.Count("sumdb/sum.test/supported"); n != 1 {
		t.Errorf("what is absent made it ask again: %d times", n)
	}
	first.Vanish()
	if err := fetch(); err != nil || second.Count("sumdb/sum.test/latest") != 1 {
		t.Errorf("error %v, the second was asked %d times", err, second.Count("sumdb/sum.test/latest"))
	}
	// A page is no answer either, whatever its status.
	defer second.Break("latest", godowntest.LoginPage())()
	if err := fetch(); err != nil || second.Count("sumdb/sum.test/latest") != 2 {
		t.Errorf("error %v, the second was asked %d times", err, second.Count("sumdb/sum.test/latest"))
	}
	second.Vanish()
	if err := fetch(); err != nil {
		t.Errorf("straight: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := route.Fetch(ctx, "latest"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error is %v", err)
	}
}

// TestSumServeThroughHandler checks what goes over the wire.
func TestSumServeThroughHandler(t *testing.T) {
	r := newSumsRig(t)
	server := httptest.NewServer(&godown.Handler{Sums: r.open(t)})
	t.Cleanup(server.Close)
	get := func(path string) (*http.Response, []byte) {
		t.Helper()
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp, body
	}
	for _, want := range []struct {
		path         string
		code         int
		cacheControl string
		status       string
	}{
		{"/sumdb/sum.test/supported", 200, "public, max-age=3600", "HIT"},
		{"/sumdb/sum.test/" + helloLookup, 200, "public, max-age=31536000", "MISS"},
		{"/sumdb/sum.test/" + helloLookup, 200, "public, max-age=31536000", "HIT"},
		{"/sumdb/sum.test/tile/8/0/000.p/1", 200, "public, max-age=31536000", "HIT"}, // the lookup needed it
		{"/sumdb/sum.test/latest", 200, "public, max-age=60", "EXPIRED"},
		{"/cached-only/sumdb/sum.test/latest", 200, "public, max-age=60", "HIT"},
		{"/cached-only/sumdb/sum.test/" + tomlLookup, 404, "no-store", ""},
		{"/sumdb/sum.test/nothing", 404, "no-store", ""},
		{"/sumdb/other.test/supported", 404, "no-store", ""},
	} {
		resp, body := get(want.path)
		content := "text/plain; charset=utf-8"
		if strings.Contains(want.path, "/tile/") {
			content = "application/octet-stream"
		}
		if h := resp.Header; resp.StatusCode != want.code || h.Get("Cache-Control") != want.cacheControl || h.Get("X-Cache-Status") != want.status ||
			h.Get("Content-Type") != content || resp.ContentLength != int64(len(body)) {
			t.Errorf("%s: %d, %v, %d bytes, want %+v", want.path, resp.StatusCode, h, len(body), want)
		}
	}
	r.db.Vanish()
	if resp, _ := get("/sumdb/sum.test/" + tomlLookup); resp.StatusCode < 500 {
		t.Errorf("of a database that has vanished: %s, which would send the go command elsewhere", resp.Status)
	}
	if w := serveGet(&godown.Handler{}, "/sumdb/sum.test/supported"); w.Code != http.StatusNotFound {
		t.Errorf("without a database: %d", w.Code)
	}
}

// TestSumServeDamagedTile asks for a tile that the disk has damaged.
func TestSumServeDamagedTile(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 300)
	r.wantVerified(t, r.open(t), sumsHello)
	r.close(t)
	const path = "tile/8/0/001.p/45"
	r.damage(t, path, func(data []byte) []byte { data[0] ^= 1; return data })
	s := r.open(t)
	want, err := s.Remote(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readSum(t.Context(), s, "sum.test/"+path); err != nil || string(got) != string(want) {
		t.Errorf("a damaged tile is served: error %v", err)
	}
}
