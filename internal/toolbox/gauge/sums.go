package gauge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// sums compares what arrived with the checksum database. Whoever passes its
// records on need not be trusted: each is proven by the database's signature.
type sums struct {
	plan     *Plan
	sums     *godown.Sums // nil: there is no database
	routes   []*route
	straight *route // nil: there is no database
	instead  *route // where the same database is, too; nil: nowhere

	mu      sync.Mutex // guards what follows
	through *route     // that served last; nil: none has
	proven  map[Module]bool
}

// A route is a way to the database.
type route struct {
	shown  string
	root   *url.URL
	client *probe.Client
	down   bool
}

const (
	sumTime  = 20 * time.Second // for all records
	stepTime = 6 * time.Second  // for a file of the database by one route
)

// insteadOf is a value of GOSUMDB by which a database is reached where it does
// not answer itself.
func insteadOf(database string) string {
	if database == "sum.golang.org" {
		return "sum.golang.google.cn"
	}
	return ""
}

// newSums returns what asks the database through the mirrors that pass it on, then straight.
func newSums(p *Plan, meters []*meter) *sums {
	s := &sums{plan: p, proven: make(map[Module]bool)}
	if p.SumDB == nil {
		return s
	}
	for _, m := range meters {
		if m.result.SumDB == Yes {
			s.routes = append(s.routes, &route{m.result.Mirror, m.at("sumdb/" + p.SumDB.Name + "/"), m.client, false})
		}
	}
	prober := probe.Prober{Proxy: p.Proxy}
	if p.TLS != nil {
		prober.TLS, prober.Resolver, prober.Timeouts = p.TLS.TLS, p.TLS.Resolver, p.TLS.Timeouts
	}
	direct := p.SumDB.URL
	if direct == nil {
		direct = &url.URL{Scheme: "https", Host: p.SumDB.Name}
		if host, path, ok := strings.Cut(p.SumDB.Name, "/"); ok {
			direct.Host, direct.Path = host, "/"+path
		}
	}
	s.straight = &route{Shown(direct), direct, prober.Client(false), false}
	s.routes = append(s.routes, s.straight)
	if instead := insteadOf(p.SumDB.Name); instead != "" && p.SumDB.URL == nil {
		s.instead = &route{"https://" + instead, &url.URL{Scheme: "https", Host: instead}, prober.Client(false), false}
		s.routes = append(s.routes, s.instead)
	}
	s.sums = &godown.Sums{Spec: *p.SumDB, Store: &memory{files: make(map[string][]byte)}, Private: p.NoSumDB, Remote: s.fetch}
	return s
}

// fetch is the Remote of Sums.
func (s *sums) fetch(ctx context.Context, path string) ([]byte, error) {
	err := errors.New("nobody passes the checksum database on")
	for _, r := range s.routes {
		if s.isDown(r) {
			continue
		}
		var data []byte
		if data, err = r.get(ctx, path); err == nil {
			s.mu.Lock()
			s.through = r
			s.mu.Unlock()
			return data, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // of a mirror that proves nothing: another may know
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.mu.Lock()
		r.down = true
		s.mu.Unlock()
	}
	return nil, err
}

func (s *sums) isDown(r *route) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.down
}

func (r *route) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	u := *r.root
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + path
	e := r.client.Get(ctx, probe.Ask{URL: &u, Keep: true, Limit: smallLimit})
	switch {
	case e.Status == 404 || e.Status == 410:
		return nil, &godown.NotFound{Text: r.shown + " has no " + path}
	case !e.OK():
		return nil, fmt.Errorf("%s: %w", r.shown, e.Failure)
	}
	if err := godown.CheckSumFile(path, e.Body); err != nil {
		return nil, fmt.Errorf("%s: %w", r.shown, err)
	}
	return e.Body, nil
}

// verify says of each .mod and .zip that arrived what is known of its bytes.
func (s *sums) verify(ctx context.Context, meters []*meter) {
	if s.sums != nil {
		defer s.sums.Close(context.WithoutCancel(ctx))
	}
	ctx, cancel := context.WithTimeout(ctx, sumTime)
	defer cancel()
	for _, m := range meters {
		if len(m.zips) > 0 {
			m.say(lang.Text{En: "checking bytes", Zh: "校验内容"}, false)
		}
		for _, mod := range m.plan.Modules {
			if z, ok := m.zips[mod]; ok {
				f := &m.result.Files[z.file]
				h1, err := godown.CheckZip(ctx, godown.Request{Kind: godown.Zip, Path: mod.Path, Version: mod.Version}, bytes.NewReader(z.bytes), int64(len(z.bytes)))
				if bad, ok := errors.AsType[*godown.Mismatch](err); ok {
					f.Proof, f.Detail = Wrong, bad.Reason
				} else if err == nil {
					f.Hash = h1
					s.compare(ctx, m, f, mod, godown.Zip, mod.ZipSum)
				}
			}
			delete(m.zips, mod)
			for i := range m.result.Files {
				if f := &m.result.Files[i]; f.Name == "mod" && f.Module == mod.String() && f.Hash != "" {
					s.compare(ctx, m, f, mod, godown.Mod, mod.ModSum)
				}
			}
		}
	}
	s.disagree(meters)
}

// compare compares a file's hash with the database's, or with the one that is known.
func (s *sums) compare(ctx context.Context, m *meter, f *File, mod Module, kind godown.Kind, known string) {
	f.Proof = Unproven
	if s.sums != nil && !private(s.plan, mod) {
		req := godown.Request{Kind: kind, Path: mod.Path, Version: mod.Version}
		err := s.sums.Verify(ctx, req, f.Hash)
		if _, wrong := errors.AsType[*godown.Mismatch](err); err == nil || wrong {
			f.Want = s.sums.Recall(ctx, req)
			f.Proof = Proven
			s.proven[mod] = true
			if wrong {
				f.Proof = Wrong
			}
			m.ownSumdb(mod, kind, f.Want)
			return
		}
	}
	if known != "" {
		f.Want, f.Proof = known, Known
		if f.Hash != known {
			f.Proof = Wrong
		}
		m.ownSumdb(mod, kind, known)
	}
}

// ownSumdb compares the record that the mirror itself passed on with what was proven.
func (m *meter) ownSumdb(mod Module, kind godown.Kind, want string) {
	if mod != m.plan.Modules[0] {
		return
	}
	version := mod.Version
	if kind == godown.Mod {
		version += "/go.mod"
	}
	if said, ok := m.heads[version]; ok && said != want {
		m.result.SumDB = Bad
	}
}

// disagree says where nobody knows the right hash, but mirrors gave different ones: then one of them lies.
func (s *sums) disagree(meters []*meter) {
	first := make(map[string]string)
	for _, m := range meters {
		for i := range m.result.Files {
			f := &m.result.Files[i]
			if f.Proof != Unproven || f.Hash == "" {
				continue
			}
			key := f.Name + " " + f.Module
			if other, ok := first[key]; !ok {
				first[key] = f.Hash
			} else if other != f.Hash {
				f.Detail = "another mirror gave a file with the hash " + other
			}
		}
	}
}

// report says how the database was reached, and asks it straight if nobody has yet.
func (s *sums) report(ctx context.Context) SumDBReport {
	if s.sums == nil {
		return SumDBReport{Off: true, Straight: Unknown}
	}
	r := SumDBReport{Name: s.plan.SumDB.Name, Straight: Unknown, Records: len(s.proven)}
	if s.through != nil {
		r.Through = s.through.shown
	}
	if ctx.Err() == nil {
		r.Straight, r.Failure = s.straight.answers(ctx)
		if r.Straight == No && s.instead != nil {
			if yes, _ := s.instead.answers(ctx); yes == Yes {
				r.Instead = insteadOf(r.Name)
			}
		}
	}
	for _, route := range s.routes {
		route.client.Close()
	}
	return r
}

// answers asks whether the database is there.
func (r *route) answers(ctx context.Context) (Answer, *probe.Failure) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	u := *r.root
	u.Path = strings.TrimSuffix(u.Path, "/") + "/latest"
	e := r.client.Get(ctx, probe.Ask{URL: &u, Keep: true})
	if !e.OK() || godown.CheckSumFile("latest", e.Body) != nil {
		return No, e.Failure
	}
	return Yes, nil
}

// memory is a Store for the files of the database, which are few and small.
type memory struct {
	mu    sync.Mutex // guards files
	files map[string][]byte
}

func (s *memory) Open(_ context.Context, name string) (*godown.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return godown.NewFile(data), nil
}

func (s *memory) Put(_ context.Context, name string, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = data
	return nil
}

func (s *memory) Delete(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
	return nil
}

func (s *memory) List(_ context.Context, prefix string) iter.Seq2[godown.Entry, error] {
	return func(yield func(godown.Entry, error) bool) {
		s.mu.Lock()
		var found []godown.Entry
		for name, data := range s.files {
			if strings.HasPrefix(name, prefix) {
				found = append(found, godown.Entry{Name: name, Size: int64(len(data))})
			}
		}
		s.mu.Unlock()
		for _, e := range found {
			if !yield(e, nil) {
				return
			}
		}
	}
}
