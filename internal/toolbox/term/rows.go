package term

import (
	"fmt"
	"strings"
)

// Rows writes rows whose cells stand below each other, without titles. Lines are as long as they are.
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
			b.WriteString(p.Paint(c.Style, c.Text))
			b.WriteString(strings.Repeat(" ", widths[i]-Width(c.Text)+2))
		}
		fmt.Fprintln(p.W, strings.TrimRight(b.String(), " "))
	}
}
