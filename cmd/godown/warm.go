package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/warm"
	"github.com/spf13/cobra"
	"golang.org/x/mod/module"
)

// newWarmCommand returns the command warm.
func newWarmCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "warm [flags] [PATH | MODULE@VERSION | -]...",
		Short: "Fetch modules ahead of time, so that they are there when they are wanted",
		Long: `Warm fetches, verifies and keeps in --data what go commands will ask for later:
'godown run' and 'godown serve' with the same --data have it at hand from then on.
With --server a running 'godown serve' does it, on its own disk. What is there
already is not fetched again, so warm can be stopped and called again at any time.

  a folder         what 'go mod download' fetches there: by go.work, go.mod and
                   go.sum, or where go.sum lacks something by the module graph
  a go.mod         the same, for it alone; go.work likewise
  another file     a list: lines of a go.sum, lines MODULE@VERSION, # and comments
  -                such a list on standard input
  MODULE@VERSION   a module and all that it needs, as for 'go install' or a project
                   that comes to require it; VERSION may be latest, v1.2 or a branch
  golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64
                   a toolchain

Without any of these it is the working folder. The last line tells how much it
was; each failure is a line on stderr. --json has the progress, failures and the
end as JSON lines, as POST /-/warm of the server streams them.

` + configHelp + `
Exit codes:
  0  all of it is here
  1  something failed or is missing, or a signal has stopped it
  2  wrong arguments, lists or configuration; nothing was fetched`,
		Example: `  godown warm
  godown warm --data /srv/godown ./service-a ./service-b/go.sum
      for 'godown serve --data /srv/godown'
  godown warm golang.org/x/tools/gopls@latest golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64
  godown warm --server http://127.0.0.1:8080 ./service-a
      a server on this machine fetches it
  cat */go.sum | godown warm -
  curl --data-binary @go.sum http://127.0.0.1:8080/-/warm
      the server, without this command`,
	}
	var server string
	var out warmOutput
	cmd.Flags().StringVar(&server, "server", "", "`URL` of a godown on this machine that is to do it, as in GOPROXY; the flags for --data, upstreams and so on are its own then")
	cmd.Flags().BoolVar(&out.json, "json", false, "print progress, failures and the end as JSON lines")
	cmd.Flags().BoolVar(&out.quiet, "quiet", false, "print neither progress nor the closing line, only what failed")
	flags := bindConfig(cmd, "warm")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		out.stdout, out.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
		if cmd.Flags().Changed("server") {
			at, err := parseServer(server)
			if err != nil {
				return err
			}
			known := goSettings{machine: m}
			_, _ = known.lookup(ctx, "GOFLAGS") // without a go command it is what the environment says
			c := Config{environ: m.environ, goEnv: known.values}
			wanted, err := readWanted(args, c.goEnviron(), cmd.InOrStdin())
			if err != nil {
				return err
			}
			return ended(warmThere(ctx, at, wanted, out))
		}
		cfg, err := load(ctx, m, flags.settings())
		if err != nil {
			return err
		}
		wanted, err := readWanted(args, cfg.goEnviron(), cmd.InOrStdin())
		if err != nil {
			return err
		}
		out.quiet = out.quiet || cfg.Quiet
		return ended(warmHere(ctx, cfg, wanted, out))
	}
	return cmd
}

// A wanted is what is to be fetched.
type wanted struct {
	files []godown.Request
	roots []module.Version
	mains []*warm.Main
}

// readWanted returns what the arguments of warm name. The errors of all are returned together.
func readWanted(args, environ []string, stdin io.Reader) (*wanted, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	w := new(wanted)
	var problems []error
	for _, arg := range args {
		if err := w.add(arg, environ, stdin); err != nil {
			problems = append(problems, err)
		}
	}
	return w, errors.Join(problems...)
}

// add adds what an argument names.
func (w *wanted) add(arg string, environ []string, stdin io.Reader) error {
	if arg == "-" {
		return w.addList(stdin, "standard input")
	}
	info, err := os.Stat(arg)
	switch {
	case err != nil && strings.Contains(arg, "://"):
		return fmt.Errorf("%q is neither a file nor PATH@VERSION; a server is named with --server URL", maskSecrets(arg))
	case err != nil && strings.Contains(arg, "@"):
		root, err := warm.ParseRoot(arg)
		if err != nil {
			return err
		}
		w.roots = append(w.roots, root)
		return nil
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no file or folder %q; a module is written with its version, such as %s@latest", arg, arg)
	case err != nil:
		return err
	case info.IsDir():
		return w.addProject(arg, environ)
	}
	file, err := filepath.Abs(arg)
	if err != nil {
		return err
	}
	switch filepath.Ext(arg) {
	case ".mod":
		return w.addProject(filepath.Dir(arg), append(environ, "GOWORK=off"), "-modfile="+file)
	case ".work":
		return w.addProject(filepath.Dir(arg), append(environ, "GOWORK="+file))
	}
	in, err := os.Open(arg)
	if err != nil {
		return err
	}
	defer in.Close()
	return w.addList(in, arg)
}

func (w *wanted) addList(in io.Reader, name string) error {
	list, err := warm.ParseList(in, name)
	if err != nil {
		return err
	}
	w.files, w.roots = append(w.files, list.Files...), append(w.roots, list.Roots...)
	return nil
}

func (w *wanted) addProject(dir string, environ []string, flags ...string) error {
	files, main, err := warm.ReadDownload(dir, environ, flags...)
	if main != nil {
		w.mains = append(w.mains, main)
	}
	w.files = append(w.files, files...)
	return err
}

// warmHere fetches into the store of this configuration.
func warmHere(ctx context.Context, cfg *Config, w *wanted, out warmOutput) (int, error) {
	ctx, release := untilSignal(ctx)
	defer release()
	level := cfg.Level()
	if cfg.Origin("log-level") == "default" {
		level = slog.LevelWarn // failures are told at the end
	}
	log := newLogger(cfg, level, out.stderr)
	patient := *cfg
	patient.StreamAfter = cfg.FetchTimeout // nobody reads along
	p, err := newProxy(&patient, log)
	if err != nil {
		return exitFailed, err
	}
	if p.stores.temporary != "" {
		return exitFailed, errors.Join(p.Close(ctx), fmt.Errorf("warm: the folder %s cannot be used, so nothing would be kept; name another with --data", cfg.Data))
	}
	warn(cfg, log)
	j := newRunningJob(&warm.Job{Source: p.cache, Files: w.files, Roots: w.roots, Mains: w.mains})
	shown := newJobLine(out.stderr, out.quiet, j.Progress, p.mirrors)
	var working sync.WaitGroup
	working.Go(func() { j.run(ctx) })
	if out.json {
		err = j.tell(context.WithoutCancel(ctx), out.writeJSON)
	}
	working.Wait()
	shown.end()

	// What came may still be on its way into the store.
	drain, cancel := context.WithTimeout(context.Background(), cfg.Drain)
	defer cancel()
	err = errors.Join(err, p.Close(drain))
	had := len(j.Failures(0))
	j.Check(func(r godown.Request) bool { return stored(cfg.Data, r) }, "it was fetched, but could not be stored in "+cfg.Data)
	if out.json {
		for _, f := range j.Failures(had) {
			err = errors.Join(err, out.writeJSON(f))
		}
		err = errors.Join(err, out.writeJSON(j.end()))
	}
	code, failed := out.finish(j.end(), j.Failures(0))
	if err != nil {
		return exitFailed, errors.Join(failed, err)
	}
	return code, failed
}

// warmThere has the godown at u fetch, and shows how it goes.
func warmThere(ctx context.Context, u *url.URL, w *wanted, out warmOutput) (int, error) {
	ctx, release := untilSignal(ctx)
	defer release()
	shown := maskSecrets(u.String())
	var own []warm.Failure
	for _, m := range w.mains {
		// What is replaced or excluded in a go.mod, a list cannot say.
		g, err := m.Graph(ctx, &godown.Upstream{URL: u})
		if g != nil {
			w.files = append(w.files, g.Files()...)
		}
		if err != nil {
			own = append(own, warm.Failure{File: m.Name, Error: err.Error()})
		}
	}
	end := warmEnd{Done: true}
	var failures []warm.Failure
	if len(w.files)+len(w.roots) > 0 {
		resp, err := postList(ctx, u, w)
		if err != nil {
			return exitFailed, err
		}
		defer resp.Body.Close()
		end, failures, err = out.follow(resp.Body)
		if err != nil && ctx.Err() != nil {
			return exitFailed, errors.New("warm: stopped by a signal; the server goes on with it")
		}
		if err != nil {
			return exitFailed, fmt.Errorf("warm: the answer from %s broke off: %w; if the server still runs, it goes on with it", shown, err)
		}
	} else if out.json {
		if err := out.writeJSON(end); err != nil {
			return exitFailed, err
		}
	}
	end.Failed += len(own)
	return out.finish(end, append(own, failures...))
}

// postList gives a list to the godown at u.
func postList(ctx context.Context, u *url.URL, w *wanted) (*http.Response, error) {
	shown := maskSecrets(u.String())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.JoinPath(warmPage).String(), bytes.NewReader(w.list()))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be asked: it is no good URL", shown)
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, which may hold a password
		}
		return nil, fmt.Errorf("there is no answer from %s: %w; start one with 'godown serve', or name another with --server URL", shown, err)
	}
	if resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/jsonl") {
		return resp, nil
	}
	defer resp.Body.Close()
	text := "it is no godown that fetches ahead"
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") && resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // as much as there is
		text = line(string(said), 1000)
	}
	return nil, fmt.Errorf("%s has answered %s: %s", shown, resp.Status, text)
}

// list returns what warm.ParseList takes for the same. The server verifies
// what it fetches by itself, so no sums are told.
func (w *wanted) list() []byte {
	var b bytes.Buffer
	for _, f := range w.files {
		switch f.Kind {
		case godown.Mod:
			fmt.Fprintf(&b, "%s %s/go.mod h1:-\n", f.Path, f.Version)
		case godown.Zip: // stands for the .info, too
			fmt.Fprintf(&b, "%s %s h1:-\n", f.Path, f.Version)
		}
	}
	for _, root := range w.roots {
		fmt.Fprintf(&b, "%s\n", root)
	}
	return b.Bytes()
}

// A warmOutput says what is printed, and where.
type warmOutput struct {
	stdout, stderr io.Writer
	json, quiet    bool
}

func (out warmOutput) writeJSON(line any) error { return json.NewEncoder(out.stdout).Encode(line) }

// maxWarmLine bounds a line of a server's stream, in bytes.
const maxWarmLine = 1 << 20

// follow reads a server's stream to its end, and shows how it goes.
func (out warmOutput) follow(body io.Reader) (end warmEnd, failures []warm.Failure, err error) {
	var mu sync.Mutex // guards last
	var last warm.Progress
	shown := newJobLine(out.stderr, out.quiet, func() warm.Progress {
		mu.Lock()
		defer mu.Unlock()
		return last
	}, nil)
	defer shown.end()
	in := bufio.NewScanner(body)
	in.Buffer(nil, maxWarmLine)
	for in.Scan() {
		var line struct {
			File string `json:"file"`
			warmEnd
		}
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			return end, failures, fmt.Errorf("a line is no JSON: %w", err)
		}
		if out.json {
			if _, err := fmt.Fprintf(out.stdout, "%s\n", in.Bytes()); err != nil {
				return end, failures, err
			}
		}
		switch {
		case line.Done:
			return line.warmEnd, failures, nil
		case line.File != "":
			failures = append(failures, warm.Failure{File: line.File, Error: line.Error})
		default:
			mu.Lock()
			last = line.Progress
			mu.Unlock()
		}
	}
	if err = in.Err(); err == nil {
		err = io.ErrUnexpectedEOF
	}
	return end, failures, err
}

// maxFailuresShown is how many failures have a line of their own.
const maxFailuresShown = 20

// finish prints the closing line, and returns the exit code and what failed.
func (out warmOutput) finish(end warmEnd, failures []warm.Failure) (int, error) {
	if !out.quiet && !out.json {
		fmt.Fprintln(out.stdout, warmSummary(end))
	}
	var problems []error
	for i, f := range failures {
		if i == maxFailuresShown {
			break
		}
		problems = append(problems, errors.New("warm: "+line(f.File+": "+f.Error, 500)))
	}
	if more := end.Failed - len(problems); more > 0 {
		problems = append(problems, fmt.Errorf("warm: … and %d more", more))
	}
	if end.Error != "" {
		problems = append(problems, fmt.Errorf("warm: %d of %d modules are here: %s", end.ModulesDone, end.Modules, line(end.Error, 500)))
	}
	if len(problems) > 0 {
		return exitFailed, errors.Join(problems...)
	}
	return exitOK, nil
}

// warmSummary says in a line what came of it.
func warmSummary(end warmEnd) string {
	of := func(done, all int, noun string) string {
		if all != 1 {
			noun += "s"
		}
		if done == all {
			return fmt.Sprintf("%d %s", all, noun)
		}
		return fmt.Sprintf("%d of %d %s", done, all, noun)
	}
	if end.Files == 0 && end.Failed == 0 && end.Error == "" {
		return "there is nothing to fetch"
	}
	text := fmt.Sprintf("warmed %s (%s, %s", of(end.ModulesDone, end.Modules, "module"), of(end.FilesDone, end.Files, "file"), formatBytes(end.Bytes+end.CachedBytes))
	switch {
	case end.Cached > 0 && end.Cached == end.FilesDone:
		text += "; all were here already"
	case end.Cached == 1:
		text += "; 1 was here already"
	case end.Cached > 0:
		text += fmt.Sprintf("; %d were here already", end.Cached)
	}
	took := time.Duration(end.Seconds * float64(time.Second))
	return text + fmt.Sprintf(") in %.1fs", took.Seconds())
}

// formatBytes formats a number of bytes for people.
func formatBytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
