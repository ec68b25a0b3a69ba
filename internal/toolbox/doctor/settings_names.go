package doctor

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// settingNames are the settings that have to do with modules: what people misspell.
func settingNames() []string {
	return []string{"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE", "GOFLAGS", "GOAUTH", "GOVCS", "GOTOOLCHAIN", "GO111MODULE", "GOMODCACHE"}
}

// meant returns the setting that a variable's name was probably meant to be; "" if it is one, or like none.
func (f *Facts) meant(name string) string {
	upper := strings.ToUpper(name)
	known := map[string]string{
		"GONOSUMCHECK": "GONOSUMDB", "GONOVERIFY": "GONOSUMDB", "GONOSUM": "GONOSUMDB", "GOSUMCHECK": "GOSUMDB",
		"GOMODPROXY": "GOPROXY", "GO_PROXY": "GOPROXY", "GOPROXIES": "GOPROXY", "GOPROXYURL": "GOPROXY", "GOPROXY_URL": "GOPROXY",
		"GO_MODULE": "GO111MODULE", "GOMODULE": "GO111MODULE", "GO11MODULE": "GO111MODULE", "GO_111_MODULE": "GO111MODULE", "GO111MODULES": "GO111MODULE",
		"GOPRIVATES": "GOPRIVATE", "GO_PRIVATE": "GOPRIVATE", "GO_SUMDB": "GOSUMDB", "GO_FLAGS": "GOFLAGS", "GO_AUTH": "GOAUTH", "GONETRC": "GOAUTH",
	}
	if m := known[upper]; m != "" {
		return m
	}
	if !strings.HasPrefix(upper, "GO") && !strings.HasPrefix(upper, "OG") {
		return ""
	}
	if _, ok := f.Settings.Values[name]; ok {
		return ""
	}
	// These are not in "go env", or are other tools'.
	others := []string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GORACE", "GOTRACEBACK", "GOCOVERDIR", "GOOS", "GOARCH", "GOPATH", "GOROOT", "GOBIN", "GOENV", "GOWORK", "GOTMPDIR", "GODEBUG", "GOCACHE", "GOEXPERIMENT", "GOPS", "GOTEST"}
	names := settingNames()
	if slices.Contains(names, name) || slices.Contains(others, name) {
		return ""
	}
	if slices.Contains(names, upper) {
		return upper
	}
	if len(name) < 7 {
		return nearest(upper, names, 1)
	}
	return nearest(upper, names, 2)
}

// checkNames finds variables of the environment, and lines of the file of "go env -w", that are no settings.
func checkNames(_ context.Context, f *Facts) []Finding {
	var found []Finding
	seen := make(map[string]bool)
	for _, v := range slices.Backward(f.Machine.Environ) {
		name, value, ok := strings.Cut(v, "=")
		if !ok || seen[name] {
			continue
		}
		seen[name] = true
		if f.OS == "windows" && slices.Contains(settingNames(), strings.ToUpper(name)) {
			continue // there names are the same in any case
		}
		if value == "" {
			continue
		}
		if meant := f.meant(name); meant != "" {
			finding := f.noSetting(name, meant)
			if strings.Contains(name, "_") { // such as GO_MOD_CACHE: it may well be a script's own
				if value == f.Settings.Text(meant) {
					continue // from which the setting comes
				}
				finding.Severity = Hint
			}
			finding.Evidence = one(f.origin(goenv.Said{Place: goenv.Environment, Text: value}, name))
			finding.Fixes = []Fix{f.misnamed(name, meant, f.exportCommand(name, ""))}
			found = append(found, finding)
		}
	}
	for name, value := range f.fileLines() {
		if meant := f.meant(name); meant != "" && value != "" {
			finding := f.noSetting(name, meant)
			finding.Evidence = one(f.origin(goenv.Said{Place: goenv.User, File: f.Settings.File, Text: value}, name))
			finding.Fixes = []Fix{f.misnamed(name, meant, "go env -u "+name)}
			found = append(found, finding)
		}
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Title.En, b.Title.En) })
	return found
}

func (f *Facts) noSetting(name, meant string) Finding {
	finding := Finding{
		ID: "unknown-variable", Severity: Warning,
		Title:       text("%s is no setting of the go command; %s is", "go 命令没有 %s 这个设置，只有 %s", name, meant),
		Consequence: text("It does nothing at all.", "它不起任何作用。"),
	}
	if strings.ToUpper(name) == "GONOSUMCHECK" {
		finding.Consequence = text("It does nothing at all, although many guides name it. What is checked is decided by GOPRIVATE, GONOSUMDB and GOSUMDB.", "它不起任何作用，尽管很多教程都这么写。是否校验由 GOPRIVATE、GONOSUMDB 和 GOSUMDB 决定。")
	}
	return finding
}

func (f *Facts) misnamed(name, meant, command string) Fix {
	return Fix{Command: command, Say: text("then set %s, if it is not what you want already: it is now %s", "然后按需设置 %s：它现在%s", meant, orNothing(shown(f.Settings.Text(meant))))}
}

func orNothing(s string) lang.Text {
	if s == "" {
		return text("empty", "为空")
	}
	return text("%s", "是 %s", s)
}

// fileLines returns the settings in the file of "go env -w", as the go command reads it.
func (f *Facts) fileLines() map[string]string {
	lines := make(map[string]string)
	for _, l := range f.envFile() {
		if name, value, ok := strings.Cut(l, "="); ok && name != "" && name[0] >= 'A' && name[0] <= 'Z' && strings.TrimSpace(name) == name {
			lines[name] = value
		}
	}
	return lines
}

// envFile returns the lines of the file of "go env -w".
func (f *Facts) envFile() []string {
	if f.Settings.File == "" {
		return nil
	}
	data, err := os.ReadFile(f.Settings.File)
	if err != nil {
		return nil
	}
	return strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
}

// checkFile finds lines in the file of "go env -w" that the go command skips without a word.
func checkFile(_ context.Context, f *Facts) []Finding {
	var evidence []lang.Text
	for i, l := range f.envFile() {
		trimmed := strings.TrimSpace(l)
		if trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		name, _, ok := strings.Cut(l, "=")
		why := lang.Text{}
		switch {
		case !ok:
			why = text(`there is no "="`, "没有“=”")
		case strings.HasPrefix(trimmed, "export ") || strings.HasPrefix(trimmed, "set "):
			why = text("this is no shell script: lines are NAME=value", "这不是 shell 脚本：每行应为 NAME=value")
		case strings.TrimSpace(name) != name:
			why = text(`there are blanks around the name`, "名字两边有空格")
		case name == "" || name[0] < 'A' || name[0] > 'Z':
			why = text("names are in capital letters", "名字要用大写字母")
		default:
			continue
		}
		evidence = append(evidence, text("line %s, %s: %s", "第 %s 行，%s：%s", strconv.Itoa(i+1), quoted(l), why))
	}
	if len(evidence) == 0 {
		return nil
	}
	return []Finding{{
		ID: "goenv-lines", Severity: Warning,
		Title:       text(`The go command skips lines of the file of "go env -w"`, "go env -w 的文件里有被 go 命令忽略的行"),
		Evidence:    append(one(text("the file is %s", "文件是 %s", f.tilde(f.Settings.File))), evidence...),
		Consequence: text("What they should set is not set.", "它们要设置的内容没有生效。"),
		Fixes:       []Fix{{Say: text("remove the lines, and set what they should with go env -w NAME=value", "删掉这些行，用 go env -w NAME=value 设置它们的内容")}},
	}}
}

// checkShadows finds settings that were made with "go env -w" and do not count, as something else wins.
func checkShadows(_ context.Context, f *Facts) []Finding {
	var found []Finding
	for _, name := range settingNames() {
		said := f.Settings.Values[name].Said
		if len(said) < 2 || said[0].Place != goenv.Environment || said[1].Place != goenv.User || said[0].Text == said[1].Text {
			continue
		}
		found = append(found, Finding{
			ID: "setting-shadowed", Severity: Hint,
			Title:       text(`%s in the environment wins over what "go env -w" has set`, "环境变量 %s 覆盖了 go env -w 的设置", name),
			Evidence:    []lang.Text{f.origin(said[0], name), f.origin(said[1], name)},
			Consequence: text(`Changes with "go env -w %s=…" seem to do nothing.`, "用 go env -w %s=… 修改看起来不起作用。", name),
			Fixes:       []Fix{{Command: f.exportCommand(name, ""), Say: joined(text("if the file's value is the right one", "如果文件里的值才是对的"), f.whereSet(name))}},
		})
	}
	if f.Machine.Getenv("GOENV") == "off" {
		if file := f.usualFile(); file != "" {
			found = append(found, Finding{
				ID: "goenv-off", Severity: Hint,
				Title:       text(`GOENV=off: what "go env -w" has set does not count`, "GOENV=off：go env -w 的设置不起作用"),
				Evidence:    []lang.Text{text("GOENV=off, in the environment", "GOENV=off，来自环境变量"), text("there are settings in %s", "%s 里有设置", f.tilde(file))},
				Consequence: text("The go command looks at the environment and its own defaults only.", "go 命令只看环境变量和自己的默认值。"),
				Fixes:       []Fix{{Command: f.exportCommand("GOENV", ""), Say: text("if they should count", "如果它们应该生效")}},
			})
		}
	}
	return found
}

// usualFile returns the file of "go env -w" where it usually is; "" if there is nothing in it.
func (f *Facts) usualFile() string {
	dir := f.Machine.Getenv("XDG_CONFIG_HOME")
	switch {
	case f.OS == "windows":
		dir = f.Machine.Getenv("AppData")
	case f.OS == "darwin" && f.Home != "":
		dir = filepath.Join(f.Home, "Library", "Application Support")
	case dir == "" && f.Home != "":
		dir = filepath.Join(f.Home, ".config")
	}
	if dir == "" {
		return ""
	}
	file := filepath.Join(dir, "go", "env")
	if data, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(data)) == "" {
		return ""
	}
	return file
}

// whereSet says where a variable of the environment is set; nothing if that is not known.
func (f *Facts) whereSet(name string) lang.Text {
	if at := f.shellPlaces(name); len(at) > 0 {
		return text("it is set in %s", "它在 %s 中设置", strings.Join(at, ", "))
	}
	return lang.Text{}
}
