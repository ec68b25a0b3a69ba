package modcache

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// seed makes a cache by hand.
func seed(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "mod")
	put(t, filepath.Join(dir, "cache/lock"), "")
	for name, text := range files {
		put(t, filepath.Join(dir, filepath.FromSlash(name)), text)
	}
	return dir
}

func TestScanOddNames(t *testing.T) {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte("git3:https://user:secret@git.example/one")))
	dir := seed(t, map[string]string{
		"cache/download/github.com/!big/one/@v/v1.0.0.zip":        "12345",
		"cache/download/github.com/!big/one/@v/v1.0.0.info":       "1",
		"cache/download/github.com/!big/one/@v/v1.0.0.mod":        "22",
		"cache/download/github.com/!big/one/@v/v1.0.0.lock":       "",
		"cache/download/github.com/!big/one/@v/list":              "v1.0.0\n",
		"cache/download/github.com/!big/one/@v/v1.0.0.zip123.tmp": "333",
		"cache/download/github.com/!big/one/@v/v2.0.0.exe":        "?",
		"cache/download/github.com/!big/one/@v/latest.info":       "?",
		"cache/download/github.com/!big/one/@v/v1.1.0.partial":    "",
		"cache/download/github.com/!big/one/@v/v1.1.0.zip":        "1",
		"cache/download/github.com/!big/one/@v/v1.2.0.lock":       "",
		"cache/download/github.com/Bad/name/@v/v1.0.0.mod":        "?",
		"cache/download/readme":                                   "?",
		"cache/download/sumdb/sum.test/lookup/x":                  "4444",
		"cache/download/example.com/gone/@v/v1.0.0.lock":          "",
		"cache/download/example.com/gone/@v/list":                 "",
		"cache/strange/x":                                                        "?",
		"cache/vcs/" + hash + "/HEAD":                                            "55555",
		"cache/vcs/" + hash + ".info":                                            "git3:https://user:secret@git.example/one?token=secret",
		"cache/vcs/" + hash + ".lock":                                            "",
		"cache/vcs/other":                                                        "?",
		"github.com/!big/one@v1.0.0/go.mod":                                      "666666",
		"github.com/!big/one@v1.1.0/go.mod":                                      "7",
		"github.com/!big/one@v1.3.0.tmp-12345/go.mod":                            "8",
		"github.com/!big/one@main/go.mod":                                        "?",
		"github.com/notes.txt":                                                   "?",
		"golang.org/toolchain@v0.0.1-go1.99.1.linux-amd64/bin/go":                "go",
		"cache/download/golang.org/toolchain/@v/v0.0.1-go1.99.1.linux-amd64.zip": "gogo",
	})
	for _, name := range []string{"lost+found", ".snapshot/hourly", "cache/download/lost+found"} { // empty, and not ours
		if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "example.com")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "cache/download/example.org")); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	s := scanned(t, c)
	var got []string
	for _, v := range s.Versions {
		got = append(got, fmt.Sprintf("%s %d+%d+%d %s", v, v.Extracted, v.Zip, v.Small, v.Toolchain()))
	}
	for _, l := range s.Leftovers {
		got = append(got, fmt.Sprintf("%s %s %d", l.Kind, l.Name, l.Bytes))
	}
	for _, f := range s.Folders {
		got = append(got, fmt.Sprintf("%s %d", f.Kind, f.Bytes))
	}
	for _, v := range s.Clones {
		got = append(got, fmt.Sprintf("clone %s %d", v.Remote, v.Bytes))
	}
	want := []string{
		"github.com/Big/one@v1.0.0 6+5+3 ",
		"github.com/Big/one@v1.1.0 0+1+0 ",
		"golang.org/toolchain@v0.0.1-go1.99.1.linux-amd64 2+4+0 go1.99.1",
		"empty cache/download/example.com/gone/@v 0",
		"temporary cache/download/github.com/!big/one/@v/v1.0.0.zip123.tmp 3",
		"partial cache/download/github.com/!big/one/@v/v1.1.0.partial 1",
		"lock cache/download/github.com/!big/one/@v/v1.2.0.lock 0",
		"removing github.com/!big/one@v1.3.0.tmp-12345 1",
		"sumdb 4", "lists 7",
		"clone git https://git.example/one 5",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	unknown := []string{
		".snapshot", "cache/download/example.org", "cache/download/github.com/!big/one/@v/latest.info", "cache/download/github.com/!big/one/@v/v2.0.0.exe",
		"cache/download/github.com/Bad/name/@v", "cache/download/lost+found", "cache/download/readme", "cache/strange", "cache/vcs/other",
		"example.com", "github.com/!big/one@main", "github.com/notes.txt", "lost+found",
	}
	if !slices.Equal(s.Unknown, unknown) {
		t.Errorf("unknown: %q", s.Unknown)
	}

	// All that is known can be removed; what is unknown stays.
	plan := s.Prune(Rule{Now: time.Now().Add(time.Hour), Clones: time.Minute})
	if len(plan.Remove) != 3+1+5 {
		t.Errorf("%v", plan.Remove)
	}
	for _, r := range c.Remove(t.Context(), plan.Remove, ignore) {
		if r.Err != nil || r.Back {
			t.Errorf("%s: %v", r, r.Err)
		}
	}
	s = scanned(t, c)
	if len(s.Versions)+len(s.Clones) != 0 || !slices.Equal(s.Unknown, unknown) {
		t.Errorf("left: %v %v %q", s.Versions, s.Clones, s.Unknown)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "cache/download/sumdb/sum.test/lookup/x")); err != nil || string(data) != "4444" {
		t.Error("the records of the checksum database are gone")
	}
}

func TestRemoveReportsAndGoesOn(t *testing.T) {
	dir := seed(t, map[string]string{
		"cache/download/example.com/one/@v/v1.0.0.zip":    "1",
		"cache/download/example.com/one/@v/v1.0.0.lock/x": "a folder in the place of the lock",
		"cache/download/example.com/two/@v/v1.0.0.zip":    "1",
	})
	c := open(t, dir)
	results := c.Remove(t.Context(), everything(scanned(t, c)), ignore)
	if len(results) != 2 || results[0].Err == nil || results[1].Err != nil {
		t.Fatalf("%+v", results)
	}
	if _, err := os.Stat(filepath.Join(dir, "cache/download/example.com/one/@v/v1.0.0.zip")); err != nil {
		t.Error("it was removed without the lock")
	}
}

// A folder that became a link out of the cache after the scan is not followed.
func TestRemoveNotThroughLinks(t *testing.T) {
	dir := seed(t, map[string]string{
		"cache/download/example.com/one/@v/v1.0.0.zip": "1",
		"example.com/one@v1.0.0/go.mod":                "1",
	})
	outside := t.TempDir()
	put(t, filepath.Join(outside, "one@v1.0.0/go.mod"), "precious")
	c := open(t, dir)
	s := scanned(t, c)
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "example.com")), os.Symlink(outside, filepath.Join(dir, "example.com"))); err != nil {
		t.Fatal(err)
	}
	if results := c.Remove(t.Context(), everything(s), ignore); len(results) != 1 || results[0].Err == nil {
		t.Errorf("%+v", results)
	}
	if _, err := os.Stat(filepath.Join(outside, "one@v1.0.0/go.mod")); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	home := filepath.Join(t.TempDir(), "users", "me")
	put(t, filepath.Join(home, "cache/download/x"), "")
	put(t, filepath.Join(home, "notes/a.txt"), "")
	put(t, filepath.Join(home, "site/cache/download/x"), "")
	put(t, filepath.Join(home, "site/main.go"), "")
	put(t, filepath.Join(home, "repo/cache/download/x"), "")
	put(t, filepath.Join(home, "repo/.git/HEAD"), "")
	put(t, filepath.Join(home, "linked/cache/real/x"), "")
	if err := os.Symlink("real", filepath.Join(home, "linked/cache/download")); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		"":                                 "there is no module cache",
		"relative":                         "no absolute path",
		home:                               "is a home folder",
		filepath.Dir(home):                 "is a home folder or above",
		string(filepath.Separator):         "home folder or above",
		filepath.Join(home, "notes"):       "does not look like a module cache",
		filepath.Join(home, "site"):        "looks like a project, not like a module cache: it has main.go",
		filepath.Join(home, "repo"):        "looks like a project",
		filepath.Join(home, "linked"):      "does not look like a module cache",
		filepath.Join(home, "notes/a.txt"): "no folder",
	} {
		c, err := OpenGo(dir, home)
		var refusal *Refusal
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), want) || refusal.Text.Zh == "" {
			t.Errorf("%q: %v, %v; want %q", dir, c, err, want)
		}
	}
	if _, err := OpenGo(string(filepath.Separator), ""); err == nil {
		t.Error("the root of the file system is taken")
	}
	for _, dir := range []string{filepath.Join(home, "none"), t.TempDir()} {
		c, err := OpenGo(dir, home)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		if s := scanned(t, c); s.Bytes() != 0 || c.Remove(t.Context(), nil, ignore) != nil {
			t.Errorf("%s: %+v", dir, s)
		}
	}
}
