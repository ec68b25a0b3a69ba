package main

import (
	"context"
	"fmt"

	"github.com/godown-dev/godown"
)

// A discreet is a Verifier for who may have forgotten to say which modules are
// private: of those whose hash was kept when it was first seen, the database
// was not asked then, and is not asked now.
type discreet struct {
	trust *godown.Trust
	seen  *godown.FirstSeen
}

// Verify asks the Verifier that is responsible.
func (d discreet) Verify(ctx context.Context, req godown.Request, h1 string) error {
	return d.trust.Verify(ctx, req, h1)
}

// Recall returns the hash of a record that is at hand.
func (d discreet) Recall(ctx context.Context, req godown.Request) string {
	if known := d.trust.Recall(ctx, req); known != "" {
		return known
	}
	return d.seen.Recall(ctx, req)
}

// Compare compares with a record that is at hand, or else asks for one.
func (d discreet) Compare(ctx context.Context, req godown.Request, h1 string, ask bool) error {
	if d.onlySeen(ctx, req) {
		return d.seen.Compare(ctx, req, h1, ask)
	}
	return d.trust.Compare(ctx, req, h1, ask)
}

// onlySeen reports whether a file's hash was kept when it was first seen, and
// there is no record of a database.
func (d discreet) onlySeen(ctx context.Context, req godown.Request) bool {
	return d.trust.Recall(ctx, req) == "" && d.seen.Recall(ctx, req) != ""
}

// source is src for all files but those that were private once and are not said
// to be so now: src may be a public mirror.
func (d discreet) source(src godown.Source) godown.Source {
	return godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		mod := godown.Request{Kind: godown.Mod, Path: req.Path, Version: req.Version}
		zip := godown.Request{Kind: godown.Zip, Path: req.Path, Version: req.Version}
		if d.onlySeen(ctx, mod) || d.onlySeen(ctx, zip) {
			return nil, &godown.Denied{Rule: "verify", Reason: fmt.Sprintf("%s was private when it was stored, and the configuration does not say so now; name it with --private, or use the server's configuration", req.Path)}
		}
		return src.Fetch(ctx, req)
	})
}
