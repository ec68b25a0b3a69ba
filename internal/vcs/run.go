package vcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

const (
	defaultJobs    = 4
	defaultTimeout = 10 * time.Minute
	grace          = 2 * time.Second // between asking processes to end and killing them
	maxOutput      = 32 << 20        // bytes; a module with a million versions has less
	maxStderr      = 64 << 10        // bytes
)

// slot waits until one more go command may run.
func (g *GoCommand) slot(ctx context.Context) (release func(), err error) {
	g.once.Do(func() {
		jobs := g.Jobs
		if jobs <= 0 {
			jobs = defaultJobs
		}
		g.slots = make(chan struct{}, jobs)
		g.sweep()
	})
	select {
	case g.slots <- struct{}{}:
		return func() { <-g.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for one of %d go commands to end: %w", cap(g.slots), context.Cause(ctx))
	}
}

// found is what is read of the JSON that go list -m and go mod download print.
type found struct {
	Version  string
	Versions []string
	Error    message
}

// A message is {"Err": "text"} in the output of go list, "text" in that of go mod download.
type message string

func (m *message) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("{")) {
		var e struct{ Err string }
		err := json.Unmarshal(data, &e)
		*m = message(e.Err)
		return err
	}
	return json.Unmarshal(data, (*string)(m))
}

// ask runs the go command with args, and returns what it says of the one module asked for.
func (g *GoCommand) ask(ctx context.Context, s *scratch, req godown.Request, args []string) (m found, err error) {
	timeout := g.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the go command was stopped after %v: %w", timeout, context.DeadlineExceeded))
	defer cancel()
	path, err := g.lookPath()
	if err != nil {
		return m, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = s.work()
	cmd.Env = s.environ(g.Env, req.Path)
	if g.Private != "" {
		cmd.Env = append(cmd.Env, "GOPRIVATE="+g.Private)
	}
	if g.GoVCS != "" {
		cmd.Env = append(cmd.Env, "GOVCS="+g.GoVCS)
	}
	if g.Guard != nil {
		pass, err := g.Guard.Open(ctx, module.MatchPrefixPatterns(g.Private, req.Path), 0)
		if err != nil {
			return m, err
		}
		defer pass.Close()
		cmd.Env = append(withoutProxies(cmd.Env), "HTTP_PROXY="+pass.URL(), "HTTPS_PROXY="+pass.URL(), "http_proxy="+pass.URL(), "https_proxy="+pass.URL())
		defer func() {
			if refused := pass.Err(); err != nil && refused != nil {
				err = refused
			}
		}()
	}
	stdout, stderr := &bounded{max: maxOutput}, &bounded{max: maxStderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = grace
	ownGroup(cmd)
	runErr := cmd.Run()
	if ctx.Err() != nil {
		endGroup(cmd, grace)
		return m, context.Cause(ctx)
	}
	if stdout.over {
		return m, fmt.Errorf("the go command printed more than %d bytes", stdout.max)
	}
	// With a JSON answer, whole and without error, nothing else matters.
	jsonErr := json.NewDecoder(&stdout.buf).Decode(&m)
	if jsonErr == nil && m.Error == "" && (m.Version != "" || req.Kind == godown.List) {
		return m, nil
	}
	text := string(m.Error)
	if text == "" && strings.TrimSpace(stderr.buf.String()) == "" {
		text = fmt.Sprintf("the go command gave no answer: %v", errors.Join(runErr, jsonErr))
	}
	return m, judge(s.clean(text), s.clean(stderr.buf.String()))
}

// lookPath returns the absolute path of the go command.
func (g *GoCommand) lookPath() (string, error) {
	name := g.Go
	if name == "" {
		name = "go"
	}
	if filepath.Base(name) != name {
		abs, err := filepath.Abs(name)
		if err == nil {
			abs, err = exec.LookPath(abs)
		}
		if err != nil {
			return "", fmt.Errorf("%w (%s)", errNoGo, name)
		}
		return abs, nil
	}
	for _, dir := range filepath.SplitList(getenv(g.Env, "PATH")) {
		if !filepath.IsAbs(dir) { // as os/exec: never from the current directory
			continue
		}
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", errNoGo
}

// bounded keeps the first max bytes written to it and drops the rest.
type bounded struct {
	buf  bytes.Buffer
	max  int
	over bool // something was dropped

	strict bool // who writes too much gets an error, and ends by it
}

func (b *bounded) Write(p []byte) (int, error) {
	fits := p
	if room := b.max - b.buf.Len(); len(p) > room {
		fits, b.over = p[:room], true
	}
	b.buf.Write(fits)
	if b.over && b.strict {
		return len(fits), errors.New("more was written than is read")
	}
	return len(p), nil
}
