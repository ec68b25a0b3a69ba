package sumlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

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

	mu   sync.Mutex // guards told
	told map[module.Version]bool
}

// Verify compares h1 with the log's record, or asks Next.
func (k *Keeper) Verify(ctx context.Context, req godown.Request, h1 string) error {
	m := module.Version{Path: req.Path, Version: req.Version}
	known, err := k.first(ctx, req, h1)
	if err != nil || known != "" && k.Own(req.Path) {
		return err
	}
	err = k.Next.Verify(ctx, req, h1)
	if u, ok := errors.AsType[*godown.Unverified](err); ok && known != "" && !u.Absent {
		return nil // it was proven when it was entered
	}
	if known != "" {
		k.disagree(m, err)
	}
	// Of a module of our own there is no record before its zip is here: it may never be asked for.
	if err == nil && known == "" && (req.Kind == godown.Zip || !k.Own(req.Path)) {
		k.Log.Note(m)
	}
	return err
}

// Compare is Verify that learns nothing, for who looks at stored files. Without
// ask nobody is asked. What is stored as the log has it is good, whatever Next
// says: it was served as that, and no other could be entered in its place.
func (k *Keeper) Compare(ctx context.Context, req godown.Request, h1 string, ask bool) error {
	known, err := k.first(ctx, req, h1)
	if err != nil || known != "" && k.Own(req.Path) {
		return err
	}
	err = godown.Compare(ctx, k.Next, req, h1, ask)
	if known == "" {
		return err
	}
	if u, ok := errors.AsType[*godown.Unverified](err); ok && !u.Absent {
		return nil
	}
	if k.disagree(module.Version{Path: req.Path, Version: req.Version}, err) {
		return nil
	}
	return err
}

// maxTold bounds the memory of what was told by an alarm.
const maxTold = 10_000

// disagree reports whether err says that there is another record than the log's,
// and tells it once of each version.
func (k *Keeper) disagree(m module.Version, err error) bool {
	other, ok := errors.AsType[*godown.Mismatch](err)
	if !ok {
		return false
	}
	k.mu.Lock()
	told := k.told[m]
	if !told {
		if k.told == nil || len(k.told) >= maxTold {
			k.told = make(map[module.Version]bool)
		}
		k.told[m] = true
	}
	k.mu.Unlock()
	if !told {
		k.Log.Alarm(godown.Alarm{Kind: "mismatch", Request: other.Request, Err: fmt.Errorf("our checksum database %s and another disagree, and what is stored is held to ours: %w; if the module is private, name it with --private", k.Log.Name, other)})
	}
	return true
}

// first compares h1 with the log's record, and returns its hash; empty if there is none.
// While the log cannot be read, a module of our own must have been seen before.
func (k *Keeper) first(ctx context.Context, req godown.Request, h1 string) (known string, err error) {
	known, err = k.line(ctx, req)
	switch {
	case known != "" && known != h1:
		return "", &godown.Mismatch{Request: req, Reason: fmt.Sprintf("its hash is %s, but our checksum database %s has %s, which stays so for ever", h1, k.Log.Name, known)}
	case err != nil && k.Own(req.Path) && k.Next.Recall(ctx, req) == "":
		return "", &godown.Unverified{Request: req, By: "our checksum database " + k.Log.Name, Err: err}
	}
	return known, nil
}

// Recall returns the hash of the log's record, or that which Next knows.
func (k *Keeper) Recall(ctx context.Context, req godown.Request) string {
	if known, _ := k.line(ctx, req); known != "" {
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

// line returns the hash that the log's record has of a file; empty if it has none.
func (k *Keeper) line(ctx context.Context, req godown.Request) (string, error) {
	_, text, err := k.Log.Recall(ctx, module.Version{Path: req.Path, Version: req.Version})
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	prefix := req.Path + " " + req.Version + " "
	if req.Kind == godown.Mod {
		prefix = req.Path + " " + req.Version + "/go.mod "
	}
	for line := range strings.Lines(string(text)) {
		if h1, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), prefix); ok {
			return h1, nil
		}
	}
	return "", nil
}
