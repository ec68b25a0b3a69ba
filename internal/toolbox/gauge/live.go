package gauge

import (
	"fmt"
	"sync"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// Live shows on a terminal how far a measurement is.
type Live struct {
	printer *term.Printer
	names   []string
	height  int

	mu    sync.Mutex // guards what follows
	board *term.Board
	state []Progress
}

// NewLive returns what shows the progress of a plan's targets. Where the printer is not live it shows nothing.
func NewLive(p *term.Printer, targets []Target) *Live {
	l := &Live{printer: p, board: p.Board(), state: make([]Progress, len(targets)), height: 20}
	for _, t := range targets {
		l.names = append(l.names, term.Clip(short(Shown(t.URL)), 48))
	}
	return l
}

// Observe takes a plan's progress.
func (l *Live) Observe(p Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.Step.IsZero() {
		p.Step = l.state[p.Target].Step
	}
	l.state[p.Target] = p
	widest := 0
	for _, name := range l.names {
		widest = max(widest, term.Width(name))
	}
	var lines []string
	for i, s := range l.state {
		mark, step := l.printer.Paint(term.Command, "•"), l.printer.Sprint(s.Step)
		switch {
		case s.Over:
			mark, step = l.printer.Paint(term.Good, "✓"), l.printer.Sprint(lang.Text{En: "done", Zh: "完成"})
		case s.Step.IsZero():
			mark, step = l.printer.Paint(term.Dim, "·"), l.printer.Sprint(lang.Text{En: "waits", Zh: "等待"})
		}
		pad := fmt.Sprintf("%*s", widest-term.Width(l.names[i]), "")
		lines = append(lines, fmt.Sprintf("%s %s%s  %s  %s  %s", mark, l.names[i], pad,
			l.printer.Sprint(lang.Text{En: "%2d asked", Zh: "%2d 个请求"}, s.Done), amount(s.Bytes), step))
	}
	l.board.Show(lines, l.height)
}

// Clear removes what is shown.
func (l *Live) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.board.Clear()
}

// amount returns a number of bytes as people read it, always as wide.
func amount(n int64) string { return fmt.Sprintf("%5.1f MB", float64(n)/1e6) }
