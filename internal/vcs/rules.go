package vcs

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// A Rule says where the modules are whose paths match a pattern, without anybody
// being asked. The first that matches counts.
type Rule struct {
	// Match is a pattern of path elements, "corp.example.com/*/*": each "*" stands
	// for one element, or a part of one. What follows in a module's path is a
	// folder in the repository, or a major version.
	Match string
	// Repo is the URL of the repository; {1}, {2}, … stand for what the first,
	// the second, … "*" of Match stood for: "ssh://git@git.example.com/{1}/{2}.git".
	Repo string
	// Subdir is the folder of the repository in which the modules' paths begin; may be empty.
	Subdir string
}

// maxStars is how many wildcards a pattern may have.
const maxStars = 9

// Check says what is wrong with the rule.
func (r Rule) Check() error {
	if r.Match == "" || strings.HasPrefix(r.Match, "/") || strings.HasSuffix(r.Match, "/") || strings.Contains(r.Match, "//") {
		return errors.New("match must be a pattern of path elements such as corp.example.com/*")
	}
	if strings.Contains(r.Match, "**") {
		return errors.New("match has **; a * stands for one element, and what lies below needs none")
	}
	if _, err := path.Match(r.Match, ""); err != nil || strings.ContainsAny(r.Match, `?[]\`) {
		return errors.New("match knows no other wildcard than *")
	}
	stars := strings.Count(r.Match, "*")
	if stars > maxStars {
		return fmt.Errorf("match has %d of *; at most %d are allowed", stars, maxStars)
	}
	for _, m := range regexp.MustCompile(`\{([^{}]*)\}`).FindAllStringSubmatch(r.Repo, -1) {
		if n, err := strconv.Atoi(m[1]); err != nil || n < 1 || n > stars {
			return fmt.Errorf("repo has %s, but match has %d of *, so that there are {1} to {%d}", m[0], stars, stars)
		}
	}
	filled := r.Repo
	for i := range stars {
		filled = strings.ReplaceAll(filled, fmt.Sprintf("{%d}", i+1), "x")
	}
	u, err := parseRepoURL(filled)
	if err != nil {
		return fmt.Errorf("repo %w", err)
	}
	if u.User != nil {
		if _, ok := u.User.Password(); ok {
			return errors.New("repo must hold no password; give credentials in auth")
		}
	}
	return checkSubdir(r.Subdir)
}

// checkSubdir checks a folder in a repository.
func checkSubdir(dir string) error {
	switch {
	case dir == "":
		return nil
	case strings.HasPrefix(dir, "/"), strings.HasPrefix(dir, "-"), strings.HasPrefix(dir, ":"), path.Clean(dir) != dir, dir == ".", strings.HasPrefix(dir, ".."):
		return fmt.Errorf("%q is no folder in a repository", dir)
	}
	return nil
}

// parseRepoURL parses the URL of a repository: https, ssh or http, with a host,
// and nothing that git could take for an option.
func parseRepoURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("is not a URL")
	}
	switch u.Scheme {
	case "https", "http", "ssh", "git+ssh", "mod":
	default:
		return nil, fmt.Errorf("has the scheme %.20q; only https and ssh are allowed, and http where that is configured", u.Scheme)
	}
	if u.Scheme == "git+ssh" {
		u.Scheme = "ssh"
	}
	host := u.Hostname()
	switch {
	case host == "", strings.HasPrefix(host, "-"), strings.ContainsAny(host, " \t\r\n\"'\\<>;|&$`(){}"):
		return nil, errors.New("has no host, or one that is none")
	case strings.HasPrefix(u.Path, "/-"), strings.ContainsAny(u.Path, "\r\n\x00"):
		return nil, errors.New("has a path that git would misread")
	case u.RawQuery != "", u.Fragment != "":
		return nil, errors.New("must have no query and no fragment")
	}
	if u.User != nil && strings.HasPrefix(u.User.Username(), "-") {
		return nil, errors.New("has a user name that begins with a dash")
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil, errors.New("has a port that is none")
		}
	}
	return u, nil
}

// match returns the part of a module's path that the rule matches, and the
// repository's URL.
func (r Rule) match(modulePath string) (prefix, repo string, ok bool) {
	pattern := strings.Split(r.Match, "/")
	elems := strings.Split(modulePath, "/")
	if len(elems) < len(pattern) {
		return "", "", false
	}
	var stars []string
	for i, p := range pattern {
		found, ok := matchElem(p, elems[i])
		if !ok {
			return "", "", false
		}
		stars = append(stars, found...)
	}
	var pairs []string
	for i, s := range stars {
		pairs = append(pairs, fmt.Sprintf("{%d}", i+1), s)
	}
	return strings.Join(elems[:len(pattern)], "/"), strings.NewReplacer(pairs...).Replace(r.Repo), true
}

// above reports whether a path is one of whose parts the modules are that the
// rule matches, and so is none itself. The go command asks for such, too.
func (r Rule) above(modulePath string) bool {
	pattern := strings.Split(r.Match, "/")
	elems := strings.Split(modulePath, "/")
	if len(elems) >= len(pattern) {
		return false
	}
	for i, e := range elems {
		if _, ok := matchElem(pattern[i], e); !ok {
			return false
		}
	}
	return true
}

// matchElem matches one path element, and returns what its stars stood for.
func matchElem(pattern, elem string) (stars []string, ok bool) {
	parts := strings.Split(pattern, "*")
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString("(.+)")
		}
		b.WriteString(regexp.QuoteMeta(p))
	}
	m := regexp.MustCompile("^" + b.String() + "$").FindStringSubmatch(elem)
	if m == nil {
		return nil, false
	}
	return m[1:], true
}
