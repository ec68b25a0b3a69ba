package godowntest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// start starts the proxy and what is behind it.
func (h *GitHost) start() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("git host: %w", err)
	}
	h.port, h.URL = l, "http://"+l.Addr().String()
	h.tunnel = &tunnel{addr: l.Addr(), conns: make(chan net.Conn), done: make(chan struct{})}
	server := func(f http.HandlerFunc) *http.Server {
		return &http.Server{Handler: f, ErrorLog: log.New(io.Discard, "", 0)}
	}
	h.outer = server(h.serveProxy)
	h.inner = server(func(w http.ResponseWriter, r *http.Request) { h.serve("https", w, r) })
	h.listen.Go(func() { h.outer.Serve(l) })
	h.listen.Go(func() { h.inner.Serve(h.tunnel) })
	return nil
}

// Close ends the host and waits for all that it has started.
func (h *GitHost) Close() {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	h.closed = true
	h.mu.Unlock()
	h.port.Close()
	h.tunnel.Close()
	h.listen.Wait() // then no connection comes that the servers would not close
	h.outer.Close()
	h.inner.Close() // ends the contexts of requests, too
	h.served.Wait()
}

// enter counts a request in, unless the host is closed.
func (h *GitHost) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.served.Add(1)
	return true
}

// Transport returns what a Go program needs to see this internet, without any
// environment. The caller closes its idle connections.
func (h *GitHost) Transport() *http.Transport {
	proxy, _ := url.Parse(h.URL) // our own
	pool := x509.NewCertPool()
	pool.AddCert(h.ca.cert)
	return &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool}}
}

// serveProxy is what the proxy itself does.
func (h *GitHost) serveProxy(w http.ResponseWriter, r *http.Request) {
	if !h.enter() {
		panic(http.ErrAbortHandler)
	}
	defer h.served.Done()
	host := hostOf(r)
	switch {
	case r.Method != http.MethodConnect && !r.URL.IsAbs():
		http.Error(w, "this is a proxy", http.StatusBadRequest)
	case !h.reaches(host):
		http.Error(w, "no such host: "+host, http.StatusBadGateway)
	case r.Method != http.MethodConnect:
		h.serve("http", w, r)
	default:
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		if rw.Reader.Buffered() > 0 { // who speaks before we have answered is not to be trusted
			conn.Close()
			return
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			conn.Close()
			return
		}
		name, _, _ := strings.Cut(r.Host, ":")
		h.tunnel.hand(tls.Server(conn, &tls.Config{
			NextProtos:     []string{"http/1.1"}, // with one request a connection at a time, faults hit that request only
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return h.ca.certificate(name) },
		}))
	}
}

// serve answers a request to a host behind the proxy.
func (h *GitHost) serve(scheme string, w http.ResponseWriter, r *http.Request) {
	if !h.enter() {
		panic(http.ErrAbortHandler)
	}
	defer h.served.Done()
	// All of it first: net/http does not notice that a client goes away before,
	// and CGI needs a length.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	name := hostOf(r) + strings.TrimSuffix(r.URL.Path, "/")
	req, faults := h.record(scheme, r, body)
	counted := &countWriter{ResponseWriter: w, mu: &h.mu, req: req}
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want := h.wanted(name); len(want) > 0 && !slices.Contains(want, r.Header.Get("Authorization")) {
			kind, _, _ := strings.Cut(want[0], " ")
			w.Header().Set("WWW-Authenticate", kind+` realm="githost"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		h.answer(name, r).ServeHTTP(w, r)
	})
	for _, f := range faults {
		handler = f(handler)
	}
	handler.ServeHTTP(counted, r)
}

// BasicLogin returns a value of the Authorization header.
func BasicLogin(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// BearerLogin returns a value of the Authorization header.
func BearerLogin(token string) string { return "Bearer " + token }

// A tunnel is a listener that is handed its connections.
type tunnel struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{} // closed by Close
}

func (t *tunnel) hand(c net.Conn) {
	select {
	case t.conns <- c:
	case <-t.done:
		c.Close()
	}
}

// Accept waits for a connection.
func (t *tunnel) Accept() (net.Conn, error) {
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. Connections that it has returned stay.
func (t *tunnel) Close() error {
	t.once.Do(func() { close(t.done) })
	return nil
}

// Addr returns the proxy's address.
func (t *tunnel) Addr() net.Addr { return t.addr }

// An authority makes certificates for any host.
type authority struct {
	key  *ecdsa.PrivateKey // of the authority and all its hosts
	cert *x509.Certificate
	pem  []byte

	mu    sync.Mutex // guards hosts
	hosts map[string]*tls.Certificate
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, hosts: make(map[string]*tls.Certificate)}
	template := template("godowntest", 1)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

// certificate returns that of a host.
func (a *authority) certificate(host string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.hosts[host]; c != nil {
		return c, nil
	}
	template := template(host, int64(len(a.hosts)+2))
	template.DNSNames = []string{host}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
	a.hosts[host] = c
	return c, nil
}

func template(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}
