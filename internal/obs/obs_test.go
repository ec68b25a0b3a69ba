package obs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/obs"
)

// observed serves one request with an Observer and returns its log and metrics.
func observed(t *testing.T, hits bool, path string, f *godown.File, err error) (log, metrics string) {
	t.Helper()
	var b bytes.Buffer
	o := obs.New(slog.New(slog.NewTextHandler(&b, nil)), hits)
	h := o.Handler(&godown.Handler{Source: godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) {
		return f, err
	})})
	w := httptest.NewRecorder()
	func() {
		defer func() { recover() }() // a connection that is cut
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	}()
	return b.String(), scrape(o)
}

func scrape(o *obs.Observer) string {
	w := httptest.NewRecorder()
	o.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errors.New("torn") }
func (brokenBody) Close() error             { return nil }

func TestEachRequestIsNotedOnce(t *testing.T) {
	data := func(c godown.CacheStatus) *godown.File {
		return &godown.File{Data: []byte("hello"), Size: 5, Cache: c, Origin: "mirror.example"}
	}
	stale := data(godown.Stale)
	stale.StaleBy = errors.New("upstream is ill")
	for _, test := range []struct {
		path   string
		hits   bool
		file   *godown.File
		err    error
		log    string // empty: nothing
		metric string
	}{
		{"/a.test/m/@v/v1.0.0.mod", false, data(godown.Hit), nil, "", `godown_requests_total{cache="HIT",kind="mod",status="200"} 1`},
		{"/a.test/m/@v/v1.0.0.mod", true, data(godown.Hit), nil, "level=INFO msg=request method=GET kind=mod module=a.test/m version=v1.0.0 status=200 cache=HIT bytes=5", `godown_response_bytes_total{kind="mod"} 5`},
		{"/a.test/m/@v/list", false, data(godown.Miss), nil, "kind=list module=a.test/m status=200 cache=MISS", `godown_requests_total{cache="MISS",kind="list",status="200"} 1`},
		{"/a.test/m/@latest", false, stale, nil, "level=WARN", `{cache="STALE",kind="latest",status="200"} 1`},
		{"/a.test/m/@v/v1.0.0.zip", false, nil, &godown.NotFound{}, "level=INFO", `{cache="",kind="zip",status="404"} 1`},
		{"/a.test/m/@v/v1.0.0.zip", false, nil, errors.New("bad line"), `level=ERROR`, `{cache="",kind="zip",status="502"} 1`},
		{"/a.test/m/@v/v1.0.0.zip", false, &godown.File{Body: brokenBody{}, Size: 5}, nil, `level=ERROR`, `{cache="",kind="zip",status="0"} 1`},
		{"/nonsense\n", false, nil, nil, `url="/nonsense\n" status=404`, `{cache="",kind="other",status="404"} 1`},
	} {
		path := strings.ReplaceAll(test.path, "\n", "%0a")
		log, metrics := observed(t, test.hits, path, test.file, test.err)
		if test.log == "" && log != "" || !strings.Contains(log, test.log) || strings.Count(log, "\n") > 1 {
			t.Errorf("%s: the log is %q, want one line with %q", test.path, log, test.log)
		}
		if !strings.Contains(metrics, test.metric+"\n") {
			t.Errorf("%s: the metrics lack %s", test.path, test.metric)
		}
	}
}

// An Observer must not be in the way of sendfile, which needs the connection's ReadFrom.
func TestFilesAreHandedOn(t *testing.T) {
	name := filepath.Join(t.TempDir(), "zip")
	if err := os.WriteFile(name, []byte("content"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	o := obs.New(slog.New(slog.DiscardHandler), false)
	h := o.Handler(&godown.Handler{Source: godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) {
		return &godown.File{Body: f, Size: 7, Cache: godown.Hit}, nil
	})})
	w := &connection{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequest("GET", "/a.test/m/@v/v1.0.0.zip", nil))
	if _, isFile := w.from.(*os.File); !isFile || w.Body.String() != "content" {
		t.Errorf("the connection was given %T, and sent %q", w.from, w.Body)
	}
	if !strings.Contains(scrape(o), `godown_response_bytes_total{kind="zip"} 7`) {
		t.Error("its bytes were not counted")
	}
}

// A connection remembers what it was to read from.
type connection struct {
	*httptest.ResponseRecorder
	from io.Reader
}

func (c *connection) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		c.from = l.R
	}
	return io.Copy(c.ResponseRecorder, r)
}

func TestAlarmsDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		o := obs.New(slog.New(slog.NewTextHandler(&b, nil)), false)
		for range 100 {
			o.Alarm(godown.Alarm{Kind: "store", Err: errors.New("disk full")})
		}
		if n := strings.Count(b.String(), "\n"); n != 1 {
			t.Errorf("%d lines for 100 failures of the disk", n)
		}
		<-time.After(time.Minute) // the bubble's
		o.Alarm(godown.Alarm{Kind: "store", Err: errors.New("disk full")})
		if !strings.Contains(b.String(), "more_of_the_kind=99") {
			t.Errorf("the log does not tell of the others:\n%s", b.String())
		}
		b.Reset()
		for range 3 {
			o.Alarm(godown.Alarm{Kind: "fork", Origin: "sum.test", Err: errors.New("two histories")})
		}
		if n := strings.Count(b.String(), "SECURITY ERROR"); n != 3 {
			t.Errorf("%d of 3 security errors were logged", n)
		}
		for kind, n := range map[string]string{"store": "101", "fork": "3", "rot": "0"} {
			if want := `godown_alarms_total{kind="` + kind + `"} ` + n; !strings.Contains(scrape(o), want+"\n") {
				t.Errorf("the metrics lack %s", want)
			}
		}
	})
}

func TestCallsAndStats(t *testing.T) {
	o := obs.New(slog.New(slog.DiscardHandler), false)
	o.Call(godown.Call{Upstream: "m.test", Kind: "zip", Result: "ok", Bytes: 10, Retries: 1, Resumes: 2})
	size, known := int64(0), false
	o.Watch(func() godown.Stats { return godown.Stats{Fetching: 3, Shared: 4} }, func() (int64, bool) { return size, known })
	got := scrape(o)
	for _, want := range []string{
		`godown_upstream_requests_total{kind="zip",result="ok",upstream="m.test"} 1`, `godown_upstream_bytes_total{upstream="m.test"} 10`,
		`godown_upstream_retries_total{upstream="m.test"} 1`, `godown_upstream_resumes_total{upstream="m.test"} 2`,
		`godown_fetches_under_way 3`, `godown_fetches_shared_total 4`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(got, "godown_store_bytes ") {
		t.Error("a size is shown that is not known")
	}
	size, known = 42, true
	if !strings.Contains(scrape(o), "godown_store_bytes 42\n") {
		t.Error("a size that is known is not shown")
	}
}

func TestSummary(t *testing.T) {
	o := obs.New(slog.New(slog.DiscardHandler), false)
	o.Tally()
	status := godown.Miss
	h := o.Handler(&godown.Handler{Source: godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) {
		return &godown.File{Data: make([]byte, 1500), Size: 1500, Cache: status}, nil
	})})
	for _, path := range []string{"/a.test/m/@v/v1.0.0.info", "/a.test/m/@v/v1.0.0.mod", "/a.test/m/@v/v1.0.0.zip", "/a.test/m/@v/v1.1.0.mod", "/nonsense"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		status = godown.Hit
	}
	if got, want := o.Summary(), "2 modules, 6.0 kB, 3 of 4 files from the cache"; got != want {
		t.Errorf("Summary is %q, want %q", got, want)
	}
}
