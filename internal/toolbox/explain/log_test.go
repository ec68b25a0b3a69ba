//go:build unix

package explain

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestLogs wraps a message as tools wrap it: it must be found all the same, and shown without the wrapping.
func TestLogs(t *testing.T) {
	const inner = `go: example.com/lib@v1.0.0: Get "https://proxy.example/example.com/lib/@v/v1.0.0.info": dial tcp 192.0.2.1:443: i/o timeout`
	const quoted = `go: example.com/lib@v1.0.0: Get \"https://proxy.example/example.com/lib/@v/v1.0.0.info\": dial tcp 192.0.2.1:443: i/o timeout`
	for name, log := range map[string]string{
		"plain":          inner,
		"windows":        "go: downloading example.com/lib v1.0.0\r\n" + inner + "\r\n",
		"github":         "2024-05-13T12:34:56.1234567Z " + inner,
		"github error":   "2024-05-13T12:34:56.1234567Z ##[error]" + inner,
		"github marker":  "::error file=go.mod,line=1::" + inner,
		"gh run view":    "build\tRun tests\t2024-05-13T12:34:56.1234567Z " + inner,
		"gitlab":         "2024-05-13T12:34:56.123456Z 01O " + inner,
		"gitlab section": "\x1b[0Ksection_start:1560896352:build\r\x1b[0K" + inner,
		"jenkins":        "[2024-05-13T12:34:56.123Z] " + inner,
		"jenkins clock":  "12:34:56  " + inner,
		"docker":         "#12 34.56 " + inner,
		"docker end":     " > [build 4/6] RUN go mod download:\n0.432 " + inner + "\n------\nERROR: failed to solve: process \"/bin/sh -c go mod download\" did not complete successfully: exit code: 1",
		"compose":        "builder-1  | " + inner,
		"colours":        "\x1b[31m\x1b[1m" + inner + "\x1b[0m",
		"make":           inner + "\nmake: *** [Makefile:3: build] Error 1",
		"golangci-lint":  `level=error msg="Running error: context loading failed: failed to load packages: failed to load with go/packages: err: exit status 1: stderr: ` + quoted + `\n"`,
		"json":           `{"time":"2024-05-13T12:34:56Z","level":"error","msg":"` + quoted + `"}`,
		"go test -json":  `{"Action":"build-output","Output":"` + quoted + `\n"}`,
		"error":          "Error: " + inner,
		"progress":       "downloading 10%\rdownloading 90%\r" + inner,
		"goreleaser":     "  • building\n  ⨯ release failed after 1s  error=hook failed: go mod tidy: exit status 1; output: " + inner,
		"bom":            "\ufeff" + inner,
	} {
		r := Explain(t.Context(), []byte(log), Around{})
		if len(r.Failures) != 1 || r.Failures[0].ID != "timeout" {
			t.Errorf("%s: %+v", name, r.Failures)
			continue
		}
		f := r.Failures[0]
		within := name == "golangci-lint" || name == "goreleaser" // the tool's own words stand before it
		if f.Message != inner && !(within && strings.Contains(f.Message, inner)) || !slices.Equal(f.Modules, []string{"example.com/lib@v1.0.0"}) || !strings.Contains(f.What.En, "proxy.example") {
			t.Errorf("%s: %q, %q, %q", name, f.Message, f.Modules, f.What.En)
		}
	}
}

// TestSeveral has a log with several failures: each is explained once, the first first.
func TestSeveral(t *testing.T) {
	log := `2024-05-13T12:34:56.1Z go: downloading example.com/a v1.0.0
2024-05-13T12:34:57.1Z go: example.com/a@v1.0.0: reading https://proxy.example/example.com/a/@v/v1.0.0.info: 403 Forbidden
2024-05-13T12:34:57.1Z 	server response:
2024-05-13T12:34:57.1Z 	it is 2 days old
2024-05-13T12:34:57.1Z 	(refused by cooldown)
2024-05-13T12:34:58.1Z p.go:3:8: missing go.sum entry for module providing package example.com/b (imported by example.com/p); to add:
2024-05-13T12:34:58.1Z 	go get example.com/p
2024-05-13T12:34:58.1Z p.go:4:8: missing go.sum entry for module providing package example.com/c (imported by example.com/p); to add:
2024-05-13T12:34:58.1Z 	go get example.com/p
2024-05-13T12:34:59.1Z go: example.com/d@v1.0.0: Get "https://proxy.example/example.com/d/@v/v1.0.0.info": EOF
2024-05-13T12:34:59.1Z go: example.com/e@v1.0.0: Get "https://proxy.example/example.com/e/@v/v1.0.0.info": EOF
2024-05-13T12:34:59.1Z go: example.com/e@v1.0.0: Get "https://other.example/example.com/e/@v/v1.0.0.info": EOF
`
	var got []string
	for _, f := range Explain(t.Context(), []byte(log), Around{}).Failures {
		got = append(got, f.ID)
		if f.ID == "godown-denied" && (!strings.Contains(f.What.En, "cooldown") || !strings.Contains(f.Why.En, "2 days old") || f.Line != 2) {
			t.Errorf("%+v", f)
		}
		if f.ID == "missing-go-sum" && f.Count != 2 {
			t.Errorf("missing-go-sum is counted %d times", f.Count)
		}
	}
	if want := []string{"godown-denied", "missing-go-sum", "reset", "reset"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestStrangers has outputs that are no business of the go command's downloads.
func TestStrangers(t *testing.T) {
	for name, log := range map[string]string{
		"success":  "go: downloading example.com/a v1.0.0\nok  \texample.com/p\t0.1s\n",
		"compiler": "# example.com/p\n./p.go:3:2: undefined: x\n",
		"database": "--- FAIL: TestDB (0.01s)\n    db_test.go:12: dial tcp 127.0.0.1:5432: connect: connection refused\nFAIL\n",
		"timeout":  "--- FAIL: TestHTTP (5.00s)\n    x_test.go:9: Get \"http://127.0.0.1:8080/users\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)\n",
		"nothing":  "",
		"deadlock": "fatal error: all goroutines are asleep - deadlock!\n",
	} {
		r := Explain(t.Context(), []byte(log), Around{})
		if len(r.Failures) > 0 {
			t.Errorf("%s: explained as %s", name, r.Failures[0].ID)
		}
		if name == "compiler" && (len(r.Suspects) == 0 || r.Suspects[len(r.Suspects)-1].Text != "./p.go:3:2: undefined: x") {
			t.Errorf("%s: suspects %v", name, r.Suspects)
		}
	}
}

// TestSecrets shows no password that stands in an output.
func TestSecrets(t *testing.T) {
	for _, log := range []string{
		`go: example.com/a@v1.0.0: Get "https://user:s3cret@proxy.example/example.com/a/@v/v1.0.0.info": EOF`,
		`go: example.com/a@v1.0.0: reading https://s3cret@proxy.example/example.com/a/@v/v1.0.0.info?token=s3cret: 502 Bad Gateway`,
		`	fatal: unable to access 'https://x-access-token:s3cret@github.com/acme/a/': Could not resolve host: github.com`,
		`error: something failed with https://user:s3cret@example.com/`,
	} {
		r := Explain(t.Context(), []byte(log), Around{Getenv: func(name string) string {
			if name == "HTTPS_PROXY" {
				return "http://user:s3cret@proxy.corp:8080"
			}
			return ""
		}})
		for _, f := range r.Failures {
			all := f.Message
			for _, x := range texts(f) {
				all += x.En + x.Zh
			}
			for _, c := range f.Causes {
				all += strings.Join(c.Run, "\n")
			}
			if strings.Contains(all, "s3cret") {
				t.Errorf("%s: shown by %s: %s", log, f.ID, all)
			}
		}
		for _, s := range r.Suspects {
			if strings.Contains(s.Text, "s3cret") {
				t.Errorf("%s: shown: %s", log, s.Text)
			}
		}
	}
}

// TestCommandsAreWords lets nothing of an output become a command of its own.
func TestCommandsAreWords(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"example.com/a", "go get example.com/a@latest"},
		{"example.com/$(reboot)", "go get 'example.com/$(reboot)'@latest"},
		{"a'b;reboot", `go get 'a'\''b;reboot'@latest`},
		{"-exec=reboot", ""},
		{"", ""},
	} {
		if got := fillCommand("go get {module}@latest", map[string]string{"module": c.value}); got != c.want {
			t.Errorf("%q: %s, want %s", c.value, got, c.want)
		}
	}
	if got := fillCommand("curl '{module}'", map[string]string{"module": "$(reboot)"}); got != "" {
		t.Errorf("within quotes: %s", got)
	}
}

// FuzzExplain feeds anything to the log parser and the catalogue.
func FuzzExplain(f *testing.F) {
	for _, v := range []string{"go1.26.8", "go1.21.13"} {
		for _, out := range recorded(f, v) {
			f.Add(out)
		}
	}
	f.Add("\x1b[31m#1 0.1 2024-01-01T00:00:00Z ##[error]go: \r\n\t\t\n")
	f.Add(`level=error msg="go: \"x\"\n\tb: 404"`)
	m := newMatcher()
	f.Fuzz(func(t *testing.T, log string) {
		r := m.explain(t.Context(), log, Around{})
		lines := strings.Count(log, "\n") + 1
		for _, x := range r.Failures {
			if x.Line < 1 || x.Line > lines || x.Count < 1 || x.What.En == "" {
				t.Errorf("%+v", x)
			}
			for _, c := range x.Causes {
				for _, line := range append([]string{c.Text.En, c.Text.Zh}, c.Run...) {
					if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
						t.Errorf("a control character in %q", line)
					}
				}
			}
		}
		if len(r.Failures) > maxFailures || len(r.Suspects) > 8 {
			t.Errorf("%d failures, %d suspects", len(r.Failures), len(r.Suspects))
		}
	})
}
