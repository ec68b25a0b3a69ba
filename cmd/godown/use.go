package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/mirror"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/spf13/cobra"
)

// A useCommand is one run of 'godown use'.
type useCommand struct {
	machine  machine
	at       goenv.Machine
	cmd      *cobra.Command
	args     []string
	folder   string // of history and profiles
	homeless error  // why there is no such folder
	home     string
	groups   []goenv.Group
	profiles []goenv.Profile

	private, noProxy, noSum, sumdb string
	failover, dryRun, force        bool
	undo, redo                     int
	save, remove, format           string
	list, history, json            bool
}

// newUseCommand returns the command use.
func newUseCommand(m machine) *cobra.Command {
	u := &useCommand{machine: m}
	cmd := &cobra.Command{
		Use:   "use [NAME|URL …]",
		Short: m.say("Show, set and undo where the go command gets its modules from", "查看、设置、撤销 go 命令获取模块的方式"),
		Long: m.say(`Without arguments, use shows what is in force of GOPROXY, GOSUMDB, GOPRIVATE,
GONOPROXY and GONOSUMDB, and where each was said.

With arguments it sets them, as 'go env -w' does: for this user, in all projects.
An argument is the name of a preset or a profile, the address of a proxy, a list
in GOPROXY syntax, or direct or off at the end. Between arguments the go command
goes on after 404 and 410 only. What will change is shown, and each change can be
taken back with --undo, which leaves the file as it was, byte for byte.

Presets: cn (public mirrors in China, then direct), default (what the go command
has by itself: GOPROXY and GOSUMDB are unset), direct, off.

With --private the other settings are chosen to fit: behind public mirrors
private modules come from git; behind a proxy of your own, from that proxy.

Exit codes:
  0  done, or shown
  1  it did not work; the file is as it was
  2  wrong arguments; nothing was done`, `不带参数时，显示 GOPROXY、GOSUMDB、GOPRIVATE、GONOPROXY、GONOSUMDB 当前的值，
以及每个值来自哪里。

带参数时，像 'go env -w' 一样设置它们：对当前用户的所有项目生效。参数可以是预设或
配置方案的名字、代理的地址、GOPROXY 语法的列表，最后还可以加 direct 或 off。参数之间，
go 命令只在 404 和 410 时才继续问下一个。改动前会先列出变化；每次改动都能用 --undo
撤销，文件逐字节恢复原样。

预设：cn（国内公共镜像，最后 direct）、default（go 命令内置的值：清除 GOPROXY 和
GOSUMDB）、direct、off。

加上 --private 后，其余设置会自动配套：使用公共镜像时私有模块直接从 git 获取；使用
自建代理时从该代理获取。

退出码：
  0  已完成，或已显示
  1  没有成功；文件保持原样
  2  参数错误；什么都没做`),
		Example: `  godown use
  godown use cn
  godown use cn --private 'git.corp.example,*.internal.example'
  godown use http://proxy.corp.example:8080 --private 'git.corp.example/*'
  godown use http://proxy.corp.example:8080 cn
  godown use --undo
  godown use --save work
  godown use work
  godown use cn --print docker
  eval "$(godown use cn --print sh)"`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			if u.prepare() != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return u.names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			u.cmd, u.args = cmd, args
			if err := u.prepare(); err != nil {
				return u.told(ended(exitFailed, err))
			}
			return u.told(u.run(cmd.Context()))
		},
	}
	u.flags(cmd)
	m.speak(cmd)
	return cmd
}

// flags binds the flags.
func (u *useCommand) flags(cmd *cobra.Command) {
	say, f := u.machine.say, cmd.Flags()
	f.StringVar(&u.private, "private", "", say("modules that are private, as `PATTERNS` in GOPRIVATE syntax; '' for none", "私有模块的`模式`，GOPRIVATE 语法；'' 表示没有"))
	f.StringVar(&u.noProxy, "no-proxy", "", say("`PATTERNS` of modules that do not come from the proxy (GONOPROXY); 'none': all come from it", "不走代理的模块`模式`（GONOPROXY）；'none' 表示全部走代理"))
	f.StringVar(&u.noSum, "no-sum", "", say("`PATTERNS` of modules that the checksum database is not asked about (GONOSUMDB)", "不查校验和数据库的模块`模式`（GONOSUMDB）"))
	f.StringVar(&u.sumdb, "sumdb", "", say("`DATABASE`: a name with its key, 'default', 'off', or 'keep' (GOSUMDB)", "校验和`数据库`：带公钥的名字、'default'、'off' 或 'keep'（GOSUMDB）"))
	f.BoolVar(&u.failover, "failover", false, say("between arguments go on after any error, not only after 404 and 410", "参数之间在任何错误后都继续，而不只是 404 和 410"))
	f.BoolVar(&u.dryRun, "dry-run", false, say("show what would change, and change nothing", "只显示将要改变什么，不做改动"))
	f.IntVar(&u.undo, "undo", 0, say("take back the last change; --undo=`N`: the last N", "撤销最近一次改动；--undo=`N`：最近 N 次"))
	f.IntVar(&u.redo, "redo", 0, say("make again what --undo took back last; --redo=`N`: the last N", "重做最近一次被撤销的改动；--redo=`N`：最近 N 次"))
	f.Lookup("undo").NoOptDefVal, f.Lookup("redo").NoOptDefVal = "1", "1"
	f.BoolVar(&u.force, "force", false, say("with --undo and --redo: also where another has changed the file since", "配合 --undo、--redo：即使文件后来被别的程序改过也继续"))
	f.StringVar(&u.save, "save", "", say("keep what is in force as the profile `NAME`", "把当前生效的设置存为配置方案`名字`"))
	f.StringVar(&u.remove, "delete", "", say("forget the profile `NAME`", "删除配置方案`名字`"))
	f.BoolVar(&u.list, "list", false, say("list presets and profiles", "列出预设和配置方案"))
	f.BoolVar(&u.history, "history", false, say("list the changes that can be taken back", "列出可以撤销的改动"))
	f.StringVar(&u.format, "print", "", say("print in a `FORMAT` instead of writing: "+strings.Join(goenv.Formats(), ", "), "不写入，而是按`格式`打印："+strings.Join(goenv.Formats(), "、")))
	f.BoolVar(&u.json, "json", false, say("print one JSON object", "输出一个 JSON 对象"))
	_ = cmd.RegisterFlagCompletionFunc("print", cobra.FixedCompletions(goenv.Formats(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("sumdb", cobra.FixedCompletions([]string{"default", "off", "keep", "sum.golang.google.cn"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("delete", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if u.prepare() == nil {
			for _, p := range u.profiles {
				names = append(names, p.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	for _, name := range []string{"private", "no-proxy", "no-sum", "save"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	cmd.MarkFlagsMutuallyExclusive("undo", "redo", "save", "delete", "list", "history", "print", "dry-run")
	cmd.MarkFlagsMutuallyExclusive("print", "json")
}

// prepare finds what the command works with. It reads a file of ours at most.
func (u *useCommand) prepare() error {
	var err error
	if u.at, err = u.machine.goMachine(); err != nil {
		return err
	}
	config, err := u.machine.userConfigDir()
	u.homeless = err
	u.home = u.at.Getenv("HOME")
	if u.home == "" {
		u.home = u.at.Getenv("USERPROFILE")
	}
	u.groups = nil
	for _, name := range mirror.Groups() {
		g := goenv.Group{Name: name}
		for _, p := range mirror.Presets(name) {
			g.URLs = append(g.URLs, p.URL)
		}
		u.groups = append(u.groups, g)
	}
	if u.homeless != nil {
		return nil // there is much to do without
	}
	u.folder = filepath.Join(config, "godown", "use")
	u.profiles, err = goenv.Profiles(u.folder)
	return err
}

// meant returns a question that names the one of words that may have been meant.
func (u *useCommand) meant(word string, words []string) string {
	if n := nearest(word, words); n != "" {
		return fmt.Sprintf(u.machine.say("; did you mean %q?", "；你要的是 %q 吗？"), n)
	}
	return ""
}

// told returns an error in the machine's language.
func (u *useCommand) told(err error) error {
	type spoken interface {
		error
		In(lang.Language) string
	}
	if e, ok := err.(*exit); ok {
		return &exit{e.code, u.told(e.err)}
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		var each []error
		for _, err := range all.Unwrap() {
			each = append(each, u.told(err))
		}
		return errors.Join(each...)
	}
	if e, ok := errors.AsType[spoken](err); ok {
		return errors.New(strings.Replace(err.Error(), e.Error(), e.In(u.machine.lang), 1))
	}
	return err
}

// names returns all names that an argument can be.
func (u *useCommand) names() []string {
	names := append(u.presets(), goenv.Direct, goenv.Off)
	for _, p := range u.profiles {
		names = append(names, p.Name)
	}
	return names
}

// presets returns the names of the presets.
func (u *useCommand) presets() []string {
	names := []string{goenv.Default}
	for _, g := range u.groups {
		names = append(names, g.Name)
	}
	return names
}

// run does what flags and arguments say.
func (u *useCommand) run(ctx context.Context) error {
	f, say := u.cmd.Flags(), u.machine.say
	alone := ""
	for _, name := range []string{"undo", "redo", "save", "delete", "list", "history"} {
		if f.Changed(name) {
			alone = name
		}
	}
	wishes := ""
	for _, name := range []string{"private", "no-proxy", "no-sum", "sumdb", "failover"} {
		if f.Changed(name) {
			wishes = name
		}
	}
	switch {
	case alone != "" && len(u.args) > 0:
		hint := ""
		if alone == "undo" || alone == "redo" {
			hint = fmt.Sprintf(say("; a number of steps is given as --%s=%s", "；步数写作 --%s=%s"), alone, maskSecrets(u.args[0]))
		}
		return fmt.Errorf(say("--%s goes with no other argument, and there is %q%s", "--%s 不能与其他参数一起用，而这里有 %q%s"), alone, maskSecrets(u.args[0]), hint)
	case alone != "" && wishes != "":
		return fmt.Errorf(say("--%s does not go with --%s", "--%s 不能与 --%s 一起用"), alone, wishes)
	case f.Changed("force") && alone != "undo" && alone != "redo":
		return errors.New(say("--force goes with --undo and --redo only", "--force 只能与 --undo、--redo 一起用"))
	case f.Changed("undo") && u.undo < 1 || f.Changed("redo") && u.redo < 1:
		return fmt.Errorf(say("--%s takes a number of steps, 1 or more", "--%s 的步数至少为 1"), alone)
	case f.Changed("print") && !slices.Contains(goenv.Formats(), u.format):
		return fmt.Errorf(say("--print: there is no format %q; there are %s%s", "--print：没有格式 %q；可用的有 %s%s"), u.format, strings.Join(goenv.Formats(), ", "), u.meant(u.format, goenv.Formats()))
	case u.homeless != nil && !f.Changed("print") && !u.list && !u.dryRun && (alone != "" || len(u.args) > 0 || wishes != ""):
		return ended(exitFailed, fmt.Errorf(say("the folder for profiles and history: %w", "存放配置方案和历史的目录：%w"), u.homeless))
	case f.Changed("save"):
		return u.saveProfile(ctx)
	case f.Changed("delete"):
		return u.deleteProfile(ctx)
	case u.list:
		return u.showList()
	}
	if f.Changed("failover") && len(u.args) < 2 {
		return errors.New(say("--failover says what happens between arguments, so it needs two or more", "--failover 说的是参数之间如何继续，因此至少要有两个参数"))
	}
	if f.Changed("print") {
		return u.print(ctx, len(u.args) > 0 || wishes != "")
	}
	settings, err := u.settings(ctx)
	if err != nil {
		return ended(exitFailed, err)
	}
	switch {
	case u.history:
		return u.showHistory(settings)
	case f.Changed("undo") || f.Changed("redo"):
		return u.walk(ctx, settings)
	case len(u.args) > 0 || wishes != "":
		return u.change(ctx, settings)
	case u.dryRun:
		return errors.New(say("--dry-run shows what arguments would change, and there are none", "--dry-run 显示参数将带来的变化，而这里没有参数"))
	}
	return u.show(settings)
}

// settings asks the go command.
func (u *useCommand) settings(ctx context.Context) (*goenv.Settings, error) {
	s, err := goenv.Read(ctx, u.at)
	if goenv.NoGo(err) {
		return nil, errors.New(u.machine.say("there is no go command in PATH, so there is nothing to set; 'godown use cn --print sh' prints settings without it", "PATH 中没有 go 命令，没有可设置的对象；godown use cn --print sh 不需要它也能打印设置"))
	}
	if err != nil {
		return nil, maybeMasked(err)
	}
	return s, nil
}

// plan makes a plan of the arguments.
func (u *useCommand) plan(ctx context.Context, s *goenv.Settings) (goenv.Plan, error) {
	public := u.public(s)
	if len(u.args) == 1 {
		for _, p := range u.profiles {
			if p.Name == u.args[0] {
				if u.wish() != (goenv.Wish{}) {
					return goenv.Plan{}, fmt.Errorf(u.machine.say("%s is a profile, which says all the settings; give flags without it, after it", "%s 是配置方案，已包含全部设置；请先使用它，再单独用选项修改"), p.Name)
				}
				return goenv.PlanOf(p.Changes(), s, public), nil
			}
		}
	}
	for _, p := range u.profiles {
		if len(u.args) > 1 && slices.Contains(u.args, p.Name) {
			return goenv.Plan{}, fmt.Errorf(u.machine.say("%s is a profile, which stands alone: it says all the settings", "%s 是配置方案，已包含全部设置，只能单独使用"), p.Name)
		}
	}
	wish := u.wish()
	if len(u.args) > 0 {
		groups := u.groups
		if len(u.args) > 1 && slices.Contains(u.args, goenv.Default) {
			urls, err := (&goSettings{machine: u.machine}).builtIn(ctx)
			if err != nil {
				return goenv.Plan{}, err
			}
			groups = append(groups, goenv.Group{Name: goenv.Default, URLs: urls})
		}
		target, err := goenv.ParseTarget(u.args, groups, u.failover)
		if e, ok := errors.AsType[*goenv.Unknown](err); ok && e.Address == "" {
			err = fmt.Errorf("%w%s", err, u.meant(e.Text, u.names()))
		}
		if err != nil {
			return goenv.Plan{}, err
		}
		wish.Target = &target
	}
	return wish.Plan(s, public)
}

// wish returns what the flags say.
func (u *useCommand) wish() goenv.Wish {
	said := func(name string, value *string) *string {
		if u.cmd.Flags().Changed(name) {
			return value
		}
		return nil
	}
	return goenv.Wish{SumDB: said("sumdb", &u.sumdb), Private: said("private", &u.private), NoProxy: said("no-proxy", &u.noProxy), NoSum: said("no-sum", &u.noSum)}
}

// why says what a change was made for: the command, without secrets.
func (u *useCommand) why() string {
	words := []string{"use"}
	for _, arg := range u.args {
		words = append(words, goenv.Shown(arg))
	}
	for _, name := range []string{"private", "no-proxy", "no-sum", "sumdb"} {
		if f := u.cmd.Flags().Lookup(name); f.Changed {
			words = append(words, "--"+name, "'"+goenv.Shown(f.Value.String())+"'")
		}
	}
	if u.failover {
		words = append(words, "--failover")
	}
	return strings.Join(words, " ")
}

// change makes the changes that are asked for.
func (u *useCommand) change(ctx context.Context, s *goenv.Settings) error {
	editor, err := goenv.NewEditor(u.at, s, u.folder)
	if err != nil {
		return ended(exitFailed, fmt.Errorf(u.machine.say("%w; 'godown use … --print sh' prints settings instead", "%w；可改用 godown use … --print sh 打印设置"), err))
	}
	plan, err := u.plan(ctx, s)
	if err != nil {
		return err
	}
	r := u.report(s)
	r.Changes, r.Notes = plan.Changes, append(plan.Notes, goenv.Obstacles(u.at, plan.All, r.Shell, r.Project, u.home)...)
	out := u.machine.console(u.cmd).Out
	if !u.json {
		r.Difference(out)
	}
	if !u.dryRun {
		if _, err := editor.Set(ctx, plan.Changes, u.why()); err != nil {
			return ended(exitFailed, maybeMasked(err))
		}
	}
	if u.json {
		return u.writeJSON(useJSON{Changes: changesJSON(s, plan.Changes), Written: !u.dryRun && len(plan.Changes) > 0, File: editor.File(), Notes: u.notesJSON(r.Notes)})
	}
	if len(r.Changes) > 0 {
		fmt.Fprintln(out.W)
	}
	r.Remarks(out)
	if len(r.Notes) > 0 {
		fmt.Fprintln(out.W)
	}
	file := goenv.ShortPath(editor.File(), u.home)
	switch {
	case len(plan.Changes) == 0:
		out.Say(lang.Text{En: "%[1]s says all of that already; nothing was changed.", Zh: "%[1]s 里已经是这样，没有改动。"}, file)
	case u.dryRun:
		out.Say(lang.Text{En: "Nothing was changed (--dry-run).", Zh: "没有做任何改动（--dry-run）。"})
	default:
		out.Say(lang.Text{En: "Written to %[1]s. To take it back: godown use --undo", Zh: "已写入 %[1]s。撤销：godown use --undo"}, file)
	}
	return nil
}
