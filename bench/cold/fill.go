package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/godown-dev/godown"
)

const (
	ginVersion        = "github.com/gin-gonic/gin@v1.11.0"
	prometheusVersion = "github.com/prometheus/prometheus@v0.305.0"
)

// ginModule returns a main module that imports gin, before anything is required.
func ginModule(name string) map[string][]byte {
	return map[string][]byte{
		"go.mod":  []byte("module cold.test/" + name + "\n\ngo 1.24.0\n"),
		"main.go": []byte("package main\n\nimport _ \"github.com/gin-gonic/gin\"\n\nfunc main() {}\n"),
	}
}

// large returns packages of big applications: what these need together has
// about 700 modules.
func large() []string {
	const kubernetes = "@v0.34.1"
	return []string{
		"k8s.io/kubectl/pkg/cmd" + kubernetes,
		"k8s.io/apiserver/pkg/server" + kubernetes,
		"k8s.io/kube-aggregator/pkg/apiserver" + kubernetes,
		"k8s.io/apiextensions-apiserver/pkg/apiserver" + kubernetes,
		"k8s.io/cloud-provider" + kubernetes,
		"k8s.io/sample-controller" + kubernetes,
		"sigs.k8s.io/controller-runtime@v0.22.3",
		"helm.sh/helm/v3/cmd/helm@v3.19.0",
		"github.com/prometheus/prometheus/cmd/prometheus@v0.305.0",
		"go.k6.io/k6/cmd@v1.3.0",
		"github.com/aquasecurity/trivy/cmd/trivy@v0.67.2",
		"github.com/gohugoio/hugo@v0.151.0",
		"github.com/caddyserver/caddy/v2/cmd/caddy@v2.10.2",
		"github.com/aws/aws-sdk-go@v1.55.8",
	}
}

// A filler fills the folder of a corpus with the go command, from wherever the
// user's go command has modules from. What is there already is not fetched
// again, so it can be interrupted at any time.
type filler struct{ dir string }

// fill makes the sets that the folder lacks. A set's folder appears when all
// that belongs to it is there.
func (f *filler) fill(ctx context.Context, names []string) error {
	if err := f.own(); err != nil {
		return err
	}
	for _, name := range names {
		done, work := filepath.Join(f.dir, "sets", name), filepath.Join(f.dir, "sets", "."+name)
		if _, err := os.Stat(done); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		progress("filling %s: set %s", f.dir, name)
		err := os.RemoveAll(work)
		if err == nil {
			err = f.fillSet(ctx, name, work)
		}
		if err == nil {
			err = os.Rename(work, done)
		}
		if err = errors.Join(err, f.tidy()); err != nil {
			return fmt.Errorf("filling %s, set %s: %w", f.dir, name, err)
		}
	}
	return nil
}

// own makes the folder, or sees that it is one of ours: of any other nothing
// may be removed.
func (f *filler) own() error {
	entries, err := os.ReadDir(f.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "sets" }) {
		return fmt.Errorf("%s is no folder of this program: it is not empty, and has no folder sets", f.dir)
	}
	return os.MkdirAll(filepath.Join(f.dir, "sets"), 0o777)
}

// tidy removes the unpacked modules: only the zips are served.
func (f *filler) tidy() error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); e.IsDir() && name != "cache" && name != "sets" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(f.dir, name)))
		}
	}
	return err
}

// fillSet makes go.mod and go.sum in the folder work, and fetches what the set needs.
func (f *filler) fillSet(ctx context.Context, name, work string) error {
	switch name {
	case "small", "get":
		err := writeFiles(work, ginModule(name))
		if err == nil {
			err = f.gocmd(ctx, work, nil, "get", ginVersion)
		}
		if err == nil {
			err = f.gocmd(ctx, work, nil, "mod", "tidy")
		}
		if name == "get" || err != nil {
			return err // it has all sums by now, and no more
		}
	case "app": // an application as it is in its repository
		if err := f.unpackMain(ctx, work, prometheusVersion); err != nil {
			return err
		}
		return f.gocmd(ctx, work, nil, "mod", "download")
	case "large":
		err := writeFiles(work, map[string][]byte{"go.mod": []byte("module cold.test/large\n\ngo 1.24.0\n")})
		if err == nil {
			err = f.gocmd(ctx, work, nil, append([]string{"get"}, large()...)...)
		}
		if err != nil {
			return err
		}
	default:
		return fmt.Errorf("there is no set %q", name)
	}
	return f.complete(ctx, work)
}

// complete adds to go.sum what is missing for a download of all requirements.
// Without arguments go mod download would add nothing.
func (f *filler) complete(ctx context.Context, work string) error {
	name := filepath.Join(work, "go.mod")
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	parsed, err := modfile.Parse(name, data, nil)
	if err != nil {
		return err
	}
	args := []string{"mod", "download"}
	for _, r := range parsed.Require {
		args = append(args, r.Mod.Path)
	}
	if err := f.gocmd(ctx, work, nil, args...); err != nil {
		return err
	}
	return f.gocmd(ctx, work, nil, "mod", "download")
}

// unpackMain fetches a module and writes its go.mod and go.sum.
func (f *filler) unpackMain(ctx context.Context, work, version string) error {
	if err := os.MkdirAll(work, 0o777); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := f.gocmd(ctx, work, &out, "mod", "download", "-json", version); err != nil {
		return err
	}
	var fetched struct{ Zip string }
	if err := json.Unmarshal(out.Bytes(), &fetched); err != nil {
		return fmt.Errorf("go mod download -json: %w", err)
	}
	z, err := zip.OpenReader(fetched.Zip)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := fs.ReadFile(z, version+"/"+name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(work, name), data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// fetch adds zips to the corpus that earlier runs have asked for in vain, and forgets them.
func (f *filler) fetch(ctx context.Context) error {
	if err := f.own(); err != nil {
		return err
	}
	data, err := os.ReadFile(f.wanted())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	empty, err := os.MkdirTemp(filepath.Join(f.dir, "sets"), ".fetch-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(empty)
	versions := strings.Fields(string(data))
	progress("filling %s: %d zips that earlier runs have asked for", f.dir, len(versions))
	for part := range slices.Chunk(versions, 50) {
		if err := f.gocmd(ctx, empty, nil, append([]string{"mod", "download"}, part...)...); err != nil {
			return errors.Join(err, f.tidy())
		}
	}
	return errors.Join(os.Remove(f.wanted()), f.tidy())
}

// wanted is the file that names those zips, as PATH@VERSION, a line each.
func (f *filler) wanted() string { return filepath.Join(f.dir, "sets", "wanted.txt") }

// want adds zips to that file.
func (f *filler) want(zips map[godown.Request]bool) error {
	if len(zips) == 0 {
		return nil
	}
	data, err := os.ReadFile(f.wanted())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all := strings.Fields(string(data))
	for req := range zips {
		all = append(all, req.Path+"@"+req.Version)
	}
	slices.Sort(all)
	return os.WriteFile(f.wanted(), []byte(strings.Join(slices.Compact(all), "\n")+"\n"), 0o666)
}

// gocmd runs the user's go command with the corpus as its module cache. What
// it says is shown; a nil stdout is, too.
func (f *filler) gocmd(ctx context.Context, dir string, stdout io.Writer, args ...string) error {
	if stdout == nil {
		stdout = os.Stderr
	}
	shown := strings.Join(args, " ")
	progress("go %.100s", shown)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stdout, os.Stderr
	cmd.Env = append(cmd.Environ(), "GOMODCACHE="+f.dir, "GOFLAGS=-modcacherw", "GOWORK=off", "GOTOOLCHAIN=local")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %.100s: %w", shown, err)
	}
	return nil
}

// writeFiles writes files into a folder, and makes it.
func writeFiles(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			return err
		}
	}
	return nil
}
