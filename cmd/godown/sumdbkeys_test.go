package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown/internal/auth"
	"golang.org/x/mod/sumdb/note"
)

func TestSumDBKeyAdd(t *testing.T) {
	w := newSumDBWorld(t)
	real := filepath.Join(t.TempDir(), "real.key")
	w.do(0, "", "init", "--key", "file:"+real, "sum.corp.example")
	link := filepath.Join(t.TempDir(), "link.key")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	first := w.mustOpen().keys[0]
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	if out := w.do(0, "start 'godown serve' again", "key", "--add", "--sumdb-key", "file:"+link); !strings.Contains(out, "Key "+keyHash(first)+" signs.") {
		t.Error(out)
	}
	checkMode(t, real, 0o640)
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link is no link any more: %v, %v", info, err)
	}
	if !strings.HasPrefix(textOf(t, real), "# The private key") {
		t.Error("the remark is gone")
	}
	o := w.mustOpen()
	if len(o.keys) != 2 || o.keys[0] != first {
		t.Fatalf("got %v", o.keys)
	}
	_, stdout, stderr := call(t, w.m, "sumdb", "key", "--data", w.data)
	if runtime.GOOS != "windows" && !strings.Contains(stderr, "open to others than its owner (mode 0640)") || !strings.Contains(stdout, `GOSUMDB="`+o.keys[1]+`"`) {
		t.Errorf("stdout: %s\nstderr: %s", stdout, stderr)
	}
	// What both sign, a client with either key accepts.
	head, err := note.Sign(&note.Note{Text: "head\n"}, o.signers...)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range o.verifiers {
		if _, err := note.Open(head, note.VerifierList(v)); err != nil {
			t.Error(err)
		}
	}

	// Not into a file that is not its own, and not when another is about to.
	private, _ := newKey(t, "sum.corp.example")
	other := filepath.Join(t.TempDir(), "other.key")
	writeText(t, other, private)
	w.do(1, "it has no key of this database", "key", "--add", "--sumdb-key", "file:"+other)
	w.do(1, "say with --sumdb-key file:PATH where it is", "key", "--add", "--sumdb-key", "file:"+other+"x")
	writeText(t, real+".new", "")
	before := textOf(t, real)
	w.do(1, "another command is adding a key", "key", "--add")
	if textOf(t, real) != before {
		t.Error("the file was changed")
	}
}

// However many add keys at once, none is lost that was said to be added.
func TestSumDBKeyAddTogether(t *testing.T) {
	name := "sum.corp.example"
	file := filepath.Join(t.TempDir(), "k")
	first, err := makeKeyFile(file, name)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards added
	var added []string
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if keys, err := addToKeyFile(file, name, publicKeys(first)); err == nil {
				mu.Lock()
				defer mu.Unlock()
				added = append(added, keys[len(keys)-1].public)
			}
		})
	}
	wait.Wait()
	keys, err := parseSigningKeys(textOf(t, file), name)
	if err != nil || len(added) == 0 {
		t.Fatalf("%d added; %v", len(added), err)
	}
	for _, key := range added {
		if !slices.Contains(publicKeys(keys), key) {
			t.Errorf("%s was lost", key)
		}
	}
	if _, err := makeKeyFile(file, name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want that the file exists", err)
	}
}

func TestChangeAboutTogether(t *testing.T) {
	w := newSumDBWorld(t)
	w.do(0, "", "init", "sum.corp.example")
	want := w.mustOpen().keys
	var wait sync.WaitGroup
	for range 8 {
		_, public := newKey(t, "sum.corp.example")
		want = append(want, public)
		o := w.mustOpen()
		wait.Go(func() {
			if err := o.record(context.Background(), []string{public}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	about, _, err := readAbout(t.Context(), w.mustOpen().store, "sum.corp.example")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(about.Keys)
	if !slices.Equal(about.Keys, want) {
		t.Errorf("got %d keys, want %d", len(about.Keys), len(want))
	}
	if recordable(auth.Secret("text:x")) != "" || recordable("command:x") != "" {
		t.Error("what is no place of a secret can be recorded")
	}
}
