package vcs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// objects reads the objects of one repository through one git cat-file
// --batch. It is used by one goroutine, and closed by it.
type objects struct {
	ctx    context.Context // of the one call that made it
	cancel context.CancelFunc
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *bounded
	hash   int // bytes of an object's name, 20 or 32
}

// errMissing says that a repository lacks an object.
var errMissing = errors.New("the object is missing")

// A tooLarge says that an object is larger than any that makes sense.
type tooLarge struct {
	kind        string
	size, limit int64
}

func (e *tooLarge) Error() string {
	return fmt.Sprintf("a %s of %d bytes, where %d are allowed", e.kind, e.size, e.limit)
}

const (
	maxCommit = 16 << 20 // bytes of a commit or a tree that are read
	maxFile   = 16 << 20 // bytes of a go.mod or LICENSE, as the go command has it
)

// objects begins to read in a repository.
func (r *remote) objects(ctx context.Context, dir string) (*objects, error) {
	if dir == "" {
		return nil, errChanged
	}
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	cmd, _, stderr := r.o.command(ctx, gitRun{dir: dir, args: []string{"cat-file", "--batch"}, stdout: io.Discard}, nil)
	cmd.Stdout = nil
	in, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	b := &objects{ctx: ctx, cancel: cancel, cmd: cmd, in: in, out: bufio.NewReaderSize(out, 64<<10), stderr: stderr, hash: 20}
	if r.sha256() {
		b.hash = 32
	}
	return b, nil
}

func (b *objects) close() {
	b.in.Close()
	b.cancel()
	_ = b.cmd.Wait()
}

// head asks for an object. What follows is its content and a newline.
func (b *objects) head(id string) (kind string, size int64, err error) {
	if _, err := io.WriteString(b.in, id+"\n"); err != nil {
		return "", 0, b.died(err)
	}
	line, err := b.out.ReadString('\n')
	if err != nil {
		return "", 0, b.died(err)
	}
	f := strings.Fields(line)
	if len(f) == 2 && f[1] == "missing" {
		return "", 0, fmt.Errorf("%w: %s", errMissing, id)
	}
	if len(f) != 3 {
		return "", 0, fmt.Errorf("git cat-file printed %.100q", line)
	}
	size, err = strconv.ParseInt(f[2], 10, 64)
	return f[1], size, err
}

// read returns an object of at most limit bytes.
func (b *objects) read(id string, limit int64) (kind string, data []byte, err error) {
	kind, size, err := b.head(id)
	if err != nil {
		return "", nil, err
	}
	if size > limit {
		if _, err := io.CopyN(io.Discard, b.out, size+1); err != nil {
			return "", nil, b.died(err)
		}
		return "", nil, &tooLarge{kind, size, limit}
	}
	data = make([]byte, size+1)
	if _, err := io.ReadFull(b.out, data); err != nil {
		return "", nil, b.died(err)
	}
	return kind, data[:size], nil
}

// copy writes the content of a file's object to w; it must have the given size.
func (b *objects) copy(w io.Writer, id string, size int64) error {
	kind, n, err := b.head(id)
	if err != nil {
		return err
	}
	if kind != "blob" || n != size {
		return fmt.Errorf("the object %s is a %s of %d bytes, where a file of %d was expected", id, kind, n, size)
	}
	if _, err := io.CopyN(w, b.out, n); err != nil {
		return b.died(err)
	}
	_, err = b.out.Discard(1)
	return b.died(err)
}

// died explains an error of the pipe.
func (b *objects) died(err error) error {
	if err == nil {
		return nil
	}
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	b.in.Close()
	_ = b.cmd.Wait()
	return &gitFailure{text: fmt.Sprintf("git cat-file ended (%v): %s", err, redact(tell("", b.stderr.buf.String())))}
}

// A commitObject is what is read of a commit.
type commitObject struct {
	tree string
	time time.Time // when it was committed
}

// errNotCommit says that a name is that of something else than a commit.
var errNotCommit = errors.New("not a commit")

func (b *objects) commit(id string) (c commitObject, err error) {
	kind, data, err := b.read(id, maxCommit)
	if err != nil {
		return c, err
	}
	if kind != "commit" {
		return c, fmt.Errorf("%s is %w but a %s", id, errNotCommit, kind)
	}
	return parseCommit(data)
}

// parseCommit parses the header of a commit. A date that git cannot read is
// the beginning of 1970 to it, and so it is here.
func parseCommit(data []byte) (c commitObject, err error) {
	seconds := int64(0)
	head, _, _ := bytes.Cut(data, []byte("\n\n"))
	for line := range strings.Lines(string(head)) {
		line = strings.TrimSuffix(line, "\n")
		if tree, ok := strings.CutPrefix(line, "tree "); ok && c.tree == "" {
			c.tree = tree
		}
		if who, ok := strings.CutPrefix(line, "committer "); ok && seconds == 0 {
			after := who[strings.LastIndexByte(who, '>')+1:]
			if f := strings.Fields(after); len(f) > 0 {
				if n, err := strconv.ParseInt(f[0], 10, 64); err == nil {
					seconds = n
				}
			}
		}
	}
	if !isHash(c.tree) {
		return c, errors.New("a commit names no tree")
	}
	c.time = time.Unix(seconds, 0).UTC()
	return c, nil
}

// A treeEntry is a name in a tree.
type treeEntry struct {
	mode string // octal digits as git has them: 40000 for a tree, 160000 for a submodule
	id   string
}

func (b *objects) tree(id string) (map[string]treeEntry, error) {
	kind, data, err := b.read(id, maxCommit)
	if err != nil {
		return nil, err
	}
	if kind != "tree" {
		return nil, fmt.Errorf("the object %s is a %s, not a tree", id, kind)
	}
	return parseTree(data, b.hash)
}

// parseTree parses a tree whose objects have names of so many bytes.
func parseTree(data []byte, hash int) (map[string]treeEntry, error) {
	entries := make(map[string]treeEntry)
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, ok2 := strings.Cut(string(head), " ")
		if !ok || !ok2 || len(rest) < hash {
			return nil, errors.New("a tree is malformed")
		}
		entries[name] = treeEntry{mode, hex.EncodeToString(rest[:hash])}
		data = rest[hash:]
	}
	return entries, nil
}

// walk returns what stands at a path below a tree; ok is false if nothing does.
// Trees that were read are kept in known.
func (b *objects) walk(tree, path string, known map[string]map[string]treeEntry) (e treeEntry, ok bool, err error) {
	e = treeEntry{"40000", tree}
	for elem := range strings.SplitSeq(path, "/") {
		if e.mode != "40000" {
			return e, false, nil
		}
		entries, ok := known[e.id]
		if !ok {
			if entries, err = b.tree(e.id); err != nil {
				return e, false, err
			}
			known[e.id] = entries
		}
		if e, ok = entries[elem]; !ok {
			return e, false, nil
		}
	}
	return e, true, nil
}

// isFile reports whether git cat-file blob would print the entry.
func (e treeEntry) isFile() bool { return e.mode != "40000" && e.mode != "160000" }
