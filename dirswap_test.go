package godown_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

var _ godown.Swapper = (*godown.Dir)(nil)

func TestDirIsASwapper(t *testing.T) {
	godowntest.TestSwapper(t, func(t *testing.T) godown.Store { return openDir(t, t.TempDir()) })
}

// swapDirs are several Dirs on one folder, which know nothing of each other;
// the writes take turns.
type swapDirs struct {
	*godown.Dir
	turn chan *godown.Dir
}

func (s swapDirs) Swap(ctx context.Context, name string, old, data []byte) error {
	d := <-s.turn
	defer func() { s.turn <- d }()
	return d.Swap(ctx, name, old, data)
}

func TestDirsOfOneFolderAreASwapper(t *testing.T) {
	godowntest.TestSwapper(t, func(t *testing.T) godown.Store {
		folder := t.TempDir()
		s := swapDirs{openDir(t, folder), make(chan *godown.Dir, 4)}
		for range cap(s.turn) {
			s.turn <- openDir(t, folder)
		}
		return s
	})
}

const swapFile = "sum.example.com/commit"

// TestDirSwapProcesses has processes, each this test on the folder that the
// environment names, count in one file.
func TestDirSwapProcesses(t *testing.T) {
	const processes, steps, variable = 3, 40, "GODOWN_TEST_SWAP_FOLDER"
	if folder := os.Getenv(variable); folder != "" {
		d := openDir(t, folder)
		os.Stdout.WriteString("ready\n")
		io.ReadAll(os.Stdin) // until all are ready
		if err := godowntest.CountUp(t.Context(), d, swapFile, steps); err != nil {
			t.Error(err)
		}
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	d := openDir(t, folder)
	type process struct {
		*exec.Cmd
		start    io.Closer
		ready    io.Reader
		complain bytes.Buffer
	}
	var all []*process
	for range processes {
		p := &process{Cmd: exec.CommandContext(t.Context(), exe, "-test.run=^TestDirSwapProcesses$")}
		p.Env = append(p.Environ(), variable+"="+folder)
		p.Stderr = &p.complain
		if p.start, err = p.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if p.ready, err = p.StdoutPipe(); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	for _, p := range all {
		if _, err := io.ReadFull(p.ready, make([]byte, len("ready\n"))); err != nil {
			t.Error(err)
		}
	}
	for _, p := range all {
		p.start.Close()
	}
	if err := godowntest.CountUp(t.Context(), d, swapFile, steps); err != nil {
		t.Error(err)
	}
	for _, p := range all {
		rest, _ := io.ReadAll(p.ready)
		if err := p.Wait(); err != nil {
			t.Errorf("a process: %v\n%s%s", err, rest, &p.complain)
		}
	}
	wantFile(t, d, swapFile, strconv.Itoa((processes+1)*steps))
}

func wantFile(t *testing.T, d *godown.Dir, name, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(d.Path(), filepath.FromSlash(name)))
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q (error %v), want %q", name, got, err, want)
	}
}

// TestDirSwapLock checks that what Swap leaves behind is served to nobody, and
// that neither a Close nor an OpenDir takes it from others.
func TestDirSwapLock(t *testing.T) {
	ctx, folder := t.Context(), t.TempDir()
	d := openDir(t, folder)
	if err := d.Swap(ctx, swapFile, nil, []byte("1")); err != nil {
		t.Fatal(err)
	}
	var hidden []string
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name[0] == '.' && !e.IsDir() {
			hidden = append(hidden, name)
		}
	}
	if len(hidden) != 1 {
		t.Fatalf("Swap leaves the files %q, want one lock", hidden)
	}
	lock := filepath.Join(folder, hidden[0])
	before, err := os.Stat(lock)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := d.Open(ctx, hidden[0]); err == nil {
		f.Close()
		t.Error("the lock can be read")
	}
	if err := d.Delete(ctx, hidden[0]); err == nil {
		t.Error("the lock can be deleted")
	}
	for e, err := range d.List(ctx, "") {
		if err != nil || e.Name != swapFile {
			t.Errorf("List has %v, error %v", e, err)
		}
	}
	other := openDir(t, folder)
	if err := other.Swap(ctx, swapFile, []byte("1"), []byte("2")); err != nil {
		t.Error(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.Stat(lock); err != nil || !os.SameFile(before, after) {
		t.Errorf("the lock is another file now, error %v", err)
	}
}

// A pausingContext tells when a Swap has taken the lock and looks at the file,
// as nothing else does: it asks for the context's error, the second time.
type pausingContext struct {
	context.Context // of the Swap
	asked           *int
	locked          chan<- struct{}
	goOn            <-chan struct{}
}

func (c pausingContext) Err() error {
	if *c.asked++; *c.asked == 2 {
		close(c.locked)
		<-c.goOn
	}
	return c.Context.Err()
}

// TestDirSwapWaits checks that a Swap that waits for another, through this Dir
// or a second one, ends with its context and has then changed nothing, and that
// it goes on when the other has ended.
func TestDirSwapWaits(t *testing.T) {
	for _, second := range []bool{false, true} {
		folder := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			first := openDir(t, folder)
			waiting := first
			if second {
				waiting = openDir(t, folder)
			}
			locked, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 2)
			go func() {
				ctx := pausingContext{t.Context(), new(int), locked, goOn}
				done <- first.Swap(ctx, swapFile, nil, []byte("1"))
			}()
			<-locked

			ctx, cancel := context.WithCancel(t.Context())
			waits := make(chan error, 1)
			go func() { waits <- waiting.Swap(ctx, swapFile, nil, []byte("2")) }()
			synctest.Wait()
			select {
			case err := <-waits:
				t.Errorf("Swap does not wait for the other: %v", err)
			default:
			}
			cancel()
			if err := <-waits; !errors.Is(err, context.Canceled) {
				t.Errorf("Swap, cancelled while it waits: error is %v", err)
			}
			go func() { done <- waiting.Swap(t.Context(), swapFile, []byte("1"), []byte("3")) }()
			synctest.Wait()
			close(goOn)
			for range 2 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			wantFile(t, first, swapFile, "3")
		})
	}
}

// TestDirSwapFails has folders in which a lock or a temporary file cannot be made.
func TestDirSwapFails(t *testing.T) {
	for _, blocked := range []string{".swaplock", ".tmp"} {
		d := openDir(t, t.TempDir())
		putFile(t, d, "other")
		if err := os.RemoveAll(filepath.Join(d.Path(), blocked)); err != nil {
			t.Fatal(err)
		}
		var err error
		if blocked == ".tmp" { // a file where a folder is wanted, or the other way round
			err = os.WriteFile(filepath.Join(d.Path(), blocked), nil, 0o666)
		} else {
			err = os.Mkdir(filepath.Join(d.Path(), blocked), 0o777)
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first leaves nothing locked
			err := d.Swap(t.Context(), swapFile, nil, []byte("x"))
			if err == nil || errors.Is(err, godown.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("with %s blocked Swap gives error %v", blocked, err)
			}
		}
		if there(filepath.Join(d.Path(), filepath.FromSlash(swapFile))) {
			t.Errorf("with %s blocked the file was made", blocked)
		}
	}
	d := openDir(t, t.TempDir())
	for _, name := range []string{`a\b`, "a\x00b", "a\xff", strings.Repeat("x", 300)} {
		if err := d.Swap(t.Context(), name, nil, []byte("x")); err == nil || errors.Is(err, godown.ErrChanged) {
			t.Errorf("Swap(%.50q): error is %v", name, err)
		}
	}
}
