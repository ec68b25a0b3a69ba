package gauge

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

const archive = `
-- example.com/small@v1.0.0/go.mod --
module example.com/small
-- example.com/small@v1.0.0/a.go --
package small
-- example.com/small@v1.1.0/a.go --
package small
-- example.com/small@v1.1.0/.info --
{"Version":"v1.1.0","Time":"2026-01-02T03:04:05Z"}
`

// A world is some mirrors of the same modules, and their checksum database.
type world struct {
	mods *godowntest.Modules
	sums *godowntest.SumDB
	plan Plan
	ups  []*godowntest.Upstream // by target
}

func newWorld(t *testing.T) *world {
	w := &world{mods: godowntest.NewModules(t, archive)}
	for path, size := range map[string]int64{"example.com/middling": 100 << 10, "example.com/large": 700 << 10} {
		if err := w.mods.AddBig(path, "v1.0.0", size); err != nil {
			t.Fatal(err)
		}
	}
	w.sums = godowntest.NewSumDB(t, "sum.test", w.mods)
	spec, err := godown.ParseSumDB(w.sums.SpecURL())
	if err != nil {
		t.Fatal(err)
	}
	w.plan = Plan{
		Modules: []Module{{Path: "example.com/small", Version: "v1.0.0"}, {Path: "example.com/middling", Version: "v1.0.0"}, {Path: "example.com/large", Version: "v1.0.0"}},
		Lists:   []string{"example.com/small"}, SumDB: &spec,
		Now: func() time.Time { return time.Date(2026, 1, 2, 4, 4, 5, 0, time.UTC) },
		TLS: &probe.Prober{Timeouts: probe.Timeouts{FirstByte: 300 * time.Millisecond}},
	}
	return w
}

// mirror adds a mirror to the plan.
func (w *world) mirror(t *testing.T, group string, match string, faults ...godowntest.Fault) *godowntest.Upstream {
	up := godowntest.NewUpstream(t, w.mods)
	w.ups = append(w.ups, up)
	up.Attach(w.sums)
	for _, f := range faults {
		up.Break(match, f)
	}
	w.target(t, up.URL, group)
	return up
}

func (w *world) target(t *testing.T, text, group string) {
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	w.plan.Targets = append(w.plan.Targets, Target{URL: u, Groups: []string{group}})
}

// of returns the result of the i-th target.
func (w *world) of(t *testing.T, r *Report, i int) *Result {
	t.Helper()
	for _, one := range r.Results {
		if one.Mirror == Shown(w.plan.Targets[i].URL) {
			return one
		}
	}
	t.Fatalf("there is no result for target %d", i)
	return nil
}

// Each kind of mirror comes out as what it is.
func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		match  string
		faults []godowntest.Fault
		want   Verdict
		check  func(t *testing.T, r *Result)
	}{
		"good": {want: Good, check: func(t *testing.T, r *Result) {
			if r.Proof != Proven || r.SumDB != Yes || r.Range != Yes || r.Latest != Yes || r.Absent != Yes || r.Failures != 0 || r.One <= 0 || r.Several <= 0 || r.Lanes != lanes || r.Estimate <= 0 || r.NoRate {
				t.Errorf("it is %+v", r)
			}
			if len(r.Files) < 12 || !r.Files[0].Cold || r.Files[1].Cold || r.Connect <= 0 {
				t.Errorf("its files are %+v", r.Files)
			}
		}},
		"no sumdb": {match: "^sumdb/", faults: []godowntest.Fault{godowntest.Status(404, "none")}, want: Good, check: func(t *testing.T, r *Result) {
			if r.SumDB != No || r.Proof != Proven {
				t.Errorf("its /sumdb/ is %s, its bytes %s", r.SumDB, r.Proof)
			}
		}},
		"no ranges": {match: "zip$", faults: []godowntest.Fault{godowntest.NoRanges()}, want: Good, check: func(t *testing.T, r *Result) {
			if r.Range != No || r.Lanes != 2 || r.Several <= 0 {
				t.Errorf("ranges %s, %d lanes, %f", r.Range, r.Lanes, r.Several)
			}
		}},
		"wrong ranges": {match: "zip$", faults: []godowntest.Fault{func(next http.Handler) http.Handler {
			wrong := godowntest.FlipSent(5)(next)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Range") != "" {
					wrong.ServeHTTP(w, r)
					return
				}
				next.ServeHTTP(w, r)
			})
		}}, want: Flaky, check: func(t *testing.T, r *Result) {
			if r.Range != Bad || r.Proof != Proven {
				t.Errorf("ranges %s, bytes %s", r.Range, r.Proof)
			}
		}},
		"lying zip":  {match: "middling.*zip$", faults: []godowntest.Fault{godowntest.Flip(3000)}, want: Lies},
		"lying mod":  {match: "large.*mod$", faults: []godowntest.Fault{godowntest.Replace("text/plain", []byte("module example.com/large\n\ngo 1.99\n"))}, want: Lies},
		"portal":     {match: ".", faults: []godowntest.Fault{godowntest.LoginPage()}, want: Portal},
		"empty":      {match: ".", faults: []godowntest.Fault{godowntest.Status(404, "not found")}, want: Empty},
		"forbidden":  {match: ".", faults: []godowntest.Fault{godowntest.Status(403, "go away")}, want: Refuses},
		"login":      {match: ".", faults: []godowntest.Fault{godowntest.Status(401, "who are you?")}, want: Refuses},
		"limited":    {match: ".", faults: []godowntest.Fault{godowntest.Status(429, "slowly")}, want: Refuses},
		"no zips":    {match: "zip$", faults: []godowntest.Fault{godowntest.Status(502, "bad gateway")}, want: Broken},
		"cut":        {match: "large.*zip$", faults: []godowntest.Fault{godowntest.Cut(1000)}, want: Flaky},
		"one hang":   {match: "middling.*mod$", faults: []godowntest.Fault{godowntest.Hang()}, want: Flaky},
		"all resets": {match: ".", faults: []godowntest.Fault{godowntest.Reset(-1)}, want: Dead},
		"other json": {match: "info$|latest$", faults: []godowntest.Fault{godowntest.Replace("application/json", []byte(`{"Version":"v9.9.9"}`))}, want: Flaky, check: func(t *testing.T, r *Result) {
			if r.Absent != Bad {
				t.Errorf("what does not exist is %s", r.Absent)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mirror(t, FromArgument, c.match, c.faults...)
			r := Measure(t.Context(), w.plan)
			got := w.of(t, r, 0)
			if got.Verdict != c.want {
				t.Fatalf("it is %s (%s), want %s; %+v", got.Verdict, got.Why.En, c.want, got.Files)
			}
			if got.Requests > MaxRequests || got.Why.En == "" || got.Why.Zh == "" {
				t.Errorf("%d requests; %+v", got.Requests, got.Why)
			}
			if usable := c.want == Good || c.want == Flaky; usable != (r.Best() != nil) || usable != (got.Estimate > 0) {
				t.Errorf("usable: %v, estimate %v", r.Best() != nil, got.Estimate)
			}
			if c.check != nil {
				c.check(t, got)
			}
		})
	}
}

// The dead, the lying, the slow and the good are ranked; only what is sound is recommended.
func TestRanking(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, "cn", "zip$", godowntest.Flip(2000))
	w.mirror(t, "cn", ".", godowntest.Latency(25*time.Millisecond))
	w.mirror(t, "cn", "")
	w.mirror(t, "cn", "").Vanish()
	w.mirror(t, "cn", "", godowntest.Status(404, ""))
	w.mirror(t, FromEnvironment, ".", godowntest.Latency(80*time.Millisecond))
	r := Measure(t.Context(), w.plan)
	var order []Verdict
	for _, one := range r.Results {
		order = append(order, one.Verdict)
	}
	if last := r.Results[len(r.Results)-1]; last != w.of(t, r, 0) || last.Verdict != Lies {
		t.Errorf("the order is %v", order)
	}
	if r.Results[0] != w.of(t, r, 2) || r.Results[1] != w.of(t, r, 1) || r.Results[2] != w.of(t, r, 5) {
		t.Errorf("the order is %v", order)
	}
	a := r.Advise("direct")
	best, second := w.plan.Targets[2].URL.String(), w.plan.Targets[1].URL.String()
	if a.Value != best+"|"+second+",direct" || !a.Refuse.IsZero() {
		t.Errorf("the advice is %+v", a)
	}
	if a := r.Advise("off"); !strings.HasSuffix(a.Value, ",off") {
		t.Errorf("after off: %s", a.Value)
	}
	if a := r.Advise(""); a.Value != best+"|"+second {
		t.Errorf("after nothing: %s", a.Value)
	}
}

// A company's own proxy is not followed by another that would be asked after its refusals.
func TestAdviceForOwnProxy(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, FromEnvironment, "")
	w.mirror(t, "cn", ".", godowntest.Latency(150*time.Millisecond))
	w.plan.Targets[0].URL.User = url.UserPassword("me", "hunter2")
	w.plan.Targets[1].Header = http.Header{"X-Key": {"hunter2"}}
	r := Measure(t.Context(), w.plan)
	for _, q := range w.ups[1].Log() {
		if q.Header.Get("X-Key") != "hunter2" {
			t.Errorf("%s was asked for without its header", q.Name)
		}
	}
	a := r.Advise("")
	if strings.Contains(a.Value, "|") || !strings.Contains(a.Value, "hunter2") || strings.Contains(a.Shown, "hunter2") {
		t.Errorf("the advice is %q, shown as %q", a.Value, a.Shown)
	}
	var out bytes.Buffer
	if err := r.WriteJSON(&out, a, lang.English, false); err != nil {
		t.Fatal(err)
	}
	if err := r.WritePage(&out, a, lang.English, []*Report{r}); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteCSV(&out, true); err != nil {
		t.Fatal(err)
	}
	r.Print(&term.Printer{W: &out}, a)
	if strings.Contains(out.String(), "hunter2") {
		t.Error("the password is shown")
	}
}

// Without a database nothing is proven; what differs between mirrors is told. With
// one that nobody reaches, built-in hashes count, and without those nothing may be set.
func TestVerification(t *testing.T) {
	w := newWorld(t)
	w.plan.SumDB = nil
	w.mirror(t, FromArgument, "")
	r := Measure(t.Context(), w.plan)
	if one := w.of(t, r, 0); one.Proof != Unproven || one.Verdict != Good || !r.SumDB.Off || one.SumDB != Unknown {
		t.Errorf("without a database: %s, %s, %+v", one.Proof, one.Verdict, r.SumDB)
	}
	if a := r.Advise("direct"); !a.Refuse.IsZero() {
		t.Errorf("without a database it is refused: %s", a.Refuse.En)
	}

	w = newWorld(t)
	w.mirror(t, FromArgument, "^sumdb/", godowntest.Status(404, ""))
	w.sums.Vanish()
	r = Measure(t.Context(), w.plan)
	if a := r.Advise("direct"); r.Results[0].Proof != Unproven || a.Refuse.IsZero() || r.SumDB.Straight != No {
		t.Errorf("with a database that is down: %s, %+v, %+v", r.Results[0].Proof, a, r.SumDB)
	}
	for i, m := range w.plan.Modules {
		sums, _ := w.mods.Sums(m.Path, m.Version)
		w.plan.Modules[i].ZipSum, w.plan.Modules[i].ModSum = sums.Zip, sums.Mod
	}
	r = Measure(t.Context(), w.plan)
	if a := r.Advise("direct"); r.Results[0].Proof != Known || !a.Refuse.IsZero() {
		t.Errorf("with hashes that are built in: %s, %+v", r.Results[0].Proof, a)
	}
	w.plan.Modules[1].ZipSum = "h1:other"
	if r = Measure(t.Context(), w.plan); r.Results[0].Verdict != Lies {
		t.Errorf("with another hash that is built in: %s", r.Results[0].Verdict)
	}

	// A private module is not named to the database.
	w = newWorld(t)
	w.plan.NoSumDB = "example.com/*"
	w.mirror(t, FromArgument, "")
	r = Measure(t.Context(), w.plan)
	for _, name := range append(w.sums.Requests(), "") {
		if strings.Contains(name, "example.com") {
			t.Errorf("the database was asked for %s", name)
		}
	}
	if r.Results[0].Proof != Unproven {
		t.Errorf("a private module is %s", r.Results[0].Proof)
	}
}

// A mirror whose /sumdb/ says something else than the database.
func TestForgedRecord(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, FromArgument, "")
	w.mirror(t, FromArgument, "^sumdb/sum.test/lookup/", godowntest.Change(func(data []byte) []byte {
		return bytes.Replace(data, []byte("h1:"), []byte("h1:x"), 1)
	}))
	r := Measure(t.Context(), w.plan)
	if one := w.of(t, r, 1); one.SumDB != Bad || one.Proof != Proven {
		t.Errorf("/sumdb/ is %s, bytes are %s", one.SumDB, one.Proof)
	}
	if one := w.of(t, r, 0); one.SumDB != Yes {
		t.Errorf("the other's /sumdb/ is %s", one.SumDB)
	}
}

// A mirror without /sumdb/ comes after the others where the database is not reached otherwise.
func TestStranded(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, "cn", "^sumdb/", godowntest.Status(404, ""))
	w.mirror(t, "cn", ".", godowntest.Latency(25*time.Millisecond))
	if r := Measure(t.Context(), w.plan); r.Results[0] != w.of(t, r, 0) || r.Results[0].Stranded {
		t.Errorf("with a database: %+v", r.Results[0])
	}
	w.plan.SumDB.URL.Host = "127.0.0.1:1"
	r := Measure(t.Context(), w.plan)
	if r.Results[0] != w.of(t, r, 1) || !r.Results[1].Stranded || r.Results[1].Proof != Proven {
		t.Errorf("without: %+v", r.Results[0])
	}
	if a := r.Advise("direct"); !strings.Contains(a.Value, w.plan.Targets[1].URL.String()) || strings.Contains(a.Value, "|") {
		t.Errorf("the advice is %s", a.Value)
	}
}

func TestFreshness(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, FromArgument, "")
	w.mirror(t, FromArgument, "small/@v/list$", godowntest.Replace("text/plain", []byte("v1.0.0\n")))
	w.mirror(t, FromArgument, "small/@v/list$", godowntest.Replace("text/plain", []byte("v1.0.0\n"))).Break("v1.1.0", godowntest.Status(404, "not yet"))
	r := Measure(t.Context(), w.plan)
	released := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, want := range []Freshness{
		{Lists: 1, Module: "example.com/small", Version: "v1.1.0", Released: released, Has: Yes},
		{Lists: 1, Behind: 1, Lag: time.Hour, Module: "example.com/small", Version: "v1.1.0", Released: released, Has: Yes},
		{Lists: 1, Behind: 1, Lag: time.Hour, Module: "example.com/small", Version: "v1.1.0", Released: released, Has: No},
	} {
		if got := w.of(t, r, i).Fresh; got != want {
			t.Errorf("mirror %d: %+v, want %+v", i, got, want)
		}
	}
}

// Redirects are told, and asked of the other host without what is secret.
func TestRedirects(t *testing.T) {
	w := newWorld(t)
	store := godowntest.NewUpstream(t, w.mods)
	up := w.mirror(t, FromArgument, "")
	for _, m := range w.plan.Modules {
		name := godown.Request{Kind: godown.Zip, Path: m.Path, Version: m.Version}.Name()
		up.Break("^"+regexp.QuoteMeta(name)+"$", godowntest.Status(302, "", "Location: "+store.URL+"/"+name))
	}
	w.plan.Targets[0].Header = http.Header{"X-Key": {"hunter2"}}
	r := Measure(t.Context(), w.plan)
	for _, q := range store.Log() {
		if q.Header.Get("X-Key") != "" {
			t.Errorf("%s was asked of another host with the mirror's header", q.Name)
		}
	}
	one := w.of(t, r, 0)
	if one.Verdict != Good || len(one.Redirects) != 1 || "http://"+one.Redirects[0] != store.URL || one.Range != Yes {
		t.Errorf("it is %+v", one)
	}
}

// One that stalls is not fast because what it had sent by then was short.
func TestStall(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, FromArgument, "large.*zip$", godowntest.Stall(1000))
	w.plan.TLS.Timeouts.Total = 500 * time.Millisecond
	r := Measure(t.Context(), w.plan)
	if one := w.of(t, r, 0); one.Verdict != Good || one.NoRate || one.One > 1e6 || one.Estimate < time.Minute {
		t.Errorf("it is %s, %f bytes a second, %v", one.Verdict, one.One, one.Estimate)
	}
}

// What a mirror may cost is bounded, also where it is endless.
func TestBounds(t *testing.T) {
	w := newWorld(t)
	up := w.mirror(t, FromArgument, "zip$", godowntest.Huge(1<<40))
	r := Measure(t.Context(), w.plan)
	one := w.of(t, r, 0)
	if one.Bytes > 2*MaxBytes || !one.Capped || len(up.Requests()) > MaxRequests || one.Requests != len(up.Requests()) {
		t.Errorf("%d bytes, %d requests of %d", one.Bytes, one.Requests, len(up.Requests()))
	}
}

// What is known when nobody waits any longer is reported.
func TestInterrupt(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, FromArgument, "")
	hang := w.mirror(t, FromArgument, "large.*zip$", godowntest.Hang())
	w.plan.TLS = nil
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	w.plan.Observe = func(p Progress) {
		if p.Target == 1 && len(hang.Requests()) > 11 {
			once.Do(cancel)
		}
	}
	r := Measure(ctx, w.plan)
	if !r.Interrupted || w.of(t, r, 0).One <= 0 || len(w.of(t, r, 1).Files) == 0 {
		t.Errorf("interrupted: %v, %+v", r.Interrupted, w.of(t, r, 1))
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	r = Measure(ctx, w.plan)
	if a := r.Advise("direct"); a.Best != nil || a.Refuse.IsZero() || r.Results[0].Verdict != Unmeasured || !strings.Contains(a.Text.En, "Stopped") {
		t.Errorf("stopped at once: %+v", a)
	}
}

func TestLight(t *testing.T) {
	w := newWorld(t)
	w.plan.Light = true
	up := w.mirror(t, FromArgument, "")
	r := Measure(t.Context(), w.plan)
	for _, name := range up.Requests() {
		if strings.HasSuffix(name, "list") || strings.Contains(name, "large") && strings.HasSuffix(name, "zip") {
			t.Errorf("it was asked for %s", name)
		}
	}
	if one := w.of(t, r, 0); one.Verdict != Good || one.One <= 0 || one.Several != 0 {
		t.Errorf("it is %+v", one)
	}
}

func TestParseModule(t *testing.T) {
	for _, bad := range []string{"", "example.com/a", "example.com/a@latest", "example.com/a@v1", "../x@v1.0.0", "example.com/a/v2@v1.0.0"} {
		if m, err := ParseModule(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, m)
		}
	}
	m, err := ParseModule(Modules()[0].String())
	if err != nil || m != Modules()[0] {
		t.Errorf("a known module is %+v, %v", m, err)
	}
}

// A server without TLS under an https URL is dead, and it is said why.
func TestNoTLS(t *testing.T) {
	w := newWorld(t)
	up := godowntest.NewUpstream(t, w.mods)
	w.target(t, strings.Replace(up.URL, "http:", "https:", 1), FromArgument)
	r := Measure(t.Context(), w.plan)
	if one := r.Results[0]; one.Verdict != Dead || one.Files[0].Failure.Kind != probe.NotTLS {
		t.Errorf("it is %s: %+v", one.Verdict, one.Files)
	}
}
