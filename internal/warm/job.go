package warm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/godown-dev/godown"
)

// A Job has the Store behind a Source filled with what is named: files, and all
// that module graphs come to. Each file is asked for once, and what the Store
// has is not fetched again, so a Job that was broken off goes on where it was.
//
// The first four fields say what to do, and must not change after Run was
// called. The other methods may be called at any time.
type Job struct {
	Source godown.Source    // what keeps what it fetches, such as a [godown.Cache]
	Files  []godown.Request // in the order in which they are asked for
	Roots  []module.Version // see [ForModule]
	Mains  []*Main

	MaxFiles int    // more files are an error; 0: any number
	Failing  func() // is called when there is a new failure; may be nil; must not block, nor call the Job

	prefetcher Prefetcher
	coming     sync.WaitGroup // a place for each file that is coming

	mu         sync.Mutex // guards the fields below
	files      map[godown.Request]fileState
	modules    map[module.Version]*tally
	after      map[module.Version][]godown.Request // files that wait for the .mod of their version
	unreadable map[godown.Request]bool             // .mod files that a graph lacks; its error tells of them
	counts     Progress
	failures   []Failure
	err        error // why not all was asked for
}

// Progress is how far a Job is. What there is to do may grow as long as graphs are read.
type Progress struct {
	Modules     int   `json:"modules"`      // versions whose .zip is wanted
	ModulesDone int   `json:"modules_done"` // of these, those of which all that is wanted is here
	Files       int   `json:"files"`
	FilesDone   int   `json:"files_done"`
	Failed      int   `json:"failed"`       // failures; each is told
	Bytes       int64 `json:"bytes"`        // that were fetched
	Cached      int   `json:"cached"`       // of FilesDone, those that were here already
	CachedBytes int64 `json:"cached_bytes"` // of these
}

// A Failure is something that a Job could not get.
type Failure struct {
	File  string `json:"file"`  // such as "golang.org/x/mod@v0.42.0 zip", or the root or go.mod whose graph it is
	Error string `json:"error"` // why
}

const (
	maxFailures  = 1000 // how many are kept; all are counted
	maxErrorText = 2000 // characters of the error of one
	graphsAtOnce = 8    // how many graphs are read at once
)

// A fileState is what is known of a file that is wanted.
type fileState uint8

const (
	isComing fileState = iota
	isHere
	isMissing
)

// A tally counts the files that are wanted of one version.
type tally struct {
	files, here int
	zip         bool // is one of them
}

// Run does the job, and returns when nothing of it is under way any more. An
// error says why it ended before all was asked for; what failed is told by
// [Job.Failures]. It must not be called twice.
//
// The .info and .zip of a version are asked for when its .mod is here, if that
// is wanted too: without it nobody can use them.
func (j *Job) Run(ctx context.Context) error {
	j.mu.Lock()
	j.files, j.modules = make(map[godown.Request]fileState), make(map[module.Version]*tally)
	j.after, j.unreadable = make(map[module.Version][]godown.Request), make(map[godown.Request]bool)
	j.mu.Unlock()
	j.prefetcher.Source = j.Source
	defer j.prefetcher.Close()
	j.want(ctx, j.Files)
	j.readGraphs(ctx)
	j.coming.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// want asks for those of the files that have not been asked for yet.
func (j *Job) want(ctx context.Context, files []godown.Request) {
	var added, now []godown.Request
	j.mu.Lock()
	for _, r := range files {
		if _, known := j.files[r]; known {
			continue
		}
		if j.full() {
			break
		}
		j.register(r)
		if j.unreadable[r] {
			j.files[r] = isMissing
			continue
		}
		added = append(added, r)
	}
	for _, r := range added { // whose .mod may stand behind them in files
		mod := godown.Request{Kind: godown.Mod, Path: r.Path, Version: r.Version}
		state, wanted := j.files[mod]
		switch {
		case r == mod || !wanted || state == isHere:
			now = append(now, r)
			j.coming.Add(1)
		case state == isComing:
			v := module.Version{Path: r.Path, Version: r.Version}
			j.after[v] = append(j.after[v], r)
			j.coming.Add(1)
		default:
			j.files[r] = isMissing
		}
	}
	j.mu.Unlock()
	j.ask(ctx, now)
}

// full reports whether there are as many files as there may be, which is an error. Caller holds j.mu.
func (j *Job) full() bool {
	if j.MaxFiles == 0 || len(j.files) < j.MaxFiles {
		return false
	}
	j.err = fmt.Errorf("more than %d files are wanted; split the list", j.MaxFiles)
	return true
}

// register notes that a file is wanted. Caller holds j.mu.
func (j *Job) register(r godown.Request) {
	j.files[r] = isComing
	v := module.Version{Path: r.Path, Version: r.Version}
	t := j.modules[v]
	if t == nil {
		t = new(tally)
		j.modules[v] = t
	}
	t.files++
	t.zip = t.zip || r.Kind == godown.Zip
}

func (j *Job) ask(ctx context.Context, files []godown.Request) {
	for _, r := range files {
		j.prefetcher.Add(ctx, r, func(o Outcome) { j.arrived(ctx, o) })
	}
}

// arrived notes what came of a file, and asks for those that waited for it.
func (j *Job) arrived(ctx context.Context, o Outcome) {
	defer j.coming.Done()
	j.mu.Lock()
	var next []godown.Request
	if o.Request.Kind == godown.Mod {
		v := module.Version{Path: o.Request.Path, Version: o.Request.Version}
		next = j.after[v]
		delete(j.after, v)
	}
	if o.Err == nil {
		j.came(o)
		j.mu.Unlock()
		j.ask(ctx, next)
		return
	}
	if ctx.Err() == nil { // else nobody wanted it any more
		j.files[o.Request] = isMissing
		j.fail(o.Request.String(), o.Err.Error())
	}
	for _, r := range next {
		j.files[r] = j.files[o.Request]
		j.coming.Done()
	}
	j.mu.Unlock()
}

// came notes that a file is here. Caller holds j.mu.
func (j *Job) came(o Outcome) {
	j.files[o.Request] = isHere
	j.modules[module.Version{Path: o.Request.Path, Version: o.Request.Version}].here++
	j.counts.FilesDone++
	if o.Cached {
		j.counts.Cached++
		j.counts.CachedBytes += max(o.Size, 0)
	} else {
		j.counts.Bytes += max(o.Size, 0)
	}
}

// fail notes a failure. Caller holds j.mu.
func (j *Job) fail(what, why string) {
	j.counts.Failed++
	if len(j.failures) < maxFailures {
		j.failures = append(j.failures, Failure{what, fmt.Sprintf("%.*s", maxErrorText, why)})
	}
	if j.Failing != nil {
		j.Failing()
	}
}

// Progress returns how far the job is.
func (j *Job) Progress() Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.counts
	p.Files = len(j.files)
	for _, t := range j.modules {
		if !t.zip {
			continue
		}
		p.Modules++
		if t.here == t.files {
			p.ModulesDone++
		}
	}
	return p
}

// Failures returns those behind the first from. At most 1,000 are kept.
func (j *Job) Failures(from int) []Failure {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failures[min(from, len(j.failures)):] // which are only ever appended to
}

// Check takes those files for failed, because of why, that came but of which
// stored says that the Store does not have them. It is for after Run.
func (j *Job) Check(stored func(godown.Request) bool, why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for r, state := range j.files {
		if state == isHere && !stored(r) {
			j.files[r] = isMissing
			j.modules[module.Version{Path: r.Path, Version: r.Version}].here--
			j.counts.FilesDone--
			j.fail(r.String(), why)
		}
	}
}

// readGraphs reads the graphs of roots and main modules, some at once, and asks for their files.
func (j *Job) readGraphs(ctx context.Context) {
	tasks := make(chan func())
	var reading sync.WaitGroup
	for range min(graphsAtOnce, len(j.Roots)+len(j.Mains)) {
		reading.Go(func() {
			for task := range tasks {
				task()
			}
		})
	}
	do := func(task func()) {
		select {
		case tasks <- task:
		case <-ctx.Done():
		}
	}
	src := godown.SourceFunc(j.fetchMod)
	for _, m := range j.Mains {
		do(func() {
			g, err := m.Graph(ctx, src)
			j.wantGraph(ctx, m.Name, g, err)
		})
	}
	for _, root := range j.Roots {
		do(func() {
			g, err := ForModule(ctx, src, root)
			j.wantGraph(ctx, root.String(), g, err)
		})
	}
	close(tasks)
	reading.Wait()
}

// wantGraph asks for the files of a graph, and tells what is wrong with it.
func (j *Job) wantGraph(ctx context.Context, name string, g *Graph, err error) {
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		all := []error{err}
		inner := err
		if e := errors.Unwrap(err); e != nil {
			inner = e // that of a root begins with its name
		}
		if joined, ok := inner.(interface{ Unwrap() []error }); ok {
			all = joined.Unwrap()
		}
		j.mu.Lock()
		for _, err := range all {
			j.fail(name, strings.TrimPrefix(err.Error(), name+": "))
		}
		j.mu.Unlock()
	}
	if g != nil {
		j.want(ctx, append(g.Files(), toolchainInfos(g)...))
	}
}

// toolchainInfos returns the .info files that a go command asks for before it
// changes over to a toolchain: that of the toolchain itself, and that of the
// same release for linux-amd64, which tells it on every machine that there is one.
func toolchainInfos(g *Graph) (infos []godown.Request) {
	for _, m := range g.List {
		dot := strings.LastIndexByte(m.Version, '.')
		if m.Path != toolchainModule || dot < 0 {
			continue
		}
		own := godown.Request{Kind: godown.Info, Path: m.Path, Version: m.Version}
		infos = append(infos, own)
		common := own
		if common.Version = m.Version[:dot] + ".linux-amd64"; common != own && common.Fixed() {
			infos = append(infos, common)
		}
	}
	return infos
}

// fetchMod is the Source that graphs are read from: the Job's, but that the
// .mod files count as files of the job, and need not be fetched again. Nobody
// waits for them more than for others' files.
func (j *Job) fetchMod(ctx context.Context, req godown.Request) (*godown.File, error) {
	if req.Kind != godown.Mod {
		return j.Source.Fetch(godown.Ahead(ctx), req)
	}
	j.mu.Lock()
	_, known := j.files[req]
	if !known && j.full() {
		defer j.mu.Unlock()
		return nil, j.err
	}
	j.mu.Unlock()
	f, err := j.Source.Fetch(godown.Ahead(ctx), req)
	if ctx.Err() != nil || err == nil && f.Data == nil {
		return f, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.files[req]; known { // it has been, or will be, counted by those who asked for it
		return f, err
	}
	if err == nil {
		j.register(req)
		delete(j.unreadable, req)
		j.came(Outcome{Request: req, Size: f.Size, Cached: f.Cache == godown.Hit})
	} else {
		j.unreadable[req] = true
	}
	return f, err
}

// ParseRoot parses PATH@VERSION, where the version may be a query such as latest.
func ParseRoot(text string) (module.Version, error) { return parseRoot(text) }

// A Main is a go.mod whose build list is wanted, or what the go.mod files of a
// workspace come to together.
type Main struct {
	Name  string           // of the go.mod or go.work, for messages
	Dir   string           // that folders in File are relative to
	File  *modfile.File    // of a workspace only with what is replaced and excluded
	Roots []module.Version // what is required besides

	own map[string]bool // the paths of a workspace's modules
}

// Graph reads the build list, see [BuildList].
func (m *Main) Graph(ctx context.Context, src godown.Source) (*Graph, error) {
	g, err := BuildList(ctx, src, m.Dir, m.File, m.Roots)
	if g != nil {
		// The go command reads the .mod of a version that is required of these, but uses the folder.
		g.List = slices.DeleteFunc(g.List, func(v module.Version) bool { return m.own[v.Path] })
	}
	return g, err
}

// ReadDownload returns what `go mod download` with these flags would fetch in
// dir: files, where go.sum names them all, or else a Main whose graph is to be
// read. An error says what is wrong with the project, with file and line.
func ReadDownload(dir string, environ []string, flags ...string) ([]godown.Request, *Main, error) {
	inv, err := parseCommand(Command{Dir: dir, Args: append([]string{"go", "mod", "download"}, flags...), Environ: environ})
	if err != nil {
		return nil, nil, err
	}
	if inv.env("GO111MODULE") == "off" {
		return nil, nil, errors.New("GO111MODULE is off, so the go command knows of no modules")
	}
	bad := new(problems)
	m := inv.findModules(bad)
	if m == nil {
		return nil, nil, fmt.Errorf("%s: the go command would find no go.mod or go.work for it, neither there nor in the folders above", dir)
	}
	sums := m.readSums(bad)
	if err := bad.err(); err != nil {
		return nil, nil, err
	}
	named := make(map[module.Version]bool)
	for _, v := range sums.mods {
		named[v] = true
	}
	enough := m.complete || m.work != nil
	for _, v := range m.used(inv, sums) {
		enough = enough && named[v]
	}
	if enough {
		return m.files(inv, sums), nil, nil
	}
	return nil, m.main(), nil
}

// main returns what the build list is made of.
func (m *mainSet) main() *Main {
	if m.work == nil && len(m.mains) == 1 {
		return &Main{Name: m.mains[0].Syntax.Name, Dir: m.dir, File: m.mains[0]}
	}
	all := &Main{Name: filepath.Join(m.dir, "go.work"), Dir: m.dir, File: &modfile.File{Go: m.work.Go}, own: m.own}
	if all.File.Go == nil {
		all.File.Go = &modfile.Go{Version: "1.18"} // which is what the go command takes it for
	}
	excluded := make(map[module.Version]bool)
	for _, f := range m.mains {
		all.File.Exclude = append(all.File.Exclude, f.Exclude...)
		for _, x := range f.Exclude {
			excluded[x.Mod] = true
		}
	}
	for _, f := range m.mains {
		dir := filepath.Dir(f.Syntax.Name)
		for _, q := range f.Require {
			if !excluded[q.Mod] {
				all.Roots = append(all.Roots, q.Mod)
			}
		}
		for _, r := range f.Replace {
			if m.replace[r.Old] != r.New {
				continue // go.work has another
			}
			to := *r
			if to.New.Version == "" && !filepath.IsAbs(filepath.FromSlash(to.New.Path)) {
				to.New.Path = filepath.Join(dir, filepath.FromSlash(to.New.Path))
			}
			all.File.Replace = append(all.File.Replace, &to)
		}
	}
	all.File.Replace = append(all.File.Replace, m.work.Replace...)
	return all
}
