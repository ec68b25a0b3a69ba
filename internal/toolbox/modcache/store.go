package modcache

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

// A Store is the store of a godown, DATA/modules. It is a Place. A server may
// run on it: files are removed by the store's own Delete, each whole.
//
// What a godown knows of modules stays: the hashes that were first seen, its own
// checksum database, what was published. A version that was removed and is
// fetched again must still be the same.
type Store struct {
	Modules godown.Store
	Data    string // the folder of --data, in which Modules lie in the folder modules
}

// Scan looks at everything in the store, and at the folders beside it.
func (s *Store) Scan(ctx context.Context) (*Stock, error) {
	stock := &Stock{Dir: filepath.Join(s.Data, "modules")}
	versions := make(map[module.Version]*Version)
	lists := Folder{Kind: Lists}
	sums := Folder{Kind: Checksums, Name: "sumdb"}
	for e, err := range godown.ListAll(ctx, s.Modules) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			stock.Unread = append(stock.Unread, err)
			continue
		}
		name, isHash := strings.CutSuffix(e.Name, ".ziphash")
		if isHash {
			name += ".zip"
		}
		req, err := godown.ParseRequest(name)
		switch {
		case strings.HasPrefix(e.Name, "sumdb/"):
			sums.Bytes += e.Size
			sums.Files++
		case err == nil && req.Kind == godown.List:
			lists.Bytes += e.Size
			lists.Files++
		case err == nil && req.Fixed():
			key := module.Version{Path: req.Path, Version: req.Version}
			if versions[key] == nil {
				versions[key] = &Version{Path: req.Path, Version: req.Version}
			}
			versions[key].file(req.Kind, isHash, e.Size, e.Time)
		case strings.HasSuffix(e.Name, ".lock"), strings.HasSuffix(e.Name, "/@latest"):
			lists.Bytes += e.Size // of a go command's cache that was put here
			lists.Files++
		default:
			stock.Unknown = append(stock.Unknown, e.Name)
		}
	}
	for _, v := range versions {
		stock.Versions = append(stock.Versions, *v)
	}
	for _, f := range []Folder{lists, sums} {
		if f.Files > 0 {
			stock.Folders = append(stock.Folders, f)
		}
	}
	s.beside(ctx, stock)
	stock.sort()
	return stock, nil
}

// file notes a file of a version.
func (v *Version) file(kind godown.Kind, isHash bool, size int64, written time.Time) {
	v.Files++
	v.fetched(written)
	switch {
	case isHash:
		v.hash = true
		v.Small += size
	case kind == godown.Zip:
		v.zip = true
		v.Zip = size
	case kind == godown.Mod:
		v.mod = true
		v.Small += size
	default:
		v.info = true
		v.Small += size
	}
}

// beside measures the folders that are not touched.
func (s *Store) beside(ctx context.Context, stock *Stock) {
	for _, f := range []struct {
		kind FolderKind
		name string
	}{
		{Aside, "modules/.aside"}, {Published, "published"}, {Clones, "direct"}, {Answers, "answers"},
		{Seen, "seen"}, {Pending, "pending"}, {OwnSumDB, "sumdb"},
	} {
		dir := filepath.Join(s.Data, filepath.FromSlash(f.name))
		if _, err := os.Lstat(dir); err != nil {
			continue
		}
		t := measure(ctx, dir)
		if t.err != nil {
			stock.Unread = append(stock.Unread, t.err)
		}
		if t.files > 0 {
			stock.Folders = append(stock.Folders, Folder{Kind: f.kind, Name: f.name, Bytes: t.bytes, Files: t.files, Beside: f.kind != Aside})
		}
	}
}

// Remove removes versions. The .info goes first: with it the version leaves the list
// of those that are whole, so that nobody finds it there and then lacks its zip.
func (s *Store) Remove(ctx context.Context, what []Removal, tell func(done int)) []Result {
	var results []Result
	for i, r := range what {
		if ctx.Err() != nil {
			break
		}
		results = append(results, Result{Removal: r, Err: s.removeVersion(ctx, r)})
		tell(i + 1)
	}
	return results
}

func (s *Store) removeVersion(ctx context.Context, r Removal) error {
	if r.Version == nil {
		return fmt.Errorf("%s: a store has no such thing", r)
	}
	name := func(kind godown.Kind) string {
		return godown.Request{Kind: kind, Path: r.Version.Path, Version: r.Version.Version}.Name()
	}
	zip := name(godown.Zip)
	names := []string{name(godown.Info), zip, zip + "hash", name(godown.Mod)}
	if r.KeepMod {
		names = names[1:3]
	}
	// A version of which a part is gone is fetched anew in full; but to end here is tidier.
	ctx = context.WithoutCancel(ctx)
	for _, n := range names {
		if err := s.Modules.Delete(ctx, n); err != nil {
			return err
		}
	}
	return nil
}
