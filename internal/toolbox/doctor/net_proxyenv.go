package doctor

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// checkProxyEnv looks at the variables of outbound proxies.
func checkProxyEnv(ctx context.Context, f *Facts) []Finding {
	p := proxiesOf(f.Machine)
	var found []Finding
	found = append(found, f.proxyCase()...)
	found = append(found, f.proxyBad(p)...)
	found = append(found, f.proxyHalf(p)...)
	found = append(found, f.noProxyEntries(p)...)
	found = append(found, f.noProxyNames(ctx, p)...)
	found = append(found, f.internalThrough(p)...)
	if p.cgi && p.http.url != nil && f.asksPlain() {
		found = append(found, Finding{
			ID: "proxy-cgi", Severity: Fault,
			Title:       text("HTTP_PROXY is refused, as REQUEST_METHOD is set", "因为设置了 REQUEST_METHOD，HTTP_PROXY 被拒绝"),
			Evidence:    []lang.Text{text("REQUEST_METHOD makes programs written in Go take themselves for a CGI script", "REQUEST_METHOD 会让 Go 程序以为自己是 CGI 脚本")},
			Consequence: text("What is asked over http fails: refusing to use HTTP_PROXY value in CGI environment.", "通过 http 的请求会失败：refusing to use HTTP_PROXY value in CGI environment。"),
			Fixes:       []Fix{{Command: f.unset("REQUEST_METHOD"), Say: text("it is no setting of a shell", "shell 中不应有它")}},
		})
	}
	return found
}

// asksPlain reports whether a mirror is asked over http.
func (f *Facts) asksPlain() bool {
	return slices.ContainsFunc(f.urls(), func(u *url.URL) bool { return u.Scheme == "http" && !isLoopback(u.Hostname()) })
}

// urls returns the mirrors of GOPROXY that are asked over the network.
func (f *Facts) urls() []*url.URL {
	var all []*url.URL
	for _, e := range f.goproxy() {
		if e.URL != nil && e.URL.Scheme != "file" {
			all = append(all, e.URL)
		}
	}
	return all
}

// proxyCase finds variables that say one thing in upper case and another in lower case.
func (f *Facts) proxyCase() []Finding {
	if f.OS == "windows" {
		return nil // there both are one
	}
	var found []Finding
	for _, upper := range []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"} {
		lower := strings.ToLower(upper)
		u, l := f.Machine.Getenv(upper), f.Machine.Getenv(lower)
		if u == "" || l == "" || u == l || upper == "NO_PROXY" && sameEntries(u, l) {
			continue
		}
		shownU, shownL := u, l
		if upper != "NO_PROXY" {
			shownU, shownL = showProxy(u), showProxy(l)
		}
		found = append(found, Finding{
			ID: "proxy-case", Severity: Warning,
			Title:       text("%s and %s differ", "%s 与 %s 不一致", upper, lower),
			Evidence:    []lang.Text{text("%s=%s", "%s=%s", upper, shownU), text("%s=%s", "%s=%s", lower, shownL)},
			Consequence: text("The go command takes %s, git and curl take %s: one of them goes a way that you do not mean.", "go 命令采用 %s，git 与 curl 采用 %s：其中之一走的不是你想要的路。", upper, lower),
			Fixes: []Fix{
				{Command: f.export(lower, "$"+upper), Say: text("if %s is right", "如果 %s 是对的", upper)},
				{Command: f.export(upper, "$"+lower), Say: text("if %s is right", "如果 %s 是对的", lower)},
			},
		})
	}
	return found
}

// sameEntries reports whether two lists have the same entries, in whatever order.
func sameEntries(a, b string) bool {
	set := func(s string) []string {
		all := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(all)
		return slices.Compact(all)
	}
	return slices.Equal(set(a), set(b))
}

// proxyBad finds values that the go command cannot use as they are meant.
func (f *Facts) proxyBad(p *httpProxies) []Finding {
	var found []Finding
	for _, set := range []setHTTPProxy{p.https, p.http} {
		if set.raw == "" {
			continue
		}
		var why, effect lang.Text
		trimmed := strings.Trim(set.raw, `"' `)
		switch {
		case trimmed != set.raw:
			why = text("it has quotes or blanks around it, which belong to the value", "值的前后有引号或空格，它们也成了值的一部分")
			effect = text("The go command cannot read it, and goes without a proxy, or fails.", "go 命令无法解析，于是不使用代理，或者失败。")
		case set.url == nil || slices.Contains([]string{"", "http", "https"}, set.url.Hostname()):
			why = text("it is no URL with a host", "不是带主机名的 URL")
			effect = text("The go command cannot read it, and goes without a proxy without a word.", "go 命令无法解析，于是悄悄地不使用代理。")
		case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, set.url.Scheme):
			why = text("the go command knows http, https, socks5 and socks5h, not %s", "go 命令只认识 http、https、socks5 和 socks5h，不认识 %s", set.url.Scheme)
			effect = text("It speaks http to what does not understand it: requests fail or hang.", "它会用 http 与听不懂的程序对话：请求失败或卡住。")
		default:
			continue
		}
		fix := Fix{Say: text("write it as http://host:port, or socks5://host:port for SOCKS", "写成 http://host:port，SOCKS 则写 socks5://host:port")}
		if u := parseHTTPProxy(trimmed); trimmed != set.raw && u != nil && u.User == nil {
			fix.Command = f.export(set.name, trimmed)
		} else if u := set.url; u != nil && u.User == nil && strings.HasPrefix(u.Scheme, "socks") {
			fix.Command = f.export(set.name, "socks5://"+u.Host)
		}
		found = append(found, Finding{
			ID: "proxy-invalid", Severity: Fault,
			Title:       text("The go command cannot use %s", "go 命令无法使用 %s", set.name),
			Evidence:    []lang.Text{text("%s=%s: %s", "%s=%s：%s", set.name, showProxy(set.raw), why)},
			Consequence: effect, Fixes: []Fix{fix},
		})
	}
	return found
}

// proxyHalf finds a proxy that is set for what the go command hardly asks for.
func (f *Facts) proxyHalf(p *httpProxies) []Finding {
	https := slices.ContainsFunc(f.urls(), func(u *url.URL) bool { return u.Scheme == "https" && p.spared(u) == "" })
	if p.https.raw != "" || !https {
		return nil
	}
	if p.http.raw != "" {
		return []Finding{{
			ID: "proxy-http-only", Severity: Warning,
			Title:       text("HTTP_PROXY is set, HTTPS_PROXY is not", "设置了 HTTP_PROXY，却没有设置 HTTPS_PROXY"),
			Evidence:    []lang.Text{text("%s=%s", "%s=%s", p.http.name, showProxy(p.http.raw)), text("the mirrors of GOPROXY are asked over https", "GOPROXY 中的镜像是通过 https 访问的")},
			Consequence: text("HTTP_PROXY is for http:// alone: the go command goes to the mirrors without the proxy.", "HTTP_PROXY 只管 http://：go 命令访问镜像时不经过该代理。"),
			Fixes:       []Fix{{Command: f.export("HTTPS_PROXY", "$"+p.http.name), Say: text("if the mirrors are to be reached through it; it is the way to the proxy that the value says, so http:// in it is right", "如果要通过它访问镜像；值中写的是到代理的方式，所以用 http:// 没有错")}},
		}}
	}
	name, all := firstSet(f.Machine, "ALL_PROXY", "all_proxy")
	if all == "" {
		return nil
	}
	return []Finding{{
		ID: "proxy-all-only", Severity: Warning,
		Title:       text("The go command does not know %s", "go 命令不认识 %s", name),
		Evidence:    []lang.Text{text("%s=%s, and HTTPS_PROXY is not set", "%s=%s，而没有设置 HTTPS_PROXY", name, showProxy(all))},
		Consequence: text("curl and git go through that proxy, the go command does not: what works with curl fails with go.", "curl 与 git 会走该代理，go 命令不会：curl 能通的，go 却失败。"),
		Fixes:       []Fix{{Command: f.export("HTTPS_PROXY", "$"+name), Say: text("for the go command as well", "让 go 命令也使用它")}},
	}}
}

// noProxyEntries finds entries of NO_PROXY that stand for nothing.
func (f *Facts) noProxyEntries(p *httpProxies) []Finding {
	if p.http.url == nil && p.https.url == nil {
		return nil
	}
	var found []Finding
	dead := func(entry string, why lang.Text, mended string) {
		x := Finding{
			ID: "no-proxy-entry", Severity: Warning,
			Title:       text("An entry of %s stands for no host", "%s 中有一项不匹配任何主机", p.none.name),
			Evidence:    []lang.Text{text("%q: %s", "%q：%s", entry, why)},
			Consequence: text("The hosts that are meant are asked through the outbound proxy.", "想要排除的主机仍会经过网络代理。"),
			Fixes:       []Fix{{Say: text("write %s", "写成 %s", mended)}},
		}
		found = append(found, x)
	}
	for _, e := range p.none.entries {
		t := strings.TrimSpace(e.text)
		bare, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(t, "https://"), "http://"), "/")
		_, badPrefix := netip.ParsePrefix(t)
		switch {
		case strings.ContainsAny(t, "; \t"):
			dead(t, text("entries are separated by commas", "各项之间要用逗号分隔"), strings.Join(strings.FieldsFunc(t, func(r rune) bool { return r == ';' || r == ' ' || r == '\t' }), ","))
		case strings.Contains(t, "://"):
			dead(t, text("it is a URL; hosts are meant", "这是 URL；应写主机名"), bare)
		case strings.Contains(t, "*") && strings.Trim(t, "0123456789.*") == "":
			dead(t, text("addresses know no *", "地址不支持 *"), cidrOf(t))
		case strings.Contains(strings.TrimPrefix(t, "*."), "*"):
			dead(t, text("* stands at the beginning only", "* 只能放在开头"), "."+t[strings.LastIndex(t, "*")+1:])
		case strings.Contains(t, "/") && badPrefix != nil:
			dead(t, text("it is no range of addresses", "不是有效的地址段"), wholeRange(t, bare))
		}
	}
	return found
}

// wholeRange completes "169.254/16"; of what is no range it returns the host.
func wholeRange(entry, host string) string {
	addr, bits, _ := strings.Cut(entry, "/")
	for strings.Count(addr, ".") < 3 {
		addr += ".0"
	}
	if p, err := netip.ParsePrefix(addr + "/" + bits); err == nil {
		return p.String()
	}
	return host
}

// cidrOf makes a range of "10.1.*".
func cidrOf(pattern string) string {
	parts := strings.Split(strings.Split(pattern, "*")[0], ".")
	var fixed []string
	for _, s := range parts {
		if s != "" {
			fixed = append(fixed, s)
		}
	}
	bits := []string{"0", "8", "16", "24", "32"}[min(len(fixed), 4)]
	for len(fixed) < 4 {
		fixed = append(fixed, "0")
	}
	return strings.Join(fixed[:4], ".") + "/" + bits
}

// noProxyNames finds hosts whose address is in a range of NO_PROXY, but whose name is not
// in it: names are not resolved to see whether they are. git and curl know ranges only since curl 7.86.
func (f *Facts) noProxyNames(ctx context.Context, p *httpProxies) []Finding {
	if f.Offline || p.none.all || !slices.ContainsFunc(p.none.entries, func(e noProxyEntry) bool { return e.prefix.IsValid() }) {
		return nil
	}
	var found []Finding
	prober := f.prober()
	for _, u := range f.urls() {
		if _, err := netip.ParseAddr(u.Hostname()); err == nil || p.forURL(u) == nil || f.publicHost(u.Hostname()) {
			continue
		}
		for _, a := range prober.DNS(ctx, u.Hostname()).IPv4 {
			i := slices.IndexFunc(p.none.entries, func(e noProxyEntry) bool { return e.prefix.IsValid() && e.prefix.Contains(a) })
			if i < 0 {
				continue
			}
			found = append(found, Finding{
				ID: "no-proxy-cidr", Severity: Warning,
				Title:       text("%s is asked through the outbound proxy, though its address is in %s", "%s 的地址在 %s 中，却仍经过网络代理", u.Hostname(), p.none.name),
				Evidence:    []lang.Text{text("%s has %s; %s resolves to %s", "%s 中有 %s；%s 解析为 %s", p.none.name, p.none.entries[i].text, u.Hostname(), a)},
				Consequence: text("Ranges are compared with addresses in URLs alone: a host's name is not resolved for it. The proxy is asked for a host that it may not reach.", "地址段只与 URL 中直接写的地址比较，不会为此解析主机名。于是代理会被要求访问它可能到不了的主机。"),
				Fixes:       []Fix{{Command: f.export(p.none.name, p.none.raw+","+u.Hostname()), Say: text("name the host itself (git and curl before 7.86 know no ranges either)", "直接写上主机名（7.86 之前的 curl 与 git 也不支持地址段）")}},
			})
			break
		}
	}
	return found
}

// internalThrough finds mirrors of one's own network that are asked through the outbound proxy.
func (f *Facts) internalThrough(p *httpProxies) []Finding {
	var found []Finding
	for _, u := range f.urls() {
		via := p.forURL(u)
		if via == nil || !hostLooksPrivate(u.Host) {
			continue
		}
		list := u.Hostname()
		if p.none.raw != "" {
			list = p.none.raw + "," + list
		}
		name := p.none.name
		if name == "" {
			name = "NO_PROXY"
		}
		found = append(found, Finding{
			ID: "proxy-internal", Severity: Hint,
			Title:       text("%s is a host of your own network, and is asked through the outbound proxy", "%s 是内网主机，却经过网络代理访问", u.Host),
			Evidence:    []lang.Text{text("the proxy is %s", "代理是 %s", showURL(via))},
			Consequence: text("It works only if the proxy reaches that network.", "只有代理能访问该网络时才行得通。"),
			Fixes:       []Fix{{Command: f.export(name, list), Say: text("go there straight", "直接访问它")}},
		})
	}
	return found
}

// checkGitProxy looks at git's own settings for the network.
func checkGitProxy(ctx context.Context, f *Facts) []Finding {
	git := f.readGit(ctx)
	if git == nil {
		return nil
	}
	var found []Finding
	p := proxiesOf(f.Machine)
	if git.myth {
		found = append(found, Finding{
			ID: "git-https-proxy", Severity: Hint,
			Title:       text("https.proxy is no setting of git", "git 没有 https.proxy 这个设置"),
			Evidence:    []lang.Text{text("git config has https.proxy", "git 配置中有 https.proxy")},
			Consequence: text("git ignores it: http.proxy is for https:// as well.", "git 会忽略它：http.proxy 同样适用于 https://。"),
			Fixes:       []Fix{{Command: "git config --global --unset https.proxy", Say: text("remove it", "删除它")}},
		})
	}
	if git.proxy != "" && p.https.raw == "" && slices.ContainsFunc(f.urls(), func(u *url.URL) bool { return u.Scheme == "https" && !isLoopback(u.Hostname()) }) {
		found = append(found, Finding{
			ID: "git-proxy-only", Severity: Hint,
			Title:       text("git has an outbound proxy, the go command has none", "git 设置了网络代理，go 命令没有"),
			Evidence:    []lang.Text{text("git config: http.proxy=%s; HTTPS_PROXY is not set", "git 配置：http.proxy=%s；未设置 HTTPS_PROXY", showProxy(git.proxy))},
			Consequence: text("The go command asks mirrors straight: git's setting counts for what git fetches alone.", "go 命令直接访问镜像：git 的设置只对 git 自己的下载有效。"),
			Fixes:       []Fix{{Command: f.export("HTTPS_PROXY", gitProxyValue(git.proxy)), Say: text("if the mirrors are to be reached through it as well", "如果镜像也要通过它访问")}},
		})
	}
	found = append(found, f.deadGitProxies(ctx, git)...)
	found = append(found, f.unnamedHosts(git)...)
	var evidence []string
	var fixes []Fix
	if v := f.Machine.Getenv("GIT_SSL_NO_VERIFY"); v != "" && v != "0" && v != "false" {
		evidence = append(evidence, "GIT_SSL_NO_VERIFY="+v)
		fixes = append(fixes, Fix{Command: f.unset("GIT_SSL_NO_VERIFY"), Say: text("verify again", "恢复校验")})
	}
	for _, s := range git.noVerify {
		evidence = append(evidence, hidePasswords(s.key)+"="+s.value)
		fixes = append(fixes, unsetGit(s, text("verify again", "恢复校验")))
	}
	if len(evidence) > 0 && f.gitNeed() != needless {
		found = append(found, Finding{
			ID: "git-no-verify", Severity: Warning,
			Title:       text("git takes any certificate", "git 不校验证书"),
			Evidence:    []lang.Text{lang.Same(strings.Join(evidence, ", "))},
			Consequence: text("Whoever is on the way can put other code in the place of private modules: no checksum database knows them.", "途中的任何人都能替换私有模块的代码：校验和数据库不知道它们。"),
			Fixes:       append(fixes, f.installAuthority()...),
		})
	}
	return found
}

// gitProxyValue returns git's proxy for a command, unless it holds a password.
func gitProxyValue(raw string) string {
	if strings.Contains(raw, "@") {
		return "http://HOST:PORT"
	}
	return raw
}
