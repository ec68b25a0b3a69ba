package doctor

import (
	"context"
	"go/version"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A switching is what GOTOOLCHAIN says: where to begin, and from where newer toolchains may come.
type switching struct {
	name string // such as "go1.26.3"; "" for the one that is installed
	mode string // "auto", "path" or "" for never
}

// parseToolchain reads GOTOOLCHAIN as the go command does; ok is false if it refuses it.
func parseToolchain(setting string) (s switching, ok bool) {
	switch setting {
	case "auto", "path":
		return switching{mode: setting}, true
	}
	name, mode, plus := strings.Cut(setting, "+")
	if plus && mode != "auto" && mode != "path" {
		return s, false
	}
	s.mode = mode
	if name == "local" {
		return s, true
	}
	s.name = name
	// A distribution's own may be called gccgo-go1.20, and one with a suffix go1.22.3-custom.
	return s, regexp.MustCompile(`^(\w+-)?go1(\.[0-9]+((\.|rc|beta)[0-9]+)?)?(-.*)?$`).MatchString(name)
}

// wanted returns the toolchain that the project wants, as a version such as "go1.27.1", and the file that says so.
func (f *Facts) wanted() (toolchain, file string) {
	file = f.Settings.Text("GOWORK")
	var goLine, toolLine string
	if file != "" && file != "off" {
		if data, err := os.ReadFile(file); err == nil {
			if work, err := modfile.ParseWork(file, data, nil); err == nil {
				if work.Go != nil {
					goLine = work.Go.Version
				}
				if work.Toolchain != nil {
					toolLine = work.Toolchain.Name
				}
			}
		}
	} else if mod := f.goMod(); mod != nil {
		file = f.Settings.Text("GOMOD")
		if mod.Go != nil {
			goLine = mod.Go.Version
		}
		if mod.Toolchain != nil {
			toolLine = mod.Toolchain.Name
		}
	}
	if goLine != "" {
		toolchain = "go" + goLine
	}
	if toolLine == "default" || version.Compare(toolLine, toolchain) <= 0 {
		return toolchain, file
	}
	return toolLine, file
}

// installed returns the version of the go command that is installed, without a distribution's suffix.
func (f *Facts) installed() string {
	v, _, _ := strings.Cut(f.Settings.Version, " ")
	return v
}

// checkToolchain finds a project that wants a newer Go than there is, and cannot get it.
func checkToolchain(_ context.Context, f *Facts) []Finding {
	setting := f.Settings.Text("GOTOOLCHAIN")
	s, ok := parseToolchain(setting)
	if setting != "" && !ok {
		return []Finding{f.badToolchain(setting, text("it may be local, auto, path, a version such as go1.26.0, or one with +auto or +path", "它可以是 local、auto、path、go1.26.0 这样的版本，或者版本加 +auto、+path"))}
	}
	if version.IsValid(s.name) && version.Compare(s.name, "go1.21") >= 0 && version.Lang(s.name) == s.name {
		finding := f.badToolchain(setting, text("%s is a version of the language; the first release of it is %s", "%s 是语言版本；它的第一个发行版是 %s", s.name, s.name+".0"))
		finding.Consequence = text("No such toolchain can be downloaded: every go command fails, unless it is in PATH by that name.", "下载不到这样的工具链：除非 PATH 里有同名的命令，否则所有 go 命令都会失败。")
		finding.Fixes = []Fix{f.fixSet("GOTOOLCHAIN", strings.Replace(setting, s.name, s.name+".0", 1), lang.Text{})}
		return []Finding{finding}
	}
	have := f.installed()
	if version.IsValid(s.name) {
		have = s.name
	}
	wanted, file := f.wanted()
	evidence := []lang.Text{f.said("GOTOOLCHAIN")}
	needed := ""
	if s.name != "" && s.name != f.installed() {
		needed = s.name
	}
	if wanted != "" && file != "" && version.Compare(wanted, have) > 0 {
		evidence = append(evidence, text("%s wants %s; %s is there", "%s 要求 %s；现有的是 %s", f.tilde(file), wanted, have))
		switch s.mode {
		case "":
			return []Finding{f.tooOld(evidence, wanted, text(`Every go command in this project fails with "go.mod requires go >= %s". No newer Go is fetched, as GOTOOLCHAIN forbids it.`, "本项目中的所有 go 命令都会失败，报 go.mod requires go >= %s。GOTOOLCHAIN 不允许获取更新的 Go。", strings.TrimPrefix(wanted, "go")))}
		case "path":
			if _, err := f.Machine.LookPath(firstRelease(wanted)); err != nil {
				return []Finding{f.tooOld(append(evidence, text("there is no command %s in PATH", "PATH 里没有 %s 命令", firstRelease(wanted))), wanted,
					text(`Every go command in this project fails with "cannot find … in PATH".`, "本项目中的所有 go 命令都会失败，报 cannot find … in PATH。"))}
			}
			return nil
		}
		needed = firstRelease(wanted)
	}
	if needed == "" || s.mode == "path" {
		return nil
	}
	return f.unverified(needed, evidence)
}

// firstRelease returns the toolchain that the go command fetches for a version of a go line.
func firstRelease(wanted string) string {
	if version.Lang(wanted) == wanted && version.Compare(wanted, "go1.21") >= 0 {
		return wanted + ".0"
	}
	return wanted
}

func (f *Facts) badToolchain(setting string, evidence lang.Text) Finding {
	return Finding{
		ID: "gotoolchain-invalid", Severity: Fault,
		Title:       text("GOTOOLCHAIN=%s names no toolchain", "GOTOOLCHAIN=%s 不是有效的工具链", shown(setting)),
		Evidence:    []lang.Text{f.said("GOTOOLCHAIN"), evidence},
		Consequence: text(`Every go command fails with "invalid GOTOOLCHAIN".`, "所有 go 命令都会失败，报 invalid GOTOOLCHAIN。"),
		Fixes:       []Fix{f.fixSet("GOTOOLCHAIN", "auto", text("fetches a newer Go where a project wants one", "项目需要时自动获取更新的 Go"))},
	}
}

// tooOld says that the project wants a newer Go.
func (f *Facts) tooOld(evidence []lang.Text, wanted string, consequence lang.Text) Finding {
	return Finding{
		ID: "gotoolchain-too-old", Severity: Fault,
		Title:       text("This project wants %s, and GOTOOLCHAIN does not allow to fetch it", "本项目要求 %s，而 GOTOOLCHAIN 不允许获取它", wanted),
		Evidence:    evidence,
		Consequence: consequence,
		Fixes: []Fix{
			f.fixSet("GOTOOLCHAIN", "auto", text("lets go fetch it", "允许 go 自动获取")),
			{Say: text("or install %s or newer", "或者安装 %s 或更新的版本", wanted)},
		},
	}
}

// unverified finds that a toolchain must be fetched, but would not be checked.
func (f *Facts) unverified(needed string, evidence []lang.Text) []Finding {
	if _, err := f.Machine.LookPath(needed); err == nil {
		return nil
	}
	goos, goarch := f.Settings.Text("GOHOSTOS"), f.Settings.Text("GOHOSTARCH")
	if goos == "" {
		goos, goarch = runtime.GOOS, runtime.GOARCH
	}
	kept := filepath.Join(f.Settings.Text("GOMODCACHE"), "golang.org", "toolchain@v0.0.1-"+needed+"."+goos+"-"+goarch)
	if info, err := os.Stat(kept); err == nil && info.IsDir() {
		return nil
	}
	proxies := f.Settings.Text("GOPROXY")
	finding := Finding{
		ID: "gotoolchain-fetch", Severity: Fault,
		Title: text("The toolchain %s must be fetched, and cannot be", "需要获取工具链 %s，却获取不了", needed),
	}
	entries := proxyEntries(proxies)
	switch {
	case len(entries) > 0 && entries[0].text == "off":
		finding.Evidence = append(evidence, f.said("GOPROXY"))
		finding.Consequence = text("GOPROXY=off forbids it: every go command here fails.", "GOPROXY=off 不允许下载：这里的所有 go 命令都会失败。")
		finding.Fixes = []Fix{f.fixSet("GOPROXY", "", text("goes back to Go's default", "恢复 Go 的默认值"))}
	case f.Settings.Text("GOSUMDB") == "off" && !(strings.HasPrefix(proxies, "file://") && !strings.ContainsAny(proxies, ",|")):
		finding.Evidence = append(evidence, f.said("GOSUMDB"))
		finding.Consequence = text(`Toolchains are always checked with the checksum database, whatever GONOSUMDB says. Every go command here fails with "checksum database disabled by GOSUMDB=off".`, "不管 GONOSUMDB 怎么写，工具链总要用校验和数据库校验。这里的所有 go 命令都会失败，报 checksum database disabled by GOSUMDB=off。")
		finding.Fixes = []Fix{
			f.fixSet("GOSUMDB", "", text("goes back to Go's default", "恢复 Go 的默认值")),
			f.fixSet("GOSUMDB", "sum.golang.google.cn", text("the same database, where sum.golang.org cannot be reached", "同一个数据库，用于连不上 sum.golang.org 的地方")),
		}
	default:
		return nil
	}
	for i, fix := range finding.Fixes {
		// The go command would begin with fetching that toolchain.
		if strings.HasPrefix(fix.Command, "go env ") {
			finding.Fixes[i].Command = f.with("GOTOOLCHAIN", "local", fix.Command)
		}
	}
	finding.Fixes = append(finding.Fixes, Fix{Say: text("or install %s or newer", "或者安装 %s 或更新的版本", needed)})
	return []Finding{finding}
}
