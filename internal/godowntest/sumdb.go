package godowntest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A SumDB is a fake checksum database with its own key. It records the sums of
// a module version when it is first asked for them, as the public one does, and
// answers 404 for modules that do not exist. It is served at its own URL, and
// by each [Upstream] that it is attached to.
type SumDB struct {
	Server
	Name string

	modules *Modules
	signer  string // the private key
	key     string // the public key

	mu      sync.Mutex // guards what follows
	history *sumdb.TestServer
	lies    map[module.Version]Sums
	filled  int // how many filler records were made
}

// NewSumDB starts a checksum database for mods that ends with the test. Its
// name is a host, perhaps with a path; nobody ever asks DNS for it as long as
// clients use SpecURL, or Spec and an Upstream to which it is attached.
func NewSumDB(tb testing.TB, name string, mods *Modules) *SumDB {
	tb.Helper()
	d, err := StartSumDB(name, mods)
	if err != nil {
		tb.Fatal(err)
	}
	owned(tb, &d.Server, nil)
	return d
}

// StartSumDB starts a checksum database for mods. The caller closes it.
func StartSumDB(name string, mods *Modules) (*SumDB, error) {
	signer, key, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, fmt.Errorf("fake checksum database: %w", err)
	}
	d := &SumDB{Name: name, modules: mods, signer: signer, key: key, lies: make(map[module.Version]Sums)}
	d.history = sumdb.NewTestServer(signer, d.record)
	return d, d.start(http.HandlerFunc(d.serve))
}

// Spec returns the value of GOSUMDB that names the database by its key alone,
// so that it is reached through a mirror.
func (d *SumDB) Spec() string { return d.key }

// SpecURL returns the value of GOSUMDB with which the database is reached at its own URL.
func (d *SumDB) SpecURL() string { return d.key + " " + d.URL }

// Lie makes the database record, and sign, other sums for a version than the
// true ones. What it has recorded already stays.
func (d *SumDB) Lie(path, version string, sums Sums) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lies[module.Version{Path: path, Version: version}] = sums
}

// Grow adds n records of modules that nobody knows: from 256 on there are full tiles.
func (d *SumDB) Grow(n int) error {
	d.mu.Lock()
	history, first := d.history, d.filled
	d.filled += n
	d.mu.Unlock()
	return grow(history, first, n)
}

// Fork makes the database show another history from now on, one record longer
// than the old and signed with the same key.
func (d *SumDB) Fork() error {
	size, err := d.Size()
	if err != nil {
		return err
	}
	history := sumdb.NewTestServer(d.signer, d.record)
	d.mu.Lock()
	first := d.filled
	d.filled += int(size) + 1
	d.mu.Unlock()
	if err := grow(history, first, int(size)+1); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.history = history
	return nil
}

// Size returns how many records the database has.
func (d *SumDB) Size() (int64, error) {
	signed, err := d.current().Signed(context.Background())
	if err != nil {
		return 0, err
	}
	tree, err := tlog.ParseTree(signed)
	return tree.N, err
}

// BadSignature is a fault for "latest" and "lookup/": a bit of the signature is flipped.
func BadSignature() Fault {
	return Change(func(data []byte) []byte {
		start := bytes.LastIndexByte(data, ' ') + 1
		sig, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(data[start:])))
		if err != nil || len(sig) == 0 {
			return data
		}
		sig[len(sig)-1] ^= 1
		return append(base64.StdEncoding.AppendEncode(data[:start], sig), '\n')
	})
}

func (d *SumDB) serve(w http.ResponseWriter, r *http.Request) {
	sumdb.NewServer(d.current()).ServeHTTP(w, r)
}

func (d *SumDB) current() *sumdb.TestServer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.history
}

// fillers is the path of all filler records; their versions differ.
const fillers = "filler.test/filler"

// grow adds n filler records with versions from first on.
func grow(history *sumdb.TestServer, first, n int) error {
	for i := range n {
		v := module.Version{Path: fillers, Version: fmt.Sprintf("v1.0.%d", first+i)}
		if _, err := history.Lookup(context.Background(), v); err != nil {
			return err
		}
	}
	return nil
}

// record returns the two lines of go.sum for a version.
func (d *SumDB) record(path, version string) ([]byte, error) {
	d.mu.Lock()
	sums, ok := d.lies[module.Version{Path: path, Version: version}]
	d.mu.Unlock()
	if !ok && path == fillers {
		h, err := hash(nil, []byte(version))
		if err != nil {
			return nil, err
		}
		sums, ok = h, true
	}
	if !ok {
		sums, ok = d.modules.Sums(path, version)
	}
	if !ok {
		return nil, &fs.PathError{Op: "lookup", Path: path + "@" + version, Err: fs.ErrNotExist}
	}
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", path, version, sums.Zip, path, version, sums.Mod), nil
}
