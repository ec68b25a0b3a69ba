package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/godown-dev/godown"
	"github.com/spf13/cobra"
)

// newMirrorsCommand returns the command mirrors.
func newMirrorsCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mirrors [flags]",
		Short: "Show how the mirrors of a running godown are, and which is chosen",
		Long: `Mirrors asks a godown that serves how its mirrors are, and prints a line for each:
its group in the upstream list, whether it is up, the time to its first byte, what
one connection brings, how many requests failed, its last error, and why it is or
isn't chosen now. The first of a group is asked first.

Without --server it asks the one that is configured for this machine: at listen,
as 'godown config' shows it.

Exit codes:
  0  it has answered
  1  nobody has, or it was not a godown
  2  wrong flags or configuration; nobody was asked`,
		Example: `  godown mirrors
  godown mirrors --server https://goproxy.corp.example
  godown mirrors --json | jq '.[] | select(.state != "up") | .name'`,
		Args: noArguments,
	}
	var server string
	var asJSON bool
	cmd.Flags().StringVar(&server, "server", "", "`URL` of the godown to ask, as in GOPROXY")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what it says as it is: a JSON array, with everything that is known")
	flags := bindOptions(cmd, func(o option) bool { return o.Key == "listen" })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		at, err := parseServer(server)
		if server == "" {
			var cfg *Config
			if cfg, err = load(cmd.Context(), m, flags.settings()); err != nil {
				return err
			}
			at, err = listenURL(cfg)
		}
		if err != nil {
			return err
		}
		data, list, err := askMirrors(cmd.Context(), at)
		if err != nil {
			return ended(exitFailed, err)
		}
		if asJSON {
			_, err = cmd.OutOrStdout().Write(data)
			return ended(exitOK, err)
		}
		return ended(exitOK, writeMirrors(cmd.OutOrStdout(), list, time.Now()))
	}
	return cmd
}

// parseServer parses the URL of a godown, or its host and port.
func parseServer(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("flag --server: %q is not the URL of a server such as http://127.0.0.1:8080", maskSecrets(text))
	}
	return u, nil
}

// listenURL returns the URL at which 'godown serve' would be with the same configuration.
func listenURL(cfg *Config) (*url.URL, error) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen %q: %w", cfg.Listen, err)
	}
	if port == "0" {
		return nil, fmt.Errorf("%s: listen %q takes any free port, so it does not tell where godown is; name it with --server URL", cfg.Origin("listen"), cfg.Listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}, nil
}

const (
	mirrorsTimeout = 10 * time.Second
	maxMirrorsPage = 4 << 20 // bytes
)

// askMirrors returns what the godown at u says of its mirrors, as it is and parsed.
func askMirrors(ctx context.Context, u *url.URL) (data []byte, list []godown.MirrorStatus, err error) {
	shown := maskSecrets(u.String())
	ctx, cancel := context.WithTimeout(ctx, mirrorsTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath(mirrorsPage).String(), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be asked: it is no good URL", shown)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, which may hold a password
		}
		return nil, nil, fmt.Errorf("there is no answer from %s: %w; start one with 'godown serve', or name another with --server URL", shown, err)
	}
	defer resp.Body.Close()
	data, err = io.ReadAll(io.LimitReader(resp.Body, maxMirrorsPage))
	if err != nil {
		return nil, nil, fmt.Errorf("the answer from %s broke off: %w", shown, err)
	}
	stranger := func(what string) error {
		return fmt.Errorf("what answers at %s is not a godown that tells of mirrors: %s; name another with --server URL", shown, what)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, stranger(resp.Status + " for " + mirrorsPage)
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, nil, stranger(mirrorsPage + " has something else")
	}
	return data, list, nil
}

// writeMirrors writes a table of mirrors.
func writeMirrors(w io.Writer, list []godown.MirrorStatus, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "It asks no mirrors: its upstream is direct or off.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "GROUP\tMIRROR\tSTATE\tFIRST BYTE\tMB/S\tFAILED\tLAST ERROR\tWHY")
	for _, m := range list {
		var failed int64
		for _, n := range m.Failures {
			failed += n
		}
		last := strings.TrimPrefix(m.LastError, "upstream "+m.Name+": ")
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%d of %d\t%s\t%s\n", m.Group, line(m.Name, 60), stateText(m, now),
			known(m.FirstByteMS, "%.0f ms", 1), known(m.BytesPerSec, "%.1f", 1e6), failed, m.Requests, orDash(line(last, 60)), orDash(line(m.Reason, 100)))
	}
	return table.Flush()
}

// stateText says in what state a mirror is and, unless it is up, for how long.
func stateText(m godown.MirrorStatus, now time.Time) string {
	state := line(m.State, 20)
	if m.State == "up" || m.Since.IsZero() || now.Before(m.Since) {
		return state
	}
	return state + " " + formatDuration(now.Sub(m.Since).Round(time.Second))
}

// known formats a value in units of per; 0 stands for one that is not known yet.
func known(value float64, format string, per float64) string {
	if value == 0 {
		return "-"
	}
	return fmt.Sprintf(format, value/per)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// line returns text as a line of at most n characters, with nothing that a
// terminal would take for a command.
func line(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(strings.Join(strings.Fields(text), " ")); len(runes) > n {
		return string(runes[:n-1]) + "…"
	} else {
		return string(runes)
	}
}
