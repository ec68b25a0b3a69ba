package ci

import (
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// compose makes a service that runs the go command and, without a server
// elsewhere, one of godown that it gets its modules from.
func (l *plan) compose() []File {
	f := File{Name: "compose.yaml", Style: YAML, Mark: "#"}
	if l.running() {
		f.Sections = append(f.Sections, Section{Key: "services", Keys: []string{"godown", "go"}, Text: l.composeGodown() + l.composeGo()})
		f.Sections = append(f.Sections, Section{Key: "volumes", Keys: []string{"godown", "go"}, Text: "godown:\ngo:\n"})
		return append([]File{}, l.composeSecrets(f))
	}
	f.Sections = append(f.Sections, Section{Key: "services", Keys: []string{"go"}, Text: l.composeGo()}, Section{Key: "volumes", Keys: []string{"go"}, Text: "go:\n"})
	return []File{f}
}

func (l *plan) composeGodown() string {
	p := l.page("#")
	p.say("", lang.Text{En: "The proxy, for this file's services and, at http://127.0.0.1:8080, for this machine.", Zh: "模块代理：供本文件里的服务使用；本机也可以通过 http://127.0.0.1:8080 访问。"})
	p.put("godown:\n  build:\n    dockerfile_inline: |")
	needs := l.o.Needs
	p.put("      FROM golang:%s-alpine AS build", needs)
	p.put("      RUN %s", l.install())
	p.put("      FROM alpine:3")
	p.put("      RUN apk add --no-cache ca-certificates git openssh-client && adduser -D -u 10001 godown && install -d -o godown -g godown /data")
	p.put("      COPY --from=build /go/bin/godown /usr/local/bin/godown")
	p.say("      ", lang.Text{En: "The go command's own settings, from which godown takes its upstream and checksum database.", Zh: "go 命令自带的设置，godown 从中取得上游和校验和数据库。"})
	p.put("      COPY --from=build /usr/local/go/go.env /usr/local/go/go.env")
	p.put("      USER 10001:10001")
	p.put("      ENTRYPOINT [\"godown\"]")
	p.put("  command: [serve, --listen, ':8080', --data, /data]")
	if all := l.settings(); len(all) > 0 || l.o.Auth != "none" {
		p.put("  environment:")
		for _, s := range all {
			if strings.HasPrefix(s.name, "GODOWN_") {
				p.env("    ", []setting{s})
			}
		}
		if l.o.Auth == "netrc" {
			p.put("    GODOWN_NETRC: /run/secrets/netrc")
		} else if l.o.Auth != "none" {
			p.put("    GODOWN_CONFIG: /godown.yaml\n  configs:\n    - source: godown\n      target: /godown.yaml")
		}
	}
	if names := l.composeNames(); names != nil {
		p.put("  secrets:")
		for _, name := range names {
			p.put("    - {source: %s, uid: '10001', mode: 0400}", name)
		}
	}
	p.put("  ports: ['127.0.0.1:8080:8080']")
	p.put("  volumes: ['godown:/data']")
	p.put("  cap_drop: [ALL]\n  security_opt: ['no-new-privileges:true']")
	p.put("  healthcheck:\n    test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8080/-/readyz']")
	p.put("    interval: 10s\n    timeout: 5s\n    start_period: 10s")
	p.put("  restart: unless-stopped")
	return p.String()
}

// composeNames are the secrets of the service godown.
func (l *plan) composeNames() []string {
	return map[string][]string{"token": {"git_token"}, "netrc": {"netrc"}, "ssh": {"git_ssh_key", "git_known_hosts"}}[l.o.Auth]
}

// composeSecrets adds where the secrets of the service godown come from.
func (l *plan) composeSecrets(f File) File {
	names := l.composeNames()
	if names == nil {
		return f
	}
	if l.o.Auth != "netrc" {
		p := l.page("#")
		p.say("", lang.Text{En: "It says where the secret is, and does not hold it.", Zh: "这里只写密钥在哪里，不含密钥本身。"})
		v := vault{token: "file:/run/secrets/git_token"}
		lines := l.config(v, "/run/secrets/git_")
		for i, line := range lines {
			// The names of compose's secrets, which stand in a folder.
			lines[i] = strings.Replace(line, "/run/secrets/git_key", "/run/secrets/git_ssh_key", 1)
		}
		p.put("godown:\n  content: %s", script("    ", lines))
		f.Sections = append(f.Sections, Section{Key: "configs", Keys: []string{"godown"}, Text: p.String()})
	}
	p := l.page("#")
	p.say("", lang.Text{En: "From the environment of 'docker compose up': in no image, and in no file.", Zh: "取自执行 docker compose up 时的环境变量，不进镜像，也不写文件。"})
	texts := map[string]lang.Text{"git_token": l.token(), "netrc": netrcText(), "git_ssh_key": keyText(), "git_known_hosts": hostsText()}
	place := lang.Text{En: "The environment variable", Zh: "环境变量"}
	for _, name := range names {
		variable := strings.ToUpper(name)
		if name == "netrc" {
			variable = "NETRC_TEXT"
		}
		p.put("%s:\n  environment: %s", name, variable)
		l.need(place, variable, texts[name])
	}
	f.Sections = append(f.Sections, Section{Key: "secrets", Keys: names, Text: p.String()})
	return f
}

// composeGo is the service of the go command.
func (l *plan) composeGo() string {
	p := l.page("#")
	p.say("", lang.Text{En: "The go command: docker compose run --rm go test ./...", Zh: "go 命令：docker compose run --rm go test ./..."})
	p.put("go:")
	if l.commands() {
		p.put("  build:\n    dockerfile_inline: |")
		p.put("      FROM golang:%s-%s AS godown", l.o.Needs, debian(l.o.Needs))
		p.put("      RUN %s", l.install())
		p.put("      FROM %s", l.image())
		p.put("      COPY --from=godown /go/bin/godown /usr/local/bin/godown")
	} else {
		p.put("  image: %s", l.image())
	}
	p.put("  profiles: [tools]\n  entrypoint: [go]\n  command: [test, %s]", strings.ReplaceAll(l.all(), " ", ", "))
	if l.running() {
		p.put("  depends_on:\n    godown: {condition: service_healthy}")
	}
	p.put("  environment:")
	if l.running() {
		p.put("    GOPROXY: http://godown:8080")
	}
	for _, s := range l.settings() {
		if !strings.HasPrefix(s.name, "GODOWN_") {
			p.env("    ", []setting{s})
		}
	}
	p.put("    GOPATH: /go\n    GOCACHE: /go/cache\n    HOME: /tmp")
	place := lang.Text{En: "The environment variable", Zh: "环境变量"}
	if l.commands() {
		p.say("    ", lang.Text{En: "Taken from the environment of 'docker compose run'.", Zh: "取自执行 docker compose run 时的环境变量。"})
		p.put("    GODOWN_TOKEN:\n    GOAUTH: godown auth")
		l.need(place, "GODOWN_TOKEN", l.token())
	}
	p.put("  working_dir: /src")
	p.say("  ", lang.Text{En: "It should be you, so that what it writes is yours: if you are not 1000 (id -u, id -g), put UID and GID into .env.", Zh: "应该是你自己的用户，这样它写出的文件归你所有：如果 id -u、id -g 不是 1000，请在 .env 里写上 UID 和 GID。"})
	p.put("  user: ${UID:-1000}:${GID:-1000}")
	p.put("  volumes:\n    - .:/src\n    - go:/go")
	if !l.running() && l.o.Auth == "netrc" {
		p.put("    - ${HOME}/.netrc:/tmp/.netrc:ro")
	}
	return p.String()
}
