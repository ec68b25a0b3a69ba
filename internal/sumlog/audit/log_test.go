package audit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown/internal/sumlog/audit"
)

const name = "sum.test/log"

// A key signs logs.
type key struct {
	note.Signer
	note.Verifier
}

func newKey(tb testing.TB, name string) key {
	tb.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		tb.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		tb.Fatal(err)
	}
	return key{s, v}
}

// sign returns the heads of a tree in both formats, by their file names.
func (k key) sign(tb testing.TB, tree tlog.Tree) files {
	tb.Helper()
	return files{
		"latest":     k.signText(tb, string(tlog.FormatTree(tree))),
		"checkpoint": k.signText(tb, fmt.Sprintf("%s\n%d\n%v\n", name, tree.N, tree.Hash)),
	}
}

func (k key) signText(tb testing.TB, text string) []byte {
	tb.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, k.Signer)
	if err != nil {
		tb.Fatal(err)
	}
	return signed
}

// files are the files of a log, in both formats.
type files map[string][]byte

// get is for Auditor.Get.
func (f files) get(ctx context.Context, name string) ([]byte, error) {
	if b, ok := f[name]; ok {
		return bytes.Clone(b), ctx.Err()
	}
	return nil, &fs.PathError{Op: "get", Path: name, Err: fs.ErrNotExist}
}

// change replaces a file, which has to be there.
func (f files) change(tb testing.TB, name string, change func([]byte) []byte) {
	tb.Helper()
	b, ok := f[name]
	if !ok {
		tb.Fatalf("the log has no %s", name)
	}
	f[name] = change(bytes.Clone(b))
}

// flip returns a change of one bit.
func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] ^= 1
		return b
	}
}

// A tree is a log's records with their hashes.
type tree struct {
	texts  [][]byte
	hashes []tlog.Hash
}

// ReadHashes makes a tree a tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		list[i] = t.hashes[index]
	}
	return list, nil
}

func (t *tree) grow(tb testing.TB, texts ...string) {
	tb.Helper()
	for _, text := range texts {
		hashes, err := tlog.StoredHashes(int64(len(t.texts)), []byte(text), t)
		if err != nil {
			tb.Fatal(err)
		}
		t.texts, t.hashes = append(t.texts, []byte(text)), append(t.hashes, hashes...)
	}
}

// head returns the tree when it had n records.
func (t *tree) head(tb testing.TB, n int) tlog.Tree {
	tb.Helper()
	hash, err := tlog.TreeHash(int64(n), t)
	if err != nil {
		tb.Fatal(err)
	}
	return tlog.Tree{N: int64(n), Hash: hash}
}

// write returns the files of the tree when it had n records.
func (t *tree) write(tb testing.TB, k key, n int) files {
	tb.Helper()
	f := k.sign(tb, t.head(tb, n))
	for _, tile := range tlog.NewTiles(8, 0, int64(n)) {
		path, static := tile.Path(), func(p string) string { return "tile/" + strings.TrimPrefix(p, "tile/8/") }
		data, err := tlog.ReadTileData(tile, t)
		if err != nil {
			tb.Fatal(err)
		}
		f[path], f[static(path)] = data, data
		if tile.L != 0 {
			continue
		}
		var records, entries []byte
		for i := range tile.W {
			text := t.texts[tile.N*256+int64(i)]
			records = append(append(records, text...), '\n')
			entries = append(binary.BigEndian.AppendUint16(entries, uint16(len(text))), text...)
		}
		tile.L = -1
		f[tile.Path()] = records
		f[strings.Replace(static(tile.Path()), "/data/", "/entries/", 1)] = entries
	}
	return f
}

// lookup returns the answer to a lookup of a record.
func lookup(tb testing.TB, id int, text string, signed []byte) []byte {
	tb.Helper()
	b, err := tlog.FormatRecord(int64(id), []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return append(b, signed...)
}

// answer adds the lookups of all records of text (see there).
func (f files) answer(tb testing.TB, n int) {
	tb.Helper()
	for i := range n {
		f[lookupName(i)] = lookup(tb, i, text(i), f["latest"])
	}
}

func lookupName(i int) string { return fmt.Sprintf("lookup/example.com/!module%d@v1.%d.0", i%7, i) }

// text returns a record's text, of which there are any number.
func text(i int) string {
	return textOf(fmt.Sprintf("example.com/Module%d", i%7), fmt.Sprintf("v1.%d.0", i))
}

func textOf(path, version string) string {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "h1:" + base64.StdEncoding.EncodeToString(sum[:])
	}
	return fmt.Sprintf("%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", path, version, hash(version), hash(path+version))
}

func texts(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = text(i)
	}
	return list
}

// newLog returns the files of a log of n records.
func newLog(tb testing.TB, n int) (*tree, key, files) {
	tb.Helper()
	t, k := new(tree), newKey(tb, name)
	t.grow(tb, texts(n)...)
	return t, k, t.write(tb, k, n)
}

// formats are both formats, by the names of subtests.
var formats = map[string]audit.Format{"go": audit.GoFormat, "tiles": audit.TilesFormat}

func newAuditor(k key, f files, format audit.Format) *audit.Auditor {
	return &audit.Auditor{Name: name, Verifiers: note.VerifierList(k.Verifier), Get: f.get, Format: format}
}

// run runs an audit that comes to its end.
func run(tb testing.TB, a *audit.Auditor, last audit.Seen) audit.Report {
	tb.Helper()
	r, err := a.Run(tb.Context(), last)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// found checks how many findings of which kinds there are.
func found(tb testing.TB, r audit.Report, want map[audit.Kind]int64) {
	tb.Helper()
	if !maps.Equal(r.Counts, want) {
		tb.Errorf("found %v, want %v\n%+v", r.Counts, want, r.Findings)
	}
	if r.OK() && len(want) > 0 {
		tb.Error("the verdict is that all is well")
	}
	for _, f := range r.Findings {
		if f.What == "" || f.Kind == "" {
			tb.Errorf("a finding says nothing: %+v", f)
		}
	}
}
