package gauge

import (
	"bytes"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// maxHistory is how many of the last rounds a history shows.
const maxHistory = 30

// PrintRound writes one of several reports: the table, and beside each mirror its
// estimates in the earlier ones. Past are those, the oldest first.
func (r *Report) PrintRound(p *term.Printer, a Advice, past []*Report) {
	p.Say(lang.Text{En: "%s · measurement %d", Zh: "%s · 第 %d 次测量"}, r.Started.Format("15:04:05"), len(past)+1)
	r.table(p)
	r.loud(p)
	if len(past) > 0 {
		widest := 0
		for _, one := range r.Results {
			widest = max(widest, term.Width(term.Clip(short(one.Mirror), 48)))
		}
		for _, one := range r.Results {
			name := term.Clip(short(one.Mirror), 48)
			p.Line(0, name+strings.Repeat(" ", widest-term.Width(name))+"  "+p.Paint(one.style(), r.spark(one.Mirror, past)))
		}
	}
	p.Para(0, p.Paint(term.Strong, p.Sprint(a.Text)))
	if a.Best != nil && !a.Refuse.IsZero() {
		p.Say(refusal(), a.Refuse)
	}
}

// Round returns what PrintRound writes as lines, to be shown in the place of earlier ones.
func (r *Report) Round(p *term.Printer, a Advice, past []*Report) []string {
	var b bytes.Buffer
	to := *p
	to.W = &b
	r.PrintRound(&to, a, past)
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// spark draws the estimates of a mirror as a line of blocks, the highest for the
// slowest of its own; × stands where it could not be used.
func (r *Report) spark(shown string, past []*Report) string {
	var values []float64
	most := 0.0
	for _, report := range append(past[max(0, len(past)-maxHistory+1):len(past):len(past)], r) {
		v := report.value(shown)
		values, most = append(values, v), max(most, v)
	}
	blocks := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range values {
		if v < 0 || most == 0 {
			b.WriteRune('×')
			continue
		}
		b.WriteRune(blocks[int(v/most*float64(len(blocks)-1)+0.5)])
	}
	return b.String()
}
