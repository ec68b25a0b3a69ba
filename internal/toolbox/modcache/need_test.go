package modcache

import (
	"io/fs"
	"maps"
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

func TestSurvey(t *testing.T) {
	none := func(string, string) ([]byte, error) { return nil, fs.ErrNotExist }
	for name, c := range map[string]struct {
		files map[string]string
		mods  map[string]string // .mod files in the cache
		want  string
	}{
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
				".git/go.mod": "module x\n\nrequire a.b/g v1.0.0\n", "pkg/mod/a.b/k@v1.0.0/go.mod": "module a.b/k\n\nrequire a.b/z v1.0.0\n",
				"skipped/x/go.mod": "module x\n\nrequire a.b/s v1.0.0\n",
			},
			want: "",
		},
		"a broken go.mod hides nothing else": {
			files: map[string]string{"go.mod": "module m\n", "testdata/go.mod": "<<<<", "testdata/go.sum": "a.b/c v1.0.0 h1:x=\n"},
			want:  "a.b/c@v1.0.0=yes",
		},
	} {
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
		Leftovers: []Leftover{{Kind: Temporary, Name: "t", Bytes: 3, Time: now.Add(-2 * day)}, {Kind: Temporary, Name: "u", Bytes: 3, Time: now}},
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
		"young too":                {Rule{Needs: needs, Young: 0}, "a.b/graph- a.b/new a.b/old a.b/older a.b/private a.b/future t u"},
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
