package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/obs"
	"github.com/godown-dev/godown/internal/publish"
	"github.com/godown-dev/godown/internal/sumlog"
	"github.com/spf13/cobra"
	"golang.org/x/mod/module"
)

// newVerifyCommand returns the command verify.
func newVerifyCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [flags] [go.sum | FOLDER]...",
		Short: "Check stored files against what is known of them, and mend what is bad",
		Long: `Verify reads the files in --data as a whole and compares: each .zip and .mod with
the record of the checksum database, or, for modules that are not asked about
there, with the hash that was seen first; a zip with the hash beside it and with
the rules for module zips; a .info with its form, as nothing proves more of it.

  without arguments   all that is stored, also what was published there
  a go.sum file       the files that it names, against its hashes as well
  a folder            its go.sum and go.work.sum

What has no record at hand is asked of the checksum database, but with --offline.
What still has none is good as far as anybody knows, and counted as unproven.
What a go.sum names and is not stored is counted, too: that is no failure.

A server may be running on the same --data. It notices nothing, but for what is
repaired: with --repair a bad file is set aside, in .aside of its folder, and
fetched anew. Where no other can be had it stays aside and is not served.
Published versions are never touched: they may be the only copy.

Each bad file is a line on stdout, and the last line is a summary. --json has a
line of JSON for each, and one with "done" at the end.

` + configHelp + `
Exit codes:
  0  nothing is bad, or --repair has mended all that was
  1  something is bad or cannot be read, our own checksum database too, a go.sum disagrees with the record or the
     store, or a signal has stopped it
  2  wrong arguments or configuration, or there is no store; nothing was checked`,
		Example: `  godown verify
  godown verify --data /srv/godown --repair
  godown verify --offline -v ./service-a ./service-b/go.sum
  godown verify --json | jq -r 'select(.verdict == "bad") | .path'`,
	}
	var v verifying
	cmd.Flags().BoolVar(&v.repair, "repair", false, "set bad files aside, and fetch them anew")
	cmd.Flags().BoolVar(&v.offline, "offline", false, "ask nobody: compare with what records are at hand")
	cmd.Flags().BoolVarP(&v.verbose, "verbose", "v", false, "list good and unproven files, what is not stored, and files that are none of a module proxy's, too")
	cmd.Flags().BoolVar(&v.json, "json", false, "print JSON lines")
	flags := bindConfig(cmd, "verify")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v.stdout, v.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
		if v.repair && v.offline {
			return errors.New("--repair fetches bad files anew, which it cannot with --offline; leave out one of them")
		}
		cfg, err := load(cmd.Context(), m, flags.settings())
		if err != nil {
			return err
		}
		if len(args) > 0 {
			if v.sums, err = readSums(args); err != nil {
				return err
			}
		}
		modules := filepath.Join(cfg.Data, "modules")
		if info, err := os.Stat(modules); err != nil || !info.IsDir() {
			return fmt.Errorf("there is no store in %s: it has no folder modules; name another with --data", cfg.Data)
		}
		return ended(v.run(cmd.Context(), cfg))
	}
	return cmd
}

// A verifying is one run of the command verify.
type verifying struct {
	repair, offline bool
	verbose, json   bool
	stdout, stderr  io.Writer
	sums            goSums // nil: all that is stored

	cache   *godown.Cache
	shelves []shelf
	shut    []verifyLine                                 // what cannot be opened at all
	record  func(context.Context, godown.Request) string // names the record of a file, if there is one
	recall  func(context.Context, godown.Request) string // returns the hash of the record that is at hand

	mu  sync.Mutex // guards the fields below, and stdout
	end verifyEnd
	err error // of writing to stdout
}

// A shelf is a store, and where an operator finds it.
type shelf struct {
	store     godown.Store
	folder    string
	published bool // nothing in it is changed
}

// A verifyEnd is the last line of --json.
type verifyEnd struct {
	Done       bool    `json:"done"`
	Files      int     `json:"files"` // that were checked
	Good       int     `json:"good"`
	Unproven   int     `json:"unproven"`
	Bad        int     `json:"bad"`      // among them those that are repaired
	Repaired   int     `json:"repaired"` // of those that were bad
	Unreadable int     `json:"unreadable"`
	Disagree   int     `json:"disagree"`   // lines of go.sum files that are not as the record or the store has it
	NotStored  int     `json:"not_stored"` // files that a go.sum names
	Foreign    int     `json:"foreign"`    // files in the store that are none of a module proxy's
	Bytes      int64   `json:"bytes"`      // that were read
	Seconds    float64 `json:"seconds"`
	Error      string  `json:"error,omitempty"` // why not all was checked
}

// failures is the number of things that are not as they should be now.
func (e verifyEnd) failures() int { return e.Bad - e.Repaired + e.Unreadable + e.Disagree }

// verifyWorkers is how many files are looked at at once. Zips are hashed by as
// many as there are cores; the others wait for a database.
const verifyWorkers = 8

// run checks, and returns the exit code.
func (v *verifying) run(ctx context.Context, cfg *Config) (int, error) {
	ctx, release := untilSignal(ctx)
	defer release()
	closeAll, err := v.open(cfg)
	if _, wrong := errors.AsType[*misconfigured](err); wrong {
		return exitUsage, err
	}
	if err != nil {
		return exitFailed, err
	}
	start := time.Now()
	for _, l := range v.shut {
		v.tell(l)
	}
	shown := newBottomLine(v.stderr, v.json, v.progress)
	v.checkAll(ctx)
	shown.end()
	v.end.Done, v.end.Seconds = true, time.Since(start).Seconds()
	if ctx.Err() != nil {
		v.end.Error = "it was stopped by a signal before all was checked"
	}
	patience, cancel := context.WithTimeout(context.Background(), cfg.Drain)
	defer cancel()
	if ctx.Err() != nil {
		cancel()
	}
	_ = closeAll(patience) // nothing of it is awaited any more
	if v.json {
		v.write(v.end)
	} else {
		v.print(v.end.String())
	}
	switch {
	case v.err != nil:
		return exitFailed, fmt.Errorf("verify: writing to stdout: %w", v.err)
	case v.end.Error != "":
		return exitFailed, errors.New("verify: " + v.end.Error)
	case v.end.failures() > 0:
		return exitFailed, nil
	}
	return exitOK, nil
}

// open puts together what is needed of a proxy, without serving, and without
// what a proxy does by itself in the background.
func (v *verifying) open(cfg *Config) (closeAll func(context.Context) error, err error) {
	level := cfg.Level()
	if cfg.Origin("log-level") == "default" {
		level = slog.LevelError + 1 // what alarms say, the lines do
	}
	log := newLogger(cfg, level, v.stderr)
	observer := obs.New(log, false)
	stores, err := openStores(cfg.Data)
	if err != nil {
		return nil, err
	}
	origin, err := newOrigin(cfg, observer, filepath.Join(cfg.Data, "direct"), log)
	if err != nil {
		return nil, errors.Join(err, stores.Close())
	}
	up, err := newUpstreams(cfg, observer, origin)
	if err != nil {
		return nil, errors.Join(err, origin.Close(), stores.Close())
	}
	trust := &godown.Trust{NoSumDB: joinPatterns(cfg.NoSumDB, cfg.Private, cfg.Publish, stores.onShelf()), FirstSeen: &godown.FirstSeen{Store: stores.seen}}
	var sums *godown.Sums
	if cfg.SumDB != "off" {
		if sums, err = checksumDatabase(cfg, observer, &godown.SumRoute{Via: up.via}, stores.modules); err != nil {
			return nil, errors.Join(err, origin.Close(), stores.Close())
		}
		sums.Private = trust.NoSumDB
		trust.Database = sums
	}
	var verifier godown.Verifier = remembering{trust, &godown.FirstSeen{Store: stores.seen}}
	own, ownFolder, err := readOwnSums(context.Background(), cfg, observer.Alarm)
	if _, wrong := errors.AsType[*misconfigured](err); wrong {
		return nil, errors.Join(err, origin.Close(), stores.Close())
	}
	if own != nil {
		verifier = &sumlog.Keeper{Log: own, Next: verifier, Own: func(path string) bool { return !trust.ByDatabase(path) }}
	}
	quiet := newDiscreet(verifier, trust, stores, own)
	if err != nil {
		quiet.unsure = errors.Join(quiet.unsure, err)
		v.shut = append(v.shut, verifyLine{Verdict: string(godown.Unreadable), Path: sumDBFolder(cfg), Reason: "what our own checksum database has cannot be compared: " + err.Error(), Advice: "mend that, or check without it by --sumdb-own off"})
	}
	if err := stores.shut["published"]; err != nil {
		v.shut = append(v.shut, verifyLine{Verdict: string(godown.Unreadable), Path: filepath.Join(cfg.Data, "published"), Reason: "what was published cannot be checked: " + err.Error(), Advice: "look after the disk, or its permissions"})
	}
	v.cache = &godown.Cache{
		Store: stores.modules, Answers: stores.answers, Pending: stores.pending,
		Source: godown.First(
			godown.Step{Source: &publish.Shelf{Store: stores.published}},
			godown.Step{Source: godown.Split(cfg.isPrivate, godown.First(up.private...), godown.First(up.steps...))}),
		Verifier: quiet, Prefer: cfg.Verify == "prefer",
		MaxFetches: cfg.Fetches, FetchWait: atLeast(cfg.FetchWait, 1), FetchTimeout: cfg.FetchTimeout,
		StreamAfter: cfg.FetchTimeout, // nobody reads along
		Alarm:       observer.Alarm,
	}
	v.recall = quiet.Recall
	v.record = func(ctx context.Context, req godown.Request) string {
		if own != nil {
			if _, _, err := own.Recall(ctx, module.Version{Path: req.Path, Version: req.Version}); err == nil {
				return "our checksum database " + own.Name
			}
		}
		private := req.Path != "golang.org/toolchain" && module.MatchPrefixPatterns(trust.NoSumDB, req.Path)
		if sums != nil && !private && sums.Recall(ctx, req) != "" {
			return "checksum database " + sums.Spec.Name
		}
		return "the hash that was seen first"
	}
	v.shelves = []shelf{
		{stores.modules, filepath.Join(cfg.Data, "modules"), false},
		{stores.published, filepath.Join(cfg.Data, "published"), true},
	}
	return func(ctx context.Context) error {
		err := v.cache.Close(ctx)
		if own != nil {
			err = errors.Join(err, own.Close(ctx), ownFolder.Close())
		}
		if sums != nil {
			err = errors.Join(err, sums.Close(ctx))
		}
		for _, pool := range up.pools {
			pool.Close()
		}
		return errors.Join(err, origin.Close(), stores.Close())
	}, nil
}

// checkAll checks what the go.sum files name, or all that is stored.
func (v *verifying) checkAll(ctx context.Context) {
	type job struct {
		shelf *shelf
		req   godown.Request
	}
	jobs := make(chan job)
	var workers sync.WaitGroup
	for range verifyWorkers {
		workers.Go(func() {
			for j := range jobs {
				if v.sums != nil {
					v.checkNamed(ctx, j.req)
				} else {
					v.tell(v.lineOf(ctx, j.shelf, v.check(ctx, j.shelf, j.req)))
				}
			}
		})
	}
	give := func(j job) bool {
		select {
		case jobs <- j:
			return true
		case <-ctx.Done():
			return false
		}
	}
	defer workers.Wait()
	defer close(jobs)
	for req := range v.sums {
		if !give(job{req: req}) {
			return
		}
	}
	if v.sums != nil {
		return
	}
	for i := range v.shelves {
		at := &v.shelves[i]
		for e, err := range godown.ListAll(ctx, at.store) {
			if ctx.Err() != nil {
				return
			}
			req, notOurs := godown.ParseRequest(e.Name)
			switch {
			case err != nil:
				v.tell(verifyLine{Verdict: string(godown.Unreadable), Path: at.folder, Reason: "some files cannot be listed: " + err.Error(), Advice: "look after the disk, or its permissions"})
			case notOurs == nil && req.Fixed():
				if !give(job{at, req}) {
					return
				}
			case !belongs(e.Name):
				v.tell(verifyLine{Verdict: "foreign", Path: filepath.Join(at.folder, filepath.FromSlash(e.Name)), Reason: "it is no file of a module proxy"})
			}
		}
	}
}

// belongs reports whether a file that no request is for belongs to a store all
// the same: what is kept beside modules by us, or by a go command.
func belongs(name string) bool {
	for _, suffix := range []string{"/@v/list", ".ziphash", ".lock", "/@latest"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return strings.HasPrefix(name, "sumdb/")
}

// check checks one file.
func (v *verifying) check(ctx context.Context, at *shelf, req godown.Request) godown.Finding {
	how := godown.Checking{Ask: !v.offline, Repair: v.repair}
	if at.published {
		return v.cache.CheckIn(ctx, at.store, req, how)
	}
	return v.cache.Check(ctx, req, how)
}

// progress is the line at the bottom of a terminal.
func (v *verifying) progress(took time.Duration) (string, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.end
	text := fmt.Sprintf("godown: %d files verified, %.1f MB, %.1f MB/s", e.Files, float64(e.Bytes)/1e6, float64(e.Bytes)/1e6/max(took.Seconds(), 0.001))
	if v.sums != nil {
		text += fmt.Sprintf(", %d to go", len(v.sums)-e.Files-e.NotStored)
	}
	if n := e.Bad + e.Unreadable + e.Disagree; n > 0 {
		text += fmt.Sprintf(", %d bad", n)
	}
	return text, false
}

// write writes a line of JSON. Caller holds v.mu, or is alone.
func (v *verifying) write(line any) {
	if err := json.NewEncoder(v.stdout).Encode(line); v.err == nil {
		v.err = err
	}
}

// print prints a line. Caller holds v.mu, or is alone.
func (v *verifying) print(text string) {
	if _, err := fmt.Fprintln(v.stdout, text); v.err == nil {
		v.err = err
	}
}
