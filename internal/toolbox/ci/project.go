package ci

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// A Project is what was found of one in its files.
type Project struct {
	Dir      string   // the folder of go.work, or of go.mod
	Sub      string   // Dir seen from the root of its repository, with "/"; "." if it is that
	Work     bool     // there is a go.work
	WorkSum  bool     // there is a go.work.sum
	Modules  []Module // the main module, or those of the workspace
	Mains    []string // the main packages, as ./cmd/x, seen from Dir
	CGO      bool     // a file of the program imports "C", or a module does that is nothing without
	CModules []string // those modules
	TestCGO  bool     // one of a test does
	Vendor   bool     // there is a vendor folder: nothing is downloaded
	Requires []string // the paths of all modules that are required
	Missing  []string // files that are here, but that a checkout would not have: they are not counted
}

// A Module is a main module.
type Module struct {
	Dir       string // seen from the project's, with "/"
	Path      string
	Go        string // its go line, such as "1.24.0"; "" if there is none
	Toolchain string // its toolchain line without "go"; "" if there is none
	Sum       bool   // there is a go.sum
	Local     bool   // a replacement is a folder: go.mod alone does not do for a download
	Outside   bool   // such a folder is not in the project
}

// Detect finds the project of a folder: that of the go.work or, without one, the
// go.mod that stands in it or nearest above. gowork is the setting GOWORK: a file, "off", or "".
func Detect(dir, gowork string) (*Project, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	mod, work := above(dir, "go.mod"), above(dir, "go.work")
	switch {
	case gowork == "off":
		work = ""
	case gowork != "":
		work = gowork
	}
	p := &Project{Sub: "."}
	top := above(dir, ".git")
	if top != "" {
		top = filepath.Dir(top)
	}
	if work != "" && mod != "" && !inCheckout(top, work) {
		// Most keep go.work for themselves: beside several clones, or in .gitignore.
		p.Missing, work = append(p.Missing, "go.work"), ""
	}
	switch {
	case work != "":
		p.Dir, p.Work = filepath.Dir(work), true
		err = p.readWork(work, mod)
	case mod != "":
		p.Dir = filepath.Dir(mod)
		err = p.readModule(".")
	default:
		return nil, wrong("there is no go.mod in %s or above; start it in a Go project", "%s 及其上级目录里都没有 go.mod；请在 Go 项目里运行", dir)
	}
	if err != nil {
		return nil, err
	}
	if top != "" {
		if sub, err := filepath.Rel(top, p.Dir); err == nil && filepath.IsLocal(sub) {
			p.Sub = filepath.ToSlash(sub)
		}
	}
	if !plainPath(p.Sub) {
		return nil, wrong("the folder %q has a name that would have to be quoted differently in each file; give it a plain one", "目录名 %q 含有特殊字符，各种文件里的引用规则不同；请改成普通的名字", p.Sub)
	}
	if vendor := filepath.Join(p.Dir, "vendor"); exists(filepath.Join(vendor, "modules.txt")) {
		if p.Vendor = inCheckout(top, vendor); !p.Vendor {
			p.Missing = append(p.Missing, "vendor")
		}
	}
	p.WorkSum = p.Work && exists(filepath.Join(p.Dir, "go.work.sum"))
	slices.Sort(p.Requires)
	p.Requires = slices.Compact(p.Requires)
	return p, p.scan()
}

// above returns the file of a name in dir or the nearest folder above, or "".
func above(dir, name string) string {
	for {
		if file := filepath.Join(dir, name); exists(file) {
			return file
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// readWork reads a go.work. It has to use the module that mod is the go.mod of, if there is one.
func (p *Project) readWork(name, mod string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("the workspace: %w", err)
	}
	f, err := modfile.ParseWork(name, data, nil)
	if err != nil {
		return fmt.Errorf("the workspace: %w", err)
	}
	for _, use := range f.Use {
		dir := path.Clean(filepath.ToSlash(use.Path))
		if !local(dir) {
			return wrong("%s uses %s, which is outside of %s: a checkout or a build context would not have it", "%s 引用了 %s，它在 %s 之外：检出的代码或构建上下文里不会有它", name, use.Path, p.Dir)
		}
		if err := p.readModule(dir); err != nil {
			return err
		}
	}
	if len(p.Modules) == 0 {
		return wrong("%s uses no module", "%s 没有引用任何模块", name)
	}
	if rel, err := filepath.Rel(p.Dir, filepath.Dir(mod)); mod != "" && err == nil && filepath.IsLocal(rel) &&
		!slices.ContainsFunc(p.Modules, func(m Module) bool { return m.Dir == filepath.ToSlash(rel) }) {
		return wrong("%s does not use the module in %s, which the go command would not build: 'go work use' adds it, and GOWORK=off leaves the workspace out", "%s 没有引用 %s 里的模块，go 命令不会构建它：用 go work use 把它加进去，或设 GOWORK=off 不用工作区", name, filepath.ToSlash(rel))
	}
	if f.Go != nil {
		p.Modules[0].Go = later(p.Modules[0].Go, f.Go.Version)
	}
	if f.Toolchain != nil {
		p.Modules[0].Toolchain = later(p.Modules[0].Toolchain, strings.TrimPrefix(f.Toolchain.Name, "go"))
	}
	return nil
}

func (p *Project) readModule(dir string) error {
	name := filepath.Join(p.Dir, filepath.FromSlash(dir), "go.mod")
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("the module in %s: %w", dir, err)
	}
	f, err := modfile.Parse(name, data, nil)
	if err != nil {
		return err
	}
	if f.Module == nil {
		return wrong("%s does not say which module it is", "%s 没有 module 一行", name)
	}
	if !plainPath(dir) {
		return wrong("the folder %q of a module has a name that would have to be quoted differently in each file; give it a plain one", "模块目录 %q 的名字含有特殊字符，各种文件里的引用规则不同；请改成普通的名字", dir)
	}
	m := Module{Dir: dir, Path: f.Module.Mod.Path, Sum: exists(filepath.Join(filepath.Dir(name), "go.sum"))}
	if f.Go != nil {
		m.Go = f.Go.Version
	}
	if f.Toolchain != nil && f.Toolchain.Name != "default" {
		m.Toolchain = strings.TrimPrefix(f.Toolchain.Name, "go")
	}
	for _, r := range f.Replace {
		if r.New.Version == "" {
			m.Local = true
			m.Outside = m.Outside || !local(path.Join(dir, filepath.ToSlash(r.New.Path)))
		} else {
			p.Requires = append(p.Requires, r.New.Path)
		}
	}
	for _, r := range f.Require {
		p.Requires = append(p.Requires, r.Mod.Path)
		if !r.Indirect {
			p.needC(r.Mod.Path)
		}
	}
	p.Modules = append(p.Modules, m)
	return nil
}

// needC notes a required module that compiles without C, but then fails when it is used.
func (p *Project) needC(name string) {
	prefix, _, _ := module.SplitPathVersion(name)
	if slices.Contains([]string{
		"github.com/mattn/go-sqlite3", "gorm.io/driver/sqlite", "github.com/confluentinc/confluent-kafka-go", "github.com/godror/godror",
		"github.com/marcboeker/go-duckdb", "github.com/linxGnu/grocksdb", "gocv.io/x/gocv", "github.com/h2non/bimg", "github.com/DataDog/zstd", "github.com/veandco/go-sdl2",
	}, prefix) && !slices.Contains(p.CModules, name) {
		p.CModules = append(p.CModules, name)
		p.CGO, p.TestCGO = true, true
	}
}

func local(dir string) bool { return filepath.IsLocal(filepath.FromSlash(dir)) || dir == "." }

// plainPath reports whether a relative path is the same in a shell, YAML, Groovy and a Dockerfile.
func plainPath(dir string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_.+/-]*$`).MatchString(dir) && local(dir)
}

// scan looks for main packages and for "C", as "./..." would: without vendor,
// testdata, what begins with "." or "_", and modules that are not the project's.
func (p *Project) scan() error {
	fset := token.NewFileSet()
	mains := make(map[string]bool)
	ignored := regexp.MustCompile(`^//go:build .*\bignore\b`)
	for _, m := range p.Modules {
		root := filepath.Join(p.Dir, filepath.FromSlash(m.Dir))
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				if name != root && errors.Is(err, fs.ErrPermission) {
					return fs.SkipDir
				}
				return err
			}
			base := d.Name()
			if d.IsDir() {
				if name != root && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "vendor" || exists(filepath.Join(name, "go.mod"))) {
					return fs.SkipDir
				}
				return nil
			}
			if !strings.HasSuffix(base, ".go") || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || !d.Type().IsRegular() {
				return nil
			}
			f, err := parser.ParseFile(fset, name, nil, parser.ImportsOnly|parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil // the go command will say so itself
			}
			for _, c := range f.Comments {
				for _, line := range c.List {
					if line.Pos() < f.Package && ignored.MatchString(line.Text) {
						return nil
					}
				}
			}
			test := strings.HasSuffix(base, "_test.go")
			for _, s := range f.Imports {
				if s.Path.Value == `"C"` {
					p.CGO = p.CGO || !test
					p.TestCGO = true
				}
			}
			rel, err := filepath.Rel(p.Dir, filepath.Dir(name))
			if err != nil {
				return err
			}
			if rel = filepath.ToSlash(rel); f.Name.Name == "main" && !test && plainPath(rel) {
				mains[rel] = true
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("looking for main packages: %w", err)
		}
	}
	for rel := range mains {
		if rel != "." {
			rel = "./" + rel
		}
		p.Mains = append(p.Mains, rel)
	}
	// A program in cmd is what is shipped, rather than an example or a tool.
	slices.SortFunc(p.Mains, func(a, b string) int {
		rank := func(s string) string {
			switch first, _, _ := strings.Cut(strings.TrimPrefix(s, "./"), "/"); {
			case s == ".":
				return "0"
			case strings.Contains(s, "/cmd/"):
				return "1" + s
			case first == "example", first == "examples", first == "tools", first == "internal", first == "hack", first == "scripts":
				return "3" + s
			}
			return "2" + s
		}
		return strings.Compare(rank(a), rank(b))
	})
	return nil
}

// binary returns what "go build" would call the program of a main package.
func (p *Project) binary(pkg string) string {
	rel := strings.TrimPrefix(pkg, "./")
	for _, m := range p.Modules {
		if rel == m.Dir || rel == "." && m.Dir == "." {
			prefix, _, _ := module.SplitPathVersion(m.Path)
			rel = prefix
		}
	}
	if name := path.Base(rel); plainPath(name) {
		return name
	}
	return "app"
}

// privates returns the patterns of set that concern the project, and the hosts
// of required modules that nobody outside can reach.
func (p *Project) privates(set string) (patterns, hosts []string) {
	for pattern := range strings.SplitSeq(set, ",") {
		concerns := func(path string) bool { return module.MatchPrefixPatterns(pattern, path) }
		own := slices.ContainsFunc(p.Modules, func(m Module) bool { return concerns(m.Path) })
		if pattern = strings.TrimSpace(pattern); pattern != "" && (own || slices.ContainsFunc(p.Requires, concerns)) {
			patterns = append(patterns, pattern)
		}
	}
	inner := regexp.MustCompile(`\.(internal|local|localdomain|lan|intranet|intra|corp|private|home|home\.arpa)$`)
	for _, name := range p.Requires {
		host, _, _ := strings.Cut(name, "/")
		if inner.MatchString(host) && !module.MatchPrefixPatterns(strings.Join(patterns, ","), name) && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return patterns, hosts
}

// suspects returns hosts whose names look like a company's own git server, but need not be one.
func (p *Project) suspects(private []string) []string {
	var hosts []string
	public := []string{"gitlab.com", "gitee.com", "gitea.com", "git.sr.ht", "gitea.io", "gitlab.freedesktop.org", "git.apache.org"}
	for _, name := range p.Requires {
		host, _, _ := strings.Cut(name, "/")
		first, _, _ := strings.Cut(host, ".")
		if !regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?$`).MatchString(host) {
			continue // no host, and nothing for a terminal
		}
		if slices.Contains([]string{"git", "gitlab", "gitea", "gerrit", "stash", "bitbucket", "forgejo"}, first) && host != "bitbucket.org" &&
			!slices.Contains(public, host) && !slices.Contains(hosts, host) && !module.MatchPrefixPatterns(strings.Join(private, ","), name) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
