//go:build unix

package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v4"
)

// cisteps FILE OUT writes the shell commands of a workflow of GitHub's, a pipeline
// of GitLab's or a Dockerfile's stage build to a script, with the variables that go
// with them, in the order in which they would be run. What installs godown, or
// packages of an image, is left out: godown is here already.
func cmdCISteps(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "cisteps FILE OUT")
	text := ts.ReadFile(args[0])
	var b strings.Builder
	b.WriteString("set -e\n")
	export := func(env map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(env)) {
			// A secret is what the script has set. Nothing of what the tests compile is kept in a folder of one script.
			if name != "GOCACHE" && !strings.Contains(env[name], "${{") {
				fmt.Fprintf(&b, "export %s=\"%s\"\n", name, env[name])
			}
		}
	}
	run := func(command string) {
		if command != "" && !strings.Contains(command, "go install ") && !strings.HasPrefix(command, "apk ") {
			// Each step has a shell of its own.
			fmt.Fprintf(&b, "(\n%s\n)\n", command)
		}
	}
	switch {
	case strings.Contains(text, "\nFROM "):
		stages := strings.Split(strings.ReplaceAll(text, "\\\n", ""), "\nFROM ")
		doc := regexp.MustCompile(`(?ms)^COPY <<'EOF' (\S+)\n(.*?)^EOF$`)
		for _, stage := range stages {
			if !strings.Contains(stage, " AS build\n") {
				continue
			}
			for _, m := range doc.FindAllStringSubmatch(stage, -1) {
				fmt.Fprintf(&b, "cat > \"$WORK%s\" <<'EOF'\n%sEOF\n", m[1], m[2])
			}
			for line := range strings.Lines(stage) {
				line = strings.TrimSpace(line)
				if name, value, ok := strings.Cut(strings.TrimPrefix(line, "ENV "), "="); ok && strings.HasPrefix(line, "ENV ") {
					export(map[string]string{name: strings.Trim(value, `"`)})
				}
				if command, ok := strings.CutPrefix(line, "RUN "); ok {
					command = regexp.MustCompile(`--mount=\S+\s+`).ReplaceAllString(command, "")
					run(strings.NewReplacer("/etc/godown.yaml", "$WORK/etc/godown.yaml", "/var/cache/godown", "$DATA", "/out/", "$WORK/out/", "/run/secrets/", "$WORK/secrets/", "GOCACHE=/var/cache/go-build ", "").Replace(command))
				}
			}
		}
	case strings.Contains(text, "\njobs:"):
		var w struct {
			Jobs map[string]struct {
				Env   map[string]string
				Steps []struct{ Run string }
			}
		}
		ts.Check(yaml.Unmarshal([]byte(text), &w))
		export(w.Jobs["go"].Env)
		for _, step := range w.Jobs["go"].Steps {
			run(step.Run)
		}
	default:
		var jobs map[string]struct {
			Variables    map[string]string
			BeforeScript []string `yaml:"before_script"`
			Script       []string
		}
		ts.Check(yaml.Unmarshal([]byte(text), &jobs))
		export(jobs[".godown"].Variables)
		for _, command := range slices.Concat(jobs[".godown"].BeforeScript, jobs["go"].Script) {
			run(command)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o666))
}
