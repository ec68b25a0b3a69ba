package godowntest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
)

// TestSource checks the contract of a [godown.Source] that gives exactly mods.
// Of a list the order may differ; all other content has the same bytes.
func TestSource(t *testing.T, src godown.Source, mods *Modules) {
	t.Run("CancelledFirst", func(t *testing.T) { testSourceCancelled(t, src, mods) })
	t.Run("Files", func(t *testing.T) {
		for _, req := range mods.Requests() {
			if err := checkFetch(t.Context(), src, mods, req); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("Absent", func(t *testing.T) { testSourceAbsent(t, src, mods) })
	t.Run("Cancelled", func(t *testing.T) { testSourceCancelled(t, src, mods) })
	t.Run("Concurrent", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for _, req := range mods.Requests() {
					if err := checkFetch(t.Context(), src, mods, req); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})
}

// checkFetch says what is wrong with the answer of src to a request that mods can answer.
func checkFetch(ctx context.Context, src godown.Source, mods *Modules, req godown.Request) error {
	want, err := mods.Fetch(ctx, req)
	if err != nil {
		return err
	}
	f, err := src.Fetch(ctx, req)
	if err != nil {
		return fmt.Errorf("%v: %w", req, err)
	}
	got, err := readFile(f)
	if err != nil {
		return fmt.Errorf("%v: %w", req, err)
	}
	if f.ETag != "" && (len(f.ETag) < 2 || f.ETag[0] != '"' || !strings.HasSuffix(f.ETag, `"`)) {
		return fmt.Errorf("%v: %s is not a strong entity tag with its quotes", req, f.ETag)
	}
	if !sameContent(req.Kind, got, want.Data) {
		return fmt.Errorf("%v: content is %.200q, want %.200q", req, got, want.Data)
	}
	return nil
}

// sameContent compares two answers; lists as sets of lines.
func sameContent(kind godown.Kind, a, b []byte) bool {
	if kind != godown.List {
		return bytes.Equal(a, b)
	}
	lines := func(data []byte) []string { return slices.Sorted(strings.FieldsSeq(string(data))) }
	return slices.Equal(lines(a), lines(b))
}

// readFile returns the content of f and closes it. The content must be as long
// as f says, and only one of Data and Body be set.
func readFile(f *godown.File) (data []byte, err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.Data != nil && f.Body != nil {
		return nil, errors.New("both Data and Body are set")
	}
	data, err = io.ReadAll(f.Reader())
	if err == nil && f.Size != -1 && f.Size != int64(len(data)) {
		err = fmt.Errorf("Size is %d, but there are %d bytes", f.Size, len(data))
	}
	return data, err
}

func testSourceAbsent(t *testing.T, src godown.Source, mods *Modules) {
	absent := []godown.Request{
		{Kind: godown.List, Path: "example.com/Nothing/here"},
		{Kind: godown.Latest, Path: "example.com/Nothing/here"},
		{Kind: godown.Info, Path: "example.com/Nothing/here", Version: "master"},
		{Kind: godown.Info, Path: "example.com/Nothing/here", Version: "v1.0.0"},
		{Kind: godown.Mod, Path: "example.com/Nothing/here", Version: "v1.0.0"},
		{Kind: godown.Zip, Path: "example.com/Nothing/here", Version: "v1.0.0"},
	}
	if all := mods.Versions(); len(all) > 0 {
		v := "v" + strings.TrimPrefix(strings.SplitN(all[0].Version, ".", 2)[0], "v") + ".999.999-absent"
		for _, kind := range []godown.Kind{godown.Info, godown.Mod, godown.Zip} {
			absent = append(absent, godown.Request{Kind: kind, Path: all[0].Path, Version: v})
		}
	}
	for _, req := range absent {
		f, err := src.Fetch(t.Context(), req)
		if err == nil {
			f.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: error is %v, want an fs.ErrNotExist", req, err)
		}
	}
}

// testSourceCancelled checks that nobody takes a cancelled fetch for "does not exist".
func testSourceCancelled(t *testing.T, src godown.Source, mods *Modules) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, req := range mods.Requests() {
		f, err := src.Fetch(ctx, req)
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v, cancelled: %v, which says that it does not exist", req, err)
		}
		if err != nil {
			continue
		}
		want := mods.Data(req.Name())
		if got, err := readFile(f); err == nil && !sameContent(req.Kind, got, want) {
			t.Errorf("%v, cancelled: content is %.200q, want %.200q or an error", req, got, want)
		}
	}
}
