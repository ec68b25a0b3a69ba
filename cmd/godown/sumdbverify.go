package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/godown-dev/godown/internal/sumlog/audit"
	"github.com/spf13/cobra"
)

// exitUnfinished says of sumdb verify that nothing wrong was found, but not all could be looked at.
const exitUnfinished = 3

// newSumDBVerifyCommand returns the command sumdb verify.
func newSumDBVerifyCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [flags] [NAME | [KEY] [URL | FOLDER]]",
		Short: "Audit a whole checksum database, ours or another",
		Long: `Verify reads a whole checksum database and proves it: that the head is signed, that
the log goes on from the head that was seen last, that each tile is what the head says,
and each record well-formed and the only one of its module version.

  without arguments   the database in --data, without its private key and without changing
                      anything; and all stored and published modules against its records
  NAME                the same, of the database of that name in --data
  sum.golang.org      the public one, whose key is built in: tens of millions of records
  KEY URL             another: its public key, as in GOSUMDB, and where it is, which
                      may be below a proxy: https://goproxy.corp.example/sumdb/NAME
  KEY FOLDER          one that was exported to a folder
  URL, FOLDER         the same of a database that is in --data, or of sum.golang.org

The head that was seen is kept in sumdb-seen of --data when all was read and nothing is
wrong. If the log later has another history, or less of it, both heads are
shown: they are the evidence. What is read elsewhere of a database that is in --data must
agree with the head there, too. What a signal or the network has stopped is kept as far as it was right:
--since goes on from there.

Each finding is a line on stdout, and the last line is a summary.

Exit codes:
  0  all is right
  1  something is wrong
  2  wrong arguments or configuration; nothing was read
  3  nothing wrong was found, but not all could be read: the network, or a signal`,
		Example: `  godown sumdb verify
  godown sumdb verify https://goproxy.corp.example/sumdb/sum.corp.example
  godown sumdb verify --since --lookups 100 sum.golang.org
  godown sumdb verify sum.corp.example+HASH+KEY /var/www/sum.corp.example`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 2 {
				return fmt.Errorf("verify takes a KEY and a URL or FOLDER at most, and %q is more than that", maskPrivateKeys(args[2]))
			}
			return nil
		},
	}
	v := &sumVerifying{jobs: 4}
	cmd.Flags().BoolVar(&v.since, "since", false, "read only the records after those that were found right before, and only modules that these are of")
	cmd.Flags().IntVar(&v.lookups, "lookups", 0, "ask for `N` of the records, chosen at random, as a client does too; needs a URL")
	cmd.Flags().IntVar(&v.jobs, "jobs", v.jobs, "read `N` files at once")
	cmd.Flags().BoolVar(&v.json, "json", false, "print one JSON object with everything")
	flags := bindOptions(cmd, func(o option) bool { return o.Key == "data" || o.Key == "sumdb-own" })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v.stdout, v.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
		if v.jobs < 1 || v.jobs > 64 {
			return fmt.Errorf("flag --jobs: %d is not between 1 and 64", v.jobs)
		}
		if v.lookups < 0 {
			return fmt.Errorf("flag --lookups: %d is less than none", v.lookups)
		}
		place, err := parseSumPlace(args)
		if err != nil && len(args) != 1 {
			return err
		}
		cfg, cerr := loadForSumDB(cmd.Context(), m, flags)
		if cerr == nil && len(args) == 1 && place.folder == "" && isOwnName(cfg, args[0]) {
			cfg.SumDBOwn, place, err = args[0], sumPlace{}, nil
		}
		if err != nil {
			return err
		}
		if v.lookups > 0 && place.url == nil {
			return errors.New("flag --lookups: only a server answers look-ups; name its URL")
		}
		if v.cfg, err = cfg, cerr; err != nil {
			return err
		}
		return ended(v.run(cmd.Context(), place))
	}
	return cmd
}

// A sumVerifying is one run of the command sumdb verify.
type sumVerifying struct {
	since, json    bool
	lookups, jobs  int
	cfg            *Config
	stdout, stderr io.Writer

	auditor     audit.Auditor
	seen        *seenHeads
	modules     *storedModules // nil: another's database is read
	done, size  atomic.Int64   // records
	read        int64          // records from the first on that were proven, if nothing was found
	closePlaces []func() error
}

// A sumVerified is what --json prints.
type sumVerified struct {
	Database string        `json:"database"`
	At       string        `json:"at"` // where it was read
	OK       bool          `json:"ok"` // all was read, and is right
	Audit    *audit.Report `json:"audit,omitempty"`
	Own      string        `json:"own,omitempty"` // the head in the data folder that it was held to, too
	Modules  *modulesEnd   `json:"modules,omitempty"`
	Bad      []verifyLine  `json:"bad,omitempty"`   // modules
	Error    string        `json:"error,omitempty"` // why not all was read
}

// run audits, and returns the exit code.
func (v *sumVerifying) run(ctx context.Context, place sumPlace) (int, error) {
	ctx, release := untilSignal(ctx)
	defer release()
	defer func() {
		for _, f := range v.closePlaces {
			_ = f() // only read
		}
	}()
	result := sumVerified{}
	if err := v.open(ctx, &place); err != nil {
		if ctx.Err() != nil {
			err = errors.New("it was stopped by a signal")
		}
		result.Database, result.At, result.Error = v.auditor.Name, place.String(), err.Error()
		return v.end(result, failedOpening(err))
	}
	result.Database, result.At = v.auditor.Name, place.String()
	last, err := v.seen.get(ctx, v.auditor.Name)
	if err != nil {
		result.Error = err.Error()
		return v.end(result, exitFailed)
	}
	own, err := v.ownHead(ctx, place)
	if err != nil {
		result.Error = err.Error()
		return v.end(result, exitFailed)
	}
	result.Own = own.file
	report, err := v.auditBoth(ctx, last, own)
	result.Audit = &report
	code := exitOK
	switch {
	case report.Total() > 0:
		code = exitFailed
	case err != nil || !report.Complete:
		code = exitUnfinished
	}
	if err != nil && report.Fork == nil {
		result.Error = err.Error()
		if ctx.Err() != nil {
			result.Error = "it was stopped by a signal"
		}
	}
	if v.modules != nil && err == nil && report.Head != nil {
		end, bad := v.modules.check(ctx, v.since)
		result.Modules, result.Bad = &end, bad
		switch {
		case len(bad) > 0:
			code = exitFailed
		case ctx.Err() != nil && code == exitOK:
			code = exitUnfinished
		}
		if ctx.Err() != nil {
			result.Error = "it was stopped by a signal"
		}
	}
	if seen, ok := v.toKeep(report, last); ok {
		if err := v.seen.put(ctx, v.auditor.Name, last, seen); err != nil {
			fmt.Fprintln(v.stderr, "godown: warning: the head that was seen is not kept:", err)
		}
	}
	return v.end(result, code)
}

// audit reads the log.
func (v *sumVerifying) audit(ctx context.Context, last audit.Seen) (audit.Report, error) {
	v.auditor.Jobs, v.auditor.Since, v.auditor.Lookups = v.jobs, v.since, v.lookups
	v.auditor.Progress = func(done, size int64) {
		v.done.Store(done)
		v.size.Store(size)
		v.read = done
	}
	if v.modules != nil {
		v.auditor.Record = v.modules.record
	}
	shown := newBottomLine(v.stderr, v.json, v.progress)
	defer shown.end()
	return v.auditor.Run(ctx, last)
}

// progress is the line at the bottom of a terminal.
func (v *sumVerifying) progress(took time.Duration) (string, bool) {
	done, size := v.done.Load(), v.size.Load()
	text := fmt.Sprintf("godown: %d of %d records", done, size)
	if v.modules != nil && done == size {
		text += ", now modules"
	}
	if rate := float64(done) / max(took.Seconds(), 0.001); done > 0 && took > 2*time.Second && !v.since {
		text += fmt.Sprintf(", %v to go", time.Duration(float64(size-done)/rate*float64(time.Second)).Round(time.Second))
	}
	return text, false
}

// toKeep returns what is to be kept for the next run: the head, if nothing is
// wrong, with as many records as were read.
func (v *sumVerifying) toKeep(report audit.Report, last audit.Seen) (audit.Seen, bool) {
	if report.Total() > 0 || report.Head == nil || len(report.Seen.Signed) == 0 {
		return last, false
	}
	seen := report.Seen
	if !report.Complete {
		// A fault in a tile may be found only at its end: what is not full will be read again.
		seen.Size = max(last.Size, v.read&^255)
		if seen.Size == last.Size {
			return last, false
		}
	}
	return seen, true
}

// failedOpening returns the exit code for a database that cannot be read at all.
func failedOpening(err error) int {
	if _, ok := errors.AsType[*unreachable](err); ok {
		return exitUnfinished
	}
	return exitFailed
}

// An unreachable is an error that says nothing of the database.
type unreachable struct{ error }

// Unwrap returns the error.
func (u *unreachable) Unwrap() error { return u.error }
