package doctor

import (
	"context"
	"os"
	"path/filepath"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// checkReadable finds that there is no go command, or that it fails as soon as it is called.
func checkReadable(_ context.Context, f *Facts) []Finding {
	if f.Settings != nil {
		if f.Settings.Trouble == "" || f.knownTrouble() {
			return nil
		}
		return []Finding{brokenGo(lang.Same(shown(f.Settings.Trouble)))}
	}
	if f.Trouble != nil && !goenv.NoGo(f.Trouble) {
		return []Finding{brokenGo(lang.Same(shown(f.Trouble.Error())))}
	}
	return []Finding{{
		ID: "go-missing", Severity: Fault,
		Title:       text("There is no go command in PATH", "PATH 里没有 go 命令"),
		Evidence:    one(text("PATH=%s", "PATH=%s", f.Machine.Getenv("PATH"))),
		Consequence: text("Nothing can be built, and most of what is examined here cannot be seen.", "什么都构建不了，这里的大多数检查也无从进行。"),
		Fixes:       []Fix{{Say: text("install Go, or add its bin folder to PATH, which is often /usr/local/go/bin", "安装 Go，或把它的 bin 目录（通常是 /usr/local/go/bin）加入 PATH")}},
	}}
}

// brokenGo says that the go command fails whatever it is asked.
func brokenGo(evidence lang.Text) Finding {
	return Finding{
		ID: "go-fails", Severity: Fault,
		Title:       text("The go command fails whatever it is asked", "不管执行什么，go 命令都会失败"),
		Evidence:    one(evidence),
		Consequence: text("Nothing can be built.", "什么都构建不了。"),
		Fixes:       []Fix{{Command: "go env", Say: text("shows it; mend the setting that it names", "可以看到报错；改正它提到的设置")}},
	}
}

// knownTrouble reports whether a check of a setting tells why "go env" fails.
func (f *Facts) knownTrouble() bool {
	return len(checkModuleMode(context.Background(), f)) > 0
}

// checkModuleMode finds GO111MODULE set to what was needed once.
func checkModuleMode(_ context.Context, f *Facts) []Finding {
	reset := func(severity Severity, id string, title, consequence lang.Text, evidence ...lang.Text) []Finding {
		return []Finding{{
			ID: id, Severity: severity, Title: title, Consequence: consequence,
			Evidence: append(one(f.said("GO111MODULE")), evidence...),
			Fixes:    []Fix{f.fixSet("GO111MODULE", "", text("modules are the default since Go 1.16", "从 Go 1.16 起默认就使用模块"))},
		}}
	}
	switch value := f.Settings.Text("GO111MODULE"); value {
	case "", "on":
		return nil
	case "off":
		severity, evidence := Warning, []lang.Text(nil)
		if file := f.nearestGoMod(); file != "" {
			severity, evidence = Fault, one(text("there is %s, which is not looked at", "有 %s，但不会被读取", f.tilde(file)))
		}
		return reset(severity, "go111module-off",
			text("GO111MODULE=off: modules are switched off", "GO111MODULE=off：模块功能被关闭"),
			text("go.mod, GOPROXY and go.sum count for nothing. Packages are looked for in GOPATH, and not found there.", "go.mod、GOPROXY 和 go.sum 都不起作用；包只在 GOPATH 里找，而那里没有。"), evidence...)
	case "auto":
		return reset(Hint, "go111module-auto",
			text("GO111MODULE=auto: modules are switched off where there is no go.mod", "GO111MODULE=auto：没有 go.mod 的地方不使用模块"),
			text("Outside of a project, commands such as go get and go list behave as they did before modules.", "在项目之外，go get、go list 等命令的行为和模块出现以前一样。"))
	default:
		return reset(Fault, "go111module-invalid",
			text("GO111MODULE=%s is no value that it can have", "GO111MODULE 不能是 %s", shown(value)),
			text(`Every go command fails with "unknown environment setting".`, "所有 go 命令都会失败，报 unknown environment setting。"))
	}
}

// nearestGoMod returns the go.mod of the working folder or of one above it; "" if there is none.
func (f *Facts) nearestGoMod() string {
	for dir := f.Machine.Dir; dir != ""; {
		file := filepath.Join(dir, "go.mod")
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return file
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return ""
}

// checkFolders finds a module cache that the go command does not take. A GOPATH that it
// does not take makes "go env" fail, which is another finding.
func checkFolders(_ context.Context, f *Facts) []Finding {
	v := f.Settings.Values["GOMODCACHE"]
	if v.Said == nil || v.Place() == goenv.BuiltIn || filepath.IsAbs(v.Text) {
		return nil
	}
	return []Finding{{
		ID: "gomodcache-relative", Severity: Fault,
		Title:       text("GOMODCACHE is not a full path", "GOMODCACHE 不是完整路径"),
		Evidence:    one(f.said("GOMODCACHE")),
		Consequence: text(`Modules cannot be unpacked: "GOMODCACHE entry is relative; must be absolute path".`, "模块无法解包，报 GOMODCACHE entry is relative; must be absolute path。"),
		Fixes:       []Fix{f.fixSet("GOMODCACHE", "", text("goes back to the default", "恢复默认值"))},
	}}
}
