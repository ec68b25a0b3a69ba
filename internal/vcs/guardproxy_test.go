package vcs

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// passGit runs git with a pass, or without one where proxy is empty.
func passGit(t testing.TB, dir, proxy string, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.test", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.test"}, env...)
	if proxy != "" {
		cmd.Env = append(cmd.Env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.proxy", "GIT_CONFIG_VALUE_0="+proxy)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// passRepo is a handler of smart HTTP for /repo.git, in which a file has size bytes that cannot be compressed.
func passRepo(t testing.TB, size int) http.Handler {
	t.Helper()
	root := t.TempDir()
	content := make([]byte, size)
	x := uint32(1)
	for i := range content {
		x = x*1664525 + 1013904223
		content[i] = byte(x >> 24)
	}
	work := filepath.Join(root, "work")
	if err := errors.Join(os.Mkdir(work, 0o777), os.WriteFile(filepath.Join(work, "file"), content, 0o666)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-q", "-m", "one"}, {"clone", "-q", "--bare", ".", filepath.Join(root, "repo.git")}} {
		if out, err := passGit(t, work, "", nil, args...); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	return &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Dir: root,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + root, "GIT_CONFIG_NOSYSTEM=1"}, InheritEnv: []string{"PATH"}, Logger: log.New(io.Discard, "", 0),
	}
}

func passOpen(t testing.TB, g *Guard, free bool, limit int64) *Pass {
	t.Helper()
	p, err := g.Open(t.Context(), free, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		g.Close()
	})
	return p
}

// passClient is an http.Client that uses p and trusts the test servers.
func passClient(t testing.TB, p *Pass, srv *httptest.Server) *http.Client {
	t.Helper()
	proxy, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	transport := srv.Client().Transport.(*http.Transport).Clone()
	transport.Proxy = http.ProxyURL(proxy)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func passGet(c *http.Client, page string) (string, error) {
	resp, err := c.Get(page)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(resp.Status))
	}
	return string(body), err
}

// passSecretless checks that text has none of the passwords.
func passSecretless(t testing.TB, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Errorf("%q shows a secret", text)
		}
	}
}

// The real git, over http and https, allowed, refused, and cut at the limit.
func TestPassGit(t *testing.T) {
	repo := passRepo(t, 300<<10)
	plain, secure := httptest.NewServer(repo), httptest.NewTLSServer(repo)
	defer plain.Close()
	defer secure.Close()
	cert := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o666); err != nil {
		t.Fatal(err)
	}
	env := []string{"GIT_SSL_CAINFO=" + cert}
	for _, srv := range []*httptest.Server{plain, secure} {
		for _, method := range []string{"", "GIT_HTTP_PROXY_AUTHMETHOD=basic"} {
			remote := srv.URL + "/repo.git"
			g := &Guard{Allow: guardAllow(t, "127.0.0.1")}
			p := passOpen(t, g, false, 1<<20)
			if out, err := passGit(t, t.TempDir(), p.URL(), append(env, method), "ls-remote", remote); err != nil || !strings.Contains(out, "refs/heads/main") || p.Err() != nil {
				t.Errorf("%s: ls-remote: %v, %v\n%s", remote, err, p.Err(), out)
			}
			listed := p.Received()
			dir := t.TempDir()
			if out, err := passGit(t, dir, p.URL(), append(env, method), "clone", "-q", remote, "got"); err != nil || p.Err() != nil {
				t.Errorf("%s: clone: %v, %v\n%s", remote, err, p.Err(), out)
			}
			if info, err := os.Stat(filepath.Join(dir, "got", "file")); err != nil || info.Size() != 300<<10 {
				t.Errorf("%s: cloned %v, error %v", remote, info, err)
			}
			if listed < 100 || p.Received() < 300<<10+listed {
				t.Errorf("%s: received %d bytes, then %d", remote, listed, p.Received())
			}
			p.Close()
			if out, err := passGit(t, dir, p.URL(), env, "ls-remote", remote); err == nil || !strings.Contains(out, "407") {
				t.Errorf("%s: with a closed pass: %v\n%s", remote, err, out)
			}

			p = passOpen(t, g, false, 100<<10)
			if out, err := passGit(t, dir, p.URL(), env, "clone", "-q", remote, "cut"); err == nil || p.Err() == nil || !strings.Contains(p.Err().Error(), "more than the limit of 102400 bytes") || p.Received() != 100<<10 {
				t.Errorf("%s: over the limit: %v, %v after %d bytes\n%s", remote, err, p.Err(), p.Received(), out)
			}

			strict := &Guard{}
			p = passOpen(t, strict, false, 0)
			out, err := passGit(t, dir, p.URL(), append(env, method), "ls-remote", remote)
			if err == nil || !strings.Contains(out, "403") || p.Received() != 0 {
				t.Errorf("%s: %v, received %d bytes\n%s", remote, err, p.Received(), out)
			}
			guardDenied(t, p.Err(), "127.0.0.1", "loopback")
			passSecretless(t, p.Err().Error(), p.secret)
			p = passOpen(t, strict, true, 0)
			if out, err := passGit(t, dir, p.URL(), env, "ls-remote", remote); err != nil {
				t.Errorf("%s, private: %v\n%s", remote, err, out)
			}
			strict.Close()
			g.Close()
		}
	}
}

// Only git commands of ours get anything, and only what a proxy of theirs needs.
func TestPassIsStrict(t *testing.T) {
	trap := guardTrap(t)
	g := &Guard{Allow: guardAllow(t, "*")}
	p, other := passOpen(t, g, false, 0), passOpen(t, g, false, 0)
	basic := func(user, secret string) string {
		r := http.Request{Header: make(http.Header)}
		r.SetBasicAuth(user, secret)
		return "Proxy-Authorization: " + r.Header.Get("Authorization") + "\r\n"
	}
	gone := basic(passUser, other.secret)
	other.Close()
	good := basic(passUser, p.secret)
	origin := "127.0.0.1:" + trap
	for _, c := range []struct {
		text string
		want int
	}{
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\n", 407},
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\n" + gone, 407},
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\n" + basic("godown", ""), 407},
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\n" + basic("", p.secret), 407},
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\n" + basic(passUser, p.secret+"x"), 407},
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\n" + basic(passUser, strings.ToLower(p.secret)), 407},
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\n" + good + good, 407},
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\n" + strings.Replace(good, "Proxy-", "", 1), 407},
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic !\r\n", 407},
		{"GET http://" + origin + "/ HTTP/1.1\r\nHost: x\r\n", 407},
		{"GET / HTTP/1.1\r\nHost: x\r\n", 407},
		{"GET / HTTP/1.1\r\nHost: x\r\n" + good, 400},
		{"GET https://" + origin + "/ HTTP/1.1\r\nHost: x\r\n" + good, 400},
		{"GET ftp://" + origin + "/ HTTP/1.1\r\nHost: x\r\n" + good, 400},
		{"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + good, 400},
		{"CONNECT 127.0.0.1 HTTP/1.1\r\nHost: x\r\n" + good, 400},
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" + good, 400},
		{"CONNECT " + origin + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + good, 400},
		{"POST http://" + origin + "/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n" + good, 501},
		{"POST http://" + origin + "/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n" + good, 400},
		{"POST http://" + origin + "/ HTTP/1.1\r\nHost: x\r\nExpect: tricks\r\nContent-Length: 4\r\n" + good, 417},
		{"PRI * HTTP/2.0\r\n", 407},
	} {
		conn, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, c.text+"\r\n")
		conn.(*net.TCPConn).CloseWrite() // no body follows
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != c.want {
			t.Errorf("%q: %v, error %v; want %d", c.text, resp, err, c.want)
		} else if (resp.Header.Get("Proxy-Authenticate") != "") != (c.want == 407) {
			t.Errorf("%q: header %v", c.text, resp.Header)
		}
		conn.Close()
	}
	if p.Err() != nil || p.Received() != 0 {
		t.Errorf("the pass has error %v, received %d bytes", p.Err(), p.Received())
	}
}

// What is between git and the proxy stays there; the rest comes through as it is.
func TestPassForwards(t *testing.T) {
	var got http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Header.Clone()
		got.Set("Seen-Body", string(body))
		got.Set("Seen-Target", r.RequestURI+" "+r.Host)
		if r.URL.Path == "/switch" {
			conn, _, _ := w.(http.Hijacker).Hijack()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
			conn.Close()
			return
		}
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Proxy-Authenticate", "Negotiate")
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusMovedPermanently)
		io.WriteString(w, "moved")
	}))
	defer srv.Close()
	p := passOpen(t, &Guard{Allow: guardAllow(t, "127.0.0.1")}, false, 0)
	client := passClient(t, p, srv)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	do := func(path string) *http.Response {
		req, _ := http.NewRequest("POST", srv.URL+path, strings.NewReader("question"))
		for name, value := range map[string]string{"Connection": "X-Mine, Upgrade", "X-Mine": "1", "Upgrade": "h2c", "Http2-Settings": "x", "Keep-Alive": "1", "Proxy-Connection": "keep-alive", "Expect": "100-continue",
			"Te": "gzip", "Authorization": "Basic eDp5", "Git-Protocol": "version=2", "Content-Type": "x/y", "Accept-Encoding": "deflate, gzip"} {
			req.Header.Set(name, value)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		resp.Header.Set("Seen-Body", string(body))
		return resp
	}
	resp := do("/a%2Fb/c?service=git-upload-pack;x&y=%zz")
	if resp.StatusCode != http.StatusMovedPermanently || resp.Header.Get("Seen-Body") != "moved" || resp.Header.Get("Location") == "" || resp.Header.Get("Www-Authenticate") != "Basic" {
		t.Errorf("got %v", resp)
	}
	for _, h := range []http.Header{got, resp.Header} {
		for _, name := range []string{"Connection", "X-Mine", "X-Hop", "Upgrade", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate", "Expect", "Te", "X-Forwarded-For", "Via"} {
			if v := h.Values(name); len(v) > 0 {
				t.Errorf("%s: %q came through", name, v)
			}
		}
	}
	for name, want := range map[string]string{"Authorization": "Basic eDp5", "Git-Protocol": "version=2", "Content-Type": "x/y", "Accept-Encoding": "deflate, gzip", "Seen-Body": "question",
		"Seen-Target": "/a%2Fb/c?service=git-upload-pack;x&y=%zz " + strings.TrimPrefix(srv.URL, "http://")} {
		if got.Get(name) != want {
			t.Errorf("%s: %q; want %q", name, got.Get(name), want)
		}
	}
	if resp := do("/switch"); resp.StatusCode != http.StatusBadGateway || p.Err() == nil || !strings.Contains(p.Err().Error(), "switches") {
		t.Errorf("101: %v, %v", resp.Status, p.Err())
	}
}

// Err tells what stands in the way: a refusal before all else.
func TestPassErr(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	p := passOpen(t, &Guard{Allow: guardAllow(t, closed), Resolver: &guardNames{}}, false, 0)
	client := passClient(t, p, srv)
	for _, c := range []struct{ page, word string }{
		{"http://" + closed, "502"}, {"https://" + closed, "Bad Gateway"}, {"https://nowhere.example", "Bad Gateway"},
		{"http://127.0.0.1:1/", "403"}, {"https://nowhere.example", "Bad Gateway"}, {"https://127.0.0.2:1/", "Forbidden"},
	} {
		if _, err := passGet(client, c.page); err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: error %v; want %q in it", c.page, err, c.word)
		}
		if c.word != "403" && !strings.Contains(p.Err().Error(), closed) && !strings.Contains(p.Err().Error(), "127.0.0.1 ") {
			t.Errorf("%s: %v", c.page, p.Err())
		}
	}
	guardDenied(t, p.Err(), "127.0.0.1")
}

// A connection that moves nothing is cut: waiting for an answer, and in a tunnel.
func TestPassIdle(t *testing.T) {
	release := make(chan struct{})
	silent := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
	plain, secure := httptest.NewServer(silent), httptest.NewTLSServer(silent)
	defer secure.Close()
	defer plain.Close()
	defer close(release)
	for _, srv := range []*httptest.Server{plain, secure} {
		g := &Guard{Allow: guardAllow(t, "*"), Idle: 30 * time.Millisecond}
		p := passOpen(t, g, false, 0)
		if _, err := passGet(passClient(t, p, srv), srv.URL); err == nil || p.Err() == nil || !strings.Contains(p.Err().Error(), "moved not a byte for 30ms") {
			t.Errorf("%s: error %v, %v", srv.URL, err, p.Err())
		}
		g.Close()
	}
}

// The idle time begins anew with each byte, whichever way it goes, and each half of a tunnel may end alone.
func TestPassTunnel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Pass{guard: &Guard{}, holds: make(map[int]func())}
		client, near := net.Pipe()
		far, origin := net.Pipe()
		var done sync.WaitGroup
		start := time.Now()
		done.Go(func() { p.tunnel(near, near, &passConn{Conn: far, pass: p, host: "x:1"}) })
		for range 10 {
			<-time.After(passIdle - time.Second)
			io.WriteString(client, "ping")
			io.ReadFull(origin, make([]byte, 4))
			<-time.After(passIdle - time.Second)
			io.WriteString(origin, "pong")
			io.ReadFull(client, make([]byte, 4))
		}
		if p.Err() != nil {
			t.Errorf("after %v: %v", time.Since(start), p.Err())
		}
		done.Wait()
		if _, err := client.Read(make([]byte, 1)); err != io.EOF || p.Err() == nil || p.Received() != 40 {
			t.Errorf("idle: read error %v, %v, %d bytes", err, p.Err(), p.Received())
		}
	})
}

func TestPassHalfClose(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var origin sync.WaitGroup
	defer origin.Wait()
	origin.Go(func() { // answers when it has read the whole question
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		question, _ := io.ReadAll(conn)
		fmt.Fprintf(conn, "answer to %s", question)
	})
	p := passOpen(t, &Guard{}, true, 0)
	conn, err := net.Dial("tcp", p.guard.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := http.Request{Header: make(http.Header)}
	r.SetBasicAuth(passUser, p.secret)
	// The question comes with the request, before it is answered.
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\nearly question", l.Addr(), r.Header.Get("Authorization"))
	br := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect}); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, error %v", resp, err)
	}
	io.WriteString(conn, " and more")
	conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(br); err != nil || string(got) != "answer to early question and more" {
		t.Errorf("%q, error %v", got, err)
	}
}

// Close, and the end of the context, end what is under way.
func TestPassEnds(t *testing.T) {
	for _, kind := range []string{"http://", "https://"} {
		for name, end := range map[string]func(*Guard, *Pass, context.CancelFunc){
			"pass": func(_ *Guard, p *Pass, _ context.CancelFunc) { p.Close() }, "guard": func(g *Guard, _ *Pass, _ context.CancelFunc) { g.Close() },
			"context": func(_ *Guard, _ *Pass, cancel context.CancelFunc) { cancel() },
		} {
			release := make(chan struct{})
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/long" {
					io.WriteString(w, "begin")
					w.(http.Flusher).Flush()
					<-release
				}
			})
			srv := httptest.NewUnstartedServer(handler)
			if srv.Start(); kind == "https://" {
				srv.Close()
				srv = httptest.NewTLSServer(handler)
			}
			g := &Guard{}
			ctx, cancel := context.WithCancel(t.Context())
			p, err := g.Open(ctx, true, 0)
			if err != nil {
				t.Fatal(err)
			}
			client := passClient(t, p, srv)
			resp, err := client.Get(srv.URL + "/long")
			if err != nil {
				t.Fatal(err)
			}
			io.ReadFull(resp.Body, make([]byte, 5))
			end(g, p, cancel)
			if rest, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("%s%s: it goes on with %q", kind, name, rest)
			}
			resp.Body.Close()
			close(release)
			client.CloseIdleConnections()
			if _, err := passGet(client, srv.URL); err == nil || p.Err() != nil {
				t.Errorf("%s%s: after the end: %v, %v", kind, name, err, p.Err())
			}
			p.Close()
			p.Close()
			cancel()
			g.Close()
			if _, err := g.Open(t.Context(), true, 0); err == nil {
				t.Error("a closed guard gives a pass")
			}
			srv.Close()
		}
	}
}

// Git that has ceased to read does not keep a pass from ending.
func TestPassClientStuck(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	for _, how := range []string{"close", "idle"} {
		g := &Guard{}
		if how == "idle" {
			g.Idle = 50 * time.Millisecond
		}
		p := passOpen(t, g, true, 0)
		conn, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		r := http.Request{Header: make(http.Header)}
		r.SetBasicAuth(passUser, p.secret)
		fmt.Fprintf(conn, "GET %s/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\n", srv.URL, r.Header.Get("Authorization"))
		io.ReadFull(conn, make([]byte, 100))
		if how == "idle" {
			p.handlers.Wait()
			if p.Err() == nil {
				t.Error("nothing was cut")
			}
		}
		p.Close()
		conn.Close()
		g.Close()
	}
}

// The throughput of a tunnel, and of none.
func BenchmarkTunnel(b *testing.B) {
	content := make([]byte, 64<<20)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(content) }))
	defer srv.Close()
	p := passOpen(b, &Guard{}, true, 0)
	r := http.Request{Header: make(http.Header)}
	r.SetBasicAuth(passUser, p.secret)
	addr := srv.Listener.Addr().String()
	for name, through := range map[string]bool{"direct": false, "tunnel": true} {
		b.Run(name, func(b *testing.B) {
			to := addr
			if through {
				to = p.guard.addr
			}
			conn, err := net.Dial("tcp", to)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			br := bufio.NewReaderSize(conn, 128<<10)
			if through {
				fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\n", addr, r.Header.Get("Authorization"))
				if resp, err := http.ReadResponse(br, &http.Request{Method: "CONNECT"}); err != nil || resp.StatusCode != 200 {
					b.Fatal(resp, err)
				}
			}
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, resp.Body); n != int64(len(content)) {
					b.Fatal(n, err)
				}
			}
		})
	}
}
