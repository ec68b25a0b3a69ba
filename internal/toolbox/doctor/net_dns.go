package doctor

import (
	"context"
	"crypto/rand"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// poison are addresses with which a censor on the way answers for the names
// that it blocks; nobody offers a service there to those who ask for another name.
func poison() []string {
	return []string{
		"4.36.66.178", "8.7.198.45", "8.7.198.46", "37.61.54.158", "46.82.174.68", "59.24.3.173", "64.33.88.161",
		"64.33.99.47", "64.66.163.251", "65.104.202.252", "65.160.219.113", "66.45.252.237", "78.16.49.15",
		"93.46.8.89", "128.121.126.139", "159.106.121.75", "169.132.13.103", "192.67.198.6", "202.181.7.85",
		"203.98.7.65", "203.161.230.171", "207.12.88.98", "208.56.31.43", "209.36.73.33", "209.145.54.50",
		"209.220.30.174", "211.94.66.147", "213.169.251.35", "216.221.188.182", "216.234.179.13", "243.185.187.39",
		"197.4.4.12", "118.5.49.6", "188.5.4.96", "189.163.17.5", "49.2.123.56", "249.129.46.48", "253.157.14.165",
	}
}

// A place in the address space where no public mirror can be.
type placeKind int

const (
	publicPlace placeKind = iota
	nowhere               // nobody can be there: 0.0.0.0, 240.0.0.0/4
	poisoned              // known false answers
	fakePlace             // 198.18.0.0/15, and what proxies use alike for IPv6
	loopbackPlace
	privatePlace
)

func placeOf(a netip.Addr) placeKind {
	in := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return netip.MustParsePrefix(p).Contains(a) })
	}
	switch {
	case slices.Contains(poison(), a.String()):
		return poisoned
	case a.IsLoopback():
		return loopbackPlace
	case a.IsUnspecified(), in("0.0.0.0/8", "240.0.0.0/4"), a.IsMulticast():
		return nowhere
	case in("198.18.0.0/15", "fdfe:dcba:9876::/48", "fc00::/18"):
		return fakePlace
	case in("2001::/32"):
		return poisoned // Teredo, which is no more: only false answers are there
	case a.IsPrivate(), a.IsLinkLocalUnicast(), in("100.64.0.0/10"):
		return privatePlace
	}
	return publicPlace
}

// publicHost reports whether a host is known to be on the public internet.
func (f *Facts) publicHost(host string) bool {
	switch host = strings.ToLower(host); host {
	case "sum.golang.org", "sum.golang.google.cn", "github.com", "golang.org", "go.dev", "gitlab.com", "bitbucket.org", "gitee.com":
		return true
	}
	for _, p := range f.Presets {
		if u, err := url.Parse(p.URL); err == nil && strings.EqualFold(u.Hostname(), host) {
			return true
		}
	}
	return f.builtInHost(host)
}

// builtInHost reports whether a host is in the list that the go command has built in.
func (f *Facts) builtInHost(host string) bool {
	if f.Settings == nil {
		return false
	}
	for _, said := range f.Settings.Values["GOPROXY"].Said {
		if said.File == "" || !strings.HasSuffix(said.File, "go.env") {
			continue
		}
		for part := range strings.FieldsFuncSeq(said.Text, func(r rune) bool { return r == ',' || r == '|' }) {
			if u, err := url.Parse(part); err == nil && u.Host != "" && strings.EqualFold(u.Hostname(), host) {
				return true
			}
		}
	}
	return false
}

// lies returns what is wrong with the addresses of a host.
func (f *Facts) lies(found probe.Lookup) []Finding {
	public := f.publicHost(found.Host)
	for _, list := range [][]netip.Addr{found.IPv4, found.IPv6} {
		for _, a := range list {
			switch kind := placeOf(a); {
			case kind == poisoned, kind == nowhere:
				return []Finding{dnsPoisoned(found, a)}
			case kind == fakePlace:
				return []Finding{dnsFakeIP(found, a)}
			case public && kind != publicPlace:
				return []Finding{f.dnsPrivate(found, a)}
			}
		}
	}
	return nil
}

func dnsPoisoned(found probe.Lookup, a netip.Addr) Finding {
	return Finding{
		ID: "dns-poisoned", Severity: Warning, host: found.Host, // a fault, if nobody answers there either
		Title:       text("The name server seems to answer falsely for %s", "DNS 对 %s 给出的地址像是虚假的", found.Host),
		Evidence:    []lang.Text{text("%s resolves to %s, one of the addresses that false answers give", "%s 解析为 %s，这是虚假应答常用的地址", found.Host, a)},
		Consequence: text("Connecting hangs, is reset, or shows another host's certificate.", "连接会卡住、被重置，或看到别的主机的证书。"),
		Fixes: []Fix{
			{Command: "godown use cn", Say: text("use mirrors whose names are not tampered with", "改用域名未被污染的镜像")},
			{Say: text("or let a name server answer that nobody on the way can change: DNS over HTTPS or TLS", "或使用途中无法篡改的 DNS：DoH 或 DoT")},
		},
	}
}

func dnsFakeIP(found probe.Lookup, a netip.Addr) Finding {
	return Finding{
		ID: "dns-fake-ip", Severity: Hint,
		Title:       text("A proxy program answers for the name server with addresses of its own", "代理软件用自己的虚拟地址应答 DNS"),
		Evidence:    []lang.Text{text("%s resolves to %s, a range that fake-ip of clash, mihomo and sing-box uses", "%s 解析为 %s，这是 clash、mihomo、sing-box 的 fake-ip 网段", found.Host, a)},
		Consequence: text("This works while that program runs; when it ends, addresses that were kept lead nowhere. Rules by address (NO_PROXY with 10.0.0.0/8, a firewall) do not see the real one.", "只要该程序在运行就没有问题；它退出后，缓存的地址会失效。按地址写的规则（如 NO_PROXY 中的 10.0.0.0/8、防火墙）看不到真实地址。"),
		Fixes:       []Fix{{Say: text("nothing needs mending; for internal hosts add them to the program's fake-ip-filter", "无需处理；内网主机请加入该程序的 fake-ip-filter")}},
	}
}

func (f *Facts) dnsPrivate(found probe.Lookup, a netip.Addr) Finding {
	hosts := "/etc/hosts"
	if f.OS == "windows" {
		hosts = `C:\Windows\System32\drivers\etc\hosts`
	}
	return Finding{
		ID: "dns-private", Severity: Warning,
		Title:       text("%s, which is public, resolves to an address of this machine or network", "公网主机 %s 被解析为本机或内网地址", found.Host),
		Evidence:    []lang.Text{text("%s resolves to %s", "%s 解析为 %s", found.Host, a)},
		Consequence: text("Somebody else answers in its place: a line in %s, a filter of advertisements, or a name server that redirects.", "应答的是别人：可能是 %s 中的一行、广告过滤器，或做了劫持的 DNS。", hosts),
		Fixes: []Fix{
			{Command: f.grepHosts(hosts, found.Host), Say: text("see whether a line there says so, and remove it if nobody wants it", "看看那里是否有这一行，若不需要就删掉")},
			{Say: text("else ask who runs the name server", "否则请询问 DNS 的管理者")},
		},
	}
}

func (f *Facts) grepHosts(file, host string) string {
	if f.OS == "windows" {
		return "findstr " + host + " " + file
	}
	return "grep -n " + quote(host) + " " + file
}

// nobody is what names that cannot exist end in (RFC 2606).
const (
	nobody = ".invalid."
	// hijackPatience is how long the answer to a silly question is waited for.
	hijackPatience = 3 * time.Second
)

// checkHijack asks for a name that cannot exist.
func checkHijack(ctx context.Context, f *Facts) []Finding {
	if f.Offline || !f.needsNames() {
		return nil
	}
	name := "godown-" + strings.ToLower(rand.Text()[:12]) + nobody
	p := f.prober()
	p.Timeouts.DNS = min(f.timeout(), hijackPatience)
	found := p.DNS(ctx, name)
	if found.Failure != nil {
		return nil
	}
	addrs := append(found.IPv4, found.IPv6...)
	if slices.ContainsFunc(addrs, func(a netip.Addr) bool { return placeOf(a) == fakePlace }) {
		return nil // it answers so for every name; the chain tells
	}
	return []Finding{{
		ID: "dns-hijack", Severity: Warning,
		Title:       text("The name server answers for names that do not exist", "DNS 对不存在的域名也给出地址"),
		Evidence:    []lang.Text{text("%s, which nobody can have, resolves to %s", "%s 不可能存在，却被解析为 %s", strings.TrimSuffix(name, "."), addrs[0])},
		Consequence: text("A host that is misspelt or gone does not fail at once: the go command talks to a stranger's web server, and reports a certificate or a page that nobody understands.", "写错或已消失的主机不会立即报错：go 命令会连到陌生的 Web 服务器，报出令人费解的证书或页面错误。"),
		Fixes:       []Fix{{Say: text("let another name server answer, such as 223.5.5.5, 119.29.29.29 or 1.1.1.1", "换用其他 DNS，例如 223.5.5.5、119.29.29.29 或 1.1.1.1")}},
	}}
}

// needsNames reports whether the go command will ask the name server for anything.
func (f *Facts) needsNames() bool {
	return f.gitNeed() != needless || slices.ContainsFunc(f.urls(), func(u *url.URL) bool {
		_, err := netip.ParseAddr(u.Hostname())
		return err != nil && u.Hostname() != "localhost"
	})
}

// unresolved returns that a host's name cannot be resolved.
func (f *Facts) unresolved(v *visit, found probe.Lookup) Finding {
	x := Finding{
		ID: "dns-failed", Severity: Fault,
		Title:       text("The name %s cannot be resolved", "域名 %s 无法解析", found.Host),
		Evidence:    []lang.Text{found.Failure.Text()},
		Consequence: text("The go command cannot reach it: no such host, or i/o timeout.", "go 命令无法连接：报 no such host 或 i/o timeout。"),
	}
	if found.Failure.Detail != "" {
		x.Evidence = append(x.Evidence, lang.Same(found.Failure.Detail))
	}
	switch {
	case found.Failure.Kind == probe.DNSNotFound:
		x.Fixes = []Fix{{Command: "go env GOPROXY", Say: text("see whether the name is spelt as it should be", "检查域名是否拼写正确")},
			{Say: text("if it is an internal host: connect to the network or VPN that knows it", "若是内网主机：请连接认识它的网络或 VPN")}}
	case found.Failure.Kind == probe.Timeout:
		x.Fixes = []Fix{{Say: text("the name server does not answer: see /etc/resolv.conf, the VPN and the network", "DNS 服务器没有响应：请检查 /etc/resolv.conf、VPN 与网络")}}
	default:
		x.Fixes = []Fix{{Say: text("the name server fails: try another one, or ask who runs it", "DNS 服务器出错：换一个试试，或询问其管理者")}}
	}
	if v != nil && v.any {
		x.Consequence = text("Each go command waits for it before it asks the next in the list.", "每次 go 命令都要先等它失败，才会询问列表中的下一个。")
	}
	return x
}
