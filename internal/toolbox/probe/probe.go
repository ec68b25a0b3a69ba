// Package probe goes towards a mirror one step at a time, as the go command would:
// it resolves the name, connects, makes the TLS handshake, and asks for one file. Each
// step tells how long it took, and what kind of failure it met; none returns an error.
//
// Credentials in a URL are used for its request, and are in no result.
package probe

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// A Prober says how the steps are made. The zero Prober is ready: it goes
// straight, trusts what the system trusts, and waits as long as the defaults say.
type Prober struct {
	Proxy    func(*http.Request) (*url.URL, error) // as [http.Transport.Proxy]; nil: no outbound proxy
	Resolver *net.Resolver                         // nil: the system's
	TLS      *tls.Config                           // nil: what the system trusts; only RootCAs, Certificates and Time count
	Header   http.Header                           // more header fields for requests; not sent to hosts that these are redirected to

	Timeouts Timeouts
}

// Timeouts are how long each step may take; those that are 0 have defaults.
type Timeouts struct {
	DNS       time.Duration // default 5 s
	Connect   time.Duration // of one address; default 5 s
	TLS       time.Duration // default 5 s
	FirstByte time.Duration // from the request to the answer's header; default 10 s
	Total     time.Duration // of a request with its answer, connecting included; default 30 s
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&t.DNS, 5*time.Second)
	set(&t.Connect, 5*time.Second)
	set(&t.TLS, 5*time.Second)
	set(&t.FirstByte, 10*time.Second)
	set(&t.Total, 30*time.Second)
	return t
}

// A Lookup is what the name resolution of a host gave.
type Lookup struct {
	Host    string
	IPv4    []netip.Addr
	IPv6    []netip.Addr
	Took    time.Duration
	Failure *Failure // nil: there is an address
}

// Addrs returns all addresses, IPv6 first, each with a port.
func (l Lookup) Addrs(port uint16) []netip.AddrPort {
	var all []netip.AddrPort
	for _, list := range [][]netip.Addr{l.IPv6, l.IPv4} {
		for _, a := range list {
			all = append(all, netip.AddrPortFrom(a, port))
		}
	}
	return all
}

// DNS resolves the name of a host as a [Prober] without settings does.
func DNS(ctx context.Context, host string) Lookup { return new(Prober).DNS(ctx, host) }

// DNS resolves the name of a host, which may be an address already.
func (p *Prober) DNS(ctx context.Context, host string) Lookup {
	resolver := p.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	found := Lookup{Host: host}
	start := time.Now()
	step, cancel := context.WithTimeout(ctx, p.Timeouts.withDefaults().DNS)
	defer cancel()
	addrs, err := resolver.LookupNetIP(step, "ip", host)
	found.Took = time.Since(start)
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() {
			found.IPv4 = append(found.IPv4, a)
		} else {
			found.IPv6 = append(found.IPv6, a)
		}
	}
	if err != nil {
		found.Failure = classify(ctx, PhaseDNS, err)
	}
	return found
}

// A Connection is what came of connecting to one address.
type Connection struct {
	Addr    netip.AddrPort
	Took    time.Duration
	Failure *Failure // nil: somebody listens there
}

// Connect connects to one address, and hangs up.
func (p *Prober) Connect(ctx context.Context, addr netip.AddrPort) Connection {
	made := Connection{Addr: addr}
	start := time.Now()
	conn, err := p.dial(ctx, addr)
	made.Took = time.Since(start)
	if err != nil {
		made.Failure = classify(ctx, PhaseConnect, err)
		made.Failure.Addr = addr.String()
		return made
	}
	_ = conn.Close() // nothing was said
	return made
}

func (p *Prober) dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: p.Timeouts.withDefaults().Connect}
	return d.DialContext(ctx, "tcp", addr.String())
}

// Via returns the outbound proxy by which a URL is reached, or nil.
func (p *Prober) Via(u *url.URL) (*url.URL, error) {
	if p.Proxy == nil {
		return nil, nil
	}
	return p.Proxy(&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: make(http.Header)})
}

// Port returns the port of a URL, with its scheme's where it names none.
func Port(u *url.URL) uint16 {
	if port, err := net.LookupPort("tcp", u.Port()); u.Port() != "" && err == nil {
		return uint16(port)
	}
	if u.Scheme == "http" {
		return 80
	}
	return 443
}
