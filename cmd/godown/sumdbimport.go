package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/auth"
	"github.com/godown-dev/godown/internal/sumlog"
	"github.com/spf13/cobra"
)

// newSumDBImportCommand returns the command sumdb import.
func newSumDBImportCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import [flags] FILE.tar | FOLDER | -",
		Short: "Take over a checksum database that was exported",
		Long: `Import takes what 'godown sumdb export' has written into --data: as a new database
where there is none, or as its continuation where what is there is a beginning
of it, and puts right what of it is damaged. Every file is proven by the head, and the head by the public key, before
it is stored. A longer or different history is never replaced.

An export that is older than the database still puts right the damaged files of the
part that it has. If what is here is so damaged that it cannot be read as a log, an
export takes its place that is as new as all that is known here.

The public key is the one of the database that is there. For a new one it must be
given, as clients have it in GOSUMDB, with --public; or follows from the private key, with --key.

'godown serve' goes on with the database where the private key is: name it with
--key, here or at once. Only one data folder of a database may grow: where another
one does, its clients and yours would see two histories.

Exit codes:
  0  all of it is here; if it is older: damaged files were put right by it
  1  it is damaged, of another history, not signed with the key, or older and of no use;
     what was here is as it was, but for damaged files that could be put right
  2  wrong arguments or configuration; nothing was done`,
		Example: `  godown sumdb import --data /srv/godown --public sum.corp.example+HASH+KEY sumdb.tar
  godown sumdb import --key file:/etc/godown/sumdb.key sumdb.tar
  zstd -dc sumdb.tar.zst | godown sumdb import -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return errors.New("import takes one FILE.tar, FOLDER or - for stdin")
			}
			return checkExportName(args[0])
		},
	}
	var public []string
	var key string
	cmd.Flags().StringArrayVar(&public, "public", nil, "`KEY`, the public key that has signed it: NAME+HASH+KEY, as in GOSUMDB; may be given again")
	cmd.Flags().StringVar(&key, "key", "", "`where` the private key stands: env:NAME, file:PATH or command:PROGRAM ARGS")
	flags := bindOptions(cmd, func(o option) bool { return o.Key == "data" || o.Key == "sumdb-own" })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in := &sumDBImport{stderr: cmd.ErrOrStderr(), from: args[0], key: auth.Secret(key)}
		if err := checkSecretFlag(key); err != nil {
			return fmt.Errorf("flag --key: %w", err)
		}
		var err error
		if in.key, err = absoluteKey(in.key); err != nil {
			return fmt.Errorf("flag --key: %w", err)
		}
		if err := in.trust(public); err != nil {
			return fmt.Errorf("flag --public: %w", err)
		}
		if in.cfg, err = loadForSumDB(cmd.Context(), m, flags); err != nil {
			return err
		}
		ctx, release := untilSignal(cmd.Context())
		defer release()
		err = in.run(ctx, cmd.InOrStdin(), cmd.OutOrStdout())
		if ctx.Err() != nil {
			err = errors.New("import: stopped by a signal; the same command does it again")
		}
		return ended(exitOK, err)
	}
	return cmd
}

// A sumDBImport takes over a database.
type sumDBImport struct {
	cfg    *Config
	stderr io.Writer
	from   string
	name   string
	keys   []string    // public keys that are trusted, and will be known as the database's own
	key    auth.Secret // where the private key stands; empty: nobody has said it
}

// trust adds public keys that were given. All must be of one name.
func (in *sumDBImport) trust(public []string) error {
	for _, text := range public {
		if strings.Contains(text, privateKeyMark) {
			return errors.New("that is a private key, which is for --key, in a file; take this one for known to others now")
		}
		spec, err := godown.ParseSumDB(text) // perhaps with the URL that clients have beside it
		if err == nil {
			err = checkDatabaseName(spec.Name)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", maskSecrets(text), err)
		}
		if in.name != "" && in.name != spec.Name {
			return fmt.Errorf("one key is of %s, and another of %s", in.name, spec.Name)
		}
		in.name = spec.Name
		if !slices.Contains(in.keys, spec.Key) {
			in.keys = append(in.keys, spec.Key)
		}
	}
	return nil
}

// readKey adds the public keys that belong to the private ones.
func (in *sumDBImport) readKey(ctx context.Context) error {
	if in.key == "" {
		return nil
	}
	secrets := secretsFor(in.cfg, in.stderr)
	defer secrets.Close()
	text, err := secrets.Get(ctx, in.key)
	if err != nil {
		return fmt.Errorf("the private key: %w", err)
	}
	name := in.name
	for one := range strings.Lines(text) {
		if k, err := parseSigningKey(strings.TrimSpace(one)); err == nil && name == "" {
			name = k.signer.Name()
		}
	}
	keys, err := parseSigningKeys(text, name)
	if err != nil {
		return fmt.Errorf("the private key, %v: %w", in.key, err)
	}
	if in.name = name; checkDatabaseName(name) != nil {
		return fmt.Errorf("the private key, %v, is of %q: %w", in.key, name, checkDatabaseName(name))
	}
	for _, key := range publicKeys(keys) {
		if !slices.Contains(in.keys, key) {
			in.keys = append(in.keys, key)
		}
	}
	return nil
}

// find finds out which database is meant, if no key says it: that which is here.
func (in *sumDBImport) find() error {
	own := in.cfg.SumDBOwn
	if own == ownOff {
		own = ""
	}
	if in.name != "" {
		if own != "" && own != in.name && !in.cfg.isDefault("sumdb-own") {
			return fmt.Errorf("the key is of the database %s, but sumdb-own (%s) says %s", in.name, in.cfg.Origin("sumdb-own"), own)
		}
		return nil
	}
	names, err := listSumDBs(sumDBFolder(in.cfg))
	switch {
	case err != nil:
		return err
	case own == "" && len(names) == 1:
		own = names[0]
	case own == "" && len(names) > 1:
		return fmt.Errorf("there are several checksum databases in %s: %s; choose one with --sumdb-own", sumDBFolder(in.cfg), strings.Join(names, ", "))
	case !slices.Contains(names, own):
		return errors.New("whose signature is to be trusted is not known: give the public key, as clients have it in GOSUMDB, with --public NAME+HASH+KEY")
	}
	in.name = own
	return nil
}

func (in *sumDBImport) run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	if err := in.readKey(ctx); err != nil {
		return err
	}
	if err := in.find(); err != nil {
		return err
	}
	src, closeSource, err := openExport(in.from, stdin)
	if err != nil {
		return err
	}
	defer closeSource()
	place := &sumDBInit{cfg: in.cfg, name: in.name} // the same rules hold for what is made by an import
	if err := place.open(); err != nil {
		return err
	}
	defer place.store.Close()
	about, _, err := readAbout(ctx, place.store, in.name)
	if err != nil {
		return err
	}
	trusted := slices.Clone(in.keys)
	if about != nil {
		trusted = append(trusted, about.Keys...)
	}
	if len(trusted) == 0 {
		return fmt.Errorf("of the database %s in %s no key is known: give it with --public", in.name, place.store.Path())
	}
	verifiers, err := publicVerifiers(trusted)
	if err != nil {
		return err
	}
	done, err := sumlog.Import(ctx, place.store, in.name, verifiers, src)
	if err != nil {
		return err
	}
	if err := changeAbout(ctx, place.store, in.name, in.about); err != nil {
		return fmt.Errorf("the log is here, but what is known of the database cannot be stored: %w; give the command again", err)
	}
	if about, _, err = readAbout(ctx, place.store, in.name); err != nil {
		return err
	}
	return in.say(stdout, place.store.Path(), done, about)
}

// about returns what is known of the database from now on.
func (in *sumDBImport) about(a *aboutSumDB) *aboutSumDB {
	if a == nil {
		a = &aboutSumDB{Name: in.name}
	}
	for _, key := range in.keys {
		if !slices.Contains(a.Keys, key) {
			a.Keys = append(a.Keys, key)
		}
	}
	if private := recordable(in.key); private != "" {
		a.Private = private
	}
	return a
}

// say tells what was done, and what is to be done.
func (in *sumDBImport) say(stdout io.Writer, folder string, done sumlog.Imported, about *aboutSumDB) error {
	var b strings.Builder
	if done.Came < done.Tree.N {
		fmt.Fprintf(&b, "put %s right in %s; what was imported is older, with %d of the %d records: nothing else was changed. 'godown sumdb verify' says whether all is right now\n",
			count(int64(done.Mended), "damaged file", "damaged files"), folder, done.Came, done.Tree.N)
		_, err := io.WriteString(stdout, b.String())
		return err
	}
	fmt.Fprintf(&b, "imported %s of %s into %s", count(done.Tree.N-done.Before, "record", "records"), in.name, folder)
	if done.Before > 0 {
		fmt.Fprintf(&b, ": they follow the %d that were there", done.Before)
	}
	b.WriteString("\n")
	if done.Mended > 0 {
		fmt.Fprintf(&b, "put %s right\n", count(int64(done.Mended), "damaged file", "damaged files"))
	}
	if about.Private == "" && in.cfg.SumDBKey == "" {
		b.WriteString("Where its private key stands is not known here, and 'godown serve' serves it only with that: give --sumdb-key file:PATH to serve, or --key file:PATH to this command.\n")
	}
	_, err := io.WriteString(stdout, b.String())
	return err
}

// openExport opens what was exported.
func openExport(from string, stdin io.Reader) (sumlog.Source, func() error, error) {
	if from == "-" {
		return sumlog.TarSource(stdin), func() error { return nil }, nil
	}
	info, err := os.Stat(from)
	if err != nil {
		return nil, nil, fmt.Errorf("what is to be imported: %w", err)
	}
	if info.IsDir() {
		root, err := os.OpenRoot(from)
		if err != nil {
			return nil, nil, err
		}
		return sumlog.FolderSource(root.FS()), root.Close, nil
	}
	f, err := os.Open(from)
	if err != nil {
		return nil, nil, err
	}
	return sumlog.TarSource(f), f.Close, nil
}
