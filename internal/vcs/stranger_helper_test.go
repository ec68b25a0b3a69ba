package vcs

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A helper of --git-config must not open a private repository to a stranger's page either.
func TestStrangersGetNoHelper(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", strings.ReplaceAll(script, "github.com", "git.corp.example"))
	h.Login("git.corp.example", godowntest.BasicLogin("me", "secret"))
	h.Import("evil.example/mod", "git", "https://git.corp.example/acme/tool", "")
	o := newOrigin(t, h)
	o.Private = "git.corp.example"
	o.GitConfig = filepath.Join(t.TempDir(), "gitconfig")
	os.WriteFile(o.GitConfig, []byte("[credential \"https://git.corp.example\"]\n\thelper = \"!f() { echo username=me; echo password=secret; }; f\"\n"), 0o600)
	o.Login = func(context.Context, *url.URL) (godown.Login, error) { return godown.Login{}, nil }
	mustAsk(t, o, godown.List, "git.corp.example/acme/tool.git", "")
	if list, err := ask(t, o, godown.List, "evil.example/mod", ""); err == nil {
		t.Errorf("evil.example/mod has %q", list)
	}
}
