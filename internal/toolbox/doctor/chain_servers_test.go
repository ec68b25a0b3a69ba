package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

// A seat is a machine at which the network is tried: where nothing is wrong.
type seat struct {
	*Facts
	t    *testing.T
	root string
	home string
}

func newSeat(t *testing.T, environ ...string) *seat {
	t.Helper()
	dir := t.TempDir()
	s := &seat{t: t, root: filepath.Join(dir, "root"), home: filepath.Join(dir, "home")}
	s.write("root/etc/ssl/certs/ca-certificates.crt", "-----BEGIN CERTIFICATE-----\n")
	s.write("root/tmp/.keep", "")
	s.write("home/.keep", "")
	env := append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + filepath.Join(s.home, "gitconfig"),
	}, environ...)
	s.Facts = &Facts{
		Machine:  goenv.Machine{Environ: env, Dir: s.home, LookPath: exec.LookPath},
		Settings: &goenv.Settings{Program: "go", Version: "go1.26.8", Values: make(map[string]goenv.Value)},
		Home:     s.home, Root: s.root, OS: "linux", Now: time.Now, Timeout: 5 * time.Second,
		Presets: []Preset{{Group: "cn", URL: "https://goproxy.cn"}},
	}
	s.set("GOPROXY", "https://goproxy.cn")
	s.set("GOSUMDB", "off")
	s.set("GOAUTH", "netrc")
	s.set("GOMODCACHE", filepath.Join(s.home, "go", "pkg", "mod"))
	s.set("GOPATH", filepath.Join(s.home, "go"))
	s.set("GOCACHE", filepath.Join(s.home, "cache"))
	return s
}

func (s *seat) set(name, value string) {
	s.Settings.Values[name] = goenv.Value{Name: name, Text: value, Said: []goenv.Said{{Place: goenv.User, Text: value}}}
}

// write writes a file below the seat's folder: home/… or root/….
func (s *seat) write(name, content string) string {
	s.t.Helper()
	file := filepath.Join(filepath.Dir(s.root), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// without makes a program vanish from PATH.
func (s *seat) without(names ...string) {
	s.Machine.LookPath = func(name string) (string, error) {
		if slices.Contains(names, name) {
			return "", exec.ErrNotFound
		}
		return exec.LookPath(name)
	}
}

func ids(list []Finding) []string {
	var all []string
	for _, f := range list {
		all = append(all, f.ID)
	}
	return all
}

// one returns the finding of that id, and fails the test if it is not the only one.
func only(t *testing.T, list []Finding, id string) Finding {
	t.Helper()
	if len(list) != 1 || list[0].ID != id {
		t.Fatalf("found %v, want %s alone", describe(list), id)
	}
	wholesome(t, list[0])
	return list[0]
}

// wholesome checks that a finding says all that it should, in both languages.
func wholesome(t *testing.T, f Finding) {
	t.Helper()
	if f.Title.En == "" || f.Title.Zh == "" || f.Consequence.En == "" || f.Consequence.Zh == "" || len(f.Evidence) == 0 || len(f.Fixes) == 0 {
		t.Errorf("%s says too little: %+v", f.ID, f)
	}
	for _, x := range f.Fixes {
		if x.Command == "" && x.Say.En == "" || x.Say.En != "" && x.Say.Zh == "" {
			t.Errorf("%s has a fix that says nothing: %+v", f.ID, x)
		}
	}
	for _, s := range []string{describe([]Finding{f})} {
		if strings.Contains(s, "%!") || strings.Contains(s, "s3cret") {
			t.Errorf("%s is badly put, or tells a secret: %s", f.ID, s)
		}
	}
}

func describe(list []Finding) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString("\n" + f.Severity.String() + " " + f.ID + ": " + f.Title.En + " / " + f.Title.Zh)
		for _, e := range f.Evidence {
			b.WriteString("\n\t" + e.En + " / " + e.Zh)
		}
		b.WriteString("\n\t=> " + f.Consequence.En + " / " + f.Consequence.Zh)
		for _, x := range f.Fixes {
			b.WriteString("\n\t$ " + x.Command + " # " + x.Say.En + " / " + x.Say.Zh)
		}
	}
	return b.String()
}

// An authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().AddDate(-10, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	a := &authority{t: t, cert: cert, key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

// sign makes a certificate for hosts and for loopback that is valid from one day to another, counted from now.
func (a *authority) sign(from, to int, hosts ...string) tls.Certificate {
	a.t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, DNSNames: hosts, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().AddDate(0, 0, from), NotAfter: time.Now().AddDate(0, 0, to),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, a.key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// serveTLS serves h with a certificate, and returns https://127.0.0.1:PORT.
func serveTLS(t *testing.T, h http.Handler, cfg *tls.Config) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = cfg
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// named returns a URL with another host name.
func named(t *testing.T, raw, host string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = net.JoinHostPort(host, u.Port())
	return u.String()
}

// mute accepts connections, and never says a word.
func mute(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		l.Close()
		served.Wait()
		for _, c := range open {
			c.Close()
		}
	})
	return l.Addr().String()
}

// closed returns an address where nobody listens.
func closedAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// names is a name server: what is not in it does not exist, unless it has "*".
func names(t *testing.T, known map[string][]string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if a := answerDNS(buf[:n], known); a != nil {
				_, _ = pc.WriteTo(a, from)
			}
		}
	})
	t.Cleanup(func() { pc.Close(); served.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// answerDNS answers a question with one name.
func answerDNS(q []byte, known map[string][]string) []byte {
	if len(q) < 17 {
		return nil
	}
	name, at := "", 12
	for at < len(q) && q[at] != 0 {
		n := int(q[at])
		name += string(q[at+1:at+1+n]) + "."
		at += n + 1
	}
	at++
	kind := binary.BigEndian.Uint16(q[at:])
	at += 4
	addrs, ok := known[strings.TrimSuffix(name, ".")]
	if !ok {
		addrs, ok = known["*"]
	}
	a := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:at]...)
	if !ok {
		a[3] |= 3 // NXDOMAIN
		return a
	}
	count := 0
	for _, s := range addrs {
		ip := netip.MustParseAddr(s)
		if ip.Is4() != (kind == 1) {
			continue
		}
		count++
		data := ip.AsSlice()
		a = append(a, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 60, 0, byte(len(data)))
		a = append(a, data...)
	}
	a[7] = byte(count)
	return a
}

// modules are those that the mirrors of these tests have.
const modules = `
-- example.test/hello@v1.0.0/go.mod --
module example.test/hello
-- example.test/hello@v1.0.0/hello.go --
package hello
-- example.test/hello@v1.1.0-pre/go.mod --
module example.test/hello
`

const hello = "example.test/hello"

func newMirror(t *testing.T) *godowntest.Upstream {
	t.Helper()
	return godowntest.NewUpstream(t, godowntest.NewModules(t, modules))
}

// serveHTTP serves h, and returns http://127.0.0.1:PORT.
func serveHTTP(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// tunnel is an outbound proxy that sends everybody to one port of loopback.
func tunnel(port string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		there, err := new(net.Dialer).DialContext(r.Context(), "tcp", "127.0.0.1:"+port)
		if r.Method != http.MethodConnect || err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(there, here); there.Close() })
		both.Go(func() { _, _ = io.Copy(here, there); here.Close() })
		both.Wait()
	})
}

// authorityFile writes the authority's certificate where SSL_CERT_FILE can name it.
func (s *seat) authorityFile(a *authority) string {
	return s.write("home/ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})))
}

func (s *seat) mustParse(raw string) *url.URL {
	u, err := url.Parse(raw)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// hashedHost returns the first field of a line of known_hosts that hides its name.
func hashedHost(name string) string {
	salt := []byte("01234567890123456789")
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return "|1|" + base64.StdEncoding.EncodeToString(salt) + "|" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
