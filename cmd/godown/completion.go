package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newCompletionCommand returns the command completion.
func newCompletionCommand(m machine) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	cmd := &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: m.say("Print what makes a shell complete godown's commands", "打印 shell 补全脚本"),
		Long: m.say(`Completion prints a script that makes your shell complete godown's commands,
flags and their values.`, `completion 打印一段脚本，让 shell 能补全 godown 的命令、选项和取值。`),
		Example: m.say(`  source <(godown completion bash)
      in ~/.bashrc; needs the package bash-completion
  source <(godown completion zsh)
      in ~/.zshrc, after "autoload -U compinit; compinit"
  godown completion fish > ~/.config/fish/completions/godown.fish
  godown completion powershell | Out-String | Invoke-Expression
      in $PROFILE`, `  source <(godown completion bash)
      写入 ~/.bashrc；需要安装 bash-completion
  source <(godown completion zsh)
      写入 ~/.zshrc，放在 "autoload -U compinit; compinit" 之后
  godown completion fish > ~/.config/fish/completions/godown.fish
  godown completion powershell | Out-String | Invoke-Expression
      写入 $PROFILE`),
		ValidArgs: shells,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf(m.say("name one shell, of %s", "请指定一种 shell：%s"), strings.Join(shells, ", "))
			}
			return nil
		},
	}
	m.speak(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		root, w := cmd.Root(), cmd.OutOrStdout()
		var err error
		switch args[0] {
		case "bash":
			err = root.GenBashCompletionV2(w, true)
		case "zsh":
			err = root.GenZshCompletion(w)
		case "fish":
			err = root.GenFishCompletion(w, true)
		case "powershell":
			err = root.GenPowerShellCompletionWithDesc(w)
		default:
			return fmt.Errorf(m.say("there is no completion for %q, only for %s%s", "没有 %q 的补全，只有 %s%s"), args[0], strings.Join(shells, ", "), m.didYouMean(args[0], shells))
		}
		return ended(exitOK, err)
	}
	return cmd
}
