package warm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/godown-dev/godown"
)

// The bounds of a graph, and of the files that it is read from.
const (
	maxAtOnce  = 64       // .mod files fetched at once
	maxGraph   = 200_000  // .mod files altogether; a hostile graph could have no end
	maxModSize = 16 << 20 // bytes, as in the go command
	maxInfo    = 1 << 20  // bytes of a .info or @latest
	maxVersion = 16 << 20 // bytes of a list of versions
)

// toolchainModule is where the go command gets other go commands from. It has
// no requirements, and its .mod is not asked for.
const toolchainModule = "golang.org/toolchain"

// A Graph is what minimal version selection made of the requirements of a main
// module or of some roots.
type Graph struct {
	List []module.Version // the build list sorted by path, without the main module and before replacement
	Mods []module.Version // every version whose .mod was read, sorted

	actual map[module.Version]module.Version // of those in List that are replaced: by what; a folder has no Version
	listed map[string]bool                   // the paths in List that packages can come from; nil for all
}

// Files returns what the go command wants: the .mod of each version that was
// read, then .mod, .info and .zip of each version in the list, or of what
// replaces it. Where the main module lists all that its packages need (go 1.17
// and later), the zips of other modules are not wanted, as by `go mod download`.
// Folders are left out; none comes twice.
func (g *Graph) Files() []godown.Request {
	var files []godown.Request
	for _, m := range g.Mods {
		files = append(files, godown.Request{Kind: godown.Mod, Path: m.Path, Version: m.Version})
	}
	seen := make(map[module.Version]bool)
	for _, m := range g.List {
		if g.listed != nil && !g.listed[m.Path] {
			continue
		}
		if r, ok := g.actual[m]; ok {
			m = r
		}
		if m.Version == "" || seen[m] {
			continue
		}
		seen[m] = true
		if m.Path != toolchainModule {
			if _, ok := slices.BinarySearchFunc(g.Mods, m, compareModules); !ok {
				files = append(files, godown.Request{Kind: godown.Mod, Path: m.Path, Version: m.Version})
			}
			files = append(files, godown.Request{Kind: godown.Info, Path: m.Path, Version: m.Version})
		}
		files = append(files, godown.Request{Kind: godown.Zip, Path: m.Path, Version: m.Version})
	}
	return files
}

// compareModules orders by path, and versions of one path by their precedence.
func compareModules(a, b module.Version) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), semver.Compare(a.Version, b.Version), strings.Compare(a.Version, b.Version))
}

// BuildList selects versions as `go list -m all` with -mod=mod does: it honours
// the go directive of main, its exclude and its replace lines, and leaves out
// what graph pruning leaves out. dir is the folder that replacements in main
// are relative to. Roots are required besides what main requires; main may be
// nil, then they alone are.
//
// Each .mod is read once, at most 64 at a time. One that cannot be read, or is
// wrong, is an error with the chain of those who require it; the graph without
// it is returned with the error, unless ctx has ended.
func BuildList(ctx context.Context, src godown.Source, dir string, main *modfile.File, roots []module.Version) (*Graph, error) {
	r := &modReader{
		src:     src,
		dir:     dir,
		exclude: make(map[module.Version]bool),
		replace: make(map[module.Version]module.Version),
		read:    make(map[module.Version]*modSummary),
	}
	pruned := true
	var listed map[string]bool
	if isPruned(main) && len(roots) == 0 { // roots bring packages of others with them
		listed = make(map[string]bool)
		for _, q := range main.Require {
			listed[q.Mod.Path] = true
		}
	}
	roots = slices.Clone(roots)
	if main != nil {
		pruned = isPruned(main)
		if main.Module != nil {
			r.main = main.Module.Mod.Path
		}
		for _, x := range main.Exclude {
			r.exclude[x.Mod] = true
		}
		for _, x := range main.Replace {
			r.replace[x.Old] = x.New
		}
		for _, q := range main.Require {
			if !r.exclude[q.Mod] {
				roots = append(roots, q.Mod)
			}
		}
	}
	for {
		if pruned {
			roots = r.highest(roots)
		}
		w, err := r.walk(ctx, pruned, roots)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("reading the module graph: %w", context.Cause(ctx))
		}
		// Where a root is not the selected version, the go command makes it so
		// in go.mod, and the graph below another version is another one.
		if err == nil && pruned && w.upgrade(roots) {
			continue
		}
		g := r.graph(w)
		g.listed = listed
		return g, err
	}
}

// highest returns one root of each path, sorted, without the main module.
func (r *modReader) highest(roots []module.Version) []module.Version {
	best := make(map[string]string)
	for _, m := range roots {
		if v, ok := best[m.Path]; m.Path != r.main && (!ok || semver.Compare(v, m.Version) < 0) {
			best[m.Path] = m.Version
		}
	}
	var kept []module.Version
	for path, v := range best {
		kept = append(kept, module.Version{Path: path, Version: v})
	}
	slices.SortFunc(kept, compareModules)
	return kept
}

// graph returns the result of the last walk; Mods has what the earlier ones read too.
func (r *modReader) graph(w *modWalk) *Graph {
	g := &Graph{actual: make(map[module.Version]module.Version)}
	for path, v := range w.selected {
		m := module.Version{Path: path, Version: v}
		g.List = append(g.List, m)
		if a := r.actual(m); a != m {
			g.actual[m] = a
		}
	}
	for m, s := range r.read {
		if m.Version != "" && s.err == nil {
			g.Mods = append(g.Mods, m)
		}
	}
	slices.SortFunc(g.List, compareModules)
	slices.SortFunc(g.Mods, compareModules)
	return g
}

// isPruned reports whether a go.mod lists all that its packages need (go 1.17
// and later), so that the go.mod files below those it lists need not be read.
func isPruned(f *modfile.File) bool {
	return f != nil && f.Go != nil && version.Compare("go"+f.Go.Version, "go1.17") >= 0
}

// A modReader reads the go.mod files of modules, each once.
type modReader struct {
	src     godown.Source
	dir     string // that folders in replace are relative to
	main    string // the main module's path, or empty
	exclude map[module.Version]bool
	replace map[module.Version]module.Version // as in modfile.Replace: from a version or all, to a version or a folder
	read    map[module.Version]*modSummary    // by what was read, after replacement; changed by walk alone
}

// A modSummary is what a go.mod says of the graph, or why it could not be read.
type modSummary struct {
	path    string
	pruned  bool
	require []module.Version
	err     error
}

// actual returns what is read in place of m: m, another version, or a folder without Version.
func (r *modReader) actual(m module.Version) module.Version {
	if to, ok := r.replace[m]; ok {
		return to
	}
	if to, ok := r.replace[module.Version{Path: m.Path}]; ok {
		return to
	}
	return m
}

// summary reads a go.mod. It changes nothing, and is called concurrently.
func (r *modReader) summary(ctx context.Context, m module.Version) *modSummary {
	var data []byte
	var err error
	if m.Version == "" {
		dir := filepath.FromSlash(m.Path)
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(r.dir, dir)
		}
		data, err = os.ReadFile(filepath.Join(dir, "go.mod"))
	} else {
		data, err = godown.ReadAll(ctx, r.src, godown.Request{Kind: godown.Mod, Path: m.Path, Version: m.Version}, maxModSize)
	}
	if err != nil {
		return &modSummary{err: fmt.Errorf("reading its go.mod: %w", err)}
	}
	f, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return &modSummary{err: fmt.Errorf("parsing its go.mod: %w", err)}
	}
	s := &modSummary{pruned: isPruned(f)}
	if f.Module != nil {
		s.path = f.Module.Mod.Path
	}
	for _, q := range f.Require {
		if !r.exclude[q.Mod] {
			s.require = append(s.require, q.Mod)
		}
	}
	return s
}

// A visit is of one version in the graph. Pruned ends it there, if the version
// lists all that its packages need.
type visit struct {
	m      module.Version
	pruned bool
}

// A modWalk is one way through the graph from its roots.
type modWalk struct {
	selected map[string]string                 // the highest version of each path
	by       map[module.Version]module.Version // who required a version first; nobody has no Path
	known    map[module.Version]bool           // whose requirements are selected from
	failed   map[module.Version]error
}

// walk reads the graph below the roots. Its goroutines only fetch, and end
// before it returns.
func (r *modReader) walk(ctx context.Context, pruned bool, roots []module.Version) (*modWalk, error) {
	w := &modWalk{
		selected: make(map[string]string),
		by:       make(map[module.Version]module.Version),
		known:    make(map[module.Version]bool),
		failed:   make(map[module.Version]error),
	}
	type result struct {
		m module.Version
		s *modSummary
	}
	var (
		seen    = make(map[visit]bool)
		ready   []visit                            // those whose go.mod has been read
		waiting = make(map[module.Version][]visit) // those whose go.mod has not, by what is to be read
		queue   []module.Version                   // what is to be read
		running int                                // how many are being read
		done    = make(chan result, maxAtOnce)     // never full: no sender waits
		tooMany error
	)
	enter := func(v visit) {
		if seen[v] {
			return
		}
		seen[v] = true
		m := r.actual(v.m)
		if r.read[m] != nil {
			ready = append(ready, v)
			return
		}
		if waiting[m] == nil {
			queue = append(queue, m)
		}
		waiting[m] = append(waiting[m], v)
	}
	for _, m := range roots {
		w.require(r.main, module.Version{}, m)
		enter(visit{m, pruned})
	}
	for {
		for ; len(ready) > 0; ready = ready[1:] {
			for _, next := range w.enter(r, ready[0]) {
				enter(next)
			}
		}
		for ; len(queue) > 0 && running < maxAtOnce && ctx.Err() == nil && tooMany == nil; queue = queue[1:] {
			if len(r.read)+running >= maxGraph {
				tooMany = fmt.Errorf("the module graph has more than %d versions; something is wrong with it", maxGraph)
				break
			}
			m := queue[0]
			running++
			go func() { done <- result{m, r.summary(ctx, m)} }()
		}
		if running == 0 {
			return w, cmp.Or(tooMany, w.err())
		}
		got := <-done
		running--
		r.read[got.m] = got.s
		ready = append(ready, waiting[got.m]...)
		delete(waiting, got.m)
	}
}

// enter notes what a version requires, once its go.mod has been read, and
// returns the visits that follow from that.
func (w *modWalk) enter(r *modReader, v visit) []visit {
	actual := r.actual(v.m)
	s := r.read[actual]
	switch {
	case s.err != nil:
		w.failed[v.m] = s.err
		return nil
	case actual.Version == "" || s.path == v.m.Path || s.path == actual.Path: // in a folder anything goes
	case s.path == "":
		w.failed[v.m] = errors.New("its go.mod has no module line")
		return nil
	default:
		w.failed[v.m] = fmt.Errorf("its go.mod says that it is module %.200s", s.path)
		return nil
	}
	if !w.known[v.m] {
		w.known[v.m] = true
		for _, m := range s.require {
			w.require(r.main, v.m, m)
		}
	}
	if v.pruned && s.pruned {
		return nil
	}
	next := make([]visit, len(s.require))
	for i, m := range s.require {
		next[i] = visit{m, false} // below what is not pruned nothing is
	}
	return next
}

// require notes that a version is required; by is zero for a root. The main
// module is higher than all its versions.
func (w *modWalk) require(main string, by, m module.Version) {
	if _, ok := w.by[m]; !ok {
		w.by[m] = by
	}
	if v, ok := w.selected[m.Path]; m.Path != main && (!ok || semver.Compare(v, m.Version) < 0) {
		w.selected[m.Path] = m.Version
	}
}

// upgrade sets the roots to the selected versions, and reports whether one changed.
func (w *modWalk) upgrade(roots []module.Version) (changed bool) {
	for i, m := range roots {
		if v := w.selected[m.Path]; v != m.Version {
			roots[i].Version = v
			changed = true
		}
	}
	return changed
}

// err returns the errors of the walk, each with the chain from a root to the module.
func (w *modWalk) err() error {
	var bad problems
	for _, m := range slices.SortedFunc(maps.Keys(w.failed), compareModules) {
		chain := m.String()
		for by := w.by[m]; by.Path != ""; by = w.by[by] {
			chain = by.String() + " requires " + chain
		}
		bad.add(fmt.Errorf("%s: %w", chain, w.failed[m]))
	}
	return bad.err()
}

// ForModule returns what is wanted for `go install PATH/...@VERSION`, and by a
// project that comes to require that module. The version may be a query, which
// is resolved as `go get` does. The build list is that of the module as the
// main module, without its replace and exclude lines, and the module itself. Of
// a toolchain (golang.org/toolchain) it is only itself, and no .mod is read.
// An error may come with a graph, see [BuildList].
func ForModule(ctx context.Context, src godown.Source, root module.Version) (*Graph, error) {
	if root.Path == toolchainModule {
		if (godown.Request{Kind: godown.Info, Path: root.Path, Version: root.Version}).Fixed() {
			return &Graph{List: []module.Version{root}}, nil
		}
		return nil, fmt.Errorf("%s: a toolchain needs its whole version, such as v0.0.1-go1.26.0.linux-amd64", root)
	}
	v, err := resolveVersion(ctx, src, root.Path, root.Version)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", root, err)
	}
	root.Version = v
	f, err := readMod(ctx, src, root)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", root, err)
	}
	if f.Module == nil || f.Module.Mod.Path != root.Path {
		return nil, fmt.Errorf("%s: its go.mod does not say that it is module %s", root, root.Path)
	}
	g, err := BuildList(ctx, src, "", f, nil)
	if g == nil {
		return nil, fmt.Errorf("%s: %w", root, err)
	}
	g.List = append(g.List, root)
	slices.SortFunc(g.List, compareModules)
	if g.listed != nil {
		g.listed[root.Path] = true
	}
	if !slices.Contains(g.Mods, root) { // it may require an older one that requires it
		g.Mods = append(g.Mods, root)
		slices.SortFunc(g.Mods, compareModules)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", root, err)
	}
	return g, err
}

// readMod fetches and parses a .mod as that of a dependency.
func readMod(ctx context.Context, src godown.Source, m module.Version) (*modfile.File, error) {
	data, err := godown.ReadAll(ctx, src, godown.Request{Kind: godown.Mod, Path: m.Path, Version: m.Version}, maxModSize)
	if err != nil {
		return nil, fmt.Errorf("reading its go.mod: %w", err)
	}
	f, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return nil, fmt.Errorf("parsing its go.mod: %w", err)
	}
	return f, nil
}

// resolveVersion returns the version that a query means to `go get`, where no
// version was selected before: https://go.dev/ref/mod#version-queries, but
// without the comparisons.
func resolveVersion(ctx context.Context, src godown.Source, path, query string) (string, error) {
	if (godown.Request{Kind: godown.Info, Path: path, Version: query}).Fixed() {
		return query, nil
	}
	prefix := ""
	switch {
	case query == "latest" || query == "upgrade":
	case query == "" || query == "patch" || query == "none" || query[0] == '<' || query[0] == '>':
		return "", fmt.Errorf("%.100q names no version by itself; use a version, a prefix such as v1.2, latest or a branch", query)
	case semver.IsValid(query) && strings.Count(query, ".") < 2 && !strings.ContainsAny(query, "-+"):
		prefix = query
	default:
		return askVersion(ctx, src, godown.Request{Kind: godown.Info, Path: path, Version: query})
	}
	data, err := godown.ReadAll(ctx, src, godown.Request{Kind: godown.List, Path: path}, maxVersion)
	if err != nil && (prefix != "" || !errors.Is(err, fs.ErrNotExist)) {
		return "", fmt.Errorf("reading its versions: %w", err)
	}
	versions := listedVersions(path, data)
	latest, err := chooseVersion(ctx, src, path, versions, func(string) bool { return true }, false)
	if err == nil && latest == "" {
		latest, err = askVersion(ctx, src, godown.Request{Kind: godown.Latest, Path: path})
	}
	if err != nil {
		return "", err
	}
	retracted := retractions(ctx, src, module.Version{Path: path, Version: latest})
	// The go command takes +incompatible versions with a prefix of a major
	// version that the path itself does not stand for.
	_, major, _ := module.SplitPathVersion(path)
	foreign := prefix != "" && module.CheckPathMajor(semver.Canonical(prefix), major) != nil
	v, err := chooseVersion(ctx, src, path, versions, func(v string) bool {
		return !retracted(v) && (prefix == "" || strings.HasPrefix(v, prefix+".") && semver.Compare(v, prefix) >= 0)
	}, foreign)
	if err == nil && v == "" && prefix == "" && !slices.Contains(versions, latest) && !retracted(latest) {
		return latest, nil
	}
	if err == nil && v == "" {
		err = &godown.NotFound{Text: fmt.Sprintf("none of its %d versions matches %s", len(versions), query)}
	}
	return v, err
}

// askVersion returns the version of a .info or of @latest.
func askVersion(ctx context.Context, src godown.Source, req godown.Request) (string, error) {
	data, err := godown.ReadAll(ctx, src, req, maxInfo)
	if err != nil {
		return "", fmt.Errorf("asking for %s: %w", req, err)
	}
	var info struct{ Version string }
	if err := json.Unmarshal(data, &info); err != nil {
		return "", fmt.Errorf("parsing %s: %w", req, err)
	}
	if !(godown.Request{Kind: godown.Info, Path: req.Path, Version: info.Version}).Fixed() {
		return "", fmt.Errorf("%s gives the version as %.100q, which is none of this module", req, info.Version)
	}
	return info.Version, nil
}

// listedVersions returns the versions of a list in ascending order.
func listedVersions(path string, data []byte) []string {
	var versions []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 0 && !module.IsPseudoVersion(fields[0]) &&
			(godown.Request{Kind: godown.Info, Path: path, Version: fields[0]}).Fixed() {
			versions = append(versions, fields[0])
		}
	}
	semver.Sort(versions)
	return slices.Compact(versions)
}

// chooseVersion returns the highest release that is allowed, else the highest
// pre-release, else "". From the first +incompatible version on they do not
// count if the highest one before has a go.mod, unless incompatible is set.
func chooseVersion(ctx context.Context, src godown.Source, path string, versions []string, allowed func(string) bool, incompatible bool) (string, error) {
	release, pre, last := "", "", ""
	for _, v := range versions {
		if !allowed(v) {
			continue
		}
		if !strings.HasSuffix(v, "+incompatible") {
			last = v
		} else if !incompatible && last != "" {
			data, err := godown.ReadAll(ctx, src, godown.Request{Kind: godown.Mod, Path: path, Version: last}, maxModSize)
			if err != nil {
				return "", fmt.Errorf("reading the go.mod of %s: %w", last, err)
			}
			if !bytes.Equal(data, fmt.Appendf(nil, "module %s\n", modfile.AutoQuote(path))) { // made up for one that has none
				break
			}
			incompatible = true
		}
		if semver.Prerelease(v) != "" {
			pre = v
		} else {
			release = v
		}
	}
	return cmp.Or(release, pre), nil
}

// retractions returns which versions the go.mod of the latest one retracts;
// none if it cannot be read, as with the go command.
func retractions(ctx context.Context, src godown.Source, latest module.Version) func(v string) bool {
	f, err := readMod(ctx, src, latest)
	if err != nil {
		return func(string) bool { return false }
	}
	return func(v string) bool {
		return slices.ContainsFunc(f.Retract, func(x *modfile.Retract) bool {
			return semver.Compare(x.Low, v) <= 0 && semver.Compare(v, x.High) <= 0
		})
	}
}
