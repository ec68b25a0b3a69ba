package godown

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A signedHead is a head whose signature was verified.
type signedHead struct {
	tree   tlog.Tree
	signed []byte   // as the database signed it
	shown  []string // who showed it, for people; empty: it was stored
}

// known returns the newest head that was proven.
func (s *Sums) known() signedHead {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// latest returns the newest head that was proven, and as it was signed.
func (s *Sums) latest() (tlog.Tree, []byte) {
	h := s.known()
	return h.tree, h.signed
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
	if err := s.loadSightings(ctx); err != nil {
		s.Alarm(Alarm{Kind: "store", Err: err}) // it is tried again when they are needed
	}
	s.mu.Lock()
	s.head, s.loaded = signedHead{tree: head, signed: signed}, true
	s.mu.Unlock()
	s.sighted(head.N) // it may have been stored before sightings were
	return nil
}

// open verifies the signature of a head.
func (s *Sums) open(signed []byte) (tlog.Tree, error) { return openHead(signed, s.verifier) }

func openHead(signed []byte, by note.Verifiers) (tlog.Tree, error) {
	n, err := note.Open(signed, by)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("signed head: %w", err)
	}
	tree, err := tlog.ParseTree([]byte(n.Text))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("signed head: %w", err)
	}
	if tree.N > maxTree {
		return tlog.Tree{}, fmt.Errorf("signed head: no database has %d records", tree.N)
	}
	return tree, nil
}

// maxTree is the largest tree that is believed in: package tlog computes with
// multiples of its size, which must not overflow.
const maxTree = 1 << 48

// byLookups says who has shown a head that a record came with.
const byLookups = "the upstream that lookups go to"

// merge checks that a signed head and the latest one are of one history, and
// keeps the newer.
func (s *Sums) merge(ctx context.Context, signed []byte) error {
	tree, err := s.open(signed)
	if err != nil {
		return err
	}
	return s.join(ctx, signedHead{tree, signed, []string{byLookups}})
}

// join is merge for a head that is verified.
func (s *Sums) join(ctx context.Context, h signedHead) error {
	for {
		known := s.known()
		if h.tree == known.tree {
			return nil
		}
		older, newer := known, h
		if h.tree.N <= known.tree.N {
			older, newer = h, known
		} else if err := s.trusted(ctx); err != nil {
			return err
		}
		r, err := s.continues(ctx, s.fetch, older, newer)
		if f, ok := errors.AsType[*forked](err); ok {
			return s.stop(ctx, f.fork)
		}
		if err != nil {
			return err
		}
		r.keep()
		if h.tree.N <= known.tree.N {
			return nil
		}
		if done, err := s.adopt(known, h); done || err != nil {
			return err
		}
	}
}

// adopt makes h, which was proven to continue known, the latest head. It
// returns false if known is not the latest any more.
func (s *Sums) adopt(known, h signedHead) (bool, error) {
	s.mu.Lock()
	if s.stopped != nil {
		defer s.mu.Unlock()
		return false, s.stopped
	}
	if s.head.tree != known.tree {
		defer s.mu.Unlock()
		return false, nil // by another lookup, meanwhile
	}
	s.head, s.changed = h, time.Now()
	s.mu.Unlock()
	s.sighted(h.tree.N)
	s.later(s.saveHead)
	return true, nil
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

// maxWaiting is how many heads may wait for being merged. Only one who answers
// each lookup with another head gets beyond.
const maxWaiting = 16

// mergeLater merges a signed head when there is time for it. None stands for
// another: a newer one may be of the history that is known, and this one not.
func (s *Sums) mergeLater(signed []byte) {
	tree, err := s.open(signed)
	if err != nil {
		return
	}
	s.mu.Lock()
	n := len(s.waiting)
	// Other signatures beside the database's do not make it another head.
	if tree == s.head.tree || n >= maxWaiting || slices.ContainsFunc(s.waiting, func(h signedHead) bool { return h.tree == tree }) {
		s.mu.Unlock()
		return
	}
	s.waiting = append(s.waiting, signedHead{tree, signed, []string{byLookups}})
	s.mu.Unlock()
	if n > 0 {
		return
	}
	s.later(func(ctx context.Context) {
		s.mu.Lock()
		waiting := s.waiting
		s.waiting = nil
		s.mu.Unlock()
		// The newest first: its tiles prove the others, whose own may be nowhere.
		slices.SortFunc(waiting, func(a, b signedHead) int { return cmp.Compare(b.tree.N, a.tree.N) })
		for _, h := range waiting {
			// A fork raises its alarm. Any other failure only means that the head
			// stays where it is.
			_ = s.join(ctx, h)
		}
	})
}

// forked says that the older tree is not the beginning of the newer one.
type forked struct{ fork *SumFork }

func (e *forked) Error() string { return "the older tree is not the beginning of the newer one" }

// continues checks that the newer tree has the older one as its beginning: the
// error is a *forked if it is proven that it has not. The tiles of the newer
// one come from fetch where they are not at hand; those that the reader returned
// has are right if the newer head is.
func (s *Sums) continues(ctx context.Context, fetch remote, older, newer signedHead) (*tileReader, error) {
	if older.tree.N == 0 || older.tree == newer.tree {
		return &tileReader{sums: s, ctx: ctx}, nil
	}
	if older.tree.N == newer.tree.N { // two hashes of one size need no proof
		return nil, &forked{s.newFork(older, newer, newer.tree.Hash, tlog.TreeProof{})}
	}
	r, err := s.withTiles(ctx, fetch, func(r *tileReader) error {
		hashes := tlog.TileHashReader(newer.tree, r)
		hash, err := tlog.TreeHash(older.tree.N, hashes)
		if err != nil || hash == older.tree.Hash {
			return err
		}
		// Both trees are signed, and the tiles belong to the newer one: should the
		// proof that one can carry elsewhere fail, it is a fork all the same.
		proof, err := tlog.ProveTree(newer.tree.N, older.tree.N, hashes)
		if err != nil {
			proof = tlog.TreeProof{}
		}
		return &forked{s.newFork(older, newer, hash, proof)}
	})
	if err == nil {
		return r, nil
	}
	return nil, fmt.Errorf("checking the tree of %d records against that of %d: %w", older.tree.N, newer.tree.N, err)
}

// A remote fetches a file of the database, as [Sums].Remote does.
type remote func(ctx context.Context, path string) ([]byte, error)

// withTiles calls prove with a reader of tiles. If that fails although all
// tiles were there, one that is kept here may be damaged: then it calls prove
// again, with a reader that asks the database for every tile. The reader
// returned has the tiles that proved it.
func (s *Sums) withTiles(ctx context.Context, fetch remote, prove func(*tileReader) error) (*tileReader, error) {
	r := &tileReader{sums: s, ctx: ctx, fetch: fetch}
	err := prove(r)
	if _, proven := errors.AsType[*forked](err); proven {
		return nil, err
	}
	if err != nil && !r.failed.Load() && r.kept.Load() && ctx.Err() == nil {
		r = &tileReader{sums: s, ctx: ctx, fetch: fetch, anew: true}
		err = prove(r)
	}
	return r, err
}

// A tileReader reads tiles from memory, the store or the database. The tlog
// package checks them against a head, wherever they come from, and calls
// SaveTiles with those that are right.
type tileReader struct {
	sums   *Sums
	ctx    context.Context      // of the one proof that this reader is made for
	fetch  remote               // what is not at hand
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
	data, err := r.fetch(r.ctx, tile.Path())
	if errors.Is(err, fs.ErrNotExist) && tile != full {
		// The partial tile is gone because it is full now.
		if data, err = r.fetch(r.ctx, full.Path()); err == nil && len(data) == full.W*tlog.HashSize {
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
