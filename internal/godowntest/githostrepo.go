package godowntest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A GitRepo is a bare repository that a [GitHost] serves over git's smart HTTP,
// with and without .git at the end of its name. Its configuration allows
// partial clones (uploadpack.allowFilter) and any commit to be asked for
// (uploadpack.allowAnySHA1InWant) unless a "git config" of its script says otherwise.
// It is served while it changes; only one goroutine may change it.
type GitRepo struct {
	Name    string     // as in an import path, such as github.com/acme/tool
	Dir     string     // the bare repository
	Modules []GitQuery // what its script says is worth asking

	host  *GitHost
	state scriptState
	old   atomic.Bool // protocol v2 is off
}

// A GitQuery names versions and queries of a module, such as v1.0.0, latest or main.
type GitQuery struct {
	Path    string
	Queries []string
}

// Repo builds the repository of a [Script] file and serves it under a name; if
// that is empty, under the script's own. What the script says of imports is
// served, too. A repository of the same name vanishes.
func (h *GitHost) Repo(tb testing.TB, name, file string) *GitRepo {
	tb.Helper()
	s, err := ReadScript(file)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := h.AddRepo(tb.Context(), name, s)
	if err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	return r
}

// RepoText is [GitHost.Repo] for a script in a test's own text.
func (h *GitHost) RepoText(tb testing.TB, name, script string) *GitRepo {
	tb.Helper()
	s, err := ParseScript(script)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := h.AddRepo(tb.Context(), name, s)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// AddRepo is [GitHost.Repo] for programs.
func (h *GitHost) AddRepo(ctx context.Context, name string, s *Script) (*GitRepo, error) {
	if name == "" {
		name = s.Repo
	}
	name = strings.TrimSuffix(name, ".git")
	if !strings.Contains(name, "/") {
		return nil, fmt.Errorf("%q is no name of a repository: it wants HOST/PATH, from the caller or in a \"# repo:\" line", name)
	}
	if err := os.MkdirAll(filepath.Join(h.dir, "repos"), 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Join(h.dir, "repos"), "*.git")
	if err != nil {
		return nil, err
	}
	r := &GitRepo{Name: name, Dir: dir, host: h, state: newState(s)}
	if err := r.init(ctx, s.Init); err != nil {
		return nil, err
	}
	if _, err := r.next(ctx); err != nil {
		return nil, err
	}
	for _, q := range s.Modules {
		filled := GitQuery{Path: q.Path}
		for _, query := range q.Queries {
			if query, err = r.fill(ctx, query); err != nil {
				return nil, err
			}
			filled.Queries = append(filled.Queries, query)
		}
		r.Modules = append(r.Modules, filled)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.repos[name] = r
	for _, i := range s.imports {
		h.imports = append(slices.DeleteFunc(h.imports, func(x goImport) bool { return x == i }), i)
	}
	return r, nil
}

// Run runs further lines of the script language, with files behind them if need be.
func (r *GitRepo) Run(tb testing.TB, script string) {
	tb.Helper()
	s, err := ParseScript(script)
	if err == nil {
		r.state.extend(s)
		_, err = r.next(tb.Context())
	}
	if err != nil {
		tb.Fatalf("%s: %v", r.Name, err)
	}
}

// Next runs the script from one "later" to the next, and reports whether there
// was anything to run.
func (r *GitRepo) Next(tb testing.TB) bool {
	tb.Helper()
	more, err := r.next(tb.Context())
	if err != nil {
		tb.Fatalf("%s: %v", r.Name, err)
	}
	return more
}

// Rev returns the hash of a revision.
func (r *GitRepo) Rev(tb testing.TB, rev string) string {
	tb.Helper()
	return r.Git(tb, "rev-parse", "--verify", "--end-of-options", rev)
}

// Git runs git in the repository and returns what it prints.
func (r *GitRepo) Git(tb testing.TB, args ...string) string {
	tb.Helper()
	out, err := r.run(tb.Context(), nil, args...)
	if err != nil {
		tb.Fatalf("%s: %v", r.Name, err)
	}
	return out
}

// Remove makes the host forget the repository, as if its owner had deleted it.
func (r *GitRepo) Remove() {
	r.host.mu.Lock()
	defer r.host.mu.Unlock()
	if r.host.repos[r.Name] == r {
		delete(r.host.repos, r.Name)
	}
}

// OldProtocol makes the repository one of a server that does not know git's
// protocol version 2: its first answer lists all references.
func (r *GitRepo) OldProtocol(on bool) { r.old.Store(on) }

// init makes the repository.
func (r *GitRepo) init(ctx context.Context, args []string) error {
	if _, err := r.run(ctx, nil, append([]string{"init", "-q", "--bare", "-b", "main", "--template="}, args...)...); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(r.Dir, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n[gc]\n\tauto = 0\n[fastimport]\n\tunpackLimit = 1\n")
	return errors.Join(err, f.Close())
}

// environ returns the settings for git in the repository: nobody's but its own.
// It is called while a script runs, too.
func (r *GitRepo) environ() []string {
	return []string{"HOME=" + r.host.dir, "XDG_CONFIG_HOME=", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + filepath.Join(r.host.dir, "none"), "LC_ALL=C"}
}

// run runs git in the repository.
func (r *GitRepo) run(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, r.host.git, args...)
	cmd.Dir, cmd.Stdin = r.Dir, stdin
	cmd.Env = append(slices.DeleteFunc(cmd.Environ(), func(e string) bool { return strings.HasPrefix(e, "GIT_") }), r.environ()...)
	date := r.state.date()
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		cmd.Env = append(cmd.Env, "GIT_"+who+"_NAME="+personName, "GIT_"+who+"_EMAIL="+personMail, "GIT_"+who+"_DATE="+date)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

// fill replaces {REV} in a query by the hash of REV, {REV:12} by its first 12
// digits, and {REV:time} by its commit's time as in a pseudo-version.
func (r *GitRepo) fill(ctx context.Context, query string) (string, error) {
	for {
		before, rest, ok := strings.Cut(query, "{")
		inside, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			return query, nil
		}
		rev, form, _ := strings.Cut(inside, ":")
		value, err := r.run(ctx, nil, "rev-parse", "--verify", "--end-of-options", rev+"^{commit}")
		if err != nil {
			return "", err
		}
		switch n, err := strconv.Atoi(form); {
		case form == "time":
			text, err := r.run(ctx, nil, "show", "-s", "--format=%ct", value)
			if err != nil {
				return "", err
			}
			seconds, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return "", err
			}
			value = time.Unix(seconds, 0).UTC().Format("20060102150405")
		case form != "":
			if err != nil || n <= 0 || n > len(value) {
				return "", fmt.Errorf("{%s}: wants a number of digits or \"time\" behind the colon", inside)
			}
			value = value[:n]
		}
		query = before + value + after
	}
}

// backend serves the repository at a host and path.
func (r *GitRepo) backend(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, root, _ := strings.Cut(name, "/")
		env := append(r.environ(), "GIT_PROJECT_ROOT="+r.Dir, "GIT_HTTP_EXPORT_ALL=1")
		req = req.Clone(req.Context())
		if r.old.Load() {
			req.Header.Del("Git-Protocol")
		} else if p := req.Header.Get("Git-Protocol"); p != "" {
			env = append(env, "GIT_PROTOCOL="+p) // older gits do not look at the header themselves
		}
		backend := &cgi.Handler{
			Path: r.host.git, Args: []string{"http-backend"}, Dir: r.Dir, Root: "/" + root, Env: env,
			Stderr: io.Discard, // no file: so it waits for git's own children, too
			Logger: log.New(io.Discard, "", 0),
		}
		backend.ServeHTTP(w, req)
	})
}

func findGit() (string, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return "", fmt.Errorf("a git host needs git: %w", err)
	}
	return filepath.Abs(path)
}
