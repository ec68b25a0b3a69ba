package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// nameServer returns a resolver whose name server gives every question an
// answer with that code (RFC 1035, 4.1.1), or none if it is negative.
func nameServer(t *testing.T, code int) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		t.Cleanup(func() { theirs.Close(); <-done })
		go func() {
			defer close(done)
			var size [2]byte
			for {
				if _, err := io.ReadFull(theirs, size[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(theirs, query); err != nil {
					return
				}
				if code < 0 {
					continue
				}
				query[2], query[3] = query[2]|0x80, 0x80|byte(code)
				if _, err := theirs.Write(append(size[:], query...)); err != nil {
					return
				}
			}
		}()
		return ours, nil
	}}
}

// soon is for steps that are to time out.
func soon() Timeouts {
	const d = 60 * time.Millisecond
	return Timeouts{DNS: d, Connect: d, TLS: d, FirstByte: d, Total: 4 * d}
}

func kind(f *Failure) Kind {
	if f == nil {
		return ""
	}
	return f.Kind
}

func TestDNS(t *testing.T) {
	for code, want := range map[int]Kind{3: DNSNotFound, 2: DNSFailed, -1: Timeout} {
		p := &Prober{Resolver: nameServer(t, code), Timeouts: soon()}
		l := p.DNS(t.Context(), "mirror.example.")
		if kind(l.Failure) != want || l.Failure.Phase != PhaseDNS {
			t.Errorf("code %d: %+v, want %s", code, l.Failure, want)
		}
		e := p.Get(t.Context(), Ask{URL: parse(t, "http://user:hunter2@mirror.example./x")})
		if kind(e.Failure) != want || e.Failure.Phase != PhaseDNS || e.Status != 0 {
			t.Errorf("code %d: a request gives %+v, want %s", code, e.Failure, want)
		}
	}
	l := DNS(t.Context(), "127.0.0.1")
	if l.Failure != nil || len(l.IPv4) != 1 || len(l.IPv6) != 0 || l.Addrs(80)[0].String() != "127.0.0.1:80" {
		t.Errorf("an address is resolved as %+v", l)
	}
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) netip.AddrPort {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestConnect(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	p := new(Prober)
	open := netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "http://"))
	if c := p.Connect(t.Context(), open); c.Failure != nil {
		t.Errorf("connecting to a server: %v", c.Failure)
	}
	shut := closedPort(t)
	if c := p.Connect(t.Context(), shut); kind(c.Failure) != Refused || c.Failure.Phase != PhaseConnect || c.Failure.Addr != shut.String() {
		t.Errorf("connecting to a closed port: %+v", c.Failure)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c := p.Connect(ctx, open); kind(c.Failure) != Canceled {
		t.Errorf("connecting in vain: %+v", c.Failure)
	}
	if e := p.Get(t.Context(), Ask{URL: parse(t, "http://"+shut.String())}); kind(e.Failure) != Refused || e.Failure.Phase != PhaseConnect {
		t.Errorf("asking at a closed port: %+v", e.Failure)
	}
}

// tlsServer starts one that is silent about failed handshakes.
func tlsServer(t *testing.T, h http.Handler) (*httptest.Server, *Prober) {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, &Prober{TLS: &tls.Config{RootCAs: roots}}
}

func TestHandshake(t *testing.T) {
	s, trusting := tlsServer(t, http.NotFoundHandler())
	addr := netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "https://"))
	late := *trusting
	late.TLS = &tls.Config{RootCAs: trusting.TLS.RootCAs, Time: func() time.Time { return s.Certificate().NotAfter.Add(time.Hour) }}
	for name, c := range map[string]struct {
		prober *Prober
		name   string
		want   Kind
	}{
		"good":    {trusting, "example.com", ""},
		"unknown": {new(Prober), "example.com", TLSAuthority},
		"expired": {&late, "example.com", TLSExpired},
		"name":    {trusting, "other.example", TLSName},
	} {
		h := c.prober.Handshake(t.Context(), addr, c.name)
		if kind(h.Failure) != c.want || h.Verified != (c.want == "") || len(h.Chain) == 0 || h.Chain[0].SHA256 == "" {
			t.Errorf("%s: %+v, %+v", name, h, h.Failure)
		}
		if c.want == "" && (h.Protocol != "h2" || h.Version != "TLS 1.3") {
			t.Errorf("%s: %s %s", name, h.Version, h.Protocol)
		}
		// A request meets the same.
		u := parse(t, s.URL)
		if c.name == "other.example" {
			continue // that the server's certificate has 127.0.0.1 too makes this good
		}
		if e := c.prober.Get(t.Context(), Ask{URL: u}); c.want != "" && (kind(e.Failure) != c.want || e.Failure.Phase != PhaseTLS || len(e.Chain) == 0) {
			t.Errorf("%s: a request gives %+v with %d certificates", name, e.Failure, len(e.Chain))
		}
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	at := strings.TrimPrefix(plain.URL, "http://")
	if h := new(Prober).Handshake(t.Context(), netip.MustParseAddrPort(at), "example.com"); kind(h.Failure) != NotTLS {
		t.Errorf("a server without TLS: %+v", h.Failure)
	}
	if e := new(Prober).Get(t.Context(), Ask{URL: parse(t, "https://"+at)}); kind(e.Failure) != NotTLS {
		t.Errorf("asking a server without TLS: %+v", e.Failure)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := &Prober{Timeouts: soon()}
	if h := p.Handshake(t.Context(), silent.Addr().(*net.TCPAddr).AddrPort(), "example.com"); kind(h.Failure) != Timeout || h.Failure.Phase != PhaseTLS {
		t.Errorf("a silent server: %+v", h.Failure)
	}
	if e := p.Get(t.Context(), Ask{URL: parse(t, "https://"+silent.Addr().String())}); kind(e.Failure) != Timeout || e.Failure.Phase != PhaseTLS {
		t.Errorf("asking a silent server: %+v", e.Failure)
	}
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
