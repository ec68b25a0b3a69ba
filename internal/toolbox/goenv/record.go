package goenv

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// Content is what a file is.
type Content struct {
	Exists bool        `json:"exists"`
	Bytes  []byte      `json:"bytes,omitempty"` // may hold a secret
	Mode   fs.FileMode `json:"mode,omitempty"`  // its permissions; 0: those of any new file
}

func (c Content) same(d Content) bool { return c.Exists == d.Exists && bytes.Equal(c.Bytes, d.Bytes) }

// Values returns the settings in it, as the go command reads them.
func (c Content) Values() map[string]string { return parseFile(c.Bytes) }

// A Record is of one change to the file of "go env -w".
type Record struct {
	ID     int       `json:"id"` // grows
	When   time.Time `json:"when"`
	Why    string    `json:"why"`  // for people
	File   string    `json:"file"` // with its whole path
	Before Content   `json:"before"`
	After  Content   `json:"after"`
	Undone bool      `json:"undone,omitempty"` // the file is as it was before
}

// Changed returns the names of the variables that the record's change changed: first those of ModuleSettings.
func (r *Record) Changed() []string {
	before, after := r.Before.Values(), r.After.Values()
	var names []string
	for name, v := range before {
		if w, ok := after[name]; !ok || v != w {
			names = append(names, name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	rank := func(name string) int {
		if i := slices.Index(ModuleSettings(), name); i >= 0 {
			return i
		}
		return len(ModuleSettings())
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	return names
}

// ErrNothing is the error of Undo where there is nothing to take back.
var ErrNothing = errors.New("nothing was changed that could be taken back")

// ErrNothingUndone is the error of Redo where there is nothing to make again.
var ErrNothingUndone = errors.New("nothing was taken back that could be made again")

// A Disturbed is the error of Undo and Redo where the file is not what the last
// change has left, so that another's change would be lost.
type Disturbed struct {
	File       string
	Left, Now  Content // what the last change has left, and what the file is
	Difference []string
}

func (e *Disturbed) Error() string { return e.In(lang.English) }

// In is Error in a language.
func (e *Disturbed) In(l lang.Language) string {
	return lang.Text{
		En: "%[1]s was changed by another since, so nothing was done; to take that change back as well, use --force",
		Zh: "%[1]s 后来被其他程序改过，因此没有动它；如果连那次改动也要撤销，请加 --force"}.With(e.File).In(l)
}

// keep is how many changes are noted for a file.
const keep = 50

// Undo makes the file what it was before the last of its changes, or the last
// several: byte for byte, or not there at all. It returns the changes that it
// took back, the last first; fewer than asked for if there are no more. With force it also takes
// back what another has changed since; Redo would bring that back.
func (e *Editor) Undo(ctx context.Context, steps int, force bool) ([]Record, error) {
	return e.walk(ctx, steps, force, func(all []Record) (rec *Record, from, to *Content) {
		for i := range slices.Backward(all) {
			if r := &all[i]; !r.Undone {
				return r, &r.After, &r.Before
			}
		}
		return nil, nil, nil
	})
}

// Redo makes again what Undo took back last, until something else is changed.
func (e *Editor) Redo(ctx context.Context, steps int, force bool) ([]Record, error) {
	gone, err := e.walk(ctx, steps, force, func(all []Record) (rec *Record, from, to *Content) {
		for i := range slices.Backward(all) {
			if r := &all[i]; r.Undone {
				rec, from, to = r, &r.Before, &r.After
			} else {
				break
			}
		}
		return rec, from, to
	})
	if errors.Is(err, ErrNothing) {
		err = known(ErrNothingUndone, "没有可以重做的改动")
	}
	return gone, err
}

// walk goes steps through history. Next returns the record to go over, what it
// leaves behind and what it leads to.
func (e *Editor) walk(ctx context.Context, steps int, force bool, next func([]Record) (rec *Record, from, to *Content)) ([]Record, error) {
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	all, err := e.history()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(r Record) bool { return r.File != e.file })
	now, err := readContent(e.path())
	if err == nil {
		err = e.heal(all, now)
	}
	if err != nil {
		return nil, err
	}
	var gone []Record
	for range steps {
		rec, from, to := next(all)
		if rec == nil {
			break
		}
		now, err := readContent(e.path())
		if err != nil {
			return gone, err
		}
		if !now.same(*from) && !now.same(*to) {
			if !force {
				return gone, &Disturbed{File: e.file, Left: *from, Now: now, Difference: Difference(from.Bytes, now.Bytes)}
			}
			*from = now
		}
		// If this is as far as it gets, the file is still what the record says, and it can be tried again.
		rec.Undone = !rec.Undone
		if err := e.note(rec); err != nil {
			return gone, err
		}
		if err := e.replace(now, *to); err != nil {
			rec.Undone = !rec.Undone
			return gone, errors.Join(err, e.note(rec))
		}
		gone = append(gone, *rec)
	}
	if gone == nil {
		return nil, known(ErrNothing, "没有可以撤销的改动")
	}
	return gone, nil
}

// heal mends what a process that was killed has left between noting that a change
// is taken back and doing so: a record that says so, and the file with the change in it.
func (e *Editor) heal(all []Record, now Content) error {
	for i := range all {
		if r := &all[i]; r.File == e.file && r.Undone {
			if !now.same(r.After) || now.same(r.Before) {
				return nil
			}
			r.Undone = false
			return e.note(r)
		}
	}
	return nil
}

// History returns the changes of the file that are noted, the oldest first.
func (e *Editor) History() ([]Record, error) {
	all, err := e.history()
	return slices.DeleteFunc(all, func(r Record) bool { return r.File != e.file }), err
}

// history returns the changes of all files, the oldest first.
func (e *Editor) history() ([]Record, error) {
	dir := filepath.Join(e.folder, "history")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, explain("the history of changes: %[1]v", "改动历史：%[1]v", err)
	}
	var all []Record
	for _, entry := range entries {
		id, isRecord := strings.CutSuffix(entry.Name(), ".json")
		if _, err := strconv.Atoi(id); err != nil || !isRecord {
			continue
		}
		file := filepath.Join(dir, entry.Name())
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another has forgotten it meanwhile
		}
		var r Record
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		if err != nil {
			return nil, explain("the history of changes: %[1]s: %[2]v; without this file the changes that it notes cannot be taken back, but all others can", "改动历史 %[1]s：%[2]v；删掉这个文件后，它记录的那次改动无法撤销，其余的不受影响", file, err)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Record) int { return a.ID - b.ID })
	return all, nil
}

// unnoted returns the error of a history that cannot be written to.
func unnoted(err error) error {
	return explain("the history of changes: %[1]v; nothing was changed, as it could not be taken back", "改动历史：%[1]v；因为将无法撤销，所以没有做任何改动", err)
}

// note writes a record to the disk.
func (e *Editor) note(r *Record) error {
	dir := filepath.Join(e.folder, "history")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unnoted(err)
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err == nil {
		err = writeWhole(e.record(r), append(data, '\n'), 0o600)
	}
	if err != nil {
		return unnoted(err)
	}
	return nil
}

func (e *Editor) record(r *Record) string {
	return filepath.Join(e.folder, "history", fmt.Sprintf("%06d.json", r.ID))
}

// forget removes a record.
func (e *Editor) forget(r Record) error {
	if err := os.Remove(e.record(&r)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explain("the history of changes: %[1]v", "改动历史：%[1]v", err)
	}
	return nil
}

// prune removes the oldest records of the file beyond those that are kept.
func (e *Editor) prune(all []Record) error {
	own := slices.DeleteFunc(slices.Clone(all), func(r Record) bool { return r.File != e.file || r.Undone })
	for i := 0; i < len(own)-(keep-1); i++ {
		if err := e.forget(own[i]); err != nil {
			return err
		}
	}
	return nil
}

// readContent reads a file, which need not be there.
func readContent(file string) (Content, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Content{}, nil
	}
	if err != nil {
		return Content{}, explain("the go command's settings: %[1]v", "go 命令的设置文件：%[1]v", err)
	}
	c := Content{Exists: true, Bytes: data}
	if info, err := os.Stat(file); err == nil {
		c.Mode = info.Mode().Perm()
	}
	return c, nil
}

// writeWhole writes a file in one step, for good. Mode 0 means that of any new file.
func writeWhole(file string, data []byte, mode fs.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	name := temp.Name()
	if mode == 0 {
		// CreateTemp's are for the owner alone; a file of os.OpenFile has what the umask leaves.
		temp.Close()
		os.Remove(name)
		if temp, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
			return err
		}
	} else {
		err = temp.Chmod(mode)
	}
	if err == nil {
		keepOwner(temp, file)
		_, err = temp.Write(data)
	}
	if err == nil {
		err = temp.Sync()
	}
	if e := temp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(name, file)
	}
	if err != nil {
		os.Remove(name)
		return err
	}
	// Best effort: not every system can sync a folder.
	if dir, err := os.Open(filepath.Dir(file)); err == nil {
		_ = dir.Sync()
		dir.Close()
	}
	return nil
}

// Difference returns the lines that two texts do not share, in their order: with
// "- " before those of the old one, "+ " before those of the new. Secrets are masked.
func Difference(before, after []byte) []string {
	a, b := strings.Split(string(before), "\n"), strings.Split(string(after), "\n")
	// The length of what is common, from each pair of lines on.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var lines []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			lines = append(lines, "- "+shownLine(a[i]))
			i++
		default:
			lines = append(lines, "+ "+shownLine(b[j]))
			j++
		}
	}
	return slices.DeleteFunc(lines, func(l string) bool { return l == "- " || l == "+ " })
}

// shownLine returns a line of a file of settings without what may be a secret.
func shownLine(line string) string {
	if name, value, ok := strings.Cut(line, "="); ok {
		return name + "=" + Shown(value)
	}
	return line
}
