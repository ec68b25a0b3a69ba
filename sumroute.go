package godown

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// A SumRoute reaches a checksum database as the go command would: through the
// first upstream of a GOPROXY list that supports it, else straight. The choice
// is made again when what was chosen fails.
type SumRoute struct {
	Name   string    // of the database
	Via    []SumStep // to be tried in order; none: straight
	Direct *Upstream // the database itself

	mu     sync.Mutex // guards chosen
	chosen func(ctx context.Context, path string) ([]byte, error)
}

// A SumStep is an upstream of a GOPROXY list; Any as in [Step].
type SumStep struct {
	Upstream *Upstream
	Any      bool
}

// Fetch returns a file of the database: "lookup/…", "tile/…" or "latest".
func (r *SumRoute) Fetch(ctx context.Context, path string) ([]byte, error) {
	get, err := r.choose(ctx)
	if err != nil {
		return nil, err
	}
	data, err := get(ctx, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.mu.Lock()
		r.chosen = nil
		r.mu.Unlock()
	}
	return data, err
}

func (r *SumRoute) choose(ctx context.Context) (func(context.Context, string) ([]byte, error), error) {
	r.mu.Lock()
	chosen := r.chosen
	r.mu.Unlock()
	if chosen != nil {
		return chosen, nil
	}
	chosen, err := r.probe(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chosen = chosen
	return chosen, nil
}

// probe asks the upstreams in order whether they support the database.
func (r *SumRoute) probe(ctx context.Context) (func(context.Context, string) ([]byte, error), error) {
	prefix := "sumdb/" + r.Name + "/"
	for _, step := range r.Via {
		_, err := step.Upstream.Get(ctx, prefix+"supported")
		if err == nil {
			return func(ctx context.Context, path string) ([]byte, error) {
				return step.Upstream.Get(ctx, prefix+path)
			}, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !step.Any && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("asking for checksum database %s: %w", r.Name, err)
		}
	}
	return r.Direct.Get, nil
}
