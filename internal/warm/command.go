package warm

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/godown-dev/godown"
)

// A Command is one that is about to be run.
type Command struct {
	Dir     string   // its working folder
	Args    []string // its name and its arguments, such as go, build, -mod=mod, ./...
	Environ []string // its environment, as KEY=value; what `go env -w` has set does not count
}

// An appetite says which .zip files a command wants. Where a go.mod lists all
// that its packages need (go 1.17 and later), most are as certain as the go.mod
// is right; elsewhere the highest version in go.sum is taken for the selected one.
type appetite int

const (
	wantsNothing  appetite = iota
	wantsGraph             // none, only .mod files
	wantsInfos             // none, but the .info of every module
	wantsPackages          // those of required versions, if go.sum has them; before go 1.17 of every module in go.sum
	wantsTests             // and of modules that only tests of dependencies need, which go.sum has too
	wantsDownload          // those of required versions; in a workspace or before go 1.17 of every module
	wantsAll               // of every module
)

// An invocation is a command as the go command understands it.
type invocation struct {
	name     string   // such as build or mod download; empty for a command other than go
	dir      string   // absolute, after -C
	environ  []string // of the command
	operands []string // what follows the flags
	mod      string   // -mod, or empty
	modfile  string   // -modfile, or empty
	modules  bool     // -m

	wants     appetite
	vendors   bool // it uses a vendor folder, and has a -mod flag
	workspace bool // it heeds go.work
	updates   bool // it may write sums
}

// env returns a variable of the command's environment, or "".
func (inv *invocation) env(key string) (value string) {
	for _, kv := range inv.environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k == key {
			value = v
		}
	}
	return value
}

// parseCommand finds out what c will do. An error means that it will do nothing but fail.
func parseCommand(c Command) (*invocation, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("working folder %s: %w", c.Dir, err)
	}
	inv := &invocation{dir: dir, environ: c.Environ}
	if len(c.Args) == 0 {
		return inv, nil
	}
	flags, err := splitFlags(inv.env("GOFLAGS"))
	if err != nil {
		return nil, fmt.Errorf("GOFLAGS: %w", err)
	}
	inv.parseFlags(flags)
	if isGoCommand(c.Args[0]) {
		args := c.Args[1:]
		n := countWords(args)
		// -C stands behind the command's words or before them, and nowhere else.
		if rest := args[n:]; len(rest) > 0 {
			name, value, ok := strings.Cut(rest[0], "=")
			if used := 1; (name == "-C" || name == "--C") && (ok || len(rest) > 1) {
				if !ok {
					value, used = rest[1], 2
				}
				if !filepath.IsAbs(value) {
					value = filepath.Join(inv.dir, value)
				}
				inv.dir = filepath.Clean(value)
				args = slices.Concat(args[:n], rest[used:])
				n = countWords(args)
			}
		}
		if n == 0 {
			return inv, nil
		}
		inv.name = strings.Join(args[:n], " ")
		inv.operands = inv.parseFlags(args[n:])
	}
	inv.decide()
	return inv, nil
}

// decide sets what the command wants, by its name and operands.
func (inv *invocation) decide() {
	switch inv.name {
	case "", "build", "fix", "generate", "install", "list", "run", "test", "tool", "vet":
		inv.wants, inv.vendors, inv.workspace = wantsPackages, true, true
	case "doc":
		inv.wants, inv.vendors, inv.workspace = wantsInfos, true, true
	case "get":
		inv.wants, inv.updates = wantsPackages, true
	case "mod download":
		inv.wants, inv.workspace, inv.updates = wantsDownload, true, true
	case "mod graph", "mod verify":
		inv.wants, inv.workspace, inv.updates = wantsGraph, true, true
	case "mod tidy":
		inv.wants, inv.updates = wantsTests, true
	case "mod vendor", "work vendor":
		inv.wants, inv.workspace = wantsPackages, true
	case "mod why":
		inv.wants, inv.workspace, inv.updates = wantsTests, true, true
	case "work sync":
		inv.wants, inv.workspace, inv.updates = wantsPackages, true, true
	}
	if !inv.vendors {
		inv.mod = ""
	}
	inv.updates = inv.updates || inv.mod == "mod"
	versioned := func(arg string) bool {
		return strings.Contains(arg, "@") && !strings.HasPrefix(arg, ".") && !filepath.IsAbs(arg)
	}
	switch inv.name {
	case "get":
		if slices.ContainsFunc(inv.operands, func(arg string) bool { return !strings.HasPrefix(arg, ".") && arg != "all" }) {
			inv.wants = wantsGraph // which packages it will come to is not known
		}
	case "install":
		if slices.ContainsFunc(inv.operands, versioned) {
			inv.wants = wantsNothing
		}
	case "list":
		switch {
		case inv.modules && !slices.ContainsFunc(inv.operands, func(arg string) bool { return !versioned(arg) }):
			inv.wants = wantsNothing
		case inv.modules:
			inv.wants = wantsInfos
		}
	case "mod download":
		if len(inv.operands) > 0 {
			inv.wants = wantsAll // of those it picks
		}
	case "run":
		if len(inv.operands) > 0 && versioned(inv.operands[0]) {
			inv.wants = wantsNothing
		}
	}
}

// downloads returns the files of `go mod download PATH@VERSION...`, which needs
// no project, and whether it is such a command.
func (inv *invocation) downloads() (files []godown.Request, only bool) {
	if inv.name != "mod download" || len(inv.operands) == 0 {
		return nil, false
	}
	for _, arg := range inv.operands {
		path, version, ok := strings.Cut(arg, "@")
		if !ok {
			return nil, false
		}
		if info := (godown.Request{Kind: godown.Info, Path: path, Version: version}); info.Fixed() && !slices.Contains(files, info) {
			files = append(files, godown.Request{Kind: godown.Mod, Path: path, Version: version}, info,
				godown.Request{Kind: godown.Zip, Path: path, Version: version})
		}
	}
	return files, true
}

// picks reports whether `go mod download` with these operands is about a module; any other command is.
func (inv *invocation) picks(path string) bool {
	if inv.name != "mod download" || len(inv.operands) == 0 {
		return true
	}
	return slices.ContainsFunc(inv.operands, func(arg string) bool {
		prefix, _, pattern := strings.Cut(arg, "...")
		return arg == path || arg == "all" || pattern && strings.HasPrefix(path, strings.TrimSuffix(prefix, "/"))
	})
}

// findWork returns the name of the go.work that counts, or "".
func (inv *invocation) findWork() string {
	if !inv.workspace {
		return ""
	}
	switch file := inv.env("GOWORK"); file {
	case "off":
		return ""
	case "", "auto":
		if dir := findUp(inv.dir, "go.work"); dir != "" {
			return filepath.Join(dir, "go.work")
		}
		return ""
	default:
		return filepath.Clean(file)
	}
}

// findUp returns the nearest folder with a file of that name, from dir upwards, or "".
func findUp(dir, name string) string {
	for {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// goName matches go, gotip, and the names of go commands that are installed
// beside one, such as go1.26.1.
var goName = regexp.MustCompile(`^go(tip|[0-9][0-9a-z.]*)?$`)

// isGoCommand reports whether a command is go, by its name.
func isGoCommand(name string) bool {
	return goName.MatchString(strings.TrimSuffix(filepath.Base(name), ".exe"))
}

// countWords returns how many arguments are the command's name.
func countWords(args []string) int {
	isWord := func(i int) bool { return i < len(args) && !strings.HasPrefix(args[i], "-") }
	switch {
	case !isWord(0):
		return 0
	case (args[0] == "mod" || args[0] == "work") && isWord(1):
		return 2
	}
	return 1
}

// splitFlags splits GOFLAGS at spaces; a flag may be quoted as a whole.
func splitFlags(s string) (flags []string, err error) {
	const spaces = " \t\r\n"
	for s = strings.TrimLeft(s, spaces); s != ""; s = strings.TrimLeft(s, spaces) {
		if s[0] == '"' || s[0] == '\'' {
			flag, rest, ok := strings.Cut(s[1:], s[:1])
			if !ok {
				return nil, fmt.Errorf("a %c is not closed in %.100q", s[0], s)
			}
			flags, s = append(flags, flag), rest
			continue
		}
		n := strings.IndexAny(s, spaces)
		if n < 0 {
			n = len(s)
		}
		flags, s = append(flags, s[:n]), s[n:]
	}
	return flags, nil
}

// parseFlags notes the flags that count here, and returns what is no flag. It
// stops there, except for `go test`, whose flags may stand behind packages.
func (inv *invocation) parseFlags(args []string) (operands []string) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" || arg == "-args" || arg == "--args" {
			return append(operands, args...)
		}
		if len(arg) < 2 || arg[0] != '-' {
			operands = append(operands, arg)
			if inv.name != "test" {
				return append(operands, args...)
			}
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if !ok && takesValue(name) && len(args) > 0 {
			value, args = args[0], args[1:]
		}
		switch name {
		case "mod":
			inv.mod = value
		case "modfile":
			inv.modfile = value
		case "m":
			inv.modules = value != "false"
		}
	}
	return operands
}

// takesValue reports whether the word behind a flag of a go command that uses
// packages or modules belongs to the flag.
func takesValue(flag string) bool {
	switch flag {
	case "C", "asmflags", "buildmode", "compiler", "covermode", "coverpkg", "exec", "gccgoflags", "gcflags",
		"installsuffix", "ldflags", "mod", "modfile", "o", "overlay", "p", "pgo", "pkgdir", "tags", "toolexec",
		"bench", "benchtime", "blockprofile", "blockprofilerate", "count", "coverprofile", "cpu", "cpuprofile",
		"fuzz", "fuzzminimizetime", "fuzztime", "list", "memprofile", "memprofilerate", "mutexprofile",
		"mutexprofilefraction", "outputdir", "parallel", "run", "shuffle", "skip", "timeout", "trace", "vet",
		"compat", "f", "go", "reuse", "vettool":
		return true
	}
	return false
}
