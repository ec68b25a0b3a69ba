package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// results collects the samples of all loads, a sample of each candidate in
// each round.
type results struct {
	loads   []load
	list    []*candidate
	samples map[string][]sample // by key
	peaks   map[string]int64    // by candidate
}

func newResults(loads []load, list []*candidate) *results {
	return &results{loads, list, make(map[string][]sample), make(map[string]int64)}
}

func key(l load, c *candidate) string { return l.name + "\x00" + c.name }

func (r *results) add(l load, c *candidate, s sample) {
	r.samples[key(l, c)] = append(r.samples[key(l, c)], s)
}

// memory notes the peak of a candidate's resident memory.
func (r *results) memory(c *candidate) {
	if n, err := peakMemory(c.server.pids); err == nil {
		r.peaks[c.name] = n
	}
}

// print prints a table of medians.
func (r *results) print(title string) {
	fmt.Printf("\n## Warm: %s\n\n", title)
	fmt.Println("| load | candidate | CPU-s / 1,000 requests | MB / CPU-s | requests/s | p50 ms | p99 ms | peak MB | to the floor |")
	fmt.Println("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
	for _, l := range r.loads {
		var floor []sample
		for _, c := range r.list {
			if c.name == l.floor {
				floor = r.samples[key(l, c)]
			}
		}
		for _, c := range r.list {
			all := r.samples[key(l, c)]
			if len(all) == 0 {
				continue
			}
			of := func(f func(sample) float64) float64 {
				var values []float64
				for _, s := range all {
					values = append(values, f(s))
				}
				return median(values)
			}
			cpu, perCPU, peak := "–", "–", "–"
			if all[0].cpu > 0 {
				cpu = fmt.Sprintf("%.4f", 1000*of(func(s sample) float64 { return s.cpu.Seconds() / float64(s.requests) }))
				perCPU = fmt.Sprintf("%.0f", of(func(s sample) float64 { return float64(s.bytes) / 1e6 / s.cpu.Seconds() }))
			}
			if n := r.peaks[c.name]; n > 0 {
				peak = fmt.Sprintf("%.0f", float64(n)/1e6)
			}
			fmt.Printf("| %s | %s | %s | %s | %.0f | %.2f | %.2f | %s | %s |\n", l.name, c.name, cpu, perCPU,
				of(func(s sample) float64 { return float64(s.requests) / s.wall.Seconds() }),
				of(func(s sample) float64 { return ms(s.p50) }), of(func(s sample) float64 { return ms(s.p99) }),
				peak, l.compare(all, floor, c.name))
		}
	}
}

// compare returns the median of the ratios of each round, and their spread.
func (l load) compare(all, floor []sample, name string) string {
	if name == l.floor {
		return "1"
	}
	var ratios []float64
	for i, s := range all[:min(len(all), len(floor))] {
		ratio := s.cost(l.perByte) / floor[i].cost(l.perByte)
		if l.perByte {
			ratio = 1 / ratio
		}
		ratios = append(ratios, ratio)
	}
	text := spread(ratios, 2)
	switch m := median(ratios); {
	case l.target == 0:
	case l.perByte:
		text += verdict(m >= l.target, fmt.Sprintf("≥ %.2f", l.target))
	default:
		text += verdict(m <= l.target, fmt.Sprintf("≤ %.2f", l.target))
	}
	if all[0].cpu == 0 {
		text += " (by the clock)"
	}
	return text
}

// verdict says whether a target was met.
func verdict(met bool, target string) string {
	if met {
		return ", target " + target + " met"
	}
	return ", target " + target + " MISSED"
}

// spread shows values by their median, least and greatest.
func spread(values []float64, decimals int) string {
	return fmt.Sprintf("**%.*f** (%.*f–%.*f)", decimals, median(values), decimals, slices.Min(values), decimals, slices.Max(values))
}

// median returns the value in the middle, 0 of none.
func median[T cmp.Ordered](values []T) T {
	if len(values) == 0 {
		var zero T
		return zero
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// row prints a line of a table.
func row(cells ...string) { fmt.Println("| " + strings.Join(cells, " | ") + " |") }
