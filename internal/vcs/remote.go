package vcs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// A remoteKey tells remotes apart. What was fetched with a login is never shown
// to those who do not have it, so that they are kept apart on the disk, too.
type remoteKey struct {
	url      string
	login    bool // the login that is configured for it is used
	private  bool // the module is private
	free     bool // any address may be reached
	insecure bool // http:// and any certificate will do
}

// A remote is a repository elsewhere, and what is kept of it here:
//
//	repos/KEY/lock       held (where files can be locked) while a process changes something
//	repos/KEY/used       locked together by all who use it now
//	repos/KEY/url        for people
//	repos/KEY/filter     whether the remote can leave objects out: yes or no
//	repos/KEY/contents   whole trees, without history, of the commits that were wanted
//	repos/KEY/tips-N     of all version tags the trees' first N levels, without files
//	repos/KEY/history    all commits of branches and tags, without trees
//	repos/KEY/full       everything, where a remote gives no less
//	served/KEY           which commits versions were made of
//
// Git tells what it has by commits. So repositories that lack other things of
// the same commits cannot be one: it would take them for whole.
type remote struct {
	o       *Origin
	key     remoteKey
	url     string // without password
	address *url.URL
	dir     string
	served  *servedTags

	refsRun  shared[bool, *refList]   // asks for references; the key is true where a kept answer is not good enough
	repoRuns shared[string, struct{}] // changes a repository, by its name
	contents contentsFetcher
	writing  chan struct{} // held while a command changes one of the repositories
	reading  sync.RWMutex  // held while one of them is read in; never while waiting for a remote

	mu         sync.Mutex // guards the fields below
	list       *refList
	is256      bool                 // its objects have names by SHA-256
	drops      map[string]int       // by repository: how often it was dropped
	filter     string               // "", "yes" or "no"
	seen       map[string]*snapshot // by commit: what is known of its files
	hints      map[string]hint      // by commit: versions that will probably be wanted whole
	oddHistory bool                 // without trees its commits cannot be had
	users      int                  // requests that are under way
	used       time.Time
}

// A hint is a version whose .info was asked for.
type hint struct {
	ref  string
	when time.Time
}

const (
	maxRemotes = 1000
	maxSeen    = 1000 // commits a remote remembers the files of
	maxHints   = 64
	hintTTL    = 2 * time.Minute
)

// remote returns the remote at u, for a module.
func (o *Origin) remote(path string, u *url.URL) *remote {
	key := remoteKey{url: u.String(), private: o.private(path), free: o.free(path), insecure: o.insecure(path)}
	key.login = !o.withheld(path, u)
	o.mu.Lock()
	defer o.mu.Unlock()
	if r, ok := o.remotes[key]; ok {
		return r
	}
	name := key.url
	if !key.login {
		name += " without login"
	}
	if len(o.remotes) >= maxRemotes {
		o.forgetRemotes()
	}
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:16])
	r := &remote{
		o: o, key: key, url: key.url, address: u, dir: filepath.Join(o.Dir, "repos", id),
		served:  &servedTags{file: filepath.Join(o.Dir, "served", id)},
		writing: make(chan struct{}, 1),
		seen:    make(map[string]*snapshot), hints: make(map[string]hint),
	}
	o.remotes[key] = r
	return r
}

// forgetRemotes forgets the remotes that nobody uses; o.mu is held. What is
// kept of them on the disk stays.
func (o *Origin) forgetRemotes() {
	for key, r := range o.remotes {
		r.mu.Lock()
		idle := r.users == 0
		r.mu.Unlock()
		if idle {
			delete(o.remotes, key)
		}
	}
}

// enter notes that a request uses the remote; it is not cleared away before leave.
func (r *remote) enter() (leave func()) {
	r.mu.Lock()
	r.users++
	touch := time.Since(r.used) > time.Minute
	r.used = time.Now()
	r.mu.Unlock()
	if touch {
		now := time.Now()
		_ = os.Chtimes(r.dir, now, now) // missing, where nothing was fetched yet
	}
	mark := r.markUsed()
	return func() {
		if mark != nil {
			mark.Close()
		}
		r.mu.Lock()
		r.users--
		r.mu.Unlock()
	}
}

// markUsed shows other processes that the remote is in use until the file is
// closed; nil where that cannot be.
func (r *remote) markUsed() *os.File {
	if os.MkdirAll(r.dir, 0o700) != nil {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(r.dir, usedMark), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil
	}
	share(f)
	return f
}

// usedMark is the file by which a remote is marked.
const usedMark = "used"

// write calls f while nobody else changes the repositories of the remote, in
// this process or, where files can be locked, in another.
func (r *remote) write(ctx context.Context, f func() error) error {
	select {
	case r.writing <- struct{}{}:
		defer func() { <-r.writing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	unlock, err := lockFile(ctx, filepath.Join(r.dir, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	return f()
}

// lockFile waits until nobody else holds the file.
func lockFile(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !tryLock(f) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		}
	}
	return func() { f.Close() }, nil
}

// repo returns the folder of one of the remote's repositories, made if it is
// missing. It is called within write.
func (r *remote) repo(name string, partial string) (string, error) {
	dir := filepath.Join(r.dir, name)
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
		return dir, sweepPacks(dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	_ = os.WriteFile(filepath.Join(r.dir, "url"), []byte(r.address.Redacted()+"\n"), 0o600)
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	for _, sub := range []string{"objects/pack", "objects/info", "refs/heads", "refs/tags", "info"} {
		if err := os.MkdirAll(filepath.Join(tmp, filepath.FromSlash(sub)), 0o700); err != nil {
			return "", err
		}
	}
	format := "\tbare = true\n"
	extensions := ""
	if r.sha256() {
		extensions += "\tobjectFormat = sha256\n"
	}
	remote := "[remote \"origin\"]\n\turl = " + quoteConfig(r.remoteURL()) + "\n"
	if partial != "" {
		extensions += "\tpartialClone = origin\n"
		remote += "\tpromisor = true\n\tpartialclonefilter = " + partial + "\n"
	}
	version := "0"
	if extensions != "" {
		version, extensions = "1", "[extensions]\n"+extensions
	}
	files := map[string]string{
		"config": "[core]\n\trepositoryformatversion = " + version + "\n" + format + extensions + remote,
		// As the go command has it: the bytes of a module must not depend on
		// the name of a commit's branch, nor on what a maintainer leaves out of releases.
		"info/attributes": "* -export-subst -export-ignore\n",
		"HEAD":            "ref: refs/heads/none\n",
	}
	for _, file := range []string{"config", "info/attributes", "HEAD"} {
		if err := os.WriteFile(filepath.Join(tmp, filepath.FromSlash(file)), []byte(files[file]), 0o600); err != nil {
			return "", err
		}
	}
	return dir, os.Rename(tmp, dir)
}

// remoteURL returns the URL that git is given: it never holds a password.
func (r *remote) remoteURL() string {
	u := *r.address
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	return u.String()
}

// sweepPacks removes what a killed git has left behind.
func sweepPacks(dir string) error {
	for _, pattern := range []string{"objects/pack/tmp_*", "objects/pack/.tmp-*", "*.lock", "refs/godown/c/*.lock"} {
		left, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil {
			return err
		}
		for _, file := range left {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// drop removes a repository that git cannot use, so that it is made anew, when
// nobody reads in it. made is what generation returned before it was found
// unusable: one that was made anew since then is not dropped.
func (r *remote) drop(ctx context.Context, name string, made int) error {
	if name == "" || name == "." {
		return errors.New("no repository was named")
	}
	return r.write(ctx, func() error {
		r.reading.Lock()
		defer r.reading.Unlock()
		if r.generation(name) != made {
			return nil
		}
		err := os.RemoveAll(filepath.Join(r.dir, name))
		r.contents.forget() // before the generation counts: see where
		r.mu.Lock()
		if r.drops == nil {
			r.drops = make(map[string]int)
		}
		r.drops[name]++
		clear(r.seen)
		r.mu.Unlock()
		return err
	})
}

// generation tells how often a repository was dropped.
func (r *remote) generation(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drops[name]
}

// sha256 reports whether the remote names objects by SHA-256.
func (r *remote) sha256() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.is256
}

// module returns the module that the path names at root.
func (o *Origin) module(ctx context.Context, path string, root *foundRoot) (*mod, error) {
	r, err := o.reach(ctx, path, root)
	for _, p := range root.deeper {
		if err == nil || ctx.Err() != nil {
			break
		}
		// Only one that is there can be it.
		next, rootErr := p.root()
		if rootErr != nil {
			break
		}
		if found, nextErr := o.reach(ctx, path, next); nextErr == nil {
			r, root, err = found, next, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return newMod(r, path, root)
}

// reach returns the first remote of a root's URLs that answers; the error is
// that of the first.
func (o *Origin) reach(ctx context.Context, path string, root *foundRoot) (*remote, error) {
	first := o.remote(path, root.urls[0])
	if len(root.urls) == 1 && len(root.deeper) == 0 {
		return first, nil
	}
	var firstErr error
	for _, u := range root.urls {
		r := o.remote(path, u)
		_, err := r.refs(ctx, max(o.TTL, rootTTL))
		if err == nil {
			return r, nil
		}
		if firstErr == nil || isAbsent(firstErr) && !isAbsent(err) && u.Scheme != "ssh" {
			firstErr = err
		}
		if _, denied := errors.AsType[*godown.Denied](err); denied || ctx.Err() != nil {
			break
		}
	}
	return nil, firstErr
}

// isAbsent reports whether err says that the origin was asked and has no such
// thing. A file of ours that is missing is something else.
func isAbsent(err error) bool {
	_, ok := errors.AsType[*godown.NotFound](err)
	return ok
}
