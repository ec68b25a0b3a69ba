package godown

import (
	"context"
	"time"
)

// An Event is what is known of one request to us. It travels in the context;
// whoever learns something writes it there, and one place (the room obs) makes
// a log line and metrics of it when the request has ended. Only the goroutine
// that serves the request may touch it.
type Event struct {
	Start    time.Time
	Duration time.Duration
	Client   string // address and port
	Method   string
	URL      string // the path as asked for
	Request  Request
	Database string // set instead of Request for a file of a checksum database: its name
	Status   int    // HTTP status; 0 if the connection was cut before one was sent
	Bytes    int64  // of content, sent to the client
	Cache    CacheStatus
	Ahead    bool   // it was fetched before it was asked for, or at least begun
	Origin   string // which upstream the content came from, where it was fetched now
	Err      error  // why it failed, or why it is stale
}

type eventKey struct{}

// WithEvent returns a context that carries e.
func WithEvent(ctx context.Context, e *Event) context.Context {
	return context.WithValue(ctx, eventKey{}, e)
}

// EventFrom returns the context's Event; never nil: without one it returns a fresh one that nobody reads.
func EventFrom(ctx context.Context) *Event {
	if e, ok := ctx.Value(eventKey{}).(*Event); ok {
		return e
	}
	return new(Event)
}

// A Call is one exchange with an upstream, for metrics.
type Call struct {
	Upstream  string        // its name, without secrets
	Kind      string        // list, latest, info, mod, zip or sumdb
	Result    string        // ok, absent, denied, busy, failed, canceled (nobody wants it any more): a small fixed set
	FirstByte time.Duration // until the answer's header
	Duration  time.Duration // until the body's end
	Bytes     int64
	Retries   int // how often it was asked again
	Resumes   int // how often a broken body was continued
}

// An Alarm is something that an operator should know, and that no request's
// Event tells: it may concern many requests, or none.
type Alarm struct {
	Kind    string // mismatch, fork, rot, damage, store, unverified, drift: a small fixed set
	Request Request
	Origin  string // the upstream concerned, if any
	Err     error
}

type cachedOnlyKey struct{}

// CachedOnly returns a context in which a [Cache] answers from its store alone.
func CachedOnly(ctx context.Context) context.Context {
	return context.WithValue(ctx, cachedOnlyKey{}, true)
}

// IsCachedOnly reports whether ctx is of [CachedOnly].
func IsCachedOnly(ctx context.Context) bool { return ctx.Value(cachedOnlyKey{}) != nil }
