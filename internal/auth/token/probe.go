package token

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Verdict is what a server says to a login.
type Verdict int

// The verdicts.
const (
	Accepted  Verdict = iota // it refuses who shows nothing, and takes the token
	Open                     // it answers in the same way to who shows nothing
	Publishes                // it is a godown that anybody may read, and takes the token for publishing
	Refused401
	Refused403
	Elsewhere // it sends to another URL, which is not followed
	Ill       // it failed, or has too much to do; nothing is known
)

// Findings are what a Probe found.
type Findings struct {
	Verdict Verdict
	Status  string // of the answer that decided, such as "401 Unauthorized"
	Host    string // where Verdict is Elsewhere
	Basic   bool   // who shows nothing is told that a user and a password are wanted
}

// A Probe asks a server whether it takes a login.
type Probe struct {
	Client *http.Client
	Wait   time.Duration // for each answer; 0: 15 seconds
}

const (
	// probePage is the first that the go command asks a proxy for. It costs a
	// server nothing, and is shut where its modules are.
	probePage = "sumdb/sum.golang.org/supported"
	// publishPage is where a godown takes modules.
	publishPage = "-/publish/"
	// probeBody is how much of an answer is read, in bytes.
	probeBody = 64 << 10
)

// Ask asks. An error means that there was no answer.
func (p Probe) Ask(ctx context.Context, l Login) (Findings, error) {
	if err := l.Check(); err != nil {
		return Findings{}, err
	}
	page := l.Server.URL().JoinPath(probePage)
	bare, err := p.do(ctx, http.MethodGet, page, nil)
	if err != nil {
		return Findings{}, err
	}
	shown, err := p.do(ctx, http.MethodGet, page, &l)
	if err != nil {
		return Findings{}, err
	}
	f := Findings{Status: shown.Status, Basic: wantsBasic(bare) || wantsBasic(shown)}
	switch code := shown.StatusCode; {
	case code == http.StatusUnauthorized:
		f.Verdict = Refused401
	case code == http.StatusForbidden:
		f.Verdict = Refused403
	case code >= 300 && code < 400:
		f.Verdict = Elsewhere
		if to, err := shown.Location(); err == nil {
			f.Host = to.Host
		}
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code == http.StatusProxyAuthRequired:
		f.Verdict = Ill
	case bare.StatusCode != http.StatusUnauthorized && bare.StatusCode != http.StatusForbidden:
		return p.publishing(ctx, l, f)
	}
	return f, nil
}

// publishing asks a server that everybody may read whether it is a godown, for which the token is to publish.
func (p Probe) publishing(ctx context.Context, l Login, f Findings) (Findings, error) {
	f.Verdict = Open
	page := l.Server.URL().JoinPath(publishPage)
	look, err := p.do(ctx, http.MethodGet, page, nil)
	if err != nil || look.StatusCode != http.StatusMethodNotAllowed || !slices.Contains(look.Header.Values("Allow"), http.MethodPut) {
		return f, nil
	}
	// It has the token checked before it sees that no version is named.
	tried, err := p.do(ctx, http.MethodPut, page, &l)
	if err != nil {
		return f, nil
	}
	switch tried.StatusCode {
	case http.StatusUnauthorized:
		f.Verdict, f.Status, f.Basic = Refused401, tried.Status, false
	case http.StatusBadRequest:
		f.Verdict = Publishes
	}
	return f, nil
}

func wantsBasic(r *http.Response) bool {
	for _, v := range r.Header.Values("WWW-Authenticate") {
		if scheme, _, _ := strings.Cut(v, " "); strings.EqualFold(scheme, "Basic") {
			return r.StatusCode == http.StatusUnauthorized
		}
	}
	return false
}

// do makes a request, with the login or without, and reads the answer to its end.
func (p Probe) do(ctx context.Context, method string, u *url.URL, l *Login) (*http.Response, error) {
	wait := p.Wait
	if wait == 0 {
		wait = 15 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "godown")
	if l != nil {
		r.Header.Set("Authorization", l.Authorization())
	}
	resp, err := direct(p.Client).Do(r)
	if err != nil {
		return nil, fmt.Errorf("there is no answer from %s: %w", u.Host, bare(err))
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, probeBody) // what it says does not matter
	return resp, nil
}
