package auth

import "net/url"

// A Place is what of an https URL decides which credential it gets.
type Place struct {
	Host string   // lower case; an address in its usual form
	Port string   // "443" where the URL has none
	Path []string // its elements, unescaped
}

// PlaceOf returns the place of a URL; !ok if no credential is shown there: it is
// not https, or has user information of its own, or servers could read its path in two ways.
func PlaceOf(u *url.URL) (p Place, ok bool) {
	t, ok := targetOf(u)
	if !ok || t.scheme != "https" {
		return Place{}, false
	}
	return Place{Host: t.host, Port: t.port, Path: t.path}, true
}
