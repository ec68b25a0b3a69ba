package doctor

import (
	"context"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// deadGitProxies finds proxies of git's own on this machine at which nobody listens: they are
// left behind by a program that has been closed, and the go command's own requests do not meet them.
func (f *Facts) deadGitProxies(ctx context.Context, git *gitConfig) []Finding {
	if f.Offline || f.gitNeed() == needless {
		return nil
	}
	var found []Finding
	for _, s := range git.proxies {
		u := parseHTTPProxy(s.value)
		if u == nil || !isLoopback(u.Hostname()) || !f.nobodyListens(ctx, proxyPort(u)) {
			continue
		}
		found = append(found, Finding{
			ID: "git-proxy-dead", Severity: Warning,
			Title:       text("git has an outbound proxy at which nobody listens", "git 设置的网络代理没有程序在监听"),
			Evidence:    []lang.Text{text("git config: %s=%s", "git 配置：%s=%s", hidePasswords(s.key), showProxy(s.value)), text("connecting to it is refused", "连接被拒绝")},
			Consequence: text("What git fetches for the go command fails: Failed to connect to 127.0.0.1 port …", "git 替 go 命令下载的内容会失败：Failed to connect to 127.0.0.1 port …"),
			Fixes:       []Fix{unsetGit(s, text("go without it, or start the program that listens there", "不再使用它；或者启动在那里监听的程序"))},
		})
	}
	return found
}

// nobodyListens reports whether a port of this machine refuses connections, by both families.
func (f *Facts) nobodyListens(ctx context.Context, port uint16) bool {
	refuses := func(addr string) bool {
		c := f.prober().Connect(ctx, netip.AddrPortFrom(netip.MustParseAddr(addr), port))
		return c.Failure != nil && c.Failure.Kind != probe.Timeout
	}
	return refuses("127.0.0.1") && refuses("::1")
}

// unsetGit returns the fix that takes a setting of git away.
func unsetGit(s gitSetting, say lang.Text) Fix {
	if hidePasswords(s.key) != s.key {
		return Fix{Say: text("git config --global --edit shows it; %s", "用 git config --global --edit 可以看到；%s", say)}
	}
	return Fix{Command: "git config --global --unset-all " + quote(s.key), Say: say}
}

// unnamedHosts finds private hosts to which git is sent by ssh, and of whose modules the public would hear.
func (f *Facts) unnamedHosts(git *gitConfig) []Finding {
	if f.Settings == nil || len(f.publicProxies()) == 0 {
		return nil
	}
	var found []Finding
	var seen []string
	for _, rule := range git.rules {
		_, host, _, ok := sshHost(rule.to)
		if !ok || !strings.Contains(host, ".") || !hostLooksPrivate(host) || slices.Contains(seen, host) || !strings.Contains(rule.from, "//"+host) {
			continue
		}
		seen = append(seen, host)
		if slices.ContainsFunc(patternsOf(f.noProxy()), func(p string) bool {
			first, _, _ := strings.Cut(p, "/")
			named, _ := path.Match(first, host)
			return named
		}) {
			continue
		}
		fix := f.fixSet("GOPRIVATE", privatePattern(f.setting("GOPRIVATE"), host), lang.Text{})
		fix.Do = nil // only a person knows whether modules are there
		found = append(found, Finding{
			ID: "git-host-unnamed", Severity: Hint,
			Title:       text("git is set up for %s, which GOPRIVATE does not name", "git 已为 %s 做了设置，但 GOPRIVATE 中没有它", host),
			Evidence:    []lang.Text{text("git config: %s is read as %s", "git 配置：%s 会被替换为 %s", hidePasswords(rule.from), hidePasswords(rule.to)), f.said("GOPRIVATE")},
			Consequence: text("If there are modules at that host, public mirrors are asked for them first, and hear their names.", "如果该主机上有模块，会先向公共镜像查询，它们的名字就泄露了。"),
			Fixes:       []Fix{fix},
		})
	}
	return found
}
