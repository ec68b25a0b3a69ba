package vcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
)

// guardNames is a resolver: each lookup of a name gives the next of its
// answers, and the last one for ever; "*" stands for names it has not.
type guardNames struct {
	answers map[string][]string // addresses separated by spaces
	asked   atomic.Int32
}

func (n *guardNames) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	answers := n.answers[host]
	if answers == nil {
		answers = n.answers["*"]
	}
	i := int(n.asked.Add(1)) - 1
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var out []netip.Addr
	for _, a := range strings.Fields(answers[min(i, len(answers)-1)]) {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

func guardAllow(t testing.TB, text string) Allow {
	t.Helper()
	a, err := ParseAllow(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// guardDenied checks that err refuses, and says what to do.
func guardDenied(t testing.TB, err error, words ...string) {
	t.Helper()
	denied, ok := errors.AsType[*godown.Denied](err)
	if !ok {
		t.Errorf("not refused: error %v", err)
		return
	}
	for _, word := range append(words, "--allow-host", "--private") {
		if denied.Rule != "allow-host" || !strings.Contains(denied.Reason, word) {
			t.Errorf("refused with %q; want %q in it", denied, word)
		}
	}
}

// guardTrap is a loopback server that must not be reached.
func guardTrap(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Errorf("%v was reached", c.LocalAddr())
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func TestGuardAddresses(t *testing.T) {
	const public = ""
	for addr, want := range map[string]string{
		"1.1.1.1": public, "9.255.255.255": public, "11.0.0.0": public, "100.63.255.255": public, "100.128.0.0": public,
		"126.255.255.255": public, "128.0.0.0": public, "169.253.255.255": public, "172.15.255.255": public, "172.32.0.0": public,
		"192.167.255.255": public, "223.255.255.255": public, "168.63.129.15": public,
		"2606:4700:4700::1111": public, "2400::1": public, "2a00::1": public, "::ffff:1.1.1.1": public,
		"64:ff9b::1.1.1.1": public, "2002:0101:0101::1": public, "2001:0:101:101::fefe:fefe": public, "2606::5efe:1.1.1.1": public,
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "10.0.0.1": "private", "10.255.255.255": "private", "100.64.0.1": "carrier", "100.100.100.200": "carrier",
		"127.0.0.1": "loopback", "127.255.255.254": "loopback", "169.254.169.254": "link-local", "172.16.0.1": "private", "172.31.255.255": "private",
		"192.0.0.192": "reserved", "192.0.2.1": "documentation", "192.88.99.1": "reserved", "192.168.1.1": "private", "198.18.0.1": "benchmarks", "198.19.255.255": "benchmarks",
		"198.51.100.1": "documentation", "203.0.113.1": "documentation", "224.0.0.1": "multicast", "239.255.255.255": "multicast", "240.0.0.1": "reserved",
		"255.255.255.255": "broadcast", "168.63.129.16": "cloud",
		"::": "unspecified", "::1": "loopback", "::127.0.0.1": "not in use", "::1.1.1.1": "not in use", "::ffff:127.0.0.1": "loopback", "::ffff:10.0.0.1": "private", "::ffff:0:127.0.0.1": "not in use",
		"64:ff9b::127.0.0.1": "a way to 127.0.0.1, loopback", "64:ff9b::169.254.169.254": "link-local", "64:ff9b:1::1.1.1.1": "not in use", "100::1": "not in use",
		"2002:7f00:1::": "a way to 127.0.0.1, loopback", "2002:a9fe:a9fe::1": "link-local", "2001:0:7f00:1::fefe:fefe": "loopback", "2001:0:101:101::80ff:fffe": "loopback",
		"2606::5efe:10.0.0.1": "private", "2606::200:5efe:10.0.0.1": "private",
		"2001:2::1": "reserved", "2001:20::1": "reserved", "2001:db8::1": "documentation", "3fff::1": "documentation", "5f00::1": "not in use", "4000::1": "not in use", "1fff::1": "not in use",
		"fc00::1": "private", "fd00:ec2::254": "private", "fe80::1": "link-local", "fe80::1%lo": "link-local", "febf::1": "link-local", "::1%lo": "loopback", "fec0::1": "site-local", "ff02::1": "multicast",
	} {
		if got := guardKind(netip.MustParseAddr(addr)); want == public && got != public || !strings.Contains(got, want) {
			t.Errorf("%s: kind %q; want %q", addr, got, want)
		}
	}
	if guardKind(netip.Addr{}) == public {
		t.Error("no address is public")
	}
}

// No way to write a loopback address leads to it, whatever the resolver makes of it.
func TestGuardSpellings(t *testing.T) {
	port := guardTrap(t)
	for _, resolver := range []*guardNames{nil, {answers: map[string][]string{"*": {"127.0.0.1"}}}, {answers: map[string][]string{"*": {"::ffff:127.0.0.1 ::1"}}}} {
		g := &Guard{}
		if resolver != nil {
			g.Resolver = resolver
		}
		hosts := []string{"127.0.0.1", "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::1%lo]", "0.0.0.0", "[::]", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "0X7F.1",
			"2130706433", "2130706433.", "0177.0.0.1", "017700000001", "127.0.0.01", "1.0x", "１２７.0.0.1", "127。0。0。1", "ⅼocalhost", "a b", "a/b", "..", "x..y", strings.Repeat("a.", 130) + "a"}
		if resolver != nil { // else no name may leave this machine
			hosts = append(hosts, "git.evil.example", "GIT.evil.example.", "xn--abc.example", "a_b.example")
		}
		for _, host := range append(hosts, "localhost", "LOCALHOST", "localhost.") {
			_, err := g.DialContext(false)(t.Context(), "tcp", host+":"+port)
			if _, ok := errors.AsType[*godown.Denied](err); !ok {
				t.Errorf("%s: error %v; want a refusal", host, err)
			}
			if err := g.judge(t.Context(), strings.Trim(host, "[]"), port, false); err == nil {
				t.Errorf("%s is given to an outbound proxy", host)
			}
		}
	}
	g := &Guard{Resolver: &guardNames{answers: map[string][]string{"git.evil.example": {"127.0.0.1"}}}}
	_, err := g.DialContext(false)(t.Context(), "tcp", "git.evil.example:443")
	guardDenied(t, err, "git.evil.example", "127.0.0.1", "loopback")
	for _, addr := range []string{"localhost", "localhost:", "localhost:0", "localhost:65536", "localhost:+1", "localhost:http", ":80", ""} {
		if _, err := g.DialContext(true)(t.Context(), "tcp", addr); err == nil || !strings.Contains(err.Error(), "no host with a port") {
			t.Errorf("%s: error %v", addr, err)
		}
	}
}

// Names that an outbound proxy alone can resolve are its matter, unless they are of a private network.
func TestGuardJudgesForProxies(t *testing.T) {
	g := &Guard{Allow: guardAllow(t, "10.0.0.0/8,gitea"), Resolver: &guardNames{answers: map[string][]string{
		"both.example": {"1.1.1.1 192.168.0.1"}, "public.example": {"1.1.1.1 2606:4700::1"}, "corp.example": {"10.1.1.1"}}}}
	for target, ok := range map[string]bool{
		"unknown.example:443": true, "unknown.example:25": false, "public.example:443": true, "public.example:8443": true, "public.example:25": false,
		"both.example:443": false, "corp.example:443": true, "corp.example:25": true, "gitea:3000": true, "intranet:80": false, "localhost:80": false,
		"a.localhost:80": false, "printer.local:80": false, "metadata.google.internal:80": false, "router.home.arpa:80": false,
		"1.1.1.1:443": true, "10.0.0.1:443": true, "192.168.0.1:443": false, "127.1:80": false,
	} {
		host, port, _ := net.SplitHostPort(target)
		if err := g.judge(t.Context(), host, port, false); ok != (err == nil) {
			t.Errorf("%s: error %v; want allowed=%v", target, err, ok)
		} else if err != nil {
			guardDenied(t, err, host)
		}
		if err := g.judge(t.Context(), host, port, true); err != nil {
			t.Errorf("%s, private: %v", target, err)
		}
	}
}

// What is connected to is what was judged: the name is looked up once, and of
// its addresses those refused are left out. (127.0.0.2 has the part of a public address.)
func TestGuardRebinding(t *testing.T) {
	port := guardTrap(t)
	for _, answers := range [][]string{{"127.0.0.2", "127.0.0.1"}, {"127.0.0.2 127.0.0.1"}, {"127.0.0.1 127.0.0.2"}, {"127.0.0.2 ::ffff:127.0.0.1"}} {
		names := &guardNames{answers: map[string][]string{"rebind.example": answers}}
		g := &Guard{Allow: guardAllow(t, "127.0.0.2"), Resolver: names}
		_, err := g.DialContext(false)(t.Context(), "tcp", "rebind.example:"+port)
		if err == nil || !strings.Contains(err.Error(), "127.0.0.2") || names.asked.Load() != 1 {
			t.Errorf("%v: error %v after %d lookups", answers, err, names.asked.Load())
		}
		if _, ok := errors.AsType[*godown.Denied](err); ok {
			t.Errorf("%v: %v", answers, err)
		}
	}
	// Should anything else choose an address, the socket is not connected.
	target := guardTarget{host: "rebind.example", name: "rebind.example", port: netip.MustParseAddrPort("127.0.0.1:" + port).Port()}
	_, err := (&Guard{}).connect(t.Context(), "tcp", target, []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	guardDenied(t, err, "127.0.0.1")
}

// An address that does not answer is not the end.
func TestGuardTriesAddresses(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	g := &Guard{Resolver: &guardNames{answers: map[string][]string{"many.example": {"127.0.0.2 127.0.0.3 ::1 127.0.0.1"}}}}
	conn, err := g.DialContext(true)(t.Context(), "tcp", "many.example:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	var order []string
	for _, a := range guardOrder([]netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("::2"), netip.MustParseAddr("::3"), netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2.2.2.2")}) {
		order = append(order, a.String())
	}
	if want := []string{"::1", "1.1.1.1", "::2", "2.2.2.2", "::3"}; !slices.Equal(order, want) {
		t.Errorf("order %v; want %v", order, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.DialContext(true)(ctx, "tcp", "many.example:"+port); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: %v", err)
	}
}

// An address that is silent holds the next up for a moment only, and is left when another has answered.
func TestGuardRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		start := time.Now()
		left := false
		conn, err := guardRace(t.Context(), []netip.Addr{netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2.2.2.2")}, func(ctx context.Context, a netip.Addr) (net.Conn, error) {
			if a.String() == "2.2.2.2" {
				return near, nil
			}
			<-ctx.Done()
			left = true
			return far, nil // too late, and to be closed
		})
		if conn != near || err != nil || time.Since(start) != guardStagger || !left {
			t.Errorf("%v, error %v after %v; left: %v", conn, err, time.Since(start), left)
		}
		if _, err := far.Write([]byte{1}); err != io.ErrClosedPipe {
			t.Errorf("the connection that came too late is open: %v", err)
		}
	})
}

func TestGuardPin(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	g := &Guard{Resolver: &guardNames{answers: map[string][]string{"git.corp.example": {"127.0.0.2 127.0.0.1"}}}}
	if _, err := g.Pin(t.Context(), "git.corp.example", port, false); true {
		guardDenied(t, err, "git.corp.example")
	}
	if ip, err := g.Pin(t.Context(), "git.corp.example", port, true); ip != "127.0.0.1" {
		t.Errorf("pinned to %q, error %v", ip, err)
	}
	g.Allow = guardAllow(t, "GIT.corp.example.:"+port)
	if ip, err := g.Pin(t.Context(), "git.CORP.example", port, false); ip != "" || err == nil { // the fake resolver minds the case
		t.Errorf("pinned to %q, error %v", ip, err)
	}
	if ip, err := g.Pin(t.Context(), "git.corp.example", port, false); ip != "127.0.0.1" {
		t.Errorf("pinned to %q, error %v", ip, err)
	}
}

// A redirect is judged as the request is, with and without an outbound proxy.
func TestGuardRedirect(t *testing.T) {
	trap := guardTrap(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hop" {
			http.Redirect(w, r, r.FormValue("to"), http.StatusFound)
			return
		}
		io.WriteString(w, "page of "+r.Host)
	}))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	proxy := newFakeProxy(t, "http", map[string]string{"public.example.test:80": srv.Listener.Addr().String()})
	names := &guardNames{answers: map[string][]string{"inner.example": {"127.0.0.1"}}}
	direct := &Guard{Allow: guardAllow(t, "127.0.0.1:"+port), Resolver: names}
	proxied := &Guard{Resolver: names, Outward: func(*url.URL) (*url.URL, error) { return proxy.url, nil }}
	// One that has the proxy's address, and is not to go through it, is no proxy.
	mixed := &Guard{Resolver: names, Outward: func(u *url.URL) (*url.URL, error) {
		if u.Hostname() == "127.0.0.1" {
			return nil, nil
		}
		return proxy.url, nil
	}}
	for start, g := range map[string]*Guard{srv.URL: direct, "http://public.example.test": proxied, "HTTP://PUBLIC.example.test": mixed} {
		client := &http.Client{Transport: g.Transport(false)}
		get := func(page string) (string, error) {
			resp, err := client.Get(page)
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return string(body), err
		}
		if page, err := get(start + "/page"); err != nil || !strings.HasPrefix(page, "page of ") {
			t.Errorf("%s: %q, error %v", start, page, err)
		}
		for _, to := range []string{"http://127.0.0.1:" + trap, "http://inner.example:" + trap, "https://inner.example:" + trap, "http://[::ffff:127.0.0.1]:" + trap,
			"http://localhost:" + trap, "http://127.1:" + trap, "http://127。0。0。1:" + trap, "http://" + proxy.url.Host} {
			_, err := get(start + "/hop?to=" + url.QueryEscape(to))
			guardDenied(t, err)
		}
		client.CloseIdleConnections()
	}
	// A name that changes its address between the two does not pass for the proxy.
	mixed.Resolver = &guardNames{answers: map[string][]string{"rebind.example": {"1.1.1.1", "127.0.0.1"}}}
	mixed.Outward = func(u *url.URL) (*url.URL, error) {
		if u.Hostname() == "rebind.example" {
			return nil, nil
		}
		return proxy.url, nil
	}
	_, err := (&http.Client{Transport: mixed.Transport(false)}).Get("http://rebind.example:" + trap)
	guardDenied(t, err, "rebind.example", "127.0.0.1")
	if seen := proxy.seen(); slices.ContainsFunc(seen, func(s string) bool { return !strings.Contains(strings.ToLower(s), "public.example.test") }) {
		t.Errorf("the outbound proxy saw %q", seen)
	}
}

func TestParseAllow(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " , ": "", "*": "*", "*:443": "*:443", " Git.Corp.Example. ,, *.x.Example:8443 ": "git.corp.example,*.x.example:8443", "a,a": "a",
		"10.0.0.0/8,10.1.2.3,10.1.2.3:22,10.0.0.0/8:443":          "10.0.0.0/8,10.1.2.3,10.1.2.3:22,10.0.0.0/8:443",
		"FD00::1,[fd00::1],[fd00::1]:443,fd00::/8,[fd00::/8]:443": "fd00::1,[fd00::1]:443,fd00::/8,[fd00::/8]:443",
		"::ffff:10.0.0.1,::ffff:10.0.0.0/104":                     "10.0.0.1,10.0.0.0/8", "localhost,gitea:3000,a_b": "localhost,gitea:3000,a_b",
	} {
		a, err := ParseAllow(text)
		if err != nil || a.String() != want {
			t.Errorf("%q: %q, error %v; want %q", text, a, err, want)
		}
	}
	for text, word := range map[string]string{
		"https://git.corp.example": "more than a host", "user@host": "more than a host", "10.1.2.3/8": "the range is 10.0.0.0/8", "fd00::1%eth0": "zones",
		"[fd00::1": "] is missing", "[fd00::]/8": "only a port", "[::1]x": "only a port", "fd00::1:443:x": "neither", "a:b": "no port", "a:": "no port", "a:0": "no port", "a:65536": "no port",
		"127.1": "some would read it as one", "10.0.0.0/33": "neither an address nor a range", "*.": "host name", "*x.example": "host name", "a.*": "host name", "**": "host name", "ö.example": "xn--", "a b": "host name",
		".": "host name", ":443": "host name", "[]": "neither an address", "[a]:1": "neither an address", "/8": "neither an address", "*.*": "host name", "a..": "host name", "*.127.1": "some would",
	} {
		a, err := ParseAllow("ok.example," + text)
		if err == nil || !strings.Contains(err.Error(), word) || len(a.rules) != 0 {
			t.Errorf("%q: %q, error %v; want %q in it", text, a, err, word)
		}
	}
}

func TestGuardAllows(t *testing.T) {
	names := &guardNames{answers: map[string][]string{"*": {"10.1.2.3"}}}
	for _, c := range []struct {
		allow, addr string
		want        bool
	}{
		{"", "a.example:443", false}, {"*", "a.example:25", true}, {"*:443", "a.example:443", true}, {"*:443", "a.example:80", false}, {"*:443", "10.1.2.3:443", true},
		{"a.example", "A.example.:1", true}, {"a.example", "b.a.example:443", false}, {"a.example", "xa.example:443", false}, {"a.example:443", "a.example:80", false},
		{"*.example", "a.example:443", true}, {"*.example", "b.a.example:443", true}, {"*.example", "example:443", false}, {"*.example", "xexample:443", false},
		{"10.1.2.3", "a.example:443", true}, {"10.1.2.3", "[::ffff:10.1.2.3]:443", true}, {"10.1.2.3:22", "a.example:443", false}, {"10.1.2.4", "a.example:443", false},
		{"10.0.0.0/8", "a.example:443", true}, {"10.0.0.0/8", "11.0.0.1:25", false}, {"10.0.0.0/8", "[64:ff9b::10.1.2.3]:443", false}, {"a.example", "10.1.2.3:443", false},
		{"fe80::/10", "[fe80::1%lo]:443", true}, {"::/0", "10.1.2.3:443", false}, {"127.0.0.0/8", "127.1:443", false}, {"", "1.1.1.1:443", true}, {"", "1.1.1.1:6000", true}, {"", "1.1.1.1:25", false},
	} {
		g := &Guard{Allow: guardAllow(t, c.allow), Resolver: names}
		host, port, _ := net.SplitHostPort(c.addr)
		if err := g.judge(t.Context(), host, port, false); c.want != (err == nil) {
			t.Errorf("--allow-host %s: %s: error %v; want allowed=%v", c.allow, c.addr, err, c.want)
		}
	}
}

func FuzzParseAllow(f *testing.F) {
	for _, s := range []string{"*", "a.example:1,*.b", "10.0.0.0/8:443", "[fd00::/8]:1", "::ffff:1.2.3.4/100", "fe80::%1", "*.", "[", "]:", "1.2.3.4:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAllow(s)
		if err != nil {
			return
		}
		b, err := ParseAllow(a.String())
		if err != nil || b.String() != a.String() {
			t.Errorf("%q is %q, and then %q, error %v", s, a, b, err)
		}
		if a.host("other.example.org", 443) && !strings.Contains(s, "*") && !strings.Contains(strings.ToLower(s), "other.example.org") {
			t.Errorf("%q allows another host", s)
		}
		if a.address(netip.MustParseAddr("127.0.0.1"), 443) && !strings.ContainsAny(s, "*/") && !strings.Contains(s, "127.0.0.1") && !strings.Contains(strings.ToLower(s), ":") {
			t.Errorf("%q allows loopback", s)
		}
	})
}

// FuzzGuard looks for a host, and addresses that it may have, that lead to what is not public.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "::1%lo", "localhost", "0x7f.1", "a.example", "::ffff:7f00:1", "1.1.1.1."} {
		f.Add(s, []byte{127, 0, 0, 1})
		f.Add(s, []byte("\x00\x64\xff\x9b\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x00\x00\x01"))
		f.Add(s, []byte("\x26\x06\x47\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x00\x00\x01"))
	}
	f.Fuzz(func(t *testing.T, host string, raw []byte) {
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			a = netip.IPv6LinkLocalAllNodes()
		}
		g := &Guard{Resolver: &guardNames{answers: map[string][]string{"*": {a.String()}}}}
		if err := g.judge(context.Background(), host, "443", false); err != nil {
			return
		}
		if literal, err := netip.ParseAddr(host); err == nil {
			a = literal
		} else if literal, err := netip.ParseAddr(strings.TrimSuffix(host, ".")); err == nil {
			a = literal
		}
		inner := []netip.Addr{a, a.Unmap()}
		if b := a.As16(); a.Is6() && strings.HasPrefix(a.StringExpanded(), "0064:ff9b:") {
			inner = append(inner, netip.AddrFrom4([4]byte(b[12:])))
		}
		for _, a := range inner {
			if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || !a.IsGlobalUnicast() {
				t.Errorf("%q at %v may be reached", host, a)
			}
		}
	})
}

func ExampleParseAllow() {
	_, err := ParseAllow("https://git.corp.example/")
	fmt.Println(err)
	// Output: "https://git.corp.example/" cannot be allowed: it is more than a host; give that alone, such as git.corp.example
}
