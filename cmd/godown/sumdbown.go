package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/auth"
	"golang.org/x/mod/sumdb/note"
)

// The files of a database, below its name in the folder sumdb of the data, that
// the roof knows: its own, and the one by which a log is known to be there.
const (
	aboutFile  = "about"
	commitFile = "commit"
)

// An aboutSumDB is what is known of a database of our own beside its log.
type aboutSumDB struct {
	Name    string   `json:"name"`
	Keys    []string `json:"keys"`              // the public keys that it was ever signed with, oldest first
	Private string   `json:"private,omitempty"` // where the private keys stand: file:PATH or env:NAME; empty: sumdb-key says it
	URL     string   `json:"url,omitempty"`     // of the database, for clients that ask it itself
}

// check says what is wrong with what was read as the file of a database.
func (a aboutSumDB) check(name string) error {
	if a.Name != name || len(a.Keys) == 0 {
		return fmt.Errorf("it is not of the database %s, or has no keys", name)
	}
	for _, key := range a.Keys {
		if v, err := note.NewVerifier(key); err != nil || v.Name() != name {
			return fmt.Errorf("it has a public key that is none of %s", name)
		}
	}
	if a.Private != "" && recordable(auth.Secret(a.Private)) == "" {
		return errors.New("it says of the private key what is neither file:PATH nor env:NAME")
	}
	return nil
}

// recordable returns what may be written into the data folder of where a
// private key stands. A command may not: who can write that folder could then have
// the server run what he likes, and its arguments may be secret.
func recordable(key auth.Secret) string {
	text := string(key)
	if key.Check() == nil && (strings.HasPrefix(text, "file:") || strings.HasPrefix(text, "env:")) {
		return text
	}
	return ""
}

// sumDBFolder returns the folder of the databases of our own.
func sumDBFolder(cfg *Config) string { return filepath.Join(cfg.Data, "sumdb") }

// listSumDBs returns the names of the databases in a folder, finished or not.
func listSumDBs(folder string) ([]string, error) {
	var names []string
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.IsDir() || name == "." {
			return err
		}
		if e.Name()[0] == '.' {
			return fs.SkipDir
		}
		for _, file := range []string{aboutFile, commitFile} {
			if info, err := os.Stat(filepath.Join(folder, filepath.FromSlash(name), file)); err == nil && info.Mode().IsRegular() {
				names = append(names, name)
				return fs.SkipDir // none is below another
			}
		}
		return nil
	})
	return names, err
}

// readSmall returns a small file of a store; nil if there is none.
func readSmall(ctx context.Context, store godown.Store, name string) ([]byte, error) {
	f, err := store.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f.Reader(), 1<<20))
}

// readAbout returns what is known of a database, and the file as it is; nil if there is none.
func readAbout(ctx context.Context, store *godown.Dir, name string) (*aboutSumDB, []byte, error) {
	data, err := readSmall(ctx, store, path.Join(name, aboutFile))
	if err != nil || data == nil {
		return nil, nil, err
	}
	a := new(aboutSumDB)
	if err = json.Unmarshal(data, a); err == nil {
		err = a.check(name)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s is damaged: %w; remove it, and give 'godown sumdb init %s' again, with --key if the key is not where init puts it", filepath.Join(store.Path(), filepath.FromSlash(name), aboutFile), err, name)
	}
	return a, data, nil
}

// changeAbout changes what is known of a database by change, which is given
// what is known now (nil: nothing) and may be called again when another process was quicker.
func changeAbout(ctx context.Context, store *godown.Dir, name string, change func(*aboutSumDB) *aboutSumDB) error {
	for {
		a, old, err := readAbout(ctx, store, name)
		if err != nil {
			return err
		}
		data, err := json.MarshalIndent(change(a), "", "\t")
		if err != nil {
			return err
		}
		if data = append(data, '\n'); bytes.Equal(data, old) {
			return nil
		}
		if err = store.Swap(ctx, path.Join(name, aboutFile), old, data); !errors.Is(err, godown.ErrChanged) {
			return err
		}
	}
}

// An ownSumDB is a database of our own with all that it takes to serve it. What
// is logged of it is its name.
type ownSumDB struct {
	name      string
	store     *godown.Dir     // the folder of all databases; Close releases it
	signers   []note.Signer   // one for each private key, in their order; all sign
	keys      []string        // the public keys of the same, as clients have them in GOSUMDB
	verifiers []note.Verifier // of these and of all that were used before
	witnesses []string        // "KEY URL" each
	about     aboutSumDB
}

// record adds public keys that were not known of the database before.
func (o *ownSumDB) record(ctx context.Context, public []string) error {
	if !slices.ContainsFunc(public, func(key string) bool { return !slices.Contains(o.about.Keys, key) }) {
		return nil
	}
	return changeAbout(ctx, o.store, o.name, func(a *aboutSumDB) *aboutSumDB {
		if a == nil {
			a = &o.about // somebody has removed the file meanwhile
		}
		for _, key := range public {
			if !slices.Contains(a.Keys, key) {
				a.Keys = append(a.Keys, key)
			}
		}
		o.about = *a
		return a
	})
}

// Close releases the folder.
func (o *ownSumDB) Close() error { return o.store.Close() }

// loadOwnSumDB returns the database of our own that the configuration means,
// with its private keys; nil if there is none. It makes nothing, but records keys that
// have come to those known. Its errors are such that nothing should be served.
func loadOwnSumDB(ctx context.Context, cfg *Config, secrets *auth.Secrets) (*ownSumDB, error) {
	if cfg.SumDBOwn == ownOff {
		return nil, nil
	}
	o, err := openOwnSumDB(ctx, cfg, cfg.SumDBOwn)
	if o == nil || err != nil {
		return nil, err
	}
	if err := o.load(ctx, cfg, secrets); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

func (o *ownSumDB) load(ctx context.Context, cfg *Config, secrets *auth.Secrets) error {
	const without = "; --sumdb-own off serves without the database"
	if err := cfg.checkOwnSumDB(o.name); err != nil {
		return fmt.Errorf("the checksum database %s: %w", o.name, err)
	}
	keys, err := o.readKeys(ctx, cfg, secrets)
	if err != nil {
		return fmt.Errorf("%w%s", err, without)
	}
	if err := o.record(ctx, publicKeys(keys)); err != nil {
		return fmt.Errorf("the checksum database %s: recording its public keys: %w%s", o.name, err, without)
	}
	for _, k := range keys {
		o.signers, o.keys = append(o.signers, k.signer), append(o.keys, k.public)
	}
	for _, key := range o.about.Keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return err
		}
		o.verifiers = append(o.verifiers, v)
	}
	o.witnesses = cfg.SumDBWitness.entries()
	return nil
}

// openOwnSumDB returns the database of that name, or the only one for an empty name, without its
// private keys; nil if there is none and none was named.
func openOwnSumDB(ctx context.Context, cfg *Config, name string) (_ *ownSumDB, err error) {
	folder := sumDBFolder(cfg)
	names, err := listSumDBs(folder)
	if err != nil {
		return nil, fmt.Errorf("looking for checksum databases: %w", err)
	}
	switch {
	case name == "" && len(names) == 0:
		return nil, nil
	case name == "" && len(names) > 1:
		return nil, fmt.Errorf("there are several checksum databases in %s: %s; choose one with --sumdb-own, or by its name", folder, strings.Join(names, ", "))
	case name == "":
		name = names[0]
	case !slices.Contains(names, name):
		return nil, fmt.Errorf("there is no checksum database %q in %s; 'godown sumdb init' makes one%s", maskPrivateKeys(name), folder, didYouMean(name, names))
	}
	store, err := godown.OpenDir(folder)
	if err != nil {
		return nil, err
	}
	o := &ownSumDB{name: name, store: store}
	defer func() {
		if err != nil {
			store.Close()
		}
	}()
	about, _, err := readAbout(ctx, store, name)
	if err != nil {
		return nil, err
	}
	commit, err := readSmall(ctx, store, path.Join(name, commitFile))
	if err != nil {
		return nil, err
	}
	if about == nil {
		return nil, fmt.Errorf("of the checksum database %s in %s nothing says which keys are its own: 'godown sumdb init %s' was cut off, or the log comes from elsewhere; to give that again, with --key if the key is not where init puts it, puts it right", name, folder, name)
	}
	if commit == nil {
		return nil, fmt.Errorf("of the checksum database %s in %s the log is gone: there is no %s; put all of %s back from a copy", name, folder, path.Join(name, commitFile), path.Join(folder, name))
	}
	o.about = *about
	return o, nil
}

// privateKeyAt returns where the private key of the database stands; empty if nobody has said it.
func (o *ownSumDB) privateKeyAt(cfg *Config) auth.Secret {
	if cfg.SumDBKey != "" {
		return cfg.SumDBKey
	}
	return auth.Secret(o.about.Private)
}

// readKeys returns the private keys of the database, of which one at least is
// known as its own: others may come to it, but not take its place.
func (o *ownSumDB) readKeys(ctx context.Context, cfg *Config, secrets *auth.Secrets) ([]signingKey, error) {
	at := o.privateKeyAt(cfg)
	if at == "" {
		return nil, fmt.Errorf("nothing says where the private key of the checksum database %s is: name it with --sumdb-key file:PATH, env:NAME or command:PROGRAM, or in the file", o.name)
	}
	text, err := secrets.Get(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("the private key of the checksum database %s: %w; put it back from your copy, or say with --sumdb-key where it is now", o.name, err)
	}
	keys, err := parseSigningKeys(text, o.name)
	if err != nil {
		return nil, fmt.Errorf("the private key of the checksum database %s, %v: %w", o.name, at, err)
	}
	if !anyKnown(keys, o.about.Keys) {
		return nil, fmt.Errorf("the private key of the checksum database %s, %v, is another than its own, which has the public key %s: clients would not accept it. Put the right one back; to change keys, add a second one with 'godown sumdb key --add'",
			o.name, at, o.about.Keys[len(o.about.Keys)-1])
	}
	return keys, nil
}
