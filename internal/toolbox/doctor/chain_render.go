package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// stepNames are the steps as they are drawn.
func stepNames() map[string]lang.Text {
	return map[string]lang.Text{
		"resolve": {En: "resolve", Zh: "解析"}, "connect": {En: "connect", Zh: "连接"}, "tls": lang.Same("TLS"),
		"supported": lang.Same("sumdb"), "list": lang.Same("list"), "info": lang.Same("info"), "mod": lang.Same("mod"),
		"zip": lang.Same("zip"), "verify": {En: "verify", Zh: "校验"}, "go-get": lang.Same("go-get"), "git": lang.Same("git"),
	}
}

// Render draws the chain: a line of steps for each link, and what comes after it.
func (r *ChainReport) Render(p *term.Printer) {
	name := r.Module
	if r.Version != "" {
		name += " " + r.Version
	}
	p.Line(0, p.Paint(term.Strong, term.Clean(name)))
	if r.Offline {
		p.Line(2, p.Paint(term.Dim, p.Sprint(text("offline: nothing was asked of the network", "离线：没有访问网络"))))
	}
	for _, l := range r.Links {
		l.render(p)
	}
	if r.SumDB != "" {
		p.Line(2, p.Paint(term.Dim, p.Sprint(text("the checksum database was asked at %s", "校验和数据库的查询地址：%s", term.Clean(r.SumDB)))))
	}
	if r.Also != nil {
		p.Line(0, "")
		r.Also.Render(p)
	}
}

// render draws one link. What does not fit the width goes on in the next line.
func (l *Link) render(p *term.Printer) {
	head := term.Clean(l.Name)
	if l.Via != "" {
		head += " " + p.Sprint(text("by way of %s", "经由 %s", term.Clean(l.Via)))
	}
	p.Line(2, head)
	width := p.Width
	if width == 0 {
		width = 80
	}
	room := max(width-1-chainIndent, 20)
	var line string
	for i, s := range l.Steps {
		piece := s.render(p)
		if i < len(l.Steps)-1 {
			piece += " ─"
		}
		if line != "" && term.Width(line)+1+term.Width(piece) > room {
			p.Line(chainIndent, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += piece
	}
	if line != "" {
		for _, part := range term.Wrap(line, room) {
			p.Line(chainIndent, part)
		}
	}
	if !l.Ending.IsZero() {
		for i, part := range term.Wrap(p.Sprint(l.Ending), room-2) {
			mark := "└ "
			if i > 0 {
				mark = "  "
			}
			p.Line(chainIndent, p.Paint(term.Dim, mark+part))
		}
	}
}

// chainIndent is how many columns the steps are indented.
const chainIndent = 4

// render draws one step: its name, a mark, and what is worth to know.
func (s Step) render(p *term.Printer) string {
	name := stepNames()[s.Name].In(p.Lang)
	mark, style := "✓", term.Good
	switch s.State {
	case StepAbsent:
		mark, style = "○", term.Warn
	case StepFailed:
		mark, style = "✗", term.Bad
	case StepNot:
		mark, style = "–", term.Dim
	}
	out := name + " " + p.Paint(style, mark)
	if s.State != StepNot && s.Took > 0 {
		out += " " + took(s.Took)
	}
	if !s.Detail.IsZero() && s.Name != "list" && s.Name != "resolve" || s.State == StepFailed || s.State == StepAbsent {
		out += " " + p.Paint(style, p.Sprint(s.Detail))
	}
	return strings.TrimRight(out, " ")
}

// took returns a duration in a few figures.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
