package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of commands in godown's help.
const (
	proxyGroup = "proxy"
	toolGroup  = "tools"
	otherGroup = "other"
)

// proxyShorts are what the help in Chinese has of the commands that speak English alone.
func proxyShorts() map[string]string {
	return map[string]string{
		"run":     "为一条命令启动专用的模块代理",
		"serve":   "为本机或网络中的 go 命令提供模块",
		"warm":    "提前取好模块，用时即有",
		"publish": "打包模块并上传到 godown，无需代码仓库",
		"mirrors": "查看运行中的 godown 的各镜像状态和选择理由",
		"sumdb":   "建立和维护自己的校验和数据库",
		"verify":  "核对已存的文件，修复损坏的",
		"config":  "显示生效的配置和每个值的来源",
		"version": "显示 godown 和 Go 的版本以及平台",
	}
}

// group puts commands into a group of the help.
func (m machine) group(root *cobra.Command, id string, commands ...*cobra.Command) {
	shorts := proxyShorts()
	for _, c := range commands {
		c.GroupID = id
		if zh, ok := shorts[c.Name()]; ok {
			c.Short = m.say(c.Short, zh)
		}
	}
	root.AddCommand(commands...)
}

// usage writes the help of a command below its Long text, in the machine's language.
func (m machine) usage(cmd *cobra.Command) error {
	if cmd.Flags().Lookup(langFlag) == nil {
		m.lang = lang.English // as the rest of its help
	}
	var b strings.Builder
	section := func(en, zh string) { fmt.Fprintf(&b, "\n\n%s", m.say(en, zh)) }
	fmt.Fprint(&b, m.say("Usage:", "用法："))
	if cmd.Runnable() {
		fmt.Fprintf(&b, "\n  %s", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n  %s COMMAND", cmd.CommandPath())
	}
	if cmd.HasExample() {
		section("Examples:", "示例：")
		b.WriteString("\n" + cmd.Example)
	}
	list := func(group string) {
		for _, c := range cmd.Commands() {
			if c.GroupID == group && (c.IsAvailableCommand() || c.Name() == "help") {
				fmt.Fprintf(&b, "\n  %-*s %s", c.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	for _, g := range cmd.Groups() {
		section(g.Title, g.Title)
		list(g.ID)
	}
	if cmd.HasAvailableSubCommands() && len(cmd.Groups()) == 0 {
		section("Commands:", "命令：")
		list("")
	}
	if cmd.HasAvailableFlags() {
		section("Flags:", "选项：")
		b.WriteString(m.flagHelp(cmd.Flags()))
	}
	if cmd.HasAvailableSubCommands() {
		section(`"%s COMMAND -h" tells more of a command.`, `用 "%s 命令 -h" 查看某个命令的说明。`)
	}
	b.WriteByte('\n')
	_, err := fmt.Fprint(cmd.OutOrStderr(), strings.Replace(b.String(), `"%s `, `"`+cmd.CommandPath()+" ", 1))
	return err
}

// flagHelp returns a line or more for each flag, wrapped to helpWidth. Unlike pflag's own it
// knows how wide Chinese is.
func (m machine) flagHelp(flags *pflag.FlagSet) string {
	type row struct{ name, usage string }
	var rows []row
	left := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		r := row{"      --" + f.Name, usage}
		if f.Shorthand != "" {
			r.name = "  -" + f.Shorthand + ", --" + f.Name
		}
		if value != "" {
			r.name += " " + value
		}
		switch f.DefValue {
		case "", "0", "0s", "false", "[]", "<nil>":
		default:
			value := f.DefValue
			if f.Value.Type() == "string" {
				value = strconv.Quote(value)
			}
			r.usage += fmt.Sprintf(m.say(" (default %s)", "（默认 %s）"), value)
		}
		left = max(left, term.Width(r.name))
		rows = append(rows, r)
	})
	var b strings.Builder
	for _, r := range rows {
		for i, line := range strings.Split(r.usage, "\n") {
			for j, piece := range term.Wrap(line, max(helpWidth-left-3, 40)) {
				name := ""
				if i == 0 && j == 0 {
					name = r.name
				}
				b.WriteString("\n" + strings.TrimRight(name+strings.Repeat(" ", left-term.Width(name)+3)+piece, " "))
			}
		}
	}
	return b.String()
}

// helpFlags gives each command's flag -h a text in the machine's language.
func (m machine) helpFlags(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	if f := cmd.Flags().Lookup("help"); f != nil {
		f.Usage = "show this help"
		if cmd.Flags().Lookup(langFlag) != nil {
			f.Usage = m.say(f.Usage, "显示本帮助")
		}
	}
	for _, c := range cmd.Commands() {
		m.helpFlags(c)
	}
}

// newHelpCommand returns the command help, which unlike cobra's own fails on what it does not know.
func newHelpCommand(m machine) *cobra.Command {
	help := &cobra.Command{
		Use:   "help [COMMAND]",
		Short: m.say("Explain a command", "说明某个命令"),
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = cmd.Root().Args(cmd.Root(), rest)
			}
			if err != nil {
				return err
			}
			return about.Help()
		},
	}
	m.speak(help)
	return help
}
