package audit_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown/internal/sumlog/audit"
)

// changing damages a file from the second time on that it is read.
type changing struct {
	files files
	name  string
	n     atomic.Int64
}

func (c *changing) get(ctx context.Context, name string) ([]byte, error) {
	b, err := c.files.get(ctx, name)
	if name == c.name && c.n.Add(1) > 1 {
		b = flip(3)(b)
	}
	return b, err
}

// TestMalformed has a log record what no record should be.
func TestMalformed(t *testing.T) {
	good := text(1)
	lines := strings.SplitAfter(good, "\n")
	zip := strings.Fields(lines[0])[2]
	for what, bad := range map[string]string{
		"":                        good,
		"one line":                lines[0],
		"three lines":             good + lines[0],
		"first line twice":        lines[0] + lines[0],
		"wrong order":             lines[1] + lines[0],
		"no newline":              strings.TrimSuffix(good, "\n"),
		"empty":                   "",
		"only a newline":          "\n",
		"control character":       strings.Replace(good, "example", "ex\x01mple", 2),
		"not UTF-8":               strings.Replace(good, "example", "ex\xffmple", 2),
		"carriage return":         strings.Replace(good, "\n", "\r\n", 2),
		"two blanks":              strings.Replace(good, " h1", "  h1", 1),
		"a blank at the end":      strings.Replace(good, "\n", " \n", 1),
		"a tab":                   strings.Replace(good, " ", "\t", 1),
		"no path":                 strings.ReplaceAll(good, "example.com/Module1 ", " "),
		"a relative path":         strings.ReplaceAll(good, "example.com/Module1", "../x"),
		"a path without a dot":    strings.ReplaceAll(good, "example.com/Module1", "example/x"),
		"an escaped path":         strings.ReplaceAll(good, "example.com/Module1", "example.com/!module1"),
		"two paths":               strings.Replace(good, "Module1", "Module2", 1),
		"two versions":            strings.Replace(good, "v1.1.0", "v1.1.1", 1),
		"a version of another v":  strings.ReplaceAll(good, "v1.1.0", "v2.1.0"),
		"a short version":         strings.ReplaceAll(good, "v1.1.0", "v1.1"),
		"a branch":                strings.ReplaceAll(good, "v1.1.0", "master"),
		"build metadata":          strings.ReplaceAll(good, "v1.1.0", "v1.1.0+meta"),
		"no v":                    strings.ReplaceAll(good, "v1.1.0", "1.1.0"),
		"another hash":            strings.Replace(good, "h1:", "h2:", 1),
		"no hash":                 strings.Replace(good, zip, "", 1),
		"a short hash":            strings.Replace(good, zip, zip[:len(zip)-2]+"=", 1),
		"a hash of 31 bytes":      strings.Replace(good, zip, zip[:len(zip)-3]+"A==", 1),
		"a hash of 33 bytes":      strings.Replace(good, zip, zip[:len(zip)-1]+"A", 1),
		"a hash in other base64":  strings.Replace(good, zip, "h1:"+strings.Repeat("_", 43)+"=", 1),
		"a hash with loose bits":  strings.Replace(good, zip, "h1:"+strings.Repeat("A", 42)+"B=", 1),
		"a hash without padding":  strings.Replace(good, zip, strings.TrimSuffix(zip, "="), 1),
		"a hash that is too long": strings.Replace(good, zip, zip+"AAAA", 1),
	} {
		log, k := new(tree), newKey(t, name)
		log.grow(t, text(0), bad, text(2))
		for format, f := range formats {
			if _, err := tlog.FormatRecord(1, []byte(bad)); err != nil && f == audit.GoFormat && what != "control character" && what != "not UTF-8" && what != "carriage return" {
				continue // the format could not hold it
			}
			a := newAuditor(k, log.write(t, k, 3), f)
			passed := 0
			a.Record = func(r audit.Record) error {
				if passed++; r.ID == 1 && ((r.Path == "") != (what != "") || string(r.Text) != bad) {
					t.Errorf("%s: %+v is passed on", what, r)
				}
				return nil
			}
			r := run(t, a, audit.Seen{})
			if what == "" {
				found(t, r, nil)
				continue
			}
			if !r.Complete || passed != 3 || len(r.Findings) != 1 || r.Findings[0].Record != 1 || r.Findings[0].Kind != audit.KindMalformed || r.Seen.Size != 3 {
				t.Errorf("%s, %s: %d passed on, %+v", what, format, passed, r)
			}
		}
	}
}

// TestDuplicate has a log record versions twice.
func TestDuplicate(t *testing.T) {
	log, k := new(tree), newKey(t, name)
	log.grow(t, texts(400)...)
	log.grow(t, text(7), textOf("example.com/Module0", "v1.0.0"), text(7), "malformed\n", "malformed\n")
	forged := strings.Replace(text(8), "h1:", "h1:AAAA", 1) // with another hash
	forged = strings.Replace(forged, forged[strings.Index(forged, "AAAA")+40:strings.Index(forged, "=\n")], "AAA", 1)
	log.grow(t, forged)
	for format, f := range formats {
		r := run(t, newAuditor(k, log.write(t, k, 406), f), audit.Seen{})
		found(t, r, counts{audit.KindDuplicate: 4, audit.KindMalformed: 2})
		seen := map[int64]string{400: "record 7 is of the same module version, example.com/Module0 v1.7.0", 402: "record 7 ", 401: "record 0 ", 405: "record 8 "}
		for _, d := range r.Findings {
			if d.Kind == audit.KindDuplicate && (seen[d.Record] == "" || !strings.HasPrefix(d.What, seen[d.Record])) {
				t.Errorf("%s: %+v", format, d)
			}
			delete(seen, d.Record)
		}
		if len(seen) > 0 || !r.Complete || r.Seen.Size != 406 {
			t.Errorf("%s: %v of %+v", format, seen, r)
		}
	}
}

// TestLookups asks for records as a client does.
func TestLookups(t *testing.T) {
	log, k, good := newLog(t, 300)
	good.answer(t, 300)
	forked := new(tree)
	forked.grow(t, texts(299)...)
	forked.grow(t, text(1000), text(1001))
	longer := new(tree)
	longer.grow(t, texts(310)...)
	put := func(b []byte) func(files) {
		return func(f files) { f[lookupName(200)] = b }
	}
	for what, test := range map[string]struct {
		lie  func(files)
		want counts
	}{
		"none":           {func(files) {}, nil},
		"absent":         {func(f files) { delete(f, lookupName(200)) }, counts{audit.KindLookup: 1}},
		"another record": {put(good[lookupName(201)]), counts{audit.KindLookup: 1}},
		"another number": {put(lookup(t, 201, text(200), good["latest"])), counts{audit.KindLookup: 1}},
		"another text":   {put(lookup(t, 200, text(201), good["latest"])), counts{audit.KindLookup: 1}},
		"empty":          {put(nil), counts{audit.KindLookup: 1}},
		"huge":           {put(make([]byte, 1<<21)), counts{audit.KindLookup: 1}},
		"unsigned":       {put(lookup(t, 200, text(200), nil)), counts{audit.KindLookup: 1}},
		"another's key":  {put(lookup(t, 200, text(200), newKey(t, name).sign(t, log.head(t, 300))["latest"])), counts{audit.KindLookup: 1}},
		"a checkpoint":   {put(lookup(t, 200, text(200), good["checkpoint"])), counts{audit.KindLookup: 1}},
		"older head":     {put(lookup(t, 200, text(200), k.sign(t, log.head(t, 201))["latest"])), nil},
		"too old a head": {put(lookup(t, 200, text(200), k.sign(t, log.head(t, 200))["latest"])), counts{audit.KindLookup: 1}},
		"newer head": {func(f files) {
			maps.Copy(f, longer.write(t, k, 310))
			f["latest"] = good["latest"]
			maps.Copy(f, log.write(t, k, 300))
			put(lookup(t, 200, text(200), k.sign(t, longer.head(t, 310))["latest"]))(f)
		}, nil},
		"newer, no tiles":   {put(lookup(t, 200, text(200), k.sign(t, longer.head(t, 310))["latest"])), counts{audit.KindLookup: 1}},
		"another history":   {put(lookup(t, 200, text(200), k.sign(t, forked.head(t, 300))["latest"])), counts{audit.KindFork: 1}},
		"another, no tiles": {put(lookup(t, 200, text(200), k.sign(t, forked.head(t, 301))["latest"])), counts{audit.KindLookup: 1}},
	} {
		f := maps.Clone(good)
		test.lie(f)
		a := newAuditor(k, f, audit.GoFormat)
		a.Lookups = 1000 // all there are
		r, err := a.Run(t.Context(), audit.Seen{})
		if fork, ok := errors.AsType[*audit.Fork](err); ok != (test.want[audit.KindFork] > 0) || err != nil && !ok {
			t.Errorf("%s: %v", what, err)
		} else if ok {
			checkFork(t, fork, k)
		} else if r.Lookups != 300 || !r.Complete {
			t.Errorf("%s: %+v", what, r)
		}
		t.Log(what)
		found(t, r, test.want)
		for _, f := range r.Findings {
			if f.Kind == audit.KindLookup && (f.Record != 200 || f.Name != lookupName(200)) {
				t.Errorf("%s: %+v", what, f)
			}
		}
	}
	// A sample is as large as was asked for, and not always the same.
	asked := make(map[string]bool)
	for range 30 {
		a := newAuditor(k, nil, audit.GoFormat)
		a.Lookups, a.Jobs = 5, 1
		a.Get = func(ctx context.Context, name string) ([]byte, error) {
			asked[name] = true
			return good.get(ctx, name)
		}
		if r := run(t, a, audit.Seen{}); !r.OK() || r.Lookups != 5 {
			t.Errorf("%+v", r)
		}
	}
	n := 0
	for name := range asked {
		if strings.HasPrefix(name, "lookup/") {
			n++
		}
	}
	if n < 50 { // of 300, with 150 lookups
		t.Errorf("%d records are ever asked for", n)
	}
}

// TestNames checks whose signature counts, and where a checkpoint is from.
func TestNames(t *testing.T) {
	log, k, good := newLog(t, 3)
	witness := newKey(t, "witness.test")
	signed := func(text string, by ...key) []byte {
		signers := []note.Signer{}
		for _, k := range by {
			signers = append(signers, k.Signer)
		}
		b, err := note.Sign(&note.Note{Text: text}, signers...)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	root := log.head(t, 3).Hash.String()
	point := name + "\n3\n" + root + "\n"
	for what, test := range map[string]struct {
		head []byte
		ok   bool
	}{
		"both":             {signed(point, k, witness), true},
		"a stranger too":   {signed(point, k, newKey(t, "stranger.test")), true},
		"extensions":       {signed(point+"ext 1\next 2\n", k), true},
		"a long one":       {signed(point+strings.Repeat("x", 1<<19)+"\n", k), true},
		"too long a one":   {signed(point+strings.Repeat("x", 1<<20)+"\n", k), false},
		"only the witness": {signed(point, witness), false},
		"another origin":   {signed("x"+point, k), false},
		"an empty line":    {signed(point+"\next\n", k), false},
		"no origin":        {signed("\n3\n"+root+"\n", k), false},
		"a zero":           {signed(name+"\n03\n"+root+"\n", k), false},
		"a sign":           {signed(name+"\n+3\n"+root+"\n", k), false},
		"less than none":   {signed(name+"\n-3\n"+root+"\n", k), false},
		"no number":        {signed(name+"\nx\n"+root+"\n", k), false},
		"a short hash":     {signed(name+"\n3\n"+root[:40]+"\n", k), false},
		"loose bits":       {signed(name+"\n3\n"+root[:42]+string(root[42]+1)+"=\n", k), false},
		"no hash":          {signed(name+"\n3\n", k), false},
		"an empty tree":    {signed(name+"\n0\n"+root+"\n", k), false},
	} {
		f := maps.Clone(good)
		f["checkpoint"] = test.head
		a := newAuditor(k, f, audit.TilesFormat)
		a.Verifiers = note.VerifierList(k.Verifier, witness.Verifier)
		if r := run(t, a, audit.Seen{}); r.OK() != test.ok || !test.ok && r.Counts[audit.KindHead] != 1 {
			t.Errorf("%s: %+v", what, r)
		}
	}
	good["checkpoint"] = signed("elsewhere\n3\n"+root+"\n", k)
	a := newAuditor(k, good, audit.TilesFormat)
	a.Origin = "elsewhere"
	if r := run(t, a, audit.Seen{}); !r.OK() {
		t.Errorf("%+v", r)
	}
}
