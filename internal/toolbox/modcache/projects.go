package modcache

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"golang.org/x/mod/module"
)

// A Survey finds out what is needed.
type Survey struct {
	Needs    Needs
	Projects []string    // the folders in which there is a go.mod or go.work
	Binaries []string    // the programs whose modules are counted
	Warnings []lang.Text // what was not looked at

	// ReadMod returns the go.mod of a version that is in the cache.
	ReadMod func(path, version string) ([]byte, error)
	// Source returns where a version is unpacked, if it is; nil: nowhere.
	Source func(path, version string) (string, error)
	// Skip are folders that are not looked into: caches hold no projects.
	Skip []string
	// Files are those that the go command was told to use wherever it is: by GOWORK, or -modfile in GOFLAGS.
	Files []string

	mu    sync.Mutex // guards the fields above while folders are read
	seen  map[string]bool
	links []string // folders that links lead to, still to be looked into
	fail  error
}

// Look reads the projects below folders. It is an error if one of them cannot be
// read, or a file that says what a project needs: who does not know what is
// needed must not remove anything.
func (s *Survey) Look(ctx context.Context, folders []string) error {
	var skip []fs.FileInfo
	for _, dir := range s.Skip {
		for _, name := range []string{dir, resolved(dir)} { // which may have two names
			if info, err := os.Stat(name); err == nil {
				skip = append(skip, info)
			}
		}
	}
	for _, dir := range folders {
		info, err := os.Stat(dir)
		if err != nil {
			return refuse("the folder %s cannot be looked into: %s", "无法查看目录 %s：%s", dir, reason(err))
		}
		if !info.IsDir() {
			return refuse("%s is no folder; name the folder of a project, or one above several", "%s 不是目录；请给出项目所在的目录或其上级目录", dir)
		}
		before := len(s.Projects)
		top := resolved(dir)
		if err := s.walk(ctx, top, skip); err != nil {
			return err
		}
		if s.fail == nil && len(s.Projects) == before {
			return refuse("there is no go.mod in %s or below it: by that nothing would be needed; name the folders where the projects are", "%s 及其子目录中没有 go.mod，照此就没有任何模块被需要；请给出项目所在的目录", dir)
		}
		s.above(top)
	}
	for _, file := range s.Files {
		s.mu.Lock()
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			// With it no go command works.
		} else if strings.HasSuffix(file, ".work") {
			s.work(file)
		} else {
			s.goMod(file)
		}
		s.mu.Unlock()
	}
	return s.fail
}

// walk looks into a folder, all below it, and the folders outside to which links below it lead.
func (s *Survey) walk(ctx context.Context, top string, skip []fs.FileInfo) error {
	s.links = []string{top}
	var walked []string
	for len(s.links) > 0 {
		root := s.links[0]
		s.links = s.links[1:]
		// A link to above leads to all that was not asked for; what is above counts otherwise.
		if slices.ContainsFunc(walked, func(one string) bool { return within(one, root) || within(root, one) }) || isOneOf(skip, root, nil) && root != top {
			continue
		}
		walked = append(walked, root)
		if err := walkDirs(ctx, root, func(name string, entries []fs.DirEntry, err error) []string {
			return s.visit(root, name, entries, err, skip)
		}); err != nil {
			return err
		}
	}
	return nil
}

// within reports whether a folder is another, or below it; neither name has links.
func within(outer, dir string) bool {
	rel, err := filepath.Rel(outer, dir)
	return err == nil && filepath.IsLocal(rel)
}

// above looks at the project and the workspace that a folder is in: the go command
// looks for go.mod and go.work upwards, and takes the nearest.
func (s *Survey) above(dir string) {
	mod, work := has(dir, "go.mod"), has(dir, "go.work")
	for parent := filepath.Dir(dir); parent != dir && !(mod && work); dir, parent = parent, filepath.Dir(parent) {
		hasMod, hasWork := !mod && has(parent, "go.mod"), !work && has(parent, "go.work")
		if hasMod || hasWork {
			s.project(parent)
		}
		mod, work = mod || hasMod, work || hasWork
	}
}

func has(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// resolved returns the name of a folder without symbolic links, if it can be had.
func resolved(dir string) string {
	if name, err := filepath.EvalSymlinks(dir); err == nil {
		return name
	}
	return dir
}

// reason returns an error without the operation and the name of the file.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// visit looks at a folder.
func (s *Survey) visit(root, name string, entries []fs.DirEntry, err error, skip []fs.FileInfo) (into []string) {
	dir := filepath.Join(root, filepath.FromSlash(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.mu.Lock()
		s.Warnings = append(s.Warnings, lang.Text{En: "%s cannot be read (%s): what is needed by projects in it is not known", Zh: "无法读取 %s（%s），其中的项目需要什么不得而知"}.With(dir, reason(err)))
		s.mu.Unlock()
	}
	interesting, isProject, hasCache := false, false, false
	for _, e := range entries {
		n := e.Name()
		interesting = interesting || !e.IsDir() && (strings.HasSuffix(n, ".mod") || strings.HasSuffix(n, ".sum") || strings.HasSuffix(n, ".work"))
		isProject = isProject || n == "go.mod" || n == "go.work" || n == ".git"
		hasCache = hasCache || n == "cache"
	}
	if hasCache && !isProject && isCache(dir) {
		return nil
	}
	for _, e := range entries {
		n := e.Name()
		switch full := filepath.Join(dir, n); {
		case n == "node_modules" || n == ".git" || n == ".hg" || n == ".svn":
		case e.Type()&fs.ModeSymlink != 0:
			s.link(full, isProject)
		case !e.IsDir(), n == "vendor" && has(full, "modules.txt"), isOneOf(skip, full, e):
		default:
			into = append(into, n)
		}
	}
	if interesting && !isOneOf(skip, dir, nil) {
		s.project(dir)
	}
	return into
}

// isCache reports whether a folder is some module cache: what is unpacked there are no projects.
func isCache(dir string) bool {
	return has(dir, filepath.FromSlash(downloads)) && (has(dir, filepath.Join("cache", "lock")) || has(dir, filepath.FromSlash(downloads+"/sumdb")))
}

// link notes a link to a folder: one with a project, or, if the link is not itself
// in a project, where links to results of builds and the like are, one with any.
func (s *Survey) link(name string, inProject bool) {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() || inProject && !has(name, "go.mod") && !has(name, "go.work") {
		return
	}
	s.mu.Lock()
	s.links = append(s.links, resolved(name))
	s.mu.Unlock()
}

// isOneOf reports whether a folder is one of some.
func isOneOf(list []fs.FileInfo, dir string, e fs.DirEntry) bool {
	if len(list) == 0 || e != nil && !mayBe(list, e.Name()) {
		return false
	}
	info, err := os.Stat(dir)
	for _, other := range list {
		if err == nil && os.SameFile(info, other) {
			return true
		}
	}
	return false
}

// mayBe spares a system call for each folder of a large tree.
func mayBe(list []fs.FileInfo, name string) bool {
	for _, info := range list {
		if strings.EqualFold(info.Name(), name) {
			return true
		}
	}
	return false
}

// project reads what a folder says of its needs.
func (s *Survey) project(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[string]bool)
	}
	if s.seen[dir] {
		return
	}
	s.seen[dir] = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.failed(dir, err)
		return
	}
	names := make(map[string]bool)
	for _, e := range entries {
		names[e.Name()] = true
	}
	found := false
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		base, ext := strings.TrimSuffix(e.Name(), path.Ext(e.Name())), path.Ext(e.Name())
		if ext != ".mod" && ext != ".sum" && ext != ".work" {
			continue
		}
		info, err := os.Stat(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && (base == "go" || base == "go.work") {
			s.failed(file, err)
		}
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		switch {
		// There are GOWORK and -modfile, too; what a file that these name needs has a .sum beside it.
		case ext == ".work" && (base == "go" || names[base+".work.sum"]):
			found = s.work(file) || found
		case ext == ".mod" && (base == "go" || names[base+".sum"]):
			found = s.goMod(file) || found
		case e.Name() == "go.sum" && !names["go.mod"], e.Name() == "go.work.sum" && !names["go.work"]:
			s.Needs.AddSum(s.read(file))
		}
	}
	if found {
		s.Projects = append(s.Projects, dir)
	}
}

// read returns what is in a file, or nothing if there is none. Caller holds s.mu.
func (s *Survey) read(file string) []byte {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.failed(file, err)
	}
	return text
}

// failed notes that a file could not be read. Caller holds s.mu.
func (s *Survey) failed(file string, err error) {
	s.fail = errors.Join(s.fail, refuse("%s cannot be read (%s), so what its project needs is not known, and nothing was removed", "无法读取 %s（%s），不知道该项目需要什么，因此没有删除任何东西", file, reason(err)))
}

// goMod reads a go.mod and the go.sum beside it. It reports whether it is one. Caller holds s.mu.
func (s *Survey) goMod(file string) bool {
	if err := s.Needs.AddMod(file, s.read(file), s.read(strings.TrimSuffix(file, ".mod")+".sum"), s.ReadMod); err != nil {
		// Nothing can be built with it as it is. Such files are found among test data, and where a merge is under way.
		s.Warnings = append(s.Warnings, lang.Text{En: "%s is no valid go.mod; what it seems to name is kept", Zh: "%s 不是有效的 go.mod；其中看似提到的版本都会保留"}.With(file))
		return filepath.Base(file) == "go.mod"
	}
	return true
}

// work reads a go.work and the go.work.sum beside it, and the modules that it uses,
// wherever they are. It reports whether it is one. Caller holds s.mu.
func (s *Survey) work(file string) bool {
	s.Needs.AddSum(s.read(file + ".sum"))
	use, err := s.Needs.AddWork(file, s.read(file))
	if err != nil {
		s.Warnings = append(s.Warnings, lang.Text{En: "%s is no valid go.work; what it seems to name is kept", Zh: "%s 不是有效的 go.work；其中看似提到的内容都会保留"}.With(file))
	}
	dir := filepath.Dir(file)
	for _, u := range use {
		used := filepath.FromSlash(u)
		if !filepath.IsAbs(used) {
			used = filepath.Join(dir, used)
		}
		if _, err := os.Stat(used); err == nil {
			s.mu.Unlock()
			s.project(used)
			s.mu.Lock()
		}
	}
	return err == nil
}

// Programs counts what the programs in some folders were built from: so they can be built
// again without a network. Programs are those of "go install MODULE/PATH@VERSION".
func (s *Survey) Programs(folders []string) {
	for _, dir := range folders {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // there are none
		}
		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue
			}
			file := filepath.Join(dir, e.Name())
			info, err := buildinfo.ReadFile(file)
			if errors.Is(err, fs.ErrPermission) {
				s.Warnings = append(s.Warnings, lang.Text{En: "%s cannot be read: what it was built from is not known", Zh: "无法读取 %s，不知道它由哪些模块构建"}.With(file))
			}
			if err != nil {
				continue // it is none of Go's
			}
			s.program(file, info)
		}
	}
}

func (s *Survey) program(file string, info *buildinfo.BuildInfo) {
	if version, _, _ := strings.Cut(info.GoVersion, " "); version != "" {
		s.Needs.AddToolchain(version)
	}
	if v := info.Main.Version; v == "" || strings.HasPrefix(v, "(") || strings.HasSuffix(v, "+dirty") {
		return // built in a project's folder; that says what it needs
	}
	s.Binaries = append(s.Binaries, file)
	s.Needs.Add(info.Main.Path, info.Main.Version, All)
	for _, d := range info.Deps {
		for ; d != nil; d = d.Replace {
			s.Needs.Add(d.Path, d.Version, All)
		}
	}
	main := module.Version{Path: info.Main.Path, Version: info.Main.Version}
	if s.Source != nil {
		// Its own go.sum names the rest of its module graph.
		if dir, err := s.Source(main.Path, main.Version); err == nil {
			if text, err := os.ReadFile(filepath.Join(dir, "go.sum")); err == nil {
				for m := range sumLines(text) {
					s.Needs.Add(m.Path, m.Version, ModOnly)
				}
				return
			}
		}
	}
	if s.ReadMod != nil {
		s.Needs.reach([]module.Version{main}, ModOnly, s.ReadMod)
	}
}

// String describes the survey for tests and logs.
func (s *Survey) String() string {
	return fmt.Sprintf("%d projects, %d programs, %d versions", len(s.Projects), len(s.Binaries), s.Needs.Len())
}
