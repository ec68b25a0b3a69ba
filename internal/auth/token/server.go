package token

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/auth"
)

// A Server is where a login holds: at an https URL, and at all that is below its
// path. The zero Server is none. Servers are compared by ==.
type Server struct {
	host, port string // as in auth.Place
	path       string // of "/" and an escaped element each; "": all of the host
}

// A Reason says why a text names no server that a token may be shown to.
type Reason int

// The reasons.
const (
	NotURL  Reason = iota // it is no URL with a host
	Plain                 // it is http, where anybody between could read the token
	HasUser               // it has a user or password of its own
	HasTail               // it has a query or a fragment
	Unclear               // its host or path could be read in two ways
)

// A BadServer is the error for a text that names no server. It does not repeat
// the text, which may hold a secret.
type BadServer struct{ Reason Reason }

func (e *BadServer) Error() string {
	switch e.Reason {
	case Plain:
		return "a token is shown over https only, where nobody between can read it, and so does the go command"
	case HasUser:
		return "the URL has a user or a password in it, which are given apart"
	case HasTail:
		return "the URL has a query or a fragment, which no server of modules has"
	case Unclear:
		return "the URL has a host or a path that could be read in two ways"
	}
	return "it is not the URL of a server, such as https://goproxy.corp.example"
}

// ParseServer parses the URL of a server; without a scheme, https is meant. Its error is a *BadServer.
func ParseServer(text string) (Server, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return Server{}, &BadServer{NotURL}
	}
	switch scheme := strings.ToLower(u.Scheme); {
	case scheme == "http":
		return Server{}, &BadServer{Plain}
	case scheme != "https":
		return Server{}, &BadServer{NotURL}
	case u.User != nil:
		return Server{}, &BadServer{HasUser}
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return Server{}, &BadServer{HasTail}
	}
	p, ok := auth.PlaceOf(u)
	if !ok {
		return Server{}, &BadServer{Unclear}
	}
	return serverAt(p, len(p.Path)), nil
}

// serverAt returns the server at the first n elements of a place's path.
func serverAt(p auth.Place, n int) Server {
	s := Server{host: p.Host, port: p.Port}
	for _, elem := range p.Path[:n] {
		s.path += "/" + url.PathEscape(elem)
	}
	return s
}

// String returns the server's URL, which ends without a slash.
func (s Server) String() string {
	if s == (Server{}) {
		return ""
	}
	return s.at(s.port != "443")
}

// at returns the URL with the port, or without.
func (s Server) at(port bool) string {
	host := s.host
	switch {
	case port:
		host = net.JoinHostPort(host, s.port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return "https://" + host + s.path
}

// URL returns the server's URL.
func (s Server) URL() *url.URL {
	u, err := url.Parse(s.String())
	if err != nil { // ParseServer lets nothing else in
		panic(fmt.Sprintf("token: a server that is no URL: %v", err))
	}
	return u
}

// MarshalText is String.
func (s Server) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseServer.
func (s *Server) UnmarshalText(text []byte) (err error) {
	*s, err = ParseServer(string(text))
	return err
}

// spellings returns the prefixes by which the go command finds the server: it
// compares texts, and a port may be written or not.
func (s Server) spellings() []string {
	if s.port == "443" {
		return []string{s.at(false), s.at(true)}
	}
	return []string{s.at(true)}
}

// depth returns how many elements the path has.
func (s Server) depth() int { return strings.Count(s.path, "/") }

// Covers reports whether a URL is the server's, or below it.
func (s Server) Covers(u *url.URL) bool {
	p, ok := auth.PlaceOf(u)
	return ok && s != (Server{}) && len(p.Path) >= s.depth() && serverAt(p, s.depth()) == s
}

// prefix returns what of a URL that the server covers is the server, spelt as in the URL.
func (s Server) prefix(u *url.URL) string {
	elems := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	return "https://" + u.Host + strings.Join(slices.Insert(elems[:s.depth():s.depth()], 0, ""), "/")
}
