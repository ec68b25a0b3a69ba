package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadSums(t *testing.T) {
	sums, err := readSums([]byte(`{"Path":"a","Version":"v1.0.0","Sum":"h1:x="}` + "\n" + `{"Path":"a","Version":"v1.1.0","Sum":"h1:y="}`))
	if err != nil || len(sums) != 2 || sums["a@v1.1.0"] != "h1:y=" {
		t.Errorf("sums are %v, %v", sums, err)
	}
	for _, bad := range []string{`{"Path":"a","Version":"v1.0.0","Error":"gone"}`, `{"Path":"a","Version":"v1.0.0"}`, `{"Path":`} {
		if sums, err := readSums([]byte(bad)); err == nil {
			t.Errorf("%s: no error, but %v", bad, sums)
		}
	}
}

func TestAgree(t *testing.T) {
	b := &bench{known: make(map[string]string)}
	if err := b.agree(map[string]string{"a@v1.0.0": "h1:x=", "a@v1.1.0": "h1:y="}); err != nil {
		t.Error(err)
	}
	if err := b.agree(map[string]string{"a@v1.0.0": "h1:x="}); err != nil {
		t.Error(err)
	}
	if err := b.agree(map[string]string{"a@v1.1.0": "h1:z="}); err == nil || !strings.Contains(err.Error(), "a@v1.1.0") {
		t.Errorf("two sums of one version: %v", err)
	}
}

func TestTurns(t *testing.T) {
	b := &bench{options: options{proxies: map[string]string{"z": "http://z", "y": "http://y"}}}
	if got := b.turns(5, asGo, asGodown); !slices.Equal(got, []string{asGodown, "y", "z", asGo}) {
		t.Errorf("turns are %v", got)
	}
}

// TestPrint checks a table: ratios are of the same round, and a failed run is in none.
func TestPrint(t *testing.T) {
	at := func(candidate string, round int, seconds, cpu float64, why string) result {
		return result{Row: "cold", Candidate: candidate, Round: round, Seconds: seconds, CPU: cpu, HostCPU: -1, Gits: 3, Why: why, traffic: traffic{Fetch: 2}}
	}
	b := &bench{options: options{rows: rows()[:1], rtts: []time.Duration{0, time.Second}, rounds: 3}, results: []result{
		at(asGodown, 0, 1, 1, ""), at(asGo, 0, 10, 2, ""),
		at(asGodown, 1, 4, 1, ""), at(asGo, 1, 20, 10, ""),
		at(asGodown, 2, 0.1, 0.1, "it failed"), at(asGo, 2, 20, 10, ""),
	}}
	var out strings.Builder
	b.print(&out)
	var lines []string
	for l := range strings.Lines(out.String()) {
		if strings.HasPrefix(l, "| cold") {
			lines = append(lines, strings.TrimSpace(l))
		}
	}
	want := []string{
		"| cold | 0s | go | 3/3 | **20.000** (10.000–20.000) | – | 10.00 | – | 3 | 0 + 0 + 2 | 0 | 0.00 | 0 | – | – |",
		"| cold | 0s | godown | 2/3 | **4.000** (1.000–4.000) | **0.200** (0.100–0.200), target ≤ 0.22 met | 1.00 | **0.500** (0.100–0.500), target ≤ 0.40 MISSED | 3 | 0 + 0 + 2 | 0 | 0.00 | 0 | – | – |",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("the table is\n%s\nnot\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		value, target float64
		strict        bool
		want          string
	}{
		{9, 0, false, ""},
		{0.5, 0.5, false, ", target ≤ 0.50 met"},
		{0.51, 0.5, false, ", target ≤ 0.50 MISSED"},
		{0.5, 0.5, true, ", target < 0.50 MISSED"},
		{0.4, 0.5, true, ", target < 0.50 met"},
	} {
		if got := verdict(tt.value, tt.target, tt.strict); got != tt.want {
			t.Errorf("%v of %v is %q, not %q", tt.value, tt.target, got, tt.want)
		}
	}
}

func TestShow(t *testing.T) {
	for want, o := range map[string]objects{
		"9, 2, 5: none of history":                 {Commits: 9, Trees: 2, Blobs: 5},
		"9, 3, 5: 7 are enough, MISSED":            {Commits: 9, Trees: 3, Blobs: 5},
		"9, 2, 4, 2 unknown: 7 are enough, MISSED": {Commits: 9, Trees: 2, Blobs: 4, Unknown: 2},
		"0, 0, 0: none of history":                 {},
	} {
		if got := o.show(5, true); got != want {
			t.Errorf("%+v is shown as %q, not %q", o, got, want)
		}
	}
}

func TestFlags(t *testing.T) {
	o, err := parseFlags([]string{"-rows", "^(cold|list)$", "-rtt", "0s,30ms", "-proxy", "a=http://127.0.0.1:1/", "-proxy", "b=http://127.0.0.1:2", "-args", " --x  --y=z", "-dir", t.TempDir()})
	if err != nil || len(o.rows) != 2 || o.rtts[1] != 30*time.Millisecond || o.proxies["a"] != "http://127.0.0.1:1" || len(o.proxies) != 2 || len(o.args) != 2 {
		t.Errorf("options are %+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-rtt", "x"}, {"-rtt", "-1s"}, {"-rounds", "0"}, {"-rows", "none"}, {"-rows", "("}, {"-proxy", "go=http://h"}, {"-proxy", "h"}, {"-mb", "0"}, {"more"}} {
		if _, err := parseFlags(append(bad, "-dir", t.TempDir())); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
