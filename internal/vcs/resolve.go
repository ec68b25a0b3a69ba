package vcs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A commit is what a revision stands for.
type commit struct {
	hash string
	ref  string   // a reference that names it, or "": of a tag, a branch, or HEAD
	name string   // the tag that was asked for, or the hash
	tags []string // all tags that name it, sorted
}

const (
	leastHash   = 7               // digits from which on a text may be a short hash
	refsSettled = 2 * time.Second // what a remote said that long ago proves no absence
	versionAge  = time.Minute     // but what it said so long ago of a version's tag is good enough: tags stay
)

// resolve returns the commit that a version or a revision stands for: the tag,
// the branch, or the commit whose hash begins so.
func (m *mod) resolve(ctx context.Context, version string) (commit, error) {
	rev := m.revision(version)
	age := m.remote.o.TTL
	if module.CanonicalVersion(version) == version {
		age = max(age, versionAge)
	}
	refs, err := m.remote.refs(ctx, age)
	if err != nil {
		return commit{}, err
	}
	c, err := m.resolveIn(ctx, refs, rev)
	if isAbsent(err) && time.Since(refs.at) > refsSettled {
		// It may have been pushed a moment ago.
		if refs, err = m.remote.refs(ctx, refsSettled); err != nil {
			return commit{}, err
		}
		c, err = m.resolveIn(ctx, refs, rev)
	}
	if absent := isAbsent(err); absent || err == nil && strings.HasPrefix(c.ref, "refs/tags/") {
		// What was served once as a version stays that.
		if old, ok := m.remote.served.of(rev); ok && old != c.hash {
			was := commit{hash: old, name: rev, tags: []string{rev}}
			if _, lookErr := m.remote.look(ctx, old, "", whole); lookErr == nil {
				return was, nil
			}
		}
	}
	if isAbsent(err) {
		return c, m.absent(version, "%v", err)
	}
	return c, err
}

// revision returns what a version is called in the repository.
func (m *mod) revision(version string) string {
	if !semver.IsValid(version) {
		return version
	}
	if module.IsPseudoVersion(version) {
		if hash, err := module.PseudoVersionRev(version); err == nil {
			return hash
		}
	}
	return m.tagPrefix() + strings.TrimSuffix(version, "+incompatible")
}

func (m *mod) resolveIn(ctx context.Context, refs *refList, rev string) (commit, error) {
	of := func(ref, name string) commit {
		hash := refs.names[ref]
		if name == "" {
			name = hash
		}
		return commit{hash: hash, ref: ref, name: name, tags: refs.tags[hash]}
	}
	switch {
	case refs.names["refs/tags/"+rev] != "":
		return of("refs/tags/"+rev, rev), nil
	case refs.names["refs/heads/"+rev] != "":
		return of("refs/heads/"+rev, ""), nil
	case rev == "HEAD" && refs.names["HEAD"] != "":
		return of("HEAD", ""), nil
	}
	most := 40
	if refs.sha256 {
		most = 64
	}
	if len(rev) < leastHash || len(rev) > most || !isHex(rev) {
		return commit{}, &godown.NotFound{Text: "unknown revision " + rev}
	}
	ref := ""
	for name, hash := range refs.names {
		if !strings.HasPrefix(hash, rev) {
			continue
		}
		if ref != "" && refs.names[ref] != hash {
			return commit{}, &godown.NotFound{Text: "ambiguous revision " + rev}
		}
		if ref == "" || name < ref {
			ref = name
		}
	}
	if ref != "" {
		return of(ref, ""), nil
	}
	hash, err := m.remote.expand(ctx, rev)
	if err != nil {
		return commit{}, err
	}
	return commit{hash: hash, name: hash, tags: refs.tags[hash]}, nil
}

// stat returns the version that a revision stands for.
func (m *mod) stat(ctx context.Context, rev string) (infoFile, error) {
	c, err := m.resolve(ctx, rev)
	if err != nil {
		return infoFile{}, err
	}
	i, err := m.convert(ctx, c, rev)
	if err == nil {
		m.remote.hint(c)
		m.noteServed(i.Version, c)
	}
	return i, err
}

// convert returns the version of a commit: asked, if that is one and right; else
// that of a tag; else a pseudo-version.
func (m *mod) convert(ctx context.Context, c commit, asked string) (infoFile, error) {
	v, err := m.versionOf(ctx, c, asked)
	if err != nil {
		return infoFile{}, err
	}
	l, err := m.remote.look(ctx, c.hash, c.ref, probably)
	if err != nil {
		return infoFile{}, err
	}
	i := infoFile{Version: v, Time: l.time, Origin: origin{
		VCS: "git", URL: m.remote.remoteURL(), Subdir: m.dir, Hash: c.hash, Ref: c.ref,
	}}
	if module.IsPseudoVersion(v) && (v != asked || !strings.HasPrefix(v, "v0.0.0-")) {
		refs, err := m.remote.refs(ctx, m.remote.o.TTL)
		if err != nil {
			return infoFile{}, err
		}
		prefix := m.tagPrefix()
		if m.major != "" {
			prefix += m.major[1:] + "."
		}
		i.Origin.TagPrefix = prefix
		_, i.Origin.TagSum = refs.tagsWith(prefix)
	}
	return i, nil
}

// versionOf returns the version that convert is about.
func (m *mod) versionOf(ctx context.Context, c commit, asked string) (string, error) {
	if module.IsPseudoVersion(asked) {
		v, err := m.checked(ctx, c, asked, asked)
		if err != nil {
			return "", err
		}
		return v, m.checkPseudo(ctx, c, asked)
	}
	if v, exact := m.ofTag(c.name); exact {
		if v, err := m.checked(ctx, c, v, asked); err == nil {
			return v, nil
		} else if !isAbsent(err) {
			return "", err
		}
	}
	versions, _, err := m.versions(ctx)
	if err != nil {
		return "", err
	}
	retracted, err := m.retracted(ctx, versions)
	if err != nil {
		return "", err
	}
	best, base := "", ""
	for _, tag := range c.tags {
		if old, ok := m.remote.served.of(tag); ok && old != c.hash {
			continue // its version is another commit's for good
		}
		v, exact := m.ofTag(tag)
		if asked != "" && v != "" && semver.Compare(v, asked) == 0 {
			if exact {
				return m.checked(ctx, c, v, asked)
			}
			base = v // equal but for its metadata: no version of its own
		}
		if exact && semver.Compare(best, v) < 0 && !retracted(v) {
			fits, err := m.fits(ctx, c, v, asked)
			if err != nil {
				return "", err
			}
			if fits {
				best = v
			}
		}
	}
	if best != "" {
		return m.checked(ctx, c, best, asked)
	}
	if base == "" {
		if base, err = m.base(ctx, c, asked, retracted); err != nil {
			return "", err
		}
	}
	l, err := m.remote.look(ctx, c.hash, c.ref, probably)
	if err != nil {
		return "", err
	}
	pseudo := module.PseudoVersion(module.PathMajorPrefix(m.major), base, l.time, c.hash[:12])
	return m.checked(ctx, c, pseudo, asked)
}

// ofTag returns the version that a tag of the module names, without metadata;
// exact says that the tag has none. It is "" for tags that are no versions.
func (m *mod) ofTag(tag string) (v string, exact bool) {
	short, ok := strings.CutPrefix(tag, m.tagPrefix())
	if !ok || module.IsPseudoVersion(tag) {
		return "", false
	}
	v = semver.Canonical(short)
	if v == "" || !strings.HasPrefix(short, v) {
		return "", false
	}
	return v, v == short
}

// fits reports whether a version can be one of the module at a commit: by its
// major version, or because it is from before modules.
func (m *mod) fits(ctx context.Context, c commit, v, asked string) (bool, error) {
	if module.MatchPathMajor(v, m.major) {
		return true, nil
	}
	return m.canBeIncompatible(ctx, c, v, asked)
}

// canBeIncompatible reports whether a version from v2 on may have the suffix
// +incompatible: there must be no go.mod, nor, unless the suffix was asked for,
// one in a folder for that major version.
func (m *mod) canBeIncompatible(ctx context.Context, c commit, v, asked string) (bool, error) {
	if m.dir != "" || m.major != "" {
		return false, nil
	}
	paths := []string{"go.mod"}
	if v != "" && !strings.HasSuffix(asked, "+incompatible") {
		paths = append(paths, semver.Major(v)+"/go.mod")
	}
	l, err := m.remote.look(ctx, c.hash, c.ref, probably, paths...)
	if err != nil {
		return false, err
	}
	for _, p := range paths {
		if l.files[p] != nil {
			return false, nil
		}
	}
	return true, nil
}

// checked returns v, a canonical version of the commit, with +incompatible where
// that belongs to it, if the module can have that version there. If asked is
// canonical, too, nothing else may come out.
func (m *mod) checked(ctx context.Context, c commit, v, asked string) (string, error) {
	if _, err := m.locate(ctx, c, v, probably); err != nil {
		return "", err
	}
	if v == strings.TrimSuffix(asked, "+incompatible") {
		v = asked
	}
	base := strings.TrimSuffix(v, "+incompatible")
	wrong := ""
	if !module.MatchPathMajor(base, m.major) {
		ok, err := m.canBeIncompatible(ctx, c, base, asked)
		switch {
		case err != nil:
			return "", err
		case ok:
			v = base + "+incompatible"
		case m.major != "":
			wrong = "module path includes a major version suffix, so major version must match"
		default:
			wrong = fmt.Sprintf("module contains a go.mod file, so module path must match major version (%q)", m.prefix+"/"+semver.Major(v))
		}
	} else if strings.HasSuffix(v, "+incompatible") {
		wrong = fmt.Sprintf("+incompatible suffix not allowed: major version %s is compatible", semver.Major(v))
	}
	if asked != "" && asked == module.CanonicalVersion(asked) {
		if stem := strings.TrimSuffix(asked, "+incompatible"); stem != base {
			return "", m.absent(asked, "resolves to version %s (%s is not a tag)", v, stem)
		}
	}
	if wrong != "" {
		return "", m.absent(v, "%s", wrong)
	}
	return v, nil
}
