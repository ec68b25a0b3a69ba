package token

import "strings"

// HasCommand reports whether a value of GOAUTH has a command in it, or 'godown
// auth' by whatever path.
func HasCommand(goauth, command string) bool {
	for c := range strings.SplitSeq(goauth, ";") {
		if strings.TrimSpace(c) == command {
			return true
		}
		words := strings.Fields(c)
		for i, w := range words {
			name := strings.Trim(w[strings.LastIndexAny(w, `/\`)+1:], `"'`)
			if (name == "godown" || name == "godown.exe") && i+1 < len(words) && words[i+1] == "auth" {
				return true
			}
		}
	}
	return false
}

// WithCommand returns a value of GOAUTH with our command in it: before the
// others, since of two for one server the first counts, and in place of "off". An empty
// value is netrc, as for the go command.
func WithCommand(goauth, command string) string {
	switch goauth = strings.Trim(goauth, "; \t"); goauth {
	case "off":
		return command
	case "":
		goauth = "netrc"
	}
	return command + ";" + goauth
}

// Command returns what of GOAUTH runs a program with the argument auth; !ok if
// GOAUTH cannot say so, as it knows no escapes.
func Command(program string) (command string, ok bool) {
	switch {
	case program == "" || strings.ContainsAny(program, ";\r\n"):
		return "", false
	case !strings.ContainsAny(program, " \t'\""):
		return program + " auth", true
	case !strings.Contains(program, "'"):
		return "'" + program + "' auth", true
	case !strings.Contains(program, `"`):
		return `"` + program + `" auth`, true
	}
	return "", false
}
