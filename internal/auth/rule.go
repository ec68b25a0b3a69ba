package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// A Rule says which credential is shown to which origins. For https it has one
// of Token, User with Password, App and GOAUTH; for ssh, SSHKey or KnownHosts. It may have both.
type Rule struct {
	// Match says to which: a host, with scheme and port or without, then a path
	// of whole elements, such as "github.com/acme", "*.corp.example",
	// "https://git.corp.example:8443/team" or "ssh://git@git.corp.example".
	// Without a port, only the scheme's own is meant; "*." stands for one label
	// or more. The longest match counts, and of equals the first.
	Match string
	Name  string // for messages, such as "auth.out (godown.yaml:12)"; default: "auth.out of MATCH"

	Token    Secret
	User     string // with a Token, in place of the one that Kind says
	Password Secret

	// Kind says how a Token is sent. As the password of a user: "github" of
	// x-access-token, "gitlab" and "gitee" of oauth2, "bitbucket" of
	// x-token-auth, "gitea" and "basic" of git. As a header: "bearer". Empty: by the host.
	Kind string

	App *App // in place of a token: one for each hour

	SSHKey, KnownHosts string // files, for ssh

	GOAUTH string // commands as in [Outwards.GOAUTH]; what they give for other origins is not used
}

// kinds are the users whose password a token is.
var kinds = map[string]string{
	"github": "x-access-token", "gitlab": "oauth2", "gitee": "oauth2", "bitbucket": "x-token-auth", "gitea": "git", "basic": "git",
}

// kindOf returns the kind of a host, or "" where its name does not tell.
func kindOf(host string) string {
	switch {
	case host == "github.com" || strings.HasSuffix(host, ".github.com"):
		return "github"
	case host == "bitbucket.org":
		return "bitbucket"
	case host == "gitee.com":
		return "gitee"
	case slices.Contains(strings.Split(host, "."), "gitlab"):
		return "gitlab"
	}
	return ""
}

// name returns how messages call the rule.
func (r Rule) name() string {
	if r.Name != "" {
		return r.Name
	}
	if p, err := parsePattern(r.Match); err == nil {
		return "auth.out of " + p.String()
	}
	return "an entry of auth.out"
}

// Check says what is wrong with the rule, and with which. It opens nothing.
func (r Rule) Check() error {
	_, err := r.compile()
	return err
}

// A checkedRule is a rule that is right.
type checkedRule struct {
	Rule
	pattern pattern
	methods []*method // of GOAUTH
}

func (r Rule) compile() (*checkedRule, error) {
	c := &checkedRule{Rule: r}
	c.Name = r.name()
	p, err := parsePattern(r.Match)
	if err == nil {
		c.pattern = p
		err = r.check(p)
	}
	if err == nil && r.GOAUTH != "" {
		c.methods, err = parseGOAUTH(r.GOAUTH)
		if err == nil && len(c.methods) == 0 {
			err = errors.New("its goauth is off: remove the entry")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	return c, nil
}

// https and ssh report for what the rule has a credential.
func (r Rule) https() bool {
	return r.Token != "" || r.Password != "" || r.App != nil || r.GOAUTH != ""
}
func (r Rule) ssh() bool { return r.SSHKey != "" || r.KnownHosts != "" }

func (r Rule) check(p pattern) error {
	n := 0
	for _, has := range []bool{r.Token != "", r.Password != "", r.App != nil, r.GOAUTH != ""} {
		if has {
			n++
		}
	}
	_, known := kinds[r.Kind]
	switch {
	case n > 1:
		return errors.New("it has more than one of token, password, app and goauth: it must be clear which is shown")
	case !r.https() && !r.ssh():
		return errors.New("it has no credential: set one of token, user with password, app and goauth, or, for ssh, a key or known hosts")
	case p.scheme == "ssh" && r.https():
		return errors.New("match is for ssh, where only a key and known hosts are used")
	case p.scheme == "https" && r.ssh():
		return errors.New("match is for https, where no key and no known hosts are used")
	case r.Password != "" && r.User == "":
		return errors.New("it has a password without a user; for a token, set token")
	case r.User != "" && r.Token == "" && r.Password == "":
		return errors.New("it has a user without a password or a token")
	case strings.ContainsAny(r.User, ":\x00\r\n"):
		return errors.New("its user holds a colon or a line break")
	case r.Kind != "" && r.Kind != "bearer" && !known:
		return fmt.Errorf("its kind is %.40q, which is none of github, gitlab, gitee, gitea, bitbucket, basic and bearer", r.Kind)
	case r.Kind != "" && r.Token == "" && !(r.Kind == "basic" && r.Password != ""):
		return errors.New("it has a kind, which says how a token is sent, but no token")
	case r.Kind == "bearer" && r.User != "":
		return errors.New("it has a user, which a token of kind bearer is sent without")
	}
	for what, s := range map[string]Secret{"token": r.Token, "password": r.Password} {
		if s != "" {
			if err := s.Check(); err != nil {
				return fmt.Errorf("its %s: %w", what, err)
			}
		}
	}
	if r.App != nil {
		return r.App.check(p)
	}
	return nil
}

func (a *App) check(p pattern) error {
	if a.ID == "" || strings.ContainsAny(a.ID, " \t\r\n") {
		return errors.New("its app has no id: set the number of the app, or its client ID")
	}
	if a.Installation < 0 {
		return errors.New("its app has a negative number for its installation")
	}
	if err := a.Key.Check(); err != nil {
		return fmt.Errorf("the key of its app: %w", err)
	}
	if a.API == "" {
		if kindOf(p.host) != "github" || p.wild {
			return errors.New("its app is of a host other than github.com: set its api, such as https://HOST/api/v3")
		}
		return nil
	}
	u, err := url.Parse(a.API)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the api of its app is no https URL with a host and a path only")
	}
	return nil
}

// String returns the rule's name: its commands may hold secrets.
func (r Rule) String() string { return r.name() }

// GoString is String.
func (r Rule) GoString() string { return fmt.Sprintf("auth.Rule(%q)", r.name()) }

// Format is String for all other verbs.
func (r Rule) Format(f fmt.State, verb rune) {
	text := r.String()
	if verb == 'v' && f.Flag('#') {
		text = r.GoString()
	}
	fmt.Fprint(f, text)
}

// LogValue is String.
func (r Rule) LogValue() slog.Value { return slog.StringValue(r.name()) }

// MarshalJSON writes the rule's name.
func (r Rule) MarshalJSON() ([]byte, error) { return json.Marshal(r.name()) }
