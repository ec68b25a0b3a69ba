package explain

import (
	"context"
	"regexp"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// showSetting tells what a setting is and where it was said.
func (s *scene) showSetting(name string) {
	text := s.setting(name)
	if text == "" {
		return
	}
	if name == "GOPROXY" {
		text = goenv.Shown(text)
	}
	s.found("%s is %s (%s).", "%s 是 %s（%s）。", name, mask(text), s.said(name))
}

// patterns adds what GOPRIVATE and GONOSUMDB are to be, so that they match the
// module and all that they match now.
func (s *scene) patterns() {
	pattern := s.fields["prefix"]
	if pattern == "" && strings.Contains(s.fields["package"], ".") {
		pattern, _, _ = strings.Cut(s.fields["package"], "/")
	}
	if pattern == "" {
		return
	}
	for _, name := range []string{"GOPRIVATE", "GONOSUMDB"} {
		list := s.setting(name)
		if list != "" && !goenv.Match(list, s.fields["module"]) {
			list += ","
		}
		if list == "" || strings.HasSuffix(list, ",") {
			list += pattern
		}
		s.fields[strings.ToLower(name)] = list
	}
}

// showVersion tells which go command there is.
func (s *scene) showVersion() {
	if s.around.Settings != nil && s.around.Settings.Version != "" {
		s.found("The go command here is %s, at %s.", "这里的 go 命令是 %s，位于 %s。", s.around.Settings.Version, s.around.Settings.Program)
	}
}

// position tells where in GOPROXY the server of the failure stands, and what
// the separator after it means. It reports whether it stands there.
func (s *scene) position() bool {
	if s.setting("GOPROXY") == "" {
		return false
	}
	list, _ := goenv.ParseList(s.setting("GOPROXY"))
	for i, e := range list {
		if e.URL == nil || e.URL.Host != s.fields["server"] && !(e.URL.Scheme == "file" && strings.HasPrefix(s.fields["server"], "file://"+e.URL.Path)) {
			continue
		}
		s.found("%s is entry %d of %d in GOPROXY=%s (%s).", "%s 是 GOPROXY=%[4]s 中的第 %[2]d 项（共 %[3]d 项，%[5]s）。", e.Shown(), i+1, len(list), goenv.Shown(s.setting("GOPROXY")), s.said("GOPROXY"))
		absent := strings.Contains(s.message, "404 Not Found") || strings.Contains(s.message, "410 Gone")
		switch {
		case i == len(list)-1 || e.Sep == 0:
			s.found("Nothing comes after it.", "它后面没有别的项。")
		case e.Sep == ',' && !absent:
			s.found("A “,” follows it: the go command goes on to the next entry after 404 and 410 only, and this was something else.", "它后面是“,”：只有 404 和 410 才会继续问下一项，而这次不是。")
		case e.Sep == '|':
			s.found("A “|” follows it: the go command went on after this error as well; what you see is the error that it took for the most telling.", "它后面是“|”：出错后 go 命令也会继续；这里显示的是它认为最有用的那个错误。")
			s.ruleOutHere("separator")
		}
		return true
	}
	return false
}

// private tells whether the module of the failure is named private, and what
// follows from that. It reports whether outsiders may be asked about it.
func (s *scene) private() (open bool) {
	settings, path := s.around.Settings, s.fields["module"]
	if settings == nil || path == "" {
		return false
	}
	switch {
	case settings.Private(path):
		s.found("GOPRIVATE=%s matches %s (%s): it is fetched from its own host, and no proxy and no database is asked.", "GOPRIVATE=%s 匹配 %s（%s）：直接从源站获取，不询问代理和校验和数据库。", settings.Text("GOPRIVATE"), path, s.said("GOPRIVATE"))
		s.ruleOutHere("private", "mirror")
	case settings.NoProxy(path):
		s.found("GONOPROXY=%s matches %s (%s): it is fetched from its own host, and no proxy is asked.", "GONOPROXY=%s 匹配 %s（%s）：直接从源站获取，不询问代理。", settings.Text("GONOPROXY"), path, s.said("GONOPROXY"))
	default:
		return true
	}
	return false
}

// liveGOPROXY tells about the proxy that failed.
func liveGOPROXY(_ context.Context, s *scene) {
	if !s.position() {
		s.showSetting("GOPROXY")
	}
	s.private()
}

// livePrivate tells whether the module is named private.
func livePrivate(_ context.Context, s *scene) { s.private() }

// liveModule tells how the module comes here: what failed is its own host, not a proxy.
func liveModule(_ context.Context, s *scene) {
	if s.private() {
		list, _ := goenv.ParseList(s.setting("GOPROXY"))
		urls := 0
		for urls < len(list) && list[urls].URL != nil {
			urls++ // those that come before direct or off
		}
		if urls == 0 && len(list) > 0 {
			s.found("GOPROXY=%s asks no proxy (%s): everything is fetched from its own host.", "GOPROXY=%s 不询问任何代理（%s）：一切都直接从源站获取。", goenv.Shown(s.setting("GOPROXY")), s.said("GOPROXY"))
			s.likelyHere("mirror", "public")
		} else if urls > 0 && !s.around.Elsewhere {
			// The go command comes to a host only by "direct", after the proxies before it.
			if strings.Contains(s.setting("GOPROXY"), "|") {
				s.found("GOPROXY=%s was asked first, and gave nothing: it does not have the module, or failed (after “|” the go command goes on in silence).", "已先询问 GOPROXY=%s，但没有取到：它没有这个模块，或当时出错（“|”之后 go 命令会不声不响地继续）。", goenv.Shown(s.setting("GOPROXY")))
			} else {
				s.found("GOPROXY=%s was asked first, and none of it has the module: it is new, private or mistyped.", "已先询问 GOPROXY=%s，其中都没有这个模块：它很新、是私有的，或写错了。", goenv.Shown(s.setting("GOPROXY")))
				s.ruleOutHere("public")
			}
		}
	}
	if s.around.getenv("CI") == "" {
		s.ruleOutHere("ci")
	}
}

// liveGOVCS tells the rule that forbids.
func liveGOVCS(c context.Context, s *scene) {
	s.showSetting("GOVCS")
	liveModule(c, s)
}

// liveSSH finds out which host is meant.
func liveSSH(c context.Context, s *scene) {
	for _, exp := range []string{`\b(?:git|gitea|hg)@([\w.-]+)[:/ ]`, `ssh://(?:[\w.-]+@)?([\w.-]+)`} {
		if m := regexp.MustCompile(exp).FindStringSubmatch(s.message); m != nil {
			s.fields["host"] = strings.TrimSuffix(m[1], ":")
			break
		}
	}
	liveModule(c, s)
}

// liveGOFLAGS tells what GOFLAGS adds to each command.
func liveGOFLAGS(_ context.Context, s *scene) {
	s.showSetting("GOFLAGS")
	for _, flag := range strings.Fields(s.setting("GOFLAGS")) {
		if strings.HasPrefix(strings.TrimPrefix(flag, "-"), "-mod=") || strings.HasPrefix(flag, "-mod=") {
			s.fields["modflag"] = flag
			s.likelyHere("goflags", "readonly")
		}
	}
}

// liveToolchain tells where toolchains come from.
func liveToolchain(_ context.Context, s *scene) {
	s.showVersion()
	s.showSetting("GOTOOLCHAIN")
	s.showSetting("GOPROXY")
	list, _ := goenv.ParseList(s.setting("GOPROXY"))
	for _, e := range list {
		if e.URL != nil {
			s.ruleOutHere("off")
			return
		}
	}
	if len(list) > 0 {
		s.likelyHere("off")
	}
}

// liveFolders tells where things are written to.
func liveFolders(_ context.Context, s *scene) {
	for _, name := range []string{"GOMODCACHE", "GOCACHE"} {
		s.showSetting(name)
	}
}

// liveHere tells where the go command looked for a go.mod.
func liveHere(_ context.Context, s *scene) {
	switch mod := s.setting("GOMOD"); {
	case mod == "" || s.around.Elsewhere:
	case mod == "/dev/null" || mod == "NUL":
		s.found("From this folder the go command finds no go.mod.", "从当前目录出发，go 命令找不到 go.mod。")
	default:
		s.found("From this folder the go command finds %s: the failing command ran in another one.", "从当前目录出发，go 命令能找到 %s：出错的命令是在别的目录执行的。", mod)
	}
	if s.setting("GO111MODULE") == "off" {
		s.showSetting("GO111MODULE")
	}
}

// liveOutbound tells which outbound proxy is set.
func liveOutbound(c context.Context, s *scene) {
	some := false
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		if v := s.around.getenv(name); v != "" {
			some = true
			s.found("The environment has %s=%s.", "环境变量 %s=%s。", name, mask(v))
		}
	}
	if !some && s.around.Getenv != nil && !s.around.Elsewhere {
		s.found("This shell has no HTTPS_PROXY: the failing command ran in another environment, or git has a proxy of its own (git config http.proxy).", "当前 shell 没有 HTTPS_PROXY：出错的命令是在别的环境里执行的，或 git 有自己的代理设置（git config http.proxy）。")
	}
	if s.around.Prober != nil {
		s.way(c)
	}
}

// certificateText describes a certificate.
func certificateText(subject, issuer, from, to string) lang.Text {
	return lang.Text{En: "It shows the certificate “" + subject + "”, issued by “" + issuer + "”, valid from " + from + " to " + to + ".", Zh: "它出示的证书是“" + subject + "”，由“" + issuer + "”签发，有效期 " + from + " 至 " + to + "。"}
}
