package godown

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stageIn makes temporary files in a folder of the test.
func stageIn(t *testing.T) func() (*os.File, error) {
	dir := t.TempDir()
	return func() (*os.File, error) { return os.CreateTemp(dir, "spool") }
}

// random returns n bytes that are the same in every run.
func random(n int) []byte {
	data := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

// failingAfter makes temporary files that are closed after n bytes were asked
// of them, which is how a disk that fails looks to a spool.
func failingAfter(t *testing.T, s *spool, n int64) {
	t.Helper()
	s.mu.Lock()
	file := s.file
	s.mu.Unlock()
	if file == nil || s.written() < n {
		t.Fatal("the spool has no file yet")
	}
	// Writing fails, reading goes on: the file is open for reading only.
	ro, err := os.Open(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.file = ro
	s.mu.Unlock()
	file.Close()
}

func TestSpoolKeepsEverything(t *testing.T) {
	data := random(3 << 20)
	for name, test := range map[string]struct {
		size  int
		stage func() (*os.File, error)
		fail  int // the disk fails after so many bytes; 0: it does not
	}{
		"empty":                     {size: 0, stage: stageIn(t)},
		"in memory":                 {size: spoolMemory, stage: stageIn(t)},
		"in a file":                 {size: spoolMemory + 1, stage: stageIn(t)},
		"large":                     {size: len(data), stage: stageIn(t)},
		"no disk":                   {size: len(data), stage: func() (*os.File, error) { return nil, errors.New("read-only") }},
		"the disk fails half way":   {size: len(data), stage: stageIn(t), fail: 1 << 20},
		"the disk fails at the end": {size: len(data), stage: stageIn(t), fail: len(data) - 5000},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			budget := newBudget(maxOverflow)
			s := newSpool(int64(test.size), test.stage, budget)
			want := data[:test.size]
			for rest, failed := want, false; len(rest) > 0; {
				if test.fail > 0 && !failed && len(want)-len(rest) >= test.fail {
					failingAfter(t, s, int64(test.fail))
					failed = true
				}
				n := min(len(rest), 7777)
				if _, err := s.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			s.release()
			got := make([]byte, test.size)
			if n, err := s.ReadAt(got, 0); n != test.size || err != nil && err != io.EOF || !bytes.Equal(got, want) {
				t.Fatalf("ReadAt gave %d bytes, %v", n, err)
			}
			for _, at := range []int{0, 1, test.fail - 10, spoolMemory - 10, test.size - 20} {
				part := make([]byte, 20)
				if at < 0 || at+20 > test.size {
					continue
				}
				if _, err := s.ReadAt(part, int64(at)); err != nil || !bytes.Equal(part, want[at:at+20]) {
					t.Errorf("ReadAt %d: wrong bytes, %v", at, err)
				}
			}
			fl := newFlight(Request{Kind: Zip, Path: "example.com/m", Version: "v1.0.0"})
			s.retain()
			f, err := fl.follow(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			for _, to := range []io.Writer{&plainWriter{}, &readerFrom{}} {
				f.Body.(io.Seeker).Seek(0, io.SeekStart)
				if n, err := f.Body.(io.WriterTo).WriteTo(to); err != nil || n != int64(test.size) || !bytes.Equal(written(to), want) {
					t.Errorf("%T got %d bytes, %v", to, n, err)
				}
			}
			f.Close()
			s.drop()
			if left := budget.left.Load(); left != maxOverflow {
				t.Errorf("%d bytes of memory were not given back", maxOverflow-left)
			}
		})
	}
}

// A plainWriter is a writer and nothing more.
type plainWriter struct{ b []byte }

func (w *plainWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// A readerFrom can also be given a file, as a connection can.
type readerFrom struct{ b bytes.Buffer }

func (w *readerFrom) Write(p []byte) (int, error)               { return w.b.Write(p) }
func (w *readerFrom) ReadFrom(r io.Reader) (n int64, err error) { return w.b.ReadFrom(r) }

func written(w io.Writer) []byte {
	switch w := w.(type) {
	case *plainWriter:
		return w.b
	case *readerFrom:
		return w.b.Bytes()
	}
	return nil
}

func TestSpoolLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	s := newSpool(-1, func() (*os.File, error) { return os.CreateTemp(dir, "spool") }, newBudget(0))
	if _, err := s.Write(random(spoolMemory + 1)); err != nil {
		t.Fatal(err)
	}
	s.retain()
	s.drop()
	if files, _ := filepath.Glob(dir + "/*"); len(files) != 1 {
		t.Errorf("while in use there are %q", files)
	}
	s.drop()
	if files, _ := filepath.Glob(dir + "/*"); len(files) != 0 {
		t.Errorf("afterwards there are %q", files)
	}
}

func TestSpoolBoundsMemory(t *testing.T) {
	budget := newBudget(4 * overflowChunk)
	noDisk := func() (*os.File, error) { return nil, errors.New("full") }
	a := newSpool(-1, noDisk, budget)
	for _, n := range []int{spoolMemory, 4 * overflowChunk} {
		if _, err := a.Write(make([]byte, n)); err != nil {
			t.Fatalf("within its bound: %v", err)
		}
	}
	b := newSpool(-1, noDisk, budget)
	if _, err := b.Write(make([]byte, spoolMemory+1)); err == nil {
		t.Error("more than the bound was taken")
	}
	a.drop()
	if _, err := newSpool(-1, noDisk, budget).Write(make([]byte, spoolMemory+1)); err != nil {
		t.Errorf("after memory was given back: %v", err)
	}
}

func TestSpoolWaits(t *testing.T) {
	s := newSpool(100<<10, stageIn(t), newBudget(0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.wait(ctx, 0); err != context.Canceled {
		t.Errorf("wait ended with %v", err)
	}
	s.Write(make([]byte, 100<<10))
	if n, err := s.wait(t.Context(), 0); n != 100<<10-heldTail || err != nil {
		t.Errorf("before the release %d bytes are readable, %v", n, err)
	}
	why := errors.New("lie")
	s.fail(why)
	if _, err := s.wait(t.Context(), 0); err != why {
		t.Errorf("a failed spool still gives bytes: %v", err)
	}
}

func TestSpoolTakesPieces(t *testing.T) {
	data := random(1 << 20)
	s := newSpool(int64(len(data)), stageIn(t), newBudget(0))
	defer s.drop()
	if !s.scattered() {
		t.Fatal("it takes no pieces")
	}
	put := func(from, to int) {
		t.Helper()
		if n, err := s.WriteAt(data[from:to], int64(from)); n != to-from || err != nil {
			t.Fatalf("WriteAt gave %d, %v", n, err)
		}
	}
	for _, step := range []struct{ from, to, whole int }{
		{300_000, 400_000, 0},
		{500_000, 600_000, 0},
		{0, 100_000, 100_000},
		{400_000, 450_000, 100_000},
		{100_000, 300_000, 450_000},
		{450_000, 500_000, 600_000},
		{1_000_000, 1 << 20, 600_000},
		{600_000, 1_000_000, 1 << 20},
	} {
		put(step.from, step.to)
		if got := s.written(); got != int64(step.whole) {
			t.Fatalf("after [%d,%d) it has %d bytes without a gap, want %d", step.from, step.to, got, step.whole)
		}
	}
	if len(s.gaps) > 0 {
		t.Errorf("it remembers %v", s.gaps)
	}
	got := make([]byte, len(data))
	if _, err := s.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("other bytes, %v", err)
	}
	for _, off := range []int64{-1, 1 << 20, 1<<20 - 1} {
		if _, err := s.WriteAt([]byte("ab"), off); err == nil {
			t.Errorf("it takes a piece at %d", off)
		}
	}
	failingAfter(t, s, 0)
	if _, err := s.WriteAt(data[:10], 0); err == nil || s.diskErr == nil {
		t.Error("a disk that fails is no error")
	}
}
