package gauge

import (
	_ "embed"
	"fmt"
	"html"
	"html/template"
	"io"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

//go:embed page.html
var pageText string

// A page is what the template of the page is given.
type page struct {
	Code    string
	Chinese bool
	Title   string
	Heading lang.Text
	Stamp   string
	Date    string
	Took    lang.Text
	Advice  Advice
	None    bool
	Refuse  lang.Text // why it must not be set yet
	Command string
	Lies    []*Result
	Charts  []chart
	Columns []term.Column
	Rows    []pageRow
	Words   struct{ Table, Meaning lang.Text }
	Terms   []struct{ Name, Means lang.Text }
}

type chart struct {
	Title, About lang.Text
	Keys         []key
	SVG          template.HTML
}

type key struct {
	Class string
	Text  lang.Text
}

type pageRow struct {
	Rank                                      int
	Mirror, Note, Class                       string
	Verdict, Why                              lang.Text
	Estimate, Answer, One, Several, OK, Proto string
	Proof, SumDB, Range, Latest, Fresh        lang.Text
}

// both puts a text into a page in both languages, of which one is shown.
func both(t lang.Text) template.HTML {
	if t.En == t.Zh || t.Zh == "" {
		return template.HTML(html.EscapeString(t.En))
	}
	return template.HTML(`<span lang="en">` + html.EscapeString(t.En) + `</span><span lang="zh-CN">` + html.EscapeString(t.Zh) + `</span>`)
}

// WritePage writes the report as one page for a browser, in both languages, with
// charts and without anything from elsewhere. Past are earlier reports of the same mirrors, the oldest first.
func (r *Report) WritePage(w io.Writer, a Advice, l lang.Language, past []*Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{"both": both}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("the page's template: %w", err)
	}
	p := page{
		Code: "en", Chinese: l == lang.Chinese, Title: "Go module mirrors, measured · Go 模块镜像测量",
		Heading: lang.Text{En: "Go module mirrors, measured", Zh: "Go 模块镜像测量"},
		Stamp:   r.Started.UTC().Format(time.RFC3339), Date: r.Started.Format("2006-01-02 15:04:05 MST"),
		Took:   lang.Text{En: "measured in %s", Zh: "测量用时 %s"}.With(seconds(r.Took)),
		Advice: a, None: a.Best == nil || !a.Refuse.IsZero(),
		Charts: r.charts(past), Rows: r.pageRows(), Columns: pageColumns(), Terms: r.terms(),
	}
	if a.Best != nil && !a.Refuse.IsZero() {
		p.Refuse = refusal().With(a.Refuse)
	}
	if p.Chinese {
		p.Code = "zh-CN"
	}
	p.Words.Table, p.Words.Meaning = lang.Text{En: "All figures", Zh: "全部数据"}, lang.Text{En: "What the figures mean", Zh: "各项数据的含义"}
	if a.Best != nil && a.Refuse.IsZero() {
		p.Command = "go env -w GOPROXY=" + quote(a.Shown)
		if a.GOSUM != "" {
			p.Command += "\ngo env -w GOSUMDB=" + a.GOSUM
		}
	}
	for _, one := range r.Results {
		if one.Verdict == Lies {
			p.Lies = append(p.Lies, one)
		}
	}
	return t.Execute(w, p)
}

// charts draws the charts.
func (r *Report) charts(past []*Report) []chart {
	build, first, through := chart{}, chart{}, chart{}
	build.Title = lang.Text{En: "Estimated time of a cold build", Zh: "冷构建预计用时"}
	build.About = lang.Text{
		En: "%d modules, %d MB, %d requests at a time, nothing cached: shorter is better.",
		Zh: "%d 个模块，共 %d MB，同时 %d 个请求，本地无缓存：越短越好。",
	}.With(r.Build.Modules, r.Build.Bytes>>20, r.Build.Abreast)
	first.Title = lang.Text{En: "The first request", Zh: "首次请求"}
	first.About = lang.Text{En: "What has to be done before the first byte can be asked for, and the usual wait for a small file after that.", Zh: "发出第一个请求之前的准备，以及此后小文件的通常等待时间。"}
	first.Keys = []key{{"k-a", lang.Text{En: "DNS and connecting", Zh: "DNS 与建立连接"}}, {"k-b", lang.Text{En: "TLS handshake", Zh: "TLS 握手"}}, {"k-c", lang.Text{En: "a small file", Zh: "小文件"}}}
	through.Title = lang.Text{En: "Throughput", Zh: "下载速度"}
	through.About = lang.Text{En: "MB a second: longer is better.", Zh: "每秒 MB 数：越长越好。"}
	through.Keys = []key{{"k-a", lang.Text{En: "one connection", Zh: "单连接"}}, {"k-b", lang.Text{En: "%d connections", Zh: "%d 个连接"}.With(lanes)}}
	var estimates, firsts, rates []bar
	for _, one := range r.Results {
		name := short(one.Mirror)
		if !one.Usable() {
			t := one.Verdict.text()
			estimates = append(estimates, bar{label: name, value: t.En + " / " + t.Zh, bad: one.Verdict != Unmeasured})
			continue
		}
		class := "f-good"
		if one.Verdict == Flaky {
			class = "f-warn"
		}
		estimates = append(estimates, bar{label: name, parts: []part{{float64(one.Estimate), class}}, value: seconds(one.Estimate)})
		firsts = append(firsts, bar{
			label: name, value: seconds(one.DNS + one.Connect + one.TLS + one.FirstByte),
			parts: []part{{float64(one.DNS + one.Connect), "f-a"}, {float64(one.TLS), "f-b"}, {float64(one.FirstByte), "f-c"}},
		})
		if one.One > 0 {
			rates = append(rates, bar{label: name, parts: []part{{one.One, "f-a"}}, value: megabytes(one.One)})
		}
		if one.Several > 0 {
			rates = append(rates, bar{parts: []part{{one.Several, "f-b"}}, value: fmt.Sprintf("%s ×%d", megabytes(one.Several), one.Lanes)})
		}
	}
	build.SVG = bars(build.Title, estimates)
	all := []chart{build}
	if len(past) > 0 {
		all = append(all, r.history(past))
	}
	if len(firsts) > 0 {
		first.SVG = bars(first.Title, firsts)
		all = append(all, first)
	}
	if len(rates) > 0 {
		through.SVG = bars(through.Title, rates)
		all = append(all, through)
	}
	return all
}

// history draws the estimates of all reports.
func (r *Report) history(past []*Report) chart {
	c := chart{
		Title: lang.Text{En: "Estimates over time", Zh: "预计用时的变化"},
		About: lang.Text{En: "%d measurements since %s. A gap is a measurement in which the mirror could not be used.", Zh: "自 %[2]s 起共 %[1]d 次测量。断开处表示当时该镜像不可用。"}.
			With(len(past)+1, past[0].Started.Format("2006-01-02 15:04:05")),
	}
	var all []line
	for _, one := range r.Results {
		l := line{label: short(one.Mirror)}
		for _, report := range append(past[:len(past):len(past)], r) {
			l.values = append(l.values, report.value(one.Mirror))
		}
		all = append(all, l)
	}
	c.SVG = lines(c.Title, all, func(v float64) string { return seconds(time.Duration(v)) })
	return c
}

// value is the estimate of a mirror; negative if it could not be used.
func (r *Report) value(shown string) float64 {
	for _, one := range r.Results {
		if one.Mirror == shown && one.Usable() {
			return float64(one.Estimate)
		}
	}
	return -1
}

func pageColumns() []term.Column {
	return []term.Column{
		{Title: lang.Text{En: "Mirror", Zh: "镜像"}}, {Title: lang.Text{En: "Verdict", Zh: "结论"}}, {Title: lang.Text{En: "Build", Zh: "构建"}, Right: true},
		{Title: lang.Text{En: "Answer", Zh: "响应"}, Right: true}, {Title: lang.Same("MB/s"), Right: true}, {Title: lang.Same(fmt.Sprintf("×%d", lanes)), Right: true},
		{Title: lang.Text{En: "OK", Zh: "成功"}, Right: true}, {Title: lang.Text{En: "Bytes", Zh: "内容"}}, {Title: lang.Same("/sumdb/")}, {Title: lang.Same("Range")},
		{Title: lang.Same("@latest")}, {Title: lang.Text{En: "Protocol", Zh: "协议"}}, {Title: lang.Text{En: "Lists", Zh: "版本列表"}},
	}
}

func (r *Report) pageRows() []pageRow {
	var rows []pageRow
	for _, one := range r.Results {
		row := pageRow{
			Rank: one.Rank, Mirror: one.Mirror, Note: one.Note.En, Verdict: one.Verdict.text(), Why: one.Why,
			Class:    map[term.Style]string{term.Good: "good", term.Warn: "warn", term.Bad: "bad"}[one.style()],
			Estimate: seconds(one.Estimate), Answer: seconds(one.FirstByte), One: megabytes(one.One), Several: megabytes(one.Several),
			OK: success(one), Proto: one.Proto, Proof: one.Proof.text(), SumDB: one.SumDB.text(), Range: one.Range.text(), Latest: one.Latest.text(),
		}
		if one.Fresh.Lists > 0 {
			row.Fresh = one.Fresh.text()
		}
		rows = append(rows, row)
	}
	return rows
}

// terms explains each figure.
func (r *Report) terms() []struct{ Name, Means lang.Text } {
	return []struct{ Name, Means lang.Text }{
		{lang.Text{En: "Build", Zh: "构建"}, lang.Text{
			En: "The time that fetching %d modules of %d MB in all would take, computed from what was measured: connecting once, then %d requests at a time, each waiting as long as the median here, and all bytes at the speed of one connection. If a share of the requests failed, the whole is longer by that share. The ranking goes by this figure; mirrors whose speed is not known, as their larger zips failed, come after the others, and so do those that leave the go command without any way to the checksum database.",
			Zh: "取得 %d 个模块、共 %d MB 预计需要的时间，由实测值推算：建立一次连接，之后同时 %d 个请求，每个请求等待此处的中位数，全部数据按单连接速度下载。若有请求失败，按失败比例加长。排名依据这一项；较大的 zip 下载失败因而速度未知的镜像，以及让 go 命令无法访问校验和数据库的镜像，排在其他镜像之后。",
		}.With(r.Build.Modules, r.Build.Bytes>>20, r.Build.Abreast)},
		{lang.Text{En: "Answer", Zh: "响应"}, lang.Text{En: "Median time from asking for a small file (.info, .mod) to having all of it, over a connection that was there already.", Zh: "在已有连接上请求一个小文件（.info、.mod）到取得全部内容的时间，取中位数。"}},
		{lang.Same(fmt.Sprintf("MB/s, ×%d", lanes)), lang.Text{En: "Speed of the largest zip once its first byte was there: over one connection, and over several at a time. 1 MB is 1,000,000 bytes.", Zh: "最大的 zip 从第一个字节起的下载速度：单连接，以及多个连接同时下载。1 MB 为 1,000,000 字节。"}},
		{lang.Text{En: "OK", Zh: "成功"}, lang.Text{En: "How many of the requests succeeded. That a mirror says no to what it need not know is no failure.", Zh: "成功的请求数。镜像对协议中可选的部分回答“没有”不算失败。"}},
		{lang.Text{En: "Bytes", Zh: "内容"}, lang.Text{En: "Whether the .mod and .zip files have the hashes that the checksum database has signed for them. “As known” means that the database could not be reached, and they were compared with hashes that godown has built in.", Zh: "镜像给出的 .mod 和 .zip 与校验和数据库签名记录的哈希是否一致。“与已知一致”表示连不上数据库，改与 godown 内置的哈希比较。"}},
		{lang.Same("/sumdb/"), lang.Text{En: "Whether the mirror passes the checksum database on. If it does not, the go command contacts the database itself, which is not possible everywhere.", Zh: "镜像是否转发校验和数据库。不转发时 go 命令会直接访问数据库，而这并非处处可行。"}},
		{lang.Same("Range"), lang.Text{En: "Whether it gives a part of a zip on request, rightly. The go command does not need that; a godown in front of it does, to resume and to use several mirrors for one zip.", Zh: "能否正确返回 zip 的一部分。go 命令用不到；前面的 godown 靠它断点续传、用多个镜像下载同一个 zip。"}},
		{lang.Same("@latest"), lang.Text{En: "Whether it names the newest version of a module, which is needed for modules without any tagged version.", Zh: "能否回答模块的最新版本；没有任何 tag 的模块需要它。"}},
		{lang.Text{En: "Lists", Zh: "版本列表"}, lang.Text{En: "How many versions of some often released modules other mirrors list and this one does not, and whether it has the newest.", Zh: "对于几个频繁发布的模块，其他镜像列出而它没有列出的版本数，以及它是否有最新版本。"}},
	}
}
