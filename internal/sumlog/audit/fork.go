package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown"
)

// A Fork is the evidence that a log has signed two histories. Anyone who has
// the log's key can check it. It is also a *godown.SecurityError.
type Fork struct {
	Name string `json:"name"`
	Old  Head   `json:"old"`
	New  Head   `json:"new"` // at least as large as Old

	// Hash is the one that the first Old.Size records of New have, which is not
	// Old.Hash, and Proof that it is: see tlog.CheckTree.
	Hash  tlog.Hash      `json:"hash"`
	Proof tlog.TreeProof `json:"proof"`
}

func (f *Fork) Error() string { return f.Unwrap().Error() }

// Unwrap returns the evidence as a *godown.SecurityError.
func (f *Fork) Unwrap() error {
	var b strings.Builder
	indent := func(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n\t") }
	fmt.Fprintf(&b, "it has signed two histories.\nold head:\n\t%s\nnew head:\n\t%s\nproof:\n\t%v", indent(f.Old.Signed), indent(f.New.Signed), f.Hash)
	for _, h := range f.Proof {
		fmt.Fprintf(&b, "\n\t%v", h)
	}
	return &godown.SecurityError{Database: f.Name, Detail: b.String()}
}

// errUnproven says that two heads may be of one history or not.
var errUnproven = errors.New("the tiles do not prove it")

// goesOn proves that the log's head and the one that was seen are of one
// history, and says whether the log's is the newer.
func (r *run) goesOn(ctx context.Context, seen Head) (bool, error) {
	if seen.Signed == "" {
		return true, nil
	}
	older, newer := seen, r.head
	back := r.head.Size < seen.Size
	if back {
		older, newer = newer, older
	}
	err := r.continues(ctx, older, newer)
	if err != nil && !errors.Is(err, errUnproven) {
		return false, err
	}
	if back {
		r.report.RolledBack = true
		what := fmt.Sprintf("the head has %d records, but an earlier audit has seen %d", r.head.Size, seen.Size)
		if err != nil {
			what += fmt.Sprintf("; that both are of one history cannot be proven: %v", err)
		}
		r.find(Finding{Kind: KindRollback, Record: -1, What: what})
	} else if err != nil {
		r.find(Finding{Kind: KindUnproven, Record: -1, What: fmt.Sprintf(
			"the head of %d records may not go on from that of %d which was seen: %v", r.head.Size, seen.Size, err)})
	}
	return !back && err == nil, nil
}

// continues checks that the newer tree has the older one as its beginning: if
// it has not, the error is a *Fork; if that is open, an errUnproven.
func (a *Auditor) continues(ctx context.Context, older, newer Head) error {
	if older.tree() == newer.tree() || older.Size == 0 {
		return nil
	}
	if older.Size == newer.Size {
		return &Fork{Name: a.Name, Old: older, New: newer, Hash: newer.Hash, Proof: tlog.TreeProof{}}
	}
	tr := a.newReader(ctx)
	hashes := tlog.TileHashReader(newer.tree(), tr)
	hash, err := tlog.TreeHash(older.Size, hashes)
	if err == nil && hash == older.Hash {
		return nil
	}
	var proof tlog.TreeProof
	if err == nil {
		proof, err = tlog.ProveTree(newer.Size, older.Size, hashes)
	}
	if err == nil {
		err = tlog.CheckTree(proof, newer.Size, newer.Hash, older.Size, hash)
	}
	if tr.failed != nil {
		return tr.failed
	}
	if err != nil {
		return fmt.Errorf("%w (%w)", errUnproven, err)
	}
	return &Fork{Name: a.Name, Old: older, New: newer, Hash: hash, Proof: proof}
}

// A tileReader reads tiles for the tlog package, which checks them against a
// head, and calls SaveTiles with those that are right.
type tileReader struct {
	auditor *Auditor
	ctx     context.Context // of the one proof that it is made for
	failed  error           // why a tile could not be had, other than that it is missing or damaged
	read    map[tlog.Tile][]byte
	proven  map[tlog.Tile][]byte
}

func (a *Auditor) newReader(ctx context.Context) *tileReader {
	return &tileReader{auditor: a, ctx: ctx, read: make(map[tlog.Tile][]byte), proven: make(map[tlog.Tile][]byte)}
}

// Height returns the height of all tiles.
func (tr *tileReader) Height() int { return height }

// ReadTiles reads tiles.
func (tr *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var list [][]byte
	load := func(ctx context.Context, t tlog.Tile) part {
		if b, ok := tr.read[t]; ok { // not written to meanwhile: see below
			return part{hashes: b}
		}
		return tr.auditor.load(ctx, t)
	}
	var damaged error
	err := ordered(tr.ctx, tr.auditor.Jobs, slices.Values(tiles), load, func(t tlog.Tile, p part) error {
		if p.fault != nil && damaged == nil {
			damaged = fmt.Errorf("%s: %s", p.name, p.fault.What)
		}
		list = append(list, p.hashes)
		return p.err
	})
	if err != nil {
		tr.failed = err
		return nil, err
	}
	for i, t := range tiles {
		if list[i] != nil {
			tr.read[t] = list[i]
		}
	}
	return list, damaged
}

// SaveTiles notes tiles that belong to the head.
func (tr *tileReader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, t := range tiles {
		tr.proven[t] = data[i]
	}
}
