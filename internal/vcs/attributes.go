package vcs

import (
	"path"
	"strings"
)

// converts reports whether a .gitattributes file can make git archive give out
// other bytes than those of the files' objects: line ends, another encoding, or
// the expansion of $Id$. Where one may, git archive itself is asked. It is
// better to be wrong by a yes. What is switched off in info/attributes, and filters
// without a driver, which are all of a server's, change nothing.
func converts(attributes []byte, filters bool) bool {
	for line := range strings.Lines(string(attributes)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "[attr]") || strings.HasPrefix(line, `"`) {
			return true // rare: a macro, or a pattern in quotes, which may hold blanks
		}
		f := strings.Fields(line)
		for _, a := range f[1:] {
			name, value, _ := strings.Cut(a, "=")
			switch name {
			case "eol":
				if value != "lf" {
					return true
				}
			case "ident", "working-tree-encoding", "crlf":
				return true
			case "filter":
				if filters {
					return true
				}
			}
		}
	}
	return false
}

// isAttributes reports whether a file of a commit is a .gitattributes.
func isAttributes(name string) bool { return path.Base(name) == ".gitattributes" }
