package godowntest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A GitRequest is one that a [GitHost] has received.
type GitRequest struct {
	Method  string
	Scheme  string // https or http
	Host    string // without the port that goes without saying
	Path    string // with its leading slash, percent-decoded
	Query   string // raw
	Header  http.Header
	Body    []byte // unpacked; the first MiB
	Service string // git-upload-pack, or what else of git; empty if this is not git's
	Command string // of git: advertise (info/refs), ls-refs or fetch
	Status  int    // of the answer; 0 if there is none yet
	Sent    int64  // bytes of the answer's body so far
}

// String returns what [GitHost.Break] and [GitHost.Count] look at:
//
//	GET https://github.com/acme/tool?go-get=1
//	GET https://github.com/acme/tool/info/refs?service=git-upload-pack advertise
//	POST https://github.com/acme/tool/git-upload-pack ls-refs
//	POST https://github.com/acme/tool/git-upload-pack fetch
func (r GitRequest) String() string {
	s := r.Method + " " + r.Scheme + "://" + r.Host + r.Path
	if r.Query != "" {
		s += "?" + r.Query
	}
	if r.Command != "" {
		s += " " + r.Command
	}
	return s
}

// Log returns all requests in the order of their arrival. They are not to be changed.
func (h *GitHost) Log() []GitRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []GitRequest
	for _, r := range h.requests {
		all = append(all, *r)
	}
	return all
}

// Count returns how many requests match a regular expression, see
// [GitRequest.String]. It panics if match is malformed.
func (h *GitHost) Count(match string) int {
	re := regexp.MustCompile(match)
	n := 0
	for _, r := range h.Log() {
		if re.MatchString(r.String()) {
			n++
		}
	}
	return n
}

// Reset forgets the requests seen so far.
func (h *GitHost) Reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = nil
}

// Break switches a fault on for all requests whose [GitRequest.String] matches
// a regular expression, until the returned function is called. Of several
// faults that match, a later one wraps the earlier. It panics if match is
// malformed. [Latency] delays, [Status] with "Location: URL" redirects.
func (h *GitHost) Break(match string, f Fault) (heal func()) { return h.BreakTimes(-1, match, f) }

// BreakTimes is like [GitHost.Break], but for the next n matching requests only.
func (h *GitHost) BreakTimes(n int, match string, f Fault) (heal func()) {
	b := &breakage{regexp.MustCompile(match), f, n}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.breaks = append(h.breaks, b)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.breaks = slices.DeleteFunc(h.breaks, func(x *breakage) bool { return x == b })
	}
}

// Heal switches all faults off. Requests under way keep theirs.
func (h *GitHost) Heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.breaks = nil
}

// Endless answers 200 with text again and again, until the client goes away.
func Endless(contentType, text string) Fault {
	block := []byte(strings.Repeat(text, 1+(32<<10)/max(1, len(text))))
	return answer(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
}

// record notes the request and returns the faults for it.
func (h *GitHost) record(scheme string, r *http.Request, body []byte) (*GitRequest, []Fault) {
	req := &GitRequest{
		Method: r.Method, Scheme: scheme, Host: hostOf(r), Path: r.URL.Path, Query: r.URL.RawQuery,
		Header: r.Header.Clone(), Body: unpacked(r, body),
	}
	if m := gitService.FindStringSubmatch(r.URL.Path); m != nil {
		switch req.Service = m[2]; {
		case m[2] == "info/refs":
			req.Service, req.Command = r.URL.Query().Get("service"), "advertise"
		case bytes.Contains(req.Body, []byte("command=ls-refs")):
			req.Command = "ls-refs"
		case m[2] == "git-upload-pack":
			req.Command = "fetch"
		}
	}
	line := req.String()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, req)
	var faults []Fault
	for _, b := range h.breaks {
		if b.left != 0 && b.match.MatchString(line) {
			b.left--
			faults = append(faults, b.fault)
		}
	}
	return req, faults
}

// unpacked returns the first MiB of a body, which git packs if it is long.
func unpacked(r *http.Request, body []byte) []byte {
	const most = 1 << 20
	if r.Header.Get("Content-Encoding") == "gzip" {
		zr, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return body[:min(len(body), most)]
		}
		plain, _ := io.ReadAll(io.LimitReader(zr, most)) // as much as there is
		return plain
	}
	return body[:min(len(body), most)]
}

// A countWriter notes what becomes of a request.
type countWriter struct {
	http.ResponseWriter
	mu  *sync.Mutex // guards req
	req *GitRequest
}

func (w *countWriter) WriteHeader(code int) {
	w.mu.Lock()
	w.req.Status = code
	w.mu.Unlock()
	w.ResponseWriter.WriteHeader(code)
}

func (w *countWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.req.Status == 0 {
		w.req.Status = http.StatusOK
	}
	w.req.Sent += int64(n)
	return n, err
}

func (w *countWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
