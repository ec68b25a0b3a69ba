package sumlog

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Exported says what an export has written.
type Exported struct {
	Tree  tlog.Tree
	Files int   // of which the export consists
	New   int   // those that were written; the others were there
	Bytes int64 // that were written
}

// WriteTar writes the log as a tar archive, as [TarSource] reads it: "latest",
// perhaps "checkpoint", and all tiles in the go command's paths, none of which is
// written before it is proven. The same log makes the same bytes.
func (s *Snapshot) WriteTar(ctx context.Context, w io.Writer) (Exported, error) {
	out := tar.NewWriter(w)
	done := Exported{Tree: s.head.tree}
	write := func(name string, data []byte) error {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o644, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		done.Files++
		done.New++
		done.Bytes += int64(len(data))
		_, err := out.Write(data)
		return err
	}
	checkpoint, err := s.checkpoint(ctx)
	if err == nil {
		err = write("latest", s.head.signed)
	}
	if err == nil && checkpoint != nil {
		err = write(checkpointFile, checkpoint)
	}
	if err == nil {
		err = s.each(ctx, write)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		return done, fmt.Errorf("exporting the checksum database %s: %w", s.log.Name, err)
	}
	return done, nil
}

// each gives use all tiles, each proven.
func (s *Snapshot) each(ctx context.Context, use func(name string, data []byte) error) error {
	for t := range exported(s.head.tree.N) {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := s.log.tile(ctx, s.state, t)
		if err != nil {
			return err
		}
		if err := use(t.Path(), data); err != nil {
			return err
		}
	}
	return nil
}

// WriteFolder writes the log as files that any web server can serve: those of
// [Snapshot.WriteTar]. What a folder has of an earlier export is kept, and only
// what is new or damaged is written, the head last: a reader finds a whole log at
// each moment. A folder that has more of the log, or another log, or something else, is left as it is.
func (s *Snapshot) WriteFolder(ctx context.Context, to godown.Store) (Exported, error) {
	done, err := s.writeFolder(ctx, to)
	if err != nil {
		return done, fmt.Errorf("exporting the checksum database %s: %w", s.log.Name, err)
	}
	return done, nil
}

func (s *Snapshot) writeFolder(ctx context.Context, to godown.Store) (Exported, error) {
	done := Exported{Tree: s.head.tree}
	before, err := s.earlier(ctx, to)
	if err != nil {
		return done, err
	}
	p := putter{store: to}
	put := func(name string, data []byte) error {
		done.Files++
		if have, err := readStored(ctx, to, name); err == nil && bytes.Equal(have, data) {
			return nil
		}
		done.New++
		done.Bytes += int64(len(data))
		return p.put(ctx, name, data)
	}
	checkpoint, err := s.checkpoint(ctx)
	if err == nil {
		err = s.each(ctx, put)
	}
	if err = errors.Join(err, p.flush(ctx)); err != nil {
		return done, err
	}
	if checkpoint != nil {
		err = put(checkpointFile, checkpoint)
	}
	if err == nil {
		err = p.flush(ctx)
	}
	if err == nil {
		err = put("latest", s.head.signed)
	}
	if err = errors.Join(err, p.flush(ctx)); err != nil {
		return done, err
	}
	return done, s.tidy(ctx, to, before)
}

// earlier returns the tree of an earlier export, which the log goes on from.
func (s *Snapshot) earlier(ctx context.Context, to godown.Store) (tlog.Tree, error) {
	none := emptyTree()
	for e, err := range to.List(ctx, "") {
		if err != nil {
			return none, err
		}
		if isTile(e.Name) {
			break // there may be very many; what else is there would be listed before them, or is of no harm
		}
		if e.Name != "latest" && e.Name != checkpointFile {
			return none, fmt.Errorf("the folder has something else than an export of a checksum database: %s; take an empty one", e.Name)
		}
	}
	signed, err := readStored(ctx, to, "latest")
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	tree, err := openHead(signed, s.log.Name, s.log.verifiers)
	if err != nil {
		return none, fmt.Errorf("the folder's file latest: %w; take an empty folder", err)
	}
	if tree.N > s.head.tree.N {
		return none, fmt.Errorf("the folder has %d records of it, but the log only %d: nothing was changed there", tree.N, s.head.tree.N)
	}
	hash, err := s.log.treeHash(ctx, s.state, tree.N)
	if err == nil && hash != tree.Hash {
		err = fork(s.log.Name, signed, s.head.signed)
	}
	return tree, err
}

// tidy removes the parts of tiles that have become full since an earlier tree.
// Who still looks for them finds the full ones.
func (s *Snapshot) tidy(ctx context.Context, to godown.Store, before tlog.Tree) error {
	now := &state{tree: s.head.tree}
	for t := range exported(before.N) {
		full := t
		full.W = tileWidth
		if t.W == tileWidth {
			break // the others come first
		}
		if !now.covers(full) {
			continue
		}
		var names []string
		for e, err := range to.List(ctx, full.Path()+".p/") {
			if err != nil {
				return err
			}
			names = append(names, e.Name)
		}
		for _, name := range names {
			if err := to.Delete(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// openHead returns the tree of a head that is signed by a key of the database name.
func openHead(signed []byte, name string, verifiers note.Verifiers) (tlog.Tree, error) {
	n, err := note.Open(signed, verifiers)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("it is not a head of %s that is signed with a key that is known here: %w", name, err)
	}
	own := false
	for _, sig := range n.Sigs {
		own = own || sig.Name == name
	}
	if !own {
		return tlog.Tree{}, fmt.Errorf("it is signed by %q, and not by %s", n.Sigs[0].Name, name)
	}
	tree, err := tlog.ParseTree([]byte(n.Text))
	if err == nil && (tree.N < 0 || tree.N > maxRecords) {
		err = fmt.Errorf("%d records are not believed", tree.N)
	}
	return tree, err
}

// maxRecords is how many records a log may claim: beyond 2^62 or so numbers overflow.
const maxRecords = 1 << 40

// fork returns the error that two heads are of different histories, with them as the evidence.
func fork(name string, one, other []byte) error {
	indent := func(b []byte) string { return strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\n\t") }
	return &godown.SecurityError{Database: name, Detail: fmt.Sprintf(
		"two heads of it are of different histories:\n\t%s\nand\n\t%s", indent(one), indent(other))}
}

func readStored(ctx context.Context, store godown.Store, name string) ([]byte, error) {
	f, err := store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f.Reader())
}
