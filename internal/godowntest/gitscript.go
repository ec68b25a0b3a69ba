package godowntest

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
)

// A Script builds a git repository, with the same hashes each time. It is a
// txtar archive: commands first, one a line, then the files that they use.
//
//	# What this repository is.
//	# repo: github.com/acme/tool
//	# import: PREFIX VCS URL [SUBDIRECTORY]           see [GitHost.Import]
//	# modules: github.com/acme/tool latest v1.0.0 main {main} {v1.0.0:12}
//	init --object-format=sha256          the first command, if at all
//	at 2024-01-02T03:04:05Z              time of the next commit or tag; each commit takes a minute
//	write go.mod [go.mod-2]              a file from the archive, of the same name or another
//	put "odd name.go" "package x\n"      a file with this text
//	put -x run.sh "#!/bin/sh\n"          an executable file
//	mkbig data.bin 20000000 7            so many pseudo-random bytes, by a seed
//	symlink link ../target
//	submodule dir HASH
//	rm lib                               a file or folder
//	commit First things                  what was written, on the current branch
//	commits 100                          each with another count.txt
//	branch dev [FROM]                    go to a branch; make it if it is new
//	orphan pages                         go to a new branch without history
//	merge dev [MESSAGE]                  a commit with a second parent; its files are those of the first and what was written
//	tag v1.0.0 [MESSAGE]                 lightweight, or annotated; the MESSAGE <FILE is from the archive
//	repeat 200 put n "%d" ; commit %d ; tag v0.0.%d
//	git ARGS                             any git command, in the bare repository
//	later                                the end, until [GitRepo.Next]
//
// A word may be a Go string in double quotes. The first branch is main, which
// HEAD stands for. In the queries of modules, {REV} is the hash of a commit,
// {REV:12} its first digits, and {REV:time} its time as in a pseudo-version.
type Script struct {
	Repo    string     // the name of the repository
	Init    []string   // what git init is given
	Modules []GitQuery // worth asking; with braces still

	imports  []goImport
	commands []scriptLine
	files    map[string][]byte
}

// A scriptLine is a command.
type scriptLine struct {
	number int
	words  []string
	rest   []string // rest[i] is the line from words[i] on
}

// ReadScript reads a script from a file.
func ReadScript(file string) (*Script, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s, err := ParseScript(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// ParseScript parses a script.
func ParseScript(text string) (*Script, error) {
	a := txtar.Parse([]byte(text))
	s := &Script{files: make(map[string][]byte)}
	for _, f := range a.Files {
		s.files[f.Name] = f.Data
	}
	number := 0
	for line := range strings.Lines(string(a.Comment)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			if err := s.header(strings.TrimSpace(comment)); err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			continue
		}
		l, err := parseLine(number, line)
		if err != nil {
			return nil, err
		}
		if l.words[0] == "init" {
			if len(s.commands) > 0 {
				return nil, fmt.Errorf("line %d: init comes first", number)
			}
			s.Init = l.words[1:]
			continue
		}
		s.commands = append(s.commands, l)
	}
	return s, nil
}

// header takes what a comment says to machines.
func (s *Script) header(comment string) error {
	key, value, _ := strings.Cut(comment, ": ")
	words := strings.Fields(value)
	switch key {
	case "repo":
		if len(words) != 1 {
			return fmt.Errorf("repo: wants one name, not %q", value)
		}
		s.Repo = words[0]
	case "import":
		if len(words) != 3 && len(words) != 4 {
			return fmt.Errorf("import: wants PREFIX VCS URL [SUBDIRECTORY], not %q", value)
		}
		i := goImport{prefix: words[0], vcs: words[1], repo: words[2]}
		if len(words) == 4 {
			i.subdir = words[3]
		}
		s.imports = append(s.imports, i)
	case "modules":
		if len(words) == 0 {
			return fmt.Errorf("modules: wants PATH QUERY…")
		}
		i := slices.IndexFunc(s.Modules, func(q GitQuery) bool { return q.Path == words[0] })
		if i < 0 {
			i = len(s.Modules)
			s.Modules = append(s.Modules, GitQuery{Path: words[0]})
		}
		s.Modules[i].Queries = append(s.Modules[i].Queries, words[1:]...)
	}
	return nil
}

// parseLine splits a line into words.
func parseLine(number int, line string) (scriptLine, error) {
	l := scriptLine{number: number}
	for line != "" {
		l.rest = append(l.rest, line)
		if line[0] != '"' {
			word, _, _ := strings.Cut(line, " ")
			l.words = append(l.words, word)
			line = strings.TrimLeft(line[len(word):], " ")
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return l, fmt.Errorf("line %d: %q begins with a quote and is no Go string", number, line)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return l, fmt.Errorf("line %d: %s: %w", number, quoted, err)
		}
		l.words = append(l.words, word)
		line = strings.TrimLeft(line[len(quoted):], " ")
	}
	return l, nil
}
