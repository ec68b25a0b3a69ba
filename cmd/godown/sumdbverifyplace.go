package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/obs"
	"github.com/godown-dev/godown/internal/sumlog"
	"github.com/godown-dev/godown/internal/sumlog/audit"
	"golang.org/x/mod/sumdb/note"
)

// A sumPlace is where a database is read: in the data folder if it is zero, but for key.
type sumPlace struct {
	key    string // the public key; empty: one that is known
	url    *url.URL
	folder string
	own    string // the data folder's file, for people
}

// String returns where that is, for people.
func (p sumPlace) String() string {
	switch {
	case p.url != nil:
		shown := *p.url
		shown.User = nil
		return shown.String()
	case p.folder != "":
		return p.folder
	}
	return p.own
}

// parseSumPlace parses the arguments of sumdb verify.
func parseSumPlace(args []string) (sumPlace, error) {
	var p sumPlace
	if len(args) == 0 {
		return p, nil
	}
	if strings.Contains(strings.Join(args, " "), privateKeyMark) {
		return p, errors.New("one argument is a private key; to verify takes the public one only. Take it for known to others now")
	}
	where := args[len(args)-1]
	if len(args) == 1 && !isFolder(where) {
		if fields := strings.Fields(where); len(fields) == 2 { // a value of GOSUMDB
			args, where = fields, fields[1]
		}
	}
	if len(args) == 2 {
		p.key = args[0]
	} else if !isFolder(where) && !strings.Contains(where, "://") {
		p.key, where = where, "" // the place follows from the name
	}
	if p.key != "" {
		spec, err := godown.ParseSumDB(p.key)
		if err != nil {
			return p, fmt.Errorf("%q is neither a folder, a URL, nor a database whose key is known (%w)", maskSecrets(p.key), errors.New(maskSecrets(err.Error())))
		}
		p.key, p.url = spec.Key, spec.URL
		if where == "" && p.url == nil {
			p.url = &url.URL{Scheme: "https", Host: spec.Name}
			if host, rest, ok := strings.Cut(spec.Name, "/"); ok {
				p.url.Host, p.url.Path = host, "/"+rest
			}
		}
	}
	switch {
	case where == "":
	case isFolder(where):
		p.folder, p.url = where, nil
	default:
		u, err := url.Parse(where)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return p, fmt.Errorf("%q is neither the URL of a checksum database, such as https://sum.corp.example, nor a folder", maskSecrets(where))
		}
		p.url = u
	}
	return p, nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// open makes the auditor of a place.
func (v *sumVerifying) open(ctx context.Context, place *sumPlace) error {
	seen, err := godown.OpenDir(filepath.Join(v.cfg.Data, "sumdb-seen"))
	if err != nil {
		return fmt.Errorf("the folder for the heads that were seen: %w; name another with --data", err)
	}
	v.seen = &seenHeads{seen}
	v.closePlaces = append(v.closePlaces, seen.Close)
	switch {
	case place.url != nil:
		observer := obs.New(slog.New(slog.DiscardHandler), false)
		up := databaseUpstream(v.cfg, observer, place.url)
		v.auditor.Get = up.Get
	case place.folder != "":
		root, err := os.OpenRoot(place.folder)
		if err != nil {
			return err
		}
		v.closePlaces = append(v.closePlaces, root.Close)
		v.auditor.Get = audit.Folder(root.FS())
	default:
		return v.openOwn(ctx, place)
	}
	return v.identify(ctx, place)
}

// openOwn makes the auditor of the database in the data folder, and lists the modules there.
func (v *sumVerifying) openOwn(ctx context.Context, place *sumPlace) error {
	db, err := openKnownSumDB(ctx, v.cfg)
	if err != nil {
		return err
	}
	v.closePlaces = append(v.closePlaces, db.Close)
	place.own = filepath.Join(db.store.Path(), filepath.FromSlash(db.name))
	v.auditor.Name, v.auditor.Verifiers = db.name, note.VerifierList(db.verifiers...)
	s, err := sumlog.OpenSnapshot(ctx, db.store, db.name, db.verifiers, nil)
	if err != nil {
		return err
	}
	v.auditor.Get = s.Raw
	v.modules, err = listModules(ctx, v.cfg)
	return err
}

// identify finds out, by the head, which database it is and in which format.
func (v *sumVerifying) identify(ctx context.Context, place *sumPlace) error {
	keys := map[string][]string{} // by name of the database
	public, err := godown.ParseSumDB("sum.golang.org")
	if err != nil {
		return err
	}
	keys[public.Name] = []string{public.Key}
	if err := v.addKnown(ctx, keys); err != nil {
		return err
	}
	if place.key != "" {
		spec, err := godown.ParseSumDB(place.key)
		if err != nil {
			return err
		}
		keys = map[string][]string{spec.Name: append(keys[spec.Name], spec.Key)}
		v.auditor.Name = spec.Name
	}
	var all []string
	for _, list := range keys {
		all = append(all, list...)
	}
	known, err := publicVerifiers(all)
	if err != nil {
		return err
	}
	v.auditor.Verifiers = note.VerifierList(known...)
	signed, err := v.auditor.Get(ctx, "latest")
	if errors.Is(err, fs.ErrNotExist) {
		if signed, err = v.auditor.Get(ctx, "checkpoint"); err == nil {
			v.auditor.Format = audit.TilesFormat
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &unreachable{fmt.Errorf("there is no checksum database at %s: it has neither the file latest nor checkpoint; a proxy has them below /sumdb/NAME", place)}
	}
	if err != nil {
		return &unreachable{fmt.Errorf("the checksum database at %s: %w", place, err)}
	}
	if v.auditor.Name != "" {
		return nil // that its head is not signed with the key is a finding
	}
	n, err := note.Open(signed, v.auditor.Verifiers)
	if err != nil {
		return fmt.Errorf("what is at %s is not signed with a key that is known here (%w): give the database's public key, as in GOSUMDB, before it", place, err)
	}
	v.auditor.Name = n.Sigs[0].Name
	return nil
}

// addKnown adds the keys of the databases in the data folder.
func (v *sumVerifying) addKnown(ctx context.Context, keys map[string][]string) error {
	folder := sumDBFolder(v.cfg)
	names, err := listSumDBs(folder)
	if err != nil || len(names) == 0 {
		return err
	}
	store, err := godown.OpenDir(folder)
	if err != nil {
		return err
	}
	defer store.Close()
	for _, name := range names {
		about, _, err := readAbout(ctx, store, name)
		if err != nil {
			return err
		}
		if about != nil {
			keys[name] = append(keys[name], about.Keys...)
		}
	}
	return nil
}

// seenHeads are the heads that were seen, by the name of the database.
type seenHeads struct{ store *godown.Dir }

// get returns what was seen of a database; zero if nothing was.
func (s *seenHeads) get(ctx context.Context, name string) (audit.Seen, error) {
	var seen audit.Seen
	f, err := s.store.Open(ctx, path.Join(name, "seen"))
	if errors.Is(err, fs.ErrNotExist) {
		return seen, nil
	}
	if err != nil {
		return seen, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f.Reader(), 4<<20))
	if err == nil {
		err = json.Unmarshal(data, &seen)
	}
	if err != nil {
		return seen, fmt.Errorf("the head that was seen, %s: %w; if you remove that file, no earlier history is compared with", filepath.Join(s.store.Path(), filepath.FromSlash(name), "seen"), err)
	}
	return seen, nil
}

// put replaces what was seen, unless another process has done so meanwhile.
func (s *seenHeads) put(ctx context.Context, name string, last, seen audit.Seen) error {
	ctx = context.WithoutCancel(ctx) // what a signal has stopped is kept, too
	var old []byte
	if len(last.Signed) > 0 {
		var err error
		if old, err = json.Marshal(last); err != nil {
			return err
		}
	}
	data, err := json.Marshal(seen)
	if err != nil || bytes.Equal(data, old) {
		return err
	}
	if err = s.store.Swap(ctx, path.Join(name, "seen"), old, data); errors.Is(err, godown.ErrChanged) {
		return errors.New("another verification has kept one meanwhile")
	}
	return err
}
