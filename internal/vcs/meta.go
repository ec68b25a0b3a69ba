package vcs

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A metaImport is a <meta name="go-import"> tag: where the modules are whose
// paths begin with prefix.
type metaImport struct{ prefix, vcs, repo, subdir string }

// parseMeta reads the go-import tags in the head of an HTML page, those of the
// kind "mod" first: where there is one, those of version control systems for the
// same prefix do not count. A page that is broken behind its tags is good enough.
func parseMeta(r io.Reader) ([]metaImport, error) {
	d := xml.NewDecoder(r)
	d.Strict = false
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "utf-8", "ascii":
			return in, nil
		}
		return nil, fmt.Errorf("the page is in the character set %.40q; only utf-8 and ascii are read", charset)
	}
	var proxies, others []metaImport
	for {
		token, err := d.RawToken()
		if err != nil {
			if !errors.Is(err, io.EOF) && len(proxies)+len(others) == 0 {
				return nil, err
			}
			break
		}
		if end, ok := token.(xml.EndElement); ok && strings.EqualFold(end.Name.Local, "head") {
			break
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if strings.EqualFold(start.Name.Local, "body") {
			break
		}
		m, ok := importTag(start)
		switch {
		case !ok:
		case m.vcs == "mod":
			proxies = append(proxies, m)
		default:
			others = append(others, m)
		}
	}
	list := proxies
	for _, m := range others {
		hidden := false
		for _, p := range proxies {
			hidden = hidden || p.prefix == m.prefix
		}
		if !hidden {
			list = append(list, m)
		}
	}
	return list, nil
}

// importTag returns what a <meta name="go-import" content="prefix vcs repo [subdir]"> says.
func importTag(e xml.StartElement) (m metaImport, ok bool) {
	if !strings.EqualFold(e.Name.Local, "meta") || attr(e, "name") != "go-import" {
		return m, false
	}
	f := strings.Fields(attr(e, "content"))
	if len(f) != 3 && len(f) != 4 {
		return m, false
	}
	m = metaImport{prefix: f[0], vcs: f[1], repo: f[2]}
	if len(f) == 4 {
		m.subdir = f[3]
	}
	return m, true
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if strings.EqualFold(a.Name.Local, name) {
			return a.Value
		}
	}
	return ""
}

// errNoMeta says that a page has no tag for the module.
var errNoMeta = errors.New("no go-import meta tag")

// matchMeta returns the one tag that is about path. Two of the same kind that
// both are contradict each other.
func matchMeta(list []metaImport, path string) (metaImport, error) {
	var found []metaImport
	for _, m := range list {
		if hasPathPrefix(path, m.prefix) {
			found = append(found, m)
		}
	}
	switch {
	case len(found) == 0:
		return metaImport{}, errNoMeta
	case len(found) == 1, found[0].vcs == "mod" && found[1].vcs != "mod":
		return found[0], nil
	}
	return metaImport{}, fmt.Errorf("several go-import meta tags are for %s", path)
}

// hasPathPrefix reports whether prefix is path, or the first elements of it.
func hasPathPrefix(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(prefix, "/") && prefix != "/")
}
