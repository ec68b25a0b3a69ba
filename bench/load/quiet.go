package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// disturbance is the part of the machine that other processes may have during
// a run before it is repeated.
const disturbance = 0.10

// undisturbed waits until the machine is quiet, calls run, and calls it again
// if other processes were busy meanwhile; for both together it takes no longer
// than -quiet says. pids are servers that live on after run.
func (b *bench) undisturbed(ctx context.Context, pids []int, run func() error) error {
	for {
		begin := time.Now()
		if err := b.waitQuiet(ctx); err != nil {
			return err
		}
		b.quiet -= time.Since(begin)
		begin = time.Now()
		before, err := others(pids)
		if runErr := run(); runErr != nil {
			return runErr
		}
		took := time.Since(begin)
		after, afterErr := others(pids)
		if err != nil || afterErr != nil {
			return nil // we cannot know
		}
		share := max(0, float64(after-before)/float64(took)/float64(runtime.NumCPU()))
		if share <= disturbance || b.quiet <= 0 {
			b.shares = append(b.shares, share)
			return nil
		}
		b.quiet -= took
		progress("other processes had %.0f %% of the machine: once more", 100*share)
	}
}

// others returns the CPU time that all other processes than this one, its
// children that have ended, and those of pids have had.
func others(pids []int) (time.Duration, error) {
	busy, ours, err := usage()
	if err != nil {
		return 0, err
	}
	if len(pids) == 0 {
		return busy - ours, nil
	}
	servers, err := cpuTime(pids)
	return busy - ours - servers, err
}

// waitQuiet waits for a second and a half in which little happens, or until -quiet is used up.
func (b *bench) waitQuiet(ctx context.Context) error {
	const step = 500 * time.Millisecond
	end := time.Now().Add(b.quiet)
	for calm := 0; calm < 3 && time.Now().Before(end); {
		before, _, err := usage()
		if err != nil {
			return nil
		}
		if err := pause(ctx, step); err != nil {
			return err
		}
		after, _, err := usage()
		if err != nil {
			return nil
		}
		calm++
		if float64(after-before) > disturbance*float64(runtime.NumCPU())*float64(step) {
			calm = 0
		}
	}
	return nil
}

// printShares says how much of the machine others have had during the runs since it was last called.
func (b *bench) printShares() {
	if len(b.shares) > 0 {
		fmt.Printf("\nMeanwhile other processes had %.0f %% of the machine in the median run, at most %.0f %%.\n",
			100*median(b.shares), 100*slices.Max(b.shares))
	}
	b.shares = nil
}
