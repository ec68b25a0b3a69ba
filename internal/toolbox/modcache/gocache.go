package modcache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A GoCache is the go command's module cache, GOMODCACHE: unpacked modules, and
// below cache/ what was downloaded. It is a Place. All changes go through an
// os.Root, so that no symbolic link leads them out of the folder.
type GoCache struct {
	dir  string
	root *os.Root // nil: there is no cache yet

	// settle waits until the go commands are through that have seen a file before last, but not opened it.
	settle func(ctx context.Context, last time.Time)
	// patience is how long one may hold a version's lock: to download a zip takes a while.
	patience time.Duration
	// mountinfo is the file in which Linux says what is mounted where.
	mountinfo string
}

// grace is how long a go command may take from having seen a file to opening it.
const grace = 250 * time.Millisecond

const (
	downloads = "cache/download"
	clones    = "cache/vcs"
)

// A Refusal is an error that says, in both languages, why a folder is not touched.
type Refusal struct{ Text lang.Text }

// Error returns the text in English.
func (r *Refusal) Error() string { return r.Text.En }

func refuse(en, zh string, args ...any) error {
	return &Refusal{lang.Text{En: en, Zh: zh}.With(args...)}
}

// OpenGo opens a module cache. A folder that is not there, or is empty, is a
// cache that holds nothing; one that is something else is refused. home is the
// user's home, which is no module cache whatever is in it; it may be empty.
func OpenGo(dir, home string) (*GoCache, error) {
	c := &GoCache{dir: dir, settle: settle, patience: 10 * time.Second, mountinfo: "/proc/self/mountinfo"}
	if dir == "" {
		return nil, refuse("there is no module cache: neither GOMODCACHE nor GOPATH nor a home folder is known; set GOMODCACHE, or name the folder with --modcache",
			"找不到模块缓存：GOMODCACHE、GOPATH 和主目录都没有；请设置 GOMODCACHE，或用 --modcache 指定目录")
	}
	if !filepath.IsAbs(dir) {
		return nil, refuse("the module cache %s is no absolute path, which the go command does not accept either; name the folder from the root on",
			"模块缓存 %s 不是绝对路径，go 命令也不接受；请写出完整路径", dir)
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("module cache: %w", err)
	}
	if !info.IsDir() {
		return nil, refuse("%s is no folder, and so no module cache", "%s 不是目录，不可能是模块缓存", dir)
	}
	for above := home; above != ""; above = filepath.Dir(above) {
		if other, err := os.Stat(above); err == nil && os.SameFile(info, other) {
			return nil, refuse("%s is a home folder or above one, not a module cache, whatever GOMODCACHE says; nothing is done there",
				"%s 是主目录或其上级目录，无论 GOMODCACHE 怎么写都不当作模块缓存；未做任何操作", dir)
		}
		if above == filepath.Dir(above) {
			break
		}
	}
	if filepath.Dir(dir) == filepath.Clean(dir) {
		return nil, refuse("%s is the root of the file system, not a module cache; nothing is done there", "%s 是文件系统的根目录，不是模块缓存；未做任何操作", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("module cache: %w", err)
	}
	if len(entries) == 0 {
		return c, nil
	}
	for _, e := range entries {
		if n := e.Name(); n == ".git" || n == ".hg" || n == ".svn" || n == "go.work" || filepath.Ext(n) == ".go" {
			return nil, refuse("%s looks like a project, not like a module cache: it has %s; nothing is done there", "%s 看起来是项目而不是模块缓存：其中有 %s；未做任何操作", dir, n)
		}
	}
	if c.root, err = os.OpenRoot(dir); err != nil {
		return nil, fmt.Errorf("module cache: %w", err)
	}
	for _, name := range []string{"cache", downloads} {
		if info, err := c.root.Lstat(name); err != nil || !info.IsDir() {
			c.root.Close()
			return nil, refuse("%s does not look like a module cache: it has files, but no folder %s; see what 'go env GOMODCACHE' says, or name the folder with --modcache",
				"%s 不像模块缓存：其中有文件，却没有目录 %s；请检查 'go env GOMODCACHE' 的输出，或用 --modcache 指定目录", dir, filepath.FromSlash(downloads))
		}
	}
	return c, nil
}

// Close releases the folder.
func (c *GoCache) Close() error {
	if c.root == nil {
		return nil
	}
	return c.root.Close()
}

// ReadMod returns the go.mod of a version that is in the cache.
func (c *GoCache) ReadMod(path, version string) ([]byte, error) {
	if c.root == nil {
		return nil, fs.ErrNotExist
	}
	name, err := downloadName(path, version, "mod")
	if err != nil {
		return nil, err
	}
	return c.root.ReadFile(filepath.FromSlash(name))
}

// Source returns the folder in which a version is unpacked, whether it is or not.
func (c *GoCache) Source(path, version string) (string, error) {
	name, err := folderName(path, version)
	return filepath.Join(c.dir, filepath.FromSlash(name)), err
}
