package ci

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// github makes a workflow of GitHub's actions, or of Gitea's, which are much the same.
func (l *plan) github() []File {
	name, checkout, setup, cache := ".github/workflows/godown.yml", "v6", "v6", "v5"
	if l.target == "gitea" {
		// Those that run on Node.js 20, which older runners have.
		name, checkout, setup, cache = ".gitea/workflows/godown.yml", "v4", "v5", "v4"
	}
	p := l.page("#")
	p.put("go:")
	if l.target == "gitea" {
		p.say("  ", lang.Text{En: "A label of your runners. Actions come from where DEFAULT_ACTIONS_URL of app.ini says.", Zh: "填 runner 的标签。actions 从 app.ini 的 DEFAULT_ACTIONS_URL 指定的地方获取。"})
	}
	p.put("  runs-on: ubuntu-latest")
	p.put("  permissions:\n    contents: read")
	if l.o.Auth == "oidc" {
		p.say("    ", lang.Text{En: "The job may ask for a token that says which job it is; 'godown auth' shows it to the server.", Zh: "允许作业申请证明自己身份的令牌，由 godown auth 出示给服务器。"})
		p.put("    id-token: write")
	}
	if l.p.Sub != "." {
		p.put("  defaults:\n    run:\n      working-directory: %s", scalar(l.p.Sub))
	}
	if all := l.settings(); len(all) > 0 {
		p.put("  env:")
		p.env("    ", all)
	}
	p.put("  steps:")
	p.put("    - uses: actions/checkout@%s\n      with:", checkout)
	p.say("        ", lang.Text{En: "No later step can read the repository's token.", Zh: "后面的步骤读不到仓库令牌。"})
	p.put("        persist-credentials: false")
	l.setupGo(p, setup)
	if l.running() && !l.p.Vendor {
		l.keep(p, cache)
	}
	if l.installs() {
		p.say("    ", l.installText())
		p.put("    - run: %s", l.install())
	}
	l.githubFetch(p)
	p.put("    - run: go build %s", l.all())
	p.put("    - run: go test %s", l.all())
	return []File{{Name: name, Style: YAML, Mark: "#", Sections: []Section{
		{Keys: []string{"name", "on"}, Text: "name: godown\non: [push, pull_request]\n", New: true},
		{Key: "jobs", Keys: []string{"go"}, Text: p.String()},
	}}}
}

// setupGo writes the step that installs Go, and behind a server keeps what was downloaded.
func (l *plan) setupGo(p *page, version string) {
	p.put("    - uses: actions/setup-go@%s\n      with:", version)
	switch {
	case !l.file || l.o.Go != "":
		p.put("        go-version: '%s'", cmp.Or(l.exact, l.lang))
	case l.p.Work:
		p.put("        go-version-file: %s", path.Join(l.p.Sub, "go.work"))
	default:
		p.put("        go-version-file: %s", path.Join(l.p.Sub, "go.mod"))
	}
	if l.running() && !l.p.Vendor {
		p.say("        ", lang.Text{En: "godown's folder is kept in its place, below.", Zh: "改为缓存 godown 的目录，见下。"})
		p.put("        cache: false")
		return
	}
	p.say("        ", lang.Text{En: "Modules and build results are kept until this changes.", Zh: "这些文件不变，缓存的模块和构建结果就一直有效。"})
	if files := l.sums(l.p.Sub); len(files) == 1 {
		p.put("        cache-dependency-path: %s", files[0])
	} else {
		p.put("        cache-dependency-path: |\n          %s", strings.Join(files, "\n          "))
	}
}

// keep writes the step that keeps godown's folder.
func (l *plan) keep(p *page, version string) {
	var files []string
	for _, name := range l.sums(l.p.Sub) {
		files = append(files, "'"+name+"'")
	}
	p.put("    - uses: actions/cache@%s\n      with:", version)
	p.say("        ", lang.Text{En: "What godown has verified is kept from run to run: after a change of go.sum only new modules are fetched.", Zh: "godown 校验过的文件在各次运行之间保留：go.sum 变了，也只下载新增的模块。"})
	p.put("        path: |\n          ~/.cache/godown\n          ~/.cache/go-build")
	p.put("        key: godown-${{ runner.os }}-${{ runner.arch }}-${{ hashFiles(%s) }}", strings.Join(files, ", "))
	p.put("        restore-keys: godown-${{ runner.os }}-${{ runner.arch }}-")
}

func (l *plan) githubFetch(p *page) {
	lines := l.fetch(vault{token: "env:GIT_TOKEN"})
	if lines == nil {
		return
	}
	secrets := map[string][]string{}
	switch {
	case l.o.Auth == "token" && l.running():
		secrets["secrets"] = []string{"GIT_TOKEN"}
	case l.o.Auth == "token":
		secrets["secrets"] = []string{"GODOWN_TOKEN"}
	case l.o.Auth == "netrc":
		secrets["secrets"] = []string{"NETRC_TEXT"}
	case l.o.Auth == "ssh":
		secrets["secrets"], secrets["vars"] = []string{"GIT_SSH_KEY"}, []string{"GIT_KNOWN_HOSTS"}
	}
	texts := map[string]lang.Text{"GIT_TOKEN": l.token(), "GODOWN_TOKEN": l.token(), "NETRC_TEXT": netrcText(), "GIT_SSH_KEY": keyText(), "GIT_KNOWN_HOSTS": hostsText()}
	if len(secrets) > 0 {
		p.say("    ", lang.Text{En: "Secrets are there for this step alone: what is built and tested cannot read them. (Nor can pull requests from forks.)", Zh: "密钥只在这一步可见，构建和测试的代码读不到。（来自 fork 的 PR 也拿不到。）"})
	} else if l.o.Auth == "oidc" {
		p.say("    ", lang.Text{En: "After this step nothing needs the server.", Zh: "这一步之后不再需要服务器。"})
	}
	if len(lines) == 1 && len(secrets) == 0 {
		p.put("    - run: %s", lines[0])
		return
	}
	p.put("    - name: Download modules")
	if len(secrets) > 0 {
		p.put("      env:")
	}
	for _, where := range []string{"secrets", "vars"} {
		for _, name := range secrets[where] {
			p.put("        %s: ${{ %s.%s }}", name, where, name)
			kind := lang.Text{En: "The repository's secret", Zh: "仓库的 secret"}
			if where == "vars" {
				kind = lang.Text{En: "The repository's variable", Zh: "仓库的变量"}
			}
			l.need(kind, name, texts[name])
		}
	}
	p.put("      run: %s", script("        ", lines))
	if l.o.Auth == "oidc" {
		l.notes = append(l.notes, audience(l.o.Server))
	}
}

func audience(server string) lang.Text {
	return lang.Text{En: fmt.Sprintf("The token's audience is %s: what guards the server has to trust the CI system's issuer for it.", server), Zh: fmt.Sprintf("令牌的受众（aud）是 %s：服务器前的认证要信任该 CI 系统签发的令牌。", server)}
}
