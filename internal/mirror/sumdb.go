package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

// A sumState is whether a mirror passes a checksum database on.
type sumState struct {
	supported bool
	until     time.Time    // when it is to be asked again
	asking    *sumQuestion // nil: nobody is asking
}

// A sumQuestion is somebody's asking for that, whose answer others wait for.
type sumQuestion struct {
	answered chan struct{} // closed when err is set
	err      error         // why there is no answer
}

// sumTTL is how long a mirror's word on that is taken.
const sumTTL = 5 * time.Minute

// Get returns a small file below the mirrors' roots, such as
// "sumdb/sum.golang.org/latest", from a mirror that passes the database on. For
// the file "supported" it asks until one does.
func (p *Pool) Get(ctx context.Context, name string) ([]byte, error) {
	db, path := splitSum(name)
	req := godown.Request{Path: moduleOf(path)}
	var without []*member
	for _, m := range p.members {
		if m.sumSupport(db) == sumNone {
			without = append(without, m)
		}
	}
	var asked lineup
	r, _, err := again(ctx, p, req, without, func(l lineup) (reply, *member, error) {
		asked = l
		return p.newContest(req, l, func(ctx context.Context, m *member) (reply, error) {
			defer m.release(false)
			return m.getSum(ctx, db, path)
		}).run(ctx)
	})
	if err != nil && ctx.Err() == nil && !p.mayPassOn(db, asked, err) {
		err = &godown.NotFound{Text: "not found: no mirror passes the checksum database " + db + " on", Unasked: true}
	}
	return r.data, err
}

// mayPassOn reports whether some mirror may pass db on when all in l have
// failed with err: one that did of late, or one that asked to be left alone. One
// that never did and is out of order says no more than those that do not.
func (p *Pool) mayPassOn(db string, l lineup, err error) bool {
	if _, ok := errors.AsType[*godown.Busy](err); ok || l.busy > 0 {
		return true
	}
	if absent, ok := errors.AsType[*godown.NotFound](err); ok && !absent.Unasked {
		return true // it is the record that does not exist
	}
	support := func(want int) func(*member) bool {
		return func(m *member) bool { return m.sumSupport(db) == want }
	}
	return slices.ContainsFunc(slices.Concat(l.order, l.last), support(sumPassed)) || !slices.ContainsFunc(p.members, support(sumNone))
}

// errNoSum says that a mirror does not pass a checksum database on: as if it
// could not be asked, which is no word on what the database has.
var errNoSum = errors.New("it does not pass the checksum database on")

// splitSum splits sumdb/NAME/FILE. A database's name may hold slashes; its files begin with one of few words.
func splitSum(name string) (db, path string) {
	rest := strings.TrimPrefix(name, "sumdb/")
	for _, begin := range []string{"/supported", "/latest", "/lookup/", "/tile/"} {
		if i := strings.Index(rest, begin); i >= 0 {
			return rest[:i], rest[i+1:]
		}
	}
	return "", name
}

// moduleOf returns the module that a file of a checksum database is about, which
// only those may be asked for that may be asked for the module; empty: none.
func moduleOf(path string) string {
	escaped, ok := strings.CutPrefix(path, "lookup/")
	if !ok {
		return ""
	}
	escaped, _, _ = strings.Cut(escaped, "@")
	name, err := module.UnescapePath(escaped)
	if err != nil {
		return ""
	}
	return name
}

// What is known of a mirror and a checksum database.
const (
	sumUnknown = iota
	sumPassed  // it passes it on, or did when it was last asked
	sumNone    // it does not
)

// sumSupport returns what is known of m and db.
func (m *member) sumSupport(db string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sumdb[db]
	switch {
	case m.Facts.NoSumDB || !s.supported && time.Now().Before(s.until):
		return sumNone
	case s.supported:
		return sumPassed
	}
	return sumUnknown
}

// getSum asks m for a file of db.
func (m *member) getSum(ctx context.Context, db, path string) (reply, error) {
	prefix := "sumdb/" + db + "/"
	if m.sumSupport(db) == sumNone {
		return reply{}, errNoSum // another request has just found that out
	}
	if err := m.passes(ctx, db); err != nil {
		return reply{}, err
	}
	if path == "supported" {
		return reply{}, nil
	}
	data, err := m.Upstream.Get(ctx, prefix+path)
	if err != nil {
		return reply{}, err
	}
	if err := godown.CheckSumFile(path, data); err != nil {
		return reply{}, fmt.Errorf("upstream %s: %s%s: %w", m.name, prefix, path, err)
	}
	m.mu.Lock()
	m.counts.bytes += int64(len(data))
	m.mu.Unlock()
	return reply{data: data}, nil
}

// passes returns nil if m passes db on. Of those who do not know, one asks.
func (m *member) passes(ctx context.Context, db string) error {
	for {
		m.mu.Lock()
		s := m.sumdb[db]
		if time.Now().Before(s.until) {
			m.mu.Unlock()
			if !s.supported {
				return errNoSum
			}
			return nil
		}
		q := s.asking
		if q == nil {
			s.asking = &sumQuestion{answered: make(chan struct{})}
			m.sumdb[db] = s
			m.mu.Unlock()
			return m.askSupport(ctx, db, s.asking)
		}
		m.mu.Unlock()
		select {
		case <-q.answered:
			if q.err != nil && !errors.Is(q.err, context.Canceled) {
				return q.err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// askSupport asks m whether it passes db on, for all who wait for q.
func (m *member) askSupport(ctx context.Context, db string, q *sumQuestion) error {
	_, err := m.Upstream.Get(ctx, "sumdb/"+db+"/supported")
	absent := errors.Is(err, fs.ErrNotExist)
	if err != nil && !absent {
		q.err = fmt.Errorf("asking for checksum database %s: %w", db, err)
	}
	m.mu.Lock()
	s := m.sumdb[db]
	s.asking = nil
	if q.err == nil {
		s.supported, s.until = !absent, time.Now().Add(sumTTL)
	}
	m.sumdb[db] = s
	m.mu.Unlock()
	close(q.answered)
	if absent {
		return errNoSum
	}
	return q.err
}
