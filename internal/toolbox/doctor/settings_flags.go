package doctor

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// askTimeout is how long the go command may take to say whether it takes its flags; it needs some 10 ms.
const askTimeout = 10 * time.Second

// checkFlags finds flags in GOFLAGS that the go command does not know any more, or that change what it fetches.
func checkFlags(ctx context.Context, f *Facts) []Finding {
	value := f.Settings.Text("GOFLAGS")
	if strings.TrimSpace(value) == "" {
		return nil
	}
	if words := f.goRefuses(ctx); words != "" {
		return []Finding{{
			ID: "goflags-invalid", Severity: Fault,
			Title:       text("The go command does not understand GOFLAGS", "go 命令看不懂 GOFLAGS"),
			Evidence:    []lang.Text{f.said("GOFLAGS"), text("go version: %s", "go version：%s", words)},
			Consequence: text("Every go command fails.", "所有 go 命令都会失败。"),
			Fixes:       []Fix{f.fixSet("GOFLAGS", "", text("takes all of it away", "全部清除"))},
		}}
	}
	var found []Finding
	flags := strings.Fields(value)
	without := func(flag string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(flags), func(s string) bool {
			return "-"+strings.TrimLeft(s, "-") == flag
		}), " ")
	}
	for _, flag := range flags {
		flag = "-" + strings.TrimLeft(flag, "-")
		switch flag {
		case "-insecure", "-insecure=true":
			found = append(found, Finding{
				ID: "goflags-insecure", Severity: Fault,
				Title:       text("GOFLAGS has -insecure, which is gone since Go 1.16", "GOFLAGS 里有 -insecure，它从 Go 1.16 起就没有了"),
				Evidence:    one(f.said("GOFLAGS")),
				Consequence: text(`go get fails with "-insecure flag is no longer supported; use GOINSECURE instead".`, "go get 会失败，报 -insecure flag is no longer supported; use GOINSECURE instead。"),
				Fixes:       []Fix{f.fixSet("GOFLAGS", without(flag), text("and name the hosts in GOINSECURE, if there are any", "如果确有需要，把主机写进 GOINSECURE"))},
			})
		case "-mod=vendor":
			found = append(found, f.noVendor(without(flag))...)
		case "-mod=mod":
			vendor := f.vendorFolder()
			if vendor == "" {
				continue
			}
			found = append(found, Finding{
				ID: "goflags-mod", Severity: Hint,
				Title:       text("GOFLAGS=-mod=mod passes this project's vendor folder over", "GOFLAGS=-mod=mod 使本项目的 vendor 目录不起作用"),
				Evidence:    []lang.Text{f.said("GOFLAGS"), text("there is %s", "有 %s", f.tilde(vendor))},
				Consequence: text("Builds fetch modules that are in the folder already, and may change go.mod and go.sum.", "构建会去下载该目录中已有的模块，还可能改动 go.mod 和 go.sum。"),
				Fixes:       []Fix{f.fixSet("GOFLAGS", without(flag), lang.Text{})},
			})
		case "-modcacherw", "-modcacherw=true":
			found = append(found, Finding{
				ID: "goflags-modcacherw", Severity: Hint,
				Title:       text("GOFLAGS=-modcacherw leaves the module cache open to changes", "GOFLAGS=-modcacherw 让模块缓存可以被改动"),
				Evidence:    one(f.said("GOFLAGS")),
				Consequence: text("Editors and scripts may change what is in it by mistake, and every project builds with that; go mod verify finds it.", "编辑器和脚本可能误改其中的内容，而所有项目都会用到；go mod verify 能发现。"),
				Fixes:       []Fix{f.fixSet("GOFLAGS", without(flag), lang.Text{})},
			})
		}
	}
	return found
}

// vendorFolder returns the project's vendor folder; "" if it has none.
func (f *Facts) vendorFolder() string {
	at := f.Settings.Text("GOWORK")
	if at == "" || at == "off" {
		at = f.Settings.Text("GOMOD")
	}
	dir := filepath.Join(filepath.Dir(at), "vendor")
	if info, err := os.Stat(filepath.Join(dir, "modules.txt")); at == "" || at == os.DevNull || err != nil || info.IsDir() {
		return ""
	}
	return dir
}

// noVendor finds -mod=vendor in a project without a vendor folder.
func (f *Facts) noVendor(without string) []Finding {
	at := f.Settings.Text("GOWORK")
	if at == "" || at == "off" {
		at = f.Settings.Text("GOMOD")
	}
	if at == "" || at == os.DevNull {
		return nil
	}
	dir := filepath.Join(filepath.Dir(at), "vendor")
	if f.vendorFolder() != "" {
		return nil
	}
	return []Finding{{
		ID: "goflags-vendor", Severity: Fault,
		Title:       text("GOFLAGS=-mod=vendor, but this project has no vendor folder", "GOFLAGS=-mod=vendor，但本项目没有 vendor 目录"),
		Evidence:    []lang.Text{f.said("GOFLAGS"), text("there is no %s", "没有 %s", f.tilde(filepath.Join(dir, "modules.txt")))},
		Consequence: text(`Builds with dependencies fail with "inconsistent vendoring" or "cannot find module providing package".`, "有依赖的构建会失败，报 inconsistent vendoring 或 cannot find module providing package。"),
		Fixes: []Fix{
			f.fixSet("GOFLAGS", without, text("go uses a vendor folder by itself where there is one", "有 vendor 目录时 go 会自动使用它")),
			{Command: "go mod vendor", Say: text("if there should be one", "如果本该有 vendor 目录")},
		},
	}}
}

// goRefuses returns what the go command says when it refuses to do anything at all because of GOFLAGS; "" if it does not.
func (f *Facts) goRefuses(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, f.Settings.Program, "version")
	cmd.Dir = f.Machine.Dir
	// Other troubles are those of other checks.
	cmd.Env = append(slices.Clone(f.Machine.Environ), "GOTOOLCHAIN=local", "GO111MODULE=", "GOWORK=off", "PWD="+f.Machine.Dir)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if cmd.Run() == nil || ctx.Err() != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
	if !strings.Contains(line, "GOFLAGS") {
		return ""
	}
	return shown(line)
}

// checkAuth finds a GOAUTH that cannot give any credentials.
func checkAuth(_ context.Context, f *Facts) []Finding {
	value := f.Settings.Text("GOAUTH")
	if strings.TrimSpace(value) == "" {
		return nil
	}
	bad := func(evidence lang.Text) []Finding {
		return []Finding{{
			ID: "goauth-invalid", Severity: Fault,
			Title:       text("The go command does not understand GOAUTH", "go 命令看不懂 GOAUTH"),
			Evidence:    []lang.Text{f.said("GOAUTH"), evidence},
			Consequence: text("It ends with an error as soon as it asks an https server for a module.", "一旦要向 https 服务器请求模块，它就会报错退出。"),
			Fixes:       []Fix{f.fixSet("GOAUTH", "", text("goes back to netrc, the default", "恢复默认的 netrc"))},
		}}
	}
	commands := strings.Split(value, ";")
	for _, c := range commands {
		words := strings.Fields(c)
		if len(words) == 0 {
			return bad(text(`there is nothing between two ";", or at an end`, "两个“;”之间或首尾是空的"))
		}
		switch words[0] {
		case "off":
			if len(commands) > 1 {
				return bad(text("off stands only on its own", "off 只能单独使用"))
			}
			if file := f.netrcFile(); file != "" && f.Settings.Text("GOPRIVATE")+f.Settings.Text("GONOPROXY") != "" {
				return []Finding{{
					ID: "goauth-off", Severity: Warning,
					Title:       text("GOAUTH=off: the credentials for private modules are not used", "GOAUTH=off：私有模块的凭据不会被使用"),
					Evidence:    []lang.Text{f.said("GOAUTH"), text("there are credentials in %s", "%s 里有凭据", f.tilde(file))},
					Consequence: text("Servers that want a login answer 401 or 404.", "需要登录的服务器会回答 401 或 404。"),
					Fixes:       []Fix{f.fixSet("GOAUTH", "", text("goes back to netrc, the default", "恢复默认的 netrc"))},
				}}
			}
		case "netrc":
		case "git":
			if len(words) != 2 || !filepath.IsAbs(words[1]) {
				return bad(text("git needs a folder with its full path: GOAUTH='git /home/me'", "git 后面要有一个目录的完整路径：GOAUTH='git /home/me'"))
			}
			if info, err := os.Stat(words[1]); err != nil || !info.IsDir() {
				return bad(text("there is no folder %s", "没有目录 %s", f.tilde(words[1])))
			}
		default:
			if _, err := f.Machine.LookPath(words[0]); err != nil {
				return []Finding{{
					ID: "goauth-command", Severity: Warning,
					Title:       text("GOAUTH's command %s is not there", "GOAUTH 的命令 %s 不存在", words[0]),
					Evidence:    one(f.said("GOAUTH")),
					Consequence: text("No credentials are sent, and the go command says nothing of it (only with -x): servers that want a login answer 401 or 404.", "不会发送任何凭据，而 go 命令对此一声不吭（只有 -x 才显示）：需要登录的服务器会回答 401 或 404。"),
					Fixes:       []Fix{{Say: text("install %s, or mend its path in GOAUTH", "安装 %s，或改正 GOAUTH 中的路径", words[0])}},
				}}
			}
		}
	}
	return nil
}

// netrcFile returns the file of credentials that the go command would read; "" if there is none.
func (f *Facts) netrcFile() string {
	file := f.Machine.Getenv("NETRC")
	if file == "" && f.Home != "" {
		name := ".netrc"
		if f.OS == "windows" {
			name = "_netrc"
		}
		file = filepath.Join(f.Home, name)
	}
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		return ""
	}
	return file
}

// checkVCS finds a GOVCS that cannot be read, or that forbids git for what is private.
func checkVCS(_ context.Context, f *Facts) []Finding {
	value := strings.TrimSpace(f.Settings.Text("GOVCS"))
	if value == "" {
		return nil
	}
	bad := func(evidence lang.Text) []Finding {
		return []Finding{{
			ID: "govcs-invalid", Severity: Fault,
			Title:       text("The go command does not understand GOVCS", "go 命令看不懂 GOVCS"),
			Evidence:    []lang.Text{f.said("GOVCS"), evidence},
			Consequence: text("Whatever comes straight from its host fails, private modules first of all.", "凡是直接从主机获取的都会失败，首先是私有模块。"),
			Fixes:       []Fix{f.fixSet("GOVCS", "", text("goes back to the default: git and hg for public modules, all for private ones", "恢复默认：公开模块用 git 和 hg，私有模块不限"))},
		}}
	}
	private := f.Settings.Text("GOPRIVATE")
	seen := make(map[string]bool)
	decided := false
	var found []Finding
	for item := range strings.SplitSeq(value, ",") {
		pattern, list, colon := strings.Cut(strings.TrimSpace(item), ":")
		pattern, list = strings.TrimSpace(pattern), strings.TrimSpace(list)
		allowed := strings.FieldsFunc(list, func(r rune) bool { return r == '|' || r == ' ' })
		switch {
		case !colon:
			return bad(text("%s has no colon; it should be PATTERN:SYSTEMS, such as *:git", "%s 缺少冒号；应写作 模式:系统，例如 *:git", quoted(item)))
		case pattern == "" || list == "" || strings.Count(list, "|")+1 != len(allowed):
			return bad(text("%s leaves something out; it should be PATTERN:SYSTEMS, such as *:git|hg", "%s 有缺漏；应写作 模式:系统，例如 *:git|hg", quoted(item)))
		case seen[pattern]:
			return bad(text("%s stands there twice", "%s 出现了两次", quoted(pattern)))
		case pattern == "." || pattern == ".." || strings.HasPrefix(pattern, "./") || strings.HasPrefix(pattern, "../"):
			return bad(text("%s is relative", "%s 是相对路径", quoted(pattern)))
		}
		seen[pattern] = true
		all := len(patternsOf(private)) > 0 && (pattern == "private" || pattern == "*" || len(uncovered(private, pattern)) == 0)
		if !all || decided {
			continue // not all of what is private, or said before
		}
		decided = true
		if !slices.Contains(allowed, "git") && !slices.Contains(allowed, "all") {
			found = append(found, Finding{
				ID: "govcs-private", Severity: Warning,
				Title:       text("GOVCS forbids git for private modules", "GOVCS 禁止用 git 获取私有模块"),
				Evidence:    []lang.Text{f.said("GOVCS"), f.said("GOPRIVATE"), text("decided by %s", "由 %s 决定", quoted(item))},
				Consequence: text(`They fail with "GOVCS disallows using git for private …".`, "它们会失败，报 GOVCS disallows using git for private …。"),
				Fixes:       []Fix{f.fixSet("GOVCS", "", text("goes back to the default, which allows it", "恢复默认，默认是允许的"))},
			})
		}
	}
	return found
}
