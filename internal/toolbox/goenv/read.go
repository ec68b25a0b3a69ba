// Package goenv knows the go command's own configuration: what is in force,
// where each value was said, and what a list or pattern in it means.
package goenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
		n, value, ok := strings.Cut(v, "=")
		if ok && (n == name || runtime.GOOS == "windows" && strings.EqualFold(n, name)) {
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
	File    string // of "go env -w", which need not exist; "" if GOENV=off or there is no home for one
	Values  map[string]Value
	Trouble string // what "go env" fails with because of a setting; the values were then read without its help
	Unread  error  // why File, which is there, cannot be read: the go command takes no notice of it then, and says nothing
}

// Text returns a setting as "go env NAME" prints it.
func (s *Settings) Text(name string) string { return s.Values[name].Text }

// readTimeout is how long "go env" may take; it needs some 10 ms.
const readTimeout = 10 * time.Second

// errNoGo says that there is no go command in PATH.
var errNoGo = errors.New("there is no go command in PATH")

// NoGo reports whether err says that there is no go command in PATH.
func NoGo(err error) bool { return errors.Is(err, errNoGo) }

// names are the settings that are asked for: all but those for which the go
// command has to try out a C compiler, which takes it up to a second.
func names() []string {
	return []string{"CGO_ENABLED", "GO111MODULE", "GOARCH", "GOAUTH", "GOBIN", "GOCACHE", "GOCACHEPROG", "GODEBUG", "GOENV", "GOEXE", "GOEXPERIMENT",
		"GOFIPS140", "GOFLAGS", "GOHOSTARCH", "GOHOSTOS", "GOINSECURE", "GOMOD", "GOMODCACHE", "GONOPROXY", "GONOSUMDB", "GOOS", "GOPATH",
		"GOPRIVATE", "GOPROXY", "GOROOT", "GOSUMDB", "GOTELEMETRY", "GOTELEMETRYDIR", "GOTMPDIR", "GOTOOLCHAIN", "GOTOOLDIR", "GOVCS", "GOVERSION", "GOWORK"}
}

// Read asks the go command, as it is installed, for its settings, all but those of C
// compilers, and finds out where each was said. One that it is too old to know is empty. No other toolchain is fetched for it. What is
// said that the go command refuses to work with is in the result as it is said.
func Read(ctx context.Context, m Machine) (*Settings, error) {
	program, err := m.LookPath("go")
	if err != nil {
		return nil, errNoGo
	}
	s := &Settings{Program: program, Values: make(map[string]Value)}
	ours := []string{"GOTOOLCHAIN=local"}
	values, err := ask(ctx, m, program, ours)
	if err != nil && ctx.Err() == nil {
		// These are what "go env" itself can fail with.
		ours = append(ours, "GO111MODULE=on", "GOWORK=off", "GOEXPERIMENT=none", "GOFLAGS=-mod=mod")
		if again, err2 := ask(ctx, m, program, ours); err2 == nil {
			trouble, _, _ := strings.Cut(err.Error(), "\n")
			values, s.Trouble, err = again, trouble, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s env: %w", program, err)
	}
	s.Version = values["GOVERSION"]
	if file := values["GOENV"]; file != "off" {
		s.File = file
	}
	file := s.File
	if file != "" && !filepath.IsAbs(file) {
		file = filepath.Join(m.Dir, file)
	}
	installation := filepath.Join(values["GOROOT"], "go.env")
	user, installed := readFile(file), readFile(installation)
	if _, err := os.ReadFile(file); file != "" && err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Unread = err
	}
	for _, setting := range ours {
		name, _, _ := strings.Cut(setting, "=")
		if _, ok := values[name]; ok || m.Getenv(name) != "" || user[name] != "" {
			values[name] = "" // ours, not the user's
		}
	}
	for name, text := range values {
		v := Value{Name: name, Text: text}
		if said := m.Getenv(name); said != "" {
			v.Said = append(v.Said, Said{Environment, "", said})
		}
		// Here, unlike in the environment, a value may be empty: the installation's does not count then.
		if said, ok := user[name]; said != "" || ok && installed[name] != "" {
			v.Said = append(v.Said, Said{User, s.File, said})
		}
		if said := installed[name]; said != "" {
			v.Said = append(v.Said, Said{Installation, installation, said})
		}
		if len(v.Said) == 0 {
			v.Said = []Said{{BuiltIn, "", text}}
		}
		if slices.ContainsFunc(ours, func(o string) bool { return strings.HasPrefix(o, name+"=") }) {
			v.Text = v.Said[0].Text
		}
		s.Values[name] = v
	}
	return s, nil
}

// FromEnvironment returns settings in which the environment stands for the file:
// those that a plan for a shell starts from. No go command is asked.
func FromEnvironment(m Machine) *Settings {
	s := &Settings{Values: make(map[string]Value)}
	for _, name := range ModuleSettings() {
		if text := m.Getenv(name); text != "" {
			s.Values[name] = Value{Name: name, Text: text, Said: []Said{{User, "", text}}}
		}
	}
	return s
}

// ask returns what "go env" says with some settings of ours. Its error's text
// is what the go command said.
func ask(ctx context.Context, m Machine, program string, ours []string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"env", "-json"}, names()...)...)
	cmd.Dir = m.Dir
	cmd.Env = append(slices.Concat(m.Environ, ours), "PWD="+m.Dir)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if said := strings.TrimSpace(stderr.String()); said != "" {
			return nil, fmt.Errorf("%s (%w)", said, err)
		}
		return nil, err
	}
	var values map[string]string
	if err := json.Unmarshal(out, &values); err != nil {
		return nil, fmt.Errorf("it gave no JSON: %w", err)
	}
	return values, nil
}

// readFile returns the settings in a file of NAME=value lines; no file has none.
func readFile(file string) map[string]string {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return parseFile(data)
}

// parseFile returns the settings in lines NAME=value. As the go command does, it
// skips what it does not understand, and takes all after "=" for the value: quotation marks, blanks
// and the "\r" of a line from Windows too.
func parseFile(data []byte) map[string]string {
	found := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if name, value, ok := strings.Cut(line, "="); ok && name != "" && name[0] >= 'A' && name[0] <= 'Z' {
			found[name] = value
		}
	}
	return found
}
