package doctor

import (
	"bufio"
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
)

// What a look at the cache may cost: it is a sample. godown verify or go mod verify look at all.
const (
	cacheTime  = 1500 * time.Millisecond
	cacheBytes = 64 << 20 // of zips that are hashed
	cacheDirs  = 3000     // folders that are looked into for the newest files
	cacheShown = 5        // damaged versions that are named
)

// A cached is a version in GOMODCACHE/cache/download.
type cached struct {
	module.Version
	base string // its files without their endings
	sum  string // of its zip by the project's go.sum; "" if that has none
	mod  string // of its go.mod by the project's go.sum
	time time.Time
}

// checkCacheFiles looks for damaged files in GOMODCACHE: at the versions of the
// project's go.sum, then at the newest, as long as there is time.
func checkCacheFiles(ctx context.Context, f *Facts) []Finding {
	dir := filepath.Join(f.setting("GOMODCACHE"), "cache", "download")
	if info, err := os.Stat(dir); f.setting("GOMODCACHE") == "" || err != nil || !info.IsDir() {
		return nil
	}
	deadline := time.Now().Add(cacheTime)
	var bad []lang.Text
	var files []string
	var budget int64 = cacheBytes
	for _, c := range f.cachedVersions(ctx, dir, deadline) {
		if ctx.Err() != nil || time.Now().After(deadline) || budget < 0 || len(bad) == cacheShown {
			break
		}
		if why, names := c.damage(&budget); len(names) > 0 {
			bad = append(bad, text("%s: %s", "%s：%s", c.Path+" "+c.Version.Version, why))
			files = append(files, names...)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	quoted := make([]string, len(files))
	for i, name := range files {
		quoted[i] = quote(name)
	}
	remove := "rm -f "
	if f.OS == "windows" {
		remove = "Remove-Item "
	}
	return []Finding{{
		ID: "modcache-damaged", Severity: Fault,
		Title:       text("There are damaged files in GOMODCACHE", "GOMODCACHE 中有损坏的文件"),
		Evidence:    bad,
		Consequence: text("Builds that need them stop with: checksum mismatch, zip: not a valid zip file, or a file that does not compile. Usual causes: a full disk, a machine switched off, a CI cache that was stored halfway.", "需要它们的构建会失败：checksum mismatch、zip: not a valid zip file，或源文件无法编译。常见原因：磁盘写满、突然断电、CI 缓存只存了一半。"),
		Fixes: []Fix{
			{Command: remove + strings.Join(quoted, separatorFor(f.OS)), Say: text("the go command fetches them again when it needs them", "需要时 go 命令会重新下载"),
				Do: func(context.Context) error { return removeAll(files) }},
			{Command: "go mod verify", Say: text("look at all that the project needs, unpacked folders too", "检查项目所需的全部内容，包括已解压的目录")},
			{Command: "go clean -modcache", Say: text("or throw everything away", "或全部清空")},
		},
	}}
}

func separatorFor(system string) string {
	if system == "windows" {
		return ", "
	}
	return " "
}

func removeAll(files []string) error {
	for _, name := range files {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// damage returns what is wrong with a version's files, and which of them are to go.
// It takes from the budget the bytes that it hashes.
func (c *cached) damage(budget *int64) (why lang.Text, files []string) {
	zip, hash, mod := c.base+".zip", c.base+".ziphash", c.base+".mod"
	known, err := os.ReadFile(hash)
	said := strings.TrimSpace(string(known))
	info, zipErr := os.Stat(zip)
	switch {
	case zipErr == nil && info.Size() == 0:
		return text("its .zip is empty", "它的 .zip 是空的"), []string{zip, hash}
	case err == nil && !strings.HasPrefix(said, "h1:"):
		return text("its .ziphash is no hash", "它的 .ziphash 不是哈希值"), []string{zip, hash}
	case err == nil && c.sum != "" && said != c.sum:
		return text("its .ziphash is %s, and go.sum has %s", "它的 .ziphash 是 %s，go.sum 中是 %s", said, c.sum), []string{zip, hash}
	}
	if data, err := os.ReadFile(mod); err == nil && c.mod != "" {
		if got, _ := hashOf(map[string][]byte{"go.mod": data}); got != c.mod {
			return text("its .mod is not the one that go.sum knows", "它的 .mod 与 go.sum 不符"), []string{mod}
		}
	}
	if zipErr != nil || err != nil || info.Size() > *budget {
		return lang.Text{}, nil
	}
	*budget -= info.Size()
	got, hashErr := dirhash.HashZip(zip, dirhash.Hash1)
	switch {
	case hashErr != nil:
		return text("its .zip cannot be read: %s", "它的 .zip 无法读取：%s", hashErr.Error()), []string{zip, hash}
	case got != said:
		return text("its .zip is not the one whose hash was stored with it", "它的 .zip 与当时记录的哈希不符"), []string{zip, hash}
	}
	return lang.Text{}, nil
}

// cachedVersions returns the versions to look at, in their order.
func (f *Facts) cachedVersions(ctx context.Context, dir string, deadline time.Time) []cached {
	var first []cached
	known := make(map[string]bool)
	for _, c := range f.summed(dir) {
		if _, err := os.Stat(c.base + ".zip"); err == nil || c.mod != "" {
			first = append(first, c)
			known[c.base] = true
		}
	}
	var newest []cached
	seen := 0
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil, time.Now().After(deadline), seen > cacheDirs:
			return fs.SkipAll
		case err != nil:
			return nil
		case d.IsDir() && (d.Name() == "sumdb" && filepath.Dir(name) == dir || d.Name() == "vcs"):
			return fs.SkipDir
		case d.IsDir():
			seen++
			return nil
		case filepath.Ext(name) != ".zip":
			return nil
		}
		c := cached{base: strings.TrimSuffix(name, ".zip")}
		if info, err := d.Info(); err == nil && !known[c.base] && c.named(dir) {
			c.time = info.ModTime()
			newest = append(newest, c)
		}
		return nil
	})
	slices.SortStableFunc(newest, func(a, b cached) int { return b.time.Compare(a.time) })
	return append(first, newest...)
}

// named finds out path and version by the file's name.
func (c *cached) named(dir string) bool {
	rel, err := filepath.Rel(dir, c.base)
	if err != nil {
		return false
	}
	escaped, file, ok := strings.Cut(filepath.ToSlash(rel), "/@v/")
	if !ok {
		return false
	}
	path, err := module.UnescapePath(escaped)
	if err != nil {
		return false
	}
	version, err := module.UnescapeVersion(file)
	c.Version = module.Version{Path: path, Version: version}
	return err == nil
}

// summed returns the versions in the project's go.sum.
func (f *Facts) summed(dir string) []cached {
	mod := f.setting("GOMOD")
	if mod == "" || mod == os.DevNull {
		return nil
	}
	data, err := os.ReadFile(strings.TrimSuffix(mod, ".mod") + ".sum")
	if err != nil {
		return nil
	}
	var list []cached
	at := make(map[module.Version]int)
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || !strings.HasPrefix(fields[2], "h1:") {
			continue
		}
		version, isMod := strings.CutSuffix(fields[1], "/go.mod")
		v := module.Version{Path: fields[0], Version: version}
		i, ok := at[v]
		if !ok {
			path, err := module.EscapePath(v.Path)
			file, err2 := module.EscapeVersion(v.Version)
			if err != nil || err2 != nil {
				continue
			}
			i, at[v] = len(list), len(list)
			list = append(list, cached{Version: v, base: filepath.Join(dir, filepath.FromSlash(path), "@v", file)})
		}
		if isMod {
			list[i].mod = fields[2]
		} else {
			list[i].sum = fields[2]
		}
	}
	return list
}
