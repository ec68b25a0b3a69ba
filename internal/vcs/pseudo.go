package vcs

import (
	"context"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// base returns the version before a commit, on which a pseudo-version for it is
// based: the highest that the commit or one before it is tagged with; "" if
// there is none.
func (m *mod) base(ctx context.Context, c commit, asked string, retracted func(string) bool) (string, error) {
	refs, err := m.remote.refs(ctx, m.remote.o.TTL)
	if err != nil {
		return "", err
	}
	if tags, _ := refs.tagsWith(m.tagPrefix() + "v"); len(tags) == 0 {
		return "", nil // no history is needed to know
	}
	tags, err := m.remote.merged(ctx, c.hash)
	if err != nil {
		return "", err
	}
	best := ""
	for _, tag := range tags {
		if refs.names["refs/tags/"+tag] == "" {
			continue // not any more
		}
		v, _ := m.ofTag(tag)
		if v == "" || retracted(v) || best != "" && semver.Compare(v, best) <= 0 {
			continue
		}
		fits, err := m.fits(ctx, c, v, asked)
		if err != nil {
			return "", err
		}
		if fits {
			best = v
		}
	}
	return best, nil
}

// checkPseudo checks what a pseudo-version claims of its commit: how it is
// called, when it was made, and which version was before it. Else whoever
// writes a version could make it as high as they want.
func (m *mod) checkPseudo(ctx context.Context, c commit, version string) error {
	short := c.hash[:12]
	rev, err := module.PseudoVersionRev(version)
	if err != nil {
		return m.absent(version, "%v", err)
	}
	switch {
	case rev == short:
	case strings.HasPrefix(rev, short):
		return m.absent(version, "revision is longer than canonical (expected %s)", short)
	case strings.HasPrefix(short, rev):
		return m.absent(version, "revision is shorter than canonical (expected %s)", short)
	default:
		return m.absent(version, "does not match short name of revision (expected %s)", short)
	}
	l, err := m.remote.look(ctx, c.hash, c.ref, probably)
	if err != nil {
		return err
	}
	t, err := module.PseudoVersionTime(version)
	if err != nil {
		return m.absent(version, "%v", err)
	}
	if !t.Equal(l.time.Truncate(time.Second)) {
		return m.absent(version, "does not match version-control timestamp (expected %s)", l.time.UTC().Format(module.PseudoVersionTimestampFormat))
	}
	base, err := module.PseudoVersionBase(strings.TrimSuffix(version, "+incompatible"))
	if err != nil {
		return m.absent(version, "%v", err)
	}
	if base == "" {
		if module.PathMajorPrefix(m.major) == "" && semver.Major(version) == "v1" {
			return m.absent(version, "major version without preceding tag must be v0, not v1")
		}
		return nil
	}
	return m.checkBase(ctx, c, version, base)
}

// checkBase checks that the version base is before the commit.
func (m *mod) checkBase(ctx context.Context, c commit, version, base string) error {
	for _, tag := range c.tags {
		if strings.TrimPrefix(tag, m.tagPrefix()) == base {
			return m.absent(version, "tag (%s) found on revision %s is already canonical, so should not be replaced with a pseudo-version derived from that tag", tag, c.hash[:12])
		}
	}
	refs, err := m.remote.refs(ctx, m.remote.o.TTL)
	if err != nil {
		return err
	}
	tags, _ := refs.tagsWith(m.tagPrefix() + base)
	last := ""
	for _, tag := range tags {
		if semver.Compare(strings.TrimPrefix(tag, m.tagPrefix()), base) != 0 {
			continue
		}
		last = tag
		if ok, err := m.remote.descends(ctx, c.hash, refs.names["refs/tags/"+tag]); ok || err != nil {
			return err
		}
	}
	if last == "" {
		return m.absent(version, "preceding tag (%s) not found", base)
	}
	return m.absent(version, "revision %s is not a descendent of preceding tag (%s)", c.hash[:12], last)
}
