package vcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godown-dev/godown"
)

// A foundRoot is where a module's repository is.
type foundRoot struct {
	prefix string     // of the module's path: what stands for the repository
	vcs    string     // git, hg, svn, bzr, fossil, or mod for a module proxy
	urls   []*url.URL // of the repository; of several the first that answers
	subdir string     // folder of the repository, behind what follows prefix in a module's path, as the go command joins them
	base   string     // folder of the repository that prefix stands for
	until  time.Time  // asked for again then; zero: never
	deeper []placed   // if there is none: where else it may be
}

const (
	rootTTL     = 10 * time.Minute
	pageTimeout = 30 * time.Second
	maxPage     = 1 << 20 // bytes of a page that are read
	maxHops     = 10      // redirects that are followed
)

// find returns where the module is: by a rule, by its path, or by asking its host.
func (o *Origin) find(ctx context.Context, path string) (*foundRoot, error) {
	root, err := o.lookup(ctx, path)
	if err != nil {
		return nil, err
	}
	if root.vcs == "mod" {
		return root, nil
	}
	return root, o.permit(root.vcs, root.prefix)
}

func (o *Origin) lookup(ctx context.Context, path string) (*foundRoot, error) {
	for _, r := range o.Rules {
		if prefix, repo, ok := r.match(path); ok {
			u, err := parseRepoURL(repo)
			if err != nil {
				return nil, &godown.NotFound{Text: fmt.Sprintf("%s: the rule for %s gives a repository whose URL %v", path, r.Match, err)}
			}
			return &foundRoot{prefix: prefix, vcs: "git", urls: []*url.URL{u}, base: r.Subdir}, nil
		}
	}
	for _, r := range o.Rules {
		if r.above(path) {
			return nil, &godown.NotFound{Text: fmt.Sprintf("%s: the rule for %s says that modules lie below it", path, r.Match)}
		}
	}
	places, exact, known := wellKnown(path)
	if known && exact {
		return places[0].root()
	}
	if prefix, repo, system, ok := withSuffix(path); ok {
		return o.schemes(prefix, repo, system, path)
	}
	if places == nil && knownHost(path) {
		return nil, &godown.NotFound{Text: fmt.Sprintf("%s: no repository on %s has such a path", path, hostOf(path))}
	}
	root, err := o.page(ctx, path)
	if err != nil && known && ctx.Err() == nil {
		// The page of a private group tells strangers nothing, or less than there is.
		root, err = places[0].root()
	}
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		if strings.HasPrefix(p.prefix, root.prefix+"/") {
			with := *root
			with.deeper = append(with.deeper, p)
			root = &with
		}
	}
	return root, nil
}

func (p placed) root() (*foundRoot, error) {
	u, err := parseRepoURL(p.url)
	if err != nil {
		return nil, fmt.Errorf("%s: the URL of the repository %w", p.prefix, err)
	}
	return &foundRoot{prefix: p.prefix, vcs: "git", urls: []*url.URL{u}}, nil
}

// knownHost reports whether a path is on a host of the table.
func knownHost(path string) bool {
	for _, h := range hosts() {
		if h.name == hostOf(path) {
			return true
		}
	}
	return false
}

// schemes returns the root of a path that names its system but no scheme: those
// that may be are tried in this order.
func (o *Origin) schemes(prefix, repo, system, path string) (*foundRoot, error) {
	root := &foundRoot{prefix: prefix, vcs: system}
	schemes := []string{"https", "ssh"}
	if o.insecure(path) {
		schemes = []string{"https", "http", "ssh"}
	}
	for _, s := range schemes {
		u, err := parseRepoURL(s + "://" + repo)
		if err != nil {
			return nil, &godown.NotFound{Text: fmt.Sprintf("%s: the URL of the repository %v", path, err)}
		}
		root.urls = append(root.urls, u)
	}
	return root, nil
}

// page asks the module's host, and remembers for a while what it said.
func (o *Origin) page(ctx context.Context, path string) (*foundRoot, error) {
	o.mu.Lock()
	root, ok := o.roots[path]
	o.mu.Unlock()
	if ok && time.Now().Before(root.until) {
		return root, nil
	}
	return o.client.pages.do(ctx, o.closing, &o.working, path, func(ctx context.Context) (*foundRoot, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, pageTimeout, errPageTimeout)
		defer cancel()
		root, err := o.askPage(ctx, path)
		if err != nil {
			return nil, err
		}
		root.until = time.Now().Add(rootTTL)
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.roots) >= maxRemembered {
			clear(o.roots)
		}
		o.roots[path] = root
		return root, nil
	})
}

var errPageTimeout = fmt.Errorf("its page did not come in %v: %w", pageTimeout, context.DeadlineExceeded)

// askPage reads the page of the module. A tag for a shorter path is believed
// only if that path's page has the same: else anyone with a page below a host
// could say where the rest of the host is.
func (o *Origin) askPage(ctx context.Context, path string) (*foundRoot, error) {
	list, from, err := o.fetchPage(ctx, path, path)
	if err != nil {
		return nil, err
	}
	m, err := matchMeta(list, path)
	if errors.Is(err, errNoMeta) {
		return nil, &godown.NotFound{Text: fmt.Sprintf("%s: no go-import meta tag for it at %s", path, from)}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	if m.prefix != path {
		again, other, err := o.fetchPage(ctx, m.prefix, path)
		if err != nil {
			return nil, err
		}
		if same, err := matchMeta(again, path); err != nil || same != m {
			return nil, fmt.Errorf("%s and %s disagree about where %s is", from, other, m.prefix)
		}
	}
	if err := checkSubdir(m.subdir); err != nil {
		return nil, fmt.Errorf("%s: the go-import meta tag: %w", from, err)
	}
	switch m.vcs {
	case "git", "hg", "svn", "bzr", "fossil", "mod":
	default:
		return nil, fmt.Errorf("%s: the go-import meta tag names the unknown system %.20q", from, m.vcs)
	}
	u, err := parseRepoURL(m.repo)
	if err != nil {
		return nil, fmt.Errorf("%s: the repository in the go-import meta tag %w", from, err)
	}
	if u.Scheme == "http" && !o.insecure(path) {
		return nil, fmt.Errorf("%s: the repository in the go-import meta tag has an http:// URL; that is allowed for modules that --insecure names", from)
	}
	return &foundRoot{prefix: m.prefix, vcs: m.vcs, urls: []*url.URL{u}, subdir: m.subdir}, nil
}

// fetchPage reads the tags of the page of a path, on behalf of a module; it
// returns where the page was in the end, too.
func (o *Origin) fetchPage(ctx context.Context, path, modulePath string) ([]metaImport, string, error) {
	list, from, err := o.fetchPageBy(ctx, "https", path, modulePath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && o.insecure(modulePath) && ctx.Err() == nil {
		if l, f, err := o.fetchPageBy(ctx, "http", path, modulePath); err == nil {
			return l, f, nil
		}
	}
	return list, from, err
}

func (o *Origin) fetchPageBy(ctx context.Context, scheme, path, modulePath string) ([]metaImport, string, error) {
	u := &url.URL{Scheme: scheme, Host: hostOf(path), RawQuery: "go-get=1"}
	if _, rest, ok := strings.Cut(path, "/"); ok {
		u.Path = "/" + rest
	}
	insecure := o.insecure(modulePath)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, "", err
	}
	var shown godown.Login
	authorize := func(r *http.Request) error {
		l, err := o.login(ctx, modulePath, r.URL)
		shown = l
		setLogin(r, l)
		return err
	}
	if err := authorize(req); err != nil {
		return nil, "", err
	}
	client := &http.Client{
		Transport: o.client.of(o.free(modulePath), insecure),
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case len(via) >= maxHops:
				return fmt.Errorf("more than %d redirects", maxHops)
			case r.URL.Scheme != "https" && !(insecure && r.URL.Scheme == "http"):
				return fmt.Errorf("redirected to a %.10s:// URL", r.URL.Scheme)
			}
			return authorize(r)
		},
	}
	resp, err := client.Do(req)
	if err != nil {
		if denied, ok := errors.AsType[*godown.Denied](err); ok {
			return nil, "", denied
		}
		return nil, "", fmt.Errorf("asking for the page of %s: %w", path, maskURL(err))
	}
	defer resp.Body.Close()
	from := resp.Request.URL.Redacted()
	list, err := parseMeta(io.LimitReader(resp.Body, maxPage))
	if len(list) > 0 {
		return list, from, nil
	}
	if err := o.pageStatus(ctx, resp, modulePath, shown, from); err != nil {
		return nil, from, err
	}
	if err != nil {
		return nil, from, fmt.Errorf("reading %s: %w", from, err)
	}
	return nil, from, nil
}

// pageStatus makes an error of a status that says that the page is none.
func (o *Origin) pageStatus(ctx context.Context, resp *http.Response, modulePath string, shown godown.Login, from string) error {
	switch code := resp.StatusCode; code {
	case http.StatusOK:
		return nil
	case http.StatusNotFound, http.StatusGone:
		return &godown.NotFound{Text: "reading " + from + ": " + resp.Status, Gone: code == http.StatusGone}
	case http.StatusUnauthorized, http.StatusForbidden:
		return o.refusedBy(ctx, resp.Request.URL, shown, o.withheld(modulePath, resp.Request.URL), code, "reading "+from+": "+resp.Status)
	default:
		return &godown.BadStatus{Who: resp.Request.URL.Host, Code: code, Text: "reading " + from + ": " + resp.Status}
	}
}

// refusedBy makes an error of a host that does not let us in, with what may be
// done about it, and sees to it that a secret that is of no use is read anew.
func (o *Origin) refusedBy(ctx context.Context, u *url.URL, shown godown.Login, withheld bool, status int, text string) error {
	if o.Refused != nil && !withheld {
		o.Refused(ctx, u, shown)
	}
	if withheld {
		text += "\nno credential was shown, as the module is not private and its path does not begin with this host's name: name it in --private"
	} else if o.Advice != nil {
		text += "\n" + o.Advice(u, shown, status)
	} else {
		text += "\n" + adviceLogin
	}
	return &godown.BadStatus{Who: u.Host, Code: status, Text: text}
}

// setLogin puts a login in the place of what a request carries.
func setLogin(r *http.Request, l godown.Login) {
	r.Header.Del("Authorization")
	for name := range r.Header {
		if name != "Referer" && name != "User-Agent" {
			r.Header.Del(name) // of a login for another host
		}
	}
	if l.User != "" || l.Password != "" {
		r.SetBasicAuth(l.User, l.Password)
	}
	for name, values := range l.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
}

// maskURL hides passwords in the URLs of an error of package http.
func maskURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("%s: %w", redact(e.URL), e.Err)
	}
	return err
}
