package godowntest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/godowntest"
)

// TestScripts builds every repository twice, and wants the same of both.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../vcs/testdata/repos/*.txt")
	if err != nil || len(files) < 50 {
		t.Fatalf("only %d scripts: %v", len(files), err)
	}
	names := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		if !strings.HasPrefix(line, "# ") || strings.Contains(line, ": github.com/") {
			t.Errorf("%s: the first line does not say what it is: %s", file, line)
		}
		s, err := godowntest.ReadScript(file)
		if err != nil {
			t.Fatal(err)
		}
		if other := names[s.Repo]; other != "" || s.Repo == "" || len(s.Modules) == 0 {
			t.Errorf("%s has the name %q, which %q has, too, and %d modules", file, s.Repo, other, len(s.Modules))
		}
		names[s.Repo] = file
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			h := godowntest.NewGitHost(t)
			first, second := h.Repo(t, "", file), h.Repo(t, "", file)
			for more := true; more; {
				if a, b := refs(t, first), refs(t, second); a != b {
					t.Errorf("at first it has\n%s\nand then\n%s", a, b)
				}
				more = first.Next(t)
				if second.Next(t) != more {
					t.Error("one goes on and the other does not")
				}
			}
			first.Git(t, "fsck", "--no-dangling", "--no-progress", "--connectivity-only")
		})
	}
}

// refs returns all that a repository's names stand for.
func refs(t *testing.T, r *godowntest.GitRepo) string {
	t.Helper()
	head, err := os.ReadFile(filepath.Join(r.Dir, "HEAD"))
	if err != nil {
		t.Fatal(err)
	}
	return r.Git(t, "for-each-ref") + "\n" + string(head)
}

const allCommands = `
# repo: git.example/all.git
# import: go.example/all git https://git.example/all
# modules: git.example/all.git {main} {v1.0.0:12} v0.0.0-{v1.0.0:time}-{v1.0.0:7}
# modules: git.example/all.git latest
# modules: git.example/all.git/sub latest
at 2024-02-29T23:30:00-01:00
write a.txt
write "b c.txt" a.txt
put "tab\there" "x\n"
put -x run.sh "#!/bin/sh\n"
symlink link a.txt
submodule mod 0123456789abcdef0123456789abcdef01234567
mkbig dir/big 100000 7
commit  First things: "all" of them
tag v1.0.0
tag v1.0.1 <message.txt
branch dev
rm dir
commit Remove
branch main
commits 3
merge dev Because
orphan pages
put index.html "<p>"
commit
branch main
repeat 2 put n "%d" ; commit %d ; tag v1.1.%d
git tag -a -m nested nested v1.0.1
branch late dev
later
tag end
git tag -d v1.0.0
later
put z "z"
commit Last
-- a.txt --
A
-- message.txt --
A message

Of two paragraphs
`

func TestScriptCommands(t *testing.T) {
	t.Parallel()
	h := godowntest.NewGitHost(t)
	r := h.RepoText(t, "", allCommands)
	for _, tt := range []struct{ args, want string }{
		// The hash stands for all that git hashes: names, dates, messages, contents.
		{"rev-parse v1.0.0", "1c722ba8141e95f4e7ffb00fab7ef3ca8ef27963"},
		{"log -1 --format=%an|%ae|%aI|%cn|%ce|%cI|%B v1.0.0", "Ann Author|ann@example.com|2024-02-29T23:30:00-01:00|Ann Author|ann@example.com|2024-02-29T23:30:00-01:00|First things: \"all\" of them"},
		{"log -1 --format=%cI dev", "2024-02-29T23:31:00-01:00"},
		{"ls-tree --name-only -r -z v1.0.0", "a.txt\x00b c.txt\x00dir/big\x00link\x00mod\x00run.sh\x00tab\there\x00"},
		{"ls-tree --format=%(objectmode) v1.0.0 a.txt link mod run.sh", "100644\n120000\n160000\n100755"},
		{"ls-tree --name-only dev", "a.txt\nb c.txt\nlink\nmod\nrun.sh\n\"tab\\there\""},
		{"cat-file -s v1.0.0:dir/big", "100000"},
		{"cat-file -p v1.0.0:link", "a.txt"},
		{"cat-file -p main:count.txt", "3"},
		{"cat-file -p main:n", "2"},
		{"cat-file -t v1.0.0", "commit"},
		{"cat-file -t v1.0.1", "tag"},
		{"for-each-ref --format=%(contents) refs/tags/v1.0.1", "A message\n\nOf two paragraphs"},
		{"for-each-ref --format=%(type)|%(*objecttype) refs/tags/nested", "tag|tag"},
		{"rev-list --count pages", "1"},
		{"rev-list --count main", "8"}, // one each for First, Remove, and the merge, 3, 2
		{"log -1 --format=%B main~2", "Merge dev\n\nBecause"},
		{"merge-base --is-ancestor dev main", ""},
		{"diff --name-only v1.0.0 main~2", "count.txt"},
		{"tag", "nested\nv1.0.0\nv1.0.1\nv1.1.1\nv1.1.2"},
		{"symbolic-ref HEAD", "refs/heads/main"},
	} {
		if got := r.Git(t, strings.Split(tt.args, " ")...); got != tt.want {
			t.Errorf("git %s: got %q, want %q", tt.args, got, tt.want)
		}
	}
	if r.Rev(t, "late") != r.Rev(t, "dev") {
		t.Error("branch late does not begin where dev is")
	}
	c, main := r.Rev(t, "v1.0.0"), r.Rev(t, "main")
	if len(r.Modules) != 2 || strings.Join(r.Modules[0].Queries, " ") != main+" "+c[:12]+" v0.0.0-20240301003000-"+c[:7]+" latest" {
		t.Errorf("modules are %v", r.Modules)
	}
	if !r.Next(t) || r.Git(t, "tag") != "end\nnested\nv1.0.1\nv1.1.1\nv1.1.2" {
		t.Errorf("then the tags are %q", r.Git(t, "tag"))
	}
	r.Run(t, "tag between\nbranch main\nput y \"y\"\ncommit Y") // Run does not go on
	if r.Rev(t, "end") != r.Rev(t, "dev") || r.Rev(t, "between") != r.Rev(t, "dev") || r.Rev(t, "main~1") != main {
		t.Errorf("Run leaves %s", r.Git(t, "for-each-ref"))
	}
	if !r.Next(t) || r.Next(t) || r.Rev(t, "main~2") != main {
		t.Errorf("Next leaves %s", r.Git(t, "for-each-ref"))
	}
}

func TestScriptErrors(t *testing.T) {
	t.Parallel()
	h := godowntest.NewGitHost(t)
	for script, want := range map[string]string{
		"fly away":                           `no command "fly"`,
		"write a.txt":                        `no file "a.txt"`,
		"write":                              "line 1: write: write wants 1 to 2 words",
		`put "x y`:                           "no Go string",
		"put x":                              "a path and a text",
		`put x "y"`:                          "in no commit",
		"commit a\n\n# x\ninit":              "line 4: init comes first",
		"at noon":                            "noon",
		"tag v1.0.0":                         "a commit to tag",
		"commit a\ntag v1 <m":                `no file "m"`,
		"branch b":                           `no branch "main" yet`,
		"commit a\nbranch b c":               `no branch "c" yet`,
		"commit a\norphan main":              `a branch "main" already`,
		"commit a\nmerge b":                  "merge wants a branch",
		"commits many":                       "many",
		"mkbig x y z":                        "PATH SIZE SEED",
		"repeat 2":                           "a number and a line",
		"repeat 2 later":                     "cannot be repeated",
		"commit a\ngit nosuch":               "git nosuch",
		"# import: a b\n":                    "PREFIX VCS URL",
		"# repo: a b\n":                      "one name",
		"# modules: a {nosuch}\ncommit a":    "nosuch",
		"# modules: a {main:99}\ncommit a":   "number of digits",
		"init --object-format=md5\ncommit a": "md5",
	} {
		s, err := godowntest.ParseScript(script)
		if err == nil {
			_, err = h.AddRepo(t.Context(), "git.example/broken", s)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", script, err, want)
		}
	}
	s, err := godowntest.ParseScript("commit a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.AddRepo(t.Context(), "", s); err == nil || !strings.Contains(err.Error(), "HOST/PATH") {
		t.Errorf("a repository without a name: %v", err)
	}
}
