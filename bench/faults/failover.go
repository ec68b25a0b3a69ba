package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/godown-dev/godown/bench/process"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A download is one run of "go mod download".
type download struct {
	Row       string
	Flap      bool
	Candidate string
	Round     int
	OK        bool    // it ended well, and every zip is the origin's
	Wrong     bool    // it ended well, but a zip is not the origin's
	Why       string  // it is not OK
	Seconds   float64 // of the whole command
	Requests  []int   // at each mirror
	Longest   waited  // of the requests at the first
}

// faults measures the rows: in each round all candidates, one after the other.
func (b *bench) faults(ctx context.Context) error {
	progress("making modules")
	t, err := makeTree()
	if err != nil {
		return err
	}
	o, err := startOrigin(t.mods)
	if err != nil {
		return err
	}
	defer o.close()
	list := slices.DeleteFunc(rows(), func(r row) bool {
		base := !b.flap && r.name == noFault
		return !base && !b.rows.MatchString(r.name) || b.flap && r.dead // which cannot go any further
	})
	for round := range b.rounds {
		if b.flap { // what all is compared with
			if err := b.downloads(ctx, t, o, row{name: noFault}, false, round); err != nil {
				return err
			}
		}
		for _, r := range list {
			if err := b.downloads(ctx, t, o, r, b.flap, round); err != nil {
				return err
			}
		}
	}
	b.printFaults(fmt.Sprintf("go mod download of %d modules, zips of %.0f MB; two mirrors %v away, the first at fault; %d rounds, seed %d",
		len(t.zips), float64(t.size)/1e6, b.latency, b.rounds, b.seed))
	return nil
}

// downloads lets each candidate download with a fault, in an order that
// changes with the rounds.
func (b *bench) downloads(ctx context.Context, t *tree, o *origin, r row, flap bool, round int) error {
	for i := range b.candidates {
		c := b.candidates[(i+round)%len(b.candidates)]
		progress("round %d of %d: %s, %s", round+1, b.rounds, rowName(r.name, flap), c)
		d := download{Row: r.name, Flap: flap, Candidate: c, Round: round}
		if err := b.download(ctx, t, o, r, &d); err != nil {
			return fmt.Errorf("%s, %s: %w", r.name, c, err)
		}
		if d.Wrong {
			b.trouble = append(b.trouble, fmt.Errorf("%s, %s, round %d: %s", r.name, c, round+1, d.Why))
		}
		b.report.Faults = append(b.report.Faults, d)
		o.forget()
	}
	return nil
}

// download is one run with mirrors, folders and processes of its own.
func (b *bench) download(ctx context.Context, t *tree, o *origin, r row, d *download) error {
	dir, err := os.MkdirTemp(b.dir, "run-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	work := filepath.Join(dir, "main")
	if err := t.write(work); err != nil {
		return err
	}
	well := conditions{latency: b.latency}
	bad := well
	if r.fault != nil {
		bad.fault = r.fault(newDice(b.seed + uint64(d.Round)))
	}
	list, err := startMirrors(o, bad, well)
	if err != nil {
		return err
	}
	defer list.close()
	if r.dead {
		list[0].vanish()
	}

	proxy := list.proxies()
	argv := []string{"go", "mod", "download"}
	switch d.Candidate {
	case "serve":
		s, err := b.startGodown(ctx, dir, "--upstream="+proxy, "--sumdb="+o.db.Spec())
		if err != nil {
			return err
		}
		defer s.Stop()
		proxy = s.URL
	case "run":
		argv = append([]string{b.godown, "run", "--data=" + filepath.Join(dir, "data"), "--private=",
			"--upstream=" + proxy, "--sumdb=" + o.db.Spec(), "--"}, argv...)
	}
	if d.Flap {
		flapping, still := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- list[0].flap(flapping) }()
		err = b.goCommand(ctx, dir, proxy, o.db.Spec(), argv, d)
		still()
		if flapErr := <-ended; flapErr != nil {
			return flapErr
		}
	} else {
		err = b.goCommand(ctx, dir, proxy, o.db.Spec(), argv, d)
	}
	if err != nil {
		return err
	}
	for _, m := range list {
		d.Requests = append(d.Requests, m.requests(""))
	}
	d.Longest = list[0].slowest()
	if d.OK {
		if d.Why = t.check(filepath.Join(dir, "modcache")); d.Why != "" {
			d.OK, d.Wrong = false, true
		}
	}
	return nil
}

// goCommand runs argv in the main module below dir, and notes how long it
// took and how it ended. Its error is that it could not be run.
func (b *bench) goCommand(ctx context.Context, dir, proxy, sumdb string, argv []string, d *download) error {
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return err
	}
	defer output.Close()
	limited, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	cmd := process.Command(limited, argv...)
	cmd.Dir = filepath.Join(dir, "main")
	cmd.Env = append(process.CleanEnv(dir), godowntest.GoEnv(dir, proxy, sumdb)...)
	cmd.Stdout, cmd.Stderr = output, output
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	err = cmd.Wait()
	d.Seconds = time.Since(start).Seconds()
	d.OK = err == nil && limited.Err() == nil
	switch {
	case d.OK:
	case limited.Err() != nil:
		d.Why = fmt.Sprintf("ended after %v", b.timeout)
	default:
		d.Why = fmt.Sprintf("%v: %s", err, process.Said(output.Name()))
	}
	return ctx.Err()
}
