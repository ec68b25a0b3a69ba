package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/godown-dev/godown/bench/process"
	"github.com/godown-dev/godown/internal/godowntest"
)

const (
	stillness = 300 * time.Millisecond // without a request, after which nobody is thought to want more
	poll      = 20 * time.Millisecond
	patience  = 30 * time.Second
)

// Candidates, besides proxies that run already.
const (
	asGo     = "go"        // the go command with GOPROXY=direct
	asGodown = "godown"    // through a godown serve
	bare     = "ls-remote" // a git command: what row list is compared with
)

// A stand is a candidate as one run finds it: with folders of its own, and but
// for proxies that run already, processes of its own.
type stand struct {
	name  string
	host  *host
	dir   string
	goEnv []string // of the go command
	env   []string // of git commands
	url   string   // of the proxy; empty: there is none
	pids  []int    // of the proxy
	gits  string   // file that has a byte for each git command; empty: nobody counts
	stop  func()
}

// stand sets a candidate up, with nothing in its caches. args are more
// arguments of godown's. The caller closes it.
func (b *bench) stand(ctx context.Context, h *host, name string, args ...string) (*stand, error) {
	dir, err := os.MkdirTemp(b.scratch, "run-*")
	if err != nil {
		return nil, err
	}
	s := &stand{name: name, host: h, dir: dir, stop: func() {}}
	if err := b.furnish(ctx, s, args); err != nil {
		s.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// furnish gives a stand what its candidate needs.
func (b *bench) furnish(ctx context.Context, s *stand, args []string) error {
	name, dir, h := s.name, s.dir, s.host
	own := []string{ // of whoever talks to the host
		"HTTPS_PROXY=" + h.url, "SSL_CERT_FILE=" + b.authority, "GIT_SSL_CAINFO=" + b.authority,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + filepath.Join(dir, "gitconfig"), "GIT_TERMINAL_PROMPT=0",
	}
	config := fmt.Sprintf("[http]\n\tsslCAInfo = %s\n\tproxy = %s\n", b.authority, h.url)
	if err := os.WriteFile(filepath.Join(dir, "gitconfig"), []byte(config), 0o666); err != nil {
		return err
	}
	proxy := b.proxies[name]
	if proxy == "" {
		path, err := s.countGits()
		if err != nil {
			return err
		}
		own = append(own, path)
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o777); err != nil {
		return err
	}
	s.env = append(process.CleanEnv(home), own...)
	s.goEnv = append(process.CleanEnv(home), godowntest.GoEnv(home, "direct", "off")...)
	s.goEnv = append(s.goEnv, "GOFLAGS=-modcacherw", "GOVCS=*:all")
	switch {
	case name == asGo:
		s.goEnv = append(s.goEnv, own...)
	case name == asGodown:
		argv := append([]string{"env"}, own...) // which becomes what it starts
		argv = append(argv, b.godown, "serve", "--listen=127.0.0.1:0", "--data="+filepath.Join(dir, "data"),
			"--upstream=direct", "--private="+domain, "--sumdb=off")
		for _, arg := range b.args {
			argv = append(argv, strings.ReplaceAll(arg, "{gitconfig}", filepath.Join(dir, "gitconfig")))
		}
		srv, err := process.Start(ctx, dir, append(argv, args...)...)
		if err != nil {
			return err
		}
		s.url, s.pids, s.stop = srv.URL, []int{srv.Cmd.Process.Pid}, srv.Stop
	case proxy != "":
		if err := b.empty(ctx, name); err != nil {
			return err
		}
		s.url, s.pids = proxy, listeners(strings.TrimPrefix(proxy, "http://"))
	}
	if s.url != "" {
		s.goEnv = append(s.goEnv, "GOPROXY="+s.url)
	}
	return nil
}

// countGits puts a git before the one in PATH that counts how often it is
// called, and returns that PATH. The git commands that git itself runs are not counted.
func (s *stand) countGits() (path string, err error) {
	real, err := exec.LookPath("git")
	if err != nil {
		return "", err
	}
	bin := filepath.Dir(s.git())
	if err := os.Mkdir(bin, 0o777); err != nil {
		return "", err
	}
	s.gits = filepath.Join(s.dir, "gits")
	script := fmt.Sprintf("#!/bin/sh\nprintf . >>'%s'\nexec '%s' \"$@\"\n", s.gits, real)
	err = os.WriteFile(s.git(), []byte(script), 0o777)
	return "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), err
}

// git returns the git command that counts.
func (s *stand) git() string { return filepath.Join(s.dir, "bin", "git") }

// calls returns how many git commands have been run; -1: nobody counts.
func (s *stand) calls() int {
	if s.gits == "" {
		return -1
	}
	info, err := os.Stat(s.gits)
	if err != nil { // none so far
		return 0
	}
	return int(info.Size())
}

// empty has a proxy that runs already forget what it knows.
func (b *bench) empty(ctx context.Context, name string) error {
	if b.reset == "" {
		return nil
	}
	cmd := process.Command(ctx, "sh", "-c", b.reset, "sh", name)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("-reset for %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

func (s *stand) close() {
	s.stop()
	os.RemoveAll(s.dir)
}

// command runs a go or git command and returns what it writes and the CPU time
// that it and its children had. What it says of errors is in the error.
func (s *stand) command(ctx context.Context, env []string, argv ...string) (out []byte, cpu time.Duration, err error) {
	cmd := process.Command(ctx, argv...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, env, &stdout, &stderr
	err = cmd.Run()
	if cmd.ProcessState != nil {
		cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if err != nil {
		said := strings.Join(strings.Fields(stderr.String()+" "+stdout.String()), " ")
		if len(said) > 600 {
			said = said[:300] + " … " + said[len(said)-300:]
		}
		err = fmt.Errorf("%s: %w: %s", strings.Join(append([]string{filepath.Base(argv[0])}, argv[1:min(3, len(argv))]...), " "), err, strings.ToValidUTF8(said, ""))
	}
	return stdout.Bytes(), cpu, err
}

// download runs go mod download with the module cache of that name, and
// returns the h1 of the zips.
func (s *stand) download(ctx context.Context, cache string, mods []string) (sums map[string]string, cpu time.Duration, err error) {
	env := append(s.goEnv[:len(s.goEnv):len(s.goEnv)], "GOMODCACHE="+filepath.Join(s.dir, cache))
	out, cpu, err := s.command(ctx, env, append([]string{"go", "mod", "download", "-json"}, mods...)...)
	if err != nil {
		return nil, cpu, err
	}
	sums, err = readSums(out)
	if err == nil && len(sums) != len(mods) {
		err = fmt.Errorf("go mod download tells of %d modules, not %d", len(sums), len(mods))
	}
	return sums, cpu, err
}

// readSums reads what go mod download -json writes.
func readSums(out []byte) (map[string]string, error) {
	sums := make(map[string]string)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Version, Sum, Error string }
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return sums, nil
		} else if err != nil {
			return nil, fmt.Errorf("output of go mod download: %w", err)
		}
		if m.Error != "" || m.Sum == "" {
			return nil, fmt.Errorf("go mod download: %s@%s: no sum: %s", m.Path, m.Version, m.Error)
		}
		sums[m.Path+"@"+m.Version] = m.Sum
	}
}

// get asks the proxy for a path and returns the body.
func (s *stand) get(ctx context.Context, client *http.Client, method, path string) (body []byte, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
	if err != nil {
		return nil, 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return body, resp.StatusCode, err
}

// mustGet is get of a file that is there.
func (s *stand) mustGet(ctx context.Context, client *http.Client, path string) ([]byte, error) {
	body, status, err := s.get(ctx, client, http.MethodGet, path)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: %d: %.300s", path, status, body)
	}
	return body, err
}

// until waits until done says so.
func until(ctx context.Context, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for rest: %w", ctx.Err())
		case <-ticker.C:
		}
	}
	return nil
}
