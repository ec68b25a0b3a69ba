package doctor

import (
	"path/filepath"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"golang.org/x/mod/module"
)

// text is short for a text in both languages.
func text(en, zh string, args ...any) lang.Text {
	t := lang.Text{En: en, Zh: zh}
	if len(args) > 0 {
		t = t.With(args...)
	}
	return t
}

// setting returns a setting of the go command, or nothing where there is none.
func (f *Facts) setting(name string) string {
	if f.Settings == nil {
		return f.Machine.Getenv(name)
	}
	return f.Settings.Text(name)
}

// goproxy returns the entries of GOPROXY. What the go command would not take is
// for the checks of settings to tell: here there is nothing then.
func (f *Facts) goproxy() []godown.ProxyEntry {
	entries, err := godown.ParseGOPROXY(f.setting("GOPROXY"))
	if err != nil {
		return nil
	}
	return entries
}

// private reports whether the go command asks no proxy for a module.
func (f *Facts) private(path string) bool {
	return module.MatchPrefixPatterns(f.noProxy(), path)
}

// noProxy returns the patterns of modules for which no module proxy is asked.
func (f *Facts) noProxy() string {
	if f.Settings == nil && f.Machine.Getenv("GONOPROXY") == "" {
		return f.Machine.Getenv("GOPRIVATE")
	}
	return f.setting("GONOPROXY")
}

// A need says what git is needed for.
type need int

const (
	needless need = iota // nothing asks for it
	fallback             // it may be: the list ends in direct
	required             // something certainly asks for it
)

// gitNeed returns what the go command needs git for.
func (f *Facts) gitNeed() need {
	if f.Settings == nil {
		return needless
	}
	if len(patternsOf(f.noProxy())) > 0 { // "none" names nothing
		return required
	}
	for i, e := range f.goproxy() {
		if e.Word == "direct" {
			if i == 0 {
				return required
			}
			return fallback
		}
	}
	return needless
}

// unset returns the command that removes variables of the environment from a shell.
func (f *Facts) unset(names ...string) string {
	if f.OS == "windows" {
		return "Remove-Item " + "Env:" + strings.Join(names, ", Env:")
	}
	return "unset " + strings.Join(names, " ")
}

// export returns the command that sets a variable in a shell. The value is one
// that needs no quoting but blanks, or "$NAME" for that of another variable.
func (f *Facts) export(name, value string) string {
	if f.OS == "windows" {
		if v, ok := strings.CutPrefix(value, "$"); ok {
			return "$env:" + name + " = $env:" + v
		}
		return "$env:" + name + " = '" + strings.ReplaceAll(value, "'", "''") + "'"
	}
	if strings.HasPrefix(value, "$") {
		return "export " + name + `="` + value + `"`
	}
	return "export " + name + "=" + quote(value)
}

// quote returns a word as a POSIX shell takes it.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%_+=:,./-~", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// under returns where a file of the system is.
func (f *Facts) under(name string) string {
	if f.Root == "" {
		return name
	}
	return filepath.Join(f.Root, name)
}
