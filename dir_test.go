package godown_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

func TestDirIsAStore(t *testing.T) {
	godowntest.TestStore(t, func(t *testing.T) godown.Store { return openDir(t, t.TempDir()) })
}

// The folder may be given in any form.
func TestDirFolderNames(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, folder := range []string{"plain", "./dotted", "trailing/", "a/b/../c", "deep/er/still", ".hidden"} {
		d := openDir(t, folder)
		f, err := d.Stage()
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString("x")
		if err := d.Put(t.Context(), "example.com/m/@v/v1.0.0.info", f); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
		f.Close()
		if _, err := os.Stat(filepath.Join(folder, "example.com/m/@v/v1.0.0.info")); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
		if _, err := os.Stat(f.Name()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the staged file was copied, not moved: %v", folder, err)
		}
	}
}

func TestOpenDirFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{file, filepath.Join(file, "below"), ""} {
		if d, err := godown.OpenDir(folder); err == nil {
			d.Close()
			t.Errorf("OpenDir(%q) succeeds", folder)
		}
	}
}

func putFile(t *testing.T, d *godown.Dir, name string) {
	t.Helper()
	if err := d.Put(t.Context(), name, strings.NewReader(name)); err != nil {
		t.Fatal(err)
	}
}

func putVersion(t *testing.T, d *godown.Dir, path, version string) {
	t.Helper()
	for _, ext := range []string{".info", ".mod", ".zip"} {
		putFile(t, d, path+"/@v/"+version+ext)
	}
}

func wantList(t *testing.T, d *godown.Dir, path, want string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(d.Path(), path, "@v", "list"))
	if err != nil && want != "" || string(data) != want {
		t.Errorf("list of %s is %q (error %v), want %q", path, data, err, want)
	}
}

// TestDirKeepsList checks the list file that the go command reads when the
// folder is its GOPROXY.
func TestDirKeepsList(t *testing.T) {
	const path = "example.com/m"
	ctx := t.Context()
	d := openDir(t, t.TempDir())
	putFile(t, d, path+"/@v/v1.10.0.info")
	putFile(t, d, path+"/@v/v1.10.0.zip")
	wantList(t, d, path, "") // not whole yet
	putFile(t, d, path+"/@v/v1.10.0.mod")
	wantList(t, d, path, "v1.10.0\n")
	putVersion(t, d, path, "v1.9.0")
	putVersion(t, d, path, "v1.9.0-!r!c.1")
	putVersion(t, d, path, "v2.0.0+incompatible")
	putFile(t, d, path+"/@v/v1.9.0.ziphash")
	putFile(t, d, path+"/@v/master.info")
	all := "v1.9.0-RC.1\nv1.9.0\nv1.10.0\nv2.0.0+incompatible\n"
	wantList(t, d, path, all)

	if err := d.Delete(ctx, path+"/@v/v1.9.0.ziphash"); err != nil {
		t.Error(err)
	}
	wantList(t, d, path, all)
	if err := d.Delete(ctx, path+"/@v/v2.0.0+incompatible.mod"); err != nil {
		t.Error(err)
	}
	if err := d.SetAside(ctx, path+"/@v/v1.9.0.zip"); err != nil {
		t.Error(err)
	}
	wantList(t, d, path, "v1.9.0-RC.1\nv1.10.0\n")
	putVersion(t, d, path, "v1.9.0")
	wantList(t, d, path, "v1.9.0-RC.1\nv1.9.0\nv1.10.0\n")

	// A module below another one has a list of its own.
	putVersion(t, d, path+"/sub", "v0.1.0")
	wantList(t, d, path+"/sub", "v0.1.0\n")
	wantList(t, d, path, "v1.9.0-RC.1\nv1.9.0\nv1.10.0\n")
	for _, v := range []string{"v1.9.0-!r!c.1", "v1.9.0", "v1.10.0"} {
		if err := d.Delete(ctx, path+"/@v/"+v+".zip"); err != nil {
			t.Error(err)
		}
	}
	wantList(t, d, path, "")
}

// TestDirListOfTwo has two stores on one folder, as two processes would, put
// versions of one module at once: in the end the list names all.
func TestDirListOfTwo(t *testing.T) {
	folder := t.TempDir()
	var want []string
	var wg sync.WaitGroup
	for i := range 2 {
		d := openDir(t, folder)
		for j := range 8 {
			v := fmt.Sprintf("v%d.%d.0", i, j)
			want = append(want, v)
			wg.Go(func() { putVersion(t, d, "example.com/m", v) })
		}
	}
	wg.Wait()
	wantList(t, openDir(t, folder), "example.com/m", strings.Join(append(want, ""), "\n"))
}

// stageFile makes a temporary file, and returns its name and that of the folder of such.
func stageFile(t *testing.T, d *godown.Dir) (f *os.File, folder string) {
	t.Helper()
	f, err := d.Stage()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, filepath.Dir(f.Name())
}

func there(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// TestDirLeftovers checks that the next start removes what a crash has left,
// and nothing that belongs to a process that lives.
func TestDirLeftovers(t *testing.T) {
	folder := t.TempDir()
	living := openDir(t, folder)
	f, livingStage := stageFile(t, living)

	// A process that was killed leaves the same, but nobody holds the lock.
	tmp := filepath.Dir(livingStage)
	lockName := ""
	entries, err := os.ReadDir(livingStage)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(f.Name()) {
			lockName = e.Name()
		}
	}
	if lockName == "" {
		t.Fatal("a living process's folder of temporary files holds no lock")
	}
	dead := filepath.Join(tmp, "dead")
	old, young := filepath.Join(tmp, "old"), filepath.Join(tmp, "young") // killed, or only now, before they had a lock
	for _, dir := range []string{dead, filepath.Join(dead, "sub"), old, young} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "half-a-zip"), []byte("half"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dead, lockName), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	ago := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, ago, ago); err != nil {
		t.Fatal(err)
	}

	putFile(t, openDir(t, folder), "example.com/m/@v/v1.0.0.info")
	if there(dead) || there(old) {
		t.Errorf("leftovers are still there: of a dead process %v, without a lock %v", there(dead), there(old))
	}
	if !there(young) {
		t.Error("a folder that is only now being made was removed")
	}
	if !there(f.Name()) {
		t.Fatal("a temporary file of a living process was removed")
	}
	f.WriteString("content")
	if err := living.Put(t.Context(), "example.com/m/@v/v1.0.0.mod", f); err != nil {
		t.Error(err)
	}
	if err := living.Close(); err != nil {
		t.Error(err)
	}
	if there(livingStage) {
		t.Error("Close leaves the temporary files")
	}
}

// TestDirStageRemoved has somebody remove the temporary files of a living process.
func TestDirStageRemoved(t *testing.T) {
	d := openDir(t, t.TempDir())
	for range 3 {
		_, stage := stageFile(t, d)
		if err := os.RemoveAll(filepath.Dir(stage)); err != nil {
			t.Fatal(err)
		}
		putFile(t, d, "example.com/m/@v/v1.0.0.info")
	}
}

// TestDirSymlinks checks that nothing outside of the folder is read or written,
// wherever a link in it leads.
func TestDirSymlinks(t *testing.T) {
	outside, folder := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "v1.0.0.info")
	if err := os.WriteFile(secret, []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, folder)
	putFile(t, d, "example.com/m/@v/v1.0.0.mod")
	for link, target := range map[string]string{
		"example.com/m/@v/v1.0.0.info": secret,
		"example.com/out":              outside,
		"example.com/up":               "../../" + filepath.Base(outside),
		"example.com/in":               "m",
	} {
		if err := os.Symlink(target, filepath.Join(folder, filepath.FromSlash(link))); err != nil {
			t.Skip(err)
		}
	}
	for _, name := range []string{"example.com/m/@v/v1.0.0.info", "example.com/out/v1.0.0.info", "example.com/up/v1.0.0.info"} {
		if f, err := d.Open(t.Context(), name); err == nil {
			data, _ := io.ReadAll(f.Reader())
			f.Close()
			t.Errorf("Open(%s) gives %q from outside", name, data)
		}
	}
	for _, name := range []string{"example.com/out/new", "example.com/up/new", "example.com/out/sub/new"} {
		if err := d.Put(t.Context(), name, strings.NewReader("new")); err == nil {
			t.Errorf("Put(%s) succeeds", name)
		}
	}
	for _, name := range []string{"example.com/out/v1.0.0.info", "example.com/up/v1.0.0.info"} {
		if err := d.Delete(t.Context(), name); err == nil {
			t.Errorf("Delete(%s) succeeds", name)
		}
		if err := d.SetAside(t.Context(), name); err == nil {
			t.Errorf("SetAside(%s) succeeds", name)
		}
	}
	// To replace or delete a link touches the link only.
	putFile(t, d, "example.com/m/@v/v1.0.0.info")
	for e, err := range d.List(t.Context(), "") {
		if err != nil || !strings.HasPrefix(e.Name, "example.com/m/") {
			t.Errorf("List has %v, error %v", e, err)
		}
	}
	if data, err := os.ReadFile(secret); string(data) != "secret" || err != nil {
		t.Errorf("what is outside is now %q, %v", data, err)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 1 {
		t.Errorf("outside there is now %v", entries)
	}
	// A link that stays inside is good.
	if f, err := d.Open(t.Context(), "example.com/in/@v/v1.0.0.mod"); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
}

// TestDirUnwritable has a regular file where temporary files would go.
func TestDirUnwritable(t *testing.T) {
	folder := t.TempDir()
	putFile(t, openDir(t, folder), "example.com/m/@v/v1.0.0.info")
	if err := os.RemoveAll(filepath.Join(folder, ".tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, ".tmp"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, folder)
	if err := d.Put(t.Context(), "example.com/m/@v/v1.0.0.mod", strings.NewReader("x")); err == nil {
		t.Error("Put succeeds")
	}
	if f, err := d.Stage(); err == nil {
		f.Close()
		t.Error("Stage succeeds")
	}
	f, err := d.Open(t.Context(), "example.com/m/@v/v1.0.0.info")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f.Reader()); string(data) != "example.com/m/@v/v1.0.0.info" || err != nil {
		t.Errorf("content is %q, error %v", data, err)
	}
}

func TestDirBadNames(t *testing.T) {
	d := openDir(t, t.TempDir())
	for _, name := range []string{`a\b`, "a\x00b", ".tmp/x", ".aside/x", "a/../b", "a/.tmp/b", "/a", "", "../x", "a\xff"} {
		if _, err := d.Open(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q): error is %v, want one that it is no name", name, err)
		}
		if err := d.Put(t.Context(), name, strings.NewReader("")); err == nil {
			t.Errorf("Put(%q) succeeds", name)
		}
		if err := d.Delete(t.Context(), name); err == nil {
			t.Errorf("Delete(%q) succeeds", name)
		}
		if err := d.SetAside(t.Context(), name); err == nil {
			t.Errorf("SetAside(%q) succeeds", name)
		}
	}
}

// What no file system could hold does not exist, and is no failure of the disk.
func TestDirOpenOfImpossibleNames(t *testing.T) {
	d := openDir(t, t.TempDir())
	putFile(t, d, "example.com/m/@v/v1.0.0.info")
	for _, name := range []string{
		"example.com/m/@v/" + strings.Repeat("x", 300) + ".info", strings.Repeat("long/", 2000) + "x",
		"example.com/m/@v/v1.0.0.info/below", "example.com/m", "example.com/m/@v",
	} {
		if _, err := d.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%.50q): error is %v, want an fs.ErrNotExist", name, err)
		}
	}
}

// TestDirSetAside checks that an operator finds what was set aside.
func TestDirSetAside(t *testing.T) {
	d := openDir(t, t.TempDir())
	const name = "example.com/m/@v/v1.0.0.zip"
	for range 3 {
		putFile(t, d, name)
		if err := d.SetAside(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.SetAside(t.Context(), name); err != nil {
		t.Errorf("of what is not there: %v", err)
	}
	var found []string
	err := filepath.WalkDir(d.Path(), func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(e.Name(), "v1.0.0.zip") {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) != 3 {
		t.Errorf("found %v, error %v, want 3 files", found, err)
	}
}

// A file with the permissions of the process's umask can be read by another server.
func TestDirPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permissions there")
	}
	reference := filepath.Join(t.TempDir(), "reference")
	if err := os.WriteFile(reference, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(reference)
	if err != nil {
		t.Fatal(err)
	}
	d := openDir(t, t.TempDir())
	putVersion(t, d, "example.com/m", "v1.0.0")
	names := slices.Collect(func(yield func(string) bool) {
		for e := range d.List(t.Context(), "") {
			if !yield(e.Name) {
				return
			}
		}
	})
	if len(names) != 4 {
		t.Errorf("stored are %q", names)
	}
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(d.Path(), name)); err != nil || info.Mode() != want.Mode() {
			t.Errorf("%s has mode %v, error %v, want %v", name, info.Mode(), err, want.Mode())
		}
	}
}

// BenchmarkOpenDir shows that starting does not walk the store.
func BenchmarkOpenDir(b *testing.B) {
	for _, modules := range []int{10, 10_000} {
		b.Run(fmt.Sprint(modules), func(b *testing.B) {
			folder := b.TempDir()
			for i := range modules {
				dir := filepath.Join(folder, "example.com", fmt.Sprint(i%100), fmt.Sprint(i), "@v")
				if err := os.MkdirAll(dir, 0o777); err != nil {
					b.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "v1.0.0.info"), nil, 0o666); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				d, err := godown.OpenDir(folder)
				if err != nil {
					b.Fatal(err)
				}
				d.Close()
			}
		})
	}
}
