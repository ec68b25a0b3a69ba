package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// handler answers in as many ways as there are.
func handler(t *testing.T, elsewhere *string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(strings.Repeat("0123456789", 1000)))
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "\n <!DOCTYPE html><html>")
	})
	mux.HandleFunc("/refused", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no \x1b[31mway,\n"+r.Header.Get("Authorization"), http.StatusForbidden)
	})
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Authorization")) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, *elsewhere+"/who", http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/down", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	})
	mux.HandleFunc("/hang", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/stall", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	hangUp := func(before string, linger int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, before)
			_ = conn.(*net.TCPConn).SetLinger(linger)
			conn.Close()
		}
	}
	mux.HandleFunc("/closed", hangUp("", -1))
	mux.HandleFunc("/short", hangUp("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", -1))
	mux.HandleFunc("/reset", hangUp("", 0))
	mux.HandleFunc("/junk", hangUp("220 mail.example ESMTP\r\n\r\n", -1))
	return mux
}

func TestGet(t *testing.T) {
	other := httptest.NewServer(handler(t, new(string)))
	defer other.Close()
	s := httptest.NewServer(handler(t, &other.URL))
	defer s.Close()
	p := &Prober{Timeouts: soon()}
	get := func(path string) Exchange {
		u := parse(t, s.URL+path)
		u.User = url.UserPassword("somebody", "hunter2")
		e := p.Get(t.Context(), Ask{URL: u, Keep: true, Limit: 5000})
		if shown := fmt.Sprintf("%+v %+v", e, e.Failure); path != "/who" && (strings.Contains(shown, "hunter2") || strings.Contains(shown, "c29tZWJvZHk")) {
			t.Errorf("%s shows the password: %s", path, shown)
		}
		return e
	}
	for path, want := range map[string]Failure{
		"/none":    {Kind: HTTPStatus, Phase: PhaseFirstByte, Status: 404},
		"/refused": {Kind: HTTPStatus, Phase: PhaseFirstByte, Status: 403},
		"/round":   {Kind: Redirect},
		"/hang":    {Kind: Timeout, Phase: PhaseFirstByte},
		"/stall":   {Kind: Timeout, Phase: PhaseBody},
		"/closed":  {Kind: Closed, Phase: PhaseFirstByte},
		"/short":   {Kind: Closed, Phase: PhaseBody},
		"/reset":   {Kind: Reset, Phase: PhaseFirstByte},
		"/junk":    {Kind: NotHTTP, Phase: PhaseFirstByte},
	} {
		e := get(path)
		if e.OK() || e.Failure.Kind != want.Kind || want.Phase != "" && e.Failure.Phase != want.Phase || e.Failure.Status != want.Status {
			t.Errorf("%s: %+v, want %+v", path, e.Failure, want)
		}
	}
	if e := get("/refused"); e.Text != "no [31mway, Basic xxxxx" {
		t.Errorf("a refusal says %q", e.Text)
	}
	if e := get("/page"); !e.HTML || !e.OK() {
		t.Errorf("a page is %+v", e)
	}
	if e := get("/big"); !e.OK() || !e.Cut || e.Bytes != 5000 || e.Size != 10000 || len(e.Body) != 5000 || e.Proto != "HTTP/1.1" || e.Remote != strings.TrimPrefix(s.URL, "http://") {
		t.Errorf("a long answer is %+v", e)
	}
	if e := get("/who"); string(e.Body) != "Basic c29tZWJvZHk6aHVudGVyMg==" {
		t.Errorf("it was asked by %q", e.Body)
	}
	if e := get("/away"); !e.OK() || len(e.Body) != 0 || len(e.Redirects) != 1 || "http://"+e.Redirects[0] != other.URL {
		t.Errorf("a redirect gives %+v", e)
	}
	part := p.Get(t.Context(), Ask{URL: parse(t, s.URL+"/big"), From: 13, Size: 4, Keep: true})
	if part.Status != 206 || string(part.Body) != "3456" || part.ContentRange != "bytes 13-16/10000" {
		t.Errorf("a range is %+v", part)
	}
}

// A client's requests share a connection; times are where something happened.
func TestClient(t *testing.T) {
	s, p := tlsServer(t, handler(t, new(string)))
	c := p.Client(false)
	defer c.Close()
	cold := c.Get(t.Context(), Ask{URL: parse(t, s.URL+"/big")})
	if !cold.OK() || cold.Reused || cold.Connect <= 0 || cold.TLS <= 0 || cold.DNS != 0 || cold.FirstByte <= 0 || cold.Total < cold.Header || cold.Proto != "HTTP/2.0" || len(cold.Chain) == 0 {
		t.Errorf("the first request is %+v", cold)
	}
	warm := c.Get(t.Context(), Ask{URL: parse(t, s.URL+"/big")})
	if !warm.OK() || !warm.Reused || warm.Connect != 0 || warm.TLS != 0 {
		t.Errorf("the second request is %+v", warm)
	}
	if e := c.Get(t.Context(), Ask{URL: parse(t, s.URL+"/down")}); kind(e.Failure) != Redirect {
		t.Errorf("a redirect to http is %+v", e.Failure)
	}
	apart := p.Client(true)
	defer apart.Close()
	if e := apart.Get(t.Context(), Ask{URL: parse(t, s.URL+"/big")}); e.Proto != "HTTP/1.1" {
		t.Errorf("apart, it is %s", e.Proto)
	}
}

// An outbound proxy that is not there, or lets nobody through, is told from the mirror.
func TestProxy(t *testing.T) {
	s, p := tlsServer(t, handler(t, new(string)))
	via := func(text string) { p.Proxy = http.ProxyURL(parse(t, text)) }
	via("http://u:hunter2@" + closedPort(t).String())
	e := p.Get(t.Context(), Ask{URL: parse(t, s.URL+"/big")})
	if kind(e.Failure) != ProxyFailed || e.Failure.Cause != Refused || strings.Contains(fmt.Sprintf("%+v %v", e, e.Failure), "hunter2") {
		t.Errorf("a proxy that is not there: %+v", e.Failure)
	}
	strict := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	defer strict.Close()
	via(strict.URL)
	e = p.Get(t.Context(), Ask{URL: parse(t, s.URL+"/big")})
	if kind(e.Failure) != ProxyRefused || e.Failure.Status != http.StatusProxyAuthRequired || e.Via != strict.URL {
		t.Errorf("a proxy that refuses: %+v", e.Failure)
	}
}

func TestCanceled(t *testing.T) {
	s := httptest.NewServer(handler(t, new(string)))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if e := new(Prober).Get(ctx, Ask{URL: parse(t, s.URL+"/hang")}); kind(e.Failure) != Canceled {
		t.Errorf("%+v", e.Failure)
	}
}

// Each kind is said in both languages.
func TestFailureText(t *testing.T) {
	for _, k := range []Kind{DNSNotFound, DNSFailed, Refused, Unreachable, Timeout, TLSAuthority, TLSExpired, TLSName, TLSFailed, NotTLS, Reset, Closed, ProxyRefused, ProxyFailed, Redirect, HTTPStatus, NotHTTP, Canceled} {
		f := &Failure{Kind: k, Phase: PhaseTLS, Status: 502, Detail: "words"}
		en, zh := f.Text().In(lang.English), f.Text().In(lang.Chinese)
		if en == string(k) || zh == en || strings.Contains(en+zh, "%!") || f.Error() == "" {
			t.Errorf("%s: %q, %q", k, en, zh)
		}
	}
}
