package doctor

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

// An httpProxies says which HTTP proxy the go command takes for a URL, by the
// rules of net/http: upper case first, localhost and loopback never.
type httpProxies struct {
	http, https setHTTPProxy
	none        setNoProxy
	cgi         bool // REQUEST_METHOD is set: then HTTP_PROXY may be an attacker's, and is refused
}

// A setHTTPProxy is HTTP_PROXY or HTTPS_PROXY.
type setHTTPProxy struct {
	name string   // of the variable that counts; "" if none is set
	raw  string   // its value, which may hold a password
	url  *url.URL // nil if it cannot be understood: then the go command silently takes none
}

// A setNoProxy is NO_PROXY.
type setNoProxy struct {
	name, raw string
	entries   []noProxyEntry
	all       bool // it has "*"
}

// A noProxyEntry is one of NO_PROXY.
type noProxyEntry struct {
	text   string
	prefix netip.Prefix // of addresses; invalid if it is a name
	name   string       // begins with a dot
	self   bool         // the name without the dot as well
	port   string       // "" is any
}

// proxiesOf reads the environment as net/http does.
func proxiesOf(m goenv.Machine) *httpProxies {
	p := &httpProxies{cgi: m.Getenv("REQUEST_METHOD") != ""}
	p.http.name, p.http.raw = firstSet(m, "HTTP_PROXY", "http_proxy")
	p.https.name, p.https.raw = firstSet(m, "HTTPS_PROXY", "https_proxy")
	p.none.name, p.none.raw = firstSet(m, "NO_PROXY", "no_proxy")
	p.http.url, p.https.url = parseHTTPProxy(p.http.raw), parseHTTPProxy(p.https.raw)
	for text := range strings.SplitSeq(p.none.raw, ",") {
		if text = strings.ToLower(strings.TrimSpace(text)); text == "*" {
			p.none.all = true
		} else if e := parseNoProxy(text); e.text != "" {
			p.none.entries = append(p.none.entries, e)
		}
	}
	return p
}

func firstSet(m goenv.Machine, names ...string) (name, value string) {
	for _, name := range names {
		if v := m.Getenv(name); v != "" {
			return name, v
		}
	}
	return "", ""
}

// parseHTTPProxy returns nil for what net/http cannot understand.
func parseHTTPProxy(raw string) *url.URL {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Host == "" {
		if with, err := url.Parse("http://" + raw); err == nil {
			return with
		}
	}
	if err != nil {
		return nil
	}
	return u
}

// parseNoProxy returns an entry without text for what net/http skips.
func parseNoProxy(text string) noProxyEntry {
	if p, err := netip.ParsePrefix(text); err == nil {
		return noProxyEntry{text: text, prefix: p.Masked()}
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = text, ""
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" {
		return noProxyEntry{}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return noProxyEntry{text: text, prefix: netip.PrefixFrom(a, a.BitLen()), port: port}
	}
	host = strings.TrimPrefix(host, "*")
	e := noProxyEntry{text: text, name: host, port: port}
	if !strings.HasPrefix(host, ".") {
		e.name, e.self = "."+host, true
	}
	return e
}

// forURL returns the proxy for a URL; nil is none.
func (p *httpProxies) forURL(u *url.URL) *url.URL {
	set := p.https
	if u.Scheme == "http" {
		set = p.http
	}
	if set.url == nil || p.spared(u) != "" {
		return nil
	}
	return set.url
}

// spared returns why no proxy is asked for u: an entry of NO_PROXY, "*", or "loopback".
func (p *httpProxies) spared(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "localhost" || err == nil && addr.IsLoopback():
		return "loopback"
	case p.none.all:
		return "*"
	}
	for _, e := range p.none.entries {
		if e.matches(host, port, addr) {
			return e.text
		}
	}
	return ""
}

// matches reports whether an entry is for a host; addr is valid if that is an address.
func (e noProxyEntry) matches(host, port string, addr netip.Addr) bool {
	if e.port != "" && e.port != port {
		return false
	}
	if addr.IsValid() {
		return e.prefix.IsValid() && e.prefix.Contains(addr.Unmap())
	}
	return e.name != "" && (strings.HasSuffix(host, e.name) || e.self && host == e.name[1:])
}

// showProxy returns a proxy's URL without what may be secret.
func showProxy(raw string) string {
	u := parseHTTPProxy(raw)
	if u == nil || u.Host == "" {
		if strings.Contains(raw, "@") {
			return "(a value with an @, not shown: it may hold a password)"
		}
		return raw
	}
	return showURL(u)
}

// showURL returns a URL without its password, query and fragment.
func showURL(u *url.URL) string {
	v := *u
	v.RawQuery, v.Fragment, v.RawFragment = "", "", ""
	if _, has := v.User.Password(); v.User != nil && !has && v.Scheme != "ssh" && v.Scheme != "git+ssh" {
		v.User = url.User(hidden) // a token often stands as the name
	}
	return v.Redacted()
}
