package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
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
	for _, r := range b.rows {
		if s := b.sets[r.set]; s != nil {
			fmt.Fprintf(w, "\n- **%s**: %s; set %s, %d zips, %.0f MB", r.name, r.what, r.set, len(s.zips), float64(s.size)/1e6)
		}
	}
	fmt.Fprintf(w, "\n\nThe mirror is %v away, a new connection costs %d round trips more and carries %.1f MB/s; %s for the go command; %d rounds.\n\n",
		b.latency, openingTrips, float64(b.rate)/1e6, cores, b.rounds)
	line(w, "row", "candidate", "ok", "wall s", "to straight", "MB sent", "beyond straight, %", "requests (to the checksum database)",
		"connections (used at once)", "the line allows, s (times that)", "peak MB")
	line(w, "---", "---", "---:", "---", "---", "---:", "---", "---:", "---:", "---:", "---")
	var why []string
	lacking := 0
	for _, r := range b.rows {
		for _, c := range b.candidates {
			all := b.of(r.name, c)
			b.printRow(w, r, c, all)
			for _, res := range all {
				lacking = max(lacking, res.Lacking)
			}
			if i := slices.IndexFunc(all, func(res result) bool { return !res.OK }); i >= 0 {
				why = append(why, fmt.Sprintf("%s, %s, round %d: %s", r.name, c, all[i].Round+1, all[i].Why))
			}
		}
	}
	for i, text := range why {
		if i == 0 {
			fmt.Fprintf(w, "\nThe first run of each that failed:\n\n")
		}
		fmt.Fprintf(w, "- %s\n", text)
	}
	if lacking > 0 {
		fmt.Fprintf(w, "\nUp to %d zips were asked for in one run that a real mirror has but the corpus lacks: \"MB sent\" is too low. "+
			"-wanted adds them to the corpus; then measure again.\n", lacking)
	}
}

// of returns the results of a candidate in a row.
func (b *bench) of(row, candidate string) (list []result) {
	for _, res := range b.results {
		if res.Row == row && res.Candidate == candidate {
			list = append(list, res)
		}
	}
	return list
}

// printRow prints a line of the table.
func (b *bench) printRow(w io.Writer, r row, candidate string, all []result) {
	good := slices.DeleteFunc(slices.Clone(all), func(res result) bool { return !res.OK })
	cells := slices.Repeat([]string{"–"}, 11)
	cells[0], cells[1], cells[2] = r.name, candidate, fmt.Sprintf("%d/%d", len(good), len(all))
	if len(good) == 0 {
		line(w, cells...)
		return
	}
	each := func(value func(result) float64) (list []float64) {
		for _, res := range good {
			list = append(list, value(res))
		}
		return list
	}
	cells[3] = spread(each(func(res result) float64 { return res.Seconds }), 2)
	var times, beyond []float64 // of what went straight in the same round
	for _, base := range b.of(r.name, straight) {
		for _, res := range good {
			if base.OK && res.Round == base.Round {
				times = append(times, res.Seconds/base.Seconds)
				beyond = append(beyond, 100*(float64(res.Bytes)/float64(base.Bytes)-1))
			}
		}
	}
	if candidate != straight && len(times) > 0 {
		cells[4] = spread(times, 3) + verdict(median(times), r.time[candidate], "≤ %.2f")
	}
	if candidate != atHand {
		cells[5] = fmt.Sprintf("%.1f", median(each(func(res result) float64 { return float64(res.Bytes) / 1e6 })))
		cells[7] = pair(0, each(func(res result) float64 { return float64(res.Requests) }), each(func(res result) float64 { return float64(res.SumDB) }))
		cells[8] = pair(0, each(func(res result) float64 { return float64(res.Connections) }), each(func(res result) float64 { return float64(res.AtOnce) }))
		if candidate != straight && len(beyond) > 0 {
			cells[6] = spread(beyond, 1) + verdict(median(beyond), r.extra[candidate], "≤ %.0f")
		}
		if allowed := each(func(res result) float64 { return res.Allowed }); slices.Min(allowed) > 0 {
			cells[9] = pair(2, allowed, each(func(res result) float64 { return res.Seconds / res.Allowed }))
		}
	}
	if memory := each(func(res result) float64 { return float64(res.Memory) / 1e6 }); slices.Min(memory) > 0 {
		cells[10] = spread(memory, 0) + verdict(median(memory), r.memory, "≤ %.0f")
	}
	line(w, cells...)
}

// verdict says whether a target was met; 0 is none.
func verdict(value, target float64, format string) string {
	switch {
	case target == 0:
		return ""
	case value <= target:
		return fmt.Sprintf(", target "+format+" met", target)
	}
	return fmt.Sprintf(", target "+format+" MISSED", target)
}

// spread shows values by their median, least and greatest.
func spread(values []float64, decimals int) string {
	return fmt.Sprintf("**%.*f** (%.*f–%.*f)", decimals, median(values), decimals, slices.Min(values), decimals, slices.Max(values))
}

// pair shows the medians of values and, in parentheses, of what belongs to them.
func pair(decimals int, values, others []float64) string {
	return fmt.Sprintf("%.*f (%.*f)", decimals, median(values), decimals, median(others))
}

// median returns the value in the middle; values has at least one.
func median(values []float64) float64 {
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
