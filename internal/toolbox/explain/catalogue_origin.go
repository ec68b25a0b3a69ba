package explain

// sshEntries are about git over ssh.
func sshEntries() []entry {
	return []entry{
		{id: "ssh-host-key-changed", topic: "origin", key: "host",
			match: []string{`REMOTE HOST IDENTIFICATION HAS CHANGED`},
			what:  say("The ssh key of the git host is not the one that this machine knows.", "git 主机的 SSH 密钥与本机记录的不一致。"),
			why:   say("The host was set up anew, or somebody stands in between. ssh refuses to go on, rightly.", "主机重装过，或有人冒充它。ssh 拒绝继续是对的。"),
			causes: []cause{
				because("ask those who run the host (or look at its published fingerprints) whether the key was changed; only then forget the old one", "先向主机管理员核实（或查看公布的指纹）密钥是否更换，确认后再删除旧记录", "ssh-keygen -R {host}"),
			}, live: liveModule},
		{id: "ssh-host-key", topic: "origin", key: "host",
			match: []string{`Host key verification failed`, `No \S+ host key is known for (?P<host>\S+)`},
			what:  say("ssh does not know the git host yet, and nobody is there to be asked.", "ssh 还不认识这台 git 主机，而又没有人可以回答是否信任。"),
			why:   say("The host's key is not in ~/.ssh/known_hosts of the user that runs the build (often root, in a container).", "运行构建的用户（容器里常是 root）的 ~/.ssh/known_hosts 里没有这台主机的密钥。"),
			causes: []cause{
				because("add its key, and compare the fingerprint with the published one", "加入它的密钥，并与官方公布的指纹核对", "mkdir -p ~/.ssh && ssh-keyscan {host} >>~/.ssh/known_hosts", "ssh-keygen -lf ~/.ssh/known_hosts"),
				because("in CI: fetch by https and a token instead of ssh", "在 CI 中：改用 https 和令牌，而不用 ssh", "git config --global url.https://{host}/.insteadOf ssh://git@{host}/"),
			}, live: liveSSH},
		{id: "ssh-key", topic: "origin", loose: true, key: "host",
			match: []string{`(?:git@(?P<host>[\w.-]+): )?Permission denied \((?:publickey|password)[^)]*\)`, `Could not open a connection to your authentication agent`},
			what:  say("The git host takes none of this user's ssh keys.", "git 主机不接受当前用户的任何 SSH 密钥。"),
			why:   say("The repository is fetched by ssh, and no key was offered or none that the host knows.", "仓库经 ssh 获取，但没有提供密钥，或主机不认识所提供的密钥。"),
			causes: []cause{
				because("the key is not loaded, or was never given to the host: see who the host takes you for", "密钥没有加载，或没有登记到该主机：看看主机把你识别成谁", "ssh -T git@{host}", "ssh-add -l"),
				because("in docker build: pass the agent on", "在 docker build 中：把 ssh agent 传进去", "docker build --ssh default .   # RUN --mount=type=ssh go mod download"),
				because("in CI: use https and a token", "在 CI 中：改用 https 和令牌", "git config --global url.https://{host}/.insteadOf ssh://git@{host}/"),
				viaMirror(),
			}, live: liveSSH},
		{id: "no-ssh", topic: "origin", key: "",
			match: []string{`cannot run (?P<tool>\S*ssh\S*): No such file`, `error: cannot run ssh`, `ssh: not found`, `ssh: command not found`},
			what:  say("git needs ssh for this repository, and there is none.", "这个仓库需要 ssh，而系统里没有。"),
			why:   say("The URL is ssh://… or git@…, by the module's own page or by an insteadOf in git's configuration.", "地址是 ssh://… 或 git@…，来自模块自己的页面或 git 配置中的 insteadOf。"),
			causes: []cause{
				because("install it in the image", "在镜像中安装", "apk add --no-cache openssh-client", "apt-get update && apt-get install -y openssh-client"),
				because("use https: see which rule turns URLs into ssh", "改用 https：看是哪条规则把地址改成了 ssh", "git config --show-origin --get-regexp 'url\\..*\\.insteadof'"),
			}, live: liveModule},
	}
}

// viaMirror is that a public module is fetched by git without need.
func viaMirror() cause {
	return named("public", because("the module is public: let a mirror fetch it, then no git and no password is needed (GOPROXY has no URL, or GOPRIVATE matches too much)",
		"这是公开模块：让镜像去取，就不需要 git 和密码（GOPROXY 里没有镜像，或 GOPRIVATE 匹配得太宽）", "go env GOPROXY GOPRIVATE GONOPROXY"))
}

// gitEntries are about git and other version control, which the go command uses
// for what no proxy gives.
func gitEntries() []entry {
	return []entry{
		{id: "git-login", topic: "origin", loose: true, key: "host",
			match: []string{`could not read (?:Username|Password) for '(?P<url>[^']+)'`, `terminal prompts disabled`, `Authentication failed for '(?P<url>[^']+)'`, `Invalid username or (?:password|token)`, `Support for password authentication was removed`, `HTTP Basic: Access denied`},
			what:  say("git wants a user and password for {host}, and there is nobody to ask.", "git 需要 {host} 的用户名和密码，而这里没有人可以回答。"),
			why: say("The host answers so for private repositories, and for those that do not exist: many forges do not tell the two apart.",
				"私有仓库会这样回应，不存在的仓库也会：很多代码托管平台不区分两者。"),
			causes: []cause{
				named("token", because("the repository is private: give git a token, by its credential helper or ~/.netrc (file mode 600)", "仓库是私有的：通过 git 凭据助手或 ~/.netrc（权限 600）提供令牌", "echo 'machine {host} login USER password TOKEN' >>~/.netrc && chmod 600 ~/.netrc")),
				because("you have ssh access: let git use that for this host", "你有 ssh 权限：让 git 对这个主机改用 ssh", "git config --global url.ssh://git@{host}/.insteadOf https://{host}/"),
				named("typo", because("the import path is mistyped, or the repository was renamed or deleted: look at it in a browser", "导入路径写错，或仓库已改名、删除：在浏览器里打开看看", "git ls-remote https://{module}")),
				viaMirror(),
				named("ci", because("in CI: the job's token is for its own repository only; take one that may read the others", "在 CI 中：任务自带的令牌只能读本仓库，需要能读其他仓库的令牌", "godown ci github")),
			}, live: liveModule},
		{id: "git-not-found", topic: "origin", loose: true, key: "module",
			match: []string{`fatal: repository '(?P<url>[^']+)' not found`, `ERROR: Repository not found`, `remote: Repository not found`, `The project you were looking for could not be found`},
			what:  say("The git host says that there is no such repository, for you.", "git 主机说没有这个仓库（对你而言）。"),
			why:   say("It does not exist, has moved, or you may not see it: hosts answer the same for all three.", "仓库不存在、已迁移，或你无权查看：这三种情况主机的回答相同。"),
			causes: []cause{
				because("the import path is mistyped, or the repository was renamed: open it in a browser", "导入路径写错，或仓库已改名：在浏览器中打开", "git ls-remote https://{module}"),
				because("it is private, and the token or key that git used may not read it", "它是私有仓库，而 git 使用的令牌或密钥无权读取", "git config --show-origin --get-all credential.helper"),
				viaMirror(),
			}, live: liveModule},
		{id: "git-broke-off", topic: "origin", loose: true, key: "",
			match: []string{`RPC failed; (?:curl|HTTP)`, `early EOF`, `unexpected disconnect while reading sideband packet`, `the remote end hung up unexpectedly`, `protocol error: bad pack header`},
			what:  say("git's download broke off in the middle.", "git 下载到一半中断。"),
			why:   say("The line to the git host is bad, or the repository is large; git begins anew each time.", "到 git 主机的线路不稳，或仓库太大；git 每次都从头开始。"),
			causes: []cause{
				because("take the module from a mirror: a zip is far smaller than the repository's history", "从镜像获取：zip 比整个仓库历史小得多", "go env GOPROXY GONOPROXY", "godown use cn"),
				because("run it again, by HTTP/1.1: some middleboxes break HTTP/2", "改用 HTTP/1.1 重试：有些中间设备会破坏 HTTP/2", "git config --global http.version HTTP/1.1"),
			}, live: liveModule},
		{id: "git-access", topic: "origin", key: "host",
			match: []string{`fatal: unable to access '(?P<url>[^']+)': (?P<reason>[^\n]+)`, `ssh: connect to host (?P<host>\S+) port \S+: (?P<reason>[^\n]+)`, `ssh: Could not resolve hostname (?P<host>\S+): (?P<reason>[^\n]+)`},
			what:  say("git cannot reach {host}.", "git 访问不到 {host}。"),
			why:   say("What git says: {reason}", "git 的说明：{reason}"),
			causes: []cause{
				named("mirror", because("the module is public, and a mirror has it: then {host} need not be reached at all", "模块是公开的，镜像上就有：那样根本不必访问 {host}", "go env GOPROXY GONOPROXY GOPRIVATE", "godown use cn")),
				because("git has a proxy of its own choice: look whether it is right", "git 有自己的代理设置：检查是否正确", "git config --show-origin --get-regexp '.*proxy'", "env | grep -i _proxy"),
				because("the host is internal: connect to the VPN", "主机在内网：连接 VPN", "godown doctor"),
				because("the module's page leads to a wrong URL (http:// where that is refused): its owner must mend it", "模块页面给出的仓库地址有误（例如不可用的 http://）：需要其所有者修复", "curl -sSL 'https://{module}?go-get=1' | grep go-import"),
			}, live: liveModule},
		{id: "vcs-status", topic: "origin", key: "",
			match: []string{`error obtaining VCS status`, `detected dubious ownership in repository(?: at '(?P<dir>[^']+)')?`},
			what:  say("go build wanted to write the commit into the program, and git gave no answer.", "go build 想把提交信息写入程序，但 git 没有给出。"),
			why:   say("Mostly git refuses a folder that belongs to another user (a mounted folder in a container, root in CI): “dubious ownership”.", "多半是因为目录属于另一个用户（容器挂载目录、CI 中的 root），git 以“dubious ownership”为由拒绝。"),
			causes: []cause{
				because("say that the folder is yours", "声明信任这个目录", `git config --global --add safe.directory "$PWD"`),
				because("or leave the commit out of the program", "或者不在程序中写入提交信息", "go build -buildvcs=false ./..."),
				because("git or the .git folder is missing in the image, or damaged: see what git says itself", "镜像里没有 git，或 .git 不完整：看 git 自己怎么说", "git status"),
			}},
		{id: "no-vcs", topic: "origin", loose: true, key: "tool",
			match: []string{`exec: "(?P<tool>git|hg|svn|bzr|fossil)": executable file not found`, `(?:unable to resolve|failed to execute) (?P<tool>git|hg) version`, `go: missing (?P<tool>Git|Mercurial|Subversion|Bazaar|Fossil) command`},
			what:  say("The go command needs {tool} for this, and there is none in PATH.", "这一步需要 {tool}，而 PATH 中没有。"),
			why:   say("What no proxy gives is fetched from its repository. Images such as alpine and distroless have no version control.", "代理给不了的模块要从仓库获取。alpine、distroless 等镜像不带版本控制工具。"),
			causes: []cause{
				named("public", because("the module is public: let a mirror fetch it, then {tool} is not needed", "模块是公开的：让镜像去取，就不需要 {tool}", "go env GOPROXY GONOPROXY GOPRIVATE", "godown use cn")),
				because("install it in the image", "在镜像中安装", "apk add --no-cache {tool}", "apt-get update && apt-get install -y {tool}"),
			}, live: liveModule},
		{id: "old-git", topic: "origin", key: "",
			match: []string{`git: 'remote-https' is not a git command`, "unknown option `?(?:end-of-options|filter)", `error: unknown switch`, `git version (?:1\.|2\.[0-9]\.)\S* is too old`, `usage: git (?:ls-remote|fetch|init)`},
			what:  say("This git is too old, or is only a part of one.", "这个 git 太旧，或不完整。"),
			why:   say("The go command uses options that older versions of git do not have (CentOS 7 has git 1.8).", "go 命令使用的选项旧版 git 没有（CentOS 7 自带的是 1.8）。"),
			causes: []cause{
				because("install a newer one: 2.30 or later is good for everything", "安装新版本：2.30 及以上足够", "git --version"),
				because("git over https needs the package with git-remote-https", "经 https 使用 git 需要带有 git-remote-https 的软件包", "apk add --no-cache git"),
				because("take modules from a mirror: then no git is needed", "从镜像获取模块：那样就不需要 git", "godown use cn"),
			}, live: liveModule},
		{id: "govcs", topic: "settings", key: "",
			match: []string{`GOVCS disallows using (?P<tool>\S+) for (?P<kind>public|private) (?P<module>[^\s;]+)`},
			what:  say("GOVCS does not allow {tool} for {kind} modules such as {module}.", "GOVCS 不允许用 {tool} 获取 {module} 这类模块（{kind}）。"),
			why:   say("Without a setting, public modules may come by git and Mercurial only, private ones (GOPRIVATE) by any system.", "默认情况下，公开模块只允许 git 和 Mercurial，私有模块（GOPRIVATE）允许任何系统。"),
			causes: []cause{
				because("take it from a proxy: then no version control is run here", "从代理获取：那样本机不运行版本控制工具", "go env GOPROXY GONOPROXY"),
				because("allow it for this module alone", "只对这个模块放行", "go env -w 'GOVCS={module}:{tool},public:git|hg,private:all'"),
			}, live: liveGOVCS},
	}
}

// importEntries are about pages with go-import tags.
func importEntries() []entry {
	typo := named("typo", because("the import path is mistyped: open https://{module} in a browser", "导入路径写错：在浏览器里打开 https://{module}", "curl -sSL 'https://{module}?go-get=1' | grep go-import"))
	private := named("dot-git", because("it is an internal module, and its host does not serve go-import tags: with .git in the path (in its go.mod and in imports as well) the go command asks git straight away", "它是内部模块，而所在主机不提供 go-import 标签：路径里写上 .git（它的 go.mod 和导入处也要一致），go 命令会直接使用 git", "go get {repository}.git"))
	mirror := named("mirror", because("the host is blocked or down, and mirrors still have the module (golang.org/x, gopkg.in, k8s.io and the like): take it from one", "主机被屏蔽或宕机，而镜像上仍有（golang.org/x、gopkg.in、k8s.io 等）：从镜像获取", "godown use cn"))
	return []entry{
		{id: "import-no-dot", topic: "versions", key: "module",
			match: []string{`malformed module path "(?P<module>[^"]+)": missing dot in first path element`, `unrecognized import path "(?P<module>[^"]+)": import path does not begin with hostname`},
			what:  say("{module} cannot be downloaded: its first element has no dot, so it is no host.", "{module} 无法下载：第一段没有点号，不是主机名。"),
			why:   say("The go command takes such paths for the standard library or for the own project. It never asks the network for them.", "go 命令把这种路径当作标准库或本项目的包，从不到网络上查找。"),
			causes: []cause{
				because("a local module of yours: say where it is", "它是你本地的模块：指明位置", "go mod edit -replace {module}=../DIR && go mod edit -require {module}@v0.0.0", "go work use ../DIR"),
				because("git@host:path is how git writes it; an import path is host/path", "git@host:path 是 git 的写法，导入路径应写 host/path", "go get HOST/PATH@latest"),
			}},
		{id: "import-401", topic: "origin", key: "host",
			match: []string{`unrecognized import path "[^"]+": (?:https? fetch: )?reading (?P<url>\S+\?go-get=1): 401`},
			what:  say("{host} wants to know who you are before it tells where {module} is (401).", "{host} 要求先登录才告知 {module} 在哪里（401）。"),
			why:   say("The page with the go-import tag is not open. The go command sends credentials from ~/.netrc (or GOAUTH, from Go 1.24 on) and asks nobody.", "带 go-import 标签的页面需要登录。go 命令只会使用 ~/.netrc（Go 1.24 起也可用 GOAUTH）中的凭据，不会询问。"),
			causes: []cause{
				because("put a token into ~/.netrc (file mode 600)", "把令牌写入 ~/.netrc（权限 600）", "echo 'machine {host} login USER password TOKEN' >>~/.netrc && chmod 600 ~/.netrc"),
				because("with Go 1.24 or newer: let git's credentials be used", "Go 1.24 及以上：使用 git 的凭据", "go env -w GOAUTH='git /'"),
				because("the host has no page for go at all, and .git in the path (in its go.mod and in imports as well) makes the go command ask git straight away", "该站点根本没有 go 用的页面：在路径里写上 .git（它的 go.mod 和导入处也要一致），go 命令就会直接用 git", "go get {module}.git"),
			}, live: liveModule},
		{id: "import-403", topic: "origin", key: "host", match: []string{`unrecognized import path "(?P<module>[^"]+)": (?:https? fetch: )?reading (?P<url>\S+): (?P<status>403 \w+)`},
			what:   say("{host} refuses to tell where {module} is (403).", "{host} 拒绝告知 {module} 在哪里（403）。"),
			why:    say("The go command asks https://{module}?go-get=1 for a page with a go-import tag, and may not read it.", "go 命令访问 https://{module}?go-get=1 读取 go-import 标签，但被拒绝。"),
			causes: []cause{private, because("the host blocks this network, or wants a VPN", "主机屏蔽了当前网络，或需要 VPN"), mirror}, live: liveModule},
		{id: "import-404", topic: "origin", key: "module", match: []string{`unrecognized import path "(?P<module>[^"]+)": (?:https? fetch: )?reading (?P<url>\S+): (?P<status>4\d\d [\w ]+)`},
			what:   say("{host} does not know {module} ({status}).", "{host} 没有 {module}（{status}）。"),
			why:    say("The go command asked https://{module}?go-get=1 for a page with a go-import tag, and there is none.", "go 命令访问 https://{module}?go-get=1 读取 go-import 标签，但没有这个页面。"),
			causes: []cause{typo, private, because("the host shows nothing to strangers: give the go command credentials in ~/.netrc, or GOAUTH from Go 1.24 on", "主机不向未登录者显示：在 ~/.netrc 中提供凭据，Go 1.24 起也可用 GOAUTH", "echo 'machine {host} login USER password TOKEN' >>~/.netrc && chmod 600 ~/.netrc"), mirror}, live: liveModule},
		{id: "import-5xx", topic: "origin", key: "host", match: []string{`unrecognized import path "(?P<module>[^"]+)": (?:https? fetch: )?reading (?P<url>\S+): (?P<status>5\d\d [\w ]+)`},
			what:   say("{host}, which knows where {module} is, failed ({status}).", "负责告知 {module} 位置的 {host} 出错（{status}）。"),
			why:    say("It is the module's own host that fails, not a proxy.", "出错的是模块自己的源站，不是代理。"),
			causes: []cause{because("run it again in a while", "过一会儿再试"), mirror}, live: liveModule},
		{id: "import-parse", topic: "origin", key: "module", match: []string{`unrecognized import path "(?P<module>[^"]+)": parsing `, `unrecognized import path "(?P<module>[^"]+)": (?:XML syntax error|.*charset)`},
			what:   say("The page of {module} cannot be read.", "{module} 的页面无法解析。"),
			why:    say("The go command reads the page as XML up to </head>; this one breaks off before a go-import tag was found.", "go 命令按 XML 读取页面的 <head> 部分；这个页面在找到 go-import 标签之前就出错了。"),
			causes: []cause{because("something else answers in the host's place (a login page, a parking page): look at it", "别的内容代替了它（登录页、域名停放页）：看看返回了什么", "curl -sSL 'https://{module}?go-get=1' | head -20"), private, mirror}, live: liveModule},
		{id: "import-no-meta", topic: "origin", key: "module", match: []string{`unrecognized import path "(?P<module>[^"]+)".*(?:no go-import meta tag|did not find a matching)`, `fetching (?P<url>\S+): no go-import meta tag`, `(?P<url>\S+\?go-get=1): no go-import meta tags`},
			what:   say("The page of {module} does not say where the module is: it has no go-import tag for it.", "{module} 的页面没有说明模块在哪里：里面没有对应的 go-import 标签。"),
			why:    say("The page exists, but it is not one for the go command; or its tag leads to plain http, which is ignored unless GOINSECURE matches.", "页面存在，但不是给 go 命令用的；或标签指向明文 http，除非 GOINSECURE 匹配否则会被忽略。"),
			causes: []cause{typo, private, because("the network shows a login page instead: open the address in a browser", "网络返回了登录页：在浏览器里打开这个地址"), mirror}, live: liveModule},
		{id: "import-unrecognized", topic: "origin", key: "module", loose: true, match: []string{`unrecognized import path "(?P<module>[^"]+)"(?:: (?P<reason>[^\n]+))?`},
			what:   say("The go command cannot find out where {module} is.", "go 命令查不到 {module} 在哪里。"),
			why:    say("It has asked https://{module}?go-get=1. What came of it: {reason}", "它访问了 https://{module}?go-get=1。结果：{reason}"),
			causes: []cause{mirror, typo, private}, live: liveModule},
	}
}
