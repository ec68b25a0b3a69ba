package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown"
)

// dbName is the checksum database's. Nobody asks DNS for it: mirrors serve it.
const dbName = "sum.cold.test"

// A sumDB is a checksum database that has recorded all of a corpus, and does
// not grow. It implements [sumdb.ServerOps]; all methods are safe for concurrent use.
type sumDB struct {
	key     string // the public key: GOSUMDB
	signed  []byte // the tree's head
	hashes  storedHashes
	records map[int64][]byte // those of the corpus; all others are filler
	ids     map[module.Version]int64
	size    int64
}

// storedHashes is a [tlog.HashReader].
type storedHashes []tlog.Hash

// ReadHashes returns hashes by their places in storage.
func (h storedHashes) ReadHashes(places []int64) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(places))
	for i, p := range places {
		if p < 0 || p >= int64(len(h)) {
			return nil, &fs.PathError{Op: "read", Path: fmt.Sprintf("hash %d", p), Err: fs.ErrNotExist}
		}
		list[i] = h[p]
	}
	return list, nil
}

// newSumDB records all versions of a corpus, in the order of their names, with
// so many filler records evenly between them: as in the public database, nearly
// every version has a tile for itself, and the tree is several tiles high.
func newSumDB(c *corpus, filler int) (*sumDB, error) {
	var all []module.Version
	for path, versions := range c.versions {
		for _, v := range versions {
			all = append(all, module.Version{Path: path, Version: v})
		}
	}
	module.Sort(all)
	d := &sumDB{records: make(map[int64][]byte), ids: make(map[module.Version]int64), size: int64(len(all) + filler)}
	next := 0
	for id := range d.size {
		if next < len(all) && id == int64(next+1)*d.size/int64(len(all))-1 {
			text, err := c.record(all[next])
			if err != nil {
				return nil, fmt.Errorf("checksum database: %v: %w", all[next], err)
			}
			d.records[id], d.ids[all[next]] = text, id
			next++
		}
		hashes, err := tlog.StoredHashes(id, d.record(id), d.hashes)
		if err != nil {
			return nil, fmt.Errorf("checksum database: %w", err)
		}
		d.hashes = append(d.hashes, hashes...)
	}
	return d, d.sign()
}

// sign makes a key, and signs the tree with it.
func (d *sumDB) sign() error {
	private, public, err := note.GenerateKey(rand.Reader, dbName)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return err
	}
	hash, err := tlog.TreeHash(d.size, d.hashes)
	if err != nil {
		return err
	}
	d.key = public
	d.signed, err = note.Sign(&note.Note{Text: string(tlog.FormatTree(tlog.Tree{N: d.size, Hash: hash}))}, signer)
	return err
}

// record returns the two lines of go.sum with which a version is recorded. The
// hash of a zip that the corpus lacks is made up.
func (c *corpus) record(v module.Version) ([]byte, error) {
	req := godown.Request{Kind: godown.Mod, Path: v.Path, Version: v.Version}
	goMod, err := c.read(req)
	if err != nil {
		return nil, err
	}
	modSum, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(goMod)), nil
	})
	if err != nil {
		return nil, err
	}
	req.Kind = godown.Zip
	zipSum := madeUp(req.Name())
	if _, err := os.Stat(c.file(req.Name())); err == nil {
		if zipSum, err = c.zipSum(req); err != nil {
			return nil, err
		}
	}
	return lines(v, zipSum, modSum), nil
}

// record returns what is recorded under a number.
func (d *sumDB) record(id int64) []byte {
	if text, ok := d.records[id]; ok {
		return text
	}
	v := module.Version{Path: "filler.test/filler", Version: fmt.Sprintf("v1.0.%d", id)}
	sum := madeUp(v.Version)
	return lines(v, sum, sum)
}

func lines(v module.Version, zipSum, modSum string) []byte {
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", v.Path, v.Version, zipSum, v.Path, v.Version, modSum)
}

// madeUp returns an h1 hash that nothing has.
func madeUp(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return "h1:" + base64.StdEncoding.EncodeToString(sum[:])
}

// server returns the database as its protocol has it.
func (d *sumDB) server() http.Handler { return sumdb.NewServer(d) }

// Signed returns the tree's signed head.
func (d *sumDB) Signed(context.Context) ([]byte, error) { return slices.Clone(d.signed), nil }

// ReadRecords returns n records.
func (d *sumDB) ReadRecords(_ context.Context, id, n int64) (list [][]byte, err error) {
	for i := id; i < id+n; i++ {
		if i < 0 || i >= d.size {
			return nil, &fs.PathError{Op: "read", Path: fmt.Sprintf("record %d", i), Err: fs.ErrNotExist}
		}
		list = append(list, d.record(i))
	}
	return list, nil
}

// Lookup returns the number of a version's record.
func (d *sumDB) Lookup(_ context.Context, v module.Version) (int64, error) {
	id, ok := d.ids[v]
	if !ok {
		return 0, &fs.PathError{Op: "lookup", Path: v.String(), Err: fs.ErrNotExist}
	}
	return id, nil
}

// ReadTileData returns a tile of hashes.
func (d *sumDB) ReadTileData(_ context.Context, t tlog.Tile) ([]byte, error) {
	return tlog.ReadTileData(t, d.hashes)
}
