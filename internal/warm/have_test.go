package warm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

func TestMissing(t *testing.T) {
	cache := t.TempDir()
	const prefix = "cache/download/example.com/!a/@v/"
	for _, name := range []string{
		prefix + "v1.0.0.info", prefix + "v1.0.0.mod", prefix + "v1.0.0.zip", prefix + "v1.0.0.ziphash",
		prefix + "v1.1.0.zip",
		prefix + "v1.2.0.ziphash", "example.com/!a@v1.2.0/a.go",
		prefix + "v1.3.0.ziphash", prefix + "v1.3.0.partial", "example.com/!a@v1.3.0/a.go",
		"example.com/!a@v1.4.0/a.go",
		prefix + "v1.5.0.ziphash",
		prefix + "v1.6.0.ziphash", "example.com/!a@v1.6.0",
		prefix + "list", prefix + "master.info", "cache/download/example.com/!a/@latest",
		"cache/download/example.com/a/@v/v2.0.0+incompatible.mod",
	} {
		writeFile(t, filepath.Join(cache, filepath.FromSlash(name)), "")
	}
	const a = "example.com/A"
	for _, test := range []struct {
		req  godown.Request
		want bool // whether it is missing
	}{
		{godown.Request{Kind: godown.Info, Path: a, Version: "v1.0.0"}, false},
		{godown.Request{Kind: godown.Mod, Path: a, Version: "v1.0.0"}, false},
		{godown.Request{Kind: godown.Zip, Path: a, Version: "v1.0.0"}, false},
		{godown.Request{Kind: godown.Mod, Path: a, Version: "v1.1.0"}, true},
		{godown.Request{Kind: godown.Zip, Path: a, Version: "v1.1.0"}, false}, // the hash is computed anew
		{godown.Request{Kind: godown.Zip, Path: a, Version: "v1.2.0"}, false}, // unpacked
		{godown.Request{Kind: godown.Zip, Path: a, Version: "v1.3.0"}, true},  // unpacked in part
		{godown.Request{Kind: godown.Zip, Path: a, Version: "v1.4.0"}, true},  // no hash
		{godown.Request{Kind: godown.Zip, Path: a, Version: "v1.5.0"}, true},  // only the hash
		{godown.Request{Kind: godown.Zip, Path: a, Version: "v1.6.0"}, true},  // no folder
		{godown.Request{Kind: godown.List, Path: a}, true},
		{godown.Request{Kind: godown.Latest, Path: a}, true},
		{godown.Request{Kind: godown.Info, Path: a, Version: "master"}, true},
		{godown.Request{Kind: godown.Mod, Path: "example.com/a", Version: "v2.0.0+incompatible"}, false},
		{godown.Request{Kind: godown.Mod, Path: "example.com/a", Version: "v2.0.1+incompatible"}, true},
		{godown.Request{Kind: godown.Mod, Path: "bad\\path", Version: "v1.0.0"}, true},
	} {
		if got := len(Missing(cache, []godown.Request{test.req})) == 1; got != test.want {
			t.Errorf("%v is missing: %t, want %t", test.req, got, test.want)
		}
		for _, cache := range []string{"", "relative", t.TempDir(), filepath.Join(cache, "nothing")} {
			if got := Missing(cache, []godown.Request{test.req}); len(got) != 1 {
				t.Errorf("GOMODCACHE %q: %v is there", cache, test.req)
			}
		}
	}
	if got := Missing(cache, nil); len(got) != 0 {
		t.Errorf("of nothing %v is missing", got)
	}
}

// TestMissingGoCommand compares with what the real go command asks for, once
// something has been taken out of its cache.
func TestMissingGoCommand(t *testing.T) {
	mods := godowntest.NewModules(t, `
-- example.com/Dep@v1.0.0/go.mod --
module example.com/Dep
-- example.com/Dep@v1.0.0/dep.go --
package dep
`)
	files := []godown.Request{
		{Kind: godown.Info, Path: "example.com/Dep", Version: "v1.0.0"},
		{Kind: godown.Mod, Path: "example.com/Dep", Version: "v1.0.0"},
		{Kind: godown.Zip, Path: "example.com/Dep", Version: "v1.0.0"},
	}
	const prefix = "cache/download/example.com/!dep/@v/v1.0.0"
	for _, test := range []struct{ lost, added []string }{
		{nil, nil},
		{[]string{prefix + ".info"}, nil},
		{[]string{prefix + ".mod"}, nil},
		{[]string{prefix + ".zip"}, nil},
		{[]string{prefix + ".ziphash"}, nil},
		{[]string{"example.com/!dep@v1.0.0"}, nil},
		{[]string{prefix + ".zip", prefix + ".ziphash"}, nil},
		{[]string{prefix + ".zip", "example.com/!dep@v1.0.0"}, nil},
		{[]string{prefix + ".zip"}, []string{prefix + ".partial"}},
		{nil, []string{prefix + ".partial"}},
	} {
		t.Run(fmt.Sprintf("lost %d %v added %v", len(test.lost), test.lost, test.added), func(t *testing.T) {
			t.Parallel()
			up := godowntest.NewUpstream(t, mods)
			dir, cache := t.TempDir(), t.TempDir()
			env := append(goEnv(t, up.URL), "GOMODCACHE="+cache)
			writeFile(t, filepath.Join(dir, "go.mod"), "module main\ngo 1.20\nrequire example.com/Dep v1.0.0\n")
			writeFile(t, filepath.Join(dir, "main.go"), "package main\nimport _ \"example.com/Dep\"\nfunc main() {}\n")
			runGo(t, dir, env, "mod", "download")
			for _, name := range test.lost {
				if err := os.RemoveAll(filepath.Join(cache, filepath.FromSlash(name))); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range test.added {
				writeFile(t, filepath.Join(cache, filepath.FromSlash(name)), "")
			}
			var want []string
			for _, f := range Missing(cache, files) {
				want = append(want, f.Name())
			}
			up.Reset()
			runGo(t, dir, env, "list", "-deps", "-json=Dir,Module", "./...") // asks for .info too, as mod download does
			got := up.Requests()
			slices.Sort(got)
			slices.Sort(want)
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Errorf("it asks for %q, and missing is %q", got, want)
			}
		})
	}
}
