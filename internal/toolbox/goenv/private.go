package goenv

import (
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// private plans GOPRIVATE, GONOPROXY and GONOSUMDB. The rule: GOPRIVATE always
// says what is private, so that a later change to public mirrors names none of it
// to them; GONOPROXY=none says that the mirror is our own and has it.
func (p *planning) private() {
	w := p.wish
	switch {
	case w.Private != nil && *w.Private == "":
		for _, name := range ModuleSettings()[2:] {
			p.set(name, "")
		}
	case w.Private != nil && p.own:
		p.set("GOPRIVATE", *w.Private)
		p.set("GONOPROXY", "none")
		p.set("GONOSUMDB", "")
		if w.NoProxy == nil {
			p.note(false, "private-proxy", "", lang.Text{
				En: "Private modules come through the proxy (GONOPROXY=none); without that, GOPRIVATE would send the go command past it, to git. If it does not have them, or is not your own: --no-proxy '%[1]s'.",
				Zh: "私有模块也走这个代理（GONOPROXY=none）；不设它的话，GOPRIVATE 会让 go 命令绕过代理直接访问 git。如果代理上没有这些模块，或者它不是你们自己的：--no-proxy '%[1]s'。"}.With(*w.Private))
		}
		if ownSums(p.will("GOSUMDB")) {
			p.set("GONOSUMDB", "none")
			if w.NoSum == nil {
				p.note(false, "private-sums", "", lang.Text{
					En: "They are checked in the checksum database of your own (GONOSUMDB=none). If it does not know them: --no-sum '%[1]s'.",
					Zh: "私有模块由你们自己的校验和数据库校验（GONOSUMDB=none）。如果该数据库没有收录它们：--no-sum '%[1]s'。"}.With(*w.Private))
			}
		}
	case w.Private != nil:
		p.set("GOPRIVATE", *w.Private)
		p.set("GONOPROXY", "")
		p.set("GONOSUMDB", "")
		if w.NoProxy == nil && slices.ContainsFunc(p.list, func(e Element) bool { return e.URL != nil }) {
			p.note(false, "private-direct", "", lang.Text{
				En: "Private modules come straight from git: the list has public mirrors, which must not learn their names.",
				Zh: "私有模块直接从 git 获取：列表里有公共镜像，不能让它们得知私有模块的名字。"})
		}
	case p.public && w.Target != nil:
		p.hide()
	}
	if w.NoProxy != nil {
		p.set("GONOPROXY", *w.NoProxy)
	}
	if w.NoSum != nil {
		p.set("GONOSUMDB", *w.NoSum)
	}
}

// hide keeps from public mirrors what was private behind a proxy of our own.
func (p *planning) hide() {
	secret := p.force("GOPRIVATE")
	if secret != "" && p.file("GONOPROXY") == "none" && p.wish.NoProxy == nil {
		p.set("GONOPROXY", "")
		p.note(false, "private-hidden", "", lang.Text{
			En: "GONOPROXY=none is taken back: %[1]s is private, and public mirrors must not learn these names. These modules come straight from git now.",
			Zh: "GONOPROXY=none 会被撤销：%[1]s 是私有的，不能让公共镜像得知这些名字。这些模块现在直接从 git 获取。"}.With(secret))
	}
	if secret != "" && p.file("GONOSUMDB") == "none" && p.wish.NoSum == nil && !ownSums(p.will("GOSUMDB")) {
		p.set("GONOSUMDB", "")
	}
}

// ownSums reports whether a value of GOSUMDB is a database with a key of its own.
func ownSums(value string) bool {
	return strings.Count(value, "+") >= 2 && !publicSums(value)
}

// look adds notes about what will be.
func (p *planning) look() {
	private, noProxy, noSum := p.will("GOPRIVATE"), p.will("GONOPROXY"), p.will("GONOSUMDB")
	if c, ok := p.now["GONOPROXY"]; ok && c.Unset {
		noProxy = private // as the go command takes it
	}
	if p.public && noSum != "" && noSum != "none" && private == "" && noProxy == "" {
		p.note(true, "names-leak", "godown use --private '"+noSum+"'", lang.Text{
			En: "GONOSUMDB=%[1]s looks like the names of private modules, but nothing keeps them from the public mirrors: the go command asks these for them.",
			Zh: "GONOSUMDB=%[1]s 看起来是私有模块，但没有任何设置阻止 go 命令向公共镜像查询它们，名字会因此泄露。"}.With(noSum))
	}
	if p.public && private != "" && noProxy == "none" {
		p.note(true, "names-leak", "godown use --no-proxy ''", lang.Text{
			En: "GONOPROXY=none with public mirrors: the names of private modules (GOPRIVATE=%[1]s) are asked of them.",
			Zh: "GONOPROXY=none 又使用公共镜像：go 命令会向它们查询私有模块（GOPRIVATE=%[1]s）的名字。"}.With(private))
	}
	if p.own && p.wish.Private == nil && private != "" && noProxy != "none" && p.wish.NoProxy == nil {
		p.note(false, "past-proxy", "godown use --no-proxy none", lang.Text{
			En: "Modules that match GOPRIVATE=%[1]s still go past this proxy, to git. If the proxy has them:",
			Zh: "匹配 GOPRIVATE=%[1]s 的模块仍会绕过这个代理直接访问 git。如果代理上有它们："}.With(private))
	}
	if p.will("GOSUMDB") == Off {
		p.note(true, "unchecked", "godown use --sumdb default", lang.Text{
			En: "GOSUMDB=off: what a mirror serves for a new module is not checked by anybody.",
			Zh: "GOSUMDB=off：新模块的内容由镜像说了算，没有任何校验。"})
	}
	p.lookAtList()
}

// lookAtList adds notes about the list itself.
func (p *planning) lookAtList() {
	if p.wish.Target == nil {
		return
	}
	for i, e := range p.list {
		if e.URL == nil {
			continue
		}
		// The next may be another of the same house, with the same policy.
		if e.Sep == '|' && !p.known(e.URL) && i+1 < len(p.list) && (p.list[i+1].Word == Direct || p.list[i+1].URL != nil && p.known(p.list[i+1].URL)) {
			p.note(true, "past-policy", "", lang.Text{
				En: "After %[1]s stands \"|\": what a proxy refuses by policy (403) the go command then asks of the next. Use \",\" if refusals are to count.",
				Zh: "%[1]s 后面是 “|”：被代理按策略拒绝（403）的模块，go 命令会接着向下一个去要。若要让拒绝生效，请用 “,”。"}.With(e.Shown()))
			break
		}
	}
	if slices.ContainsFunc(p.list, func(e Element) bool { return e.Is(Secret) }) {
		p.note(true, "secret", "", lang.Text{
			En: "The address holds a password, which is then in a file and in the go command's messages. A line \"machine HOST login USER password PASSWORD\" in ~/.netrc does the same.",
			Zh: "地址里带有密码，它会留在文件里，也会出现在 go 命令的报错里。在 ~/.netrc 写一行 “machine 主机 login 用户 password 密码” 效果相同。"})
	}
}
