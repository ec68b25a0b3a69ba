package ci_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/ci"
)

// twice merges a snippet's first file, a second time, and with other options,
// which must give what these give at once.
func twice(t *testing.T, target, old string) string {
	t.Helper()
	p := detect(t, shop)
	none := ""
	f := makes(t, target, p, ci.Options{Private: &none}).Files[0]
	other := makes(t, target, p, ci.Options{Server: server, Private: &none}).Files[0]
	merge := func(f ci.File, old string) string {
		data, err := ci.Merge(f, []byte(old), parseYAML)
		if err != nil {
			t.Fatalf("%v\n%s", err, old)
		}
		return string(data)
	}
	first := merge(f, old)
	if again := merge(f, first); again != first {
		t.Errorf("a second time changes something:\n%s\n%s", first, again)
	}
	changed := merge(other, first)
	blank := func(s string) string { return strings.Join(strings.Fields(s), "") } // a line that was broken for us stays so
	if !strings.Contains(changed, server) || blank(merge(f, changed)) != blank(first) {
		t.Errorf("there and back is not the same:\n%s\n%s", first, merge(f, changed))
	}
	return first
}

// keeps fails if a line of old is not in merged any more, in its order.
func keeps(t *testing.T, old, merged string) {
	t.Helper()
	rest := merged
	for line := range strings.Lines(old) {
		i := strings.Index(rest, line)
		if i < 0 {
			t.Fatalf("%q is gone:\n%s", line, merged)
		}
		rest = rest[i+len(line):]
	}
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ name, target, old, want string }{
		{"new", "compose", "", ""},
		{"only a comment", "compose", "# mine\n", "# mine\n# godown ci: begin ("},
		{"compose", "compose", "# mine\nname: x\nservices:\n    # the data\n    db: &db\n        image: postgres # kept\n    two: *db\n\nnetworks: {a: {}}\n", "services:\n    # godown ci: begin services ("},
		{"compose with nothing in it", "compose", "services:\nvolumes:\n  godown-old:\n", "volumes:\n  # godown ci: begin volumes ("},
		{"no line feed at the end", "compose", "name: x", "name: x\n# godown ci: begin services ("},
		{"gitlab", "gitlab", "stages: [test]\nlint:\n  script: |\n    echo a\n\n    echo b\n", "echo b\n# godown ci: begin ("},
		{"github", "github", "on: push\njobs:\n  lint:\n    runs-on: x\n    steps: []\n", "jobs:\n  # godown ci: begin jobs ("},
		{"gitea", "gitea", "on: push\n'jobs':\n  lint:\n    runs-on: x\n    steps: []\n", "'jobs':\n  # godown ci: begin jobs ("},
		{"ignore", "docker", "", ""},
		{"devcontainer", "devcontainer", "// mine\n{\n  \"name\": \"x\", /* } */\n  \"image\": \"a//b\",\n  \"containerEnv\": {\"A\": \"{\"},\n}\n", "{\n  // godown ci: begin ("},
		{"devcontainer of one line", "devcontainer", `{"name":"x"}`, "{\n\t// godown ci: begin ("},
		{"devcontainer with nothing", "devcontainer", "{\n}\n", "{\n\t// godown ci: begin ("},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := twice(t, c.target, c.old)
			if !strings.Contains(got, c.want) {
				t.Errorf("there is no %q in\n%s", c.want, got)
			}
			if c.target != "devcontainer" {
				keeps(t, c.old, got+"\n")
			}
			if c.target == "devcontainer" {
				if v, err := ci.ParseJSONC(got); err != nil || v["updateContentCommand"] == nil || c.name == "devcontainer" && v["image"] != "a//b" {
					t.Errorf("%v %v", v, err)
				}
			} else if c.target != "docker" {
				if _, err := parseYAML([]byte(got)); err != nil {
					t.Error(err)
				}
			}
			// Windows' line ends stay, and become ours.
			crlf, err := ci.Merge(makes(t, c.target, detect(t, shop), ci.Options{}).Files[0], []byte(strings.ReplaceAll(got, "\n", "\r\n")), parseYAML)
			if err != nil || strings.Count(string(crlf), "\n") != strings.Count(string(crlf), "\r\n") {
				t.Errorf("%v: %q", err, crlf)
			}
		})
	}
}

// TestMergeAround: what stands before and behind our part stays there.
func TestMergeAround(t *testing.T) {
	f := makes(t, "docker", detect(t, shop), ci.Options{}).Files[0]
	g := makes(t, "docker", detect(t, shop), ci.Options{Server: server}).Files[0]
	old := "# mine\n" + f.Text() + "LABEL mine=1\n"
	data, err := ci.Merge(g, []byte(old), nil)
	if want := strings.Replace(old, f.Text(), g.Text(), 1); err != nil || string(data) != want {
		t.Errorf("%v\n%s", err, data)
	}
	ignore := makes(t, "docker", detect(t, shop), ci.Options{}).Files[1]
	data, err = ci.Merge(ignore, []byte("*\n!.git\n"), nil)
	if err != nil || string(data) != ignore.Text()+"*\n!.git\n" {
		t.Errorf("ours must stand before what counts more: %v\n%s", err, data)
	}
}

func TestMergeRefuses(t *testing.T) {
	for _, c := range []struct{ name, target, old, want string }{
		{"a Dockerfile", "docker", "FROM x\n", "cannot be merged"},
		{"a Jenkinsfile", "jenkins", "pipeline {}\n", "cannot be merged"},
		{"a job of the name", "gitlab", "go:\n  script: x\n", "go of its own"},
		{"a service of the name", "compose", "services:\n  godown: {image: x}\n", "services.godown of its own"},
		{"a volume of the name", "compose", "services:\n  x: {image: y}\nvolumes:\n  godown:\n", "volumes.godown of its own"},
		{"brackets", "compose", "services: {x: {image: y}}\n", "not a mapping of one key a line"},
		{"no mapping", "compose", "- a\n", "no mapping"},
		{"no YAML", "compose", "a: b: c\n", "no YAML"},
		{"twice the same key", "compose", "a: 1\na: 2\n", "no YAML"},
		{"a damaged mark", "compose", "# godown ci: begin (x)\nservices:\n", "damaged at line 2"},
		{"two marks", "gitlab", "# godown ci: begin (x)\n# godown ci: end\n# godown ci: begin (x)\n# godown ci: end\n", "damaged at line 3"},
		{"the end of another", "compose", "# godown ci: begin services (x)\nservices:\n# godown ci: end volumes\n", "damaged at line 3"},
		{"our key outside too", "compose", "# godown ci: begin (x)\n# godown ci: end\nservices:\n  x: {image: y}\n", "outside of our marks"},
		{"no JSON", "devcontainer", "{", "no JSON"},
		{"a list", "devcontainer", "[]", "no JSON"},
		{"twice the same key", "devcontainer", `{"a":1,"a":2}`, "no JSON"},
		{"a command of its own", "devcontainer", `{"updateContentCommand":"make"}`, "updateContentCommand of its own"},
		{"an environment of its own", "devcontainer", `{"containerEnv":{"GODOWN_PRIVATE":"x"}}`, "containerEnv.GODOWN_PRIVATE of its own"},
		{"no environment", "devcontainer", `{"containerEnv":1}`, "containerEnv is no object"},
	} {
		private := "git.corp.example"
		f := makes(t, c.target, detect(t, shop), ci.Options{Private: &private}).Files[0]
		data, err := ci.Merge(f, []byte(c.old), parseYAML)
		refusal, ok := errors.AsType[*ci.Refusal](err)
		if !ok || !strings.Contains(refusal.Why.En, c.want) || refusal.Why.Zh == "" || data != nil {
			t.Errorf("%s: %v, want %q\n%s", c.name, err, c.want, data)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	f := makes(t, "compose", detect(t, shop), ci.Options{}).Files[0]
	name := filepath.Join(dir, "new", f.Name)
	c, err := ci.Plan(f, name, parseYAML)
	if err != nil {
		t.Fatal(err)
	}
	if diff := c.Diff(); !strings.HasPrefix(diff, "--- /dev/null\n+++ b/compose.yaml\n@@ -0,0 +1,") {
		t.Error(diff)
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("Plan has written")
	}
	if err := c.Write(); err != nil {
		t.Fatal(err)
	}
	if c, err = ci.Plan(f, name, parseYAML); err != nil || !c.Nothing() || c.Diff() != "" {
		t.Errorf("%v %s", err, c.Diff())
	}

	// A link stays a link, and a file keeps its rights.
	target, link := filepath.Join(dir, "target.yaml"), filepath.Join(dir, "link.yaml")
	if err := errors.Join(os.WriteFile(target, []byte("name: x\n"), 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	if c, err = ci.Plan(f, link, parseYAML); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(target)
	info, errLink := os.Lstat(link)
	if err != nil || errLink != nil || info.Mode()&os.ModeSymlink == 0 || !strings.HasPrefix(string(data), "name: x\n# godown ci:") {
		t.Errorf("%v %v %s", err, errLink, data)
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}

	// Somebody writes meanwhile.
	other := makes(t, "compose", detect(t, shop), ci.Options{Server: server}).Files[0]
	if c, err = ci.Plan(other, target, parseYAML); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, []byte("name: mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(); err == nil || !strings.Contains(err.Error(), "changed by somebody else") {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if data, _ := os.ReadFile(target); string(data) != "name: mine\n" || err != nil || len(left) != 3 {
		t.Errorf("%s %v %v", data, left, err)
	}
}

// TestDiff gives diffs to patch's own reading: applied by hand, line for line.
func TestDiff(t *testing.T) {
	before := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20"
	after := "1\n2\nnew\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n20\n"
	c := ci.Change{Name: "f", Exists: true, Before: []byte(before), After: []byte(after)}
	want := `--- a/f
+++ b/f
@@ -1,5 +1,6 @@
 1
 2
+new
 3
 4
 5
@@ -16,5 +17,4 @@
 16
 17
 18
-19
-20
\ No newline at end of file
+20
`
	if got := c.Diff(); got != want {
		t.Errorf("%s", got)
	}
}
