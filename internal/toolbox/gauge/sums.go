package gauge

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"slices"
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
	served  []*route   // that served since a proof was begun
	asked   int        // requests to mirrors
	proven  map[Module]bool
}

// A route is a way to the database.
type route struct {
	shown  string
	root   *url.URL
	client *probe.Client
	meter  *meter // whose mirror it is; nil: the database's own
	down   bool
}

const (
	sumTime  = 20 * time.Second // for all records
	stepTime = 6 * time.Second  // for a file of the database by one route

	unpackTime  = 5 * time.Second // for unpacking one zip
	mostBuiltIn = 6 << 20         // bytes than which the zips of Modules are smaller
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
			s.routes = append(s.routes, &route{shown: m.result.Mirror, root: m.at("sumdb/" + p.SumDB.Name + "/"), client: m.client, meter: m})
		}
	}
	slices.SortStableFunc(s.routes, func(a, b *route) int { return cmp.Compare(a.meter.lookup, b.meter.lookup) }) // all wait for what the first does not give
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
	s.straight = &route{shown: Shown(direct), root: direct, client: prober.Client(false)}
	s.routes = append(s.routes, s.straight)
	if instead := insteadOf(p.SumDB.Name); instead != "" && p.SumDB.URL == nil {
		s.instead = &route{shown: "https://" + instead, root: &url.URL{Scheme: "https", Host: instead}, client: prober.Client(false)}
		s.routes = append(s.routes, s.instead)
	}
	known := p.Records
	if known == nil {
		known = NewRecords()
	}
	s.sums = &godown.Sums{Spec: *p.SumDB, Store: &known.memory, Private: p.NoSumDB, Remote: s.fetch}
	return s
}

// fetch is the Remote of Sums.
func (s *sums) fetch(ctx context.Context, path string) ([]byte, error) {
	err := errors.New("nobody passes the checksum database on")
	for _, r := range s.routes {
		if !s.mayAsk(r) {
			continue
		}
		var data []byte
		if data, err = r.get(ctx, path); err == nil {
			s.mu.Lock()
			s.through = r
			if !slices.Contains(s.served, r) {
				s.served = append(s.served, r)
			}
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

// mayAsk reports whether a route is worth another request, and counts those to mirrors.
func (s *sums) mayAsk(r *route) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.meter != nil && !r.down {
		if s.asked >= MaxRecords {
			return false
		}
		s.asked++
	}
	return !r.down
}

// prove compares a hash with the database's. Where what has come does not prove anything, the mirrors
// that passed it on are asked no more, and others are.
func (s *sums) prove(ctx context.Context, req godown.Request, hash string) error {
	for {
		s.mu.Lock()
		s.served = nil
		s.mu.Unlock()
		err := s.sums.Verify(ctx, req, hash)
		_, wrong := errors.AsType[*godown.Mismatch](err)
		if err == nil || wrong || ctx.Err() != nil || errors.Is(err, fs.ErrNotExist) {
			return err
		}
		again := false
		s.mu.Lock()
		for _, r := range s.served {
			if r.meter != nil && !r.down {
				again, r.down = true, true
				if len(s.served) == 1 { // else it is not known whose fault it is
					r.meter.result.SumDB = Bad
				}
			}
		}
		s.mu.Unlock()
		if !again {
			return err
		}
	}
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
	all := ctx
	ctx, cancel := context.WithTimeout(ctx, sumTime)
	defer cancel()
	sizes := make(map[string]int64) // of zips that are right, by module
	for _, m := range meters {
		if len(m.zips) > 0 {
			m.say(lang.Text{En: "checking bytes", Zh: "校验内容"}, false)
		}
		for _, mod := range m.plan.Modules {
			if z, ok := m.zips[mod]; ok {
				f := &m.result.Files[z.file]
				h1, err := checkZip(all, godown.Request{Kind: godown.Zip, Path: mod.Path, Version: mod.Version}, z.bytes)
				if bad, ok := errors.AsType[*godown.Mismatch](err); ok {
					f.Proof, f.Detail = Wrong, bad.Reason
				} else if err == nil {
					f.Hash = h1
					s.compare(ctx, m, f, mod, godown.Zip, mod.ZipSum)
					if f.Proof == Proven || f.Proof == Known {
						sizes[mod.String()] = int64(len(z.bytes))
					}
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
	tooLong(s.plan, meters, sizes)
	s.disagree(meters)
}

// checkZip looks at a zip for so long that one that unpacks to very much takes no time from others.
func checkZip(ctx context.Context, req godown.Request, data []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, unpackTime)
	defer cancel()
	return godown.CheckZip(ctx, req, bytes.NewReader(data), int64(len(data)))
}

// tooLong says of zips that were read no further that they are wrong if they are longer than the right one.
func tooLong(p *Plan, meters []*meter, sizes map[string]int64) {
	for _, mod := range p.Modules {
		size, ok := sizes[mod.String()]
		if !ok && mod.ZipSum != "" {
			size, ok = mostBuiltIn, true
		}
		for _, m := range meters {
			for i := range m.result.Files {
				if f := &m.result.Files[i]; ok && f.Name == "zip" && f.Module == mod.String() && f.Partial && f.Bytes > size {
					f.Proof, f.Detail = Wrong, "it is longer than the right one"
				}
			}
		}
	}
}

// compare compares a file's hash with the database's, or with the one that is known.
func (s *sums) compare(ctx context.Context, m *meter, f *File, mod Module, kind godown.Kind, known string) {
	f.Proof = Unproven
	if s.sums != nil && !private(s.plan, mod) {
		req := godown.Request{Kind: kind, Path: mod.Path, Version: mod.Version}
		err := s.prove(ctx, req, f.Hash)
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
	if said, ok := m.heads[version]; ok && want != "" && said != want {
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
	r := SumDBReport{Name: s.plan.SumDB.Name, Straight: Unknown, Records: len(s.proven), Requests: s.asked}
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

// Records are what was proven by the checksum database in earlier measurements, so that
// it is asked for nothing twice.
type Records struct{ memory }

// NewRecords returns none yet.
func NewRecords() *Records { return &Records{memory{files: make(map[string][]byte)}} }

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
