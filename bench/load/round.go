package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// slice is how long a candidate is loaded before it is the next one's turn.
// What else the machine does then hits all candidates alike.
const slice = 250 * time.Millisecond

// A runner loads one candidate in one round.
type runner struct {
	candidate *candidate
	server    *server
	own       bool // the server was started for this round
	clients   []*client
	times     []time.Duration
	total     sample
}

// round measures all candidates with a load, a slice of each in turns.
func (b *bench) round(ctx context.Context, l load, list []*candidate, number int, up *upstream) (map[*candidate]sample, error) {
	var runners []*runner
	defer func() {
		for _, run := range runners {
			run.close()
		}
	}()
	for i := range list {
		c := list[(i+number)%len(list)] // each is the first in turn
		if c.skips(l) {
			continue
		}
		run := &runner{candidate: c, server: c.server}
		runners = append(runners, run)
		if l.fresh && c.exe != "" {
			s, err := b.startGodown(ctx, c.name, c.exe, c.data, up)
			if err != nil {
				return nil, err
			}
			run.server, run.own = s, true
		}
		for i := range b.conns {
			conn, err := dial(ctx, run.server.address, 64<<10, time.Minute+time.Duration(len(list))*b.time)
			if err != nil {
				return nil, err
			}
			run.clients = append(run.clients, conn)
			if err := conn.get(l.targets[i%len(l.targets)]); err != nil {
				return nil, err
			}
		}
	}
	for used := time.Duration(0); used < b.time; used += slice {
		for _, run := range runners {
			if err := run.slice(ctx, l.targets); err != nil {
				return nil, err
			}
		}
	}
	samples := make(map[*candidate]sample)
	for _, run := range runners {
		slices.Sort(run.times)
		n := len(run.times)
		run.total.p50, run.total.p99 = run.times[n/2], run.times[n*99/100]
		samples[run.candidate] = run.total
	}
	return samples, nil
}

func (run *runner) close() {
	for _, c := range run.clients {
		c.close()
	}
	if run.own {
		run.server.stop()
	}
}

// slice has all connections ask, one request after the other, for as long as a
// slice takes.
func (run *runner) slice(ctx context.Context, targets []*target) error {
	n := len(run.clients)
	times, bytes, errs := make([][]time.Duration, n), make([]int64, n), make([]error, n)
	var wg sync.WaitGroup
	before, cpuErr := cpuTime(run.server.pids)
	start := time.Now()
	for i, c := range run.clients {
		wg.Go(func() {
			at := rand.IntN(len(targets))
			for now := start; now.Sub(start) < slice && errs[i] == nil && ctx.Err() == nil; at++ {
				t := targets[at%len(targets)]
				errs[i] = c.get(t)
				next := time.Now()
				times[i] = append(times[i], next.Sub(now))
				bytes[i] += t.size
				now = next
			}
		})
	}
	wg.Wait()
	run.total.wall += time.Since(start)
	if after, err := cpuTime(run.server.pids); err == nil && cpuErr == nil {
		run.total.cpu += after - before
	}
	for i := range run.clients {
		run.times = append(run.times, times[i]...)
		run.total.requests += len(times[i])
		run.total.bytes += bytes[i]
	}
	return errors.Join(append(errs, ctx.Err())...)
}
