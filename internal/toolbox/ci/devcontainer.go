package ci

import (
	"encoding/json"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// devcontainer makes a container to develop in, from Go's own image.
func (l *plan) devcontainer() []File {
	f := File{Name: ".devcontainer/devcontainer.json", Style: JSONC, Mark: "//"}
	p := l.page("//")
	p.put("\"name\": \"Go\",\n\"image\": %s,", quoted(l.image()))
	p.say("", lang.Text{En: "A user without rights, and what a shell needs.", Zh: "普通用户以及 shell 需要的工具。"})
	p.put("\"features\": {\n\t\"ghcr.io/devcontainers/features/common-utils:2\": {\"username\": \"vscode\"}\n},\n\"remoteUser\": \"vscode\",")
	f.Sections = append(f.Sections, Section{Keys: []string{"name", "image", "features", "remoteUser"}, Text: p.String(), New: true})
	env := l.page("//")
	var keys []string
	for _, s := range l.settings() {
		env.say("", s.why)
		env.put("%s: %s,", quoted(s.name), quoted(s.value))
		keys = append(keys, s.name)
	}
	if l.commands() {
		env.say("", lang.Text{En: "The go command asks it for the token, which it has from GODOWN_TOKEN, below.", Zh: "go 命令向它要令牌，令牌来自下面的 GODOWN_TOKEN。"})
		env.put("\"GOAUTH\": \"godown auth\",")
		keys = append(keys, "GOAUTH")
	}
	if keys != nil {
		f.Sections = append(f.Sections, Section{Key: "containerEnv", Keys: keys, Text: env.String()})
	}
	if l.commands() {
		r := l.page("//")
		r.say("", lang.Text{En: "From the environment of the machine that the editor runs on; it is in no image.", Zh: "取自运行编辑器的机器的环境变量，不进镜像。"})
		r.put("\"GODOWN_TOKEN\": \"${localEnv:GODOWN_TOKEN}\",")
		f.Sections = append(f.Sections, Section{Key: "remoteEnv", Keys: []string{"GODOWN_TOKEN"}, Text: r.String()})
		l.need(lang.Text{En: "The environment variable", Zh: "环境变量"}, "GODOWN_TOKEN", l.token())
	}
	l.devcontainerCommand(&f)
	return []File{f}
}

func (l *plan) devcontainerCommand(f *File) {
	if l.p.Vendor {
		return
	}
	p := l.page("//")
	keys := []string{"updateContentCommand"}
	if l.o.Auth == "netrc" {
		p.say("", lang.Text{En: "Read where it is, and not copied.", Zh: "直接读取原文件，不复制。"})
		p.put("\"mounts\": [\n\t\"source=${localEnv:HOME}${localEnv:USERPROFILE}/.netrc,target=/home/vscode/.netrc,type=bind,readonly\"\n],")
		keys = append(keys, "mounts")
	}
	if l.running() && (l.o.Auth == "token" || l.o.Auth == "ssh") {
		p.say("", lang.Text{En: "The editor lends the container your git credentials and ssh agent, and godown run uses git as you do.", Zh: "编辑器会把你的 git 凭据和 SSH agent 借给容器，godown run 使用 git 的方式与你本人相同。"})
	}
	commands := []string{l.download("")}
	if l.installs() {
		p.say("", l.installText())
		commands = []string{l.install(), l.download("")}
	}
	p.put("\"updateContentCommand\": %s,", quoted(strings.Join(commands, " && ")))
	f.Sections = append(f.Sections, Section{Keys: keys, Text: p.String()})
}

// quoted writes a text of JSON.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text always has a JSON
	return strings.TrimSuffix(b.String(), "\n")
}
