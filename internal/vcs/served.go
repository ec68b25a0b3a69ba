package vcs

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/mod/module"
)

// servedTags are the tags of a remote of which versions were made, and the
// commits that they named then. They are kept apart from the repositories, as a
// tag that is moved must not change a version just because a repository was cleared away.
// The file has a line for each: tag, commit, module and version, separated by tabs.
type servedTags struct {
	file string

	mu       sync.Mutex // guards the fields below, and the file
	loaded   bool
	tags     map[string]servedTag
	reported map[string]string // by tag: where it was last reported to have moved to
}

type servedTag struct{ hash, module, version string }

// load reads the file; what cannot be read was never noted.
func (s *servedTags) load() {
	if s.loaded {
		return
	}
	s.loaded = true
	s.tags = make(map[string]servedTag)
	s.reported = make(map[string]string)
	data, err := os.ReadFile(s.file)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 || !isHash(f[1]) || !strings.HasSuffix(line, "\n") {
			continue // the end of a write that was cut short
		}
		if _, ok := s.tags[f[0]]; !ok {
			s.tags[f[0]] = servedTag{f[1], f[2], f[3]}
		}
	}
}

// of returns the commit that a tag named when a version was made of it.
func (s *servedTags) of(tag string) (hash string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	t, ok := s.tags[tag]
	return t.hash, ok
}

// note adds a tag, if it is new.
func (s *servedTags) note(tag string, t servedTag) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	if _, ok := s.tags[tag]; ok {
		return nil
	}
	if strings.ContainsAny(tag+t.module+t.version, "\t\n") {
		return fmt.Errorf("the tag %q cannot be noted", tag)
	}
	s.tags[tag] = t
	f, err := os.OpenFile(s.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(tag + "\t" + t.hash + "\t" + t.module + "\t" + t.version + "\n")
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// moved returns the tags that name another commit in list, or are gone, and were
// not reported so before.
func (s *servedTags) moved(list *refList) map[string]servedTag {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	out := make(map[string]servedTag)
	for tag, t := range s.tags {
		now := list.names["refs/tags/"+tag]
		if said, ok := s.reported[tag]; now != t.hash && (!ok || said != now) {
			s.reported[tag] = now
			out[tag] = t
		}
	}
	return out
}

// noteServed notes of which commit a version was made, if it is that of a tag.
// If that cannot be written, a moved tag is still seen as long as this process lives.
func (m *mod) noteServed(version string, c commit) {
	tag, ok := strings.CutPrefix(c.ref, "refs/tags/")
	if !ok || tag != m.revision(version) || module.IsPseudoVersion(version) {
		return
	}
	_ = m.remote.served.note(tag, servedTag{c.hash, m.path, version})
}

// lookForDrift reports the tags that have moved.
func (r *remote) lookForDrift(list *refList) {
	if r.o.Moved == nil {
		return
	}
	for tag, t := range r.served.moved(list) {
		r.o.Moved(Drift{
			Module: t.module, Version: t.version, URL: r.address.Redacted(), Tag: tag,
			Old: t.hash, New: list.names["refs/tags/"+tag],
		})
	}
}
