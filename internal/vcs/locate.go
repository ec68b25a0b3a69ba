package vcs

import (
	"context"
	"path"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A place is where a module's files are.
type place struct {
	commit commit
	dir    string // in the repository
	gomod  []byte // nil: there is none, which is allowed
}

// locate returns the folder of the module in a commit. For a major version from
// 2 on that is either the module's folder or the one within it that is called
// like the version; exactly one of them must have a go.mod that claims that version.
func (m *mod) locate(ctx context.Context, c commit, version string, how thrift) (place, error) {
	first := path.Join(m.dir, "go.mod")
	paths := []string{first}
	second := ""
	if m.major != "" && m.root != m.path && !strings.HasPrefix(m.major, ".") {
		second = path.Join(m.dir, m.major[1:], "go.mod")
		paths = append(paths, second)
	}
	l, err := m.remote.look(ctx, c.hash, c.ref, how, paths...)
	if err != nil {
		return place{}, err
	}
	short := c.hash[:min(12, len(c.hash))]
	gomod := l.files[first]
	claims := modfile.ModulePath(gomod)
	fits := gomod != nil && (isMajor(claims, m.major) || m.major == "" && strings.HasPrefix(claims, "gopkg.in/"))
	if second != "" {
		inner := l.files[second]
		innerClaims := modfile.ModulePath(inner)
		innerFits := inner != nil && isMajor(innerClaims, m.major)
		switch {
		case fits && innerFits:
			return place{}, m.absent(version, "%s/%s and ...%s/go.mod both have ...%s module paths at revision %s", m.prefix, first, m.major, m.major, short)
		case innerFits:
			return place{c, path.Dir(second), inner}, nil
		case inner != nil && innerClaims == "":
			return place{}, m.absent(version, "%s/%s is missing module path at revision %s", m.root, second, short)
		case inner != nil:
			return place{}, m.absent(version, "%s/%s has non-...%s module path %q at revision %s", m.root, second, m.major, innerClaims, short)
		}
	}
	switch {
	case fits:
		return place{c, m.dir, gomod}, nil
	case gomod != nil && claims == "":
		return place{}, m.absent(version, "%s is missing module path at revision %s", first, short)
	case gomod != nil && m.major != "":
		return place{}, m.absent(version, "%s has non-...%s module path %q at revision %s", first, m.major, claims, short)
	case gomod != nil:
		return place{}, m.absent(version, "%s has post-%s module path %q at revision %s", first, semver.Major(version), claims, short)
	case m.dir == "" && (m.major == "" || strings.HasPrefix(m.major, ".")):
		return place{c, "", nil}, nil // a repository from before modules
	case second != "":
		return place{}, m.absent(version, "missing %s/go.mod and ...%s/go.mod at revision %s", m.prefix, m.major, short)
	}
	return place{}, m.absent(version, "missing %s/go.mod at revision %s", m.prefix, short)
}

// isMajor reports whether a go.mod that claims a path can be that of a module
// whose path ends in the given major version. Only the version is compared:
// forks claim the path of what they replace.
func isMajor(claims, major string) bool {
	if claims == "" {
		return false
	}
	_, claimed, ok := module.SplitPathVersion(claims)
	if !ok {
		return false
	}
	if major == "" {
		switch module.PathMajorPrefix(claimed) {
		case "", "v0", "v1":
			return true
		}
		return false
	}
	return claimed != "" && major[1:] == claimed[1:]
}
