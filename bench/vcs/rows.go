package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A row is something to measure.
type row struct {
	name   string
	base   string  // the candidate that others are compared with; empty: none
	wall   float64 // target: godown's time, of base's at most; 0: none
	cpu    float64 // the same of CPU time
	strict bool    // below the target, not at it
	what   string
	run    func(b *bench, ctx context.Context, h *host, round int) error
}

func rows() []row {
	return []row{
		{name: "cold", base: asGo, wall: 0.22, cpu: 0.4, what: "go mod download of 10 versions of each of two repositories, all caches empty", run: (*bench).cold},
		{name: "newtag", base: asGo, wall: 0.15, what: "go mod download of a tag pushed just now to a repository that is known, of which two other versions were downloaded; GOMODCACHE is empty but for the go command's clones, and godown is told by POST /-/refresh, which counts", run: (*bench).newTag},
		{name: "list", base: bare, wall: 1.2, strict: true, what: fmt.Sprintf("GET of a known repository's @v/list when the old one is no longer fresh, beside git ls-remote; median of %d", samples), run: (*bench).list},
		{name: "pseudo", base: asGo, what: "go list -m of a pseudo-version in a history of 20,000 commits, all caches empty", run: (*bench).pseudo},
		{name: "hash", base: asGo, what: "the same, of a commit's hash of 10 digits", run: (*bench).hash},
		{name: "burst", what: fmt.Sprintf("%d clients ask an empty proxy for .info, .mod and .zip of 20 versions at once, over HTTP", clients), run: (*bench).burst},
	}
}

const (
	samples = 8                    // of row list, in each round
	brief   = time.Millisecond     // godown's --ttl in row list
	longer  = 5 * time.Millisecond // after which it has passed
)

// versions returns 20 versions: every tenth tag of two repositories.
func (b *bench) versions() (mods []string) {
	for _, s := range b.shapes[:2] {
		for i := range 10 {
			mods = append(mods, fmt.Sprintf("%s@v1.%d.0", s.path(), 5+10*i))
		}
	}
	return mods
}

func (b *bench) cold(ctx context.Context, h *host, round int) error {
	for _, name := range b.turns(round, asGo, asGodown) {
		s, err := b.stand(ctx, h, name)
		if err != nil {
			return err
		}
		err = b.measure(ctx, s, result{Row: "cold", Round: round}, false, func(ctx context.Context) (_, cpu time.Duration, err error) {
			sums, cpu, err := s.download(ctx, "modcache", b.versions())
			if err == nil {
				err = b.agree(sums)
			}
			return 0, cpu, err
		})
		s.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// push pushes a new version of the first repository.
func (b *bench) push(ctx context.Context) (version string, err error) {
	s := b.shapes[0]
	version = fmt.Sprintf("v1.%d.0", len(s.tags)+b.pushed)
	b.pushed++
	return version, b.git.push(ctx, filepath.Join(b.root, s.name+".git"), version, uint64(1000+b.pushed))
}

// each sets a stand for each candidate up, and closes them in the end.
func (b *bench) each(ctx context.Context, h *host, names []string, ready func(context.Context, *stand) error, then func(*stand) error, between func() error, args ...string) error {
	var stands []*stand
	defer func() {
		for _, s := range stands {
			s.close()
		}
	}()
	for _, name := range names {
		s, err := b.stand(ctx, h, name, args...)
		if err != nil {
			return err
		}
		stands = append(stands, s)
		limited, cancel := context.WithTimeout(ctx, b.timeout)
		err = ready(limited, s)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: before the trial: %w", name, err)
		}
	}
	if err := between(); err != nil {
		return err
	}
	for _, s := range stands {
		if err := then(s); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) newTag(ctx context.Context, h *host, round int) error {
	path, version := b.shapes[0].path(), ""
	ready := func(ctx context.Context, s *stand) error {
		sums, _, err := s.download(ctx, "before", []string{path + "@v1.50.0", path + "@v1.99.0"})
		if err == nil {
			err = b.agree(sums)
		}
		if err == nil && s.name == asGo {
			if err = os.MkdirAll(filepath.Join(s.dir, "modcache", "cache"), 0o777); err == nil {
				err = os.Rename(filepath.Join(s.dir, "before", "cache", "vcs"), filepath.Join(s.dir, "modcache", "cache", "vcs"))
			}
		}
		return err
	}
	pushed := func() (err error) {
		version, err = b.push(ctx)
		return err
	}
	return b.each(ctx, h, b.turns(round, asGo, asGodown), ready, func(s *stand) error {
		return b.measure(ctx, s, result{Row: "newtag", Round: round}, false, func(ctx context.Context) (_, cpu time.Duration, err error) {
			if s.name == asGodown {
				if err := s.refresh(ctx, path); err != nil {
					return 0, 0, err
				}
			}
			sums, cpu, err := s.download(ctx, "modcache", []string{path + "@" + version})
			if err == nil {
				err = b.agree(sums)
			}
			return 0, cpu, err
		})
	}, pushed)
}

// refresh tells godown that a module has something new. One that has no page
// for this keeps nothing that would have to be made new.
func (s *stand) refresh(ctx context.Context, path string) error {
	body, status, err := s.get(ctx, http.DefaultClient, http.MethodPost, "/-/refresh?module="+url.QueryEscape(path))
	if err == nil && status/100 != 2 && status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
		err = fmt.Errorf("/-/refresh: %d: %.300s", status, body)
	}
	return err
}

func (b *bench) list(ctx context.Context, h *host, round int) error {
	page, version := "/"+b.shapes[0].path()+"/@v/list", ""
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ready := func(ctx context.Context, s *stand) error {
		if s.url == "" {
			return nil
		}
		if _, err := s.mustGet(ctx, client, page); err != nil {
			return err
		}
		_, err := s.mustGet(ctx, client, "/"+b.shapes[0].path()+"/@v/v1.99.0.zip")
		return err
	}
	pushed := func() (err error) {
		version, err = b.push(ctx)
		return err
	}
	return b.each(ctx, h, b.turns(round, bare, asGodown), ready, func(s *stand) error {
		return b.measure(ctx, s, result{Row: "list", Round: round}, false, func(ctx context.Context) (took, cpu time.Duration, err error) {
			var times []time.Duration
			for range samples {
				<-time.After(longer)
				start := time.Now()
				var out []byte
				var used time.Duration
				if s.name == bare {
					out, used, err = s.command(ctx, s.env, s.git(), "ls-remote", "-q", "https://"+b.shapes[0].path())
				} else {
					out, err = s.mustGet(ctx, client, page)
				}
				times = append(times, time.Since(start))
				cpu += used
				if err == nil && !slices.Contains(strings.Fields(strings.ReplaceAll(string(out), "refs/tags/", "")), version) {
					err = fmt.Errorf("it lacks %s, which was there before it was asked for", version)
				}
				if err != nil {
					return 0, cpu, err
				}
			}
			if seen, _ := h.take(); s.name == asGodown && seen.Discover+seen.LsRefs < samples {
				err = fmt.Errorf("of %d lists some were given without asking the host", samples)
			}
			return median(times), cpu, err
		})
	}, pushed, "--ttl="+brief.String())
}

func (b *bench) pseudo(ctx context.Context, h *host, round int) error {
	return b.query(ctx, h, round, "pseudo", b.commit.pseudo)
}

func (b *bench) hash(ctx context.Context, h *host, round int) error {
	return b.query(ctx, h, round, "hash", b.commit.hash[:10])
}

// query measures how long the go command takes to learn what a version stands for.
func (b *bench) query(ctx context.Context, h *host, round int, name, version string) error {
	path := b.shapes[2].path()
	for _, candidate := range b.turns(round, asGo, asGodown) {
		s, err := b.stand(ctx, h, candidate)
		if err != nil {
			return err
		}
		res := result{Row: name, Round: round, Least: b.commit.objects}
		err = b.measure(ctx, s, res, true, func(ctx context.Context) (_, cpu time.Duration, err error) {
			out, cpu, err := s.command(ctx, s.goEnv, "go", "list", "-m", "-json", path+"@"+version)
			var m struct{ Version, Time string }
			if err == nil {
				err = json.Unmarshal(out, &m)
			}
			if err == nil && m.Version != b.commit.pseudo {
				err = fmt.Errorf("%s is %s, not %s", version, m.Version, b.commit.pseudo)
			}
			if err == nil {
				err = b.agree(map[string]string{path + "@" + m.Version + " time": m.Time})
			}
			return 0, cpu, err
		})
		s.close()
		if err != nil {
			return err
		}
	}
	return nil
}
