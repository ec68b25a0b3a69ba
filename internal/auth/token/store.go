package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A Store keeps the logins of one user: a file has all of them, and those
// tokens that are not in the keyring.
type Store struct {
	File    string        // its name; its folder is made where there is none
	Keyring Vault         // nil: there is none
	Wait    time.Duration // for the keyring, whatever is asked of it; 0: 3 seconds
}

// patience returns a context that ends when the keyring has been waited for.
func (s *Store) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	wait := s.Wait
	if wait == 0 {
		wait = 3 * time.Second
	}
	return context.WithTimeout(ctx, wait)
}

// A Vault keeps secrets under the name of a server. It gives ErrNoSecret for one
// that it does not have. Its methods return when their context ends.
type Vault interface {
	Get(ctx context.Context, server string) (string, error)
	Set(ctx context.Context, server, secret string) error
	Delete(ctx context.Context, server string) error
}

// ErrNoSecret is the error of a Vault which does not have what is looked for.
var ErrNoSecret = errors.New("it is not in the keyring")

// A KeyringError is one of the keyring, while the file could be read.
type KeyringError struct {
	Server Server
	Err    error
}

func (e *KeyringError) Error() string {
	return fmt.Sprintf("the token for %v is in the system's keyring, which does not give it: %v", e.Server, e.Err)
}

func (e *KeyringError) Unwrap() error { return e.Err }

// Exposed is the error for a file of tokens that others than its owner may read or change.
type Exposed struct {
	File string
	Mode fs.FileMode
}

func (e *Exposed) Error() string {
	return fmt.Sprintf("%s holds tokens, but others than you may open it (mode %04o): 'chmod 600 %s' mends that; if somebody else uses this machine, have the tokens renewed", e.File, e.Mode.Perm(), e.File)
}

// A Damaged is the error for a file that is not as Store writes it.
type Damaged struct {
	File string
	Err  error // shows nothing of the content
}

func (e *Damaged) Error() string {
	return fmt.Sprintf("%s is not as 'godown login' writes it (%v): mend it, or remove it and log in again", e.File, e.Err)
}

func (e *Damaged) Unwrap() error { return e.Err }

// format is the version of the file that we write, and the only one that we read.
const format = 1

// maxFile is how large the file may be, in bytes.
const maxFile = 4 << 20

// A book is the content of the file.
type book struct {
	Version int     `json:"version"`
	Logins  []entry `json:"logins"`
}

type entry struct {
	Server Server    `json:"server"`
	User   string    `json:"user,omitempty"`
	Store  Place     `json:"store"`
	Token  string    `json:"token,omitempty"` // where Store is File
	Since  time.Time `json:"since"`
}

func (e entry) login() Login {
	return Login{Server: e.Server, User: e.User, Token: Secret(e.Token), Place: e.Store, Since: e.Since}
}

// List returns the logins without tokens, by server. No file has none.
func (s *Store) List() ([]Login, error) {
	b, err := s.read()
	var list []Login
	for _, e := range b.Logins {
		e.Token = ""
		list = append(list, e.login())
	}
	return list, err
}

// Logins returns the logins for those servers that are wanted, with their tokens. Errors of the
// keyring, a *KeyringError each, come beside what there is in spite of them.
func (s *Store) Logins(ctx context.Context, want func(Server) bool) ([]Login, error) {
	b, err := s.read()
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.patience(ctx)
	defer cancel()
	var list []Login
	var failures []error
	for _, e := range b.Logins {
		if !want(e.Server) {
			continue
		}
		if e.Store == Keyring {
			e.Token, err = s.fromKeyring(ctx, e.Server)
		}
		if err != nil {
			failures = append(failures, &KeyringError{e.Server, err})
			err = nil
			continue
		}
		list = append(list, e.login())
	}
	return list, errors.Join(failures...)
}

var errNoKeyring = errors.New("there is no keyring here")

func (s *Store) fromKeyring(ctx context.Context, server Server) (string, error) {
	if s.Keyring == nil {
		return "", errNoKeyring
	}
	return s.Keyring.Get(ctx, server.String())
}

// Add stores a login, in place of an earlier one for its server, at its Place:
// Keyring or File. Where the keyring fails nothing has changed.
func (s *Store) Add(ctx context.Context, l Login) error {
	if err := l.Check(); err != nil {
		return err
	}
	e := entry{Server: l.Server, User: l.User, Store: l.Place, Since: l.Since.UTC().Truncate(time.Second)}
	stale := false
	err := s.change(ctx, func(b *book) error {
		ctx, cancel := s.patience(ctx)
		defer cancel()
		i := slices.IndexFunc(b.Logins, func(old entry) bool { return old.Server == l.Server })
		switch {
		case l.Place == Keyring:
			if err := s.toKeyring(ctx, l); err != nil {
				return &KeyringError{l.Server, err}
			}
		case l.Place == File:
			e.Token = string(l.Token)
			stale = i >= 0 && b.Logins[i].Store == Keyring && s.Keyring != nil
		default:
			return fmt.Errorf("a token is not stored in %q", l.Place)
		}
		if i >= 0 {
			b.Logins[i] = e
		} else {
			b.Logins = append(b.Logins, e)
		}
		slices.SortFunc(b.Logins, func(x, y entry) int { return strings.Compare(x.Server.String(), y.Server.String()) })
		return nil
	})
	if err == nil && stale { // not before: where the file cannot be written, the earlier login holds
		ctx, cancel := s.patience(ctx)
		defer cancel()
		_ = s.Keyring.Delete(ctx, l.Server.String()) // it is not looked at any more
	}
	return err
}

// toKeyring stores a token and looks whether it can be had again: some keyrings take it and forget it.
func (s *Store) toKeyring(ctx context.Context, l Login) error {
	if s.Keyring == nil {
		return errNoKeyring
	}
	if err := s.Keyring.Set(ctx, l.Server.String(), string(l.Token)); err != nil {
		return err
	}
	got, err := s.Keyring.Get(ctx, l.Server.String())
	if err == nil && got != string(l.Token) {
		err = errors.New("it gave back something else than it was given")
	}
	return err
}

// Remove forgets the logins for those servers that are wanted, and returns them
// without tokens. One whose token the keyring does not give up stays, with a *KeyringError.
func (s *Store) Remove(ctx context.Context, want func(Server) bool) (gone []Login, err error) {
	if b, err := s.read(); err == nil && !slices.ContainsFunc(b.Logins, func(e entry) bool { return want(e.Server) }) {
		return nil, nil // and no file is made for that
	}
	var failures []error
	err = s.change(ctx, func(b *book) error {
		ctx, cancel := s.patience(ctx)
		defer cancel()
		b.Logins = slices.DeleteFunc(b.Logins, func(e entry) bool {
			if !want(e.Server) {
				return false
			}
			if e.Store == Keyring {
				err := errNoKeyring
				if s.Keyring != nil {
					err = s.Keyring.Delete(ctx, e.Server.String())
				}
				if err != nil && !errors.Is(err, ErrNoSecret) {
					failures = append(failures, &KeyringError{e.Server, err})
					return false
				}
			}
			e.Token = ""
			gone = append(gone, e.login())
			return true
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gone, errors.Join(failures...)
}

// read reads the file.
func (s *Store) read() (book, error) {
	none := book{Version: format}
	info, err := os.Stat(s.File)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	if !info.Mode().IsRegular() { // to open a pipe could block for ever
		return none, &Damaged{s.File, errors.New("it is no regular file")}
	}
	f, err := os.Open(s.File)
	if err != nil {
		return none, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return none, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 { // there, a profile is its owner's only
		return none, &Exposed{s.File, info.Mode()}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return none, err
	}
	b, err := parseBook(data)
	if err != nil {
		return none, &Damaged{s.File, err}
	}
	return b, nil
}

// parseBook parses the file. No error shows anything of a token.
func parseBook(data []byte) (book, error) {
	none := book{Version: format}
	if len(data) > maxFile {
		return none, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	var b book
	if err := json.Unmarshal(data, &b); err != nil {
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			return none, fmt.Errorf("it is no JSON: an error at byte %d", e.Offset)
		}
		if e, ok := errors.AsType[*BadServer](err); ok {
			return none, e
		}
		return none, errors.New("it is JSON of another form")
	}
	if b.Version != format {
		return none, fmt.Errorf("it is of version %d, and version %d is known; a newer godown may have written it", b.Version, format)
	}
	seen := make(map[Server]bool)
	for i, e := range b.Logins {
		switch {
		case e.Server == Server{} || seen[e.Server]:
			return none, fmt.Errorf("login %d has no server, or that of another", i+1)
		case e.Store != File && e.Store != Keyring:
			return none, fmt.Errorf(`login %d, for %v, is stored neither in "file" nor in "keyring"`, i+1, e.Server)
		case e.Store == Keyring && e.Token != "":
			return none, fmt.Errorf("login %d, for %v, is said to be in the keyring, but has a token", i+1, e.Server)
		case e.Store == File:
			if err := e.login().Check(); err != nil {
				return none, fmt.Errorf("login %d, for %v: %w", i+1, e.Server, err)
			}
		}
		seen[e.Server] = true
	}
	return b, nil
}

// change changes the file, as a whole or not at all, and one process at a time.
func (s *Store) change(ctx context.Context, by func(*book) error) error {
	dir := filepath.Dir(s.File)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	unlock, err := lock(ctx, s.File+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	b, err := s.read()
	if err != nil {
		return err
	}
	if err := by(&b); err != nil {
		return err
	}
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(b); err != nil {
		return err
	}
	return replace(s.File, data.Bytes())
}

// replace writes a file that only its owner may read, as a whole or not at all.
func replace(name string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+"-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
