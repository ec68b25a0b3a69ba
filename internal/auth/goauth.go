package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// maxCommands is how many processes of one GOAUTH command run at once.
const maxCommands = 8

// A method is one command of a GOAUTH value ("go help goauth"), and what it has given.
type method struct {
	name    string // for messages
	netrc   bool   // the netrc file, which its owner reads
	git     bool   // git credential fill
	command command
	slots   chan struct{}

	runs  kept[string, bool]     // by the URL; "" is the first run, which is without one
	mu    sync.Mutex             // guards the fields below
	given map[string]http.Header // by target.key
	asked map[string]bool        // the URLs that were refused, and for which it is to be asked
}

// parseGOAUTH parses the value of GOAUTH. "off" is no method.
func parseGOAUTH(value string) ([]*method, error) {
	var list []*method
	parts := strings.Split(value, ";")
	for _, part := range parts {
		words, err := words(part)
		if err != nil {
			return nil, fmt.Errorf("goauth: %w", err)
		}
		if len(words) == 0 || words[0] == "" {
			return nil, errors.New(`goauth has an empty command: see that no ";" is too many`)
		}
		m := &method{given: make(map[string]http.Header), asked: make(map[string]bool), slots: make(chan struct{}, maxCommands)}
		switch words[0] {
		case "off":
			if len(parts) != 1 {
				return nil, errors.New("goauth has off together with other commands")
			}
			return nil, nil
		case "netrc":
			m.name, m.netrc = "netrc", true
		case "git":
			if len(words) != 2 || !filepath.IsAbs(words[1]) {
				return nil, errors.New("goauth has git without the absolute path of a directory")
			}
			m.name, m.git = "git credential in "+words[1], true
			// Nobody is there to be asked for a password.
			m.command = command{words: []string{"git", "credential", "fill"}, dir: words[1],
				env: []string{"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "GCM_INTERACTIVE=never"}}
		default:
			m.name, m.command = "the GOAUTH command "+words[0], command{words: words}
		}
		list = append(list, m)
	}
	return list, nil
}

// key is how what a command gave is found again: by host and port, and path.
func (t target) key() string {
	return strings.Join(append([]string{t.host + ":" + t.port}, t.path...), "/")
}

// argument is the URL that a command is told: where u has a query, that may hold a secret.
func argument(u *url.URL) string {
	return (&url.URL{Scheme: "https", Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// header returns what the command has for u, and for how many elements of its
// path that is meant. As the go command does, it runs the command once without a
// URL, and once again with each URL that was refused. An error is for a command
// that failed, where there is nothing from earlier.
func (m *method) header(ctx context.Context, env Environ, t target, u *url.URL) (h http.Header, depth int, err error) {
	if !m.git { // which gives nothing without a URL
		_, err = m.runs.get(ctx, "", m.run(env, ""))
	}
	arg := argument(u)
	m.mu.Lock()
	asked := m.asked[arg]
	m.mu.Unlock()
	if asked {
		_, errAsked := m.runs.get(ctx, arg, m.run(env, arg))
		err = errors.Join(err, errAsked)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for depth := len(t.path); depth >= 0; depth-- {
		t.path = t.path[:depth]
		if h := m.given[t.key()]; h != nil {
			return h.Clone(), depth, nil
		}
	}
	return nil, 0, err
}

// refused has the command asked for u when a credential is needed next.
func (m *method) refused(u *url.URL) {
	arg := argument(u)
	m.mu.Lock()
	if len(m.asked) >= maxKept {
		clear(m.asked)
	}
	m.asked[arg] = true
	m.mu.Unlock()
	m.runs.refused(arg, func(bool) bool { return true })
}

// run runs the command, without a URL or with one that was refused.
func (m *method) run(env Environ, arg string) maker[bool] {
	return func(ctx context.Context, _ bool, _ bool) made[bool] {
		select {
		case m.slots <- struct{}{}:
			defer func() { <-m.slots }()
		case <-ctx.Done():
			return made[bool]{keep: rest, err: context.Cause(ctx)}
		}
		c, stdin := m.command, ""
		switch {
		case m.git:
			stdin = "url=" + arg + "\n\n"
		case arg != "":
			c.words = append(slices.Clone(c.words), arg)
			stdin = "HTTP/1.1 401 Unauthorized\n\n"
		}
		out, err := c.run(ctx, env, stdin)
		var given map[string]http.Header
		if err == nil && m.git {
			given, err = parseGitCredential(out)
		} else if err == nil {
			given, err = parseCredentials(out)
		}
		if err != nil {
			return made[bool]{keep: rest, err: fmt.Errorf("%s: %w", m.name, err)}
		}
		m.store(given)
		return made[bool]{value: true, keep: forever}
	}
}

// store takes over what a command gave. A header set that is empty takes an earlier one away.
func (m *method) store(given map[string]http.Header) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.given)+len(given) > maxKept {
		clear(m.given)
	}
	maps.Copy(m.given, given)
	maps.DeleteFunc(m.given, func(_ string, h http.Header) bool { return len(h) == 0 })
}

// parseCredentials parses what a GOAUTH command prints: sets of lines with URLs,
// an empty line, lines of a header, and an empty line. URLs that are not https,
// or that no request of ours can have, are passed over, since they have no effect with the go
// command either. No error shows anything of it.
func parseCredentials(out string) (map[string]http.Header, error) {
	given := make(map[string]http.Header)
	number := 0
	next := func() (string, bool) {
		line, rest, ok := strings.Cut(out, "\n")
		out = rest
		number++
		return strings.TrimSuffix(line, "\r"), ok
	}
	for out != "" {
		var keys []string
		for {
			line, ok := next()
			if !ok {
				return nil, fmt.Errorf("its output is not as in \"go help goauth\": line %d, of a URL, is not followed by an empty line", number)
			}
			if line == "" {
				break
			}
			u, err := url.ParseRequestURI(line)
			if err != nil {
				return nil, fmt.Errorf("its output is not as in \"go help goauth\": line %d is no URL", number)
			}
			if t, ok := targetOf(u); ok && t.scheme == "https" {
				keys = append(keys, t.key())
			}
		}
		h := make(http.Header)
		for {
			line, ok := next()
			if !ok {
				return nil, fmt.Errorf("its output is not as in \"go help goauth\": line %d, of a header, is not followed by an empty line", number)
			}
			if line == "" {
				break
			}
			name, value, ok := strings.Cut(line, ":")
			if value = strings.Trim(value, " \t"); !ok || !isToken(name) || !isSendable(value) {
				return nil, fmt.Errorf("its output is not as in \"go help goauth\": line %d is no line of a header", number)
			}
			h.Add(name, value)
		}
		for _, key := range keys {
			given[key] = h.Clone()
		}
	}
	return given, nil
}

// parseGitCredential parses what git credential fill prints.
func parseGitCredential(out string) (map[string]http.Header, error) {
	got := make(map[string]string)
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		got[name] = value
	}
	u := &url.URL{Scheme: got["protocol"], Host: got["host"], Path: "/" + got["path"]}
	t, ok := targetOf(u)
	if !ok || t.scheme != "https" || got["password"] == "" {
		return nil, errors.New("git has no password for this URL")
	}
	r := http.Request{Header: make(http.Header)}
	r.SetBasicAuth(got["username"], got["password"])
	return map[string]http.Header{t.key(): r.Header}, nil
}

// isToken reports whether name may be that of a header field (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	for _, c := range []byte(name) {
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return name != ""
}

// isSendable reports whether text may stand in a header field, and in a line of the credential protocol of git.
func isSendable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
