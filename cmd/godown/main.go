// Command godown is a Go module proxy and the tool-box around it. This package
// is the roof of the house: it alone reads flags, environment and files of
// configuration, puts the other packages together, and exits.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes; run has its child's besides.
const (
	exitOK     = 0
	exitFailed = 1 // it did not work
	exitUsage  = 2 // it was called or configured wrongly; nothing was done
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, thisMachine()))
}

// run is the whole program: it runs the command that args name, and returns
// the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, m machine) int {
	root := newRootCommand(m.speaking(args))
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*exit](err); ok {
		printError(stderr, e.err)
		return e.code
	}
	printError(stderr, err)
	fmt.Fprintf(stderr, "Run '%s -h' for help.\n", cmd.CommandPath())
	return exitUsage
}

// printError prints err, or each of the errors that were joined, once.
func printError(w io.Writer, err error) {
	if err == nil {
		return
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range all.Unwrap() {
			printError(w, err)
		}
		return
	}
	// A private key in the wrong place is repeated by messages of all kinds.
	fmt.Fprintln(w, "godown:", privateKeys.ReplaceAllString(err.Error(), mask))
}

var privateKeys = regexp.MustCompile(`PRIVATE\+KEY\+[^\s"',;]*`)

// An exit is how a command says that it ran, and how it ended. Any other error
// of a command means that it was called or configured wrongly.
type exit struct {
	code int
	err  error // nil if there is nothing to say
}

func (e *exit) Error() string { return fmt.Sprintf("exit code %d: %v", e.code, e.err) }

func (e *exit) Unwrap() error { return e.err }

// ended makes of a command's end what cobra's RunE returns.
func ended(code int, err error) error {
	if err == nil && code == exitOK {
		return nil
	}
	if code == exitOK {
		code = exitFailed
	}
	return &exit{code, err}
}

// newRootCommand returns the tree of all commands.
func newRootCommand(m machine) *cobra.Command {
	root := &cobra.Command{
		Use:   "godown",
		Short: "A Go module proxy: fast, verified, and there when upstream is not",
		Long: `godown is a Go module proxy. It stands between the go command and everything
that modules come from, verifies what it fetches, keeps it, and goes on serving
it when the upstream is gone.`,
		Example: `  godown run -- go build ./...       one command, with a proxy of its own
  godown serve                       a proxy for this machine
  godown warm                        what a project needs, fetched ahead of time
  godown mirrors                     how the mirrors of that proxy are doing
  godown publish DIR v1.2.3          put a version on a server, without a repository
  godown sumdb init NAME             a checksum database of your own
  godown config                      what is configured, and where that was said`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			return fmt.Errorf("there is no command %q%s", args[0], didYouMean(args[0], names))
		},
		RunE:          func(cmd *cobra.Command, args []string) error { return cmd.Help() },
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newServeCommand(m), newRunCommand(m), newWarmCommand(m), newVerifyCommand(m), newMirrorsCommand(m), newPublishCommand(m), newSumDBCommand(m), newConfigCommand(m), newVersionCommand())
	root.AddCommand(toolCommands(m)...)
	root.SetHelpCommand(newHelpCommand())
	wrapFlagHelp(root)
	return root
}

// newHelpCommand returns the command help, which unlike cobra's own fails on what it does not know.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = cmd.Root().Args(cmd.Root(), rest)
			}
			if err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// noArguments refuses arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes flags only, and %q is none", cmd.Name(), maskSecrets(args[0]))
	}
	return nil
}

// flagError explains an error of the flag parser.
func flagError(cmd *cobra.Command, err error) error {
	absent, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || absent.GetSpecifiedShortnames() != "" {
		return errors.New(maskURLs(err.Error()))
	}
	name := absent.GetSpecifiedName()
	if o, ok := optionByKey(name); ok && o.Only == fileOnly {
		return fmt.Errorf("%s is no flag, but a key of the --config file", name)
	} else if ok && o.Only != "" {
		return fmt.Errorf("--%s is a flag of 'godown %s' only", name, strings.ReplaceAll(o.Only, "|", "' and 'godown "))
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return fmt.Errorf("%s has no flag --%s%s", cmd.Name(), name, didYouMean("--"+name, names))
}
