package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCIJSON: docs/ci.md tells each field of 'godown ci --json', and no other.
func TestCIJSON(t *testing.T) {
	docs, err := os.ReadFile("../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/x\ngo 1.24\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"ci", "gitlab", "--json"}, nil, &out, &errs, thisMachine()); code != exitOK {
		t.Fatal(code, errs.String())
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(docs), "## JSON")
	n := 0
	for field := range got {
		n++
		if !strings.Contains(table, "| `"+field+"` |") {
			t.Errorf("docs/ci.md does not tell of %s", field)
		}
	}
	for field := range got["files"].([]any)[0].(map[string]any) {
		n++
		if !strings.Contains(table, "| `files[]."+field+"` |") {
			t.Errorf("docs/ci.md does not tell of files[].%s", field)
		}
	}
	if rows := strings.Count(table, "\n| `"); rows != n || n != 5 {
		t.Errorf("docs/ci.md has %d fields, and there are %d", rows, n)
	}
}

func TestCIVersions(t *testing.T) {
	for v, want := range map[string]string{"v1.2.3": "v1.2.3", "devel-0123456789ab": "", "v1.2.4-0.20260101000000-0123456789ab": "", "v1.2.3+dirty": "", "v2.0.0-rc.1": ""} {
		if got := ciRelease(v); got != want {
			t.Errorf("%s: %q", v, got)
		}
	}
	for v, want := range map[string]string{"1.26.8": "1.26", "1.26": "1.26", "1.26.8 X:nodwarf5": "1.26"} {
		if got := ciMinor(v); got != want {
			t.Errorf("%s: %q", v, got)
		}
	}
	for sub, want := range map[string]string{".": ".", "a": "..", "a/b": "../.."} {
		if got := upwards(sub); got != want {
			t.Errorf("%s: %q", sub, got)
		}
	}
}
