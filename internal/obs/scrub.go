package obs

import (
	"github.com/godown-dev/godown"
	"github.com/prometheus/client_golang/prometheus"
)

// WatchScrub has the metrics show what the scrub of the store has found, and where it is.
func (o *Observer) WatchScrub(stats func() godown.ScrubStats) {
	value := func(name, help string, typ prometheus.ValueType, labels prometheus.Labels, get func(godown.ScrubStats) (float64, bool)) {
		o.reg.MustRegister(collector{prometheus.NewDesc(name, help, nil, labels), func() (float64, bool) { return get(stats()) }, typ})
	}
	count := func(name, help string, labels prometheus.Labels, get func(godown.ScrubStats) int64) {
		value(name, help, prometheus.CounterValue, labels, func(s godown.ScrubStats) (float64, bool) { return float64(get(s)), true })
	}
	const help = "Stored files that were read again and compared, by result: good, unproven (no record can be had), bad (not what it should be), or unreadable (the disk did not give it)."
	for result, get := range map[string]func(godown.ScrubStats) int64{
		"good":       func(s godown.ScrubStats) int64 { return s.Good },
		"unproven":   func(s godown.ScrubStats) int64 { return s.Unproven },
		"bad":        func(s godown.ScrubStats) int64 { return s.Bad },
		"unreadable": func(s godown.ScrubStats) int64 { return s.Unreadable },
	} {
		count("godown_scrub_files_total", help, prometheus.Labels{"result": result}, get)
	}
	count("godown_scrub_bytes_total", "Bytes of stored files that were read again.", nil, func(s godown.ScrubStats) int64 { return s.Bytes })
	count("godown_scrub_repaired_total", "Stored files that were bad, and were replaced by good ones.", nil, func(s godown.ScrubStats) int64 { return s.Repaired })
	value("godown_scrub_position", "The share of the stored files that the present pass is through with, from 0 to 1.", prometheus.GaugeValue, nil,
		func(s godown.ScrubStats) (float64, bool) { return s.Position, true })
	value("godown_scrub_completed_timestamp_seconds", "When the scrub was last through with all stored files, in Unix time; absent before that.", prometheus.GaugeValue, nil,
		func(s godown.ScrubStats) (float64, bool) { return float64(s.Complete.Unix()), !s.Complete.IsZero() })
}
