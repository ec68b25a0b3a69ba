package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/publish"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// publishPage is below what a server takes versions of modules: a zip is PUT to
// publishPage and its name in the module proxy protocol, as in
// /-/publish/example.com/m/@v/v1.0.0.zip.
const publishPage = "/-/publish/"

// The keys of the configuration that messages tell to set.
const (
	publishKey      = "publish"
	publishTokenKey = "publish-token"
)

const (
	maxPublishes    = 4                // uploads under way at once, each of them up to 500 MiB on the disk
	publishStall    = 30 * time.Second // for more of an upload to come
	publishCheck    = 10 * time.Minute // for a zip to be checked and stored, and for the answer
	publishRetry    = "30"             // seconds, of Retry-After
	publishAuthText = "publishing needs the header Authorization: Bearer TOKEN, with a token of this server's configuration"
)

// A publisher puts what clients hand in on a shelf.
type publisher struct {
	shelf  *publish.Shelf
	tokens func(context.Context) ([]string, error) // those that allow it now; nil: none are configured
	again  func()                                  // has the tokens read anew; may be nil
	stage  func() (*os.File, error)                // a temporary file, best one that the shelf's Store can move; it is removed
	log    *slog.Logger

	limit  int64         // bytes of an upload
	stall  time.Duration // for more of it to come
	places chan struct{} // one for each upload under way

	readAgain atomic.Int64 // when the tokens were read anew, in Unix nanoseconds
}

func newPublisher(shelf *publish.Shelf, tokens func(context.Context) ([]string, error), stage func() (*os.File, error), log *slog.Logger) *publisher {
	return &publisher{
		shelf: shelf, tokens: tokens, stage: stage, log: log,
		limit: modzip.MaxZipFile, stall: publishStall, places: make(chan struct{}, maxPublishes),
	}
}

// A refusal is an answer that is no success.
type refusal struct {
	status int
	text   string // for the client
	cause  error  // for the log, where it is more than the client is told
}

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status: status, text: fmt.Sprintf(format, args...)}
}

// A published is the answer to a success, with the names of 'go mod download -json'.
type published struct {
	Path, Version string
	Sum           string // "h1:…", as go.sum has it
}

// ServeHTTP answers 201 where a version was published, 200 where it was there
// with the same content.
func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	w.Header().Set("Cache-Control", "no-store")
	// Also for what is refused: before it answers, net/http reads on for a while.
	// What has no deadlines need not wait.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(start.Add(p.stall))
	v, bad := p.admit(w, r)
	var receipt publish.Receipt
	var size int64
	if bad == nil {
		receipt, size, bad = p.take(w, r, v)
	}
	log := []any{"remote", r.RemoteAddr, "module", v.String(), "bytes", size, "duration", time.Since(start)}
	if bad != nil {
		why := bad.cause
		if why == nil {
			why = errors.New(bad.text)
		}
		p.log.Warn("not published", append(log, "status", bad.status, "error", why)...)
		http.Error(w, bad.text, bad.status)
		return
	}
	p.log.Info("published", append(log, "h1", receipt.H1, "there", receipt.There)...)
	w.Header().Set("Content-Type", "application/json")
	if !receipt.There {
		w.WriteHeader(http.StatusCreated)
	}
	_ = json.NewEncoder(w).Encode(published{v.Path, v.Version, receipt.H1}) // a client that has left has its version
}

// admit says what a request wants to publish, and whether it may, before anything of the zip is read.
func (p *publisher) admit(w http.ResponseWriter, r *http.Request) (v module.Version, bad *refusal) {
	if r.Method != http.MethodPut {
		w.Header().Set("Allow", "PUT")
		return v, refuse(http.StatusMethodNotAllowed, "only PUT is allowed here, with a module zip: %sMODULE/@v/VERSION.zip", publishPage)
	}
	if p.shelf.Prefixes == "" {
		return v, refuse(http.StatusNotFound, "nothing can be published here: the server's configuration names no modules for it; set %s to their prefixes, such as corp.example/team", publishKey)
	}
	var tokens []string
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); p.tokens != nil && !strings.EqualFold(scheme, "Bearer") {
		// Before the tokens are read, which may take a program.
		w.Header().Set("WWW-Authenticate", `Bearer realm="godown publish"`)
		return v, refuse(http.StatusUnauthorized, publishAuthText)
	}
	if p.tokens != nil {
		var err error
		if tokens, err = p.tokens(r.Context()); err != nil {
			return v, &refusal{http.StatusInternalServerError, "the server cannot read its tokens; its log says why", err}
		}
	}
	known, ok := bearer(tokens, r.Header.Get("Authorization"))
	if known && !ok && p.mayReadAgain() {
		// It may be one that was added a moment ago.
		if tokens, err := p.tokens(r.Context()); err == nil {
			known, ok = bearer(tokens, r.Header.Get("Authorization"))
		}
	}
	switch {
	case !known:
		return v, refuse(http.StatusForbidden, "nothing can be published here: the server's configuration has no token for it; set %s to where one stands, such as env:NAME or file:PATH", publishTokenKey)
	case !ok:
		w.Header().Set("WWW-Authenticate", `Bearer realm="godown publish"`)
		return v, refuse(http.StatusUnauthorized, "the token is none of those that may publish here; "+publishAuthText)
	}
	req, err := godown.ParseRequest(strings.TrimPrefix(r.URL.Path, publishPage))
	if err != nil {
		return v, refuse(http.StatusBadRequest, "%v", err)
	}
	if req.Kind != godown.Zip {
		return v, refuse(http.StatusBadRequest, "a version is published as its zip, and this is %v; PUT it to %sMODULE/@v/VERSION.zip", req, publishPage)
	}
	v = module.Version{Path: req.Path, Version: req.Version}
	return v, refusalOf(p.shelf.Check(v.Path, v.Version))
}

// mayReadAgain has the tokens read anew, at most once a second, as that may take a program.
func (p *publisher) mayReadAgain() bool {
	now, last := time.Now().UnixNano(), p.readAgain.Load()
	if p.again == nil || now-last < int64(time.Second) || !p.readAgain.CompareAndSwap(last, now) {
		return false
	}
	p.again()
	return true
}

// bearer reports whether there is any token, and whether the value of an
// Authorization header has one of them. How long it takes tells nothing of them.
func bearer(tokens []string, header string) (known, ok bool) {
	scheme, given, _ := strings.Cut(header, " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	equal := 0
	for _, token := range tokens {
		if token == "" {
			continue // no secret, but a setting that was left empty
		}
		known = true
		want := sha256.Sum256([]byte(token))
		equal |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	return known, equal == 1 && strings.EqualFold(scheme, "Bearer")
}

// take reads the zip and publishes it.
func (p *publisher) take(w http.ResponseWriter, r *http.Request, v module.Version) (receipt publish.Receipt, size int64, bad *refusal) {
	if r.ContentLength > p.limit {
		return receipt, 0, p.tooLarge()
	}
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	default:
		w.Header().Set("Retry-After", publishRetry)
		return receipt, 0, refuse(http.StatusServiceUnavailable, "%d versions are being published, which is as many as there may be; try again later", cap(p.places))
	}
	tmp, err := p.stage()
	if err != nil {
		return receipt, 0, storeRefusal(err)
	}
	defer func() {
		tmp.Close()
		os.Remove(tmp.Name()) // unless the store has moved it
	}()
	rc := http.NewResponseController(w)
	start := time.Now()
	body := &arriving{r: http.MaxBytesReader(w, r.Body, p.limit)}
	body.wait = func() {
		// Places are few: who sends must get on, and not just live.
		whole := start.Add(p.stall + time.Duration(body.n/leastUpload)*time.Second)
		_ = rc.SetReadDeadline(earlier(time.Now().Add(p.stall), whole))
	}
	size, err = io.Copy(tmp, body)
	if body.err == io.EOF {
		_ = rc.SetReadDeadline(time.Time{}) // it would be taken for the client's leaving
	}
	_ = rc.SetWriteDeadline(time.Now().Add(publishCheck)) // the server's own counts from the upload's beginning
	switch {
	case body.err != nil && body.err != io.EOF:
		return receipt, size, p.brokeOff(body.err, size)
	case err != nil:
		return receipt, size, storeRefusal(err)
	case r.ContentLength >= 0 && size != r.ContentLength:
		return receipt, size, p.brokeOff(io.ErrUnexpectedEOF, size)
	case size == 0:
		return receipt, 0, refuse(http.StatusBadRequest, "there is no zip in the request")
	}
	receipt, err = p.shelf.Publish(r.Context(), v.Path, v.Version, tmp, size)
	return receipt, size, refusalOf(err)
}

// An arriving is a body that remembers how it ended.
type arriving struct {
	r    io.Reader
	wait func() // is called before each read
	n    int64  // bytes that came
	err  error
}

// leastUpload is how many bytes of an upload must come in a second, on average, once the first half minute is over.
const leastUpload = 8 << 10

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (a *arriving) Read(b []byte) (int, error) {
	a.wait()
	n, err := a.r.Read(b)
	a.n += int64(n)
	a.err = err
	return n, err
}

func (p *publisher) tooLarge() *refusal {
	return refuse(http.StatusRequestEntityTooLarge, "the zip has more than the %d bytes that a module zip may have", p.limit)
}

// brokeOff is the answer to an upload that did not come to its end.
func (p *publisher) brokeOff(err error, size int64) *refusal {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return p.tooLarge()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refuse(http.StatusRequestTimeout, "the upload stalled, or was too slow: nothing in %v, or less than 8 KiB/s, after %d bytes; nothing was published", p.stall, size)
	}
	return &refusal{http.StatusBadRequest, fmt.Sprintf("the upload broke off after %d bytes; nothing was published", size), fmt.Errorf("after %d bytes: %w", size, err)}
}

// refusalOf returns the answer to an error of the shelf, or nil.
func refusalOf(err error) *refusal {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*publish.Unfit](err); ok {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	if _, ok := errors.AsType[*publish.Conflict](err); ok {
		return refuse(http.StatusConflict, "%v", err)
	}
	if _, ok := errors.AsType[*godown.Denied](err); ok {
		return refuse(http.StatusForbidden, "%v; %s in the server's configuration says which", err, publishKey)
	}
	return storeRefusal(err)
}

// storeRefusal is the answer where we are at fault. What exactly has failed
// tells of the server's folders, which is for its log.
func storeRefusal(err error) *refusal {
	return &refusal{http.StatusInternalServerError, "the server could not store it; its log says why. Publish it again: what is there already stays as it is", err}
}
