package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/mirror"
	"github.com/godown-dev/godown/internal/toolbox/doctor"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/spf13/cobra"
	"golang.org/x/mod/module"
)

// exitWarned is doctor's exit code where nothing is broken, but something will be trouble.
const exitWarned = 3

// doctorTimeout is how long one step over the network may take, unless --timeout says another.
const doctorTimeout = 10 * time.Second

// doctorFlags are those of the command doctor.
type doctorFlags struct {
	fix, yes, offline, asJSON bool
	timeout                   time.Duration
}

// newDoctorCommand returns the command doctor.
func newDoctorCommand(m machine) *cobra.Command {
	f := new(doctorFlags)
	cmd := &cobra.Command{
		Use:   "doctor [flags] [MODULE[@VERSION]]",
		Short: m.say("Find out what keeps the go command from its modules, and mend it", "找出 go 命令获取模块时的问题，并修复"),
		Long: m.say(`Doctor examines the go command's settings, this machine, and the way to the mirrors.
For each trouble that it finds it says what shows it, what comes of it, and the
command that mends it. It then goes the way of a module as the go command would,
from the host's name to the checksum, and draws where that breaks: for MODULE, or
for one that the project in this folder needs, or for a small one.

Nothing is changed without --fix, which asks before each change; 'godown use --undo'
takes changes of Go's settings back.

Exit codes:
  0  nothing worse than a hint was found
  1  there are faults: something does not work
  2  wrong flags or arguments; nothing was examined
  3  there are warnings: something will not work for ever, or is not safe`,
			`doctor 检查 go 命令的设置、这台机器，以及通往镜像的路径。每发现一个问题，
都会给出依据、后果和修复它的命令。然后像 go 命令那样走一遍获取模块的全过程，
从域名解析到校验和，画出在哪一步断开：模块可以用 MODULE 指定；不指定时用当前
目录的项目所依赖的模块，没有项目就用一个很小的模块。

不加 --fix 不会做任何修改；加了也会逐项询问。对 Go 设置的修改可用
'godown use --undo' 撤销。

退出码：
  0  没有比提示更严重的问题
  1  有故障：有东西不能用
  2  参数错误；没有做任何检查
  3  有警告：迟早会出问题，或者不安全`),
		Example: `  godown doctor
  godown doctor --fix
  godown doctor --offline
  godown doctor git.corp.example.com/team/lib@v1.2.3
  godown doctor --json | jq '.findings[] | select(.severity == "fault") | .id'`,
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.fix, "fix", false, m.say("mend what can be mended, asking before each change", "修复可以修复的问题，每次修改前询问"))
	flags.BoolVar(&f.yes, "yes", false, m.say("with --fix: make all changes, asking nobody", "与 --fix 合用：不再询问，全部修改"))
	flags.BoolVar(&f.offline, "offline", false, m.say("ask nothing of the network", "不访问网络"))
	flags.BoolVar(&f.asJSON, "json", false, m.say("print one JSON object; docs/doctor.md says what is in it", "输出一个 JSON 对象，各字段见 docs/doctor.md"))
	flags.DurationVar(&f.timeout, "timeout", doctorTimeout, m.say("`TIME` that one step over the network may take", "网络上每一步最多用多长`时间`"))
	m.speak(cmd)
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.Args = func(_ *cobra.Command, args []string) error { return f.check(args) }
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.examine(cmd, f, strings.Join(args, ""))
	}
	return cmd
}

// check finds what was called wrongly.
func (f *doctorFlags) check(args []string) error {
	switch {
	case len(args) > 1:
		return fmt.Errorf("doctor takes one module, and here are %d", len(args))
	case f.yes && !f.fix:
		return errors.New("--yes is for --fix: without it nothing is changed")
	case f.fix && f.asJSON:
		return errors.New("--fix and --json do not go together: --json is for programs, and --fix asks")
	case f.timeout <= 0:
		return fmt.Errorf("--timeout %s leaves no time", f.timeout)
	}
	for _, arg := range args {
		path, version, at := strings.Cut(arg, "@")
		if err := module.CheckPath(path); err != nil || at && version == "" {
			return fmt.Errorf("%q is no module path, or a path and a version such as rsc.io/quote@v1.5.2", maskSecrets(arg))
		}
	}
	return nil
}

// examine makes all checks, prints what they found, and mends it with --fix.
func (m machine) examine(cmd *cobra.Command, f *doctorFlags, module string) error {
	ctx, console := cmd.Context(), m.console(cmd)
	facts, err := m.doctorFacts(ctx, f)
	if err != nil {
		return ended(exitFailed, err)
	}
	findings, chain := m.diagnose(ctx, cmd, facts, module)
	if err := ctx.Err(); err != nil {
		return ended(exitFailed, err)
	}
	if f.asJSON {
		code := severityCode(findings)
		data, err := json.MarshalIndent(doctor.AsJSON(facts, findings, chain, code, m.lang), "", "  ")
		if err != nil {
			return ended(exitFailed, err)
		}
		console.Out.Line(0, string(data))
		return ended(code, nil)
	}
	doctor.Render(console.Out, findings)
	if len(findings) > 0 {
		console.Out.Line(0, "")
	}
	if chain != nil {
		chain.Render(console.Out)
		console.Out.Line(0, "")
	}
	left := findings
	if f.fix && doctor.Count(findings).Mendable > 0 {
		if !console.Ask && !f.yes {
			console.Err.Say(lang.Text{
				En: "Nothing was changed: nobody is there to be asked. --yes makes all changes.",
				Zh: "没有做任何修改：没有终端可以询问。加 --yes 则全部修改。",
			})
		} else {
			mending := &doctor.Mending{Console: console, Yes: f.yes, Again: func(ctx context.Context) (*doctor.Facts, error) { return m.doctorFacts(ctx, f) }}
			if left, err = mending.Run(ctx, findings); err != nil {
				return ended(exitFailed, err)
			}
		}
	}
	code := severityCode(left)
	if code == exitOK {
		console.Out.Say(doctor.Reassure(facts, chain))
	}
	if len(left) > 0 {
		console.Out.Say(doctor.Count(left).Summary(f.fix))
	}
	return ended(code, nil)
}

// diagnose makes all checks, and tries the way of a module; meanwhile it shows what is done.
func (m machine) diagnose(ctx context.Context, cmd *cobra.Command, facts *doctor.Facts, module string) ([]doctor.Finding, *doctor.ChainReport) {
	board := m.console(cmd).Err.Board()
	defer board.Clear()
	board.Show([]string{m.say("Examining the settings and this machine …", "正在检查设置和这台机器……")}, 1)
	findings := doctor.Examine(ctx, facts, append(doctor.SettingsChecks(), doctor.MachineChecks()...))
	if facts.Offline || facts.Settings == nil {
		return findings, nil
	}
	board.Show([]string{m.say("Going the way of a module …", "正在走一遍获取模块的全过程……")}, 1)
	facts.Watch = func(what lang.Text) {
		board.Show([]string{m.say("Going the way of a module: ", "正在走一遍获取模块的全过程：") + what.In(m.lang)}, 1)
	}
	chain := doctor.Chain(ctx, facts, module)
	return doctor.Together(findings, chain.Findings()), chain
}

// severityCode returns the exit code for what was found.
func severityCode(findings []doctor.Finding) int {
	switch worst, _ := doctor.Worst(findings); worst {
	case doctor.Fault:
		return exitFailed
	case doctor.Warning:
		return exitWarned
	default:
		return exitOK
	}
}

// doctorFacts gathers what the checks look at.
func (m machine) doctorFacts(ctx context.Context, f *doctorFlags) (*doctor.Facts, error) {
	at, err := m.goMachine()
	if err != nil {
		return nil, err
	}
	facts := &doctor.Facts{Machine: at, Home: m.getenv("HOME"), OS: runtime.GOOS, Now: time.Now, Offline: f.offline, Timeout: f.timeout}
	if runtime.GOOS == "windows" {
		facts.Home = m.getenv("USERPROFILE")
	}
	for _, p := range mirror.Presets("") {
		facts.Presets = append(facts.Presets, doctor.Preset{Group: p.Group, URL: p.URL, Note: p.Note, NoSumDB: p.Facts.NoSumDB})
	}
	if facts.Settings, facts.Trouble = goenv.Read(ctx, at); facts.Trouble != nil {
		return facts, nil // one of the checks says so
	}
	dir, err := m.userConfigDir()
	if err != nil {
		return facts, nil // without a folder for their history there are no changes
	}
	editor, err := goenv.NewEditor(at, facts.Settings, filepath.Join(dir, "godown", "use"))
	if err != nil {
		return facts, nil // nor without a file to change: GOENV=off is told by a check
	}
	facts.Change = func(ctx context.Context, name, value string) error {
		_, err := editor.Set(ctx, []goenv.Change{{Name: name, Value: value, Unset: value == ""}}, "doctor --fix")
		return err
	}
	return facts, nil
}
