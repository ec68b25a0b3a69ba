package explain

// networkEntries are about connections that do not come about or break off.
func networkEntries() []entry {
	return []entry{
		{id: "outbound-proxy-login", topic: "network", loose: true, key: "server",
			match: []string{`: Proxy Authentication Required`, `CONNECT tunnel failed, response 407`, `HTTP code 407 from proxy`},
			what:  say("The outbound HTTP proxy wants a user and password (407).", "出网用的 HTTP 代理要求用户名和密码（407）。"),
			why: say("HTTP(S)_PROXY names a proxy that lets {host} through for those only who log in.",
				"HTTP(S)_PROXY 指定的代理只允许登录用户访问 {host}。"),
			causes: []cause{
				because("there is no user in the proxy's URL, or a wrong one (special characters are written as %XX)", "代理地址里没有写用户名和密码，或写错了（特殊字符要写成 %XX）", "export HTTPS_PROXY=http://USER:PASSWORD@PROXY:PORT"),
				because("the proxy wants NTLM or Kerberos, which Go does not speak: run a helper such as cntlm or px on this machine and name that", "代理只支持 NTLM 或 Kerberos，Go 不支持：在本机运行 cntlm 或 px 之类的中转程序，再把它设为代理"),
				because("{host} need not go by the proxy at all: except it", "{host} 本来就不必走代理：把它排除", "export NO_PROXY=$NO_PROXY,localhost,127.0.0.1,{host}"),
			}, live: liveOutbound},
		{id: "outbound-proxy", topic: "network", loose: true, key: "server",
			match: []string{`proxyconnect tcp: `, `socks connect tcp`, `https?://[^\s"]+": (?:Bad Gateway|Service Unavailable|Forbidden|Gateway Timeout|Not Found)(?:\s|$)`, `CONNECT tunnel failed, response \d+`, `HTTP code \d+ from proxy after CONNECT`},
			what:  say("The outbound HTTP proxy does not give a connection to {host}.", "出网用的 HTTP 代理没有给出到 {host} 的连接。"),
			why: say("HTTP(S)_PROXY sends the request to a proxy, which cannot be reached or refuses. This is not about GOPROXY.",
				"请求按 HTTP(S)_PROXY 先发给代理，而代理连不上或拒绝转发。这与 GOPROXY 无关。"),
			causes: []cause{
				because("the proxy is not running (a VPN or a program such as Clash was closed), or its port has changed: take it away, or correct it", "代理没有运行（例如 VPN 或 Clash 已退出），或端口变了：取消或改正它", "unset HTTPS_PROXY HTTP_PROXY https_proxy http_proxy ALL_PROXY all_proxy"),
				because("{host} is in the internal network, and must not go by the proxy: except it", "{host} 在内网，不应走代理：把它排除", "export NO_PROXY=$NO_PROXY,localhost,127.0.0.1,{host}"),
				because("the proxy's rules refuse {host}: choose a mirror that it lets through", "代理的规则不允许访问 {host}：换一个允许访问的镜像", "godown bench cn"),
			}, live: liveOutbound},
		{id: "timeout-tls", topic: "network", loose: true, key: "server",
			match: []string{`TLS handshake timeout`},
			what:  say("{server} was reached, but the TLS handshake did not come to an end in time.", "已连上 {server}，但 TLS 握手超时。"),
			why:   say("The connection was made and then nothing came back: something between here and there swallows packets.", "连接已建立，之后没有任何回应：途中有设备吞掉了数据包。"),
			causes: []cause{
				mirrorCause(), directCause(),
				because("large packets are lost on the way (VPN, PPPoE, container networks): lower the interface's MTU", "大包在途中丢失（VPN、PPPoE、容器网络）：调小网卡 MTU", "sudo ip link set dev eth0 mtu 1400"),
				outboundCause(), momentaryCause(), fallbackCause(),
			}, live: liveServer},
		{id: "unreachable", topic: "network", loose: true, key: "server",
			match: []string{`dial tcp \S+: connect: (?:network is unreachable|no route to host|cannot assign requested address)`, `dial tcp \S+: connectex: A socket operation was attempted to an unreachable (?:network|host)`},
			what:  say("There is no route from this machine to {server}.", "本机没有到 {server} 的路由。"),
			why:   say("The system refused to send at all: no packet left the machine.", "系统拒绝发送：数据包根本没有离开本机。"),
			causes: []cause{
				named("ipv6", because("the address is IPv6 ([…:…]) and there is no IPv6 here: take it from the list, or let the system prefer IPv4", "目标是 IPv6 地址（[…:…]），而这里没有 IPv6：从列表中去掉它，或让系统优先使用 IPv4", "echo 'precedence ::ffff:0:0/96  100' | sudo tee -a /etc/gai.conf")),
				because("this machine or container has no network: look at the VPN, at docker's --network, at the sandbox of the build tool", "本机或容器没有网络：检查 VPN、docker 的 --network 参数、构建工具的沙箱设置", "ip route", "godown doctor"),
				because("offline on purpose: give the build what was downloaded before", "如果是有意离线：使用以前下载过的内容构建", "GOPROXY=off go build ./..."),
			}, live: liveServer},
	}
}

// answerEntries are about servers that are there and do not answer as they should.
func answerEntries() []entry {
	return []entry{
		{id: "dns-failing", topic: "network", loose: true, key: "host",
			match: []string{`lookup (?P<host>[\w.-]+)(?: on (?P<nameserver>\S+))?: (?:server misbehaving|Temporary failure in name resolution|read udp|dial udp|dnsquery: |write udp|i/o timeout|no answer from DNS server|cannot unmarshal DNS message)`, `Temporary failure in name resolution`, `Resolving timed out`},
			what:  say("The name {host} could not be resolved: the name server does not answer, or answers with an error.", "无法解析域名 {host}：DNS 服务器没有应答，或返回错误。"),
			why:   say("The name may well exist: it is the name server (DNS) that fails.", "域名本身可能没有问题，出问题的是 DNS 服务器。"),
			causes: []cause{
				because("the name server of this machine or container is down or unreachable: look at what it is", "本机或容器的 DNS 服务器故障或不可达：看看用的是哪一个", "cat /etc/resolv.conf"),
				because("in docker: the daemon's name server does not work in this network", "在 docker 中：守护进程的 DNS 在当前网络不可用", "docker run --dns 223.5.5.5 …"),
				because("a VPN was switched on or off meanwhile, and the name is known only there", "VPN 刚刚连接或断开，而这个域名只有 VPN 内才能解析"),
				momentaryCause(),
			}, live: liveServer},
		{id: "no-such-host", topic: "network", loose: true, key: "host",
			match: []string{`lookup (?P<host>[\w.-]+)(?: on (?P<nameserver>\S+))?: no such host`, `lookup (?P<host>[\w.-]+): (?:nodename nor servname|Name or service not known|No such host is known|No address associated)`},
			what:  say("The name {host} does not exist, says the name server.", "DNS 服务器说域名 {host} 不存在。"),
			why:   say("A name that nobody knows: mistyped, internal to another network, or hidden by this network's name server.", "这个域名无人认识：拼写错误、只在另一个内网存在，或被当前网络的 DNS 屏蔽。"),
			causes: []cause{
				named("internal", because("{host} is internal: connect to the VPN, or use the company's name server", "{host} 是内网域名：连接 VPN，或使用公司的 DNS 服务器", "nslookup {host}")),
				named("typo", because("GOPROXY or an import path is mistyped: look at them", "GOPROXY 或导入路径拼写有误：检查一下", "go env GOPROXY")),
				named("mirror", because("the name is blocked or poisoned in this network: take a mirror that is known here", "这个域名在当前网络被屏蔽或污染：换一个可用的镜像", "godown use cn")),
				because("in a container: the host's name server is not the container's", "在容器里：容器用的 DNS 与宿主机不同", "cat /etc/resolv.conf"),
			}, live: liveServer},
		{id: "refused", topic: "network", loose: true, key: "server",
			match: []string{`connect: connection refused`, `connectex: No connection could be made`},
			what:  say("{server} refuses the connection: nobody listens there.", "{server} 拒绝连接：那里没有程序在监听。"),
			why:   say("The machine was reached, and answered that the port is closed.", "机器能到达，但回应说端口没有打开。"),
			causes: []cause{
				named("local", because("it is a server on this machine that is not running: start it, or take it from GOPROXY", "这是本机上的服务，而它没有运行：启动它，或从 GOPROXY 中去掉", "godown serve", "go env -u GOPROXY")),
				because("the port in GOPROXY is wrong", "GOPROXY 里的端口写错了", "go env GOPROXY"),
				because("in a container 127.0.0.1 and localhost are the container itself, not the host: name the host", "在容器里 127.0.0.1 和 localhost 指容器自身而不是宿主机：应写宿主机的地址", "docker run -e GOPROXY=http://host.docker.internal:8080 --add-host host.docker.internal:host-gateway …"),
				because("a firewall answers in its place, or the name server lies about the address", "防火墙代为拒绝，或 DNS 返回了错误的地址", "godown doctor"),
				fallbackCause(),
			}, live: liveServer},
		{id: "broke-off", topic: "network", loose: true, key: "server",
			match: []string{`unexpected EOF`, `: read "https?:/{1,2}\S+": .*(?:connection reset|EOF|connection timed out|wsarecv|i/o timeout)`, `stream error: stream ID \d+`, `http2: `},
			what:  say("The download from {server} broke off in the middle.", "从 {server} 下载到一半中断。"),
			why:   say("The go command does not resume: the file begins anew at the next run.", "go 命令不会断点续传：下次会从头下载这个文件。"),
			causes: []cause{
				momentaryCause(),
				named("mirror", because("the line to the mirror does not hold long enough for large zips: measure, and take a better one", "到镜像的线路撑不住大文件：测速后换一个更稳定的", "godown bench cn", "godown use cn")),
				because("let godown download: it resumes, by several connections and from several mirrors", "让 godown 来下载：它会断点续传，使用多连接和多个镜像", "godown run -- go mod download"),
				because("a proxy or firewall in between has a size or time limit", "中间的代理或防火墙限制了大小或时长"),
			}, live: liveServer},
		{id: "reset", topic: "network", loose: true, key: "server",
			match: []string{`connection reset by peer`, `wsarecv: An existing connection was forcibly closed`, `https?://[^\s"]+": EOF`, `write: broken pipe`, `server closed idle connection`},
			what:  say("The connection to {server} was cut before an answer came.", "到 {server} 的连接在返回内容前被切断。"),
			why:   say("Someone closed it on purpose: the server, a load balancer before it, or a firewall that does not like the name.", "有人主动断开了它：服务器、它前面的负载均衡，或对这个域名进行拦截的防火墙。"),
			causes: []cause{
				mirrorCause(), directCause(),
				because("the server was being restarted or is overloaded: run the command again", "服务器正在重启或过载：重新执行即可"),
				outboundCause(), fallbackCause(),
			}, live: liveServer},
		{id: "timeout", topic: "network", loose: true, key: "server",
			match: []string{`i/o timeout`, `connect: (?:connection|operation) timed out`, `read: (?:connection|operation) timed out`, `Client\.Timeout`, `context deadline exceeded`, `A connection attempt failed because the connected party did not properly respond`, `net/http: timeout awaiting response headers`},
			what:  say("{server} did not answer in time.", "{server} 在限定时间内没有响应。"),
			why:   say("Packets to it are dropped on the way, or it is overloaded. The go command waits 30 s for a connection and does not try again.", "数据包在途中被丢弃，或对方过载。go 命令建立连接最多等 30 秒，不会重试。"),
			causes: []cause{
				named("ipv6", cause{text: say("IPv6 is configured here but leads nowhere: let the system prefer IPv4", "这里配置了 IPv6 但不通：让系统优先使用 IPv4"),
					run: []string{"echo 'precedence ::ffff:0:0/96  100' | sudo tee -a /etc/gai.conf"}, when: func(s *scene) bool { return s.fields["ipv6"] != "" }}),
				mirrorCause(), directCause(), outboundCause(), fallbackCause(), momentaryCause(),
			}, live: liveServer},
	}
}

// directCause is that the module's own host is asked, and cannot be reached.
func directCause() cause {
	return named("direct", because(
		"{host} is the module's own host: a mirror may have the module although this machine cannot reach that host",
		"{host} 是模块自己的源站：本机连不上它，但镜像上可能有这个模块", "godown bench cn", "godown use cn"))
}

// mirrorCause is that the mirror is bad from here.
func mirrorCause() cause {
	return named("mirror", because(
		"the mirror is slow or blocked from here: measure the others, and take one that is reachable",
		"这个镜像在本地网络下太慢或被封锁：测一测其他镜像，换一个能连上的", "godown bench cn", "godown use cn"))
}

// outboundCause is that nobody gets out but through an HTTP proxy.
func outboundCause() cause {
	return named("outbound", because(
		"this network lets nobody out but through an HTTP proxy, and the go command was not told of it",
		"所在网络必须经 HTTP 代理才能出网，而 go 命令不知道这个代理", "export HTTPS_PROXY=http://PROXY:PORT HTTP_PROXY=http://PROXY:PORT NO_PROXY=$NO_PROXY,localhost,127.0.0.1"))
}

// momentaryCause is that it was bad luck.
func momentaryCause() cause {
	return named("momentary", because("the line was bad for a moment: run the command again; what has been downloaded is kept",
		"网络瞬时波动：重新执行即可，已下载的内容会保留"))
}

// fallbackCause is that only one mirror was asked.
func fallbackCause() cause {
	return named("fallback", because("so that one dead mirror does not stop the build, run it with a proxy that asks several",
		"如果不想因为一个镜像失效而中断构建，可以用会同时询问多个镜像的代理来运行", "godown run -- go mod download"))
}

// certificateEntries are about TLS and what speaks something else.
func certificateEntries() []entry {
	middlebox := named("middlebox", because("a company's firewall or antivirus opens TLS and signs with its own authority: get that certificate from the administrators and trust it",
		"公司的防火墙或杀毒软件在解密 TLS，用自己的 CA 重新签发：向管理员要到 CA 证书并加入信任", "sudo cp corp-ca.crt /usr/local/share/ca-certificates/ && sudo update-ca-certificates", "export SSL_CERT_FILE=/path/to/bundle-with-corp-ca.pem"))
	return []entry{
		{id: "certificate-time", topic: "certificate", loose: true, key: "server",
			match: []string{`x509: certificate has expired or is not yet valid(?:: current time (?P<now>\S+) is (?P<side>after|before) (?P<bound>\S+))?`, `certificate has expired`},
			what:  say("The certificate of {server} is not valid at the time that this machine's clock shows.", "按本机时钟，{server} 的证书不在有效期内。"),
			why:   say("Either the certificate has run out (or is too new), or the clock of this machine is wrong.", "要么证书已过期（或尚未生效），要么本机时钟不对。"),
			causes: []cause{
				named("clock", because("the clock is wrong (a fresh VM, a container after sleep, a dead battery): compare, then set it", "时钟不准（新虚拟机、休眠后的容器、主板电池没电）：核对并校正", "date -u", "sudo timedatectl set-ntp true")),
				named("server", because("the server's certificate has really run out: tell those who run it, and take another mirror meanwhile", "服务器证书确实过期：通知其运维，先换一个镜像", "godown use cn")),
				because("an old machine trusts an authority whose own certificate has run out: renew the certificates", "旧系统信任的根证书已过期：更新根证书", "sudo apt-get install --only-upgrade ca-certificates"),
			}, live: liveCertificate},
		{id: "certificate-name", topic: "certificate", loose: true, key: "server",
			match: []string{`x509: certificate is (?:valid for|not valid for any names)[^\n]*`, `x509: cannot validate certificate for \S+ because it doesn't contain any IP SANs`, `x509: certificate relies on legacy Common Name`, `no alternative certificate subject name matches`},
			what:  say("The certificate that {server} shows is another host's.", "{server} 出示的证书属于别的主机名。"),
			why:   say("Whoever answered is not {host}, or its certificate was made without that name.", "应答的不是 {host}，或者它的证书里没有写这个名字。"),
			causes: []cause{
				because("the URL has an IP address or an old name: use the name that the certificate has", "地址里写的是 IP 或旧域名：改用证书里的域名", "openssl s_client -connect {server} </dev/null 2>/dev/null | openssl x509 -noout -subject -ext subjectAltName"),
				because("the network answers in its place (a login page for guests, a poisoned name server): log in, or change the network", "当前网络代为应答（访客 Wi-Fi 登录页、DNS 污染）：先登录，或换网络"),
				because("the certificate has a Common Name only: since Go 1.15 the name must be among its subjectAltName; have it made anew", "证书只有 Common Name：Go 1.15 起域名必须写在 subjectAltName 中，需要重新签发"),
			}, live: liveCertificate},
		{id: "unknown-authority", topic: "certificate", loose: true, key: "server",
			match: []string{`x509: certificate signed by unknown authority`, `x509: failed to load system roots`, `certificate is not trusted`, `x509: “[^”]*” certificate is not`},
			what:  say("The certificate of {server} is signed by an authority that this machine does not trust.", "{server} 的证书由本机不信任的机构签发。"),
			why:   say("TLS works, but nothing proves that this is {host}.", "TLS 可以建立，但无法证明对方就是 {host}。"),
			causes: []cause{
				named("none", because("there are no trusted certificates at all (alpine, scratch, distroless and slim images): install them", "系统里根本没有受信任的根证书（alpine、scratch、slim 等镜像）：安装它们", "apk add --no-cache ca-certificates", "apt-get update && apt-get install -y ca-certificates")),
				middlebox,
				named("self", because("it is a server of your own with a certificate of its own: trust its authority", "这是自建的服务器，证书也是自签的：信任它的 CA", "export SSL_CERT_FILE=/path/to/ca.pem")),
				because("do not switch the check off: GOINSECURE and GIT_SSL_NO_VERIFY let anybody answer in its place", "不要关掉校验：GOINSECURE 与 GIT_SSL_NO_VERIFY 会让任何人都能冒充它"),
			}, live: liveCertificate},
		{id: "git-certificate", topic: "certificate", loose: true, key: "server",
			match: []string{`unable to access '(?P<url>[^']+)'[^\n]*(?:SSL certificate problem|server certificate verification failed|certificate verify failed|unable to get local issuer)`},
			what:  say("git does not trust the certificate of {server}.", "git 不信任 {server} 的证书。"),
			why:   say("git has certificates of its own choice: that Go trusts a host does not mean that git does.", "git 有自己的证书设置：Go 信任的主机，git 未必信任。"),
			causes: []cause{
				because("there are no trusted certificates in this image: install them", "镜像里没有根证书：安装它们", "apk add --no-cache ca-certificates", "apt-get update && apt-get install -y ca-certificates"),
				because("the host has a certificate of the company's authority: tell git where that is", "主机使用公司 CA 签发的证书：告诉 git CA 在哪里", "git config --global http.https://{server}/.sslCAInfo /path/to/corp-ca.pem"),
				because("GIT_SSL_CAINFO or http.sslCAInfo leads to a file that is empty or gone", "GIT_SSL_CAINFO 或 http.sslCAInfo 指向的文件为空或不存在", "git config --show-origin --get-all http.sslCAInfo"),
			}, live: liveCertificate},
		{id: "https-on-http", topic: "certificate", loose: true, key: "server",
			match: []string{`http: server gave HTTP response to HTTPS client`},
			what:  say("{server} speaks plain http, and was asked by https.", "{server} 只提供 http，却用 https 去访问了。"),
			why:   say("The URL begins with https://, but what listens at that port has no TLS.", "地址以 https:// 开头，但那个端口上的服务没有启用 TLS。"),
			causes: []cause{
				named("url", because("the proxy is meant to be plain http (a godown in the own network): say so in GOPROXY", "该代理本来就是 http（例如内网的 godown）：在 GOPROXY 里写明", "go env -w GOPROXY=http://{server},direct")),
				because("the port is that of http; the one of https is another (often 443 or 8443)", "这个端口是 http 的，https 是另一个端口（常为 443 或 8443）"),
				because("an HTTP proxy named by https://… in HTTPS_PROXY: mostly it is to be http://…", "HTTPS_PROXY 里把代理写成了 https://…：多数情况应写 http://…", "echo $HTTPS_PROXY"),
			}, live: liveGOPROXY},
		{id: "malformed-http", topic: "certificate", loose: true, key: "server",
			match: []string{`malformed HTTP (?:response|status code|version)`, `tls: first record does not look like a TLS handshake`, `net/http: HTTP/1\.x transport connection broken`, `readLoopPeekFailLocked`, `remote error: tls: `, `tls: handshake failure`, `tls: unsupported`, `tls: server selected unsupported`},
			what:  say("What answers at {server} does not speak what the URL says.", "{server} 上的服务说的不是地址里写的协议。"),
			why:   say("The port belongs to another service, or TLS versions do not fit.", "这个端口属于别的服务，或双方的 TLS 版本不兼容。"),
			causes: []cause{
				because("host or port in GOPROXY is wrong", "GOPROXY 里的主机或端口写错了", "go env GOPROXY"),
				because("a SOCKS proxy was named as an HTTP one: write socks5://… in HTTPS_PROXY", "把 SOCKS 代理当作 HTTP 代理了：HTTPS_PROXY 应写 socks5://…", "export HTTPS_PROXY=socks5://127.0.0.1:1080"),
				because("the server is too old for today's TLS (1.2 or newer)", "服务器太旧，不支持 TLS 1.2 及以上"),
			}, live: liveGOPROXY},
	}
}
