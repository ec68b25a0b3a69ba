package modcache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"
)

// downloadName returns the name of a file of a version below cache/download.
func downloadName(modPath, version, ext string) (string, error) {
	escaped, err := module.EscapePath(modPath)
	if err != nil {
		return "", err
	}
	v, err := module.EscapeVersion(version)
	return path.Join(downloads, escaped, "@v", v+"."+ext), err
}

// folderName returns the name of the folder in which a version is unpacked.
func folderName(modPath, version string) (string, error) {
	escaped, err := module.EscapePath(modPath)
	if err != nil {
		return "", err
	}
	v, err := module.EscapeVersion(version)
	return escaped + "@" + v, err
}

// asideMark is in the name of an unpacked module that is not to be used: go
// commands before 1.16 unpacked under such a name, later ones remove what has it.
const asideMark = ".tmp-"

// A scan is one look through a GoCache.
type scan struct {
	dir string

	mu       sync.Mutex // guards the fields below
	stock    *Stock
	versions map[module.Version]*Version
	unpacked []unpacked
	lists    Folder
}

// An unpacked is a folder that is still to be measured.
type unpacked struct {
	name          string
	path, version string // empty: it is a leftover
}

// Scan looks at everything in the cache.
func (c *GoCache) Scan(ctx context.Context) (*Stock, error) {
	s := &scan{dir: c.dir, stock: &Stock{Dir: c.dir}, versions: make(map[module.Version]*Version), lists: Folder{Kind: Lists}}
	if c.root == nil {
		return s.stock, nil
	}
	if err := walkDirs(ctx, filepath.Join(c.dir, filepath.FromSlash(downloads)), s.download); err != nil {
		return nil, err
	}
	if err := walkDirs(ctx, c.dir, s.namespace); err != nil {
		return nil, err
	}
	inParallel(ctx, len(s.unpacked), func(i int) { s.measure(ctx, s.unpacked[i]) })
	s.clones(ctx)
	sums := path.Join(downloads, "sumdb")
	if t := measure(ctx, filepath.Join(c.dir, filepath.FromSlash(sums))); t.files > 0 {
		s.stock.Folders = append(s.stock.Folders, Folder{Kind: Checksums, Name: sums, Bytes: t.bytes, Files: t.files})
	}
	if s.lists.Files > 0 {
		s.stock.Folders = append(s.stock.Folders, s.lists)
	}
	for _, v := range s.versions {
		if v.Bytes() == 0 && v.Files == 0 && !v.folder && !v.partial {
			if v.lock {
				name, _ := downloadName(v.Path, v.Version, "lock")
				s.stock.Leftovers = append(s.stock.Leftovers, Leftover{Kind: Lock, Name: name, Time: v.locked, path: v.Path, version: v.Version})
			}
			continue
		}
		if v.partial {
			name, _ := downloadName(v.Path, v.Version, "partial")
			s.stock.Leftovers = append(s.stock.Leftovers, Leftover{Kind: Partial, Name: name, Bytes: v.Extracted, Time: v.Fetched, path: v.Path, version: v.Version})
			v.Extracted, v.folder = 0, false
		}
		s.stock.Versions = append(s.stock.Versions, *v)
	}
	s.stock.sort()
	return s.stock, ctx.Err()
}

// sort brings what several goroutines have found into an order.
func (s *Stock) sort() {
	sortVersions(s.Versions)
	slices.SortFunc(s.Clones, func(a, b Clone) int { return cmp.Or(cmp.Compare(a.Remote, b.Remote), cmp.Compare(a.Name, b.Name)) })
	slices.SortFunc(s.Leftovers, func(a, b Leftover) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(s.Unknown)
	slices.SortFunc(s.Unread, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
}

// version returns the version's entry. Caller holds s.mu.
func (s *scan) version(path, version string) *Version {
	key := module.Version{Path: path, Version: version}
	v := s.versions[key]
	if v == nil {
		v = &Version{Path: path, Version: version}
		s.versions[key] = v
	}
	return v
}

func (s *scan) unknown(name string) { s.stock.Unknown = append(s.stock.Unknown, name) }

// unread notes what cannot be read, unless it is gone. Caller holds s.mu.
func (s *scan) unread(err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, context.Canceled) {
		s.stock.Unread = append(s.stock.Unread, err)
	}
}

// namespace visits a folder of those in which modules are unpacked.
func (s *scan) namespace(name string, entries []fs.DirEntry, err error) (into []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread(err)
	if err == nil && len(entries) == 0 {
		s.empty(name)
	}
	for _, e := range entries {
		full := path.Join(name, e.Name())
		before, version, isVersion := strings.Cut(e.Name(), "@")
		switch {
		case name == "." && e.Name() == "cache":
			s.unknownIn(e)
		case name == "." && !isHost(e.Name()):
			s.unknown(full)
		case !e.IsDir():
			s.unknown(full)
		case !isVersion:
			into = append(into, e.Name())
		case strings.Contains(version, asideMark):
			s.unpacked = append(s.unpacked, unpacked{name: full})
		default:
			p, err1 := module.UnescapePath(path.Join(name, before))
			v, err2 := module.UnescapeVersion(version)
			if err1 != nil || err2 != nil || module.CanonicalVersion(v) != v {
				s.unknown(full)
				continue
			}
			s.unpacked = append(s.unpacked, unpacked{full, p, v})
		}
	}
	return into
}

// isHost reports whether a folder's name can be where the path of a module begins. Of
// others, such as lost+found or .snapshot, not even one that is empty is anybody's here.
func isHost(name string) bool {
	name, _, _ = strings.Cut(name, "@")
	return strings.Contains(name, ".") && !strings.HasPrefix(name, ".")
}

// unknownIn looks for what does not belong into the folder cache. Caller holds s.mu.
func (s *scan) unknownIn(cache fs.DirEntry) {
	entries, err := os.ReadDir(filepath.Join(s.dir, cache.Name()))
	s.unread(err)
	for _, e := range entries {
		known := e.IsDir() && (e.Name() == "download" || e.Name() == "vcs") || e.Type().IsRegular() && e.Name() == "lock"
		if !known {
			s.unknown(path.Join("cache", e.Name()))
		}
	}
}

// empty notes an empty folder. Caller holds s.mu.
func (s *scan) empty(name string) {
	if info, err := os.Lstat(filepath.Join(s.dir, filepath.FromSlash(name))); err == nil && name != "." && name != downloads {
		s.stock.Leftovers = append(s.stock.Leftovers, Leftover{Kind: Empty, Name: name, Time: info.ModTime()})
	}
}

// measure counts an unpacked module.
func (s *scan) measure(ctx context.Context, u unpacked) {
	t := measure(ctx, filepath.Join(s.dir, filepath.FromSlash(u.name)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread(t.err)
	if u.path == "" {
		s.stock.Leftovers = append(s.stock.Leftovers, Leftover{Kind: Removing, Name: u.name, Bytes: t.bytes, Time: t.newest})
		return
	}
	v := s.version(u.path, u.version)
	v.folder = true
	v.Extracted = t.bytes
	v.Files += t.files
	v.fetched(t.newest)
}

func (v *Version) fetched(t time.Time) {
	if t.After(v.Fetched) {
		v.Fetched = t
	}
}

// download visits a folder below cache/download.
func (s *scan) download(name string, entries []fs.DirEntry, err error) (into []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread(err)
	full := path.Join(downloads, name)
	if path.Base(name) == "@v" {
		if p, err := module.UnescapePath(path.Dir(name)); err == nil {
			s.files(full, p, entries)
		} else {
			s.unknown(full)
		}
		return nil
	}
	if err == nil && len(entries) == 0 {
		s.empty(full)
	}
	for _, e := range entries {
		switch {
		case !e.IsDir():
			s.unknown(path.Join(full, e.Name()))
		case name == "." && e.Name() == "sumdb":
		case name == "." && !isHost(e.Name()):
			s.unknown(path.Join(full, e.Name()))
		default:
			into = append(into, e.Name())
		}
	}
	return into
}

// files notes the files of a module's @v folder. Caller holds s.mu.
func (s *scan) files(folder, modPath string, entries []fs.DirEntry) {
	deserted := true // but for locks and an empty list
	var newest time.Time
	var locks []*Version
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		info, err := e.Info()
		if err != nil {
			continue // removed meanwhile
		}
		if !e.Type().IsRegular() {
			s.unknown(name)
			deserted = false
			continue
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		if e.Name() == "list" {
			s.lists.Bytes += info.Size()
			s.lists.Files++
			deserted = deserted && info.Size() == 0
			continue
		}
		ext := path.Ext(e.Name())
		if ext == ".tmp" {
			s.stock.Leftovers = append(s.stock.Leftovers, Leftover{Kind: Temporary, Name: name, Bytes: info.Size(), Time: info.ModTime()})
			deserted = false
			continue
		}
		version, err := module.UnescapeVersion(strings.TrimSuffix(e.Name(), ext))
		if err != nil || module.CanonicalVersion(version) != version || !s.part(modPath, version, ext, info) {
			s.unknown(name)
			deserted = false
			continue
		}
		if ext == ".lock" {
			locks = append(locks, s.versions[module.Version{Path: modPath, Version: version}])
		} else {
			deserted = false
		}
	}
	info, err := os.Lstat(filepath.Join(s.dir, filepath.FromSlash(folder)))
	if deserted && err == nil {
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		s.stock.Leftovers = append(s.stock.Leftovers, Leftover{Kind: Empty, Name: folder, Time: newest})
		for _, v := range locks {
			v.lock = false // it goes with the folder
		}
	}
}

// part notes a file of a version, and reports whether it is one. Caller holds s.mu.
func (s *scan) part(modPath, version, ext string, info fs.FileInfo) bool {
	if !strings.Contains(" .info .mod .zip .ziphash .lock .partial ", " "+ext+" ") {
		return false
	}
	v := s.version(modPath, version)
	switch ext {
	case ".lock":
		v.lock = true
		v.locked = info.ModTime()
		return true
	case ".partial":
		v.partial = true
		v.fetched(info.ModTime())
		return true
	case ".zip":
		v.zip = true
		v.Zip = info.Size()
	case ".ziphash":
		v.hash = true
		v.Small += info.Size()
	case ".info":
		v.info = true
		v.Small += info.Size()
	case ".mod":
		v.mod = true
		v.Small += info.Size()
	}
	v.Files++
	v.fetched(info.ModTime())
	return true
}

// clones looks at the repositories.
func (s *scan) clones(ctx context.Context) {
	folder := filepath.Join(s.dir, filepath.FromSlash(clones))
	entries, err := os.ReadDir(folder)
	s.unread(err)
	for _, e := range entries {
		name, ext, _ := strings.Cut(e.Name(), ".")
		isHash := len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
		switch {
		case ctx.Err() != nil:
			return
		case isHash && e.IsDir() && ext == "":
			t := measure(ctx, filepath.Join(folder, name))
			s.unread(t.err)
			s.stock.Clones = append(s.stock.Clones, Clone{Name: name, Remote: remote(filepath.Join(folder, name+".info")), Bytes: t.bytes, Fetched: t.newest})
		case isHash && e.IsDir() && strings.HasPrefix("."+ext, asideMark):
			t := measure(ctx, filepath.Join(folder, e.Name()))
			s.stock.Leftovers = append(s.stock.Leftovers, Leftover{Kind: Removing, Name: path.Join(clones, e.Name()), Bytes: t.bytes, Time: t.newest})
		case isHash && e.Type().IsRegular() && (ext == "info" || ext == "lock"):
		default:
			s.unknown(path.Join(clones, e.Name()))
		}
	}
}

// maxRemote bounds what is read of a file that says what a clone is of, in bytes.
const maxRemote = 4 << 10

// remote returns what a clone is of, without secrets, or nothing.
func remote(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, _ := io.ReadAll(io.LimitReader(f, maxRemote))
	system, where, ok := strings.Cut(strings.TrimSpace(string(data)), ":")
	if !ok {
		return ""
	}
	if u, err := url.Parse(where); err == nil && u.Scheme != "" {
		u.RawQuery, u.Fragment, u.User = "", "", nil
		where = u.String()
	} else if i := strings.LastIndexByte(where, '@'); i >= 0 {
		where = where[i+1:]
	}
	return fmt.Sprintf("%s %s", strings.TrimRight(system, "0123456789"), where)
}
