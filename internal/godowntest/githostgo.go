package godowntest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Direct is the real go command with GOPROXY=direct before a [GitHost]: what it
// says is what any other client of the same repositories is measured by. It
// has a module cache of its own, and so it never sees twice what is fixed for
// it, such as a tag that moves later: take a new Direct for that.
type Direct struct {
	Env []string // further settings, as KEY=value, such as GOPRIVATE=*

	// Alone asks for each query with a module cache that holds clones only, at
	// the price of a go command each. Else the Origin in an .info may be that of another query
	// for the same version, and come out otherwise the next time.
	Alone bool

	host  *GitHost
	dir   string
	alone int // caches made; not for concurrent use
}

// A DirectAnswer is what the go command says of a module.
type DirectAnswer struct {
	Path     string
	Versions []string // go list -m -versions -retracted
	Err      string   // why there is no list
	Queries  []DirectVersion
}

// A DirectVersion is what the go command says of a version or query.
type DirectVersion struct {
	Query   string
	Version string // what it resolves to
	Info    string // content of the .info file
	Mod     string // content of the .mod file
	Sum     string // the zip's hash, as in go.sum
	ModSum  string // the .mod's
	Zip     string // path of the zip file, which the test's end removes
	Err     string // why there is no zip; what stands above is what there is nevertheless
}

// Direct returns a go command with an empty module cache.
func (h *GitHost) Direct(tb testing.TB) *Direct {
	tb.Helper()
	return &Direct{host: h, dir: tb.TempDir()}
}

// Ask asks for a module's list and for some versions and queries, all in two
// go commands unless Alone. A Direct does one thing at a time.
func (d *Direct) Ask(tb testing.TB, path string, queries ...string) DirectAnswer {
	tb.Helper()
	a, err := d.Answer(tb.Context(), path, queries...)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// AskAll asks for all that a repository's script says is worth asking.
func (d *Direct) AskAll(tb testing.TB, r *GitRepo) []DirectAnswer {
	tb.Helper()
	var all []DirectAnswer
	for _, m := range r.Modules {
		all = append(all, d.Ask(tb, m.Path, m.Queries...))
	}
	return all
}

// Answer is [Direct.Ask] for programs. Its error is that of running the go
// command; what that has to say against a module is part of the answer.
func (d *Direct) Answer(ctx context.Context, path string, queries ...string) (DirectAnswer, error) {
	a := DirectAnswer{Path: path}
	var list struct {
		Versions []string
		Error    *struct{ Err string }
	}
	out, stderr, err := d.run(ctx, "list", "-m", "-e", "-versions", "-retracted", "-json", path)
	if err != nil {
		return a, err
	}
	switch err := json.Unmarshal(out, &list); {
	case err != nil:
		a.Err = stderr
	case list.Error != nil:
		a.Err = list.Error.Err
	}
	a.Versions = list.Versions
	if len(queries) == 0 {
		return a, nil
	}
	size := len(queries)
	if d.Alone {
		size = 1
	}
	for some := range slices.Chunk(queries, size) {
		versions, err := d.download(ctx, path, some)
		if err != nil {
			return a, err
		}
		a.Queries = append(a.Queries, versions...)
	}
	return a, nil
}

// download asks for some versions. One that is malformed makes the go command
// refuse all, and so they are asked for by halves then.
func (d *Direct) download(ctx context.Context, path string, queries []string) ([]DirectVersion, error) {
	all, stderr, err := d.downloadAll(ctx, path, queries)
	switch {
	case err != nil || len(all) == len(queries):
		return all, err
	case len(queries) == 1:
		return []DirectVersion{{Query: queries[0], Err: stderr}}, nil
	}
	first, err := d.download(ctx, path, queries[:len(queries)/2])
	if err != nil {
		return nil, err
	}
	second, err := d.download(ctx, path, queries[len(queries)/2:])
	return append(first, second...), err
}

// downloadAll asks for some versions at once.
func (d *Direct) downloadAll(ctx context.Context, path string, queries []string) (all []DirectVersion, stderr string, err error) {
	args := []string{"mod", "download", "-json"}
	for _, q := range queries {
		args = append(args, path+"@"+q)
	}
	out, stderr, err := d.run(ctx, args...)
	if err != nil {
		return nil, "", err
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var m struct{ Path, Version, Error, Info, GoMod, Zip, Sum, GoModSum string }
		if err := dec.Decode(&m); err == io.EOF {
			break
		} else if err != nil {
			return nil, "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		if len(all) == len(queries) || m.Path != path {
			return nil, "", fmt.Errorf("go %s answers with what was not asked for:\n%s", strings.Join(args, " "), out)
		}
		v := DirectVersion{
			Query: queries[len(all)], Version: m.Version,
			Sum: m.Sum, ModSum: m.GoModSum, Zip: m.Zip, Err: m.Error,
		}
		if v.Info, err = content(m.Info); err != nil {
			return nil, "", err
		}
		if v.Mod, err = content(m.GoMod); err != nil {
			return nil, "", err
		}
		all = append(all, v)
	}
	return all, stderr, nil
}

// run runs the go command. That it exits with a failure is no error.
func (d *Direct) run(ctx context.Context, args ...string) (stdout []byte, stderr string, err error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = d.dir
	cmd.Env = append(cmd.Environ(), GoEnv(d.dir, "direct", "off")...)
	cmd.Env = append(cmd.Env, d.host.Env()...)
	if d.Alone {
		cache, err := d.cache()
		if err != nil {
			return nil, "", err
		}
		cmd.Env = append(cmd.Env, "GOMODCACHE="+cache)
	}
	cmd.Env = append(cmd.Env, "GOFLAGS=-modcacherw", "GOVCS=", "GO111MODULE=on", "LC_ALL=C", "TMPDIR="+d.dir)
	cmd.Env = append(cmd.Env, d.Env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return nil, "", err
	}
	return out.Bytes(), strings.TrimSpace(errs.String()), ctx.Err()
}

// cache makes a module cache that has nothing but the clones of all.
func (d *Direct) cache() (string, error) {
	d.alone++
	clones := filepath.Join(d.dir, "modcache", "cache", "vcs")
	dir := filepath.Join(d.dir, fmt.Sprintf("alone-%d", d.alone))
	return dir, errors.Join(
		os.MkdirAll(clones, 0o700),
		os.MkdirAll(filepath.Join(dir, "cache"), 0o700),
		os.Symlink(clones, filepath.Join(dir, "cache", "vcs")))
}

// content returns what is in a file; of none, if it has no name, nothing.
func content(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	data, err := os.ReadFile(name)
	return string(data), err
}
