package vcs

import (
	"context"
	"fmt"
	"strings"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// list answers a request for the list of versions.
func (m *mod) list(ctx context.Context) (*godown.File, error) {
	versions, _, err := m.versions(ctx)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, v := range versions {
		b.WriteString(v + "\n")
	}
	f := godown.NewFile([]byte(b.String()))
	f.Origin = m.remote.address.Redacted()
	return f, nil
}

// versions returns the versions that tags make, in their order, behind them
// the incompatible ones, and the references that were seen.
func (m *mod) versions(ctx context.Context) ([]string, *refList, error) {
	refs, err := m.remote.refs(ctx, m.remote.o.TTL)
	if err != nil {
		return nil, nil, err
	}
	if strings.HasPrefix(m.path, "gopkg.in/") && strings.HasSuffix(m.path, "-unstable") {
		return nil, refs, nil // the tags are those of the stable one
	}
	tags, _ := refs.tagsWith(m.tagPrefix())
	var list, others []string
	for _, tag := range tags {
		v := strings.TrimPrefix(tag, m.tagPrefix())
		if v == "" || semver.Canonical(v) != v || module.IsPseudoVersion(v) {
			continue
		}
		if module.CheckPathMajor(v, m.major) == nil {
			list = append(list, v)
		} else if m.dir == "" && m.major == "" && semver.Compare(semver.Major(v), "v1") > 0 {
			others = append(others, v)
		}
	}
	semver.Sort(list)
	semver.Sort(others)
	others, err = m.incompatible(ctx, refs, list, others)
	return append(list, others...), refs, err
}

// incompatible returns those of the versions from v2 on that a module without a
// major version in its path can have: none, if the highest of the others has a
// go.mod, and of each major version none, if its highest has one.
func (m *mod) incompatible(ctx context.Context, refs *refList, list, others []string) ([]string, error) {
	if len(others) == 0 {
		return nil, nil
	}
	hasGoMod := func(v string) (bool, error) {
		tag := "refs/tags/" + v
		l, err := m.remote.look(ctx, refs.names[tag], tag, little, "go.mod")
		if isAbsent(err) { // a tag of something else than a commit
			return false, nil
		}
		return l.files["go.mod"] != nil, err
	}
	if len(list) > 0 {
		if has, err := hasGoMod(list[len(list)-1]); has || err != nil {
			return nil, err
		}
	}
	var out []string
	for len(others) > 0 {
		n := 1
		for n < len(others) && semver.Major(others[n]) == semver.Major(others[0]) {
			n++
		}
		has, err := hasGoMod(others[n-1])
		if err != nil {
			return nil, err
		}
		for _, v := range others[:n] {
			if !has {
				out = append(out, v+"+incompatible")
			}
		}
		others = others[n:]
	}
	return out, nil
}

// latest returns the highest release that is not retracted, else the highest
// pre-release, else what the default branch stands for.
func (m *mod) latest(ctx context.Context) (infoFile, error) {
	versions, refs, err := m.versions(ctx)
	if err != nil {
		return infoFile{}, err
	}
	retracted, err := m.retracted(ctx, versions)
	if err != nil {
		return infoFile{}, err
	}
	v := highest(versions, func(v string) bool { return !retracted(v) })
	if v != "" {
		i, err := m.stat(ctx, v)
		return m.withTags(i, refs), err
	}
	head := refs.names["HEAD"]
	if head == "" {
		return infoFile{}, &godown.NotFound{Text: m.path + ": no commits in " + m.remote.address.Redacted()}
	}
	i, err := m.convert(ctx, commit{hash: head, ref: "HEAD", name: head, tags: refs.tags[head]}, "")
	if err != nil {
		return infoFile{}, err
	}
	if retracted(i.Version) {
		return infoFile{}, &godown.NotFound{Text: fmt.Sprintf("%s: no matching versions for query \"latest\": all are retracted", m.path)}
	}
	return m.withTags(i, refs), nil
}

// withTags adds to the origin of an answer that it depends on all tags.
func (m *mod) withTags(i infoFile, refs *refList) infoFile {
	i.Origin.TagPrefix = m.tagPrefix()
	_, i.Origin.TagSum = refs.tagsWith(m.tagPrefix())
	return i
}

// newest returns the highest version that begins with v1 or v1.2.
func (m *mod) newest(ctx context.Context, prefix string) (infoFile, error) {
	versions, refs, err := m.versions(ctx)
	if err != nil {
		return infoFile{}, err
	}
	retracted, err := m.retracted(ctx, versions)
	if err != nil {
		return infoFile{}, err
	}
	v := highest(versions, func(v string) bool {
		return strings.HasPrefix(v, prefix+".") && semver.Compare(v, prefix) >= 0 && !retracted(v)
	})
	if v == "" {
		return infoFile{}, &godown.NotFound{Text: fmt.Sprintf("%s@%s: no matching versions for query %q", m.path, prefix, prefix)}
	}
	i, err := m.stat(ctx, v)
	return m.withTags(i, refs), err
}

// highest returns the last release of versions that is allowed, else the last pre-release, else "".
func highest(versions []string, allowed func(string) bool) string {
	release, pre := "", ""
	for _, v := range versions {
		switch {
		case !allowed(v):
		case semver.Prerelease(v) == "":
			release = v
		default:
			pre = v
		}
	}
	if release != "" {
		return release
	}
	return pre
}

// retracted returns what tells retracted versions: those that the go.mod of the
// highest version names. Where there is none, or it makes no sense, none is.
func (m *mod) retracted(ctx context.Context, versions []string) (func(string) bool, error) {
	none := func(string) bool { return false }
	v := highest(versions, func(v string) bool { return !strings.HasSuffix(v, "+incompatible") })
	if v == "" {
		return none, nil
	}
	c, err := m.resolve(ctx, v)
	if isAbsent(err) {
		return none, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := m.locate(ctx, c, v, little)
	if isAbsent(err) || err == nil && p.gomod == nil {
		return none, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := modfile.ParseLax("go.mod", p.gomod, nil)
	if err != nil {
		return none, nil
	}
	return func(v string) bool {
		for _, r := range f.Retract {
			if semver.Compare(r.Low, v) <= 0 && semver.Compare(v, r.High) <= 0 {
				return true
			}
		}
		return false
	}, nil
}

// canBeVersion reports whether a tag, without its folder, is a version, or one
// with metadata behind it.
func canBeVersion(tag string) bool {
	c := semver.Canonical(tag)
	return c != "" && strings.HasPrefix(tag, c) && !module.IsPseudoVersion(tag)
}

// quoteModule returns a module's path as it stands in a go.mod.
func quoteModule(path string) string { return modfile.AutoQuote(path) }
