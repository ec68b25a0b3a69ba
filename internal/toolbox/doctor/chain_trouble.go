package doctor

import (
	"net/url"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// after says what the go command does when a link fails.
func (v *visit) after() lang.Text {
	if v.any {
		return text("Each go command meets this first, and then asks the next in the list, as the separator is |.", "每次 go 命令都会先遇到它，然后因为分隔符是 | 再询问列表中的下一个。")
	}
	return text("The go command stops here: it gets no module that it has not got yet.", "go 命令到此为止：本地没有的模块都无法获取。")
}

// another says how to come to another mirror.
func another() Fix {
	return Fix{Command: "godown bench", Say: text("see which mirrors answer from here, and take one with godown use", "看看哪些镜像在这里可用，再用 godown use 选用")}
}

// unconnected returns that nobody can be connected to at a host's addresses.
func (f *Facts) unconnected(v *visit, tried []probe.Connection) Finding {
	x := Finding{
		ID: "connect-failed", Severity: Fault,
		Title:       text("%s cannot be connected to", "无法连接 %s", v.base.Host),
		Consequence: v.after(),
	}
	for _, c := range tried {
		x.Evidence = append(x.Evidence, text("%s: %s", "%s：%s", c.Addr, c.Failure.Text()))
	}
	if proxies := proxiesOf(f.Machine); proxies.https.url != nil || proxies.http.url != nil {
		if why := proxies.spared(v.base); why != "" && why != "loopback" {
			x.Evidence = append(x.Evidence, text("it is asked without the outbound proxy, as %s has %s", "由于 %s 中有 %s，不经过网络代理", proxies.none.name, why))
		}
	}
	switch tried[0].Failure.Kind {
	case probe.Refused:
		x.Fixes = []Fix{{Say: text("nobody listens there: start the server, or mend the port in the URL", "那里没有程序在监听：启动服务，或更正 URL 中的端口")}}
	case probe.Timeout:
		x.Fixes = []Fix{{Say: text("packets get lost: a firewall, a VPN that is off, or a block on the way; an outbound proxy is set by HTTPS_PROXY", "数据包丢失：防火墙、VPN 未连接，或途中被阻断；可用 HTTPS_PROXY 设置网络代理")}}
	}
	x.Fixes = append(x.Fixes, another())
	return x
}

// deadIPv6 returns that addresses of IPv6 are tried in vain. That there is no
// way to them at all is no trouble: it shows at once.
func (f *Facts) deadIPv6(host string, tried []probe.Connection) []Finding {
	for _, c := range tried {
		if c.Failure == nil || c.Failure.Kind != probe.Timeout {
			return nil
		}
	}
	x := Finding{
		ID: "ipv6-dead", Severity: Warning,
		Title:       text("IPv6 is set up here, but leads nowhere", "本机配置了 IPv6，但并不通"),
		Evidence:    []lang.Text{text("%s: over IPv4 it answers; connecting to %s ends in a timeout", "%s：IPv4 可达；连接 %s 超时", host, tried[0].Addr)},
		Consequence: text("The go command loses 300 ms with each new connection before it takes IPv4; git and other programs may wait for minutes.", "go 命令每次新建连接都要多等 300 毫秒才改用 IPv4；git 等程序可能要等几分钟。"),
	}
	switch f.OS {
	case "linux":
		x.Fixes = []Fix{{Command: "echo 'precedence ::ffff:0:0/96 100' | sudo tee -a /etc/gai.conf", Say: text("let programs of the C library prefer IPv4 (git, curl)", "让使用 C 库的程序（git、curl）优先用 IPv4")},
			{Command: "sudo sysctl -w net.ipv6.conf.all.disable_ipv6=1", Say: text("or switch IPv6 off until the network has it", "或在网络支持之前关闭 IPv6")}}
	case "darwin":
		x.Fixes = []Fix{{Command: "networksetup -setv6off Wi-Fi", Say: text("switch IPv6 off until the network has it", "在网络支持之前关闭 IPv6")}}
	default:
		x.Fixes = []Fix{{Command: "netsh interface ipv6 set prefixpolicy ::ffff:0:0/96 60 4", Say: text("prefer IPv4", "优先使用 IPv4")}}
	}
	return []Finding{x}
}

// requestTrouble returns why a request was not answered as it should be.
func (w *walk) requestTrouble(v *visit, step string, e probe.Exchange) []Finding {
	host := v.base.Hostname()
	switch e.Failure.Kind {
	case probe.HTTPStatus:
		return []Finding{statusTrouble(v, step, e)}
	case probe.TLSAuthority:
		return []Finding{w.facts.untrusted(host, e.Chain)}
	case probe.TLSName:
		return []Finding{wrongName(host, e.Chain)}
	case probe.ProxyFailed, probe.ProxyRefused:
		via, _ := w.prober.Via(v.base)
		return []Finding{w.facts.proxyUnreachable(v, via, e.Failure)}
	case slowLine:
		return []Finding{{
			ID: "line-slow", Severity: Warning,
			Title:       text("%s sends, but slowly", "%s 有数据传来，但很慢", host),
			Evidence:    []lang.Text{text("%d bytes of the .%s came within %s", "%[3]s 内只收到 .%[2]s 的 %[1]d 字节", e.Bytes, step, round(e.Total))},
			Consequence: text("Builds that need much take long.", "需要大量模块的构建会很慢。"),
			Fixes:       []Fix{another()},
		}}
	case probe.Timeout:
		if (step == "zip" || step == "mod") && e.Failure.Phase == probe.PhaseBody {
			return []Finding{w.facts.mtuStall(host, text("the .%s began, and nothing came after %d bytes, twice", "两次请求 .%s，都在收到 %d 字节后中断", step, e.Bytes))}
		}
		return []Finding{{
			ID: "mirror-slow", Severity: Fault,
			Title:       text("%s does not answer in time", "%s 未能及时响应", host),
			Evidence:    []lang.Text{text("step %s: %s, after %s", "步骤 %s：%s，用时 %s", step, e.Failure.Text(), round(e.Total))},
			Consequence: v.after(),
			Fixes:       []Fix{another()},
		}}
	case probe.Reset, probe.Closed:
		return []Finding{{
			ID: "connection-cut", Severity: Fault,
			Title:       text("Connections to %s are cut", "到 %s 的连接被切断", host),
			Evidence:    []lang.Text{text("step %s: %s", "步骤 %s：%s", step, e.Failure.Text())},
			Consequence: v.after(),
			Fixes:       []Fix{another(), {Say: text("a filter on the way or the server itself does it; an outbound proxy (HTTPS_PROXY) tells which", "是途中的过滤设备或服务器本身所为；用网络代理（HTTPS_PROXY）可以分辨")}},
		}}
	}
	return []Finding{{
		ID: "mirror-error", Severity: Fault,
		Title:       text("%s gives no answer that can be used", "%s 没有给出可用的响应", host),
		Evidence:    []lang.Text{text("step %s: %s", "步骤 %s：%s", step, lang.Same(e.Failure.Error()))},
		Consequence: v.after(),
		Fixes:       []Fix{another()},
	}}
}

// statusTrouble returns what a status other than 200, 404 and 410 means.
func statusTrouble(v *visit, step string, e probe.Exchange) Finding {
	host := v.base.Host
	x := Finding{
		ID: "mirror-error", Severity: Fault,
		Title:       text("%s answers %d", "%s 返回 %d", host, e.Status),
		Evidence:    []lang.Text{text("step %s: status %d", "步骤 %s：状态码 %d", step, e.Status)},
		Consequence: v.after(),
		Fixes:       []Fix{another()},
	}
	if e.Text != "" {
		x.Evidence = append(x.Evidence, text("it says: %s", "它说：%s", term.Clip(e.Text, 200)))
	}
	switch {
	case e.Status == 401:
		x.ID, x.Title = "mirror-login", text("%s wants a login", "%s 要求登录", host)
		x.Fixes = []Fix{{Say: text("put a line into ~/.netrc: machine %s login NAME password SECRET, readable for you alone; or set GOAUTH", "在 ~/.netrc 中加一行：machine %s login NAME password SECRET，并只允许自己读取；或设置 GOAUTH", host)}}
		if v.base.Scheme == "http" {
			x.Fixes = []Fix{{Say: text("the go command sends credentials over https only: let the server speak https", "go 命令只通过 https 发送凭据：让服务器启用 https")}}
		}
	case e.Status == 403:
		x.ID, x.Title = "mirror-forbidden", text("%s refuses the module, or you", "%s 拒绝提供该模块，或拒绝你", host)
		x.Fixes = append([]Fix{{Say: text("ask who runs it: a rule there says no", "询问其管理者：那里有规则不允许")}}, another())
	case e.Status == 429:
		x.ID, x.Title = "mirror-busy", text("%s says that it is asked too often", "%s 表示请求过于频繁", host)
		x.Fixes = append([]Fix{{Say: text("wait, or put a proxy with a cache before it, so that each file is asked for once", "稍后再试，或在前面放一个带缓存的代理，使每个文件只请求一次")}}, another())
	}
	return x
}

// mirrorNonsense returns that something else came than was asked for.
func mirrorNonsense(v *visit, step string, e probe.Exchange) Finding {
	x := Finding{
		ID: "mirror-nonsense", Severity: Fault,
		Title:       text("%s answers, but not as a module proxy does", "%s 有响应，但不像模块代理", v.base.Host),
		Evidence:    []lang.Text{text("step %s: status %d, content type %q", "步骤 %s：状态码 %d，Content-Type 为 %q", step, e.Status, e.ContentType)},
		Consequence: v.after(),
		Fixes: []Fix{
			{Command: "go env GOPROXY", Say: text("see whether host and path of the URL are right; many servers have their module proxy below a path", "检查 URL 的主机与路径；许多服务器的模块代理在某个路径之下")},
			another(),
		},
	}
	if e.HTML {
		x.Evidence = append(x.Evidence, text("it is a page for people: perhaps a login page of the network", "那是给人看的网页：可能是网络的登录页"))
	}
	return x
}

// proxyUnreachable returns that an outbound proxy is set, and is not there.
func (f *Facts) proxyUnreachable(v *visit, via *url.URL, failure *probe.Failure) Finding {
	proxies := proxiesOf(f.Machine)
	set := proxies.https
	if v != nil && v.base != nil && v.base.Scheme == "http" {
		set = proxies.http
	}
	names := []string{set.name}
	if f.OS != "windows" {
		for _, n := range []string{strings.ToLower(set.name), strings.ToUpper(set.name)} {
			if n != set.name && f.Machine.Getenv(n) != "" {
				names = append(names, n)
			}
		}
	}
	x := Finding{
		ID: "proxy-unreachable", Severity: Fault,
		Title:       text("The outbound proxy of %s does not work", "%s 指定的网络代理不可用", set.name),
		Evidence:    []lang.Text{text("%s=%s: %s", "%s=%s：%s", set.name, showProxy(set.raw), failure.Text())},
		Consequence: text("The go command asks everything through it, except what %s names, and fails: proxyconnect tcp.", "go 命令的所有请求（%s 列出的除外）都经过它，因而失败：proxyconnect tcp。", "NO_PROXY"),
	}
	if failure.Kind == probe.ProxyRefused {
		x.ID = "proxy-refused"
		x.Title = text("The outbound proxy of %s lets nobody through", "%s 指定的网络代理拒绝转发", set.name)
		x.Consequence = v.after()
		if failure.Status == 407 {
			x.Fixes = append(x.Fixes, Fix{Say: text("it wants a login: http://NAME:SECRET@host:port in the variable; special characters as %XX", "它要求登录：在变量中写 http://NAME:SECRET@host:port，特殊字符写成 %XX")})
		}
	}
	if via != nil && via.User == nil && isLoopback(via.Hostname()) && f.inContainer() {
		x.Evidence = append(x.Evidence, text("this is a container: its loopback is not the host's, where the proxy may run", "这里是容器：它的回环地址不是宿主机的，代理可能在宿主机上"))
		x.Fixes = append(x.Fixes, Fix{Command: f.export(set.name, strings.Replace(showURL(via), via.Hostname(), "host.docker.internal", 1)), Say: text("with docker: run it with --add-host=host.docker.internal:host-gateway; the proxy must listen for others", "在 docker 中：用 --add-host=host.docker.internal:host-gateway 运行；代理须允许局域网连接")})
	}
	x.Fixes = append(x.Fixes, Fix{Say: text("start the proxy, or mend its port", "启动该代理，或更正端口")},
		Fix{Command: f.unset(names...), Say: text("or go without it; remove the line from your shell's files as well", "或不使用代理；同时从 shell 配置文件中删除该行")})
	return x
}

func httpPassword(name string) Finding {
	return Finding{
		ID: "http-password", Severity: Fault,
		Title:       text("A login is set for %s, which is no https", "为非 https 的 %s 设置了登录信息", name),
		Evidence:    []lang.Text{text("GOPROXY has a user in an http URL", "GOPROXY 的 http URL 中带有用户名")},
		Consequence: text("The go command stops with: refusing to pass credentials to insecure URL.", "go 命令报错：refusing to pass credentials to insecure URL。"),
		Fixes:       []Fix{{Say: text("let the server speak https, or take the login out of the URL", "让服务器启用 https，或从 URL 中去掉登录信息")}},
	}
}

func mirrorFolder(name, dir string) Finding {
	return Finding{
		ID: "mirror-folder", Severity: Fault,
		Title:       text("The folder of %s is not there", "%s 指向的目录不存在", name),
		Evidence:    []lang.Text{text("%s cannot be opened", "无法打开 %s", dir)},
		Consequence: text("To the go command it has no module at all.", "对 go 命令来说，它没有任何模块。"),
		Fixes:       []Fix{{Command: "go env GOPROXY", Say: text("mend the path", "更正路径")}},
	}
}

// sumdbRefused returns that a mirror answers neither yes nor no to whether it passes the database on.
func (w *walk) sumdbRefused(v *visit, e probe.Exchange) Finding {
	x := statusTrouble(v, "supported", e)
	x.ID = "sumdb-refused"
	x.Title = text("%s answers %d where it should say whether it passes the checksum database on", "%s 对是否转发校验和数据库返回 %d", v.base.Host, e.Status)
	x.Consequence = text("The go command verifies no module that is not in go.sum yet, and stops: only 404 and 410 would let it go on.", "凡是不在 go.sum 中的模块，go 命令都无法校验，因而停止：只有 404 和 410 才会让它继续。")
	return x
}

// sumdbTrouble returns that the checksum database cannot be asked, or cannot be believed.
func (f *Facts) sumdbTrouble(r *ChainReport, db *database, security bool, failure *probe.Failure) Finding {
	if security {
		return Finding{
			ID: "sumdb-fork", Severity: Fault,
			Title:       text("The checksum database contradicts what it said before", "校验和数据库与其先前所说矛盾"),
			Evidence:    []lang.Text{text("asked through %s, about %s %s", "经 %s 查询 %s %s", r.SumDB, r.Module, r.Version)},
			Consequence: text("The go command stops with SECURITY ERROR. Somebody may show you another history than others.", "go 命令报 SECURITY ERROR。可能有人向你展示了与他人不同的历史。"),
			Fixes:       []Fix{{Say: text("ask through another mirror or network; if the error stays only here, a mended clock or disk does not help: the files below GOPATH/pkg/sumdb are then evidence, keep them", "换一个镜像或网络再试；若仅本机出错，GOPATH/pkg/sumdb 下的文件就是证据，请保留")}},
		}
	}
	x := Finding{
		ID: "sumdb-unreachable", Severity: Fault,
		Title:       text("The checksum database %s cannot be asked", "无法查询校验和数据库 %s", db.spec.Name),
		Evidence:    []lang.Text{text("asked at %s", "查询地址 %s", r.SumDB)},
		Consequence: text("Modules that are not in go.sum yet cannot be added: verifying module: … dial tcp: i/o timeout, or the like.", "无法添加 go.sum 中没有的模块：报 verifying module: … dial tcp: i/o timeout 之类的错误。"),
	}
	if failure != nil {
		x.Evidence = append(x.Evidence, failure.Text())
		if failure.Kind == probe.HTTPStatus && (failure.Status == 404 || failure.Status == 410) {
			x.ID, x.Title = "sumdb-absent", text("The checksum database %s does not know %s", "校验和数据库 %s 中没有 %s", db.spec.Name, r.Module+" "+r.Version)
			x.Consequence = text("The go command stops with: verifying module: … 404 Not Found. A private module must be named in GOPRIVATE.", "go 命令报错：verifying module: … 404 Not Found。私有模块须列入 GOPRIVATE。")
			x.Fixes = []Fix{f.fixSet("GOPRIVATE", privatePattern(f.setting("GOPRIVATE"), r.Module), text("if it is private", "如果它是私有模块"))}
			x.Fixes[0].Do = nil // only a person knows
			return x
		}
	}
	if db.spec.Name == "sum.golang.org" {
		fix := f.fixSet("GOSUMDB", "sum.golang.google.cn", text("the same database, by a name that is reachable from mainland China", "同一个数据库，在中国大陆可以访问的域名"))
		fix.Do = nil // whether that helps shows only the network
		x.Fixes = append(x.Fixes, fix)
	}
	x.Fixes = append(x.Fixes, Fix{Command: "godown use cn", Say: text("or put a mirror first that passes it on", "或把会转发它的镜像放在最前")})
	return x
}

// privatePattern adds a module's host to GOPRIVATE.
func privatePattern(now, path string) string {
	host, _, _ := strings.Cut(path, "/")
	if now == "" {
		return host
	}
	return now + "," + host
}

func checksumMismatch(name string, r *ChainReport, file, got, want string) Finding {
	return Finding{
		ID: "checksum-mismatch", Severity: Fault,
		Title: text("%s gives another %s than everybody else gets", "%s 给出的 %s 与其他人得到的不同", name, r.Module+" "+r.Version),
		Evidence: []lang.Text{
			text("the .%s that came: %s", "收到的 .%s：%s", file, got),
			text("the checksum database: %s", "校验和数据库：%s", want),
		},
		Consequence: text("The go command stops with: checksum mismatch, SECURITY ERROR. The mirror or somebody on the way has changed it.", "go 命令报错：checksum mismatch, SECURITY ERROR。镜像或途中有人改动了它。"),
		Fixes:       []Fix{another(), {Say: text("and tell who runs that mirror", "并告知该镜像的管理者")}},
	}
}

// nobodyHas returns that a module was asked for as it should be, and that it is not there.
func nobodyHas(r *ChainReport) Finding {
	name := r.Module
	if r.Version != "" {
		name += " " + r.Version
	}
	x := Finding{
		ID: "module-absent", Severity: Fault,
		Title:       text("Nobody who is asked has %s", "所询问的地方都没有 %s", name),
		Consequence: text("The go command stops with 404 Not Found, unknown revision, or the like.", "go 命令会报 404 Not Found、unknown revision 之类的错误。"),
		Fixes:       []Fix{{Say: text("check path and version; a new version may take some minutes to be known, and a private module belongs into GOPRIVATE", "检查路径与版本；新版本可能要过几分钟才能查到，私有模块应列入 GOPRIVATE")}},
	}
	for _, l := range r.Links {
		x.Evidence = append(x.Evidence, text("%s: %s", "%s：%s", l.Name, l.Ending))
	}
	return x
}

// excuse makes hints of the faults with which a module was refused that nobody needs: a
// mirror may well offer only some modules.
func (r *ChainReport) excuse() {
	for i := range r.findings {
		switch x := &r.findings[i]; {
		case x.ID == "mirror-forbidden" || x.ID == "module-absent" || x.ID == "sumdb-absent" || x.Severity == Fault && r.passed:
			x.Severity = Hint
			x.Evidence = append(x.Evidence, text("%s was tried as an example: this mirror may offer only some modules; try one that you need: godown doctor MODULE", "%s 只是试用的例子：该镜像可能只提供部分模块；请用你需要的模块再试：godown doctor MODULE", r.Module))
		}
	}
}

func chainGaveUp() Finding {
	return Finding{
		ID: "chain-slow", Severity: Warning,
		Title:       text("The steps took too long in all, and were not tried to the end", "各步骤总耗时过长，未能全部尝试"),
		Evidence:    []lang.Text{text("see where the time went in the drawing", "时间花在哪里见示意图")},
		Consequence: text("The go command itself waits longer, without a limit.", "go 命令自己会等得更久，没有上限。"),
		Fixes:       []Fix{another()},
	}
}
