package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// newRunCommand returns the command run, which loads the configuration and
// leaves the rest to the function runCommand.
func newRunCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [flags] [--] COMMAND [ARGS...]",
		Short: "Run one command with a module proxy of its own",
		Long: `Run starts the same proxy as 'godown serve' on a free port of this machine, runs
COMMAND with GOPROXY set to it, and stops when COMMAND ends. Nothing else of the
command's environment changes, and nothing that weakens security. Signals are passed on. What was
fetched stays in --data for the next time.

What the go.mod, go.sum and go.work files around COMMAND name is fetched at once, over many connections, while
COMMAND runs; on a terminal, the line at the bottom says how far that is. --prefetch sets how much.

Flags of godown stand before COMMAND; what follows is COMMAND's own. The last
line on stderr counts modules, bytes, cache hits and time, unless --quiet.

` + configHelp + `
Exit codes:
  that of COMMAND, if it was started; 128 and the signal's number if a signal ended it
  1    godown itself failed
  126  COMMAND could not be started
  127  there is no COMMAND
  2    wrong flags or configuration; nothing was started`,
		Example: `  godown run -- go build ./...
  godown run -- go mod download
  godown run --data /cache/godown --quiet -- make test
      on a CI runner, with a folder that is kept between jobs
  godown run --upstream off -- go build ./...
      with what is kept from earlier runs, and without a network`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("there is no command to run; write it at the end, as in 'godown run -- go build ./...'")
			}
			return nil
		},
	}
	flags := bindConfig(cmd, "run")
	cmd.Flags().SetInterspersed(false) // what follows COMMAND is its own
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load(cmd.Context(), m, flags.settings())
		if err != nil {
			return err
		}
		return ended(runCommand(cmd.Context(), cfg, args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()))
	}
	return cmd
}

// Exit codes of run where there is none of a child's, as shells have them.
const (
	exitNotStarted = 126
	exitNoCommand  = 127
	exitSignal     = 128 // and the signal's number
)

// runCommand serves on a free port while a command runs.
func runCommand(ctx context.Context, cfg *Config, args []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	start := time.Now()
	level := cfg.Level()
	if cfg.Origin("log-level") == "default" {
		level = slog.LevelWarn // the terminal is the command's
	}
	log := newLogger(cfg, level, stderr)
	own := *cfg
	own.forUser = true
	if cfg.isDefault("stream-after") {
		// The client is on this machine: it gains nothing by bytes that are not verified.
		own.StreamAfter = cfg.FetchTimeout
	}
	cfg = &own
	p, err := newProxy(cfg, log)
	if err != nil {
		return exitFailed, err
	}
	p.observer.Tally()
	s, err := startServer(p, cfg, "127.0.0.1:0", log)
	if err != nil {
		_ = p.Close(ctx) // nothing was begun
		return exitFailed, err
	}
	warn(cfg, log)
	stopAhead := func() {}
	if cfg.Prefetch != "off" {
		stopAhead = p.fetchAhead(cfg, args, log, stderr)
	}

	code, err := runChild(ctx, childEnviron(cfg.Environ(), s.url), args, stdin, stdout, stderr)

	stopAhead()
	// What arrived is stored, but nobody waits for what was not needed.
	drain, cancel := context.WithTimeout(context.Background(), min(cfg.Drain, 5*time.Second))
	defer cancel()
	if stopErr := s.stop(drain); stopErr != nil {
		log.Debug("stopping", "error", stopErr)
	}
	if !cfg.Quiet && err == nil {
		fmt.Fprintf(stderr, "godown: %s, %s\n", p.observer.Summary(), time.Since(start).Round(100*time.Millisecond))
	}
	return code, err
}

// childEnviron returns the child's environment: GOPROXY is ours, all else is as it was.
func childEnviron(environ []string, url string) []string {
	env := slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		return strings.HasPrefix(v, "GOPROXY=")
	})
	return append(env, "GOPROXY="+url)
}

// runChild runs the command and returns its exit code.
func runChild(ctx context.Context, environ, args []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, forwarded()...)
	defer signal.Stop(signals)

	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environ, stdin, stdout, stderr
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return exitNoCommand, fmt.Errorf("there is no command %q: %w", args[0], err)
		}
		return exitNotStarted, fmt.Errorf("%q could not be started: %w", args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			if !sentByTerminal(sig) {
				cmd.Process.Signal(sig) // it fails only if the command has just ended
			}
		case <-ctx.Done():
			cmd.Process.Kill()
			<-ended
			return exitFailed, ctx.Err()
		case err := <-ended:
			exit, ok := errors.AsType[*exec.ExitError](err)
			switch {
			case ok && exit.ExitCode() < 0:
				return exitSignal + signalNumber(exit.ProcessState), nil
			case ok:
				return exit.ExitCode(), nil
			case err != nil:
				return exitFailed, fmt.Errorf("%q: %w", args[0], err)
			}
			return exitOK, nil
		}
	}
}
