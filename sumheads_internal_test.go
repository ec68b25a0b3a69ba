package godown

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// TestTimelineClock has the clock go anywhere: a bound is never before the time
// that it shows when the record is first covered, nor before any it has shown
// until then, and later heads never give an earlier bound.
func TestTimelineClock(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for range 200 {
		var l timeline
		size, clock, latest := int64(0), int64(1_700_000_000), int64(0)
		truth := make(map[int64]int64) // by record: the least bound that is surely none too early
		for range 100 {
			clock += random.Int64N(1000)
			if random.IntN(10) == 0 {
				clock -= random.Int64N(100_000)
			}
			grown := 1 + random.Int64N(3)
			latest = max(latest, clock)
			for id := size; id < size+grown; id++ {
				truth[id] = latest
			}
			size += grown
			l = l.add(sighting{size, clock})
		}
		for i := range l[1:] {
			if l[i].size >= l[i+1].size || l[i].time >= l[i+1].time || i+2 < len(l) && l[i+2].time-l[i].time < sightingEvery {
				t.Fatalf("%v, %v, … are out of order or too close", l[i], l[i+1])
			}
		}
		stored, bad := parseSightings(formatSightings(l, "sum.test"), "sum.test")
		shuffled := slices.Clone(l)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if !slices.Equal(stored, l) || bad > 0 || !slices.Equal(timeline(nil).join(shuffled), l) || !slices.Equal(l.join(l), l) {
			t.Fatal("stored or joined it is another")
		}
		for id := range size {
			at, ok := l.bornBefore(id)
			if !ok || at.Unix() < truth[id] {
				t.Fatalf("record %d: %v, %v, want no earlier than %d", id, at.Unix(), ok, truth[id])
			}
		}
		if at, ok := l.bornBefore(size); ok {
			t.Fatalf("a record beyond: %v", at)
		}
	}
}

// TestTimelinesOfTwoClocks joins what two processes have seen, one of which is slow.
func TestTimelinesOfTwoClocks(t *testing.T) {
	good := timeline{{100, 10_000}, {200, 20_000}, {300, 30_000}}
	slow := []sighting{{250, 5_000}}
	l := good.join(slow)
	for id, want := range map[int64]int64{99: 10_000, 100: 20_000, 199: 20_000, 200: 20_000, 249: 20_000, 250: 30_000} {
		if at, ok := l.bornBefore(id); !ok || at.Unix() < want {
			t.Errorf("record %d: %d, %v, want %d or later", id, at.Unix(), ok, want)
		}
	}
}

// FuzzSightings checks that what is read is in order, and stays what it is when it is stored.
func FuzzSightings(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("1 2 3\n"))
	f.Add(formatSightings(timeline{{300, 1_000}, {301, 2_000}}, "sum.test"))
	f.Add(append(formatSightings(timeline{{300, 1_000}}, "sum.test"), formatSightings(timeline{{200, 5_000}, {1, 7_000}}, "sum.test")...))
	f.Add(formatSightings(timeline{{300, 1_000}, {301, 2_000}}, "other.test"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, bad := parseSightings(data, "sum.test")
		if lines := strings.Count(string(data), "\n") + 1; bad+len(l) > lines {
			t.Errorf("%d good and %d bad of %d lines", len(l), bad, lines)
		}
		for i := 1; i < len(l); i++ {
			if l[i-1].size >= l[i].size || l[i-1].time >= l[i].time {
				t.Errorf("out of order: %v", l)
			}
		}
		if again, bad := parseSightings(formatSightings(l, "sum.test"), "sum.test"); bad > 0 || !slices.Equal(again, l) {
			t.Errorf("stored it is %v, %d bad, want %v", again, bad, l)
		}
	})
}

// madeFork returns evidence against a database, and its public key.
func madeFork(t testing.TB, old, new int64) (*SumFork, string) {
	t.Helper()
	key, public, err := note.GenerateKey(rand.Reader, "sum.test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	tree := func(size int64, text string) (string, tlog.HashReaderFunc) {
		var hashes []tlog.Hash
		read := func(indexes []int64) (list []tlog.Hash, err error) {
			for _, i := range indexes {
				list = append(list, hashes[i])
			}
			return list, nil
		}
		for i := range size {
			stored, err := tlog.StoredHashes(i, fmt.Appendf(nil, "%s %d\n", text, i), tlog.HashReaderFunc(read))
			if err != nil {
				t.Fatal(err)
			}
			hashes = append(hashes, stored...)
		}
		hash, err := tlog.TreeHash(size, tlog.HashReaderFunc(read))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := note.Sign(&note.Note{Text: string(tlog.FormatTree(tlog.Tree{N: size, Hash: hash}))}, signer)
		if err != nil {
			t.Fatal(err)
		}
		return string(signed), read
	}
	f := &SumFork{Database: "sum.test"}
	f.Old.Signed, _ = tree(old, "a")
	var read tlog.HashReaderFunc
	f.New.Signed, read = tree(new, "b")
	if f.Hash, err = tlog.TreeHash(old, read); err == nil {
		f.Proof, err = tlog.ProveTree(new, old, read)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f, public
}

// TestSumForkCheck changes evidence in each way in which it could be wrong.
func TestSumForkCheck(t *testing.T) {
	for _, sizes := range [][2]int64{{5, 9}, {5, 5}, {1, 1}, {8, 16}} {
		good, key := madeFork(t, sizes[0], sizes[1])
		if err := good.Check(key); err != nil {
			t.Errorf("%v: %v", sizes, err)
		}
		other, otherKey := madeFork(t, sizes[0], sizes[1])
		for name, change := range map[string]func(*SumFork){
			"old head of another":  func(f *SumFork) { f.Old = other.Old },
			"new head of another":  func(f *SumFork) { f.New = other.New },
			"head without a sign":  func(f *SumFork) { f.New.Signed = strings.Split(f.New.Signed, "\n\n")[0] },
			"twice the same":       func(f *SumFork) { f.Old = f.New },
			"hash of nothing":      func(f *SumFork) { f.Hash[0] ^= 1 },
			"hash of the old tree": func(f *SumFork) { f.Hash = mustHead(t, f.Old.Signed, key).Hash },
			"more of a proof":      func(f *SumFork) { f.Proof = append(slices.Clone(f.Proof), f.Hash) },
		} {
			f := *good
			change(&f)
			if f.Check(key) == nil {
				t.Errorf("%v: %s: it is accepted", sizes, name)
			}
		}
		if good.Check(otherKey) == nil || good.Check("") == nil {
			t.Error("another key will do")
		}
	}
}

func mustHead(t *testing.T, signed, key string) tlog.Tree {
	t.Helper()
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := openHead([]byte(signed), note.VerifierList(v))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// FuzzSumFork checks that nothing can be read as evidence but what two heads
// of the database prove, and that whatever is in its place is told in words.
func FuzzSumFork(f *testing.F) {
	good, key := madeFork(f, 5, 9)
	whole, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "null", "{}", "[]", `{"old":{"signed":"x"},"new":{"signed":"y"}}`, `{"old":null,"hash":"AAAA"}`, string(whole), string(whole[:len(whole)/2])} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &Sums{Spec: SumDBSpec{Name: "sum.test", Key: key}}
		stopped, fork := s.readStop(data)
		if stopped == nil || !strings.Contains(stopped.Detail, "sumdb/sum.test/fork") {
			t.Errorf("%q: %v", data, stopped)
		}
		if fork != nil && fork.Check(key) == nil && (fork.Old.Signed != good.Old.Signed || fork.New.Signed != good.New.Signed) {
			t.Errorf("accepted is %q", data)
		}
	})
}
