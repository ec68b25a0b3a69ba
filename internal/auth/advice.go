package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/godown-dev/godown"
)

// Advice returns a sentence for who runs this server: what was shown to the
// origin at u, which refused with an HTTP status (0 for ssh), and what to set. It
// names credentials, and shows none.
func (o *Outwards) Advice(u *url.URL, l godown.Login, status int) string {
	k, err := o.state()
	if err != nil || u == nil {
		return "the credentials of auth.out are not set up rightly"
	}
	host := u.Hostname()
	t, ok := targetOf(u)
	switch {
	case !ok && strings.EqualFold(u.Scheme, "http"):
		return fmt.Sprintf("no credential is ever sent to %s, as http:// is not encrypted: use https there", u.Host)
	case !ok && u.User != nil:
		return fmt.Sprintf("the user information in the URL itself was refused by %s: take it out, and add an entry to auth.out", host)
	case !ok:
		return fmt.Sprintf("no credential is sent to this URL of %s: it is neither a plain https nor an ssh URL", host)
	}
	r := k.match(t)
	if !l.IsZero() && r != nil && r.Name == l.Name {
		return k.refusedRule(r, t, status)
	}
	if !l.IsZero() {
		return fmt.Sprintf("the credential from %s was refused by %s: see that it has not expired and may read this repository; an entry of auth.out for %s would be used in its place", l, host, host)
	}
	if t.scheme == "ssh" {
		if r != nil {
			return fmt.Sprintf("%s was not used for %s: see why in the error before", r.Name, host)
		}
		return fmt.Sprintf("no SSH key is set for %s: add an entry with a key to auth.out%s", host, k.others(t))
	}
	if r != nil {
		return k.unused(r, t, host)
	}
	var failed string
	for _, m := range k.methods {
		if s := m.trouble(argument(u)); s != "" {
			failed += "; " + s
		}
	}
	how := "add an entry to auth.out"
	if o.Netrc != "" {
		for _, m := range k.methods {
			if m.netrc {
				how = "add an entry to auth.out, or a line to the netrc file (its default entry is not used)"
			}
		}
	}
	return fmt.Sprintf("no credential is set for %s: %s%s%s", host, how, k.others(t), failed)
}

// refusedRule is the advice where the credential of a rule was refused.
func (k *outwardsKept) refusedRule(r *checkedRule, t target, status int) string {
	switch {
	case t.scheme == "ssh":
		return fmt.Sprintf("the SSH key of %s was refused by %s, or the host is not the one in its known hosts: see that the key is set there as one that may read this repository", r.Name, t.host)
	case r.App != nil:
		return fmt.Sprintf("the token of the GitHub App of %s was refused: see that the app is installed for this repository with the permission to read its contents", r.Name)
	case r.GOAUTH != "":
		return fmt.Sprintf("what the GOAUTH command of %s gives was refused by %s: see that it is for an account that may read this repository", r.Name, t.host)
	}
	what := "token"
	if r.Password != "" {
		what = "password"
	}
	switch status {
	case http.StatusForbidden:
		return fmt.Sprintf("the %s of %s is not allowed to do this: see that it may read this repository", what, r.Name)
	case http.StatusNotFound:
		return fmt.Sprintf("either there is no such repository, or the %s of %s may not read it", what, r.Name)
	}
	return fmt.Sprintf("the %s of %s was refused: see that it has not expired and may read this repository", what, r.Name)
}

// unused is the advice where a rule matches, but gave nothing.
func (k *outwardsKept) unused(r *checkedRule, t target, host string) string {
	if r.App != nil {
		if who := k.apps.missing(*r.App, t); who != "" {
			return fmt.Sprintf("the GitHub App of %s is not installed for %s: install it there", r.Name, who)
		}
		return fmt.Sprintf("the GitHub App of %s gave no token for this URL of %s", r.Name, host)
	}
	return fmt.Sprintf("%s gave no credential for this URL of %s: see what it has for it", r.Name, host)
}

// others says which rules are about the host, but not about this URL of it.
func (k *outwardsKept) others(t target) string {
	var names []string
	for _, r := range k.rules {
		if r.pattern.matchesHost(t) {
			names = append(names, r.Name)
		}
	}
	if names == nil {
		return ""
	}
	return fmt.Sprintf(" (%s: another scheme, port or path)", strings.Join(names, ", "))
}

// trouble returns why the command gave nothing, or "".
func (m *method) trouble(arg string) string {
	for _, key := range []string{arg, ""} {
		if _, err, _ := m.runs.peek(key); err != nil {
			return err.Error()
		}
	}
	return ""
}
