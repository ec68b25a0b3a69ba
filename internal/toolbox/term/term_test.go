package term

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  []string
	}{
		{"one two three", 0, []string{"one two three"}},
		{"one two three", 8, []string{"one two", "three"}},
		{"averyverylongword x", 6, []string{"averyverylongword", "x"}},
		{"检查镜像，然后再试。", 8, []string{"检查镜", "像，然后", "再试。"}},
		{"设置 GOPROXY 为空", 12, []string{"设置 GOPROXY", "为空"}},
		{"\x1b[31mred word\x1b[0m here", 8, []string{"\x1b[31mred word\x1b[0m", "here"}},
	} {
		if got := Wrap(c.in, c.width); !slices.Equal(got, c.want) {
			t.Errorf("Wrap(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
}

func TestTableFits(t *testing.T) {
	columns := []Column{{Title: lang.Text{En: "MIRROR", Zh: "镜像"}}, {Title: lang.Same("MS"), Right: true}, {Title: lang.Text{En: "WHY", Zh: "原因"}, Shrink: true}}
	rows := [][]Cell{Cells("a.example", "12", strings.Repeat("because of it ", 10)), {{"镜像", Good}, {"1", Bad}, {"因为它是最快的并且一直都在那里所以我们选择了它没有别的原因了", Plain}}}
	for _, colour := range []bool{false, true} {
		p := &Printer{Width: 60, Colour: colour, Lang: lang.Chinese}
		for line := range strings.Lines(p.Table(columns, rows)) {
			if Width(strings.TrimSuffix(line, "\n")) > 60 {
				t.Errorf("too wide: %q", line)
			}
		}
	}
	// A word that is too long is broken, where that reads best.
	p := &Printer{Width: 40}
	if got := p.Table(columns[1:], [][]Cell{Cells("1", "https://mirror.example/a/rather/long/path/of/a/mirror")}); got != "MS  WHY\n 1  https://mirror.example/a/rather/\n    long/path/of/a/mirror\n" {
		t.Errorf("%s", got)
	}
	p = &Printer{}
	if got := p.Table(columns[:2], [][]Cell{Cells("a", "1"), Cells("bb", "22")}); got != "MIRROR  MS\na        1\nbb      22\n" {
		t.Errorf("%q", got)
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "是\n": true, "\n": false, "": false, "n\n": false, "y": true} {
		c := &Console{Err: &Printer{W: io.Discard}, In: strings.NewReader(answer), Ask: true}
		if yes, asked, err := c.Confirm(t.Context(), lang.Same("?")); yes != want || !asked || err != nil {
			t.Errorf("%q: %v %v %v", answer, yes, asked, err)
		}
	}
	// Who is asked may stop it all.
	never, w := io.Pipe()
	defer w.Close()
	ctx, stop := context.WithCancelCause(t.Context())
	stop(io.ErrClosedPipe)
	c := &Console{Err: &Printer{W: io.Discard}, In: never, Ask: true}
	if yes, asked, err := c.Confirm(ctx, lang.Same("?")); yes || !asked || err != io.ErrClosedPipe {
		t.Errorf("stopped: %v %v %v", yes, asked, err)
	}
	c = &Console{In: strings.NewReader("y\n")}
	if yes, asked, _ := c.Confirm(t.Context(), lang.Same("?")); yes || asked {
		t.Error("nobody is there, and yet there was an answer")
	}
}

func TestBoard(t *testing.T) {
	var out bytes.Buffer
	b := (&Printer{W: &out, Live: true, Width: 10}).Board()
	b.Show([]string{"one", "a line that is too long"}, 0)
	b.Show([]string{"two"}, 0)
	b.Clear()
	if want := "one\na line t…\n\x1b[2A\r\x1b[Jtwo\n\x1b[1A\r\x1b[J"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	(&Printer{W: &out}).Board().Show([]string{"one"}, 0)
	if out.Len() > 0 {
		t.Error("a board where nothing can be written over")
	}
}

func TestBarAndClip(t *testing.T) {
	if got := Bar(0.5, 4) + "|" + Bar(2, 2) + "|" + Bar(0.1, 4); got != "██|██|▍" {
		t.Errorf("%q", got)
	}
	if got := Clip("检查镜像\x1b[31m", 5); got != "检查…" {
		t.Errorf("%q", got)
	}
}
