package explain

// godownEntries are what a godown says itself. They come first: its words tell
// more than its status.
func godownEntries() []entry {
	return []entry{
		{id: "godown-denied", topic: "godown", key: "rule",
			match: []string{`403 Forbidden\s+server response:\s+(?P<reason>.*?)\s*\(refused by (?P<rule>[^)]+)\)`},
			what:  say("Your godown refuses this on purpose: its rule “{rule}” says no.", "你们的 godown 有意拒绝：规则“{rule}”不允许。"),
			why:   say("The reason that it gives: {reason}", "它给出的理由：{reason}"),
			causes: []cause{
				because("take a version that the rule allows: those that are listed are allowed", "换一个规则允许的版本：列表里的版本都是允许的", "go list -m -versions {module}"),
				because("if you need this very version, ask those who run the proxy, and tell them the rule and the reason", "如果必须用这个版本，请把规则名和理由告诉代理的管理员"),
				because("going around it (GOPROXY=direct, a “|” in the list) breaks a rule of your company, and is what “,” prevents: after 403 the go command does not go on", "绕过它（GOPROXY=direct，或在列表里用“|”）违反公司规定；用“,”正是为了防止这一点：遇到 403 时 go 命令不会再问下一个"),
			}, live: liveGOPROXY},
		{id: "godown-unrecorded", topic: "godown", key: "module",
			match: []string{`cannot be verified: (?:checksum database )?(?P<database>\S+) has no record of it`, `cannot be verified: checksum database (?P<database>\S+) has no record of it`},
			what:  say("Your godown has {module} but does not give it: {database} does not know it.", "godown 拿到了 {module} 但不提供：{database} 没有它的记录。"),
			why:   say("Public modules are served only when the checksum database proves them. A module that the database cannot see is private, or was deleted at its origin.", "公开模块只有经校验和数据库证实才会提供。数据库看不到的模块，要么是私有模块，要么源头已删除。"),
			causes: []cause{
				because("the module is private: name it for the server", "它是私有模块：在服务器上声明", "godown serve --private '{module}'"),
				because("and for the go command on this machine", "并在本机的 go 命令中声明", "go env -w GOPRIVATE={goprivate}"),
				because("the version was deleted, or the path is mistyped", "版本已被删除，或路径拼写有误", "go list -m -versions {module}"),
			}, live: livePrivate},
		{id: "godown-unverified", topic: "godown", key: "",
			match: []string{`cannot be verified: (?:checksum database )?(?P<database>\S+) gives no answer that can be used`},
			what:  say("Your godown has the module but cannot prove it now: {database} does not answer it.", "godown 拿到了模块，但暂时无法证实：{database} 没有应答。"),
			why:   say("The server reaches the mirror but not the checksum database, and gives nothing that is not verified.", "服务器能访问镜像，但访问不到校验和数据库，而未经校验的内容它不会提供。"),
			causes: []cause{
				because("wait and run it again: godown asks anew", "稍等再试：godown 会重新询问"),
				because("on the server: reach the database by another name or through the mirrors (in China {database} is often blocked, sum.golang.google.cn is the same database)", "在服务器上：换个地址或经镜像访问数据库（国内 {database} 常被屏蔽，sum.golang.google.cn 是同一个数据库）", "GOSUMDB=sum.golang.google.cn godown serve"),
			}},
		{id: "godown-security", topic: "godown", key: "",
			match: []string{`SECURITY ERROR: checksum database (?P<database>\S+) misbehaves`},
			what:  say("Your godown has stopped: the checksum database {database} contradicts itself.", "godown 已停止提供新内容：校验和数据库 {database} 自相矛盾。"),
			why:   say("It has signed two histories. Somebody may be serving false records; nothing new is believed until an operator has looked.", "它签署了两份不同的历史。可能有人在提供伪造记录；在管理员查看之前不再相信任何新内容。"),
			causes: []cause{
				because("tell those who run the proxy at once, and give them the whole message", "立即通知代理的管理员，并附上完整信息", "godown sumdb verify -h"),
				because("do not go around it by GONOSUMDB or GOSUMDB=off: that switches off what has just helped you", "不要用 GONOSUMDB 或 GOSUMDB=off 绕过：那等于关掉刚刚保护了你的机制"),
			}},
		{id: "godown-mismatch", topic: "godown", key: "module",
			match: []string{`server response: \S+ (?:info|mod|zip) is not what it should be: (?P<reason>[^\n]+)`},
			what:  say("Your godown got {module} from its mirrors, and it is not what it should be.", "godown 从镜像取到的 {module} 与应有的内容不符。"),
			why:   say("Its check says: {reason}. The bad file was thrown away.", "校验结果：{reason}。坏文件已被丢弃。"),
			causes: []cause{
				because("a mirror is damaged or lies: run it again, godown asks another", "某个镜像损坏或作假：重新执行，godown 会换一个镜像"),
				because("if it stays so, the author has moved the tag after it was published: take the next version", "如果一直如此，说明作者在发布后移动了标签：使用下一个版本", "go list -m -versions {module}"),
				because("on the server: see which mirror gave it", "在服务器上：看是哪个镜像给出的", "godown mirrors"),
			}},
		{id: "godown-busy", topic: "godown", key: "",
			match: []string{`too many fetches under way`},
			what:  say("Your godown is busy: too many downloads are under way at once.", "godown 正忙：同时进行的下载太多。"),
			why:   say("It protects itself and its mirrors; what is in its store is served all the same.", "这是为了保护自身和镜像；仓库里已有的内容照常提供。"),
			causes: []cause{
				because("run it again in a moment: the go command does not wait by itself", "过一会儿再执行：go 命令自己不会等待"),
				because("on the server: fetch what projects need ahead of time", "在服务器上：提前抓取项目需要的模块", "godown warm -h"),
			}},
		{id: "godown-upstream", topic: "godown", key: "upstream",
			match: []string{`server response: (?:\S+: )*upstream (?P<upstream>[\w.:-]+)[ :](?P<reason>[^\n]+)`},
			what:  say("Your godown works, but its upstream {upstream} does not.", "godown 正常，但它的上游 {upstream} 出了问题。"),
			why:   say("What it says of it: {upstream} {reason}", "godown 的说明：{upstream} {reason}"),
			causes: []cause{
				because("run it again: another mirror may answer", "重新执行：可能由另一个镜像应答"),
				because("on the server: see how the mirrors are, and give it more than one", "在服务器上：查看镜像状态，并配置不止一个上游", "godown mirrors"),
			}},
	}
}

// proxyEntries are about statuses of module proxies.
func proxyEntries() []entry {
	next := named("separator", because("let the go command go on to the next entry after any error: write “|” in place of “,” (not where the first is to have the last word)",
		"让 go 命令在任何错误后都继续问下一个：把“,”写成“|”（如果第一个代理要有最终决定权，就不要这样写）"))
	return []entry{
		{id: "proxy-login", topic: "proxy", loose: true, key: "server",
			match: []string{`reading \S+: 401 Unauthorized`, `reading \S+: 407`},
			what:  say("The proxy {server} wants to know who you are (401).", "代理 {server} 要求登录（401）。"),
			why:   say("It gives modules only to those who log in, and the go command sent no credentials or wrong ones. It does not go on to the next entry.", "它只向登录用户提供模块，而 go 命令没有发送凭据或凭据有误。此时不会再问下一个代理。"),
			causes: []cause{
				because("put them into ~/.netrc (file mode 600): they are in no log and no process list there", "写入 ~/.netrc（权限 600）：不会出现在日志和进程列表中", "echo 'machine {host} login USER password TOKEN' >>~/.netrc && chmod 600 ~/.netrc"),
				because("for a server of godown: log in", "如果是 godown 服务器：登录", "godown login {origin}"),
				because("the token has run out, or ~/.netrc has a port or a wrong host (machine takes a host alone)", "令牌已过期，或 ~/.netrc 里写了端口或错误的主机（machine 后只写主机名）", "grep -n machine ~/.netrc"),
			}, live: liveGOPROXY},
		{id: "proxy-403", topic: "proxy", loose: true, key: "server",
			match: []string{`reading \S+: 403 Forbidden`, `reading \S+: 451`},
			what:  say("The proxy {server} refuses to give this (403).", "代理 {server} 拒绝提供（403）。"),
			why:   say("A refusal ends the search: the go command goes on to the next entry after 404 and 410 only (after any error where the separator is “|”).", "拒绝会终止查找：只有 404 和 410 之后 go 命令才会问下一个（分隔符是“|”时，任何错误之后都会）。"),
			causes: []cause{
				because("a rule of those who run it forbids the module or this version: the server's own words stand below the status", "管理者的规则禁止这个模块或版本：状态码下一行是服务器的说明"),
				named("private", because("the module is private, and public proxies cannot have it: fetch it from its own host", "这是私有模块，公共代理上不可能有：直接从源站获取", "go env -w GOPRIVATE={goprivate}")),
				because("the mirror blocks this network or this client: take another", "镜像屏蔽了你的网络或客户端：换一个", "godown use cn"),
			}, live: liveGOPROXY},
		{id: "proxy-429", topic: "proxy", loose: true, key: "server",
			match: []string{`reading \S+: 429 Too Many Requests`},
			what:  say("{server} says: too many requests (429).", "{server} 返回：请求过多（429）。"),
			why:   say("It limits how much one address may ask; a whole office or CI behind one address counts as one. The go command does not wait and try again.", "它限制单个地址的请求量；同一出口地址后面的整个办公室或 CI 算作一个。go 命令不会等待重试。"),
			causes: []cause{
				because("wait a minute and run it again; what has been downloaded is kept", "等一分钟再执行；已下载的内容会保留"),
				because("in CI: keep GOMODCACHE between jobs", "在 CI 中：在任务之间缓存 GOMODCACHE", "godown ci github"),
				because("put a cache in between, which asks for everything only once", "在中间放一个缓存，所有内容只请求一次", "godown serve"),
				because("spread over several mirrors", "分散到多个镜像", "godown use cn"),
			}, live: liveGOPROXY},
		{id: "proxy-5xx", topic: "proxy", key: "server",
			match: []string{`reading \S+(?:/@v/|/@latest)\S*: 5\d\d `},
			what:  say("The proxy {server} failed ({status}).", "代理 {server} 出错（{status}）。"),
			why:   say("The fault is at the server or behind it. The go command neither tries again nor goes on to the next entry, unless the separator is “|”.", "问题在服务器或它的上游。除非分隔符是“|”，go 命令既不重试也不问下一个。"),
			causes: []cause{
				because("run it again: many such errors last seconds", "重新执行：这类错误往往只持续几秒"),
				because("the proxy cannot fetch this one module (its text says so): try it from the origin", "代理取不到这个模块（见它的说明）：试试直接从源站获取", "GOPROXY=direct go mod download {module}@{version}"),
				because("take another mirror", "换一个镜像", "godown bench cn", "godown use cn"), next,
			}, live: liveGOPROXY},
		{id: "proxy-refuses", topic: "proxy", key: "server",
			match: []string{`reading \S+(?:/@v/|/@latest)\S*: (?:4(?:00|05|06|12|13|14|22|31)|30\d) `},
			what:  say("{server} does not understand the request ({status}).", "{server} 不理解这个请求（{status}）。"),
			why:   say("A module proxy answers 200, 404 or 410. This status means that what answers is no module proxy, or that the URL has a wrong path.", "模块代理应返回 200、404 或 410。出现这个状态说明对方不是模块代理，或地址的路径不对。"),
			causes: []cause{
				because("the URL is http:// and the server wants https://", "地址写的是 http://，而服务器要求 https://", "go env GOPROXY"),
				because("the path of the proxy is missing (Artifactory, Nexus and Athens often have one, such as /api/go/NAME or /repository/NAME)", "缺少代理的路径（Artifactory、Nexus、Athens 常有路径，如 /api/go/NAME 或 /repository/NAME）", "go env GOPROXY"),
				because("the module's name or version is one that the proxy refuses: look at its words below the status", "代理不接受这个模块名或版本：看状态码下一行的说明"),
			}, live: liveGOPROXY},
		{id: "not-a-module", topic: "proxy", key: "server",
			match: []string{`invalid response from proxy "(?P<url>[^"]+)"`, `proxy returned info for version`},
			what:  say("{server} answered, but not as a module proxy does.", "{server} 有回应，但不是模块代理的回应。"),
			why:   say("Where JSON was expected came something else: mostly a login page or an error page in HTML.", "应该返回 JSON 的地方来了别的内容：多半是 HTML 登录页或错误页。"),
			causes: []cause{
				because("the network wants you to log in first (hotel, guest Wi-Fi, company gateway): open a page in a browser", "网络要求先登录（酒店、访客 Wi-Fi、公司网关）：先在浏览器里打开网页登录"),
				because("the URL is that of a web page and not of the proxy", "地址是网页而不是代理的地址", "go env GOPROXY"),
				because("look at what comes", "看看它返回了什么", "curl -sSL {url}/golang.org/x/mod/@v/list | head"),
			}, live: liveGOPROXY},
		{id: "bad-zip", topic: "proxy", loose: true, key: "module",
			match: []string{`zip: not a valid zip file`, `zip: checksum error`, `zip: unsupported`, `zip for (?P<module>\S+)@(?P<version>\S+) has unexpected file`, `unzip \S+: `, `create zip: `, `module source tree too large`, `downloaded zip file too large`},
			what:  say("A zip that was downloaded is no good module zip.", "下载到的 zip 不是合格的模块压缩包。"),
			why:   say("Either the mirror gave something else under its name (cut off, an HTML page), or the module breaks a rule: at most 500 MiB, no two files whose names differ in case only.", "要么镜像在这个名字下给了别的内容（被截断、HTML 页面），要么模块本身违反规则：总大小不超过 500 MiB，文件名不能只有大小写不同。"),
			causes: []cause{
				because("the mirror's copy is broken: take another one", "镜像上的副本坏了：换一个镜像", "godown bench cn", "godown use cn"),
				because("something between cut it off or put a login page there: run it again, with the mirror's words to be seen", "中途被截断或被替换成登录页：重新执行并显示详细过程", "go mod download -x {module}@{version}"),
				because("the module itself is too large or has names that collide (“create zip”, “too large”): its author must mend that; take another version", "模块本身过大或文件名冲突（提示中有“create zip”“too large”）：需要作者修复，先换一个版本", "go list -m -versions {module}"),
			}, live: liveGOPROXY},
		{id: "not-found", topic: "proxy", loose: true, key: "module",
			match: []string{`reading (?P<url>\S+): (?:404 Not Found|410 Gone)`, `reading file://\S+: no such file or directory`},
			what:  say("{module} {version} was not found: so says {server}.", "没有找到 {module} {version}：{server} 这样回答。"),
			why:   say("404 and 410 mean “not here”: after them the go command asks the next entry of GOPROXY. None of those that it asked had it.", "404 和 410 表示“这里没有”，go 命令会接着问 GOPROXY 的下一项。它问过的各项都没有。"),
			causes: []cause{
				named("private", because("the module is private: public proxies cannot see it. Tell the go command, so that it asks the host itself", "这是私有模块：公共代理看不到。告诉 go 命令直接访问源站", "go env -w GOPRIVATE={goprivate}")),
				named("typo", because("path or version is mistyped, or was never published: see which versions there are", "路径或版本写错，或从未发布：看看有哪些版本", "go list -m -versions {module}")),
				named("lag", because("the tag is minutes old: mirrors remember for up to half an hour that something was absent. Ask the origin once", "标签刚发布几分钟：镜像会把“不存在”的结论缓存最长约半小时。先直接问一次源站", "GOPROXY=direct go list -m {module}@{version}")),
				because("it was deleted at its origin and the mirror never had it: another mirror or another version may", "源头已删除而该镜像从未收录：试试别的镜像或版本", "go list -m -versions {module}"),
				named("path", because("the proxy's URL lacks a part of its path, so that everything is 404 there", "代理地址少了一段路径，于是什么都是 404", "curl -sSI {base}/golang.org/x/mod/@v/list")),
			}, live: liveNotFound},
	}
}
