package godown

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// latest returns the newest head that was proven, and as it was signed.
func (s *Sums) latest() (tlog.Tree, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head, s.signed
}

// loadHead reads the head that was stored by this process's predecessor.
func (s *Sums) loadHead(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	s.mu.Lock()
	loaded := s.loaded
	s.mu.Unlock()
	if loaded {
		return nil
	}
	var head tlog.Tree
	signed, err := s.load(ctx, "latest")
	if err == nil {
		if head, err = s.open(signed); err != nil {
			// The disk has damaged it, or somebody. We go on, as if we saw the
			// database for the first time; what was verified stays.
			s.Alarm(Alarm{Kind: "rot", Origin: s.Spec.Name, Err: fmt.Errorf("the stored head %s is damaged, and begun anew: %w", s.storeName("latest"), err)})
			signed = nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head, s.signed, s.loaded = head, signed, true
	return nil
}

// open verifies the signature of a head.
func (s *Sums) open(signed []byte) (tlog.Tree, error) {
	n, err := note.Open(signed, s.verifier)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("signed head: %w", err)
	}
	tree, err := tlog.ParseTree([]byte(n.Text))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("signed head: %w", err)
	}
	return tree, nil
}

// merge checks that a signed head and the latest one are of one history, and
// keeps the newer.
func (s *Sums) merge(ctx context.Context, signed []byte) error {
	tree, err := s.open(signed)
	if err != nil {
		return err
	}
	for {
		latest, latestSigned := s.latest()
		if tree.N == latest.N && tree.Hash == latest.Hash {
			return nil
		}
		older, newer, olderSigned, newerSigned := latest, tree, latestSigned, signed
		if tree.N <= latest.N {
			older, newer, olderSigned, newerSigned = tree, latest, signed, latestSigned
		}
		if err := s.continues(ctx, older, newer, olderSigned, newerSigned); err != nil {
			return err
		}
		if tree.N <= latest.N {
			return nil
		}
		s.mu.Lock()
		moved := s.head.N != latest.N // by another lookup, meanwhile
		if !moved {
			s.head, s.signed = tree, signed
		}
		s.mu.Unlock()
		if !moved {
			s.later(s.saveHead)
			return nil
		}
	}
}

// saveHead stores the head, unless another process has stored a newer one.
func (s *Sums) saveHead(ctx context.Context) {
	s.loading.Lock()
	defer s.loading.Unlock()
	head, signed := s.latest()
	if stored, err := s.load(ctx, "latest"); err == nil {
		if other, err := s.open(stored); err == nil && other.N >= head.N {
			return
		}
	}
	if err := s.Store.Put(ctx, s.storeName("latest"), bytes.NewReader(signed)); err != nil {
		s.Alarm(Alarm{Kind: "store", Err: err})
	}
}

// mergeLater merges a signed head when there is time for it. Of several the
// last one stands for all: each has to continue what is known.
func (s *Sums) mergeLater(signed []byte) {
	s.mu.Lock()
	idle := s.newer == nil
	s.newer = signed
	s.mu.Unlock()
	if !idle {
		return
	}
	s.later(func(ctx context.Context) {
		s.mu.Lock()
		signed := s.newer
		s.newer = nil
		s.mu.Unlock()
		// A fork raises its alarm. Any other failure only means that the head
		// stays where it is.
		_ = s.merge(ctx, signed)
	})
}

var errFork = errors.New("the older tree is not the beginning of the newer one")

// continues checks that the newer tree has the older one as its beginning.
func (s *Sums) continues(ctx context.Context, older, newer tlog.Tree, olderSigned, newerSigned []byte) error {
	if older.N == 0 {
		return nil
	}
	var hash tlog.Hash
	var proof strings.Builder
	err := s.withTiles(ctx, func(r *tileReader) (err error) {
		hashes := tlog.TileHashReader(newer, r)
		if hash, err = tlog.TreeHash(older.N, hashes); err != nil || hash == older.Hash {
			return err
		}
		p, err := tlog.ProveTree(newer.N, older.N, hashes)
		proof.Reset()
		for _, h := range p {
			fmt.Fprintf(&proof, "\n\t%v", h)
		}
		return errors.Join(errFork, err)
	})
	if err != nil && !errors.Is(err, errFork) {
		return fmt.Errorf("checking the tree of %d records against that of %d: %w", older.N, newer.N, err)
	}
	if err == nil {
		return nil
	}
	indent := func(b []byte) string { return strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\n\t") }
	return s.misbehaves(fmt.Sprintf("it has signed two histories.\nold head:\n\t%s\nnew head:\n\t%s\nproof:\n\t%v%s",
		indent(olderSigned), indent(newerSigned), hash, proof.String()))
}

// withTiles calls prove with a reader of tiles. If that fails although all
// tiles were there, one that is kept here may be damaged: then it calls prove
// again, with a reader that asks the database for every tile.
func (s *Sums) withTiles(ctx context.Context, prove func(*tileReader) error) error {
	r := &tileReader{sums: s, ctx: ctx}
	err := prove(r)
	if err != nil && !r.failed.Load() && r.kept.Load() && ctx.Err() == nil {
		r = &tileReader{sums: s, ctx: ctx, anew: true}
		err = prove(r)
	}
	if err == nil {
		r.keep()
	}
	return err
}

// A tileReader reads tiles from memory, the store or the database. The tlog
// package checks them against a head, wherever they come from, and calls
// SaveTiles with those that are right.
type tileReader struct {
	sums   *Sums
	ctx    context.Context      // of the one proof that this reader is made for
	anew   bool                 // ask the database for every tile
	kept   atomic.Bool          // a tile came from memory or the store
	failed atomic.Bool          // a tile could not be had
	right  map[tlog.Tile][]byte // tiles that the head proves
}

// Height returns the height of the go command's tiles.
func (r *tileReader) Height() int { return tileHeight }

// ReadTiles reads the tiles, all at once.
func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	errs := make([]error, len(tiles))
	var wait sync.WaitGroup
	for i, tile := range tiles {
		wait.Go(func() {
			if data[i], errs[i] = r.readTile(tile); errs[i] != nil {
				r.failed.Store(true)
			}
		})
	}
	wait.Wait()
	return data, errors.Join(errs...)
}

func (r *tileReader) readTile(tile tlog.Tile) ([]byte, error) {
	s := r.sums
	full := tile
	full.W = 1 << tile.H
	if data, ok := s.tileAtHand(r.ctx, tile); ok && !r.anew {
		r.kept.Store(true)
		return data, nil
	}
	if IsCachedOnly(r.ctx) {
		return nil, fmt.Errorf("%s is not in the cache", tile.Path())
	}
	data, err := s.fetch(r.ctx, tile.Path())
	if errors.Is(err, fs.ErrNotExist) && tile != full {
		// The partial tile is gone because it is full now.
		if data, err = s.fetch(r.ctx, full.Path()); err == nil && len(data) == full.W*tlog.HashSize {
			return data[:tile.W*tlog.HashSize], nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tile.Path(), err)
	}
	if len(data) != tile.W*tlog.HashSize {
		return nil, fmt.Errorf("%s has %d bytes, not %d", tile.Path(), len(data), tile.W*tlog.HashSize)
	}
	return data, nil
}

// SaveTiles notes tiles that belong to the head they were read for. They are
// kept when all of the proof holds: the head may be that of a fork.
func (r *tileReader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	if r.right == nil {
		r.right = make(map[tlog.Tile][]byte)
	}
	for i, tile := range tiles {
		r.right[tile] = data[i]
	}
}

// keep stores the tiles that were found right.
func (r *tileReader) keep() {
	for tile, data := range r.right {
		if have, ok := r.sums.tiles.get(tile); ok && bytes.Equal(have, data) {
			continue
		}
		r.sums.tiles.put(tile, data, int64(len(data)))
		if have, err := r.sums.load(r.ctx, tile.Path()); err != nil || !bytes.Equal(have, data) {
			r.sums.save(tile.Path(), data)
		}
	}
}
