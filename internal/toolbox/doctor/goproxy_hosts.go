package doctor

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// deadMirror returns what became of a mirror that many guides still name.
func deadMirror(host string) (lang.Text, bool) {
	t, dead := map[string]lang.Text{
		"gocenter.io":        text("JFrog closed GoCenter in 2021", "JFrog 已于 2021 年关闭 GoCenter"),
		"athens.azurefd.net": text("the public Athens was a trial and is closed", "公共的 Athens 只是试验，已经关闭"),
	}[strings.ToLower(host)]
	return t, dead
}

// isSumDB reports whether a host is that of the public checksum database.
func isSumDB(host string) bool {
	return host == "sum.golang.org" || host == "sum.golang.google.cn"
}

// checkProxyHosts finds hosts in GOPROXY that are no mirrors, or not to be trusted with what is fetched.
func checkProxyHosts(_ context.Context, f *Facts) []Finding {
	var found []Finding
	list := f.Settings.Text("GOPROXY")
	if strings.ContainsAny(list, quoteMarks+wrongCommas+wrongPipes) {
		return nil // that comes first
	}
	for _, e := range proxyEntries(list) {
		if e.url == nil || e.late {
			continue
		}
		if e.url.Scheme == "file" {
			found = append(found, f.folderProxy(e)...)
			continue
		}
		host := strings.ToLower(e.url.Host)
		if why, dead := deadMirror(host); dead {
			found = append(found, Finding{
				ID: "goproxy-dead", Severity: Fault,
				Title:       text("The mirror %s is no more", "镜像 %s 已经不存在", host),
				Evidence:    []lang.Text{f.said("GOPROXY"), why},
				Consequence: text(`Downloads fail, or wait for it in vain. Behind "," nothing else is asked.`, "下载会失败，或者白白等待它。用“,”分隔时不会再问别的。"),
				Fixes:       append(f.fixProxies(lang.Text{}), Fix{Command: "godown use cn", Say: text("in China; else: godown use default", "在中国；其他地方用 godown use default")}),
			})
		} else if isSumDB(host) {
			found = append(found, Finding{
				ID: "goproxy-sumdb", Severity: Fault,
				Title:       text("%s in GOPROXY is a checksum database, not a module proxy", "GOPROXY 中的 %s 是校验和数据库，不是模块代理", host),
				Evidence:    one(f.said("GOPROXY")),
				Consequence: text("It has no modules: every question to it is answered 404 or another error.", "它没有模块：问它的每个请求都会得到 404 或别的错误。"),
				Fixes:       f.fixProxies(text("databases belong into GOSUMDB", "校验和数据库应写在 GOSUMDB 里")),
			})
		} else if what := f.httpProxyLike(e.url); what != "" {
			found = append(found, f.notAModuleProxy(e, f.whatProxy(what)))
		} else if known := f.misspelt(host); known != nil {
			found = append(found, Finding{
				ID: "goproxy-typo", Severity: Warning,
				Title:       text("%s is not a known mirror, but %s is", "%s 不是已知的镜像，%s 才是", host, known.Host),
				Evidence:    one(f.said("GOPROXY")),
				Consequence: text("If it does not exist, downloads fail. If it does, somebody else may have taken the name and sees what you download.", "如果它不存在，下载会失败；如果存在，可能是别人抢注的域名，你下载了什么对方一清二楚。"),
				Fixes:       f.fixProxies(text("if %s was meant", "如果本意是 %s", known.Host)),
			})
		} else if e.url.Scheme == "http" && !hostLooksPrivate(host) && !f.publicHost(e.url.Hostname()) {
			found = append(found, Finding{
				ID: "goproxy-http", Severity: Hint,
				Title:       text("%s is asked over http, without encryption", "%s 以未加密的 http 访问", host),
				Evidence:    one(f.said("GOPROXY")),
				Consequence: text("Within a network of one's own that may be meant. Elsewhere anyone on the way sees what you fetch. The go command sends no credentials over it.", "在自己的内网里这可能是有意的；在其他地方，路上的任何人都能看到你下载了什么。go 命令也不会通过它发送凭据。"),
				Fixes:       []Fix{{Say: text("write https:// in GOPROXY, if the server speaks it", "如果服务器支持 https，就在 GOPROXY 中写 https://")}},
			})
		} else if e.url.Scheme == "http" && !hostLooksPrivate(host) {
			found = append(found, Finding{
				ID: "goproxy-http", Severity: Warning,
				Title:       text("%s is asked over http, without encryption", "%s 以未加密的 http 访问", host),
				Evidence:    one(f.said("GOPROXY")),
				Consequence: text("Anyone on the way sees what you fetch, and can change lists of versions and commit times, which nothing verifies. The go command sends no credentials over it.", "路上的任何人都能看到你下载了什么，并能篡改不受校验的版本列表和提交时间。go 命令也不会通过它发送凭据。"),
				Fixes:       f.fixProxies(lang.Text{}),
			})
		}
	}
	return found
}

// folderProxy finds a file:// entry whose folder is not there.
func (f *Facts) folderProxy(e listed) []Finding {
	dir := filepath.FromSlash(e.url.Path)
	if f.OS == "windows" {
		dir = strings.TrimPrefix(dir, `\`)
	}
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	return []Finding{{
		ID: "goproxy-folder", Severity: Fault,
		Title:       text("GOPROXY names a folder that is not there", "GOPROXY 指向的目录不存在"),
		Evidence:    []lang.Text{f.said("GOPROXY"), text("there is no folder %s", "没有目录 %s", f.tilde(dir))},
		Consequence: text("It has no modules: the go command goes on to the next entry, or fails if there is none.", "里面没有模块：go 命令会去问下一个条目；没有下一个就失败。"),
		Fixes:       []Fix{{Say: text("make the folder, mount the drive, or mend the path in GOPROXY", "创建该目录、挂载磁盘，或改正 GOPROXY 中的路径")}},
	}}
}

// misspelt returns the mirror whose host was probably meant; nil if the host is known, or like none.
func (f *Facts) misspelt(host string) *url.URL {
	var hosts []string
	urls := make(map[string]*url.URL)
	for _, p := range f.Presets {
		if u, err := url.Parse(p.URL); err == nil {
			hosts, urls[u.Host] = append(hosts, u.Host), u
		}
	}
	for _, s := range f.Settings.Values["GOPROXY"].Said {
		// What came with Go names its default, and is spelt well.
		if s.Place != goenv.Installation {
			continue
		}
		for _, e := range proxyEntries(s.Text) {
			if e.url != nil {
				hosts, urls[e.url.Host] = append(hosts, e.url.Host), e.url
			}
		}
	}
	if slices.Contains(hosts, host) || hostLooksPrivate(host) || net.ParseIP(host) != nil {
		return nil
	}
	if near := nearest(host, hosts, 2); near != "" {
		return urls[near]
	}
	// The same name in another country: goproxy.com for goproxy.cn.
	label, rest, _ := strings.Cut(host, ".")
	for _, h := range hosts {
		if l, tail, _ := strings.Cut(h, "."); l == label && !strings.Contains(rest, ".") && !strings.Contains(tail, ".") {
			return urls[h]
		}
	}
	return nil
}

// httpProxyLike returns what says that a URL is that of an HTTP proxy, such as those
// that carry browsers through a wall: a variable's name, or a port; "" if nothing does.
func (f *Facts) httpProxyLike(u *url.URL) string {
	if u.Path != "" && u.Path != "/" {
		return ""
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		value := f.Machine.Getenv(name)
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		if p, err := url.Parse(value); err == nil && p.Host != "" && strings.EqualFold(p.Host, u.Host) {
			return name
		}
	}
	// What Clash, V2Ray, Shadowsocks, Privoxy and Squid listen at.
	ports := []string{"7890", "7891", "7897", "1080", "1087", "10808", "10809", "8118", "3128"}
	if hostLooksPrivate(u.Host) && slices.Contains(ports, u.Port()) {
		return u.Port()
	}
	return ""
}

// whatProxy says why something is taken for an HTTP proxy.
func (f *Facts) whatProxy(why string) lang.Text {
	if strings.Trim(why, "0123456789") == "" {
		return text("a proxy for browsers, by its port %s", "给浏览器用的代理（从端口 %s 看）", why)
	}
	return text("the HTTP proxy of %s", " %s 所设的 HTTP 代理", why)
}

// notAModuleProxy says that an entry is a proxy of another kind.
func (f *Facts) notAModuleProxy(e listed, what lang.Text) Finding {
	severity := Fault
	if e.url != nil && f.httpProxyLike(e.url) == e.url.Port() {
		severity = Warning // a port proves nothing
	}
	finding := Finding{
		ID: "goproxy-http-proxy", Severity: severity,
		Title:       text("GOPROXY's %s is %s, not a module proxy", "GOPROXY 中的 %s 是%s，不是模块代理", quoted(e.text), what),
		Evidence:    one(f.said("GOPROXY")),
		Consequence: text("GOPROXY wants a server that knows modules. One that passes any request on is what HTTPS_PROXY is for.", "GOPROXY 要的是懂模块协议的服务器；转发任意请求的代理应写在 HTTPS_PROXY 里。"),
		Fixes:       f.fixProxies(text("takes it out of GOPROXY", "把它从 GOPROXY 中去掉")),
	}
	if shown(e.text) == e.text {
		through := e.text
		if !strings.Contains(through, "://") {
			through = "http://" + through
		}
		finding.Fixes = append(finding.Fixes, Fix{Command: f.exportCommand("HTTPS_PROXY", through), Say: text("to go through it", "如果要经过它访问网络")})
	}
	return finding
}
