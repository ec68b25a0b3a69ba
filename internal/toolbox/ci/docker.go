package ci

import (
	"path"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// docker makes a Dockerfile: godown where it is needed, the build, and an image
// with the program alone, which runs as nobody.
func (l *plan) docker() []File {
	p := l.page("#")
	if l.installs() {
		l.dockerGodown(p)
	}
	p.put("FROM %s AS build", l.image())
	if add := l.packages(false); add != "" {
		p.put("RUN %s", add)
	}
	p.put("WORKDIR /src")
	if l.installs() {
		p.put("COPY --from=godown /go/bin/godown /usr/local/bin/godown")
	}
	for _, s := range l.settings() {
		p.say("", s.why)
		p.put("ENV %s=%s", s.name, dockerValue(s.value))
	}
	l.dockerModules(p)
	l.dockerBuild(p)
	l.dockerFinal(p)
	return []File{
		{Name: "Dockerfile", Style: Whole, Head: "# syntax=docker/dockerfile:1\n", Mark: "#", Sections: []Section{{Text: p.String()}}},
		l.dockerIgnore(),
	}
}

// dockerValue writes the value of an ENV instruction.
func dockerValue(s string) string {
	if strings.ContainsAny(s, " *?[]") {
		return `"` + s + `"`
	}
	return s
}

func (l *plan) dockerGodown(p *page) {
	p.say("", l.installText())
	needs := l.o.Needs
	if older(needs, l.lang) {
		needs = l.lang
	}
	if l.o.Variant == "alpine" {
		p.put("FROM golang:%s-alpine AS godown", needs)
	} else {
		p.put("FROM golang:%s-%s AS godown", needs, debian(needs))
	}
	p.put("RUN %s\n", l.install())
}

// dockerModules downloads into a layer of the stage build, which is made anew
// when go.mod or go.sum change. A cache mount in its place could be emptied
// while the layer is kept, and then the build would have to download without the secret.
func (l *plan) dockerModules(p *page) {
	if l.p.Vendor {
		p.put("COPY . .")
		return
	}
	whole := l.p.Work && len(l.p.Modules) > 8
	for _, m := range l.p.Modules {
		whole = whole || m.Local
	}
	p.put("")
	if whole {
		p.say("", lang.Text{En: "All of it: go.mod alone does not do where modules are replaced by folders.", Zh: "复制全部：模块被替换成本地目录时，只有 go.mod 不够。"})
		p.put("COPY . .")
	} else {
		p.say("", lang.Text{En: "A layer of its own: it is made anew only when these files change.", Zh: "单独一层：只有这些文件变了才重新下载。"})
		for _, line := range l.dockerCopies() {
			p.put("COPY %s", line)
		}
	}
	var mounts []string
	build := "docker build"
	command := l.download("")
	if l.running() {
		mounts = append(mounts, "--mount=type=cache,target=/var/cache/godown,id=godown")
		command = l.download("--data /var/cache/godown")
	}
	switch {
	case l.o.Auth == "netrc":
		mounts = append(mounts, "--mount=type=secret,id=netrc,required=true")
		if command = "NETRC=/run/secrets/netrc go mod download"; l.running() {
			command = l.download("--netrc /run/secrets/netrc --data /var/cache/godown")
		}
		build += ` --secret id=netrc,src="$HOME/.netrc"`
	case l.commands():
		mounts = append(mounts, "--mount=type=secret,id=godown_token,env=GODOWN_TOKEN,required=true")
		command = "GOAUTH='godown auth' " + command
		build += " --secret id=godown_token,env=GODOWN_TOKEN"
	case l.o.Auth == "token":
		mounts = append(mounts, "--mount=type=secret,id=git_token,env=GIT_TOKEN,required=true")
		command = l.download("--config /etc/godown.yaml --data /var/cache/godown")
		build += " --secret id=git_token,env=GIT_TOKEN"
	case l.o.Auth == "ssh":
		mounts = append(mounts, "--mount=type=ssh,required=true", "--mount=type=secret,id=known_hosts,required=true")
		command = l.download("--config /etc/godown.yaml --data /var/cache/godown")
		build += ` --ssh default --secret id=known_hosts,src="$HOME/.ssh/known_hosts"`
	}
	if l.running() && (l.o.Auth == "token" || l.o.Auth == "ssh") {
		p.say("", lang.Text{En: "It says where the secret is, and does not hold it.", Zh: "这里只写密钥在哪里，不含密钥本身。"})
		p.put("COPY <<'EOF' /etc/godown.yaml\n%sEOF", joined(l.config(vault{token: "env:GIT_TOKEN"}, "")))
	}
	if l.o.Auth != "none" {
		p.say("", lang.Text{En: "The secret is mounted for this command and is in no layer. Build with:\n  %s .", Zh: "密钥只在执行这条命令时挂载，不会留在任何一层里。构建命令：\n  %s ."}.With(build))
		l.notes = append(l.notes, lang.Text{En: "Build with: %s .", Zh: "构建命令：%s ."}.With(build))
	}
	p.put("RUN %s", strings.Join(append(mounts, command), " \\\n    "))
	if !whole {
		p.put("COPY . .")
	}
}

// dockerCopies are the arguments of COPY that bring what a download needs.
func (l *plan) dockerCopies() []string {
	var lines []string
	if l.p.Work {
		files := "go.work"
		if l.p.WorkSum {
			files += " go.work.sum"
		}
		lines = append(lines, files+" ./")
	}
	for _, m := range l.p.Modules {
		files := path.Join(m.Dir, "go.mod")
		if m.Sum {
			files += " " + path.Join(m.Dir, "go.sum")
		}
		lines = append(lines, files+" ./"+strings.TrimPrefix(m.Dir+"/", "./"))
	}
	return lines
}

// main is the package that the image is made of.
func (l *plan) main() string {
	if l.o.Package != "" {
		return l.o.Package
	}
	return l.p.Mains[0]
}

func (l *plan) dockerBuild(p *page) {
	pkg := l.main()
	if l.o.Package == "" && len(l.p.Mains) > 1 {
		l.notes = append(l.notes, lang.Text{En: "The image is made of %s; --package takes another: %s.", Zh: "镜像里装的是 %s；用 --package 可以换成：%s。"}.With(pkg, strings.Join(l.p.Mains[1:], ", ")))
	}
	p.put("")
	p.say("", lang.Text{En: "What was compiled is kept from build to build.", Zh: "编译结果在各次构建之间保留。"})
	cgo := "0"
	if l.p.CGO {
		cgo = "1"
	}
	p.put("RUN --mount=type=cache,target=/var/cache/go-build \\\n    GOCACHE=/var/cache/go-build CGO_ENABLED=%s go build -trimpath -ldflags='-s -w' -o /out/%s %s", cgo, l.p.binary(pkg), pkg)
}

func (l *plan) dockerFinal(p *page) {
	name := l.p.binary(l.main())
	p.put("")
	p.say("", lang.Text{En: "The image: the program, and nothing that built it. It runs as a user without rights.", Zh: "最终镜像：只有程序本身，没有构建工具，以非特权用户运行。"})
	switch {
	case l.o.Variant == "alpine":
		p.put("FROM alpine:3\nRUN apk add --no-cache ca-certificates tzdata")
	case l.o.Variant == "scratch":
		p.put("FROM scratch")
		p.put("COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/")
		p.put("COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /zoneinfo.zip\nENV ZONEINFO=/zoneinfo.zip")
	case l.p.CGO:
		p.put("FROM gcr.io/distroless/base-debian13:nonroot")
	default:
		p.put("FROM gcr.io/distroless/static-debian13:nonroot")
	}
	p.put("COPY --from=build /out/%s /usr/local/bin/%s", name, name)
	p.put("USER 65532:65532\nENTRYPOINT [\"/usr/local/bin/%s\"]", name)
}

// dockerIgnore keeps out of the build what must not be in it.
func (l *plan) dockerIgnore() File {
	p := l.page("#")
	p.say("", lang.Text{En: "The history, and what holds secrets: \"COPY . .\" would put them into a layer of the build.", Zh: "版本历史和含有密钥的文件：否则 COPY . . 会把它们带进构建的层里。"})
	p.WriteString(".git\n**/.env\n**/.env.*\n**/.netrc\n**/.git-credentials\n**/id_rsa\n**/id_ecdsa\n**/id_ed25519\n")
	p.say("", lang.Text{En: "A change of these builds nothing anew.", Zh: "改这些文件不必重新构建。"})
	p.WriteString("Dockerfile\n.dockerignore\n")
	return File{Name: ".dockerignore", Style: Ignore, Mark: "#", Sections: []Section{{Text: p.String()}}}
}
