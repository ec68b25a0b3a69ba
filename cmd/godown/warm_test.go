package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/warm"
	"golang.org/x/mod/module"
)

// emptyFiles has every fixed file, with nothing in it, but those of modules named absent.
func emptyFiles(_ context.Context, req godown.Request) (*godown.File, error) {
	if strings.Contains(req.Path, "absent") || !req.Fixed() {
		return nil, fs.ErrNotExist
	}
	if req.Kind == godown.Mod {
		return godown.NewFile([]byte("module " + req.Path + "\n")), nil
	}
	return godown.NewFile([]byte{}), nil
}

func testWarmer(t *testing.T, src godown.Source) *warmer {
	wm := newWarmer(src, slog.New(slog.DiscardHandler))
	t.Cleanup(wm.close)
	return wm
}

// post has a warmer answer a request from this machine.
func post(wm *warmer, body io.Reader, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/-/warm", body)
	r.RemoteAddr = "127.0.0.1:4711"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	wm.ServeHTTP(w, r)
	return w
}

const listOfOne = "example.com/a v1.0.0 h1:x\nexample.com/a v1.0.0/go.mod h1:x\n"

func TestWarmerIsForThisMachine(t *testing.T) {
	wm := testWarmer(t, godown.SourceFunc(emptyFiles))
	header := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, "x") }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	peer := func(address string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = address } }
	tests := []struct {
		name   string
		change func(*http.Request)
		status int
		text   string
	}{
		{"plain", nil, 200, `"done":true`},
		{"IPv6", peer("[::1]:4711"), 200, ""},
		{"IPv4 in IPv6", peer("[::ffff:127.0.0.1]:4711"), 200, ""},
		{"localhost", host("LocalHost:8080"), 200, ""},
		{"no port", host("localhost"), 200, ""},
		{"IPv6 host", host("[::1]:8080"), 200, ""},
		{"IPv6 host without port", host("[::1]"), 200, ""},
		{"127.1.2.3", host("127.1.2.3"), 200, ""},
		{"a neighbour", peer("192.0.2.1:4711"), 403, "not come from a loopback address"},
		{"nobody", peer("@"), 403, "not come from a loopback address"},
		{"rebound name", host("evil.example:8080"), 403, `for the host "evil.example:8080"`},
		{"localhost of others", host("localhost.evil.example"), 403, "for the host"},
		{"any address", host("0.0.0.0:8080"), 403, "for the host"},
		{"no host", host(""), 403, "for the host"},
		{"a page", header("Origin"), 403, "header Origin"},
		{"a page of this host", header("Sec-Fetch-Site"), 403, "header Sec-Fetch-Site"},
		{"a proxy", header("Forwarded"), 403, "header Forwarded"},
		{"another proxy", header("X-Forwarded-For"), 403, "header X-Forwarded-For"},
		{"an empty header", func(r *http.Request) { r.Header["X-Forwarded-For"] = []string{""} }, 403, "header X-Forwarded-For"},
		{"nginx", func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0 }, 403, "HTTP/1.0"},
		{"GET", func(r *http.Request) { r.Method = http.MethodGet }, 405, "only POST"},
		{"OPTIONS", func(r *http.Request) { r.Method = http.MethodOptions }, 405, "only POST"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := post(wm, strings.NewReader(listOfOne), tt.change)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.text) {
				t.Errorf("%d, want %d: %s", w.Code, tt.status, w.Body)
			}
			kind := "text/plain; charset=utf-8"
			if tt.status == 200 {
				kind = "application/jsonl"
			}
			if got := w.Header().Get("Content-Type"); got != kind {
				t.Errorf("Content-Type: %s", got)
			}
			if got := w.Header().Get("Allow"); tt.status == 405 != (got == "POST") {
				t.Errorf("Allow: %s", got)
			}
		})
	}
}

func TestWarmerLists(t *testing.T) {
	wm := testWarmer(t, godown.SourceFunc(emptyFiles))
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	comments := strings.Repeat("# "+strings.Repeat("x", 1000)+"\n", maxWarmBody/1000)
	tests := []struct {
		name, list string
		status     int
		text       string
	}{
		{"empty", "", 400, "the list is empty; expected lines of a go.sum file, or PATH@VERSION"},
		{"comments", "# nothing\n\n", 400, "the list is empty"},
		{"bad", listOfOne + "what is this\n", 400, "list:3: "},
		{"too long", comments, 413, "the list has more than 8388608 bytes"},
		{"too many roots", many(201, "example.com/m%d@latest\n"), 413, "0 files and 201 PATH@VERSION; at most 20000 and 200"},
		{"too many files", many(20_001, "example.com/m%d v1.0.0/go.mod h1:x\n"), 413, "20001 files"},
		{"absent", "example.com/absent v1.0.0/go.mod h1:x\n", 200, `{"file":"example.com/absent@v1.0.0 mod","error":"file does not exist"}` + "\n" +
			`{"done":true,"modules":0,"modules_done":0,"files":1,"files_done":0,"failed":1,"bytes":0,`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, body := range []io.Reader{strings.NewReader(tt.list), io.MultiReader(strings.NewReader(tt.list))} { // with its length, and without
				w := post(wm, body, nil)
				if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.text) {
					t.Errorf("%d, want %d: %s", w.Code, tt.status, w.Body)
				}
			}
		})
	}
}

// A list that comes slowly holds no place.
func TestWarmerWaitsForLists(t *testing.T) {
	s := httptest.NewServer(testWarmer(t, godown.SourceFunc(emptyFiles)))
	defer s.Close()
	for range maxWarmJobs {
		r, w := io.Pipe()
		defer w.Close()
		go http.Post(s.URL+warmPage, "text/plain", r)
		io.WriteString(w, "# more will follow\n") // it is being read
	}
	resp, err := http.Post(s.URL+warmPage, "text/plain", strings.NewReader(listOfOne))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if data, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || err != nil {
		t.Errorf("%s, %v: %s", resp.Status, err, data)
	}
}

func TestWarmerIsBounded(t *testing.T) {
	begun := make(chan string, 10)
	wm := testWarmer(t, godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		begun <- req.Path
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	s := httptest.NewServer(wm)
	defer s.Close()
	type answer struct {
		code   int
		stderr string
	}
	answers := make(chan answer, maxWarmJobs)
	for i := range maxWarmJobs {
		go func() {
			var out, errs bytes.Buffer
			code := run(t.Context(), []string{"warm", "--server", s.URL, fmt.Sprintf("example.com/m%d@v1.0.0", i)}, strings.NewReader(""), &out, &errs, bareMachine(t))
			answers <- answer{code, errs.String()}
		}()
		<-begun
	}
	w := post(wm, strings.NewReader(listOfOne), nil)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "2 jobs are under way") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	wm.close()
	for range maxWarmJobs {
		if a := <-answers; a.code != 1 || !strings.Contains(a.stderr, "the server is shutting down") {
			t.Errorf("exit code %d, %s", a.code, a.stderr)
		}
	}
	if w := post(wm, strings.NewReader(listOfOne), nil); w.Code != 503 || !strings.Contains(w.Body.String(), "shutting down") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

// A client that hangs up does not end its job.
func TestWarmerGoesOn(t *testing.T) {
	release := make(chan struct{})
	zips := make(chan struct{})
	wm := testWarmer(t, godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		if req.Kind == godown.Zip {
			close(zips)
		}
		return emptyFiles(ctx, req)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := post(wm, strings.NewReader(listOfOne), func(r *http.Request) { *r = *r.WithContext(ctx) })
	if w.Code != 200 || strings.Contains(w.Body.String(), "done\":true") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	close(release)
	<-zips
}

func TestWarmThere(t *testing.T) {
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const jsonl, text = "application/jsonl", "text/plain; charset=utf-8"
	tests := []struct {
		name   string
		answer http.HandlerFunc
		code   int
		stdout string
		stderr string
	}{
		{"good", answer(200, jsonl, `{"modules":1}`+"\n"+`{"done":true,"modules":1,"modules_done":1,"files":3,"files_done":3,"bytes":1500,"cached":1,"seconds":1.25,"news":{}}`+"\n"),
			0, "warmed 1 module (3 files, 1.5 kB; 1 was here already) in 1.2s\n", ""},
		{"failed", answer(200, jsonl, `{"file":"a.example/b@v1.0.0 zip","error":"no\n\u001b[31m"}`+"\n"+`{"done":true,"modules":2,"modules_done":1,"files":3,"files_done":2,"failed":3}`+"\n"),
			1, "warmed 1 of 2 modules (2 of 3 files, 0 bytes) in 0.0s\n", "godown: warm: a.example/b@v1.0.0 zip: no [31m\ngodown: warm: … and 2 more\n"},
		{"broken off", answer(200, jsonl, `{"modules":1}`+"\n"), 1, "", "broke off: unexpected EOF; if the server still runs, it goes on with it\n"},
		{"no JSON", answer(200, jsonl, "<html>\n"), 1, "", "broke off: a line is no JSON: "},
		{"refused", answer(403, text, "only a program on\nthe server's own machine"), 1, "", "has answered 403 Forbidden: only a program on the server's own machine\n"},
		{"old godown", answer(404, text, "there is no such page"), 1, "", "has answered 404 Not Found: it is no godown that fetches ahead\n"},
		{"a page", answer(200, "text/html", "<html>"), 1, "", "has answered 200 OK: it is no godown that fetches ahead\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.answer)
			defer s.Close()
			at := strings.Replace(s.URL, "://", "://u:secret@", 1)
			code, stdout, stderr := call(t, bareMachine(t), "warm", "--server", at, "example.com/a@v1.0.0")
			if code != tt.code || stdout != tt.stdout || !strings.HasSuffix(stderr, tt.stderr) && !strings.Contains(stderr, tt.stderr) || strings.Contains(stderr, "secret") {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", code, tt.code, stdout, stderr)
			}
		})
	}
}

func TestReadWanted(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"list": listOfOne, "odd@v1": "example.com/b@v1.0.0\n", "bad": "x\n", "p/go.mod": "module example.com/p\n\ngo 1.24\n"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	w, err := readWanted([]string{"list", "odd@v1", "example.com/c@master", "-", "p", "p/go.mod"}, []string{"GOWORK=off"}, strings.NewReader("example.com/d@latest"))
	roots := []module.Version{{Path: "example.com/b", Version: "v1.0.0"}, {Path: "example.com/c", Version: "master"}, {Path: "example.com/d", Version: "latest"}}
	if err != nil || len(w.files) != 3 || !slices.Equal(w.roots, roots) || len(w.mains) != 0 {
		t.Errorf("%v, %+v", err, w)
	}
	// The list for a server says the same again.
	list, err := warm.ParseList(bytes.NewReader(w.list()), "list")
	if err != nil || len(list.Files) != 3 || !slices.Equal(list.Roots, roots) {
		t.Errorf("%v, %+v", err, list)
	}
	_, err = readWanted([]string{"bad", "example.com/c", "example.com/c@", "https://u:secret@a.example", "list"}, nil, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{`bad:1: "x" has no version`, "such as example.com/c@latest", `"" can be no version`, "expected PATH@VERSION"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("there is no %q in %v", part, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestWarmSummary(t *testing.T) {
	tests := []struct {
		end  warmEnd
		want string
	}{
		{warmEnd{}, "there is nothing to fetch"},
		{warmEnd{Progress: warm.Progress{Modules: 227, ModulesDone: 227, Files: 880, FilesDone: 880, Bytes: 210e6, Cached: 3, CachedBytes: 4e5}, Seconds: 11.21},
			"warmed 227 modules (880 files, 210.4 MB; 3 were here already) in 11.2s"},
		{warmEnd{Progress: warm.Progress{Modules: 1, ModulesDone: 1, Files: 3, FilesDone: 3, Cached: 3, CachedBytes: 999}},
			"warmed 1 module (3 files, 999 bytes; all were here already) in 0.0s"},
		{warmEnd{Progress: warm.Progress{Failed: 1}}, "warmed 0 modules (0 files, 0 bytes) in 0.0s"},
	}
	for _, tt := range tests {
		if got := warmSummary(tt.end); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// The lines of a stream can be told apart by what they have.
func TestWarmLines(t *testing.T) {
	for _, tt := range []struct {
		line any
		want string
	}{
		{warm.Failure{File: "a", Error: "b"}, `{"file":"a","error":"b"}`},
		{warmEnd{Done: true, Error: "x"}, `{"done":true,"modules":0,"modules_done":0,"files":0,"files_done":0,"failed":0,"bytes":0,"cached":0,"cached_bytes":0,"seconds":0,"error":"x"}`},
	} {
		if got, err := json.Marshal(tt.line); err != nil || string(got) != tt.want {
			t.Errorf("%v: %s", err, got)
		}
	}
}

func TestWarmUsage(t *testing.T) {
	for _, tt := range []struct {
		args, want string
	}{
		{"warm --listen :1", "--listen is a flag of 'godown serve' only"},
		{"warm --server ftp://a.example", `flag --server: "ftp://a.example" is not the URL of a server`},
		{"warm --server= x@v1.0.0", "flag --server: "},
		{"warm --quite", "did you mean \"--quiet\"?"},
	} {
		if code, _, stderr := call(t, bareMachine(t), strings.Fields(tt.args)...); code != 2 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d, %s", tt.args, code, stderr)
		}
	}
}
