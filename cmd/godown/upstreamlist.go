package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/mirror"
)

// mirrorsWord stands in an upstream list for all entries of "mirrors:".
const mirrorsWord = "mirrors"

// An upstreamEntry is one element of the upstream list, where no name is left.
type upstreamEntry struct {
	godown.ProxyEntry
	Mirror *Mirror // the entry of "mirrors:" that it was named by; nil: there is none
	public bool    // it is a public mirror, which must not hear of private modules
}

// same reports whether two entries with URLs are the same mirror, with the same said of it.
func (e upstreamEntry) same(o upstreamEntry) bool {
	return e.Mirror == o.Mirror && strings.TrimSuffix(e.URL.String(), "/") == strings.TrimSuffix(o.URL.String(), "/")
}

// resolveUpstream parses an upstream list: GOPROXY syntax, in which a name may
// stand for one or more URLs. These are then joined by "|", and what followed
// the name follows the last. builtIn is called if the word default is used.
func resolveUpstream(list string, mirrors Mirrors, builtIn func() ([]string, error)) ([]upstreamEntry, error) {
	named := make(map[int][]upstreamEntry) // by number of the list's entry
	var plain strings.Builder              // the list with a stand-in for each name
	number := 0
	for rest := list; rest != ""; {
		text, separator := rest, ""
		if i := strings.IndexAny(rest, ",|"); i >= 0 {
			text, separator, rest = rest[:i], rest[i:i+1], rest[i+1:]
		} else {
			rest = ""
		}
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if text == "direct" || text == "off" {
			plain.WriteString(text) // ends the list
			break
		}
		if isName(text) {
			found, err := lookupName(text, mirrors, builtIn)
			switch {
			case err != nil && strings.Contains(rest, "@"):
				// A password with a comma in it: this may be a piece.
				return nil, fmt.Errorf("entry %d of the list, which is not shown as it may be a piece of a password, is neither a URL nor a name that is known", number+1)
			case err != nil:
				return nil, fmt.Errorf("entry %d of the list: %w", number+1, err)
			}
			named[number] = found
			text = "https://named.invalid"
		}
		plain.WriteString(text + separator)
		number++
	}
	parsed, err := parseUpstream(plain.String())
	if err != nil {
		return nil, err
	}
	var entries []upstreamEntry
	for i, e := range parsed {
		found, ok := named[i]
		if !ok {
			entries = append(entries, upstreamEntry{ProxyEntry: e})
			continue
		}
		for j, f := range found {
			f.Any = e.Any || j < len(found)-1
			entries = append(entries, f)
		}
	}
	return entries, nil
}

// isName reports whether an entry is a name rather than a URL or a host. Names
// of our own have the letters of isMirrorName; this is wider, so that what is
// meant for a name is told from a URL.
func isName(text string) bool { return !strings.ContainsAny(text, `.:/@\`) }

// lookupName returns what a name stands for, one entry or more.
func lookupName(name string, mirrors Mirrors, builtIn func() ([]string, error)) ([]upstreamEntry, error) {
	var urls []string
	switch {
	case name == mirrorsWord:
		if len(mirrors) == 0 {
			return nil, fmt.Errorf("%q stands for the entries of mirrors: in the configuration file, and there are none", name)
		}
		var all []upstreamEntry
		for i := range mirrors {
			all = append(all, mirrors[i].entry())
		}
		return all, nil
	case name == mirror.Default:
		var err error
		if urls, err = builtIn(); err != nil {
			return nil, fmt.Errorf("%q stands for what the go command has built in, which is not known: %w; write the URL in its place", name, err)
		}
	case slices.Contains(mirror.Groups(), name):
		for _, p := range mirror.Presets(name) {
			urls = append(urls, p.URL)
		}
	default:
		for i := range mirrors {
			if mirrors[i].Name == name {
				return []upstreamEntry{mirrors[i].entry()}, nil
			}
		}
		known := append(reservedNames(), mirrors.names()...)
		return nil, fmt.Errorf("%q is neither a URL nor a name that is known, which are %s%s", name, strings.Join(known, ", "), didYouMean(name, known))
	}
	var found []upstreamEntry
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			return nil, errors.New("what " + name + " stands for is no URL")
		}
		found = append(found, upstreamEntry{ProxyEntry: godown.ProxyEntry{URL: u}})
	}
	return found, nil
}

// reservedNames are the words of an upstream list, which no entry of "mirrors:" can have for a name.
func reservedNames() []string {
	return append([]string{"direct", "off", mirrorsWord, mirror.Default}, mirror.Groups()...)
}
