//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"
)

// TestMain makes the test binary godown itself when it is called by that name,
// which is how the scripts run it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"godown": main})
}

// TestScripts runs testdata/script/*.txt with the real godown and the real go
// command. Each script has its own home, caches, upstreams and checksum
// databases; everything is on loopback. Beside testscript's own, the scripts
// have the commands of script_*_test.go.
//
// A script that ends in .bug.txt shows a bug that is not mended yet, and is not run.
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("the scripts take a minute")
	}
	for _, tool := range []string{"go", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the scripts need the %s command: %v", tool, err)
		}
	}
	all, err := filepath.Glob("testdata/script/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, file := range all {
		if !strings.HasSuffix(file, ".bug.txt") {
			files = append(files, file)
		}
	}
	build, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files:               files,
		Setup:               func(env *testscript.Env) error { return setUp(env, strings.TrimSpace(string(build))) },
		Condition:           condition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cisteps":  cmdCISteps,
			"upstream": cmdUpstream, "fault": cmdFault, "heal": cmdHeal, "vanish": cmdVanish, "return": cmdReturn,
			"requests": cmdRequests, "forget": cmdForget, "bulk": cmdBulk, "lie": cmdLie, "evilzip": cmdEvilZip,
			"serve": cmdServe, "stopserve": cmdStopServe, "begin": cmdBegin, "signal": cmdSignal, "finish": cmdFinish, "exits": cmdExits,
			"get": cmdGet, "await": cmdAwait, "capture": cmdCapture, "witness": cmdWitness, "awaitrequest": cmdAwaitRequest, "metric": cmdMetric,
			"githost": cmdGitHost, "gitlogin": cmdGitLogin, "gitpage": cmdGitPage, "gitrequests": cmdGitRequests,
			"sums": cmdSums, "whole": cmdWhole, "flip": cmdFlip, "truncate": cmdTruncate, "absent": cmdAbsent, "crash": cmdCrash, "flood": cmdFlood,
			"shut": cmdShut,
		},
	})
}

// patience is how long a script waits for anything; where all is well it waits for milliseconds.
const patience = 20 * time.Second

// A world is what belongs to one script.
type world struct {
	dir       string
	names     []string // of the variables that processes get
	mods      map[string]*godowntest.Modules
	databases map[string]*godowntest.SumDB // by folder of modules
	upstreams map[string]*godowntest.Upstream
	servers   map[string]*godowntest.Server // upstreams and databases, by name
	mirrored  map[string]*godowntest.Modules
	processes map[string]*process
	gets      map[string]chan answer
	git       *godowntest.GitHost // nil: none was started
}

type worldKey struct{}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

func setUp(env *testscript.Env, buildCache string) error {
	w := &world{
		dir:       env.WorkDir,
		mods:      make(map[string]*godowntest.Modules),
		databases: make(map[string]*godowntest.SumDB),
		upstreams: make(map[string]*godowntest.Upstream),
		servers:   make(map[string]*godowntest.Server),
		mirrored:  make(map[string]*godowntest.Modules),
		processes: make(map[string]*process),
		gets:      make(map[string]chan answer),
	}
	env.Values[worldKey{}] = w
	env.Defer(w.close)
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o777); err != nil {
		return err
	}
	program, err := exec.LookPath("godown")
	if err != nil {
		return err
	}
	env.Vars = append(env.Vars, "GODOWN="+program)     // for scripts that change PATH
	env.Vars = append(env.Vars, "GODOWN_PREFETCH=off") // scripts count requests; those about fetching ahead switch it on
	env.Vars = append(env.Vars, godowntest.GoEnv(home, "off", "off")...)
	for _, v := range []string{
		"HOME=" + home,
		"USERPROFILE=" + home,
		"XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"DATA=" + filepath.Join(env.WorkDir, "data"),
		"GOFLAGS=-mod=mod",
		"GOVCS=", // of git alone there is some, below the work folder
		"GOAUTH=off",
		"CGO_ENABLED=0",
		"BUILDCACHE=" + buildCache, // with the standard library, for the one script that links a program
		"GIT_CONFIG_GLOBAL=" + filepath.Join(home, "gitconfig"),
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_ALLOW_PROTOCOL=https:file",
	} {
		name, value, _ := strings.Cut(v, "=")
		env.Setenv(name, value)
	}
	for _, v := range env.Vars {
		name, _, _ := strings.Cut(v, "=")
		w.names = append(w.names, name)
	}
	return nil
}

func (w *world) close() {
	for _, p := range w.processes {
		p.kill()
	}
	for _, s := range w.servers {
		s.Close()
	}
	if w.git != nil {
		w.git.Close()
	}
}

// condition knows [mount]: whether a process can have a file system of its own.
func condition(cond string) (bool, error) {
	if cond != "mount" {
		return false, fmt.Errorf("unknown condition")
	}
	return exec.Command("unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/tmp").Run() == nil, nil
}

// modules returns the modules in a folder of the script, whose files are named
// as in a txtar archive for godowntest.
func (w *world) modules(ts *testscript.TestScript, folder string) *godowntest.Modules {
	if m, ok := w.mods[folder]; ok {
		return m
	}
	root := filepath.Join(w.dir, folder)
	var a txtar.Archive
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		a.Files = append(a.Files, txtar.File{Name: filepath.ToSlash(rel), Data: data})
		return err
	})
	ts.Check(err)
	m, err := godowntest.ParseModules(string(txtar.Format(&a)))
	ts.Check(err)
	w.mods[folder] = m
	return m
}

func (w *world) server(ts *testscript.TestScript, name string) *godowntest.Server {
	s, ok := w.servers[name]
	if !ok {
		ts.Fatalf("there is no upstream or database %q", name)
	}
	return s
}

// environ returns the script's environment as it is now, and settings of the form NAME=value.
func (w *world) environ(ts *testscript.TestScript, more []string) []string {
	var env []string
	for _, name := range w.names {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return append(env, more...)
}

// setenv sets a variable of the script, and of the processes that it starts from now on.
func setenv(ts *testscript.TestScript, name, value string) {
	w := worldOf(ts)
	if !slices.Contains(w.names, name) {
		w.names = append(w.names, name)
	}
	ts.Setenv(name, value)
}

func usage(ts *testscript.TestScript, ok bool, text string) {
	if !ok {
		ts.Fatalf("usage: %s", text)
	}
}
