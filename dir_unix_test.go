//go:build unix

package godown_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godown-dev/godown"
)

// TestDirOpenPipe: what is no regular file is not there; a named pipe must not hold up who opens it.
func TestDirOpenPipe(t *testing.T) {
	folder := t.TempDir()
	pipe := filepath.Join(folder, "example.com", "a", "@v", "v1.0.0.mod")
	if err := errors.Join(os.MkdirAll(filepath.Dir(pipe), 0o777), syscall.Mkfifo(pipe, 0o666)); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, folder)
	done := make(chan error, 1)
	go func() {
		_, err := d.Open(t.Context(), "example.com/a/@v/v1.0.0.mod")
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error is %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it hangs")
		if w, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
			w.Close()
			<-done
		}
	}
}

// TestListAllLinks: a link is listed as what Open gives for it, and one to a folder is no secret.
func TestListAllLinks(t *testing.T) {
	dir := openDir(t, t.TempDir())
	if err := dir.Put(t.Context(), "a.test/x/@v/v1.0.0.mod", strings.NewReader("module x\n")); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"a.test/x/@v/v1.1.0.mod": "v1.0.0.mod", "a.test/x/@v/v1.2.0.mod": "nowhere",
		"a.test/x/@v/v1.3.0.mod": "../../../../out.mod", "b.test": "a.test", ".hidden": "a.test",
	} {
		if err := os.Symlink(target, dir.Path()+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for e, err := range godown.ListAll(t.Context(), dir) {
		got = append(got, fmt.Sprint(e.Name, " ", e.Size, " ", err != nil))
	}
	want := "a.test/x/@v/v1.0.0.mod 9 false,a.test/x/@v/v1.1.0.mod 9 false,a.test/x/@v/v1.3.0.mod 0 false, 0 true"
	if strings.Join(got, ",") != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
