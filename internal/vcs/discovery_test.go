package vcs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// The configuration of a repository in which Dir happens to lie is none of ours.
func TestDirInsideRepository(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	h.Login("github.com", godowntest.BasicLogin("me", "secret"))
	o := newOrigin(t, h)
	top := t.TempDir()
	mark := filepath.Join(top, "mark")
	// What a checkout may hold: a bare repository, as plain files.
	for _, sub := range []string{"objects", "refs"} {
		os.MkdirAll(filepath.Join(top, sub), 0o700)
	}
	os.WriteFile(filepath.Join(top, "HEAD"), []byte("ref: refs/heads/main\n"), 0o600)
	os.WriteFile(filepath.Join(top, "config"), []byte("[core]\n\trepositoryformatversion = 0\n\tbare = true\n[credential]\n\thelper = \"!touch "+mark+"; #\"\n"), 0o600)
	o.Dir = filepath.Join(top, "cache")
	_, _ = ask(t, o, godown.List, tool, "")
	if _, err := os.Stat(mark); err == nil {
		t.Error("a command of that repository's configuration was run")
	}
}

func TestDirInsideWorkTree(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	h.RepoText(t, "", strings.ReplaceAll(script, "github.com", "evil.example")+"tag v6.6.6\n")
	o := newOrigin(t, h)
	top := t.TempDir()
	for _, args := range [][]string{{"init", "-q"}, {"config", "url.https://evil.example/.insteadOf", "https://github.com/"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = top
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
	}
	o.Dir = filepath.Join(top, "cache")
	mustAsk(t, o, godown.List, tool, "")
	if n := h.Count("evil.example"); n > 0 {
		t.Errorf("asked evil.example %d times", n)
	}
}
