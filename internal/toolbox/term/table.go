package term

import (
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Column is one of a table.
type Column struct {
	Title  lang.Text
	Right  bool // figures
	Shrink bool // may be wrapped where the terminal is narrow
}

// A Cell is what stands in a row's column.
type Cell struct {
	Text  string
	Style Style
}

// Cells returns plain cells.
func Cells(texts ...string) []Cell {
	cells := make([]Cell, len(texts))
	for i, t := range texts {
		cells[i] = Cell{Text: t}
	}
	return cells
}

// least is how many columns of the terminal a column that shrinks keeps.
const least = 12

// Table returns a table with a line of titles, whose lines fit the terminal: columns
// that may shrink are wrapped. What others have written must have been through Clean.
func (p *Printer) Table(columns []Column, rows [][]Cell) string {
	widths := make([]int, len(columns))
	titles := make(table.Row, len(columns))
	for i, c := range columns {
		titles[i] = p.Paint(Dim, c.Title.In(p.Lang))
		widths[i] = Width(c.Title.In(p.Lang))
		for _, row := range rows {
			for line := range strings.SplitSeq(row[i].Text, "\n") {
				widths[i] = max(widths[i], Width(line))
			}
		}
	}
	p.shrink(columns, widths)
	w := table.NewWriter()
	w.SetStyle(table.Style{
		Box:     table.BoxStyle{PaddingRight: "  "},
		Format:  table.FormatOptions{},
		Options: table.OptionsNoBordersAndSeparators,
	})
	w.AppendHeader(titles)
	configs := make([]table.ColumnConfig, len(columns))
	for i, c := range columns {
		align := text.AlignLeft
		if c.Right {
			align = text.AlignRight
		}
		configs[i] = table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align}
	}
	w.SetColumnConfigs(configs)
	for _, row := range rows {
		line := make(table.Row, len(row))
		for i, c := range row {
			var wrapped []string
			for l := range strings.SplitSeq(c.Text, "\n") {
				for _, piece := range fit(l, widths[i]) {
					wrapped = append(wrapped, p.Paint(c.Style, piece))
				}
			}
			line[i] = strings.Join(wrapped, "\n")
		}
		w.AppendRow(line)
	}
	lines := strings.Split(w.Render(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// fit is Wrap for a cell, in which nothing may be wider than the column: a long word, such as
// a URL or a list of them, is broken after a separator in it, or else anywhere.
func fit(line string, width int) []string {
	var lines []string
	for _, l := range Wrap(line, width) {
		for Width(l) > width {
			end, used, after := 0, 0, 0
			for i, r := range l {
				if used += Width(string(r)); used > width {
					break
				}
				end = i + len(string(r))
				if strings.ContainsRune("/,|;", r) {
					after = end
				}
			}
			if after > 0 && Width(l[:after]) > width/2 {
				end = after
			}
			if end == 0 {
				break
			}
			lines, l = append(lines, l[:end]), l[end:]
		}
		lines = append(lines, l)
	}
	return lines
}

// shrink takes from the widest columns that allow it until the table fits.
func (p *Printer) shrink(columns []Column, widths []int) {
	if p.Width == 0 {
		return
	}
	total := 0
	for _, w := range widths {
		total += w + 2
	}
	for ; total > p.Width; total-- {
		widest := -1
		for i, c := range columns {
			if c.Shrink && widths[i] > least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}
