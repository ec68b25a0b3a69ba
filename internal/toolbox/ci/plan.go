package ci

import (
	"go/version"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// Options say how the project is to be built.
type Options struct {
	Lang    lang.Language // of the comments
	Server  string        // the URL of a godown server; "" for "godown run"
	SumDB   string        // the line of the server's own checksum database, as for GOSUMDB; "" if it has none
	Private *string       // patterns of private modules; nil: those of Setting that concern the project, and inner hosts
	Setting string        // what GOPRIVATE is here
	Auth    string        // one of Auths
	Variant string        // one of Variants; "" is the target's own
	Package string        // the main package; "" is the first that was found
	Go      string        // the version of Go, such as "1.26"; "" is that of go.mod
	Here    string        // the version of Go that is here, for where go.mod's is too old
	Release string        // of godown, such as "v1.2.3"; "" for the latest
	Needs   string        // the version of Go that godown itself is built with
}

// Godown is the package that "go install" makes the program of.
const Godown = "github.com/godown-dev/godown/cmd/godown"

const (
	oldest = "1.21" // of Go with which a newer toolchain can be had, and for which there are images
	goauth = "1.24" // of Go that has GOAUTH with commands
)

// A plan is what the makers work from.
type plan struct {
	target  string
	p       *Project
	o       Options
	private []string
	lang    string // version of Go in the names of images, such as "1.26"
	exact   string // the same as semantic versions have it where it is a candidate: "1.27.0-rc.1"; else ""
	file    bool   // go.mod names that version
	notes   []lang.Text
}

func newPlan(target string, p *Project, o Options) (*plan, error) {
	l := &plan{target: target, p: p, o: o}
	if l.o.Auth == "" {
		l.o.Auth = "none"
	}
	if err := isOneOf("--auth", l.o.Auth, Auths()); err != nil {
		return nil, err
	}
	for _, step := range []func() error{l.checkServer, l.checkVariant, l.checkPackage, l.choosePrivate, l.chooseGo, l.checkAuth} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	l.remark()
	return l, nil
}

// checkServer refuses what would be a secret, or would have to be quoted.
func (l *plan) checkServer() error {
	if l.o.SumDB != "" {
		if l.o.Server == "" {
			return wrong("--sumdb is the checksum database of a server; name that with --server URL", "--sumdb 是服务器自己的校验和数据库；请同时用 --server URL 指明服务器")
		}
		if !regexp.MustCompile(`^[A-Za-z0-9.:/_-]+(\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+)?( https://[A-Za-z0-9.:/_-]+)?$`).MatchString(l.o.SumDB) {
			return wrong("--sumdb is not the line of a checksum database, NAME+HASH+KEY as 'godown sumdb key --quiet' prints it", "--sumdb 不是校验和数据库的 NAME+HASH+KEY 一行；请使用 godown sumdb key --quiet 的输出")
		}
	}
	if l.o.Server == "" {
		return nil
	}
	u, err := url.Parse(l.o.Server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return wrong("--server is not the URL of a server such as https://goproxy.corp.example", "--server 不是服务器的 URL；请写成 https://goproxy.corp.example 这样的形式")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return wrong("--server has a user, a password or a query in it, which would be written into files that many can read; give the bare URL, and --auth token or --auth netrc", "--server 里带有用户名、密码或查询参数，会写进很多人都能读到的文件；请只给 URL，再用 --auth token 或 --auth netrc")
	}
	if !regexp.MustCompile(`^https?://[A-Za-z0-9._:/\[\]~-]+$`).MatchString(l.o.Server) {
		return wrong("--server %q has characters that would have to be quoted differently in each file", "--server %q 含有特殊字符，各种文件里的引用规则不同，无法安全写入", l.o.Server)
	}
	l.o.Server = strings.TrimRight(l.o.Server, "/")
	if host := u.Hostname(); host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.") {
		return wrong("--server %s is this machine's own; a job or a container is another machine: name the server as others reach it, or leave --server away for 'godown run'", "--server %s 是本机地址，而作业或容器是另一台机器：请写别的机器访问它的地址，或去掉 --server 改用 godown run", l.o.Server)
	}
	if u.Scheme == "http" && l.o.Auth != "none" {
		return wrong("the go command shows a credential over https only, and --server is http; put TLS in front of it, or use --auth none", "go 命令只通过 https 发送凭据，而 --server 是 http；请给服务器加上 TLS，或使用 --auth none")
	}
	return nil
}

func (l *plan) checkVariant() error {
	if l.o.Variant == "" {
		return nil
	}
	if err := isOneOf("--variant", l.o.Variant, Variants()); err != nil {
		return err
	}
	switch {
	case l.target == "docker" && l.o.Variant == "scratch" && l.p.CGO:
		return wrong("the program uses C (import \"C\", or a module that does) and so needs a C library, which --variant scratch has not; take distroless or alpine", "程序用到了 C（import \"C\"，或依赖这样的模块），需要 C 库，而 --variant scratch 里没有；请用 distroless 或 alpine")
	case l.target == "docker", l.o.Variant == "alpine" && (l.target == "gitlab" || l.target == "jenkins"):
		return nil
	case l.target == "gitlab" || l.target == "jenkins":
		return wrong("--variant %s is an image to run a program in, without a shell; %s jobs need one to build in: alpine, or none", "--variant %s 是运行程序用的镜像，没有 shell；%s 的作业需要能构建的镜像：用 alpine，或不写", l.o.Variant, l.target)
	}
	return wrong("--variant is about base images, of which 'godown ci %s' has no choice", "--variant 用来选择基础镜像，godown ci %s 没有这个选择", l.target)
}

func (l *plan) checkPackage() error {
	if l.o.Package == "" {
		if l.target == "docker" && len(l.p.Mains) == 0 {
			return wrong("there is no main package in the project, so there is nothing to put into an image; a library is built and tested by 'godown ci github', gitlab, gitea or jenkins", "项目里没有 main 包，没有可以放进镜像的程序；库请用 godown ci github、gitlab、gitea 或 jenkins 来构建和测试")
		}
		return nil
	}
	if l.target != "docker" {
		return wrong("--package is what an image is made of; 'godown ci %s' builds all", "--package 指定镜像里装的程序；godown ci %s 会构建全部", l.target)
	}
	rel := path.Clean(strings.TrimPrefix(l.o.Package, "./"))
	if !plainPath(rel) {
		return wrong("--package %q is not a folder of the project such as ./cmd/x", "--package %q 不是项目里的目录；请写成 ./cmd/x 这样的形式", l.o.Package)
	}
	l.o.Package = "./" + rel
	if rel == "." {
		l.o.Package = "."
	}
	if !slices.Contains(l.p.Mains, l.o.Package) {
		return wrong("%s is no main package of the project; there are %s", "%s 不是项目的 main 包；有：%s", l.o.Package, orNone(l.p.Mains))
	}
	return nil
}

func orNone(all []string) lang.Text {
	if len(all) == 0 {
		return lang.Text{En: "none", Zh: "（无）"}
	}
	return lang.Same(strings.Join(all, ", "))
}

func (l *plan) choosePrivate() error {
	if l.o.Private == nil {
		var hosts []string
		l.private, hosts = l.p.privates(l.o.Setting)
		l.private = append(l.private, hosts...)
		if len(hosts) > 0 {
			l.notes = append(l.notes, lang.Text{En: "%s is taken for private by its name; --private says which modules are.", Zh: "按名字把 %s 当作私有模块；用 --private 可以明确指定。"}.With(strings.Join(hosts, ", ")))
		}
		if hosts := l.p.suspects(l.private); len(hosts) > 0 {
			l.notes = append(l.notes, lang.Text{En: "%s looks like a git server of your own. If its modules are private, give --private.", Zh: "%s 看起来像自建的 git 服务器。如果其中的模块是私有的，请加上 --private。"}.With(strings.Join(hosts, ", ")))
		}
	} else {
		for pattern := range strings.SplitSeq(*l.o.Private, ",") {
			if pattern = strings.TrimSpace(pattern); pattern != "" {
				l.private = append(l.private, pattern)
			}
		}
	}
	for _, pattern := range l.private {
		if _, err := path.Match(pattern, ""); err != nil || !regexp.MustCompile(`^[A-Za-z0-9._~*?/\[\]-]+$`).MatchString(pattern) {
			return wrong("%q is no pattern of module paths such as git.corp.example or *.corp.example/team", "%q 不是模块路径的模式；请写成 git.corp.example 或 *.corp.example/team 这样的形式", pattern)
		}
	}
	return nil
}

// chooseGo decides which version of Go builds: an image of it, or what go.mod says.
func (l *plan) chooseGo() error {
	given := strings.TrimPrefix(l.o.Go, "go")
	want := given
	if want == "" {
		for _, m := range l.p.Modules {
			want = later(want, later(m.Go, m.Toolchain))
		}
		l.file = want != "" && !older(want, oldest)
	}
	if given != "" && !version.IsValid("go"+given) {
		return wrong("--go %q is no version of Go such as 1.26 or 1.26.1", "--go %q 不是 Go 版本；请写成 1.26 或 1.26.1 这样的形式", l.o.Go)
	}
	if given != "" {
		for _, m := range l.p.Modules {
			if older(given, m.Go) && (strings.Count(given, ".") > 1 || older(minor(given), minor(m.Go))) {
				return wrong("--go %s is older than go %s, which %s demands", "--go %s 比 go %s 旧，而 %s 要求后者", given, m.Go, path.Join(m.Dir, "go.mod"))
			}
		}
	}
	if want == "" || older(want, oldest) {
		if given != "" {
			return wrong("--go %s is too old: godown is fetched with Go %s or newer", "--go %s 太旧：安装 godown 需要 Go %s 或更新的版本", given, oldest)
		}
		if want != "" {
			l.notes = append(l.notes, lang.Text{En: "go.mod says go %s, which is the least that will do, and for which no images are kept up. Go %s is used; --go names another.", Zh: "go.mod 写的是 go %s，这是最低要求，而且该版本的镜像早已不再维护。这里使用 Go %s；用 --go 可以指定别的版本。"}.With(want, minor(l.o.Here)))
		}
		want = minor(l.o.Here)
	}
	l.lang = minor(want)
	if given != "" {
		l.lang = tag(given)
	}
	if base, n, ok := strings.Cut(want, "rc"); ok {
		l.exact = base + ".0-rc." + n
	}
	return nil
}

// tag returns the version as images have it: 1.27rc1 is in 1.27-rc.
func tag(v string) string {
	if i := strings.Index(v, "rc"); i > 0 {
		return v[:i] + "-rc"
	}
	return v
}

// minor returns a version as images have it that get its fixes: 1.26 of 1.26.3.
func minor(v string) string {
	if strings.Contains(v, "rc") {
		return tag(v)
	}
	return strings.TrimPrefix(version.Lang("go"+v), "go")
}

func older(a, b string) bool {
	a, b = strings.TrimSuffix(a, "-rc"), strings.TrimSuffix(b, "-rc")
	return version.Compare("go"+a, "go"+b) < 0
}

func later(a, b string) string {
	if older(a, b) {
		return b
	}
	return a
}

func (l *plan) checkAuth() error {
	switch l.o.Auth {
	case "oidc":
		if l.o.Server == "" {
			return wrong("--auth oidc shows a server who the job is, and there is none: add --server URL; git hosts take a token, netrc or an ssh key", "--auth oidc 用来向服务器证明作业身份，但没有指定服务器：请加上 --server URL；git 主机请用 token、netrc 或 ssh")
		}
		if l.target != "github" && l.target != "gitlab" {
			return wrong("%s gives its jobs no OIDC token of their own; use --auth token, with a token that the job gets as a secret", "%s 不给作业发放 OIDC 令牌；请用 --auth token，把令牌作为密钥交给作业", l.target)
		}
	case "ssh":
		if l.o.Server != "" {
			return wrong("behind a server nobody but the server speaks with git hosts, so --auth ssh has no use; a client shows the server a token, netrc or OIDC", "使用服务器时，只有服务器会访问 git 主机，--auth ssh 没有用处；客户端向服务器出示的是 token、netrc 或 oidc")
		}
	}
	if command := l.o.Auth == "token" || l.o.Auth == "oidc"; command && l.o.Server != "" && older(l.lang, goauth) {
		return wrong("--auth %s is a GOAUTH command, which Go has since %s, and this builds with %s; use --auth netrc, or --go %[2]s or newer", "--auth %s 依靠 GOAUTH 命令，Go %s 起才支持，而这里用 %s 构建；请用 --auth netrc，或 --go %[2]s 及更新的版本", l.o.Auth, goauth, l.lang)
	}
	if l.p.Vendor && l.o.Auth != "none" && l.target != "compose" && l.target != "devcontainer" {
		return wrong("--auth %s would be of no use: there is a vendor folder, from which the go command builds without a download", "--auth %s 没有用处：项目里有 vendor 目录，go 命令直接用它构建，不会下载", l.o.Auth)
	}
	if l.o.Server == "" && l.o.Auth != "none" && len(l.private) == 0 && l.target != "devcontainer" {
		return wrong("--auth %s is for the hosts of private modules, and none are known here; name them with --private", "--auth %s 用于私有模块所在的主机，但这里没有已知的私有模块；请用 --private 指明", l.o.Auth)
	}
	return nil
}

// remark notes what is to be known of the project.
func (l *plan) remark() {
	if l.running() && len(l.private) > 0 && l.o.Auth == "none" && l.target != "devcontainer" && !l.p.Vendor {
		l.notes = append(l.notes, lang.Text{En: "Private modules (%s) come from their git hosts, which want a credential: --auth token, netrc or ssh.", Zh: "私有模块（%s）直接从 git 主机获取，那里需要凭据：请加 --auth token、netrc 或 ssh。"}.With(strings.Join(l.private, ", ")))
	}
	for _, name := range l.p.Missing {
		l.notes = append(l.notes, lang.Text{En: "%s is here but not in the repository (it lies outside, or .gitignore names it), so a checkout does not have it: it is left out.", Zh: "本地有 %s，但它不在仓库里（位于仓库之外，或被 .gitignore 忽略），检出的代码中不会有它，所以没有采用。"}.With(name))
	}
	if len(l.p.CModules) > 0 {
		l.notes = append(l.notes, lang.Text{En: "%s needs C, so C is compiled (CGO_ENABLED=1).", Zh: "%s 依赖 C，因此启用 cgo（CGO_ENABLED=1）。"}.With(strings.Join(l.p.CModules, ", ")))
	}
	if l.p.Vendor {
		l.notes = append(l.notes, lang.Text{En: "There is a vendor folder: the go command builds from it and downloads nothing, so the steps that download are left out.", Zh: "项目里有 vendor 目录：go 命令直接用它构建，不会下载任何模块，所以省略了下载步骤。"})
	}
	for _, m := range l.p.Modules {
		if m.Outside {
			l.notes = append(l.notes, lang.Text{En: "%s replaces a module by a folder outside of the project, which a checkout or a build context does not have.", Zh: "%s 用项目之外的目录替换了一个模块，检出的代码或构建上下文里不会有它。"}.With(path.Join(m.Dir, "go.mod")))
		}
	}
}

// running reports whether it is "godown run", and not a server.
func (l *plan) running() bool { return l.o.Server == "" }

// installs reports whether the program godown is needed where the build is.
func (l *plan) installs() bool {
	return !l.p.Vendor && (l.running() || l.commands())
}

// commands reports whether the go command calls 'godown auth'.
func (l *plan) commands() bool {
	return !l.running() && (l.o.Auth == "token" || l.o.Auth == "oidc")
}

// install is the command that fetches godown. It may need a newer Go than the
// project, which images and actions forbid by GOTOOLCHAIN=local.
func (l *plan) install() string {
	at := l.o.Release
	if at == "" {
		at = "latest"
	}
	command := "GOTOOLCHAIN=auto CGO_ENABLED=0 go install " + Godown + "@" + at
	if l.commands() && l.target != "docker" && l.target != "compose" {
		// The server wants to know who asks before there is a godown that says so. Empty is as if not set.
		command = "GOPROXY= GOSUMDB= " + command
	}
	return command
}

func (l *plan) installText() lang.Text {
	t := lang.Text{En: "The program godown, which %s.", Zh: "安装 godown 程序，%s。"}
	why := lang.Text{En: "the modules come through", Zh: "模块都经由它下载"}
	if !l.running() {
		why = lang.Text{En: "shows the server who asks", Zh: "由它向服务器出示身份"}
	}
	t = t.With(why)
	if l.commands() {
		t.En += " It comes from where Go takes modules by itself:\nwhere that cannot be reached, put it into the image."
		t.Zh += "它从 Go 默认的模块代理下载：\n如果那里访问不了，请把它放进镜像。"
	}
	if l.o.Release == "" {
		t.En += " Name a release in place of latest to keep it as it is."
		t.Zh += "要固定版本，请把 latest 换成一个发布版本号。"
	}
	return t
}

// download is the command that fetches all modules, after which nothing needs the network or a secret.
func (l *plan) download(flags string) string {
	if !l.running() {
		return "go mod download"
	}
	if flags != "" {
		flags += " "
	}
	return "godown run " + flags + "-- go mod download"
}

// all are the patterns of all packages. In a workspace "./..." is not enough.
func (l *plan) all() string {
	var dirs []string
	for _, m := range l.p.Modules {
		if m.Dir == "." {
			dirs = append(dirs, "./...")
		} else {
			dirs = append(dirs, "./"+m.Dir+"/...")
		}
	}
	return strings.Join(dirs, " ")
}

// sums are the files that say which modules are needed, seen from the folder that base is seen from.
func (l *plan) sums(base string) []string {
	var files []string
	for _, m := range l.p.Modules {
		if m.Sum {
			files = append(files, path.Join(base, m.Dir, "go.sum"))
		}
	}
	if l.p.WorkSum {
		files = append(files, path.Join(base, "go.work.sum"))
	}
	if len(files) == 0 {
		files = []string{path.Join(base, l.p.Modules[0].Dir, "go.mod")}
	}
	return files
}

// A setting is an environment variable of a build.
type setting struct {
	name, value string
	why         lang.Text
}

// settings are what the go command, or godown, is told; none is secret.
func (l *plan) settings() []setting {
	private := strings.Join(l.private, ",")
	var all []setting
	if !l.running() {
		all = append(all, setting{"GOPROXY", l.o.Server, lang.Text{En: "All modules come from the godown server.", Zh: "所有模块都从 godown 服务器下载。"}})
		switch {
		case l.o.SumDB != "":
			all = append(all, setting{"GOSUMDB", l.o.SumDB, lang.Text{En: "Its own checksum database proves public and private modules alike. This is a public key.", Zh: "服务器自己的校验和数据库，公开和私有模块都由它验证。这里是公钥，不是秘密。"}})
		case private != "":
			all = append(all, setting{"GONOSUMDB", private, lang.Text{En: "The public checksum database does not know private modules. (GOPRIVATE would go past the server.)", Zh: "公共校验和数据库里没有私有模块。（不要设 GOPRIVATE，那样会绕过服务器。）"}})
		}
		if l.commands() {
			all = append(all, setting{"GODOWN_SERVER", l.o.Server, lang.Text{En: "No other host is ever shown the token.", Zh: "令牌绝不会发给别的主机。"}})
		}
		if l.o.Auth == "oidc" && l.target == "github" {
			all = append(all, setting{"GODOWN_OIDC", "github", lang.Text{En: "GitHub is asked for a token for each job.", Zh: "每个作业都向 GitHub 索取令牌。"}})
		}
		if private != "" {
			all = append(all, setting{"GONOPROXY", "none", lang.Text{En: "Private modules come from the server too, whatever GOPRIVATE says on the machine.", Zh: "不管机器上的 GOPRIVATE 怎么设，私有模块也从服务器下载。"}})
		}
		return all
	}
	if private != "" {
		all = append(all,
			setting{"GODOWN_PRIVATE", private, lang.Text{En: "Never named to public mirrors; they come from their repositories.", Zh: "这些模块名绝不告诉公共镜像，直接从各自的仓库获取。"}},
			setting{"GONOSUMDB", private, lang.Text{En: "The public checksum database does not know them.", Zh: "公共校验和数据库里没有它们。"}})
	}
	return all
}

// command is how to make the same again.
func (l *plan) command() string {
	args := []string{"godown ci", l.target}
	add := func(flag, value string) {
		if value != "" {
			args = append(args, flag, word(value))
		}
	}
	add("--server", l.o.Server)
	add("--sumdb", l.o.SumDB)
	if l.o.Private != nil {
		args = append(args, "--private", word(strings.Join(l.private, ",")))
	}
	if l.o.Auth != "none" {
		add("--auth", l.o.Auth)
	}
	add("--variant", l.o.Variant)
	add("--package", l.o.Package)
	add("--go", l.o.Go)
	return strings.Join(args, " ")
}

// word quotes a value for a shell if it needs that.
func word(s string) string {
	if s != "" && regexp.MustCompile(`^[A-Za-z0-9_./:,=+@-]+$`).MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
