package audit_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/godown-dev/godown/internal/sumlog/audit"
)

// FuzzLog changes a file of a log: not a bit can be changed unnoticed.
func FuzzLog(f *testing.F) {
	_, k, log := newLog(f, 300)
	signed := files{"latest": log["latest"], "checkpoint": log["checkpoint"]}
	maps.DeleteFunc(log, func(name string, _ []byte) bool { return name == "latest" || name == "checkpoint" })
	names := slices.Sorted(maps.Keys(log))
	for i := range names {
		f.Add(uint(i), 100, 1, []byte("x"))
		f.Add(uint(i), 0, 1<<20, []byte{})
		f.Add(uint(i), 5, 0, []byte("0123456789"))
	}
	f.Fuzz(func(t *testing.T, file uint, at, cut int, put []byte) {
		l := maps.Clone(log)
		maps.Copy(l, signed)
		name := names[file%uint(len(names))]
		b := l[name]
		at = max(0, min(at, len(b)))
		cut = max(0, min(cut, len(b)-at))
		l[name] = slices.Concat(b[:at], put, b[at+cut:])
		for format, af := range formats {
			ours := strings.HasPrefix(name, "tile/8/") == (af == audit.GoFormat)
			r := run(t, newAuditor(k, l, af), audit.Seen{})
			if changed := ours && !bytes.Equal(b, l[name]); r.OK() == changed || !r.Complete {
				t.Errorf("%s: %s, %q for %d bytes from %d on: %+v", format, name, put, cut, at, r)
			}
		}
	})
}

// FuzzHead gives any head to an audit, and signs its text.
func FuzzHead(f *testing.F) {
	_, k, log := newLog(f, 3)
	for _, head := range [][]byte{log["latest"], log["checkpoint"]} {
		f.Add(head)
		f.Add(head[:bytes.Index(head, []byte("\n\n"))+1])
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		for _, format := range formats {
			l := maps.Clone(log)
			l["latest"], l["checkpoint"] = head, head
			if r := run(t, newAuditor(k, l, format), audit.Seen{}); r.OK() && !bytes.Contains(head, log["latest"][:60]) && !bytes.Contains(head, log["checkpoint"][:40]) {
				t.Errorf("%q is a head: %+v", head, r)
			}
			signed, err := note.Sign(&note.Note{Text: string(head)}, k.Signer)
			if err != nil {
				continue
			}
			l["latest"], l["checkpoint"] = signed, signed
			run(t, newAuditor(k, l, format), audit.Seen{})
		}
	})
}

// FuzzLookup gives any answer to a lookup.
func FuzzLookup(f *testing.F) {
	_, k, log := newLog(f, 3)
	log.answer(f, 3)
	f.Add(log[lookupName(1)])
	f.Add(log[lookupName(2)])
	f.Fuzz(func(t *testing.T, answer []byte) {
		l := maps.Clone(log)
		l[lookupName(1)] = answer
		a := newAuditor(k, l, audit.GoFormat)
		a.Lookups = 3
		if r := run(t, a, audit.Seen{}); r.OK() && !bytes.HasPrefix(answer, log[lookupName(1)][:len(text(1))+3]) {
			t.Errorf("%q is an answer", answer)
		}
	})
}

// BenchmarkAudit audits a log that is at hand at once.
func BenchmarkAudit(b *testing.B) {
	const n = 100_000
	t, k := new(tree), newKey(b, name)
	t.grow(b, texts(n)...)
	log := t.write(b, k, n)
	for format, f := range formats {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := run(b, newAuditor(k, log, f), audit.Seen{}); !r.OK() || r.Records != n {
					b.Fatalf("%+v", r)
				}
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "records/s")
		})
	}
}
