package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/auth/token"
	"github.com/godown-dev/godown/internal/godowntest"
	"golang.org/x/mod/modfile"
)

// callPublish runs publish as a shell would, and returns its exit code and output.
func callPublish(t *testing.T, m machine, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := newPublishCommand(m)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err := cmd.ExecuteContext(t.Context())
	if e, ok := errors.AsType[*exit](err); ok {
		code = e.code
		printError(&errs, e.err)
	} else if err != nil {
		code = exitUsage
		printError(&errs, err)
	}
	if strings.Contains(out.String()+errs.String(), "s3cret") {
		t.Errorf("%q printed the token: %s%s", args, &out, &errs)
	}
	return code, out.String(), errs.String()
}

// writeTree writes files into a new folder, and returns it.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func simpleModule(t *testing.T, content string) string {
	return writeTree(t, map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.24\n",
		"m.go":   "package m\n\n// " + content + "\nconst M = 1\n",
	})
}

func TestPublishArguments(t *testing.T) {
	dir := simpleModule(t, "")
	v2 := writeTree(t, map[string]string{"go.mod": "module example.com/m/v2\n"})
	noModule := writeTree(t, map[string]string{"x.go": "package x\n"})
	noLine := writeTree(t, map[string]string{"go.mod": "go 1.26\n"})
	const server = "http://127.0.0.1:1"
	long := writeTree(t, map[string]string{"token": strings.Repeat("x", maxToken+1), "two": "s3cret one\ns3cret two\n", "empty": "\n"})
	tests := []struct {
		environ string
		args    []string
		text    string
	}{
		{"", nil, "publish needs the version"},
		{"", []string{"a", "v1.0.0", "c"}, `"c" is more than that`},
		{"", []string{"v1.0.0", "."}, "the version last: godown publish . v1.0.0"},
		{"", []string{dir, "1.2.3"}, "did you mean v1.2.3?"},
		{"", []string{dir, "v1.2"}, "did you mean v1.2.0?"},
		{"", []string{dir, "v2.0.0"}, "module example.com/m/v2"},
		{"", []string{v2, "v1.0.0"}, "example.com/m/v2 has versions v2"},
		{"", []string{dir, "v0.0.0-20200102030405-0123456789ab"}, "pseudo-version"},
		{"", []string{dir + "/absent", "v1.0.0"}, "there is no folder"},
		{"", []string{noModule, "v1.0.0"}, "it has no go.mod file"},
		{"", []string{noLine, "v1.0.0"}, "has no module line"},
		{"", []string{dir, "v1.0.0"}, "publish needs a server: name it with --server URL, or in the environment variable GODOWN_SERVER"},
		{"", []string{dir, "v1.0.0", "--server", "ftp://x"}, `flag --server: "ftp://x" is not the URL`},
		{"GODOWN_SERVER=:x:", []string{dir, "v1.0.0"}, `environment GODOWN_SERVER: ":x:" is not`},
		{"", []string{dir, "v1.0.0", "--server", "https://u:s3cret@a.example"}, `"https://u:xxxxx@a.example" has a user or password in it`},
		{"GODOWN_TOKEN=s3cret", []string{dir, "v1.0.0", "--server", "http://goproxy.corp.example/x"}, "not sent over plain http, where others could read it, except to this machine; write https://goproxy.corp.example"},
		{"GODOWN_TOKEN=s3cret", []string{dir, "v1.0.0", "--server", "goproxy.corp.example"}, "not sent over plain http"},
		{"GODOWN_TOKEN=s3cret", []string{dir, "v1.0.0", "--server", "http://localhost.evil.example"}, "not sent over plain http"},
		{"GODOWN_TOKEN=s3cret", []string{dir, "v1.0.0", "--server", "http://192.0.2.1"}, "not sent over plain http"},
		{"", []string{dir, "v1.0.0", "--server", server}, "publish needs a token"},
		{"GODOWN_TOKEN=", []string{dir, "v1.0.0", "--server", server}, "publish needs a token"},
		{"", []string{dir, "v1.0.0", "--server", server, "--token", "s3cret"}, "and not the token itself: all that run programs"},
		{"", []string{dir, "v1.0.0", "--server", server, "--token", "basic:s3cret"}, "and not the token itself"},
		{"", []string{dir, "v1.0.0", "--server", server, "--token", "env:"}, "and not the token itself"},
		{"", []string{dir, "v1.0.0", "--server", server, "--token", "env:s3cret"}, "the environment variable that --token names is empty, or not set"},
		{"T=s3cret s3cret", []string{dir, "v1.0.0", "--server", server, "--token", "env:T"}, "holds more than a token"},
		{"GODOWN_TOKEN=s3cret\xff", []string{dir, "v1.0.0", "--server", server}, "GODOWN_TOKEN holds more than a token"},
		{"", []string{dir, "v1.0.0", "--server", server, "--token", "file:" + long + "/absent"}, "flag --token: open"},
		{"", []string{dir, "v1.0.0", "--server", server, "--token", "file:" + long + "/token"}, "more than the 4096 bytes"},
		{"", []string{dir, "v1.0.0", "--server", server, "--token", "file:" + long + "/two"}, "several lines"},
		{"", []string{dir, "v1.0.0", "--server", server, "--token", "file:" + long + "/empty"}, "is empty"},
	}
	for _, tt := range tests {
		m := bareMachine(t)
		if tt.environ != "" {
			m.environ = append(m.environ, tt.environ)
		}
		code, stdout, stderr := callPublish(t, m, tt.args...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, tt.text) {
			t.Errorf("%s %q: exit code %d\nstdout: %s\nstderr: %s\nwant: %s", tt.environ, tt.args, code, stdout, stderr, tt.text)
		}
	}
}

// bigTree has what belongs to a module, and what does not.
func bigTree(t *testing.T) string {
	dir := writeTree(t, map[string]string{
		"go.mod":                    "module example.com/m\n\ngo 1.24\n",
		"LICENSE":                   "none",
		"m.go":                      "package m\n",
		".hidden":                   "x",
		"sub/s.go":                  "package sub\n",
		"sub/testdata/x":            "xyz",
		"nested/go.mod":             "module example.com/m/nested\n",
		"nested/n.go":               "package nested\n",
		"vendor/modules.txt":        "",
		"vendor/example.org/a/a.go": "package a\n",
		".git/config":               "x",
		"sub/.hg/x":                 "x",
	})
	if err := os.Symlink("m.go", filepath.Join(dir, "link.go")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPublishDryRun(t *testing.T) {
	parent := t.TempDir()
	link := filepath.Join(parent, "link")
	if err := os.Symlink(bigTree(t), link); err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	code, stdout, stderr := callPublish(t, bareMachine(t), "--dry-run", link, "v1.2.3")
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, stderr %s", code, stderr)
	}
	for _, want := range []string{
		"          10  m.go\n", "           1  .hidden\n", "           4  LICENSE\n", "           3  sub/testdata/x\n",
		"    left out  nested (", "    left out  .git (", "    left out  link.go (", "    left out  sub/.hg (", "    left out  vendor/modules.txt (",
		"\nexample.com/m@v1.2.3 (h1:", "): 6 files, 60 bytes, packed ", "; nothing was uploaded\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("there is no %q in\n%s", want, stdout)
		}
	}
	for _, bad := range []string{"nested/n.go", "config", "a.go"} {
		if strings.Contains(stdout, " "+bad+"\n") {
			t.Errorf("%s is packed:\n%s", bad, stdout)
		}
	}
	if left, err := os.ReadDir(tmp); len(left) > 0 || err != nil {
		t.Errorf("%v is left, error %v", left, err)
	}
}

func TestPublishBadFolders(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		text  []string
	}{
		"names": {map[string]string{"go.mod": "module example.com/m\n", "a.go": "", "A.go": "", "b:c": ""},
			[]string{"case-insensitive file name collision", "b:c cannot be part of a module: "}},
		"branch": {map[string]string{"go.mod": "module example.com/m\nrequire example.com/a master\n"},
			[]string{"the go command could not read its go.mod file: go.mod:2"}},
	}
	for name, tt := range tests {
		dir := writeTree(t, tt.files)
		tmp := t.TempDir()
		t.Setenv("TMPDIR", tmp)
		code, stdout, stderr := callPublish(t, bareMachine(t), "--dry-run", dir, "v1.2.3")
		for _, text := range tt.text {
			if code != 1 || stdout != "" || !strings.Contains(stderr, text) || !strings.HasPrefix(stderr, "godown: publish: ") {
				t.Errorf("%s: exit code %d\nstdout: %s\nstderr: %s", name, code, stdout, stderr)
			}
		}
		if left, err := os.ReadDir(tmp); len(left) > 0 || err != nil {
			t.Errorf("%v is left, error %v", left, err)
		}
	}
}

func TestPublish(t *testing.T) {
	p := newPublishTest(t, nil)
	dir := simpleModule(t, "one")
	file := filepath.Join(writeTree(t, map[string]string{"token": goodToken + "\r\n"}), "token")
	tests := []struct {
		name    string
		environ []string
		args    []string
		code    int
		stdout  string
		stderr  string
	}{
		{"first", nil, []string{"--token", "file:" + file, "--server", p.url, dir, "v1.0.0"}, 0, "published example.com/m@v1.0.0 (h1:", ""},
		{"again", []string{"T=" + otherToken}, []string{"--token=env:T", "--server", strings.TrimPrefix(p.url, "http://"), dir, "v1.0.0"}, 0, "=), as it was before with the same content\n", ""},
		{"environment", []string{"GODOWN_SERVER=" + p.url, "GODOWN_TOKEN=" + goodToken}, []string{dir, "v1.1.0-rc.1"}, 0,
			"=)\nTo use it, with GOPROXY=" + p.url + " and GONOSUMDB=example.com/m (or the GOSUMDB of that server, if it has a checksum database of its own):\n\tgo get example.com/m@v1.1.0-rc.1\n", ""},
		{"flags win", []string{"GODOWN_SERVER=https://x.example", "GODOWN_TOKEN=s3cret-bad", "T=" + goodToken}, []string{"--server", p.url, "--token", "env:T", dir, "v1.2.0"}, 0, "published example.com/m@v1.2.0", ""},
		{"other content", []string{"GODOWN_SERVER=" + p.url, "GODOWN_TOKEN=" + goodToken}, []string{simpleModule(t, "two"), "v1.0.0"}, 1, "",
			"godown: publish: " + p.url + " has answered 409 Conflict: example.com/m@v1.0.0 was published before with other content"},
		{"bad token", []string{"GODOWN_SERVER=" + p.url, "GODOWN_TOKEN=s3cret"}, []string{dir, "v1.3.0"}, 1, "", "401 Unauthorized: the token is none of those that may publish here"},
		{"other module", []string{"GODOWN_SERVER=" + p.url, "GODOWN_TOKEN=" + goodToken}, []string{writeTree(t, map[string]string{"go.mod": "module example.com/x\n"}), "v1.0.0"}, 1, "",
			"403 Forbidden: refused by publish: example.com/x is none of"},
		{"dry", nil, []string{"--dry-run", dir, "v1.4.0"}, 0, "nothing was uploaded", ""},
	}
	for _, tt := range tests {
		tmp := t.TempDir()
		t.Setenv("TMPDIR", tmp)
		code, stdout, stderr := callPublish(t, bareMachine(t, tt.environ...), tt.args...)
		if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) ||
			tt.stderr == "" && stderr != "" || tt.stdout == "" && stdout != "" {
			t.Errorf("%s: exit code %d, want %d\nstdout: %s\nstderr: %s", tt.name, code, tt.code, stdout, stderr)
		}
		if left, err := os.ReadDir(tmp); len(left) > 0 || err != nil {
			t.Errorf("%s: %v is left, error %v", tt.name, left, err)
		}
	}
	resp, err := http.Get(p.url + "/example.com/m/@v/list")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if list, err := io.ReadAll(resp.Body); string(list) != "v1.0.0\nv1.1.0-rc.1\nv1.2.0\n" || err != nil {
		t.Errorf("list: %q, error %v", list, err)
	}
}

// In the working folder, with a path below the server's root.
func TestPublishHere(t *testing.T) {
	p := newPublishTest(t, nil)
	below := httptest.NewServer(http.StripPrefix("/go/proxy", p.route()))
	defer below.Close()
	t.Chdir(bigTree(t))
	code, stdout, stderr := callPublish(t, bareMachine(t, "GODOWN_TOKEN="+goodToken), "--server", below.URL+"/go/proxy/", "v1.0.0")
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, stdout %s, stderr %s", code, stdout, stderr)
	}
}

func TestPublishOddServers(t *testing.T) {
	dir := simpleModule(t, "")
	sum := func(s string) string {
		data, err := json.Marshal(published{"example.com/m", "v1.0.0", s})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	stolen := make(chan string, 100)
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen <- r.Header.Get("Authorization") }))
	defer thief.Close()
	tests := []struct {
		name   string
		status int
		kind   string
		body   string
		text   string
	}{
		{"not found", 404, "text/html", "<html>", "404 Not Found: it is no godown that takes modules"},
		{"takes all", 200, "text/html", "<html>", "does not say that example.com/m@v1.0.0 is published"},
		{"takes all as JSON", 200, "application/json", "{}", "does not say that"},
		{"other version", 201, "application/json", strings.ReplaceAll(sum("h1:x"), "v1.0.0", "v1.0.1"), "does not say that"},
		{"other module", 201, "application/json", strings.ReplaceAll(sum("h1:x"), "example.com/m", "example.com/n"), "does not say that"},
		{"other hash", 201, "application/json", sum("h1:x"), `with the hash "h1:x", and not h1:`},
		{"redirect of a GET", 302, "text/plain", "", "sends to \"" + thief.URL + "\"; if that is right, name it with --server"},
		{"redirect", 307, "text/plain", "", "sends to \"" + thief.URL + "\"; if that is right, name it with --server"},
		{"escapes", 500, "text/plain; charset=utf-8", "a\x1b[31m\nb", "500 Internal Server Error: a [31m b\n"},
	}
	for _, tt := range tests {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", tt.kind)
			w.Header().Set("Location", thief.URL)
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		}))
		code, stdout, stderr := callPublish(t, bareMachine(t, "GODOWN_TOKEN="+goodToken), "--server", s.URL, dir, "v1.0.0")
		s.Close()
		if code != 1 || stdout != "" || !strings.Contains(stderr, tt.text) {
			t.Errorf("%s: exit code %d\nstdout: %s\nstderr: %s", tt.name, code, stdout, stderr)
		}
	}
	if len(stolen) > 0 {
		t.Errorf("the token was sent elsewhere: %q", <-stolen)
	}
	// Nobody there.
	thief.Close()
	code, _, stderr := callPublish(t, bareMachine(t, "GODOWN_TOKEN="+goodToken), "--server", thief.URL, dir, "v1.0.0")
	if code != 1 || !strings.Contains(stderr, "there is no answer from "+thief.URL+": ") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// The zip stays at home until the server has said that it wants it.
func TestPublishAsksFirst(t *testing.T) {
	dir := simpleModule(t, "")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "100-continue" || r.ContentLength <= 0 || r.Header.Get("Authorization") != "Bearer "+goodToken {
			t.Errorf("Expect: %q, length %d", r.Header.Get("Expect"), r.ContentLength)
		}
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer s.Close()
	code, _, stderr := callPublish(t, bareMachine(t, "GODOWN_TOKEN="+goodToken), "--server", s.URL, dir, "v1.0.0")
	if code != 1 || !strings.Contains(stderr, "403 Forbidden: no") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// What was published is a module to the real go command.
func TestPublishedForGo(t *testing.T) {
	p := newPublishTest(t, nil)
	for _, v := range []string{"v1.0.0", "v1.1.0", "v1.2.0-rc.1"} {
		code, _, stderr := callPublish(t, bareMachine(t, "GODOWN_TOKEN="+goodToken), "--server", p.url, bigTree(t), v)
		if code != 0 {
			t.Fatal(stderr)
		}
	}
	project := writeTree(t, map[string]string{
		"go.mod":  "module example.org/user\n\ngo 1.24\n",
		"main.go": "package main\n\nimport _ \"example.com/m/sub\"\n\nfunc main() {}\n",
	})
	env := append(os.Environ(), godowntest.GoEnv(t.TempDir(), p.url, "off")...)
	for _, tt := range []struct{ args, want string }{
		{"list -m -versions example.com/m", "example.com/m v1.0.0 v1.1.0 v1.2.0-rc.1"},
		{"get example.com/m", "added example.com/m v1.1.0"},
		{"get example.com/m@v1.0", "downgraded example.com/m v1.1.0 => v1.0.0"},
		{"mod verify", "all modules verified"},
	} {
		cmd := exec.Command("go", strings.Fields(tt.args)...)
		cmd.Dir, cmd.Env = project, env
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), tt.want) {
			t.Fatalf("go %s: %v\n%s", tt.args, err, out)
		}
	}
	data, err := os.ReadFile(filepath.Join(project, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := callPublish(t, bareMachine(t), "--dry-run", bigTree(t), "v1.0.0")
	_, h1, _ := strings.Cut(stdout, "example.com/m@v1.0.0 (")
	h1, _, _ = strings.Cut(h1, ")")
	if want := fmt.Sprintf("example.com/m v1.0.0 %s\n", h1); h1 == "" || !strings.Contains(string(data), want) {
		t.Errorf("go.sum lacks %q:\n%s", want, data)
	}
	if mod, err := os.ReadFile(filepath.Join(project, "go.mod")); err != nil || !strings.Contains(string(mod), "example.com/m v1.0.0") || modfile.ModulePath(mod) != "example.org/user" {
		t.Errorf("go.mod: %s, error %v", mod, err)
	}
}

// What 'godown login' has stored is found for the server, and for no other.
func TestStoredToken(t *testing.T) {
	m := bareMachine(t)
	store, err := m.loginStore(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	server, err := token.ParseServer("https://goproxy.corp.example/modules")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Add(t.Context(), token.Login{Server: server, Token: "stored-token", Place: token.File, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{
		"https://goproxy.corp.example/modules":      "stored-token",
		"https://goproxy.corp.example/other":        "",
		"https://goproxy.corp.example.evil/modules": "",
		"http://goproxy.corp.example/modules":       "",
	} {
		to, err := newPublishTarget(m, at, "")
		if want == "" && err == nil || want != "" && (err != nil || to.token != want) {
			t.Errorf("%s: %v, error %v", at, to, err)
		}
	}
	m.environ = append(m.environ, publishTokenEnv+"=environment-token")
	if to, err := newPublishTarget(m, "https://goproxy.corp.example/modules", ""); err != nil || to.token != "environment-token" {
		t.Errorf("the environment does not win: %v", err)
	}
}
