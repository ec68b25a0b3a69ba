package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

// A Receipt says what was published.
type Receipt struct {
	H1    string // hash of the zip as go.sum has it, "h1:…"
	There bool   // it was there already, with the same content
}

// Check says whether a version may be published here, as far as that can be
// told without its zip: an *[Unfit] says that it can be nowhere, a
// *godown.Denied that it is outside of Prefixes.
func (s *Shelf) Check(path, version string) error {
	if err := CheckVersion(path, version); err != nil {
		return err
	}
	if s.Prefixes == "" {
		return &godown.Denied{Rule: "publish", Reason: "nothing may be published here: no prefixes of modules are configured"}
	}
	if !module.MatchPrefixPatterns(s.Prefixes, path) {
		return &godown.Denied{Rule: "publish", Reason: fmt.Sprintf("%s is none of the modules that may be published here: %s", path, s.Prefixes)}
	}
	return nil
}

// Publish puts a version on the shelf, once and for ever: the same content
// again changes nothing, other content is a *[Conflict]. Content is the same if
// it has the same hash, however it was packed. Of several at the same time for
// one version one comes first. What breaks a rule is an *[Unfit] or a
// *godown.Denied; any other error is of zip, the Store or ctx, and leaves
// nothing that is served.
//
// zip is not closed; if it is a file of the Store's own Stage it is moved.
func (s *Shelf) Publish(ctx context.Context, path, version string, zip io.ReaderAt, size int64) (Receipt, error) {
	if err := s.Check(path, version); err != nil {
		return Receipt{}, err
	}
	v := module.Version{Path: path, Version: version}
	h1, mod, err := CheckZip(ctx, v, zip, size)
	if err != nil {
		return Receipt{}, err
	}
	release, err := s.claim(ctx, v)
	if err != nil {
		return Receipt{}, err
	}
	defer release()
	have, err := s.have(ctx, v)
	if err == nil && have == "" && s.Known != nil {
		knownZip, knownMod := s.Known(ctx, path, version)
		if knownZip != "" && knownZip != h1 {
			return Receipt{}, &Conflict{path, version, knownZip, h1}
		}
		if modSum := godown.HashMod(mod); knownMod != "" && knownMod != modSum {
			return Receipt{}, &Conflict{path, version, knownMod, modSum}
		}
	}
	switch {
	case err != nil:
		return Receipt{}, err
	case have != "" && have != h1:
		return Receipt{}, &Conflict{path, version, have, h1}
	case have == "":
		if err := s.put(ctx, v, zip, size, mod); err != nil {
			return Receipt{}, fmt.Errorf("publishing %v: %w", v, err)
		}
	}
	if s.Published != nil {
		s.Published(path, version)
	}
	return Receipt{H1: h1, There: have != ""}, nil
}

// claim waits until nobody else is busy with v.
func (s *Shelf) claim(ctx context.Context, v module.Version) (release func(), err error) {
	for {
		s.mu.Lock()
		other, taken := s.busy[v]
		if !taken {
			if s.busy == nil {
				s.busy = make(map[module.Version]chan struct{})
			}
			done := make(chan struct{})
			s.busy[v] = done
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				delete(s.busy, v)
				s.mu.Unlock()
				close(done)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another who publishes %v: %w", v, context.Cause(ctx))
		}
	}
}

// have returns the hash of v's zip, or nothing if v does not exist.
func (s *Shelf) have(ctx context.Context, v module.Version) (string, error) {
	info, err := s.Store.Open(ctx, file(godown.Info, v))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("published modules: %w", err)
	}
	info.Close()
	f, err := s.part(ctx, godown.Request{Kind: godown.Mod, Path: v.Path, Version: v.Version})
	if err != nil {
		return "", err
	}
	f.Close()
	if f, err = s.part(ctx, godown.Request{Kind: godown.Zip, Path: v.Path, Version: v.Version}); err != nil {
		return "", err
	}
	defer f.Close()
	h1, err := hash(ctx, v, f)
	if bad, ok := errors.AsType[*godown.Mismatch](err); ok {
		return "", damaged(v, "its .zip is bad: "+bad.Reason)
	}
	if err != nil {
		return "", fmt.Errorf("published modules: %w", err)
	}
	return h1, nil
}

func file(kind godown.Kind, v module.Version) string {
	return godown.Request{Kind: kind, Path: v.Path, Version: v.Version}.Name()
}

// hash returns the hash of a stored zip.
func hash(ctx context.Context, v module.Version, f *godown.File) (string, error) {
	r, ok := f.Reader().(io.ReaderAt)
	if !ok { // a store without a disk of ours: a copy here
		tmp, err := os.CreateTemp("", "godown-published-")
		if err != nil {
			return "", err
		}
		defer os.Remove(tmp.Name())
		defer tmp.Close()
		if _, err := io.Copy(tmp, f.Reader()); err != nil {
			return "", err
		}
		r = tmp
	}
	return godown.CheckZip(ctx, godown.Request{Kind: godown.Zip, Path: v.Path, Version: v.Version}, r, f.Size)
}

// put stores v's files, the .info last: with it v begins to exist.
func (s *Shelf) put(ctx context.Context, v module.Version, zip io.ReaderAt, size int64, mod []byte) error {
	var content io.Reader = io.NewSectionReader(zip, 0, size)
	if f, ok := zip.(*os.File); ok { // perhaps one that the Store can move
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if info.Size() == size {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return err
			}
			content = f
		}
	}
	if err := s.Store.Put(ctx, file(godown.Zip, v), content); err != nil {
		return err
	}
	if err := s.Store.Put(ctx, file(godown.Mod, v), bytes.NewReader(mod)); err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{v.Version, time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	return s.Store.Put(ctx, file(godown.Info, v), bytes.NewReader(info))
}
