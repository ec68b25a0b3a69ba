package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// mask stands for a secret, as in [net/url.URL.Redacted].
const mask = "xxxxx"

// A Secret says where a secret stands:
//
//	env:NAME              a variable of the environment
//	file:PATH             a file
//	command:PROGRAM ARG…  what a program prints; there is no shell, and a word with blanks stands in quotes
//	text:SECRET           the secret itself, as is anything without one of these prefixes
//
// However it is printed or logged, it does not show a secret, or the arguments of a program.
type Secret string

// Where a secret stands.
const (
	inText = iota
	inEnv
	inFile
	inCommand
)

// split returns where the secret stands, and what comes behind the prefix.
func (s Secret) split() (where int, rest string) {
	for i, prefix := range []string{"text:", "env:", "file:", "command:"} {
		if rest, ok := strings.CutPrefix(string(s), prefix); ok {
			return i, rest
		}
	}
	return inText, string(s)
}

// ParseSecret returns the secret that text means, if its form is right. It opens nothing.
func ParseSecret(text string) (Secret, error) { return Secret(text), Secret(text).Check() }

// Check says what is wrong with the form of s. It opens nothing.
func (s Secret) Check() error {
	where, rest := s.split()
	switch where {
	case inEnv:
		if !isName(rest) {
			return errors.New(`a secret begins with "env:", but what follows is no name of a variable; a secret that begins so itself is written "text:env:…"`)
		}
	case inFile:
		if strings.Trim(rest, " \t\r\n") == "" || strings.ContainsAny(rest, "\x00\r\n") {
			return errors.New(`a secret begins with "file:", but what follows is no path`)
		}
	case inCommand:
		words, err := words(rest)
		if err != nil {
			return fmt.Errorf(`a secret begins with "command:", but %w`, err)
		}
		if len(words) == 0 || words[0] == "" {
			return errors.New(`a secret begins with "command:", but no program follows`)
		}
	default:
		if rest == "" {
			return errors.New("a secret is empty")
		}
	}
	return nil
}

// String returns where the secret stands, and "xxxxx" for one that is written out.
func (s Secret) String() string {
	where, rest := s.split()
	switch {
	case s == "":
		return ""
	case s.Check() != nil || where == inText:
		return mask
	case where == inCommand:
		return "command:" + program(rest)
	}
	return string(s)
}

// program returns a command without its arguments.
func program(command string) string {
	words, err := words(command)
	switch {
	case err != nil || len(words) == 0:
		return mask
	case len(words) == 1:
		return words[0]
	}
	return words[0] + " …"
}

// GoString keeps the secret out of %#v.
func (s Secret) GoString() string { return fmt.Sprintf("auth.Secret(%q)", s.String()) }

// Format keeps the secret out of every other verb: fmt would ask String for some only.
func (s Secret) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'v' && f.Flag('#'):
		fmt.Fprint(f, s.GoString())
	case verb == 'q':
		fmt.Fprintf(f, "%q", s.String())
	default:
		fmt.Fprint(f, s.String())
	}
}

// LogValue keeps the secret out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps the secret out of JSON and the like, also where it stands deep inside of what is written.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func isName(s string) bool {
	for i, c := range []byte(s) {
		if !('a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || i > 0 && '0' <= c && c <= '9') {
			return false
		}
	}
	return s != ""
}

// words splits a command by blanks. A word that begins with a single or a double
// quote goes on to the next such quote; there are no escapes. GOAUTH is split in the same way.
func words(command string) ([]string, error) {
	const blanks = " \t\r\n"
	var list []string
	for {
		command = strings.TrimLeft(command, blanks)
		if command == "" {
			return list, nil
		}
		if q := command[:1]; q == `"` || q == "'" {
			word, rest, ok := strings.Cut(command[1:], q)
			if !ok {
				return nil, fmt.Errorf("a word of the command has no closing %s", q)
			}
			list, command = append(list, word), rest
			continue
		}
		end := strings.IndexAny(command, blanks)
		if end < 0 {
			end = len(command)
		}
		list, command = append(list, command[:end]), command[end:]
	}
}
