package auth

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
)

// secretText is what must never be seen.
const secretText = "s3cr3t/T0ken"

// TestMain makes of the test binary the commands that tests run.
func TestMain(m *testing.M) {
	if role := os.Getenv("AUTH_TEST_ROLE"); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// play is a command. It notes each run as a line of the file AUTH_TEST_LOG:
// its arguments and what it was told, as JSON.
func play(role string) int {
	stdin, _ := io.ReadAll(os.Stdin)
	line, _ := json.Marshal(append(os.Args[1:], string(stdin)))
	if log, err := os.OpenFile(os.Getenv("AUTH_TEST_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintf(log, "%s\n", line)
		log.Close()
	}
	switch role {
	case "file": // prints a file
		data, err := os.ReadFile(os.Getenv("AUTH_TEST_FILE"))
		if err != nil {
			fmt.Fprintln(os.Stderr, secretText)
			return 3
		}
		os.Stdout.Write(data)
	case "url": // a GOAUTH command that knows each URL only when it is asked for it
		if len(os.Args) > 1 {
			fmt.Printf("%s\n\nAuthorization: Bearer for %s\n\n", os.Args[len(os.Args)-1], os.Args[len(os.Args)-1])
		}
	case "much":
		fmt.Print(strings.Repeat("x", maxOutput+1))
	case "fail":
		fmt.Print(secretText)
		fmt.Fprintln(os.Stderr, secretText)
		return 1
	case "hang":
		<-time.NewTimer(time.Hour).C
	}
	return 0
}

// A player is the environment of a command that plays a role.
type player struct {
	t    *testing.T
	self string // its program
	log  string
	file string
	env  Environ
}

func newPlayer(t *testing.T, role string) *player {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := &player{t: t, self: self, log: filepath.Join(dir, "log"), file: filepath.Join(dir, "file")}
	p.env = Environ{"AUTH_TEST_ROLE=" + role, "AUTH_TEST_LOG=" + p.log, "AUTH_TEST_FILE=" + p.file,
		"GORACE=atexit_sleep_ms=0"} // the race detector would wait for a second
	return p
}

// runs returns the arguments and the standard input of each run.
func (p *player) runs() [][]string {
	p.t.Helper()
	data, _ := os.ReadFile(p.log)
	var list [][]string
	for line := range strings.Lines(string(data)) {
		var args []string
		if err := json.Unmarshal([]byte(line), &args); err != nil {
			p.t.Fatal(err)
		}
		list = append(list, args)
	}
	return list
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func address(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// shown returns a login in full, for comparing.
func shown(l godown.Login) string {
	if l.IsZero() {
		return "none"
	}
	text := l.Name + ": "
	if l.User != "" || l.Password != "" {
		text += l.User + ":" + l.Password
	}
	if len(l.Header) > 0 {
		text += fmt.Sprint(map[string][]string(l.Header))
	}
	if l.Key != "" || l.KnownHosts != "" {
		text += filepath.Base(l.Key) + "," + filepath.Base(l.KnownHosts)
	}
	return text
}

// login returns what is shown at a URL, or the error.
func login(t *testing.T, o *Outwards, u string) string {
	t.Helper()
	l, err := o.Login(t.Context(), address(t, u))
	if err != nil {
		if !l.IsZero() {
			t.Errorf("%s: a login comes with an error", u)
		}
		return "error: " + err.Error()
	}
	return shown(l)
}

// prints returns v as it is printed and logged in every way.
func prints(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		fmt.Fprintf(&b, verb+"\n", v)
		fmt.Fprintf(&b, verb+"\n", []any{v})
	}
	for _, h := range []slog.Handler{slog.NewJSONHandler(&b, nil), slog.NewTextHandler(&b, nil)} {
		log := slog.New(h)
		log.Info("x", "value", v, "list", []any{v}, "map", map[string]any{"v": v}, "struct", struct{ V any }{v})
	}
	data, err := json.Marshal(v)
	fmt.Fprintf(&b, "%s %v", data, err)
	return b.String()
}

// mustLogin is login for one that is there.
func mustLogin(t *testing.T, o *Outwards, u string) godown.Login {
	t.Helper()
	l, err := o.Login(t.Context(), address(t, u))
	if err != nil || l.IsZero() {
		t.Errorf("%s has %v, error %v", u, l, err)
	}
	return l
}
