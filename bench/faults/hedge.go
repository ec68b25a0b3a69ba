package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
)

const (
	hedgeModules  = 50
	hedgeVersions = 20 // of each module
	hedgeMirrors  = 3
	hedgeClients  = 8
	hedgeSuffix   = ".info" // a .mod would need the checksum database, whose requests are not to be counted
)

// A hedgeResult is one run over all small files.
type hedgeResult struct {
	Mirrors  string // what is wrong with them
	Hedge    string // the flag's value
	Round    int
	P50, P99 float64 // ms
	Extra    float64 // requests beyond one a file, %
	Requests []int   // at each mirror
}

// A lateness is what is wrong with three mirrors.
type lateness struct {
	name  string
	late  int                          // so many of them, from the first on
	fault func(*dice) godowntest.Fault // of those
}

// latenesses returns all of them. The last is one that choosing well does not help against.
func latenesses() []lateness {
	hiccup := sometimes(everything, slow(500*time.Millisecond))
	return []lateness{
		{"all well", 0, nil},
		{"one: 10 % of requests + 500 ms", 1, hiccup},
		{"one: always + 300 ms", 1, always(godowntest.Latency(300 * time.Millisecond))},
		{"each: 10 % of requests + 500 ms", hedgeMirrors, hiccup},
	}
}

// hedge measures small files with one mirror that is late.
func (b *bench) hedge(ctx context.Context) error {
	mods, names, err := smallFiles()
	if err != nil {
		return err
	}
	o, err := startOrigin(mods)
	if err != nil {
		return err
	}
	defer o.close()
	hedges := []string{"10", "0"}
	var failed []error
	for round := range b.rounds {
		for _, late := range latenesses() {
			for i := range hedges {
				r := hedgeResult{Mirrors: late.name, Hedge: hedges[(i+round)%len(hedges)], Round: round}
				progress("hedge, round %d of %d: %s, --hedge %s", round+1, b.rounds, late.name, r.Hedge)
				if err := b.hedgeOnce(ctx, o, names, late, &r); err != nil {
					failed = append(failed, fmt.Errorf("%s, --hedge %s: %w", late.name, r.Hedge, err))
					continue
				}
				b.report.Hedge = append(b.report.Hedge, r)
				o.forget()
			}
		}
	}
	fmt.Printf("\n## Hedge: %d cold %s files, %d clients, three mirrors %v away; %d rounds, seed %d\n\n",
		len(names), hedgeSuffix, hedgeClients, b.latency, b.rounds, b.seed)
	line("mirrors", "--hedge", "p50 ms", "p99 ms", "extra requests, %", "requests, by mirror")
	line("---", "---:", "---", "---", "---", "---")
	for _, late := range latenesses() {
		for _, h := range hedges {
			b.printHedge(late.name, h)
		}
	}
	if len(failed) > 0 {
		return failed[0] // the others are most likely the same
	}
	return nil
}

func (b *bench) printHedge(mirrors, hedge string) {
	var p50, p99, extra []float64
	requests := make([][]int, hedgeMirrors)
	for _, r := range b.report.Hedge {
		if r.Mirrors == mirrors && r.Hedge == hedge {
			p50, p99, extra = append(p50, r.P50), append(p99, r.P99), append(extra, r.Extra)
			for i := range requests {
				requests[i] = append(requests[i], r.Requests[i])
			}
		}
	}
	if len(p50) == 0 {
		line(mirrors, hedge, "–", "–", "–", "–")
		return
	}
	var each []string
	for _, n := range requests {
		each = append(each, fmt.Sprint(median(n)))
	}
	line(mirrors, hedge, spread(p50, 0), spread(p99, 0), spread(extra, 1), strings.Join(each, " "))
}

// smallFiles makes modules, and returns the names of what is asked for.
func smallFiles() (*godowntest.Modules, []string, error) {
	var archive strings.Builder
	var names []string
	for i := range hedgeModules {
		for v := range hedgeVersions {
			path, version := modulePath(i), fmt.Sprintf("v1.%d.0", v)
			fmt.Fprintf(&archive, "-- %s@%s/go.mod --\nmodule %s\n", path, version, path)
			names = append(names, path+"/@v/"+version+hedgeSuffix)
		}
	}
	mods, err := godowntest.ParseModules(archive.String())
	return mods, names, err
}

// hedgeOnce asks a new godown for all files.
func (b *bench) hedgeOnce(ctx context.Context, o *origin, names []string, late lateness, r *hedgeResult) error {
	dir, err := os.MkdirTemp(b.dir, "hedge-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all := slices.Repeat([]conditions{{latency: b.latency}}, hedgeMirrors)
	for i := range late.late {
		all[i].fault = late.fault(newDice(b.seed + uint64(r.Round*hedgeMirrors+i)))
	}
	list, err := startMirrors(o, all...)
	if err != nil {
		return err
	}
	defer list.close()
	s, err := b.startGodown(ctx, dir, "--upstream="+list.proxies(), "--sumdb="+o.db.Spec(), "--hedge="+r.Hedge)
	if err != nil {
		return err
	}
	defer s.Stop()
	ctx, cancel := context.WithTimeout(ctx, 5*b.timeout)
	defer cancel()
	times, err := fetchAll(ctx, s.URL, names, o.mods)
	if err != nil {
		return err
	}
	slices.Sort(times)
	r.P50, r.P99 = ms(times[len(times)/2]), ms(times[len(times)*99/100])
	sum := 0
	for _, m := range list {
		n := m.requests(hedgeSuffix)
		sum += n
		r.Requests = append(r.Requests, n)
	}
	r.Extra = 100 * float64(sum-len(names)) / float64(len(names))
	return nil
}

// fetchAll has clients share the files among them, and returns how long each took.
func fetchAll(ctx context.Context, url string, names []string, mods *godowntest.Modules) ([]time.Duration, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: hedgeClients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	times, errs := make([]time.Duration, len(names)), make([]error, hedgeClients)
	var wg sync.WaitGroup
	for c := range hedgeClients {
		wg.Go(func() {
			for i := c; i < len(names) && errs[c] == nil; i += hedgeClients {
				start := time.Now()
				errs[c] = fetch(ctx, client, url+"/"+names[i], mods.Data(names[i]))
				times[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	return times, errors.Join(errs...)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
