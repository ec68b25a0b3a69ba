package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	authorityFile = "ca.pem"
	identityFile  = "host.pem"
)

// identity returns the host's certificate, and the file of the authority that
// clients have to trust. Both are kept in dir, for a proxy that outlives us.
func identity(dir string) (cert tls.Certificate, authority string, err error) {
	authority, own := filepath.Join(dir, authorityFile), filepath.Join(dir, identityFile)
	cert, err = tls.LoadX509KeyPair(own, own)
	if errors.Is(err, fs.ErrNotExist) {
		if err = issue(authority, own); err == nil {
			cert, err = tls.LoadX509KeyPair(own, own)
		}
	}
	if err != nil {
		return cert, "", fmt.Errorf("certificate of the git host: %w", err)
	}
	if _, err = os.Stat(authority); err == nil && time.Now().After(cert.Leaf.NotAfter) {
		err = fmt.Errorf("%s has expired: remove it", own)
	}
	return cert, authority, err
}

// issue makes an authority, and a certificate for domain by it.
func issue(authority, own string) error {
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "godown bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: domain}, DNSNames: []string{domain},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	for _, b := range []pem.Block{{Type: "CERTIFICATE", Bytes: leafDER}, {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := pem.Encode(&buf, &b); err != nil {
			return err
		}
	}
	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	return errors.Join(os.WriteFile(authority, caPEM, 0o666), os.WriteFile(own, buf.Bytes(), 0o600))
}

// A tunnel is a listener whose connections come out of CONNECT requests.
type tunnel struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

func newTunnel(addr net.Addr) *tunnel {
	return &tunnel{conns: make(chan net.Conn), done: make(chan struct{}), addr: addr}
}

// give hands a connection to who accepts.
func (t *tunnel) give(c net.Conn) {
	select {
	case t.conns <- c:
	case <-t.done:
		c.Close()
	}
}

func (t *tunnel) Accept() (net.Conn, error) {
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

func (t *tunnel) Close() error {
	t.once.Do(func() { close(t.done) })
	return nil
}

func (t *tunnel) Addr() net.Addr { return t.addr }
