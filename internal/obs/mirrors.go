package obs

import (
	"context"
	"log/slog"

	"github.com/godown-dev/godown"
	"github.com/prometheus/client_golang/prometheus"
)

// MirrorChanged tells operators that a mirror has come into another state. It
// is called once for each change. What takes a mirror out of use is a warning,
// and so is the state "lied": a wrong file was had from it. That it is back, or
// asks us to wait, is not.
func (o *Observer) MirrorChanged(name, from, to, why string) {
	level, text := slog.LevelInfo, "a mirror is back"
	switch to {
	case "lied":
		level, text = slog.LevelWarn, "a mirror gave a wrong file; it is not asked for that module for a while"
	case "down":
		level, text = slog.LevelWarn, "a mirror is down; others are asked in its place"
	case "busy":
		text = "a mirror asks us to wait; others are asked in its place"
	}
	o.metrics.mirrorChanges.WithLabelValues(name, to).Inc()
	o.log.LogAttrs(context.Background(), level, text,
		slog.String("upstream", name), slog.String("from", from), slog.String("to", to), slog.String("why", why))
}

// WatchMirrors has the metrics show how mirrors are. A mirror that stands in
// two groups is shown once: its counts are added up, and its means are those of
// the first group.
func (o *Observer) WatchMirrors(status func() []godown.MirrorStatus) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"upstream"}, labels...), nil)
	}
	o.reg.MustRegister(&mirrorCollector{
		status:    status,
		up:        desc("godown_mirror_up", "Whether the mirror is asked: 1, or 0 while it is down or has asked us to wait."),
		rank:      desc("godown_mirror_rank", "In which place of its group the mirror would be asked now; the first is 1."),
		firstByte: desc("godown_mirror_first_byte_seconds", "Moving mean of the time to the first byte of an answer, once it is known."),
		rate:      desc("godown_mirror_bytes_per_second", "Moving mean of what one connection brings, once it is known."),
		failing:   desc("godown_mirror_failure_rate", "Moving mean of the share of requests that fail, from 0 to 1."),
		requests:  desc("godown_mirror_requests_total", "Requests to the mirror, probes and second requests too."),
		failures:  desc("godown_mirror_failures_total", "Requests that failed, by kind: refused, reset, timeout, stall, slow, status, busy, lag, lie or other.", "kind"),
		resumes:   desc("godown_mirror_resumes_total", "Bodies, begun there or elsewhere, that the mirror continued after they had broken off."),
		bytes:     desc("godown_mirror_bytes_total", "Bytes of content received from the mirror."),
		hedges:    desc("godown_mirror_hedges_total", "Second requests to this mirror because another was late: won if it answered first, else lost.", "result"),
		underWay:  desc("godown_mirror_under_way", "Requests to the mirror now under way."),
		benched:   desc("godown_mirror_benched_modules", "Modules that the mirror is not asked for, since it gave wrong files of them."),
	})
}

// A mirrorCollector shows the state of all mirrors, which is read once for each scrape.
type mirrorCollector struct {
	status func() []godown.MirrorStatus

	up, rank, firstByte, rate, failing         *prometheus.Desc
	requests, failures, bytes, resumes, hedges *prometheus.Desc
	underWay, benched                          *prometheus.Desc
}

// Describe tells the registry what there is.
func (c *mirrorCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.up, c.rank, c.firstByte, c.rate, c.failing, c.requests, c.failures, c.bytes, c.resumes, c.hedges, c.underWay, c.benched,
	} {
		out <- d
	}
}

// Collect reads the state.
func (c *mirrorCollector) Collect(out chan<- prometheus.Metric) {
	for _, m := range together(c.status()) {
		gauge := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, m.Name)
		}
		counter := func(d *prometheus.Desc, v int64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{m.Name}, labels...)...)
		}
		up := 0.0
		if m.State == "up" {
			up = 1
		}
		gauge(c.up, up)
		gauge(c.rank, float64(m.Rank))
		if m.FirstByteMS > 0 {
			gauge(c.firstByte, m.FirstByteMS/1000)
		}
		if m.BytesPerSec > 0 {
			gauge(c.rate, m.BytesPerSec)
		}
		gauge(c.failing, m.FailureRate)
		gauge(c.underWay, float64(m.UnderWay))
		gauge(c.benched, float64(m.Benched))
		counter(c.requests, m.Requests)
		for _, kind := range godown.FailureKinds() {
			counter(c.failures, m.Failures[kind], kind)
		}
		counter(c.bytes, m.Bytes)
		counter(c.resumes, m.Resumes)
		counter(c.hedges, m.HedgesWon, "won")
		counter(c.hedges, m.HedgesLost, "lost")
	}
}

// together returns one status for each name, in the order in which they come.
func together(list []godown.MirrorStatus) []godown.MirrorStatus {
	var all []godown.MirrorStatus
	at := make(map[string]int)
	for _, m := range list {
		i, ok := at[m.Name]
		if !ok {
			at[m.Name] = len(all)
			all = append(all, m)
			continue
		}
		sum := &all[i]
		failures := make(map[string]int64)
		for _, kind := range godown.FailureKinds() {
			failures[kind] = sum.Failures[kind] + m.Failures[kind]
		}
		sum.Failures = failures
		sum.Requests += m.Requests
		sum.Bytes += m.Bytes
		sum.Resumes += m.Resumes
		sum.HedgesWon += m.HedgesWon
		sum.HedgesLost += m.HedgesLost
		sum.UnderWay += m.UnderWay
		sum.Benched += m.Benched
	}
	return all
}
