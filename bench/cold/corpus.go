package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/godown-dev/godown"
)

// A corpus is a folder of real modules: a GOMODCACHE, of which cache/download
// is what mirrors serve, and sets/NAME/go.mod and go.sum. It does not change
// while it is measured.
type corpus struct {
	dir      string
	versions map[string][]string // of each module path those with a .mod file, lowest first
}

// openCorpus reads which versions a folder has.
func openCorpus(dir string) (*corpus, error) {
	c := &corpus{dir: dir, versions: make(map[string][]string)}
	root := c.file("")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if rel == "sumdb" { // what the go command remembers of the public database
			return fs.SkipDir
		}
		if req, err := godown.ParseRequest(filepath.ToSlash(rel)); err == nil && req.Kind == godown.Mod {
			c.versions[req.Path] = append(c.versions[req.Path], req.Version)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	for _, list := range c.versions {
		slices.SortFunc(list, semver.Compare)
	}
	return c, nil
}

// file returns where a file with a mirror's name is.
func (c *corpus) file(name string) string {
	return filepath.Join(c.dir, "cache", "download", filepath.FromSlash(name))
}

// url returns the corpus as a GOPROXY of its own.
func (c *corpus) url() string {
	path := filepath.ToSlash(c.file(""))
	if !strings.HasPrefix(path, "/") { // C:/…
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

func (c *corpus) knows(path, version string) bool { return slices.Contains(c.versions[path], version) }

// read returns the content of any file but a zip. Lists and latest versions
// are made of what there is. So is an .info that the corpus lacks, as it does
// for a version of which only the .mod was needed: a real mirror would have it.
func (c *corpus) read(req godown.Request) ([]byte, error) {
	all := c.versions[req.Path]
	if len(all) == 0 {
		return nil, fs.ErrNotExist
	}
	switch req.Kind {
	case godown.List:
		var text []byte
		for _, v := range all {
			if !module.IsPseudoVersion(v) {
				text = append(text, v+"\n"...)
			}
		}
		return text, nil
	case godown.Latest:
		return c.read(godown.Request{Kind: godown.Info, Path: req.Path, Version: latest(all)})
	}
	data, err := os.ReadFile(c.file(req.Name()))
	if req.Kind != godown.Info || !errors.Is(err, fs.ErrNotExist) || !c.knows(req.Path, req.Version) {
		return data, err
	}
	at, err := module.PseudoVersionTime(req.Version)
	if err != nil {
		at = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	return json.Marshal(struct {
		Version string
		Time    time.Time
	}{req.Version, at})
}

// latest returns the highest release, else the highest pre-release, else the
// newest pseudo-version.
func latest(versions []string) string {
	rank := func(v string) int {
		switch {
		case module.IsPseudoVersion(v):
			return 0
		case semver.Prerelease(v) != "":
			return 1
		}
		return 2
	}
	age := func(v string) int64 {
		at, err := module.PseudoVersionTime(v)
		if err != nil {
			return 0
		}
		return at.Unix()
	}
	return slices.MaxFunc(versions, func(v, w string) int {
		return cmp.Or(cmp.Compare(rank(v), rank(w)), cmp.Compare(age(v), age(w)), semver.Compare(v, w))
	})
}

// zipSum returns the h1 hash of a zip, as the go command has noted it beside.
func (c *corpus) zipSum(req godown.Request) (string, error) {
	name := c.file(req.Name())
	data, err := os.ReadFile(name + "hash")
	if errors.Is(err, fs.ErrNotExist) {
		return dirhash.HashZip(name, dirhash.Hash1)
	}
	return strings.TrimSpace(string(data)), err
}

// A set is what a run downloads.
type set struct {
	name         string
	goMod, goSum []byte
	zips         []string // names of those that a right run gets, sorted; it may get more
	size         int64    // of these, bytes
}

// set reads a set. The zips are those of the modules that its go.mod requires
// or, if only the packages of one program are wanted, those in its go.sum.
func (c *corpus) set(name string, program bool) (*set, error) {
	s := &set{name: name}
	dir := filepath.Join(c.dir, "sets", name)
	var err error
	if s.goMod, err = os.ReadFile(filepath.Join(dir, "go.mod")); err != nil {
		return nil, err
	}
	if s.goSum, err = os.ReadFile(filepath.Join(dir, "go.sum")); err != nil {
		return nil, err
	}
	needed := summed(s.goSum)
	if !program {
		if needed, err = required(filepath.Join(dir, "go.mod"), s.goMod); err != nil {
			return nil, err
		}
	}
	for _, v := range needed {
		name := godown.Request{Kind: godown.Zip, Path: v.Path, Version: v.Version}.Name()
		info, err := os.Stat(c.file(name))
		if err != nil {
			return nil, fmt.Errorf("the corpus is not complete; remove %s and start again: %w", dir, err)
		}
		s.zips, s.size = append(s.zips, name), s.size+info.Size()
	}
	slices.Sort(s.zips)
	return s, nil
}

// required returns the modules of a go.mod after its replacements.
func required(name string, goMod []byte) (list []module.Version, err error) {
	f, err := modfile.Parse(name, goMod, nil)
	if err != nil {
		return nil, err
	}
	for _, r := range f.Require {
		v := r.Mod
		for _, by := range f.Replace {
			if by.Old.Path == v.Path && (by.Old.Version == "" || by.Old.Version == v.Version) {
				v = by.New
			}
		}
		if v.Version != "" { // else a folder
			list = append(list, v)
		}
	}
	return list, nil
}

// summed returns the modules whose zips have a line in a go.sum.
func summed(goSum []byte) (list []module.Version) {
	for line := range strings.Lines(string(goSum)) {
		if f := strings.Fields(line); len(f) == 3 && !strings.HasSuffix(f[1], "/go.mod") {
			list = append(list, module.Version{Path: f[0], Version: f[1]})
		}
	}
	return list
}

// check compares every zip below a GOMODCACHE with the corpus's, and says what
// is wrong; "" is nothing.
func (s *set) check(c *corpus, modcache string) string {
	root := filepath.Join(modcache, "cache", "download")
	there := make(map[string]bool)
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(file) != ".zip" {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		there[name] = true
		same, err := sameFiles(file, c.file(name))
		if err == nil && !same {
			err = fmt.Errorf("wrong bytes in %s", name)
		}
		return err
	})
	if err != nil {
		return err.Error()
	}
	for _, name := range s.zips {
		if !there[name] {
			return name + " is not there"
		}
	}
	return ""
}

// sameFiles reports whether two files have the same bytes.
func sameFiles(a, b string) (bool, error) {
	x, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer x.Close()
	y, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer y.Close()
	p, q := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		n, err := io.ReadFull(x, p)
		k, otherErr := io.ReadFull(y, q)
		ended := err == io.EOF || err == io.ErrUnexpectedEOF
		switch {
		case err != nil && !ended:
			return false, err
		case otherErr != nil && otherErr != io.EOF && otherErr != io.ErrUnexpectedEOF:
			return false, otherErr
		case !bytes.Equal(p[:n], q[:k]):
			return false, nil
		case ended:
			return true, nil // the other one has no full buffer either
		}
	}
}
