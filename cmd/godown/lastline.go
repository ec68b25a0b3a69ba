package main

import (
	"fmt"
	"io"
)

// A lastLine is the last line of a terminal, kept apart: what others write
// scrolls above it. It is used by one goroutine.
type lastLine struct {
	w      io.Writer
	size   func() (width, height int) // of the terminal; 0 where that is not known
	height int                        // when the line was set apart; 0: it is not
}

// leastHeight is the height below which a terminal has no line to spare.
const leastHeight = 4

// draw shows text, or as much of it as the line holds.
func (l *lastLine) draw(text string) {
	width, height := l.size()
	if height != l.height { // also at first, and when the window's size has changed
		l.remove()
		if height < leastHeight {
			return
		}
		// The cursor leaves the last line, if it is there, and all but that line scrolls.
		fmt.Fprintf(l.w, "\x1bD\x1b[A\x1b7\x1b[1;%dr\x1b8", height-1)
		l.height = height
	}
	if l.height == 0 {
		return
	}
	if most := width - 1; len(text) > most && most >= 0 {
		text = text[:most]
	}
	fmt.Fprintf(l.w, "\x1b7\x1b[%d;1H\x1b[K%s\x1b8", l.height, text)
}

// remove clears the line and gives it back.
func (l *lastLine) remove() {
	if l.height == 0 {
		return
	}
	fmt.Fprintf(l.w, "\x1b7\x1b[r\x1b[%d;1H\x1b[K\x1b8", l.height)
	l.height = 0
}
