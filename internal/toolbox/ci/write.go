package ci

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A Change is what is to be done to one file.
type Change struct {
	Name   string // as it is called to people
	Path   string // where it is
	Exists bool
	Before []byte
	After  []byte
}

// Nothing reports whether the file is already as it is to be.
func (c *Change) Nothing() bool { return c.Exists && bytes.Equal(c.Before, c.After) }

// maxFile is how much of a file is read, in bytes; those that people write are smaller.
const maxFile = 4 << 20

// Plan reads a file and merges f into it; nothing is written.
func Plan(f File, path string, parse ParseYAML) (*Change, error) {
	c := &Change{Name: f.Name, Path: path}
	// A link stays, and what it leads to is written.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		c.Path = target
	}
	info, err := os.Stat(c.Path)
	link, _ := os.Lstat(c.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && link != nil:
		return nil, f.refuse("it is a link to what is not there", "它是一个符号链接，但指向的文件不存在")
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, f.refuse("it is no file", "它不是普通文件")
	case info.Mode().Perm()&0o200 == 0:
		return nil, f.refuse("it is read-only", "它是只读文件")
	case info.Size() > maxFile:
		return nil, f.refuse("it is larger than 4 MiB", "它超过了 4 MiB")
	default:
		c.Exists = true
		if c.Before, err = os.ReadFile(c.Path); err != nil {
			return nil, err
		}
	}
	c.After, err = Merge(f, c.Before, parse)
	return c, err
}

// Write does the change: the file is replaced as a whole or not at all, and
// not if somebody has written to it since Plan.
func (c *Change) Write() (err error) {
	if c.Nothing() {
		return nil
	}
	dir := filepath.Dir(c.Path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	info, err := os.Stat(c.Path)
	switch {
	case err == nil:
		mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	tmp, err := os.CreateTemp(dir, ".godown-ci-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(c.After)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	now, err := os.ReadFile(c.Path)
	if exists := err == nil; err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	} else if exists != c.Exists || !bytes.Equal(now, c.Before) {
		return fmt.Errorf("%s was changed by somebody else meanwhile; try again", c.Name)
	}
	return os.Rename(tmp.Name(), c.Path)
}
