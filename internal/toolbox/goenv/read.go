// Package goenv knows the go command's own configuration: what is in force,
// where each value was said, and what a list or pattern in it means.
package goenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Machine is where the go command runs.
type Machine struct {
	Environ  []string // "NAME=value" each; of several with one name the last counts
	Dir      string   // the working folder; its go.mod and go.work count
	LookPath func(name string) (string, error)
}

// Getenv returns the value of an environment variable, or nothing.
func (m Machine) Getenv(name string) string {
	for _, v := range slices.Backward(m.Environ) {
		if n, value, ok := strings.Cut(v, "="); ok && n == name {
			return value
		}
	}
	return ""
}

// A Place is where a setting can be said. Of several the first counts.
type Place int

// The places.
const (
	Environment  Place = iota
	User               // the file of "go env -w"
	Installation       // GOROOT/go.env
	BuiltIn            // nowhere: what the go command has by itself
)

// A Said is a value in one place.
type Said struct {
	Place Place
	File  string // "" for Environment and BuiltIn
	Text  string
}

// A Value is what is in force of a setting.
type Value struct {
	Name string
	Text string // as "go env NAME" prints it
	Said []Said // where something is said, that which counts first; never empty: BuiltIn if nowhere
}

// Place returns the place that counts.
func (v Value) Place() Place { return v.Said[0].Place }

// Settings are those of one go command.
type Settings struct {
	Program string // the go command
	Version string // such as "go1.26.8"
	File    string // of "go env -w"; "" if it is off or there is no home for one
	Values  map[string]Value
}

// Text returns a setting as "go env NAME" prints it.
func (s *Settings) Text(name string) string { return s.Values[name].Text }

// readTimeout is how long "go env" may take; it needs some 10 ms.
const readTimeout = 10 * time.Second

// errNoGo says that there is no go command in PATH.
var errNoGo = errors.New("there is no go command in PATH")

// NoGo reports whether err says that there is no go command in PATH.
func NoGo(err error) bool { return errors.Is(err, errNoGo) }

// Read asks the go command, as it is installed, for all its settings, and
// finds out where each was said. No other toolchain is fetched for it.
func Read(ctx context.Context, m Machine) (*Settings, error) {
	program, err := m.LookPath("go")
	if err != nil {
		return nil, errNoGo
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "env", "-json")
	cmd.Dir = m.Dir
	cmd.Env = append(slices.Clone(m.Environ), "GOTOOLCHAIN=local", "PWD="+m.Dir)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("%s env failed (%w): %s", program, err, strings.TrimSpace(stderr.String()))
	}
	var values map[string]string
	if err := json.Unmarshal(out, &values); err != nil {
		return nil, fmt.Errorf("%s env -json gave no JSON: %w", program, err)
	}
	s := &Settings{Program: program, Version: values["GOVERSION"], Values: make(map[string]Value)}
	if file := values["GOENV"]; file != "off" {
		s.File = file
	}
	user := readFile(s.File)
	installation := filepath.Join(values["GOROOT"], "go.env")
	installed := readFile(installation)
	for name, text := range values {
		v := Value{Name: name, Text: text}
		if said := m.Getenv(name); said != "" {
			v.Said = append(v.Said, Said{Environment, "", said})
		}
		if said := user[name]; said != "" {
			v.Said = append(v.Said, Said{User, s.File, said})
		}
		if said := installed[name]; said != "" {
			v.Said = append(v.Said, Said{Installation, installation, said})
		}
		if len(v.Said) == 0 {
			v.Said = []Said{{BuiltIn, "", text}}
		}
		s.Values[name] = v
	}
	// Ours, not the user's.
	toolchain := Value{Name: "GOTOOLCHAIN"}
	if said := m.Getenv("GOTOOLCHAIN"); said != "" {
		toolchain.Said = append(toolchain.Said, Said{Environment, "", said})
	}
	if said := user["GOTOOLCHAIN"]; said != "" {
		toolchain.Said = append(toolchain.Said, Said{User, s.File, said})
	}
	if said := installed["GOTOOLCHAIN"]; said != "" {
		toolchain.Said = append(toolchain.Said, Said{Installation, installation, said})
	}
	if len(toolchain.Said) == 0 {
		toolchain.Said = []Said{{BuiltIn, "", "auto"}}
	}
	toolchain.Text = toolchain.Said[0].Text
	s.Values["GOTOOLCHAIN"] = toolchain
	return s, nil
}

// readFile returns the settings in a file of NAME=value lines. Like the go
// command it skips what it does not understand; no file has none.
func readFile(file string) map[string]string {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	found := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if name, value, ok := strings.Cut(line, "="); ok && name != "" && name[0] >= 'A' && name[0] <= 'Z' {
			found[name] = value
		}
	}
	return found
}
