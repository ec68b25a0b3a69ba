package main

import (
	"context"

	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/auth"
	"github.com/godown-dev/godown/internal/obs"
	"github.com/godown-dev/godown/internal/vcs"
	"github.com/godown-dev/godown/internal/webhook"
)

// An origin is where modules come from that no mirror has: version control, and
// the credentials for it.
type origin struct {
	*vcs.Origin
	logins  *auth.Outwards
	secrets *auth.Secrets
	guard   *vcs.Guard
}

// refsTTL is for how long what a repository says of its branches and tags is
// shared by who asks for the first time; the cache keeps their answers for --ttl, and that is not to be doubled.
const refsTTL = 5 * time.Second

// newOrigin returns the origin that the configuration describes, with its files below dir.
func newOrigin(cfg *Config, observer *obs.Observer, dir string, log *slog.Logger) (*origin, error) {
	allow, err := vcs.ParseAllow(string(cfg.AllowHost))
	if err != nil {
		return nil, problem("allow-host", string(cfg.AllowHost), cfg.Origin("allow-host"), err)
	}
	secrets := &auth.Secrets{Env: cfg.Environ(), Warn: func(text string) { log.Warn(text) }}
	o := &origin{secrets: secrets, logins: &auth.Outwards{Netrc: cfg.Netrc, GOAUTH: "netrc", Secrets: secrets, Env: cfg.Environ()}}
	for _, r := range cfg.Auth {
		o.logins.Rules = append(o.logins.Rules, r.rule())
	}
	if cfg.forUser {
		// What its user's go command would show, this shows.
		if s, ok := cfg.goEnv["GOAUTH"]; ok && s.text != "" {
			o.logins.GOAUTH = s.text
		}
		if cfg.Netrc == "" {
			o.logins.Netrc = userNetrc(cfg)
		}
	}
	if !cfg.forUser || cfg.AllowHost != "" {
		o.guard = &vcs.Guard{
			Allow:    allow,
			Outward:  func(u *url.URL) (*url.URL, error) { return http.ProxyFromEnvironment(&http.Request{URL: u}) },
			Timeouts: godown.Timeouts{Connect: cfg.ConnectTimeout, TLS: cfg.TLSTimeout, FirstByte: cfg.FirstByteTimeout},
		}
	}
	// Not noproxy, which may be *: it says where a module comes from, and not whose it is.
	private := joinPatterns(cfg.Private)
	others := &vcs.GoCommand{
		Dir: dir, Env: cfg.Environ(), Jobs: cfg.DirectJobs, Timeout: cfg.DirectTimeout,
		Guard: o.guard, Private: private, GoVCS: cfg.GoVCS,
	}
	o.Origin = &vcs.Origin{
		Dir: dir, Env: cfg.Environ(), User: cfg.forUser, GitConfig: cfg.GitConfig, GoVCS: cfg.GoVCS,
		Private: private, Insecure: string(cfg.Insecure), Guard: o.guard,
		Login: o.logins.Login, Refused: o.logins.Refused, Advice: o.logins.Advice,
		Other: others, Proxy: namedProxy(cfg, observer),
		TTL: atLeast(min(cfg.TTL, refsTTL), 1), Timeout: cfg.DirectTimeout, Jobs: cfg.DirectJobs,
		MaxFetch: int64(cfg.GitFetch), MaxSize: int64(cfg.VCSSize),
		Moved: func(d vcs.Drift) { observer.Alarm(driftAlarm(d)) },
	}
	for _, r := range cfg.VCS {
		o.Rules = append(o.Rules, r.rule())
	}
	return o, nil
}

// Close ends what goes on.
func (o *origin) Close() error {
	o.Origin.Close()
	o.logins.Close()
	o.secrets.Close()
	if o.guard == nil {
		return nil
	}
	return o.guard.Close()
}

// driftAlarm tells of a tag that was moved after a version was made of it.
func driftAlarm(d vcs.Drift) godown.Alarm {
	now := "is gone"
	if d.New != "" {
		now = fmt.Sprintf("now names %.12s", d.New)
	}
	return godown.Alarm{
		Kind: "drift", Request: godown.Request{Kind: godown.Info, Path: d.Module, Version: d.Version}, Origin: d.URL,
		Err: fmt.Errorf("the tag %s was %.12s when %s@%s was first served, and %s; the version stays what it was", d.Tag, d.Old, d.Module, d.Version, now),
	}
}

// namedProxy returns what asks a module proxy that a module's page names.
func namedProxy(cfg *Config, observer *obs.Observer) func(*url.URL, http.RoundTripper, godown.Login) godown.Source {
	return func(u *url.URL, t http.RoundTripper, login godown.Login) godown.Source {
		up := &godown.Upstream{
			URL: u, Header: login.Header.Clone(), Stall: cfg.StallTimeout, Retries: orNever(cfg.Retries), Observe: observer.Call,
			Transport: struct{ http.RoundTripper }{t}, // and no connections of its own for zips
		}
		if login.User != "" || login.Password != "" {
			with := *u
			with.User = url.UserPassword(login.User, login.Password)
			up.URL = &with
		}
		return up
	}
}

// userNetrc returns the file in which the go command and git of this machine's
// user look for passwords.
func userNetrc(cfg *Config) string {
	m := machine{environ: cfg.Environ()}
	if file := m.getenv("NETRC"); file != "" {
		return file
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, netrcName)
}

// A loginTransport shows the origin of each request the credential that is
// configured for it.
type loginTransport struct {
	base   http.RoundTripper
	logins *auth.Outwards
}

// RoundTrip adds the credential of this URL, and of no other: after a redirect that is another.
func (t *loginTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") != "" {
		return t.base.RoundTrip(r)
	}
	l, err := t.logins.Login(r.Context(), r.URL)
	if err != nil {
		return nil, &godown.BadStatus{Who: r.URL.Host, Text: "upstream " + r.URL.Host + ": " + err.Error()}
	}
	if !l.IsZero() {
		r = r.Clone(r.Context())
		if l.User != "" || l.Password != "" {
			r.SetBasicAuth(l.User, l.Password)
		}
		for name, values := range l.Header {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		resp.Body.Close()
		t.logins.Refused(r.Context(), r.URL, l)
		return nil, &godown.BadStatus{Who: r.URL.Host, Code: code, Text: "upstream " + r.URL.Host + ": " + resp.Status + "\n" + t.logins.Advice(r.URL, l, code)}
	case code == http.StatusForbidden:
		t.logins.Refused(r.Context(), r.URL, l)
		if err := maskBody(resp, r.Header.Get("Authorization"), l); err != nil {
			return nil, err
		}
		said, _ := io.ReadAll(resp.Body)
		return nil, &godown.Denied{Rule: "upstream " + r.URL.Host, Reason: strings.TrimSpace(string(said)) + "\n" + t.logins.Advice(r.URL, l, code)}
	}
	if resp.StatusCode >= 400 && !l.IsZero() {
		return resp, maskBody(resp, r.Header.Get("Authorization"), l)
	}
	return resp, nil
}

// maxRefusal is how much of an error's text is passed on, in bytes.
const maxRefusal = 64 << 10

// maskBody hides what was shown to a host in what it says of an error: some repeat the request.
func maskBody(resp *http.Response, authorization string, l godown.Login) error {
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		return err
	}
	secrets := []string{l.Password, authorization}
	for _, values := range l.Header {
		secrets = append(secrets, values...)
	}
	text := string(data)
	for _, s := range secrets {
		_, second, _ := strings.Cut(s, " ")
		for _, s := range []string{s, second} {
			if len(s) > 3 {
				text = strings.ReplaceAll(text, s, mask)
			}
		}
	}
	resp.Body = io.NopCloser(strings.NewReader(text))
	resp.ContentLength = int64(len(text))
	resp.Header.Del("Content-Length")
	return nil
}

// freshness sees to it that what is new in a repository is seen at once.
type freshness struct {
	origin *origin
	cache  *godown.Cache
}

// Refresh has a module looked at anew.
func (f freshness) Refresh(_ context.Context, module string) {
	f.origin.Refresh(module)
	f.cache.Refresh(module)
}

// Pushed forgets what is known of the repository that was pushed to.
func (f freshness) Pushed(_ context.Context, urls []string, _ []webhook.Ref) []pushedModule {
	var modules []pushedModule
	for _, p := range f.origin.Pushed(urls) {
		modules = append(modules, pushedModule(p))
	}
	return modules
}
