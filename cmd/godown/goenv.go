package main

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

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// goEnvTimeout is how long "go env" may take; it needs some 10 ms.
const goEnvTimeout = 10 * time.Second

// A machine is what godown finds around itself. Tests make their own.
type machine struct {
	environ       []string // "NAME=value" each; of several with one name the last counts
	userCacheDir  func() (string, error)
	userConfigDir func() (string, error)
	lookPath      func(name string) (string, error)
	lang          lang.Language // that the commands of the tool-box speak
	lost          *lostOutput   // what could not be printed; nil: nobody looks
}

// thisMachine is the machine that godown runs on.
func thisMachine() machine {
	return machine{environ: os.Environ(), userCacheDir: os.UserCacheDir, userConfigDir: os.UserConfigDir, lookPath: exec.LookPath}
}

// getenv returns the value of an environment variable, or nothing.
func (m machine) getenv(name string) string {
	for _, v := range slices.Backward(m.environ) {
		if n, value, ok := strings.Cut(v, "="); ok && n == name {
			return value
		}
	}
	return ""
}

// goSettings are the settings of the machine's go command. They are read when
// the first is asked for: from the go command, or without one from the places
// where it keeps them. A goSettings is used by one goroutine.
type goSettings struct {
	machine machine
	read    bool
	values  settings // by name, such as GOPROXY
	failure error    // why there are none from the go command
}

// goSettingNames are the settings that are read.
func goSettingNames() []string {
	return []string{"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE", "GOVCS", "GOAUTH", "GOROOT", "GOMODCACHE", "GOFLAGS", "GO111MODULE"}
}

// lookup returns a setting of the go command. GONOPROXY and GONOSUMDB are what
// GOPRIVATE says unless they were set, as for the go command itself. Only
// GOPROXY can be unknown, which is an error.
func (g *goSettings) lookup(ctx context.Context, name string) (setting, error) {
	if !g.read {
		g.read = true
		if g.values, g.failure = g.ask(ctx); g.failure != nil {
			g.values = g.search()
		}
	}
	s, ok := g.values[name]
	if !ok && name == "GOPROXY" {
		return s, fmt.Errorf("%w, and neither the environment nor a go.env file says what GOPROXY is", g.failure)
	}
	return s, nil
}

// ask asks the go command.
func (g *goSettings) ask(ctx context.Context) (settings, error) {
	program, err := g.machine.lookPath("go")
	if err != nil {
		return nil, errors.New("there is no go command in PATH")
	}
	ctx, cancel := context.WithTimeout(ctx, goEnvTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"env", "-json"}, goSettingNames()...)...)
	// Far from any go.mod or go.work, which could send it for another toolchain.
	cmd.Dir = filepath.VolumeName(os.TempDir()) + string(filepath.Separator)
	cmd.Env = append(slices.Clone(g.machine.environ), "GOTOOLCHAIN=local", "GOWORK=off", "PWD="+cmd.Dir)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return nil, fmt.Errorf("%s env failed (%w) %s", program, err, maskURLs(line))
	}
	var values map[string]string
	if err := json.Unmarshal(out, &values); err != nil {
		return nil, fmt.Errorf("%s env -json gave no JSON: %w", program, err)
	}
	if values["GOPROXY"] == "" {
		return nil, fmt.Errorf("%s env gave no GOPROXY", program)
	}
	found := make(settings)
	for name, value := range values {
		found[name] = setting{value, "go env " + name}
	}
	return found, nil
}

// search looks where the go command would: in the environment, in the user's
// file of "go env -w", and in the go.env file of an installation.
func (g *goSettings) search() settings {
	layers := []settings{{}, g.machine.userGoEnv()}
	for _, name := range goSettingNames() {
		if v := g.machine.getenv(name); v != "" {
			layers[0][name] = setting{v, "environment " + name}
		}
	}
	if found := builtInSettings(layers[0]["GOROOT"].text, layers[1]["GOROOT"].text); found != nil {
		layers = append(layers, found)
	}
	all := settings{"GOSUMDB": {"sum.golang.org", "default of the go command"}}
	for _, layer := range slices.Backward(layers) {
		all.add(layer)
	}
	for _, name := range []string{"GONOPROXY", "GONOSUMDB"} {
		if _, ok := all[name]; !ok {
			all[name] = all["GOPRIVATE"]
		}
	}
	for _, name := range []string{"GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE", "GOVCS"} {
		if all[name].origin == "" {
			all[name] = setting{"", "default of the go command"}
		}
	}
	return all
}

// builtInSettings returns the settings of the go.env file of an installation: of
// the first of roots that has one, or of one in a usual place; nil if there is none.
func builtInSettings(roots ...string) settings {
	roots = append(roots, "/usr/local/go", "/usr/lib/go", "/usr/lib/golang", "/usr/share/go",
		"/opt/homebrew/opt/go/libexec", "/usr/local/opt/go/libexec", `C:\Program Files\Go`)
	for _, root := range roots {
		if root == "" {
			continue
		}
		if found := readGoEnvFile(filepath.Join(root, "go.env")); found != nil {
			return found
		}
	}
	return nil
}

// builtIn returns the URLs of the module proxies that the go command has built
// in: those of its installation, whatever the user has set.
func (g *goSettings) builtIn(ctx context.Context) ([]string, error) {
	root, err := g.lookup(ctx, "GOROOT")
	if err != nil {
		return nil, err
	}
	found := builtInSettings(root.text)["GOPROXY"]
	if found.text == "" {
		return nil, errors.New("no installation of Go was found, whose go.env file would tell")
	}
	entries, err := godown.ParseGOPROXY(found.text)
	if err != nil {
		return nil, fmt.Errorf("GOPROXY in %s: %w", found.origin, err)
	}
	var urls []string
	for _, e := range entries {
		if e.URL != nil {
			urls = append(urls, e.URL.String())
		}
	}
	if urls == nil {
		return nil, fmt.Errorf("GOPROXY in %s names no URL", found.origin)
	}
	return urls, nil
}

// userGoEnv reads the file of "go env -w".
func (m machine) userGoEnv() settings {
	switch file := m.getenv("GOENV"); file {
	case "off":
		return nil
	case "":
		dir, err := m.userConfigDir()
		if err != nil {
			return nil // a machine without a home has no such file
		}
		return readGoEnvFile(filepath.Join(dir, "go", "env"))
	default:
		return readGoEnvFile(file)
	}
}

// readGoEnvFile returns the settings in a file of NAME=value lines that are not
// empty, or nil if there is no such file. Like the go command it skips what it does not understand.
func readGoEnvFile(file string) settings {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	found := make(settings)
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if ok && value != "" && slices.Contains(goSettingNames(), name) {
			found[name] = setting{value, file}
		}
	}
	return found
}
