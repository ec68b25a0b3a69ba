package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const office = "mirrors:\n- url: https://a.example\n  name: office\n"

func TestMirrorsInFile(t *testing.T) {
	tests := []struct {
		name, content string
		want          string // a part of the error; empty for none
	}{
		{"everything", "mirrors:\n- url: https://a.example/go\n  name: A-1_b\n  headers: {Authorization: Bearer x, x-id: '7'}\n  via: socks5://p.example:1080\n  ca: a.pem\n  cert: b.pem\n  key: c.pem\n" +
			"  weight: 3\n  bandwidth: 5MB\n  connections: 8\n  only: [a.example, 'b.example/*']\n  never: c.example,d.example\n", ""},
		{"none", "mirrors: []\n", ""},
		{"bare host", "mirrors:\n- url: mirror.example\n  via: direct\n", ""},
		{"no value", "mirrors:\n", `g.yaml:1: mirrors: expected a list of entries`},
		{"no list", "mirrors: https://u:secret@a.example\n", `g.yaml:1: mirrors: expected a list of entries`},
		{"one entry without its dash", "mirrors:\n  url: https://a.example\n", `begins like this: - url:`},
		{"plain entry", "ttl: 1m\nmirrors:\n- https://u:secret@a.example\n", `g.yaml:3: mirrors: an entry has keys of its own`},
		{"no url", "mirrors:\n- name: a\n", `g.yaml:2: mirrors: the entry has no url`},
		{"empty url", "mirrors:\n- url: ''\n", `g.yaml:2: url "": it must be one URL`},
		{"unknown key", "mirrors:\n- url: https://a.example\n  wieght: 2\n", `g.yaml:3: there is no key "wieght" in an entry of mirrors; did you mean "weight"?`},
		{"key of the file", "mirrors:\n- url: https://a.example\n  ttl: 2m\n", `g.yaml:3: there is no key "ttl" in an entry of mirrors; it is a key of the file as a whole`},
		{"key with a password", "mirrors:\n- https://u:secret@a.example: 1\n", `g.yaml:2: there is no key "https://u:xxxxx@a.example"`},
		{"key twice", "mirrors:\n- url: https://a.example\n  url: https://b.example\n", `g.yaml:3: the key "url" stands here for the second time, after g.yaml:2`},
		{"weight", "mirrors:\n- url: https://a.example\n  weight: 0\n", `g.yaml:3: weight "0": it must be at least 1`},
		{"weight as text", "mirrors:\n- url: https://a.example\n  weight: '2'\n", `g.yaml:3: weight: expected a whole number, not 2`},
		{"bandwidth", "mirrors:\n- url: https://a.example\n  bandwidth: fast\n", `g.yaml:3: bandwidth "fast": it must be a size`},
		{"connections", "mirrors:\n- url: https://a.example\n  connections: -1\n", `g.yaml:3: connections "-1": it must be at least 0`},
		{"only", "mirrors:\n- url: https://a.example\n  only: https://b.example/x\n", `g.yaml:3: only "https://b.example/x": the pattern`},
		{"url is a name", "mirrors:\n- url: cn\n", `g.yaml:2: url "cn": it must be one URL`},
		{"url is a list", "mirrors:\n- url: https://a.example,direct\n", `g.yaml:2: url`},
		{"url with a scheme", "mirrors:\n- url: ftp://u:secret@a.example\n", `g.yaml:2: url "ftp://u:xxxxx@a.example": it must be a URL that begins with https`},
		{"url with a bad password", "mirrors:\n- url: https://u:se/secret@a.example\n", `g.yaml:2: url "https://xxxxx": it must be a URL`},
		{"name", "mirrors:\n- url: https://a.example\n  name: a.b\n", `g.yaml:3: name "a.b": a name consists of`},
		{"name of a preset", "mirrors:\n- url: https://a.example\n  name: CN\n", `g.yaml:3: name "CN": that word has a meaning`},
		{"name that is a word", "mirrors:\n- url: https://a.example\n  name: mirrors\n", `that word has a meaning`},
		{"name twice", office + "- url: https://b.example\n  name: office\n", `g.yaml:5: name "office": another mirror has that name already, at g.yaml:3`},
		{"via", "mirrors:\n- url: https://a.example\n  via: ftp://u:secret@p.example\n", `g.yaml:3: via "ftp://u:xxxxx@p.example": it must be direct, or a URL`},
		{"cert alone", "mirrors:\n- url: https://a.example\n  cert: x.pem\n", `g.yaml:3: cert is given without key`},
		{"key alone", "mirrors:\n- url: https://a.example\n  key: x.pem\n", `g.yaml:3: key is given without cert`},
		{"headers as text", "mirrors:\n- url: https://a.example\n  headers: 'X: secret'\n", `g.yaml:3: headers: expected lines of the form NAME: TEXT`},
		{"header as list", "mirrors:\n- url: https://a.example\n  headers:\n    X-A: [secret]\n", `g.yaml:4: headers: the value of X-A must be a text`},
		{"header as number", "mirrors:\n- url: https://a.example\n  headers: {X-A: 5}\n", `g.yaml:3: headers: the value of X-A must be a text; write it in quotes`},
		{"header with a line break", "mirrors:\n- url: https://a.example\n  headers: {X-A: \"se\\r\\nX-B: secret\"}\n", `has a line break`},
		{"empty header", "mirrors:\n- url: https://a.example\n  headers: {X-A: ''}\n", `the value of X-A is empty`},
		{"name of a header", "mirrors:\n- url: https://a.example\n  headers: {'X A': secret}\n", `the name of a header field consists of`},
		{"header of ours", "mirrors:\n- url: https://a.example\n  headers: {range: secret}\n", `godown itself sets the field Range`},
		{"header twice", "mirrors:\n- url: https://a.example\n  headers:\n    X-A: secret\n    x-a: secret\n", `g.yaml:5: headers: the field X-A stands here for the second time, after line 4`},
		{"two credentials", "mirrors:\n- url: https://u:secret@a.example\n  headers: {authorization: secret}\n", `g.yaml:3: headers: there is an Authorization, and user information`},
		{"reference", "mirrors:\n- &a {url: https://a.example}\n- *a\n", `g.yaml:3: mirrors: an entry has keys`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := parseConfig("g.yaml", []byte(tt.content))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("%v tells a secret", err)
			}
		})
	}
}

func TestMirrorsMeanUpstream(t *testing.T) {
	file := writeFile(t, "ttl: 2m\n"+office)
	tests := []struct {
		name         string
		environ      []string
		flags        settings
		text, origin string
	}{
		{"given nowhere", nil, flagsOf("config", file), "mirrors,direct", "mirrors: of " + file + ":2"},
		{"set for the go command", []string{"GOPROXY=https://go.example"}, flagsOf("config", file), "mirrors,direct", "mirrors: of " + file + ":2"},
		{"given", nil, flagsOf("config", file, "upstream", "office|off"), "office|off", "flag --upstream"},
		{"no entries", nil, flagsOf("config", writeFile(t, "mirrors: []\n")), "https://go.example", "environment GOPROXY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t.Context(), bareMachine(t, tt.environ...), tt.flags)
			if err != nil {
				t.Fatal(err)
			}
			if string(c.Upstream) != tt.text || c.Origin("upstream") != tt.origin {
				t.Errorf("upstream is %q of %q, want %q of %q", string(c.Upstream), c.Origin("upstream"), tt.text, tt.origin)
			}
		})
	}
}

// keyPair writes a certificate and its private key, and returns their paths.
func keyPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestFilesOfMirrors(t *testing.T) {
	cert, key := keyPair(t)
	other, _ := keyPair(t)
	junk := writeFile(t, "nothing")
	tests := []struct{ keys, want string }{
		{fmt.Sprintf("ca: %s, cert: %s, key: %s", cert, cert, key), ""},
		{"ca: missing.pem", `:3: ca "missing.pem": open missing.pem`},
		{"ca: " + junk, `the file holds no certificate in PEM form`},
		{fmt.Sprintf("cert: missing.pem, key: %s", key), `:3: cert "missing.pem": it cannot be used with key`},
		{fmt.Sprintf("cert: %s, key: %s", other, key), `private key does not match`},
		{fmt.Sprintf("cert: %s, key: %s", cert, junk), `it cannot be used with key`},
	}
	for _, tt := range tests {
		t.Run(tt.keys, func(t *testing.T) {
			file := writeFile(t, "mirrors:\n-\n  {url: https://a.example, "+tt.keys+"}\n")
			c, err := load(t.Context(), bareMachine(t), flagsOf("config", file))
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if cfg, problems := c.Mirrors[0].tls(); len(problems) > 0 || len(cfg.Certificates) != 1 || cfg.RootCAs == nil {
					t.Errorf("got %v, %v", cfg, problems)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

const secretMirrors = `mirrors:
- url: https://user:s3cret@a.example
  name: office
  via: http://user:s3cret@p.example:3128
- url: https://b.example
  headers:
    Authorization: Bearer s3cret
    X-Team: s3cret
  only:
  - c.example
  - d.example/*
  weight: 2
  bandwidth: 5MB
upstream: office,mirrors|off
`

// What config prints shows no secret, and loads again to the same but for those.
func TestMirrorsAreShown(t *testing.T) {
	file := writeFile(t, secretMirrors)
	code, first, stderr := call(t, bareMachine(t), "config", "--config", file)
	if code != 0 || strings.Contains(first+stderr, "s3cret") {
		t.Fatalf("exit code %d, or a secret is shown:\n%s%s", code, first, stderr)
	}
	for _, line := range []string{
		"upstream: office,mirrors|off # " + file + ":14",
		"- url: https://user:xxxxx@a.example # " + file + ":2; secrets masked, put yours back before you use this as a file",
		"  via: http://user:xxxxx@p.example:3128 # " + file + ":4; secrets masked, put yours back before you use this as a file",
		"    Authorization: xxxxx # " + file + ":6; secrets masked, put yours back before you use this as a file",
		"  only: c.example,d.example/* # " + file + ":9", "  weight: 2 # " + file + ":12",
	} {
		if !strings.Contains(first, line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, first)
		}
	}
	restored := strings.ReplaceAll(first, mask, "s3cret")
	c, err := load(t.Context(), bareMachine(t), flagsOf("config", writeFile(t, restored)))
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, restored)
	}
	a, b := c.Mirrors[0], c.Mirrors[1]
	if password, _ := a.url.User.Password(); password != "s3cret" || a.Name != "office" || a.via.Host != "p.example:3128" || a.Weight != 1 {
		t.Errorf("the first is %+v", a)
	}
	if b.header().Get("Authorization") != "Bearer s3cret" && b.header().Get("Authorization") != "s3cret" || b.Bandwidth != 5e6 || b.Only != "c.example,d.example/*" {
		t.Errorf("the second is %+v", b)
	}
}

// Printing or logging mirrors shows no secret in any way.
func TestMirrorsAreSafeToPrint(t *testing.T) {
	c, err := load(t.Context(), bareMachine(t), flagsOf("config", writeFile(t, secretMirrors)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	m := c.Mirrors[1]
	fmt.Fprintf(&out, "%v %+v %v %+v %s %q %v\n", c.Mirrors, c.Mirrors, m, &m, m.Headers, m.Headers, []any{m.URL, c.Mirrors[0].Via})
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("x", "mirrors", c.Mirrors, "mirror", c.Mirrors[0], "headers", m.Headers, "via", c.Mirrors[0].Via)
	}
	if strings.Contains(out.String(), "s3cret") {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
}

func TestProxyOfMirror(t *testing.T) {
	c, err := load(t.Context(), bareMachine(t), flagsOf("config", writeFile(t, secretMirrors+"verify: prefer\n")))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodGet, "https://a.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := c.Mirrors[0].proxy()(r); err != nil || u.Host != "p.example:3128" {
		t.Errorf("the proxy is %v, %v", u, err)
	}
	if (&Mirror{Via: "direct"}).proxy() != nil {
		t.Error("direct has a proxy")
	}
	if c.Mirrors[1].proxy() == nil {
		t.Error("the environment's is not asked for")
	}
}
