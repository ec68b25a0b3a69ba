package audit

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"
)

// The tree is read from the left to the right, each tile before those below it.
// The signed head proves the tiles at its right edge; each full tile is proven
// by the hash that the tile above has for it; and each record by its hash in a
// tile of the lowest level. So a fault is found where it is. Below a tile that
// is not proven we still compare what is served with what the records make of
// it, from below; and in the end the head with the tree that all records make.

// A level is the tile of one level that is being read.
type level struct {
	tile   tlog.Tile
	name   string
	served []byte // the tile's hashes; nil if there are none that can be used

	proven bool      // served belongs to the tree of the signed head
	known  bool      // want is known: it is a full tile, and that above is proven
	want   tlog.Hash // of the whole tile

	built []byte // the tile's hashes so far, as the records make them
}

// tiles lists the tiles of a tree that hold records from a number on, or
// hashes of them: each before those below it, the records last.
func tiles(from, size int64) iter.Seq[tlog.Tile] {
	return func(yield func(tlog.Tile) bool) {
		first := from >> height
		for n := first; n<<height < size; n++ {
			for l := top(size); l >= 0; l-- {
				begins := n&(1<<(height*l)-1) == 0
				if t := tileAt(l, n>>(height*l), size); t.W > 0 && (begins || n == first) && !yield(t) {
					return
				}
			}
			t := tileAt(0, n, size)
			t.L = data
			if !yield(t) {
				return
			}
		}
	}
}

// top returns the highest level of tiles of a tree.
func top(size int64) int {
	l := 0
	for size>>(height*(l+1)) > 0 {
		l++
	}
	return l
}

// tileAt returns a tile of a tree; its width is 0 if the tree has none there.
func tileAt(l int, n, size int64) tlog.Tile {
	return tlog.Tile{H: height, L: l, N: n, W: int(max(0, min(width, size>>(height*l)-n<<height)))}
}

// maxAbsent is after how many files of records that are missing or malformed in
// a row we give up: a head may claim any number of them.
const maxAbsent = 256

// walk reads the tree, and says whether it came to its end.
func (r *run) walk(ctx context.Context) (bool, error) {
	size := r.head.Size
	r.levels = make([]level, top(size)+1)
	if size == 0 {
		return true, nil
	}
	from := r.report.From &^ (width - 1)
	if ok, err := r.begin(ctx, from); !ok || err != nil {
		return false, err
	}
	complete := true
	list := func(yield func(tlog.Tile) bool) {
		for t := range tiles(from, size) {
			if complete = r.absent < maxAbsent; !complete || !yield(t) {
				return
			}
		}
	}
	err := ordered(ctx, r.Jobs, list, r.load, func(t tlog.Tile, p part) error {
		if p.err != nil {
			return p.err
		}
		if p.fault != nil {
			r.find(*p.fault)
		}
		if t.L != data {
			r.hashes(t, p)
			return nil
		}
		return r.records(t, p)
	})
	if err != nil {
		return false, err
	}
	if !complete {
		r.find(Finding{Kind: KindMissing, Record: -1, What: fmt.Sprintf("%d files of records in a row are missing or malformed; the rest is not read", maxAbsent)})
		return false, nil
	}
	if r.broken {
		return true, nil
	}
	hash, err := tlog.TreeHash(size, &r.front)
	if err == nil && hash != r.head.Hash {
		r.find(Finding{Kind: KindHead, Record: -1, What: fmt.Sprintf("the records make a tree whose hash is %v, but the head has %v", hash, r.head.Hash)})
	}
	return err == nil, err
}

// begin proves the right edge of the tree, and what of it is left of a record,
// the first of a tile.
func (r *run) begin(ctx context.Context, from int64) (bool, error) {
	tr := r.newReader(ctx)
	hashes := tlog.TileHashReader(r.head.tree(), tr)
	_, err := tlog.TreeHash(r.head.Size, hashes)
	if tr.failed != nil {
		return false, tr.failed
	}
	if err == nil {
		r.edge = tr.proven
	}
	if from == 0 {
		return true, nil // what is wrong will be found, and where
	}
	if err == nil {
		err = r.leftOf(from, hashes)
	}
	if tr.failed != nil {
		return false, tr.failed
	}
	if err != nil {
		r.find(Finding{Kind: KindUnproven, Record: -1, What: fmt.Sprintf(
			"the tiles do not prove the head, so that there is no beginning with record %d (%v); an audit of the whole log says which", from, err)})
	}
	return err == nil, nil
}

// leftOf reads what the tree was when it had size records, full tiles.
func (r *run) leftOf(size int64, hashes tlog.HashReader) error {
	var indexes []int64
	for l := 0; size>>l > 0; l++ {
		if size>>l&1 != 0 {
			indexes = append(indexes, tlog.StoredHashIndex(l, size>>l-1))
		}
	}
	list, err := hashes.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		r.front.add(level, n, list[i])
	}
	for l := range r.levels {
		n := size >> (height * l)
		if n&(width-1) == 0 {
			continue
		}
		r.levels[l].built, err = tlog.ReadTileData(tlog.Tile{H: height, L: l, N: n >> height, W: int(n & (width - 1))}, hashes)
		if err != nil {
			return err
		}
	}
	return nil
}

// hashes takes in a tile of hashes; those of the records below it come later.
func (r *run) hashes(t tlog.Tile, p part) {
	lv := &r.levels[t.L]
	*lv = level{tile: t, name: p.name, served: p.hashes, built: lv.built}
	if t.W == width {
		if up := r.levels[t.L+1]; up.proven {
			lv.known = true
			copy(lv.want[:], up.served[t.N&(width-1)*tlog.HashSize:])
			lv.proven = lv.served != nil && whole(t, lv.served) == lv.want
		}
	} else if edge, ok := r.edge[t]; ok {
		if lv.served != nil && !bytes.Equal(edge, lv.served) {
			r.find(Finding{Kind: KindTile, Name: lv.name, Record: -1, What: "it was another one when it was read again"})
		}
		lv.served, lv.proven = edge, true
		return
	}
	if lv.known && !lv.proven && lv.served != nil {
		r.find(Finding{Kind: KindTile, Name: lv.name, Record: -1, What: "its hashes are not those of the tree that is signed"})
	}
}

// whole returns the hash of a full tile.
func whole(t tlog.Tile, hashes []byte) tlog.Hash {
	// Of the tile's own levels the highest has two hashes. There are no errors,
	// as the tile is full.
	left, _ := tlog.HashFromTile(t, hashes, tlog.StoredHashIndex(height*(t.L+1)-1, 2*t.N))
	right, _ := tlog.HashFromTile(t, hashes, tlog.StoredHashIndex(height*(t.L+1)-1, 2*t.N+1))
	return tlog.NodeHash(left, right)
}

// records takes in a tile of records, and builds the tree with them.
func (r *run) records(t tlog.Tile, p part) error {
	lv := &r.levels[0]
	first := t.N << height
	leaves := p.sums
	switch {
	case p.records == nil:
		leaves = lv.served
		r.absent++
	case lv.proven:
		leaves = lv.served
	case lv.known && whole(lv.tile, p.sums) != lv.want:
		r.find(Finding{Kind: KindTile, Name: p.name, Record: -1, What: "its records are not those of the tree that is signed"})
		leaves = nil
	}
	if p.records != nil {
		r.absent = 0
	}
	if leaves == nil || r.broken {
		r.broken = true
	} else if err := r.build(first, leaves); err != nil {
		return err
	}
	// Where the tile of hashes is missing or damaged, the one above may still prove all records.
	all := lv.known && !lv.proven && p.records != nil && whole(lv.tile, p.sums) == lv.want
	for i, rec := range p.records {
		at := i * tlog.HashSize
		proven := all || lv.proven && bytes.Equal(lv.served[at:at+tlog.HashSize], p.sums[at:at+tlog.HashSize])
		if lv.proven && !proven {
			r.find(Finding{Kind: KindRecord, Name: p.name, Record: rec.ID, What: fmt.Sprintf("%q is not the record of the tree", clip(string(rec.Text), 200))})
		}
		if err := r.record(rec, proven, p.wrong[i], p.name); err != nil {
			return err
		}
	}
	if r.Progress != nil {
		r.Progress(first+int64(t.W), r.head.Size)
	}
	return nil
}

// record takes in a record that was read.
func (r *run) record(rec Record, proven bool, wrong error, name string) error {
	if rec.ID < r.report.From {
		return nil // it was read by an earlier audit
	}
	r.report.Records++
	if wrong != nil && proven {
		r.find(Finding{Kind: KindMalformed, Name: name, Record: rec.ID, What: wrong.Error()})
	}
	if wrong == nil && proven {
		r.twice.add(rec)
		r.sample.add(rec, r.Lookups)
	}
	if r.Record != nil && proven {
		if err := r.Record(rec); err != nil {
			return fmt.Errorf("record %d: %w", rec.ID, err)
		}
	}
	return nil
}

// build adds records to the tree, and compares the tiles that they fill.
func (r *run) build(first int64, leaves []byte) error {
	for i := range len(leaves) / tlog.HashSize {
		n := first + int64(i)
		made, err := tlog.StoredHashesForRecordHash(n, tlog.Hash(leaves[i*tlog.HashSize:]), &r.front)
		if err != nil {
			return err
		}
		for l, hash := range made {
			r.front.add(l, n>>l, hash)
			if l%height == 0 {
				r.built(l/height, hash)
			}
		}
	}
	return nil
}

// built adds a hash to the tile of a level.
func (r *run) built(l int, hash tlog.Hash) {
	lv := &r.levels[l]
	lv.built = append(lv.built, hash[:]...)
	if len(lv.built) < lv.tile.W*tlog.HashSize {
		return
	}
	if !lv.known && !lv.proven && lv.served != nil && !bytes.Equal(lv.built, lv.served) {
		r.find(Finding{Kind: KindTile, Name: lv.name, Record: -1, What: "its hashes are not those of the records below it"})
	}
	lv.built = lv.built[:0]
}

// A frontier is a growing tree of which only that is kept which is needed to
// go on: of each level the latest hash.
type frontier [64]struct {
	n    int64
	hash tlog.Hash
}

func (f *frontier) add(level int, n int64, hash tlog.Hash) {
	f[level].n, f[level].hash = n, hash
}

// ReadHashes is for the tlog package.
func (f *frontier) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		if f[level].n != n {
			return nil, fmt.Errorf("hash %d of level %d is not kept", n, level)
		}
		hashes[i] = f[level].hash
	}
	return hashes, nil
}
