//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

// A get is a request that a script makes.
type get struct {
	method, url string
	header      http.Header
	file        string // to keep the body in
}

// An answer is what came of it.
type answer struct {
	resp *http.Response
	body []byte
	err  error // the connection failed, or broke off in the body
}

// parseGet parses the arguments of the command get.
func parseGet(ts *testscript.TestScript, args []string) get {
	g := get{method: http.MethodGet, header: make(http.Header)}
	for len(args) > 1 {
		switch args[0] {
		case "-method":
			g.method = args[1]
		case "-header":
			key, value, _ := strings.Cut(args[1], ":")
			g.header.Add(key, strings.TrimSpace(value))
		case "-o":
			g.file = ts.MkAbs(args[1])
		default:
			ts.Fatalf("get has no %s", args[0])
		}
		args = args[2:]
	}
	usage(ts, len(args) == 1, "get [-method METHOD] [-header 'KEY: VALUE'] [-o FILE] URL")
	g.url = args[0]
	return g
}

// client follows no redirects and keeps no connections, so that every request stands for itself.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (g get) do() (a answer) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, g.method, g.url, nil)
	if err != nil {
		return answer{err: err}
	}
	r.Header = g.header
	if a.resp, a.err = client.Do(r); a.err != nil {
		return a
	}
	defer a.resp.Body.Close()
	if a.body, a.err = io.ReadAll(a.resp.Body); a.err == nil && g.file != "" {
		a.err = os.WriteFile(g.file, a.body, 0o666)
	}
	return a
}

// text returns status, sorted headers and body, for scripts to match.
func (a answer) text() string {
	var b strings.Builder
	if a.resp != nil {
		fmt.Fprintf(&b, "%s\n", a.resp.Status)
		var keys []string
		for key := range a.resp.Header {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			fmt.Fprintf(&b, "%s: %s\n", key, strings.Join(a.resp.Header[key], "; "))
		}
		fmt.Fprintf(&b, "\n")
		if utf8.Valid(a.body) {
			b.Write(a.body)
		} else {
			fmt.Fprintf(&b, "%d bytes\n", len(a.body))
		}
	}
	if a.err != nil {
		fmt.Fprintf(&b, "\nfailed after %d bytes: %v\n", len(a.body), a.err)
	}
	return b.String()
}

func (a answer) show(ts *testscript.TestScript, neg bool) {
	io.WriteString(ts.Stdout(), a.text())
	if a.err == nil && neg {
		ts.Fatalf("it was answered whole:\n%s", a.text())
	} else if a.err != nil && !neg {
		ts.Fatalf("%v", a.err)
	}
}

// get [-method METHOD] [-header 'KEY: VALUE'] [-o FILE] URL makes a request and
// prints status line, sorted headers and body. Any status is success; "! get"
// wants the connection to be refused or cut.
func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	parseGet(ts, args).do().show(ts, neg)
}

// metric NAME VALUE waits until the sum of a metric of $PROXY is VALUE, or with
// >VALUE above it. NAME may hold labels: NAME{a="b"}; its series have at least these.
func cmdMetric(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "metric NAME VALUE")
	name, labels, _ := strings.Cut(strings.TrimSuffix(args[0], "}"), "{")
	at, above := strings.CutPrefix(args[1], ">")
	want, err := strconv.ParseFloat(at, 64)
	ts.Check(err)
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `(\{.*\})? (\S+)$`)
	g := get{method: http.MethodGet, url: ts.Getenv("PROXY") + "/metrics"}
	var body string
	until(ts, func() bool {
		body = string(g.do().body)
		sum := 0.0
	series:
		for _, m := range line.FindAllStringSubmatch(body, -1) {
			for label := range strings.SplitSeq(labels, ",") {
				if !strings.Contains(m[1], label) {
					continue series
				}
			}
			value, err := strconv.ParseFloat(m[2], 64)
			ts.Check(err)
			sum += value
		}
		return above && sum > want || !above && sum == want
	}, func() { ts.Logf("%s", strings.Join(line.FindAllString(body, -1), "\n")) })
}
