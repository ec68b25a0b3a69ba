package modcache

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// needed returns what is needed in words.
func needed(n *Needs) string {
	var list []string
	for v, need := range n.versions {
		list = append(list, v.Path+"@"+v.Version+"="+need.String())
	}
	list = append(list, slices.Collect(maps.Keys(n.toolchains))...)
	slices.Sort(list)
	return strings.Join(list, " ")
}

// A surveyCase is a tree of files, and what is needed by it.
type surveyCase struct {
	files map[string]string
	mods  map[string]string // .mod files in the cache
	want  string
}

func TestSurvey(t *testing.T) {
	testSurvey(t, map[string]surveyCase{
		"a go.sum says it": {
			files: map[string]string{
				"go.mod": "module m\n\ngo 1.21\n\nrequire a.b/c v1.0.0\n",
				"go.sum": "a.b/c v1.0.0 h1:x=\na.b/c v1.0.0/go.mod h1:y=\na.b/d v1.1.0/go.mod h1:z=\nrubbish\n",
			},
			want: "a.b/c@v1.0.0=yes a.b/d@v1.1.0=mod go1.21",
		},
		"what is replaced, and by what": {
			files: map[string]string{
				"go.mod": "module m\n\ngo 1.22.1\ntoolchain go1.23.4\n\nrequire a.b/c v1.0.0\nreplace a.b/c => a.b/fork v1.5.0\nreplace a.b/l => ./local\n",
				"go.sum": "a.b/fork v1.5.0 h1:x=\na.b/fork v1.5.0/go.mod h1:y=\n",
			},
			want: "a.b/c@v1.0.0=mod a.b/fork@v1.5.0=yes go1.22.1 go1.23.4",
		},
		"without a go.sum all that can be reached": {
			files: map[string]string{"go.mod": "module m\n\nrequire a.b/c v1.0.0\n"},
			mods:  map[string]string{"a.b/c@v1.0.0": "module a.b/c\nrequire a.b/d v1.0.0\n", "a.b/d@v1.0.0": "module a.b/d\nrequire a.b/c v1.0.0\n"},
			want:  "a.b/c@v1.0.0=yes a.b/d@v1.0.0=yes",
		},
		"a workspace, and a module of it elsewhere": {
			files: map[string]string{
				"go.work":           "go 1.24.2\ntoolchain go1.25.0\nuse ./app\nuse ../outside\nreplace a.b/r => a.b/s v1.0.0\n",
				"go.work.sum":       "a.b/w v1.0.0/go.mod h1:x=\n",
				"app/go.mod":        "module app\n",
				"../outside/go.mod": "module outside\n",
				"../outside/go.sum": "a.b/o v1.0.0 h1:x=\n",
			},
			want: "a.b/o@v1.0.0=yes a.b/s@v1.0.0=mod a.b/w@v1.0.0=mod go1.24.2 go1.25.0",
		},
		"a -modfile": {
			files: map[string]string{"go.mod": "module m\n", "tools.mod": "module m\n\ngo 1.20\n", "tools.sum": "a.b/t v1.0.0 h1:x=\n", "other.sum": "a.b/u v1.0.0 h1:x=\n"},
			want:  "a.b/t@v1.0.0=yes go1.20",
		},
		"not in vendor, node_modules, .git, other caches": {
			files: map[string]string{
				"go.mod": "module m\n", "vendor/x/go.mod": "module x\n\nrequire a.b/v v1.0.0\n", "node_modules/x/go.mod": "module x\n\nrequire a.b/n v1.0.0\n",
				".git/go.mod": "module x\n\nrequire a.b/g v1.0.0\n", "vendor/modules.txt": "", "pkg/mod/cache/download/sumdb/x": "", "pkg/mod/a.b/k@v1.0.0/go.mod": "module a.b/k\n\nrequire a.b/z v1.0.0\n",
				"skipped/x/go.mod": "module x\n\nrequire a.b/s v1.0.0\n",
			},
			want: "",
		},
		"a broken go.mod hides nothing else": {
			files: map[string]string{"go.mod": "module m\n", "testdata/go.mod": "<<<<", "testdata/go.sum": "a.b/c v1.0.0 h1:x=\n"},
			want:  "a.b/c@v1.0.0=yes",
		},
	})
}

func TestSurveyOfOddProjects(t *testing.T) {
	testSurvey(t, map[string]surveyCase{
		"what a go.sum says nothing of": {
			files: map[string]string{"go.mod": "module m\n\nrequire a.b/c v1.1.0\nrequire a.b/e v1.0.0\nreplace a.b/e => ./e\n", "go.sum": "a.b/c v1.0.0 h1:x=\n", "e/go.mod": "module e\n"},
			mods:  map[string]string{"a.b/c@v1.1.0": "module a.b/c\nrequire a.b/d v1.0.0\n"},
			want:  "a.b/c@v1.0.0=yes a.b/c@v1.1.0=yes a.b/d@v1.0.0=yes a.b/e@v1.0.0=mod",
		},
		"hashes of another kind": {
			files: map[string]string{"go.mod": "module m\n", "go.sum": "a.b/c v1.0.0 h2:x=\na.b/d v1.0.0/go.mod h2:x=\n"},
			want:  "a.b/c@v1.0.0=yes a.b/d@v1.0.0=mod",
		},
		"in the middle of a merge": {
			files: map[string]string{
				"go.mod":            "module m\n\ngo 1.22\n\n<<<<<<< HEAD\ntoolchain go1.23.4\nrequire a.b/c v1.1.0\n=======\nrequire (\n\t\"a.b/c\" v1.2.0 // indirect\n)\n>>>>>>> other\nreplace a.b/l => a.b/d v1.0.0\n",
				"w/go.work":         "<<<<<<< HEAD\ngo 1.24.2\nuse ../../outside\n=======\nuse (\n\t./app\n)\n>>>>>>> other\n",
				"w/app/x":           "",
				"x/go.mod":          "module x\nrequire a.b/n v1.0.0\nmarvel a.b/o v1.0.0\nreplace a.b/n => a.b/p v1.0.0\n",
				"x/go.sum":          "a.b/n v1.0.0/go.mod h1:x=\n",
				"../outside/go.mod": "module outside\nrequire a.b/q v1.0.0\n",
			},
			want: "a.b/c@v1.1.0=yes a.b/c@v1.2.0=yes a.b/d@v1.0.0=yes a.b/n@v1.0.0=mod a.b/o@v1.0.0=yes a.b/p@v1.0.0=yes a.b/q@v1.0.0=yes go1.22 go1.23.4 go1.24.2",
		},
		"folders with names of caches": {
			files: map[string]string{
				"go.mod": "module m\n", "vendor/acme/go.mod": "module x\nrequire a.b/c v1.0.0\n", "app@v2/go.mod": "module x\nrequire a.b/d v1.0.0\n",
				"site/go.mod": "module x\n", "site/cache/lock": "", "site/cache/download/x/go.mod": "module x\nrequire a.b/e v1.0.0\n",
			},
			want: "a.b/c@v1.0.0=yes a.b/d@v1.0.0=yes a.b/e@v1.0.0=yes",
		},
		"the project and the workspace above": {
			files: map[string]string{
				"go.mod": "module m\n", "../go.work": "go 1.24.2\nuse ./src\n", "../go.work.sum": "a.b/c v1.0.0 h1:x=\n",
				"../../go.work.sum": "a.b/far v1.0.0 h1:x=\n", "../../go.work": "go 1.24.9\n", "../go.mod": "module up\nrequire a.b/far v1.0.0\n",
			},
			want: "a.b/c@v1.0.0=yes a.b/far@v1.0.0=yes go1.24.2",
		},
		"another file for GOWORK": {
			files: map[string]string{"go.mod": "module m\n", "ci.work": "go 1.24.2\n", "ci.work.sum": "a.b/c v1.0.0 h1:x=\n", "net.work": "this is no such file\n"},
			want:  "a.b/c@v1.0.0=yes go1.24.2",
		},
		"a go.sum alone": {
			files: map[string]string{"go.mod": "module m\n", "x/go.sum": "a.b/c v1.0.0 h1:x=\n", "y/go.work.sum": "a.b/d v1.0.0 h1:x=\n"},
			want:  "a.b/c@v1.0.0=yes a.b/d@v1.0.0=yes",
		},
	})
}

func testSurvey(t *testing.T, cases map[string]surveyCase) {
	none := func(string, string) ([]byte, error) { return nil, fs.ErrNotExist }
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "src")
			for file, text := range c.files {
				put(t, filepath.Join(dir, filepath.FromSlash(file)), text)
			}
			s := &Survey{ReadMod: none, Skip: []string{filepath.Join(dir, "skipped")}}
			if c.mods != nil {
				s.ReadMod = func(path, version string) ([]byte, error) { return []byte(c.mods[path+"@"+version]), nil }
			}
			if err := s.Look(t.Context(), []string{dir}); err != nil {
				t.Fatal(err)
			}
			if got := needed(&s.Needs); got != c.want {
				t.Errorf("needed: %s\nwant:   %s", got, c.want)
			}
		})
	}
}

// A link to a project, or to a folder with projects, is as good as the folder; one
// to above, or from a project to elsewhere, does not lead through all of the disk.
func TestSurveyLinks(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "src")
	for name, text := range map[string]string{
		"src/m/go.mod":        "module m\n",
		"data/one/go.mod":     "module x\nrequire a.b/one v1.0.0\n",
		"data/p/q/go.mod":     "module x\nrequire a.b/two v1.0.0\n",
		"data/lib/go.mod":     "module x\nrequire a.b/three v1.0.0\n",
		"output/x/go.mod":     "module x\nrequire a.b/output v1.0.0\n",
		"elsewhere/tools.mod": "module x\nrequire a.b/mod v1.0.0\n",
		"elsewhere/my.work":   "go 1.24.2\nuse ./u\n",
		"elsewhere/u/go.mod":  "module u\nrequire a.b/used v1.0.0\n",
		"above/go.mod":        "module x\nrequire a.b/above v1.0.0\n",
	} {
		put(t, filepath.Join(top, filepath.FromSlash(name)), text)
	}
	for from, to := range map[string]string{
		"one": "../data/one", "m/lib": "../../data/lib", "group": "../data/p", "m/bazel-out": "../../output",
		"up": "..", "m/loop": "..", "m/up": "../..", "broken": "nowhere",
	} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(dir, "mods/x/go.mod"), "module x\nrequire a.b/skipped v1.0.0\n")
	if err := os.Symlink(filepath.Join(dir, "mods"), filepath.Join(top, "cache")); err != nil {
		t.Fatal(err)
	}
	s := &Survey{
		Skip:    []string{filepath.Join(top, "cache")},
		ReadMod: func(string, string) ([]byte, error) { return nil, fs.ErrNotExist },
		Files:   []string{filepath.Join(top, "elsewhere/tools.mod"), filepath.Join(top, "elsewhere/my.work"), filepath.Join(top, "gone.work")},
	}
	if err := s.Look(t.Context(), []string{dir}); err != nil {
		t.Fatal(err)
	}
	want := "a.b/mod@v1.0.0=yes a.b/one@v1.0.0=yes a.b/three@v1.0.0=yes a.b/two@v1.0.0=yes a.b/used@v1.0.0=yes go1.24.2"
	if got := needed(&s.Needs); got != want {
		t.Errorf("needed: %s\nwant:   %s", got, want)
	}
}

// A go.mod that is there but cannot be read stops all.
func TestSurveyStops(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a/go.mod"), "module a\n")
	for _, name := range []string{"go.mod", "go.sum", "go.work"} {
		loop := filepath.Join(dir, "b", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(loop), 0o777), os.Symlink(name, loop)); err != nil {
			t.Fatal(err)
		}
		err := (&Survey{}).Look(t.Context(), []string{dir})
		if _, ok := errors.AsType[*Refusal](err); !ok || !strings.Contains(err.Error(), loop) {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(loop); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPruneRule(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	version := func(name string, age time.Duration, zip int64) Version {
		return Version{Path: "a.b/" + name, Version: "v1.0.0", Zip: zip, Small: 1, zip: zip > 0, mod: true, Fetched: now.Add(-age)}
	}
	s := &Stock{
		Versions: []Version{
			version("graph", 100*day, 10), version("mod", 50*day, 0), version("new", time.Hour, 10), version("old", 90*day, 10),
			version("older", 200*day, 10), version("private", 100*day, 10), version("used", 300*day, 10), version("future", -day, 10),
		},
		Clones:    []Clone{{Name: "c", Bytes: 5, Fetched: now.Add(-40 * day)}},
		Leftovers: []Leftover{{Kind: Temporary, Name: "t", Bytes: 3, Time: now.Add(-2 * day)}, {Kind: Temporary, Name: "u", Bytes: 3, Time: now.Add(-time.Minute)}, {Kind: Empty, Name: "v", Time: now}},
	}
	needs := need("a.b/used@v1.0.0")
	needs.Add("a.b/graph", "v1.0.0", ModOnly)
	needs.Add("a.b/mod", "v1.0.0", ModOnly)
	private := func(v Version) lang.Text {
		if v.Path == "a.b/private" {
			return lang.Same("it is private")
		}
		return lang.Text{}
	}
	for name, c := range map[string]struct {
		rule Rule
		want string
	}{
		"what is not needed":       {Rule{Needs: needs, Young: day, Clones: 30 * day, KeepOnly: private}, "a.b/graph- a.b/old a.b/older cache/vcs/c t"},
		"and so old":               {Rule{Needs: needs, Young: day, Older: 99 * day, KeepOnly: private}, "a.b/graph- a.b/older t"},
		"by age alone":             {Rule{Older: 80 * day, Young: day, Clones: 30 * day}, "a.b/graph a.b/old a.b/older a.b/private a.b/used t"},
		"the oldest until it fits": {Rule{Needs: needs, MaxSize: 70, Young: day}, "a.b/graph- a.b/older t"},
		"it fits":                  {Rule{MaxSize: 1000, Young: day}, "t"},
		"young too":                {Rule{Needs: needs, Young: 0}, "a.b/graph- a.b/new a.b/old a.b/older a.b/private a.b/future t v"},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Now = now
			plan := s.Prune(c.rule)
			var got []string
			for _, r := range plan.Remove {
				text := strings.TrimSuffix(r.String(), "@v1.0.0")
				if r.KeepMod {
					text += "-"
				}
				got = append(got, text)
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("removes %s\nwant    %s", text, c.want)
			}
			if plan.Before-plan.After != Bytes(plan.Remove) {
				t.Errorf("of %d bytes %d stay, though %d are removed", plan.Before, plan.After, Bytes(plan.Remove))
			}
		})
	}
}

func TestWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 KB", 9949: "9.9 KB", 9960: "10 KB", 999_499: "999 KB", 999_600: "1.0 MB", 1_234_567_890: "1.2 GB", 5e15: "5000 TB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]lang.Text{
		-time.Hour:            {En: "under a minute", Zh: "不到 1 分钟"},
		time.Minute:           {En: "1 minute", Zh: "1 分钟"},
		47 * time.Hour:        {En: "47 hours", Zh: "47 小时"},
		48 * time.Hour:        {En: "2 days", Zh: "2 天"},
		95 * 24 * time.Hour:   {En: "3 months", Zh: "3 个月"},
		1000 * 24 * time.Hour: {En: "2 years", Zh: "2 年"},
	} {
		if got := Age(d); got != want {
			t.Errorf("Age(%v) = %q", d, got)
		}
	}
	for path, want := range map[string]string{"github.com/a/b/v2": "github.com/a", "golang.org/x/sys": "golang.org/x", "gopkg.in/yaml.v3": "gopkg.in", "rsc.io/quote/v3": "rsc.io", "golang.org/toolchain": "golang.org/toolchain"} {
		if got := Owner(path); got != want {
			t.Errorf("Owner(%s) = %s, want %s", path, got, want)
		}
	}
}
