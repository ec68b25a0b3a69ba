package godown_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// What the zips of these tests are to be.
var zipRequest = godown.Request{Kind: godown.Zip, Path: "example.com/M", Version: "v1.0.0-RC.1"}

const zipPrefix = "example.com/M@v1.0.0-RC.1/"

// makeZip makes a zip of files; one whose name ends with a slash is a folder.
func makeZip(names ...string) []byte {
	var entries []godowntest.Entry
	for _, name := range names {
		e := godowntest.Entry{Name: zipPrefix + name, Data: []byte("content of " + name)}
		if strings.HasSuffix(e.Name, "/") {
			e.Data, e.Store = nil, true
		}
		entries = append(entries, e)
	}
	return godowntest.Zip(entries...)
}

// manyEntries makes a zip with n small files.
func manyEntries(n int) []byte {
	entries := make([]godowntest.Entry, n)
	for i := range entries {
		entries[i] = godowntest.Entry{Name: fmt.Sprintf("%s%d", zipPrefix, i), Store: true}
	}
	return godowntest.Zip(entries...)
}

func goodZips() map[string][]byte {
	withComment := makeZip("go.mod", "x.go")
	withComment[len(withComment)-2] = 7
	return map[string][]byte{
		"usual":             makeZip("go.mod", "x.go", "sub/y.go", "sub/deep/z.go", "LICENSE"),
		"no files":          godowntest.Zip(),
		"one file":          makeZip("x.go"),
		"one empty file":    godowntest.Zip(godowntest.Entry{Name: zipPrefix + "x.go"}),
		"unsorted":          makeZip("z", "a", "m", "B", "C"),
		"folders":           makeZip("", "sub/", "sub/x.go", "sub/", "empty/"),
		"a folder after it": makeZip("sub/x.go", "sub/"),
		"stored":            godowntest.Zip(godowntest.Entry{Name: zipPrefix + "x.go", Data: []byte("package x"), Store: true}),
		"sum sorts by name": makeZip("a.go", "a/b.go", "a-b.go", "a_b.go"),
		"letters":           makeZip("straße.txt", "日本語.go", "Ω", "a b c", "x&y=(z){}[]~!#$%@,;"[:17]),
		"similar":           makeZip("sub/x.go", "subx/x.go", "sub.go", "x/sub"),
		"comment":           append(withComment, "comment"...),
		"something before":  append([]byte("#!/bin/sh\n"), makeZip("x.go")...),
		"something behind":  append(makeZip("x.go"), "garbage"...), // as in archive/zip, and so in x/mod/zip
		"zeros":             godowntest.Zip(godowntest.Entry{Name: zipPrefix + "x", Zeros: 1 << 20}),
		"vendor":            makeZip("go.mod", "vendor/modules.txt", "vendor/example.com/x/x.go"),
		"names like go.mod": makeZip("go.mod", "go.mod.txt", "sub/go.mods", "sub/xgo.mod", "go.mod2/x"),
		"10 files":          manyEntries(10),
		"full go.mod":       godowntest.Zip(godowntest.Entry{Name: zipPrefix + "go.mod", Zeros: modzip.MaxGoMod}),
	}
}

// asFile writes a zip to a temporary file for those who want one.
func asFile(tb testing.TB, data []byte) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "x.zip")
	if err := os.WriteFile(name, data, 0o666); err != nil {
		tb.Fatal(err)
	}
	return name
}

func checkZipBytes(ctx context.Context, data []byte) (string, error) {
	return godown.CheckZip(ctx, zipRequest, bytes.NewReader(data), int64(len(data)))
}

func TestCheckZip(t *testing.T) {
	for name, data := range goodZips() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := asFile(t, data)
			if _, err := modzip.CheckZip(module.Version{Path: zipRequest.Path, Version: zipRequest.Version}, file); err != nil {
				t.Fatalf("the zip is not good: %v", err)
			}
			want, err := dirhash.HashZip(file, dirhash.Hash1)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := checkZipBytes(t.Context(), data); err != nil || got != want {
				t.Errorf("CheckZip = %s, error %v, want %s", got, err, want)
			}
		})
	}
}

// asZip64 gives a zip the end records of one that is too large for the usual one.
func asZip64(data []byte) []byte {
	end := bytes.Clone(data[len(data)-22:])
	le := binary.LittleEndian
	count, length, offset := le.Uint16(end[10:]), le.Uint32(end[12:]), le.Uint32(end[16:])
	big := le.AppendUint32(nil, 0x06064b50)
	big = le.AppendUint64(big, 44)                      // the rest of the record
	big = le.AppendUint16(le.AppendUint16(big, 45), 45) // versions
	big = le.AppendUint64(big, 0)                       // disks
	big = le.AppendUint64(le.AppendUint64(big, uint64(count)), uint64(count))
	big = le.AppendUint64(le.AppendUint64(big, uint64(length)), uint64(offset))
	big = le.AppendUint32(le.AppendUint32(big, 0x07064b50), 0)
	big = le.AppendUint64(big, uint64(len(data)-22)) // where the record is
	big = le.AppendUint32(big, 1)
	copy(end[8:], bytes.Repeat([]byte{0xff}, 12))
	return slices.Concat(data[:len(data)-22], big, end)
}

func TestCheckZip64(t *testing.T) {
	data := asZip64(makeZip("go.mod", "x.go"))
	want, err := dirhash.HashZip(asFile(t, data), dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := checkZipBytes(t.Context(), data); err != nil || got != want {
		t.Errorf("CheckZip = %s, error %v, want %s", got, err, want)
	}
	for n := range data {
		h1, err := checkZipBytes(t.Context(), data[:n])
		wantMismatch(t, fmt.Sprintf("the first %d of %d bytes", n, len(data)), h1, err)
	}
}

// wantMismatch checks that an error accuses who gave a zip, and fits in an error message.
func wantMismatch(t *testing.T, what, h1 string, err error) {
	t.Helper()
	m, ok := errors.AsType[*godown.Mismatch](err)
	if !ok || m.Request != zipRequest || h1 != "" {
		t.Errorf("%s: hash %q, error is %v, want a *Mismatch and no hash", what, h1, err)
	} else if len(m.Reason) == 0 || len(m.Reason) > 400 {
		t.Errorf("%s: the reason has %d bytes: %.1000s", what, len(m.Reason), m.Reason)
	}
}

func TestCheckZipEvil(t *testing.T) {
	for name, data := range godowntest.EvilZips(zipRequest.Path, zipRequest.Version) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h1, err := checkZipBytes(t.Context(), data)
			wantMismatch(t, name, h1, err)
		})
	}
}

// More that x/mod/zip refuses, or would refuse to unpack.
func TestCheckZipMoreEvil(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	evil := map[string][]byte{
		"file and folder":             makeZip("a", "a/b"),
		"folder and file":             makeZip("a/b", "a"),
		"folder entry and file":       makeZip("a/", "a"),
		"folders differ in case":      makeZip("Sub/x.go", "sub/y.go"),
		"deep folders differ in case": makeZip("a/B/c/d", "a/b/e/f"),
		"folder entries, case":        makeZip("Sub/", "sub/"),
		"Kelvin sign":                 makeZip("K", "K"),
		"long s":                      makeZip("straſe", "strase"),
		"Greek case":                  makeZip("ς", "σ"),
		"GO.MOD":                      makeZip("GO.MOD"),
		"sub/Go.Mod":                  makeZip("sub/Go.Mod"),
		"dot":                         makeZip("./x"),
		"dot inside":                  makeZip("a/./x"),
		"dot dot inside":              makeZip("a/../x"),
		"two slashes":                 makeZip("a//x"),
		"two slashes at the end":      makeZip("a//"),
		"only a slash":                makeZip("/"),
		"NUL":                         makeZip("a\x00b"),
		"newline":                     makeZip("a\nb"),
		"not UTF-8":                   makeZip("a\xffb"),
		"Windows device":              makeZip("aux.go"),
		"Windows drive":               makeZip("c:x"),
		"trailing dot":                makeZip("a./b"),
		"very long evil name":         makeZip(long+"\x1b", long+"/../x"),
		"no slash behind version":     godowntest.Zip(godowntest.Entry{Name: strings.TrimSuffix(zipPrefix, "/")}),
		"prefix in another case":      godowntest.Zip(godowntest.Entry{Name: strings.ToLower(zipPrefix) + "x.go"}),
		"escaped prefix":              godowntest.Zip(godowntest.Entry{Name: "example.com/!m@v1.0.0-!r!c.1/x.go"}),
		"no prefix":                   godowntest.Zip(godowntest.Entry{Name: "x.go"}),
		"folder with content":         godowntest.Zip(godowntest.Entry{Name: zipPrefix + "a/", Zeros: 1 << 20}),
		"claims more than it has":     godowntest.Zip(godowntest.Entry{Name: zipPrefix + "a", Zeros: 1000, Claim: 2000}),
		"claims 2^63":                 godowntest.Zip(godowntest.Entry{Name: zipPrefix + "a", Zeros: 1000, Claim: math.MinInt64}),
		"claims sum up to 2^64": godowntest.Zip(godowntest.Entry{Name: zipPrefix + "a", Zeros: 1000, Claim: math.MaxInt64},
			godowntest.Entry{Name: zipPrefix + "b", Zeros: 1000, Claim: math.MaxInt64}, godowntest.Entry{Name: zipPrefix + "c", Zeros: 1000, Claim: 1002}),
		"only zeros":   make([]byte, 1<<20),
		"one byte":     {'P'},
		"21 bytes":     make([]byte, 21),
		"only an end":  append([]byte("PK\x05\x06"), bytes.Repeat([]byte{0xff}, 18)...),
		"two in a row": append(makeZip("x.go"), makeZip("../y.go")...),
		"gzip":         append([]byte{0x1f, 0x8b, 8}, make([]byte, 100)...),
		"JSON":         []byte(`{"error": "` + strings.Repeat("not found ", 100) + `"}`),
	}
	for name, data := range evil {
		h1, err := checkZipBytes(t.Context(), data)
		wantMismatch(t, name, h1, err)
	}
}

// TestCheckZipDamage flips each bit of a zip, and cuts it everywhere: what is
// accepted has the same content, or at least another hash.
func TestCheckZipDamage(t *testing.T) {
	data := makeZip("x.go")
	file := asFile(t, data)
	good, err := checkZipBytes(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		h1, err := checkZipBytes(t.Context(), data[:n])
		wantMismatch(t, fmt.Sprintf("the first %d of %d bytes", n, len(data)), h1, err)
	}
	accepted := 0
	for bit := range len(data) * 8 {
		flipped := bytes.Clone(data)
		flipped[bit/8] ^= 1 << (bit % 8)
		h1, err := checkZipBytes(t.Context(), flipped)
		if err != nil {
			wantMismatch(t, fmt.Sprintf("bit %d flipped", bit), h1, err)
			continue
		}
		accepted++ // in a time, a flag, an attribute
		if err := os.WriteFile(file, flipped, 0o666); err != nil {
			t.Fatal(err)
		}
		if want, err := dirhash.HashZip(file, dirhash.Hash1); err != nil || h1 != want {
			t.Errorf("bit %d flipped: hash %s, good one %s, want %s, %v", bit, h1, good, want, err)
		}
	}
	if accepted == 0 || accepted > len(data)*8/2 {
		t.Errorf("%d of %d flips accepted", accepted, len(data)*8)
	}
}

// TestCheckZipHugeDirectory has directories that would take much memory.
func TestCheckZipHugeDirectory(t *testing.T) {
	_, err := checkZipBytes(t.Context(), hugeDirectory())
	wantMismatch(t, "huge directory", "", err)
	if err != nil && !strings.Contains(err.Error(), "directory has") {
		t.Errorf("error is %v", err)
	}
	h1, err := checkZipBytes(t.Context(), asZip64(hugeDirectory()))
	wantMismatch(t, "huge directory of a zip64", h1, err)
}

// hugeDirectory makes a zip with a directory of more than 32 MiB: the same entry many times.
func hugeDirectory() []byte {
	one, start := withoutEnd(makeZip(strings.Repeat("x", 65_000)))
	directory := bytes.Repeat(one[start:], 520)
	end := endRecords(0, 0, 0, 1, 520, uint32(len(directory)), start)
	return slices.Concat(one[:start], directory, end[len(end)-22:])
}

// endRecords makes what stands behind the directory of a zip at at: a record of
// a zip64, a locator of it, and the usual end record.
func endRecords(at, length64, offset64 uint64, disks uint32, count uint16, length, offset uint32) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0x06064b50)
	b = le.AppendUint64(b, 44) // the rest of the record
	b = append(b, make([]byte, 12)...)
	b = le.AppendUint64(le.AppendUint64(b, uint64(count)), uint64(count))
	b = le.AppendUint64(le.AppendUint64(b, length64), offset64)
	b = le.AppendUint32(le.AppendUint32(b, 0x07064b50), 0)
	b = le.AppendUint32(le.AppendUint64(b, at), disks)
	b = le.AppendUint32(le.AppendUint32(b, 0x06054b50), 0)
	b = le.AppendUint16(le.AppendUint16(b, count), count)
	b = le.AppendUint32(le.AppendUint32(b, length), offset)
	return append(b, 0, 0)
}

// withoutEnd takes a zip's end record off. It returns what is left, and where
// the directory begins.
func withoutEnd(data []byte) (rest []byte, directory uint32) {
	return data[:len(data)-22], binary.LittleEndian.Uint32(data[len(data)-6:])
}

// TestCheckZipHiddenDirectory has two end records: one shows a small directory,
// and from the other archive/zip reads a huge one. That must not be read.
func TestCheckZipHiddenDirectory(t *testing.T) {
	huge, start := withoutEnd(hugeDirectory())
	at := uint64(len(huge))
	length := uint32(at) - start
	wantUnread(t, "in the zip64", slices.Concat(huge, endRecords(at, uint64(length), uint64(start), 1, 1, 0xffff, uint32(at)-0xffff)))
	wantUnread(t, "in the usual one", slices.Concat(huge, endRecords(at, 0, at, 1, 520, length, start)))
}

// TestCheckZipHiddenBehindNonsense has an offset in the usual record that points
// outside: archive/zip does not need it, as it knows the directory's end and length.
func TestCheckZipHiddenBehindNonsense(t *testing.T) {
	huge, start := withoutEnd(hugeDirectory())
	at := uint64(len(huge))
	length := uint32(at) - start + 76 // up to the usual record
	wantUnread(t, "one disk", slices.Concat(huge, endRecords(at, 0, at, 1, 520, length, 0xfffffff0)))
	wantUnread(t, "two disks", slices.Concat(huge, endRecords(at, 0, at, 2, 520, length, 0xfffffff0)))
}

// TestCheckZipNegativeOffset has a zip lead to before its beginning: that is no failure of the disk.
func TestCheckZipNegativeOffset(t *testing.T) {
	data, start := withoutEnd(makeZip("x.go"))
	at := uint64(len(data))
	h1, err := checkZipBytes(t.Context(), slices.Concat(data, endRecords(at, 0, at, 1, 1, uint32(at)-start+76, 0xfffffff0)))
	wantMismatch(t, "negative offset", h1, err)
}

// wantUnread checks that a zip is refused before much of it is read.
func wantUnread(t *testing.T, what string, data []byte) {
	t.Helper()
	read := 0
	r := readerAtFunc(func(p []byte, off int64) (int, error) {
		read += len(p)
		return bytes.NewReader(data).ReadAt(p, off)
	})
	h1, err := godown.CheckZip(t.Context(), zipRequest, serially(r), int64(len(data)))
	wantMismatch(t, what, h1, err)
	if read > 1<<20 {
		t.Errorf("%s: %d bytes were read, error %v", what, read, err)
	}
}

// A failingReaderAt fails from the n-th read on.
type failingReaderAt struct {
	io.ReaderAt
	left int
	err  error
}

func (r *failingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if r.left--; r.left < 0 {
		return 0, r.err
	}
	return r.ReaderAt.ReadAt(p, off)
}

// TestCheckZipFailingDisk lets each read fail in turn: the disk is to blame, not the zip.
func TestCheckZipFailingDisk(t *testing.T) {
	broken := errors.New("input/output error")
	one := godowntest.Zip(godowntest.Entry{Name: zipPrefix + "x.go", Data: bytes.Repeat([]byte("package x\n"), 10_000), Store: true})
	for reads := 0; ; reads++ {
		r := &failingReaderAt{ReaderAt: bytes.NewReader(one), left: reads, err: broken}
		h1, err := godown.CheckZip(t.Context(), zipRequest, r, int64(len(one)))
		if err == nil {
			if reads < 4 {
				t.Errorf("good after %d reads", reads)
			}
			return
		}
		if _, bad := errors.AsType[*godown.Mismatch](err); bad || !errors.Is(err, broken) || h1 != "" {
			t.Fatalf("read %d fails: error is %v", reads, err)
		}
	}
}

func TestCheckZipCancelled(t *testing.T) {
	for name, data := range map[string][]byte{"good": makeZip("go.mod", "x.go"), "large": manyEntries(2000)} {
		if _, err := checkZipBytes(canceled(), data); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error is %v, want that of the context", name, err)
		} else if _, bad := errors.AsType[*godown.Mismatch](err); bad {
			t.Errorf("%s: the zip is accused: %v", name, err)
		}
	}
}

// TestCheckZipCancelledMeanwhile ends the context at each read in turn.
func TestCheckZipCancelledMeanwhile(t *testing.T) {
	data := manyEntries(100)
	for at := 3; at < 100; at += 10 {
		ctx, cancel := context.WithCancel(t.Context())
		reads := 0
		r := readerAtFunc(func(p []byte, off int64) (int, error) {
			if reads++; reads == at {
				cancel()
			}
			return bytes.NewReader(data).ReadAt(p, off)
		})
		_, err := godown.CheckZip(ctx, zipRequest, serially(r), int64(len(data)))
		if _, bad := errors.AsType[*godown.Mismatch](err); bad || err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at read %d: error is %v", at, err)
		}
		cancel()
	}
}

type readerAtFunc func(p []byte, off int64) (int, error)

func (f readerAtFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// serially lets only one read at a time.
func serially(r io.ReaderAt) io.ReaderAt {
	turn := make(chan struct{}, 1)
	return readerAtFunc(func(p []byte, off int64) (int, error) {
		turn <- struct{}{}
		defer func() { <-turn }()
		return r.ReadAt(p, off)
	})
}

// TestCheckZipSizes has readers that hold less or more than they are said to.
func TestCheckZipSizes(t *testing.T) {
	data := makeZip("go.mod", "x.go")
	for _, size := range []int64{-1, 0, 21, int64(len(data)) - 1, int64(len(data)) + 100_000, modzip.MaxZipFile, modzip.MaxZipFile + 1, math.MaxInt64} {
		h1, err := godown.CheckZip(t.Context(), zipRequest, bytes.NewReader(data), size)
		wantMismatch(t, fmt.Sprintf("a zip of %d bytes, said to have %d", len(data), size), h1, err)
	}
	// Such a size is refused at once, not after reading so much.
	untouchable := readerAtFunc(func([]byte, int64) (int, error) { t.Error("it is read"); return 0, io.EOF })
	_, err := godown.CheckZip(t.Context(), zipRequest, untouchable, modzip.MaxZipFile+1)
	wantMismatch(t, "too large", "", err)
}

func BenchmarkCheckZip(b *testing.B) {
	data := godowntest.Zip(godowntest.Entry{Name: zipPrefix + "a", Data: bytes.Repeat([]byte("package x\n"), 1<<18)},
		godowntest.Entry{Name: zipPrefix + "b", Data: bytes.Repeat([]byte("package y\n"), 1<<18)})
	b.SetBytes(5 << 20)
	for b.Loop() {
		if _, err := checkZipBytes(b.Context(), data); err != nil {
			b.Fatal(err)
		}
	}
}
