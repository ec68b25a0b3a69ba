package mirror

import (
	"context"

	"github.com/godown-dev/godown"
)

// New returns a Pool of mirrors, of which there must be one or more.
func New(mirrors []Mirror, o Options) *Pool { return nil }

// Name returns the mirrors' names, which is safe to show.
func (p *Pool) Name() string { return "" }

// Fetch asks the mirrors.
func (p *Pool) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) { return nil, nil }

// Get returns a small file below the mirrors' roots, such as "sumdb/sum.golang.org/latest".
func (p *Pool) Get(ctx context.Context, name string) ([]byte, error) { return nil, nil }

// Watch probes mirrors that are down or idle, until ctx ends.
func (p *Pool) Watch(ctx context.Context) {}

// Status tells how the mirrors are, in the order of the configuration. Group is left to the caller.
func (p *Pool) Status() []godown.MirrorStatus { return nil }

type member struct{}
type budget struct{}
