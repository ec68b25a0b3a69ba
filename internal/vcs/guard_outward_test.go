package vcs

import (
	"bufio"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
)

// A fakeProxy is an outbound proxy that knows a few hosts, and wants a password.
type fakeProxy struct {
	url   *url.URL
	hosts map[string]string // by host:port: where it really is

	mu   sync.Mutex // guards what follows
	was  []string   // the targets asked for
	busy sync.WaitGroup
}

func newFakeProxy(t *testing.T, kind string, hosts map[string]string) *fakeProxy {
	t.Helper()
	p := &fakeProxy{hosts: hosts}
	at := ""
	switch kind {
	case "http", "https":
		srv := httptest.NewUnstartedServer(p)
		if srv.Start(); kind == "https" {
			srv.Close()
			srv = httptest.NewTLSServer(p)
		}
		t.Cleanup(srv.Close)
		at = srv.Listener.Addr().String()
	case "socks5":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at = l.Addr().String()
		p.busy.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				p.busy.Go(func() {
					defer conn.Close()
					if err := p.socks(conn); err != nil && !errors.Is(err, io.EOF) {
						t.Logf("socks5: %v", err)
					}
				})
			}
		})
		t.Cleanup(func() {
			l.Close()
			p.busy.Wait()
		})
	}
	p.url = &url.URL{Scheme: kind, Host: at, User: url.UserPassword("user", "pa55")}
	return p
}

func (p *fakeProxy) note(target string) (addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.was = append(p.was, target)
	return p.hosts[strings.ToLower(target)]
}

func (p *fakeProxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.was)
}

func (p *fakeProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	shown := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	if user, password, _ := shown.BasicAuth(); user != "user" || password != "pa55" {
		http.Error(w, "who?", http.StatusProxyAuthRequired)
		return
	}
	target := r.URL.Host
	if r.URL.Port() == "" {
		target += ":80"
	}
	origin, err := net.Dial("tcp", p.note(target))
	if err != nil {
		http.Error(w, "no", http.StatusServiceUnavailable)
		return
	}
	defer origin.Close()
	if r.Method != http.MethodConnect {
		r.Header.Del("Proxy-Authorization")
		r.Header.Set("Connection", "close")
		r.Write(origin)
		resp, err := http.ReadResponse(bufio.NewReader(origin), r)
		if err != nil {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
		return
	}
	client, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	carry(client, buf, origin)
}

// carry copies both ways until one ends.
func carry(client net.Conn, early io.Reader, origin net.Conn) {
	var up sync.WaitGroup
	up.Go(func() {
		io.Copy(origin, early)
		origin.Close()
	})
	io.Copy(client, origin)
	client.Close()
	up.Wait()
}

func (p *fakeProxy) socks(conn net.Conn) error {
	br := bufio.NewReader(conn)
	read := func(n int) []byte {
		buf := make([]byte, n)
		io.ReadFull(br, buf)
		return buf
	}
	if hello := read(2); hello[0] != 5 || !slices.Contains(read(int(hello[1])), 2) {
		conn.Write([]byte{5, 0xff})
		return fmt.Errorf("hello %v", hello)
	}
	conn.Write([]byte{5, 2})
	user := string(read(int(read(2)[1])))
	if password := string(read(int(read(1)[0]))); user != "user" || password != "pa55" {
		conn.Write([]byte{1, 1})
		return nil
	}
	conn.Write([]byte{1, 0})
	host := ""
	switch kind := read(4)[3]; kind {
	case 1:
		host = netip.AddrFrom4([4]byte(read(4))).String()
	case 4:
		host = netip.AddrFrom16([16]byte(read(16))).String()
	case 3:
		host = string(read(int(read(1)[0])))
	}
	target := net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(read(2)))))
	origin, err := net.Dial("tcp", p.note(target))
	if err != nil {
		conn.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0})
		return nil
	}
	defer origin.Close()
	conn.Write(append([]byte{5, 0, 0, 3, 3}, "abc\x00\x00"...))
	carry(conn, br, origin)
	return nil
}

// Everything goes through an outbound proxy of each kind, pages too, and is judged before.
func TestPassOutward(t *testing.T) {
	repo := passRepo(t, 1000)
	plain, secure := httptest.NewServer(repo), httptest.NewTLSServer(repo)
	defer plain.Close()
	defer secure.Close()
	hosts := map[string]string{"public.example.test:80": plain.Listener.Addr().String(), "public.example.test:443": secure.Listener.Addr().String()}
	for _, kind := range []string{"http", "https", "socks5"} {
		proxy := newFakeProxy(t, kind, hosts)
		roots := x509.NewCertPool()
		roots.AddCert(secure.Certificate()) // all test servers have the same
		g := &Guard{Roots: roots, Resolver: &guardNames{answers: map[string][]string{"inner.example": {"10.0.0.1"}}}, Outward: func(*url.URL) (*url.URL, error) { return proxy.url, nil }}
		p := passOpen(t, g, false, 0)
		for _, scheme := range []string{"http://", "https://"} {
			env := []string{"GIT_SSL_NO_VERIFY=1"}
			if out, err := passGit(t, t.TempDir(), p.URL(), env, "clone", "-q", scheme+"public.example.test/repo.git", "got"); err != nil || p.Err() != nil {
				t.Errorf("%s%s: %v, %v\n%s", kind, scheme, err, p.Err(), out)
			}
			if p.Received() < 1000 {
				t.Errorf("%s%s: received %d bytes", kind, scheme, p.Received())
			}
			for _, host := range []string{"inner.example", "10.0.0.1", "[::1]", "127.1", "localhost"} {
				p := passOpen(t, g, false, 0)
				passGit(t, t.TempDir(), p.URL(), env, "ls-remote", scheme+host+"/repo.git")
				guardDenied(t, p.Err())
			}
			p := passOpen(t, g, true, 0)
			passGit(t, t.TempDir(), p.URL(), env, "ls-remote", scheme+"10.0.0.1/repo.git") // private: the proxy is asked, and does not know it
			if _, denied := errors.AsType[*godown.Denied](p.Err()); denied || p.Err() == nil && scheme == "https://" {
				t.Errorf("%s%s: private: %v", kind, scheme, p.Err())
			}

			client := &http.Client{Transport: g.Transport(false)} // the same for pages
			client.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
			if page, err := passGet(client, scheme+"public.example.test/repo.git/info/refs?service=git-upload-pack"); err != nil || !strings.Contains(page, "refs/heads/main") {
				t.Errorf("%s%s: page %.100q, error %v", kind, scheme, page, err)
			}
			client.CloseIdleConnections()

			wrong := *proxy.url
			wrong.User = url.UserPassword("user", "wr0ng")
			bad := &Guard{Roots: roots, Resolver: &guardNames{}, Outward: func(*url.URL) (*url.URL, error) { return &wrong, nil }}
			p = passOpen(t, bad, false, 0)
			out, err := passGit(t, t.TempDir(), p.URL(), env, "ls-remote", scheme+"public.example.test/repo.git")
			if err == nil || p.Err() == nil {
				t.Errorf("%s%s: with a wrong password: %v, %v\n%s", kind, scheme, err, p.Err(), out)
				continue
			}
			passSecretless(t, p.Err().Error()+out, "wr0ng", "pa55", p.secret)
			_, err = passGet(&http.Client{Transport: bad.Transport(false)}, scheme+"public.example.test/")
			passSecretless(t, fmt.Sprint(err), "wr0ng", "pa55")
			bad.Close()
		}
		if seen := strings.Join(proxy.seen(), " "); strings.Contains(seen, "inner") || strings.Contains(seen, "127") || strings.Contains(seen, p.secret) {
			t.Errorf("%s saw %s", kind, seen)
		}
		g.Close()
	}
	for setting, g := range map[string]*Guard{
		"unknown": {Outward: func(*url.URL) (*url.URL, error) { return url.Parse("ftp://user:pa55@proxy.example") }},
		"broken":  {Outward: func(*url.URL) (*url.URL, error) { return nil, errors.New("http://user:pa55@proxy.example:x is no URL") }},
		"nobody":  {Outward: func(*url.URL) (*url.URL, error) { return url.Parse("http://user:pa55@127.0.0.1:1") }},
	} {
		g.Resolver = &guardNames{}
		p := passOpen(t, g, false, 0)
		for _, scheme := range []string{"http://", "https://"} {
			if _, err := passGet(passClient(t, p, secure), scheme+"public.example.test/"); err == nil || p.Err() == nil || !strings.Contains(p.Err().Error(), "proxy") {
				t.Errorf("%s: %v, %v", setting, err, p.Err())
			} else {
				passSecretless(t, p.Err().Error()+err.Error(), "pa55", p.secret)
			}
		}
	}
}

// An outbound proxy that says nothing, or nonsense, is not waited for.
func TestPassOutwardStuck(t *testing.T) {
	for word, answer := range map[string]string{"deadline exceeded": "", "outbound proxy": "nonsense\r\n\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		serving.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				serving.Go(func() {
					defer conn.Close()
					io.WriteString(conn, answer)
					io.Copy(io.Discard, conn)
				})
			}
		})
		for _, scheme := range []string{"http", "https", "socks5"} {
			g := &Guard{Resolver: &guardNames{}, Timeouts: godown.Timeouts{FirstByte: 50 * time.Millisecond}}
			g.Outward = func(*url.URL) (*url.URL, error) { return &url.URL{Scheme: scheme, Host: l.Addr().String()}, nil }
			p := passOpen(t, g, false, 0)
			if conn, err := p.dial(t.Context(), "public.example.test", "443"); err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s, %q: %v, error %v", scheme, answer, conn, err)
			}
		}
		l.Close()
		serving.Wait()
	}
}
