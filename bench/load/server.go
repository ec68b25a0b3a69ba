package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/godown-dev/godown/bench/process"
)

var errNoProcess = errors.New("the process is not known, or this system has no /proc")

// A server is a process that answers requests.
type server struct {
	name    string
	address string // HOST:PORT
	pids    []int  // empty if not known
	cmd     *exec.Cmd
	log     string // its stderr
}

// patience is how long a server may take to start, and to stop.
const patience = 30 * time.Second

// startServer starts a program whose first line on stdout is its URL.
func (b *bench) startServer(ctx context.Context, name string, argv ...string) (*server, error) {
	log, err := os.CreateTemp(b.dir, name+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s := &server{name: name, cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), log: log.Name()}
	// In one piece: what is compared is one connection to the upstream. As a variable: older builds have no such flag.
	s.cmd.Env, s.cmd.Stderr, s.cmd.Dir = append(process.CleanEnv(filepath.Join(b.dir, "home")), "GODOWN_SPLIT=0"), log, b.dir
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.pids = []int{s.cmd.Process.Pid}
	timer := time.AfterFunc(patience, func() { s.cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	timer.Stop()
	if err == nil {
		var u *url.URL
		if u, err = url.Parse(strings.TrimSpace(line)); err == nil && u.Host != "" {
			s.address = u.Host
			return s, nil
		}
	}
	s.stop()
	return nil, fmt.Errorf("%s does not say where it listens: %w; it wrote: %s", name, err, s.said())
}

// startGodown starts a build of godown on a data folder.
func (b *bench) startGodown(ctx context.Context, name, exe, data string, up *upstream) (*server, error) {
	return b.startServer(ctx, name, exe, "serve", "--listen=127.0.0.1:0", "--data="+data,
		"--upstream="+up.URL, "--sumdb="+up.db.Spec(), "--private=")
}

// stop ends a server that we have started.
func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	if s.cmd.Process.Signal(os.Interrupt) != nil {
		s.cmd.Process.Kill()
	}
	timer := time.AfterFunc(patience, func() { s.cmd.Process.Kill() })
	s.cmd.Wait() // its error says how it was stopped
	timer.Stop()
	s.cmd = nil
}

// said returns the end of what the server wrote to stderr.
func (s *server) said() string {
	data, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-2000):])
}

// settle waits until a server does nothing any more: godown hashes each zip
// once more, in the background, when it is first used in a process's life.
func (s *server) settle(ctx context.Context) error {
	last, err := cpuTime(s.pids)
	if err != nil {
		return pause(ctx, 15*time.Second)
	}
	end := time.Now().Add(2 * time.Minute)
	for quiet := 0; quiet < 4 && time.Now().Before(end); {
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
		now, err := cpuTime(s.pids)
		if err != nil {
			return err
		}
		quiet++
		if now-last > 10*time.Millisecond {
			quiet = 0
		}
		last = now
	}
	return nil
}

// pause waits for d.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
