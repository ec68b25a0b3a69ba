package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// A report is every single result; it is what -json writes.
type report struct {
	Faults []download    `json:",omitempty"`
	Split  []splitResult `json:",omitempty"`
	Hedge  []hedgeResult `json:",omitempty"`
}

func (r *report) write(name string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o666)
}

const (
	limitFactor  = 1.3 // a run with a fault may take so many times
	limitSeconds = 5   // and so much more than one without
)

func rowName(name string, flap bool) string {
	if flap {
		return name + ", coming and going"
	}
	return name
}

// printFaults prints a table of the downloads: medians of those that went well.
func (b *bench) printFaults(title string) {
	fmt.Printf("\n## Faults: %s\n\n", title)
	line("first mirror's fault", "candidate", "ok", "wall s", "to fault-free", fmt.Sprintf("within %.1f × fault-free + %d s", limitFactor, limitSeconds), "requests at the first", "at the second")
	line("---", "---", "---:", "---", "---:", "---", "---:", "---:")
	type key struct {
		row       string
		flap      bool
		candidate string
	}
	groups := make(map[key][]download)
	var order []key
	for _, d := range b.report.Faults {
		k := key{d.Row, d.Flap, d.Candidate}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], d)
	}
	slices.SortStableFunc(order, func(x, y key) int { // the candidates of a row in the order of the flag
		if x.row != y.row || x.flap != y.flap {
			return 0
		}
		return slices.Index(b.candidates, x.candidate) - slices.Index(b.candidates, y.candidate)
	})
	var why []string
	for _, k := range order {
		all := groups[k]
		base := median(seconds(groups[key{noFault, false, k.candidate}]))
		good := seconds(all)
		wall, ratio, within := "–", "–", "**NO**"
		if len(good) > 0 {
			wall = spread(good, 2)
		}
		if len(good) > 0 && base > 0 {
			ratio = fmt.Sprintf("%.2f", median(good)/base)
			if len(good) == len(all) && median(good) <= limitFactor*base+limitSeconds {
				within = "yes"
			}
		}
		cells := []string{rowName(k.row, k.flap), k.candidate, fmt.Sprintf("%d/%d", len(good), len(all)), wall, ratio, within}
		for i := range 2 {
			var n []int
			for _, d := range all {
				n = append(n, d.Requests[i])
			}
			cells = append(cells, fmt.Sprint(median(n)))
		}
		line(cells...)
		if i := slices.IndexFunc(all, func(d download) bool { return !d.OK || within != "yes" && len(good) == len(all) }); i >= 0 {
			d := all[i]
			text := fmt.Sprintf("%s, %s: ", rowName(k.row, k.flap), k.candidate)
			if d.Why != "" {
				text += d.Why + "; "
			}
			why = append(why, text+fmt.Sprintf("the longest request at the first mirror: %.1f s, %s", d.Longest.Seconds, cmp.Or(d.Longest.Name, "none")))
		}
	}
	if len(why) > 0 {
		fmt.Printf("\nThe first run of each that failed or was late:\n\n- %s\n", strings.Join(why, "\n- "))
	}
}

// seconds returns how long the downloads took that went well.
func seconds(list []download) (s []float64) {
	for _, d := range list {
		if d.OK {
			s = append(s, d.Seconds)
		}
	}
	return s
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
func median[T int | float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// line prints a line of a table.
func line(cells ...string) { fmt.Println("| " + strings.Join(cells, " | ") + " |") }
