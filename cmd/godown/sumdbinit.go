package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/auth"
	"github.com/godown-dev/godown/internal/sumlog"
	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// newSumDBInitCommand returns the command sumdb init.
func newSumDBInitCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init [flags] NAME",
		Short: "Make a checksum database and its key",
		Long: `Init makes the checksum database NAME in the folder --data, where 'godown serve' will
find it, and prints what clients set. NAME is a host that is yours, or such a host
and a path; clients never forget which NAME they have seen with which history, so it is for good.

Unless --key says otherwise it makes a new private key, in a file that only you can
read: godown/sumdb/NAME.key in the user's configuration directory, which is apart
from the data. Keep a copy of it. --key file:PATH takes another file, and makes it if it is not there;
an existing key is taken from there, or from env:NAME or command:PROGRAM ARGS, and
is then never copied.

Given again, it changes nothing and prints the same.

Exit codes:
  0  it is made, or was before with the same key
  1  it cannot be made, or has another key
  2  wrong arguments or configuration; nothing was done`,
		Example: `  godown sumdb init sum.corp.example
  godown sumdb init --data /srv/godown --key file:/etc/godown/sumdb.key sum.corp.example
  go env -w GOSUMDB="$(godown sumdb init --quiet sum.corp.example)"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("init takes one NAME, a host that is yours, as in: godown sumdb init sum.corp.example")
			}
			if err := checkDatabaseName(args[0]); err != nil {
				return fmt.Errorf("%q: %w", maskPrivateKeys(args[0]), err)
			}
			return nil
		},
	}
	var key, at string
	var quiet, beside bool
	cmd.Flags().StringVar(&key, "key", "", "`where` the private key stands, or is to be put: env:NAME, file:PATH or command:PROGRAM ARGS")
	cmd.Flags().StringVar(&at, "url", "", "`URL` at which clients reach the database itself, for the lines that are printed (default https://NAME)")
	cmd.Flags().BoolVar(&beside, "beside", false, "make it although there is another one in the data folder")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the value for GOSUMDB only")
	flags := bindOptions(cmd, func(o option) bool { return o.Key == "data" })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkSecretFlag(key); err != nil {
			return fmt.Errorf("flag --key: %w", err)
		}
		at, err := databaseURL(at)
		if err != nil {
			return err
		}
		cfg, err := loadForSumDB(cmd.Context(), m, flags)
		if err != nil {
			return err
		}
		in := &sumDBInit{machine: m, cfg: cfg, name: args[0], at: at, key: cfg.SumDBKey, beside: beside}
		if key != "" {
			in.key = auth.Secret(key)
		}
		if in.key, err = absoluteKey(in.key); err != nil {
			return fmt.Errorf("flag --key: %w", err)
		}
		secrets := secretsFor(cfg, cmd.ErrOrStderr())
		defer secrets.Close()
		said, err := in.run(cmd.Context(), secrets)
		if err != nil {
			return ended(exitFailed, err)
		}
		public := in.keys[len(in.keys)-1]
		if quiet {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), clientValue(public, at))
			return ended(exitOK, err)
		}
		fmt.Fprint(cmd.OutOrStdout(), said)
		return ended(exitOK, writeClientLines(cmd.OutOrStdout(), cfg, in.name, public, in.at))
	}
	return cmd
}

// databaseURL checks the URL of a database. It goes to all clients, and so holds no password.
func databaseURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, " \t\r\n\"'") {
		return "", fmt.Errorf("flag --url: %q is not the URL of a database such as https://sum.corp.example, without user and query", maskSecrets(text))
	}
	return strings.TrimRight(text, "/"), nil
}

// absoluteKey returns where a private key stands for whoever is started in another folder.
func absoluteKey(key auth.Secret) (auth.Secret, error) {
	if err := key.Check(); key != "" && err != nil {
		return "", err
	}
	file, ok := strings.CutPrefix(string(key), "file:")
	if !ok {
		return key, nil
	}
	file, err := absolute(file)
	return auth.Secret("file:" + file), err
}

// A sumDBInit makes a database.
type sumDBInit struct {
	machine machine
	cfg     *Config
	name    string
	at      string      // the URL of the database; empty: not said
	key     auth.Secret // where the private key stands; empty: nobody has said it
	beside  bool        // there may be another database

	store *godown.Dir
	keys  []string // the public keys
}

// run makes the database unless it is there, and returns what to say.
func (in *sumDBInit) run(ctx context.Context, secrets *auth.Secrets) (said string, err error) {
	if err := in.open(); err != nil {
		return "", err
	}
	defer in.store.Close()
	about, _, err := readAbout(ctx, in.store, in.name)
	if err != nil {
		return "", err
	}
	commit, err := readSmall(ctx, in.store, path.Join(in.name, commitFile))
	if err != nil {
		return "", err
	}
	switch {
	case about != nil:
		return in.again(ctx, secrets, about)
	case commit != nil:
		err = in.adopt(ctx, secrets, commit)
	default:
		err = in.make(ctx, secrets)
	}
	if err != nil {
		return "", err
	}
	err = changeAbout(ctx, in.store, in.name, func(a *aboutSumDB) *aboutSumDB {
		if a != nil { // another process was quicker
			in.keys = a.Keys
			return a
		}
		return &aboutSumDB{Name: in.name, Keys: in.keys, Private: recordable(in.key), URL: in.at}
	})
	if err != nil {
		return "", fmt.Errorf("what is known of the database cannot be stored: %w; give the command again", err)
	}
	said = fmt.Sprintf("The checksum database %s is in %s.\nIts private key is in %v. Who has it can sign for the database: keep it secret, and keep a copy.\n", in.name, in.store.Path(), in.key)
	if recordable(in.key) == "" {
		said += "That is not written down in the data: 'godown serve' needs --" + sumDBKeyKey + ", or the key of that name in its file.\n"
	}
	return said, nil
}

// sumDBKeyKey is the key that says where the private key stands.
const sumDBKeyKey = "sumdb-key"

// open opens the folder of databases, if it can be written and the name fits beside those that are in it.
func (in *sumDBInit) open() error {
	folder := sumDBFolder(in.cfg)
	unusable := func(err error) error {
		return fmt.Errorf("the folder for the database cannot be used: %w; name another with --data", err)
	}
	store, err := godown.OpenDir(folder)
	if err != nil {
		return unusable(err)
	}
	tmp, err := store.Stage()
	if err == nil {
		err = errors.Join(tmp.Close(), os.Remove(tmp.Name()))
	}
	var names []string
	if err == nil {
		names, err = listSumDBs(folder)
	}
	if err != nil {
		return errors.Join(unusable(err), store.Close())
	}
	for _, other := range names {
		if strings.HasPrefix(in.name, other+"/") || strings.HasPrefix(other, in.name+"/") {
			return errors.Join(fmt.Errorf("the checksum database %s is in %s, and the files of one of the name %s would be among its own; choose another name", other, folder, in.name), store.Close())
		}
	}
	if len(names) > 0 && !slices.Contains(names, in.name) && !in.beside {
		return errors.Join(fmt.Errorf("there is a checksum database in %s already: %s. One of the name %s can stand beside it with --beside; then 'godown serve' has to be told which to serve, with --sumdb-own", folder, strings.Join(names, ", "), in.name), store.Close())
	}
	in.store = store
	return nil
}

// again checks that what is there is what was asked for.
func (in *sumDBInit) again(ctx context.Context, secrets *auth.Secrets, about *aboutSumDB) (string, error) {
	in.keys = about.Keys
	if in.at == "" {
		in.at = about.URL
	}
	if in.key != "" && string(in.key) != about.Private {
		keys, err := in.read(ctx, secrets)
		if err != nil {
			return "", err
		}
		for _, k := range keys {
			if !slices.Contains(about.Keys, k.public) {
				return "", fmt.Errorf("there is a checksum database %s in %s already, with another key: its public key is %s, and not %s; nothing was changed", in.name, in.store.Path(), about.Keys[len(about.Keys)-1], k.public)
			}
		}
	}
	at := "where sumdb-key says"
	if about.Private != "" {
		at = about.Private
	}
	if file, ok := strings.CutPrefix(at, "file:"); ok && in.key == "" {
		if _, err := os.Stat(file); err != nil {
			return "", fmt.Errorf("there is a checksum database %s in %s already, but its private key is gone: %w; put it back from your copy", in.name, in.store.Path(), err)
		}
	}
	return fmt.Sprintf("The checksum database %s was in %s before; nothing was changed. Its private key is in %s.\n", in.name, in.store.Path(), at), nil
}

// make makes a log with the private key that is there, or with a new one.
func (in *sumDBInit) make(ctx context.Context, secrets *auth.Secrets) error {
	keys, file, err := in.find(ctx, secrets)
	if err != nil {
		return err
	}
	var signers []note.Signer
	for _, k := range keys {
		signers = append(signers, k.signer)
	}
	if err := sumlog.Create(ctx, in.store, in.name, signers...); err != nil {
		err = fmt.Errorf("the checksum database %s cannot be made: %w", in.name, err)
		if commit, _ := readSmall(ctx, in.store, path.Join(in.name, commitFile)); file != "" && commit == nil {
			return errors.Join(err, os.Remove(file)) // made just now, and of no use to anybody
		}
		return err
	}
	in.keys = publicKeys(keys)
	return nil
}

// find returns the private keys, and the name of the file if it has made that.
func (in *sumDBInit) find(ctx context.Context, secrets *auth.Secrets) (_ []signingKey, made string, err error) {
	file, isFile := strings.CutPrefix(string(in.key), "file:")
	if in.key == "" {
		if file, err = defaultKeyFile(in.machine, in.name); err != nil {
			return nil, "", err
		}
		in.key = auth.Secret("file:" + file)
	} else {
		if _, err := os.Lstat(file); !isFile || !errors.Is(err, fs.ErrNotExist) {
			if isFile && within(in.cfg.Data, file) {
				return nil, "", errKeyInData(in.cfg.Data)
			}
			keys, err := in.read(ctx, secrets)
			return keys, "", err
		}
	}
	if within(in.cfg.Data, file) {
		return nil, "", errKeyInData(in.cfg.Data)
	}
	keys, err := makeKeyFile(file, in.name)
	if errors.Is(err, fs.ErrExist) {
		return nil, "", fmt.Errorf("there is a private key in %s, but no database in %s. If it belongs to a database in another data folder, choose another name: two databases of one key would contradict each other. If not, say that it is to be used, with --key file:%s", file, in.store.Path(), file)
	}
	return keys, file, err
}

func errKeyInData(data string) error {
	return fmt.Errorf("the private key would be in the data folder, and in every copy of it: name a file elsewhere than in %s", data)
}

// within reports whether a file is, or would be, below a folder, by whatever links.
func within(folder, file string) bool {
	rel, err := filepath.Rel(resolved(folder), resolved(file))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// resolved returns a path without links, as far as it exists.
func resolved(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		if at == filepath.Dir(at) {
			return path
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// read reads the private keys where they are said to be.
func (in *sumDBInit) read(ctx context.Context, secrets *auth.Secrets) ([]signingKey, error) {
	text, err := secrets.Get(ctx, in.key)
	if err != nil {
		return nil, fmt.Errorf("the private key: %w", err)
	}
	keys, err := parseSigningKeys(text, in.name)
	if err != nil {
		return nil, fmt.Errorf("the private key, %v: %w", in.key, err)
	}
	return keys, nil
}

// adopt takes the private key of a log that is there without anything being known of it.
func (in *sumDBInit) adopt(ctx context.Context, secrets *auth.Secrets, commit []byte) error {
	if in.key == "" {
		file, err := defaultKeyFile(in.machine, in.name)
		if err != nil {
			return err
		}
		in.key = auth.Secret("file:" + file)
	}
	keys, err := in.read(ctx, secrets)
	if err != nil {
		return fmt.Errorf("there is a log of the checksum database %s in %s already; %w; name the one that it is signed with by --key", in.name, in.store.Path(), err)
	}
	in.keys = publicKeys(keys)
	latest, err := readSmall(ctx, in.store, path.Join(in.name, "latest"))
	if err != nil {
		return err
	}
	if tree, err := tlog.ParseTree(commit); latest == nil && err == nil && tree.N == 0 {
		return nil // it has never signed anything
	}
	var verifiers []note.Verifier
	for _, key := range in.keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return err
		}
		verifiers = append(verifiers, v)
	}
	if _, err := note.Open(latest, note.VerifierList(verifiers...)); err != nil {
		return fmt.Errorf("there is a log of the checksum database %s in %s already, which is signed with another key than that in %v; name its own with --key", in.name, in.store.Path(), in.key)
	}
	return nil
}
