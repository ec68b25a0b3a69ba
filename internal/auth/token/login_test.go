package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestAnswer(t *testing.T) {
	logins := []Login{
		{Server: mustServer(t, "https://proxy.corp"), Token: "first"},
		{Server: mustServer(t, "https://proxy.corp/"), Token: "second"},
		{Server: mustServer(t, "https://proxy.corp/team/a"), User: "me", Token: "pass word"},
		{Server: mustServer(t, "https://other.corp:8443/go"), Token: "third"},
		{Server: mustServer(t, "https://broken.corp"), Token: "a\nb"},
	}
	for about, want := range map[string]string{
		"": "https://proxy.corp\nhttps://proxy.corp:443\n\nAuthorization: Bearer first\n\n" +
			"https://proxy.corp/team/a\nhttps://proxy.corp:443/team/a\n\nAuthorization: Basic bWU6cGFzcyB3b3Jk\n\n" +
			"https://other.corp:8443/go\n\nAuthorization: Bearer third\n\n",
		"https://proxy.corp/x/@v/list":        "https://proxy.corp\n\nAuthorization: Bearer first\n\n",
		"https://PROXY.corp/team/a/m/@latest": "https://PROXY.corp/team/a\n\nAuthorization: Basic bWU6cGFzcyB3b3Jk\n\n",
		"https://proxy.corp/team":             "https://proxy.corp\n\nAuthorization: Bearer first\n\n",
		"https://other.corp/go/m":             "",
		"https://broken.corp/m":               "",
		"https://evil.example/":               "",
		"http://proxy.corp/":                  "",
	} {
		var u *url.URL
		if about != "" {
			var err error
			if u, err = url.Parse(about); err != nil {
				t.Fatal(err)
			}
		}
		var b strings.Builder
		if err := Answer(&b, logins, u); err != nil || b.String() != want {
			t.Errorf("about %q: %v, got\n%swant\n%s", about, err, b.String(), want)
		}
	}
	if err := Answer(&strings.Builder{}, nil, nil); err != nil {
		t.Error(err)
	}
}

// parseAnswer reads an answer as "go help goauth" says.
func parseAnswer(text string) (map[string]http.Header, error) {
	found := make(map[string]http.Header)
	for text != "" {
		var urls []string
		h := make(http.Header)
		for part := range 2 {
			for {
				line, rest, ok := strings.Cut(text, "\n")
				if !ok {
					return nil, errors.New("a part does not end")
				}
				if text = rest; line == "" {
					break
				}
				if part == 0 {
					u, err := url.ParseRequestURI(line)
					if err != nil {
						return nil, err
					}
					urls = append(urls, u.String())
					continue
				}
				name, value, ok := strings.Cut(line, ": ")
				if !ok || strings.TrimSpace(value) != value {
					return nil, errors.New("no line of a header")
				}
				h.Add(name, value)
			}
		}
		for _, u := range urls {
			found[u] = h
		}
	}
	return found, nil
}

func FuzzAnswer(f *testing.F) {
	f.Add("https://proxy.corp/x", "", "token", "https://proxy.corp/x/y")
	f.Add("https://proxy.corp:8/", "me", "pass: word", "https://proxy.corp:8")
	f.Fuzz(func(t *testing.T, server, user, secret, about string) {
		s, err := ParseServer(server)
		l := Login{Server: s, User: user, Token: Secret(secret)}
		if err != nil || l.Check() != nil {
			return
		}
		u, err := url.Parse(about)
		if err != nil {
			return
		}
		for _, u := range []*url.URL{nil, u} {
			var b strings.Builder
			if err := Answer(&b, []Login{l}, u); err != nil {
				t.Fatal(err)
			}
			got, err := parseAnswer(b.String())
			if err != nil {
				t.Fatalf("%q: %v", b.String(), err)
			}
			if u == nil && len(got) == 0 || u != nil && (len(got) > 0) != s.Covers(u) {
				t.Fatalf("%s about %v: %q", s, u, b.String())
			}
			for at, h := range got {
				if back, err := ParseServer(at); err != nil || back != s {
					t.Fatalf("%s is answered with %q", s, at)
				}
				value := h.Get("Authorization")
				if user == "" && value != "Bearer "+secret {
					t.Fatalf("%q for the token %q", value, secret)
				}
				if user != "" {
					data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(value, "Basic "))
					if err != nil || string(data) != user+":"+secret {
						t.Fatalf("%q for %q:%q", value, user, secret)
					}
				}
				if len(h) != 1 {
					t.Fatalf("the header %q", h)
				}
			}
		}
	})
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		user, token string
		want        error
	}{
		{"", "abc.DEF-1_~+/=", nil}, {"me", "with blank é", nil}, {"", strings.Repeat("x", maxSecret), nil},
		{"", "", ErrEmpty}, {"me", "", ErrEmpty}, {"", strings.Repeat("x", maxSecret+1), ErrLong},
		{"", "a b", ErrShape}, {"", "a\nb", ErrShape}, {"", "é", ErrShape}, {"me", "a\r\nX: y", ErrShape}, {"me", "a\x00", ErrShape},
		{"a:b", "x", ErrUser}, {"a\nb", "x", ErrUser},
	} {
		if err := (Login{User: tt.user, Token: Secret(tt.token)}).Check(); err != tt.want {
			t.Errorf("%q %.20q: %v, want %v", tt.user, tt.token, err, tt.want)
		}
	}
}

func TestNothingShowsASecret(t *testing.T) {
	l := Login{Server: mustServer(t, "https://proxy.corp"), Token: "s3cr3t"}
	n := Named{Token: "s3cr3t", IDToken: "s3cr3t", GitHub: &GitHub{RequestToken: "s3cr3t"}}
	var b strings.Builder
	for _, v := range []any{l, &l, []Login{l}, l.Token, n, n.GitHub} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&b, verb, v)
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	}
	if text := b.String(); strings.Contains(text, "s3cr3t") || strings.Contains(text, fmt.Sprintf("%x", "s3cr3t")) {
		t.Errorf("it shows: %s", text)
	}
}

func TestGOAUTH(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "netrc": false, "off": false, "netrc;godown auth": true, "/opt/bin/godown auth --server x;netrc": true,
		`'/my dir/godown' auth`: true, `C:\bin\godown.exe auth`: true, "godown login": false, "godownx auth": false, "auth godown": false,
		"git /home/godown auth": true, // who has such a folder may set GOAUTH by hand
		"/x/gd auth":            true,
	} {
		if got := HasCommand(value, "/x/gd auth"); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
	for value, want := range map[string]string{
		"": "godown auth;netrc", "netrc": "godown auth;netrc", "off": "godown auth", " ; ": "godown auth;netrc",
		"git /home/me;netrc": "godown auth;git /home/me;netrc", "netrc;": "godown auth;netrc",
	} {
		if got := WithCommand(value, "godown auth"); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	for program, want := range map[string]string{
		"godown": "godown auth", "/my dir/godown": "'/my dir/godown' auth", "/it's/godown": `"/it's/godown" auth`,
		"": "", "/a;b/godown": "", `/it's "so"/godown`: "",
	} {
		if got, ok := Command(program); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", program, got, ok)
		}
	}
}
