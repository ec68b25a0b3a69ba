package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// A Named is a server whose login the environment gives: that of a CI job, say.
type Named struct {
	Server string // its URL, as 'godown publish' takes it: without a scheme, http is meant; empty: none
	User   string // as in Login

	// Of these the first that is not empty counts.
	Token   Secret // a token
	IDToken Secret // an ID token (OIDC) that the CI system has put into the environment
	GitHub  *GitHub
}

// Announced returns the login without its token, which need not be asked for;
// !ok where Login would have none.
func (n Named) Announced() (l Login, ok bool, err error) {
	if n.Server == "" || n.Token == "" && n.IDToken == "" && n.GitHub == nil || !strings.Contains(n.Server, "://") {
		return l, false, nil
	}
	server, err := ParseServer(n.Server)
	if bad, isBad := errors.AsType[*BadServer](err); isBad && bad.Reason == Plain {
		return l, false, nil
	}
	if err != nil {
		return l, false, fmt.Errorf("the server that the environment names: %w", err)
	}
	l = Login{Server: server, User: n.User, Place: Environment}
	if n.Token == "" {
		l.Place = CI
	}
	return l, true, nil
}

// Login returns the login; none where nothing is named, where the URL is a plain
// http one, which never gets a token, or where the server is not wanted. With
// refused, the token that was kept from earlier was refused.
func (n Named) Login(ctx context.Context, want func(Server) bool, refused bool) (l Login, ok bool, err error) {
	l, ok, err = n.Announced()
	if err != nil || !ok || !want(l.Server) {
		return Login{}, false, err
	}
	switch {
	case n.Token != "":
		l.Token = n.Token
	case n.IDToken != "":
		l.Token = n.IDToken
	default:
		if l.Token, err = n.GitHub.token(ctx, l.Server, refused, time.Now()); err != nil {
			return Login{}, false, fmt.Errorf("the ID token of GitHub Actions for %v: %w", l.Server, err)
		}
	}
	if err := l.Check(); err != nil {
		return Login{}, false, fmt.Errorf("the token for %v in the environment: %w", l.Server, err)
	}
	return l, true, nil
}

// A Finder knows all places where a token can be.
type Finder struct {
	Named Named
	Store *Store // nil: none
}

// Find returns the logins for those servers that are wanted: that of the
// environment before those of the Store. An error comes beside what there is in spite of it.
func (f Finder) Find(ctx context.Context, want func(Server) bool, refused bool) ([]Login, error) {
	var list []Login
	l, ok, err := f.Named.Login(ctx, want, refused)
	if ok {
		list = append(list, l)
	}
	if f.Store == nil {
		return list, err
	}
	stored, errStored := f.Store.Logins(ctx, func(s Server) bool { return want(s) && !(ok && s == l.Server) })
	return append(list, stored...), errors.Join(err, errStored)
}

// Refused reports whether what the go command writes to a GOAUTH command, which
// begins with the status line of an answer, says 401: that what was shown there does not do.
func Refused(said string) bool {
	line, _, _ := strings.Cut(said, "\n")
	words := strings.Fields(line)
	return len(words) >= 2 && strings.HasPrefix(words[0], "HTTP/") && words[1] == fmt.Sprint(http.StatusUnauthorized)
}
