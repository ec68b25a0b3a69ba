package main

import (
	"strings"
	"testing"
)

func TestLastLine(t *testing.T) {
	width, height := 20, 10
	var out strings.Builder
	b := &lastLine{w: &out, size: func() (int, int) { return width, height }}
	want := func(what, text string) {
		t.Helper()
		if got := out.String(); got != text {
			t.Errorf("%s: wrote %q, want %q", what, got, text)
		}
		out.Reset()
	}
	b.remove()
	want("nothing to remove", "")
	b.draw("one")
	want("at first", "\x1bD\x1b[A\x1b7\x1b[1;9r\x1b8\x1b7\x1b[10;1H\x1b[Kone\x1b8")
	b.draw(strings.Repeat("x", 30))
	want("too long", "\x1b7\x1b[10;1H\x1b[K"+strings.Repeat("x", 19)+"\x1b8")
	height = 5
	b.draw("two")
	want("a smaller window", "\x1b7\x1b[r\x1b[10;1H\x1b[K\x1b8\x1bD\x1b[A\x1b7\x1b[1;4r\x1b8\x1b7\x1b[5;1H\x1b[Ktwo\x1b8")
	height = 2
	b.draw("three")
	want("a tiny window", "\x1b7\x1b[r\x1b[5;1H\x1b[K\x1b8")
	height = 10
	b.draw("four")
	out.Reset()
	b.remove()
	want("at the end", "\x1b7\x1b[r\x1b[10;1H\x1b[K\x1b8")
}
