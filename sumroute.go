package godown

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// A SumRoute reaches a checksum database as the go command would: through the
// first upstream of a GOPROXY list that supports it, else straight. An upstream
// that fails, or gives what no checksum database gives, is passed over where
// the list allows it.
type SumRoute struct {
	Name   string    // of the database
	Via    []SumStep // to be tried in order; none: straight
	Direct *Upstream // the database itself

	mu    sync.Mutex // guards the fields below
	start int        // the step that served last; len(Via): straight
	until time.Time  // when the first step is to be tried again
}

// A SumStep is an upstream of a GOPROXY list; Any as in [Step].
type SumStep struct {
	Upstream Getter
	Any      bool
}

// A Getter gives small files by their names below an upstream's root, such as
// "sumdb/sum.golang.org/latest". An [Upstream] is one, and so are mirrors that
// are used as one.
type Getter interface {
	Name() string
	Get(ctx context.Context, name string) ([]byte, error)
}

// routeTTL is how long steps that did not serve are passed over.
const routeTTL = 5 * time.Minute

// Fetch returns a file of the database: "lookup/…", "tile/…" or "latest".
func (r *SumRoute) Fetch(ctx context.Context, path string) ([]byte, error) {
	start, known := r.begin()
	for i := start; i < len(r.Via); i++ {
		step := r.Via[i]
		data, err := r.through(ctx, step.Upstream, path, known && i == start)
		switch {
		case err == nil:
			r.serves(i)
			return data, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, errUnsupported):
		case errors.Is(err, fs.ErrNotExist):
			r.serves(i)
			return nil, err
		case !step.Any:
			return nil, err
		}
	}
	data, err := r.Direct.Get(ctx, path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		r.serves(len(r.Via))
		return data, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = time.Time{}
	return nil, err
}

// begin returns the step to begin with, and whether it is known to serve.
func (r *SumRoute) begin() (start int, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().After(r.until) {
		return 0, false
	}
	return r.start, true
}

// serves notes that step i serves the database.
func (r *SumRoute) serves(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i != r.start || r.until.IsZero() || time.Now().After(r.until) {
		r.start, r.until = i, time.Now().Add(routeTTL)
	}
}

// errUnsupported says that an upstream does not serve the database, in the way
// that the protocol has for it.
var errUnsupported = errors.New("the upstream does not serve the checksum database")

// through asks one upstream.
func (r *SumRoute) through(ctx context.Context, up Getter, path string, supported bool) ([]byte, error) {
	prefix := "sumdb/" + r.Name + "/"
	if !supported {
		if _, err := up.Get(ctx, prefix+"supported"); errors.Is(err, fs.ErrNotExist) {
			return nil, errUnsupported
		} else if err != nil {
			return nil, fmt.Errorf("asking for checksum database %s: %w", r.Name, err)
		}
	}
	data, err := up.Get(ctx, prefix+path)
	if absent, ok := errors.AsType[*NotFound](err); ok && absent.Unasked {
		return nil, errUnsupported // it may not be asked for this
	}
	if err != nil {
		return nil, err
	}
	if err := CheckSumFile(path, data); err != nil {
		return nil, fmt.Errorf("upstream %s: %s%s: %w", up.Name(), prefix, path, err)
	}
	return data, nil
}

// Through returns the database as an upstream shows it, or one mirror of several.
func (r *SumRoute) Through(up Getter) SumView {
	prefix := "sumdb/" + r.Name + "/"
	return SumView{Name: up.Name(), Get: func(ctx context.Context, path string) ([]byte, error) {
		if path == "latest" { // the first that is asked of it
			if _, err := up.Get(ctx, prefix+"supported"); errors.Is(err, fs.ErrNotExist) {
				return nil, errUnsupported
			} else if err != nil {
				return nil, err
			}
		}
		return up.Get(ctx, prefix+path) // whatever it is: it is to be found out
	}}
}

// Straight returns the database as it shows itself.
func (r *SumRoute) Straight() SumView {
	return SumView{Name: r.Direct.Name(), Get: r.Direct.Get}
}

// CheckSumFile returns an error if data does not have the form of the file at
// path of a checksum database: "lookup/…", "tile/…", "latest". Whether it is
// right is for the proof to say.
func CheckSumFile(path string, data []byte) error {
	if sumForm(path, data) {
		return nil
	}
	return fmt.Errorf("this is not what a checksum database gives: it begins with %.60q", data)
}

func sumForm(path string, data []byte) bool {
	switch {
	case strings.HasPrefix(path, "lookup/"):
		_, _, _, err := tlog.ParseRecord(data)
		return err == nil
	case path == "latest":
		return bytes.HasPrefix(data, []byte("go.sum database tree\n"))
	case strings.HasPrefix(path, "tile/") && !strings.Contains(path, "/data/"):
		return len(data) > 0 && len(data)%tlog.HashSize == 0
	}
	return true
}
