package goenv

import (
	"fmt"
	"slices"
	"strings"
)

// Formats are the names of the formats of Print.
func Formats() []string {
	return []string{"sh", "fish", "powershell", "dotenv", "docker", "github", "gitlab"}
}

// StartsBlank reports whether what a format is for starts with none of this
// machine's settings: a container, a job of continuous integration.
func StartsBlank(format string) bool {
	return !slices.Contains([]string{"sh", "fish", "powershell"}, format)
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

// printLine returns the line of one change.
func printLine(format string, c Change) string {
	if c.Unset {
		switch format {
		case "sh":
			return "unset " + c.Name
		case "fish":
			return "set --erase " + c.Name
		case "powershell":
			return "Remove-Item Env:" + c.Name + " -ErrorAction SilentlyContinue"
		}
	}
	switch format {
	case "sh":
		return "export " + c.Name + "='" + strings.ReplaceAll(c.Value, "'", `'\''`) + "'"
	case "fish":
		return "set --global --export " + c.Name + " '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(c.Value) + "'"
	case "powershell":
		// It takes the marks of typographers for quotation marks, too.
		return "$env:" + c.Name + " = '" + strings.NewReplacer("'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛").Replace(c.Value) + "'"
	case "dotenv":
		return c.Name + "=" + dotenvQuote(c.Value)
	case "docker":
		return "ENV " + c.Name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(c.Value) + `"`
	case "gitlab":
		return "  " + c.Name + ": '" + strings.NewReplacer("'", "''", "$", "$$").Replace(c.Value) + "'"
	default: // github
		return "  " + c.Name + ": '" + strings.ReplaceAll(c.Value, "'", "''") + "'"
	}
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
