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
	m = m.speaking(args)
	m.lost = new(lostOutput)
	root := newRootCommand(m)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		plainUsages(root)
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if lost := m.lost.err; lost != nil {
		printError(stderr, lost) // it may be done, but nobody could read what was said of it
		if err == nil {
			err = &exit{exitFailed, nil}
		}
	}
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*exit](err); ok {
		printError(stderr, e.err)
		return e.code
	}
	printError(stderr, err)
	fmt.Fprintf(stderr, m.say("Run '%s -h' for help.\n", "运行 '%s -h' 查看帮助。\n"), cmd.CommandPath())
	return exitUsage
}

// plainUsages takes the marks of flags' values out of their texts: shells show these as they are.
func plainUsages(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	for _, c := range cmd.Commands() {
		plainUsages(c)
	}
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
		Short: m.say("A Go module proxy, and the tool-box around it", "Go 模块代理及其工具箱"),
		Long: m.say(`godown is a Go module proxy, and the tool-box around it. The proxy stands between the
go command and everything that modules come from, verifies what it fetches, keeps it,
and goes on serving it when the upstream is gone. The tools need no server.`, `godown 是 Go 模块代理，也是围绕它的工具箱。代理位于 go 命令与模块的各个来源之间：
校验取到的每个字节并保存下来，上游不可用时照常提供。工具箱无需服务器即可使用。`),
		Example: m.say(`  godown run -- go build ./...       one command, with a proxy of its own
  godown serve                       a proxy for this machine
  godown doctor                      why modules don't come, and what mends it
  godown bench                       which mirror is best from here
  godown use cn                      set the go command to use mirrors in China
  go build 2>&1 | godown explain     what a failure means`, `  godown run -- go build ./...       为一条命令启动专用代理
  godown serve                       为本机提供代理
  godown doctor                      模块为什么取不到，怎样修复
  godown bench                       从这里看哪个镜像最好
  godown use cn                      让 go 命令使用国内镜像
  go build 2>&1 | godown explain     解释失败的原因`),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			return fmt.Errorf(m.say("there is no command %q%s", "没有命令 %q%s"), args[0], m.didYouMean(args[0], names))
		},
		RunE:          func(cmd *cobra.Command, args []string) error { return cmd.Help() },
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(m.flagError)
	m.speak(root)
	root.CompletionOptions.DisableDefaultCmd = true // there is one of ours
	root.AddGroup(
		&cobra.Group{ID: proxyGroup, Title: m.say("The proxy:", "模块代理：")},
		&cobra.Group{ID: toolGroup, Title: m.say("Tools that need no server:", "无需服务器的工具：")},
		&cobra.Group{ID: otherGroup, Title: m.say("Others:", "其他：")})
	m.group(root, proxyGroup, newRunCommand(m), newServeCommand(m), newWarmCommand(m), newPublishCommand(m),
		newMirrorsCommand(m), newSumDBCommand(m), newVerifyCommand(m), newConfigCommand(m))
	m.group(root, toolGroup, toolCommands(m)...)
	m.group(root, otherGroup, newVersionCommand(), newCompletionCommand(m), newManCommand(m))
	help := newHelpCommand(m)
	help.GroupID = otherGroup
	root.SetHelpCommand(help)
	root.SetUsageFunc(m.usage)
	m.helpFlags(root)
	return root
}

// noArguments refuses arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes flags only, and %q is none", cmd.Name(), maskSecrets(args[0]))
	}
	return nil
}

// flagError explains an error of the flag parser.
func (m machine) flagError(cmd *cobra.Command, err error) error {
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
	if !cmd.HasParent() && name == "version" {
		return errors.New(m.say("the version is told by 'godown version'", "查看版本请用 'godown version'"))
	}
	if name == langFlag && cmd.Flags().Lookup(langFlag) == nil {
		return fmt.Errorf(m.say("%s speaks English only: --lang is for the tools that need no server", "%s 只有英文：--lang 只用于无需服务器的工具"), cmd.Name())
	}
	return fmt.Errorf(m.say("%s has no flag --%s%s", "%s 没有选项 --%s%s"), cmd.Name(), name, m.didYouMean("--"+name, names))
}
