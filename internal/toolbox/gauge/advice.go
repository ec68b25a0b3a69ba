package gauge

import (
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// The groups of targets that are none of presets.
const (
	FromEnvironment = "environment" // it is in the GOPROXY that is in force
	FromArgument    = "argument"    // it was named by its URL
)

// Advice is what a report comes to.
type Advice struct {
	Best   *Result   // nil: none can be used
	Text   lang.Text // one sentence
	More   []lang.Text
	Value  string    // of GOPROXY, with credentials; "" if there is no best
	Shown  string    // the same, as it may be shown
	GOSUM  string    // the value that GOSUMDB should have besides; "" if it may stay as it is
	Refuse lang.Text // why Value must not be set; zero: it may be
}

// Advise says which mirror to use. tail is the word at the end of the list that is in
// force: "direct", "off" or "".
func (r *Report) Advise(tail string) Advice {
	best := r.Best()
	if best == nil {
		return Advice{Text: r.none(), Refuse: lang.Text{En: "no mirror can be used", Zh: "没有可用的镜像"}}
	}
	a := Advice{Best: best}
	var next *Result
	if len(r.Results) > 1 && r.Results[1].Usable() {
		next = r.Results[1]
	}
	a.Text = r.reason(best, next)
	urls, shown := []string{best.target.URL.String()}, []string{best.Mirror}
	if next != nil && best.public() && next.public() && next.sound() && next.Verdict == Good && !next.Stranded {
		urls, shown = append(urls, next.target.URL.String()), append(shown, next.Mirror)
		a.More = append(a.More, lang.Text{
			En: "The go command tries a mirror once; with | the second stands in whenever the first fails.",
			Zh: "go 命令对每个镜像只试一次；用 | 分隔后，前一个出任何错误都会改用后一个。",
		})
	}
	a.Value, a.Shown = strings.Join(urls, "|"), strings.Join(shown, "|")
	if tail != "" {
		a.Value, a.Shown = a.Value+","+tail, a.Shown+","+tail
	}
	if best.SumDB == No && r.SumDB.Straight == No && r.SumDB.Instead != "" {
		a.GOSUM = r.SumDB.Instead
		a.More = append(a.More, lang.Text{
			En: "It passes no checksum database on, and %s cannot be reached from here: set GOSUMDB=%s too, which is the same database.",
			Zh: "它不转发校验和数据库，而本机又连不上 %s：请同时设置 GOSUMDB=%s，那是同一个数据库。",
		}.With(r.SumDB.Name, r.SumDB.Instead))
	}
	if best.Stranded {
		a.More = append(a.More, lang.Text{
			En: "It passes no checksum database on, and %s cannot be reached from here: the go command cannot verify modules that are new in go.sum. Another network, or an outbound proxy for it, would mend that.",
			Zh: "它不转发校验和数据库，而本机又连不上 %s：go 命令无法校验 go.sum 中没有的新模块。换个网络，或为它配置网络代理即可解决。",
		}.With(r.SumDB.Name))
	}
	switch {
	case best.sound():
	case best.Proof == Unproven && r.SumDB.Off:
		a.More = append(a.More, lang.Text{
			En: "What it gave could not be verified: the checksum database is switched off.",
			Zh: "它给出的内容无法校验：校验和数据库已被关闭。",
		})
	case slices.ContainsFunc(best.Files, func(f File) bool { return f.Proof == Proven || f.Proof == Known }):
		a.Refuse = lang.Text{En: "no zip of it arrived whole, so that none could be verified", Zh: "没有一个 zip 完整到达，因此无法校验"}
	default:
		a.Refuse = lang.Text{
			En: "what it gave could not be verified: no way to the checksum database was found",
			Zh: "它给出的内容无法校验：连不上校验和数据库",
		}
	}
	if len(r.own) > 0 && best.public() && !slices.Contains(best.Groups, FromArgument) && !slices.Contains(r.own, best.Mirror) {
		a.Refuse = lang.Text{
			En: "GOPROXY has a proxy of your own, %s; without it, what only it has would not be found, and %s would learn the names of those modules. If that is meant, name the mirror by its URL",
			Zh: "GOPROXY 中有你自己的代理 %s；换掉它以后，只有它才有的模块会找不到，这些模块的名称也会被 %s 得知。若确实要换，请直接写出镜像的 URL",
		}.With(strings.Join(r.own, ", "), short(best.Mirror))
	}
	return a
}

// public reports whether a mirror is one of the presets: a company's own proxy is not,
// and a list that goes on to another after its errors would go round it.
func (r *Result) public() bool {
	return slices.ContainsFunc(r.Groups, func(g string) bool { return g != FromEnvironment && g != FromArgument })
}

// sound reports whether all bytes that it gave are proven.
func (r *Result) sound() bool { return r.Proof == Proven || r.Proof == Known }

// none says that there is nothing to choose from.
func (r *Report) none() lang.Text {
	dead := 0
	for _, one := range r.Results {
		if one.Verdict == Dead {
			dead++
		}
	}
	switch {
	case r.Interrupted:
		return lang.Text{En: "Stopped before any mirror was measured.", Zh: "还没有测完任何镜像就被中断了。"}
	case dead == len(r.Results):
		return lang.Text{
			En: "None of them can be reached: look at the network first, or at the outbound proxy ('godown doctor').",
			Zh: "没有一个镜像连得上：请先检查网络和网络代理（godown doctor）。",
		}
	}
	return lang.Text{En: "None of them can be used.", Zh: "没有可用的镜像。"}
}

// reason is the sentence that names the best, and says why it is.
func (r *Report) reason(best, next *Result) lang.Text {
	var why lang.Text
	build := lang.Text{En: "a cold build of %d modules (%d MB) would take some %s", Zh: "冷构建 %d 个模块（%d MB）预计约 %s"}.
		With(r.Build.Modules, r.Build.Bytes>>20, seconds(best.Estimate))
	if best.NoRate {
		build = lang.Text{En: "a cold build of %d modules would wait some %s for answers", Zh: "冷构建 %d 个模块预计等待响应约 %s"}.
			With(r.Build.Modules, seconds(best.Estimate))
	}
	switch {
	case next == nil && r.Interrupted && len(r.Results) > 1:
		why = lang.Text{En: "it is the only one that was measured before the stop; with it %s", Zh: "中断前只测完了它；%s"}.With(build)
	case next == nil && len(r.Results) > 1:
		why = lang.Text{En: "it is the only one that can be used; with it %s", Zh: "只有它可用；%s"}.With(build)
	case next == nil:
		why = lang.Text{En: "with it %s", Zh: "%s"}.With(build)
	default:
		why = lang.Text{En: "with it %s, with the next best (%s) %s", Zh: "%s，次优的 %s 约 %s"}.With(build, short(next.Mirror), seconds(next.Estimate))
	}
	proof := lang.Text{En: "", Zh: ""}
	switch best.Proof {
	case Proven:
		proof = lang.Text{En: ", and the checksum database proves what it gave", Zh: "，且内容已由校验和数据库证实"}
	case Known:
		proof = lang.Text{En: ", and what it gave is what it should be", Zh: "，且内容与已知哈希一致"}
	}
	return lang.Text{En: "Use %s: %s%s.", Zh: "建议使用 %s：%s%s。"}.With(short(best.Mirror), why, proof)
}

// short is a URL without its scheme, where that goes without saying.
func short(shown string) string { return strings.TrimPrefix(shown, "https://") }
