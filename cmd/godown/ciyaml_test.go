package main

import (
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/ci"
)

// TestCIYAML: what 'godown ci --write' must not put lines into, or must not change, is told apart by the real parser.
func TestCIYAML(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\n---\nb: 2\n":       "more than one document",
		"a: 1\na: 2\n":            "the key a of line 2 is there twice",
		"a:\n  b: 1\n  b: 2\n":    "the key b of line 3 is there twice",
		"- {b: 1, b: 2}\n":        "the key b of line 1 is there twice",
		"a: *nowhere\n":           "nowhere",
		"\ta: 1\n":                "",
		"spec: {}\n---\ngo: {}\n": "more than one document",
	} {
		if tree, err := ciTree([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v %v", text, tree, err)
		}
	}
	for _, text := range []string{"", "# only a comment\n", "---\n", "~\n"} {
		if tree, err := ciTree([]byte(text)); tree != nil || err != nil {
			t.Errorf("%q: %+v %v", text, tree, err)
		}
	}
	f := ci.File{Name: "x.yml", Style: ci.YAML, Mark: "#", By: "x", Sections: []ci.Section{{Key: "jobs", Keys: []string{"go"}, Text: "go:\n  run: x\n"}}}
	for _, old := range []string{
		"---\nx: &x\n  a: 1\njobs:\n  # first\n  y:\n    <<: *x\n    <<: *x\n    b: 'on' # last\n",
		"jobs: &all # all\n    y: *z\nz: &z 1\n",
		"x: |+\n  text\n\n\n",
	} {
		once, err := ci.Merge(f, []byte(old), ciTree)
		if strings.Contains(old, "*z\nz") { // an anchor that comes too late
			if err == nil {
				t.Errorf("%q: %s", old, once)
			}
			continue
		}
		again, errAgain := ci.Merge(f, once, ciTree)
		if err != nil || errAgain != nil || string(again) != string(once) {
			t.Errorf("%q: %v %v\n%s", old, err, errAgain, once)
		}
		for line := range strings.Lines(old) {
			if !strings.Contains(string(once), line) {
				t.Errorf("%q is gone from\n%s", line, once)
			}
		}
	}
}
