package ci

import (
	"path"
	"slices"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// gitlab makes a template .godown, for all jobs that build Go, and a job that extends it.
func (l *plan) gitlab() []File {
	p := l.page("#")
	p.say("", lang.Text{En: "For each job that builds Go: extends: .godown", Zh: "凡是构建 Go 的作业都可以写：extends: .godown"})
	p.put(".godown:\n  image: %s", l.image())
	p.put("  variables:")
	p.env("    ", l.settings())
	p.put("    GOCACHE: $CI_PROJECT_DIR/.cache/go-build")
	if l.running() {
		p.say("    ", lang.Text{En: "What godown has verified is kept from job to job.", Zh: "godown 校验过的文件在各个作业之间保留。"})
		p.put("    GODOWN_DATA: $CI_PROJECT_DIR/.cache/godown")
	} else {
		p.put("    GOMODCACHE: $CI_PROJECT_DIR/.cache/mod")
		p.say("    ", lang.Text{En: "Else the runner cannot remove the module cache: its folders are read-only.", Zh: "模块缓存默认是只读的，不加这个 runner 清理时会失败。"})
		p.put("    GOFLAGS: -modcacherw")
	}
	l.gitlabCache(p)
	if l.o.Auth == "oidc" {
		p.say("  ", lang.Text{En: "A token that says which job it is; 'godown auth' shows it to the server.", Zh: "证明作业身份的令牌，由 godown auth 出示给服务器。"})
		p.put("  id_tokens:\n    GODOWN_ID_TOKEN:\n      aud: %s", scalar(l.o.Server))
		l.notes = append(l.notes, audience(l.o.Server))
	}
	l.gitlabBefore(p)
	p.put("")
	p.put("go:\n  extends: .godown\n  script:")
	p.put("    - go build %s", l.all())
	p.put("    - go test %s", l.all())
	return []File{{Name: ".gitlab-ci.yml", Style: YAML, Mark: "#", Job: "go:\n  extends: .godown\n", Sections: []Section{{Keys: []string{".godown", "go"}, Text: p.String()}}}}
}

func (l *plan) gitlabCache(p *page) {
	p.put("  cache:")
	if l.running() {
		// What godown keeps is right for any go.sum, and GitLab has no way to take the nearest of several caches.
		p.say("    ", lang.Text{En: "One for all versions of go.sum: after a change only new modules are fetched.", Zh: "go.sum 的各个版本共用一份：go.sum 变了，也只下载新增的模块。"})
		p.put("    key: godown")
	} else {
		p.put("    key:\n      prefix: godown")
		sums := l.sums(l.p.Sub)
		if len(sums) > 2 {
			p.say("      ", lang.Text{En: "GitLab takes two files at most.", Zh: "GitLab 最多支持两个文件。"})
			sums = sums[:2]
		}
		p.put("      files:")
		for _, name := range sums {
			p.put("        - %s", name)
		}
	}
	p.put("    paths:\n      - .cache/")
}

func (l *plan) gitlabBefore(p *page) {
	p.put("  before_script:")
	if add := l.packages(true); add != "" {
		p.put("    - %s", add)
	}
	if l.p.Sub != "." {
		p.put("    - cd %s", path.Clean(l.p.Sub))
	}
	if l.installs() {
		p.say("    ", l.installText())
		p.put("    - %s", l.install())
	}
	v := vault{files: true, token: "env:CI_JOB_TOKEN", user: "gitlab-ci-token"}
	place := lang.Text{En: "The CI/CD variable", Zh: "CI/CD 变量"}
	file := lang.Text{En: "The CI/CD variable of type File", Zh: "类型为 File 的 CI/CD 变量"}
	switch {
	case l.o.Auth == "token" && l.running():
		p.say("    ", lang.Text{En: "The job's own token may read projects of this GitLab that allow it (Settings, CI/CD, Job token permissions).\nFor another host store a token as a masked CI/CD variable and name that.", Zh: "作业自带的令牌可以读取本 GitLab 中允许它访问的项目（设置 → CI/CD → 作业令牌权限）。\n如果是别的主机，请把令牌存为隐藏的（masked）CI/CD 变量，再改用那个变量。"})
		if slices.ContainsFunc(l.private, foreign) {
			l.need(place, "GIT_TOKEN", l.token())
		}
	case l.o.Auth == "token":
		l.need(place, "GODOWN_TOKEN", l.token())
	case l.o.Auth == "netrc":
		l.need(file, "NETRC", netrcText())
	case l.o.Auth == "ssh":
		l.need(file, "GIT_SSH_KEY", keyText())
		l.need(file, "GIT_KNOWN_HOSTS", hostsText())
	}
	if lines := l.fetch(v); len(lines) == 1 {
		p.put("    - %s", scalar(lines[0]))
	} else if lines != nil {
		// A shell of its own: the trap is this script's, not the job's.
		p.put("    - |\n      (\n%s      )", shift(joined(lines), "      "))
	}
	if l.p.Vendor && l.packages(true) == "" && l.p.Sub == "." {
		p.put("    - go version")
	}
}
