// Package dockerfile reads what 'godown ci docker' and 'godown ci compose' print
// with BuildKit's own parser. It is a module of its own, as BuildKit brings a dozen
// others: run "go test -count=1 ./..." in this folder. (The golden files that it
// reads are not of this module, so that go test would not see them change.)
package dockerfile

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"go.yaml.in/yaml/v4"
	"golang.org/x/tools/txtar"
)

// golden returns the files of that name in the golden files of a target, by sample and language.
func golden(t *testing.T, target, name string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, lang := range []string{"en", "zh"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "internal", "toolbox", "ci", "testdata", target+"."+lang+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(data).Files {
			if sample, ok := strings.CutSuffix(f.Name, ": "+name); ok {
				all[sample+" "+lang] = string(f.Data)
			}
		}
	}
	if len(all) < 10 {
		t.Fatalf("there are %d golden files of %s", len(all), target)
	}
	return all
}

// stages parses a Dockerfile, down to the arguments of each instruction.
func stages(t *testing.T, text string) []instructions.Stage {
	t.Helper()
	result, err := parser.Parse(bytes.NewReader([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range result.Warnings {
		t.Errorf("line %v: %s", w.Location, w.Short)
	}
	all, _, err := instructions.Parse(result.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDocker(t *testing.T) {
	for name, text := range golden(t, "docker", "Dockerfile") {
		t.Run(name, func(t *testing.T) { check(t, stages(t, text), name) })
	}
}

func TestCompose(t *testing.T) {
	for name, text := range golden(t, "compose", "compose.yaml") {
		t.Run(name, func(t *testing.T) {
			var file struct {
				Services map[string]struct {
					Build struct {
						Inline string `yaml:"dockerfile_inline"`
					}
				}
			}
			if err := yaml.Unmarshal([]byte(text), &file); err != nil {
				t.Fatal(err)
			}
			for service, s := range file.Services {
				if s.Build.Inline != "" {
					all := stages(t, s.Build.Inline)
					if service == "godown" {
						check(t, all, name)
					}
				}
			}
		})
	}
}

// check looks at what the parser takes but a build would not, and at what must be in the last image.
func check(t *testing.T, all []instructions.Stage, name string) {
	t.Helper()
	var names []string
	mounts := 0
	for _, stage := range all {
		for _, c := range stage.Commands {
			switch c := c.(type) {
			case *instructions.CopyCommand:
				if c.From != "" && !slices.Contains(names, c.From) {
					t.Errorf("it copies from %s, which is no stage before %s", c.From, stage.Name)
				}
			case *instructions.RunCommand:
				if err := c.Expand(func(s string) (string, error) { return s, nil }); err != nil {
					t.Fatal(err)
				}
				for _, m := range instructions.GetMounts(c) {
					if m.Type == instructions.MountTypeSecret || m.Type == instructions.MountTypeSSH {
						mounts++
						if !m.Required {
							t.Errorf("the secret %s is not required: a build would go on without", m.CacheID)
						}
						if m.Type == instructions.MountTypeSecret && m.Env == nil && !strings.Contains(c.String(), "/run/secrets/"+m.CacheID) && m.CacheID != "known_hosts" {
							t.Errorf("nobody reads the secret %s", m.CacheID)
						}
					}
				}
			case *instructions.EnvCommand:
				for _, kv := range c.Env {
					if strings.Contains(kv.Key, "TOKEN") {
						t.Errorf("%s is part of the image", kv.Key)
					}
				}
			case *instructions.ArgCommand:
				t.Error("an argument is part of the image's history")
			}
		}
		names = append(names, stage.Name)
	}
	if secret := strings.Contains(name, "token") || strings.Contains(name, "netrc") || strings.Contains(name, "ssh"); strings.HasPrefix(name, "server") && secret && mounts == 0 {
		t.Error("no secret is mounted")
	}
	last := all[len(all)-1]
	user, entry := "", false
	for _, c := range last.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			entry = !c.PrependShell
		}
	}
	if user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		t.Errorf("the image runs as %q", user)
	}
	if !entry {
		t.Error("the image has no entry point without a shell")
	}
}
