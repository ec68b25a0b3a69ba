package godown

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// A ProxyEntry is one element of a GOPROXY list.
type ProxyEntry struct {
	URL  *url.URL // nil for the words direct and off
	Word string   // the word, "direct" or "off", when URL is nil
	Any  bool     // followed by "|" rather than ","
}

// ParseGOPROXY parses a list in GOPROXY syntax with the go command's meaning:
// blanks around an entry do not count, empty entries are skipped, a bare host
// gets https, and "direct" or "off" ends the list. Its errors never show a
// URL's user information.
func ParseGOPROXY(list string) ([]ProxyEntry, error) {
	var entries []ProxyEntry
	for rest := list; rest != ""; {
		entry := ProxyEntry{}
		text := rest
		if i := strings.IndexAny(rest, ",|"); i >= 0 {
			text, entry.Any, rest = rest[:i], rest[i] == '|', rest[i+1:]
		} else {
			rest = ""
		}
		text = strings.TrimSpace(text)
		switch text {
		case "":
			continue
		case "off", "direct":
			entry.Word, entry.Any = text, false
			return append(entries, entry), nil
		}
		var err error
		if entry.URL, err = parseProxyURL(text); err != nil {
			return nil, fmt.Errorf("entry %d of the list: %w", len(entries)+1, err)
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		return nil, errors.New("the list has no entries")
	}
	return entries, nil
}

func parseProxyURL(text string) (*url.URL, error) {
	if strings.ContainsAny(text, ".:/") && !strings.Contains(text, ":/") && !filepath.IsAbs(text) && !path.IsAbs(text) {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		// A url.Error repeats the whole URL, password and all.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		if strings.Contains(text, "@") {
			return nil, errors.New("not a valid URL (not shown, as it may hold a password)")
		}
		return nil, fmt.Errorf("%q is not a valid URL: %w", text, err)
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return nil, fmt.Errorf("%q names no host", hideUser(u))
		}
		if u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%q has a query or a fragment, which a proxy's URL cannot have", hideUser(u))
		}
	case "file":
		if *u != (url.URL{Scheme: u.Scheme, Path: u.Path, RawPath: u.RawPath}) {
			return nil, fmt.Errorf("%q is a file URL with more than a path", hideUser(u))
		}
	case "":
		return nil, fmt.Errorf("%q is neither a URL nor one of the words direct and off", hideUser(u))
	default:
		return nil, fmt.Errorf("%q has the scheme %q; it must be https, http or file", hideUser(u), u.Scheme)
	}
	return u, nil
}

// hideUser returns u without its user information, which may be a secret: a
// lone name is often a token.
func hideUser(u *url.URL) string {
	if u.User == nil {
		return u.String()
	}
	bare := *u
	bare.User = nil
	return bare.String()
}
