package modcache

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// Bytes returns how many a list of removals frees.
func Bytes(list []Removal) int64 {
	var n int64
	for _, r := range list {
		n += r.Bytes()
	}
	return n
}

// ShowRemovals prints what is to be removed: most of them first, at most so many; 0 is all.
func ShowRemovals(p *term.Printer, list []Removal, most int, now time.Time) {
	shown := slices.Clone(list)
	if most > 0 && len(shown) > most {
		slices.SortStableFunc(shown, func(a, b Removal) int { return cmp.Compare(b.Bytes(), a.Bytes()) })
		shown = shown[:most]
	}
	var rows [][]term.Cell
	for _, r := range shown {
		rows = append(rows, []term.Cell{{Text: fold(p, r.String())}, {Text: Size(r.Bytes())}, {Text: ago(r.Time(), now).In(p.Lang)}, {Text: r.note().In(p.Lang), Style: term.Dim}})
	}
	if len(rows) > 0 {
		p.Line(0, strings.TrimSuffix(p.Table([]term.Column{
			{Title: lang.Text{En: "TO REMOVE", Zh: "将删除"}, Shrink: true}, {Title: lang.Text{En: "SIZE", Zh: "大小"}, Right: true},
			{Title: lang.Text{En: "FETCHED", Zh: "下载于"}, Right: true}, {},
		}, rows), "\n"))
	}
	if n := len(list) - len(shown); n > 0 {
		p.Line(0, p.Paint(term.Dim, p.Sprint(lang.Text{En: "… and %d more, %s (--dry-run lists all)", Zh: "……另有 %d 项，共 %s（--dry-run 会全部列出）"}, n, Size(Bytes(list)-Bytes(shown)))))
	}
}

// note says what is not to be seen by the name.
func (r Removal) note() lang.Text {
	switch {
	case r.KeepMod:
		return lang.Text{En: "its .mod stays", Zh: "保留 .mod"}
	case r.Clone != nil:
		return lang.Text{En: "a clone", Zh: "代码仓库"}
	case r.Leftover != nil:
		return r.Leftover.Kind.Say()
	}
	return lang.Text{}
}

// tally counts removals in words: "3 versions, 2 clones".
func tally(list []Removal) lang.Text {
	var versions, mods, clones, left int
	for _, r := range list {
		switch {
		case r.KeepMod:
			mods++
		case r.Version != nil:
			versions++
		case r.Clone != nil:
			clones++
		default:
			left++
		}
	}
	var en, zh []string
	add := func(n int, one, many, cn string) {
		if n > 0 {
			t := count(n, one, many, cn)
			en, zh = append(en, t.En), append(zh, t.Zh)
		}
	}
	add(versions, "version", "versions", "个版本")
	add(mods, "version but for its .mod", "versions but for their .mod", "个版本（保留 .mod）")
	add(clones, "clone", "clones", "个代码仓库")
	add(left, "leftover", "leftovers", "项残留")
	return lang.Text{En: strings.Join(en, ", "), Zh: strings.Join(zh, "、")}
}

// Question asks whether a list may be removed.
func Question(list []Removal) lang.Text {
	return lang.Text{En: "Remove %s (%s)?", Zh: "删除 %s（%s）？"}.With(tally(list), Size(Bytes(list)))
}

// ShowPlan says in a few lines what prune removes and keeps.
func ShowPlan(p *term.Printer, plan Plan, survey *Survey) {
	if len(plan.Remove) == 0 {
		p.Say(lang.Text{En: "There is nothing to remove.", Zh: "没有可以删除的内容。"})
	} else {
		p.Say(lang.Text{En: "To remove: %s; that frees %s of %s.", Zh: "将删除：%s；可释放 %s（共 %s）。"}, tally(plan.Remove), Size(Bytes(plan.Remove)), Size(plan.Before))
	}
	if survey != nil {
		p.Say(lang.Text{En: "Kept: %s, needed by %s.", Zh: "保留：%s（%s需要）。"}, ofVersions(plan.Needed), survey.who())
	}
	if plan.Young > 0 {
		p.Say(lang.Text{En: "Kept, as too young, though nothing is known to need them: %s.", Zh: "保留：%s，虽未发现有谁需要，但下载时间还不够久。"}, ofVersions(plan.Young))
	}
	if plan.Fits > 0 {
		p.Say(lang.Text{En: "Kept, as it fits without removing them: %s.", Zh: "保留：%s，不删除它们也在大小限制之内。"}, ofVersions(plan.Fits))
	}
	if plan.Over > 0 {
		p.Say(lang.Text{En: "It stays %s above --max-size: what is left is needed, young, or must not be removed.", Zh: "仍比 --max-size 多 %s：剩下的或者需要，或者还不够久，或者不可删除。"}, Size(plan.Over))
	}
	if len(plan.Only) > 0 {
		p.Say(lang.Text{En: "Kept, as nobody else may have them (--also-private removes them): %s.", Zh: "保留：%s，因为别处可能已经没有（--also-private 可一并删除）。"}, ofVersions(len(plan.Only)))
		for _, k := range plan.Only[:min(len(plan.Only), shownOdd)] {
			p.Para(2, term.Clean(k.String())+": "+k.Why.In(p.Lang))
		}
		if n := len(plan.Only) - shownOdd; n > 0 {
			p.Line(2, p.Sprint(lang.Text{En: "… and %d more", Zh: "……另有 %d 个"}, n))
		}
	}
}

func ofVersions(n int) lang.Text { return count(n, "version", "versions", "个版本") }

// who says in words who needs something.
func (s *Survey) who() lang.Text {
	projects := count(len(s.Projects), "project", "projects", "个项目")
	if len(s.Binaries) == 0 {
		return projects
	}
	return lang.Text{En: "%s and %s", Zh: "%s和 %s"}.With(projects, count(len(s.Binaries), "installed program", "installed programs", "个已安装的程序"))
}

// ShowWarnings says what a survey has not looked at.
func (s *Survey) ShowWarnings(p *term.Printer) {
	for i, w := range s.Warnings {
		if i == shownOdd {
			p.Say(lang.Text{En: "… and %d more warnings", Zh: "……另有 %d 条警告"}, len(s.Warnings)-i)
			return
		}
		p.Say(lang.Text{En: "warning: %s", Zh: "警告：%s"}, w)
	}
}

// ShowResults says what was removed, and what was not. It reports whether all was.
func ShowResults(out, errs *term.Printer, wanted int, results []Result) bool {
	var freed []Removal
	failed, back, denied := 0, 0, false
	for _, r := range results {
		switch {
		case r.Err != nil:
			failed++
			denied = denied || permission(r.Err)
			if failed <= shownFailures {
				errs.Say(lang.Text{En: "%s was not removed: %s", Zh: "%s 未能删除：%s"}, term.Clean(r.String()), sayError(r.Err))
			}
		case r.Back:
			back++
			errs.Say(lang.Text{En: "%s stays: a go command has fetched it anew meanwhile", Zh: "%s 保留：其间又有 go 命令下载了它"}, term.Clean(r.String()))
		default:
			freed = append(freed, r.Removal)
		}
	}
	if failed > shownFailures {
		errs.Say(lang.Text{En: "… and %d more were not (--json says why)", Zh: "……另有 %d 项未能删除（原因见 --json）"}, failed-shownFailures)
	}
	if denied {
		errs.Say(lang.Text{En: "This user may not change all of the cache: it is another's, or read-only. Who owns it can do this.", Zh: "当前用户无权改动整个缓存：它属于其他用户，或是只读的。请由所有者执行。"})
	}
	if len(freed) > 0 {
		out.Say(lang.Text{En: "Removed: %s; %s are free.", Zh: "已删除：%s；释放 %s。"}, tally(freed), Size(Bytes(freed)))
	} else {
		out.Say(lang.Text{En: "Nothing was removed.", Zh: "没有删除任何东西。"})
	}
	if n := wanted - len(results); n > 0 {
		errs.Say(lang.Text{En: "It was stopped: %d were not come to, and are as they were, or half removed and not used; the same command goes on from there.", Zh: "已中止：还有 %d 项没有处理，它们保持原样，或只删了一半、不会再被使用；再次执行同一命令即可继续。"}, n)
	}
	return failed == 0 && back == 0 && len(results) == wanted
}

// shownFailures is how many failures are shown.
const shownFailures = 10

// sayError returns an error in both languages, as far as it is ours.
func sayError(err error) lang.Text {
	if errors.Is(err, errBusy) {
		return lang.Text{En: "a go command has been at work on it all the time; try again later", Zh: "一直有 go 命令在使用它，请稍后再试"}
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Text
	}
	return lang.Same(term.Clean(err.Error()))
}
