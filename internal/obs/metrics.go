package obs

import (
	"net/http"
	"strconv"

	"github.com/godown-dev/godown"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are all that is counted here. Every label has a small fixed set of
// values, but for upstream, which the configuration bounds.
type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	bytes     *prometheus.CounterVec
	calls     *prometheus.CounterVec
	firstByte *prometheus.HistogramVec
	received  *prometheus.CounterVec
	retries   *prometheus.CounterVec
	resumes   *prometheus.CounterVec
	alarms    *prometheus.CounterVec

	mirrorChanges *prometheus.CounterVec

	hits [len(kindNames)]hit // ready, for the one path that must be fast
}

// kindNames are the values of the label kind: by godown.Kind, and two more.
var kindNames = [...]string{"other", "list", "latest", "info", "mod", "zip", "sumdb"}

const sumdbKind = 6

// hit are the counters of requests of a kind that were answered 200 from the cache.
type hit struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
	bytes    prometheus.Counter
}

func newMetrics(reg *prometheus.Registry) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		reg.MustRegister(h)
		return h
	}
	m := &metrics{
		requests:  counter("godown_requests_total", "Requests that ended, by kind of file, HTTP status (0: the connection was cut) and cache status.", "kind", "status", "cache"),
		seconds:   histogram("godown_request_seconds", "Time from a request's header to the end of its response.", []float64{.0001, .001, .01, .1, .5, 1, 5, 30, 120}, "kind"),
		bytes:     counter("godown_response_bytes_total", "Bytes of content sent to clients.", "kind"),
		calls:     counter("godown_upstream_requests_total", "Files asked of upstreams, by result: ok, absent, denied, busy, failed, or canceled (nobody wants it any more).", "upstream", "kind", "result"),
		firstByte: histogram("godown_upstream_first_byte_seconds", "Time from asking an upstream to its answer's header, with retries.", []float64{.005, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}, "upstream"),
		received:  counter("godown_upstream_bytes_total", "Bytes of content received from upstreams.", "upstream"),
		retries:   counter("godown_upstream_retries_total", "Requests to upstreams that were repeated.", "upstream"),
		resumes:   counter("godown_upstream_resumes_total", "Bodies from upstreams that broke off and were continued.", "upstream"),
		alarms:    counter("godown_alarms_total", "What an operator should look at: mismatch, fork, rot, damage, store, unverified, drift.", "kind"),

		mirrorChanges: counter("godown_mirror_changes_total", "Changes of a mirror's state, by the new one: up, down, busy, or lied (it gave a wrong file).", "upstream", "to"),
	}
	for _, kind := range []string{"mismatch", "fork", "rot", "store", "unverified", "drift"} {
		m.alarms.WithLabelValues(kind)
	}
	for i, kind := range kindNames {
		m.hits[i] = hit{m.requests.WithLabelValues(kind, "200", string(godown.Hit)), m.seconds.WithLabelValues(kind), m.bytes.WithLabelValues(kind)}
	}
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// request counts a request that ended.
func (m *metrics) request(ev *godown.Event) {
	kind := int(ev.Request.Kind)
	if ev.Database != "" {
		kind = sumdbKind
	}
	ready := &m.hits[kind]
	if ev.Status == http.StatusOK && ev.Cache == godown.Hit {
		ready.requests.Inc()
	} else {
		m.requests.WithLabelValues(kindNames[kind], strconv.Itoa(ev.Status), string(ev.Cache)).Inc()
	}
	ready.seconds.Observe(ev.Duration.Seconds())
	ready.bytes.Add(float64(ev.Bytes))
}

// call counts an exchange with an upstream.
func (m *metrics) call(c godown.Call) {
	m.calls.WithLabelValues(c.Upstream, c.Kind, c.Result).Inc()
	m.firstByte.WithLabelValues(c.Upstream).Observe(c.FirstByte.Seconds())
	m.received.WithLabelValues(c.Upstream).Add(float64(c.Bytes))
	m.retries.WithLabelValues(c.Upstream).Add(float64(c.Retries))
	m.resumes.WithLabelValues(c.Upstream).Add(float64(c.Resumes))
}

// Watch has the metrics show what a cache counts, and the size of its store,
// which may not be known yet.
func (o *Observer) Watch(stats func() godown.Stats, storeBytes func() (n int64, known bool)) {
	value := func(name, help string, typ prometheus.ValueType, get func(godown.Stats) int64) {
		desc := prometheus.NewDesc(name, help, nil, nil)
		o.reg.MustRegister(collector{desc, func() (float64, bool) { return float64(get(stats())), true }, typ})
	}
	counter, gauge := prometheus.CounterValue, prometheus.GaugeValue
	value("godown_fetches_under_way", "Fetches from upstreams now under way.", gauge, func(s godown.Stats) int64 { return s.Fetching })
	value("godown_fetches_waiting", "Fetches that wait for others to end.", gauge, func(s godown.Stats) int64 { return s.Waiting })
	value("godown_fetches_total", "Fetches from upstreams begun.", counter, func(s godown.Stats) int64 { return s.Fetches })
	value("godown_fetches_shared_total", "Requests that joined the fetch of another.", counter, func(s godown.Stats) int64 { return s.Shared })
	value("godown_verification_failures_total", "Files from upstreams that were not what they should be.", counter, func(s godown.Stats) int64 { return s.Mismatches })
	value("godown_rotten_files_total", "Stored files that were found bad and set aside.", counter, func(s godown.Stats) int64 { return s.Rotten })
	value("godown_store_failures_total", "Files that could not be stored or read.", counter, func(s godown.Stats) int64 { return s.StoreFailures })
	value("godown_unverified_files", "Files that were taken in unverified and wait to be verified.", gauge, func(s godown.Stats) int64 { return s.Pending })
	desc := prometheus.NewDesc("godown_store_bytes", "Size of the stored modules, counted now and then.", nil, nil)
	o.reg.MustRegister(collector{desc, func() (float64, bool) {
		n, known := storeBytes()
		return float64(n), known
	}, gauge})
}

// WatchAhead has the metrics show what is fetched before it is asked for.
func (o *Observer) WatchAhead(stats func() godown.AheadStats) {
	files, bytes := "godown_prefetch_files_total", "godown_prefetch_bytes_total"
	filesHelp := "Files fetched before they were asked for, by result: fetched; of these, used (asked for) and wasted (not asked for in time); refused (not fetched, because of a bound) and failed."
	bytesHelp := "Bytes of files fetched before they were asked for, by result: fetched; of these, used and wasted."
	value := func(name, help, result string, get func(godown.AheadStats) int64) {
		desc := prometheus.NewDesc(name, help, nil, prometheus.Labels{"result": result})
		o.reg.MustRegister(collector{desc, func() (float64, bool) { return float64(get(stats())), true }, prometheus.CounterValue})
	}
	value(files, filesHelp, "fetched", func(s godown.AheadStats) int64 { return s.Fetched })
	value(files, filesHelp, "used", func(s godown.AheadStats) int64 { return s.Used })
	value(files, filesHelp, "wasted", func(s godown.AheadStats) int64 { return s.Wasted })
	value(files, filesHelp, "refused", func(s godown.AheadStats) int64 { return s.Refused })
	value(files, filesHelp, "failed", func(s godown.AheadStats) int64 { return s.Failed })
	value(bytes, bytesHelp, "fetched", func(s godown.AheadStats) int64 { return s.FetchedBytes })
	value(bytes, bytesHelp, "used", func(s godown.AheadStats) int64 { return s.UsedBytes })
	value(bytes, bytesHelp, "wasted", func(s godown.AheadStats) int64 { return s.WastedBytes })
}

// Metrics serves the metrics to Prometheus.
func (o *Observer) Metrics() http.Handler {
	return promhttp.HandlerFor(o.reg, promhttp.HandlerOpts{})
}

// A collector shows one value that is read when it is asked for.
type collector struct {
	desc *prometheus.Desc
	get  func() (value float64, known bool)
	typ  prometheus.ValueType
}

// Describe tells the registry what there is.
func (c collector) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect reads the value, if it is known.
func (c collector) Collect(out chan<- prometheus.Metric) {
	if v, known := c.get(); known {
		out <- prometheus.MustNewConstMetric(c.desc, c.typ, v)
	}
}
