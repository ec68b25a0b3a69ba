package term

import (
	"fmt"
	"strings"
)

// Rows writes rows whose cells stand below each other, without titles. Where a row is
// wider than the terminal, its last cell goes into a line of its own.
func (p *Printer) Rows(rows [][]Cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Width(c.Text))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, c := range row {
			if before := Width(b.String()); i > 0 && i == len(row)-1 && p.Width > 0 && before+Width(c.Text) > p.Width {
				line := strings.TrimRight(b.String(), " ")
				b.Reset()
				b.WriteString(line + "\n" + strings.Repeat(" ", 5))
			}
			b.WriteString(p.Paint(c.Style, c.Text))
			b.WriteString(strings.Repeat(" ", widths[i]-Width(c.Text)+2))
		}
		fmt.Fprintln(p.W, strings.TrimRight(b.String(), " "))
	}
}
