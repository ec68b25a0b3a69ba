package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/mirror"
	"github.com/godown-dev/godown/internal/obs"
	"golang.org/x/mod/module"
)

// upstreams are what the upstream list is made into.
type upstreams struct {
	steps   []godown.Step    // what First asks in order
	private []godown.Step    // the same for private modules
	via     []godown.SumStep // what a checksum database is reached through, in order
	pools   []*mirror.Pool   // the groups of mirrors, in the order of the list
}

// newUpstreams makes of the upstream list what it stands for: URLs that are
// joined by "|" are one group of mirrors, of which the best is asked; after ","
// begins the next. A URL on its own is a group of one. Nobody is asked anything.
func newUpstreams(cfg *Config, observer *obs.Observer, origin *origin) (*upstreams, error) {
	options, err := poolOptions(cfg, observer)
	if err != nil {
		return nil, err
	}
	up := new(upstreams)
	var group []mirror.Mirror
	var seen []upstreamEntry // what group was made of
	for i, e := range cfg.upstreams {
		switch e.Word {
		case "direct":
			up.steps = append(up.steps, godown.Step{Source: origin})
			continue
		case "off":
			up.steps = append(up.steps, godown.Step{Source: godown.SourceFunc(switchedOff)})
			continue
		}
		if !slices.ContainsFunc(seen, e.same) { // several names may stand for it
			m, err := newMirror(cfg, observer, e)
			if err != nil {
				return nil, err
			}
			group, seen = append(group, m), append(seen, e)
		}
		last := i == len(cfg.upstreams)-1
		if e.Any && !last && cfg.upstreams[i+1].URL != nil {
			continue
		}
		pool := mirror.New(group, options)
		group, seen = nil, nil
		up.steps = append(up.steps, godown.Step{Source: pool, Any: e.Any && !last})
		up.via = append(up.via, godown.SumStep{Upstream: pool, Any: e.Any})
		up.pools = append(up.pools, pool)
	}
	return up, up.addPrivate(cfg, observer, origin)
}

// addPrivate makes of the list for private modules what it stands for. They are
// few and near: its mirrors are asked one after the other.
func (up *upstreams) addPrivate(cfg *Config, observer *obs.Observer, origin *origin) error {
	for i, e := range cfg.privateUpstreams {
		step := godown.Step{Any: e.Any && i < len(cfg.privateUpstreams)-1}
		switch e.Word {
		case "direct":
			step.Source = origin
		case "off":
			step.Source = godown.SourceFunc(switchedOff)
		default:
			m, err := newMirror(cfg, observer, e)
			if err != nil {
				return err
			}
			m.Upstream.Transport = &loginTransport{m.Upstream.Transport, origin.logins}
			m.Upstream.Stall, m.Upstream.Retries = cfg.StallTimeout, orNever(cfg.Retries)
			step.Source = m.Upstream
		}
		up.private = append(up.private, step)
	}
	return nil
}

// isPrivate reports whether a module comes from where private ones do: noproxy
// names it, or it may be published here, or it is private. But
// noproxy "none" means, as for the go command, that a private module comes from
// a mirror of somebody's own, if the list has one.
func (c *Config) isPrivate(path string) bool {
	if module.MatchPrefixPatterns(joinPatterns(c.NoProxy, c.Publish), path) {
		return true
	}
	asGo := c.NoProxy == "none" && c.ownUpstream && c.PrivateUpstream == "direct"
	return !asGo && module.MatchPrefixPatterns(string(c.Private), path)
}

// switchedOff is the source that the word "off" stands for.
func switchedOff(_ context.Context, req godown.Request) (*godown.File, error) {
	return nil, &godown.NotFound{Text: req.String() + " is not in the store, and the upstream is off", Unasked: true}
}

// newMirror returns the member of a group that an entry of the list is.
func newMirror(cfg *Config, observer *obs.Observer, e upstreamEntry) (mirror.Mirror, error) {
	m := mirror.Mirror{Facts: mirror.FactsOf(e.URL)}
	if e.public {
		m.Never = joinPatterns(cfg.Private, cfg.Publish)
	}
	transport := newTransport(cfg, http.ProxyFromEnvironment)
	// The pool sets Retries and Stall: another mirror may be a better answer to a failure.
	m.Upstream = &godown.Upstream{URL: e.URL, Observe: observer.Call}
	if said := e.Mirror; said != nil {
		transport = newTransport(cfg, said.proxy())
		tls, problems := said.tls()
		if len(problems) > 0 {
			return m, errors.Join(problems...)
		}
		transport.TLSClientConfig = tls
		m.Upstream.Header = said.header()
		m.Name = said.Name
		m.Weight, m.Bandwidth, m.Connections = said.Weight, int64(said.Bandwidth), said.Connections
		m.Only, m.Never = string(said.Only), joinPatterns(Patterns(m.Never), said.Never)
	}
	m.Upstream.Transport = transport
	return m, nil
}

// poolOptions returns what all groups have in common.
func poolOptions(cfg *Config, observer *obs.Observer) (mirror.Options, error) {
	choose, err := mirror.ParseStrategy(cfg.Choose)
	if err != nil {
		return mirror.Options{}, err
	}
	return mirror.Options{
		Choose:      choose,
		Stall:       cfg.StallTimeout,
		Retries:     orNever(cfg.Retries),
		Hedge:       orNever(float64(cfg.Hedge) / 100),
		Split:       orNever(int64(cfg.Split)),
		Streams:     cfg.Streams,
		Connections: cfg.Connections,
		Every:       orNever(cfg.Probe),
		Timeout:     cfg.ProbeTimeout,
		Rise:        cfg.Rise,
		Fall:        cfg.Fall,
		Changed:     func(c mirror.Change) { observer.MirrorChanged(c.Mirror, c.From, c.To, c.Why) },
	}, nil
}

// orNever is for fields where 0 stands for a default, and less for "never",
// which in a configuration is written 0.
func orNever[T int | int64 | float64 | time.Duration](value T) T {
	if value == 0 {
		return -1
	}
	return value
}

// databaseUpstream returns what asks a checksum database straight.
func databaseUpstream(cfg *Config, observer *obs.Observer, u *url.URL) *godown.Upstream {
	return &godown.Upstream{
		URL:       u,
		Transport: newTransport(cfg, http.ProxyFromEnvironment),
		Stall:     cfg.StallTimeout,
		Retries:   orNever(cfg.Retries),
		Observe:   observer.Call,
	}
}

func newTransport(cfg *Config, proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	limits := godown.Timeouts{Connect: cfg.ConnectTimeout, TLS: cfg.TLSTimeout, FirstByte: cfg.FirstByteTimeout}
	return godown.NewTransport(limits, proxy)
}
