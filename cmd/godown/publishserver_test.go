package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/publish"
)

const (
	goodToken  = "s3cret-token"
	otherToken = "s3cret-other"
)

// A publishTest is a publisher, and what it stands on.
type publishTest struct {
	*publisher
	dir *godown.Dir
	log *bytes.Buffer // to be read when nobody is served
	url string
}

func newPublishTest(t *testing.T, change func(*publisher)) *publishTest {
	t.Helper()
	dir, err := godown.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &publishTest{dir: dir, log: new(bytes.Buffer)}
	shelf := &publish.Shelf{Store: dir, Prefixes: "example.com/m,*.corp.example"}
	tokens := func(context.Context) ([]string, error) { return []string{"", otherToken, goodToken}, nil }
	p.publisher = newPublisher(shelf, tokens, dir.Stage, slog.New(slog.NewTextHandler(p.log, nil)))
	if change != nil {
		change(p.publisher)
	}
	s := httptest.NewServer(p.route())
	p.url = s.URL
	t.Cleanup(func() {
		s.Close()
		if strings.Contains(p.log.String(), "s3cret") {
			t.Errorf("the log has a token: %s", p.log)
		}
		dir.Close()
	})
	return p
}

// route serves as the whole server does.
func (p *publishTest) route() http.Handler {
	proxy := &godown.Handler{Source: p.shelf}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, publishPage) {
			p.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// moduleZip returns a module zip.
func moduleZip(path, version, content string) []byte {
	prefix := path + "@" + version + "/"
	return godowntest.Zip(
		godowntest.Entry{Name: prefix + "go.mod", Data: []byte("module " + path + "\n")},
		godowntest.Entry{Name: prefix + "m.go", Data: []byte("package m\n// " + content + "\n")})
}

// put hands in a zip.
func (p *publishTest) put(t *testing.T, name, authorization string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPut, p.url+publishPage+name, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
}

// wantNothing checks that nothing is stored, and no temporary file is left.
func (p *publishTest) wantNothing(t *testing.T) {
	t.Helper()
	for e, err := range p.dir.List(context.Background(), "") {
		t.Errorf("there is %s (error %v)", e.Name, err)
	}
	p.wantNoTemporary(t)
}

func (p *publishTest) wantNoTemporary(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir.Path(), ".tmp", "*", "*"))
	for _, f := range files {
		if filepath.Base(f) != "lock" {
			t.Errorf("a temporary file is left: %s (error %v)", f, err)
		}
	}
}

const oneName = "example.com/m/@v/v1.0.0.zip"

func TestPublisher(t *testing.T) {
	type told struct{ path, version string }
	var all []told
	p := newPublishTest(t, func(p *publisher) {
		p.shelf.Published = func(path, version string) { all = append(all, told{path, version}) }
	})
	zip := moduleZip("example.com/m", "v1.0.0", "one")
	for i, auth := range []string{"Bearer " + goodToken, "bearer " + otherToken, "BEARER  " + goodToken + " "} {
		// With its length, and without.
		for _, body := range []io.Reader{bytes.NewReader(zip), io.MultiReader(bytes.NewReader(zip))} {
			resp, text := p.put(t, oneName, auth, body)
			want := http.StatusOK
			if len(all) == 1 && i == 0 && resp.StatusCode == http.StatusCreated {
				want = http.StatusCreated
			}
			var got published
			if err := json.Unmarshal([]byte(text), &got); err != nil || resp.StatusCode != want ||
				got.Path != "example.com/m" || got.Version != "v1.0.0" || !strings.HasPrefix(got.Sum, "h1:") {
				t.Errorf("%s: %s, error %v: %s", auth, resp.Status, err, text)
			}
		}
	}
	if len(all) != 6 || all[0] != (told{"example.com/m", "v1.0.0"}) {
		t.Errorf("told of %v", all)
	}
	resp, text := p.put(t, oneName, "Bearer "+goodToken, bytes.NewReader(moduleZip("example.com/m", "v1.0.0", "two")))
	if resp.StatusCode != http.StatusConflict || !strings.Contains(text, "published before with other content") {
		t.Errorf("%s: %s", resp.Status, text)
	}
	// Case is escaped as everywhere in the protocol.
	resp, text = p.put(t, "git.corp.example/!team/@v/v1.0.0-!r!c.zip", "Bearer "+goodToken, bytes.NewReader(moduleZip("git.corp.example/Team", "v1.0.0-RC", "")))
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("%s: %s", resp.Status, text)
	}
	for name, want := range map[string]string{oneName: string(zip), "example.com/m/@v/list": "v1.0.0\n", "git.corp.example/!team/@v/list": "v1.0.0-RC\n"} {
		resp, err := http.Get(p.url + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %d bytes, error %v", name, resp.Status, len(got), err)
		}
	}
	p.wantNoTemporary(t)
}

func TestPublisherRefuses(t *testing.T) {
	good := moduleZip("example.com/m", "v1.0.0", "")
	const auth = "Bearer " + goodToken
	tests := []struct {
		name, file, auth string
		body             []byte
		status           int
		text             string
	}{
		{"no token", oneName, "", good, 401, "needs the header Authorization: Bearer TOKEN"},
		{"wrong token", oneName, "Bearer s3cret", good, 401, "needs the header"},
		{"longer token", oneName, "Bearer " + goodToken + "x", good, 401, ""},
		{"empty token", oneName, "Bearer ", good, 401, ""},
		{"no scheme", oneName, goodToken, good, 401, ""},
		{"other scheme", oneName, "Basic " + goodToken, good, 401, ""},
		{"token before names", "x", "", good, 401, ""},
		{"prefixes", "example.com/other/@v/v1.0.0.zip", auth, good, 403, "none of the modules that may be published here: example.com/m,*.corp.example; publish in"},
		{"no name", "", auth, good, 400, "has neither /@v/ nor /@latest"},
		{"dots", "example.com/../m/@v/v1.0.0.zip", auth, good, 400, "malformed"},
		{"upper case", "example.com/M/@v/v1.0.0.zip", auth, good, 400, ""},
		{"a mod", "example.com/m/@v/v1.0.0.mod", auth, good, 400, "as its zip, and this is example.com/m@v1.0.0 mod"},
		{"a list", "example.com/m/@v/list", auth, good, 400, "as its zip"},
		{"not canonical", "example.com/m/@v/v1.0.zip", auth, good, 400, "not canonical"},
		{"major", "example.com/m/@v/v2.0.0.zip", auth, good, 400, "module example.com/m/v2"},
		{"incompatible", "example.com/m/@v/v2.0.0+incompatible.zip", auth, good, 400, "+incompatible stands for"},
		{"pseudo-version", "example.com/m/@v/v0.0.0-20200102030405-0123456789ab.zip", auth, good, 400, "pseudo-version"},
		{"no body", oneName, auth, nil, 400, "there is no zip in the request"},
		{"no zip", oneName, auth, []byte("<html>"), 400, "the zip breaks a rule"},
		{"truncated", oneName, auth, good[:len(good)-1], 400, "truncated"},
		{"other version", "example.com/m/@v/v1.0.1.zip", auth, good, 400, `entry "example.com/m@v1.0.0/go.mod" is not below example.com/m@v1.0.1/`},
		{"no go.mod", oneName, auth, godowntest.Zip(godowntest.Entry{Name: "example.com/m@v1.0.0/x.go"}), 400, "no entry example.com/m@v1.0.0/go.mod"},
		{"too large", oneName, auth, make([]byte, 100_001), 413, "more than the 100000 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPublishTest(t, func(p *publisher) { p.limit = 100_000 })
			for _, body := range []io.Reader{bytes.NewReader(tt.body), io.MultiReader(bytes.NewReader(tt.body))} {
				resp, text := p.put(t, tt.file, tt.auth, body)
				if resp.StatusCode != tt.status || !strings.Contains(text, tt.text) || strings.Contains(text, "s3cret") {
					t.Errorf("%s, want %d: %s", resp.Status, tt.status, text)
				}
				if got := resp.Header.Get("WWW-Authenticate"); (tt.status == 401) != strings.HasPrefix(got, "Bearer") {
					t.Errorf("WWW-Authenticate: %q", got)
				}
			}
			p.wantNothing(t)
		})
	}
}

func TestPublisherMethods(t *testing.T) {
	p := newPublishTest(t, nil)
	for _, method := range []string{"GET", "POST", "DELETE"} {
		r, err := http.NewRequest(method, p.url+publishPage+oneName, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 405 || resp.Header.Get("Allow") != "PUT" {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
}

func TestPublisherConfiguration(t *testing.T) {
	tests := []struct {
		name   string
		change func(*publisher)
		status int
		text   string
	}{
		{"no prefixes", func(p *publisher) { p.shelf.Prefixes = "" }, 404, "set publish to their prefixes"},
		{"no tokens", func(p *publisher) { p.tokens = nil }, 403, "set publish-token to where"},
		{"an empty token", func(p *publisher) {
			p.tokens = func(context.Context) ([]string, error) { return []string{""}, nil }
		}, 403, "set publish-token to where"},
		{"tokens that cannot be read", func(p *publisher) {
			p.tokens = func(context.Context) ([]string, error) { return nil, errors.New("open /etc/token: denied") }
		}, 500, "cannot read its tokens"},
		{"no place on the disk", func(p *publisher) {
			p.stage = func() (*os.File, error) { return nil, errors.New("/srv/x is full") }
		}, 500, "could not store it"},
		{"a temporary file that cannot be written", func(p *publisher) {
			dir := t.TempDir() // it is removed after use, and must be no file of the machine's
			p.stage = func() (*os.File, error) {
				name := filepath.Join(dir, "read-only")
				if err := os.WriteFile(name, nil, 0o600); err != nil {
					return nil, err
				}
				return os.Open(name)
			}
		}, 500, "could not store it"},
		{"as many as there may be", func(p *publisher) { p.places = make(chan struct{}) }, 503, "try again later"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPublishTest(t, tt.change)
			for _, auth := range []string{"Bearer " + goodToken, "Bearer "} {
				resp, text := p.put(t, oneName, auth, bytes.NewReader(moduleZip("example.com/m", "v1.0.0", "")))
				if auth == "Bearer " && resp.StatusCode == 401 {
					continue
				}
				if resp.StatusCode != tt.status || !strings.Contains(text, tt.text) || strings.Contains(text, "/etc") || strings.Contains(text, "/srv") {
					t.Errorf("%s, want %d: %s", resp.Status, tt.status, text)
				}
			}
			p.wantNothing(t)
		})
	}
}

// raw begins an upload by hand, and returns the connection after the head and
// a part of the body were sent.
func (p *publishTest) raw(t *testing.T, length int, part []byte) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "PUT %s%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", publishPage, oneName, goodToken, length, part)
	return c
}

// An upload that breaks off or stalls is not published, though all of a zip may be there.
func TestPublisherUploadsEnd(t *testing.T) {
	zip := moduleZip("example.com/m", "v1.0.0", "")
	for _, stalls := range []bool{false, true} {
		p := newPublishTest(t, func(p *publisher) {
			if stalls {
				p.stall = time.Millisecond
			}
		})
		c := p.raw(t, len(zip)+1, zip)
		if !stalls {
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		c.Close()
		want, status := "broke off after", 400
		if stalls {
			want, status = "stalled", 408
		}
		if resp.StatusCode != status || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s", resp.Status, text)
		}
		p.wantNothing(t)
	}
}

// One who is refused cannot hold the connection by not sending what he has announced.
func TestPublisherRefusesTheSilent(t *testing.T) {
	p := newPublishTest(t, func(p *publisher) { p.stall, p.tokens = time.Millisecond, nil })
	c := p.raw(t, 1000, nil)
	defer c.Close()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 403 {
		t.Errorf("%v, error %v", resp, err)
	}
}

// An upload without a length is cut where it becomes too large, and no more is kept.
func TestPublisherEndlessUpload(t *testing.T) {
	p := newPublishTest(t, func(p *publisher) { p.limit = 1 << 20 })
	r, w := io.Pipe()
	defer r.Close()
	go func() { // ends when the reader is closed
		for chunk := make([]byte, 64<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}()
	req, err := http.NewRequest(http.MethodPut, p.url+publishPage+oneName, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+goodToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 413 || !strings.Contains(string(text), "more than the 1048576 bytes") {
		t.Errorf("%s: %s", resp.Status, text)
	}
	p.wantNothing(t)
}

// A client that has not sent its zip yet learns at once that it need not.
func TestPublisherRefusesBeforeTheZip(t *testing.T) {
	p := newPublishTest(t, nil)
	tests := []struct {
		name, token string
		length      int64
		status      int
	}{
		{oneName, "bad", 1000, 401},
		{"example.org/m/@v/v1.0.0.zip", goodToken, 1000, 403},
		{"example.com/m/@v/v2.0.0.zip", goodToken, 1000, 400},
		{"example.com/m/@v/v1.0.0.mod", goodToken, 1000, 400},
		{oneName, goodToken, 500<<20 + 1, 413},
		{oneName, goodToken, 500 << 20, 100},
	}
	for _, tt := range tests {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "PUT %s%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", publishPage, tt.name, tt.token, tt.length)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != tt.status {
			t.Errorf("%s, %d bytes: %v, error %v, want %d", tt.name, tt.length, resp, err, tt.status)
		}
		c.Close()
	}
}

// A patient is a ResponseWriter that notes the read deadlines it is given.
type patient struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (w *patient) SetReadDeadline(d time.Time) error {
	w.deadlines = append(w.deadlines, d)
	return nil
}

// A slow upload that goes on has as long as it takes.
func TestPublisherSlowUpload(t *testing.T) {
	p := newPublishTest(t, nil)
	zip := moduleZip("example.com/m", "v1.0.0", "")
	r := httptest.NewRequest(http.MethodPut, publishPage+oneName, iotest.OneByteReader(bytes.NewReader(zip)))
	r.Header.Set("Authorization", "Bearer "+goodToken)
	w := &patient{ResponseRecorder: httptest.NewRecorder()}
	p.ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	n := len(w.deadlines)
	if n < len(zip) || !w.deadlines[n-1].IsZero() || !w.deadlines[n-2].After(w.deadlines[0]) {
		t.Errorf("%d deadlines, the last %v", n, w.deadlines[max(0, n-3):])
	}
}

// Of several at the same time each has an answer of its own.
func TestPublisherAtTheSameTime(t *testing.T) {
	p := newPublishTest(t, func(p *publisher) { p.places = make(chan struct{}, 100) })
	var mu sync.Mutex // guards count
	count := make(map[int]int)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			resp, _ := p.put(t, oneName, "Bearer "+goodToken, bytes.NewReader(moduleZip("example.com/m", "v1.0.0", fmt.Sprint(i%2))))
			mu.Lock()
			defer mu.Unlock()
			count[resp.StatusCode]++
		})
	}
	wg.Wait()
	if count[201] != 1 || count[200] != 3 || count[409] != 4 {
		t.Errorf("answers: %v", count)
	}
	p.wantNoTemporary(t)
}
