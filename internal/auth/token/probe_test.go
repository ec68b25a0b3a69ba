package token

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestProbe(t *testing.T) {
	strayed := false
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed = true }))
	defer elsewhere.Close()
	status := func(bare, shown int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Add(headers[i], headers[i+1])
			}
			if r.Header.Get("Authorization") == "" {
				w.WriteHeader(bare)
			} else {
				w.WriteHeader(shown)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		serve http.HandlerFunc
		want  Findings
	}{
		{"private", status(401, 200), Findings{Verdict: Accepted, Status: "200 OK"}},
		{"private without a database", status(403, 404), Findings{Verdict: Accepted, Status: "404 Not Found"}},
		{"wrong", status(401, 401), Findings{Verdict: Refused401, Status: "401 Unauthorized"}},
		{"basic", status(401, 401, "WWW-Authenticate", `Bearer realm="x"`, "WWW-Authenticate", `basic realm="x"`), Findings{Verdict: Refused401, Status: "401 Unauthorized", Basic: true}},
		{"forbidden", status(401, 403), Findings{Verdict: Refused403, Status: "403 Forbidden"}},
		{"open", status(200, 200), Findings{Verdict: Open, Status: "200 OK"}},
		{"open but wrong", status(200, 401), Findings{Verdict: Refused401, Status: "401 Unauthorized"}},
		{"ill", status(401, 502), Findings{Verdict: Ill, Status: "502 Bad Gateway"}},
		{"busy", status(401, 429), Findings{Verdict: Ill, Status: "429 Too Many Requests"}},
		{"away", status(401, 302, "Location", elsewhere.URL+"/login?x"), Findings{Verdict: Elsewhere, Status: "302 Found", Host: strings.TrimPrefix(elsewhere.URL, "https://")}},
		{"godown", askGodown("other"), Findings{Verdict: Refused401, Status: "401 Unauthorized"}},
		{"godown", askGodown("token"), Findings{Verdict: Publishes, Status: "200 OK"}},
		{"godown that takes nothing", askGodown(""), Findings{Verdict: Open, Status: "200 OK"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewTLSServer(http.StripPrefix("/go", tt.serve))
			defer s.Close()
			got, err := Probe{Client: s.Client()}.Ask(t.Context(), Login{Server: mustServer(t, s.URL+"/go"), Token: "token"})
			if err != nil || got != tt.want {
				t.Errorf("%+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
	if strayed {
		t.Error("a redirect was followed")
	}
}

// godown answers as a godown does that takes modules from who has the token; "": from nobody.
func askGodown(token string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/sumdb/sum.golang.org/supported":
		case r.URL.Path != "/-/publish/":
			http.NotFound(w, r)
		case r.Method != http.MethodPut:
			w.Header().Set("Allow", "PUT")
			w.WriteHeader(http.StatusMethodNotAllowed)
		case token == "":
			http.NotFound(w, r)
		case r.Header.Get("Authorization") != "Bearer "+token:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	}
}

func TestProbeFails(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-release }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // whose certificate is refused
	s.StartTLS()
	defer s.Close()
	defer close(release)
	l := Login{Server: mustServer(t, s.URL), Token: "s3cr3t"}
	_, hangs := Probe{Client: s.Client(), Wait: time.Millisecond}.Ask(t.Context(), l)
	_, unknown := Probe{}.Ask(t.Context(), l) // its certificate is not known to the system
	gone := httptest.NewTLSServer(nil)
	gone.Close()
	_, refused := Probe{}.Ask(t.Context(), Login{Server: mustServer(t, gone.URL), Token: "s3cr3t"})
	for _, err := range []error{hangs, unknown, refused} {
		if err == nil || !strings.HasPrefix(err.Error(), "there is no answer from 127.0.0.1:") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v", err)
		}
	}
	if _, err := (Probe{}).Ask(t.Context(), Login{Server: l.Server, Token: "a b"}); !errors.Is(err, ErrShape) {
		t.Errorf("%v", err)
	}
}
