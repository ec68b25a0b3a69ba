package vcs

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/godown-dev/godown"
	"github.com/klauspost/compress/flate"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// A zipEntry is a file of a commit that may become one of a module's zip.
type zipEntry struct {
	name string // below the module's folder
	mode fs.FileMode
	id   string // of its object
	size int64
	data []byte // what it holds, where that is known already; else nil
}

// Path, Lstat and Open are for x/mod/zip, which says what belongs into a zip.
func (e zipEntry) Path() string                { return e.name }
func (e zipEntry) Lstat() (fs.FileInfo, error) { return entryInfo{e}, nil }

// Open is called for go.mod alone.
func (e zipEntry) Open() (io.ReadCloser, error) {
	if e.data == nil {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(e.data)), nil
}

type entryInfo struct{ e zipEntry }

func (i entryInfo) Name() string      { return path.Base(i.e.name) }
func (i entryInfo) Size() int64       { return i.e.size }
func (i entryInfo) Mode() fs.FileMode { return i.e.mode }
func (entryInfo) ModTime() time.Time  { return time.Time{} }
func (entryInfo) IsDir() bool         { return false }
func (entryInfo) Sys() any            { return nil }

// zip answers a request for a .zip: with the files that the go command's
// library puts into it, in the same order, but each is compressed once for all versions.
func (m *mod) zip(ctx context.Context, version string) (*godown.File, error) {
	p, gomod, err := m.settle(ctx, version, whole)
	if err != nil {
		return nil, err
	}
	r := m.remote
	if p.gomod == nil {
		gomod = nil // one that is made up is not in the zip
	}
	for attempt := 0; ; attempt++ {
		dir, made, err := r.where(ctx, p.commit.hash)
		if err == nil && dir == "" {
			dir, made, err = r.need(ctx, p.commit.hash, p.commit.ref, r.takeHints(p.commit.hash))
		}
		if errors.Is(err, errChanged) && attempt < maxAttempts {
			continue
		}
		if err != nil {
			return nil, err
		}
		f, err := m.makeZip(ctx, dir, version, p, gomod)
		_, odd := unknown(err)
		if err == nil {
			return f, nil
		}
		if attempt >= maxAttempts || !odd && !errors.Is(err, errMissing) && !errors.Is(err, errChanged) {
			return nil, err
		}
		// What git has here is not what it should be.
		if err := r.drop(ctx, repoName(dir), made); err != nil {
			return nil, err
		}
	}
}

// repoName returns the name of a remote's repository by its folder.
func repoName(dir string) string { return filepath.Base(dir) }

// makeZip makes the zip of the module at p, from the repository in dir.
func (m *mod) makeZip(ctx context.Context, dir, version string, p place, gomod []byte) (_ *godown.File, err error) {
	r := m.remote
	select {
	case r.o.zips <- struct{}{}:
		defer func() { <-r.o.zips }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r.reading.RLock()
	defer r.reading.RUnlock()
	b, err := r.objects(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer b.close()
	files, exact, err := r.filesOf(ctx, b, dir, p, gomod)
	if err != nil {
		return nil, err
	}
	tmp, err := r.o.newTempFile()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			tmp.Close()
		}
	}()
	v := module.Version{Path: m.path, Version: version}
	var made *godown.Made
	if exact {
		made, err = r.packZip(b, dir, tmp, v, files)
	} else {
		err = r.archiveZip(ctx, dir, tmp, v, p, files)
	}
	if err != nil {
		return nil, err
	}
	size, err := tmp.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = tmp.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, err
	}
	return &godown.File{Body: tmp, Size: size, Origin: r.address.Redacted(), Made: made}, nil
}

// filesOf returns the files below the module's folder, and the LICENSE of the
// repository if the module has none of its own. exact says that the objects are what git archive gives out.
func (r *remote) filesOf(ctx context.Context, b *objects, dir string, p place, gomod []byte) (files []*zipEntry, exact bool, err error) {
	args := []string{"ls-tree", "-r", "-l", "-z", "--full-tree", p.commit.hash}
	if p.dir != "" {
		args = append(args, "--", p.dir+"/")
	}
	out, err := r.o.run(ctx, gitRun{dir: dir, args: args})
	if err != nil {
		return nil, false, err
	}
	c, err := b.commit(p.commit.hash)
	if err != nil {
		return nil, false, err
	}
	known := make(map[string]map[string]treeEntry)
	exact = true
	look := func(name string) ([]byte, bool, error) {
		e, ok, err := b.walk(c.tree, name, known)
		if !ok || err != nil || !e.isFile() {
			return nil, false, err
		}
		_, data, err := b.read(e.id, maxFile)
		return data, true, err
	}
	// Attributes of the folders above count, too.
	for above := p.dir; above != ""; {
		above = strings.TrimSuffix(above[:strings.LastIndexByte(above, '/')+1], "/")
		data, ok, err := look(path.Join(above, ".gitattributes"))
		if err != nil {
			return nil, false, err
		}
		exact = exact && !(ok && converts(data, r.o.User))
	}
	licensed := p.dir == ""
	for line := range strings.SplitSeq(string(out), "\x00") {
		if line == "" {
			continue
		}
		e, ok, err := parseTreeLine(line, p.dir)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			continue
		}
		licensed = licensed || e.name == "LICENSE"
		if e.name == "go.mod" && e.mode.IsRegular() {
			e.data = gomod
		}
		if exact && isAttributes(e.name) { // also a link: git reads its text
			_, data, err := b.read(e.id, maxFile)
			if err != nil {
				return nil, false, err
			}
			exact = !converts(data, r.o.User)
		}
		files = append(files, e)
	}
	if !licensed {
		if data, ok, err := look("LICENSE"); err != nil {
			return nil, false, err
		} else if ok {
			files = append(files, &zipEntry{name: "LICENSE", mode: 0o644, size: int64(len(data)), data: data})
		}
	}
	return files, exact, nil
}

// parseTreeLine parses "MODE TYPE OBJECT SIZE\tPATH" of git ls-tree. ok is
// false for submodules.
func parseTreeLine(line, dir string) (e *zipEntry, ok bool, err error) {
	head, name, found := strings.Cut(line, "\t")
	f := strings.Fields(head)
	if !found || len(f) != 4 {
		return nil, false, fmt.Errorf("git ls-tree printed %.100q", line)
	}
	if f[1] != "blob" {
		return nil, false, nil
	}
	if f[3] == "BAD" {
		return nil, false, fmt.Errorf("%w: %s", errMissing, f[2])
	}
	size, err := strconv.ParseInt(f[3], 10, 64)
	if err != nil || size < 0 || !isHash(f[2]) {
		return nil, false, fmt.Errorf("git ls-tree printed %.100q", line)
	}
	if dir != "" {
		name = strings.TrimPrefix(name, dir+"/")
	}
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(f[0], "12") {
		mode |= fs.ModeSymlink
	}
	return &zipEntry{name: name, mode: mode, id: f[2], size: size}, true, nil
}

// packZip writes the zip of files to w, and returns what it is.
func (r *remote) packZip(b *objects, dir string, w io.Writer, v module.Version, files []*zipEntry) (*godown.Made, error) {
	if err := module.Check(v.Path, v.Version); err != nil {
		return nil, err
	}
	all := make([]modzip.File, len(files))
	byName := make(map[string]*zipEntry, len(files))
	for i, f := range files {
		all[i], byName[f.name] = f, f
	}
	checked, err := modzip.CheckFiles(all)
	if err == nil {
		err = checked.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("no zip can be made of it: %w", err)
	}
	if err := r.packAhead(b.ctx, dir, checked.Valid, byName); err != nil {
		return nil, err
	}
	whole := sha256.New()
	out := zip.NewWriter(io.MultiWriter(w, whole))
	out.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, packLevel) })
	p := new(packer)
	lines := make([]string, 0, len(checked.Valid)) // as dirhash.Hash1 has them, by name
	for _, name := range checked.Valid {
		full := v.Path + "@" + v.Version + "/" + name
		sum, err := r.add(out, full, b, p, byName[name])
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("%s\x00%x", full, sum))
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	slices.Sort(lines)
	sum := sha256.New()
	for _, l := range lines {
		name, hash, _ := strings.Cut(l, "\x00")
		fmt.Fprintf(sum, "%s  %s\n", hash, name)
	}
	return &godown.Made{
		H1:     "h1:" + base64.StdEncoding.EncodeToString(sum.Sum(nil)),
		SHA256: [sha256.Size]byte(whole.Sum(nil)),
	}, nil
}

// add adds a file to a zip, and returns the SHA-256 of what it holds.
func (r *remote) add(out *zip.Writer, name string, b *objects, p *packer, e *zipEntry) (sum [sha256.Size]byte, err error) {
	if e.id != "" && e.size > largeBlob {
		w, err := out.Create(name)
		if err != nil {
			return sum, err
		}
		h := sha256.New()
		err = b.copy(io.MultiWriter(w, h), e.id, e.size)
		return [sha256.Size]byte(h.Sum(nil)), err
	}
	blob, err := r.blob(b, p, e)
	if err != nil {
		return sum, err
	}
	return blob.sum, addPacked(out, name, blob)
}

// addPacked adds a file as archive/zip adds one that is compressed while it is written.
func addPacked(out *zip.Writer, name string, blob *packedBlob) error {
	h := &zip.FileHeader{
		Name: name, Method: zip.Deflate, Flags: 0x8, CreatorVersion: 20, ReaderVersion: 20,
		CRC32: blob.crc32, CompressedSize64: uint64(len(blob.data)), UncompressedSize64: uint64(blob.size),
	}
	if !isASCII(name) && utf8.ValidString(name) {
		h.Flags |= 0x800
	}
	w, err := out.CreateRaw(h)
	if err != nil {
		return err
	}
	_, err = w.Write(blob.data)
	return err
}

// packAhead compresses what is not compressed yet on all processors, if there
// is enough of it, and not too much to be kept.
func (r *remote) packAhead(ctx context.Context, dir string, names []string, byName map[string]*zipEntry) error {
	var todo []*zipEntry
	var size int64
	for _, name := range names {
		if e := byName[name]; e.id != "" && e.size <= largeBlob && r.o.blobs.get(blobKey{r, e.id}) == nil {
			todo = append(todo, e)
			size += e.size
		}
	}
	workers := min(runtime.GOMAXPROCS(0), maxPackers)
	if size < leastAhead || size > maxBlobCache || workers < 2 {
		return nil
	}
	var next atomic.Int64
	errs := make([]error, workers)
	var working sync.WaitGroup
	for i := range workers {
		working.Go(func() {
			b, err := r.objects(ctx, dir)
			if err != nil {
				errs[i] = err
				return
			}
			defer b.close()
			p := new(packer)
			for n := next.Add(1) - 1; int(n) < len(todo) && errs[i] == nil; n = next.Add(1) - 1 {
				e := todo[n]
				errs[i] = r.o.blobs.tryTake(ctx, blobKey{r, e.id}, func() (*packedBlob, error) {
					return p.pack(e.size, func(w io.Writer) error { return b.copy(w, e.id, e.size) })
				})
			}
		})
	}
	working.Wait()
	return errors.Join(errs...)
}

const (
	maxPackers = 8
	leastAhead = 1 << 20 // bytes
)

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7d || s[i] == '\\' {
			return false
		}
	}
	return true
}

// blob returns a file compressed.
func (r *remote) blob(b *objects, p *packer, e *zipEntry) (*packedBlob, error) {
	if e.id == "" {
		return p.pack(e.size, func(w io.Writer) error { _, err := w.Write(e.data); return err })
	}
	key := blobKey{r, e.id}
	return r.o.blobs.take(b.ctx, key, func() (*packedBlob, error) {
		return p.pack(e.size, func(w io.Writer) error { return b.copy(w, e.id, e.size) })
	})
}

// A tempFile is a file that is removed when it is closed.
type tempFile struct{ *os.File }

func (o *Origin) newTempFile() (*tempFile, error) {
	f, err := o.createTemp("zip-*")
	if err != nil {
		return nil, err
	}
	return &tempFile{f}, nil
}

// Close closes the file and removes it.
func (f *tempFile) Close() error {
	err := f.File.Close()
	if removeErr := os.Remove(f.Name()); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) && err == nil {
		err = removeErr
	}
	return err
}
