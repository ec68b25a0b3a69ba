package godown

import (
	"context"

	"golang.org/x/mod/module"
)

// A Verifier says whether the content of a .mod or .zip is what it should be.
// h1 is its hash as go.sum has it (see [HashMod] and [CheckZip]). Verify
// returns nil if that is proven, a *[Mismatch] if it is proven wrong, an
// *[Unverified] if neither can be told now.
type Verifier interface {
	Verify(ctx context.Context, req Request, h1 string) error
	// Recall returns the hash that was proven before and is at hand without
	// asking anyone, or the empty string.
	Recall(ctx context.Context, req Request) string
}

// Trust chooses the Verifier by module: the checksum database where it may be
// asked, else the hash that was seen first. Toolchains are always verified by
// the database if there is one, as the go command insists on it.
type Trust struct {
	Database  Verifier // nil: there is none
	NoSumDB   string   // patterns as in GONOSUMDB: modules that the database must not be asked about
	FirstSeen Verifier
}

// Verify asks the Verifier that is responsible.
func (t *Trust) Verify(ctx context.Context, req Request, h1 string) error {
	return t.of(req.Path).Verify(ctx, req, h1)
}

// Recall asks the Verifier that is responsible.
func (t *Trust) Recall(ctx context.Context, req Request) string {
	return t.of(req.Path).Recall(ctx, req)
}

// Ahead tells the database, where that is responsible and can do with it, what
// it will soon be asked to verify.
func (t *Trust) Ahead(ctx context.Context, req Request) {
	if a, ok := t.of(req.Path).(ahead); ok {
		a.Ahead(ctx, req)
	}
}

// An ahead is a Verifier that can begin its work before it is shown a hash.
type ahead interface {
	Ahead(ctx context.Context, req Request)
}

func (t *Trust) of(path string) Verifier {
	if t.ByDatabase(path) {
		return t.Database
	}
	return t.FirstSeen
}

// ByDatabase reports whether the database is responsible for a module.
func (t *Trust) ByDatabase(path string) bool {
	return t.Database != nil && (path == "golang.org/toolchain" || !module.MatchPrefixPatterns(t.NoSumDB, path))
}
