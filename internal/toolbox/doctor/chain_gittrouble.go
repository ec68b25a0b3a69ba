package doctor

import (
	"net/url"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// noGoImport returns that a module's page does not say where its repository is.
func noGoImport(host, path string, e probe.Exchange) Finding {
	x := Finding{
		ID: "go-import-absent", Severity: Fault,
		Title:       text("%s does not say where the repository of %s is", "%s 没有说明 %s 的仓库在哪里", host, path),
		Evidence:    []lang.Text{text("https://%s?go-get=1 answers %d without a go-import tag for it", "https://%s?go-get=1 返回 %d，没有对应的 go-import 标签", path, e.Status)},
		Consequence: text("The go command stops with: unrecognized import path.", "go 命令报错：unrecognized import path。"),
	}
	if e.Status == 401 || e.Status == 403 || e.HTML && namesOne(string(e.Body), []string{"sign in", "sign_in", "login", "登录"}) {
		x.Evidence = append(x.Evidence, text("it wants a login first", "它要求先登录"))
		x.Fixes = append(x.Fixes, Fix{Say: text("put a line into ~/.netrc: machine %s login NAME password TOKEN", "在 ~/.netrc 中加一行：machine %s login NAME password TOKEN", host)})
	}
	first, rest, _ := strings.Cut(path, "/")
	x.Fixes = append(x.Fixes, Fix{Say: text("check the path; a path with .git after the repository (%s/%s.git) needs no such page", "检查路径；在仓库名后加 .git（%s/%s.git）就不需要该页面", first, rest)})
	return x
}

// gitTrouble returns why git could not read a repository.
func (f *Facts) gitTrouble(kind gitKind, repo, said string) Finding {
	x := Finding{
		ID: "git-failed", Severity: Fault,
		Title:       text("git cannot read %s", "git 无法读取 %s", showRepo(repo)),
		Evidence:    []lang.Text{kind.text()},
		Consequence: text("The go command cannot fetch what is in it.", "go 命令无法获取其中的模块。"),
		Fixes:       []Fix{{Command: "GIT_TERMINAL_PROMPT=0 git ls-remote " + quote(showRepo(repo)), Say: text("see it for yourself", "自己看一看")}},
	}
	if line := firstLine(said); line != "" {
		x.Evidence = append(x.Evidence, text("git says: %s", "git 说：%s", line))
	}
	host, port := repo, ""
	if u, err := url.Parse(repo); err == nil {
		host = u.Hostname()
		if u.Scheme != "https" {
			port = u.Port()
		}
	}
	switch kind {
	case gitHostKey:
		x.ID = "ssh-host-unknown"
		x.Fixes = []Fix{knowHost(host, port)}
	case gitPublicKey:
		x.ID = "ssh-key-refused"
		x.Fixes = []Fix{{Command: "ssh -T git@" + host, Say: text("see which key is offered; then tell the host your public key (~/.ssh/id_ed25519.pub)", "看看用的是哪个密钥，再把公钥（~/.ssh/id_ed25519.pub）登记到该主机")}}
	case gitLogin:
		x.ID = "git-login"
		x.Consequence = text("The go command stops with: terminal prompts disabled, or could not read Username.", "go 命令报错：terminal prompts disabled，或 could not read Username。")
		x.Fixes = []Fix{
			{Say: text("put a line into ~/.netrc: machine %s login NAME password TOKEN", "在 ~/.netrc 中加一行：machine %s login NAME password TOKEN", host)},
			{Command: "git config --global url.ssh://git@" + host + "/.insteadOf https://" + host + "/", Say: text("or go by ssh, if the host knows your key", "或改走 ssh（如果该主机有你的公钥）")},
		}
	case gitCertificate:
		x.ID = "git-untrusted"
		x.Fixes = f.installAuthority()
	}
	return x
}

// knowHost says how ssh gets to know a host's key.
func knowHost(host, port string) Fix {
	if port != "" && port != "22" {
		host = "-p " + port + " " + quote(host)
	} else {
		host = quote(host)
	}
	return Fix{Command: "mkdir -p -m 700 ~/.ssh && ssh-keyscan " + host + " >> ~/.ssh/known_hosts", Say: text("after that compare the key (ssh-keygen -l -f ~/.ssh/known_hosts) with what the host publishes", "之后用 ssh-keygen -l -f ~/.ssh/known_hosts 与该主机公布的指纹核对")}
}

// firstLine returns the first line that says something: of git's it is the cause.
func firstLine(said string) string {
	for line := range strings.Lines(said) {
		if line = term.Clip(line, 200); line != "" {
			return line
		}
	}
	return ""
}
