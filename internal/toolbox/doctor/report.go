package doctor

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// Render writes findings for people, in their order. Commands stand alone on their lines, whole, to be copied.
func Render(p *term.Printer, findings []Finding) {
	for i, f := range findings {
		if i > 0 {
			p.Line(0, "")
		}
		renderFinding(p, f)
	}
}

func renderFinding(p *term.Printer, f Finding) {
	mark, style := markOf(f.Severity)
	p.Para(0, p.Paint(style, mark)+" "+p.Paint(term.Strong, clean(p, f.Title))+" "+p.Paint(term.Dim, "["+f.ID+"]"))
	for _, e := range f.Evidence {
		p.Para(4, p.Paint(term.Dim, clean(p, e)))
	}
	if !f.Consequence.IsZero() {
		p.Para(2, clean(p, f.Consequence))
	}
	for i, fix := range f.Fixes {
		word := text("Mend it", "修复")
		if i > 0 {
			word = text("Or", "或者")
		}
		say := clean(p, fix.Say)
		if i > 0 {
			for _, again := range []string{"or ", "或者", "或"} { // which stands there already
				say = strings.TrimPrefix(say, again)
			}
		}
		if fix.Command == "" {
			p.Para(2, p.Sprint(word)+p.Sprint(text(": ", "："))+say)
			continue
		}
		p.Para(2, p.Sprint(word)+p.Sprint(text(":", "：")))
		p.Line(6, p.Paint(term.Command, printable(fix.Command)))
		if say != "" {
			p.Para(6, p.Paint(term.Dim, p.Sprint(text("(%s)", "（%s）"), say)))
		}
	}
}

// clean returns a text in the printer's language without anything that a terminal would take
// for a command: there is what others have written in it.
func clean(p *term.Printer, t lang.Text) string { return term.Clean(p.Sprint(t)) }

// printable returns a command without what a terminal would take for one of its own; else it is whole.
func printable(command string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, command)
}

// markOf returns the mark of a severity: without colours it must be understood too.
func markOf(s Severity) (string, term.Style) {
	switch s {
	case Fault:
		return "✗", term.Bad
	case Warning:
		return "!", term.Warn
	default:
		return "·", term.Dim
	}
}

// A Tally is how many findings there are of each severity, and how many of them --fix can mend.
type Tally struct{ Faults, Warnings, Hints, Mendable int }

// Count counts findings.
func Count(findings []Finding) Tally {
	var t Tally
	for _, f := range findings {
		switch f.Severity {
		case Fault:
			t.Faults++
		case Warning:
			t.Warnings++
		default:
			t.Hints++
		}
		if f.mendable() {
			t.Mendable++
		}
	}
	return t
}

// mendable reports whether a finding has a fix that needs no person.
func (f Finding) mendable() bool {
	for _, fix := range f.Fixes {
		if fix.Do != nil {
			return true
		}
	}
	return false
}

// Summary says in one line how many findings there are, and unless that was done what --fix can do.
func (t Tally) Summary(fixed bool) lang.Text {
	var en, zh []string
	add := func(n int, one, many, chinese string) {
		if n == 0 {
			return
		}
		word := many
		if n == 1 {
			word = one
		}
		en = append(en, strconv.Itoa(n)+" "+word)
		zh = append(zh, strconv.Itoa(n)+" 个"+chinese)
	}
	add(t.Faults, "fault", "faults", "故障")
	add(t.Warnings, "warning", "warnings", "警告")
	add(t.Hints, "hint", "hints", "提示")
	summary := lang.Text{En: strings.Join(en, ", "), Zh: strings.Join(zh, "，")}
	if t.Mendable > 0 && !fixed {
		return lang.Text{
			En: summary.En + "; godown doctor --fix can mend " + strconv.Itoa(t.Mendable) + ", and asks before each change",
			Zh: summary.Zh + "；其中 " + strconv.Itoa(t.Mendable) + " 个可用 godown doctor --fix 修复，每次修改前都会询问",
		}
	}
	return summary
}

// Reassure says what was looked at where nothing worse than a hint was found.
func Reassure(f *Facts, chain *ChainReport) lang.Text {
	release := ""
	if f.Settings != nil {
		release = f.Settings.Version
	}
	if chain == nil || chain.Offline || len(chain.Links) == 0 {
		return text("All is well, as far as can be seen without the network: the settings of %s and this machine were examined.", "一切正常（未访问网络）：检查了 %s 的设置和这台机器。", release)
	}
	return text("All is well: the settings of %s, this machine and the way of %s to it were examined.", "一切正常：检查了 %s 的设置、这台机器，以及获取 %s 的整条路径。", release, chain.Module)
}
