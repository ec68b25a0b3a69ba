package sumlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog/witness"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Snapshot is a log as it was at one moment, up to the head that was signed
// last. It stays as it is when the log grows. Its methods are safe for concurrent use.
type Snapshot struct {
	log   *Log
	state *state
	head  head
}

// OpenSnapshot reads a log that is in the store without changing anything there:
// it needs no private key, and other processes may go on appending. Alarm, which
// may be nil, is told of damage that what is left of the log makes good.
func OpenSnapshot(ctx context.Context, store godown.Store, name string, verifiers []note.Verifier, alarm func(godown.Alarm)) (*Snapshot, error) {
	if alarm == nil {
		alarm = func(godown.Alarm) {}
	}
	l := &Log{options: Options{Name: name, Store: untouched{store}, Verifiers: verifiers, Alarm: alarm}}
	l.verifiers = note.VerifierList(verifiers...)
	s, err := l.snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("checksum database %s: %w", name, err)
	}
	return s, nil
}

func (l *Log) snapshot(ctx context.Context) (*Snapshot, error) {
	signed, err := l.storedHead(ctx) // before the tree, which is then as new or newer
	if err != nil {
		return nil, err
	}
	s, _, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	return &Snapshot{l, s, signed}, l.holds(ctx, s, signed.tree)
}

// Snapshot returns the log as it is now.
func (l *Log) Snapshot() *Snapshot {
	s, head := l.current()
	return &Snapshot{l, s, head}
}

// errUntouched is why nothing is written into the store of a snapshot.
var errUntouched = errors.New("the log is only read")

// An untouched is a store that is only read.
type untouched struct{ godown.Store }

// Put refuses.
func (untouched) Put(context.Context, string, io.Reader) error { return errUntouched }

// Delete refuses.
func (untouched) Delete(context.Context, string) error { return errUntouched }

// Head returns the tree, and the signed head that says so.
func (s *Snapshot) Head() (tree tlog.Tree, signed []byte) { return s.head.tree, s.head.signed }

// Raw returns a file of the log by its path as clients have it, "latest" or
// "tile/8/…", as the store has it and without any proof: it is for audits. That
// there is none is an fs.ErrNotExist. Part of a tile that is full has no file of its own.
func (s *Snapshot) Raw(ctx context.Context, name string) ([]byte, error) {
	if name == "latest" {
		return s.head.signed, nil
	}
	t, err := tlog.ParseTilePath(name)
	if err != nil || t.H != tileHeight || !s.state.covers(t) {
		return nil, &godown.NotFound{Text: fmt.Sprintf("the log of %d records has no %.100q", s.state.tree.N, name)}
	}
	if data, ok := s.state.atEdge(t); ok {
		return data, nil
	}
	if t.W < tileWidth {
		return nil, &godown.NotFound{Text: name + " is part of a full tile"}
	}
	if data, ok := s.state.filledTile(t); ok {
		return data, nil // which is not yet, or not whole, where it is to be
	}
	return s.log.read(ctx, name)
}

// checkpoint returns a checkpoint of this tree, or an earlier one that was
// cosigned; nil if there is none.
func (s *Snapshot) checkpoint(ctx context.Context) ([]byte, error) {
	stored, err := s.log.read(ctx, checkpointFile)
	if err == nil {
		if tree, ok := s.log.checkpointTree(stored); ok && tree.N <= s.head.tree.N {
			hash, err := s.log.treeHash(ctx, s.state, tree.N)
			if err != nil {
				return nil, err
			}
			if hash == tree.Hash {
				return stored, nil
			}
			return nil, fmt.Errorf("%s/%s is of another tree than the log's: remove that file", s.log.Name, checkpointFile)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(s.log.Signers) == 0 {
		return nil, nil
	}
	return s.log.Checkpoint(s.head.tree)
}

// checkpointTree returns the tree of a checkpoint that is signed by a key of the log.
func (l *Log) checkpointTree(data []byte) (tlog.Tree, bool) {
	n, err := note.Open(data, l.verifiers)
	if err != nil {
		return tlog.Tree{}, false
	}
	origin, tree, _, err := witness.ParseCheckpoint(n.Text)
	return tree, err == nil && origin == l.Name
}

// exported lists the tiles of a tree in the order of an export: first those that
// are not full, from the top, which prove the head; then the full ones from the
// left to the right, each before those below it, the records last.
func exported(size int64) iter.Seq[tlog.Tile] {
	return func(yield func(tlog.Tile) bool) {
		levels := 0
		for size>>(tileHeight*levels) > 0 {
			levels++
		}
		for l := levels - 1; l >= -1; l-- {
			n := size >> (tileHeight * max(l, 0))
			if w := int(n % tileWidth); w > 0 && !yield(tlog.Tile{H: tileHeight, L: l, N: n >> tileHeight, W: w}) {
				return
			}
		}
		for n := range size >> tileHeight {
			for l := levels - 1; l >= -1; l-- {
				below := tileHeight * max(l, 0) // n has so many more bits than the number of the tile
				t := tlog.Tile{H: tileHeight, L: l, N: n >> below, W: tileWidth}
				if n == t.N<<below && (t.N+1)<<(below+tileHeight) <= size && !yield(t) {
					return
				}
			}
		}
	}
}

// isTile reports whether a name is in the folder of tiles.
func isTile(name string) bool { return strings.HasPrefix(name, "tile/") }
