package sumlog

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/sumdb/tlog"
)

// A Source gives the files of an export, which may be forged in any way.
type Source interface {
	// Next returns a file of at most limit bytes. Each is asked for once, in
	// the order of [Snapshot.WriteTar]. That there is none is an fs.ErrNotExist.
	Next(ctx context.Context, name string, limit int64) ([]byte, error)
	// End returns an error if there is something after the last file.
	End() error
}

// TarSource reads what [Snapshot.WriteTar] has written, and holds one file of it
// in memory. An archive in another order must be unpacked, for [FolderSource].
func TarSource(r io.Reader) Source { return &tarSource{in: tar.NewReader(r)} }

type tarSource struct {
	in    *tar.Reader
	head  *tar.Header // of the file that was not asked for yet; nil: it is to be read
	count int         // of files that were read
}

// Next returns the next file if it has that name.
func (s *tarSource) Next(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.head == nil {
		head, err := s.in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, &godown.NotFound{Text: fmt.Sprintf("the archive ends after %d files, where %s is expected: it is cut off, or no export", s.count, name)}
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, fmt.Errorf("the archive is cut off after %d files", s.count)
		case err != nil:
			return nil, fmt.Errorf("after %d files this is no tar archive any more (one that is compressed must be unpacked first): %w", s.count, err)
		}
		s.head = head
	}
	switch head := s.head; {
	case head.Typeflag != tar.TypeReg:
		return nil, fmt.Errorf("the archive has %.100q, which is not a file: an export has only files", head.Name)
	case head.Name != name:
		return nil, &godown.NotFound{Text: fmt.Sprintf("the archive has %.100q where %s is expected: it was not made by an export, or put together anew; unpack it and import the folder", head.Name, name)}
	case head.Size > limit:
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that it can have", name, head.Size, limit)
	}
	data := make([]byte, s.head.Size)
	if _, err := io.ReadFull(s.in, data); err != nil {
		return nil, fmt.Errorf("the archive is cut off in its file %s", name)
	}
	s.head = nil
	s.count++
	return data, nil
}

// End returns an error if there are more files.
func (s *tarSource) End() error {
	if s.head == nil {
		head, err := s.in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after its last file this is no tar archive any more: %w", err)
		}
		s.head = head
	}
	return fmt.Errorf("the archive has %.100q after its last file", s.head.Name)
}

// FolderSource reads what [Snapshot.WriteFolder] has written, or the same files from anywhere.
func FolderSource(fsys fs.FS) Source { return folderSource{fsys} }

type folderSource struct{ fs fs.FS }

// Next returns a file.
func (s folderSource) Next(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", name)
	}
	if err == nil && info.Size() > limit {
		err = fmt.Errorf("%s has %d bytes, more than the %d that it can have", name, info.Size(), limit)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// End has nothing to say: a folder may have files of earlier exports.
func (s folderSource) End() error { return nil }

// How large the files of an export can be, in bytes.
const (
	maxHead   = 1 << 20
	maxRecord = 1<<16 - 1
)

// limitOf returns how large the file of a tile can be.
func limitOf(t tlog.Tile) int64 {
	if t.L == -1 {
		return int64(t.W) * (maxRecord + 1)
	}
	return int64(t.W) * tlog.HashSize
}
