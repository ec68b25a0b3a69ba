package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// A Certificate is one that a server has shown.
type Certificate struct {
	Subject   string
	Issuer    string // who has signed it
	Names     []string
	NotBefore time.Time
	NotAfter  time.Time
	SHA256    string // of the whole certificate, in hex
	CA        bool
}

func certificates(chain []*x509.Certificate) []Certificate {
	var all []Certificate
	for _, c := range chain {
		sum := sha256.Sum256(c.Raw)
		shown := Certificate{
			Subject: clean(c.Subject.String()), Issuer: clean(c.Issuer.String()),
			NotBefore: c.NotBefore, NotAfter: c.NotAfter, SHA256: hex.EncodeToString(sum[:]), CA: c.IsCA,
		}
		for _, name := range c.DNSNames {
			shown.Names = append(shown.Names, clean(name))
		}
		for _, ip := range c.IPAddresses {
			shown.Names = append(shown.Names, ip.String())
		}
		all = append(all, shown)
	}
	return all
}

// A Handshake is what came of a TLS handshake.
type Handshake struct {
	Addr     netip.AddrPort
	Name     string        // that was asked for
	Version  string        // such as "TLS 1.3"
	Protocol string        // that was agreed on, "h2" or "http/1.1"; "" if nothing was said
	Chain    []Certificate // as the server has shown it, its own first; also where it is not trusted
	Verified bool          // it is trusted here for this name, now
	Took     time.Duration // of the handshake alone
	Failure  *Failure      // nil: all is well
}

// Handshake connects to an address, which should be one of the host name, and
// makes the TLS handshake. A certificate that is not trusted is a failure, and is shown.
func (p *Prober) Handshake(ctx context.Context, addr netip.AddrPort, name string) Handshake {
	made := Handshake{Addr: addr, Name: name}
	raw, err := p.dial(ctx, addr)
	if err != nil {
		made.Failure = classify(ctx, PhaseConnect, err)
		made.Failure.Addr = addr.String()
		return made
	}
	defer raw.Close()
	cfg := p.tlsConfig()
	cfg.ServerName = name
	cfg.NextProtos = []string{"h2", "http/1.1"}
	cfg.InsecureSkipVerify = true // VerifyConnection does it, and keeps the chain that it refuses
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		made.Chain = certificates(s.PeerCertificates)
		return verify(s, cfg)
	}
	start := time.Now()
	step, cancel := context.WithTimeout(ctx, p.Timeouts.withDefaults().TLS)
	defer cancel()
	conn := tls.Client(raw, cfg)
	err = conn.HandshakeContext(step)
	made.Took = time.Since(start)
	if err != nil {
		made.Failure = classify(ctx, PhaseTLS, err)
		made.Failure.Addr = addr.String()
		return made
	}
	state := conn.ConnectionState()
	made.Version, made.Protocol, made.Verified = tls.VersionName(state.Version), state.NegotiatedProtocol, true
	return made
}

// verify verifies a server's chain as package tls does by itself.
func verify(s tls.ConnectionState, cfg *tls.Config) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server has shown no certificate")
	}
	opts := x509.VerifyOptions{Roots: cfg.RootCAs, DNSName: cfg.ServerName, Intermediates: x509.NewCertPool()}
	if cfg.Time != nil {
		opts.CurrentTime = cfg.Time()
	}
	for _, c := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(opts)
	return err
}

// tlsConfig returns a configuration that may be changed.
func (p *Prober) tlsConfig() *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if p.TLS != nil {
		cfg.RootCAs, cfg.Certificates, cfg.Time = p.TLS.RootCAs, p.TLS.Certificates, p.TLS.Time
	}
	return cfg
}

// clean returns s without anything that a terminal would take for a command, and not too long.
func clean(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))), " ")
	if runes := []rune(s); len(runes) > maxText {
		return string(runes[:maxText-1]) + "…"
	}
	return s
}

// maxText is how many characters are kept of what others have written.
const maxText = 400
