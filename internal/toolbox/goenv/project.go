package goenv

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ProjectSettings returns the lines of a project's files that set variables of
// the go command: those of the folder and of the folders above it, up to the
// repository's or the module's first. Best effort, nothing is run. Whether they
// count depends on who reads the file: FileLine.For.
func ProjectSettings(dir, home string) []FileLine {
	var lines []FileLine
	for _, folder := range projectFolders(dir, home) {
		for _, kind := range projectFiles() {
			for _, pattern := range kind.names {
				files, err := filepath.Glob(filepath.Join(globEscape(folder), filepath.FromSlash(pattern)))
				if err != nil {
					continue
				}
				for _, file := range files {
					for _, l := range kind.read(file, readText(file)) {
						l.For = kind.whose
						lines = append(lines, l)
					}
				}
			}
		}
	}
	return lines
}

// A projectFile is a kind of files.
type projectFile struct {
	whose string
	read  func(file, text string) []FileLine
	names []string
}

func projectFiles() []projectFile {
	return []projectFile{
		{"direnv", shellLines, []string{".envrc"}},
		{"dotenv", dotenvLines, []string{".env", ".env.local"}},
		{"mise", miseLines, []string{"mise.toml", ".mise.toml", "mise.local.toml", ".mise.local.toml", ".config/mise.toml", ".config/mise/config.toml"}},
		{"make", makeLines, []string{"GNUmakefile", "[Mm]akefile", "*.mk"}},
		{"docker", dockerLines, []string{"Dockerfile", "Dockerfile.*", "*.Dockerfile", "Containerfile"}},
		{"compose", yamlLines, []string{"compose.y*ml", "compose.*.y*ml", "docker-compose.y*ml", "docker-compose.*.y*ml"}},
		{"github", yamlLines, []string{".github/workflows/*.y*ml"}},
		{"gitea", yamlLines, []string{".gitea/workflows/*.y*ml"}},
		{"gitlab", yamlLines, []string{".gitlab-ci.y*ml"}},
		{"jenkins", jenkinsLines, []string{"Jenkinsfile"}},
		{"vscode", jsonLines, []string{".vscode/settings.json"}},
		{"devcontainer", jsonLines, []string{".devcontainer/devcontainer.json", ".devcontainer.json"}},
	}
}

// projectFolders returns the folder and those above it that are of its project:
// up to that of .git, else up to the topmost with a go.mod or go.work, but never the home.
func projectFolders(dir, home string) []string {
	var folders []string
	last := 1
	for folder := filepath.Clean(dir); len(folders) < 64; folder = filepath.Dir(folder) {
		if folder == home && len(folders) > 0 {
			break
		}
		folders = append(folders, folder)
		if exists(filepath.Join(folder, ".git")) {
			return folders
		}
		if exists(filepath.Join(folder, "go.mod")) || exists(filepath.Join(folder, "go.work")) {
			last = len(folders)
		}
		if filepath.Dir(folder) == folder {
			break
		}
	}
	return folders[:min(last, len(folders))]
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// miseLines reads the table [env] of a file of mise.
func miseLines(file, text string) []FileLine {
	table := ""
	return eachLine(file, text, func(at FileLine, line string) []FileLine {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			table = strings.TrimSpace(strings.SplitN(strings.Trim(line, "[]"), "#", 2)[0])
			return nil
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.Trim(strings.TrimSpace(name), `"'`)
		if table == "" {
			name, ok = strings.CutPrefix(name, "env.")
		}
		if !ok || table != "" && table != "env" {
			return nil
		}
		value, _ = unquote(value)
		literal := !strings.Contains(value, "{{") && !strings.HasPrefix(value, "{")
		return at.each([]FileLine{{Name: name, Value: value, Literal: literal}})
	})
}

// makeLines reads a Makefile: variables that are exported, and what recipes set for a command.
func makeLines(file, text string) []FileLine {
	assign := regexp.MustCompile(`^\s*(export\s+)?(?:override\s+)?(\w+)\s*(\?|:{1,3}|\+)?=\s*(.*?)\s*$`)
	export := regexp.MustCompile(`^\s*export\s+([\w\s]+)$`)
	var found, plain []FileLine
	exported, all, blocks := make(map[string]bool), false, 0
	for number, line := range joined(text) {
		at := FileLine{File: file, Number: number}
		if recipe, ok := strings.CutPrefix(line, "\t"); ok {
			at.Maybe = true
			found = append(found, at.recipe(strings.TrimLeft(recipe, "@-+ \t"))...)
			continue
		}
		line = comment(line)
		switch word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word {
		case "ifeq", "ifneq", "ifdef", "ifndef":
			blocks++
		case "endif":
			blocks = max(blocks-1, 0)
		case "export":
			if strings.TrimSpace(line) == "export" {
				all = true
			}
		}
		if m := export.FindStringSubmatch(line); m != nil {
			for name := range strings.FieldsSeq(m[1]) {
				exported[name] = true
			}
		}
		if m := assign.FindStringSubmatch(line); m != nil {
			// "?=" counts only where the environment says nothing.
			at.Maybe = blocks > 0 || m[3] == "?"
			set := at.each([]FileLine{{Name: m[2], Value: m[4], Literal: !strings.Contains(m[4], "$") && m[3] != "+"}})
			if m[1] != "" {
				found = append(found, set...)
			} else {
				plain = append(plain, set...)
			}
		}
	}
	for _, l := range plain {
		if all || exported[l.Name] {
			found = append(found, l)
		}
	}
	slices.SortStableFunc(found, func(a, b FileLine) int { return a.Number - b.Number })
	return found
}

// comment cuts the comment from a line of a Makefile.
func comment(line string) string {
	if i := strings.IndexByte(line, '#'); i >= 0 {
		return line[:i]
	}
	return line
}

// recipe returns what a line of shell commands sets: for go commands, for all
// that follow, or by "go env -w".
func (l FileLine) recipe(line string) []FileLine {
	var found []FileLine
	for _, cmd := range commands(strings.NewReplacer("$(GO)", "go", "${GO}", "go").Replace(line)) {
		sets, rest := assignments(cmd)
		if len(rest) == 0 {
			continue
		}
		if first := rest[0].text; first == "go" || strings.HasSuffix(first, "/go") {
			found = append(found, l.each(sets)...)
		}
		if rest[0].text == "export" {
			sets, _ := assignments(rest[1:])
			found = append(found, l.each(sets)...)
		}
		found = append(found, l.written(rest)...)
	}
	return found
}

// dockerLines reads a Dockerfile: ENV, and what RUN sets.
func dockerLines(file, text string) []FileLine {
	return eachLine(file, text, func(at FileLine, line string) []FileLine {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		switch strings.ToUpper(word) {
		case "ENV":
			if name, value, ok := strings.Cut(rest, " "); ok && !strings.Contains(name, "=") {
				text, literal := unquote(value)
				return at.each([]FileLine{{Name: name, Value: text, Literal: literal}})
			}
			var found []FileLine
			for _, cmd := range split(rest, "") {
				sets, _ := assignments(cmd)
				found = append(found, at.each(sets)...)
			}
			return found
		case "RUN":
			at.Maybe = true
			for strings.HasPrefix(rest, "--") { // options, such as --mount
				_, rest, _ = strings.Cut(rest, " ")
			}
			return at.recipe(rest)
		}
		return nil
	})
}

// yamlLines reads what looks like an environment in YAML, "NAME: value" or "- NAME=value",
// and scripts with "go env -w".
func yamlLines(file, text string) []FileLine {
	pair := regexp.MustCompile(`^\s*(?:-\s+)?["']?(\w+)["']?\s*(?::\s+|=)(.*)$`)
	item := regexp.MustCompile(`^\s*-\s+["']?(\w+)=([^"']*)`)
	script := regexp.MustCompile(`^\s*(?:-\s+)?(?:run:\s*)?["']?(.*)$`)
	return eachLine(file, text, func(at FileLine, line string) []FileLine {
		at.Maybe = true // in one job or step of several
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			return nil
		}
		m := item.FindStringSubmatch(line)
		if m == nil {
			if m = pair.FindStringSubmatch(line); m != nil && !strings.Contains(line, ":") {
				m = nil // a script's
			}
		}
		if m != nil {
			value, _ := unquote(m[2])
			if found := at.each([]FileLine{{Name: m[1], Value: value, Literal: !strings.Contains(value, "$")}}); found != nil {
				return found
			}
		}
		return at.recipe(script.FindStringSubmatch(line)[1])
	})
}

// jenkinsLines reads "NAME = 'value'" of a block environment, and scripts.
func jenkinsLines(file, text string) []FileLine {
	pair := regexp.MustCompile(`^\s*(\w+)\s*=\s*(["'].*)$`)
	return eachLine(file, text, func(at FileLine, line string) []FileLine {
		m := pair.FindStringSubmatch(line)
		if m == nil {
			return nil
		}
		at.Maybe = true
		value, literal := unquote(m[2])
		return at.each([]FileLine{{Name: m[1], Value: value, Literal: literal}})
	})
}

// jsonLines reads the pairs "NAME": "value" of a JSON file with comments.
func jsonLines(file, text string) []FileLine {
	pair := regexp.MustCompile(`"(\w+)"\s*:\s*"([^"\\]*)"`)
	return eachLine(file, text, func(at FileLine, line string) []FileLine {
		if strings.HasPrefix(strings.TrimSpace(line), "//") {
			return nil
		}
		var found []FileLine
		for _, m := range pair.FindAllStringSubmatch(line, -1) {
			found = append(found, at.each([]FileLine{{Name: m[1], Value: m[2], Literal: !strings.Contains(m[2], "${")}})...)
		}
		return found
	})
}
