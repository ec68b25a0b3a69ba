package auth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A hub is GitHub's API for one app, which is installed for the organization
// acme as number 7 and for the user bob as number 8.
type hub struct {
	t      *testing.T
	key    *rsa.PrivateKey
	pem    string
	mu     sync.Mutex // guards the fields below
	calls  []string
	minted int
	fails  int           // the status of every answer, if not 0
	body   string        // of every answer, if not empty; {JWT} stands for the caller's
	life   time.Duration // of a token
}

func newHub(t *testing.T) *hub {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return &hub{t: t, key: key, pem: string(pem.EncodeToMemory(block)), life: time.Hour}
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, r.Method+" "+r.URL.Path)
	jwt, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	h.check(jwt)
	if h.fails != 0 {
		w.Header().Set("Location", "https://evil.example/")
		w.WriteHeader(h.fails)
	}
	switch {
	case h.body != "":
		fmt.Fprint(w, strings.ReplaceAll(h.body, "{JWT}", jwt))
	case h.fails != 0:
	case r.Method == "GET" && r.URL.Path == "/api/v3/orgs/acme/installation":
		fmt.Fprint(w, `{"id": 7}`)
	case r.Method == "GET" && r.URL.Path == "/api/v3/users/bob/installation":
		fmt.Fprint(w, `{"id": 8}`)
	case r.Method == "POST" && (r.URL.Path == "/api/v3/app/installations/7/access_tokens" || r.URL.Path == "/api/v3/app/installations/8/access_tokens"):
		w.WriteHeader(http.StatusCreated)
		h.minted++
		number := strings.Split(r.URL.Path, "/")[5]
		fmt.Fprintf(w, `{"token": "ghs_%s_%d", "expires_at": %q}`, number, h.minted, time.Now().Add(h.life).UTC().Format(time.RFC3339))
	default:
		http.Error(w, `{"message": "Not Found"}`, http.StatusNotFound)
	}
}

// check checks the JWT with the public key, as GitHub does.
func (h *hub) check(jwt string) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		h.t.Errorf("the JWT is %q", jwt)
		return
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			h.t.Error(err)
		}
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&h.key.PublicKey, crypto.SHA256, sum[:], decoded[2]); err != nil {
		h.t.Error(err)
	}
	var header struct{ Alg, Typ string }
	var claims struct {
		Iat, Exp int64
		Iss      string
	}
	if err := json.Unmarshal(decoded[0], &header); err != nil || header.Alg != "RS256" || header.Typ != "JWT" {
		h.t.Errorf("the header is %s", decoded[0])
	}
	if err := json.Unmarshal(decoded[1], &claims); err != nil || claims.Iss != "12345" {
		h.t.Errorf("the claims are %s", decoded[1])
	}
	now := time.Now().Unix()
	if claims.Iat > now-50 || claims.Iat < now-120 || claims.Exp <= now || claims.Exp-claims.Iat > 600 {
		h.t.Errorf("at %d, the claims are %s", now, decoded[1])
	}
}

func (h *hub) log() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	calls := strings.Join(h.calls, "\n")
	h.calls = nil
	return strings.ReplaceAll(calls, "/api/v3", "")
}

func (h *hub) set(fails int, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fails, h.body = fails, body
}

// live sets the life of a token.
func (h *hub) live(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.life = d
}

// RoundTrip answers without a network, for the clock of synctest.
func (h *hub) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, r.Context().Err()
}

func (h *hub) outwards(installation int64, api string) *Outwards {
	return &Outwards{Secrets: &Secrets{Env: Environ{"KEY=" + h.pem}}, Client: &http.Client{Transport: h},
		Rules: []Rule{{Name: "app", Match: "git.example", App: &App{ID: "12345", Installation: installation, Key: "env:KEY", API: api}}}}
}

// TestAppToken asks over TLS, once for all who wait.
func TestAppToken(t *testing.T) {
	h := newHub(t)
	server := httptest.NewTLSServer(h)
	defer server.Close()
	o := h.outwards(0, server.URL+"/api/v3/")
	o.Client = server.Client()
	defer o.Close()
	const lookups = "GET /orgs/acme/installation\nPOST /app/installations/7/access_tokens"
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if got := login(t, o, fmt.Sprintf("https://git.example/%s/r%d", []string{"acme", "Acme"}[i%2], i)); got != "app: x-access-token:ghs_7_1" {
				t.Error(got)
			}
		})
	}
	all.Wait()
	if got := h.log(); got != lookups {
		t.Errorf("calls are\n%s", got)
	}
	if got := login(t, o, "https://git.example/bob/x"); got != "app: x-access-token:ghs_8_2" {
		t.Error(got)
	}
	if got := h.log(); got != "GET /orgs/bob/installation\nGET /users/bob/installation\nPOST /app/installations/8/access_tokens" {
		t.Errorf("calls are\n%s", got)
	}
	u := address(t, "https://git.example/eve/x")
	for range 2 {
		if got := login(t, o, u.String()); got != "none" {
			t.Error(got)
		}
	}
	if got := h.log(); got != "GET /orgs/eve/installation\nGET /users/eve/installation" {
		t.Errorf("calls are\n%s", got)
	}
	none, _ := o.Login(t.Context(), u)
	if got := o.Advice(u, none, 404); got != "the GitHub App of app is not installed for eve: install it there" {
		t.Error(got)
	}
	if got := login(t, o, "https://git.example/?go-get=1"); got != "none" {
		t.Error(got)
	}
}

// TestAppRenewal goes through a day.
func TestAppRenewal(t *testing.T) {
	h := newHub(t)
	synctest.Test(t, func(t *testing.T) {
		o := h.outwards(7, "https://git.example/api/v3")
		defer o.Close()
		const mint = "POST /app/installations/7/access_tokens"
		is := func(after time.Duration, token, calls string) {
			t.Helper()
			timer := time.NewTimer(after)
			<-timer.C
			if got := login(t, o, "https://git.example/any/thing"); got != "app: x-access-token:"+token && !(strings.HasPrefix(token, "error") && strings.HasPrefix(got, token)) {
				t.Errorf("%s, want %s", got, token)
			}
			if got := h.log(); got != calls {
				t.Errorf("calls are %q, want %q", got, calls)
			}
		}
		is(0, "ghs_7_1", mint)
		is(54*time.Minute+58*time.Second, "ghs_7_1", "")
		is(3*time.Second, "ghs_7_2", mint)
		h.set(500, `{"message": "no"}`)
		is(55*time.Minute, "ghs_7_2", mint) // it is still good
		is(time.Second, "ghs_7_2", "")
		is(rest, "ghs_7_2", mint)
		is(5*time.Minute, "error: app: GitHub App 12345: POST https://git.example/api/v3/app/installations/7/access_tokens: 500 Internal Server Error: \"no\"", mint)
		is(time.Second, "error", "")
		h.set(0, "")
		h.live(-time.Hour) // clocks disagree
		is(rest, "ghs_7_3", mint)
		is(59*time.Second, "ghs_7_3", "")
		h.live(time.Hour)
		is(2*time.Second, "ghs_7_4", mint)

		// One that is refused is replaced; its successor is not, so soon.
		u := address(t, "https://git.example/any/thing")
		l := mustLogin(t, o, u.String())
		l.Password = "another"
		o.Refused(t.Context(), u, l)
		is(0, "ghs_7_4", "")
		o.Refused(t.Context(), u, mustLogin(t, o, u.String()))
		is(0, "ghs_7_5", mint)
		o.Refused(t.Context(), u, mustLogin(t, o, u.String()))
		is(0, "ghs_7_5", "")
		is(refusals, "ghs_7_5", "")
		o.Refused(t.Context(), u, mustLogin(t, o, u.String()))
		is(0, "ghs_7_6", mint)
	})
}

// TestAppFails says why, without the key, the JWT or the token.
func TestAppFails(t *testing.T) {
	h := newHub(t)
	for _, tt := range []struct {
		status     int
		body, want string
	}{
		{401, `{"message": "A JSON web token {JWT} could not be decoded"}`, `401 Unauthorized: "A JSON web token xxxxx.xxxxx.xxxxx could`},
		{404, `{"message": "Not Found"}`, "404 Not Found"},
		{302, "", "302 Found"},
		{500, "<html>{JWT}", "500 Internal Server Error"},
		{0, `{"token": "` + secretText, "no JSON"},
		{0, `{"token": "` + secretText + `", "expires_at": "` + secretText + `"}`, "no JSON"},
		{0, `{"token": "` + secretText + `"}`, "without a token"},
		{0, strings.Repeat("x", maxOutput+1), "larger than"},
	} {
		h.set(tt.status, tt.body)
		o := h.outwards(7, "https://git.example/api/v3")
		got := login(t, o, "https://git.example/x/y")
		if !strings.HasPrefix(got, "error: app: ") || !strings.Contains(got, tt.want) || strings.Contains(got, secretText) || strings.Contains(got, "eyJ") {
			t.Errorf("%d %.50q: %s", tt.status, tt.body, got)
		}
		o.Close()
		if n := strings.Count(h.log(), "\n"); n != 0 {
			t.Errorf("%d: it was asked %d times", tt.status, n+1)
		}
	}
	h.set(0, "")
	inner, _ := pem.Decode([]byte(h.pem))
	pkcs8, err := x509.MarshalPKCS8PrivateKey(h.key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	for name, key := range map[string]string{
		"":                                     string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		"file:" + path + "): it is no PEM":     secretText,
		"): it is no RSA private key":          string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: inner.Bytes[1:]})),
		"secret file:" + path + ": it is empt": "\n",
	} {
		write(t, path, key)
		o := h.outwards(7, "https://git.example/api/v3")
		o.Rules[0].App.Key = Secret("file:" + path)
		got := login(t, o, "https://git.example/x/y")
		if (name == "") != strings.HasPrefix(got, "app: ") || !strings.Contains(got, name) || strings.Contains(got, secretText) {
			t.Errorf("%s: %s", name, got)
		}
		o.Close()
	}
}
