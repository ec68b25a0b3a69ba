package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/auth/token"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// A transcript is what commands and their parts say.
type transcript struct{ bytes.Buffer }

func (b *transcript) title(text string) { fmt.Fprintf(b, "\n## %s\n", text) }

// call runs godown without a go command and without a terminal.
func (b *transcript) call(t *testing.T, m machine, l lang.Language, args ...string) {
	b.title("godown " + strings.Join(args, " "))
	code, stdout, stderr := call(t, m, append(args, "--lang", l.String())...)
	fmt.Fprintf(b, "%s%s(%d)\n", stdout, stderr, code)
}

// said notes what a part says, and its error.
func (b *transcript) said(title string, l lang.Language, say func(machine, *term.Console) error) {
	b.title(title)
	p := &term.Printer{W: b, Lang: l}
	if err := say(machine{lang: l}, &term.Console{Out: p, Err: p}); err != nil {
		printError(b, err)
	}
}

// TestLoginTexts compares all that auth, login and logout say with testdata/login.txt, in both languages.
func TestLoginTexts(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var b transcript
	for _, l := range []lang.Language{lang.English, lang.Chinese} {
		fmt.Fprintf(&b, "\n# %v\n", l)
		m := bareMachine(t, "TOKEN=t0ken", "BLANK=a b")
		dir, err := m.userConfigDir()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"auth", "login", "logout"} {
			b.call(t, m, l, name, "-h")
		}
		for _, args := range []string{
			"auth https://a.example https://b.example",
			"auth --token env:TOKEN",
			"login", "login https://a.example t0ken", "login --list https://a.example", "login --json https://a.example",
			"login http://a.example", "login https://u:t0ken@a.example", "login https://a.example?t0ken", "login https://a.example/../x", "login https://",
			"login https://a.example", "login https://a.example --token t0ken", "login https://a.example --token env:NONE", "login https://a.example --token file:none",
			"login https://a.example --token env:BLANK", "login https://a.example --token env:TOKEN --token-stdin", "login https://a.example --token-stdin",
			"login https://a.example --store here", "login --list --set", "login https://münchen.example", "login https://a.example.", "login https://a.example --user a:b",
			"logout", "logout --all https://a.example", "logout --all", "logout https://a.example", "login --list",
			"login https://a.example/go --token env:TOKEN --no-check --store file",
			"login https://b.example --token env:BLANK --user me --no-check --store file",
			"logout https://a.example", "logout https://a.example/go/x", "logout https://a.example/go", "logout --all", "login --list --json",
		} {
			b.call(t, m, l, strings.Fields(args)...)
		}
		named := m
		named.environ = append(named.environ, "GODOWN_SERVER=https://c.example", "GODOWN_TOKEN=t0ken")
		b.call(t, named, l, "login", "--list")
		named.environ = append(named.environ, "GODOWN_OIDC=elsewhere")
		b.call(t, named, l, "auth")
		loginParts(t, &b, l)
		text := strings.NewReplacer(dir, "CONFIG", self, "/bin/godown").Replace(b.String())
		b.Reset()
		b.WriteString(text)
	}
	got := b.String()
	for line := range strings.Lines(got) {
		if strings.Contains(line, "t0ken") && !strings.HasPrefix(line, "## ") && line != "Authorization: Bearer t0ken\n" {
			t.Errorf("a token shows: %s", line)
		}
	}
	golden := filepath.Join("testdata", "login.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("what is said has changed; 'go test ./cmd/godown -run TestLoginTexts -update' writes it anew, for you to read. Got:\n%s", got)
	}
}

// loginParts notes what depends on a server, a keyring or the go command.
func loginParts(t *testing.T, b *transcript, l lang.Language) {
	server, err := token.ParseServer("https://a.example/go")
	if err != nil {
		t.Fatal(err)
	}
	in := token.Login{Server: server, Token: "t0ken"}
	for _, f := range []token.Findings{
		{Verdict: token.Accepted, Status: "200 OK"}, {Verdict: token.Open, Status: "404 Not Found"}, {Verdict: token.Publishes, Status: "200 OK"},
		{Verdict: token.Refused401, Status: "401 Unauthorized"}, {Verdict: token.Refused401, Status: "401 Unauthorized", Basic: true},
		{Verdict: token.Refused403, Status: "403 Forbidden"}, {Verdict: token.Elsewhere, Status: "302 Found", Host: "sso.example"},
		{Verdict: token.Ill, Status: "502 Bad\x1b[31m Gateway"},
	} {
		b.said(fmt.Sprintf("verdict %d", f.Verdict), l, func(m machine, c *term.Console) error { return m.judge(c, in, f) })
	}
	for _, err := range []error{
		&token.Exposed{File: "FILE", Mode: 0o644},
		&token.Damaged{File: "FILE", Err: errors.New("reason")},
		errors.Join(&token.KeyringError{Server: server, Err: token.ErrSlow}, &token.KeyringError{Server: server, Err: token.ErrNoSecret}, &token.KeyringError{Server: server, Err: errors.New("reason")}),
		token.ErrEmpty, token.ErrLong, token.ErrShape, token.ErrUser,
	} {
		b.said(fmt.Sprintf("%T", err), l, func(m machine, _ *term.Console) error { return m.tokenError(err) })
	}
	b.said("an old go command", l, func(_ machine, c *term.Console) error { tellOlder(c, "go1.23.4", server); return nil })
	value := func(name, text string, p goenv.Place) goenv.Value {
		return goenv.Value{Name: name, Text: text, Said: []goenv.Said{{Place: p, Text: text}}}
	}
	for _, v := range []goenv.Value{
		value("GOAUTH", "netrc", goenv.BuiltIn), value("GOAUTH", "off", goenv.User), value("GOAUTH", "netrc;/bin/godown auth", goenv.User), value("GOAUTH", "netrc", goenv.Environment),
	} {
		s := &goenv.Settings{Values: map[string]goenv.Value{"GOAUTH": v}}
		for _, set := range []bool{false, true} {
			if set && v.Place() != goenv.Environment {
				continue // it would be set
			}
			b.said(fmt.Sprintf("GOAUTH %s at place %d, --set %v", v.Text, v.Place(), set), l, func(m machine, c *term.Console) error {
				return m.setGOAUTH(t.Context(), c, goenv.Machine{}, s, "godown auth", set)
			})
		}
	}
	for _, route := range []struct{ goproxy, past string }{
		{"https://a.example/go,direct", ""}, {"https://a.example/go/,direct", "corp.example"}, {"http://a.example/go", ""},
		{"https://a.example,direct", ""}, {"https://u:t0ken@b.example", ""}, {"off", "none"},
	} {
		s := &goenv.Settings{Values: map[string]goenv.Value{"GOPROXY": value("GOPROXY", route.goproxy, goenv.User), "GONOPROXY": value("GONOPROXY", route.past, goenv.User)}}
		b.said("GOPROXY "+strings.ReplaceAll(route.goproxy, "t0ken", "…"), l, func(m machine, c *term.Console) error { m.warnOfRoute(c, s, server); return nil })
	}
}

// A locked keyring is not waited for as long at each answer of 4xx as at the start.
func TestAuthPatience(t *testing.T) {
	if start, again := authPatience(nil), authPatience(&url.URL{}); again*5 > start {
		t.Errorf("%v at the start, then %v each time", start, again)
	}
}

func TestOlder(t *testing.T) {
	for version, want := range map[string]bool{
		"go1.23": true, "go1.23.12": true, "go1.24rc1": false, "go1.24": false, "go1.26.8": false, "go1.22.1 X:loopvar": true,
		"go1.21.0-custom": true, "devel go1.27-abcdef": false, "": false, "go2": false,
	} {
		if older(version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
}

// TestLoginListDocumented holds the fields of --list --json and docs/login.md together.
func TestLoginListDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/login.md")
	if err != nil {
		t.Fatal(err)
	}
	for f := range reflect.TypeFor[listedLogin]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !strings.Contains(string(page), "| `"+name+"` |") {
			t.Errorf("docs/login.md does not explain %s", name)
		}
	}
	m := bareMachine(t, "TOKEN=t0ken")
	if code, _, stderr := call(t, m, "login", "--no-check", "--store", "file", "--token", "env:TOKEN", "--user", "me", "a.example/go"); code != 0 {
		t.Fatal(stderr)
	}
	code, stdout, stderr := call(t, m, "login", "--list", "--json")
	var list []map[string]string
	if err := json.Unmarshal([]byte(stdout), &list); code != 0 || err != nil || len(list) != 1 {
		t.Fatalf("%d, %v: %s%s", code, err, stdout, stderr)
	}
	if l := list[0]; l["server"] != "https://a.example/go" || l["user"] != "me" || l["stored_in"] != "file" || len(l["since"]) != len("2006-01-02T15:04:05Z") || len(l) != 4 {
		t.Errorf("%v", l)
	}
}

// TestLoginAtGodown asks a godown that takes modules, and one that takes none, about tokens.
func TestLoginAtGodown(t *testing.T) {
	for _, tt := range []struct {
		token  string
		change func(*publisher)
		want   token.Verdict
	}{
		{goodToken, nil, token.Publishes},
		{"wr0ng", nil, token.Refused401},
		{goodToken, func(p *publisher) { p.shelf.Prefixes = "" }, token.Open},
		{goodToken, func(p *publisher) { p.tokens = nil }, token.Open},
	} {
		p := newPublishTest(t, tt.change)
		s := httptest.NewTLSServer(p.route())
		server, err := token.ParseServer(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		found, err := token.Probe{Client: s.Client()}.Ask(t.Context(), token.Login{Server: server, Token: token.Secret(tt.token)})
		s.Close()
		if err != nil || found.Verdict != tt.want {
			t.Errorf("%+v, %v, want verdict %d", found, err, tt.want)
		}
		p.wantNothing(t)
	}
}
