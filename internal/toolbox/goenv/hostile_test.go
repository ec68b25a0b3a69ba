package goenv_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A link counts from the folder that it is really in, as dotfiles managers have them.
func TestLinkInLinkedFolder(t *testing.T) {
	for _, there := range []bool{true, false} {
		t.Run(fmt.Sprint(there), func(t *testing.T) {
			d := newDesk(t)
			d.write("data/cfg/keep", "")
			if there {
				d.write("data/dotfiles/env", "GOSUMDB=off\n")
			} else {
				d.write("data/dotfiles/keep", "")
			}
			for from, to := range map[string]string{filepath.Dir(d.file()): "data/cfg", filepath.Join(d.home, "data/cfg/env"): "../dotfiles/env"} {
				if err := os.Symlink(to, from); err != nil {
					t.Fatal(err)
				}
			}
			d.set(proxy("https://one.example"))
			if got := d.read().Text("GOPROXY"); got != "https://one.example" {
				t.Errorf("the go command has GOPROXY=%q", got)
			}
			if _, err := os.Stat(filepath.Join(d.home, "dotfiles")); err == nil {
				t.Error("another file was written")
			}
			if _, err := d.editor().Undo(t.Context(), 1, false); err != nil || there != (d.text() == "GOSUMDB=off\n") || there == (d.text() == "-") {
				t.Errorf("taken back: %v, %q", err, d.text())
			}
		})
	}
}

// record puts a record into history, as a process that was killed may have left it.
func (d *desk) record(r goenv.Record) {
	d.t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(fmt.Sprintf("godown/use/history/%06d.json", r.ID), string(data))
}

func content(text string) goenv.Content { return goenv.Content{Exists: true, Bytes: []byte(text)} }

// A process was killed when it had noted that a change is taken back, but not done it.
func TestKilledBeforeUndo(t *testing.T) {
	const was, is = "GOSUMDB=off\n", "GOPROXY=https://one.example\nGOSUMDB=off\n"
	d := newDesk(t)
	d.write(d.file(), is)
	d.record(goenv.Record{ID: 1, File: d.file(), Before: content(was), After: content(is), Undone: true})
	if gone, err := d.editor().Undo(t.Context(), 1, false); err != nil || len(gone) != 1 || d.text() != was {
		t.Errorf("tried again: %v, %v, %q", gone, err, d.text())
	}
	if _, err := d.editor().Redo(t.Context(), 1, false); err != nil || d.text() != is {
		t.Errorf("and made again: %v, %q", err, d.text())
	}

	d = newDesk(t)
	d.write(d.file(), is)
	d.record(goenv.Record{ID: 1, File: d.file(), Before: content(was), After: content(is), Undone: true})
	d.set(proxy("https://two.example"))
	if gone, err := d.editor().Undo(t.Context(), 2, false); err != nil || len(gone) != 2 || d.text() != was {
		t.Errorf("after another change: %v, %v, %q", gone, err, d.text())
	}
}

// A change that cannot be written leaves history as it was.
func TestFailureKeepsRedo(t *testing.T) {
	name := filepath.Join(t.TempDir(), strings.Repeat("x", 250)) // too long for a temporary file beside it
	d := newDesk(t, "GOENV="+name)
	d.record(goenv.Record{ID: 1, File: name, After: content("GOPROXY=off\n"), Undone: true})
	if rec, err := d.editor().Set(t.Context(), []goenv.Change{proxy("direct")}, "test"); err == nil {
		t.Fatalf("it was written: %+v", rec)
	}
	if h, err := d.editor().History(); err != nil || len(h) != 1 || h[0].ID != 1 {
		t.Errorf("history: %+v, %v", h, err)
	}
}

func TestNothingToRedo(t *testing.T) {
	d := newDesk(t)
	if _, err := d.editor().Redo(t.Context(), 1, false); !errors.Is(err, goenv.ErrNothingUndone) {
		t.Errorf("%v", err)
	}
}

// What is said of a variable that hides the file's is right in the user's shell.
func TestUnsetCommand(t *testing.T) {
	for shell, want := range map[string]string{"/bin/bash": "unset GOPROXY", "/usr/bin/fish": "set --erase GOPROXY", "/bin/tcsh": "unsetenv GOPROXY"} {
		m := goenv.Machine{Environ: []string{"SHELL=" + shell, "GOPROXY=off"}}
		notes := goenv.Obstacles(m, []goenv.Change{proxy("direct")}, nil, nil, "/h")
		if len(notes) != 1 || notes[0].Command != want {
			t.Errorf("%s: %+v, want %s", shell, notes, want)
		}
	}
}

// A separator within a password is told apart from a list, and nothing of the password is shown.
func TestSeparatorInPassword(t *testing.T) {
	for _, sep := range []string{",", "|"} {
		_, err := goenv.ParseTarget([]string{"https://u:s3c" + sep + "r3t@proxy.example"}, nil, false)
		if err == nil || strings.Contains(err.Error(), "s3c") || strings.Contains(err.Error(), "r3t") || !strings.Contains(err.Error(), "%"+fmt.Sprintf("%X", sep)) {
			t.Errorf("%v", err)
		}
	}
}

// Each error that people see is there in Chinese.
func TestErrorsInChinese(t *testing.T) {
	d := newDesk(t)
	d.set(proxy("off"))
	d.write(d.file(), "GOPROXY=direct\n")
	_, disturbed := d.editor().Undo(t.Context(), 1, false)
	_, secret := goenv.Print("sh", []goenv.Change{proxy("https://u:s3cr3t@a.example")})
	_, off := goenv.NewEditor(goenv.Machine{Environ: []string{"GOENV=off"}}, &goenv.Settings{}, "")
	_, homeless := goenv.NewEditor(goenv.Machine{}, &goenv.Settings{}, "")
	_, nothing := newDesk(t).editor().Undo(t.Context(), 1, false)
	_, undone := d.editor().Redo(t.Context(), 1, false)
	errs := []error{disturbed, secret, off, homeless, nothing, undone, goenv.CheckProfileName("../x", nil), goenv.CheckProfileName("off", nil)}
	for _, list := range []string{"cm", "one.pub.example", "direct,off", "https://a.example,,off", "https:///x", "https://a.example?s3cr3t", "https://a .example"} {
		_, err := goenv.ParseTarget([]string{list}, groups(), false)
		errs = append(errs, err)
	}
	for _, w := range []goenv.Wish{{SumDB: new("x")}, {SumDB: new("a b c")}, {SumDB: new("sum.golang.org x")}, {Private: new("https://s3cr3t@x")}, {Private: new("a b")}, {Private: new("[")}} {
		_, err := w.Plan(&goenv.Settings{}, public)
		errs = append(errs, err)
	}
	for _, err := range errs {
		e, ok := err.(interface{ In(lang.Language) string })
		if !ok {
			if e, ok = errors.Unwrap(err).(interface{ In(lang.Language) string }); !ok {
				t.Errorf("%v is in English alone", err)
				continue
			}
		}
		zh := e.In(lang.Chinese)
		if zh == e.In(lang.English) || strings.Contains(zh, "s3cr3t") || strings.Contains(zh+err.Error(), "%!") {
			t.Errorf("%v: %s", err, zh)
		}
	}
}

// History and profiles hold what may be a secret, in whatever form: they are their owner's alone.
func TestOwnFilesAreShut(t *testing.T) {
	d := newDesk(t)
	d.set(proxy("https://u:s3cr3t@one.example"))
	folder := filepath.Join(d.home, "godown")
	if _, _, err := goenv.SaveProfile(t.Context(), filepath.Join(folder, "use"), "work", d.read()); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(folder, func(file string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 && file != folder && e.Name() != "lock" { // which is empty, in a folder that is shut
			t.Errorf("%s is %v", file, info.Mode())
		}
		if !e.IsDir() {
			files++
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files, %v", files, err)
	}
}

// What "go env -w" writes while we edit is not lost.
func TestChangedMeanwhile(t *testing.T) {
	d := newDesk(t)
	d.write(d.file(), "GOSUMDB=off\n")
	e := d.editor()
	real, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	d.write("bin/go", "#!/bin/sh\ncase $2 in -w) echo GOFLAGS=-modcacherw >>'"+d.file()+"';; esac\nexec '"+real+"' \"$@\"\n")
	if err := os.Chmod(filepath.Join(d.home, "bin/go"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.LookPath = func(string) (string, error) { return filepath.Join(d.home, "bin/go"), nil }
	if rec, err := d.editor().Set(t.Context(), []goenv.Change{proxy("off")}, "test"); err == nil {
		t.Errorf("it was written over: %+v", rec)
	}
	if d.text() != "GOSUMDB=off\nGOFLAGS=-modcacherw\n" {
		t.Errorf("the file is %q", d.text())
	}
	if h, err := e.History(); err != nil || len(h) > 0 {
		t.Errorf("noted: %v, %v", h, err)
	}
}

// Whatever was set before, with public mirrors private names stay at home.
func TestPrivateBehindPublic(t *testing.T) {
	d := newDesk(t)
	d.write(d.file(), "GONOPROXY=none\nGONOSUMDB=none\n")
	w := goenv.Wish{Target: &goenv.Target{List: cn, Preset: true}, Private: new("x.example")}
	plan, err := w.Plan(d.read(), public)
	if err != nil {
		t.Fatal(err)
	}
	d.set(plan.Changes...)
	if s := d.read(); s.Text("GONOPROXY") != "x.example" || s.Text("GONOSUMDB") != "x.example" {
		t.Errorf("the file is %q", d.text())
	}
}
