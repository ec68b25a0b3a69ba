package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/godown-dev/godown"
	"go.yaml.in/yaml/v4"
)

// A Mirror is an entry of "mirrors:" in the configuration file: an upstream of
// which there is more to say than its URL. The tags of its fields are to an
// entry's keys what those of Config are to the file's.
type Mirror struct {
	URL         Address  `key:"url" help:"the mirror; must be given. User information in it is sent as an Authorization header"`
	Name        string   `key:"name" help:"a name for it, to be used in upstream: letters, digits, '-' and '_'"`
	Headers     Headers  `key:"headers" help:"more header fields for its requests, such as an Authorization; all their texts are secrets. They are not sent to hosts that it redirects to"`
	Via         Address  `key:"via" help:"the outbound proxy to reach it through, a http://, https:// or socks5:// URL, or 'direct' for none; if not given, what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say"`
	CA          string   `key:"ca" help:"PEM file of certificate authorities that are trusted besides the system's"`
	Cert        string   `key:"cert" help:"PEM file of the certificate to show to it; with key"`
	Key         string   `key:"key" help:"PEM file of that certificate's private key"`
	Weight      int      `key:"weight" default:"1" min:"1" help:"its share where choose is round-robin or least-busy, and how much it is preferred among equals"`
	Bandwidth   Size     `key:"bandwidth" default:"0" min:"0" help:"bytes per second that are fetched from it at most; 0: no limit"`
	Connections int      `key:"connections" default:"0" min:"0" help:"requests to it that may be under way at once; 0: no limit"`
	Only        Patterns `key:"only" help:"the modules that it is asked for; if empty, all"`
	Never       Patterns `key:"never" help:"modules that it is not asked for"`

	url *url.URL // URL, parsed
	via *url.URL // Via, parsed; nil for none, and where it is not given

	listed
}

// LogValue keeps secrets out of logs in whatever format.
func (m Mirror) LogValue() slog.Value { return slog.StringValue(m.URL.String()) }

// Mirrors are the entries of "mirrors:", whose names differ.
type Mirrors []Mirror

// LogValue keeps secrets out of logs in whatever format.
func (list Mirrors) LogValue() slog.Value {
	var shown []string
	for i := range list {
		shown = append(shown, list[i].URL.String())
	}
	return slog.StringValue(strings.Join(shown, ","))
}

// names returns the names that were given to entries.
func (list Mirrors) names() []string {
	var names []string
	for i := range list {
		if list[i].Name != "" {
			names = append(names, list[i].Name)
		}
	}
	return names
}

// Address is a URL. It may hold a password: what is printed or logged of it is its String.
type Address string

// String returns the URL with its password masked.
func (a Address) String() string { return maskSecrets(string(a)) }

// LogValue keeps the password out of logs in whatever format.
func (a Address) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Headers are header fields by their names, in the letter case that was given.
// Their texts are secrets: what is printed or logged of them is their String.
type Headers map[string]string

// String returns the names, a line each, with the texts masked.
func (h Headers) String() string {
	var b strings.Builder
	for _, name := range h.names() {
		b.WriteString(name + ": " + mask + "\n")
	}
	return b.String()
}

// LogValue keeps the texts out of logs in whatever format.
func (h Headers) LogValue() slog.Value { return slog.StringValue(h.String()) }

// names returns the names in their order.
func (h Headers) names() []string {
	var names []string
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// mirrorOptions returns the options of an entry, in the order of Mirror's fields.
func mirrorOptions() []option { return optionsOf(reflect.TypeFor[Mirror]()) }

// readMirrors reads the list of entries at origin.
func readMirrors(name, origin string, v *yaml.Node) (Mirrors, []error) {
	list, problems := readEntries[Mirror](name, origin, "mirrors", "url: https://mirror.example", v)
	names := make(map[string]string) // where each stands
	for i := range list {
		m := &list[i]
		if first, ok := names[m.Name]; ok && m.Name != "" {
			problems = append(problems, problem("name", m.Name, m.origins["name"], fmt.Errorf("another mirror has that name already, at %s", first)))
		}
		names[m.Name] = m.origins["name"]
	}
	return list, problems
}

// isMirrorName reports whether an entry may have that name.
func isMirrorName(name string) bool { return regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(name) }

// check checks what takes more than one key, or a parser, and parses the URLs.
// It opens no file.
func (m *Mirror) check() (problems []error) {
	check := func(key, text string, err error) {
		if err != nil {
			problems = append(problems, problem(key, text, m.origins[key], err))
		}
	}
	err := m.lacks("mirrors", "url")
	if err != nil {
		return []error{err}
	}
	m.url, err = parseMirrorURL(string(m.URL))
	check("url", string(m.URL), err)
	if _, ok := m.origins["name"]; ok {
		reserved := slices.ContainsFunc(reservedNames(), func(word string) bool { return strings.EqualFold(word, m.Name) })
		switch {
		case !isMirrorName(m.Name):
			check("name", m.Name, errors.New("a name consists of letters, digits, '-' and '_'"))
		case reserved:
			check("name", m.Name, errors.New("that word has a meaning of its own in upstream; choose another"))
		}
	}
	if _, ok := m.origins["via"]; ok && m.Via != "direct" {
		m.via, err = parseVia(string(m.Via))
		check("via", string(m.Via), err)
	}
	if m.url != nil && m.url.User != nil && m.header().Get("Authorization") != "" {
		problems = append(problems, fmt.Errorf("%s: headers: there is an Authorization, and user information in url too; give one of them", m.origins["headers"]))
	}
	for _, pair := range [][2]string{{"cert", "key"}, {"key", "cert"}} {
		if _, ok := m.origins[pair[0]]; ok && m.origins[pair[1]] == "" {
			problems = append(problems, fmt.Errorf("%s: %s is given without %s; a certificate needs both", m.origins[pair[0]], pair[0], pair[1]))
		}
	}
	return problems
}

// parseMirrorURL parses the URL of an entry; it is no list, and no name.
func parseMirrorURL(text string) (*url.URL, error) {
	if isName(text) || strings.ContainsAny(text, ",|") {
		return nil, errors.New("it must be one URL such as https://mirror.example; a comma in a password is written %2C")
	}
	entries, err := parseUpstream(text)
	if err != nil || len(entries) != 1 || entries[0].URL == nil {
		return nil, errors.New("it must be a URL that begins with https, http or file and has no query; in a password, special characters are written %XX")
	}
	return entries[0].URL, nil
}

// parseVia parses the URL of an outbound proxy.
func parseVia(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("it must be direct, or a URL such as http://proxy.example:3128 or socks5://proxy.example:1080")
	}
	return u, nil
}

// entry returns the mirror as one of the upstream list.
func (m *Mirror) entry() upstreamEntry {
	return upstreamEntry{ProxyEntry: godown.ProxyEntry{URL: m.url}, Mirror: m}
}

// header returns the header fields as package http has them; nil if there are none.
func (m *Mirror) header() http.Header {
	if len(m.Headers) == 0 {
		return nil
	}
	h := make(http.Header)
	for name, text := range m.Headers {
		h.Set(name, text)
	}
	return h
}

// proxy returns what tells the outbound proxy of each request to the mirror.
func (m *Mirror) proxy() func(*http.Request) (*url.URL, error) {
	switch m.Via {
	case "":
		return http.ProxyFromEnvironment
	case "direct":
		return nil
	}
	return http.ProxyURL(m.via)
}

// checkFiles checks the files that the entry names.
func (m *Mirror) checkFiles() []error {
	_, problems := m.tls()
	return problems
}

// tls reads the files that the entry names; nil if there are none.
func (m *Mirror) tls() (*tls.Config, []error) {
	if m.CA == "" && m.Cert == "" {
		return nil, nil
	}
	var problems []error
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if m.CA != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool() // a machine without any
		}
		data, err := os.ReadFile(m.CA)
		if err == nil && !roots.AppendCertsFromPEM(data) {
			err = errors.New("the file holds no certificate in PEM form")
		}
		if err != nil {
			problems = append(problems, problem("ca", m.CA, m.origins["ca"], err))
		}
		cfg.RootCAs = roots
	}
	if m.Cert != "" {
		pair, err := tls.LoadX509KeyPair(m.Cert, m.Key)
		if err != nil {
			problems = append(problems, problem("cert", m.Cert, m.origins["cert"], fmt.Errorf("it cannot be used with key %q: %w", m.Key, err)))
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, problems
}
