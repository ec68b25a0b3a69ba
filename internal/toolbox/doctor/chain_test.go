package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// steps returns the steps of a link with their states.
func steps(l Link) string {
	var all []string
	for _, s := range l.Steps {
		all = append(all, s.Name+":"+string(s.State))
	}
	return strings.Join(all, " ")
}

// A healthy chain works, verifies, and has nothing to complain of.
func TestChainWorks(t *testing.T) {
	up := newMirror(t)
	mods := godowntest.NewModules(t, modules)
	db := godowntest.NewSumDB(t, "sum.test", mods)
	up.Attach(db)
	s := newSeat(t)
	s.set("GOPROXY", up.URL)
	s.set("GOSUMDB", db.Spec())
	r := Chain(t.Context(), s.Facts, hello)
	if !r.Works || r.Version != "v1.0.0" || len(r.Findings()) > 0 {
		t.Errorf("works %v, version %s, findings %s", r.Works, r.Version, describe(r.Findings()))
	}
	if got := steps(r.Links[0]); got != "connect:ok supported:ok list:ok info:ok mod:ok zip:ok verify:ok" {
		t.Errorf("steps %s", got)
	}
	if r.SumDB != up.URL+"/sumdb/sum.test" {
		t.Errorf("the database was asked at %s", r.SumDB)
	}
}

// The separators mean what they mean to the go command.
func TestChainSeparators(t *testing.T) {
	good, bad := newMirror(t), "http://"+closedAddr(t)
	empty := godowntest.NewUpstream(t, godowntest.NewModules(t, ""))
	for _, c := range []struct {
		list  string
		works bool
		links int
		found string
	}{
		{bad + "," + good.URL, false, 2, "fault connect-failed"}, // the second only as a spare
		{bad + "|" + good.URL, true, 2, "warning connect-failed"},
		{empty.URL + "," + good.URL, true, 2, ""},
		{empty.URL, false, 1, "fault module-absent"},
		{"off", false, 1, ""},
		{good.URL + "," + bad, true, 2, "warning connect-failed"},
	} {
		s := newSeat(t)
		s.set("GOPROXY", c.list)
		r := Chain(t.Context(), s.Facts, hello)
		got := ""
		for _, f := range r.Findings() {
			got += f.Severity.String() + " " + f.ID
		}
		if r.Works != c.works || len(r.Links) != c.links || got != c.found {
			t.Errorf("%s: works %v, %d links, found %q", c.list, r.Works, len(r.Links), got)
		}
	}
}

// That a mirror which nobody needs now is never asked for modules is seen by what it was asked.
func TestChainSpares(t *testing.T) {
	one, two := newMirror(t), newMirror(t)
	s := newSeat(t)
	s.set("GOPROXY", one.URL+"|"+two.URL)
	Chain(t.Context(), s.Facts, hello)
	if asked := two.Requests(); len(asked) > 1 || len(asked) == 1 && asked[0] != "" {
		t.Errorf("the second mirror was asked for %v", asked)
	}
}

func TestChainMirrorFaults(t *testing.T) {
	for _, c := range []struct {
		name, match string
		fault       godowntest.Fault
		id          string
		step        string
	}{
		{"401", "@v/list", godowntest.Status(401, "who are you?"), "mirror-login", "list"},
		{"403", `\.info`, godowntest.Status(403, "not for you"), "mirror-forbidden", "info"},
		{"429", `\.zip`, godowntest.Status(429, "too often"), "mirror-busy", "zip"},
		{"500", `\.mod`, godowntest.Status(500, "broken"), "mirror-error", "mod"},
		{"page", "@v/list", godowntest.LoginPage(), "mirror-nonsense", "list"},
		{"info", `\.info`, godowntest.Replace("application/json", []byte(`{"Version":"v9.9.9"}`)), "mirror-nonsense", "info"},
		{"cut", `\.zip`, godowntest.Cut(20), "connection-cut", "zip"},
		{"hang", `\.info`, godowntest.Hang(), "mirror-slow", "info"},
		{"stall", `\.zip`, godowntest.Stall(40), "mtu-stall", "zip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			up := newMirror(t)
			up.Break(c.match, c.fault)
			s := newSeat(t)
			s.Timeout = 300 * time.Millisecond
			s.set("GOPROXY", up.URL)
			r := Chain(t.Context(), s.Facts, hello)
			f := only(t, r.Findings(), c.id)
			if f.Severity != Fault || r.Works {
				t.Errorf("severity %s, works %v", f.Severity, r.Works)
			}
			last := r.Links[0].Steps[len(r.Links[0].Steps)-1]
			if last.Name != c.step || last.State != StepFailed {
				t.Errorf("it breaks at %s (%s)", last.Name, last.State)
			}
		})
	}
}

// A line that is slow is not one that stands still.
func TestChainSlowLine(t *testing.T) {
	mods := godowntest.NewModules(t, modules)
	if err := mods.AddBig("example.test/big", "v1.0.0", 200_000); err != nil {
		t.Fatal(err)
	}
	up := godowntest.NewUpstream(t, mods)
	up.Break(`\.zip`, godowntest.Rate(20_000))
	s := newSeat(t)
	s.Timeout = 400 * time.Millisecond
	s.set("GOPROXY", up.URL)
	if f := only(t, Chain(t.Context(), s.Facts, "example.test/big").Findings(), "line-slow"); f.Severity != Warning {
		t.Errorf("severity %s", f.Severity)
	}
}

func TestChainSumDB(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(up *godowntest.Upstream, db *godowntest.SumDB)
		path string
		id   string
	}{
		{"mismatch", func(up *godowntest.Upstream, db *godowntest.SumDB) {
			db.Lie(hello, "v1.0.0", godowntest.Sums{Zip: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", Mod: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="})
		}, hello, "checksum-mismatch"},
		{"mismatch of go.mod", func(up *godowntest.Upstream, db *godowntest.SumDB) {
			sums, _ := godowntest.NewModules(t, modules).Sums(hello, "v1.0.0")
			db.Lie(hello, "v1.0.0", godowntest.Sums{Zip: sums.Zip, Mod: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="})
		}, hello, "checksum-mismatch"},
		{"refused", func(up *godowntest.Upstream, _ *godowntest.SumDB) {
			up.Break("supported", godowntest.Status(403, "no"))
		}, hello, "sumdb-refused"},
		{"signature", func(up *godowntest.Upstream, _ *godowntest.SumDB) {
			up.Break("/lookup/", godowntest.BadSignature())
		}, hello, "sumdb-unreachable"},
		{"broken", func(up *godowntest.Upstream, _ *godowntest.SumDB) {
			up.Break("/lookup/", godowntest.Status(502, "no"))
		}, hello, "sumdb-unreachable"},
		{"absent", func(up *godowntest.Upstream, _ *godowntest.SumDB) {
			up.Break("/lookup/", godowntest.Status(404, "no"))
		}, hello, "sumdb-absent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			up := newMirror(t)
			db := godowntest.NewSumDB(t, "sum.test", godowntest.NewModules(t, modules))
			up.Attach(db)
			c.act(up, db)
			s := newSeat(t)
			s.set("GOPROXY", up.URL+"|"+up.URL)
			s.set("GOSUMDB", db.Spec())
			if c.id == "sumdb-refused" {
				s.set("GOPROXY", up.URL)
			}
			r := Chain(t.Context(), s.Facts, c.path)
			if f := only(t, r.Findings(), c.id); f.Severity != Fault || r.Works {
				t.Errorf("severity %s, works %v", f.Severity, r.Works)
			}
		})
	}
}

// The name of a private module goes neither to a mirror nor to the database.
func TestChainKeepsPrivateNames(t *testing.T) {
	up := newMirror(t)
	db := godowntest.NewSumDB(t, "sum.test", godowntest.NewModules(t, modules))
	up.Attach(db)
	s := newSeat(t)
	s.set("GOPROXY", up.URL)
	s.set("GOSUMDB", db.Spec())
	s.set("GONOPROXY", "example.test")
	s.set("GOPRIVATE", "example.test")
	s.Resolver = names(t, nil)
	r := Chain(t.Context(), s.Facts, hello)
	if n := len(up.Requests()) + len(db.Requests()); n > 0 || !r.Private {
		t.Errorf("%d requests, private %v", n, r.Private)
	}
	only(t, r.Findings(), "dns-failed")
}

func TestChainTLS(t *testing.T) {
	corp, zscaler := newAuthority(t, "Corp Proxy CA"), newAuthority(t, "Zscaler Root CA")
	good := func(a *authority) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{a.sign(-100, 100, "mirror.test", "goproxy.cn")}}
	}
	plain := newMirror(t)
	for _, c := range []struct {
		name     string
		config   *tls.Config // nil: the server speaks http
		trusts   *x509.CertPool
		host     string
		now      time.Duration // how far our clock is off
		timeout  time.Duration
		id       string
		severity Severity
	}{
		{name: "good", config: good(corp), trusts: corp.pool},
		{name: "unknown", config: good(corp), trusts: zscaler.pool, id: "tls-untrusted", severity: Fault},
		{name: "inspected", config: good(zscaler), trusts: zscaler.pool, host: "mirror.test", id: "tls-inspected", severity: Hint},
		{name: "name", config: good(corp), trusts: corp.pool, host: "other.test", id: "tls-name", severity: Fault},
		{name: "expired", config: &tls.Config{Certificates: []tls.Certificate{corp.sign(-100, -1)}}, trusts: corp.pool, id: "tls-expired", severity: Fault},
		{name: "clock far", config: good(corp), trusts: corp.pool, now: -365 * 24 * time.Hour, id: "clock-wrong", severity: Fault},
		{name: "clock near", config: good(corp), trusts: corp.pool, now: time.Hour, id: "clock-wrong", severity: Warning},
		{name: "clock right", config: good(corp), trusts: corp.pool, now: 2 * time.Minute},
		{name: "http", id: "tls-absent", severity: Fault},
		{name: "blocked", config: &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if h.ServerName == "mirror.test" {
				_, _ = io.Copy(io.Discard, h.Conn) // as one on the way who drops what names it
			}
			return good(corp), nil
		}}, trusts: corp.pool, host: "mirror.test", timeout: 400 * time.Millisecond, id: "tls-blocked", severity: Fault},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSeat(t)
			s.Roots = c.trusts
			s.Now = func() time.Time { return time.Now().Add(c.now) }
			if c.timeout > 0 {
				s.Timeout = c.timeout
			}
			at := "https" + strings.TrimPrefix(plain.URL, "http")
			if c.config != nil {
				at = serveTLS(t, newMirror(t), c.config)
			}
			if c.host != "" {
				s.Resolver = names(t, map[string][]string{c.host: {"127.0.0.1"}})
				at = named(t, at, c.host)
			}
			s.set("GOPROXY", at)
			r := Chain(t.Context(), s.Facts, hello)
			if c.id == "" {
				if len(r.Findings()) > 0 || !r.Works {
					t.Errorf("works %v, found %s", r.Works, describe(r.Findings()))
				}
				return
			}
			if f := only(t, r.Findings(), c.id); f.Severity != c.severity {
				t.Errorf("severity %s", f.Severity)
			}
		})
	}
}

// A server that connects and then is silent is one behind which large packets are lost.
func TestChainHandshakeStalls(t *testing.T) {
	s := newSeat(t)
	s.Timeout = 200 * time.Millisecond
	s.set("GOPROXY", "https://"+mute(t))
	only(t, Chain(t.Context(), s.Facts, hello).Findings(), "mtu-stall")
}

func TestChainDNS(t *testing.T) {
	up := newMirror(t)
	for _, c := range []struct {
		name, host string
		known      map[string][]string
		ids        []string
	}{
		{"absent", "mirror.test", nil, []string{"dns-failed"}},
		{"private, of one's own", "mirror.test", map[string][]string{"mirror.test": {"127.0.0.1"}}, nil},
		{"private, of all", "goproxy.cn", map[string][]string{"goproxy.cn": {"127.0.0.1"}}, []string{"dns-private"}},
		{"fake", "mirror.test", map[string][]string{"mirror.test": {"198.18.0.7"}}, []string{"dns-fake-ip"}},
		{"poisoned", "mirror.test", map[string][]string{"mirror.test": {"93.46.8.89"}}, []string{"dns-poisoned"}},
		{"nowhere", "mirror.test", map[string][]string{"mirror.test": {"0.0.0.0"}}, []string{"dns-poisoned"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSeat(t)
			s.Resolver = names(t, c.known)
			s.connect = func(_ context.Context, a netip.AddrPort) probe.Connection { return probe.Connection{Addr: a} } // nothing leaves this machine
			u := named(t, up.URL, c.host)
			s.set("GOPROXY", u)
			w := &walk{facts: s.Facts, prober: s.prober(), report: &ChainReport{Module: hello}, dated: true}
			v := &visit{link: &Link{}, base: s.urls()[0]}
			w.reach(t.Context(), v)
			if got := ids(w.report.Findings()); !slices.Equal(got, c.ids) {
				t.Errorf("found %v, want %v", got, c.ids)
			}
			for _, f := range w.report.Findings() {
				wholesome(t, f)
			}
		})
	}
}

// IPv6 that leads nowhere is told of, and that there is none is not.
func TestChainIPv6(t *testing.T) {
	for kind, want := range map[probe.Kind][]string{probe.Timeout: {"ipv6-dead"}, probe.Unreachable: nil, probe.Refused: nil, "": nil} {
		s := newSeat(t)
		s.Resolver = names(t, map[string][]string{"mirror.test": {"127.0.0.1", "::1"}})
		s.connect = func(_ context.Context, a netip.AddrPort) probe.Connection {
			if a.Addr().Is6() && kind != "" {
				return probe.Connection{Addr: a, Failure: &probe.Failure{Kind: kind, Phase: probe.PhaseConnect}}
			}
			return probe.Connection{Addr: a}
		}
		s.set("GOPROXY", named(t, newMirror(t).URL, "mirror.test"))
		r := Chain(t.Context(), s.Facts, hello)
		if got := ids(r.Findings()); !slices.Equal(got, want) || !r.Works {
			t.Errorf("%s: found %v, works %v", kind, got, r.Works)
		}
	}
}

// An outbound proxy is used by the go command's rules, and is blamed if it does not work.
func TestChainOutboundProxy(t *testing.T) {
	up := newMirror(t)
	closed := closedAddr(t)
	for _, c := range []struct {
		name, variable, value, id string
	}{
		{"gone", "HTTP_PROXY", "http://me:s3cret@" + closed, "proxy-unreachable"},
		{"gone, lower case", "http_proxy", closed, "proxy-unreachable"},
		{"for https only", "HTTPS_PROXY", "http://" + closed, ""},
	} {
		s := newSeat(t, c.variable+"="+c.value)
		s.Resolver = names(t, map[string][]string{"mirror.test": {"127.0.0.1"}})
		s.set("GOPROXY", named(t, up.URL, "mirror.test"))
		list := Chain(t.Context(), s.Facts, hello).Findings()
		if c.id == "" {
			if len(list) > 0 {
				t.Errorf("%s: found %s", c.name, describe(list))
			}
			continue
		}
		if f := only(t, list, c.id); !strings.Contains(f.Evidence[0].En, c.variable) {
			t.Errorf("%s: it does not name %s: %s", c.name, c.variable, f.Evidence[0].En)
		}
	}
	// Loopback is never asked through it.
	s := newSeat(t, "HTTP_PROXY=http://"+closed)
	s.set("GOPROXY", up.URL)
	if r := Chain(t.Context(), s.Facts, hello); !r.Works {
		t.Errorf("loopback was asked through the proxy: %s", describe(r.Findings()))
	}
}

// A proxy that wants a login says so.
func TestChainProxyLogin(t *testing.T) {
	proxy := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	s := newSeat(t, "HTTPS_PROXY="+proxy)
	s.set("GOPROXY", "https://mirror.test")
	f := only(t, Chain(t.Context(), s.Facts, hello).Findings(), "proxy-refused")
	if !strings.Contains(f.Fixes[0].Say.En, "login") {
		t.Errorf("the first fix is no login: %s", f.Fixes[0].Say.En)
	}
}

// Credentials of netrc are sent as the go command sends them: host and port must agree.
func TestChainLogin(t *testing.T) {
	ca := newAuthority(t, "Corp CA")
	up := newMirror(t)
	locked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, ok := r.BasicAuth(); !ok || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		up.ServeHTTP(w, r)
	})
	at := serveTLS(t, locked, &tls.Config{Certificates: []tls.Certificate{ca.sign(-1, 1)}})
	host := strings.TrimPrefix(at, "https://")
	for machine, works := range map[string]bool{host: true, "127.0.0.1": false} {
		s := newSeat(t)
		s.Roots = ca.pool
		s.set("GOPROXY", at)
		s.write("home/.netrc", "machine "+machine+"\nlogin me\npassword s3cret\n")
		r := Chain(t.Context(), s.Facts, hello)
		if r.Works != works {
			t.Errorf("machine %s: works %v, found %s", machine, r.Works, describe(r.Findings()))
		}
		if !works {
			only(t, r.Findings(), "mirror-login")
		}
	}
}

// Offline nothing is asked.
func TestChainOffline(t *testing.T) {
	up := newMirror(t)
	s := newSeat(t)
	s.Offline = true
	s.set("GOPROXY", up.URL)
	if r := Chain(t.Context(), s.Facts, hello); len(up.Requests()) > 0 || r.Works || len(r.Findings()) > 0 {
		t.Error("something was asked, or found")
	}
}

// The project's own modules are asked for: a public and a private one.
func TestChainOfProject(t *testing.T) {
	up := newMirror(t)
	s := newSeat(t)
	s.Resolver = names(t, nil)
	s.set("GOPROXY", up.URL)
	s.set("GONOPROXY", "git.corp.test")
	s.set("GOMOD", s.write("home/project/go.mod", "module m\n\ngo 1.21\n\nrequire (\n\tgit.corp.test/a v1.0.0\n\texample.test/replaced v1.0.0\n\texample.test/hello v1.1.0-pre\n)\nreplace example.test/replaced => ./x\n"))
	r := Chain(t.Context(), s.Facts, "")
	if r.Module != hello || r.Version != "v1.1.0-pre" || !r.Works || r.Also == nil || r.Also.Module != "git.corp.test/a" || !r.Also.Private {
		t.Errorf("%+v, also %+v", r, r.Also)
	}
}

// The drawing fits 80 columns, in both languages, and means the same without colours.
func TestRender(t *testing.T) {
	r := &ChainReport{Module: hello, Version: "v1.0.0", Links: []Link{
		{Name: "https://goproxy.cn", Steps: []Step{
			{Name: "resolve", State: StepOK, Took: 12 * time.Millisecond}, {Name: "connect", State: StepOK, Took: 30 * time.Millisecond},
			{Name: "tls", State: StepFailed, Took: 1500 * time.Millisecond, Detail: text("the certificate is issued by %q, which is not trusted here", "证书由 %q 签发，本机不信任", "Corp Proxy CA")},
		}, Ending: text("the go command stops here: a comma goes on after 404 and 410 only", "go 命令到此为止：逗号只在 404 和 410 时才会继续")},
		{Name: "https://mirrors.example.com/goproxy", Via: "http://127.0.0.1:7890", Spare: true, Steps: []Step{
			{Name: "connect", State: StepOK, Took: 200 * time.Microsecond}, {Name: "supported", State: StepAbsent, Took: time.Millisecond, Detail: lang.Same("404")},
			{Name: "list", State: StepOK, Took: 33 * time.Millisecond}, {Name: "info", State: StepOK, Took: 33 * time.Millisecond}, {Name: "mod", State: StepOK, Took: 33 * time.Millisecond},
			{Name: "zip", State: StepOK, Took: 33 * time.Millisecond, Detail: lang.Same("12 KB")}, {Name: "verify", State: StepNot},
		}},
	}}
	for _, l := range []lang.Language{lang.English, lang.Chinese} {
		var plain, coloured bytes.Buffer
		r.Render(&term.Printer{W: &plain, Lang: l, Width: 80})
		r.Render(&term.Printer{W: &coloured, Lang: l, Width: 80, Colour: true})
		golden(t, "chain."+l.String()+".txt", plain.Bytes())
		for line := range strings.Lines(coloured.String()) {
			if n := term.Width(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%d columns: %q", n, line)
			}
		}
		if plain.String() == coloured.String() {
			t.Error("there are no colours")
		}
	}
}
