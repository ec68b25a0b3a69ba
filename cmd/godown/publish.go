package main

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/auth/token"
	"github.com/godown-dev/godown/internal/publish"
	"github.com/spf13/cobra"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"
)

// The environment variables of publish.
const (
	publishServerEnv = envPrefix + "SERVER" // a URL
	publishTokenEnv  = envPrefix + "TOKEN"  // the token itself
)

// newPublishCommand returns the command publish.
func newPublishCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publish [flags] [DIR] VERSION",
		Short: "Pack a module and hand it to a godown, without any repository",
		Long: `Publish packs the module in DIR, or in the working folder, as VERSION and uploads it
to a godown server, which keeps it and serves it from then on. No repository is
needed, and none is looked at: what lies in the folder is packed, committed or not,
ignored or not. Left out is what 'go mod download' would leave out: other modules
below it, vendor, .git and the like, symbolic links. --dry-run shows the rest.

A version is published once and never changes. The same content may be published
again, which does nothing; other content is refused.

The server takes modules whose paths its configuration allows (` + publishKey + `), from those who
have one of its tokens (` + publishTokenKey + `). The token is named by --token, as env:NAME or
file:PATH, else it is the value of ` + publishTokenEnv + `, else that which 'godown login' has
stored for the server; it is sent over https only, or to this machine.

Exit codes:
  0  it is published, or was before with the same content; or it could be (--dry-run)
  1  the module cannot be packed, the server refuses it, or it cannot be reached
  2  wrong arguments, or there is no module in DIR; nothing was done`,
		Example: `  godown publish --server https://goproxy.corp.example v1.2.3
  godown publish --dry-run ./libs/money v0.4.0
  godown publish --server http://127.0.0.1:8080 --token file:$HOME/.godown-token v1.2.3`,
		Args: publishArguments,
	}
	var server, token string
	var dryRun bool
	cmd.Flags().StringVar(&server, "server", "", "`URL` of the godown that is to have it, as in GOPROXY (default $"+publishServerEnv+")")
	cmd.Flags().StringVar(&token, "token", "", "`where` its token stands: env:NAME or file:PATH (default env:"+publishTokenEnv+", else what 'godown login' has stored)")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "list the files that would be packed, with their sizes and the hash of all, and upload nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := "."
		if len(args) == 2 {
			dir = args[0]
		}
		v, dir, err := publishedModule(dir, args[len(args)-1])
		if err != nil {
			return err
		}
		to := new(publishTarget)
		if !dryRun {
			if to, err = newPublishTarget(m, server, token); err != nil {
				return err
			}
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		p, err := pack(ctx, dir, v)
		if err != nil {
			return ended(exitFailed, fmt.Errorf("publish: %w", err))
		}
		defer p.close()
		if dryRun {
			return ended(exitOK, p.list(cmd.OutOrStdout()))
		}
		return ended(exitOK, to.publish(ctx, p, cmd.OutOrStdout()))
	}
	return cmd
}

// publishArguments refuses all but [DIR] VERSION.
func publishArguments(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("publish needs the version, such as: godown publish v1.2.3")
	case len(args) > 2:
		return fmt.Errorf("publish takes a folder and a version, and %q is more than that", maskSecrets(args[2]))
	case len(args) == 2 && semver.IsValid(args[0]) && !semver.IsValid(args[1]):
		return fmt.Errorf("publish takes the version last: godown publish %s %s", maskSecrets(args[1]), args[0])
	}
	return nil
}

// publishedModule returns the module in a folder, and the folder without symbolic links.
func publishedModule(dir, version string) (v module.Version, real string, err error) {
	// A walk does not follow links, not even where it begins.
	if real, err = filepath.EvalSymlinks(dir); err != nil {
		return v, "", fmt.Errorf("there is no folder %q to publish", dir)
	}
	data, err := os.ReadFile(filepath.Join(real, "go.mod"))
	if errors.Is(err, os.ErrNotExist) {
		return v, "", fmt.Errorf("there is no module in the folder %q: it has no go.mod file; 'go mod init PATH' makes one", dir)
	}
	if err != nil {
		return v, "", err
	}
	v = module.Version{Path: modfile.ModulePath(data), Version: version}
	if v.Path == "" {
		return v, "", fmt.Errorf("%s has no module line", filepath.Join(dir, "go.mod"))
	}
	return v, real, publish.CheckVersion(v.Path, v.Version)
}

// A packed is a module zip in a temporary file.
type packed struct {
	module.Version
	file    *os.File
	size    int64
	h1      string
	omitted []modzip.FileError // what lies in the folder, but not in the zip
}

// close removes the file.
func (p *packed) close() {
	p.file.Close()
	os.Remove(p.file.Name())
}

// pack packs the module in a folder, and checks it as the server will.
func pack(ctx context.Context, dir string, v module.Version) (_ *packed, err error) {
	found, err := modzip.CheckDir(dir)
	if len(found.Invalid) > 0 {
		var problems []error
		for i, f := range found.Invalid {
			if i == maxFailuresShown {
				problems = append(problems, fmt.Errorf("… and %d more files", len(found.Invalid)-i))
				break
			}
			problems = append(problems, fmt.Errorf("%s cannot be part of a module: %w", f.Path, f.Err))
		}
		return nil, errors.Join(problems...)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	file, err := os.CreateTemp("", "godown-publish-*.zip")
	if err != nil {
		return nil, err
	}
	p := &packed{Version: v, file: file, omitted: found.Omitted}
	for i, f := range p.omitted {
		if name, err := filepath.Rel(dir, f.Path); err == nil {
			p.omitted[i].Path = name
		}
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if err := modzip.CreateFromDir(stoppable{ctx, file}, v, dir); err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	p.size = info.Size()
	p.h1, _, err = publish.CheckZip(ctx, v, file, p.size)
	return p, err
}

// A stoppable is a Writer until its context ends.
type stoppable struct {
	ctx context.Context // of the command
	w   io.Writer
}

func (s stoppable) Write(b []byte) (int, error) {
	if err := context.Cause(s.ctx); err != nil {
		return 0, err
	}
	return s.w.Write(b)
}

// list prints what is packed.
func (p *packed) list(w io.Writer) error {
	z, err := zip.NewReader(p.file, p.size)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	var b strings.Builder
	var total uint64
	for _, f := range z.File {
		fmt.Fprintf(&b, "%12d  %s\n", f.UncompressedSize64, strings.TrimPrefix(f.Name, p.String()+"/"))
		total += f.UncompressedSize64
	}
	for _, f := range p.omitted {
		fmt.Fprintf(&b, "%12s  %s (%v)\n", "left out", filepath.ToSlash(f.Path), f.Err)
	}
	fmt.Fprintf(&b, "%s (%s): %d files, %d bytes, packed %d; nothing was uploaded\n", p.Version, p.h1, len(z.File), total, p.size)
	_, err = io.WriteString(w, b.String())
	return err
}

// A publishTarget is a server and the token to show it.
type publishTarget struct {
	url   *url.URL
	token string // never printed
}

// newPublishTarget returns what the flags, or else the environment, say.
func newPublishTarget(m machine, server, named string) (*publishTarget, error) {
	origin := "flag --server"
	if server == "" {
		origin, server = "environment "+publishServerEnv, m.getenv(publishServerEnv)
	}
	if server == "" {
		return nil, errors.New("publish needs a server: name it with --server URL, or in the environment variable " + publishServerEnv)
	}
	u, err := parseServer(server)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %q is not the URL of a server such as https://goproxy.corp.example", origin, maskSecrets(server))
	case u.User != nil:
		return nil, fmt.Errorf("%s: %q has a user or password in it; the server is shown a token, see --token", origin, maskSecrets(server))
	case u.Scheme != "https" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%s: a token is not sent over plain http, where others could read it, except to this machine; write https://%s", origin, u.Host)
	}
	t := &publishTarget{url: u}
	if named == "" && m.getenv(publishTokenEnv) == "" {
		if t.token = storedToken(m, u); t.token != "" {
			return t, nil
		}
	}
	t.token, err = publishToken(m, named)
	return t, err
}

// storedToken returns the token of the server at u that 'godown login' has stored,
// or nothing: then a message says how else to name one. What belongs to a user's
// name is no token of a godown.
func storedToken(m machine, u *url.URL) string {
	store, err := m.loginStore(keyringPatience)
	if err != nil {
		return ""
	}
	logins, _ := token.Finder{Store: store}.Find(context.Background(), func(s token.Server) bool { return s.Covers(u) }, false)
	for _, l := range logins {
		if l.User == "" && l.Check() == nil {
			return string(l.Token)
		}
	}
	return ""
}

// loopback reports whether a URL's host is this machine, by name or address.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// maxToken is the length of the longest token, in bytes.
const maxToken = 4 << 10

// publishToken returns the token that ref refers to, else that of the
// environment. Of ref no message repeats more than the name of a file, as it
// may be the token itself.
func publishToken(m machine, ref string) (string, error) {
	kind, where, _ := strings.Cut(ref, ":")
	var token, origin string
	switch {
	case ref == "":
		token, origin = m.getenv(publishTokenEnv), "the environment variable "+publishTokenEnv
		if token == "" {
			return "", errors.New("publish needs a token of the server: name it with --token env:NAME or --token file:PATH, put it into the environment variable " + publishTokenEnv + ", or store it with 'godown login URL'")
		}
	case kind == "env" && where != "":
		token, origin = m.getenv(where), "the environment variable that --token names"
	case kind == "file" && where != "":
		origin = "the file that --token names"
		f, err := os.Open(where)
		if err != nil {
			return "", fmt.Errorf("flag --token: %w", err)
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxToken+2))
		if err != nil {
			return "", fmt.Errorf("flag --token: %w", err)
		}
		token = string(data)
	default:
		return "", errors.New("flag --token: it takes where the token stands, as env:NAME or file:PATH, and not the token itself: all that run programs on a machine can read the arguments of all programs")
	}
	token = strings.TrimSpace(token)
	switch {
	case token == "":
		return "", errors.New(origin + " is empty, or not set")
	case len(token) > maxToken:
		return "", fmt.Errorf("%s holds more than the %d bytes that a token may have", origin, maxToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New(origin + " holds more than a token: blanks, several lines, or letters that are not ASCII")
	}
	return token, nil
}

// publishAnswer is how long a server may take to check and store a version, at most.
const publishAnswer = 15 * time.Minute

// publish uploads p, and says what came of it.
func (t *publishTarget) publish(ctx context.Context, p *packed, w io.Writer) error {
	shown := t.url.String()
	resp, err := t.upload(ctx, p)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("publish: stopped by a signal; if the server had all of %v it may be published, and the same command tells", p.Version)
		}
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return fmt.Errorf("publish: there is no answer from %s: %w; the same command can be given again", shown, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	there := ""
	switch {
	case resp.StatusCode == http.StatusOK:
		there = ", as it was before with the same content"
	case resp.StatusCode == http.StatusCreated:
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return fmt.Errorf("publish: %s sends to %.300q; if that is right, name it with --server", shown, maskSecrets(resp.Header.Get("Location")))
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain"):
		return fmt.Errorf("publish: %s has answered %s: %s", shown, resp.Status, line(strings.ReplaceAll(string(said), t.token, mask), 1000))
	default:
		return fmt.Errorf("publish: %s has answered %s: it is no godown that takes modules", shown, resp.Status)
	}
	var got published
	if err == nil {
		err = json.Unmarshal(said, &got)
	}
	if err != nil || got.Path != p.Path || got.Version != p.Version.Version {
		return fmt.Errorf("publish: %s has answered %s, but does not say that %v is published: it is no godown that takes modules", shown, resp.Status, p.Version)
	}
	if got.Sum != p.h1 {
		return fmt.Errorf("publish: %s has %v with the hash %.100q, and not %s; something between here and there changes what is sent", shown, p.Version, got.Sum, p.h1)
	}
	_, err = fmt.Fprintf(w, "published %s (%s)%s\nTo use it, with GOPROXY=%s and GONOSUMDB=%s (or the GOSUMDB of that server, if it has a checksum database of its own):\n\tgo get %s\n", p.Version, p.h1, there, shown, p.Path, p.Version)
	return err
}

// upload sends the zip. The caller closes the answer's body.
func (t *publishTarget) upload(ctx context.Context, p *packed) (*http.Response, error) {
	name := godown.Request{Kind: godown.Zip, Path: p.Path, Version: p.Version.Version}.Name()
	body := io.NewSectionReader(p.file, 0, p.size)
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, t.url.JoinPath(publishPage, name).String(), io.NopCloser(body))
	if err != nil {
		return nil, err
	}
	r.ContentLength = p.size
	r.Header.Set("Authorization", "Bearer "+t.token)
	r.Header.Set("Content-Type", "application/zip")
	r.Header.Set("Expect", "100-continue") // a refusal comes before the zip goes
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = publishAnswer
	transport.DisableKeepAlives = true // there is one request
	client := &http.Client{
		Transport: transport,
		// The token is for this server, and over https.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client.Do(r)
}
