package godowntest

import (
	"cmp"
	"fmt"
	"html"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A GitHost is a piece of the internet in a box: an HTTP proxy on loopback
// behind which every host name is its own, so that the real git and the real go
// command find github.com/acme/tool, git.corp.example/team/mod.git or
// vanity.example/mod there, over TLS and without DNS.
//
//	h := godowntest.NewGitHost(t)
//	repo := h.Repo(t, "", "testdata/repos/simple.txt")  // see [Script]
//	h.Import("vanity.example/mod", "git", "https://github.com/acme/tool", "")
//	cmd.Env = append(cmd.Environ(), h.Env()...)         // for git, go, godown
//	heal := h.Break(`/acme/tool/.* fetch$`, godowntest.Cut(1000))
//	n := h.Count(` ls-refs$`)
//	repo.Run(t, "tag v1.2.0")
//	want := h.Direct(t).Ask(t, "github.com/acme/tool", "latest", "main")
//
// What a URL means is settled in this order: faults, logins, handlers, git
// repositories, ?go-get=1 pages; all else is 404. All methods are safe for
// concurrent use, and what they change counts from the next request on.
type GitHost struct {
	URL  string // http://127.0.0.1:PORT, for HTTPS_PROXY and HTTP_PROXY
	Home string // the HOME of Env, empty at first: for .netrc, .gitconfig

	dir    string // holds repositories and the certificate
	ca     *authority
	git    string // path of the git command
	outer  *http.Server
	port   net.Listener   // of outer
	inner  *http.Server   // behind CONNECT
	tunnel *tunnel        // of inner
	listen sync.WaitGroup // the loops that accept connections
	served sync.WaitGroup // requests

	mu       sync.Mutex // guards what follows
	closed   bool
	repos    map[string]*GitRepo // by name without .git
	imports  []goImport
	handlers map[string]http.Handler
	logins   map[string][]string
	away     map[string]bool
	requests []*GitRequest
	breaks   []*breakage
}

// A goImport is the content of a go-import meta tag.
type goImport struct{ prefix, vcs, repo, subdir string }

// NewGitHost starts a host that ends with the test.
func NewGitHost(tb testing.TB) *GitHost {
	tb.Helper()
	h, err := StartGitHost(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(h.Close)
	return h
}

// StartGitHost starts a host that keeps its files in dir. The caller closes it.
func StartGitHost(dir string) (*GitHost, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	h := &GitHost{
		Home: filepath.Join(dir, "home"), dir: dir, ca: ca,
		repos:    make(map[string]*GitRepo),
		handlers: make(map[string]http.Handler),
		logins:   make(map[string][]string),
		away:     make(map[string]bool),
	}
	if h.git, err = findGit(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(h.Home, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(h.CAFile(), ca.pem, 0o600); err != nil {
		return nil, err
	}
	return h, h.start()
}

// CAFile returns the path of a PEM file with the certificate of the authority
// that all hosts have theirs from.
func (h *GitHost) CAFile() string { return filepath.Join(h.dir, "ca.pem") }

// Env returns settings, as KEY=value, with which git, the go command and godown
// see this internet and no other, and no settings of the user's but those in
// Home. They are to be appended to an environment.
func (h *GitHost) Env() []string {
	return []string{
		"HTTPS_PROXY=" + h.URL, "https_proxy=" + h.URL,
		"HTTP_PROXY=" + h.URL, "http_proxy=" + h.URL,
		"NO_PROXY=", "no_proxy=", "ALL_PROXY=", "all_proxy=",
		"SSL_CERT_FILE=" + h.CAFile(), "GIT_SSL_CAINFO=" + h.CAFile(),
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=",
		"GIT_SSH_COMMAND=false", // ssh would go by DNS
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + filepath.Join(h.Home, ".gitconfig"),
		"HOME=" + h.Home, "USERPROFILE=" + h.Home, "XDG_CONFIG_HOME=",
	}
}

// Handle makes handler answer for a host and path such as
// "evil.example/mod", or for all below if that ends in a slash. The longest wins.
func (h *GitHost) Handle(name string, handler http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handlers[name] = handler
}

// Redirect answers for a host and path, and for all below it, that it has
// moved for good to what target and the rest of the URL say.
func (h *GitHost) Redirect(name, target string) {
	moved := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := target + strings.TrimPrefix(hostOf(r)+r.URL.EscapedPath(), name)
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, to, http.StatusMovedPermanently)
	})
	h.Handle(name, moved)
	h.Handle(name+"/", moved)
}

// Import serves a ?go-get=1 page for prefix and all below it, with these words
// in its meta tag; of several pages the one with the longest prefix. Without
// one, a page for each repository leads to https://NAME.git, as at many forges. The words
// may be nonsense, and several calls for the same prefix give several tags.
func (h *GitHost) Import(prefix, vcs, repo, subdir string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.imports = append(h.imports, goImport{prefix, vcs, repo, subdir})
}

// Login lets pass below a host or path prefix only those with one of these
// values of the Authorization header, see [BasicLogin] and [BearerLogin]; others are
// answered 401. The longest prefix counts; without values it is open to all.
func (h *GitHost) Login(prefix string, authorization ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logins[prefix] = authorization
}

// Unplug makes a host one that the proxy cannot reach, as are all of which
// nothing is known, until the returned function is called: CONNECT is answered 502.
func (h *GitHost) Unplug(host string) (plug func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away[host] = true
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.away, host)
	}
}

// reaches reports whether anything is known of a host.
func (h *GitHost) reaches(host string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away[host] {
		return false
	}
	for name := range h.handlers {
		if within(name, host) {
			return true
		}
	}
	for name := range h.repos {
		if within(name, host) {
			return true
		}
	}
	return slices.ContainsFunc(h.imports, func(i goImport) bool { return within(i.prefix, host) })
}

// within reports whether name is prefix or something below it.
func within(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(prefix, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// hostOf returns the host of a request as it stands in import paths: without
// the port that goes without saying.
func hostOf(r *http.Request) string {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return r.Host
	}
	if port == "443" || port == "80" {
		return host
	}
	return r.Host
}

// answer finds out what answers a request for name, which is a host and path.
func (h *GitHost) answer(name string, r *http.Request) http.Handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	best := ""
	for pattern := range h.handlers {
		match := pattern == name || strings.HasSuffix(pattern, "/") && strings.HasPrefix(name, pattern)
		if match && len(pattern) > len(best) {
			best = pattern
		}
	}
	if best != "" {
		return h.handlers[best]
	}
	if m := gitService.FindStringSubmatch(name); m != nil && !forGo(r) {
		if repo := h.repos[strings.TrimSuffix(m[1], ".git")]; repo != nil {
			return repo.backend(m[1])
		}
		return http.NotFoundHandler()
	}
	return h.page(name)
}

// page returns the ?go-get=1 page for name. The caller holds h.mu.
func (h *GitHost) page(name string) http.Handler {
	var found []goImport
	for _, i := range h.imports {
		if !within(name, i.prefix) || len(found) > 0 && len(i.prefix) < len(found[0].prefix) {
			continue
		}
		if len(found) > 0 && len(i.prefix) > len(found[0].prefix) {
			found = nil
		}
		found = append(found, i)
	}
	if len(found) == 0 {
		best := ""
		for repo := range h.repos {
			if within(name, repo) && len(repo) > len(best) {
				best = repo
			}
		}
		if best != "" {
			found = []goImport{{best, "git", "https://" + best + ".git", ""}}
		}
	}
	if len(found) == 0 {
		return http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!DOCTYPE html>\n<html><head>\n")
		if forGo(r) {
			for _, i := range found {
				content := strings.TrimSpace(strings.Join([]string{i.prefix, i.vcs, i.repo, i.subdir}, " "))
				fmt.Fprintf(w, "<meta name=\"go-import\" content=\"%s\">\n", html.EscapeString(content))
			}
		}
		fmt.Fprintf(w, "</head><body>%s</body></html>\n", html.EscapeString(name))
	})
}

// wanted returns which values of Authorization let pass for name; none if it is open.
func (h *GitHost) wanted(name string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var prefixes []string
	for prefix := range h.logins {
		if within(name, prefix) || within(strings.TrimSuffix(name, ".git"), prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	if len(prefixes) == 0 {
		return nil
	}
	return h.logins[slices.MaxFunc(prefixes, func(a, b string) int { return cmp.Compare(len(a), len(b)) })]
}

// forGo reports whether the go command asks where a module is.
func forGo(r *http.Request) bool { return r.URL.Query().Get("go-get") == "1" }

// gitService takes apart what git's smart HTTP asks for, and what its dumb kind would.
var gitService = regexp.MustCompile(`^(.+)/(info/refs|git-upload-pack|git-receive-pack|HEAD|objects/.+)$`)
