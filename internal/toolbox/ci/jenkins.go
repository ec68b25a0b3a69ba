package ci

import (
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// jenkins makes a declarative pipeline that runs in an image of Go.
func (l *plan) jenkins() []File {
	p := l.page("//")
	p.put("pipeline {\n    agent {")
	p.say("        ", lang.Text{En: "Needs the plugin Docker Pipeline.", Zh: "需要 Docker Pipeline 插件。"})
	p.put("        docker {\n            image '%s'", l.image())
	if l.packages(true) != "" {
		p.say("            ", lang.Text{En: "To add packages.", Zh: "安装软件包需要 root。"})
		p.put("            args '-u 0:0'")
	}
	p.put("        }\n    }")
	p.put("    environment {")
	for _, s := range l.settings() {
		p.say("        ", s.why)
		p.put("        %s = '%s'", s.name, s.value)
	}
	p.say("        ", lang.Text{En: "Kept with the workspace from build to build.", Zh: "随工作区在各次构建之间保留。"})
	p.put("        GOCACHE = \"${WORKSPACE}/.cache/go-build\"")
	var flags []string
	if l.running() {
		p.put("        GODOWN_DATA = \"${WORKSPACE}/.cache/godown\"")
	} else {
		p.put("        GOMODCACHE = \"${WORKSPACE}/.cache/mod\"")
		flags = append(flags, "-modcacherw")
	}
	if l.packages(true) != "" {
		p.say("        ", lang.Text{En: "Git would not tell root of a clone that is another user's, and go build would fail.", Zh: "以 root 运行时，git 会拒绝读取属于其他用户的仓库，go build 会因此失败。"})
		flags = append(flags, "-buildvcs=false")
	}
	if flags != nil {
		p.put("        GOFLAGS = '%s'", strings.Join(flags, " "))
	}
	p.say("        ", lang.Text{En: "The user that Jenkins runs the container as has no home.", Zh: "Jenkins 在容器里使用的用户没有主目录。"})
	p.put("        HOME = \"${WORKSPACE_TMP}\"")
	p.put("    }\n    stages {")
	l.jenkinsModules(p)
	p.put("        stage('Build') {\n            steps {")
	p.WriteString(l.sh("                ", []string{"go build " + l.all(), "go test " + l.all()}))
	p.put("            }\n        }\n    }\n}")
	return []File{{Name: "Jenkinsfile", Style: Whole, Mark: "//", Sections: []Section{{Text: p.String()}}}}
}

func (l *plan) jenkinsModules(p *page) {
	var lines []string
	if add := l.packages(true); add != "" {
		lines = append(lines, add)
	}
	if l.installs() {
		lines = append(lines, l.install())
	}
	fetch := l.fetch(vault{files: true, token: "env:GIT_TOKEN"})
	if len(lines)+len(fetch) == 0 {
		return
	}
	p.put("        stage('Modules') {\n            steps {")
	if l.installs() {
		p.say("                ", l.installText())
	}
	var bindings []string
	bind := func(kind, id, variable string, what lang.Text) {
		if kind == "sshUserPrivateKey" {
			bindings = append(bindings, kind+"(credentialsId: '"+id+"', keyFileVariable: '"+variable+"')")
		} else {
			bindings = append(bindings, kind+"(credentialsId: '"+id+"', variable: '"+variable+"')")
		}
		kinds := map[string]string{"string": "Secret text", "file": "Secret file", "sshUserPrivateKey": "SSH Username with private key"}
		l.need(lang.Text{En: "The credential (" + kinds[kind] + ")", Zh: "凭据（" + kinds[kind] + "）"}, id, what)
	}
	switch {
	case fetch == nil:
	case l.o.Auth == "token" && l.running():
		bind("string", "git-token", "GIT_TOKEN", l.token())
	case l.o.Auth == "token":
		bind("string", "godown-token", "GODOWN_TOKEN", l.token())
	case l.o.Auth == "netrc":
		bind("file", "netrc", "NETRC", netrcText())
	case l.o.Auth == "ssh":
		bind("sshUserPrivateKey", "git-ssh-key", "GIT_SSH_KEY", keyText())
		bind("file", "git-known-hosts", "GIT_KNOWN_HOSTS", hostsText())
	}
	if bindings == nil {
		p.WriteString(l.sh("                ", append(lines, fetch...)))
	} else {
		p.WriteString(l.sh("                ", lines))
		p.say("                ", lang.Text{En: "Credentials are there for this step alone, and masked in the log.", Zh: "凭据只在这一步可见，日志中会被掩盖。"})
		p.put("                withCredentials([%s]) {", strings.Join(bindings, ", "))
		p.WriteString(l.sh("                    ", fetch))
		p.put("                }")
	}
	p.put("            }\n        }")
}

// sh writes shell commands as steps, in single quotes: Groovy puts nothing in. A
// script of several lines is one step, whose lines are not indented: it may hold a here-document.
func (l *plan) sh(indent string, lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	inner := indent
	var b strings.Builder
	if l.p.Sub != "." {
		b.WriteString(indent + "dir('" + l.p.Sub + "') {\n")
		inner += "    "
	}
	if strings.Contains(strings.Join(lines, "\n"), "EOF") || strings.Contains(strings.Join(lines, "\n"), "trap ") {
		b.WriteString(inner + "sh '''\n" + strings.Join(lines, "\n") + "\n'''\n")
	} else {
		for _, line := range lines {
			b.WriteString(inner + "sh " + groovy(line) + "\n")
		}
	}
	if l.p.Sub != "." {
		b.WriteString(indent + "}\n")
	}
	return b.String()
}

// groovy writes a text that Groovy takes as it is.
func groovy(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
