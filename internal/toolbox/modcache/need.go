package modcache

import (
	"bytes"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// A Need says how much of a version is needed.
type Need int

// The needs.
const (
	Nothing Need = iota
	ModOnly      // .mod and .info: the module graph is computed from them
	All          // the zip and what is unpacked of it, too
)

// String returns the need as --json has it.
func (n Need) String() string { return [...]string{"no", "mod", "yes"}[n] }

// Needs are the versions that projects need. The zero value is ready.
type Needs struct {
	versions   map[module.Version]Need
	toolchains map[string]bool // such as "go1.26.1"
}

// Of returns what is needed of a version.
func (n *Needs) Of(v Version) Need {
	if name := v.Toolchain(); name != "" && n.toolchains[name] {
		return All
	}
	return n.versions[module.Version{Path: v.Path, Version: v.Version}]
}

// Len returns how many versions are needed, toolchains not counted.
func (n *Needs) Len() int { return len(n.versions) }

// Add notes that a version is needed.
func (n *Needs) Add(path, version string, need Need) {
	if version == "" {
		return // a folder
	}
	if n.versions == nil {
		n.versions = make(map[module.Version]Need)
	}
	v := module.Version{Path: path, Version: version}
	n.versions[v] = max(n.versions[v], need)
}

// AddToolchain notes that a toolchain is needed: "go1.26.1", or as go.mod has it "1.26.1".
func (n *Needs) AddToolchain(name string) {
	if name == "" || name == "default" || name == "local" {
		return
	}
	if !strings.HasPrefix(name, "go") {
		name = "go" + name
	}
	if n.toolchains == nil {
		n.toolchains = make(map[string]bool)
	}
	n.toolchains[name] = true
}

// AddSum notes what a go.sum or go.work.sum names: a line with /go.mod needs the
// .mod, any other all of the version. It reports whether the text has any such line.
func (n *Needs) AddSum(text []byte) bool {
	found := false
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) != 3 || !strings.HasPrefix(f[2], "h1:") {
			continue
		}
		found = true
		if version, ok := strings.CutSuffix(f[1], "/go.mod"); ok {
			n.Add(f[0], version, ModOnly)
		} else {
			n.Add(f[0], f[1], All)
		}
	}
	return found
}

// AddMod notes what a go.mod names: its toolchains; the .mod of what it requires,
// and of what takes the place of that. Without a go.sum beside it nobody says which
// zips are needed: then all of whatever can be reached from it is, as far as its
// .mod is there for readMod to find.
func (n *Needs) AddMod(name string, text []byte, hasSum bool, readMod func(path, version string) ([]byte, error)) error {
	f, err := modfile.Parse(name, text, nil)
	if err != nil {
		if f, err = modfile.ParseLax(name, text, nil); err != nil {
			return err
		}
	}
	if f.Go != nil {
		n.AddToolchain(f.Go.Version)
	}
	if f.Toolchain != nil {
		n.AddToolchain(f.Toolchain.Name)
	}
	var named []module.Version
	for _, r := range f.Require {
		named = append(named, r.Mod)
	}
	for _, r := range f.Replace {
		named = append(named, r.New)
	}
	if !hasSum {
		n.reach(named, readMod)
		return nil
	}
	for _, m := range named {
		n.Add(m.Path, m.Version, ModOnly)
	}
	return nil
}

// AddWork notes the toolchains of a go.work, and what takes the place of other
// modules. It returns the folders of the modules that it uses.
func (n *Needs) AddWork(name string, text []byte) (use []string, err error) {
	f, err := modfile.ParseWork(name, text, nil)
	if err != nil {
		return nil, err
	}
	if f.Go != nil {
		n.AddToolchain(f.Go.Version)
	}
	if f.Toolchain != nil {
		n.AddToolchain(f.Toolchain.Name)
	}
	for _, r := range f.Replace {
		n.Add(r.New.Path, r.New.Version, ModOnly)
	}
	for _, u := range f.Use {
		use = append(use, u.Path)
	}
	return use, nil
}

// reach notes all that can be reached from some modules.
func (n *Needs) reach(from []module.Version, readMod func(path, version string) ([]byte, error)) {
	seen := make(map[module.Version]bool)
	for len(from) > 0 {
		m := from[len(from)-1]
		from = from[:len(from)-1]
		if m.Version == "" || seen[m] {
			continue
		}
		seen[m] = true
		n.Add(m.Path, m.Version, All)
		text, err := readMod(m.Path, m.Version)
		if err != nil {
			continue // what is not there needs nothing
		}
		f, err := modfile.ParseLax("go.mod", text, nil)
		if err != nil {
			continue
		}
		for _, r := range f.Require {
			from = append(from, r.Mod)
		}
	}
}
