package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog"
	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/term"
)

// newSumDBExportCommand returns the command sumdb export.
func newSumDBExportCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export [flags] FILE.tar | FOLDER | -",
		Short: "Write a checksum database to a file, for backup or another site",
		Long: `Export writes the checksum database in --data, as it is with the head that was signed
last, for 'godown sumdb import' and 'godown sumdb verify'. A server may be running on the
same --data. Nothing is written before it is proven by the head; the private key is
neither needed nor written.

  FILE.tar  one file, which is replaced as a whole; the same log makes the same bytes
  FOLDER    the files that any web server can serve as a copy of the log. Only what is
            new since the last export into it is written, and the head last
  -         the archive goes to stdout

Exit codes:
  0  written
  1  not, or not all; a file is then as it was before
  2  wrong arguments or configuration; nothing was done`,
		Example: `  godown sumdb export /backup/sumdb.tar
  godown sumdb export - | zstd > /backup/sumdb.tar.zst
  godown sumdb export /var/www/sum.corp.example`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return errors.New("export takes one FILE.tar, FOLDER or - for stdout")
			}
			return checkExportName(args[0])
		},
	}
	flags := bindOptions(cmd, func(o option) bool { return o.Key == "data" || o.Key == "sumdb-own" })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := loadForSumDB(cmd.Context(), m, flags)
		if err != nil {
			return err
		}
		if f, ok := cmd.OutOrStdout().(*os.File); ok && args[0] == "-" && term.IsTerminal(int(f.Fd())) {
			return errors.New("stdout is a terminal, and an archive is not for people; name a file, or pipe it to a program")
		}
		ctx, release := untilSignal(cmd.Context())
		defer release()
		err = exportSumDB(ctx, cfg, args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		if ctx.Err() != nil {
			err = errors.New("export: stopped by a signal")
		}
		return ended(exitOK, err)
	}
	return cmd
}

// checkExportName refuses names that look like an archive of a form that is not written.
func checkExportName(name string) error {
	for _, ext := range []string{".gz", ".tgz", ".zst", ".xz", ".bz2", ".zip"} {
		if info, err := os.Stat(name); strings.HasSuffix(name, ext) && (err != nil || !info.IsDir()) {
			return fmt.Errorf("%q: an archive is read and written as .tar; to compress it, use a pipe with - in its place", maskSecrets(name))
		}
	}
	return nil
}

// publicVerifiers returns the verifiers of public keys that are known to be
// right in form, each once: one that is there twice would verify nothing.
func publicVerifiers(keys []string) ([]note.Verifier, error) {
	var list []note.Verifier
	for i, key := range keys {
		if slices.Contains(keys[:i], key) {
			continue
		}
		v, err := note.NewVerifier(key)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// openKnownSumDB opens the database of our own that the configuration means,
// without its private key. That there is none is an error.
func openKnownSumDB(ctx context.Context, cfg *Config) (*ownSumDB, error) {
	name := cfg.SumDBOwn
	if name == ownOff {
		name = ""
	}
	db, err := openOwnSumDB(ctx, cfg, name)
	if err == nil && db == nil {
		err = fmt.Errorf("there is no checksum database in %s; name another folder with --data", sumDBFolder(cfg))
	}
	if err != nil {
		return nil, err
	}
	if db.verifiers, err = publicVerifiers(db.about.Keys); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// exportSumDB writes a database to a file, a folder or stdout.
func exportSumDB(ctx context.Context, cfg *Config, to string, stdout, stderr io.Writer) error {
	db, err := openKnownSumDB(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	warn := func(a godown.Alarm) { fmt.Fprintln(stderr, "godown: warning:", line(a.Err.Error(), 1000)) }
	s, err := sumlog.OpenSnapshot(ctx, db.store, db.name, db.verifiers, warn)
	if err != nil {
		return err
	}
	var done sumlog.Exported
	said, info := stdout, fs.FileInfo(nil)
	switch info, err = os.Stat(to); {
	case to == "-":
		said = stderr
		done, err = s.WriteTar(ctx, stdout)
	case err == nil && info.IsDir() || err != nil && !strings.HasSuffix(to, ".tar"):
		done, err = exportToFolder(ctx, s, to)
	case err == nil && !info.Mode().IsRegular():
		err = fmt.Errorf("%s is neither a file nor a folder; write to stdout with - and redirect that", to)
	default:
		done, err = exportToFile(ctx, s, to)
	}
	if err != nil {
		return err
	}
	written := ""
	if done.New != done.Files {
		written = fmt.Sprintf(", %d of them written, the others were there", done.New)
	}
	fmt.Fprintf(said, "exported %s of %s: %s%s (%s)\n", count(done.Tree.N, "record", "records"), db.name, count(int64(done.Files), "file", "files"), written, formatBytes(done.Bytes))
	return nil
}

func exportToFolder(ctx context.Context, s *sumlog.Snapshot, folder string) (sumlog.Exported, error) {
	to, err := godown.OpenDir(folder)
	if err != nil {
		return sumlog.Exported{}, fmt.Errorf("the folder for the export: %w", err)
	}
	defer to.Close()
	return s.WriteFolder(ctx, to)
}

// exportToFile writes an archive, and then puts it in the place of the file as a whole.
func exportToFile(ctx context.Context, s *sumlog.Snapshot, file string) (sumlog.Exported, error) {
	var done sumlog.Exported
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return done, err
	}
	done, err = s.WriteTar(ctx, tmp)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return done, errors.Join(err, os.Remove(tmp.Name()))
	}
	return done, syncFolder(filepath.Dir(file))
}
