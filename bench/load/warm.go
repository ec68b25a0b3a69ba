package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A candidate is a server that is compared with others.
type candidate struct {
	name   string
	server *server
	exe    string // a build of godown; empty for floors and for proxies given by their URL
	data   string // its folder
}

// parseOthers returns what the command line names: proxies that run, and builds of godown.
func parseOthers(args []string) (running, builds []*candidate, err error) {
	names := []string{"godown", "floor-small", "floor-zip"}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || slices.Contains(names, name) {
			return nil, nil, fmt.Errorf("%q is not NAME=URL or NAME=EXECUTABLE with a new name", arg)
		}
		names = append(names, name)
		if address, isURL := strings.CutPrefix(value, "http://"); isURL {
			address = strings.TrimSuffix(address, "/")
			running = append(running, &candidate{name: name, server: &server{name: name, address: address, pids: listeners(address)}})
			continue
		}
		exe, err := filepath.Abs(value)
		if err != nil {
			return nil, nil, err
		}
		builds = append(builds, &candidate{name: name, exe: exe})
	}
	return running, builds, nil
}

// A load is what all candidates are asked for in turns.
type load struct {
	name    string
	targets []*target
	floor   string // the candidate that the others are compared with
	fresh   bool   // builds of godown only, each time in a new process on its old folder
	perByte bool   // what counts is bytes, and not requests, per CPU second
	target  float64
}

// A sample is one load of one candidate.
type sample struct {
	requests  int
	bytes     int64
	wall, cpu time.Duration // cpu: of the server; 0 if not known
	p50, p99  time.Duration
}

// cost is what a request, or with perByte a byte, costs: CPU time, or else time.
func (s sample) cost(perByte bool) float64 {
	t := s.cpu
	if t == 0 {
		t = s.wall
	}
	if perByte {
		return t.Seconds() / float64(s.bytes)
	}
	return t.Seconds() / float64(s.requests)
}

// warm measures answers from the cache.
func (b *bench) warm(ctx context.Context) error {
	progress("making a tree of %d versions", b.versions)
	t, err := makeTree(b.versions)
	if err != nil {
		return err
	}
	up, err := startUpstream(t.mods, b.origin)
	if err != nil {
		return err
	}
	defer up.close()
	list, err := b.candidates(ctx, t, up)
	defer func() {
		for _, c := range list {
			if c.server != nil {
				c.server.stop()
			}
		}
	}()
	if err != nil {
		return err
	}
	loads := []load{
		{name: "small: .info and .mod", targets: t.small, floor: "floor-small", target: 1.3},
		{name: "list", targets: t.lists, floor: "floor-small", target: 1.3},
		{name: fmt.Sprintf("list of %d versions, %d kB", bigList, t.longList[0].size/1000), targets: t.longList, floor: "floor-small", target: 1.3},
		{name: "zip", targets: t.zips, floor: "floor-zip", perByte: true, target: 0.95},
		{name: "zip, process just started", targets: t.zips, floor: "floor-zip", perByte: true, fresh: true},
	}
	loads = slices.DeleteFunc(loads, func(l load) bool { return !b.only.MatchString(l.name) })
	var pids []int
	for _, c := range list {
		pids = append(pids, c.server.pids...)
	}
	r := newResults(loads, list)
	for round := range b.rounds {
		progress("round %d of %d", round+1, b.rounds)
		for _, l := range loads {
			var samples map[*candidate]sample
			err := b.undisturbed(ctx, pids, func() (err error) {
				samples, err = b.round(ctx, l, list, round, up)
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			for c, s := range samples {
				r.add(l, c, s)
			}
		}
	}
	for _, c := range list {
		r.memory(c)
		if err := c.check(ctx, t); err != nil {
			return fmt.Errorf("%s, after the loads: %w", c.name, err)
		}
	}
	r.print(fmt.Sprintf("%d connections, %v a load, %d rounds; %d versions, zips of %.0f MB in all",
		b.conns, b.time, b.rounds, len(t.zips), float64(t.zipSize)/1e6))
	return nil
}

// candidates starts all servers: the floors last, when there is what they serve.
func (b *bench) candidates(ctx context.Context, t *tree, up *upstream) ([]*candidate, error) {
	var list []*candidate
	for _, c := range append(b.builds(), b.running...) {
		list = append(list, c)
		if c.exe != "" {
			c.data = filepath.Join(b.dir, "data-"+c.name)
			var err error
			if c.server, err = b.startGodown(ctx, c.name, c.exe, c.data, up); err != nil {
				return list, err
			}
		}
		if err := b.prepare(ctx, c, t, up); err != nil {
			return list, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	small := filepath.Join(b.dir, "small")
	if err := t.writeSmall(small); err != nil {
		return list, err
	}
	// The very files that godown serves: how a file was written decides how the
	// system keeps it in memory, and so what sending it costs.
	zips := filepath.Join(list[0].data, "modules")
	for i, dir := range []string{small, zips} {
		name := []string{"floor-small", "floor-zip"}[i]
		s, err := b.startServer(ctx, name, b.exe, name, dir)
		if err != nil {
			return list, err
		}
		c := &candidate{name: name, server: s}
		list = append(list, c)
		if err := c.check(ctx, t); err != nil {
			return list, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return list, nil
}

// skips reports whether a load is not for this candidate.
func (c *candidate) skips(l load) bool {
	return strings.HasPrefix(c.name, "floor-") && c.name != l.floor || l.fresh && c.name != l.floor && c.exe == ""
}

// prepare fills a candidate's cache and brings it to where it will stay: a
// build of godown is started anew, finds all files in its folder, and has
// looked at all of them.
func (b *bench) prepare(ctx context.Context, c *candidate, t *tree, up *upstream) error {
	progress("filling %s", c.name)
	if err := c.check(ctx, t); err != nil {
		return err
	}
	if c.exe != "" {
		c.server.stop()
		var err error
		if c.server, err = b.startGodown(ctx, c.name, c.exe, c.data, up); err != nil {
			return err
		}
		if err := c.check(ctx, t); err != nil {
			return err
		}
	}
	return c.server.settle(ctx)
}

// check asks a candidate for every file and compares all bytes.
func (c *candidate) check(ctx context.Context, t *tree) error {
	all := t.all()
	switch c.name {
	case "floor-small":
		all = t.allSmall()
	case "floor-zip":
		all = t.zips
	}
	const clients = 4
	var wg sync.WaitGroup
	errs := make([]error, clients)
	for i := range clients {
		wg.Go(func() {
			cl, err := dial(ctx, c.server.address, 64<<10, 5*time.Minute)
			if err != nil {
				errs[i] = err
				return
			}
			defer cl.close()
			for k := i; k < len(all) && errs[i] == nil && ctx.Err() == nil; k += clients {
				errs[i] = cl.check(all[k])
			}
		})
	}
	wg.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}
