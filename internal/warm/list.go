package warm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/module"

	"github.com/godown-dev/godown"
)

// A List names what to fetch.
type List struct {
	Files []godown.Request // in the order of the lines, none twice
	Roots []module.Version // modules whose whole graph is wanted; a version may be a query, such as latest
}

// The bounds of a list. They keep a file that is no list from filling the memory.
const (
	maxListLine  = 64 << 10 // bytes, with the line's end
	maxListLines = 200_000
)

// maxProblems is how many errors are told of many; the others are only counted.
const maxProblems = 10

// emptyModSum is the sum of an empty go.mod. Old go commands wrote it by
// mistake; the go command skips such lines, so nothing is wanted by them.
const emptyModSum = "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY="

// ParseList reads lines of these forms; a # and what follows it on the line is
// a comment:
//
//	PATH VERSION h1:SUM          from a go.sum file: the version's .info and .zip
//	PATH VERSION/go.mod h1:SUM   from a go.sum file: the version's .mod
//	PATH@VERSION                 a root, whose whole graph is wanted
//
// Other lines are errors, which begin with name and the line's number. What
// was good is returned with them: a broken go.sum is for the go command to
// complain about. Ten errors are told at most. It stops where r cannot be read.
func ParseList(r io.Reader, name string) (*List, error) {
	list := new(List)
	var bad problems
	seen := make(map[godown.Request]bool)
	rooted := make(map[module.Version]bool)
	in := bufio.NewReaderSize(r, maxListLine)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 && n > maxListLines {
			bad.add(fmt.Errorf("%s:%d: more than %d lines; split the list", name, n, maxListLines))
			break
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			bad.add(fmt.Errorf("%s:%d: a line of more than %d bytes; expected a line of a go.sum file, or PATH@VERSION", name, n, maxListLine))
			if err = skipLine(in); err == nil {
				continue
			}
			line = nil
		}
		files, root, lineErr := parseListLine(string(line))
		if lineErr != nil {
			bad.add(fmt.Errorf("%s:%d: %w", name, n, lineErr))
		}
		for _, f := range files {
			if !seen[f] {
				seen[f] = true
				list.Files = append(list.Files, f)
			}
		}
		if root.Path != "" && !rooted[root] {
			rooted[root] = true
			list.Roots = append(list.Roots, root)
		}
		if err != nil {
			if err != io.EOF {
				bad.add(fmt.Errorf("reading %s: %w", name, err))
			}
			break
		}
	}
	return list, bad.err()
}

// skipLine reads on to behind the line's end.
func skipLine(in *bufio.Reader) error {
	for {
		_, err := in.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// parseListLine returns what one line names: files, a root, or neither.
func parseListLine(line string) (files []godown.Request, root module.Version, err error) {
	fields := strings.Fields(line)
	for i, f := range fields {
		if f[0] == '#' {
			fields = fields[:i]
			break
		}
	}
	switch len(fields) {
	case 0:
		return nil, root, nil
	case 1:
		root, err = parseRoot(fields[0])
		return nil, root, err
	case 3:
		files, err = parseSumLine(fields[0], fields[1], fields[2])
		return files, root, err
	}
	return nil, root, fmt.Errorf("%.100q has %d words; expected PATH VERSION h1:SUM, as in a go.sum file, or PATH@VERSION", strings.Join(fields, " "), len(fields))
}

// parseSumLine returns the files that a line of a go.sum file stands for.
func parseSumLine(path, version, sum string) ([]godown.Request, error) {
	if !strings.HasPrefix(sum, "h1:") {
		return nil, fmt.Errorf("%.100q is no sum; expected PATH VERSION h1:SUM, as in a go.sum file", sum)
	}
	version, isMod := strings.CutSuffix(version, "/go.mod")
	if module.CanonicalVersion(version) != version {
		return nil, fmt.Errorf("%.100q is no whole version; expected one as in a go.sum file, such as v1.2.3", version)
	}
	if err := module.Check(path, version); err != nil {
		return nil, fmt.Errorf("%.400w; expected PATH VERSION h1:SUM, as in a go.sum file", err)
	}
	switch {
	case sum == emptyModSum:
		return nil, nil
	case isMod:
		return []godown.Request{{Kind: godown.Mod, Path: path, Version: version}}, nil
	}
	return []godown.Request{
		{Kind: godown.Info, Path: path, Version: version},
		{Kind: godown.Zip, Path: path, Version: version},
	}, nil
}

// parseRoot parses PATH@VERSION.
func parseRoot(word string) (module.Version, error) {
	path, version, ok := strings.Cut(word, "@")
	if !ok {
		return module.Version{}, fmt.Errorf("%.100q has no version; expected PATH@VERSION, such as %.100s@latest", word, word)
	}
	if err := module.CheckPath(path); err != nil {
		return module.Version{}, fmt.Errorf("%.400w; expected PATH@VERSION", err)
	}
	if _, err := module.EscapeVersion(version); err != nil {
		return module.Version{}, fmt.Errorf("%.100q can be no version (%.400w); expected PATH@VERSION", version, err)
	}
	return module.Version{Path: path, Version: version}, nil
}

// problems are errors that do not end the work. The first few are kept.
type problems struct {
	kept []error
	more int // how many were not kept
}

func (p *problems) add(err error) {
	if len(p.kept) < maxProblems {
		p.kept = append(p.kept, err)
	} else {
		p.more++
	}
}

// err returns the errors as one, or nil if there was none.
func (p *problems) err() error {
	if p.more > 0 {
		return errors.Join(append(p.kept[:len(p.kept):len(p.kept)], fmt.Errorf("and %d errors more", p.more))...)
	}
	return errors.Join(p.kept...)
}
