package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/publish"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/module"
)

// A discreet is a Verifier for who looks at stored files that nobody has asked
// for, and may have forgotten to say which modules are private: of those whose
// hash was kept when it was first seen, or that are in our own checksum database,
// without a record of the public one at hand, that was not asked then, and is not asked now.
type discreet struct {
	godown.Verifier
	trust  *godown.Trust
	seen   *godown.FirstSeen
	own    *sumlog.Log // nil: there is none
	unsure error       // why not all is known of what was private; nil: it is
}

// newDiscreet returns a discreet Verifier above v.
func newDiscreet(v godown.Verifier, trust *godown.Trust, stores stores, own *sumlog.Log) discreet {
	unsure := errors.Join(stores.shut["seen"], stores.shut["published"])
	if _, err := (&publish.Shelf{Store: stores.published}).Modules(context.Background()); err != nil {
		unsure = errors.Join(unsure, err)
	}
	return discreet{v, trust, &godown.FirstSeen{Store: stores.seen}, own, unsure}
}

// Ahead lets the Verifier begin its work.
func (d discreet) Ahead(ctx context.Context, req godown.Request) {
	if a, ok := d.Verifier.(interface {
		Ahead(context.Context, godown.Request)
	}); ok {
		a.Ahead(ctx, req)
	}
}

// Compare compares with a record that is at hand, or else asks for one, if that may be.
// That it may not is no failure of the database: it says that there is no record.
func (d discreet) Compare(ctx context.Context, req godown.Request, h1 string, ask bool) error {
	var why error
	if ask {
		why = d.MayName(ctx, req)
	}
	err := godown.Compare(ctx, d.Verifier, req, h1, ask && why == nil)
	if _, unproven := errors.AsType[*godown.Unverified](err); !unproven || !d.trust.ByDatabase(req.Path) || ask && why == nil {
		return err
	}
	if first := d.seen.Compare(ctx, req, h1, false); saw(first) {
		return first
	}
	if why != nil {
		return &godown.Unverified{Request: req, By: "the record of hashes", Absent: true, Err: why}
	}
	return err
}

// saw reports whether what a FirstSeen's Compare has returned says that it knows the file.
func saw(err error) bool {
	_, unknown := errors.AsType[*godown.Unverified](err)
	return !unknown
}

// MayName says why a file's version must not be named to anybody unasked; nil if it may be.
func (d discreet) MayName(ctx context.Context, req godown.Request) error {
	if !d.trust.ByDatabase(req.Path) {
		return nil // it is private, and goes where such go
	}
	mod := godown.Request{Kind: godown.Mod, Path: req.Path, Version: req.Version}
	zip := godown.Request{Kind: godown.Zip, Path: req.Path, Version: req.Version}
	if d.trust.Recall(ctx, mod) != "" || d.trust.Recall(ctx, zip) != "" {
		return nil
	}
	unsure := d.unsure
	if d.own != nil {
		_, _, err := d.own.Recall(ctx, module.Version{Path: req.Path, Version: req.Version})
		if err == nil {
			return wasPrivate(req)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			unsure = errors.Join(unsure, err)
		}
	}
	for _, file := range []godown.Request{mod, zip} {
		const none = "h1:" // no file's hash
		err := d.seen.Compare(ctx, file, none, false)
		if saw(err) {
			return wasPrivate(req)
		}
		if u, ok := errors.AsType[*godown.Unverified](err); ok && !u.Absent {
			unsure = errors.Join(unsure, err)
		}
	}
	if unsure != nil {
		return &godown.Denied{Rule: "privacy", Reason: fmt.Sprintf("whether %s was private when it was stored is not known: %v", req.Path, unsure)}
	}
	return nil
}

func wasPrivate(req godown.Request) error {
	return &godown.Denied{Rule: "privacy", Reason: fmt.Sprintf("%s was private when it was stored, and the configuration does not say so now; name it with --private, or use the server's configuration", req.Path)}
}

// A remembering is a Trust that recalls also what was first seen of modules that
// the database answers for now.
type remembering struct {
	*godown.Trust
	seen *godown.FirstSeen
}

// Recall returns the hash of a record that is at hand.
func (r remembering) Recall(ctx context.Context, req godown.Request) string {
	if known := r.Trust.Recall(ctx, req); known != "" {
		return known
	}
	return r.seen.Recall(ctx, req)
}
