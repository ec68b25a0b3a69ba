package godown_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// TestUpstreamCredentials checks that user information becomes an Authorization
// header, and shows nowhere, whatever goes wrong.
func TestUpstreamCredentials(t *testing.T) {
	const name, password = "us3r", "p@ss/w%rd"
	basic := base64.StdEncoding.EncodeToString([]byte(name + ":" + password))
	secrets := []string{name, password, url.QueryEscape(password), url.PathEscape(password), "p%40ss", basic}
	for kind, fault := range map[string]godowntest.Fault{
		"none": nil, "500": godowntest.Status(500, "oops"), "404": godowntest.Status(404, ""), "403": godowntest.Status(403, ""), "401": godowntest.Status(401, ""),
		"429": godowntest.Status(429, ""), "closed": godowntest.Cut(-1), "reset": godowntest.Reset(-1), "cut": godowntest.Cut(10),
		"redirected": godowntest.Status(302, "", "Location: /again"), "redirected badly": godowntest.Status(302, "", "Location: http://%zz/"),
		"redirected to nobody": godowntest.Status(302, "", "Location: http://127.0.0.1:1/"), "teapot": godowntest.Status(418, ""), "huge": godowntest.Huge(2 << 20),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			_, mirror, up := newMirror(t)
			up.URL.User = url.UserPassword(name, password)
			up.Retries, up.Stall = 1, 50*time.Millisecond
			var calls observed
			up.Observe = calls.add
			if fault != nil {
				mirror.Break("", fault)
			}
			shown := up.Name()
			if f, err := up.Fetch(t.Context(), hello(godown.Info, "v1.0.0")); err != nil {
				shown += err.Error()
			} else {
				shown += f.Origin
				_, err := io.Copy(io.Discard, f.Reader())
				shown += errorText(err)
				f.Close()
			}
			_, err := up.Get(t.Context(), "sumdb/sum.test/latest")
			shown += errorText(err)
			if kind != "none" && kind != "huge" && err == nil {
				t.Error("there was no error")
			}
			for _, call := range calls.calls {
				shown += call.Upstream + call.Kind + call.Result
			}
			for _, secret := range secrets {
				if strings.Contains(shown, secret) {
					t.Errorf("shows %q:\n%s", secret, shown)
				}
			}
			for _, r := range mirror.Log() {
				if got := r.Header.Get("Authorization"); got != "Basic "+basic {
					t.Errorf("%s: Authorization is %q", r.Name, got)
				}
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestUpstreamRedirects follows to another host, without the credentials, but not out of TLS.
func TestUpstreamRedirects(t *testing.T) {
	mods, mirror, _ := newMirror(t)
	elsewhere := strings.Replace(mirror.URL, "127.0.0.1", "localhost", 1)
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere+r.URL.Path, http.StatusFound)
	})
	plain := httptest.NewServer(redirect)
	t.Cleanup(plain.Close)
	up := upstreamAt(t, plain.URL)
	up.URL.User = url.UserPassword("user", "secret")
	if got, err := fetchAll(t.Context(), up, hello(godown.Info, "v1.0.0")); err != nil || string(got) != string(mods.Data(infoName)) {
		t.Errorf("%q, error %v", got, err)
	}
	for _, r := range mirror.Log() {
		if got := r.Header.Get("Authorization"); got != "" {
			t.Errorf("another host was given the credentials: %s", got)
		}
	}

	mirror.Reset()
	secure := httptest.NewTLSServer(redirect)
	t.Cleanup(secure.Close)
	up = upstreamAt(t, secure.URL)
	up.Transport = secure.Client().Transport
	_, err := fetchAll(t.Context(), up, hello(godown.Info, "v1.0.0"))
	if err == nil || !strings.Contains(err.Error(), "redirects from https to http") || len(mirror.Requests()) > 0 {
		t.Errorf("out of TLS: error %v, requests %v", err, mirror.Requests())
	}
}

// TestUpstreamPort: another port of the same host is another server.
func TestUpstreamPort(t *testing.T) {
	mods, mirror, _ := newMirror(t)
	_, first, up := newMirror(t)
	first.Break("", godowntest.Status(302, "", "Location: "+mirror.URL+"/"+infoName))
	up.URL.User = url.UserPassword("user", "secret")
	up.Header = http.Header{"X-Token": {"secret"}}
	if got, err := fetchAll(t.Context(), up, hello(godown.Info, "v1.0.0")); err != nil || string(got) != string(mods.Data(infoName)) {
		t.Errorf("%q, error %v", got, err)
	}
	for _, r := range mirror.Log() {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Token") != "" {
			t.Errorf("another server was given the header %v", r.Header)
		}
	}
}

// TestUpstreamEcho: what an upstream says of our requests is shown without what only it may know.
func TestUpstreamEcho(t *testing.T) {
	const token, password = "hush-hush-hush", "p@ssw0rd"
	for _, code := range []int{500, 429, 403, 404, 503} {
		for _, before := range []int{0, 1024 - 5 - len("Authorization: Bearer ")} { // or cut within the secret
			_, mirror, up := newMirror(t)
			up.URL.User = url.UserPassword("joe", password)
			up.Header = http.Header{"X-Token": {token}}
			up.Retries = -1
			mirror.Break("", func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/plain")
					w.WriteHeader(code)
					io.WriteString(w, strings.Repeat("-", before))
					name, said, _ := r.BasicAuth()
					io.WriteString(w, "you sent "+r.Header.Get("X-Token")+", "+r.Header.Get("Authorization")+", that is "+name+":"+said)
				})
			})
			_, err := up.Fetch(t.Context(), hello(godown.Info, "v1.0.0"))
			basic := base64.StdEncoding.EncodeToString([]byte("joe:" + password))
			for _, secret := range []string{token, token[:4], password, basic, basic[:8]} {
				if strings.Contains(errorText(err), secret) {
					t.Errorf("%d: shows %q: %v", code, secret, err)
				}
			}
			if before == 0 && !strings.Contains(errorText(err), "you sent xxxxx, xxxxx, that is joe:xxxxx") {
				t.Errorf("%d: error is %v", code, err)
			}
		}
	}
}
