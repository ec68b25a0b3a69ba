package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/mirror"
	"github.com/godown-dev/godown/internal/toolbox/gauge"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/spf13/cobra"
	"golang.org/x/mod/module"
)

// leastWatch is the shortest interval of --watch.
const leastWatch = 10 * time.Second

// benchFlags are those of the command bench.
type benchFlags struct {
	modules []string
	asJSON  bool
	asCSV   bool
	page    string // file; "": none
	watch   time.Duration
	set     bool
}

// newBenchCommand returns the command bench.
func newBenchCommand(m machine) *cobra.Command {
	f := new(benchFlags)
	cmd := &cobra.Command{
		Use:   "bench [flags] [MIRROR|PRESET ...]",
		Short: m.say("Measure module mirrors, and say which to use", "测量各个模块镜像，给出推荐"),
		Long: m.say(`Bench measures mirrors as the go command would use them: how fast they answer and
deliver, whether the bytes are right, what of the protocol they know, and how far
their lists of versions lag behind. It ranks them by the time that a cold build of
60 modules (40 MB) would take, and says which to use and why.

A MIRROR is a URL; a PRESET is a group of mirrors: cn, default (what the go command
has built in), or environment (the GOPROXY that is in force). Without any it
measures all three.

Each mirror gets at most %[1]d requests, %[2]d MB and %[3]d seconds of a measurement, and
less with --watch. Zips are fetched from one mirror after the other.

Exit codes:
  0    it has measured, and at least one mirror can be used
  1    none can be used, or --set was refused
  2    wrong flags or arguments; nobody was asked
  130  stopped by Ctrl-C; what was known by then is printed`, `bench 像 go 命令一样使用各个镜像，测量它们的响应与下载速度、内容是否正确、
支持协议的哪些部分、版本列表落后多少，并按“冷构建 60 个模块（40 MB）所需时间”排名，
说明推荐哪一个、为什么。

MIRROR 是 URL；PRESET 是一组镜像：cn、default（go 命令内置的模块代理）或
environment（当前生效的 GOPROXY）。不带参数时三组都测。

每次测量中，每个镜像最多 %[1]d 个请求、%[2]d MB、%[3]d 秒；用 --watch 时更少。
zip 文件逐个镜像依次下载，互不争抢带宽。

退出码：
  0    测量完成，至少有一个镜像可用
  1    没有可用的镜像，或 --set 被拒绝
  2    参数错误；没有发出任何请求
  130  被 Ctrl-C 中断；已知的结果会打印出来`),
		Example: `  godown bench
  godown bench cn --set
  godown bench https://goproxy.cn https://proxy.corp.example/go --html mirrors.html
  godown bench --watch 1m environment
  godown bench --json | jq '.mirrors[] | {mirror, verdict, estimate_ms}'`,
	}
	cmd.Long = fmt.Sprintf(cmd.Long, gauge.MaxRequests, gauge.MaxBytes>>20, int(gauge.MaxTime.Seconds()))
	flags := cmd.Flags()
	flags.StringArrayVar(&f.modules, "module", nil, m.say("`MODULE@VERSION` to ask for, in place of the usual three; may be repeated, the smallest first", "改用这个`模块@版本`来测量，可重复，从小到大"))
	flags.BoolVar(&f.asJSON, "json", false, m.say("print one JSON object; with --watch one a line", "输出一个 JSON 对象；与 --watch 同用时每行一个"))
	flags.BoolVar(&f.asCSV, "csv", false, m.say("print a line of comma-separated values for each mirror", "以 CSV 输出，每个镜像一行"))
	flags.StringVar(&f.page, "html", "", m.say("write a page with charts to `FILE`, too", "同时把带图表的网页写入`文件`"))
	flags.DurationVar(&f.watch, "watch", 0, m.say("measure again and again at this `INTERVAL`, at least 10s, with less data", "每隔这段`时间`重测一次（至少 10s），用的流量较少"))
	flags.BoolVar(&f.set, "set", false, m.say("set GOPROXY to what is recommended, unless its bytes could not be verified", "把 GOPROXY 设为推荐值；内容无法校验时不设置"))
	m.speak(cmd)
	cmd.ValidArgsFunction = cobra.FixedCompletions(append(benchGroups(), gauge.FromEnvironment), cobra.ShellCompDirectiveNoFileComp)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		plan, tail, err := m.benchPlan(cmd.Context(), f, args)
		if err != nil {
			return err
		}
		return m.bench(cmd, f, plan, tail)
	}
	return cmd
}

// benchGroups returns the names that stand for groups of mirrors.
func benchGroups() []string { return append(mirror.Groups(), mirror.Default) }

// check refuses flags that do not go together.
func (f *benchFlags) check(m machine) error {
	switch {
	case f.asJSON && f.asCSV:
		return errors.New(m.say("--json and --csv are two forms of the same output; choose one", "--json 与 --csv 是同一份输出的两种格式，只能选一个"))
	case f.watch != 0 && f.watch < leastWatch:
		return fmt.Errorf(m.say("flag --watch: %v is shorter than %v, which would be impolite", "参数 --watch：%v 短于 %v，会给镜像添麻烦"), f.watch, leastWatch)
	case f.watch != 0 && f.set:
		return errors.New(m.say("--set and --watch do not go together: a setting that changes by itself surprises", "--set 不能与 --watch 同用：设置不应自己变来变去"))
	}
	if f.page != "" {
		if info, err := os.Stat(filepath.Dir(f.page)); err != nil || !info.IsDir() {
			return fmt.Errorf(m.say("flag --html: there is no folder %s for the page", "参数 --html：没有可以放网页的文件夹 %s"), filepath.Dir(f.page))
		}
		if info, err := os.Stat(f.page); err == nil && info.IsDir() {
			return fmt.Errorf(m.say("flag --html: %s is a folder; name a file in it", "参数 --html：%s 是文件夹，请写出其中的文件名"), f.page)
		}
	}
	return nil
}

// benchPlan returns what is to be measured, and the word at the end of the GOPROXY in force.
func (m machine) benchPlan(ctx context.Context, f *benchFlags, args []string) (plan gauge.Plan, tail string, err error) {
	if err := f.check(m); err != nil {
		return plan, "", err
	}
	settings := &goSettings{machine: m}
	text := func(name string) string {
		s, _ := settings.lookup(ctx, name)
		return s.text
	}
	tail = "direct"
	if list, err := godown.ParseGOPROXY(text("GOPROXY")); err == nil {
		tail = list[len(list)-1].Word
	}
	plan = gauge.Plan{Modules: gauge.Modules(), Lists: gauge.Lists(), Light: f.watch != 0, Proxy: http.ProxyFromEnvironment, NoSumDB: text("GONOSUMDB")}
	if plan.Light {
		plan.Records = gauge.NewRecords() // else each measurement would fetch the same records
	}
	plan.Own = ownProxies(ctx, settings, text("GOPROXY"))
	if len(f.modules) > 0 {
		hidden := func(path string) bool {
			if named(args, gauge.FromEnvironment) && module.MatchPrefixPatterns(text("GONOPROXY"), path) {
				return true // the go command would not ask that GOPROXY for it, either
			}
			return named(args, benchGroups()...) && module.MatchPrefixPatterns(text("GONOPROXY")+","+text("GOPRIVATE"), path)
		}
		if plan.Modules, plan.Lists, err = m.benchModules(f.modules, hidden); err != nil {
			return plan, "", err
		}
	}
	if db := text("GOSUMDB"); db != "off" {
		spec, err := godown.ParseSumDB(db)
		if err != nil {
			return plan, "", fmt.Errorf("GOSUMDB: %w", err)
		}
		plan.SumDB = &spec
	}
	if plan.Targets, err = benchTargets(ctx, settings, args); err == nil {
		m.benchLogins(ctx, text("GOAUTH"), plan.Targets)
	}
	return plan, tail, err
}

// named reports whether arguments name one of some groups, as no arguments at all do.
func named(args []string, groups ...string) bool {
	return len(args) == 0 || slices.ContainsFunc(args, func(a string) bool { return slices.Contains(groups, a) })
}

// ownProxies returns those of a GOPROXY that are in no preset, as they may be shown.
func ownProxies(ctx context.Context, settings *goSettings, goproxy string) (own []string) {
	list, err := godown.ParseGOPROXY(goproxy)
	if err != nil {
		return nil
	}
	presets, _ := settings.builtIn(ctx) // if they are not known, the proxy counts as one's own
	for _, group := range mirror.Groups() {
		for _, p := range mirror.Presets(group) {
			presets = append(presets, p.URL)
		}
	}
	for _, e := range list {
		if e.URL == nil || slices.ContainsFunc(presets, func(p string) bool {
			u, err := url.Parse(p)
			return err == nil && strings.EqualFold(gauge.Shown(u), gauge.Shown(e.URL))
		}) {
			continue
		}
		own = append(own, gauge.Shown(e.URL))
	}
	return own
}

// benchModules parses --module. What is hidden from one of the mirrors is asked of none.
func (m machine) benchModules(texts []string, hidden func(path string) bool) (mods []gauge.Module, lists []string, err error) {
	for _, text := range texts {
		mod, err := gauge.ParseModule(text)
		if err != nil {
			return nil, nil, fmt.Errorf("flag --module: %w", err)
		}
		if hidden(mod.Path) {
			return nil, nil, fmt.Errorf(m.say("flag --module: %s is private here (GOPRIVATE, GONOPROXY), and mirrors would learn its name; say by their URLs which may be asked: godown bench --module %[1]s@%s URL",
				"参数 --module：%s 在这里是私有模块（GOPRIVATE、GONOPROXY），其名称会被镜像得知；请用 URL 写明可以询问哪些镜像：godown bench --module %[1]s@%s URL"), mod.Path, mod.Version)
		}
		mods = append(mods, mod)
		if !slices.Contains(lists, mod.Path) {
			lists = append(lists, mod.Path)
		}
	}
	return mods, lists[:min(len(lists), 3)], nil
}

// benchTargets returns the mirrors that arguments name, each once.
func benchTargets(ctx context.Context, settings *goSettings, args []string) ([]gauge.Target, error) {
	if len(args) == 0 {
		args = append([]string{gauge.FromEnvironment}, benchGroups()...)
	}
	var all []gauge.Target
	add := func(u *url.URL, group, note string) {
		for i := range all {
			if strings.EqualFold(gauge.Shown(all[i].URL), gauge.Shown(u)) {
				if !slices.Contains(all[i].Groups, group) {
					all[i].Groups = append(all[i].Groups, group)
				}
				return
			}
		}
		t := gauge.Target{URL: u, Groups: []string{group}}
		if note != "" {
			t.Note = lang.Same(note)
		}
		all = append(all, t)
	}
	for _, arg := range args {
		switch {
		case arg == gauge.FromEnvironment:
			s, err := settings.lookup(ctx, "GOPROXY")
			if err != nil {
				return nil, ended(exitFailed, err)
			}
			list, err := godown.ParseGOPROXY(s.text)
			if err != nil {
				return nil, fmt.Errorf("GOPROXY (%s): %w", s.origin, err)
			}
			for _, e := range list {
				if e.URL != nil {
					add(e.URL, gauge.FromEnvironment, "")
				}
			}
		case arg == mirror.Default:
			texts, err := settings.builtIn(ctx)
			if err != nil {
				return nil, ended(exitFailed, err)
			}
			for _, text := range texts {
				if u, err := url.Parse(text); err == nil {
					add(u, mirror.Default, "")
				}
			}
		case slices.Contains(mirror.Groups(), arg):
			for _, p := range mirror.Presets(arg) {
				if u, err := url.Parse(p.URL); err == nil {
					add(u, p.Group, p.Note)
				}
			}
		default:
			list, err := godown.ParseGOPROXY(arg)
			if err != nil {
				return nil, fmt.Errorf(settings.machine.say("%s is neither a mirror's URL nor one of %s%s", "%s 既不是镜像的 URL，也不是 %s 之一%s"), maskSecrets(arg), strings.Join(append(benchGroups(), gauge.FromEnvironment), ", "), didYouMean(arg, append(benchGroups(), gauge.FromEnvironment)))
			}
			for _, e := range list {
				if e.URL != nil {
					add(e.URL, gauge.FromArgument, "")
				}
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New(settings.machine.say("there is no mirror to measure: GOPROXY names none; name one, such as: godown bench cn", "没有可测量的镜像：GOPROXY 中一个也没有；请写出一个，例如 godown bench cn"))
	}
	return all, nil
}
