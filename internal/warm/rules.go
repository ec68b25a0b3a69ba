package warm

import (
	"encoding/json"
	"strings"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// What a client asks for says what it will ask for next. Seen of go 1.26:
//
//   - "go mod download" with a complete go.sum asks for all .mod files, then
//     for all .info files of the versions selected, then for their zips, in one order.
//   - "go get M@V" asks for M's .info and its zip, before any .mod; then for the
//     zips of what M's packages import, each with its .mod; then for the .mod
//     files of the module graph; at the end for the lists of the modules whose
//     packages are used, and the .info and .mod of the latest version.

// A memory is what is remembered of what one client asked for.
type memory struct {
	seen        map[godown.Request]bool
	mods        map[string]string // by module path, the highest version whose .mod was asked for
	order       []string          // the keys of mods, as they came
	infos       map[string]string // by module path, the last version whose .info was asked for
	lists       map[string]bool   // module paths whose list was asked for
	downloading bool              // .info files are asked for after .mod files, as for a download of all modules
}

func newMemory() memory {
	return memory{seen: make(map[godown.Request]bool), mods: make(map[string]string), infos: make(map[string]string), lists: make(map[string]bool)}
}

// note notes a request, and calls ahead for what should be fetched because of it.
func (m *memory) note(req godown.Request, ahead func(req godown.Request, root bool)) {
	if len(m.seen) >= maxSeen {
		*m = newMemory() // no build asks for so many
	}
	m.seen[req] = true
	path, version := req.Path, req.Version
	file := func(kind godown.Kind) godown.Request {
		return godown.Request{Kind: kind, Path: path, Version: version}
	}
	switch req.Kind {
	case godown.List:
		m.lists[path] = true
	case godown.Mod:
		old, known := m.mods[path]
		if !known {
			m.order = append(m.order, path)
		}
		if !known || semver.Compare(version, old) > 0 {
			m.mods[path] = version
		}
	case godown.Info:
		if !req.Fixed() {
			return
		}
		m.infos[path] = version
		if m.lists[path] {
			ahead(file(godown.Mod), false) // it looks whether there is something newer, or was retracted
			return
		}
		ahead(file(godown.Zip), false)
		if m.mods[path] == version && !m.downloading {
			m.downloading = true
			for _, p := range m.order {
				ahead(godown.Request{Kind: godown.Info, Path: p, Version: m.mods[p]}, false)
			}
		}
	case godown.Zip:
		if m.infos[path] == version && m.mods[path] != version {
			ahead(file(godown.Mod), true) // it is added
		}
	}
}

// follows returns what will be asked for because of the content of a file. deep
// says that this is so even if the client has not asked for the file yet: what
// a module without graph pruning requires is part of each graph that it is in.
func follows(req godown.Request, data []byte) (next []godown.Request, deep bool) {
	if len(data) > maxRead {
		return nil, false
	}
	switch req.Kind {
	case godown.Mod:
		f, err := modfile.ParseLax("go.mod", data, nil)
		if err != nil {
			return nil, false
		}
		for _, r := range f.Require {
			if module.Check(r.Mod.Path, r.Mod.Version) == nil {
				next = append(next, godown.Request{Kind: godown.Mod, Path: r.Mod.Path, Version: r.Mod.Version})
			}
		}
		return next, f.Go == nil || semver.Compare("v"+f.Go.Version, "v1.17") < 0
	case godown.List:
		if v := highest(strings.Fields(string(data))); v != "" {
			next = append(next,
				godown.Request{Kind: godown.Info, Path: req.Path, Version: v},
				godown.Request{Kind: godown.Mod, Path: req.Path, Version: v})
		} else {
			next = append(next, godown.Request{Kind: godown.Latest, Path: req.Path}) // it has no tagged version
		}
		return next, true
	case godown.Info, godown.Latest:
		// The version that a query stands for.
		var info struct{ Version string }
		if !req.Fixed() && json.Unmarshal(data, &info) == nil && module.Check(req.Path, info.Version) == nil {
			next = append(next, godown.Request{Kind: godown.Mod, Path: req.Path, Version: info.Version})
		}
		return next, true
	}
	return nil, false
}

// maxRead is the largest file that is looked at for what follows from it: real
// ones are far smaller, and it is clients and mirrors who choose them.
const maxRead = 1 << 20

// highest returns the latest of some versions: the highest release, or else the
// highest pre-release.
func highest(versions []string) string {
	var release, pre string
	for _, v := range versions {
		switch {
		case !semver.IsValid(v) || module.IsPseudoVersion(v):
		case semver.Prerelease(v) == "" && (release == "" || semver.Compare(v, release) > 0):
			release = v
		case semver.Prerelease(v) != "" && (pre == "" || semver.Compare(v, pre) > 0):
			pre = v
		}
	}
	if release != "" {
		return release
	}
	return pre
}

// ofRoot returns what will be asked for when a module is added whose .mod
// requires what next is about: the zips of nearly all of it, as a module with graph pruning
// lists all that its packages need; and the lists, to see whether there is something newer.
func ofRoot(root godown.Request, next []godown.Request) []godown.Request {
	list := []godown.Request{{Kind: godown.List, Path: root.Path}}
	for _, kind := range []godown.Kind{godown.Zip, godown.Mod, godown.List} {
		for _, r := range next {
			r.Kind = kind
			if kind == godown.List {
				r.Version = ""
			}
			list = append(list, r)
		}
	}
	return list
}
