package vcs

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Pushed is a module of a repository that was pushed to.
type Pushed struct {
	Path      string
	TagPrefix string // what the tags of its versions begin with: empty, or its folder with a slash
}

// Refresh forgets what is known of where a module is and of its repository's
// branches and tags, so that they are asked for when they are next needed.
func (o *Origin) Refresh(path string) {
	o.once.Do(o.init)
	o.mu.Lock()
	delete(o.roots, path)
	known, ok := o.known[path]
	var of []*remote
	for _, r := range o.remotes {
		if ok && r.url == known.url {
			of = append(of, r)
		}
	}
	o.mu.Unlock()
	for _, r := range of {
		r.forgetRefs()
	}
}

// Pushed forgets the branches and tags of the repository that has one of the
// URLs, in whatever form its host writes them, and returns the modules of it that
// were ever asked for.
func (o *Origin) Pushed(urls []string) []Pushed {
	o.once.Do(o.init)
	names := make(map[string]bool)
	for _, u := range urls {
		if name := repoIdentity(u); name != "" {
			names[name] = true
		}
	}
	found := make(map[Pushed]bool)
	o.mu.Lock()
	var of []*remote
	for _, r := range o.remotes {
		if names[repoIdentity(r.url)] {
			of = append(of, r)
		}
	}
	for path, k := range o.known {
		if names[repoIdentity(k.url)] {
			found[pushedModule(path, k.dir)] = true
		}
	}
	o.mu.Unlock()
	for _, r := range of {
		r.forgetRefs()
	}
	// What earlier processes served of it.
	for _, id := range subfolders(filepath.Join(o.Dir, "repos")) {
		data, err := os.ReadFile(filepath.Join(o.Dir, "repos", id, "url"))
		if err != nil || !names[repoIdentity(strings.TrimSpace(string(data)))] {
			continue
		}
		served := &servedTags{file: filepath.Join(o.Dir, "served", id)}
		for _, p := range served.modules() {
			found[p] = true
		}
	}
	var all []Pushed
	for p := range found {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Pushed) int { return strings.Compare(a.Path, b.Path) })
	return all
}

func pushedModule(path, dir string) Pushed {
	if dir == "" {
		return Pushed{Path: path}
	}
	return Pushed{Path: path, TagPrefix: dir + "/"}
}

// repoIdentity returns what is the same in all URLs of a repository: its host
// and its path, without .git. git@HOST:PATH is a URL, too. It is empty for what is none.
func repoIdentity(text string) string {
	if !strings.Contains(text, "://") {
		host, path, ok := strings.Cut(text, ":")
		if !ok {
			return ""
		}
		text = "ssh://" + host + "/" + strings.TrimPrefix(path, "/")
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	return strings.ToLower(u.Hostname()) + "/" + strings.ToLower(strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git"))
}

// modules returns the modules that tags were served of.
func (s *servedTags) modules() []Pushed {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	var all []Pushed
	for tag, t := range s.tags {
		p := Pushed{Path: t.module, TagPrefix: tag[:strings.LastIndexByte(tag, '/')+1]}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}
