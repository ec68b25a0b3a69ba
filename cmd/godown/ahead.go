package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/warm"
	"golang.org/x/mod/module"
)

// runHost is the address of run's one client: the command's processes, all on this machine.
const runHost = "127.0.0.1"

// fetchAhead begins to fetch what a command will want, by the go.mod, go.sum and
// go.work files around it, and tells of its progress if stderr is a terminal.
// stop ends what has not come by then.
func (p *proxy) fetchAhead(cfg *Config, args []string, log *slog.Logger, stderr io.Writer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		files := p.wanted(cfg, args, log)
		if len(files) == 0 || ctx.Err() != nil {
			return
		}
		shown := newProgress(stderr, cfg.Quiet, files, p.mirrors)
		p.ahead.Expect(ctx, runHost, files, func(o warm.Outcome) {
			if o.Err != nil && ctx.Err() == nil {
				// The command will hear of it if it asks for the file.
				log.Debug("fetching ahead", "file", o.Request.String(), "error", o.Err)
			}
			shown.add(o)
		})
		<-ctx.Done()
		shown.end()
	})
	return func() {
		cancel()
		working.Wait()
	}
}

// wanted returns what a command will ask its proxy for, as far as that is not in the store.
func (p *proxy) wanted(cfg *Config, args []string, log *slog.Logger) []godown.Request {
	dir, err := os.Getwd()
	if err != nil {
		return nil
	}
	project, err := warm.ReadProject(warm.Command{Dir: dir, Args: args, Environ: cfg.goEnviron()})
	if err != nil {
		log.Debug("reading what the command will want; the go command will complain by itself", "error", err)
	}
	files := warm.Missing(cfg.goEnv["GOMODCACHE"].text, project.Files)
	foreign := joinPatterns(cfg.Private, cfg.NoProxy, cfg.NoSumDB, cfg.Publish)
	return slices.DeleteFunc(files, func(r godown.Request) bool {
		return module.MatchPrefixPatterns(foreign, r.Path) || cfg.Prefetch == "mods" && r.Kind == godown.Zip || stored(cfg.Data, r)
	})
}

// stored reports whether the store in a folder of --data has a file.
func stored(data string, r godown.Request) bool {
	_, err := os.Stat(filepath.Join(data, "modules", filepath.FromSlash(r.Name())))
	return err == nil
}

// goEnviron returns the environment with those settings of the go command that
// "go env -w" may have set, as the go command itself will see them.
func (c *Config) goEnviron() []string {
	environ := slices.Clone(c.environ)
	for _, name := range []string{"GOFLAGS", "GO111MODULE"} {
		set := slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if s, ok := c.goEnv[name]; ok && !set {
			environ = append(environ, name+"="+s.text)
		}
	}
	return environ
}
