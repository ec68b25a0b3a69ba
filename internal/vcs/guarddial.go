package vcs

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/godown-dev/godown"
)

// lookup returns all addresses of t.
func (g *Guard) lookup(ctx context.Context, t guardTarget) ([]netip.Addr, error) {
	if t.addr.IsValid() {
		return []netip.Addr{t.addr}, nil
	}
	if t.name == "localhost" || strings.HasSuffix(t.name, ".localhost") { // RFC 6761: no server is asked
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	resolver := g.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	addrs, err := resolver.LookupNetIP(ctx, "ip", t.host)
	if err != nil {
		return nil, fmt.Errorf("looking up %.255q: %w", t.host, err)
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("looking up %.255q: it has no address", t.host)
	}
	addrs = slices.Clone(addrs)
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs, nil
}

// DialContext returns a function that connects as that of a [net.Dialer] does,
// to those addresses of the host that may be reached. If there are none, the error is a
// [*godown.Denied]. Outbound proxies have no part in it.
func (g *Guard) DialContext(free bool) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("%.100q is no host with a port", addr)
		}
		t, err := g.target(host, port, free)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(g.Timeouts.Connect, guardConnect))
		defer cancel()
		addrs, err := g.lookup(ctx, t)
		if err != nil {
			return nil, err
		}
		var refused string
		addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool {
			why := g.objection(t, a)
			refused = cmp.Or(refused, why)
			return why != ""
		})
		if len(addrs) == 0 {
			return nil, g.denied("%s", refused)
		}
		conn, err := g.connect(ctx, network, t, addrs)
		if err != nil && refused != "" {
			return nil, fmt.Errorf("connecting to %v: %w (other addresses were left out: %s)", t, err, refused)
		}
		if err != nil {
			return nil, fmt.Errorf("connecting to %v: %w", t, err)
		}
		return conn, nil
	}
}

// connect connects to one of addrs, and to nothing that may not be reached,
// whoever has chosen it.
func (g *Guard) connect(ctx context.Context, network string, t guardTarget, addrs []netip.Addr) (net.Conn, error) {
	dialer := &net.Dialer{ControlContext: func(_ context.Context, _, addr string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(addr)
		if err != nil {
			return err
		}
		if why := g.objection(t, to.Addr().Unmap()); why != "" {
			return g.denied("%s", why)
		}
		return nil
	}}
	return guardRace(ctx, guardOrder(addrs), func(ctx context.Context, a netip.Addr) (net.Conn, error) {
		return dialer.DialContext(ctx, network, netip.AddrPortFrom(a, t.port).String())
	})
}

// guardRace dials the addresses one after the other, as RFC 8305 has it: the next
// begins when one has failed, or has not been heard of for guardStagger.
func guardRace(ctx context.Context, addrs []netip.Addr, dial func(context.Context, netip.Addr) (net.Conn, error)) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan result)
	running := 0
	defer func() {
		cancel()
		for range running {
			if r := <-results; r.err == nil {
				r.conn.Close()
			}
		}
	}()
	var first error
	for len(addrs) > 0 || running > 0 {
		var next <-chan time.Time
		if len(addrs) > 0 {
			a := addrs[0]
			addrs = addrs[1:]
			running++
			go func() {
				conn, err := dial(ctx, a)
				results <- result{conn, err}
			}()
		}
		if len(addrs) > 0 {
			next = time.After(guardStagger)
		}
		select {
		case r := <-results:
			running--
			if r.err == nil || ctx.Err() != nil {
				return r.conn, r.err
			}
			if first == nil {
				first = r.err
			}
		case <-next:
		}
	}
	return nil, first
}

// guardOrder lets the families of addresses take turns, so that one that is
// not connected here costs one try.
func guardOrder(addrs []netip.Addr) []netip.Addr {
	var same, other []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			same = append(same, a)
		} else {
			other = append(other, a)
		}
	}
	out := make([]netip.Addr, 0, len(addrs))
	for i := range max(len(same), len(other)) {
		out = append(out, same[min(i, len(same)):min(i+1, len(same))]...)
		out = append(out, other[min(i, len(other)):min(i+1, len(other))]...)
	}
	return out
}

// Pin connects to host and port, closes that connection, and returns the address
// that worked, for ssh, which cannot be given a connection: with "-o
// HostName=IP" it connects to what was judged here, and with "-o
// HostKeyAlias=HOST" it still compares the key with that of the name. Outbound
// proxies have no part in it. Errors are those of [Guard.DialContext].
func (g *Guard) Pin(ctx context.Context, host, port string, free bool) (ip string, err error) {
	conn, err := g.DialContext(free)(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	ip, _, err = net.SplitHostPort(conn.RemoteAddr().String())
	return ip, err
}

// way returns the outbound proxy for u, or nil. Errors do not say what was
// configured, as that may hold a password.
func (g *Guard) way(u *url.URL) (*url.URL, error) {
	if g.Outward == nil {
		return nil, nil
	}
	via, err := g.Outward(u)
	if err != nil {
		return nil, fmt.Errorf("the outbound proxy for %s cannot be used: its setting (such as HTTPS_PROXY) is no URL like http://proxy.example:3128", u.Host)
	}
	if via != nil && (guardProxyPort(via.Scheme) == "" || via.Hostname() == "") {
		return nil, fmt.Errorf("the outbound proxy for %s cannot be used: it must be a URL with a host and the scheme http, https or socks5, not %.20q", u.Host, via.Scheme)
	}
	return via, nil
}

// guardProxyPort is the port of outbound proxies without one, or "" if the scheme is unknown.
func guardProxyPort(scheme string) string {
	return map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[scheme]
}

func guardProxyAddr(via *url.URL) string {
	return net.JoinHostPort(via.Hostname(), cmp.Or(via.Port(), guardProxyPort(via.Scheme)))
}

// Transport returns a new transport for pages such as ?go-get=1. Each request is
// judged, and so is each redirect that a client follows through it; refusals are
// a [*godown.Denied] inside of the client's error. It uses Outward.
func (g *Guard) Transport(free bool) *http.Transport {
	dial, toProxy := g.DialContext(free), g.DialContext(true)
	t := godown.NewTransport(g.Timeouts, nil)
	t.DialContext = dial
	t.TLSClientConfig = &tls.Config{RootCAs: g.Roots}
	if g.Outward == nil {
		return t
	}
	var proxies sync.Map // the addresses of those that Outward has named
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		// Judged even if there is no proxy for it, as it may have the address of one.
		port := cmp.Or(r.URL.Port(), map[string]string{"http": "80", "https": "443"}[r.URL.Scheme])
		if err := g.judge(r.Context(), r.URL.Hostname(), port, free); err != nil {
			return nil, err
		}
		via, err := g.way(r.URL)
		if via != nil {
			proxies.Store(guardProxyAddr(via), true)
		}
		return via, err
	}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if _, ok := proxies.Load(addr); ok {
			return toProxy(ctx, network, addr)
		}
		return dial(ctx, network, addr)
	}
	t.OnProxyConnectResponse = func(_ context.Context, via *url.URL, req *http.Request, resp *http.Response) error {
		return guardConnected(via, req.Host, resp)
	}
	return t
}

// guardConnected returns an error unless resp allows the connection to target.
func guardConnected(via *url.URL, target string, resp *http.Response) error {
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return fmt.Errorf("the outbound proxy %s wants other credentials for a connection to %s", via.Host, target)
	}
	return fmt.Errorf("the outbound proxy %s refuses a connection to %s: it answers %d %s", via.Host, target, resp.StatusCode, http.StatusText(resp.StatusCode))
}

// through connects to host and port by means of the outbound proxy via.
func (g *Guard) through(ctx context.Context, via *url.URL, host, port string) (_ net.Conn, err error) {
	conn, err := g.DialContext(true)(ctx, "tcp", guardProxyAddr(via))
	if err != nil {
		return nil, fmt.Errorf("outbound proxy: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(g.Timeouts.FirstByte, guardFirstByte))
	defer cancel()
	raw := conn
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Now()) })
	switch via.Scheme {
	case "socks5", "socks5h":
		err = guardSocks(conn, via.User, host, port)
	case "https":
		secure := tls.Client(conn, &tls.Config{ServerName: via.Hostname(), RootCAs: g.Roots})
		conn = secure
		hello, cancel := context.WithTimeout(ctx, cmp.Or(g.Timeouts.TLS, guardTLS))
		err = secure.HandshakeContext(hello)
		cancel()
		if err != nil {
			break
		}
		fallthrough
	default:
		err = guardAsk(conn, via, net.JoinHostPort(host, port))
	}
	if !stop() {
		err = context.Cause(ctx) // the deadline is set, and makes conn useless
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("outbound proxy %s: %w", via.Host, err)
	}
	return conn, nil
}

// guardAsk sends CONNECT to the outbound proxy at the other end of conn.
func guardAsk(conn net.Conn, via *url.URL, target string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{"User-Agent": {""}}}
	if u := via.User; u != nil {
		password, _ := u.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return err
	}
	br := bufio.NewReader(io.LimitReader(conn, 64<<10))
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		return fmt.Errorf("its answer to CONNECT: %w", err)
	}
	if err := guardConnected(via, target, resp); err != nil {
		return err
	}
	if br.Buffered() > 0 { // in TLS, the client speaks first
		return errors.New("it sends more than was asked for")
	}
	return nil
}

// guardSocks asks the outbound proxy at the other end of conn to connect: RFC
// 1928, and RFC 1929 for user and password.
func guardSocks(conn net.Conn, user *url.Userinfo, host, port string) error {
	answer := make([]byte, 2, 4+256+2)
	say := func(what string, msg []byte, n int) error {
		_, err := conn.Write(msg)
		if err == nil {
			answer = answer[:n]
			_, err = io.ReadFull(conn, answer)
		}
		if err != nil {
			return fmt.Errorf("socks5, %s: %w", what, err)
		}
		return nil
	}
	hello := []byte{5, 1, 0}
	if user != nil {
		hello = []byte{5, 2, 0, 2}
	}
	if err := say("hello", hello, 2); err != nil {
		return err
	}
	name := user.Username()
	password, _ := user.Password()
	switch {
	case answer[0] != 5:
		return errors.New("it does not speak socks5")
	case answer[1] == 2 && user != nil:
		if len(name) > 255 || len(password) > 255 {
			return errors.New("socks5 has no room for a user or password of more than 255 bytes")
		}
		login := append([]byte{1, byte(len(name))}, name...)
		login = append(append(login, byte(len(password))), password...)
		if err := say("login", login, 2); err != nil {
			return err
		}
		if answer[1] != 0 {
			return errors.New("it does not accept the user or password")
		}
	case answer[1] != 0:
		return errors.New("it wants another way to log in than it was offered")
	}
	msg := []byte{5, 1, 0}
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap().WithZone("")
		kind := byte(1)
		if a.Is6() {
			kind = 4
		}
		msg = append(append(msg, kind), a.AsSlice()...)
	} else {
		if len(host) > 255 {
			return errors.New("socks5 has no room for a host of more than 255 bytes")
		}
		msg = append(append(msg, 3, byte(len(host))), host...)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("port %q: %w", port, err)
	}
	if err := say("request", binary.BigEndian.AppendUint16(msg, uint16(n)), 5); err != nil {
		return err
	}
	if answer[1] != 0 {
		return fmt.Errorf("it refuses a connection to %s: socks5 reply %d (RFC 1928, section 6)", net.JoinHostPort(host, port), answer[1])
	}
	rest, ok := map[byte]int{1: 4 + 2 - 1, 3: int(answer[4]) + 2, 4: 16 + 2 - 1}[answer[3]]
	if !ok {
		return errors.New("its socks5 reply has an unknown kind of address")
	}
	return say("reply", nil, rest)
}
