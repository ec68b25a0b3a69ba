package explain

// toolchainEntries are about versions of Go itself.
func toolchainEntries() []entry {
	return []entry{
		{id: "go-too-old", topic: "toolchain", key: "",
			match: []string{`requires go >= (?P<wanted>[\w.]+) \(running go (?P<running>[\w.]+)(?:; (?P<toolchain>GOTOOLCHAIN=\S+?))?\)`, `note: module requires Go (?P<wanted>[\d.]+)`, `go\.mod requires go >= (?P<wanted>[\w.]+)`},
			what:  say("Go {wanted} or newer is needed, and this is Go {running}.", "需要 Go {wanted} 或更新版本，而当前是 Go {running}。"),
			why: say("The go line of the project or of a dependency asks for it. With GOTOOLCHAIN=auto the go command would fetch that toolchain by itself; with local it may not (the usual setting of docker's golang images and of many distributions).",
				"项目或依赖的 go 行要求如此。GOTOOLCHAIN=auto 时 go 命令会自动下载对应工具链；设为 local 时不会（docker 的 golang 镜像和许多发行版默认如此）。"),
			causes: []cause{
				named("auto", because("let it fetch the toolchain", "允许自动下载工具链", "go env -w GOTOOLCHAIN=auto", "unset GOTOOLCHAIN")),
				because("install a newer Go, or take a newer image (FROM golang:…)", "安装新版 Go，或换更新的镜像（FROM golang:…）", "go version"),
				because("a dependency asks for it: take an older version of that", "是某个依赖的要求：用它较旧的版本", "go list -m -versions {module}"),
			}, live: func(_ ctx, s *scene) { s.showVersion(); s.showSetting("GOTOOLCHAIN") }},
		{id: "toolchain-unavailable", topic: "toolchain", key: "",
			match: []string{`download (?P<toolchain>go[\w.]+) for (?P<platform>\S+): toolchain not available`, `toolchain not available`},
			what:  say("The toolchain {toolchain} for {platform} could not be had.", "取不到适用于 {platform} 的工具链 {toolchain}。"),
			why:   say("It is downloaded like a module, golang.org/toolchain, through GOPROXY. What was asked says that there is none (404), or GOPROXY asks nobody.", "工具链和模块一样经 GOPROXY 下载（golang.org/toolchain）。被询问的一方说没有（404），或 GOPROXY 不允许询问。"),
			causes: []cause{
				named("typo", because("no such version was released: look at the go and toolchain lines of go.mod (toolchains have three numbers: go1.24.0)", "没有发布过这个版本：检查 go.mod 的 go 和 toolchain 行（工具链有三段数字：go1.24.0）", "grep -nE '^(go|toolchain) ' go.mod")),
				named("mirror", because("the mirror has no toolchains: take one that has", "镜像不提供工具链：换一个提供的", "godown bench cn", "godown use cn")),
				named("off", because("GOPROXY=off or direct: toolchains come by proxies only", "GOPROXY 为 off 或 direct：工具链只能经代理获取", "go env GOPROXY")),
				because("install that Go yourself, and do not switch", "自行安装该版本的 Go，不自动切换", "go env -w GOTOOLCHAIN=local"),
			}, live: liveToolchain},
		{id: "gotoolchain", topic: "toolchain", key: "",
			match: []string{`invalid GOTOOLCHAIN "(?P<value>[^"]*)"`, `cannot find "(?P<value>go[\d.]\S*)" in PATH`, `invalid toolchain(?: version)? ["']?(?P<value>[^"'\s]+)`},
			what:  say("GOTOOLCHAIN (or the toolchain line) names {value}, which is not there.", "GOTOOLCHAIN（或 toolchain 行）指定的 {value} 不可用。"),
			why:   say("It is local, auto, path, or a name such as go1.24.0, perhaps with +auto or +path. With path the go command looks for such a program in PATH and downloads nothing.", "它可以是 local、auto、path，或 go1.24.0 这样的名字，可加 +auto 或 +path。用 path 时只在 PATH 中查找，不会下载。"),
			causes: []cause{
				because("go back to the default", "恢复默认值", "go env -u GOTOOLCHAIN", "unset GOTOOLCHAIN"),
				because("correct the toolchain line in go.mod", "修正 go.mod 里的 toolchain 行", "go mod edit -toolchain=none"),
			}, live: func(_ ctx, s *scene) { s.showVersion(); s.showSetting("GOTOOLCHAIN") }},
	}
}

// workspaceEntries are about go.work and vendor folders.
func workspaceEntries() []entry {
	return []entry{
		{id: "not-in-workspace", topic: "project", key: "",
			match: []string{`current directory is contained in a module that is not one of the workspace modules`, `directory prefix \S+ does not contain modules listed in go\.work`, `(?:main module|directory) \(?\S*\)? ?(?:is|outside) .*not one of the workspace modules`, `no modules were found in the current workspace`},
			what:  say("A go.work above this folder is in force, and does not name this module.", "上级目录中的 go.work 正在生效，而其中没有列出这个模块。"),
			why:   say("In a workspace only the modules that go.work uses can be built.", "在工作区里只能构建 go.work 中 use 的模块。"),
			causes: []cause{
				because("add this module", "加入这个模块", "go work use ."),
				because("build it without the workspace", "不使用工作区来构建", "GOWORK=off go build ./..."),
				because("see which go.work that is (perhaps a forgotten one in the home folder)", "看看是哪个 go.work（也许是主目录里被遗忘的）", "go env GOWORK"),
			}, live: func(_ ctx, s *scene) { s.showSetting("GOWORK") }},
		{id: "workspace-missing", topic: "project", key: "",
			match: []string{`cannot load module (?P<dir>\S+) listed in go\.work file`, `go\.work:\d+: .*(?:does not exist|no such file)`},
			what:  say("go.work names the folder {dir}, where there is no module.", "go.work 列出的目录 {dir} 中没有模块。"),
			why:   say("The folder was moved or deleted, or not checked out.", "目录被移动、删除，或没有检出。"),
			causes: []cause{
				because("take it out", "去掉它", "go work edit -dropuse ./{dir}"),
				because("let the go command look again at what is there", "让 go 命令重新检查现有目录", "go work use -r ."),
				because("build without the workspace", "不使用工作区来构建", "GOWORK=off go build ./..."),
			}},
		{id: "workspace-go", topic: "project", key: "",
			match: []string{`listed in go\.work file requires go >= (?P<wanted>[\w.]+), but go\.work(?: lists go (?P<have>[\w.]+))?`},
			what:  say("A module of the workspace needs Go {wanted}, and go.work says {have}.", "工作区中的模块需要 Go {wanted}，而 go.work 写的是 {have}。"),
			why:   say("The go line of go.work must be at least as high as those of its modules.", "go.work 的 go 行不能低于其中任何模块。"),
			causes: []cause{
				because("let the go command raise it", "让 go 命令提高它", "go work use"),
			}},
		{id: "workspace-mod", topic: "settings", key: "",
			match: []string{`-mod may only be set to readonly(?: or vendor)? when in workspace mode, but it is set to "(?P<value>[^"]+)"`},
			what:  say("-mod={value} does not go with a workspace (go.work).", "-mod={value} 不能与工作区（go.work）同时使用。"),
			why:   say("The flag stands in the command or in GOFLAGS. In a workspace there is no single go.mod that could be changed.", "该参数写在命令或 GOFLAGS 中。工作区里没有唯一可改的 go.mod。"),
			causes: []cause{
				because("leave the flag out", "去掉该参数", "GOFLAGS= go build ./...", "go env -u GOFLAGS"),
				because("leave the workspace out", "不使用工作区", "GOWORK=off go build -mod={value} ./..."),
			}, live: liveGOFLAGS},
		{id: "workspace-replace", topic: "project", key: "",
			match: []string{`conflicting replacements for (?P<module>[^\s:]+)`, `workspace module \S+ is replaced at all versions`},
			what:  say("Two modules of the workspace replace {module} by different things.", "工作区中的两个模块用不同的内容替换 {module}。"),
			why:   say("A workspace has one replacement for each module.", "工作区里每个模块只能有一种替换。"),
			causes: []cause{
				because("decide in go.work, which overrides them", "在 go.work 中决定，它优先", "go work edit -replace {module}=DIR"),
			}},
		{id: "vendor-inconsistent", topic: "project", key: "",
			match: []string{`inconsistent vendoring in (?P<dir>[^\n]+?):\n`, `inconsistent vendoring`, `is explicitly required in go\.mod, but (?:not marked as explicit|vendor/modules\.txt)`},
			what:  say("The vendor folder does not fit go.mod.", "vendor 目录与 go.mod 不一致。"),
			why:   say("go.mod was changed and the folder was not written anew; where there is a vendor folder (or -mod=vendor is said), the go command uses it and checks this.", "改了 go.mod 却没有重新生成 vendor；只要有 vendor 目录（或指定 -mod=vendor），go 命令就会使用它并做这项检查。"),
			causes: []cause{
				because("write the folder anew, and commit it", "重新生成并提交", "go mod tidy && go mod vendor", "go work vendor   # go.work"),
				because("leave it aside once", "这一次忽略它", "go build -mod=mod ./..."),
				named("goflags", cause{text: say("GOFLAGS says -mod=vendor and the project has no vendor folder: take it away", "GOFLAGS 写着 -mod=vendor，而项目没有 vendor 目录：去掉它"), run: []string{"go env -u GOFLAGS", "unset GOFLAGS"}, when: func(s *scene) bool { return s.fields["modflag"] != "" }}),
			}, live: liveGOFLAGS},
		{id: "vendor-missing", topic: "project", key: "package",
			match: []string{`cannot find (?:module providing )?package (?P<package>[^\s:]+):? (?:import lookup disabled by -mod=vendor|in vendor)`, `cannot find package "?(?P<package>[^\s":]+)"? in:\s+\S*vendor`, `import lookup disabled by -mod=vendor`},
			what:  say("The vendor folder has no package {package}.", "vendor 目录里没有包 {package}。"),
			why:   say("Where there is a vendor folder, nothing is downloaded: what is imported must be in it.", "有 vendor 目录时不会下载任何内容：导入的包都必须在里面。"),
			causes: []cause{
				because("require it, and write the folder anew", "添加依赖并重新生成 vendor", "go mod tidy && go mod vendor"),
				because("leave the folder aside", "忽略 vendor", "go build -mod=mod ./..."),
			}, live: liveGOFLAGS},
		{id: "mod-vendor", topic: "project", key: "",
			match: []string{`cannot query module due to -mod=vendor`, `can't determine available upgrades using the vendor directory`, `can't compute '?all'? using the vendor directory`, `can't resolve module using the vendor directory`, `can't match module patterns using the vendor directory`, `lookup disabled by -mod=vendor`},
			what:  say("With a vendor folder the go command asks nobody about modules.", "使用 vendor 目录时，go 命令不会查询模块。"),
			why:   say("Queries such as @latest or -u need the network; -mod=vendor (by itself, where the folder exists) forbids it.", "@latest、-u 之类的查询需要网络；而 -mod=vendor（存在 vendor 目录时自动启用）禁止访问。"),
			causes: []cause{
				because("say that this command may look outside", "允许这条命令查询外部", "go list -mod=mod -m -u all"),
				because("go get changes go.mod itself; write the folder anew after it", "go get 会修改 go.mod；之后重新生成 vendor", "go get MODULE@latest && go mod vendor"),
			}, live: liveGOFLAGS},
	}
}

// settingEntries are about the go command's configuration.
func settingEntries() []entry {
	return []entry{
		{id: "go111module", topic: "settings", key: "",
			match: []string{`unknown environment setting GO111MODULE=`, `modules disabled by GO111MODULE=off`},
			what:  say("GO111MODULE has a value with which modules do not work.", "GO111MODULE 的取值使模块功能不可用。"),
			why:   say("off goes back to the time of GOPATH; other words than on, off and auto are refused.", "off 会退回 GOPATH 时代；on、off、auto 之外的值不被接受。"),
			causes: []cause{
				because("take it away: on is the default since Go 1.16", "去掉它：Go 1.16 起默认就是 on", "go env -u GO111MODULE", "unset GO111MODULE"),
			}, live: func(_ ctx, s *scene) { s.showSetting("GO111MODULE") }},
		{id: "goproxy-off", topic: "settings", key: "",
			match: []string{`module lookup disabled by GOPROXY=off`, `disabled by GOPROXY=off`},
			what:  say("GOPROXY says off, so that nothing may be downloaded.", "GOPROXY 设为 off，不允许下载。"),
			why:   say("off ends the list: what GOMODCACHE has is used, everything else fails.", "off 表示列表到此为止：只用 GOMODCACHE 里已有的内容，其余一律失败。"),
			causes: []cause{
				because("set it to a proxy", "设为某个代理", "godown use", "go env -u GOPROXY"),
				because("offline on purpose: fetch what is missing while there is a network", "有意离线：在有网络时先下载好", "godown warm", "go mod download"),
				because("a private module: it would come from its own host, if it were named", "私有模块：声明后会直接从源站获取", "go env -w GOPRIVATE={goprivate}"),
			}, live: liveGOPROXY},
		{id: "goproxy-entries", topic: "settings", loose: true, key: "",
			match: []string{`GOPROXY list is not the empty string, but contains no entries`, `invalid proxy URL missing scheme: (?P<value>\S+)`, `invalid proxy URL scheme[^:]*: (?P<value>\S+)`, `invalid file:// proxy URL`, `parse "?(?P<value>[^"\s]+)"?: (?:first path segment|invalid (?:port|URL|control))`},
			what:  say("GOPROXY cannot be read as a list of proxies.", "GOPROXY 无法解析为代理列表。"),
			why:   say("Entries are https://…, http://… or file:///… URLs, or the words direct and off, separated by “,” or “|”.", "每一项应为 https://…、http://…、file:///… 地址，或 direct、off，用“,”或“|”分隔。"),
			causes: []cause{
				because("see what it is (blanks, quotes of another shell, an empty variable in CI)", "看看现在的值（空格、其他 shell 的引号、CI 中的空变量）", "go env GOPROXY"),
				because("set it anew", "重新设置", "godown use cn", "go env -u GOPROXY"),
			}, live: liveGOPROXY},
		{id: "goflags", topic: "settings", key: "",
			match: []string{`parsing \$?GOFLAGS: (?P<reason>[^\n]+)`, `invalid value .* for flag .* in GOFLAGS`},
			what:  say("GOFLAGS cannot be read: {reason}.", "GOFLAGS 无法解析：{reason}。"),
			why:   say("It is a list of flags separated by blanks, each beginning with “-” and known to some go command: -mod=mod -buildvcs=false.", "它是以空格分隔的参数列表，每个都以“-”开头且为 go 命令所认识：-mod=mod -buildvcs=false。"),
			causes: []cause{
				because("take it away, where it was set", "在设置它的地方去掉", "go env -u GOFLAGS", "unset GOFLAGS"),
			}, live: liveGOFLAGS},
		{id: "mod-flag", topic: "settings", key: "",
			match: []string{`-mod=(?P<value>\S+) not supported`, `invalid -mod= setting`, `build flag -mod=(?P<value>\S+) only valid when using modules`},
			what:  say("-mod={value} is not known.", "不认识 -mod={value}。"),
			why:   say("-mod takes mod, readonly or vendor. It stands in the command or in GOFLAGS.", "-mod 只接受 mod、readonly、vendor。它写在命令或 GOFLAGS 中。"),
			causes: []cause{
				because("correct it, or take it away", "改正或去掉", "go env -u GOFLAGS", "unset GOFLAGS"),
			}, live: liveGOFLAGS},
		{id: "govcs-form", topic: "settings", key: "",
			match: []string{`(?:malformed|empty|unreachable|relative) (?:entry|pattern|VCS \w+)[^\n]*GOVCS`, `in GOVCS`},
			what:  say("GOVCS cannot be read.", "GOVCS 无法解析。"),
			why:   say("It is a list such as public:git|hg,private:all or git.corp.example.com:git.", "它的形式如 public:git|hg,private:all 或 git.corp.example.com:git。"),
			causes: []cause{
				because("take it away", "去掉它", "go env -u GOVCS", "unset GOVCS"),
			}, live: liveGOVCS},
		{id: "goauth", topic: "settings", key: "",
			match: []string{`GOAUTH=\S+ cannot be combined`, `GOAUTH encountered an error`, `(?:running|parsing output of) GOAUTH`, `GOAUTH=\S*(?: dir)? [^\n]*(?:must|requires|expects|not)`},
			what:  say("GOAUTH cannot be used as it is.", "GOAUTH 的设置无法使用。"),
			why:   say("It is a list separated by “;”: off alone, netrc, “git DIR”, or a command that prints credentials.", "它以“;”分隔：单独的 off、netrc、“git 目录”，或输出凭据的命令。"),
			causes: []cause{
				because("go back to the default (netrc)", "恢复默认值（netrc）", "go env -u GOAUTH", "unset GOAUTH"),
			}, live: func(_ ctx, s *scene) { s.showSetting("GOAUTH") }},
		{id: "no-home", topic: "settings", key: "",
			match: []string{`module cache not found: neither GOMODCACHE nor GOPATH is set`, `build cache is required, but could not be located`, `GOCACHE is not defined and neither`, `missing \$GOPATH`, `GOMODCACHE entry is relative`},
			what:  say("The go command does not know where to keep what it downloads and builds.", "go 命令不知道把下载和构建的内容放在哪里。"),
			why:   say("There is no HOME in its environment (systemd units, cron, some CI and containers with a bare user id), and GOCACHE, GOPATH or GOMODCACHE are not set instead.", "环境里没有 HOME（systemd、cron、某些 CI，或只有用户编号的容器），也没有设置 GOCACHE、GOPATH、GOMODCACHE。"),
			causes: []cause{
				because("give it a home", "设置主目录", "export HOME=/tmp/home && mkdir -p $HOME"),
				because("or name the folders", "或指定这些目录", "export GOPATH=/tmp/go GOCACHE=/tmp/go-build"),
			}},
	}
}

// machineEntries are about disks, permissions and limits.
func machineEntries() []entry {
	return []entry{
		{id: "disk-full", topic: "machine", key: "",
			match: []string{`no space left on device`, `There is not enough space on the disk`, `[Dd]isk quota exceeded`},
			what:  say("The disk is full (or has no room for more files).", "磁盘已满（或 inode 用尽）。"),
			why:   say("A file could not be written: downloads go to GOMODCACHE, builds to GOCACHE and TMPDIR; the message names the folder.", "文件写不进去：下载写入 GOMODCACHE，构建写入 GOCACHE 和 TMPDIR；提示中有具体目录。"),
			causes: []cause{
				because("see what is full: space or inodes", "看是空间还是 inode 满了", `df -h "$(go env GOMODCACHE)" "$(go env GOCACHE)" /tmp; df -i "$(go env GOMODCACHE)"`),
				because("throw away what no project needs", "删除不再需要的内容", "godown cache du", "go clean -cache"),
				because("put the caches on another disk", "把缓存放到别的磁盘", "go env -w GOMODCACHE=/data/gomod GOCACHE=/data/gobuild"),
			}, live: liveFolders},
		{id: "read-only", topic: "machine", loose: true, key: "",
			match: []string{`read-only file system`},
			what:  say("The folder that the go command must write to is read-only.", "go 命令需要写入的目录是只读的。"),
			why:   say("It is mounted read-only (a container with a read-only root, a shared cache, a Nix or Bazel sandbox).", "以只读方式挂载（只读根文件系统的容器、共享缓存、Nix 或 Bazel 沙箱）。"),
			causes: []cause{
				because("put the caches where writing is allowed", "把缓存放到可写的位置", "export GOMODCACHE=/tmp/gomod GOCACHE=/tmp/gobuild"),
				because("use a cache that is filled already, and forbid downloads", "使用已填好的缓存并禁止下载", "GOFLAGS=-mod=readonly GOPROXY=off go build ./..."),
			}, live: liveFolders},
		{id: "too-many-files", topic: "machine", key: "",
			match: []string{`too many open files`, `fatal error: runtime: (?:netpollinit|eventfd) failed`, `(?:epollcreate|eventfd) failed with 24`},
			what:  say("The limit of open files is reached.", "打开的文件数达到上限。"),
			why:   say("The program opens many at once (the go command does), and the limit of this shell or container is low.", "程序（例如 go 命令）同时打开了许多文件，而当前 shell 或容器的上限太低。"),
			causes: []cause{
				because("raise it", "提高上限", "ulimit -n 4096"),
				because("in docker", "在 docker 中", "docker run --ulimit nofile=65536:65536 …"),
			}},
		{id: "locking", topic: "machine", key: "",
			match: []string{`(?:R?Lock|locking) \S+: (?:function not implemented|no locks available|operation not supported|resource temporarily unavailable)`, `\.lock: (?:function not implemented|no locks available|operation not supported)`},
			what:  say("Files in GOMODCACHE or GOCACHE cannot be locked.", "GOMODCACHE 或 GOCACHE 中的文件无法加锁。"),
			why:   say("They are on a network file system without locks (NFS, some FUSE mounts, Windows shares).", "它们位于不支持锁的网络文件系统上（NFS、某些 FUSE、Windows 共享）。"),
			causes: []cause{
				because("put the caches on a local disk", "把缓存放到本地磁盘", "go env -w GOMODCACHE=$HOME/.cache/gomod GOCACHE=$HOME/.cache/gobuild"),
			}, live: liveFolders},
		{id: "permission", topic: "machine", loose: true, key: "",
			match: []string{`(?:could not create module cache|failed to initialize build cache|go: (?:writing|creating|updating|open|mkdir)|unlinkat|rename|open|mkdir|remove) ?(?:at )?[^\n]*?(?P<dir>/[^\s:"]+|[A-Z]:\\[^\s:"]+)[^\n]*: (?:permission denied|Access is denied)`, `could not create module cache: "(?P<dir>[^"]+)" is not a directory`, `go: [^\n]*: permission denied`},
			what:  say("The go command may not write (or read) {dir}.", "go 命令没有权限写入（或读取）{dir}。"),
			why:   say("It belongs to another user: mostly a go command was run by sudo or as root once, or the image was built as root and runs as another.", "它属于另一个用户：多半曾用 sudo 或 root 执行过 go 命令，或镜像以 root 构建而以其他用户运行。"),
			causes: []cause{
				because("see whose it is", "看看属于谁", `ls -ld {dir}; id`),
				because("make the cache yours", "把缓存改归自己", `sudo chown -R "$(id -u):$(id -g)" "$(go env GOMODCACHE)" "$(go env GOCACHE)"`),
				because("or use another folder", "或使用别的目录", "export GOMODCACHE=$HOME/.cache/gomod GOCACHE=$HOME/.cache/gobuild"),
				because("files in GOMODCACHE are read-only on purpose: to delete them use", "GOMODCACHE 中的文件本来就是只读的：删除请用", "go clean -modcache"),
			}, live: liveFolders},
	}
}
