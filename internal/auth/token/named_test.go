package token

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestNamed(t *testing.T) {
	for _, tt := range []struct {
		named Named
		want  string // "SERVER USER TOKEN PLACE", "" for none, "!" for an error
	}{
		{Named{}, ""},
		{Named{Server: "https://a.corp"}, ""},
		{Named{Token: "x"}, ""},
		{Named{Server: "https://a.corp/go/", Token: "x", IDToken: "y"}, "https://a.corp/go  x environment"},
		{Named{Server: "https://a.corp", User: "me", Token: "x"}, "https://a.corp me x environment"},
		{Named{Server: "https://a.corp", IDToken: "y"}, "https://a.corp  y ci"},
		{Named{Server: "http://127.0.0.1:8080", Token: "x"}, ""},
		{Named{Server: "127.0.0.1:8080", Token: "x"}, ""},
		{Named{Server: "https://u:s3cr3t@a.corp", Token: "s3cr3t"}, "!"},
		{Named{Server: "https://a.corp", Token: "s3cr3t s3cr3t"}, "!"},
		{Named{Server: "https://a.corp", GitHub: &GitHub{}}, "!"},
		{Named{Server: "https://a.corp", GitHub: &GitHub{RequestURL: "http://elsewhere.example/s3cr3t", RequestToken: "s3cr3t"}}, "!"},
	} {
		l, ok, err := tt.named.Login(t.Context(), anyServer, false)
		got := ""
		if ok {
			got = fmt.Sprintf("%v %s %s %s", l.Server, l.User, string(l.Token), l.Place)
		}
		if err != nil {
			got = "!"
		}
		if got != tt.want {
			t.Errorf("%+v: %q, %v, want %q", tt.named, got, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%+v: %v", tt.named, err)
		}
	}
}

func TestFind(t *testing.T) {
	s := &Store{File: filepath.Join(t.TempDir(), "c.json")}
	add(t, s, "https://a.corp", "", "stored", File)
	add(t, s, "https://b.corp", "", "other", File)
	f := Finder{Named: Named{Server: "https://a.corp", Token: "env"}, Store: s}
	list, err := f.Find(t.Context(), anyServer, false)
	if err != nil || len(list) != 2 || list[0].Token != "env" || list[1].Token != "other" {
		t.Errorf("%d, %v", len(list), err)
	}
	// What is wrong with one place keeps nobody from the other.
	f.Named.Token = "with blank"
	if list, err := f.Find(t.Context(), anyServer, false); err == nil || len(list) != 2 || list[0].Token != "stored" {
		t.Errorf("%d, %v", len(list), err)
	}
	f.Store = nil
	f.Named.Token = "env"
	if list, err := f.Find(t.Context(), anyServer, false); err != nil || len(list) != 1 {
		t.Errorf("%d, %v", len(list), err)
	}
}

// jwt returns a token that looks like one of GitHub's.
func jwt(n int64, expires time.Time) string {
	claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"jti":"%d","exp":%d}`, n, expires.Unix()))
	return "eyJhbGciOiJSUzI1NiJ9." + claims + ".c2ln"
}

func TestGitHub(t *testing.T) {
	var asked atomic.Int64
	var audience, shown, answer atomic.Value
	answer.Store("")
	life := 5 * time.Minute
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		audience.Store(r.URL.Query().Get("audience") + " " + r.URL.Query().Get("api-version"))
		shown.Store(r.Header.Get("Authorization"))
		if text := answer.Load().(string); text != "" {
			w.Write([]byte(text))
			return
		}
		fmt.Fprintf(w, `{"count":1,"value":%q}`, jwt(n, time.Now().Add(life)))
	}))
	defer host.Close()
	dir := t.TempDir()
	g := &GitHub{RequestURL: host.URL + "/token?api-version=2.0", RequestToken: "runner", Temp: dir}
	ask := func(at string, refused bool) (Login, error) {
		l, _, err := Named{Server: at, GitHub: g}.Login(t.Context(), anyServer, refused)
		return l, err
	}
	first, err := ask("https://a.corp/go", false)
	if err != nil || string(first.Token) == "" || first.Place != CI || audience.Load() != "https://a.corp/go 2.0" || shown.Load() != "Bearer runner" {
		t.Fatalf("%v, audience %v, shown %v", err, audience.Load(), shown.Load())
	}
	again, err := ask("https://a.corp/go/", false)
	if err != nil || again.Token != first.Token || asked.Load() != 1 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
	if other, err := ask("https://b.corp", false); err != nil || other.Token == first.Token || asked.Load() != 2 {
		t.Errorf("for another server: asked %d times, %v", asked.Load(), err)
	}
	if renewed, err := ask("https://a.corp/go", true); err != nil || renewed.Token == first.Token || asked.Load() != 3 {
		t.Errorf("after a refusal: asked %d times, %v", asked.Load(), err)
	}
	if _, err := ask("https://a.corp/go", false); err != nil || asked.Load() != 3 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
	// A kept one that has expired is not used.
	if _, err := g.token(t.Context(), mustServer(t, "https://b.corp"), false, time.Now().Add(life-30*time.Second)); err != nil || asked.Load() != 4 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
	asked.Store(3)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		// A file that others could have read, or written, is not used.
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ask("https://a.corp/go", false); err != nil || asked.Load() != 4 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
	// A token about to expire is asked for anew each time.
	life = 30 * time.Second
	for range 2 {
		if _, err := ask("https://c.corp", false); err != nil {
			t.Error(err)
		}
	}
	if asked.Load() != 6 {
		t.Errorf("asked %d times", asked.Load())
	}
	// So it is where there is no folder.
	life, g.Temp = time.Hour, ""
	for range 2 {
		if _, err := ask("https://d.corp", false); err != nil {
			t.Error(err)
		}
	}
	if asked.Load() != 8 {
		t.Errorf("asked %d times", asked.Load())
	}
	for _, text := range []string{"{}", "no", `{"value":"a b"}`, `{"value":3}`} {
		answer.Store(text)
		if _, err := ask("https://e.corp", false); err == nil || !strings.Contains(err.Error(), "without a token") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestGitHubFails(t *testing.T) {
	var shown atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		shown.Store(true)
	}))
	defer elsewhere.Close()
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
			return
		}
		http.Error(w, "s3cr3t", http.StatusForbidden)
	}))
	defer host.Close()
	for path, want := range map[string]string{"/away": "302", "/no": "403"} {
		g := &GitHub{RequestURL: host.URL + path + "?key=s3cr3t", RequestToken: "s3cr3t"}
		_, _, err := Named{Server: "https://a.corp", GitHub: g}.Login(t.Context(), anyServer, false)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if shown.Load() {
		t.Error("a redirect was followed")
	}
	host.Close()
	g := &GitHub{RequestURL: host.URL + "/?key=s3cr3t", RequestToken: "s3cr3t"}
	_, _, err := Named{Server: "https://a.corp", GitHub: g}.Login(t.Context(), anyServer, false)
	if err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("nobody answers: %v", err)
	}
}

func TestRefused(t *testing.T) {
	for said, want := range map[string]bool{
		"HTTP/1.1 401 Unauthorized\nContent-Length: 19\n\n": true, "HTTP/2.0 401 \n": true, "HTTP/1.1 401": true,
		"HTTP/1.1 404 Not Found\nX: HTTP/1.1 401\n\n": false, "": false, "401": false, "GET 401\n": false,
	} {
		if Refused(said) != want {
			t.Errorf("%q: %v", said, !want)
		}
	}
}

func FuzzExpiry(f *testing.F) {
	f.Add(jwt(1, time.Unix(2000000000, 0)))
	f.Add("a.e30.b")
	f.Fuzz(func(t *testing.T, text string) {
		if at, ok := expiry(Secret(text)); ok && (at.Unix() < 0 || at.Year() > 9999) {
			t.Fatalf("%q expires at %v", text, at)
		}
	})
}
