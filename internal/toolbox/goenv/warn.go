package goenv

import (
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// Obstacles returns notes about what keeps changes from doing what they are
// meant to: variables in the environment, which win over the file, and lines in
// start-up files and a project's files that set them. Home is for shorter names of files.
func Obstacles(m Machine, changes []Change, shell, project []FileLine, home string) []Note {
	var notes []Note
	for _, c := range changes {
		value := m.Getenv(c.Name)
		said := FileLine{}
		for _, l := range shell {
			// The last counts, unless it is seen which it was; what is empty wins over nothing.
			if l.Name == c.Name && !l.Writes && l.Value != "" && (l.Value == value || said.Value != value || said.File == "") {
				said = l
			}
		}
		switch {
		case value != "" && (c.Unset || value != c.Value):
			from := lang.Text{}
			if said.File != "" {
				from = lang.Text{En: " (%[1]s sets it)", Zh: "（它由 %[1]s 设置）"}.With(said.at(home))
			}
			notes = append(notes, Note{ID: "environment", Warn: true, Command: unsetCommand(m, c.Name), Text: lang.Text{
				En: "%[1]s=%[2]s is in the environment%[3]s, which wins over what is written: nothing changes in this shell until it is gone.",
				Zh: "环境变量 %[1]s=%[2]s 优先于写入的值%[3]s：在清除它之前，当前终端里不会有任何变化。"}.With(c.Name, Shown(value), from)})
		case said.File != "" && (c.Unset || said.Value != c.Value):
			may := lang.Text{En: "sets", Zh: "会设置"}
			if said.Maybe {
				may = lang.Text{En: "may set", Zh: "可能会设置"}
			}
			notes = append(notes, Note{ID: "start-up", Warn: true, Text: lang.Text{
				En: "%[1]s %[2]s %[3]s=%[4]s in new shells, which wins over what is written. Take that line out.",
				Zh: "%[1]s %[2]s %[3]s=%[4]s（对新开的终端），优先于写入的值。请删掉这一行。"}.With(said.at(home), may, c.Name, Shown(said.Value))})
		}
		for _, l := range shell {
			if l.Name == c.Name && l.Writes && (c.Unset || l.Value != c.Value) {
				notes = append(notes, Note{ID: "start-up-writes", Warn: true, Text: lang.Text{
					En: "%[1]s runs 'go env -w %[2]s=%[3]s' in each new shell, which will write over it. Take that line out.",
					Zh: "%[1]s 在每个新终端里都会运行 “go env -w %[2]s=%[3]s”，会把它覆盖。请删掉这一行。"}.With(l.at(home), c.Name, Shown(l.Value))})
			}
		}
	}
	return append(notes, projectNotes(changes, project, home)...)
}

// unsetCommand returns what takes a variable out of the environment of the user's shell.
func unsetCommand(m Machine, name string) string {
	switch shell := strings.TrimSuffix(path.Base(m.Getenv("SHELL")), ".exe"); {
	case shell == "fish":
		return printLine("fish", Change{Name: name, Unset: true})
	case shell == "csh" || shell == "tcsh":
		return "unsetenv " + name
	case shell == "." && runtime.GOOS == "windows":
		return printLine("powershell", Change{Name: name, Unset: true})
	}
	return printLine("sh", Change{Name: name, Unset: true})
}

// maxProjectNotes is how many lines of a project's files are worth a note.
const maxProjectNotes = 6

func projectNotes(changes []Change, project []FileLine, home string) []Note {
	var notes []Note
	more := 0
	for _, l := range project {
		i := slices.IndexFunc(changes, func(c Change) bool { return c.Name == l.Name })
		if i < 0 || l.Value == "" || !changes[i].Unset && changes[i].Value == l.Value {
			continue
		}
		if len(notes) == maxProjectNotes {
			more++
			continue
		}
		notes = append(notes, Note{ID: "project", Text: lang.Text{
			En: "%[1]s sets %[2]s=%[3]s %[4]s; that wins there.",
			Zh: "%[1]s %[4]s设置了 %[2]s=%[3]s，在那里优先。"}.With(l.at(home), l.Name, Shown(l.Value), l.reader())})
	}
	if more > 0 {
		notes = append(notes, Note{ID: "project", Text: lang.Text{
			En: "%[1]d more lines of this project's files set such variables.", Zh: "这个项目的文件里还有 %[1]d 行设置了这些变量。"}.With(more)})
	}
	return notes
}

// at returns the line's place, short.
func (l FileLine) at(home string) string {
	return fmt.Sprintf("%s:%d", ShortPath(l.File, home), l.Number)
}

// ShortPath returns a file's name with "~" for the home.
func ShortPath(file, home string) string {
	if rest, ok := strings.CutPrefix(file, home+string(filepath.Separator)); ok && home != "" {
		return "~" + string(filepath.Separator) + rest
	}
	return file
}

// reader says for whom a line counts.
func (l FileLine) reader() lang.Text {
	if l.Writes {
		return lang.Text{En: "by 'go env -w'", Zh: "用 “go env -w” "}
	}
	switch l.For {
	case "direnv":
		return lang.Text{En: "where direnv is on", Zh: "在启用 direnv 的终端里"}
	case "dotenv":
		return lang.Text{En: "for programs that read it (the go command does not)", Zh: "对读取它的程序（go 命令不读）"}
	case "mise":
		return lang.Text{En: "where mise is on", Zh: "在启用 mise 的终端里"}
	case "make":
		return lang.Text{En: "under make", Zh: "在 make 里"}
	case "docker":
		return lang.Text{En: "in the image", Zh: "在镜像构建里"}
	case "compose":
		return lang.Text{En: "in containers", Zh: "在容器里"}
	case "vscode":
		return lang.Text{En: "in VS Code", Zh: "在 VS Code 里"}
	case "devcontainer":
		return lang.Text{En: "in the dev container", Zh: "在 dev container 里"}
	case "github", "gitea", "gitlab", "jenkins":
		return lang.Text{En: "in CI", Zh: "在 CI 里"}
	}
	return lang.Text{En: "in new shells", Zh: "在新开的终端里"}
}
