package ci

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// inCheckout reports whether a file is in the repository whose top a folder is,
// as far as names tell: it is below the top, and no .gitignore above it names it.
// Without a repository ("") nothing is known to be missing.
func inCheckout(top, name string) bool {
	if top == "" {
		return true
	}
	rel, err := filepath.Rel(top, name)
	if err != nil || !filepath.IsLocal(rel) {
		return false
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	in, dir := true, top
	for i, part := range parts {
		if data, err := os.ReadFile(filepath.Join(dir, ".gitignore")); err == nil {
			for line := range strings.Lines(string(data)) {
				pattern, again := strings.CutPrefix(strings.TrimSpace(line), "!")
				if ignores(pattern, strings.Join(parts[i:], "/")) {
					in = again // the last that matches counts
				}
			}
		}
		dir = filepath.Join(dir, part)
	}
	return in
}

// ignores reports whether a line of .gitignore names a path, seen from the file's folder.
func ignores(pattern, rel string) bool {
	pattern = strings.TrimSuffix(pattern, "/")
	if pattern == "" || strings.HasPrefix(pattern, "#") {
		return false
	}
	if deep := strings.TrimPrefix(pattern, "**/"); !strings.Contains(deep, "/") {
		pattern, rel = deep, path.Base(rel)
	}
	match, err := path.Match(strings.TrimPrefix(pattern, "/"), rel)
	return match && err == nil
}
