package goenv_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

// A desk is a home with a go command.
type desk struct {
	t    *testing.T
	home string
	goenv.Machine
}

func newDesk(t *testing.T, environ ...string) *desk {
	t.Helper()
	home := t.TempDir()
	dir := filepath.Join(home, "work")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	// Else the go command's telemetry may still write there when the test is over.
	for _, config := range []string{".config", "Library/Application Support"} {
		file := filepath.Join(home, filepath.FromSlash(config), "go", "telemetry", "mode")
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("off 2026-01-01\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	base := []string{"HOME=" + home, "USERPROFILE=" + home, "AppData=" + home, "LocalAppData=" + home, "PATH=" + os.Getenv("PATH"),
		"GOENV=" + filepath.Join(home, "go", "env"), "GOCACHE=" + filepath.Join(home, "cache"), "GOTOOLCHAIN=local"}
	return &desk{t, home, goenv.Machine{Environ: append(base, environ...), Dir: dir, LookPath: exec.LookPath}}
}

// file is that of "go env -w".
func (d *desk) file() string { return filepath.Join(d.home, "go", "env") }

func (d *desk) write(file, text string) {
	d.t.Helper()
	if !filepath.IsAbs(file) {
		file = filepath.Join(d.home, file)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) read() *goenv.Settings {
	d.t.Helper()
	s, err := goenv.Read(d.t.Context(), d.Machine)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *desk) editor() *goenv.Editor {
	d.t.Helper()
	e, err := goenv.NewEditor(d.Machine, d.read(), filepath.Join(d.home, "godown", "use"))
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}

// text is what the file holds, or "-" if it is not there.
func (d *desk) text() string {
	d.t.Helper()
	data, err := os.ReadFile(d.file())
	if errors.Is(err, os.ErrNotExist) {
		return "-"
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return string(data)
}

// goEnv is all that "go env -json" prints, but for the folder that it makes anew each time.
func (d *desk) goEnv() string {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), "go", "env", "-json")
	cmd.Dir, cmd.Env = d.Dir, d.Environ
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatal(err)
	}
	lines := strings.SplitAfter(string(out), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, `"GOGCCFLAGS"`) }), "")
}

func (d *desk) set(changes ...goenv.Change) *goenv.Record {
	d.t.Helper()
	rec, err := d.editor().Set(d.t.Context(), changes, "test")
	if err != nil {
		d.t.Fatal(err)
	}
	return rec
}

func proxy(list string) goenv.Change { return goenv.Change{Name: "GOPROXY", Value: list} }

// oddFiles are files as people have them.
func oddFiles() map[string]string {
	return map[string]string{
		"none":     "-",
		"empty":    "",
		"comments": "# mine\n\nGOFLAGS=-mod=mod\n# below\nGOPRIVATE=x.example\nGOAMD64=v2\nnonsense\n",
		"twice":    "GOPROXY=https://a.example\nGOSUMDB=off\nGOPROXY=https://b.example",
		"windows":  "GOPROXY=https://a.example\r\nGOSUMDB=off\r\n",
		"blank":    "GOPROXY=\n =x\nGOSUMDB=sum.golang.org\n",
	}
}

func TestRoundTrip(t *testing.T) {
	for name, text := range oddFiles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if text != "-" {
				d.write(d.file(), text)
				if err := os.Chmod(d.file(), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			was := d.goEnv()
			first := d.set(proxy("https://one.example,direct"), goenv.Change{Name: "GOSUMDB", Unset: true})
			if d.read().Text("GOPROXY") != "https://one.example,direct" || strings.Contains(d.text(), "GOSUMDB") {
				t.Fatalf("after the change the file is %q", d.text())
			}
			between := d.text()
			if first == nil || first.Why != "test" {
				t.Fatalf("noted: %+v", first)
			}
			if again := d.set(proxy("https://one.example,direct")); again != nil {
				t.Errorf("what is so already was noted: %v", again.Changed())
			}
			d.set(proxy("off"), goenv.Change{Name: "GOPRIVATE", Value: "a,b"})
			if gone, err := d.editor().Undo(t.Context(), 1, false); err != nil || len(gone) != 1 || d.text() != between {
				t.Fatalf("one step back: %v, %v, %q", gone, err, d.text())
			}
			if gone, err := d.editor().Redo(t.Context(), 1, false); err != nil || len(gone) != 1 || d.read().Text("GOPROXY") != "off" {
				t.Fatalf("and forth: %v, %v, %q", gone, err, d.text())
			}
			if gone, err := d.editor().Undo(t.Context(), 5, false); err != nil || len(gone) != 2 {
				t.Fatalf("all steps back: %v, %v", gone, err)
			}
			if d.text() != text || d.goEnv() != was {
				t.Errorf("it was %q, and is %q", text, d.text())
			}
			if info, err := os.Stat(d.file()); err == nil && info.Mode().Perm() != 0o640 {
				t.Errorf("its mode is %v", info.Mode())
			}
			if _, err := d.editor().Undo(t.Context(), 1, false); !errors.Is(err, goenv.ErrNothing) {
				t.Errorf("one step too many: %v", err)
			}
		})
	}
}

func TestDisturbed(t *testing.T) {
	d := newDesk(t)
	d.write(d.file(), "GOSUMDB=off\n")
	d.set(proxy("https://one.example"))
	d.write(d.file(), d.text()+"GOPRIVATE=x.example\nGONOPROXY=https://u:s3cr3t@x\n")
	disturbed := d.text()
	_, err := d.editor().Undo(t.Context(), 1, false)
	e, ok := errors.AsType[*goenv.Disturbed](err)
	if !ok || d.text() != disturbed {
		t.Fatalf("%v; the file is %q", err, d.text())
	}
	if want := []string{"+ GOPRIVATE=x.example", "+ GONOPROXY=https://u:xxxxx@x"}; !slices.Equal(e.Difference, want) {
		t.Errorf("the difference is %q, want %q", e.Difference, want)
	}
	if _, err := d.editor().Undo(t.Context(), 1, true); err != nil || d.text() != "GOSUMDB=off\n" {
		t.Fatalf("forced: %v, %q", err, d.text())
	}
	if _, err := d.editor().Redo(t.Context(), 1, false); err != nil || d.text() != disturbed {
		t.Errorf("what the other had changed is lost: %v, %q", err, d.text())
	}
}

// A change upon another's is taken back up to there.
func TestUndoStopsAtOthers(t *testing.T) {
	d := newDesk(t)
	d.set(proxy("https://one.example"))
	d.write(d.file(), "GOPROXY=https://other.example\n")
	d.set(proxy("https://two.example"))
	gone, err := d.editor().Undo(t.Context(), 2, false)
	if _, ok := errors.AsType[*goenv.Disturbed](err); !ok || len(gone) != 1 || d.text() != "GOPROXY=https://other.example\n" {
		t.Errorf("%v, %v, %q", gone, err, d.text())
	}
}

func TestUndoAfterCrash(t *testing.T) {
	d := newDesk(t)
	d.write(d.file(), "GOSUMDB=off\n")
	d.set(proxy("https://one.example"))
	d.write(d.file(), "GOSUMDB=off\n") // as if it had been noted only
	if _, err := d.editor().Undo(t.Context(), 1, false); err != nil || d.text() != "GOSUMDB=off\n" {
		t.Errorf("%v, %q", err, d.text())
	}
}

func TestRefused(t *testing.T) {
	d := newDesk(t)
	d.write(d.file(), "GOSUMDB=off\n")
	for _, c := range []goenv.Change{{Name: "GOPROXI", Value: "x"}, {Name: "GOVERSION", Value: "x"}, {Name: "GOPRIVATE", Value: "a\nb"}, {Name: "GOPRIVATE", Value: "a\r"}} {
		if rec, err := d.editor().Set(t.Context(), []goenv.Change{proxy("https://one.example"), c}, "test"); err == nil || rec != nil {
			t.Errorf("%+v was taken: %v", c, rec)
		}
	}
	if h, err := d.editor().History(); d.text() != "GOSUMDB=off\n" || len(h) > 0 || err != nil {
		t.Errorf("and it left %q, %v", d.text(), h)
	}
}

// A secret is in the two files alone, which are their owner's alone; not in arguments, which all can see.
func TestSecret(t *testing.T) {
	d := newDesk(t)
	args := filepath.Join(d.home, "args")
	real, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	d.write("bin/go", "#!/bin/sh\necho \"$@\" >>'"+args+"'\nexec '"+real+"' \"$@\"\n")
	if err := os.Chmod(filepath.Join(d.home, "bin/go"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.LookPath = func(string) (string, error) { return filepath.Join(d.home, "bin/go"), nil }
	const list = "https://u:s3cr3t@one.example,direct"
	d.set(proxy(list))
	if d.read().Text("GOPROXY") != list {
		t.Errorf("the file is %q", d.text())
	}
	data, err := os.ReadFile(args)
	if err != nil || strings.Contains(string(data), "s3cr3t") || !strings.Contains(string(data), "env -w GOPROXY=https://u:") {
		t.Errorf("arguments: %s, %v", data, err)
	}
	err = filepath.WalkDir(d.home, func(file string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		if info, _ := e.Info(); strings.Contains(string(data), "s3cr3t") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v", file, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLinkIsKept(t *testing.T) {
	d := newDesk(t)
	d.write("dotfiles/goenv", "GOSUMDB=off\n")
	if err := os.MkdirAll(filepath.Dir(d.file()), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../dotfiles/goenv", d.file()); err != nil {
		t.Fatal(err)
	}
	d.set(proxy("https://one.example"))
	if to, err := os.Readlink(d.file()); err != nil || to != "../dotfiles/goenv" || !strings.Contains(d.text(), "one.example") {
		t.Errorf("%q, %v, %q", to, err, d.text())
	}
}

// Of changes at once none is lost.
func TestAtOnce(t *testing.T) {
	d := newDesk(t)
	d.write(d.file(), "# mine\n")
	names := []string{"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB"}
	editors := make([]*goenv.Editor, len(names))
	for i := range names {
		editors[i] = d.editor()
	}
	var wg sync.WaitGroup
	errs := make([]error, len(names))
	for i, name := range names {
		wg.Go(func() {
			_, errs[i] = editors[i].Set(context.WithoutCancel(t.Context()), []goenv.Change{{Name: name, Value: "v.example"}}, "test")
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	s := d.read()
	for _, name := range names {
		if s.Text(name) != "v.example" {
			t.Errorf("%s is lost: %q", name, d.text())
		}
	}
	if gone, err := d.editor().Undo(t.Context(), 9, false); err != nil || len(gone) != len(names) || d.text() != "# mine\n" {
		t.Errorf("%d, %v, %q", len(gone), err, d.text())
	}
}

func TestHistoryIsBounded(t *testing.T) {
	d := newDesk(t)
	e := d.editor()
	for i := range 53 {
		if _, err := e.Set(t.Context(), []goenv.Change{proxy(fmt.Sprintf("https://%d.example", i))}, "test"); err != nil {
			t.Fatal(err)
		}
	}
	h, err := e.History()
	if err != nil || len(h) != 50 || h[49].ID != 53 {
		t.Errorf("%d, %v", len(h), err)
	}
}

// What could not be taken back is not done.
func TestNoHistory(t *testing.T) {
	d := newDesk(t)
	d.write("godown", "a file where a folder should be")
	if rec, err := d.editor().Set(t.Context(), []goenv.Change{proxy("off")}, "test"); err == nil || rec != nil || d.text() != "-" {
		t.Errorf("%v, %v, %q", rec, err, d.text())
	}
}

func TestNoFile(t *testing.T) {
	d := newDesk(t, "GOENV=off")
	if _, err := goenv.NewEditor(d.Machine, d.read(), d.home); !errors.Is(err, goenv.ErrOff) {
		t.Errorf("GOENV=off: %v", err)
	}
	d = newDesk(t, "GOENV=", "HOME=", "XDG_CONFIG_HOME=", "GOPATH=/nowhere")
	if _, err := goenv.NewEditor(d.Machine, d.read(), d.home); !errors.Is(err, goenv.ErrNoHome) {
		t.Errorf("without a home: %v", err)
	}
}
