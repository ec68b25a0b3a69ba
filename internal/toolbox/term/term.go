// Package term writes for people: in their language, in colours where these
// are wanted, and in tables that fit the width of the terminal. What it writes to and how is said by
// who calls it; the package looks at no environment.
package term

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Printer writes to one place.
type Printer struct {
	W      io.Writer
	Lang   lang.Language
	Width  int  // of the terminal in columns; 0: it is none, and lines are as long as they are
	Colour bool // colours and other attributes are wanted
	Live   bool // what was written can be written over: a terminal that understands the usual sequences
}

// A Console is a command's two ends: what it prints, what it says meanwhile, and who answers.
type Console struct {
	Out *Printer
	Err *Printer
	In  io.Reader
	Ask bool // somebody is there to be asked: In is a terminal
}

// A Style is how something looks where there are colours. Without them
// everything must be understood as well: a style only repeats what words say.
type Style int

// The styles.
const (
	Plain   Style = iota
	Good          // all is well
	Warn          // something will be trouble
	Bad           // something is wrong
	Dim           // less important
	Strong        // what is to be seen first
	Command       // what can be typed
)

// Paint returns s in a style.
func (p *Printer) Paint(style Style, s string) string {
	codes := map[Style]string{Good: "32", Warn: "33", Bad: "31", Dim: "2", Strong: "1", Command: "36"}
	if !p.Colour || style == Plain || s == "" {
		return s
	}
	return "\x1b[" + codes[style] + "m" + s + "\x1b[0m"
}

// Say writes a line of text, wrapped to the terminal's width.
func (p *Printer) Say(t lang.Text, args ...any) {
	p.Para(0, p.text(t, args))
}

// Sprint returns a text in the printer's language.
func (p *Printer) Sprint(t lang.Text, args ...any) string { return p.text(t, args) }

func (p *Printer) text(t lang.Text, args []any) string {
	if len(args) > 0 {
		t = t.With(args...)
	}
	return t.In(p.Lang)
}

// Para writes lines, each indented by so many columns and wrapped.
func (p *Printer) Para(indent int, s string) {
	for line := range strings.SplitSeq(s, "\n") {
		for _, l := range Wrap(line, p.room(indent)) {
			fmt.Fprintln(p.W, strings.TrimRight(strings.Repeat(" ", indent)+l, " "))
		}
	}
}

// Line writes one line as it is: a command to be copied must not be wrapped.
func (p *Printer) Line(indent int, s string) {
	fmt.Fprintln(p.W, strings.TrimRight(strings.Repeat(" ", indent)+s, " "))
}

const (
	widest    = 110 // columns of running text, beyond which nobody likes to read
	narrowest = 24
)

// room returns how many columns are left for text; 0 is any number.
func (p *Printer) room(indent int) int {
	if p.Width == 0 {
		return 0
	}
	return max(min(p.Width-1, widest)-indent, narrowest)
}

// Width returns how many columns s takes on a terminal: two for a Chinese
// character, none for a sequence of Paint.
func Width(s string) int { return text.StringWidthWithoutEscSequences(s) }

// Wrap breaks a line into lines of at most width columns, between words or
// Chinese characters; 0 breaks nothing. A word longer than that stays whole.
func Wrap(line string, width int) []string {
	if width <= 0 || Width(line) <= width {
		return []string{line}
	}
	var lines []string
	var now strings.Builder
	used := 0
	for _, piece := range pieces(line) {
		n := Width(piece)
		if bare := Width(strings.TrimRight(piece, " ")); used > 0 && used+bare > width {
			lines = append(lines, strings.TrimRight(now.String(), " "))
			now.Reset()
			used = 0
		}
		now.WriteString(piece)
		used += n
	}
	return append(lines, strings.TrimRight(now.String(), " "))
}

// pieces cuts a line where it may be broken: after blanks and around wide characters, but not
// before a mark that ends what is before it.
func pieces(line string) []string {
	var all []string
	var now strings.Builder
	cut := func() {
		if now.Len() > 0 {
			all = append(all, now.String())
			now.Reset()
		}
	}
	escape := false
	var last rune
	for _, r := range line {
		switch {
		case escape:
			escape = !unicode.IsLetter(r)
			now.WriteRune(r)
			continue
		case r == '\x1b':
			escape = true
		case last == ' ' && r != ' ',
			wide(r) && !closing(r) && !opening(last),
			wide(last) && !closing(r) && !opening(last) && r != ' ':
			cut()
		}
		now.WriteRune(r)
		last = r
	}
	cut()
	return all
}

func wide(r rune) bool { return r >= 0x2e80 && text.RuneWidth(r) == 2 }

func closing(r rune) bool {
	return strings.ContainsRune("，。；：、！？）》」』”’…,.;:!?)]", r)
}

func opening(r rune) bool { return strings.ContainsRune("（《「『“‘([", r) }

// Clip returns s cut to width columns, with "…" for what is left out, and
// without anything that a terminal would take for a command.
func Clip(s string, width int) string {
	s = Clean(s)
	if width <= 0 || Width(s) <= width {
		return s
	}
	used := 0
	for i, r := range s {
		n := text.RuneWidth(r)
		if used+n > width-1 {
			return s[:i] + "…"
		}
		used += n
	}
	return s
}

// Clean returns s as one line without control characters: for what others have written.
func Clean(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)), " ")
}

// Bar returns a bar of at most width columns that is full at 1.
func Bar(part float64, width int) string {
	eighths := int(min(max(part, 0), 1)*float64(width)*8 + 0.5)
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return bar
}

// Confirm asks a question that is answered by yes or no; what is no yes is no.
// Nobody is asked where nobody is there: then the answer is no, and asked is false.
// When ctx ends, so does the question, with the cause; what reads the answer stays
// behind then, as nothing can end it but the end of the process, which follows.
func (c *Console) Confirm(ctx context.Context, question lang.Text, args ...any) (yes, asked bool, err error) {
	if !c.Ask {
		return false, false, nil
	}
	fmt.Fprint(c.Err.W, c.Err.text(question, args), " [y/N] ")
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := readLine(c.In)
		answers <- answer{line, err}
	}()
	var line string
	select {
	case a := <-answers:
		line, err = a.line, a.err
	case <-ctx.Done():
		fmt.Fprintln(c.Err.W)
		return false, true, context.Cause(ctx)
	}
	if err != nil && (err != io.EOF || line == "") {
		fmt.Fprintln(c.Err.W)
		if err == io.EOF {
			err = nil
		}
		return false, true, err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes", "是", "好", "对":
		return true, true, nil
	}
	return false, true, nil
}

// readLine reads a line byte by byte, so that nothing beyond it is taken.
func readLine(r io.Reader) (string, error) {
	if b, ok := r.(*bufio.Reader); ok {
		return b.ReadString('\n')
	}
	var line []byte
	one := make([]byte, 1)
	for len(line) < 4096 {
		n, err := r.Read(one)
		if n > 0 {
			line = append(line, one[0])
			if one[0] == '\n' {
				break
			}
		}
		if err != nil {
			return string(line), err
		}
	}
	return string(line), nil
}
