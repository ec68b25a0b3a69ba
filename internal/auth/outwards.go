package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/godown-dev/godown"
)

// Outwards says which credential is shown to an origin: that of the rule that
// matches its URL; where none does, one from GOAUTH or the netrc file.
// Its methods may be called concurrently.
type Outwards struct {
	Rules []Rule
	Netrc string // a file; empty: none

	// GOAUTH is as for the go command: off, or one or more of netrc, git DIR and
	// a command with its arguments, separated by ";". Empty: netrc.
	GOAUTH string

	Secrets *Secrets     // nil: one of its own, with Env
	Client  *http.Client // for the API of GitHub; nil: one with defaults
	Env     Environ      // of GOAUTH commands

	once sync.Once
	kept *outwardsKept // behind a pointer, which is all that is printed of it
}

type outwardsKept struct {
	err     error
	rules   []*checkedRule
	methods []*method
	secrets *Secrets
	own     bool // secrets is ours to close
	apps    *apps
	netrc   kept[string, netrcFile]
}

func (o *Outwards) state() (*outwardsKept, error) {
	o.once.Do(func() {
		k := &outwardsKept{secrets: o.Secrets}
		if k.secrets == nil {
			k.secrets, k.own = &Secrets{Env: o.Env}, true
		}
		k.apps = newApps(o.Client, k.secrets)
		for _, r := range o.Rules {
			c, err := r.compile()
			k.rules, k.err = append(k.rules, c), errors.Join(k.err, err)
		}
		goauth := o.GOAUTH
		if strings.TrimSpace(goauth) == "" {
			goauth = "netrc"
		}
		var err error
		k.methods, err = parseGOAUTH(goauth)
		k.err = errors.Join(k.err, err)
		o.kept = k
	})
	return o.kept, o.kept.err
}

// Check says what is wrong with the rules and with GOAUTH. It opens nothing.
func (o *Outwards) Check() error {
	_, err := o.state()
	return err
}

// Close stops what runs, and waits for it. Of the Secrets, which others may use, it closes none but its own.
func (o *Outwards) Close() {
	k, err := o.state()
	if k.own {
		k.secrets.Close()
	}
	k.apps.close()
	k.netrc.close()
	if err != nil {
		return
	}
	for _, m := range k.methods {
		m.runs.close()
	}
	for _, r := range k.rules {
		for _, m := range r.methods {
			m.runs.close()
		}
	}
}

// match returns the rule for t, or nil.
func (k *outwardsKept) match(t target) *checkedRule {
	var best *checkedRule
	for _, r := range k.rules {
		if (t.scheme == "ssh" && !r.ssh()) || (t.scheme == "https" && !r.https()) || !r.pattern.matches(t) {
			continue
		}
		if best == nil || r.pattern.longer(best.pattern) {
			best = r
		}
	}
	return best
}

// Login returns what to show to the origin at u; the zero Login where there is
// nothing. That is so for all but https and ssh URLs, and for https URLs with user
// information of their own. An error means that there should be a credential, but cannot be had now.
func (o *Outwards) Login(ctx context.Context, u *url.URL) (godown.Login, error) {
	k, err := o.state()
	if err != nil {
		return godown.Login{}, err
	}
	t, ok := targetOf(u)
	if !ok {
		return godown.Login{}, nil
	}
	var l godown.Login
	r := k.match(t)
	switch {
	case r != nil && t.scheme == "ssh":
		l, err = r.sshLogin()
	case r != nil && r.GOAUTH != "":
		l, err = o.ask(ctx, k, r.methods, t, u)
		if l.IsZero() && err != nil {
			err = fmt.Errorf("%s: %w", r.Name, err)
		}
		if !l.IsZero() {
			l.Name = r.Name
		}
	case r != nil:
		l, err = k.login(ctx, r, t)
	case t.scheme == "https":
		l, err = o.ask(ctx, k, k.methods, t, u)
		if _, broken := errors.AsType[*methodError](err); broken { // the go command passes over it, too; Advice tells
			err = nil
		}
	}
	if err == nil {
		err = checkLogin(l)
	}
	if err != nil {
		return godown.Login{}, err
	}
	return l, nil
}

// login returns the login of a rule with a token, a password or an app.
func (k *outwardsKept) login(ctx context.Context, r *checkedRule, t target) (godown.Login, error) {
	l := godown.Login{Name: r.Name, User: r.User}
	secret := r.Token
	if r.Password != "" {
		secret = r.Password
	}
	var err error
	if r.App != nil {
		l.User = kinds["github"]
		l.Password, err = k.apps.token(ctx, *r.App, t)
	} else {
		l.Password, err = k.secrets.Get(ctx, secret)
	}
	if err != nil {
		return godown.Login{}, fmt.Errorf("%s: %w", r.Name, err)
	}
	kind := r.Kind
	if kind == "" {
		kind = kindOf(t.host)
	}
	switch {
	case l.Password == "": // an app that is not installed there: what is public can be had without
		return godown.Login{}, nil
	case kind == "bearer":
		return godown.Login{Name: r.Name, Header: http.Header{"Authorization": {"Bearer " + l.Password}}}, nil
	case l.User == "" && kinds[kind] != "":
		l.User = kinds[kind]
	case l.User == "":
		l.User = "git"
	}
	return l, nil
}

// sshLogin returns the login of a rule for ssh. ssh itself would only warn of a
// file that is not there, and then fail for another reason.
func (r *checkedRule) sshLogin() (godown.Login, error) {
	for what, file := range map[string]string{"SSH key": r.SSHKey, "known hosts": r.KnownHosts} {
		if file != "" {
			if _, err := os.Stat(file); err != nil {
				return godown.Login{}, fmt.Errorf("%s: the file of its %s: %w", r.Name, what, err)
			}
		}
	}
	return godown.Login{Name: r.Name, Key: r.SSHKey, KnownHosts: r.KnownHosts}, nil
}

// A methodError is of a GOAUTH command.
type methodError struct{ error }

func (e *methodError) Unwrap() error { return e.error }

// ask returns what GOAUTH methods have for u: the longest prefix counts, and of equals the first method.
func (o *Outwards) ask(ctx context.Context, k *outwardsKept, methods []*method, t target, u *url.URL) (godown.Login, error) {
	var best godown.Login
	deepest := -1
	var failed error
	for _, m := range methods {
		if m.netrc {
			entry, ok, err := k.machine(ctx, o.Netrc, t)
			if err != nil {
				return best, err
			}
			if ok && deepest < 0 {
				best, deepest = godown.Login{Name: m.name, User: entry.login, Password: entry.password}, 0
			}
			continue
		}
		h, depth, err := m.header(ctx, o.Env, t, u)
		if ctx.Err() != nil {
			return godown.Login{}, context.Cause(ctx)
		}
		if err != nil {
			failed = errors.Join(failed, err)
		} else if h != nil && depth > deepest {
			best, deepest = headerLogin(m.name, h), depth
		}
	}
	if deepest < 0 && failed != nil {
		return best, &methodError{failed}
	}
	return best, nil
}

// machine looks the host up in the netrc file.
func (k *outwardsKept) machine(ctx context.Context, path string, t target) (machine, bool, error) {
	if path == "" {
		return machine{}, false, nil
	}
	file, err := k.netrc.get(ctx, path, func(_ context.Context, old netrcFile, _ bool) made[netrcFile] {
		file, err := readNetrc(path, old)
		return made[netrcFile]{value: file, keep: statEvery, err: err}
	})
	if err != nil {
		return machine{}, false, err
	}
	m, ok := findMachine(file.machines, t)
	return m, ok, nil
}

// headerLogin returns a login of h, which is ours: user and password, if that is all that it holds.
func headerLogin(name string, h http.Header) godown.Login {
	if fields := h["Authorization"]; len(h) == 1 && len(fields) == 1 {
		scheme, text, _ := strings.Cut(fields[0], " ")
		data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if user, password, ok := strings.Cut(string(data), ":"); ok && err == nil && strings.EqualFold(scheme, "Basic") && isSendable(string(data)) {
			return godown.Login{Name: name, User: user, Password: password}
		}
	}
	return godown.Login{Name: name, Header: h}
}

// checkLogin refuses what would end a line of a header, or of what is told to
// git, and begin another.
func checkLogin(l godown.Login) error {
	if strings.Contains(l.User, ":") {
		return fmt.Errorf("%s: the user holds a colon, which cannot be sent", l.Name)
	}
	sendable := isSendable(l.User) && isSendable(l.Password)
	for _, values := range l.Header {
		for _, v := range values {
			sendable = sendable && isSendable(v)
		}
	}
	if !sendable {
		return fmt.Errorf("%s: the credential holds a line break or another control character, which cannot be sent", l.Name)
	}
	return nil
}

// Refused is to be told that the origin at u answered 401 or 403 to what it was
// shown, or to nothing. What was kept of that credential is forgotten, so that
// the next Login reads it anew; a GOAUTH command is then asked for this URL.
func (o *Outwards) Refused(_ context.Context, u *url.URL, l godown.Login) {
	k, err := o.state()
	t, ok := targetOf(u)
	if err != nil || !ok || t.scheme != "https" {
		return
	}
	text := l.Password
	if text == "" {
		text = strings.TrimPrefix(l.Header.Get("Authorization"), "Bearer ")
	}
	methods := k.methods
	if r := k.match(t); r != nil {
		switch {
		case r.Token != "":
			k.secrets.refused(r.Token, text)
		case r.Password != "":
			k.secrets.refused(r.Password, text)
		case r.App != nil:
			k.apps.refused(*r.App, t, text)
		}
		methods = r.methods
	}
	for _, m := range methods {
		if m.netrc {
			k.netrc.forget(o.Netrc)
		} else {
			m.refused(u)
		}
	}
}

// String says what it is; there may be secrets in it.
func (o *Outwards) String() string { return "credentials for origins" }

// GoString is String.
func (o *Outwards) GoString() string { return o.String() }

// Format is String for all other verbs.
func (o *Outwards) Format(f fmt.State, _ rune) { fmt.Fprint(f, o.String()) }

// LogValue is String.
func (o *Outwards) LogValue() slog.Value { return slog.StringValue(o.String()) }

// MarshalText is String.
func (o *Outwards) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
