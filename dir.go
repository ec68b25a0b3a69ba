package godown

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Dir is a Store in a folder, in exactly the layout of
// GOMODCACHE/cache/download: such a folder can be used as it is, and
// GOPROXY=file:// works on this one. It keeps the @v/list file of each module
// that it holds whole versions of.
//
// A Dir on a folder that cannot be written still reads.
type Dir struct {
	root  *os.Root
	stage stage

	listing sync.Mutex // guards the rewriting of list files

	syncing sync.Mutex      // guards rooted
	rooted  map[string]bool // folders whose entries in those above them are durable

	swapping chan struct{} // holds a value while a Swap of this process is under way
}

// asideDir is where bad files are set aside. Like the folder of temporary
// files it begins with a dot, which no element of a module path does.
const asideDir = ".aside"

// OpenDir opens the folder, making it if need be, and removes what a crash has
// left behind in its folder of temporary files. The work does not grow with
// the number of stored files.
func OpenDir(folder string) (*Dir, error) {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	d := &Dir{root: root, swapping: make(chan struct{}, 1)}
	d.stage.root = root
	d.stage.clean()
	return d, nil
}

// Close removes the temporary files and releases the folder.
func (d *Dir) Close() error {
	return errors.Join(d.stage.close(), d.root.Close())
}

// Path returns the folder.
func (d *Dir) Path() string { return d.root.Name() }

func checkName(op, name string) error {
	if !fs.ValidPath(name) || name == "." || name[0] == '.' || strings.Contains(name, "/.") || strings.ContainsAny(name, "\\\x00") {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

// Open opens a stored file; its Body is an *os.File.
func (d *Dir) Open(ctx context.Context, name string) (*File, error) {
	if err := checkName("open", name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|openAtOnce, 0)
	if err != nil {
		if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
			err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &File{Body: f, Size: info.Size(), Time: info.ModTime()}, nil
}

// Stage returns a new temporary file on the same file system, which Put can
// move into place. Whoever does not do that removes it, or Close does.
func (d *Dir) Stage() (*os.File, error) { return d.stage.create() }

// Put stores the file: temporary file, fsync, rename, fsync of the folder.
func (d *Dir) Put(ctx context.Context, name string, r io.Reader) (err error) {
	if err := checkName("put", name); err != nil {
		return err
	}
	tmp, staged := r.(*os.File)
	staged = staged && d.stage.owns(tmp)
	if !staged {
		if tmp, err = d.stage.create(); err != nil {
			return err
		}
		defer func() {
			tmp.Close()
			if err != nil {
				os.Remove(tmp.Name())
			}
		}()
		if _, err := io.Copy(tmp, contextReader{ctx, r}); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := d.move(tmp, name, staged); err != nil {
		return err
	}
	if !d.completes(name) {
		return nil
	}
	return d.keepList(name)
}

// move renames tmp to its name and makes the renaming durable.
func (d *Dir) move(tmp *os.File, name string, keepOpen bool) error {
	dir := path.Dir(name)
	_, missing := d.root.Stat(filepath.FromSlash(dir))
	if missing != nil {
		if err := d.root.MkdirAll(filepath.FromSlash(dir), 0o777); err != nil {
			return err
		}
	}
	if runtime.GOOS == "windows" {
		// An open file cannot be renamed there.
		if keepOpen {
			return d.copyFrom(tmp, name)
		}
		tmp.Close()
	}
	if err := d.root.Rename(d.stage.rel(tmp), filepath.FromSlash(name)); err != nil {
		return err
	}
	return d.syncUp(dir, missing != nil)
}

// maxRooted bounds the memory of folders that are known to be durable.
const maxRooted = 10_000

// syncUp makes durable what was put into a folder, and the folder itself. Those
// above it may be new, too: another process, or one that has crashed, may have made
// them and not come as far as this. It is enough to see to that once.
func (d *Dir) syncUp(dir string, isNew bool) error {
	var passed []string
	for {
		if err := d.syncDir(dir); err != nil {
			return err
		}
		d.syncing.Lock()
		known := !isNew && d.rooted[dir]
		d.syncing.Unlock()
		if dir == "." || known {
			break
		}
		passed = append(passed, dir)
		dir = path.Dir(dir)
	}
	d.syncing.Lock()
	defer d.syncing.Unlock()
	if d.rooted == nil || len(d.rooted) > maxRooted {
		d.rooted = make(map[string]bool)
	}
	for _, dir := range passed {
		d.rooted[dir] = true
	}
	return nil
}

func (d *Dir) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	f, err := d.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// copyFrom stores the content of a staged file that must stay open.
func (d *Dir) copyFrom(staged *os.File, name string) error {
	info, err := staged.Stat()
	if err != nil {
		return err
	}
	tmp, err := d.stage.create()
	if err != nil {
		return err
	}
	defer tmp.Close()
	if _, err := io.Copy(tmp, io.NewSectionReader(staged, 0, info.Size())); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	return d.move(tmp, name, false)
}

// Delete removes a file.
func (d *Dir) Delete(ctx context.Context, name string) error {
	if err := checkName("delete", name); err != nil {
		return err
	}
	err := d.root.Remove(filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.keepList(name)
}

// SetAside moves a bad file to where it is not served but can be looked at.
func (d *Dir) SetAside(ctx context.Context, name string) error {
	if err := checkName("set aside", name); err != nil {
		return err
	}
	target := path.Join(asideDir, name+"."+strconv.FormatInt(time.Now().UnixNano(), 36))
	if err := d.root.MkdirAll(filepath.FromSlash(path.Dir(target)), 0o777); err != nil {
		return err
	}
	if err := d.root.Rename(filepath.FromSlash(name), filepath.FromSlash(target)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.keepList(name)
}

// List yields the stored files below a folder.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		start := strings.TrimSuffix(prefix, "/")
		if start == "" {
			start = "."
		} else if err := checkName("list", start); err != nil {
			yield(Entry{}, err)
			return
		}
		stop := errors.New("stop")
		err := fs.WalkDir(d.root.FS(), start, func(name string, e fs.DirEntry, err error) error {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					return nil
				}
				return err
			}
			if name != "." && e.Name()[0] == '.' {
				if e.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if !e.Type().IsRegular() {
				return nil
			}
			info, err := e.Info()
			if err != nil {
				return nil // removed meanwhile
			}
			if !yield(Entry{Name: name, Size: info.Size(), Time: info.ModTime()}, nil) {
				return stop
			}
			return nil
		})
		if err != nil && err != stop {
			yield(Entry{}, err)
		}
	}
}

// Mend makes right what a crash, or whoever has put files here, may have left
// undone for a stored file: the list that names its version.
func (d *Dir) Mend(ctx context.Context, name string) error {
	if err := checkName("mend", name); err != nil {
		return err
	}
	if !d.completes(name) {
		return nil
	}
	return d.keepList(name)
}

// completes reports whether all three files of name's version are there.
func (d *Dir) completes(name string) bool {
	base := strings.TrimSuffix(name, path.Ext(name))
	for _, ext := range []string{".info", ".mod", ".zip"} {
		if _, err := d.root.Stat(filepath.FromSlash(base + ext)); err != nil {
			return false
		}
	}
	return true
}

// keepList rewrites the list file of the module that name belongs to, so that
// it names the versions that are whole. The go command reads it when this
// folder is its GOPROXY.
func (d *Dir) keepList(name string) error {
	dir, file := path.Split(name)
	if !strings.HasSuffix(dir, "/@v/") || !slices.Contains([]string{".info", ".mod", ".zip"}, path.Ext(file)) {
		return nil
	}
	d.listing.Lock()
	defer d.listing.Unlock()
	listName := filepath.FromSlash(dir + "list")
	// Another process may add a version between our look and our writing: look
	// again after it, so that whoever writes last has seen everything.
	for range 10 {
		versions, err := wholeVersions(context.Background(), d, dir)
		if err != nil {
			return err
		}
		want := strings.Join(append(versions, ""), "\n")
		have, err := d.root.ReadFile(listName)
		if err == nil && string(have) == want || err != nil && want == "" {
			return nil
		}
		if err := d.putList(listName, want); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) putList(name, content string) error {
	tmp, err := d.stage.create()
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(content)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = d.root.Rename(d.stage.rel(tmp), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// wholeVersions returns, in order, the versions of which the store holds
// .info, .mod and .zip. dir is the module's folder, ending in "/@v/".
func wholeVersions(ctx context.Context, store Store, dir string) ([]string, error) {
	parts := make(map[string]int)
	for e, err := range store.List(ctx, dir) {
		if err != nil {
			return nil, err
		}
		file := strings.TrimPrefix(e.Name, dir)
		switch ext := path.Ext(file); ext {
		case ".info", ".mod", ".zip":
			v, err := module.UnescapeVersion(strings.TrimSuffix(file, ext))
			if err == nil && module.CanonicalVersion(v) == v {
				parts[v]++
			}
		}
	}
	var versions []string
	for v, n := range parts {
		if n == 3 {
			versions = append(versions, v)
		}
	}
	semver.Sort(versions)
	return versions, nil
}

// A contextReader ends with the context's error.
type contextReader struct {
	ctx context.Context // of the Put that reads
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
