package vcs

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// What is missing on this machine is no proof that a module does not exist.
func TestLocalFilesMissingAreNot404(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	for name, hurt := range map[string]func(o *Origin){
		"tmp": func(o *Origin) { os.RemoveAll(filepath.Join(o.Dir, "tmp")) },
		"dir": func(o *Origin) { os.RemoveAll(o.Dir) },
		"git": func(o *Origin) { o.git.path = filepath.Join(o.Dir, "gone") },
	} {
		for _, warm := range []bool{false, true} {
			o := newOrigin(t, h)
			o.TTL = time.Nanosecond
			if warm {
				mustAsk(t, o, godown.Zip, tool, "v1.0.0")
			}
			o.once.Do(o.init)
			hurt(o)
			for _, kind := range []godown.Kind{godown.List, godown.Info, godown.Zip} {
				v := "v1.0.0"
				if kind == godown.List {
					v = ""
				}
				if _, err := ask(t, o, kind, tool, v); isAbsent(err) {
					t.Errorf("%s (warm: %v), %v: it is told as not found: %v", name, warm, kind, err)
				}
			}
		}
	}
}

// A credential whose file is missing does not make private modules inexistent
// (auth.Outwards wraps the error of os.ReadFile).
func TestLoginFileMissingIsNot404(t *testing.T) {
	h := godowntest.NewGitHost(t)
	h.RepoText(t, "", script)
	o := newOrigin(t, h)
	o.Private = "github.com/acme"
	o.Login = func(context.Context, *url.URL) (godown.Login, error) {
		_, err := os.ReadFile(filepath.Join(t.TempDir(), "token"))
		return godown.Login{}, fmt.Errorf("auth.out: %w", err)
	}
	if _, err := ask(t, o, godown.List, tool, ""); err == nil || isAbsent(err) {
		t.Errorf("it is told as not found: %v", err)
	}
}
