package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/godown-dev/godown/internal/auth"
	"github.com/spf13/cobra"
)

// newSumDBCommand returns the command sumdb, whose work is done by those below it.
func newSumDBCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sumdb",
		Short: "Make and look after a checksum database of our own",
		Long: `Sumdb makes and looks after a checksum database of our own: a log, signed with a key
of our own, of the hashes of all modules that 'godown serve' gives out, private ones
too. The go command verifies it as it does sum.golang.org. See docs/sumdb.md.`,
		Example: `  godown sumdb init sum.corp.example
      makes the database, and prints what clients set
  godown sumdb key
      prints that again`,
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	below := []*cobra.Command{
		newSumDBInitCommand(m),
		newSumDBKeyCommand(m),
		newSumDBVerifyCommand(m),
		newSumDBExportCommand(m),
		newSumDBImportCommand(m),
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, c := range below {
			names = append(names, c.Name())
		}
		return fmt.Errorf("there is no command %q below sumdb%s", maskPrivateKeys(args[0]), didYouMean(args[0], names))
	}
	cmd.AddCommand(below...)
	return cmd
}

// loadForSumDB loads the configuration for a command that looks at the data
// folder and asks no upstream, so that no upstream needs to be configured.
func loadForSumDB(ctx context.Context, m machine, flags configFlags) (*Config, error) {
	given := flags.settings()
	given["upstream"] = setting{"off", "default"}
	return load(ctx, m, given)
}

// secretsFor returns what reads the secrets of a command, with its warnings on stderr. The caller closes it.
func secretsFor(cfg *Config, stderr io.Writer) *auth.Secrets {
	return &auth.Secrets{Env: cfg.Environ(), Warn: func(text string) { fmt.Fprintln(stderr, "godown: warning:", text) }}
}

// privateKeyMark is what a private key begins with, in the form of package note.
const privateKeyMark = "PRIVATE+KEY+"

// maskPrivateKeys returns text without what could be a private key that stands in the wrong place.
func maskPrivateKeys(text string) string {
	if strings.Contains(text, privateKeyMark) {
		return mask
	}
	return maskSecrets(text)
}

// writeClientLines writes what clients set to use the database with the public key.
func writeClientLines(w io.Writer, cfg *Config, name, key, at string) error {
	proxy := "http://127.0.0.1:8080"
	if u, err := listenURL(cfg); err == nil {
		proxy = u.String()
	}
	if at == "" {
		at = "https://" + name
	}
	_, err := fmt.Fprintf(w, `
Clients of 'godown serve', in place of whatever GOSUMDB, GOPRIVATE, GONOPROXY and GONOSUMDB they had:
	GOPROXY=%s GOSUMDB="%s"
Clients that ask the database itself, where --sumdb-listen makes it be found at this URL:
	GOSUMDB="%s %s"
`, proxy, key, key, at)
	return err
}

// clientValue returns the value of GOSUMDB for scripts; at is the URL of the
// database, or empty for the one that the proxy passes on.
func clientValue(key, at string) string {
	if at == "" {
		return key
	}
	return key + " " + at
}

// LogValue keeps everything but the name out of logs.
func (o *ownSumDB) LogValue() slog.Value { return slog.StringValue(o.name) }
