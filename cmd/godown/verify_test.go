package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/godown-dev/godown"
)

const (
	sumA = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	sumB = "h1:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA="
	sumC = "h1:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA="
)

func TestParseSums(t *testing.T) {
	text := "example.com/a v1.0.0 " + sumA + "\r\n" +
		"example.com/a v1.0.0/go.mod " + sumB + "\n\n" +
		"example.com/a v1.0.0 " + sumA + "\n" + // the same again
		"example.com/a v1.0.0 " + sumC + "\n" + // and another
		"example.com/Old v2.0.0+incompatible/go.mod " + emptyModSum + "\n" +
		"example.com/b v0.0.0-20200102030405-0123456789ab " + sumB
	sums := make(goSums)
	if err := sums.parse(strings.NewReader(text), "go.sum"); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(sums)
	want := fmt.Sprint(goSums{
		{Kind: godown.Zip, Path: "example.com/a", Version: "v1.0.0"}:                             {{sumA, "go.sum:1"}, {sumC, "go.sum:5"}},
		{Kind: godown.Mod, Path: "example.com/a", Version: "v1.0.0"}:                             {{sumB, "go.sum:2"}},
		{Kind: godown.Zip, Path: "example.com/b", Version: "v0.0.0-20200102030405-0123456789ab"}: {{sumB, "go.sum:7"}},
	})
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestParseSumsErrors(t *testing.T) {
	for line, want := range map[string]string{
		"example.com/a v1.0.0":                          `go.sum:2: "example.com/a v1.0.0" has 2 words`,
		"example.com/a v1.0.0 " + sumA + " x":           "has 4 words",
		"# no comments":                                 "is no sum",
		"example.com/a v1.0.0 h2:AAAA":                  `"h2:AAAA" is no sum`,
		"example.com/a v1.0.0 h1:AAAA":                  `"h1:AAAA" is no sum`,
		"example.com/a v1.0.0 " + sumA[:45] + "B=":      "is no sum", // bits behind the end
		"example.com/a v1 " + sumA:                      `"v1" is no whole version`,
		"example.com/a v2.0.0 " + sumA:                  "v2.0.0",
		"example.com/a/../b v1.0.0 " + sumA:             "malformed module path",
		"example.com/a v1.0.0/go.sum " + sumA:           "is no whole version",
		strings.Repeat("x", maxSumLine):                 "go.sum:2: a line of more than 4096 bytes",
		strings.Repeat("x\n", 2*maxSumProblems) + "y z": "and there are more such lines",
	} {
		err := make(goSums).parse(strings.NewReader("example.com/a v1.0.0 "+sumA+"\n"+line+"\n"), "go.sum")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "go.sum:2: ") {
			t.Errorf("%.60q: %v, want %q", line, err, want)
		}
	}
	broken := errors.New("bad sector")
	if err := make(goSums).parse(brokenReader{broken}, "go.sum"); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

type brokenReader struct{ err error }

func (r brokenReader) Read([]byte) (int, error) { return 0, r.err }

// FuzzParseSums: what is accepted names files that there can be, with hashes that can be.
func FuzzParseSums(f *testing.F) {
	f.Add("example.com/a v1.0.0 " + sumA + "\r\nexample.com/a v1.0.0/go.mod " + sumB + "\n")
	f.Add("a b c\n\n\x00")
	f.Fuzz(func(t *testing.T, text string) {
		sums := make(goSums)
		err := sums.parse(strings.NewReader(text), "go.sum")
		if err == nil && len(sums) > strings.Count(text, "\n")+1 {
			t.Errorf("%d files", len(sums))
		}
		for req, lines := range sums {
			back, err := godown.ParseRequest(req.Name())
			if err != nil || back != req || req.Kind != godown.Mod && req.Kind != godown.Zip {
				t.Errorf("%+v: %v", req, err)
			}
			for _, l := range lines {
				if len(l.H1) != 47 || !strings.Contains(text, l.H1) {
					t.Errorf("%q", l.H1)
				}
			}
		}
	})
}

// TestCompareThree tells apart who of store, go.sum and record stands alone.
func TestCompareThree(t *testing.T) {
	v := &verifying{record: func(context.Context, godown.Request) string { return "checksum database sum.test" }}
	req := godown.Request{Kind: godown.Zip, Path: "example.com/a", Version: "v1.0.0"}
	for _, tt := range []struct {
		stored, known, sum string
		why                string // empty: the go.sum is not to blame
	}{
		{sumA, sumA, sumA, ""},
		{sumB, sumA, sumA, ""}, // the store is bad, which has its own line
		{sumA, sumA, sumB, "checksum database sum.test has " + sumA + ", and so has the store: the go.sum is wrong"},
		{sumB, sumA, sumB, "and so has the store, but checksum database sum.test has " + sumA + ": both are wrong"},
		{sumB, sumA, sumC, "but checksum database sum.test has " + sumA + ": the go.sum is wrong"},
		{"", sumA, sumB, "but checksum database sum.test has " + sumA + ": the go.sum is wrong"},
		{"", sumA, sumA, ""},
		{"", "", sumA, ""},
		{sumA, "", sumA, ""},
		{sumA, "", sumB, "what is stored has " + sumA + ", and no record is at hand"},
	} {
		l, agrees := v.compare(t.Context(), req, godown.Finding{Request: req, H1: tt.stored}, tt.known, sumLine{tt.sum, "go.sum:7"})
		if agrees != (tt.why == "") || !agrees && (!strings.Contains(l.Reason, tt.why) || !strings.HasPrefix(l.Reason, "go.sum:7 has "+tt.sum) || l.Advice == "") {
			t.Errorf("store %.6s, record %.6s, go.sum %.6s: %v, %q", tt.stored, tt.known, tt.sum, agrees, l.Reason)
		}
	}
}

func TestVerifySummary(t *testing.T) {
	for _, tt := range []struct {
		end  verifyEnd
		want string
		bad  int
	}{
		{verifyEnd{}, "verified 0 files (0 bytes) in 0.0s: nothing is there", 0},
		{verifyEnd{Files: 1, Good: 1, Bytes: 5000, Seconds: 1.25}, "verified 1 file (5.0 kB) in 1.2s: 1 good", 0},
		{verifyEnd{Files: 6, Good: 1, Unproven: 2, Bad: 2, Repaired: 1, Unreadable: 1, Disagree: 1, NotStored: 3, Foreign: 4},
			"verified 6 files (0 bytes) in 0.0s: 1 good, 2 unproven, 2 bad (1 repaired), 1 unreadable, 1 not as a go.sum says, 3 not stored, 4 foreign", 3},
	} {
		if got := tt.end.String(); got != tt.want || tt.end.failures() != tt.bad {
			t.Errorf("got  %s, %d failures\nwant %s, %d", got, tt.end.failures(), tt.want, tt.bad)
		}
	}
}

// has is a Verifier with records of the files whose names end in suffix.
type has struct{ suffix string }

func (h has) Verify(context.Context, godown.Request, string) error { return nil }
func (h has) Recall(_ context.Context, req godown.Request) string {
	if h.suffix != "" && strings.HasSuffix(req.Name(), h.suffix) {
		return sumA
	}
	return ""
}

// sickSeen is a store of first seen hashes that cannot be read.
type sickSeen struct{ godown.Store }

func (sickSeen) Open(context.Context, string) (*godown.File, error) { return nil, syscall.EIO }

// TestDiscreet: who may have been private is not named unasked, also while nobody can tell.
func TestDiscreet(t *testing.T) {
	req := godown.Request{Kind: godown.Info, Path: "example.com/a", Version: "v1.0.0"}
	mod, none := req, godown.Unwritable(errors.New("there is none"))
	mod.Kind = godown.Mod
	seen, err := godown.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer seen.Close()
	if err := (&godown.FirstSeen{Store: seen}).Verify(t.Context(), mod, sumA); err != nil {
		t.Fatal(err)
	}
	shut := map[string]error{"seen": fs.ErrPermission}
	for name, tt := range map[string]struct {
		records, private string
		stores           stores
		may              bool
	}{
		"nothing is known":               {"", "", stores{seen: none, published: none}, true},
		"seen":                           {"", "", stores{seen: seen, published: none}, false},
		"seen, and private":              {"", "example.com", stores{seen: seen, published: none}, true},
		"seen, and a record of the zip":  {".zip", "", stores{seen: seen, published: none}, true},
		"seen cannot be read":            {"", "", stores{seen: sickSeen{none}, published: none}, false},
		"seen cannot be read, a record":  {".mod", "", stores{seen: sickSeen{none}, published: none}, true},
		"seen cannot be opened":          {"", "", stores{seen: none, published: none, shut: shut}, false},
		"the published cannot be listed": {"", "", stores{seen: none, published: illList{none}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			trust := &godown.Trust{Database: has{tt.records}, NoSumDB: tt.private, FirstSeen: &godown.FirstSeen{Store: tt.stores.seen}}
			d := newDiscreet(trust, trust, tt.stores, nil)
			zip := req
			zip.Kind = godown.Zip
			err := d.Compare(t.Context(), zip, sumA, true)
			if u, ok := errors.AsType[*godown.Unverified](err); !ok && !tt.may || ok && !u.Absent {
				t.Errorf("Compare = %v", err) // who takes it for a failure asks nobody for a while
			}
			err = d.MayName(t.Context(), req)
			if _, denied := errors.AsType[*godown.Denied](err); tt.may != (err == nil) || !tt.may && !denied {
				t.Errorf("%v", err)
			}
		})
	}
}

type illList struct{ godown.Store }

func (illList) List(context.Context, string) iter.Seq2[godown.Entry, error] {
	return func(yield func(godown.Entry, error) bool) { yield(godown.Entry{}, fs.ErrPermission) }
}

// TestShown: what a file is called does not reach a terminal as orders to it.
func TestShown(t *testing.T) {
	for name, want := range map[string]string{
		"/data/modules/exämple.com/a b": "/data/modules/exämple.com/a b",
		"a\x1b]0;x\a":                   `"a\x1b]0;x\a"`,
		"a\nbad: b":                     `"a\nbad: b"`,
		"a\u202eb":                      `"a\u202eb"`,
		"a\x9bb":                        `"a\x9bb"`,
	} {
		if got := shown(name); got != want {
			t.Errorf("%q is shown as %s, want %s", name, got, want)
		}
	}
}

// TestVerifySecurityError: a database that contradicts itself is no reason to pass.
func TestVerifySecurityError(t *testing.T) {
	var out strings.Builder
	v := &verifying{stdout: &out, record: func(context.Context, godown.Request) string { return "x" }}
	req := godown.Request{Kind: godown.Mod, Path: "example.com/a", Version: "v1.0.0"}
	v.tell(v.lineOf(t.Context(), &shelf{}, godown.Finding{Request: req, Verdict: godown.Unproven, Err: &godown.SecurityError{Database: "sum.test", Detail: "two heads"}}))
	if v.end.Error == "" || !strings.Contains(out.String(), "SECURITY ERROR") {
		t.Errorf("%q, %q", v.end.Error, out.String())
	}
}

// An illDir has a folder that cannot be listed, and a disk that does not give its .mod files.
type illDir struct{ *godown.Dir }

func (d illDir) ListAll(ctx context.Context) iter.Seq2[godown.Entry, error] {
	return func(yield func(godown.Entry, error) bool) {
		if !yield(godown.Entry{}, &fs.PathError{Op: "open", Path: "example.org", Err: fs.ErrPermission}) {
			return
		}
		d.Dir.ListAll(ctx)(yield)
	}
}

func (d illDir) Open(ctx context.Context, name string) (*godown.File, error) {
	f, err := d.Dir.Open(ctx, name)
	if err == nil && strings.HasSuffix(name, ".mod") {
		f.Body = illFile{f.Body}
	}
	return f, err
}

type illFile struct{ io.ReadCloser }

func (illFile) Read([]byte) (int, error) { return 0, syscall.EIO }

// TestVerifyIllDisk: what cannot be listed or read is told, and the rest is checked.
func TestVerifyIllDisk(t *testing.T) {
	dir, err := godown.OpenDir(filepath.Join(t.TempDir(), "modules"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for name, text := range map[string]string{
		"example.com/a/@v/v1.0.0.info": `{"Version":"v1.0.0"}`,
		"example.com/a/@v/v1.0.0.mod":  "module example.com/a\n",
		"example.com/a/@v/list":        "v1.0.0\n",
		"sumdb/sum.test/latest":        "x",
		"example.com/a/@v/v1.info":     "{}", // of a query: none of the store's
	} {
		if err := dir.Put(t.Context(), name, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	store := illDir{dir}
	run := func(v *verifying) string {
		var out strings.Builder
		v.stdout, v.shelves, v.repair = &out, []shelf{{store, "/data/modules", false}}, true
		v.record = func(context.Context, godown.Request) string { return "the record" }
		trust := &godown.Trust{FirstSeen: &godown.FirstSeen{Store: godown.Unwritable(errors.New("full"))}}
		v.cache = &godown.Cache{Store: store, Verifier: trust, Source: godown.SourceFunc(switchedOff)}
		v.recall = trust.Recall
		v.checkAll(t.Context())
		if err := v.cache.Close(t.Context()); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	v := new(verifying)
	text := run(v)
	if v.end.Good != 1 || v.end.Unreadable != 2 || v.end.Files != 2 || v.end.Foreign != 1 || v.end.failures() != 2 {
		t.Errorf("%+v", v.end)
	}
	for _, want := range []string{
		"unreadable: /data/modules: some files cannot be listed: open example.org: permission denied; look after the disk",
		"unreadable: example.com/a@v1.0.0 mod: input/output error; it is /data/modules/example.com/a/@v/v1.0.0.mod; whether it is bad is not known",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	v = &verifying{json: true, verbose: true}
	if text := run(v); strings.Count(text, "\n") != 4 || !strings.Contains(text, `{"verdict":"foreign","path":"/data/modules/example.com/a/@v/v1.info"`) {
		t.Errorf("as JSON:\n%s", text)
	}

	// It stops where its context does.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v = &verifying{stdout: io.Discard, shelves: v.shelves, cache: v.cache, record: v.record}
	v.checkAll(ctx)
	if v.end.Files != 0 || v.end.failures() != 0 {
		t.Errorf("stopped: %+v", v.end)
	}
}
