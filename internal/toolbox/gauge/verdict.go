package gauge

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// A Build is the build that estimates are of: so many modules, of which none is
// at hand, fetched by so many requests at a time.
type Build struct {
	Modules int   `json:"modules"`
	Bytes   int64 `json:"bytes"` // of all zips
	Abreast int   `json:"at_a_time"`
}

// TypicalBuild returns the build that estimates are of.
func TypicalBuild() Build { return Build{Modules: 60, Bytes: 40 << 20, Abreast: 4} }

// estimate returns how long the build takes with a mirror as it was measured: it connects
// once, waits for a .info, a .mod and a zip of each module, and reads the bytes. A
// share of requests that fail makes all of it take so much longer, as it has to be done again.
func (b Build) estimate(r *Result) time.Duration {
	d := float64(r.DNS + r.Connect + r.TLS)
	n := float64(b.Modules) / float64(b.Abreast)
	d += n * float64(2*r.FirstByte+r.ZipFirst)
	if r.One > 0 {
		d += float64(b.Bytes) / r.One * float64(time.Second)
	}
	return time.Duration(min(d/max(r.Success(), 0.02), float64(1000*time.Hour)))
}

// flakyFrom is the share of needed files of which a mirror must have given at least so many to be of use.
const flakyFrom = 0.5

// judge says what the mirror is.
func (m *meter) judge(ctx context.Context) {
	r := m.result
	r.Bytes, r.Took = m.bytes, m.spent
	r.Proof = worst(r.Files)
	var needed, got, pages, none, shut, zips, gotZips int
	for i := range r.Files {
		f := &r.Files[i]
		if !f.needed() {
			continue
		}
		needed++
		if f.Name == "zip" {
			zips++
		}
		switch {
		case f.Detail == pageDetail:
			pages++
		case !f.Failed && f.Proof != Wrong:
			got++
			if f.Name == "zip" {
				gotZips++
			}
		case f.Status == http.StatusNotFound || f.Status == http.StatusGone:
			none++
		case f.Status == http.StatusUnauthorized || f.Status == http.StatusForbidden || f.Status == http.StatusTooManyRequests || f.Status == http.StatusProxyAuthRequired:
			shut++
		}
	}
	r.FirstByte = median(r.Files, func(f *File) (time.Duration, bool) {
		return f.Total, !f.Cold && (f.Name == "info" || f.Name == "mod")
	})
	r.ZipFirst = median(r.Files, func(f *File) (time.Duration, bool) { return f.FirstByte, f.Name == "zip" && !f.Cold })
	if r.FirstByte == 0 { // it takes a connection for each request, so that all of them wait for that, too
		r.FirstByte = median(r.Files, func(f *File) (time.Duration, bool) { return f.Total, f.Name == "info" || f.Name == "mod" })
	}
	if r.ZipFirst == 0 {
		r.ZipFirst = median(r.Files, func(f *File) (time.Duration, bool) { return f.FirstByte, f.Name == "zip" })
	}
	switch {
	case m.target.URL.Scheme != "http" && m.target.URL.Scheme != "https":
		r.Verdict, r.Why = Unmeasured, lang.Text{En: "a folder, not a server: there is nothing to measure", Zh: "这是文件夹而不是服务器，无需测量"}
	case r.Proof == Wrong:
		r.Verdict, r.Why = Lies, whyLies(r.Files)
	case pages > 0:
		r.Verdict, r.Why = Portal, lang.Text{En: "it answers with HTML pages: a login page, or no module proxy at all", Zh: "返回的是 HTML 页面：可能是登录页，或根本不是模块代理"}
	case ctx.Err() != nil && gotZips == 0:
		r.Verdict, r.Why = Unmeasured, lang.Text{En: "the measurement was stopped", Zh: "测量被中断"}
	case !m.alive:
		r.Verdict, r.Why = Dead, lang.Text{En: "it cannot be reached", Zh: "无法访问"}
		if f := firstFailure(r.Files); f != nil {
			r.Why = f.Text()
		}
	case none == needed:
		r.Verdict, r.Why = Empty, lang.Text{En: "it has none of what was asked for, though every public mirror has it: is the URL right?", Zh: "公共镜像都有的模块它一个也没有：URL 写对了吗？"}
		if !known(m.plan.Modules) {
			r.Why = lang.Text{En: "it has none of what was asked for", Zh: "所请求的内容它一个也没有"}
		}
	case shut > 0 && got == 0:
		r.Verdict, r.Why = Refuses, whyRefuses(r.Files)
	case r.SumDB == Bad:
		r.Verdict, r.Why = Broken, lang.Text{
			En: "what it passes on of the checksum database is wrong: modules that are new in go.sum cannot be fetched",
			Zh: "它转发的校验和数据库内容有误：go.sum 中没有的新模块将无法下载",
		}
	case needed == 0 || float64(got) < flakyFrom*float64(needed) || gotZips == 0:
		r.Verdict = Broken
		r.Why = lang.Text{En: "%d of %d files did not arrive: %s", Zh: "%d/%d 个文件未能取得：%s"}.With(needed-got, needed, whatFailed(r.Files))
	case r.Failures > 0:
		r.Verdict = Flaky
		r.Why = lang.Text{En: "%d of %d requests failed: %s", Zh: "%d/%d 个请求失败：%s"}.With(r.Failures, r.Requests, whatFailed(r.Files))
	default:
		r.Verdict = Good
		r.Why = lang.Text{En: "all that it was asked for has come", Zh: "所请求的内容全部取得"}
	}
	if r.Usable() {
		r.Estimate, r.NoRate = m.plan.build().estimate(r), r.One == 0
		if (r.Proof == Proven || r.Proof == Known) && !slices.ContainsFunc(r.Files, func(f File) bool { return f.Name == "zip" && (f.Proof == Proven || f.Proof == Known) }) {
			r.Proof = Unproven // a .mod alone proves no code
		}
	}
}

func (p *Plan) build() Build { return TypicalBuild() }

// known reports whether the modules are those that every mirror has.
func known(mods []Module) bool {
	return !slices.ContainsFunc(mods, func(m Module) bool { return m.ZipSum == "" })
}

// worst returns the worst proof of the files that arrived.
func worst(files []File) Proof {
	order := []Proof{Wrong, Unproven, Known, Proven}
	at := len(order)
	for _, f := range files {
		if i := slices.Index(order, f.Proof); i >= 0 {
			at = min(at, i)
		}
	}
	if at == len(order) {
		return Unread
	}
	return order[at]
}

// whyLies names the first file with wrong bytes.
func whyLies(files []File) lang.Text {
	i := slices.IndexFunc(files, func(f File) bool { return f.Proof == Wrong })
	f := files[i]
	if f.Want == "" {
		return lang.Text{En: "WRONG BYTES: its .%s of %s is no module's: %s", Zh: "内容错误：它给出的 %[2]s 的 .%[1]s 不是合法的模块文件：%[3]s"}.With(f.Name, f.Module, f.Detail)
	}
	return lang.Text{En: "WRONG BYTES: its .%s of %s has the hash %s; it must be %s", Zh: "内容错误：它给出的 %[2]s 的 .%[1]s 哈希为 %[3]s，应为 %[4]s"}.With(f.Name, f.Module, f.Hash, f.Want)
}

func whyRefuses(files []File) lang.Text {
	for _, f := range files {
		if f.Failure != nil && f.Failure.Status >= 400 {
			switch f.Status {
			case http.StatusTooManyRequests:
				return lang.Text{En: "it limits the rate of requests (429)", Zh: "请求过于频繁，被限流（429）"}
			case http.StatusForbidden:
				return lang.Text{En: "it lets nobody in (403)", Zh: "拒绝访问（403）"}
			}
			return lang.Text{En: "it wants a login (%d)", Zh: "需要登录（%d）"}.With(f.Status)
		}
	}
	return lang.Text{En: "it lets nobody in", Zh: "拒绝访问"}
}

func firstFailure(files []File) *probe.Failure {
	for _, f := range files {
		if f.Failure != nil {
			return f.Failure
		}
	}
	return nil
}

// whatFailed says what went wrong with the first file that failed.
func whatFailed(files []File) lang.Text {
	for _, f := range files {
		switch {
		case !f.Failed:
		case f.Failure != nil:
			return f.Failure.Text()
		case f.Detail != "":
			return lang.Text{En: f.Detail, Zh: "内容不对"}
		}
	}
	return lang.Text{En: "no answer", Zh: "没有响应"}
}

// median returns the median of those times that count; 0 if none does.
func median(files []File, of func(*File) (time.Duration, bool)) time.Duration {
	var all []time.Duration
	for i := range files {
		if d, ok := of(&files[i]); ok && !files[i].Failed {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// rank puts the best first.
func (r *Report) rank() {
	order := Verdicts()
	slices.SortStableFunc(r.Results, func(a, b *Result) int {
		if a.Usable() != b.Usable() {
			if a.Usable() {
				return -1
			}
			return 1
		}
		if a.Usable() && a.Stranded != b.Stranded { // however fast it is, builds fail
			if b.Stranded {
				return -1
			}
			return 1
		}
		if a.Usable() && a.NoRate != b.NoRate { // an estimate without the time for bytes is no match for one with it
			if b.NoRate {
				return -1
			}
			return 1
		}
		if a.Usable() {
			return cmp.Compare(a.Estimate, b.Estimate)
		}
		return cmp.Compare(slices.Index(order, a.Verdict), slices.Index(order, b.Verdict))
	})
	for i, one := range r.Results {
		one.Rank = i + 1
	}
}

// seconds returns a time as people read it.
func seconds(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(1, d.Round(time.Millisecond).Milliseconds()))
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 10*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}
