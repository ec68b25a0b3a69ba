package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/godown-dev/godown/bench/process"
	"golang.org/x/mod/module"
)

const (
	domain    = "git.bench.example"
	epoch     = 1_600_000_000 // the time of each first commit, s
	apart     = 3600          // between two commits, s
	layout    = "1"           // of what is kept in the folder: another one is made anew
	folders   = 40            // of each repository
	committer = "committer Bench <bench@" + domain + ">"
)

// A shape is what a repository is made of.
type shape struct {
	name    string
	commits int
	tags    []int // v1.N.0 is after so many commits
	files   int
	mean    int // of a file, bytes
	each    int // files that a commit changes
}

// shapes returns those of the repositories: two libraries with tags, of so many
// MB at their tips, and a long history.
func shapes(mb int) []shape {
	var tags []int
	for i := range 100 {
		tags = append(tags, 20*(i+1))
	}
	const mean = 20_000
	files := mb * 1_000_000 / mean
	return []shape{
		{name: "r1", commits: 2000, tags: tags, files: files, mean: mean, each: 3},
		{name: "r2", commits: 2000, tags: tags, files: files, mean: mean, each: 3},
		{name: "r3", commits: 20_000, tags: []int{5000}, files: 150, mean: 6000, each: 1},
	}
}

func (s shape) path() string { return domain + "/" + s.name + ".git" } // the ".git" saves the look-up of ?go-get=1

// folder names what is kept of a shape.
func (s shape) folder() string {
	return fmt.Sprintf("%s-%s-%d-%d-%d.git", s.name, layout, s.commits, s.files, s.mean)
}

// A git runs git commands, with nothing of the user's configuration.
type git struct{ home string }

func (g git) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	cmd.Env = append(process.CleanEnv(g.home), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	return cmd
}

// run returns what a git command writes, without the last newline.
func (g git) run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := g.command(ctx, dir, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// fastImport gives git fast-import what write writes.
func (g git) fastImport(ctx context.Context, repo string, write func(w *bufio.Writer)) error {
	cmd := g.command(ctx, repo, "fast-import", "--quiet", "--force")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(in, 1<<20)
	write(w)
	err = errors.Join(w.Flush(), in.Close())
	if waitErr := cmd.Wait(); waitErr != nil {
		return fmt.Errorf("git fast-import: %w: %s", waitErr, bytes.TrimSpace(stderr.Bytes()))
	}
	return err
}

// ensure makes the repository of a shape below dir unless it is there, and returns where.
func (g git) ensure(ctx context.Context, dir string, s shape, seed uint64) (string, error) {
	repo := filepath.Join(dir, s.folder())
	if _, err := os.Stat(repo); err == nil {
		return repo, nil
	}
	progress("making repository %s: %d commits, %d files", s.name, s.commits, s.files)
	temp, err := os.MkdirTemp(dir, "making-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if _, err := g.run(ctx, temp, "init", "-q", "--bare", "-b", "main", "."); err != nil {
		return "", err
	}
	if err := g.fastImport(ctx, temp, func(w *bufio.Writer) { s.write(w, seed) }); err != nil {
		return "", err
	}
	for _, args := range [][]string{{"config", "uploadpack.allowFilter", "true"}, {"config", "uploadpack.allowAnySHA1InWant", "true"}, {"repack", "-adfq"}, {"pack-refs", "--all"}} {
		if _, err := g.run(ctx, temp, args...); err != nil {
			return "", err
		}
	}
	return repo, os.Rename(temp, repo)
}

// write writes a history in the language of git fast-import.
func (s shape) write(w *bufio.Writer, seed uint64) {
	p := newProse(seed)
	files := make([]text, s.files)
	tag := 0
	for c := range s.commits {
		head(w, c+1, epoch+int64(c)*apart, "")
		if c == 0 {
			file(w, "go.mod", fmt.Appendf(nil, "module %s\n\ngo 1.21\n", s.path()))
			file(w, "LICENSE", []byte("Anyone may do anything with this.\n"))
			for i := range files {
				files[i] = p.text(p.size(s.mean))
				file(w, fileName(i), files[i].bytes())
			}
		} else {
			for range s.each {
				i := p.rng.IntN(len(files))
				files[i] = p.edit(files[i])
				file(w, fileName(i), files[i].bytes())
			}
		}
		for tag < len(s.tags) && s.tags[tag] == c+1 {
			fmt.Fprintf(w, "reset refs/tags/v1.%d.0\nfrom :%d\n\n", tag, c+1)
			tag++
		}
	}
}

func fileName(i int) string { return fmt.Sprintf("p%02d/f%04d.go", i%folders, i) }

// head begins a commit on main; from is its parent if that is not the last one of the stream.
func head(w io.Writer, mark int, when int64, from string) {
	fmt.Fprintf(w, "commit refs/heads/main\nmark :%d\n%s %d +0000\ndata 7\nchange\n", mark, committer, when)
	if from != "" {
		fmt.Fprintf(w, "from %s\n", from)
	}
}

func file(w *bufio.Writer, name string, data []byte) {
	fmt.Fprintf(w, "M 100644 inline %s\ndata %d\n", name, len(data))
	w.Write(data)
	w.WriteByte('\n')
}

// push adds a commit to main and a tag for it, as a push would.
func (g git) push(ctx context.Context, repo, tag string, seed uint64) error {
	out, err := g.run(ctx, repo, "log", "-1", "--format=%ct", "refs/heads/main")
	if err != nil {
		return err
	}
	when, err := strconv.ParseInt(out, 10, 64)
	if err != nil {
		return err
	}
	p := newProse(seed)
	return g.fastImport(ctx, repo, func(w *bufio.Writer) {
		head(w, 1, when+apart, "refs/heads/main^0")
		file(w, fileName(0), p.text(20_000).bytes())
		fmt.Fprintf(w, "reset refs/tags/%s\nfrom :1\n\n", tag)
	})
}

// A commit is one of a long history.
type commit struct {
	hash    string
	pseudo  string // version
	objects int    // trees and blobs of it
}

// look returns the commit so many before the tip of main, which has tag before it.
func (g git) look(ctx context.Context, repo string, back int, tag string) (c commit, err error) {
	out, err := g.run(ctx, repo, "log", "-1", "--format=%H %ct", fmt.Sprintf("refs/heads/main~%d", back))
	if err != nil {
		return c, err
	}
	hash, when, _ := strings.Cut(out, " ")
	seconds, err := strconv.ParseInt(when, 10, 64)
	if err != nil {
		return c, err
	}
	if out, err = g.run(ctx, repo, "ls-tree", "-r", "-t", hash); err != nil {
		return c, err
	}
	return commit{hash, module.PseudoVersion("v1", tag, time.Unix(seconds, 0), hash[:12]), strings.Count(out, "\n") + 2}, nil
}
