package goenv

import (
	"bytes"
	"context"
	"errors"
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
			return nil, known(ErrOff, "GOENV=off：go 命令在这里不保存设置，没有可写的文件")
		}
		return nil, known(ErrNoHome, "当前用户没有主目录，go 命令找不到存放设置的地方；可用 GOENV=文件 指定一个")
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
	if err := e.heal(all, before); err != nil {
		return nil, err
	}
	rec := &Record{ID: 1, When: e.now().UTC().Truncate(time.Second), Why: why, File: e.file, Before: before, After: after}
	for _, r := range all {
		rec.ID = max(rec.ID, r.ID+1)
	}
	if err := e.note(rec); err != nil {
		return nil, err
	}
	if err := e.replace(before, after); err != nil {
		return nil, errors.Join(err, e.forget(*rec))
	}
	// The change is made: that a record more is left is no failure of it.
	for _, r := range all {
		if r.File == e.file && r.Undone {
			_ = e.forget(r) // what was undone could not be done again on top of this
		}
	}
	_ = e.prune(all)
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
		return before, after, explain("a copy of %[1]s: %[2]v", "%[1]s 的副本：%[2]v", e.file, err)
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "env")
	if err := os.WriteFile(copied, before.Bytes, 0o600); err != nil {
		return before, after, explain("a copy of %[1]s: %[2]v", "%[1]s 的副本：%[2]v", e.file, err)
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
				return before, after, explain("the value for %[1]s has a line break or is no UTF-8", "%[1]s 的值含有换行，或不是 UTF-8", c.Name)
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
		return explain("%[1]s env %[2]s failed: %[3]s (%[4]v)", "%[1]s env %[2]s 失败：%[3]s（%[4]v）", e.program, flag, strings.TrimSpace(stderr.String()), err)
	}
	return nil
}

// path returns the file behind the links that lead to it, so that it is changed and not a link replaced.
func (e *Editor) path() string {
	// As the system does it: "../" in a link counts from where the link really is.
	if file, err := filepath.EvalSymlinks(e.file); err == nil {
		return file
	}
	file := e.file
	for range 40 {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil {
			file = filepath.Join(dir, filepath.Base(file))
		}
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
		return explain("%[1]s was changed by another while it was edited; nothing was written, try again", "修改期间 %[1]s 被其他程序改动了；什么都没有写入，请重试", e.file)
	}
	if !after.Exists {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return explain("the go command's settings: %[1]v", "go 命令的设置文件：%[1]v", err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return explain("a folder for the go command's settings: %[1]v", "go 命令设置文件所在的目录：%[1]v", err)
	}
	if err := writeWhole(file, after.Bytes, after.Mode); err != nil {
		return explain("the go command's settings: %[1]v", "go 命令的设置文件：%[1]v", err)
	}
	return nil
}
