// Package process starts what is measured, with an environment in which nothing
// of ours counts, and ends it.
package process

import (
	"bufio"
	"context"
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
	patience = 30 * time.Second // for a server to start
	goodbye  = 10 * time.Second // for a process to end when it is told to
	part     = 400              // of what a process wrote that is shown, bytes
)

// CleanEnv returns our environment without what could change how processes
// behave: settings of Go and godown, and HTTP proxies.
func CleanEnv(home string) []string {
	env := []string{"HOME=" + home}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if upper := strings.ToUpper(name); name != "HOME" && !strings.HasPrefix(upper, "GO") && !strings.HasSuffix(upper, "_PROXY") {
			env = append(env, v)
		}
	}
	return env
}

// Command returns a command that is told to end when ctx does, and ended if it
// does not listen: godown run has to end its go command.
func Command(ctx context.Context, argv ...string) *exec.Cmd {
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

// A Server is a godown serve that we have started.
type Server struct {
	URL  string
	Cmd  *exec.Cmd
	Stop func() // ends it and waits
}

// Start starts godown serve, whose first line is its URL. What it logs
// goes to a file below dir.
func Start(ctx context.Context, dir string, argv ...string) (*Server, error) {
	log, err := os.Create(filepath.Join(dir, "godown.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(ctx)
	cmd := Command(ctx, argv...)
	cmd.Env, cmd.Stderr, cmd.Dir = CleanEnv(dir), log, dir
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	s := &Server{Cmd: cmd, Stop: func() { cancel(); cmd.Wait() }} // its error says how it was stopped
	timer := time.AfterFunc(patience, cancel)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	timer.Stop()
	s.URL = strings.TrimSpace(line)
	if u, parseErr := url.Parse(s.URL); err == nil && (parseErr != nil || u.Host == "") {
		err = fmt.Errorf("it writes %q", s.URL)
	}
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("godown serve does not say where it listens: %w; it wrote: %s", err, Said(log.Name()))
	}
	return s, nil
}

// Said returns the beginning and the end of what a process wrote to a file, as one line.
func Said(name string) string {
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
