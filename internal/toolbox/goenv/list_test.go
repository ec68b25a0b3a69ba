package goenv_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

func TestParseList(t *testing.T) {
	for _, c := range []struct{ list, want, fails string }{
		{"https://a.example,direct", "a.example, direct", ""},
		{"a.example|https://b.example/x/,off,https://c.example", "a.example(no-scheme)| b.example, off, c.example(after-end)", ""},
		{" https://a.example , ,direct ", "a.example(blanks), (blanks,empty), direct(blanks)", ""},
		{"https://a.example,https://A.example/", "a.example, A.example(repeated)", ""},
		{"https://user:s3cr3t@a.example", "a.example(secret)", ""},
		{"https://a.example?token=s3cr3t", "a.example(query)", ""},
		{"https:///x", "(no-host)", ""},
		{"Direct", "!", "neither a URL nor"},
		{"goproxy,direct", "!, direct", "neither a URL nor"},
		{"ftp://a.example", "!", "scheme"},
		{`"https://a.example`, `!(quotes)`, "not a valid URL"},
		{"https://user:s3cr3t/x@a.example:1", "!(secret)", "not shown"},
		{"direct,ftp://x", "direct, !(after-end)", ""},
		{"", "", "no elements"},
		{" ,|", "(blanks,empty), (empty)| (empty)", "no elements"},
	} {
		list, err := goenv.ParseList(c.list)
		var got strings.Builder
		var raw strings.Builder
		for i, e := range list {
			raw.WriteString(e.Raw)
			if i > 0 {
				got.WriteString(" ")
			}
			switch {
			case e.Word != "":
				got.WriteString(e.Word)
			case e.URL != nil:
				got.WriteString(e.URL.Host)
			case e.Text != "":
				got.WriteString("!")
			}
			if len(e.Odd) > 0 {
				got.WriteString(strings.ReplaceAll(fmt.Sprint("(", e.Odd, ")"), " ", ","))
			}
			if e.Sep != 0 {
				got.WriteByte(e.Sep)
				raw.WriteByte(e.Sep)
			}
			if strings.Contains(e.Shown()+fmt.Sprint(e.Err), "s3cr3t") {
				t.Errorf("%q: a secret is shown: %s, %v", c.list, e.Shown(), e.Err)
			}
		}
		if g := strings.NewReplacer("([", "(", "])", ")").Replace(got.String()); g != c.want {
			t.Errorf("%q: %s, want %s", c.list, g, c.want)
		}
		if raw.String() != c.list {
			t.Errorf("%q was put together as %q", c.list, raw.String())
		}
		if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%q: %v, want %q", c.list, err, c.fails)
		}
	}
}

func TestShown(t *testing.T) {
	for list, want := range map[string]string{
		"https://a.example,direct":                       "https://a.example,direct",
		"https://u:s3cr3t@a.example | https://b.example": "https://u:xxxxx@a.example| https://b.example",
		"https://s3cr3t@a.example":                       "https://xxxxx@a.example",
		"https://s3cr3t:x-oauth-basic@a.example/x":       "https://xxxxx@a.example/x",
		"https://a.example/?t=s3cr3t#s3cr3t":             "https://a.example/?xxxxx#xxxxx",
		"https://u:s3/cr3t@a.example:x":                  "xxxxx",
		"git?.corp.example/*,a#b":                        "git?.corp.example/*,a#b",
	} {
		if got := goenv.Shown(list); got != want {
			t.Errorf("%q is shown as %q, want %q", list, got, want)
		}
	}
}

func TestPrivate(t *testing.T) {
	settings := func(pairs ...string) *goenv.Settings {
		s := &goenv.Settings{Values: make(map[string]goenv.Value)}
		for i := 0; i < len(pairs); i += 2 {
			s.Values[pairs[i]] = goenv.Value{Name: pairs[i], Text: pairs[i+1]}
		}
		return s
	}
	const path = "git.corp.example/team/x"
	for _, c := range []struct {
		s                       *goenv.Settings
		private, noproxy, nosum bool
	}{
		{settings(), false, false, false},
		{settings("GOPRIVATE", "git.corp.example/*"), true, true, true},
		{settings("GOPRIVATE", "git.corp.example/*", "GONOPROXY", "none"), true, false, true},
		{settings("GOPRIVATE", "*.example", "GONOSUMDB", "none"), true, true, false},
		{settings("GONOSUMDB", "github.com/x,git.corp.example"), false, false, true},
		{settings("GOSUMDB", "off"), false, false, true},
		{settings("GOPRIVATE", "corp.example"), false, false, false},
	} {
		if p, n, x := c.s.Private(path), c.s.NoProxy(path), c.s.NoSum(path); p != c.private || n != c.noproxy || x != c.nosum {
			t.Errorf("%v: private %t, noproxy %t, nosum %t", c.s.Values, p, n, x)
		}
	}
}
