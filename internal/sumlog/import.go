package sumlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Imported says what an import has done.
type Imported struct {
	Tree   tlog.Tree // of the log as it is now
	Came   int64     // how many records what was imported has; fewer than Tree if it is older
	Before int64     // how many records of it were there before
	Mended int       // damaged files of these that were put right
}

// ErrOlder says that a log has more records than what was to be imported, of which nothing was of use.
var ErrOlder = errors.New("the log that is here has more records; nothing was changed")

// Import makes a log of an export, or goes on with the one that is there if that
// is a beginning of what comes; what of it is damaged is put right. What comes may
// be a beginning of what is there: then it puts right full tiles and nothing else, and
// if it can do none, that is [ErrOlder]. Every file is
// proven by the head, which a key of verifiers must have signed, before
// it is stored, and nothing that is there is replaced by another history: that
// is a *[godown.SecurityError]. It needs no private key. After any other error, and
// after a crash, it can be done again; until it is done the log is what it was before.
func Import(ctx context.Context, store godown.Store, name string, verifiers []note.Verifier, src Source) (Imported, error) {
	if _, ok := store.(godown.Swapper); !ok {
		return Imported{}, errNoSwap
	}
	im := &importer{src: src, putter: putter{store: store, prefix: name + "/"}}
	im.log = &Log{options: Options{Name: name, Store: store, Verifiers: verifiers, Alarm: func(a godown.Alarm) {
		if a.Kind != "store" {
			im.done.Mended++ // a tile that was made anew; what cannot be is an error besides
		}
	}}}
	im.log.verifiers = note.VerifierList(verifiers...)
	if err := im.run(ctx); err != nil {
		return im.done, fmt.Errorf("importing the checksum database %s: %w", name, err)
	}
	return im.done, nil
}

// An importer is one import under way. It belongs to one goroutine.
type importer struct {
	log    *Log
	src    Source
	putter putter
	done   Imported

	have  *state // what is there; nil: no log
	shown head   // the head that was signed last of it; its tree is that without records if there is none

	head       head   // what comes
	checkpoint []byte // with it, or nil
	next       *state // what comes, of which the full tiles are to come yet

	full     map[int][]byte // the latest full tile of each level
	unproven int            // how many of have's tiles at the edge have not yet been found in what comes
	held     []putting      // what is stored when these are

	older bool    // what comes has fewer records: it can only mend
	lost  []error // the damage that it cannot mend

	broken   error     // why the log that is here cannot be read; nil: it can, or there is none
	headless error     // the same of its head
	commit   []byte    // of it, as it is there; nil: it is not
	claims   []claim   // what else says how much there was
	doubtful []putting // what is here otherwise, and will be replaced if the head that was signed says so
}

func (im *importer) run(ctx context.Context) error {
	if err := im.local(ctx); err != nil {
		return err
	}
	if err := im.readHead(ctx); err != nil {
		return err
	}
	im.full = make(map[int][]byte)
	if im.have != nil {
		for _, edge := range im.have.edge {
			if len(edge) > 0 {
				im.unproven++
			}
		}
	}
	if err := im.readEdge(ctx); err != nil {
		return err
	}
	for t := range exported(im.head.tree.N) {
		if t.W < tileWidth {
			continue // it was read
		}
		data, err := im.src.Next(ctx, t.Path(), limitOf(t))
		if err == nil {
			err = im.take(ctx, t, data)
		}
		if err != nil {
			return cloak(err)
		}
	}
	if err := im.src.End(); err != nil {
		return err
	}
	if err := im.putter.flush(ctx); err != nil {
		return err
	}
	if im.older {
		return im.endOlder()
	}
	return im.finish(ctx)
}

// local reads what is there.
func (im *importer) local(ctx context.Context) error {
	im.shown.tree = emptyTree()
	shown, err := im.log.read(ctx, "latest") // before the tree, which is then as new or newer
	if err == nil {
		tree, err := openHead(shown, im.log.Name, im.log.verifiers)
		if err == nil {
			im.shown = head{tree, shown}
		} else {
			im.claimHead(shown, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if im.commit, err = im.log.read(ctx, "commit"); errors.Is(err, fs.ErrNotExist) {
		im.commit = nil
		return im.claimTails(ctx)
	} else if err != nil {
		return err
	}
	have, _, err := im.log.load(ctx)
	if err != nil {
		return im.claimCommit(ctx, fmt.Errorf("the log that is here: %w", cloak(err)))
	}
	im.have = have
	im.done.Before, im.done.Tree = have.tree.N, have.tree
	return nil
}

// readHead reads the head that comes, and compares it with those that are known here.
func (im *importer) readHead(ctx context.Context) error {
	signed, err := im.src.Next(ctx, "latest", maxHead)
	if err != nil {
		return cloak(err)
	}
	im.head.signed = signed
	if im.head.tree, err = openHead(signed, im.log.Name, im.log.verifiers); err != nil {
		return fmt.Errorf("its file latest: %w", err)
	}
	tree := im.head.tree
	im.done.Came = tree.N
	if tree.N == 0 && tree != emptyTree() {
		return errors.New("its file latest: that is not the hash of no records")
	}
	if err := im.hold(ctx, tree); err != nil {
		return err
	}
	im.checkpoint, err = im.src.Next(ctx, checkpointFile, maxHead)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// forked returns the error that what comes is of another history than what is here.
func (im *importer) forked() error {
	here := im.shown.signed
	if here == nil {
		here = tlog.FormatTree(im.have.tree)
	}
	return fork(im.log.Name, here, im.head.signed)
}

// readEdge reads the tiles that are not full, which prove the head and all others.
func (im *importer) readEdge(ctx context.Context) error {
	s := &state{tree: im.head.tree}
	for s.tree.N>>(tileHeight*len(s.edge)) > 0 {
		s.edge = append(s.edge, nil)
	}
	for t := range exported(s.tree.N) {
		if t.W == tileWidth {
			break
		}
		data, err := im.src.Next(ctx, t.Path(), limitOf(t))
		if err != nil {
			return cloak(err)
		}
		if t.L == -1 {
			s.texts, err = splitTexts(data, t.W)
			if err != nil {
				return fmt.Errorf("%s: %w", t.Path(), err)
			}
		} else {
			if len(data) != t.W*tlog.HashSize {
				return fmt.Errorf("%s has %d bytes, not %d", t.Path(), len(data), t.W*tlog.HashSize)
			}
			s.edge[t.L] = data
		}
	}
	if hash, err := tlog.TreeHash(s.tree.N, s); err != nil || hash != s.tree.Hash {
		return errors.Join(errors.New("the tiles at the tree's edge are not those of its head"), err)
	}
	var first []byte
	if len(s.edge) > 0 {
		first = s.edge[0]
	}
	if err := checkTexts(s.tree.N>>tileHeight, s.texts, first); err != nil {
		return err
	}
	im.next = s
	for t := range exported(s.tree.N) {
		if t.W == tileWidth {
			break
		}
		data, _ := s.atEdge(t)
		if err := im.compare(ctx, t, data); err != nil {
			return err
		}
	}
	return nil
}

// checkTexts checks that the records of a tile are those of its hashes, and of the form that a log's have.
func checkTexts(n int64, texts [][]byte, hashes []byte) error {
	if len(hashes) != len(texts)*tlog.HashSize {
		return fmt.Errorf("the tile %d of hashes is not as wide as that of records", n)
	}
	for i, text := range texts {
		id := n<<tileHeight + int64(i)
		if hash := tlog.RecordHash(text); !bytes.Equal(hash[:], hashes[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return fmt.Errorf("record %d is not that of the tree", id)
		}
		m, err := versionOf(text)
		if err == nil {
			err = checkRecord(m, text)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", id, err)
		}
	}
	return nil
}

// take takes in a full tile.
func (im *importer) take(ctx context.Context, t tlog.Tile, data []byte) error {
	if t.L == -1 {
		texts, err := splitTexts(data, tileWidth)
		if err == nil {
			err = checkTexts(t.N, texts, im.full[0])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.Path(), err)
		}
		return im.compare(ctx, t, data)
	}
	above := im.full[t.L+1]
	if t.N>>tileHeight == im.next.tree.N>>(tileHeight*(t.L+2)) {
		above = im.next.edge[t.L+1]
	}
	at := int(t.N%tileWidth) * tlog.HashSize
	if root := rootOf(t, data); root == nil || !bytes.Equal(root, above[at:at+tlog.HashSize]) {
		return fmt.Errorf("%s is not what the tree has", t.Path())
	}
	im.full[t.L] = data
	return im.compare(ctx, t, data)
}

// compare compares a tile with what is here of it, and stores what is full and not here.
func (im *importer) compare(ctx context.Context, t tlog.Tile, data []byte) error {
	if im.older {
		return im.mend(ctx, t, data)
	}
	if there, err := im.doubt(ctx, t, data); there || err != nil {
		return err
	}
	w := 0
	if im.have != nil {
		w = int(max(0, min(int64(t.W), im.have.count(t)-t.N<<tileHeight)))
	}
	if w > 0 {
		if err := im.same(ctx, t, w, data); err != nil {
			return err
		}
	}
	if t.W == tileWidth && w < t.W {
		im.held = append(im.held, putting{t.Path(), data})
	}
	if im.unproven > 0 {
		return nil // only tiles above the one that will be the first to be new
	}
	for _, f := range im.held {
		if err := im.putter.put(ctx, f.name, f.data); err != nil {
			return err
		}
	}
	im.held = im.held[:0]
	return nil
}

// same compares the first w hashes or records of a tile with those of the log
// that is here. Where that is damaged, what comes is put in its place if it is proven by that log.
func (im *importer) same(ctx context.Context, t tlog.Tile, w int, data []byte) error {
	part := t
	part.W = w
	here, err := im.log.tile(ctx, im.have, part)
	if err == nil {
		if !bytes.HasPrefix(data, here) {
			return im.forked()
		}
		if t.L >= 0 && im.have.count(t)>>tileHeight == t.N {
			im.unproven--
		}
		return nil
	}
	if ctx.Err() != nil {
		return err
	}
	return im.replace(ctx, t, data)
}

// replace stores a full tile in the place of one that is damaged, if the log that is here proves it.
func (im *importer) replace(ctx context.Context, t tlog.Tile, data []byte) (err error) {
	if t.L == -1 {
		var hashes []byte
		if hashes, err = im.log.tile(ctx, im.have, tlog.Tile{H: tileHeight, N: t.N, W: tileWidth}); err == nil && !bytes.Equal(hashes, im.full[0]) {
			err = im.forked()
		}
	} else {
		var above []byte
		slot := tlog.Tile{H: tileHeight, L: t.L + 1, N: t.N >> tileHeight, W: int(t.N%tileWidth) + 1}
		if above, err = im.log.tile(ctx, im.have, slot); err == nil && !bytes.HasSuffix(above, rootOf(t, data)) {
			err = im.forked()
		}
	}
	if err != nil {
		return err
	}
	return im.log.put(ctx, t.Path(), data)
}

// finish makes what has come the log. All full tiles of it are in the store, but for doubtful ones.
func (im *importer) finish(ctx context.Context) error {
	if im.unproven > 0 {
		return errors.New("what comes does not have all that is here") // it cannot be: each tile of what is here is in it
	}
	if hash, err := im.log.treeHash(ctx, im.next, im.shown.tree.N); err != nil {
		return err
	} else if hash != im.shown.tree.Hash {
		return im.forked()
	}
	if err := im.settleClaims(ctx); err != nil {
		return err
	}
	tree := im.head.tree
	if im.have == nil || im.have.tree != tree {
		old := im.commit
		if im.have != nil {
			im.next.appends = im.have.appends // when the others were appended is not known
			old = tlog.FormatTree(im.have.tree)
			for _, f := range im.have.filled { // the tail that has them will be removed
				if err := im.log.put(ctx, f.tile.Path(), f.data); err != nil {
					return err
				}
			}
		}
		tail, err := im.next.encode()
		if err == nil && tree.N > 0 {
			err = im.log.put(ctx, tailName(tree), tail)
		}
		if err == nil && im.have == nil {
			// Without a head a log of records cannot be opened; without the commit there is no log.
			err = im.log.put(ctx, "latest", im.head.signed)
		}
		if err != nil {
			return err
		}
		err = im.log.Store.(godown.Swapper).Swap(ctx, im.log.Name+"/commit", old, tlog.FormatTree(tree))
		if errors.Is(err, godown.ErrChanged) {
			return fmt.Errorf("another process has changed the log meanwhile; do it again: %w", err)
		}
		if err != nil {
			return fmt.Errorf("whether the log was changed is not known; do it again: %w", err)
		}
	}
	im.done.Tree = tree
	if im.broken != nil {
		im.done.Mended++
	}
	if im.headless != nil {
		im.done.Mended++
	}
	if im.have != nil && (im.shown.signed == nil || im.shown.tree != tree) {
		if err := im.log.put(ctx, "latest", im.head.signed); err != nil {
			return err
		}
	}
	if im.have != nil && im.have.tree != tree && im.have.tree.N > 0 {
		_ = im.log.Store.Delete(ctx, im.log.Name+"/"+tailName(im.have.tree)) // it is for tidiness only
	}
	return im.putCheckpoint(ctx)
}

// putCheckpoint stores the checkpoint that has come, if it is one of the log and a newer one.
func (im *importer) putCheckpoint(ctx context.Context) error {
	tree, ok := im.log.checkpointTree(im.checkpoint)
	if !ok || tree.N > im.head.tree.N {
		return nil
	}
	if have, err := im.log.read(ctx, checkpointFile); err == nil && im.log.sizeOf(have) >= tree.N {
		return nil
	}
	hash, err := im.log.treeHash(ctx, im.next, tree.N)
	if err != nil || hash != tree.Hash {
		return err
	}
	return im.log.put(ctx, checkpointFile, im.checkpoint)
}
