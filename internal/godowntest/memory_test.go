package godowntest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// memory is the simplest Store that keeps the contract; its flaws are switched on by name.
type memory struct {
	flaw string

	mu    sync.Mutex // guards files
	files map[string]stored
}

type stored struct {
	data []byte
	time time.Time
}

func newMemory(flaw string) *memory { return &memory{flaw: flaw, files: make(map[string]stored)} }

func check(name string) error {
	for elem := range strings.SplitSeq(name, "/") {
		if elem == "" || elem[0] == '.' {
			return &fs.PathError{Op: "check", Path: name, Err: fs.ErrInvalid}
		}
	}
	return nil
}

func (m *memory) Open(ctx context.Context, name string) (*godown.File, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	if !ok {
		if m.flaw == "absent is another error" {
			return nil, errors.New("nothing here")
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &godown.File{Data: f.data, Size: int64(len(f.data)), Time: f.time}, nil
}

func (m *memory) Put(ctx context.Context, name string, r io.Reader) error {
	if m.flaw != "takes any name" {
		if err := check(name); err != nil {
			return err
		}
	}
	if m.flaw == "drops case" {
		name = strings.ReplaceAll(name, "!", "")
	}
	data, err := io.ReadAll(r)
	if err != nil && m.flaw != "keeps half a file" {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name] = stored{data, time.Now()}
	return err
}

func (m *memory) Delete(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[name]; !ok && m.flaw == "deletes once" {
		return fs.ErrNotExist
	}
	delete(m.files, name)
	return nil
}

func (m *memory) List(ctx context.Context, prefix string) iter.Seq2[godown.Entry, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := maps.Clone(m.files)
	return func(yield func(godown.Entry, error) bool) {
		for name, f := range files {
			if strings.HasPrefix(name, prefix) || m.flaw == "lists everything" {
				if !yield(godown.Entry{Name: name, Size: int64(len(f.data)), Time: f.time}, nil) {
					return
				}
			}
		}
	}
}

// flawed wraps a Source in a flaw.
func flawed(src godown.Source, flaw string) godown.Source {
	return godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		f, err := src.Fetch(ctx, req)
		switch {
		case flaw == "absent is another error" && errors.Is(err, fs.ErrNotExist):
			return nil, errors.New("nothing here")
		case flaw == "cancelled is absent" && ctx.Err() != nil:
			return nil, fs.ErrNotExist
		case err != nil:
			return nil, err
		case flaw == "wrong bytes":
			return godown.NewFile(bytes.ToUpper(f.Data)), nil
		case flaw == "wrong size":
			return &godown.File{Data: f.Data, Size: 3}, nil
		}
		return f, nil
	})
}

// firstSeen is a Verifier that believes the first hash it sees, or knows all of them beforehand.
type firstSeen struct {
	flaw string

	mu     sync.Mutex // guards what follows
	known  map[godown.Request]string
	proven map[godown.Request]string
}

func (v *firstSeen) Verify(ctx context.Context, req godown.Request, h1 string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	want, ok := v.known[req]
	if v.known == nil {
		want, ok = v.proven[req]
		if !ok {
			want, ok = h1, true
		}
	}
	if !ok {
		return &godown.Unverified{Request: req, By: "sum.test", Absent: true, Err: fs.ErrNotExist}
	}
	if h1 != want && v.flaw != "believes everything" {
		return &godown.Mismatch{Request: req, Reason: h1 + ", not " + want}
	}
	if v.proven == nil {
		v.proven = make(map[godown.Request]string)
	}
	v.proven[req] = h1
	return nil
}

func (v *firstSeen) Recall(ctx context.Context, req godown.Request) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.flaw == "forgets" {
		return ""
	}
	return v.proven[req]
}
