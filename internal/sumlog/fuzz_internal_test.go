package sumlog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// sample returns a state of n records.
func sample(t testing.TB, n int) *state {
	s := &state{tree: emptyTree()}
	var texts [][]byte
	for i := range n {
		texts = append(texts, fmt.Appendf(nil, "example.com/m v1.0.%d h1:x\nexample.com/m v1.0.%d/go.mod h1:y\n", i, i))
	}
	next, err := s.with(texts, nil, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// FuzzDecodeState decodes tails. One that is taken for that of a tree is so: it
// is what the tree hashes to, and records can be appended to it.
func FuzzDecodeState(f *testing.F) {
	trees := make(map[int64]*state)
	for _, n := range []int{1, 3, 255, 256, 257, 600} {
		s := sample(f, n)
		data, err := s.encode()
		if err != nil {
			f.Fatal(err)
		}
		trees[int64(n)] = s
		f.Add(int64(n), data)
	}
	f.Fuzz(func(t *testing.T, n int64, data []byte) {
		want, ok := trees[n]
		if !ok {
			want = trees[3]
		}
		s, err := decodeState(data, want.tree)
		if err != nil {
			return
		}
		if len(s.texts) != len(want.texts) {
			t.Fatalf("%d records, want %d", len(s.texts), len(want.texts))
		}
		for i := range s.texts {
			if !bytes.Equal(s.texts[i], want.texts[i]) {
				t.Errorf("record %d is %q, want %q", i, s.texts[i], want.texts[i])
			}
		}
		text := []byte("example.com/n v1.0.0 h1:x\nexample.com/n v1.0.0/go.mod h1:y\n")
		a, err := s.with([][]byte{text}, nil, time.Unix(1e9, 0))
		if err != nil {
			t.Fatal(err)
		}
		b, err := want.with([][]byte{text}, nil, time.Unix(1e9, 0))
		if err != nil {
			t.Fatal(err)
		}
		if a.tree != b.tree {
			t.Errorf("with one more record the tree is %v, want %v", a.tree, b.tree)
		}
	})
}

// FuzzParseTile parses paths of tiles in both forms. What is taken has one
// spelling in its form, and no tree covers one that it does not have.
func FuzzParseTile(f *testing.F) {
	for _, path := range []string{"tile/8/0/000", "tile/8/1/x001/234.p/5", "tile/8/data/003.p/255", "tile/0/000", "tile/entries/x001/000.p/1", "tile/63/000", "tile/8/000.p/256", "tile/8/-1/000", "tile/8/0/x999/x999/x999/x999/x999/x999/999"} {
		f.Add(path, int64(70000))
	}
	f.Fuzz(func(t *testing.T, path string, n int64) {
		tile, entries, err := parseTile(path)
		if err != nil {
			return
		}
		if tile.W < 1 || tile.W > tileWidth || tile.N < 0 || tile.L < -1 || entries && tile.L != -1 {
			t.Fatalf("%q: %+v", path, tile)
		}
		theirs := tile.Path()
		if back := strings.TrimPrefix(theirs, "tile/8/"); theirs != path && "tile/"+strings.Replace(back, "data/", "entries/", 1) != path {
			t.Errorf("%q was taken for %q", path, theirs)
		}
		if n < 0 {
			return
		}
		s := &state{tree: tlog.Tree{N: n}}
		if covered := !beyond(tile, n); covered != s.covers(tile) {
			t.Errorf("%q, tree of %d: beyond and covers disagree", path, n)
		} else if covered {
			if last := (tile.N<<tileHeight + int64(tile.W)) << (tileHeight * max(tile.L, 0)); last > n || last <= 0 {
				t.Errorf("%q is said to be in a tree of %d records", path, n)
			}
		}
	})
}
