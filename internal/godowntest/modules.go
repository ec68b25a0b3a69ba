package godowntest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/tools/txtar"

	"github.com/godown-dev/godown"
)

// Modules is a set of fake modules: the truth that an [Upstream] serves, that a
// [SumDB] signs and that tests compare with. It is itself a [godown.Source].
// All methods are safe for concurrent use, and what Add and Remove change is
// served at once.
type Modules struct {
	mu      sync.RWMutex // guards what follows
	files   map[string]file
	queries map[string]query
	sums    map[module.Version]Sums
}

// A file is an answer of the module proxy protocol, kept by its name there.
type file struct {
	req  godown.Request
	data []byte
	etag string
}

// A query is a revision that stands for a version, kept by the name of its .info.
type query struct {
	req     godown.Request
	version string
}

// Sums holds the hashes of a module version as they stand in go.sum: "h1:" and base64.
type Sums struct {
	Zip string
	Mod string
}

// NewModules returns the modules of a txtar archive, see [Modules.Add].
func NewModules(tb testing.TB, archive string) *Modules {
	tb.Helper()
	m, err := ParseModules(archive)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// ParseModules is [NewModules] for programs.
func ParseModules(archive string) (*Modules, error) {
	m := &Modules{
		files:   make(map[string]file),
		queries: make(map[string]query),
		sums:    make(map[module.Version]Sums),
	}
	return m, m.Add(archive)
}

// Add adds the modules of a txtar archive, in place of versions that are there already.
// A file is named as in a module zip: PATH@VERSION/FILE. Where FILE or VERSION
// is one of these, it is not part of the zip:
//
//	PATH@VERSION/.info   the bytes of the .info, else the version and a fixed time as JSON
//	PATH@QUERY/.query    the version that a branch, tag or commit stands for
//	PATH/@latest         the bytes of @latest, else the .info of the highest release,
//	                     else of the highest pre-release, else of the newest pseudo-version
//
// Without a go.mod the .mod consists of a module line.
func (m *Modules) Add(archive string) error {
	zips := make(map[module.Version][]Entry)
	infos := make(map[module.Version][]byte)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		path, rest, ok := strings.Cut(f.Name, "@")
		if path, isRoot := strings.CutSuffix(path, "/"); isRoot && rest == "latest" {
			if err := m.put(godown.Latest, path, "", f.Data); err != nil {
				return err
			}
			continue
		}
		version, name, hasName := strings.Cut(rest, "/")
		if !ok || !hasName {
			return fmt.Errorf("archive: %q is not of the form PATH@VERSION/FILE", f.Name)
		}
		v := module.Version{Path: path, Version: version}
		switch name {
		case ".query":
			if err := m.addQuery(v, strings.TrimSpace(string(f.Data))); err != nil {
				return err
			}
		case ".info":
			infos[v] = f.Data
		default:
			zips[v] = append(zips[v], Entry{Name: f.Name, Data: f.Data})
		}
	}
	for v, entries := range zips {
		if err := m.addVersion(v, entries); err != nil {
			return err
		}
	}
	for v, info := range infos {
		if _, ok := m.sums[v]; !ok {
			return fmt.Errorf("archive: %v has an .info but no files", v)
		}
		if err := m.put(godown.Info, v.Path, v.Version, info); err != nil {
			return err
		}
	}
	return nil
}

// AddBig adds a version whose zip is a little larger than size bytes, does not
// compress, and is the same each time.
func (m *Modules) AddBig(path, version string, size int64) error {
	v := module.Version{Path: path, Version: version}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addVersion(v, bigEntries(v, size))
}

// Remove removes a version, as if its author had deleted it.
func (m *Modules) Remove(path, version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sums, module.Version{Path: path, Version: version})
	for name, f := range m.files {
		if f.req.Path == path && f.req.Version == version {
			delete(m.files, name)
		}
	}
}

// Sums returns the hashes of a version, and whether it exists.
func (m *Modules) Sums(path, version string) (Sums, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s, ok := m.sums[module.Version{Path: path, Version: version}]
	return s, ok
}

// Versions returns all versions sorted by path and version, pseudo-versions included.
func (m *Modules) Versions() []module.Version {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var all []module.Version
	for v := range m.sums {
		all = append(all, v)
	}
	module.Sort(all)
	return all
}

// Requests returns everything that can be asked of the modules with success, in a fixed order.
func (m *Modules) Requests() []godown.Request {
	m.mu.RLock()
	defer m.mu.RUnlock()
	set := make(map[godown.Request]bool)
	for _, f := range m.files {
		set[f.req] = true
	}
	for _, q := range m.queries {
		set[q.req] = true
	}
	for v := range m.sums {
		set[godown.Request{Kind: godown.List, Path: v.Path}] = true
		set[godown.Request{Kind: godown.Latest, Path: v.Path}] = true
	}
	var all []godown.Request
	for req := range set {
		all = append(all, req)
	}
	slices.SortFunc(all, func(a, b godown.Request) int { return cmp.Compare(a.String(), b.String()) })
	return all
}

// Fetch makes Modules a [godown.Source].
func (m *Modules) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := m.file(req.Name())
	if err != nil {
		return nil, err
	}
	return &godown.File{Data: f.data, Size: int64(len(f.data)), ETag: f.etag}, nil
}

// Data returns the content of a file by its name below a proxy's root, such as
// "example.com/hello/@v/v1.0.0.zip", or nil if there is none. It is not to be changed.
func (m *Modules) Data(name string) []byte {
	f, err := m.file(name)
	if err != nil {
		return nil
	}
	return f.data
}

func (m *Modules) file(name string) (file, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if q, ok := m.queries[name]; ok {
		target, err := fileName(godown.Info, q.req.Path, q.version)
		if err != nil {
			return file{}, err
		}
		name = target
	}
	if f, ok := m.files[name]; ok {
		return f, nil
	}
	if escaped, ok := strings.CutSuffix(name, "/@v/list"); ok {
		if versions := m.versionsOf(escaped); versions != nil {
			return newFile(godown.Request{}, list(versions)), nil
		}
	}
	if escaped, ok := strings.CutSuffix(name, "/@latest"); ok {
		if versions := m.versionsOf(escaped); versions != nil {
			v := latest(versions)
			target, err := fileName(godown.Info, v.Path, v.Version)
			return m.files[target], err
		}
	}
	return file{}, &fs.PathError{Op: "fetch", Path: name, Err: fs.ErrNotExist}
}

// versionsOf returns the versions of a module by its case-escaped path, lowest
// first. The caller holds m.mu.
func (m *Modules) versionsOf(escaped string) []module.Version {
	path, err := module.UnescapePath(escaped)
	if err != nil {
		return nil
	}
	var all []module.Version
	for v := range m.sums {
		if v.Path == path {
			all = append(all, v)
		}
	}
	module.Sort(all)
	return all
}

// list returns the content of @v/list for versions in ascending order.
func list(versions []module.Version) []byte {
	var b bytes.Buffer
	for _, v := range versions {
		if !module.IsPseudoVersion(v.Version) {
			fmt.Fprintln(&b, v.Version)
		}
	}
	return b.Bytes()
}

// latest returns the version that @latest means, of at least one in ascending order.
func latest(versions []module.Version) module.Version {
	rank := func(v module.Version) int {
		switch {
		case module.IsPseudoVersion(v.Version):
			return 0
		case semver.Prerelease(v.Version) != "":
			return 1
		}
		return 2
	}
	best := versions[0]
	for _, v := range versions[1:] {
		r, old := rank(v), rank(best)
		newer := r == old && (r > 0 || versionTime(v).After(versionTime(best)))
		if r > old || newer {
			best = v
		}
	}
	return best
}

// addVersion adds a version with the given entries of its zip. The caller holds m.mu.
func (m *Modules) addVersion(v module.Version, entries []Entry) error {
	if err := module.Check(v.Path, v.Version); err != nil {
		return err
	}
	if module.CanonicalVersion(v.Version) != v.Version {
		return fmt.Errorf("archive: version of %v is not canonical", v)
	}
	prefix := v.Path + "@" + v.Version + "/"
	mod := fmt.Appendf(nil, "module %s\n", v.Path)
	for _, e := range entries {
		name := strings.TrimPrefix(e.Name, prefix)
		if err := module.CheckFilePath(name); err != nil {
			return err
		}
		if name == "go.mod" {
			mod = e.Data
		}
	}
	sums, err := hash(entries, mod)
	if err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{v.Version, versionTime(v)})
	if err != nil {
		return err
	}
	m.sums[v] = sums
	if err := m.put(godown.Info, v.Path, v.Version, info); err != nil {
		return err
	}
	if err := m.put(godown.Mod, v.Path, v.Version, mod); err != nil {
		return err
	}
	return m.put(godown.Zip, v.Path, v.Version, Zip(entries...))
}

func (m *Modules) addQuery(q module.Version, version string) error {
	name, err := fileName(godown.Info, q.Path, q.Version)
	if err != nil {
		return err
	}
	m.queries[name] = query{godown.Request{Kind: godown.Info, Path: q.Path, Version: q.Version}, version}
	return nil
}

func (m *Modules) put(kind godown.Kind, path, version string, data []byte) error {
	name, err := fileName(kind, path, version)
	if err != nil {
		return err
	}
	m.files[name] = newFile(godown.Request{Kind: kind, Path: path, Version: version}, data)
	return nil
}

func newFile(req godown.Request, data []byte) file {
	return file{req, data, etagOf(data)}
}

// fileName returns a file's name below a proxy's root. It does not rely on
// [godown.Request.Name], which is tested with it.
func fileName(kind godown.Kind, path, version string) (string, error) {
	escaped, err := module.EscapePath(path)
	if err != nil {
		return "", err
	}
	if kind == godown.Latest {
		return escaped + "/@latest", nil
	}
	v, err := module.EscapeVersion(version)
	if err != nil {
		return "", err
	}
	return escaped + "/@v/" + v + "." + kind.String(), nil
}

// versionTime returns the time of a version's .info: a pseudo-version's own,
// else the same for all.
func versionTime(v module.Version) time.Time {
	if t, err := module.PseudoVersionTime(v.Version); err == nil {
		return t
	}
	return time.Date(2020, time.February, 2, 20, 20, 20, 0, time.UTC)
}
