package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/warm"
)

// warmPage is where a server takes lists of what it is to fetch ahead.
const warmPage = "/-/warm"

// The bounds of what is asked of warmPage.
const (
	maxWarmJobs  = 2       // under way at once
	maxWarmBody  = 8 << 20 // bytes of a list
	maxWarmFiles = 20_000  // of a job
	maxWarmRoots = 200     // of a job
	maxWarmTime  = time.Hour

	warmBodyTime = time.Minute            // for a list to arrive
	warmLineTime = 30 * time.Second       // for a client to take what it is told
	warmTell     = 500 * time.Millisecond // between two lines on the progress
	warmRetry    = "30"                   // seconds, of Retry-After
)

// A warmer does the jobs that clients give to a server. A job belongs to the
// warmer: it goes on when its client has left, and ends with the server.
type warmer struct {
	source godown.Source
	log    *slog.Logger
	places chan struct{}           // one for each job under way
	ctx    context.Context         // of all jobs
	cancel context.CancelCauseFunc // ends them

	mu      sync.Mutex // guards closed, and that no job begins once it is set
	closed  bool
	working sync.WaitGroup // jobs
}

func newWarmer(source godown.Source, log *slog.Logger) *warmer {
	w := &warmer{source: source, log: log, places: make(chan struct{}, maxWarmJobs)}
	w.ctx, w.cancel = context.WithCancelCause(context.Background())
	return w
}

var errShuttingDown = errors.New("the server is shutting down; ask again when it is back, it goes on from there")

// close ends all jobs, and waits for their end.
func (wm *warmer) close() {
	wm.mu.Lock()
	wm.closed = true
	wm.mu.Unlock()
	wm.cancel(errShuttingDown)
	wm.working.Wait()
}

// A runningJob is a job in the background.
type runningJob struct {
	*warm.Job
	failing chan struct{} // gets a value when there is a new failure
	ended   chan struct{} // closed when it has ended; then err and took are set
	err     error
	took    time.Duration
}

// newRunningJob has the job tell of failures through failing.
func newRunningJob(job *warm.Job) *runningJob {
	j := &runningJob{Job: job, failing: make(chan struct{}, 1), ended: make(chan struct{})}
	job.Failing = func() {
		select {
		case j.failing <- struct{}{}:
		default:
		}
	}
	return j
}

// run does the job.
func (j *runningJob) run(ctx context.Context) {
	start := time.Now()
	j.err = j.Run(ctx)
	j.took = time.Since(start)
	close(j.ended)
}

// A warmEnd is the last line of a stream.
type warmEnd struct {
	Done bool `json:"done"`
	warm.Progress
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"` // why it ended before all was asked for
}

func (j *runningJob) end() warmEnd {
	end := warmEnd{Done: true, Progress: j.Progress(), Seconds: j.took.Seconds()}
	if j.err != nil {
		end.Error = j.err.Error()
	}
	return end
}

// tell writes how the job goes, until it has ended, or until ctx ends: each
// failure as it comes, and where it changes the progress. It does not write the end.
func (j *runningJob) tell(ctx context.Context, write func(any) error) error {
	tick := time.NewTicker(warmTell)
	defer tick.Stop()
	told := 0
	var last warm.Progress
	for over := false; !over; {
		tell := false
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-j.ended:
			over = true
		case <-j.failing:
		case <-tick.C:
			tell = true
		}
		for _, f := range j.Failures(told) {
			if err := write(f); err != nil {
				return err
			}
			told++
		}
		if p := j.Progress(); tell && p != last {
			if err := write(p); err != nil {
				return err
			}
			last = p
		}
	}
	return nil
}

// start begins a job, unless there are as many as there may be, or the warmer
// is closed: then it returns nil. The caller has a place.
func (wm *warmer) start(job *warm.Job) *runningJob {
	wm.mu.Lock()
	defer wm.mu.Unlock()
	if wm.closed {
		return nil
	}
	j := newRunningJob(job)
	wm.working.Go(func() {
		defer func() { <-wm.places }()
		ctx, cancel := context.WithTimeoutCause(wm.ctx, maxWarmTime, fmt.Errorf("it was not done within %v; ask again, it goes on from there", maxWarmTime))
		defer cancel()
		j.run(ctx)
		p := j.Progress()
		log := []any{"modules", p.ModulesDone, "files", p.FilesDone, "bytes", p.Bytes, "failed", p.Failed, "duration", j.took}
		if j.err != nil {
			log = append(log, "error", j.err)
		}
		wm.log.Info("warmed", log...)
	})
	return j
}

// ServeHTTP takes a list, as warm.ParseList has it, and streams how its job goes.
func (wm *warmer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "only POST is allowed here, with a list of what to fetch: go.sum lines, or PATH@VERSION", http.StatusMethodNotAllowed)
		return
	}
	if why := notLocal(r); why != "" {
		http.Error(w, "only a program on the server's own machine may have it fetch ahead, and without a proxy between: "+why, http.StatusForbidden)
		return
	}
	if r.ContentLength > maxWarmBody {
		tooLarge(w)
		return
	}
	job := wm.read(w, r)
	if job == nil {
		return
	}
	select {
	case wm.places <- struct{}{}: // not before the list is here: it may come slowly
	default:
		w.Header().Set("Retry-After", warmRetry)
		http.Error(w, fmt.Sprintf("%d jobs are under way, which is as many as there may be; try again later", maxWarmJobs), http.StatusServiceUnavailable)
		return
	}
	j := wm.start(job)
	if j == nil {
		<-wm.places
		w.Header().Set("Retry-After", warmRetry)
		http.Error(w, errShuttingDown.Error(), http.StatusServiceUnavailable)
		return
	}
	// Of the two names in use, application/x-ndjson is older, and one of those
	// that begin with x-; jsonlines.org asks for application/jsonl.
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	write := func(line any) error {
		// The server's own deadline is for one module; this may take longer.
		_ = rc.SetWriteDeadline(time.Now().Add(warmLineTime))
		if err := json.NewEncoder(w).Encode(line); err != nil {
			return err
		}
		return rc.Flush()
	}
	// An error means that nobody listens any more: the job goes on.
	if write(j.Progress()) == nil && j.tell(r.Context(), write) == nil {
		_ = write(j.end())
	}
}

// read reads the list and makes a job of it, or answers what is wrong and returns nil.
func (wm *warmer) read(w http.ResponseWriter, r *http.Request) *warm.Job {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(warmBodyTime)) // what has none need not wait
	list, err := warm.ParseList(http.MaxBytesReader(w, r.Body, maxWarmBody), "list")
	_ = rc.SetReadDeadline(time.Time{})
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		tooLarge(w)
		return nil
	}
	if err == nil && len(list.Files)+len(list.Roots) == 0 {
		err = errors.New("the list is empty; expected lines of a go.sum file, or PATH@VERSION")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil
	}
	if len(list.Files) > maxWarmFiles || len(list.Roots) > maxWarmRoots {
		http.Error(w, fmt.Sprintf("the list has %d files and %d PATH@VERSION; at most %d and %d are done at once, so split it",
			len(list.Files), len(list.Roots), maxWarmFiles, maxWarmRoots), http.StatusRequestEntityTooLarge)
		return nil
	}
	return &warm.Job{Source: wm.source, Files: list.Files, Roots: list.Roots, MaxFiles: maxWarmFiles}
}

func tooLarge(w http.ResponseWriter) {
	http.Error(w, fmt.Sprintf("the list has more than %d bytes; split it", maxWarmBody), http.StatusRequestEntityTooLarge)
}

// notLocal says by what a request is not one of a program on this machine, or
// nothing. There is no access control yet, so what costs much is for local programs.
// A page in a browser on this machine names its origin, or a host of its own;
// a reverse proxy on this machine tells for whom it asks, or speaks HTTP/1.0 as nginx does.
func notLocal(r *http.Request) string {
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !peer.Addr().Unmap().IsLoopback() {
		return "the request does not come from a loopback address, such as 127.0.0.1"
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip, err := netip.ParseAddr(host); !strings.EqualFold(host, "localhost") && (err != nil || !ip.Unmap().IsLoopback()) {
		return fmt.Sprintf("the request is for the host %.100q, and not for localhost or 127.0.0.1", r.Host)
	}
	for _, name := range []string{"Origin", "Sec-Fetch-Site", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if _, ok := r.Header[name]; ok {
			return "the request has a header " + name
		}
	}
	if !r.ProtoAtLeast(1, 1) {
		return "the request is of HTTP/1.0"
	}
	return ""
}
