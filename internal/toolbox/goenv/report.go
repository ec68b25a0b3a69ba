package goenv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// A Report is what 'godown use' says. What is nil or empty in it is not said.
type Report struct {
	Settings *Settings
	Home     string
	Shell    []FileLine // of start-up files
	Project  []FileLine
	Profile  string   // whose set-up is in force; "" if it is none's
	Changes  []Change // what is to be changed, or was
	Notes    []Note
}

// InForce writes what is in force, and where it was said.
func (r *Report) InForce(p *term.Printer) {
	var rows [][]term.Cell
	for _, name := range ModuleSettings() {
		v := r.Settings.Values[name]
		for i, said := range v.Said {
			text := term.Clean(Shown(said.Text))
			row := []term.Cell{{Text: name, Style: term.Strong}, {Text: fold(text, p.Width/2)}, {Text: r.place(v, said, p.Lang), Style: term.Dim}}
			if i > 0 {
				row[0].Text, row[1].Style = "", term.Dim
				row[2].Text = lang.Text{En: "not in force: ", Zh: "不生效："}.In(p.Lang) + row[2].Text
			}
			if text == "" {
				row[1] = term.Cell{Text: "-", Style: term.Dim}
			}
			rows = append(rows, row)
		}
	}
	fmt.Fprint(p.W, p.Table([]term.Column{
		{Title: lang.Text{En: "NAME", Zh: "名称"}}, {Title: lang.Text{En: "VALUE", Zh: "值"}, Shrink: true}, {Title: lang.Text{En: "SAID IN", Zh: "来源"}, Shrink: true},
	}, rows))
	r.way(p)
	if r.Profile != "" {
		fmt.Fprintln(p.W)
		p.Say(lang.Text{En: "This is the set-up %[1]s.", Zh: "当前是配置方案 %[1]s。"}, r.Profile)
	}
	r.lines(p)
	if len(r.Notes) > 0 {
		fmt.Fprintln(p.W)
	}
	r.Remarks(p)
}

// place says where a value was said.
func (r *Report) place(v Value, said Said, l lang.Language) string {
	switch said.Place {
	case Environment:
		for _, line := range r.Shell {
			if line.Name == v.Name && line.Value == said.Text && !line.Writes {
				return lang.Text{En: "environment (%s)", Zh: "环境变量（%s）"}.With(line.at(r.Home)).In(l)
			}
		}
		return lang.Text{En: "environment", Zh: "环境变量"}.In(l)
	case User, Installation:
		return ShortPath(said.File, r.Home)
	}
	if said.Text != "" && slices.Contains([]string{"GONOPROXY", "GONOSUMDB"}, v.Name) {
		return lang.Text{En: "as GOPRIVATE", Zh: "同 GOPRIVATE"}.In(l)
	}
	return lang.Text{En: "go command", Zh: "go 命令内置"}.In(l)
}

// way writes in which order the go command asks.
func (r *Report) way(p *term.Printer) {
	list, err := ParseList(r.Settings.Text("GOPROXY"))
	fmt.Fprintln(p.W)
	if err != nil {
		p.Say(lang.Text{En: "GOPROXY cannot work: %[1]s.", Zh: "这个 GOPROXY 无法工作：%[1]s。"}, err)
		return
	}
	p.Say(lang.Text{En: "The go command asks, in this order:", Zh: "go 命令按以下顺序获取模块："})
	var rows [][]term.Cell
	sep := byte(0)
	for _, e := range list {
		if e.Is(Empty) || e.Is(AfterEnd) {
			continue
		}
		what := lang.Same(e.Shown())
		switch e.Word {
		case Direct:
			what = lang.Text{En: "git and other version control systems (direct)", Zh: "git 等版本控制系统（direct）"}
		case Off:
			what = lang.Text{En: "nobody (off)", Zh: "到此为止（off）"}
		}
		when := lang.Text{}
		switch sep {
		case ',':
			when = lang.Text{En: "where that one says 404 or 410", Zh: "上一个返回 404 或 410 时"}
		case '|':
			when = lang.Text{En: "after any error of that one", Zh: "上一个出任何错误时"}
		}
		sep = e.Sep
		rows = append(rows, []term.Cell{{Text: fmt.Sprint("  ", len(rows)+1)}, {Text: term.Clean(what.In(p.Lang))}, {Text: when.In(p.Lang), Style: term.Dim}})
	}
	p.Rows(rows)
	if private := r.Settings.patterns("GONOPROXY"); private != "" && private != "none" && r.Settings.Text("GOPROXY") != Direct {
		p.Say(lang.Text{En: "But for %[1]s: straight from git.", Zh: "但 %[1]s：直接从 git 获取。"}, private)
	}
}

// lines writes what files set.
func (r *Report) lines(p *term.Printer) {
	var rows [][]term.Cell
	for _, l := range slices.Concat(r.Shell, r.Project) {
		if slices.Contains(ModuleSettings(), l.Name) {
			rows = append(rows, []term.Cell{{Text: "  " + l.at(r.Home)}, {Text: term.Clean(l.Name + "=" + Shown(l.Value))}, {Text: strings.TrimSpace(l.reader().In(p.Lang)), Style: term.Dim}})
		}
	}
	if rows == nil {
		return
	}
	fmt.Fprintln(p.W)
	p.Say(lang.Text{En: "Files that set these too:", Zh: "还有这些文件也会设置："})
	p.Rows(rows)
}

// Remarks writes the notes.
func (r *Report) Remarks(p *term.Printer) {
	for _, n := range r.Notes {
		text := n.Text
		if n.Warn {
			text = lang.Text{En: p.Paint(term.Warn, "Note:") + " %[1]s", Zh: p.Paint(term.Warn, "注意：") + "%[1]s"}.With(text)
		}
		p.Say(text)
		if n.Command != "" {
			p.Line(4, p.Paint(term.Command, n.Command))
		}
	}
}

// Difference writes what the file says of each variable that changes, before and after.
func (r *Report) Difference(p *term.Printer) {
	var rows [][]term.Cell
	for _, c := range r.Changes {
		rows = append(rows, changeRow(c.Name, r.Settings.said(c.Name, User), c.Value, p))
	}
	writeChanges(p, rows, lang.Text{En: "IS TO BE", Zh: "新值"})
}

// Difference writes what the record's change changed; back writes what taking it back changed.
func (r *Record) Difference(p *term.Printer, back bool) {
	before, after := r.Before.Values(), r.After.Values()
	if back {
		before, after = after, before
	}
	var rows [][]term.Cell
	for _, name := range r.Changed() {
		rows = append(rows, changeRow(name, before[name], after[name], p))
	}
	writeChanges(p, rows, lang.Text{En: "IS", Zh: "现值"})
}

// changeRow returns a row of a table of changes.
func changeRow(name, before, after string, p *term.Printer) []term.Cell {
	room := (p.Width - 14) / 2
	row := []term.Cell{{Text: name, Style: term.Strong}, {Text: fold(term.Clean(Shown(before)), room)}, {Text: fold(term.Clean(Shown(after)), room)}}
	for i := range row {
		if row[i].Text == "" {
			row[i] = term.Cell{Text: lang.Text{En: "(not set)", Zh: "（未设置）"}.In(p.Lang), Style: term.Dim}
		}
	}
	return row
}

// fold breaks a list after its separators, so that its lines have at most width
// columns where that can be; 0 or less breaks nothing.
func fold(list string, width int) string {
	if width <= 0 {
		return list
	}
	var b strings.Builder
	used := 0
	for rest := list; rest != ""; {
		n := strings.IndexAny(rest, ",|") + 1
		if n == 0 {
			n = len(rest)
		}
		if w := term.Width(rest[:n]); used > 0 && used+w > width {
			b.WriteByte('\n')
			used = w
		} else {
			used += w
		}
		b.WriteString(rest[:n])
		rest = rest[n:]
	}
	return b.String()
}

func writeChanges(p *term.Printer, rows [][]term.Cell, now lang.Text) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprint(p.W, p.Table([]term.Column{
		{Title: lang.Text{En: "NAME", Zh: "名称"}}, {Title: lang.Text{En: "WAS", Zh: "原值"}, Shrink: true}, {Title: now, Shrink: true},
	}, rows))
}
