package obs

import (
	"github.com/godown-dev/godown"
	"github.com/prometheus/client_golang/prometheus"
)

// An OwnSums is what metrics show of a checksum database of our own.
type OwnSums struct {
	Name    string
	Records int64
	Waiting int // records that are to be appended
}

// WatchSums has the metrics show how checksum databases are; each function may be nil.
func (o *Observer) WatchSums(own func() OwnSums, upstream func() godown.SumsStatus) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"database"}, labels...), nil)
	}
	o.reg.MustRegister(&sumsCollector{
		own: own, upstream: upstream,
		records: desc("godown_sumdb_records", "Records in the newest tree of a checksum database that is known here."),
		waiting: desc("godown_sumdb_waiting", "Records that are to be appended to the checksum database of our own."),
		stopped: desc("godown_sumdb_stopped", "Whether nothing new of a checksum database is believed any more, because it has signed two histories: 1, else 0."),
		behind:  desc("godown_sumdb_view_behind", "How many records the newest tree had more than the one that a mirror showed when it was last asked.", "upstream"),
	})
}

type sumsCollector struct {
	own      func() OwnSums
	upstream func() godown.SumsStatus

	records, waiting, stopped, behind *prometheus.Desc
}

// Describe is a prometheus.Collector's.
func (c *sumsCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.records, c.waiting, c.stopped, c.behind} {
		ch <- d
	}
}

// Collect is a prometheus.Collector's.
func (c *sumsCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if c.own != nil {
		own := c.own()
		gauge(c.records, float64(own.Records), own.Name)
		gauge(c.waiting, float64(own.Waiting), own.Name)
	}
	if c.upstream == nil {
		return
	}
	up := c.upstream()
	gauge(c.records, float64(up.Size), up.Name)
	stopped := 0.0
	if up.Stopped != "" {
		stopped = 1
	}
	gauge(c.stopped, stopped, up.Name)
	shown := make(map[string]bool)
	for _, v := range up.Views {
		if v.Size > 0 && !shown[v.Name] { // one mirror may stand in two groups
			shown[v.Name] = true
			gauge(c.behind, float64(v.Behind), up.Name, v.Name)
		}
	}
}
