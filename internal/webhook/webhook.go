// Package webhook reads what git hosts send when something was pushed: which
// repository it was, and which of its branches and tags have changed.
// GitHub, GitLab, Gitee, Gitea, Forgejo and Bitbucket are understood.
// Nothing is believed that is not signed with the secret, or bears it.
package webhook

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// MaxBody is the most bytes that a body may have.
const MaxBody = 5 << 20

// What may be wrong with a delivery; errors of [Parse] wrap these. None holds
// the secret or a signature.
var (
	// ErrIgnored: it is genuine, but about something else than a push.
	ErrIgnored = errors.New("it is no push")
	// ErrSignature: it is not proved to come from somebody who knows the secret.
	ErrSignature = errors.New("the signature does not prove that the sender knows the secret")
	// ErrNoSecret: there is no secret to prove it by.
	ErrNoSecret = errors.New("no secret is configured for webhooks")
	// ErrHost: no header tells which kind of host has sent it.
	ErrHost = errors.New("no header tells of an event of GitHub, GitLab, Gitee, Gitea, Forgejo or Bitbucket")
	// ErrPayload: its body is not what such a host sends.
	ErrPayload = errors.New("the body is not what the host's documentation says")
	// ErrTooLarge: its body has more than MaxBody bytes.
	ErrTooLarge = fmt.Errorf("the body has more than %d bytes", MaxBody)
)

// A Push tells what has changed in one repository.
type Push struct {
	Host string   // the kind of host: github, gitlab, gitee, gitea, forgejo or bitbucket
	URLs []string // all that the repository is called by: https, ssh and scp-like (git@host:path); not checked
	Refs []Ref    // none for a test of the connection
}

// A Ref is a branch or tag that has changed.
type Ref struct {
	Name     string // whole, as "refs/tags/v1.2.3" or "refs/heads/main"
	Old, New string // hashes in hex; empty where there was or is none, or the host does not tell
	Deleted  bool
}

// A host knows how one kind of host speaks.
type host struct {
	name  string
	event string // the header that names the event
	prove func(d delivery) bool
	read  func(event string, body []byte) (Push, error)
}

// hosts returns all kinds. Forgejo also sends the headers of Gitea, and both those of GitHub.
func hosts() []host {
	return []host{
		{"forgejo", "X-Forgejo-Event", proveForge, readGitHub},
		{"gitea", "X-Gitea-Event", proveForge, readGitHub},
		{"gitee", "X-Gitee-Event", proveGitee, readGitLab},
		{"gitlab", "X-Gitlab-Event", proveGitLab, readGitLab},
		{"bitbucket", "X-Event-Key", proveBitbucket, readBitbucket},
		{"github", "X-Github-Event", proveGitHub, readGitHub},
	}
}

// A delivery is one request of a host.
type delivery struct {
	header http.Header
	body   []byte
	secret string
	now    time.Time
}

// Parse reads a delivery: the header and the whole body of a POST request.
// Before it looks into the body it makes sure that the sender knows the secret.
// A test of the connection is a Push without Refs.
func Parse(header http.Header, body []byte, secret string) (Push, error) {
	return parse(delivery{header, body, secret, time.Now()})
}

func parse(d delivery) (Push, error) {
	if d.secret == "" {
		return Push{}, ErrNoSecret
	}
	if len(d.body) > MaxBody {
		return Push{}, ErrTooLarge
	}
	for _, h := range hosts() {
		event := d.header.Get(h.event)
		if event == "" {
			continue
		}
		if !h.prove(d) {
			return Push{}, fmt.Errorf("a delivery of %s: %w", h.name, ErrSignature)
		}
		push, err := d.read(h, event)
		if err != nil {
			return Push{}, fmt.Errorf("an event %.50q of %s: %w", event, h.name, err)
		}
		return push, nil
	}
	return Push{}, ErrHost
}

// read reads the body of a proven delivery.
func (d delivery) read(h host, event string) (Push, error) {
	body, err := d.json(h)
	if err != nil {
		return Push{}, err
	}
	push, err := h.read(event, body)
	if err != nil {
		return Push{}, err
	}
	push.Host = h.name
	push.URLs = slices.DeleteFunc(push.URLs, func(s string) bool { return !plain(s) })
	slices.Sort(push.URLs)
	push.URLs = slices.Compact(push.URLs)
	for i := range push.Refs {
		r := &push.Refs[i]
		if !plain(r.Name) || !strings.HasPrefix(r.Name, "refs/") {
			return Push{}, fmt.Errorf("%w: %.100q is no name of a branch or tag", ErrPayload, r.Name)
		}
		r.Old, r.New = hash(r.Old), hash(r.New)
	}
	if len(push.URLs) == 0 && len(push.Refs) > 0 {
		return Push{}, fmt.Errorf("%w: it names no repository", ErrPayload)
	}
	return push, nil
}

// json returns the JSON of a body. GitHub may be told to send it in a form.
func (d delivery) json(h host) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(d.header.Get("Content-Type"))
	switch {
	case err != nil || kind != "application/x-www-form-urlencoded":
		return d.body, nil
	case h.name != "github":
		return nil, fmt.Errorf("%w: it is a form; choose the content type application/json for this webhook", ErrPayload)
	}
	form, err := url.ParseQuery(string(d.body))
	if err != nil {
		return nil, fmt.Errorf("%w: it is no well-formed form", ErrPayload)
	}
	return []byte(form.Get("payload")), nil
}

// decode unmarshals a body. The error tells where it is wrong and nothing of
// its content: Gitee's holds the password.
func decode(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%w: byte %d of its JSON is of another type", ErrPayload, t.Offset)
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%w: it is no JSON from byte %d on", ErrPayload, s.Offset)
	}
	if err != nil {
		return fmt.Errorf("%w: it is no JSON", ErrPayload)
	}
	return nil
}

// plain reports whether a name can be one of a repository or ref: not empty,
// not overlong, and without blanks and control characters.
func plain(s string) bool {
	return s != "" && len(s) <= 2000 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\uFFFD' })
}

// hash returns a hash, or nothing for what is none: all zeros stand for "not there".
func hash(s string) string {
	if _, err := hex.DecodeString(s); err != nil || len(s) != 40 && len(s) != 64 || strings.Trim(s, "0") == "" {
		return ""
	}
	return s
}
