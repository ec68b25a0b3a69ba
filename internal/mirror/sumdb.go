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
	until     time.Time // when it is to be asked again
}

// sumTTL is how long a mirror's word on that is taken.
const sumTTL = 5 * time.Minute

// Get returns a small file below the mirrors' roots, such as
// "sumdb/sum.golang.org/latest", from a mirror that passes the database on. For
// the file "supported" it asks until one does.
func (p *Pool) Get(ctx context.Context, name string) ([]byte, error) {
	db, path := splitSum(name)
	req := godown.Request{Path: moduleOf(path)}
	r, _, err := again(ctx, p, req, nil, func(l lineup) (reply, *member, error) {
		l.order, l.last = slices.DeleteFunc(l.order, noSum(db)), slices.DeleteFunc(l.last, noSum(db))
		if len(l.order)+len(l.last) == 0 {
			return reply{}, nil, &godown.NotFound{Text: "not found: no mirror passes the checksum database " + db + " on", Unasked: true}
		}
		c := p.newContest(req, l, func(ctx context.Context, m *member) (reply, error) {
			defer m.release(false)
			return m.getSum(ctx, db, path)
		})
		if path == "supported" {
			c.agree = len(p.members)
		}
		return c.run(ctx)
	})
	return r.data, err
}

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

// noSum returns whether a mirror is known not to pass db on.
func noSum(db string) func(*member) bool {
	return func(m *member) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		s := m.sumdb[db]
		return m.Facts.NoSumDB || !s.supported && time.Now().Before(s.until)
	}
}

// getSum asks m for a file of db.
func (m *member) getSum(ctx context.Context, db, path string) (reply, error) {
	prefix := "sumdb/" + db + "/"
	m.mu.Lock()
	s := m.sumdb[db]
	m.mu.Unlock()
	if !s.supported || time.Now().After(s.until) {
		_, err := m.Upstream.Get(ctx, prefix+"supported")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return reply{}, fmt.Errorf("asking for checksum database %s: %w", db, err)
		}
		m.mu.Lock()
		m.sumdb[db] = sumState{supported: err == nil, until: time.Now().Add(sumTTL)}
		m.mu.Unlock()
		if err != nil {
			return reply{}, err
		}
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
