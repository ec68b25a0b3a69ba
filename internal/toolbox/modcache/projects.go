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
	"strings"
	"sync"

	"github.com/godown-dev/godown/internal/toolbox/lang"
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

	mu   sync.Mutex // guards the fields above while folders are read
	seen map[string]bool
	fail error
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
		if err := walkDirs(ctx, top, func(name string, entries []fs.DirEntry, err error) []string {
			return s.visit(top, name, entries, err, skip)
		}); err != nil {
			return err
		}
		if s.fail == nil && len(s.Projects) == before {
			return refuse("there is no go.mod in %s or below it: by that nothing would be needed; name the folders where the projects are", "%s 及其子目录中没有 go.mod，照此就没有任何模块被需要；请给出项目所在的目录", dir)
		}
	}
	return s.fail
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
	interesting := false
	for _, e := range entries {
		switch n := e.Name(); {
		case e.IsDir():
			if n == "node_modules" || n == "vendor" || n == ".git" || n == ".hg" || n == ".svn" || strings.Contains(n, "@v") || isOneOf(skip, filepath.Join(dir, n), e) {
				continue
			}
			into = append(into, n)
		case strings.HasSuffix(n, ".mod"), strings.HasSuffix(n, ".sum"), n == "go.work":
			interesting = true
		}
	}
	if interesting && !isOneOf(skip, dir, nil) {
		s.project(dir)
	}
	return into
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
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			continue
		}
		base := strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
		switch {
		case e.Name() == "go.work":
			found = true
			s.work(dir, file)
		// Not go.mod alone: there is -modfile, and what it names has a .sum beside it.
		case strings.HasSuffix(e.Name(), ".mod") && (base == "go" || names[base+".sum"]):
			found = s.goMod(file, names[base+".sum"]) || found
		case strings.HasSuffix(e.Name(), ".sum") && (names[base+".mod"] || base == "go" || base == "go.work"):
			if text, err := os.ReadFile(file); err != nil {
				s.failed(file, err)
			} else {
				s.Needs.AddSum(text)
			}
		}
	}
	if found {
		s.Projects = append(s.Projects, dir)
	}
}

// failed notes that a file could not be read. Caller holds s.mu.
func (s *Survey) failed(file string, err error) {
	s.fail = errors.Join(s.fail, refuse("%s cannot be read (%s), so what its project needs is not known, and nothing was removed", "无法读取 %s（%s），不知道该项目需要什么，因此没有删除任何东西", file, reason(err)))
}

// goMod reads a go.mod. Caller holds s.mu.
func (s *Survey) goMod(file string, hasSum bool) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		s.failed(file, err)
		return false
	}
	if err := s.Needs.AddMod(file, text, hasSum, s.ReadMod); err != nil {
		// Nothing can be built with it. Such files are found among test data.
		s.Warnings = append(s.Warnings, lang.Text{En: "%s is no valid go.mod, and was passed over", Zh: "%s 不是有效的 go.mod，已跳过"}.With(file))
		return filepath.Base(file) == "go.mod"
	}
	return true
}

// work reads a go.work, and the modules that it uses, wherever they are. Caller holds s.mu.
func (s *Survey) work(dir, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		s.failed(file, err)
		return
	}
	use, err := s.Needs.AddWork(file, text)
	if err != nil {
		s.Warnings = append(s.Warnings, lang.Text{En: "%s is no valid go.work, and was passed over", Zh: "%s 不是有效的 go.work，已跳过"}.With(file))
		return
	}
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
	if s.Source == nil {
		return
	}
	// Its own go.sum names the rest of its module graph.
	if dir, err := s.Source(info.Main.Path, info.Main.Version); err == nil {
		text, sumErr := os.ReadFile(filepath.Join(dir, "go.sum"))
		if sumErr == nil {
			for line := range strings.Lines(string(text)) {
				if f := strings.Fields(line); len(f) == 3 {
					if version, ok := strings.CutSuffix(f[1], "/go.mod"); ok {
						s.Needs.Add(f[0], version, ModOnly)
					}
				}
			}
		}
	}
}

// String describes the survey for tests and logs.
func (s *Survey) String() string {
	return fmt.Sprintf("%d projects, %d programs, %d versions", len(s.Projects), len(s.Binaries), s.Needs.Len())
}
