package godown

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"
)

// maxDirectory bounds a zip's central directory, in bytes: archive/zip keeps
// all of it in memory. The longest that x/mod/zip's limits let us expect, a
// hundred thousand files, takes half of it.
const maxDirectory = 32 << 20

// HashMod returns the hash of a go.mod file as go.sum has it, "h1:…".
func HashMod(data []byte) string {
	h1, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	})
	if err != nil { // only a newline in the name or a failing reader could cause one
		return ""
	}
	return h1
}

// CheckZip checks that r is a module zip that the go command would take for
// req (https://go.dev/ref/mod#zip-files): not too large, packed or unpacked,
// each entry below module@version/, no two that differ by case alone. It
// returns its hash as go.sum has it, "h1:…". A zip that is not so is a
// *[Mismatch]; any other error is of reading r or of ctx.
func CheckZip(ctx context.Context, req Request, r io.ReaderAt, size int64) (h1 string, err error) {
	wrong := func(format string, args ...any) error {
		return &Mismatch{Request: req, Reason: fmt.Sprintf(format, args...)}
	}
	if size > modzip.MaxZipFile {
		return "", wrong("the zip has %d bytes, more than the %d that the go command accepts", size, int64(modzip.MaxZipFile))
	}
	source := &watchedReader{r: r}
	end, err := readZipEnd(source, size)
	if source.err != nil {
		return "", fmt.Errorf("reading %v: %w", req, source.err)
	}
	if err != nil {
		return "", wrong("%v", err)
	}
	if size-end.directory > maxDirectory {
		return "", wrong("the zip's directory has %d bytes, more than %d", size-end.directory, maxDirectory)
	}
	z, err := zip.NewReader(source, size)
	if err == nil {
		z.RegisterDecompressor(zip.Deflate, newInflater)
		err = checkEntries(req, z.File)
	}
	if err == nil {
		h1, err = hashEntries(ctx, z.File)
	}
	switch {
	case source.err != nil:
		return "", fmt.Errorf("reading %v: %w", req, source.err)
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", wrong("%.300v", err)
	}
	return h1, nil
}

// A watchedReader remembers an error of the disk, which is not the zip's fault.
type watchedReader struct {
	r   io.ReaderAt
	mu  sync.Mutex // guards err
	err error
}

func (w *watchedReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 { // a zip may lead there
		return 0, errors.New("an offset before the zip's beginning")
	}
	n, err := w.r.ReadAt(p, off)
	if err != nil && err != io.EOF {
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
	}
	return n, err
}

// checkEntries applies the rules for the names and sizes of a module zip.
func checkEntries(req Request, files []*zip.File) error {
	prefix := req.Path + "@" + req.Version + "/"
	seen := make(map[string]zipName, len(files))
	var total uint64
	for _, f := range files {
		name, ok := strings.CutPrefix(f.Name, prefix)
		if !ok {
			return fmt.Errorf("entry %q is not below %s", f.Name, prefix)
		}
		if name == "" {
			continue
		}
		name, isDir := strings.CutSuffix(name, "/")
		if path.Clean(name) != name {
			return fmt.Errorf("entry %q is not a clean path", f.Name)
		}
		if err := module.CheckFilePath(name); err != nil {
			return fmt.Errorf("entry %q: %w", f.Name, err)
		}
		if err := collide(seen, name, isDir); err != nil {
			return err
		}
		if isDir {
			continue
		}
		if base := path.Base(name); strings.EqualFold(base, "go.mod") && name != "go.mod" {
			return fmt.Errorf("entry %q is a go.mod that is not the module's own", f.Name)
		}
		if total += f.UncompressedSize64; f.UncompressedSize64 > modzip.MaxZipFile || total > modzip.MaxZipFile {
			return fmt.Errorf("unpacked it has more than the %d bytes that the go command accepts", int64(modzip.MaxZipFile))
		}
		if (name == "go.mod" && f.UncompressedSize64 > modzip.MaxGoMod) || (name == "LICENSE" && f.UncompressedSize64 > modzip.MaxLICENSE) {
			return fmt.Errorf("entry %q has %d bytes, which is too many", f.Name, f.UncompressedSize64)
		}
	}
	return nil
}

type zipName struct {
	name  string
	isDir bool
}

// collide notes name and the folders above it, unless they differ from another
// name by case alone, or a name is there twice.
func collide(seen map[string]zipName, name string, isDir bool) error {
	for ; name != "."; name, isDir = path.Dir(name), true {
		key := fold(name)
		other, ok := seen[key]
		switch {
		case !ok:
			seen[key] = zipName{name, isDir}
			continue
		case other.name != name:
			return fmt.Errorf("entries %q and %q differ by case alone", other.name, name)
		case other.isDir != isDir:
			return fmt.Errorf("entry %q is a file and a folder", name)
		case !isDir:
			return fmt.Errorf("entry %q is there twice", name)
		}
		return nil // a folder noted before, and so those above it
	}
	return nil
}

// fold maps names that are equal under Unicode case folding to one string.
func fold(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || 'A' <= s[i] && s[i] <= 'Z' {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		// The least rune of the orbit stands for it, but in lower case within ASCII.
		low := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			low = min(low, next)
		}
		if 'A' <= low && low <= 'Z' {
			low += 'a' - 'A'
		}
		return low
	}, s)
}

// hashEntries computes the h1 of a zip's entries, several at a time.
func hashEntries(ctx context.Context, files []*zip.File) (string, error) {
	sums := make([][sha256.Size]byte, len(files))
	errs := make([]error, len(files))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), max(1, len(files))) {
		workers.Go(func() {
			buf := make([]byte, 32<<10)
			for i := range next {
				if errs[i] = ctx.Err(); errs[i] == nil {
					sums[i], errs[i] = hashEntry(files[i], buf)
				}
			}
		})
	}
	for i := range files {
		next <- i
	}
	close(next)
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}

	order := make([]int, len(files))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(files[a].Name, files[b].Name) })
	all := sha256.New()
	for _, i := range order {
		fmt.Fprintf(all, "%x  %s\n", sums[i], files[i].Name)
	}
	return "h1:" + base64.StdEncoding.EncodeToString(all.Sum(nil)), nil
}

func hashEntry(f *zip.File, buf []byte) (sum [sha256.Size]byte, err error) {
	if strings.Contains(f.Name, "\n") {
		return sum, fmt.Errorf("entry %q has a newline in its name", f.Name)
	}
	r, err := f.Open()
	if err != nil {
		return sum, fmt.Errorf("entry %q: %w", f.Name, err)
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, r, buf); err != nil {
		return sum, fmt.Errorf("entry %q: %w", f.Name, err)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// An inflater unpacks with a larger buffer than archive/zip does, which saves
// most of the system calls of hashing.
type inflater struct {
	in  *bufio.Reader
	out io.ReadCloser
}

var inflaters = sync.Pool{New: func() any {
	in := bufio.NewReaderSize(nil, 64<<10)
	return &inflater{in, flate.NewReader(in)}
}}

func newInflater(r io.Reader) io.ReadCloser {
	f := inflaters.Get().(*inflater)
	f.in.Reset(r)
	f.out.(flate.Resetter).Reset(f.in, nil)
	return f
}

func (f *inflater) Read(p []byte) (int, error) { return f.out.Read(p) }

// Close makes the inflater ready for the next. It is called once.
func (f *inflater) Close() error {
	err := f.out.Close()
	f.in.Reset(nil)
	inflaters.Put(f)
	return err
}

// A zipEnd tells what the last bytes of a zip tell.
type zipEnd struct {
	directory int64  // offset of the central directory
	etag      string // an entity tag of the whole: of its length and tail, which hold the checksums and places of its entries, or of the last of very many
}

// zipTail is the number of bytes at the end of a zip that hold its end
// record: 22 bytes and a comment, and before them what zip64 adds.
const zipTail = 64<<10 + 22 + 20 + 56

var errNoEnd = errors.New("the zip has no end record: it is truncated, or no zip at all")

// readZipEnd finds the end record. Its errors that are not of reading say that
// this is not a whole zip.
func readZipEnd(r io.ReaderAt, size int64) (zipEnd, error) {
	if size < 22 {
		return zipEnd{}, errNoEnd
	}
	tail := make([]byte, min(size, zipTail))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return zipEnd{}, err
	}
	at := -1
	for i := len(tail) - 22; i >= 0; i-- {
		if binary.LittleEndian.Uint32(tail[i:]) == 0x06054b50 && i+22+int(binary.LittleEndian.Uint16(tail[i+20:])) <= len(tail) {
			at = i
			break
		}
	}
	if at < 0 {
		return zipEnd{}, errNoEnd
	}
	directory, err := findDirectory(r, tail[at:], size-int64(len(tail))+int64(at))
	if err != nil {
		return zipEnd{}, err
	}
	sum := sha256.New()
	binary.Write(sum, binary.LittleEndian, size)
	sum.Write(tail)
	return zipEnd{
		directory: directory,
		etag:      `"` + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:15]) + `"`,
	}, nil
}

// findDirectory returns the lowest place where a zip's directory may be found
// to begin, given its end record and where that is. Readers differ in what
// they believe: the offset, or the length and that the directory ends at the
// record; and where there are two records, as in a zip64, which of them.
func findDirectory(r io.ReaderAt, end []byte, at int64) (int64, error) {
	le := binary.LittleEndian
	lowest := int64(-1)
	consider := func(at, length, offset int64) {
		for _, start := range []int64{offset, at - length} {
			if 0 <= start && start <= at && (lowest < 0 || start < lowest) {
				lowest = start
			}
		}
	}
	length, offset := int64(le.Uint32(end[12:])), int64(le.Uint32(end[16:]))
	consider(at, length, offset)
	whole := length <= at && offset <= at-length
	var locator [20]byte
	if at >= int64(len(locator)) {
		if _, err := r.ReadAt(locator[:], at-int64(len(locator))); err != nil && err != io.EOF {
			return 0, err
		}
	}
	if le.Uint32(locator[:]) == 0x07064b50 {
		at64 := int64(le.Uint64(locator[8:]))
		var end64 [56]byte
		if 0 <= at64 && at64 <= at-int64(len(locator)+len(end64)) {
			if _, err := r.ReadAt(end64[:], at64); err != nil && err != io.EOF {
				return 0, err
			}
			length64, offset64 := int64(le.Uint64(end64[40:])), int64(le.Uint64(end64[48:]))
			consider(at64, max(length64, 0), offset64)
			whole = whole || le.Uint32(end64[:]) == 0x06064b50 && 0 <= length64 && length64 <= at64 && 0 <= offset64 && offset64 <= at64-length64
		}
	}
	if !whole || lowest < 0 {
		return 0, errors.New("the zip's end record points outside of it: it is truncated or damaged")
	}
	return lowest, nil
}
