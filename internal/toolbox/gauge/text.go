package gauge

import (
	"fmt"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

const (
	barWidth  = 12  // columns
	wideTable = 100 // columns from which on the table has all of its own
)

// Print writes a report for people: a table, the best first, what else is to know
// of each mirror, and what is to be done.
func (r *Report) Print(p *term.Printer, a Advice) {
	r.table(p)
	fmt.Fprintln(p.W)
	r.loud(p)
	for _, one := range r.Results {
		if one.Usable() {
			p.Para(0, p.Paint(term.Strong, fmt.Sprintf("%d  %s", one.Rank, one.Mirror)))
			for _, t := range one.details() {
				p.Para(3, p.Sprint(t))
			}
		}
	}
	fmt.Fprintln(p.W)
	if t := r.database(); !t.IsZero() {
		p.Say(t)
	}
	r.Recommend(p, a)
}

// Recommend writes the advice.
func (r *Report) Recommend(p *term.Printer, a Advice) {
	if r.Interrupted && a.Best != nil {
		p.Say(lang.Text{En: "Stopped before the end; this is what is known so far.", Zh: "测量提前中断，以下是目前已知的结果。"})
	}
	p.Para(0, p.Paint(term.Strong, p.Sprint(a.Text)))
	for _, t := range a.More {
		p.Say(t)
	}
	if a.Best != nil && a.Refuse.IsZero() {
		p.Line(2, p.Paint(term.Command, "go env -w GOPROXY="+quote(a.Shown)))
		if a.GOSUM != "" {
			p.Line(2, p.Paint(term.Command, "go env -w GOSUMDB="+a.GOSUM))
		}
	}
	if a.Best != nil && !a.Refuse.IsZero() {
		p.Say(refusal(), a.Refuse)
	}
}

// refusal says that what is recommended must not be set; it takes the reason.
func refusal() lang.Text {
	return lang.Text{En: "Do not use it yet: %s.", Zh: "请先不要使用它：%s。"}
}

// quote quotes a value for all usual shells where it needs that.
func quote(value string) string {
	if strings.Contains(value, "|") {
		return `"` + value + `"`
	}
	return value
}

// loud tells of those that lie, so that nobody can miss it.
func (r *Report) loud(p *term.Printer) {
	for _, one := range r.Results {
		if one.Verdict == Lies {
			p.Para(0, p.Paint(term.Bad, "!! "+one.Mirror+": "+p.Sprint(one.Why)))
			p.Para(3, p.Sprint(lang.Text{
				En: "Do not use it. The go command would stop with a checksum mismatch where it checks, and build other code where it does not.",
				Zh: "不要使用它。开启校验时 go 命令会报 checksum mismatch；不校验时编译的就是别的代码。",
			}))
			fmt.Fprintln(p.W)
		}
	}
}

func (r *Report) table(p *term.Printer) {
	wide := p.Width == 0 || p.Width >= wideTable
	columns := []term.Column{
		{Title: lang.Same("#"), Right: true},
		{Title: lang.Text{En: "MIRROR", Zh: "镜像"}, Shrink: true},
		{Title: lang.Text{En: "BUILD", Zh: "构建"}, Right: true},
	}
	if wide {
		columns = append(columns, term.Column{Title: lang.Same("")})
	}
	columns = append(columns,
		term.Column{Title: lang.Text{En: "ANSWER", Zh: "响应"}, Right: true},
		term.Column{Title: lang.Text{En: "MB/S", Zh: "MB/s"}, Right: true},
	)
	if wide {
		columns = append(columns, term.Column{Title: lang.Same(fmt.Sprintf("×%d", lanes)), Right: true})
	}
	columns = append(columns,
		term.Column{Title: lang.Text{En: "OK", Zh: "成功"}, Right: true},
		term.Column{Title: lang.Text{En: "BYTES", Zh: "内容"}},
		term.Column{Title: lang.Text{En: "VERDICT", Zh: "结论"}, Shrink: true},
	)
	var rows [][]term.Cell
	for _, one := range r.Results {
		style := one.style()
		row := []term.Cell{{Text: fmt.Sprint(one.Rank)}, {Text: term.Clip(short(one.Mirror), 60), Style: style}, {Text: seconds(one.Estimate)}}
		if wide {
			row = append(row, term.Cell{Text: term.Bar(r.part(one), barWidth), Style: style})
		}
		row = append(row, term.Cell{Text: seconds(one.FirstByte)}, term.Cell{Text: megabytes(one.One)})
		if wide {
			row = append(row, term.Cell{Text: megabytes(one.Several)})
		}
		verdict := p.Sprint(one.Verdict.text())
		if one.Verdict != Good && one.Verdict != Lies {
			verdict += p.Sprint(lang.Text{En: ": ", Zh: "："}) + p.Sprint(one.Why)
		}
		row = append(row, term.Cell{Text: success(one)}, term.Cell{Text: p.Sprint(one.Proof.text()), Style: one.Proof.style()}, term.Cell{Text: term.Clean(verdict), Style: style})
		rows = append(rows, row)
	}
	fmt.Fprint(p.W, p.Table(columns, rows))
}

// part is the length of a mirror's bar: the slowest has a whole one.
func (r *Report) part(one *Result) float64 {
	var most time.Duration
	for _, other := range r.Results {
		most = max(most, other.Estimate)
	}
	if most == 0 {
		return 0
	}
	return float64(one.Estimate) / float64(most)
}

func (r *Result) style() term.Style {
	switch r.Verdict {
	case Good:
		return term.Good
	case Flaky:
		return term.Warn
	case Unmeasured:
		return term.Dim
	}
	return term.Bad
}

func (v Verdict) text() lang.Text {
	return map[Verdict]lang.Text{
		Good:       {En: "good", Zh: "良好"},
		Flaky:      {En: "flaky", Zh: "不稳定"},
		Broken:     {En: "broken", Zh: "故障"},
		Empty:      {En: "empty", Zh: "无内容"},
		Refuses:    {En: "refuses", Zh: "拒绝"},
		Portal:     {En: "no mirror", Zh: "不是镜像"},
		Dead:       {En: "dead", Zh: "不通"},
		Unmeasured: {En: "not measured", Zh: "未测量"},
		Lies:       {En: "WRONG BYTES", Zh: "内容错误"},
	}[v]
}

func (p Proof) text() lang.Text {
	return map[Proof]lang.Text{
		Proven:   {En: "proven", Zh: "已证实"},
		Known:    {En: "as known", Zh: "与已知一致"},
		Wrong:    {En: "WRONG", Zh: "错误"},
		Unproven: {En: "unproven", Zh: "未证实"},
		Unread:   {En: "-", Zh: "-"},
	}[p]
}

func (p Proof) style() term.Style {
	switch p {
	case Proven, Known:
		return term.Good
	case Wrong:
		return term.Bad
	case Unproven:
		return term.Warn
	}
	return term.Dim
}

func success(r *Result) string {
	if r.Requests == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", r.Requests-r.Failures, r.Requests)
}

func megabytes(rate float64) string {
	switch {
	case rate <= 0:
		return "-"
	case rate < 10e6:
		return fmt.Sprintf("%.2f", rate/1e6)
	}
	return fmt.Sprintf("%.0f", rate/1e6)
}

// details says what else is known of a mirror, a line each.
func (r *Result) details() []lang.Text {
	var lines []lang.Text
	way := lang.Text{En: "DNS %s, connect %s, TLS %s, to %s by %s", Zh: "DNS %s，连接 %s，TLS %s，地址 %s，%s"}.
		With(seconds(r.DNS), seconds(r.Connect), seconds(r.TLS), r.Remote, r.Proto)
	if r.Via != "" {
		way = lang.Text{En: "%s, through %s", Zh: "%s，经由 %s"}.With(way, r.Via)
	}
	if r.Issuer != "" {
		way = lang.Text{En: "%s, certificate by %s", Zh: "%s，证书颁发者 %s"}.With(way, term.Clip(r.Issuer, 60))
	}
	absent := map[Answer]lang.Text{
		Yes: {En: "404 for what does not exist", Zh: "不存在的版本返回 404"}, No: {En: "NO 404 for what does not exist", Zh: "不存在的版本不返回 404"},
		Bad: {En: "HAS AN ANSWER for what does not exist", Zh: "不存在的版本也返回内容"}, Unknown: {En: "not asked for what does not exist", Zh: "未测试不存在的版本"},
	}[r.Absent]
	lines = append(lines, way, lang.Text{En: "/sumdb/ %s · ranges %s · @latest %s · %s", Zh: "/sumdb/ %s · Range %s · @latest %s · %s"}.
		With(r.SumDB.text(), r.Range.text(), r.Latest.text(), absent))
	if r.Stranded {
		lines = append(lines, lang.Text{
			En: "it passes no checksum database on, which does not answer straight either: modules that are new in go.sum cannot be verified",
			Zh: "它不转发校验和数据库，而本机也直连不上：go.sum 中没有的新模块将无法校验",
		})
	}
	if len(r.Redirects) > 0 {
		lines = append(lines, lang.Text{En: "redirects to %s", Zh: "重定向到 %s"}.With(term.Clean(strings.Join(r.Redirects, ", "))))
	}
	if f := r.Fresh; f.Lists > 0 {
		lines = append(lines, f.text())
	}
	if r.Capped {
		lines = append(lines, lang.Text{En: "it had its share of requests, bytes or time, and was asked for no more", Zh: "已达到请求数、流量或时间上限，没有继续请求"})
	}
	return lines
}

func (a Answer) text() lang.Text {
	return map[Answer]lang.Text{
		Yes: {En: "yes", Zh: "支持"}, No: {En: "no", Zh: "不支持"}, Bad: {En: "WRONG", Zh: "有误"}, Unknown: {En: "?", Zh: "未知"},
	}[a]
}

// text says how fresh a mirror's lists are.
func (f Freshness) text() lang.Text {
	var t lang.Text
	switch {
	case f.Alone:
		t = lang.Text{En: "version lists: nothing to compare with", Zh: "版本列表：没有其他镜像可供比较"}
	case f.Behind == 0:
		t = lang.Text{En: "version lists: complete", Zh: "版本列表：完整"}
	case f.Lag > 0:
		t = lang.Text{En: "version lists: %d versions behind the other mirrors, at least %s", Zh: "版本列表：比其他镜像少 %d 个版本，至少落后 %s"}.With(f.Behind, age(f.Lag))
	default:
		t = lang.Text{En: "version lists: %d versions behind the other mirrors", Zh: "版本列表：比其他镜像少 %d 个版本"}.With(f.Behind)
	}
	if f.Version == "" {
		return t
	}
	has := map[Answer]lang.Text{
		Yes: {En: "it has", Zh: "有"}, No: {En: "it lacks", Zh: "没有"}, Unknown: {En: "it was not asked for", Zh: "未查询"},
	}[f.Has]
	return lang.Text{En: "%s; %s %s@%s of %s", Zh: "%s；%s %s@%s（%s 发布）"}.
		With(t, has, f.Module, f.Version, f.Released.UTC().Format("2006-01-02 15:04 MST"))
}

// age returns a long time as people read it.
func age(d time.Duration) lang.Text {
	switch {
	case d < time.Hour:
		return lang.Text{En: "%d min", Zh: "%d 分钟"}.With(int(d.Minutes()))
	case d < 48*time.Hour:
		return lang.Text{En: "%d h", Zh: "%d 小时"}.With(int(d.Hours()))
	}
	return lang.Text{En: "%d days", Zh: "%d 天"}.With(int(d.Hours() / 24))
}

// database says how the checksum database was reached.
func (r *Report) database() lang.Text {
	s := r.SumDB
	switch {
	case s.Off:
		return lang.Text{En: "The checksum database is switched off: nothing that mirrors gave was compared with it.", Zh: "校验和数据库已关闭：没有用它校验镜像给出的内容。"}
	case s.Through == "" && s.Straight == No:
		return lang.Text{En: "The checksum database %s cannot be reached, by no mirror and not straight.", Zh: "校验和数据库 %s 无法访问：没有镜像转发，直连也不通。"}.With(s.Name)
	case s.Straight == No && s.Through != "":
		return lang.Text{En: "The checksum database %s was reached by %s; it does not answer straight.", Zh: "校验和数据库 %s 经由 %s 访问；直连不通。"}.With(s.Name, short(s.Through))
	}
	return lang.Text{}
}
