package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/modcache"
	"github.com/spf13/cobra"
)

// newCacheDuCommand returns the command cache du.
func newCacheDuCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "du [flags]",
		Short: m.say("Say what takes the space", "统计什么占了空间"),
		Long: m.say(`Du adds up what is in the module cache, by kind and by who the modules are from. Sizes
are those of the files' content, in powers of 1000.

Exit codes:
  0  all was counted
  1  something could not be read
  2  wrong flags, or what is named is no module cache`,
			`du 按类别和模块归属统计模块缓存的大小。大小按文件内容计算，以 1000 为进制。

退出码：
  0  全部统计完成
  1  有内容无法读取
  2  参数错误，或指定的目录不是模块缓存`),
		Example: `  godown cache du
  godown cache du --top 30
  godown cache du --store
  godown cache du --json | jq .bytes`,
		Args: noArguments,
	}
	top := 10
	cmd.Flags().IntVar(&top, "top", top, m.say("show so many owners of modules, the biggest `N`", "按归属列出最大的 `N` 项"))
	f := m.bindCache(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.withStock(cmd, f, func(_ context.Context, _ *cachePlace, s *modcache.Stock) error {
			if f.json {
				return printJSON(cmd.OutOrStdout(), modcache.UsageOf(s))
			}
			s.ShowSums(m.console(cmd).Out, max(top, 0))
			return nil
		})
	}
	return cmd
}

// withStock opens and scans the cache that is meant, and has show print of it.
func (m machine) withStock(cmd *cobra.Command, f *cacheFlags, show func(context.Context, *cachePlace, *modcache.Stock) error) error {
	ctx, release := untilSignal(cmd.Context())
	defer release()
	p, err := f.open(ctx, m)
	if err != nil {
		return m.refused(err)
	}
	defer func() { _ = p.close() }() // it was only read, or its results are known
	s, err := p.Scan(ctx)
	if err != nil {
		return ended(exitFailed, stopped(ctx, err))
	}
	if err := show(ctx, p, s); err != nil {
		return m.refused(stopped(ctx, err))
	}
	if len(s.Unread) > 0 {
		return ended(exitFailed, nil)
	}
	return nil
}

// stopped returns what has ended ctx, if that was it, and else err.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}

// newCacheLsCommand returns the command cache ls.
func newCacheLsCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls [flags] [PATTERN]...",
		Short: m.say("List versions of modules", "列出模块的各个版本"),
		Long: m.say(`Ls lists the versions of modules that are in the cache, with the size of what is
unpacked and of the zip. A PATTERN is a glob of module paths as in GOPRIVATE
('github.com/acme/*' has all below, too), or MODULE@VERSION, or MODULE@*.

FETCHED is when something of a version was last downloaded or unpacked. When it was
last used nobody knows: the go command keeps no record of that, and the times of
access that file systems keep are not to be relied on.

Exit codes:
  0  listed, even if nothing is there
  1  something could not be read
  2  wrong flags, or what is named is no module cache`,
			`ls 列出缓存中各模块的版本，以及解压后和 zip 的大小。PATTERN 是与 GOPRIVATE 相同的
模块路径通配（'github.com/acme/*' 也包含其下的全部模块），或 MODULE@VERSION、MODULE@*。

“下载于”是最近一次下载或解压该版本的时间。最近一次使用的时间无从得知：go 命令不做记录，
文件系统的访问时间也不可靠。

退出码：
  0  已列出，没有内容也算
  1  有内容无法读取
  2  参数错误，或指定的目录不是模块缓存`),
		Example: `  godown cache ls
  godown cache ls --sort age --older 90d
  godown cache ls --for ~/src 'github.com/aws/*'
  godown cache ls --json | jq -r '.versions[] | .module + "@" + .version'`,
	}
	var order, older string
	var projects []string
	cmd.Flags().StringVar(&order, "sort", "size", m.say("sort by size, age or name (`KEY`)", "排序`方式`：size、age 或 name"))
	cmd.Flags().StringVar(&older, "older", "", m.say("only what was fetched this long ago, such as 90d (`AGE`)", "只列出早于这个`时长`下载的，例如 90d"))
	cmd.Flags().StringArrayVar(&projects, "for", nil, m.say("say of each whether a project in or below `DIR` needs it; may be repeated", "标出`目录`及其下的项目是否需要；可重复给出"))
	complete(cmd, "sort", cobra.FixedCompletions([]string{"size", "age", "name"}, cobra.ShellCompDirectiveNoFileComp))
	complete(cmd, "for", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
	f := m.bindCache(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		least, err := m.parseAge("older", older)
		if err != nil {
			return err
		}
		if !slices.Contains([]string{"size", "age", "name"}, order) {
			return errors.New(m.say("--sort is size, age or name, not "+order, "--sort 只能是 size、age 或 name，不能是 "+order))
		}
		return m.withStock(cmd, f, func(ctx context.Context, p *cachePlace, s *modcache.Stock) error {
			now := time.Now()
			list := s.Versions
			if len(args) > 0 {
				list = slices.DeleteFunc(slices.Clone(list), func(v modcache.Version) bool {
					return !slices.ContainsFunc(args, func(pattern string) bool { return v.Matches(pattern) })
				})
			}
			list = slices.DeleteFunc(slices.Clone(list), func(v modcache.Version) bool { return now.Sub(v.Fetched) < least })
			modcache.Sort(list, modcache.Order(order))
			c := m.console(cmd)
			var needs *modcache.Needs
			if projects != nil {
				survey, err := p.survey(ctx, projects, true)
				if err != nil {
					return err
				}
				survey.ShowWarnings(c.Err)
				needs = &survey.Needs
			}
			if f.json {
				return printJSON(c.Out.W, modcache.ListOf(s, list, needs))
			}
			modcache.ShowVersions(c.Out, list, needs, now)
			s.ShowOdd(c.Err)
			return nil
		})
	}
	cmd.ValidArgsFunction = m.completeVersions(f)
	return cmd
}

// completeVersions completes the names of versions that are there.
func (m machine) completeVersions(f *cacheFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		p, err := f.open(cmd.Context(), m)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer func() { _ = p.close() }() // it was only read
		s, err := p.Scan(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, v := range s.Versions {
			if strings.HasPrefix(v.String(), begun) {
				names = append(names, v.String())
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
