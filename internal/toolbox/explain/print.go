package explain

import (
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

const (
	maxEvidence = 6 // lines of a message that are shown
	maxNamed    = 5 // modules that are named
)

// Print writes the report for people.
func (r *Report) Print(p *term.Printer) {
	if len(r.Failures) == 0 {
		r.printUnknown(p)
		return
	}
	for i, f := range r.Failures {
		if i > 0 {
			p.Line(0, "")
		}
		f.print(p, i+1, len(r.Failures))
	}
}

func (f *Failure) print(p *term.Printer, number, of int) {
	head := p.Sprint(f.What)
	if of > 1 {
		head = p.Sprint(lang.Text{En: "%d of %d: %s", Zh: "%d/%d：%s"}, number, of, f.What)
	}
	p.Para(0, p.Paint(term.Strong, head))
	lines := strings.Split(f.Message, "\n")
	for i, line := range lines {
		if i == maxEvidence {
			p.Line(2, p.Paint(term.Dim, p.Sprint(lang.Text{En: "| … %d more lines", Zh: "| … 还有 %d 行"}, len(lines)-i)))
			break
		}
		width := 0
		if p.Width > 0 {
			width = max(p.Width-6, 30)
		}
		// Whole: what counts stands at its end.
		for _, part := range term.Wrap(term.Clip(line, maxLine), width) {
			p.Line(2, p.Paint(term.Dim, "| "+part))
		}
	}
	where := lang.Text{En: "line %d", Zh: "第 %d 行"}.With(f.Line)
	if f.Count > 1 {
		where = lang.Text{En: "line %d, and %d times more", Zh: "第 %d 行，另有 %d 处相同"}.With(f.Line, f.Count-1)
	}
	if len(f.Modules) > 1 {
		named := f.Modules[:min(len(f.Modules), maxNamed)]
		about := lang.Text{En: "%s: %s", Zh: "%s：%s"}.With(where, strings.Join(named, ", "))
		if n := len(f.Modules) - len(named); n > 0 {
			about = lang.Text{En: "%s and %d more", Zh: "%s 等，还有 %d 个"}.With(about, n)
		}
		where = about
	}
	p.Para(2, p.Paint(term.Dim, p.Sprint(where)))
	p.Para(0, p.Sprint(f.Why))
	if len(f.Here) > 0 {
		here := lang.Text{En: "On this machine:", Zh: "在本机："}
		if f.Elsewhere {
			here = lang.Text{En: "On this machine (the failing command ran elsewhere, perhaps with other settings):", Zh: "在本机（出错的命令可能在别的机器或容器里执行，设置未必相同）："}
		}
		p.Line(0, "")
		p.Para(0, p.Paint(term.Strong, p.Sprint(here)))
		for _, t := range f.Here {
			hang(p, 2, "- ", p.Sprint(t))
		}
	}
	if len(f.Causes) == 0 {
		return
	}
	p.Line(0, "")
	p.Para(0, p.Paint(term.Strong, p.Sprint(lang.Text{En: "What it may be, most likely first:", Zh: "可能的原因和办法，最可能的在前："})))
	for i, c := range f.Causes {
		hang(p, 2, string(rune('1'+i))+". ", p.Sprint(c.Text))
		for _, line := range c.Run {
			p.Line(7, p.Paint(term.Command, line))
		}
	}
}

// hang writes a paragraph whose first line has a mark before it.
func hang(p *term.Printer, indent int, mark, text string) {
	width := 0
	if p.Width > 0 {
		width = max(min(p.Width-1, 110)-indent-len(mark), 24)
	}
	for i, line := range term.Wrap(text, width) {
		if i > 0 {
			mark = strings.Repeat(" ", len(mark))
		}
		p.Line(indent, mark+line)
	}
}

// printUnknown says that nothing was recognised.
func (r *Report) printUnknown(p *term.Printer) {
	if r.Messages == 0 {
		p.Say(lang.Text{En: "There is no output to explain. If the command has succeeded, all is well; if not, its errors went to stderr: pass that on too, with 2>&1 before the pipe.", Zh: "没有可解释的输出。如果命令成功了，那就没有问题；如果失败了，错误写到了 stderr：在管道前加上 2>&1 一并传入。"})
		return
	}
	p.Say(lang.Text{En: "Nothing that godown knows fits this output: it may be a compiler's or a test's own failure, or something new.", Zh: "godown 的目录里没有与这段输出相符的情况：可能是编译或测试本身的失败，也可能是新的问题。"})
	if len(r.Suspects) > 0 {
		p.Say(lang.Text{En: "These lines look like the failure:", Zh: "这些行看起来像是失败原因："})
		for _, l := range r.Suspects {
			width := 0
			if p.Width > 0 {
				width = p.Width - 10
			}
			p.Line(2, p.Sprint(lang.Text{En: "line %d: %s", Zh: "第 %d 行：%s"}, l.Number, term.Clip(l.Text, width)))
		}
	}
	p.Say(lang.Text{En: "If it is about downloading modules, let the whole way to the mirrors be tried:", Zh: "如果与下载模块有关，可以检查到镜像的整条链路："})
	p.Line(2, p.Paint(term.Command, "godown doctor"))
}
