package gauge

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// What has no end is no zip, however fast it comes; nor is what comes a byte at a time.
func TestEndless(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, "cn", "zip$", godowntest.Huge(1<<40))
	r := Measure(t.Context(), w.plan)
	if one := r.Results[0]; one.Proof == Proven || r.Advise("direct").Refuse.IsZero() {
		t.Errorf("alone it is %s, %s", one.Verdict, one.Proof)
	}
	w.mirror(t, "cn", ".", godowntest.Latency(10*time.Millisecond))
	r = Measure(t.Context(), w.plan)
	if one := w.of(t, r, 0); one.Verdict != Lies || r.Results[0] == one {
		t.Errorf("beside another it is %s, %s", one.Verdict, one.Proof)
	}
}

// All that a mirror is asked for counts, also what passes by it of the database, and redirects to itself.
func TestPoliteness(t *testing.T) {
	for name, faults := range map[string][]godowntest.Fault{
		"good": nil,
		"loop": {func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", r.URL.Path)
				w.WriteHeader(http.StatusFound)
			})
		}},
	} {
		for _, light := range []bool{false, true} {
			w := newWorld(t)
			w.plan.Light = light
			up := w.mirror(t, FromArgument, "zip$|mod$|latest$", faults...)
			r := Measure(t.Context(), w.plan)
			asked, told := len(up.Requests()), r.Results[0].Requests+r.SumDB.Requests
			if asked > MaxRequests+MaxRecords || name == "good" && asked != told {
				t.Errorf("%s, light %v: %d requests, %d told", name, light, asked, told)
			}
		}
	}
}

// A mirror whose database is forged neither keeps others from being verified nor is of use itself.
func TestForgedDatabase(t *testing.T) {
	for name, match := range map[string]string{"tiles": "^sumdb/sum.test/tile/", "records": "^sumdb/sum.test/lookup/"} {
		w := newWorld(t)
		w.mirror(t, "cn", match, godowntest.Change(func(data []byte) []byte {
			if name == "tiles" {
				data[0] ^= 1
				return data
			}
			return bytes.Replace(data, []byte("h1:"), []byte("h1:x"), 1)
		}))
		w.mirror(t, "cn", ".", godowntest.Latency(20*time.Millisecond))
		r := Measure(t.Context(), w.plan)
		// On a busy machine one of its answers may be late: then it is flaky, which is no fault of what is tested.
		if one := w.of(t, r, 1); one.Proof != Proven || !one.Usable() || r.Results[0] != one {
			t.Errorf("%s: the other is %s, %s, rank %d", name, one.Verdict, one.Proof, one.Rank)
		}
		if one := w.of(t, r, 0); one.SumDB != Bad || one.Usable() {
			t.Errorf("%s: it is %s (%s), /sumdb/ %s", name, one.Verdict, one.Why.En, one.SumDB)
		}
	}
}

// One that gives only what is small, or takes a new connection for each request, is not the fastest for that.
func TestUnfairAdvantage(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, "cn", "middling.*zip$|large.*zip$", godowntest.Status(404, "none"))
	w.mirror(t, "cn", ".", godowntest.Latency(10*time.Millisecond))
	r := Measure(t.Context(), w.plan)
	if one := w.of(t, r, 1); r.Results[0] != one {
		t.Errorf("before it is %s, %v (%v): %s", r.Results[0].Verdict, r.Results[0].Estimate, one.Estimate, r.Results[0].Why.En)
	}

	w = newWorld(t)
	w.mirror(t, "cn", ".", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			next.ServeHTTP(w, r)
		})
	}, godowntest.Latency(30*time.Millisecond))
	r = Measure(t.Context(), w.plan)
	if one := r.Results[0]; one.FirstByte < 30*time.Millisecond || one.ZipFirst < 30*time.Millisecond || one.Estimate < 15*90*time.Millisecond {
		t.Errorf("an answer takes %v, a zip's %v, a build %v", one.FirstByte, one.ZipFirst, one.Estimate)
	}
}

// A small file that does not end within its time has failed.
func TestDrip(t *testing.T) {
	w := newWorld(t)
	w.plan.TLS.Timeouts.Total = 200 * time.Millisecond
	w.mirror(t, "cn", "middling.*mod$", godowntest.Stall(3))
	r := Measure(t.Context(), w.plan)
	if one := r.Results[0]; one.Verdict != Flaky || one.Failures != 1 {
		t.Errorf("it is %s with %d failures", one.Verdict, one.Failures)
	}
}

// Lists may be long and wrong: what is no version of the module is none, and is asked of nobody.
func TestWildLists(t *testing.T) {
	w := newWorld(t)
	digits := strings.Repeat("9", 5000)
	w.mirror(t, "cn", "list$", godowntest.Replace("text/plain", []byte("v1.0.0\nv1.1.0\nv1.0."+digits+"\nv7.0.0\nv2\nv1.99\n")))
	long := []byte(strings.Repeat("v1.0.0\n", 1_000_000/6) + "v1.99.0\n")
	w.mirror(t, "cn", "list$", godowntest.Replace("text/plain", long))
	up := w.mirror(t, "cn", "")
	r := Measure(t.Context(), w.plan)
	for _, name := range up.Requests() {
		if len(name) > 200 || strings.Contains(name, "v7") || strings.Contains(name, "v1.99") || strings.Contains(name, "v2") {
			t.Errorf("it was asked for %.80s", name)
		}
	}
	if f := w.of(t, r, 2).Fresh; f.Behind != 0 || f.Version != "v1.1.0" {
		t.Errorf("it is %d versions behind; the newest is %.40s", f.Behind, f.Version)
	}
}

// What others have written is shown without what a terminal, a browser or a spreadsheet would obey.
func TestInjection(t *testing.T) {
	const evil = "\x1b[31m\x1b]0;x\a\u202e<svg onload=alert(1)>\n=cmd()"
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"go.mod", evil} {
		f, err := z.Create("example.com/small@v1.0.0/" + name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, "module example.com/small\n")
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.mirror(t, "cn", "small.*zip$", godowntest.Replace("application/zip", b.Bytes()))
	w.mirror(t, "cn", ".", godowntest.Status(502, evil))
	w.mirror(t, "cn", ".", godowntest.Status(302, evil, "Location: ftp://x"+"%1b[31m\u202e.example/"))
	r := Measure(t.Context(), w.plan)
	a := r.Advise("direct")
	var out bytes.Buffer
	for _, l := range []lang.Language{lang.English, lang.Chinese} {
		p := &term.Printer{W: &out, Lang: l, Width: 80}
		r.Print(p, a)
		r.PrintRound(p, a, []*Report{r})
	}
	if err := r.WriteCSV(&out, true); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexAny(out.String(), "\x1b\a\u202e"); i >= 0 {
		t.Errorf("it shows %q", out.String()[max(0, i-60):i+20])
	}
	if err := r.WritePage(&out, a, lang.English, []*Report{r}); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexAny(out.String(), "\x1b\a\u202e"); i >= 0 || strings.Contains(out.String(), "<svg onload") {
		t.Errorf("the page shows %d", i)
	}
	if fmt.Sprint(w.of(t, r, 0).Verdict) != "lies" {
		t.Errorf("it is %s", w.of(t, r, 0).Verdict)
	}
}

// Bytes that are the module's are not a page because of what their Content-Type says.
func TestWrongContentType(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, "cn", "mod$|info$|zip$|latest$|list$", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(htmlWriter{w}, r)
		})
	})
	if r := Measure(t.Context(), w.plan); r.Results[0].Verdict != Good {
		t.Errorf("it is %s: %s", r.Results[0].Verdict, r.Results[0].Why.En)
	}
}

type htmlWriter struct{ http.ResponseWriter }

func (w htmlWriter) WriteHeader(code int) {
	w.Header().Set("Content-Type", "text/html")
	w.ResponseWriter.WriteHeader(code)
}

func (w htmlWriter) Write(p []byte) (int, error) {
	w.Header().Set("Content-Type", "text/html")
	return w.ResponseWriter.Write(p)
}

// What was proven once is not fetched again by the next measurement of --watch.
func TestRecords(t *testing.T) {
	w := newWorld(t)
	w.plan.Light, w.plan.Records = true, NewRecords()
	w.mirror(t, FromArgument, "")
	if r := Measure(t.Context(), w.plan); r.SumDB.Requests == 0 || r.Results[0].Proof != Proven {
		t.Errorf("first: %d requests, %s", r.SumDB.Requests, r.Results[0].Proof)
	}
	if r := Measure(t.Context(), w.plan); r.SumDB.Requests != 0 || r.Results[0].Proof != Proven {
		t.Errorf("then: %d requests, %s", r.SumDB.Requests, r.Results[0].Proof)
	}
}

// A preset does not take the place of one's own proxy unless it was named by its URL.
func TestOwnProxyStays(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, "cn", "")
	w.mirror(t, FromEnvironment, ".", godowntest.Latency(20*time.Millisecond))
	own := Shown(w.plan.Targets[1].URL)
	r := Measure(t.Context(), w.plan)
	if a := r.Advise("off"); !a.Refuse.IsZero() {
		t.Errorf("without one it is refused: %s", a.Refuse.En)
	}
	w.plan.Own = []string{own}
	r = Measure(t.Context(), w.plan)
	var out bytes.Buffer
	a := r.Advise("off")
	r.Print(&term.Printer{W: &out}, a)
	r.PrintRound(&term.Printer{W: &out}, a, nil)
	if err := r.WritePage(&out, a, lang.English, nil); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "Do not use it yet: GOPROXY has a proxy of your own, "+own); n != 3 {
		t.Errorf("it is said %d times in three forms", n)
	}
	if !strings.Contains(a.Refuse.En, own) || !strings.Contains(a.Refuse.Zh, own) || strings.Contains(out.String(), "go env -w") {
		t.Errorf("it is %s", out.String())
	}
	w.plan.Targets[0].Groups = []string{"cn", FromArgument}
	if a := Measure(t.Context(), w.plan).Advise("off"); !a.Refuse.IsZero() {
		t.Errorf("named by its URL it is refused: %s", a.Refuse.En)
	}
	w.plan.Targets[0].Groups = []string{"cn"}
	w.ups[0].Vanish()
	if a := Measure(t.Context(), w.plan).Advise("off"); !a.Refuse.IsZero() || a.Shown != own+",off" {
		t.Errorf("one's own is refused: %s, %s", a.Refuse.En, a.Shown)
	}
}

// A request is given what is left of the mirror's share.
func TestShare(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, "cn", "")
	m := newMeter(&w.plan, 0, w.plan.Targets[0])
	defer m.close()
	m.bytes, m.spent = MaxBytes-10, MaxTime-time.Minute/60
	ask := probe.Ask{Limit: MaxBytes}
	ctx, cancel := m.share(t.Context(), &ask)
	defer cancel()
	if until, ok := ctx.Deadline(); ask.Limit != 10 || !ok || time.Until(until) > time.Second {
		t.Errorf("it is given %d bytes, until %v", ask.Limit, until)
	}
	m.took(&probe.Exchange{Redirects: []string{w.plan.Targets[0].URL.Host, "other.example"}})
	if m.asked != 1 {
		t.Errorf("a redirect to itself and one to another count as %d requests", m.asked)
	}
}

// One that shows its true length once is not read for longer by several connections.
func TestEndlessLater(t *testing.T) {
	w := newWorld(t)
	var asked sync.Map
	w.mirror(t, "cn", "zip$", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			if n, _ := asked.LoadOrStore(r.URL.Path, new(atomic.Int32)); n.(*atomic.Int32).Add(1) > 2 || n.(*atomic.Int32).Load() > 1 && !strings.Contains(r.URL.Path, "large") {
				godowntest.Huge(1<<40)(next).ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	if one := Measure(t.Context(), w.plan).Results[0]; one.Bytes > 4<<20 || one.Lanes != 2 {
		t.Errorf("%d bytes were read, by %d connections", one.Bytes, one.Lanes)
	}
}

func TestSmallRules(t *testing.T) {
	s := &sums{asked: MaxRecords}
	if s.mayAsk(&route{meter: new(meter)}) || !s.mayAsk(new(route)) {
		t.Error("a mirror is asked for more records than it should be, or the database is not asked")
	}

	mod := Modules()[0]
	m := &meter{result: &Result{Files: []File{
		{Name: "zip", Module: mod.String(), Partial: true, Bytes: 5 << 20},
		{Name: "zip", Module: mod.String(), Partial: true, Bytes: 7 << 20},
	}}}
	tooLong(&Plan{Modules: Modules()}, []*meter{m}, nil)
	if f := m.result.Files; f[0].Proof == Wrong || f[1].Proof != Wrong {
		t.Errorf("a zip that is too long is %q, another %q", f[1].Proof, f[0].Proof)
	}

	u := &union{times: make(map[string]time.Time)}
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{first.Add(time.Hour), first, first.Add(time.Minute)} {
		u.note(mod, at)
	}
	if got := u.released(mod); !got.Equal(first) {
		t.Errorf("it was released at %v", got)
	}

	r := golden()
	r.SumDB = SumDBReport{}
	r.Results[1].Verdict = Good
	if a := r.Advise("direct"); !strings.Contains(a.Value, "|") {
		t.Errorf("the second does not stand in: %s", a.Value)
	}
	r.Results[1].Proof = Unproven
	if a := r.Advise("direct"); strings.Contains(a.Value, "|") {
		t.Errorf("one that is not proven stands in: %s", a.Value)
	}
}
