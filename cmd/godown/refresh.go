package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/webhook"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// The pages by which a server is told that something is new.
const (
	refreshPage = "/-/refresh" // by anybody: look again when these modules are next asked for
	hookPage    = "/-/hook"    // by a git host, signed: something was pushed
)

// The bounds of what these pages do.
const (
	maxRefreshModules = 100 // of a request
	refreshRate       = 10  // modules a second and client, after a burst of maxRefreshModules
	maxRefreshClients = 1000

	hookBodyTime  = 10 * time.Second // for a body to arrive; GitHub waits no longer for the answer
	maxHookBodies = 32               // being read at once
	maxPushes     = 64               // being worked on at once
	maxPushAhead  = 20               // versions fetched ahead for a push
	maxAhead      = 2                // versions being fetched ahead at once
	maxPushTime   = 15 * time.Minute // for the work on a push
	hookRetry     = "30"             // seconds, of Retry-After
)

// A refresher knows what is remembered of modules, and of the repositories that they come from.
type refresher interface {
	// Refresh makes what is remembered of a module be asked for anew.
	Refresh(ctx context.Context, module string)
	// Pushed forgets what is known of the repository that has these URLs, of
	// which the refs have changed, and returns the modules that are in it.
	Pushed(ctx context.Context, urls []string, refs []webhook.Ref) []pushedModule
}

// A pushedModule is a module of a repository that was pushed to.
type pushedModule struct {
	Path      string
	TagPrefix string // what the tags of its versions begin with: empty, or its folder with a slash, as "sub/"
}

// version returns the version of the module that a ref is the tag of, or nothing.
func (m pushedModule) version(ref webhook.Ref) string {
	version, ok := strings.CutPrefix(ref.Name, "refs/tags/"+m.TagPrefix)
	if !ok || ref.Deleted || module.CanonicalVersion(version) != version || semver.Build(version) != "" ||
		module.IsPseudoVersion(version) || module.Check(m.Path, version) != nil {
		return ""
	}
	return version
}

// A freshener is told what is new, and sees to it. What it does for a push
// goes on when the host has had its answer, and ends with the server.
type freshener struct {
	refresher refresher
	source    godown.Source // gives what is fetched ahead
	secret    func(context.Context) (string, error)
	setting   string // what the secret is called in the configuration, for people
	log       *slog.Logger
	limit     *rateLimit

	bodies chan struct{}           // one for each body being read
	places chan struct{}           // one for each push being worked on
	ahead  chan struct{}           // one for each version being fetched
	ctx    context.Context         // of all work on pushes
	cancel context.CancelCauseFunc // ends it

	mu      sync.Mutex // guards closed, and that no work begins once it is set
	closed  bool
	working sync.WaitGroup // on pushes
}

// newFreshener returns one whose webhooks are proved by what secret returns:
// empty where none is configured. setting tells people where to do that.
func newFreshener(r refresher, source godown.Source, secret func(context.Context) (string, error), setting string, log *slog.Logger) *freshener {
	f := &freshener{
		refresher: r, source: source, secret: secret, setting: setting, log: log, limit: newRateLimit(),
		bodies: make(chan struct{}, maxHookBodies),
		places: make(chan struct{}, maxPushes),
		ahead:  make(chan struct{}, maxAhead),
	}
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	return f
}

// close ends all work, and waits for its end.
func (f *freshener) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel(errShuttingDown)
	f.working.Wait()
}

// serveRefresh answers POST /-/refresh?module=PATH&module=PATH…
func (f *freshener) serveRefresh(w http.ResponseWriter, r *http.Request) {
	if !onlyPost(w, r, "with the paths of modules: "+refreshPage+"?module=PATH&module=PATH") {
		return
	}
	paths, err := refreshPaths(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if wait := f.limit.take(clientOf(r), len(paths), time.Now()); wait > 0 {
		seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
		w.Header().Set("Retry-After", seconds)
		http.Error(w, fmt.Sprintf("at most %d modules a second are refreshed for one client; try again in %s s", refreshRate, seconds), http.StatusTooManyRequests)
		return
	}
	for _, path := range paths {
		f.refresher.Refresh(r.Context(), path)
	}
	say(w, fmt.Sprintf("refreshed: %d; what changes of them is asked for anew when it is next wanted\n", len(paths)))
}

// refreshPaths returns the modules that a request names, each once.
func refreshPaths(r *http.Request) ([]string, error) {
	query, err := parseQuery(r)
	if err != nil {
		return nil, err
	}
	paths := query["module"]
	if len(paths) == 0 {
		return nil, errors.New("no module is named; add ?module=PATH, such as " + refreshPage + "?module=example.com/mod")
	}
	if len(paths) > maxRefreshModules {
		return nil, fmt.Errorf("%d modules are named; at most %d are refreshed at once, so split them", len(paths), maxRefreshModules)
	}
	for _, path := range paths {
		if err := module.CheckPath(path); err != nil {
			return nil, fmt.Errorf("module %.200q is no module path: %.300v", path, err)
		}
	}
	paths = slices.Clone(paths)
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// parseQuery returns a request's query, of which nothing but module is known:
// a misspelt name shall not look as if it had worked.
func parseQuery(r *http.Request) (map[string][]string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the query is malformed: %.300v", err)
	}
	for name := range query {
		if name != "module" {
			return nil, fmt.Errorf("there is no parameter %.100q here; there is module", name)
		}
	}
	return query, nil
}

// onlyPost answers requests of other methods, and reports whether it is POST.
func onlyPost(w http.ResponseWriter, r *http.Request, with string) bool {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodPost {
		return true
	}
	w.Header().Set("Allow", "POST")
	http.Error(w, "only POST is allowed here, "+with, http.StatusMethodNotAllowed)
	return false
}

// A hookAnswer tells a git host what becomes of its delivery.
type hookAnswer struct {
	Host    string   `json:"host,omitempty"`
	Refs    []string `json:"refs"`              // those that are looked at
	Ignored string   `json:"ignored,omitempty"` // why nothing is done
}

// serveHook answers POST /-/hook, by which git hosts tell of pushes.
func (f *freshener) serveHook(w http.ResponseWriter, r *http.Request) {
	if !onlyPost(w, r, "with what a git host sends when something was pushed") {
		return
	}
	secret, err := f.secret(r.Context())
	if err != nil {
		f.log.Error("reading the secret of webhooks", "setting", f.setting, "error", err)
		http.Error(w, "the secret of webhooks cannot be read; the server's log tells why", http.StatusInternalServerError)
		return
	}
	if secret == "" {
		http.Error(w, "webhooks are not taken, for no secret is configured to tell who sends them: set "+f.setting+" to what the git host has as the webhook's secret", http.StatusForbidden)
		return
	}
	body, ok := f.readHook(w, r)
	if !ok {
		return
	}
	push, err := webhook.Parse(r.Header, body, secret)
	if err == nil && len(push.Refs) > 0 && !f.start(push) {
		busy(w, "too much was pushed at once, or the server is shutting down; try again later")
		return
	}
	answer := hookAnswer{Host: push.Host, Refs: []string{}}
	for _, ref := range push.Refs {
		answer.Refs = append(answer.Refs, ref.Name)
	}
	switch {
	case errors.Is(err, webhook.ErrIgnored):
		answer.Ignored = err.Error()
	case err != nil:
		http.Error(w, err.Error(), hookStatus(err))
		return
	case len(push.Refs) == 0:
		answer.Ignored = "it names no branch or tag, as in a test"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(answer) // an error means that nobody listens
}

// hookStatus returns the HTTP status of an error of webhook.Parse.
func hookStatus(err error) int {
	switch {
	case errors.Is(err, webhook.ErrSignature):
		return http.StatusUnauthorized
	case errors.Is(err, webhook.ErrNoSecret):
		return http.StatusForbidden
	case errors.Is(err, webhook.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

func busy(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", hookRetry)
	http.Error(w, why, http.StatusServiceUnavailable)
}

// readHook reads a delivery's body, or answers what is wrong with it.
func (f *freshener) readHook(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	select {
	case f.bodies <- struct{}{}: // whoever sends it is not known yet, so its memory is bounded
		defer func() { <-f.bodies }()
	default:
		busy(w, "too many webhooks come in at once; try again later")
		return nil, false
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(hookBodyTime)) // what has none need not wait
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.MaxBody))
	_ = rc.SetReadDeadline(time.Time{})
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = webhook.ErrTooLarge
	} else if err != nil {
		err = fmt.Errorf("reading the body: %w", err)
	}
	if err != nil {
		http.Error(w, err.Error(), hookStatus(err))
		return nil, false
	}
	return body, true
}

// start begins the work on a push, unless there is too much, or the freshener is closed.
func (f *freshener) start(push webhook.Push) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	select {
	case f.places <- struct{}{}:
	default:
		return false
	}
	f.working.Go(func() {
		defer func() { <-f.places }()
		ctx, cancel := context.WithTimeoutCause(f.ctx, maxPushTime, fmt.Errorf("it was not done within %v", maxPushTime))
		defer cancel()
		f.pushed(ctx, push)
	})
	return true
}

// pushed has the modules of a repository looked at anew, and fetches ahead what is new.
func (f *freshener) pushed(ctx context.Context, push webhook.Push) {
	modules := f.refresher.Pushed(ctx, push.URLs, push.Refs)
	var news []module.Version
	for _, m := range modules {
		f.refresher.Refresh(ctx, m.Path)
		for _, ref := range push.Refs {
			v := module.Version{Path: m.Path, Version: m.version(ref)}
			if v.Version != "" && len(news) < maxPushAhead && !slices.Contains(news, v) {
				news = append(news, v)
			}
		}
	}
	got := 0
	for _, v := range news {
		err := f.fetchAhead(ctx, v)
		if err == nil {
			got++
		} else if ctx.Err() == nil {
			// Whoever asks for it will hear why.
			f.log.Debug("fetching ahead what was pushed", "module", v.String(), "error", err)
		}
	}
	f.log.Info("pushed", "host", push.Host, "refs", len(push.Refs), "modules", len(modules), "fetched", got)
}

// fetchAhead has the files of a version in the store before they are asked for.
func (f *freshener) fetchAhead(ctx context.Context, v module.Version) error {
	select {
	case f.ahead <- struct{}{}:
		defer func() { <-f.ahead }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
		req := godown.Request{Kind: kind, Path: v.Path, Version: v.Version}
		if err := drain(godown.Ahead(ctx), f.source, req); err != nil {
			return fmt.Errorf("%v: %w", req, err)
		}
	}
	return nil
}

// drain fetches a file, and waits until it is here as a whole.
func drain(ctx context.Context, source godown.Source, req godown.Request) error {
	file, err := source.Fetch(ctx, req)
	if err != nil {
		return err
	}
	defer file.Close()
	switch body := file.Body.(type) {
	case interface{ Wait(context.Context) error }:
		return body.Wait(ctx)
	case fs.File: // it is in the store
		return nil
	}
	_, err = io.Copy(io.Discard, file.Reader())
	return err
}

// clientOf returns what tells one client from another: the address, or the
// network of 2^64 addresses that one host of IPv6 may choose from.
func clientOf(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := peer.Addr().Unmap().WithZone("")
	if addr.Is6() {
		if net, err := addr.Prefix(64); err == nil {
			return net.String()
		}
	}
	return addr.String()
}

// A rateLimit bounds how many modules clients have refreshed: each may have
// maxRefreshModules at once, and then refreshRate a second.
type rateLimit struct {
	mu   sync.Mutex           // guards full
	full map[string]time.Time // when a client's allowance will be full again; those it is full for are not there
}

func newRateLimit() *rateLimit { return &rateLimit{full: make(map[string]time.Time)} }

// take takes n of a client's allowance, or nothing, and returns how long to wait until there is enough.
func (l *rateLimit) take(client string, n int, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.full[client]; !known && len(l.full) >= maxRefreshClients {
		for c, at := range l.full {
			if !at.After(now) {
				delete(l.full, c)
			}
		}
		if len(l.full) >= maxRefreshClients {
			client = "" // all who come now share one
		}
	}
	const each = time.Second / refreshRate
	at := l.full[client]
	if at.Before(now) {
		at = now
	}
	at = at.Add(time.Duration(n) * each)
	if wait = at.Sub(now) - maxRefreshModules*each; wait > 0 {
		return wait
	}
	l.full[client] = at
	return 0
}
