package goenv

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// A FileLine is a line of a file that sets a variable of the go command. It was
// read without running anything: what a condition or a substitution makes of it is not known.
type FileLine struct {
	File    string
	Number  int    // from 1
	For     string // who reads the file: "sh", "fish", "csh", "powershell", "login", "direnv", "dotenv", "mise", "make", "docker", "compose", "github", "gitlab", "gitea", "jenkins", "vscode", "devcontainer"
	Name    string
	Value   string // without quotation marks; may hold a secret
	Literal bool   // Value is what the variable gets: nothing in it is substituted
	Maybe   bool   // it stands in a condition or a loop, or is set for one command only
	Writes  bool   // it is a "go env -w", which sets it for all
}

// fileNames are the variables that are looked for in files: those of the go
// command about modules, and one that many guides take for one of them.
func fileNames() []string {
	return []string{"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE", "GOVCS", "GOAUTH", "GOFLAGS",
		"GOENV", "GOTOOLCHAIN", "GO111MODULE", "GOMODCACHE", "GOPATH", "GOROOT", "GOWORK", "GONOSUMCHECK"}
}

// maxFile is how much of a file is read, in bytes; no file that people write is so large.
const maxFile = 1 << 20

// ShellSettings returns the lines of the user's and the system's start-up files of
// shells that set variables of the go command: best effort, in the order in which
// the files are usually read. System is the root of the file system, such as "/".
func ShellSettings(m Machine, home, system string) []FileLine {
	var lines []FileLine
	look := func(reader func(string, string) []FileLine, whose, dir string, names ...string) {
		if dir == "" {
			return
		}
		for _, name := range names {
			files, err := filepath.Glob(filepath.Join(globEscape(dir), filepath.FromSlash(name)))
			if err != nil {
				continue
			}
			for _, file := range files {
				for _, l := range reader(file, readText(file)) {
					l.For = whose
					lines = append(lines, l)
				}
			}
		}
	}
	config := m.Getenv("XDG_CONFIG_HOME")
	if config == "" && home != "" {
		config = filepath.Join(home, ".config")
	}
	zdot := m.Getenv("ZDOTDIR")
	if zdot == "" {
		zdot = home
	}
	if system != "" && runtime.GOOS != "windows" {
		etc := filepath.Join(system, "etc")
		look(dotenvLines, "login", etc, "environment")
		look(shellLines, "sh", etc, "profile", "profile.d/*.sh", "bash.bashrc", "bashrc", "zshenv", "zprofile", "zshrc", "zsh/zshenv", "zsh/zprofile", "zsh/zshrc")
		look(fishLines, "fish", etc, "fish/config.fish", "fish/conf.d/*.fish")
		look(cshLines, "csh", etc, "csh.cshrc", "csh.login", "profile.d/*.csh")
	}
	look(dotenvLines, "login", config, "environment.d/*.conf")
	look(shellLines, "sh", home, ".profile", ".bash_profile", ".bash_login", ".bashrc", ".bash_aliases", ".kshrc", ".xprofile", ".xsessionrc")
	look(shellLines, "sh", zdot, ".zshenv", ".zprofile", ".zshrc", ".zlogin")
	look(fishLines, "fish", config, "fish/fish_variables", "fish/conf.d/*.fish", "fish/config.fish")
	look(cshLines, "csh", home, ".cshrc", ".tcshrc", ".login")
	const profiles = "*profile.ps1"
	look(powershellLines, "powershell", config, "powershell/"+profiles)
	look(powershellLines, "powershell", home, "Documents/PowerShell/"+profiles, "Documents/WindowsPowerShell/"+profiles)
	return lines
}

// globEscape makes of a folder's name a pattern that matches it alone.
func globEscape(dir string) string {
	if runtime.GOOS == "windows" {
		return dir // there is no escape
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// readText returns a file's text, or nothing if it cannot be read or is too large.
func readText(file string) string {
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return ""
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(string(data), "\ufeff")
}

// A word is one of a shell's command.
type word struct {
	text    string // without quotation marks
	literal bool   // nothing in it is substituted
	quoted  bool   // some of it is in quotation marks
}

// commands takes a line of a POSIX shell apart into its commands, each of words.
// What stands in "(…)" counts as commands as well.
func commands(line string) [][]word { return split(line, ";&|()") }

// split takes a line apart into commands, which operators end, each of words.
func split(line, operators string) [][]word {
	var all [][]word
	var now []word
	var w word
	w.literal = true
	some := false
	var text strings.Builder
	endWord := func() {
		if some {
			w.text = text.String()
			now = append(now, w)
		}
		text.Reset()
		w, some = word{literal: true}, false
	}
	endCommand := func() {
		endWord()
		if len(now) > 0 {
			all = append(all, now)
		}
		now = nil
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				end = len(line) - i - 1
			}
			text.WriteString(line[i+1 : min(i+1+end, len(line))])
			i += end + 1
			some, w.quoted = true, true
		case c == '"':
			some, w.quoted = true, true
			for i++; i < len(line) && line[i] != '"'; i++ {
				if line[i] == '\\' && i+1 < len(line) && strings.IndexByte("$`\"\\", line[i+1]) >= 0 {
					i++
				} else if line[i] == '$' || line[i] == '`' {
					w.literal = false
				}
				text.WriteByte(line[i])
			}
		case c == '\\' && i+1 < len(line):
			i++
			text.WriteByte(line[i])
			some = true
		case c == '#' && !some:
			endCommand()
			return all
		case c == ' ' || c == '\t' || c == '\r':
			endWord()
		case strings.IndexByte(operators, c) >= 0:
			if c == '(' && some && i+1 < len(line) && line[i+1] == ')' {
				text.WriteString("()") // the head of a function
				i++
				endWord()
				continue
			}
			if c == '(' && some { // $(…)
				w.literal = false
			}
			endCommand()
		default:
			if c == '$' || c == '`' {
				w.literal = false
			}
			text.WriteByte(c)
			some = true
		}
	}
	endCommand()
	return all
}

// shellLines reads a file of a POSIX shell.
func shellLines(file, text string) []FileLine {
	var found, plain []FileLine
	exported := make(map[string]bool)
	all := false // set -a
	blocks, function := 0, 0
	here := heredoc()
	for number, line := range joined(text) {
		if here.skips(line) {
			continue
		}
		chained := strings.Contains(line, "&&") || strings.Contains(line, "||")
		for _, cmd := range commands(strings.ReplaceAll(line, " ()", "()")) {
			cmd = keywords(cmd, &blocks, &function)
			if function > 0 || len(cmd) == 0 {
				continue
			}
			at := FileLine{File: file, Number: number, Maybe: blocks > 0 || chained}
			sets, rest := assignments(cmd)
			switch {
			case len(rest) == 0:
				plain = append(plain, at.each(sets)...)
			case rest[0].text == "export" || slices.Contains([]string{"declare", "typeset"}, rest[0].text) && len(rest) > 1 && strings.HasPrefix(rest[1].text, "-") && strings.Contains(rest[1].text, "x"):
				for _, w := range rest[1:] {
					exported[w.text] = true
					sets, _ := assignments([]word{w})
					found = append(found, at.each(sets)...)
				}
			case rest[0].text == "unset" && !at.Maybe:
				gone := func(l FileLine) bool {
					return !l.Writes && slices.ContainsFunc(rest[1:], func(w word) bool { return w.text == l.Name })
				}
				found, plain = slices.DeleteFunc(found, gone), slices.DeleteFunc(plain, gone)
			case rest[0].text == "set" && len(rest) > 1 && (rest[1].text == "-a" || rest[1].text == "-o" && len(rest) > 2 && rest[2].text == "allexport"):
				all = true
			default:
				found = append(found, at.written(rest)...)
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

// keywords takes the words at a command's head that open and close blocks, and counts these.
func keywords(cmd []word, blocks, function *int) []word {
	for len(cmd) > 0 && !cmd[0].quoted {
		switch w := cmd[0].text; {
		case *function > 0 && w == "{":
			*function++
		case *function > 0 && w == "}":
			if *function--; *function == 1 {
				*function = 0
			}
		case w == "function":
			*function = 1
		case strings.HasSuffix(w, "()") && len(w) > 2:
			*function = 1
			if len(cmd) > 1 && cmd[1].text == "{" {
				*function, cmd = 2, cmd[1:]
			}
		case w == "if" || w == "case" || w == "for" || w == "while" || w == "until" || w == "select":
			*blocks++
		case w == "fi" || w == "esac" || w == "done":
			*blocks = max(*blocks-1, 0)
		case slices.Contains([]string{"then", "else", "elif", "do", "{", "}", "!", "builtin", "command"}, w):
		default:
			return cmd
		}
		cmd = cmd[1:]
	}
	return cmd
}

// assignments parts the NAME=value words at a command's head from the rest.
func assignments(cmd []word) (sets []FileLine, rest []word) {
	for i, w := range cmd {
		name, value, ok := strings.Cut(w.text, "=")
		if !ok || !isName(name) {
			return sets, cmd[i:]
		}
		sets = append(sets, FileLine{Name: name, Value: value, Literal: w.literal})
	}
	return sets, nil
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// each returns those of sets that are looked for, as they stand at a line.
func (l FileLine) each(sets []FileLine) []FileLine {
	var found []FileLine
	for _, s := range sets {
		if slices.Contains(fileNames(), s.Name) {
			l.Name, l.Value, l.Literal = s.Name, s.Value, s.Literal
			found = append(found, l)
		}
	}
	return found
}

// written returns what a command "go env -w" sets.
func (l FileLine) written(cmd []word) []FileLine {
	if len(cmd) < 4 || filepath.Base(cmd[0].text) != "go" || cmd[1].text != "env" || cmd[2].text != "-w" && cmd[2].text != "--w" {
		return nil
	}
	l.Writes = true
	sets, _ := assignments(cmd[3:])
	return l.each(sets)
}

// joined yields the lines of a text with the number of each one's first, those
// that end in "\" with what follows.
func joined(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		number, first, open := 0, 0, ""
		for line := range strings.SplitSeq(text, "\n") {
			number++
			if first == 0 {
				first = number
			}
			line = strings.TrimSuffix(line, "\r")
			if strings.HasSuffix(line, `\`) && !strings.HasSuffix(line, `\\`) {
				open += strings.TrimSuffix(line, `\`)
				continue
			}
			if !yield(first, open+line) {
				return
			}
			first, open = 0, ""
		}
	}
}

// A hereState knows which lines are text for a command.
type hereState struct {
	until string
	mark  *regexp.Regexp
}

func heredoc() *hereState {
	return &hereState{mark: regexp.MustCompile(`<<-?\s*\\?['"]?([A-Za-z_][A-Za-z0-9_]*)['"]?`)}
}

func (h *hereState) skips(line string) bool {
	if h.until != "" {
		if strings.TrimSpace(line) == h.until {
			h.until = ""
		}
		return true
	}
	if m := h.mark.FindStringSubmatch(line); m != nil && !strings.Contains(line, "<<<") {
		h.until = m[1]
	}
	return false
}

// dotenvLines reads lines NAME=value, where a shell's "export" may stand as well.
func dotenvLines(file, text string) []FileLine {
	return eachLine(file, text, func(at FileLine, line string) []FileLine {
		line = strings.TrimSpace(line)
		name, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "export ")), "=")
		if !ok || strings.HasPrefix(line, "#") {
			return nil
		}
		value, literal := unquote(value)
		return at.each([]FileLine{{Name: strings.TrimSpace(name), Value: value, Literal: literal}})
	})
}

// fishLines reads a file of the fish shell, or fish_variables.
func fishLines(file, text string) []FileLine {
	blocks, function := 0, 0
	return eachLine(file, text, func(at FileLine, line string) []FileLine {
		if rest, ok := strings.CutPrefix(line, "SETUVAR --export "); ok {
			name, value, _ := strings.Cut(rest, ":")
			return at.each([]FileLine{{Name: name, Value: fishUnescape(value), Literal: true}})
		}
		var found []FileLine
		for _, cmd := range commands(line) {
			switch cmd[0].text {
			case "function":
				function++
			case "if", "for", "while", "switch", "begin":
				blocks++
			case "end":
				if function > 0 && blocks == 0 {
					function--
				} else {
					blocks = max(blocks-1, 0)
				}
			}
			if function > 0 {
				continue
			}
			at.Maybe = blocks > 0
			found = append(found, at.fishSet(cmd)...)
			found = append(found, at.written(cmd)...)
		}
		return found
	})
}

// fishSet returns what a command "set -x" sets.
func (l FileLine) fishSet(cmd []word) []FileLine {
	exported := false
	for i, w := range cmd {
		if i == 0 {
			if w.text != "set" {
				return nil
			}
			continue
		}
		if strings.HasPrefix(w.text, "-") {
			exported = exported || w.text == "--export" || !strings.HasPrefix(w.text, "--") && strings.Contains(w.text, "x")
			if strings.ContainsAny(strings.TrimPrefix(w.text, "-"), "eq") && !strings.HasPrefix(w.text, "--") {
				return nil // erases, or asks
			}
			continue
		}
		if exported && i+1 < len(cmd) {
			return l.each([]FileLine{{Name: w.text, Value: cmd[i+1].text, Literal: cmd[i+1].literal}})
		}
		return nil
	}
	return nil
}

// fishUnescape undoes the "\xNN" of fish_variables.
func fishUnescape(s string) string {
	return regexp.MustCompile(`\\x[0-9a-fA-F]{2}`).ReplaceAllStringFunc(s, func(m string) string {
		n, _ := strconv.ParseUint(m[2:], 16, 8)
		return string([]byte{byte(n)})
	})
}

// cshLines reads a file of the C shell.
func cshLines(file, text string) []FileLine {
	return eachLine(file, text, func(at FileLine, line string) []FileLine {
		var found []FileLine
		for _, cmd := range commands(line) {
			if len(cmd) >= 3 && cmd[0].text == "setenv" {
				found = append(found, at.each([]FileLine{{Name: cmd[1].text, Value: cmd[2].text, Literal: cmd[2].literal}})...)
			}
		}
		return found
	})
}

// powershellLines reads a file of PowerShell.
func powershellLines(file, text string) []FileLine {
	env := regexp.MustCompile(`(?i)^\s*\$env:(\w+)\s*=\s*(.+?)\s*(?:;.*)?$`)
	set := regexp.MustCompile(`(?i)^\s*\[(?:System\.)?Environment\]::SetEnvironmentVariable\(\s*["'](\w+)["']\s*,\s*(["'][^"']*["'])`)
	return eachLine(file, text, func(at FileLine, line string) []FileLine {
		m := env.FindStringSubmatch(line)
		if m == nil {
			m = set.FindStringSubmatch(line)
		}
		if m == nil {
			return nil
		}
		value, literal := unquote(m[2])
		return at.each([]FileLine{{Name: strings.ToUpper(m[1]), Value: value, Literal: literal}})
	})
}

// eachLine reads a text line by line.
func eachLine(file, text string, read func(at FileLine, line string) []FileLine) []FileLine {
	var found []FileLine
	for number, line := range joined(text) {
		found = append(found, read(FileLine{File: file, Number: number}, line)...)
	}
	return found
}

// unquote takes the quotation marks and the comment from a value, and reports
// whether nothing in it is substituted.
func unquote(value string) (text string, literal bool) {
	value = strings.TrimSpace(value)
	if len(value) > 1 && (value[0] == '"' || value[0] == '\'') {
		if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
			text = value[1 : end+1]
			return text, value[0] == '\'' || !strings.ContainsAny(text, "$`")
		}
	}
	if i := strings.Index(value, " #"); i >= 0 {
		value = strings.TrimSpace(value[:i])
	}
	return value, !strings.ContainsAny(value, "$`")
}
