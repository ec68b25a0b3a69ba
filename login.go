package godown

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
)

// A Login is what an origin of modules (a git host, a private mirror) is shown
// so that it lets us in. The zero Login shows nothing. It holds secrets: what is
// printed or logged of it is its String.
type Login struct {
	Name string // which credential it is, for messages: "netrc", "auth.out of github.com/acme"; no secret

	// For HTTPS: either a user and a password, or a header that holds them in
	// another form, such as "Authorization: Bearer …".
	User, Password string
	Header         http.Header

	// For SSH: files; where empty, no key is shown but those of an agent, and no
	// host is known but those of the user.
	Key, KnownHosts string
}

// IsZero reports whether there is nothing to show.
func (l Login) IsZero() bool {
	return l.User == "" && l.Password == "" && len(l.Header) == 0 && l.Key == "" && l.KnownHosts == ""
}

// String returns the name; never a secret.
func (l Login) String() string {
	if l.Name == "" {
		return "no credential"
	}
	return l.Name
}

// Format keeps the secrets out of whatever verb.
func (l Login) Format(f fmt.State, _ rune) { io.WriteString(f, l.String()) }

// MarshalText keeps the secrets out of JSON, and out of logs of structs that hold a Login.
func (l Login) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// LogValue keeps the secrets out of logs in whatever format.
func (l Login) LogValue() slog.Value { return slog.StringValue(l.String()) }
