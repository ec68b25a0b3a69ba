package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// A signingKey is a private key of a database, and the public one that belongs to it.
type signingKey struct {
	signer note.Signer
	public string // as clients have it in GOSUMDB
}

// parseSigningKeys returns the private keys in a text, one a line; lines that
// begin with # are remarks. All must be of the database name. No error holds
// any of the text.
func parseSigningKeys(text, name string) ([]signingKey, error) {
	var keys []signingKey
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k, err := parseSigningKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d %w", number, err)
		}
		if got := k.signer.Name(); got != name {
			return nil, fmt.Errorf("line %d is a key of the database %q, and not of %q: a key is for one name", number, got, name)
		}
		for _, other := range keys {
			if other.public == k.public {
				return nil, fmt.Errorf("line %d is a key that stands there already", number)
			}
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return keys, nil
}

func parseSigningKey(text string) (signingKey, error) {
	var none signingKey
	signer, err := note.NewSigner(text)
	if err != nil {
		if _, err := note.NewVerifier(text); err == nil {
			return none, errors.New("is a public key; to sign takes the private one, PRIVATE+KEY+NAME+HASH+KEY")
		}
		return none, errors.New("is no private key of the form PRIVATE+KEY+NAME+HASH+KEY, or was damaged: its parts do not belong together")
	}
	// NewSigner has found five parts, of which the last is a byte for the kind, which is Ed25519, and a seed.
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(text, "+", 5)[4])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return none, errors.New("is a private key of an unknown kind")
	}
	public, err := note.NewEd25519VerifierKey(signer.Name(), ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
	return signingKey{signer, public}, err
}

// publicKeys returns the public keys of keys.
func publicKeys(keys []signingKey) []string {
	var list []string
	for _, k := range keys {
		list = append(list, k.public)
	}
	return list
}

// keyHash returns the hash in a public key, by which signatures and people tell keys apart.
func keyHash(public string) string {
	_, rest, _ := strings.Cut(public, "+")
	hash, _, _ := strings.Cut(rest, "+")
	return hash
}

// defaultKeyFile returns where the private key of a database is put: apart
// from the data, so that no copy of the data has it. Names with slashes, colons and the
// like have a file name of their own each.
func defaultKeyFile(m machine, name string) (string, error) {
	dir, err := m.userConfigDir()
	if err != nil {
		return "", fmt.Errorf("the user's configuration directory is unknown (%w); name a file for the private key with --key file:PATH", err)
	}
	return filepath.Join(dir, "godown", "sumdb", url.QueryEscape(name)+".key"), nil
}

// makeKeyFile makes a new key and a file of it that only its owner can read. It
// replaces no file; that there is one is an error that is fs.ErrExist.
func makeKeyFile(path, name string) ([]signingKey, error) {
	private, _, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, err
	}
	keys, err := parseSigningKeys(private, name)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	made := missingFolders(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the private key cannot be stored: %w", err)
	}
	text := "# The private key of the checksum database " + name + ".\n" +
		"# Who has it can sign for the database: keep it secret. Without it the database cannot go on: keep a copy.\n" + private + "\n"
	if err := createDurably(path, text); err != nil {
		return nil, fmt.Errorf("the private key cannot be stored: %w", err)
	}
	for _, parent := range made {
		if err := syncFolder(parent); err != nil {
			return nil, fmt.Errorf("the private key cannot be stored: %w", err)
		}
	}
	return keys, nil
}

// anyKnown reports whether one of keys is among the public keys of known.
func anyKnown(keys []signingKey, known []string) bool {
	return slices.ContainsFunc(keys, func(k signingKey) bool { return slices.Contains(known, k.public) })
}

// addToKeyFile adds a new key of the database name, whose public keys are known, at
// the end of its file of keys, which is replaced as a whole and keeps its mode and its owner.
func addToKeyFile(path, name string, known []string) ([]signingKey, error) {
	path, err := filepath.EvalSymlinks(path) // the link stays one
	if err != nil {
		return nil, err
	}
	// Who has this file, and nobody else, changes the other.
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there: another command is adding a key, or was cut off; if none is, remove that file", tmp)
	}
	if err != nil {
		return nil, err
	}
	keys, err := writeNextKeys(f, path, name, known)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(tmp))
	}
	return keys, syncFolder(filepath.Dir(path))
}

// writeNextKeys writes what a file of keys is to hold with one more, and returns all of them.
func writeNextKeys(f *os.File, path, name string, known []string) ([]signingKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := parseSigningKeys(string(text), name)
	if err == nil && !anyKnown(keys, known) {
		err = errors.New("it has no key of this database")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	private, _, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, err
	}
	next := strings.TrimRight(string(text), "\r\n") + "\n" + private + "\n"
	if _, err := f.WriteString(next); err != nil {
		return nil, err
	}
	if err := keepOwner(f.Name(), info); err != nil {
		return nil, err
	}
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return parseSigningKeys(next, name)
}

// createDurably makes a file that was not there, for its owner alone; on any error there is none of its making.
func createDurably(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

// missingFolders returns the folder, and those above it, whose entries will be
// new once they are made.
func missingFolders(dir string) []string {
	var list []string
	for {
		if _, err := os.Stat(dir); err == nil {
			return list
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return list
		}
		dir = parent
		list = append(list, dir)
	}
}

// syncFolder makes what was made or renamed in a folder durable.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// loose returns a warning if others than its owner can read or change a file of keys; else nothing.
func loose(path string) string {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("the private key in %s is open to others than its owner (mode %04o): chmod 600 %s", path, info.Mode().Perm(), path)
}
