package doctor

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// tlsConfig is what the handshakes here trust, by our own clock.
func (f *Facts) tlsConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: f.Roots, Time: f.Now}
}

// tlsDetail says in a few words why a handshake failed.
func tlsDetail(h probe.Handshake) lang.Text {
	if h.Failure.Kind == probe.TLSAuthority && len(h.Chain) > 0 {
		return text("the certificate is issued by %q, which is not trusted here", "证书由 %q 签发，本机不信任", issuer(h.Chain))
	}
	return h.Failure.Text()
}

// issuer returns the short name of who has signed a chain, as far as it is shown.
func issuer(chain []probe.Certificate) string {
	return commonName(chain[len(chain)-1].Issuer)
}

// commonName returns the CN of a distinguished name, or its O, or all of it.
func commonName(dn string) string {
	for _, key := range []string{"CN=", "O="} {
		for part := range strings.SplitSeq(dn, ",") {
			if name, ok := strings.CutPrefix(strings.TrimSpace(part), key); ok && name != "" {
				return name
			}
		}
	}
	return dn
}

// inspectors are words in the names of authorities that stand for programs which
// read what is encrypted.
func inspectors() []string {
	return []string{
		"zscaler", "netskope", "fortinet", "fortigate", "palo alto", "blue coat", "bluecoat", "umbrella", "sophos", "kaspersky",
		"eset ssl", "avast", "avg web", "bitdefender", "mcafee", "trellix", "skyhigh", "check point", "checkpoint", "charles proxy", "mitmproxy", "fiddler",
		"portswigger", "proxyman", "sangfor", "深信服", "qianxin", "奇安信", "forcepoint", "websense", "watchguard", "squid", "barracuda", "securly",
		"goguardian", "lightspeed", "untangle", "iboss", "cato networks", "adguard", "whistle", "reqable", "https debugging",
	}
}

// publicAuthorities are words in the names of those that sign for everybody.
func publicAuthorities() []string {
	return []string{
		"let's encrypt", "isrg", "digicert", "geotrust", "rapidssl", "thawte", "globalsign", "google trust", "gts ", "sectigo", "comodo", "usertrust",
		"trustasia", "wotrus", "amazon", "starfield", "godaddy", "go daddy", "entrust", "certum", "asseco", "zerossl", "baltimore", "cfca", "vtrus", "itrus",
		"buypass", "ssl.com", "actalis", "swisssign", "harica", "microsoft", "identrust", "quovadis", "secom", "telia", "d-trust", "certainly", "ssltrus",
		"racent", "xinnet", "cloudflare", "verisign", "aaa certificate services", "hellenic", "twca", "chunghwa", "certsign", "gdca", "sheca", "unitrust", "bjca", "keymatic", "digitalsign", "e-tugra", "networking4all", "gogetssl", "positivessl", "encryption everywhere", "cerberus", "letsencrypt",
	}
}

// namesOne reports whether a text has one of words in it.
func namesOne(s string, words []string) bool {
	s = strings.ToLower(s)
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// chainText returns all names of a chain.
func chainText(chain []probe.Certificate) string {
	var b strings.Builder
	for _, c := range chain {
		b.WriteString(c.Subject + "\n" + c.Issuer + "\n")
	}
	return b.String()
}

// inspected returns that a chain, which is trusted, is one that a middlebox has made.
func (f *Facts) inspected(host string, chain []probe.Certificate) []Finding {
	if len(chain) == 0 {
		return nil
	}
	names := chainText(chain)
	known := namesOne(names, inspectors())
	if !known && (!f.publicHost(host) || namesOne(names, publicAuthorities())) {
		return nil
	}
	return []Finding{{
		ID: "tls-inspected", Severity: Hint,
		Title:       text("Somebody on the way decrypts what is said to %s", "途中有设备在解密与 %s 的通信", host),
		Evidence:    []lang.Text{text("its certificate is issued by %q, an authority that this machine trusts", "它的证书由 %q 签发，本机信任该机构", issuer(chain))},
		Consequence: text("The go command works, as the authority is installed here; a container, a CI job or another machine does not know it and fails with x509: certificate signed by unknown authority. The checksum database still proves public modules; passwords can be read on the way.", "由于本机安装了该机构的证书，go 命令可以工作；但容器、CI 或其他机器不认识它，会报 x509: certificate signed by unknown authority。公开模块仍由校验和数据库保证，但密码可能在途中被读取。"),
		Fixes:       []Fix{{Say: text("give containers the same authority: copy its file to /usr/local/share/ca-certificates/ and run update-ca-certificates there", "给容器安装同一证书：把证书文件复制到 /usr/local/share/ca-certificates/，并在其中运行 update-ca-certificates")}},
	}}
}

// tlsTrouble returns why a handshake failed. It may look closer over the network.
func (w *walk) tlsTrouble(ctx context.Context, v *visit, h probe.Handshake) []Finding {
	host := v.base.Hostname()
	switch h.Failure.Kind {
	case probe.TLSAuthority:
		return []Finding{w.facts.untrusted(host, h.Chain)}
	case probe.TLSExpired:
		return w.expired(ctx, v, h.Chain)
	case probe.TLSName:
		return []Finding{wrongName(host, h.Chain)}
	case probe.Timeout, probe.Reset, probe.Closed:
		// Is it the name that somebody on the way does not like, or do large packets not come through?
		other := w.prober.Handshake(ctx, h.Addr, "godown"+strings.TrimSuffix(nobody, "."))
		switch {
		case len(other.Chain) > 0:
			return []Finding{blockedName(host, h)}
		case h.Failure.Kind == probe.Timeout:
			return []Finding{w.facts.mtuStall(host, text("connecting takes moments, but the TLS handshake with %s ended in nothing after %s", "连接很快，但与 %s 的 TLS 握手在 %s 后仍无结果", host, round(h.Took)))}
		}
	case probe.NotTLS:
		return []Finding{w.facts.notTLS(v)}
	}
	return []Finding{{
		ID: "tls-failed", Severity: Fault,
		Title:       text("The TLS handshake with %s fails", "与 %s 的 TLS 握手失败", host),
		Evidence:    []lang.Text{lang.Same(h.Failure.Error())},
		Consequence: text("The go command cannot ask it for anything.", "go 命令无法向它请求任何东西。"),
		Fixes:       []Fix{{Command: "curl -sv -o /dev/null https://" + v.base.Host + "/", Say: text("see what another client meets", "看看其他客户端的情况")}},
	}}
}

// untrusted returns that a certificate's authority is not known here.
func (f *Facts) untrusted(host string, chain []probe.Certificate) Finding {
	x := Finding{
		ID: "tls-untrusted", Severity: Fault,
		Title:       text("The certificate of %s is not trusted here", "本机不信任 %s 的证书", host),
		Consequence: text("The go command stops with: x509: certificate signed by unknown authority.", "go 命令报错：x509: certificate signed by unknown authority。"),
	}
	if len(chain) > 0 {
		x.Evidence = append(x.Evidence, text("it is issued by %q", "签发者是 %q", issuer(chain)))
		switch {
		case namesOne(chainText(chain), inspectors()), f.publicHost(host) && !namesOne(chainText(chain), publicAuthorities()):
			x.Evidence = append(x.Evidence, text("that is no public authority: a device or program on the way decrypts the traffic", "这不是公共机构：途中有设备或软件在解密流量"))
		case chain[0].Subject == chain[0].Issuer:
			x.Evidence = append(x.Evidence, text("the server has signed it itself", "证书是服务器自签名的"))
		}
	}
	for _, name := range []string{"NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} {
		if file := f.Machine.Getenv(name); file != "" && f.Machine.Getenv("SSL_CERT_FILE") == "" {
			x.Evidence = append(x.Evidence, text("%s=%s tells other programs of an authority; the go command does not read it", "%s=%s 把某个证书机构告诉了其他程序，但 go 命令不读它", name, file))
			if f.OS != "darwin" && f.OS != "windows" {
				x.Fixes = append(x.Fixes, Fix{Command: f.export("SSL_CERT_FILE", file), Say: text("if that file has all authorities that are needed", "如果该文件包含所需的全部机构证书")})
			}
		}
	}
	x.Fixes = append(x.Fixes, f.installAuthority()...)
	return x
}

// installAuthority says how an authority is made known on this system.
func (f *Facts) installAuthority() []Fix {
	say := text("get the authority's certificate from who runs the network or the server, as ca.crt, then", "向网络或服务器的管理者索取机构证书 ca.crt，然后执行")
	switch {
	case f.OS == "darwin":
		return []Fix{{Command: "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ca.crt", Say: say}}
	case f.OS == "windows":
		return []Fix{{Command: "certutil -addstore -f ROOT ca.crt", Say: say}}
	}
	switch f.distribution() {
	case "rhel":
		return []Fix{{Command: "sudo cp ca.crt /etc/pki/ca-trust/source/anchors/ && sudo update-ca-trust", Say: say}}
	case "arch":
		return []Fix{{Command: "sudo trust anchor ca.crt", Say: say}}
	}
	return []Fix{{Command: "sudo cp ca.crt /usr/local/share/ca-certificates/ && sudo update-ca-certificates", Say: say}}
}

// expired tells a certificate that has expired from a clock that is wrong.
func (w *walk) expired(ctx context.Context, v *visit, chain []probe.Certificate) []Finding {
	host, now := v.base.Hostname(), w.facts.Now()
	if date, ok := w.facts.serverDate(ctx, v.base, true); ok {
		w.dated = true
		if wrong := w.facts.clockWrong(v.base.Host, date); len(wrong) > 0 && valid(chain, date) {
			wrong[0].Severity = Fault
			wrong[0].Evidence = append(wrong[0].Evidence, text("by that clock the certificate of %s is valid; by ours it is not", "按对方时钟，%s 的证书有效；按本机时钟则无效", host))
			return wrong
		}
	}
	x := Finding{
		ID: "tls-expired", Severity: Fault,
		Title:       text("The certificate of %s is not valid now", "%s 的证书当前无效", host),
		Consequence: text("The go command stops with: x509: certificate has expired or is not yet valid.", "go 命令报错：x509: certificate has expired or is not yet valid。"),
		Fixes:       []Fix{{Say: text("only who runs %s can mend it; take another mirror until then", "只有 %s 的管理者能解决；在此之前请换用其他镜像", host)}},
	}
	for _, c := range chain {
		if !valid([]probe.Certificate{c}, now) {
			x.Evidence = append(x.Evidence, text("%q is valid from %s to %s, and our clock says %s", "%q 的有效期为 %s 至 %s，本机时钟为 %s",
				commonName(c.Subject), day(c.NotBefore), day(c.NotAfter), now.UTC().Format(time.RFC3339)))
		}
	}
	return []Finding{x}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// valid reports whether all certificates are valid at a time.
func valid(chain []probe.Certificate, at time.Time) bool {
	for _, c := range chain {
		if at.Before(c.NotBefore) || at.After(c.NotAfter) {
			return false
		}
	}
	return len(chain) > 0
}

func wrongName(host string, chain []probe.Certificate) Finding {
	x := Finding{
		ID: "tls-name", Severity: Fault,
		Title:       text("What answers for %s shows another host's certificate", "应答 %s 的主机出示了别人的证书", host),
		Consequence: text("The go command stops with: x509: certificate is valid for …, not %s.", "go 命令报错：x509: certificate is valid for …, not %s。", host),
		Fixes:       []Fix{{Say: text("the name leads to the wrong place (a false answer of the name server, a line in the hosts file, a login page of the network), or the server is set up wrongly", "域名指向了错误的地方（DNS 被污染、hosts 文件、网络登录页），或者服务器配置有误")}},
	}
	if len(chain) > 0 {
		x.Evidence = []lang.Text{text("it is for %s, issued by %q", "证书属于 %s，签发者 %q", strings.Join(chain[0].Names[:min(len(chain[0].Names), 4)], ", "), issuer(chain))}
	}
	return x
}

// blockedName returns that the handshake fails for this name only.
func blockedName(host string, h probe.Handshake) Finding {
	return Finding{
		ID: "tls-blocked", Severity: Fault,
		Title:       text("Somebody on the way does not let connections to %s through", "途中有人阻断了到 %s 的连接", host),
		Evidence:    []lang.Text{h.Failure.Text(), text("with another name in the handshake, the same address %s answers", "握手时换一个域名，同一地址 %s 就有响应", h.Addr.Addr())},
		Consequence: text("The go command fails with i/o timeout, TLS handshake timeout or connection reset by peer.", "go 命令会报 i/o timeout、TLS handshake timeout 或 connection reset by peer。"),
		Fixes: []Fix{
			{Command: "godown use cn", Say: text("use mirrors that are not blocked", "改用未被阻断的镜像")},
			{Say: text("or reach it by an outbound proxy: set HTTPS_PROXY", "或通过网络代理访问：设置 HTTPS_PROXY")},
		},
	}
}

func (f *Facts) notTLS(v *visit) Finding {
	name := v.link.Name
	say := text("if it is a proxy of your own that offers http only", "如果它是只提供 http 的自建代理")
	fix := Fix{Say: text("write http:// in GOPROXY, if it is a proxy of your own that offers http only; the go command sends it no login then", "如果它是只提供 http 的自建代理，就在 GOPROXY 中写 http://；那样 go 命令不会向它发送登录信息")}
	// With a login in its URL http is refused; and what a module's path names is in no list.
	if list := f.setting("GOPROXY"); v.base.User == nil && strings.Contains(list, "https://"+v.base.Host) {
		fix = f.fixSet("GOPROXY", strings.ReplaceAll(list, "https://"+v.base.Host, "http://"+v.base.Host), say)
		fix.Do = nil // only a person knows
	}
	return Finding{
		ID: "tls-absent", Severity: Fault,
		Title:       text("%s does not speak TLS", "%s 不使用 TLS", name),
		Evidence:    []lang.Text{text("its first bytes are no TLS", "它返回的首个字节不是 TLS")},
		Consequence: text("The go command stops with: server gave HTTP response to HTTPS client.", "go 命令报错：server gave HTTP response to HTTPS client。"),
		Fixes:       []Fix{fix},
	}
}

// mtuStall returns that what is small comes through and what is large does not.
func (f *Facts) mtuStall(host string, seen lang.Text) Finding {
	x := Finding{
		ID: "mtu-stall", Severity: Fault,
		Title:       text("Small answers of %s arrive, larger ones stall", "%s 的小响应能到达，大响应却卡住", host),
		Evidence:    []lang.Text{seen},
		Consequence: text("The go command waits without end. Usual causes: packets are too large for a tunnel on the way (VPN, PPPoE, docker), or a filter drops them.", "go 命令会一直等待。常见原因：数据包对途中的隧道（VPN、PPPoE、docker）来说太大，或被过滤。"),
	}
	switch f.OS {
	case "linux":
		x.Fixes = []Fix{{Command: "ping -c 3 -M do -s 1472 " + host, Say: text("if this fails and -s 1372 works, it is the size of packets", "若此命令失败而 -s 1372 成功，则是 MTU 问题")},
			{Command: "sudo ip link set dev eth0 mtu 1400", Say: text("then make the interface's packets smaller (its name: ip route get 1.1.1.1)", "然后调小网卡的 MTU（网卡名：ip route get 1.1.1.1）")}}
	case "darwin":
		x.Fixes = []Fix{{Command: "ping -c 3 -D -s 1472 " + host, Say: text("if this fails and -s 1372 works, it is the size of packets", "若此命令失败而 -s 1372 成功，则是 MTU 问题")},
			{Command: "sudo ifconfig en0 mtu 1400", Say: text("then make the interface's packets smaller", "然后调小网卡的 MTU")}}
	default:
		x.Fixes = []Fix{{Command: "ping -n 3 -f -l 1472 " + host, Say: text("if this fails and -l 1372 works, it is the size of packets: lower the interface's MTU", "若此命令失败而 -l 1372 成功，则是 MTU 问题：请调小网卡的 MTU")}}
	}
	return x
}

// serverDate asks a server for its time. Without trust where the certificate is
// what is in doubt: then no more is sent than that question.
func (f *Facts) serverDate(ctx context.Context, base *url.URL, unverified bool) (time.Time, bool) {
	ctx, cancel := context.WithTimeout(ctx, min(f.timeout(), datePatience))
	defer cancel()
	proxies, cfg := proxiesOf(f.Machine), f.tlsConfig()
	cfg.InsecureSkipVerify = unverified
	t := &http.Transport{
		Proxy:             func(r *http.Request) (*url.URL, error) { return proxies.forURL(r.URL), nil },
		DialContext:       (&net.Dialer{Resolver: f.Resolver}).DialContext,
		TLSClientConfig:   cfg,
		DisableKeepAlives: true,
	}
	defer t.CloseIdleConnections()
	bare := url.URL{Scheme: base.Scheme, Host: base.Host, Path: "/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, bare.String(), nil)
	if err != nil {
		return time.Time{}, false
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return time.Time{}, false
	}
	resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	return date, err == nil
}

// datePatience is how long a server's time is waited for: it is not worth more.
const datePatience = 2 * time.Second

// clockSlack is how far two clocks may be apart.
const clockSlack = 5 * time.Minute

// clockWrong compares our clock with a server's.
func (f *Facts) clockWrong(host string, date time.Time) []Finding {
	now := f.Now()
	off := now.Sub(date)
	if off.Abs() <= clockSlack {
		return nil
	}
	way := text("ahead", "快")
	if off < 0 {
		way = text("behind", "慢")
	}
	x := Finding{
		ID: "clock-wrong", Severity: Warning,
		Title:       text("The clock of this machine is %s %s", "本机时钟%[2]s了 %[1]s", off.Abs().Round(time.Minute), way),
		Evidence:    []lang.Text{text("%s says %s, this machine %s", "%s 的时间为 %s，本机为 %s", host, date.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))},
		Consequence: text("Certificates seem not yet valid or expired, and tokens are refused; builds redo what they need not, or do not what they should.", "证书会显得尚未生效或已过期，令牌会被拒绝；构建会重复做不必要的事，或漏做该做的事。"),
	}
	switch f.OS {
	case "linux":
		x.Fixes = []Fix{{Command: "sudo timedatectl set-ntp true", Say: text("let the clock follow the network's (in WSL: sudo hwclock -s)", "让时钟与网络同步（WSL 中：sudo hwclock -s）")}}
	case "darwin":
		x.Fixes = []Fix{{Command: "sudo sntp -sS time.apple.com", Say: text("set the clock by the network's", "与网络时间同步")}}
	default:
		x.Fixes = []Fix{{Command: "w32tm /resync", Say: text("set the clock by the network's", "与网络时间同步")}}
	}
	return []Finding{x}
}
