package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog/audit"
)

type counts = map[audit.Kind]int64

// A lie is something that a log may do. In names of files "%s" and DATA are
// what the formats' names differ in.
type lie struct {
	tell  func(t *testing.T, f files, h string) // h is what "%s" is
	want  counts
	where string // a file that a finding names
	large bool   // it is about the higher levels of a large log
}

func change(name string, c func([]byte) []byte) func(*testing.T, files, string) {
	return func(t *testing.T, f files, h string) { f.change(t, fmt.Sprintf(name, h), c) }
}

func remove(names ...string) func(*testing.T, files, string) {
	return func(t *testing.T, f files, h string) {
		for _, name := range names {
			f.change(t, fmt.Sprintf(name, h), func([]byte) []byte { return nil })
			delete(f, fmt.Sprintf(name, h))
		}
	}
}

// tell has a log of 700 records, or of 70000, lie in each way, in both formats.
func tell(t *testing.T, log *tree, k key, lies map[string]lie) {
	small := log.write(t, k, 700)
	large := log.write(t, k, len(log.texts))
	for name, test := range lies {
		for format, af := range formats {
			t.Run(name+"/"+format, func(t *testing.T) {
				t.Parallel()
				h, records, headName := "8/", "data", "latest"
				if af == audit.TilesFormat {
					h, records, headName = "", "entries", "checkpoint"
				}
				// Both formats' files are there: lies are about those of the one that is read.
				f := make(files)
				good := small
				if test.large {
					good = large
				}
				for name, data := range good {
					f[strings.Replace(name, "/"+records+"/", "/DATA/", 1)] = data
				}
				test.tell(t, f, h)
				for name, data := range maps.Clone(f) {
					f[strings.Replace(name, "/DATA/", "/"+records+"/", 1)] = data
				}
				r := run(t, newAuditor(k, f, af), audit.Seen{})
				if test.want != nil || test.where == "" {
					found(t, r, test.want)
				} else if r.OK() || r.Complete || r.Records != 512 {
					t.Errorf("%+v", r)
				}
				if test.where == "" {
					return
				}
				where := strings.NewReplacer("%s", h, "DATA", records, "HEAD", headName).Replace(test.where)
				if !slices.ContainsFunc(r.Findings, func(f audit.Finding) bool { return f.Name == where }) {
					t.Errorf("nothing was found in %s: %+v", where, r.Findings)
				}
			})
		}
	}
}

// TestLies has a log lie about records and tiles.
func TestLies(t *testing.T) {
	log, k := new(tree), newKey(t, name)
	log.grow(t, texts(70000)...)
	truncate := func(b []byte) []byte { return b[:len(b)-1] }
	extend := func(b []byte) []byte { return append(b, 0) }
	swap := func(b []byte) []byte { // records 256 and 257
		b = slices.Clone(b)
		first, second := []byte(text(256)), []byte(text(257))
		b = bytes.Replace(b, first, []byte("~"), 1)
		b = bytes.Replace(b, second, first, 1)
		return bytes.Replace(b, []byte("~"), second, 1)
	}
	tell(t, log, k, map[string]lie{
		"none":                {func(*testing.T, files, string) {}, nil, "", true},
		"flipped record":      {change("tile/%sDATA/001", flip(20)), counts{audit.KindRecord: 1}, "tile/%sDATA/001", false},
		"flipped last record": {change("tile/%sDATA/002.p/188", flip(20)), counts{audit.KindRecord: 1}, "tile/%sDATA/002.p/188", false},
		"swapped records":     {change("tile/%sDATA/001", swap), counts{audit.KindRecord: 2}, "tile/%sDATA/001", false},
		"another's records": {func(t *testing.T, f files, h string) {
			copyFile(f, fmt.Sprintf("tile/%sDATA/001", h), fmt.Sprintf("tile/%sDATA/000", h))
		}, counts{audit.KindRecord: 256}, "tile/%sDATA/001", false},
		"flipped hash, level 0":       {change("tile/%s0/001", flip(77)), counts{audit.KindTile: 1}, "tile/%s0/001", false},
		"flipped hash, level 0, edge": {change("tile/%s0/002.p/188", flip(77)), counts{audit.KindTile: 1}, "tile/%s0/002.p/188", false},
		"flipped hash, level 1":       {change("tile/%s1/000", flip(77)), counts{audit.KindTile: 1}, "tile/%s1/000", true},
		"flipped hash, level 1, edge": {change("tile/%s1/001.p/17", flip(77)), counts{audit.KindTile: 1}, "tile/%s1/001.p/17", true},
		"flipped hash, level 2, edge": {change("tile/%s2/000.p/1", flip(7)), counts{audit.KindTile: 1}, "tile/%s2/000.p/1", true},
		"flipped record and hash": {func(t *testing.T, f files, h string) {
			change("tile/%sDATA/001", flip(20))(t, f, h)
			change("tile/%s0/001", flip(77))(t, f, h)
		}, counts{audit.KindTile: 2}, "tile/%s0/001", false},
		"flipped record, its hash made right": {func(t *testing.T, f files, h string) {
			forged := strings.Replace(text(256), "h1:", "h1:A", 1)
			replace := func(b []byte) []byte { return bytes.Replace(b, []byte(text(256)), []byte(forged), 1) }
			if h == "" {
				forged = text(0) // of the same length, as the one before it says
				forged += strings.Repeat("x", len(text(256))-len(text(0)))
			}
			change("tile/%sDATA/001", replace)(t, f, h)
			hash := tlog.RecordHash([]byte(forged))
			change("tile/%s0/001", func(b []byte) []byte { copy(b, hash[:]); return b })(t, f, h)
		}, counts{audit.KindTile: 2}, "tile/%sDATA/001", false},
		"missing records":          {remove("tile/%sDATA/001"), counts{audit.KindMissing: 1}, "tile/%sDATA/001", false},
		"missing last records":     {remove("tile/%sDATA/002.p/188"), counts{audit.KindMissing: 1}, "tile/%sDATA/002.p/188", false},
		"missing level 0":          {remove("tile/%s0/001"), counts{audit.KindMissing: 1}, "tile/%s0/001", false},
		"missing level 0, edge":    {remove("tile/%s0/002.p/188"), counts{audit.KindMissing: 1}, "tile/%s0/002.p/188", false},
		"missing level 1":          {remove("tile/%s1/000"), counts{audit.KindMissing: 1}, "tile/%s1/000", true},
		"missing level 2, edge":    {remove("tile/%s2/000.p/1"), counts{audit.KindMissing: 1}, "tile/%s2/000.p/1", true},
		"missing records and hash": {remove("tile/%s0/001", "tile/%sDATA/001"), counts{audit.KindMissing: 2}, "tile/%s0/001", false},
		"truncated records":        {change("tile/%sDATA/001", truncate), counts{audit.KindTile: 1}, "tile/%sDATA/001", false},
		"truncated hashes":         {change("tile/%s0/001", truncate), counts{audit.KindTile: 1}, "tile/%s0/001", false},
		"truncated level 1":        {change("tile/%s1/001.p/17", truncate), counts{audit.KindTile: 1}, "tile/%s1/001.p/17", true},
		"empty records":            {change("tile/%sDATA/001", func([]byte) []byte { return nil }), counts{audit.KindTile: 1}, "tile/%sDATA/001", false},
		"extra bytes in records":   {change("tile/%sDATA/001", extend), counts{audit.KindTile: 1}, "tile/%sDATA/001", false},
		"extra bytes in hashes":    {change("tile/%s0/001", extend), counts{audit.KindTile: 1}, "tile/%s0/001", false},
	})
}

// TestHeadLies has a log lie about its head.
func TestHeadLies(t *testing.T) {
	log, k, _ := newLog(t, 700)
	other := newKey(t, name)
	head := func(signed []byte) func(*testing.T, files, string) {
		return func(t *testing.T, f files, h string) { f["latest"], f["checkpoint"] = signed, signed }
	}
	tell(t, log, k, map[string]lie{
		"wrong signature": {func(t *testing.T, f files, h string) {
			for _, name := range []string{"latest", "checkpoint"} {
				f.change(t, name, func(b []byte) []byte { return flip(len(b) - 10)(b) })
			}
		}, counts{audit.KindHead: 1}, "HEAD", false},
		"unsigned":      {head(tlog.FormatTree(log.head(t, 700))), counts{audit.KindHead: 1}, "HEAD", false},
		"another's key": {func(t *testing.T, f files, h string) { maps.Copy(f, other.sign(t, log.head(t, 700))) }, counts{audit.KindHead: 1}, "HEAD", false},
		"another's name": {func(t *testing.T, f files, h string) {
			maps.Copy(f, newKey(t, "sum.test/other").sign(t, log.head(t, 700)))
		}, counts{audit.KindHead: 1}, "HEAD", false},
		"no head":         {head(nil), counts{audit.KindHead: 1}, "HEAD", false},
		"a huge head":     {head(make([]byte, 1<<20+1)), counts{audit.KindHead: 1}, "HEAD", false},
		"a signed letter": {head(k.signText(t, "Dear reader,\nall is well.\n")), counts{audit.KindHead: 1}, "HEAD", false},
		"another tree's head": {func(t *testing.T, f files, h string) {
			maps.Copy(f, k.sign(t, tlog.Tree{N: 700, Hash: tlog.Hash{1}}))
		}, counts{audit.KindHead: 1}, "", false},
		"a head of too many records": {func(t *testing.T, f files, h string) {
			maps.Copy(f, k.sign(t, tlog.Tree{N: 1<<63 - 1}))
		}, counts{audit.KindHead: 1}, "HEAD", false},
		"a head of more records than there are": {func(t *testing.T, f files, h string) {
			maps.Copy(f, k.sign(t, tlog.Tree{N: 1 << 40}))
		}, nil, "tile/%sDATA/002", false},
	})
}

func copyFile(f files, to, from string) { f[to] = f[from] }

// TestWhichRecord checks that a finding names the record.
func TestWhichRecord(t *testing.T) {
	_, k, log := newLog(t, 600)
	log.change(t, "tile/8/data/001", func(b []byte) []byte { return bytes.Replace(b, []byte(text(300)), []byte(text(301)), 1) })
	a := newAuditor(k, log, audit.GoFormat)
	var passed []int64
	a.Record = func(r audit.Record) error { passed = append(passed, r.ID); return nil }
	r := run(t, a, audit.Seen{})
	found(t, r, counts{audit.KindRecord: 1})
	if r.Findings[0].Record != 300 || r.Records != 600 || len(passed) != 599 || slices.Contains(passed, 300) {
		t.Errorf("%+v\n%d records were passed on", r, len(passed))
	}
	if r.Seen.Size != 0 {
		t.Errorf("%d records need not be read again", r.Seen.Size)
	}
}

// TestProvenFromAbove checks that records are passed on whose own tile is damaged.
func TestProvenFromAbove(t *testing.T) {
	_, k, log := newLog(t, 600)
	delete(log, "tile/8/0/001")
	log.change(t, "tile/8/0/000", flip(5))
	n := 0
	a := newAuditor(k, log, audit.GoFormat)
	a.Record = func(audit.Record) error { n++; return nil }
	found(t, run(t, a, audit.Seen{}), counts{audit.KindMissing: 1, audit.KindTile: 1})
	if n != 600 {
		t.Errorf("%d records, want 600", n)
	}
	// Nor is anything passed on that the head does not prove.
	log["latest"] = k.sign(t, tlog.Tree{N: 600, Hash: tlog.Hash{1}})["latest"]
	n = 0
	if run(t, a, audit.Seen{}); n != 0 {
		t.Errorf("%d records, want 0", n)
	}
}

// TestSignedLie has a log sign what is wrong in itself: its upper tiles, with
// the head, are not those of the lower.
func TestSignedLie(t *testing.T) {
	for format, f := range formats {
		log, k, _ := newLog(t, 512)
		log.hashes[tlog.StoredHashIndex(8, 1)] = tlog.Hash{7}
		hash := tlog.NodeHash(log.hashes[tlog.StoredHashIndex(8, 0)], tlog.Hash{7})
		log.hashes[tlog.StoredHashIndex(9, 0)] = hash
		n := 0
		a := newAuditor(k, log.write(t, k, 512), f)
		a.Record = func(audit.Record) error { n++; return nil }
		r := run(t, a, audit.Seen{})
		found(t, r, counts{audit.KindTile: 2})
		if n != 256 {
			t.Errorf("%s: %d records are passed on, want 256", format, n)
		}
	}
}

// TestAgain has a log give another tile when it is asked again.
func TestAgain(t *testing.T) {
	_, k, log := newLog(t, 600)
	for _, edge := range []string{"tile/8/0/002.p/88", "tile/8/1/000.p/2"} {
		again := &changing{files: log, name: edge}
		a := newAuditor(k, nil, audit.GoFormat)
		a.Jobs, a.Get = 1, again.get
		found(t, run(t, a, audit.Seen{}), counts{audit.KindTile: 1})
	}
}

// TestFork has a log show another history than before.
func TestFork(t *testing.T) {
	log, k, good := newLog(t, 700)
	forked := new(tree)
	forked.grow(t, texts(600)...)
	forked.grow(t, text(10000))
	forked.grow(t, texts(1200)[601:]...)
	for name, test := range map[string]struct {
		seen, now tlog.Tree
	}{
		"same size": {log.head(t, 700), forked.head(t, 700)},
		"longer":    {log.head(t, 700), forked.head(t, 1200)},
		"shorter":   {log.head(t, 700), forked.head(t, 650)},
	} {
		for format, f := range formats {
			// A shorter one is proven by the tiles of the longer, which it still serves.
			now := forked.write(t, k, int(test.now.N))
			if name == "shorter" {
				maps.Copy(now, log.write(t, k, 700))
			}
			maps.Copy(now, k.sign(t, test.now))
			seen := audit.Seen{Signed: k.sign(t, test.seen)["latest"], Size: test.seen.N}
			a := newAuditor(k, now, f)
			r, err := a.Run(t.Context(), seen)
			fork, ok := errors.AsType[*audit.Fork](err)
			if !ok {
				t.Errorf("%s, %s: error %v, %+v", name, format, err, r)
				continue
			}
			found(t, r, counts{audit.KindFork: 1})
			if r.Fork != fork || r.Seen.Size != seen.Size || !bytes.Equal(r.Seen.Signed, seen.Signed) {
				t.Errorf("%s, %s: %+v", name, format, r)
			}
			checkFork(t, fork, k)
			if security, ok := errors.AsType[*godown.SecurityError](err); !ok || !strings.Contains(security.Detail, "two histories") {
				t.Errorf("%v is no security error", err)
			}
		}
	}
	// The honest log goes on.
	for _, n := range []int{1, 256, 600, 700} {
		seen := audit.Seen{Signed: k.sign(t, log.head(t, n))["checkpoint"]}
		if r := run(t, newAuditor(k, good, audit.GoFormat), seen); !r.OK() {
			t.Errorf("from %d: %+v", n, r)
		}
	}
}

// checkFork checks the evidence with nothing but the key.
func checkFork(t *testing.T, f *audit.Fork, k key) {
	t.Helper()
	for _, h := range []audit.Head{f.Old, f.New} {
		n, err := note.Open([]byte(h.Signed), note.VerifierList(k.Verifier))
		if err != nil || !strings.Contains(n.Text, fmt.Sprintf("\n%d\n%v\n", h.Size, h.Hash)) {
			t.Errorf("the head %+v: %v", h, err)
		}
	}
	if f.Old.Size > f.New.Size || f.Hash == f.Old.Hash {
		t.Errorf("no evidence: %+v", f)
	}
	if err := tlog.CheckTree(f.Proof, f.New.Size, f.New.Hash, f.Old.Size, f.Hash); err != nil {
		t.Errorf("the proof: %v", err)
	}
}

// TestRollback has a log show a head that is older than the one seen.
func TestRollback(t *testing.T) {
	log, k, _ := newLog(t, 700)
	seen := audit.Seen{Signed: k.sign(t, log.head(t, 700))["latest"], Size: 700}
	for format, f := range formats {
		for _, since := range []bool{false, true} {
			// with the newer tiles, and without
			both := log.write(t, k, 700)
			maps.Copy(both, log.write(t, k, 600))
			for i, now := range []files{both, log.write(t, k, 600)} {
				a := newAuditor(k, now, f)
				a.Since = since
				r := run(t, a, seen)
				found(t, r, counts{audit.KindRollback: 1})
				if !r.RolledBack || !r.Complete || r.Head.Size != 600 || r.Seen.Size != 700 || !bytes.Equal(r.Seen.Signed, seen.Signed) {
					t.Errorf("%s, since %v: %+v", format, since, r)
				}
				if open := strings.Contains(r.Findings[0].What, "cannot be proven"); open != (i == 1) {
					t.Errorf("%s, since %v: %+v", format, since, r.Findings)
				}
			}
		}
	}
}

// TestUnproven damages what is needed to prove that a log goes on from what was seen.
func TestUnproven(t *testing.T) {
	log, k, good := newLog(t, 1200)
	seen := audit.Seen{Signed: k.sign(t, log.head(t, 700))["latest"], Size: 700}
	for _, since := range []bool{false, true} {
		for damaged, want := range map[string]counts{
			"tile/8/0/002":       {audit.KindUnproven: 1, audit.KindTile: 1}, // has 600 to 699
			"tile/8/0/003":       {audit.KindTile: 1},
			"tile/8/0/004.p/176": {audit.KindUnproven: 1, audit.KindTile: 1}, // at the edge
		} {
			f := maps.Clone(good)
			f.change(t, damaged, flip(9))
			a := newAuditor(k, f, audit.GoFormat)
			a.Since = since
			r := run(t, a, seen)
			if since && damaged == "tile/8/0/004.p/176" { // nothing to begin with
				want = counts{audit.KindUnproven: 2}
			}
			found(t, r, want)
			proven := want[audit.KindUnproven] == 0
			if bytes.Equal(r.Seen.Signed, []byte(r.Head.Signed)) != proven {
				t.Errorf("%s: %+v", damaged, r)
			}
			if wantSize := int64(700); since && r.Seen.Size != wantSize || !since && r.Seen.Size != 0 {
				t.Errorf("%s: %+v", damaged, r)
			}
		}
	}
}

// TestReport checks that a report can be written and read, and that its list is bounded.
func TestReport(t *testing.T) {
	k := newKey(t, name)
	log := new(tree)
	for i := range 3000 {
		log.grow(t, fmt.Sprintf("%d %s\n", i, strings.Repeat("ä", 3000)))
	}
	r := run(t, newAuditor(k, log.write(t, k, 3000), audit.GoFormat), audit.Seen{})
	if r.OK() || !r.Complete || r.Total() != 3000 || r.Counts[audit.KindMalformed] != 3000 || len(r.Findings) != 1000 || r.Seen.Size != 3000 {
		t.Errorf("total %d, %d listed, seen %d", r.Total(), len(r.Findings), r.Seen.Size)
	}
	data, err := json.Marshal(r)
	var again audit.Report
	if err := errors.Join(err, json.Unmarshal(data, &again)); err != nil || again.Head.Hash != r.Head.Hash || len(data) > 1<<20 {
		t.Errorf("%v, %d bytes: %+v", err, len(data), again)
	}
}

// TestAbsent gives up when all records are missing or something else.
func TestAbsent(t *testing.T) {
	_, k, log := newLog(t, 70000)
	whole := log["tile/8/data/100"]
	maps.DeleteFunc(log, func(name string, _ []byte) bool { return strings.HasPrefix(name, "tile/8/data/") })
	a := newAuditor(k, log, audit.GoFormat)
	a.Jobs = 1 // nothing is fetched that is not waited for
	r := run(t, a, audit.Seen{})
	if r.OK() || r.Complete || r.Counts[audit.KindMissing] != 257 || r.Records != 0 {
		t.Errorf("%+v", r)
	}
	// but not when one of them is there
	log["tile/8/data/100"] = whole
	if r = run(t, a, audit.Seen{}); r.OK() || !r.Complete || r.Counts[audit.KindMissing] != 273 || r.Records != 256 {
		t.Errorf("%+v", r)
	}
	// or when there is something else for everything
	a.Get = func(ctx context.Context, name string) ([]byte, error) {
		if name == "latest" {
			return log.get(ctx, name)
		}
		return []byte("<html>Please log in"), nil
	}
	r = run(t, a, audit.Seen{})
	if r.OK() || r.Complete || r.Records != 0 {
		t.Errorf("%+v", r)
	}
}
