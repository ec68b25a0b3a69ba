package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog"
	"github.com/godown-dev/godown/internal/sumlog/witness"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// An ownSums is the checksum database of our own as it is served: the log, and
// where the records of further versions come from.
type ownSums struct {
	*ownSumDB
	log *sumlog.Log

	cache *godown.Cache            // whence modules of our own come; set before the first request
	sums  *godown.Sums             // the database above ours; nil: there is none
	ours  func(module string) bool // reports whether no other database answers for a module
	seen  godown.Verifier          // knows the hashes of what was verified
}

// openOwnSums opens the database of our own that the configuration means; nil if there is none.
func openOwnSums(ctx context.Context, cfg *Config, origin *origin, alarm func(godown.Alarm)) (*ownSums, error) {
	loaded, err := loadOwnSumDB(ctx, cfg, origin.secrets)
	if err != nil {
		return nil, &misconfigured{err}
	}
	if loaded == nil {
		return nil, nil
	}
	o := &ownSums{ownSumDB: loaded}
	options := sumlog.Options{
		Name: o.name, Store: o.store, Signers: o.signers, Verifiers: o.verifiers,
		Origin: o.lines, Alarm: alarm, Differs: o.recheck,
	}
	if options.Seen, err = seenHere(ctx, cfg, o.name); err != nil {
		return nil, errors.Join(err, o.store.Close())
	}
	for _, text := range o.witnesses {
		w, err := witness.ParseWitness(text)
		if err != nil {
			return nil, errors.Join(&misconfigured{fmt.Errorf("sumdb-witness (%s): %w", cfg.Origin("sumdb-witness"), err)}, o.store.Close())
		}
		options.Witnesses = append(options.Witnesses, w)
	}
	if o.log, err = sumlog.Open(ctx, options); err != nil {
		return nil, errors.Join(fmt.Errorf("%w (its folder is %s; --sumdb-own off serves without it)", err, filepath.Join(o.store.Path(), filepath.FromSlash(o.name))), o.store.Close())
	}
	return o, nil
}

// readOwnSums opens the log of the database of our own that the configuration
// means, without its private key, for who only compares; nil if there is none.
// That there is none of the name configured is a *misconfigured.
// The caller closes what release returns after the log.
func readOwnSums(ctx context.Context, cfg *Config, alarm func(godown.Alarm)) (log *sumlog.Log, release io.Closer, err error) {
	if cfg.SumDBOwn == ownOff {
		return nil, nil, nil
	}
	if names, err := listSumDBs(sumDBFolder(cfg)); err == nil && cfg.SumDBOwn != "" && !slices.Contains(names, cfg.SumDBOwn) {
		_, err := openOwnSumDB(ctx, cfg, cfg.SumDBOwn) // which says that there is none of that name
		return nil, nil, &misconfigured{err}
	}
	o, err := openOwnSumDB(ctx, cfg, cfg.SumDBOwn)
	if err != nil || o == nil {
		return nil, nil, err
	}
	options := sumlog.Options{Name: o.name, Store: o.store, Alarm: alarm}
	for _, key := range o.about.Keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return nil, nil, errors.Join(err, o.Close())
		}
		options.Verifiers = append(options.Verifiers, v)
	}
	if log, err = sumlog.Open(ctx, options); err != nil {
		return nil, nil, errors.Join(err, o.Close())
	}
	return log, o, nil
}

// A misconfigured is the error of one who has to change his configuration before anything is served.
type misconfigured struct{ err error }

func (e *misconfigured) Error() string { return e.err.Error() }
func (e *misconfigured) Unwrap() error { return e.err }

// newestKey returns the public key that clients are told: while one takes another's place, the new one.
func (o *ownSums) newestKey() string { return o.keys[len(o.keys)-1] }

// seenHere returns the head of a database that 'godown sumdb verify' has seen with this
// data folder. A log that does not go on from it was put back from an old copy.
func seenHere(ctx context.Context, cfg *Config, name string) ([][]byte, error) {
	folder := filepath.Join(cfg.Data, "sumdb-seen")
	if _, err := os.Stat(folder); err != nil {
		return nil, nil // nothing was verified
	}
	dir, err := godown.OpenDir(folder)
	if err != nil {
		return nil, err
	}
	seen, err := (&seenHeads{dir}).get(ctx, name)
	if err = errors.Join(err, dir.Close()); err != nil || seen.Size == 0 {
		return nil, err
	}
	return [][]byte{seen.Signed}, nil
}

// guard returns what verifies modules: next, and above it the log.
func (o *ownSums) guard(next godown.Verifier) godown.Verifier {
	o.seen = next
	return &sumlog.Keeper{Log: o.log, Next: next, Own: o.ours}
}

// lines returns the record of a version that the log does not have: that of the
// database above, proven, or for a module of our own the hashes of what it has
// been from the first time on that it was seen.
func (o *ownSums) lines(ctx context.Context, m module.Version) ([]byte, error) {
	if !o.ours(m.Path) {
		record, err := o.sums.Lookup(ctx, m.Path, m.Version)
		if err != nil {
			return nil, fmt.Errorf("checksum database %s: %w", o.sums.Spec.Name, err)
		}
		_, text, _, err := tlog.ParseRecord(record)
		return text, err
	}
	mod, err := o.hash(ctx, godown.Request{Kind: godown.Mod, Path: m.Path, Version: m.Version})
	if err != nil {
		return nil, err
	}
	zip, err := o.hash(ctx, godown.Request{Kind: godown.Zip, Path: m.Path, Version: m.Version})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, zip, m.Path, m.Version, mod), nil
}

// hash returns the hash of a file as it was first seen; if it never was, that is now.
func (o *ownSums) hash(ctx context.Context, req godown.Request) (string, error) {
	if h1 := o.seen.Recall(ctx, req); h1 != "" {
		return h1, nil
	}
	f, err := o.cache.Fetch(ctx, req)
	if err != nil {
		return "", err
	}
	// Its end is not given before it is verified, and so seen.
	_, err = io.Copy(io.Discard, f.Reader())
	f.Close()
	if err != nil {
		return "", fmt.Errorf("%v: %w", req, err)
	}
	if h1 := o.seen.Recall(ctx, req); h1 != "" {
		return h1, nil
	}
	return "", fmt.Errorf("%v: its hash was not kept", req)
}

// recheck looks at the stored files of a version that is in the log with other hashes.
func (o *ownSums) recheck(ctx context.Context, m module.Version) {
	for _, kind := range []godown.Kind{godown.Mod, godown.Zip} {
		o.cache.Check(ctx, godown.Request{Kind: kind, Path: m.Path, Version: m.Version}, godown.Checking{Repair: true})
	}
}

// Close appends what is to be appended, and releases the folder.
func (o *ownSums) Close(ctx context.Context) error {
	return errors.Join(o.log.Close(ctx), o.store.Close())
}

// sumSources are checksum databases, by their names.
type sumSources map[string]godown.SumSource

// FetchSum asks the database that name begins with; of several, the one with the longest name.
func (s sumSources) FetchSum(ctx context.Context, name string) (*godown.File, error) {
	var names []string
	best := ""
	for db := range s {
		names = append(names, db)
		if strings.HasPrefix(name, db+"/") && len(db) > len(best) {
			best = db
		}
	}
	if best == "" {
		slices.Sort(names)
		return nil, &godown.NotFound{Text: fmt.Sprintf("%.100q is of no checksum database that is served here; there is only %s", name, strings.Join(names, " and "))}
	}
	return s[best].FetchSum(ctx, name)
}
