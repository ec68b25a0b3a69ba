package goenv

import (
	"fmt"
	"slices"
	"strings"
)

// Formats are the names of the formats of Print.
func Formats() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
	}
	return names
}

// A format is one that settings can be printed in.
type format struct {
	name  string
	set   func(name, value string) string // the line that sets a variable
	unset func(name string) string        // that which takes it back; nil: where it is for, nothing is set
}

// formats returns the table of formats. A new one is an element of it.
func formats() []format {
	return []format{
		{"sh",
			func(name, v string) string { return "export " + name + "='" + strings.ReplaceAll(v, "'", `'\''`) + "'" },
			func(name string) string { return "unset " + name }},
		{"fish",
			func(name, v string) string {
				return "set --global --export " + name + " '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
			},
			func(name string) string { return "set --erase " + name }},
		{"powershell",
			func(name, v string) string {
				// It takes the marks of typographers for quotation marks, too.
				return "$env:" + name + " = '" + strings.NewReplacer("'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛").Replace(v) + "'"
			},
			func(name string) string { return "Remove-Item Env:" + name + " -ErrorAction SilentlyContinue" }},
		{"dotenv", func(name, v string) string { return name + "=" + dotenvQuote(v) }, nil},
		{"docker", func(name, v string) string {
			return "ENV " + name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(v) + `"`
		}, nil},
		{"github", func(name, v string) string { return "  " + name + ": '" + strings.ReplaceAll(v, "'", "''") + "'" }, nil},
		{"gitlab", func(name, v string) string {
			return "  " + name + ": '" + strings.NewReplacer("'", "''", "$", "$$").Replace(v) + "'"
		}, nil},
	}
}

// formatOf returns a format by its name; nil if there is none.
func formatOf(name string) *format {
	for _, f := range formats() {
		if f.name == name {
			return &f
		}
	}
	return nil
}

// StartsBlank reports whether what a format is for starts with none of this
// machine's settings: a container, a job of continuous integration.
func StartsBlank(format string) bool {
	f := formatOf(format)
	return f != nil && f.unset == nil
}

// Print returns text that makes changes: for a shell to run, or to be put into a
// file. Where a format starts blank there is nothing to unset. A secret is
// refused: such files are for many eyes, and the layers of an image are for ever.
func Print(format string, changes []Change) (string, error) {
	if !slices.Contains(Formats(), format) {
		return "", fmt.Errorf("there is no format %q; there are %s", format, strings.Join(Formats(), ", "))
	}
	var lines []string
	for _, c := range changes {
		if c.Unset && StartsBlank(format) {
			continue
		}
		if !c.Unset {
			if Shown(c.Value) != c.Value {
				return "", explain("%[1]s holds a password, and what is printed here ends in files and logs; put it into ~/.netrc, which the go command reads, and leave it out of the address", "%[1]s 里带有密码，而这里打印的内容会进入文件和日志；请把密码写进 go 命令会读取的 ~/.netrc，不要放在地址里", c.Name)
			}
			if strings.ContainsAny(c.Value, "\r\n\x00") {
				return "", explain("the value of %[1]s has a line break", "%[1]s 的值含有换行", c.Name)
			}
			if format == "github" && strings.Contains(c.Value, "${{") {
				return "", explain("the value of %[1]s has ${{, which is an expression in a workflow", "%[1]s 的值含有 ${{，它在 workflow 里是表达式", c.Name)
			}
		}
		lines = append(lines, printLine(format, c))
	}
	switch {
	case lines == nil:
		lines = []string{"# there is nothing to set: what the go command has by itself is meant"}
	case format == "github":
		lines = slices.Insert(lines, 0, "env:")
	case format == "gitlab":
		lines = slices.Insert(lines, 0, "variables:")
	}
	return strings.Join(lines, "\n") + "\n", nil
}

// printLine returns the line of one change in one of Formats.
func printLine(format string, c Change) string {
	f := formatOf(format)
	if c.Unset && f.unset != nil {
		return f.unset(c.Name)
	}
	return f.set(c.Name, c.Value)
}

// dotenvQuote quotes only where it must, since "docker run --env-file" takes
// quotation marks for a part of the value. In single quotes nothing is substituted.
func dotenvQuote(value string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:@,+*=-?[]"
	switch {
	case strings.Trim(value, plain) == "":
		return value
	case !strings.Contains(value, "'"):
		return "'" + value + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(value) + `"`
}
