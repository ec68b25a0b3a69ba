package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/webhook"
)

const hookSecret = "correct horse"

// A noted refresher notes what it is told, and knows the modules of one repository.
type noted struct {
	modules []pushedModule
	hold    func(context.Context) // called by Pushed; may be nil

	mu        sync.Mutex // guards the fields below
	refreshed []string
	pushed    []webhook.Push
	fetched   []string // what the source was asked for
}

func (n *noted) Refresh(_ context.Context, module string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refreshed = append(n.refreshed, module)
}

func (n *noted) Pushed(ctx context.Context, urls []string, refs []webhook.Ref) []pushedModule {
	n.mu.Lock()
	n.pushed = append(n.pushed, webhook.Push{URLs: urls, Refs: refs})
	n.mu.Unlock()
	if n.hold != nil {
		n.hold(ctx)
	}
	return n.modules
}

// Fetch has all but version v9.9.9.
func (n *noted) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := req.String()
	select {
	case <-godown.Demanded(ctx):
		text += ", demanded"
	default:
	}
	if len(n.refreshed) == 0 {
		text += ", too early"
	}
	n.fetched = append(n.fetched, text)
	if req.Version == "v9.9.9" {
		return nil, &godown.NotFound{}
	}
	return &godown.File{Body: io.NopCloser(strings.NewReader("x")), Size: 1}, nil
}

func newTestFreshener(t *testing.T, n *noted, secret string) (*freshener, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	f := newFreshener(n, n, func(context.Context) (string, error) {
		if secret == "unreadable" {
			return "", errors.New("open hook: permission denied")
		}
		return secret, nil
	}, "hook-secret", slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(f.close)
	return f, log
}

func refreshRequest(t *testing.T, f *freshener, method, query, from string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, refreshPage+query, nil)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	f.serveRefresh(w, r)
	return w
}

func modules(n int) string {
	query := url.Values{}
	for i := range n {
		query.Add("module", fmt.Sprintf("example.com/m%d", i))
	}
	return "?" + query.Encode()
}

func TestRefreshPage(t *testing.T) {
	for _, test := range []struct {
		method, query string
		status        int
		text          string
		refreshed     []string
	}{
		{"POST", "?module=example.com/a&module=example.com/B/v2", 200, "refreshed: 2;", []string{"example.com/B/v2", "example.com/a"}},
		{"POST", "?module=example.com/a&module=example.com%2Fa", 200, "refreshed: 1;", []string{"example.com/a"}},
		{"POST", "", 400, "add ?module=PATH", nil},
		{"POST", "?module=", 400, `module "" is no module path`, nil},
		{"POST", "?module=example.com/a&module=/etc/passwd", 400, `module "/etc/passwd" is no module path: malformed module path`, nil},
		{"POST", "?module=example.com/a&modules=example.com/b", 400, `no parameter "modules" here; there is module`, nil},
		{"POST", "?module=%zz", 400, "the query is malformed", nil},
		{"POST", modules(101), 400, "101 modules are named; at most 100", nil},
		{"GET", "?module=example.com/a", 405, "only POST", nil},
		{"PUT", "?module=example.com/a", 405, "only POST", nil},
	} {
		n := &noted{}
		f, _ := newTestFreshener(t, n, "")
		w := refreshRequest(t, f, test.method, test.query, "192.0.2.1:999")
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.text) || !slices.Equal(n.refreshed, test.refreshed) {
			t.Errorf("%s %.60s: %d %q, refreshed %q; want %d %q, %q", test.method, test.query, w.Code, w.Body, n.refreshed, test.status, test.text, test.refreshed)
		}
		if allow := w.Header().Get("Allow"); (allow == "POST") != (test.status == 405) {
			t.Errorf("%s: Allow is %q", test.method, allow)
		}
	}
}

func TestRefreshRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &noted{}
		f, _ := newTestFreshener(t, n, "")
		step := func(from string, modulesOf, status int, retry string) {
			t.Helper()
			before := len(n.refreshed)
			w := refreshRequest(t, f, "POST", modules(modulesOf), from)
			if w.Code != status || w.Header().Get("Retry-After") != retry {
				t.Errorf("%s, %d modules: %d, Retry-After %q; want %d, %q", from, modulesOf, w.Code, w.Header().Get("Retry-After"), status, retry)
			}
			if done := len(n.refreshed) - before; (done > 0) != (status == 200) {
				t.Errorf("%s: %d refreshed with status %d", from, done, w.Code)
			}
		}
		step("192.0.2.1:1", 100, 200, "")
		step("192.0.2.1:2", 1, 429, "1")
		step("192.0.2.1:3", 100, 429, "10")
		step("192.0.2.2:1", 1, 200, "") // another client
		<-time.After(time.Second)
		step("192.0.2.1:4", 10, 200, "")
		step("192.0.2.1:4", 1, 429, "1")
		<-time.After(time.Hour)
		step("192.0.2.1:5", 100, 200, "")
		step("192.0.2.1:5", 1, 429, "1") // an hour saves up no more than before

		// A host of IPv6 has more addresses than there is memory for.
		step("[2001:db8::1]:1", 100, 200, "")
		step("[2001:db8::2]:1", 1, 429, "1")
		step("[2001:db8:0:1::2]:1", 1, 200, "")
		step("[::ffff:192.0.2.1]:1", 1, 429, "1")
		for i := range 3 * maxRefreshClients {
			refreshRequest(t, f, "POST", modules(100), fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
		}
		if len(f.limit.full) > maxRefreshClients+1 {
			t.Errorf("%d clients are remembered", len(f.limit.full))
		}
		step("192.0.2.77:1", 1, 429, "1") // while there are so many, new ones share one allowance
		<-time.After(time.Minute)
		step("192.0.2.77:1", 100, 200, "")
		step("192.0.2.78:1", 100, 200, "")
		if len(f.limit.full) > 10 {
			t.Errorf("%d clients are remembered who have their allowance back", len(f.limit.full))
		}
	})
}

// hookRequest sends what GitHub would.
func hookRequest(f *freshener, event, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	h := hmac.New(sha256.New, []byte(hookSecret))
	io.WriteString(h, body)
	r := httptest.NewRequest("POST", hookPage, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(h.Sum(nil)))
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	f.serveHook(w, r)
	return w
}

func pushOf(ref, after string) string {
	return `{"ref":"` + ref + `","before":"","after":"` + after + `","repository":{"clone_url":"https://git.example.com/acme/tools.git"}}`
}

const (
	newHash = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb2"
	noHash  = "0000000000000000000000000000000000000000"
)

func TestHookPage(t *testing.T) {
	tag := pushOf("refs/tags/v1.2.3", newHash)
	for _, test := range []struct {
		name   string
		secret string
		event  string
		body   string
		change func(*http.Request)
		status int
		text   string
		pushed bool
	}{
		{"a push", hookSecret, "push", tag, nil, 202, `{"host":"github","refs":["refs/tags/v1.2.3"]}` + "\n", true},
		{"a ping", hookSecret, "ping", `{}`, nil, 202, `{"host":"github","refs":[],"ignored":"it names no branch or tag, as in a test"}` + "\n", false},
		{"an issue", hookSecret, "issues", `{}`, nil, 202, `"ignored":"an event \"issues\" of github: it is no push"`, false},
		{"another secret", "battery staple", "push", tag, nil, 401, "a delivery of github: the signature does not prove", false},
		{"unsigned", hookSecret, "push", tag, func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, 401, "signature", false},
		{"no secret", "", "push", tag, nil, 403, "set hook-secret to what the git host has", false},
		{"a secret that cannot be read", "unreadable", "push", tag, nil, 500, "the server's log tells why", false},
		{"no host", hookSecret, "", tag, nil, 400, "no header tells of an event of GitHub", false},
		{"no JSON", hookSecret, "push", `{`, nil, 400, "it is no JSON", false},
		{"too much", hookSecret, "push", strings.Repeat(" ", webhook.MaxBody+1), nil, 413, "more than 5242880 bytes", false},
		{"GET", hookSecret, "push", tag, func(r *http.Request) { r.Method = "GET" }, 405, "only POST", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := &noted{}
			f, log := newTestFreshener(t, n, test.secret)
			w := hookRequest(f, test.event, test.body, test.change)
			f.working.Wait()
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.text) {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, test.status, test.text)
			}
			if (len(n.pushed) > 0) != test.pushed {
				t.Errorf("pushed: %v", n.pushed)
			}
			if allow := w.Header().Get("Allow"); (allow == "POST") != (test.status == 405) {
				t.Errorf("Allow is %q", allow)
			}
			for _, s := range []string{hookSecret, "battery staple"} {
				if strings.Contains(w.Body.String()+log.String(), s) {
					t.Errorf("the secret is told: %s%s", w.Body, log)
				}
			}
			if test.status == 500 && !strings.Contains(log.String(), "permission denied") {
				t.Errorf("the log is %q", log)
			}
		})
	}
}

func TestPushed(t *testing.T) {
	sub := []pushedModule{{"example.com/tools", ""}, {"example.com/tools/v2", ""}, {"example.com/tools/sub", "sub/"}}
	ahead := func(path, version string, kinds ...string) (list []string) {
		for _, kind := range kinds {
			list = append(list, path+"@"+version+" "+kind)
		}
		return list
	}
	all := []string{"info", "mod", "zip"}
	for _, test := range []struct {
		ref, after string
		modules    []pushedModule
		fetched    []string
	}{
		{"refs/tags/v1.2.3", newHash, sub, ahead("example.com/tools", "v1.2.3", all...)},
		{"refs/tags/v2.0.0-rc.1", newHash, sub, ahead("example.com/tools/v2", "v2.0.0-rc.1", all...)},
		{"refs/tags/sub/v0.1.0", newHash, sub, ahead("example.com/tools/sub", "v0.1.0", all...)},
		{"refs/tags/v9.9.9", newHash, []pushedModule{{"example.com/tools/v9", ""}}, ahead("example.com/tools/v9", "v9.9.9", "info")}, // there is none
		{"refs/tags/v1.2.3", newHash, nil, nil},                                                                                      // nobody has ever asked for it
		{"refs/tags/v1.2.3", noHash, sub, nil},
		{"refs/heads/v1.2.3", newHash, sub, nil},
		{"refs/heads/main", newHash, sub, nil},
		{"refs/tags/v1.2", newHash, sub, nil},
		{"refs/tags/release-1.2.3", newHash, sub, nil},
		{"refs/tags/v1.2.3+build", newHash, sub, nil},
		{"refs/tags/v3.0.0+incompatible", newHash, sub, nil},
		{"refs/tags/v0.0.0-20260102030405-abcdefabcdef", newHash, sub, nil},
		{"refs/tags/other/v1.2.3", newHash, sub, nil},
		{"refs/tags/../v1.2.3", newHash, sub, nil},
	} {
		n := &noted{modules: test.modules}
		f, _ := newTestFreshener(t, n, hookSecret)
		if w := hookRequest(f, "push", pushOf(test.ref, test.after), nil); w.Code != 202 {
			t.Errorf("%s: %d %s", test.ref, w.Code, w.Body)
		}
		f.working.Wait()
		if !slices.Equal(n.fetched, test.fetched) {
			t.Errorf("%s %.3s: fetched %q, want %q", test.ref, test.after, n.fetched, test.fetched)
		}
		var paths []string
		for _, m := range test.modules {
			paths = append(paths, m.Path)
		}
		if !slices.Equal(n.refreshed, paths) {
			t.Errorf("%s: refreshed %q, want %q", test.ref, n.refreshed, paths)
		}
		want := []webhook.Push{{URLs: []string{"https://git.example.com/acme/tools.git"}, Refs: []webhook.Ref{{Name: test.ref, New: strings.Trim(test.after, "0"), Deleted: test.after == noHash}}}}
		if !reflect.DeepEqual(n.pushed, want) {
			t.Errorf("%s: pushed %+v, want %+v", test.ref, n.pushed, want)
		}
	}
}

// However much is pushed at once, a bounded number of versions is fetched.
func TestPushedBounds(t *testing.T) {
	n := &noted{modules: []pushedModule{{"example.com/tools", ""}}}
	f, _ := newTestFreshener(t, n, hookSecret)
	var push webhook.Push
	for i := range 3 * maxPushAhead {
		ref := webhook.Ref{Name: "refs/tags/v1.0." + strconv.Itoa(i), New: newHash}
		push.Refs = append(push.Refs, ref, ref)
	}
	if !f.start(push) {
		t.Fatal("it was not taken")
	}
	f.working.Wait()
	if len(n.fetched) != 3*maxPushAhead || slices.Contains(n.fetched[3:], n.fetched[0]) {
		t.Errorf("%d fetched: %q", len(n.fetched), n.fetched)
	}
}

// endless gives blanks without end, and counts them.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.n += len(p)
	return len(p), nil
}

func TestHookReadsNoMoreThanItMay(t *testing.T) {
	f, _ := newTestFreshener(t, &noted{}, hookSecret)
	body := &endless{}
	w := hookRequest(f, "push", "", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(body), -1 })
	if w.Code != 413 || body.n > 2*webhook.MaxBody {
		t.Errorf("%d after %d bytes", w.Code, body.n)
	}
}

// The answer does not wait for the work; there is a bound of it, and close ends it.
func TestHookOwnsItsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := 0
		var mu sync.Mutex
		n := &noted{modules: []pushedModule{{"example.com/tools", ""}}}
		n.hold = func(ctx context.Context) {
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			if context.Cause(ctx) == errShuttingDown {
				ended++
			}
		}
		f, _ := newTestFreshener(t, n, hookSecret)
		body := pushOf("refs/tags/v1.2.3", newHash)
		for i := range maxPushes {
			if w := hookRequest(f, "push", body, nil); w.Code != 202 {
				t.Fatalf("push %d: %d %s", i, w.Code, w.Body)
			}
		}
		w := hookRequest(f, "push", body, nil)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("one too many: %d %s", w.Code, w.Body)
		}
		synctest.Wait()
		f.close()
		if ended != maxPushes {
			t.Errorf("close returned while %d of %d were at work", maxPushes-ended, maxPushes)
		}
		if w := hookRequest(f, "push", body, nil); w.Code != 503 {
			t.Errorf("after close: %d %s", w.Code, w.Body)
		}
		if w := hookRequest(f, "ping", `{}`, nil); w.Code != 202 {
			t.Errorf("a ping after close: %d %s", w.Code, w.Body)
		}
	})
}

// Bodies that are on their way are bounded in number.
func TestHookBoundsBodies(t *testing.T) {
	n := &noted{}
	f, _ := newTestFreshener(t, n, hookSecret)
	server := httptest.NewServer(http.HandlerFunc(f.serveHook))
	defer server.Close()
	var open []*io.PipeWriter
	var clients sync.WaitGroup
	for range maxHookBodies {
		r, w := io.Pipe()
		open = append(open, w)
		clients.Go(func() {
			resp, err := http.Post(server.URL, "application/json", r)
			if err == nil {
				resp.Body.Close()
			}
		})
	}
	for len(f.bodies) < maxHookBodies {
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the bodies do not come together")
		}
	}
	if w := hookRequest(f, "ping", `{}`, nil); w.Code != 503 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, w := range open {
		w.CloseWithError(fs.ErrClosed)
	}
	clients.Wait()
	for len(f.bodies) > 0 {
		<-time.After(time.Millisecond)
	}
	if w := hookRequest(f, "ping", `{}`, nil); w.Code != 202 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
