package godown

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/tlog"
)

// FetchSum answers a request below /sumdb/: "NAME/supported", "NAME/latest",
// "NAME/lookup/MODULE@VERSION" or "NAME/tile/…". What it gives is proven first,
// and comes from the store where that suffices.
func (s *Sums) FetchSum(ctx context.Context, name string) (*File, error) {
	s.once.Do(s.init)
	rest, ok := strings.CutPrefix(name, s.Spec.Name+"/")
	if !ok {
		return nil, &NotFound{Text: fmt.Sprintf("no checksum database %.100q is served here, only %s", name, s.Spec.Name)}
	}
	switch kind, _, _ := strings.Cut(rest, "/"); {
	case rest == "supported":
		return s.sumFile([]byte{}, Hit, time.Hour), nil
	case rest == "latest":
		return s.fetchLatest(ctx)
	case kind == "lookup":
		return s.fetchLookup(ctx, strings.TrimPrefix(rest, "lookup/"))
	case kind == "tile":
		return s.fetchTile(ctx, rest)
	}
	return nil, &NotFound{Text: fmt.Sprintf("a checksum database has no %.100q", rest)}
}

// later does what nobody waits for.
func (s *Sums) later(f func(context.Context)) { s.chores.add(f) }

// Close waits until everything that was verified is stored, or ctx ends.
func (s *Sums) Close(ctx context.Context) error {
	s.later(s.saveSightings)
	err := s.chores.close(ctx)
	s.calls.close() // such as what was looked up ahead, for a file that there is not
	return err
}

// forEver is how long a tile or a record may be kept: neither ever changes.
const forEver = 365 * 24 * time.Hour

func (s *Sums) sumFile(data []byte, status CacheStatus, maxAge time.Duration) *File {
	f := NewFile(data)
	f.Cache, f.MaxAge, f.ETag = status, maxAge, etag(data)
	return f
}

// fetchLatest returns the newest signed head, or the last one known if the
// database cannot be asked, or is not trusted any more.
func (s *Sums) fetchLatest(ctx context.Context) (*File, error) {
	if err := s.loadHead(ctx); err != nil {
		return nil, err
	}
	_, signed := s.latest()
	s.mu.Lock()
	fresh := time.Since(s.asked) < s.TTL
	s.mu.Unlock()
	if signed != nil && (fresh || IsCachedOnly(ctx)) {
		return s.sumFile(signed, Hit, s.TTL), nil
	}
	if IsCachedOnly(ctx) {
		return nil, &NotFound{Text: "not in the cache: the latest head of " + s.Spec.Name}
	}
	status := Miss
	if signed != nil {
		status = Expired
	}
	if err := s.renewHead(ctx); err != nil {
		if signed == nil {
			return nil, err
		}
		f := s.sumFile(signed, Stale, 0)
		f.StaleBy = err
		return f, nil
	}
	_, signed = s.latest()
	return s.sumFile(signed, status, s.TTL), nil
}

// renewHead asks the database for its head.
func (s *Sums) renewHead(ctx context.Context) error {
	if err := s.trusted(ctx); err != nil {
		return err
	}
	signed, err := s.fetch(ctx, "latest")
	if err != nil {
		return err
	}
	if err := s.merge(ctx, signed); err != nil {
		return err
	}
	s.mu.Lock()
	s.asked = time.Now()
	s.mu.Unlock()
	return nil
}

// ParseLookup parses "MODULE@VERSION", both case-escaped, which stands behind
// /lookup/ in a checksum database's paths.
func ParseLookup(name string) (module.Version, error) {
	escPath, escVersion, _ := strings.Cut(name, "@")
	path, err := module.UnescapePath(escPath)
	if err != nil {
		return module.Version{}, err
	}
	version, err := module.UnescapeVersion(escVersion)
	if err != nil {
		return module.Version{}, err
	}
	if !semver.IsValid(version) || module.CanonicalVersion(version) != version {
		return module.Version{}, fmt.Errorf("version %.100q is not canonical", version)
	}
	return module.Version{Path: path, Version: version}, nil
}

// fetchLookup returns the record of "MODULE@VERSION", both case-escaped.
func (s *Sums) fetchLookup(ctx context.Context, name string) (*File, error) {
	m, err := ParseLookup(name)
	if err != nil {
		return nil, &NotFound{Text: err.Error()}
	}
	path, version := m.Path, m.Version
	if s.private(path) {
		return nil, &NotFound{Text: fmt.Sprintf("%s is private here, and the checksum database is not asked about it;\nset GONOSUMDB as the proxy has it", path)}
	}
	if err := s.loadHead(ctx); err != nil {
		return nil, err
	}
	if r, err := s.atHand(ctx, "lookup/"+name); err == nil {
		return s.sumFile(r, Hit, forEver), nil
	}
	if IsCachedOnly(ctx) {
		return nil, &NotFound{Text: "not in the cache: lookup/" + name}
	}
	r, err := s.Lookup(ctx, path, version)
	if err != nil {
		return nil, err
	}
	return s.sumFile(r, Miss, forEver), nil
}

// private reports whether the database must not be asked about a module.
func (s *Sums) private(path string) bool {
	return path != "golang.org/toolchain" && module.MatchPrefixPatterns(s.Private, path)
}

// maxTileLevel is the highest level of tiles: no tree has more.
const maxTileLevel = 6

// fetchTile returns a tile, proven to be of the latest tree.
func (s *Sums) fetchTile(ctx context.Context, path string) (*File, error) {
	t, err := tlog.ParseTilePath(path)
	if err != nil || t.H != tileHeight || t.L > maxTileLevel {
		return nil, &NotFound{Text: fmt.Sprintf("%.100q is no tile of height %d", path, tileHeight)}
	}
	if err := s.loadHead(ctx); err != nil {
		return nil, err
	}
	hashes := t // the tile of hashes that proves t
	if t.L == -1 {
		hashes.L = 0
	} else if data, ok := s.tiles.get(t); ok {
		return s.sumFile(data, Hit, forEver), nil
	}
	status := Miss
	if _, ok := s.tileAtHand(ctx, t); ok {
		status = Hit
	}
	if !s.covers(hashes) {
		if IsCachedOnly(ctx) {
			return nil, &NotFound{Text: "not in the cache: " + path}
		}
		if err := s.renewHead(ctx); err != nil {
			return nil, err
		}
		if !s.covers(hashes) {
			head, _ := s.latest()
			return nil, &NotFound{Text: fmt.Sprintf("%.100q is beyond the tree of %d records", path, head.N)}
		}
	}
	data, err := s.provenTile(ctx, hashes)
	if err == nil && t.L == -1 {
		data, err = s.provenRecords(ctx, t, data)
	}
	if err != nil && IsCachedOnly(ctx) {
		return nil, &NotFound{Text: "not in the cache: " + path}
	}
	if err != nil {
		return nil, err
	}
	return s.sumFile(data, status, forEver), nil
}

// tileAtHand returns a tile of hashes or records that was proven once. The
// disk may have damaged it.
func (s *Sums) tileAtHand(ctx context.Context, t tlog.Tile) ([]byte, bool) {
	if t.L == -1 {
		data, err := s.load(ctx, t.Path())
		return data, err == nil
	}
	// A wider tile has a narrower one as its beginning.
	full := t
	full.W = 1 << t.H
	for _, w := range []tlog.Tile{t, full} {
		data, ok := s.tiles.get(w)
		if !ok {
			var err error
			data, err = s.load(ctx, w.Path())
			ok = err == nil && len(data) == w.W*tlog.HashSize
		}
		if ok {
			return data[:t.W*tlog.HashSize], true
		}
	}
	return nil, false
}

// covers reports whether the latest tree has all hashes of a tile.
func (s *Sums) covers(t tlog.Tile) bool {
	head, _ := s.latest()
	hashes := head.N >> (t.L * t.H) // on that level
	return t.N <= hashes>>t.H && t.N<<t.H+int64(t.W) <= hashes
}

// provenTile has the latest tree prove a tile that it covers.
func (s *Sums) provenTile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	head, _ := s.latest()
	last := t.N<<t.H + int64(t.W) - 1
	r, err := s.withTiles(ctx, s.fetch, func(r *tileReader) error {
		_, err := tlog.TileHashReader(head, r).ReadHashes([]int64{tlog.StoredHashIndex(t.L*t.H, last)})
		return err
	})
	if err != nil {
		return nil, err
	}
	r.keep()
	wide := t // as wide as the latest tree has it: that is what was read and kept
	wide.W = int(min(1<<t.H, head.N>>(t.L*t.H)-t.N<<t.H))
	for _, w := range []tlog.Tile{wide, t} {
		if data, ok := s.tileAtHand(ctx, w); ok {
			return data[:t.W*tlog.HashSize], nil
		}
	}
	return nil, fmt.Errorf("checksum database %s: %s was proven but cannot be kept", s.Spec.Name, t.Path())
}

// provenRecords returns a tile of records, each of which has its hash in the
// tile of hashes.
func (s *Sums) provenRecords(ctx context.Context, t tlog.Tile, hashes []byte) ([]byte, error) {
	if data, err := s.load(ctx, t.Path()); err == nil && s.checkRecords(t, data, hashes) == nil {
		return data, nil
	}
	if IsCachedOnly(ctx) {
		return nil, fs.ErrNotExist
	}
	data, err := s.fetch(ctx, t.Path())
	if err == nil {
		err = s.checkRecords(t, data, hashes)
	}
	if err != nil {
		return nil, err
	}
	s.save(t.Path(), data)
	return data, nil
}

// checkRecords compares records, each of which ends with an empty line, with their hashes.
func (s *Sums) checkRecords(t tlog.Tile, data, hashes []byte) error {
	for i := range t.W {
		text, rest, ok := bytes.Cut(data, []byte("\n\n"))
		hash := tlog.RecordHash(append(bytes.Clone(text), '\n'))
		if !ok || !bytes.Equal(hash[:], hashes[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return fmt.Errorf("checksum database %s: %s: record %d is not the tree's", s.Spec.Name, t.Path(), t.N<<t.H+int64(i))
		}
		data = rest
	}
	if len(data) > 0 {
		return fmt.Errorf("checksum database %s: %s has more records than it should", s.Spec.Name, t.Path())
	}
	return nil
}
