//go:build unix

package explain

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf16"

	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// settings are those of a go command with one GOPROXY.
func settings(goproxy string) *goenv.Settings {
	values := make(map[string]goenv.Value)
	for name, text := range map[string]string{"GOPROXY": goproxy, "GOSUMDB": "sum.golang.org"} {
		values[name] = goenv.Value{Name: name, Text: text, Said: []goenv.Said{{Place: goenv.Environment, Text: text}}}
	}
	return &goenv.Settings{Values: values}
}

// asked starts a server that answers with a status, and counts what it is asked.
func asked(t *testing.T, status int) (url string, n *atomic.Int64) {
	n = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL, n
}

// TestNamesStay wants a module's name to go no further than the go command would let it go.
func TestNamesStay(t *testing.T) {
	for _, c := range []struct {
		name, sep string
		status    int
		second    int64 // questions to the second proxy
		elsewhere bool
	}{
		{"refused", ",", 403, 0, false},
		{"failed", ",", 502, 0, false},
		{"absent", ",", 404, 1, false},
		{"gone", ",", 410, 1, false},
		{"any error", "|", 502, 1, false},
		{"after direct", ",direct,", 404, 0, false},
		{"after off", ",off,", 404, 0, false},
		{"another machine's log", "|", 404, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			one, first := asked(t, c.status)
			two, second := asked(t, 404)
			around := Around{Settings: settings(one + c.sep + two), Prober: new(probe.Prober), Elsewhere: c.elsewhere}
			log := "go: git.corp.example/secret@v1.0.0: reading " + one + "/git.corp.example/secret/@v/v1.0.0.info: 404 Not Found\n"
			r := Explain(t.Context(), []byte(log), around)
			if r.Failures[0].ID != "not-found" || first.Load() != 1 || second.Load() != c.second {
				t.Errorf("%s: the first was asked %d times, the second %d times, want %d", r.Failures[0].ID, first.Load(), second.Load(), c.second)
			}
		})
	}
	t.Run("log from CI", func(t *testing.T) {
		one, first := asked(t, 404)
		log := "2024-05-13T12:34:56.1234567Z go: git.corp.example/secret@v1.0.0: reading https://proxy.corp.example/git.corp.example/secret/@v/v1.0.0.info: 404 Not Found\n"
		r := Explain(t.Context(), []byte(log), Around{Settings: settings(one), Prober: new(probe.Prober)})
		if first.Load() != 0 || !r.Failures[0].Elsewhere {
			t.Errorf("asked %d times, elsewhere %v", first.Load(), r.Failures[0].Elsewhere)
		}
	})
	t.Run("database", func(t *testing.T) {
		one, first := asked(t, 502)
		two, second := asked(t, 404)
		log := "verifying git.corp.example/secret@v1.0.0: checksum mismatch\n\tdownloaded: h1:a=\n\tgo.sum:     h1:b=\n"
		around := Around{Settings: settings(one + "," + two), Prober: new(probe.Prober)}
		r := Explain(t.Context(), []byte(log), around)
		if first.Load() != 1 || second.Load() != 0 || r.Failures[0].ID != "checksum-go-sum" {
			t.Errorf("asked %d and %d times", first.Load(), second.Load())
		}
		// A database with an address of its own: asked about what failed here, not about another machine's.
		three, third := asked(t, 404)
		around.Settings.Values["GOSUMDB"] = goenv.Value{Name: "GOSUMDB", Text: godowntest.NewSumDB(t, "sums.example.com", godowntest.NewModules(t, modules)).Spec() + " " + three}
		Explain(t.Context(), []byte(log), around)
		told := third.Load()
		around.Elsewhere = true
		Explain(t.Context(), []byte(log), around)
		if told == 0 || third.Load() != told {
			t.Errorf("the database was asked %d times here, %d times about another machine's module", told, third.Load()-told)
		}
	})
}

// TestOthers has failures of other programs in the words of the go command's: nothing is explained.
func TestOthers(t *testing.T) {
	for _, log := range []string{
		"--- FAIL: TestDB (0.01s)\n    \tError Trace:\t/go/pkg/mod/github.com/jackc/pgx/v5@v5.1.0/conn.go:12\n    \tError:\tdial tcp 127.0.0.1:5432: connect: connection refused\n",
		"conn_test.go:9: /go/pkg/mod/github.com/jackc/pgx/v5@v5.1.0/conn.go:12: dial tcp 127.0.0.1:5432: i/o timeout",
		"panic: Get \"https://a.example/b/@v/list\": EOF\n",
		"open /var/run/docker.sock: permission denied",
		`docker: Error response from daemon: Get "https://registry.example/v2/": x509: certificate signed by unknown authority.`,
		`loading failed: parse "postgres://host:port/db": invalid port ":port" after host`,
		"app.go: zip: not a valid zip file",
		"error: reading config: 403 Forbidden",
		"deploy@192.0.2.3: Permission denied (publickey).",
		"ok  \texample.com/p\t0.1s\n2024/05/13 12:34:56 http: TLS handshake error from 192.0.2.1:4: remote error: tls: bad certificate",
	} {
		if r := Explain(t.Context(), []byte(log), Around{}); len(r.Failures) > 0 {
			t.Errorf("%q: explained as %s", log, r.Failures[0].ID)
		}
	}
}

// TestPowerShell has what Windows PowerShell makes of an output.
func TestPowerShell(t *testing.T) {
	const said = `go: example.com/lib@v1.0.0: Get "https://proxy.example/example.com/lib/@v/v1.0.0.info": dial tcp 192.0.2.1:443: i/o timeout`
	log := "go : " + said + "\r\nAt line:1 char:1\r\n+ go build ./... 2>&1\r\n    + FullyQualifiedErrorId : NativeCommandError\r\n"
	for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		for _, mark := range []string{"\ufeff", ""} {
			var wide []byte
			for _, u := range utf16.Encode([]rune(mark + log)) {
				wide = order.AppendUint16(wide, u)
			}
			r := Explain(t.Context(), wide, Around{})
			if len(r.Failures) != 1 || r.Failures[0].ID != "timeout" || r.Failures[0].Message != said {
				t.Errorf("%s %q: %+v", name, mark, r.Failures)
			}
		}
	}
	for _, odd := range []string{"\xff\xfe", "\xff\xfeg", "\xfe", strings.Repeat("\x00", 600), strings.Repeat("g\x00", 300) + "x"} {
		Explain(t.Context(), []byte(odd), Around{})
	}
}

// TestWhatIsTrue provokes failures whose explanations were once wrong.
func TestWhatIsTrue(t *testing.T) {
	said := func(f Failure) string {
		all := ""
		for _, x := range texts(f) {
			all += x.En + "\n"
		}
		return all
	}
	t.Run("the proxy has the module", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		w.files(project)
		f := w.fails("declared-path", "go", "get", "example.com/moved@v1.0.0")
		if strings.Contains(said(f), "none of it has the module") {
			t.Errorf("%s", said(f))
		}
	})
	t.Run("private needs a login", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		w.files(project)
		h := w.host()
		w.repo = h.RepoText(t, "github.com/acme/simple", simple)
		h.Login("github.com/acme/simple", godowntest.BasicLogin("u", "p"))
		w.set("GOPROXY="+w.up.URL+"|direct", "NO_PROXY=127.0.0.1")
		w.up.Break("", godowntest.Status(500, "no"))
		const ask = "github.com/acme/simple@v1.0.0"
		f := w.fails("git-login", "go", "get", ask)
		if strings.Contains(said(f), "none of it has the module") || !strings.Contains(said(f), "or failed") || !strings.Contains(said(f), "is public") {
			t.Errorf("after |: %s", said(f))
		}
		w.set("GOPRIVATE=github.com/acme")
		f = w.fails("git-login", "go", "get", ask)
		if !strings.Contains(f.Causes[0].Text.En, "give git a token") {
			t.Errorf("GOPRIVATE: %+v", f.Causes)
		}
	})
	t.Run("sums are written", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		w.files(wantLib)
		f := w.fails("missing-go-sum", "go", "build", "./...")
		if out, ok := w.run("", strings.Fields(f.Causes[1].Run[0])...); !ok {
			t.Fatal(out)
		}
		if out, ok := w.run("", "go", "build", "./..."); !ok {
			t.Errorf("after %s: %s", f.Causes[1].Run[0], out)
		}
	})
}

// TestTokens shows no token that stands in an output outside a URL.
func TestTokens(t *testing.T) {
	for _, log := range []string{
		"error: GITHUB_TOKEN=s3cret-s3cret is not valid",
		"fatal: Authorization: Bearer s3cret.s3cret.s3cret refused",
		"fatal: ghp_s3crets3crets3crets3cret cannot be used",
		"fatal: glpat-s3crets3crets3crets3cret cannot be used",
	} {
		r := Explain(t.Context(), []byte(log), Around{})
		for _, s := range r.Suspects {
			if strings.Contains(s.Text, "s3cret") {
				t.Errorf("shown: %s", s.Text)
			}
		}
		if len(r.Suspects) == 0 {
			t.Errorf("%s: not suspected", log)
		}
	}
}

// TestHarmless wants no command that throws more away than it needs to, or that replaces what others were told.
func TestHarmless(t *testing.T) {
	for _, e := range catalogue() {
		for _, c := range e.causes {
			for _, run := range c.run {
				if strings.Contains(run, "clean -modcache") && e.id != "permission" || strings.Contains(run, "NO_PROXY=localhost") || strings.Contains(run, "sed -i ") || strings.Contains(run, " --include=*") {
					t.Errorf("%s: %s", e.id, run)
				}
			}
		}
	}
}

// TestNeeds wants the short cut before an expression to lose nothing.
func TestNeeds(t *testing.T) {
	for expr, want := range map[string][]string{
		`abc`: {"abc"}, `(?:ab|c)d+ef`: {"ef"}, `(?P<x>abc)?d`: {"d"}, `a*`: nil, `(?i)abc`: nil,
		`abc|def`: {"abc", "def"}, `abc|d*`: nil, `(?:abc){2}x`: {"abc"}, `[ab]`: nil,
	} {
		if got := needs(expr); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
	bare := 0
	for _, exps := range newMatcher().exps {
		for _, x := range exps {
			if x.needs == nil {
				bare++
			}
		}
	}
	if bare > 3 {
		t.Errorf("%d expressions are tried at each message", bare)
	}
}

// TestAllAtOnce has several failures about which a server is asked that answers
// only when it was asked about all of them.
func TestAllAtOnce(t *testing.T) {
	const failures = 5
	var asked atomic.Int64
	all := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == failures {
			close(all)
		}
		select {
		case <-all:
			w.Write([]byte("v1.0.0\n"))
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	var log strings.Builder
	for i := range failures {
		fmt.Fprintf(&log, "go: example.com/m%d@v1.0.1: reading %s/example.com/m%[1]d/@v/v1.0.1.info: 404 Not Found\n", i, s.URL)
	}
	r := Explain(t.Context(), []byte(log.String()), Around{Settings: settings(s.URL), Prober: new(probe.Prober)})
	if len(r.Failures) != failures {
		t.Fatalf("%d failures", len(r.Failures))
	}
	for _, f := range r.Failures {
		if last := f.Here[len(f.Here)-1].En; !strings.Contains(last, "1 in all") {
			t.Errorf("%s", last)
		}
	}
}
