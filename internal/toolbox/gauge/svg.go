package gauge

import (
	"fmt"
	"html"
	"html/template"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// The measures of charts, in pixels of their own.
const (
	chartWidth = 900
	labelWidth = 290
	valueWidth = 90
	rowHeight  = 26
	barHeight  = 16
	lineHeight = 180
)

// A bar is a row of a chart: its parts stand one after another, each with the class of its colour.
type bar struct {
	label string
	parts []part
	value string // at its end
	bad   bool   // it has no bar, and its value says why
}

type part struct {
	size  float64
	class string
}

// bars draws horizontal bars. What they are is said by their labels and values
// as well, so that nobody depends on colours.
func bars(title lang.Text, rows []bar) template.HTML {
	var most float64
	for _, r := range rows {
		most = max(most, r.size())
	}
	var b strings.Builder
	head(&b, title, rowHeight*len(rows)+6)
	for i, r := range rows {
		y := i*rowHeight + 3
		fmt.Fprintf(&b, `<text x="0" y="%d">%s</text>`, y+barHeight-3, html.EscapeString(term.Clip(r.label, 38)))
		x := float64(labelWidth)
		for _, p := range r.parts {
			if most == 0 || p.size <= 0 {
				continue
			}
			w := max(p.size/most*(chartWidth-labelWidth-valueWidth), 1)
			fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" class="%s"/>`, x, y, w, barHeight, p.class)
			x += w
		}
		class := "dim"
		if r.bad {
			class = "f-bad"
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" class="%s">%s</text>`, x+6, y+barHeight-3, class, html.EscapeString(r.value))
		b.WriteByte('\n')
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func (r bar) size() (sum float64) {
	for _, p := range r.parts {
		sum += p.size
	}
	return sum
}

func head(b *strings.Builder, title lang.Text, height int) {
	fmt.Fprintf(b, `<svg viewBox="0 0 %d %d" role="img"><title>%s</title>`+"\n", chartWidth, height, html.EscapeString(title.En+" / "+title.Zh))
}

// A line is one of a chart over time. A negative value is a gap.
type line struct {
	label  string
	values []float64
}

// lines draws lines over time, with their labels at the left.
func lines(title lang.Text, all []line, unit func(float64) string) template.HTML {
	var most float64
	n := 0
	for _, l := range all {
		n = max(n, len(l.values))
		for _, v := range l.values {
			most = max(most, v)
		}
	}
	if most == 0 {
		most = 1
	}
	var b strings.Builder
	head(&b, title, max(lineHeight, len(all)*rowHeight)+24)
	right, left := float64(chartWidth-10), float64(labelWidth+60)
	for _, at := range []float64{0, 0.5, 1} {
		y := 12 + (1-at)*(lineHeight-12)
		fmt.Fprintf(&b, `<line x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/><text x="%.0f" y="%.1f" class="dim" text-anchor="end">%s</text>`+"\n",
			left, right, y, y, left-6, y+4, html.EscapeString(scale(at*most, unit)))
	}
	for i, l := range all {
		fmt.Fprintf(&b, `<line x1="0" x2="18" y1="%d" y2="%d" class="s-%d" stroke-width="3"/><text x="26" y="%d">%s</text>`+"\n",
			i*rowHeight+12, i*rowHeight+12, i%6, i*rowHeight+16, html.EscapeString(term.Clip(l.label, 26)))
		for _, run := range runs(l.values) {
			var points []string
			for _, k := range run {
				x := right
				if n > 1 {
					x = left + float64(k)/float64(n-1)*(right-left)
				}
				y := 12 + (1-l.values[k]/most)*(lineHeight-12)
				points = append(points, fmt.Sprintf("%.1f,%.1f", x, y))
				if len(run) == 1 {
					points = append(points, fmt.Sprintf("%.1f,%.1f", x+2, y)) // a line of one point is not seen
				}
			}
			fmt.Fprintf(&b, `<polyline class="s-%d" points="%s"/>`+"\n", i%6, strings.Join(points, " "))
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// scale names a height of a chart.
func scale(v float64, unit func(float64) string) string {
	if v == 0 {
		return "0"
	}
	return unit(v)
}

// runs returns the stretches of values that are not negative, by their indexes.
func runs(values []float64) (all [][]int) {
	var now []int
	for i, v := range values {
		if v >= 0 {
			now = append(now, i)
		} else if now != nil {
			all, now = append(all, now), nil
		}
	}
	if now != nil {
		all = append(all, now)
	}
	return all
}
