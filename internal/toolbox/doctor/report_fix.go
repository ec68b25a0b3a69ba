package doctor

import (
	"context"
	"slices"

	"github.com/godown-dev/godown/internal/toolbox/term"
)

// A Mending makes the fixes that need no person.
type Mending struct {
	Console *term.Console
	Yes     bool                                      // nobody is asked
	Again   func(ctx context.Context) (*Facts, error) // what is so now
}

// Run offers the fixes of findings one after the other, makes those that are wanted,
// and looks again whether that helped. It returns the findings that are left.
func (m *Mending) Run(ctx context.Context, findings []Finding) (left []Finding, err error) {
	changed := false
	for _, f := range findings {
		if !f.mendable() {
			left = append(left, f)
			continue
		}
		if changed { // an earlier change may have mended this as well, or have made another fix right
			now, err := m.now(ctx, f)
			if err != nil {
				return left, err
			}
			if now == nil {
				m.Console.Err.Say(text("%s: mended by the change before.", "%s：已随前面的修改修复。", f.Title))
				continue
			}
			f = *now
		}
		done, err := m.offer(ctx, f)
		if err != nil {
			return left, err
		}
		if !done {
			left = append(left, f)
			continue
		}
		changed = true
		now, err := m.now(ctx, f)
		if err != nil {
			return left, err
		}
		if now != nil {
			left = append(left, *now)
			m.Console.Err.Say(text("It did not help: this is still found.", "没有解决：问题仍然存在。"))
			continue
		}
		m.Console.Err.Say(text("%s Mended.", "%s 已修复。", m.Console.Err.Paint(term.Good, "✓")))
	}
	return left, nil
}

// now returns a finding as it is now; nil if it is gone.
func (m *Mending) now(ctx context.Context, f Finding) (*Finding, error) {
	if f.by == nil {
		return nil, nil
	}
	facts, err := m.Again(ctx)
	if err != nil {
		return nil, err
	}
	list := f.by(ctx, facts)
	i := slices.IndexFunc(list, func(g Finding) bool { return g.ID == f.ID && g.Title == f.Title })
	if i < 0 {
		return nil, nil
	}
	list[i].by = f.by
	return &list[i], nil
}

// offer offers the fixes of one finding until one is wanted, and makes that.
func (m *Mending) offer(ctx context.Context, f Finding) (done bool, err error) {
	out := m.Console.Err
	mark, style := markOf(f.Severity)
	out.Para(0, out.Paint(style, mark)+" "+out.Paint(term.Strong, clean(out, f.Title)))
	for _, fix := range f.Fixes {
		if fix.Do == nil {
			continue
		}
		out.Line(6, out.Paint(term.Command, printable(fix.Command)))
		if !fix.Say.IsZero() {
			out.Para(6, out.Paint(term.Dim, out.Sprint(text("(%s)", "（%s）"), clean(out, fix.Say))))
		}
		if !m.Yes {
			yes, _, err := m.Console.Confirm(ctx, text("Make this change?", "执行这个修改吗？"))
			if err != nil {
				return false, err
			}
			if !yes {
				continue
			}
		}
		if err := fix.Do(ctx); err != nil {
			out.Say(text("It failed: %s", "失败：%s", shown(err.Error())))
			return false, nil
		}
		return true, nil
	}
	out.Say(text("Left as it is.", "保持原样。"))
	return false, nil
}
