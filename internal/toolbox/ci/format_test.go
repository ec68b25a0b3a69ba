package ci_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/ci"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"go.yaml.in/yaml/v4"
)

// read parses YAML into v, whose fields are the keys that the format knows: any other is an error.
func read(t *testing.T, text string, v any) {
	t.Helper()
	if _, err := parseYAML([]byte(text)); err != nil { // which refuses what is there twice
		t.Fatalf("%v\n%s", err, text)
	}
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

// A workflow has the keys of GitHub's workflow syntax that are used, in the types that it wants.
type workflow struct {
	Name string
	On   []string
	Jobs map[string]struct {
		RunsOn      string `yaml:"runs-on"`
		Permissions map[string]string
		Defaults    struct {
			Run struct {
				WorkingDirectory string `yaml:"working-directory"`
			}
		}
		Env   map[string]string
		Steps []struct {
			Name, Uses, Run string
			Env             map[string]string
			With            map[string]any
		}
	}
}

func TestWorkflow(t *testing.T) {
	inputs := map[string][]string{ // that the actions have
		"actions/checkout": {"persist-credentials"},
		"actions/setup-go": {"go-version", "go-version-file", "cache", "cache-dependency-path"},
		"actions/cache":    {"path", "key", "restore-keys"},
	}
	seen := make(scripts)
	each(t, func(target string, _ lang.Language, name string, s *ci.Snippet) {
		if target != "github" && target != "gitea" {
			return
		}
		var w workflow
		read(t, s.Files[0].Text(), &w)
		job, ok := w.Jobs["go"]
		if !ok || len(w.Jobs) != 1 || job.RunsOn == "" || len(job.Steps) < 4 || !slices.Equal(w.On, []string{"push", "pull_request"}) {
			t.Fatalf("%s %s: %+v", target, name, w)
		}
		want := map[string]string{"contents": "read"}
		if strings.HasSuffix(name, "oidc") {
			want["id-token"] = "write"
		}
		if len(job.Permissions) != len(want) || job.Permissions["contents"] != "read" || job.Permissions["id-token"] != want["id-token"] {
			t.Errorf("%s %s: permissions %v", target, name, job.Permissions)
		}
		for _, step := range job.Steps {
			if (step.Uses == "") == (step.Run == "") {
				t.Errorf("%s %s: a step uses and runs, or does neither: %+v", target, name, step)
			}
			action, version, _ := strings.Cut(step.Uses, "@")
			for input := range step.With {
				if !slices.Contains(inputs[action], input) {
					t.Errorf("%s %s: %s has no input %s", target, name, action, input)
				}
			}
			if step.Uses != "" && !regexp.MustCompile(`^v\d+$`).MatchString(version) {
				t.Errorf("%s %s: %s is of no version", target, name, step.Uses)
			}
			seen.shell(t, target+" "+name, step.Run)
			for variable, value := range step.Env {
				if !regexp.MustCompile(`^\$\{\{ (secrets|vars)\.` + variable + ` \}\}$`).MatchString(value) {
					t.Errorf("%s %s: %s is %q", target, name, variable, value)
				}
			}
			if len(step.Env) > 0 && !strings.Contains(step.Run, "go mod download") {
				t.Errorf("%s %s: a secret is given to %q", target, name, step.Run)
			}
		}
	})
}

// scripts are those that the shells have looked at.
type scripts map[string]bool

// shell has the shells look at a script.
func (seen scripts) shell(t *testing.T, name, script string) {
	t.Helper()
	if script == "" || seen[script] {
		return
	}
	seen[script] = true
	for _, sh := range []string{"sh", "bash"} {
		cmd := exec.Command(sh, "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %s: %v: %s\n%s", name, sh, err, out, script)
		}
	}
}

func TestGitLab(t *testing.T) {
	type job struct {
		Image, Extends string
		Variables      map[string]string
		Cache          struct {
			Key   any
			Paths []string
		}
		IDTokens     map[string]struct{ Aud string } `yaml:"id_tokens"`
		BeforeScript []string                        `yaml:"before_script"`
		Script       []string
	}
	seen := make(scripts)
	each(t, func(target string, _ lang.Language, name string, s *ci.Snippet) {
		if target != "gitlab" {
			return
		}
		var jobs map[string]job
		read(t, s.Files[0].Text(), &jobs)
		base, run := jobs[".godown"], jobs["go"]
		if base.Image == "" || len(base.BeforeScript) == 0 || run.Extends != ".godown" || len(run.Script) != 2 || len(base.Cache.Paths) != 1 {
			t.Errorf("%s: %+v", name, jobs)
		}
		switch key := base.Cache.Key.(type) {
		case string:
			if base.Variables["GODOWN_DATA"] == "" {
				t.Errorf("%s: what go.sum names is kept below the key %s, whatever go.sum is", name, key)
			}
		case map[string]any:
			if files, _ := key["files"].([]any); len(files) == 0 || len(files) > 2 || len(key) != 2 || key["prefix"] == "" {
				t.Errorf("%s: cache key %v", name, key)
			}
		default:
			t.Errorf("%s: cache key %v", name, key)
		}
		if strings.HasSuffix(name, "oidc") && base.IDTokens["GODOWN_ID_TOKEN"].Aud != server {
			t.Errorf("%s: %v", name, base.IDTokens)
		}
		seen.shell(t, name, strings.Join(append(base.BeforeScript, run.Script...), "\n"))
	})
}

// A compose has the keys of the Compose specification that are used.
type compose struct {
	Services map[string]struct {
		Build struct {
			Inline string `yaml:"dockerfile_inline"`
		}
		Image      string
		Profiles   []string
		Entrypoint []string
		Command    []string
		DependsOn  map[string]struct{ Condition string } `yaml:"depends_on"`

		Environment map[string]string
		Configs     []struct{ Source, Target string }
		Secrets     []struct {
			Source, UID string
			Mode        int
		}
		Ports       []string
		Volumes     []string
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
		Healthcheck struct {
			Test              []string
			Interval, Timeout string
			StartPeriod       string `yaml:"start_period"`
		}
		Restart    string
		WorkingDir string `yaml:"working_dir"`
		User       string
	}
	Volumes map[string]any
	Configs map[string]struct{ Content string }
	Secrets map[string]struct{ Environment string }
}

func TestCompose(t *testing.T) {
	each(t, func(target string, _ lang.Language, name string, s *ci.Snippet) {
		if target != "compose" {
			return
		}
		var c compose
		read(t, s.Files[0].Text(), &c)
		for service, s := range c.Services {
			if (s.Image == "") == (s.Build.Inline == "") {
				t.Errorf("%s: %s has an image and a build, or neither", name, service)
			}
			for _, v := range s.Volumes {
				if source, _, _ := strings.Cut(v, ":"); regexp.MustCompile(`^\w+$`).MatchString(source) {
					if _, ok := c.Volumes[source]; !ok {
						t.Errorf("%s: there is no volume %s", name, source)
					}
				}
			}
			for _, v := range s.Configs {
				if _, ok := c.Configs[v.Source]; !ok {
					t.Errorf("%s: there is no configuration %s", name, v.Source)
				}
			}
			for _, v := range s.Secrets {
				if _, ok := c.Secrets[v.Source]; !ok || v.Mode != 0o400 {
					t.Errorf("%s: there is no secret %s for its owner alone", name, v.Source)
				}
			}
			for other, d := range s.DependsOn {
				if _, ok := c.Services[other]; !ok || d.Condition != "service_healthy" || c.Services[other].Healthcheck.Test == nil {
					t.Errorf("%s: %s waits for %s, which has no health", name, service, other)
				}
			}
			if service == "godown" && (!strings.Contains(s.Build.Inline, "USER 10001:10001") || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.Ports) != 1 || !strings.HasPrefix(s.Ports[0], "127.0.0.1:")) {
				t.Errorf("%s: %+v", name, s)
			}
		}
		_, proxy := c.Services["godown"]
		if goes := c.Services["go"].Environment["GOPROXY"]; proxy != (goes == "http://godown:8080") || proxy == strings.HasPrefix(name, "server") {
			t.Errorf("%s: GOPROXY is %s", name, goes)
		}
	})
}

// TestJenkins looks at the parts of the pipeline: brackets and quotes in pairs, the
// sections that the declarative syntax wants in the places where it wants them.
func TestJenkins(t *testing.T) {
	within := map[string]string{"agent": "pipeline", "environment": "pipeline", "stages": "pipeline", "docker": "agent", "stage": "stages", "steps": "stage", "dir": "steps", "withCredentials": "steps"}
	block := regexp.MustCompile(`^(\w+)(\(.*\))? \{$`)
	seen := make(scripts)
	each(t, func(target string, _ lang.Language, name string, s *ci.Snippet) {
		if target != "jenkins" {
			return
		}
		var open []string
		inside := false // a text of several lines
		script := ""
		for line := range strings.Lines(s.Files[0].Text()) {
			line = strings.TrimSpace(line)
			if inside {
				if inside = line != "'''"; inside {
					script += line + "\n"
				} else {
					seen.shell(t, name, script)
				}
				continue
			}
			if m := block.FindStringSubmatch(line); m != nil {
				if len(open) > 0 && !slices.Contains(open, within[m[1]]) || within[m[1]] == "" && m[1] != "pipeline" {
					t.Errorf("%s: %s stands in %v", name, m[1], open)
				}
				open = append(open, m[1])
				continue
			}
			command, isSh := strings.CutPrefix(line, "sh ")
			switch {
			case line == "}":
				open = open[:len(open)-1]
			case isSh && command == "'''":
				inside, script = true, ""
			case isSh:
				if !regexp.MustCompile(`^'([^'\\]|\\.)*'$`).MatchString(command) || !slices.Contains(open, "steps") {
					t.Errorf("%s: %s in %v", name, line, open)
				}
				seen.shell(t, name, strings.ReplaceAll(strings.Trim(command, "'"), `\'`, `'`))
			case line == "", strings.HasPrefix(line, "//"):
			case !regexp.MustCompile(`^(\w+ = ('[^'$\\]*'|"\$\{\w+\}[\w./-]*")|image '[\w:.-]+'|args '-u 0:0')$`).MatchString(line):
				t.Errorf("%s: %q", name, line)
			}
		}
		if len(open) != 0 || inside {
			t.Errorf("%s: %v is not closed", name, open)
		}
	})
}

func TestDevcontainer(t *testing.T) {
	known := []string{"name", "image", "features", "remoteUser", "containerEnv", "remoteEnv", "updateContentCommand", "mounts"}
	seen := make(scripts)
	each(t, func(target string, _ lang.Language, name string, s *ci.Snippet) {
		if target != "devcontainer" {
			return
		}
		values, err := ci.ParseJSONC(s.Files[0].Text())
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, s.Files[0].Text())
		}
		for key := range values {
			if !slices.Contains(known, key) {
				t.Errorf("%s: %s is no key of devcontainer.json", name, key)
			}
		}
		if values["image"] == nil || values["remoteUser"] != "vscode" {
			t.Errorf("%s: %v", name, values)
		}
		command, _ := values["updateContentCommand"].(string)
		if command == "" && name != "vendor" {
			t.Errorf("%s: nothing is downloaded", name)
		}
		seen.shell(t, name, command)
	})
}

// TestDockerfile checks by itself what matters most; the whole grammar is checked by BuildKit's parser in .ci/dockerfile.
func TestDockerfile(t *testing.T) {
	seen := make(scripts)
	each(t, func(target string, _ lang.Language, name string, s *ci.Snippet) {
		if target != "docker" {
			return
		}
		text := strings.ReplaceAll(s.Files[0].Text(), "\\\n", "")
		last := text[strings.LastIndex(text, "\nFROM "):]
		if !strings.HasPrefix(text, "# syntax=docker/dockerfile:1\n") || !strings.Contains(last, "\nUSER 65532:65532\n") || !strings.Contains(last, "\nENTRYPOINT [\"/") {
			t.Errorf("%s: %s", name, last)
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "ARG") || strings.HasPrefix(line, "ENV") && strings.Contains(line, "TOKEN") {
				t.Errorf("%s: %s", name, line)
			}
			if command, ok := strings.CutPrefix(line, "RUN "); ok {
				for strings.HasPrefix(command, "--") {
					_, command, _ = strings.Cut(command, " ")
					command = strings.TrimLeft(command, " ")
				}
				seen.shell(t, name, command)
			}
		}
	})
}
