package sumlog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/module"
)

const someModules = `
-- example.com/hello@v1.0.0/go.mod --
module example.com/hello
-- example.com/hello@v1.0.0/hello.go --
package hello
-- example.com/Other@v0.3.0/go.mod --
module example.com/Other
`

// keep returns a Keeper of a new log above next, whose log takes records from mods.
func keep(t *testing.T, mods *godowntest.Modules, next godown.Verifier, own bool) *sumlog.Keeper {
	k := newKeys(t, dbName)
	dir := openDir(t, t.TempDir())
	if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
		t.Fatal(err)
	}
	o := options(dir, k)
	o.Origin = func(_ context.Context, m module.Version) ([]byte, error) {
		s, ok := mods.Sums(m.Path, m.Version)
		if !ok {
			return nil, &godown.NotFound{}
		}
		return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, s.Zip, m.Path, m.Version, s.Mod), nil
	}
	return &sumlog.Keeper{Log: openLog(t, o), Next: next, Own: func(string) bool { return own }}
}

func TestKeeperContract(t *testing.T) {
	mods := godowntest.NewModules(t, someModules)
	firstSeen := &godown.FirstSeen{Store: openDir(t, t.TempDir())}
	godowntest.TestVerifier(t, keep(t, mods, firstSeen, true), mods, false)
}

// says is a Verifier that always says the same.
type says struct{ err error }

func (s says) Verify(context.Context, godown.Request, string) error { return s.err }
func (s says) Recall(context.Context, godown.Request) string        { return "" }

func TestKeeper(t *testing.T) {
	mods := godowntest.NewModules(t, someModules)
	sums, _ := mods.Sums("example.com/hello", "v1.0.0")
	hello := module.Version{Path: "example.com/hello", Version: "v1.0.0"}
	zip := godown.Request{Kind: godown.Zip, Path: hello.Path, Version: hello.Version}
	unreachable := &godown.Unverified{Request: zip, By: "test", Err: errors.New("no answer")}
	absent := &godown.Unverified{Request: zip, By: "test", Absent: true, Err: errors.New("no record")}
	mismatch := &godown.Mismatch{Request: zip, Reason: "test"}
	for name, test := range map[string]struct {
		own, recorded bool
		next          error
		h1            string
		want          error
	}{
		"unknown, public":             {false, false, nil, sums.Zip, nil},
		"unknown, next is away":       {false, false, unreachable, sums.Zip, unreachable},
		"known, public":               {false, true, nil, sums.Zip, nil},
		"known, next is away":         {false, true, unreachable, sums.Zip, nil},
		"known, next has none":        {false, true, absent, sums.Zip, absent},
		"known, next contradicts":     {false, true, mismatch, sums.Zip, mismatch},
		"known, private":              {true, true, mismatch, sums.Zip, nil},
		"known, wrong":                {false, true, nil, sums.Mod, mismatch},
		"known, wrong, private":       {true, true, nil, sums.Mod, mismatch},
		"unknown, next says it's bad": {true, false, mismatch, sums.Zip, mismatch},
	} {
		t.Run(name, func(t *testing.T) {
			k := keep(t, mods, says{test.next}, test.own)
			var alarms []string
			k.Log.Alarm = func(a godown.Alarm) { alarms = append(alarms, a.Kind+" "+a.Err.Error()) }
			if test.recorded {
				if _, _, err := k.Log.Lookup(t.Context(), hello); err != nil {
					t.Fatal(err)
				}
			}
			err := k.Verify(t.Context(), zip, test.h1)
			if fmt.Sprintf("%T", err) != fmt.Sprintf("%T", test.want) {
				t.Errorf("Verify = %v, want %v", err, test.want)
			}
			if got := k.Recall(t.Context(), zip); test.recorded != (got == sums.Zip) {
				t.Errorf("Recall = %q", got)
			}
			// What is stored as the log has it is good, whatever another says.
			disagree := name == "known, next contradicts"
			want := test.want
			if disagree {
				want = nil
			}
			for range 2 {
				if err := k.Compare(t.Context(), zip, test.h1, true); fmt.Sprintf("%T", err) != fmt.Sprintf("%T", want) {
					t.Errorf("Compare = %v, want %v", err, want)
				}
			}
			if disagree != (len(alarms) == 1 && strings.HasPrefix(alarms[0], "mismatch our checksum database "+k.Log.Name+" and another disagree")) || len(alarms) > 1 {
				t.Errorf("alarms: %q", alarms)
			}
		})
	}
}

// TestKeeperNotes has what was verified entered into the log, without anybody asking for it.
func TestKeeperNotes(t *testing.T) {
	mods := godowntest.NewModules(t, someModules)
	hello := module.Version{Path: "example.com/hello", Version: "v1.0.0"}
	for _, test := range []struct {
		kind  godown.Kind
		own   bool
		enter bool
	}{
		{godown.Zip, true, true}, {godown.Mod, true, false}, {godown.Mod, false, true},
	} {
		k := keep(t, mods, says{}, test.own)
		if err := k.Verify(t.Context(), godown.Request{Kind: test.kind, Path: hello.Path, Version: hello.Version}, "h1:x"); err != nil {
			t.Fatal(err)
		}
		for status := (sumlog.Status{Waiting: 1}); status.Waiting > 0; {
			var err error
			if status, err = k.Log.Status(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		k.Log.Close(t.Context())
		if s, err := k.Log.Status(t.Context(), 1); err != nil || s.Size > 0 != test.enter {
			t.Errorf("after a verified %v (own: %v) the log has %d records, %v", test.kind, test.own, s.Size, err)
		}
	}
}

// TestKeeperMod holds a .mod to its own line of the record, and not to the zip's.
func TestKeeperMod(t *testing.T) {
	mods := godowntest.NewModules(t, someModules)
	sums, _ := mods.Sums("example.com/hello", "v1.0.0")
	mod := godown.Request{Kind: godown.Mod, Path: "example.com/hello", Version: "v1.0.0"}
	k := keep(t, mods, says{}, true)
	if _, _, err := k.Log.Lookup(t.Context(), module.Version{Path: mod.Path, Version: mod.Version}); err != nil {
		t.Fatal(err)
	}
	if err := k.Verify(t.Context(), mod, sums.Mod); err != nil {
		t.Errorf("the right hash: %v", err)
	}
	if _, ok := errors.AsType[*godown.Mismatch](k.Verify(t.Context(), mod, sums.Zip)); !ok {
		t.Error("the zip's hash was taken for the .mod's")
	}
	if got := k.Recall(t.Context(), mod); got != sums.Mod {
		t.Errorf("Recall = %q, want %q", got, sums.Mod)
	}
}

// TestBadRecords has Origin give what is no record: it does not come into the log.
func TestBadRecords(t *testing.T) {
	const h1 = " h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	for name, text := range map[string]string{
		"nothing":         "",
		"no go.mod line":  "example.com/m v1.0.0" + h1,
		"no zip line":     "example.com/m v1.0.0/go.mod" + h1,
		"another module":  "example.com/n v1.0.0" + h1 + "example.com/n v1.0.0/go.mod" + h1,
		"another version": "example.com/m v1.0.0" + h1 + "example.com/m v1.0.1/go.mod" + h1,
		"more":            "example.com/m v1.0.0" + h1 + "example.com/m v1.0.0/go.mod" + h1 + "x\n",
		"a short hash":    "example.com/m v1.0.0 h1:47DE\nexample.com/m v1.0.0/go.mod" + h1,
		"an empty line":   "example.com/m v1.0.0" + h1 + "\nexample.com/m v1.0.0/go.mod" + h1,
	} {
		k := newKeys(t, dbName)
		dir := openDir(t, t.TempDir())
		if err := sumlog.Create(t.Context(), dir, dbName, k.signer); err != nil {
			t.Fatal(err)
		}
		o := options(dir, k)
		o.Origin = func(context.Context, module.Version) ([]byte, error) { return []byte(text), nil }
		l := openLog(t, o)
		if _, _, err := l.Lookup(t.Context(), module.Version{Path: "example.com/m", Version: "v1.0.0"}); err == nil {
			t.Errorf("%s: it was taken", name)
		}
		if n, _ := l.Size(); n != 0 {
			t.Errorf("%s: the log has %d records", name, n)
		}
	}
}
