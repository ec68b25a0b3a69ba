package explain

// pathEntries are about modules and packages that are known by several paths.
func pathEntries() []entry {
	return []entry{
		{id: "declared-path", topic: "versions", key: "module",
			match: []string{`(?:(?P<module>[^\s@:]+)@(?P<version>[^\s:]+): )?(?:parsing go\.mod:\s+)?module declares its path as: (?P<declared>\S+)\s+but was required as: (?P<module>\S+)`},
			what:  say("{module} calls itself {declared} in its go.mod.", "{module} 在自己的 go.mod 里声明的名字是 {declared}。"),
			why:   say("A module is used by the name that it gives itself. It was renamed, is a fork that kept the old name, or the path is written with other capital letters.", "模块只能用它自己声明的名字。可能已改名、是保留原名的 fork，或路径大小写不同。"),
			causes: []cause{
				because("import it by its own name", "用它自己的名字导入", "go get {declared}@latest && go mod tidy", "grep -rn {module} '--include=*.go' ."),
				named("fork", because("you want the fork: keep importing {declared}, and replace it", "想用的是 fork：仍导入 {declared}，再用 replace 指向它", "go mod edit -replace {declared}={module}@{version} && go mod tidy")),
				because("a dependency still uses the old name: hold it at a version before the rename, or upgrade who requires it", "某个依赖仍用旧名：把它固定在改名之前的版本，或升级依赖它的模块", "go mod graph | grep ' {module}@'"),
			}, live: livePrivate},
		{id: "ambiguous-import", topic: "versions", key: "package",
			match: []string{`ambiguous import: found package (?P<package>\S+) in multiple modules:\s+(?P<one>\S+)(?: (?P<v1>v\S+))?[^\n]*\n\s*(?P<two>\S+)(?: (?P<v2>v\S+))?`},
			what:  say("Two modules have the package {package}: {one} {v1} and {two} {v2}.", "有两个模块都包含包 {package}：{one} {v1} 和 {two} {v2}。"),
			why:   say("A folder became a module of its own, and an old version of the outer module still has it. The go command does not choose.", "某个子目录独立成了模块，而外层模块的旧版本里还有它。go 命令不会替你选择。"),
			causes: []cause{
				because("upgrade the outer module to a version that no longer has the folder", "把外层模块升级到不再包含该目录的版本", "go get {one}@latest && go mod tidy"),
				because("or drop the inner one, if nothing else needs it", "如果没有其他依赖需要，去掉内层模块", "go get {two}@none && go mod tidy"),
				because("see who brings them in", "看看是谁引入的", "go mod graph | grep -E ' ({one}|{two})@'"),
			}},
	}
}

// listVersions is that another version is to be chosen.
func listVersions() cause {
	return because("see which versions there are", "看看有哪些版本", "go list -m -versions {module}")
}

// versionEntries are about versions.
func versionEntries() []entry {
	return []entry{
		{id: "major-suffix", topic: "versions", key: "module",
			match: []string{`module contains a go\.mod file, so (?:module path must match major version|major version must be compatible)`, `go\.mod has (?:post-v\d+|non-\.\.\./v\d+) module path`, `(?:require (?P<module>[^\s:]+): )?version "(?P<version>[^"]+)" invalid: should be v\d+(?: or v\d+)?, not v\d+`, `invalid: should be v0 or v1, not v`, `missing \S*/?go\.mod and \.\.\./v\d+/go\.mod at revision`, `major version suffixes must be`, `invalid version: missing (?:\S+/)?go\.mod`},
			what:  say("Path and version of {module} {version} do not go together.", "{module} 的路径与版本 {version} 不匹配。"),
			why:   say("From v2 on the major version is a part of the path (example.com/m/v2), in the go.mod of the module and in every import.", "从 v2 开始，主版本号是路径的一部分（example.com/m/v2），模块的 go.mod 和每处导入都要写。"),
			causes: []cause{
				because("ask for it by the path with its suffix, and change the imports likewise", "用带后缀的路径获取，并同样修改导入", "go list -m -versions {module}/v2", "go get {module}/v2@latest"),
				because("the author tagged v2 or later without the suffix in go.mod: take the highest v0 or v1, or the commit", "作者打了 v2 以上的标签却没有在 go.mod 中加后缀：使用最高的 v0/v1 版本，或用提交号", "go list -m -versions {module}", "go get {module}@COMMIT"),
				because("it is your module: write the suffix into go.mod, and tag anew", "如果是你的模块：在 go.mod 中加上后缀，重新打标签", "go mod edit -module {module}/v2"),
			}},
		{id: "pseudo-version", topic: "versions", key: "module",
			match: []string{`invalid pseudo-version: (?P<reason>[^\n]+)`},
			what:  say("{version} of {module} is not what the commit would be called.", "{module} 的 {version} 与该提交应有的名字不符。"),
			why:   say("A pseudo-version holds the base tag, the commit's time in UTC and 12 digits of its hash, and all must be true. Here: {reason}.", "伪版本由基准标签、提交的 UTC 时间和 12 位哈希组成，都必须属实。这里：{reason}。"),
			causes: []cause{
				because("never write one by hand: name the commit or branch, and let the go command write it", "不要手写：给出提交号或分支，让 go 命令生成", "go get {module}@COMMIT"),
				because("the tags or the history of the repository were rewritten: an old go.mod names what is gone", "仓库的标签或历史被改写：旧 go.mod 指向的内容已不存在", "go get {module}@latest"),
			}},
		{id: "unknown-revision", topic: "versions", key: "module",
			match: []string{`unknown revision (?P<revision>[^\s,]+)`, `invalid version: (?:Bad Request|revision does not exist)`, `fatal: (?:bad revision|couldn't find remote ref)`},
			what:  say("{module} has no {revision}.", "{module} 没有 {revision}。"),
			why:   say("No tag, branch or commit of the repository has that name (a tag counts only in full: v1.2.3).", "仓库中没有这个名字的标签、分支或提交（标签必须写全：v1.2.3）。"),
			causes: []cause{
				listVersions(),
				because("the tag was not pushed, or without the v: git push --tags", "标签没有推送，或没有写 v：git push --tags", "git ls-remote --tags https://{module}"),
				because("for a module in a folder of the repository the tag begins with the folder: DIR/v1.2.3", "模块在仓库子目录中时，标签要以目录开头：DIR/v1.2.3"),
				because("the commit is gone (force-push, a squashed branch): take one that is there", "提交已不存在（强制推送、分支被压缩）：换一个存在的提交", "go get {module}@latest"),
				named("lag", because("it is minutes old, and the proxy remembers that it was absent: ask the origin once", "刚推送不久，代理还记着“不存在”：直接问一次源站", "GOPROXY=direct go get {module}@{version}")),
			}, live: liveNotFound},
		{id: "version-form", topic: "versions", key: "",
			match: []string{`go\.mod:\d+: require (?P<module>\S+): version "(?P<version>[^"]+)" invalid`, `version "?(?P<version>[^"\s]+)"? (?:is not canonical|invalid: must be of the form)`},
			what:  say("go.mod requires {module} in the version “{version}”, which is none.", "go.mod 要求 {module} 的版本“{version}”，但这不是版本号。"),
			why:   say("In go.mod a version begins with v and has three numbers. Names such as latest are for go get only.", "go.mod 里的版本以 v 开头并有三段数字。latest 之类只能用在 go get 里。"),
			causes: []cause{
				because("let the go command write it", "让 go 命令来写", "go mod edit -droprequire {module} && go get {module}@latest"),
			}},
		{id: "disallowed-version", topic: "versions", key: "module",
			match:  []string{`disallowed (?:module )?version`, `version "[^"]*" invalid: `, `invalid semantic version`},
			what:   say("“{version}” is no version that a module can have.", "“{version}” 不是合法的模块版本。"),
			why:    say("A version is v1.2.3 (perhaps with -pre.1), or the name of a branch, tag or commit made of letters, digits and . _ - / .", "版本应为 v1.2.3（可带 -pre.1），或由字母、数字和 . _ - / 组成的分支、标签、提交名。"),
			causes: []cause{listVersions(), because("use the commit where a branch has odd letters in its name", "分支名含特殊字符时改用提交号", "go get {module}@COMMIT")}},
		{id: "no-matching-versions", topic: "versions", key: "module",
			match: []string{`no matching versions for query "(?P<query>[^"]*)"`},
			what:  say("{module} has no version that fits “{query}”.", "{module} 没有符合“{query}”的版本。"),
			why:   say("The list of versions was read; none of them fits, or all that fit are retracted or excluded.", "已读到版本列表，但没有符合的，或符合的都被撤回、排除。"),
			causes: []cause{
				listVersions(),
				because("only pre-releases, or no tags at all: name a branch or commit", "只有预发布版本，或根本没有标签：用分支或提交", "go get {module}@main"),
				because("v2 and later are another path", "v2 及以上是另一个路径", "go list -m -versions {module}/v2"),
			}, live: liveNotFound},
		{id: "no-such-package", topic: "versions", key: "package",
			match: []string{`module (?P<module>\S+?)@(?P<version>\S+) found(?: \((?P<found>v[^)\s,]+)[^)]*\))?(?:, replaced by \S+)?, but does not contain package (?P<package>\S+)`, `module (?P<module>\S+) does not contain package (?P<package>\S+)`},
			what:  say("{module} {version} has no package {package}.", "{module} {version} 中没有包 {package}。"),
			why:   say("The module was found. The folder is not in this version: it was moved, deleted, or is newer or older than that.", "模块找到了，但这个版本里没有该目录：被移动、删除，或只存在于更新、更旧的版本。"),
			causes: []cause{
				because("look at what the version has", "看看这个版本有什么", "go doc {module}", "go list {module}/..."),
				because("another version has it: the newest, or the one that was used before", "换有它的版本：最新版，或以前用的版本", "go get {module}@latest", "go list -m -versions {module}"),
				because("the package moved to a module of its own: ask for it by its path", "包已独立成单独的模块：直接按它的路径获取", "go get {package}@latest"),
				because("two dependencies want the module from before and after a move: upgrade the one that is behind", "两个依赖分别需要移动前后的版本：升级落后的那个", "go mod why -m {module}"),
			}},
		{id: "malformed-path", topic: "versions", key: "",
			match: []string{`malformed module path "(?P<module>[^"]*)": (?P<reason>[^\n]+)`, `malformed import path "(?P<module>[^"]*)": (?P<reason>[^\n]+)`, `invalid import path:? "(?P<module>[^"]*)"`},
			what:  say("“{module}” is no import path: {reason}.", "“{module}” 不是合法的导入路径：{reason}。"),
			why:   say("An import path is host/path, without https:// before and without .git, blanks or capital drive letters.", "导入路径的形式是 host/path，前面没有 https://，也不含空格、盘符等字符。"),
			causes: []cause{
				because("write it as host/path@version", "写成 host/path@version", "go get HOST/PATH@latest"),
				because("a script puts it together from an empty variable, or passes flags after it: look at the command", "脚本用了空变量来拼接，或把参数放在了后面：检查命令本身"),
			}},
		{id: "dependency-go-mod", topic: "versions", key: "module",
			match: []string{`(?P<module>[^\s@]+)@(?P<version>[^\s:]+): parsing (?:\S*/)?go\.mod: (?P<reason>[^\n]+)`, `requires\s+(?P<module>[^\s@]+)@(?P<version>[^\s:]+): parsing go\.mod`},
			what:  say("The go.mod of {module} {version} cannot be read.", "{module} {version} 的 go.mod 无法解析。"),
			why:   say("It is its author's mistake, or needs a newer Go: {reason}", "这是作者的错误，或需要更新的 Go：{reason}"),
			causes: []cause{
				listVersions(),
				because("leave this version out", "排除这个版本", "go mod edit -exclude {module}@{version}"),
				because("your Go is older than the syntax: see which it is", "你的 Go 比它的语法旧：看看版本", "go version"),
			}},
	}
}

// projectEntries are about go.mod and what is imported.
func projectEntries() []entry {
	return []entry{
		{id: "unknown-directive", topic: "project", key: "directive",
			match: []string{`go\.(?:mod|work):(?P<number>\d+): unknown (?:directive|block type): (?P<directive>\S+)`},
			what:  say("Line {number} of go.mod begins with “{directive}”, which this go command does not know.", "go.mod 第 {number} 行以“{directive}”开头，当前 go 命令不认识。"),
			why:   say("It is a typo, a mark of a merge conflict, or newer than this Go: toolchain and godebug came with Go 1.21 and 1.23, tool and ignore with 1.24 and 1.25.", "可能是拼写错误、合并冲突标记，或比当前 Go 新：toolchain 始于 Go 1.21，godebug 始于 1.23，tool 始于 1.24，ignore 始于 1.25。"),
			causes: []cause{
				named("old", because("the Go here is older than the project: see which it is, and install a newer one", "这里的 Go 比项目旧：查看版本并升级", "go version", "which -a go")),
				because("correct the line (<<<<<<< is a conflict that was not resolved)", "修正这一行（<<<<<<< 是没有解决的合并冲突）", "git diff go.mod"),
			}},
		{id: "go-version-form", topic: "project", key: "",
			match: []string{`invalid go version '(?P<wanted>[^']*)': must match format (?P<format>\S+)`},
			what:  say("go.mod says go {wanted}, which this go command cannot read.", "go.mod 中写的是 go {wanted}，当前 go 命令读不懂。"),
			why:   say("Up to Go 1.20 only two numbers were allowed (go 1.20). From Go 1.21 on it may be three, as in go 1.21.0.", "Go 1.20 及以前只允许两段数字（go 1.20）。Go 1.21 起可以是三段，如 go 1.21.0。"),
			causes: []cause{
				named("old", because("the Go here is 1.20 or older and the project is newer: install a newer one", "这里的 Go 是 1.20 或更旧，而项目更新：安装新版本", "go version", "which -a go")),
				because("it is mistyped: write a version such as 1.24 or 1.24.0", "写错了：应写 1.24 或 1.24.0 这样的版本", "go mod edit -go=1.24"),
			}},
		{id: "replace-missing", topic: "project", key: "module",
			match: []string{`(?:(?P<module>[^\s@]+)(?:@\S+)?: )?replacement directory (?P<dir>\S+) does not exist`, `(?P<module>[^\s@]+)(?:@\S+)? \(replaced by (?P<dir>[./][^)]*)\): reading \S+go\.mod: open`, `reading (?P<dir>\.\.?/\S*)/go\.mod: open \S+: no such file`},
			what:  say("go.mod replaces {module} by the folder {dir}, which is not there (or has no go.mod).", "go.mod 用目录 {dir} 替换 {module}，但目录不存在（或其中没有 go.mod）。"),
			why:   say("A replace by a folder holds on the machine where it was written only.", "用本地目录的 replace 只在写它的那台机器上有效。"),
			causes: []cause{
				because("take the replacement out", "去掉这条 replace", "go mod edit -dropreplace {module} && go mod tidy"),
				because("check the folder out beside this one (in CI: a second checkout; in docker: a larger build context)", "把那个目录也检出到旁边（CI：多检出一个仓库；docker：扩大构建上下文）"),
				because("keep such replacements out of go.mod: a go.work that is not committed does the same", "不要把它写进 go.mod：用不提交的 go.work 即可", "go work init . {dir}"),
			}},
		{id: "go-mod-errors", topic: "project", key: "",
			match: []string{`errors parsing (?:\S*/)?go\.(?:mod|work):\s*(?:\n\s*)?(?P<reason>\S[^\n]*)`, `^(?:go: )?(?:\S*/)?go\.(?:mod|work):(?P<number>\d+):(?:\d+:)? (?P<reason>(?:usage|syntax|invalid|unterminated|unexpected|repeated|replacement|malformed|unknown|require|exclude|retract|module)[^\n]*)`, `error reading go\.mod: (?P<reason>[^\n]+)`},
			what:  say("go.mod (or go.work) cannot be read.", "go.mod（或 go.work）无法解析。"),
			why:   say("What is wrong: {reason}", "错误：{reason}"),
			causes: []cause{
				because("look at the line that the message names; take back what was not meant", "看提示中的那一行，撤销不该有的改动", "git diff go.mod"),
				because("a local path in replace begins with ./ or ../", "replace 中的本地路径必须以 ./ 或 ../ 开头"),
				because("without a module line: give it one", "如果没有 module 行：加上", "go mod edit -module=example.com/NAME"),
			}},
		{id: "no-go-mod", topic: "project", key: "",
			match: []string{`go\.mod file not found in current directory or any parent`, `cannot find main module`, `directory prefix \S+ does not contain main module`, `cannot determine module path for source directory`, `no modules were found in the current workspace`},
			what:  say("There is no go.mod in this folder or above it.", "当前目录及上级目录都没有 go.mod。"),
			why:   say("The command needs a module to work in.", "这条命令需要在模块内执行。"),
			causes: []cause{
				because("go to the folder of the project (in docker: WORKDIR, and COPY before RUN; in CI: the job's working directory)", "进入项目目录（docker：检查 WORKDIR，并先 COPY 再 RUN；CI：检查任务的工作目录）", "cd PROJECT && go env GOMOD"),
				because("a new project: begin a module", "新项目：初始化模块", "go mod init example.com/NAME"),
				because("to install a program, name its version", "安装程序时要写版本", "go install PACKAGE@latest"),
			}, live: liveHere},
		{id: "not-in-std", topic: "project", key: "package",
			match: []string{`package (?P<package>\S+) is not in (?:std|GOROOT)`},
			what:  say("There is no package {package} in the standard library.", "标准库中没有包 {package}。"),
			why:   say("Its first element has no dot, so it can only be from the standard library or the own module.", "第一段没有点号，所以只能来自标准库或本模块。"),
			causes: []cause{
				because("it is a package of your own: imports begin with the module's path in go.mod", "它是你自己的包：导入要以 go.mod 里的模块路径开头", "head -1 go.mod"),
				because("it is newer than this Go (slices, maps, log/slog: 1.21; iter, unique: 1.23; weak: 1.24; testing/synctest: 1.25)", "它比当前 Go 新（slices、maps、log/slog：1.21；iter、unique：1.23；weak：1.24；testing/synctest：1.25）", "go version"),
				because("GOROOT leads to another or a broken installation", "GOROOT 指向别的或损坏的安装", "go env GOROOT && which -a go"),
			}, live: func(_ ctx, s *scene) { s.showVersion() }},
		{id: "internal-package", topic: "project", key: "package",
			match: []string{`use of internal package (?P<package>\S+) not allowed`},
			what:  say("{package} is internal: only packages beside it may import it.", "{package} 是 internal 包：只有与它同级目录内的包才能导入。"),
			why:   say("It stands below a folder named internal of another module; its author promises nothing about it.", "它位于另一个模块的 internal 目录下，作者不对外承诺。"),
			causes: []cause{
				because("use the module's public packages", "使用该模块公开的包"),
				because("your module was renamed or forked, and imports still have the old path: change them", "你的模块改过名或是 fork，导入仍是旧路径：改掉", "head -1 go.mod", "grep -rn {package} '--include=*.go' ."),
			}},
		{id: "import-cycle", topic: "project", key: "",
			match:  []string{`import cycle not allowed`},
			what:   say("Packages import each other in a circle.", "包之间循环导入。"),
			why:    say("The lines above show the way round; go does not allow it.", "上面几行列出了环路；Go 不允许循环导入。"),
			causes: []cause{because("move what both need into a third package, or turn one of the imports into an interface", "把双方都需要的内容移到第三个包，或用接口去掉其中一个导入", "go list -f '{{.ImportPath}}: {{.Imports}}' ./...")}},
		{id: "case-collision", topic: "project", key: "",
			match: []string{`case-insensitive import collision: "(?P<one>[^"]+)" and "(?P<two>[^"]+)"`, `case-insensitive file name collision`},
			what:  say("The same package comes by two spellings: {one} and {two}.", "同一个包以两种大小写出现：{one} 和 {two}。"),
			why:   say("To Go these are two packages; on disks that do not tell case they would be one. Mostly the author changed the case of the repository's name (as with Sirupsen/logrus).", "对 Go 来说这是两个包，而在不区分大小写的磁盘上会冲突。多半是作者改过仓库名的大小写（如 Sirupsen/logrus）。"),
			causes: []cause{
				because("write it as its go.mod does, everywhere", "统一成它 go.mod 里的写法", "grep -rn -e {one} -e {two} '--include=*.go' ."),
				because("a dependency uses the old spelling: upgrade it", "某个依赖用旧写法：升级它", "go mod graph | grep -iE ' {one}@'"),
			}},
		{id: "not-required", topic: "project", key: "",
			match: []string{`no required module provides package (?P<package>[^\s;:]+)`, `module \S+ provides package (?P<package>\S+) and is replaced but not required`, `cannot find package "(?P<package>[^"]+)" in any of`},
			what:  say("go.mod requires no module that has the package {package}.", "go.mod 中没有提供包 {package} 的依赖。"),
			why:   say("The code imports it, and go.mod was not told. Since Go 1.16 build and test do not add requirements by themselves.", "代码导入了它，但 go.mod 没有记录。Go 1.16 起 build、test 不再自动添加依赖。"),
			causes: []cause{
				because("let the go command find and add what is missing", "让 go 命令查找并补上", "go mod tidy"),
				because("only this one", "只加这一个", "go get {package}"),
				named("own", because("it is a package of this very module: the folder is missing or mistyped, ignored by git, or generated code that was not generated", "它是本模块自己的包：目录缺失或写错、被 git 忽略，或是还没有生成的代码", "go generate ./...", "git check-ignore -v DIR")),
			}},
		{id: "updates-needed", topic: "project", key: "",
			match: []string{`updates to go\.mod needed`, `-mod=readonly: updates`, `updating go\.mod: existing contents have changed`},
			what:  say("go.mod is not up to date, and this command may not change it.", "go.mod 不是最新状态，而这条命令不能修改它。"),
			why:   say("What the dependencies require is higher than what go.mod says (after a merge or an edit by hand), or it was written by another Go.", "依赖所要求的版本高于 go.mod 的记录（合并或手工修改之后），或由其他版本的 Go 写成。"),
			causes: []cause{
				because("bring it up to date, and commit go.mod and go.sum", "更新它，并提交 go.mod 和 go.sum", "go mod tidy"),
				because("in CI: somebody forgot this before the commit; have the job say so", "在 CI 中：有人提交前忘了执行；让任务来检查", "go mod tidy -diff   # Go 1.23+"),
			}, live: liveGOFLAGS},
	}
}

// lateEntries are those that any other is better than.
func lateEntries() []entry {
	return []entry{
		{id: "own-package", topic: "project", key: "package",
			match: []string{`cannot find module providing package (?P<package>[^\s:]+)`},
			what:  say("No module has the package {package}.", "没有模块提供包 {package}。"),
			why:   say("The go command has tried every prefix of the path as a module.", "go 命令已把路径的每一级前缀都当作模块试过。"),
			causes: []cause{
				because("the import path is mistyped, or the package was removed", "导入路径写错，或该包已被移除"),
				because("it is private: tell the go command", "它是私有的：告诉 go 命令", "go env -w GOPRIVATE={goprivate}"),
				because("it is a package of your own that is not there yet (generated code)", "它是你自己还不存在的包（生成的代码）", "go generate ./..."),
			}},
		{id: "retracted", topic: "versions", key: "module",
			match: []string{`(?P<module>[^\s@]+)@(?P<version>[^\s:]+): retracted by module author(?:: (?P<reason>[^\n]+))?`},
			what:  say("The author has taken {module} {version} back.", "作者撤回了 {module} {version}。"),
			why:   say("It still builds; this is a warning. The reason: {reason}", "仍然可以构建，这只是警告。理由：{reason}"),
			causes: []cause{
				because("go to the newest version that stands", "换到最新的有效版本", "go get {module}@latest"),
				because("see all that are retracted, and why", "查看所有被撤回的版本和理由", "go list -m -u -f '{{.Retracted}}' {module}"),
			}},
		{id: "not-unpacked", topic: "machine", loose: true, key: "",
			match: []string{`mkdir \S+: file exists`, `rename \S+: (?:file exists|Access is denied|invalid cross-device link)`},
			what:  say("A file could not be put into its place in GOMODCACHE.", "文件无法放入 GOMODCACHE。"),
			why:   say("Another program holds it (an antivirus, an editor), or two file systems meet there.", "有别的程序占用（杀毒软件、编辑器），或跨越了两个文件系统。"),
			causes: []cause{
				because("run it again; leave GOMODCACHE out of the antivirus", "重试；把 GOMODCACHE 加入杀毒软件的排除列表", "go env GOMODCACHE"),
			}},
	}
}
