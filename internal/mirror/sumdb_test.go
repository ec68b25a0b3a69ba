package mirror

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

const lookup = "lookup/example.com/hello@v1.0.0"

// route returns a SumRoute through f, to a database that cannot be reached straight.
func (f *field) route(t *testing.T) *godown.SumRoute {
	nowhere, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	direct := &godown.Upstream{URL: nowhere, Retries: -1}
	return &godown.SumRoute{Name: "sum.test", Via: []godown.SumStep{{Upstream: f.Pool, Any: true}}, Direct: direct}
}

// expire has what is known of checksum databases be asked again.
func (f *field) expire() {
	for _, m := range f.members {
		m.mu.Lock()
		for db, s := range m.sumdb {
			s.until = time.Now().Add(-time.Millisecond)
			m.sumdb[db] = s
		}
		m.mu.Unlock()
	}
}

// Two that do not pass the database on are no word on what it has.
func TestSumDBOfOneInThree(t *testing.T) {
	f := newField(t, 3, nil)
	f.mirrors[2].Attach(godowntest.NewSumDB(t, "sum.test", f.mods))
	route := f.route(t)
	for range 2 { // also five minutes later
		if _, err := route.Fetch(t.Context(), lookup); err != nil {
			t.Errorf("absent: %v, %v", errors.Is(err, fs.ErrNotExist), err)
		}
		f.expire()
	}
	for _, m := range f.mirrors[:2] {
		if n := m.Count("sumdb/sum.test/" + lookup); n > 0 {
			t.Errorf("one that does not pass it on was asked %d times for a record", n)
		}
	}
	// Of what it does not have, its word counts.
	_, err := route.Fetch(t.Context(), "lookup/example.com/none@v1.0.0")
	if absent, ok := errors.AsType[*godown.NotFound](err); !ok || absent.Unasked {
		t.Errorf("a record that does not exist: %v", err)
	}
}

// When the one that passes the database on asks to be left alone, nobody says
// that there is no database, and nothing is absent.
func TestSumDBIsBusy(t *testing.T) {
	f := newField(t, 2, func(_ *Options, l []Mirror) { l[0].Facts.NoSumDB = true })
	f.mirrors[1].Attach(godowntest.NewSumDB(t, "sum.test", f.mods))
	if _, err := f.Get(t.Context(), "sumdb/sum.test/latest"); err != nil {
		t.Fatal(err)
	}
	f.mirrors[1].BreakTimes(1, everything, godowntest.Status(429, "", "Retry-After: 60"))
	for range 2 {
		_, err := f.Get(t.Context(), "sumdb/sum.test/"+lookup)
		if busy, ok := errors.AsType[*godown.Busy](err); !ok || busy.Who != f.members[1].name {
			t.Errorf("got %v", err)
		}
	}
}

// One that is out of order and never passed the database on is no reason to do without it.
func TestSumDBOfNobody(t *testing.T) {
	f := newField(t, 2, func(_ *Options, l []Mirror) { l[0].Facts.NoSumDB = true })
	f.mirrors[1].Vanish()
	_, err := f.Get(t.Context(), "sumdb/sum.test/supported")
	if absent, ok := errors.AsType[*godown.NotFound](err); !ok || !absent.Unasked {
		t.Errorf("got %v", err)
	}
	f.members[1].sumdb["sum.test"] = sumState{supported: true}
	if _, err = f.Get(t.Context(), "sumdb/sum.test/supported"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("where it did: %v", err)
	}
}

func TestSumDBSupportIsAskedAgain(t *testing.T) {
	f := newField(t, 1, nil)
	f.mirrors[0].Attach(godowntest.NewSumDB(t, "sum.test", f.mods))
	for range 2 {
		if _, err := f.Get(t.Context(), "sumdb/sum.test/latest"); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.mirrors[0].Count("sumdb/sum.test/supported"); n != 1 {
		t.Errorf("it was asked %d times whether it passes the database on", n)
	}
	f.expire()
	f.mirrors[0].Break("/supported$", godowntest.Status(404, ""))
	if _, err := f.Get(t.Context(), "sumdb/sum.test/latest"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("some minutes later: %v", err)
	}
}

func TestSumDBForm(t *testing.T) {
	f := newField(t, 2, nil)
	db := godowntest.NewSumDB(t, "sum.test", f.mods)
	for _, m := range f.mirrors {
		m.Attach(db)
	}
	f.mirrors[0].Break("/(latest|lookup)", godowntest.LoginPage())
	data, err := f.Get(t.Context(), "sumdb/sum.test/latest")
	if err != nil || !bytes.HasPrefix(data, []byte("go.sum database tree")) {
		t.Errorf("%.40q, %v", data, err)
	}
	if _, err := f.route(t).Fetch(t.Context(), lookup); err != nil {
		t.Error(err)
	}
}

// Of many who do not know whether a mirror passes a database on, one asks; should
// that one leave, another does.
func TestSumDBIsAskedForOnce(t *testing.T) {
	f := newField(t, 1, nil)
	f.mirrors[0].Attach(godowntest.NewSumDB(t, "sum.test", f.mods))
	f.mirrors[0].Break("supported$", godowntest.Latency(100*time.Millisecond))
	get := func(ctx context.Context) chan error {
		result := make(chan error, 1)
		go func() {
			_, err := f.Get(ctx, "sumdb/sum.test/latest")
			result <- err
		}()
		return result
	}
	ctx, leave := context.WithCancel(t.Context())
	first := get(ctx)
	for f.mirrors[0].Count("sumdb/sum.test/supported") == 0 {
		runtime.Gosched()
	}
	var others []chan error
	for range 20 {
		others = append(others, get(t.Context()))
	}
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	for _, c := range others {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
	if n := f.mirrors[0].Count("sumdb/sum.test/supported"); n > 2 {
		t.Errorf("it was asked %d times whether it passes the database on", n)
	}
}
