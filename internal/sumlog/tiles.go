package sumlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/sumdb/tlog"
)

// tiles are full tiles of hashes that were proven to be of the tree, in memory.
// As the tree only grows they stay so.
type tiles struct {
	mu    sync.Mutex // guards known
	known map[tlog.Tile][]byte
}

// maxTiles bounds that memory: each has 8 KiB.
const maxTiles = 1024

func (t *tiles) get(tile tlog.Tile) ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	data, ok := t.known[tile]
	return data, ok
}

func (t *tiles) put(tile tlog.Tile, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = make(map[tlog.Tile][]byte)
	}
	for old := range t.known { // any; those that matter come back at once
		if len(t.known) < maxTiles {
			break
		}
		delete(t.known, old)
	}
	t.known[tile] = data
}

// tile returns a tile of hashes or records that s covers, proven to be of its tree.
func (l *Log) tile(ctx context.Context, s *state, t tlog.Tile) ([]byte, error) {
	if !s.covers(t) {
		return nil, fmt.Errorf("%s is beyond the tree of %d records: %w", t.Path(), s.tree.N, fs.ErrNotExist)
	}
	if data, ok := s.atEdge(t); ok {
		return data, nil
	}
	full := t
	full.W = tileWidth
	if t.L == -1 {
		texts, err := l.records(ctx, s, t.N<<tileHeight)
		if err != nil {
			return nil, err
		}
		return joinTexts(texts[:t.W]), nil
	}
	data, err := l.fullTile(ctx, s, full)
	if err != nil {
		return nil, err
	}
	return data[:t.W*tlog.HashSize], nil
}

// fullTile returns a full tile of hashes. What there is of it is compared
// with the tile above it, and that with the next, up to the edge of the tree. If
// it is damaged it is made anew of those below it.
func (l *Log) fullTile(ctx context.Context, s *state, t tlog.Tile) ([]byte, error) {
	if data, ok := l.tiles.get(t); ok {
		return data, nil
	}
	above := tlog.Tile{H: tileHeight, L: t.L + 1, N: t.N >> tileHeight, W: int(t.N%tileWidth) + 1}
	parent, err := l.tile(ctx, s, above)
	if err != nil {
		return nil, err
	}
	want := parent[(above.W-1)*tlog.HashSize:]
	if data, ok := s.filledTile(t); ok && bytes.Equal(rootOf(t, data), want) {
		l.tiles.put(t, data)
		return data, nil
	}
	data, err := l.read(ctx, t.Path())
	if err == nil && bytes.Equal(rootOf(t, data), want) {
		l.tiles.put(t, data)
		return data, nil
	}
	if err == nil {
		err = &damage{t.Path() + " is not what the tree has"}
	}
	if !isDamage(err) {
		return nil, l.unreadable(ctx, err)
	}
	made, merr := l.remakeTile(ctx, s, t)
	if merr != nil || !bytes.Equal(rootOf(t, made), want) {
		return nil, l.unreadable(ctx, err)
	}
	l.rotten(fmt.Errorf("%w; it was made anew of those below it", err))
	if err := l.put(ctx, t.Path(), made); err != nil && len(l.Signers) > 0 { // who only reads may not be able to
		l.Alarm(godown.Alarm{Kind: "store", Err: err})
	}
	l.tiles.put(t, made)
	return made, nil
}

// A damage says that a file is not what it should be.
type damage struct{ text string }

func (d *damage) Error() string { return d.text }

// isDamage reports whether err says that a file is wrong or missing, and not only that it could not be read now.
func isDamage(err error) bool {
	_, ok := errors.AsType[*damage](err)
	return ok || errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// unreadable returns err as one of the log's, and raises the alarm that it is worth.
func (l *Log) unreadable(ctx context.Context, err error) error {
	switch {
	case isDamage(err):
		l.rotten(err)
	case ctx.Err() == nil:
		l.Alarm(godown.Alarm{Kind: "store", Err: fmt.Errorf("checksum database %s: %w", l.Name, err)})
	}
	return fmt.Errorf("checksum database %s: %w", l.Name, cloak(err))
}

// cloak returns err so that it is no fs.ErrNotExist: a file of ours that is missing is our fault.
func cloak(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New(err.Error())
	}
	return err
}

func (l *Log) rotten(err error) {
	l.Alarm(godown.Alarm{Kind: "damage", Origin: l.Name, Err: fmt.Errorf("checksum database %s: %w", l.Name, err)})
}

// rootOf returns the hash that stands for a full tile in the one above it; nil if data is none.
func rootOf(t tlog.Tile, data []byte) []byte {
	if len(data) != tileWidth*tlog.HashSize {
		return nil
	}
	top := (t.L+1)*tileHeight - 1
	left, err := tlog.HashFromTile(t, data, tlog.StoredHashIndex(top, 2*t.N))
	if err != nil {
		return nil
	}
	right, err := tlog.HashFromTile(t, data, tlog.StoredHashIndex(top, 2*t.N+1))
	if err != nil {
		return nil
	}
	hash := tlog.NodeHash(left, right)
	return hash[:]
}

// remakeTile makes a tile of the records, or the tiles, below it. What they are is not looked at.
func (l *Log) remakeTile(ctx context.Context, s *state, t tlog.Tile) ([]byte, error) {
	var data []byte
	if t.L == 0 {
		texts, err := l.rawRecords(ctx, s, t.N, func([][]byte) error { return nil })
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			hash := tlog.RecordHash(text)
			data = append(data, hash[:]...)
		}
		return data, nil
	}
	for i := range int64(tileWidth) {
		below := tlog.Tile{H: tileHeight, L: t.L - 1, N: t.N<<tileHeight + i, W: tileWidth}
		child, err := l.read(ctx, below.Path())
		if err != nil {
			return nil, err
		}
		root := rootOf(below, child)
		if root == nil {
			return nil, fmt.Errorf("%s is damaged", below.Path())
		}
		data = append(data, root...)
	}
	return data, nil
}

// rawRecords returns the records of a full tile that check finds nothing wrong
// with: as the tail has them, or the store.
func (l *Log) rawRecords(ctx context.Context, s *state, n int64, check func([][]byte) error) ([][]byte, error) {
	t := tlog.Tile{H: tileHeight, L: -1, N: n, W: tileWidth}
	taken := func(data []byte) ([][]byte, error) {
		texts, err := splitTexts(data, tileWidth)
		if err == nil {
			err = check(texts)
		}
		if err != nil {
			return nil, &damage{t.Path() + ": " + err.Error()}
		}
		return texts, nil
	}
	if data, ok := s.filledTile(t); ok {
		if texts, err := taken(data); err == nil {
			return texts, nil
		}
	}
	data, err := l.read(ctx, t.Path())
	if err != nil {
		return nil, err
	}
	return taken(data)
}

// records returns the records from number first to the end of its tile, proven to be of the tree.
func (l *Log) records(ctx context.Context, s *state, first int64) ([][]byte, error) {
	return l.provenRecords(ctx, s, first, tileWidth)
}

// record returns one record, proven to be of the tree.
func (l *Log) record(ctx context.Context, s *state, id int64) ([]byte, error) {
	texts, err := l.provenRecords(ctx, s, id, 1)
	if err != nil {
		return nil, err
	}
	return texts[0], nil
}

// provenRecords returns the records from number first to the end of its tile, of
// which the first n are proven to be of the tree.
func (l *Log) provenRecords(ctx context.Context, s *state, first int64, n int) ([][]byte, error) {
	tile, skip := first>>tileHeight, int(first%tileWidth)
	if tile == s.tree.N>>tileHeight {
		return s.texts[skip:], nil
	}
	hashes, err := l.fullTile(ctx, s, tlog.Tile{H: tileHeight, L: 0, N: tile, W: tileWidth})
	if err != nil {
		return nil, err
	}
	texts, err := l.rawRecords(ctx, s, tile, func(texts [][]byte) error {
		for i := skip; i < min(skip+n, len(texts)); i++ {
			hash := tlog.RecordHash(texts[i])
			if !bytes.Equal(hash[:], hashes[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
				return fmt.Errorf("record %d is not what the tree has; put this file back from a backup ('godown sumdb import' does)", tile<<tileHeight+int64(i))
			}
		}
		return nil
	})
	if err != nil {
		return nil, l.unreadable(ctx, err)
	}
	return texts[skip:], nil
}

// checkFilled checks the tiles that a stored state says were filled, as they go to
// where they are looked for from then on. Those that cannot be made right stay where they are.
func (l *Log) checkFilled(ctx context.Context, s *state) {
	whole := *s // with all tiles, while they are looked at
	s.filled = nil
	for _, f := range whole.filled {
		right, err := l.tile(ctx, &whole, f.tile)
		if err != nil {
			l.spoil(fmt.Errorf("%s in the tail of %d records: %w", f.tile.Path(), s.tree.N, err))
			continue
		}
		s.filled = append(s.filled, filled{f.tile, right})
	}
}

// hashes returns what reads the hashes of the tree of s.
func (l *Log) hashes(ctx context.Context, s *state) tlog.HashReader {
	return tlog.TileHashReader(s.tree, &tileReader{l, s, ctx})
}

// treeHash returns the hash of the tree of the first n records of s.
func (l *Log) treeHash(ctx context.Context, s *state, n int64) (tlog.Hash, error) {
	if n == s.tree.N {
		return s.tree.Hash, nil
	}
	return tlog.TreeHash(n, l.hashes(ctx, s))
}

// A tileReader reads tiles for the tlog package, which checks them.
type tileReader struct {
	log   *Log
	state *state
	ctx   context.Context // of the one proof that it is made for
}

// Height returns the height of the go command's tiles.
func (r *tileReader) Height() int { return tileHeight }

// ReadTiles reads the tiles.
func (r *tileReader) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(list))
	for i, t := range list {
		var err error
		if data[i], err = r.log.tile(r.ctx, r.state, t); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// SaveTiles has nothing to do: what is read is proven before.
func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}
