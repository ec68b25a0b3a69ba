package goenv_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

// nasty are values that quoting can go wrong with.
func nasty() []string {
	return []string{
		"https://a.example|https://b.example,direct", "sum.corp.example+01234567+AA/B= https://sum.corp.example",
		"it's", `"quoted"`, "$HOME ${HOME} `id` $(id)", `back\slash\`, `\'`, "a;b&c", "* ? [x]", "# no comment", "模块", "a: b", "- x", "{x}", "%PATH%", "!x", "‘’", "'", "~", "=x", "on", "null",
	}
}

func printed(t *testing.T, format, value string) string {
	t.Helper()
	text, err := goenv.Print(format, []goenv.Change{{Name: "GOPROXY", Value: value}, {Name: "GOSUMDB", Unset: true}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Shells that read it have the value, and nothing else.
func TestPrintForShells(t *testing.T) {
	for _, value := range nasty() {
		for format, script := range map[string]string{
			"sh":     "GOSUMDB=x\n" + printed(t, "sh", value) + `printf '%s|%s' "$GOPROXY" "$GOSUMDB"`,
			"dotenv": "GOSUMDB=\nset -a\n" + printed(t, "dotenv", value) + `printf '%s|%s' "$GOPROXY" "$GOSUMDB"`,
		} {
			out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput()
			if err != nil || string(out) != value+"|" {
				t.Errorf("%s: %q became %q, %v, by\n%s", format, value, out, err, script)
			}
		}
	}
}

// There need be no fish, PowerShell or Docker here: their quoting is a rule of a line each.
func TestPrintQuoting(t *testing.T) {
	for _, value := range nasty() {
		// In fish, \\ and \' within single quotes; all else is as it is.
		line, _, _ := strings.Cut(printed(t, "fish", value), "\n")
		quoted, ok := strings.CutPrefix(line, "set --global --export GOPROXY ")
		if got, good := unquote(quoted, '\'', func(rest string) (string, int) {
			if strings.HasPrefix(rest, `\\`) || strings.HasPrefix(rest, `\'`) {
				return rest[1:2], 2
			}
			return "", 0
		}); !ok || !good || got != value {
			t.Errorf("fish: %q became %q by %s", value, got, line)
		}
		// In PowerShell, a doubled quotation mark, of five kinds.
		line, _, _ = strings.Cut(printed(t, "powershell", value), "\n")
		quoted, ok = strings.CutPrefix(line, "$env:GOPROXY = ")
		if got, good := unquote(quoted, '\'', func(rest string) (string, int) {
			for _, mark := range []string{"'", "‘", "’", "‚", "‛"} {
				if strings.HasPrefix(rest, mark+mark) {
					return mark, 2 * len(mark)
				}
				if strings.HasPrefix(rest, mark) && len(rest) > len(mark) {
					return "an end in the middle", len(rest) - 1
				}
			}
			return "", 0
		}); !ok || !good || got != value {
			t.Errorf("powershell: %q became %q by %s", value, got, line)
		}
		// In a Dockerfile, "\" before what it takes the meaning of; a "$" alone would be substituted.
		line, _, _ = strings.Cut(printed(t, "docker", value), "\n")
		quoted, ok = strings.CutPrefix(line, "ENV GOPROXY=")
		if got, good := unquote(quoted, '"', func(rest string) (string, int) {
			if len(rest) > 1 && rest[0] == '\\' && strings.Contains(`\"$`, rest[1:2]) {
				return rest[1:2], 2
			}
			if rest[0] == '$' {
				return "substituted", 1
			}
			return "", 0
		}); !ok || !good || got != value {
			t.Errorf("docker: %q became %q by %s", value, got, line)
		}
	}
}

// unquote reads a text in quotation marks; special returns what stands for the
// beginning of rest, and how long that is: 0 if it is nothing special.
func unquote(text string, mark byte, special func(rest string) (string, int)) (value string, ok bool) {
	if len(text) < 2 || text[0] != mark {
		return "", false
	}
	var b strings.Builder
	for i := 1; i < len(text); {
		if s, n := special(text[i:]); n > 0 {
			b.WriteString(s)
			i += n
			continue
		}
		if text[i] == mark {
			return b.String(), i == len(text)-1
		}
		b.WriteByte(text[i])
		i++
	}
	return b.String(), false
}

func TestPrintUnset(t *testing.T) {
	unset := []goenv.Change{{Name: "GOPROXY", Unset: true}}
	for format, want := range map[string]string{
		"sh": "unset GOPROXY\n", "fish": "set --erase GOPROXY\n", "powershell": "Remove-Item Env:GOPROXY -ErrorAction SilentlyContinue\n",
		"dotenv": "#", "docker": "#", "github": "#", "gitlab": "#",
	} {
		if got, err := goenv.Print(format, unset); err != nil || !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %q, %v", format, got, err)
		}
	}
}

func TestPrintRefuses(t *testing.T) {
	for _, c := range []struct{ format, value, want string }{
		{"docker", "https://u:s3cr3t@a.example", "holds a password"},
		{"sh", "https://s3cr3t@a.example,direct", "holds a password"},
		{"sh", "a\nb", "line break"},
		{"github", "${{ x }}", "expression"},
		{"bash", "x", "no format"},
	} {
		text, err := goenv.Print(c.format, []goenv.Change{proxy(c.value)})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(text+err.Error(), "s3cr3t") {
			t.Errorf("%+v: %q, %v", c, text, err)
		}
	}
}
