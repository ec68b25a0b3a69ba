package ci

import (
	"fmt"
	"slices"
	"strings"
)

// Diff returns the change as a unified diff with three lines around each
// change, which patch can apply; nothing if there is none.
func (c *Change) Diff() string {
	if c.Nothing() {
		return ""
	}
	a, b := linesOf(string(c.Before)), linesOf(string(c.After))
	steps := align(a, b)
	var out strings.Builder
	from := "a/" + c.Name // as git has it, for git apply and patch -p1
	if !c.Exists {
		from = "/dev/null"
	}
	fmt.Fprintf(&out, "--- %s\n+++ b/%s\n", from, c.Name)
	const around = 3
	for i, oldLine, newLine := 0, 1, 1; i < len(steps); {
		first := i
		for first < len(steps) && steps[first].mark == ' ' {
			first++
		}
		if first == len(steps) {
			break
		}
		start := max(i, first-around)
		oldLine, newLine = oldLine+start-i, newLine+start-i
		end, quiet := first, 0
		for end < len(steps) && quiet <= 2*around {
			if steps[end].mark == ' ' {
				quiet++
			} else {
				quiet = 0
			}
			end++
		}
		end -= max(0, quiet-around)
		var hunk strings.Builder
		olds, news := 0, 0
		for _, s := range steps[start:end] {
			if s.mark != '+' {
				olds++
			}
			if s.mark != '-' {
				news++
			}
			hunk.WriteByte(s.mark)
			hunk.WriteString(s.text)
			if !strings.HasSuffix(s.text, "\n") {
				hunk.WriteString("\n\\ No newline at end of file\n")
			}
		}
		fmt.Fprintf(&out, "@@ -%s +%s @@\n%s", span(oldLine, olds), span(newLine, news), hunk.String())
		oldLine, newLine, i = oldLine+olds, newLine+news, end
	}
	return out.String()
}

// A step is a line of both texts, of the old one alone, or of the new one.
type step struct {
	mark byte // as a diff has it: ' ', '-', '+'
	text string
}

// align finds the longest common part of two texts.
func align(a, b []string) []step {
	var head, tail []step
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, step{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append(tail, step{' ', a[len(a)-1]})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	slices.Reverse(tail)
	// The length of the longest common part of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			head = append(head, step{' ', a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			head = append(head, step{'-', a[i]})
			i++
		default:
			head = append(head, step{'+', b[j]})
			j++
		}
	}
	return append(head, tail...)
}

func span(line, n int) string {
	if n == 0 {
		line--
	}
	return fmt.Sprintf("%d,%d", line, n)
}

func linesOf(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		all = append(all, line)
	}
	return all
}
