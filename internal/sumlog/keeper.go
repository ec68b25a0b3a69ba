package sumlog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

// A Keeper is the Verifier of a proxy that has a Log. What the log has a record
// of is held to it for ever; the rest is verified by Next, and then entered into the log.
type Keeper struct {
	Log  *Log
	Next godown.Verifier
	// Own reports whether there is no word above the log's on a module: it is not one of
	// those that another checksum database answers for.
	Own func(path string) bool
}

// Verify compares h1 with the log's record, or asks Next.
func (k *Keeper) Verify(ctx context.Context, req godown.Request, h1 string) error {
	m := module.Version{Path: req.Path, Version: req.Version}
	known := k.line(ctx, req)
	if known != "" && known != h1 {
		return k.mismatch(req, h1, known)
	}
	if known != "" && k.Own(req.Path) {
		return nil
	}
	err := k.Next.Verify(ctx, req, h1)
	if u, ok := errors.AsType[*godown.Unverified](err); ok && known != "" && !u.Absent {
		return nil // it was proven when it was entered
	}
	// Of a module of our own there is no record before its zip is here: it may never be asked for.
	if err == nil && known == "" && (req.Kind == godown.Zip || !k.Own(req.Path)) {
		k.Log.Note(m)
	}
	return err
}

// Compare is Verify that learns nothing, for who looks at stored files. Without
// ask nobody is asked.
func (k *Keeper) Compare(ctx context.Context, req godown.Request, h1 string, ask bool) error {
	known := k.line(ctx, req)
	if known != "" && known != h1 {
		return k.mismatch(req, h1, known)
	}
	if known != "" && k.Own(req.Path) {
		return nil
	}
	err := godown.Compare(ctx, k.Next, req, h1, ask)
	if u, ok := errors.AsType[*godown.Unverified](err); ok && known != "" && !u.Absent {
		return nil
	}
	return err
}

func (k *Keeper) mismatch(req godown.Request, h1, known string) error {
	return &godown.Mismatch{Request: req, Reason: fmt.Sprintf("its hash is %s, but our checksum database %s has %s, which stays so for ever", h1, k.Log.Name, known)}
}

// Recall returns the hash of the log's record, or that which Next knows.
func (k *Keeper) Recall(ctx context.Context, req godown.Request) string {
	if known := k.line(ctx, req); known != "" {
		return known
	}
	return k.Next.Recall(ctx, req)
}

// Ahead lets Next begin its work.
func (k *Keeper) Ahead(ctx context.Context, req godown.Request) {
	if a, ok := k.Next.(interface {
		Ahead(context.Context, godown.Request)
	}); ok {
		a.Ahead(ctx, req)
	}
}

// line returns the hash that the log's record has of a file; empty if it has
// none, or cannot be read, of which it tells itself.
func (k *Keeper) line(ctx context.Context, req godown.Request) string {
	_, text, err := k.Log.Recall(ctx, module.Version{Path: req.Path, Version: req.Version})
	if err != nil {
		return ""
	}
	prefix := req.Path + " " + req.Version + " "
	if req.Kind == godown.Mod {
		prefix = req.Path + " " + req.Version + "/go.mod "
	}
	for line := range strings.Lines(string(text)) {
		if h1, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), prefix); ok {
			return h1
		}
	}
	return ""
}
