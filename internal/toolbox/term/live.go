package term

import (
	"fmt"
	"io"
	"strings"
)

// A Board is some lines at the bottom of a terminal that are written over again and
// again. Where the printer is not live it shows nothing. It is used by one goroutine.
type Board struct {
	p      *Printer
	height int // lines that it takes now
	last   string
}

// Board begins a board.
func (p *Printer) Board() *Board { return &Board{p: p} }

// Show replaces what the board shows. Lines are cut at the terminal's width;
// more lines than maxLines are not shown.
func (b *Board) Show(lines []string, maxLines int) {
	if !b.p.Live {
		return
	}
	if maxLines > 0 && len(lines) > maxLines {
		lines = append(lines[:maxLines-1:maxLines-1], "…")
	}
	var out strings.Builder
	b.rewind(&out)
	for _, l := range lines {
		out.WriteString(cut(l, b.p.Width-1))
		out.WriteByte('\n')
	}
	if s := out.String(); s != b.last || b.height != len(lines) {
		_, _ = io.WriteString(b.p.W, s)
	}
	b.height, b.last = len(lines), out.String()
}

// Clear removes the board, so that what is written next stands in its place.
func (b *Board) Clear() {
	if b.height == 0 {
		return
	}
	var out strings.Builder
	b.rewind(&out)
	_, _ = io.WriteString(b.p.W, out.String())
	b.height, b.last = 0, ""
}

// rewind goes up to the board's first line and clears from there on.
func (b *Board) rewind(out *strings.Builder) {
	if b.height > 0 {
		fmt.Fprintf(out, "\x1b[%dA\r\x1b[J", b.height)
	}
}

// cut cuts a line that may be painted to width columns; 0 or less cuts nothing.
func cut(line string, width int) string {
	if width <= 0 || Width(line) <= width {
		return line
	}
	var out strings.Builder
	used, escape, painted := 0, false, false
	for _, r := range line {
		if escape || r == '\x1b' {
			painted = true
			escape = r == '\x1b' || r == '[' || r == ';' || r >= '0' && r <= '9'
			out.WriteRune(r)
			continue
		}
		n := Width(string(r))
		if used+n > width-1 {
			break
		}
		out.WriteRune(r)
		used += n
	}
	if painted {
		out.WriteString("\x1b[0m")
	}
	return out.String() + "…"
}
