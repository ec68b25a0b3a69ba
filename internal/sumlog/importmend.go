package sumlog

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A claim is what a file says of a log that cannot be read.
type claim struct {
	tree tlog.Tree
	file string // below the log's name
	sure bool   // the file is whole, as far as can be told: it is not of this tree by a fault of the disk
	size bool   // the hash says nothing
}

// hold holds the tree that comes to all that is known here. Where that is longer
// what comes may be of use all the same.
func (im *importer) hold(ctx context.Context, tree tlog.Tree) error {
	if im.have != nil && im.have.tree.N > tree.N && im.shown.signed != nil && im.shown.tree.N <= im.have.tree.N {
		// That the tree that comes is a beginning of this one is seen by its edge.
		im.older = true
		hash, err := im.log.treeHash(ctx, im.have, im.shown.tree.N)
		if err == nil && hash != im.shown.tree.Hash {
			err = im.log.holds(ctx, im.have, im.shown.tree)
		}
		return err
	}
	if im.have != nil && im.have.tree.N >= tree.N {
		if hash, err := im.log.treeHash(ctx, im.have, tree.N); err != nil {
			return err
		} else if hash != tree.Hash {
			return im.forked()
		}
	}
	if known := max(im.done.Before, im.shown.tree.N); known > tree.N {
		err := fmt.Errorf("it has %d records, but %d are known here: %w", tree.N, known, ErrOlder)
		if im.broken == nil && im.headless == nil {
			return err
		}
		return fmt.Errorf("%w; what is here is damaged (%w): it takes a newer export to put that right", err, errors.Join(im.broken, im.headless))
	}
	for _, c := range im.claims {
		if c.tree.N > tree.N && (im.have == nil || c.sure) {
			return fmt.Errorf("it has %d records, but %s/%s says that there were %d: %w. Import a newer export. %s",
				tree.N, im.log.Name, c.file, c.tree.N, ErrOlder, im.risk(c.file))
		}
	}
	return nil
}

// risk says what to do about a file that stands in the way.
func (im *importer) risk(file string) string {
	return fmt.Sprintf("Or, if you know that this file is damaged or that no client has seen more than what you import, move %s/%s away and do it again: "+
		"clients that have seen more, or otherwise, will stop with a security error", im.log.Name, file)
}

// mend puts a tile of the log that is here right by the one that has come, of a log that is as long or shorter.
func (im *importer) mend(ctx context.Context, t tlog.Tile, data []byte) error {
	before := im.done.Mended
	here, err := im.log.tile(ctx, im.have, t)
	if err == nil {
		if !bytes.Equal(data, here) {
			return im.forked()
		}
		return nil
	}
	if ctx.Err() != nil {
		return err
	}
	im.done.Mended = max(before, im.done.Mended-1) // there was an alarm for what could not be made anew, the last one
	if t.W == tileWidth {
		rerr := im.replace(ctx, t, data)
		if rerr == nil {
			im.done.Mended++
			return nil
		}
		if _, forked := errors.AsType[*godown.SecurityError](rerr); forked || ctx.Err() != nil {
			return rerr
		}
		err = rerr
	}
	if len(im.lost) < 10 {
		im.lost = append(im.lost, err)
	}
	return nil
}

// endOlder says what came of tiles that are of a log with fewer records.
func (im *importer) endOlder() error {
	size := fmt.Sprintf("it has %d records, but %d are known here", im.head.tree.N, im.have.tree.N)
	switch lost := errors.Join(im.lost...); {
	case lost == nil && im.done.Mended == 0:
		return fmt.Errorf("%s: %w", size, ErrOlder)
	case lost != nil && im.done.Mended == 0:
		return fmt.Errorf("%s: %w; and what is damaged here it does not have: a newer export is needed: %w", size, ErrOlder, lost)
	case lost != nil:
		return fmt.Errorf("%s: %d damaged files were put right, but for the others a newer export is needed: %w", size, im.done.Mended, lost)
	}
	return nil
}

// claimHead takes in a head that cannot be read.
func (im *importer) claimHead(signed []byte, why error) {
	im.headless = fmt.Errorf("the head of the log that is here, %s/latest: %w", im.log.Name, why)
	text, _, _ := strings.Cut(string(signed), "\n\n")
	tree, err := tlog.ParseTree([]byte(text + "\n"))
	if err != nil {
		return
	}
	_, err = note.Open(signed, im.log.verifiers)
	_, stranger := errors.AsType[*note.UnverifiedNoteError](err)
	im.claims = append(im.claims, claim{tree: tree, file: "latest", sure: err == nil || stranger})
}

// claimCommit takes in a log of which the tree or the newest records cannot be
// read, and why. If that is no damage it returns why.
func (im *importer) claimCommit(ctx context.Context, why error) error {
	if ctx.Err() != nil {
		return why
	}
	text, err := im.log.read(ctx, "commit")
	if err != nil {
		return why
	}
	tree, err := tlog.ParseTree(text)
	if err == nil && bytes.Equal(text, tlog.FormatTree(tree)) && (tree.N > 0 || tree == emptyTree()) {
		data, err := im.log.read(ctx, tailName(tree))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return why
		}
		there := err == nil
		if _, err := decodeState(data, tree); there && err == nil {
			return why // it is not that which cannot be read
		}
		im.claims = append(im.claims, claim{tree: tree, file: "commit", sure: there})
	}
	im.commit, im.broken = text, why
	im.done.Before = im.shown.tree.N
	return im.claimTails(ctx)
}

// claimTails takes in how many records there were by the names of tails: a tree
// may have been signed, and shown, before the file latest says so.
func (im *importer) claimTails(ctx context.Context) error {
	most := claim{size: true}
	prefix := im.log.Name + "/tail/"
	for e, err := range im.log.Store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		size, hash, _ := strings.Cut(strings.TrimPrefix(e.Name, prefix), "-")
		n, err := strconv.ParseInt(size, 10, 64)
		if b, herr := hex.DecodeString(hash); err == nil && herr == nil && len(b) == tlog.HashSize && n > most.tree.N {
			most.tree.N, most.file = n, strings.TrimPrefix(e.Name, im.log.Name+"/")
		}
	}
	if most.tree.N > 0 {
		im.claims = append(im.claims, most)
	}
	return nil
}

// maxDoubtful bounds the memory for tiles that differ from what is here.
const maxDoubtful = 64

// doubt looks at a full tile where the log that is here cannot be read: if there is
// another tile it must be damaged, which is known at the end only, or nothing may be changed.
func (im *importer) doubt(ctx context.Context, t tlog.Tile, data []byte) (bool, error) {
	if im.have != nil || t.W < tileWidth || im.shown.signed == nil && im.broken == nil && len(im.claims) == 0 {
		return false, nil
	}
	here, err := im.log.read(ctx, t.Path())
	if err != nil || bytes.Equal(here, data) {
		if ctx.Err() != nil {
			return false, err
		}
		return false, nil // what cannot be read is replaced
	}
	if !(&state{tree: im.shown.tree}).covers(t) || len(im.doubtful) == maxDoubtful {
		return false, fmt.Errorf("%s is another here, and whether it is damaged or of another history cannot be told, as the log cannot be read (%w). %s",
			t.Path(), errors.Join(im.broken, im.headless), im.risk(t.Path()))
	}
	if t.L >= 0 {
		im.log.tiles.put(t, data) // it is proven by what comes, and needed to see that the head that is here is
	}
	im.doubtful = append(im.doubtful, putting{t.Path(), data})
	return true, nil
}

// settleClaims holds what has come, of which the signed head that is here is a
// beginning, to what else is known of a log that cannot be read, and replaces what is damaged.
func (im *importer) settleClaims(ctx context.Context) error {
	for _, c := range im.claims {
		if c.size || c.file == "latest" && !c.sure || c.tree.N > im.head.tree.N {
			continue
		}
		hash, err := im.log.treeHash(ctx, im.next, c.tree.N)
		if err != nil {
			return err
		}
		if hash == c.tree.Hash || !c.sure && im.shown.signed != nil {
			continue // a tree that was committed has a tail: this is none
		}
		return fmt.Errorf("%w\n%s", fork(im.log.Name, tlog.FormatTree(c.tree), im.head.signed), im.risk(c.file))
	}
	for _, f := range im.doubtful {
		if err := im.log.put(ctx, f.name, f.data); err != nil {
			return err
		}
		im.done.Mended++
	}
	return nil
}
