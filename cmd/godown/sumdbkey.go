package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/auth"
	"github.com/spf13/cobra"
)

// newSumDBKeyCommand returns the command sumdb key.
func newSumDBKeyCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key [flags] [NAME]",
		Short: "Print what clients set, and where the private key is; add a key",
		Long: `Key prints what clients of the checksum database NAME set, which keys it has, and
where the private one stands, but never that itself. NAME may be left out where
there is one database.

--add makes one more key of the same name, and adds it to the file of the private
key. Heads are then signed with both, so that clients can go over to the new one in
their own time; docs/sumdb.md has the steps. A server that runs begins with it when it is started again.

Exit codes:
  0  printed, or added
  1  there is no database, or its private key cannot be read or written
  2  wrong arguments or configuration; nothing was done`,
		Example: `  godown sumdb key
  godown sumdb key --add sum.corp.example
  go env -w GOSUMDB="$(godown sumdb key --quiet)"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("key takes one NAME, and %q is more than that", maskPrivateKeys(args[1]))
			}
			return nil
		},
	}
	var add, quiet bool
	cmd.Flags().BoolVar(&add, "add", false, "make one more key, and add it to the file of the private key")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the value for GOSUMDB only, with the newest key")
	flags := bindOptions(cmd, func(o option) bool { return o.Key == "data" || o.Key == sumDBKeyKey })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := loadForSumDB(cmd.Context(), m, flags)
		if err != nil {
			return err
		}
		name := cfg.SumDBOwn
		if name == ownOff {
			name = ""
		}
		if len(args) == 1 {
			name = args[0]
		}
		db, err := openOwnSumDB(cmd.Context(), cfg, name)
		if err != nil {
			return ended(exitFailed, err)
		}
		if db == nil {
			return ended(exitFailed, fmt.Errorf("there is no checksum database in %s; 'godown sumdb init NAME' makes one", sumDBFolder(cfg)))
		}
		defer db.Close()
		secrets := secretsFor(cfg, io.Discard) // of file modes there is a warning of its own
		defer secrets.Close()
		if add {
			if err := db.addKey(cmd.Context(), cfg); err != nil {
				return ended(exitFailed, err)
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "godown: a key was added; start 'godown serve' again, so that it signs with both, before any client changes to the new one")
		}
		return ended(exitOK, db.show(cmd.Context(), cfg, secrets, quiet, cmd.OutOrStdout(), cmd.ErrOrStderr()))
	}
	return cmd
}

// addKey makes one more key.
func (o *ownSumDB) addKey(ctx context.Context, cfg *Config) error {
	at := o.privateKeyAt(cfg)
	file, ok := strings.CutPrefix(string(at), "file:")
	if !ok {
		return fmt.Errorf("the private key of the checksum database %s does not stand in a file, and so godown cannot add one: 'godown sumdb init --data OTHER --key file:PATH %s', with a folder for OTHER that you delete at once, makes one; put it on a line of its own below the one that you have", o.name, o.name)
	}
	var keys []signingKey
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", file)
	}
	if err == nil {
		keys, err = addToKeyFile(file, o.name, o.about.Keys)
	}
	if err != nil {
		err = fmt.Errorf("a key of the checksum database %s cannot be added: %w", o.name, err)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; if the file was moved, say with --%s file:PATH where it is", err, sumDBKeyKey)
		}
		return err
	}
	if err := o.record(ctx, publicKeys(keys)); err != nil {
		return fmt.Errorf("the new key is in %s, but recording its public half failed: %w", file, err)
	}
	return nil
}

// show prints what clients set, and where the private key is. It fails if that cannot be read.
func (o *ownSumDB) show(ctx context.Context, cfg *Config, secrets *auth.Secrets, quiet bool, stdout, stderr io.Writer) error {
	at := o.privateKeyAt(cfg)
	if file, ok := strings.CutPrefix(string(at), "file:"); ok {
		if text := loose(file); text != "" {
			fmt.Fprintln(stderr, "godown: warning:", text)
		}
	}
	var signing []string
	private, failure := o.readKeys(ctx, cfg, secrets)
	if failure == nil {
		signing = publicKeys(private)
	}
	newest := o.about.Keys[len(o.about.Keys)-1]
	if len(signing) > 0 {
		newest = signing[len(signing)-1]
	}
	if quiet {
		_, err := fmt.Fprintln(stdout, clientValue(newest, ""))
		return errors.Join(err, failure)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The checksum database %s is in %s.\n", o.name, o.store.Path())
	if at != "" {
		fmt.Fprintf(&b, "Its private key is in %v.\n", at)
	}
	for _, key := range o.about.Keys {
		what := "signs"
		if failure != nil {
			what = "is its own"
		} else if !slices.Contains(signing, key) {
			what = "signed once, and does no more"
		}
		fmt.Fprintf(&b, "Key %s %s.\n", keyHash(key), what)
	}
	for _, key := range signing {
		if !slices.Contains(o.about.Keys, key) {
			fmt.Fprintf(&b, "Key %s will sign when 'godown serve' is started again.\n", keyHash(key))
		}
	}
	if _, err := io.WriteString(stdout, b.String()); err != nil {
		return err
	}
	if len(signing) > 1 {
		fmt.Fprintf(stdout, "The lines below have the newest key, %s.\n", keyHash(newest))
	}
	return errors.Join(writeClientLines(stdout, cfg, o.name, newest, o.about.URL), failure)
}
