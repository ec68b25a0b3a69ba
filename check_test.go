package godown_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
)

// A recorded is an oracle that has its records at hand, but where away names them.
type recorded struct {
	oracle
	asked   atomic.Int64
	unknown bool // nothing is at hand
	away    bool // nobody can be asked
}

func (v *recorded) Recall(_ context.Context, req godown.Request) string {
	sums, _ := v.mods.Sums(req.Path, req.Version)
	if v.unknown || req.Kind == godown.Info {
		return ""
	}
	if req.Kind == godown.Mod {
		return sums.Mod
	}
	return sums.Zip
}

func (v *recorded) Verify(ctx context.Context, req godown.Request, h1 string) error {
	v.asked.Add(1)
	if v.away {
		return &godown.Unverified{Request: req, By: "the oracle", Err: errors.New("gone fishing")}
	}
	return v.oracle.Verify(ctx, req, h1)
}

// newRecorded returns a rig that has all of version v1.0.0 in its store, and a Verifier with records.
func newRecorded(t *testing.T) (*rig, *recorded) {
	t.Helper()
	v := new(recorded)
	r := newRig(t, func(r *rig) {
		v.oracle = oracle{r.mods}
		r.Verifier = v
	})
	for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
		mustFetch(t, r, hello(kind, "v1.0.0"))
	}
	old := r
	r = r.again(t, func(next *rig) {
		v.oracle = oracle{old.mods}
		next.Verifier = v
	})
	v.asked.Store(0)
	return r, v
}

func TestCheck(t *testing.T) {
	const zip, mod, info = godown.Zip, godown.Mod, godown.Info
	flip := func(b []byte) []byte { b[len(b)-2] ^= 1; return b }
	empty := func([]byte) []byte { return nil }
	for _, tt := range []struct {
		name   string
		kind   godown.Kind
		change func(*testing.T, *rig, *recorded)
		how    godown.Checking
		want   godown.Verdict
		why    string
	}{
		{name: "good zip", kind: zip, want: godown.Good},
		{name: "good mod", kind: mod, want: godown.Good},
		{name: "good info", kind: info, want: godown.Good},
		{name: "flipped zip", kind: zip, change: spoil(zip, flipContent), want: godown.Bad, why: "checksum error"},
		{name: "another zip", kind: zip, change: spoil(zip, func([]byte) []byte { return nil }), want: godown.Bad, why: "no end record"},
		{name: "truncated zip", kind: zip, change: spoil(zip, func(b []byte) []byte { return b[:len(b)-10] }), want: godown.Bad, why: "truncated"},
		{name: "flipped mod", kind: mod, change: spoil(mod, flip), want: godown.Bad, why: "the record at hand has"},
		{name: "empty mod", kind: mod, change: spoil(mod, empty), want: godown.Bad, why: "module line"},
		{name: "broken info", kind: info, change: spoil(info, empty), want: godown.Bad, why: "JSON"},
		{name: "info of another version", kind: info, change: spoil(info, func([]byte) []byte { return []byte(`{"Version":"v1.0.1"}`) }), want: godown.Bad, why: "v1.0.1"},
		{name: "huge mod", kind: mod, change: spoil(mod, func([]byte) []byte { return make([]byte, 17<<20) }), want: godown.Bad, why: "more than"},
		{name: "flipped hash beside", kind: zip, change: beside(flip), want: godown.Bad, why: "but the .ziphash beside it has"},
		{name: "no hash beside", kind: zip, change: beside(func([]byte) []byte { return []byte("x") }), want: godown.Bad, why: `begins with "x"`},
		{name: "nothing beside", kind: zip, change: func(t *testing.T, r *rig, _ *recorded) { os.Remove(r.path(hello(zip, "v1.0.0").Name() + "hash")) }, want: godown.Good},
		{name: "no record", kind: zip, change: func(_ *testing.T, _ *rig, v *recorded) { v.unknown = true }, want: godown.Unproven, why: "nobody was asked"},
		{name: "asked", kind: mod, change: func(_ *testing.T, _ *rig, v *recorded) { v.unknown = true }, how: godown.Checking{Ask: true}, want: godown.Good},
		{name: "asked in vain", kind: mod, change: func(_ *testing.T, _ *rig, v *recorded) { v.unknown, v.away = true, true }, how: godown.Checking{Ask: true}, want: godown.Unproven, why: "fishing"},
		{name: "asked, and wrong", kind: mod, change: func(t *testing.T, r *rig, v *recorded) { v.unknown = true; spoil(mod, flip)(t, r, v) }, how: godown.Checking{Ask: true}, want: godown.Bad, why: "instead of"},
		{name: "no record, and wrong beside", kind: zip, change: func(t *testing.T, r *rig, v *recorded) { v.unknown = true; beside(flip)(t, r, v) }, want: godown.Bad, why: "beside it has"},
		{name: "no record, and nothing that is a hash beside", kind: zip, change: func(t *testing.T, r *rig, v *recorded) { v.unknown = true; beside(empty)(t, r, v) }, want: godown.Unproven, why: "nobody was asked"},
		{name: "gone", kind: zip, change: func(t *testing.T, r *rig, _ *recorded) { os.Remove(r.path(hello(zip, "v1.0.0").Name())) }, want: godown.Gone},
		{name: "a sick disk, mod", kind: mod, change: sick(".mod"), want: godown.Unreadable, why: "input/output"},
		{name: "a sick disk, zip", kind: zip, change: sick(".zip"), want: godown.Unreadable, why: "input/output"},
		{name: "a sick disk, hash beside", kind: zip, change: sick(".ziphash"), want: godown.Unreadable, why: "input/output"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, v := newRecorded(t)
			if tt.change != nil {
				tt.change(t, r, v)
			}
			found := r.Check(t.Context(), hello(tt.kind, "v1.0.0"), tt.how)
			if found.Verdict != tt.want || (found.Err == nil) != (tt.why == "" && tt.want != godown.Gone) || !strings.Contains(errText(found.Err), tt.why) {
				t.Errorf("%q, %v; want %q, %q", found.Verdict, found.Err, tt.want, tt.why)
			}
			if !tt.how.Ask && v.asked.Load() > 0 {
				t.Error("somebody was asked")
			}
			if (tt.want == godown.Unreadable) != (r.alarms.count("store") == 1) || r.alarms.count("rot") != 0 {
				t.Errorf("alarms: %v", r.alarms.list)
			}
			if len(r.aside(t)) > 0 {
				t.Error("without Repair something was set aside")
			}
			if found.Beside != (strings.Contains(tt.name, "hash beside") && tt.want == godown.Bad) {
				t.Errorf("Beside is %v", found.Beside)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func spoil(kind godown.Kind, f func([]byte) []byte) func(*testing.T, *rig, *recorded) {
	return func(t *testing.T, r *rig, _ *recorded) { r.damage(t, hello(kind, "v1.0.0").Name(), f) }
}

func beside(f func([]byte) []byte) func(*testing.T, *rig, *recorded) {
	return func(t *testing.T, r *rig, _ *recorded) {
		r.damage(t, hello(godown.Zip, "v1.0.0").Name()+"hash", f)
	}
}

// A sickStore cannot read the files that end in suffix.
type sickStore struct {
	*godown.Dir
	suffix string
}

func (s sickStore) Open(ctx context.Context, name string) (*godown.File, error) {
	f, err := s.Dir.Open(ctx, name)
	if err == nil && strings.HasSuffix(name, s.suffix) {
		f.Body = sickFile{f.Body}
	}
	return f, err
}

type sickFile struct{ io.ReadCloser }

func (sickFile) Read([]byte) (int, error) { return 0, syscall.EIO }

func (sickFile) ReadAt([]byte, int64) (int, error) { return 0, syscall.EIO }

func sick(suffix string) func(*testing.T, *rig, *recorded) {
	return func(_ *testing.T, r *rig, _ *recorded) { r.Store = sickStore{r.Store.(*godown.Dir), suffix} }
}

// TestCheckRepairs: what is bad is set aside, and another takes its place.
func TestCheckRepairs(t *testing.T) {
	how := godown.Checking{Ask: true, Repair: true}
	for name, damage := range map[string]func(*testing.T, *rig, *recorded){
		"zip":    spoil(godown.Zip, flipContent),
		"mod":    spoil(godown.Mod, func([]byte) []byte { return []byte("module example.com/evil\n") }),
		"info":   spoil(godown.Info, func([]byte) []byte { return []byte("<html>") }),
		"beside": beside(func([]byte) []byte { return []byte("h1:x") }),
	} {
		t.Run(name, func(t *testing.T) {
			r, v := newRecorded(t)
			damage(t, r, v)
			bad := 0
			for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
				if found := r.Check(t.Context(), hello(kind, "v1.0.0"), how); found.Verdict == godown.Bad {
					bad++
					if !found.Repaired || found.RepairErr != nil {
						t.Errorf("%v is not repaired: %v", found.Request, found.RepairErr)
					}
				}
			}
			if bad != 1 || r.alarms.count("rot") != 1 || r.Stats().Rotten != 1 || len(r.aside(t)) == 0 {
				t.Errorf("%d bad, %d alarms, set aside are %q", bad, r.alarms.count("rot"), r.aside(t))
			}
			fetches := r.Stats().Fetches
			if (name == "beside") != (fetches == 0) {
				t.Errorf("%d fetches", fetches)
			}
			for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
				if found := r.Check(t.Context(), hello(kind, "v1.0.0"), godown.Checking{}); found.Verdict != godown.Good {
					t.Errorf("afterwards %v is %s: %v", found.Request, found.Verdict, found.Err)
				}
				wantFetch(t, r, hello(kind, "v1.0.0"), r.mods.Data(hello(kind, "v1.0.0").Name()), godown.Hit)
			}
		})
	}
}

// TestCheckWithoutSource: what is bad and cannot be had anew is not served; what
// memory holds of it mends it, if it is right.
func TestCheckWithoutSource(t *testing.T) {
	how := godown.Checking{Repair: true}
	off := godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) {
		return nil, &godown.NotFound{Text: "off", Unasked: true}
	})
	zip, mod := hello(godown.Zip, "v1.0.0"), hello(godown.Mod, "v1.0.0")
	r, _ := newRecorded(t)
	r.Source = off
	mustFetch(t, r, mod)
	spoil(godown.Mod, func([]byte) []byte { return []byte("module example.com/evil\n") })(t, r, nil)
	if found := r.Check(t.Context(), mod, how); found.Verdict != godown.Bad || !found.Repaired {
		t.Errorf("memory has not mended it: %+v", found)
	}
	wantFetch(t, r, mod, r.mods.Data(mod.Name()), godown.Hit)
	if data, err := os.ReadFile(r.path(mod.Name())); string(data) != string(r.mods.Data(mod.Name())) {
		t.Errorf("stored is %q, %v", data, err)
	}

	if err := os.Remove(r.path(zip.Name() + "hash")); err != nil { // it would be hashed again behind our back
		t.Fatal(err)
	}
	mustFetch(t, r, zip) // it is looked at: from now on it is opened without
	spoil(godown.Zip, flipContent)(t, r, nil)
	found := r.Check(t.Context(), zip, how)
	if found.Verdict != godown.Bad || found.Repaired || !strings.Contains(errText(found.RepairErr), "off") {
		t.Errorf("without an upstream: %+v", found)
	}
	if _, err := r.Fetch(t.Context(), zip); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the bad zip is served: %v", err)
	}
	if len(r.aside(t)) != 3 { // the zip, its hash, the .mod
		t.Errorf("set aside are %q", r.aside(t))
	}
}

// TestCheckForgetsOther: memory is not to differ from what the store holds.
func TestCheckForgetsOther(t *testing.T) {
	mod := hello(godown.Mod, "v1.0.0")
	r, v := newRecorded(t)
	mustFetch(t, r, mod)
	other := "module example.com/other\n"
	v.unknown, v.away = true, true
	spoil(godown.Mod, func([]byte) []byte { return []byte(other) })(t, r, nil)
	if found := r.Check(t.Context(), mod, godown.Checking{}); found.Verdict != godown.Unproven {
		t.Fatalf("%+v", found)
	}
	wantFetch(t, r, mod, []byte(other), godown.Hit)
}

// TestCheckKeepsKnown: a zip that is known to be good is not forgotten, and so
// looked at anew, for a wrong hash beside it.
func TestCheckKeepsKnown(t *testing.T) {
	zip := hello(godown.Zip, "v1.0.0")
	r, v := newRecorded(t)
	if err := os.Remove(r.path(zip.Name() + "hash")); err != nil { // it would be hashed again behind our back
		t.Fatal(err)
	}
	mustFetch(t, r, zip)
	beside(func(b []byte) []byte { b[9] ^= 1; return b })(t, r, v)
	if found := r.Check(t.Context(), zip, godown.Checking{}); found.Verdict != godown.Bad || !found.Beside {
		t.Fatalf("%+v", found)
	}
	wantFetch(t, r, zip, r.mods.Data(zip.Name()), godown.Hit)
	if len(r.aside(t)) > 0 {
		t.Errorf("set aside are %q", r.aside(t))
	}
}

// A dissent has the records of another, and says of everything that it is wrong.
type dissent struct{ *recorded }

func (d dissent) Verify(_ context.Context, req godown.Request, _ string) error {
	d.asked.Add(1)
	return &godown.Mismatch{Request: req, Reason: "somebody has another record"}
}

// TestRecheckByRecord: a stored zip that is as the record at hand has it stays, whoever has another.
func TestRecheckByRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, v := newRecorded(t)
		defer r.Close(t.Context())
		r.Verifier = dissent{v}
		mustFetch(t, r, hello(godown.Zip, "v1.0.0"))
		pass(time.Minute) // it is hashed again
		if v.asked.Load() != 1 || len(r.aside(t)) > 0 || r.alarms.count("rot") > 0 {
			t.Errorf("asked %d times, set aside are %q, %v", v.asked.Load(), r.aside(t), r.alarms.list)
		}
	})
}

// A shy is a Verifier that has no file named unasked.
type shy struct{ godown.Verifier }

func (shy) MayName(_ context.Context, req godown.Request) error {
	return &godown.Denied{Rule: "shy", Reason: "it is private"}
}

// TestCheckNames: a file that may not be named is set aside if it is bad, and not fetched unasked.
func TestCheckNames(t *testing.T) {
	mod := hello(godown.Mod, "v1.0.0")
	r, v := newRecorded(t)
	r.Verifier = shy{v}
	spoil(godown.Mod, func([]byte) []byte { return []byte("module example.com/evil\n") })(t, r, v)
	found := r.Check(t.Context(), mod, godown.Checking{Repair: true})
	if _, denied := errors.AsType[*godown.Denied](found.RepairErr); found.Verdict != godown.Bad || found.Repaired || !denied || r.Stats().Fetches > 0 || len(r.aside(t)) != 1 {
		t.Errorf("%+v, %d fetches, set aside are %q", found, r.Stats().Fetches, r.aside(t))
	}
	wantFetch(t, r, mod, r.mods.Data(mod.Name()), godown.Miss) // somebody asks for it
}

// TestCompareLearnsNothing: a check makes no record of what it finds.
func TestCompareLearnsNothing(t *testing.T) {
	seen := openDir(t, t.TempDir())
	trust := &godown.Trust{FirstSeen: &godown.FirstSeen{Store: seen}}
	r := newRig(t, func(r *rig) { r.Verifier = trust })
	zip := hello(godown.Zip, "v1.0.0")
	mustFetch(t, r, zip)
	for r.Stats().Fetching > 0 {
		pass(1)
	}
	how := godown.Checking{Ask: true}
	if found := r.Check(t.Context(), zip, how); found.Verdict != godown.Good {
		t.Errorf("what was seen: %+v", found)
	}
	for e := range seen.List(t.Context(), "") {
		if err := seen.Delete(t.Context(), e.Name); err != nil {
			t.Fatal(err)
		}
	}
	if found := r.Check(t.Context(), zip, how); found.Verdict != godown.Unproven || found.Known != "" {
		t.Errorf("what was never seen: %+v", found)
	}
	for e := range seen.List(t.Context(), "") {
		t.Errorf("the check has learnt %s", e.Name)
	}
}

// TestCheckIn: in another store nothing is changed.
func TestCheckIn(t *testing.T) {
	r, _ := newRecorded(t)
	mod := hello(godown.Mod, "v1.0.0")
	spoil(godown.Mod, func([]byte) []byte { return []byte("module example.com/evil\n") })(t, r, nil)
	found := r.CheckIn(t.Context(), r.Store, mod, godown.Checking{Ask: true, Repair: true})
	if found.Verdict != godown.Bad || found.Repaired || len(r.aside(t)) > 0 || r.Stats().Rotten != 0 {
		t.Errorf("%+v, set aside are %q", found, r.aside(t))
	}
}

// TestCheckEnds: a check ends with its context, and says nothing of the file.
func TestCheckEnds(t *testing.T) {
	r, _ := newRecorded(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
		if found := r.Check(ctx, hello(kind, "v1.0.0"), godown.Checking{Ask: true, Repair: true}); found.Verdict != "" || !errors.Is(found.Err, context.Canceled) {
			t.Errorf("%+v", found)
		}
	}
	if len(r.alarms.list) > 0 {
		t.Errorf("%v", r.alarms.list)
	}
}

// A wrongFirst gives the content of a file wrongly the first few times.
type wrongFirst struct {
	*godown.Dir
	wrong int64
	times atomic.Int64
}

func (s *wrongFirst) Open(ctx context.Context, name string) (*godown.File, error) {
	if strings.HasSuffix(name, ".mod") && s.times.Add(1) <= s.wrong {
		return godown.NewFile([]byte("module example.com/evil\n")), nil
	}
	return s.Dir.Open(ctx, name)
}

// TestCheckLooksTwice: what was read wrongly for once is not set aside, nor what
// somebody has replaced meanwhile.
func TestCheckLooksTwice(t *testing.T) {
	r, _ := newRecorded(t)
	dir := r.Store.(*godown.Dir)
	for _, tt := range []struct {
		wrong  int64
		repair bool
	}{{1, false}, {1, true}, {2, true}} {
		r.Store = &wrongFirst{Dir: dir, wrong: tt.wrong}
		if found := r.Check(t.Context(), hello(godown.Mod, "v1.0.0"), godown.Checking{Repair: tt.repair}); found.Verdict != godown.Good || len(r.aside(t)) > 0 {
			t.Errorf("%+v", found)
		}
	}
}

// TestCheckBacksOff: a database that cannot be reached is left alone for a while.
func TestCheckBacksOff(t *testing.T) {
	r, v := newRecorded(t)
	v.unknown, v.away = true, true
	for range 3 {
		found := r.Check(t.Context(), hello(godown.Mod, "v1.0.0"), godown.Checking{Ask: true})
		if found.Verdict != godown.Unproven {
			t.Errorf("%+v", found)
		}
	}
	if n := v.asked.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	synctest.Test(t, func(t *testing.T) {
		r, v := newRecorded(t)
		defer r.Close(t.Context())
		v.unknown, v.away = true, true
		for range 2 {
			r.Check(t.Context(), hello(godown.Mod, "v1.0.0"), godown.Checking{Ask: true})
			pass(time.Minute)
		}
		if n := v.asked.Load(); n != 2 {
			t.Errorf("in two minutes it was asked %d times", n)
		}
	})
}
