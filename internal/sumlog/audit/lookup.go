package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// A sample is some of all records, each as likely as any other.
type sample struct {
	list []Record
	of   int64
}

func (s *sample) add(r Record, size int) {
	s.of++
	at := len(s.list)
	if at >= size {
		if at = int(rand.Int64N(s.of)); at >= size {
			return
		}
	} else {
		s.list = append(s.list, Record{})
	}
	r.Text = bytes.Clone(r.Text) // or all of its file would be kept
	s.list[at] = r
}

// lookups asks for the records of the sample as a client does.
func (r *run) lookups(ctx context.Context) error {
	slices.SortFunc(r.sample.list, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })
	type answer struct {
		name string
		head Head
		what string // what is wrong
		err  error
	}
	ask := func(ctx context.Context, rec Record) (ans answer) {
		path, err1 := module.EscapePath(rec.Path)
		version, err2 := module.EscapeVersion(rec.Version)
		if ans.err = errors.Join(err1, err2); ans.err != nil {
			return ans
		}
		ans.name = "lookup/" + path + "@" + version
		b, err := r.Get(ctx, ans.name)
		if errors.Is(err, fs.ErrNotExist) {
			ans.what = "a lookup does not find the record"
		} else if err != nil {
			ans.err = fmt.Errorf("reading %s: %w", ans.name, err)
		} else if ans.head, err = r.checkLookup(rec, b); err != nil {
			ans.what = err.Error()
		}
		return ans
	}
	heads := map[tlog.Tree]bool{r.head.tree(): true}
	return ordered(ctx, r.Jobs, slices.Values(r.sample.list), ask, func(rec Record, ans answer) error {
		if ans.err != nil {
			return ans.err
		}
		r.report.Lookups++
		if ans.what == "" && !heads[ans.head.tree()] {
			heads[ans.head.tree()] = true
			older, newer := r.head, ans.head
			if older.Size > newer.Size {
				older, newer = newer, older
			}
			err := r.continues(ctx, older, newer)
			if err != nil && !errors.Is(err, errUnproven) {
				return err
			}
			if err != nil {
				ans.what = fmt.Sprintf("the answer's head of %d records may not be of this log: %v", ans.head.Size, err)
			}
		}
		if ans.what != "" {
			r.find(Finding{Kind: KindLookup, Name: ans.name, Record: rec.ID, What: ans.what})
		}
		return nil
	})
}

// checkLookup checks an answer, except for the proof that its head is of this log.
func (a *Auditor) checkLookup(rec Record, b []byte) (Head, error) {
	if len(b) > maxRecord+maxHead {
		return Head{}, fmt.Errorf("the answer has %d bytes; at most %d are read", len(b), maxRecord+maxHead)
	}
	id, text, signed, err := tlog.ParseRecord(b)
	if err != nil {
		return Head{}, fmt.Errorf("the answer %q is not a record: %w", clip(string(b), 200), err)
	}
	if id != rec.ID || !bytes.Equal(text, rec.Text) {
		return Head{}, fmt.Errorf("the answer is record %d: %q", id, clip(string(text), 200))
	}
	head, err := a.open(signed, tlog.ParseTree)
	if err != nil {
		return Head{}, fmt.Errorf("the answer: %w", err)
	}
	if head.Size <= id {
		return Head{}, fmt.Errorf("the answer's head of %d records does not have record %d", head.Size, id)
	}
	return head, nil
}
