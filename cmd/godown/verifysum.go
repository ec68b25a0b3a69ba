package main

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

// A sumLine is what a line of a go.sum file says of a file.
type sumLine struct {
	H1 string // "h1:…"
	At string // where it stands: "prog/go.sum:12"
}

// goSums are the lines of go.sum files, by the file that they are of.
type goSums map[godown.Request][]sumLine

// emptyModSum is the hash of an empty go.mod, which old go commands wrote by
// mistake. The go command skips such lines.
const emptyModSum = "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY="

const (
	maxSumLine     = 4 << 10 // bytes
	maxSumProblems = 10      // errors that are told of one file
)

// parse adds the lines of a go.sum or go.work.sum file: PATH VERSION h1:SUM, or
// PATH VERSION/go.mod h1:SUM, and empty ones. Anything else is an error, with
// name and the line's number.
func (s goSums) parse(r io.Reader, name string) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxSumLine)
	var problems []error
	name = shown(name)
	n := 0
	for in.Scan() { // a line's end may be CRLF
		n++
		at := fmt.Sprintf("%s:%d", name, n)
		req, h1, err := parseSumLine(in.Text())
		switch {
		case err != nil && len(problems) == maxSumProblems:
			return errors.Join(append(problems, fmt.Errorf("%s: and there are more such lines", name))...)
		case err != nil:
			problems = append(problems, fmt.Errorf("%s: %w", at, err))
		case req.Kind != 0:
			s.add(req, sumLine{h1, at})
		}
	}
	if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
		problems = append(problems, fmt.Errorf("%s:%d: a line of more than %d bytes; expected PATH VERSION h1:SUM", name, n+1, maxSumLine))
	} else if err != nil {
		problems = append(problems, fmt.Errorf("reading %s: %w", name, shownError(err)))
	}
	return errors.Join(problems...)
}

// add adds a line, unless another says the same.
func (s goSums) add(req godown.Request, line sumLine) {
	for _, l := range s[req] {
		if l.H1 == line.H1 {
			return
		}
	}
	s[req] = append(s[req], line)
}

// parseSumLine returns the file that a line is of, or none for a line without meaning.
func parseSumLine(line string) (req godown.Request, h1 string, err error) {
	f := strings.Fields(line)
	if len(f) == 0 {
		return req, "", nil
	}
	if len(f) != 3 {
		return req, "", fmt.Errorf("%.100q has %d words; expected PATH VERSION h1:SUM", line, len(f))
	}
	sum, ok := strings.CutPrefix(f[2], "h1:")
	if raw, err := base64.StdEncoding.Strict().DecodeString(sum); !ok || err != nil || len(raw) != 32 {
		return req, "", fmt.Errorf("%.100q is no sum; expected h1: and 44 characters of base64", f[2])
	}
	version, isMod := strings.CutSuffix(f[1], "/go.mod")
	if module.CanonicalVersion(version) != version {
		return req, "", fmt.Errorf("%.100q is no whole version; expected one such as v1.2.3", version)
	}
	if err := module.Check(f[0], version); err != nil {
		return req, "", fmt.Errorf("%.400w", err)
	}
	req = godown.Request{Kind: godown.Zip, Path: f[0], Version: version}
	if isMod {
		req.Kind = godown.Mod
		if f[2] == emptyModSum {
			return godown.Request{}, "", nil
		}
	}
	return req, f[2], nil
}

// readSums reads what the arguments of verify name: go.sum files, or folders
// that hold one. The errors of all are returned together.
func readSums(args []string) (goSums, error) {
	sums := make(goSums)
	var problems []error
	for _, arg := range args {
		if err := sums.read(arg); err != nil {
			problems = append(problems, err)
		}
	}
	return sums, errors.Join(problems...)
}

func (s goSums) read(arg string) error {
	info, err := os.Stat(arg)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no file or folder %q; expected a go.sum file, or a folder that holds one", arg)
	}
	if err != nil {
		return shownError(err)
	}
	if !info.IsDir() {
		return s.readFile(arg)
	}
	found := false
	for _, name := range []string{"go.sum", "go.work.sum"} {
		file := filepath.Join(arg, name)
		if _, err := os.Stat(file); err != nil {
			continue
		}
		found = true
		if err := s.readFile(file); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("the folder %q holds neither a go.sum nor a go.work.sum", arg)
	}
	return nil
}

func (s goSums) readFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return shownError(err)
	}
	defer f.Close()
	return s.parse(f, name)
}

// shownError returns the error of a file so that a terminal may be given it.
func shownError(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s %s: %w", e.Op, shown(e.Path), e.Err)
	}
	return err
}
