package godown

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// checkSmall checks that data can be what req asks for, and returns its h1 if
// that is a .mod. What is wrong is a *[Mismatch].
func checkSmall(req Request, data []byte) (h1 string, err error) {
	wrong := func(format string, args ...any) error {
		return &Mismatch{Request: req, Reason: fmt.Sprintf(format, args...)}
	}
	if start := bytes.TrimLeft(data, " \t\r\n\ufeff"); len(start) > 0 && start[0] == '<' {
		return "", wrong("it is an HTML or XML page, beginning with %.60q", start)
	}
	switch req.Kind {
	case Mod:
		// The go command needs the module line; an error page has none.
		if modfile.ModulePath(data) == "" {
			return "", wrong("it has no module line, but begins with %.60q", data)
		}
		return HashMod(data), nil
	case Info, Latest:
		var info struct{ Version string }
		if err := json.Unmarshal(data, &info); err != nil {
			return "", wrong("it is not the JSON that it should be (%v), beginning with %.60q", err, data)
		}
		if !semver.IsValid(info.Version) {
			return "", wrong("it gives the version as %.100q", info.Version)
		}
		if req.Fixed() && info.Version != req.Version {
			return "", wrong("it is that of version %.100q", info.Version)
		}
	case List:
		if len(bytes.TrimSpace(data)) > 0 && len(parseList(data)) == 0 {
			return "", wrong("it lists no version, but begins with %.60q", data)
		}
	}
	return "", nil
}

// parseList returns the lines of a list that begin with a version. As in the
// go command, what follows the version on its line is allowed, and kept.
func parseList(data []byte) []string {
	var lines []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 0 && semver.IsValid(fields[0]) {
			lines = append(lines, strings.Join(fields, " "))
		}
	}
	return lines
}

// formatList returns the lines of an upstream's list and those versions, other
// than pseudo-versions, that it lacks.
func formatList(lines, stored []string) []byte {
	listed := make(map[string]bool, len(lines))
	for _, line := range lines {
		v, _, _ := strings.Cut(line, " ")
		listed[v] = true
	}
	var b bytes.Buffer
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	for _, v := range stored {
		if !listed[v] && !module.IsPseudoVersion(v) {
			b.WriteString(v + "\n")
		}
	}
	return b.Bytes()
}

// storedVersions returns the versions of a module that are whole in the store.
func storedVersions(ctx context.Context, store Store, path string) []string {
	list := Request{Kind: List, Path: path}.Name()
	versions, err := wholeVersions(ctx, store, strings.TrimSuffix(list, "list"))
	if err != nil {
		return nil // a store that cannot be read holds nothing to offer
	}
	return versions
}

// etag returns a strong entity tag of data.
func etag(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
}

func putString(ctx context.Context, store Store, name, content string) error {
	return store.Put(ctx, name, strings.NewReader(content))
}
