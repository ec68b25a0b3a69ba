package token

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// GitHub is a job of GitHub Actions, which gets ID tokens from there if its
// workflow has the permission "id-token: write".
type GitHub struct {
	RequestURL   string // of ACTIONS_ID_TOKEN_REQUEST_URL
	RequestToken Secret // of ACTIONS_ID_TOKEN_REQUEST_TOKEN
	Temp         string // a folder that is emptied after the job, RUNNER_TEMP, where a token is kept while it is valid; empty: none
	Client       *http.Client
}

// Format says what it is: behind a pointer, fmt does not ask RequestToken for every verb.
func (g *GitHub) Format(f fmt.State, _ rune) { fmt.Fprint(f, "a job of GitHub Actions") }

const (
	idTokenWait = 5 * time.Second  // for the answer
	idTokenRest = 60 * time.Second // a token that is valid for less than that is not used any more
	maxIDAnswer = 64 << 10         // bytes
)

// token returns a token for a server: that is whom it is meant for, its "aud".
// One that was got earlier is used again, unless it was refused.
func (g *GitHub) token(ctx context.Context, server Server, refused bool, now time.Time) (Secret, error) {
	if g.RequestURL == "" || g.RequestToken == "" {
		return "", errors.New(`the job gets none: its workflow needs the permission "id-token: write"`)
	}
	if !refused {
		if t := g.kept(server, now); t != "" {
			return t, nil
		}
	}
	t, err := g.ask(ctx, server)
	if err != nil {
		return "", err
	}
	g.keep(server, t, now)
	return t, nil
}

func (g *GitHub) ask(ctx context.Context, server Server) (Secret, error) {
	u, err := url.Parse(g.RequestURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return "", errors.New("the URL to ask at (ACTIONS_ID_TOKEN_REQUEST_URL) is no https URL")
	}
	q := u.Query()
	q.Set("audience", server.String())
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(ctx, idTokenWait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", errors.New("the URL to ask at is no good URL")
	}
	r.Header.Set("Authorization", "Bearer "+string(g.RequestToken))
	resp, err := direct(g.Client).Do(r)
	if err != nil {
		return "", fmt.Errorf("there is no answer from %s: %w", u.Host, bare(err))
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxIDAnswer))
	if err != nil {
		return "", fmt.Errorf("the answer from %s broke off: %w", u.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s has answered %s", u.Host, resp.Status)
	}
	var said struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(data, &said) != nil || (Login{Token: Secret(said.Value)}).Check() != nil {
		return "", fmt.Errorf("%s has answered without a token", u.Host)
	}
	return Secret(said.Value), nil
}

// A keptToken is the content of a file in Temp.
type keptToken struct {
	Server  Server    `json:"server"`
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

func (g *GitHub) file(server Server) string {
	sum := sha256.Sum256([]byte(server.String()))
	return filepath.Join(g.Temp, "godown-id-token-"+hex.EncodeToString(sum[:8])+".json")
}

// kept returns the token of an earlier call that is still valid, or none.
func (g *GitHub) kept(server Server, now time.Time) Secret {
	if g.Temp == "" {
		return ""
	}
	info, err := os.Lstat(g.file(server))
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxIDAnswer || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return ""
	}
	data, err := os.ReadFile(g.file(server))
	var k keptToken
	if err != nil || json.Unmarshal(data, &k) != nil || k.Server != server || now.Add(idTokenRest).After(k.Expires) {
		return ""
	}
	if (Login{Token: Secret(k.Token)}).Check() != nil {
		return ""
	}
	return Secret(k.Token)
}

// keep keeps a token for later calls. Where that fails they ask again.
func (g *GitHub) keep(server Server, t Secret, now time.Time) {
	expires, ok := expiry(t)
	if g.Temp == "" || !ok || now.Add(idTokenRest).After(expires) {
		return
	}
	if data, err := json.Marshal(keptToken{server, string(t), expires}); err == nil {
		_ = replace(g.file(server), data)
	}
}

// expiry returns when a token expires that is a JWT (RFC 7519) and says so.
func expiry(t Secret) (time.Time, bool) {
	parts := strings.Split(string(t), ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Expires float64 `json:"exp"` // seconds since 1970
	}
	const last = 253402300799 // in the year 9999
	if json.Unmarshal(data, &claims) != nil || claims.Expires <= 0 || claims.Expires > last {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Expires), 0), true
}

// direct returns a client that follows no redirects: what it shows is for one server.
func direct(c *http.Client) *http.Client {
	if c == nil {
		c = http.DefaultClient
	}
	d := *c
	d.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &d
}

// bare returns an error of a client without the URL, which may hold a secret.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// loopback reports whether a URL's host is this machine, by name or address.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
