package sumlog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// How long what is served may be kept.
const (
	forEver   = 365 * 24 * time.Hour
	headFresh = 5 * time.Second
)

// FetchSum answers a request below /sumdb/: "NAME/supported", "NAME/latest",
// "NAME/lookup/MODULE@VERSION" and "NAME/tile/8/…" for the go command; "NAME/checkpoint",
// "NAME/tile/LEVEL/…" and "NAME/tile/entries/…" as https://c2sp.org/tlog-tiles has them.
func (l *Log) FetchSum(ctx context.Context, name string) (*godown.File, error) {
	rest, ok := strings.CutPrefix(name, l.Name+"/")
	if !ok {
		return nil, &godown.NotFound{Text: fmt.Sprintf("no checksum database %.100q is served here, only %s", name, l.Name)}
	}
	switch kind, path, _ := strings.Cut(rest, "/"); {
	case rest == "supported":
		return file([]byte{}, time.Hour), nil
	case rest == "latest":
		l.look(ctx, lookEvery)
		_, head := l.current()
		return file(head.signed, headFresh), nil
	case rest == "checkpoint":
		return l.fetchCheckpoint(ctx)
	case kind == "lookup":
		return l.fetchLookup(ctx, path)
	case kind == "tile":
		return l.fetchTile(ctx, rest)
	}
	return nil, &godown.NotFound{Text: fmt.Sprintf("a checksum database has no %.100q", rest)}
}

func file(data []byte, maxAge time.Duration) *godown.File {
	f := godown.NewFile(data)
	sum := sha256.Sum256(data)
	f.Cache, f.MaxAge, f.ETag = godown.Hit, maxAge, `"`+hex.EncodeToString(sum[:16])+`"`
	return f
}

// fetchLookup answers with the record of "MODULE@VERSION", both case-escaped, and the head that proves it.
func (l *Log) fetchLookup(ctx context.Context, name string) (*godown.File, error) {
	m, err := godown.ParseLookup(name)
	if err == nil {
		err = module.Check(m.Path, m.Version)
	}
	if err != nil {
		return nil, &godown.NotFound{Text: err.Error()}
	}
	id, text, err := l.lookForIt(ctx, m)
	status := godown.Hit
	if errors.Is(err, fs.ErrNotExist) && !godown.IsCachedOnly(ctx) {
		id, text, err = l.Lookup(ctx, m)
		status = godown.Miss
	}
	if err != nil {
		return nil, err
	}
	msg, err := tlog.FormatRecord(id, text)
	if err != nil {
		return nil, err
	}
	_, head := l.current()
	f := file(append(msg, head.signed...), forEver)
	f.Cache = status
	return f, nil
}

// fetchTile answers with a tile of either form.
func (l *Log) fetchTile(ctx context.Context, path string) (*godown.File, error) {
	t, entries, err := parseTile(path)
	if err != nil {
		return nil, &godown.NotFound{Text: err.Error()}
	}
	s, head := l.current()
	if beyond(t, head.tree.N) {
		l.look(ctx, 0)
		s, head = l.current()
	}
	if beyond(t, head.tree.N) {
		return nil, &godown.NotFound{Text: fmt.Sprintf("%.100q is beyond the tree of %d records", path, head.tree.N)}
	}
	data, err := l.tile(ctx, s, t)
	if err == nil && entries {
		data, err = bundle(data, t.W)
	}
	if err != nil {
		return nil, err
	}
	return file(data, forEver), nil
}

// beyond reports whether a tile has something that a tree of n records does not have.
func beyond(t tlog.Tile, n int64) bool {
	return !(&state{tree: tlog.Tree{N: n}}).covers(t)
}

// A tile as c2sp.org/tlog-tiles names it: no height, and always three digits.
var tlogTile = regexp.MustCompile(`^tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?$`)

// parseTile parses the path of a tile: that of the go command, or that of
// c2sp.org/tlog-tiles, where entries says that it is a bundle of entries.
func parseTile(path string) (t tlog.Tile, entries bool, err error) {
	if m := tlogTile.FindStringSubmatch(path); m != nil {
		level := "data"
		if entries = m[1] == "entries"; !entries {
			level = m[1]
		}
		theirs := "tile/" + strconv.Itoa(tileHeight) + "/" + level + "/" + m[2]
		if m[3] != "" {
			theirs += ".p/" + m[3]
		}
		t, err = tlog.ParseTilePath(theirs)
	} else {
		t, err = tlog.ParseTilePath(path)
	}
	if err != nil || t.H != tileHeight || t.L > maxLevel {
		return t, false, fmt.Errorf("%.100q is no tile of height %d", path, tileHeight)
	}
	return t, entries, nil
}

// bundle makes of a tile of records the bundle of entries that
// c2sp.org/tlog-tiles has: before each entry stands its length, in two bytes.
func bundle(data []byte, n int) ([]byte, error) {
	texts, err := splitTexts(data, n)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, text := range texts {
		if len(text) > 1<<16-1 {
			return nil, fmt.Errorf("a record has %d bytes", len(text))
		}
		out = append(out, byte(len(text)>>8), byte(len(text)))
		out = append(out, text...)
	}
	return out, nil
}
