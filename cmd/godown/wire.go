package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/mirror"
	"github.com/godown-dev/godown/internal/obs"
	"github.com/godown-dev/godown/internal/publish"
	"github.com/godown-dev/godown/internal/warm"
	"golang.org/x/mod/module"
)

// A proxy is the nested expression that answers module requests, and what it
// stands on.
type proxy struct {
	handler  http.Handler
	observer *obs.Observer
	cache    *godown.Cache
	ahead    *warm.Predictor
	sums     *godown.Sums // nil: there is no checksum database
	own      *ownSums     // nil: there is no database of our own
	stores   stores
	origin   *origin
	shelf    *publish.Shelf
	pools    []*mirror.Pool     // the groups of the upstream list, in its order
	stop     context.CancelFunc // ends background work
	working  sync.WaitGroup     // background work
}

// newProxy puts the proxy together. Nobody is asked anything before the first request.
func newProxy(cfg *Config, log *slog.Logger) (*proxy, error) {
	observer := obs.New(log, cfg.AccessLog)
	mode, err := warm.ParseMode(cfg.Prefetch)
	if err != nil {
		return nil, err
	}
	data := cfg.Data
	stores, err := openStores(data)
	if err != nil && cfg.Origin("data") == "default" {
		// Nobody chose that folder: do without, as with a disk that is full.
		log.Warn("what is fetched is kept in a temporary folder, and lost at the end", "error", err)
		if data, err = os.MkdirTemp("", "godown-"); err == nil {
			stores, err = openStores(data)
		}
		stores.temporary = data
	}
	if err != nil {
		return nil, err
	}
	origin, err := newOrigin(cfg, observer, filepath.Join(data, "direct"), log)
	if err != nil {
		return nil, errors.Join(err, stores.Close())
	}
	up, err := newUpstreams(cfg, observer, origin)
	if err != nil {
		return nil, errors.Join(err, stores.Close())
	}
	known, err := newTrust(cfg, observer, origin, up, stores)
	if err != nil {
		return nil, errors.Join(err, stores.Close())
	}
	own := known.own
	shelf := &publish.Shelf{Store: stores.published, Prefixes: string(cfg.Publish), Known: func(ctx context.Context, path, version string) (zip, mod string) {
		return stores.known(ctx, known.verifier, path, version)
	}}
	cache := &godown.Cache{
		Store:   stores.modules,
		Answers: stores.answers,
		Pending: stores.pending,
		Source: godown.First(
			godown.Step{Source: shelf},
			godown.Step{Source: godown.Split(cfg.isPrivate, godown.First(up.private...), godown.First(up.steps...))}),
		Verifier:     known.verifier,
		Prefer:       cfg.Verify == "prefer",
		TTL:          atLeast(cfg.TTL, 1),
		NotFoundTTL:  atLeast(cfg.NotFoundTTL, 1),
		MaxFetches:   cfg.Fetches,
		FetchWait:    atLeast(cfg.FetchWait, 1),
		FetchTimeout: cfg.FetchTimeout,
		StreamAfter:  atLeast(cfg.StreamAfter, 1),
		Memory:       atLeast(int64(cfg.Memory), 1),
		Alarm:        observer.Alarm,
	}
	shelf.Published = func(path, version string) {
		cache.Refresh(path)
		if own != nil {
			own.log.Note(module.Version{Path: path, Version: version})
		}
	}
	if own != nil {
		own.cache = cache
	}
	foreign := joinPatterns(cfg.Private, cfg.NoProxy, cfg.NoSumDB, cfg.Publish, stores.onShelf())
	// It stands before all that may refuse something, and so fetches nothing ahead that the client would not be given.
	predictor := &warm.Predictor{
		Source: cache,
		Mode:   mode,
		Skip:   func(path string) bool { return module.MatchPrefixPatterns(foreign, path) },
	}
	handler := &godown.Handler{Source: predictor, Sums: known.served()}
	observer.Watch(cache.Stats, (&storeSize{store: stores.modules}).bytes)

	ctx, stop := context.WithCancel(context.Background())
	p := &proxy{handler: observer.Handler(handler), observer: observer, cache: cache, ahead: predictor, sums: known.sums, own: own, stores: stores, origin: origin, shelf: shelf, pools: up.pools, stop: stop}
	observer.WatchMirrors(p.mirrors)
	observer.WatchAhead(predictor.Stats)
	p.working.Go(func() { cache.VerifyPending(ctx, time.Minute) })
	for _, pool := range p.pools {
		p.working.Go(func() { pool.Watch(ctx) })
	}
	if cfg.serving {
		p.lookAfter(ctx, cfg)
	}
	return p, nil
}

// lookAfter does, until ctx ends, what takes longer than one command runs.
func (p *proxy) lookAfter(ctx context.Context, cfg *Config) {
	p.observer.WatchScrub(p.cache.ScrubStats)
	var own func() obs.OwnSums
	var upstream func() godown.SumsStatus
	if p.own != nil {
		own = func() obs.OwnSums {
			size, waiting := p.own.log.Size()
			return obs.OwnSums{Name: p.own.name, Records: size, Waiting: waiting}
		}
	}
	if p.sums != nil {
		upstream = p.sums.Status
	}
	p.observer.WatchSums(own, upstream)
	p.working.Go(func() { p.cache.Scrub(ctx, cfg.Scrub, p.stores.published) })
	if p.sums != nil && !cfg.isOff() {
		p.working.Go(func() { p.sums.Watch(ctx, cfg.SumDBWatch) })
	}
}

// isOff reports whether no upstream may be asked for anything.
func (c *Config) isOff() bool { return strings.TrimSpace(string(c.Upstream)) == "off" }

// A trust is who says what the hash of a file should be.
type trust struct {
	verifier godown.Verifier
	sums     *godown.Sums // nil: there is no checksum database above ours
	own      *ownSums     // nil: there is no database of our own
}

// newTrust puts together who says what the hash of a file should be.
func newTrust(cfg *Config, observer *obs.Observer, origin *origin, up *upstreams, stores stores) (*trust, error) {
	noSumDB := joinPatterns(cfg.NoSumDB, cfg.Private, cfg.Publish, stores.onShelf())
	byModule := &godown.Trust{NoSumDB: noSumDB, FirstSeen: &godown.FirstSeen{Store: stores.seen}}
	t := &trust{verifier: byModule}
	if cfg.SumDB != "off" {
		route := &godown.SumRoute{Via: up.via}
		sums, err := checksumDatabase(cfg, observer, route, stores.modules)
		if err != nil {
			return nil, err
		}
		sums.Private = noSumDB
		for _, pool := range up.pools {
			for _, mirror := range pool.Getters() {
				sums.Views = append(sums.Views, route.Through(mirror))
			}
		}
		sums.Views = append(sums.Views, route.Straight())
		byModule.Database, t.sums = sums, sums
	}
	if !cfg.serving {
		return t, nil
	}
	own, err := openOwnSums(context.Background(), cfg, origin, observer.Alarm)
	if err != nil {
		return nil, err
	}
	// The scrub looks at what nobody has asked for.
	if own == nil {
		t.verifier = newDiscreet(byModule, byModule, stores, nil)
		return t, nil
	}
	own.sums = t.sums
	own.ours = func(path string) bool { return !byModule.ByDatabase(path) }
	t.own, t.verifier = own, newDiscreet(own.guard(byModule), byModule, stores, own.log)
	return t, nil
}

// served returns the checksum databases that clients may ask; nil if there is none.
func (t *trust) served() godown.SumSource {
	all := sumSources{}
	if t.sums != nil {
		all[t.sums.Spec.Name] = t.sums
	}
	if t.own != nil {
		all[t.own.name] = t.own.log
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// mirrors tells how the mirrors of all groups are, in the order of the upstream list.
func (p *proxy) mirrors() []godown.MirrorStatus {
	list := []godown.MirrorStatus{}
	for i, pool := range p.pools {
		for _, m := range pool.Status() {
			m.Group = i + 1
			list = append(list, m)
		}
	}
	return list
}

// Close ends the proxy: fetches under way may end until ctx does.
func (p *proxy) Close(ctx context.Context) error {
	p.stop()
	p.ahead.Close()
	err := p.cache.Close(ctx)
	p.working.Wait()
	if p.own != nil {
		err = errors.Join(err, p.own.Close(ctx))
	}
	if p.sums != nil {
		err = errors.Join(err, p.sums.Close(ctx))
	}
	for _, pool := range p.pools {
		pool.Close()
	}
	return errors.Join(err, p.origin.Close(), p.stores.Close())
}

func checksumDatabase(cfg *Config, observer *obs.Observer, route *godown.SumRoute, store godown.Store) (*godown.Sums, error) {
	spec, err := godown.ParseSumDB(string(cfg.SumDB))
	if err != nil {
		return nil, fmt.Errorf("sumdb (%s): %w", cfg.Origin("sumdb"), err)
	}
	route.Name = spec.Name
	at := spec.URL
	if at == nil {
		at = &url.URL{Scheme: "https", Host: spec.Name}
		if host, path, ok := strings.Cut(spec.Name, "/"); ok {
			at.Host, at.Path = host, "/"+path
		}
	} else {
		route.Via = nil // a URL given means that one, and no proxy
	}
	route.Direct = databaseUpstream(cfg, observer, at)
	remote := route.Fetch
	if cfg.isOff() {
		// Whoever wants no network wants none here either.
		remote = func(context.Context, string) ([]byte, error) { return nil, errors.New("the upstream is off") }
	}
	return &godown.Sums{Spec: spec, Store: store, Remote: remote, TTL: atLeast(cfg.TTL, 1), Alarm: observer.Alarm}, nil
}

// joinPatterns returns the patterns of all lists.
func joinPatterns(lists ...Patterns) string {
	var all []string
	for _, l := range lists {
		if l != "" {
			all = append(all, string(l))
		}
	}
	return strings.Join(all, ",")
}

// atLeast is for fields where 0 stands for a default.
func atLeast[T ~int64](value, least T) T { return max(value, least) }

// stores are the folders of --data.
type stores struct {
	modules *godown.Dir  // fixed files, in the layout of GOMODCACHE/cache/download
	answers godown.Store // lists, latest versions and queries, with the time they were learnt
	seen    godown.Store // the hashes first seen of modules that no checksum database answers for
	pending godown.Store // marks of files that wait to be verified

	published godown.Store // the versions that clients handed in
	shelf     *godown.Dir  // the same; nil: it cannot be written
	open      []io.Closer
	shut      map[string]error // why those of these folders cannot be opened that are there, by name

	temporary string // the folder of all, if it is to be removed
}

func openStores(data string) (s stores, err error) {
	s.shut = make(map[string]error)
	if s.modules, err = godown.OpenDir(filepath.Join(data, "modules")); err != nil {
		return s, fmt.Errorf("the folder of --data cannot be used: %w; name another", err)
	}
	for _, d := range []struct {
		store *godown.Store
		name  string
	}{{&s.answers, "answers"}, {&s.seen, "seen"}, {&s.pending, "pending"}, {&s.published, "published"}} {
		dir, err := godown.OpenDir(filepath.Join(data, d.name))
		if err != nil {
			// A folder of modules that cannot be written can still be served.
			if _, missing := os.Lstat(filepath.Join(data, d.name)); !errors.Is(missing, fs.ErrNotExist) {
				s.shut[d.name] = err
			}
			*d.store = godown.Unwritable(err)
			continue
		}
		*d.store = dir
		if d.name == "published" {
			s.shelf = dir
		}
		s.open = append(s.open, dir)
	}
	return s, nil
}

// onShelf returns patterns of the modules of which versions were published here: no
// database knows them, also when nothing may be published any more.
func (s stores) onShelf() Patterns {
	paths, err := (&publish.Shelf{Store: s.published}).Modules(context.Background())
	if err != nil {
		return "" // there is no such folder, or it cannot be read: then nothing of it is served
	}
	return Patterns(strings.Join(paths, ","))
}

// known returns the hashes of what was kept of a version, from wherever it came.
func (s stores) known(ctx context.Context, trust godown.Verifier, path, version string) (zip, mod string) {
	req := godown.Request{Kind: godown.Zip, Path: path, Version: version}
	zip = trust.Recall(ctx, req)
	if text, err := s.small(ctx, req.Name()+"hash"); zip == "" && err == nil {
		zip = strings.TrimSpace(string(text))
	}
	req.Kind = godown.Mod
	mod = trust.Recall(ctx, req)
	if data, err := s.small(ctx, req.Name()); mod == "" && err == nil {
		mod = godown.HashMod(data)
	}
	return zip, mod
}

// small returns a small file of the store of modules.
func (s stores) small(ctx context.Context, name string) ([]byte, error) {
	f, err := s.modules.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f.Reader(), 16<<20))
}

// stage returns a temporary file that the shelf can take over.
func (s stores) stage() (*os.File, error) {
	if s.shelf == nil {
		return nil, errors.New("the folder for published versions cannot be written")
	}
	return s.shelf.Stage()
}

// Close releases the folders.
func (s stores) Close() error {
	errs := []error{s.modules.Close()}
	for _, d := range s.open {
		errs = append(errs, d.Close())
	}
	if s.temporary != "" {
		errs = append(errs, os.RemoveAll(s.temporary))
	}
	return errors.Join(errs...)
}
