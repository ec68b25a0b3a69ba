package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/warm"
	"golang.org/x/mod/module"
	"golang.org/x/term"
)

// A bottomLine is a line at the bottom of a terminal that changes until it is removed.
type bottomLine struct {
	last    *lastLine
	text    func(took time.Duration) (text string, over bool)
	start   time.Time
	stop    chan struct{}
	drawing sync.WaitGroup
}

// newBottomLine begins to draw what text returns, until that is over or end is
// called; nothing if w is no terminal, or if quiet.
func newBottomLine(w io.Writer, quiet bool, text func(took time.Duration) (string, bool)) *bottomLine {
	l := &bottomLine{text: text, start: time.Now(), stop: make(chan struct{})}
	f, ok := w.(*os.File)
	// On Windows a terminal must be asked to understand what draw writes.
	if quiet || !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" || runtime.GOOS == "windows" {
		return l
	}
	l.last = &lastLine{w: w, size: func() (width, height int) {
		width, height, _ = term.GetSize(int(f.Fd())) // 0 where that fails
		return width, height
	}}
	l.drawing.Go(l.draw)
	return l
}

// redraw is how often the line is drawn anew.
const redraw = 200 * time.Millisecond

// draw draws the line until stop is closed or it is over, and then removes it.
func (l *bottomLine) draw() {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	defer l.last.remove()
	stopped := make(chan os.Signal, 1)
	whenStopped(stopped)
	defer signal.Stop(stopped)
	for {
		select {
		case <-l.stop:
			return
		case <-stopped:
			l.last.remove() // the terminal is another's now
			stop()
			continue
		case <-tick.C:
		}
		text, over := l.text(time.Since(l.start))
		if over {
			return
		}
		l.last.draw(text)
	}
}

// end removes the line.
func (l *bottomLine) end() {
	close(l.stop)
	l.drawing.Wait()
}

// progressText says how far fetching is. The mirrors in use are named by their number, unless mirrors is nil.
func progressText(done, all int, bytes int64, failed string, mirrors func() []godown.MirrorStatus, took time.Duration) string {
	text := fmt.Sprintf("godown: %d/%d modules, %.1f MB, %.1f MB/s", done, all, float64(bytes)/1e6, float64(bytes)/1e6/max(took.Seconds(), 0.001))
	if mirrors != nil {
		busy := 0
		for _, m := range mirrors() {
			if m.UnderWay > 0 {
				busy++
			}
		}
		text += fmt.Sprintf(", %d mirrors", busy)
		if busy == 1 {
			text = text[:len(text)-1]
		}
	}
	if done > 0 && took > time.Second {
		text += fmt.Sprintf(", %v to go", (took * time.Duration(all-done) / time.Duration(done)).Round(time.Second))
	}
	return text + failed
}

// newJobLine begins to show how far a job is. The mirrors may be nil.
func newJobLine(w io.Writer, quiet bool, job func() warm.Progress, mirrors func() []godown.MirrorStatus) *bottomLine {
	return newBottomLine(w, quiet, func(took time.Duration) (string, bool) {
		p := job()
		if p.Modules == 0 {
			return fmt.Sprintf("godown: reading go.mod files, %d so far", p.FilesDone), false
		}
		failed := ""
		if p.Failed > 0 {
			failed = fmt.Sprintf(", %d failed", p.Failed)
		}
		return progressText(p.ModulesDone, p.Modules, p.Bytes, failed, mirrors, took), false
	})
}

// A progress shows how far the fetching of what a command will want is.
type progress struct {
	*bottomLine
	mirrors func() []godown.MirrorStatus

	mu      sync.Mutex             // guards the fields below
	left    map[module.Version]int // files to come, of each module that is not here
	modules int
	bytes   int64
	failed  int
}

// newProgress begins to show how far the fetching of files is, if w is a terminal.
func newProgress(w io.Writer, quiet bool, files []godown.Request, mirrors func() []godown.MirrorStatus) *progress {
	p := &progress{mirrors: mirrors, left: make(map[module.Version]int)}
	for _, r := range files {
		p.left[module.Version{Path: r.Path, Version: r.Version}]++
	}
	p.modules = len(p.left)
	p.bottomLine = newBottomLine(w, quiet, p.line)
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

// line returns the line to be drawn after a time, and whether all is here.
func (p *progress) line(took time.Duration) (text string, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.left) == 0 {
		return "", true
	}
	failed := ""
	if p.failed > 0 {
		failed = fmt.Sprintf(", %d files failed", p.failed)
	}
	return progressText(p.modules-len(p.left), p.modules, p.bytes, failed, p.mirrors, took), false
}
