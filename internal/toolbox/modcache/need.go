package modcache

import (
	"bytes"
	"iter"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
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
	for m, need := range sumLines(text) {
		found = true
		n.Add(m.Path, m.Version, need)
	}
	return found
}

// sumLines yields what the lines of a go.sum name, whatever kind of hash they have.
func sumLines(text []byte) iter.Seq2[module.Version, Need] {
	return func(yield func(module.Version, Need) bool) {
		for line := range bytes.Lines(text) {
			f := strings.Fields(string(line))
			if len(f) != 3 {
				continue
			}
			version, isMod := strings.CutSuffix(f[1], "/go.mod")
			need := All
			if isMod {
				need = ModOnly
			}
			if semver.IsValid(version) && !yield(module.Version{Path: f[0], Version: version}, need) {
				return
			}
		}
	}
}

// AddMod notes what a go.mod and the go.sum beside it name: toolchains, what the
// go.sum says, and the .mod of what is required or takes the place of that. What the
// go.sum says nothing of, or all if there is none, is needed with whatever can be
// reached from it, as far as its .mod is there for readMod to find: nobody else says
// which zips are. Of a text that is no go.mod, which is an error, everything that
// looks like a version of a module is taken: there may be a merge under way.
func (n *Needs) AddMod(name string, text, sum []byte, readMod func(path, version string) ([]byte, error)) error {
	n.AddSum(sum)
	inSum := make(map[module.Version]bool)
	for m := range sumLines(sum) {
		inSum[m] = true
	}
	var named, unknown []module.Version
	f, err := modfile.Parse(name, text, nil)
	if err != nil {
		_, err = modfile.ParseLax(name, text, nil) // of a later Go: its replacements are not to be had that way
		named = n.salvage(text)
	} else {
		n.addTools(f.Go, f.Toolchain)
		for _, r := range f.Require {
			if isReplaced(f.Replace, r.Mod) {
				n.Add(r.Mod.Path, r.Mod.Version, ModOnly)
			} else {
				named = append(named, r.Mod)
			}
		}
		for _, r := range f.Replace {
			named = append(named, r.New)
		}
	}
	for _, m := range named {
		if inSum[m] {
			n.Add(m.Path, m.Version, ModOnly)
		} else {
			unknown = append(unknown, m)
		}
	}
	n.reach(unknown, All, readMod)
	return err
}

func isReplaced(list []*modfile.Replace, m module.Version) bool {
	return slices.ContainsFunc(list, func(r *modfile.Replace) bool {
		return r.Old.Path == m.Path && (r.Old.Version == "" || r.Old.Version == m.Version)
	})
}

func (n *Needs) addTools(g *modfile.Go, t *modfile.Toolchain) {
	if g != nil {
		n.AddToolchain(g.Version)
	}
	if t != nil {
		n.AddToolchain(t.Name)
	}
}

// salvage returns the versions of modules that a text names that cannot be parsed,
// and notes the toolchains.
func (n *Needs) salvage(text []byte) []module.Version {
	var found []module.Version
	for line := range bytes.Lines(text) {
		f := strings.Fields(strings.NewReplacer(`"`, "", "`", "").Replace(string(line)))
		for i := range len(f) - 1 {
			switch {
			case i == 0 && (f[0] == "go" || f[0] == "toolchain"):
				n.AddToolchain(f[1])
			case semver.IsValid(f[i+1]) && module.CheckPath(f[i]) == nil:
				found = append(found, module.Version{Path: f[i], Version: f[i+1]})
			}
		}
	}
	return found
}

// AddWork notes the toolchains of a go.work, and what takes the place of other
// modules. It returns the folders of the modules that it uses. As for AddMod, of a text
// that is no go.work, which is an error, everything is taken that looks like it.
func (n *Needs) AddWork(name string, text []byte) (use []string, err error) {
	f, err := modfile.ParseWork(name, text, nil)
	if err != nil {
		for _, m := range n.salvage(text) {
			n.Add(m.Path, m.Version, ModOnly)
		}
		for line := range bytes.Lines(text) {
			words := strings.Fields(strings.NewReplacer(`"`, "", "`", "").Replace(string(line)))
			if len(words) > 1 && words[0] == "use" {
				words = words[1:]
			}
			if len(words) > 0 && modfile.IsDirectoryPath(words[0]) {
				use = append(use, words[0])
			}
		}
		return use, err
	}
	n.addTools(f.Go, f.Toolchain)
	for _, r := range f.Replace {
		n.Add(r.New.Path, r.New.Version, ModOnly)
	}
	for _, u := range f.Use {
		use = append(use, u.Path)
	}
	return use, nil
}

// reach notes that some modules are needed, and all that can be reached from them.
func (n *Needs) reach(from []module.Version, need Need, readMod func(path, version string) ([]byte, error)) {
	seen := make(map[module.Version]bool)
	for len(from) > 0 {
		m := from[len(from)-1]
		from = from[:len(from)-1]
		if m.Version == "" || seen[m] {
			continue
		}
		seen[m] = true
		n.Add(m.Path, m.Version, need)
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
