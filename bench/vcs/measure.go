package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

var errNoProcess = errors.New("the process is not there, or this system has no /proc")

// A result is one run of a candidate.
type result struct {
	Row       string
	RTT       time.Duration
	Candidate string
	Round     int
	Why       string  // it failed; empty: it ended well
	Seconds   float64 // what the row measures
	CPU       float64 // of the client, the proxy, and the git commands they run, s; negative: not known
	HostCPU   float64 // of the git host's processes, s; negative: not known
	Gits      int     // git commands they ran; negative: not known
	traffic
	Objects *objects // that the host sent; nil: not looked at
	Least   int      // trees and blobs of what was asked for, where Objects are looked at
}

// A trial is what is measured. It returns how long it took and the CPU time of
// the commands it has run; 0 for the first means: as long as the trial as a whole.
type trial func(ctx context.Context) (took, cpu time.Duration, err error)

// measure runs a trial at a stand and keeps the result. Work that goes on
// behind the trial's end counts as CPU time and traffic, not as time. That a
// trial fails is a result; an error is that it could not be made.
func (b *bench) measure(ctx context.Context, s *stand, res result, record bool, try trial) error {
	res.Candidate, res.RTT, res.CPU, res.HostCPU, res.Gits = s.name, s.host.rtt, -1, -1, -1
	progress("round %d of %d: %s, %v, %s", res.Round+1, b.rounds, res.Row, res.RTT, res.Candidate)
	if err := s.rest(ctx); err != nil {
		return err
	}
	s.host.reset(record)
	calls := s.calls()
	cpu, cpuErr := s.proxyCPU()
	children, childErr := cpuOfChildren()
	limited, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	start := time.Now()
	took, commands, err := try(limited)
	if took == 0 {
		took = time.Since(start)
	}
	res.Seconds = took.Seconds()
	if restErr := s.rest(ctx); err == nil {
		err = restErr
	}
	if limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("ended after %v: %w", b.timeout, err)
	}
	if after, afterErr := s.proxyCPU(); cpuErr == nil && afterErr == nil {
		res.CPU = (after - cpu + commands).Seconds()
	}
	if after, afterErr := cpuOfChildren(); childErr == nil && afterErr == nil {
		res.HostCPU = max(0, (after - children - commands).Seconds())
	}
	if calls >= 0 {
		res.Gits = s.calls() - calls
	}
	var answers [][]byte
	res.traffic, answers = s.host.take()
	if record {
		res.Objects = new(objects)
		for _, a := range answers {
			err = errors.Join(err, res.Objects.count(a))
		}
	}
	if err != nil {
		res.Why = err.Error()
		b.trouble = append(b.trouble, fmt.Errorf("%s, %v, %s, round %d: %w", res.Row, res.RTT, res.Candidate, res.Round+1, err))
	}
	b.results = append(b.results, res)
	return ctx.Err()
}

// proxyCPU returns the CPU time of the proxy and the git commands below it.
func (s *stand) proxyCPU() (time.Duration, error) {
	if s.url == "" {
		return 0, nil
	}
	return cpuOfTree(s.pids)
}

// rest waits until the host is left alone and the proxy does nothing.
func (s *stand) rest(ctx context.Context) error {
	if err := s.host.settle(ctx); err != nil {
		return err
	}
	last, since := time.Duration(-1), time.Now()
	return until(ctx, func() bool {
		cpu, err := s.proxyCPU()
		if err != nil {
			return true // nobody can know
		}
		if cpu != last {
			last, since = cpu, time.Now()
		}
		return time.Since(since) > stillness
	})
}

// agree compares what a candidate has got with what others have got before.
func (b *bench) agree(got map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(got)) {
		want, ok := b.known[name]
		if !ok {
			b.known[name] = got[name]
		} else if want != got[name] {
			return fmt.Errorf("%s is %s, and was %s for another candidate", name, got[name], want)
		}
	}
	return nil
}

// turns returns the candidates in an order that changes with the rounds.
func (b *bench) turns(round int, names ...string) (list []string) {
	names = append(names, slices.Sorted(maps.Keys(b.proxies))...)
	for i := range names {
		list = append(list, names[(i+round)%len(names)])
	}
	return list
}
