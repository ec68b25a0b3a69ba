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
	"syscall"
	"time"
)

const (
	patience  = 30 * time.Second       // for a server to start, and to leave the mirror alone
	goodbye   = 10 * time.Second       // for a process to end when it is told to
	stillness = 500 * time.Millisecond // without a request, after which a server is thought to want nothing more
	poll      = 20 * time.Millisecond  // between looks at the memory of a process that may end any time, and at a mirror
)

var errNoProcess = errors.New("the process is not there, or this system has no /proc")

// cleanEnv returns our environment without what could change how processes
// behave: settings of Go and godown, and HTTP proxies.
func cleanEnv(home string) []string {
	env := []string{"HOME=" + home}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if upper := strings.ToUpper(name); name != "HOME" && !strings.HasPrefix(upper, "GO") && !strings.HasSuffix(upper, "_PROXY") {
			env = append(env, v)
		}
	}
	return env
}

// command returns a command that is told to end when ctx does, and ended if it
// does not listen: godown run has to end its go command.
func command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error {
		if cmd.Process.Signal(syscall.SIGTERM) != nil {
			return cmd.Process.Kill()
		}
		return nil
	}
	cmd.WaitDelay = goodbye
	return cmd
}

// A server is a godown serve that we have started.
type server struct {
	url  string
	cmd  *exec.Cmd
	stop func() // ends it and waits
}

// startServer starts godown serve, whose first line is its URL. What it logs
// goes to a file below dir.
func startServer(ctx context.Context, dir string, argv ...string) (*server, error) {
	log, err := os.Create(filepath.Join(dir, "godown.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(ctx)
	cmd := command(ctx, argv...)
	cmd.Env, cmd.Stderr, cmd.Dir = cleanEnv(dir), log, dir
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	s := &server{cmd: cmd, stop: func() { cancel(); cmd.Wait() }} // its error says how it was stopped
	timer := time.AfterFunc(patience, cancel)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	timer.Stop()
	s.url = strings.TrimSpace(line)
	if u, parseErr := url.Parse(s.url); err == nil && (parseErr != nil || u.Host == "") {
		err = fmt.Errorf("it writes %q", s.url)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("godown serve does not say where it listens: %w; it wrote: %s", err, said(log.Name()))
	}
	return s, nil
}

// watchMemory looks at a process's memory until it is stopped; stop returns
// its peak so far in bytes, 0 if that is not known.
func watchMemory(pid int) (stop func() int64) {
	ending, ended := make(chan struct{}), make(chan int64)
	go func() {
		ticker := time.NewTicker(poll)
		defer ticker.Stop()
		var peak int64
		for {
			if n, err := peakMemory(pid); err == nil {
				peak = n
			}
			select {
			case <-ticker.C:
			case <-ending:
				ended <- peak
				return
			}
		}
	}()
	return func() int64 {
		close(ending)
		return <-ended
	}
}

// said returns the beginning and the end of what a process wrote to a file, as one line.
func said(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	text := strings.Join(strings.Fields(string(data)), " ")
	if len(text) > 2*part {
		text = text[:part] + " … " + text[len(text)-part:]
	}
	return strings.ToValidUTF8(text, "")
}

const part = 400 // of what a process wrote, bytes
