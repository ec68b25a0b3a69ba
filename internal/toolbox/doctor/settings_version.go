package doctor

import (
	"context"
	"go/version"
	"strconv"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A flaw is a fault of the go command's security that has to do with what it downloads.
type flaw struct {
	id    string
	issue int      // at go.dev/issue
	from  string   // the first release that has it; "" for any
	fixed []string // the releases that mended it, one a minor version, the oldest first
	what  lang.Text
	// open reports whether the settings let it happen; nil: always.
	open func(*Facts) bool
}

// flaws returns what is known. Each is in the Go vulnerability database.
func flaws() []flaw {
	direct := func(f *Facts) bool { return f.gitNeed() != needless }
	return []flaw{
		{"CVE-2026-56864", 80745, "", []string{"go1.25.13", "go1.26.6"},
			text("a malicious checksum database can vouch for modules that are not in its log", "恶意的校验和数据库可以为不在其日志中的模块作担保"), nil},
		{"CVE-2026-56865", 80744, "", []string{"go1.25.13", "go1.26.6"},
			text("a malicious module proxy can forge the checksum database's tiles, and so any module", "恶意模块代理可以伪造校验和数据库的 tile，从而伪造任何模块"), nil},
		{"CVE-2026-42501", 79070, "", []string{"go1.25.10", "go1.26.3"},
			text("a malicious module proxy can get round the checksum database, for modules and toolchains", "恶意模块代理可以绕过校验和数据库，模块和工具链都受影响"), nil},
		{"CVE-2023-45285", 63845, "", []string{"go1.20.12", "go1.21.5"},
			text("modules with .git in their path may be fetched without encryption", "路径中带 .git 的模块可能以未加密的方式获取"), direct},
		{"CVE-2023-39320", 62198, "go1.21", []string{"go1.21.1"},
			text("a toolchain line in go.mod can run programs of the module", "go.mod 的 toolchain 行可以执行模块里的程序"), nil},
		{"CVE-2022-23773", 35671, "", []string{"go1.16.14", "go1.17.7"},
			text("branches with names like versions are taken for tags", "名字像版本号的分支会被当成标签"), direct},
	}
}

// has reports whether a release of Go has the flaw.
func (w flaw) has(release string) bool {
	if !version.IsValid(release) || w.from != "" && version.Compare(release, w.from) < 0 {
		return false
	}
	for _, fixed := range w.fixed {
		if version.Lang(fixed) == version.Lang(release) {
			return version.Compare(release, fixed) < 0
		}
	}
	return version.Compare(release, w.fixed[0]) < 0
}

// mended returns the oldest release without the flaw that one can go to from another.
func (w flaw) mended(release string) string {
	for _, fixed := range w.fixed {
		if version.Compare(fixed, release) > 0 {
			return fixed
		}
	}
	return w.fixed[len(w.fixed)-1]
}

// checkVersion finds a go command with known faults in how it checks what it downloads, or one too old to be mended.
func checkVersion(_ context.Context, f *Facts) []Finding {
	release := f.installed()
	if !version.IsValid(release) || strings.Contains(f.Settings.Version, "devel") {
		return nil
	}
	var found []Finding
	var evidence []lang.Text
	update := ""
	for _, w := range flaws() {
		if !w.has(release) || w.open != nil && !w.open(f) {
			continue
		}
		evidence = append(evidence, text("%s: %s; see https://go.dev/issue/%s", "%s：%s；见 https://go.dev/issue/%s", w.id, w.what, strconv.Itoa(w.issue)))
		if fixed := w.mended(release); version.Compare(fixed, update) > 0 {
			update = fixed
		}
	}
	if len(evidence) > 0 {
		found = append(found, Finding{
			ID: "go-vulnerable", Severity: Warning,
			Title:       text("%s has known security faults in how it checks modules", "%s 校验模块的方式有已知的安全漏洞", release),
			Evidence:    evidence,
			Consequence: text("Who runs a module proxy that you use, or sits on the way to it, may give you code that nobody has checked.", "你所用模块代理的运营者，或者中途的攻击者，可能塞给你未经校验的代码。"),
			Fixes:       []Fix{{Say: text("install %s or newer from https://go.dev/dl/ (in China: https://golang.google.cn/dl/); GOTOOLCHAIN alone does not mend it, as the installed go command fetches the other one", "从 https://golang.google.cn/dl/ 安装 %s 或更新的版本；只改 GOTOOLCHAIN 不够，因为新的工具链正是由现有的 go 命令获取的", update)}},
		})
	}
	if behind := f.behind(release); behind > 1 {
		severity := Hint
		if behind > 3 {
			severity = Warning
		}
		found = append(found, Finding{
			ID: "go-unsupported", Severity: severity,
			Title:       text("%s gets no more security fixes", "%s 不再有安全修复", version.Lang(release)),
			Evidence:    one(text("%s is installed; a minor version is cared for until the second after it is out, which is about a year", "已安装 %s；一个小版本维护到其后第二个小版本发布为止，大约一年", release)),
			Consequence: text("Faults that are found in it are not mended.", "其中发现的问题不会再修复。"),
			Fixes:       []Fix{{Say: text("install a newer one from https://go.dev/dl/ (in China: https://golang.google.cn/dl/)", "从 https://golang.google.cn/dl/ 安装更新的版本")}},
		})
	}
	return found
}

// behind returns how many minor versions have probably come out after a release's: one every
// February and August. A month is added, as some were late.
func (f *Facts) behind(release string) int {
	_, minor, found := strings.Cut(version.Lang(release), ".")
	n, err := strconv.Atoi(minor)
	if !found || err != nil || f.Now == nil {
		return 0
	}
	out := time.Date(2023, time.September+time.Month(6*(n-21)), 10, 0, 0, 0, 0, time.UTC) // go1.21 came in August 2023
	months := 0
	for t := out.AddDate(0, 6, 0); !t.After(f.Now()) && months < 100; t = t.AddDate(0, 6, 0) {
		months++
	}
	return months
}
