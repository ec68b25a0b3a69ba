package godown

import (
	"errors"
	"strings"
	"testing"
)

const loginHTML = "<!DOCTYPE html>\n<html><body>Sign in</body></html>"

func TestCheckSmall(t *testing.T) {
	const path, version = "example.com/m", "v1.2.3"
	for name, test := range map[string]struct {
		kind    Kind
		version string
		data    string
		ok      bool
	}{
		"info":                       {Info, version, `{"Version":"v1.2.3","Time":"2020-02-02T20:20:20Z"}`, true},
		"info, other fields":         {Info, version, ` { "Origin": {"VCS":"git"}, "Version": "v1.2.3" } ` + "\n", true},
		"info without time":          {Info, version, `{"Version":"v1.2.3"}`, true},
		"info of another version":    {Info, version, `{"Version":"v1.2.4"}`, false},
		"info in another case":       {Info, version, `{"Version":"V1.2.3"}`, false},
		"info without version":       {Info, version, `{"Time":"2020-02-02T20:20:20Z"}`, false},
		"info, version a number":     {Info, version, `{"Version":1}`, false},
		"info, no object":            {Info, version, `"v1.2.3"`, false},
		"info, null":                 {Info, version, `null`, false},
		"info, cut":                  {Info, version, `{"Version":"v1.2.3"`, false},
		"info, two":                  {Info, version, `{"Version":"v1.2.3"}{"Version":"v1.2.3"}`, false},
		"info, empty":                {Info, version, ``, false},
		"info, HTML":                 {Info, version, loginHTML, false},
		"query":                      {Info, "master", `{"Version":"v1.2.3"}`, true},
		"query, pseudo":              {Info, "master", `{"Version":"v0.0.0-20230101000000-ffffffffffff"}`, true},
		"query, no version":          {Info, "master", `{"Version":"master"}`, false},
		"query v2.0.0":               {Info, "v2.0.0", `{"Version":"v2.0.0+incompatible"}`, true},
		"query, cut":                 {Info, "master", `{"Version":"v1.2`, false},
		"latest":                     {Latest, "", `{"Version":"v1.2.3"}`, true},
		"latest, HTML":               {Latest, "", loginHTML, false},
		"latest, empty":              {Latest, "", "", false},
		"mod":                        {Mod, version, "module example.com/m\n", true},
		"mod, empty":                 {Mod, version, "", false},
		"mod, HTML":                  {Mod, version, "\ufeff \n\t<html>", false},
		"mod, XML":                   {Mod, version, `<?xml version="1.0"?>`, false},
		"list":                       {List, "", "v1.0.0\nv1.2.3\n", true},
		"list, no newline":           {List, "", "v1.0.0", true},
		"list, CRLF":                 {List, "", "v1.0.0\r\nv1.2.3\r\n", true},
		"list, empty":                {List, "", "", true},
		"list, blank":                {List, "", " \r\n\n", true},
		"list with times":            {List, "", "v1.0.0 2020-02-02T20:20:20Z\n", true},
		"list, something else too":   {List, "", "v1.0.0\nnonsense\n", true},
		"list, HTML":                 {List, "", loginHTML, false},
		"list, text of a 404 as 200": {List, "", "not found: example.com/m", false},
		"list, JSON":                 {List, "", `{"error":"x"}`, false},
	} {
		req := Request{Kind: test.kind, Path: path, Version: test.version}
		h1, err := checkSmall(req, []byte(test.data))
		if (err == nil) != test.ok {
			t.Errorf("%s: error is %v", name, err)
		}
		if m, bad := errors.AsType[*Mismatch](err); err != nil && (!bad || m.Request != req) {
			t.Errorf("%s: error %v is no *Mismatch of the request", name, err)
		}
		if want := test.kind == Mod && test.ok; (h1 != "") != want {
			t.Errorf("%s: hash is %q", name, h1)
		}
	}
}

// What is wrong is quoted, but no more than fits an error message, and without control characters.
func TestCheckSmallErrorText(t *testing.T) {
	bad := strings.Repeat("\x1b[31m\xff", 10_000)
	for _, req := range []Request{
		{Kind: List, Path: "example.com/m"}, {Kind: Latest, Path: "example.com/m"}, {Kind: Info, Path: "example.com/m", Version: "v1.0.0"},
	} {
		for _, data := range []string{bad, "<" + bad, `{"Version":"` + strings.Repeat("x", 10_000) + `"}`} {
			_, err := checkSmall(req, []byte(data))
			if err == nil || len(err.Error()) > 600 || (strings.Contains(err.Error(), "\x1b") || strings.Contains(err.Error(), "\xff")) {
				t.Errorf("%v: error is %.700q", req, err)
			}
		}
	}
}

func TestHashMod(t *testing.T) {
	// As in any go.sum, made by the go command.
	if got, want := HashMod([]byte("module example.com/hello\n\ngo 1.20\n")), HashMod([]byte("module example.com/hello\n\ngo 1.21\n")); got == want {
		t.Errorf("different contents have the same hash %s", got)
	}
	// sha256("<hex of sha256(\"\")>  go.mod\n")
	if got, want := HashMod(nil), "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY="; got != want {
		t.Errorf("HashMod of nothing = %s, want %s", got, want)
	}
}

func TestParseList(t *testing.T) {
	for in, want := range map[string]string{
		"":                                    "",
		"v1.0.0":                              "v1.0.0",
		"v1.0.0\nv1.1.0\n":                    "v1.0.0|v1.1.0",
		"v1.1.0\nv1.0.0\n":                    "v1.1.0|v1.0.0", // the order stays
		"  v1.0.0  \r\n\n\tv1.1.0":            "v1.0.0|v1.1.0",
		"v1.0.0 2020-02-02T20:20:20Z\n":       "v1.0.0 2020-02-02T20:20:20Z",
		"master\n1.0.0\nv1.0.0\nv1.x\n":       "v1.0.0",
		"v2.0.0+incompatible\nv1\nv1.2\n":     "v2.0.0+incompatible|v1|v1.2", // the go command takes these, too
		"v0.0.0-20230101000000-ffffffffffff ": "v0.0.0-20230101000000-ffffffffffff",
		"\x00v1.0.0\nv1.0.0\x00":              "",
	} {
		if got := strings.Join(parseList([]byte(in)), "|"); got != want {
			t.Errorf("parseList(%q) = %q, want %q", in, got, want)
		}
	}
}

// The go command splits a line at any blank (modfetch/proxy.go, strings.Fields).
func TestParseListTabs(t *testing.T) {
	if got := parseList([]byte("v1.0.0\t2020-02-02T20:20:20Z\n")); len(got) != 1 {
		t.Errorf("a line with a tab behind the version is dropped: %q", got)
	}
}

func TestFormatList(t *testing.T) {
	const pseudo = "v0.0.0-20230101000000-ffffffffffff"
	for _, test := range []struct{ lines, stored, want string }{
		{"", "", ""},
		{"v1.0.0", "", "v1.0.0\n"},
		{"", "v1.0.0", "v1.0.0\n"},
		{"v1.0.0", "v1.0.0", "v1.0.0\n"},
		{"v1.1.0|v1.0.0", "v1.0.0|v1.2.0", "v1.1.0\nv1.0.0\nv1.2.0\n"},
		{"v1.0.0 2020-02-02T20:20:20Z", "v1.0.0", "v1.0.0 2020-02-02T20:20:20Z\n"},
		{"v1.0.0", pseudo, "v1.0.0\n"}, // a list names no pseudo-versions,
		{pseudo, "", pseudo + "\n"},    // but upstream's is not edited
		{"v1.0.0", "v2.0.0+incompatible", "v1.0.0\nv2.0.0+incompatible\n"},
	} {
		split := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == '|' }) }
		if got := string(formatList(split(test.lines), split(test.stored))); got != test.want {
			t.Errorf("formatList(%q, %q) = %q, want %q", test.lines, test.stored, got, test.want)
		}
	}
}

func TestETag(t *testing.T) {
	a, b := etag([]byte("a")), etag([]byte("b"))
	if a == b || a != etag([]byte("a")) || !strings.HasPrefix(a, `"`) || !strings.HasSuffix(a, `"`) || strings.ContainsAny(a[1:len(a)-1], "\" \\") {
		t.Errorf("entity tags %s and %s", a, b)
	}
}
