package goenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Change is what becomes of one variable in the file of "go env -w".
type Change struct {
	Name  string
	Value string // as "go env -w" would take it; may hold a secret
	Unset bool   // the file says nothing of it any more, as by "go env -u"; Value is not looked at
}

// An Editor changes the file of "go env -w", and takes changes back. Of several
// at once, in one process or more, each waits for the one before.
//
// A change is made by the go command itself in a copy of the file, so that the go
// command refuses what it would refuse. Then what the file was and what it will be
// is noted for good, and only then the copy takes the file's place, whole or not at all.
//
//	e, err := goenv.NewEditor(machine, settings, folder)       // once; says if there is nothing to edit
//	rec, err := e.Set(ctx, []goenv.Change{{Name: "GOPROXY", Value: list}}, "bench --set")
//	if rec == nil { /* it was so already */ }
//	recs, err := e.Undo(ctx, 1, false)                         // as it was
//
// Variables in the environment win over the file: see [Settings.Values].
type Editor struct {
	machine Machine
	program string
	file    string // as the go command names it, from the root on
	folder  string // of history and profiles
	now     func() time.Time
}

// ErrOff is the error of NewEditor where GOENV=off says that there is no file.
var ErrOff = errors.New("GOENV=off: the go command keeps no settings here, so there is no file to write them to")

// ErrNoHome is the error of NewEditor where the go command finds no folder for its file.
var ErrNoHome = errors.New("the go command finds no folder for its settings, as this user has no home; GOENV=FILE names a file")

// NewEditor returns the editor of the file that the settings were read from.
// It keeps its history in the folder, which it makes when it is needed: "use" in
// godown's folder in the user's folder of configuration.
func NewEditor(m Machine, s *Settings, folder string) (*Editor, error) {
	if s.File == "" {
		if m.Getenv("GOENV") == "off" {
			return nil, ErrOff
		}
		return nil, ErrNoHome
	}
	file := s.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(m.Dir, file) // GOENV may say so
	}
	return &Editor{machine: m, program: s.Program, file: file, folder: folder, now: time.Now}, nil
}

// File returns the file that is edited, which need not exist.
func (e *Editor) File() string { return e.file }

// Set makes changes, all or none. Why says for people what they were made for. It
// returns what was noted, or nil if the file says all of it already.
func (e *Editor) Set(ctx context.Context, changes []Change, why string) (*Record, error) {
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	before, after, err := e.make(ctx, changes)
	if err != nil || before.same(after) {
		return nil, err
	}
	all, err := e.history()
	if err != nil {
		return nil, err
	}
	rec := &Record{ID: 1, When: e.now().UTC().Truncate(time.Second), Why: why, File: e.file, Before: before, After: after}
	for _, r := range all {
		rec.ID = max(rec.ID, r.ID+1)
	}
	if err := e.note(rec); err != nil {
		return nil, err
	}
	// What was undone could not be done again on top of this.
	for _, r := range all {
		if r.File == e.file && r.Undone {
			if err := e.forget(r); err != nil {
				return nil, err
			}
		}
	}
	if err := e.prune(all); err != nil {
		return nil, err
	}
	if err := e.replace(before, after); err != nil {
		return nil, errors.Join(err, e.forget(*rec))
	}
	return rec, nil
}

// Preview returns what the file is and what Set would make of it. It changes nothing.
func (e *Editor) Preview(ctx context.Context, changes []Change) (before, after Content, err error) {
	return e.make(ctx, changes)
}

// make lets the go command make changes in a copy.
func (e *Editor) make(ctx context.Context, changes []Change) (before, after Content, err error) {
	if before, err = readContent(e.path()); err != nil {
		return before, after, err
	}
	dir, err := os.MkdirTemp("", "godown-use-") // 0700: a value may hold a secret
	if err != nil {
		return before, after, fmt.Errorf("a copy of %s: %w", e.file, err)
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "env")
	if err := os.WriteFile(copied, before.Bytes, 0o600); err != nil {
		return before, after, fmt.Errorf("a copy of %s: %w", e.file, err)
	}
	said := parseFile(before.Bytes)
	var set, unset, masked []string
	for _, c := range changes {
		now, ok := said[c.Name]
		switch {
		case c.Unset && ok:
			unset = append(unset, c.Name)
		case !c.Unset && (!ok || now != c.Value):
			if strings.ContainsAny(c.Value, "\v\r\n\x00") || !utf8.ValidString(c.Value) {
				return before, after, fmt.Errorf("the value for %s has a line break or is no UTF-8", c.Name)
			}
			// Others can see the arguments of a process: a secret is put in afterwards.
			shown := c.Name + "=" + Shown(c.Value)
			set = append(set, shown)
			if full := c.Name + "=" + c.Value; full != shown {
				masked = append(masked, "\n"+shown+"\n", "\n"+full+"\n")
			}
		}
	}
	if set == nil && unset == nil {
		return before, before, nil
	}
	for _, step := range []struct {
		flag string
		args []string
	}{{"-w", set}, {"-u", unset}} {
		if len(step.args) == 0 {
			continue
		}
		if err := e.run(ctx, copied, step.flag, step.args); err != nil {
			return before, after, err
		}
	}
	after, err = readContent(copied)
	for i := 0; i < len(masked); i += 2 {
		whole := strings.Replace("\n"+string(after.Bytes), masked[i], masked[i+1], 1)
		after.Bytes = []byte(whole[1:])
	}
	after.Mode = before.Mode
	if !before.Exists && masked != nil {
		after.Mode = 0o600
	}
	return before, after, err
}

// run runs "go env" with a file of its own.
func (e *Editor) run(ctx context.Context, file, flag string, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.program, append([]string{"env", flag}, args...)...)
	cmd.Dir = filepath.Dir(file) // far from any go.mod
	cmd.Env = append(slices.Clone(e.machine.Environ), "GOENV="+file, "GOTOOLCHAIN=local", "GO111MODULE=on", "GOWORK=off", "GOFLAGS=", "PWD="+cmd.Dir)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("%s env %s failed (%w): %s", e.program, flag, err, strings.TrimSpace(stderr.String()))
	}
	return nil
}

// path returns the file behind the links that lead to it, so that it is changed and not a link replaced.
func (e *Editor) path() string {
	file := e.file
	for range 40 {
		to, err := os.Readlink(file)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(file), to)
		}
		file = to
	}
	return file
}

// replace puts content in the file's place, unless the file is not what it was.
func (e *Editor) replace(before, after Content) error {
	file := e.path()
	now, err := readContent(file)
	if err != nil {
		return err
	}
	if !now.same(before) {
		return fmt.Errorf("%s was changed by another while it was edited; nothing was written, try again", e.file)
	}
	if !after.Exists {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the go command's settings: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return fmt.Errorf("a folder for the go command's settings: %w", err)
	}
	if err := writeWhole(file, after.Bytes, after.Mode); err != nil {
		return fmt.Errorf("the go command's settings: %w", err)
	}
	return nil
}
