package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An App is a GitHub App. What it shows is a token of one of its installations,
// which GitHub gives for an hour.
type App struct {
	ID           string // its number, or its client ID
	Installation int64  // 0: that of the owner whom the URL names
	Key          Secret // in PEM
	API          string // base URL; empty: https://api.github.com
}

// String returns which app it is.
func (a App) String() string { return "GitHub App " + a.ID }

// GoString is String.
func (a App) GoString() string { return fmt.Sprintf("auth.App(%q)", a.ID) }

// Format is String for all other verbs.
func (a App) Format(f fmt.State, _ rune) { fmt.Fprint(f, a.String()) }

// LogValue is String.
func (a App) LogValue() slog.Value { return slog.StringValue(a.String()) }

const (
	renewal    = 5 * time.Minute // before its end, a token is replaced
	ownerAge   = time.Hour       // the number of an installation is kept so long,
	missingAge = time.Minute     // and that an owner has none, so long
)

// apps gets the tokens of apps.
type apps struct {
	client        *http.Client
	secrets       *Secrets
	tokens        kept[installation, appToken]
	installations kept[owner, int64] // 0: there is none
}

type installation struct {
	app    App
	number int64
}

type owner struct {
	app  App
	name string // lower case
}

type appToken struct {
	text string
	ends time.Time
}

func newApps(client *http.Client, secrets *Secrets) *apps {
	if client == nil {
		client = new(http.Client)
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &apps{client: &own, secrets: secrets}
}

// token returns a token for t, or "" if the app is not installed for its owner.
func (a *apps) token(ctx context.Context, app App, t target) (string, error) {
	in, err := a.find(ctx, app, t)
	if err != nil || in.number == 0 {
		return "", err
	}
	token, err := a.tokens.get(ctx, in, a.mint(in))
	return token.text, err
}

// ownerOf returns the owner whom t names. !ok: none, or the app has only one installation.
func ownerOf(app App, t target) (owner, bool) {
	if app.Installation != 0 || len(t.path) == 0 {
		return owner{}, false
	}
	return owner{app, strings.ToLower(t.path[0])}, true
}

func (a *apps) find(ctx context.Context, app App, t target) (installation, error) {
	who, ok := ownerOf(app, t)
	if !ok {
		return installation{app, app.Installation}, nil
	}
	n, err := a.installations.get(ctx, who, a.look(who))
	return installation{app, n}, err
}

// look asks for the installation of an owner, who is an organization or a user.
func (a *apps) look(who owner) maker[int64] {
	return func(ctx context.Context, _ int64, _ bool) made[int64] {
		for _, kind := range []string{"orgs", "users"} {
			var answer struct{ ID int64 }
			err := a.call(ctx, who.app, "GET", "/"+kind+"/"+url.PathEscape(who.name)+"/installation", &answer)
			if s, ok := errors.AsType[*apiError](err); ok && s.code == http.StatusNotFound {
				continue
			}
			if err == nil && answer.ID <= 0 {
				err = errors.New("GitHub names an installation without its number")
			}
			if err != nil {
				return made[int64]{keep: rest, err: err}
			}
			return made[int64]{value: answer.ID, keep: ownerAge}
		}
		return made[int64]{keep: missingAge}
	}
}

// mint asks for a token. While that fails, the old one is used to its end.
func (a *apps) mint(in installation) maker[appToken] {
	return func(ctx context.Context, old appToken, had bool) made[appToken] {
		var answer struct {
			Token string
			Ends  time.Time `json:"expires_at"`
		}
		err := a.call(ctx, in.app, "POST", fmt.Sprintf("/app/installations/%d/access_tokens", in.number), &answer)
		if err == nil && (answer.Token == "" || answer.Ends.IsZero()) {
			err = errors.New("GitHub answers without a token, or without its end")
		}
		switch {
		case err == nil:
			// If our clock is wrong, it is not asked with each request all the same.
			keep := max(time.Until(answer.Ends)-renewal, time.Minute)
			return made[appToken]{value: appToken{answer.Token, answer.Ends}, keep: keep}
		case had && time.Until(old.ends) > rest:
			return made[appToken]{value: old, keep: rest}
		}
		return made[appToken]{keep: rest, err: err}
	}
}

// refused has what led to a token that was refused, or to none, made anew.
func (a *apps) refused(app App, t target, text string) {
	in := installation{app, app.Installation}
	if who, ok := ownerOf(app, t); ok {
		in.number, _, _ = a.installations.peek(who)
		a.installations.refused(who, func(int64) bool { return true })
	}
	a.tokens.refused(in, func(token appToken) bool { return text == "" || token.text == text })
}

// missing returns the owner for whom the app is known not to be installed, or "".
func (a *apps) missing(app App, t target) string {
	who, ok := ownerOf(app, t)
	if !ok {
		return ""
	}
	if n, err, known := a.installations.peek(who); !known || err != nil || n != 0 {
		return ""
	}
	return t.path[0]
}

func (a *apps) close() {
	a.tokens.close()
	a.installations.close()
}

// An apiError says that GitHub refused a call.
type apiError struct {
	code int
	text string
}

func (e *apiError) Error() string { return e.text }

// call calls the API as the app itself.
func (a *apps) call(ctx context.Context, app App, verb, path string, answer any) error {
	pem, err := a.secrets.Get(ctx, app.Key)
	if err != nil {
		return fmt.Errorf("the key of GitHub App %s: %w", app.ID, err)
	}
	key, err := parseKey(pem)
	if err != nil {
		return fmt.Errorf("the key of GitHub App %s (%v): %w", app.ID, app.Key, err)
	}
	jwt, err := signJWT(key, app.ID, time.Now())
	if err != nil {
		return err
	}
	base := app.API
	if base == "" {
		base = "https://api.github.com"
	}
	r, err := http.NewRequestWithContext(ctx, verb, strings.TrimSuffix(base, "/")+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+jwt)
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	r.Header.Set("User-Agent", "godown")
	resp, err := a.client.Do(r)
	if err != nil {
		return fmt.Errorf("GitHub App %s: %w", app.ID, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxOutput+1))
	if err == nil && len(body) > maxOutput {
		err = fmt.Errorf("the answer is larger than %d bytes", maxOutput)
	}
	if err != nil {
		return fmt.Errorf("GitHub App %s: %s %s: %w", app.ID, verb, r.URL.Redacted(), err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		if resp.StatusCode == http.StatusUnauthorized {
			a.secrets.refused(app.Key, pem)
		}
		text := fmt.Sprintf("GitHub App %s: %s %s: %d %s%s", app.ID, verb, r.URL.Redacted(), resp.StatusCode,
			http.StatusText(resp.StatusCode), said(body, jwt))
		return &apiError{resp.StatusCode, text}
	}
	if json.NewDecoder(bytes.NewReader(body)).Decode(answer) != nil { // whose error could show the token
		return fmt.Errorf("GitHub App %s: %s %s: the answer is no JSON of the expected form", app.ID, verb, r.URL.Redacted())
	}
	return nil
}

// said returns the message of an answer that refuses, for people, without any part of the JWT.
func said(body []byte, jwt string) string {
	var answer struct{ Message string }
	if json.Unmarshal(body, &answer) != nil || answer.Message == "" {
		return ""
	}
	text := answer.Message
	for part := range strings.SplitSeq(jwt, ".") {
		text = strings.ReplaceAll(text, part, mask)
	}
	return fmt.Sprintf(": %.200q", text)
}
