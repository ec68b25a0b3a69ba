package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A target is what of a URL decides which credential it gets.
type target struct {
	scheme string // "https" or "ssh"
	user   string // of ssh
	host   string // lower case
	ip     bool   // host is an address
	port   string // of the scheme, where the URL has none
	path   []string
}

// targetOf returns the target of a URL; !ok if it gets no credential from us:
// it is plain http, say, or has its own, or could be read in two ways.
func targetOf(u *url.URL) (t target, ok bool) {
	if u == nil || u.Opaque != "" {
		return t, false
	}
	switch strings.ToLower(u.Scheme) {
	case "https":
		t.scheme, t.port = "https", "443"
		if u.User != nil {
			return t, false
		}
	case "ssh", "git+ssh", "ssh+git":
		t.scheme, t.port = "ssh", "22"
		t.user = u.User.Username() // of a nil User, ""
	default:
		return t, false
	}
	if t.host, t.ip, ok = parseHost(u.Hostname()); !ok {
		return t, false
	}
	if p := u.Port(); p != "" {
		if t.port, ok = parsePort(p); !ok {
			return t, false
		}
	}
	// By the escaped path: a "%2F" is no end of an element.
	for elem := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(u.EscapedPath(), "/"), "/"), "/") {
		elem, err := url.PathUnescape(elem)
		if err != nil || !plainElement(elem) {
			return t, false
		}
		t.path = append(t.path, elem)
	}
	if len(t.path) == 1 && t.path[0] == "" {
		t.path = nil
	}
	return t, !slices.Contains(t.path, "")
}

// plainElement reports whether every server takes elem for one element of a path.
func plainElement(elem string) bool {
	return elem != "." && elem != ".." && !strings.ContainsAny(elem, `/\`)
}

// parseHost returns a host name in lower case, or an address in its usual form.
func parseHost(host string) (name string, ip, ok bool) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String(), true, addr.Zone() == ""
	}
	host = strings.ToLower(host)
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", false, false
		}
	}
	return host, false, true
}

func parsePort(port string) (string, bool) {
	n, err := strconv.ParseUint(port, 10, 16)
	return strconv.FormatUint(n, 10), err == nil && n > 0
}

// A pattern is the Match of a [Rule].
type pattern struct {
	scheme string // "https", "ssh" or "", which is both
	user   string // of ssh; "": any
	host   string // of a wildcard, what follows the star, with its dot
	wild   bool
	port   string // "": that of the scheme
	path   []string
}

// parsePattern parses a Match. Its errors show nothing of what could be a secret.
func parsePattern(text string) (pattern, error) {
	var p pattern
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	}
	switch p.scheme = strings.ToLower(scheme); {
	case p.scheme == "http":
		return p, errors.New("match is a plain http URL, where no credential is ever sent: write https, or serve it so")
	case found && p.scheme != "https" && p.scheme != "ssh":
		return p, errors.New("match begins with neither https:// nor ssh://, nor with a host")
	}
	authority, path, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		p.user, authority = authority[:i], authority[i+1:]
		if p.scheme != "ssh" || p.user == "" || strings.Contains(p.user, ":") {
			return p, errors.New("match has a user or a password before the host: only ssh://USER@HOST may; credentials have keys of their own")
		}
	}
	if strings.ContainsAny(path, "?#%") {
		return p, errors.New(`match has one of "?", "#" and "%" in its path: write a host and a path only, without escapes`)
	}
	if err := p.parseAuthority(authority); err != nil {
		return p, err
	}
	if path = strings.Trim(path, "/"); path != "" {
		p.path = strings.Split(path, "/")
	}
	for _, elem := range p.path {
		if elem == "" || !plainElement(elem) {
			return p, errors.New(`match has an empty element, a ".", a ".." or a backslash in its path`)
		}
	}
	return p, nil
}

// parseAuthority parses HOST, HOST:PORT, [ADDRESS] and [ADDRESS]:PORT.
func (p *pattern) parseAuthority(authority string) error {
	host, port, found := strings.Cut(authority, ":")
	if inner, ok := strings.CutPrefix(authority, "["); ok {
		var closed bool
		if host, port, closed = strings.Cut(inner, "]"); !closed || !strings.Contains(host, ":") {
			return errors.New("match has a bracket that encloses no address")
		}
		if port, found = strings.CutPrefix(port, ":"); !found && port != "" {
			return errors.New("match has something other than a port behind its address")
		}
	}
	if found {
		if p.port, found = parsePort(port); !found {
			return errors.New("match has a port that is none, or an address without brackets")
		}
	}
	if rest, ok := strings.CutPrefix(host, "*."); ok {
		host, p.wild = rest, true
	}
	name, ip, ok := parseHost(host)
	switch {
	case host == "*":
		return errors.New("match is a star only: a credential for every host would be shown to anybody")
	case !ok:
		return errors.New("match has no valid host: write a name such as git.corp.example (in its xn-- form, where it is not ASCII), an address, or *.corp.example for all names below")
	case ip && p.wild:
		return errors.New("match has a star before an address")
	}
	if p.host = name; p.wild {
		p.host = "." + name
	}
	return nil
}

// matches reports whether the pattern is about t.
func (p pattern) matches(t target) bool {
	port := p.port
	if port == "" {
		port = map[string]string{"https": "443", "ssh": "22"}[t.scheme]
	}
	return (p.scheme == "" || p.scheme == t.scheme) && p.matchesHost(t) && port == t.port &&
		(p.user == "" || p.user == t.user) && p.matchesPath(t)
}

func (p pattern) matchesHost(t target) bool {
	if p.wild {
		return !t.ip && strings.HasSuffix(t.host, p.host) && len(t.host) > len(p.host)
	}
	return t.host == p.host
}

// matchesPath compares whole elements. A repository may be called with ".git" or
// without. Case counts, except at the hosts that are known not to tell it apart.
func (p pattern) matchesPath(t target) bool {
	if len(p.path) > len(t.path) {
		return false
	}
	fold := kindOf(t.host) != ""
	for i, want := range p.path {
		got := strings.TrimSuffix(t.path[i], ".git")
		want = strings.TrimSuffix(want, ".git")
		if got != want && !(fold && strings.EqualFold(got, want)) {
			return false
		}
	}
	return true
}

// longer reports whether p says more than q, where both match: the longer host
// (which is a whole one, if either is), then the longer path.
func (p pattern) longer(q pattern) bool {
	if len(p.host) != len(q.host) {
		return len(p.host) > len(q.host)
	}
	return len(p.path) > len(q.path)
}

// String returns the pattern in its shortest form.
func (p pattern) String() string {
	var b strings.Builder
	if p.scheme != "" {
		b.WriteString(p.scheme + "://")
	}
	if p.user != "" {
		b.WriteString(p.user + "@")
	}
	switch {
	case p.wild:
		b.WriteString("*" + p.host)
	case strings.Contains(p.host, ":"):
		b.WriteString("[" + p.host + "]")
	default:
		b.WriteString(p.host)
	}
	if p.port != "" {
		b.WriteString(":" + p.port)
	}
	for _, elem := range p.path {
		fmt.Fprintf(&b, "/%s", elem)
	}
	return b.String()
}
