package warm

import (
	"bytes"
	"errors"
	"go/version"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/godown-dev/godown"
)

// A Project is what a command will want to download for the modules around it.
type Project struct {
	Files []godown.Request // .mod files, those of versions with a .zip first, then .info and .zip; none twice

	// Main and Dir are for [BuildList], where a go.sum does not tell enough.
	Main *modfile.File // the go.mod; nil in a workspace, or if nothing is wanted or it cannot be parsed
	Dir  string        // the folder of the go.mod or go.work that was found
}

// ReadProject returns what c will want, as its go.mod, go.sum, go.work and
// go.work.sum tell: nothing where there is no go.mod, where a vendor folder is
// used, or if it is a go command that downloads nothing of the project. A
// command other than go may call `go build`, and is taken for it.
//
// Of the .mod files it is all that the sums name. Which .zip files it is
// depends on the command, see [appetite]. What cannot be read or parsed is left
// out, and told by the error; the go command will complain by itself.
func ReadProject(c Command) (*Project, error) {
	p, bad := new(Project), new(problems)
	inv, err := parseCommand(c)
	if err != nil || inv.wants == wantsNothing || inv.env("GO111MODULE") == "off" {
		return p, err
	}
	if files, only := inv.downloads(); only {
		p.Files = files
		return p, nil
	}
	m := inv.findModules(bad)
	if m == nil || inv.usesVendor(m) || inv.name == "tool" && !m.hasTool(inv.operands) {
		return p, bad.err()
	}
	p.Dir = m.dir
	if m.work == nil && len(m.mains) == 1 {
		p.Main = m.mains[0]
	}
	p.Files = m.files(inv, m.readSums(bad))
	return p, bad.err()
}

// A mainSet is a main module, or the modules of a workspace.
type mainSet struct {
	dir      string            // of the go.mod or go.work
	work     *modfile.WorkFile // nil outside a workspace
	mains    []*modfile.File   // those that could be parsed
	sums     []string          // the names of the go.sum files; in a workspace go.work.sum is the last
	complete bool              // each go.mod lists all that its packages need
	own      map[string]bool   // the paths of the main modules
	required map[string]string // the highest version that a go.mod requires, by path
	replace  map[module.Version]module.Version
}

// findModules reads the go.work or go.mod files, or returns nil if there are
// none, or if the go command will refuse to go on.
func (inv *invocation) findModules(bad *problems) *mainSet {
	m := &mainSet{
		complete: true,
		own:      make(map[string]bool),
		required: make(map[string]string),
		replace:  make(map[module.Version]module.Version),
	}
	if file := inv.findWork(); file != "" {
		if inv.modfile != "" || inv.name == "mod vendor" {
			return nil
		}
		m.dir = filepath.Dir(file)
		m.readWork(file, bad)
		m.sums = append(m.sums, file+".sum")
	} else {
		if m.dir = findUp(inv.dir, "go.mod"); m.dir == "" || m.dir == filepath.Clean(os.TempDir()) {
			return nil // the go command ignores a go.mod that lies in the folder for temporary files itself
		}
		file := filepath.Join(m.dir, "go.mod")
		if inv.modfile != "" {
			if file = inv.modfile; filepath.Ext(file) != ".mod" {
				return nil
			}
			if !filepath.IsAbs(file) {
				file = filepath.Join(inv.dir, file)
			}
		}
		m.readMain(file, bad)
	}
	m.require()
	return m
}

// readWork reads a go.work and the go.mod files that it uses.
func (m *mainSet) readWork(file string, bad *problems) {
	m.work = new(modfile.WorkFile)
	data, err := os.ReadFile(file)
	if err == nil {
		var work *modfile.WorkFile
		if work, err = modfile.ParseWork(file, data, nil); err == nil {
			m.work = work
		}
	}
	if err != nil {
		bad.add(err)
		m.complete = false
	}
	for _, use := range m.work.Use {
		dir := filepath.FromSlash(use.Path)
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(m.dir, dir)
		}
		m.readMain(filepath.Join(dir, "go.mod"), bad)
	}
}

// readMain reads a go.mod. Without one that can be parsed, its go.sum counts
// all the same.
func (m *mainSet) readMain(file string, bad *problems) {
	m.sums = append(m.sums, strings.TrimSuffix(file, ".mod")+".sum")
	data, err := os.ReadFile(file)
	if err == nil {
		var f *modfile.File
		if f, err = modfile.Parse(file, data, nil); err == nil {
			m.mains = append(m.mains, f)
			m.complete = m.complete && isPruned(f)
			return
		}
	}
	bad.add(err)
	m.complete = false
}

// require collects what the go.mod files require and replace. A replacement of
// go.work is in place of all that a go.mod has for that module.
func (m *mainSet) require() {
	overridden := make(map[string]bool)
	if m.work != nil {
		for _, r := range m.work.Replace {
			overridden[r.Old.Path] = true
			m.replace[r.Old] = r.New
		}
	}
	excluded := make(map[module.Version]bool)
	for _, f := range m.mains {
		if f.Module != nil {
			m.own[f.Module.Mod.Path] = true
		}
		for _, x := range f.Exclude {
			excluded[x.Mod] = true
		}
		for _, r := range f.Replace {
			if !overridden[r.Old.Path] {
				m.replace[r.Old] = r.New
			}
		}
	}
	for _, f := range m.mains {
		for _, q := range f.Require {
			if !excluded[q.Mod] && !m.own[q.Mod.Path] {
				raise(m.required, q.Mod)
			}
		}
	}
}

// actual returns what is downloaded in place of v: v, another version, or
// nothing, without a Version, for a folder.
func (m *mainSet) actual(v module.Version) module.Version {
	if to, ok := m.replace[v]; ok {
		return to
	}
	if to, ok := m.replace[module.Version{Path: v.Path}]; ok {
		return to
	}
	return v
}

// hasTool reports whether a go.mod has a tool of the name that comes first.
func (m *mainSet) hasTool(operands []string) bool {
	for _, f := range m.mains {
		for _, t := range f.Tool {
			name := path.Base(t.Path)
			if prefix, _, ok := module.SplitPathVersion(t.Path); ok && prefix != t.Path && strings.HasPrefix(name, "v") {
				name = path.Base(prefix)
			}
			if len(operands) > 0 && (operands[0] == t.Path || operands[0] == name) {
				return true
			}
		}
	}
	return false
}

// usesVendor reports whether the go command takes packages from a vendor folder.
func (inv *invocation) usesVendor(m *mainSet) bool {
	if !inv.vendors || inv.mod != "" {
		return inv.vendors && inv.mod == "vendor"
	}
	since := ""
	if m.work != nil && m.work.Go != nil {
		since = m.work.Go.Version
	} else if m.work == nil && len(m.mains) == 1 && m.mains[0].Go != nil {
		since = m.mains[0].Go.Version
	}
	dir := filepath.Join(m.dir, "vendor")
	if since == "" || version.Compare("go"+since, "go1.14") < 0 || !isFolder(dir) {
		return false
	}
	list, err := os.ReadFile(filepath.Join(dir, "modules.txt"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return true
	}
	first, _, _ := bytes.Cut(list, []byte("\n"))
	notes, _ := strings.CutPrefix(string(first), "## ")
	ofWork := notes != string(first) && slices.ContainsFunc(strings.Split(notes, ";"), func(s string) bool {
		return strings.TrimSpace(s) == "workspace"
	})
	return ofWork == (m.work != nil)
}

// A sumSet is what the go.sum files of a project name.
type sumSet struct {
	mods    []module.Version
	listed  map[module.Version]bool // has a .zip
	highest map[string]string       // the highest version of each path with a .zip
	top     map[string]string       // the highest version of each path
	shared  map[string]string       // the highest with a .zip in go.work.sum
}

func (m *mainSet) readSums(bad *problems) *sumSet {
	s := &sumSet{
		listed:  make(map[module.Version]bool),
		highest: make(map[string]string),
		top:     make(map[string]string),
		shared:  make(map[string]string),
	}
	seen := make(map[godown.Request]bool)
	for i, name := range m.sums {
		in, err := os.Open(name)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				bad.add(err)
			}
			continue
		}
		list, err := ParseList(in, name)
		in.Close()
		if err != nil {
			bad.add(err)
		}
		for _, f := range list.Files {
			v := module.Version{Path: f.Path, Version: f.Version}
			raise(s.top, v)
			if f.Kind == godown.Zip {
				raise(s.highest, v)
				if m.work != nil && i == len(m.sums)-1 {
					raise(s.shared, v)
				}
			}
			if seen[f] {
				continue
			}
			seen[f] = true
			switch f.Kind {
			case godown.Mod:
				s.mods = append(s.mods, v)
			case godown.Zip:
				s.listed[v] = true
			}
		}
	}
	return s
}

// raise sets the version of a path if it is higher than the one there is.
func raise(versions map[string]string, v module.Version) {
	if old, ok := versions[v.Path]; !ok || semver.Compare(old, v.Version) < 0 {
		versions[v.Path] = v.Version
	}
}

// files returns what is wanted.
func (m *mainSet) files(inv *invocation, s *sumSet) []godown.Request {
	used := m.used(inv, s)
	var files []godown.Request
	seen := make(map[module.Version]bool)
	for i, v := range slices.Concat(used, s.mods) {
		if !seen[v] && (i < len(used) || m.inUse(v)) {
			seen[v] = true
			files = append(files, godown.Request{Kind: godown.Mod, Path: v.Path, Version: v.Version})
		}
	}
	for _, v := range used {
		if inv.wants != wantsTests && inv.name != "generate" { // these do not look at versions' times
			files = append(files, godown.Request{Kind: godown.Info, Path: v.Path, Version: v.Version})
		}
		if inv.wants != wantsInfos {
			files = append(files, godown.Request{Kind: godown.Zip, Path: v.Path, Version: v.Version})
		}
	}
	return files
}

// inUse reports whether a version can be downloaded: it is not replaced, or it
// replaces another.
func (m *mainSet) inUse(v module.Version) bool {
	if m.actual(v) == v {
		return true
	}
	for _, to := range m.replace {
		if to == v {
			return true
		}
	}
	return false
}

// used returns the versions of which more than the .mod is wanted, see [appetite].
func (m *mainSet) used(inv *invocation, s *sumSet) []module.Version {
	if inv.wants == wantsGraph {
		return nil
	}
	whole := inv.wants == wantsInfos || inv.wants == wantsAll || inv.wants == wantsDownload && (m.work != nil || !m.complete)
	// A go.sum has no .zip of a module without a package that is needed; the
	// go command passes it over. Where it may write sums there need be none yet.
	unlisted := whole || inv.wants == wantsDownload || inv.updates && len(s.listed) == 0
	var used []module.Version
	taken := make(map[module.Version]bool)
	take := func(v module.Version) {
		to := m.actual(v)
		if m.own[v.Path] || !inv.picks(v.Path) || to.Version == "" || taken[to] || !unlisted && !s.listed[to] {
			return
		}
		taken[to] = true
		used = append(used, to)
	}
	for _, path := range slices.Sorted(maps.Keys(m.required)) {
		v := module.Version{Path: path, Version: m.required[path]}
		if w, ok := s.shared[path]; ok && semver.Compare(w, v.Version) > 0 {
			v.Version = w // together, the modules of a workspace may need a higher one than each alone
		}
		take(v)
	}
	if m.complete && !whole && inv.wants != wantsTests {
		return used // other lines are for tests of dependencies, or stale
	}
	rest := s.highest
	if whole {
		rest = s.top
	}
	for _, path := range slices.Sorted(maps.Keys(rest)) {
		if v := (module.Version{Path: path, Version: rest[path]}); m.required[path] == "" && m.inUse(v) {
			take(v)
		}
	}
	return used
}
