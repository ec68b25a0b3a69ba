package modcache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
)

// goCommand runs the real go command in a folder, with a home and a cache of the
// test's own. Folders are unpacked read-only, as by default.
func goCommand(t *testing.T, dir, home, proxy string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(append(cmd.Environ(), godowntest.GoEnv(home, proxy, "off")...), "GOFLAGS=-mod=mod", "PWD="+dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// fetched returns a cache into which the real go command has fetched some modules, a
// project that needs them, and the home of the go command.
func fetched(t *testing.T, names ...string) (c *GoCache, project, home string, up *godowntest.Upstream) {
	t.Helper()
	home = t.TempDir()
	project = filepath.Join(home, "project")
	var archive, requires strings.Builder
	for _, name := range names {
		fmt.Fprintf(&archive, "-- example.com/%[1]s@v1.0.0/go.mod --\nmodule example.com/%[1]s\n\ngo 1.21\n-- example.com/%[1]s@v1.0.0/%[1]s.go --\npackage %[1]s\n", name)
		for i := range 5 {
			fmt.Fprintf(&archive, "-- example.com/%[1]s@v1.0.0/d%[2]d/x.go --\npackage d\n", name, i)
		}
		fmt.Fprintf(&requires, "require example.com/%s v1.0.0\n", name)
	}
	up = godowntest.NewUpstream(t, godowntest.NewModules(t, archive.String()))
	put(t, filepath.Join(project, "go.mod"), "module example.com/project\n\ngo 1.21\n\n"+requires.String())
	if out, err := goCommand(t, project, home, up.URL, "mod", "download"); err != nil {
		t.Fatalf("go mod download: %v\n%s", err, out)
	}
	dir := filepath.Join(home, "modcache")
	t.Cleanup(func() { writable(dir) })
	return open(t, dir), project, home, up
}

// writable lets the test's folder be removed.
func writable(dir string) {
	_ = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			_ = os.Chmod(name, 0o755)
		}
		return nil
	})
}

func open(t *testing.T, dir string) *GoCache {
	t.Helper()
	c, err := OpenGo(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func scanned(t *testing.T, p Place) *Stock {
	t.Helper()
	s, err := p.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// everything returns what removes all versions of a stock.
func everything(s *Stock) []Removal {
	var list []Removal
	for i := range s.Versions {
		list = append(list, Removal{Version: &s.Versions[i]})
	}
	return list
}

func ignore(int) {}

// names returns the names of what is in a folder, but for a list of some.
func names(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, name)
			list = append(list, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestRemoveAVersion(t *testing.T) {
	t.Parallel()
	c, project, home, up := fetched(t, "one", "two")
	s := scanned(t, c)
	if len(s.Versions) != 2 || len(s.Unknown)+len(s.Unread)+len(s.Leftovers) != 0 {
		t.Fatalf("%+v", s)
	}
	v := s.Versions[0]
	if v.Extracted == 0 || v.Zip == 0 || v.Small == 0 || v.Files != 7+4 || time.Since(v.Fetched) > time.Hour {
		t.Errorf("%+v", v)
	}
	results := c.Remove(t.Context(), []Removal{{Version: &v}}, ignore)
	if len(results) != 1 || results[0].Err != nil || results[0].Back {
		t.Fatalf("%+v", results)
	}
	for _, name := range names(t, c.dir) {
		if strings.Contains(name, "/one") && !strings.HasSuffix(name, ".lock") && !strings.HasSuffix(name, "/list") {
			t.Errorf("%s is left", name)
		}
	}
	if s = scanned(t, c); len(s.Versions) != 1 || s.Versions[0].Path != "example.com/two" {
		t.Errorf("left: %+v", s.Versions)
	}
	// What is left of it is a folder with a lock and an empty list, which goes when it has been so for a day.
	if len(s.Leftovers) != 1 || s.Leftovers[0].Kind != Empty {
		t.Fatalf("leftovers: %+v", s.Leftovers)
	}
	if plan := s.Prune(Rule{Young: 24 * time.Hour, Now: time.Now().Add(time.Hour)}); len(plan.Remove) != 0 {
		t.Errorf("%v goes too early", plan.Remove)
	}
	plan := s.Prune(Rule{Young: 24 * time.Hour, Now: time.Now().Add(25 * time.Hour), Needs: need("example.com/two@v1.0.0")})
	if len(plan.Remove) != 1 {
		t.Fatalf("%v", plan.Remove)
	}
	c.Remove(t.Context(), plan.Remove, ignore)
	if _, err := os.Stat(filepath.Join(c.dir, "cache/download/example.com/one")); err == nil {
		t.Error("the empty folder is still there")
	}
	// And it comes back as it was.
	if out, err := goCommand(t, project, home, up.URL, "mod", "download"); err != nil {
		t.Errorf("go mod download: %v\n%s", err, out)
	}
	if out, err := goCommand(t, project, home, "off", "mod", "verify"); err != nil {
		t.Errorf("go mod verify: %v\n%s", err, out)
	}
}

func need(list ...string) *Needs {
	n := &Needs{}
	for _, one := range list {
		path, version, _ := strings.Cut(one, "@")
		n.Add(path, version, All)
	}
	return n
}

// Go commands that fetch and unpack the same versions all the while never fail,
// and never see one that is not whole.
func TestRemoveWhileGoDownloads(t *testing.T) {
	t.Parallel()
	var modules []string
	for i := range 30 {
		modules = append(modules, fmt.Sprintf("m%d", i))
	}
	c, project, home, up := fetched(t, modules...)
	var working sync.WaitGroup
	ctx, done := context.WithCancel(t.Context())
	var mu sync.Mutex // guards the two below
	var failures []string
	runs := 0
	// Each go command has a turn. To settle is to see all turns of the moment end; however slow they are.
	const workers = 2
	var turns [workers]chan struct{}
	for i := range turns {
		turns[i] = make(chan struct{}, 1)
	}
	c.settle = func(context.Context, time.Time) {
		for i := range turns {
			turns[i] <- struct{}{}
			<-turns[i]
		}
	}
	c.patience = time.Hour
	for i := range workers {
		working.Go(func() {
			for ctx.Err() == nil {
				turns[i] <- struct{}{}
				one := "example.com/" + modules[rand.N(len(modules))] + "@v1.0.0"
				out, err := goCommand(t, project, home, up.URL, "mod", "download", "-json", one)
				<-turns[i]
				mu.Lock()
				runs++
				if err != nil || strings.Contains(out, `"Error"`) {
					failures = append(failures, fmt.Sprint(err, "\n", out))
				}
				mu.Unlock()
			}
		})
	}
	gone, back := 0, 0
	for range 2 {
		for _, r := range c.Remove(ctx, everything(scanned(t, c)), ignore) {
			switch {
			case r.Err != nil:
				t.Errorf("%s: %v", r, r.Err)
			case r.Back:
				back++
			default:
				gone++
			}
		}
	}
	done()
	working.Wait()
	t.Logf("%d go commands; %d versions were removed, %d fetched anew meanwhile", runs, gone, back)
	for _, f := range failures {
		t.Errorf("go mod download: %s", f)
	}
	if out, err := goCommand(t, project, home, up.URL, "mod", "download"); err != nil {
		t.Errorf("go mod download: %v\n%s", err, out)
	}
	if out, err := goCommand(t, project, home, "off", "mod", "verify"); err != nil {
		t.Errorf("go mod verify: %v\n%s", err, out)
	}
	if s := scanned(t, c); len(s.Versions) != len(modules) || len(s.Unknown)+len(s.Unread) != 0 {
		t.Errorf("%+v", s)
	}
}

// After each step a go command finds the version usable, or not there: the test
// stands where another process would come in between.
func TestRemoveStepByStep(t *testing.T) {
	t.Parallel()
	c, project, home, up := fetched(t, "one")
	put(t, filepath.Join(project, "p.go"), "package p\n\nimport _ \"example.com/one\"\n")
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(c.dir, filepath.FromSlash(name)))
		return err == nil
	}
	const files, folder = "cache/download/example.com/one/@v/v1.0.0.", "example.com/one@v1.0.0"
	begin := func() *removing {
		s := scanned(t, c)
		return &removing{Result: &Result{Removal: Removal{Version: &s.Versions[0]}}, lock: files + "lock"}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	download := func() {
		t.Helper()
		if out, err := goCommand(t, project, home, up.URL, "mod", "download", "-json"); err != nil {
			t.Fatalf("go mod download: %v\n%s", err, out)
		}
	}

	// First the zip alone: who builds with the folder does not notice.
	v := begin()
	must(c.removeZip(t.Context(), v))
	if has(files+"zip") || !has(files+"ziphash") || !has(folder) {
		t.Error("after the first step the zip alone is to be gone")
	}
	if out, err := goCommand(t, project, home, "off", "list", "-deps", "./..."); err != nil {
		t.Errorf("after the first step: %v\n%s", err, out)
	}
	// Then the folder; the hash is there for who has seen the folder.
	must(c.moveAside(t.Context(), v))
	if has(folder) || !has(files+"ziphash") || v.aside == "" || v.Back {
		t.Error("after the second step the folder is to be aside, and the hash to be there")
	}
	c.removeAside(v)
	must(c.removeRest(t.Context(), v))
	for _, ext := range []string{"zip", "ziphash", "info", "mod"} {
		if has(files + ext) {
			t.Errorf("after the last step there is a .%s", ext)
		}
	}
	if left := names(t, filepath.Join(c.dir, "example.com")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}

	// Somebody wants it after the first step, and after the second: it stays, whole.
	for _, after := range []int{1, 2} {
		download()
		v = begin()
		must(c.removeZip(t.Context(), v))
		if after == 1 {
			download()
		}
		must(c.moveAside(t.Context(), v))
		if after == 2 {
			c.removeAside(v)
			download()
			must(c.removeRest(t.Context(), v))
		}
		if !v.Back || !v.done || !has(folder) || !has(files+"zip") || !has(files+"ziphash") || !has(files+"mod") {
			t.Errorf("fetched anew after step %d: %+v", after, v)
		}
		if out, err := goCommand(t, project, home, "off", "mod", "verify"); err != nil {
			t.Errorf("go mod verify: %v\n%s", err, out)
		}
	}

	// One whose .mod is needed keeps that and the .info.
	v = begin()
	v.KeepMod = true
	must(c.removeZip(t.Context(), v))
	must(c.moveAside(t.Context(), v))
	must(c.removeRest(t.Context(), v))
	if has(files+"ziphash") || !has(files+"mod") || !has(files+"info") {
		t.Error("not .mod and .info alone are left")
	}
	c.removeAside(v)
}

// While a go command fetches a version it holds the lock; that is the one that is taken here.
func TestRemoveWaitsForGo(t *testing.T) {
	t.Parallel()
	c, project, home, up := fetched(t, "one", "two")
	c.patience = 0
	zip := filepath.Join(c.dir, "cache/download/example.com/one/@v/v1.0.0.zip")
	if err := os.Remove(zip); err != nil {
		t.Fatal(err)
	}
	arrived, goOn := make(chan struct{}), make(chan struct{})
	up.BreakTimes(1, `one/.*\.zip$`, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-goOn
			next.ServeHTTP(w, r)
		})
	})
	var out string
	var err error
	var working sync.WaitGroup
	working.Go(func() { out, err = goCommand(t, project, home, up.URL, "mod", "download") })
	<-arrived
	results := c.Remove(t.Context(), everything(scanned(t, c)), ignore)
	close(goOn)
	working.Wait()
	if len(results) != 2 || !errors.Is(results[0].Err, errBusy) || results[1].Err != nil {
		t.Errorf("%+v", results)
	}
	if err != nil {
		t.Errorf("go mod download: %v\n%s", err, out)
	}
	if _, err := os.Stat(zip); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "example.com/one@v1.0.0/go.mod")); err != nil {
		t.Error(err)
	}
}

// A removal that is stopped leaves what a go command can use, and the next goes on.
func TestRemoveStopped(t *testing.T) {
	t.Parallel()
	c, project, home, up := fetched(t, "one", "two")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if results := c.Remove(ctx, everything(scanned(t, c)), ignore); len(results) != 0 {
		t.Errorf("%+v", results)
	}
	v := &removing{Result: &Result{Removal: everything(scanned(t, c))[0]}, lock: "cache/download/example.com/one/@v/v1.0.0.lock"}
	if err := errors.Join(c.removeZip(t.Context(), v), c.moveAside(t.Context(), v)); err != nil {
		t.Fatal(err)
	}
	s := scanned(t, c)
	if len(s.Leftovers) != 1 || s.Leftovers[0].Kind != Removing || s.Leftovers[0].Bytes == 0 || len(s.Unknown) > 0 {
		t.Fatalf("%+v", s)
	}
	list := append(everything(s), Removal{Leftover: &s.Leftovers[0]})
	for _, r := range c.Remove(t.Context(), list, ignore) {
		if r.Err != nil {
			t.Errorf("%s: %v", r, r.Err)
		}
	}
	if s = scanned(t, c); len(s.Versions) != 0 || s.Bytes() != 0 {
		t.Errorf("%+v", s)
	}
	if out, err := goCommand(t, project, home, up.URL, "mod", "download"); err != nil {
		t.Errorf("go mod download: %v\n%s", err, out)
	}
}
