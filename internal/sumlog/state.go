package sumlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// The go command's tiles are 8 levels high, and so 256 hashes wide.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	maxLevel   = 6 // of tiles: no tree has more
)

// A state is a tree with all of it that full tiles in the store do not have.
// It is never changed once it is made.
type state struct {
	tree    tlog.Tree
	edge    [][]byte // by level of tiles: the hashes in the one that is not full
	texts   [][]byte // the records in the tile of records that is not full
	filled  []filled // full tiles that may not be in the store yet
	appends []Append // the last ones, oldest first
}

// A filled is a tile that has become full.
type filled struct {
	tile tlog.Tile
	data []byte
}

// An Append says when records were appended to the log, together.
type Append struct {
	First int64     `json:"first"` // the number of the first record
	N     int       `json:"n"`     // how many there were
	Time  time.Time `json:"time"`
}

// maxAppends is how many of the last appends a state remembers.
const maxAppends = 50

// emptyTree is the tree without records.
func emptyTree() tlog.Tree {
	hash, err := tlog.TreeHash(0, nil)
	if err != nil {
		panic(err) // that of no records needs no hashes
	}
	return tlog.Tree{Hash: hash}
}

// ReadHashes reads hashes that are in tiles that are not full: all that the hash of
// the tree, and those of further records, are made of.
func (s *state) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		t := tlog.TileForIndex(tileHeight, index)
		if t.L >= len(s.edge) {
			return nil, fmt.Errorf("the tree has no level %d", t.L*tileHeight)
		}
		if have := len(s.edge[t.L]) / tlog.HashSize; t.W > have || t.N != s.count(t)>>tileHeight {
			return nil, fmt.Errorf("hash %d is not at the tree's edge", index)
		}
		hash, err := tlog.HashFromTile(t, s.edge[t.L], index)
		if err != nil {
			return nil, err
		}
		hashes[i] = hash
	}
	return hashes, nil
}

// with returns the state after texts were appended. Tiles that were filled
// before and may not be in the store are handed on in pending.
func (s *state) with(texts [][]byte, pending []filled, now time.Time) (*state, error) {
	next := &state{tree: s.tree, texts: slices.Clone(s.texts), filled: slices.Clone(pending)}
	for _, edge := range s.edge {
		next.edge = append(next.edge, bytes.Clone(edge))
	}
	for _, text := range texts {
		if err := next.push(text); err != nil {
			return nil, err
		}
	}
	var err error
	if next.tree.Hash, err = tlog.TreeHash(next.tree.N, next); err != nil {
		return nil, err
	}
	next.appends = append(slices.Clone(s.appends), Append{First: s.tree.N, N: len(texts), Time: now.UTC().Truncate(time.Second)})
	next.appends = next.appends[max(0, len(next.appends)-maxAppends):]
	return next, nil
}

// push adds one record, but does not compute the tree's hash.
func (s *state) push(text []byte) error {
	hashes, err := tlog.StoredHashes(s.tree.N, text, s)
	if err != nil {
		return err
	}
	s.texts = append(s.texts, text)
	for level, hash := range hashes {
		if level%tileHeight != 0 {
			continue // made of those below it, in their tile
		}
		l := level / tileHeight
		if l == len(s.edge) {
			s.edge = append(s.edge, nil)
		}
		s.edge[l] = append(s.edge[l], hash[:]...)
	}
	s.tree.N++
	for l, edge := range s.edge {
		if len(edge) < tileWidth*tlog.HashSize {
			break
		}
		t := tlog.Tile{H: tileHeight, L: l, N: (s.tree.N - 1) >> (tileHeight * (l + 1)), W: tileWidth}
		s.filled = append(s.filled, filled{t, edge})
		s.edge[l] = nil
		if l == 0 {
			t.L = -1
			s.filled = append(s.filled, filled{t, joinTexts(s.texts)})
			s.texts = nil
		}
	}
	return nil
}

// joinTexts returns a tile of records: each is followed by an empty line.
func joinTexts(texts [][]byte) []byte {
	var data []byte
	for _, text := range texts {
		data = append(append(data, text...), '\n')
	}
	return data
}

// splitTexts takes a tile of n records apart.
func splitTexts(data []byte, n int) ([][]byte, error) {
	texts := make([][]byte, 0, n)
	for len(data) > 0 && len(texts) < n {
		end := bytes.Index(data, []byte("\n\n"))
		if end < 0 {
			break
		}
		texts = append(texts, data[:end+1:end+1])
		data = data[end+2:]
	}
	if len(texts) != n || len(data) > 0 {
		return nil, fmt.Errorf("a tile of records does not have %d of them", n)
	}
	return texts, nil
}

// A tail is how a state is stored.
type tail struct {
	Size    int64      `json:"size"`
	Hash    tlog.Hash  `json:"hash"`
	Edge    [][]byte   `json:"edge"`
	Records []string   `json:"records"`
	Filled  []tailTile `json:"filled,omitempty"`
	Appends []Append   `json:"appends,omitempty"`
}

type tailTile struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

// tailName returns where the tail of a tree is stored, below the log's name.
func tailName(t tlog.Tree) string { return fmt.Sprintf("tail/%d-%x", t.N, t.Hash[:]) }

// encode returns the state as it is stored.
func (s *state) encode() ([]byte, error) {
	t := tail{Size: s.tree.N, Hash: s.tree.Hash, Edge: s.edge, Appends: s.appends}
	for _, text := range s.texts {
		t.Records = append(t.Records, string(text))
	}
	for _, f := range s.filled {
		t.Filled = append(t.Filled, tailTile{f.tile.Path(), f.data})
	}
	return json.Marshal(t)
}

// decodeState returns the state that was stored for a tree. All of it is what
// the tree's hash says, or it is an error; but for tiles that it says were filled,
// which check looks at.
func decodeState(data []byte, tree tlog.Tree) (*state, error) {
	var t tail
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, err
	}
	if t.Size != tree.N || t.Hash != tree.Hash || t.Size < 0 {
		return nil, errors.New("it is of another tree")
	}
	s := &state{tree: tree, edge: t.Edge, appends: t.Appends}
	for _, text := range t.Records {
		s.texts = append(s.texts, []byte(text))
	}
	if len(s.texts) != int(tree.N%tileWidth) {
		return nil, fmt.Errorf("it has %d records, not %d", len(s.texts), tree.N%tileWidth)
	}
	for l, edge := range s.edge {
		if want := int(tree.N>>(tileHeight*l)%tileWidth) * tlog.HashSize; len(edge) != want {
			return nil, fmt.Errorf("it has %d bytes of hashes on level %d, not %d", len(edge), l, want)
		}
	}
	if hash, err := tlog.TreeHash(tree.N, s); err != nil {
		return nil, err
	} else if hash != tree.Hash {
		return nil, errors.New("its hashes are not those of the tree")
	}
	for i, text := range s.texts {
		if hash := tlog.RecordHash(text); !bytes.Equal(hash[:], s.edge[0][i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return nil, fmt.Errorf("record %d is not that of the tree", tree.N-tree.N%tileWidth+int64(i))
		}
	}
	for _, f := range t.Filled {
		tile, err := tlog.ParseTilePath(f.Path)
		if err != nil || tile.H != tileHeight || tile.W != tileWidth {
			return nil, fmt.Errorf("%.100q is no full tile", f.Path)
		}
		s.filled = append(s.filled, filled{tile, f.Data})
	}
	return s, nil
}

// filledTile returns a tile that was filled.
func (s *state) filledTile(t tlog.Tile) ([]byte, bool) {
	t.W = tileWidth
	for _, f := range s.filled {
		if f.tile == t {
			return f.data, true
		}
	}
	return nil, false
}

// count returns how many hashes, or records, the tree has on the level of t's.
func (s *state) count(t tlog.Tile) int64 { return s.tree.N >> (tileHeight * max(t.L, 0)) }

// covers reports whether the tree has all of t.
func (s *state) covers(t tlog.Tile) bool {
	if t.L > maxLevel || t.N > s.tree.N {
		return false
	}
	return t.N<<tileHeight+int64(t.W) <= s.count(t)
}

// atEdge returns t if it is part of a tile that is not full.
func (s *state) atEdge(t tlog.Tile) ([]byte, bool) {
	if t.N != s.count(t)>>tileHeight {
		return nil, false
	}
	if t.L == -1 {
		return joinTexts(s.texts[:t.W]), true
	}
	return s.edge[t.L][:t.W*tlog.HashSize], true
}
