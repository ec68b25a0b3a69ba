package modcache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown"
)

// What was fetched or unpacked after the scan, as while a question waits for its answer, stays.
func TestRemoveNotWhatIsNewer(t *testing.T) {
	dir := seed(t, map[string]string{
		"cache/download/example.com/zip/@v/v1.0.0.zip":    "1",
		"example.com/zip@v1.0.0/go.mod":                   "1",
		"cache/download/example.com/folder/@v/v1.0.0.zip": "1",
		"example.com/folder@v1.0.0/go.mod":                "1",
		"example.com/late@v1.0.0/go.mod":                  "1",
	})
	c := open(t, dir)
	s := scanned(t, c)
	for i := range s.Versions {
		s.Versions[i].Fetched = s.Versions[i].Fetched.Add(time.Minute)
	}
	later := time.Now().Add(time.Hour)
	for _, name := range []string{"cache/download/example.com/zip/@v/v1.0.0.zip", "example.com/folder@v1.0.0", "example.com/late@v1.0.0"} {
		if err := os.Chtimes(filepath.Join(dir, filepath.FromSlash(name)), later, later); err != nil {
			t.Fatal(err)
		}
	}
	before := names(t, filepath.Join(dir, "example.com"))
	for _, r := range c.Remove(t.Context(), everything(s), ignore) {
		if r.Err != nil || !r.Back {
			t.Errorf("%s: %v, back %v", r, r.Err, r.Back)
		}
	}
	if after := names(t, filepath.Join(dir, "example.com")); !slices.Equal(before, after) || !c.has(&s.Versions[2], "zip") {
		t.Errorf("left: %q", after)
	}
}

// A folder whose downloads are gone has no folder for a lock; it goes all the same.
func TestRemoveAFolderAlone(t *testing.T) {
	dir := seed(t, map[string]string{"example.com/one@v1.0.0/go.mod": "1", "cache/download/sumdb/x": "1"})
	c := open(t, dir)
	results := c.Remove(t.Context(), everything(scanned(t, c)), ignore)
	if len(results) != 1 || results[0].Err != nil || results[0].Back {
		t.Errorf("%+v", results)
	}
	if s := scanned(t, c); len(s.Versions) != 0 {
		t.Errorf("%+v", s)
	}
}

// What is mounted into the cache is not emptied: neither in the place of a module nor
// deep in one, nor in what was moved aside.
func TestRemoveNotThroughMounts(t *testing.T) {
	files := map[string]string{
		"cache/download/example.com/one/@v/v1.0.0.zip":     "1",
		"example.com/one@v1.0.0/a b/precious":              "1",
		"cache/download/example.com/two/@v/v1.0.0.partial": "",
		"example.com/two@v1.0.0/precious":                  "1",
		"example.com/three@v1.0.0.tmp-1/x/precious":        "1",
		"cache/vcs/" + strings.Repeat("a", 64) + "/x":      "1",
		"example.com/four@v1.0.0/x":                        "1",
		"example.com/four@v1.0.00/x":                       "1",
	}
	dir := seed(t, files)
	if err := os.Rename(dir, dir+" of mine"); err != nil {
		t.Fatal(err)
	}
	dir += " of mine"
	c := open(t, dir)
	c.mountinfo = filepath.Join(t.TempDir(), "mountinfo")
	at := strings.ReplaceAll(resolved(dir), " ", "\\040")
	put(t, c.mountinfo, "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 8:1 /p "+at+" rw - ext4 x rw\n"+
		"24 23 8:1 /p "+at+"/example.com/one@v1.0.0/a\\040b rw - ext4 x rw\n25 23 8:1 /p "+at+"/example.com/two@v1.0.0 rw - ext4 x rw\n"+
		"26 23 8:1 /p "+at+"/example.com/three@v1.0.0.tmp-1/x rw - ext4 x rw\n27 23 8:1 /p "+at+"/cache/vcs/"+strings.Repeat("a", 64)+" rw - ext4 x rw\n"+
		"28 23 8:1 /p "+at+"/example.com/four@v1.0.00 rw - ext4 x rw\n")
	s := scanned(t, c)
	plan := s.Prune(Rule{Now: time.Now().Add(time.Hour), Clones: time.Minute})
	for _, r := range c.Remove(t.Context(), plan.Remove, ignore) {
		_, refused := errors.AsType[*Refusal](r.Err)
		if isFour := strings.Contains(r.String(), "four"); refused == isFour && !strings.HasSuffix(r.String(), "@v") {
			t.Errorf("%s: %v", r, r.Err)
		}
	}
	for name := range files {
		_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
		if gone := err != nil; gone != (strings.HasSuffix(name, ".zip") || strings.Contains(name, "four@v1.0.0/")) {
			t.Errorf("%s: gone %v", name, gone)
		}
	}
}

// Who gets a lock on a file that is no longer there has none.
func TestLockOfWhatIsGone(t *testing.T) {
	c := open(t, seed(t, map[string]string{"cache/download/x/y": ""}))
	unlock, err := c.tryLock("cache/lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.tryLock("cache/lock"); !errors.Is(err, errBusy) {
		t.Errorf("a second lock: %v", err)
	}
	unlock()
	f, err := os.OpenFile(filepath.Join(c.dir, "cache/lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !c.isStill("cache/lock", f) {
		t.Error("it is the same")
	}
	put(t, filepath.Join(c.dir, "cache/other"), "")
	if err := os.Rename(filepath.Join(c.dir, "cache/other"), filepath.Join(c.dir, "cache/lock")); err != nil || c.isStill("cache/lock", f) {
		t.Errorf("it is another: %v", err)
	}
	if err := os.Remove(filepath.Join(c.dir, "cache/lock")); err != nil || c.isStill("cache/lock", f) {
		t.Errorf("it is gone: %v", err)
	}
}

// Two removals of the same at once, with leftovers and lists, are as good as one.
func TestRemoveTwiceAtOnce(t *testing.T) {
	files := map[string]string{"cache/download/example.com/kept/@v/v1.0.0.mod": "1", "cache/download/example.com/kept/@v/list": "v0.1.0\nv1.0.0\n"}
	for i := range 20 {
		at := fmt.Sprintf("example.com/m%d", i)
		files["cache/download/"+at+"/@v/v1.0.0.zip"] = "1"
		files["cache/download/"+at+"/@v/v1.0.0.mod"] = "1"
		files["cache/download/"+at+"/@v/list"] = "v1.0.0\n"
		files[at+"@v1.0.0/a/b"] = "1"
		files["cache/download/example.com/gone"+at+"/@v/v1.0.0.lock"] = ""
	}
	files["cache/download/example.com/kept/@v/v0.1.0.mod"] = "1"
	dir := seed(t, files)
	needs := need("example.com/kept@v1.0.0")
	var working sync.WaitGroup
	for range 2 {
		c := open(t, dir)
		c.settle = func(context.Context, time.Time) {}
		c.patience = time.Hour
		s := scanned(t, c)
		working.Go(func() {
			plan := s.Prune(Rule{Needs: needs, Now: time.Now().Add(time.Hour)})
			for _, r := range c.Remove(context.Background(), plan.Remove, ignore) {
				if r.Err != nil || r.Back {
					t.Errorf("%s: %v, back %v", r, r.Err, r.Back)
				}
			}
		})
	}
	working.Wait()
	s := scanned(t, open(t, dir))
	if len(s.Versions) != 1 || s.Versions[0].String() != "example.com/kept@v1.0.0" {
		t.Errorf("left: %+v", s.Versions)
	}
	if list, err := os.ReadFile(filepath.Join(dir, "cache/download/example.com/kept/@v/list")); err != nil || string(list) != "v1.0.0\n" {
		t.Errorf("the list is %q, %v", list, err)
	}
}

// A lock file whose version came back stays, and so does a list that is in use again.
func TestLeftoverThatCameBack(t *testing.T) {
	dir := seed(t, map[string]string{
		"cache/download/example.com/one/@v/v1.0.0.lock": "", "cache/download/example.com/one/@v/v1.1.0.mod": "1",
		"cache/download/example.com/two/@v/list": "",
	})
	c := open(t, dir)
	plan := scanned(t, c).Prune(Rule{Needs: need("example.com/one@v1.1.0"), Now: time.Now().Add(time.Hour)})
	put(t, filepath.Join(dir, "cache/download/example.com/one/@v/v1.0.0.mod"), "1")
	put(t, filepath.Join(dir, "cache/download/example.com/two/@v/list"), "v1.0.0\n")
	before := names(t, dir)
	for _, r := range c.Remove(t.Context(), plan.Remove, ignore) {
		if r.Err != nil {
			t.Errorf("%s: %v", r, r.Err)
		}
	}
	if after := names(t, dir); len(plan.Remove) != 2 || !slices.Equal(before, after) {
		t.Errorf("%v; left: %q, want %q", plan.Remove, after, before)
	}
}

// Of a store goes what is named, and no .mod that is needed.
func TestStoreKeepsMod(t *testing.T) {
	data := t.TempDir()
	modules, err := godown.OpenDir(filepath.Join(data, "modules"))
	if err != nil {
		t.Fatal(err)
	}
	defer modules.Close()
	for _, m := range []string{"graph", "gone", "used"} {
		for _, ext := range []string{"info", "mod", "zip", "ziphash"} {
			put(t, filepath.Join(data, "modules/example.com", m, "@v/v1.0.0."+ext), "1")
		}
	}
	put(t, filepath.Join(data, "seen/x"), "1")
	s := &Store{Modules: modules, Data: data}
	needs := need("example.com/used@v1.0.0")
	needs.Add("example.com/graph", "v1.0.0", ModOnly)
	plan := scanned(t, s).Prune(Rule{Needs: needs, Now: time.Now().Add(time.Hour)})
	for _, r := range s.Remove(t.Context(), plan.Remove, ignore) {
		if r.Err != nil {
			t.Errorf("%s: %v", r, r.Err)
		}
	}
	got := strings.Join(names(t, filepath.Join(data, "modules/example.com")), " ")
	want := "graph/@v/v1.0.0.info graph/@v/v1.0.0.mod used/@v/v1.0.0.info used/@v/v1.0.0.mod used/@v/v1.0.0.zip used/@v/v1.0.0.ziphash"
	if got != want || len(names(t, filepath.Join(data, "seen"))) != 1 {
		t.Errorf("left: %s\nwant: %s", got, want)
	}
}
