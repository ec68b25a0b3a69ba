package audit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// TestTiles checks that the tiles read are just those that a log publishes,
// each one before those below it.
func TestTiles(t *testing.T) {
	for _, size := range []int64{0, 1, 2, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65792, 131072, 131073, 1<<24 + 3} {
		for _, from := range []int64{0, 1, 255, 256, 257, 512, 65535, 65536, 65537, 1 << 24} {
			if from > size || size-from > 1<<20 {
				continue
			}
			want := make(map[tlog.Tile]bool)
			for _, tile := range tlog.NewTiles(height, from, size) {
				want[tile] = true
			}
			above := make(map[tlog.Tile]bool)
			for tile := range tiles(from, size) {
				if tile.L == data {
					tile.L = 0
					if !above[tile] {
						t.Errorf("from %d to %d: records of %v before its hashes", from, size, tile.Path())
					}
					continue
				}
				up := tileAt(tile.L+1, tile.N>>height, size)
				if tile.W == width && !above[up] {
					t.Errorf("from %d to %d: %v before %v", from, size, tile.Path(), up.Path())
				}
				above[tile] = true
				// Those that new tiles are proven by are read too.
				delete(want, tile)
			}
			if len(want) > 0 {
				t.Errorf("from %d to %d: not read: %v", from, size, want)
			}
			for tile := range above {
				if from == 0 && !slices.Contains(tlog.NewTiles(height, 0, size), tile) && size < 1000 {
					t.Errorf("to %d: %v is not of the tree", size, tile.Path())
				}
			}
		}
	}
}

// TestLongRecords checks the limits of a record's length.
func TestLongRecords(t *testing.T) {
	for n, ok := range map[int]bool{maxRecord: true, maxRecord + 1: false} {
		text := strings.Repeat("x", n-1) + "\n"
		texts, err := splitData([]byte(text+"\n"), 1)
		if (err == nil) != ok || ok && string(texts[0]) != text {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	text := bytes.Repeat([]byte{7}, maxRecord)
	if texts, err := splitEntries(append([]byte{255, 255}, text...), 1); err != nil || !bytes.Equal(texts[0], text) {
		t.Errorf("%v", err)
	}
}

func FuzzData(f *testing.F) {
	f.Add([]byte("a\nb\n\nc\n\n"), 2)
	f.Add([]byte("a\nb\n\n\nc\n\n"), 2)
	f.Add([]byte("\n\n\n\n"), 2)
	f.Add([]byte("a"), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		n = 1 + int(uint(n)%width)
		texts, err := splitData(b, n)
		if err != nil {
			return
		}
		var again []byte
		for _, text := range texts {
			if len(text) > maxRecord || bytes.Contains(text, []byte("\n\n")) {
				t.Errorf("%q is a record", text)
			}
			again = append(append(again, text...), '\n')
		}
		if len(texts) != n || !bytes.Equal(again, b) {
			t.Errorf("%q is split into %q", b, texts)
		}
	})
}

func FuzzEntries(f *testing.F) {
	f.Add([]byte("\x00\x01a\x00\x00"), 2)
	f.Add([]byte("\x00\x05a"), 1)
	f.Add([]byte("\x00"), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		n = 1 + int(uint(n)%width)
		texts, err := splitEntries(b, n)
		if err != nil {
			return
		}
		var again []byte
		for _, text := range texts {
			again = append(binary.BigEndian.AppendUint16(again, uint16(len(text))), text...)
		}
		if len(texts) != n || !bytes.Equal(again, b) {
			t.Errorf("%q is split into %q", b, texts)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	f.Add("example.com/log\n20\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n")
	f.Add("example.com/log\n0\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\next\n")
	f.Add("\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		origin, tree, err := parseCheckpoint(text)
		if err != nil {
			return
		}
		again := fmt.Sprintf("%s\n%d\n%v\n", origin, tree.N, tree.Hash)
		if !strings.HasPrefix(text, again) || origin == "" || tree.N < 0 || strings.Contains(text, "\n\n") {
			t.Errorf("%q is parsed as %q", text, again)
		}
		// It is nothing else than what the tlog package would make of it.
		if other, err := tlog.ParseTree([]byte("go.sum database tree" + strings.TrimPrefix(text, origin))); len(text) < 1e6 && (err != nil || other != tree) {
			t.Errorf("%q is %v, and for tlog %v (%v)", text, tree, other, err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	const h1 = "h1:CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
	f.Add([]byte("example.com/m v1.0.0 " + h1 + "\nexample.com/m v1.0.0/go.mod " + h1 + "\n"))
	f.Add([]byte("example.com/m/v2 v2.0.0-pre " + h1 + "\nexample.com/m/v2 v2.0.0-pre/go.mod " + h1 + "\n"))
	f.Add([]byte("gopkg.in/m.v1 v1.0.0 " + h1 + "\ngopkg.in/m.v1 v1.0.0/go.mod " + h1 + "\n"))
	f.Add([]byte("example.com/m v2.0.0+incompatible " + h1 + "\nexample.com/m v2.0.0+incompatible/go.mod " + h1 + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := Record{Text: text}
		if err := r.parse(); err != nil {
			if r.Path+r.Version+r.Zip+r.Mod != "" || err.Error() == "" {
				t.Errorf("%q: %+v, %v", text, r, err)
			}
			return
		}
		again := fmt.Sprintf("%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", r.Path, r.Version, r.Zip, r.Mod)
		if again != string(text) || module.Check(r.Path, r.Version) != nil {
			t.Errorf("%q is parsed as %q", text, again)
		}
		// A client can read it.
		b, err := tlog.FormatRecord(1, text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if _, text2, rest, err := tlog.ParseRecord(b); err != nil || !bytes.Equal(text2, text) || len(rest) > 0 {
			t.Errorf("%q is read as %q, %q, %v", text, text2, rest, err)
		}
	})
}
