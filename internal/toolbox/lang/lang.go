// Package lang lets the tool-box speak English and Chinese: a text stands in
// both languages at the place where it is used.
package lang

import (
	"fmt"
	"strings"
)

// A Language is one that the tool-box speaks.
type Language int

// The languages.
const (
	English Language = iota
	Chinese
)

// String returns the language's code, as --lang takes it.
func (l Language) String() string {
	if l == Chinese {
		return "zh"
	}
	return "en"
}

// Parse returns the language that a name such as "zh", "zh_CN.UTF-8", "en-US" or "C" stands for.
func Parse(name string) (Language, error) {
	code := strings.ToLower(name)
	if i := strings.IndexAny(code, "_-.@"); i >= 0 {
		code = code[:i]
	}
	switch code {
	case "zh", "chinese", "中文":
		return Chinese, nil
	case "en", "english", "c", "posix":
		return English, nil
	}
	return English, fmt.Errorf("the language %q is not spoken here; there are en and zh", name)
}

// Detect returns the language that the environment asks for: LC_ALL, LC_MESSAGES
// and LANG as POSIX has them, with LANGUAGE before all of them as GNU has it,
// unless these say C. A language that is not spoken here is English.
func Detect(getenv func(string) string) Language {
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if locale = getenv(name); locale != "" {
			break
		}
	}
	base, _, _ := strings.Cut(locale, ".")
	if base != "C" && base != "POSIX" && base != "" {
		for name := range strings.SplitSeq(getenv("LANGUAGE"), ":") {
			if l, err := Parse(name); name != "" && err == nil {
				return l
			}
		}
	}
	l, _ := Parse(locale)
	return l
}

// A Text is a text in both languages. It may hold verbs of package fmt, the
// same in both; "%[2]s" lets the order differ.
type Text struct{ En, Zh string }

// Same returns a text that is the same in both languages: a command, a name, a figure.
func Same(s string) Text { return Text{s, s} }

// In returns the text in a language; in English where it has no other.
func (t Text) In(l Language) string {
	if l == Chinese && t.Zh != "" {
		return t.Zh
	}
	return t.En
}

// With fills the text's verbs. Arguments that are texts are put in in the language of the text around them.
func (t Text) With(args ...any) Text {
	return Text{fill(English, t.En, args), fill(Chinese, t.Zh, args)}
}

func fill(l Language, format string, args []any) string {
	if format == "" {
		return ""
	}
	said := make([]any, len(args))
	for i, a := range args {
		if t, ok := a.(Text); ok {
			a = t.In(l)
		}
		said[i] = a
	}
	return fmt.Sprintf(format, said...)
}

// IsZero reports whether there is no text.
func (t Text) IsZero() bool { return t == Text{} }
