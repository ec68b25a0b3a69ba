package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/modcache"
	"github.com/godown-dev/godown/internal/toolbox/term"
	"github.com/spf13/cobra"
)

// shownRemovals is how many removals are listed before somebody is asked.
const shownRemovals = 30

// A cacheRemoval is what rm and prune have in common.
type cacheRemoval struct {
	*cacheFlags
	yes, dryRun bool
}

// bindRemoval gives cmd the flags of a command that removes something.
func (m machine) bindRemoval(cmd *cobra.Command) *cacheRemoval {
	r := &cacheRemoval{}
	cmd.Flags().BoolVarP(&r.dryRun, "dry-run", "n", false, m.say("only say what would be removed", "只显示将删除什么，不删除"))
	cmd.Flags().BoolVarP(&r.yes, "yes", "y", false, m.say("remove without being asked", "不询问，直接删除"))
	r.cacheFlags = m.bindCache(cmd)
	return r
}

// check refuses flags that contradict each other.
func (r *cacheRemoval) check(m machine) error {
	if r.json && !r.yes && !r.dryRun {
		return errors.New(m.say("--json asks nobody: give --yes to remove, or --dry-run to see what would be", "--json 不会询问：请加 --yes 直接删除，或加 --dry-run 只看结果"))
	}
	return nil
}

// carry shows a plan, asks, and carries it out. summary prints what there is to say of it, but for its list.
func (r *cacheRemoval) carry(ctx context.Context, m machine, p *cachePlace, plan modcache.Plan, out *modcache.RemovedJSON, summary func(*term.Printer)) error {
	c := m.console(r.cmd)
	out.DryRun, out.BytesBefore = r.dryRun, plan.Before
	if r.dryRun && r.json {
		for _, one := range plan.Remove {
			out.Removals = append(out.Removals, modcache.RemovalOf(modcache.Result{Removal: one}, true))
		}
		out.BytesFreed = modcache.Bytes(plan.Remove)
		return printJSON(c.Out.W, out)
	}
	if !r.json {
		most := shownRemovals
		if r.dryRun {
			most = 0
		}
		modcache.ShowRemovals(c.Out, plan.Remove, most, time.Now())
		summary(c.Out)
	}
	if r.dryRun || len(plan.Remove) == 0 && !r.json {
		return nil
	}
	if !r.yes {
		yes, asked, err := c.Confirm(ctx, modcache.Question(plan.Remove))
		switch {
		case err != nil:
			return err
		case !asked:
			return &modcache.Refusal{Text: lang.Text{En: "nothing was removed: nobody is at a terminal to be asked; give --yes", Zh: "没有删除任何东西：不在终端上，无法询问；请加 --yes"}}
		case !yes:
			return errors.New(m.say("nothing was removed", "没有删除任何东西"))
		}
	}
	board := c.Err.Board()
	results := p.Remove(ctx, plan.Remove, func(done int) {
		board.Show([]string{c.Err.Sprint(lang.Text{En: "removing: %d of %d", Zh: "正在删除：%d / %d"}, done, len(plan.Remove))}, 1)
	})
	board.Clear()
	all := len(results) == len(plan.Remove)
	if r.json {
		for _, one := range results {
			out.Removals = append(out.Removals, modcache.RemovalOf(one, false))
			if one.Err == nil && !one.Back {
				out.BytesFreed += one.Bytes()
			}
			all = all && one.Err == nil && !one.Back
		}
		if err := printJSON(c.Out.W, out); err != nil {
			return err
		}
	} else {
		all = modcache.ShowResults(c.Out, c.Err, len(plan.Remove), results)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !all {
		return ended(exitFailed, nil)
	}
	return nil
}

// run opens and scans the cache, and has work do the rest.
func (r *cacheRemoval) run(m machine, work func(context.Context, *cachePlace, *modcache.Stock) error) error {
	if err := r.check(m); err != nil {
		return err
	}
	ctx, release := untilSignal(r.cmd.Context())
	defer release()
	p, err := r.open(ctx, m)
	if err != nil {
		return m.refused(err)
	}
	defer func() { _ = p.close() }() // its results are known
	s, err := p.Scan(ctx)
	if err == nil {
		err = work(ctx, p, s)
	}
	if e, ok := errors.AsType[*exit](err); ok {
		return e
	}
	return m.refused(stopped(ctx, err))
}

// newCacheRmCommand returns the command cache rm.
func newCacheRmCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm [flags] MODULE[@VERSION]...",
		Short: m.say("Remove versions of modules", "删除模块的指定版本"),
		Long: m.say(`Rm removes what the cache has of a version: the unpacked files, the zip, .info, .mod and
hashes. MODULE@* is all versions; MODULE alone will do where there is but one.

Other go commands may be at work: the locks are the go command's own, and each of them
finds the version whole or not at all. One that is compiling files of it just now can
fail, and has to be started again. What a go command fetches anew meanwhile stays.

With --store, what nobody else may have (private and published modules) needs --force.
What was published stays published, and hashes that were first seen stay known.

Exit codes:
  0  all is removed
  1  something could not be, is not in the cache, or was fetched anew; or the answer was no
  2  wrong arguments, or nobody was there to be asked; nothing was done`,
			`rm 删除缓存中某个版本的全部内容：解压后的文件、zip、.info、.mod 和哈希。
MODULE@* 指全部版本；只有一个版本时，写 MODULE 即可。

期间其他 go 命令可照常运行：这里用的就是 go 命令自己的锁，对它们来说一个版本要么完整，要么
不存在。正在编译该版本文件的 go 命令可能失败，重新执行即可。期间被重新下载的版本会保留。

加 --store 时，别处可能没有的内容（私有模块、已发布的模块）要加 --force 才删除。
已发布的版本仍然保留，首次见到的哈希也仍然有效。

退出码：
  0  全部删除
  1  有的未能删除、不在缓存中或又被下载；或者回答了“否”
  2  参数错误，或无人可问；未做任何操作`),
		Example: `  godown cache rm example.com/one@v1.2.0
  godown cache rm --yes 'golang.org/toolchain@*'
  godown cache rm --dry-run github.com/acme/big`,
	}
	var force bool
	cmd.Flags().BoolVar(&force, "force", false, m.say("with --store: remove what nobody else may have, too", "与 --store 同用：别处可能没有的内容也删除"))
	r := m.bindRemoval(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return errors.New(m.say("name what to remove: MODULE@VERSION; 'godown cache ls' lists what is there", "请指出要删除什么：MODULE@VERSION；'godown cache ls' 可列出现有内容"))
		}
		if err := r.without(m, true, "force", configKey); err != nil {
			return err
		}
		return r.run(m, func(ctx context.Context, p *cachePlace, s *modcache.Stock) error {
			plan := modcache.Plan{Before: s.Bytes()}
			for _, arg := range args {
				list, err := m.named(s, arg)
				if err != nil {
					return err
				}
				for _, v := range list {
					if p.only != nil && !force {
						if why := p.only(v); !why.IsZero() {
							return errors.New(m.say(fmt.Sprintf("%s may be nowhere else (%s); --force removes it, nothing was removed now", v, why.En),
								fmt.Sprintf("%s 在别处可能已经没有（%s）；--force 可以删除它，现在没有删除任何东西", v, why.Zh)))
						}
					}
					plan.Remove = append(plan.Remove, modcache.Removal{Version: &v})
				}
			}
			plan.Remove = modcache.Distinct(plan.Remove)
			return r.carry(ctx, m, p, plan, modcache.NewRemoved(s), func(*term.Printer) {})
		})
	}
	cmd.ValidArgsFunction = m.completeVersions(r.cacheFlags)
	return cmd
}

// named returns the versions that an argument of rm names.
func (m machine) named(s *modcache.Stock, arg string) ([]modcache.Version, error) {
	path, version, exact := strings.Cut(arg, "@")
	all := s.Of(path)
	if len(all) == 0 {
		var names []string
		for _, v := range s.Versions {
			names = append(names, v.Path)
		}
		return nil, errors.New(m.say(fmt.Sprintf("no version of %s is in %s%s", path, s.Dir, didYouMean(path, names)), fmt.Sprintf("%[2]s 中没有 %[1]s 的任何版本", path, s.Dir)))
	}
	if exact && version == "*" || !exact && len(all) == 1 {
		return all, nil
	}
	var versions []string
	for _, v := range all {
		if exact && v.Version == version {
			return []modcache.Version{v}, nil
		}
		versions = append(versions, v.Version)
	}
	if !exact {
		return nil, &modcache.Refusal{Text: lang.Text{
			En: "%s has several versions here: %s; name one as %s@VERSION, or all as '%s@*'",
			Zh: "%s 有多个版本：%s；请写 %s@VERSION 指定其一，或写 '%s@*' 表示全部",
		}.With(path, strings.Join(versions, " "), path, path)}
	}
	return nil, errors.New(m.say(fmt.Sprintf("%s is not in %s, which has: %s", arg, s.Dir, strings.Join(versions, " ")),
		fmt.Sprintf("%[2]s 中没有 %[1]s，有的是：%[3]s", arg, s.Dir, strings.Join(versions, " "))))
}
