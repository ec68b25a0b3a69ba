package vcs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

// An Origin is a [godown.Source] that answers from the repository in which a
// module is developed. It speaks with git itself: one set of bare repositories
// for each remote, into which only what is new is fetched, and zips made of
// their objects with the same bytes as the go command's (see zip.go). What is
// kept in other systems is left to the Other source.
//
// A request flows so: module path → root (find.go) → remote (remote.go) → refs
// and commits → the go command's rules of versions (resolve.go) → answer.
//
// An error is an [fs.ErrNotExist] only if the origin was asked and said so; one
// that cannot be reached, or wants credentials, never is.
//
// Fields must not be changed after the first Fetch.
type Origin struct {
	Dir  string   // for repositories and scratch; made if missing; may be shared by processes
	Env  []string // the environment to start from, such as os.Environ(); see gitEnviron for what is kept
	User bool     // acts for the user whose environment Env is: with its git configuration, agents and helpers

	GitConfig string // file with the git configuration to use; not if User
	GoVCS     string // GOVCS: which systems may be used for which modules
	Private   string // patterns of the modules that are private, as in GOPRIVATE
	Insecure  string // patterns of the modules for which http:// and unknown certificates will do, as in GOINSECURE
	Rules     []Rule // where modules are, before anything else is looked at
	Guard     *Guard // which addresses git may reach; nil: all
	// Transport makes what pages are asked for with; free is true for modules
	// that are private. nil: the Guard's, or one that follows this process's environment.
	Transport func(free bool) *http.Transport

	Login   func(ctx context.Context, u *url.URL) (godown.Login, error)             // what to show to a host; nil: nothing
	Refused func(ctx context.Context, u *url.URL, l godown.Login)                   // it was of no use; may be nil
	Advice  func(u *url.URL, l godown.Login, status int) string                     // what to tell people then; may be nil
	Other   godown.Source                                                           // for systems other than git; nil: there are none
	Proxy   func(u *url.URL, t http.RoundTripper, login godown.Login) godown.Source // a module proxy that a page names as a module's place; nil: not followed

	TTL      time.Duration // for how long what a remote said of its branches and tags is fresh; 0: 1 min
	Timeout  time.Duration // of one git command; 0: 10 min
	Jobs     int           // how many git commands may speak with remotes at once; 0: 8
	MaxFetch int64         // bytes that one git command may receive; 0: 2 GiB
	MaxSize  int64         // bytes of all repositories; 0: 10 GiB

	Moved func(Drift) // called when a tag that was served has moved; may be nil; must not block

	once     sync.Once
	broken   error // why nothing works
	git      gitTool
	slots    chan struct{} // one element for each git command that speaks with a remote
	ownSlots chan struct{} // the same for private modules
	zips     chan struct{} // one element for each zip that is being made
	client   *clients
	blobs    *blobCache
	closing  context.Context // of all work that callers share
	close    context.CancelFunc
	working  sync.WaitGroup // shared work

	mu      sync.Mutex               // guards the fields below
	remotes map[remoteKey]*remote    // those in use, and some that were
	roots   map[string]*foundRoot    // by module path: what find returned
	known   map[string]knownModule   // by module path: where it was found last
	hosts   map[string]chan struct{} // by host: one element for each git command that speaks with it
	sizes   map[string]int64         // by folder of a remote: the bytes in it
}

// A Drift is a tag that names another commit than it did when a version was
// made of it. The version stays what it was.
type Drift struct {
	Module, Version string
	URL, Tag        string
	Old, New        string // commits; New is empty if the tag is gone
}

// A knownModule is a module that was asked for in this process's life.
type knownModule struct {
	url string // of its repository
	dir string // within it, for the tags
}

var _ godown.Source = (*Origin)(nil)

const (
	defaultTTL      = time.Minute
	defaultGitJobs  = 8
	defaultMaxFetch = 2 << 30
	defaultMaxSize  = 10 << 30
	maxRemembered   = 10000 // module paths of which is known where they are
)

func (o *Origin) init() {
	setDefault(&o.TTL, defaultTTL)
	setDefault(&o.Timeout, defaultTimeout)
	setDefault(&o.Jobs, defaultGitJobs)
	setDefault(&o.MaxFetch, defaultMaxFetch)
	setDefault(&o.MaxSize, defaultMaxSize)
	o.slots = make(chan struct{}, o.Jobs)
	o.ownSlots = make(chan struct{}, o.Jobs)
	o.zips = make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	o.remotes = make(map[remoteKey]*remote)
	o.roots = make(map[string]*foundRoot)
	o.known = make(map[string]knownModule)
	o.sizes = make(map[string]int64)
	o.hosts = make(map[string]chan struct{})
	o.blobs = newBlobCache(maxBlobCache)
	o.client = newClients(o)
	o.closing, o.close = context.WithCancel(context.Background())
	o.git, o.broken = findGit(o.Env)
	if o.broken == nil {
		o.broken = o.prepare()
	}
}

func setDefault[T ~int | ~int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Close ends all work that is shared by callers.
func (o *Origin) Close() {
	o.once.Do(o.init)
	o.close()
	o.working.Wait()
	o.client.close()
}

// Fetch asks the origin.
func (o *Origin) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	o.once.Do(o.init)
	if err := check(req); err != nil {
		return nil, err
	}
	f, err := o.fetch(ctx, req)
	if errors.Is(err, errChanged) && ctx.Err() == nil {
		f, err = o.fetch(ctx, req)
	}
	if err != nil {
		if t, ok := errors.AsType[*told](err); ok {
			return nil, t.err
		}
		if isAbsent(err) {
			return nil, err
		}
		if errors.Is(err, fs.ErrNotExist) {
			// A file of ours is missing, and not the module.
			return nil, fmt.Errorf("direct: %v: %v", req, err)
		}
		if _, ok := errors.AsType[*godown.Denied](err); ok {
			return nil, err
		}
		return nil, fmt.Errorf("direct: %v: %w", req, err)
	}
	if f.Origin == "" {
		f.Origin = "direct"
	}
	return f, nil
}

func (o *Origin) fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	if req.Path == "golang.org/toolchain" {
		return o.other(ctx, req, "toolchains")
	}
	root, err := o.find(ctx, req.Path)
	if err != nil {
		return nil, err
	}
	switch root.vcs {
	case "git":
	case "mod":
		return o.fromProxy(ctx, req, root)
	default:
		return o.other(ctx, req, root.vcs)
	}
	if o.broken != nil {
		return nil, o.broken
	}
	m, err := o.module(ctx, req.Path, root)
	if err != nil {
		return nil, err
	}
	o.remember(req.Path, m)
	defer m.remote.enter()()
	switch req.Kind {
	case godown.List:
		return m.list(ctx)
	case godown.Latest:
		return m.info(ctx, "latest")
	case godown.Info:
		return m.info(ctx, req.Version)
	case godown.Mod:
		return m.mod(ctx, req.Version)
	}
	return m.zip(ctx, req.Version)
}

// other leaves a request to the source for other systems than git.
func (o *Origin) other(ctx context.Context, req godown.Request, system string) (*godown.File, error) {
	if o.Other == nil {
		return nil, fmt.Errorf("%s cannot be fetched here, only what is kept in git", system)
	}
	f, err := o.Other.Fetch(ctx, req)
	if err != nil {
		return nil, &told{err}
	}
	return f, nil
}

// told is an error that says by itself what it is about.
type told struct{ err error }

func (e *told) Error() string { return e.err.Error() }
func (e *told) Unwrap() error { return e.err }

// fromProxy asks the module proxy that a page names as the module's place.
func (o *Origin) fromProxy(ctx context.Context, req godown.Request, root *foundRoot) (*godown.File, error) {
	u := root.urls[0]
	if o.Proxy == nil {
		return nil, fmt.Errorf("its page says that it is served by the module proxy %s, which is not asked from here", u.Redacted())
	}
	login, err := o.login(ctx, req.Path, u)
	if err != nil {
		return nil, err
	}
	f, err := o.Proxy(u, o.client.of(o.free(req.Path), o.insecure(req.Path)), login).Fetch(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("module proxy %s, which its page names: %w", u.Redacted(), err)
	}
	return f, nil
}

// private reports whether a module is one that its operator has named private.
func (o *Origin) private(path string) bool { return module.MatchPrefixPatterns(o.Private, path) }

// insecure reports whether http:// and unknown certificates will do for a module.
func (o *Origin) insecure(path string) bool { return module.MatchPrefixPatterns(o.Insecure, path) }

// free reports whether any address may be reached for a module.
func (o *Origin) free(path string) bool { return o.Guard == nil || o.private(path) }

// login returns what is shown to the host of u for a module. A stranger's page
// may name any repository as the place of the stranger's module: it must not
// get what our credentials open. So they are used for private modules, and where
// the module's path begins with the host's name.
func (o *Origin) login(ctx context.Context, path string, u *url.URL) (godown.Login, error) {
	if o.Login == nil || u.Scheme != "https" && u.Scheme != "ssh" {
		return godown.Login{}, nil
	}
	if o.withheld(path, u) {
		return godown.Login{}, nil
	}
	return o.Login(ctx, u)
}

// withheld reports whether no login is shown to the host of u for a module. The
// path of a private module in another spelling, with .git or in other letters, is
// no private path, but would lead to the same repository.
func (o *Origin) withheld(modulePath string, u *url.URL) bool {
	if o.private(modulePath) {
		return false
	}
	if hostOf(modulePath) != u.Hostname() {
		return true
	}
	plain := strings.ToLower(strings.ReplaceAll(modulePath+"/", ".git/", "/"))
	repo := strings.ToLower(u.Hostname()) + strings.TrimSuffix(strings.ToLower(path.Clean("/"+u.Path)), ".git")
	private := strings.ToLower(o.Private)
	return module.MatchPrefixPatterns(private, strings.TrimSuffix(plain, "/")) || module.MatchPrefixPatterns(private, repo)
}

// remember notes where a module is, for Pushed.
func (o *Origin) remember(path string, m *mod) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.known) >= maxRemembered {
		clear(o.known)
	}
	o.known[path] = knownModule{url: m.remote.url, dir: m.dir}
}
