// Package obs makes of each Event a log line and metrics: it is the one place
// where requests are logged, once. It counts what upstreams did, and tells
// operators of alarms.
package obs

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/module"
)

// An Observer writes logs and metrics. Its methods are safe for concurrent use.
type Observer struct {
	log     *slog.Logger
	hits    bool // log them too
	metrics *metrics
	reg     *prometheus.Registry
	tally   *tally // nil: nobody wants a Summary

	mu      sync.Mutex // guards the fields below
	alarms  map[string]*recent
	alarmed []Alarmed // the last ones, newest first
}

// recent keeps alarms of one kind from filling the log.
type recent struct {
	minute     time.Time // the log's record of the last minute was written then
	suppressed int       // since then
}

// New returns an Observer that logs to log: requests that missed, failed or
// were refused, and with hits those that were answered from the cache too.
func New(log *slog.Logger, hits bool) *Observer {
	reg := prometheus.NewRegistry()
	return &Observer{log: log, hits: hits, metrics: newMetrics(reg), reg: reg, alarms: make(map[string]*recent)}
}

// Tally has the Observer keep what Summary tells. It is called before the first request.
func (o *Observer) Tally() {
	o.tally = &tally{modules: make(map[module.Version]struct{})}
}

// Handler serves each request with next, which finds an Event in the
// ResponseWriter, and notes how it ended.
func (o *Observer) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{
			ResponseWriter: w,
			event:          godown.Event{Start: time.Now(), Method: r.Method, URL: r.URL.Path, Client: r.RemoteAddr},
		}
		whole := false
		defer func() {
			// This runs also when the handler cuts the connection by a panic, which goes on.
			ev := &rec.event
			if !whole {
				ev.Status = 0
			}
			ev.Duration = time.Since(ev.Start)
			o.metrics.request(ev)
			if o.tally != nil {
				o.tally.add(ev)
			}
			o.record(r, ev)
		}()
		next.ServeHTTP(rec, r)
		whole = true
	})
}

// record writes the log line of a request.
func (o *Observer) record(r *http.Request, ev *godown.Event) {
	if ev.Cache == godown.Hit && ev.Err == nil && ev.Status < 400 && !o.hits {
		return
	}
	level := slog.LevelInfo
	switch {
	case ev.Status >= 500 || ev.Status == 0 && ev.Err != nil && r.Context().Err() == nil:
		level = slog.LevelError
	case ev.Cache == godown.Stale:
		level = slog.LevelWarn
	}
	if !o.log.Enabled(r.Context(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs, slog.String("method", ev.Method))
	switch {
	case ev.Request.Kind != 0:
		attrs = append(attrs, slog.String("kind", ev.Request.Kind.String()), slog.String("module", ev.Request.Path))
		if ev.Request.Version != "" {
			attrs = append(attrs, slog.String("version", ev.Request.Version))
		}
	default:
		attrs = append(attrs, slog.String("url", shorten(ev.URL)))
	}
	attrs = append(attrs, slog.Int("status", ev.Status))
	if ev.Cache != "" {
		attrs = append(attrs, slog.String("cache", string(ev.Cache)))
	}
	attrs = append(attrs, slog.Int64("bytes", ev.Bytes), slog.Duration("took", ev.Duration.Round(time.Microsecond)))
	if ev.Origin != "" {
		attrs = append(attrs, slog.String("upstream", ev.Origin))
	}
	attrs = append(attrs, slog.String("client", ev.Client))
	if ev.Err != nil {
		attrs = append(attrs, slog.String("error", ev.Err.Error()))
	}
	o.log.LogAttrs(r.Context(), level, "request", attrs...)
}

func shorten(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

// Call notes an exchange with an upstream.
func (o *Observer) Call(c godown.Call) { o.metrics.call(c) }

// Alarm tells operators: in the metrics always, in the log at most once a
// minute for each kind, but for security errors, which are logged every time.
func (o *Observer) Alarm(a godown.Alarm) {
	o.metrics.alarms.WithLabelValues(a.Kind).Inc()
	o.remember(a)
	suppressed, ok := o.mayLog(a.Kind)
	if !ok {
		return
	}
	attrs := []slog.Attr{slog.String("alarm", a.Kind)}
	if a.Request.Kind != 0 {
		attrs = append(attrs, slog.String("file", a.Request.String()))
	}
	if a.Origin != "" {
		attrs = append(attrs, slog.String("origin", a.Origin))
	}
	if a.Err != nil {
		attrs = append(attrs, slog.String("error", a.Err.Error()))
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("more_of_the_kind", suppressed))
	}
	level, text := slog.LevelError, meaning(a.Kind)
	if a.Kind == "unverified" {
		level = slog.LevelWarn
	}
	o.log.LogAttrs(context.Background(), level, text, attrs...)
}

// meaning says in words what an alarm of that kind means.
func meaning(kind string) string {
	switch kind {
	case "fork":
		return "SECURITY ERROR: the checksum database misbehaves"
	case "mismatch":
		return "an upstream gave a wrong file; it was not served"
	case "rot":
		return "a stored file is bad; it was set aside and will be fetched anew"
	case "damage":
		return "a file of our own checksum database is not what it should be; it was made anew if the error says so, else a backup is needed"
	case "store":
		return "the store does not take or give a file; serving goes on without it"
	case "unverified":
		return "a file was served unverified, because the checksum database cannot be reached"
	case "drift":
		return "a tag was moved or removed after a version was made of it; that version stays what it was"
	}
	return "alarm"
}

// mayLog reports whether an alarm of that kind may be logged now, and how many were not.
func (o *Observer) mayLog(kind string) (suppressed int, ok bool) {
	if kind == "fork" || kind == "mismatch" || kind == "rot" || kind == "drift" {
		return 0, true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.alarms[kind]
	if r == nil {
		r = new(recent)
		o.alarms[kind] = r
	}
	if now := time.Now(); now.Sub(r.minute) >= time.Minute {
		suppressed, r.suppressed, r.minute = r.suppressed, 0, now
		return suppressed, true
	}
	r.suppressed++
	return 0, false
}
