package probe

import (
	"crypto/x509"
	"strings"
	"testing"
)

// The names in a certificate are written by others.
func TestDetailIsClean(t *testing.T) {
	err := x509.HostnameError{Host: "a.example", Certificate: &x509.Certificate{DNSNames: []string{"\x1b]0;x\a\u202e.example"}}}
	f := classify(t.Context(), PhaseTLS, err)
	if f.Kind != TLSName || strings.ContainsAny(f.Detail, "\x1b\a\u202e") {
		t.Errorf("it is %s: %q", f.Kind, f.Detail)
	}
}
