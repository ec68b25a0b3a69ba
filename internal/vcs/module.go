package vcs

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A mod is a module in a repository. What counts as one of its versions is as
// the go command has it (https://go.dev/ref/mod#vcs).
type mod struct {
	remote *remote
	path   string // example.com/repo/dir/v2
	root   string // of the repository: example.com/repo
	dir    string // in the repository: dir
	prefix string // path without major: example.com/repo/dir
	major  string // "/v2", ".v2" (gopkg.in) or ""
}

// newMod returns the module that path names in the repository at root.
func newMod(r *remote, modulePath string, root *foundRoot) (*mod, error) {
	prefix, major, ok := module.SplitPathVersion(modulePath)
	if !ok {
		return nil, &godown.NotFound{Text: fmt.Sprintf("%s: the major version at its end is none", modulePath)}
	}
	m := &mod{remote: r, path: modulePath, root: root.prefix, prefix: prefix, major: major}
	if root.prefix == modulePath {
		m.prefix = modulePath
	} else {
		if !hasPathPrefix(prefix, root.prefix) {
			return nil, &godown.NotFound{Text: fmt.Sprintf("repository rooted at %s cannot contain module %s", root.prefix, modulePath)}
		}
		m.dir = strings.Trim(prefix[len(root.prefix):], "/")
	}
	m.dir = path.Join(root.base, m.dir, root.subdir)
	return m, nil
}

// tagPrefix is what the tags of the module begin with.
func (m *mod) tagPrefix() string {
	if m.dir == "" {
		return ""
	}
	return m.dir + "/"
}

// absent says that something about a version is not as it must be: there is no
// such version.
func (m *mod) absent(version, format string, args ...any) error {
	return &godown.NotFound{Text: fmt.Sprintf("%s@%s: invalid version: %s", m.path, version, fmt.Sprintf(format, args...))}
}

// An origin is the Origin of a .info, as the go command writes it.
type origin struct {
	VCS       string `json:",omitempty"`
	URL       string `json:",omitempty"`
	Subdir    string `json:",omitempty"`
	Hash      string `json:",omitempty"`
	TagPrefix string `json:",omitempty"`
	TagSum    string `json:",omitempty"`
	Ref       string `json:",omitempty"`
}

// settle leaves out what says when the answer to a query is out of date: that of
// a version never is.
func (o *origin) settle(version string) {
	o.TagPrefix, o.TagSum = "", ""
	if module.IsPseudoVersion(version) {
		o.Ref = ""
	}
}

// An infoFile is the content of a .info.
type infoFile struct {
	Version string
	Time    time.Time
	Origin  origin
}

// info answers a request for a .info or @latest.
func (m *mod) info(ctx context.Context, query string) (*godown.File, error) {
	i, err := m.query(ctx, query)
	if err != nil {
		return nil, err
	}
	if query == i.Version {
		i.Origin.settle(i.Version)
	}
	data, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	f := godown.NewFile(data)
	f.Origin = m.remote.address.Redacted()
	return f, nil
}

// query returns the version that a query stands for.
func (m *mod) query(ctx context.Context, query string) (infoFile, error) {
	if query == "latest" {
		return m.latest(ctx)
	}
	if isPrefix(query) {
		return m.newest(ctx, query)
	}
	i, err := m.stat(ctx, query)
	if canonical := module.CanonicalVersion(query); isAbsent(err) && canonical != "" && canonical != query {
		// Versions that differ in metadata only are equal.
		if again, err := m.stat(ctx, canonical); err == nil {
			return again, nil
		}
	}
	return i, err
}

// isPrefix reports whether a query is v1 or v1.2.
func isPrefix(query string) bool {
	return semver.IsValid(query) && strings.Count(query, ".") < 2 && !strings.ContainsAny(query, "-+")
}

// mod answers a request for a .mod.
func (m *mod) mod(ctx context.Context, version string) (*godown.File, error) {
	_, data, err := m.settle(ctx, version, probably)
	if err != nil {
		return nil, err
	}
	f := godown.NewFile(data)
	f.Origin = m.remote.address.Redacted()
	return f, nil
}

// settle returns where the module is in the repository at a canonical version,
// and its go.mod.
func (m *mod) settle(ctx context.Context, version string, how thrift) (place, []byte, error) {
	if module.CanonicalVersion(version) != version {
		return place{}, nil, m.absent(version, "it is not canonical")
	}
	if module.IsPseudoVersion(version) {
		// Its date and base are claims that only this checks.
		if _, err := m.stat(ctx, version); err != nil {
			return place{}, nil, err
		}
	}
	c, err := m.resolve(ctx, version)
	if err != nil {
		return place{}, nil, err
	}
	p, err := m.locate(ctx, c, version, how)
	if err != nil {
		return p, nil, err
	}
	m.noteServed(version, c)
	data := p.gomod
	if data == nil {
		data = []byte("module " + quoteModule(m.path) + "\n")
	}
	return p, data, nil
}
