package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

// newServeCommand returns the command serve, which loads the configuration and
// leaves the rest to the function serve.
func newServeCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Serve modules to go commands, here or elsewhere",
		Long: `Serve is the module proxy. It fetches what go commands ask for from --upstream,
verifies it with --sumdb, keeps it in --data, and serves it from there for ever,
whether the upstream is there or not. Without any flag it does what this
machine's go command is set up for (go env GOPROXY, GOSUMDB, GOPRIVATE).

The first line on stdout is the URL to put into GOPROXY; logs go to stderr.
SIGTERM or SIGINT ends it once the requests under way are done, a second one at once.
/-/healthz and /-/readyz say how it is, /-/mirrors (and 'godown mirrors') how its
mirrors are, /-/sumdb tells of the checksum databases, /metrics counts for Prometheus. POST /-/refresh?module=PATH and, signed by a git
host, /-/hook say that something is new; PUT /-/publish/… takes what 'godown publish' hands in.

` + configHelp + `
Exit codes:
  0  stopped by a signal, all requests done
  1  failed, such as when the address is in use or requests outlast --drain
  2  wrong flags or configuration; nothing was started`,
		Example: `  godown serve
      then, in another shell: GOPROXY=http://127.0.0.1:8080 go build ./...
  godown serve --listen :8080 --data /srv/godown --log-format json
      for a whole network, with what it keeps on a disk of its own
  godown serve --upstream 'https://mirror.example|https://goproxy.example,direct'
      the second mirror when the first fails, the repository when both lack it
  godown serve --upstream 'cn|default,direct'
      the best of the public mirrors in China and what the go command has built in
  godown serve --private 'git.corp.example,*.internal.example'
      these are never named to a public mirror or checksum database
  godown serve --upstream off
      what is kept, and nothing else
  godown serve --config /etc/godown.yaml`,
		Args: noArguments,
	}
	flags := bindConfig(cmd, "serve")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load(cmd.Context(), m, flags.settings())
		if err == nil {
			err = cfg.checkPublish()
		}
		if err != nil {
			return err
		}
		own := *cfg
		own.serving = true
		return ended(serve(cmd.Context(), &own, cmd.OutOrStdout(), cmd.ErrOrStderr()))
	}
	return cmd
}

// serve listens until a signal ends it.
func serve(ctx context.Context, cfg *Config, stdout, stderr io.Writer) (int, error) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	log := newLogger(cfg, cfg.Level(), stderr)
	p, err := newProxy(cfg, log)
	if _, ok := errors.AsType[*misconfigured](err); ok {
		return exitUsage, err
	}
	if err != nil {
		return exitFailed, err
	}
	s, err := startServer(p, cfg, cfg.Listen, log)
	if err != nil {
		_ = p.Close(ctx) // nothing was begun
		if _, ok := errors.AsType[*misconfigured](err); ok {
			return exitUsage, err
		}
		return exitFailed, err
	}
	warn(cfg, log)
	fmt.Fprintf(stdout, "%s\nTo use it: GOPROXY=%s go build ./...   (for good: go env -w GOPROXY=%s)\n", s.url, s.url, s.url)
	if line := s.clientLine(); line != "" {
		fmt.Fprintln(stdout, line)
	}
	log.Info("serving", "url", s.url, "data", cfg.Data, "upstream", cfg.Upstream, "sumdb", cfg.SumDB, "verify", cfg.Verify, "private", string(cfg.Private))

	select {
	case err := <-s.failed:
		return exitFailed, fmt.Errorf("serving failed: %w", err)
	case <-ctx.Done():
	case sig := <-signals:
		log.Info("stopping when the requests under way have ended; a second signal stops at once", "signal", sig.String(), "drain", cfg.Drain)
	}
	drain, cancel := context.WithTimeout(context.Background(), cfg.Drain)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-drain.Done():
		}
	}()
	if err := s.stop(drain); err != nil {
		return exitFailed, err
	}
	return exitOK, nil
}

// matters reports whether a git configuration or a netrc file says how to reach hosts.
func matters(data []byte) bool {
	for _, word := range []string{"insteadof", "[credential", "sslcainfo", "extraheader", "machine "} {
		if bytes.Contains(bytes.ToLower(data), []byte(word)) {
			return true
		}
	}
	return false
}

// warn logs what is allowed but probably not meant.
func warn(cfg *Config, log *slog.Logger) {
	for _, v := range cfg.UnknownEnvironment() {
		log.Warn("an environment variable looks like a setting of godown but is none", "name", v.Name, "nearest", v.Nearest)
	}
	if home, err := os.UserHomeDir(); err == nil {
		for key, file := range map[string]string{"git-config": ".gitconfig", "netrc": netrcName} {
			if data, err := os.ReadFile(filepath.Join(home, file)); err == nil && !cfg.forUser && cfg.Origin(key) == "default" && matters(data) {
				log.Info("a server does not use the files of its account unless they are named", "file", filepath.Join(home, file), "with", "--"+key)
			}
		}
	}
	if cfg.SumDB == "off" {
		log.Warn("the checksum database is off: nothing proves that what upstreams give is right", "origin", cfg.Origin("sumdb"))
	}
}
