package doctor

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
)

// A database is the checksum database, and how it is reached.
type database struct {
	spec  godown.SumDBSpec
	known bool     // base has been decided
	base  *url.URL // of its files
	login *url.Userinfo
}

// openDatabase decides whether the checksum database is asked about the module.
// The name of one that is private is never told to it, whatever the settings let leak.
func (w *walk) openDatabase() {
	setting := w.facts.setting("GOSUMDB")
	if setting == "" || setting == "off" || w.report.Private ||
		module.MatchPrefixPatterns(w.facts.setting("GONOSUMDB"), w.report.Module) ||
		module.MatchPrefixPatterns(w.facts.setting("GOPRIVATE"), w.report.Module) {
		return
	}
	spec, err := godown.ParseSumDB(setting)
	if err != nil {
		return // for the checks of settings to tell
	}
	w.sums = &database{spec: spec, base: spec.URL, known: spec.URL != nil}
}

// choose finds the way to the database as the go command would: through the
// first of the mirrors that passes it on, else directly.
func (w *walk) choose(ctx context.Context) {
	for _, e := range w.rest {
		if w.sums.known || e.URL == nil || e.URL.Scheme == "file" {
			continue
		}
		c := w.prober.Client(false)
		defer c.Close()
		answer := c.Get(ctx, probe.Ask{URL: joinURL(e.URL, "sumdb/"+w.sums.spec.Name+"/supported")})
		if answer.Failure == nil {
			w.sums.known, w.sums.base = true, joinURL(e.URL, "sumdb/"+w.sums.spec.Name)
		} else if !absent(answer) && !e.Any {
			return // the go command would end here; the entry's own link tells why
		}
	}
	if !w.sums.known {
		w.sums.known, w.sums.base = true, &url.URL{Scheme: "https", Host: w.sums.spec.Name}
		if host, path, ok := strings.Cut(w.sums.spec.Name, "/"); ok {
			w.sums.base.Host, w.sums.base.Path = host, "/"+path
		}
	}
}

// verify compares what came with the checksum database.
func (w *walk) verify(ctx context.Context, v *visit, files *moduleFiles) {
	if w.sums == nil {
		v.step(Step{Name: "verify", State: StepNot, Detail: text("the checksum database is not asked for it", "不向校验和数据库查询它")})
		return
	}
	w.choose(ctx)
	if !w.sums.known {
		v.step(Step{Name: "verify", State: StepNot, Detail: text("there is no way to the checksum database", "没有通向校验和数据库的途径")})
		return
	}
	w.report.SumDB = showURL(w.sums.base)
	start := time.Now()
	ops := w.newSumClient(ctx)
	defer ops.client.Close()
	asked := sumdb.NewClient(ops)
	lines, err := asked.Lookup(w.report.Module, w.report.Version)
	if err == nil {
		var more []string // of the same record
		more, err = asked.Lookup(w.report.Module, w.report.Version+"/go.mod")
		lines = append(lines, more...)
	}
	step := Step{Name: "verify", Took: time.Since(start)}
	if err != nil {
		v.fatal = true
		failure := ops.failed()
		switch {
		case errors.Is(err, sumdb.ErrSecurity):
			step.Detail = text("the database contradicts itself", "校验和数据库前后矛盾")
		case failure != nil:
			step.Detail = failure.Text()
		default:
			step.Detail = text("what it answers cannot be proven", "它的回答无法通过验证")
		}
		v.fail(step)
		w.found(v, w.facts.sumdbTrouble(w.report, w.sums, errors.Is(err, sumdb.ErrSecurity), failure))
		return
	}
	if file, got, want, wrong := files.differ(w.report.Module, w.report.Version, lines); wrong {
		v.fatal = true
		step.Detail = text("the .%s is not what the checksum database knows", ".%s 与校验和数据库的记录不符", file)
		v.fail(step)
		w.found(v, checksumMismatch(v.link.Name, w.report, file, got, want))
		return
	}
	step.State = StepOK
	if files.zip == nil {
		step.Detail = text("the .mod only", "仅 .mod")
	}
	v.step(step)
}

// differ returns which file has another hash than the database's lines say.
func (m *moduleFiles) differ(path, version string, lines []string) (file, got, want string, wrong bool) {
	known := func(prefix string) string {
		for _, l := range lines {
			if rest, ok := strings.CutPrefix(l, prefix+" "); ok {
				return strings.TrimSpace(rest)
			}
		}
		return ""
	}
	want = known(path + " " + version + "/go.mod")
	if got, _ = hashOf(map[string][]byte{"go.mod": m.mod}); want != "" && got != want {
		return "mod", got, want, true
	}
	if m.zip == nil {
		return "", "", "", false
	}
	want = known(path + " " + version)
	got, err := hashZip(m.zip)
	if err != nil {
		got = "no zip at all"
	}
	return "zip", got, want, want != "" && got != want
}

func hashOf(files map[string][]byte) (string, error) {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	return dirhash.Hash1(names, func(name string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files[name])), nil
	})
}

// hashZip is dirhash.HashZip of what is in memory.
func hashZip(data []byte) (string, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return "", err
	}
	open := make(map[string]*zip.File)
	var names []string
	for _, f := range r.File {
		open[f.Name] = f
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return dirhash.Hash1(names, func(name string) (io.ReadCloser, error) { return open[name].Open() })
}

// A sumClient reads the database over the network, and what the go command
// knows of it already from its folders. It writes nothing there.
type sumClient struct {
	ctx    context.Context // of the one look-up that it is made for
	client *probe.Client
	base   *url.URL
	key    string
	dirs   [2]string // of GOMODCACHE/cache/download/sumdb and GOPATH/pkg/sumdb; "" is none

	mu      sync.Mutex // guards what follows
	failure *probe.Failure
	config  map[string][]byte
}

func (w *walk) newSumClient(ctx context.Context) *sumClient {
	c := &sumClient{ctx: ctx, client: w.prober.Client(false), base: w.sums.base, key: w.sums.spec.Key, config: make(map[string][]byte)}
	if dir := w.facts.setting("GOMODCACHE"); dir != "" {
		c.dirs[0] = filepath.Join(dir, "cache", "download", "sumdb")
	}
	if dir, _, _ := strings.Cut(w.facts.setting("GOPATH"), string(os.PathListSeparator)); dir != "" {
		c.dirs[1] = filepath.Join(dir, "pkg", "sumdb")
	}
	return c
}

// ReadRemote asks the database.
func (c *sumClient) ReadRemote(path string) ([]byte, error) {
	e := c.client.Get(c.ctx, probe.Ask{URL: joinURL(c.base, strings.TrimPrefix(path, "/")), Keep: true})
	if e.Failure == nil {
		return e.Body, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		c.failure = e.Failure
	}
	return nil, e.Failure
}

// failed returns the first failure that was met.
func (c *sumClient) failed() *probe.Failure {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// ReadConfig returns the key, or the latest head that is known.
func (c *sumClient) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(c.key), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if data, ok := c.config[file]; ok {
		return data, nil
	}
	data, err := c.read(1, file)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = nil, nil
	}
	c.config[file] = data
	return data, err
}

// WriteConfig keeps the head as long as the look-up takes.
func (c *sumClient) WriteConfig(file string, old, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !bytes.Equal(c.config[file], old) {
		return sumdb.ErrWriteConflict
	}
	c.config[file] = data
	return nil
}

// ReadCache returns what the go command has stored.
func (c *sumClient) ReadCache(file string) ([]byte, error) {
	data, err := c.read(0, file)
	if err == nil && len(data) == 0 {
		err = fs.ErrNotExist
	}
	return data, err
}

func (c *sumClient) read(which int, file string) ([]byte, error) {
	if c.dirs[which] == "" {
		return nil, fs.ErrNotExist
	}
	return os.ReadFile(filepath.Join(c.dirs[which], filepath.FromSlash(file)))
}

// WriteCache stores nothing.
func (c *sumClient) WriteCache(string, []byte) {}

// Log says nothing.
func (c *sumClient) Log(string) {}

// SecurityError says nothing: the look-up ends with sumdb.ErrSecurity.
func (c *sumClient) SecurityError(string) {}
