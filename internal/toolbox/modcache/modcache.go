// Package modcache looks after folders in which modules pile up: the go command's
// GOMODCACHE, and the store of a godown. It says what is in them, and removes what
// is named, or what no project needs, while go commands and servers use them.
package modcache

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// toolchains is the module whose versions are toolchains of Go.
const toolchains = "golang.org/toolchain"

// A Place is where modules lie.
type Place interface {
	// Scan looks at everything that is there. What cannot be read is among the Stock's Unread.
	Scan(ctx context.Context) (*Stock, error)
	// Remove removes what is named, one after the other, and returns a result for each that it
	// has come to. It ends early, between two of them, with ctx. tell is told how many are done.
	Remove(ctx context.Context, what []Removal, tell func(done int)) []Result
}

// A Stock is what lies in a Place.
type Stock struct {
	Dir       string
	Versions  []Version  // by path and version
	Clones    []Clone    // repositories that the go command has fetched from
	Leftovers []Leftover // of work that was interrupted
	Folders   []Folder   // others, which are only looked at
	Unknown   []string   // files and folders that a module cache does not have, as slash-separated names; never touched
	Unread    []error    // what could not be looked at
}

// Bytes returns the size of all that is known, without the folders beside it.
func (s *Stock) Bytes() int64 {
	var n int64
	for _, v := range s.Versions {
		n += v.Bytes()
	}
	for _, c := range s.Clones {
		n += c.Bytes
	}
	for _, l := range s.Leftovers {
		n += l.Bytes
	}
	for _, f := range s.Folders {
		if !f.Beside {
			n += f.Bytes
		}
	}
	return n
}

// A Version is what is there of a version of a module. Sizes are in bytes, of the files' content.
type Version struct {
	Path, Version string
	Extracted     int64 // the unpacked files
	Zip           int64
	Small         int64     // .info, .mod, .ziphash
	Files         int       // of all these
	Fetched       time.Time // when the newest of them was written; nobody keeps when it was last used

	folder, zip, hash, info, mod, partial, lock bool // what there is

	locked time.Time // when the lock file was made, or the version removed
}

// Bytes returns the size of all of it.
func (v Version) Bytes() int64 { return v.Extracted + v.Zip + v.Small }

// String returns path@version.
func (v Version) String() string { return v.Path + "@" + v.Version }

// Toolchain returns the name of the toolchain that the version is, such as
// "go1.26.1", or nothing.
func (v Version) Toolchain() string {
	name, ok := strings.CutPrefix(v.Version, "v0.0.1-")
	if v.Path != toolchains || !ok {
		return ""
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 && strings.Contains(name[i:], "-") {
		name = name[:i] // without .linux-amd64
	}
	return name
}

// whole reports whether there is more than what the module graph needs.
func (v Version) whole() bool { return v.folder || v.zip || v.hash }

// A Clone is a bare repository below cache/vcs.
type Clone struct {
	Name    string // a hash
	Remote  string // what it is a clone of, without secrets; "" if nothing says
	Bytes   int64
	Fetched time.Time // when something in it was last written
}

// A LeftoverKind says what a leftover is.
type LeftoverKind string

// The kinds of leftovers.
const (
	Temporary LeftoverKind = "temporary" // a file that was being written
	Removing  LeftoverKind = "removing"  // an unpacked module that was moved aside to be removed
	Partial   LeftoverKind = "partial"   // a module that was being unpacked
	Lock      LeftoverKind = "lock"      // a lock file whose version is gone
	Empty     LeftoverKind = "empty"     // a folder without files, but for empty lists and locks
)

// A Leftover is what interrupted work has left, or what is left of a version that was removed.
type Leftover struct {
	Kind  LeftoverKind
	Name  string // slash-separated, below the Place
	Bytes int64
	Time  time.Time // when it was last changed

	path, version string // of Partial and Lock
}

// A Folder is something that is shown and never touched.
type Folder struct {
	Kind  FolderKind
	Name  string
	Bytes int64
	Files int

	Beside bool // it is not in the Place, but belongs to the same godown
}

// A FolderKind says what a Folder is for.
type FolderKind string

// The kinds of folders. Those behind Checksums are of a godown's data.
const (
	Lists     FolderKind = "lists"     // the @v/list files
	Checksums FolderKind = "sumdb"     // records of checksum databases
	Aside     FolderKind = "aside"     // files that were found bad
	Published FolderKind = "published" // the only copy of what was published
	Clones    FolderKind = "direct"    // repositories
	Answers   FolderKind = "answers"   // lists and latest versions
	Seen      FolderKind = "seen"      // hashes that were first seen
	Pending   FolderKind = "pending"   // marks of what is to be verified
	OwnSumDB  FolderKind = "own-sumdb" // the log of a checksum database
)

// A Removal is something to be removed: a version, a clone or a leftover.
type Removal struct {
	Version  *Version
	KeepMod  bool // of the version, .info and .mod stay: a module graph needs them
	Clone    *Clone
	Leftover *Leftover
}

// Bytes returns how many are freed.
func (r Removal) Bytes() int64 {
	switch {
	case r.Version != nil && r.KeepMod:
		return r.Version.Extracted + r.Version.Zip
	case r.Version != nil:
		return r.Version.Bytes()
	case r.Clone != nil:
		return r.Clone.Bytes
	}
	return r.Leftover.Bytes
}

// Time returns when it was fetched.
func (r Removal) Time() time.Time {
	switch {
	case r.Version != nil:
		return r.Version.Fetched
	case r.Clone != nil:
		return r.Clone.Fetched
	}
	return r.Leftover.Time
}

// String returns its name.
func (r Removal) String() string {
	switch {
	case r.Version != nil:
		return r.Version.String()
	case r.Clone != nil && r.Clone.Remote != "":
		return r.Clone.Remote
	case r.Clone != nil:
		return "cache/vcs/" + r.Clone.Name
	}
	return r.Leftover.Name
}

// A Result says how a Removal has ended.
type Result struct {
	Removal
	Back bool  // a go command has fetched it anew meanwhile, and it was left alone
	Err  error // why it could not be removed, or not all of it
}

// sortVersions sorts by path and version.
func sortVersions(list []Version) {
	slices.SortFunc(list, func(a, b Version) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), semver.Compare(a.Version, b.Version), cmp.Compare(a.Version, b.Version))
	})
}

// Matches reports whether a pattern names the version: MODULE@VERSION, MODULE@*, or
// a glob of module paths as in GOPRIVATE, which names all modules below, too.
func (v Version) Matches(pattern string) bool {
	path, version, exact := strings.Cut(pattern, "@")
	if exact {
		return v.Path == path && (version == "*" || v.Version == version)
	}
	return module.MatchPrefixPatterns(path, v.Path)
}

// Of returns the versions of a module.
func (s *Stock) Of(path string) []Version {
	var found []Version
	for _, v := range s.Versions {
		if v.Path == path {
			found = append(found, v)
		}
	}
	return found
}

// Distinct returns a list of versions to be removed, each of them once.
func Distinct(list []Removal) []Removal {
	seen := make(map[string]bool)
	return slices.DeleteFunc(list, func(r Removal) bool {
		had := seen[r.String()]
		seen[r.String()] = true
		return had
	})
}
