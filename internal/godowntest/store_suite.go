package godowntest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/godown-dev/godown"
)

// TestStore checks the contract of a [godown.Store]. open returns an empty one.
func TestStore(t *testing.T, open func(t *testing.T) godown.Store) {
	for name, test := range map[string]func(*testing.T, storeTest){
		"Absent":      testStoreAbsent,
		"Put":         testStorePut,
		"FailingPut":  testStoreFailingPut,
		"List":        testStoreList,
		"HalfPut":     testStoreHalfPut,
		"OddNames":    testStoreOddNames,
		"BadNames":    testStoreBadNames,
		"Concurrent":  testStoreConcurrent,
		"OpenFile":    testStoreOpenFile,
		"Staged":      testStoreStaged,
		"SetAside":    testStoreSetAside,
		"Cancelled":   testStoreCancelled,
		"LargeFile":   testStoreLargeFile,
		"DeleteAgain": testStoreDelete,
	} {
		t.Run(name, func(t *testing.T) { test(t, storeTest{open(t)}) })
	}
}

// A storeTest is a Store with the usual steps of a test.
type storeTest struct{ godown.Store }

// A name as most are.
const someName = "example.com/hello/@v/v1.0.0.zip"

func (s storeTest) put(t *testing.T, name, content string) {
	t.Helper()
	if err := s.Put(t.Context(), name, strings.NewReader(content)); err != nil {
		t.Fatalf("Put(%q): %v", name, err)
	}
}

// read returns the content of a file, or an error.
func (s storeTest) read(ctx context.Context, name string) (string, error) {
	f, err := s.Open(ctx, name)
	if err != nil {
		return "", err
	}
	data, err := readFile(f)
	if err == nil && f.Size < 0 {
		err = errors.New("a stored file must know its Size")
	}
	return string(data), err
}

func (s storeTest) want(t *testing.T, name, content string) {
	t.Helper()
	if got, err := s.read(t.Context(), name); err != nil || got != content {
		t.Errorf("content of %q is %.100q (error %v), want %.100q", name, got, err, content)
	}
}

func (s storeTest) wantAbsent(t *testing.T, name string) {
	t.Helper()
	if got, err := s.read(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("content of %q is %.100q, error %v, want an fs.ErrNotExist", name, got, err)
	}
}

// wantNames checks which files a List yields.
func (s storeTest) wantNames(t *testing.T, prefix string, want ...string) {
	t.Helper()
	var got []string
	for e, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		got = append(got, e.Name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("List(%q) = %q, want %q", prefix, got, want)
	}
}

func testStoreAbsent(t *testing.T, s storeTest) {
	s.wantAbsent(t, someName)
	s.wantNames(t, "")
	s.wantNames(t, "example.com/")
	s.put(t, someName, "x")
	s.wantAbsent(t, "example.com/hello/@v/v1.0.0.mod")
	s.wantAbsent(t, "example.com/hello") // part of a name is no name
}

func testStorePut(t *testing.T, s storeTest) {
	begin := time.Now()
	for _, content := range []string{"first", "", "a longer one than the first"} {
		s.put(t, someName, content)
		s.want(t, someName, content)
	}
	f, err := s.Open(t.Context(), someName)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Clocks of file systems and servers may be a little off.
	if f.Time.Before(begin.Add(-3*time.Second)) || f.Time.After(time.Now().Add(3*time.Second)) {
		t.Errorf("Time is %v, want when it was put, %v", f.Time, begin)
	}
	for e, err := range s.List(t.Context(), "") {
		if err != nil || e.Name != someName || e.Size != f.Size || !e.Time.Equal(f.Time) {
			t.Errorf("List has %+v (error %v), want name %q, size %d, time %v", e, err, someName, f.Size, f.Time)
		}
	}
}

func testStoreFailingPut(t *testing.T, s storeTest) {
	broken := errors.New("the line broke")
	fail := func() {
		t.Helper()
		r := io.MultiReader(strings.NewReader("half of it"), iotest.ErrReader(broken))
		if err := s.Put(t.Context(), someName, r); !errors.Is(err, broken) {
			t.Errorf("Put from a failing reader: error is %v, want the reader's", err)
		}
	}
	fail()
	s.wantAbsent(t, someName)
	s.wantNames(t, "")
	s.put(t, someName, "old")
	fail()
	s.want(t, someName, "old")
	s.wantNames(t, "", someName)
}

func testStoreList(t *testing.T, s storeTest) {
	names := []string{
		"example.com/a/@v/list", "example.com/a/@v/v1.0.0.info", "example.com/a/b/@v/v1.0.0.info",
		"example.com/ab/@v/v1.0.0.info", "sumdb/sum.test/latest",
	}
	for _, name := range names {
		s.put(t, name, name)
	}
	s.wantNames(t, "", names...)
	s.wantNames(t, "example.com/", names[:4]...)
	s.wantNames(t, "example.com/a/", names[:3]...)
	s.wantNames(t, "example.com/a/@v/", names[:2]...)
	s.wantNames(t, "example.com/c/")
	s.wantNames(t, "example.org/")
	for range s.List(t.Context(), "") {
		break // must not panic
	}
}

// testStoreHalfPut checks that nobody sees a file before it is whole.
func testStoreHalfPut(t *testing.T, s storeTest) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- s.Put(t.Context(), someName, r) }()
	if _, err := io.WriteString(w, "the first half "); err != nil {
		t.Fatal(err)
	}
	s.wantAbsent(t, someName)
	s.wantNames(t, "")
	s.wantNames(t, "example.com/")
	if _, err := io.WriteString(w, "and the second"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.want(t, someName, "the first half and the second")
	s.wantNames(t, "", someName)
}

func testStoreOddNames(t *testing.T, s storeTest) {
	names := []string{
		"github.com/!burnt!sushi/toml/@v/v1.5.0.info",
		"github.com/burnt!sushi/toml/@v/v1.5.0.info",
		"example.com/old/@v/v2.0.0+incompatible.zip",
		"example.com/old/@v/v2.0.0-rc.1_x~y.zip",
		"example.com/hello/@latest",
		"sumdb/sum.test/tile/8/0/x001/234.p/5",
		"golang.org/toolchain/@v/v0.0.1-go1.26.0.linux-amd64.zip",
		"single",
		"example.com/" + strings.Repeat("long/", 60) + "@v/v0.0.0-" + strings.Repeat("x", 190) + ".info",
	}
	for _, name := range names {
		s.put(t, name, "content of "+name)
	}
	for _, name := range names {
		s.want(t, name, "content of "+name)
	}
	s.wantNames(t, "", names...)
}

func testStoreBadNames(t *testing.T, s storeTest) {
	for _, name := range []string{
		"", ".", "..", "../a", "a/..", "a/../b", "/abs", "a//b", "a/", "./a", "a/./b",
		".hidden/x", "a/.b", "a/.b/c", ".x",
	} {
		if err := s.Put(t.Context(), name, strings.NewReader("x")); err == nil {
			t.Errorf("Put(%q) is not refused", name)
		}
		if f, err := s.Open(t.Context(), name); err == nil {
			f.Close()
			t.Errorf("Open(%q) is not refused", name)
		}
	}
	s.wantNames(t, "")
}

func testStoreConcurrent(t *testing.T, s storeTest) {
	const size = 100_000
	whole := func(got string) error {
		if len(got) != size || strings.Count(got, got[:1]) != size {
			return fmt.Errorf("a mixed or partial file of %d bytes", len(got))
		}
		return nil
	}
	var wg sync.WaitGroup
	for i := range 8 {
		content := bytes.Repeat([]byte{byte('a' + i)}, size)
		wg.Go(func() {
			for range 4 {
				if err := s.Put(t.Context(), someName, iotest.HalfReader(bytes.NewReader(content))); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
		wg.Go(func() {
			for range 8 {
				got, err := s.read(t.Context(), someName)
				if err == nil {
					err = whole(got)
				}
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("Open: %v", err)
				}
			}
		})
	}
	wg.Wait()
	got, err := s.read(t.Context(), someName)
	if err == nil {
		err = whole(got)
	}
	if err != nil {
		t.Errorf("after all Puts: %v", err)
	}
	s.wantNames(t, "", someName)
}

// testStoreOpenFile checks that a file that is open stays what it was.
func testStoreOpenFile(t *testing.T, s storeTest) {
	if runtime.GOOS == "windows" {
		t.Skip("windows does not let an open file be replaced")
	}
	for name, change := range map[string]func() error{
		"replaced": func() error { return s.Put(t.Context(), someName, strings.NewReader("new")) },
		"deleted":  func() error { return s.Delete(t.Context(), someName) },
	} {
		old := strings.Repeat("old", 10_000)
		s.put(t, someName, old)
		f, err := s.Open(t.Context(), someName)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if got, err := readFile(f); err != nil || string(got) != old {
			t.Errorf("an open file that was %s: %d bytes, error %v, want the old %d", name, len(got), err, len(old))
		}
	}
}

// testStoreStaged checks that Put moves what the store itself has staged.
func testStoreStaged(t *testing.T, s storeTest) {
	stager, ok := s.Store.(interface{ Stage() (*os.File, error) })
	if !ok {
		t.Skip("stages no files")
	}
	f, err := stager.Stage()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("staged content"); err != nil {
		t.Fatal(err)
	}
	s.wantNames(t, "")
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), someName, f); err != nil {
		t.Fatal(err)
	}
	s.want(t, someName, "staged content")
	s.wantNames(t, "", someName)
	if _, err := os.Stat(f.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the staged file was not moved: its old name gives error %v", err)
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); err != nil {
		t.Errorf("Put closed the staged file: %v", err)
	}
}

func testStoreSetAside(t *testing.T, s storeTest) {
	asider, ok := s.Store.(interface {
		SetAside(ctx context.Context, name string) error
	})
	if !ok {
		t.Skip("sets nothing aside")
	}
	for _, content := range []string{"bad", "bad again"} {
		s.put(t, someName, content)
		if err := asider.SetAside(t.Context(), someName); err != nil {
			t.Fatal(err)
		}
		s.wantAbsent(t, someName)
		s.wantNames(t, "")
	}
	s.put(t, someName, "good")
	s.want(t, someName, "good")
}

// testStoreCancelled checks that with a cancelled context there is the old
// file and an error, or the new one and none.
func testStoreCancelled(t *testing.T, s storeTest) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.put(t, someName, "old")
	want := "new"
	if err := s.Put(ctx, someName, strings.NewReader(want)); err != nil {
		want = "old"
	}
	s.want(t, someName, want)
	if got, err := s.read(ctx, someName); errors.Is(err, fs.ErrNotExist) || err == nil && got != want {
		t.Errorf("Open, cancelled: %q, error %v, want %q or another error", got, err, want)
	}
	for e, err := range s.List(ctx, "") {
		if err == nil && e.Name != someName {
			t.Errorf("List, cancelled, has %q", e.Name)
		}
	}
	if err := s.Delete(ctx, someName); err != nil {
		s.want(t, someName, want)
	} else {
		s.wantAbsent(t, someName)
	}
}

// testStoreLargeFile checks a file of more than one buffer, read by parts where that is possible.
func testStoreLargeFile(t *testing.T, s storeTest) {
	content := strings.Repeat("0123456789abcde\n", 1<<16) // 1 MiB
	s.put(t, someName, content)
	s.want(t, someName, content)
	f, err := s.Open(t.Context(), someName)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at, ok := f.Reader().(io.ReaderAt)
	if !ok {
		return
	}
	part := make([]byte, 1000)
	if _, err := at.ReadAt(part, 500_000); err != nil || string(part) != content[500_000:501_000] {
		t.Errorf("ReadAt in the middle: %.50q, error %v", part, err)
	}
}

func testStoreDelete(t *testing.T, s storeTest) {
	const other = "example.com/hello/@v/v1.0.0.mod"
	s.put(t, someName, "x")
	s.put(t, other, "y")
	for range 2 {
		if err := s.Delete(t.Context(), someName); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	s.wantAbsent(t, someName)
	s.want(t, other, "y")
	s.wantNames(t, "", other)
	s.put(t, someName, "again")
	s.want(t, someName, "again")
}
