package vcs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// A Guard decides which addresses may be reached for modules whose paths
// strangers chose: without it they could have us ask whatever our network has
// (a metadata service, a database, a router) in their stead. Public unicast
// addresses may be reached, all others only if allowed.
//
// Names are judged by what they resolve to, and what is connected to is what was
// judged, so that a name that changes its address meanwhile gains nothing.
// Whatever has a parameter called free is not judged if that is true: the module
// is one the operator has named private.
//
// The zero Guard works. Fields must not be changed after the first use.
type Guard struct {
	Allow Allow // what may be reached though it is not public

	// Outward returns the outbound proxy for a URL, as http.Transport.Proxy
	// does for a request; nil, or a nil URL: none. The proxy may have any address;
	// it is http, https or socks5. Since the proxy resolves names again, those
	// that it alone can resolve, or resolves in another way, are its matter.
	Outward func(*url.URL) (*url.URL, error)

	// Resolver looks up names; nil: net.DefaultResolver.
	Resolver interface {
		LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	}
	Roots    *x509.CertPool  // whom to trust in TLS; nil: whom the system trusts
	Timeouts godown.Timeouts // those that are 0 have NewTransport's defaults
	Idle     time.Duration   // a connection through a Pass that moves no byte for so long is cut; 0: 2 min

	mu      sync.Mutex // guards what follows
	server  *http.Server
	addr    string // of its listener
	passes  map[[32]byte]*Pass
	closed  bool
	serving sync.WaitGroup // the server and its handlers
}

const (
	guardConnect   = 10 * time.Second
	guardTLS       = 10 * time.Second
	guardFirstByte = 30 * time.Second       // from CONNECT to its answer
	guardLookup    = 3 * time.Second        // for a name that an outbound proxy will resolve
	guardStagger   = 250 * time.Millisecond // RFC 8305, section 5
)

// denied is the refusal of something, with what to do.
func (g *Guard) denied(format string, args ...any) error {
	return &godown.Denied{Rule: "allow-host", Reason: fmt.Sprintf(format, args...) +
		"; if this is meant, name the host in --allow-host, or the module in --private"}
}

// A guardTarget is a host and a port, read strictly.
type guardTarget struct {
	host string     // as it was given
	name string     // in lower case without a last dot; empty with addr
	addr netip.Addr // if the host is an address
	port uint16
	open bool // may be reached whatever its address is
}

func (t guardTarget) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// target reads a host and a port, and refuses hosts that others might read
// in another way than we do.
func (g *Guard) target(host, port string, free bool) (guardTarget, error) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" {
		return guardTarget{}, fmt.Errorf("%.100q is no host with a port", host+":"+port)
	}
	t := guardTarget{host: host, port: uint16(n), open: free}
	bare := strings.TrimSuffix(host, ".")
	if a, err := netip.ParseAddr(bare); err == nil {
		t.addr = a.Unmap()
		t.open = t.open || g.Allow.address(t.addr, t.port)
		return t, nil
	}
	t.name = strings.ToLower(bare)
	t.open = t.open || g.Allow.host(t.name, t.port)
	if err := guardName(t.name); err != nil && !t.open {
		return t, g.denied("%.100q %v", host, err)
	}
	return t, nil
}

// guardName returns what is wrong with a host name in lower case.
func guardName(name string) error {
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	switch {
	case strings.ContainsFunc(name, func(r rune) bool { return r > 0x7e }):
		return errors.New("has letters beyond ASCII (host names are written with xn-- then)")
	case name == "" || len(name) > 253 || slices.Contains(labels, "") || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "":
		return errors.New("is no host name")
	case strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "":
		// To inet_aton, and so to many programs, 127.1, 0x7f.1 and 2130706433 are 127.0.0.1.
		return errors.New("is no address, but some would read it as one (addresses have four decimal numbers)")
	}
	return nil
}

// guardInner reports whether a name never is one of the public DNS: RFC 6762
// and 8375, .internal, and names without a dot.
func guardInner(name string) bool {
	for _, top := range []string{"local", "internal", "home.arpa"} {
		if strings.HasSuffix(name, "."+top) {
			return true
		}
	}
	return !strings.Contains(name, ".")
}

// objection returns why t may not be reached at a, or "".
func (g *Guard) objection(t guardTarget, a netip.Addr) string {
	if t.open || g.Allow.address(a, t.port) {
		return ""
	}
	if kind := guardKind(a); kind != "" {
		if t.addr.IsValid() {
			return fmt.Sprintf("%v is not a public address (%s)", a, kind)
		}
		return fmt.Sprintf("%s has the address %v, which is not public (%s)", t.host, a, kind)
	}
	return t.badPort()
}

// badPort says what is wrong with the port of a public host, or "". Git hosts
// listen on the ports named here, or where no privilege is needed; what else is
// below 1024 (mail, above all) could be made to take a request for its own.
func (t guardTarget) badPort() string {
	if t.port < 1024 && !slices.Contains([]uint16{22, 80, 443, 9418}, t.port) {
		return fmt.Sprintf("port %d of %s is none of a git or web server", t.port, t.host)
	}
	return ""
}

// judge decides on a host that an outbound proxy is to connect to. Which of its
// addresses the proxy takes is not ours to choose: all must do.
func (g *Guard) judge(ctx context.Context, host, port string, free bool) error {
	t, err := g.target(host, port, free)
	if err != nil || t.open {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, guardLookup)
	defer cancel()
	addrs, err := g.lookup(ctx, t)
	if err != nil && guardInner(t.name) {
		return g.denied("%s cannot be resolved here, and is no name of the public DNS", t.host)
	}
	if why := t.badPort(); err != nil && why != "" {
		return g.denied("%s", why)
	}
	for _, a := range addrs {
		if why := g.objection(t, a); why != "" {
			return g.denied("%s", why)
		}
	}
	return nil
}

// guardSpecial has the addresses that are not public, after the registries of
// special-purpose addresses of IANA (RFC 6890). What is used for the routing of
// the whole net only (anycast relays, protocol assignments) is among them.
var guardSpecial = []struct {
	prefix netip.Prefix
	kind   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by a carrier's customers"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's own service"}, // of Azure, to each of its machines
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "reserved"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("2001::/23"), "reserved"},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// guardTunnels has the IPv6 addresses that lead to an IPv4 one, and where in
// them it stands.
var guardTunnels = []struct {
	prefix   netip.Prefix
	at       []int
	inverted int // the one of at whose bits are inverted; 0: none
}{
	{netip.MustParsePrefix("64:ff9b::/96"), []int{12}, 0},  // NAT64, RFC 6052
	{netip.MustParsePrefix("2002::/16"), []int{2}, 0},      // 6to4, RFC 3056
	{netip.MustParsePrefix("2001::/32"), []int{4, 12}, 12}, // Teredo, RFC 4380: server and client
}

// guardKind says what kind of address a is, or "" if it is a public unicast one.
func guardKind(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return "no address"
	}
	b := a.As16()
	inner := func(at, invert int) string {
		v4 := [4]byte(b[at : at+4])
		for i := range v4 {
			if at == invert {
				v4[i] ^= 0xff
			}
		}
		if kind := guardKind(netip.AddrFrom4(v4)); kind != "" {
			return fmt.Sprintf("a way to %v, %s", netip.AddrFrom4(v4), kind)
		}
		return ""
	}
	for _, t := range guardTunnels {
		if t.prefix.Contains(a) {
			for _, at := range t.at {
				if kind := inner(at, t.inverted); kind != "" {
					return kind
				}
			}
			return ""
		}
	}
	for _, s := range guardSpecial {
		if s.prefix.Contains(a) {
			return s.kind
		}
	}
	switch {
	case a.Is4():
		return ""
	case b[0]>>5 != 1: // 2000::/3 is all that was ever given out
		return "not in use"
	case b[8]&^3 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214
		return inner(12, 0)
	}
	return ""
}

// An Allow says what may be reached though it is not public; the zero Allow:
// nothing. It is made by [ParseAllow].
type Allow struct {
	rules []guardRule
}

// A guardRule holds if each of its fields does.
type guardRule struct {
	name   string // a host; "*.corp.example": those below corp.example; "*": whatever; empty: see prefix
	prefix netip.Prefix
	port   uint16 // 0: any
}

func (r guardRule) String() string {
	s := r.name
	if s == "" {
		if s = r.prefix.String(); r.prefix.IsSingleIP() {
			s = r.prefix.Addr().String()
		}
		if r.port != 0 && r.prefix.Addr().Is6() {
			s = "[" + s + "]"
		}
	}
	if r.port != 0 {
		s += ":" + strconv.Itoa(int(r.port))
	}
	return s
}

// String returns what [ParseAllow] makes the same Allow of.
func (a Allow) String() string {
	var out []string
	for _, r := range a.rules {
		out = append(out, r.String())
	}
	return strings.Join(out, ",")
}

// host reports whether the host of that name, in lower case without a last dot, is allowed.
func (a Allow) host(name string, port uint16) bool {
	return slices.ContainsFunc(a.rules, func(r guardRule) bool {
		below, wild := strings.CutPrefix(r.name, "*")
		return (r.port == 0 || r.port == port) &&
			(r.name == "*" || name != "" && r.name == name || wild && strings.HasSuffix(name, below))
	})
}

// address reports whether addr is allowed, whoever has it.
func (a Allow) address(addr netip.Addr, port uint16) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(a.rules, func(r guardRule) bool {
		return (r.port == 0 || r.port == port) && (r.name == "*" || r.name == "" && r.prefix.Contains(addr))
	})
}

// ParseAllow reads a list, separated by commas, of host names
// (git.corp.example), all names below one (*.corp.example), addresses
// (10.1.2.3, fd00::1) and ranges of them (10.0.0.0/8), each with a port behind
// it or without (git.corp.example:8443, [fd00::1]:443, [fd00::/8]:443).
// "*" stands for everything.
func ParseAllow(text string) (Allow, error) {
	var a Allow
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		r, err := guardParse(strings.ToLower(entry))
		if err != nil {
			return Allow{}, fmt.Errorf("%.100q cannot be allowed: %w", entry, err)
		}
		if !slices.Contains(a.rules, r) {
			a.rules = append(a.rules, r)
		}
	}
	return a, nil
}

func guardParse(entry string) (r guardRule, err error) {
	if strings.Contains(entry, "://") || strings.Contains(entry, "@") {
		return r, errors.New("it is more than a host; give that alone, such as git.corp.example")
	}
	if _, err := netip.ParseAddr(entry); err == nil {
		return guardRange(entry)
	}
	if _, err := netip.ParsePrefix(entry); err == nil {
		return guardRange(entry)
	}
	host, bracketed := strings.CutPrefix(entry, "[")
	var port string
	var ported, closed bool
	if bracketed {
		if host, port, closed = strings.Cut(host, "]"); !closed {
			return r, errors.New("a ] is missing")
		}
		if port, ported = strings.CutPrefix(port, ":"); !ported && port != "" {
			return r, errors.New("after ] only a port may follow, such as :443; the length of a range is written before it, as in [fd00::/8]:443")
		}
	} else {
		host, port, ported = strings.Cut(entry, ":")
	}
	if strings.Contains(port, ":") {
		return r, errors.New("it is neither an IPv6 address nor a host with a port (an IPv6 address with a port is written as [fd00::1]:443)")
	}
	var n uint64
	if ported {
		if n, err = strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return r, fmt.Errorf("%q is no port from 1 to 65535", port)
		}
	}
	if bracketed || strings.Contains(host, "/") {
		r, err = guardRange(host)
	} else if _, bad := netip.ParseAddr(host); bad == nil {
		r, err = guardRange(host)
	} else if host == "*" {
		r.name = host
	} else {
		r.name = strings.TrimSuffix(host, ".")
		if bad := guardName(strings.TrimPrefix(r.name, "*.")); bad != nil {
			err = fmt.Errorf("%q %w", host, bad)
		}
	}
	r.port = uint16(n)
	return r, err
}

// guardRange reads an address or a range of them.
func guardRange(text string) (r guardRule, err error) {
	a, err := netip.ParseAddr(text)
	if err == nil {
		if a.Zone() != "" {
			return r, errors.New("an address is allowed in all zones or none; leave out what begins with %")
		}
		a = a.Unmap()
		return guardRule{prefix: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return r, fmt.Errorf("%q is neither an address nor a range such as 10.0.0.0/8", text)
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p.Masked() != p {
		return r, fmt.Errorf("the range is %v; write that, or the address alone", p.Masked())
	}
	return guardRule{prefix: p}, nil
}
