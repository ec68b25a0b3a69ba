package godown

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
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
	shown := strconv.Quote(text)
	if strings.Contains(text, "@") {
		// Whether url.Parse takes it for one or not: it may be a password.
		shown = "an entry with an @, which is not shown as it may hold a password,"
	}
	u, err := url.Parse(text)
	if err != nil {
		// A url.Error repeats the whole URL, password and all.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		if strings.Contains(text, "@") {
			return nil, errors.New(shown + " is not a valid URL")
		}
		return nil, fmt.Errorf("%s is not a valid URL: %w", shown, err)
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return nil, errors.New(shown + " names no host")
		}
		if u.RawQuery != "" || u.Fragment != "" {
			return nil, errors.New(shown + " has a query or a fragment, which a proxy's URL cannot have")
		}
	case "file":
		if *u != (url.URL{Scheme: u.Scheme, Path: u.Path, RawPath: u.RawPath}) {
			return nil, errors.New(shown + " is a file URL with more than a path")
		}
	case "":
		return nil, errors.New(shown + " is neither a URL nor one of the words direct and off")
	default:
		if u.Opaque != "" { // then what stands before the colon may be anything
			return nil, errors.New(shown + " has a scheme that is not https, http or file")
		}
		return nil, fmt.Errorf("%s has the scheme %q; it must be https, http or file", shown, u.Scheme)
	}
	return u, nil
}
