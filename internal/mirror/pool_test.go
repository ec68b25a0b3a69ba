package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

const modules = `
-- example.com/hello@v1.0.0/go.mod --
module example.com/hello

go 1.20
-- example.com/hello@v1.0.0/hello.go --
package hello
-- example.com/hello@v1.1.0/go.mod --
module example.com/hello

go 1.20
-- example.com/hello@v1.1.0/hello.go --
package hello

const Version = "v1.1.0"
`

var (
	hello    = godown.Request{Kind: godown.Mod, Path: "example.com/hello", Version: "v1.0.0"}
	helloZip = godown.Request{Kind: godown.Zip, Path: "example.com/hello", Version: "v1.0.0"}
	list     = godown.Request{Kind: godown.List, Path: "example.com/hello"}
	latest   = godown.Request{Kind: godown.Latest, Path: "example.com/hello"}
	bigZip   = godown.Request{Kind: godown.Zip, Path: "example.com/big", Version: "v1.0.0"}
)

// A field is a pool of fake mirrors of the same modules.
type field struct {
	*Pool
	mods    *godowntest.Modules
	mirrors []*godowntest.Upstream

	mu      sync.Mutex // guards changes
	changes []Change
}

// newField starts n mirrors; change may set options.
func newField(t testing.TB, n int, change func(*Options, []Mirror)) *field {
	t.Helper()
	f := &field{mods: godowntest.NewModules(t, modules)}
	var list []Mirror
	for range n {
		up := godowntest.NewUpstream(t, f.mods)
		f.mirrors = append(f.mirrors, up)
		list = append(list, mirrorAt(t, up.URL))
	}
	o := Options{Stall: 2 * time.Second, Choose: Ordered}
	o.Changed = func(c Change) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changes = append(f.changes, c)
	}
	if change != nil {
		change(&o, list)
	}
	f.Pool = New(list, o)
	return f
}

func mirrorAt(t testing.TB, rawURL string) Mirror {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	transport := godown.NewTransport(godown.Timeouts{}, nil)
	t.Cleanup(transport.CloseIdleConnections)
	return Mirror{Upstream: &godown.Upstream{URL: u, Transport: transport}}
}

func (f *field) changed(to string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.changes {
		if c.To == to {
			n++
		}
	}
	return n
}

// mustGive fetches and compares with the truth; it returns who gave it.
func (f *field) mustGive(t testing.TB, req godown.Request) string {
	t.Helper()
	got, err := f.Fetch(t.Context(), req)
	if err != nil {
		t.Fatalf("%v: %v", req, err)
	}
	data, err := take(got)
	if err != nil {
		t.Fatalf("%v: %v", req, err)
	}
	if !bytes.Equal(data, f.mods.Data(req.Name())) {
		t.Fatalf("%v: got %d wrong bytes", req, len(data))
	}
	return got.Origin
}

// A sink takes a body that arrives in pieces.
type sink struct {
	mu   sync.Mutex // guards data
	data []byte
}

func (s *sink) WriteAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copy(s.data[off:], p), nil
}

// take reads a file as the cache would: in pieces where that is possible.
func take(f *godown.File) ([]byte, error) {
	defer f.Close()
	if body, ok := f.Body.(godown.Scatterer); ok {
		s := &sink{data: make([]byte, f.Size)}
		err := body.Scatter(s)
		return s.data, err
	}
	return io.ReadAll(f.Reader())
}

// everything names no mirror: the fault hits all requests.
const everything = ".*"

func TestPoolIsASource(t *testing.T) {
	for _, choose := range []Strategy{Fastest, Ordered, RoundRobin, LeastBusy, Race} {
		t.Run(choose.String(), func(t *testing.T) {
			for _, n := range []int{1, 3} {
				f := newField(t, n, func(o *Options, _ []Mirror) { o.Choose = choose })
				godowntest.TestSource(t, f, f.mods)
			}
		})
	}
}

// TestFaults breaks the first of two mirrors in every way there is: everything
// is still had, whole and right.
func TestFaults(t *testing.T) {
	for name, fault := range map[string]godowntest.Fault{
		"404":          godowntest.Status(404, "no"),
		"410":          godowntest.Status(410, "no"),
		"403":          godowntest.Status(403, "no"),
		"401":          godowntest.Status(401, "no"),
		"429":          godowntest.Status(429, "no", "Retry-After: 60"),
		"500":          godowntest.Status(500, "no"),
		"503":          godowntest.Status(503, "no", "Retry-After: 60"),
		"reset":        godowntest.Reset(-1),
		"reset inside": godowntest.Reset(30),
		"cut":          godowntest.Cut(30),
		"stall":        godowntest.Stall(30),
		"hang":         godowntest.Hang(),
		"slow":         godowntest.Rate(1000),
		"redirect":     godowntest.Status(302, "", "Location: ftp://example.com/"),
		"nonsense":     godowntest.Status(204, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newField(t, 2, nil)
			if err := f.mods.AddBig(bigZip.Path, bigZip.Version, 4500<<10); err != nil {
				t.Fatal(err)
			}
			f.mirrors[0].Break(everything, fault)
			for _, req := range f.mods.Requests() {
				if req.Kind != godown.Latest && req.Kind != godown.List {
					f.mustGive(t, req)
				} else if _, err := f.Fetch(t.Context(), req); err != nil {
					t.Error(err)
				}
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		f := newField(t, 2, nil)
		f.mirrors[0].Vanish()
		for range 3 {
			f.mustGive(t, hello)
		}
		if s := f.Status()[0]; s.State != stateDown || s.Failures["refused"] != 3 || s.LastError == "" {
			t.Errorf("a mirror that is gone has the status %+v", s)
		}
		if n := f.changed(stateDown); n != 1 {
			t.Errorf("it was told %d times that the mirror is down", n)
		}
	})
}

func TestAllDown(t *testing.T) {
	f := newField(t, 3, func(o *Options, _ []Mirror) { o.Retries = -1 })
	for _, m := range f.mirrors {
		m.Vanish()
	}
	for range 4 { // also when all of them are known to be down
		if _, err := f.Fetch(t.Context(), hello); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("without mirrors: %v", err)
		}
	}
	for _, s := range f.Status() {
		if s.State != stateDown {
			t.Errorf("%s is %s", s.Name, s.State)
		}
	}
	f.mirrors[2].Return() // the least bad one is tried all the same
	f.mustGive(t, hello)
}

// A mirror that is down comes back by itself.
func TestComesBack(t *testing.T) {
	f := newField(t, 2, func(o *Options, _ []Mirror) { o.Every = 20 * time.Millisecond })
	f.mirrors[0].Vanish()
	for range 3 {
		f.mustGive(t, hello)
	}
	f.mirrors[0].Return()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go f.Watch(ctx)
	for f.Status()[0].State != stateUp {
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			t.Fatal("it never came back")
		}
	}
	if got := f.mustGive(t, hello); got != f.members[0].name {
		t.Errorf("then %s was asked", got)
	}
	if down, up := f.changed(stateDown), f.changed(stateUp); down != 1 || up != 1 {
		t.Errorf("told of %d downs and %d ups", down, up)
	}
}

func TestAbsence(t *testing.T) {
	no := godowntest.Status(404, "never heard of it")
	t.Run("one lags", func(t *testing.T) {
		f := newField(t, 2, nil)
		f.mirrors[0].Break(everything, no)
		f.mustGive(t, hello)
		f.mustGive(t, helloZip)
		if s := f.Status()[0]; s.Failures["lag"] != 2 {
			t.Errorf("lagging was counted %d times", s.Failures["lag"])
		}
	})
	t.Run("two agree", func(t *testing.T) {
		f := newField(t, 3, nil)
		for _, m := range f.mirrors[:2] {
			m.Break(everything, no)
		}
		if _, err := f.Fetch(t.Context(), hello); !errors.Is(err, fs.ErrNotExist) || err.Error() != "never heard of it" {
			t.Errorf("got %v", err)
		}
		if n := f.mirrors[2].Count(hello.Name()); n > 0 {
			t.Error("the third was asked, too")
		}
	})
	t.Run("the other hangs", func(t *testing.T) {
		t.Parallel()
		for _, choose := range []Strategy{Ordered, Race} {
			f := newField(t, 2, func(o *Options, _ []Mirror) { o.Choose, o.Stall = choose, time.Hour })
			f.warm(t)
			f.mirrors[0].Break(everything, godowntest.Hang())
			f.mirrors[1].Break(everything, no)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			if _, err := f.Fetch(ctx, hello); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v", err)
			}
			cancel()
			if s := f.Status()[0]; s.Failures["timeout"] != 1 {
				t.Errorf("the one that hangs has the failures %v", s.Failures)
			}
		}
	})
	t.Run("the other hangs, one is down", func(t *testing.T) {
		t.Parallel()
		f := newField(t, 3, func(o *Options, _ []Mirror) { o.Stall, o.Fall = time.Hour, 1 })
		f.warm(t)
		f.members[2].failed(errors.New("ill"), 0)
		f.mirrors[0].Break(everything, godowntest.Hang())
		f.mirrors[1].Break(everything, no)
		if by := f.mustGive(t, hello); by != f.members[2].name {
			t.Errorf("it was given by %s", by)
		}
	})
	t.Run("all others failed", func(t *testing.T) {
		f := newField(t, 3, nil)
		f.mirrors[0].Break(everything, no)
		f.mirrors[1].Break(everything, godowntest.Status(500, "ill"))
		f.mirrors[2].Vanish()
		if _, err := f.Fetch(t.Context(), hello); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		f := newField(t, 2, nil)
		f.mirrors[0].Break(everything, no)
		f.mirrors[1].Break(everything, godowntest.Status(403, "not for you"))
		_, err := f.Fetch(t.Context(), hello)
		if _, ok := errors.AsType[*godown.Denied](err); !ok {
			t.Errorf("got %v", err)
		}
	})
}

func TestListIsTheUnion(t *testing.T) {
	answer := func(text string) godowntest.Fault { return godowntest.Replace("text/plain", []byte(text)) }
	for name, test := range map[string]struct {
		faults []godowntest.Fault // by mirror; nil: v1.0.0 and v1.1.0
		want   string
	}{
		"same":          {make([]godowntest.Fault, 3), "v1.0.0\nv1.1.0\n"},
		"second lags":   {[]godowntest.Fault{nil, answer("v1.0.0\n"), nil}, "v1.0.0\nv1.1.0\n"},
		"third has it":  {[]godowntest.Fault{answer("v1.0.0\n"), answer("v0.1.0\n"), nil}, "v0.1.0\nv1.0.0\nv1.1.0\n"},
		"first has not": {[]godowntest.Fault{godowntest.Status(404, ""), nil, nil}, "v1.0.0\nv1.1.0\n"},
		"first is ill":  {[]godowntest.Fault{godowntest.Status(500, ""), nil, nil}, "v1.0.0\nv1.1.0\n"},
		"first hangs":   {[]godowntest.Fault{godowntest.Hang(), nil, nil}, "v1.0.0\nv1.1.0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newField(t, 3, nil)
			for i, fault := range test.faults {
				if fault != nil {
					f.mirrors[i].Break("/@v/list", fault)
				}
			}
			got, err := f.Fetch(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Data) != test.want {
				t.Errorf("got %q, want %q", got.Data, test.want)
			}
		})
	}
}

func TestLatestIsReallyThere(t *testing.T) {
	f := newField(t, 2, nil)
	f.mirrors[0].Break("/@latest", godowntest.Replace("application/json", []byte(`{"Version":"v9.0.0"}`)))
	got, err := f.Fetch(t.Context(), latest)
	if err != nil || !bytes.Contains(got.Data, []byte("v1.1.0")) {
		t.Errorf("with a mirror that makes versions up: %q, %v", got.Data, err)
	}
	f.mirrors[0].Heal()
	f.mirrors[0].Break("/@latest", godowntest.Replace("application/json", []byte(`{"Version":"v1.0.0"}`)))
	got, err = f.Fetch(t.Context(), latest)
	if err != nil || !bytes.Contains(got.Data, []byte("v1.1.0")) {
		t.Errorf("with a mirror that lags: %q, %v", got.Data, err)
	}
}

func TestBusyIsLeftAlone(t *testing.T) {
	f := newField(t, 2, nil)
	f.mirrors[0].Break(everything, godowntest.Status(429, "", "Retry-After: 60"))
	for range 5 {
		f.mustGive(t, hello)
	}
	if n := len(f.mirrors[0].Requests()); n != 1 {
		t.Errorf("a mirror that asked to be left alone got %d requests", n)
	}
	if s := f.Status()[0]; s.State != stateBusy || f.changed(stateBusy) != 1 {
		t.Errorf("its state is %s, which was told %d times", s.State, f.changed(stateBusy))
	}
	f.mirrors[1].Break(everything, godowntest.Status(429, "", "Retry-After: 90"))
	f.Fetch(t.Context(), hello)
	_, err := f.Fetch(t.Context(), hello)
	if busy, ok := errors.AsType[*godown.Busy](err); !ok || busy.After > time.Minute || busy.After < 50*time.Second {
		t.Errorf("when all are busy: %v", err)
	}
}

func TestPatterns(t *testing.T) {
	f := newField(t, 2, func(_ *Options, list []Mirror) {
		list[0].Never = "example.com/hello"
		list[1].Only = "other.example"
	})
	if _, err := f.Fetch(t.Context(), hello); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what no mirror is set up for: %v", err)
	}
	// Nor does a mirror learn of the module through the checksum database.
	_, err := f.Get(t.Context(), "sumdb/sum.test/lookup/example.com/hello@v1.0.0")
	if absent, ok := errors.AsType[*godown.NotFound](err); !ok || !absent.Unasked {
		t.Errorf("a record of what no mirror is set up for: %v", err)
	}
	if n := len(f.mirrors[0].Requests()) + len(f.mirrors[1].Requests()); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// Two mirrors may have one name: the same host with other credentials, say.
func TestNamesDiffer(t *testing.T) {
	up := godowntest.NewUpstream(t, godowntest.NewModules(t, modules))
	named := mirrorAt(t, up.URL)
	named.Name = "office"
	p := New([]Mirror{mirrorAt(t, up.URL), mirrorAt(t, up.URL), named}, Options{})
	host := up.URL[len("http://"):]
	if want := host + "|" + host + "#2|office"; p.Name() != want {
		t.Errorf("the names are %s, want %s", p.Name(), want)
	}
}

func TestSumDB(t *testing.T) {
	f := newField(t, 3, nil)
	db := godowntest.NewSumDB(t, "sum.test", f.mods)
	ask := func(want string) {
		t.Helper()
		data, err := f.Get(t.Context(), "sumdb/sum.test/latest")
		if got := fmt.Sprint(len(data) > 0, err == nil, errors.Is(err, fs.ErrNotExist)); got != want {
			t.Errorf("got %s (%v), want %s", got, err, want)
		}
	}
	ask("false false true") // none passes it on
	for _, m := range f.mirrors[1:] {
		m.Attach(db)
	}
	for _, m := range f.members {
		clear(m.sumdb)
	}
	ask("true true false")
	f.mirrors[1].Break("^sumdb/", godowntest.LoginPage())
	ask("true true false")
	f.mirrors[1].Heal()
	f.mirrors[1].Break("^sumdb/", godowntest.Hang())
	ask("true true false")
	if n := f.mirrors[0].Count("sumdb/sum.test/latest"); n > 0 {
		t.Errorf("one that does not pass it on was asked %d times", n)
	}
	for _, m := range f.mirrors {
		m.Vanish()
	}
	ask("false false false")
}

// TestHeadersStay checks that a mirror's own header fields and credentials don't go to a host that it redirects to.
func TestHeadersStay(t *testing.T) {
	f := newField(t, 2, func(_ *Options, list []Mirror) {
		list[0].Upstream.Header = http.Header{"X-Token": {"secret"}}
		list[0].Upstream.URL.User = url.UserPassword("joe", "password")
	})
	f.mirrors[0].Break(everything, godowntest.Status(302, "", "Location: "+f.mirrors[1].URL+"/"+hello.Name()))
	f.mustGive(t, hello)
	if got := f.mirrors[0].Log()[0].Header.Get("X-Token"); got != "secret" {
		t.Errorf("the mirror itself got %q", got)
	}
	for _, name := range []string{"X-Token", "Authorization"} {
		if got := f.mirrors[1].Log()[0].Header.Get(name); got != "" {
			t.Errorf("the other host got %s: %q", name, got)
		}
	}
}
