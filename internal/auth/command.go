package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	maxOutput = 64 << 10    // bytes of what a command prints
	grace     = time.Second // for the output of a command that has ended, while its children hold it open
)

// A command is a program with its arguments, in a directory, with more
// variables than the environment has.
type command struct {
	words []string
	dir   string
	env   []string
}

// run returns what the command prints. What it writes to its standard error is
// dropped, as it may hold a secret; no error shows its arguments either.
func (c command) run(ctx context.Context, env Environ, stdin string) (string, error) {
	path, err := lookPath(env, c.words[0])
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, c.words[1:]...)
	cmd.Dir = c.dir
	// Never nil, which would mean the environment of this process.
	cmd.Env = append(append(make([]string, 0, len(env)+len(c.env)), env...), c.env...)
	cmd.Stdin = strings.NewReader(stdin)
	out := new(bounded)
	cmd.Stdout = out
	cmd.WaitDelay = grace
	ownGroup(cmd)
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s was stopped: %w", c.words[0], context.Cause(ctx))
	case out.over:
		return "", fmt.Errorf("%s printed more than %d bytes", c.words[0], maxOutput)
	case errors.Is(err, exec.ErrWaitDelay): // it has ended well, and left a daemon behind
	case err != nil:
		return "", fmt.Errorf("%s failed (%w); run it by hand to see why", c.words[0], err)
	}
	return out.buf.String(), nil
}

// lookPath returns the absolute path of a program, by the PATH of env.
func lookPath(env Environ, name string) (string, error) {
	if filepath.Base(name) != name {
		abs, err := filepath.Abs(name)
		if err == nil {
			abs, err = exec.LookPath(abs)
		}
		if err != nil {
			return "", fmt.Errorf("no program is at %s, or it may not be run", name)
		}
		return abs, nil
	}
	list, _ := env.get("PATH")
	for _, dir := range filepath.SplitList(list) {
		if !filepath.IsAbs(dir) { // as os/exec: never from the current directory
			continue
		}
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the program %s is not in PATH", name)
}

// bounded keeps the first maxOutput bytes written to it and drops the rest.
type bounded struct {
	buf  bytes.Buffer
	over bool // something was dropped
}

func (b *bounded) Write(p []byte) (int, error) {
	fits := p
	if room := maxOutput - b.buf.Len(); len(p) > room {
		fits, b.over = p[:room], true
	}
	b.buf.Write(fits)
	return len(p), nil
}
