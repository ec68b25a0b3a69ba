package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// readHeaders reads the mapping of header fields at origin. No message of it
// shows a text.
func readHeaders(name, origin string, v *yaml.Node) (Headers, []error) {
	const how = "expected lines of the form NAME: TEXT"
	if v.Kind != yaml.MappingNode {
		return nil, []error{fmt.Errorf("%s: headers: %s", origin, how)}
	}
	list := make(Headers)
	var problems []error
	lines := make(map[string]int) // by name as package http has it
	for i := 0; i+1 < len(v.Content); i += 2 {
		k, text := v.Content[i], v.Content[i+1]
		problem := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("%s:%d: headers: %w", name, k.Line, fmt.Errorf(format, args...)))
		}
		field := http.CanonicalHeaderKey(k.Value)
		switch line, twice := lines[field]; {
		case k.Kind != yaml.ScalarNode || !isFieldName(k.Value):
			problem("the name of a header field consists of letters, digits and dashes (%s)", how)
		case slices.Contains(ownFields(), field):
			problem("godown itself sets the field %s", field)
		case twice:
			problem("the field %s stands here for the second time, after line %d", field, line)
		case text.Kind != yaml.ScalarNode || text.ShortTag() != "!!str":
			problem("the value of %s must be a text; write it in quotes", field)
		case strings.ContainsFunc(text.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			problem("the value of %s has a line break or another control character", field)
		case strings.TrimSpace(text.Value) == "":
			problem("the value of %s is empty; remove the line", field)
		default:
			list[k.Value] = text.Value
		}
		lines[field] = k.Line
	}
	return list, problems
}

// isFieldName reports whether name is a token as in RFC 9110, section 5.6.2.
func isFieldName(name string) bool {
	return regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$").MatchString(name)
}

// ownFields are the fields without which, or with others of which, an upstream
// would not be asked what we mean to ask.
func ownFields() []string {
	return []string{
		"Accept-Encoding", "Connection", "Content-Length", "Expect", "Host", "If-Range", "Range",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
	}
}
