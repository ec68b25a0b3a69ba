package witness_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown/internal/sumlog/witness"
)

// A log is one in memory.
type log struct {
	t      testing.TB
	origin string
	signer note.Signer
	key    note.Verifier
	hashes []tlog.Hash // as tlog stores them
	n      int64
	proofs int // that were asked for; guarded by nothing: for tests of one witness
}

func newLog(t testing.TB, origin string) *log {
	s, v := signer(t, origin)
	return &log{t: t, origin: origin, signer: s, key: v}
}

func signer(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

// ReadHashes makes it a tlog.HashReader.
func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, l.hashes[i])
	}
	return out, nil
}

// grow appends records until there are n.
func (l *log) grow(n int64) { l.growWith(n, "record") }

func (l *log) growWith(n int64, text string) {
	l.t.Helper()
	for ; l.n < n; l.n++ {
		h, err := tlog.StoredHashes(l.n, fmt.Appendf(nil, "%s %d\n", text, l.n), l)
		if err != nil {
			l.t.Fatal(err)
		}
		l.hashes = append(l.hashes, h...)
	}
}

func (l *log) tree(n int64) tlog.Tree {
	l.t.Helper()
	h, err := tlog.TreeHash(n, l)
	if err != nil {
		l.t.Fatal(err)
	}
	return tlog.Tree{N: n, Hash: h}
}

func (l *log) checkpoint(n int64) []byte {
	l.t.Helper()
	msg, err := witness.Checkpoint(l.origin, l.tree(n), l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	return msg
}

func (l *log) prove(_ context.Context, tree tlog.Tree, old int64) (tlog.TreeProof, error) {
	l.proofs++
	return tlog.ProveTree(tree.N, old, l)
}

// text returns what is signed of a checkpoint.
func (l *log) text(n int64) string {
	tree := l.tree(n)
	return fmt.Sprintf("%s\n%d\n%s\n", l.origin, tree.N, tree.Hash)
}
