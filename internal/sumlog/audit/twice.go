package audit

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
)

// A twice finds module versions that have several records, with 16 bytes and
// a little more for each record.
type twice struct {
	seeds  [2]maphash.Seed // of this audit only, so that nobody can choose what collides
	chests [256][]mark     // by the first byte of mark.hi: they grow one by one
	begun  bool
}

// A mark is a module version's fingerprint of 88 bits and its record's number
// of 40. Of 10 million versions two have the same by chance once in 10^12 logs.
type mark struct{ hi, lo uint64 }

func (t *twice) add(r Record) {
	if !t.begun {
		t.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
		t.begun = true
	}
	key := r.Path + "@" + r.Version
	m := mark{maphash.String(t.seeds[0], key), maphash.String(t.seeds[1], key)<<40 | uint64(r.ID)}
	c := &t.chests[m.hi>>56]
	*c = append(*c, m)
}

// findTwice looks for records of the same module version.
func (r *run) findTwice(ctx context.Context) error {
	const number = maxSize - 1
	for i := range r.twice.chests {
		c := r.twice.chests[i]
		r.twice.chests[i] = nil
		if err := ctx.Err(); err != nil {
			return err
		}
		slices.SortFunc(c, func(a, b mark) int { return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo)) })
		first := 0
		for i, m := range c {
			if m.hi != c[first].hi || m.lo&^number != c[first].lo&^number {
				first = i
			}
			if i == first {
				continue
			}
			id, before := int64(m.lo&number), int64(c[first].lo&number)
			what := fmt.Sprintf("record %d is of the same module version", before)
			if len(r.report.Findings) < maxFindings {
				version, err := r.versionOf(ctx, id)
				if err != nil {
					return err
				}
				what += version
			}
			r.find(Finding{Kind: KindDuplicate, Record: id, What: what})
		}
	}
	return nil
}

// versionOf reads a record again, to tell people which it is.
func (r *run) versionOf(ctx context.Context, id int64) (string, error) {
	t := tileAt(0, id>>height, r.head.Size)
	t.L = data
	p := r.load(ctx, t)
	if i := int(id & (width - 1)); i < len(p.records) && p.wrong[i] == nil {
		return fmt.Sprintf(", %s %s", p.records[i].Path, p.records[i].Version), p.err
	}
	return "", p.err
}
