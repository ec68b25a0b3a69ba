package vcs

import (
	"regexp"
	"strings"
)

// A host is a place whose repositories are known by their paths, without
// anybody being asked.
type host struct {
	name string
	// Elements of a path, from the host's name on, that make a repository. Where
	// repositories may lie deeper, in groups within groups, deepest is more than
	// that, and the place is found by asking.
	elems, deepest int
	suffix         string // what the URL of a repository has that the path has not
}

// hosts are the well-known ones. Of those whose pages name the repository the
// URL is what the page says, so that an Origin reads the same as the go command's.
// Any other host is asked for its page, and need not be here.
func hosts() []host {
	return []host{
		{"github.com", 3, 3, ""},
		{"bitbucket.org", 3, 3, ""},
		{"gitlab.com", 3, 21, ".git"}, // up to 20 groups
		{"gitee.com", 3, 3, ".git"},
		{"codeup.aliyun.com", 3, 6, ".git"}, // organization, groups, repository
		{"codeberg.org", 3, 3, ".git"},
		{"gitea.com", 3, 3, ".git"},
		{"git.sr.ht", 3, 3, ""},
	}
}

// A placed is where a path may lie.
type placed struct {
	prefix string // of the module's path
	url    string
}

var pathElem = regexp.MustCompile(`^~?[\w.\-]+$`)

// wellKnown returns the places of a module on a well-known host, the most
// likely first: more than one where groups lie within groups. ok is false if the
// host is none, or the path can be of no repository there.
func wellKnown(path string) (places []placed, exact, ok bool) {
	elems := strings.Split(path, "/")
	for _, h := range hosts() {
		if elems[0] != h.name {
			continue
		}
		if len(elems) < h.elems {
			return nil, false, false
		}
		for _, e := range elems[1:] {
			if !pathElem.MatchString(e) {
				return nil, false, false
			}
		}
		for n := h.elems; n <= min(len(elems), h.deepest); n++ {
			prefix := strings.Join(elems[:n], "/")
			if suffixVCS(prefix) != "" {
				return nil, false, false // withSuffix knows
			}
			places = append(places, placed{prefix, "https://" + prefix + h.suffix})
		}
		return places, h.elems == h.deepest, true
	}
	return nil, false, false
}

// suffixVCS returns the system that the end of a repository's path names.
func suffixVCS(path string) string {
	for _, s := range []string{"git", "hg", "svn", "bzr", "fossil"} {
		if strings.HasSuffix(path, "."+s) {
			return s
		}
	}
	return ""
}

// The first element that ends in the name of a system ends the repository's
// path, as the go command has it: example.com/team/repo.git/folder.
var suffixed = regexp.MustCompile(`^((?:[a-z0-9.\-]+\.)+[a-z0-9.\-]+(?::[0-9]+)?(?:/~?[\w.\-]+)+?)\.(bzr|fossil|git|hg|svn)(?:/~?[\w.\-]+)*$`)

// withSuffix returns what a path says of itself that names its system.
func withSuffix(path string) (prefix, repo, system string, ok bool) {
	m := suffixed.FindStringSubmatch(path)
	if m == nil {
		return "", "", "", false
	}
	return m[1] + "." + m[2], m[1], m[2], true
}

// hostOf returns the first element of a module's path.
func hostOf(path string) string {
	host, _, _ := strings.Cut(path, "/")
	return host
}
