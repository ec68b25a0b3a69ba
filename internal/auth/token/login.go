package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// A Secret is a token or a password. However it is printed, it is not shown.
type Secret string

// mask stands for a secret, as in [net/url.URL.Redacted].
const mask = "xxxxx"

// String returns "xxxxx".
func (s Secret) String() string { return mask }

// GoString is String.
func (s Secret) GoString() string { return mask }

// Format is String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, mask) }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText is String: what is to be stored says so, by its own type.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// maxSecret is how long a token may be, in bytes: some ID tokens have 3 KiB.
const maxSecret = 16 << 10

// Errors of Check.
var (
	ErrEmpty = errors.New("the token is empty")
	ErrLong  = errors.New("the token is longer than any token is: 16 KiB")
	ErrShape = errors.New("the token has blanks, line breaks or other characters that no token has")
	ErrUser  = errors.New("the user is empty, or has a colon or a control character")
)

// A Place is where a token stands.
type Place string

// The places.
const (
	Environment Place = "environment" // a variable of the environment
	CI          Place = "ci"          // asked of the CI system
	Keyring     Place = "keyring"     // the system's
	File        Place = "file"        // Store.File
)

// A Login is a token for a server.
type Login struct {
	Server Server
	User   string // "": the token goes as Bearer; else it is this user's password
	Token  Secret
	Place  Place
	Since  time.Time // when it was stored
}

// Check says whether the login can be sent: ErrEmpty, ErrLong, ErrShape or ErrUser.
func (l Login) Check() error {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	switch {
	case l.Token == "":
		return ErrEmpty
	case len(l.Token) > maxSecret:
		return ErrLong
	case l.User != "" && (strings.Contains(l.User, ":") || strings.ContainsFunc(l.User, control)):
		return ErrUser
	case l.User == "" && strings.ContainsFunc(string(l.Token), func(r rune) bool { return r <= ' ' || r > '~' }):
		return ErrShape
	case strings.ContainsFunc(string(l.Token), control): // a password may have blanks
		return ErrShape
	}
	return nil
}

// Authorization returns the value of the header field Authorization, a secret.
func (l Login) Authorization() string {
	if l.User == "" {
		return "Bearer " + string(l.Token)
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(l.User+":"+string(l.Token)))
}

// Answer writes what the go command reads of a GOAUTH command: for each login the
// prefixes at which it holds, and the header. Of several for one server the first
// counts. With a URL it is about that one only, and the login nearest to it.
func Answer(w io.Writer, logins []Login, about *url.URL) error {
	var b strings.Builder
	done := make(map[Server]bool)
	var nearest *Login
	for i, l := range logins {
		if done[l.Server] || l.Check() != nil {
			continue
		}
		done[l.Server] = true
		if about == nil {
			set(&b, l, l.Server.spellings()...)
		} else if l.Server.Covers(about) && (nearest == nil || l.Server.depth() > nearest.Server.depth()) {
			nearest = &logins[i]
		}
	}
	if nearest != nil {
		set(&b, *nearest, nearest.Server.prefix(about))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func set(b *strings.Builder, l Login, prefixes ...string) {
	for _, p := range prefixes {
		b.WriteString(p + "\n")
	}
	b.WriteString("\nAuthorization: " + l.Authorization() + "\n\n")
}
