package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/warm"
	"golang.org/x/mod/module"
	"golang.org/x/term"
)

// A progress shows, in a line at the bottom of a terminal, how far fetching is.
type progress struct {
	w       io.Writer // nil: nothing is shown
	width   func() int
	mirrors func() []godown.MirrorStatus
	start   time.Time
	stop    chan struct{}
	drawing sync.WaitGroup

	mu      sync.Mutex             // guards the fields below
	left    map[module.Version]int // files to come, of each module that is not here
	modules int
	bytes   int64
	failed  int
}

// newProgress begins to show how far the fetching of files is, if w is a terminal.
func newProgress(w io.Writer, quiet bool, files []godown.Request, mirrors func() []godown.MirrorStatus) *progress {
	p := &progress{mirrors: mirrors, start: time.Now(), stop: make(chan struct{}), left: make(map[module.Version]int)}
	for _, r := range files {
		p.left[module.Version{Path: r.Path, Version: r.Version}]++
	}
	p.modules = len(p.left)
	f, ok := w.(*os.File)
	// On Windows a terminal must be asked to understand what draw writes.
	if quiet || !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" || runtime.GOOS == "windows" {
		return p
	}
	p.w = w
	p.width = func() int {
		n, _, err := term.GetSize(int(f.Fd()))
		if err != nil || n <= 0 {
			return 80
		}
		return n
	}
	p.drawing.Go(p.draw)
	return p
}

// add notes that a file is here, or has failed.
func (p *progress) add(o warm.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := module.Version{Path: o.Request.Path, Version: o.Request.Version}
	if p.left[m]--; p.left[m] <= 0 {
		delete(p.left, m)
	}
	if o.Err != nil {
		p.failed++
	} else {
		p.bytes += max(o.Size, 0)
	}
}

// redraw is how often the line is drawn anew.
const redraw = 200 * time.Millisecond

// draw draws the line until stop is closed or all is here, and then removes it.
func (p *progress) draw() {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	defer io.WriteString(p.w, below(""))
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		text, over := p.line(time.Since(p.start))
		if over {
			return
		}
		if most := p.width() - 1; len(text) > most {
			text = text[:max(most, 0)]
		}
		io.WriteString(p.w, below(text))
	}
}

// below returns what writes text on the line below the cursor, in place of what
// is there, and leaves the cursor where it is: that line is the command's.
func below(text string) string {
	const (
		makeRoom = "\x1bD\x1b[A" // down, scrolling if need be, and up again
		save     = "\x1b7"
		lineDown = "\x1b[B\r\x1b[K"
		restore  = "\x1b8"
	)
	return makeRoom + save + lineDown + text + restore
}

// line returns the line to be drawn after a time, and whether all is here.
func (p *progress) line(took time.Duration) (text string, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := p.modules - len(p.left)
	if done == p.modules {
		return "", true
	}
	busy := 0
	for _, m := range p.mirrors() {
		if m.UnderWay > 0 {
			busy++
		}
	}
	text = fmt.Sprintf("godown: %d/%d modules, %.1f MB, %.1f MB/s, %d mirrors", done, p.modules,
		float64(p.bytes)/1e6, float64(p.bytes)/1e6/max(took.Seconds(), 0.001), busy)
	if busy == 1 {
		text = text[:len(text)-1]
	}
	if done > 0 && took > time.Second {
		text += fmt.Sprintf(", %v to go", (took * time.Duration(len(p.left)) / time.Duration(done)).Round(time.Second))
	}
	if p.failed > 0 {
		text += fmt.Sprintf(", %d files failed", p.failed)
	}
	return text, false
}

// end removes the line.
func (p *progress) end() {
	close(p.stop)
	p.drawing.Wait()
}
