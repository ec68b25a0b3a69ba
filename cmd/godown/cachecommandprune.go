package main

import (
	"context"
	"errors"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/modcache"
	"github.com/godown-dev/godown/internal/toolbox/term"
	"github.com/spf13/cobra"
)

// newCachePruneCommand returns the command cache prune.
func newCachePruneCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prune [flags] [DIR]...",
		Short: m.say("Remove what no project needs", "删除没有项目需要的内容"),
		Long: m.say(`Prune removes the versions that no project in or below the folders DIR needs. A project
needs what its go.sum (also go.work.sum, and the .sum beside a -modfile) names: for a
line with /go.mod the .mod and .info, for any other the zip and the unpacked files, too;
without a go.sum, all that can be reached from its go.mod. What installed programs
(GOBIN) were built from counts as needed, and so do the toolchains that projects and
programs name, and the one that runs. Every build that works now works afterwards, also
with GOPROXY=off. What 'go run MODULE@VERSION' uses leaves no trace, and is fetched again.

Without DIR nobody knows what is needed: then say --older or --max-size, which go by age
alone. With DIR they narrow it down: only what is not needed and so old is removed, and
only as much as it takes. Nothing younger than --young is.

Leftovers of interrupted work go, too, and clones (cache/vcs) that nothing was fetched
into for long. What prune does not know it does not touch.

With --store, what nobody else may have (private and published modules) stays, but with
--also-private; and all hashes and checksum databases stay.

Exit codes:
  0  it is done, or there was nothing to do
  1  something could not be removed, or was fetched anew; or the answer was no
  2  wrong arguments, or nobody was there to be asked; nothing was done`,
			`prune 删除目录 DIR 及其下的项目都不需要的版本。项目需要的是 go.sum（以及 go.work.sum、
-modfile 旁的 .sum）写明的内容：带 /go.mod 的行只需要 .mod 和 .info，其他行还需要 zip 和解压后的
文件；没有 go.sum 时，从 go.mod 能到达的一切都算需要。已安装程序（GOBIN）所用的模块、项目和程序
指定的工具链以及正在使用的工具链也算需要。现在能通过的构建，之后照样能通过，GOPROXY=off 时也一样。
'go run MODULE@VERSION' 用到的模块无迹可查，会重新下载。

不写 DIR 就无从知道需要什么：这时请用 --older 或 --max-size，它们只看时间。与 DIR 同用则进一步收窄：
只删除既不需要又足够久的，且够用为止。比 --young 更新的一概不删。

中断的操作留下的残留，以及很久没有更新的代码仓库（cache/vcs）也会删除。不认识的内容绝不会动。

加 --store 时，别处可能没有的内容（私有模块、已发布的模块）会保留，除非加 --also-private；
所有哈希和校验和数据库都会保留。

退出码：
  0  已完成，或没有可删的内容
  1  有的未能删除或又被下载；或者回答了“否”
  2  参数错误，或无人可问；未做任何操作`),
		Example: `  godown cache prune --dry-run ~/src
  godown cache prune --older 30d ~/src ~/work
  godown cache prune --max-size 5GB --yes .
  godown cache prune --older 180d
  godown cache prune --store --dry-run /srv/checkouts`,
	}
	var older, young, size, clones string
	var alsoPrivate bool
	keepBin := true
	set := cmd.Flags()
	set.StringVar(&older, "older", "", m.say("only what was fetched this long ago, such as 30d (`AGE`)", "只删除早于这个`时长`下载的，例如 30d"))
	set.StringVar(&size, "max-size", "", m.say("only until the cache is no bigger than `SIZE`, such as 5GB, the oldest first", "从最旧的删起，缓存不超过这个`大小`为止，例如 5GB"))
	set.StringVar(&young, "young", "24h", m.say("keep what is younger than `AGE`, whatever else is said", "无论如何都保留比这个`时长`更新的内容"))
	set.StringVar(&clones, "clones", "30d", m.say("remove clones that nothing was fetched into for `AGE`; 0 keeps all", "删除这段`时长`内没有更新过的代码仓库；0 表示全部保留"))
	set.BoolVar(&keepBin, "keep-bin", keepBin, m.say("keep what installed programs were built from", "保留已安装的程序所用的模块"))
	set.BoolVar(&alsoPrivate, "also-private", false, m.say("with --store: remove what nobody else may have, too", "与 --store 同用：别处可能没有的内容也删除"))
	r := m.bindRemoval(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		rule, err := m.pruneRule(older, young, clones, size)
		if err != nil {
			return err
		}
		if err := r.refuse(m, rule, len(args)); err != nil {
			return err
		}
		return r.run(m, func(ctx context.Context, p *cachePlace, s *modcache.Stock) error {
			out := modcache.NewRemoved(s)
			var survey *modcache.Survey
			rule.Needs = &modcache.Needs{}
			p.running(rule.Needs)
			if len(args) > 0 {
				if survey, err = p.survey(ctx, args, keepBin); err != nil {
					return err
				}
				survey.ShowWarnings(m.console(cmd).Err)
				rule.Needs = &survey.Needs
			}
			if !alsoPrivate {
				rule.KeepOnly = p.only
			}
			plan := s.Prune(rule)
			out.Say(plan, survey, m.lang)
			return r.carry(ctx, m, p, plan, out, func(to *term.Printer) {
				modcache.ShowPlan(to, plan, survey)
				s.ShowOdd(to)
			})
		})
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return cmd
}

// refuse refuses flags of prune that would do nothing, and a call that says nothing of what is needed.
func (r *cacheRemoval) refuse(m machine, rule modcache.Rule, folders int) error {
	if err := errors.Join(r.without(m, true, "also-private", configKey), r.without(m, false, "clones")); err != nil {
		return err
	}
	if folders == 0 && r.cmd.Flags().Changed("keep-bin") {
		return errors.New(m.say("--keep-bin needs the folders of projects: by age alone nothing counts as needed", "--keep-bin 要与项目目录同用：只按时间删除时，什么都不算需要"))
	}
	if folders == 0 && rule.Older == 0 && rule.MaxSize == 0 {
		return errors.New(m.say("name the folders where the projects are, as in 'godown cache prune ~/src': what they need stays; or give --older or --max-size to go by age alone",
			"请给出项目所在的目录，例如 'godown cache prune ~/src'，它们需要的内容会保留；或用 --older、--max-size 只按时间删除"))
	}
	return nil
}

// pruneRule reads the flags that say what may go.
func (m machine) pruneRule(older, young, clones, size string) (rule modcache.Rule, err error) {
	rule.Now = time.Now()
	if rule.Older, err = m.parseAge("older", older); err != nil {
		return rule, err
	}
	if rule.Young, err = m.parseAge("young", young); err != nil {
		return rule, err
	}
	if rule.Clones, err = m.parseAge("clones", clones); err != nil {
		return rule, err
	}
	if size != "" {
		n, err := parseSize(size)
		if err != nil || n <= 0 {
			return rule, errors.New(m.say("--max-size "+size+" is no size; write it as 5GB or 800MB", "--max-size "+size+" 不是大小；请写成 5GB 或 800MB 这样的形式"))
		}
		rule.MaxSize = int64(n)
	}
	return rule, nil
}
