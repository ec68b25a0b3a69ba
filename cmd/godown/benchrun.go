package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/gauge"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
	"github.com/spf13/cobra"
)

// bench measures and prints, once or again and again.
func (m machine) bench(cmd *cobra.Command, f *benchFlags, plan gauge.Plan, tail string) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stopped := make(chan os.Signal, 1) // holds the signal that has ended it
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case sig := <-signals:
			stopped <- sig
			cancel()
		case <-ctx.Done():
		}
	}()
	defer func() {
		signal.Stop(signals)
		cancel()
		<-done
	}()
	c := m.console(cmd)
	if f.watch != 0 {
		return f.again(ctx, c, plan, tail)
	}
	live := gauge.NewLive(c.Err, plan.Targets)
	plan.Observe = live.Observe
	report := gauge.Measure(ctx, plan)
	live.Clear()
	advice := report.Advise(tail)
	if err := f.write(c, report, advice, nil); err != nil {
		return ended(exitFailed, err)
	}
	select {
	case sig := <-stopped:
		number, _ := sig.(syscall.Signal)
		return ended(exitSignal+int(number), nil)
	default:
	}
	if f.set {
		to := c.Out
		if f.asJSON || f.asCSV {
			to = c.Err
		}
		if err := m.benchSet(cmd.Context(), to, advice); err != nil {
			return ended(exitFailed, err)
		}
	}
	if advice.Best == nil {
		return ended(exitFailed, nil)
	}
	return nil
}

// maxRounds is how many measurements are remembered: at one a minute those of a working day.
const maxRounds = 500

// again measures until ctx ends, which is how one ends it. It fails if at the end no mirror could be used.
func (f *benchFlags) again(ctx context.Context, c *term.Console, plan gauge.Plan, tail string) error {
	board := c.Out.Board()
	live := gauge.NewLive(c.Err, plan.Targets)
	plan.Observe = live.Observe
	var past []*gauge.Report
	last := error(nil)
	for {
		report := gauge.Measure(ctx, plan)
		live.Clear()
		plan.Observe = nil // the table takes its place
		if report.Interrupted {
			return last
		}
		advice := report.Advise(tail)
		if last = nil; advice.Best == nil {
			last = ended(exitFailed, nil)
		}
		if c.Out.Live && !f.asJSON && !f.asCSV {
			board.Show(report.Round(c.Out, advice, past), 0)
			if err := f.writePage(c, report, advice, past); err != nil {
				return ended(exitFailed, err)
			}
		} else if err := f.write(c, report, advice, past); err != nil {
			return ended(exitFailed, err)
		}
		past = append(past[max(0, len(past)-maxRounds+1):], report)
		timer := time.NewTimer(f.watch)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return last
		}
	}
}

// write writes a report in the form that is wanted. Past are the earlier ones of --watch.
func (f *benchFlags) write(c *term.Console, r *gauge.Report, a gauge.Advice, past []*gauge.Report) error {
	var err error
	switch {
	case f.asJSON:
		err = r.WriteJSON(c.Out.W, a, c.Out.Lang, f.watch != 0)
	case f.asCSV:
		err = r.WriteCSV(c.Out.W, len(past) == 0)
	case f.watch != 0:
		err = printed(c.Out, func(p *term.Printer) {
			if len(past) > 0 {
				fmt.Fprintln(p.W)
			}
			r.PrintRound(p, a, past)
		})
	default:
		err = printed(c.Out, func(p *term.Printer) { r.Print(p, a) })
	}
	if err != nil {
		return err
	}
	return f.writePage(c, r, a, past)
}

// printed writes what print prints, and tells whether it could be written.
func printed(p *term.Printer, print func(*term.Printer)) error {
	var b bytes.Buffer
	to := *p
	to.W = &b
	print(&to)
	_, err := p.W.Write(b.Bytes())
	return err
}

// writePage writes the page of --html, whole or not at all: a browser may be reading the last one.
func (f *benchFlags) writePage(c *term.Console, r *gauge.Report, a gauge.Advice, past []*gauge.Report) error {
	if f.page == "" {
		return nil
	}
	if info, err := os.Stat(f.page); err == nil && !info.Mode().IsRegular() { // such as /dev/stdout, which must not be replaced
		return f.writeInto(c, r, a, past)
	}
	file, err := os.CreateTemp(filepath.Dir(f.page), ".godown-bench-*")
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	defer os.Remove(file.Name()) // in vain once it was renamed
	err = r.WritePage(file, a, c.Out.Lang, past)
	if err == nil {
		err = file.Chmod(0o644) // for those who are to read it
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), f.page)
	}
	if err != nil {
		return fmt.Errorf("--html %s: %w", f.page, err)
	}
	if len(past) == 0 && (f.watch == 0 || !c.Out.Live) { // nothing may come between the tables that are written over
		c.Err.Say(lang.Text{En: "The page is in %s.", Zh: "网页已写入 %s。"}, f.page)
	}
	return nil
}

// writeInto writes the page to what is there and no file, such as a device or a pipe.
func (f *benchFlags) writeInto(c *term.Console, r *gauge.Report, a gauge.Advice, past []*gauge.Report) error {
	to, err := os.OpenFile(f.page, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	err = r.WritePage(to, a, c.Out.Lang, past)
	if closeErr := to.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("--html %s: %w", f.page, err)
	}
	return nil
}
