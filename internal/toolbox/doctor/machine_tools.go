package doctor

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// oldestGit is the first git that knows --end-of-options, with which the go
// command calls it.
const oldestGit = 24 // 2.24, of November 2019

// checkGit looks at git, if something needs it.
func checkGit(ctx context.Context, f *Facts) []Finding {
	needed := f.gitNeed()
	if needed == needless {
		return nil
	}
	git, err := f.Machine.LookPath("git")
	if err != nil {
		return []Finding{f.gitMissing(needed)}
	}
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, git, "version")
	cmd.Env, cmd.WaitDelay = slices.Clone(f.Machine.Environ), time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return []Finding{{
			ID: "git-broken", Severity: Warning,
			Title:       text("git is there, but does not run", "git 存在，但无法运行"),
			Evidence:    []lang.Text{text("%s version: %s", "%s version：%s", git, firstLine(string(out)+"\n"+err.Error()))},
			Consequence: text("Private modules and those that no mirror has cannot be fetched.", "私有模块以及镜像没有的模块无法获取。"),
			Fixes:       f.gitRepair(),
		}}
	}
	m := regexp.MustCompile(`(\d+)\.(\d+)`).FindStringSubmatch(string(out))
	if m == nil {
		return nil
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major > 2 || major == 2 && minor >= oldestGit {
		return nil
	}
	return []Finding{{
		ID: "git-old", Severity: Warning,
		Title:       text("git is too old", "git 版本太旧"),
		Evidence:    []lang.Text{text("%s is %s", "%s 的版本是 %s", git, m[0])},
		Consequence: text("The go command calls it with options that it does not know (--end-of-options is of 2.24): what comes straight from its host fails.", "go 命令会使用它不认识的选项（--end-of-options 自 2.24 起才有）：直接从主机获取的模块会失败。"),
		Fixes:       []Fix{f.install("git", nil)},
	}}
}

// gitRepair says what is usual where git does not run.
func (f *Facts) gitRepair() []Fix {
	if f.OS == "darwin" {
		return []Fix{{Command: "xcode-select --install", Say: text("after an update of macOS its command line tools must be installed again", "macOS 升级后需要重新安装命令行工具")}}
	}
	return []Fix{f.install("git", nil)}
}

func (f *Facts) gitMissing(needed need) Finding {
	x := Finding{
		ID: "git-missing", Severity: Hint,
		Title:       text("There is no git here", "本机没有 git"),
		Evidence:    []lang.Text{text("PATH has no git; GOPROXY ends in direct", "PATH 中没有 git；GOPROXY 以 direct 结尾")},
		Consequence: text("Modules that no mirror has fail with: exec: \"git\": executable file not found in $PATH.", "镜像没有的模块会失败：exec: \"git\": executable file not found in $PATH。"),
		Fixes:       []Fix{f.install("git", nil)},
	}
	if needed == required {
		x.Severity = Fault
		x.Evidence = []lang.Text{text("PATH has no git", "PATH 中没有 git")}
		if list := patternsOf(f.noProxy()); len(list) > 0 {
			x.Evidence = append(x.Evidence, text("modules matching %s come straight from their hosts", "匹配 %s 的模块直接从其主机获取", strings.Join(list, ",")))
		} else {
			x.Evidence = append(x.Evidence, text("GOPROXY is direct", "GOPROXY 为 direct"))
		}
		x.Consequence = text("They cannot be fetched: exec: \"git\": executable file not found in $PATH.", "它们无法获取：exec: \"git\": executable file not found in $PATH。")
	}
	return x
}

// distribution returns the family of Linux: alpine, debian, rhel, arch, suse or "".
func (f *Facts) distribution() string {
	data, err := os.ReadFile(f.under("/etc/os-release"))
	if err != nil {
		return ""
	}
	ids := ""
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "ID" || key == "ID_LIKE" {
			ids += " " + strings.Trim(value, `"'`)
		}
	}
	families := map[string]string{"alpine": "alpine", "debian": "debian", "ubuntu": "debian", "rhel": "rhel", "fedora": "rhel", "centos": "rhel", "arch": "arch", "suse": "suse", "opensuse": "suse"}
	for _, id := range strings.Fields(ids) {
		if family := families[id]; family != "" {
			return family
		}
	}
	return ""
}

// install returns how a package is installed; others gives its name where that differs by family.
func (f *Facts) install(name string, others map[string]string) Fix {
	family := f.distribution()
	if other := others[family]; other != "" {
		name = other
	}
	command := map[string]string{
		"alpine": "apk add --no-cache ", "debian": "apt-get update && apt-get install -y ", "rhel": "dnf install -y ",
		"arch": "pacman -S --noconfirm ", "suse": "zypper install -y ",
	}[family]
	switch {
	case f.OS == "darwin":
		return Fix{Command: "xcode-select --install", Say: text("install Apple's command line tools", "安装 Apple 命令行工具")}
	case f.OS == "windows":
		return Fix{Command: "winget install --id Git.Git -e", Say: text("install it", "安装它")}
	case command == "":
		return Fix{Say: text("install the package %s", "安装软件包 %s", name)}
	case f.inContainer():
		return Fix{Command: command + name, Say: text("in a Dockerfile: RUN %s", "在 Dockerfile 中：RUN %s", command+name)}
	}
	return Fix{Command: "sudo sh -c '" + command + name + "'", Say: text("install it", "安装它")}
}

// inContainer reports whether this is a container, as far as one can see.
func (f *Facts) inContainer() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(f.under(mark)); err == nil {
			return true
		}
	}
	return f.Machine.Getenv("KUBERNETES_SERVICE_HOST") != "" || f.Machine.Getenv("container") != ""
}
