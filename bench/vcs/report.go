package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// write writes every single result.
func (b *bench) write(name string) error {
	data, err := json.MarshalIndent(b.results, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o666)
}

// print prints a table of all rows: medians of the runs that went well.
func (b *bench) print(w io.Writer) {
	fmt.Fprintln(w)
	for _, r := range b.rows {
		fmt.Fprintf(w, "- **%s**: %s\n", r.name, r.what)
	}
	fmt.Fprintf(w, "\n%d rounds, %d MB at the tips of r1 and r2.\n\n", b.rounds, b.mb)
	head := []string{"row", "round trip", "candidate", "ok", "wall s", "to the base", "CPU s", "to the base", "git commands",
		"discover + ls-refs + fetch", "connections", "MB sent", "packs, kB", "commits, trees, blobs", "host's CPU s"}
	line(w, head...)
	rule := slices.Repeat([]string{"---:"}, len(head))
	rule[0], rule[2] = "---", "---"
	line(w, rule...)
	for _, r := range b.rows {
		for _, rtt := range b.rtts {
			var names []string
			for _, res := range b.results {
				if res.Row == r.name && res.RTT == rtt && !slices.Contains(names, res.Candidate) {
					names = append(names, res.Candidate)
				}
			}
			slices.SortFunc(names, func(x, y string) int { // the base first, then godown
				return cmp.Or(-truth(x == r.base)+truth(y == r.base), -truth(x == asGodown)+truth(y == asGodown), cmp.Compare(x, y))
			})
			for _, name := range names {
				line(w, b.cells(r, rtt, name)...)
			}
		}
	}
	if len(b.trouble) > 0 {
		fmt.Fprintf(w, "\nWhat failed:\n\n")
		for _, err := range b.trouble {
			fmt.Fprintf(w, "- %.700s\n", err.Error())
		}
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// of returns the results of a candidate that went well, and how many there are in all.
func (b *bench) of(r row, rtt time.Duration, candidate string) (good []result, all int) {
	for _, res := range b.results {
		if res.Row == r.name && res.RTT == rtt && res.Candidate == candidate {
			if all++; res.Why == "" {
				good = append(good, res)
			}
		}
	}
	return good, all
}

// cells returns a line of the table.
func (b *bench) cells(r row, rtt time.Duration, candidate string) []string {
	good, all := b.of(r, rtt, candidate)
	cells := slices.Repeat([]string{"–"}, 15)
	cells[0], cells[1], cells[2], cells[3] = r.name, rtt.String(), candidate, fmt.Sprintf("%d/%d", len(good), all)
	if len(good) == 0 {
		return cells
	}
	each := func(value func(result) float64) (list []float64) {
		for _, res := range good {
			list = append(list, value(res))
		}
		return list
	}
	typical := func(value func(result) float64, format string) string {
		list := each(value)
		if slices.Min(list) < 0 {
			return "–"
		}
		return fmt.Sprintf(format, median(list))
	}
	cells[4] = spread(each(func(res result) float64 { return res.Seconds }), 3)
	cells[6] = typical(func(res result) float64 { return res.CPU }, "%.2f")
	cells[8] = typical(func(res result) float64 { return float64(res.Gits) }, "%.0f")
	cells[9] = fmt.Sprintf("%s + %s + %s", typical(func(res result) float64 { return float64(res.Discover) }, "%.0f"),
		typical(func(res result) float64 { return float64(res.LsRefs) }, "%.0f"), typical(func(res result) float64 { return float64(res.Fetch) }, "%.0f"))
	cells[10] = typical(func(res result) float64 { return float64(res.Connections) }, "%.0f")
	cells[11] = typical(func(res result) float64 { return float64(res.Bytes) / 1e6 }, "%.2f")
	cells[12] = typical(func(res result) float64 { return float64(res.PackBytes) / 1e3 }, "%.0f")
	cells[14] = typical(func(res result) float64 { return res.HostCPU }, "%.2f")
	if o := good[len(good)-1].Objects; o != nil {
		cells[13] = o.show(good[len(good)-1].Least, candidate == asGodown)
	}
	if candidate == r.base || r.base == "" {
		return cells
	}
	base, _ := b.of(r, rtt, r.base)
	wall, cpu := ratios(base, good)
	var limits row // which are godown's alone
	if candidate == asGodown {
		limits = r
	}
	if len(wall) > 0 {
		cells[5] = spread(wall, 3) + verdict(median(wall), limits.wall, limits.strict)
	}
	if len(cpu) > 0 {
		cells[7] = spread(cpu, 3) + verdict(median(cpu), limits.cpu, limits.strict)
	}
	return cells
}

// ofRetractions are the tree and the blob of the highest version's go.mod, which
// says what is retracted.
const ofRetractions = 2

// show tells of objects, and whether there are more trees and blobs than those of
// the commit, least, and of retractions. What is a change to an object that the
// client had, may be either.
func (o *objects) show(least int, judge bool) string {
	least += ofRetractions
	text := fmt.Sprintf("%d, %d, %d", o.Commits, o.Trees, o.Blobs)
	if o.Unknown > 0 {
		text += fmt.Sprintf(", %d unknown", o.Unknown)
	}
	switch {
	case !judge:
	case o.Trees+o.Blobs+o.Unknown <= least:
		text += ": none of history"
	default:
		text += fmt.Sprintf(": %d are enough, MISSED", least)
	}
	return text
}

// ratios compares results with those of the same round.
func ratios(base, others []result) (wall, cpu []float64) {
	for _, res := range others {
		for _, with := range base {
			if with.Round != res.Round {
				continue
			}
			wall = append(wall, res.Seconds/with.Seconds)
			if res.CPU >= 0 && with.CPU > 0 {
				cpu = append(cpu, res.CPU/with.CPU)
			}
		}
	}
	return wall, cpu
}

// verdict says whether a target was met; 0 is none.
func verdict(value, target float64, strict bool) string {
	sign, met := "≤", value <= target
	if strict {
		sign, met = "<", value < target
	}
	switch {
	case target == 0:
		return ""
	case met:
		return fmt.Sprintf(", target %s %.2f met", sign, target)
	}
	return fmt.Sprintf(", target %s %.2f MISSED", sign, target)
}

// spread shows values by their median, least and greatest.
func spread(values []float64, decimals int) string {
	return fmt.Sprintf("**%.*f** (%.*f–%.*f)", decimals, median(values), decimals, slices.Min(values), decimals, slices.Max(values))
}

// median returns the value in the middle; values has at least one.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// line prints a line of a table.
func line(w io.Writer, cells ...string) {
	fmt.Fprint(w, "|")
	for _, c := range cells {
		fmt.Fprintf(w, " %s |", c)
	}
	fmt.Fprintln(w)
}
