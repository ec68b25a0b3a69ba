package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A Shelf is a Source of the versions that were published to it. They lie in a
// Store of its own in the layout of a module proxy, a .zip, a .mod and a .info
// each; the .info comes last, and a version without it does not exist. What is
// on the shelf is served whatever Prefixes says: that is about what may come.
//
// One process publishes to a Store at a time; any number may read.
// The methods are safe for concurrent use.
type Shelf struct {
	Store    godown.Store
	Prefixes string // the modules that may be published, in the syntax of GOPRIVATE; empty: none

	// Known returns the hashes, as go.sum has them, of the zip and the .mod of a version that was
	// served from elsewhere before, such as from its repository; each may be empty. nil: none was.
	Known func(ctx context.Context, path, version string) (zip, mod string)

	// Published, if not nil, is told of each version that has been published
	// with success, also of one that was there with the same content: what is
	// known of its absence, and lists of its module, are out of date.
	Published func(path, version string)

	mu   sync.Mutex // guards busy
	busy map[module.Version]chan struct{}
}

// Fetch answers from what was published; anything else does not exist. An Info
// may also be asked for by the queries "latest", "v1" and "v1.2", which have the
// go command's meaning.
func (s *Shelf) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	if req.Name() == "" {
		return nil, absent(req)
	}
	switch {
	case req.Kind == godown.List:
		return s.list(ctx, req)
	case req.Kind == godown.Latest, req.Kind == godown.Info && !req.Fixed():
		version, err := s.resolve(ctx, req)
		if err != nil {
			return nil, err
		}
		return s.open(ctx, req, godown.Request{Kind: godown.Info, Path: req.Path, Version: version})
	case req.Kind != godown.Info:
		// Without its .info it is what an interrupted publishing has left.
		info, err := s.open(ctx, req, godown.Request{Kind: godown.Info, Path: req.Path, Version: req.Version})
		if err != nil {
			return nil, err
		}
		info.Close()
		return s.part(ctx, req)
	}
	return s.open(ctx, req, req)
}

func absent(req godown.Request) error {
	return &godown.NotFound{Text: req.String() + ": it was not published here"}
}

// open opens the file of name as the answer to req.
func (s *Shelf) open(ctx context.Context, req, name godown.Request) (*godown.File, error) {
	stored, err := s.Store.Open(ctx, name.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, absent(req)
	}
	if err != nil {
		return nil, fmt.Errorf("published modules: %w", err)
	}
	f := *stored
	f.Origin = "published"
	return &f, nil
}

// part opens the .mod or .zip of a version whose .info is there.
func (s *Shelf) part(ctx context.Context, req godown.Request) (*godown.File, error) {
	f, err := s.open(ctx, req, req)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, damaged(module.Version{Path: req.Path, Version: req.Version}, "its ."+req.Kind.String()+" is missing")
	}
	return f, err
}

// damaged returns the error of a version that somebody or something else has
// spoilt. It is no "not found", and publishing does not mend it: that could
// change what others have already.
func damaged(v module.Version, how string) error {
	return fmt.Errorf("published modules: %v is damaged: %s; restore its files, or remove them, the .info first", v, how)
}

// list answers with the versions, lowest first.
func (s *Shelf) list(ctx context.Context, req godown.Request) (*godown.File, error) {
	versions, err := s.versions(ctx, req)
	if err != nil {
		return nil, err
	}
	f := godown.NewFile([]byte(strings.Join(append(versions, ""), "\n")))
	f.Origin = "published"
	return f, nil
}

// resolve returns the version that a query stands for.
func (s *Shelf) resolve(ctx context.Context, req godown.Request) (string, error) {
	fits := func(string) bool { return true }
	if req.Kind == godown.Info && req.Version != "latest" {
		if !semver.IsValid(req.Version) {
			return "", absent(req) // a branch, a commit, or a version of another module
		}
		// v1.2 is not to mean what comes before v1.2.0.
		fits = func(v string) bool {
			return strings.HasPrefix(v, req.Version+".") && semver.Compare(v, req.Version) >= 0
		}
	}
	versions, err := s.versions(ctx, req)
	if err != nil {
		return "", err
	}
	best := ""
	for _, v := range versions { // lowest first
		if fits(v) && (best == "" || semver.Prerelease(v) == "" || semver.Prerelease(best) != "") {
			best = v
		}
	}
	if best == "" {
		return "", absent(req)
	}
	return best, nil
}

// versions returns the versions of the module of req, lowest first. There is at least one.
func (s *Shelf) versions(ctx context.Context, req godown.Request) ([]string, error) {
	folder := strings.TrimSuffix(godown.Request{Kind: godown.List, Path: req.Path}.Name(), "list")
	parts := make(map[string]int) // by version, how many of its three files are there
	for e, err := range s.Store.List(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("published modules: %w", err)
		}
		file := strings.TrimPrefix(e.Name, folder)
		switch ext := path.Ext(file); ext {
		case ".info", ".mod", ".zip":
			v, err := module.UnescapeVersion(strings.TrimSuffix(file, ext))
			if err == nil && module.CanonicalVersion(v) == v {
				parts[v]++
			}
		}
	}
	var versions []string
	for v, n := range parts {
		if n == 3 {
			versions = append(versions, v)
		}
	}
	if versions == nil {
		return nil, absent(req)
	}
	semver.Sort(versions)
	return versions, nil
}

// Modules returns the paths of the modules that have something on the shelf.
func (s *Shelf) Modules(ctx context.Context) ([]string, error) {
	found := make(map[string]bool)
	for entry, err := range s.Store.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		if req, err := godown.ParseRequest(entry.Name); err == nil {
			found[req.Path] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}
