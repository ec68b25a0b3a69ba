package explain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
)

// liveSums finds out who of the contradicting is right: the copy in GOMODCACHE,
// go.sum, or what was downloaded; the checksum database decides.
func liveSums(c context.Context, s *scene) {
	if s.around.Settings == nil {
		return
	}
	path, version := s.fields["module"], s.fields["version"]
	s.showSetting("GOSUMDB")
	if path == "" || version == "" || module.Check(path, version) != nil {
		return
	}
	mod := strings.Contains(s.message, "/go.mod: checksum mismatch")
	if !mod {
		s.cached(path, version)
	}
	if s.failure.ID != "checksum-go-sum" && s.failure.ID != "checksum-database" && s.failure.ID != "database-absent" && s.failure.ID != "database-unreachable" {
		return
	}
	if s.around.Settings.NoSum(path) {
		s.found("The checksum database is not asked about %s (GOSUMDB, GONOSUMDB or GOPRIVATE say so): nobody else can tell who is right.", "校验和数据库不会被问到 %s（由 GOSUMDB、GONOSUMDB 或 GOPRIVATE 决定）：没有第三方可以判断谁对。", path)
		s.ruleOutHere("private")
		return
	}
	if s.around.Prober == nil {
		return
	}
	s.askDatabase(c, path, version, mod)
}

// askDatabase compares the hashes of the message with the database's record.
func (s *scene) askDatabase(c context.Context, path, version string, mod bool) {
	c, cancel := context.WithTimeout(c, questionTime)
	defer cancel()
	spec, err := godown.ParseSumDB(s.setting("GOSUMDB"))
	if err != nil || s.fields["database"] != "" && s.fields["database"] != spec.Name {
		return
	}
	if s.around.Elsewhere && !strings.Contains(s.message, spec.Name) {
		return // it may never have heard the module's name
	}
	if mod {
		version += "/go.mod"
	}
	record, err := lookup(c, s.around, s.proxies(), spec, path, version)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			s.found("Asked just now: %s has no record of %s.", "刚刚查询：%s 没有 %s 的记录。", spec.Name, path)
			s.likelyHere("private")
		} else {
			s.found("Asked just now: %s gives no answer.", "刚刚查询：%s 没有应答。", spec.Name)
		}
		return
	}
	if s.failure.ID == "database-absent" || s.failure.ID == "database-unreachable" {
		s.found("Asked just now: %s answers, and knows %s. Run the command again.", "刚刚查询：%s 有应答，并且有 %s 的记录。请重新执行。", spec.Name, path)
		return
	}
	downloaded, gosum := s.fields["downloaded"], s.fields["gosum"]
	switch {
	case gosum != "" && record == gosum:
		s.found("Asked just now: %s has the same hash as go.sum. What was downloaded is wrong.", "刚刚查询：%s 的哈希与 go.sum 相同。下载到的内容是错的。", spec.Name)
		s.likelyHere("cached", "proxy")
		s.ruleOutHere("gosum", "moved")
	case record == downloaded && gosum != "":
		s.found("Asked just now: %s has the same hash as the download. The line in go.sum is wrong.", "刚刚查询：%s 的哈希与下载的内容相同。go.sum 里的那一行是错的。", spec.Name)
		s.likelyHere("gosum")
		s.ruleOutHere("proxy", "moved", "cached")
	case record == downloaded:
		s.found("Asked just now: %s now has the same hash as the download. Run the command again.", "刚刚查询：%s 现在的哈希与下载的内容相同。请重新执行。", spec.Name)
	default:
		s.found("Asked just now: %s has %s.", "刚刚查询：%s 的记录是 %s。", spec.Name, record)
		s.likelyHere("cached", "proxy")
	}
}

// cached looks whether the copy in GOMODCACHE is what it was when it came.
func (s *scene) cached(path, version string) {
	escaped, err := module.EscapePath(path)
	if err != nil {
		return
	}
	v, err := module.EscapeVersion(version)
	if err != nil {
		return
	}
	name := filepath.Join(s.setting("GOMODCACHE"), "cache", "download", filepath.FromSlash(escaped), "@v", v)
	noted, err := os.ReadFile(name + ".ziphash")
	if err != nil || s.setting("GOMODCACHE") == "" {
		return
	}
	hash, err := dirhash.HashZip(name+".zip", dirhash.Hash1)
	if err != nil {
		s.found("The zip in GOMODCACHE cannot be read: %s.zip.", "GOMODCACHE 中的 zip 无法读取：%s.zip。", name)
	} else if was := strings.TrimSpace(string(noted)); was != hash {
		s.found("The copy in GOMODCACHE is damaged: its zip has %s, and was %s when it came.", "GOMODCACHE 中的副本已损坏：zip 现在的哈希是 %s，下载时是 %s。", hash, was)
	} else {
		return
	}
	s.first = append(s.first, cause{id: "cached", text: say("throw away the damaged copy, and fetch it anew", "删除损坏的副本并重新获取"),
		run: []string{"godown cache rm {module}@{version}", "go mod download {module}@{version}"}})
}

// lookup returns the hash that a checksum database has of a module version,
// after it has proved it, by the way that the go command would ask it.
func lookup(c context.Context, around *Around, proxies []goenv.Element, spec godown.SumDBSpec, path, version string) (string, error) {
	db := &database{ctx: c, prober: around.Prober, spec: spec, kept: make(map[string][]byte)}
	for _, e := range proxies {
		if spec.URL != nil || e.URL.Scheme == "file" {
			break
		}
		base := e.URL.JoinPath("sumdb", spec.Name)
		got := around.Prober.Get(c, probe.Ask{URL: base.JoinPath("supported")})
		if got.OK() {
			db.base = base
			break
		}
		if !goesOn(e, got) {
			return "", fmt.Errorf("%s: %w", e.Shown(), got.Failure)
		}
	}
	if db.base == nil {
		if db.base = spec.URL; db.base == nil {
			db.base = &url.URL{Scheme: "https", Host: spec.Name}
			if host, rest, ok := strings.Cut(spec.Name, "/"); ok {
				db.base = &url.URL{Scheme: "https", Host: host, Path: "/" + rest}
			}
		}
	}
	lines, err := sumdb.NewClient(db).Lookup(path, version)
	if err != nil {
		if db.absent() {
			return "", fs.ErrNotExist
		}
		return "", err
	}
	for _, line := range lines {
		if f := strings.Fields(line); len(f) == 3 && f[0] == path && f[1] == version {
			return f[2], nil
		}
	}
	return "", fs.ErrNotExist
}

// A database is what [sumdb.Client] needs: the network, and a memory for one question.
type database struct {
	ctx    context.Context // of the question
	prober *probe.Prober
	spec   godown.SumDBSpec
	base   *url.URL

	mu   sync.Mutex // guards what follows
	kept map[string][]byte
	gone bool // a record was asked for, and there is none
}

func (d *database) absent() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone
}

// ReadRemote asks the database for a file.
func (d *database) ReadRemote(name string) ([]byte, error) {
	got := d.prober.Get(d.ctx, probe.Ask{URL: d.base.JoinPath(name), Keep: true, Limit: 1 << 20})
	if got.OK() {
		return got.Body, nil
	}
	if (got.Status == 404 || got.Status == 410) && strings.HasPrefix(name, "/lookup/") {
		d.mu.Lock()
		d.gone = true
		d.mu.Unlock()
	}
	return nil, got.Failure
}

// ReadConfig returns the key, and what is known of the tree: nothing.
func (d *database) ReadConfig(name string) ([]byte, error) {
	if name == "key" {
		return []byte(d.spec.Key), nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept[name], nil
}

// WriteConfig keeps a file for this question.
func (d *database) WriteConfig(name string, _, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept[name] = data
	return nil
}

// ReadCache returns nothing: a question needs only a few tiles.
func (d *database) ReadCache(string) ([]byte, error) { return nil, fs.ErrNotExist }

// WriteCache keeps nothing.
func (d *database) WriteCache(string, []byte) {}

// Log says nothing.
func (d *database) Log(string) {}

// SecurityError says nothing: Lookup returns an error as well.
func (d *database) SecurityError(string) {}
