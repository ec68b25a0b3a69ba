// Package vcs answers requests for modules from their origin, the version
// control system in which they are developed.
//
// [GoCommand] does it by running the go command, which knows every system
// (git, Mercurial, Subversion, Fossil, Bazaar), every rule of import paths and
// versions, and makes the zip whose hash the rest of the world has seen.
package vcs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// A GoCommand is a [godown.Source] that answers from the origin by running the
// go command with GOPROXY=direct, in an environment of its own: neither the
// module cache nor the go settings of its user are read or written, while the
// user's credentials for version control (ssh agent, git configuration,
// .netrc) are used. Nothing is verified here: that is the reader's part.
//
// A request causes no more work than its answer needs: only [godown.Zip] makes
// a zip. Repositories are cloned once, into Dir/vcs, which many processes
// may share.
//
// An error is an [fs.ErrNotExist] only if the origin was asked and said so (see
// errors.go); an origin that cannot be reached, or wants credentials, never is.
//
// Fields must not be changed after the first Fetch.
type GoCommand struct {
	Go      string        // path of the go command; empty: "go", found in the PATH of Env
	Dir     string        // for scratch and clones; made if missing; may be shared by processes
	Env     []string      // the environment to start from, such as os.Environ(); see environ for what is kept
	Jobs    int           // how many go commands may run at once; 0: 4
	Timeout time.Duration // of one go command; 0: 10 min

	Guard   *Guard // which addresses may be reached over HTTP; nil: all
	Private string // patterns of the modules that are private, as in GOPRIVATE: for these any address may be
	GoVCS   string // GOVCS; empty: that of Env

	once  sync.Once
	slots chan struct{} // one element for each go command that runs
}

var _ godown.Source = (*GoCommand)(nil)

// Fetch asks the origin. The Body of a zip is a file that is removed on Close.
func (g *GoCommand) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	if err := check(req); err != nil {
		return nil, err
	}
	f, err := g.fetch(ctx, req)
	if broken := (*brokenClone)(nil); errors.As(err, &broken) && g.discard(broken.name) {
		f, err = g.fetch(ctx, req)
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, fmt.Errorf("direct: %v: %w", req, err)
	}
	f.Origin = "direct"
	return f, nil
}

// check refuses what the go command would take for something else than a
// module and a version of it. Paths and queries come from anywhere, and not
// every caller has them from [godown.ParseRequest], whose rules keep out what
// begins with a dash, slashes in versions, and versions that are not canonical.
func check(req godown.Request) error {
	parsed, err := godown.ParseRequest(req.Name())
	switch v := req.Version; {
	case err != nil || parsed != req:
		return &godown.NotFound{Text: fmt.Sprintf("%.400q is not a module, or %.100q not a version of it", req.Path, v)}
	case strings.HasPrefix(v, "-"):
		return &godown.NotFound{Text: fmt.Sprintf("%s: %.100q cannot name a version", req.Path, v)}
	case strings.Contains(req.Path, "..."):
		return &godown.NotFound{Text: req.Path + ": the go command takes a path with an ellipsis for a pattern"}
	case v == "none" || v == "upgrade" || v == "patch":
		return &godown.NotFound{Text: fmt.Sprintf("%s: %q names no version outside of a main module", req.Path, v)}
	}
	return nil
}

// fetch runs one go command for req.
func (g *GoCommand) fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	release, err := g.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	s, err := g.newScratch()
	if err != nil {
		return nil, err
	}
	f, err := g.answer(ctx, s, req)
	if err != nil || f.Body == nil {
		s.remove()
	}
	return f, err
}

// answer runs one go command for req in s. With -e the go command reports
// errors as JSON; with -v it shows what git said while it looked for a protocol
// by which a repository can be reached, which is otherwise lost.
func (g *GoCommand) answer(ctx context.Context, s *scratch, req godown.Request) (*godown.File, error) {
	list := []string{"list", "-m", "-e", "-v", "-json"}
	var args []string
	switch req.Kind {
	case godown.List: // -retracted: a proxy lists retracted versions, and the client leaves them out
		args = append(list, "-versions", "-retracted", req.Path)
	case godown.Latest:
		args = append(list, req.Path+"@latest")
	case godown.Zip:
		args = []string{"mod", "download", "-json", req.Path + "@" + req.Version}
	default: // stores the .info and .mod in the module cache
		args = append(list, req.Path+"@"+req.Version)
	}
	m, err := g.ask(ctx, s, req, args)
	if err != nil {
		return nil, err
	}
	switch req.Kind {
	case godown.List:
		var b strings.Builder
		for _, v := range m.Versions {
			b.WriteString(v + "\n")
		}
		return godown.NewFile([]byte(b.String())), nil
	case godown.Latest, godown.Info:
		return s.small(godown.Request{Kind: godown.Info, Path: req.Path, Version: m.Version})
	}
	if m.Version != req.Version {
		return nil, &godown.NotFound{Text: fmt.Sprintf("%s@%s: invalid version: resolves to %s", req.Path, req.Version, m.Version)}
	}
	if req.Kind == godown.Mod {
		return s.small(req)
	}
	return s.zip(req)
}

// small returns a file that the go command left in the module cache of s.
func (s *scratch) small(req godown.Request) (*godown.File, error) {
	data, err := os.ReadFile(s.cached(req))
	if err != nil {
		// Not %w: what the go command failed to write may well exist at the origin.
		return nil, fmt.Errorf("the go command reported no error and left no %v file: %v", req.Kind, s.clean(err.Error()))
	}
	return godown.NewFile(data), nil
}

// zip returns the zip that the go command left in the module cache of s. The
// File owns s from then on.
func (s *scratch) zip(req godown.Request) (*godown.File, error) {
	f, err := os.Open(s.cached(req))
	if err != nil {
		return nil, fmt.Errorf("the go command reported no error and left no zip file: %v", s.clean(err.Error()))
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &godown.File{Body: &zipBody{File: f, scratch: s}, Size: info.Size()}, nil
}

// A zipBody is a zip in a scratch directory that goes away with it.
type zipBody struct {
	*os.File
	scratch *scratch
}

// Close closes the file and removes all that the call has left.
func (b *zipBody) Close() error {
	err := b.File.Close()
	b.scratch.remove()
	return err
}
