package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A machine is what the checks ask the system about; tests have their own.
type machine struct {
	room  func(dir string) (room, bool)
	owner func(fs.FileInfo) (uid int, ok bool)
	uid   int                    // ours; -1: the system has none
	files func() (uint64, bool)  // how many may be open at once, at most
	trial func(dir string) error // tries to make a folder in dir; nil: really
}

// A room is what is known of the file system that a folder is in.
type room struct {
	free       uint64 // bytes that we may write
	files      uint64 // that may still be made
	countless  bool   // it does not count files
	network    string // the kind of a file system that is elsewhere, such as "nfs"; "" if it is here
	noPrograms bool   // programs in it cannot be run
}

func thisMachine() *machine {
	return &machine{room: roomOf, owner: ownerOf, uid: os.Geteuid(), files: maxFiles}
}

// checkHome finds that there is no home, and so no caches.
func checkHome(_ context.Context, f *Facts) []Finding {
	if f.Settings == nil {
		return nil
	}
	var lost []string
	for _, name := range []string{"GOMODCACHE", "GOCACHE"} {
		if v := f.setting(name); v == "" || v == "off" && name == "GOMODCACHE" {
			lost = append(lost, name)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return []Finding{{
		ID: "home-missing", Severity: Fault,
		Title:       text("The go command has no place for its caches", "go 命令没有存放缓存的位置"),
		Evidence:    []lang.Text{text("%s is empty; HOME=%q", "%s 为空；HOME=%q", strings.Join(lost, ", "), f.Machine.Getenv("HOME"))},
		Consequence: text("Builds stop with: module cache not found: neither GOMODCACHE nor GOPATH is set, or GOCACHE is not defined. Usual in containers and services that run without a home.", "构建会失败：module cache not found: neither GOMODCACHE nor GOPATH is set，或 GOCACHE is not defined。常见于没有家目录的容器和服务。"),
		Fixes:       []Fix{{Command: f.export("HOME", "/tmp/home"), Say: text("or any folder that may be written; in a Dockerfile: ENV HOME=/tmp/home", "或任何可写的目录；在 Dockerfile 中：ENV HOME=/tmp/home")}},
	}}
}

// checkFolders looks at GOMODCACHE and GOCACHE.
func (m *machine) checkFolders(_ context.Context, f *Facts) []Finding {
	var found []Finding
	for _, name := range []string{"GOMODCACHE", "GOCACHE"} {
		dir := f.setting(name)
		if dir == "" || dir == "off" || !filepath.IsAbs(dir) {
			continue
		}
		if bad := m.unwritable(f, name, dir); len(bad) > 0 {
			found = append(found, bad...)
			continue
		}
		found = append(found, m.crowded(f, name, dir)...)
		if name == "GOMODCACHE" {
			found = append(found, m.strangers(f, name, dir)...)
			found = append(found, f.cacheInProject(dir)...)
		}
	}
	return found
}

// existing returns the nearest folder above name that is there.
func existing(name string) string {
	for dir := name; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() || filepath.Dir(dir) == dir {
			return dir
		}
	}
}

// unwritable finds a folder in which nothing can be made.
func (m *machine) unwritable(f *Facts, name, dir string) []Finding {
	at := existing(dir)
	var why error
	for p := dir; p != at; p = filepath.Dir(p) {
		if _, err := os.Lstat(p); err == nil { // it is there, and yet no folder
			why = &fs.PathError{Op: "mkdir", Path: p, Err: errors.New("what stands there is no folder")}
		}
	}
	if why == nil {
		why = m.tried(at)
	}
	if why == nil || at == dir && errors.Is(why, syscall.EROFS) {
		return nil // what is in a cache on read-only media can be used; it was put there for that
	}
	id := map[string]string{"GOMODCACHE": "modcache-unwritable", "GOCACHE": "gocache-unwritable"}[name]
	x := Finding{
		ID: id, Severity: Fault,
		Title:       text("%s cannot be written to", "%s 不可写", name),
		Evidence:    []lang.Text{lang.Same(why.Error())},
		Consequence: text("The go command stops at the first file that it wants to keep there.", "go 命令在需要写入第一个文件时就会停止。"),
	}
	if info, err := os.Stat(at); err == nil {
		if uid, ok := m.owner(info); ok && uid != m.uid {
			x.Evidence = append(x.Evidence, text("%s belongs to user %d, and we are user %d", "%s 属于用户 %d，而当前用户是 %d", at, uid, m.uid))
			x.Fixes = append(x.Fixes, chown(dir))
		}
	}
	if f.inContainer() {
		x.Fixes = append(x.Fixes, Fix{Command: f.export(name, "/tmp/"+strings.ToLower(name)), Say: text("in a container whose home cannot be written", "容器的家目录不可写时")})
	}
	if !f.untouched(name) {
		x.Fixes = append(x.Fixes, f.fixSet(name, "", text("go back to the default folder", "恢复默认目录")))
	}
	if len(x.Fixes) == 0 {
		x.Fixes = []Fix{{Say: text("make %s a folder that you may write to", "把 %s 变成你可以写入的目录", f.tilde(dir))}}
	}
	return []Finding{x}
}

// untouched reports whether nobody has said what a setting is.
func (f *Facts) untouched(name string) bool {
	return f.Settings != nil && f.placeOf(name) == goenv.BuiltIn
}

// tried makes a folder in dir and removes it.
func (m *machine) tried(dir string) error {
	if m.trial != nil {
		return m.trial(dir)
	}
	trial, err := os.MkdirTemp(dir, ".godown-doctor-")
	if err == nil {
		_ = os.Remove(trial)
	}
	return err
}

func chown(dir string) Fix {
	return Fix{Command: `sudo chown -R "$(id -u):$(id -g)" ` + quote(dir), Say: text("make it yours again (sudo go … did it); never run go with sudo", "改回归你所有（多半是 sudo go … 造成的）；不要用 sudo 运行 go")}
}

// strangers finds folders of the module cache that belong to another user.
func (m *machine) strangers(f *Facts, name, dir string) []Finding {
	if m.uid < 0 || m.uid == 0 {
		return nil // nobody, or one who may write everywhere
	}
	for _, at := range sampleFolders(dir) {
		info, err := os.Lstat(at)
		if err != nil {
			continue
		}
		uid, ok := m.owner(info)
		if !ok || uid == m.uid {
			continue
		}
		return []Finding{{
			ID: "modcache-owner", Severity: Warning,
			Title:       text("Some of %s belongs to another user", "%s 的一部分属于其他用户", name),
			Evidence:    []lang.Text{text("%s belongs to user %d, and we are user %d", "%s 属于用户 %d，而当前用户是 %d", f.tilde(at), uid, m.uid)},
			Consequence: text("Versions that would be stored there fail with: permission denied.", "需要存放在那里的版本会失败：permission denied。"),
			Fixes:       []Fix{chown(dir)},
		}}
	}
	return nil
}

// maxSample is how many folders are looked at.
const maxSample = 400

// sampleFolders returns the upper folders of a module cache.
func sampleFolders(dir string) []string {
	all := []string{dir, filepath.Join(dir, "cache"), filepath.Join(dir, "cache", "download"), filepath.Join(dir, "cache", "lock")}
	for i := 0; i < len(all) && len(all) < maxSample; i++ {
		if strings.Count(strings.TrimPrefix(all[i], dir), string(filepath.Separator)) > 4 {
			continue
		}
		entries, err := os.ReadDir(all[i])
		if err != nil || i == 1 { // its entries are in the list
			continue
		}
		for _, e := range entries {
			if e.IsDir() && e.Name() != "cache" && len(all) < maxSample {
				all = append(all, filepath.Join(all[i], e.Name()))
			}
		}
	}
	return all
}

const (
	noRoom    = 64 << 20 // bytes with which nothing can be built
	tightRoom = 1 << 30  // bytes with which a large project cannot
	noFiles   = 1000     // that may still be made
)

// crowded finds a file system that is full, nearly full, or elsewhere.
func (m *machine) crowded(f *Facts, name, dir string) []Finding {
	r, ok := m.room(existing(dir))
	if !ok {
		return nil
	}
	clean := map[string]string{"GOMODCACHE": "godown cache prune", "GOCACHE": "go clean -cache"}[name]
	fixes := []Fix{
		{Command: clean, Say: text("remove what is not needed", "删除不需要的内容")},
		{Say: text("keep it where there is room: set %s to a folder there", "放到有空间的地方：把 %s 设为那里的目录", name)},
	}
	var found []Finding
	switch {
	case r.free < noRoom:
		found = append(found, Finding{
			ID: "disk-full", Severity: Fault,
			Title:       text("The disk of %s is full", "%s 所在的磁盘已满", name),
			Evidence:    []lang.Text{text("%s: %d MB are free", "%s：剩余 %d MB", dir, r.free>>20)},
			Consequence: text("Downloads and builds stop with: no space left on device.", "下载与构建会失败：no space left on device。"),
			Fixes:       fixes,
		})
	case r.free < tightRoom:
		found = append(found, Finding{
			ID: "disk-tight", Severity: Warning,
			Title:       text("The disk of %s is nearly full", "%s 所在的磁盘快满了", name),
			Evidence:    []lang.Text{text("%s: %d MB are free", "%s：剩余 %d MB", dir, r.free>>20)},
			Consequence: text("A large project needs more: no space left on device.", "大型项目需要更多空间：no space left on device。"),
			Fixes:       fixes,
		})
	}
	if !r.countless && r.files < noFiles {
		found = append(found, Finding{
			ID: "disk-inodes", Severity: Fault,
			Title:       text("The file system of %s takes no more files", "%s 所在的文件系统已无法新建文件", name),
			Evidence:    []lang.Text{text("%s: %d inodes are free, whatever df says of bytes (df -i shows them)", "%s：剩余 %d 个 inode，与 df 显示的字节数无关（用 df -i 查看）", dir, r.files)},
			Consequence: text("Downloads and builds stop with: no space left on device.", "下载与构建会失败：no space left on device。"),
			Fixes:       fixes[:1],
		})
	}
	if r.network != "" {
		found = append(found, Finding{
			ID: "cache-network", Severity: Hint,
			Title:       text("%s is on a file system of another machine", "%s 位于网络文件系统上", name),
			Evidence:    []lang.Text{text("%s is on %s", "%s 位于 %s", dir, r.network)},
			Consequence: text("Thousands of small files make it slow, and locks that do not hold there damage it when two machines use it at once.", "成千上万的小文件会很慢；如果锁不可靠，两台机器同时使用会损坏缓存。"),
			Fixes:       []Fix{{Say: text("keep it on a disk of this machine, and share modules by a proxy: godown serve", "把它放在本机磁盘上，用代理共享模块：godown serve")}},
		})
	}
	return found
}

// cacheInProject finds a module cache below the project. Folders that begin
// with a dot or _ are left alone by the go command's patterns: CI systems that can keep
// only what is in the project use such.
func (f *Facts) cacheInProject(dir string) []Finding {
	mod := f.setting("GOMOD")
	if mod == "" || mod == os.DevNull || f.untouched("GOMODCACHE") {
		return nil // where Go itself puts it, a go.mod in the home is what is out of place
	}
	root := filepath.Dir(mod)
	rel, err := filepath.Rel(root, dir)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return nil
	}
	for part := range strings.SplitSeq(rel, string(filepath.Separator)) {
		if rel != "." && (strings.HasPrefix(part, ".") || strings.HasPrefix(part, "_")) {
			return nil
		}
	}
	return []Finding{{
		ID: "modcache-in-project", Severity: Hint,
		Title:       text("GOMODCACHE is inside the project", "GOMODCACHE 位于项目之内"),
		Evidence:    []lang.Text{text("%s is below %s", "%s 在 %s 之下", f.tilde(dir), f.tilde(root))},
		Consequence: text("Patterns such as ./... walk through it, git and docker take it along, and its read-only files are hard to remove.", "./... 之类的模式会遍历它，git 与 docker 会把它带上，其中的只读文件也难以删除。"),
		Fixes:       []Fix{f.fixSet("GOMODCACHE", "", text("go back to the default folder; in CI take one whose name begins with a dot", "恢复默认目录；在 CI 中请用以点开头的目录名"))},
	}}
}
