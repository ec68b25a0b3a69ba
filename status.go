package godown

import "time"

// A MirrorStatus is what is known of one mirror, for people and for metrics. It holds no secrets.
type MirrorStatus struct {
	Name  string `json:"name"`
	Group int    `json:"group"` // which group of the upstream list it belongs to; the first is 1

	State  string    `json:"state"`  // up, down (not asked but for a trial now and then), or busy (it asked us to wait)
	Since  time.Time `json:"since"`  // when it came into this state
	Reason string    `json:"reason"` // why it is or isn't chosen now
	Rank   int       `json:"rank"`   // in which place it would be asked now; the first is 1

	FirstByteMS float64 `json:"first_byte_ms"` // moving mean of the time to the first byte; 0: not known yet
	P95MS       float64 `json:"p95_ms"`        // the time in which 95 of 100 small files are here; 0: not known yet
	BytesPerSec float64 `json:"bytes_per_sec"` // moving mean of one connection; 0: not known yet
	FailureRate float64 `json:"failure_rate"`  // moving mean, from 0 to 1

	UnderWay   int              `json:"under_way"` // requests
	Requests   int64            `json:"requests"`
	Failures   map[string]int64 `json:"failures"` // by kind: refused, reset, timeout, stall, slow, status, busy, lag, lie, other
	Bytes      int64            `json:"bytes"`
	Resumes    int64            `json:"resumes"`     // bodies, begun here or elsewhere, that it continued after they had broken off
	HedgesWon  int64            `json:"hedges_won"`  // second requests to this mirror that were answered first
	HedgesLost int64            `json:"hedges_lost"` // and those that were not
	LastError  string           `json:"last_error,omitempty"`
	LastFailed time.Time        `json:"last_failed,omitzero"`
	Benched    int              `json:"benched"` // modules that it is not asked for, since it gave wrong files of them
}

// FailureKinds are the keys of Failures.
func FailureKinds() []string {
	return []string{"refused", "reset", "timeout", "stall", "slow", "status", "busy", "lag", "lie", "other"}
}

// AheadStats count what was fetched before it was asked for. What was neither
// used nor wasted may still be asked for.
type AheadStats struct {
	Fetched, Used, Wasted                int64 // files; of those fetched, those that were asked for, and those that nobody asked for in time
	FetchedBytes, UsedBytes, WastedBytes int64
	Refused                              int64 // files that were not fetched ahead because of a bound
	Failed                               int64 // files that could not be fetched
}
