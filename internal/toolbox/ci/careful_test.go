package ci_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/ci"
)

// TestMergeMark: the mark that Windows' editors begin a file with stays there, and is no part of a line.
func TestMergeMark(t *testing.T) {
	const mark = "\ufeff"
	p := detect(t, shop)
	for _, c := range []struct {
		f   ci.File
		old string
	}{
		{makes(t, "docker", p, ci.Options{}).Files[1], "*\n!main.go\n"},
		{makes(t, "devcontainer", p, ci.Options{}).Files[0], "{\"name\": \"x\"}\n"},
		{makes(t, "compose", p, ci.Options{}).Files[0], "services:\r\n  x: {image: y}\r\n"},
	} {
		plain, err := ci.Merge(c.f, []byte(c.old), parseYAML)
		marked, errMarked := ci.Merge(c.f, []byte(mark+c.old), parseYAML)
		if err != nil || errMarked != nil || string(marked) != mark+string(plain) {
			t.Errorf("%s: %v %v\n%q", c.f.Name, err, errMarked, marked)
		}
		if again, err := ci.Merge(c.f, marked, parseYAML); err != nil || string(again) != string(marked) {
			t.Errorf("%s: again: %v\n%q", c.f.Name, err, again)
		}
	}
}

// TestStage: GitLab refuses a pipeline with a job in a stage that its list has not.
func TestStage(t *testing.T) {
	f := makes(t, "gitlab", detect(t, shop), ci.Options{}).Files[0]
	for _, c := range []struct{ stages, want string }{
		{"", "go:\n  extends: .godown\n  script:\n"},
		{"stages: [build, test]\n", "go:\n  extends: .godown\n  script:\n"},
		{"stages: []\n", "go:\n  extends: .godown\n  script:\n"},
		{"stages: [lint, build, deploy]\n", "go:\n  extends: .godown\n  stage: build\n  script:\n"},
		{"stages: [build, unit-tests]\n", "go:\n  extends: .godown\n  stage: unit-tests\n  script:\n"},
		{"stages:\n  - 'a: b'\n", "go:\n  extends: .godown\n  stage: 'a: b'\n  script:\n"},
		{"stages: [\"it's: a\"]\n", "go:\n  extends: .godown\n  stage: 'it''s: a'\n  script:\n"},
	} {
		once, err := ci.Merge(f, []byte(c.stages+"lint:\n  script: x\n"), parseYAML)
		if err != nil || !strings.Contains(string(once), c.want) {
			t.Errorf("%q: %v\n%s", c.stages, err, once)
		}
		if again, err := ci.Merge(f, once, parseYAML); err != nil || string(again) != string(once) {
			t.Errorf("%q: again: %v\n%s", c.stages, err, again)
		}
	}
	if strings.Contains(f.Text(), "stage:") {
		t.Error("the file itself was changed")
	}
}

// TestPlanRefuses: files that their owner has put out of reach are not replaced.
func TestPlanRefuses(t *testing.T) {
	dir := t.TempDir()
	f := makes(t, "compose", detect(t, shop), ci.Options{}).Files[0]
	locked, link, folder := filepath.Join(dir, "locked"), filepath.Join(dir, "link"), filepath.Join(dir, "folder")
	if err := errors.Join(os.WriteFile(locked, []byte("name: x\n"), 0o444), os.Symlink("nowhere", link), os.Mkdir(folder, 0o777)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{locked: "read-only", link: "a link to what is not there", folder: "no file"} {
		c, err := ci.Plan(f, name, parseYAML)
		if refusal, ok := errors.AsType[*ci.Refusal](err); !ok || !strings.Contains(refusal.Why.En, want) || refusal.Why.Zh == "" {
			t.Errorf("%s: %v %+v", filepath.Base(name), err, c)
		}
	}
}

// TestUseless: flags that would do nothing are refused, and a candidate of Go is named as each format wants it.
func TestUseless(t *testing.T) {
	private := "git.corp.example"
	p := detect(t, shop+"-- vendor/modules.txt --\n")
	for _, target := range []string{"github", "gitea", "gitlab", "jenkins", "docker"} {
		_, err := ci.Make(target, p, ci.Options{Here: "1.26.8", Needs: "1.26", Private: &private, Auth: "token"})
		if err == nil || !strings.Contains(err.Error(), "--auth token would be of no use") {
			t.Errorf("%s: %v", target, err)
		}
	}
	rc := ci.Options{Private: &private, Go: "1.27rc2"}
	if text := makes(t, "github", detect(t, shop), rc).Files[0].Text(); !strings.Contains(text, "go-version: '1.27.0-rc.2'\n") {
		t.Error(text)
	}
	if text := makes(t, "gitlab", detect(t, shop), rc).Files[0].Text(); !strings.Contains(text, "image: golang:1.27-rc-trixie\n") {
		t.Error(text)
	}
}

// TestRoot: where a pipeline of Jenkins runs as root, git refuses the clone of another user.
func TestRoot(t *testing.T) {
	private := "git.corp.example"
	root := makes(t, "jenkins", detect(t, shop), ci.Options{Private: &private, Variant: "alpine"}).Files[0].Text()
	other := makes(t, "jenkins", detect(t, shop), ci.Options{Private: &private}).Files[0].Text()
	if !strings.Contains(root, "-u 0:0") || !strings.Contains(root, "GOFLAGS = '-buildvcs=false'\n") || strings.Contains(other, "buildvcs") {
		t.Errorf("%s\n%s", root, other)
	}
}

// TestMergeMoved: a part of ours that stands where it cannot be is put where it belongs, line ends that differ stay
// as they differ, and quotes in texts end no text.
func TestMergeMoved(t *testing.T) {
	f := makes(t, "compose", detect(t, shop), ci.Options{Server: server}).Files[0]
	data, err := ci.Merge(f, []byte("# godown ci: begin services (x)\n# godown ci: end services\nname: x\nservices:\n  db: {image: y}\n"), parseYAML)
	if err != nil || !strings.HasPrefix(string(data), "name: x\nservices:\n  # godown ci: begin services (") || !strings.Contains(string(data), "  # godown ci: end services\n  db: {image: y}\n") {
		t.Errorf("%v\n%s", err, data)
	}
	data, err = ci.Merge(f, []byte("name: x\r\nx-a: 1\n"), parseYAML)
	if err != nil || !strings.HasPrefix(string(data), "name: x\r\nx-a: 1\n# godown ci: begin") || strings.Count(string(data), "\r") != 1 {
		t.Errorf("%v\n%q", err, data)
	}
	old := "{\n\t\"name\": \"a \\\" // { \\\\\", // mine \"\n\t\"image\": \"y\"\n}\n"
	data, err = ci.Merge(makes(t, "devcontainer", detect(t, shop), ci.Options{Server: server}).Files[0], []byte(old), parseYAML)
	if values, errRead := ci.ParseJSONC(string(data)); err != nil || errRead != nil || values["name"] != `a " // { \` || !strings.HasSuffix(string(data), old[2:]) {
		t.Errorf("%v %v\n%s", err, errRead, data)
	}
}

// TestForeign: the token of GitLab's own job is shown to no other host.
func TestForeign(t *testing.T) {
	private := "github.com/acme,git.corp.example"
	s := makes(t, "gitlab", detect(t, shop), ci.Options{Private: &private, Auth: "token"})
	text := s.Files[0].Text()
	if !strings.Contains(text, "- match: github.com/acme\n            token: env:GIT_TOKEN\n") || strings.Count(text, "token: env:CI_JOB_TOKEN") != 1 {
		t.Error(text)
	}
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0].En, "GIT_TOKEN has to hold") {
		t.Errorf("%v", s.Notes)
	}
}
