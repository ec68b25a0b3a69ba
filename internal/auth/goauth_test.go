package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
)

func TestGOAUTHForm(t *testing.T) {
	for value, want := range map[string]string{
		"off": "[]", "netrc": "[netrc]", " netrc ; git /a/b": "[netrc git credential in /a/b]", "'/a b/c' d": "[the GOAUTH command /a b/c]",
	} {
		list, err := parseGOAUTH(value)
		names := []string{}
		for _, m := range list {
			names = append(names, m.name)
		}
		if fmt.Sprint(names) != want || err != nil {
			t.Errorf("%s: %v, error %v", value, names, err)
		}
	}
	for _, value := range []string{"", ";", "netrc;", "off;netrc", "git", "git a", "git /a b", "'x"} {
		if _, err := parseGOAUTH(value); err == nil || strings.Contains(err.Error(), "x") && value == "'x" && strings.Contains(err.Error(), "'x") {
			t.Errorf("%q: error %v", value, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	for in, want := range map[string]string{
		"": "map[]",
		"https://a.example\nhttps://b.example/api/\n\nAuthorization: Basic x\n\nhttps://c.example:8443\n\nX-One: 1\nX-One: 2\nx-two:3 \n\n": "map[a.example:443:map[Authorization:[Basic x]] b.example:443/api:map[Authorization:[Basic x]] c.example:8443:map[X-One:[1 2] X-Two:[3]]]",
		"https://a.example\r\n\r\nA: b\r\n\r\n":                                        "map[a.example:443:map[A:[b]]]",
		"https://a.example\n\nA: b\n\nhttps://a.example\n\nA: c\n\n":                   "map[a.example:443:map[A:[c]]]",
		"https://a.example\n\n\n":                                                      "map[a.example:443:map[]]",
		"http://a.example\nssh://a.example:443\nhttps://u:p@b.example\n/c\n\nA: b\n\n": "map[]",
		"https://a.example/x/../y\n\nA: b\n\n":                                         "map[]",
		"\n\n":                                                                         "map[]",
	} {
		got, err := parseCredentials(in)
		if fmt.Sprint(got) != want || err != nil {
			t.Errorf("%q: %v, error %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"https://a": "line 1", "https://a\n": "line 2", "https://a\n\nA: " + secretText: "line 3", "https://a\n\nA: b\n": "line 4", secretText + "\n\n\n": "line 1", "https://a\n\n" + secretText + "\n\n": "line 3",
		"https://a\n\nA b: " + secretText + "\n\n": "line 3", "https://a\n\nA: \x00" + secretText + "\n\n": "line 3", "https://a\n\n: x\n\n": "line 3", "x y\n\n": "line 1",
	} {
		got, err := parseCredentials(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secretText) {
			t.Errorf("%q: %v, error %v", in, got, err)
		}
	}
}

func TestHeaderLogin(t *testing.T) {
	for in, want := range map[string]string{
		"Authorization: Basic dTpwOnE=":           "n: u:p:q",
		"Authorization: basic  dTpwOnE=":          "n: u:p:q",
		"Authorization: Basic !":                  "n: map[Authorization:[Basic !]]",
		"Authorization: Basic dQ==":               "n: map[Authorization:[Basic dQ==]]",
		"Authorization: Basic dTpwCnE=":           "n: map[Authorization:[Basic dTpwCnE=]]", // a line break
		"Authorization: Bearer x":                 "n: map[Authorization:[Bearer x]]",
		"Authorization: Basic dTpwOnE=\nOther: y": "n: map[Authorization:[Basic dTpwOnE=] Other:[y]]",
		"Private-Token: x":                        "n: map[Private-Token:[x]]",
	} {
		given, err := parseCredentials("https://h\n\n" + in + "\n\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := shown(headerLogin("n", given["h:443"])); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestGOAUTHCommand follows the protocol: without a URL first, then with the one that was refused.
func TestGOAUTHCommand(t *testing.T) {
	p := newPlayer(t, "url")
	o := &Outwards{GOAUTH: p.self, Env: p.env}
	defer o.Close()
	const at = "https://git.example/x?go-get=1"
	for range 2 {
		if got := login(t, o, at); got != "none" {
			t.Error(got)
		}
	}
	if got := p.runs(); len(got) != 1 || !slices.Equal(got[0], []string{""}) {
		t.Errorf("it ran with %q", got)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			o.Refused(t.Context(), address(t, at), godown.Login{})
			if got := login(t, o, at); !strings.HasSuffix(got, ": map[Authorization:[Bearer for https://git.example/x]]") {
				t.Error(got)
			}
		})
	}
	all.Wait()
	got := p.runs()
	if len(got) < 2 || len(got) > 3 || got[1][0] != "https://git.example/x" {
		t.Errorf("it ran with %q", got)
	}
	if stdin := got[1][1]; !strings.HasPrefix(stdin, "HTTP/1.1 401 Unauthorized\n") || !strings.HasSuffix(stdin, "\n\n") {
		t.Errorf("it was told %q", stdin)
	}
	for u, want := range map[string]string{"https://git.example/x/y.git": "the GOAUTH", "https://git.example/xy": "none", "https://git.example": "none", "https://git.example:8443/x": "none", "http://git.example/x": "none", "https://evil.example/x": "none"} {
		if got := login(t, o, u); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", u, got)
		}
	}
	if n := len(p.runs()); n != len(got) {
		t.Errorf("it ran %d times more", n-len(got))
	}
}

// TestGOAUTHOfRule: the command of a rule is told, too, and what it gives is a caller's own.
func TestGOAUTHOfRule(t *testing.T) {
	p := newPlayer(t, "url")
	o := &Outwards{Env: p.env, Rules: []Rule{{Name: "ask", Match: "git.example", GOAUTH: p.self}}}
	defer o.Close()
	const at = "https://git.example/x"
	if got := login(t, o, at); got != "none" {
		t.Error(got)
	}
	o.Refused(t.Context(), address(t, at), godown.Login{})
	for range 2 {
		l := mustLogin(t, o, at)
		if got := shown(l); got != "ask: map[Authorization:[Bearer for https://git.example/x]]" {
			t.Error(got)
		}
		l.Header.Set("Authorization", "mine")
	}
}

// TestGOAUTHOrder: the longest prefix counts, then the order; a command that fails is passed over.
func TestGOAUTHOrder(t *testing.T) {
	p := newPlayer(t, "file")
	write(t, p.file, "https://git.example/deep\nhttps://other.example\n\nAuthorization: Basic YzpwCg==\n\n")
	netrc := filepath.Join(t.TempDir(), "netrc")
	write(t, netrc, "machine git.example login rc password p\nmachine other.example login rc password p")
	o := &Outwards{Netrc: netrc, GOAUTH: "/nowhere/at/all; netrc; " + p.self, Env: p.env}
	defer o.Close()
	for u, want := range map[string]string{"https://git.example/deep/x": "the GOAUTH", "https://git.example/x": "netrc: rc:p", "https://other.example": "netrc: rc:p", "https://none.example": "none"} {
		if got := login(t, o, u); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", u, got)
		}
	}
	if got := o.Advice(address(t, "https://none.example"), godown.Login{}, 401); !strings.Contains(got, "no program is at /nowhere/at/all") {
		t.Error(got)
	}
	off := &Outwards{Netrc: netrc, GOAUTH: "off", Rules: []Rule{{Match: "other.example", Token: "x"}, {Name: "ask", Match: "git.example/deep", GOAUTH: p.self + "; netrc"}, {Name: "broken", Match: "broken.example", GOAUTH: "/nowhere/at/all"}}, Env: p.env}
	defer off.Close()
	for u, want := range map[string]string{"https://git.example/x": "none", "https://other.example": "auth.out of", "https://git.example/deep/x": "ask: map", "https://broken.example": "error: broken: the GOAUTH command /nowhere/at/all: "} {
		if got := login(t, off, u); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", u, got)
		}
	}
}

// TestGitCredential asks the real git.
func TestGitCredential(t *testing.T) {
	path, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	write(t, store, "https://me:p%2Fw@git.example\nhttps://me:p@git.example:8443\nhttps://:x@empty.example\n")
	write(t, filepath.Join(dir, "gitconfig"), fmt.Sprintf("[credential]\n\thelper = store --file %q\n", store))
	env := Environ{"PATH=" + filepath.Dir(path) + string(os.PathListSeparator) + "/usr/bin:/bin", "HOME=" + dir, "GIT_CONFIG_GLOBAL=" + filepath.Join(dir, "gitconfig"), "GIT_CONFIG_NOSYSTEM=1"}
	o := &Outwards{GOAUTH: "git " + dir, Env: env}
	defer o.Close()
	name := "git credential in " + dir + ": "
	for u, want := range map[string]string{"https://git.example/x.git": name + "me:p/w", "https://git.example:8443/x": name + "me:p", "https://unknown.example/x": "none"} {
		if got := login(t, o, u); got != "none" {
			t.Errorf("%s before it was refused: %s", u, got)
		}
		if got := o.Advice(address(t, u), godown.Login{}, 401); strings.Contains(got, "git failed") {
			t.Errorf("%s before it was refused: %s", u, got)
		}
		o.Refused(t.Context(), address(t, u), godown.Login{})
		if got := login(t, o, u); got != want {
			t.Errorf("%s: %s, want %s", u, got, want)
		}
	}
	if got := o.Advice(address(t, "https://unknown.example/x"), godown.Login{}, 401); !strings.Contains(got, "git failed") {
		t.Error(got)
	}
}

func FuzzGOAUTH(f *testing.F) {
	for _, seed := range []string{
		"https://example.com\nhttps://example.net/api/\n\nAuthorization: Basic x\n\nhttps://another.example/\n\nExample: Data\n\n", "\n\n", "https://a\n\n\n", "http://a\n\nA: b\n\n", "https://a:8443/x/../y\r\n\r\nA:b\r\n\r\n", "https://a\n\nA b: c\n\n", "https://[::1]/x\n\nA: b\n\n", "https://a/%00b\n\nA: b\n\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		given, err := parseCredentials(in)
		if err != nil {
			if given != nil || len(err.Error()) > 150 {
				t.Errorf("error is %v", err)
			}
			return
		}
		for key, h := range given {
			authority, path, _ := strings.Cut(key, "/")
			host, port := authority[:strings.LastIndexByte(authority, ':')], authority[strings.LastIndexByte(authority, ':')+1:]
			u := &url.URL{Scheme: "https", Host: net.JoinHostPort(host, port), Path: "/" + path}
			if tg, ok := targetOf(u); !ok || tg.key() != key {
				t.Errorf("%q is no key", key)
			}
			for name, values := range h {
				r, err := http.NewRequest("GET", "https://x", nil)
				if err != nil || !isToken(name) {
					t.Errorf("%q is no field", name)
				}
				for _, v := range values {
					if strings.ContainsAny(v, "\r\n\x00") || strings.TrimSpace(v) != v && !strings.ContainsAny(v, "\u0085\u00a0\u2000") {
						t.Errorf("%q is no value", v)
					}
					r.Header.Add(name, v)
				}
				if err := r.Write(discard{}); err != nil {
					t.Errorf("%q: %v", values, err)
				}
			}
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
