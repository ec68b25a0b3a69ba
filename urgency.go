package godown

import "context"

type demandKey struct{}

// Ahead returns a context for fetching what nobody has asked for yet, but soon
// may. Such a fetch waits for its turn behind all those that somebody waits
// for, until somebody asks for the same: then it is as urgent as any.
func Ahead(ctx context.Context) context.Context {
	return context.WithValue(ctx, demandKey{}, (<-chan struct{})(nil))
}

// Demanded returns a channel that is closed as soon as somebody waits for what
// is fetched in ctx; for an ordinary context it is closed already. A nil
// channel is one that never will be.
func Demanded(ctx context.Context) <-chan struct{} {
	if demanded, ok := ctx.Value(demandKey{}).(<-chan struct{}); ok {
		return demanded
	}
	return closed()
}

// withDemand returns a context of a fetch that is ahead until demanded is closed.
func withDemand(ctx context.Context, demanded <-chan struct{}) context.Context {
	return context.WithValue(ctx, demandKey{}, demanded)
}

// isAhead reports whether nobody waits for what is fetched in ctx.
func isAhead(ctx context.Context) bool {
	demanded, ok := ctx.Value(demandKey{}).(<-chan struct{})
	if !ok {
		return false
	}
	select {
	case <-demanded:
		return false
	default:
		return true
	}
}

// closed returns a closed channel.
func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
