package gauge

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden shows the texts in both languages.
func TestGolden(t *testing.T) {
	r := golden()
	for _, l := range []lang.Language{lang.English, lang.Chinese} {
		for name, width := range map[string]int{"wide": 0, "narrow": 80} {
			var out bytes.Buffer
			r.Print(&term.Printer{W: &out, Lang: l, Width: width}, r.Advise("direct"))
			compare(t, name+"."+l.String()+".txt", out.Bytes())
		}
		var out bytes.Buffer
		r.PrintRound(&term.Printer{W: &out, Lang: l}, r.Advise("direct"), []*Report{r, {Started: r.Started}})
		compare(t, "round."+l.String()+".txt", out.Bytes())
		out.Reset()
		if err := r.WritePage(&out, r.Advise("direct"), l, []*Report{r}); err != nil {
			t.Fatal(err)
		}
		compare(t, "page."+l.String()+".html", out.Bytes())
	}
	var out bytes.Buffer
	if err := r.WriteCSV(&out, true); err != nil {
		t.Fatal(err)
	}
	compare(t, "report.csv", out.Bytes())
}

// compare compares with a golden file.
func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not as it was; rewrite it with -update if that is meant:\n%s", name, got)
	}
}

// golden returns a report with one mirror of each kind.
func golden() *Report {
	ms := time.Millisecond
	target := func(host, group string) Target {
		return Target{URL: &url.URL{Scheme: "https", Host: host}, Groups: []string{group}}
	}
	r := &Report{
		Started: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), Took: 12 * time.Second, Modules: Modules(), Build: TypicalBuild(),
		SumDB: SumDBReport{Name: "sum.golang.org", Through: "https://fast.example", Straight: No, Failure: &probe.Failure{Kind: probe.DNSNotFound}, Instead: "sum.golang.google.cn"},
	}
	add := func(t Target, v Verdict, why lang.Text, res Result) {
		res.target, res.Mirror, res.Groups, res.Verdict, res.Why = t, Shown(t.URL), t.Groups, v, why
		if res.Proof == "" {
			res.Proof = Unread
		}
		for _, a := range []*Answer{&res.SumDB, &res.Range, &res.Latest, &res.Absent} {
			if *a == "" {
				*a = Unknown
			}
		}
		if res.Usable() {
			res.Estimate, res.NoRate = r.Build.estimate(&res), res.One == 0
		}
		r.Results = append(r.Results, &res)
	}
	add(target("fast.example", "cn"), Good, lang.Same("all came"), Result{
		DNS: 2 * ms, Connect: 8 * ms, TLS: 17 * ms, FirstByte: 12 * ms, ZipFirst: 15 * ms, One: 8e6, Several: 21e6, Lanes: 4, Remote: "192.0.2.1:443", Proto: "HTTP/2.0",
		Issuer: "CN=Example CA", Requests: 24, Bytes: 7e6, Proof: Proven, SumDB: No, Range: Yes, Latest: Yes, Absent: Yes,
		Fresh: Freshness{Lists: 3, Behind: 2, Lag: 50 * time.Hour, Module: "example.com/m", Version: "v1.2.3", Released: time.Date(2026, 2, 1, 2, 0, 0, 0, time.UTC), Has: Yes},
	})
	add(target("slow.example", "cn"), Flaky, lang.Text{En: "1 of 24 requests failed: timeout while connecting", Zh: "1/24 个请求失败：建立连接超时"}, Result{
		DNS: 20 * ms, Connect: 180 * ms, TLS: 370 * ms, FirstByte: 190 * ms, ZipFirst: 250 * ms, One: 400e3, Remote: "192.0.2.2:443", Proto: "HTTP/1.1",
		Requests: 24, Failures: 1, Bytes: 7e6, Proof: Proven, SumDB: Yes, Range: Bad, Latest: No, Absent: Yes, Redirects: []string{"store.example"}, Via: "http://proxy.example:3128",
		Fresh: Freshness{Lists: 3, Alone: true, Has: Unknown}, Capped: true,
	})
	add(target("hotel.example", FromArgument), Portal, lang.Text{En: "it answers with HTML pages", Zh: "返回的是 HTML 页面"}, Result{Requests: 9, Failures: 8, Proto: "HTTP/1.1", Remote: "192.0.2.9:443"})
	add(target("dead.example", FromEnvironment), Dead, lang.Text{En: "its name cannot be resolved", Zh: "域名无法解析"}, Result{Requests: 1, Failures: 1})
	add(target("liar.example", "cn"), Lies, lang.Text{En: "WRONG BYTES: its .zip of example.com/m@v1.0.0 has the hash h1:a; it must be h1:b", Zh: "内容错误：它给出的 example.com/m@v1.0.0 的 .zip 哈希为 h1:a，应为 h1:b"}, Result{
		Requests: 20, FirstByte: 5 * ms, Proof: Wrong, Proto: "HTTP/2.0", Remote: "192.0.2.6:443", SumDB: Yes, Range: Yes, Latest: Yes, Absent: Yes,
	})
	r.rank()
	return r
}

// The page asks nothing of anybody, and is whole.
func TestPageIsSelfContained(t *testing.T) {
	w := newWorld(t)
	w.mirror(t, FromArgument, "")
	r := Measure(t.Context(), w.plan)
	r.Results[0].Note = lang.Same(`<script>alert("x")</script>`)
	var out bytes.Buffer
	if err := r.WritePage(&out, r.Advise("direct"), lang.Chinese, nil); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	if m := regexp.MustCompile(`(?i)<script|<link|<img|<iframe|@import|url\(|\bsrc=|\bhref=`).FindString(page); m != "" {
		t.Errorf("the page has %q", m)
	}
	for _, want := range []string{`<html lang="zh-CN">`, `id="zh" checked`, "冷构建", "cold build", "<svg", "</html>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// Each field of --json is documented.
func TestSchema(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "bench.md"))
	if err != nil {
		t.Fatal(err)
	}
	r := golden()
	r.Results[0].Files = []File{{Name: "zip"}}
	var out bytes.Buffer
	if err := r.WriteJSON(&out, r.Advise("direct"), lang.English, true); err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(out.Bytes(), &value); err != nil {
		t.Fatal(err)
	}
	var fields func(prefix string, v any)
	fields = func(prefix string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				if !strings.Contains(string(doc), "| `"+prefix+name+"` |") {
					t.Errorf("docs/bench.md has no line for `%s%s`", prefix, name)
				}
				fields(prefix+name+".", inner)
			}
		case []any:
			if len(v) > 0 {
				fields(strings.TrimSuffix(prefix, ".")+"[].", v[0])
			}
		}
	}
	fields("", value)
	for _, name := range CSVHeader() {
		if !strings.Contains(string(doc), name+"`") {
			t.Errorf("docs/bench.md does not know the column %s", name)
		}
	}
	for _, v := range Verdicts() {
		if !strings.Contains(string(doc), "`"+string(v)+"`") || v.text().En == "" || v.text().Zh == "" {
			t.Errorf("the verdict %s is not documented, or has no words", v)
		}
	}
}
