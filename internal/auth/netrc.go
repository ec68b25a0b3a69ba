package auth

import (
	"fmt"
	"strings"
)

// A machine is an entry of a netrc file.
type machine struct{ name, login, password string }

// parseNetrc returns the machines that have a login and a password. An entry
// "default" is read over, as by the go command: it would show a credential to
// every host that any module names. So are macros and accounts. As with curl, a
// word in double quotes may hold blanks, and \", \\, \n, \r and \t; and where a
// keyword could stand, a "#" begins a comment.
func parseNetrc(data string) ([]machine, error) {
	s := netrcScanner{rest: strings.TrimPrefix(data, "\ufeff"), line: 1}
	var list []machine
	var m machine
	entry := false // we are in one of a machine
	finish := func() {
		if entry && m.name != "" && m.login != "" && m.password != "" {
			list = append(list, m)
		}
		m = machine{}
	}
	for {
		key, err := s.word(true)
		if err != nil {
			return nil, err
		}
		if key == "" && s.rest == "" {
			finish()
			return list, nil
		}
		if key == "default" {
			finish()
			entry = false
			continue
		}
		var value *string
		var dropped string
		switch key {
		case "machine":
			finish()
			entry, value = true, &m.name
		case "login":
			value = &m.login
		case "password":
			value = &m.password
		case "account", "macdef":
			value = &dropped
		default:
			continue
		}
		text, err := s.word(false)
		if err != nil {
			return nil, err
		}
		if *value == "" { // the first counts
			*value = text
		}
		if key == "macdef" {
			s.skipMacro()
		}
	}
}

// A netrcScanner gives the words of a netrc file.
type netrcScanner struct {
	rest string
	line int
}

// word returns the next word; it is empty at the end, and if it is so in quotes.
// With comments, those are passed over.
func (s *netrcScanner) word(comments bool) (string, error) {
	for s.rest != "" {
		switch c := s.rest[0]; {
		case c == '\n':
			s.line++
			s.rest = s.rest[1:]
		case c <= ' ':
			s.rest = s.rest[1:]
		case c == '#' && comments:
			s.rest = s.rest[strings.IndexByte(s.rest+"\n", '\n'):]
		case c == '"':
			return s.quoted()
		default:
			end := strings.IndexFunc(s.rest, func(r rune) bool { return r <= ' ' })
			if end < 0 {
				end = len(s.rest)
			}
			word := s.rest[:end]
			s.rest = s.rest[end:]
			return word, nil
		}
	}
	return "", nil
}

func (s *netrcScanner) quoted() (string, error) {
	var b strings.Builder
	for i := 1; i < len(s.rest) && s.rest[i] != '\n'; i++ {
		c := s.rest[i]
		switch {
		case c == '"':
			s.rest = s.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(s.rest) && s.rest[i+1] != '\n':
			i++
			switch c = s.rest[i]; c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			}
		}
		b.WriteByte(c)
	}
	return "", fmt.Errorf("line %d: a word in quotes does not end on its line", s.line)
}

// skipMacro passes over the body of a macro, which ends with an empty line.
func (s *netrcScanner) skipMacro() {
	_, s.rest, _ = strings.Cut(s.rest, "\n")
	s.line++
	for s.rest != "" {
		var line string
		line, s.rest, _ = strings.Cut(s.rest, "\n")
		s.line++
		if strings.TrimSuffix(line, "\r") == "" {
			return
		}
	}
}

// findMachine returns the machine for a host. A port is not looked at, as by
// other readers of the file; but a machine may be written with one, as the go
// command has it, and then comes before.
func findMachine(list []machine, t target) (machine, bool) {
	for _, name := range []string{t.host + ":" + t.port, t.host} {
		for _, m := range list {
			if strings.EqualFold(m.name, name) {
				return m, true
			}
		}
	}
	return machine{}, false
}

// A netrcFile is a netrc file as it was read.
type netrcFile struct {
	content  content
	machines []machine
}

// readNetrc reads the file at path, unless old still holds. Where there is none, there are no machines.
func readNetrc(path string, old netrcFile) (netrcFile, error) {
	file, err := readFile(path, maxNetrc, old.content)
	if absent(err) {
		return netrcFile{}, nil
	}
	if err != nil {
		return netrcFile{}, fmt.Errorf("the netrc file: %w", err)
	}
	if file == old.content {
		return old, nil
	}
	machines, err := parseNetrc(file.data)
	if err != nil {
		return netrcFile{}, fmt.Errorf("the netrc file %s: %w", path, err)
	}
	return netrcFile{file, machines}, nil
}
