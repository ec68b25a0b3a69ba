package godown_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// TestSumsAbsurdSize signs a head that is larger than any tree can be.
func TestSumsAbsurdSize(t *testing.T) {
	private, public, err := note.GenerateKey(rand.Reader, "sum.test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: string(tlog.FormatTree(tlog.Tree{N: 1<<62 + 1}))}, signer)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := godown.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	s := &godown.Sums{Spec: godown.SumDBSpec{Name: "sum.test", Key: public}, Store: dir, Remote: func(context.Context, string) ([]byte, error) { return signed, nil }}
	defer s.Close(t.Context())
	if f, err := s.FetchSum(t.Context(), "sum.test/latest"); err == nil || !strings.Contains(err.Error(), "no database has") {
		t.Errorf("latest = %v, %v", f, err)
	}
}

// A level so great that eight times it is no number any more, asked of the database above ours.
func TestSumsHugeLevel(t *testing.T) {
	r := newSumsRig(t)
	r.grow(t, 300)
	s := r.open(t)
	for _, name := range []string{"tile/8/1152921504606846976/000.p/1", "tile/8/2305843009213693952/000.p/1", "tile/8/2305843009213693952/000"} {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s: panic: %v", name, p)
				}
			}()
			if data, err := readSum(t.Context(), s, "sum.test/"+name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %d bytes, error %v, want an fs.ErrNotExist", name, len(data), err)
			}
		}()
	}
}
